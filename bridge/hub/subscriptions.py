"""Which events are for whom: the filter dialects of CloudEvents Subscriptions (section 3.2.4).

Taken are `exact`, `prefix`, `suffix`, `all`, `any` and `not`. A spec is one filter, or a list of which all
must match; an empty list matches every event.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

from bridge.errors import ConfigError
from bridge.hub.event import Event
from bridge.hub.syntax import is_attribute_name

MAX_DEPTH: Final = 20

Test: TypeAlias = Callable[[str, str], bool]
_BY_ATTRIBUTE: Final[Mapping[str, Test]] = {
    "exact": str.__eq__,
    "prefix": str.startswith,
    "suffix": str.endswith,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Attributes:
    """Every named attribute is there and passes the test of the dialect."""

    dialect: str
    wanted: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class All:
    filters: tuple[Filter, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class AnyOf:
    filters: tuple[Filter, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Not:
    filter: Filter


Filter: TypeAlias = Attributes | All | AnyOf | Not


def compile_filter(spec: Mapping[str, Any] | Sequence[Any]) -> Filter:
    """The filter of a spec as settings hold it. Raises ConfigError with every fault and its place."""
    compiling = _Compiling()
    found = compiling.group(spec, "filters", 0) if _is_list(spec) else compiling.one(spec, "filter", 0)
    if compiling.problems or found is None:
        raise ConfigError(compiling.problems)
    return found


def matches(filter: Filter, event: Event) -> bool:
    """Whether the event passes. An attribute that is absent never passes, except under `not`."""
    match filter:
        case Attributes(dialect=dialect, wanted=wanted):
            return all(_passes(_BY_ATTRIBUTE[dialect], event, name, text) for name, text in wanted)
        case All(filters=filters):
            return all(matches(one, event) for one in filters)
        case AnyOf(filters=filters):
            return any(matches(one, event) for one in filters)
        case Not(filter=one):
            return not matches(one, event)


@dataclass(slots=True)
class _Compiling:
    problems: list[str] = field(default_factory=list)

    def one(self, spec: Any, at: str, depth: int) -> Filter | None:
        if depth > MAX_DEPTH:
            return self._problem(at, f"nested deeper than {MAX_DEPTH} filters")
        if not isinstance(spec, Mapping) or len(spec) != 1:
            return self._problem(at, "a filter is an object with exactly one dialect")
        ((dialect, value),) = spec.items()
        here = f"{at}.{dialect}"
        if dialect in _BY_ATTRIBUTE:
            return self._attributes(dialect, value, here)
        if dialect in ("all", "any"):
            return self._several(dialect, value, here, depth)
        if dialect == "not":
            inner = self.one(value, here, depth + 1)
            return None if inner is None else Not(filter=inner)
        return self._problem(at, f"no known dialect; choose one of {', '.join(_BY_ATTRIBUTE)}, all, any, not")

    def group(self, specs: Any, at: str, depth: int) -> All:
        found = [self.one(spec, f"{at}[{i}]", depth + 1) for i, spec in enumerate(specs)]
        return All(filters=tuple(one for one in found if one is not None))

    def _several(self, dialect: str, value: Any, at: str, depth: int) -> Filter | None:
        if not _is_list(value) or not value:
            return self._problem(at, "a list of at least one filter is expected")
        group = self.group(value, at, depth)
        return group if dialect == "all" else AnyOf(filters=group.filters)

    def _attributes(self, dialect: str, value: Any, at: str) -> Filter | None:
        if not isinstance(value, Mapping) or not value:
            return self._problem(at, "an object of at least one attribute and its text is expected")
        for name, text in value.items():
            if not isinstance(name, str) or not is_attribute_name(name) or name == "data":
                self._problem(at, "the name of an attribute is one or more of a-z and 0-9, and not data")
            if not isinstance(text, str) or not text:
                self._problem(f"{at}.{name}", "a non-empty text is expected")
        return Attributes(dialect=dialect, wanted=tuple(value.items()))

    def _problem(self, at: str, text: str) -> Filter | None:
        self.problems.append(f"{at}: {text}")
        return None


def _passes(test: Test, event: Event, name: str, text: str) -> bool:
    value = event.attributes.get(name)
    if value is None:
        return False
    if isinstance(value, bool):
        return test("true" if value else "false", text)
    return test(str(value), text)


def _is_list(spec: Any) -> bool:
    return isinstance(spec, Sequence) and not isinstance(spec, str | bytes)
