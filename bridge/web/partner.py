"""The partner listener: `POST /ebms`, and nothing else.

A handler reads the request in bounded pieces, hands it to the receive flow, and writes the answer. What cannot be
answered in ebMS becomes a SOAP fault or the bare status that the transport prescribes. Overload and a store that is
away give 503: a 4xx would end the message for good at the usual adapter.
"""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, cast

from aiohttp import web

from bridge import metrics
from bridge.config import AgreementLimits
from bridge.ebms.content import Sink, SpoolSink
from bridge.ebms.mime import Limits, Narrow, Package, PackageReader
from bridge.ebms.model import PartyId
from bridge.ebms.read import peek_cpa_id
from bridge.ebms.receiving_model import Peer
from bridge.ebms.soap_action import named_action
from bridge.errors import SoapFault, StoreUnavailable
from bridge.flow.bridge import Bridge
from bridge.flow.case import HttpAnswer, Request
from bridge.flow.receive import answer_fault, receive
from bridge.log import get_logger
from bridge.web.peer import partners_of, peer_of
from bridge.web.runner import WAITING

BRIDGE = web.AppKey("bridge", Bridge)

_RETRY_AFTER_SECONDS = 30
_RAW_IN_MEMORY = 1024 * 1024
_SLOWEST = 64 * 1024
"""Octets a second. Who sends slower than this gets no more time than the settings say."""

_log = get_logger()


@dataclass(slots=True)
class _Busy:
    """How many requests are being taken now."""

    requests: int = 0


_BUSY = web.AppKey("busy", _Busy)


def partner_app(bridge: Bridge) -> web.Application:
    """The application of the partner listener."""
    app = web.Application(middlewares=[_answer_plainly])
    app[BRIDGE] = bridge
    app[_BUSY] = _Busy()
    app.router.add_route("*", "/ebms", _ebms)
    app.on_response_prepare.append(_hide_version)
    return app


async def _ebms(request: web.Request) -> web.StreamResponse:
    bridge, busy = request.app[BRIDGE], request.app[_BUSY]
    if busy.requests >= bridge.settings.partner_listener.max_requests:
        _log.warning("request.refused", status=503, reason="too many requests at the same time")
        return _later()
    busy.requests += 1
    peer: Peer | None = None
    try:
        if request.method != "POST":
            raise SoapFault("Only POST.", status=405, bare=True)
        peer = peer_of(request, bridge)
        with metrics.receive_time():
            answer = await _take(bridge, request, peer)
    except SoapFault as fault:
        oin = peer.oin if peer else None
        _log.warning("request.refused", status=fault.status, reason=fault.text, oin=oin)
        answer = answer_fault(fault)
    finally:
        busy.requests -= 1
    return _respond(answer)


async def _take(bridge: Bridge, request: web.Request, peer: Peer) -> HttpAnswer:
    limit = _largest(bridge, peer)
    action = _check_head(request, peer, bridge, limit)
    settings = bridge.settings.partner_listener
    headers = tuple((name, value) for name, value in request.headers.items())
    sinks = _Sinks(settings.spool_above_bytes)
    with tempfile.SpooledTemporaryFile(max_size=_RAW_IN_MEMORY) as spool:
        raw = cast(BinaryIO, spool)
        reader = PackageReader(
            headers,
            limits=Limits(max_total=limit, max_part=limit),
            new_sink=sinks,
            narrow=_narrow(bridge, peer, request.content_length),
        )
        package = await _read(request, reader, raw, limit, settings.read_timeout_seconds)
        try:
            taken = Request(peer=peer, headers=headers, raw=raw, package=package, named_action=action)
            return await receive(bridge, taken)
        finally:
            package.discard()


async def _read(
    request: web.Request, reader: PackageReader, raw: BinaryIO, limit: int, patience: float
) -> Package:
    """The body, in pieces as they come. Raises SoapFault when it is too large, too slow or cut off."""
    try:
        return await _read_in_time(request, reader, raw, limit, patience)
    except TimeoutError as error:
        reader.discard()
        raise SoapFault("The request did not arrive in time.", status=408, bare=True) from error
    except web.RequestPayloadError as error:
        reader.discard()
        raise SoapFault("The request was cut off.", status=400, bare=True) from error
    except BaseException:
        reader.discard()
        raise


async def _read_in_time(
    request: web.Request, reader: PackageReader, raw: BinaryIO, limit: int, patience: float
) -> Package:
    total, begun = 0, asyncio.get_running_loop().time()
    async with asyncio.timeout(patience) as deadline:
        async for chunk in request.content.iter_any():
            total += len(chunk)
            if total > limit:
                raise _too_large()
            raw.write(chunk)
            reader.feed(chunk)
            deadline.reschedule(begun + patience + total / _SLOWEST)
    return reader.close()


def _check_head(request: web.Request, peer: Peer, bridge: Bridge, limit: int) -> str | None:
    """What can be judged before the body comes; gives the action that SOAPAction names in place of "ebXML"."""
    if request.headers.get("Content-Encoding", "identity").lower() != "identity":
        raise SoapFault("Encoded bodies are not taken.", status=415, bare=True)
    if request.content_length is not None and request.content_length > limit:
        raise _too_large()
    value = request.headers.get("SOAPAction", "").strip()
    more = (action for partner in partners_of(peer, bridge) for action in partner.soap_actions)
    return None if value in more else named_action(value)


def _largest(bridge: Bridge, peer: Peer) -> int:
    """The size that is taken from this peer before its message says under which agreement it comes."""
    return max(
        _usual(bridge, peer), *(limit.max_message_bytes or 0 for limit in _limits_for(bridge, peer)), 0
    )


def _usual(bridge: Bridge, peer: Peer) -> int:
    """The largest that the partners of this peer may send under an agreement without limits of its own."""
    general = bridge.settings.partner_listener.max_message_bytes
    return max((p.max_message_bytes or general for p in partners_of(peer, bridge)), default=general)


def _limits_for(bridge: Bridge, peer: Peer) -> Iterator[AgreementLimits]:
    """Those of the agreements under which this peer may send: nobody else's count for it."""
    ids = {PartyId(value=p.party_id, type=p.party_id_type) for p in partners_of(peer, bridge)}
    concerned = {
        agreement.cpa_id
        for agreement in bridge.agreements.agreements
        if any(ids.intersection(party.party_ids) for party in agreement.parties)
    }
    return (limit for limit in bridge.settings.agreements.limits if limit.cpa_id in concerned)


def _narrow(bridge: Bridge, peer: Peer, announced: int | None) -> Narrow | None:
    """The limits of the agreement that a header names; what was announced is judged by them before the rest is read."""
    limits = {limit.cpa_id: limit for limit in _limits_for(bridge, peer)}
    if not limits:
        return None

    def narrow(envelope: bytes, charset: str | None) -> Limits:
        found = limits.get(peek_cpa_id(envelope, charset) or "")
        whole = (found.max_message_bytes if found else None) or _usual(bridge, peer)
        part = (found.max_part_bytes if found else None) or whole
        whose = f"agreement {found.cpa_id}" if found else ""
        if announced is not None and announced > whole:
            about = f" of {whose}" if whose else ""
            raise SoapFault(f"The message is larger than the {whole} octets{about}.", status=413, bare=True)
        return Limits(max_total=whole, max_part=part, whose=whose)

    return narrow


class _Sinks:
    """Makes the place for each part. Each may hold half as much in memory as the one before it, so that many
    parts together never hold more than twice the first."""

    def __init__(self, threshold: int) -> None:
        self._threshold = threshold

    def __call__(self) -> Sink:
        sink = SpoolSink(self._threshold, Path(tempfile.gettempdir()))
        self._threshold //= 2
        return sink


def _too_large() -> SoapFault:
    return SoapFault("The message is too large.", status=413, bare=True)


def _respond(answer: HttpAnswer) -> web.Response:
    headers = {name: value for name, value in answer.headers if name.lower() != "content-length"}
    if answer.status == 405:
        headers["Allow"] = "POST"
    return web.Response(status=answer.status, headers=headers, body=answer.body)


def _later() -> web.Response:
    return web.Response(status=503, headers={"Retry-After": str(_RETRY_AFTER_SECONDS)})


async def _hide_version(_request: web.Request, response: web.StreamResponse) -> None:
    response.headers["Server"] = "bridge"


Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@web.middleware
async def _answer_plainly(request: web.Request, handler: Handler) -> web.StreamResponse:
    """No stack trace, no server version, and 503 for what may heal."""
    request.app.get(WAITING, set()).discard(id(request.protocol))
    try:
        return await handler(request)
    except StoreUnavailable:
        # The store told of it when it began: a line for every request would fill the log.
        return _later()
    except web.HTTPException as error:
        return web.Response(status=error.status)
    except (asyncio.CancelledError, ConnectionError):
        raise
    except Exception as surprise:
        _log.error("request.surprise", error=type(surprise).__name__, path=request.path)
        return _later()
