"""An opened message or event as a page shows it: headers in words, content line by line. Pure."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from bridge.ebms.model import Message, Party, Reference
from bridge.ebms.peer_text import peer_text
from bridge.flow.content import TOLD, OpenedPart, Standing, Wire
from bridge.mapping.masking import Kind, Line, may_be_shown
from bridge.told import shown, shown_error
from bridge.web.console.views import AsItIs, Fact, Lens, Moment, size_text

DEEPEST = 12
"""Deeper lines are not indented further."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LineView:
    """One line: its name, and its value or the words of its mask."""

    number: int
    depth: int
    name: str
    mask: str = ""
    value: str | None = field(default=None, repr=False)
    privacy: str = ""
    revealed: bool = False
    line: int | None = None
    wrong: str = ""
    """What is wrong with it, of what the message stopped for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """Something masked that may be asked for."""

    value: str
    label: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PartPage:
    place: str
    title: str
    standing: Standing
    size: str
    mapping: str
    lines: tuple[LineView, ...]
    choices: tuple[Choice, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class WirePage:
    kind: str
    at: Moment
    size: str
    digest: str
    headers: tuple[tuple[str, str], ...]
    hidden: int
    facts: tuple[Fact, ...]
    standing: Standing


NOTHING_WRONG: Mapping[str, str] = {}


def part_page(part: OpenedPart, lens: Lens, wrong: Mapping[str, str] = NOTHING_WRONG) -> PartPage:
    """`wrong` says per place what is wrong there."""
    lines = tuple(_line(line, lens, wrong.get(line.path, "")) for line in part.lines)
    return PartPage(
        place=part.place,
        title=lens.words("open.told") if part.place == TOLD else _title(part),
        standing=part.standing,
        size=size_text(part.size),
        mapping=part.mapping or "",
        lines=lines,
        choices=tuple(_choices(part, lines, lens)),
    )


def _title(part: OpenedPart) -> str:
    return f"{part.content_id} · {part.content_type}".strip(" ·")


def _line(line: Line, lens: Lens, wrong: str) -> LineView:
    words = lens.words
    name = {
        Kind.ATTRIBUTE: f"@{line.name or '…'}",
        Kind.ITEM: "–",
        Kind.TEXT: words("open.text"),
        Kind.REMARK: words("open.remark"),
        Kind.UNKNOWN: words("open.unknown"),
    }.get(line.kind, line.name)
    return LineView(
        number=line.number,
        depth=min(line.depth, DEEPEST),
        name=name or words("open.unknown"),
        mask=words(f"form.{line.form}") if line.form else "",
        value=AsItIs(line.value) if line.revealed and line.value is not None else line.value,
        privacy="" if line.privacy in ("-", "") else line.privacy,
        revealed=line.revealed,
        line=line.line,
        wrong=wrong,
    )


def _choices(part: OpenedPart, lines: tuple[LineView, ...], lens: Lens) -> Iterator[Choice]:
    masked = [line for line in lines if line.mask]
    for line in masked:
        about = " · ".join(filter(None, (str(line.number), line.name, line.privacy, line.mask)))
        yield Choice(value=f"{part.place}/{line.number}", label=about)
    if masked:
        yield Choice(value=f"{part.place}/all", label=lens.words("open.all"))


def wire_page(wire: Wire, lens: Lens) -> WirePage:
    return WirePage(
        kind=lens.words.find(f"evidence.{wire.kind}") or wire.kind,
        at=lens.moment(wire.at),
        size=size_text(wire.size),
        digest=wire.digest,
        headers=tuple((name, _safe(value)) for name, value in wire.headers),
        hidden=wire.hidden,
        facts=tuple(header_facts(wire.message, lens)) if wire.message else (),
        standing=wire.standing,
    )


def header_facts(message: Message, lens: Lens) -> Iterator[Fact]:
    """The ebMS header in words. Free text of the peer is named, never shown."""
    for name, text in _texts(message, lens):
        if text:
            label = lens.words.find(f"field.{name}") or lens.words(f"header.{name}")
            yield Fact(label=label, text=_safe(text), code=name in _CODES)
    header = message.header
    yield Fact(label=lens.words("header.timestamp"), moment=lens.moment(header.timestamp))
    if header.time_to_live:
        yield Fact(label=lens.words("field.time_to_live"), moment=lens.moment(header.time_to_live))


_CODES = frozenset(
    {"message_id", "ref_to_message_id", "conversation_id", "cpa_id", "service", "action", "parts", "about"}
)


def _texts(message: Message, lens: Lens) -> Iterator[tuple[str, str | None]]:
    header, words = message.header, lens.words
    yield "kind", words.find(f"header.kind.{message.kind}") or str(message.kind)
    yield "from", _party(header.from_party, lens)
    yield "to", _party(header.to_party, lens)
    yield "cpa_id", header.cpa_id
    yield "conversation_id", header.conversation_id
    yield "message_id", header.message_id
    yield "ref_to_message_id", header.ref_to_message_id
    yield "service", header.service.value
    yield "action", header.action
    yield (
        "duplicates",
        words("header.duplicates.yes" if header.duplicate_elimination else "header.duplicates.no"),
    )
    signed = any(asked.signed for asked in message.ack_requested)
    asked = "signed" if signed else "unsigned" if message.ack_requested else "no"
    yield "receipt", words(f"header.receipt.{asked}")
    yield "sync", words("header.sync.yes") if message.sync_reply else None
    yield "order", str(message.message_order.sequence_number) if message.message_order else None
    yield "parts", ", ".join(reference.href for reference in _references(message)) or None
    yield from _answers(message, lens)
    if header.descriptions:
        yield "description", words("header.description.hidden")


def _answers(message: Message, lens: Lens) -> Iterator[tuple[str, str | None]]:
    if message.acknowledgment:
        yield "about", message.acknowledgment.ref_to_message_id
        yield "proof", lens.words("header.proof", n=len(message.acknowledgment.references))
    if message.error_list:
        told = (
            f"{shown_error(error.code, error.location)} ({shown(error.severity)})"
            for error in message.error_list.errors[:10]
        )
        yield "errors", "; ".join(told)
    if message.status_request:
        yield "about", message.status_request.ref_to_message_id
    if message.status_response:
        yield "about", message.status_response.ref_to_message_id
        yield "status", shown(message.status_response.message_status)


def _references(message: Message) -> Iterable[Reference]:
    return message.manifest.references[:20] if message.manifest else ()


def _party(party: Party, lens: Lens) -> str:
    ids = ", ".join(
        f"{lens.name(p.value)} ({p.value})" if lens.name(p.value) != p.value else p.value
        for p in party.party_ids
    )
    return f"{ids} · {party.role}" if party.role else ids


def _safe(text: str) -> str:
    """A header comes from a peer: what may be a BSN is on no screen, wherever it was put."""
    return peer_text(text) if may_be_shown(text) else "*********"
