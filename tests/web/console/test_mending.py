"""The pages that mend: what they show, who may use them, and what is written down."""

import re
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from bridge.demo import MAPPINGS, SAMPLE
from bridge.demo import POLICE as REAL_POLICE
from bridge.flow.acceptance import TESTED
from bridge.flow.causes import mend_exchange
from bridge.flow.jobs import make_worker
from bridge.flow.mend import Actor
from bridge.flow.mend_model import write_audit
from bridge.hub.bsn import is_bsn
from bridge.store.audit import AuditFilter, list_audit
from bridge.store.channels import find_channel, note_failure, pause
from bridge.store.exchanges import get_exchange
from bridge.store.jobs import add_job, bury_job, claim_jobs
from bridge.store.messages import get_message
from bridge.store.persons import index_person
from bridge.store.rows import Direction, EventState, ExchangeState, MessageState, Role
from bridge.store.unit import Store
from tests.web.console.conftest import NOW, SAFE_AT_HOME


def actions(store: Store) -> list[tuple[str, str, str | None]]:
    lines = store.read_sync(lambda tx: list_audit(tx, AuditFilter()))
    return [(line.action, line.who, line.reason) for line in lines if not line.action.startswith("login")]


@pytest.fixture
def stuck(seeder: Any) -> Any:
    """An exchange with a parked message whose content the mapping of now takes."""
    exchange = seeder.exchange(state=ExchangeState.ATTENTION, reason="M901 at rol[1]")
    message = seeder.message(
        exchange, state=MessageState.PARKED, mapping=None, reason="M901", content=SAMPLE.read_bytes()
    )
    return exchange, message


async def test_now_shows_what_needs_a_person_and_leads_there(browser: Any, stuck: Any) -> None:
    page = await browser.get("/")
    link = re.search(r'href="(/attention/\w+)"', page)
    assert link
    assert "1 uitwisseling" in page
    assert stuck[0].key in await browser.get(link[1])


async def test_every_number_of_now_leads_to_what_it_counts(browser: Any, seeder: Any) -> None:
    seeder.arrived()
    seeder.arrived()
    seeder.parked()
    page = await browser.get("/")
    counted = re.findall(
        r'<td role="cell" class="number" data-label="[^"]+"><a href="([^"]+)">(\d+)</a>', page
    )
    assert counted
    for href, number in counted:
        rows = (await browser.get(href.replace("&amp;", "&"))).count('<tr role="row" data-key=')
        assert (href, rows) == (href, int(number))


async def test_what_runs_long_is_counted_and_leads_there(browser: Any, seeder: Any) -> None:
    slow = seeder.exchange(state=ExchangeState.RUNNING)
    seeder.exchange(state=ExchangeState.DONE)
    found = re.search(r'href="([^"]+)">[^\n]*1 uitwisseling loopt langer dan 15', await browser.get("/"))
    assert found
    page = await browser.get(found[1].replace("&amp;", "&"))
    assert page.count('<tr role="row" data-key=') == 1
    assert slow.key in page


async def test_quiet_bridge_says_so(browser: Any) -> None:
    assert "Niets vraagt aandacht." in await browser.get("/")


async def test_exchange_offers_what_can_be_done_now(browser: Any, stuck: Any) -> None:
    page = await browser.get(f"/exchanges/{stuck[0].key}")
    assert f"/mend/replay/{stuck[1].key}" in page
    assert f"/mend/resolve/{stuck[0].key}" in page
    assert "/mend/resend" not in page


async def test_replay_is_shown_first_and_then_done_with_a_reason(
    browser: Any, stuck: Any, store: Store
) -> None:
    exchange, message = stuck
    path = f"/mend/replay/{message.key}"
    preview = await browser.get(path)
    assert "Nieuw event wordt aangeboden:" in preview
    assert "999900092" not in preview
    assert store.read_sync(lambda tx: get_message(tx, message.key)).state is MessageState.PARKED
    _, back = await browser.post(path, reason="mapping mended")
    assert back.startswith(f"/exchanges/{exchange.key}")
    assert store.read_sync(lambda tx: get_message(tx, message.key)).state is MessageState.MAPPED
    assert actions(store) == [("message.replayed", "local", "mapping mended")]
    assert "Bericht herspeeld" in await browser.get(f"/exchanges/{exchange.key}")


async def test_without_a_reason_nothing_is_done(browser: Any, stuck: Any, store: Store) -> None:
    path = f"/mend/replay/{stuck[1].key}"
    page, _ = await browser.post(path, status=400, reason=" ")
    assert "Er is niets gedaan" in page
    assert actions(store) == []


async def test_what_cannot_be_done_now_is_explained(browser: Any, seeder: Any) -> None:
    exchange = seeder.exchange()
    message = seeder.message(exchange, direction=Direction.OUT, state=MessageState.ACKNOWLEDGED)
    page = await browser.get(f"/mend/resend/{message.key}")
    assert "Dit kan nu niet" in page
    assert 'name="reason"' not in page


@pytest.mark.parametrize(
    "path", ["/mend/replay/nothing", "/mend/replay/{}", "/mend/burn/{}", "/mend/revive/{}"]
)
async def test_unknown_thing_or_action_is_not_there(browser: Any, unknown_key: str, path: str) -> None:
    await browser.get(path.format(unknown_key), status=404)


async def test_settled_exchange_is_done(browser: Any, stuck: Any, store: Store) -> None:
    exchange = stuck[0]
    await browser.post(f"/mend/resolve/{exchange.key}", reason="phoned")
    assert store.read_sync(lambda tx: get_exchange(tx, exchange.key)).state is ExchangeState.DONE


async def work(bridge: Any) -> None:
    """Everything that is due, as a worker beside the console does it."""
    await make_worker(bridge, name="test").run_until_idle()


async def cause_link(browser: Any) -> str:
    link = re.search(r'href="(/attention/\w+)"', await browser.get("/attention"))
    assert link
    return link[1]


@pytest.fixture
def three(seeder: Any) -> list[Any]:
    """Three exchanges of one cause that the mapping of now takes."""
    made = []
    for number in range(3):
        exchange = seeder.exchange(state=ExchangeState.ATTENTION, reason=f"M903 at rol[{number}]: no code")
        seeder.message(exchange, state=MessageState.PARKED, mapping=None, content=SAMPLE.read_bytes())
        made.append(exchange)
    return made


async def test_a_cause_is_explained_in_words_with_whose_turn_it_is_and_what_to_do(
    browser: Any, three: Any
) -> None:
    for path in ("/", "/attention", await cause_link(browser)):
        page = await browser.get(path)
        assert "een waarde of code die de koppeling niet kent" in page
        assert "de integrator" in page.lower()
        assert "vult die de lijst aan" in page


async def test_the_plan_counts_what_would_happen_and_changes_nothing(
    browser: Any, three: Any, store: Store
) -> None:
    page = await browser.get(f"{await cause_link(browser)}/mend?limit=2")
    assert "2 uitwisselingen, de oudste eerst. Er is nog niets gedaan." in page
    assert re.search(r"2×</strong> Nieuw event wordt aangeboden", page)
    assert actions(store) == []


async def test_a_run_mends_up_to_its_limit_and_shows_how_far_it_is(
    browser: Any, three: Any, store: Store, bridge: Any
) -> None:
    link = await cause_link(browser)
    _, run = await browser.post(f"{link}/mend", page=f"{link}/mend", limit="2", reason="mapping mended")
    page = await browser.get(run)
    assert "Bezig" in page
    assert "0 van 2 geprobeerd" in page
    await work(bridge)
    page = await browser.get(run)
    assert "Klaar" in page
    assert "2 van 2 geprobeerd" in page
    assert [store.read_sync(lambda tx, k=e.key: get_exchange(tx, k)).state for e in three].count(
        ExchangeState.ATTENTION
    ) == 1
    assert [action for action, *_ in actions(store)].count("message.replayed") == 2
    assert ("run.started", "local", "mapping mended") in actions(store)


async def test_a_run_settles_and_then_nothing_is_left_of_the_cause(
    browser: Any, three: Any, bridge: Any
) -> None:
    link = await cause_link(browser)
    await browser.post(f"{link}/settle", page=f"{link}/settle", limit="3", reason="sent by phone")
    await work(bridge)
    assert "Van deze oorzaak is er niets meer." in await browser.get(link)


async def test_a_run_needs_a_reason_and_a_number_within_bounds(
    browser: Any, three: Any, store: Store
) -> None:
    link = await cause_link(browser)
    for fields in (
        {"limit": "2", "reason": " "},
        {"limit": "501", "reason": "all"},
        {"limit": "x", "reason": "a"},
    ):
        page, _ = await browser.post(f"{link}/mend", page=f"{link}/mend", status=400, **fields)
        assert "Er is niets gedaan" in page
    assert actions(store) == []


async def test_what_of_a_run_was_not_mended_is_listed_with_its_reason(
    browser: Any, seeder: Any, bridge: Any
) -> None:
    reason = "M901 at betrokkenen[1]/rol: code is not in the list"
    good = seeder.exchange(state=ExchangeState.ATTENTION, reason=reason)
    seeder.message(good, state=MessageState.PARKED, mapping=None, content=SAMPLE.read_bytes())
    exchange = seeder.parked()
    link = await cause_link(browser)
    plan = await browser.get(f"{link}/mend")
    assert "1 hiervan lukt zo niet" in plan
    _, run = await browser.post(f"{link}/mend", page=f"{link}/mend", limit="5", reason="try")
    await work(bridge)
    page = await browser.get(run)
    assert "1 niet gelukt." in page
    assert f'<a href="/exchanges/{exchange.key}">' in page


async def test_a_run_is_called_by_its_cause_and_followed_until_it_ends(
    browser: Any, three: Any, bridge: Any
) -> None:
    link = await cause_link(browser)
    _, run = await browser.post(f"{link}/settle", page=f"{link}/settle", limit="2", reason="by phone")
    page = await browser.get(run)
    assert f'data-poll="{run}"' in page
    assert f'<a href="{link}">In het bericht staat een waarde of code' in page
    assert "bridge exchange resolve --cause" in page
    await work(bridge)
    assert "data-poll" not in await browser.get(run)


async def test_a_run_that_is_stopped_tries_no_more(
    browser: Any, three: Any, store: Store, bridge: Any
) -> None:
    link = await cause_link(browser)
    _, run = await browser.post(f"{link}/mend", page=f"{link}/mend", limit="3", reason="try")
    await browser.post(f"{run}/stop", page=run, reason="wrong cause")
    await work(bridge)
    page = await browser.get(run)
    assert "Gestopt" in page
    assert "3 wachten nog." in page
    assert "message.replayed" not in [action for action, *_ in actions(store)]


async def test_a_run_goes_on_where_a_process_that_died_left_it(
    browser: Any, three: Any, store: Store, bridge: Any
) -> None:
    """One was mended, but the process died before it could note that."""
    link = await cause_link(browser)
    _, run = await browser.post(f"{link}/mend", page=f"{link}/mend", limit="3", reason="mended")
    by = Actor(name="local", role="operator")
    await mend_exchange(bridge, three[0].key, dry_run=False, by=by, reason="mended")
    await work(bridge)
    assert "3 gelukt." in await browser.get(run)
    assert [action for action, *_ in actions(store)].count("message.replayed") == 3


async def test_a_cause_that_somebody_takes_up_shows_who_and_why_until_it_is_let_go(
    browser: Any, three: Any, store: Store
) -> None:
    link = await cause_link(browser)
    assert "Nog niemand." in await browser.get(link)
    await browser.post(f"{link}/take", page=link, reason="called the integrator")
    assert "called the integrator" in await browser.get(link)
    assert "opgepakt door local" in await browser.get("/attention")
    assert "opgepakt door local" in await browser.get("/")
    await browser.post(f"{link}/drop", page=link, reason="handed over")
    assert "Nog niemand." in await browser.get(link)
    assert [action for action, *_ in actions(store)] == ["cause.dropped", "cause.taken"]


async def test_a_viewer_sees_a_cause_and_can_start_nothing(enter: Any, three: Any) -> None:
    browser = await enter(Role.VIEWER)
    link = await cause_link(browser)
    page = await browser.get(link)
    assert 'name="reason"' not in page
    await browser.get(f"{link}/mend", status=403)


async def test_a_change_that_was_not_taken_up_stands_on_attention_with_its_lines(
    browser: Any, bridge: Any
) -> None:
    bridge.problems["mappings"] = ("vt-melding.map.yaml:12:3  M101  no such key",)
    page = await browser.get("/attention")
    assert "Een gewijzigde koppeling is niet overgenomen" in page
    assert "vt-melding.map.yaml:12:3" in page


async def test_an_exchange_that_waits_for_a_paused_partner_says_so(
    browser: Any, seeder: Any, store: Store
) -> None:
    exchange = seeder.waiting()
    store.write_sync(lambda tx: pause(tx, SAFE_AT_HOME, by="anna", reason="maintenance", at=NOW))
    page = await browser.get(f"/exchanges/{exchange.key}")
    assert "is gepauzeerd door gebruiker anna" in page
    assert "maintenance" in page
    assert "U hoeft niets te doen" not in page


async def test_an_exchange_that_waits_for_a_hub_that_is_down_says_so(
    browser: Any, seeder: Any, store: Store
) -> None:
    exchange = seeder.exchange()
    seeder.event(exchange, state=EventState.UNKNOWN)
    store.write_sync(lambda tx: note_failure(tx, "hub", reason="no answer", at=NOW))
    page = await browser.get(f"/exchanges/{exchange.key}")
    assert "Sturen naar de hub lukt niet: 1 poging is mislukt." in page
    assert "no answer" in page


@pytest.mark.parametrize("limit", ["0", "501", "x", "", "-1", "1e9"])
async def test_limit_that_makes_no_sense_does_nothing(
    browser: Any, stuck: Any, store: Store, limit: str
) -> None:
    link = re.search(r'href="(/attention/\w+)"', await browser.get("/attention"))
    assert link
    await browser.post(f"{link[1]}/mend", page=link[1], status=400, limit=limit, reason="x")
    assert actions(store) == []


async def test_integrator_sees_what_a_replay_changes_and_does_not_do_it(enter: Any, stuck: Any) -> None:
    browser = await enter(Role.INTEGRATOR)
    path = f"/mend/replay/{stuck[1].key}"
    page = await browser.get(path)
    assert "Nieuw event wordt aangeboden:" in page
    assert 'name="reason"' not in page
    await browser.send(path, status=403, csrf=await browser.token("/account"), reason="x")


async def test_viewer_sees_no_buttons(enter: Any, stuck: Any) -> None:
    browser = await enter(Role.VIEWER)
    assert "/mend/" not in await browser.get(f"/exchanges/{stuck[0].key}")


async def test_action_carries_the_name_of_who_did_it(enter: Any, stuck: Any, store: Store) -> None:
    browser = await enter(Role.OPERATOR)
    await browser.post(f"/mend/resolve/{stuck[0].key}", reason="phoned")
    assert ("exchange.resolved", "operator person", "phoned") in actions(store)
    assert "door operator person" in await browser.get(f"/exchanges/{stuck[0].key}")


async def test_partner_is_paused_and_resumed(browser: Any, store: Store) -> None:
    party = REAL_POLICE.oin
    await browser.post(f"/partners/{party}/pause", page="/partners", reason="maintenance")
    assert store.read_sync(lambda tx: find_channel(tx, party)).paused  # type: ignore[union-attr]
    assert "gepauzeerd door gebruiker local" in await browser.get("/partners")
    assert "gepauzeerd door gebruiker local" in await browser.get("/")
    await browser.post(f"/partners/{party}/resume", page="/partners", reason="done")
    assert not store.read_sync(lambda tx: find_channel(tx, party)).paused  # type: ignore[union-attr]


async def test_unknown_partner_is_not_paused(browser: Any) -> None:
    await browser.post("/partners/nobody/pause", page="/partners", status=404, reason="x")


@pytest.mark.usefixtures("in_force")
async def test_partner_that_is_away_is_said_to_be_unreached(browser: Any, store: Store) -> None:
    _, back = await browser.post(f"/partners/{REAL_POLICE.oin}/test", page="/partners")
    assert "De partner is niet bereikt." in await browser.get(back)
    assert actions(store)[-1][0] == "partner.tested"


async def test_partners_page_tells_how_the_last_acceptance_test_went(
    browser: Any, bridge: Any, store: Store
) -> None:
    party, by = REAL_POLICE.oin, Actor(name="anna", role="operator")
    assert "Nog niet getest." in await browser.get("/partners")
    outcome = "ping: ok; message: ok; repeat: failed"
    store.write_sync(lambda tx: write_audit(tx, bridge, by, TESTED, party, "go live", outcome=outcome))
    page = await browser.get("/partners")
    assert "door anna" in page
    assert "De partner antwoordde." in page
    assert "Niet opnieuw bevestigd" in page


async def test_partner_without_an_agreement_cannot_be_tested(browser: Any, bridge: Any) -> None:
    bridge.agreements = replace(bridge.agreements, agreements=())
    _, back = await browser.post(f"/partners/{REAL_POLICE.oin}/test", page="/partners")
    assert "geen overeenkomst van kracht" in await browser.get(back)


async def test_only_who_mends_tests_a_partner(enter: Any) -> None:
    viewer = await enter(Role.VIEWER)
    await viewer.post(f"/partners/{REAL_POLICE.oin}/test", page="/account", status=403)


async def test_agreement_is_told_in_words(browser: Any) -> None:
    link = re.search(r'href="(/agreements/[^"]+)"', await browser.get("/partners"))
    assert link
    page = await browser.get(link[1])
    assert "ondertekend, als eigen bericht" in page
    assert "hoogstens 21, telkens na 2 seconden" in page
    await browser.get("/agreements/none", status=404)


async def test_certificates_are_listed_and_can_go_to_a_calendar(browser: Any) -> None:
    assert REAL_POLICE.name in await browser.get("/certificates")
    calendar = await browser.get("/certificates.ics")
    assert calendar.startswith("BEGIN:VCALENDAR")
    assert calendar.count("BEGIN:VEVENT") == calendar.count("END:VEVENT") >= 2
    assert all(len(line.encode()) <= 75 for line in calendar.splitlines())


async def test_dead_job_is_listed_and_revived(browser: Any, stuck: Any, store: Store, seeder: Any) -> None:
    key = seeder.keys(NOW)

    def work(tx: Any) -> None:
        add_job(tx, key=key, kind="map", subject_key=stuck[1].key, due=NOW, at=NOW)
        (job,) = claim_jobs(tx, now=NOW, worker="w", lease=timedelta(minutes=1), limit=1)
        bury_job(tx, job, reason="surprise", at=NOW)

    store.write_sync(work)
    assert f"/mend/revive/{key}" in await browser.get("/jobs")
    assert "Taken zijn opgegeven: 1" in await browser.get("/")
    await browser.post(f"/mend/revive/{key}", reason="mended")
    assert "Geen taak is opgegeven." in await browser.get("/jobs")


async def test_audit_log_is_shown_filtered_and_exported(enter: Any, stuck: Any, store: Store) -> None:
    operator, officer = await enter(Role.OPERATOR), await enter(Role.PRIVACY)
    await operator.post(f"/mend/resolve/{stuck[0].key}", reason="=phoned")
    page = await officer.get("/audit?action=exchange.resolved")
    assert "operator person" in page
    assert "afgehandeld" in page
    assert "Geen regels" in await officer.get("/audit?who=nobody")
    table = await officer.get("/audit.csv")
    assert "'=phoned" in table
    assert '"action": "exchange.resolved"' in await officer.get("/audit.jsonl")
    assert "audit.exported" in [action for action, _, _ in actions(store)]
    await operator.get("/audit", status=403)


@pytest.mark.parametrize("query", ["who=999900092", "since=soon", "who=%00"])
async def test_audit_filter_that_cannot_be_used_is_explained(enter: Any, query: str) -> None:
    officer = await enter(Role.PRIVACY)
    page = await officer.get(f"/audit?{query}", status=400)
    assert "999900092" not in page


async def test_explanation_shows_where_values_came_from_and_masks_people(
    browser: Any, seeder: Any, store: Store
) -> None:
    content = (MAPPINGS / "stuf-jz" / "vt-melding.cases" / "rich.xml").read_bytes()
    message = seeder.message(seeder.exchange(), content=content)
    page = await browser.get(f"/messages/{message.key}/explanation")
    assert "vt-melding" in page
    bsns = {n for n in re.findall(r"\b\d{9}\b", content.decode()) if is_bsn(n)}
    assert bsns
    assert not any(re.search(rf"\b{bsn}\b", page) for bsn in bsns)
    assert actions(store) == [("content.explained", "local", None)]


async def test_explanation_of_what_no_mapping_takes_says_so(browser: Any, seeder: Any) -> None:
    message = seeder.message(seeder.exchange())
    assert "geen koppeling neemt dit bericht" in await browser.get(f"/messages/{message.key}/explanation")
    await browser.get("/messages/nothing/explanation", status=404)


async def test_person_is_found_without_the_bsn_being_anywhere(
    browser: Any, seeder: Any, bridge: Any, store: Store, tmp_path: Any
) -> None:
    wanted, other = seeder.exchange(), seeder.exchange()
    store.write_sync(lambda tx: index_person(tx, bridge.person_key, "999990019", wanted.key))
    page, _ = await browser.post("/person", status=200, bsn="9999.90.019", reason="request of the court")
    assert wanted.key in page
    assert other.key not in page
    assert "999990019" not in page
    assert actions(store) == [("person.searched", "local", "request of the court")]
    octets = b"".join(file.read_bytes() for file in tmp_path.glob("bridge.sqlite3*"))
    assert b"999990019" not in octets


@pytest.mark.parametrize(
    ("bsn", "reason"),
    [("999990018", "why"), ("abc", "why"), ("", "why"), ("999990019", ""), ("999990019", "about 999990019")],
)
async def test_person_search_that_is_not_right_finds_nothing_and_repeats_nothing(
    browser: Any, store: Store, bsn: str, reason: str
) -> None:
    page, _ = await browser.post("/person", status=400, bsn=bsn, reason=reason)
    assert "999990019" not in page
    assert actions(store) == []


async def test_unknown_person_is_not_found(browser: Any) -> None:
    page, _ = await browser.post("/person", status=200, bsn="999990019", reason="x")
    assert "Geen uitwisselingen gevonden" in page
