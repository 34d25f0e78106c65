"""`bridge bench`: it measures and compares; how fast anything is, is not judged."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from bridge.bench.row import compared, percentile


def test_reading_is_compared_with_parsing_only() -> None:
    command = [sys.executable, "-m", "bridge.cli.main", "bench", "--quick", "--only", "read", "--json"]
    done = subprocess.run(command, capture_output=True, check=True, timeout=120)
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert [row["against"] for row in rows] == [None, rows[0]["what"], rows[0]["what"]]
    assert all(row["value"] > 0 and row["unit"] == "ms" for row in rows)


@pytest.mark.rule("SOH-166", "SOH-167", "SOH-168", "SOH-169")
def test_lookups_are_measured_beside_the_figures_of_the_framework() -> None:
    arguments = ["bench", "--quick", "--only", "lookup", "--lookups", "50", "--senders", "4", "--json"]
    command = [sys.executable, "-m", "bridge.cli.main", *arguments]
    done = subprocess.run(command, capture_output=True, check=True, timeout=300)
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert all(row["value"] > 0 and row["errors"] == 0 for row in rows)
    asked = {(row["line"], row["what"], row["unit"], row["figure"]) for row in rows if row["line"]}
    assert asked == {
        ("SOH-166", "maximum", "ms", 200.0),
        ("SOH-167", "mean", "ms", 2000.0),
        ("SOH-168", "mean", "ms", 3000.0),
        ("SOH-168", "maximum", "ms", 3000.0),
        ("SOH-169", "throughput", "requests/s", 100.0),
    }


def test_every_row_but_the_first_has_a_ratio_to_the_first() -> None:
    first, second = compared("part", "ms", [("one", 2.0), ("two", 5.0)])
    assert (first.ratio, second.ratio, second.against) == (None, 2.5, "one")


def test_percentile_is_a_value_that_was_measured() -> None:
    values = [float(n) for n in range(1, 1001)]
    assert (percentile(values, 0.5), percentile(values, 0.999), percentile([3.0], 0.99)) == (501, 1000, 3)
