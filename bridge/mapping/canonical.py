"""A message, or a part of one, in its canonical form: how it was written down makes no difference."""

from __future__ import annotations

import hashlib

from lxml import etree


def canonical(element: etree._Element, *, comments: bool = True) -> bytes | None:
    """Canonical XML; None where a namespace is no absolute URI, for which the standard has no form."""
    try:
        octets: bytes = etree.tostring(element, method="c14n", with_tail=False, with_comments=comments)
    except etree.C14NError:
        return None
    return octets


def content_digest(root: etree._Element) -> str:
    """Of the canonical form, or of the message as it is where there is none.

    A repeat that is written in the same way is then known all the same; one that is not counts as other content.
    """
    octets = canonical(root, comments=False)
    if octets is None:
        octets = etree.tostring(root, encoding="utf-8")
    return hashlib.sha256(octets).hexdigest()
