"""Explain, diff, record, the editor schema and the reference page."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import jsonschema
import pytest
import yaml
from lxml import etree

from bridge.mapping import diff as diffs
from bridge.mapping.context import Context, Rejected
from bridge.mapping.differences import ABSENT, json_differences, xml_differences
from bridge.mapping.explain import explain, explanation_lines
from bridge.mapping.jsonschema import mapping_schema
from bridge.mapping.load import MappingSet, read_mapping_set
from bridge.mapping.record import mapping_record, record_markdown
from bridge.mapping.reference import fill_reference

Make = Callable[..., etree._Element]
Edit = Callable[..., dict[str, str]]


def test_an_explanation_tells_where_a_value_came_from_and_masks_it(
    mappings: MappingSet, report: Make, context: Context
) -> None:
    program = mappings.named("vt-melding")
    assert program is not None
    explained = explain(program, report(), context=context)
    lines = explanation_lines(explained)
    [bsn] = [line for line in lines if line.startswith("betrokkenen/1/bsn:")]
    assert (
        "bg:inp.bsn (line " in bsn and "resource/betrokkenen/1/burgerservicenummer = (bsn: 9 digits)" in bsn
    )
    assert not any("Proefpersoon" in line for line in lines)
    assert any(line.startswith("left behind: jz:stuurgegevens/stuf:functie") for line in lines)


def test_an_explanation_tells_what_was_dropped_and_why(edited: Edit, report: Make, context: Context) -> None:
    place = "jz:object/jz:indicatieAgenderingAfstemmingsoverlegGewenst"
    row = (
        f"  overleg:      {{xml: {place}, resource: overlegGewenst, as: yes-no(Ja Nee),\n"
        "                 missing: nil(geenWaarde)}\n"
    )
    drop = f"drop:\n  {place}: nobody asks for it\n\ngraph:\n"
    program = read_mapping_set(edited("vt-melding", (row, ""), ("graph:\n", drop))).named("vt-melding")
    assert program is not None
    explained = explain(program, report(), context=context)
    assert any(left.why == "nobody asks for it" and left.line for left in explained.left)


def test_a_rejected_message_is_explained_as_far_as_reading_came(
    mappings: MappingSet, report: Make, context: Context
) -> None:
    program = mappings.named("vt-melding")
    assert program is not None
    explained = explain(
        program,
        report(("<JZ:identificatieVtMelding>PL-2026-000001<", "<JZ:identificatieVtMelding><")),
        context=context,
    )
    assert isinstance(explained.outcome, Rejected)
    assert explained.trace and any(line.startswith("finding: M902") for line in explanation_lines(explained))


def test_a_change_of_a_mapping_shows_what_it_changes(
    mappings: MappingSet, edited: Edit, report: Make, context: Context
) -> None:
    new = read_mapping_set(edited("vt-melding", ("resource: sash/ingevuld", "resource: sash/gedaan")))
    [change] = diffs.diff(mappings, new, {"a.xml": report()}, context=lambda _: context)
    assert [str(d) for d in change.differences] == [
        "resource/sash/ingevuld: False → (absent)",
        "resource/sash/gedaan: (absent) → False",
    ]
    assert (change.message, change.old, change.new) == ("a.xml", "vt-melding@1", "vt-melding@1")


def test_the_same_mappings_change_nothing(mappings: MappingSet, report: Make, context: Context) -> None:
    assert (
        diffs.diff(mappings, mappings, {"a": report(), "b": report(case="rich")}, context=lambda _: context)
        == ()
    )


def test_a_message_that_no_mapping_takes_any_more_is_a_change(
    mappings: MappingSet, files: dict[str, str], report: Make, context: Context
) -> None:
    fewer = read_mapping_set({n: t for n, t in files.items() if "vt-melding" not in n})
    [change] = diffs.diff(mappings, fewer, {"a": report()}, context=lambda _: context)
    assert (change.old, change.new) == ("vt-melding@1", None)


def test_differences_can_be_shown_without_the_values() -> None:
    [found] = json_differences({"naam": "Jansen"}, {"naam": "de Vries"})
    assert found.masked() == "naam: (6 characters) → (8 characters)"
    assert [d.new for d in json_differences({"a": 1}, {})] == [ABSENT]
    assert list(json_differences({"a": [1, True]}, {"a": [1, 1]})) != []


def test_messages_are_compared_as_the_standard_sees_them(mappings: MappingSet, report: Make) -> None:
    program = mappings.named("vt-melding")
    assert program is not None
    other = report(
        ('StUF:entiteittype="VTM"', 'StUF:entiteittype="VTM" StUF:scope="x"'),
        ("<BG:geboortedatum>20160220<", '<BG:geboortedatum StUF:indOnvolledigeDatum="V">20160220<'),
    )
    assert list(xml_differences(program, report(), other)) == []
    changed = report(("<BG:voornamen>Willem<", "<BG:voornamen>Wim<"))
    [found] = xml_differences(program, report(), changed)
    assert found.path.endswith("jz:heeftBetrokken[2]/jz:gerelateerde[1]/bg:voornamen[1]/text()")


def test_the_record_has_a_line_for_every_field(mappings: MappingSet) -> None:
    program = mappings.named("vt-melding")
    assert program is not None
    lines = {line.place: line for line in mapping_record(program) if line.place}
    leaves = [s.path for s in program.root.walk() if s.leaf]
    assert [path for path in leaves if path not in lines and f"{path}/." not in lines] == []
    bsn = lines["jz:object/jz:betreft/jz:gerelateerde/jz:heeftBetrokken/jz:gerelateerde/bg:inp.bsn"]
    assert (bsn.privacy, bsn.level, bsn.direction) == ("bsn", 2, "⇄")
    assert bsn.events == ("uitwisselen-melding.melding-geregistreerd",)
    assert lines["jz:stuurgegevens/stuf:functie"].reason == "always vtMeldingDi01"


def test_the_record_is_a_table_to_print(mappings: MappingSet) -> None:
    program = mappings.named("vt-terugkoppeling")
    assert program is not None
    text = record_markdown(program)
    assert text.startswith("# Terugkoppeling van Veilig Thuis (vt-terugkoppeling@1)\n")
    assert all(line.count("|") >= 9 for line in text.splitlines()[2:] if line)


def test_every_shipped_mapping_fits_the_editor_schema(all_files: dict[str, str]) -> None:
    schema = mapping_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    validator = jsonschema.Draft202012Validator(schema)
    for name, text in all_files.items():
        if name.endswith(".map.yaml"):
            wrong = [error.message for error in validator.iter_errors(yaml.load(text, yaml.BaseLoader))]
            assert wrong == [], name


def test_the_editor_schema_refuses_a_key_that_does_not_exist() -> None:
    validator = jsonschema.Draft202012Validator(mapping_schema())
    assert not validator.is_valid({"mapping": "a", "rows": {"a": {"xlm": "b"}}})


def test_the_reference_page_tells_what_the_code_does() -> None:
    page = Path(__file__).resolve().parents[2] / "docs" / "mapping-language.md"
    text = page.read_text(encoding="utf-8")
    assert fill_reference(text) == text, "make it anew with bridge.mapping.reference.fill_reference"


@pytest.mark.parametrize("name", ["vt-melding", "vt-terugkoppeling"])
def test_the_sha_is_that_of_all_that_a_mapping_stands_on(
    edited: Edit, mappings: MappingSet, files: dict[str, str], name: str
) -> None:
    same = read_mapping_set(dict(files)).named(name)
    other = read_mapping_set(
        {**files, "stuf-jz/standard.yaml": files["stuf-jz/standard.yaml"] + "\n# x\n"}
    ).named(name)
    own = mappings.named(name)
    assert own is not None and same is not None and other is not None
    assert own.sha == same.sha != other.sha
