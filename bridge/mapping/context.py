"""What is handed to a run: who, when, and the keys; and what comes back."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

Json = Any


def _no_attachment(reference: str) -> bytes | None:
    return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """Times are aware. `own` and `partner` are what the settings know of the two parties: oin, naam, systeem."""

    from_oin: str
    to_oin: str
    namespace: UUID
    """The bridge's own namespace for version 5 UUIDs."""
    person_key: bytes = field(repr=False)
    """Key of the HMAC that hides a BSN."""
    inzage_base: str
    received_at: datetime
    new_id: Callable[[], str]
    message_id: str = ""
    conversation_id: str = ""
    service: str = ""
    action: str = ""
    timestamp: datetime | None = None
    own: Mapping[str, str] = field(default_factory=dict)
    partner: Mapping[str, str] = field(default_factory=dict)
    levels: bool = False
    """One event per information level instead of one per fact (hub.md 6.1)."""
    members: bool = True
    """Members beside the graph, as the published Melding profile asks."""
    attachment: Callable[[str], bytes | None] = _no_attachment
    """On composing: the octets of `sha256:…`, or None."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What a run has to say. The text never holds a value that has a privacy class."""

    rule: str
    text: str
    row: str = ""
    place: str = ""
    privacy: str = "-"

    def __str__(self) -> str:
        where = f" at {self.place}" if self.place else ""
        return f"{self.rule}{where}: {self.text}"


@dataclass(frozen=True, slots=True, kw_only=True)
class TraceLine:
    """Where one value came from and where it went."""

    row: str
    place: str
    line: int | None
    """Line in the source message."""
    function: str
    value: str
    """Masked when its place has a privacy class."""
    outputs: tuple[str, ...]
    faults: tuple[Finding, ...] = ()
    """What is wrong at this place."""
    allowed: tuple[str, ...] = ()
    """Where something is wrong and few values may stand: those."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EventDraft:
    """An event without what the flow adds: id, source, recordedtime, correlation."""

    type: str
    subject: str
    time: datetime
    time_from: str
    """`content`, `message` or `received`."""
    data: dict[str, Json] = field(repr=False)
    level: int | None
    family: str | None
    activity_id: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ResourceDraft:
    """The full data that stays behind.

    `levels` gives the lowest level per place: steps joined by `/`, `*` for the items of a list. A place that is not
    named has the level of the nearest place above it that is.
    """

    type: str
    id: str
    body: dict[str, Json] = field(repr=False)
    levels: Mapping[str, int] = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Attachment:
    """Octets taken out of the message; the resource refers to them by `reference` (sha256:…)."""

    reference: str
    content: bytes = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a technical answer says of the message with this reference number.

    `outcome` is `accepted`, `forwarded`, `handled` or `refused` where one is read, a `Fate` where one is composed.
    """

    about: str
    outcome: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """The number by which its sender names a message: one number, of one sender, of one message standard."""

    number: str
    within: tuple[str, ...]
    standard: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Mapped:
    events: tuple[EventDraft, ...]
    resource: ResourceDraft | None
    values: Mapping[str, str]
    findings: tuple[Finding, ...]
    make_trace: Callable[[], tuple[TraceLine, ...]] = field(repr=False, compare=False)
    attachments: tuple[Attachment, ...] = ()
    answer: Answer | None = None
    reference: Reference | None = None

    @property
    def trace(self) -> tuple[TraceLine, ...]:
        """Where every value came from; made when it is asked for."""
        return self.make_trace()


@dataclass(frozen=True, slots=True, kw_only=True)
class Rejected:
    """Why a message cannot be mapped or composed: every reason at once."""

    findings: tuple[Finding, ...]
    subject: str | None = None
    """What a message that was read is about, when that is clear all the same: to find it by."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EventView:
    """What composing sees of an event."""

    type: str
    subject: str
    time: datetime
    data: Mapping[str, Json] = field(repr=False)
    source: str = ""
    extensions: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class RefExchange:
    """The earlier exchange about the same subject; `values` are its remembered rows."""

    message_id: str
    conversation_id: str
    service: str
    action: str
    from_party: str
    to_party: str
    values: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Composed:
    service: str | None
    action: str | None
    payload: bytes = field(repr=False)
    header: Mapping[str, str]
    """Of conversationId, refToMessageId and to, those that the mapping or the earlier exchange gives."""
    values: Mapping[str, str]
    findings: tuple[Finding, ...]
    make_trace: Callable[[], tuple[TraceLine, ...]] = field(repr=False, compare=False)

    @property
    def trace(self) -> tuple[TraceLine, ...]:
        """Where every value came from; made when it is asked for."""
        return self.make_trace()


@dataclass(frozen=True, slots=True, kw_only=True)
class Needs:
    """What to fetch before composing. `…_required`: without it the message waits."""

    resource: bool
    ref: bool
    resource_required: bool
    ref_required: bool
