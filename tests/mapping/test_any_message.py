"""Whatever XML comes in ends in an outcome with its reasons: nothing in it makes the bridge stumble."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Final

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from lxml import etree

from bridge.ebms.xml import PAYLOAD_LIMITS, XmlProblem, parse_xml
from bridge.flow.mapping_folder import read_mapping_files
from bridge.flow.try_out import RECEIVER, SENDER, Trial, reading_context, writing_context
from bridge.mapping.canonical import content_digest
from bridge.mapping.compose import compose_message
from bridge.mapping.context import Composed, Context, EventView, Mapped, Rejected
from bridge.mapping.differences import xml_differences
from bridge.mapping.explain import explain, explanation_lines
from bridge.mapping.load import MappingSet, read_mapping_set
from bridge.mapping.masking import EVERYTHING, mask_xml
from bridge.mapping.program import Program
from bridge.mapping.rules import RULES
from bridge.mapping.run import run_mapping

FOLDER: Final = Path(__file__).resolve().parents[2] / "mappings"
MESSAGES: Final = sorted(FOLDER.glob("*/*.cases/*.xml"))

ODD: Final = (
    'xmlns:odd="x"',
    'xmlns:odd="../y#z"',
    'xmlns:odd="urn:x y"',
    'xmlns:odd="%"',
    'xmlns=""',
    'xml:id="a b"',
    'xml:id="1"',
    'xml:lang=""',
    'xml:base="x"',
    'xml:space="odd"',
    'xmlns:i="http://www.w3.org/2001/XMLSchema-instance" i:type="i:nothing"',
    'xmlns:i="http://www.w3.org/2001/XMLSchema-instance" i:nil="true"',
    'xmlns:i="http://www.w3.org/2001/XMLSchema-instance" i:nil="maybe" i:schemaLocation="a"',
    'a.-·="x"',
    'ключ="x"',
    f'{"n" * 5000}="{"v" * 5000}"',
)
"""Attributes and declarations for any element."""
INSIDE: Final = (
    "<?pi?>",
    "<?xml-stylesheet href='x'?>",
    f"<?{'p' * 3000} {'q' * 3000}?>",
    "<!---->",
    "<!-- a comment -->",
    "<![CDATA[]]>",
    "<![CDATA[ ]x]&<> ]]>",
    "&#9;&#xA;&#xD;&#x85;&#x2028;",
    "&#x10FFFD;\ue000\ufffd",
    "000000000000000000000000000000000000000000000000000000000000",
    "99999999",
    "20260230235959999",
    "-1",
    "٣٣٣٣٣٣٣٣٣",
    "<a xmlns='x'/>",
    "<odd:b xmlns:odd='y'><odd:c odd:d='e'/></odd:b>",
    "<элемент/>",
    "<x:y xmlns:x='urn:x'>t<x:y/>t</x:y>",
    f"<{'e' * 5000}/>",
)
"""What is put before, after or instead of the content of an element."""


@cache
def mappings() -> MappingSet:
    return read_mapping_set(read_mapping_files(FOLDER))


@cache
def sample(at: int) -> str:
    return MESSAGES[at].read_text()


def spoil(payload: str, at: int, what: str, how: str) -> str:
    """The message with something odd at one of its start tags."""
    ends = [place for place, sign in enumerate(payload) if sign == ">" and payload[place - 1] not in "?/-"]
    starts = [end for end in ends if payload[payload.rfind("<", 0, end) + 1] not in "?!/"]
    place = starts[at % len(starts)]
    if how == "attribute":
        return f"{payload[:place]} {what}{payload[place:]}"
    after = place + 1
    if how == "instead":
        return payload[:after] + what + payload[payload.find("<", after) :]
    return payload[:after] + what + payload[after:]


changes = st.one_of(
    st.tuples(st.integers(0, 400), st.sampled_from(ODD), st.just("attribute")),
    st.tuples(st.integers(0, 400), st.sampled_from(INSIDE), st.sampled_from(["inside", "instead"])),
)


def all_that_is_done(program: Program, root: etree._Element, context: Context) -> Mapped | Rejected:
    """Every way in which the bridge looks at a payload."""
    trial = Trial(mappings=mappings(), sender=SENDER, receiver=RECEIVER)
    outcome = run_mapping(program, root, context=context)
    content_digest(root)
    mask_xml(root, program, EVERYTHING)
    mask_xml(root, None, ())
    explanation_lines(explain(program, root, context=context))
    if isinstance(outcome, Mapped):
        assert isinstance(outcome.trace, tuple)
        _write(program, root, outcome, trial)
    return outcome


def _write(program: Program, root: etree._Element, read: Mapped, trial: Trial) -> None:
    if not program.direction.writes or not program.event_types:
        return
    kept = {one.reference: one.content for one in read.attachments}
    first = read.events[0]
    made = compose_message(
        program,
        EventView(type=program.event_types[0], subject=first.subject, time=first.time, data=first.data),
        resource=read.resource.body if read.resource else None,
        ref=None,
        context=writing_context(trial, "again", kept.get),
    )
    if isinstance(made, Composed):
        tuple(xml_differences(program, root, parse_xml(made.payload, limits=PAYLOAD_LIMITS)))
    else:
        assert {finding.rule for finding in made.findings} <= set(RULES)


@settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))
@given(at=st.integers(0, len(MESSAGES) - 1), spoiled=st.lists(changes, min_size=1, max_size=4))
def test_any_readable_message_is_mapped_or_rejected_with_rules(
    at: int, spoiled: list[tuple[int, str, str]]
) -> None:
    payload = sample(at)
    for place, what, how in spoiled:
        payload = spoil(payload, place, what, how)
    try:
        root = parse_xml(payload.encode(), limits=PAYLOAD_LIMITS)
    except XmlProblem:
        return
    program = mappings().for_xml(str(root.tag), service=None, action=None)
    if program is None:
        return
    trial = Trial(mappings=mappings(), sender=SENDER, receiver=RECEIVER)
    outcome = all_that_is_done(program, root, reading_context(trial, "any"))
    assert isinstance(outcome, Mapped | Rejected)
    assert {finding.rule for finding in outcome.findings} <= set(RULES)
    assert isinstance(outcome, Mapped) or outcome.findings


ODD_NAMESPACE: Final = 'xmlns:odd="not-absolute"'


def test_a_namespace_that_is_no_address_does_not_stop_a_message_that_is_known_by_its_number() -> None:
    payload = spoil(
        (FOLDER / "stuf-jz/zorgmelding.cases/typical.xml").read_text(), 5, ODD_NAMESPACE, "attribute"
    )
    root = parse_xml(payload.encode())
    assert content_digest(root) == content_digest(parse_xml(payload.encode()))
    assert content_digest(root) != content_digest(
        parse_xml(payload.replace("not-abs", "also-not-abs").encode())
    )
