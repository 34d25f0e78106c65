"""A large attachment passes in and out in bounded memory.

A run of one gibibyte is made by hand: `python -m tests.e2e.large 1024 [osb-rm-e]`. Such a run, signed and reliable,
with both ends in one process, peaked at 173 MiB of resident memory; signed and encrypted at 180 MiB, in 590 seconds on
a machine with much else to do. Both are what the process had before it began.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.rule("DK-125", "DK-71", "DK-15")
@pytest.mark.parametrize("profile", ["osb-rm-s", "osb-rm-e"])
def test_an_attachment_of_96_mib_passes_in_and_out_with_far_less_memory(profile: str) -> None:
    ran = subprocess.run(
        [sys.executable, "-m", "tests.e2e.large", "96", profile],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr[-2000:]
    told = json.loads(ran.stdout.splitlines()[-1])
    assert (told["size"], told["same"], told["acknowledged"]) == (96 * 1024 * 1024, True, True)
    assert told["growth_mib"] < 48
    assert told["peak_mib"] < 400
