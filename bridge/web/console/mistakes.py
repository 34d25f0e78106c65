"""What a refused file has against it, in the words of the reader: by the rule that a line names. Pure.

The line itself is as the commands print it, in English, for the integrator who mends the file.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from re import Pattern

from bridge.web.console.text import Catalogue

_RULE = re.compile(r"(?P<where>\S.*?:\d+:\d+)  (?P<code>M\d{3})  .*", re.DOTALL)
_COUNT = re.compile(r"(?P<errors>\d+) errors?, (?P<warnings>\d+) warnings?\.")
_FINDING = re.compile(r"CPA (?P<cpa>\S+): \w+ (?P<code>[a-z0-9-]+) at .*", re.DOTALL)

_SENTENCES: Mapping[str, Pattern[str]] = {
    name: re.compile(pattern, re.DOTALL)
    for name, pattern in {
        "unreadable": r"(?P<file>[^:]+): cannot be read \(.*\)",
        "no_xml": r"(?:(?P<file>[^:]+): )?the CPA cannot be read as XML: .*",
        "no_cpa": r"(?:(?P<file>[^:]+): )?the document is no CPA 2\.0: .*",
        "no_folder": r"(?P<setting>[\w.]+): (?P<name>.+) is not a folder",
        "no_mapping": r"the folder holds no mapping, so every message would wait",
        "encoding": r"a mapping file cannot be read \(\w+\); mapping files are UTF-8",
        "cases": r"`bridge mapping test` shows the differences",
        "surprise": r"they cannot be taken up \(.*\)",
        "changed": r"what is in the agreements folder changed meanwhile; check the agreement again",
        "unwritable": r"(?P<path>.+): cannot be written \(.*\)",
    }.items()
}
"""The end of a catalogue key `mistake.…` → the line that has no code, whose groups fill it in."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mistake:
    """`said` is empty when the line has no code and is none of the known ones; then `line` says it alone.

    `line` is empty when `said` says all of it.
    """

    said: str
    line: str


def mistake_of(line: str, words: Catalogue) -> Mistake:
    counted = _COUNT.fullmatch(line)
    if counted is not None:
        return Mistake(said=words("mistake.count", **counted.groupdict()), line="")
    return Mistake(said=_said(line, words), line=line)


def rule_text(code: str, words: Catalogue) -> str:
    """What is wrong when a rule of the mapping language is broken; empty for one that is not known."""
    return words.find(f"rule.{code}") or words.find(f"recorded.rule.{code}") or ""


def _said(line: str, words: Catalogue) -> str:
    rule = _RULE.fullmatch(line)
    if rule is not None:
        return rule_text(rule["code"], words)
    finding = _FINDING.fullmatch(line)
    if finding is not None:
        said = words.find(f"finding.cpa.{finding['code']}")
        return f"CPA {finding['cpa']}: {said}" if said else ""
    for name, pattern in _SENTENCES.items():
        found = pattern.fullmatch(line)
        if found is not None:
            return words(
                f"mistake.{name}", **{"file": "CPA"} | {k: v for k, v in found.groupdict().items() if v}
            )
    return ""
