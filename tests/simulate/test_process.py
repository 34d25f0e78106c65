"""Each peer as a process of its own: it says when it is ready, and survives kill -9."""

from __future__ import annotations

import json
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pydantic import TypeAdapter

from bridge.simulate.settings import HubSettings, PartnerSettings, SourceSettings


@contextmanager
def running(kind: str, settings: Path) -> Iterator[tuple[subprocess.Popen[str], dict[str, str]]]:
    command = [sys.executable, "-m", "bridge.simulate", kind, "--settings", str(settings)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        yield process, json.loads(process.stdout.readline())
    finally:
        process.kill()
        process.communicate()


def write(path: Path, kind: type, settings: Any) -> Path:
    path.write_bytes(TypeAdapter(kind).dump_json(settings))
    return path


def do(control: str, **asked: Any) -> Any:
    request = urllib.request.Request(
        control, json.dumps(asked).encode(), {"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=10) as response:
        return json.loads(response.read())["answer"]


def test_hub_process_keeps_its_events_through_a_kill(tls, tmp_path: Path):
    settings = write(
        tmp_path / "hub.json",
        HubSettings,
        HubSettings(tls=tls("hub"), control_port=0, journal=tmp_path / "hub.jsonl"),
    )
    event = {"id": "1", "source": "urn:x", "type": "a.b", "data": {}}
    with running("hub", settings) as (process, ready):
        do(ready["control"], do="publish", event=event)
        process.kill()

    with running("hub", settings) as (_, ready):
        assert do(ready["control"], do="stream") == [event]


def test_partner_process_keeps_what_it_sent_and_received_through_a_kill(
    melder_settings, ontvanger_settings, tmp_path: Path
):

    files = [
        write(
            tmp_path / f"{own.name}.json",
            PartnerSettings,
            replace(own, control_port=0, journal=tmp_path / f"{own.name}.jsonl"),
        )
        for own in (melder_settings, ontvanger_settings)
    ]
    with running("partner", files[0]) as (_, melder):
        with running("partner", files[1]) as (process, ontvanger):
            do(melder["control"], do="use_bridge", url=ontvanger["url"])
            do(ontvanger["control"], do="use_bridge", url=melder["url"])
            sent = do(melder["control"], do="send", payload="<a/>", action="vtMelding")
            do(melder["control"], do="acknowledged", message_id=sent["message_id"], within=10)
            process.kill()
        with running("partner", files[1]) as (_, again):
            received = do(again["control"], do="state")["received"]

    assert [(m["message_id"], m["copies"]) for m in received] == [(sent["message_id"], 1)]


def test_source_process_stops_well_on_a_signal(tls, tmp_path: Path):
    settings = write(
        tmp_path / "source.json", SourceSettings, SourceSettings(tls=tls("ontvanger"), readers=())
    )
    with running("source", settings) as (process, ready):
        process.terminate()

        assert (process.wait(timeout=10), list(ready)) == (0, ["url"])


@pytest.mark.parametrize("text", ["", "{}", '{"onbekend": 1}'])
def test_settings_that_cannot_be_used_are_told(tmp_path: Path, text: str):
    settings = tmp_path / "hub.json"
    settings.write_text(text)

    done = subprocess.run(
        [sys.executable, "-m", "bridge.simulate", "hub", "--settings", str(settings)],
        capture_output=True,
        text=True,
        check=False,
    )

    assert (done.returncode, "Traceback" in done.stderr) == (2, False)
    assert str(settings) in done.stderr


def ask(port: str, *words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "bridge.simulate", "ask", port, *words]
    return subprocess.run(command, capture_output=True, text=True, timeout=60)


def test_peer_that_runs_does_what_it_is_asked(tls, tmp_path: Path):
    settings = write(tmp_path / "hub.json", HubSettings, HubSettings(tls=tls("hub"), control_port=0))
    (tmp_path / "event.json").write_text("some text")
    with running("hub", settings) as (_, ready):
        port = ready["control"].split(":")[2].partition("/")[0]
        told = ask(port, "publish", 'event={"id": "1", "source": "urn:x", "type": "a.b", "data": {}}')
        assert (told.returncode, told.stderr) == (0, "")
        assert [event["id"] for event in json.loads(ask(port, "stream").stdout)] == ["1"]
        wrong = ask(port, "fail", f"kind=@{tmp_path / 'event.json'}")
        assert (wrong.returncode, "some text" in wrong.stdout) == (1, True)
        assert "'stream'" in ask(port, "nonsense").stdout
    assert ask(port, "stream").returncode == 2
