"""What came back over HTTP, read leniently: JSON bodies, Retry-After, problem details.

Texts taken from a peer's answer are cut, cleaned of control characters, and every BSN in them is masked.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Final

from bridge.errors import EventRejected
from bridge.hub.bsn import mask_bsn, mask_bsn_in
from bridge.hub.json import Json, Parsed, parse_json
from bridge.told import is_plain, masked, shown

MAX_TEXT: Final = 500
MAX_DETAILS: Final = 50
MAX_RETRY_AFTER: Final = timedelta(days=1)
MAX_ANSWER: Final = 8 * 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """An HTTP answer, redirects not followed. `headers` in wire order, names in any case."""

    status: int
    headers: Sequence[tuple[str, str]] = ()
    body: bytes = field(default=b"", repr=False)

    def header(self, name: str) -> str | None:
        """The first header of that name."""
        wanted = name.lower()
        return next((value for key, value in self.headers if key.lower() == wanted), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class NoAnswer:
    """No HTTP answer came, or not a whole one. Whether the peer got the request is not known."""

    reason: str
    for_good: bool = False
    """Asking again would give no other: what came is too large."""


def find_object(answer: Answer) -> Mapping[str, Json] | None:
    """The JSON object in the body; None when the body is anything else, or breaks a rule of strict JSON."""
    parsed = find_parsed(answer)
    if parsed is None or parsed.faults or not isinstance(parsed.value, dict):
        return None
    return parsed.value


def find_parsed(answer: Answer) -> Parsed | None:
    """The JSON value in the body with its faults; None when the body is no JSON."""
    try:
        return parse_json(answer.body, max_octets=MAX_ANSWER)
    except EventRejected:
        return None


def find_text(members: Mapping[str, Json], names: Sequence[str]) -> str | None:
    """The first of the named members that is a non-empty string."""
    for name in names:
        value = members.get(name)
        if isinstance(value, str) and value:
            return value
    return None


def retry_after(answer: Answer, *, now: datetime) -> timedelta | None:
    """How long the peer asks to wait, as seconds or as a date (RFC 9110, section 10.2.3); at most a day."""
    text = (answer.header("Retry-After") or "").strip()
    if not text:
        return None
    if text.isascii() and text.isdigit():
        return min(timedelta(seconds=int(text[:9])), MAX_RETRY_AFTER)
    try:
        moment = parsedate_to_datetime(text)
    except (TypeError, ValueError):
        return None
    # By the peer's own clock, when it tells that: ours may differ from it.
    return max(timedelta(0), min(_aware(moment) - (_date(answer) or now), MAX_RETRY_AFTER))


def _date(answer: Answer) -> datetime | None:
    """The moment of the answer by the peer's clock (RFC 9110, section 6.6.1)."""
    try:
        return _aware(parsedate_to_datetime((answer.header("Date") or "").strip()))
    except (TypeError, ValueError):
        return None


def _aware(moment: datetime) -> datetime:
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)


def clean(text: str) -> str:
    """A peer's text as it may be shown and logged."""
    printable = "".join(char if char.isprintable() else " " for char in text[: 2 * MAX_TEXT])
    return mask_bsn(printable)[:MAX_TEXT]


def clean_value(value: Json) -> Json:
    """A peer's JSON value with every BSN in it masked."""
    return mask_bsn_in(value)


def problem_texts(answer: Answer) -> tuple[str, ...]:
    """What a refusal says: problem details (RFC 9457), or the status object of the withdrawn draft."""
    members = find_object(answer)
    if members is None:
        return ()
    texts = [text for name in ("title", "detail", "fout", "message") if (text := find_text(members, (name,)))]
    result = members.get("resultaat")
    if isinstance(result, dict):
        texts += [text for name in ("fout",) if (text := find_text(result, (name,)))]
        info = result.get("info")
        if isinstance(info, dict):
            texts += _listed(info.get("validatiefouten"))
    texts += _listed(members.get("errors")) + _listed(members.get("validatiefouten"))
    return tuple(clean(text) for text in texts[:MAX_DETAILS])


def status_told(answer: Answer) -> str:
    """The status, with what everybody may read of the first text of a refusal."""
    return _status(answer, shown)


def status_masked(answer: Answer) -> str:
    """As `status_told`, word by word: for questions in which nothing about a person was asked."""
    return _status(answer, masked)


def _status(answer: Answer, readable: Callable[[str], str]) -> str:
    texts = problem_texts(answer)
    return f"status {answer.status}: {readable(texts[0])}" if texts else f"status {answer.status}"


def told_by(answer: Answer) -> str:
    """What a refusal says in words of its own that is content; empty when everybody may read all of it."""
    texts = problem_texts(answer)
    return "" if len(texts) < 2 and all(map(is_plain, texts)) else "; ".join(texts)


def _listed(value: Json) -> list[str]:
    """One text per item of a list of texts or of objects with a text in them."""
    if not isinstance(value, list):
        return []
    texts: list[str] = []
    for item in value[:MAX_DETAILS]:
        if isinstance(item, str):
            texts.append(item)
        elif isinstance(item, dict):
            parts = (item.get(name) for name in ("rule", "pointer", "veld", "detail", "reden", "melding"))
            texts.append(" ".join(part for part in parts if isinstance(part, str)))
    return [text for text in texts if text]
