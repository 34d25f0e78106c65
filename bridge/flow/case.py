"""One received message under judgement, and what the store keeps of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import BinaryIO

from sqlalchemy.engine import Connection

from bridge.ebms.cpa_terms import Terms
from bridge.ebms.mime import Package
from bridge.ebms.model import Message
from bridge.ebms.read import Received
from bridge.ebms.receiving_model import Accepted, Known, Peer
from bridge.flow import signal
from bridge.flow.seal import HeaderBlock, Sealed, write_headers
from bridge.ids import Key
from bridge.store.blobs import put_blob
from bridge.store.exchanges import open_exchange
from bridge.store.messages import add_evidence, add_payload
from bridge.store.rows import (
    Direction,
    Evidence,
    EvidenceKind,
    Exchange,
    ExchangeDirection,
    ExchangeState,
    MessageState,
    Payload,
)
from bridge.store.rows import Message as MessageRow
from bridge.store.timeline import add_step


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpAnswer:
    """What the partner listener answers."""

    status: int
    headers: HeaderBlock = ()
    body: bytes = field(default=b"", repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One POST as it came in: who sent it, its headers, its raw octets, and the package made of them."""

    peer: Peer
    headers: HeaderBlock
    raw: BinaryIO
    package: Package
    named_action: str | None = None
    """What `soap_action.named_action` says of its SOAPAction."""
    in_response: bool = False
    """It stood in the HTTP response to a message of ours."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One message under judgement, with what every step needs to know of it."""

    request: Request
    received: Received
    known: Known
    terms: Terms | None
    digest: str
    at: datetime

    @property
    def message(self) -> Message:
        return self.received.message


def row_of(
    case: Case, *, key: Key, exchange: Key, state: MessageState, reason: str | None = None
) -> MessageRow:
    header = case.message.header
    return MessageRow(
        key=key,
        exchange=exchange,
        direction=Direction.IN,
        kind=case.message.kind,
        message_id=header.message_id,
        ref_to_message_id=header.ref_to_message_id,
        conversation_id=header.conversation_id,
        cpa_id=header.cpa_id,
        from_party=header.from_party.party_ids[0].value,
        from_role=header.from_party.role,
        to_party=header.to_party.party_ids[0].value,
        to_role=header.to_party.role,
        service=header.service.value,
        service_type=header.service.type,
        action=header.action,
        state=state,
        reason=reason,
        at=case.at,
        changed_at=case.at,
        time_to_live=header.time_to_live,
        timestamp=header.timestamp,
        digest=case.digest,
    )


def open_case(tx: Connection, row: MessageRow, state: ExchangeState, reason: str | None) -> None:
    """The exchange that the message begins."""
    open_exchange(
        tx,
        Exchange(
            key=row.exchange,
            direction=ExchangeDirection.TO_HUB,
            started_at=row.at,
            changed_at=row.at,
            partner=row.from_party,
            title=row.action,
            state=state,
            reason=reason,
            conversation_id=row.conversation_id,
        ),
    )


def keep_payloads(tx: Connection, key: Key, opened: Received, accepted: Accepted) -> None:
    by_id = {part.content_id: part for part in opened.message.parts}
    for position, content_id in enumerate(accepted.content_ids):
        part = by_id[content_id]
        with part.content.open() as octets:
            blob, size = put_blob(tx, octets)
        add_payload(
            tx,
            Payload(
                message=key,
                position=position,
                content_id=content_id,
                content_type=part.content_type,
                filename=part.filename,
                blob=blob,
                size=size,
            ),
        )


def keep_received(tx: Connection, case: Case, key: Key) -> None:
    """Exactly what came over the wire."""
    case.request.raw.seek(0)
    blob, _ = put_blob(tx, case.request.raw)
    add_evidence(
        tx,
        Evidence(
            message=key,
            kind=EvidenceKind.RECEIVED,
            headers=write_headers(case.request.headers),
            blob=blob,
            at=case.at,
        ),
    )


def keep_answer(
    tx: Connection, case: Case, row: MessageRow, answer: Sealed, what: str, job: Key | None
) -> None:
    """The answer for now and for every repeat; with a job to post it when it goes by a POST of its own."""
    with answer.content.open() as stream:
        blob, _ = put_blob(tx, stream)
    add_evidence(
        tx,
        Evidence(
            message=row.key,
            kind=EvidenceKind.ANSWER,
            headers=write_headers(answer.headers),
            blob=blob,
            at=case.at,
        ),
    )
    if job is not None:
        signal.add_answer_job(tx, row, key=job, at=case.at)
    add_step(
        tx,
        exchange=row.exchange,
        at=case.at,
        side="ebms",
        what="answer.stored",
        outcome="ok",
        detail={"signal": what, "way": "in the HTTP response" if job is None else "by a POST of its own"},
    )


def ids_of(case: Case) -> dict[str, str]:
    header = case.message.header
    return {
        "message_id": header.message_id,
        "conversation_id": header.conversation_id,
        "cpa_id": header.cpa_id,
        "from_party": str(header.from_party),
        "action": header.action,
    }


def notes_of(flags: tuple[str, ...]) -> dict[str, str]:
    return {"notes": "; ".join(flags)} if flags else {}
