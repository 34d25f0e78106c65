"""`python -m bridge.simulate partner|hub|source --settings FILE.json`: one simulated peer as own process.

It prints one JSON line with its addresses when it is ready, and stops on SIGTERM or SIGINT. A peer that runs does what
`python -m bridge.simulate ask PORT COMMAND [NAME=VALUE…]` asks at its control port, and the answer is printed; a value
is JSON or else text, and `@FILE` is what stands in that file.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import aiohttp
from pydantic import TypeAdapter

from bridge.simulate.hub import Hub
from bridge.simulate.partner import Partner
from bridge.simulate.settings import HubSettings, PartnerSettings, SourceSettings
from bridge.simulate.source import Source

_KINDS: dict[str, Callable[[str], Partner | Hub | Source]] = {
    "partner": lambda text: Partner(TypeAdapter(PartnerSettings).validate_json(text)),
    "hub": lambda text: Hub(TypeAdapter(HubSettings).validate_json(text)),
    "source": lambda text: Source(TypeAdapter(SourceSettings).validate_json(text)),
}


def main(arguments: Sequence[str]) -> int:
    """Exit code 0 after a signal or an answer, 1 for what a peer would not do, 2 for what cannot be used."""
    parser = argparse.ArgumentParser(
        prog="python -m bridge.simulate", description="Run a simulated peer, or ask one that runs."
    )
    kinds = parser.add_subparsers(dest="kind", required=True)
    for kind in sorted(_KINDS):
        kinds.add_parser(kind).add_argument("--settings", type=Path, required=True, help="a JSON file")
    ask = kinds.add_parser("ask")
    ask.add_argument("port", type=int, help="control port of the peer")
    ask.add_argument("command", help="what to do; a wrong name lists what there is")
    ask.add_argument("values", nargs="*", metavar="NAME=VALUE", help="a value is JSON, text, or @FILE")
    asked = parser.parse_args(arguments)
    try:
        if asked.kind == "ask":
            return asyncio.run(_ask(asked.port, {"do": asked.command, **dict(map(_value, asked.values))}))
        text = asked.settings.read_text(encoding="utf-8")
        asyncio.run(_run(lambda: _KINDS[asked.kind](text)))
    except (OSError, ValueError) as wrong:
        print(f"{asked.settings if 'settings' in asked else asked.port}: {wrong}", file=sys.stderr)  # noqa: T201
        return 2
    return 0


def _value(text: str) -> tuple[str, Any]:
    """Raises ValueError or OSError."""
    name, equals, value = text.partition("=")
    if not equals:
        raise ValueError(f"{text}: write NAME=VALUE")
    if value.startswith("@"):
        return name, Path(value[1:]).read_text(encoding="utf-8")
    try:
        return name, json.loads(value)
    except ValueError:
        return name, value


async def _ask(port: int, request: dict[str, Any]) -> int:
    url = f"http://127.0.0.1:{port}/control"
    async with aiohttp.ClientSession() as session, session.post(url, json=request) as response:
        answer = await response.json()
    print(json.dumps(answer.get("answer", answer), ensure_ascii=False, indent=2))  # noqa: T201
    return 0 if response.status == 200 else 1


async def _run(make: Callable[[], Partner | Hub | Source]) -> None:
    stopped = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    peer = make()
    await peer.start()
    try:
        print(json.dumps(dict(peer.addresses)), flush=True)  # noqa: T201
        await stopped.wait()
    finally:
        await peer.stop()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
