"""Ten typical mistakes in a mapping: each is reported with file, line, column, and a mend that is obvious.

`python -m tests.cli.test_mapping_mistakes` writes what lint says of those in the guide's mapping into the guide.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from bridge.cli.mapping_files import Loaded, load_folder
from bridge.cli.mapping_lint import mend, problems
from bridge.mapping.diagnostics import Diagnostic, render
from tests.cli.guide import GUIDE

MAPPINGS = Path(__file__).resolve().parents[2] / "mappings"
EXAMPLES = GUIDE.parent / "examples" / "mappings"
REAL = "stuf-jz/vt-melding.map.yaml"
EXAMPLE = "wijkteam/aanmelding.map.yaml"
LIST = "wijkteam/lists/rol.csv"
CASE = "wijkteam/aanmelding.cases/two.yaml"
_MADE = re.compile(r"(<!-- made: mistakes -->\n).*?(<!-- end -->)", re.DOTALL)


@dataclass(frozen=True)
class Mistake:
    title: str
    old: str
    new: str
    rule: str
    marked: str
    """The text to which the finding points."""
    mend: str
    """What the finding says to do."""


MISTAKES = (
    Mistake(
        "wrong prefix",
        "jz:gerelateerde/bg:geboortedatum,",
        "jz:gerelateerde/jz:geboortedatum,",
        "M201",
        "jz:geboortedatum",
        "did you mean bg:geboortedatum?",
    ),
    Mistake(
        "misspelled element",
        "jz:object/jz:datumIncident,",
        "jz:object/jz:datumIncidnet,",
        "M201",
        "jz:datumIncidnet",
        "did you mean jz:datumIncident?",
    ),
    Mistake(
        "nothing said about absence",
        "resource: datumMelding, as: stuf-date, level: 0, missing: nil(waardeOnbekend)}",
        "resource: datumMelding, as: stuf-date, level: 0}",
        "M220",
        "datum",
        "add missing: nil(waardeOnbekend), or missing: error",
    ),
    Mistake(
        "misspelled row",
        "calc: first(datum tijdstip)",
        "calc: first(datum tijdstp)",
        "M240",
        "tijdstp",
        "did you mean tijdstip?",
    ),
    Mistake(
        "misspelled key",
        "resource: contact/emailAdres, repeat: yes",
        "resource: contact/emailAdres, repeats: yes",
        "M105",
        "repeats",
        "did you mean repeat?",
    ),
    Mistake(
        "misspelled function",
        "resource: incident/datum, as: stuf-date",
        "resource: incident/datum, as: stufdate",
        "M242",
        "stufdate",
        "did you mean stuf-date?",
    ),
    Mistake(
        "element that repeats, read once",
        "resource: contact/emailAdres, repeat: yes, ",
        "resource: contact/emailAdres, ",
        "M204",
        "jz:object/jz:contactgegevensVerdiepingOpInfo/jz:eMail",
        "add repeat: yes, or use each",
    ),
    Mistake(
        "field forgotten",
        "  informering:  {xml: jz:object/jz:informering, resource: informering, missing: omit}\n",
        "",
        "M230",
        "vt-melding",
        "add a row, or drop it with the reason",
    ),
    Mistake(
        "name of a person in the event",
        'burgerservicenummer: "{bsn}"}',
        'naam: "{naam}"}',
        "M302",
        '"{naam}"',
        "leave it to the resource",
    ),
    Mistake(
        "list that is not there",
        "lists/jeugdzorgrol.csv",
        "lists/jeugdzorgrollen.csv",
        "M113",
        "lists/jeugdzorgrollen.csv",
        "did you mean lists/jeugdzorgrol.csv?",
    ),
    Mistake(
        "brace left open",
        "resource: sash/niveau, missing: omit}",
        "resource: sash/niveau, missing: omit",
        "M101",
        ":",
        "see whether every { has its }",
    ),
    Mistake(
        "node that is not there",
        "betreft: ->betrokkene,",
        "betreft: ->betrokkenen,",
        "M250",
        "->betrokkenen",
        "did you mean betrokkene?",
    ),
)
"""In the report to Veilig Thuis."""

GUIDED = (
    ("An element with the wrong prefix or a slip of the pen", "xml: w:geboren,", "xml: w:geborne,"),
    ("Nothing said about absence", "as: yes-no(J N), missing: omit}", "as: yes-no(J N)}"),
    ("A row that does not exist", "time: verzonden", "time: verzonder"),
    ("A misspelled key", "remember: yes}", "remembr: yes}"),
    ("A misspelled function", "as: stuf-time}", "as: stuftime}"),
    (
        "An optional field forgotten",
        "  spoed:     {xml: w:spoed, resource: spoed, as: yes-no(J N), missing: omit}\n",
        "",
    ),
    (
        "A name of a person in the event",
        'class: Betrokkene, burgerservicenummer: "{bsn}"}',
        'class: Betrokkene, identifier: "{achternaam}"}',
    ),
    ("A code list that does not exist", "rol: lists/rol.csv", "rol: lists/rollen.csv"),
    ("A node that does not exist", "->betrokkene,", "->betrokkenen,"),
    ("A brace left open", "resource: reden, missing: nil}", "resource: reden, missing: nil"),
)
"""In the mapping of the guide."""


def with_mistake(folder: Path, file: str, old: str, new: str) -> Loaded:
    """The mapping with one mistake in it, and nothing of the other mappings."""
    loaded = load_folder(folder)
    name = file.removesuffix(".map.yaml")
    files = {n: t for n, t in loaded.files.items() if n.startswith(name) or not _of_mapping(n)}
    assert files[file].count(old) >= 1, f"the mapping has no {old}"
    return Loaded(root=loaded.root, files={**files, file: files[file].replace(old, new, 1)})


def _of_mapping(name: str) -> bool:
    return name.endswith(".map.yaml") or ".cases/" in name


def mistakes_part() -> str:
    """What lint says of each mistake, for the guide."""
    parts = []
    for number, (title, old, new) in enumerate(GUIDED, 1):
        loaded = with_mistake(EXAMPLES, EXAMPLE, old, new)
        errors = [one for one in problems(loaded) if one.severity == "error"]
        first = next((one for one in errors if one.hint), errors[0])
        (said,) = render([first], loaded.files)
        parts.append(f"**{number}. {title}**\n\n```text\n{said.rstrip()}\n```\n")
    return "\n".join(parts)


@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda mistake: mistake.title)
def test_mistake_is_reported_with_its_place_and_its_mend(mistake: Mistake) -> None:
    loaded = with_mistake(MAPPINGS, REAL, mistake.old, mistake.new)
    found = [one for one in problems(loaded) if one.code == mistake.rule]
    assert found, "lint says nothing of it"
    (line,) = {_line(loaded, one) for one in found}
    one = found[0]
    assert one.span.file == REAL
    assert line[one.span.column - 1 :].startswith(mistake.marked)
    assert mistake.mend in one.hint


@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda mistake: mistake.title)
def test_mistake_gives_no_flood_of_other_errors(mistake: Mistake) -> None:
    loaded = with_mistake(MAPPINGS, REAL, mistake.old, mistake.new)
    assert len([one for one in problems(loaded) if one.severity == "error"]) <= 2


@pytest.mark.parametrize(
    "mistake",
    [one for one in MISTAKES if one.mend.startswith("did you mean") and "->" not in one.marked],
    ids=lambda mistake: mistake.title,
)
def test_misspelled_name_is_mended_by_fix(mistake: Mistake, tmp_path: Path) -> None:
    broken = with_mistake(MAPPINGS, REAL, mistake.old, mistake.new)
    for name, text in broken.files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text, encoding="utf-8")
    mended = mend(Loaded(root=tmp_path, files=broken.files), ())
    assert (tmp_path / REAL).read_text(encoding="utf-8") == broken.files[REAL].replace(
        mistake.new, mistake.old
    )
    assert mended.files[REAL] == (tmp_path / REAL).read_text(encoding="utf-8")


def test_mapping_without_mistake_has_no_errors() -> None:
    assert not [
        one
        for one in problems(with_mistake(MAPPINGS, REAL, "mapping:", "mapping:"))
        if one.severity == "error"
    ]


SLIPS = (
    ("a tab", EXAMPLE, "  kenmerk:   {xml", "\tkenmerk:   {xml", "M101", "an indent is spaces, not a tab"),
    (
        "an indent",
        EXAMPLE,
        "    resource: kinderen",
        "      resource: kinderen",
        "M101",
        "neighbours start below each other",
    ),
    (
        "a brace unquoted",
        EXAMPLE,
        'key: "{kenmerk}"',
        "key: {kenmerk}",
        "M104",
        'stands in quotes: "{kenmerk}"',
    ),
    (
        "a colon in a text",
        EXAMPLE,
        "{nl: Aanmelding",
        "{nl: Let op: aanmelding",
        "M101",
        "with a colon in it stands in quotes",
    ),
    (
        "a colon in a subject",
        EXAMPLE,
        '"onderzoek/{kenmerk}"',
        "onderzoek: {kenmerk}",
        "M101",
        "stands in quotes",
    ),
    (
        "a second document",
        EXAMPLE,
        "mapping: aanmelding\n",
        "---\n---\nmapping: aanmelding\n",
        "M101",
        "take the line --- away",
    ),
    ("a key twice", EXAMPLE, "  reden:     {", "  kenmerk:   {", "M102", "only one of them could count"),
    ("no prefix", EXAMPLE, "w:reden, resource", "reden, resource", "M202", "did you mean w:reden?"),
    ("another case", EXAMPLE, "w:reden, resource", "w:Reden, resource", "M201", "did you mean w:reden?"),
    ("a key in capitals", EXAMPLE, "missing: nil}", "Missing: nil}", "M105", "did you mean missing?"),
    ("a word of missing", EXAMPLE, "missing: omit}", "missing: omitt}", "M221", "did you mean omit?"),
    ("the name of a list", EXAMPLE, "as: list(rol)", "as: list(rool)", "M113", "did you mean rol?"),
    (
        "semicolons in a list",
        LIST,
        "xml,json\nK,kind\nB,",
        "xml;json\nK;kind\nB;",
        "M120",
        "by a comma, not by a semicolon",
    ),
    ("a code twice", LIST, "B,broer-of-zus", "B,broer-of-zus\nB,zus", "M120", "keep one, or bound them"),
    (
        "a day that is none",
        LIST,
        "xml,json\nK,kind\nB,broer-of-zus",
        "xml,json,until\nK,kind,\nB,zus,2020-13-01",
        "M120",
        "yyyy-mm-dd",
    ),
    (
        "a level too low",
        EXAMPLE,
        "as: bsn, missing: omit}",
        "as: bsn, missing: omit, level: 0}",
        "M304",
        "say because:",
    ),
    ("an unknown conversion", EXAMPLE, "as: stuf-date", "as: date", "M242", "did you mean stuf-date?"),
    ("too few words", EXAMPLE, "as: yes-no(J N)", "as: yes-no(J)", "M242", "for example yes-no(Ja Nee)"),
    (
        "a bracket left open",
        EXAMPLE,
        "as: yes-no(J N)",
        "as: yes-no(J N",
        "M242",
        "the bracket is not closed",
    ),
    (
        "each on a single element",
        EXAMPLE,
        "xml: w:kind\n",
        "xml: w:reden\n",
        "M204",
        "read this one by a row",
    ),
    (
        "a circle",
        EXAMPLE,
        "  reden:  ",
        "  a: {calc: first(b)}\n  b: {calc: first(a)}\n  reden:  ",
        "M241",
        "a → b → a",
    ),
    (
        "an event type",
        EXAMPLE,
        "- type: opstellen-analyse-en-advies.onderzoek-verzocht",
        "- type: opstellen-analyse-en-advies.onderzoek-verzogt",
        "M601",
        "did you mean",
    ),
    (
        "an answered type",
        EXAMPLE,
        "{type: opstellen-analyse-en-advies.onderzoek-verzocht",
        "{type: opstellen-analyse-en-advies.onderzoek-verzogt",
        "M601",
        "did you mean",
    ),
    (
        "a subject of two words",
        EXAMPLE,
        '"onderzoek/{kenmerk}"',
        '"Onderzoek {kenmerk}"',
        "M602",
        "for example melding/{kenmerk}",
    ),
    ("a drop without reason", EXAMPLE, "graph:\n", "drop:\n  w:spoed:\ngraph:\n", "M108", "without a reason"),
    ("a link without arrow", EXAMPLE, "->betrokkene,", "betrokkene,", "M250", "write ->betrokkene"),
    (
        "a word that no code has",
        EXAMPLE,
        "when: bsn",
        "when: {row: rol, is: kinnd}",
        "M246",
        "it can be broer-of-zus, kind",
    ),
    ("a case without its file", CASE, "xml: two.xml", "xml: twee.xml", "M501", "did you mean two.xml?"),
    ("a key of a case", CASE, "then:", "than:", "M501", "did you mean then?"),
)


@pytest.mark.parametrize(
    ("title", "file", "old", "new", "rule", "mend"), SLIPS, ids=[slip[0] for slip in SLIPS]
)
def test_slip_of_somebody_who_does_not_program_is_told_with_its_place_and_its_mend(
    title: str, file: str, old: str, new: str, rule: str, mend: str
) -> None:
    loaded = load_folder(EXAMPLES)
    assert old in loaded.files[file], title
    changed = Loaded(root=loaded.root, files={**loaded.files, file: loaded.files[file].replace(old, new, 1)})
    found = [one for one in problems(changed) if one.code == rule]
    assert any(
        one.span.file == file and one.span.line > 0 and mend in f"{one.text} {one.hint}" for one in found
    ), [str(one) for one in problems(changed)]
    assert len(problems(changed)) <= 5, "one slip is no flood"


def test_many_slips_are_told_at_once() -> None:
    loaded = load_folder(EXAMPLES)
    text = loaded.files[EXAMPLE]
    kinds = (
        "another case",
        "a word of missing",
        "the name of a list",
        "an unknown conversion",
        "a drop without reason",
    )
    for _, _, old, new, _, _ in (slip for slip in SLIPS if slip[0] in kinds):
        text = text.replace(old, new, 1)
    codes = {one.code for one in problems(Loaded(root=loaded.root, files={**loaded.files, EXAMPLE: text}))}
    assert codes >= {"M201", "M221", "M113", "M242", "M108"}


def test_guide_shows_what_lint_says_of_each_mistake() -> None:
    shown = _MADE.search(GUIDE.read_text(encoding="utf-8"))
    assert shown is not None
    assert shown[0] == f"{shown[1]}\n{mistakes_part()}\n{shown[2]}", (
        "run: python -m tests.cli.test_mapping_mistakes"
    )


def _line(loaded: Loaded, found: Diagnostic) -> str:
    return loaded.files[found.span.file].splitlines()[found.span.line - 1]


def _fill(page: str, part: Callable[[], str]) -> str:
    return _MADE.sub(lambda found: f"{found[1]}\n{part()}\n{found[2]}", page)


if __name__ == "__main__":
    GUIDE.write_text(_fill(GUIDE.read_text(encoding="utf-8"), mistakes_part), encoding="utf-8")
