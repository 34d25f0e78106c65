"""The plain lists: access log, jobs, certificates, and what is downloaded of them."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import re
from base64 import b64encode
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import Connection

from bridge.cli.now import now_document
from bridge.flow.exchange import POST_ANSWER
from bridge.flow.pull import SUBSCRIPTION
from bridge.ids import Key, MessageId
from bridge.store.access import add_access
from bridge.store.audit import AuditFilter, list_audit
from bridge.store.channels import HUB, note_failure, pause
from bridge.store.doors import note_turned_away
from bridge.store.jobs import add_job, add_standing_job, bury_job, claim_jobs, get_job, retry_job
from bridge.store.rows import Access, AccessOutcome, Role, TurnedAway
from bridge.web.console.overview import find_overview
from tests.web.console.conftest import NOW, START

READER = "00000001112223334000"


@pytest.fixture
def decisions(seeder: Any, store: Any) -> Any:
    """An allowed lookup and a denied one."""

    def add(outcome: AccessOutcome, id: str) -> Access:
        access = Access(
            key=seeder.keys(START),
            at=START,
            trace_id="0" * 32,
            span_id="0" * 16,
            status="Ok",
            outcome=outcome,
            reader=READER,
            via=READER,
            type="meldingen",
            id=id,
            level=1,
            policy="veilig-thuis",
            request='{"bsn": "999900092"}',
            response="{}",
        )
        store.write_sync(lambda tx: add_access(tx, access))
        return access

    return add(AccessOutcome.ALLOWED, "one"), add(AccessOutcome.DENIED, "=two")


async def test_access_log_tells_who_asked_for_what_and_what_was_decided(enter: Any, decisions: Any) -> None:
    page = await (await enter(Role.PRIVACY)).get("/access")
    for told in ("toegestaan", "geweigerd", "Politie Eenheid Oost", "veilig-thuis"):
        assert told in page
    assert "999900092" not in page


@pytest.mark.parametrize(
    ("query", "shown"), [("outcome=denied", "=two"), ("id=one", "one"), ("reader=x", "")]
)
async def test_access_log_is_filtered_by_its_address(
    enter: Any, decisions: Any, query: str, shown: str
) -> None:
    page = await (await enter(Role.PRIVACY)).get(f"/access?{query}")
    found = [id for id in ("one", "=two") if f"meldingen {id}<" in page]
    assert found == ([shown] if shown else [])


@pytest.mark.parametrize("query", ["id=999900092", "outcome=maybe", "since=soon"])
async def test_wrong_filter_of_the_access_log_is_told(enter: Any, decisions: Any, query: str) -> None:
    page = await (await enter(Role.PRIVACY)).get(f"/access?{query}", status=400)
    assert "999900092" not in page


@pytest.mark.parametrize("path", ["/access", "/access.csv", "/access.jsonl"])
async def test_access_log_is_not_for_operators(enter: Any, decisions: Any, path: str) -> None:
    await (await enter(Role.OPERATOR)).get(path, status=403)


async def test_download_has_its_digest_and_is_a_line_of_audit(enter: Any, decisions: Any, store: Any) -> None:
    officer = await enter(Role.PRIVACY)
    async with officer.ask("GET", "/access.csv") as answer:
        body = await answer.read()
        digest = b64encode(hashlib.sha256(body).digest()).decode()
        assert answer.headers["Content-Digest"] == f"sha-256=:{digest}:"
        assert answer.headers["Cache-Control"] == "no-store"
    rows = list(csv.DictReader(io.StringIO(body.decode())))
    assert [row["id"] for row in rows] == ["'=two", "one"]
    assert b"999900092" not in body
    lines = (await officer.get("/access.jsonl")).splitlines()
    assert [json.loads(line)["outcome"] for line in lines] == ["denied", "allowed"]
    told = store.read_sync(lambda tx: list_audit(tx, AuditFilter(action="access.exported")))
    assert [line.detail["lines"] for line in told] == ["2", "2"]


async def test_certificates_are_downloaded_as_a_table(browser: Any, bridge: Any) -> None:
    rows = list(csv.DictReader(io.StringIO(await browser.get("/certificates.csv"))))
    assert rows
    assert {len(row["sha256"]) for row in rows} == {64}
    assert sorted(row["ends"] for row in rows) == [row["ends"] for row in rows]


@pytest.fixture
def job(seeder: Any, store: Any) -> Any:
    """A delivery that failed once and waits an hour for its next attempt."""
    message = seeder.message(seeder.exchange())
    key = seeder.keys(START)

    def work(tx: Any) -> None:
        add_job(tx, key=key, kind="deliver", subject_key=message.key, due=START, at=START)
        (held,) = claim_jobs(tx, now=START, worker="one", lease=timedelta(minutes=2), limit=1)
        retry_job(tx, held, due=NOW + timedelta(hours=1), reason="refused", at=START)

    store.write_sync(work)
    return key


async def test_job_that_waits_is_done_now_with_a_reason(browser: Any, job: Any, store: Any) -> None:
    assert f"/mend/hurry/{job}" in await browser.get("/jobs?state=retried")
    assert "Gaat meteen" in await browser.get(f"/mend/hurry/{job}")
    await browser.post(f"/mend/hurry/{job}", reason="partner is back")
    hurried = store.read_sync(lambda tx: get_job(tx, job))
    assert (hurried.due, hurried.attempts) == (NOW, 1)
    assert f"/mend/hurry/{job}" not in await browser.get("/jobs?state=retried")
    assert "Dit kan nu niet" in await browser.get(f"/mend/hurry/{job}")


async def test_standing_job_is_done_now_too(browser: Any, store: Any) -> None:
    """Its key is a name, not one that was drawn."""
    store.write_sync(lambda tx: add_standing_job(tx, key="purge", kind="purge", endpoint=None, at=START))
    (held,) = store.write_sync(
        lambda tx: claim_jobs(tx, now=START, worker="one", lease=timedelta(minutes=2), limit=1)
    )
    store.write_sync(lambda tx: retry_job(tx, held, due=NOW + timedelta(hours=1), reason="nothing", at=START))
    assert "/mend/hurry/purge" in await browser.get("/jobs?state=retried")
    await browser.post("/mend/hurry/purge", reason="the disk is filling up")
    assert store.read_sync(lambda tx: get_job(tx, "purge")).due == NOW


async def test_job_that_a_worker_holds_is_left_alone(browser: Any, job: Any, store: Any) -> None:
    late = NOW + timedelta(hours=1)
    store.write_sync(lambda tx: claim_jobs(tx, now=late, worker="two", lease=timedelta(minutes=2), limit=1))
    page = await browser.get("/jobs?state=leased")
    assert "In behandeling tot" in page
    assert f"/mend/hurry/{job}" not in page
    assert job not in await browser.get("/jobs?state=retried")
    await browser.post(f"/mend/hurry/{job}", page="/person", status=400, reason="x")


@pytest.mark.parametrize("state", ["done", "x", ""])
async def test_unknown_list_of_jobs_is_refused(browser: Any, state: str) -> None:
    await browser.get(f"/jobs?state={state}", status=400)


async def test_routine_work_stands_apart_from_work_about_an_exchange(
    browser: Any, seeder: Any, store: Any
) -> None:
    exchange = seeder.exchange()
    message = seeder.message(exchange)

    def work(tx: Connection) -> None:
        add_standing_job(tx, key=Key("seal"), kind="seal", endpoint=None, at=NOW)
        add_job(tx, key=seeder.keys(NOW), kind="map", subject_key=message.key, due=NOW, at=NOW)

    store.write_sync(work)
    stuck, _, routine = (await browser.get("/jobs?state=ready")).partition('<details class="more">')
    assert f'<a href="/exchanges/{exchange.key}">Bekijk de uitwisseling</a>' in stuck
    assert "Journaal verzegelen" not in stuck
    assert "Journaal verzegelen" in routine
    assert "0 keer gedaan" in routine
    assert "Bekijk de uitwisseling" not in routine


async def test_job_for_a_paused_partner_says_so_by_name(browser: Any, seeder: Any, store: Any) -> None:
    def work(tx: Connection) -> None:
        pause(tx, READER, by="anna", reason="maintenance", at=NOW)
        add_job(
            tx, key=seeder.keys(NOW), kind="deliver", subject_key=Key("x"), due=NOW, at=NOW, endpoint=READER
        )

    store.write_sync(work)
    page = await browser.get("/jobs?state=ready")
    assert "Politie Eenheid Oost" in page
    assert "gepauzeerd" in page


@pytest.mark.parametrize("page", ["/", "/attention"])
async def test_what_waits_for_an_endpoint_leads_to_a_list_of_exactly_that(
    browser: Any, seeder: Any, store: Any, page: str
) -> None:
    def work(tx: Connection) -> None:
        note_failure(tx, HUB, reason="status 503", at=NOW)
        add_standing_job(tx, key=Key("pull"), kind="pull", endpoint=HUB, at=NOW)
        for kind, endpoint in (("publish", HUB), ("deliver", READER), ("map", None)):
            add_job(
                tx,
                key=seeder.keys(NOW),
                kind=kind,
                subject_key=Key("x"),
                due=NOW,
                at=NOW,
                endpoint=endpoint,
            )

    store.write_sync(work)
    assert '<a href="/jobs?endpoint=hub">2 taken wachten hierop</a>' in await browser.get(page)
    listed = await browser.get("/jobs?endpoint=hub")
    assert "2 taken wachten op: hub." in listed
    shown = listed.partition('<details class="more">')[0]
    assert re.findall(r"<code>(pull|publish|deliver|map)</code>", shown) == ["pull", "publish"]


async def test_list_of_what_waits_goes_on_at_the_next_page(browser: Any, seeder: Any, store: Any) -> None:
    def work(tx: Connection) -> None:
        for n in range(52):
            key = seeder.keys(NOW + timedelta(seconds=n))
            add_job(tx, key=key, kind="publish", subject_key=Key("x"), due=NOW, at=NOW, endpoint=HUB)

    store.write_sync(work)
    first = await browser.get("/jobs?endpoint=hub")
    (older,) = re.findall(r'rel="next" href="([^"]*)"', first)
    assert first.count("<code>publish</code>") == 50
    second = await browser.get(older.replace("&amp;", "&"))
    assert (second.count("<code>publish</code>"), "52 taken wachten" in second) == (2, True)


@pytest.mark.parametrize("endpoint", ["x" * 201, "999900092"])
async def test_endpoint_that_is_none_is_refused(browser: Any, endpoint: str) -> None:
    await browser.get(f"/jobs?endpoint={endpoint}", status=400)


async def test_routine_work_of_an_empty_bridge_is_not_told_as_work_that_is_ready(
    browser: Any, store: Any
) -> None:
    def work(tx: Connection) -> None:
        add_standing_job(tx, key=SUBSCRIPTION, kind="pull", endpoint=HUB, at=NOW)
        for name in ("alerts", "purge"):
            add_standing_job(tx, key=Key(name), kind=name, endpoint=None, at=NOW)

    store.write_sync(work)
    page = await browser.get("/")
    assert "Er staan geen taken klaar." in page
    assert "Daarbij zijn er 3 vaste taken" in page
    assert "Er staat niets klaar" in await browser.get("/jobs?state=ready")
    found = store.read_sync(lambda tx: find_overview(tx, now=NOW))
    document = now_document(found, (), ())
    assert (document["jobsReady"], document["jobsRoutine"]) == (0, 3)


async def test_job_whose_time_has_come_says_that_a_failing_endpoint_holds_it(
    browser: Any, seeder: Any, store: Any
) -> None:
    def work(tx: Connection) -> None:
        for _ in range(3):
            note_failure(tx, HUB, reason="status 503", at=NOW)
        for hours in (-1, 1):
            due = NOW + timedelta(hours=hours)
            key = seeder.keys(due)
            add_job(tx, key=key, kind="publish", subject_key=Key("x"), due=due, at=NOW, endpoint=HUB)

    store.write_sync(work)
    early, overdue = (await browser.get("/jobs?state=ready")).split("<code>publish</code>")[1:]
    assert "wacht op" not in early
    assert "wacht op een bestemming in storing (3 pogingen op rij mislukt)" in overdue
    assert '<a href="/partners#p-hub">' in overdue


async def test_answer_that_was_given_up_names_its_receiver(browser: Any, seeder: Any, store: Any) -> None:
    message = seeder.message(seeder.exchange())

    def work(tx: Connection) -> None:
        add_job(tx, key=seeder.keys(NOW), kind=POST_ANSWER, subject_key=message.key, due=NOW, at=NOW)
        (job,) = claim_jobs(tx, now=NOW, worker="w", lease=timedelta(minutes=1), limit=1)
        bury_job(tx, job, reason="HTTP 500", at=NOW)

    store.write_sync(work)
    assert 'data-label="Naar">Politie Eenheid Oost</td>' in await browser.get("/jobs")


async def test_sending_our_answer_again_is_called_so_on_its_page_too(
    browser: Any, seeder: Any, store: Any
) -> None:
    message = seeder.message(seeder.exchange())

    def work(tx: Connection) -> None:
        add_job(tx, key=seeder.keys(NOW), kind=POST_ANSWER, subject_key=message.key, due=NOW, at=NOW)
        (job,) = claim_jobs(tx, now=NOW, worker="w", lease=timedelta(minutes=1), limit=1)
        bury_job(tx, job, reason="HTTP 500", at=NOW)

    store.write_sync(work)
    exchange = await browser.get(f"/exchanges/{message.exchange}")
    (path, name) = re.findall(r'href="(/mend/revive/[^"]*)">([^<…]*)…', exchange)[0]
    assert f"<h1>{name}</h1>" in await browser.get(path)


async def test_pause_of_the_hub_is_told_with_an_article(browser: Any, store: Any) -> None:
    store.write_sync(lambda tx: pause(tx, HUB, by="root (command)", reason="test", at=NOW))
    page = await browser.get("/attention")
    assert "De hub is gepauzeerd door gebruiker root (opdrachtregel)" in page
    assert "gaat er niets naar de hub" in page


async def test_certificate_of_a_partner_leads_to_its_agreement(browser: Any, bridge: Any) -> None:
    cpa = bridge.agreements.agreements[0].cpa_id
    assert f'<a href="/agreements/{cpa}">' in await browser.get("/certificates")


async def test_partner_is_chosen_by_name(browser: Any, bridge: Any) -> None:
    partner = bridge.settings.partners[0]
    page = await browser.get(f"/exchanges?partner={partner.party_id}")
    assert f'<option value="{partner.party_id}" selected>{partner.name}</option>' in page
    other = await browser.get("/exchanges?partner=00000001112223334000")
    assert '<option value="00000001112223334000" selected>Politie Eenheid Oost</option>' in other


async def test_exchange_is_found_by_its_number_without_the_kind(browser: Any, seeder: Any) -> None:
    exchange = seeder.exchange(subject="melding/BVH-2026-000105")
    assert exchange.key in await browser.get("/exchanges?q=BVH-2026-000105")


async def test_id_of_a_message_that_was_turned_away_leads_to_attention(browser: Any, store: Any) -> None:
    knock = TurnedAway(
        oin=READER,
        code="ValueNotRecognized",
        cpa_id="old",
        count=1,
        first_at=NOW,
        last_at=NOW,
        message_id=MessageId("knock@x"),
    )
    store.write_sync(lambda tx: note_turned_away(tx, knock))
    assert "geweigerd en niet bewaard" in await browser.get("/exchanges?q=knock@x")
    assert "geweigerd en niet bewaard" not in await browser.get("/exchanges?q=other@x")
    attention = await browser.get("/attention")
    assert '<a href="/agreements">' in attention
