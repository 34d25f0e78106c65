"""The graph and the events of a mapping: model → plans, and plans → PROV-JSONLD (hub.md 5.3)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from uuid import UUID, uuid5

from bridge.mapping.diagnostics import diagnostic, unknown
from bridge.mapping.expressions import Expressions
from bridge.mapping.functions.base import text_of
from bridge.mapping.model import EventModel, MappingModel, NodeModel
from bridge.mapping.program import Event, Getter, Group, Json, Node, Program, Property, Row, Scope
from bridge.mapping.standard import Vocabulary
from bridge.mapping.subjects import subject_part
from bridge.mapping.yamltree import Scalar

SUBJECT = re.compile(r"[a-z][a-z0-9-]*/.|\{")
"""A subject that begins with a row has its kind from there; the hub profile judges it at run time."""
EVENT_TYPE = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*\.[a-z0-9]+(-[a-z0-9]+)*")
RESOURCE_TYPE = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
_ID = re.compile(r"(entity|activity|person|agent)(?:\(([^()]*)\))?")
_RANKS = {"prov:Entity": 0, "prov:Activity": 2, "prov:Agent": 3}


def compile_graph(
    model: MappingModel, top: Group, vocabulary: Vocabulary, read: Expressions, uses: set[int]
) -> dict[str, Node]:
    graph: dict[str, Node] = {}
    for node in model.graph:
        if node.id in graph:
            read.found.append(diagnostic("M109", node.span, f"node {node.id} is used twice"))
            continue
        graph[node.id] = _node(node, model, top, vocabulary, read, uses)
    return graph


def _node(
    node: NodeModel,
    model: MappingModel,
    top: Group,
    vocabulary: Vocabulary,
    read: Expressions,
    uses: set[int],
) -> Node:
    group = _group(node.each, top, read) or top
    types = vocabulary.classes.get(node.class_.text)
    if types is None:
        said = f"{node.class_.text} is no class of the vocabulary"
        read.found.append(unknown("M250", node.class_.span, said, node.class_.text, vocabulary.classes))
        types = ("prov:Entity", "soh:Onbekend")
    when, tested = read.condition(node.when, group)
    uses.update(map(id, tested))
    make_id, made_of = _node_id(node, model, group, read)
    uses.update(map(id, made_of))
    names = {n.id for n in model.graph}
    return Node(
        id=node.id,
        span=node.span,
        types=types,
        rank=1 if "soh:Betrokkene" in types else _RANKS.get(types[0], 0),
        make_id=make_id,
        group=None if group is top else group,
        when=when,
        properties=tuple(_property(n, t, names, group, vocabulary, read, uses) for n, t in node.properties),
        id_uses=tuple(made_of),
    )


def _group(name: Scalar | None, top: Group, read: Expressions) -> Group | None:
    """The group that `each:` names, steps joined by a slash; None when there is no `each:` or no such group."""
    if name is None:
        return None
    group = top
    for step in name.text.split("/"):
        found = group.groups.get(step)
        if found is None:
            read.found.append(unknown("M240", name.span, f"there is no each {name.text}", step, group.groups))
            return None
        group = found
    return group


def _property(
    name: Scalar,
    text: Scalar,
    nodes: set[str],
    group: Group,
    vocabulary: Vocabulary,
    read: Expressions,
    uses: set[int],
) -> Property:
    spellings = vocabulary.properties.get(name.text)
    if spellings is None:
        said = f"{name.text} is no property of the vocabulary"
        read.found.append(unknown("M250", name.span, said, name.text, vocabulary.properties))
    written = spellings[0] if spellings else name.text
    if text.text.startswith("->"):
        target = text.text[2:].strip()
        if target not in nodes:
            read.found.append(unknown("M250", text.span, f"there is no node {target}", target, nodes))
        return Property(name=written, span=text.span, target=target, getter=None)
    if text.text in nodes:
        said, link = f"{text.text} is a node, and here it is only a text", f"->{text.text}"
        read.found.append(diagnostic("M250", text.span, said, hint=f"write {link}", replacement=link))
    getter, used = read.template(text, group)
    uses.update(map(id, used))
    return Property(name=written, span=text.span, target=None, getter=getter, uses=tuple(used))


def _node_id(
    node: NodeModel, model: MappingModel, group: Group, read: Expressions
) -> tuple[Getter, list[Row]]:
    text = node.id_form
    found = _ID.fullmatch(text.text)
    words = (found[2] or "").split() if found else []
    form = found[1] if found else ""
    if form == "entity" and not words:
        if model.resource_type is None:
            read.found.append(diagnostic("M251", text.span, "entity needs resource: with a type and a key"))
        return (lambda scope: scope.machine.source(("resource", "urn"))), []
    if form == "entity" and len(words) == 3:
        getter, used = _entity(words, text, group, read)
        read.deciding += used
        return getter, used
    if form == "activity" and not words:
        name = node.id
        return (lambda scope: scope.machine.source(("activity", name + scope.trail))), []
    if form == "person" and len(words) == 1:
        getter, used = read.operand(words[0], group, text.span.part(text.text, words[0]))
        return (lambda scope: _person(scope, getter(scope))), used
    if form == "agent" and len(words) == 1:
        getter, used = read.operand(words[0], group, text.span.part(text.text, words[0]))
        return (lambda scope: _prefixed("urn:nld:oin:", getter(scope))), used
    hint = "entity, entity(type row header/to), activity, person(row) or agent(header/from)"
    read.found.append(diagnostic("M251", text.span, f"{text.text} is no form of an id", hint=hint))
    return (lambda _: None), []


def _entity(words: list[str], text: Scalar, group: Group, read: Expressions) -> tuple[Getter, list[Row]]:
    kind, key, owner = words
    if not RESOURCE_TYPE.fullmatch(kind):
        read.found.append(diagnostic("M251", text.span, f"{kind} is no type of a resource"))
    key_of, used = read.operand(key, group, text.span.part(text.text, key))
    owner_of, also = read.operand(owner, group, text.span.part(text.text, owner))

    def get(scope: Scope) -> Json:
        key, owner = key_of(scope), owner_of(scope)
        if key is None or owner is None:
            return None
        namespace = scope.machine.source(("namespace",))
        return f"urn:{kind}:{entity_uuid(namespace, text_of(owner), kind, text_of(key))}"

    return get, [*used, *also]


def entity_uuid(namespace: UUID, oin: str, kind: str, key: str) -> str:
    """Version 5 over party, kind of resource and business key; the first two hold no slash, so no two join alike."""
    return str(uuid5(namespace, f"{oin}/{kind}/{key}"))


def activity_uuid(namespace: UUID, message_id: str, mapping: str, output: str) -> str:
    """Version 5 over the cause, so that an offer made twice is one activity in the hub's graph."""
    return str(uuid5(namespace, f"{mapping}/{output}/{message_id}"))


def _person(scope: Scope, number: Json) -> Json:
    return (
        None if number is None else _prefixed("urn:uuid:", scope.machine.source(("person", text_of(number))))
    )


def _prefixed(prefix: str, value: Json) -> Json:
    return None if value is None or value == "" else prefix + text_of(value)


def compile_events(
    model: MappingModel, top: Group, graph: Mapping[str, Node], read: Expressions, uses: set[int]
) -> tuple[Event, ...]:
    return tuple(_event(event, top, graph, read, uses) for event in model.events)


def _event(
    event: EventModel, top: Group, graph: Mapping[str, Node], read: Expressions, uses: set[int]
) -> Event:
    if not EVENT_TYPE.fullmatch(event.type.text):
        said = f"{event.type.text} is no event type: function.fact, in small letters and hyphens"
        read.found.append(diagnostic("M601", event.type.span, said))
    if not SUBJECT.match(event.subject.text):
        said = "a subject begins with the kind of object and a slash, in small letters"
        read.found.append(diagnostic("M602", event.subject.span, said, hint="for example melding/{kenmerk}"))
    own = _group(event.each, top, read)
    group = own or top
    subject, used = read.template(event.subject, group, subject_part)
    times = [read.operand(word.text, group, word.span) for word in event.time]
    members = [(name.text, text, read.template(text, group)) for name, text in event.members]
    when, tested = read.condition(event.when, group)
    read.deciding += [*used, *tested]
    for rows in (used, tested, *(rows for _, rows in times), *(rows for _, _, (_, rows) in members)):
        uses.update(map(id, rows))
    for names in (event.nodes, *(names for _, names in event.levels)):
        for name in names:
            if name.text not in graph:
                read.found.append(
                    unknown("M250", name.span, f"there is no node {name.text}", name.text, graph)
                )
    return Event(
        type=event.type.text,
        span=event.subject.span,
        group=own,
        subject=subject,
        subject_uses=tuple(used),
        times=tuple(getter for getter, _ in times),
        nodes=tuple(n.text for n in event.nodes),
        members=tuple(
            Property(name=n, span=t.span, target=None, getter=g, uses=tuple(u)) for n, t, (g, u) in members
        ),
        when=when,
        family=event.family.text if event.family else None,
        levels=tuple((int(level.text), tuple(n.text for n in names)) for level, names in event.levels),
    )


def items_of(group: Group | None, top: Scope) -> list[Scope]:
    """Every item of a group, also of one inside other groups; the message itself when there is no group."""
    if group is None or group.parent is None:
        return [top]
    return [item for above in items_of(group.parent, top) for item in above.items.get(group.id, ())]


def node_scopes(node: Node, scope: Scope) -> list[Scope]:
    """Where a node of an event stands: of a group around which the event is made, only the event's own item."""
    top = scope
    while top.parent is not None:
        top = top.parent
    found = items_of(node.group, top)
    return [item for item in found if item.within(scope) or scope.within(item)] or (
        [] if _concerns(node.group, scope.group) else found
    )


def _concerns(group: Group | None, other: Group) -> bool:
    """The one group stands inside the other, so that an item of one belongs to an item of the other."""
    chain: list[Group] = []
    while group is not None:
        chain.append(group)
        group = group.parent
    return other in chain


def build_graph(program: Program, names: tuple[str, ...], scope: Scope) -> dict[str, Json]:
    """`@context` and `@graph`, nodes in the order Entity, person, Activity, Agent.

    `scope` is that of the event: the message, or the item it is about.
    """
    made: dict[str, list[tuple[str, Scope]]] = {}
    for name in names:
        node = program.graph[name]
        made[name] = [
            (str(node_id), found)
            for found in node_scopes(node, scope)
            if (node.when is None or node.when(found)) and (node_id := node.make_id(found)) is not None
        ]
    nodes: list[Json] = []
    seen: set[str] = set()
    for name in sorted(names, key=lambda n: program.graph[n].rank):
        for node_id, found in made[name]:
            if node_id not in seen:
                seen.add(node_id)
                nodes.append(_written(program.graph[name], node_id, found, made))
    return {"@context": dict(program.vocabulary.context), "@graph": nodes}


def _written(
    node: Node, node_id: str, scope: Scope, made: Mapping[str, list[tuple[str, Scope]]]
) -> dict[str, Json]:
    written: dict[str, Json] = {"@id": node_id, "@type": list(node.types[:2])}
    for item in node.properties:
        if item.target is not None:
            ids = list(dict.fromkeys(other for other, _ in made.get(item.target, ())))
            links = [{"@id": other} for other in ids]
            if links:
                written[item.name] = links[0] if len(links) == 1 else links
        elif item.getter is not None and (value := item.getter(scope)) is not None:
            written[item.name] = value
    return written


def find_nodes(
    data: Mapping[str, Json], vocabulary: Vocabulary, types: tuple[str, ...]
) -> list[dict[str, Json]]:
    """The nodes of an event that have the domain type of a class, with property names as the vocabulary has them."""
    graph = data.get("@graph")
    prefixes = _prefixes(data.get("@context"), vocabulary)
    wanted = set(types[1:])
    found: list[dict[str, Json]] = []
    for node in graph if isinstance(graph, list) else []:
        if not isinstance(node, dict):
            continue
        kinds = node.get("@type")
        kinds = [kinds] if isinstance(kinds, str) else kinds if isinstance(kinds, list) else []
        if wanted & {_canonical(kind, prefixes) for kind in kinds if isinstance(kind, str)}:
            found.append(
                {_canonical(key, prefixes): value for key, value in node.items() if isinstance(key, str)}
            )
    return found


def _prefixes(context: Json, vocabulary: Vocabulary) -> dict[str, str]:
    """Prefix of the event → prefix of the vocabulary, by the namespace they stand for; a remote context is not read."""
    own = {iri: prefix for prefix, iri in vocabulary.context.items()}
    parts = context if isinstance(context, list) else [context]
    names = {prefix: prefix for prefix in vocabulary.context}
    for part in parts:
        for prefix, iri in part.items() if isinstance(part, dict) else ():
            if isinstance(iri, str) and iri in own:
                names[prefix] = own[iri]
    return names | own


def _canonical(name: str, prefixes: Mapping[str, str]) -> str:
    prefix, colon, local = name.partition(":")
    if colon and prefix in prefixes:
        return f"{prefixes[prefix]}:{local}"
    for iri, own in prefixes.items():
        if "/" in iri and name.startswith(iri):
            return f"{own}:{name.removeprefix(iri)}"
    return name
