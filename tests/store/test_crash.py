"""A process that is killed in the middle of writing: what it was told is stored is stored."""

import signal
import subprocess
import sys
from collections.abc import Callable
from typing import Any

from sqlalchemy import Connection, func, select

from bridge.store import tables
from bridge.store.messages import payloads_of
from bridge.store.unit import Store

WRITER = """
import asyncio, os, sys
from datetime import UTC, datetime
from bridge.store.blobs import put_blob
from bridge.store.keys import KeyMaker
from bridge.store.messages import add_message, add_payload
from bridge.store.rows import Direction, Message, MessageState, Payload
from bridge.store.unit import Store

now, keys = datetime(2026, 1, 5, tzinfo=UTC), KeyMaker()

def work(key):
    def receive(tx):
        add_message(tx, Message(
            key=key, exchange=key, direction=Direction.IN, kind="business", message_id=key,
            conversation_id="c", cpa_id="a", from_party="1", to_party="2", service="s", action="a",
            state=MessageState.RECEIVED, at=now, changed_at=now))
        sha, size = put_blob(tx, os.urandom(600_000))
        add_payload(tx, Payload(
            message=key, position=0, content_id="p", content_type="text/xml", blob=sha, size=size))
    return receive

async def receive_for_ever(store):
    while True:
        key = keys(now)
        await store.write(work(key))
        os.write(1, (key + "\\n").encode())

async def main():
    store = Store.open(sys.argv[1])
    await asyncio.gather(*(receive_for_ever(store) for _ in range(8)))

asyncio.run(main())
"""


def test_everything_acknowledged_before_a_kill_is_there_and_whole(
    url: str, open_store: Callable[..., Store]
) -> None:
    process = subprocess.Popen([sys.executable, "-c", WRITER, url], stdout=subprocess.PIPE)
    assert process.stdout is not None
    acknowledged = [process.stdout.readline() for _ in range(60)]
    process.send_signal(signal.SIGKILL)
    acknowledged += process.stdout.readlines()
    process.stdout.close()
    process.wait(30)
    keys = {line.decode().strip() for line in acknowledged if line.endswith(b"\n")}
    assert len(keys) >= 60

    def look(tx: Connection) -> tuple[set[str], set[str], Any]:
        stored = set(tx.scalars(select(tables.message.c.key)))
        whole = {key for key in stored if len(payloads_of(tx, key)) == 1}  # type: ignore[arg-type]
        sizes = select(func.sum(func.length(tables.chunk.c.octets))).group_by(tables.chunk.c.sha256)
        return stored, whole, set(tx.scalars(sizes))

    stored, whole, sizes = open_store(url).read_sync(look)
    assert keys <= stored
    assert stored == whole
    assert sizes == {600_000}
