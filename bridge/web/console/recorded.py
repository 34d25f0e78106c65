"""What was recorded once, in one language for all time, said in the language of who reads it now. Pure.

A recorded reason is evidence: it is shown as it stands. Before it comes what it means, for each of its clauses that
is known: by the rule that it names (`recorded.rule.…`), by how the flows always say it (`said.…`), or by a sentence
with numbers in it (`recorded.…`). A clause that is not known stays what it is; nothing is guessed.
"""

import re
from collections.abc import Mapping
from re import Pattern

from bridge.told import without_told
from bridge.web.console.text import Catalogue

SENTENCES: Mapping[str, Pattern[str]] = {
    name: re.compile(pattern)
    for name, pattern in {
        "unacknowledged": r"no acknowledgment came in (?P<n>\d{1,6}) attempts before TimeToLive",
        "all_failed": r"all (?P<n>\d{1,6}) attempts failed",
        "http": r"HTTP (?P<status>\d{3})",
        "took": r"the partner took it without an answer \(HTTP (?P<status>\d{3})\)",
        "foreign": (
            r"the partner answered with content that is no signal about this message"
            r" \(HTTP (?P<status>\d{3})\)"
        ),
        "fault": r"the partner answered with a SOAP fault \(HTTP (?P<status>\d{3})\): (?P<text>.*)",
        "refused_for_good": r"the partner refused it for good \(HTTP (?P<status>\d{3})\)",
        "not_now": r"the partner could not take it now \(HTTP (?P<status>\d{3})\)",
        "unreachable": r"the partner could not be reached: (?P<text>.*)",
        "error": r"the partner answered with an error: (?P<text>.*)",
        "bad_acknowledgment": r"the partner's acknowledgment is not valid: (?P<text>.*)",
        "hub_down": r"the hub has a failure of its own \((?P<told>status \d{3}.*)\)",
        "hub_status": r"status (?P<status>5\d\d\b.*)",
        "hub_busy": r"the hub is busy and asks us to come back later \((?P<told>status \d{3}.*)\)",
        "hub_credentials": r"the hub does not accept our credentials \((?P<told>status \d{3}.*)\)",
        "hub_forbids": r"the hub does not let us do this \((?P<told>status \d{3}.*)\)",
        "hub_refuses": r"the hub does not take this \((?P<told>status \d{3}.*)\)",
        "no_answer": r"no answer within (?P<seconds>[\d.]+) s",
        "tls": r"TLS failed: (?P<text>.*)",
        "certificate": r"the certificate of the other side is not accepted: (?P<text>.*)",
        "no_mapping": r"no mapping takes (?P<what>\S+) of service (?P<service>\S+), action (?P<action>\S+)",
        "decision_status": r"the decision point answered (?P<status>\d{3})",
        "decision_unreachable": r"the decision point cannot be reached \((?P<what>\w+)\)",
        "functional_kept": r"FUNCTIONEEL: …",
        "technical_kept": r"TECHNISCH: …",
        "functional": r"FUNCTIONEEL: (?P<text>.*)",
        "technical": r"TECHNISCH: (?P<text>.*)",
        "signature": r"SecurityFailure at \S+: The part (?P<part>\S+) is not what was signed.*",
        "security": r"SecurityFailure\b.*",
        "expired": r"TimeToLiveExpired\b.*",
        "given_up": r"the job (?P<kind>.+) failed again and again, in a way that nobody foresaw",
        "unanswered": (r"the technical answer (?P<action>\S+) did not reach the partner: (?P<why>.*)"),
        "attempt": r"attempt (?P<n>\d{1,6}) is under way",
        "agreement": r"CPA (?P<cpa>\S+) no longer lets us send (?P<action>\S+)",
        "more": r"and (?P<n>\d{1,6}) more",
    }.items()
}
"""The end of a catalogue key `recorded.…` → the sentence that the flows record, whose groups fill it in."""

RULE = re.compile(r"(?P<rule>M9\d\d|SOH-\d+)(?: at (?P<place>\S*[^\s:]))?:? (?P<text>.*)")
"""A broken rule, as findings write it."""

ONLY = re.compile(r"not one of (\S.*)|neither (\S+) nor (\S+)")
"""What a finding says where few values may stand."""

_OF_THE_HUB = ("FUNCTIONEEL", "TECHNISCH")


def meaning_of(text: str, words: Catalogue) -> str:
    """What a recorded reason means, in the words of the reader; empty when no clause of it is known."""
    text = without_told(text)
    whole = _meaning(text, words)
    if whole:
        return whole
    clauses = text.split("; ")
    said = list(dict.fromkeys(_meaning(clause, words) or clause for clause in clauses))
    return "; ".join(said) if any(_meaning(clause, words) for clause in clauses) else ""


def is_ours(text: str) -> bool:
    """Whether the bridge wrote it, in English, and not the hub or a person."""
    return not text.startswith(_OF_THE_HUB)


def _meaning(clause: str, words: Catalogue) -> str:
    known = words.find(f"said.{clause}")
    if known:
        return known
    # A sentence names what follows it: it may itself hold clauses, so it is tried on the whole first.
    for name, pattern in SENTENCES.items():
        found = pattern.fullmatch(clause)
        if found is not None:
            values = {name: _part(name, value, words) for name, value in found.groupdict("").items()}
            return words(f"recorded.{name}", **_numbers(values))
    return _rule_meaning(clause, words)


def _part(name: str, text: str, words: Catalogue) -> str:
    """What a part means; but a status is told by the sentence that it stands in."""
    return text if name == "told" else _meaning(text, words) or text


def _numbers(values: dict[str, str]) -> dict[str, object]:
    return {name: int(value) if name == "n" else value for name, value in values.items()}


def _rule_meaning(clause: str, words: Catalogue) -> str:
    found = RULE.fullmatch(clause)
    if found is None or "; " in clause:
        return ""
    said = words.find(f"said.{found['text']}") or words.find(f"recorded.rule.{found['rule']}")
    only = ONLY.fullmatch(found["text"])
    if only is not None:
        said = words("recorded.only", values=", ".join(filter(None, only.groups())))
    if said is None:
        return ""
    place = found["place"]
    return words("recorded.at", place=place, said=said) if place else said
