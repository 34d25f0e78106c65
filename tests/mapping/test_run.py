"""Reading a message: events, graph, resource, and every reason why not."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from lxml import etree

from bridge.mapping.context import Context, Mapped, Rejected
from bridge.mapping.levels import at_level
from bridge.mapping.load import MappingSet
from bridge.mapping.run import run_mapping

Make = Callable[..., etree._Element]


def run(mappings: MappingSet, root: etree._Element, context: Context) -> Mapped:
    outcome = outcome_of(mappings, root, context)
    assert isinstance(outcome, Mapped), outcome
    return outcome


def outcome_of(mappings: MappingSet, root: etree._Element, context: Context) -> Mapped | Rejected:
    program = mappings.for_xml(str(root.tag), service=None, action=None, cpa_id=None)
    assert program is not None
    return run_mapping(program, root, context=context)


def rules(outcome: Mapped | Rejected) -> list[str]:
    return sorted({finding.rule for finding in outcome.findings})


def nodes(data: dict[str, Any], kind: str) -> list[dict[str, Any]]:
    return [node for node in data["@graph"] if kind in node["@type"]]


# -- events


@pytest.mark.rule("SOH-45", "SOH-46")
def test_the_graph_has_entity_persons_activity_and_agent_in_that_order(
    mappings: MappingSet, report: Make, context: Context
) -> None:
    [event] = run(mappings, report(), context).events
    kinds = [node["@type"][1] for node in event.data["@graph"]]
    assert kinds == [
        "soh:Melding",
        "soh:Betrokkene",
        "soh:Betrokkene",
        "soh:RegistrerenMelding",
        "soh:Organisatie",
    ]
    assert [node["@type"][0] for node in event.data["@graph"]][-2:] == ["prov:Activity", "prov:Agent"]
    assert set(event.data["@context"]) == {"prov", "soh"}


def test_ids_follow_the_scheme_and_point_at_each_other(
    mappings: MappingSet, report: Make, context: Context
) -> None:
    outcome = run(mappings, report(), context)
    [event] = outcome.events
    assert outcome.resource is not None
    [entity] = nodes(event.data, "soh:Melding")
    [activity] = nodes(event.data, "prov:Activity")
    [agent] = nodes(event.data, "prov:Agent")
    assert entity["@id"] == f"urn:melding:{outcome.resource.id}"
    assert entity["prov:wasGeneratedBy"] == {"@id": activity["@id"]}
    assert entity["soh:inzageUrl"] == f"https://bridge.example/inzage/melding/{outcome.resource.id}"
    assert activity["@id"] == event.activity_id and activity["@id"].startswith("urn:uuid:")
    assert activity["prov:wasAssociatedWith"] == {"@id": agent["@id"]}
    assert agent["@id"] == "urn:nld:oin:00000001999990019000"
    persons = {node["@id"] for node in nodes(event.data, "soh:Betrokkene")}
    assert {link["@id"] for link in entity["soh:betreft"]} == persons


def test_running_again_gives_the_same_octets(mappings: MappingSet, report: Make, context: Context) -> None:
    first, second = (run(mappings, report(), context) for _ in range(2))
    assert json.dumps(first.events[0].data) == json.dumps(second.events[0].data)
    assert first.resource == second.resource


def test_another_message_about_the_same_report_is_another_activity_on_the_same_entity(
    mappings: MappingSet, report: Make, context: Context
) -> None:
    first = run(mappings, report(), context)
    second = run(mappings, report(), replace(context, message_id="m-2@police.example"))
    assert first.events[0].activity_id != second.events[0].activity_id
    assert first.resource is not None and second.resource is not None
    assert first.resource.id == second.resource.id


def test_without_the_namespace_nobody_makes_the_same_entity(
    mappings: MappingSet, report: Make, context: Context
) -> None:
    other = replace(context, namespace=UUID(int=9))
    first, second = run(mappings, report(), context), run(mappings, report(), other)
    assert first.resource is not None and second.resource is not None
    assert first.resource.id != second.resource.id


def test_the_members_are_those_of_the_young_person(
    mappings: MappingSet, report: Make, context: Context
) -> None:
    [event] = run(mappings, report(), context).events
    assert (event.data["bsn"], event.data["leeftijd"]) == ("999990019", 9)


def test_the_members_can_be_switched_off(mappings: MappingSet, report: Make, context: Context) -> None:
    [event] = run(mappings, report(), replace(context, members=False)).events
    assert set(event.data) == {"@context", "@graph"}


def test_without_a_young_person_the_youngest_with_a_bsn_counts(
    mappings: MappingSet, report: Make, context: Context
) -> None:
    root = report(("<JZ:jeugzorgrol>jeugdige<", "<JZ:jeugzorgrol>overige verwant<"))
    [event] = run(mappings, root, context).events
    assert event.data["bsn"] == "999990019"


def test_a_person_without_a_bsn_gets_no_node(mappings: MappingSet, report: Make, context: Context) -> None:
    outcome = run(mappings, report(("<BG:inp.bsn>999990020</BG:inp.bsn>", "")), context)
    [entity] = nodes(outcome.events[0].data, "soh:Melding")
    assert len(nodes(outcome.events[0].data, "soh:Betrokkene")) == 1
    assert isinstance(entity["soh:betreft"], dict)


def test_when_nobody_has_a_bsn_the_members_are_absent_and_a_finding_says_so(
    mappings: MappingSet, report: Make, context: Context
) -> None:
    root = report(("<BG:inp.bsn>999990020</BG:inp.bsn>", ""), ("<BG:inp.bsn>999990019</BG:inp.bsn>", ""))
    outcome = run(mappings, root, context)
    assert "bsn" not in outcome.events[0].data
    assert rules(outcome) == ["M915"]


def test_the_time_is_that_of_the_content(mappings: MappingSet, report: Make, context: Context) -> None:
    [event] = run(mappings, report(), context).events
    assert (event.time, event.time_from) == (datetime(2026, 1, 15, 11, tzinfo=UTC), "content")


def test_levels_give_one_event_each_with_the_same_activity(
    mappings: MappingSet, report: Make, context: Context
) -> None:
    events = run(mappings, report(), replace(context, levels=True)).events
    assert [(event.level, event.family) for event in events] == [(0, "um"), (1, "um"), (2, "um")]
    assert len({event.activity_id for event in events}) == 1
    assert [len(nodes(event.data, "soh:Betrokkene")) for event in events] == [0, 0, 2]
    assert [("bsn" in event.data) for event in events] == [False, False, True]


@pytest.mark.rule("SOH-32", "SOH-34")
def test_no_bsn_stands_anywhere_but_where_the_profile_names_it(
    mappings: MappingSet, report: Make, context: Context
) -> None:
    outcome = run(mappings, report(), context)
    [event] = outcome.events
    for node in nodes(event.data, "soh:Betrokkene"):
        del node["soh:burgerservicenummer"]
    event.data.pop("bsn")
    assert outcome.resource is not None
    elsewhere = json.dumps(event.data).replace("00000001999990019000", "")
    seen = [elsewhere, event.subject, str(event.activity_id), outcome.resource.id, str(outcome.values)]
    hidden = [text.replace("00000001999990019000", "") for text in seen]
    assert not any(number in text for number in ("999990019", "999990020") for text in hidden)


def test_the_status_list_decides_which_event_it_is(
    mappings: MappingSet, feedback: Make, back: Context
) -> None:
    types = {
        case: run(mappings, feedback(case=case), back).events[0].type
        for case in ("decided", "taken-up", "misdirected")
    }
    assert types == {
        "decided": "uitwisselen-melding.uitkomst-melding-beschikbaar-gesteld",
        "taken-up": "uitwisselen-melding.melding-opgepakt",
        "misdirected": "uitwisselen-melding.melding-afgewezen",
    }


def test_feedback_is_about_the_entity_that_the_report_made(
    mappings: MappingSet, report: Make, feedback: Make, context: Context, back: Context
) -> None:
    [reported] = run(mappings, report(), context).events
    [answered] = run(mappings, feedback(), back).events
    assert nodes(reported.data, "soh:Melding")[0]["@id"] == nodes(answered.data, "soh:Melding")[0]["@id"]
    assert reported.subject == answered.subject


# -- the resource


def test_the_levels_name_the_lowest_level_of_each_place(
    mappings: MappingSet, report: Make, context: Context
) -> None:
    resource = run(mappings, report(), context).resource
    assert resource is not None
    assert resource.levels["id"] == 0
    assert resource.levels["heeftBetrekkingOp/*/burgerservicenummer"] == 2
    assert resource.levels["minderjarigeBetrokken"] == 1


def test_a_lower_level_sees_no_persons_and_no_free_text(
    mappings: MappingSet, report: Make, context: Context
) -> None:
    resource = run(mappings, report(), context).resource
    assert resource is not None
    lowest = at_level(resource.body, resource.levels, 0)
    middle = at_level(resource.body, resource.levels, 1)
    assert lowest == {
        "datumTijd": "2026-01-15T11:00:00Z",
        "soort": "VT",
        "id": "PL-2026-000001",
        "datumMelding": "2026-01-15",
    }
    assert "heeftBetrekkingOp" not in middle and "zorgelijkeSituatie" not in middle
    assert middle["minderjarigeBetrokken"] is True
    assert at_level(resource.body, resource.levels, 2) == resource.body


def test_remembered_rows_tie_a_later_message_to_this_one(
    mappings: MappingSet, report: Make, context: Context
) -> None:
    assert run(mappings, report(), context).values == {
        "afzender": "00000001999990019000",
        "afzSysteem": "meldkamer",
        "referentie": "ref-2026-0001",
        "melding": "PL-2026-000001",
    }


# -- reasons why not


REJECTED = [
    ("M902", ("<JZ:identificatieVtMelding>PL-2026-000001<", "<JZ:identificatieVtMelding><"), "no number"),
    (
        "M903",
        ("<StUF:tijdstipBericht>2026", "<StUF:tijdstipBericht>20xx"),
        "a moment of the message that is none",
    ),
    ("M904", ("<StUF:berichtcode>Di01<", "<StUF:berichtcode>Lk01<"), "another kind of message"),
    ("M905", ("<JZ:informeringX/>", ""), "an unknown element"),
    (
        "M905",
        ("<BG:voornamen>Willem</BG:voornamen>", "<JZ:voornamen>Willem</JZ:voornamen>"),
        "another namespace",
    ),
    (
        "M906",
        ("<BG:voornamen>Willem</BG:voornamen>", "<BG:voornamen>A</BG:voornamen>" * 2),
        "twice where once is allowed",
    ),
    ("M907", ('StUF:entiteittype="ZOSNPS"', 'StUF:entiteittype="ZAKOBJ"'), "a wrong entity type"),
    (
        "M910",
        (
            "<JZ:locatieIncident>",
            '<JZ:locatieIncident x:nil="true" xmlns:x="http://www.w3.org/2001/XMLSchema-instance">',
        ),
        "nil with content",
    ),
]


@pytest.mark.parametrize(("rule", "change", "why"), REJECTED, ids=[why for *_, why in REJECTED])
def test_it_is_rejected(
    mappings: MappingSet, report: Make, context: Context, rule: str, change: tuple[str, str], why: str
) -> None:
    if change[1] == "":
        change = ("<JZ:indicatieSASHIngevuld>", change[0] + "<JZ:indicatieSASHIngevuld>")
    outcome = outcome_of(mappings, report(change), context)
    assert isinstance(outcome, Rejected)
    assert rule in rules(outcome)


def test_every_reason_is_told_at_once(mappings: MappingSet, report: Make, context: Context) -> None:
    root = report(
        ("<BG:inp.bsn>999990019<", "<BG:inp.bsn>123<"),
        ("<JZ:datumIncident>20260114<", "<JZ:datumIncident>gisteren<"),
        ("<JZ:jeugzorgrol>jeugdige<", "<JZ:jeugzorgrol>neef<"),
        ("<JZ:identificatieVtMelding>PL-2026-000001<", "<JZ:identificatieVtMelding><"),
    )
    outcome = outcome_of(mappings, root, context)
    assert isinstance(outcome, Rejected)
    assert {f.row for f in outcome.findings if f.rule == "M918"} == {"bsn", "incDatum", "rol"}
    assert {f.row for f in outcome.findings if f.rule == "M902"} == {"melding"}


def test_a_finding_never_holds_the_value(mappings: MappingSet, report: Make, context: Context) -> None:
    root = report(
        ("<BG:inp.bsn>999990019<", "<BG:inp.bsn>999990018<"),
        ("<BG:geboortedatum>20160220<", "<BG:geboortedatum>20161399<"),
    )
    outcome = outcome_of(mappings, root, context)
    said = " ".join(str(finding) for finding in outcome.findings)
    assert "999990018" not in said and "20161399" not in said
    assert {(f.row, f.privacy) for f in outcome.findings if f.rule == "M918"} == {
        ("bsn", "bsn"),
        ("geboren", "geboorte"),
    }


def test_another_root_is_rejected(mappings: MappingSet, feedback: Make, context: Context) -> None:
    program = mappings.named("vt-melding")
    assert program is not None
    assert rules(run_mapping(program, feedback(), context=context)) == ["M901"]


def test_a_message_with_too_many_elements_is_rejected(
    mappings: MappingSet, report: Make, context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bridge.mapping.walk.MAX_ELEMENTS", 10)
    assert rules(outcome_of(mappings, report(), context)) == ["M902", "M911"]


# -- what goes through with a finding


XSI = "http://www.w3.org/2001/XMLSchema-instance"
GOES = [
    ("M912", ("<StUF:referentienummer>ref-", f"<StUF:referentienummer>{'x' * 50}-"), None),
    (
        "M913",
        ("<JZ:datumMelding>20260115</JZ:datumMelding>", ""),
        ("<JZ:locatieIncident>", "<JZ:datumMelding>20260115</JZ:datumMelding><JZ:locatieIncident>"),
    ),
    ("M914", ("<JZ:indicatieSASHIngevuld>Nee</JZ:indicatieSASHIngevuld>", ""), None),
    ("M916", ("<JZ:betreft ", "tekst<JZ:betreft "), None),
    (
        "M917",
        (
            "<JZ:datumIncident>20260114<",
            f'<JZ:datumIncident xmlns:xsi="{XSI}" xsi:nil="true" noValue="geenWaarde"><',
        ),
        None,
    ),
]


@pytest.mark.parametrize(("rule", "change", "also"), GOES, ids=[rule for rule, *_ in GOES])
def test_what_loses_nothing_goes_through_with_a_finding(
    mappings: MappingSet, report: Make, context: Context, rule: str, change: tuple[str, str], also: Any
) -> None:
    outcome = outcome_of(mappings, report(*([change, also] if also else [change])), context)
    assert isinstance(outcome, Mapped)
    assert rules(outcome) == [rule]


def test_the_trace_tells_place_line_function_and_masks_what_is_personal(
    mappings: MappingSet, report: Make, context: Context
) -> None:
    trace = {line.row: line for line in run(mappings, report(), context).trace}
    bsn = trace["betrokkenen/1/bsn"]
    assert bsn.place.endswith("jz:heeftBetrokken/jz:gerelateerde/bg:inp.bsn")
    assert bsn.function == "bsn" and bsn.line is not None
    assert bsn.value == "(bsn: 9 digits)"
    assert trace["afzender"].value == "00000001999990019000"
    assert re.fullmatch(r"\([\w-]+\)", trace["minderjarig"].value), "it says how old somebody is"


# -- choosing the mapping


def test_a_mapping_is_found_by_its_root(mappings: MappingSet, report: Make) -> None:
    found = mappings.for_xml(str(report().tag), service="any", action="any", cpa_id="any")
    assert found is not None and found.label == "vt-melding@1"
    assert mappings.for_xml("{urn:x}y", service=None, action=None, cpa_id=None) is None


def test_mappings_are_found_by_event_type(mappings: MappingSet) -> None:
    names = [p.name for p in mappings.for_event("uitwisselen-melding.melding-opgepakt")]
    assert "vt-terugkoppeling" in names
    assert mappings.for_event("no.such-thing") == ()
