"""The head of an HTTP request as partners write it, before aiohttp's parser sees it.

Some stacks fold a long Content-Type over lines (JavaMail does). HTTP/1.1 lets a server put a blank in place of
each fold (RFC 9112 section 5.2); the parser would refuse the request, and a 4xx ends a message for good.
"""

from __future__ import annotations

import re
from typing import Any

MAX_HELD = 8 * 1024
"""Octets that are held back for want of the next one, which tells whether a line is folded."""

_END = re.compile(rb"\r?\n\r?\n")
_FOLD = re.compile(rb"\r?\n[ \t]+")
_OPEN = re.compile(rb"(?:\r|\r?\n\r|\r?\n[ \t]*)\Z")


class UnfoldingParser:
    """Stands before aiohttp's request parser and gives it heads without folds; bodies pass as they are."""

    def __init__(self, parser: Any) -> None:
        self._parser = parser
        self._held = b""
        self._body: Any = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._parser, name)

    def feed_data(self, data: bytes) -> Any:
        if not data or (self._body is not None and not self._body.is_eof()):
            return self._pass_on(data)
        octets = self._held + data
        end = _END.search(octets)
        if end is not None:
            self._held = b""
            return self._pass_on(_FOLD.sub(b" ", octets[: end.end()]) + octets[end.end() :])
        undecided = _OPEN.search(octets)
        cut = undecided.start() if undecided and len(octets) - undecided.start() <= MAX_HELD else len(octets)
        self._held = octets[cut:]
        ready = _FOLD.sub(b" ", octets[:cut])
        return self._pass_on(ready) if ready else ((), False, b"")

    def _pass_on(self, data: bytes) -> Any:
        messages, upgraded, tail = self._parser.feed_data(data)
        if messages:
            self._body = messages[-1][1]
        return messages, upgraded, tail
