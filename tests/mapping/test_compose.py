"""Composing: order, what is required, choices, headers, and every reason why not."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from lxml import etree

from bridge.mapping.compose import compose_message, needs
from bridge.mapping.context import Composed, Context, EventView, Mapped, RefExchange, Rejected
from bridge.mapping.load import MappingSet
from bridge.mapping.run import run_mapping
from bridge.mapping.xmlwrite import Made, write_xml

Make = Callable[..., etree._Element]


@pytest.fixture
def event(context: Context) -> EventView:
    return EventView(
        type="uitwisselen-melding.melding-geregistreerd",
        subject="melding/PL-9",
        time=context.received_at,
        data={},
    )


@pytest.fixture
def full(mappings: MappingSet, report: Make, context: Context) -> dict[str, Any]:
    program = mappings.named("vt-melding")
    assert program is not None
    outcome = run_mapping(program, report(case="rich"), context=context)
    assert isinstance(outcome, Mapped) and outcome.resource is not None
    return outcome.resource.body


def compose(
    mappings: MappingSet, event: EventView, resource: dict[str, Any] | None, context: Context, name: str = "vt-melding",
    ref: RefExchange | None = None,
) -> Composed | Rejected:  # fmt: skip
    program = mappings.named(name)
    assert program is not None
    return compose_message(program, event, resource=resource, ref=ref, context=context)


def rules(outcome: Composed | Rejected) -> list[str]:
    return sorted({finding.rule for finding in outcome.findings})


def test_what_a_mapping_needs_is_known_beforehand(mappings: MappingSet) -> None:
    report, feedback = mappings.named("vt-melding"), mappings.named("vt-terugkoppeling")
    assert report is not None and feedback is not None
    assert (needs(report).resource, needs(report).resource_required) == (True, True)
    assert (needs(feedback).resource, needs(feedback).resource_required, needs(feedback).ref) == (
        True,
        False,
        True,
    )


def test_composing_twice_gives_the_same_octets(
    mappings: MappingSet, event: EventView, full: dict[str, Any], context: Context
) -> None:
    first, second = (compose(mappings, event, full, context) for _ in range(2))
    assert isinstance(first, Composed) and isinstance(second, Composed)
    assert first.payload == second.payload
    assert first.payload.startswith(b'<?xml version="1.0" encoding="UTF-8"?>\n<jz:vtMeldingDi01 xmlns:jz="')


def test_elements_stand_in_the_order_of_the_standard(
    mappings: MappingSet, event: EventView, full: dict[str, Any], context: Context
) -> None:
    shuffled = dict(reversed(full.items()))
    outcome = compose(mappings, event, shuffled, context)
    assert isinstance(outcome, Composed)
    program = mappings.named("vt-melding")
    assert program is not None
    again = run_mapping(program, etree.fromstring(outcome.payload), context=context)
    assert isinstance(again, Mapped)
    assert [f.rule for f in again.findings] == []


def test_an_empty_resource_becomes_a_message_of_nils(
    mappings: MappingSet, event: EventView, context: Context
) -> None:
    outcome = compose(mappings, event, {}, context)
    assert isinstance(outcome, Composed)
    root = etree.fromstring(outcome.payload)
    names = {"jz": "http://www.stufstandaarden.nl/koppelvlak/jz0100"}
    assert root.xpath("string(jz:object/jz:identificatieVtMelding)", namespaces=names) == "PL-9"
    assert b'<jz:contactgegevensVerdiepingOpInfo xsi:nil="true"/>' in outcome.payload
    assert b"<jz:indicatieSASHIngevuld>Nee<" in outcome.payload


def test_of_a_choice_only_one_may_stand(
    mappings: MappingSet, event: EventView, full: dict[str, Any], context: Context
) -> None:
    full["melder"]["rsin"] = "999990019"
    assert rules(compose(mappings, event, full, context)) == ["M931"]


def test_a_value_that_does_not_fit_its_place_is_refused(
    mappings: MappingSet, event: EventView, full: dict[str, Any], context: Context
) -> None:
    full["heeftBetrekkingOp"][0]["adres"]["postcode"] = "9999 XX"
    [finding] = compose(mappings, event, full, context).findings
    assert (finding.rule, finding.row, finding.privacy) == ("M932", "fPostcode", "adres")
    assert "9999 XX" not in finding.text


HOSTILE: list[tuple[str, Any]] = [
    ("id", ["a"]),
    ("incident", "no group"),
    ("incident", {"omschrijving": {"a": 1}}),
    ("heeftBetrekkingOp", {"a": 1}),
    ("heeftBetrekkingOp", ["text", 3, None, []]),
    ("heeftBetrekkingOp", [{"naam": [], "_afwezig": "x"}]),
    ("_afwezig", {"jz:object.jz:betreft": ["nil"]}),
    ("extra", [{"naam": 3}, "x", {}]),
    ("zorgelijkeSituatie", {"registraties": [{"_afwezig": {".": "onzin"}}]}),
    ("informering", "bell \x07"),
    ("informering", "\ud800"),
    ("informering", "]]> & <x/>\r\n"),
]


@pytest.mark.parametrize(("place", "value"), HOSTILE, ids=range(len(HOSTILE)))
def test_any_full_data_ends_in_a_message_or_in_reasons(
    mappings: MappingSet, event: EventView, full: dict[str, Any], context: Context, place: str, value: Any
) -> None:
    outcome = compose(mappings, event, {**full, place: value}, context)
    if isinstance(outcome, Composed):
        etree.fromstring(outcome.payload)
    else:
        assert outcome.findings


def test_characters_that_xml_cannot_carry_are_refused(
    mappings: MappingSet, event: EventView, full: dict[str, Any], context: Context
) -> None:
    [finding] = compose(mappings, event, {**full, "informering": "bell \x07"}, context).findings
    assert (finding.rule, finding.row) == ("M932", "informering")


def test_text_is_escaped_and_comes_back_whole(
    mappings: MappingSet, event: EventView, full: dict[str, Any], context: Context
) -> None:
    text = ']]> & <x a="1"/>\r\n\t\''
    outcome = compose(mappings, event, {**full, "informering": text}, context)
    assert isinstance(outcome, Composed)
    root = etree.fromstring(outcome.payload)
    assert root.findtext(".//{http://www.stufstandaarden.nl/koppelvlak/jz0100}informering") == text


def test_an_attribute_is_escaped_and_comes_back_whole() -> None:
    payload = write_xml(Made("a:b", {"c": "<&>\"'\n\t\r"}), {"a": "urn:a"})
    assert etree.fromstring(payload).get("c") == "<&>\"'\n\t\r"


def test_an_event_of_another_type_is_refused(
    mappings: MappingSet, event: EventView, full: dict[str, Any], context: Context
) -> None:
    other = replace(event, type="uitwisselen-melding.melding-opgepakt")
    assert rules(compose(mappings, other, full, context)) == ["M934"]


def test_without_the_full_data_that_it_needs_it_waits(
    mappings: MappingSet, event: EventView, context: Context
) -> None:
    assert rules(compose(mappings, event, None, context)) == ["M933"]


def test_an_answer_takes_conversation_and_reference_of_the_earlier_exchange(
    mappings: MappingSet, event: EventView, back: Context
) -> None:
    ref = RefExchange(
        message_id="m-1",
        conversation_id="c-1",
        service="urn:s",
        action="vtMelding",
        from_party="a",
        to_party="b",
        values={"afzender": "00000001999990019000", "afzSysteem": "meldkamer"},
    )
    taken = replace(event, type="uitwisselen-melding.melding-opgepakt")
    data = {"status": "overdracht", "uitvoerder": {"naam": "X"}}
    outcome = compose(mappings, taken, data, back, "vt-terugkoppeling", ref)
    assert isinstance(outcome, Composed)
    assert (outcome.service, outcome.action) == ("urn:s", "vtTerugkoppeling")
    assert outcome.header == {"conversationId": "c-1", "refToMessageId": "m-1"}
    assert outcome.values["melding"] == "PL-9"


def test_without_an_earlier_exchange_the_settings_of_the_partner_serve(
    mappings: MappingSet, event: EventView, back: Context
) -> None:
    taken = replace(event, type="uitwisselen-melding.melding-opgepakt")
    outcome = compose(mappings, taken, {"uitvoerder": {"naam": "X"}}, back, "vt-terugkoppeling")
    assert isinstance(outcome, Composed)
    assert (outcome.service, outcome.header) == (None, {})
    assert b"<stuf:ontvanger><stuf:organisatie>00000001999990019000<" in outcome.payload


def test_the_closest_status_of_the_source_is_written(
    mappings: MappingSet, event: EventView, back: Context
) -> None:
    refused = replace(event, type="uitwisselen-melding.melding-afgewezen")
    given = {"status": "melding-onjuist-geadresseerd", "uitvoerder": {"naam": "X"}}
    closest = compose(mappings, refused, given, back, "vt-terugkoppeling")
    default = compose(mappings, refused, {"uitvoerder": {"naam": "X"}}, back, "vt-terugkoppeling")
    assert isinstance(closest, Composed) and isinstance(default, Composed)
    assert b"<zkn:status>Melding onjuist geadresseerd</zkn:status>" in closest.payload
    assert b"<zkn:status>melding niet ontvankelijk</zkn:status>" in default.payload


def test_other_spellings_and_prefixes_of_a_graph_are_read(
    mappings: MappingSet, event: EventView, back: Context
) -> None:
    agent = {
        "@id": "urn:nld:oin:00000001999990020000",
        "@type": "s:Organisatie",
        "s:naam": {"@value": "VT Oost"},
    }
    context = {"s": "https://samen-onder-handbereik.github.io/specificaties/schema/"}
    taken = replace(
        event, type="uitwisselen-melding.melding-opgepakt", data={"@context": context, "@graph": [3, agent]}
    )
    outcome = compose(mappings, taken, None, back, "vt-terugkoppeling")
    assert isinstance(outcome, Composed)
    assert b"<zkn:naam>VT Oost</zkn:naam><zkn:oinNummer>00000001999990020000<" in outcome.payload
