"""One message or event, opened: what went over the wire and what it held; the privacy officer may unmask it."""

import asyncio
import math
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from tempfile import TemporaryFile
from typing import Any, BinaryIO

from aiohttp import web
from sqlalchemy import Connection

from bridge.flow import publish
from bridge.flow.agreement_folder import find_versions
from bridge.flow.bridge import Bridge
from bridge.flow.content import NOTHING_SHOWN, open_event, open_message
from bridge.flow.evidence import Dossier, gather_evidence, write_archive
from bridge.flow.mend_model import CannotMend, check_reason
from bridge.ids import Key
from bridge.store.events import get_event
from bridge.store.jobs import tries_about
from bridge.store.messages import get_message
from bridge.store.resolutions import resolutions_of
from bridge.store.rows import Direction, MessageState, NoSuchRow
from bridge.web.console import reveals
from bridge.web.console.accounts import audit
from bridge.web.console.dossier import read_message_file
from bridge.web.console.filters import may_be_bsn, read_key
from bridge.web.console.now_pages import actor_of
from bridge.web.console.opened_views import part_page, wire_page
from bridge.web.console.render import lens_of, page
from bridge.web.console.rights import Right
from bridge.web.console.session_pages import field
from bridge.web.console.state import BRIDGE, NOW, STORE
from bridge.web.console.values import wrong_places
from bridge.web.console.views import event_view, message_view
from bridge.web.console.visitor import visitor_of

CHUNK = 256 * 1024


async def show_message(request: web.Request) -> web.StreamResponse:
    return await _message_page(request)


async def show_event(request: web.Request) -> web.StreamResponse:
    return await _event_page(request)


async def reveal_in_message(request: web.Request) -> web.StreamResponse:
    return await _reveal(request, "message", get_message, _message_page)


async def reveal_in_event(request: web.Request) -> web.StreamResponse:
    return await _reveal(request, "event", get_event, _event_page)


async def give_evidence(request: web.Request) -> web.StreamResponse:
    """Everything that proves a message, with its content, as `bridge message evidence` exports it."""
    key, reason = _key(request), await _reason(request)
    if reason is None:
        return await _message_page(request, problem="reveal.bad_reason", status=HTTPStatus.BAD_REQUEST)
    by, now = actor_of(request), request.app[NOW]()

    def work(tx: Connection) -> bool:
        get_message(tx, key)
        good = reveals.may_reveal(tx, who=by.name, now=now)
        action = reveals.EXPORTED if good else reveals.REVEAL_REFUSED
        audit(tx, who=by.name, role=by.role, action=action, target=key, reason=reason, at=now)
        return good

    try:
        good = await request.app[STORE].write(work)
    except NoSuchRow:
        raise web.HTTPNotFound from None
    if not good:
        return await _message_page(request, problem="reveal.often", status=HTTPStatus.TOO_MANY_REQUESTS)
    return await _send_archive(request, await request.app[STORE].read(lambda tx: gather_evidence(tx, key)))


async def _send_archive(request: web.Request, dossier: Dossier) -> web.StreamResponse:
    bridge = request.app[BRIDGE]
    response = web.StreamResponse()
    response.content_type = "application/zip"
    response.headers["Content-Disposition"] = f'attachment; filename="evidence-{dossier.message.key}.zip"'
    with TemporaryFile() as stream:
        await asyncio.to_thread(_write, stream, bridge, dossier)
        await response.prepare(request)
        stream.seek(0)
        while chunk := await asyncio.to_thread(stream.read, CHUNK):
            await response.write(chunk)
    await response.write_eof()
    return response


def _write(stream: BinaryIO, bridge: Bridge, dossier: Dossier) -> None:
    versions = find_versions(bridge.settings.agreements.folder, dossier.message.cpa_id)
    write_archive(stream, dossier, agreements=[v.octets for v in versions], at=bridge.now())


# --- pages ---


async def _message_page(
    request: web.Request, *, problem: str = "", status: HTTPStatus = HTTPStatus.OK
) -> web.StreamResponse:
    key, bridge, lens = _key(request), request.app[BRIDGE], lens_of(request)
    grants = await _granted(request, key)
    try:
        opened = await asyncio.to_thread(open_message, bridge.store, bridge.mappings, key, shown=grants.shown)
    except NoSuchRow:
        raise web.HTTPNotFound from None
    message = opened.message
    file, settled = await request.app[STORE].read(
        lambda tx: (
            read_message_file(tx, message),
            {resolution.subject_key for resolution in resolutions_of(tx, message.exchange)},
        )
    )
    wrong = wrong_places(message.reason, lens.words) if message.state is MessageState.PARKED else {}
    may_see = visitor_of(request).may(Right.CONTENT)
    if may_see:
        await _audit_opened(request, key, unmasked=grants.until is not None)
    response = page(
        request,
        "message.html",
        status=status,
        page="exchanges",
        json_href="",
        message=message,
        record=message_view(file, lens, settled=settled),
        wires=[wire_page(wire, lens) for wire in opened.wires],
        parts=[part_page(part, lens, wrong) for part in opened.parts] if may_see else [],
        wrong=sorted(wrong.items()) if may_see else [],
        partner=lens.name(message.from_party if message.direction is Direction.IN else message.to_party),
        agreement=any(a.cpa_id == message.cpa_id for a in bridge.agreements.agreements),
        self_href=f"/messages/{key}",
        **_about(request, grants, problem),
    )
    return _ending(request, response, f"/messages/{key}", grants)


async def _event_page(
    request: web.Request, *, problem: str = "", status: HTTPStatus = HTTPStatus.OK
) -> web.StreamResponse:
    key, bridge, lens = _key(request), request.app[BRIDGE], lens_of(request)
    grants = await _granted(request, key)
    try:
        opened = await asyncio.to_thread(open_event, bridge.store, bridge.mappings, key, shown=grants.shown)
    except NoSuchRow:
        raise web.HTTPNotFound from None
    tries = await request.app[STORE].read(lambda tx: tries_about(tx, kind=publish.KIND, subject_keys=[key]))
    may_see = visitor_of(request).may(Right.CONTENT)
    if may_see:
        await _audit_opened(request, key, unmasked=grants.until is not None)
    response = page(
        request,
        "event.html",
        status=status,
        page="exchanges",
        event=opened.event,
        record=event_view(opened.event, lens, tries=tries.get(key, 0)),
        parts=[part_page(part, lens) for part in opened.parts] if may_see else [],
        self_href=f"/events/{key}",
        **_about(request, grants, problem),
    )
    return _ending(request, response, f"/events/{key}", grants)


def _about(request: web.Request, grants: reveals.Granted, problem: str) -> dict[str, Any]:
    lens = lens_of(request)
    return {
        "until": lens.moment(grants.until) if grants.until else None,
        "problem": lens.words(problem, n=reveals.MOST_REVEALS) if problem == "reveal.often" else problem,
        "seconds": int(reveals.LASTS.total_seconds()),
    }


def _ending(request: web.Request, response: web.Response, path: str, grants: reveals.Granted) -> web.Response:
    """A page with what is masked goes away by itself, also without script."""
    if grants.until is not None:
        left = max(1, math.ceil((grants.until - request.app[NOW]()).total_seconds()))
        response.headers["Refresh"] = f"{left}; url={path}"
    return response


async def _granted(request: web.Request, key: Key) -> reveals.Granted:
    """Only to whoever may see it now: a role that was taken away takes what it was shown along."""
    visitor, now = visitor_of(request), request.app[NOW]()
    session = visitor.session
    if session is None or not visitor.may(Right.UNMASK):
        return reveals.Granted(shown=NOTHING_SHOWN, until=None)
    return await request.app[STORE].read(lambda tx: reveals.granted(tx, session.token, key, now=now))


Show = Callable[..., Awaitable[web.StreamResponse]]


async def _reveal(
    request: web.Request, noun: str, find: Callable[[Connection, Key], object], show: Show
) -> web.StreamResponse:
    key, session = _key(request), visitor_of(request).session
    asked = reveals.read_asked(await field(request, "what"))
    reason = await _reason(request)
    if asked is None or session is None:
        raise web.HTTPBadRequest
    if reason is None:
        return await show(request, problem="reveal.bad_reason", status=HTTPStatus.BAD_REQUEST)
    by, now = actor_of(request), request.app[NOW]()

    def work(tx: Connection) -> bool:
        find(tx, key)
        return reveals.grant(
            tx,
            who=by.name,
            role=by.role,
            session=session.token,
            target=key,
            asked=asked,
            reason=reason,
            now=now,
        )

    try:
        good = await request.app[STORE].write(work)
    except NoSuchRow:
        raise web.HTTPNotFound from None
    if not good:
        return await show(request, problem="reveal.often", status=HTTPStatus.TOO_MANY_REQUESTS)
    raise web.HTTPSeeOther(f"/{noun}s/{key}")


async def _reason(request: web.Request) -> str | None:
    """A reason that says nothing about a person; None when it is not one."""
    try:
        reason = check_reason(await field(request, "reason"))
    except CannotMend:
        return None
    return None if may_be_bsn(reason) else reason


async def _audit_opened(request: web.Request, key: Key, *, unmasked: bool) -> None:
    """`unmasked`: the page shows what was unmasked a moment ago, of which there is a line of its own."""
    action = "content.seen" if unmasked else "content.opened"
    by, now = actor_of(request), request.app[NOW]()
    await request.app[STORE].write(
        lambda tx: audit(tx, who=by.name, role=by.role, action=action, target=key, at=now)
    )


def _key(request: web.Request) -> Key:
    key = read_key(request.match_info["key"])
    if key is None:
        raise web.HTTPNotFound
    return key
