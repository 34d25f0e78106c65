"""The hub's event profile: the settings of the rules, and the front door that judges an event by them.

Three tiers in this order: the core specification, NL GOV, SOH. Where they differ SOH goes before NL GOV, as
long as the thing stays a CloudEvent (hub.md, sections 1 and 17).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Final, Literal

from bridge.errors import Broken, ConfigError, EventRejected
from bridge.hub.bsn import safe_where
from bridge.hub.cncf import Finding, Level, check_core
from bridge.hub.event import Event
from bridge.hub.eventtypes import DEFAULT_LOOKUPS, DEFAULT_TYPES, EventType, Payload
from bridge.hub.json import MAX_FAULTS, MAX_OCTETS
from bridge.hub.prov_rules import GRAPH_RULES
from bridge.hub.reader import Headers, Inspected, Limits, inspect_http, inspect_structured
from bridge.hub.registry import SchemaRegistry
from bridge.hub.rules import ENVELOPE_RULES, Context, Mode, Rule
from bridge.hub.vocabulary import Vocabulary, default_vocabulary

WIRE_LIMIT: Final = 65536
"""Octets that every intermediary passes on, headers included (SOH-34)."""

_RULES: Final[tuple[Rule, ...]] = (*ENVELOPE_RULES, *GRAPH_RULES)
_SOURCE_FIELDS: Final = re.compile(r"\{(oin|naam)\}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """What may differ between hubs and in time. Raises ConfigError with every wrong value at once."""

    types: tuple[EventType, ...] = DEFAULT_TYPES
    source_template: str = "urn:nld:oin:{oin}:systeem:{naam}"
    max_publish: int = WIRE_LIMIT - 2048
    """Octets of a structured event; 2 KiB are left for headers."""
    max_receive: int = MAX_OCTETS
    """Octets; at least 64 KiB."""
    levels: Mapping[str, Level | Literal["off"]] = field(default_factory=dict)
    """Per rule id another level than the rule's own, in every mode. Core rules cannot be changed."""
    melding_needs_person: bool = True
    """Whether `melding-geregistreerd` must hold `bsn` and `leeftijd` beside the graph (SOH-64)."""
    vocabulary: Vocabulary = field(default_factory=default_vocabulary)
    lookups: Mapping[str, str] = field(default_factory=lambda: dict(DEFAULT_LOOKUPS))
    schemas: SchemaRegistry = field(default_factory=lambda: SchemaRegistry({}))

    def __post_init__(self) -> None:
        problems = [*_template_problems(self.source_template)]
        if not 0 < self.max_publish <= WIRE_LIMIT:
            problems.append(f"hub.max_publish: at most {WIRE_LIMIT} octets")
        if self.max_receive < WIRE_LIMIT:
            problems.append(f"hub.max_receive: at least {WIRE_LIMIT} octets")
        known = {rule.id for rule in _RULES}
        problems += [
            f"hub.levels: {rule} is no rule that has a level" for rule in self.levels if rule not in known
        ]
        if problems:
            raise ConfigError(problems)
        object.__setattr__(self, "levels", MappingProxyType(dict(self.levels)))

    def find_type(self, name: str) -> EventType | None:
        return next((one for one in self.types if one.type == name), None)

    def lookup_type(self, resource_type: str) -> str | None:
        """The event type that says that a resource of this type was looked at."""
        return self.lookups.get(resource_type)


def default_profile() -> Profile:
    """The profile with the published types and those of the thirteen relay messages."""
    return Profile()


def source_of(profile: Profile, *, oin: str, system: str) -> str:
    """The `source` of everything that one system of one organisation produces (SOH-07, SOH-08)."""
    name = re.sub(r"[^a-z0-9]+", "-", system.lower()).strip("-") or "onbekend"
    return profile.source_template.format(oin=oin, naam=name)


def check_event(event: Event, mode: Mode | str, *, profile: Profile) -> tuple[Finding, ...]:
    """Everything the rules say about the event in this mode; empty is good, warnings do not refuse.

    `cncf` is the core specification alone, `publish` what the bridge may offer to the hub, `receive` what it
    takes from others.
    """
    mode = Mode(mode)
    findings = list(check_core(event))
    if mode is not Mode.CNCF:
        context = Context(event=event, mode=mode, profile=profile)
        for rule in _RULES:
            findings += _judge(rule, context)
    return tuple(replace(finding, where=safe_where(finding.where)) for finding in findings[:MAX_FAULTS])


def check_inspected(inspected: Inspected, mode: Mode | str, *, profile: Profile) -> tuple[Finding, ...]:
    """As `check_event`, for what the reader made of some octets: its faults, then what the rules add."""
    faults = [
        Finding(rule=fault.rule, level=Level.ERROR, where=fault.where, text=fault.text)
        for fault in inspected.broken
    ]
    if inspected.event is None:
        return tuple(faults)
    seen = {fault.where for fault in faults}
    others = check_event(inspected.event, mode, profile=profile)
    return (*faults, *(finding for finding in others if finding.where not in seen))


def accept_structured(
    body: bytes, mode: Mode | str, *, profile: Profile
) -> tuple[Event, tuple[Finding, ...]]:
    """The event in the body, with what there is to warn of. Raises EventRejected with all errors at once."""
    limits = Limits(event=profile.max_receive)
    return _accept(inspect_structured(body, limits=limits), mode, profile)


def accept_http(
    headers: Headers, body: bytes, mode: Mode | str, *, profile: Profile
) -> tuple[Event, tuple[Finding, ...]]:
    """The event in an HTTP request, and what to warn of. Raises EventRejected with all errors at once.

    What the served document calls an integer is taken as one, 2.0 among them.
    """
    limits = Limits(event=profile.max_receive, whole_floats=True)
    return _accept(inspect_http(headers, body, limits=limits), mode, profile)


def _accept(inspected: Inspected, mode: Mode | str, profile: Profile) -> tuple[Event, tuple[Finding, ...]]:
    findings = check_inspected(inspected, mode, profile=profile)
    broken = [
        Broken(rule=finding.rule, where=finding.where, text=finding.text)
        for finding in findings
        if finding.level is Level.ERROR
    ]
    if broken or inspected.event is None:
        raise EventRejected(broken, status=inspected.status)
    return inspected.event, findings


def _judge(rule: Rule, context: Context) -> list[Finding]:
    own = rule.publish if context.mode is Mode.PUBLISH else rule.receive
    level = context.profile.levels.get(rule.id, own) if own is not None else None
    if level is None or level == "off":
        return []
    return [
        Finding(rule=rule.id, level=Level(level), where=where, text=text)
        for where, text in rule.check(context)
    ]


def _template_problems(template: str) -> list[str]:
    problems = []
    if "{oin}" not in template:
        problems.append("hub.source_template: {oin} must stand in it")
    if "{" in _SOURCE_FIELDS.sub("", template) or "}" in _SOURCE_FIELDS.sub("", template):
        problems.append("hub.source_template: only {oin} and {naam} may stand in it")
    return problems


__all__ = [
    "EventType",
    "Finding",
    "Level",
    "Mode",
    "Payload",
    "Profile",
    "accept_http",
    "accept_structured",
    "check_event",
    "check_inspected",
    "default_profile",
    "source_of",
]
