"""Who types commands beside a running bridge, in the folder of a scene; the tests of what an operator does by hand."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import func, select, update

from bridge.cli.main import main
from bridge.cli.store_keys import load_master_keys
from bridge.config import load_settings
from bridge.demo import SAMPLE, Scene
from bridge.ids import Key
from bridge.store import tables
from bridge.store.jobs import get_job
from bridge.store.rows import JobState
from bridge.store.unit import Store

REASON = ("--reason", "as the guide says")


@dataclass(slots=True, kw_only=True)
class Operator:
    """The bridge under it is a process of its own; `environment` is what to start it with."""

    scene: Scene
    ordered: bool = False
    """Whether the agreement guarantees the order."""
    capture: pytest.CaptureFixture[str]
    environment: dict[str, str] = field(
        default_factory=lambda: {
            "BRIDGE__PARTNER_LISTENER__PORT": str(free_port()),
            "BRIDGE__CONSOLE__LOGIN": "local",
        }
    )

    async def types(self, *arguments: str, code: int = 0) -> str:
        """What the command prints. It must end with this code."""
        self.capture.readouterr()
        ended = await asyncio.to_thread(main, [*arguments, "--config", str(self.scene.config)])
        out, err = self.capture.readouterr()
        assert ended == code, (arguments, out, err)
        return out

    async def asks(self, *arguments: str, code: int = 0) -> list[dict[str, Any]]:
        """The documents that the command prints."""
        printed = await self.types(*arguments, "--json", code=code)
        return [json.loads(line) for line in printed.splitlines()]

    async def until(self, what: Callable[[], Any]) -> None:
        while not what():  # noqa: ASYNC110 - the store of another process has no event
            await asyncio.sleep(0.1)

    async def send(self, conversation: str, number: int, payload: bytes | None = None) -> str:
        """A report of the partner, taken but not yet acknowledged; its MessageId."""
        report = SAMPLE.read_bytes().replace(b"BVH-2026-000042", conversation.encode())
        reference = f"ref-{conversation}-{number}".encode()
        sent = await self.scene.partner.send(
            payload or report.replace(b"demo-2026-11-000042", reference),
            "vtMelding",
            conversation_id=conversation,
            message_id=f"{conversation}-{number}@partner",
            number=number if self.ordered else None,
        )
        return sent.message_id

    def use_store(self, url: str) -> None:
        """Write another store in the settings."""
        config, former = self.scene.config, load_settings(self.scene.config, {}).store.url
        written = former if former.startswith("postgresql") else "sqlite:///bridge.sqlite3"
        text = config.read_text(encoding="utf-8")
        assert written in text
        config.write_text(text.replace(written, url), encoding="utf-8")

    def store(self) -> Store:
        settings = load_settings(self.scene.config, {}).store
        return Store.open(settings.url, masters=load_master_keys(settings.encryption))

    def count(self, table: str, **equal: Any) -> int:
        rows = tables.metadata.tables[table]
        wanted = [rows.c[name] == value for name, value in equal.items()]
        query = select(func.count()).select_from(rows).where(*wanted)
        with self.store() as store:
            return store.read_sync(lambda tx: tx.scalar(query)) or 0

    def give_up_publishing(self) -> None:
        """The one job that waits for the hub becomes a dead letter."""
        row = tables.job.c
        dead = {"state": JobState.DEAD, "reason": "given up", "ended_at": datetime.now(UTC)}
        change = update(tables.job).where(row.kind == "publish", row.state == JobState.READY).values(dead)
        with self.store() as store:
            assert store.write_sync(lambda tx: tx.execute(change).rowcount) == 1

    async def seal(self) -> None:
        """Everything until now is sealed, and the log tells the head."""
        (before,) = await self.asks("job", "list", "--kind", "seal")
        await self.types("job", "hurry", before["key"], *REASON)

        def sealed() -> bool:
            with self.store() as store:
                job = store.read_sync(lambda tx: get_job(tx, Key("seal")))
            return job.leased_by is None and job.due > datetime.fromisoformat(before["due"])

        await self.until(sealed)


def free_port() -> int:
    """A port of loopback that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
