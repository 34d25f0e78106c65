"""The built-in rules: who may see what."""

from __future__ import annotations

from typing import Any

import pytest

from bridge.ids import Oin
from bridge.inzage.access import AccessRule, Question, Requester, decide, scope_level

READER, OWNER, OTHER = (Oin(f"0000000{n}999990032000") for n in (1, 2, 3))


def rule(**changes: Any) -> AccessRule:
    values: dict[str, Any] = {"name": "r", "oins": (READER,), "types": ("melding",), "level": 1}
    return AccessRule(**values | changes)


def question(**changes: Any) -> Question:
    requester = Requester(oin=READER, via=READER, purpose=changes.pop("purpose", None))
    values: dict[str, Any] = {
        "requester": requester,
        "type": "melding",
        "id": "1",
        "level": 1,
        "owner": OWNER,
        "function": "uitwisselen-melding",
    }
    return Question(**values | changes)


def test_without_rules_the_answer_is_no() -> None:
    assert not decide((), question()).allowed


@pytest.mark.parametrize(
    ("change", "allowed"),
    [
        ({}, True),
        ({"oins": ("*",)}, True),
        ({"oins": (OTHER,)}, False),
        ({"types": ("*",)}, True),
        ({"types": ("uitkomst-overleg",)}, False),
        ({"types": (), "functions": ("uitwisselen-melding",)}, True),
        ({"types": (), "functions": ("beheer",)}, False),
        ({"level": 0}, False),
        ({"level": 2}, True),
        ({"owners": (OWNER,)}, True),
        ({"owners": (OTHER,)}, False),
    ],
)
def test_a_rule_opens_exactly_what_it_names(change: dict[str, Any], allowed: bool) -> None:
    assert decide((rule(**change),), question()).allowed is allowed


def test_a_type_without_function_is_opened_by_no_function() -> None:
    assert not decide((rule(types=(), functions=("x",)),), question(function=None)).allowed


@pytest.mark.parametrize(("purpose", "allowed"), [(None, False), ("zorg", True), ("anders", False)])
def test_a_rule_with_purposes_asks_for_one_of_them(purpose: str | None, allowed: bool) -> None:
    assert decide((rule(purposes=("zorg",)),), question(purpose=purpose)).allowed is allowed


def test_that_a_purpose_is_missing_is_told_whether_or_not_the_resource_exists() -> None:
    rules = (rule(purposes=("zorg",), owners=(OWNER,)),)

    assert decide(rules, question(owner=None)) == decide(rules, question())
    assert decide(rules, question()).lacks_purpose


def test_a_place_is_masked_only_when_every_rule_that_opens_the_level_masks_it() -> None:
    rules = (rule(masks=("a", "b")), rule(masks=("b", "c")), rule(level=0, masks=()))

    assert decide(rules, question()).masks == ("b",)


def test_the_verdict_names_the_rules_that_gave_it() -> None:
    verdict = decide((rule(name="eerste"), rule(name="nul", level=0), rule(name="tweede")), question())

    assert verdict.policy == "rules/eerste,tweede"


@pytest.mark.parametrize(
    ("scopes", "level"),
    [
        (None, 2),
        ([], None),
        (["uoo:read:minimaal"], 0),
        (["uoo:read:minimaal", "uoo:read:beperkt"], 1),
        (["uitwisselen-uitkomst-overleg:read:volledig"], 2),
        (["uoo:write:volledig", "uoo:read:alles", "uoo:read", ":read:volledig", "x:read:volledig"], None),
    ],
)
@pytest.mark.rule("SOH-116")
def test_scopes_open_levels(scopes: list[str] | None, level: int | None) -> None:
    names = {"uitwisselen-uitkomst-overleg": "uoo"}

    assert scope_level(scopes, function="uitwisselen-uitkomst-overleg", names=names) == level


def test_a_scope_opens_nothing_of_a_type_without_function() -> None:
    assert scope_level([":read:volledig", "None:read:volledig"], function=None, names={}) is None
