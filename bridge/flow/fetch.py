"""Looking up at the source for a partner that cannot: what an event points to, fetched before composing.

The legal reader is the partner; the bridge says so in the request and relies on the source to log and report it.
"""

from __future__ import annotations

import asyncio
import hashlib
import re
from collections.abc import Mapping, Sequence
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

MAX_FILES = 100
"""Files of one message; each is a request at the source."""

_LEVEL = re.compile(r"/niveau[0-2]$")
_SHOWN = 19
"""Of a reference so much is told: enough to find the file by."""
_ABSENT = frozenset({404, 410})
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
        return _unanswered(source.oin, answer)
    return _read(bridge, source.oin, answer)


async def fetch_files(
    bridge: Bridge,
    event: CloudEvent,
    own: OwnIdentity,
    partner: PartnerSettings,
    references: Sequence[str],
    *,
    max_octets: int,
) -> Mapping[str, bytes] | SourceDown | SourceRefuses:
    """The files that the resource of an event refers to (`sha256:…`), each as its digest says it is.

    Together at most `max_octets`, and within half the lease of the job: else another worker would begin anew.
    """
    url = address_in(event)
    source = None if url is None else find_source(bridge.sources, url)
    if url is None or source is None:
        return SourceRefuses(reason="the event points to no source where attachments can be fetched")
    if len(references) > MAX_FILES:
        return SourceRefuses(reason=f"the resource refers to more than {MAX_FILES} attachments")
    base = f"{_LEVEL.sub('', url.rstrip('/'))}/bijlagen"
    headers = {ON_BEHALF_OF: oin_of_party(partner.party_id), PURPOSE: event.type}
    files: dict[str, bytes] = {}
    seconds = bridge.settings.worker.lease.total_seconds() / 2
    try:
        async with asyncio.timeout(seconds):
            for reference in references:
                answer = await bridge.source_client.get(
                    f"{base}/{reference}",
                    reader=own.party_id.value,
                    headers=headers,
                    accept="application/octet-stream",
                    seconds=seconds,
                    max_octets=max_octets - sum(len(octets) for octets in files.values()),
                )
                found = await asyncio.to_thread(_checked, bridge, source.oin, reference, answer)
                if not isinstance(found, bytes):
                    return found
                files[reference] = found
    except TimeoutError:
        return SourceDown(oin=source.oin, reason="the source is too slow in giving the attachments")
    return files


def _checked(
    bridge: Bridge, oin: str, reference: str, answer: Answer | NoAnswer
) -> bytes | SourceDown | SourceRefuses:
    """The octets in an answer, when they are those of the reference."""
    name = f"attachment {reference[:_SHOWN]}…"
    if isinstance(answer, NoAnswer):
        return _unanswered(oin, answer, f"{name}: ")
    if answer.status in _NOT_NOW:
        reason = f"{name}: the source of {oin} answered with status {answer.status}"
        return SourceDown(oin=oin, reason=reason, retry_after=retry_after(answer, now=bridge.now()))
    if answer.status in _ABSENT:
        return SourceRefuses(reason=f"{name} is gone at the source of {oin} (status {answer.status})")
    if answer.status != 200:
        return SourceRefuses(reason=f"{name}: the source of {oin} answered with status {answer.status}")
    if f"sha256:{hashlib.sha256(answer.body).hexdigest()}" != reference:
        return SourceRefuses(reason=f"{name}: what the source of {oin} gave does not match its digest")
    return answer.body


def _unanswered(oin: str, answer: NoAnswer, about: str = "") -> SourceDown | SourceRefuses:
    """Waiting helps, or it does not."""
    if answer.for_good:
        return SourceRefuses(reason=about + answer.reason)
    return SourceDown(oin=oin, reason=about + answer.reason)


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
