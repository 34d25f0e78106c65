"""A real Chromium without a window, driven over its DevTools protocol; and the console that it looks at."""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.web.console.conftest import (  # noqa: F401 - the fixtures of the console's own tests
    bridge,
    closed,
    in_force,
    mappings,
    options,
    person,
    seeder,
    store,
    whole,
)

PATIENCE = 20.0


@dataclass
class Page:
    """One tab. Every wait is for something that the page says, never for a time."""

    socket: aiohttp.ClientWebSocketResponse
    base: str
    numbers: Any = field(default_factory=lambda: itertools.count(1))

    async def call(self, method: str, **parameters: Any) -> Any:
        number = next(self.numbers)
        await self.socket.send_json({"id": number, "method": method, "params": parameters})
        async with asyncio.timeout(PATIENCE):
            while True:
                message = json.loads(await self.socket.receive_str())
                if message.get("id") == number:
                    assert "error" not in message, message
                    return message["result"]

    async def run(self, script: str) -> Any:
        """The value of an expression in the page; a promise is awaited."""
        answer = await self.call("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    async def until(self, script: str) -> None:
        """Wait until an expression is true. A page that is just being replaced has no answer yet."""
        async with asyncio.timeout(PATIENCE):
            while not await self._is_true(script):  # noqa: ASYNC110 - DevTools has no event for it
                await asyncio.sleep(0.02)

    async def _is_true(self, script: str) -> bool:
        answer = await self.call("Runtime.evaluate", expression=f"!!({script})", returnByValue=True)
        return bool(answer["result"].get("value"))

    async def open(self, path: str) -> None:
        await self.run("window.stale = true")
        await self.call("Page.navigate", url=self.base + path)
        await self.until("!window.stale && document.readyState === 'complete'")

    async def click(self, selector: str) -> None:
        """Click what leads to another page, and wait for that page."""
        await self.run("window.stale = true")
        await self.run(f"document.querySelector({json.dumps(selector)}).click()")
        await self.until("!window.stale && document.readyState === 'complete'")

    async def type(self, selector: str, text: str) -> None:
        await self.run(f"document.querySelector({json.dumps(selector)}).focus()")
        await self.run(f"document.querySelector({json.dumps(selector)}).value = ''")
        await self.call("Input.insertText", text=text)

    async def text(self) -> str:
        return str(await self.run("document.body.innerText"))

    async def violations(self) -> list[str]:
        """What axe-core finds against WCAG 2 A and AA."""
        await self.run(_axe())
        tags = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]
        found = await self.run(
            f"axe.run({{runOnly: {{type: 'tag', values: {json.dumps(tags)}}}}}).then(r => "
            "r.violations.map(v => v.id + ': ' + v.nodes.map(n => n.html).join(' | ')))"
        )
        return list(found)


def _axe() -> str:
    try:
        return files("axe_core_python").joinpath("axe.min.js").read_text(encoding="utf-8") + ";true"
    except ModuleNotFoundError:
        pytest.skip("axe-core-python is not installed")


@pytest.fixture
async def page(closed: Any, tmp_path: Path) -> AsyncIterator[Page]:  # noqa: F811
    """A tab on the console with login, in a browser of its own."""
    async with chromium(tmp_path, f"http://127.0.0.1:{closed.addresses[0][1]}") as page:
        yield page


@asynccontextmanager
async def chromium(tmp_path: Path, base: str) -> AsyncIterator[Page]:
    """A tab on a console that is served, in a browser whose profile is in the folder."""
    program = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if program is None:
        pytest.skip("there is no Chromium on this machine")
    profile = tmp_path / "chromium"
    process = await asyncio.create_subprocess_exec(
        program,
        "--headless=new",
        "--remote-debugging-port=0",
        "--no-first-run",
        "--lang=nl",
        "--disable-gpu",
        "--disable-dev-shm-usage",
        *(["--no-sandbox"] if os.geteuid() == 0 else []),
        f"--user-data-dir={profile}",
        "about:blank",
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
        env=os.environ | {"LANGUAGE": "nl"},
    )
    try:
        port = await _port(profile / "DevToolsActivePort")
        async with aiohttp.ClientSession() as session:
            async with session.get(f"http://127.0.0.1:{port}/json") as answer:
                target = next(t for t in await answer.json() if t["type"] == "page")
            async with session.ws_connect(target["webSocketDebuggerUrl"], max_msg_size=0) as socket:
                yield Page(socket, base)
    finally:
        process.terminate()
        await process.wait()


async def _port(file: Path) -> str:
    async with asyncio.timeout(PATIENCE):
        while not (file.is_file() and file.read_text()):  # noqa: ASYNC110, ASYNC240 - Chromium writes it when it is ready
            await asyncio.sleep(0.05)
    return file.read_text().splitlines()[0]  # noqa: ASYNC240
