"""Printing to a terminal and to a pipe."""

import pytest

from bridge.cli.opened import is_key_beginning
from bridge.cli.output import cell, clean, print_table, short_keys


def test_short_keys_are_as_long_as_needed_to_differ() -> None:
    same_moment = ("01936a2b-7c3d-7111-8000-000000000001", "01936a2b-7c3d-7112-8000-000000000001")
    assert short_keys(same_moment) == ("01936a2b-7c3d-7111", "01936a2b-7c3d-7112")


def test_short_keys_of_nothing_are_nothing() -> None:
    assert short_keys(()) == ()


def test_control_characters_of_a_peer_never_reach_the_terminal() -> None:
    assert clean("a\x1b[2Jb\x07") == "a�[2Jb�"
    assert cell("\x1b]0;x\x07").plain.isprintable()


def test_markup_of_a_peer_is_printed_as_it_is(capsys) -> None:  # type: ignore[no-untyped-def]
    print_table(("id",), [("[red]x[/red]",)])
    assert "[red]x[/red]" in capsys.readouterr().out


def test_table_fits_a_narrow_terminal(capsys, monkeypatch) -> None:  # type: ignore[no-untyped-def]
    monkeypatch.setenv("COLUMNS", "40")
    print_table(("key", "id"), [("k" * 18, "x" * 90)], fold="id")
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= 40
    assert "".join(lines).count("x") == 90


def test_only_hex_with_hyphens_in_place_begins_a_key() -> None:
    assert is_key_beginning("01936a2b-7c")
    assert not is_key_beginning("01936a2b7c")
    assert not is_key_beginning("")
    assert not is_key_beginning("x")


def test_colours_are_left_out_for_no_color_and_in_a_pipe(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    print_table(("state",), [("failed",)])
    assert "\x1b" not in capsys.readouterr().out
    monkeypatch.setenv("FORCE_COLOR", "1")
    print_table(("state",), [("failed",)])
    assert "\x1b[1;31m" in capsys.readouterr().out
    monkeypatch.setenv("NO_COLOR", "1")
    print_table(("state",), [("failed",)])
    assert "\x1b[1;31m" not in capsys.readouterr().out
