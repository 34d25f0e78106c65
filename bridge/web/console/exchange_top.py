"""The top of the page of one exchange: whom to call with which ids, what can be done, and what was just done. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bridge.flow.exchange import RESEND_OF, live_events, live_messages
from bridge.store.channels import HUB
from bridge.store.rows import Event, ExchangeState, Message, Step
from bridge.web.console.dossier import Dossier
from bridge.web.console.offers import Offers, offers_of, without_use
from bridge.web.console.stall import Stall
from bridge.web.console.turn import STOPPED_EVENTS, STOPPED_MESSAGES, reason_key, whose_turn
from bridge.web.console.views import Fact, Lens, Moment
from bridge.web.console.whom import Side, Whom, side_of_turn, side_to_call


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """A step that the reader took a moment ago: its place on the page, its name and time."""

    seq: int
    title: str
    at: Moment


@dataclass(frozen=True, slots=True, kw_only=True)
class Top:
    whom: Whom | None
    """Whom to call; None when that is nobody whom the settings can know."""
    ids: tuple[Fact, ...]
    """What to name when calling."""
    offers: Offers
    done: Done | None
    hindrance: str = ""
    """Why trying again would not help now, as it was recorded."""


def top_of(
    dossier: Dossier,
    lens: Lens,
    *,
    stall: Stall | None,
    refusable: bool,
    hindrance: str,
    done: str,
    reader: str,
) -> Top:
    """`hindrance`: why trying again would not help now.

    `done` is the number of a step as it stands in the address; shown only when `reader` took that step."""
    exchange = dossier.exchange
    messages = tuple(file.message for file in dossier.messages)
    reason = reason_key(exchange, messages, dossier.events)
    offers = offers_of(exchange, messages, dossier.events, reason=reason, refusable=refusable)
    side = _side(dossier, messages, reason, stall)
    return Top(
        whom=lens.whom(side, exchange.partner),
        ids=ids_to_name(exchange.subject, messages, dossier.events, lens),
        offers=without_use(offers) if hindrance else offers,
        hindrance=hindrance if offers.advised and offers.advised.name != "resolve" else "",
        done=_done(dossier.steps, lens, done, reader),
    )


def _side(dossier: Dossier, messages: Sequence[Message], reason: str, stall: Stall | None) -> Side | None:
    if stall is not None:
        return Side.HUB if stall.endpoint == HUB else Side.PARTNER
    turn = whose_turn(dossier.exchange, messages, dossier.events)
    if dossier.exchange.state is ExchangeState.ATTENTION:
        return side_to_call(reason, turn)
    return side_of_turn(turn)


def ids_to_name(
    subject: str | None, messages: Sequence[Message], events: Sequence[Event], lens: Lens
) -> tuple[Fact, ...]:
    """The subject, and the ids of the message and event that stopped, else of the first ones.

    Of what was sent or offered anew the newest is told: it is what the other side looks for; the former ones beside it.
    """
    business = [m for m in messages if m.kind == "business"] or list(messages)
    sent, offered = live_messages(business), live_events(events)
    message = next((m for m in sent if m.state in STOPPED_MESSAGES), next(iter(sent), None))
    event = next((e for e in offered if e.state in STOPPED_EVENTS), next(iter(offered), None))
    before = {str(m.message_id): m.values.get(RESEND_OF) for m in business}
    caused = {str(e.id): e.causation_id for e in events}
    named: list[tuple[str, str | None]] = [("subject", subject)]
    if message is not None:
        named += [("message_id", message.message_id), *_former("message_id", message.message_id, before)]
    if event is not None:
        named += [("id", event.id), *_former("id", event.id, caused)]
    return tuple(
        Fact(label=lens.words(f"field.{name}"), text=text, code=True) for name, text in named if text
    )


def _former(name: str, id: str, before: Mapping[str, str | None]) -> list[tuple[str, str | None]]:
    """What this took the place of, the newest first."""
    found: list[tuple[str, str | None]] = []
    former = before.get(id)
    while former is not None and former in before and len(found) < len(before):
        found.append((f"former_{name}", former))
        former = before[former]
    return found


def _done(steps: Sequence[Step], lens: Lens, done: str, reader: str) -> Done | None:
    step = next((step for step in steps if str(step.seq) == done and step.by == reader), None)
    if step is None:
        return None
    return Done(
        seq=step.seq, title=lens.words.find(f"step.{step.what}") or step.what, at=lens.moment(step.at)
    )
