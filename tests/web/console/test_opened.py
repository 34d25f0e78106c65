"""Opening a message or event: what is seen by whom, for how long, and what stays hidden whatever is tried."""

import io
import json
import re
import zipfile
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from bridge.demo import MAPPINGS
from bridge.store.accounts import change_account, find_account
from bridge.store.audit import AuditFilter, list_audit
from bridge.store.rows import Role
from bridge.store.unit import Store
from bridge.web.console.accounts import audit, change_role
from bridge.web.console.reveals import LASTS, MOST_REVEALS, MOST_SEARCHES
from bridge.web.console.routes import ROUTES
from tests.web.console.conftest import NOW, SECRET, browsing

RICH = (MAPPINGS / "stuf-jz" / "vt-melding.cases" / "rich.xml").read_bytes()
BSN = re.search(rb"inp\.bsn[^>]*>(\d{9})<", RICH)[1].decode()  # type: ignore[index]
NAME = re.search(rb"geslachtsnaam[^>]*>([^<]{4,})<", RICH)[1].decode()  # type: ignore[index]
GOLDEN = Path(__file__).resolve().parents[2] / "ebms" / "golden" / "received"
NOT_PRIVACY = [Role.VIEWER, Role.OPERATOR, Role.INTEGRATOR, Role.ADMINISTRATOR]


def shows(page: str | bytes, value: str) -> bool:
    """Whether the value stands there by itself: an OIN may hold the digits of a BSN."""
    text = page if isinstance(page, str) else page.decode("utf-8", "replace")
    return re.search(rf"(?<!\d){re.escape(value)}(?!\d)", text) is not None


class Clock:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.at = NOW

    def __call__(self) -> Any:
        return self.at


@pytest.fixture
def clock(bridge: Any) -> Clock:
    clock = Clock()
    bridge.now = clock
    return clock


@pytest.fixture
def rich(seeder: Any) -> Any:
    exchange = seeder.exchange()
    message = seeder.message(exchange, content=RICH)
    seeder.step(exchange, "message.received", 0, side="ebms", detail={"message_id": message.message_id})
    return message


@pytest.fixture
def lines(store: Store) -> Iterator[Any]:
    """Lines of audit of an action, oldest first."""
    yield lambda action: store.read_sync(lambda tx: list_audit(tx, AuditFilter(action=action)))[::-1]


def place_of(page: str, name: str) -> str:
    """What the form calls the first masked line of this name."""
    found = re.search(rf'<option value="([^"]+)">\d+ · {re.escape(name)} ·', page)
    assert found, name
    return found[1]


async def reveal(browser: Any, path: str, what: str, status: int = 303, **given: Any) -> str:
    given.setdefault("reason", "request of the court")
    page, _ = await browser.post(f"{path}/reveal", page=path, status=status, what=what, **given)
    return str(page)


async def test_step_of_the_timeline_opens_what_came_in(browser: Any, rich: Any) -> None:
    page = await browser.get(f"/exchanges/{rich.exchange}")
    assert re.search(rf'<p class="open"><a href="/messages/{rich.key}">', page)
    page = await browser.get(f"/messages/{rich.key}")
    assert "bg:inp.bsn" in page
    assert "9 cijfers, klopt" in page
    assert "vt-melding@" in page


async def test_header_is_told_in_words(browser: Any, seeder: Any) -> None:
    headers, _, wire = (GOLDEN / "adapter-style" / "request.http").read_bytes().partition(b"\r\n\r\n")
    block = headers.decode().partition("\r\n")[2] + "\r\n"
    message = seeder.message(seeder.exchange(), content=RICH, wire=wire, headers=block)
    page = await browser.get(f"/messages/{message.key}")
    for told in (
        "5f1e6a00-0001@adapter.example.nl",
        "keten:melding:1",
        "de ontvanger moet een dubbel bericht herkennen",
        "in dezelfde HTTP-verbinding",
        "cid:1, cid:2",
    ):
        assert told in page


@pytest.mark.parametrize("role", NOT_PRIVACY)
async def test_values_are_seen_by_no_other_role_at_any_address(
    enter: Any, rich: Any, seeder: Any, role: Role
) -> None:
    """Every GET and POST of the console, filled in with the message, its exchange and an event about it."""
    event = seeder.event(seeder.exchange(), body=json.dumps({"data": {"bsn": BSN, "naam": NAME}}).encode())
    browser = await enter(role)
    token = await browser.token("/account")
    keys = {"key": rich.key, "action": "replay", "party": rich.from_party, "cause": "x", "cpa": rich.cpa_id}
    for key in (rich.key, rich.exchange, event.key):
        for route in ROUTES:
            if route.path in ("/live", "/logout"):
                continue
            path = re.sub(r"\{(\w+)\}", lambda m, key=key: {**keys, "key": key}.get(m[1], "x"), route.path)
            fields = {"csrf": token, "what": "payload/0/all", "reason": "curious", "format": "raw"}
            data = fields if route.method == "POST" else None
            query = "?reveal=1&raw=1&what=payload/0/all&format=json"
            async with browser.session.request(
                route.method, browser.base + path + query, data=data, allow_redirects=False
            ) as answer:
                body = await answer.read()
            assert not shows(body, BSN), (route.method, path)
            assert not shows(body, NAME), (route.method, path)


TOLD = f"{NAME} is onbekend"
"""What a hub says that quotes the message."""


@pytest.fixture
def refused(seeder: Any) -> Any:
    """An event that the hub refused in words of its own."""
    exchange = seeder.exchange()
    event = seeder.event(exchange)
    detail = {"event_id": event.id, "reason": "FUNCTIONEEL: …"}
    seeder.step(exchange, "event.refused", 1, side="hub", outcome="failed", detail=detail, told=TOLD)
    return event


@pytest.mark.parametrize("role", NOT_PRIVACY)
async def test_what_a_peer_said_is_seen_by_no_other_role_at_any_address(
    enter: Any, refused: Any, role: Role
) -> None:
    browser = await enter(role)
    token = await browser.token("/account")
    for key in (refused.key, refused.exchange):
        for route in ROUTES:
            if route.path in ("/live", "/logout"):
                continue
            path = re.sub(r"\{(\w+)\}", lambda m, key=key: key if m[1] == "key" else "x", route.path)
            fields = {"csrf": token, "what": "told/all", "reason": "curious"}
            data = fields if route.method == "POST" else None
            async with browser.session.request(
                route.method, browser.base + path + "?what=told/all", data=data, allow_redirects=False
            ) as answer:
                assert NAME not in (await answer.read()).decode("utf-8", "replace"), (route.method, path)


async def test_viewer_sees_that_the_hub_said_something_and_not_a_word_of_it(enter: Any, refused: Any) -> None:
    browser = await enter(Role.VIEWER)
    page = await browser.get(f"/exchanges/{refused.exchange}")
    assert "De andere kant zei iets in eigen woorden" in page
    assert "onbekend" not in page
    assert "onbekend" not in await browser.get(f"/events/{refused.key}")
    document = json.loads(await browser.get(f"/api/v1/exchanges/{refused.exchange}"))
    assert [step["told"] for step in document["steps"]] == [True]


async def test_operator_sees_the_technical_words_of_the_hub_and_that_is_written_down(
    enter: Any, refused: Any, lines: Any
) -> None:
    browser = await enter(Role.OPERATOR)
    page = await browser.get(f"/events/{refused.key}")
    assert "••• is onbekend" in page
    assert NAME not in page
    (line,) = lines("content.opened")
    assert line.target == refused.key


async def test_privacy_officer_unmasks_the_words_of_the_hub_for_a_minute(
    clock: Clock, enter: Any, refused: Any, lines: Any
) -> None:
    browser = await enter(Role.PRIVACY)
    path = f"/events/{refused.key}"
    assert NAME not in await browser.get(path)
    await reveal(browser, path, "told/1")
    assert TOLD in await browser.get(path)
    (line,) = lines("content.revealed")
    assert (line.detail["place"], line.detail["line"]) == ("told", "1")
    assert NAME not in str(line)
    clock.at += LASTS + timedelta(seconds=1)
    assert NAME not in await browser.get(path)


async def test_words_of_a_peer_that_were_recorded_in_a_reason_before_are_on_no_page(
    enter: Any, seeder: Any
) -> None:
    former = f"FUNCTIONEEL: {TOLD}"
    exchange = seeder.exchange(state="attention", reason=former)
    event = seeder.event(exchange, state="error", reason=former)
    seeder.step(
        exchange, "event.refused", 1, outcome="failed", detail={"event_id": event.id, "reason": former}
    )
    browser = await enter(Role.ADMINISTRATOR)
    keys = (f"/exchanges/{exchange.key}", f"/events/{event.key}", f"/api/v1/exchanges/{exchange.key}")
    for path in ("/", "/exchanges", "/attention", "/api/v1/exchanges", "/rows", "/jobs", *keys):
        page = await browser.get(path)
        assert NAME not in page, path
    assert "FUNCTIONEEL" in await browser.get("/attention")


@pytest.mark.parametrize("role", NOT_PRIVACY)
@pytest.mark.parametrize("what", ["reveal", "evidence"])
async def test_only_the_privacy_officer_may_unmask_or_export(
    enter: Any, rich: Any, lines: Any, role: Role, what: str
) -> None:
    browser = await enter(role)
    token = await browser.token("/account")
    await browser.send(
        f"/messages/{rich.key}/{what}", status=403, csrf=token, what="payload/0/all", reason="curious"
    )
    assert lines("content.revealed") == lines("evidence.exported") == ()


async def test_privacy_officer_sees_one_value_with_a_reason(enter: Any, rich: Any, lines: Any) -> None:
    officer = await enter(Role.PRIVACY)
    path = f"/messages/{rich.key}"
    page = await officer.get(path)
    assert not shows(page, BSN)
    await reveal(officer, path, place_of(page, "bg:inp.bsn"))
    async with officer.ask("GET", path) as answer:
        page = await answer.text()
        assert answer.headers["Refresh"] == f"60; url={path}"
        assert answer.headers["Cache-Control"] == "no-store"
    assert shows(page, BSN)
    assert not shows(page, NAME)
    assert BSN not in re.findall(r"<title>(.*?)</title>", page)[0]
    (line,) = lines("content.revealed")
    assert (line.target, line.reason, line.role) == (rich.key, "request of the court", "privacy")
    assert BSN not in repr(line)


async def test_log_tells_which_place_was_unmasked_and_leads_to_its_page(
    enter: Any, rich: Any, lines: Any
) -> None:
    officer = await enter(Role.PRIVACY)
    await officer.get(f"/messages/{rich.key}")
    await reveal(officer, f"/messages/{rich.key}", "payload/0/3")
    await officer.get(f"/messages/{rich.key}")
    log = await officer.get("/audit?action=content.revealed")
    assert "afscherming opgeheven" in log
    assert f'<a href="/messages/{rich.key}">' in log
    assert "deel 1 regel #3" in log
    assert (len(lines("content.opened")), len(lines("content.seen"))) == (2, 1)


async def test_log_tells_how_many_a_search_found_and_leads_to_an_exchange(
    enter: Any, rich: Any, store: Store, seeder: Any
) -> None:
    def work(tx: Any) -> None:
        add = {"who": "anna", "role": "operator", "at": NOW, "reason": "why"}
        audit(tx, action="person.searched", found="4", **add)
        audit(tx, action="exchange.resolved", target=rich.exchange, **add)
        audit(tx, action="content.opened", target=seeder.keys(NOW), **add)

    store.write_sync(work)
    log = await (await enter(Role.PRIVACY)).get("/audit")
    assert "4 uitwisselingen gevonden" in log
    assert f'<a href="/exchanges/{rich.exchange}">' in log
    assert log.count('<a href="/messages/') == 0


async def test_whole_part_is_shown_when_all_is_asked(enter: Any, rich: Any) -> None:
    officer = await enter(Role.PRIVACY)
    await reveal(officer, f"/messages/{rich.key}", "payload/0/all")
    page = await officer.get(f"/messages/{rich.key}")
    assert shows(page, BSN)
    assert shows(page, NAME)


async def test_what_was_shown_is_gone_after_a_minute(clock: Clock, enter: Any, rich: Any) -> None:
    officer = await enter(Role.PRIVACY)
    path = f"/messages/{rich.key}"
    await reveal(officer, path, "payload/0/all")
    clock.at += LASTS - timedelta(seconds=1)
    assert shows(await officer.get(path), BSN)
    clock.at += timedelta(seconds=1)
    assert not shows(await officer.get(path), BSN)


async def test_what_is_shown_of_one_message_is_not_shown_of_another_nor_anywhere_else(
    enter: Any, rich: Any, seeder: Any
) -> None:
    other = seeder.message(seeder.exchange(), content=RICH)
    officer = await enter(Role.PRIVACY)
    await reveal(officer, f"/messages/{rich.key}", "payload/0/all")
    for path in (
        f"/messages/{other.key}",
        f"/messages/{rich.key}/explanation",
        f"/exchanges/{rich.exchange}",
        "/exchanges",
        "/audit",
        f"/api/v1/exchanges/{rich.exchange}",
        f"/rows?key={rich.exchange}",
    ):
        page = await officer.get(path)
        assert not shows(page, BSN), path
        assert not shows(page, NAME), path


async def test_another_session_of_the_same_person_sees_nothing(enter: Any, rich: Any, closed: Any) -> None:
    from tests.web.console.conftest import PASSWORD

    officer = await enter(Role.PRIVACY)
    await reveal(officer, f"/messages/{rich.key}", "payload/0/all")
    async with browsing(closed) as elsewhere:
        await elsewhere.log_in("privacy person", PASSWORD)
        assert not shows(await elsewhere.get(f"/messages/{rich.key}"), BSN)


async def test_role_that_was_taken_away_takes_what_was_shown_along(
    enter: Any, rich: Any, store: Store
) -> None:
    officer = await enter(Role.PRIVACY)
    await reveal(officer, f"/messages/{rich.key}", "payload/0/all")

    def demote(tx: Any) -> None:
        account = find_account(tx, "privacy person")
        assert account is not None
        change_account(tx, account.key, role=Role.OPERATOR)  # without ending its sessions, to be sure

    store.write_sync(demote)
    assert not shows(await officer.get(f"/messages/{rich.key}"), BSN)
    change_role(store, "privacy person", Role.OPERATOR, now=NOW, by="test")
    await officer.get(f"/messages/{rich.key}", status=303)


@pytest.mark.parametrize("reason", ["", " ", f"about {999990019}", "x" * 501])
async def test_without_a_good_reason_nothing_is_shown(enter: Any, rich: Any, lines: Any, reason: str) -> None:
    officer = await enter(Role.PRIVACY)
    page = await reveal(officer, f"/messages/{rich.key}", "payload/0/all", status=400, reason=reason)
    assert "Geef een reden" in page
    assert not shows(page, BSN)
    assert not shows(page, "999990019")
    assert lines("content.revealed") == ()


async def test_form_of_another_site_unmasks_nothing(enter: Any, rich: Any, lines: Any) -> None:
    officer = await enter(Role.PRIVACY)
    path = f"/messages/{rich.key}/reveal"
    await officer.send(path, status=403, what="payload/0/all", reason="x")
    token = await officer.token("/account")
    async with officer.session.post(
        officer.base + path,
        data={"csrf": token, "what": "payload/0/all", "reason": "x"},
        headers={"Sec-Fetch-Site": "cross-site"},
    ) as answer:
        assert answer.status == 403
    async with officer.ask("GET", f"{path}?csrf={token}&what=payload/0/all&reason=x") as answer:
        assert answer.status == 405
    assert lines("content.revealed") == ()


@pytest.mark.parametrize(
    "what", ["", "payload/0", "evidence/0/all", "payload/0/-1", "payload/99999/all", "../x/1"]
)
async def test_place_that_is_none_is_refused(enter: Any, rich: Any, what: str) -> None:
    officer = await enter(Role.PRIVACY)
    await reveal(officer, f"/messages/{rich.key}", what, status=400)


async def test_asking_too_often_is_refused_and_written_down(
    clock: Clock, enter: Any, rich: Any, lines: Any
) -> None:
    officer = await enter(Role.PRIVACY)
    path = f"/messages/{rich.key}"
    for _ in range(MOST_REVEALS):
        await reveal(officer, path, "payload/0/1")
    clock.at += LASTS
    page = await reveal(officer, path, "payload/0/all", status=429)
    assert "vaker dan mag" in page
    assert not shows(page, BSN)
    await officer.post(f"{path}/evidence", page=path, status=429, reason="x")
    assert len(lines("content.reveal_refused")) == 2
    assert lines("evidence.exported") == ()
    clock.at += timedelta(minutes=58)
    await reveal(officer, path, "payload/0/all", status=429)
    clock.at += timedelta(minutes=2)
    await reveal(officer, path, "payload/0/all")


async def test_evidence_is_a_download_with_a_reason(enter: Any, rich: Any, lines: Any) -> None:
    officer = await enter(Role.PRIVACY)
    token = await officer.token(f"/messages/{rich.key}")
    data = {"csrf": token, "reason": "request of the court"}
    path = f"/messages/{rich.key}/evidence"
    async with officer.session.post(officer.base + path, data=data) as answer:
        assert answer.headers["Content-Type"] == "application/zip"
        assert answer.headers["Content-Disposition"].startswith("attachment")
        assert answer.headers["Cache-Control"] == "no-store"
        with zipfile.ZipFile(io.BytesIO(await answer.read())) as archive:
            assert archive.read("payload/01") == RICH
    (line,) = lines("evidence.exported")
    assert line.reason == "request of the court"
    await officer.send(path, status=400, csrf=token, reason="")


@pytest.mark.parametrize(
    "content", [f"<melding>{SECRET}</melding>".encode(), SECRET.encode(), b"\x89PNG\r\n" * 9]
)
async def test_content_that_no_mapping_knows_is_masked_as_a_whole(
    browser: Any, seeder: Any, content: bytes
) -> None:
    message = seeder.message(seeder.exchange(), content=content)
    page = await browser.get(f"/messages/{message.key}")
    assert "Vries" not in page
    assert "melding</" not in page
    assert "999900092" not in page


async def test_header_that_we_do_not_know_is_not_shown(browser: Any, rich: Any) -> None:
    page = await browser.get(f"/messages/{rich.key}")
    assert "Content-Type" in page
    assert "X-Secret" not in page
    assert "1 andere kop is niet getoond" in page


async def test_event_opens_with_its_data_masked(browser: Any, seeder: Any) -> None:
    exchange = seeder.exchange()
    body = {"specversion": "1.0", "subject": exchange.subject, "data": {"bsn": BSN, "naam": NAME, NAME: 1}}
    event = seeder.event(exchange, body=json.dumps(body).encode())
    page = await browser.get(f"/events/{event.key}")
    assert "9 cijfers, klopt" in page
    assert str(exchange.subject) in page
    assert not shows(page, BSN)
    assert not shows(page, NAME)


async def test_privacy_officer_sees_a_value_of_an_event(enter: Any, seeder: Any) -> None:
    event = seeder.event(seeder.exchange(), body=json.dumps({"data": {"bsn": BSN, "x": NAME}}).encode())
    officer = await enter(Role.PRIVACY)
    path = f"/events/{event.key}"
    await reveal(officer, path, place_of(await officer.get(path), "bsn"))
    page = await officer.get(path)
    assert shows(page, BSN)
    assert not shows(page, NAME)


@pytest.mark.parametrize("path", ["/messages/nothing", "/messages/{}", "/events/{}"])
async def test_unknown_message_or_event_is_not_there(browser: Any, unknown_key: str, path: str) -> None:
    await browser.get(path.format(unknown_key), status=404)


async def test_viewer_sees_the_header_and_no_content(enter: Any, rich: Any) -> None:
    page = await (await enter(Role.VIEWER)).get(f"/messages/{rich.key}")
    assert "Uw rol ziet geen inhoud" in page
    assert "bg:inp.bsn" not in page


async def test_opening_is_written_down(browser: Any, rich: Any, lines: Any) -> None:
    await browser.get(f"/messages/{rich.key}")
    assert [line.target for line in lines("content.opened")] == [rich.key]


async def test_stream_tells_keys_only_while_something_is_shown(enter: Any, rich: Any, seeder: Any) -> None:
    officer = await enter(Role.PRIVACY)
    await reveal(officer, f"/messages/{rich.key}", "payload/0/all")
    async with officer.ask("GET", f"/live?exchange={rich.exchange}&after=0") as answer:
        text = (await answer.content.readuntil(b"data:")) + await answer.content.readline()
    assert not shows(text, BSN)
    assert not shows(text, NAME)


async def test_values_stand_in_no_log(enter: Any, rich: Any, capsys: Any) -> None:
    officer = await enter(Role.PRIVACY)
    await reveal(officer, f"/messages/{rich.key}", "payload/0/all")
    await officer.get(f"/messages/{rich.key}")
    said = "".join(capsys.readouterr())
    assert not shows(said, BSN)
    assert not shows(said, NAME)


async def test_search_by_bsn_is_limited_and_refusal_is_written_down(browser: Any, lines: Any) -> None:
    for _ in range(MOST_SEARCHES):
        await browser.post("/person", status=200, bsn="999990019", reason="x")
    page, _ = await browser.post("/person", status=429, bsn="999990019", reason="x")
    assert "vaker dan mag" in page
    assert not shows(page, "999990019")
    assert len(lines("person.search_refused")) == 1
