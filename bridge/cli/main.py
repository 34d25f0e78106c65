"""The `bridge` command. Exit code 0 is good, 1 a finding or failure, 2 wrong use.

A noun is a module `bridge/cli/<noun>.py` with a Typer `app`, a verb a module with a function of its name. All are
listed here. Only the one that is asked for is loaded: the whole would take seconds.
"""

import importlib
import os
import sys
from collections.abc import Iterable, Sequence
from typing import Any

import typer
from typer.core import TyperGroup

from bridge.cli.output import clean
from bridge.errors import BridgeError

VERBS = ("serve", "check", "now", "bench", "health")
NOUNS = (
    "exchange",
    "message",
    "event",
    "person",
    "run",
    "job",
    "partner",
    "account",
    "alert",
    "audit",
    "announce",
    "access",
    "certs",
    "ebms",
    "cpa",
    "mapping",
    "store",
)


class _Plain(TyperGroup):
    """Says what is wrong with an option without the words of the library that found it."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except typer.BadParameter as error:
            error.message = error.message.removeprefix("Value error, ")
            raise


def make_app(names: Iterable[str] = (*VERBS, *NOUNS)) -> typer.Typer:
    """The command with the verbs and nouns of these names."""
    app = typer.Typer(
        name="bridge",
        cls=_Plain,
        help="A gateway between ebMS 2.0 relay messages and CloudEvents. Every command takes --help and --json.",
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    app.callback()(_nothing)
    for name in names:
        module = importlib.import_module(f"bridge.cli.{name}")
        if name in VERBS:
            app.command(name)(getattr(module, name))
        else:
            app.add_typer(module.app, name=name)
    return app


def _nothing() -> None:
    """Makes a command of one verb take its name too."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command and return its exit code. What goes wrong is told on standard error, without a traceback.

    With BRIDGE_TRACEBACK=1 a fault of the bridge itself is raised, for whoever mends it.
    """
    given = sys.argv[1:] if arguments is None else list(arguments)
    named = [name for name in given[:1] if name in (*VERBS, *NOUNS)]
    try:
        app = make_app(named) if named else make_app()
        app(args=given, prog_name="bridge")
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    except BridgeError as error:
        _say(str(error))
    except Exception as error:
        if os.environ.get("BRIDGE_TRACEBACK") == "1":
            raise
        _say(f"a fault of the bridge itself ({type(error).__name__}); BRIDGE_TRACEBACK=1 shows where")
    return 1


def _say(text: str) -> None:
    sys.stderr.write(f"bridge: {clean(text)}\n")


if __name__ == "__main__":
    sys.exit(main())
