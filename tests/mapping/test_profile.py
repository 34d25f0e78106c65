"""Every event that a case of a mapping makes is one that the hub's profile lets through."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from bridge.cli.assemble import load_mapping_folder
from bridge.ebms.xml import parse_xml
from bridge.hub.event import make_event
from bridge.hub.profile import Mode, Profile, check_event
from bridge.mapping.context import Mapped
from bridge.mapping.load import MappingSet
from bridge.mapping.run import run_mapping

MAPPINGS = Path(__file__).resolve().parents[2] / "mappings"
INPUTS = sorted(MAPPINGS.glob("stuf-jz/*.cases/*.xml"))
LENIENT = Profile(melding_needs_person=False)
"""Whether a report must name a person is the operator's choice; everything else holds always."""


@pytest.fixture(scope="module")
def mappings() -> MappingSet:
    return load_mapping_folder(MAPPINGS)


@pytest.mark.rule("SOH-10", "SOH-11", "SOH-45", "SOH-46", "SOH-48", "SOH-49", "SOH-52", "SOH-54", "SOH-58")
@pytest.mark.parametrize("file", INPUTS, ids=lambda f: f"{f.parent.stem}/{f.stem}")
def test_every_event_of_a_case_passes_the_profile(file: Path, mappings: MappingSet, context: object) -> None:
    root = parse_xml(file.read_bytes())
    program = mappings.for_xml(str(root.tag))
    assert program is not None
    outcome = run_mapping(program, root, context=context)  # type: ignore[arg-type]
    if not isinstance(outcome, Mapped):
        return
    for number, draft in enumerate(outcome.events):
        event = make_event(
            id=f"00000000-0000-4000-8000-{number:012d}",
            source="urn:nld:oin:00000001999990032000:systeem:proef",
            type=draft.type,
            subject=draft.subject,
            time=draft.time.astimezone(UTC),
            data=draft.data,
            extensions={"recordedtime": datetime(2027, 1, 1, tzinfo=UTC).isoformat().replace("+00:00", "Z")},
        )
        broken = [f for f in check_event(event, Mode.PUBLISH, profile=LENIENT) if f.level == "error"]
        assert broken == []
