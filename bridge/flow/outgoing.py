"""A business message of ours, from its terms to the store: made, sealed, and kept with its delivery job."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

from sqlalchemy.engine import Connection

from bridge.ebms import ordering, sending
from bridge.ebms.content import discard_content
from bridge.ebms.cpa_resolve import Terms, outgoing_terms
from bridge.ebms.model import Part, Service
from bridge.errors import ConfigError
from bridge.flow import order
from bridge.flow.bridge import Bridge, OwnIdentity
from bridge.flow.exchange import REFUSED_BY, RESEND_OF, settle_exchange
from bridge.flow.seal import Sealed, seal, write_headers
from bridge.flow.sent import is_settled, spool_blob
from bridge.ids import ConversationId, CpaId, Key, MessageId, drawn_uuid
from bridge.log import get_logger
from bridge.store.blobs import put_blob
from bridge.store.jobs import add_job
from bridge.store.messages import (
    add_evidence,
    add_message,
    add_payload,
    find_by_message_id,
    get_message,
    payloads_of,
)
from bridge.store.rows import Direction, Evidence, EvidenceKind, MessageState, Payload
from bridge.store.rows import Message as MessageRow
from bridge.store.timeline import add_step

DELIVER = "deliver"
"""The kind of the delivery jobs, which an acknowledgment ends."""

NOTHING: Mapping[str, str] = {}

_log = get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class Outgoing:
    """A message ready to be stored and delivered."""

    row: MessageRow
    parts: tuple[Part, ...] = field(repr=False)
    sealed: Sealed
    job: Key
    number: order.Number | None
    """Its place in a conversation whose order is guaranteed."""


def make_outgoing(
    bridge: Bridge,
    terms: Terms,
    *,
    own: OwnIdentity,
    exchange: Key,
    parts: tuple[Part, ...],
    conversation_id: str | None = None,
    ref_to_message_id: str | None = None,
    subject: str | None = None,
    mapping: str | None = None,
    values: Mapping[str, str] = NOTHING,
    drawn_from: str | None = None,
) -> Outgoing:
    """The message that the terms ask for, signed and encrypted as they say. Waits: call it from a thread.

    With `drawn_from` its MessageId is always the same one, unless a message of ours has that already: a store that is
    put back from a backup makes again what went out since, and the partner must know it for a repeat.
    Raises ConfigError when the agreement or our keys do not allow it, or its size.
    """
    now = bridge.now()
    message = sending.outgoing_message(
        terms,
        message_id=_message_id(bridge, drawn_from),
        conversation_id=ConversationId(conversation_id or str(bridge.new_uuid())),
        timestamp=now,
        time_to_live=sending.plan(terms, now).time_to_live,
        ref_to_message_id=MessageId(ref_to_message_id) if ref_to_message_id else None,
        parts=parts,
    )
    number = None
    if terms.numbered:
        line = ordering.line_name(message, "out")
        number = bridge.store.read_sync(lambda tx: order.next_number(tx, line))
        message = replace(message, message_order=number.order)
    _check_parts(bridge, terms, parts)
    sealed = seal(bridge, message, own=own, signing=terms.signing, encryption=terms.encryption)
    _check_whole(bridge, terms, sealed)
    header = message.header
    partner = bridge.partner(header.to_party)
    row = MessageRow(
        key=bridge.new_key(),
        exchange=exchange,
        direction=Direction.OUT,
        kind=message.kind,
        message_id=header.message_id,
        ref_to_message_id=header.ref_to_message_id,
        conversation_id=header.conversation_id,
        cpa_id=header.cpa_id,
        from_party=own.party_id.value,
        from_role=header.from_party.role,
        to_party=partner.party_id if partner else header.to_party.party_ids[0].value,
        to_role=header.to_party.role,
        service=header.service.value,
        service_type=header.service.type,
        action=header.action,
        state=MessageState.CREATED,
        at=now,
        changed_at=now,
        time_to_live=header.time_to_live,
        subject=subject,
        mapping=mapping,
        values=values,
    )
    return Outgoing(row=row, parts=parts, sealed=sealed, job=bridge.new_key(), number=number)


def _message_id(bridge: Bridge, drawn_from: str | None) -> MessageId:
    if drawn_from is not None:
        drawn = drawn_uuid(bridge.settings.identifiers.namespace, drawn_from)
        id = MessageId(f"{drawn}@{bridge.message_id_domain}")
        if not bridge.store.read_sync(lambda tx: find_by_message_id(tx, id, direction=Direction.OUT)):
            return id
    return MessageId(bridge.new_local_id())


def _check_parts(bridge: Bridge, terms: Terms, parts: tuple[Part, ...]) -> None:
    limits = bridge.settings.agreements.limits_of(terms.cpa_id)
    most = limits.max_part_bytes if limits else None
    for part in parts:
        if most is not None and part.content.size > most:
            what = (
                f"a payload part of {part.content.size} octets is larger than the {most} of agreements.limits"
            )
            raise ConfigError([f"CPA {terms.cpa_id}: {what}"])


def _check_whole(bridge: Bridge, terms: Terms, sealed: Sealed) -> None:
    limits = bridge.settings.agreements.limits_of(terms.cpa_id)
    most = limits.max_message_bytes if limits else None
    if most is not None and sealed.content.size > most:
        discard_content(sealed.content)
        what = f"a message of {sealed.content.size} octets is larger than the {most} of agreements.limits"
        raise ConfigError([f"CPA {terms.cpa_id}: {what}"])


def keep_outgoing(tx: Connection, outgoing: Outgoing) -> None:
    """The message with its payload, its exact octets and its delivery job. The exchange must be there.

    Raises OutOfTurn when its number was given to another message meanwhile: make it anew.
    """
    row = outgoing.row
    keep_sent(tx, outgoing)
    add_job(
        tx,
        key=outgoing.job,
        kind=DELIVER,
        subject_key=row.key,
        ordering_key=order.delivery_order(tx, row),
        endpoint=row.to_party,
        due=row.at,
        at=row.at,
    )


def keep_sent(tx: Connection, outgoing: Outgoing) -> None:
    """As `keep_outgoing`, without the job: whoever keeps it sends it himself."""
    row = outgoing.row
    added = add_message(tx, row)
    assert added, "a fresh MessageId is never there already"
    if outgoing.number is not None:
        order.claim_number(tx, outgoing.number, row.key)
    for position, part in enumerate(outgoing.parts):
        with part.content.open() as stream:
            blob, size = put_blob(tx, stream)
        add_payload(
            tx,
            Payload(
                message=row.key,
                position=position,
                content_id=part.content_id,
                content_type=part.content_type,
                filename=part.filename,
                blob=blob,
                size=size,
            ),
        )
    with outgoing.sealed.content.open() as stream:
        octets, _ = put_blob(tx, stream)
    add_evidence(
        tx,
        Evidence(
            message=row.key,
            kind=EvidenceKind.SENT,
            headers=write_headers(outgoing.sealed.headers),
            blob=octets,
            at=row.at,
        ),
    )


def nothing_more(_: Connection) -> None:
    """A transaction that holds only what it is for."""


async def send_anew(
    bridge: Bridge,
    key: Key,
    *,
    by: str = "operator",
    reason: str | None = None,
    keep_conversation: bool = True,
    within: Callable[[Connection], None] = nothing_more,
) -> MessageId:
    """Send the content of a failed or expired message as a new message with a new MessageId (DK-99).

    The former one keeps its state and its evidence. Raises ConfigError when it is no settled business message
    of ours, or no agreement allows it any more. `within` runs first in the transaction that stores the new message.
    """
    threshold = bridge.settings.partner_listener.spool_above_bytes

    def load(tx: Connection) -> tuple[MessageRow, tuple[Part, ...]]:
        row = get_message(tx, key)
        return row, tuple(
            Part(
                content_id=bridge.new_local_id(),
                content_type=payload.content_type,
                filename=payload.filename,
                content=spool_blob(tx, payload.blob, threshold=threshold),
            )
            for payload in payloads_of(tx, key)
        )

    row, parts = await bridge.store.read(load)
    if row.direction is not Direction.OUT or row.kind != "business" or not is_settled(row):
        raise ConfigError([f"message {row.message_id} was not sent from here, or is still under way"])
    own, terms = _terms_of(bridge, row)
    outgoing = await asyncio.to_thread(
        make_outgoing,
        bridge,
        terms,
        own=own,
        exchange=row.exchange,
        parts=parts,
        conversation_id=row.conversation_id if keep_conversation else None,
        ref_to_message_id=row.ref_to_message_id if keep_conversation else None,
        subject=row.subject,
        mapping=row.mapping,
        values={**_told_nothing(row.values), RESEND_OF: row.message_id},
    )
    now = bridge.now()

    def work(tx: Connection) -> None:
        within(tx)
        keep_outgoing(tx, outgoing)
        _add_resent_step(tx, row, outgoing, by, reason, now)
        settle_exchange(tx, row.exchange, at=now)

    try:
        await bridge.store.write(work)
    except order.OutOfTurn as error:
        raise ConfigError(["another message of the conversation went first; try again"]) from error
    bridge.wake()
    _log.info("message.resent", message_id=outgoing.row.message_id, former=row.message_id, by=by)
    return outgoing.row.message_id


def _told_nothing(values: Mapping[str, str]) -> Mapping[str, str]:
    """What the partner's system said of the former message it did not say of the new one."""
    return {name: value for name, value in values.items() if name != REFUSED_BY}


def _add_resent_step(
    tx: Connection, row: MessageRow, outgoing: Outgoing, by: str, reason: str | None, at: datetime
) -> None:
    add_step(
        tx,
        exchange=row.exchange,
        at=at,
        side="bridge",
        what="message.resent",
        outcome="ok",
        detail={"message_id": outgoing.row.message_id, "former_message_id": row.message_id}
        | ({"reason": reason} if reason else {}),
        by=by,
    )


def _terms_of(bridge: Bridge, row: MessageRow) -> tuple[OwnIdentity, Terms]:
    agreement = bridge.agreements.find(CpaId(row.cpa_id), bridge.now())
    own = next((o for o in bridge.own if o.party_id.value == row.from_party), None)
    if agreement is None or own is None:
        raise ConfigError([f"CPA {row.cpa_id} or the own party {row.from_party} is no longer there"])
    service = Service(value=row.service, type=row.service_type)
    return own, outgoing_terms(
        agreement, own=own.party_id, service=service, action=row.action, role=row.from_role
    )
