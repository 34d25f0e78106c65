"""The partner listener: `POST /ebms`, and nothing else.

A handler reads the request in bounded pieces, hands it to the receive flow, and writes the answer. What cannot be
answered in ebMS becomes a SOAP fault or the bare status that the transport prescribes. A store that is away gives 503:
a 4xx would end the message for good at the usual adapter.
"""

from __future__ import annotations

import asyncio
import ssl
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import BinaryIO, cast

from aiohttp import web
from cryptography import x509

from bridge.ebms.content import Sink, SpoolSink
from bridge.ebms.keys import fingerprint_sha256, oin_of
from bridge.ebms.mime import Limits, Package, PackageReader
from bridge.ebms.receiving_model import Peer
from bridge.errors import SoapFault, StoreUnavailable
from bridge.flow.bridge import Bridge
from bridge.flow.receive import HttpAnswer, Request, answer_fault, receive
from bridge.log import get_logger

BRIDGE = web.AppKey("bridge", Bridge)

_SOAP_ACTIONS = ('"ebXML"', "ebXML")
_RETRY_AFTER_SECONDS = 30
_RAW_IN_MEMORY = 1024 * 1024

_log = get_logger()


def partner_app(bridge: Bridge) -> web.Application:
    """The application of the partner listener."""
    app = web.Application(middlewares=[_answer_plainly])
    app[BRIDGE] = bridge
    app.router.add_route("*", "/ebms", _ebms)
    return app


async def _ebms(request: web.Request) -> web.StreamResponse:
    bridge = request.app[BRIDGE]
    try:
        answer = await _take(bridge, request)
    except SoapFault as fault:
        _log.warning("request.refused", status=fault.status, reason=fault.text, oin=_peer(request).oin)
        answer = answer_fault(fault)
    return _respond(answer)


async def _take(bridge: Bridge, request: web.Request) -> HttpAnswer:
    _check_head(request)
    settings = bridge.settings.partner_listener
    limits = Limits(max_total=settings.max_message_bytes, max_part=settings.max_message_bytes)
    headers = tuple((name, value) for name, value in request.headers.items())
    with tempfile.SpooledTemporaryFile(max_size=_RAW_IN_MEMORY) as spool:
        raw = cast(BinaryIO, spool)
        reader = PackageReader(headers, limits=limits, new_sink=lambda: _sink(settings.spool_above_bytes))
        try:
            async with asyncio.timeout(settings.read_timeout_seconds):
                package = await _read(request, reader, raw, settings.max_message_bytes)
        except TimeoutError as error:
            raise SoapFault("The request did not arrive in time.", fault_code="Client", status=408) from error
        try:
            return await receive(
                bridge, Request(peer=_peer(request), headers=headers, raw=raw, package=package)
            )
        finally:
            package.discard()


async def _read(request: web.Request, reader: PackageReader, raw: BinaryIO, limit: int) -> Package:
    total = 0
    async for chunk in request.content.iter_any():
        total += len(chunk)
        if total > limit:
            raise SoapFault("The message is too large.", status=413, bare=True)
        raw.write(chunk)
        reader.feed(chunk)
    return reader.close()


def _check_head(request: web.Request) -> None:
    if request.method != "POST":
        raise SoapFault("Only POST.", status=405, bare=True)
    if request.headers.get("Content-Encoding", "identity").lower() != "identity":
        raise SoapFault("Encoded bodies are not taken.", status=415, bare=True)
    if request.headers.get("SOAPAction", "").strip() not in _SOAP_ACTIONS:
        raise SoapFault('The SOAPAction header must be "ebXML".')


def _sink(threshold: int) -> Sink:
    return SpoolSink(threshold, Path(tempfile.gettempdir()))


def _peer(request: web.Request) -> Peer:
    """Who is at the other end, as TLS proved it; never what a header says."""
    transport = request.transport
    tls = transport.get_extra_info("ssl_object") if transport else None
    if not isinstance(tls, ssl.SSLObject):
        return Peer(plain=True)
    octets = tls.getpeercert(binary_form=True)
    if not octets:
        return Peer()
    certificate = x509.load_der_x509_certificate(octets)
    return Peer(oin=oin_of(certificate), certificate_sha256=fingerprint_sha256(certificate))


def _respond(answer: HttpAnswer) -> web.Response:
    headers = {name: value for name, value in answer.headers if name.lower() != "content-length"}
    if answer.status == 405:
        headers["Allow"] = "POST"
    return web.Response(status=answer.status, headers=headers, body=answer.body)


Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@web.middleware
async def _answer_plainly(request: web.Request, handler: Handler) -> web.StreamResponse:
    """No stack trace, no server version, and 503 for what may heal."""
    try:
        return await handler(request)
    except StoreUnavailable as error:
        _log.error("store.unavailable", error=str(error))
        return web.Response(status=503, headers={"Retry-After": str(_RETRY_AFTER_SECONDS)})
    except web.HTTPException as error:
        return web.Response(status=error.status)
    except (asyncio.CancelledError, ConnectionError):
        raise
    except Exception as surprise:
        _log.error("request.surprise", error=type(surprise).__name__, path=request.path)
        return web.Response(status=503, headers={"Retry-After": str(_RETRY_AFTER_SECONDS)})
