"""Everything the store holds about one exchange, read in one snapshot."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from sqlalchemy import Connection

from bridge.flow import publish
from bridge.flow.exchange import POST_ANSWER
from bridge.ids import Key
from bridge.store.blobs import blob_size
from bridge.store.events import EventFilter, list_events
from bridge.store.exchanges import get_exchange, related_exchanges
from bridge.store.jobs import dead_jobs_about, tries_about
from bridge.store.messages import MessageFilter, evidence_of, list_messages, payloads_of
from bridge.store.resolutions import resolutions_of
from bridge.store.rows import (
    Event,
    Evidence,
    Exchange,
    Job,
    Message,
    NoSuchRow,
    Payload,
    Resolution,
    Step,
)
from bridge.store.timeline import last_seq, steps_of, told_at

MOST = 100
"""At most so many messages and as many events of one exchange are shown."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageFile:
    """A message with its parts, and its evidence with sizes; no content."""

    message: Message
    payloads: tuple[Payload, ...]
    evidence: tuple[tuple[Evidence, int], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Dossier:
    """An exchange with all that belongs to it, oldest first. `seq` is the newest step of the whole store."""

    exchange: Exchange
    steps: tuple[Step, ...]
    told: frozenset[int]
    """The numbers of the steps beside which words of a peer are kept."""
    messages: tuple[MessageFile, ...]
    events: tuple[Event, ...]
    related: tuple[Exchange, ...]
    more: bool
    seq: int
    untold: tuple[Job, ...] = ()
    """Jobs that were to post our answer to a message of these, and gave it up."""
    resolutions: tuple[Resolution, ...] = ()
    """What people settled in it."""
    tries: Mapping[Key, int] = field(default_factory=dict)
    """How often the job of an event that is on its way to the hub was taken up."""


def find_dossier(tx: Connection, key: Key) -> Dossier | None:
    try:
        exchange = get_exchange(tx, key)
    except NoSuchRow:
        return None
    messages = list_messages(tx, MessageFilter(exchange=key), limit=MOST + 1)
    events = list_events(tx, EventFilter(exchange=key), limit=MOST + 1)
    keys = [message.key for message in messages]
    return Dossier(
        exchange=exchange,
        steps=steps_of(tx, key),
        told=told_at(tx, key),
        messages=tuple(read_message_file(tx, message) for message in reversed(messages[:MOST])),
        events=tuple(reversed(events[:MOST])),
        related=related_exchanges(tx, key),
        more=len(messages) > MOST or len(events) > MOST,
        seq=last_seq(tx),
        untold=dead_jobs_about(tx, kind=POST_ANSWER, subject_keys=keys),
        resolutions=resolutions_of(tx, key),
        tries=tries_about(tx, kind=publish.KIND, subject_keys=[event.key for event in events]),
    )


def read_message_file(tx: Connection, message: Message) -> MessageFile:
    return MessageFile(
        message=message,
        payloads=payloads_of(tx, message.key),
        evidence=tuple((item, blob_size(tx, item.blob)) for item in evidence_of(tx, message.key)),
    )
