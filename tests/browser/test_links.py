"""What a page offers leads somewhere."""

from __future__ import annotations

from typing import Any

from bridge.bench.pages import visits
from tests.browser.scene import bridge, options, scene  # noqa: F401 - a night in which something of everything happened
from tests.web.console.conftest import browser, runner  # noqa: F401 - a client without a browser


async def test_no_link_of_any_page_leads_nowhere(
    browser: Any,  # noqa: F811
    scene: Any,  # noqa: F811
) -> None:
    seen = [visit async for visit in visits(browser.session, f"{browser.base}/", rounds=1)]
    assert len(seen) > 100
    assert {visit.address: visit.status for visit in seen if visit.status != 200} == {}
