"""A message line by line, as a screen may show it: every value that is about a person masked.

One source says what is about a person: the privacy classes of `standard.yaml`, which the structure descriptions give
to every place. It fails closed: what no mapping knows, what does not fit the type of its place, what stands outside
any place and what may be a BSN is masked, whatever its class. A mask tells the form of a value and never a part of
it; the length of a short one neither, which would tell yes from no.
"""

from __future__ import annotations

import re
from collections.abc import Container, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from enum import StrEnum
from itertools import islice
from typing import Any

from lxml import etree

from bridge.mapping.functions.bsn import is_bsn
from bridge.mapping.program import Place, Program
from bridge.mapping.standard import Vocabulary
from bridge.mapping.structure import XSI_NIL, Shape
from bridge.mapping.types import Type, fault
from bridge.mapping.walk import line_of

OPEN_CLASS = "-"
"""The privacy class of what says nothing about a person."""
LONGEST_OPEN = 200
"""A value that is longer is no code and no number, whatever its class."""
MOST_LINES = 5000
NO_REASONS = ("nietOndersteund", "nietGeautoriseerd", "geenWaarde", "waardeOnbekend", "vastgesteldOnbekend")
XSI = "{http://www.w3.org/2001/XMLSchema-instance}"

_RUN = re.compile(r"\d+")
_REMARKS = (etree._Comment, etree._ProcessingInstruction, etree._Entity)


class Form(StrEnum):
    """What a mask tells of a value."""

    EMPTY = "empty"
    BSN = "bsn"
    """Nine digits that pass the 11-test."""
    NINE_DIGITS = "nine-digits"
    """Nine digits that do not."""
    DATE = "date"
    """Eight digits that are a day."""
    NUMBER = "number"
    SHORT = "short"
    """At most twenty characters."""
    TEXT = "text"
    LONG = "long"
    """More than two hundred characters."""
    TREE = "tree"
    """Elements or members that no mapping knows."""


class Kind(StrEnum):
    """What a line is."""

    ELEMENT = "element"
    ATTRIBUTE = "attribute"
    MEMBER = "member"
    """Of a JSON object."""
    ITEM = "item"
    """Of a JSON array."""
    TEXT = "text"
    """Text where only elements belong."""
    REMARK = "remark"
    """A comment or a processing instruction."""
    UNKNOWN = "unknown"


class _Everything:
    def __contains__(self, number: object) -> bool:
        return True


EVERYTHING: Container[int] = _Everything()
NOTHING: Container[int] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One element, attribute or member. Either `value` is there, or `form` says what is masked, or it holds others."""

    number: int
    """Its place in the order of the document: the same for the same octets."""
    depth: int
    kind: Kind
    name: str
    """Empty for what has no name, or a name that no mapping knows."""
    privacy: str = OPEN_CLASS
    """The privacy class; empty when no mapping knows it."""
    form: Form | None = None
    value: str | None = field(default=None, repr=False)
    revealed: bool = False
    """The value would be masked, and is shown because that was asked."""
    line: int | None = None
    """In the source."""
    path: str = ""
    """The place of an element in the structure, as findings name it."""


def form_of(text: str) -> Form:
    """The form of a value, never a part of it."""
    bare = text.strip()
    if not bare:
        return Form.EMPTY
    if bare.isascii() and bare.isdigit():
        if len(bare) == 9:
            return Form.BSN if is_bsn(bare) else Form.NINE_DIGITS
        return Form.DATE if _is_day(bare) else Form.NUMBER
    return Form.SHORT if len(text) <= 20 else Form.TEXT if len(text) <= LONGEST_OPEN else Form.LONG


def may_be_shown(text: str) -> bool:
    """Whether a value of an open class is what it should be: short, readable, and no number of a person."""
    if len(text) > LONGEST_OPEN or not text.isprintable():
        return False
    joined = re.sub(r"(?<=\d)[ .-](?=\d)", "", text)
    runs = {run.zfill(9) for whole in (text, joined) for run in _RUN.findall(whole) if len(run) in (8, 9)}
    return not any(is_bsn(run) and not _is_day(run[1:]) for run in runs)


def mask_xml(
    root: etree._Element, program: Program | None, shown: Container[int] = NOTHING
) -> tuple[Line, ...]:
    """The lines of a message; only of the numbers in `shown` also what is masked. At most MOST_LINES."""
    masker = _XmlMasker(program, shown)
    if program is None or program.root.tag != root.tag:
        return tuple(masker.unknown(root, 0))
    return tuple(islice(masker.element(root, program.top.place, 0), MOST_LINES))


def program_for(programs: tuple[Program, ...], tag: str, label: str | None) -> Program | None:
    """The mapping that was used, else one that knows this root element: all of a folder share one standard."""
    known = [program for program in programs if program.root.tag == tag]
    return next((program for program in known if program.label == label), known[0] if known else None)


class _Numbers:
    def __init__(self) -> None:
        self.last = -1

    def next(self) -> int:
        self.last += 1
        return self.last


class _XmlMasker:
    """Walks the document and the places of the mapping side by side."""

    def __init__(self, program: Program | None, shown: Container[int]) -> None:
        self._numbers = _Numbers()
        self._shown = shown
        self._program = program

    def element(self, element: etree._Element, place: Place, depth: int) -> Iterator[Line]:
        """An element that the structure knows, and everything in it."""
        shape, holds = place.shape, place.shape.type.holds_elements
        text = element.text or ""
        if holds or (len(element) and shape.leaf):
            yield self._line(element, depth, shape)
        else:
            open_ = {shape.privacy, place.row.privacy if place.row else shape.privacy} == {OPEN_CLASS}
            good = open_ and self._fits(shape.type, text)
            made = self._made(element, depth, Kind.ELEMENT, shape.name, shape.privacy, text, good)
            yield replace(made, path=shape.path)
        yield from self._attributes(element, place, depth + 1)
        if len(element) and shape.leaf:
            yield from self._inside(element, depth + 1)
        elif holds:
            yield from self._children(element, place, depth + 1)

    def unknown(self, element: etree._Element, depth: int) -> Iterator[Line]:
        """An element that no mapping knows, as one line: not even its name is shown."""
        yield self._masked(element, depth, Kind.UNKNOWN, _written(element), Form.TREE)

    def _children(self, element: etree._Element, place: Place, depth: int) -> Iterator[Line]:
        yield from self._loose(element, element.text, depth)
        for child in element:
            if isinstance(child, _REMARKS):
                yield self._masked(element, depth, Kind.REMARK, str(child.text or ""))
            elif (below := place.children.get(child.tag)) is not None:
                yield from self.element(child, below, depth)
            else:
                yield from self.unknown(child, depth)
            yield from self._loose(element, child.tail, depth)

    def _inside(self, element: etree._Element, depth: int) -> Iterator[Line]:
        """What stands in a place that should hold a value, such as extra elements."""
        yield from self._loose(element, element.text, depth)
        for child in element:
            if isinstance(child, _REMARKS):
                yield self._masked(element, depth, Kind.REMARK, str(child.text or ""))
            else:
                yield self._masked(child, depth, Kind.UNKNOWN, _written(child), Form.TREE)
            yield from self._loose(element, child.tail, depth)

    def _loose(self, element: etree._Element, text: str | None, depth: int) -> Iterator[Line]:
        if text and text.strip():
            yield self._masked(element, depth, Kind.TEXT, text)

    def _attributes(self, element: etree._Element, place: Place, depth: int) -> Iterator[Line]:
        known = {attribute.clark: attribute for attribute in place.shape.attributes}
        entity, nothing = place.shape.type.entity, place.shape.absence.no_value
        for clark, text in _attributes(element):
            name = known[clark].name if clark in known else ""
            if clark in known:
                row = place.attributes.get(clark)
                open_ = {known[clark].privacy, row.privacy if row else known[clark].privacy} == {OPEN_CLASS}
                good = open_ and self._fits(known[clark].type, text)
            elif etree.QName(clark).localname == "entiteittype" and text == entity:
                name, good = "entiteittype", True
            elif clark == nothing:
                name, good = "noValue", text in NO_REASONS
            elif clark == XSI_NIL:
                name, good = "nil", text in ("true", "false", "1", "0")
            elif clark.startswith(XSI):
                name, good = etree.QName(clark).localname, False
            else:
                good = False
            yield self._made(element, depth, Kind.ATTRIBUTE, name, OPEN_CLASS if good else "", text, good)

    def _fits(self, type_: Type, text: str) -> bool:
        codes = self._program.codes if self._program else {}
        return fault(type_, text, codes) is None and may_be_shown(text.strip())

    def _line(self, element: etree._Element, depth: int, shape: Shape) -> Line:
        number, line = self._numbers.next(), line_of(element)
        return Line(
            number=number, depth=depth, kind=Kind.ELEMENT, name=shape.name, line=line, path=shape.path
        )

    def _masked(
        self, element: etree._Element, depth: int, kind: Kind, text: str, form: Form | None = None
    ) -> Line:
        """What no mapping knows: it has no name and no class."""
        return self._made(element, depth, kind, "", "", text, False, form)

    def _made(
        self,
        element: etree._Element,
        depth: int,
        kind: Kind,
        name: str,
        privacy: str,
        text: str,
        good: bool,
        form: Form | None = None,
    ) -> Line:
        """A value: shown when it is good, or asked for; else only its form."""
        number = self._numbers.next()
        revealed = not good and number in self._shown
        return Line(
            number=number,
            depth=depth,
            kind=kind,
            name=name,
            privacy=privacy,
            form=None if good or revealed else form or form_of(text),
            value=text.strip() if good or revealed else None,
            revealed=revealed,
            line=line_of(element),
        )


# --- events ---


def mask_json(
    document: Any, vocabulary: Vocabulary | None, open_: Mapping[str, str], shown: Container[int] = NOTHING
) -> tuple[Line, ...]:
    """The lines of an event. `open_` are the context attributes that may be shown, with their values as kept.

    Of the data only what the vocabulary itself says is shown: names of members, types and the context.
    """
    masker = _JsonMasker(vocabulary, open_, shown)
    return tuple(islice(masker.lines(document, 0, "", known=True), MOST_LINES))


class _JsonMasker:
    def __init__(
        self, vocabulary: Vocabulary | None, open_: Mapping[str, str], shown: Container[int]
    ) -> None:
        self._numbers = _Numbers()
        self._shown = shown
        self._open = open_
        words = set(_JSON_WORDS) | set(open_)
        types: set[str] = set()
        context: set[str] = set()
        if vocabulary is not None:
            words |= {spelling for names in vocabulary.properties.values() for spelling in names}
            words |= set(vocabulary.context)
            types = {spelling for names in vocabulary.classes.values() for spelling in names}
            context = set(vocabulary.context.values())
        self._words, self._types, self._context = words, types, context

    def lines(self, value: Any, depth: int, name: str, *, known: bool, top: bool = True) -> Iterator[Line]:
        """A value with everything in it; `known` says whether the names above it are."""
        kind = Kind.MEMBER if name or not known else Kind.ITEM
        if isinstance(value, dict | list):
            yield Line(number=self._numbers.next(), depth=depth, kind=kind, name=name)
            pairs = value.items() if isinstance(value, dict) else ((None, below) for below in value)
            for key, below in pairs:
                good = key is None or key in self._words
                yield from self._below(below, depth + 1, key or "", good=good, above=name, top=top)
        else:
            yield self._leaf(value, depth, name, kind, good=False)

    def _below(
        self, value: Any, depth: int, key: str, *, good: bool, above: str, top: bool
    ) -> Iterator[Line]:
        if not good:
            yield self._leaf(value, depth, "", Kind.UNKNOWN, good=False)
        elif isinstance(value, dict | list):
            yield from self.lines(value, depth, key, known=bool(key), top=False)
        else:
            kind = Kind.MEMBER if key else Kind.ITEM
            yield self._leaf(value, depth, key, kind, good=self._is_open(key or above, value, top=top))

    def _is_open(self, name: str, value: Any, *, top: bool) -> bool:
        if not isinstance(value, str) or not may_be_shown(value):
            return False
        if top and name in self._open:
            return value == self._open[name]
        return (name in ("@type", "type") and value in self._types) or value in self._context

    def _leaf(self, value: Any, depth: int, name: str, kind: Kind, *, good: bool) -> Line:
        number = self._numbers.next()
        text = value if isinstance(value, str) else _plain(value)
        revealed = not good and number in self._shown
        form = Form.TREE if isinstance(value, dict | list) else form_of(text)
        return Line(
            number=number,
            depth=depth,
            kind=kind,
            name=name,
            privacy=OPEN_CLASS if good else "",
            form=None if good or revealed else form,
            value=text if good or revealed else None,
            revealed=revealed,
        )


_JSON_WORDS = (
    "@context",
    "@graph",
    "@id",
    "@type",
    "@value",
    "id",
    "type",
    "data",
    "data_base64",
    "bsn",
    "leeftijd",
    "soh:burgerservicenummer",
)


def _attributes(element: etree._Element) -> Iterator[tuple[str, str]]:
    for name, text in element.attrib.items():
        yield str(name), str(text)


def _written(element: etree._Element) -> str:
    return etree.tostring(element, encoding="unicode", with_tail=False)


def _plain(value: Any) -> str:
    if isinstance(value, bool) or value is None:
        return {True: "true", False: "false", None: "null"}[value]
    return str(value)


def _is_day(text: str) -> bool:
    if len(text) != 8 or not text.startswith(("19", "20")):
        return False
    try:
        date(int(text[:4]), int(text[4:6]), int(text[6:]))
    except ValueError:
        return False
    return True
