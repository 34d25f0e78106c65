"""What a partner's signal does to a message of ours: its state, the evidence, the end of its delivery job.

A signal may come while an attempt is under way, twice at the same time, or long after the message expired. So what
it means is decided inside the transaction, by the state that the message has then.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy.engine import Connection

from bridge import metrics
from bridge.ebms import signals as judgement
from bridge.ebms.receiving_model import Ignore
from bridge.flow import tracing
from bridge.flow.bridge import Bridge
from bridge.flow.context import partner_named
from bridge.flow.exchange import settle_exchange
from bridge.flow.failure import keep_failure, log_failure
from bridge.flow.outgoing import DELIVER
from bridge.flow.seal import HeaderBlock, write_headers
from bridge.flow.sent import is_settled
from bridge.ids import Key
from bridge.log import get_logger
from bridge.store.blobs import put_blob
from bridge.store.jobs import finish_jobs_about
from bridge.store.messages import add_evidence, get_message, set_message_state
from bridge.store.rows import Evidence, EvidenceKind, MessageState
from bridge.store.rows import Message as MessageRow
from bridge.store.timeline import add_step

Verdict = (
    judgement.Acknowledges | judgement.FailsMessage | judgement.LateSignal | judgement.AnswersRequest | Ignore
)
"""`Ignore`: a signal of its receiver that changes nothing, such as a warning, or a receipt that is none."""

IGNORED = "signal.ignored"

_log = get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class Effect:
    """What is stored: the new state (None: it stays), and the step."""

    what: str
    outcome: str
    state: MessageState | None = None
    reason: str | None = None
    told: str = field(default="", repr=False)
    """What the partner said in words of its own: content."""


async def settle(
    bridge: Bridge, row: MessageRow, verdict: Verdict, *, octets: bytes, headers: HeaderBlock
) -> None:
    """Store what the signal means for the message."""
    now = bridge.now()
    with tracing.span("message.settle", row.exchange, message_id=row.message_id):
        effect = await bridge.store.write(
            lambda tx: keep_verdict(tx, row.key, verdict, octets=octets, headers=headers, at=now)
        )
    log_effect(bridge, row, effect)


def keep_verdict(
    tx: Connection, key: Key, verdict: Verdict, *, octets: bytes, headers: HeaderBlock, at: datetime
) -> Effect:
    """As `settle`, within a transaction; `log_effect` after its commit."""
    row = get_message(tx, key)
    effect = _effect(verdict, row)
    _keep_signal(tx, row, verdict, octets, headers, at)
    if effect.state is MessageState.FAILED:
        finish_jobs_about(tx, kind=DELIVER, subject_key=key, at=at)
        keep_failure(
            tx, row, effect.state, what=effect.what, reason=effect.reason or "", told=effect.told, at=at
        )
        return effect
    add_step(
        tx,
        exchange=row.exchange,
        at=at,
        side="ebms",
        what=effect.what,
        outcome=effect.outcome,
        detail={"message_id": row.message_id} | ({"reason": effect.reason} if effect.reason else {}),
    )
    if effect.state is not None:
        set_message_state(tx, key, effect.state, at=at, reason=effect.reason)
        finish_jobs_about(tx, kind=DELIVER, subject_key=key, at=at)
        settle_exchange(tx, row.exchange, at=at)
    return effect


def log_effect(bridge: Bridge, row: MessageRow, effect: Effect) -> None:
    """After the commit."""
    if effect.state is not None:
        metrics.delivery_ended(partner_named(bridge, row.to_party), row.action, effect.state.value)
    if effect.state is MessageState.FAILED:
        log_failure(row, effect.state, reason=effect.reason or "")
        return
    tell = _log.warning if effect.what == IGNORED else _log.info
    tell(effect.what, message_id=row.message_id, outcome=effect.outcome, reason=effect.reason)


def _effect(verdict: Verdict, current: MessageRow) -> Effect:
    """The verdict was given on what was read before; the state in this transaction decides."""
    match verdict:
        case Ignore(reason=reason):
            return Effect(what=IGNORED, outcome="info", reason=reason)
        case judgement.AnswersRequest(message_status=status):
            return Effect(
                what="request.answered", outcome="ok", state=MessageState.ACKNOWLEDGED, reason=status
            )
        case judgement.FailsMessage(reason=reason, told=told) if not is_settled(current):
            return Effect(
                what="message.refused_by_partner",
                outcome="failed",
                state=MessageState.FAILED,
                reason=reason,
                told=told,
            )
        case judgement.Acknowledges(flags=flags) if not is_settled(current):
            return Effect(
                what="message.acknowledged",
                outcome="ok",
                state=MessageState.ACKNOWLEDGED,
                reason="; ".join(flags) or None,
            )
        case judgement.Acknowledges() | judgement.LateSignal(acknowledges=True):
            if current.state in (MessageState.FAILED, MessageState.EXPIRED):
                return Effect(
                    what="message.acknowledged_late",
                    outcome="ok",
                    state=MessageState.ACKNOWLEDGED,
                    reason="acknowledged late",
                )
            return Effect(what="signal.repeated", outcome="info")
        case _:
            return Effect(what="signal.late", outcome="info")


def _keep_signal(
    tx: Connection,
    row: MessageRow,
    verdict: Verdict,
    octets: bytes,
    headers: HeaderBlock,
    at: datetime,
) -> None:
    """The proof of receipt, or of refusal, exactly as it came (non-repudiation of receipt)."""
    proves = isinstance(verdict, judgement.Acknowledges | judgement.AnswersRequest)
    proves = proves or (isinstance(verdict, judgement.LateSignal) and verdict.acknowledges)
    blob, _ = put_blob(tx, octets)
    add_evidence(
        tx,
        Evidence(
            message=row.key,
            kind=EvidenceKind.ACKNOWLEDGMENT if proves else EvidenceKind.ERROR,
            headers=write_headers(headers),
            blob=blob,
            at=at,
        ),
    )
