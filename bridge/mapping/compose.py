"""An event and the full data → a message, or every reason why not.

The message is built along the structure description, so the order is right by construction. What the standard
requires and no row gives is filled as the standard allows: a fixed text, an element that says it has no value, or
a finding.
"""

from __future__ import annotations

from collections import Counter
from functools import partial
from typing import Any

from bridge.mapping.context import Answer, Composed, Context, EventView, Json, Needs, RefExchange, Rejected
from bridge.mapping.functions.base import Refused, text_of
from bridge.mapping.machine import BaseMachine
from bridge.mapping.model import MissingKind
from bridge.mapping.order import made_order, rounds, tags_of
from bridge.mapping.program import Group, Place, Program, Row, Scope, Way
from bridge.mapping.structure import NO_VALUES, Block, Particle, Shape
from bridge.mapping.trace import trace_lines
from bridge.mapping.types import Kind, fault
from bridge.mapping.xmlwrite import ILLEGAL, Made, write_xml

MAX_ITEMS = 20_000
_ENTITY = "stuf:entiteittype"
_PARTIAL = "stuf:indOnvolledigeDatum"


def needs(program: Program) -> Needs:
    """What to fetch before composing with this mapping."""
    return Needs(
        resource=program.needs_resource is not None,
        ref=program.needs_ref is not None,
        resource_required=program.needs_resource == "yes",
        ref_required=program.needs_ref == "yes",
    )


def compose_message(
    program: Program,
    event: EventView,
    *,
    resource: dict[str, Json] | None,
    ref: RefExchange | None,
    context: Context,
) -> Composed | Rejected:
    """Composes with a compiled mapping. In `context` the sender of the new message is `from`. Raises nothing."""
    return Writing(program, context, event, resource, ref).run()


def compose_answer(
    program: Program, said: Answer, *, ref: RefExchange, context: Context
) -> Composed | Rejected:
    """Composes a technical answer to the message `ref`, with the mapping of that answer. Raises nothing."""
    return Answering(program, context, said, ref).run()


class Writing(BaseMachine):
    """One run of a mapping over one event."""

    def __init__(
        self,
        program: Program,
        context: Context,
        event: EventView,
        resource: dict[str, Json] | None,
        ref: RefExchange | None,
    ) -> None:
        super().__init__(program, context, writing=True)
        self.event = event
        self.ref = ref
        self.given = resource
        self.items = 0

    def run(self) -> Composed | Rejected:
        self.check_inputs()
        if self.rejected:
            return Rejected(findings=tuple(self.findings))
        self.top.json = self.given if isinstance(self.given, dict) else {}
        self.open(self.top)
        place = self.program.top.place
        root = self.make(place, self.top, forced=True)
        header = self.header_rows()
        if self.rejected or root is None:
            return Rejected(findings=tuple(self.findings))
        return Composed(
            service=header.pop("service", None),
            action=header.pop("action", None),
            payload=write_xml(root, self.program.standard.prefixes),
            header=header,
            values=self.remembered(),
            findings=tuple(self.findings),
            make_trace=partial(trace_lines, self.program, self.top, writing=True),
        )

    def check_inputs(self) -> None:
        assert self.event is not None
        required = needs(self.program)
        if self.event.type not in self.program.event_types:
            self.fault("M934", f"{self.program.label} does not answer to {self.event.type}")
        given: Json = self.given
        if given is not None and not isinstance(given, dict):
            self.fault("M932", "the full data is not an object")
        if required.resource_required and self.given is None:
            self.fault("M933", "the full data is needed and was not fetched at the source")
        if required.ref_required and self.ref is None:
            self.fault("M935", "no earlier exchange about this subject is known, and one is needed")

    def header_rows(self) -> dict[str, str]:
        header: dict[str, str] = {}
        if self.ref is not None:
            header = {"conversationId": self.ref.conversation_id, "refToMessageId": self.ref.message_id}
        for row in self.top.group.rows.values():
            if row.header is not None and row.write is not None:
                text = self.text(row, row.write, self.top)
                if text is not None:
                    header[row.header] = text
        return header

    def remembered(self) -> dict[str, str]:
        rows = (row for row in self.top.group.rows.values() if row.remember)
        return {row.id: text_of(value) for row in rows if (value := self.top.value(row)) is not None}

    # -- values ---------------------------------------------------------------------------------------------------

    def open(self, scope: Scope) -> None:
        """Makes a scope for each item of each repeated group."""
        self.check_forms(scope)
        for group in scope.group.groups.values():
            for item in self.listed(group, scope):
                self.items += 1
                if self.items > MAX_ITEMS:
                    self.fault("M911", f"the full data has more than {MAX_ITEMS} items in its lists")
                    return
                below = Scope(group, scope, self, json=item)
                if group.when is not None and not group.when(below):
                    continue
                items = scope.items.setdefault(group.id, [])
                below.at = len(items)
                items.append(below)
                self.open(below)

    def listed(self, group: Group, scope: Scope) -> list[Json]:
        """The items of a group; one that stands alone is a list of one, and what is no item is refused."""
        found = self.inside(scope, group.resource, row=group.scalar, place=group.place.shape.path)
        if found is None:
            return []
        items = found if isinstance(found, list) else [found]
        single = group.scalar is not None
        if all(isinstance(item, dict) or (single and isinstance(item, str | bool | int)) for item in items):
            return items
        wanted = "a list of values" if single else "a list of objects"
        self.fault("M932", f"{'/'.join(group.resource)} is not {wanted}", place=group.place.shape.path)
        return []

    def check_forms(self, scope: Scope) -> None:
        """What the full data gives for a row and cannot be its value is refused, not passed over."""
        for row in scope.group.rows.values():
            way = row.write
            if way is None or not row.resource or not _looks_there(row, way):
                continue
            value = self.inside(scope, row.resource, row=row)
            extra = row.shape is not None and row.shape.type.kind is Kind.EXTRA and row.attribute is None
            if extra and isinstance(value, list) and all(isinstance(item, dict) for item in value):
                continue
            if value is not None and (extra or not isinstance(value, str | bool | int)):
                wanted = "a list of names with values" if extra else "one value"
                self.fault("M932", f"{'/'.join(row.resource)} is not {wanted}", row=row)

    def inside(self, scope: Scope, path: tuple[str, ...], *, row: Row | None, place: str = "") -> Json:
        """What stands at a place; a value where a group is needed on the way is refused."""
        value = scope.json
        for at, step in enumerate(path):
            if value is not None and not isinstance(value, dict):
                if not (at == 0 and scope.group.scalar is not None):
                    self.fault(
                        "M932", f"{'/'.join(path[:at])} is not a group of values", row=row, place=place
                    )
                return None
            value = value.get(step) if value is not None else None
        return value

    def sourced(self, row: Row, way: Way, scope: Scope) -> Json:
        if not way.from_place:
            return None if self.kept_form(row, way, scope) else super().sourced(row, way, scope)
        if row.resource == ():
            return scope.json if isinstance(scope.json, str | bool | int) else None
        value = _reach(scope.json, row.resource or ())
        if row.shape is not None and row.shape.type.kind is Kind.EXTRA:
            return value if isinstance(value, list) and value else None
        return value if isinstance(value, str | bool | int) and value != "" else None

    def absent(self, row: Row, way: Way, scope: Scope) -> Json:
        form = self.kept_form(row, way, scope)
        if form is None and way.missing.kind is MissingKind.NIL:
            form = way.missing.arg or "nil"
        if form is not None:
            scope.forms[row.id] = form
            return None
        return super().absent(row, way, scope)

    def kept_form(self, row: Row, way: Way, scope: Scope) -> str | None:
        """How the message that was once read said that it had no value here.

        It counts before other sources too: what the full data says has no value stays without one.
        """
        if row.resource is None or not _looks_there(row, way):
            return None
        form = _reach(scope.json, _beside(row.resource, "_afwezig"))
        return form if isinstance(form, str) else None

    def text(self, row: Row, way: Way, scope: Scope) -> str | None:
        value = scope.value(row)
        if value is None:
            return None
        self.row = row
        try:
            if way.const is None:
                for step in reversed(way.steps):
                    if step.conversion.write is None:
                        raise Refused(f"{step.conversion.name} cannot be written")
                    value = step.conversion.write(value, step.args, self)
            text = text_of(value)
            if ILLEGAL.search(text):
                raise Refused("it holds characters that XML cannot carry")
            return text
        except Refused as refused:
            self.fault("M932", str(refused), row=row)
            return None
        finally:
            self.row = None

    # -- elements -------------------------------------------------------------------------------------------------

    def make(self, place: Place, scope: Scope, *, forced: bool) -> Made | None:
        """The element of a place; None when there is nothing to say and nothing forces it."""
        if place.dropped:
            return None
        if place.extra:
            return self.extra_elements(place, scope)
        if place.leaf:
            return self.leaf(place, scope)
        return self.group(place, scope, forced)

    def leaf(self, place: Place, scope: Scope) -> Made | None:
        row = place.row
        if row is None or row.write is None:
            return None
        text = self.invalid(row, row.write, scope)
        if text is None:
            text = self.text(row, row.write, scope)
        if text is None:
            form = scope.forms.get(row.id)
            return None if form is None else self.empty(place, form, scope)
        why = fault(place.shape.type, text, self.program.codes)
        if why is not None:
            self.fault("M932", why, row=row)
        made = Made(place.shape.name, self.attributes(place, scope), text)
        if place.shape.type.kind is Kind.DATE and text.endswith("00"):
            made.attributes[_PARTIAL] = _unknown_part(text)
        return made

    def invalid(self, row: Row, way: Way, scope: Scope) -> str | None:
        """A text that could not be read goes out as it came in, if the place takes it."""
        if not row.keeps_invalid or row.resource is None or not _looks_there(row, way):
            return None
        value, text = _reach(scope.json, row.resource), _reach(scope.json, _beside(row.resource, "_ongeldig"))
        if not isinstance(text, str) or (row.resource and value is not None):
            return None
        if ILLEGAL.search(text):
            self.fault("M932", "it holds characters that XML cannot carry", row=row)
            return None
        self.fault("M918", "a value that could not be read is sent on as it is", row=row)
        return text

    def attributes(self, place: Place, scope: Scope) -> dict[str, str]:
        shape = place.shape
        attributes: dict[str, str] = {}
        if shape.type.entity is not None:
            attributes[_ENTITY] = shape.type.entity
        for row in place.attributes.values():
            if row.write is not None and row.attribute is not None:
                text = self.text(row, row.write, scope)
                if text is not None:
                    attributes[row.attribute.name] = text
        for attribute in shape.attributes:
            if attribute.required and attribute.type.fixed is not None:
                attributes[attribute.name] = attribute.type.fixed
            elif attribute.required and attribute.name not in attributes:
                self.fault("M930", f"@{attribute.name} is required and has no value", place=shape.path)
        return attributes

    def group(self, place: Place, scope: Scope, forced: bool) -> Made | None:
        form = self.group_form(place, scope)
        if form is not None and not _has_value(place, scope):
            return self.empty(place, form, scope)
        made: dict[str, list[Made]] = {}
        for tag, child in place.written.items():
            elements = self.elements(child, scope)
            if elements:
                made[tag] = elements
        if not made and not forced:
            return None
        children = self.arrange(place.shape.particles, made, place, scope, required=True)
        return Made(place.shape.name, self.attributes(place, scope), "", children)

    def elements(self, place: Place, scope: Scope) -> list[Made]:
        group = place.group
        if group is None or group is scope.group:
            made = self.make(place, scope, forced=False)
            return [] if made is None else [made]
        items = scope.items.get(group.id, [])
        listed = [self.item(place, group, item) for item in items]
        if listed:
            return [made for made in listed if made is not None]
        return self.no_items(place, group, scope)

    def item(self, place: Place, group: Group, item: Scope) -> Made | None:
        made = self.make(place, item, forced=True)
        if made is None and group.scalar is not None:
            self.fault("M932", "an item of a list is not a single value", row=group.scalar)
        return made

    def no_items(self, place: Place, group: Group, scope: Scope) -> list[Made]:
        missing = group.missing
        if missing is None or missing.kind is MissingKind.OMIT or place.dropped:
            return []
        if missing.kind is MissingKind.NIL:
            return [self.empty(place, missing.arg or "nil", scope)]
        self.fault("M902", f"{group.id} has no items, and must have one", place=place.shape.path)
        return []

    def group_form(self, place: Place, scope: Scope) -> str | None:
        forms = scope.json.get("_afwezig") if isinstance(scope.json, dict) else None
        form = forms.get(place.key) if isinstance(forms, dict) else None
        return form if isinstance(form, str) else None

    def empty(self, place: Place, form: str, scope: Scope) -> Made:
        """An element that says that it has no value, in the form asked for as far as the place allows it."""
        shape = place.shape
        word, _, reason = form.partition(" ")
        if word not in ("nil", "leeg"):
            word, reason = "nil", word
        attributes: dict[str, str] = {}
        if shape.leaf:
            attributes = self.attributes(place, scope)
        elif shape.type.entity is not None and shape.type.required:
            attributes[_ENTITY] = shape.type.entity
        elif shape.type.kind is Kind.ENTITY:
            attributes = {k: v for k, v in self.attributes(place, scope).items() if k == _ENTITY}
        if shape.absence.no_value and reason in NO_VALUES:
            attributes["stuf:noValue" if shape.absence.no_value.startswith("{") else "noValue"] = reason
        if word == "nil" and shape.absence.nillable:
            attributes["xsi:nil"] = "true"
        elif word == "nil" and shape.occurs.low > 0 and not shape.optional_in:
            self.fault("M930", "it is required and may not be nil", place=shape.path)
        return Made(shape.name, attributes)

    def extra_elements(self, place: Place, scope: Scope) -> Made | None:
        row = place.row
        listed = scope.value(row) if row is not None and row.write is not None else None
        if not isinstance(listed, list) or row is None:
            return None
        children = [self.extra_item(row, item) for item in listed if isinstance(item, dict)]
        return Made(place.shape.name, {}, "", children) if children else None

    def extra_item(self, row: Row, item: dict[str, Any]) -> Made:
        name, value, form = (item.get(key) for key in ("naam", "waarde", "_afwezig"))
        made = Made("stuf:extraElement", {"naam": name if isinstance(name, str) else ""})
        if isinstance(item.get("onvolledig"), str):
            made.attributes[_PARTIAL] = item["onvolledig"]
        if isinstance(value, str | bool | int):
            made.text = text_of(value)
        else:
            word, _, reason = (form if isinstance(form, str) else "leeg").partition(" ")
            if word not in ("nil", "leeg"):
                word, reason = "nil", word
            if reason in NO_VALUES:
                made.attributes["stuf:noValue"] = reason
            if word == "nil":
                made.attributes["xsi:nil"] = "true"
        if any(ILLEGAL.search(text) for text in (made.text, *made.attributes.values())):
            self.fault("M932", "an extra element holds characters that XML cannot carry", row=row)
        return made

    # -- order and what is required -------------------------------------------------------------------------------

    def arrange(
        self,
        particles: tuple[Particle, ...],
        made: dict[str, list[Made]],
        place: Place,
        scope: Scope,
        *,
        required: bool,
    ) -> list[Made]:
        """The made children in the order of the standard, with what is required and not made filled in."""
        out: list[Made] = []
        for particle in particles:
            if isinstance(particle, Shape):
                elements = made.get(particle.tag, [])
                if not elements and required and particle.occurs.low > 0:
                    elements = self.fill(place.children[particle.tag], scope)
                high = particle.occurs.high
                if high is not None and len(elements) > high and not particle.many_by_choice:
                    self.fault("M931", f"it may stand {high} times", place=particle.path)
                out += elements
                continue
            if particle.choice and particle.occurs.many:
                out += self.repeated(particle, made, place, scope, required=required)
                continue
            here = [p for p in particle.particles if _present(p, made)]
            if not particle.choice:
                inside = bool(here) or (required and particle.occurs.low > 0)
                out += self.arrange(particle.particles, made, place, scope, required=inside)
                continue
            if particle.occurs.high == 1 and len(here) > 1:
                self.fault("M931", "only one of a choice may stand", place=place.shape.path)
            chosen = here or (particle.particles[:1] if required and particle.occurs.low > 0 else ())
            out += self.arrange(tuple(chosen), made, place, scope, required=True)
        return out

    def repeated(
        self, block: Block, made: dict[str, list[Made]], place: Place, scope: Scope, *, required: bool
    ) -> list[Made]:
        """The elements of a choice that repeats, in the order in which they once stood."""
        counts = Counter({tag: len(made[tag]) for tag in tags_of(block) if tag in made})
        kept = _reach(scope.json, ("_volgorde", place.key or "."))
        names = {child.shape.name: tag for tag, child in place.children.items()}
        listed = kept if isinstance(kept, list) and all(isinstance(name, str) for name in kept) else []
        order = [names[name] for name in listed if names.get(name) in counts]
        if Counter(order) != counts:
            order = made_order(block, counts)
        often, low, high = rounds(block, order), block.occurs.low, block.occurs.high
        needed = required or bool(order)
        if often is None or (high is not None and often > high) or (needed and often < low):
            said = f"of a choice {block.occurs} may stand, each whole"
            self.fault("M931", said, place=place.shape.path)
        queues = {tag: iter(made[tag]) for tag in counts}
        return [next(queues[tag]) for tag in order]

    def fill(self, place: Place, scope: Scope) -> list[Made]:
        """A required element that no row gave: its fixed text, or that it has no value, or a finding."""
        shape = place.shape
        if shape.type.fixed is not None:
            return [Made(shape.name, self.attributes(place, scope), shape.type.fixed)]
        if _all_fixed(shape) or (not shape.leaf and not shape.absence.nillable):
            forced = self.group(place, scope, forced=True)
            return [] if forced is None else [forced]
        if shape.absence.nillable:
            return [self.empty(place, "nietOndersteund" if place.dropped else "geenWaarde", scope)]
        way = place.row.write if place.row is not None else None
        if way is None or way.missing.kind not in (
            MissingKind.ERROR,
            MissingKind.ROW,
        ):  # else the row has said so already
            self.fault("M930", "a required element has no value", place=shape.path, privacy=shape.privacy)
        return []


class Answering(Writing):
    """One run of the mapping of a technical answer, over how a message fared."""

    def __init__(self, program: Program, context: Context, said: Answer, ref: RefExchange) -> None:
        now = context.timestamp or context.received_at
        super().__init__(program, context, EventView(type="", subject="", time=now, data={}), None, ref)
        self.said = said

    def check_inputs(self) -> None:
        if self.program.answer_about is None or not self.program.direction.writes:
            self.fault("M934", f"{self.program.label} composes no technical answer")


def _present(particle: Particle, made: dict[str, list[Made]]) -> bool:
    if isinstance(particle, Shape):
        return particle.tag in made
    return any(_present(below, made) for below in particle.particles)


def _looks_there(row: Row, way: Way) -> bool:
    """The value comes from the row's own place in the resource, or from a list of sources with that place in it."""
    own = "/".join(("resource", *(row.resource or ())))
    return way.from_place or own in way.source.split(" or ")


def _has_value(place: Place, scope: Scope) -> bool:
    """The full data gives something for what stands in an element."""
    return any(_given(child, scope) for child in place.written.values())


def _given(place: Place, scope: Scope) -> bool:
    if place.group is not None and place.group is not scope.group:
        return bool(_reach(scope.json, place.group.resource))
    row = place.row
    if row is not None and row.resource is not None:
        invalid = _reach(scope.json, _beside(row.resource, "_ongeldig"))
        return _reach(scope.json, row.resource) is not None or invalid is not None
    return _has_value(place, scope)


def _all_fixed(shape: Shape) -> bool:
    """Its required children can all be written without any value, and there is one."""
    if shape.leaf:
        return shape.type.fixed is not None
    required = [c for c in shape.children.values() if c.occurs.low > 0 and not c.optional_in]
    return bool(required) and all(_all_fixed(child) for child in required)


def _unknown_part(digits: str) -> str:
    """What `indOnvolledigeDatum` says of a date with zeros: year, month or day not known."""
    if digits == "00000000":
        return "J"
    return "M" if digits.endswith("0000") else "D"


def _beside(resource: tuple[str, ...], member: str) -> tuple[str, ...]:
    """Where something about a place is kept, beside its value."""
    return (*resource[:-1], member, resource[-1]) if resource else (member, ".")


def _reach(value: Json, path: tuple[str, ...]) -> Json:
    for step in path:
        if not isinstance(value, dict):
            return None
        value = value.get(step)
    return value
