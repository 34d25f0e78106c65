"""Every page and action of the console has a command that does the same, and every command that is named is there."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import typer

from bridge.cli.main import make_app
from bridge.web.console.mend_pages import ACTIONS
from bridge.web.console.routes import ROUTES

ONLY_A_BROWSER = {
    ("GET", "/static/{name}"): "style sheet and script",
    ("GET", "/login"): "a command knows its user",
    ("POST", "/login"): "a command knows its user",
    ("GET", "/login/oidc"): "a command knows its user",
    ("GET", "/login/oidc/callback"): "a command knows its user",
    ("POST", "/login/oidc/logout"): "for the identity provider",
    ("GET", "/agreements/check"): "leads to the page of the form",
    ("GET", "/agreements/import"): "leads to the page of the form",
    ("GET", "/mappings/check"): "leads to the page of the form",
    ("GET", "/rows"): "rows for a page that is open",
    ("GET", "/live"): "news for a page that is open",
}
"""What is there for the sake of a browser, and why it has no command."""

COMMANDS: dict[tuple[str, str], str] = {
    ("GET", "/login/{token}"): "account link",
    ("POST", "/logout"): "account logout",
    ("GET", "/account"): "account list",
    ("POST", "/account/password"): "account reset",
    ("GET", "/"): "now",
    ("GET", "/attention"): "exchange causes",
    ("GET", "/attention/{cause}"): "exchange causes",
    ("POST", "/attention/{cause}/take"): "exchange take --reason",
    ("POST", "/attention/{cause}/drop"): "exchange take --drop --reason",
    ("GET", "/attention/{cause}/{what}"): "exchange mend --cause --limit --dry-run",
    ("POST", "/attention/{cause}/{what}"): "exchange mend --cause --limit --reason",
    ("GET", "/runs/{key}"): "run show",
    ("POST", "/runs/{key}/stop"): "run stop --reason",
    ("GET", "/mend/{action}/{key}"): "message replay --dry-run",
    ("POST", "/mend/{action}/{key}"): "message replay --reason",
    ("GET", "/exchanges"): "exchange list --q --state --direction --partner --type --since --until",
    ("GET", "/exchanges/{key}"): "exchange show",
    ("GET", "/partners"): "partner list",
    ("POST", "/partners/{party}/pause"): "partner pause --reason --dry-run",
    ("POST", "/partners/{party}/resume"): "partner resume --reason --dry-run",
    ("POST", "/partners/{party}/test"): "partner test --reason",
    ("GET", "/agreements"): "cpa list",
    ("POST", "/agreements/check"): "cpa import --dry-run",
    ("POST", "/agreements/import"): "cpa import --replace --beside --reason",
    ("GET", "/agreements/{cpa}"): "cpa show",
    ("GET", "/certificates"): "certs status",
    ("GET", "/certificates.ics"): "certs export --format --out",
    ("GET", "/certificates.csv"): "certs export --format --out",
    ("GET", "/access"): "access list --outcome --reader --type --id --since --until",
    ("GET", "/access.csv"): "access export --format --out --outcome --reader --type --id --since --until",
    ("GET", "/access.jsonl"): "access export --format --out --outcome --reader --type --id --since --until",
    ("GET", "/mappings"): "mapping coverage",
    ("POST", "/mappings/check"): "mapping lint",
    ("GET", "/mappings/try"): "mapping run",
    ("POST", "/mappings/try"): "mapping run --back --level",
    ("GET", "/mappings/compare"): "mapping diff",
    ("POST", "/mappings/compare"): "mapping diff --last",
    ("GET", "/mappings/{name}"): "mapping show",
    ("POST", "/mappings/{name}"): "mapping test --laws",
    ("GET", "/alerts"): "alert list",
    ("POST", "/alerts/silence"): "alert silence --target --until --reason",
    ("POST", "/alerts/silences/{key}/end"): "alert unsilence --reason",
    ("POST", "/alerts/channels/{channel}/test"): "alert test",
    ("GET", "/jobs"): "job list --state --kind --among",
    ("GET", "/audit"): "audit list --who --action --target --since --until",
    ("GET", "/audit.csv"): "audit export --format --out --who --action --target --since --until",
    ("GET", "/audit.jsonl"): "audit export --format --out --who --action --target --since --until",
    ("GET", "/messages/{key}"): "message open",
    ("POST", "/messages/{key}/reveal"): "message open --reveal --reason",
    ("POST", "/messages/{key}/evidence"): "message evidence --reason",
    ("GET", "/events/{key}"): "event open",
    ("POST", "/events/{key}/reveal"): "event open --reveal --reason",
    ("GET", "/messages/{key}/explanation"): "mapping explain",
    ("GET", "/person"): "person search",
    ("POST", "/person"): "person search --reason",
    ("GET", "/api/v1/exchanges"): "exchange list --json",
    ("GET", "/api/v1/exchanges/{key}"): "exchange show --json",
}

MENDING = {
    "replay": "message replay",
    "replay-again": "message replay --offer-again",
    "resend": "message resend",
    "resend-same": "message resend --same",
    "retry": "event retry",
    "release": "event release",
    "refuse": "exchange refuse",
    "resolve": "exchange resolve",
    "revive": "job revive",
    "hurry": "job hurry",
}


@pytest.fixture(scope="module")
def options() -> dict[str, set[str]]:
    """Per command the options that it takes."""
    return dict(_commands(typer.main.get_command(make_app()), ()))


def _commands(command: Any, path: tuple[str, ...]) -> Iterator[tuple[str, set[str]]]:
    for name, below in getattr(command, "commands", {}).items():
        yield from _commands(below, (*path, name))
    if not hasattr(command, "commands"):
        yield " ".join(path), {option for parameter in command.params for option in parameter.opts}


def split(text: str) -> tuple[str, set[str]]:
    words = text.split()
    return " ".join(w for w in words if not w.startswith("--")), {w for w in words if w.startswith("--")}


def test_every_route_of_the_console_names_its_command_or_why_it_has_none() -> None:
    routes = {(route.method, route.path) for route in ROUTES}
    assert routes == set(COMMANDS) | set(ONLY_A_BROWSER)
    assert not set(COMMANDS) & set(ONLY_A_BROWSER)


def test_every_action_that_mends_names_its_command() -> None:
    assert set(ACTIONS) == set(MENDING)


@pytest.mark.parametrize("told", sorted({*COMMANDS.values()}))
def test_command_of_a_route_is_there_with_its_options(options: dict[str, set[str]], told: str) -> None:
    name, wanted = split(told)
    assert name in options
    assert wanted <= options[name]


@pytest.mark.parametrize("told", sorted(MENDING.values()))
def test_command_that_mends_shows_first_and_asks_why(options: dict[str, set[str]], told: str) -> None:
    name, wanted = split(told)
    assert wanted | {"--dry-run", "--reason", "--json"} <= options[name]


@pytest.mark.parametrize("route", [r for r in COMMANDS if r[0] == "GET" and not r[1].startswith("/login")])
def test_command_of_a_page_prints_for_scripts(options: dict[str, set[str]], route: tuple[str, str]) -> None:
    assert {"--json", "--out"} & options[split(COMMANDS[route])[0]]
