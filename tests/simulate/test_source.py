"""The simulated source answers those who may look, and remembers who asked."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from bridge.simulate.settings import SourceSettings, Tls
from bridge.simulate.source import Source
from bridge.simulate.tls import client_context

MELDER = "00000001111111110000"


@pytest.fixture
async def source(tls: Callable[[str], Tls], tmp_path: Path):
    known = tmp_path / "resources.json"
    known.write_text(json.dumps({"melding": {"1": {"id": "urn:melding:1"}}}))
    made = Source(SourceSettings(tls=tls("ontvanger"), readers=(MELDER,), resources=known))
    await made.start()
    yield made
    await made.stop()


async def look(own: Tls, url: str) -> tuple[int, Any]:
    context = client_context(certificate=own.certificate, key=own.key, trust=own.trust)
    async with (
        aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=context)) as session,
        session.get(url) as response,
    ):
        return response.status, await response.json(content_type=None)


async def test_reader_gets_the_resource(source: Source, tls):
    assert await look(tls("melder"), f"{source.url}/inzage/melding/1") == (200, {"id": "urn:melding:1"})


async def test_stranger_is_refused_whether_the_resource_exists_or_not(source: Source, tls):
    answers = [await look(tls("hub"), f"{source.url}/inzage/melding/{i}") for i in (1, 2)]

    assert [status for status, _ in answers] == [403, 403]


async def test_unknown_resource_is_404(source: Source, tls):
    assert (await look(tls("melder"), f"{source.url}/inzage/melding/2"))[0] == 404


async def test_resource_that_was_put_is_at_its_url(source: Source, tls):
    url = source.put("uitkomst-overleg", "7", {"id": "7"})

    assert await look(tls("melder"), url) == (200, {"id": "7"})


async def test_every_lookup_is_remembered(source: Source, tls):
    await look(tls("melder"), f"{source.url}/inzage/melding/1")

    assert source.lookups == [(MELDER, "melding", "1", 200)]
