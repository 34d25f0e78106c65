"""Flow, verify: once a day the hash chain over the journal is checked; what does not fit becomes an alert.

It takes minutes of computing per million messages, in the process that also answers partners. So it goes a step at a
time and rests in between.
"""

from __future__ import annotations

from datetime import timedelta
from functools import partial

from sqlalchemy.engine import Connection

from bridge.flow.bridge import Bridge
from bridge.flow.conditions import JOURNAL
from bridge.flow.pace import Shift
from bridge.ids import Key
from bridge.log import get_logger
from bridge.store.chain import Verification
from bridge.store.cursors import set_cursor
from bridge.store.jobs import add_standing_job, retry_job
from bridge.store.rows import Job

KIND = "verify-journal"

_KEY = Key("verify-journal")
_INTERVAL = timedelta(hours=24)

_log = get_logger()


def start_verifying(tx: Connection, bridge: Bridge) -> None:
    """Make sure that the job is there. Doing it twice is harmless."""
    add_standing_job(tx, key=_KEY, kind=KIND, endpoint=None, at=bridge.now())


async def verify_journal(bridge: Bridge, job: Job) -> None:
    """Check every seal, in pieces, and note how many lines do not fit."""
    check, faults, shift = Verification(), 0, Shift(bridge=bridge, job=job)
    for part in (partial(check.check_seals, seals=1), check.check_unsealed):
        more = True
        while more:
            more, found = await shift.do(bridge.store.read(part))
            faults += len(found)
            for fault in found:
                _log.error("journal.broken", reason=str(fault))

    def work(tx: Connection) -> None:
        now = bridge.now()
        set_cursor(tx, JOURNAL, str(faults), now)
        retry_job(tx, shift.job, due=now + _INTERVAL, reason="comes back", at=now)

    await bridge.store.write(work)
