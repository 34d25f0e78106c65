"""Which runner does which kind of job, and what happens to a job that nobody could do."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from sqlalchemy.engine import Connection

from bridge.flow import (
    alerts,
    compose,
    deliver,
    expire,
    health,
    map,
    order,
    publish,
    pull,
    purge,
    revocation,
    runs,
    seal_journal,
    signal,
    verify_journal,
)
from bridge.flow.bridge import Bridge
from bridge.flow.exchange import settle_exchange
from bridge.flow.worker import JobRunner, Worker
from bridge.ids import Key
from bridge.store.events import get_event
from bridge.store.messages import get_message
from bridge.store.rows import Job
from bridge.store.timeline import add_step

RUNNERS: Mapping[str, JobRunner] = {
    map.KIND: map.map_message,
    order.KIND: order.look_after,
    publish.KIND: publish.publish,
    pull.KIND: pull.pull,
    compose.KIND: compose.compose,
    deliver.KIND: deliver.deliver,
    expire.KIND: expire.expire,
    signal.KIND: signal.post_signal,
    seal_journal.KIND: seal_journal.seal_journal,
    purge.KIND: purge.purge,
    revocation.KIND: revocation.fetch_lists,
    health.KIND: health.tell_health,
    runs.KIND: runs.carry_out,
    alerts.KIND: alerts.watch,
    verify_journal.KIND: verify_journal.verify_journal,
    alerts.DELIVERY: alerts.deliver_alert,
}

_ABOUT_EVENTS = {publish.KIND, compose.KIND}
_ABOUT_MESSAGES = {map.KIND, order.KIND, deliver.KIND, signal.KIND}


def make_worker(bridge: Bridge, *, name: str) -> Worker:
    """A worker that does every kind of job, and that the flows of this bridge wake."""
    worker = Worker(bridge, RUNNERS, name=name, on_buried=tell_operator)
    bridge.wake = worker.wake
    return worker


def tell_operator(tx: Connection, job: Job, now: datetime) -> None:
    """A job that was given up makes its exchange ask for attention."""
    exchange = _exchange_of(tx, job)
    if exchange is None:
        return
    add_step(
        tx,
        exchange=exchange,
        at=now,
        side="bridge",
        what="job.buried",
        outcome="failed",
        detail={"job_id": job.key, "kind": job.kind},
    )
    settle_exchange(tx, exchange, at=now)


def _exchange_of(tx: Connection, job: Job) -> Key | None:
    if job.kind in _ABOUT_EVENTS:
        return get_event(tx, job.subject_key).exchange
    if job.kind in _ABOUT_MESSAGES:
        return get_message(tx, job.subject_key).exchange
    return None
