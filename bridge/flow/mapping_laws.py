"""Generated messages for the two laws: composing what was read gives the same message, and reading that the same data.

Messages are made along the structure description, each from its own number, so that a broken law can be shown again.
What is written from elsewhere than its own place, such as the receiver, may differ.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date
from random import Random
from typing import Final

from lxml import etree

from bridge.ebms.xml import PAYLOAD_LIMITS, parse_xml
from bridge.flow.try_out import MOMENT, RECEIVER, SENDER, Trial, reading_context, writing_context
from bridge.mapping.cases import event_view
from bridge.mapping.compose import compose_message
from bridge.mapping.context import Composed, EventView, Mapped
from bridge.mapping.differences import json_differences, xml_differences
from bridge.mapping.load import MappingSet
from bridge.mapping.program import Place, Program, Row
from bridge.mapping.run import run_mapping
from bridge.mapping.structure import XSI_NIL, Block, Particle, Shape
from bridge.mapping.types import Kind, fault

MOST_BROKEN: Final = 3
"""Of one mapping at most so many broken laws are told."""

_TRIES = ("1", "12", "A", "AB", "1234AB", "1234", "a@b.nl", "0612345678", "123456789", "20260115", "Ja", "J")
_WORDS = ("alfa", "beta", "gamma", "delta", "ene tekst", "nog een tekst", "é en ñ", "a < b & c")
_NUMBER = re.compile(r"\[\d+\]")


@dataclass(frozen=True, slots=True, kw_only=True)
class LawBroken:
    """A generated message of which reading and composing are not each other's reverse."""

    mapping: str
    seed: int
    text: str


class CannotMake(Exception):
    """A required place whose form cannot be made up; the message is left out."""


def check_laws(program: Program, number: int) -> Iterator[LawBroken]:
    """Tries so many messages of a two-way mapping; gives what breaks, at most a few."""
    if not (program.direction.reads and program.direction.writes and program.events):
        return
    told = 0
    for seed in range(number):
        try:
            message = make_message(program, seed)
        except CannotMake:
            continue
        text = _broken(program, message, seed)
        if text:
            told += 1
            yield LawBroken(mapping=program.name, seed=seed, text=text)
        if told == MOST_BROKEN:
            return


def make_message(program: Program, seed: int) -> etree._Element:
    """A message that the structure description allows. Raises CannotMake."""
    return _Maker(program, seed).element(program.top.place)


def _broken(program: Program, message: etree._Element, seed: int) -> str:
    """What differs, or nothing; a message that the mapping rejects proves nothing."""
    trial = Trial(mappings=MappingSet(programs=(), sha=""), sender=SENDER, receiver=RECEIVER)
    digest = f"{program.name}|{seed}"
    read = run_mapping(program, message, context=reading_context(trial, digest))
    if not isinstance(read, Mapped) or not read.events:
        return ""
    kept = {one.reference: one.content for one in read.attachments}
    body = read.resource.body if read.resource else None
    made = compose_message(
        program,
        _view(program, read),
        resource=body,
        ref=None,
        context=writing_context(trial, digest, kept.get),
    )
    if not isinstance(made, Composed):
        return f"composing again is refused: {'; '.join(str(f) for f in made.findings[:5])}"
    again = parse_xml(made.payload, limits=PAYLOAD_LIMITS)
    free = frozenset(_written_from_elsewhere(program))
    for found in xml_differences(program, message, again):
        if _NUMBER.sub("", found.path).removesuffix("/text()") not in free:
            return f"composing again gives another message at {found}"
    second = run_mapping(program, again, context=reading_context(trial, digest))
    if not isinstance(second, Mapped):
        return f"the composed message is rejected: {'; '.join(str(f) for f in second.findings[:5])}"
    if free:
        return ""
    other = second.resource.body if second.resource else None
    return next((f"reading it gives another resource at {d}" for d in json_differences(body, other)), "")


def _view(program: Program, read: Mapped) -> EventView:
    view = event_view(read.events[0])
    grouped = any(event.group is not None for event in program.events)
    return replace(view, data={}) if grouped else view


def _written_from_elsewhere(program: Program) -> Iterator[str]:
    """The places that composing fills with something else than what was read there."""

    def walk(place: Place) -> Iterator[str]:
        rows = [*([place.row] if place.row else []), *place.attributes.values()]
        for row in rows:
            if row.write is None or (row.write.const is None and not row.write.from_place):
                at = f"{program.root.name}/{place.shape.path}"
                yield at if row is place.row else f"{at}/@{row.attribute.name.rpartition(':')[2]}"  # type: ignore[union-attr]
        for child in place.children.values():
            yield from walk(child)

    return walk(program.top.place)


class _Maker:
    """One message, from one number."""

    def __init__(self, program: Program, seed: int) -> None:
        self.program = program
        self.random = Random(seed)  # noqa: S311 - test data, protects nothing
        self.stuf = program.standard.prefixes.get("stuf", "")

    def element(self, place: Place) -> etree._Element:
        shape = place.shape
        made = etree.Element(shape.tag)
        is_empty = place.dropped or (shape.absence.nillable and self.random.random() < 0.1)
        code = shape.type.entity or self.any_entity(place)
        if code:
            made.set(f"{{{self.stuf}}}entiteittype", code)
        for attribute in shape.attributes:
            if attribute.required:
                made.set(attribute.clark, attribute.type.fixed or "1")
        if is_empty:
            self.empty(made, shape, "nietOndersteund" if place.dropped else "geenWaarde")
        elif shape.type.kind is Kind.EXTRA:
            extra = etree.SubElement(made, f"{{{self.stuf}}}extraElement", naam="proef")
            extra.text = self.random.choice(_WORDS)
        elif shape.leaf:
            made.text = self.text(place)
        else:
            made.extend(self.children(shape.particles, place))
        return made

    def any_entity(self, place: Place) -> str | None:
        """Where any code will do: the one that composing falls back on."""
        if place.shape.type.kind is not Kind.ENTITY or not place.shape.type.required:
            return None
        ways = [row.write for name, row in place.attributes.items() if name.endswith("}entiteittype")]
        return next((way.missing.arg for way in ways if way and way.missing.arg), "NPS")

    def empty(self, made: etree._Element, shape: Shape, reason: str) -> None:
        if not shape.absence.nillable:
            raise CannotMake
        made.set(XSI_NIL, "true")
        if shape.absence.no_value:
            made.set(shape.absence.no_value, reason)

    def children(self, particles: tuple[Particle, ...], place: Place) -> Iterator[etree._Element]:
        for particle in particles:
            low, high = particle.occurs.low, particle.occurs.high
            most = low + 1 if high is None else min(high, max(low, 2))
            count = self.random.randint(low, most)
            for _ in range(count):
                yield from self.particle(particle, place)

    def particle(self, particle: Particle, place: Place) -> Iterator[etree._Element]:
        if isinstance(particle, Block):
            chosen = (self.random.choice(particle.particles),) if particle.choice else particle.particles
            yield from self.children(chosen, place)
            return
        child = place.children[particle.tag]
        if child.dropped and particle.occurs.low == 0:
            return
        try:
            made = self.element(child)
        except CannotMake:
            if particle.occurs.low:
                raise
            return
        if particle.occurs.low or made.text or len(made) or XSI_NIL in made.attrib:
            yield made

    def text(self, place: Place) -> str:
        row = place.row
        type_ = place.shape.type
        made = (self.by_conversion(row) if row is not None else None) or self.by_type(place.shape)
        if made is None or fault(type_, made, self.program.codes) is not None:
            raise CannotMake
        return made

    def by_conversion(self, row: Row) -> str | None:
        """A text that the conversion of the row can read."""
        way = row.read or row.write
        if way is None or not way.steps:
            return None if way is None else way.const
        first = next((step for step in way.steps if step.conversion.name != "trim"), way.steps[0])
        match first.conversion.name:
            case "list":
                return self.code(first.args[0])
            case "codes":
                return self.random.choice([pair.partition("=")[0] for pair in first.args])
            case "yes-no":
                return self.random.choice(first.args)
            case "bsn":
                return self.bsn()
            case "oin":
                return f"0000000199999{self.random.randrange(10**7):07d}"
            case "stuf-date":
                return self.day()
            case "stuf-time":
                return f"{self.day()}{self.random.randrange(24):02d}3000"
            case "number":
                return str(self.random.randrange(1, 9))
            case "attachment":
                return base64.b64encode(self.random.randbytes(12)).decode()
        return None

    def code(self, name: str) -> str | None:
        codes = self.program.lists[name]
        valid = [line.cells[0] for line in codes.lines if line.valid(MOMENT.date())]
        return self.random.choice(valid) if valid else None

    def by_type(self, shape: Shape) -> str | None:
        type_ = shape.type
        match type_.kind:
            case Kind.FIXED | Kind.ONE:
                return self.random.choice(type_.values)
            case Kind.LIST:
                return self.random.choice(sorted(self.program.codes.get(type_.values[0], ("",))))
            case Kind.BSN:
                return self.bsn()
            case Kind.DATE | Kind.DAY:
                return self.day()
            case Kind.MOMENT:
                return f"{self.day()}120000"
            case Kind.BOOLEAN:
                return self.random.choice(("true", "false"))
            case Kind.BINARY:
                return base64.b64encode(self.random.randbytes(12)).decode()
            case Kind.DIGITS | Kind.NUMBER:
                length = max(type_.low, 1)
                return "".join(self.random.choice("123456789") for _ in range(length))
            case Kind.PATTERN:
                fits = [one for one in _TRIES if fault(type_, one, {}) is None]
                return self.random.choice(fits) if fits else None
        text = self.random.choice(_WORDS)
        while len(text) < type_.low:
            text += "x"
        return text[: type_.high or None].strip() or "x"

    def day(self) -> str:
        return date.fromordinal(735_000 + self.random.randrange(4_000)).strftime("%Y%m%d")

    def bsn(self) -> str:
        """In the range that is never given out."""
        while True:
            digits = f"99999{self.random.randrange(10_000):04d}"
            weighed = sum(int(d) * w for d, w in zip(digits, (9, 8, 7, 6, 5, 4, 3, 2, -1), strict=True))
            if weighed % 11 == 0:
                return digits
