"""Seeing what is masked: who may, why, for how long and how often; and how often people are searched for.

A grant belongs to one session, one message or event and one place in it, and lasts a minute. Asking is a line of
audit with its reason, in the transaction of the grant, and so is being refused for asking too often.
"""

import re
from collections.abc import Container, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection, select

from bridge.flow.mend_model import Actor
from bridge.hub.bsn import is_bsn
from bridge.ids import Key
from bridge.mapping.masking import EVERYTHING
from bridge.store import tables
from bridge.store.audit import count_audit
from bridge.store.keys import KeyMaker
from bridge.store.persons import find_by_person
from bridge.store.reveals import add_reveal, reveals_of
from bridge.store.rows import Exchange, Reveal
from bridge.web.console.accounts import audit

LASTS = timedelta(seconds=60)
HOUR = timedelta(hours=1)
MOST_REVEALS = 20
"""In an hour, by one person: fields, whole parts and downloads of evidence together."""
MOST_SEARCHES = 30
"""In an hour, by one person: searches by BSN."""

REVEALED, REVEAL_REFUSED, EXPORTED = "content.revealed", "content.reveal_refused", "evidence.exported"
SEARCHED, SEARCH_REFUSED = "person.searched", "person.search_refused"

_ASKED = re.compile(r"(payload/\d{1,4}|body|told)/(all|\d{1,4})", re.ASCII)
_keys = KeyMaker()


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What of a message or event somebody asks to see. `line` None: all of this place."""

    place: str
    line: int | None


def read_asked(text: str) -> Asked | None:
    """As the form of the page writes it; None for anything else."""
    found = _ASKED.fullmatch(text)
    return Asked(place=found[1], line=None if found[2] == "all" else int(found[2])) if found else None


def grant(
    tx: Connection,
    *,
    who: str,
    role: str,
    session: str,
    target: Key,
    asked: Asked,
    reason: str,
    now: datetime,
) -> bool:
    """Let this session see it for a minute. False when this person asked too often."""
    if not may_reveal(tx, who=who, now=now):
        audit(tx, who=who, role=role, action=REVEAL_REFUSED, target=target, reason=reason, at=now)
        return False
    until = now + LASTS
    reveal = Reveal(
        key=_keys(now), session=session, target=target, place=asked.place, line=asked.line, until=until
    )
    add_reveal(tx, reveal, now=now)
    line = "all" if asked.line is None else str(asked.line)
    audit(
        tx,
        who=who,
        role=role,
        action=REVEALED,
        target=target,
        reason=reason,
        at=now,
        place=asked.place,
        line=line,
    )
    return True


def may_reveal(tx: Connection, *, who: str, now: datetime) -> bool:
    """Whether this person may see or export something that is masked once more."""
    return _may_again(tx, who, (REVEALED, EXPORTED), MOST_REVEALS, now)


def may_search(tx: Connection, *, who: str, now: datetime) -> bool:
    """Whether this person may search by BSN once more."""
    return _may_again(tx, who, (SEARCHED,), MOST_SEARCHES, now)


def _may_again(tx: Connection, who: str, actions: tuple[str, ...], most: int, now: datetime) -> bool:
    """Less than `most` times in the last hour. Two requests of one account at once take turns."""
    tx.execute(select(tables.account.c.key).where(tables.account.c.name == who).with_for_update())
    return count_audit(tx, who=who, actions=actions, since=now - HOUR) < most


def search_person(
    tx: Connection,
    person_key: bytes,
    bsn: str,
    *,
    by: Actor,
    reason: str,
    now: datetime,
    before: Key | None = None,
    limit: int,
) -> tuple[Exchange, ...] | None:
    """The exchanges about one person, newest first. None when this person searched too often. Both are audited."""
    if not may_search(tx, who=by.name, now=now):
        audit(tx, who=by.name, role=by.role, way=by.way, action=SEARCH_REFUSED, reason=reason, at=now)
        return None
    found = find_by_person(tx, person_key, bsn, before=before, limit=limit)
    audit(
        tx,
        who=by.name,
        role=by.role,
        way=by.way,
        action=SEARCHED,
        reason=reason,
        at=now,
        found=str(len(found)),
    )
    return found


def read_bsn(text: str) -> str | None:
    """A BSN as people type it, with dots or spaces or without its leading zero; None when it is none."""
    typed = "".join(c for c in text if c not in " .-\n\r")
    bsn = typed.zfill(9) if len(typed) == 8 else typed
    return bsn if is_bsn(bsn) else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Granted:
    """What a session may see now of one message or event; `until` None: nothing."""

    shown: Mapping[str, Container[int]]
    until: datetime | None


def granted(tx: Connection, session: str, target: Key, *, now: datetime) -> Granted:
    """What was granted to this session and has not ended."""
    lines: dict[str, set[int]] = {}
    whole: set[str] = set()
    found = reveals_of(tx, session, target, now=now)
    for reveal in found:
        if reveal.line is None:
            whole.add(reveal.place)
        else:
            lines.setdefault(reveal.place, set()).add(reveal.line)
    shown: dict[str, Container[int]] = {**lines, **dict.fromkeys(whole, EVERYTHING)}
    # The first that ends: nothing is seen longer than a minute after it was asked for.
    return Granted(shown=shown, until=min((reveal.until for reveal in found), default=None))
