"""docs/telemetry.md, the dashboard and the alert rules name what is there, and everything that is there."""

from __future__ import annotations

import ast
import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from bridge import metrics

ROOT = Path(__file__).resolve().parents[1]
PAGE = (ROOT / "docs" / "telemetry.md").read_text(encoding="utf-8")
_METRIC = re.compile(r"\bbridge_[a-z_]+")
_OF_A_HISTOGRAM = re.compile(r"_(bucket|count|sum)$")


def _documented() -> dict[str, tuple[str, ...]]:
    rows = re.findall(r"^\| `(bridge_\w+)` \| ([a-z_, ]*)\|", PAGE, re.MULTILINE)
    return {name: tuple(part.strip() for part in labels.split(",") if part.strip()) for name, labels in rows}


def _unknown(expressions: list[str]) -> set[str]:
    used = {_OF_A_HISTOGRAM.sub("", name) for text in expressions for name in _METRIC.findall(text)}
    assert used
    return used - set(metrics.names())


def _logged() -> set[str]:
    """The event names that are written out in the code."""
    found = set()
    for path in (ROOT / "bridge").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            match node:
                case ast.Call(
                    func=ast.Attribute(value=ast.Name(id="_log" | "log"), attr="info" | "warning" | "error"),
                    args=[first, *_],
                ):
                    found |= {n.value for n in ast.walk(first) if _is_event_name(n)}
    return found


def _is_event_name(node: Any) -> bool:
    return isinstance(node, ast.Constant) and re.fullmatch(r"\w+\.\w+", str(node.value)) is not None


def test_the_page_lists_every_metric_with_its_labels() -> None:
    assert _documented() == metrics.names()


def test_the_page_lists_every_event_of_the_log() -> None:
    assert {name for name in _logged() if f"`{name}`" not in PAGE} == set()


def test_the_dashboard_asks_for_metrics_that_exist() -> None:
    board = json.loads((ROOT / "docs" / "grafana-dashboard.json").read_text(encoding="utf-8"))
    assert _unknown([target["expr"] for panel in board["panels"] for target in panel["targets"]]) == set()


@pytest.mark.rule("SOH-162")
def test_the_alert_rules_ask_for_metrics_that_exist_and_say_what_to_do() -> None:
    (group,) = yaml.safe_load((ROOT / "docs" / "alert-rules.yml").read_text(encoding="utf-8"))["groups"]
    assert _unknown([rule["expr"] for rule in group["rules"]]) == set()
    assert all({"summary", "action"} == set(rule["annotations"]) for rule in group["rules"])
    assert any("bridge_peer_failures_total" in rule["expr"] for rule in group["rules"])
