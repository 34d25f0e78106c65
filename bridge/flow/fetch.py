"""Looking up at the source for a partner that cannot: what an event points to, fetched before composing.

The legal reader is the partner; the bridge says so in the request and relies on the source to log and report it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta

from bridge.config import PartnerSettings
from bridge.flow.bridge import Bridge, OwnIdentity
from bridge.flow.context import oin_of_party
from bridge.hub.answers import Answer, NoAnswer, find_object, retry_after
from bridge.hub.event import Event as CloudEvent
from bridge.hub.json import Json
from bridge.inzage.client import Source, find_source

ON_BEHALF_OF = "X-Namens-OIN"
PURPOSE = "X-Doelbinding"

_NOT_NOW = frozenset({408, 425, 429, 500, 502, 503, 504})


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetched:
    """The resource, as the source gave it."""

    resource: dict[str, Json] = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class NothingThere:
    """The event points to no resource."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceDown:
    """The source cannot answer now: the message waits."""

    oin: str
    reason: str
    retry_after: timedelta | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceRefuses:
    """The source will not give it, or may not be asked: a person must look."""

    reason: str


async def fetch_resource(
    bridge: Bridge, event: CloudEvent, own: OwnIdentity, partner: PartnerSettings
) -> Fetched | NothingThere | SourceDown | SourceRefuses:
    """What the event points to, fetched once on behalf of the partner."""
    url = address_in(event)
    if url is None:
        return NothingThere()
    source = find_source(bridge.sources, url)
    if source is None:
        return SourceRefuses(reason="the event points to a source that is not in the settings ([[sources]])")
    return await look_at(bridge, url, source, reader=own, on_behalf_of=partner.party_id, purpose=event.type)


async def look_at(
    bridge: Bridge, url: str, source: Source, *, reader: OwnIdentity, on_behalf_of: str, purpose: str
) -> Fetched | SourceDown | SourceRefuses:
    """One resource of a source that the settings allow, with the certificate of the own party."""
    headers = {ON_BEHALF_OF: oin_of_party(on_behalf_of), PURPOSE: purpose}
    answer = await bridge.source_client.get(url, reader=reader.party_id.value, headers=headers)
    if isinstance(answer, NoAnswer):
        return SourceDown(oin=source.oin, reason=answer.reason)
    return _read(bridge, source.oin, answer)


def address_in(event: CloudEvent) -> str | None:
    """`dataref`, else the inzageUrl of a node of the graph."""
    reference = event.attributes.get("dataref")
    if isinstance(reference, str) and reference:
        return reference
    graph = event.data.get("@graph") if isinstance(event.data, dict) else None
    for node in graph if isinstance(graph, list) else ():
        url = node.get("soh:inzageUrl") if isinstance(node, dict) else None
        if isinstance(url, str) and url:
            return url
    return None


def _content(view: Mapping[str, Json]) -> dict[str, Json]:
    """The view without the identifier of the resource, which is not the business identification in the content."""
    identifier = view.get("id")
    is_urn = isinstance(identifier, str) and identifier.startswith("urn:")
    return {name: value for name, value in view.items() if not (name == "id" and is_urn)}


def _read(bridge: Bridge, oin: str, answer: Answer) -> Fetched | SourceDown | SourceRefuses:
    if answer.status == 200:
        found = find_object(answer)
        if found is None:
            return SourceRefuses(reason="the source answered with something that is no JSON object")
        return Fetched(resource=_content(found))
    reason = f"the source of {oin} answered with status {answer.status}"
    if answer.status in _NOT_NOW:
        return SourceDown(oin=oin, reason=reason, retry_after=retry_after(answer, now=bridge.now()))
    return SourceRefuses(reason=reason)
