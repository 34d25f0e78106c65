"""SOAPAction: what is taken, what is a fault, and what names an action."""

import pytest

from bridge.ebms.soap_action import named_action
from bridge.errors import SoapFault


@pytest.mark.rule("DK-110")
@pytest.mark.parametrize("value", ['"ebXML"', "ebXML", ' "ebXML" '])
def test_ebxml_is_taken_with_and_without_quotes(value: str) -> None:
    assert named_action(value) is None


@pytest.mark.rule("DK-110")
@pytest.mark.parametrize(
    "value",
    [None, "", '""', '"iets"', "ebxml", '"EBXML"', "urn:x/Meld", "http://x", "'ebXML'", '"ebXML', "é"],
)
def test_anything_else_is_a_fault(value: str | None) -> None:
    with pytest.raises(SoapFault, match="SOAPAction"):
        named_action(value)


@pytest.mark.parametrize("value", ["meld", "RCMR_IN030000UK06", "action", "a.b-c"])
def test_a_bare_word_names_an_action(value: str) -> None:
    assert named_action(value) == value
