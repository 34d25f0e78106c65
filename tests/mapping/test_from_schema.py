"""Extra tests on messages made from the real XSDs: each is read, composed again and valid, and the structure
descriptions judge every message, also a spoilt one, as the XSDs do."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path
from random import Random

import pytest
from lxml import etree

from bridge.flow.try_out import Events, Message, Refused, Trial, try_event, try_message
from bridge.hub.event import write_structured
from bridge.hub.profile import default_profile
from bridge.mapping.context import Context
from bridge.mapping.differences import Difference, xml_differences
from bridge.mapping.load import MappingSet, read_mapping_set
from bridge.mapping.program import Place
from bridge.mapping.run import run_mapping
from tests.mapping.xsd_maker import STUF, XSI_NIL, Schemas, XsdMaker

ROOT = Path(__file__).resolve().parents[2].parent / "shared/stuf-jz/xsd/jz0100/jz0100_msg_totaal.xsd"
TECHNICAL = ROOT.parent / "jzberichten/jz0100_msg_jzberichten.xsd"
pytestmark = [
    pytest.mark.shared,
    pytest.mark.skipif(not ROOT.is_file(), reason="the reference folder with the schemas is not here"),
]
JZ = "{http://www.stufstandaarden.nl/koppelvlak/jz0100}"
BUSINESS = (
    *("vtMelding", "vtTerugkoppeling", "vto", "notificatie", "notificatiejr", "zorgmelding"),
    *(
        "zorgmeldingTerugkoppeling",
        "vcob",
        "ucob",
        "vci",
        "uci",
        "meldingGeneriek",
        "uitkomstMeldingGeneriek",
    ),
)
ROOTS = (
    *(f"{JZ}{name}Di01" for name in BUSINESS),
    *(f"{{{STUF}}}{n}Bericht" for n in ("Bv01", "Bv03", "Bv04", "Fo01", "Fo03")),
)
EXPLAINED = ("M902", "M919", "M908")
"""Valid for the schema, and yet no event: the number of the subject is nil, two answers have one number."""
STRUCTURE = frozenset({"M901", "M904", "M905", "M906", "M910", "M912", "M913", "M914", "M916", "M917"})
PARTY = {"oin": "00000001999990019000", "naam": "Afzender", "systeem": "afzender"}
MESSAGES = 24
SPOILT = 80


@cache
def schemas(path: Path) -> tuple[Schemas, etree.XMLSchema]:
    return Schemas(path), etree.XMLSchema(etree.parse(str(path)))


@pytest.fixture(scope="module")
def every(all_files: dict[str, str]) -> MappingSet:
    return read_mapping_set(all_files)


def made(root: str, seed: int) -> tuple[etree._Element, etree.XMLSchema]:
    walked, schema = schemas(TECHNICAL if STUF in root else ROOT)
    nil, fill = (0.0, 0.1, 0.5)[seed % 3], (0.2, 0.5, 0.9)[seed // 3 % 3]
    message = XsdMaker(walked, seed, nil=nil, fill=fill).message(root)
    return etree.fromstring(etree.tostring(message)), schema


def trial(mappings: MappingSet, message: etree._Element) -> Trial:
    names = {"oin": "{*}organisatie", "systeem": "{*}applicatie"}
    receiver = {key: message.findtext(f".//{{*}}ontvanger/{name}") or "" for key, name in names.items()}
    profile = replace(default_profile(), melding_needs_person=False)
    return Trial(mappings=mappings, sender=PARTY, receiver={"naam": "x", **receiver}, profile=profile)


def canonical(found: Difference) -> bool:
    """What may differ: a code that may be left out is written, a moment gets its seconds, a file name is made safe."""
    if found.path.endswith("/@entiteittype"):
        return found.old == "(absent)"
    moment = (
        found.old.isdigit() and found.new.isdigit() and found.new.ljust(17, "0") == found.old.ljust(17, "0")
    )
    return found.path.endswith("/@bestandsnaam") or moment


@pytest.mark.parametrize("name", BUSINESS)
def test_what_the_schema_allows_is_read_and_composed_again_valid_and_the_same(
    every: MappingSet, name: str
) -> None:
    good = 0
    for seed in range(MESSAGES):
        message, schema = made(f"{JZ}{name}Di01", seed)
        if not schema.validate(message):
            continue
        there = trial(every, message)
        read = try_message(there, etree.tostring(message))
        if isinstance(read, Refused):
            assert read.code in EXPLAINED, (seed, read.text)
            continue
        good += 1
        back = compose_all(there, read)
        assert schema.validate(back), (seed, schema.error_log)
        told = [str(d) for d in xml_differences(read.program, message, back) if not canonical(d)]
        assert told == [], seed
    assert good > MESSAGES // 4


def compose_all(there: Trial, read: Events) -> etree._Element:
    """The message composed again; of one that holds several answers, the parts of all put together."""
    kept = {one.reference: one.content for one in read.mapped.attachments}
    assert read.mapped.resource is not None
    roots: list[etree._Element] = []
    for event in read.events:
        again = try_event(
            there,
            write_structured(event),
            resource=read.mapped.resource.body,
            only=read.program.name,
            attachment=kept.get,
        )
        assert isinstance(again, Message), again.text if isinstance(again, Refused) else ""
        roots.append(etree.fromstring(again.composed.payload))
    for other in roots[1:]:
        roots[0].extend(other.findall(f"{JZ}object"))
    if len(roots) > 1:  # each answer is a message with a number of its own
        number = f"{JZ}stuurgegevens/{{{STUF}}}referentienummer"
        for found, original in zip(roots[0].iterfind(number), read.root.iterfind(number), strict=True):
            found.text = original.text
    return roots[0]


@pytest.mark.parametrize("root", ROOTS)
def test_the_structure_description_judges_as_the_schema_does(
    every: MappingSet, context: Context, root: str
) -> None:
    """A whole message and one with a single thing spoilt; both verdicts must be the same."""
    program = every.for_xml(root)
    assert program is not None
    told: dict[bool, int] = {True: 0, False: 0}
    for seed in range(SPOILT):
        message, schema = made(root, seed)
        if not schema.validate(message):
            continue
        if seed % 8:
            spoil(list(looked_at(message, program.top.place)), Random(seed))
            message = etree.fromstring(etree.tostring(message))
        valid = schema.validate(message)
        outcome = run_mapping(program, message, context=context)
        found = [str(f) for f in outcome.findings if f.rule in STRUCTURE]
        assert valid == (not found), (seed, valid, found, schema.error_log)
        told[valid] += 1
    assert told[True] > SPOILT // 10
    assert told[False] > SPOILT // 4


def looked_at(element: etree._Element, place: Place) -> Iterator[etree._Element]:
    """What is read: all but what the mapping drops, which is not looked into."""
    for child in element:
        below = place.children.get(str(child.tag))
        if below is None or not below.dropped:
            yield child
            yield from looked_at(child, below) if below is not None else ()


def spoil(elements: list[etree._Element], random: Random) -> None:
    """One of the things that go wrong: left out, doubled, swapped, another text, nil, an attribute."""
    random.choice(WAYS)(random.choice(elements), random)


def leave_out(element: etree._Element, random: Random) -> None:
    parent = element.getparent()
    assert parent is not None
    parent.remove(element)


def double(element: etree._Element, random: Random) -> None:
    element.addnext(copy.deepcopy(element))


def swap(element: etree._Element, random: Random) -> None:
    after = element.getnext()
    if after is not None:
        element.addprevious(after)


def retext(element: etree._Element, random: Random) -> None:
    if len(element) == 0:
        element.text = random.choice(TEXTS)


def renil(element: etree._Element, random: Random) -> None:
    element.set(XSI_NIL, random.choice(("true", "false", "1", "x")))


def empty_nil(element: etree._Element, random: Random) -> None:
    for child in list(element):
        element.remove(child)
    element.text = None
    element.set(XSI_NIL, "true")


def no_value(element: etree._Element, random: Random) -> None:
    element.set(random.choice(("noValue", f"{{{STUF}}}noValue")), random.choice(("geenWaarde", "onzin")))


def lose_attribute(element: etree._Element, random: Random) -> None:
    if element.attrib:
        del element.attrib[random.choice(sorted(str(name) for name in element.attrib))]


def odd_attribute(element: etree._Element, random: Random) -> None:
    element.set(random.choice(("vreemd", f"{{{STUF}}}indOnvolledigeDatum")), random.choice(("M", "x")))


TEXTS = ("", "x", "12345678901", "Ja", "ja", " ", "x" * 300, "é", "1a", "123456789012345678901")
"""No numbers of up to eight digits: the schema takes any of those for a date, the description does not."""
WAYS: tuple[Callable[[etree._Element, Random], None], ...] = (
    *(leave_out, double, swap, retext, renil, empty_nil, no_value, lose_attribute, odd_attribute),
)
