"""What a simulated partner says, and what it refuses to hear: its side of the agreement, without I/O."""

from __future__ import annotations

from datetime import datetime, timedelta

from bridge.ebms.model import (
    ACTOR_TO_PARTY,
    SIGNAL_SERVICE,
    Acknowledgment,
    AckRequested,
    DigestReference,
    Error,
    ErrorCode,
    ErrorList,
    Kind,
    Manifest,
    Message,
    MessageHeader,
    MessageOrder,
    Party,
    PartyId,
    Reference,
    Service,
    SyncReply,
)
from bridge.ids import ConversationId, CpaId, MessageId
from bridge.simulate.settings import PartnerSettings

_SLACK = timedelta(minutes=1)
"""TimeToLive must be later than the last attempt, not equal to it (Digikoppeling)."""


def make_business(
    settings: PartnerSettings,
    action: str,
    *,
    hrefs: tuple[str, ...],
    message_id: MessageId,
    conversation_id: ConversationId,
    ref_to: MessageId | None,
    now: datetime,
    order: MessageOrder | None = None,
) -> Message:
    """A business message with exactly the quality-of-service elements that the profile prescribes."""
    profile = settings.profile
    lives = now + settings.retry_interval * (settings.retries + 1) + _SLACK
    header = MessageHeader(
        from_party=Party(party_ids=(_own(settings),), role=settings.role),
        to_party=Party(party_ids=(_other(settings),), role=settings.peer.role),
        cpa_id=CpaId(settings.cpa_id),
        conversation_id=conversation_id,
        service=Service(value=settings.service, type=settings.service_type),
        action=action,
        message_id=message_id,
        timestamp=now,
        ref_to_message_id=ref_to,
        time_to_live=lives if profile.reliable else None,
        duplicate_elimination=profile.reliable,
    )
    return Message(
        header=header,
        ack_requested=(AckRequested(signed=profile.signed),) if profile.reliable else (),
        sync_reply=SyncReply() if settings.sync else None,
        message_order=order,
        manifest=Manifest(references=tuple(Reference(href=href) for href in hrefs)) if hrefs else None,
    )


def make_acknowledgment(
    settings: PartnerSettings,
    request: Message,
    references: tuple[DigestReference, ...],
    *,
    message_id: MessageId,
    now: datetime,
) -> Message:
    """`references` are those of the request's signature, for a signed acknowledgment."""
    acknowledgment = Acknowledgment(
        timestamp=now,
        ref_to_message_id=request.header.message_id,
        from_party_ids=(_own(settings),),
        references=references,
        actor=ACTOR_TO_PARTY,
    )
    header = _answer(settings, request, Kind.ACKNOWLEDGMENT, message_id, now)
    return Message(header=header, acknowledgment=acknowledgment)


def make_error(
    settings: PartnerSettings, request: Message, error: Error, *, message_id: MessageId, now: datetime
) -> Message:
    header = _answer(settings, request, Kind.MESSAGE_ERROR, message_id, now)
    return Message(header=header, error_list=ErrorList(errors=(error,)))


def make_pong(
    settings: PartnerSettings, request: Message, *, message_id: MessageId, now: datetime
) -> Message:
    return Message(header=_answer(settings, request, Kind.PONG, message_id, now))


def find_fault(settings: PartnerSettings, message: Message, *, now: datetime) -> Error | None:
    """The first thing in a business message that the agreement does not allow, in the order of its checks."""
    header, path = message.header, "//Header/MessageHeader"
    wanted = Service(value=settings.service, type=settings.service_type)
    checks = (
        (header.cpa_id == settings.cpa_id, ErrorCode.VALUE_NOT_RECOGNIZED, f"{path}/CPAId"),
        (header.from_party == Party(party_ids=(_other(settings),), role=settings.peer.role),
         ErrorCode.INCONSISTENT, f"{path}/From"),
        (header.to_party == Party(party_ids=(_own(settings),), role=settings.role),
         ErrorCode.INCONSISTENT, f"{path}/To"),
        (header.service == wanted, ErrorCode.VALUE_NOT_RECOGNIZED, f"{path}/Service"),
        (header.action in settings.receives, ErrorCode.VALUE_NOT_RECOGNIZED, f"{path}/Action"),
        (header.time_to_live is None or now < header.time_to_live,
         ErrorCode.TIME_TO_LIVE_EXPIRED, f"{path}/MessageData/TimeToLive"),
        (header.duplicate_elimination == settings.profile.reliable,
         ErrorCode.INCONSISTENT, f"{path}/DuplicateElimination"),
        (message.ack_requested == _asked(settings), ErrorCode.INCONSISTENT, "//Header/AckRequested"),
        ((message.sync_reply is not None) == settings.sync, ErrorCode.INCONSISTENT, "//Header/SyncReply"),
    )  # fmt: skip
    for holds, code, location in checks:
        if not holds:
            return Error(code=code, location=location, description="Wrong value.")
    return None


def find_unresolved(message: Message, content_ids: tuple[str, ...]) -> Error | None:
    """A reference without part, or a part without reference."""
    wanted = [r.href for r in message.manifest.references] if message.manifest else []
    present = [f"cid:{content_id}" for content_id in content_ids]
    odd = sorted(set(wanted) ^ set(present))
    if not odd and len(wanted) == len(present):
        return None
    location = odd[0] if odd else wanted[0]
    return Error(code=ErrorCode.MIME_PROBLEM, location=location, description="MIME part not found.")


def answers(settings: PartnerSettings, signal: Message) -> bool:
    """Whether a signal comes from the peer, for us, under the agreement; its roles do not matter."""
    header = signal.header
    return (
        header.cpa_id == settings.cpa_id
        and _other(settings) in header.from_party.party_ids
        and _own(settings) in header.to_party.party_ids
    )


def _own(settings: PartnerSettings) -> PartyId:
    return PartyId(value=settings.oin, type=settings.party_id_type)


def _other(settings: PartnerSettings) -> PartyId:
    return PartyId(value=settings.peer.oin, type=settings.party_id_type)


def _asked(settings: PartnerSettings) -> tuple[AckRequested, ...]:
    profile = settings.profile
    return (AckRequested(signed=profile.signed, actor=ACTOR_TO_PARTY),) if profile.reliable else ()


def _answer(
    settings: PartnerSettings, request: Message, kind: Kind, message_id: MessageId, now: datetime
) -> MessageHeader:
    return MessageHeader(
        from_party=Party(party_ids=(_own(settings),)),
        to_party=Party(party_ids=request.header.from_party.party_ids),
        cpa_id=request.header.cpa_id,
        conversation_id=request.header.conversation_id,
        service=Service(value=SIGNAL_SERVICE),
        action=kind.value,
        message_id=message_id,
        timestamp=now,
        ref_to_message_id=request.header.message_id,
    )
