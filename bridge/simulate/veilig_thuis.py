"""The organisation behind the hub that takes up reports: it answers a registered report with an event."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from bridge.simulate.envelope import write_time
from bridge.simulate.settings import VeiligThuis

SEEN = "uitwisselen-melding.melding-geregistreerd"
TAKEN_UP = "uitwisselen-melding.melding-opgepakt"

_CONTEXT = {
    "prov": "http://www.w3.org/ns/prov#",
    "soh": "https://samen-onder-handbereik.github.io/specificaties/schema/",
}


def takes_up(event: Mapping[str, Any]) -> bool:
    """Whether this event is a report that Veilig Thuis answers."""
    return event["type"] == SEEN and str(event.get("subject", "")).startswith("melding/")


def make_taken_up(
    cause: Mapping[str, Any], settings: VeiligThuis, *, event_id: str, activity_id: str, now: datetime
) -> dict[str, Any]:
    """`melding-opgepakt` about the same subject, in the conversation of its cause."""
    moment = write_time(now)
    event = {
        "specversion": "1.0",
        "id": event_id,
        "source": f"urn:nld:oin:{settings.oin}:systeem:dossier",
        "type": TAKEN_UP,
        "time": moment,
        "subject": cause["subject"],
        "datacontenttype": "application/ld+json",
        "recordedtime": moment,
        "causationid": cause["id"],
        "data": _data(_entity_id(cause), settings, activity_id, moment),
    }
    if "correlationid" in cause:
        event["correlationid"] = cause["correlationid"]
    return event


def _data(entity: str, settings: VeiligThuis, activity_id: str, moment: str) -> dict[str, Any]:
    agent = f"urn:nld:oin:{settings.oin}"
    return {
        "@context": _CONTEXT,
        "opgepaktDoor": settings.oin,
        "opgepaktOp": moment,
        "@graph": [
            {"@id": entity, "@type": ["prov:Entity", "soh:Melding"]},
            {
                "@id": activity_id,
                "@type": ["prov:Activity", "soh:OppakkenMelding"],
                "prov:used": {"@id": entity},
                "prov:wasAssociatedWith": {"@id": agent},
                "prov:startedAtTime": moment,
            },
            {
                "@id": agent,
                "@type": ["prov:Agent", "soh:Organisatie"],
                "soh:identifier": settings.oin,
                "soh:naam": settings.name,
            },
        ],
    }


def _entity_id(cause: Mapping[str, Any]) -> str:
    """The identifier that the report has in its own event; else one made from the subject."""
    graph = cause["data"].get("@graph")
    for node in graph if isinstance(graph, list) else ():
        if isinstance(node, dict) and "soh:Melding" in node.get("@type", ()) and node.get("@id"):
            return str(node["@id"])
    return f"urn:melding:{str(cause['subject']).removeprefix('melding/')}"
