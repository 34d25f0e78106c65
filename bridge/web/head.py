"""The head of an HTTP request as partners write it, before aiohttp's parser sees it.

Some stacks fold a long Content-Type over lines (JavaMail does). HTTP/1.1 lets a server put a blank in place of
each fold (RFC 9112 section 5.2); the parser would refuse the request, and a 4xx ends a message for good.

Only where it cannot matter to who reads along: not in the request line, nor in a header by which a proxy in front of
us tells where a request ends and whom it is for. There a fold stays, and the parser refuses it.
"""

from __future__ import annotations

import re
from typing import Any

MAX_HELD = 8 * 1024
"""Octets that are held back for want of the next one, which tells whether a line is folded."""

_END = re.compile(rb"\r?\n\r?\n")
_FOLD = re.compile(rb"\r?\n[ \t]+")
_FOLDABLE = re.compile(
    rb"(?!(?:content-length|transfer-encoding|host|connection|upgrade|expect):)[\w!#$%&'*+.^`|~-]+:",
    re.IGNORECASE,
)
_LONGEST_NAME = 64
_OPEN = re.compile(rb"(?:\r|\r?\n\r|\r?\n[ \t]*)\Z")


class UnfoldingParser:
    """Stands before aiohttp's request parser and gives it heads without folds; bodies pass as they are."""

    def __init__(self, parser: Any) -> None:
        self._parser = parser
        self._held = b""
        self._line = b""
        """The beginning of the line that was not ended yet."""
        self._body: Any = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._parser, name)

    def feed_data(self, data: bytes) -> Any:
        if not data or (self._body is not None and not self._body.is_eof()):
            return self._pass_on(data)
        octets = self._held + data
        end = _END.search(octets)
        if end is not None:
            head = self._unfold(octets[: end.end()])
            self._held = self._line = b""
            return self._pass_on(head + octets[end.end() :])
        undecided = _OPEN.search(octets)
        cut = undecided.start() if undecided and len(octets) - undecided.start() <= MAX_HELD else len(octets)
        self._held = octets[cut:]
        ready = self._unfold(octets[:cut])
        return self._pass_on(ready) if ready else ((), False, b"")

    def _unfold(self, octets: bytes) -> bytes:
        """The same with a blank for each fold that may go."""
        done, start, at = bytearray(self._line), 0, 0
        for fold in _FOLD.finditer(octets):
            before = len(done)
            done += octets[at : fold.start()]
            ended = done.rfind(b"\n", before)
            start = ended + 1 if ended >= 0 else start
            done += b" " if _FOLDABLE.match(done, start, start + _LONGEST_NAME) else fold.group()
            at = fold.end()
        before = len(done)
        done += octets[at:]
        ended = done.rfind(b"\n", before)
        start = ended + 1 if ended >= 0 else start
        known = len(self._line)
        self._line = bytes(done[start : start + _LONGEST_NAME])
        return bytes(done[known:])

    def _pass_on(self, data: bytes) -> Any:
        messages, upgraded, tail = self._parser.feed_data(data)
        if messages:
            self._body = messages[-1][1]
        return messages, upgraded, tail
