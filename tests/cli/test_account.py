"""`bridge account` and `bridge audit`."""

from typing import Any

import pytest

from bridge.store.accounts import find_account
from bridge.store.rows import AccountState, Role


def test_added_account_gets_a_one_time_password_that_is_shown_once(shell: Any, store: Any) -> None:
    assert shell.run("account", "add", "anna", "--role", "operator", "--json") == 0
    (document,) = shell.documents()
    assert len(document["password"]) >= 20
    account = store.read_sync(lambda tx: find_account(tx, "anna"))
    assert (account.role, account.state) == (Role.OPERATOR, AccountState.FIRST)
    shell.run("account", "list", "--json")
    assert document["password"] not in shell.out


def test_name_that_is_taken_is_a_failure(shell: Any, store: Any) -> None:
    shell.run("account", "add", "anna", "--role", "viewer")
    assert shell.run("account", "add", "anna", "--role", "viewer") == 1
    assert "there is one already" in shell.err


@pytest.mark.parametrize("name", ["", " anna", "x" * 65, "a\tb"])
def test_odd_name_is_refused(shell: Any, store: Any, name: str) -> None:
    assert shell.run("account", "add", name, "--role", "viewer") == 1


def test_unknown_role_is_wrong_use(shell: Any, store: Any) -> None:
    assert shell.run("account", "add", "anna", "--role", "king") == 2
    assert "'king' is not one of" in shell.err
    assert "Value error" not in shell.err


@pytest.mark.parametrize("verb", [["reset"], ["close"], ["logout"], ["link"], ["role", "--role", "viewer"]])
def test_unknown_account_is_a_failure_that_says_what_to_type(shell: Any, store: Any, verb: list[str]) -> None:
    assert shell.run("account", verb[0], "nobody", *verb[1:]) == 1
    assert "bridge account list" in shell.err


def test_link_leads_to_the_console(shell: Any, store: Any) -> None:
    shell.run("account", "add", "anna", "--role", "viewer")
    shell.run("account", "link", "anna", "--json")
    assert shell.documents()[0]["link"].startswith("http://localhost:8080/login/")


def test_every_change_of_an_account_is_audited(shell: Any, store: Any) -> None:
    shell.run("account", "add", "anna", "--role", "viewer")
    shell.run("account", "role", "anna", "--role", "privacy")
    shell.run("account", "reset", "anna")
    shell.run("account", "link", "anna")
    shell.run("account", "logout", "anna")
    shell.run("account", "close", "anna")
    shell.run("audit", "list", "--json", "--target", "anna")
    lines = shell.documents()[::-1]
    actions = [line["action"] for line in lines]
    assert actions == [
        f"account.{word}" for word in ("added", "changed", "reset", "link", "logged_out", "closed")
    ]
    assert {line["way"] for line in lines} == {"command"}
    assert all(line["who"].endswith("(command)") for line in lines)


def test_closed_account_stays_in_the_list(shell: Any, store: Any) -> None:
    shell.run("account", "add", "anna", "--role", "viewer")
    shell.run("account", "close", "anna")
    shell.run("account", "list", "--json")
    assert [document["state"] for document in shell.documents()] == ["closed"]
