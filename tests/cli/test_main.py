"""How the `bridge` command ends and where it speaks."""

from pathlib import Path
from typing import Any

import pytest

from bridge.cli import message as message_module
from bridge.cli.main import main


def test_help_is_good_and_names_every_noun(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    text = capsys.readouterr().out
    assert all(noun in text for noun in ("exchange", "message", "event", "job"))


def test_unknown_command_is_wrong_use(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["mesage"]) == 2
    assert capsys.readouterr().out == ""


def test_unknown_state_is_wrong_use(shell: Any) -> None:
    assert shell.run("message", "list", "--state", "lost") == 2


def test_missing_settings_file_is_told_in_a_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["message", "list", "--config", str(tmp_path / "none.toml")]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert "none.toml: cannot be read" in err
    assert "Traceback" not in err


def test_missing_store_says_which_command_makes_it(shell: Any) -> None:
    assert shell.run("message", "list") == 1
    assert "bridge store upgrade" in shell.err


def test_settings_file_can_come_from_the_environment(
    config: Path, store: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("BRIDGE_CONFIG", str(config))
    assert main(["message", "list", "--json"]) == 0
    assert capsys.readouterr().out == ""


def test_fault_of_the_bridge_itself_is_one_line_without_its_text(
    shell: Any, store: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("999900092")

    monkeypatch.setattr(message_module, "list_messages", broken)
    assert shell.run("message", "list") == 1
    assert "RuntimeError" in shell.err
    assert "999900092" not in shell.err
    assert "Traceback" not in shell.err
