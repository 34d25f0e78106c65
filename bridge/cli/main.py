"""The `bridge` command. Exit code 0 is good, 1 a finding or failure, 2 wrong use.

A noun is a module `bridge/cli/<noun>.py` with a Typer `app`, a verb a module with a function. All are listed
here.
"""

import os
import sys
from collections.abc import Sequence

import typer

from bridge.cli import (
    access,
    account,
    alert,
    announce,
    audit,
    bench,
    certs,
    check,
    cpa,
    ebms,
    event,
    event_check,
    exchange,
    health,
    job,
    mapping,
    message,
    partner,
    person,
    serve,
    store,
)
from bridge.cli.output import clean
from bridge.errors import BridgeError

app = typer.Typer(
    name="bridge",
    help="A gateway between ebMS 2.0 relay messages and CloudEvents. Every command takes --help and --json.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

app.command()(serve.serve)
app.command()(check.check)
app.command()(bench.bench)
app.command()(health.health)
app.add_typer(exchange.app, name="exchange")
app.add_typer(message.app, name="message")
app.add_typer(event.app, name="event")
app.add_typer(person.app, name="person")
app.add_typer(job.app, name="job")
app.add_typer(partner.app, name="partner")
app.add_typer(account.app, name="account")
app.add_typer(alert.app, name="alert")
app.add_typer(audit.app, name="audit")
app.add_typer(announce.app, name="announce")
app.add_typer(access.app, name="access")
app.add_typer(certs.app, name="certs")
app.add_typer(ebms.app, name="ebms")
app.add_typer(cpa.app, name="cpa")
app.add_typer(mapping.app, name="mapping")
app.add_typer(store.app, name="store")
event.app.command("check")(event_check.check)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command and return its exit code. What goes wrong is told on standard error, without a traceback.

    With BRIDGE_TRACEBACK=1 a fault of the bridge itself is raised, for whoever mends it.
    """
    try:
        app(args=None if arguments is None else list(arguments), prog_name="bridge")
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
