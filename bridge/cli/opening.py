"""`bridge message open` and `bridge event open`: what went over the wire and what it held, masked."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC
from typing import Annotated, Any

import typer
from sqlalchemy import Connection

from bridge.cli.acting import acting
from bridge.cli.assemble import mappings_at_hand, utc_now
from bridge.cli.message_keep import check_content_reason, find_message_named
from bridge.cli.opened import Opened, open_store
from bridge.cli.options import DEFAULT_CONFIG, Config, Json
from bridge.cli.output import local_text, print_documents, print_facts, print_heading, print_line, print_table
from bridge.flow.content import TOLD, OpenedEvent, OpenedPart, Shown, Standing, Wire, open_event, open_message
from bridge.hub.bsn import mask_bsn_beside_ids
from bridge.ids import Key
from bridge.mapping.masking import EVERYTHING, Line
from bridge.store.rows import Message
from bridge.web.console.accounts import audit
from bridge.web.console.documents import event_document, message_document
from bridge.web.console.opened_views import header_facts
from bridge.web.console.reveals import REVEALED
from bridge.web.console.text import Language, catalogue
from bridge.web.console.views import Lens, size_text, utc_text

Id = Annotated[str, typer.Argument(help="Message or event id, or a key or its beginning.")]
Reveal = Annotated[
    bool, typer.Option("--reveal", help="Show what is masked. Takes --reason, and is a line of audit.")
]
Why = Annotated[str, typer.Option("--reason", help="With --reveal: why. It stands in the audit log.")]


def open_message_(
    id: Id, config: Config = DEFAULT_CONFIG, json: Json = False, reveal: Reveal = False, reason: Why = ""
) -> None:
    """Open one message: headers in words, and its content line by line with what is about people masked.

    What no mapping knows is masked as a whole. Example: bridge message open 01936a2b-7c3d
    """
    with open_store(config) as opened:
        zone = opened.zone
        message = opened.store.read_sync(lambda tx: find_message_named(tx, id))
        shown = _shown(opened, message.key, reveal, reason)
        found = open_message(
            opened.store, mappings_at_hand(opened.settings.mappings.folder), message.key, shown=shown
        )
    document = {
        **message_document(message),
        "wire": [_wire_document(wire) for wire in found.wires],
        "parts": [_part_document(part) for part in found.parts],
    }
    if json:
        print_documents([document])
        return
    print_facts(_flat(message), zone=zone)
    for wire in document["wire"]:
        print_heading(f"{wire['kind']} {local_text(wire['at'], zone)}, {size_text(wire['size'])}")
        header = wire["header"] or {"header": "none that can be read"}
        print_facts({name: local_text(value, zone) for name, value in header.items()})
        print_table(("HTTP header", "value"), [tuple(pair) for pair in wire["headers"]], fold="value")
    _print_parts(found.parts)


def open_event_named(opened: Opened, key: Key, *, reveal: bool, reason: str, json: bool) -> None:
    """Print one event with its body, masked."""
    shown = _shown(opened, key, reveal, reason)
    found = open_event(opened.store, mappings_at_hand(opened.settings.mappings.folder), key, shown=shown)
    if json:
        print_documents([_event_parts(found)])
        return
    print_facts(event_document(found.event), zone=opened.zone)
    _print_parts(found.parts)


def _event_parts(found: OpenedEvent) -> dict[str, Any]:
    body, *told = (_part_document(part) for part in found.parts)
    return {**event_document(found.event), "body": body} | ({"told": told[0]} if told else {})


def _shown(opened: Opened, key: Key, reveal: bool, reason: str) -> Shown:
    if not reveal:
        return {}
    text = check_content_reason(reason)

    def work(tx: Connection) -> None:
        audit(
            tx,
            who=acting(),
            role="",
            way="command",
            action=REVEALED,
            target=key,
            reason=text,
            at=utc_now(),
            line="all",
        )

    opened.store.write_sync(work)
    return _Everywhere()


class _Everywhere(dict[str, Any]):
    """Every place, with all its lines."""

    def get(self, place: str, default: Any = None) -> Any:
        return EVERYTHING


def _wire_document(wire: Wire) -> dict[str, Any]:
    lens = Lens(words=catalogue(Language.ENGLISH), zone=UTC, now=wire.at, names={})
    facts = header_facts(wire.message, lens) if wire.message else ()
    header = {fact.label: fact.moment.utc if fact.moment else fact.text for fact in facts}
    return {
        "kind": wire.kind,
        "at": utc_text(wire.at),
        "size": wire.size,
        "sha256": wire.digest,
        "headers": [list(pair) for pair in wire.headers],
        "hiddenHeaders": wire.hidden,
        "standing": wire.standing,
        "header": header or None,
    }


def _part_document(part: OpenedPart) -> dict[str, Any]:
    return {
        "place": part.place,
        "contentId": mask_bsn_beside_ids(part.content_id) or None,
        "contentType": part.content_type or None,
        "size": part.size,
        "standing": part.standing,
        "mapping": part.mapping,
        "lines": [_line_document(line) for line in part.lines],
    }


def _line_document(line: Line) -> dict[str, Any]:
    return {
        "number": line.number,
        "depth": line.depth,
        "kind": line.kind,
        "name": line.name or None,
        "class": line.privacy or None,
        "form": line.form,
        "value": line.value,
        "line": line.line,
    }


def _print_parts(parts: Iterable[OpenedPart]) -> None:
    words = catalogue(Language.ENGLISH)
    for part in parts:
        title = words("open.told") if part.place == TOLD else mask_bsn_beside_ids(part.content_id)
        print_heading(" ".join(filter(None, (title, part.content_type, size_text(part.size)))))
        if part.standing not in (Standing.OPENED, Standing.UNKNOWN):
            print_line(words(f"open.standing.{part.standing}"))
        for line in part.lines:
            mask = f"({words(f'form.{line.form}')})" if line.form else line.value or ""
            about = "" if line.privacy in ("", "-") else f" [{line.privacy}]"
            print_line(f"{'  ' * line.depth}{line.name or words('open.unknown')}  {mask}{about}".rstrip())


def _flat(message: Message) -> dict[str, Any]:
    return {k: v for k, v in message_document(message).items() if not isinstance(v, dict)}
