"""What a screen may show of a message: nothing about a person, and of a masked value only its form."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from bridge.flow.mapping_folder import read_mapping_files
from bridge.mapping.load import MappingSet, read_mapping_set
from bridge.mapping.masking import (
    EVERYTHING,
    Form,
    Kind,
    form_of,
    mask_json,
    mask_xml,
    may_be_shown,
    program_for,
)

FOLDER = Path(__file__).resolve().parents[2] / "mappings"
CASES = sorted(FOLDER.glob("*/*.cases/*.xml"))
JZ = "http://www.stufstandaarden.nl/koppelvlak/jz0100"
BG = "http://www.egem.nl/StUF/sector/bg/0310"


@cache
def mappings() -> MappingSet:
    return read_mapping_set(read_mapping_files(FOLDER))


def lines_of(root: Any, shown: Any = ()) -> Any:
    return mask_xml(root, program_for(mappings().programs, root.tag, None), shown)


@pytest.mark.parametrize("file", CASES, ids=lambda file: f"{file.parent.stem}-{file.stem}")
def test_no_value_of_a_personal_class_is_shown_of_any_message(file: Path) -> None:
    root = etree.parse(str(file)).getroot()
    every = {line.number: line for line in lines_of(root, EVERYTHING)}
    for line in lines_of(root):
        if line.value is None:
            continue
        assert line.privacy == "-"
        assert not every[line.number].revealed


def test_masked_lines_have_the_same_numbers_when_they_are_shown() -> None:
    root = etree.parse(str(next(f for f in CASES if f.stem == "rich"))).getroot()
    assert [(x.number, x.name) for x in lines_of(root)] == [
        (x.number, x.name) for x in lines_of(root, EVERYTHING)
    ]


def test_one_line_that_is_asked_for_is_shown_and_no_other() -> None:
    root = etree.parse(str(FOLDER / "stuf-jz/vt-melding.cases/rich.xml")).getroot()
    bsn = next(line for line in lines_of(root) if line.name == "bg:inp.bsn" and line.form is Form.BSN)
    shown = [line for line in lines_of(root, {bsn.number}) if line.revealed]
    assert [line.number for line in shown] == [bsn.number]
    assert shown[0].value is not None and form_of(shown[0].value) is Form.BSN


@pytest.mark.parametrize(
    "xml",
    [
        "<aangifte><naam>Jan de Vries</naam></aangifte>",
        "<x><!-- Jan de Vries --><?pi Jan de Vries?></x>",
        '<JanDeVries xmlns="urn:Jan-de-Vries" Jan="de Vries">Jan de Vries</JanDeVries>',
    ],
)
def test_xml_that_no_mapping_knows_is_one_masked_line_without_a_name(xml: str) -> None:
    (line,) = lines_of(etree.fromstring(xml))
    assert (line.name, line.value, line.form, line.privacy) == ("", None, Form.TREE, "")


HIDING_PLACES = {
    "unknown element": "<jz:stuurgegevens><jz:JanDeVries>Jan de Vries</jz:JanDeVries></jz:stuurgegevens>",
    "unknown attribute": '<jz:stuurgegevens JanDeVries="Jan de Vries"/>',
    "text between elements": "<jz:stuurgegevens>Jan de Vries</jz:stuurgegevens>",
    "comment": "<jz:stuurgegevens><!--Jan de Vries--></jz:stuurgegevens>",
    "processing instruction": "<jz:stuurgegevens><?Jan de Vries?></jz:stuurgegevens>",
    "tail": "<jz:stuurgegevens><s:functie/>Jan de Vries</jz:stuurgegevens>",
    "wrong fixed value": "<jz:stuurgegevens><s:functie>Jan de Vries</s:functie></jz:stuurgegevens>",
    "element in a value": "<jz:stuurgegevens><s:functie><i>Jan de Vries</i></s:functie></jz:stuurgegevens>",
    "wrong code": "<jz:object s:entiteittype='Jan de Vries'/>",
    "wrong reason": "<jz:object><jz:eMail s:noValue='Jan de Vries'/></jz:object>",
    "too long": "<jz:stuurgegevens><s:referentienummer>"
    f"Jan de Vries {'x' * 200}</s:referentienummer></jz:stuurgegevens>",
}


@pytest.mark.parametrize("place", HIDING_PLACES)
def test_name_in_a_wrong_place_is_masked(place: str) -> None:
    root = etree.fromstring(
        f'<jz:vtMeldingDi01 xmlns:jz="{JZ}" xmlns:s="http://www.egem.nl/StUF/StUF0301">'
        f"{HIDING_PLACES[place]}</jz:vtMeldingDi01>"
    )
    lines = lines_of(root)
    assert "Vries" not in repr([(line.name, line.value) for line in lines])
    assert "Vries" in repr([line.value for line in lines_of(root, EVERYTHING)])


@pytest.mark.parametrize("text", ["999990019", "ref 999990019", "9999.90.019", "999 990 019", "x99990019"])
def test_number_that_may_be_a_bsn_is_masked_in_an_open_class_too(text: str) -> None:
    root = etree.fromstring(
        f'<jz:vtMeldingDi01 xmlns:jz="{JZ}" xmlns:s="http://www.egem.nl/StUF/StUF0301"><jz:stuurgegevens>'
        f"<s:zender><s:applicatie>{text}</s:applicatie></s:zender></jz:stuurgegevens></jz:vtMeldingDi01>"
    )
    lines = lines_of(root)
    digits = "".join(c for c in text if c.isdigit())
    if len(digits) == 9:
        assert all(line.value is None for line in lines)


@given(st.text(max_size=300))
def test_form_never_holds_a_part_of_the_value(text: str) -> None:
    assert form_of(text) in set(Form)


def test_form_does_not_tell_yes_from_no() -> None:
    assert form_of("Ja") == form_of("Nee") == form_of("M") == form_of("onbekend")
    assert form_of("9") == form_of("17")


@pytest.mark.parametrize("text", ["20261123", "00000001999990044000", "melding-7", "20260715235959123"])
def test_date_and_oin_are_no_bsn(text: str) -> None:
    assert may_be_shown(text)


def test_of_an_event_only_what_the_vocabulary_says_is_shown() -> None:
    secret = "Jan de Vries"
    vocabulary = mappings().programs[0].vocabulary
    known = next(iter(vocabulary.properties.values()))[0]
    kind = next(iter(vocabulary.classes.values()))[0]
    event = {
        "specversion": "1.0",
        "id": "1",
        "subject": secret,
        "naamvan": secret,
        secret: secret,
        "data": {
            "@type": [kind, secret],
            known: secret,
            "bsn": "999990019",
            "leeftijd": 9,
            "@graph": [{"@id": secret, secret: {"x": secret}}],
        },
    }
    lines = mask_json(event, vocabulary, {"specversion": "1.0", "id": "1", "subject": "melding/1"})
    said = {(line.name, line.value) for line in lines}
    assert ("specversion", "1.0") in said
    assert ("", kind) in said
    assert ("bsn", None) in said
    assert "Vries" not in repr(said)
    assert "999990019" not in repr(lines)
    assert any(line.kind is Kind.UNKNOWN for line in lines)
