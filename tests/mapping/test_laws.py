"""The two laws on messages made from the structure description, and any mutation of a message."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, reject, settings
from hypothesis import strategies as st
from lxml import etree

from bridge.mapping.compose import compose_message
from bridge.mapping.context import Composed, Context, EventView, Mapped, Rejected
from bridge.mapping.differences import json_differences, xml_differences
from bridge.mapping.load import MappingSet, read_mapping_set
from bridge.mapping.model import MissingKind
from bridge.mapping.program import Group, Program, Row
from bridge.mapping.run import run_mapping
from bridge.mapping.structure import Block, Particle, Shape
from bridge.mapping.types import Kind
from bridge.mapping.xmlwrite import Made, write_xml

Make = Callable[..., etree._Element]
NAMES = (
    *("vt-melding", "vt-terugkoppeling", "vto", "notificatie", "notificatiejr", "zorgmelding"),
    *("zorgmelding-terugkoppeling", "melding-generiek", "uitkomst-melding-generiek"),
    *("vcob", "ucob", "vci", "uci"),
)
REASONS = ("nietOndersteund", "nietGeautoriseerd", "geenWaarde", "waardeOnbekend", "vastgesteldOnbekend")
RELAXED = settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[
        HealthCheck.function_scoped_fixture,
        HealthCheck.too_slow,
        HealthCheck.data_too_large,
        HealthCheck.filter_too_much,
        HealthCheck.large_base_example,
    ],
)
BOUNDED = settings(RELAXED, max_examples=20)
"""For each of the thirteen mappings: all together have to stay quick."""
TEXT = st.text(st.characters(codec="utf-8", exclude_categories=("C",)), min_size=1, max_size=12).map(
    lambda text: text.strip() or "x"
)


@pytest.fixture(scope="module")
def every(all_files: dict[str, str]) -> MappingSet:
    return read_mapping_set(all_files)


class Maker:
    """Draws a message that the structure description allows and that the mapping has to take."""

    def __init__(self, program: Program, draw: Callable[[st.SearchStrategy[Any]], Any]) -> None:
        self.program = program
        self.draw = draw
        self.kept = set(_kept(program.top))
        self.one_event = {"jz:object"} if any(event.group for event in program.events) else set()

    def element(self, shape: Shape) -> Made:
        made = Made(shape.name)
        if shape.type.kind is Kind.ENTITY:
            made.attributes["stuf:entiteittype"] = shape.type.entity or "NPS"
        for attribute in shape.attributes:
            if attribute.required or self.draw(st.booleans()):
                made.attributes[attribute.name] = attribute.type.fixed or "a.txt"
        if self.nil(shape):
            made.attributes["xsi:nil"] = "true"
            if shape.absence.no_value:
                name = "stuf:noValue" if shape.absence.no_value.startswith("{") else "noValue"
                made.attributes[name] = self.draw(st.sampled_from(REASONS))
            return made
        if shape.type.kind is Kind.EXTRA:
            names = self.draw(st.lists(TEXT, min_size=1, max_size=2))
            made.children = [Made("stuf:extraElement", {"naam": name}, self.draw(TEXT)) for name in names]
        elif shape.leaf:
            made.text = self.text(shape)
        else:
            made.children = self.children(shape.particles)
        return made

    def nil(self, shape: Shape) -> bool:
        if not shape.absence.nillable or shape.path in self.kept:
            return False
        return (
            "&" in str(shape.type.pattern and shape.type.pattern.pattern) or self.draw(st.integers(0, 5)) == 0
        )

    def children(self, particles: tuple[Particle, ...]) -> list[Made]:
        made: list[Made] = []
        for particle in particles:
            low, high = particle.occurs.low, particle.occurs.high
            if isinstance(particle, Block):
                low = 1 if self.holds_kept(particle) else low
                for _ in range(self.draw(st.integers(low, high if high is not None else 2))):
                    made += self.block(particle)
                continue
            low = 1 if particle.path in self.kept else low
            top = 1 if particle.path in self.one_event else max(low, min(2, high or 2))
            made += [self.element(particle) for _ in range(self.draw(st.integers(low, top)))]
        return made

    def holds_kept(self, particle: Particle) -> bool:
        if isinstance(particle, Shape):
            return particle.path in self.kept
        return any(self.holds_kept(below) for below in particle.particles)

    def block(self, block: Block) -> list[Made]:
        if block.choice:
            fit = [below for below in block.particles if self.holds_kept(below)] or block.particles
            return self.children((self.draw(st.sampled_from(fit)),))
        return self.children(block.particles)

    def text(self, shape: Shape) -> str:
        kind = shape.type
        match kind.kind:
            case Kind.FIXED:
                return kind.values[0]
            case Kind.ONE:
                return str(self.draw(st.sampled_from(kind.values)))
            case Kind.LIST:
                return str(self.draw(st.sampled_from(sorted(self.program.codes[kind.values[0]]))))
            case Kind.BINARY:
                return b64encode(self.draw(st.binary(min_size=1, max_size=8))).decode()
            case Kind.BOOLEAN:
                return str(self.draw(st.sampled_from(["true", "false"])))
            case Kind.BSN:
                return str(self.draw(st.sampled_from(["999990019", "999990020", "012345672"])))
            case Kind.DATE | Kind.DAY:
                return f"{self.draw(st.dates()):%Y%m%d}".rjust(8, "0")
            case Kind.MOMENT:
                return str(self.draw(st.sampled_from(["20260101120000", "20260715235959123", "20260301"])))
            case Kind.DIGITS:
                return "1" * max(kind.low, 1)
            case Kind.NUMBER:
                return str(self.draw(st.integers(1, min(kind.high or 99, 99))))
            case Kind.PATTERN:
                return {"[1-9][0-9]{3}[A-Z]{0,2}": "1234AB"}.get(
                    str(kind.pattern and kind.pattern.pattern), "a"
                )
        text = str(self.draw(TEXT)).ljust(kind.low, "x")
        return text[: kind.high] if kind.high else text


def _kept(group: Group) -> Iterator[str]:
    """The places that the mapping asks for with missing: error, and all above them in the same group."""
    asked = [
        row.shape.path
        for row in group.rows.values()
        if row.shape is not None
        and row.attribute is None
        and (
            (row.read is not None and row.read.from_place and row.read.missing.kind is MissingKind.ERROR)
            or (
                row.write is not None
                and row.write.missing.kind is MissingKind.ERROR
                and _nillable(group, row)
            )
        )
    ]
    for below in group.groups.values():
        if below.missing is not None and below.missing.kind is MissingKind.ERROR:
            asked.append(below.place.shape.path)
        yield from _kept(below)
    top = group.place.shape.path
    for path in asked:
        while path and path != top:
            yield path
            path = path.rpartition("/")[0]
        if group.scalar is not None:
            yield top


def _nillable(group: Group, row: Row) -> bool:
    """A value that is asked for on writing only stands in an element that need not be there."""
    return row.shape is not None and not row.shape.optional_in and row.shape.occurs.low == 0


def read(program: Program, root: etree._Element, context: Context) -> Mapped:
    outcome = run_mapping(program, root, context=context)
    if isinstance(outcome, Rejected) and {f.rule for f in outcome.findings} <= {"M908", "M919"}:
        reject()  # a state that is no fact, or two answers with the same number
    assert isinstance(outcome, Mapped), [str(f) for f in outcome.findings]
    return outcome


def there_and_back(program: Program, root: etree._Element, context: Context) -> tuple[Mapped, etree._Element]:
    """What a message becomes, and the message that this becomes."""
    first = read(program, root, context)
    assert first.resource is not None
    event = first.events[0]
    view = EventView(type=event.type, subject=event.subject, time=event.time, data=event.data)
    sent = root.findtext(".//{*}ontvanger/{*}organisatie"), root.findtext(".//{*}ontvanger/{*}applicatie")
    there = replace(
        context,
        partner={"oin": sent[0] or "", "systeem": sent[1] or ""},
        attachment={a.reference: a.content for a in first.attachments}.get,
    )
    composed = compose_message(program, view, resource=first.resource.body, ref=None, context=there)
    assert isinstance(composed, Composed), [str(f) for f in composed.findings]
    return first, etree.fromstring(composed.payload)


@pytest.mark.parametrize("name", NAMES)
@BOUNDED
@given(data=st.data())
def test_writing_what_was_read_gives_the_same_message_and_reading_that_the_same_resource(
    every: MappingSet, context: Context, name: str, data: st.DataObject
) -> None:
    program = every.named(name)
    assert program is not None
    made = Maker(program, data.draw).element(program.root)
    root = etree.fromstring(write_xml(made, program.standard.prefixes))
    first, again = there_and_back(program, root, context)
    assert [str(d) for d in xml_differences(program, root, again)] == []
    second = read(program, again, context)
    assert first.resource is not None and second.resource is not None
    assert [str(d) for d in json_differences(first.resource.body, second.resource.body)] == []


SCHEMAS = Path(__file__).resolve().parents[2].parent / "shared" / "stuf-jz" / "xsd" / "jz0100"


@cache
def schema() -> etree.XMLSchema:
    return etree.XMLSchema(etree.parse(str(SCHEMAS / "jz0100_msg_totaal.xsd")))


@pytest.mark.shared
@pytest.mark.skipif(not SCHEMAS.is_dir(), reason="the reference folder with the schemas is not here")
@pytest.mark.parametrize("name", NAMES)
@BOUNDED
@given(data=st.data())
def test_what_the_structure_description_allows_and_what_is_composed_of_it_the_schema_allows(
    every: MappingSet, context: Context, name: str, data: st.DataObject
) -> None:
    """Order, cardinality, nil, choices and types: of what is drawn and of what comes back."""
    program = every.named(name)
    assert program is not None
    made = Maker(program, data.draw).element(program.root)
    root = etree.fromstring(write_xml(made, program.standard.prefixes))
    assert schema().validate(root), schema().error_log
    _, again = there_and_back(program, root, context)
    assert schema().validate(again), schema().error_log


def elements(root: etree._Element) -> list[etree._Element]:
    return [element for element in root.iter() if isinstance(element.tag, str)]


@pytest.mark.parametrize("case", ["typical", "rich", "minimal"])
@RELAXED
@given(data=st.data())
def test_any_mutation_of_a_message_ends_in_events_or_in_reasons(
    mappings: MappingSet, report: Make, context: Context, case: str, data: st.DataObject
) -> None:
    program = mappings.named("vt-melding")
    assert program is not None
    root = report(case=case)
    for _ in range(data.draw(st.integers(1, 4))):
        here = data.draw(st.sampled_from(elements(root)))
        match data.draw(st.integers(0, 7)):
            case 0 if here is not root:
                parent = here.getparent()
                assert parent is not None
                parent.remove(here)
            case 1:
                here.text = data.draw(
                    st.text(st.characters(codec="utf-8", exclude_categories=("C",)), max_size=20)
                )
            case 2:
                other = data.draw(st.sampled_from(elements(root)))
                here.append(etree.fromstring(etree.tostring(other, with_tail=False)))
            case 3:
                here.tag = str(data.draw(st.sampled_from(elements(root))).tag)
            case 4:
                here.set(
                    "{http://www.w3.org/2001/XMLSchema-instance}nil",
                    data.draw(st.sampled_from(["true", "1", "x"])),
                )
            case 5:
                here.set(
                    data.draw(
                        st.sampled_from(
                            [
                                "noValue",
                                "{urn:x}y",
                                "{http://www.egem.nl/StUF/StUF0301}noValue",
                                "{http://www.egem.nl/StUF/StUF0301}entiteittype",
                            ]
                        )
                    ),
                    "geenWaarde",
                )
            case 6:
                here.append(etree.Comment("x"))
            case 7:
                here.insert(0, etree.ProcessingInstruction("x", "y"))
    outcome = run_mapping(program, root, context=context)
    assert isinstance(outcome, Mapped | Rejected)
    if isinstance(outcome, Rejected):
        assert outcome.findings


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["_afwezig", ".", "naam", "rol", "x"]), inner, max_size=3)
    ),
    max_leaves=8,
)


@RELAXED
@given(data=st.data())
def test_any_full_data_ends_in_a_message_or_in_reasons(
    mappings: MappingSet, report: Make, context: Context, data: st.DataObject
) -> None:
    program = mappings.named("vt-melding")
    assert program is not None
    body = read(program, report(case="rich"), context).resource
    assert body is not None
    full = dict(body.body)
    for _ in range(3):
        place: Any = full
        while isinstance(place, dict | list) and place:
            keys = list(place) if isinstance(place, dict) else list(range(len(place)))
            key = data.draw(st.sampled_from(keys))
            if data.draw(st.integers(0, 2)) == 0 or not isinstance(place[key], dict | list):
                place[key] = data.draw(JSON)
                break
            place = place[key]
    event = EventView(
        type="uitwisselen-melding.melding-geregistreerd",
        subject="melding/x",
        time=context.received_at,
        data={"@graph": data.draw(JSON), "@context": data.draw(JSON)},
    )
    outcome = compose_message(program, event, resource=full, ref=None, context=context)
    if isinstance(outcome, Composed):
        etree.fromstring(outcome.payload)
    else:
        assert outcome.findings
