"""Whatever stands in a mappings folder, loading it ends in mappings or in diagnostics, and within bounds."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from lxml import etree

from bridge.flow.mapping_folder import read_mapping_files
from bridge.mapping.context import Context, Mapped, Rejected
from bridge.mapping.lint import lint_files
from bridge.mapping.load import load_files
from bridge.mapping.run import run_mapping
from bridge.mapping.yamltree import MAX_CHARACTERS

EXAMPLES = Path(__file__).resolve().parents[2] / "docs" / "examples" / "mappings"
FILES: Mapping[str, str] = read_mapping_files(EXAMPLES, cases=True)
MAPPING = "wijkteam/aanmelding.map.yaml"
TYPES = {"opstellen-analyse-en-advies.onderzoek-verzocht": None}
FUZZ = settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
ODD = (
    "{",
    "}",
    "[",
    "]",
    ": ",
    "- ",
    "\n",
    "\n  ",
    "\t",
    '"',
    "'",
    "&a ",
    "*a",
    "!!int ",
    "#",
    "|",
    ">",
    "%",
    "@",
    "\x00",
)
WORDS = (
    "->",
    "w:kind",
    "missing",
    "as: ",
    "calc: first(",
    "xpath: //*",
    "{kenmerk}",
    "each:",
    "level: 9" * 3,
    "é\u2028",
    "1e999",
)


@FUZZ
@given(st.text(max_size=300))
def test_any_text_as_a_mapping_ends_in_diagnostics(text: str) -> None:
    assert lint_files({**FILES, MAPPING: text}, event_types=TYPES)


@FUZZ
@given(st.data())
def test_any_file_with_pieces_put_in_taken_out_or_swapped_ends_in_diagnostics_or_mappings(
    data: st.DataObject,
) -> None:
    name = data.draw(st.sampled_from(sorted(FILES)))
    text = FILES[name]
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(text)))
        end = min(len(text), at + data.draw(st.integers(0, 30)))
        text = text[:at] + data.draw(st.sampled_from(("", *ODD, *WORDS)) | st.text(max_size=4)) + text[end:]
    files = {**FILES, name: text}
    found = lint_files(files, event_types=TYPES)
    assert all(one.span.line >= 1 and one.span.column >= 1 and one.text for one in found)
    made, problems = load_files(files)
    assert made.programs or problems


BOMBS = {
    "aliases": "a: &a [x]\n"
    + "\n".join(f"b{n}: &b{n} [*{'a' if n == 0 else f'b{n - 1}'}, *a]" for n in range(40)),
    "a deep list": "rows: " + "[" * 5000,
    "a deep table": "rows: " + "{a: " * 5000,
    "deep blocks": "\n".join("  " * n + "a:" for n in range(2000)),
    "a huge number": "mapping: a\nversion: " + "9" * 100_000,
    "a huge key": "x" * 100_000 + ": y",
    "too much": "a" * (MAX_CHARACTERS + 1),
    "many keys": "rows:\n" + "".join(f"  r{n}: {{xml: w:reden}}\n" for n in range(3000)),
    "a merge": "<<: {a: b}\nmapping: a",
    "a python tag": "mapping: !!python/object/apply:os.system [id]",
}


@pytest.mark.parametrize("bomb", BOMBS.values(), ids=BOMBS)
def test_a_bomb_is_refused_and_not_unfolded(bomb: str) -> None:
    found = lint_files({**FILES, MAPPING: bomb}, event_types=TYPES)
    assert [one for one in found if one.span.file == MAPPING]


XPATHS = {
    "nested": "count(//*[count(//*[count(//*) > 0]) > 0])",
    "up and down": "count(w:kind[count(../w:kind[count(../w:kind) > 1]) > 1])",
    "along": "count(//*/following::*)",
    "from the root": "count(w:kind[count(/w:aanmelding/w:kind) > 1])",
    "deep brackets": "(" * 400 + "1" + ")" * 400,
    "a document": "document('file:///etc/passwd')",
    "a long union": "|".join(["//w:kind"] * 4000),
    "three times anywhere": "//*//*//*",
}


@pytest.mark.parametrize("xpath", XPATHS.values(), ids=XPATHS)
def test_an_xpath_that_could_take_for_ever_does_not_compile(xpath: str) -> None:
    row = f'  telling: {{xpath: "{xpath}", resource: telling, missing: omit}}\n  reden:  '
    found = lint_files({**FILES, MAPPING: FILES[MAPPING].replace("  reden:  ", row)}, event_types=TYPES)
    assert "M202" in [one.code for one in found if one.span.file == MAPPING]


@pytest.mark.parametrize(
    "xpath", ["count(//w:kind[w:rol='K']/w:bsn)", "string(w:kind[1]/w:rol)", "//w:rol = //w:bsn"]
)
def test_an_xpath_that_looks_down_reads_and_a_message_too_large_for_it_is_rejected(
    xpath: str, context: Context
) -> None:
    row = f'  telling: {{xpath: "{xpath}", resource: telling, missing: omit}}\n  reden:  '
    made, found = load_files({**FILES, MAPPING: FILES[MAPPING].replace("  reden:  ", row)})
    assert made.programs, found
    kind = "<w:kind><w:achternaam>x</w:achternaam><w:geboren>20200101</w:geboren><w:rol>K</w:rol></w:kind>"
    sample = FILES["wijkteam/aanmelding.cases/two.xml"]
    large = sample.replace("</w:aanmelding>", kind * 3000 + "</w:aanmelding>")
    assert isinstance(
        run_mapping(made.programs[0], etree.fromstring(sample.encode()), context=context), Mapped
    )
    outcome = run_mapping(made.programs[0], etree.fromstring(large.encode()), context=context)
    assert isinstance(outcome, Rejected)
    assert "M911" in [finding.rule for finding in outcome.findings]
