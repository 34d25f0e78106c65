"""Flow, expire: what waits for a paused partner until its TimeToLive is over is ended, and a person is told.

After TimeToLive the receiver must refuse the octets (ebMS 2.0 section 3.1.6.4), so they are never sent. While a
partner is paused no worker takes his deliveries up and nobody would see that their time is over. The message stays,
whole, and can be sent anew: as a new message with a new TimeToLive, when a person says so.

One job for all processes.
"""

from __future__ import annotations

from datetime import timedelta
from functools import partial

from sqlalchemy.engine import Connection

from bridge import metrics
from bridge.ebms.sending import expired
from bridge.flow.bridge import Bridge
from bridge.flow.context import partner_named
from bridge.flow.failure import keep_failure, log_failure
from bridge.flow.outgoing import DELIVER
from bridge.flow.sent import is_settled, was_sent
from bridge.ids import Key
from bridge.store.channels import find_channel, list_channels
from bridge.store.jobs import add_standing_job, finish_free_jobs_about, overdue_about, retry_job
from bridge.store.messages import get_message
from bridge.store.rows import Job, Message, MessageState

KIND = "expire"

_KEY = Key("expire")
_INTERVAL = timedelta(seconds=30)
_MOST = 200
"""Messages of one partner in one run; when there are more, the next run follows at once."""


def start_expiring(tx: Connection, bridge: Bridge) -> None:
    """Make sure that the job is there. Doing it twice is harmless."""
    add_standing_job(tx, key=_KEY, kind=KIND, endpoint=None, at=bridge.now())


async def expire(bridge: Bridge, job: Job) -> None:
    """End what is too late behind a pause, and come back."""
    now = bridge.now()
    late = await bridge.store.read(lambda tx: _late(tx, bridge))
    for endpoint, key in late:
        ended = await bridge.store.write(partial(_end, bridge=bridge, endpoint=endpoint, key=key))
        if ended is not None:
            row, reason = ended
            metrics.delivery_ended(
                partner_named(bridge, row.to_party), row.action, MessageState.EXPIRED.value
            )
            log_failure(row, MessageState.EXPIRED, reason=reason)
    due = now if len(late) >= _MOST else now + _INTERVAL
    await bridge.store.write(lambda tx: retry_job(tx, job, due=due, reason="comes back", at=bridge.now()))


def _late(tx: Connection, bridge: Bridge) -> list[tuple[str, Key]]:
    now = bridge.now()
    return [
        (channel.endpoint, key)
        for channel in list_channels(tx)
        if channel.paused
        for key in overdue_about(tx, kind=DELIVER, endpoint=channel.endpoint, now=now, limit=_MOST)
    ]


def _end(tx: Connection, bridge: Bridge, endpoint: str, key: Key) -> tuple[Message, str] | None:
    """None when it went on meanwhile: the partner was resumed, a worker has it, or an acknowledgment came."""
    now, row, channel = bridge.now(), get_message(tx, key), find_channel(tx, endpoint)
    if channel is None or not channel.paused or is_settled(row):
        return None
    if not finish_free_jobs_about(tx, kind=DELIVER, subject_key=key, at=now):
        return None
    reason = expired(row.attempts, sent=was_sent(tx, row)).reason
    keep_failure(tx, row, MessageState.EXPIRED, what="message.expired", reason=reason, told="", at=now)
    return row, reason
