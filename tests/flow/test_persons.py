"""Who asks which exchanges are about a person gets all of them, mapped or not, both ways."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bridge.flow.persons import MOST, persons_in_text, persons_in_xml
from bridge.hub.bsn import is_bsn
from bridge.ids import Key
from bridge.pki import Pki
from bridge.store.persons import find_by_person
from bridge.store.rows import MessageState
from tests.conftest import Clock
from tests.flow.conftest import World, open_world
from tests.flow.hub_side import pull, report, taken_up

CHILD = "999990342"
OTHER = "999990019"


@pytest.fixture
async def world(tmp_path: Path, pki: Pki, clock: Clock) -> AsyncIterator[World]:
    async with open_world(tmp_path, pki, clock, events=("nl.jeugd.melding-opgepakt",)) as world:
        yield world


def about(world: World, bsn: str) -> list[Key]:
    key = world.bridge.person_key
    return [e.key for e in world.bridge.store.read_sync(lambda tx: find_by_person(tx, key, bsn))]


async def test_a_report_that_waits_for_a_person_is_found(world: World) -> None:
    payload = re.sub(rb"(indicatieSASHIngevuld[^>]*>)[^<]*<", rb"\1Misschien<", world.sample)
    assert payload != world.sample
    await world.partner.send(payload, "vtMelding")
    await world.work()

    assert [message.state for message in world.messages()] == [MessageState.PARKED]
    assert about(world, CHILD) == [world.exchanges()[0].key]


@pytest.mark.parametrize(
    "payload",
    [
        f"<onbekend><kind>{CHILD}</kind></onbekend>",
        f'<onbekend nummer="{CHILD}"/>',
        f"<onbekend>over {CHILD}, zei de moeder</onbekend>",
        f"<onbekend>&#57;{CHILD[1:]}</onbekend>",
        f"<half>{CHILD}",
    ],
)
async def test_what_no_mapping_reads_is_found_all_the_same(world: World, payload: str) -> None:
    await world.partner.send(payload.encode(), "vtMelding")
    await world.work()

    assert about(world, CHILD) == [world.exchanges()[0].key]


async def test_a_repeat_under_a_used_number_is_found(world: World) -> None:
    await report(world)
    await world.partner.send(world.sample.replace(CHILD.encode(), OTHER.encode()), "vtMelding")
    await world.work()

    assert len(about(world, OTHER)) == 1
    assert about(world, OTHER) != about(world, CHILD)


async def test_an_event_that_names_a_person_is_found(world: World) -> None:
    await pull(world, taken_up(subject=f"melding/{CHILD}"))

    assert about(world, CHILD) == [world.exchanges()[0].key]


def test_digits_of_two_values_are_no_number_together() -> None:
    assert persons_in_xml(f"<a><b>{CHILD[:4]}</b><b>{CHILD[4:]}</b></a>".encode()) == frozenset()


def test_digits_of_technical_ids_are_no_person() -> None:
    assert persons_in_text(f"7f3a9be1-0000-4000-8000-abc{CHILD}") == frozenset()


def test_a_number_that_lost_its_zero_is_known_where_a_bsn_stands() -> None:
    short = next(str(n) for n in range(99_990_000, 99_999_999) if is_bsn(f"0{n}"))

    assert persons_in_xml(f"<a><inp.bsn>{short}</inp.bsn></a>".encode()) == {f"0{short}"}
    assert persons_in_xml(f"<a><datum>{short}</datum></a>".encode()) == frozenset()


def test_a_payload_full_of_numbers_is_bounded() -> None:
    many = " ".join(str(n) for n in range(999_900_000, 999_990_000) if is_bsn(str(n)))

    assert len(persons_in_xml(f"<a>{many}</a>".encode())) == MOST
