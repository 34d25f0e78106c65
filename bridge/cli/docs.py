"""The reference page of the commands, made from the commands: `python -m bridge.cli.docs > docs/commands.md`."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

from typer.main import get_command

from bridge.cli.main import make_app

_HEAD = """# Commands

Made by `python -m bridge.cli.docs > docs/commands.md`; a test fails when it is out of date.

Exit code 0 is good, 1 a finding or failure, 2 wrong use. With `--json` a command prints one JSON document,
or one per line; keys may be added to it, never taken away. What is no data goes to standard error. Times are those of
the zone in `console.timezone`, which each answer names; in JSON and in the log they are UTC.

`bridge --install-completion` lets the Tab key complete commands and options in bash, zsh, fish and PowerShell. Colours
and signs of progress are for a terminal only, and colours are left out when `NO_COLOR` is set. Long work shows what is
done, of how much where that is known, and about how long it still takes; with `--json` it shows nothing.
"""


def commands_page() -> str:
    """Markdown of every command that is not hidden, by name."""
    lines = [_HEAD]
    for path, command in sorted(_commands(get_command(make_app()), "bridge"), key=lambda one: one[0]):
        lines += _section(path, command)
    return "\n".join(lines).rstrip("\n") + "\n"


def _commands(command: Any, path: str) -> Iterator[tuple[str, Any]]:
    """The leaves of the tree; typer names no public type for its nodes."""
    below = getattr(command, "commands", None)
    if below is None:
        yield path, command
        return
    for name, child in below.items():
        if not child.hidden:
            yield from _commands(child, f"{path} {name}")


def _section(path: str, command: Any) -> Iterator[str]:
    shown = [p for p in command.params if not p.hidden and p.name != "help"]
    arguments = [p for p in shown if p.param_type_name == "argument"]
    options = [p for p in shown if p.param_type_name == "option"]
    usage = " ".join([path, *(["[OPTIONS]"] if options else []), *(_argument(p) for p in arguments)])
    yield f"## `{path}`\n"
    yield f"```\n{usage}\n```\n"
    text, example, shell = (command.help or "").strip().partition("Example: ")
    yield text.strip() + "\n"
    if example:
        yield f"Example: `{' '.join(shell.split())}`\n"
    if arguments or options:
        yield "| name | meaning | default |"
        yield "| --- | --- | --- |"
        yield from (f"| `{_argument(p)}` | {_cell(p.help)} | |" for p in arguments)
        yield from (f"| {_names(p)} | {_meaning(p)} | {_default(p)} |" for p in options)
        yield ""


def _argument(parameter: Any) -> str:
    return str(parameter.metavar or parameter.name.upper())


def _names(option: Any) -> str:
    return ", ".join(f"`{name}`" for name in (*option.opts, *option.secondary_opts))


def _meaning(option: Any) -> str:
    several = " May be given more than once." if option.multiple else ""
    variable = f" Environment: `{option.envvar}`." if option.envvar else ""
    return _cell(option.help) + several + variable


def _default(option: Any) -> str:
    if option.required:
        return "required"
    if option.default in (None, False, ()) or option.multiple:
        return ""
    return f"`{option.default}`"


def _cell(text: str | None) -> str:
    return " ".join((text or "").split()).replace("|", "\\|")


if __name__ == "__main__":
    sys.stdout.write(commands_page())
