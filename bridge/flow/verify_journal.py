"""Flow, verify: once a day the hash chain over the journal is checked; what does not fit becomes an alert.

It takes minutes of computing per million messages, in the process that also answers partners. So it goes a step at a
time and rests in between.
"""

from __future__ import annotations

import asyncio
from datetime import timedelta
from functools import partial

from sqlalchemy.engine import Connection

from bridge.flow.bridge import Bridge
from bridge.flow.conditions import JOURNAL
from bridge.ids import Key
from bridge.log import get_logger
from bridge.store.chain import Verification
from bridge.store.cursors import set_cursor
from bridge.store.jobs import add_standing_job, renew_lease, retry_job
from bridge.store.rows import Job

KIND = "verify-journal"

_KEY = Key("verify-journal")
_INTERVAL = timedelta(hours=24)
_REST = 9
"""So many times as long as a step took it rests after it: it has a tenth of one processor at most."""

_log = get_logger()


def start_verifying(tx: Connection, bridge: Bridge) -> None:
    """Make sure that the job is there. Doing it twice is harmless."""
    add_standing_job(tx, key=_KEY, kind=KIND, endpoint=None, at=bridge.now())


async def verify_journal(bridge: Bridge, job: Job) -> None:
    """Check every seal, in pieces, and note how many lines do not fit."""
    check, faults, lease = Verification(), 0, bridge.settings.worker.lease
    clock = asyncio.get_running_loop().time
    for part in (partial(check.check_seals, seals=1), check.check_unsealed):
        more = True
        while more:
            began = clock()
            more, found = await bridge.store.read(part)
            faults += len(found)
            for fault in found:
                _log.error("journal.broken", reason=str(fault))
            job = await bridge.store.write(partial(renew_lease, job=job, now=bridge.now(), lease=lease))
            if more:
                await asyncio.sleep(min(_REST * (clock() - began), lease.total_seconds() / 3))

    def work(tx: Connection) -> None:
        now = bridge.now()
        set_cursor(tx, JOURNAL, str(faults), now)
        retry_job(tx, job, due=now + _INTERVAL, reason="comes back", at=now)

    await bridge.store.write(work)
