"""The traps of StUF, one test each."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from lxml import etree

from bridge.mapping.compose import compose_message
from bridge.mapping.context import Context, EventView, Mapped, Rejected
from bridge.mapping.load import MappingSet, read_mapping_set
from bridge.mapping.run import run_mapping

Make = Callable[..., etree._Element]
XSI = 'xmlns:x="http://www.w3.org/2001/XMLSchema-instance"'


def body(mappings: MappingSet, root: etree._Element, context: Context) -> dict[str, Any]:
    program = mappings.for_xml(str(root.tag), service=None, action=None, cpa_id=None)
    assert program is not None
    outcome = run_mapping(program, root, context=context)
    assert isinstance(outcome, Mapped), outcome
    assert outcome.resource is not None
    return outcome.resource.body


FORMS = [
    ("", None),
    (f'<JZ:SASHniveau {XSI} x:nil="true" StUF:noValue="geenWaarde"/>', "geenWaarde"),
    (f'<JZ:SASHniveau {XSI} x:nil="1"/>', "nil"),
    ('<JZ:SASHniveau StUF:noValue="waardeOnbekend"></JZ:SASHniveau>', "leeg waardeOnbekend"),
    ("<JZ:SASHniveau/>", "leeg"),
]


@pytest.mark.parametrize(("element", "form"), FORMS)
def test_five_ways_of_saying_no_value_are_told_apart(
    mappings: MappingSet, report: Make, context: Context, element: str, form: str | None
) -> None:
    anchor = "<JZ:indicatieSASHIngevuld>Nee</JZ:indicatieSASHIngevuld>"
    made = body(mappings, report((anchor, anchor + element)), context)["sash"]
    assert "niveau" not in made
    assert made.get("_afwezig", {}).get("niveau") == form


def test_no_value_without_a_namespace_is_read_where_it_stands_so(
    mappings: MappingSet, report: Make, context: Context
) -> None:
    old = "<JZ:indicatieAgenderingAfstemmingsoverlegGewenst>Ja<"
    new = f'<JZ:indicatieAgenderingAfstemmingsoverlegGewenst {XSI} x:nil="true" noValue="geenWaarde"><'
    assert body(mappings, report((old, new)), context)["_afwezig"] == {"overlegGewenst": "geenWaarde"}


def test_a_nil_relation_is_kept_and_written_again(
    mappings: MappingSet, report: Make, context: Context
) -> None:
    made = body(mappings, report(case="minimal"), context)
    assert made["_afwezig"]["jz:object.jz:betreft"] == "nietGeautoriseerd"
    payload = composed(mappings, context, made)
    assert b'<jz:betreft stuf:entiteittype="VTMZOS" noValue="nietGeautoriseerd" xsi:nil="true"/>' in payload


def composed(mappings: MappingSet, context: Context, resource: dict[str, Any]) -> bytes:
    program = mappings.named("vt-melding")
    assert program is not None
    event = EventView(
        type="uitwisselen-melding.melding-geregistreerd",
        subject="melding/PL-1",
        time=context.received_at,
        data={},
    )
    outcome = compose_message(program, event, resource=resource, ref=None, context=context)
    assert not isinstance(outcome, Rejected), outcome
    return outcome.payload


def test_the_same_local_name_in_another_namespace_is_another_element(
    mappings: MappingSet, report: Make, context: Context
) -> None:
    """extraElementen apart, `gerelateerde` exists in three namespaces."""
    root = report(("<JZ:gerelateerde StUF:entiteittype=\"BTR\">", "<ZKN:gerelateerde StUF:entiteittype=\"BTR\">"),
                  ("<ZKN:instantiecode>PLX</ZKN:instantiecode>\n      </JZ:gerelateerde>",
                   "<ZKN:instantiecode>PLX</ZKN:instantiecode>\n      </ZKN:gerelateerde>"))  # fmt: skip
    program = mappings.named("vt-melding")
    assert program is not None
    outcome = run_mapping(program, root, context=context)
    assert isinstance(outcome, Rejected)
    [finding] = [f for f in outcome.findings if f.rule == "M905"]
    assert "the standard has jz:gerelateerde here" in finding.text


def test_prefixes_are_free(mappings: MappingSet, report: Make, context: Context) -> None:
    """The rich case has a default namespace that changes from element to element."""
    assert body(mappings, report(case="rich"), context)["heeftBetrekkingOp"][0]["naam"] == {
        "geslachtsnaam": "Proefpersoon",
        "voorvoegsel": "van",
        "voornamen": "Willem",
    }


def test_a_prefix_may_be_bound_anew_further_down(
    mappings: MappingSet, report: Make, context: Context
) -> None:
    root = report(
        ("<BG:voornamen>Willem</BG:voornamen>",
         '<ZKN:voornamen xmlns:ZKN="http://www.egem.nl/StUF/sector/bg/0310">Willem</ZKN:voornamen>')
    )  # fmt: skip
    assert body(mappings, root, context)["heeftBetrekkingOp"][1]["naam"]["voornamen"] == "Willem"


PARTIAL = [
    ("20190000", ' StUF:indOnvolledigeDatum="M"', "2019"),
    ("20190500", ' StUF:indOnvolledigeDatum="D"', "2019-05"),
    ("20190517", ' StUF:indOnvolledigeDatum="M"', "2019"),
    ("20190517", ' StUF:indOnvolledigeDatum="V"', "2019-05-17"),
    (" 20190517 ", "", "2019-05-17"),
    ("00000000", ' StUF:indOnvolledigeDatum="J"', "0000"),
]


@pytest.mark.parametrize(("digits", "attribute", "expected"), PARTIAL)
def test_partial_dates_keep_what_is_known(
    mappings: MappingSet, report: Make, context: Context, digits: str, attribute: str, expected: str
) -> None:
    root = report(("<BG:geboortedatum>20160220<", f"<BG:geboortedatum{attribute}>{digits}<"))
    assert body(mappings, root, context)["heeftBetrekkingOp"][1]["geboortedatum"] == expected


def test_a_partial_date_is_written_with_its_indicator(
    mappings: MappingSet, report: Make, context: Context
) -> None:
    root = report(("<BG:geboortedatum>20160220<", '<BG:geboortedatum StUF:indOnvolledigeDatum="M">20160000<'))
    payload = composed(mappings, context, body(mappings, root, context))
    assert b'<bg:geboortedatum stuf:indOnvolledigeDatum="M">20160000</bg:geboortedatum>' in payload


def test_a_moment_without_a_zone_is_dutch_time(mappings: MappingSet, report: Make, context: Context) -> None:
    root = report(("<StUF:tijdstipBericht>20260115120000<", "<StUF:tijdstipBericht>20260715120000<"))
    assert body(mappings, root, context)["datumTijd"] == "2026-07-15T10:00:00Z"


def test_extra_elements_keep_name_order_and_repeats(
    mappings: MappingSet, report: Make, context: Context
) -> None:
    made = body(mappings, report(case="rich"), context)
    assert [item["naam"] for item in made["extra"]] == [
        "zaaknummerPolitie",
        "zaaknummerPolitie",
        "",
        "peildatum",
    ]
    again = etree.fromstring(composed(mappings, context, made))
    assert body(mappings, again, context)["extra"] == made["extra"]


def test_an_extra_element_can_be_read_by_name(
    edited: Callable[..., dict[str, str]], report: Make, context: Context
) -> None:
    place = "jz:object/stuf:extraElementen/stuf:extraElement[@naam='peildatum']"
    row = f'  peil: {{xml: "{place}", resource: peil, missing: omit}}\n'
    files = edited("vt-melding", ("  # -- derived\n", f"  # -- derived\n{row}"))
    assert body(read_mapping_set(files), report(case="rich"), context)["peil"] == "20260000"


def test_numbers_that_are_names_stay_text(mappings: MappingSet, report: Make, context: Context) -> None:
    made = body(mappings, report(case="rich"), context)
    assert made["heeftBetrekkingOp"][0]["burgerservicenummer"] == "999990019"
    assert made["heeftBetrekkingOp"][0]["vreemdelingennummer"] == "0000123456"
    assert made["melder"]["vestigingsnummer"] == "000099990001"


def test_a_bsn_with_a_leading_zero_keeps_it(mappings: MappingSet, report: Make, context: Context) -> None:
    root = report(("<BG:inp.bsn>999990019<", "<BG:inp.bsn>012345672<"))
    made = body(mappings, root, context)
    assert made["heeftBetrekkingOp"][1]["burgerservicenummer"] == "012345672"
    assert b"<bg:inp.bsn>012345672</bg:inp.bsn>" in composed(mappings, context, made)


def test_comments_and_instructions_inside_a_value_are_no_part_of_it(
    mappings: MappingSet, report: Make, context: Context
) -> None:
    root = report(("<JZ:datumMelding>20260115<", "<JZ:datumMelding>2026<!-- ja --><?x y?>0115<"))
    assert body(mappings, root, context)["datumMelding"] == "2026-01-15"


def test_cdata_and_line_breaks_in_free_text_come_back(
    mappings: MappingSet, report: Make, context: Context
) -> None:
    made = body(mappings, report(case="rich"), context)
    text = made["incident"]["omschrijving"]
    assert "<met haken> & meer.\nTweede regel\tmet" in text
    again = etree.fromstring(composed(mappings, context, made))
    assert body(mappings, again, context)["incident"]["omschrijving"] == text


def test_attributes_about_registers_are_passed_over(
    mappings: MappingSet, report: Make, context: Context
) -> None:
    root = report(
        ('StUF:entiteittype="VTM"', 'StUF:entiteittype="VTM" StUF:sleutelSynchronisatie="1" StUF:scope="a"')
    )
    body(mappings, root, context)


def test_an_entity_of_any_kind_keeps_its_code(mappings: MappingSet, report: Make, context: Context) -> None:
    root = report(('<JZ:gerelateerde StUF:entiteittype="NPS">', '<JZ:gerelateerde StUF:entiteittype="ANP">'))
    made = body(mappings, root, context)
    assert made["heeftBetrekkingOp"][0]["entiteit"] == "ANP"
    assert b'<jz:gerelateerde stuf:entiteittype="ANP">' in composed(mappings, context, made)
