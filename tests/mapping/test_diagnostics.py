"""The mistakes an integrator makes: each is told where it stands, in a sentence, with the mend."""

# ruff: noqa: E501  (the table of mistakes is read by its columns)

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bridge.errors import MappingError
from bridge.mapping.diagnostics import Diagnostic, nearest, render
from bridge.mapping.lint import fixes, lint_files
from bridge.mapping.load import load_files, read_mapping_set
from bridge.mapping.rules import RULES, Rule

Edit = Callable[..., dict[str, str]]
DERIVED = "  # -- derived\n"
NAME = "xml: jz:gerelateerde/bg:geslachtsnaam, resource: naam/geslachtsnaam"


def of(files: dict[str, str]) -> list[Diagnostic]:
    return [found for found in lint_files(files) if found.code not in ("M505",)]


def test_the_shipped_mappings_have_nothing_to_say(all_files: dict[str, str]) -> None:
    assert [str(found) for found in lint_files(all_files)] == []


# mistake, code, what the sentence says, the mend
MISTAKES: list[tuple[str, str, str, str, str, str]] = [
    ("a typing error in an element", "bg:geboortedatum, resource", "bg:geboortdatum, resource", "M201",
     "bg:geboortdatum does not exist in jz:gerelateerde", "did you mean bg:geboortedatum?"),
    ("the wrong prefix", "jz:gerelateerde/bg:voornamen, resource: naam/voornamen, missing: omit}\n      geslacht",
     "jz:gerelateerde/zkn:voornamen, resource: naam/voornamen, missing: omit}\n      geslacht", "M201",
     "zkn:voornamen does not exist", "did you mean bg:voornamen?"),
    ("no prefix", "jz:object/jz:informering,", "jz:object/informering,", "M202", "informering has no prefix",
     "did you mean jz:informering?"),
    ("no word about absence", "resource: naam/geslachtsnaam, missing: nil(waardeOnbekend)}", "resource: naam/geslachtsnaam}",
     "M220", "row naam: jz:gerelateerde/bg:geslachtsnaam can be absent", "add missing: nil(waardeOnbekend)"),
    ("an unknown conversion", "as: yes-no(Ja Nee)", "as: yesno(Ja Nee)", "M242", "there is no conversion yesno",
     "did you mean yes-no?"),
    ("a conversion without its words", "as: yes-no(Ja Nee)", "as: yes-no", "M242", "yes-no needs other words",
     "for example yes-no(Ja Nee)"),
    ("an unknown list", "as: list(rol)", "as: list(rollen)", "M113", "there is no list rollen", "did you mean rol?"),
    ("an unknown row in a text", '"melding/{melding}"', '"melding/{meldng}"', "M240", "there is no row meldng",
     "did you mean melding?"),
    ("an unknown key", "repeat: yes, missing: omit}\n  contactTel", "repeats: yes, missing: omit}\n  contactTel", "M105",
     "repeats is no key of a row", "did you mean repeat?"),
    ("an element that repeats, read once", "resource: contact/emailAdres, repeat: yes,", "resource: contact/emailAdres,", "M204",
     "jz:eMail may stand 0..* times", "add repeat: yes, or use each"),
    ("a group where a value should be", "jz:object/jz:informering, resource: informering", "jz:object/jz:betreft, resource: informering",
     "M203", "jz:betreft holds elements, not a value", "use each"),
    ("a reason that does not exist", "nil(waardeOnbekend)", "nil(onbekend)", "M221", "onbekend is no reason",
     "did you mean waardeOnbekend?"),
    ("nil where it is not allowed", "resource: sash/niveau, missing: omit", "resource: sash/niveau, missing: nil", "M221",
     "may not be nil", "omit"),
    ("an unknown node", "betreft: ->betrokkene", "betreft: ->betrokkenen", "M250", "there is no node betrokkenen",
     "did you mean betrokkene?"),
    ("an unknown property", "inzageUrl: \"{resource/url}\"}\n  betrokkene", "inzageurl: \"{resource/url}\"}\n  betrokkene", "M250",
     "inzageurl is no property", "did you mean inzageUrl?"),
    ("an unknown class", "class: Melding,", "class: Meldng,", "M250", "Meldng is no class", "did you mean Melding?"),
    ("a name in an event", "identifier: \"{header/from}\", naam", "identifier: \"{informering}\", naam", "M302",
     "shows informering (class vrije-tekst)", "leave it to the resource"),
    ("a name in the subject", 'subject: "melding/{melding}"', 'subject: "melding/{incPlaats}"', "M303",
     "the subject holds incPlaats", ""),
    ("a person at a low level", "0: [melding, registreren,", "0: [melding, betrokkene, registreren,", "M301",
     "node betrokkene is about a person, in an event of level 0", "persons are for level 2"),
    ("a value shown lower than it may be", "resource: informering, missing", "resource: informering, level: 1, missing", "M304",
     "row informering is of class vrije-tekst", "because:"),
    ("a member the profile does not know", "members: {bsn:", "members: {bsn2: \"{kindBsn}\", bsn:", "M302",
     "names no member bsn2", ""),
    ("an id that can be absent", "{each: betrokkenen, when: bsn, id", "{each: betrokkenen, id", "M220",
     "bsn can be absent, so this node could get no id", "when: bsn"),
    ("an event type that is none", "- type:    uitwisselen-melding.melding-geregistreerd", "- type:    MeldingGeregistreerd", "M601",
     "is no event type", ""),
    ("two sources", "{calc: first(datum tijdstip)}", "{calc: first(datum tijdstip), text: x}", "M243", "several sources", ""),
    ("an unknown calculation", "calc: first(", "calc: frist(", "M242", "there is no calculation frist", "did you mean first?"),
    ("rows that need each other", "{calc: first(datum tijdstip)}", "{calc: first(dag tijdstip)}", "M241",
     "rows need each other: dag → dag", ""),
    ("no source for a required element", ", missing: default(Nee)}", ", missing: default(Nee), write: {missing: omit}}", "M221",
     "is required, so it cannot be left out", "default"),
    ("a version that is no number", "version: 1", "version: one", "M104", "version is a whole number", ""),
    ("a tab", "mapping: vt-melding", "mapping:\tvt-melding\n\tx: y", "M101", "this is not YAML", ""),
    ("a direction that does not exist", "direction: both", "direction: two-way", "M107", "direction is one of", ""),
]  # fmt: skip


@pytest.mark.parametrize(
    ("old", "new", "code", "says", "mend"),
    [m[1:] for m in MISTAKES],
    ids=[m[0] for m in MISTAKES],
)
def test_a_typical_mistake_is_told_where_it_stands(
    edited: Edit, old: str, new: str, code: str, says: str, mend: str
) -> None:
    files = edited("vt-melding", (old, new))
    found = [d for d in of(files) if d.code == code and says in d.text]
    assert found, [str(d) for d in of(files)]
    first = found[0]
    assert mend in first.hint
    line = files[first.span.file].splitlines()[first.span.line - 1]
    assert first.span.column <= len(line) + 1


def test_every_mistake_is_told_at_once(edited: Edit) -> None:
    files = edited(
        "vt-melding",
        ("bg:geboortedatum, resource", "bg:geboortdatum, resource"),
        ("as: list(rol)", "as: list(rollen)"),
        ("class: Melding,", "class: Meldng,"),
    )
    with pytest.raises(MappingError) as error:
        read_mapping_set(files)
    assert {"M201", "M113", "M250"} <= {line.split("  ")[1] for line in error.value.lines if "  M" in line}
    assert error.value.lines[-1] == "3 errors, 0 warnings."


def test_a_finding_is_drawn_with_the_line_and_the_mark(edited: Edit) -> None:
    files = edited("vt-melding", ("as: list(rol)", "as: list(rollen)"))
    [found] = of(files)
    drawn = render([found], files)[0].splitlines()
    assert drawn[0].startswith(
        f"stuf-jz/vt-melding.map.yaml:{found.span.line}:{found.span.column}  M113  there is no list"
    )
    at = drawn[1].index("rollen")
    assert drawn[2][at : at + 6] == "^^^^^^"
    assert drawn[2].endswith("did you mean rol?")


def test_certain_mends_can_be_made(edited: Edit, files: dict[str, str]) -> None:
    wrong = edited(
        "vt-melding",
        ("bg:geboortedatum, resource", "bg:geboortdatum, resource"),
        ("as: list(rol)", "as: list(rollen)"),
    )
    mended = fixes(lint_files(wrong), wrong)
    assert mended == {"stuf-jz/vt-melding.map.yaml": files["stuf-jz/vt-melding.map.yaml"]}


def test_a_required_element_is_not_left_out(edited: Edit) -> None:
    files = edited(
        "vt-melding",
        ("resource: incident/locatie, missing: nil(geenWaarde)", "resource: incident/locatie, missing: omit"),
    )
    [found] = of(files)
    assert (found.code, found.hint) == ("M221", "add missing: nil(waardeOnbekend), or missing: error")


def test_a_field_without_a_row_is_told(edited: Edit) -> None:
    files = edited(
        "vt-melding",
        ("  informering:  {xml: jz:object/jz:informering, resource: informering, missing: omit}\n", ""),
    )
    [found] = of(files)
    assert (found.code, found.text) == ("M230", "jz:object/jz:informering is neither mapped nor dropped")


def test_a_field_may_be_dropped_with_a_reason(edited: Edit) -> None:
    row = "  informering:  {xml: jz:object/jz:informering, resource: informering, missing: omit}\n"
    files = edited(
        "vt-melding",
        (row, ""),
        ("graph:\n", "drop:\n  jz:object/jz:informering: {nl: te lang, en: too long}\n\ngraph:\n"),
    )
    assert of(files) == []
    program = read_mapping_set(files).named("vt-melding")
    assert program is not None and program.dropped == (("jz:object/jz:informering", "te lang / too long"),)


def test_a_drop_without_a_reason_is_told(edited: Edit) -> None:
    row = "  informering:  {xml: jz:object/jz:informering, resource: informering, missing: omit}\n"
    files = edited("vt-melding", (row, ""), ("graph:\n", "drop:\n  jz:object/jz:informering:\n\ngraph:\n"))
    assert [d.code for d in of(files)] == ["M108"]


def test_what_is_required_and_not_nillable_cannot_be_dropped(edited: Edit) -> None:
    row = "resource: afzender/oin, remember: yes, write: {from: [resource/afzender/oin, self/oin]}}"
    files = edited("vt-melding", (row, "remember: yes}"))
    assert "M210" in [d.code for d in of(files)]


def test_a_place_read_twice_is_told(edited: Edit) -> None:
    files = edited(
        "vt-melding",
        (DERIVED, f"{DERIVED}  twee: {{xml: jz:object/jz:informering, resource: x, missing: omit}}\n"),
    )
    assert [d.code for d in of(files)] == ["M205"]


def test_two_rows_for_one_place_in_the_resource_are_told(edited: Edit) -> None:
    files = edited("vt-melding", ("resource: sash/niveau", "resource: sash/ingevuld/niveau"))
    [found] = of(files)
    assert found.code == "M206" and "one is a value, one a group" in found.text


def test_an_event_that_cannot_occur_is_told(edited: Edit) -> None:
    files = edited("vt-terugkoppeling", ("is: afgewezen", "is: geweigerd"))
    [found] = of(files)
    assert (found.code, found.hint) == ("M246", "it can be afgewezen, besloten, opgepakt")


def test_a_row_or_list_that_nothing_uses_is_told(edited: Edit) -> None:
    files = edited(
        "vt-melding",
        (DERIVED, f"{DERIVED}  los: {{calc: first(datum tijdstip)}}\n"),
        ("  wijze: lists", "  los: lists/leefgebied.csv\n  wijze: lists"),
    )
    assert [(d.code, d.severity) for d in of(files)] == [("M245", "warning"), ("M245", "warning")]


def test_an_event_type_that_is_not_on_the_list_of_the_hub_is_told(files: dict[str, str]) -> None:
    found = lint_files(files, event_types={"uitwisselen-melding.melding-geregistreerd": "melding/"})
    assert {d.code for d in found} == {"M601"}
    assert any("melding-opgepakt is not on the list" in d.text for d in found)


def test_a_mapping_without_cases_is_told(files: dict[str, str]) -> None:
    bare = {name: text for name, text in files.items() if "vt-melding.cases" not in name}
    assert [d.code for d in lint_files(bare)] == ["M505"]


def test_two_mappings_of_one_name_are_told(files: dict[str, str]) -> None:
    double = {**files, "stuf-jz/copy.map.yaml": files["stuf-jz/vt-melding.map.yaml"]}
    assert "M109" in [d.code for d in lint_files(double)]


@pytest.mark.parametrize(
    "name",
    [
        "vocabulary.yaml",
        "stuf-jz/standard.yaml",
        "stuf-jz/lists/jeugdzorgrol.csv",
        "stuf-jz/structure/vtMeldingDi01.structure",
    ],
)
def test_a_file_that_is_missing_is_told(files: dict[str, str], name: str) -> None:
    rest = {n: text for n, text in files.items() if n != name}
    assert "M113" in [d.code for d in lint_files(rest)]


def test_another_file_of_the_same_set_still_compiles(edited: Edit) -> None:
    files = edited("vt-melding", ("version: 1", "version: one"))
    made, _ = load_files(files)
    assert "vt-terugkoppeling" in [p.name for p in made.programs]


# -- the registry


def test_every_code_that_the_source_names_is_registered_and_none_is_idle() -> None:
    bridge = Path(__file__).resolve().parents[2] / "bridge"
    rooms = [*(bridge / "mapping").rglob("*.py"), bridge / "flow" / "xsd.py"]
    source = "\n".join(p.read_text() for p in rooms if p.name != "rules.py")
    idle = [code for code in RULES if f'"{code}"' not in source]
    assert idle == []


@pytest.mark.parametrize("rule", RULES.values(), ids=lambda r: r.code)
def test_a_rule_explains_itself(rule: Rule) -> None:
    assert rule.text.endswith(".")
    assert rule.why and rule.right


def test_the_nearest_name_prefers_the_same_name_under_another_prefix() -> None:
    assert nearest("zkn:naam", ["zkn:naam1", "bg:naam"]) == "bg:naam"
    assert nearest("totally-other", ["abc"]) is None


# -- anything may be in a file


@settings(max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(data=st.data())
def test_any_change_of_a_mapping_file_ends_in_diagnostics(files: dict[str, str], data: st.DataObject) -> None:
    name = data.draw(
        st.sampled_from(
            [n for n in sorted(files) if n.endswith((".map.yaml", "standard.yaml", "vocabulary.yaml"))]
        )
    )
    text = files[name]
    at = data.draw(st.integers(0, len(text)))
    length = data.draw(st.integers(0, 40))
    piece = data.draw(
        st.one_of(
            st.text(max_size=12),
            st.sampled_from(["{", "}", "[", "]", ": ", "- ", "\n  ", "&a ", "*a", "!!x ", "null", "~"]),
        )
    )
    load_files({**files, name: text[:at] + piece + text[at + length :]})


@settings(max_examples=80, deadline=None)
@given(text=st.text(max_size=200))
def test_any_text_as_a_mapping_ends_in_diagnostics(text: str) -> None:
    _, found = load_files(
        {"vocabulary.yaml": text, "a/standard.yaml": text, "a/x.map.yaml": text, "a/lists/l.csv": text}
    )
    assert found


def test_anchors_and_aliases_are_refused() -> None:
    bomb = "a: &a [x, x]\n" + "".join(f"b{i}: &b{i} [*a, *a]\n" for i in range(20))
    _, found = load_files({"a/x.map.yaml": bomb})
    assert "M103" in [d.code for d in found]


def test_a_file_nested_too_deep_is_refused() -> None:
    _, found = load_files({"a/x.map.yaml": "[" * 500})
    assert "M101" in [d.code for d in found]
