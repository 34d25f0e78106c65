"""The small expressions of a mapping: words, texts with rows in them, calculations, conditions → getters.

Each reader returns the getter together with the rows that it uses, so that circles, levels and privacy can be judged
without running anything.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from bridge.mapping.diagnostics import Diagnostic, Span, diagnostic, unknown
from bridge.mapping.functions import CALCULATIONS, CONVERSIONS
from bridge.mapping.functions.base import INVALID, Env, Param, text_of
from bridge.mapping.lists import CodeList
from bridge.mapping.program import Condition, Getter, Group, Json, Row, Scope, Step
from bridge.mapping.yamltree import Scalar, Table, Tree
from bridge.mapping.yamltree import Sequence as YamlSequence

SOURCES = ("header", "self", "partner", "event", "ref", "resource", "answer")
_CALL = re.compile(r"([a-z][a-z0-9-]*)(?:\((.*)\))?", re.DOTALL)
_HOLE = re.compile(r"\{([^{}]*)\}")


@dataclass(slots=True)
class Expressions:
    """Reads the expressions of one mapping; `found` gathers what is wrong."""

    lists: dict[str, CodeList]
    found: list[Diagnostic]
    list_names: set[str] = field(default_factory=set)
    """The lists that are used."""
    deciding: list[Row] = field(default_factory=list)
    """The rows that subjects, identities and the choice of events are made of."""

    def operand(
        self, word: str, group: Group, span: Span, *, direct: bool = False
    ) -> tuple[Getter, list[Row]]:
        """A row, or a place of a source such as `header/from`."""
        first, slash, _ = word.partition("/")
        if slash and first in SOURCES:
            path = tuple(word.split("/"))
            return (lambda scope: scope.machine.source(path)), []
        found = group.find(word)
        if found is None:
            names = [*_visible(group), *(f"{source}/" for source in SOURCES)]
            self.found.append(unknown("M240", span.part(word, word), f"there is no row {word}", word, names))
            return _nothing, []
        return row_getter(*found), [found[1]]

    def template(
        self, text: Scalar, group: Group, said: Callable[[Json], str] | None = None
    ) -> tuple[Getter, list[Row]]:
        """A text with rows in braces, each as `said` says it; without a value for one of them it has no value."""
        parts = _HOLE.split(text.text)
        uses: list[Row] = []
        getters: list[Getter | str] = []
        for at, part in enumerate(parts):
            if at % 2 == 0:
                if part:
                    getters.append(part)
                continue
            getter, used = self.operand(part.strip(), group, text.span.part(text.text, part))
            getters.append(getter)
            uses += used
        if "{" in "".join(parts[::2]) or "}" in "".join(parts[::2]):
            self.found.append(diagnostic("M242", text.span, "a brace is not closed"))
        if said is None and len(getters) == 1 and callable(getters[0]):
            return getters[0], uses
        return _joined(getters, said or text_of), uses

    def calculation(self, text: Scalar, group: Group) -> tuple[Getter, list[Row], bool]:
        """`name(word …)`; also whether the result hides its inputs."""
        name, words = self._call(text)
        function = CALCULATIONS.get(name)
        if function is None:
            self.found.append(
                unknown(
                    "M242",
                    text.span.part(text.text, name),
                    f"there is no calculation {name}",
                    name,
                    CALCULATIONS,
                )
            )
            return _nothing, [], False
        kinds = [kind for kind, _ in function.params]
        if len(words) < len(kinds) or (len(words) > len(kinds) and function.rest is None):
            wanted = function.example or name
            self.found.append(
                diagnostic("M242", text.span, f"{name} needs other words", hint=f"for example {wanted}")
            )
            return _nothing, [], False
        kinds += [function.rest] * (len(words) - len(kinds)) if function.rest else []
        labels = [label for _, label in function.params]
        getters: list[Getter] = []
        uses: list[Row] = []
        items = _Items()
        for at, (word, kind) in enumerate(zip(words, kinds, strict=True)):
            label = labels[at] if at < len(labels) else ""
            getter, used = self._word(word, kind, label, group, items, text.span.part(text.text, word))
            getters.append(getter)
            uses += used
        compute = function.compute

        def get(scope: Scope) -> Json:
            return compute([getter(scope) for getter in getters], _env(scope))

        return get, uses, function.hides

    def _word(
        self, word: str, kind: Param, label: str, group: Group, items: _Items, span: Span
    ) -> tuple[Getter, list[Row]]:
        """One word in the brackets of a calculation; `items` carries the group that later words speak of."""
        if kind is Param.ROW:
            return self.operand(word, group, span)
        if kind is Param.EACH:
            items.group = group.groups.get(word)
            if items.group is None:
                self.found.append(unknown("M240", span, f"there is no each {word} here", word, group.groups))
            return items.all, []
        if kind is Param.ITEM:
            return _constant(word), self._item(word, items, span)
        if kind is Param.ITEMS:
            return self._items(word, group, span)
        if kind is Param.LIST:
            self.use_list(word, span)
        elif kind is Param.NUMBER and not (word.isascii() and word.isdigit()):
            self.found.append(diagnostic("M242", span, f"{word} is no number"))
        elif kind is Param.NUMBER:
            return _constant(int(word)), []
        elif kind is Param.WORD and word != label:
            self.found.append(diagnostic("M242", span, f"here stands the word {label}", replacement=label))
        return _constant(word), []

    def _item(self, word: str, items: _Items, span: Span) -> list[Row]:
        if items.group is None:
            return []
        if word not in items.group.rows:
            said = f"there is no row {word} in {items.group.id}"
            self.found.append(unknown("M240", span, said, word, items.group.rows))
            return []
        row = items.group.rows[word]
        items.rows.append(row)
        return [row]

    def _items(self, word: str, group: Group, span: Span) -> tuple[Getter, list[Row]]:
        name, _, row = word.partition("/")
        found = group.groups.get(name)
        if found is None or row not in found.rows:
            known = [f"{g.id}/{r}" for g in group.groups.values() for r in g.rows]
            self.found.append(unknown("M240", span, f"there is no {word}: write each/row", word, known))
            return _nothing, []
        return _column(found, found.rows[row]), [found.rows[row]]

    def _call(self, text: Scalar) -> tuple[str, list[str]]:
        found = _CALL.fullmatch(text.text.strip())
        if not found:
            open_ = text.text.count("(") > text.text.count(")")
            hint = "the bracket is not closed" if open_ else ""
            said = "a function is written as name or name(word word)"
            self.found.append(diagnostic("M242", text.span, said, hint=hint))
            return "", []
        return found[1], (found[2] or "").split()

    def use_list(self, name: str, span: Span) -> None:
        self.list_names.add(name)
        if name not in self.lists:
            self.found.append(
                unknown("M113", span, f"there is no list {name} under lists:", name, self.lists)
            )

    def steps(self, text: Scalar | None) -> tuple[Step, ...]:
        """`as:`: conversions joined by `|`, in the order of reading."""
        if text is None:
            return ()
        steps: list[Step] = []
        for part in text.text.split("|"):
            piece = Scalar(part.strip(), text.span.part(text.text, part.strip()))
            name, args = self._call(piece)
            conversion = CONVERSIONS.get(name)
            if conversion is None:
                if name:
                    said = f"there is no conversion {name}"
                    self.found.append(unknown("M242", piece.span, said, name, CONVERSIONS))
                continue
            low, high = conversion.arity
            if len(args) < low or (high is not None and len(args) > high):
                hint = f"for example {conversion.name}{conversion.args}"
                self.found.append(diagnostic("M242", piece.span, f"{name} needs other words", hint=hint))
                continue
            if conversion.list_arg:
                self.use_list(args[0], piece.span.part(piece.text, args[0]))
            if name == "truncate" and not (args[0].isascii() and args[0].isdigit() and int(args[0]) > 1):
                self.found.append(diagnostic("M242", piece.span, "truncate needs a number above 1"))
                continue
            steps.append(Step(conversion=conversion, args=tuple(args)))
        return tuple(steps)

    def condition(
        self, tree: Tree | None, group: Group, depth: int = 0
    ) -> tuple[Condition | None, list[Row]]:
        """`{row:, is:}`, `{row:, in: []}`, `{exists:}`, `{all: []}`, `{any: []}`, `{not: {}}`; a bare row: exists."""
        if tree is None:
            return None, []
        if isinstance(tree, Scalar):
            getter, uses = self.operand(tree.text, group, tree.span)
            return _exists(getter), uses
        if not isinstance(tree, Table) or not tree.entries or depth > 8:
            self.found.append(
                diagnostic("M244", tree.span, "a condition is a row, or a table such as {row: a, is: b}")
            )
            return None, []
        name, value = tree.entries[0]
        if name.text in ("all", "any") and isinstance(value, YamlSequence):
            return self._several(name.text, value, group, depth)
        if name.text == "not":
            inner, uses = self.condition(value, group, depth + 1)
            return _negated(inner), uses
        if name.text == "exists" and isinstance(value, Scalar):
            return self.condition(value, group, depth + 1)
        if name.text == "row" and isinstance(value, Scalar):
            return self._compared(tree, value, group)
        self.found.append(
            unknown("M244", name.span, f"{name.text} starts no condition", name.text, _CONDITION_WORDS)
        )
        return None, []

    def _several(
        self, word: str, value: YamlSequence, group: Group, depth: int
    ) -> tuple[Condition | None, list[Row]]:
        parts = [self.condition(item, group, depth + 1) for item in value.items]
        tests = [test for test, _ in parts if test is not None]
        uses = [row for _, rows in parts for row in rows]
        joined = all if word == "all" else any
        return (lambda scope: joined(test(scope) for test in tests)), uses

    def _compared(self, tree: Table, row: Scalar, group: Group) -> tuple[Condition | None, list[Row]]:
        getter, uses = self.operand(row.text, group, row.span)
        is_, in_ = tree.get("is"), tree.get("in")
        if isinstance(is_, Scalar):
            wanted = {is_.text}
        elif isinstance(in_, YamlSequence):
            wanted = {item.text for item in in_.items if isinstance(item, Scalar)}
        elif isinstance(equals := tree.get("equals"), Scalar):
            other, also = self.operand(equals.text, group, equals.span)
            return (lambda scope: getter(scope) is not None and getter(scope) == other(scope)), [*uses, *also]
        else:
            said = "row: needs is: with a text, in: with a list, or equals: with another row or source"
            self.found.append(diagnostic("M244", tree.span, said))
            return None, uses
        return (lambda scope: _as_text(getter(scope)) in wanted), uses


_CONDITION_WORDS = ("row", "exists", "all", "any", "not")


def row_getter(steps: int, row: Row) -> Getter:
    """The value of a row that stands `steps` groups up."""
    if steps == 0:
        return lambda scope: scope.value(row)
    return lambda scope: scope.up(steps).value(row)


def _visible(group: Group) -> list[str]:
    names: list[str] = []
    here: Group | None = group
    while here is not None:
        names += here.rows
        here = here.parent
    return names


def _nothing(_: Scope) -> Json:
    return None


def _constant(value: Json) -> Getter:
    return lambda _: value


@dataclass(slots=True)
class _Items:
    """The repeated group that a calculation looks through, and the rows of it that it needs."""

    group: Group | None = None
    rows: list[Row] = field(default_factory=list)

    def all(self, scope: Scope) -> Json:
        if self.group is None:
            return []
        items = scope.items.get(self.group.id, ())
        return [
            {row.id: item.value(row) for row in self.rows} | {INVALID: frozenset(item.invalid)}
            for item in items
        ]


def _column(group: Group, row: Row) -> Getter:
    return lambda scope: [item.value(row) for item in scope.items.get(group.id, ())]


def _joined(parts: Sequence[Getter | str], said: Callable[[Json], str]) -> Getter:
    def get(scope: Scope) -> Json:
        texts: list[str] = []
        for part in parts:
            if isinstance(part, str):
                texts.append(part)
                continue
            value = part(scope)
            if value is None:
                return None
            texts.append(said(value))
        return "".join(texts)

    return get


def _exists(getter: Getter) -> Condition:
    return lambda scope: getter(scope) is not None


def _negated(test: Condition | None) -> Condition | None:
    if test is None:
        return None
    return lambda scope: not test(scope)


def _as_text(value: Json) -> str | None:
    if value is True:
        return "true"
    if value is False:
        return "false"
    return None if value is None else str(value)


def _env(scope: Scope) -> Env:
    return scope.machine  # type: ignore[return-value]
