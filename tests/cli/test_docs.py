"""The reference page of the commands is made from the commands."""

from __future__ import annotations

from pathlib import Path

from bridge.cli.docs import commands_page

PAGE = Path(__file__).resolve().parents[2] / "docs" / "commands.md"


def test_page_of_the_commands_is_up_to_date() -> None:
    made = commands_page()
    assert PAGE.read_text(encoding="utf-8") == made, "run: python -m bridge.cli.docs > docs/commands.md"


def test_every_command_says_what_it_does() -> None:
    for section in commands_page().split("\n## ")[1:]:
        assert section.split("```\n")[2].strip(), section.partition("\n")[0]


def test_every_command_gives_an_example() -> None:
    without = [
        s.partition("\n")[0] for s in commands_page().split("\n## ")[1:] if "Example: `bridge " not in s
    ]
    assert without == []


def test_hidden_names_are_left_out() -> None:
    assert "cpa generate" not in commands_page()
