"""Two JSON values or two messages, and where they differ."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from lxml import etree

from bridge.mapping.program import Program
from bridge.mapping.structure import XSI_NIL, Shape
from bridge.mapping.types import Kind

Json = Any
ABSENT = "(absent)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """`old` or `new` is `(absent)` when only the other side has the place."""

    path: str
    old: str
    new: str

    def __str__(self) -> str:
        return f"{self.path}: {self.old} → {self.new}"

    def masked(self) -> str:
        """Without the values: for a screen that many may see."""
        return f"{self.path}: {_mask(self.old)} → {_mask(self.new)}"


def _mask(text: str) -> str:
    return text if text == ABSENT else f"({len(text)} characters)"


def json_differences(old: Json, new: Json, path: str = "") -> Iterator[Difference]:
    """Place by place; lists are compared item by item."""
    if isinstance(old, dict) and isinstance(new, dict):
        for key in [*old, *(k for k in new if k not in old)]:
            below = f"{path}/{key}".lstrip("/")
            if key not in new:
                yield Difference(path=below, old=_short(old[key]), new=ABSENT)
            elif key not in old:
                yield Difference(path=below, old=ABSENT, new=_short(new[key]))
            else:
                yield from json_differences(old[key], new[key], below)
    elif isinstance(old, list) and isinstance(new, list):
        for at in range(max(len(old), len(new))):
            below = f"{path}/{at}".lstrip("/")
            if at >= len(new):
                yield Difference(path=below, old=_short(old[at]), new=ABSENT)
            elif at >= len(old):
                yield Difference(path=below, old=ABSENT, new=_short(new[at]))
            else:
                yield from json_differences(old[at], new[at], below)
    elif type(old) is not type(new) or old != new:
        yield Difference(path=path, old=_short(old), new=_short(new))


def _short(value: Json) -> str:
    text = str(value)
    return text if len(text) <= 200 else f"{text[:197]}…"


def xml_differences(program: Program, old: etree._Element, new: etree._Element) -> Iterator[Difference]:
    """Two messages of one mapping, compared as the standard sees them: white space between elements, prefixes,
    attributes without meaning and the default of `indOnvolledigeDatum` do not count."""
    mine, theirs = (dict(_flat(program, root, program.root, program.root.name)) for root in (old, new))
    for path in [*mine, *(p for p in theirs if p not in mine)]:
        before, after = mine.get(path, ABSENT), theirs.get(path, ABSENT)
        if before != after:
            yield Difference(path=path, old=before, new=after)


def _flat(
    program: Program, element: etree._Element, shape: Shape | None, path: str
) -> Iterator[tuple[str, str]]:
    yield path, ""
    for name, value in sorted(element.attrib.items()):
        key, text = str(name), str(value)
        default = key.endswith("}indOnvolledigeDatum") and text.strip() == "V"
        if key not in program.standard.ignored and not default:
            said = "true" if key == XSI_NIL and text.strip() == "1" else text.strip()
            yield f"{path}/@{key.rpartition('}')[2]}", said
    counts: dict[str, int] = {}
    children = [child for child in element if isinstance(child.tag, str)]
    for child in children:
        tag = str(child.tag)
        below = shape.by_tag[tag][1] if shape is not None and tag in shape.by_tag else None
        name = below.name if below is not None else tag.rpartition("}")[2]
        counts[name] = counts.get(name, 0) + 1
        yield from _flat(program, child, below, f"{path}/{name}[{counts[name]}]")
    if not children:
        text = "".join([element.text or "", *(child.tail or "" for child in element)]).strip()
        binary = shape is not None and shape.type.kind is Kind.BINARY
        yield f"{path}/text()", "".join(text.split()) if binary else text
