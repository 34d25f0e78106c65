"""Structure descriptions: read, checked, and told when wrong."""

from __future__ import annotations

import pytest

from bridge.mapping.structure import Block, Shape, read_structure
from bridge.mapping.types import Kind, fault, read_type

PREFIXES = {"a": "urn:a", "stuf": "urn:stuf"}
GOOD = """
# a comment
a:root
  a:one 1 - - = yes
  a:two 0..1 nv zaak text ..5
  choice 0..2
    a:three 1 n - entity? X
      @a:kind 1 - - text
      a:leaf 1..* u - one J | N
    sequence 1
      a:four 1 - bsn bsn
"""


def test_a_description_is_read_in_order() -> None:
    root, found = read_structure("x", GOOD, PREFIXES)
    assert root is not None and found == []
    assert list(root.children) == ["a:one", "a:two", "a:three", "a:four"]
    assert isinstance(root.particles[2], Block) and root.particles[2].choice
    three = root.children["a:three"]
    assert (three.optional_in, three.many_by_choice, root.loose) == (True, True, True)
    assert (three.type.entity, three.type.required) == ("X", False)
    assert three.attributes[0].clark == "{urn:a}kind"
    assert three.children["a:leaf"].absence.no_value == "noValue"
    assert root.children["a:two"].absence.no_value == "{urn:stuf}noValue"
    assert [shape.path for shape in root.walk()][-1] == "a:four"


WRONG = [
    "",
    "a:root\n   a:x 1 - - text\n",
    "a:root\n  a:x 1 - -\n",
    "a:root\n  a:x many - - text\n",
    "a:root\n  a:x 1 z - text\n",
    "a:root\n  a:x 1 - - words\n",
    "a:root\n  b:x 1 - - text\n",
    "a:root\n  x 1 - - text\n",
    "a:root\n  a:x 1 - - pattern [\n",
    "a:root\n  a:x 1 - - text five\n",
    "a:root\na:other\n",
    "a:root\n      a:x 1 - - text\n",
    "a:root\n  choice\n    a:x 1 - - text\n",
]


@pytest.mark.parametrize("text", WRONG)
def test_a_description_that_is_wrong_is_told(text: str) -> None:
    root, found = read_structure("x", text, PREFIXES)
    assert root is None
    assert {d.code for d in found} == {"M110"}


VALUES = [
    ("text 2..4", "abc", True),
    ("text 2..4", "a", False),
    ("text =3", "abcd", False),
    ("digits 1..4", "12", True),
    ("digits 4", "12", False),
    ("digits 2", "1x", False),
    ("number ..99", "100", False),
    ("number", "-1", False),
    ("date", "20260101", True),
    ("date", " 20260101 ", True),
    ("date", "2026-01-01", False),
    ("moment", "20260101", True),
    ("moment", "2026", False),
    ("bsn", "012345672", True),
    ("bsn", "12345672", False),
    ("one J | N", "J", True),
    ("one J | N", "j", False),
    ("= Di01", "Di01", True),
    ("= Di01", "Di02", False),
    ("list rol", "a", True),
    ("list rol", "b", False),
    ("list unknown", "b", True),
    ("pattern [1-9][0-9]{3}[A-Z]{0,2}", "1234AB", True),
    ("pattern [1-9][0-9]{3}[A-Z]{0,2}", "1234 AB", False),
    ("text", "", True),
    ("binary", "!!", True),
]


@pytest.mark.parametrize(("type_", "text", "good"), VALUES)
def test_a_value_is_judged_by_its_type(type_: str, text: str, good: bool) -> None:
    made, problem = read_type(type_)
    assert problem == ""
    why = fault(made, text, {"rol": frozenset({"a"})})
    assert (why is None) == good
    assert why is None or text not in why or len(text) < 3


def test_every_shipped_description_is_well_formed(all_files: dict[str, str]) -> None:
    prefixes = {"jz": "urn:jz", "stuf": "urn:stuf", "zkn": "urn:zkn", "bg": "urn:bg", "xmime": "urn:xmime"}
    names = [name for name in all_files if name.endswith(".structure")]
    assert len(names) == 18
    for name in names:
        root, found = read_structure(name, all_files[name], prefixes)
        assert root is not None, found
        assert all(isinstance(shape, Shape) and shape.type.kind in Kind for shape in root.walk())
