"""Looking into a CPA document: elements, attributes and references, with every fault noted in words."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from typing import TypeVar

from lxml import etree

from bridge.ebms.cpa_model import NamedCertificate
from bridge.ebms.durations import parse_duration
from bridge.ebms.xml import CPA, is_element, text_of

_Choice = TypeVar("_Choice", bound=StrEnum)
_Value = TypeVar("_Value")

MAX_FAULTS = 200
"""A document that is wrong in more places is not a CPA; the rest is not listed."""


@dataclass(slots=True, kw_only=True)
class Document:
    """What reading has gathered so far: the certificates by id, and the faults."""

    certificates: dict[str, NamedCertificate | None] = field(default_factory=dict)
    """None: a tns:Certificate that holds no X.509 certificate that can be read."""
    faults: list[str] = field(default_factory=list)

    def fault(self, text: str) -> None:
        if len(self.faults) < MAX_FAULTS and text not in self.faults:
            self.faults.append(text)

    def attempt(self, parse: Callable[[str], _Value], text: str, where: str) -> _Value | None:
        """`parse(text)`, or None with a fault that says where it stands."""
        try:
            return parse(text)
        except ValueError as error:
            self.fault(f"{where}: {shown(text)} is {error}")
            return None

    def choice(self, kind: type[_Choice], text: str | None, default: _Choice, where: str) -> _Choice:
        """A value of an enumeration; absent gives the default, unknown a fault."""
        if text is None:
            return default
        try:
            return kind(text)
        except ValueError:
            self.fault(f"{where}: {shown(text)} is none of {', '.join(kind)}")
            return default

    def duration(self, element: etree._Element | None, where: str) -> timedelta | None:
        return None if element is None else self.attempt(parse_duration, text_of(element), where)

    def certificate(self, parent: etree._Element | None, name: str, where: str) -> NamedCertificate | None:
        """The certificate to which the child element `name` refers; a reference into the void is a fault."""
        reference = None if parent is None else child(parent, name)
        if reference is None:
            return None
        cert_id = attribute(reference, "certId") or ""
        if cert_id not in self.certificates:
            self.fault(
                f"{where}: {name} refers to certificate {shown(cert_id)}, which the agreement does not hold"
            )
            return None
        found = self.certificates[cert_id]
        if found is None:
            self.fault(f"{where}: certificate {shown(cert_id)} holds no X.509 certificate that can be read")
        return found


def children(parent: etree._Element, name: str) -> Iterator[etree._Element]:
    """The child elements of that name in the CPA namespace."""
    tag = f"{{{CPA}}}{name}"
    return (element for element in parent if is_element(element) and element.tag == tag)


def child(parent: etree._Element, name: str) -> etree._Element | None:
    """The first child element of that name."""
    return next(children(parent, name), None)


def attribute(element: etree._Element, name: str) -> str | None:
    """An attribute, qualified as the schema says or bare as some editors write it; blank counts as absent."""
    value = element.get(f"{{{CPA}}}{name}", element.get(name))
    return (value.strip() if value else None) or None


def child_text(parent: etree._Element, name: str) -> str:
    """The text of the first child of that name; empty when there is none."""
    found = child(parent, name)
    return "" if found is None else text_of(found)


def shown(text: str) -> str:
    """A value of the document for a message: quoted, cut, on one line."""
    flat = " ".join(text.split())
    return f"'{flat[:80]}{'…' if len(flat) > 80 else ''}'"
