"""What a connected party can try without help: its event becomes the message that it would become, data is looked up
at the party itself where the event points there, and a test event goes back. Nothing is stored or passed on.

Nobody learns who exchanges what: the outcome goes by the type and the content of the event alone, never by what the
partners of this bridge sent before.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Final

from bridge.flow.bridge import Bridge
from bridge.flow.context import oin_of_party
from bridge.flow.fetch import Fetched, SourceDown, SourceRefuses, address_in, look_at
from bridge.flow.try_out import NO_MAPPING, Message, Trial, try_event
from bridge.hub.event import Event as CloudEvent
from bridge.hub.event import make_event, write_structured, write_time
from bridge.hub.json import Json
from bridge.hub.profile import source_of
from bridge.ids import Oin
from bridge.inzage.client import find_source

TEST_TYPE: Final = "beheer.gezondheid-gemeld"
"""What the test event says: how the bridge is, which concerns nobody."""
_MAX_SHOWN: Final = 64 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Became:
    """The message that the event would become; `payload` is None when it is too large to show."""

    mapping: str
    service: str | None
    action: str | None
    payload: str | None = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class BecameNothing:
    """Why no message can be made of it. `rules` are those of the mapping language that it breaks."""

    is_mapped: bool
    rules: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class LookedUp:
    """How a lookup at the party's own source fared; `worked` None: the event points to no source of its own."""

    worked: bool | None
    status: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rehearsal:
    became: Became | BecameNothing
    looked_up: LookedUp
    returned: CloudEvent


async def rehearse(bridge: Bridge, event: CloudEvent, *, oin: Oin) -> Rehearsal:
    """Try the event of this organisation out, by the mappings as they are now."""
    looked_up, resource = await _look_up(bridge, event, oin)
    became = await asyncio.to_thread(_compose, bridge, event, oin, resource)
    return Rehearsal(became=became, looked_up=looked_up, returned=_test_event(bridge, event))


async def _look_up(bridge: Bridge, event: CloudEvent, oin: Oin) -> tuple[LookedUp, dict[str, Json] | None]:
    """Only at the source that the settings give for the very organisation that asks."""
    url = address_in(event)
    source = find_source(bridge.sources, url) if url is not None else None
    if url is None or source is None or source.oin != oin or not bridge.own:
        return LookedUp(worked=None), None
    own = bridge.own[0]
    match await look_at(bridge, url, source, reader=own, on_behalf_of=own.party_id.value, purpose=event.type):
        case Fetched(resource=resource):
            return LookedUp(worked=True), resource
        case SourceDown(reason=reason) | SourceRefuses(reason=reason):
            return LookedUp(worked=False, status=reason), None


def _compose(
    bridge: Bridge, event: CloudEvent, oin: Oin, resource: dict[str, Json] | None
) -> Became | BecameNothing:
    own = bridge.settings.own_parties[0]
    trial = Trial(
        mappings=bridge.mappings,
        sender={"oin": oin_of_party(own.party_id), "naam": own.name, "systeem": own.system},
        receiver={"oin": oin, "naam": "Proefontvanger", "systeem": "proef"},
        now=bridge.now(),
        profile=bridge.profile,
    )
    outcome = try_event(trial, write_structured(event), resource=resource)
    if not isinstance(outcome, Message):
        rules = tuple(dict.fromkeys(finding.rule for finding in outcome.findings))
        return BecameNothing(is_mapped=outcome.code != NO_MAPPING, rules=rules)
    payload = outcome.composed.payload
    return Became(
        mapping=outcome.mapping,
        service=outcome.service,
        action=outcome.composed.action,
        payload=payload.decode() if len(payload) <= _MAX_SHOWN else None,
    )


def _test_event(bridge: Bridge, event: CloudEvent) -> CloudEvent:
    """Marked as test traffic, which production sets aside (SOH-161)."""
    own, now = bridge.settings.own_parties[0], bridge.now()
    correlation = event.extension("correlationid")
    return make_event(
        id=str(bridge.new_uuid()),
        source=source_of(bridge.profile, oin=oin_of_party(own.party_id), system=own.system),
        type=TEST_TYPE,
        subject=None,
        time=now,
        data={"status": "healthy"},
        extensions={
            "causationid": event.id,
            "recordedtime": write_time(now),
            bridge.settings.hub.test_mark: True,
            **({"correlationid": correlation} if isinstance(correlation, str) else {}),
        },
        datacontenttype="application/json",
    )
