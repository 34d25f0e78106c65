"""The top of an exchange: whom to call with which ids, the one advised action, and what was just done."""

import re
from dataclasses import replace
from typing import Any

import pytest
from pydantic import ValidationError

from bridge.cli.console import console_options
from bridge.config import ContactSettings
from bridge.demo import SAMPLE
from bridge.flow.exchange import RESEND_OF
from bridge.store.channels import HUB, note_failure, pause
from bridge.store.events import EventFilter, list_events
from bridge.store.exchanges import get_exchange
from bridge.store.rows import (
    Direction,
    EventState,
    ExchangeDirection,
    ExchangeState,
    MessageState,
    Role,
    StepOutcome,
)
from bridge.web.console.offers import advised_for, is_mended
from bridge.web.console.settings import ConsoleOptions
from bridge.web.console.turn import Turn
from bridge.web.console.whom import INTEGRATOR, side_to_call
from bridge.web.console.whom import Side as Whom
from tests.web.console.conftest import NOW, POLICE

# A telephone number of which some digits look like a BSN: it is of somebody at work, and is shown.
DESK = ContactSettings(
    name="Servicedesk", phone="+31 99 9900 092", email="desk@politie.example", hours="24/7"
)
REJECTED = {"state": ExchangeState.ATTENTION, "reason": "FUNCTIONEEL: Onbekende ontvanger"}


@pytest.fixture
def options(options: ConsoleOptions) -> ConsoleOptions:
    return replace(options, contacts={POLICE: DESK, HUB: replace_name(DESK, "Beheer hub")})


def replace_name(contact: ContactSettings, name: str) -> ContactSettings:
    return contact.model_copy(update={"name": name})


def buttons(page: str) -> list[str]:
    """The main buttons of the page: actions that are not folded away or beside another."""
    return re.findall(r'<a class="button" href="/mend/([\w-]+)/', page)


def rejected(seeder: Any) -> Any:
    """A report that was mapped, and of which the hub rejected the event."""
    exchange = seeder.exchange(**REJECTED)
    seeder.message(exchange)
    seeder.event(exchange, state=EventState.ERROR)
    return exchange


async def test_who_is_called_is_told_with_telephone_and_mail(browser: Any, seeder: Any) -> None:
    reason = "SecurityFailure at //Signature: digest differs"
    exchange = seeder.exchange(state=ExchangeState.ATTENTION, reason=reason)
    seeder.message(exchange, state=MessageState.REFUSED)
    page = await browser.get(f"/exchanges/{exchange.key}")
    assert "Contact met Politie Eenheid Oost" in page
    assert 'href="tel:+31999900092"' in page
    assert ">+31 99 9900 092<" in page
    assert 'href="mailto:desk@politie.example"' in page
    assert "24/7" in page


async def test_what_the_hub_rejected_is_told_to_the_hub(browser: Any, seeder: Any) -> None:
    page = await browser.get(f"/exchanges/{rejected(seeder).key}")
    assert "Contact met de hub" in page
    assert "Beheer hub" in page


async def test_without_a_contact_the_page_says_that_there_is_none(browser: Any, seeder: Any) -> None:
    page = await browser.get(f"/exchanges/{seeder.parked().key}")
    assert "Contact met de integrator" in page
    assert "Er staan geen contactgegevens in de instellingen." in page


async def test_partners_page_tells_the_contact(browser: Any, bridge: Any) -> None:
    partners = tuple(p.model_copy(update={"party_id": POLICE}) for p in bridge.settings.partners)
    bridge.settings = bridge.settings.model_copy(update={"partners": partners})
    assert "desk@politie.example" in await browser.get("/partners")


async def test_contact_is_behind_the_login(stranger: Any) -> None:
    async with stranger.ask("GET", "/partners") as answer:
        assert "desk@politie.example" not in await answer.text()
        assert answer.status != 200


def test_contact_of_the_settings_reaches_the_console(bridge: Any) -> None:
    partner = bridge.settings.partners[0]
    settings = bridge.settings.model_copy(
        update={
            "partners": (partner.model_copy(update={"contact": DESK}),),
            "hub": bridge.settings.hub.model_copy(update={"contact": DESK}),
            "console": bridge.settings.console.model_copy(update={"integrator": DESK}),
        }
    )
    assert set(console_options(settings).contacts) == {partner.party_id, HUB, INTEGRATOR}


@pytest.mark.parametrize(
    "given", [{"name": "Desk"}, {"phone": "call us"}, {"email": "<b>@x"}, {"phone": "1\n2"}]
)
def test_contact_that_reaches_nobody_is_refused(given: dict[str, str]) -> None:
    with pytest.raises(ValidationError):
        ContactSettings(**given)


def test_integrator_is_called_about_a_code_and_nobody_about_a_strange_source() -> None:
    assert side_to_call("code", Turn.INTEGRATOR) is Whom.INTEGRATOR
    assert side_to_call("source", Turn.OPERATOR) is None
    assert side_to_call("unacknowledged", Turn.OPERATOR) is Whom.PARTNER
    assert side_to_call("unknown", Turn.HUB) is Whom.HUB


def resent(seeder: Any) -> tuple[Any, Any, Any]:
    """A message that failed, was sent as a new one, and failed again."""
    reason = "no acknowledgment came in 3 attempts before TimeToLive"
    exchange = seeder.exchange(
        state=ExchangeState.ATTENTION, reason=reason, direction=ExchangeDirection.TO_PARTNER
    )
    failed: dict[str, Any] = {"direction": Direction.OUT, "state": MessageState.EXPIRED, "attempts": 3}
    first = seeder.message(exchange, message_id="first@bridge.example", **failed)
    again = {RESEND_OF: first.message_id}
    return (
        exchange,
        first,
        seeder.message(exchange, message_id="second@bridge.example", values=again, **failed),
    )


@pytest.mark.parametrize("page", ["/exchanges/{}", "/", "/attention"])
async def test_after_a_resend_the_newest_message_is_to_pass_on(browser: Any, seeder: Any, page: str) -> None:
    exchange, first, second = resent(seeder)
    said = (await browser.get(page.format(exchange.key))).partition('id="timeline-title"')[0]
    told = re.findall(r"<dt>([^<]*MessageId)</dt>\s*<dd><code>([^/]+)</code>", said.replace("<wbr>", ""))
    assert told == [("MessageId", second.message_id), ("Vorig MessageId", first.message_id)]


async def test_after_offering_again_the_newest_event_is_to_pass_on(browser: Any, seeder: Any) -> None:
    exchange = rejected(seeder)
    (first,) = seeder.store.read_sync(lambda tx: list_events(tx, EventFilter(exchange=exchange.key)))
    second = seeder.event(
        exchange, state=EventState.ERROR, id="6f1c8f0a-0000-4000-8000-00000000ffff", causation_id=first.id
    )
    top = (await browser.get(f"/exchanges/{exchange.key}")).partition('id="timeline-title"')[0]
    top = top.replace("<wbr>", "")
    assert (
        top.index(f"<code>{second.id}</code>")
        < top.index("Vorig event-id")
        < top.index(f"<code>{first.id}</code>")
    )


@pytest.mark.parametrize("held", [pause, None])
async def test_what_waits_for_an_endpoint_has_ids_to_pass_on_too(
    browser: Any, seeder: Any, store: Any, held: Any
) -> None:
    exchange = seeder.exchange()
    event = seeder.event(exchange, state=EventState.CREATED)
    if held:
        store.write_sync(lambda tx: pause(tx, HUB, by="anna", reason="test", at=NOW))
    else:
        store.write_sync(lambda tx: note_failure(tx, HUB, reason="status 503", at=NOW))
    top = (await browser.get(f"/exchanges/{exchange.key}")).partition('id="timeline-title"')[0]
    assert "Waar wacht dit op?" in top
    assert f"<code>{event.id}</code>" in top.partition("Om door te geven")[2]


async def test_ids_to_pass_on_stand_on_top(browser: Any, seeder: Any) -> None:
    exchange = rejected(seeder)
    top = (await browser.get(f"/exchanges/{exchange.key}")).partition('id="timeline-title"')[0]
    for id in (exchange.subject, "20261123-1@politie.example", "6f1c8f0a-0000-4000-8000-000000000001"):
        assert f"<code>{id}</code>" in top


@pytest.mark.parametrize("path", ["/", "/attention"])
async def test_cause_of_several_names_the_oldest_and_how_many_more(
    browser: Any, seeder: Any, path: str
) -> None:
    stuck = [seeder.parked() for _ in range(5)]
    bare = [seeder.exchange(subject=None, state=ExchangeState.ATTENTION, reason="x") for _ in range(2)]
    for number, exchange in enumerate(bare):
        seeder.message(exchange, message_id=f"bare-{number}@politie.example")
    page = await browser.get(path)
    card = re.search(r'<p class="examples">.*', page)
    assert card is not None
    assert re.findall(r'href="/exchanges/([^"]+)"', card[0]) == [str(one.key) for one in stuck[:3]]
    assert "en nog 2" in card[0]
    named = f'<a href="/exchanges/{bare[0].key}"><code>bare-0@politie.example</code></a>'
    assert named in page


async def test_cause_card_names_the_message(browser: Any, seeder: Any) -> None:
    seeder.parked()
    assert "<code>20261123-1@politie.example</code>" in await browser.get("/attention")


async def test_rejected_event_has_one_main_button(browser: Any, seeder: Any) -> None:
    page = await browser.get(f"/exchanges/{rejected(seeder).key}")
    assert buttons(page) == ["retry"]
    assert "/mend/replay-again/" not in page


async def test_message_about_nobody_is_not_replayed_first(browser: Any, seeder: Any) -> None:
    exchange = seeder.exchange(state=ExchangeState.ATTENTION, reason="SOH-64 a BSN is expected")
    seeder.message(exchange, state=MessageState.PARKED, mapping=None)
    page = await browser.get(f"/exchanges/{exchange.key}")
    assert buttons(page) == ["resolve"]
    assert "/mend/replay/" in page.partition("Andere mogelijkheden")[2]


async def test_failed_message_is_sent_again_first(browser: Any, seeder: Any) -> None:
    reason = "no acknowledgment came in 2 attempts before TimeToLive"
    exchange = seeder.exchange(state=ExchangeState.ATTENTION, reason=reason)
    seeder.message(exchange, direction=Direction.OUT, state=MessageState.EXPIRED)
    assert buttons(await browser.get(f"/exchanges/{exchange.key}")) == ["resend"]


def test_every_advice_leads_to_something() -> None:
    assert advised_for("of a reason that is not known here")
    assert is_mended("functional")
    assert not is_mended("nobody")
    assert not is_mended("SecurityFailure")


async def test_refusing_is_not_offered_where_nobody_can_be_told(browser: Any, seeder: Any) -> None:
    exchange = seeder.exchange(state=ExchangeState.ATTENTION, reason="M901 at rol[1]")
    seeder.message(exchange, state=MessageState.PARKED, mapping=None, content=b"<unknown/>")
    assert "/mend/refuse/" not in await browser.get(f"/exchanges/{exchange.key}")
    page = await browser.get(f"/mend/refuse/{exchange.key}")
    assert "De brug kan de afzender geen foutbericht sturen" in page
    assert "nobody is told" not in page


async def test_after_an_action_the_page_says_that_it_was_done(browser: Any, seeder: Any, store: Any) -> None:
    exchange = seeder.exchange(state=ExchangeState.ATTENTION, reason="M901 at rol[1]")
    seeder.message(exchange, state=MessageState.PARKED, mapping=None, content=SAMPLE.read_bytes())
    _, back = await browser.post(f"/mend/resolve/{exchange.key}", reason="phoned them")
    assert back.endswith("#done")
    page = await browser.get(back)
    assert re.search(r'id="done" role="status"[^>]*>.*Gelukt:</strong> Afgehandeld door een mens', page)
    assert store.read_sync(lambda tx: get_exchange(tx, exchange.key)).state is ExchangeState.DONE


async def test_what_somebody_else_did_is_not_said_to_be_done(browser: Any, seeder: Any) -> None:
    exchange = seeder.parked()
    seq = seeder.step(exchange, "exchange.resolved", 3, by="anna")
    assert 'id="done"' not in await browser.get(f"/exchanges/{exchange.key}?done={seq}")
    assert 'id="done"' not in await browser.get(f"/exchanges/{exchange.key}?done=nonsense")


async def test_settled_exchange_says_by_whom_and_is_not_red_any_more(browser: Any, seeder: Any) -> None:
    exchange = seeder.exchange(state=ExchangeState.ATTENTION, reason="M901 at rol[1]")
    seeder.message(exchange, state=MessageState.PARKED, mapping=None)
    await browser.post(f"/mend/resolve/{exchange.key}", reason="phoned them")
    page = await browser.get(f"/exchanges/{exchange.key}")
    assert "Afgehandeld door local, " in page
    assert "phoned them" in page.partition('id="timeline-title"')[0]
    assert '<span class="mark failed">' not in page.partition('id="messages-title"')[2]


async def test_attempts_that_end_alike_are_one_step(browser: Any, seeder: Any) -> None:
    exchange = seeder.exchange()
    for n in range(1, 5):
        detail = {"attempt": str(n), "message_id": "m@x", "reason": "HTTP 500"}
        seeder.step(exchange, "message.waiting", n, outcome=StepOutcome.WAITING, detail=detail)
    timeline = (await browser.get(f"/exchanges/{exchange.key}")).partition('id="timeline-title"')[2]
    assert timeline.count('<div class="step">') == 1
    assert "4 keer, de eerste om " in timeline
    assert timeline.count("· poging ") == 4


async def test_title_of_the_page_names_subject_and_partner(browser: Any, seeder: Any) -> None:
    exchange = seeder.parked()
    page = await browser.get(f"/exchanges/{exchange.key}")
    assert f"<title>vtMeldingDi01 · {exchange.subject} · Politie Eenheid Oost" in page
    heading = re.sub(r"<[^>]+>", "", page.partition("<h1>")[2].partition("</h1>")[0])
    assert heading.split() == ["vtMeldingDi01", str(exchange.subject), "·", "Politie", "Eenheid", "Oost"]


async def test_form_that_was_refused_does_not_lead_to_an_address_that_nobody_can_ask_for(
    browser: Any, bridge: Any
) -> None:
    party = bridge.settings.partners[0].party_id
    page, _ = await browser.post(f"/partners/{party}/pause", page="/partners", status=400, reason=" ")
    assert 'href="/partners?lang=en"' in page
    assert "Geef een reden van 1 tot 500 tekens." in page


async def test_cause_that_cannot_be_tried_again_says_why_and_offers_no_button(
    browser: Any, seeder: Any
) -> None:
    seeder.parked()
    link = re.search(r'href="(/attention/\w+)"', await browser.get("/attention"))
    assert link
    page = await browser.get(link[1])
    assert "Opnieuw proberen helpt nu niet." in page
    assert f'action="{link[1]}/mend"' not in page
    assert f'action="{link[1]}/settle"' in page
    assert 'name="reason"' not in await browser.get(f"{link[1]}/mend")


async def test_who_has_a_cause_is_not_asked_to_take_it(browser: Any, seeder: Any) -> None:
    seeder.parked()
    link = re.search(r'href="(/attention/\w+)"', await browser.get("/attention"))
    assert link
    await browser.post(f"{link[1]}/take", page=link[1], reason="called them")
    page = await browser.get(link[1])
    assert "Ik pak dit op" not in page
    assert "Ik laat dit los" in page


async def test_what_could_not_work_now_is_no_main_button(browser: Any, seeder: Any) -> None:
    exchange = seeder.exchange(state=ExchangeState.ATTENTION, reason="M903 at rol[1]: not one of 1, 2")
    seeder.message(exchange, state=MessageState.PARKED, mapping=None, content=b"<strange/>")
    page = await browser.get(f"/exchanges/{exchange.key}")
    assert buttons(page) == []
    assert "Opnieuw proberen helpt nu niet" in page
    assert 'class="button quiet" href="/mend/replay/' in page


async def test_integrator_is_offered_to_look_and_nothing_that_he_may_not_do(enter: Any, seeder: Any) -> None:
    integrator = await enter(Role.INTEGRATOR)
    exchange = seeder.exchange(state=ExchangeState.ATTENTION, reason="M903 at rol[1]: not one of 1, 2")
    seeder.message(exchange, state=MessageState.PARKED, mapping=None, content=SAMPLE.read_bytes())
    page = await integrator.get(f"/exchanges/{exchange.key}")
    assert buttons(page) == []
    assert set(re.findall(r'href="/mend/([\w-]+)/', page)) == {"replay"}
    assert "Bekijk wat herspelen zou doen" in page
    link = re.search(r'href="(/attention/\w+)"', await integrator.get("/attention"))
    assert link
    cause = await integrator.get(link[1])
    assert (f'action="{link[1]}/mend"' in cause, f'action="{link[1]}/settle"' in cause) == (True, False)


async def test_viewer_is_told_what_is_the_operator_s_to_do(enter: Any, seeder: Any, store: Any) -> None:
    rejected(seeder)
    store.write_sync(lambda tx: note_failure(tx, HUB, reason="status 503", at=NOW))
    viewer = await enter(Role.VIEWER)
    now = await viewer.get("/")
    assert "Advies aan de operator: Bel de hub." in now
    link = re.search(r'href="(/attention/\w+)"', now)
    assert link
    for page in ("/", "/attention", link[1]):
        told = re.sub(r"<[^>]*>", " ", await viewer.get(page))
        assert re.findall(r"\b(?:u|U|uw)\b", told) == [], page


async def test_viewer_sees_no_buttons(enter: Any, seeder: Any) -> None:
    viewer = await enter(Role.VIEWER)
    page = await viewer.get(f"/exchanges/{rejected(seeder).key}")
    assert "/mend/" not in page
    assert "Contact met de hub" in page
