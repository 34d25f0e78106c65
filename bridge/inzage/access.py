"""Who may see what: one question, one verdict, decided by rules in the settings (hub.md, section 10.1).

Without a rule nobody sees anything. A rule opens every level up to its own; of several rules the richest counts. The
scopes of a token can only narrow what the rules give.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from bridge.ids import Oin

ANY: Final = "*"

_SCOPE_LEVELS: Final = {"minimaal": 0, "beperkt": 1, "volledig": 2}


@dataclass(frozen=True, slots=True, kw_only=True)
class Requester:
    """Who asks: proven by the TLS certificate and, when there is one, the token."""

    oin: Oin
    """The organisation for which is read: the token's subject, else the holder of the certificate."""
    via: Oin
    """The holder of the certificate."""
    scopes: frozenset[str] | None = None
    """Of the token; None without one, and then scopes limit nothing."""
    purpose: str | None = None
    case: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """May this requester see this resource at this level?"""

    requester: Requester
    type: str
    id: str
    level: int
    owner: Oin | None
    """None: there is no such resource. The question is asked all the same, so that nobody can tell."""
    function: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessRule:
    """Opens resources of these types or functions to these organisations, up to a level."""

    name: str
    oins: tuple[str, ...]
    types: tuple[str, ...] = ()
    functions: tuple[str, ...] = ()
    owners: tuple[str, ...] = ()
    """Only resources of these parties; empty: of any."""
    level: int
    purposes: tuple[str, ...] = ()
    """One of these must be given as purpose; empty: none is asked."""
    masks: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """The answer to one question. `policy` refers to what decided it, `reason` says in short why not."""

    allowed: bool
    level: int = 0
    """At most this level may be shown."""
    masks: tuple[str, ...] = ()
    policy: str = ""
    reason: str = ""
    lacks_purpose: bool = False
    """A purpose is all that is missing. Says nothing about any one resource, so it may be told."""


def decide(rules: Sequence[AccessRule], question: Question) -> Verdict:
    """The verdict of the built-in rules. A place is masked only when every rule that opens the level masks it."""
    opening = [rule for rule in rules if rule.level >= question.level and _opens(rule, question)]
    if not opening and _lacks_purpose(rules, question):
        return Verdict(allowed=False, policy="rules", reason="no purpose was given", lacks_purpose=True)
    if not opening:
        return Verdict(allowed=False, policy="rules", reason="no rule opens this level to this organisation")
    kept = set(opening[0].masks).intersection(*(rule.masks for rule in opening[1:]))
    return Verdict(
        allowed=True,
        level=question.level,
        masks=tuple(sorted(kept)),
        policy=f"rules/{','.join(rule.name for rule in opening)}",
    )


def scope_level(
    scopes: Iterable[str] | None, *, function: str | None, names: Mapping[str, str]
) -> int | None:
    """The richest level that the scopes open: `<functie>:read:minimaal|beperkt|volledig`; None: not one.

    `names` gives the short name of a function, where it has one (`uoo`). Without a token scopes limit nothing.
    """
    if scopes is None:
        return max(_SCOPE_LEVELS.values())
    wanted = {function, names.get(function or "")} - {None}
    found = []
    for scope in scopes:
        name, _, rest = scope.partition(":")
        action, _, width = rest.partition(":")
        if name in wanted and action == "read" and width in _SCOPE_LEVELS:
            found.append(_SCOPE_LEVELS[width])
    return max(found, default=None)


def _lacks_purpose(rules: Sequence[AccessRule], question: Question) -> bool:
    """Whether the organisation has rules for this type, and all of them ask a purpose that was not given."""
    asked = question.requester
    known = [rule for rule in rules if _covers(rule, asked.oin, question.type, question.function)]
    return asked.purpose is None and bool(known) and all(rule.purposes for rule in known)


def _opens(rule: AccessRule, question: Question) -> bool:
    asked = question.requester
    if not _covers(rule, asked.oin, question.type, question.function):
        return False
    if rule.owners and question.owner not in rule.owners:
        return False
    return not rule.purposes or asked.purpose in rule.purposes


def _covers(rule: AccessRule, oin: str, type: str, function: str | None) -> bool:
    if ANY not in rule.oins and oin not in rule.oins:
        return False
    return ANY in rule.types or type in rule.types or (function is not None and function in rule.functions)
