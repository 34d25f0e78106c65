"""Which runner does which kind of job, and what happens to a job that nobody could do."""

from __future__ import annotations

from collections.abc import Mapping

from sqlalchemy.engine import Connection

from bridge.flow import (
    alerts,
    compose,
    deliver,
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
from bridge.flow.worker import JobRunner, Worker
from bridge.ids import Key
from bridge.log import get_logger
from bridge.store.events import get_event
from bridge.store.exchanges import set_exchange
from bridge.store.messages import get_message
from bridge.store.rows import ExchangeState, Job
from bridge.store.timeline import add_step

RUNNERS: Mapping[str, JobRunner] = {
    map.KIND: map.map_message,
    order.KIND: order.look_after,
    publish.KIND: publish.publish,
    pull.KIND: pull.pull,
    compose.KIND: compose.compose,
    deliver.KIND: deliver.deliver,
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

_log = get_logger()


def make_worker(bridge: Bridge, *, name: str) -> Worker:
    """A worker that does every kind of job, and that the flows of this bridge wake."""
    worker = Worker(bridge, RUNNERS, name=name, on_buried=tell_operator)
    bridge.wake = worker.wake
    return worker


async def tell_operator(bridge: Bridge, job: Job) -> None:
    """A job that was given up makes its exchange ask for attention."""
    now = bridge.now()
    _log.error("job.buried", job_id=job.key, kind=job.kind, attempts=job.attempts)

    def work(tx: Connection) -> None:
        exchange = _exchange_of(tx, job)
        if exchange is None:
            return
        reason = f"the job {job.kind} failed {job.attempts} times in a way that nobody foresaw"
        set_exchange(tx, exchange, state=ExchangeState.ATTENTION, reason=reason, at=now)
        add_step(
            tx,
            exchange=exchange,
            at=now,
            side="bridge",
            what="job.buried",
            outcome="failed",
            detail={"job_id": job.key, "kind": job.kind},
        )

    await bridge.store.write(work)


def _exchange_of(tx: Connection, job: Job) -> Key | None:
    if job.kind in _ABOUT_EVENTS:
        return get_event(tx, job.subject_key).exchange
    if job.kind in _ABOUT_MESSAGES:
        return get_message(tx, job.subject_key).exchange
    return None
