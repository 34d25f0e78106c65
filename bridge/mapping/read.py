"""The text of a mapping file → `MappingModel`, with every fault at once."""

from __future__ import annotations

import re
from collections.abc import Mapping

from bridge.mapping.diagnostics import Diagnostic, Severity, Span, diagnostic, unknown
from bridge.mapping.model import (
    KEYS,
    Direction,
    EachModel,
    EventModel,
    Fate,
    MappingModel,
    NodeModel,
    RowModel,
    RowSource,
)
from bridge.mapping.yamltree import Scalar, Sequence, Table, Tree, read_yaml

_NAME = re.compile(r"[a-z][a-z0-9-]{0,60}")
_LOCAL = ("M102", "M107", "M108")
"""A key twice, a word that is not one of the few, a drop without reason: the rest can be judged all the same."""
_ROW_ID = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,60}")


def read_mapping(file: str, text: str) -> tuple[MappingModel | None, list[Diagnostic]]:
    """The model of one mapping file; None when it has errors that leave too little to judge the rest by.

    All are among the diagnostics. A model with errors is there to find the other ones, not to run.
    """
    tree, found = read_yaml(file, text)
    if tree is None:
        return None, found
    if not isinstance(tree, Table):
        return None, [*found, diagnostic("M104", tree.span, "a mapping file is a table of keys and values")]
    reader = _Reader(found)
    model = reader.mapping(file, tree)
    grave = [one for one in found if one.severity is Severity.ERROR and one.code not in _LOCAL]
    return (None if grave else model), found


class _Reader:
    """Reads one file and gathers what is wrong on the way; a part that is wrong is read as if it were empty."""

    def __init__(self, found: list[Diagnostic]) -> None:
        self.found = found

    def mapping(self, file: str, tree: Table) -> MappingModel:
        top = self.part(tree, "mapping file")
        match = self.part(self.table(top, "match"), "match")
        xml = self.part(self.table(match, "xml"), "match xml")
        event = self.part(self.table(match, "event"), "match event")
        needs = self.part(self.table(top, "needs"), "needs")
        resource = self.part(self.table(top, "resource"), "resource")
        answer = self.part(self.table(top, "answer"), "answer")
        reference = self.part(self.table(top, "reference"), "reference")
        answers = self.part(self.table(top, "answers"), "answers")
        nowhere = Scalar("", tree.span)
        name = self.text(top, "mapping") or nowhere
        if name.text and not _NAME.fullmatch(name.text):
            self.fault("M105", name.span, "a name is small letters, digits and hyphens")
        return MappingModel(
            file=file,
            name=name,
            version=self.number(top, "version") or 0,
            title=self.title(top),
            direction=self.direction(top),
            direction_span=(self.text(top, "direction") or nowhere).span,
            root=self.text(xml, "root") or nowhere,
            service=_plain(self.text(xml, "service")),
            action=_plain(self.text(xml, "action")),
            cpa=_plain(self.text(xml, "cpa")),
            event_types=self.texts(event, "type"),
            lists=self.names(top, "lists"),
            needs_resource=self.one_of(needs, "resource", ("yes", "when-there")),
            needs_ref=self.one_of(needs, "ref", ("yes", "when-there")),
            resource_type=self.text(resource, "type"),
            resource_key=self.text(resource, "key"),
            resource_owner=self.one_of(resource, "owner", ("header/from", "header/to")),
            rows=self.rows(self.table(top, "rows")),
            each=self.eaches(self.table(top, "each")),
            graph=self.nodes(self.table(top, "graph")),
            events=self.events(top.get("events")),
            reference_number=self.text(reference, "number"),
            reference_within=self.texts(reference, "within"),
            answers=tuple((fate, named) for fate in Fate if (named := self.text(answers, fate)) is not None),
            answer_about=self.text(answer, "about"),
            answer_outcome=self.one_of(answer, "outcome", ("accepted", "forwarded", "handled", "refused")),
            drop=self.drop(self.table(top, "drop")),
        )

    def fault(self, code: str, span: Span, text: str, hint: str = "") -> None:
        self.found.append(diagnostic(code, span, text, hint=hint))

    def part(self, table: Table | None, kind: str) -> dict[str, Tree]:
        """The keys of a part; unknown ones and absent required ones are reported."""
        if table is None:
            return {}
        keys = KEYS[kind]
        for key, _ in table.entries:
            if key.text not in keys:
                self.found.append(
                    unknown("M105", key.span, f"{key.text} is no key of a {kind}", key.text, keys)
                )
        for name, wanted in keys.items():
            if wanted.required and table.get(name) is None:
                self.fault("M106", table.span, f"a {kind} needs {name}:", wanted.doc)
        return {key.text: value for key, value in table.entries if key.text in keys}

    def table(self, part: Mapping[str, Tree], name: str) -> Table | None:
        value = part.get(name)
        if value is None or isinstance(value, Table):
            return value
        if not (isinstance(value, Scalar) and not value.text):
            self.fault("M104", value.span, f"{name} is a table of keys and values")
        return None

    def text(self, part: Mapping[str, Tree], name: str) -> Scalar | None:
        value = part.get(name)
        if value is None or (isinstance(value, Scalar) and value.text):
            return value
        said = f"{name} is empty" if isinstance(value, Scalar) else f"{name} is one text"
        self.found.append(diagnostic("M104", value.span, said, hint=_quotes(value)))
        return None

    def texts(self, part: Mapping[str, Tree], name: str) -> tuple[Scalar, ...]:
        value = part.get(name)
        if isinstance(value, Sequence):
            wrong = [item for item in value.items if not isinstance(item, Scalar)]
            for item in wrong:
                self.fault("M104", item.span, f"{name} is a list of texts")
            return tuple(item for item in value.items if isinstance(item, Scalar))
        one = self.text(part, name)
        return () if one is None else (one,)

    def number(self, part: Mapping[str, Tree], name: str) -> int | None:
        value = self.text(part, name)
        if value is None:
            return None
        if not (value.text.isascii() and value.text.isdigit() and len(value.text) < 9):
            self.fault("M104", value.span, f"{name} is a whole number")
            return None
        return int(value.text)

    def one_of(self, part: Mapping[str, Tree], name: str, allowed: tuple[str, ...]) -> Scalar | None:
        value = self.text(part, name)
        if value is not None and value.text not in allowed:
            self.found.append(
                unknown("M107", value.span, f"{name} is one of: {', '.join(allowed)}", value.text, allowed)
            )
            return None
        return value

    def names(self, part: Mapping[str, Tree], name: str) -> tuple[tuple[Scalar, Scalar], ...]:
        table = self.table(part, name)
        pairs: list[tuple[Scalar, Scalar]] = []
        for key, value in table.entries if table else ():
            if isinstance(value, Scalar):
                pairs.append((key, value))
            else:
                self.fault("M104", value.span, f"{name}/{key.text} is one text")
        return tuple(pairs)

    def title(self, top: Mapping[str, Tree]) -> dict[str, str]:
        value = top.get("title")
        if isinstance(value, Scalar):
            return {"nl": value.text}
        return {key.text: text.text for key, text in self.names(top, "title")}

    def direction(self, top: Mapping[str, Tree]) -> Direction:
        value = self.one_of(top, "direction", tuple(d.value for d in Direction))
        return Direction(value.text) if value else Direction.BOTH

    def rows(self, table: Table | None) -> tuple[RowModel, ...]:
        rows: list[RowModel] = []
        for key, value in table.entries if table else ():
            if not isinstance(value, Table):
                self.fault("M104", value.span, f"row {key.text} is a table, such as {{xml: …, resource: …}}")
                continue
            if not _ROW_ID.fullmatch(key.text):
                self.fault("M105", key.span, "the name of a row is letters, digits, - and _")
            common = self.part(value, "row")
            read = self.part(self.table(common, "read"), "row")
            write = self.part(self.table(common, "write"), "row")
            for name in ("read", "write"):
                common.pop(name, None)
            rows.append(
                RowModel(
                    id=key.text,
                    span=key.span,
                    read=RowSource(keys={**common, **read}),
                    write=RowSource(keys={**common, **write}),
                )
            )
        return tuple(rows)

    def eaches(self, table: Table | None) -> tuple[EachModel, ...]:
        groups: list[EachModel] = []
        for key, value in table.entries if table else ():
            if not isinstance(value, Table):
                self.fault("M104", value.span, f"each {key.text} is a table with xml, resource and rows")
                continue
            part = self.part(value, "each")
            xml, resource = self.text(part, "xml"), self.text(part, "resource")
            if xml is None or resource is None:
                continue
            groups.append(
                EachModel(
                    id=key.text,
                    span=key.span,
                    xml=xml,
                    resource=resource,
                    missing=self.text(part, "missing"),
                    level=self.text(part, "level"),
                    unique=self.text(part, "unique"),
                    when=part.get("when"),
                    rows=self.rows(self.table(part, "rows")),
                    each=self.eaches(self.table(part, "each")),
                )
            )
        return tuple(groups)

    def nodes(self, table: Table | None) -> tuple[NodeModel, ...]:
        nodes: list[NodeModel] = []
        own = KEYS["node"]
        for key, value in table.entries if table else ():
            if not isinstance(value, Table):
                self.fault("M104", value.span, f"node {key.text} is a table with id, class and properties")
                continue
            part = {name.text: item for name, item in value.entries}
            id_form, class_ = self.text(part, "id"), self.text(part, "class")
            if id_form is None or class_ is None:
                self.fault("M106", key.span, f"node {key.text} needs id: and class:")
                continue
            nodes.append(
                NodeModel(
                    id=key.text,
                    span=key.span,
                    id_form=id_form,
                    class_=class_,
                    each=self.text(part, "each"),
                    when=part.get("when"),
                    properties=self.properties(key.text, value, own),
                )
            )
        return tuple(nodes)

    def properties(
        self, node: str, table: Table, own: Mapping[str, object]
    ) -> tuple[tuple[Scalar, Scalar], ...]:
        pairs: list[tuple[Scalar, Scalar]] = []
        for name, value in table.entries:
            if name.text in own:
                continue
            if isinstance(value, Scalar):
                pairs.append((name, value))
            else:
                self.fault(
                    "M104", value.span, f"{node}/{name.text} is one text: ->node, or a text with rows in it"
                )
        return tuple(pairs)

    def events(self, value: Tree | None) -> tuple[EventModel, ...]:
        if value is not None and not isinstance(value, Sequence):
            self.fault("M104", value.span, "events is a list: each event starts with a hyphen")
            return ()
        events: list[EventModel] = []
        for item in value.items if value else ():
            if not isinstance(item, Table):
                self.fault("M104", item.span, "an event is a table with type, subject and nodes")
                continue
            part = self.part(item, "event")
            type_, subject = self.text(part, "type"), self.text(part, "subject")
            if type_ is None or subject is None:
                continue
            events.append(
                EventModel(
                    span=item.span,
                    type=type_,
                    subject=subject,
                    each=self.text(part, "each"),
                    time=self.texts(part, "time"),
                    nodes=self.texts(part, "nodes"),
                    members=self.names(part, "members"),
                    when=part.get("when"),
                    family=self.text(part, "family"),
                    levels=self.levels(part),
                )
            )
        return tuple(events)

    def levels(self, part: Mapping[str, Tree]) -> tuple[tuple[Scalar, tuple[Scalar, ...]], ...]:
        table = self.table(part, "levels")
        levels: list[tuple[Scalar, tuple[Scalar, ...]]] = []
        for key, value in table.entries if table else ():
            if key.text not in ("0", "1", "2"):
                self.fault("M107", key.span, "a level is 0, 1 or 2")
                continue
            levels.append((key, self.texts({"levels": value}, "levels")))
        return tuple(levels)

    def drop(self, table: Table | None) -> tuple[tuple[Scalar, str], ...]:
        pairs: list[tuple[Scalar, str]] = []
        for key, value in table.entries if table else ():
            texts = (
                [value] if isinstance(value, Scalar) else [t for _, t in self.names({"drop": value}, "drop")]
            )
            reason = " / ".join(text.text for text in texts)
            if not reason:
                self.fault("M108", key.span, f"{key.text} is dropped without a reason")
            pairs.append((key, reason))
        return tuple(pairs)


def _plain(value: Scalar | None) -> str | None:
    return value.text if value else None


def _quotes(value: Tree) -> str:
    """A text that begins with a brace and was not quoted is read as a table."""
    bare = isinstance(value, Table) and len(value.entries) == 1 and isinstance(value.entries[0][1], Scalar)
    if not bare or value.entries[0][1].text:  # type: ignore[union-attr]
        return ""
    return f'a text with a row in it stands in quotes: "{{{value.entries[0][0].text}}}"'  # type: ignore[union-attr]
