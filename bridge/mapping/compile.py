"""`MappingModel` → `Program`, with every fault at once.

First the places, groups and rows are laid out over the structure description; then, when all names are known, the
ways of each row, the graph and the events are made.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from bridge.mapping.checks import check_program
from bridge.mapping.diagnostics import Diagnostic, Span, diagnostic, has_errors, unknown
from bridge.mapping.expressions import Expressions
from bridge.mapping.graph import compile_events, compile_graph
from bridge.mapping.lists import CodeList
from bridge.mapping.model import (
    EachModel,
    MappingModel,
    Missing,
    MissingKind,
    RowModel,
    RowSource,
)
from bridge.mapping.places import XmlPlace, read_json_place, read_xml_place
from bridge.mapping.plan import (
    keep_invalid,
    lay_out,
    mark_used,
    plan_reading,
    protect,
    relay,
    resource_levels,
    strictest,
)
from bridge.mapping.program import Getter, Group, Place, Program, Row, Way
from bridge.mapping.standard import Standard, Vocabulary
from bridge.mapping.structure import NO_VALUES, Attribute, Shape
from bridge.mapping.types import Kind, Type
from bridge.mapping.xpath import compile_xpath
from bridge.mapping.yamltree import Scalar

HEADER_PLACES = ("service", "action", "conversationId", "refToMessageId", "to")
_MISSING = re.compile(r"(omit|error|nil|default|row)(?:\((.*)\))?", re.DOTALL)


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """What a mapping stands on: its standard, the structure of its message, the lists, the vocabulary."""

    standard: Standard
    vocabulary: Vocabulary
    root: Shape
    lists: Mapping[str, CodeList]
    codes: Mapping[str, frozenset[str]]


def compile_mapping(model: MappingModel, parts: Parts, sha: str) -> tuple[Program | None, list[Diagnostic]]:
    """The program, or None when there are errors, which are then among the diagnostics."""
    compiler = _Compiler(model, parts)
    program = compiler.program(sha)
    found = compiler.found
    if not has_errors(found):
        found += check_program(program, model, compiler.uses, compiler.expressions.list_names)
    return (None if has_errors(found) else program), found


@dataclass(slots=True)
class _Draft:
    """A row whose ways are still to be made."""

    row: Row
    model: RowModel
    group: Group


@dataclass(slots=True)
class _Compiler:
    model: MappingModel
    parts: Parts
    found: list[Diagnostic] = field(default_factory=list)
    drafts: list[_Draft] = field(default_factory=list)
    conditions: list[tuple[Group, EachModel]] = field(default_factory=list)
    uses: set[int] = field(default_factory=set)
    """The rows that something else asks for, by identity."""
    hiding: dict[int, bool] = field(default_factory=dict)
    """The rows that are calculated, by identity, and whether the calculation hides its inputs."""
    levelled: set[int] = field(default_factory=set)
    """The rows that state their own level, by identity."""
    exact: set[int] = field(default_factory=set)
    """The rows with `invalid: error`, by identity."""
    expressions: Expressions = field(init=False)

    def __post_init__(self) -> None:
        self.expressions = Expressions(dict(self.parts.lists), self.found)

    def program(self, sha: str) -> Program:
        model = self.model
        place = lay_out(self.parts.root, "")
        top = Group(id="", span=model.name.span, parent=None, resource=(), missing=None, level=0, place=place)
        self.drop(place)
        self.group(top, model.rows, model.each)
        for draft in self.drafts:
            self.ways(draft)
        for group, each in self.conditions:
            group.when, tested = self.expressions.condition(each.when, group)
            self.uses.update(map(id, tested))
            self.unique(group, each)
        mark_used(place)
        plan_reading(top)
        protect([draft.row for draft in self.drafts], self.parts.standard, self.levelled, self.hiding)
        key, answer = self.resource_key(top), self.top_row(top, self.model.answer_about)
        reference = self.top_row(top, self.model.reference_number)
        within = [self.top_row(top, name) for name in self.model.reference_within]
        graph = compile_graph(model, top, self.parts.vocabulary, self.expressions, self.uses)
        events = compile_events(model, top, graph, self.expressions, self.uses)
        keep_invalid([draft.row for draft in self.drafts], self.expressions.deciding, self.exact)
        return Program(
            name=model.name.text,
            version=model.version,
            sha=sha,
            direction=model.direction,
            title=model.title,
            file=model.file,
            standard=self.parts.standard,
            vocabulary=self.parts.vocabulary,
            lists=self.parts.lists,
            codes=self.parts.codes,
            root=self.parts.root,
            service=model.service,
            action=model.action,
            cpa_id=model.cpa,
            event_types=tuple(t.text for t in model.event_types),
            needs_resource=model.needs_resource.text if model.needs_resource else None,
            needs_ref=model.needs_ref.text if model.needs_ref else None,
            resource_type=model.resource_type.text if model.resource_type else None,
            resource_key=key,
            resource_owner=model.resource_owner.text if model.resource_owner else "header/from",
            levels=resource_levels(top),
            top=top,
            graph=graph,
            events=events,
            reference=reference,
            reference_within=tuple(row for row in within if row is not None),
            answers=dict(self.model.answers),
            answer_about=answer,
            answer_outcome=model.answer_outcome.text if model.answer_outcome else None,
            dropped=tuple((place.text, why) for place, why in model.drop),
        )

    def unique(self, group: Group, each: EachModel) -> None:
        if each.unique is None:
            return
        name = each.unique.text
        group.unique = group.rows.get(name)
        if group.unique is None:
            said = f"there is no row {name} in {group.id}"
            self.found.append(unknown("M240", each.unique.span, said, name, group.rows))
            return
        self.uses.add(id(group.unique))
        self.expressions.deciding.append(group.unique)

    def resource_key(self, top: Group) -> Getter | None:
        if self.model.resource_key is None:
            return None
        getter, uses = self.expressions.template(self.model.resource_key, top)
        self.uses.update(map(id, uses))
        self.expressions.deciding += uses
        return getter

    def top_row(self, top: Group, name: Scalar | None) -> Row | None:
        """A row outside all groups that says which message is meant."""
        if name is None:
            return None
        if name.text not in top.rows:
            self.found.append(unknown("M240", name.span, f"there is no row {name.text}", name.text, top.rows))
            return None
        self.uses.add(id(top.rows[name.text]))
        self.expressions.deciding.append(top.rows[name.text])
        return top.rows[name.text]

    # -- places ---------------------------------------------------------------------------------------------------

    def drop(self, root: Place) -> None:
        for text, _ in self.model.drop:
            place = read_xml_place(text.text.removesuffix("/*"))
            if isinstance(place, str):
                self.found.append(diagnostic("M202", text.span, place))
            elif (
                place.attribute is None
                and (target := self.reach(root, place.steps, text, through=True)) is not None
            ):
                if text.text.endswith("/*"):
                    for child in target.children.values():
                        child.dropped = True
                else:
                    target.dropped = True

    def reach(
        self, place: Place, steps: tuple[str, ...], text: Scalar, *, through: bool = False
    ) -> Place | None:
        """The place of these steps; a step that does not exist is reported with the nearest that does.

        Only what is dropped may lie `through` an element that repeats: a value there would be one of several.
        """
        for at, step in enumerate(steps, 1):
            child = next((p for p in place.children.values() if p.shape.name == step), None)
            if child is None:
                names = [p.shape.name for p in place.children.values()]
                where = place.shape.name
                span = text.span.part(text.text, step)
                self.found.append(unknown("M201", span, f"{step} does not exist in {where}", step, names))
                return None
            if child.group is not None and at < len(steps):
                span = text.span.part(text.text, step)
                said = f"{step} is the group {child.group.id}: its rows stand under that each"
                self.found.append(diagnostic("M204", span, said))
                return None
            if child.shape.many and child.group is None and at < len(steps) and not through:
                self.repeats(child.shape, text.span.part(text.text, step))
                return None
            place = child
        return place

    def repeats(self, shape: Shape, span: Span) -> None:
        said = f"{shape.name} may stand {shape.occurs} times: only one would be read"
        if not shape.occurs.many:
            said = f"{shape.name} stands in a choice that repeats: only one would be read"
        self.found.append(diagnostic("M204", span, said, hint="add repeat: yes, or use each"))

    # -- groups and rows ------------------------------------------------------------------------------------------

    def group(self, group: Group, rows: tuple[RowModel, ...], eaches: tuple[EachModel, ...]) -> None:
        for each in eaches:
            self.each(group, each)
        for model in rows:
            if model.id in group.rows or model.id in group.groups:
                self.found.append(diagnostic("M109", model.span, f"{model.id} is used twice"))
                continue
            self.row(group, model)

    def each(self, parent: Group, model: EachModel) -> None:
        if model.id in parent.groups:
            self.found.append(diagnostic("M109", model.span, f"{model.id} is used twice"))
            return
        place = self.group_place(parent, model.xml, f"each {model.id}")
        if place is None:
            return
        if place.shape.leaf and not place.shape.many and model.rows:
            said = f"each {model.id}: {place.shape.name} stands only once and holds no elements"
            hint = "each: is for an element that repeats; read this one by a row"
            self.found.append(diagnostic("M204", model.xml.span, said, hint=hint))
            return
        group = self.open_group(parent, model.id, model.span, place, model.resource)
        group.level = int(model.level.text) if model.level and model.level.text in ("0", "1", "2") else 1
        group.missing = self.missing(model.missing, model.xml.span) if model.missing else None
        self.conditions.append((group, model))
        self.group(group, model.rows, model.each)

    def group_place(self, parent: Group, xml: Scalar, who: str) -> Place | None:
        place = read_xml_place(xml.text)
        if isinstance(place, str):
            self.found.append(diagnostic("M202", xml.span, place))
            return None
        if not place.steps or place.attribute or place.pick:
            self.found.append(diagnostic("M202", xml.span, f"{who} needs the place of an element"))
            return None
        target = self.reach(parent.place, place.steps, xml)
        if target is not None and (target.group or target.row):
            self.found.append(diagnostic("M205", xml.span, f"{xml.text} is already read"))
            return None
        return target

    def open_group(self, parent: Group, name: str, span: Span, place: Place, resource: Scalar) -> Group:
        steps = read_json_place(resource.text)
        if isinstance(steps, str) or not steps:
            said = steps if isinstance(steps, str) and steps else "a list needs a name"
            self.found.append(diagnostic("M202", resource.span, said))
            steps = ("?",)
        relay(place, "")
        group = Group(id=name, span=span, parent=parent, resource=steps, missing=None, level=1, place=place)
        place.group = group
        parent.groups[name] = group
        return group

    def row(self, group: Group, model: RowModel) -> None:
        xml = model.read.text("xml") or model.write.text("xml")
        repeat = model.read.text("repeat")
        if repeat is not None and repeat.text == "yes" and xml is not None:
            self.repeated(group, model, xml)
            return
        row = self.shell(group, model, xml)
        group.rows[model.id] = row
        if xml is not None and not model.read.text("xpath"):
            self.settle(group, row, xml)
        self.drafts.append(_Draft(row, model, group))

    def repeated(self, parent: Group, model: RowModel, xml: Scalar) -> None:
        """`repeat: yes` is an each whose items are single values."""
        place = self.group_place(parent, xml, f"row {model.id}")
        resource = model.read.text("resource") or model.write.text("resource")
        if place is None:
            return
        if resource is None:
            self.found.append(
                diagnostic("M106", model.span, f"row {model.id} repeats, so it needs resource:")
            )
            return
        group = self.open_group(parent, model.id, model.span, place, resource)
        missing = model.write.text("missing")
        if missing is not None and missing.text != "omit":
            group.missing = self.missing(missing, missing.span)
        row = self.shell(group, model, Scalar(".", xml.span))
        row.resource = ()
        group.level = row.level
        group.rows[model.id] = row
        group.scalar = row
        self.settle(group, row, Scalar(".", xml.span))
        self.drafts.append(_Draft(row, model, group))

    def shell(self, group: Group, model: RowModel, xml: Scalar | None) -> Row:
        header = model.write.text("header")
        if header is not None and header.text not in HEADER_PLACES:
            said = f"{header.text} is no place of the header"
            self.found.append(unknown("M201", header.span, said, header.text, HEADER_PLACES))
        remember = model.read.text("remember")
        if remember is not None and group.parent is not None:
            said = "a row that repeats cannot be remembered: only one value ties messages together"
            self.found.append(diagnostic("M105", remember.span, said))
        above = group.place.shape.path
        place = xml.text if xml else ""
        return Row(
            id=model.id,
            span=model.span,
            place=place,
            path=f"{above}/{place}".strip("/") if place != "." else above,
            shape=None,
            attribute=None,
            header=header.text if header else None,
            resource=self.json_place(model),
            privacy="-",
            level=1,
            remember=remember is not None and remember.text == "yes",
        )

    def json_place(self, model: RowModel) -> tuple[str, ...] | None:
        text = model.read.text("resource") or model.write.text("resource")
        if text is None:
            return None
        steps = read_json_place(text.text)
        if isinstance(steps, str):
            self.found.append(diagnostic("M202", text.span, steps))
            return None
        return steps

    def settle(self, group: Group, row: Row, xml: Scalar) -> None:
        """Ties a row to its place in the message."""
        place = read_xml_place(xml.text)
        if isinstance(place, str):
            hint = self.prefix_hint(group, place)
            self.found.append(diagnostic("M202", xml.span, place, hint=hint))
            return
        if place.pick is not None:
            self.settle_pick(group, row, place, xml)
            return
        target = self.reach(group.place, place.steps, xml)
        if target is None:
            return
        if place.attribute is not None:
            self.settle_attribute(row, target, place.attribute, xml)
            return
        if not target.shape.leaf:
            said = f"{target.shape.name} holds elements, not a value"
            self.found.append(diagnostic("M203", xml.span, said, hint="name the element in it, or use each"))
        elif target.shape.many and target.group is None:
            self.repeats(target.shape, xml.span)
        elif target.row is not None or (target.group is not None and target.group is not group):
            self.found.append(diagnostic("M205", xml.span, f"{xml.text} is already read"))
        else:
            target.row = row
            row.shape = target.shape
            row.privacy = target.shape.privacy

    def settle_pick(self, group: Group, row: Row, place: XmlPlace, xml: Scalar) -> None:
        assert place.pick is not None
        target = self.reach(group.place, place.steps[:-1], xml)
        last = place.steps[-1]
        if target is None:
            return
        if target.shape.many and target.group is None:
            self.repeats(target.shape, xml.span)
            return
        if target.shape.type.kind is Kind.EXTRA and last == "stuf:extraElement":
            target.picks.append((place.pick[0], place.pick[1], row))
            row.shape = target.shape
            row.privacy = target.shape.privacy
            return
        self.found.append(
            diagnostic(
                "M202", xml.span, "[@name='text'] is for stuf:extraElement; elsewhere use when: in an each"
            )
        )

    def settle_attribute(self, row: Row, target: Place, name: str, xml: Scalar) -> None:
        known = {a.name: a for a in target.shape.attributes}
        if target.shape.type.kind is Kind.ENTITY:
            known["stuf:entiteittype"] = _entity_attribute(target.shape, self.parts.standard.prefixes)
        if name not in known:
            said = f"@{name} does not exist on {target.shape.name}"
            self.found.append(unknown("M201", xml.span.part(xml.text, name), said, name, known))
            return
        if target.shape.many and target.group is None:
            self.repeats(target.shape, xml.span)
            return
        attribute = known[name]
        if attribute.clark in target.attributes:
            self.found.append(diagnostic("M205", xml.span, f"{xml.text} is already read"))
            return
        target.attributes[attribute.clark] = row
        row.shape = target.shape
        row.attribute = attribute
        row.privacy = attribute.privacy

    def prefix_hint(self, group: Group, problem: str) -> str:
        local = problem.partition(" ")[0]
        near = [s.name for s in group.place.shape.walk() if s.name.partition(":")[2] == local]
        return f"did you mean {near[0]}?" if near else ""

    # -- ways -----------------------------------------------------------------------------------------------------

    def ways(self, draft: _Draft) -> None:
        row, model = draft.row, draft.model
        if self.model.direction.reads and row.header is None:
            row.read = self.read_way(draft, model.read)
        if self.model.direction.writes:
            row.write = self.write_way(draft, model.write)
        invalid = model.read.text("invalid")
        if invalid is not None and invalid.text != "error":
            self.found.append(diagnostic("M107", invalid.span, "invalid: is error, or is left out"))
        elif invalid is not None:
            self.exact.add(id(row))
        for source in (model.read, model.write):
            level = source.text("level")
            if level is not None and level.text not in ("0", "1", "2"):
                self.found.append(diagnostic("M107", level.span, "a level is 0, 1 or 2"))
            elif level is not None:
                row.level = int(level.text)
                self.levelled.add(id(row))
            row.because = row.because or source.text("because") is not None

    def read_way(self, draft: _Draft, source: RowSource) -> Way | None:
        row = draft.row
        from_place = bool(row.place) and source.text("xpath") is None
        getter: Getter | None = None
        uses: list[Row] = []
        words = row.place
        if not from_place:
            getter, uses, words = self.getter(draft, source, reading=True)
            if getter is None and source.text("const") is None:
                return None
        return self.way(draft, source, getter, uses, from_place, words)

    def write_way(self, draft: _Draft, source: RowSource) -> Way | None:
        row = draft.row
        if row.attribute is None and row.place and "[" in row.place:
            return None  # a picked extra element is only read: the whole list is written
        getter, uses, words = self.getter(draft, source, reading=False)
        from_place = getter is None and source.text("const") is None
        if from_place and row.resource is None:
            return None
        return self.way(draft, source, getter, uses, from_place, words or "/".join(row.resource or ()))

    def getter(
        self, draft: _Draft, source: RowSource, *, reading: bool
    ) -> tuple[Getter | None, list[Row], str]:
        """The source of a row other than its place."""
        calc, text, xpath = source.text("calc"), source.text("text"), source.text("xpath")
        given = [k for k in ("const", "from", "gen", "calc", "text", "xpath") if k in source.keys]
        if len(given) > 1:
            self.found.append(
                diagnostic(
                    "M243", draft.row.span, f"row {draft.row.id} has several sources: {', '.join(given)}"
                )
            )
        if calc is not None:
            getter, uses, hides = self.expressions.calculation(calc, draft.group)
            self.hiding[id(draft.row)] = hides
            return getter, uses, calc.text
        if text is not None:
            getter, uses = self.expressions.template(text, draft.group)
            return getter, uses, text.text
        if xpath is not None and reading:
            draft.row.privacy = strictest(self.parts.standard)
            return self.xpath(draft, xpath), [], xpath.text
        if source.texts("from"):
            return self.first_of(draft, source)
        if (gen := source.text("gen")) is not None:
            return self.generated(gen), [], gen.text
        return None, [], ""

    def first_of(self, draft: _Draft, source: RowSource) -> tuple[Getter, list[Row], str]:
        pairs = [self.expressions.operand(word.text, draft.group, word.span) for word in source.texts("from")]
        getters = [getter for getter, _ in pairs]
        words = " or ".join(word.text for word in source.texts("from"))
        uses = [row for _, rows in pairs for row in rows]
        if len(getters) == 1:
            return getters[0], uses, words
        return (lambda scope: next((v for g in getters if (v := g(scope)) is not None), None)), uses, words

    def generated(self, gen: Scalar) -> Getter | None:
        found = re.fullmatch(r"uuid|reference\((\d{1,3})\)", gen.text)
        if not found:
            self.found.append(diagnostic("M242", gen.span, "gen is uuid or reference(n)"))
            return None
        length = int(found[1]) if found[1] else None
        return lambda scope: str(scope.machine.source(("new",)))[:length]

    def xpath(self, draft: _Draft, text: Scalar) -> Getter | None:
        getter, problem = compile_xpath(text.text, self.parts.standard.prefixes)
        if problem:
            self.found.append(diagnostic("M202", text.span, problem))
        return getter

    def way(
        self,
        draft: _Draft,
        source: RowSource,
        getter: Getter | None,
        uses: list[Row],
        from_place: bool,
        words: str,
    ) -> Way:
        when, tested = self.expressions.condition(source.keys.get("when"), draft.group)
        missing = source.text("missing")
        const = source.text("const")
        made = (
            self.missing(missing, missing.span)
            if missing
            else Missing(kind=MissingKind.ERROR, span=draft.row.span)
        )
        used = [*uses, *tested]
        if made.kind is MissingKind.ROW:
            _, other = self.expressions.operand(made.arg, draft.group, made.span)
            used += other
        self.uses.update(map(id, used))
        return Way(
            getter=getter,
            from_place=from_place,
            const=const.text if const else None,
            steps=self.expressions.steps(source.text("as")),
            missing=made,
            when=when,
            source=words,
            uses=tuple(used),
        )

    def missing(self, text: Scalar, span: Span) -> Missing:
        found = _MISSING.fullmatch(text.text.strip())
        if not found:
            said = "missing is omit, error, nil(reason), default(text) or row(name)"
            word = text.text.partition("(")[0].strip()
            known = [kind.value for kind in MissingKind]
            self.found.append(unknown("M221", text.span.part(text.text, word), said, word, known))
            return Missing(kind=MissingKind.ERROR, span=span)
        kind, arg = MissingKind(found[1]), found[2] or ""
        if kind in (MissingKind.DEFAULT, MissingKind.ROW) and not arg:
            self.found.append(diagnostic("M221", text.span, f"{kind} needs a text in brackets"))
        if kind is MissingKind.NIL and arg and arg not in NO_VALUES:
            said = f"{arg} is no reason for having no value"
            self.found.append(unknown("M221", text.span.part(text.text, arg), said, arg, NO_VALUES))
        return Missing(kind=kind, arg=arg, span=text.span)


def _entity_attribute(shape: Shape, prefixes: Mapping[str, str]) -> Attribute:
    return Attribute(
        name="stuf:entiteittype",
        clark=f"{{{prefixes.get('stuf', '')}}}entiteittype",
        required=shape.type.required,
        privacy="-",
        type=Type(kind=Kind.TEXT),
    )
