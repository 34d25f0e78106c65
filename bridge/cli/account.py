"""`bridge account`: who may log in to the console."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any

import typer

from bridge.cli.acting import acting
from bridge.cli.console import console_url
from bridge.cli.opened import open_store
from bridge.cli.options import DEFAULT_CONFIG, Config, Json
from bridge.cli.output import local_time, print_documents, print_facts, print_table
from bridge.store.accounts import list_accounts
from bridge.store.rows import Account, Role
from bridge.web.console import accounts
from bridge.web.console.passwords import ONE_TIME
from bridge.web.console.views import utc_text

app = typer.Typer(
    help="Accounts of the console: add one, give it a role, a new password, or close it.",
    no_args_is_help=True,
)

Name = Annotated[str, typer.Argument(help="Name of the account.")]
RoleOption = Annotated[Role, typer.Option("--role", help="What it may do.")]


@app.command()
def add(name: Name, role: RoleOption, config: Config = DEFAULT_CONFIG, json: Json = False) -> None:
    """Add an account and print its one-time password, which is shown only now and holds for 72 hours.

    Example: bridge account add anna --role operator
    """
    with open_store(config) as opened:
        password = accounts.make_account(opened.store, name, role, now=_now(), by=acting())
    _print({"name": name, "role": str(role), "password": password, "validHours": _hours()}, json)


@app.command()
def reset(name: Name, config: Config = DEFAULT_CONFIG, json: Json = False) -> None:
    """Give an account a new one-time password; it is logged out everywhere and unlocked.

    Example: bridge account reset anna
    """
    with open_store(config) as opened:
        password = accounts.reset_account(opened.store, name, now=_now(), by=acting())
    _print({"name": name, "password": password, "validHours": _hours()}, json)


@app.command()
def role(name: Name, role: RoleOption, config: Config = DEFAULT_CONFIG, json: Json = False) -> None:
    """Give an account another role; it must log in anew.

    Example: bridge account role anna --role privacy
    """
    with open_store(config) as opened:
        accounts.change_role(opened.store, name, role, now=_now(), by=acting())
    _print({"name": name, "role": str(role)}, json)


@app.command()
def close(name: Name, config: Config = DEFAULT_CONFIG, json: Json = False) -> None:
    """Close an account. What it did stays in the audit log.

    Example: bridge account close anna
    """
    with open_store(config) as opened:
        accounts.close_account(opened.store, name, now=_now(), by=acting())
    _print({"name": name, "state": "closed"}, json)


@app.command()
def logout(name: Name, config: Config = DEFAULT_CONFIG, json: Json = False) -> None:
    """Log an account out everywhere, also one of an identity provider; it may log in again.

    Example: bridge account logout anna
    """
    with open_store(config) as opened:
        accounts.log_out_everywhere(opened.store, name, now=_now(), by=acting())
    _print({"name": name, "loggedOut": True}, json)


@app.command()
def link(
    name: Name,
    config: Config = DEFAULT_CONFIG,
    json: Json = False,
    console: Annotated[
        str | None, typer.Option("--console", help="Address of the console, when its port was chosen freely.")
    ] = None,
) -> None:
    """Print a link that logs this account in once, within ten minutes.

    Example: bridge account link anna
    """
    with open_store(config) as opened:
        settings = opened.settings
        token = accounts.make_link(opened.store, name, now=_now(), by=acting())
    address = console or console_url(settings, settings.console.port)
    _print({"name": name, "link": f"{address.rstrip('/')}/login/{token}"}, json)


@app.command("list")
def list_(config: Config = DEFAULT_CONFIG, json: Json = False) -> None:
    """List the accounts, with their role and when they last logged in.

    Example: bridge account list
    """
    with open_store(config) as opened:
        found = opened.store.read_sync(list_accounts)
        if json:
            print_documents(account_document(account) for account in found)
            return
        rows = [
            (a.name, a.role, a.state, local_time(a.seen_at, opened.zone) if a.seen_at else "never")
            for a in found
        ]
        print_table(("name", "role", "state", "last login"), rows, fold="name", zone=opened.zone)


def account_document(account: Account) -> dict[str, Any]:
    """Without anything that helps to get in."""
    return {
        "name": account.name,
        "role": account.role,
        "state": account.state,
        "issuedBy": account.issued_by,
        "createdAt": utc_text(account.at),
        "lastLogin": utc_text(account.seen_at) if account.seen_at else None,
        "lockedUntil": utc_text(account.locked_until) if account.locked_until else None,
    }


def _print(document: dict[str, Any], json: bool) -> None:
    if json:
        print_documents([document])
    else:
        print_facts(document)


def _hours() -> int:
    return int(ONE_TIME.total_seconds() // 3600)


def _now() -> datetime:
    return datetime.now(UTC)
