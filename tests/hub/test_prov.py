"""The graph: read in every published shape, written in one, judged rule by rule."""

from __future__ import annotations

import copy
import hashlib
import json
import uuid
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.hub.bsn import is_bsn
from bridge.hub.cncf import Level
from bridge.hub.event import Event, make_event
from bridge.hub.identity import activity_id, agent_id, entity_id, person_id, resource_key
from bridge.hub.profile import Mode, Profile, check_event, default_profile
from bridge.hub.prov import Relation, RelationKind, make_lookup_graph, read_graph, write_graph

PROFILE = default_profile()
NAMESPACE = uuid.UUID("6ba7b811-9dad-11d1-80b4-00c04fd430c8")
OIN = "00000001234567890000"
Change = Callable[[dict[str, Any]], Any]


def findings(event: Event, level: Level, mode: Mode = Mode.PUBLISH, profile: Profile = PROFILE) -> set[str]:
    return {f.rule for f in check_event(event, mode, profile=profile) if f.level is level}


def errors(event: Event, mode: Mode = Mode.PUBLISH, profile: Profile = PROFILE) -> set[str]:
    return findings(event, Level.ERROR, mode, profile)


def node(data: dict[str, Any], kind: str) -> dict[str, Any]:
    return next(one for one in data["@graph"] if kind in one["@type"])


def drop(kind: str) -> Change:
    return lambda data: data.update({"@graph": [one for one in data["@graph"] if kind not in one["@type"]]})


def put(kind: str, name: str, value: Any) -> Change:
    return lambda data: node(data, kind).update({name: value})


def rename(kind: str, old: str, new: str) -> Change:
    return lambda data: node(data, kind).update({new: node(data, kind).pop(old)})


BROKEN_GRAPHS: list[tuple[str, Change]] = [
    ("SOH-45", lambda data: data.pop("@context")),
    ("SOH-45", lambda data: data.pop("@graph")),
    ("SOH-45", lambda data: data["@context"].pop("soh")),
    ("SOH-45", lambda data: data["@context"].update(prov="http://elders.example/")),
    ("SOH-45", lambda data: data.update({"@context": "https://elders.example/context.jsonld"})),
    ("SOH-45", put("prov:Entity", "xyz:iets", "1")),
    ("SOH-46", drop("prov:Activity")),
    ("SOH-46", drop("prov:Agent")),
    ("SOH-46", drop("soh:UitkomstOverleg")),
    ("SOH-47", drop("soh:Betrokkene")),
    ("SOH-48", lambda data: data["@graph"].append({**data["@graph"][0], "@type": ["soh:UitkomstOverleg"]})),
    ("SOH-48", lambda data: data["@graph"].append({**data["@graph"][0], "soh:soort": "x"})),
    ("SOH-48", put("prov:Agent", "@type", ["soh:Organisatie"])),
    ("SOH-49", put("prov:Activity", "@id", "urn:uuid:0b2f1f6e-3f0e-4f57-9f0e-3f1d2c3b4a59")),
    ("SOH-49", put("soh:UitkomstOverleg", "@id", "0b2f1f6e-3f0e-4f57-9f0e-3f1d2c3b4a59")),
    ("SOH-49", put("soh:UitkomstOverleg", "@id", "urn:uuid:6f1d2a34-0000-5000-8000-000000000002")),
    ("SOH-50", put("prov:Activity", "@id", "urn:activity:zaak-2026-17")),
    ("SOH-52", put("soh:Betrokkene", "@id", "urn:bsn:999990019")),
    ("SOH-52", put("soh:Betrokkene", "@type", ["prov:Entity", "soh:Burgerservicenummer"])),
    ("SOH-52", put("prov:Agent", "soh:burgerservicenummer", "999990019")),
    ("SOH-52", put("soh:Betrokkene", "soh:burgerservicenummer", "999990018")),
    ("SOH-54", put("soh:UitkomstOverleg", "soh:notulen", "Er is gesproken over ...")),
    ("SOH-54", put("soh:UitkomstOverleg", "soh:besluit", "uithuisplaatsing")),
    ("SOH-54", put("soh:Betrokkene", "soh:naam", "Jan")),
    ("SOH-54", put("soh:UitkomstOverleg", "soh:status", {"tekst": "Jan"})),
    ("SOH-54", lambda data: data.update(toelichting="tekst")),
    ("SOH-56", put("prov:Activity", "prov:wasGeneratedBy", {"@id": "urn:uitkomst-overleg:1"})),
    ("SOH-58", put("prov:Agent", "@id", "urn:organisatie:voorbeeld")),
    ("SOH-58", put("prov:Agent", "soh:identifier", "00000001234567890001")),
    ("SOH-61", lambda data: node(data, "soh:UitkomstOverleg").pop("soh:inzageUrl")),
    ("SOH-61", lambda data: node(data, "soh:UitkomstOverleg").pop("soh:beschikbaarGesteldOp")),
    ("SOH-61", lambda data: node(data, "soh:Betrokkene").pop("soh:burgerservicenummer")),
]


@pytest.mark.rule(
    *("SOH-45", "SOH-46", "SOH-48", "SOH-49", "SOH-50", "SOH-52", "SOH-54", "SOH-56", "SOH-58", "SOH-61")
)
@pytest.mark.parametrize(("rule", "change"), BROKEN_GRAPHS)
def test_a_broken_graph_is_not_published(outcome_event: Event, rule: str, change: Change) -> None:
    data = copy.deepcopy(outcome_event.data)
    change(data)  # type: ignore[arg-type]
    assert rule in errors(replace(outcome_event, data=data))


@pytest.mark.rule("SOH-45")
def test_another_prefix_for_the_same_namespace_is_read_the_same(graph: dict[str, Any]) -> None:
    text = json.dumps(graph).replace("soh:", "s:").replace('"soh"', '"s"')
    renamed = read_graph(json.loads(text))
    assert renamed.entities[0].types == read_graph(graph).entities[0].types


@pytest.mark.rule("SOH-56", "SOH-59")
def test_both_directions_and_plain_strings_give_one_relation(graph: dict[str, Any]) -> None:
    expected = read_graph(graph).relations
    other = copy.deepcopy(graph)
    entity, activity = node(other, "soh:UitkomstOverleg"), node(other, "prov:Activity")
    activity["prov:generated"] = entity.pop("prov:wasGeneratedBy") and entity["@id"]
    person = node(other, "soh:Betrokkene")
    person["soh:betrokkenBij"] = entity["@id"]
    entity["soh:heeftBetrokkene"] = entity.pop("soh:betreft")
    assert set(read_graph(other).relations) == set(expected)
    assert len(read_graph(other).relations) == len(expected)


@pytest.mark.rule("SOH-57")
@pytest.mark.parametrize("name", ["soh:InzienUitkomst", "soh:InzienUitkomstOverleg"])
def test_both_spellings_of_the_lookup_are_taken(outcome_event: Event, name: str) -> None:
    data = make_lookup_graph(
        entity_id="urn:uitkomst-overleg:1",
        entity_type="soh:UitkomstOverleg",
        activity_id="urn:uuid:6f1d2a34-0000-4000-8000-000000000009",
        agent_oin=OIN,
        at=outcome_event_time(),
    )
    node(data, "prov:Activity")["@type"] = ["prov:Activity", name]
    event = lookup_event(outcome_event, data)
    assert errors(event, Mode.RECEIVE) == set() and errors(event) == set()
    assert ("SOH-57" in findings(event, Level.WARNING)) == (name == "soh:InzienUitkomstOverleg")


def outcome_event_time() -> Any:
    from datetime import UTC, datetime

    return datetime(2026, 1, 10, 12, tzinfo=UTC)


def lookup_event(outcome_event: Event, data: dict[str, Any]) -> Event:
    return make_event(
        id=outcome_event.id,
        source=outcome_event.source,
        type="uitwisselen-uitkomst-overleg.uitkomst-ingezien",
        subject="urn:uitkomst-overleg:1",
        time=outcome_event_time(),
        data=data,
    )


@pytest.fixture
def lookup(outcome_event: Event) -> Event:
    data = make_lookup_graph(
        entity_id="urn:uitkomst-overleg:1",
        entity_type="soh:UitkomstOverleg",
        activity_id="urn:uuid:6f1d2a34-0000-4000-8000-000000000009",
        agent_oin=OIN,
        agent_name="Lezer",
        at=outcome_event_time(),
    )
    return lookup_event(outcome_event, data)


@pytest.mark.rule("SOH-55", "SOH-58")
def test_a_lookup_names_the_organisation_that_looked(lookup: Event) -> None:
    assert check_event(lookup, Mode.PUBLISH, profile=PROFILE) == ()
    graph = read_graph(lookup.data)  # type: ignore[arg-type]
    assert graph.targets(RelationKind.ASSOCIATED) == (f"urn:nld:oin:{OIN}",)
    assert graph.targets(RelationKind.USED) == ("urn:uitkomst-overleg:1",)


@pytest.mark.rule("SOH-55")
@pytest.mark.parametrize("name", ["prov:wasAssociatedWith", "prov:used"])
@pytest.mark.parametrize("mode", [Mode.PUBLISH, Mode.RECEIVE])
def test_a_lookup_without_its_ties_is_refused(lookup: Event, name: str, mode: Mode) -> None:
    data = copy.deepcopy(lookup.data)
    node(data, "prov:Activity").pop(name)  # type: ignore[arg-type]
    assert "SOH-55" in errors(replace(lookup, data=data), mode)


@pytest.mark.rule("SOH-47")
def test_an_entity_that_is_only_used_is_enough_on_arrival(lookup: Event) -> None:
    data = copy.deepcopy(lookup.data)
    drop("prov:Entity")(data)  # type: ignore[arg-type]
    event = replace(lookup, data=data)
    assert errors(event, Mode.RECEIVE) == set()
    assert {"SOH-46", "SOH-47"} <= errors(event)


def test_a_graph_with_only_an_entity_is_read_leniently(outcome_event: Event) -> None:
    data = copy.deepcopy(outcome_event.data)
    data["@graph"] = [{"@id": "urn:x:1", "@type": ["prov:Entity", "soh:UitkomstOverleg"]}]  # type: ignore[index, call-overload]
    event = replace(outcome_event, data=data)
    assert errors(event, Mode.RECEIVE) == set()
    assert "SOH-46" in findings(event, Level.WARNING, Mode.RECEIVE)


def melding(
    outcome_event: Event, graph: dict[str, Any], name: str = "melding-geregistreerd", **members: Any
) -> Event:
    data = {**graph, **{key: value for key, value in members.items() if value is not None}}
    return make_event(
        id=outcome_event.id,
        source=outcome_event.source,
        type=f"uitwisselen-melding.{name}",
        subject="melding/6f1d2a34",
        time=outcome_event_time(),
        data=data,
    )


@pytest.mark.rule("SOH-63", "SOH-64")
def test_a_registration_with_bsn_and_age_is_good(outcome_event: Event, graph: dict[str, Any]) -> None:
    assert errors(melding(outcome_event, graph, bsn="999990019", leeftijd=7)) == set()


@pytest.mark.rule("SOH-64")
@pytest.mark.parametrize(
    ("bsn", "age"), [(None, 7), ("999990019", None), ("999990018", 7), (999990019, 7), ("999990019", "7")]
)
def test_a_registration_without_good_bsn_or_age_is_refused(
    outcome_event: Event, graph: dict[str, Any], bsn: Any, age: Any
) -> None:
    assert errors(melding(outcome_event, graph, bsn=bsn, leeftijd=age)) == {"SOH-64"}


@pytest.mark.rule("SOH-64")
def test_a_setting_and_a_lower_level_free_a_registration_of_the_person(
    outcome_event: Event, graph: dict[str, Any]
) -> None:
    event = melding(outcome_event, graph)
    assert errors(event, profile=Profile(melding_needs_person=False)) == set()
    drop("soh:Betrokkene")(graph)
    node(graph, "soh:UitkomstOverleg").pop("soh:betreft")
    labelled = melding(outcome_event, graph)
    labelled = replace(labelled, attributes={**labelled.attributes, "informatieniveau": "notification"})
    assert errors(labelled) == set()


@pytest.mark.rule("SOH-22", "SOH-63")
@pytest.mark.parametrize("subject", ["melding/", "casus/1", "melding/1/2", "6f1d2a34"])
def test_the_subject_of_a_melding_has_its_form(
    outcome_event: Event, graph: dict[str, Any], subject: str
) -> None:
    event = melding(outcome_event, graph, bsn="999990019", leeftijd=7)
    assert errors(replace(event, attributes={**event.attributes, "subject": subject})) == {"SOH-22", "SOH-63"}


@pytest.mark.rule("SOH-65")
def test_process_events_name_the_partner_and_hold_no_content(
    outcome_event: Event, graph: dict[str, Any]
) -> None:
    assert "SOH-65" in errors(melding(outcome_event, graph, "melding-opgepakt", opgepaktDoor=OIN))
    drop("soh:Betrokkene")(graph)
    node(graph, "soh:UitkomstOverleg").pop("soh:betreft")
    assert errors(melding(outcome_event, graph, "melding-opgepakt", opgepaktDoor=OIN)) == set()
    assert "SOH-65" in errors(melding(outcome_event, graph, "melding-opgepakt", opgepaktDoor="Veilig Thuis"))
    assert "SOH-54" in errors(melding(outcome_event, graph, "melding-opgepakt", opgepaktDoor=OIN, tekst="x"))
    drop("prov:Agent")(graph)
    assert "SOH-65" in errors(melding(outcome_event, graph, "melding-ingezien"))


def test_a_melding_of_the_published_profile_without_graph_is_taken(outcome_event: Event) -> None:
    event = melding(outcome_event, {}, bsn="999990019", leeftijd=7)
    assert errors(event, Mode.RECEIVE) == errors(event) == set()


# Writing


def test_nodes_are_written_in_one_order_and_once(graph: dict[str, Any]) -> None:
    shuffled = [dict(reversed(one.items())) for one in reversed(graph["@graph"])]
    assert json.dumps(write_graph(shuffled + shuffled)) == json.dumps(graph)
    order = [one["@type"][1] for one in graph["@graph"]]
    assert order == [
        "soh:UitkomstOverleg",
        "soh:Betrokkene",
        "soh:BeschikbaarStellenUitkomst",
        "soh:Organisatie",
    ]


@pytest.mark.rule("SOH-56")
def test_the_written_graph_ties_entity_to_activity(graph: dict[str, Any]) -> None:
    entity, activity = node(graph, "soh:UitkomstOverleg"), node(graph, "prov:Activity")
    assert entity["prov:wasGeneratedBy"] == {"@id": activity["@id"]}
    assert Relation(RelationKind.GENERATED, activity["@id"], entity["@id"]) in read_graph(graph).relations


# Identifiers


@pytest.mark.rule("SOH-51", "SOH-59")
def test_ids_repeat_for_the_same_cause_and_differ_for_another() -> None:
    first = activity_id(NAMESPACE, "m-1", "vt-melding@1", "events/0")
    assert first == activity_id(NAMESPACE, "m-1", "vt-melding@1", "events/0")
    assert first != activity_id(NAMESPACE, "m-1", "vt-melding@1", "events/1")
    assert activity_id(NAMESPACE, "ab", "c", "d") != activity_id(NAMESPACE, "a", "bc", "d")
    assert first.startswith("urn:uuid:")


@pytest.mark.rule("SOH-60")
def test_the_entity_id_holds_the_type_and_no_case_number() -> None:
    made = entity_id(NAMESPACE, OIN, "melding", "ZAAK-2026-17")
    assert made.startswith("urn:melding:") and "2026-17" not in made
    assert uuid.UUID(resource_key(made)).version == 5


@pytest.mark.rule("SOH-53")
def test_the_person_id_depends_on_key_and_partner() -> None:
    made = person_id(b"k" * 32, OIN, "999990019")
    assert made == person_id(b"k" * 32, OIN, "999990019")
    assert (
        len({made, person_id(b"q" * 32, OIN, "999990019"), person_id(b"k" * 32, "1" * 20, "999990019")}) == 3
    )
    assert uuid.UUID(made.removeprefix("urn:uuid:")).version == 5 and "999990019" not in made


@pytest.mark.rule("SOH-53")
def test_no_person_id_is_a_plain_hash_of_a_bsn() -> None:
    numbers = [number for n in range(999990000, 999999999) if is_bsn(number := str(n))][:1000]
    open_ids = {uuid.uuid5(NAMESPACE, number).urn for number in numbers}
    open_ids |= {uuid.UUID(bytes=hashlib.sha256(n.encode()).digest()[:16], version=5).urn for n in numbers}
    made = {person_id(b"k" * 32, OIN, number) for number in numbers}
    assert len(numbers) == len(made) > 500 and not made & open_ids


@pytest.mark.rule("SOH-58")
def test_the_agent_id_is_the_oin() -> None:
    assert agent_id(OIN) == f"urn:nld:oin:{OIN}"


@pytest.mark.parametrize(
    ("text", "good"), [("999990019", True), ("999990018", False), ("000000000", False), ("99999001", False)]
)
def test_the_eleven_test(text: str, good: bool) -> None:
    assert is_bsn(text) is good


GRAPH_JSON = st.recursive(
    st.none() | st.integers() | st.sampled_from(["prov:Entity", "soh:x", "urn:a", "@id", "", "prov:"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["@id", "@type", "@graph", "@context", "prov:used", "soh", "prov"]), inner
        )
    ),
    max_leaves=15,
)


@given(GRAPH_JSON)
def test_any_data_is_read_as_some_graph(data: Any) -> None:
    graph = read_graph(data)
    assert len(graph.nodes) >= len(graph.entities)
