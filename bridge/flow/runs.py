"""Mending many at once: a plan first, then a run in the store that a worker carries out and everybody can follow.

Each exchange is mended in a transaction of its own, oldest first, so that one that cannot be mended does not hold the
others. A process that dies leaves the run where it was; another worker goes on with it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

from sqlalchemy import Connection

from bridge.errors import BridgeError
from bridge.flow.bridge import Bridge
from bridge.flow.causes import keys_of, mend_exchange
from bridge.flow.mend import resolve
from bridge.flow.mend_model import Actor, CannotMend, EffectKind, Mended, check_reason, write_audit
from bridge.ids import Key
from bridge.store.exchanges import get_exchange
from bridge.store.jobs import add_job, finish_job, retry_job
from bridge.store.rows import (
    CauseOwner,
    ExchangeState,
    ItemOutcome,
    Job,
    MendItem,
    MendRun,
    RunState,
    RunWhat,
    Step,
)
from bridge.store.runs import (
    add_run,
    drop_cause,
    end_run,
    get_run,
    items_of,
    note_item,
    owners_of,
    take_cause,
)
from bridge.store.timeline import steps_of

KIND = "mend-run"

MOST_AT_ONCE = 500
"""Exchanges of one run: more than that a person should not set going with one button."""

MOST_PLANNED = 25
"""So many are tried out for a plan; the others are of the same cause."""

_BATCH = 10
_PRIORITY = 60
"""After what comes in and goes out: mending the past must not hold the present."""

_NOT_HERE = "nothing in it can be mended here: its sender must act, or settle it"
_AGAIN = (
    "the run went on with it, was stopped before it could note that, and it came to a stop again: look at it"
)
_WENT_ON = frozenset(
    {"message.replayed", "message.resent", "message.sent_again", "event.retried", "event.released"}
)
"""The steps of mending by which something is sent or offered."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What a run would do. `effects` counts over the first `looked_at` exchanges of the `total`."""

    total: int
    looked_at: int
    effects: Mapping[EffectKind, int]
    impossible: tuple[tuple[Key, str], ...]
    """Those of the ones looked at that would not be done, and why."""


async def plan_run(bridge: Bridge, cause: str, what: RunWhat, *, limit: int, by: Actor) -> Plan:
    """Try out, change nothing."""
    keys = await bridge.store.read(lambda tx: keys_of(tx, cause, limit=limit))
    return await plan_for(bridge, keys, what, by=by)


async def plan_for(bridge: Bridge, keys: Sequence[Key], what: RunWhat, *, by: Actor) -> Plan:
    """The same, of exchanges that are known."""
    looked_at = keys[:MOST_PLANNED]
    effects: Counter[EffectKind] = Counter()
    impossible: list[tuple[Key, str]] = []
    for key in looked_at:
        try:
            mended = await _do(bridge, key, what, dry_run=True, by=by, reason="")
        except BridgeError as error:
            impossible.append((key, str(error)))
            continue
        effects.update(effect.kind for effect in mended.effects)
        if not mended.effects or any(effect.kind is EffectKind.STOPS for effect in mended.effects):
            impossible.append((key, why_not(mended)))
    return Plan(total=len(keys), looked_at=len(looked_at), effects=effects, impossible=tuple(impossible))


async def start_run(
    bridge: Bridge, cause: str, what: RunWhat, *, limit: int, by: Actor, reason: str
) -> MendRun:
    """Put a run over the oldest exchanges of a cause in the queue. Raises CannotMend."""
    reason = check_reason(reason)
    if not 0 < limit <= MOST_AT_ONCE:
        raise CannotMend(f"choose a number from 1 to {MOST_AT_ONCE}")

    def work(tx: Connection) -> MendRun:
        now = bridge.now()
        run = MendRun(
            key=bridge.new_key(),
            at=now,
            by=by.name,
            role=by.role,
            way=by.way,
            what=what,
            cause=cause,
            reason=reason,
        )
        keys = keys_of(tx, cause, limit=limit)
        if not keys:
            raise CannotMend(
                f"nothing asks for attention by cause {cause}; `bridge exchange causes` lists them"
            )
        add_run(tx, run, keys)
        add_job(tx, key=bridge.new_key(), kind=KIND, subject_key=run.key, due=now, at=now, priority=_PRIORITY)
        write_audit(
            tx, bridge, by, "run.started", run.key, reason, what=what, cause=cause, count=str(len(keys))
        )
        return run

    run = await bridge.store.write(work)
    bridge.wake()
    return run


async def stop_run(bridge: Bridge, key: Key, *, by: Actor, reason: str) -> None:
    """Try no more of it. What was mended stays mended. Raises CannotMend, NoSuchRow."""
    reason = check_reason(reason)

    def work(tx: Connection) -> None:
        if get_run(tx, key).state is not RunState.RUNNING:
            raise CannotMend("it has ended already")
        end_run(tx, key, RunState.STOPPED, at=bridge.now())
        write_audit(tx, bridge, by, "run.stopped", key, reason)

    await bridge.store.write(work)


async def carry_out(bridge: Bridge, job: Job) -> None:
    """The next few exchanges of a run; comes back until all were tried or a person stops it."""
    run, items = await bridge.store.read(
        lambda tx: (
            get_run(tx, job.subject_key),
            items_of(tx, job.subject_key, ItemOutcome.WAITING, limit=_BATCH),
        )
    )
    by = Actor(name=run.by, role=run.role, way=run.way)
    if run.state is RunState.RUNNING:
        for item in items:
            done = await _mend(bridge, run, item, by)
            await bridge.store.write(partial(note_item, item=done))

    def work(tx: Connection) -> None:
        now = bridge.now()
        if get_run(tx, run.key).state is not RunState.RUNNING:
            finish_job(tx, job, at=now)
        elif items_of(tx, run.key, ItemOutcome.WAITING, limit=1):
            retry_job(tx, job, due=now, reason="more to do", at=now)
        else:
            end_run(tx, run.key, RunState.DONE, at=now)
            finish_job(tx, job, at=now)

    await bridge.store.write(work)


async def _mend(bridge: Bridge, run: MendRun, item: MendItem, by: Actor) -> MendItem:
    exchange, steps = await bridge.store.read(
        lambda tx: (get_exchange(tx, item.exchange), steps_of(tx, item.exchange))
    )
    if exchange.state is not ExchangeState.ATTENTION:
        # Mended meanwhile: by a person, or by a process that died before it could note this.
        return replace(item, outcome=ItemOutcome.DONE)
    if any(_is_of(run, step) for step in steps):
        return replace(item, outcome=ItemOutcome.FAILED, why=_AGAIN)
    try:
        mended = await _do(bridge, item.exchange, run.what, dry_run=False, by=by, reason=run.reason)
    except BridgeError as error:
        return replace(item, outcome=ItemOutcome.FAILED, why=str(error))
    if mended.done:
        return replace(item, outcome=ItemOutcome.DONE)
    return replace(item, outcome=ItemOutcome.FAILED, why=why_not(mended))


def _is_of(run: MendRun, step: Step) -> bool:
    """Whether the run took this step. It is stored with what is sent by it: who died left both, or none."""
    ours = step.by == run.by and step.detail.get("reason") == run.reason
    return ours and step.what in _WENT_ON and step.at >= run.at


async def _do(
    bridge: Bridge, exchange: Key, what: RunWhat, *, dry_run: bool, by: Actor, reason: str
) -> Mended:
    if what is RunWhat.SETTLE:
        return await resolve(bridge, exchange, note=reason, dry_run=dry_run, by=by)
    return await mend_exchange(bridge, exchange, dry_run=dry_run, by=by, reason=reason)


def why_not(mended: Mended) -> str:
    """Why something was not mended, as the effects tell it."""
    reasons = [effect.reason for effect in mended.effects if effect.reason]
    return "; ".join(reasons) or _NOT_HERE


async def take_up(bridge: Bridge, cause: str, *, by: Actor, note: str) -> None:
    """`by` picks this cause up; whoever had it before has it no longer. Raises CannotMend."""
    note = check_reason(note)

    def work(tx: Connection) -> None:
        take_cause(tx, CauseOwner(cause=cause, at=bridge.now(), owner=by.name, note=note))
        write_audit(tx, bridge, by, "cause.taken", cause, note)

    await bridge.store.write(work)


async def put_down(bridge: Bridge, cause: str, *, by: Actor, note: str) -> None:
    """Nobody has this cause any longer. Raises CannotMend."""
    note = check_reason(note)

    def work(tx: Connection) -> None:
        if cause not in owners_of(tx, [cause]):
            raise CannotMend("nobody has taken it up")
        drop_cause(tx, cause)
        write_audit(tx, bridge, by, "cause.dropped", cause, note)

    await bridge.store.write(work)
