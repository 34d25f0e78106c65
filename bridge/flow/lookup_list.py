"""Which resources of a kind an organisation may know of: a page of level 0 views.

Every resource that might stand on the page is put before the decision point and that is written down, allowed or not,
before the page goes out. Level 0 says nothing about persons or content, so a page is no lookup of what stands on it:
it is not told to the hub. How many there are is not told either, for that would count what may not be known.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, TypeAlias

from sqlalchemy.engine import Connection

from bridge.flow.bridge import Bridge
from bridge.flow.lookup import Asked, Decide, Refused, Undecided, Wanted, access_row, function_of, question_of
from bridge.hub.identity import agent_id
from bridge.ids import Key, Oin
from bridge.inzage.access import Requester, Verdict, scope_level
from bridge.inzage.authzen import NoDecision
from bridge.inzage.record import Trace
from bridge.inzage.view import Stored, make_view, read_stored
from bridge.store.access import add_access, add_processing, list_heads
from bridge.store.resources import find_resource
from bridge.store.rows import Access, Processing, ResourceHead

MOST_EXAMINED: Final = 200
"""So many resources are put before the decision point for one page; a page that ends there may be short."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WantedPage:
    """Which page, for whom. `after` is the key where the former page ended."""

    type: str
    requester: Requester
    trace: Trace
    size: int
    after: Key | None = None
    since: datetime | None = None
    until: datetime | None = None
    owner: Oin | None = None
    as_of: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """What may be known. `ended` is the key where the next page starts; None: there is no more."""

    views: tuple[dict[str, Any], ...] = field(repr=False)
    ended: Key | None


PageOutcome: TypeAlias = Page | Refused | Undecided


async def list_page(bridge: Bridge, wanted: WantedPage, *, ask: Decide) -> PageOutcome:
    """Decide per resource, write down, answer. Raises StoreUnavailable, and then nothing is shown."""
    function = function_of(bridge, wanted.type)
    if (
        scope_level(wanted.requester.scopes, function=function, names=bridge.settings.inzage.scope_names)
        is None
    ):
        return Refused(by_scope=True)
    heads = await bridge.store.read(lambda tx: _heads(tx, wanted))
    rows: list[Access] = []
    shown: list[ResourceHead] = []
    last, verdict, undecided = None, None, False
    for head in heads[:MOST_EXAMINED]:
        row, verdict = await _ask(bridge, wanted, head, function, ask)
        rows.append(row)
        undecided = verdict is None
        if undecided:
            break
        last = head
        if verdict is not None and verdict.allowed:
            shown.append(head)
        if len(shown) == wanted.size:
            break
    views = await bridge.store.write(lambda tx: _write_down(tx, bridge, wanted, rows, shown, function))
    if undecided:
        return Undecided()
    if not shown and verdict is not None and verdict.lacks_purpose:
        return Refused(lacks_purpose=True)
    return Page(views=views, ended=last.key if last is not None and last is not heads[-1] else None)


def _heads(tx: Connection, wanted: WantedPage) -> tuple[ResourceHead, ...]:
    return list_heads(
        tx,
        wanted.type,
        owner=wanted.owner,
        since=wanted.since,
        until=wanted.until,
        as_of=wanted.as_of,
        before=wanted.after,
        limit=MOST_EXAMINED + 1,
    )


async def _ask(
    bridge: Bridge, wanted: WantedPage, head: ResourceHead, function: str | None, ask: Decide
) -> tuple[Access, Verdict | None]:
    one = Wanted(
        type=wanted.type,
        id=head.id,
        level=0,
        as_of=wanted.as_of,
        requester=wanted.requester,
        trace=wanted.trace,
    )
    question = question_of(one, head.owner, 0, function)
    try:
        verdict = await ask(question, wanted.trace)
    except NoDecision as error:
        asked = Asked(question=question, verdict=None, reason=str(error))
        return access_row(bridge, one, asked, bridge.now()), None
    return access_row(bridge, one, Asked(question=question, verdict=verdict), bridge.now()), verdict


def _write_down(
    tx: Connection,
    bridge: Bridge,
    wanted: WantedPage,
    rows: list[Access],
    shown: list[ResourceHead],
    function: str | None,
) -> tuple[dict[str, Any], ...]:
    """The decisions, one line of the processing log for the page, and the views of what is still there."""
    for row in rows:
        add_access(tx, row)
    if rows:
        add_processing(tx, _processing(bridge, wanted))
    views = (_view(tx, bridge, wanted, head, function) for head in shown)
    return tuple(view for view in views if view is not None)


def _view(
    tx: Connection, bridge: Bridge, wanted: WantedPage, head: ResourceHead, function: str | None
) -> dict[str, Any] | None:
    resource = find_resource(tx, wanted.type, head.id, at=wanted.as_of)
    if resource is None or resource.owner != head.owner:
        return None
    body, levels = read_stored(resource.body)
    stored = Stored(
        type=resource.type,
        id=resource.id,
        version=resource.version,
        owner=resource.owner,
        function=function,
        at=resource.at,
        body=body,
        levels=levels,
    )
    base = bridge.settings.inzage.base_url.rstrip("/")
    return make_view(stored, level=0) | {"inzageUrl": f"{base}/{resource.type}/{resource.id}"}


def _processing(bridge: Bridge, wanted: WantedPage) -> Processing:
    now = bridge.now()
    return Processing(
        key=bridge.new_key(),
        trace_id=wanted.trace.trace_id,
        span_id=bridge.random(8).hex(),
        parent_id=wanted.trace.span_id,
        status="Ok",
        name="inzage-lijst",
        start_time=now,
        end_time=now,
        activity_id=bridge.settings.inzage.activity_url,
        subject_id=None,
        subject_id_type=None,
        processor=agent_id(wanted.requester.oin),
    )
