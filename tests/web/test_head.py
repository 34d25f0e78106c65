"""Folded headers are read, however the octets arrive, and bodies are never touched."""

from __future__ import annotations

from typing import Any

import pytest

from bridge.web.head import MAX_HELD, UnfoldingParser

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
