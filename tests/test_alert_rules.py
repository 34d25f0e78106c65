"""docs/alert-rules.yml and the dashboard, judged by Prometheus itself. Without its promtool these are skipped."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

DOCS = Path(__file__).resolve().parents[1] / "docs"
HOUR = "x60"
QUIET = {
    'up{job="bridge"}': f"1{HOUR}",
    'bridge_conditions{condition="needs-person"}': f"0{HOUR}",
    'bridge_conditions{condition="journal-broken"}': f"0{HOUR}",
    'bridge_conditions{condition="turned-away"}': f"0{HOUR}",
    'bridge_endpoint_failures{endpoint="Politie"}': f"0{HOUR}",
    'bridge_jobs_surprised_total{kind="map"}': f"0{HOUR}",
    'bridge_job_oldest_due_age_seconds{kind="map"}': f"0{HOUR}",
    'bridge_certificate_days_left{owner="Politie",use="partner"}': f"200{HOUR}",
}
"""One sample a minute, for an hour; the rules are judged at half past."""


def judge(folder: Path, changed: dict[str, str], fires: dict[str, dict[str, str]]) -> str:
    """What promtool objects to when of all rules just these are to fire, with these labels; empty: nothing."""
    document: dict[str, Any] = yaml.safe_load((DOCS / "alert-rules.yml").read_text(encoding="utf-8"))
    rules = document["groups"][0]["rules"]
    for rule in rules:
        del rule["annotations"]
    (folder / "rules.yml").write_text(yaml.safe_dump(document), encoding="utf-8")
    asked = [
        {
            "eval_time": "30m",
            "alertname": rule["alert"],
            "exp_alerts": [{"exp_labels": rule["labels"] | fires[rule["alert"]]}]
            if rule["alert"] in fires
            else [],
        }
        for rule in rules
    ]
    series = [{"series": name, "values": values} for name, values in (QUIET | changed).items()]
    test = {"interval": "1m", "input_series": series, "alert_rule_test": asked}
    tests = {"rule_files": ["rules.yml"], "tests": [test]}
    (folder / "tests.yml").write_text(yaml.safe_dump(tests), encoding="utf-8")
    return promtool(folder, "test", "rules", "tests.yml")


def promtool(folder: Path, *arguments: str) -> str:
    """What it objects to; empty: nothing."""
    program = shutil.which("promtool")
    if program is None:
        pytest.skip("promtool of Prometheus is not installed")
    done = subprocess.run([program, *arguments], cwd=folder, capture_output=True, text=True, check=False)
    return done.stdout + done.stderr if done.returncode else ""


def test_every_rule_has_the_form_that_prometheus_asks() -> None:
    assert promtool(DOCS, "check", "rules", "alert-rules.yml") == ""


def test_every_panel_of_the_dashboard_asks_what_prometheus_can_answer(tmp_path: Path) -> None:
    board = json.loads((DOCS / "grafana-dashboard.json").read_text(encoding="utf-8"))
    asked = [target["expr"] for panel in board["panels"] for target in panel["targets"]]
    rules = [{"record": f"panel:number_{number}", "expr": one} for number, one in enumerate(asked)]
    document = {"groups": [{"name": "dashboard", "rules": rules}]}
    (tmp_path / "panels.yml").write_text(yaml.safe_dump(document), encoding="utf-8")
    assert promtool(tmp_path, "check", "rules", "panels.yml") == ""


def test_nothing_fires_when_all_is_well(tmp_path: Path) -> None:
    assert judge(tmp_path, {}, {}) == ""


@pytest.mark.parametrize(
    ("series", "values", "alert", "labels"),
    [
        ('up{job="bridge"}', "1x20 0x40", "BridgeDown", {"job": "bridge"}),
        ('bridge_conditions{condition="needs-person"}', "0x29 1x31", "BridgeNeedsPerson", {}),
        (
            'bridge_conditions{condition="journal-broken"}',
            "0x20 3x40",
            "BridgeCondition",
            {"condition": "journal-broken"},
        ),
        (
            'bridge_conditions{condition="turned-away"}',
            "0x10 1x50",
            "BridgeConditionToday",
            {"condition": "turned-away"},
        ),
        (
            'bridge_endpoint_failures{endpoint="Politie"}',
            "0+1x60",
            "BridgeEndpointFails",
            {"endpoint": "Politie"},
        ),
        ('bridge_jobs_surprised_total{kind="map"}', "0x28 1x32", "BridgeSurprises", {"kind": "map"}),
        ('bridge_job_oldest_due_age_seconds{kind="map"}', "0+60x60", "BridgeWorkWaits", {"kind": "map"}),
        (
            'bridge_certificate_days_left{owner="Politie",use="partner"}',
            "12x60",
            "BridgeCertificateEnds",
            {"owner": "Politie", "use": "partner"},
        ),
    ],
)
def test_a_rule_fires_for_the_first_thing_that_goes_wrong(
    series: str, values: str, alert: str, labels: dict[str, str], tmp_path: Path
) -> None:
    assert judge(tmp_path, {series: values}, {alert: labels}) == ""


def test_the_first_message_that_waits_for_a_person_is_told_though_nothing_was_counted_before(
    tmp_path: Path,
) -> None:
    """A rule on the growth of a counter misses it: the counter is not there before it is 1."""
    series = {'bridge_conditions{condition="needs-person"}': "_x25 1x35"}
    assert judge(tmp_path, series, {"BridgeNeedsPerson": {}}) == ""
