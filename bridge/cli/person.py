"""`bridge person`: which exchanges are about a person."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from bridge.cli.acting import acting
from bridge.cli.assemble import load_person_key, utc_now
from bridge.cli.opened import open_store
from bridge.cli.options import DEFAULT_CONFIG, Before, Config, Json, Limit, read_before
from bridge.cli.output import local_time, print_documents, print_facts, print_table, tell
from bridge.cli.progress import progress
from bridge.errors import BridgeError
from bridge.flow.index_persons import index_all
from bridge.flow.mend_model import Actor, CannotMend, check_reason
from bridge.web.console.documents import exchange_document
from bridge.web.console.filters import may_be_bsn
from bridge.web.console.reveals import MOST_SEARCHES, read_bsn, search_person

app = typer.Typer(help="People: search the exchanges about one, by BSN.", no_args_is_help=True)


class SearchedTooOften(BridgeError):
    """Somebody searched by BSN more often than is allowed; that is a line of audit too."""


@app.callback()
def people() -> None:
    """The BSN is asked for, or read from standard input; it is never an argument."""


@app.command()
def search(
    reason: Annotated[
        str, typer.Option("--reason", help="Why. It stands in the audit log; nothing about people in it.")
    ],
    config: Config = DEFAULT_CONFIG,
    json: Json = False,
    limit: Limit = 50,
    before: Before = None,
) -> None:
    """List the exchanges about one person, newest first. The BSN is typed unseen, or piped in.

    It is compared as a keyed hash and is printed and kept nowhere; that you searched is a line of audit.
    Example: bridge person search --reason "request of the court"
    """
    try:
        why = check_reason(reason)
    except CannotMend as error:
        raise typer.BadParameter(str(error), param_hint="--reason") from error
    if may_be_bsn(why):
        raise typer.BadParameter("put no BSN in the reason", param_hint="--reason")
    bsn = read_bsn(
        typer.prompt("BSN", hide_input=True, err=True) if sys.stdin.isatty() else sys.stdin.read(64)
    )
    if bsn is None:
        raise typer.BadParameter("that is no BSN: nine digits that pass the 11-test", param_hint="BSN")
    start, by = read_before(before), Actor(name=acting(), way="command")
    with open_store(config) as opened:
        key = load_person_key(opened.settings.identifiers.person_key_file)
        found = opened.store.write_sync(
            lambda tx: search_person(
                tx, key, bsn, by=by, reason=why, now=utc_now(), before=start, limit=limit
            )
        )
        if found is None:
            raise SearchedTooOften(f"at most {MOST_SEARCHES} searches by BSN an hour; wait a while")
        if json:
            print_documents(exchange_document(exchange) for exchange in found)
            return
        rows = [(e.key, local_time(e.started_at, opened.zone), e.state, e.title, e.subject) for e in found]
        print_table(("key", "time", "state", "what", "subject"), rows, fold="what", zone=opened.zone)
        if len(found) == limit:
            tell(f"There may be more: --before {found[-1].key}")


@app.command("index")
def index_(config: Config = DEFAULT_CONFIG, json: Json = False) -> None:
    """Look through all content that is left for the people in it, so that `search` finds it; prints how much was seen.

    Once, for a store from before a search found what no mapping reads. The bridge may run meanwhile, and doing it twice
    is harmless. Example: bridge person index
    """
    with open_store(config) as opened, progress("Looking for people", json=json) as told:
        key, seen = load_person_key(opened.settings.identifiers.person_key_file), 0
        for more in index_all(opened.store, key):
            seen += more
            told("Looking for people", seen, None)
    if json:
        print_documents([{"seen": seen}])
    else:
        print_facts({"messages and events": seen})
