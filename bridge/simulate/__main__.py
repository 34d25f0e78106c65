"""`python -m bridge.simulate partner|hub|source --settings FILE.json`: one simulated peer as own process.

It prints one JSON line with its addresses when it is ready, and stops on SIGTERM or SIGINT.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

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
    """Exit code 0 after a signal, 2 for settings that cannot be used."""
    parser = argparse.ArgumentParser(prog="python -m bridge.simulate", description="Run a simulated peer.")
    parser.add_argument("kind", choices=sorted(_KINDS))
    parser.add_argument("--settings", type=Path, required=True, help="a JSON file")
    asked = parser.parse_args(arguments)
    try:
        text = asked.settings.read_text(encoding="utf-8")
        asyncio.run(_run(lambda: _KINDS[asked.kind](text)))
    except (OSError, ValidationError) as wrong:
        print(f"{asked.settings}: {wrong}", file=sys.stderr)  # noqa: T201
        return 2
    return 0


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
