"""The README's first command, as a newcomer runs it."""

from __future__ import annotations

import json
import subprocess
import sys


def test_the_demo_completes_both_directions_and_tells_it_as_json() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "bridge.demo", "--once", "--json"],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    story = json.loads(done.stdout)
    assert story["completed"] is True
    assert [exchange["direction"] for exchange in story["exchanges"]] == ["to-hub", "to-partner"]
    assert {exchange["state"] for exchange in story["exchanges"]} == {"done"}
    assert {step["side"] for step in story["steps"]} == {"ebms", "bridge", "hub"}
    assert "999990342" not in done.stdout, "a BSN never stands in the story"
