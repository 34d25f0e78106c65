"""Flow, seal: the lines of the journal that were written since get their place in the hash chain.

One job for all processes. What to seal is read and hashed over a snapshot; only the finished seal is written, so
that receiving waits for one insert at most. The log line of each seal is its copy outside the database.
"""

from __future__ import annotations

from datetime import timedelta
from functools import partial

from sqlalchemy.engine import Connection

from bridge.flow.bridge import Bridge
from bridge.ids import Key
from bridge.log import get_logger
from bridge.store.chain import add_seal, in_groups, next_seal
from bridge.store.jobs import add_standing_job, retry_job
from bridge.store.rows import Job

KIND = "seal"

_KEY = Key("seal")
_INTERVAL = timedelta(minutes=1)
_MOST = 50
"""Seals of one run; when there is more to do, the next run follows at once."""

_log = get_logger()


def start_sealing(tx: Connection, bridge: Bridge) -> None:
    """Make sure that the job is there. Doing it twice is harmless."""
    add_standing_job(tx, key=_KEY, kind=KIND, endpoint=None, at=bridge.now())


async def seal_journal(bridge: Bridge, job: Job) -> None:
    """Seal what has no seal yet, and come back after the interval."""
    now = bridge.now()
    made = 0
    while made < _MOST:
        seal = await bridge.store.read(lambda tx: next_seal(tx, at=now))
        if seal is None or not await bridge.store.write(partial(add_seal, seal=seal)):
            break
        made += 1
        _log.info("journal.sealed", number=seal.number, digest=in_groups(seal.digest), lines=seal.lines)
    due = now if made == _MOST else now + _INTERVAL
    await bridge.store.write(lambda tx: retry_job(tx, job, due=due, reason="comes back", at=bridge.now()))
