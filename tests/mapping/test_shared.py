"""Extra tests against the reference folder: the schemas and samples of the standard."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import pytest
from lxml import etree

from bridge.mapping.compose import compose_message
from bridge.mapping.context import Composed, Context, EventView, Mapped
from bridge.mapping.load import MappingSet, read_mapping_set
from bridge.mapping.run import run_mapping

SHARED = Path(__file__).resolve().parents[2].parent / "shared" / "stuf-jz"
pytestmark = [
    pytest.mark.shared,
    pytest.mark.skipif(
        not SHARED.is_dir(), reason="the reference folder with schemas and samples is not here"
    ),
]
SAMPLES = sorted(SHARED.glob("samples/*Di01.xml")) if SHARED.is_dir() else []


@cache
def schema() -> etree.XMLSchema:
    return etree.XMLSchema(etree.parse(str(SHARED / "xsd" / "jz0100" / "jz0100_msg_totaal.xsd")))


@pytest.fixture(scope="module")
def every(all_files: dict[str, str]) -> MappingSet:
    return read_mapping_set(all_files)


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda p: p.stem)
def test_a_sample_is_read_without_a_finding_about_its_structure(
    every: MappingSet, sample: Path, context: Context
) -> None:
    root = etree.parse(str(sample)).getroot()
    program = every.for_xml(str(root.tag), service=None, action=None, cpa_id=None)
    assert program is not None
    outcome = run_mapping(program, root, context=context)
    assert isinstance(outcome, Mapped), [str(f) for f in outcome.findings]
    assert [str(f) for f in outcome.findings if f.rule != "M915"] == []
    assert outcome.events


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda p: p.stem)
def test_what_is_composed_of_a_sample_is_valid(every: MappingSet, sample: Path, context: Context) -> None:
    root = etree.parse(str(sample)).getroot()
    program = every.for_xml(str(root.tag), service=None, action=None, cpa_id=None)
    assert program is not None
    outcome = run_mapping(program, root, context=context)
    assert isinstance(outcome, Mapped)
    octets = {a.reference: a.content for a in outcome.attachments}
    there = Context(
        **{f: getattr(context, f) for f in Context.__slots__ if f != "attachment"}, attachment=octets.get
    )
    for draft in outcome.events:
        view = EventView(type=draft.type, subject=draft.subject, time=draft.time, data=draft.data)
        body = outcome.resource.body if outcome.resource else None
        composed = compose_message(program, view, resource=body, ref=None, context=there)
        assert isinstance(composed, Composed), [str(f) for f in composed.findings]
        made = etree.fromstring(composed.payload)
        assert schema().validate(made), schema().error_log


def test_the_inputs_of_all_cases_that_are_accepted_are_valid(
    all_files: dict[str, str], every: MappingSet, context: Context
) -> None:
    wrong: list[str] = []
    for name, text in all_files.items():
        if not name.endswith(".xml") or "Bericht" in text[:400]:
            continue
        root = etree.fromstring(text.encode())
        program = every.for_xml(str(root.tag), service=None, action=None, cpa_id=None)
        assert program is not None
        outcome = run_mapping(program, root, context=context)
        if isinstance(outcome, Mapped) and not outcome.findings and not schema().validate(root):
            wrong.append(f"{name}: {schema().error_log.last_error}")
    assert wrong == []
