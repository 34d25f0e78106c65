"""The compact description of a message's structure: order, cardinality, absence, types, privacy class.

It is all the bridge knows of a message standard at run time; no XSD is read. One file per message:

    jz:vtMeldingDi01
      jz:object 1 - - entity VTM
        jz:identificatieVtMelding 1 nv zaak text
        choice 0..1
          zkn:vestiging 1 v - entity? VES

A line is: name, cardinality, absence, privacy class, type. Two spaces of indent are one step down. `choice` and
`sequence` lines stand for themselves and have a cardinality only. Absence: `n` nillable, `v` takes
`stuf:noValue`, `u` takes `noValue` without a namespace, `-` none. Types are in `types.py`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property

from bridge.mapping.diagnostics import Diagnostic, Span, diagnostic, unknown
from bridge.mapping.types import Type, read_type

MAX_LINES = 5000
XSI_NIL = "{http://www.w3.org/2001/XMLSchema-instance}nil"
NO_VALUES = ("nietOndersteund", "nietGeautoriseerd", "geenWaarde", "waardeOnbekend", "vastgesteldOnbekend")
"""The reasons that StUF knows for having no value."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Occurs:
    low: int
    high: int | None
    """None: any number."""

    @property
    def many(self) -> bool:
        return self.high is None or self.high > 1

    def __str__(self) -> str:
        high = "*" if self.high is None else str(self.high)
        return high if str(self.low) == high else f"{self.low}..{high}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Absence:
    """How an element may say that it has no value."""

    nillable: bool = False
    no_value: str | None = None
    """The attribute that carries the reason, in Clark notation; None when there is none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Attribute:
    name: str
    """With prefix."""
    clark: str
    required: bool
    privacy: str
    type: Type


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Shape:
    """One element: what it is called, how often it stands, what it holds."""

    name: str
    """With the prefix of the standard."""
    tag: str
    """In Clark notation, as lxml names it."""
    path: str
    """From the root, without it; empty for the root itself."""
    occurs: Occurs
    absence: Absence
    privacy: str
    type: Type
    attributes: tuple[Attribute, ...] = ()
    particles: tuple[Particle, ...] = ()
    optional_in: bool = False
    """It stands in an optional sequence or in a choice: required only when its neighbours are there."""
    many_by_choice: bool = False
    """It stands in a choice that repeats, so it may stand more often than its own cardinality says."""

    def __repr__(self) -> str:
        return f"<Shape {self.path or self.name}>"

    @cached_property
    def children(self) -> Mapping[str, Shape]:
        """By prefixed name, in the order of the standard."""
        return {shape.name: shape for shape in _shapes(self.particles)}

    @cached_property
    def by_tag(self) -> Mapping[str, tuple[int, Shape]]:
        """By Clark name: the position in the order of the standard, and the shape."""
        return {shape.tag: (at, shape) for at, shape in enumerate(self.children.values())}

    @cached_property
    def loose(self) -> bool:
        """A choice in it repeats, so its children have no fixed order."""
        return any(shape.many_by_choice for shape in self.children.values())

    @property
    def many(self) -> bool:
        """It can stand more than once in its parent."""
        return self.occurs.many or self.many_by_choice

    @property
    def leaf(self) -> bool:
        return not self.type.holds_elements

    def walk(self) -> Iterator[Shape]:
        """This element and all below it, in the order of the standard."""
        yield self
        for child in self.children.values():
            yield from child.walk()


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Block:
    """A `choice` or a `sequence` that has a cardinality of its own."""

    choice: bool
    occurs: Occurs
    particles: tuple[Particle, ...]


Particle = Shape | Block


def _shapes(particles: tuple[Particle, ...]) -> Iterator[Shape]:
    for particle in particles:
        if isinstance(particle, Shape):
            yield particle
        else:
            yield from _shapes(particle.particles)


@dataclass(slots=True)
class _Line:
    indent: int
    words: list[str]
    span: Span
    below: list[_Line] = field(default_factory=list)


def read_structure(
    file: str, text: str, prefixes: Mapping[str, str]
) -> tuple[Shape | None, list[Diagnostic]]:
    """The root of a structure file, or None with the reasons."""
    found: list[Diagnostic] = []
    top = _outline(file, text, found)
    if len(top) != 1:
        found.append(diagnostic("M110", Span(file), "a structure file has exactly one root element"))
        return None, found
    line = top[0]
    words = [*line.words, "1", "-", "-", "group"][:5] if len(line.words) == 1 else line.words
    root = _shape(_Line(0, words, line.span, line.below), "", _Within(), prefixes, found, root=True)
    return (None if found else root), found


def _outline(file: str, text: str, found: list[Diagnostic]) -> list[_Line]:
    top: list[_Line] = []
    open_: list[_Line] = []
    for number, raw in enumerate(text.splitlines()[:MAX_LINES], 1):
        content = raw.strip()
        if not content or content.startswith("#"):
            continue
        column = len(raw) - len(raw.lstrip(" "))
        line = _Line(column // 2, content.split(" "), Span(file, number, column + 1, len(content)))
        del open_[line.indent :]
        if column % 2 or len(open_) < line.indent:
            found.append(diagnostic("M110", line.span, "an indent is two spaces per step"))
            continue
        (open_[-1].below if open_ else top).append(line)
        open_.append(line)
    return top


@dataclass(frozen=True, slots=True)
class _Within:
    """What the blocks around an element do to it."""

    optional: bool = False
    many: bool = False


def _particle(
    line: _Line, path: str, within: _Within, prefixes: Mapping[str, str], found: list[Diagnostic]
) -> Particle:
    if line.words[0] in ("choice", "sequence"):
        occurs = _occurs(line.words[1] if len(line.words) == 2 else "", line.span, found)
        choice = line.words[0] == "choice"
        inside = _Within(within.optional or choice or occurs.low == 0, within.many or occurs.many)
        parts = tuple(_particle(below, path, inside, prefixes, found) for below in line.below)
        return Block(choice=choice, occurs=occurs, particles=parts)
    return _shape(line, path, within, prefixes, found)


def _shape(
    line: _Line,
    above: str,
    within: _Within,
    prefixes: Mapping[str, str],
    found: list[Diagnostic],
    *,
    root: bool = False,
) -> Shape:
    if len(line.words) < 5:
        found.append(
            diagnostic("M110", line.span, "a line is: name, cardinality, absence, privacy class, type")
        )
    name, card, absence, privacy, *kind = [*line.words, *["-"] * 5][: max(len(line.words), 5)]
    path = "" if root else f"{above}/{name}".lstrip("/")
    attributes = tuple(
        _attribute(below, prefixes, found) for below in line.below if below.words[0].startswith("@")
    )
    parts = [below for below in line.below if not below.words[0].startswith("@")]
    type_, problem = read_type(" ".join(kind))
    if problem:
        found.append(diagnostic("M110", line.span, problem))
    return Shape(
        name=name,
        tag=_clark(name, line.span, prefixes, found),
        path=path,
        occurs=_occurs(card, line.span, found),
        absence=_absence(absence, prefixes, line.span, found),
        privacy=privacy,
        type=type_,
        attributes=attributes,
        particles=tuple(_particle(below, path, _Within(), prefixes, found) for below in parts),
        optional_in=within.optional,
        many_by_choice=within.many,
    )


def _attribute(line: _Line, prefixes: Mapping[str, str], found: list[Diagnostic]) -> Attribute:
    name, card, _, privacy, *kind = [*line.words, *["-"] * 5][: max(len(line.words), 5)]
    type_, problem = read_type(" ".join(kind))
    if problem:
        found.append(diagnostic("M110", line.span, problem))
    bare = name.removeprefix("@")
    return Attribute(
        name=bare,
        clark=_clark(bare, line.span, prefixes, found) if ":" in bare else bare,
        required=_occurs(card, line.span, found).low > 0,
        privacy=privacy,
        type=type_,
    )


def _occurs(text: str, span: Span, found: list[Diagnostic]) -> Occurs:
    low, _, high = text.partition("..")
    high = high or low
    if not (low.isdecimal() and (high == "*" or high.isdecimal())):
        found.append(
            diagnostic("M110", span, f"{text or 'nothing'} is no cardinality: write 1, 0..1, 0..* or 1..*")
        )
        return Occurs(low=0, high=None)
    return Occurs(low=int(low), high=None if high == "*" else int(high))


def _absence(text: str, prefixes: Mapping[str, str], span: Span, found: list[Diagnostic]) -> Absence:
    if text not in ("-", "n", "v", "u", "nv", "nu"):
        found.append(diagnostic("M110", span, f"{text} is no absence: write -, n, v, u, nv or nu"))
    no_value = None
    if "v" in text:
        no_value = f"{{{prefixes.get('stuf', '')}}}noValue"
    elif "u" in text:
        no_value = "noValue"
    return Absence(nillable="n" in text, no_value=no_value)


def _clark(name: str, span: Span, prefixes: Mapping[str, str], found: list[Diagnostic]) -> str:
    prefix, colon, local = name.partition(":")
    if not colon or prefix not in prefixes:
        found.append(unknown("M110", span, f"{name} has no prefix of this standard", prefix, prefixes))
        return name
    return f"{{{prefixes[prefix]}}}{local}"
