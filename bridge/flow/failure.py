"""The end of a message that was not delivered: the one place where a delivery failure is made known.

ebMS 2.0 section 7.2.5 reports a DeliveryFailure to the From party's application. For messages of the bridge that is
the operator: the exchange asks for attention, the timeline says why, and the log has an error line.
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy.engine import Connection

from bridge.ebms.model import ErrorCode, Severity
from bridge.ebms.sending import NEVER_SENT
from bridge.flow.exchange import settle_exchange
from bridge.flow.peers import own_words
from bridge.log import get_logger
from bridge.store.messages import set_message_state
from bridge.store.rows import Message, MessageState
from bridge.store.timeline import add_step

_log = get_logger()


def keep_failure(
    tx: Connection, row: Message, state: MessageState, *, what: str, reason: str, told: str, at: datetime
) -> None:
    """Store that the message failed or expired, in the transaction that ends its delivery.

    `told` is what the partner said of it in words of its own: content.
    """
    set_message_state(tx, row.key, state, at=at, reason=reason)
    add_step(
        tx,
        exchange=row.exchange,
        at=at,
        side="ebms",
        what=what,
        outcome="failed",
        detail={
            "message_id": row.message_id,
            "reason": reason,
            "error_code": ErrorCode.DELIVERY_FAILURE,
            "severity": severity_of(state, reason),
        },
        told=told,
    )
    settle_exchange(tx, row.exchange, at=at)


def log_failure(row: Message, state: MessageState, *, reason: str) -> None:
    """After the commit: an error, since somebody must act now."""
    _log.error(
        f"message.{state.value}",
        message_id=row.message_id,
        cpa_id=row.cpa_id,
        to_party=row.to_party,
        action=row.action,
        error_code=ErrorCode.DELIVERY_FAILURE,
        severity=severity_of(state, reason),
        reason=own_words(reason),
    )


def severity_of(state: MessageState, reason: str) -> Severity:
    """Warning: nobody acknowledged it, yet it may have arrived. Error: it certainly was not delivered."""
    may_have_arrived = state is MessageState.EXPIRED and reason != NEVER_SENT
    return Severity.WARNING if may_have_arrived else Severity.ERROR
