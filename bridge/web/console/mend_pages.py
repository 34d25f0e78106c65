"""One action on one thing: first what it would do, then with a reason doing it."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus

from aiohttp import web
from sqlalchemy import Connection

from bridge.flow import mend
from bridge.flow.bridge import Bridge
from bridge.flow.exchange import POST_ANSWER
from bridge.flow.mend import Actor, CannotMend, ChangedMeanwhile, Effect, Mended
from bridge.flow.refuse import refuse
from bridge.ids import Key
from bridge.store.events import get_event
from bridge.store.jobs import get_job
from bridge.store.messages import get_message
from bridge.store.rows import NoSuchRow
from bridge.store.timeline import steps_of
from bridge.web.console.filters import read_job_key, read_key
from bridge.web.console.mend_words import in_words
from bridge.web.console.now_pages import actor_of
from bridge.web.console.render import page, words_of
from bridge.web.console.session_pages import field
from bridge.web.console.state import BRIDGE, STORE

EXCHANGES = "/exchanges/"

Do = Callable[[Bridge, Key, bool, Actor, str], Awaitable[Mended]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Action:
    """`about` is message, event, exchange or job: what the key in the address is the key of."""

    about: str
    do: Do


ACTIONS: Mapping[str, Action] = {
    "replay": Action(
        about="message", do=lambda b, k, dry, by, why: mend.replay(b, k, dry_run=dry, by=by, reason=why)
    ),
    "replay-again": Action(
        about="message",
        do=lambda b, k, dry, by, why: mend.replay(b, k, dry_run=dry, by=by, reason=why, offer_again=True),
    ),
    "resend": Action(
        about="message", do=lambda b, k, dry, by, why: mend.resend(b, k, dry_run=dry, by=by, reason=why)
    ),
    "resend-same": Action(
        about="message",
        do=lambda b, k, dry, by, why: mend.resend(b, k, same=True, dry_run=dry, by=by, reason=why),
    ),
    "retry": Action(
        about="event", do=lambda b, k, dry, by, why: mend.retry_event(b, k, dry_run=dry, by=by, reason=why)
    ),
    "release": Action(
        about="event", do=lambda b, k, dry, by, why: mend.release(b, k, dry_run=dry, by=by, reason=why)
    ),
    "resolve": Action(
        about="exchange", do=lambda b, k, dry, by, why: mend.resolve(b, k, note=why, dry_run=dry, by=by)
    ),
    "refuse": Action(
        about="exchange", do=lambda b, k, dry, by, why: refuse(b, k, note=why, dry_run=dry, by=by)
    ),
    "hurry": Action(
        about="job", do=lambda b, k, dry, by, why: mend.hurry(b, k, dry_run=dry, by=by, reason=why)
    ),
    "revive": Action(
        about="job", do=lambda b, k, dry, by, why: mend.revive(b, k, dry_run=dry, by=by, reason=why)
    ),
}


async def show_action(request: web.Request) -> web.Response:
    """What the action would do; nothing is changed."""
    return await _preview(request, problem="", status=HTTPStatus.OK)


async def do_action(request: web.Request) -> web.Response:
    action, key, back = await _asked(request)
    reason = await field(request, "reason")
    try:
        mended = await action.do(request.app[BRIDGE], key, False, actor_of(request), reason)
    except ChangedMeanwhile:
        raise web.HTTPConflict from None
    except CannotMend as error:
        problem = in_words(str(error), words_of(request))
        return await _preview(request, problem=problem, status=HTTPStatus.BAD_REQUEST)
    if not mended.done:
        return await _preview(request, problem="", status=HTTPStatus.OK)
    raise web.HTTPSeeOther(await _done_at(request, back))


async def _done_at(request: web.Request, back: str) -> str:
    """Where the reader sees that it was done: the page names the step that was just taken."""
    if not back.startswith(EXCHANGES):
        return back
    exchange, by = Key(back.removeprefix(EXCHANGES)), actor_of(request).name
    steps = await request.app[STORE].read(lambda tx: steps_of(tx, exchange))
    last = next((step.seq for step in reversed(steps) if step.by == by), None)
    return back if last is None else f"{back}?done={last}#done"


async def _preview(request: web.Request, *, problem: str, status: int) -> web.Response:
    action, key, back = await _asked(request)
    effects: tuple[Effect, ...] = ()
    stopped = ""
    try:
        mended = await action.do(request.app[BRIDGE], key, True, actor_of(request), "")
        effects = mended.effects
    except CannotMend as error:
        stopped = in_words(str(error), words_of(request))
    return page(
        request,
        "mend.html",
        status=status,
        page="attention",
        action=request.match_info["action"],
        title=await _title(request, key),
        path=request.path,
        back=back,
        effects=effects,
        stopped=stopped,
        problem=problem if not stopped else "",
        possible=not stopped and not any(effect.kind == "stops" for effect in effects),
    )


async def _title(request: web.Request, key: Key) -> str:
    """The key of the words by which the button to this page calls it."""
    name = request.match_info["action"]
    if name != "revive":
        return f"do.{name}"
    job = await request.app[STORE].read(lambda tx: get_job(tx, key))
    return "notice.act.revive" if job.kind == POST_ANSWER else "do.revive"


async def _asked(request: web.Request) -> tuple[Action, Key, str]:
    """The action, the key, and the page to go back to."""
    action, text = ACTIONS.get(request.match_info["action"]), request.match_info["key"]
    if action is None:
        raise web.HTTPNotFound
    key = read_job_key(text) if action.about == "job" else read_key(text)
    if key is None:
        raise web.HTTPNotFound
    try:
        exchange = await request.app[STORE].read(lambda tx: _exchange(tx, action.about, key))
    except NoSuchRow:
        raise web.HTTPNotFound from None
    return action, key, f"{EXCHANGES}{exchange}" if exchange else "/jobs"


def _exchange(tx: Connection, about: str, key: Key) -> Key | None:
    match about:
        case "message":
            return get_message(tx, key).exchange
        case "event":
            return get_event(tx, key).exchange
        case "job":
            return mend.exchange_of(tx, get_job(tx, key))
        case _:
            return key
