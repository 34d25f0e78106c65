"""Files that stand inside a message, composed from the full data of another organisation: fetched at its source."""

from __future__ import annotations

import asyncio
import base64
import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from lxml import etree

from bridge.config import Settings
from bridge.config import SourceSettings as SourceTerms
from bridge.demo import BRIDGE, HUB, MAPPINGS, tls_of
from bridge.flow.try_out import RECEIVER, SENDER, Trial, reading_context
from bridge.mapping.context import Mapped
from bridge.mapping.machine import MAX_FILES_OCTETS
from bridge.mapping.run import run_mapping
from bridge.pki import Pki
from bridge.simulate import Source, SourceSettings
from bridge.store.rows import Direction, EventState
from tests.conftest import Clock
from tests.flow.conftest import World, compiled_mappings, open_world
from tests.flow.hub_side import pull, taken_up
from tests.web.api.conftest import RESOURCE, attach, everything_for, keep, open_api

REGISTERED = "uitwisselen-melding.melding-geregistreerd"
FILE = b"%PDF-1.7 een verslag in tekens \xff\x00"
REFERENCE = f"sha256:{hashlib.sha256(FILE).hexdigest()}"
CARE = MAPPINGS / "stuf-jz" / "zorgmelding.cases" / "rich.xml"


def care_report(reference: str = REFERENCE) -> dict[str, Any]:
    """The full data of a care report with a file in it, as a bridge keeps it."""
    root = etree.fromstring(CARE.read_bytes())
    program = compiled_mappings().for_xml(str(root.tag), service="", action="", cpa_id="")
    assert program is not None
    trial = Trial(mappings=compiled_mappings(), sender=SENDER, receiver=RECEIVER)
    made = run_mapping(program, root, context=reading_context(trial, "care"))
    assert isinstance(made, Mapped)
    assert made.resource is not None
    body = made.resource.body
    body["document"]["bestand"]["inhoud"] = reference
    return body


class Slow(Source):
    """Begins to give a file, and never ends."""

    def __init__(self, settings: SourceSettings) -> None:
        super().__init__(settings)
        self.over = asyncio.Event()

    async def _give(self, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "application/octet-stream"})
        await response.prepare(request)
        await response.write(FILE[:4])
        await self.over.wait()
        return response


@asynccontextmanager
async def world_with(folder: Path, pki: Pki, clock: Clock, base_url: str) -> AsyncIterator[World]:
    """A partner that gets every care report, and one source."""

    def add(settings: Settings) -> Settings:
        worker = settings.worker.model_copy(update={"lease_seconds": 5.0})
        terms = SourceTerms(oin=HUB.oin, base_url=base_url)
        pull = settings.hub.pull.model_copy(update={"types": (REGISTERED,)})
        hub = settings.hub.model_copy(update={"pull": pull})
        return settings.model_copy(update={"sources": (terms,), "worker": worker, "hub": hub})

    async with open_world(
        folder,
        pki,
        clock,
        settings_change=add,
        receives=("zorgmelding",),
        events=(REGISTERED,),
        only_own_subjects=False,
    ) as world:
        yield world


@pytest.fixture
def kind() -> type[Source]:
    return Source


@pytest.fixture
async def source(pki: Pki, kind: type[Source]) -> AsyncIterator[Source]:
    made = kind(SourceSettings(tls=tls_of(pki, HUB), readers=(BRIDGE.oin,)))
    await made.start()
    yield made
    if isinstance(made, Slow):
        made.over.set()
    await made.stop()


@pytest.fixture
async def world(tmp_path: Path, pki: Pki, clock: Clock, source: Source) -> AsyncIterator[World]:
    async with world_with(tmp_path, pki, clock, f"{source.url}/inzage") as opened:
        yield opened


async def tell(world: World, url: str, *, own: bytes = b"a file of the partner itself") -> None:
    """The partner reported something; another organisation registers a report about the same, to be read at `url`."""
    root = etree.fromstring(CARE.read_bytes())
    (element,) = root.iter("{*}inhoud")
    element.text = base64.b64encode(own).decode()
    assert (await world.partner.send(etree.tostring(root), "vtMelding")).status == 204
    await world.work()
    subject = world.messages(direction=Direction.IN)[0].subject
    event = taken_up(type=REGISTERED, dataref=url, subject=subject)
    await pull(world, {**event, "data": {**event["data"], "bsn": "999900092", "leeftijd": 9}})


def standing(world: World) -> tuple[EventState, str]:
    (event,) = [event for event in world.events() if event.direction is Direction.IN]
    return event.state, event.reason or ""


def file_in(payload: bytes) -> bytes:
    (element,) = etree.fromstring(payload).iter("{*}inhoud")
    return base64.b64decode(element.text or "")


async def test_a_file_is_fetched_at_the_source_and_stands_in_the_message_again(
    world: World, source: Source
) -> None:
    source.files[REFERENCE] = FILE
    await tell(world, source.put("melding", RESOURCE, care_report()))
    await world.settled()
    assert standing(world) == (EventState.COMPOSED, "")
    (received,) = world.partner.received
    assert file_in(received.payload) == FILE
    assert source.lookups == [
        (BRIDGE.oin, "melding", RESOURCE, 200),
        (BRIDGE.oin, "melding", REFERENCE, 200),
    ]


async def test_between_two_bridges_the_file_comes_out_as_it_went_in(
    tmp_path: Path, pki: Pki, clock: Clock
) -> None:
    rules = {"rules": [everything_for(BRIDGE.oin)]}
    (tmp_path / "source").mkdir()
    async with (
        open_api(tmp_path / "source", clock, pki, inzage=rules) as api,
        world_with(tmp_path, pki, clock, f"{api.url}/inzage") as world,
    ):
        keep(api.bridge, body=care_report(), levels={})
        attach(api.bridge, FILE)
        await tell(world, f"{api.url}/inzage/melding/{RESOURCE}")
        await world.settled()
        assert standing(world) == (EventState.COMPOSED, "")
        (received,) = world.partner.received
        assert file_in(received.payload) == FILE


async def test_a_file_that_is_gone_leaves_the_event_for_a_person(world: World, source: Source) -> None:
    await tell(world, source.put("melding", RESOURCE, care_report()))
    state, reason = standing(world)
    assert state is EventState.QUARANTINED
    assert f"attachment {REFERENCE[:19]}… is gone at the source of {HUB.oin} (status 404)" in reason
    assert world.messages(direction=Direction.OUT) == ()


async def test_octets_that_are_not_those_of_the_digest_are_never_sent(world: World, source: Source) -> None:
    source.files[REFERENCE] = FILE + b"!"
    await tell(world, source.put("melding", RESOURCE, care_report()))
    state, reason = standing(world)
    assert state is EventState.QUARANTINED
    assert "does not match its digest" in reason
    assert world.messages(direction=Direction.OUT) == ()


async def test_a_file_that_is_too_large_is_read_no_further_and_not_asked_for_again(
    world: World, source: Source
) -> None:
    source.files[REFERENCE] = bytes(MAX_FILES_OCTETS + 1)
    await tell(world, source.put("melding", RESOURCE, care_report()))
    state, reason = standing(world)
    assert state is EventState.QUARANTINED
    assert "too large" in reason


@pytest.mark.parametrize("kind", [Slow])
async def test_a_source_that_never_ends_its_answer_makes_the_message_wait(
    world: World, source: Source
) -> None:
    await tell(world, source.put("melding", RESOURCE, care_report()))
    state, reason = standing(world)
    assert state is EventState.RECEIVED
    assert "source" in reason
    assert world.what_happened().count("source.down") == 1


async def test_a_file_of_our_own_store_is_not_given_because_another_source_names_its_digest(
    world: World, source: Source
) -> None:
    """Who knows a digest of a file in another case does not get the file into a message."""
    await tell(world, source.put("melding", RESOURCE, care_report()), own=FILE)

    assert "is gone at the source" in standing(world)[1]
    assert world.messages(direction=Direction.OUT) == ()


async def test_a_reference_that_is_none_is_never_asked_for(world: World, source: Source) -> None:
    await tell(world, source.put("melding", RESOURCE, care_report("sha256:../../control")))
    state, reason = standing(world)
    assert state is EventState.QUARANTINED
    assert "not a reference to an attachment" in reason
    assert len(source.lookups) == 1
