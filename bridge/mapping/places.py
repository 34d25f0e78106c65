"""Places: paths that can be read and made. XML steps carry prefixes; JSON steps are joined by the same slash."""

from __future__ import annotations

import re
from dataclasses import dataclass

_STEP = re.compile(
    r"(?P<name>[A-Za-z_][\w.-]*:[A-Za-z_][\w.-]*)(?:\[@(?P<attr>[\w.:-]+)='(?P<value>[^']*)'\])?"
)
_ATTRIBUTE = re.compile(r"@(?P<name>(?:[A-Za-z_][\w.-]*:)?[A-Za-z_][\w.-]*)")
_JSON_STEP = re.compile(r"[A-Za-z][\w.-]*")
_UNPREFIXED = re.compile(r"[A-Za-z_][\w.-]*")


@dataclass(frozen=True, slots=True)
class XmlPlace:
    """Element steps, then perhaps an attribute. No steps and no attribute is the element itself."""

    steps: tuple[str, ...]
    attribute: str | None = None
    pick: tuple[str, str] | None = None
    """Only the last step's elements whose attribute has this text."""


def read_xml_place(text: str) -> XmlPlace | str:
    """The place, or what is wrong with its text."""
    if text == ".":
        return XmlPlace(())
    parts = _split(text)
    steps: list[str] = []
    pick: tuple[str, str] | None = None
    for at, part in enumerate(parts):
        attribute = _ATTRIBUTE.fullmatch(part)
        if attribute and at == len(parts) - 1:
            return XmlPlace(tuple(steps), attribute["name"], pick)
        step = _STEP.fullmatch(part)
        if not step:
            return _why_not(part)
        if pick is not None:
            return "only the last element of a place may have [@name='text']"
        steps.append(step["name"])
        if step["attr"] is not None:
            pick = (step["attr"], step["value"])
    return XmlPlace(tuple(steps), None, pick)


def _split(text: str) -> list[str]:
    """At slashes that do not stand inside brackets."""
    parts, depth = [""], 0
    for char in text:
        depth += (char == "[") - (char == "]")
        if char == "/" and depth == 0:
            parts.append("")
        else:
            parts[-1] += char
    return parts


def _why_not(part: str) -> str:
    if not part:
        return "a place has no // and does not start or end with /: use xpath: for that"
    if _UNPREFIXED.fullmatch(part):
        return f"{part} has no prefix"
    return f"{part} is no step of a place: write prefix:name, @name or prefix:name[@name='text']"


def read_json_place(text: str) -> tuple[str, ...] | str:
    """The steps of a place in the resource, or what is wrong with its text; `.` is the item itself."""
    if text == ".":
        return ()
    steps = tuple(text.split("/"))
    for step in steps:
        if not _JSON_STEP.fullmatch(step):
            return f"{step or 'an empty step'} is no name: a place in the resource is names joined by /"
    return steps
