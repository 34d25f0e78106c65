"""Event attributes in HTTP headers (binary mode), from the raw header list (HTTP binding, section 3.1.3)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from bridge.errors import Broken
from bridge.hub.event import AttributeValue
from bridge.hub.syntax import is_attribute_name

_PREFIX: Final = "ce-"
_PERCENT = re.compile(rb"%([0-9A-Fa-f]{2})?")


@dataclass(frozen=True, slots=True, kw_only=True)
class HeaderAttributes:
    """The attributes that `ce-` headers carry, all as text, and every rule that the headers break."""

    attributes: dict[str, AttributeValue]
    broken: tuple[Broken, ...]
    any: bool
    """Whether there was any `ce-` header at all."""


def read_attributes(headers: Sequence[tuple[str, str]]) -> HeaderAttributes:
    """Every `ce-` header as an attribute. Broken rules have JSON pointers, as in structured mode."""
    attributes: dict[str, AttributeValue] = {}
    broken: list[Broken] = []
    seen: set[str] = set()
    for raw_name, raw_value in headers:
        name = raw_name.lower()
        if not name.startswith(_PREFIX):
            continue
        name = name.removeprefix(_PREFIX)
        fault = _name_fault(name, seen)
        seen.add(name)
        if fault is None:
            try:
                attributes[name] = decode_header_value(raw_value)
                continue
            except ValueError as error:
                fault = Broken(rule="SOH-102", where=f"/{name}", text=str(error))
        broken.append(fault)
    return HeaderAttributes(attributes=attributes, broken=tuple(broken), any=bool(seen))


def decode_header_value(raw: str) -> str:
    """Undo double quotes with backslashes, then one round of percent-encoding.

    `raw` as aiohttp gives it: octets that are not UTF-8 as lone surrogates. Raises ValueError when the
    quotes, the percent-encoding or the UTF-8 is broken.
    """
    octets = _unquote(raw.strip(" \t")).encode("utf-8", "surrogateescape")
    try:
        return _PERCENT.sub(_decode_one, octets).decode("utf-8")
    except UnicodeDecodeError as error:
        raise ValueError("the header value is not valid UTF-8") from error


def _name_fault(name: str, seen: set[str]) -> Broken | None:
    if name == "datacontenttype":
        text = "in binary mode the Content-Type header says this"
        return Broken(rule="SOH-101", where="/datacontenttype", text=text)
    if name == "data" or not is_attribute_name(name):
        text = "the name of an attribute is one or more of a-z and 0-9, and not data"
        return Broken(rule="SOH-24", where=f"/{name}", text=text)
    if name in seen:
        return Broken(rule="SOH-27", where=f"/{name}", text="the header occurs more than once")
    return None


def _unquote(text: str) -> str:
    """Quoted stretches without their quotes and escapes; the rest as it is."""
    if '"' not in text:
        return text
    plain: list[str] = []
    quoted = False
    chars = iter(text)
    for char in chars:
        if char == '"':
            quoted = not quoted
        elif quoted and char == "\\":
            escaped = next(chars, None)
            if escaped is None:
                break
            plain.append(escaped)
        else:
            plain.append(char)
    if quoted:
        raise ValueError("a double quote in the header value is never closed")
    return "".join(plain)


def _decode_one(match: re.Match[bytes]) -> bytes:
    if match.group(1) is None:
        raise ValueError("a percent sign in the header value is not followed by two hexadecimal digits")
    return bytes([int(match.group(1), 16)])
