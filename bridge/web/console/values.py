"""The values of a message as the explanation and the trial show them, and what is wrong at a place. Pure."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from bridge.mapping.context import TraceLine
from bridge.mapping.trace import UNUSABLE
from bridge.web.console.filters import may_be_bsn
from bridge.web.console.recorded import RULE, meaning_of
from bridge.web.console.text import Catalogue
from bridge.web.console.views import AsItIs

_MASK = re.compile(r"\((?P<what>[\w-]+)(?:: (?P<n>\d{1,9}) (?P<unit>digits|characters))?\)")


@dataclass(frozen=True, slots=True, kw_only=True)
class ValueLine:
    """`value` is in the words of the reader where it is masked; `wrong` says what is wrong, the allowed values too."""

    line: TraceLine
    value: str
    wrong: tuple[str, ...]


def value_lines(trace: Iterable[TraceLine], words: Catalogue, *, own: bool = False) -> list[ValueLine]:
    """`own`: of a message that its reader pasted, so nothing of it is new to them."""
    return [
        ValueLine(line=line, value=_value(line.value, words, own), wrong=tuple(_wrong(line, words)))
        for line in trace
    ]


def _value(text: str, words: Catalogue, own: bool) -> str:
    """Whatever the mapping says of it: a number that may be a BSN is on no screen."""
    if may_be_bsn(text):
        return AsItIs(text) if own else words("explain.masked.number", n=sum(c.isdigit() for c in text))
    if text in ("(no value)", UNUSABLE):
        return words(f"explain.value.{'unusable' if text == UNUSABLE else 'none'}")
    if text in ("True", "False"):
        return words(f"explain.value.{text.lower()}")
    mask = _MASK.fullmatch(text)
    if mask is None:
        return AsItIs(text) if own else text
    what = words.find(f"privacy.{mask['what']}") or mask["what"]
    if mask["n"] is None:
        return words("explain.masked.whole", what=what)
    return words(f"explain.masked.{mask['unit']}", what=what, n=int(mask["n"]))


def _wrong(line: TraceLine, words: Catalogue) -> Iterable[str]:
    if line.faults and line.allowed:
        yield words("explain.allowed", values=", ".join(line.allowed))
        return
    yield from dict.fromkeys(meaning_of(f"{f.rule}: {f.text}", words) or f.text for f in line.faults)


def wrong_places(reason: str | None, words: Catalogue) -> Mapping[str, str]:
    """Place → what is wrong there, of a reason as it was recorded."""
    found: dict[str, str] = {}
    for clause in (reason or "").split("; "):
        broken = RULE.fullmatch(clause)
        if broken is None or not broken["place"]:
            continue
        place = re.sub(r"\[\d+\]", "", broken["place"])
        said = meaning_of(f"{broken['rule']}: {broken['text']}", words) or broken["text"]
        found[place] = said
    return found
