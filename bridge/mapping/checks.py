"""What can be judged of a compiled mapping without running it: coverage, absence, levels, privacy, two ways."""

from __future__ import annotations

from collections.abc import Iterator

from bridge.mapping.diagnostics import Diagnostic, Span, diagnostic
from bridge.mapping.model import MappingModel, MissingKind
from bridge.mapping.program import Group, Node, Place, Program, Property, Row, Way
from bridge.mapping.structure import Shape
from bridge.mapping.types import Kind
from bridge.mapping.yamltree import Scalar, Table

PROFILE_MEMBERS = {
    "uitwisselen-melding.melding-geregistreerd": (
        "bsn",
        "leeftijd",
        "registratiedatum",
        "categorie",
        "prioriteit",
    ),
    "uitwisselen-melding.melding-opgepakt": ("opgepaktDoor", "opgepaktOp", "referentie"),
}
"""What the published profiles name beside the graph (hub.md 4.2)."""

_PERSON = "soh:Betrokkene"
_BSN = "soh:burgerservicenummer"


def check_program(program: Program, model: MappingModel, used: set[int], lists: set[str]) -> list[Diagnostic]:
    """Every finding about a program whose places and expressions are all right."""
    check = _Check(program, model, used)
    check.whole(lists)
    check.circles()
    check.places(program.top.place, program.top)
    check.resource()
    check.groups(program.top)
    for group, row in check.rows():
        check.row(group, row)
    check.graph()
    check.events()
    return check.found


class _Check:
    def __init__(self, program: Program, model: MappingModel, used: set[int]) -> None:
        self.program = program
        self.model = model
        self.used = used
        self.found: list[Diagnostic] = []

    def fault(self, code: str, span: Span, text: str, hint: str = "") -> None:
        self.found.append(diagnostic(code, span, text, hint=hint))

    def rows(self, group: Group | None = None) -> Iterator[tuple[Group, Row]]:
        group = group or self.program.top
        for row in group.rows.values():
            yield group, row
        for below in group.groups.values():
            yield from self.rows(below)

    # -- the mapping as a whole

    def whole(self, lists: set[str]) -> None:
        model, program = self.model, self.program
        if program.direction.writes and not program.event_types and program.answer_about is None:
            said = "a mapping that writes messages says which events it answers to"
            self.fault(
                "M403", model.direction_span, said, "add match: event: {type: …}, or direction: to-event"
            )
        if program.direction.reads and not program.events and program.answer_about is None:
            said = "a mapping that reads messages gives events, or is an answer"
            self.fault("M403", model.direction_span, said, "add events:, answer:, or direction: to-xml")
        self.references()
        for name, _ in model.lists:
            if name.text not in lists:
                self.fault("M245", name.span, f"the list {name.text} is never used")

    def references(self) -> None:
        """What later answers go by must still be there when they are made."""
        model, program = self.model, self.program
        if program.reference is not None and not program.reference.remember:
            said = f"{program.reference.id} is the reference number, and is not remembered"
            self.fault("M411", program.reference.span, said, "add remember: yes to the row")
        if not model.answers:
            return
        first = model.answers[0][1].span
        if program.answer_about is not None:
            self.fault("M410", first, "a technical answer is not answered: it would never end")
        if model.reference_number is None:
            self.fault(
                "M411", first, "an answer names the message by its number", "add reference: {number: row}"
            )

    def circles(self) -> None:
        for reading in (True, False):
            state: dict[int, bool] = {}
            for _, row in self.rows():
                self.visit(row, reading, state, [])

    def visit(self, row: Row, reading: bool, state: dict[int, bool], path: list[str]) -> None:
        if id(row) in state:
            if state[id(row)]:
                circle = " → ".join([*path[path.index(row.id) :], row.id] if row.id in path else [row.id])
                self.fault("M241", row.span, f"rows need each other: {circle}")
            return
        state[id(row)] = True
        way = row.read if reading else row.write
        for used in way.uses if way else ():
            self.visit(used, reading, state, [*path, row.id])
        state[id(row)] = False

    # -- coverage

    def places(self, place: Place, group: Group) -> None:
        """Every element has a row, or stands under drop, or has a fixed text."""
        for child in place.children.values():
            if child.dropped:
                self.dropped(child)
                continue
            if child.shape.leaf:
                self.leaf(child)
            elif not _touched(child):
                if not _only_fixed(child.shape):
                    self.uncovered(f"{child.shape.path}/*")
            else:
                self.places(child, child.group or group)
            self.attributes(child)

    def leaf(self, place: Place) -> None:
        if place.row is None and place.shape.type.fixed is None:
            self.uncovered(place.shape.path)
        elif place.row is not None and place.row.write is None and self.program.direction.writes:
            self.required(place.shape, place.row.span)

    def uncovered(self, path: str) -> None:
        said = f"{path} is neither mapped nor dropped"
        self.fault("M230", self.model.name.span, said, "add a row, or drop it with the reason")

    def dropped(self, place: Place) -> None:
        span = next((key.span for key, _ in self.model.drop if _covers(key.text, place.shape.path)), None)
        if _touched(place):
            self.fault(
                "M231", span or self.model.name.span, f"{place.shape.path} is dropped and mapped as well"
            )
        if self.program.direction.writes and place.shape.leaf:
            self.required(place.shape, span or self.model.name.span)

    def required(self, shape: Shape, span: Span) -> None:
        required = shape.occurs.low > 0 and not shape.optional_in and shape.type.fixed is None
        if required and not shape.absence.nillable:
            said = f"required element {shape.path} is not written: composed messages would be refused"
            self.fault("M210", span, said, "give the row a source for writing: resource, from, const …")

    def attributes(self, place: Place) -> None:
        shape = place.shape
        names = {row.attribute.name for row in place.attributes.values() if row.attribute is not None}
        for attribute in shape.attributes:
            if attribute.type.fixed is None:
                self.attribute(shape, attribute.name, names)
        if shape.type.kind is Kind.ENTITY and shape.type.values == ("*",) and _touched(place):
            self.attribute(shape, "stuf:entiteittype", names)

    def attribute(self, shape: Shape, name: str, mapped: set[str]) -> None:
        place = f"{shape.path}/@{name}"
        if name not in mapped and not any(key.text == place for key, _ in self.model.drop):
            self.uncovered(place)

    def resource(self) -> None:
        self.resource_of(self.program.top)

    def resource_of(self, group: Group) -> None:
        seen: dict[tuple[str, ...], str] = {}
        named = [(r.resource, r.id, r.span) for r in group.rows.values() if r.resource]
        named += [(g.resource, g.id, g.span) for g in group.groups.values()]
        for path, name, span in named:
            for other, by in seen.items():
                shorter = min(len(path), len(other))
                if path[:shorter] == other[:shorter]:
                    said = (
                        f"{'/'.join(path)} is already the place of {by}"
                        if path == other
                        else (
                            f"{'/'.join(path)} and {'/'.join(other)} ({by}) cannot both be: one is a value, one a group"
                        )
                    )
                    self.fault("M206", span, said)
            seen[path] = name
        for below in group.groups.values():
            self.resource_of(below)

    def groups(self, group: Group) -> None:
        for below in group.groups.values():
            shape = below.place.shape
            if (
                self.program.direction.writes
                and shape.occurs.low > 0
                and not shape.optional_in
                and below.missing is None
            ):
                said = f"each {below.id}: {shape.name} must stand at least once, and an empty list is not provided for"
                self.fault("M220", below.span, said, "add missing: nil(geenWaarde), or missing: error")
            self.groups(below)

    # -- rows

    def row(self, group: Group, row: Row) -> None:
        for way, reading in ((row.read, True), (row.write, False)):
            if way is not None:
                self.way(group, row, way, reading)
        self.steps(row)
        self.level(row)
        idle = not (row.place or row.header or row.resource is not None or row.remember)
        if idle and id(row) not in self.used:
            self.fault("M245", row.span, f"row {row.id} is never used")
        if row.read is None and row.write is None:
            self.fault(
                "M243",
                row.span,
                f"row {row.id} has no value in this direction",
                "give it a place or a source",
            )

    def way(self, group: Group, row: Row, way: Way, reading: bool) -> None:
        unsaid = way.missing.span == row.span and way.missing.kind is MissingKind.ERROR
        if reading and way.from_place and unsaid and row.shape is not None and can_be_absent(group, row):
            said = f"row {row.id}: {row.place} can be absent, and the row does not say what then happens"
            self.fault("M220", row.span, said, self.suggestion(row))
        if not reading and row.place:
            self.written_absence(group, row, way)

    def suggestion(self, row: Row) -> str:
        shape = row.shape
        assert shape is not None
        required = shape.occurs.low > 0 and not shape.optional_in and row.attribute is None
        if required and shape.absence.nillable:
            reason = "(waardeOnbekend)" if shape.absence.no_value else ""
            return f"add missing: nil{reason}, or missing: error"
        return "add missing: error, or missing: default(…)" if required else "add missing: omit"

    def written_absence(self, group: Group, row: Row, way: Way) -> None:
        shape = row.shape
        if shape is None or row is group.scalar:
            return
        kind, span = way.missing.kind, way.missing.span
        if kind is MissingKind.NIL and (row.attribute is not None or not shape.absence.nillable):
            self.fault(
                "M221", span, f"row {row.id}: {row.place} may not be nil", "write omit, default(…) or error"
            )
        if kind is MissingKind.OMIT and row.attribute is None and always_there(group, row):
            self.fault(
                "M221",
                span,
                f"row {row.id}: {row.place} is required, so it cannot be left out",
                self.suggestion(row),
            )

    def steps(self, row: Row) -> None:
        for way in (row.read, row.write):
            if way is None or (row.shape is None and row.header is None and way.steps):
                if way is not None:
                    said = f"row {row.id}: as: is for a place in the message"
                    self.fault("M242", row.span, said)
                continue
            for step in way.steps:
                two_way = row.read is not None and row.write is not None
                if step.conversion.write is None and row.write is not None:
                    self.fault("M401", row.span, f"row {row.id}: {step} cannot be written")
                elif step.conversion.promise == "lossy" and two_way:
                    self.fault(
                        "M402", row.span, f"row {row.id}: {step} loses something, so the way back differs"
                    )

    def level(self, row: Row) -> None:
        known = self.program.standard.privacy.get(row.privacy)
        inputs = [used for way in (row.read, row.write) if way for used in way.uses if row.shape is None]
        above = max((used.level for used in inputs), default=0)
        if row.because or row.resource is None:
            return
        if known is not None and known.personal and row.level < known.level:
            said = f"row {row.id} is of class {known.name} and shown at level {row.level}"
            self.fault("M304", row.span, said, "remove level:, or say because:")
        elif row.level < above:
            said = f"row {row.id} is made of values of level {above} and shown at level {row.level}"
            self.fault("M304", row.span, said, "raise level:, or say because:")

    def personal(self, row: Row) -> bool:
        known = self.program.standard.privacy.get(row.privacy)
        return known is None or known.personal

    # -- graph and events

    def graph(self) -> None:
        for node in self.program.graph.values():
            for row in node.id_uses:
                if may_be_none(row) and node.when is None:
                    said = f"node {node.id}: {row.id} can be absent, so this node could get no id"
                    self.fault(
                        "M220",
                        node.span,
                        said,
                        f"add missing: error to the row, or when: {row.id} to the node",
                    )
            for item in node.properties:
                self.property(node, item)

    def property(self, node: Node, item: Property) -> None:
        named = item.name == _BSN and _PERSON in node.types
        for row in item.uses:
            if self.personal(row) and not named:
                said = f"node {node.id} shows {row.id} (class {row.privacy}), which the profile does not name there"
                self.fault("M302", item.span, said, "leave it to the resource")

    def events(self) -> None:
        for event in self.program.events:
            for row in event.subject_uses:
                if self.personal(row):
                    self.fault("M303", event.span, f"the subject holds {row.id}, of class {row.privacy}")
                if may_be_none(row):
                    said = f"{row.id} can be absent, so this event could get no subject"
                    self.fault("M220", event.span, said, "add missing: error to the row")
            known = PROFILE_MEMBERS.get(event.type, ())
            for member in event.members:
                if member.name not in known:
                    said = f"the profile of {event.type} names no member {member.name}"
                    self.fault("M302", member.span, said)
            self.shown(event.type, 0, event.nodes, plain=True)
            for level, nodes in event.levels:
                self.shown(event.type, level, nodes, plain=False)
        self.reachable()

    def shown(self, type_: str, level: int, nodes: tuple[str, ...], *, plain: bool) -> None:
        for name in nodes:
            node = self.program.graph[name]
            if _PERSON in node.types and level < 2 and not plain:
                said = f"node {name} is about a person, in an event of level {level}"
                self.fault("M301", node.span, said, "persons are for level 2")
            for item in node.properties:
                for row in item.uses:
                    if row.level > level and not (item.name == _BSN and _PERSON in node.types):
                        said = f"node {name} shows {row.id} (level {row.level}) in an event of level {level} ({type_})"
                        self.fault("M301", item.span, said)

    def reachable(self) -> None:
        """An event or a node whose condition names a word that its row can never give."""
        whens = [(event.type.text, event.each, event.when) for event in self.model.events]
        whens += [(f"node {node.id}", node.each, node.when) for node in self.model.graph]
        for what, each, when in whens:
            row, word = (when.get("row"), when.get("is")) if isinstance(when, Table) else (None, None)
            if not (isinstance(row, Scalar) and isinstance(word, Scalar)):
                continue
            found = self.group_of(each).find(row.text)
            possible = self.words(found[1]) if found is not None else None
            if possible is not None and word.text not in possible:
                said = f"{what} cannot occur: {row.text} is never {word.text}"
                self.fault("M246", word.span, said, f"it can be {', '.join(sorted(possible))}")

    def group_of(self, each: Scalar | None) -> Group:
        group = self.program.top
        for name in each.text.split("/") if each is not None else ():
            group = group.groups.get(name, group)
        return group

    def words(self, row: Row) -> set[str] | None:
        """The words that a row can give, when a list says so."""
        way = row.read
        if way is None or way.missing.kind is MissingKind.DEFAULT:
            return None
        if way.source.startswith("lookup("):
            name = way.source.removeprefix("lookup(").split()[0].rstrip(")")
            return {line.cells[-1] for line in self.program.lists[name].lines}
        for step in way.steps:
            if step.conversion.name == "list" and "open" not in step.args:
                return set(self.program.lists[step.args[0]].by_json)
        return None


def may_be_none(row: Row) -> bool:
    """Reading can leave the row without a value and go on."""
    way = row.read
    return way is None or way.when is not None or way.missing.kind in (MissingKind.OMIT, MissingKind.NIL)


def can_be_absent(group: Group, row: Row) -> bool:
    """The place of a row may hold no value in a message that the standard allows."""
    if row.attribute is not None and not row.attribute.required:
        return True
    for shape in _path(group, row):
        if shape.occurs.low == 0 or shape.optional_in or shape.absence.nillable or shape.absence.no_value:
            return True
    return False


def always_there(group: Group, row: Row) -> bool:
    """The element of a row is required in every message, or in every item of its group."""
    return all(shape.occurs.low > 0 and not shape.optional_in for shape in _path(group, row))


def _path(group: Group, row: Row) -> Iterator[Shape]:
    """The elements below the group's own, down to that of the row."""
    assert row.shape is not None
    place, above = group.place, group.place.shape.path
    rest = row.shape.path.removeprefix(above).strip("/")
    for step in rest.split("/") if rest else ():
        place = next(p for p in place.children.values() if p.shape.name == step)
        yield place.shape


def _touched(place: Place) -> bool:
    own = place.row is not None or place.group is not None or bool(place.attributes) or bool(place.picks)
    return own or any(_touched(child) for child in place.children.values())


def _only_fixed(shape: Shape) -> bool:
    if shape.leaf:
        return shape.type.fixed is not None
    return all(_only_fixed(child) for child in shape.children.values())


def _covers(drop: str, path: str) -> bool:
    bare = drop.removesuffix("/*")
    return path == bare or path.startswith(f"{bare}/")
