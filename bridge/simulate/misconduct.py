"""How a simulated partner may misbehave, for the tests of whoever talks to it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True, kw_only=True)
class Misconduct:
    """Counts of what still goes wrong; each occurrence takes one off."""

    dropped: int = 0
    tampered: int = 0
    status: int = 503
    refused: int = 0
    delay: float = 0.0

    def drops(self) -> bool:
        """Whether this acknowledgment is not given, although the message is stored."""
        self.dropped, hit = max(0, self.dropped - 1), self.dropped > 0
        return hit

    def tampers(self) -> bool:
        """Whether this acknowledgment is changed after signing."""
        self.tampered, hit = max(0, self.tampered - 1), self.tampered > 0
        return hit

    def refuses(self) -> bool:
        """Whether this request is answered with `status`, unread."""
        self.refused, hit = max(0, self.refused - 1), self.refused > 0
        return hit


def tamper(signal: bytes) -> bytes:
    """Another time of receipt: well-formed and plausible, but not what was signed."""
    head, mark, tail = signal.partition(b":Acknowledgment ")
    start = tail.index(b":Timestamp>") + len(b":Timestamp>")
    return head + mark + tail[:start] + b"1999" + tail[start + 4 :]
