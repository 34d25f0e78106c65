"""Logging in at an identity provider and unmasking a value, in a real browser."""

from __future__ import annotations

import re
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

from bridge.demo import MAPPINGS
from bridge.store.rows import Role
from bridge.web.console.identity import OidcOptions, RoleRule
from tests.browser.conftest import chromium
from tests.web.console.conftest import NOW, PASSWORD, serving
from tests.web.console.identity_provider import IdentityProvider, running

RICH = (MAPPINGS / "stuf-jz" / "vt-melding.cases" / "rich.xml").read_bytes()


async def test_person_logs_in_at_the_organisation_and_out_again(
    bridge: Any, options: Any, tmp_path: Path
) -> None:
    """The provider is another site to the browser, so this proves the cookies as well."""
    rules = (RoleRule(claim="groups", value="bridge-operators", role=Role.OPERATOR),)
    async with running(IdentityProvider(now=NOW)) as idp, AsyncExitStack() as stack:
        oidc = OidcOptions(issuer=idp.base, client_id="console", client_secret="s3cret", roles=rules)
        settings = replace(options, login=True, local=False, oidc=oidc)
        runner = await stack.enter_async_context(serving(bridge, settings))
        base = f"http://127.0.0.1:{runner.addresses[0][1]}"
        page = await stack.enter_async_context(chromium(tmp_path, base))
        await page.open("/exchanges?lang=en")
        assert await page.violations() == []
        await page.click("main a.button")
        assert "Allow" in await page.text()
        await page.click("#allow")
        await page.until("location.pathname === '/exchanges' && document.readyState === 'complete'")
        assert "a.jansen" in await page.text()
        await page.click("form.who button")
        await page.until("location.pathname === '/login' && document.readyState === 'complete'")
        assert idp.ended == 1
        await page.open("/exchanges")
        assert "/login" in str(await page.run("location.pathname"))


async def test_privacy_officer_unmasks_one_value(page: Any, person: Any, seeder: Any) -> None:
    message = seeder.message(seeder.exchange(), content=RICH)
    person("anna", Role.PRIVACY)
    await page.open("/login?lang=en")
    await page.type("#name", "anna")
    await page.type("#password", PASSWORD)
    await page.click("main button")
    await page.open(f"/messages/{message.key}")
    bsn = re.search(r"inp\.bsn[^>]*>(\d{9})<", RICH.decode())[1]  # type: ignore[index]
    shown = f"[...document.querySelectorAll('.tree .value')].some(v => v.textContent === '{bsn}')"
    assert not await page.run(shown)
    await page.run(
        "const s = document.getElementById('what');"
        "s.value = [...s.options].find(o => o.text.includes('bg:inp.bsn')).value"
    )
    await page.type("#why", "request of the court")
    await page.click("form.panel button")
    assert await page.run(shown)
    assert "Visible until" in await page.text()
    assert await page.violations() == []
