"""The catalogues and the choice of a language."""

import re
import string
from pathlib import Path

import pytest

from bridge.flow.mend import EffectKind
from bridge.flow.ping import Reached
from bridge.store.rows import EventState, EvidenceKind, ExchangeDirection, ExchangeState, MessageState, Role
from bridge.web.console import text
from bridge.web.console.guard import ERROR_STATUSES
from bridge.web.console.mend_pages import ACTIONS
from bridge.web.console.text import Language, catalogue, choose_language
from bridge.web.console.turn import EBMS_CODES, STOPPED_EVENTS, STOPPED_MESSAGES, Turn

DUTCH, ENGLISH = catalogue(Language.DUTCH), catalogue(Language.ENGLISH)


def test_both_languages_hold_the_same_keys() -> None:
    assert set(DUTCH.sentences) == set(ENGLISH.sentences)


def test_both_languages_fill_in_the_same_values() -> None:
    def values(sentence: str) -> set[str | None]:
        return {name for _, name, _, _ in string.Formatter().parse(sentence) if name}

    assert [k for k, s in DUTCH.sentences.items() if values(s) != values(ENGLISH.sentences[k])] == []


def test_every_key_that_a_template_names_exists() -> None:
    templates = (Path(text.__file__).parent / "templates").glob("*.html")
    used = {
        key for file in templates for key in re.findall(r"""\bt\(["']([\w.]+)["'][,)]""", file.read_text())
    }
    missing = {key for key in used if key not in DUTCH.sentences and f"{key}.other" not in DUTCH.sentences}
    assert used
    assert missing == set()


def test_every_step_that_the_flows_write_is_told_in_words() -> None:
    flows = (Path(text.__file__).parents[2] / "flow").glob("*.py")
    steps = {
        what for file in flows for what in re.findall(r'what="([\w.]+)"', file.read_text(encoding="utf-8"))
    }
    assert {what for what in steps if DUTCH.find(f"step.{what}") is None} == set()


@pytest.mark.parametrize("words", [DUTCH, ENGLISH])
def test_every_state_has_a_word(words: text.Catalogue) -> None:
    keys = {f"state.{s.value}" for s in ExchangeState} | {f"direction.{d.value}" for d in ExchangeDirection}
    keys |= {f"message.{s.value}" for s in MessageState} | {f"event.{s.value}" for s in EventState}
    keys |= {f"evidence.{kind.value}" for kind in EvidenceKind}
    keys |= {f"{start}.{turn.value}" for turn in Turn for start in ("turn", "turn.why", "now")}
    keys |= {f"reason.{s.value}" for s in STOPPED_MESSAGES | STOPPED_EVENTS}
    keys |= {f"reason.{code}" for code in EBMS_CODES | {"unknown"}}
    keys |= {f"error.{s}.{part}" for s in ERROR_STATUSES | {500} for part in ("title", "text")}
    assert keys - set(words.sentences) == set()


@pytest.mark.parametrize("words", [DUTCH, ENGLISH])
def test_every_role_and_action_has_words(words: text.Catalogue) -> None:
    keys = {f"role.{role}" for role in Role} | {f"role.text.{role}" for role in Role}
    keys |= {f"do.{name}" for name in ACTIONS} | {f"do.text.{name}" for name in ACTIONS}
    keys |= {f"effect.{kind}" for kind in EffectKind} | {f"ping.{reached}" for reached in Reached}
    keys |= {f"password.{what}" for what in ("short", "long", "simple", "differs", "same", "wrong")}
    assert keys - set(words.sentences) == set()


def test_number_chooses_the_sentence() -> None:
    assert DUTCH("filter.active", n=1) == "1 filter aan"
    assert DUTCH("filter.active", n=2) == "2 filters aan"


@pytest.mark.parametrize(
    ("asked", "cookie", "accept", "expected"),
    [
        ("en", "nl", "nl", "en"),
        (None, "en", "nl", "en"),
        (None, None, "de, en-GB;q=0.8, nl;q=0.5", "en"),
        (None, None, "de", "nl"),
        (None, None, None, "nl"),
        ("xx", "../etc", "en;q=abc", "nl"),
        (None, None, "en;q=0", "nl"),
    ],
)
def test_language_is_what_was_asked_then_the_cookie_then_the_browser(
    asked: str | None, cookie: str | None, accept: str | None, expected: str
) -> None:
    chosen = choose_language(asked=asked, cookie=cookie, accept=accept, default=Language.DUTCH)
    assert chosen == expected
