"""Folded headers are read, however the octets arrive, and bodies are never touched."""

from __future__ import annotations

import asyncio
import socket
from typing import Any

import pytest
from aiohttp import web

from bridge.web.head import MAX_HELD, UnfoldingParser
from bridge.web.runner import WAITING, serving

FOLDED = b'POST / HTTP/1.1\r\nContent-Type: multipart/related;\r\n\tboundary="a"\r\nX: 1 \r\n  2\r\n\r\n'
UNFOLDED = b'POST / HTTP/1.1\r\nContent-Type: multipart/related; boundary="a"\r\nX: 1  2\r\n\r\n'


class Body:
    ended = False

    def is_eof(self) -> bool:
        return self.ended


class Parser:
    """Takes note of what it is fed, and begins a body when a head is complete."""

    def __init__(self) -> None:
        self.fed = b""
        self.body = Body()

    def feed_data(self, data: bytes) -> tuple[Any, bool, bytes]:
        begun = b"\r\n\r\n" in data and not self.fed.endswith(b"body")
        self.fed += data
        return ([("message", self.body)] if begun else []), False, b""

    def message_consumed(self) -> str:
        return "consumed"


@pytest.mark.parametrize("size", [1, 7, len(FOLDED)])
def test_folds_of_a_head_become_blanks_in_pieces_of_any_size(size: int) -> None:
    parser = Parser()
    unfolding = UnfoldingParser(parser)
    for at in range(0, len(FOLDED), size):
        unfolding.feed_data(FOLDED[at : at + size])
    assert parser.fed == UNFOLDED


def test_a_body_passes_as_it_is_and_the_next_head_is_unfolded_again() -> None:
    parser = Parser()
    unfolding = UnfoldingParser(parser)
    unfolding.feed_data(FOLDED + b"\r\n folded body")
    unfolding.feed_data(b"\r\n more body")
    parser.body.ended = True
    unfolding.feed_data(FOLDED)
    assert parser.fed == UNFOLDED + b"\r\n folded body\r\n more body" + UNFOLDED


def test_what_is_no_head_reaches_the_parser_at_once() -> None:
    parser = Parser()
    UnfoldingParser(parser).feed_data(b"\x00\xff no HTTP")
    assert parser.fed == b"\x00\xff no HTTP"


def test_blanks_without_end_are_passed_on_at_the_limit() -> None:
    parser = Parser()
    unfolding = UnfoldingParser(parser)
    unfolding.feed_data(b"X: 1\r\n" + b" " * 100)
    assert parser.fed == b"X: 1"
    unfolding.feed_data(b" " * MAX_HELD)
    assert parser.fed == b"X: 1 "


def test_what_else_the_parser_does_it_still_does() -> None:
    assert UnfoldingParser(Parser()).message_consumed() == "consumed"


@pytest.mark.parametrize(
    "head",
    [
        b"POST\r\n /ebms HTTP/1.1\r\nHost: a\r\n\r\n",
        b"POST / HTTP/1.1\r\n X: 1\r\nHost: a\r\n\r\n",
        b"POST / HTTP/1.1\r\nTransfer-Encoding:\r\n chunked\r\n\r\n",
        b"POST / HTTP/1.1\r\nX: 1\r\n 2\r\nContent-Length: 1\r\n 0\r\n\r\n",
        b"POST / HTTP/1.1\r\ncontent-length\r\n : 10\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: a\r\n\tb\r\n\r\n",
    ],
)
@pytest.mark.parametrize("size", [1, 7, 1000])
def test_a_fold_by_which_two_readers_could_see_different_requests_stays_for_the_parser_to_refuse(
    head: bytes, size: int
) -> None:
    parser = Parser()
    unfolding = UnfoldingParser(parser)
    for at in range(0, len(head), size):
        unfolding.feed_data(head[at : at + size])
    assert parser.fed == head.replace(b"X: 1\r\n 2", b"X: 1 2")


@pytest.mark.parametrize(
    "head",
    [
        b"POST /ebms\r\n HTTP/1.1\r\nHost: a\r\n\r\n",
        b"POST /ebms HTTP/1.1\r\nHost: a\r\nTransfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n",
        b"POST /ebms HTTP/1.1\r\nHost: a\r\nContent-Length:\r\n 3\r\n\r\nabc",
        b"POST /ebms HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"POST /ebms HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd",
        b"POST /ebms HTTP/1.1\r\nHost: a\r\nContent-Length : 3\r\n\r\nabc",
        b"POST /ebms HTTP/1.1\r\nHost: a\r\nX: 1\nContent-Length: 3\r\n\r\nabc",
    ],
)
async def test_a_request_whose_end_can_be_read_in_two_ways_is_refused_and_the_connection_closed(
    head: bytes,
) -> None:
    """What stands behind it is never taken for a request of its own."""
    taken: list[str] = []

    async def take(request: web.Request) -> web.Response:
        request.app[WAITING].discard(id(request.protocol))
        taken.append(request.path)
        await request.read()
        return web.Response()

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", take)
    listener = socket.create_server(("127.0.0.1", 0))
    async with serving(app, listener, None):
        reader, writer = await asyncio.open_connection(*listener.getsockname())
        writer.write(head + b"GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n")
        async with asyncio.timeout(10):
            answer = await reader.read()
        writer.close()
    assert answer.startswith((b"HTTP/1.1 400", b"HTTP/1.0 400"))
    assert taken == []
