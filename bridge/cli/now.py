"""`bridge now`: the first page of the console, for scripts."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import Connection

from bridge.cli.mending import with_bridge
from bridge.cli.options import DEFAULT_CONFIG, Config, Json
from bridge.cli.output import print_documents, print_facts, print_heading, print_table
from bridge.config import Condition, load_settings
from bridge.flow.bridge import Bridge
from bridge.flow.conditions import examine_now
from bridge.flow.mend import Actor
from bridge.store.alerts import open_alerts
from bridge.store.channels import list_channels
from bridge.store.rows import Channel
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

    `attention` is the number at Attention in the console: the exchanges that need a person (`needPerson`) and the
    conditions that hold. `bridge exchange causes` tells more of the former, `bridge certs status` which certificates
    end. Example: bridge now --json
    """

    async def do(bridge: Bridge, _by: Actor) -> dict[str, Any]:
        at = bridge.now()
        found, held, channels = await bridge.store.read(
            lambda tx: (find_overview(tx, now=at), _conditions(tx, bridge, at), list_channels(tx))
        )
        return now_document(found, held, channels)

    document = with_bridge(config, do)
    if json:
        print_documents([document])
        return
    zone = ZoneInfo(load_settings(config).console.timezone)
    print_facts({name: value for name, value in document.items() if not isinstance(value, list)})
    print_heading("Per partner")
    print_table(_COLUMNS, [tuple(flow.values()) for flow in document["flows"]], fold="partner", zone=zone)
    print_heading("Conditions that hold")
    conditions = [tuple(condition.values()) for condition in document["conditions"]]
    print_table(("condition", "about", "since", "urgent"), conditions, fold="about", zone=zone)
    print_heading("Endpoints in trouble")
    troubled = [tuple(endpoint.values()) for endpoint in document["endpoints"]]
    print_table(("endpoint", "paused by", "failures", "reason"), troubled, fold="reason")


def _conditions(tx: Connection, bridge: Bridge, at: datetime) -> list[dict[str, Any]]:
    """As the console looks at them; of changed settings only the running bridge knows, which wrote down an alert."""
    noted = {(alert.condition, alert.target): alert.at for alert in open_alerts(tx)}
    held = {
        (str(one.condition), one.target): one.since or noted.get((one.condition, one.target), at)
        for one in examine_now(tx, bridge, now=at)
    }
    held |= {key: since for key, since in noted.items() if key[0] == Condition.SETTINGS_REFUSED}
    return [
        {
            "condition": name,
            "about": target,
            "since": utc_text(since),
            "urgent": bool(bridge.settings.alerts.rule(Condition(name)).urgent),
        }
        for (name, target), since in held.items()
    ]


def now_document(
    found: Overview, conditions: list[dict[str, Any]], channels: Sequence[Channel]
) -> dict[str, Any]:
    exchanges = sum(cause.count for cause in found.causes)
    return {
        "attention": exchanges + len(conditions),
        "needPerson": exchanges,
        "causes": len(found.causes),
        "jobsReady": found.ready_jobs,
        "jobsRoutine": found.routine_jobs,
        "slow": found.slow,
        "slowAfterMinutes": int(SLOW / timedelta(minutes=1)),
        "flows": [_flow(flow) for flow in found.flows],
        "conditions": conditions,
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
