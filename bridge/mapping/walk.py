"""The walk over a message, along the plan: each element is read by a row, opened, dropped with a reason, or reported.

Nothing of a message is passed over in silence. What is checked here is what the structure description says: order,
number, absence, attributes and types.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

from lxml import etree

from bridge.mapping.canonical import canonical
from bridge.mapping.context import Context, Json
from bridge.mapping.functions.base import Refused
from bridge.mapping.machine import BaseMachine
from bridge.mapping.order import fits, made_order, repeated_choices, tags_of
from bridge.mapping.program import Place, Program, Row, Scope
from bridge.mapping.structure import NO_VALUES, XSI_NIL, Shape
from bridge.mapping.types import Kind, fault

MAX_ELEMENTS = 200_000
_PARTIAL = {"J": 0, "M": 4, "D": 6, "V": 8}
"""How many digits of a date are known, by `indOnvolledigeDatum`."""
_XSI = "{http://www.w3.org/2001/XMLSchema-instance}"


class Walk(BaseMachine):
    """Reads the values of one message into scopes."""

    def __init__(self, program: Program, context: Context) -> None:
        super().__init__(program, context, writing=False)
        self.message: etree._Element | None = None
        self.elements = 0
        self.stuf = f"{{{program.standard.prefixes.get('stuf', '')}}}"
        self.entity = f"{self.stuf}entiteittype"
        self.no_value = f"{self.stuf}noValue"
        self.partial = f"{self.stuf}indOnvolledigeDatum"
        self.ignored = program.standard.ignored

    # -- walking --------------------------------------------------------------------------------------------------

    def element(self, element: etree._Element, place: Place, scope: Scope) -> None:
        self.elements += 1
        if self.elements > MAX_ELEMENTS:
            if self.elements == MAX_ELEMENTS + 1:
                self.fault("M911", f"the message has more than {MAX_ELEMENTS} elements", place="/")
            return
        nil, reason = self.attributes(element, place, scope)
        if place.extra:
            self.extra_elements(element, place, scope)
        elif place.leaf:
            self.leaf(element, place, scope, nil, reason)
        else:
            self.children(element, place, scope, nil, reason)

    def attributes(self, element: etree._Element, place: Place, scope: Scope) -> tuple[bool, str | None]:
        """Reads and checks the attributes; gives whether it is nil, and the reason."""
        shape = place.shape
        nil, reason, entity = False, None, None
        for key, value in element.items() if element.attrib else ():
            name, text = str(key), str(value)
            if name == XSI_NIL:
                nil = self.is_nil(shape, text)
            elif name in (self.no_value, "noValue"):
                reason = self.reason(shape, name, text)
            elif name == self.entity:
                entity = text
            elif name in place.attributes:
                self.found(place.attributes[name], scope, text, element)
            elif not self.known_attribute(shape, name, text):
                self.fault("M916", "an attribute that the standard does not know", place=shape.path or "/")
        for attribute in shape.attributes:
            if attribute.required and attribute.clark not in element.attrib:
                self.fault("M914", f"@{attribute.name} is absent", place=shape.path)
        if place.entity:
            self.check_entity(place, scope, entity, element)
        return nil, reason

    def is_nil(self, shape: Shape, text: str) -> bool:
        if text.strip() not in ("true", "1", "false", "0"):
            self.fault("M917", "xsi:nil is neither true nor false", place=shape.path)
        elif not shape.absence.nillable:
            self.fault("M917", "xsi:nil stands on an element that may not be nil", place=shape.path)
        return text.strip() in ("true", "1")

    def reason(self, shape: Shape, name: str, text: str) -> str | None:
        if name != shape.absence.no_value:
            self.fault(
                "M917", "noValue stands here in a form that this place does not take", place=shape.path
            )
        elif text.strip() not in NO_VALUES:
            self.fault("M917", "noValue gives a reason that the standard does not know", place=shape.path)
        return text.strip() or None

    def known_attribute(self, shape: Shape, name: str, text: str) -> bool:
        if name.startswith(_XSI) or name in self.ignored:
            return True
        if name == self.partial:
            if text not in _PARTIAL:
                self.fault("M912", "indOnvolledigeDatum is none of J, M, D and V", place=shape.path)
            return shape.type.kind is Kind.DATE
        known = next((a for a in shape.attributes if a.clark == name), None)
        if known is not None and known.type.fixed is not None and known.type.fixed != text:
            self.fault("M904", f"@{known.name} has another value than the standard fixes", place=shape.path)
        return known is not None

    def check_entity(self, place: Place, scope: Scope, code: str | None, element: etree._Element) -> None:
        """The fixed code of an entity: schema validators of the libxml2 family let a wrong one pass."""
        shape = place.shape
        row = place.attributes.get(self.entity)
        if row is not None and code is not None:
            self.found(row, scope, code, element)
        if code is None:
            if shape.type.required:
                self.fault("M914", "stuf:entiteittype is absent", place=shape.path)
        elif shape.type.entity is not None and code != shape.type.entity:
            self.fault("M907", f"stuf:entiteittype is not {shape.type.entity}", place=shape.path)

    def children(
        self, element: etree._Element, place: Place, scope: Scope, nil: bool, reason: str | None
    ) -> None:
        counts: dict[str, int] = {}
        last = -1
        tags: list[str] = []
        right = True
        for child in element:
            tag: Any = child.tag
            if not isinstance(tag, str):
                continue  # a comment or a processing instruction
            below = place.children.get(tag)
            if below is None:
                right = False
                self.unknown_child(element, place, tag)
                continue
            at = place.order[tag]
            counts[tag] = counts.get(tag, 0) + 1
            if at < last and not place.loose:
                right = False
                self.fault("M913", "it stands after an element that comes later", place=below.shape.path)
            last = max(last, at)
            tags.append(tag)
            right = self.child(child, below, scope, counts[tag]) and right
        self.stray_text(element, place)
        if not nil:
            right = self.required(place, counts) and right
            if right and place.blocks and not fits(place.shape.particles, tags):
                said = "the elements of a choice or a group stand in an order or a number that is not allowed"
                self.fault("M913", said, place=place.shape.path)
        if counts:
            if nil:
                self.fault("M910", "xsi:nil stands on an element that has content", place=place.shape.path)
            if place.loose and place.used:
                self.mixed(place, scope, tags)
        elif place.used and (nil or reason or place.key):
            scope.forms[place.key] = _form(nil, reason)

    def mixed(self, place: Place, scope: Scope, tags: list[str]) -> None:
        """Keeps the order of choices that repeat, when composing would make another of itself."""
        mixed = [tag for tag in tags if place.children[tag].shape.many_by_choice]
        for block in repeated_choices(place.shape.particles):
            own = set(tags_of(block))
            here = [tag for tag in mixed if tag in own]
            if here != made_order(block, Counter(here)):
                scope.orders[place.key or "."] = [place.children[tag].shape.name for tag in mixed]

    def child(self, child: etree._Element, below: Place, scope: Scope, count: int) -> bool:
        """Reads one child; False when it stands too often."""
        high = below.shape.occurs.high
        if high is not None and count > high and not below.shape.many_by_choice:
            self.fault("M906", f"it stands more often than {high} times", place=below.shape.path)
            return False
        if below.dropped:
            return True
        group = below.group
        if group is None:
            self.element(child, below, scope)
            return True
        items = scope.items.setdefault(group.id, [])
        item = Scope(group, scope, self, at=len(items))
        items.append(item)
        self.element(child, below, item)
        return True

    def unknown_child(self, element: etree._Element, place: Place, tag: str) -> None:
        local = tag.rpartition("}")[2]
        near = [p.shape.name for p in place.children.values() if p.shape.tag.rpartition("}")[2] == local]
        hint = f"; the standard has {near[0]} here" if near else ""
        where = place.shape.path or place.shape.name
        self.fault("M905", f"an element that the standard does not have here{hint}", place=where)

    def stray_text(self, element: etree._Element, place: Place) -> None:
        texts = [element.text, *(child.tail for child in element)]
        if any(text and not text.isspace() for text in texts):
            self.fault("M916", "text stands between the elements", place=place.shape.path or "/")

    def required(self, place: Place, counts: dict[str, int]) -> bool:
        """Whether all stand that must; of an empty element it is said once."""
        if not counts and place.required:
            self.fault(
                "M914", "it is empty and not nil, where elements are required", place=place.shape.path or "/"
            )
            return False
        gone = [tag for tag in place.required if tag not in counts]
        for tag in gone:
            self.fault("M914", "a required element is absent", place=place.children[tag].shape.path)
        return not gone

    # -- values ---------------------------------------------------------------------------------------------------

    def leaf(
        self, element: etree._Element, place: Place, scope: Scope, nil: bool, reason: str | None
    ) -> None:
        text = self.content(element, place)
        row = place.row
        if nil and text and text.isspace():
            self.fault("M916", "white space stands in an element that is nil", place=place.shape.path)
            text = ""
        if not text and place.shape.type.kind is not Kind.ANY:
            if not nil:
                self.check_type(place.shape, text)
            if row is not None and self.once(row, scope):
                scope.forms[row.id] = _form(nil, reason)
                scope.lines[row.id] = line_of(element)
            return
        if nil:
            self.fault("M910", "xsi:nil stands on an element that has content", place=place.shape.path)
            return
        if row is None:
            self.check_type(place.shape, text)
            return
        if place.shape.type.kind is Kind.DATE:
            text = self.whole_date(element, text)
        self.check_type(place.shape, text)
        self.found(row, scope, text, element)

    def content(self, element: etree._Element, place: Place) -> str:
        """The whole text: comments and processing instructions inside a value are no part of it."""
        if len(element) == 0:
            return element.text or ""
        if place.shape.type.kind is Kind.ANY:
            return self.canonical(element, place)
        parts = [element.text or ""]
        for child in element:
            if isinstance(child.tag, str):
                self.unknown_child(element, place, child.tag)
            parts.append(child.tail or "")
        return "".join(parts)

    def canonical(self, element: etree._Element, place: Place) -> str:
        """What stands where anything may stand, written in one way."""
        octets = canonical(element)
        if octets is None:
            said = "a namespace in it is no absolute address, so it cannot be kept as it is"
            self.fault("M903", said, place=place.shape.path, privacy=place.shape.privacy)
            return ""
        return octets.decode()

    def whole_date(self, element: etree._Element, text: str) -> str:
        """The date with zeros for what `indOnvolledigeDatum` says is not known."""
        known = _PARTIAL.get((element.get(self.partial) or "V").strip(), 8)
        digits = text.strip()
        return text if known == 8 or len(digits) != 8 else digits[:known].ljust(8, "0")

    def check_type(self, shape: Shape, text: str) -> None:
        why = fault(shape.type, text, self.program.codes)
        if why is None:
            return
        rule = "M904" if shape.type.kind is Kind.FIXED else "M912"
        self.fault(rule, why, place=shape.path, privacy=shape.privacy)

    def found(self, row: Row, scope: Scope, text: str, element: etree._Element) -> None:
        """A text for a row: converted, and checked when the row has a fixed text."""
        way = row.read
        if not self.once(row, scope):
            return
        scope.lines[row.id] = line_of(element)
        if way is None or not way.from_place or (way.when is not None and not way.when(scope)):
            return
        if way.const is not None and text.strip() != way.const:
            self.fault("M904", f"it is not {way.const}", row=row)
            return
        self.row = row
        try:
            scope.values[row.id] = self.converted(text, way) if way.steps else text
        except Refused as refused:
            scope.values[row.id] = None
            if row.keeps_invalid:
                scope.invalid[row.id] = text
                self.fault("M918", f"{refused}; it is kept as it is, and nothing is made of it", row=row)
            else:
                self.fault("M903", str(refused), row=row)
        finally:
            self.row = None

    def once(self, row: Row, scope: Scope) -> bool:
        """A second value for a row would take the place of the first: that is a loss, so it is told."""
        if row.id not in scope.lines:
            return True
        self.fault("M906", "a second value stands where one is read", row=row)
        return False

    def extra_elements(self, element: etree._Element, place: Place, scope: Scope) -> None:
        """StUF extra elements: a list of name and value, in the order of the message; names may repeat."""
        listed: list[Json] = []
        for child in element:
            if child.tag != f"{self.stuf}extraElement":
                if isinstance(child.tag, str):
                    self.unknown_child(element, place, child.tag)
                continue
            self.elements += 1
            item = self.extra_item(child, place)
            listed.append(item)
            for attribute, wanted, row in place.picks:
                named = attribute == "naam" and item["naam"] == wanted
                if named and "waarde" in item and row.id not in scope.values:
                    self.found(row, scope, item["waarde"], child)
        if not listed and XSI_NIL not in element.attrib:
            self.fault("M914", "it is empty, where elements are required", place=place.shape.path)
        if place.row is not None and listed and self.once(place.row, scope):
            scope.values[place.row.id] = listed
            scope.lines[place.row.id] = line_of(element)

    def extra_attributes(self, child: etree._Element, place: Place) -> None:
        """Of an extra element: a name, which must be there, and how it is absent or partial."""
        where = f"{place.shape.path}/stuf:extraElement"
        if "naam" not in child.attrib:
            self.fault("M914", "@naam is absent", place=where)
        for key, value in child.items():
            name, text = str(key), str(value).strip()
            if name == XSI_NIL and text not in ("true", "1", "false", "0"):
                self.fault("M917", "xsi:nil is neither true nor false", place=where)
            elif name == self.no_value and text not in NO_VALUES:
                self.fault("M917", "noValue gives a reason that the standard does not know", place=where)
            elif name == self.partial and text not in _PARTIAL:
                self.fault("M912", "indOnvolledigeDatum is none of J, M, D and V", place=where)
            elif name not in ("naam", self.no_value, self.partial) and not name.startswith(_XSI):
                self.fault("M916", "an attribute that the standard does not know", place=where)

    def extra_item(self, child: etree._Element, place: Place) -> dict[str, Json]:
        item: dict[str, Json] = {"naam": child.get("naam", "")}
        text = "".join([child.text or "", *(below.tail or "" for below in child)])
        self.extra_attributes(child, place)
        nil = (child.get(XSI_NIL) or "").strip() in ("true", "1")
        if text and nil:
            self.fault("M910", "xsi:nil stands on an element that has content", place=place.shape.path)
        if text and not nil:
            item["waarde"] = text
        else:
            item["_afwezig"] = _form(nil, child.get(self.no_value))
        if (partial := child.get(self.partial)) is not None:
            item["onvolledig"] = partial
        return item


def line_of(element: etree._Element) -> int | None:
    """The line in the source, when the parser knows it."""
    line: Any = element.sourceline
    return int(line) if line is not None else None


def _form(nil: bool, reason: str | None) -> str:
    """How an element said that it has no value: a reason, `nil`, `leeg`, or `leeg` with a reason."""
    if nil:
        return reason or "nil"
    return f"leeg {reason}" if reason else "leeg"
