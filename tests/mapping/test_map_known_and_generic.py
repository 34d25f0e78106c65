"""Known-or-not, case information, generic reports and technical answers: what becomes of them, and the way back."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from lxml import etree

from bridge.hub.event import make_event
from bridge.hub.profile import check_event, default_profile
from bridge.mapping import (
    Composed,
    Context,
    EventDraft,
    EventView,
    Mapped,
    MappingSet,
    RefExchange,
    Rejected,
    at_level,
    compose_message,
    read_mapping_set,
    run_mapping,
)

SHARED = Path(__file__).resolve().parents[2].parent / "shared" / "stuf-jz"
NAMESPACES = {
    "jz": "http://www.stufstandaarden.nl/koppelvlak/jz0100",
    "stuf": "http://www.egem.nl/StUF/StUF0301",
    "zkn": "http://www.egem.nl/StUF/sector/zkn/0310",
    "bg": "http://www.egem.nl/StUF/sector/bg/0310",
}
KNOWN = "bepalen-bekendheid-en-verrijking"
MELDING = "uitwisselen-melding"
TWO_WAY = ("vcob", "ucob", "vci", "uci", "melding-generiek", "uitkomst-melding-generiek")
TECHNICAL = {"bv01": "handled", "bv03": "accepted", "bv04": "forwarded", "fo01": "refused", "fo03": "refused"}
SCHEMA = {
    **dict.fromkeys(("vcob", "ucob", "vci", "uci"), "vvberichten"),
    **dict.fromkeys(("melding-generiek", "uitkomst-melding-generiek"), "gmberichten"),
}
SAMPLES = {
    "vcob": "vcobDi01",
    "ucob": "ucobDi01",
    "vci": "vciDi01",
    "uci": "uciDi01",
    "melding-generiek": "meldingGeneriekDi01",
    "uitkomst-melding-generiek": "uitkomstMeldingGeneriekDi01",
}

NUMBER = re.compile(r"(?<!\d)(999990019|999970021)(?!\d)")
"""The citizen service numbers of the fixtures; some organisation numbers have the same digits within."""

Message = Callable[..., etree._Element]


@pytest.fixture(scope="module")
def files(all_files: dict[str, str]) -> dict[str, str]:
    """The mappings that these tests are about, with all that they share."""
    return {
        name: text
        for name, text in all_files.items()
        if not re.search(r"\.map\.yaml$|\.cases/", name)
        or name.split("/")[1].split(".")[0] in (*TWO_WAY, *TECHNICAL)
    }


@pytest.fixture(scope="module")
def mappings(files: dict[str, str]) -> MappingSet:
    return read_mapping_set(files)


@pytest.fixture
def message(files: dict[str, str]) -> Message:
    """A fixture of a mapping, with texts replaced: `message("ucob", ("old", "new"), case="rich")`."""

    def make(mapping: str, *changes: tuple[str, str], case: str = "typical") -> etree._Element:
        text = files[f"stuf-jz/{mapping}.cases/{case}.xml"]
        for old, new in changes:
            assert old in text, f"the fixture has no {old}"
            text = text.replace(old, new)
        return etree.fromstring(text.encode())

    return make


def read(mappings: MappingSet, root: etree._Element, context: Context) -> Mapped:
    program = mappings.for_xml(str(root.tag))
    assert program is not None
    outcome = run_mapping(program, root, context=context)
    assert isinstance(outcome, Mapped), [str(finding) for finding in outcome.findings]
    return outcome


def refusal(mappings: MappingSet, root: etree._Element, context: Context) -> set[str]:
    program = mappings.for_xml(str(root.tag))
    assert program is not None
    outcome = run_mapping(program, root, context=context)
    assert isinstance(outcome, Rejected)
    return {finding.rule for finding in outcome.findings}


def compose(
    mappings: MappingSet,
    name: str,
    draft: EventDraft,
    context: Context,
    *,
    body: dict[str, Any] | None,
    ref: RefExchange | None = None,
) -> Composed | Rejected:
    program = mappings.named(name)
    assert program is not None
    view = EventView(type=draft.type, subject=draft.subject, time=draft.time, data=draft.data)
    return compose_message(program, view, resource=body, ref=ref, context=context)


def made(
    mappings: MappingSet, name: str, outcome: Mapped, context: Context, *, event: int = 0
) -> etree._Element:
    body = outcome.resource.body if outcome.resource else None
    kept = {item.reference: item.content for item in outcome.attachments}
    composed = compose(
        mappings, name, outcome.events[event], replace(context, attachment=kept.get), body=body
    )
    assert isinstance(composed, Composed), [str(finding) for finding in composed.findings]
    return etree.fromstring(composed.payload)


def texts(root: etree._Element, path: str) -> list[str]:
    found = root.xpath(path, namespaces=NAMESPACES)
    assert isinstance(found, list)
    return [item.text or "" for item in found if isinstance(item, etree._Element)]


def nodes(draft: EventDraft, kind: str) -> list[dict[str, Any]]:
    return [node for node in draft.data["@graph"] if kind in node["@type"]]


def findings_of_the_hub(draft: EventDraft) -> list[str]:
    event = make_event(
        id="7d1f0a52-8f5e-4a0e-9d0b-2f6f3f0a0001",
        source="urn:nld:oin:00000001999990019000:systeem:meldkamer",
        type=draft.type,
        subject=draft.subject,
        time=draft.time,
        data=draft.data,
        extensions={
            "correlationid": "7d1f0a52-8f5e-4a0e-9d0b-2f6f3f0a0002",
            "recordedtime": "2026-06-01T12:00:00.000Z",
        },
    )
    return [f"{f.rule} {f.where}" for f in check_event(event, "publish", profile=default_profile())]


def entity(id: str) -> UUID:
    return UUID(id.rpartition(":")[2])


# -- every message


@pytest.mark.parametrize("case", ["typical", "rich"])
@pytest.mark.parametrize("name", TWO_WAY)
def test_every_event_passes_the_profile_of_the_hub(
    mappings: MappingSet, message: Message, context: Context, name: str, case: str
) -> None:
    outcome = read(mappings, message(name, case=case), context)
    assert outcome.events
    assert [findings_of_the_hub(event) for event in outcome.events] == [[] for _ in outcome.events]


@pytest.mark.parametrize("name", TWO_WAY)
def test_a_citizen_service_number_stands_only_where_the_profile_names_it(
    mappings: MappingSet, message: Message, context: Context, name: str
) -> None:
    for draft in read(mappings, message(name, case="rich"), context).events:
        data = json.loads(json.dumps(draft.data))
        data.pop("bsn", None)
        for node in data["@graph"]:
            if "soh:Betrokkene" in node["@type"]:
                node.pop("soh:burgerservicenummer", None)
        shown = json.dumps(data) + draft.subject
        assert not NUMBER.search(shown)


@pytest.mark.parametrize("name", TWO_WAY)
def test_levels_give_one_event_each_with_the_same_activity_and_no_person_below_two(
    mappings: MappingSet, message: Message, context: Context, name: str
) -> None:
    outcome = read(mappings, message(name), replace(context, levels=True))
    assert [draft.level for draft in outcome.events] == [0, 1, 2]
    assert len({draft.activity_id for draft in outcome.events}) == 1
    assert all(nodes(draft, "soh:Betrokkene") == [] for draft in outcome.events[:2])
    assert all("bsn" not in draft.data for draft in outcome.events[:2])


@pytest.mark.parametrize("name", TWO_WAY)
def test_mapping_a_message_again_gives_the_same_names_of_things(
    mappings: MappingSet, message: Message, context: Context, name: str
) -> None:
    first, second = (read(mappings, message(name, case="rich"), context) for _ in range(2))
    assert [draft.data for draft in first.events] == [draft.data for draft in second.events]
    assert first.resource and second.resource
    assert first.resource.id == second.resource.id


@pytest.mark.parametrize("case", ["typical", "minimal", "rich"])
@pytest.mark.parametrize("name", TWO_WAY)
def test_what_is_composed_is_read_back_without_a_finding(
    mappings: MappingSet, message: Message, context: Context, name: str, case: str
) -> None:
    outcome = read(mappings, message(name, case=case), context)
    again = read(mappings, made(mappings, name, outcome, context), context)
    assert [f.rule for f in again.findings] == [f.rule for f in outcome.findings]


@pytest.mark.parametrize("name", TWO_WAY)
def test_lower_views_of_the_full_data_name_nobody(
    mappings: MappingSet, message: Message, context: Context, name: str
) -> None:
    resource = read(mappings, message(name, case="rich"), context).resource
    assert resource is not None
    for level in (0, 1):
        shown = json.dumps(at_level(resource.body, resource.levels, level))
        assert not NUMBER.search(shown)
        for secret in ("Oefen", "Fictiefsen", "regie@organisatie", "0000123456"):
            assert secret not in shown
    assert at_level(resource.body, resource.levels, 2) == resource.body


@pytest.mark.parametrize("name", TWO_WAY)
def test_a_wrong_kind_of_object_is_refused_though_schema_validators_may_let_it_pass(
    mappings: MappingSet, message: Message, context: Context, name: str
) -> None:
    root = message(name)
    target = root.find("jz:object", NAMESPACES)
    assert target is not None
    target.set(f"{{{NAMESPACES['stuf']}}}entiteittype", "XXX")
    assert refusal(mappings, root, context) == {"M907"}


# -- questions


@pytest.mark.parametrize(
    ("name", "type_", "subject", "class_"),
    [
        ("vcob", f"{KNOWN}.bekendheid-gevraagd", "bekendheid/VT-COB-1", "soh:Bekendheidsvraag"),
        ("vci", f"{KNOWN}.casusinformatie-gevraagd", "casusinformatie/VT-CI-1", "soh:Informatievraag"),
    ],
)
def test_a_question_is_one_event_about_its_own_number(
    mappings: MappingSet, message: Message, context: Context, name: str, type_: str, subject: str, class_: str
) -> None:
    outcome = read(mappings, message(name), context)
    [draft] = outcome.events
    assert (draft.type, draft.subject, draft.time_from) == (type_, subject, "content")
    [question] = nodes(draft, class_)
    [person] = nodes(draft, "soh:Betrokkene")
    assert outcome.resource is not None
    assert entity(question["@id"]) == UUID(outcome.resource.id)
    assert question["soh:betreft"] == {"@id": person["@id"]}
    assert question["soh:inzageUrl"].endswith(outcome.resource.id)


def test_the_questions_themselves_stay_at_the_source(
    mappings: MappingSet, message: Message, context: Context
) -> None:
    outcome = read(mappings, message("vci"), context)
    assert outcome.resource is not None
    assert [item["code"] for item in outcome.resource.body["vragen"]] == [
        "POL-001",
        "Is er een wapen in huis?",
    ]
    assert "POL-001" not in json.dumps(outcome.events[0].data)
    assert "vragen" not in at_level(outcome.resource.body, outcome.resource.levels, 1)


def test_a_request_for_information_without_a_question_is_not_written(
    mappings: MappingSet, message: Message, context: Context
) -> None:
    outcome = read(mappings, message("vci"), context)
    assert outcome.resource is not None
    body = {key: value for key, value in outcome.resource.body.items() if key != "vragen"}
    composed = compose(mappings, "vci", outcome.events[0], context, body=body)
    assert isinstance(composed, Rejected)
    assert {finding.rule for finding in composed.findings} == {"M902"}


ALIEN = (
    "<BG:inp.bsn>999990019</BG:inp.bsn>",
    "<BG:anp.identificatie>00000000001234567</BG:anp.identificatie>",
)


@pytest.mark.parametrize("name", ["vcob", "ucob", "vci", "uci"])
def test_an_alien_number_that_no_schema_accepts_is_kept_as_text_with_a_warning(
    mappings: MappingSet, message: Message, context: Context, name: str
) -> None:
    outcome = read(mappings, message(name, ALIEN), context)
    assert [finding.rule for finding in outcome.findings] == ["M912"]
    assert outcome.resource is not None
    body = outcome.resource.body
    person = body["antwoorden"][0]["persoon"] if "antwoorden" in body else body["persoon"]
    assert person["vreemdelingennummer"] == "00000000001234567"
    assert nodes(outcome.events[0], "soh:Betrokkene") == []


def test_an_alien_number_is_never_written_where_no_schema_accepts_it(
    mappings: MappingSet, message: Message, context: Context
) -> None:
    outcome = read(mappings, message("vcob", ALIEN), context)
    assert outcome.resource is not None
    composed = compose(mappings, "vcob", outcome.events[0], context, body=outcome.resource.body)
    assert isinstance(composed, Rejected)
    assert [(f.rule, f.row) for f in composed.findings] == [("M932", "vreemdeling")]


# -- answers


ANSWERS = [
    (
        "ucob",
        f"{KNOWN}.bekendheid-vastgesteld",
        "bekendheid/VT-COB",
        "soh:Bekendheid",
        "soh:Bekendheidsvraag",
    ),
    (
        "uci",
        f"{KNOWN}.casusinformatie-beschikbaar-gesteld",
        "casusinformatie/VT-CI",
        "soh:Casusinformatie",
        "soh:Informatievraag",
    ),
]


@pytest.mark.parametrize(("name", "type_", "subject", "class_", "asked"), ANSWERS)
def test_each_answer_in_a_message_is_an_event_of_its_own(
    mappings: MappingSet,
    message: Message,
    context: Context,
    name: str,
    type_: str,
    subject: str,
    class_: str,
    asked: str,
) -> None:
    outcome = read(mappings, message(name, case="rich"), context)
    assert [draft.type for draft in outcome.events] == [type_] * 3
    assert {draft.subject for draft in outcome.events} == {f"{subject}-3"}
    assert len({draft.activity_id for draft in outcome.events}) == 3
    assert len({nodes(draft, class_)[0]["@id"] for draft in outcome.events}) == 3
    assert {len(nodes(draft, class_)) for draft in outcome.events} == {1}
    assert {nodes(draft, "prov:Activity")[0]["prov:used"]["@id"] for draft in outcome.events} == {
        nodes(outcome.events[0], asked)[0]["@id"]
    }


@pytest.mark.parametrize("name", ["ucob", "uci"])
def test_an_event_about_one_answer_names_the_person_of_that_answer_only(
    mappings: MappingSet, message: Message, context: Context, name: str
) -> None:
    changed = message(name, case="rich")
    numbers = changed.iter("{*}inp.bsn")
    next(numbers).text = "999990019"
    persons = [nodes(draft, "soh:Betrokkene") for draft in read(mappings, changed, context).events]
    assert [[p["soh:burgerservicenummer"] for p in found] for found in persons] == [
        ["999990019"],
        ["999970021"],
        [],
    ]


@pytest.mark.parametrize("name", ["ucob", "uci"])
def test_whether_a_person_is_known_stands_in_no_event_and_in_no_lower_view(
    mappings: MappingSet, message: Message, context: Context, name: str
) -> None:
    outcome = read(mappings, message(name), context)
    assert outcome.resource is not None
    assert outcome.resource.body["antwoorden"][0]["bekend"] is True
    assert "bekend" not in at_level(outcome.resource.body, outcome.resource.levels, 1)["antwoorden"][0]
    other = read(mappings, message(name, ("indicatieBekend>J<", "indicatieBekend>N<")), context)
    assert other.events == outcome.events


@pytest.mark.parametrize("name", ["ucob", "uci"])
def test_each_event_is_written_as_a_message_with_its_own_answer_and_a_number_of_its_own(
    mappings: MappingSet, message: Message, context: Context, name: str
) -> None:
    outcome = read(mappings, message(name, case="rich"), context)
    written = [made(mappings, name, outcome, context, event=at) for at in range(3)]
    found = [texts(root, "jz:object/jz:identificatie") for root in written]
    assert found == [[f"POL-{name.upper()}-{n}"] for n in (31, 32, 33)]
    numbers = [texts(root, "jz:stuurgegevens/stuf:referentienummer")[0] for root in written]
    assert len({*numbers, f"ref-{name}-3"}) == 4


@pytest.mark.parametrize("name", ["ucob", "uci"])
def test_a_message_with_one_answer_keeps_its_number(
    mappings: MappingSet, message: Message, context: Context, name: str
) -> None:
    outcome = read(mappings, message(name), context)
    written = made(mappings, name, outcome, context)
    assert texts(written, "jz:stuurgegevens/stuf:referentienummer") == [f"ref-{name}-1"]


def test_an_answer_and_its_question_have_the_same_subject_and_meet_in_the_same_node(
    mappings: MappingSet, message: Message, context: Context, back: Context
) -> None:
    asked = read(mappings, message("vcob"), back).events[0]
    answered = read(mappings, message("ucob"), context).events[0]
    assert asked.subject == answered.subject
    [question] = nodes(asked, "soh:Bekendheidsvraag")
    [seen] = nodes(answered, "soh:Bekendheidsvraag")
    assert question["@id"] == seen["@id"]


def test_an_answer_carries_the_reference_number_of_the_question_that_was_exchanged(
    mappings: MappingSet, message: Message, context: Context
) -> None:
    outcome = read(mappings, message("ucob"), context)
    assert outcome.resource is not None
    ref = RefExchange(
        message_id="m-7@vt.example",
        conversation_id="c-7",
        service="urn:fictie:vv",
        action="vcob",
        from_party="vt",
        to_party="politie",
        values={"referentie": "zo-vroeg-de-partner", "verzoek": "VT-COB-1"},
    )
    composed = compose(mappings, "ucob", outcome.events[0], context, body=outcome.resource.body, ref=ref)
    assert isinstance(composed, Composed)
    written = etree.fromstring(composed.payload)
    assert texts(written, "jz:stuurgegevens/stuf:crossRefnummer") == ["zo-vroeg-de-partner"]
    assert composed.header == {"conversationId": "c-7", "refToMessageId": "m-7@vt.example"}


# -- attachments


def test_the_content_of_an_attachment_is_kept_beside_the_full_data_and_in_no_event(
    mappings: MappingSet, message: Message, context: Context
) -> None:
    outcome = read(mappings, message("uci"), context)
    [attachment] = outcome.attachments
    assert attachment.content == b"Fictief bewijs."
    assert outcome.resource is not None
    assert outcome.resource.body["antwoorden"][0]["bijlagen"][0]["inhoud"] == attachment.reference
    for shown in (json.dumps(outcome.resource.body), json.dumps(outcome.events[0].data)):
        assert "RmljdGll" not in shown
    assert attachment.reference not in json.dumps(outcome.events[0].data)
    assert "bijlagen" not in json.dumps(at_level(outcome.resource.body, outcome.resource.levels, 1))


def test_a_message_is_not_written_without_the_content_of_its_attachments(
    mappings: MappingSet, message: Message, context: Context
) -> None:
    outcome = read(mappings, message("uci"), context)
    assert outcome.resource is not None
    composed = compose(mappings, "uci", outcome.events[0], context, body=outcome.resource.body)
    assert isinstance(composed, Rejected)
    assert "M932" in {finding.rule for finding in composed.findings}


# -- generic reports


def test_a_generic_report_is_registered_with_the_moment_of_the_report(
    mappings: MappingSet, message: Message, context: Context
) -> None:
    [draft] = read(mappings, message("melding-generiek"), context).events
    assert draft.type == f"{MELDING}.melding-geregistreerd"
    assert draft.subject == "melding/PL-2026-000101"
    assert draft.time.isoformat() == "2026-05-11T14:30:00+00:00"
    assert (draft.data["bsn"], draft.data["leeftijd"]) == ("999990019", 9)


def test_the_members_beside_the_graph_can_be_switched_off(
    mappings: MappingSet, message: Message, context: Context
) -> None:
    [draft] = read(mappings, message("melding-generiek"), replace(context, members=False)).events
    assert set(draft.data) == {"@context", "@graph"}


def test_others_involved_in_a_generic_report_stand_in_no_event(
    mappings: MappingSet, message: Message, context: Context
) -> None:
    [draft] = read(mappings, message("melding-generiek", case="rich"), context).events
    assert [p["soh:burgerservicenummer"] for p in nodes(draft, "soh:Betrokkene")] == ["999990019"]


def test_a_report_without_a_number_is_written_back_without_one(
    mappings: MappingSet, message: Message, context: Context
) -> None:
    outcome = read(mappings, message("melding-generiek", case="minimal"), context)
    assert outcome.events[0].subject == "melding/ref-mg-2"
    [number] = made(mappings, "melding-generiek", outcome, context).iterfind(
        "jz:object/zkn:identificatie", NAMESPACES
    )
    assert number.text is None
    assert number.get(f"{{{NAMESPACES['stuf']}}}noValue") == "nietOndersteund"


# -- their outcome


@pytest.mark.parametrize(
    ("code", "fact"),
    [
        ("VT-00", "melding-afgewezen"),
        ("VT-99", "melding-afgewezen"),
        ("VT-01-01", "melding-opgepakt"),
        ("VT-01-02", "uitkomst-melding-beschikbaar-gesteld"),
        ("VT-01-03", "uitkomst-melding-beschikbaar-gesteld"),
        ("VT-01-04", "melding-opgepakt"),
        ("VT-02", "uitkomst-melding-beschikbaar-gesteld"),
        ("VT-03", "uitkomst-melding-beschikbaar-gesteld"),
        ("ZVH-01", "melding-opgepakt"),
        ("ZVH-02", "melding-opgepakt"),
        ("ZVH-03", "uitkomst-melding-beschikbaar-gesteld"),
    ],
)
def test_the_status_of_an_outcome_says_which_fact_it_is(
    mappings: MappingSet, message: Message, back: Context, code: str, fact: str
) -> None:
    outcome = read(mappings, message("uitkomst-melding-generiek", ("ZVH-01", code)), back)
    [draft] = outcome.events
    assert draft.type == f"{MELDING}.{fact}"
    assert draft.subject == "melding/PL-2026-000101"
    assert ("opgepaktDoor" in draft.data) == (fact == "melding-opgepakt")
    assert findings_of_the_hub(draft) == []
    written = made(mappings, "uitkomst-melding-generiek", outcome, back)
    assert texts(written, "jz:object/jz:statuscode") == [code]


def test_an_outcome_leads_to_the_report_it_answers(
    mappings: MappingSet, message: Message, context: Context, back: Context
) -> None:
    [reported] = nodes(read(mappings, message("melding-generiek"), context).events[0], "soh:Melding")
    [answered] = nodes(read(mappings, message("uitkomst-melding-generiek"), back).events[0], "soh:Melding")
    assert reported["@id"] == answered["@id"]


# -- technical answers


@pytest.mark.parametrize(("name", "outcome"), TECHNICAL.items())
def test_a_technical_answer_is_the_delivery_status_of_a_message_and_no_event(
    mappings: MappingSet, message: Message, context: Context, name: str, outcome: str
) -> None:
    mapped = read(mappings, message(name), context)
    assert mapped.events == ()
    assert mapped.resource is None
    assert mapped.answer is not None
    assert (mapped.answer.about, mapped.answer.outcome) == ("ref-vcob-1", outcome)


@pytest.mark.parametrize("name", ["fo01", "fo03"])
def test_the_details_of_a_fault_go_nowhere_for_they_may_quote_a_person(
    mappings: MappingSet, message: Message, context: Context, name: str
) -> None:
    mapped = read(mappings, message(name, case="rich"), context)
    assert mapped.values["foutcode"] == "StUF055"
    told = repr((mapped.values, mapped.findings, mapped.trace))
    # The OIN of who answers is no secret; in these fixtures it holds the digits of the BSN that the details quote.
    assert "999990019" not in told.replace("00000001999990019000", "")


# -- with the schemas and samples of the standard


@cache
def schema(name: str) -> etree.XMLSchema:
    folder = SCHEMA[name]
    return etree.XMLSchema(etree.parse(str(SHARED / "xsd" / "jz0100" / folder / f"jz0100_msg_{folder}.xsd")))


needs_shared = pytest.mark.skipif(not SHARED.is_dir(), reason="the schemas of the standard are not at hand")


@pytest.mark.shared
@needs_shared
@pytest.mark.parametrize("case", ["typical", "minimal", "rich"])
@pytest.mark.parametrize("name", TWO_WAY)
def test_composed_messages_are_valid_against_the_schema(
    mappings: MappingSet, message: Message, context: Context, name: str, case: str
) -> None:
    root = message(name, case=case)
    assert schema(name).validate(root), schema(name).error_log
    outcome = read(mappings, root, context)
    for event in range(len(outcome.events)):
        written = made(mappings, name, outcome, context, event=event)
        assert schema(name).validate(written), schema(name).error_log


@pytest.mark.shared
@needs_shared
@pytest.mark.parametrize("name", TWO_WAY)
def test_a_message_composed_for_an_event_of_a_modern_party_is_valid_against_the_schema(
    mappings: MappingSet, files: dict[str, str], context: Context, name: str
) -> None:
    folder = f"stuf-jz/{name}.cases"
    thin = name == "uitkomst-melding-generiek"
    event = json.loads(files[f"{folder}/taken-up.json" if thin else f"{folder}/from-event.json"])
    body = None if thin else json.loads(files[f"{folder}/from-event-resource.json"])
    values = {
        "referentie": "r-1",
        "afzender": "00000001999990020000",
        "afzSysteem": "vt-oost",
        "soort": "ZVH",
    }
    ref = RefExchange(
        message_id="m",
        conversation_id="c",
        service="s",
        action="a",
        from_party="f",
        to_party="t",
        values=values,
    )
    draft = EventDraft(
        type=event["type"],
        subject=event["subject"],
        time=context.received_at,
        time_from="content",
        data=event["data"],
        level=None,
        family=None,
        activity_id=None,
    )
    composed = compose(mappings, name, draft, context, body=body, ref=ref)
    assert isinstance(composed, Composed), [str(finding) for finding in composed.findings]
    assert schema(name).validate(etree.fromstring(composed.payload)), schema(name).error_log


@pytest.mark.shared
@needs_shared
@pytest.mark.parametrize("name", TWO_WAY)
def test_the_sample_of_the_standard_runs_both_ways(mappings: MappingSet, context: Context, name: str) -> None:
    root = etree.parse(str(SHARED / "samples" / f"{SAMPLES[name]}.xml")).getroot()
    outcome = read(mappings, root, context)
    assert outcome.findings == ()
    assert [findings_of_the_hub(event) for event in outcome.events] == [[]]
    written = made(mappings, name, outcome, context)
    assert schema(name).validate(written), schema(name).error_log
    again = read(mappings, written, context)
    assert outcome.resource and again.resource
    ours = {"ontvanger"}
    assert {k: v for k, v in again.resource.body.items() if k not in ours} == {
        k: v for k, v in outcome.resource.body.items() if k not in ours
    }


@pytest.mark.shared
@needs_shared
@pytest.mark.parametrize(("name", "outcome"), TECHNICAL.items())
def test_the_sample_of_a_technical_answer_tells_what_it_answers(
    mappings: MappingSet, context: Context, name: str, outcome: str
) -> None:
    root = etree.parse(str(SHARED / "samples" / f"{name.title()}.xml")).getroot()
    mapped = read(mappings, root, context)
    assert mapped.answer is not None
    assert (mapped.answer.about, mapped.answer.outcome) == (
        root.findtext(".//stuf:crossRefnummer", namespaces=NAMESPACES),
        outcome,
    )
