"""What checking an agreement gives and takes: findings, and the case that the checks look at."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from cryptography import x509

from bridge.ebms.cpa_model import ActionBinding, Agreement, Channel, CollaborationRole, PartyInfo
from bridge.ebms.model import PartyId


class Level(StrEnum):
    ERROR = "error"
    """It cannot be used like this."""
    WARNING = "warning"
    """It can be used, and something will go wrong or is against the rules."""
    HINT = "hint"
    """It could be better."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing to know about an agreement, in words for a partner manager."""

    code: str
    level: Level
    where: str
    text: str

    def __str__(self) -> str:
        return f"{self.level} {self.code} at {self.where}: {self.text}"


@dataclass(frozen=True, slots=True, kw_only=True)
class LintCase:
    """An agreement, who we are, and when and for what it is judged."""

    agreement: Agreement
    own_parties: frozenset[PartyId]
    own_certificates: frozenset[x509.Certificate] = field(repr=False)
    """The certificates of which we hold the private key."""
    now: datetime
    production: bool

    @property
    def strict(self) -> Level:
        """What only tests may do: an error in production, a warning elsewhere."""
        return Level.ERROR if self.production else Level.WARNING

    def is_own(self, party: PartyInfo) -> bool:
        return bool(self.own_parties.intersection(party.party_ids))


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchange:
    """One action from one party to the other: the sender's binding, and the receiver's if there is one."""

    sender: PartyInfo
    receiver: PartyInfo
    role: CollaborationRole
    send: ActionBinding
    receive: ActionBinding | None

    @property
    def name(self) -> str:
        return f"{self.role.service}/{self.send.action} from {self.sender.name or self.sender}"


def exchanges(agreement: Agreement) -> Iterator[Exchange]:
    """Every action that one of the parties can send."""
    for sender in agreement.parties:
        receiver = agreement.other_party(sender)
        for role in sender.roles:
            for send in role.can_send:
                yield Exchange(
                    sender=sender,
                    receiver=receiver,
                    role=role,
                    send=send,
                    receive=_counterpart(receiver, role, send),
                )


def _counterpart(receiver: PartyInfo, role: CollaborationRole, send: ActionBinding) -> ActionBinding | None:
    found = [
        binding
        for other in receiver.roles
        if other.service == role.service
        for binding in other.can_receive
        if binding.action == send.action
    ]
    return next((b for b in found if b.id and b.id == send.other_id), next(iter(found), None))


def used_channels(agreement: Agreement) -> Iterator[tuple[PartyInfo, Channel]]:
    """Each channel that an action or a signal may use, once."""
    for party in agreement.parties:
        bindings = [b for role in party.roles for b in (*role.can_send, *role.can_receive)]
        channels = [
            party.default_channel,
            *(c for _, c in party.overrides),
            *(c for b in bindings for c in b.channels),
        ]
        for channel in {channel.channel_id: channel for channel in channels}.values():
            yield party, channel


def error(code: str, where: str, text: str) -> Finding:
    return Finding(code=code, level=Level.ERROR, where=where, text=text)


def warning(code: str, where: str, text: str) -> Finding:
    return Finding(code=code, level=Level.WARNING, where=where, text=text)


def hint(code: str, where: str, text: str) -> Finding:
    return Finding(code=code, level=Level.HINT, where=where, text=text)
