"""`bridge now`: the first page of the console, for scripts."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from bridge.cli.assemble import utc_now
from bridge.cli.opened import open_store
from bridge.cli.options import DEFAULT_CONFIG, Config, Json
from bridge.cli.output import print_documents, print_facts, print_heading, print_table
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
    """Show what needs a person, what flows per partner, what waits, and which endpoints are in trouble.

    `bridge exchange causes` tells more of what needs a person, `bridge certs status` which certificates end.
    Example: bridge now --json
    """
    with open_store(config) as opened:
        at = utc_now()
        document = overview_document(opened.store.read_sync(lambda tx: find_overview(tx, now=at)))
    if json:
        print_documents([document])
        return
    print_facts({name: value for name, value in document.items() if not isinstance(value, list)})
    print_heading("Per partner")
    print_table(_COLUMNS, [tuple(flow.values()) for flow in document["flows"]], fold="partner")
    print_heading("Endpoints in trouble")
    channels = [tuple(channel.values()) for channel in document["endpoints"]]
    print_table(("endpoint", "paused by", "failures", "reason"), channels, fold="reason")


def overview_document(found: Overview) -> dict[str, Any]:
    return {
        "needPerson": sum(cause.count for cause in found.causes),
        "causes": len(found.causes),
        "jobsGivenUp": found.dead_jobs,
        "jobsReady": found.ready_jobs,
        "slow": found.slow,
        "slowAfterMinutes": int(SLOW / timedelta(minutes=1)),
        "flows": [_flow(flow) for flow in found.flows],
        "endpoints": [
            {"endpoint": c.endpoint, "pausedBy": c.paused_by, "failures": c.failures, "reason": c.reason}
            for c in found.channels
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
