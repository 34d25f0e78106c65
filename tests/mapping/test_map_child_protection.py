"""The mappings of child protection: request, notifications, youth probation, the older care report and its feedback."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from lxml import etree

from bridge.hub.event import make_event
from bridge.hub.profile import Profile, check_event, default_profile, source_of
from bridge.mapping.cases import coverage, event_view, run_cases
from bridge.mapping.compose import compose_message
from bridge.mapping.context import (
    Composed,
    Context,
    EventDraft,
    EventView,
    Mapped,
    RefExchange,
    Rejected,
)
from bridge.mapping.differences import json_differences, xml_differences
from bridge.mapping.levels import at_level
from bridge.mapping.lint import lint_files
from bridge.mapping.load import MappingSet, read_mapping_set
from bridge.mapping.run import run_mapping

MAPPINGS = Path(__file__).resolve().parents[2] / "mappings"
SHARED = Path(__file__).resolve().parents[2].parent / "shared"
MUNICIPALITY = "00000001999930011000"
BOARD = "00000001999930022000"
POLICE = "00000001999930033000"
SAFE_AT_HOME = "00000001999930044000"
PROBATION = "00000001999930055000"
WAYS = {
    "vto": (MUNICIPALITY, BOARD),
    "notificatie": (BOARD, MUNICIPALITY),
    "notificatiejr": (PROBATION, MUNICIPALITY),
    "zorgmelding": (POLICE, SAFE_AT_HOME),
    "zorgmelding-terugkoppeling": (SAFE_AT_HOME, POLICE),
}
"""Sender and receiver of each mapping."""
ROOTS = {
    "vtoDi01": "vto",
    "notificatieDi01": "notificatie",
    "notificatiejrDi01": "notificatiejr",
    "zorgmeldingDi01": "zorgmelding",
    "zorgmeldingTerugkoppelingDi01": "zorgmelding-terugkoppeling",
}
MESSAGES = tuple(
    (name, path.name)
    for name in WAYS
    for path in sorted((MAPPINGS / "stuf-jz" / f"{name}.cases").glob("*.xml"))
)
ANALYSIS = "opstellen-analyse-en-advies"
EXACT_AGAIN = ("@bestandsnaam", "registratiedatum", "/@nil")
"""Where composing again writes another text with the same meaning: a harmless file name, no white space, true for 1."""

Body = dict[str, Any]


@pytest.fixture(scope="module")
def folder(all_files: dict[str, str]) -> dict[str, str]:
    """The five mappings with all that they share; those of others have tests of their own."""
    ours = {f"stuf-jz/{name}.{kind}" for name in (*WAYS, "bv01", "fo01") for kind in ("map.yaml", "cases")}
    return {
        name: text
        for name, text in all_files.items()
        if not (".map.yaml" in name or ".cases/" in name) or "/".join(name.split("/")[:2]) in ours
    }


@pytest.fixture(scope="module")
def five(folder: dict[str, str]) -> MappingSet:
    return read_mapping_set(folder)


def context_of(mapping: str, **changes: Any) -> Context:
    sender, receiver = WAYS[mapping]
    facts: dict[str, Any] = {
        "from_oin": sender,
        "to_oin": receiver,
        "namespace": UUID("0d5a6c1e-1111-4222-8333-444455556666"),
        "person_key": b"a key for tests",
        "inzage_base": "https://bridge.example/inzage/",
        "received_at": datetime(2026, 9, 1, 12, 30, tzinfo=UTC),
        "new_id": lambda: "00000000-0000-4000-8000-000000000001",
        "message_id": "m-1@sender.example",
        "timestamp": datetime(2026, 9, 1, 12, 0, tzinfo=UTC),
        "own": {"oin": receiver, "naam": "Ontvanger", "systeem": "ontvangend"},
        "partner": {"oin": receiver, "naam": "Afzender", "systeem": "ontvangend"},
    }
    return Context(**{**facts, **changes})


Open = Callable[..., etree._Element]


@pytest.fixture(scope="module")
def message(folder: dict[str, str]) -> Open:
    """A message of the cases, with texts replaced: `message("vto", "typical", ("old", "new"), …)`."""

    def open_(mapping: str, case: str, *changes: tuple[str, str]) -> etree._Element:
        text = folder[f"stuf-jz/{mapping}.cases/{case.removesuffix('.xml')}.xml"]
        for old, new in changes:
            assert old in text, f"the fixture has no {old}"
            text = text.replace(old, new)
        return etree.fromstring(text.encode())

    return open_


def outcome_of(five: MappingSet, root: etree._Element, **changes: Any) -> Mapped | Rejected:
    program = five.for_xml(str(root.tag))
    assert program is not None
    return run_mapping(program, root, context=context_of(program.name, **changes))


def run(five: MappingSet, root: etree._Element, **changes: Any) -> Mapped:
    outcome = outcome_of(five, root, **changes)
    assert isinstance(outcome, Mapped), [str(finding) for finding in outcome.findings]
    return outcome


def body_of(outcome: Mapped) -> Body:
    assert outcome.resource is not None
    return outcome.resource.body


def back(five: MappingSet, mapping: str, outcome: Mapped, **changes: Any) -> Composed | Rejected:
    program = five.named(mapping)
    assert program is not None
    kept = {a.reference: a.content for a in outcome.attachments}
    context = context_of(mapping, **{"attachment": kept.get, **changes})
    view = event_view(outcome.events[0])
    return compose_message(program, view, resource=body_of(outcome), ref=None, context=context)


def nodes(data: Body, kind: str) -> list[Body]:
    return [node for node in data["@graph"] if kind in node["@type"]]


def rules(outcome: Mapped | Rejected | Composed) -> list[str]:
    return sorted({finding.rule for finding in outcome.findings})


def broken(draft: EventDraft, sender: str, profile: Profile) -> list[str]:
    """The rules of the hub that an event breaks or is warned by."""
    extensions = {"recordedtime": "2026-12-01T00:00:00Z", "correlationid": "c-1"}
    if draft.level is not None:
        extensions["informatieniveau"] = ("notification", "restricted", "full")[draft.level]
        extensions["eventfamilie"] = draft.family or ""
    event = make_event(
        id="3d3bcf18-0a3a-4f0b-9d4d-0f2f4d6c9a01",
        source=source_of(profile, oin=sender, system="registratie"),
        type=draft.type,
        subject=draft.subject,
        time=draft.time,
        data=draft.data,
        extensions=extensions,
    )
    return [f"{finding.rule} {finding.where}" for finding in check_event(event, "publish", profile=profile)]


def text_of(element: etree._Element) -> str:
    return "".join(str(part) for part in element.itertext())


def texts(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for below in value.values():
            yield from texts(below)
    elif isinstance(value, list):
        for below in value:
            yield from texts(below)
    else:
        yield str(value)


# -- the set


def test_there_is_nothing_to_say_about_the_mappings(folder: dict[str, str]) -> None:
    assert [f"{d.span} {d.code} {d.text}" for d in lint_files(folder)] == []


def test_nothing_of_the_messages_is_dropped(five: MappingSet) -> None:
    assert {
        program.name: program.dropped for program in five.programs if program.name in WAYS
    } == dict.fromkeys(sorted(WAYS), ())


@pytest.mark.parametrize("mapping", WAYS)
def test_the_cases_beside_a_mapping_hold(mapping: str, five: MappingSet, folder: dict[str, str]) -> None:
    results = run_cases(five, folder, only=mapping)
    assert [f"{r.file} {d.code} {d.text}" for r in results for d in r.found] == []
    assert len(results) >= 4


@pytest.mark.parametrize("mapping", WAYS)
def test_the_cases_give_every_row_a_value(mapping: str, five: MappingSet, folder: dict[str, str]) -> None:
    program = five.named(mapping)
    assert program is not None
    assert coverage(program, run_cases(five, folder, only=mapping)) == ()


# -- events


@pytest.mark.parametrize(
    ("mapping", "case", "type_", "subject", "time"),
    [
        (
            "vto",
            "typical",
            f"{ANALYSIS}.onderzoek-verzocht",
            "onderzoek/FIC-VTO-2026-0042",
            "2026-03-05T09:15:00",
        ),
        (
            "notificatie",
            "progress",
            f"{ANALYSIS}.onderzoek-voortgang-gemeld",
            "onderzoek/FIC-VTO-2026-0042",
            "2026-04-10T07:30:00",
        ),
        (
            "notificatie",
            "rich",
            f"{ANALYSIS}.onderzoek-uitkomst-beschikbaar-gesteld",
            "onderzoek/FIC-VTO-2026-0044",
            "2026-08-19T10:00:00",
        ),
        (
            "notificatiejr",
            "typical",
            "uitvoeren-actie.jeugdreclassering-gestart",
            "jeugdreclassering/njr-ref-0001",
            "2026-02-03T08:00:00",
        ),
        (
            "zorgmelding",
            "typical",
            "uitwisselen-melding.melding-geregistreerd",
            "melding/PLF-2026-0007",
            "2026-01-18T22:30:12",
        ),
        (
            "zorgmelding-terugkoppeling",
            "taken-up",
            "uitwisselen-melding.melding-opgepakt",
            "melding/PLF-2026-0007",
            "2026-01-26T09:15:00",
        ),
        (
            "zorgmelding-terugkoppeling",
            "minimal",
            "uitwisselen-melding.uitkomst-melding-beschikbaar-gesteld",
            "melding/PLF-2026-0007",
            "2026-01-26T09:15:00",
        ),
    ],
)
def test_a_message_gives_one_event(
    mapping: str, case: str, type_: str, subject: str, time: str, five: MappingSet, message: Open
) -> None:
    [event] = run(five, message(mapping, case)).events
    assert (event.type, event.subject, event.level) == (type_, subject, None)
    assert event.time == datetime.fromisoformat(time).replace(tzinfo=UTC)


@pytest.mark.rule("SOH-45", "SOH-46", "SOH-47", "SOH-49", "SOH-50", "SOH-52", "SOH-54", "SOH-58")
@pytest.mark.parametrize(("mapping", "file"), MESSAGES)
def test_every_event_passes_the_profile_of_the_hub(
    mapping: str, file: str, five: MappingSet, message: Open
) -> None:
    profile = Profile(melding_needs_person=file != "minimal.xml")
    outcome = run(five, message(mapping, file))
    assert [broken(event, WAYS[mapping][0], profile) for event in outcome.events] == [[]]


@pytest.mark.parametrize(("mapping", "file"), MESSAGES)
def test_every_event_of_a_level_passes_the_profile_and_only_the_full_one_names_persons(
    mapping: str, file: str, five: MappingSet, message: Open
) -> None:
    profile = Profile(melding_needs_person=file != "minimal.xml")
    events = run(five, message(mapping, file), levels=True).events
    assert [event.level for event in events] == [0, 1, 2]
    assert [broken(event, WAYS[mapping][0], profile) for event in events] == [[], [], []]
    assert not any(nodes(event.data, "soh:Betrokkene") for event in events[:2])
    assert len({event.activity_id for event in events}) == 1


@pytest.mark.rule("SOH-64")
def test_a_report_without_a_child_is_told_apart_by_the_profile(five: MappingSet, message: Open) -> None:
    [event] = run(five, message("zorgmelding", "minimal")).events
    assert {said.split()[0] for said in broken(event, POLICE, default_profile())} == {"SOH-64"}


@pytest.mark.parametrize(("mapping", "file"), MESSAGES)
def test_a_citizen_number_stands_only_where_the_profile_names_it(
    mapping: str, file: str, five: MappingSet, message: Open
) -> None:
    root = message(mapping, file)
    numbers = {text_of(e) for e in root.iter("{*}inp.bsn")} - {""}
    outcome = run(five, root)
    for event in outcome.events:
        data = json.loads(json.dumps(event.data))
        data.pop("bsn", None)
        for node in data["@graph"]:
            node.pop("soh:burgerservicenummer", None)
        for shown in (*texts(data), event.subject, outcome.resource.id if outcome.resource else ""):
            assert not any(number in shown for number in numbers)


@pytest.mark.parametrize(("mapping", "file"), MESSAGES)
def test_what_is_in_a_document_stands_in_no_event(
    mapping: str, file: str, five: MappingSet, message: Open
) -> None:
    root = message(mapping, file)
    contents = {"".join(text_of(e).split()) for e in root.iter("{*}inhoud")} - {""}
    events = json.dumps([event.data for event in run(five, root).events])
    assert "sha256:" not in events
    assert not any(content in events for content in contents)


def test_an_event_of_feedback_says_nothing_about_persons(five: MappingSet, message: Open) -> None:
    for case in ("taken-up", "rich", "minimal"):
        [event] = run(five, message("zorgmelding-terugkoppeling", case)).events
        assert nodes(event.data, "soh:Betrokkene") == []


def test_who_took_a_report_up_stands_beside_the_graph(five: MappingSet, message: Open) -> None:
    [event] = run(five, message("zorgmelding-terugkoppeling", "taken-up")).events
    assert event.data["opgepaktDoor"] == SAFE_AT_HOME


def test_the_youngest_child_with_a_number_stands_beside_the_graph(five: MappingSet, message: Open) -> None:
    [event] = run(five, message("zorgmelding", "typical")).events
    assert (event.data["bsn"], event.data["leeftijd"]) == ("999910164", 7)


def test_the_members_of_a_report_can_be_switched_off(five: MappingSet, message: Open) -> None:
    [event] = run(five, message("zorgmelding", "typical"), members=False).events
    assert set(event.data) == {"@context", "@graph"}


def test_every_child_of_a_request_is_named_also_when_one_relation_holds_several(
    five: MappingSet, message: Open
) -> None:
    [event] = run(five, message("vto", "rich")).events
    numbers = {node["soh:burgerservicenummer"] for node in nodes(event.data, "soh:Betrokkene")}
    assert numbers == {"999910048", "999910188", "999910073"}
    [request] = nodes(event.data, "soh:Onderzoek")
    assert {link["@id"] for link in request["soh:betreft"]} == {
        node["@id"] for node in nodes(event.data, "soh:Betrokkene")
    }


def test_a_parent_is_not_named_in_the_event_of_a_request(five: MappingSet, message: Open) -> None:
    [event] = run(five, message("vto", "typical")).events
    assert "999910036" not in json.dumps(event.data)


def test_a_notification_points_to_the_request_as_its_sender_published_it(
    five: MappingSet, message: Open
) -> None:
    [request] = run(five, message("vto", "typical")).events
    [progress] = run(five, message("notificatie", "progress")).events
    [published] = nodes(request.data, "soh:Onderzoek")
    [meant] = nodes(progress.data, "soh:Onderzoek")
    assert meant["@id"] == published["@id"]
    assert nodes(progress.data, "prov:Activity")[0]["prov:used"] == {"@id": published["@id"]}


def test_feedback_points_to_the_report_as_its_sender_published_it(five: MappingSet, message: Open) -> None:
    [report] = run(five, message("zorgmelding", "typical")).events
    [answer] = run(five, message("zorgmelding-terugkoppeling", "taken-up")).events
    assert nodes(answer.data, "soh:Melding")[0]["@id"] == nodes(report.data, "soh:Melding")[0]["@id"]


def test_a_notification_without_a_request_is_about_the_case_of_the_board(
    five: MappingSet, message: Open
) -> None:
    root = message("notificatie", "progress")
    relation = root[1].find("{*}heeftBetrekkingOpAndere")
    assert relation is not None
    root[1].remove(relation)
    [event] = run(five, root).events
    assert event.subject == "onderzoek/RAAD-2026-9101"
    assert nodes(event.data, "soh:Onderzoek") == []


def test_the_same_message_gives_the_same_ids_again_and_another_message_other_ones(
    five: MappingSet, message: Open
) -> None:
    def graph(**changes: Any) -> list[Body]:
        found: list[Body] = run(five, message("vto", "typical"), **changes).events[0].data["@graph"]
        return found

    assert graph() == graph()
    first, second = graph(), graph(message_id="m-2@sender.example")
    assert first[0]["@id"] == second[0]["@id"]
    assert first[-2]["@id"] != second[-2]["@id"]


# -- which code means what


@pytest.mark.parametrize(
    ("status", "changes", "fact"),
    [
        ("Intake afgerond", (), "onderzoek-voortgang-gemeld"),
        ("Onderzoek afgerond", (), "onderzoek-uitkomst-beschikbaar-gesteld"),
        ("Zaak afgerond", (), "onderzoek-uitkomst-beschikbaar-gesteld"),
        ("Intake afgerond", ("Verzoek tot onderzoek afgewezen",), "onderzoek-uitkomst-beschikbaar-gesteld"),
        ("Onderzoek afgerond", ("Geen rekest Kinderbescherming",), "onderzoek-uitkomst-beschikbaar-gesteld"),
        ("Zaak afgerond", ("Maatregel opgelegd",), "onderzoek-uitkomst-beschikbaar-gesteld"),
        ("Zaak afgerond", ("Geen maatregel opgelegd",), "onderzoek-uitkomst-beschikbaar-gesteld"),
    ],
)
def test_status_and_result_tell_progress_from_outcome(
    status: str, changes: tuple[str, ...], fact: str, five: MappingSet, message: Open
) -> None:
    root = message(
        "notificatie",
        "rejected-at-intake" if changes else "progress",
        ("Intake afgerond", status),
        *(("Verzoek tot onderzoek afgewezen", result) for result in changes),
    )
    assert [event.type for event in run(five, root).events] == [f"{ANALYSIS}.{fact}"]


def test_a_decision_makes_an_outcome_of_a_finished_intake(five: MappingSet, message: Open) -> None:
    root = message("notificatie", "rich")
    result = root.find(".//{*}resultaat")
    assert result is not None
    root[1].remove(result)
    [event] = run(five, root).events
    assert event.type == f"{ANALYSIS}.onderzoek-uitkomst-beschikbaar-gesteld"


# -- the resource and its levels


@pytest.mark.parametrize(("mapping", "file"), MESSAGES)
def test_below_the_full_level_nobody_is_named(
    mapping: str, file: str, five: MappingSet, message: Open
) -> None:
    root = message(mapping, file)
    persons = ("inp.bsn", "geslachtsnaam", "voornamen", "achternaam", "anp.identificatie", "toelichting")
    named = {text_of(e) for local in persons for e in root.iter(f"{{*}}{local}")} - {""}
    outcome = run(five, root)
    assert outcome.resource is not None
    for level in (0, 1):
        shown = set(texts(at_level(outcome.resource.body, outcome.resource.levels, level)))
        assert shown.isdisjoint(named)


def test_the_lowest_level_shows_number_state_and_dates(five: MappingSet, message: Open) -> None:
    outcome = run(five, message("notificatie", "rich"))
    assert outcome.resource is not None
    assert at_level(outcome.resource.body, outcome.resource.levels, 0) == {
        "id": "FIC-VTO-2026-0044",
        "verzoek": {"id": "FIC-VTO-2026-0044"},
        "raadszaak": "RAAD-2026-9102",
        "status": "intake-afgerond",
        "statusOp": "2026-08-19T10:00:00Z",
        "datumTijd": "2026-08-20T12:15:16Z",
    }


@pytest.mark.parametrize(
    ("mapping", "secret"),
    [
        ("notificatie", "resultaat"),
        ("notificatie", "besluiten"),
        ("notificatiejr", "toezicht"),
        ("vto", "documenten"),
    ],
)
def test_decisions_supervision_and_documents_are_for_the_full_level(
    mapping: str, secret: str, five: MappingSet, message: Open
) -> None:
    outcome = run(five, message(mapping, "rich"))
    assert outcome.resource is not None
    views = [at_level(outcome.resource.body, outcome.resource.levels, level) for level in (0, 1, 2)]
    assert [secret in view for view in views] == [False, False, True]


def test_whether_a_minor_is_concerned_is_known_to_partners_without_an_age(
    five: MappingSet, message: Open
) -> None:
    outcome = run(five, message("zorgmelding", "typical"))
    assert outcome.resource is not None
    view = at_level(outcome.resource.body, outcome.resource.levels, 1)
    assert view["minderjarigeBetrokken"] is True
    assert "heeftBetrekkingOp" not in view


def test_numbers_typed_as_decimals_stay_text(five: MappingSet, message: Open) -> None:
    person = body_of(run(five, message("vto", "rich")))["heeftBetrekkingOp"][0]["personen"][0]
    assert person["persoonsnummer"] == ["00000000000000123"]
    assert person["burgerservicenummer"] == ["999910048"]


def test_an_extra_element_that_stands_twice_is_kept_twice(five: MappingSet, message: Open) -> None:
    extra = body_of(run(five, message("vto", "rich")))["belanghebbenden"][0]["extraRelatie"]
    assert [item["waarde"] for item in extra if item["naam"] == "clientvolgnummer"] == [
        "volgnr-1",
        "volgnr-2",
    ]


# -- attachments


def test_a_file_becomes_a_reference_and_octets_beside_the_resource(five: MappingSet, message: Open) -> None:
    outcome = run(five, message("vto", "typical"))
    [document] = body_of(outcome)["documenten"]
    [kept] = outcome.attachments
    assert document["bestand"] == {"inhoud": kept.reference, "mediatype": "text/plain", "naam": "verzoek.txt"}
    assert kept.content == b"Fictief verzoek"


@pytest.mark.parametrize(
    "hostile",
    ["../../etc/passwd", "C:\\windows\\system32\\x.exe", "/etc/shadow", "a/../../b", "..", "\t.profile"],
)
def test_a_hostile_file_name_is_made_harmless(hostile: str, five: MappingSet, message: Open) -> None:
    outcome = run(five, message("vto", "typical", ("verzoek.txt", hostile.replace("\t", "&#9;"))))
    name = body_of(outcome)["documenten"][0]["bestand"]["naam"]
    assert name and not name.startswith(".")
    assert not set(name) & set("/\\:\t")


@pytest.mark.parametrize("mapping", ["vto", "zorgmelding"])
def test_without_the_octets_of_a_file_nothing_is_composed(
    mapping: str, five: MappingSet, message: Open
) -> None:
    outcome = run(five, message(mapping, "typical"))
    refused = back(five, mapping, outcome, attachment=lambda reference: None)
    assert isinstance(refused, Rejected)
    assert ["not at hand" in finding.text for finding in refused.findings].count(True) == 1


# -- what is refused


@pytest.mark.parametrize(
    ("mapping", "case", "change", "rule"),
    [
        ("vto", "typical", (">FIC-VTO-2026-0042<", "><"), "M902"),
        ("vto", "typical", ('entiteittype="ZAKOBJ"', 'entiteittype="ZAKBTR"'), "M907"),
        ("vto", "typical", ("RmljdGllZiB2ZXJ6b2Vr", "geen base64!"), "M903"),
        (
            "vto",
            "typical",
            ("<BG:voornamen>Fenna</BG:voornamen>", "<ZKN:voornamen>F</ZKN:voornamen>"),
            "M905",
        ),
        ("notificatie", "progress", ("Overwegen kinderbeschermingsmaatregel", "Iets anders"), "M904"),
        ("notificatie", "progress", (">Intake afgerond<", ">Intake begonnen<"), "M903"),
        (
            "zorgmelding-terugkoppeling",
            "taken-up",
            (">PLF-2026-0007<", ' StUF:noValue="geenWaarde"><'),
            "M902",
        ),
        ("zorgmelding-terugkoppeling", "taken-up", (">Vervolgactie nodig<", ">Weet niet<"), "M903"),
    ],
)
def test_a_message_that_cannot_be_right_waits_with_the_reason(
    mapping: str, case: str, change: tuple[str, str], rule: str, five: MappingSet, message: Open
) -> None:
    outcome = outcome_of(five, message(mapping, case, change))
    assert isinstance(outcome, Rejected)
    assert rule in rules(outcome)


@pytest.mark.parametrize(
    "change",
    [
        ("999910012", "999910013"),
        ("Client (kind)", "Client (kat)"),
        ("<ZKN:startdatum>20260302", "<ZKN:startdatum>20260230"),
    ],
)
def test_a_slip_that_decides_nothing_does_not_keep_a_request_waiting(
    change: tuple[str, str], five: MappingSet, message: Open
) -> None:
    outcome = run(five, message("vto", "typical", change))
    assert "M918" in {finding.rule for finding in outcome.findings}
    wrong = change[1].rpartition(">")[2]
    assert wrong in json.dumps(body_of(outcome)) and wrong not in str(outcome.events)


def test_a_reason_never_holds_the_value(five: MappingSet, message: Open) -> None:
    outcome = outcome_of(five, message("vto", "typical", ("999910012", "999910013")))
    assert "999910013" not in " ".join(str(finding) for finding in outcome.findings)


def test_comments_inside_values_are_no_part_of_them(five: MappingSet, message: Open) -> None:
    change = ("999910164", "9999<!-- was anders -->10164")
    plain = run(five, message("zorgmelding", "typical"))
    assert body_of(run(five, message("zorgmelding", "typical", change))) == body_of(plain)


def test_prefixes_of_a_message_are_free(five: MappingSet, message: Open) -> None:
    root = message(
        "notificatiejr", "typical", ("ZKN:", "q:"), (":ZKN=", ":q="), ("StUF:", "z:"), (":StUF=", ":z=")
    )
    assert body_of(run(five, root)) == body_of(run(five, message("notificatiejr", "typical")))


# -- the way back


@pytest.mark.parametrize(("mapping", "file"), MESSAGES)
def test_composing_again_gives_the_same_message_and_it_reads_without_a_finding(
    mapping: str, file: str, five: MappingSet, message: Open
) -> None:
    root = message(mapping, file)
    outcome = run(five, root)
    composed = back(five, mapping, outcome)
    assert isinstance(composed, Composed), [str(finding) for finding in composed.findings]
    again = etree.fromstring(composed.payload)
    program = five.named(mapping)
    assert program is not None
    changed = [d.path for d in xml_differences(program, root, again) if not _receiver(d.path)]
    assert [path for path in changed if not any(place in path for place in EXACT_AGAIN)] == []
    second = run(five, again)
    assert set(rules(second)) <= {"M915", "M920"}
    assert [
        d.path for d in json_differences(body_of(outcome), body_of(second)) if "ontvanger/" not in d.path
    ] == []


def _receiver(path: str) -> bool:
    return "stuf:ontvanger" in path


@pytest.mark.parametrize("mapping", ["vto", "notificatie", "notificatiejr", "zorgmelding"])
def test_without_the_full_data_a_message_is_not_made_up(
    mapping: str, five: MappingSet, message: Open
) -> None:
    program = five.named(mapping)
    assert program is not None
    case = "progress" if mapping == "notificatie" else "typical"
    view = event_view(run(five, message(mapping, case)).events[0])
    refused = compose_message(program, view, resource=None, ref=None, context=context_of(mapping))
    assert isinstance(refused, Rejected)
    assert rules(refused) == ["M933"]


@pytest.mark.parametrize(
    ("mapping", "case", "child"),
    [
        ("vto", "typical", "heeftBetrekkingOp"),
        ("notificatie", "progress", "kind"),
        ("notificatiejr", "typical", "heeftBetrekkingOp"),
    ],
)
def test_a_message_about_a_child_is_not_composed_when_the_source_names_none(
    mapping: str, case: str, child: str, five: MappingSet, message: Open
) -> None:
    outcome = run(five, message(mapping, case))
    del body_of(outcome)[child]
    refused = back(five, mapping, outcome)
    assert isinstance(refused, Rejected)
    assert rules(refused) == ["M902"]


def test_a_notification_answers_the_request_that_came_from_the_partner(
    five: MappingSet, message: Open
) -> None:
    program = five.named("notificatie")
    assert program is not None
    outcome = run(five, message("notificatie", "progress"))
    ref = RefExchange(
        message_id="m-9@gemeente.example",
        conversation_id="c-9",
        service="urn:fictie:jz",
        action="vto",
        from_party=MUNICIPALITY,
        to_party=BOARD,
        values={"afzender": MUNICIPALITY, "afzSysteem": "wijkteam-registratie"},
    )
    composed = compose_message(
        program,
        event_view(outcome.events[0]),
        resource=body_of(outcome),
        ref=ref,
        context=context_of("notificatie", partner={"oin": PROBATION, "systeem": "knooppunt"}),
    )
    assert isinstance(composed, Composed)
    assert (composed.service, composed.action) == ("urn:fictie:jz", "notificatie")
    assert composed.header == {"conversationId": "c-9", "refToMessageId": "m-9@gemeente.example"}
    receiver = etree.fromstring(composed.payload).find(".//{*}ontvanger/{*}organisatie")
    assert receiver is not None
    assert receiver.text == MUNICIPALITY


@pytest.mark.parametrize(
    ("fact", "given", "text"),
    [
        ("melding-opgepakt", None, "Vervolgactie nodig"),
        ("melding-opgepakt", "geen-actie-nodig", "Geen actie nodig"),
        ("uitkomst-melding-beschikbaar-gesteld", "geen-actie-nodig", "Geen actie nodig"),
        ("melding-afgewezen", "geen-actie-nodig", "Geen actie nodig"),
    ],
)
def test_the_source_says_what_comes_of_a_report_and_else_only_taking_up_has_a_result(
    fact: str, given: str | None, text: str, five: MappingSet
) -> None:
    composed = _feedback(five, fact, {"resultaat": given} if given else None)
    assert isinstance(composed, Composed)
    result = etree.fromstring(composed.payload).find(".//{*}resultaat/{*}omschrijving")
    assert result is not None
    assert result.text == text


@pytest.mark.parametrize("fact", ["uitkomst-melding-beschikbaar-gesteld", "melding-afgewezen"])
def test_an_outcome_or_refusal_that_the_source_does_not_explain_waits(fact: str, five: MappingSet) -> None:
    refused = _feedback(five, fact, None)
    assert isinstance(refused, Rejected)
    assert "M902" in rules(refused)


def _feedback(five: MappingSet, fact: str, resource: Body | None) -> Composed | Rejected:
    program = five.named("zorgmelding-terugkoppeling")
    assert program is not None
    view = EventView(
        type=f"uitwisselen-melding.{fact}",
        subject="melding/PLF-2026-0007",
        time=datetime(2026, 1, 16, 8, tzinfo=UTC),
        data={"@context": {}, "@graph": []},
    )
    context = context_of(program.name)
    return compose_message(
        program, view, resource=resource, ref=None, context=replace(context, timestamp=None)
    )


# -- against the reference folder


@pytest.fixture(scope="module")
def schema() -> etree.XMLSchema:
    path = SHARED / "stuf-jz" / "xsd" / "jz0100" / "jz0100_msg_totaal.xsd"
    if not path.is_file():
        pytest.skip("the schemas of StUF Jeugdzorg are not at hand")
    return etree.XMLSchema(etree.parse(str(path)))


@pytest.mark.shared
@pytest.mark.parametrize(("mapping", "file"), MESSAGES)
def test_the_schemas_accept_the_messages_of_the_cases_and_what_is_composed_of_them(
    mapping: str, file: str, five: MappingSet, message: Open, schema: etree.XMLSchema
) -> None:
    root = message(mapping, file)
    schema.assertValid(root)
    composed = back(five, mapping, run(five, root))
    assert isinstance(composed, Composed)
    schema.assertValid(etree.fromstring(composed.payload))


@pytest.mark.shared
@pytest.mark.parametrize("root", ROOTS)
def test_the_sample_of_the_standard_runs_both_ways(
    root: str, five: MappingSet, schema: etree.XMLSchema
) -> None:
    sample = etree.parse(str(SHARED / "stuf-jz" / "samples" / f"{root}.xml")).getroot()
    outcome = run(five, sample)
    assert outcome.findings == ()
    assert [broken(event, WAYS[ROOTS[root]][0], default_profile()) for event in outcome.events] == [[]]
    composed = back(five, ROOTS[root], outcome)
    assert isinstance(composed, Composed)
    again = etree.fromstring(composed.payload)
    schema.assertValid(again)
    program = five.named(ROOTS[root])
    assert program is not None
    short = ("tijdstipBericht", "datumStatusGezet")  # minutes in, seconds out
    changed = [d.path for d in xml_differences(program, sample, again) if not _receiver(d.path)]
    assert [path for path in changed if not any(place in path for place in short)] == []


@pytest.mark.shared
@pytest.mark.parametrize(
    "case",
    [("notificatie", "from-event"), ("notificatiejr", "from-event"), ("zorgmelding-terugkoppeling", "thin")],
)
def test_the_schemas_accept_what_is_composed_from_the_data_of_another_source(
    case: tuple[str, str], five: MappingSet, folder: dict[str, str], schema: etree.XMLSchema
) -> None:
    mapping, name = case
    program = five.named(mapping)
    assert program is not None
    shown = json.loads(folder[f"stuf-jz/{mapping}.cases/{name}.json"])
    resource = folder.get(f"stuf-jz/{mapping}.cases/{name}-resource.json")
    view = EventView(
        type=shown["type"],
        subject=shown["subject"],
        time=datetime.fromisoformat(shown["time"]),
        data=shown["data"],
    )
    composed = compose_message(
        program,
        view,
        resource=json.loads(resource) if resource else None,
        ref=None,
        context=context_of(mapping),
    )
    assert isinstance(composed, Composed)
    schema.assertValid(etree.fromstring(composed.payload))
