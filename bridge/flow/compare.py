"""What a change of the mappings changes for messages that were really exchanged, and who would see more by it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from lxml import etree
from sqlalchemy.engine import Connection

from bridge.ebms.xml import PAYLOAD_LIMITS, parse_xml
from bridge.errors import PeerError
from bridge.flow.map import load_message
from bridge.flow.try_out import RECEIVER, SENDER, Trial, reading_context
from bridge.ids import Key
from bridge.mapping.context import Context, Mapped
from bridge.mapping.differences import ABSENT, json_differences
from bridge.mapping.levels import at_level
from bridge.mapping.load import MappingSet
from bridge.mapping.run import run_mapping
from bridge.store.blobs import ContentPurged
from bridge.store.messages import MessageFilter, list_messages
from bridge.store.progress import Told, nobody
from bridge.store.rows import Direction, Message
from bridge.store.unit import Store


@dataclass(frozen=True, slots=True, kw_only=True)
class Gain:
    """A value that fewer might see before."""

    message: str
    where: str
    """`event`, `event of level 0` or `resource at level 1`, and the place in it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """The payloads of stored messages by key, and why others were passed over."""

    messages: Mapping[str, etree._Element]
    passed_over: Mapping[str, str]


def read_history(store: Store, last: int, *, told: Told = nobody) -> History:
    """The newest messages of partners that hold XML."""
    rows = store.read_sync(lambda tx: list_messages(tx, MessageFilter(direction=Direction.IN), limit=last))
    messages: dict[str, etree._Element] = {}
    passed_over: dict[str, str] = {}
    for number, row in enumerate(rows, 1):
        told("Reading stored messages", number, len(rows))
        try:
            _, payload = store.read_sync(partial(_load, key=row.key))
            if payload is not None:
                messages[row.key] = parse_xml(payload, limits=PAYLOAD_LIMITS)
        except (PeerError, ContentPurged) as error:
            passed_over[row.key] = str(error)
    return History(messages=messages, passed_over=passed_over)


def _load(tx: Connection, *, key: Key) -> tuple[Message, bytes | None]:
    return load_message(tx, key)


def find_gains(old: MappingSet, new: MappingSet, messages: Mapping[str, etree._Element]) -> Iterator[Gain]:
    """What stands in an event or in a lower view of the resource and did not, of messages that both sets map."""
    for name, root in messages.items():
        before, after = (_public(mappings, name, root) for mappings in (old, new))
        if before is None or after is None:
            continue
        for where, value in after.items():
            for found in json_differences(before.get(where), value):
                if found.old in (ABSENT, "None"):
                    yield Gain(message=name, where=f"{where}: {found.path}".rstrip(": "))


def _public(mappings: MappingSet, name: str, root: etree._Element) -> dict[str, Any] | None:
    """What others than level 2 see of a message; None when no mapping maps it."""
    program = mappings.for_xml(str(root.tag))
    if program is None:
        return None
    plain = run_mapping(program, root, context=comparing_context(name))
    by_level = run_mapping(program, root, context=comparing_context(name, levels=True))
    if not isinstance(plain, Mapped) or not isinstance(by_level, Mapped):
        return None
    seen: dict[str, Any] = {}
    for event in plain.events:
        seen[f"event {event.type} {len(seen)}"] = _by_node(event.data)
    for event in by_level.events:
        if event.level in (0, 1):
            seen[f"event {event.type} of level {event.level}"] = _by_node(event.data)
    for level in (0, 1):
        resource = plain.resource
        view = at_level(resource.body, resource.levels, level) if resource else {}
        seen[f"resource at level {level}"] = view
    return seen


def _by_node(data: dict[str, Any]) -> dict[str, Any]:
    """The graph by the id of the node, so that another order is no difference."""
    nodes = {str(node.get("@id")): node for node in data.get("@graph", ())}
    return {**{key: value for key, value in data.items() if key != "@graph"}, "@graph": nodes}


def comparing_context(name: str, levels: bool = False) -> Context:
    """The same for both sets, so that only the mappings differ."""
    trial = Trial(mappings=_NONE, sender=SENDER, receiver=RECEIVER, levels=levels)
    return reading_context(trial, name)


_NONE = MappingSet(programs=(), sha="")
