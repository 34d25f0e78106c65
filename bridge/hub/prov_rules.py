"""The rules of SOH for the graph in an event and for the members of the Melding profile beside it."""

from __future__ import annotations

import re
from collections import Counter
from typing import Final

from bridge.hub import syntax
from bridge.hub.bsn import holds_bsn, is_bsn
from bridge.hub.cncf import Level
from bridge.hub.eventtypes import Payload
from bridge.hub.identity import OIN_PREFIX
from bridge.hub.json import Json, pointer
from bridge.hub.prov import Node, RelationKind, plain
from bridge.hub.rules import Context, Rule, Says

_OIN = re.compile(r"\d{20}", re.ASCII)
_BSN_NODE = re.compile(r"(?:burgerservicenummer|bsn)\Z", re.IGNORECASE)
_PROV_CLASSES: Final = frozenset({"prov:Entity", "prov:Activity", "prov:Agent"})
_MAX_AGE: Final = 150
_AVAILABLE: Final = "uitwisselen-uitkomst-overleg.uitkomst-beschikbaar-gesteld"
_MADE_AVAILABLE: Final = "beschikbaar-gesteld"
_REGISTERED: Final = "uitwisselen-melding.melding-geregistreerd"
_NAMES_PARTNER: Final = {
    "uitwisselen-melding.melding-ingezien": "raadpleger",
    "uitwisselen-melding.melding-opgepakt": "opgepaktDoor",
}


def _is_json_ld(context: Context) -> Says:
    for fault in context.graph.faults:
        yield fault.where, fault.text


def _holds_all_three(context: Context) -> Says:
    if not context.has_graph:
        return
    graph = context.graph
    # On arrival an Entity that is only used, and not written out, counts.
    entities = graph.entities or (() if context.mode == "publish" else graph.targets(RelationKind.USED))
    for found, name in ((entities, "Entity"), (graph.activities, "Activity"), (graph.agents, "Agent")):
        if not found:
            yield "/data/@graph", f"the graph holds no prov:{name}"


def _activity_is_tied(context: Context) -> Says:
    """Provenance hangs on the activity: whose it is, and what it generated (hub.md, section 5.1)."""
    graph = context.graph
    agents = {node.id for node in graph.agents}
    answered_for = {
        r.subject for r in graph.relations if r.kind is RelationKind.ASSOCIATED and r.target in agents
    }
    for node in graph.activities:
        if node.id not in answered_for:
            yield node.where, "no Agent answers for the Activity (prov:wasAssociatedWith)"


def _fact_is_generated(context: Context) -> Says:
    graph = context.graph
    if not (context.event.type.endswith(_MADE_AVAILABLE) and graph.activities and graph.entities):
        return
    ours = {node.id for node in graph.activities}
    if not any(r.kind is RelationKind.GENERATED and r.subject in ours for r in graph.relations):
        yield "/data/@graph", "no Entity is tied to the Activity that made it available (prov:wasGeneratedBy)"


def _nodes_are_written_out(context: Context) -> Says:
    known = {node.id for node in context.graph.nodes}
    if any(
        relation.target not in known or relation.subject not in known for relation in context.graph.relations
    ):
        yield "/data/@graph", "a relation points to a node that is not in the graph"


def _one_node_per_thing(context: Context) -> Says:
    count = Counter(node.id for node in context.graph.nodes)
    for node in context.graph.nodes:
        if count[node.id] > 1:
            yield node.where, "more than one node describes this thing"
        if not node.types & _PROV_CLASSES:
            yield pointer(node.where, "@type"), "the node has no type of PROV"


def _node_has_domain_type(context: Context) -> Says:
    for node in context.graph.nodes:
        if node.types and node.types <= _PROV_CLASSES:
            yield pointer(node.where, "@type"), "the type of the domain stands beside the type of PROV"


def _identities_differ(context: Context) -> Says:
    event_id = _bare(context.event.id)
    activities = {_bare(node.id) for node in context.graph.activities}
    objects = (*context.graph.entities, *context.graph.betrokkenen)
    for node in (*context.graph.activities, *objects, *context.graph.agents):
        if event_id and _bare(node.id) == event_id:
            yield pointer(node.where, "@id"), "the id of the event is used as @id"
    for node in objects:
        if _bare(node.id) in activities:
            yield pointer(node.where, "@id"), "the @id of an Activity is used for another thing"


def _activity_id_is_technical(context: Context) -> Says:
    for node in context.graph.activities:
        if not node.id.startswith("urn:uuid:") or syntax.uuid_version(_bare(node.id)) is None:
            yield pointer(node.where, "@id"), "the @id of an Activity is urn:uuid:<uuid>, without meaning"


def _bsn_is_attribute_of_person(context: Context) -> Says:
    names = context.profile.vocabulary.properties["bsn"]
    persons = {node.where for node in context.graph.betrokkenen}
    for node in context.graph.nodes:
        if node.id.lower().startswith("urn:bsn:") or holds_bsn(node.id):
            yield pointer(node.where, "@id"), "a BSN is used as @id"
        if any(_BSN_NODE.search(name) for name in node.types):
            yield pointer(node.where, "@type"), "a BSN is no node of its own"
        for name in names:
            values = node.properties.get(name, ())
            if values and node.where not in persons:
                yield pointer(node.where, name), "a BSN stands only at a Betrokkene"
            if any(not isinstance(text := plain(value), str) or not is_bsn(text) for value in values):
                yield pointer(node.where, name), "not a BSN: nine digits that pass the eleven-test, as text"
        for name, values in node.properties.items():
            if name not in names and any(_mentions_bsn(value) for value in values):
                yield pointer(node.where, name), "a BSN stands only as the BSN of a Betrokkene"


def _person_id_is_opaque(context: Context) -> Says:
    for node in context.graph.betrokkenen:
        if not node.id.startswith("urn:uuid:") or syntax.uuid_version(_bare(node.id)) is None:
            yield pointer(node.where, "@id"), "the @id of a Betrokkene is urn:uuid:<uuid>"


def _entity_id_is_no_address(context: Context) -> Says:
    names = context.profile.vocabulary.properties["inzage_url"]
    for node in context.graph.entities:
        if node.id.lower().startswith(("http:", "https:")) or node.id == node.text(names):
            yield (
                pointer(node.where, "@id"),
                "an address may change; the @id of an Entity is an identifier that does not",
            )


def _holds_no_content(context: Context) -> Says:
    yield from _unknown_members(context)
    words = context.profile.vocabulary
    for node in context.graph.nodes:
        allowed = {name for key in words.allowed[_kind_of(node, context)] for name in words.properties[key]}
        for name, values in node.properties.items():
            if name not in allowed:
                yield pointer(node.where, name), "the property is not on the list of what an event may hold"
            elif any(_is_nested(value) for value in values):
                yield pointer(node.where, name), "a value or a reference is expected, not an object"


def _unknown_members(context: Context) -> Says:
    kind = context.type
    if kind is None or context.data is None or kind.payload is Payload.PLAIN:
        return
    allowed = {"@context", "@graph", *kind.members}
    for name in context.data:
        if name not in allowed:
            yield pointer("/data", name), "the member is not on the list of what this type may hold"


def _lookup_names_who(context: Context) -> Says:
    if context.type is None or not context.type.is_lookup or not context.has_graph:
        return
    graph = context.graph
    agents = {node.id for node in graph.agents}
    lookups = {node.id for node in graph.activities}
    named = [r for r in graph.relations if r.kind is RelationKind.ASSOCIATED and r.subject in lookups]
    if not any(relation.target in agents for relation in named):
        yield "/data/@graph", "the lookup is not tied to the Agent that looked (prov:wasAssociatedWith)"
    if not any(r.kind is RelationKind.USED and r.subject in lookups for r in graph.relations):
        yield "/data/@graph", "the lookup is not tied to what was looked at (prov:used)"


def _generation_direction(context: Context) -> Says:
    words = context.profile.vocabulary.properties
    for node in context.graph.activities:
        for name in (*words["generated_by"], *words["generated"]):
            if name in node.properties:
                yield pointer(node.where, name), "generation is written as prov:wasGeneratedBy on the Entity"


def _class_spelling(context: Context) -> Says:
    words = context.profile.vocabulary
    for node in context.graph.activities:
        for key in ("make_available", "look_up"):
            if node.types & set(words.classes[key][1:]):
                yield pointer(node.where, "@type"), f"the class is written {words.cls(key)}"


def _agent_is_oin(context: Context) -> Says:
    words = context.profile.vocabulary.properties
    for node in context.graph.agents:
        oin = node.id.removeprefix(OIN_PREFIX)
        if oin == node.id or _OIN.fullmatch(oin) is None:
            yield pointer(node.where, "@id"), f"the @id of an Agent is {OIN_PREFIX}<OIN of 20 digits>"
        elif node.text(words["identifier"]) != oin:
            where = pointer(node.where, words["identifier"][0])
            yield where, "the Agent does not carry its OIN as identifier"


def _outcome_is_complete(context: Context) -> Says:
    if context.event.type != _AVAILABLE or not context.has_graph:
        return
    words, graph = context.profile.vocabulary.properties, context.graph
    if not any(syntax.parse_timestamp(node.text(words["available_at"]) or "") for node in graph.entities):
        yield "/data/@graph", f"no Entity says {words['available_at'][0]}"
    if not any(_leads_to_resource(node, context) for node in graph.entities):
        yield "/data/@graph", "no Entity holds what is needed to look it up at the source"
    if context.names_persons and not any(node.text(words["bsn"]) for node in graph.betrokkenen):
        yield "/data/@graph", f"no Betrokkene has {words['bsn'][0]}"


def _leads_to_resource(node: Node, context: Context) -> bool:
    words = context.profile.vocabulary.properties
    if url := node.text(words["inzage_url"]):
        return syntax.is_absolute_uri(url)
    endpoint = node.text(words["inzage_endpoint"])
    return bool(endpoint and syntax.is_absolute_uri(endpoint) and node.text(words["inzage_path"]))


def _registration_names_person(context: Context) -> Says:
    needed = context.profile.melding_needs_person and context.names_persons
    if context.event.type != _REGISTERED or context.data is None:
        return
    bsn, age = context.data.get("bsn"), context.data.get("leeftijd")
    if (needed or bsn is not None) and not (isinstance(bsn, str) and is_bsn(bsn)):
        yield "/data/bsn", "a BSN of nine digits that passes the eleven-test is expected, as text"
    if (needed or age is not None) and not _is_age(age):
        yield "/data/leeftijd", "the age in whole years is expected"


def _process_names_partner(context: Context) -> Says:
    member = _NAMES_PARTNER.get(context.event.type)
    if member is None or context.data is None:
        return
    given = context.data.get(member)
    if given is not None and not _is_oin(given):
        yield pointer("/data", member), "not an OIN of 20 digits"
    agents = (node.id.removeprefix(OIN_PREFIX) for node in context.graph.agents)
    if given is None and not any(_is_oin(oin) for oin in agents):
        yield pointer("/data", member), "the OIN of the organisation is missing"


def _process_holds_no_content(context: Context) -> Says:
    if context.event.type not in _NAMES_PARTNER:
        return
    yield from _unknown_members(context)
    for node in context.graph.betrokkenen:
        yield node.where, "an event about the process names no person"


def _kind_of(node: Node, context: Context) -> str:
    if node.types & set(context.profile.vocabulary.classes["person"]):
        return "person"
    if "prov:Activity" in node.types:
        return "activity"
    return "agent" if "prov:Agent" in node.types else "entity"


def _is_nested(value: Json) -> bool:
    if isinstance(value, list):
        return True
    return isinstance(value, dict) and not set(value) <= {"@id", "@value", "@type", "@language"}


def _mentions_bsn(value: Json) -> bool:
    text = value.get("@id", value.get("@value")) if isinstance(value, dict) else value
    return isinstance(text, int | str) and not isinstance(text, bool) and holds_bsn(str(text))


def _is_age(value: Json) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= _MAX_AGE


def _is_oin(value: Json) -> bool:
    return isinstance(value, str) and _OIN.fullmatch(value) is not None


def _bare(identifier: str) -> str:
    return identifier.removeprefix("urn:uuid:").lower()


_WARN: Final = Level.WARNING

GRAPH_RULES: Final[tuple[Rule, ...]] = (
    Rule(id="SOH-45", check=_is_json_ld),
    Rule(id="SOH-46", check=_holds_all_three, receive=_WARN),
    Rule(id="SOH-46", check=_activity_is_tied, receive=None),
    Rule(id="SOH-47", check=_nodes_are_written_out, receive=None),
    Rule(id="SOH-48", check=_one_node_per_thing, receive=_WARN),
    Rule(id="SOH-48", check=_node_has_domain_type, publish=_WARN, receive=None),
    Rule(id="SOH-49", check=_identities_differ),
    Rule(id="SOH-50", check=_activity_id_is_technical, receive=None),
    Rule(id="SOH-52", check=_bsn_is_attribute_of_person),
    Rule(id="SOH-53", check=_person_id_is_opaque, receive=None),
    Rule(id="SOH-54", check=_holds_no_content, receive=_WARN),
    Rule(id="SOH-55", check=_lookup_names_who),
    Rule(id="SOH-56", check=_generation_direction, receive=None),
    Rule(id="SOH-56", check=_fact_is_generated, receive=None),
    Rule(id="SOH-57", check=_class_spelling, publish=_WARN, receive=None),
    Rule(id="SOH-58", check=_agent_is_oin, receive=None),
    Rule(id="SOH-60", check=_entity_id_is_no_address, receive=_WARN),
    Rule(id="SOH-61", check=_outcome_is_complete, receive=_WARN),
    Rule(id="SOH-64", check=_registration_names_person, receive=_WARN),
    Rule(id="SOH-65", check=_process_names_partner, receive=_WARN),
    Rule(id="SOH-65", check=_process_holds_no_content, receive=_WARN),
)
