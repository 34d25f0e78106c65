"""Lines of the audit log as the page tells them: what it was about as a link, and what exactly was seen or found."""

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import quote

from sqlalchemy import Connection

from bridge.store.events import get_event
from bridge.store.messages import get_message
from bridge.store.rows import Audit, NoSuchRow
from bridge.web.console.filters import read_key
from bridge.web.console.text import Catalogue
from bridge.web.console.views import Lens, Moment

_OPENED = frozenset({"content", "evidence"})
"""About a message or an event; the line does not say which."""
_PAGES: Mapping[str, str] = {
    "exchange": "/exchanges/",
    "message": "/messages/",
    "event": "/events/",
    "run": "/runs/",
}
"""The beginning of an action → the page of what it was done to, where that has a key."""
_NAMED: Mapping[str, str] = {"agreement": "/agreements/", "cause": "/attention/", "partner": "/partners#p-"}
"""The same for what has a name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditView:
    line: Audit
    at: Moment
    href: str
    """The page of what it was about; empty when there is none."""
    said: str
    """Which place was seen, or how many were found."""


def audit_view(tx: Connection, line: Audit, lens: Lens) -> AuditView:
    return AuditView(line=line, at=lens.moment(line.at), href=_href(tx, line), said=_said(line, lens.words))


def _said(line: Audit, words: Catalogue) -> str:
    detail = line.detail
    if "line" in detail:
        shown = words("audit.whole") if detail["line"] == "all" else words("audit.line", line=detail["line"])
        return f"{_place(detail.get('place', ''), words)} {shown}".strip()
    if "found" in detail and detail["found"].isdecimal():
        return words("audit.found", n=int(detail["found"]))
    return ""


def _place(place: str, words: Catalogue) -> str:
    """As its page names it: a payload by its number, the body of an event, or what the other side said."""
    kind, _, number = place.partition("/")
    if kind == "payload" and number.isdecimal():
        return words("audit.part", number=int(number) + 1)
    return words.find(f"audit.place.{kind}") or place


def _href(tx: Connection, line: Audit) -> str:
    what, target = line.action.partition(".")[0], line.target or ""
    if not target:
        return ""
    if what in _NAMED:
        return _NAMED[what] + quote(target, safe="")
    key = read_key(target)
    if key is None:
        return ""
    if what not in _OPENED:
        return _PAGES[what] + key if what in _PAGES else ""
    for find, page in ((get_message, "/messages/"), (get_event, "/events/")):
        try:
            find(tx, key)
        except NoSuchRow:
            continue
        return page + key
    return ""
