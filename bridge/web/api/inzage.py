"""`GET /inzage/{type}/{id}` and its levels (hub.md, section 9): who asks, for what, as of when; then the flow."""

from __future__ import annotations

import asyncio
import hashlib
import re
from collections.abc import AsyncIterator, Collection
from dataclasses import replace
from datetime import datetime
from typing import Final, assert_never

from aiohttp import web

from bridge.ebms.content import chunks_of, discard_content
from bridge.ebms.model import Content
from bridge.flow.lookup import (
    Gone,
    Refused,
    Shown,
    Undecided,
    Unknown,
    Wanted,
    lookup,
)
from bridge.flow.lookup_attachment import REFERENCE
from bridge.hub.json import write_json
from bridge.hub.syntax import parse_timestamp
from bridge.inzage.record import continue_trace
from bridge.web.api.media import check_accept
from bridge.web.api.problem import Problem, invalid, unavailable
from bridge.web.api.state import STATE, get_requester, limit

_OCTETS: Final = "application/octet-stream"
_MOMENTS: Final = ("geldigOp", "peilmoment")
"""Two names for one thing: the framework has used both."""

TYPE: Final = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*")
_ID: Final = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", re.IGNORECASE)
NO_MOMENT: Final = "geen tijdstip met datum, tijd en tijdzone (RFC 3339)"
NOT_FOUND: Final = "Deze gegevens bestaan niet, of uw organisatie mag niet weten dat zij bestaan."


async def get_richest(request: web.Request) -> web.Response:
    """The richest view that is allowed; `niveau` in the body says which."""
    return await _get(request, None)


async def get_level0(request: web.Request) -> web.Response:
    """That there is such a resource."""
    return await _get(request, 0)


async def get_level1(request: web.Request) -> web.Response:
    """What kind it is and how it stands, without persons or content."""
    return await _get(request, 1)


async def get_level2(request: web.Request) -> web.Response:
    """Everything."""
    return await _get(request, 2)


async def get_attachment(request: web.Request) -> web.Response:
    """A file that the richest view that is allowed refers to, by its reference there."""
    reference = request.match_info["reference"]
    wanted = _read_request(request, None, media_type=_OCTETS)
    if not REFERENCE.fullmatch(reference):
        raise Problem(404, NOT_FOUND)
    return await _answer(request, replace(wanted, attachment=reference))


async def _get(request: web.Request, level: int | None) -> web.Response:
    return await _answer(request, _read_request(request, level))


def _read_request(request: web.Request, level: int | None, *, media_type: str = "application/json") -> Wanted:
    """Who asks, for what, as of when."""
    state = request.app[STATE]
    requester = get_requester(request)
    limit(state.lookups, request, requester.via)
    check_accept(request, media_type)
    as_of = read_moment(request)
    resource_type, resource_id = _read_path(request)
    return Wanted(
        type=resource_type,
        id=resource_id,
        level=level,
        as_of=as_of,
        requester=requester,
        trace=continue_trace(request.headers.get("traceparent"), state.bridge.random(24)),
    )


async def _answer(request: web.Request, wanted: Wanted) -> web.Response:
    state = request.app[STATE]
    outcome = await lookup(state.bridge, wanted, ask=state.decide)
    match outcome:
        case Shown(attachment=content) if content is not None and wanted.attachment is not None:
            return _send(request, content, wanted.attachment)
        case Shown(view=view):
            return _show(request, write_json(view))
        case Unknown():
            raise Problem(404, NOT_FOUND)
        case Gone():
            raise Problem(410, "De bewaartermijn van deze gegevens is verstreken.")
        case Refused(by_scope=True):
            challenge = 'Bearer realm="bridge", error="insufficient_scope"'
            raise Problem(
                403, "De scope van uw token geeft dit niveau niet.", headers={"WWW-Authenticate": challenge}
            )
        case Refused(lacks_purpose=True):
            header = state.bridge.settings.inzage.purpose_header
            raise Problem(403, f"Noem het doel van uw inzage in de header {header}.")
        case Refused():
            raise Problem(403, "Uw organisatie mag deze gegevens niet op dit niveau inzien.")
        case Undecided():
            raise unavailable(
                "Er kan nu niet worden beslist of u deze gegevens mag inzien. Probeer het later."
            )
        case _:
            assert_never(outcome)


def _show(request: web.Request, body: bytes) -> web.Response:
    """The view with its ETag; 304 when the client has it, which counts as a lookup all the same."""
    headers, is_known = _tag(request, hashlib.sha256(body).hexdigest()[:32])
    if is_known:
        return web.Response(status=304, headers=headers)
    return web.Response(body=body, headers=headers, content_type="application/json")


def _send(request: web.Request, content: Content, reference: str) -> web.Response:
    """The file as octets to save, never to open: its name and its type are words of whoever sent it."""
    headers, is_known = _tag(request, reference.partition(":")[2])
    if is_known:
        discard_content(content)
        return web.Response(status=304, headers=headers)
    headers |= {"Content-Disposition": "attachment", "Content-Length": str(content.size)}
    return web.Response(body=_chunks(content), headers=headers, content_type=_OCTETS)


async def _chunks(content: Content) -> AsyncIterator[bytes]:
    """Piece by piece, read beside the other requests; a temporary file goes away in the end."""
    chunks = chunks_of(content)
    try:
        while octets := await asyncio.to_thread(next, chunks, b""):
            yield octets
    finally:
        chunks.close()
        discard_content(content)


def _tag(request: web.Request, etag: str) -> tuple[dict[str, str], bool]:
    """The headers of an answer with this ETag, and whether the client has it already."""
    known = [tag.value for tag in request.if_none_match or ()]
    return {"ETag": f'"{etag}"', "Vary": "Accept, Authorization"}, etag in known or "*" in known


def _read_path(request: web.Request) -> tuple[str, str]:
    """Type and bare identifier. What cannot be one is simply not there."""
    resource_type, given = request.match_info["type"], request.match_info["id"]
    bare = given.removeprefix(f"urn:{resource_type}:")
    if not TYPE.fullmatch(resource_type) or not _ID.fullmatch(bare):
        raise Problem(404, NOT_FOUND)
    return resource_type, bare.lower()


def read_moment(request: web.Request, *, others: Collection[str] = ()) -> datetime | None:
    """As of when; None: now. Raises Problem 400 with everything that is wrong in the query.

    `others` are the parameters that are read elsewhere.
    """
    errors = [
        (f"query/{name}", "deze parameter bestaat niet")
        for name in set(request.query)
        if name not in (*_MOMENTS, *others)
    ]
    given = [(name, value) for name in _MOMENTS for value in request.query.getall(name, [])]
    if len(given) > 1:
        errors.append(
            ("query/peilmoment", "geldigOp en peilmoment betekenen hetzelfde; geef er een, een keer")
        )
    moments = [(name, to_moment(value)) for name, value in given]
    errors += [(f"query/{name}", NO_MOMENT) for name, moment in moments if moment is None]
    if errors:
        raise invalid(*errors)
    return moments[0][1] if moments else None


def to_moment(text: str) -> datetime | None:
    """A date-time of RFC 3339. A plus sign that was not encoded has become a space."""
    return parse_timestamp(text.replace(" ", "+"))
