"""About whom an exchange is: every BSN that stands in what came in or goes out, whether a mapping reads it or not.

A person who asks what is known must get the message that waits for a mapping as well.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

from lxml import etree

from bridge.ebms.xml import PAYLOAD_LIMITS, parse_xml
from bridge.errors import PeerError
from bridge.hub.bsn import find_bsns, is_bsn

MOST = 1000
"""So many persons of one message can be found; one with more is no report about a child."""


def persons_in_xml(payload: bytes | None) -> frozenset[str]:
    """The BSNs in texts and attributes of a payload; of one that is no readable XML those in its octets."""
    if payload is None:
        return frozenset()
    try:
        root = parse_xml(payload, limits=PAYLOAD_LIMITS)
    except PeerError:
        return persons_in_text(payload.decode(errors="replace"))
    return frozenset(islice(_in_tree(root), MOST))


def persons_in_text(text: str) -> frozenset[str]:
    """The BSNs in what is no XML."""
    return frozenset(islice(find_bsns(text), MOST))


def _in_tree(root: etree._Element) -> Iterator[str]:
    texts, short = [str(text) for text in root.itertext()], list[str]()
    for element in root.iter("{*}*"):
        texts += map(str, element.attrib.values())
        text = element.text or ""
        # A system that keeps numbers as numbers leaves the zero at the beginning out.
        if len(text) == 8 and "bsn" in etree.QName(element).localname.lower() and is_bsn(f"0{text}"):
            short.append(f"0{text}")
    # Each value on a line of its own, so that digits of two never meet.
    yield from find_bsns("\n".join(texts))
    yield from short
