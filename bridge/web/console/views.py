"""From rows of the store to what a page shows: words, times and marks. Pure: no store, no clock.

Nothing here opens content: of a payload its size, type and digest are shown, of an event its attributes.
"""

import hashlib
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta, tzinfo

from bridge.flow.exchange import offered_again, sent_anew
from bridge.flow.ping import QUESTIONS
from bridge.ids import Key
from bridge.store.channels import HUB
from bridge.store.rows import (
    Direction,
    Event,
    EventState,
    Exchange,
    ExchangeState,
    Message,
    MessageState,
    Step,
)
from bridge.web.console.dossier import Dossier, MessageFile
from bridge.web.console.offers import event_actions, message_actions, unneeded
from bridge.web.console.text import Catalogue
from bridge.web.console.turn import STOPPED_EVENTS, STOPPED_MESSAGES, Turn, reason_key, whose_turn
from bridge.web.console.whom import INTEGRATOR, Contacts, Side, Whom


class AsItIs(str):
    """A text that stands on a page as it is: what was asked to be unmasked, or what its reader wrote."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lens:
    """Through whose eyes rows are seen: language, time zone, moment of looking, names of organisations."""

    words: Catalogue
    zone: tzinfo
    now: datetime
    names: Mapping[str, str]
    contacts: Contacts = field(default_factory=dict)

    def name(self, party: str) -> str:
        """The name of an organisation when the settings know it, else its id."""
        return self.names.get(party, party)

    def whom(self, side: Side | None, partner: str) -> Whom | None:
        """Whom to call, in words; the partner is that of the exchange."""
        match side:
            case None:
                return None
            case Side.PARTNER:
                return Whom(organisation=self.name(partner), contact=self.contacts.get(partner))
            case Side.HUB:
                return Whom(organisation=self.words("turn.hub"), contact=self.contacts.get(HUB))
            case Side.INTEGRATOR:
                return Whom(organisation=self.words("turn.integrator"), contact=self.contacts.get(INTEGRATOR))

    def moment(self, at: datetime) -> "Moment":
        local = at.astimezone(self.zone)
        return Moment(
            utc=utc_text(at),
            clock=f"{local:%H:%M:%S}",
            fraction=f"{local:%f}"[:3],
            day=self.words.short_day(local.date()),
            today=local.date() == self.now.astimezone(self.zone).date(),
        )


def utc_text(at: datetime) -> str:
    return f"{at.astimezone(UTC):%Y-%m-%dT%H:%M:%S.%f}"[:-3] + "Z"


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """A time as a page shows it: local clock and day, with UTC beside it."""

    utc: str
    clock: str
    fraction: str
    day: str
    today: bool

    @property
    def title(self) -> str:
        return f"{self.day} {self.clock}.{self.fraction} · {self.utc} (UTC)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """An outcome: an icon and a word, never a colour alone. `tone` is ok, waiting, failed or info."""

    tone: str
    word: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One exchange in a list."""

    key: str
    title: str
    short_title: str
    subject: str
    origin: str
    destination: str
    direction: str
    changed: Moment
    started: Moment
    state: Mark
    reason: str


def line_of(exchange: Exchange, lens: Lens) -> Line:
    partner, hub = lens.name(exchange.partner), lens.words("hub")
    to_hub = exchange.direction == "to-hub"
    # A question between the two MSHs goes no further than the bridge.
    asks = exchange.title in QUESTIONS
    hub = lens.words("side.bridge") if asks else hub
    state = exchange_mark(exchange.state, lens.words)
    if asks and exchange.state is ExchangeState.DONE and exchange.reason:
        state = Mark(tone="waiting", word=lens.words("state.unanswered"))
    return Line(
        key=exchange.key,
        title=exchange.title,
        short_title=exchange.title.rpartition(".")[2] or exchange.title,
        subject=exchange.subject or "",
        origin=partner if to_hub else hub,
        destination=hub if to_hub else partner,
        direction=exchange.direction,
        started=lens.moment(exchange.started_at),
        changed=lens.moment(exchange.changed_at),
        state=state,
        reason=exchange.reason or "",
    )


def exchange_mark(state: ExchangeState, words: Catalogue) -> Mark:
    tone = {ExchangeState.DONE: "ok", ExchangeState.ATTENTION: "failed"}.get(state, "waiting")
    return Mark(tone=tone, word=words(f"state.{state.name.lower()}"))


def settled_mark(words: Catalogue) -> Mark:
    """Of what stopped, until a person settled it."""
    return Mark(tone="info", word=words("message.settled"))


def message_mark(state: MessageState, words: Catalogue) -> Mark:
    good = {MessageState.MAPPED, MessageState.ACKNOWLEDGED, MessageState.DELIVERED}
    tone = "ok" if state in good else "failed" if state in STOPPED_MESSAGES else "waiting"
    return Mark(tone=tone, word=words(f"message.{state.name.lower()}"))


def event_mark(state: EventState, words: Catalogue) -> Mark:
    if state in {EventState.OWN, EventState.UNMATCHED}:
        tone = "info"
    elif state in {EventState.OK, EventState.COMPOSED}:
        tone = "ok"
    else:
        tone = "failed" if state in STOPPED_EVENTS else "waiting"
    return Mark(tone=tone, word=words(f"event.{state.name.lower()}"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """A label with what it says.

    `moment` when that is a time, `code` when it is an id to copy, `recorded` when it is a sentence as it was recorded.
    """

    label: str
    text: str = ""
    code: bool = False
    moment: Moment | None = None
    mark: Mark | None = None
    recorded: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Time:
    """One of the times that the same was tried with the same outcome."""

    seq: int
    moment: Moment
    after: str
    attempt: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StepView:
    seq: int
    side: str
    side_word: str
    title: str
    moment: Moment
    new_day: bool
    after: str
    mark: Mark
    details: tuple[Fact, ...]
    by: str
    help: str = ""
    """What it means, where the title does not say it all."""
    href: str = ""
    """Where what was sent or received in this step is opened."""
    told: bool = False
    """Words of a peer are kept beside it; they stand at `href`."""
    times: tuple["Time", ...] = ()
    """Each time that the same was tried, this one first; empty when it was once."""


NOWHERE: Mapping[str, str] = {}


NOT_TOLD: Collection[int] = ()


def steps_of(
    steps: Iterable[Step], lens: Lens, opened: Mapping[str, str] = NOWHERE, told: Collection[int] = NOT_TOLD
) -> tuple[StepView, ...]:
    """`opened`: per MessageId and event id where it is opened; `told`: beside which steps words of a peer are kept.

    What was tried again and again with the same outcome is one step with all its times. An id that the step before it
    named too is not said again.
    """
    views: list[StepView] = []
    start: datetime | None = None
    named: dict[str, str] = {}
    for alike in _folded(steps):
        step = alike[0]
        start = start or step.at
        moment = lens.moment(step.at)
        new_day = bool(views) and views[-1].moment.day != moment.day
        view = _step(
            step if len(alike) == 1 else _without_attempt(step),
            lens,
            moment=moment,
            new_day=new_day,
            after=step.at - start,
            known=named,
        )
        ids = (step.detail.get(name, "") for name in ("event_id", "message_id"))
        href = next((opened[id] for id in ids if id in opened), "")
        times = _times(alike, start, lens) if len(alike) > 1 else ()
        views.append(replace(view, href=href, told=any(one.seq in told for one in alike), times=times))
        named |= {name: step.detail[name] for name in _FIRST if step.detail.get(name)}
    return tuple(views)


_TRIES = frozenset({"message.sent", "message.waiting", "answer.not_posted", "event.waiting"})
"""What the bridge does by itself until it succeeds or is given up."""


def _folded(steps: Iterable[Step]) -> list[list[Step]]:
    """The steps in their order; of an unbroken row of tries those that are equal but for attempt and time together."""
    groups: list[list[Step]] = []
    row: dict[object, list[Step]] = {}
    for step in steps:
        if step.what not in _TRIES or step.outcome != "waiting":
            row = {}
            groups.append([step])
            continue
        alike = (step.what, step.side, step.by, tuple(sorted(_without_attempt(step).detail.items())))
        if alike in row:
            row[alike].append(step)
        else:
            row[alike] = [step]
            groups.append(row[alike])
    return groups


def _without_attempt(step: Step) -> Step:
    return replace(step, detail={name: text for name, text in step.detail.items() if name != "attempt"})


def _times(alike: Iterable[Step], start: datetime, lens: Lens) -> tuple[Time, ...]:
    return tuple(
        Time(
            seq=step.seq,
            moment=lens.moment(step.at),
            after=seconds_text(step.at - start),
            attempt=step.detail.get("attempt", ""),
        )
        for step in alike
    )


def _step(
    step: Step,
    lens: Lens,
    *,
    moment: Moment,
    new_day: bool,
    after: timedelta,
    known: Mapping[str, str],
) -> StepView:
    words = lens.words
    tone = step.outcome if step.outcome in {"ok", "waiting", "failed"} else "info"
    side = step.side if step.side in {"ebms", "hub"} else "bridge"
    return StepView(
        seq=step.seq,
        side=side,
        side_word=words(f"side.{side}"),
        title=words.find(f"step.{step.what}") or step.what.replace(".", " ").replace("-", " "),
        moment=moment,
        new_day=new_day,
        after=seconds_text(after),
        mark=Mark(tone=tone, word=words(f"outcome.{tone}")),
        details=_details(step.detail, known, lens),
        by="" if step.by == "bridge" else step.by,
        help=words.find(f"step.help.{step.what}") or "",
    )


_FIRST = ("message_id", "event_id", "interactie_id")
_LAST = ("note", "notes", "reason")
_SENTENCES = frozenset(
    {
        "answer",
        "attempt",
        "findings",
        "level",
        "note",
        "notes",
        "outcome",
        "reason",
        "time_from",
        "told",
        "way",
    }
)
_RECORDED = frozenset({"findings", "note", "notes", "reason", "told"})
"""Sentences of the flows, of a peer or of a person; a page says what they mean and shows them as they are."""
_PARTIES = frozenset({"from_party", "to_party"})


def _details(detail: Mapping[str, str], known: Mapping[str, str], lens: Lens) -> tuple[Fact, ...]:
    """The ids of a step, the one that it is about first and the reason last; without those that are known."""
    filled = [name for name, text in detail.items() if text and known.get(name) != text]
    filled.sort(key=lambda name: (name not in _FIRST, name in _LAST, name))
    return tuple(
        Fact(
            label=lens.words.find(f"detail.{name}") or name.replace("_", " "),
            text=_said(name, detail[name], lens),
            code=name not in _SENTENCES | _PARTIES,
            recorded=name in _RECORDED,
        )
        for name in filled
    )


def _said(name: str, text: str, lens: Lens) -> str:
    """A detail in words: a party by its name, and what the flows always say alike in the reader's language."""
    if name in _PARTIES:
        return _party(text, None, lens)
    return text if name in _RECORDED else lens.words.find(f"said.{text}") or text


def seconds_text(span: timedelta) -> str:
    return f"{span.total_seconds():.3f}"


def took_text(span: timedelta) -> str:
    """A span for a reader: `0.412 s`, `41 min`, `3 h 5 min`."""
    seconds = span.total_seconds()
    if seconds < 60:
        return f"{seconds:.3f} s"
    minutes = int(seconds // 60)
    if minutes < 60:
        return f"{minutes} min"
    return f"{minutes // 60} h {minutes % 60} min" if minutes < 2880 else f"{minutes // 1440} d"


@dataclass(frozen=True, slots=True, kw_only=True)
class PartView:
    number: int
    content_id: str
    content_type: str
    size: str
    digest: str


@dataclass(frozen=True, slots=True, kw_only=True)
class EvidenceView:
    kind: str
    moment: Moment
    size: str
    digest: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordView:
    """A message or an event: its mark, its header fields, and of a message its parts and evidence."""

    key: str
    title: str
    id: str
    direction: str
    mark: Mark
    facts: tuple[Fact, ...]
    parts: tuple[PartView, ...] = ()
    evidence: tuple[EvidenceView, ...] = ()
    actions: tuple[str, ...] = ()
    """What can be done about it now: names of `mend_pages.ACTIONS`."""
    explained: bool = False
    """Whether there is content that a mapping can explain."""


def message_view(
    file: MessageFile, lens: Lens, *, without: Collection[str] = (), settled: Collection[Key] = ()
) -> RecordView:
    """`without`: ids that another message took the place of, and actions not offered; `settled`: by a person."""
    message = file.message
    is_settled = message.key in settled and message.state in STOPPED_MESSAGES
    return RecordView(
        actions=tuple(name for name in message_actions(message, without) if name not in without),
        explained=message.direction is Direction.IN and bool(file.payloads),
        key=message.key,
        title=message.action,
        id=message.message_id,
        direction=lens.words(f"direction.{message.direction}"),
        mark=settled_mark(lens.words) if is_settled else message_mark(message.state, lens.words),
        facts=_message_facts(message, lens),
        parts=tuple(
            PartView(
                number=part.position + 1,
                content_id=part.content_id,
                content_type=part.content_type,
                size=size_text(part.size),
                digest=part.blob,
            )
            for part in file.payloads
        ),
        evidence=tuple(
            EvidenceView(
                kind=lens.words.find(f"evidence.{item.kind}") or item.kind,
                moment=lens.moment(item.at),
                size=size_text(size),
                digest=item.blob,
            )
            for item, size in file.evidence
        ),
    )


def _message_facts(message: Message, lens: Lens) -> tuple[Fact, ...]:
    ids = {
        "message_id": message.message_id,
        "ref_to_message_id": message.ref_to_message_id,
        "conversation_id": message.conversation_id,
        "cpa_id": message.cpa_id,
        "from": _party(message.from_party, message.from_role, lens),
        "to": _party(message.to_party, message.to_role, lens),
        "service": message.service,
        "action": message.action,
        "subject": message.subject,
        "mapping": message.mapping,
        "reason": message.reason,
        "digest": message.digest,
    }
    return (
        *_facts(ids, lens.words),
        Fact(label=lens.words("field.at"), moment=lens.moment(message.at)),
        *_time_fact("time_to_live", message.time_to_live, lens),
        Fact(label=lens.words("field.key"), text=message.key, code=True),
    )


def event_view(
    event: Event,
    lens: Lens,
    *,
    without: Collection[str] = (),
    settled: Collection[Key] = (),
    tries: int = 0,
) -> RecordView:
    """`tries` is how often the job that brings it to the hub was taken up, offering and asking together."""
    ids = {
        "id": event.id,
        "source": event.source,
        "type": event.type,
        "subject": event.subject,
        "interactie_id": event.interactie_id,
        "correlation_id": event.correlation_id,
        "causation_id": event.causation_id,
        "level": event.level,
        "reason": event.reason,
        "offers": _offers(event, tries, lens.words) if event.direction == Direction.OUT else None,
        "size": size_text(len(event.body)),
        "digest": hashlib.sha256(event.body).hexdigest(),
    }
    is_settled = event.key in settled and event.state in STOPPED_EVENTS
    return RecordView(
        actions=event_actions(event, without),
        key=event.key,
        title=event.type.rpartition(".")[2] or event.type,
        id=event.id,
        direction=lens.words(f"direction.{event.direction}"),
        mark=settled_mark(lens.words) if is_settled else event_mark(event.state, lens.words),
        facts=(
            *_facts(ids, lens.words),
            *_written_time(event.time, lens),
            Fact(label=lens.words("field.at"), moment=lens.moment(event.at)),
            Fact(label=lens.words("field.key"), text=event.key, code=True),
        ),
    )


def _offers(event: Event, tries: int, words: Catalogue) -> str:
    """An event whose outcome is not known is not offered again: the hub is asked whether it has it."""
    asked = tries - event.offers
    return words("event.asked", offers=event.offers, n=asked) if asked > 0 else str(event.offers)


_PROSE = frozenset({"from", "to", "reason", "offers", "size"})


def _facts(ids: Mapping[str, str | None], words: Catalogue) -> tuple[Fact, ...]:
    return tuple(
        Fact(label=words(f"field.{name}"), text=text, code=name not in _PROSE, recorded=name == "reason")
        for name, text in ids.items()
        if text
    )


def _time_fact(name: str, at: datetime | None, lens: Lens) -> tuple[Fact, ...]:
    return (Fact(label=lens.words(f"field.{name}"), moment=lens.moment(at)),) if at else ()


def _written_time(text: str | None, lens: Lens) -> tuple[Fact, ...]:
    """The time of an event, told in the zone of the page; as it is written where it cannot be read."""
    if not text:
        return ()
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        at = None
    label = lens.words("field.time")
    if at is None or at.tzinfo is None:
        return (Fact(label=label, text=text, code=True),)
    return (Fact(label=label, moment=lens.moment(at)),)


def _party(party: str, role: str | None, lens: Lens) -> str:
    name = lens.name(party)
    known = f"{name} ({party})" if name != party else party
    return f"{known} · {role}" if role else known


def size_text(size: int) -> str:
    """Octets for a reader: `812 B`, `48 KB`, `1.2 MB` (1024 each)."""
    if size < 1024:
        return f"{size} B"
    if size < 1024 * 1024:
        return f"{size / 1024:.0f} KB"
    return f"{size / 1024 / 1024:.1f} MB"


@dataclass(frozen=True, slots=True, kw_only=True)
class ExchangeView:
    """The page of one exchange."""

    line: Line
    partner: str
    """Its name."""
    turn: Turn
    reason_key: str
    facts: tuple[Fact, ...]
    steps: tuple[StepView, ...]
    messages: tuple[RecordView, ...]
    events: tuple[RecordView, ...]
    related: tuple[Line, ...]
    more: bool
    held: bool = False
    """A message waits for an earlier one of its conversation."""


def _span_fact(exchange: Exchange, lens: Lens) -> Fact:
    """How long it took, or how long it is open by now."""
    if exchange.state is ExchangeState.DONE:
        took = exchange.changed_at - exchange.started_at
        return Fact(label=lens.words("exchange.took"), text=took_text(took))
    return Fact(label=lens.words("exchange.open_for"), text=took_text(lens.now - exchange.started_at))


def exchange_view(dossier: Dossier, lens: Lens) -> ExchangeView:
    exchange, words = dossier.exchange, lens.words
    messages = tuple(file.message for file in dossier.messages)
    replaced, again = sent_anew(messages), offered_again(dossier.events)
    without = {*replaced, *unneeded(dossier.events)}
    settled = {resolution.subject_key for resolution in dossier.resolutions}
    opened = {str(message.message_id): f"/messages/{message.key}" for message in messages}
    opened |= {str(event.id): f"/events/{event.key}" for event in dossier.events}
    ids = {
        "subject": exchange.subject,
        "conversation": exchange.conversation_id,
        "correlation": exchange.correlation_id,
        "key": exchange.key,
    }
    return ExchangeView(
        line=line_of(exchange, lens),
        partner=lens.name(exchange.partner),
        turn=whose_turn(exchange, messages, dossier.events),
        reason_key=reason_key(exchange, messages, dossier.events),
        facts=(
            Fact(label=words("exchange.started"), moment=lens.moment(exchange.started_at)),
            Fact(label=words("exchange.changed"), moment=lens.moment(exchange.changed_at)),
            _span_fact(exchange, lens),
            Fact(label=words("exchange.partner"), text=_party(exchange.partner, None, lens)),
            *(
                Fact(label=words(f"exchange.{name}"), text=text, code=True)
                for name, text in ids.items()
                if text
            ),
        ),
        steps=steps_of(dossier.steps, lens, opened, dossier.told),
        messages=tuple(message_view(f, lens, without=without, settled=settled) for f in dossier.messages),
        events=tuple(
            event_view(e, lens, without=again, settled=settled, tries=dossier.tries.get(e.key, 0))
            for e in dossier.events
        ),
        related=tuple(line_of(other, lens) for other in dossier.related),
        more=dossier.more,
        held=any(message.state is MessageState.HELD for message in messages),
    )
