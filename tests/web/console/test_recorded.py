"""Recorded reasons in the language of the reader: the meaning first, the evidence as it was written beside it."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import bridge
from bridge.mapping.rules import RULES
from bridge.web.console.recorded import SENTENCES, is_ours, meaning_of
from bridge.web.console.text import Language, catalogue

PACKAGE = Path(bridge.__file__).parent
DUTCH, ENGLISH = catalogue(Language.DUTCH), catalogue(Language.ENGLISH)


@pytest.mark.parametrize(
    ("recorded", "said"),
    [
        (
            "M903 at jz:object/jz:indicatieSASHIngevuld: neither Ja nor Nee",
            "bij jz:object/jz:indicatieSASHIngevuld: hier mag alleen staan: Ja, Nee",
        ),
        ("SOH-64 the age in whole years is expected", "er ontbreekt een leeftijd in hele jaren"),
        (
            "no acknowledgment came in 2 attempts before TimeToLive",
            "er kwam geen bevestiging na 2 pogingen, en de geldigheid is voorbij",
        ),
        ("FUNCTIONEEL: Onbekende ontvanger", "de hub meldt een functionele fout: “Onbekende ontvanger”"),
        (
            "the partner could not be reached: the connection was refused",
            "de partner was niet bereikbaar: de verbinding werd geweigerd",
        ),
        (
            "the hub has a failure of its own (status 503: Storing); all attempts are made;"
            " an acknowledgment may still come",
            "de hub heeft zelf een storing (status 503: Storing); alle pogingen zijn gedaan;"
            " een bevestiging kan nog komen",
        ),
        (
            "the technical answer Bv01 did not reach the partner: all 3 attempts failed",
            "het technische antwoord Bv01 kwam niet bij de partner: alle 3 pogingen mislukten",
        ),
    ],
)
def test_a_reason_is_told_in_the_language_of_the_reader(recorded: str, said: str) -> None:
    assert meaning_of(recorded, DUTCH) == said


def test_each_clause_is_told_once() -> None:
    told = meaning_of(
        "M914 at /a: @naam is absent; M914 at /a: a required element is absent; and 3 more", DUTCH
    )
    assert told == "bij /a: een verplicht element ontbreekt; en nog 3"


def test_a_clause_that_is_not_known_stays_what_it_is() -> None:
    told = meaning_of("M902 at /a: row x has no value; something new happened", DUTCH)
    assert told == "bij /a: een verplichte waarde ontbreekt; something new happened"


@pytest.mark.parametrize("text", ["", "een notitie van een mens", "something new; and strange", "M999: x"])
def test_what_is_not_known_at_all_is_given_no_meaning(text: str) -> None:
    assert meaning_of(text, DUTCH) == ""


def test_what_a_peer_wrote_is_never_read_as_a_form_to_fill_in() -> None:
    assert "{words} {0} %s" in meaning_of("TLS failed: {words} {0} %s", DUTCH)


def test_a_number_without_end_is_not_read_as_one() -> None:
    assert meaning_of(f"all {'9' * 5000} attempts failed", DUTCH) == ""


def test_what_the_hub_wrote_is_not_taken_for_our_english() -> None:
    assert not is_ours("FUNCTIONEEL: Onbekende ontvanger")
    assert is_ours("all 3 attempts failed")


@pytest.mark.parametrize("words", [DUTCH, ENGLISH])
def test_every_rule_that_a_message_can_break_is_told_in_words(words) -> None:  # type: ignore[no-untyped-def]
    rules = {code for code in RULES if code.startswith("M9")}
    assert {code for code in rules if words.find(f"recorded.rule.{code}") is None} == set()


def strings_of(*rooms: str) -> Iterator[str]:
    """Every text in the code of these rooms, of an f-string its beginning."""
    for room in rooms:
        for path in sorted((PACKAGE / room).rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_text("utf-8"))):
                if isinstance(node, ast.Constant) and isinstance(node.value, str):
                    yield node.value


@pytest.mark.parametrize("words", [DUTCH, ENGLISH])
def test_every_rule_that_an_event_can_break_is_told_in_words(words) -> None:  # type: ignore[no-untyped-def]
    rules = {found[0] for text in strings_of("hub", "flow") if (found := re.match(r"SOH-\d+(?=\Z| )", text))}
    assert len(rules) > 50
    assert {rule for rule in rules if words.find(f"recorded.rule.{rule}") is None} == set()


def reasons_of_decisions() -> Iterator[str]:
    """What the code can record of a decision about a lookup, with something where it fills in."""
    for path in ("inzage/access.py", "inzage/authzen.py", "flow/lookup.py", "web/api/pdp.py"):
        for node in ast.walk(ast.parse((PACKAGE / path).read_text("utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                if node.func.id == "Verdict":
                    yield from (_text(k.value) for k in node.keywords if k.arg == "reason")
                elif node.func.id == "NoDecision":
                    yield _text(node.args[0])


def _text(node: ast.expr) -> str:
    if isinstance(node, ast.JoinedStr):
        return "".join(part.value if isinstance(part, ast.Constant) else "503" for part in node.values)
    assert isinstance(node, ast.Constant)
    return str(node.value)


@pytest.mark.parametrize("reason", sorted(set(reasons_of_decisions()) - {""}))
@pytest.mark.parametrize("words", [DUTCH, ENGLISH])
def test_every_decision_about_a_lookup_is_told_in_words(words, reason: str) -> None:  # type: ignore[no-untyped-def]
    assert meaning_of(reason, words) != ""


def test_what_the_hub_said_in_words_that_are_kept_apart_is_told_as_such() -> None:
    assert meaning_of("FUNCTIONEEL: Jan Jansen onbekend", DUTCH).endswith("die staan bij de inhoud")


@pytest.mark.parametrize("words", [DUTCH, ENGLISH])
def test_every_sentence_with_numbers_has_words(words) -> None:  # type: ignore[no-untyped-def]
    keys = {f"recorded.{name}" for name in SENTENCES}
    assert {key for key in keys if not (words.find(key) or words.find(f"{key}.other"))} == set()


def test_a_status_of_the_hub_alone_is_told_as_its_failure_is() -> None:
    for recorded in ("status 503: Storing", "the hub has a failure of its own (status 503: Storing)"):
        told = meaning_of(recorded, catalogue(Language.DUTCH))
        assert told == "de hub heeft zelf een storing (status 503: Storing)"
