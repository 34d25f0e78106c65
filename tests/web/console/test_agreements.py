"""Putting an agreement in place from the console: looked at first, then with a reason, and never something hostile."""

from __future__ import annotations

import re
import shutil
from base64 import b64encode
from pathlib import Path
from typing import Any

import pytest

from bridge.store.audit import AuditFilter, list_audit
from bridge.store.rows import Role


@pytest.fixture
def folder(bridge: Any, tmp_path: Path) -> Path:
    """An agreements folder of this test alone."""
    mine = tmp_path / "cpa"
    shutil.copytree(bridge.settings.agreements.folder, mine)
    agreements = bridge.settings.agreements.model_copy(update={"folder": mine})
    bridge.settings = bridge.settings.model_copy(update={"agreements": agreements})
    return mine


@pytest.fixture
def there(folder: Path) -> bytes:
    """The agreement that is there."""
    return next(iter(sorted(folder.glob("*.xml")))).read_bytes()


@pytest.fixture
async def admin(folder: Path, enter: Any) -> Any:
    return await enter(Role.ADMINISTRATOR)


def files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def renamed(octets: bytes) -> bytes:
    """The same agreement under another cpaid."""
    found = re.search(rb'cpaid="([^"]+)"', octets)
    assert found
    return octets.replace(found[1], b"cpa-new")


async def check(admin: Any, octets: bytes, status: int = 200) -> str:
    page, _ = await admin.post("/agreements/check", page="/agreements", status=status, files={"file": octets})
    return str(page)


async def confirm(admin: Any, octets: bytes, choice: str, expected: str = "", **given: Any) -> str:
    given.setdefault("reason", "partner moved")
    fields = {"document": b64encode(octets).decode(), "choice": choice, "expected": expected}
    page, back = await admin.post("/agreements/import", page="/agreements", **(fields | given))
    return str(back or page)


def expected_in(page: str) -> str:
    found = re.search(r'value="replace"><input type="hidden" name="expected" value="(\w+)"', page)
    assert found
    return found[1]


async def test_new_agreement_is_looked_at_first_and_then_used_at_once(
    admin: Any, folder: Path, there: bytes, bridge: Any, store: Any
) -> None:
    before, new = files(folder), renamed(there)
    page = await check(admin, new)
    assert "cpa-new" in page
    assert "Toevoegen" in page
    assert files(folder) == before
    await confirm(admin, new, "add")
    assert (folder / "cpa-new.xml").read_bytes() == new
    assert "cpa-new" in {agreement.cpa_id for agreement in bridge.agreements.agreements}
    assert "cpa-new" in await admin.get("/agreements")
    (line,) = store.read_sync(lambda tx: list_audit(tx, AuditFilter(action="agreement.imported")))
    assert (line.target, line.reason, line.role) == ("cpa-new", "partner moved", "administrator")


async def test_agreement_that_replaces_one_shows_what_changes(admin: Any, folder: Path, there: bytes) -> None:
    changed = there.replace(b"localhost:9/ebms", b"localhost:10/ebms")
    assert changed != there
    page = await check(admin, changed)
    assert "Vervangen" in page
    assert "localhost:10" in page
    assert (
        "<strong>was</strong> Politie Eenheid Voorbeeld: Bevestigingen naar: https://localhost:9/ebms" in page
    )
    assert (
        "<strong>wordt</strong> Politie Eenheid Voorbeeld: Bevestigingen naar: https://localhost:10/ebms"
        in page
    )
    assert "Zoals de opdracht het zegt" in page
    assert page.index('id="changes-replace"') < page.index('id="findings-title"')
    back = await confirm(admin, changed, "replace", expected_in(page))
    assert "Gelukt:</strong> Deze overeenkomst is vervangen:" in await admin.get(back)
    assert changed in files(folder).values()
    assert there not in files(folder).values()


async def test_what_changed_meanwhile_is_not_replaced(admin: Any, folder: Path, there: bytes) -> None:
    changed = there.replace(b"localhost:9/ebms", b"localhost:10/ebms")
    expected = expected_in(await check(admin, changed))
    name = next(name for name, octets in files(folder).items() if octets == there)
    (folder / name).write_bytes(there.replace(b"localhost:9/ebms", b"localhost:11/ebms"))
    before = files(folder)
    page = await confirm(admin, changed, "replace", expected, status=409)
    assert "intussen veranderd" in page
    assert files(folder) == before


async def test_same_agreement_changes_nothing(admin: Any, there: bytes) -> None:
    page = await check(admin, there)
    assert "letterlijk hetzelfde" in page
    assert 'action="/agreements/import"' not in page


@pytest.mark.parametrize("reason", ["", " ", "x" * 501])
async def test_without_a_reason_nothing_is_imported(
    admin: Any, folder: Path, there: bytes, reason: str
) -> None:
    before = files(folder)
    await confirm(admin, renamed(there), "add", reason=reason, status=400)
    assert files(folder) == before


BOMB = (
    b'<?xml version="1.0"?><!DOCTYPE a [<!ENTITY b "xxxxxxxxxx">'
    + b"".join(f'<!ENTITY c{n} "{"&b;" if n == 0 else f"&c{n - 1};" * 10}">'.encode() for n in range(12))
    + b"]><a>&c11;</a>"
)
HOSTILE = {
    "entities that grow": BOMB,
    "a file of ours": b'<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><a>&x;</a>',
    "deep": b"<a>" * 50_000 + b"</a>" * 50_000,
    "no xml": b"\x89PNG\r\n",
    "cut off": b"<tp:CollaborationProtocolAgreement",
    "another document": b"<html><script>alert(1)</script></html>",
}


@pytest.mark.parametrize("name", HOSTILE)
async def test_hostile_file_is_told_and_not_imported(admin: Any, folder: Path, name: str) -> None:
    before = files(folder)
    page = await check(admin, HOSTILE[name])
    assert "niet bruikbaar" in page
    assert "root:" not in page
    assert "<script>alert" not in page
    assert 'action="/agreements/import"' not in page
    assert await confirm(admin, HOSTILE[name], "add", status=409)
    assert files(folder) == before


async def test_file_that_is_too_large_or_missing_is_refused(admin: Any) -> None:
    assert "Kies een bestand" in await check(admin, b"x" * (2 * 1024 * 1024 + 1), status=400)
    page, _ = await admin.post("/agreements/check", page="/agreements", status=400)
    assert "Kies een bestand" in page


async def test_name_of_an_agreement_leads_out_of_no_folder(admin: Any, folder: Path, there: bytes) -> None:
    found = re.search(rb'cpaid="([^"]+)"', there)
    assert found
    await confirm(admin, there.replace(found[1], b"../../evil"), "add")
    assert not (folder.parent.parent / "evil.xml").exists()
    assert any("evil" in name for name in files(folder))


@pytest.mark.parametrize("choice", ["", "remove", "refused"])
async def test_unknown_choice_is_refused(admin: Any, there: bytes, choice: str) -> None:
    await confirm(admin, renamed(there), choice, status=400)


@pytest.mark.parametrize("role", [Role.VIEWER, Role.OPERATOR, Role.INTEGRATOR, Role.PRIVACY])
async def test_only_an_administrator_puts_agreements_in_place(
    folder: Path, there: bytes, enter: Any, role: Role
) -> None:
    before, browser = files(folder), await enter(role)
    assert 'type="file"' not in await browser.get("/agreements")
    document = b64encode(renamed(there)).decode()
    token = await browser.token("/account")
    await browser.send(
        "/agreements/import", status=403, csrf=token, document=document, choice="add", expected="", reason="x"
    )
    await browser.send("/agreements/check", status=403, files={"file": there}, csrf=token)
    assert files(folder) == before


async def test_agreement_shows_certificates_and_addresses(browser: Any, bridge: Any) -> None:
    cpa = bridge.agreements.agreements[0].cpa_id
    page = await browser.get(f"/agreements/{cpa}")
    assert "SHA-256" in page
    assert "https://localhost" in page


async def test_partner_shows_when_it_was_last_seen_each_way(browser: Any, seeder: Any, bridge: Any) -> None:
    party = bridge.settings.partners[0].party_id
    seeder.exchange(partner=party)
    page = await browser.get("/partners")
    assert "Laatste bericht van de partner" in page
    assert "Laatst naar de partner" not in page


@pytest.mark.parametrize("path", ["/agreements/check", "/agreements/import", "/mappings/check"])
async def test_what_answers_a_form_leads_to_the_form_when_it_is_asked_for(admin: Any, path: str) -> None:
    async with admin.session.get(f"{admin.base}{path}?lang=en&x=y", allow_redirects=False) as answer:
        assert (answer.status, answer.headers["Location"]) == (303, f"{path.rpartition('/')[0]}?lang=en")


async def test_other_language_of_a_check_leads_to_a_page(admin: Any, there: bytes) -> None:
    page = await check(admin, renamed(there))
    (link,) = re.findall(r'href="([^"]*lang=en)"', page)
    async with admin.session.get(admin.base + link) as answer:
        assert answer.status == 200
        assert "<h1>Agreements</h1>" in await answer.text()


@pytest.mark.parametrize("query", ["done=cpa-of-nobody&how=add", "done=<b>&how=<b>"])
async def test_what_was_not_put_in_place_is_not_said_to_be(admin: Any, query: str) -> None:
    assert 'id="done"' not in await admin.get(f"/agreements?{query}")
