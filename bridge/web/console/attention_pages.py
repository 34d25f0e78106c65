"""Attention: everything that needs a person by cause, taking a cause up, and mending many with a plan first."""

from http import HTTPStatus

from aiohttp import web

from bridge.flow.causes import list_causes
from bridge.flow.mend import CannotMend
from bridge.flow.runs import MOST_AT_ONCE, plan_run, put_down, start_run, stop_run, take_up
from bridge.ids import Key
from bridge.store.exchanges import exchanges_by_keys
from bridge.store.rows import ItemOutcome, MendRun, NoSuchRow, RunState, RunWhat
from bridge.store.runs import count_items, get_run, items_of, list_runs
from bridge.web.console.attention import cause_views, condition_views
from bridge.web.console.examples import examples_of
from bridge.web.console.filters import read_key
from bridge.web.console.hindrance import hindrance_of
from bridge.web.console.mend_words import in_words
from bridge.web.console.now_pages import actor_of
from bridge.web.console.offers import is_mended
from bridge.web.console.render import lens_of, page, words_of
from bridge.web.console.rights import Right
from bridge.web.console.session_pages import field
from bridge.web.console.state import BRIDGE, STORE
from bridge.web.console.views import Lens, line_of
from bridge.web.console.visitor import visitor_of
from bridge.web.console.waiting import conditions_of

MOST_CAUSES = 50
LIST = 100
MOST_FAILED = 200
RUNS = 20


async def show_attention(request: web.Request) -> web.Response:
    bridge, lens, store = request.app[BRIDGE], lens_of(request), request.app[STORE]
    causes = await store.read(list_causes)
    views = await store.read(lambda tx: cause_views(tx, causes[:MOST_CAUSES], lens))
    examples = await store.read(lambda tx: examples_of(tx, causes[:MOST_CAUSES]))
    held = await conditions_of(request)
    conditions = await store.read(lambda tx: condition_views(tx, held, bridge, lens))
    runs = await store.read(lambda tx: [(run, count_items(tx, run.key)) for run in list_runs(tx, limit=RUNS)])
    return page(
        request,
        "attention.html",
        page="attention",
        causes=views,
        examples=examples,
        hidden=max(0, len(causes) - MOST_CAUSES),
        more=any(cause.more for cause in causes),
        waiting=sum(cause.count for cause in causes),
        urgent=[one for one in conditions if one.urgent],
        conditions=[one for one in conditions if not one.urgent],
        runs=[{"run": run, "at": lens.moment(run.at), "counts": counts} for run, counts in runs],
    )


async def show_cause(request: web.Request) -> web.Response:
    return await _cause_page(request, problem="")


async def take_cause(request: web.Request) -> web.Response:
    return await _own(request, take=True)


async def drop_cause(request: web.Request) -> web.Response:
    return await _own(request, take=False)


async def _own(request: web.Request, *, take: bool) -> web.Response:
    bridge, cause, note = request.app[BRIDGE], request.match_info["cause"], await field(request, "reason")
    do = take_up if take else put_down
    try:
        await do(bridge, cause, by=actor_of(request), note=note)
    except CannotMend as error:
        return await _cause_page(request, problem=in_words(str(error), words_of(request)))
    raise web.HTTPSeeOther(f"/attention/{cause}#owner-title")


async def show_plan(request: web.Request) -> web.Response:
    """What a run would do, tried out on the first of them; nothing is changed."""
    return await _plan_page(request, request.query.get("limit", "10"), problem="")


async def start(request: web.Request) -> web.Response:
    """Begin a run, and show how far it is."""
    what, limit = _what(request), await field(request, "limit")
    if _number(limit) is None:
        return await _plan_page(request, "10", problem=words_of(request)("mend.bad_limit", n=MOST_AT_ONCE))
    try:
        run = await start_run(
            request.app[BRIDGE],
            request.match_info["cause"],
            what,
            limit=_number(limit) or 1,
            by=actor_of(request),
            reason=await field(request, "reason"),
        )
    except CannotMend as error:
        return await _plan_page(request, limit, problem=in_words(str(error), words_of(request)))
    raise web.HTTPSeeOther(f"/runs/{run.key}")


async def show_run(request: web.Request) -> web.Response:
    return await _run_page(request, problem="")


async def stop(request: web.Request) -> web.Response:
    run = await _run(request)
    try:
        await stop_run(
            request.app[BRIDGE], run.key, by=actor_of(request), reason=await field(request, "reason")
        )
    except CannotMend as error:
        return await _run_page(request, problem=in_words(str(error), words_of(request)))
    raise web.HTTPSeeOther(f"/runs/{run.key}")


async def _cause_page(request: web.Request, *, problem: str) -> web.Response:
    lens, id, store = lens_of(request), request.match_info["cause"], request.app[STORE]
    found = [cause for cause in await store.read(list_causes) if cause.id == id]
    if not found:
        return page(request, "cause.html", page="attention", id=id, cause=None, lines=[], problem=problem)
    (view,), exchanges = await store.read(
        lambda tx: (cause_views(tx, found, lens), exchanges_by_keys(tx, found[0].keys[:LIST]))
    )
    hindrance = await hindrance_of(request, found[0].keys[0])
    return page(
        request,
        "cause.html",
        status=HTTPStatus.BAD_REQUEST if problem else HTTPStatus.OK,
        page="attention",
        id=id,
        cause=view,
        lines=[line_of(exchange, lens) for exchange in exchanges],
        problem=problem,
        most=min(MOST_AT_ONCE, view.count),
        ways=_ways(request, view.key),
        hindrance=hindrance,
    )


def _ways(request: web.Request, reason: str) -> list[RunWhat]:
    """What can be planned, the advised one first; who only looks what a replay would do is not offered settling."""
    if not visitor_of(request).may(Right.MEND):
        return [RunWhat.MEND]
    return [RunWhat.MEND, RunWhat.SETTLE] if is_mended(reason) else [RunWhat.SETTLE, RunWhat.MEND]


async def _name(request: web.Request, cause: str) -> str:
    """What a cause is called, while it is there."""
    lens, store = lens_of(request), request.app[STORE]
    found = [one for one in await store.read(list_causes) if one.id == cause]
    if not found:
        return lens.words("cause.title")
    (view,) = await store.read(lambda tx: cause_views(tx, found, lens))
    return lens.words(f"reason.{view.key}")


async def _plan_page(request: web.Request, limit: str, *, problem: str) -> web.Response:
    what, cause, number = _what(request), request.match_info["cause"], _number(limit)
    if number is None:
        raise web.HTTPBadRequest
    plan = await plan_run(request.app[BRIDGE], cause, what, limit=number, by=actor_of(request))
    return page(
        request,
        "plan.html",
        status=HTTPStatus.BAD_REQUEST if problem else HTTPStatus.OK,
        page="attention",
        what=what,
        cause=cause,
        name=await _name(request, cause),
        limit=number,
        plan=plan,
        possible=len(plan.impossible) < plan.looked_at,
        problem=problem,
    )


async def _run_page(request: web.Request, *, problem: str) -> web.Response:
    lens, run, store = lens_of(request), await _run(request), request.app[STORE]
    counts, failed = await store.read(
        lambda tx: (
            count_items(tx, run.key),
            items_of(tx, run.key, ItemOutcome.FAILED, limit=MOST_FAILED),
        )
    )
    return page(
        request,
        "run.html",
        status=HTTPStatus.BAD_REQUEST if problem else HTTPStatus.OK,
        page="attention",
        run=run,
        name=await _name(request, run.cause),
        running=run.state is RunState.RUNNING,
        at=lens.moment(run.at),
        ended=_ended(run, lens),
        counts={str(outcome): count for outcome, count in counts.items()},
        total=sum(counts.values()),
        failed=failed,
        problem=problem,
    )


def _ended(run: MendRun, lens: Lens) -> object:
    return lens.moment(run.ended_at) if run.ended_at else None


async def _run(request: web.Request) -> MendRun:
    key: Key | None = read_key(request.match_info["key"])
    if key is None:
        raise web.HTTPNotFound
    try:
        return await request.app[STORE].read(lambda tx: get_run(tx, key))
    except NoSuchRow:
        raise web.HTTPNotFound from None


def _what(request: web.Request) -> RunWhat:
    try:
        return RunWhat(request.match_info["what"])
    except ValueError:
        raise web.HTTPNotFound from None


def _number(text: str) -> int | None:
    """How many at most, when that can be."""
    if text.isascii() and text.isdecimal() and len(text) < 5 and 0 < int(text) <= MOST_AT_ONCE:
        return int(text)
    return None
