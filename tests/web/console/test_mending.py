"""The pages that mend: what they show, who may use them, and what is written down."""

import re
from datetime import timedelta
from typing import Any

import pytest

from bridge.demo import MAPPINGS, SAMPLE
from bridge.demo import POLICE as REAL_POLICE
from bridge.hub.bsn import is_bsn
from bridge.store.audit import AuditFilter, list_audit
from bridge.store.channels import find_channel
from bridge.store.exchanges import get_exchange
from bridge.store.jobs import add_job, bury_job, claim_jobs
from bridge.store.messages import get_message
from bridge.store.persons import index_person
from bridge.store.rows import Direction, ExchangeState, MessageState, Role
from bridge.store.unit import Store
from tests.web.console.conftest import NOW


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
    counted = re.findall(r'<td class="number"><a href="([^"]+)">(\d+)</a>', page)
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


async def test_cause_is_mended_as_a_whole_up_to_a_limit(browser: Any, seeder: Any, store: Store) -> None:
    for number in range(3):
        exchange = seeder.exchange(state=ExchangeState.ATTENTION, reason=f"M901 at rol[{number}]")
        seeder.message(exchange, state=MessageState.PARKED, mapping=None, content=SAMPLE.read_bytes())
    link = re.search(r'href="(/attention/\w+)"', await browser.get("/attention"))
    assert link
    page, _ = await browser.post(f"{link[1]}/mend", page=link[1], status=200, limit="2", reason="mended")
    assert "2 gelukt." in page
    assert len(actions(store)) == 2
    page, _ = await browser.post(f"{link[1]}/settle", page=link[1], status=200, limit="9", reason="done")
    assert "1 gelukt." in page
    assert "Van deze oorzaak is er niets meer." in page


async def test_what_of_a_cause_was_not_mended_is_listed_with_its_reason(browser: Any, seeder: Any) -> None:
    exchange = seeder.parked()
    link = re.search(r'href="(/attention/\w+)"', await browser.get("/attention"))
    assert link
    page, _ = await browser.post(f"{link[1]}/mend", page=link[1], status=200, limit="5", reason="try")
    assert "0 gelukt." in page
    assert f'<a href="/exchanges/{exchange.key}">' in page


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
    assert "gepauzeerd door local" in await browser.get("/partners")
    assert "gepauzeerd door local" in await browser.get("/")
    await browser.post(f"/partners/{party}/resume", page="/partners", reason="done")
    assert not store.read_sync(lambda tx: find_channel(tx, party)).paused  # type: ignore[union-attr]


async def test_unknown_partner_is_not_paused(browser: Any) -> None:
    await browser.post("/partners/nobody/pause", page="/partners", status=404, reason="x")


async def test_partner_that_is_away_is_said_to_be_unreached(browser: Any, store: Store) -> None:
    page, _ = await browser.post(f"/partners/{REAL_POLICE.oin}/ping", page="/partners", status=200)
    assert "De partner is niet bereikt." in page
    assert actions(store)[-1][0] == "partner.pinged"


async def test_agreement_is_told_in_words(browser: Any) -> None:
    link = re.search(r'href="(/agreements/[^"]+)"', await browser.get("/partners"))
    assert link
    page = await browser.get(link[1])
    assert "acknowledgment" in page
    assert "up to 21 attempts" in page
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
    assert "1 taak is opgegeven" in await browser.get("/")
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
