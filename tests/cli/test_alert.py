"""`bridge alert`: list, test, silence."""

from datetime import timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from bridge.cli.assemble import utc_now
from tests.cli.test_mending import config, made, store

__all__ = ["config", "made", "store"]

UNTIL = ("--until", "2099-01-01")


@pytest.fixture
def channels(config: Path) -> None:
    text = config.read_text(encoding="utf-8")
    hook = '[[alerts.webhooks]]\nname = "dienst"\nurl = "http://127.0.0.1:9/a"\ntimeout_seconds = 2\n'
    config.write_text(text + hook, encoding="utf-8")


def test_a_silence_is_made_listed_and_ended(shell: Any, store: Any) -> None:
    until = (utc_now() + timedelta(hours=1)).isoformat()
    asked = ("alert", "silence", "partner-down", "--until", until)
    assert shell.run(*asked) == 2
    assert shell.run(*asked, "--reason", "maintenance", "--json") == 0
    (made_,) = shell.documents()
    assert made_["condition"] == "partner-down"
    shell.run("alert", "list", "--json")
    assert [d["reason"] for d in shell.documents() if "silence" in d] == ["maintenance"]
    assert shell.run("alert", "unsilence", made_["silence"], "--reason", "over") == 0
    shell.run("alert", "list", "--json")
    assert [d for d in shell.documents() if "silence" in d] == []


def test_a_silence_for_ever_is_refused_in_a_sentence(shell: Any, store: Any) -> None:
    assert shell.run("alert", "silence", "disk-low", *UNTIL, "--reason", "why") == 1


def test_a_test_tells_whether_a_channel_took_it(shell: Any, channels: None) -> None:
    assert shell.run("alert", "test", "nobody") == 2
    assert shell.run("alert", "test") == 1
    assert "was not reached" in shell.out


def test_a_test_stands_among_what_was_sent(shell: Any, channels: None) -> None:
    shell.run("alert", "test", "dienst")
    shell.run("alert", "list", "--json")
    (sent,) = [line for line in shell.documents() if "delivery" in line]
    assert (sent["channel"], sent["state"], sent["attempts"]) == ("dienst", "failed", 1)
    assert "was not reached" in sent["reason"]


def test_the_end_of_a_silence_is_told_in_the_zone_in_which_it_was_asked(
    shell: Any, store: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    zone = ZoneInfo("Asia/Tokyo")
    monkeypatch.setenv("BRIDGE__CONSOLE__TIMEZONE", str(zone))
    asked = f"{(utc_now() + timedelta(hours=1)).astimezone(zone):%Y-%m-%dT%H:%M}"
    shell.run("alert", "silence", "disk-low", "--until", asked, "--reason", "why")
    assert f"Silent until {asked.replace('T', ' ')}:00 (Asia/Tokyo)" in shell.err


def test_the_list_reads_well_without_alerts(shell: Any, store: Any) -> None:
    assert shell.run("alert", "list") == 0
