"""The pages: each handler reads the address, asks the store once, and renders."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from http import HTTPStatus

from aiohttp import web
from sqlalchemy import Connection

from bridge.flow.refuse import may_refuse
from bridge.ids import Key
from bridge.store.doors import KEPT, turned_away_since
from bridge.store.exchanges import find_exchanges, get_exchange, list_exchanges
from bridge.store.rows import Exchange, ExchangeState, NoSuchRow
from bridge.store.timeline import last_seq
from bridge.web.console import live
from bridge.web.console.documents import dossier_document, exchange_document
from bridge.web.console.dossier import Dossier, find_dossier
from bridge.web.console.exchange_top import top_of
from bridge.web.console.filters import Wanted, matches, read_filters, read_key, search
from bridge.web.console.hindrance import hindrance_of
from bridge.web.console.notices import notices_of
from bridge.web.console.now_pages import actor_of
from bridge.web.console.offers import can_be_refused
from bridge.web.console.render import RENDERER, STATIC_TYPES, html, language_of, lens_of, page, words_of
from bridge.web.console.rights import Right
from bridge.web.console.settings import SETTINGS
from bridge.web.console.stall import find_stall
from bridge.web.console.state import BRIDGE, NOW, STORE
from bridge.web.console.text import Catalogue
from bridge.web.console.views import exchange_view, line_of
from bridge.web.console.visitor import visitor_of

PAGE_SIZE = 50
MOST_ROWS = 100
"""At most so many rows are rendered again at once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """One page of a list. `seq` is the newest step at the moment of reading."""

    exchanges: tuple[Exchange, ...]
    older: Key | None
    seq: int


def find_page(tx: Connection, wanted: Wanted, *, before: Key | None, limit: int = PAGE_SIZE) -> Found:
    """The exchanges that are wanted, newest first."""
    seq = last_seq(tx)
    if wanted.text:
        rows = search(tx, wanted.text, wanted.exchanges, before=before, limit=limit + 1)
    else:
        rows = list_exchanges(tx, wanted.exchanges, before=before, limit=limit + 1)
    older = rows[limit - 1].key if len(rows) > limit else None
    return Found(exchanges=rows[:limit], older=older, seq=seq)


async def show_exchanges(request: web.Request) -> web.Response:
    wanted, words = _wanted(request), words_of(request)
    before = _before(request)
    found, bound = Found(exchanges=(), older=None, seq=0), request.app[live.PULSE].bound
    if not wanted.problems:
        found = await request.app[STORE].read(lambda tx: find_page(tx, wanted, before=before))
    lens = lens_of(request)
    values = {name: wanted.values.get(name, "") for name in ("q", "state", "direction", "partner", "type")}
    return page(
        request,
        "exchanges.html",
        status=HTTPStatus.BAD_REQUEST if wanted.problems else HTTPStatus.OK,
        page="exchanges",
        json_href=wanted.href("/api/v1/exchanges"),
        lines=[line_of(exchange, lens) for exchange in found.exchanges],
        knocked=await _is_known_at_the_door(request, wanted) if not found.exchanges else False,
        partners=_partners(request, values["partner"]),
        tabs=_tabs(wanted, words),
        values=values | {name: _for_input(wanted.values.get(name, "")) for name in ("since", "until")},
        problems=[_explain(problem.what, problem.name, words) for problem in wanted.problems],
        narrow=sum(name not in ("q", "state") for name in wanted.values),
        filtered=bool(wanted.values) or bool(wanted.problems),
        first=before is None,
        last=found.older or "",
        newest=wanted.href(),
        older=wanted.href(before=found.older) if found.older else "",
        self_href=wanted.href(before=before),
        stream="" if wanted.problems else wanted.href("/live", after=str(live.follow_from(bound, found.seq))),
    )


async def _is_known_at_the_door(request: web.Request, wanted: Wanted) -> bool:
    """Whether the id that is sought is of a message that was turned away: nothing of it was kept."""
    if not wanted.text:
        return False
    now = request.app[NOW]()
    knocks = await request.app[STORE].read(lambda tx: turned_away_since(tx, now - KEPT))
    return any(knock.message_id == wanted.text for knock in knocks)


def _partners(request: web.Request, chosen: str) -> list[tuple[str, str]]:
    """Id and name of every partner to choose from, and of the one that the address names."""
    settings = request.app[BRIDGE].settings.partners
    found = {partner.party_id: partner.name for partner in settings}
    if chosen:
        found.setdefault(chosen, lens_of(request).name(chosen))
    return sorted(found.items(), key=lambda item: item[1])


def _tabs(wanted: Wanted, words: Catalogue) -> list[dict[str, object]]:
    chosen = wanted.values.get("state")
    tones = {ExchangeState.ATTENTION: "failed", ExchangeState.RUNNING: "waiting", ExchangeState.DONE: "ok"}
    every = {"href": wanted.href(state=None), "word": words("filter.all"), "tone": "", "current": not chosen}
    return [every] + [
        {
            "href": wanted.href(state=state),
            "word": words(f"state.{state}").capitalize(),
            "tone": tone,
            "current": chosen == state,
        }
        for state, tone in tones.items()
    ]


def _for_input(text: str) -> str:
    """What a datetime-local field shows: a date alone gets midnight."""
    return f"{text}T00:00" if len(text) == len("2026-11-23") else text


def _explain(what: str, name: str, words: Catalogue) -> str:
    label = words("filter.text" if name == "q" else f"filter.{name}")
    return words(f"filter.bad_{what}", name=label)


def _wanted(request: web.Request) -> Wanted:
    return read_filters(request.query, zone=request.app[SETTINGS].timezone)


def _before(request: web.Request) -> Key | None:
    text = request.query.get("before")
    key = read_key(text) if text else None
    if text and key is None:
        raise web.HTTPBadRequest
    return key


async def show_exchange(request: web.Request) -> web.Response:
    bound = request.app[live.PULSE].bound
    dossier = await _dossier(request)
    key, lens = dossier.exchange.key, lens_of(request)
    stall = await request.app[STORE].read(lambda tx: find_stall(tx, dossier, lens))
    top = top_of(
        dossier,
        lens,
        stall=stall,
        refusable=await _is_refusable(request, dossier),
        hindrance=await hindrance_of(request, key) if _asks(dossier) else "",
        done=request.query.get("done", ""),
        reader=visitor_of(request).name,
    )
    return page(
        request,
        "exchange.html",
        page="exchanges",
        stall=stall,
        notices=notices_of(dossier, lens),
        top=top,
        json_href=f"/api/v1/exchanges/{key}",
        view=exchange_view(dossier, lens),
        self_href=f"/exchanges/{key}",
        stream=f"/live?exchange={key}&after={live.follow_from(bound, dossier.seq)}",
    )


def _asks(dossier: Dossier) -> bool:
    return dossier.exchange.state is ExchangeState.ATTENTION


async def _is_refusable(request: web.Request, dossier: Dossier) -> bool:
    """Whether the sender can be told; only what then works is offered."""
    messages = [file.message for file in dossier.messages]
    if not visitor_of(request).may(Right.TRY) or not can_be_refused(dossier.exchange, messages):
        return False
    return await may_refuse(request.app[BRIDGE], dossier.exchange.key, by=actor_of(request))


async def _dossier(request: web.Request) -> Dossier:
    key = read_key(request.match_info["key"])
    dossier = await request.app[STORE].read(lambda tx: find_dossier(tx, key)) if key else None
    if dossier is None:
        raise web.HTTPNotFound
    return dossier


async def show_rows(request: web.Request) -> web.Response:
    """Rows of the list by key, for a page that shows them already."""
    keys = [key for text in request.query.getall("key", [])[:MOST_ROWS] if (key := read_key(text))]
    exchanges = await request.app[STORE].read(lambda tx: _present(tx, keys))
    lens = lens_of(request)
    lines = [line_of(exchange, lens) for exchange in exchanges]
    text = request.app[RENDERER].fragment("rows.html", t=lens.words, lines=lines)
    return html(text, language_of(request))


def _present(tx: Connection, keys: Iterable[Key]) -> list[Exchange]:
    found: list[Exchange] = []
    for key in keys:
        try:
            found.append(get_exchange(tx, key))
        except NoSuchRow:
            continue
    return found


async def follow(request: web.Request) -> web.StreamResponse:
    """The stream of a list (its filters) or of one exchange: keys of what changed; and how many need a person.

    With `only=waiting` nothing but that number.
    """
    store, wanted = request.app[STORE], _wanted(request)
    if wanted.problems:
        raise web.HTTPBadRequest
    one, quiet = request.query.get("exchange"), request.query.get("only") == "waiting"
    since = _number(request.headers.get("Last-Event-ID") or request.query.get("after", "0"))
    if quiet:
        since = request.app[live.PULSE].newest

    async def visible(keys: tuple[Key, ...]) -> live.Changes:
        if quiet:
            return live.Changes(changed=(), listed=())
        if one is not None:
            mine = tuple(key for key in keys if key == one)
            return live.Changes(changed=mine, listed=mine)
        return await store.read(lambda tx: _changes(tx, wanted, keys))

    return await live.stream(request, store=store, since=since, visible=visible)


def _changes(tx: Connection, wanted: Wanted, keys: tuple[Key, ...]) -> live.Changes:
    """A row that is shown follows its exchange, also when its state no longer fits the filter."""
    if wanted.text:
        keys = tuple({e.key for e in find_exchanges(tx, wanted.text, limit=MOST_ROWS)} & set(keys))
    exchanges = _present(tx, keys)
    stateless = replace(wanted.exchanges, state=None)
    return live.Changes(
        changed=tuple(e.key for e in exchanges if matches(e, stateless)),
        listed=tuple(e.key for e in exchanges if matches(e, wanted.exchanges)),
    )


def _number(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) <= 18):
        raise web.HTTPBadRequest
    return int(text)


async def give_exchanges(request: web.Request) -> web.Response:
    wanted = _wanted(request)
    if wanted.problems:
        raise web.HTTPBadRequest
    before = _before(request)
    found = await request.app[STORE].read(lambda tx: find_page(tx, wanted, before=before))
    return web.json_response(
        {
            "exchanges": [exchange_document(exchange) for exchange in found.exchanges],
            "next": wanted.href("/api/v1/exchanges", before=found.older) if found.older else None,
        }
    )


async def give_exchange(request: web.Request) -> web.Response:
    return web.json_response(dossier_document(await _dossier(request)))


async def give_static(request: web.Request) -> web.Response:
    """A file of the package; an address with its digest may be kept for ever."""
    name, renderer = request.match_info["name"], request.app[RENDERER]
    if name not in STATIC_TYPES:
        raise web.HTTPNotFound
    current = renderer.is_current(name, request.query.get("v"))
    headers = {
        "Content-Type": STATIC_TYPES[name],
        "Cache-Control": "public, max-age=31536000, immutable" if current else "no-cache",
    }
    return web.Response(body=renderer.static[name], headers=headers)
