"""The catalogues and the choice of a language."""

import ast
import re
import string
from pathlib import Path

import pytest

from bridge.flow.acceptance import TESTED, Verdict
from bridge.flow.jobs import RUNNERS
from bridge.flow.mend import EffectKind
from bridge.store.rows import EventState, EvidenceKind, ExchangeDirection, ExchangeState, MessageState, Role
from bridge.web.console import text
from bridge.web.console.guard import ERROR_STATUSES
from bridge.web.console.mend_pages import ACTIONS
from bridge.web.console.text import Language, catalogue, choose_language
from bridge.web.console.turn import EBMS_CODES, STARTED_KEYS, STOPPED_EVENTS, STOPPED_MESSAGES, Turn

FLOWS = Path(text.__file__).parents[2] / "flow"
FUNCTION = (ast.FunctionDef, ast.AsyncFunctionDef)
STEP_ARGUMENTS = {"what", "outcome", "at"}
"""Of the helpers called `_step` the arguments that are no detail."""
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
    steps = {
        what
        for file in FLOWS.glob("*.py")
        for what in re.findall(r'what="([\w.]+)"', file.read_text(encoding="utf-8"))
    }
    assert {what for what in steps if DUTCH.find(f"step.{what}") is None} == set()


def test_every_detail_that_the_flows_write_on_a_step_has_a_label() -> None:
    names = written_details(FLOWS)
    assert {"message_id", "findings", "time_from", "told", "answered_by"} <= names
    assert {name for name in names if DUTCH.find(f"detail.{name}") is None} == set()


def written_details(folder: Path) -> set[str]:
    """The names in what is given as `detail` of a step: in place, in a variable, or by a function of the flows."""
    trees = [ast.parse(file.read_text(encoding="utf-8")) for file in folder.glob("*.py")]
    functions = [n for tree in trees for n in ast.walk(tree) if isinstance(n, FUNCTION)]
    makers = {function.name: function for function in functions if isinstance(function, ast.FunctionDef)}
    found: set[str] = set()
    for function in functions:
        calls = [
            n for n in ast.walk(function) if isinstance(n, ast.Call) and _called(n) in {"add_step", "_step"}
        ]
        given = [k.value for call in calls for k in call.keywords if k.arg == "detail"]
        if calls:
            given += [n.value for n in ast.walk(function) if isinstance(n, ast.Assign) and _sets_detail(n)]
        found |= {k.arg for c in calls if _called(c) == "_step" for k in c.keywords if k.arg} - STEP_ARGUMENTS
        for value in given:
            made = [makers[name] for n in ast.walk(value) if (name := _called(n)) in makers]
            found |= {key for part in (value, *made) for key in _names_in(part)}
    return found


def _called(node: ast.AST) -> str:
    return node.func.id if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) else ""


def _sets_detail(node: ast.Assign) -> bool:
    return any(isinstance(target, ast.Name) and target.id == "detail" for target in node.targets)


def _names_in(node: ast.AST) -> set[str]:
    """The keys of each dict that is answered, not of those that only look something up (`told = {…}`)."""
    looked_up = {id(n.value) for n in ast.walk(node) if isinstance(n, ast.Assign) and not _sets_detail(n)}
    dicts = [n for n in ast.walk(node) if isinstance(n, ast.Dict) and id(n) not in looked_up]
    return {
        k.value for d in dicts for k in d.keys if isinstance(k, ast.Constant) and isinstance(k.value, str)
    }


@pytest.mark.parametrize("words", [DUTCH, ENGLISH])
def test_every_finding_about_an_agreement_is_told_in_words(words: text.Catalogue) -> None:
    files = (Path(text.__file__).parents[2] / "ebms").glob("cpa_lint*.py")
    source = "".join(file.read_text(encoding="utf-8") for file in files)
    codes = set(re.findall(r'(?:\b(?:error|warning|hint)\(\s*|code=)"([a-z0-9-]+)"', source))
    assert {"structure", "sha1", "port", "credentials"} <= codes
    assert {code for code in codes if words.find(f"finding.cpa.{code}") is None} == set()


@pytest.mark.parametrize("words", [DUTCH, ENGLISH])
def test_every_state_has_a_word(words: text.Catalogue) -> None:
    keys = {f"state.{s.value}" for s in ExchangeState} | {f"direction.{d.value}" for d in ExchangeDirection}
    keys |= {f"message.{s.value}" for s in MessageState} | {f"event.{s.value}" for s in EventState}
    keys |= {f"evidence.{kind.value}" for kind in EvidenceKind}
    keys |= {f"{start}.{turn.value}" for turn in Turn for start in ("turn", "turn.why", "now")}
    keys |= {f"reason.{s.value}" for s in STOPPED_MESSAGES | STOPPED_EVENTS}
    codes = EBMS_CODES | STARTED_KEYS | {"unknown"}
    keys |= {f"{start}.{code}" for code in codes for start in ("reason", "advice")}
    keys |= {f"advice.{s.value}" for s in STOPPED_MESSAGES}
    keys |= {f"error.{s}.{part}" for s in ERROR_STATUSES | {500} for part in ("title", "text")}
    assert keys - set(words.sentences) == set()


@pytest.mark.parametrize("words", [DUTCH, ENGLISH])
def test_every_role_and_action_has_words(words: text.Catalogue) -> None:
    keys = {f"role.{role}" for role in Role} | {f"role.text.{role}" for role in Role}
    keys |= {f"do.{name}" for name in ACTIONS} | {f"do.text.{name}" for name in ACTIONS}
    keys |= {f"effect.{kind}" for kind in EffectKind}
    keys |= {
        f"check.{name}.{v}" for name in ("ping", "message", "repeat", "status") for v in (*Verdict, "name")
    }
    keys |= {f"check.verdict.{verdict}" for verdict in Verdict}
    keys |= {f"password.{what}" for what in ("short", "long", "simple", "differs", "same", "wrong")}
    assert keys - set(words.sentences) == set()


@pytest.mark.parametrize("words", [DUTCH, ENGLISH])
def test_every_kind_of_job_is_told_in_words(words: text.Catalogue) -> None:
    assert {kind for kind in RUNNERS if words.find(f"job.kind.{kind}") is None} == set()


@pytest.mark.parametrize("words", [DUTCH, ENGLISH])
def test_every_action_that_the_flows_write_in_the_audit_log_is_told_in_words(words: text.Catalogue) -> None:
    source = "".join(file.read_text(encoding="utf-8") for file in FLOWS.glob("*.py"))
    actions = {*re.findall(r'write_audit\(\s*tx, bridge, by, "([\w.]+)"', source), TESTED}
    assert {"message.let_through", "run.started"} <= actions
    assert {action for action in actions if words.find(f"audit.action.{action}") is None} == set()


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
