"""`bridge now`: the first page of the console, for scripts."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from bridge.cli.assemble import utc_now
from bridge.cli.opened import open_store
from bridge.cli.options import DEFAULT_CONFIG, Config, Json
from bridge.cli.output import print_documents, print_facts, print_heading, print_table
from bridge.config import Condition
from bridge.store.alerts import open_alerts
from bridge.store.channels import list_channels
from bridge.store.rows import Alert, Channel
from bridge.web.console.overview import SLOW, Flow, Overview, find_overview
from bridge.web.console.views import utc_text

_COLUMNS = (
    "partner",
    "to hub, hour",
    "to hub, day",
    "to partner, hour",
    "to partner, day",
    "needs a person",
    "running",
    "oldest that runs",
)


def now(config: Config = DEFAULT_CONFIG, json: Json = False) -> None:
    """Show what needs a person, what flows per partner, what is wrong, and which endpoints are in trouble.

    `bridge exchange causes` tells more of what needs a person, `bridge certs status` which certificates end.
    Example: bridge now --json
    """
    with open_store(config) as opened:
        at = utc_now()
        found, held, channels = opened.store.read_sync(
            lambda tx: (find_overview(tx, now=at), open_alerts(tx), list_channels(tx))
        )
        document = now_document(found, held, channels)
    if json:
        print_documents([document])
        return
    print_facts({name: value for name, value in document.items() if not isinstance(value, list)})
    print_heading("Per partner")
    print_table(_COLUMNS, [tuple(flow.values()) for flow in document["flows"]], fold="partner")
    print_heading("Conditions that hold")
    conditions = [tuple(condition.values()) for condition in document["conditions"]]
    print_table(("condition", "about", "since", "urgent"), conditions, fold="about")
    print_heading("Endpoints in trouble")
    troubled = [tuple(endpoint.values()) for endpoint in document["endpoints"]]
    print_table(("endpoint", "paused by", "failures", "reason"), troubled, fold="reason")


def now_document(found: Overview, held: Sequence[Alert], channels: Sequence[Channel]) -> dict[str, Any]:
    """`held` are the conditions as the watch of a running bridge wrote them down last."""
    return {
        "needPerson": sum(cause.count for cause in found.causes),
        "causes": len(found.causes),
        "jobsReady": found.ready_jobs,
        "jobsRoutine": found.routine_jobs,
        "slow": found.slow,
        "slowAfterMinutes": int(SLOW / timedelta(minutes=1)),
        "flows": [_flow(flow) for flow in found.flows],
        "conditions": [
            {
                "condition": alert.condition,
                "about": alert.target,
                "since": utc_text(alert.at),
                "urgent": bool(alert.urgent),
            }
            for alert in held
            if alert.condition != Condition.NEEDS_PERSON
        ],
        "endpoints": [
            {"endpoint": c.endpoint, "pausedBy": c.paused_by, "failures": c.failures, "reason": c.reason}
            for c in channels
            if c.paused or c.failures
        ],
    }


def _flow(flow: Flow) -> dict[str, Any]:
    return {
        "partner": flow.partner,
        "toHubHour": flow.to_hub_hour,
        "toHubDay": flow.to_hub_day,
        "toPartnerHour": flow.to_partner_hour,
        "toPartnerDay": flow.to_partner_day,
        "attention": flow.attention,
        "running": flow.running,
        "oldest": utc_text(flow.oldest) if flow.oldest else None,
    }
