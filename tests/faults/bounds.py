"""Nothing here waits for ever: what takes too long ends, and says where it stood."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

from bridge.demo import addresses_of, start_bridge

LONGEST = 240.0
"""Seconds for one test. A busy machine is no finding: only what hangs takes so long."""

STOPPING = 60.0
"""Seconds for a bridge to stop after SIGTERM: it finishes the requests and jobs that are under way."""


class Stuck(AssertionError):
    """It took too long; the text says how far it was."""


@asynccontextmanager
async def at_most(seconds: float | None, where: Callable[[], str]) -> AsyncIterator[None]:
    """Raises Stuck when the block takes longer; None: it may take as long as it likes."""
    limit = asyncio.timeout(seconds)
    try:
        async with limit:
            yield
    except TimeoutError as error:
        if not limit.expired():
            raise
        raise Stuck(f"not done after {seconds:.0f} s: {where()}") from error


async def stop(process: asyncio.subprocess.Process) -> None:
    """SIGTERM, and patience. Raises Stuck when the bridge still runs after that."""
    if process.returncode is None:
        process.terminate()
    try:
        await asyncio.wait_for(process.wait(), STOPPING)
    except TimeoutError as error:
        raise Stuck(f"the bridge did not stop within {STOPPING:.0f} s of SIGTERM") from error


@asynccontextmanager
async def serving(
    config: Path, environment: Mapping[str, str]
) -> AsyncIterator[tuple[asyncio.subprocess.Process, dict[str, str]]]:
    """A bridge that is ready, and its addresses. It is stopped at the end, or killed when the block failed."""
    process = await start_bridge(config, environment)
    try:
        yield process, await addresses_of(process)
        await stop(process)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


def last_lines(folder: Path, count: int = 5) -> str:
    """The end of the log of the bridge whose settings are here."""
    try:
        lines = (folder / "bridge.log").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return "the bridge has no log"
    return "\n".join(["its log ends with", *lines[-count:]])
