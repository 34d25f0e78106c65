"""Whatever stands in a mappings folder, loading it ends in mappings or in diagnostics, and within bounds."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from lxml import etree

from bridge.flow.mapping_folder import read_mapping_files
from bridge.mapping import yamltree
from bridge.mapping.context import Context, Mapped, Rejected
from bridge.mapping.lint import lint_files
from bridge.mapping.load import load_files
from bridge.mapping.run import run_mapping
from bridge.mapping.yamltree import MAX_CHARACTERS, Scalar, Sequence, Tree, read_yaml

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


def spoilt(data: st.DataObject, names: list[str]) -> tuple[str, str]:
    """One of the files, with pieces put in, taken out or swapped."""
    name = data.draw(st.sampled_from(names))
    text = FILES[name]
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(text)))
        end = min(len(text), at + data.draw(st.integers(0, 30)))
        text = text[:at] + data.draw(st.sampled_from(("", *ODD, *WORDS)) | st.text(max_size=4)) + text[end:]
    return name, text


@FUZZ
@given(st.data())
def test_any_file_with_pieces_put_in_taken_out_or_swapped_ends_in_diagnostics_or_mappings(
    data: st.DataObject,
) -> None:
    name, text = spoilt(data, sorted(FILES))
    files = {**FILES, name: text}
    found = lint_files(files, event_types=TYPES)
    assert all(one.span.line >= 1 and one.span.column >= 1 and one.text for one in found)
    made, problems = load_files(files)
    assert made.programs or problems


def content(tree: Tree | None) -> object:
    """What a tree says and on which line, whatever the length of it."""
    if tree is None or isinstance(tree, Scalar):
        return tree and (tree.text, tree.span.line)
    if isinstance(tree, Sequence):
        return [content(item) for item in tree.items]
    return [(content(key), content(value)) for key, value in tree.entries]


@FUZZ
@given(st.data())
def test_a_file_is_judged_the_same_on_a_machine_without_the_fast_reader_of_yaml(data: st.DataObject) -> None:
    name, text = spoilt(data, sorted(name for name in FILES if name.endswith(".yaml")))
    read, found = read_yaml(name, text)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(yamltree, "_LIBYAML", None)
        slowly, told = read_yaml(name, text)
    assert content(read) == content(slowly)
    assert [str(one) for one in found] == [str(one) for one in told]


@pytest.mark.parametrize("text", ["a: {b:\tc}", "a: {b? c: d}", "a: b\t# c", "\ufeffa: b", "a: [b?, c]"])
def test_what_the_two_readers_of_yaml_would_not_judge_alike_is_left_to_the_slow_one(
    text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = read_yaml("a.yaml", text)
    monkeypatch.setattr(yamltree, "_LIBYAML", None)
    assert read == read_yaml("a.yaml", text)


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
