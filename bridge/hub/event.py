"""The CloudEvent as a value, and its octets: structured, binary and batch.

Attribute texts are kept exactly as they were read, `time` included: the bridge passes on what it was given.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import Enum
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, TypeAlias, cast

from cloudevents.core.bindings import http

from bridge.hub.json import Json, write_json

if TYPE_CHECKING:
    from cloudevents.core.base import BaseCloudEvent
    from cloudevents.core.formats.base import Format

STRUCTURED: Final = "application/cloudevents+json"
BATCH: Final = "application/cloudevents-batch+json"
JSON_LD: Final = "application/ld+json"

CORE_ATTRIBUTES: Final = (
    "specversion",
    "id",
    "source",
    "type",
    "subject",
    "time",
    "datacontenttype",
    "dataschema",
)

AttributeValue: TypeAlias = bool | int | str
_JSON_MEDIA = re.compile(r"[^/;\s]+/(?:[^/;\s]+\+)?json\s*(?:;.*)?", re.IGNORECASE | re.DOTALL)


class Absent(Enum):
    """No data at all, which is not the same as the JSON value null."""

    ABSENT = "absent"


ABSENT: Final = Absent.ABSENT


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One CloudEvent. `data` and `data_base64` (as octets, decoded) never stand together.

    The strict reader and `make_event` give events whose required attributes are there; on an event that a
    checker is still judging the properties of missing attributes give an empty text.
    """

    attributes: Mapping[str, AttributeValue]
    data: Json | Absent = field(default=ABSENT, repr=False)
    """Do not change it in place: the event is a value."""
    data_base64: bytes | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        if self.data is not ABSENT and self.data_base64 is not None:
            raise ValueError("data and data_base64 never stand together (JSON format, section 3.1)")
        object.__setattr__(self, "attributes", MappingProxyType(dict(self.attributes)))

    @property
    def id(self) -> str:
        return self._text("id")

    @property
    def source(self) -> str:
        return self._text("source")

    @property
    def type(self) -> str:
        return self._text("type")

    @property
    def subject(self) -> str | None:
        return self._text("subject") or None

    @property
    def time(self) -> str | None:
        """The exact text, as the producer wrote it."""
        return self._text("time") or None

    @property
    def datacontenttype(self) -> str | None:
        return self._text("datacontenttype") or None

    @property
    def dataschema(self) -> str | None:
        return self._text("dataschema") or None

    @property
    def holds_json(self) -> bool:
        """Whether the data is a JSON value: its media type says so, or there is none and no octets either."""
        if self.data_base64 is not None:
            return False
        return self.datacontenttype is None or is_json_media(self.datacontenttype)

    def extension(self, name: str) -> AttributeValue | None:
        return None if name in CORE_ATTRIBUTES else self.attributes.get(name)

    def _text(self, name: str) -> str:
        value = self.attributes.get(name, "")
        return value if isinstance(value, str) else ""

    def __str__(self) -> str:
        return f"event {self.id} ({self.type})"


def make_event(
    *,
    id: str,
    source: str,
    type: str,
    subject: str | None,
    time: datetime,
    data: Mapping[str, Any],
    extensions: Mapping[str, AttributeValue] = MappingProxyType({}),
    datacontenttype: str = JSON_LD,
    dataschema: str | None = None,
) -> Event:
    """A new event, its attributes in the fixed order; `time` is the business moment, written in UTC with Z.

    Judge it with `rules.check_event` before it is offered. Raises ValueError when an extension takes the name
    of a core attribute or `time` is naive.
    """
    core: dict[str, AttributeValue | None] = {
        "specversion": "1.0",
        "id": id,
        "source": source,
        "type": type,
        "subject": subject,
        "time": write_time(time),
        "datacontenttype": datacontenttype,
        "dataschema": dataschema,
    }
    clash = [name for name in extensions if name in (*CORE_ATTRIBUTES, "data", "data_base64")]
    if clash:
        raise ValueError(f"not the name of an extension: {', '.join(clash)}")
    attributes = {name: value for name, value in core.items() if value is not None}
    attributes.update(sorted(extensions.items()))
    return Event(attributes=attributes, data=dict(data))


def offer_again(event: Event, *, id: str) -> Event:
    """The same fact as a new offer: a new `id`, `causationid` names the old one, all else stays (SOH-04)."""
    attributes = {**event.attributes, "id": id, "causationid": event.id}
    return Event(attributes=attributes, data=event.data, data_base64=event.data_base64)


def write_time(moment: datetime) -> str:
    """RFC 3339 in UTC with Z; whole seconds without fraction. Raises ValueError for a naive moment."""
    if moment.tzinfo is None:
        raise ValueError("a moment without time zone cannot be written")
    moment = moment.astimezone(UTC)
    precision = "microseconds" if moment.microsecond else "seconds"
    return moment.isoformat(timespec=precision).replace("+00:00", "Z")


def write_structured(event: Event) -> bytes:
    """The event as `application/cloudevents+json`; equal events give equal octets."""
    return write_json(to_members(event))


def write_binary(event: Event) -> tuple[tuple[tuple[str, str], ...], bytes]:
    """Headers and body of binary mode (HTTP binding, section 3.1).

    An absent `datacontenttype` of JSON data is made explicit; without one nothing is said about octets.
    """
    message = http.to_binary(cast("BaseCloudEvent", _HeaderView(event)), cast("Format", _ExactFormat()))
    return tuple(message.headers.items()), message.body


def write_batch(events: Sequence[Event]) -> bytes:
    """The events as `application/cloudevents-batch+json`; may be empty."""
    return b"[" + b",".join(write_structured(event) for event in events) + b"]"


def to_members(event: Event) -> dict[str, Json]:
    """The members of the JSON form: attributes in their order, then the data."""
    members: dict[str, Json] = dict(event.attributes)
    if event.data_base64 is not None:
        members["data_base64"] = base64.b64encode(event.data_base64).decode("ascii")
    elif not isinstance(event.data, Absent):
        members["data"] = event.data
    return members


def is_json_media(media_type: str) -> bool:
    """`*/json` and `*/*+json`, in any case and with any parameters (JSON format, section 3.1)."""
    return _JSON_MEDIA.fullmatch(media_type.strip()) is not None


class _HeaderView:
    """What the library's binary writer asks of an event: every attribute as its canonical text."""

    def __init__(self, event: Event) -> None:
        self._event = event

    def get_attributes(self) -> dict[str, Any]:
        texts: dict[str, Any] = {name: _canonical(value) for name, value in self._event.attributes.items()}
        if "datacontenttype" not in texts and not isinstance(self._event.data, Absent):
            texts["datacontenttype"] = "application/json"
        return texts

    def get_data(self) -> Event:
        return self._event


class _ExactFormat:
    """What the library's binary writer asks of a format: strings of JSON keep their quotes, octets stay."""

    def write_data(self, event: Event, _datacontenttype: str | None) -> bytes:
        if event.data_base64 is not None:
            return event.data_base64
        if isinstance(event.data, Absent):
            return b""
        if isinstance(event.data, str) and not event.holds_json:
            return event.data.encode()
        return write_json(event.data)


def _canonical(value: AttributeValue) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)
