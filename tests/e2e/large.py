"""Sends one attachment of the given number of MiB from one bridge to another in this process, and prints what it
took: `python -m tests.e2e.large 1024`. The growth of memory counts for both ends together."""

from __future__ import annotations

import asyncio
import hashlib
import json
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

from bridge.config import Settings
from bridge.demo import BRIDGE, POLICE
from bridge.ebms.content import SpoolSink
from bridge.ebms.model import Part
from bridge.pki import make_pki
from bridge.store.messages import payloads_of
from bridge.store.rows import Direction, MessageState
from tests.conftest import Clock
from tests.e2e.pair import open_pair

MIB = 1024 * 1024


async def run(mebibytes: int, profile: str) -> dict[str, object]:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        pki = make_pki(folder / "pki", organisations=[BRIDGE, POLICE], now=datetime.now(UTC))
        async with open_pair(folder, pki, Clock(), profile=profile, change=_large) as pair:
            await pair.ours.send(b"<warm/>")
            await pair.work()
            sink, block = SpoolSink(0, folder), hashlib.sha256(b"x").digest() * (MIB // 32)
            for _ in range(mebibytes):
                sink.write(block)
            part = Part(content_id="large@here", content_type="application/pdf", content=sink.finish())
            digest = part.content.digest("sha256").hex()
            before, begun = _peak(), time.monotonic()
            row = await pair.ours.send_parts((part,))
            await pair.work()
            sent = pair.ours.messages(Direction.OUT)[-1]
            received = pair.theirs.messages(Direction.IN)[-1]
            (kept,) = pair.theirs.bridge.store.read_sync(lambda tx: payloads_of(tx, received.key))
            assert received.message_id == row.message_id
            return {
                "size": kept.size,
                "same": kept.blob == digest,
                "acknowledged": sent.state is MessageState.ACKNOWLEDGED,
                "growth_mib": (_peak() - before) // 1024,
                "peak_mib": _peak() // 1024,
                "seconds": round(time.monotonic() - begun, 1),
            }


def _large(settings: Settings) -> Settings:
    listener = settings.partner_listener.model_copy(
        update={"max_message_bytes": 2 * 1024 * MIB, "read_timeout_seconds": 600.0}
    )
    worker = settings.worker.model_copy(update={"lease_seconds": 3600.0})
    return settings.model_copy(update={"partner_listener": listener, "worker": worker})


def _peak() -> int:
    """In KiB, of this program alone: what `getrusage` tells begins with that of the process that started it."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return int(status.partition("VmHWM:")[2].split()[0])


if __name__ == "__main__":
    print(json.dumps(asyncio.run(run(int(sys.argv[1]), sys.argv[2] if len(sys.argv) > 2 else "osb-rm-s"))))
