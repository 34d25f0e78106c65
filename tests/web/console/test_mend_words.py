"""Why something cannot be mended is told in the language of the reader."""

import ast
from pathlib import Path

from bridge.flow import mend
from bridge.web.console.mend_words import REASONS, in_words
from bridge.web.console.text import Language, catalogue

FLOWS = Path(mend.__file__).parent
DUTCH, ENGLISH = catalogue(Language.DUTCH), catalogue(Language.ENGLISH)


def raised() -> set[str]:
    """Every text with which the flows say CannotMend, with `1` for what they fill in."""
    found = set()
    for file in FLOWS.glob("*.py"):
        for call in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if (
                isinstance(call, ast.Call)
                and isinstance(call.func, ast.Name)
                and call.func.id == "CannotMend"
            ):
                found.add(_text(call.args[0]))
    return found - {""}


def _text(argument: ast.expr) -> str:
    if isinstance(argument, ast.Constant):
        return str(argument.value)
    if isinstance(argument, ast.JoinedStr):
        return "".join(str(p.value) if isinstance(p, ast.Constant) else "1" for p in argument.values)
    return ""


def test_every_reason_of_the_flows_has_words() -> None:
    texts = raised()
    assert len(texts) > 20
    assert {text for text in texts if in_words(text, DUTCH) == text} == set()


def test_every_reason_has_words_in_both_languages() -> None:
    assert {n for n in REASONS if not (DUTCH.find(f"cannot.{n}") and ENGLISH.find(f"cannot.{n}"))} == set()


def test_unknown_reason_stays_as_it_is() -> None:
    assert in_words("something else", DUTCH) == "something else"
