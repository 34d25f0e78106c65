"""The PROV-JSONLD graph in the data of an event: read into one shape, and written in one order.

Reading takes both directions and every spelling that the framework has published, and never raises: what is
wrong with a graph is said by `prov_rules.py`. No remote context is ever fetched.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

from bridge.hub.event import write_time
from bridge.hub.identity import agent_id
from bridge.hub.json import Json, pointer
from bridge.hub.vocabulary import Vocabulary, default_vocabulary

MAX_NODES: Final = 2000
_ABSOLUTE: Final = ("http:", "https:", "urn:", "tag:")


class RelationKind(StrEnum):
    """How two nodes belong together, always from the first to the second of the words."""

    GENERATED = "activity generated entity"
    USED = "activity used entity"
    ASSOCIATED = "activity associated with agent"
    CONCERNS = "entity concerns person"


@dataclass(frozen=True, slots=True)
class Relation:
    kind: RelationKind
    subject: str
    target: str


@dataclass(frozen=True, slots=True)
class GraphFault:
    """What keeps the graph from being JSON-LD with the agreed prefixes. `where` within the event."""

    where: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """One thing. Types and property names as `prefix:name` with the agreed prefixes, else as full IRI."""

    id: str
    types: frozenset[str]
    properties: Mapping[str, tuple[Json, ...]] = field(repr=False)
    where: str

    def text(self, names: Iterable[str]) -> str | None:
        """The first string among the values of the named properties."""
        values = (plain(value) for name in names for value in self.properties.get(name, ()))
        return next((value for value in values if isinstance(value, str)), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Graph:
    """The nodes by what they are; a person is not among the entities."""

    nodes: tuple[Node, ...] = ()
    entities: tuple[Node, ...] = ()
    activities: tuple[Node, ...] = ()
    agents: tuple[Node, ...] = ()
    betrokkenen: tuple[Node, ...] = ()
    relations: tuple[Relation, ...] = ()
    faults: tuple[GraphFault, ...] = ()

    def find(self, node_id: str) -> Node | None:
        return next((node for node in self.nodes if node.id == node_id), None)

    def targets(self, kind: RelationKind) -> tuple[str, ...]:
        return tuple(relation.target for relation in self.relations if relation.kind is kind)


def read_graph(data: Json, *, vocabulary: Vocabulary | None = None) -> Graph:
    """The graph in `data` as far as it can be read; `faults` say what is no JSON-LD."""
    return _Reading(vocabulary or default_vocabulary()).read(data)


def write_graph(
    nodes: Sequence[Mapping[str, Any]], *, vocabulary: Vocabulary | None = None
) -> dict[str, Any]:
    """`@context` and `@graph` with the nodes in the order Entity, Betrokkene, Activity, Agent.

    Equal nodes are written once, members in a fixed order, so that equal input gives equal octets.
    """
    vocabulary = vocabulary or default_vocabulary()
    ordered: list[dict[str, Any]] = []
    for node in sorted(nodes, key=lambda node: _rank(node, vocabulary)):
        written = dict(sorted(node.items(), key=lambda member: _member_rank(member[0], vocabulary)))
        if written not in ordered:
            ordered.append(written)
    return {"@context": dict(vocabulary.namespaces), "@graph": ordered}


def entity_node(
    *,
    id: str,
    type: str,
    generated_by: str | None = None,
    concerns: Sequence[str] = (),
    available_at: datetime | None = None,
    inzage_url: str | None = None,
    vocabulary: Vocabulary | None = None,
) -> dict[str, Any]:
    """A domain object; `type` is its class, such as `soh:UitkomstOverleg`."""
    name = (vocabulary or default_vocabulary()).name
    members = {
        name("generated_by"): _link(generated_by),
        name("concerns"): _links(concerns),
        name("available_at"): write_time(available_at) if available_at else None,
        name("inzage_url"): inzage_url,
    }
    return _node(id, ("prov:Entity", type), members)


def person_node(*, id: str, bsn: str | None = None, vocabulary: Vocabulary | None = None) -> dict[str, Any]:
    """A Betrokkene; the BSN is an attribute, never an identity (SOH-52)."""
    words = vocabulary or default_vocabulary()
    return _node(id, ("prov:Entity", words.cls("person")), {words.name("bsn"): bsn})


def activity_node(
    *,
    id: str,
    type: str,
    associated_with: str,
    used: Sequence[str] = (),
    started_at: datetime | None = None,
    ended_at: datetime | None = None,
    vocabulary: Vocabulary | None = None,
) -> dict[str, Any]:
    """One execution of an activity, and the Agent that answers for it."""
    name = (vocabulary or default_vocabulary()).name
    members = {
        name("used"): _links(used),
        name("associated_with"): _link(associated_with),
        name("started_at"): write_time(started_at) if started_at else None,
        name("ended_at"): write_time(ended_at) if ended_at else None,
    }
    return _node(id, ("prov:Activity", type), members)


def agent_node(*, oin: str, name: str | None = None, vocabulary: Vocabulary | None = None) -> dict[str, Any]:
    """An organisation by its OIN (SOH-58)."""
    words = vocabulary or default_vocabulary()
    members = {words.name("identifier"): oin, words.name("name"): name}
    return _node(agent_id(oin), ("prov:Agent", words.cls("organisation")), members)


def make_lookup_graph(
    *,
    entity_id: str,
    entity_type: str,
    activity_id: str,
    agent_oin: str,
    agent_name: str | None = None,
    at: datetime,
    vocabulary: Vocabulary | None = None,
) -> dict[str, Any]:
    """The graph of an `…-ingezien` event: the bare Entity, the lookup, who looked (SOH-55)."""
    words = vocabulary or default_vocabulary()
    lookup = activity_node(
        id=activity_id,
        type=words.cls("look_up"),
        associated_with=agent_id(agent_oin),
        used=(entity_id,),
        ended_at=at,
        vocabulary=words,
    )
    nodes = (
        entity_node(id=entity_id, type=entity_type, vocabulary=words),
        lookup,
        agent_node(oin=agent_oin, name=agent_name, vocabulary=words),
    )
    return write_graph(nodes, vocabulary=words)


class _Reading:
    """One pass over one graph."""

    def __init__(self, vocabulary: Vocabulary) -> None:
        self._vocabulary = vocabulary
        self._prefixes: dict[str, str] = {}
        self._vocab: str | None = None
        self._faults: list[GraphFault] = []

    def read(self, data: Json) -> Graph:
        if not isinstance(data, dict):
            return Graph(faults=(GraphFault("/data", "the data is no JSON-LD object"),))
        self._read_context(data.get("@context"))
        rows = data.get("@graph")
        if not isinstance(rows, list):
            self._fault("/data/@graph", "the graph is missing or no array")
            rows = []
        if len(rows) > MAX_NODES:
            self._fault("/data/@graph", f"the graph has more than {MAX_NODES} nodes")
            rows = rows[:MAX_NODES]
        nodes = [node for i, row in enumerate(rows) if (node := self._node(row, pointer("/data/@graph", i)))]
        return self._sorted(nodes)

    def _read_context(self, context: Json) -> None:
        if context is None:
            self._fault("/data/@context", "the context is missing")
        for part in context if isinstance(context, list) else [context]:
            if isinstance(part, dict):
                self._read_prefixes(part)
            elif part is not None:
                self._fault("/data/@context", "a context of elsewhere is not fetched; declare the prefixes")
        for prefix, iri in self._vocabulary.namespaces.items():
            declared = self._prefixes.get(prefix)
            if declared != iri and context is not None:
                text = "is not declared" if declared is None else "stands for another namespace"
                self._fault(pointer("/data/@context", prefix), f"the prefix {prefix} {text}")

    def _read_prefixes(self, part: Mapping[str, Json]) -> None:
        for name, value in part.items():
            iri = value.get("@id") if isinstance(value, dict) else value
            if not isinstance(iri, str):
                continue
            if name == "@vocab":
                self._vocab = iri
            elif not name.startswith("@"):
                self._prefixes[name] = iri

    def _node(self, row: Json, where: str) -> Node | None:
        if not isinstance(row, dict):
            self._fault(where, "a node is a JSON object")
            return None
        node_id = row.get("@id")
        if not isinstance(node_id, str) or not node_id:
            self._fault(pointer(where, "@id"), "a node needs an @id")
            return None
        names = [text for text in _listed(row.get("@type")) if isinstance(text, str)]
        types = frozenset(self._term(text, pointer(where, "@type")) for text in names)
        properties: dict[str, tuple[Json, ...]] = {}
        for name, value in row.items():
            if name.startswith("@"):
                continue
            term = self._term(name, pointer(where, name))
            self._read_datatypes(value, pointer(where, name))
            properties[term] = properties.get(term, ()) + tuple(_listed(value))
        return Node(id=self._iri(node_id), types=types, properties=properties, where=where)

    def _read_datatypes(self, value: Json, where: str) -> None:
        for item in _listed(value):
            datatype = item.get("@type") if isinstance(item, dict) else None
            if isinstance(datatype, str) and not datatype.startswith("@"):
                self._term(datatype, pointer(where, "@type"))

    def _term(self, text: str, where: str) -> str:
        """A property or class in compact form with the agreed prefixes."""
        prefix, colon, local = text.partition(":")
        if text in self._prefixes:
            iri = self._prefixes[text]
        elif colon and prefix in self._prefixes:
            iri = self._prefixes[prefix] + local
        elif text.startswith(_ABSOLUTE):
            iri = text
        elif not colon and self._vocab is not None:
            iri = self._vocab + text
        else:
            self._fault(where, "the prefix is not declared in the context")
            return text if colon else f"soh:{text}"
        return self._compact(iri)

    def _compact(self, iri: str) -> str:
        for prefix, namespace in self._vocabulary.namespaces.items():
            if iri.startswith(namespace):
                return f"{prefix}:{iri.removeprefix(namespace)}"
        return iri

    def _iri(self, text: str) -> str:
        prefix, colon, local = text.partition(":")
        if colon and prefix in self._prefixes and not local.startswith("//"):
            return self._prefixes[prefix] + local
        return text

    def _sorted(self, nodes: list[Node]) -> Graph:
        person = frozenset(self._vocabulary.classes["person"])
        persons = tuple(node for node in nodes if node.types & person)
        return Graph(
            nodes=tuple(nodes),
            entities=tuple(node for node in nodes if "prov:Entity" in node.types and not node.types & person),
            activities=tuple(node for node in nodes if "prov:Activity" in node.types),
            agents=tuple(node for node in nodes if "prov:Agent" in node.types),
            betrokkenen=persons,
            relations=tuple(dict.fromkeys(self._relations(nodes))),
            faults=tuple(self._faults),
        )

    def _relations(self, nodes: Iterable[Node]) -> Iterable[Relation]:
        directions = (
            ("generated_by", RelationKind.GENERATED, True),
            ("generated", RelationKind.GENERATED, False),
            ("used", RelationKind.USED, False),
            ("associated_with", RelationKind.ASSOCIATED, False),
            ("concerns", RelationKind.CONCERNS, False),
            ("concerned_in", RelationKind.CONCERNS, True),
        )
        for node in nodes:
            for key, kind, is_inverse in directions:
                # One published example says wasGeneratedBy on the Activity and means the Entity.
                inverse = is_inverse and not (key == "generated_by" and "prov:Activity" in node.types)
                for target in self._targets(node, key):
                    yield Relation(kind, target, node.id) if inverse else Relation(kind, node.id, target)

    def _targets(self, node: Node, key: str) -> Iterable[str]:
        for name in self._vocabulary.properties[key]:
            for value in node.properties.get(name, ()):
                target = value.get("@id") if isinstance(value, dict) else value
                if isinstance(target, str) and target:
                    yield self._iri(target)

    def _fault(self, where: str, text: str) -> None:
        self._faults.append(GraphFault(where, text))


def _rank(node: Mapping[str, Any], vocabulary: Vocabulary) -> int:
    types = _listed(node.get("@type"))
    if any(name in types for name in vocabulary.classes["person"]):
        return 1
    order = {"prov:Entity": 0, "prov:Activity": 2, "prov:Agent": 3}
    return min((order[name] for name in types if isinstance(name, str) and name in order), default=4)


def _member_rank(name: str, vocabulary: Vocabulary) -> tuple[int, str]:
    if name.startswith("@"):
        return (0, name)
    written = [vocabulary.name(key) for key in vocabulary.properties]
    return (1 + written.index(name), "") if name in written else (1 + len(written), name)


def _node(node_id: str, types: tuple[str, ...], members: Mapping[str, Any]) -> dict[str, Any]:
    present = {name: value for name, value in members.items() if value is not None}
    return {"@id": node_id, "@type": list(types), **present}


def _link(node_id: str | None) -> dict[str, str] | None:
    return None if node_id is None else {"@id": node_id}


def _links(node_ids: Sequence[str]) -> Any:
    links = [{"@id": node_id} for node_id in node_ids]
    return links[0] if len(links) == 1 else (links or None)


def _listed(value: Json) -> list[Json]:
    if value is None:
        return []
    return value if isinstance(value, list) else [value]


def plain(value: Json) -> Json:
    """A value without the value object of JSON-LD around it."""
    return value.get("@value") if isinstance(value, dict) else value
