"""Finding burgerservicenummers where they may not stand, and masking them wherever text is shown."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote

if TYPE_CHECKING:
    from bridge.hub.json import Json

MASK: Final = "*********"
_MAX_WHERE: Final = 200

_CANDIDATE = re.compile(r"(?<!\d)(?:\d{9}|\d{4}[. ]\d{2}[. ]\d{3}|\d{3}[. ]\d{3}[. ]\d{3})(?!\d)", re.ASCII)
# Technical ids are full of digits that mean nothing: UUIDs, and long hexadecimal texts such as trace ids.
_TECHNICAL = re.compile(
    r"(?<![0-9a-zA-Z])(?:[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}"
    r"|(?=\d*[a-fA-F])[0-9a-fA-F]{16,})(?![0-9a-zA-Z])"
)
_TIMESTAMP = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d\.\d+", re.ASCII)


def is_bsn(text: str) -> bool:
    """Nine digits, not all zero, that pass the eleven-test."""
    if len(text) != 9 or not (text.isascii() and text.isdigit()) or text == "000000000":
        return False
    weighed = sum(
        int(digit) * weight for digit, weight in zip(text, (9, 8, 7, 6, 5, 4, 3, 2, -1), strict=True)
    )
    return weighed % 11 == 0


def holds_bsn(text: str) -> bool:
    """Whether a BSN stands in the text, as it is or percent-encoded."""
    return _find(text) or ("%" in text and _find(unquote(text)))


def find_bsns(text: str) -> Iterator[str]:
    """Every BSN in the text, as nine digits, as often as it stands there; digits of technical ids are none."""
    bare = _TIMESTAMP.sub("T", _TECHNICAL.sub("-", text))
    return (bsn for match in _CANDIDATE.finditer(bare) if is_bsn(bsn := _digits(match.group())))


def mask_bsn(text: str) -> str:
    """The text with every BSN in it replaced by stars."""
    return _CANDIDATE.sub(lambda match: MASK if is_bsn(_digits(match.group())) else match.group(), text)


def mask_bsn_beside_ids(text: str) -> str:
    """As `mask_bsn`, for what people and programs go on with: technical ids and digests stay whole."""
    shown, at = [], 0
    for id in _TECHNICAL.finditer(text):
        shown += [mask_bsn(text[at : id.start()]), id.group()]
        at = id.end()
    return "".join((*shown, mask_bsn(text[at:])))


def mask_bsn_in(value: Json) -> Json:
    """The JSON value with every BSN in it masked, in strings, numbers and member names."""
    if isinstance(value, str):
        return mask_bsn(value)
    if isinstance(value, int) and not isinstance(value, bool):
        return MASK if is_bsn(str(value)) else value
    if isinstance(value, list):
        return [mask_bsn_in(item) for item in value]
    if isinstance(value, Mapping):
        return {mask_bsn(name): mask_bsn_in(item) for name, item in value.items()}
    return value


def safe_where(where: str) -> str:
    """A pointer that may be shown: what a peer names its members may be long, or be a BSN."""
    shown = mask_bsn(where)
    return shown if len(shown) <= _MAX_WHERE else f"{shown[:_MAX_WHERE]}…"


def _find(text: str) -> bool:
    return any(True for _ in find_bsns(text))


def _digits(text: str) -> str:
    return text.replace(".", "").replace(" ", "")
