"""Numbers of the legacy side in the subject of an event, and back (hub-checklist SOH-22 and SOH-25).

The hub takes `prefix/<id>`: no slash, blank or control character in the id. A number may hold any of these. They are
written as in a URL, so that no message has to wait for its number, and no two numbers become one.
"""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import quote, unquote

from bridge.mapping.functions.base import text_of

_REFUSED = re.compile(r"[%/?#\s\x00-\x20\x7f-\xa0\ufdd0-\ufdef\ufffe\uffff]")


def subject_part(value: Any) -> str:
    """A value as a part of a subject: what may not stand there is written as `%2F` and the like."""
    return _REFUSED.sub(lambda found: quote(found[0], safe=""), text_of(value))


def key_of(subject: str) -> str | None:
    """What stands after the first slash, as the number was; None when nothing does."""
    part = subject.partition("/")[2]
    try:
        return unquote(part, errors="strict") or None
    except UnicodeDecodeError:
        return part
