"""Made elements → octets: the same each time, prefixes as the standard has them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

ILLEGAL = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""What XML 1.0 cannot carry, not even escaped."""
XSI = "http://www.w3.org/2001/XMLSchema-instance"


@dataclass(slots=True)
class Made:
    """An element on its way out; names carry the prefixes of the standard."""

    name: str
    attributes: dict[str, str] = field(default_factory=dict)
    text: str = ""
    children: list[Made] = field(default_factory=list)


def write_xml(root: Made, prefixes: Mapping[str, str]) -> bytes:
    """A whole document in UTF-8, without white space between elements."""
    used: set[str] = set()
    parts: list[str] = []
    _write(root, parts, used)
    spaces = {**prefixes, "xsi": XSI}
    declared = "".join(f' xmlns:{prefix}="{iri}"' for prefix, iri in spaces.items() if prefix in used)
    # The first part is the name of the root. Put together once, for a file in it may make it large.
    parts[:1] = ('<?xml version="1.0" encoding="UTF-8"?>\n', parts[0], declared)
    parts.append("\n")
    return "".join(parts).encode()


def _write(element: Made, parts: list[str], used: set[str]) -> None:
    name = element.name
    used.add(name.partition(":")[0])
    parts.append(f"<{name}")
    for key, value in element.attributes.items():
        prefix, colon, _ = key.partition(":")
        if colon:
            used.add(prefix)
        parts.append(f' {key}="{_attribute(value)}"')
    if not element.text and not element.children:
        parts.append("/>")
        return
    parts.append(">")
    parts.append(_text(element.text))
    for child in element.children:
        _write(child, parts, used)
    parts.append(f"</{name}>")


def _text(text: str) -> str:
    if "&" in text or "<" in text or ">" in text or "\r" in text:
        return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace("\r", "&#13;")
    return text


def _attribute(text: str) -> str:
    return _text(text).replace('"', "&quot;").replace("\n", "&#10;").replace("\t", "&#9;")
