"""XSDs as a second judge: what they say in whose words, where they may be read from, and what follows live."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import pytest
from lxml import etree

from bridge.config import Settings
from bridge.errors import ConfigError
from bridge.flow.mapping_folder import read_mapping_files
from bridge.flow.xsd import RECEIVED, read_schemas
from bridge.mapping.load import MappingSet, read_mapping_set
from bridge.pki import Pki
from bridge.store.rows import Direction, EventState, MessageState
from tests.conftest import Clock
from tests.flow.conftest import World, compiled_mappings, open_world
from tests.flow.hub_side import pull, report, taken_up

EXAMPLES = Path(__file__).resolve().parents[2] / "docs" / "examples"
SECRET = "Jansenstraat"
TEAM = "urn:voorbeeld:wijkteam:1"
XSD = f"""<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema" xmlns:w="{TEAM}"
    targetNamespace="{TEAM}" elementFormDefault="qualified">
  <xs:element name="aanmelding"><xs:complexType><xs:sequence>
    <xs:element name="kenmerk"><xs:simpleType><xs:restriction base="xs:string">
      <xs:maxLength value="20"/><xs:pattern value="WT-[0-9]+-[0-9]+"/></xs:restriction></xs:simpleType></xs:element>
    <xs:element name="verzonden" type="xs:string"/>
    <xs:element name="spoed" minOccurs="0"><xs:simpleType><xs:restriction base="xs:string">
      <xs:enumeration value="J"/><xs:enumeration value="N"/></xs:restriction></xs:simpleType></xs:element>
    <xs:element name="reden" type="xs:string" nillable="true"/>
    <xs:element name="kind" maxOccurs="unbounded"><xs:complexType><xs:sequence>
      <xs:element name="bsn" type="xs:int" minOccurs="0"/>
      <xs:element name="achternaam" type="xs:string"/>
      <xs:element name="geboren" type="xs:string" nillable="true"/>
      <xs:element name="rol" type="xs:string"/>
    </xs:sequence></xs:complexType></xs:element>
  </xs:sequence></xs:complexType></xs:element>
</xs:schema>"""
SAMPLE = (EXAMPLES / "sample.xml").read_text(encoding="utf-8")
REFUSING = """<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema"
    targetNamespace="http://www.stufstandaarden.nl/koppelvlak/jz0100">
  <xs:element name="{name}"><xs:complexType><xs:sequence/></xs:complexType></xs:element></xs:schema>"""


@pytest.fixture(scope="module")
def team() -> MappingSet:
    return read_mapping_set(read_mapping_files(EXAMPLES / "mappings"))


def told(team: MappingSet, xsd: Path, message: str) -> list[tuple[str, str]]:
    schemas = read_schemas({"wijkteam": xsd}, team.programs)
    found = schemas.findings(RECEIVED, team.programs[0], etree.fromstring(message.encode()))
    return [(one.place, one.text) for one in found]


@pytest.fixture
def xsd(tmp_path: Path) -> Path:
    (tmp_path / "aanmelding.xsd").write_text(XSD, encoding="utf-8")
    return tmp_path


def test_a_message_that_the_xsd_allows_has_no_findings(team: MappingSet, xsd: Path) -> None:
    assert told(team, xsd, SAMPLE) == []
    assert told(team, xsd / "aanmelding.xsd", SAMPLE) == []


WRONG = [
    ("WT-2026-0042", SECRET, "/w:aanmelding/w:kenmerk", "the value is not of the form WT-[0-9]+-[0-9]+"),
    ("WT-2026-0042", f"{SECRET} {SECRET}", "/w:aanmelding/w:kenmerk", "the value is longer than 20"),
    (
        "<w:bsn>999990019",
        f"<w:bsn>{SECRET}",
        "/w:aanmelding/w:kind[1]/w:bsn",
        "not of the type of this place (int)",
    ),
    (
        "<w:reden>",
        f"<w:spoed>{SECRET}</w:spoed><w:reden>",
        "/w:aanmelding/w:spoed",
        "the value is none of J, N",
    ),
    ("<w:rol>B</w:rol>", "", "/w:aanmelding/w:kind[2]", "an element is missing at the end: w:rol"),
    (
        "<w:rol>K",
        f"<w:{SECRET}/><w:rol>K",
        "/w:aanmelding/w:kind[1]/*[4]",
        "may not stand here; expected is: w:rol",
    ),
    (
        "<w:rol>B",
        "<w:rol>x</w:rol><w:rol>B",
        "/w:aanmelding/w:kind[2]/w:rol[2]",
        "this element may not stand here",
    ),
    ("<w:kenmerk>", f"{SECRET}<w:kenmerk>", "/w:aanmelding", "text stands between its elements"),
    (
        "<w:rol>K",
        f'<w:rol {SECRET}="{SECRET}">K',
        "/w:aanmelding/w:kind[1]/w:rol",
        "an attribute that may not stand",
    ),
    (
        '<w:geboren xsi:nil="true"/>',
        f'<w:geboren xsi:nil="true">{SECRET}</w:geboren>',
        "w:kind[2]/w:geboren",
        "is nil",
    ),
    ("<w:verzonden>", '<w:verzonden xsi:nil="true">', "/w:aanmelding/w:verzonden", "it may not be nil"),
]


@pytest.mark.parametrize(("old", "new", "place", "words"), WRONG, ids=[words for *_, words in WRONG])
def test_a_fault_is_told_by_place_and_rule_and_never_by_the_value(
    team: MappingSet, xsd: Path, old: str, new: str, place: str, words: str
) -> None:
    assert old in SAMPLE
    found = told(team, xsd, SAMPLE.replace(old, new, 1))
    assert any(place in where and words in text and "(XSD rule " in text for where, text in found), found
    assert SECRET not in str(found)


def test_a_value_that_imitates_the_words_of_the_schema_is_not_told(team: MappingSet, xsd: Path) -> None:
    value = f"x' is not accepted by the pattern '{SECRET}"
    assert SECRET not in str(told(team, xsd, SAMPLE.replace("WT-2026-0042", value)))


def test_other_prefixes_are_told_with_those_of_the_standard(team: MappingSet, xsd: Path) -> None:
    message = SAMPLE.replace("<w:", "<").replace("</w:", "</").replace("xmlns:w=", "xmlns=")
    found = told(team, xsd, message.replace("<rol>B</rol>", "<rol>B</rol><rol/>"))
    assert [place for place, _ in found] == ["/w:aanmelding/w:kind[2]/w:rol[2]"]


@pytest.mark.parametrize(
    ("location", "words"),
    [
        ("http://127.0.0.1:9/x.xsd", "no .xsd file on this machine"),
        ("//127.0.0.1/x.xsd", "no .xsd file on this machine"),
        ("file:///etc/passwd", "no .xsd file on this machine"),
        ("../../../../../../../etc/passwd", "no .xsd file on this machine"),
        ("absent.xsd", "no .xsd file on this machine"),
        ("broken.xsd", "not well-formed"),
    ],
)
def test_an_xsd_that_leads_elsewhere_is_refused_before_it_is_read(
    team: MappingSet, xsd: Path, location: str, words: str
) -> None:
    (xsd / "broken.xsd").write_text("<xs:schema", encoding="utf-8")
    linked = XSD.replace('<xs:element name="aanmelding">', f'<xs:include schemaLocation="{location}"/>\\g<0>')
    (xsd / "aanmelding.xsd").write_text(
        linked.replace("\\g<0>", '<xs:element name="aanmelding">'), encoding="utf-8"
    )
    with pytest.raises(ConfigError, match=words):
        read_schemas({"wijkteam": xsd / "aanmelding.xsd"}, team.programs)


@pytest.mark.parametrize(
    ("standard", "name", "words"),
    [
        ("wijkteam", "absent", "cannot be read"),
        ("wijkteam", "empty", "holds no .xsd file"),
        ("wijkteam", "other", "declares no message that is mapped"),
        ("wijkteam", "wrong.xsd", "no XSD that can be used"),
        ("stuf", "aanmelding.xsd", "no mapping of a message standard stuf"),
    ],
)
def test_what_is_wrong_with_the_setting_is_told(
    team: MappingSet, xsd: Path, standard: str, name: str, words: str
) -> None:
    (xsd / "empty").mkdir()
    (xsd / "other").mkdir()
    (xsd / "other" / "o.xsd").write_text(XSD.replace('"aanmelding"', '"afmelding"'), encoding="utf-8")
    (xsd / "wrong.xsd").write_text(XSD.replace("xs:int", "w:geenType"), encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        read_schemas({standard: xsd / name}, team.programs)
    assert words in str(caught.value)
    assert f"mappings.xsd.{standard}" in str(caught.value)


# --- live

Open = Callable[..., AbstractAsyncContextManager[World]]


@pytest.fixture
async def opened(tmp_path: Path, pki: Pki, clock: Clock) -> AsyncIterator[Open]:
    """Opens a bridge whose XSD of one message refuses every message but an empty one."""

    def make(name: str, **change: str) -> AbstractAsyncContextManager[World]:
        file = tmp_path / "refusing.xsd"
        file.write_text(REFUSING.format(name=name), encoding="utf-8")

        def set_(settings: Settings) -> Settings:
            mappings = settings.mappings.model_copy(update={"xsd": {"stuf-jz": file}, **change})
            return settings.model_copy(update={"mappings": mappings})

        return open_world(tmp_path, pki, clock, settings_change=set_)

    yield make


async def test_a_received_message_that_the_xsd_refuses_is_mapped_and_its_faults_are_on_the_timeline(
    opened: Open,
) -> None:
    async with opened("vtMeldingDi01") as world:
        await world.partner.send(world.sample, "vtMelding")
        await world.work()
        assert [message.state for message in world.messages()] == [MessageState.MAPPED]
        [step] = [step for step in world.steps() if step.what == "message.mapped"]
        assert "M940 at /jz:vtMeldingDi01" in step.detail["findings"]
        assert "buren" not in step.detail["findings"].lower()


async def test_where_the_settings_say_so_it_waits_whole_with_place_and_rule(opened: Open) -> None:
    async with opened("vtMeldingDi01", xsd_received="wait") as world:
        await world.partner.send(world.sample, "vtMelding")
        await world.work()
        [message] = world.messages()
        assert message.state is MessageState.PARKED
        assert message.reason is not None
        assert message.reason.startswith("M940 at /jz:vtMeldingDi01")
        assert world.events() == ()


async def test_a_composed_message_that_the_xsd_refuses_is_never_sent(opened: Open) -> None:
    async with opened("vtTerugkoppelingDi01") as world:
        await report(world)
        await pull(world, taken_up())
        assert world.messages(direction=Direction.OUT) == ()
        [event] = [event for event in world.events() if event.direction is Direction.IN]
        assert event.state is EventState.QUARANTINED
        assert "M941 at /jz:vtTerugkoppelingDi01" in (event.reason or "")


def test_messages_that_the_xsd_does_not_know_are_not_judged_by_it(tmp_path: Path) -> None:
    (tmp_path / "one.xsd").write_text(REFUSING.format(name="vtMeldingDi01"), encoding="utf-8")
    found = read_schemas({"stuf-jz": tmp_path / "one.xsd"}, compiled_mappings().programs)
    assert list(found.by_root) == ["{http://www.stufstandaarden.nl/koppelvlak/jz0100}vtMeldingDi01"]
