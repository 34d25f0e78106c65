"""Places in an envelope. The attacks on signed messages are in test_sign.py."""

from __future__ import annotations

import pytest
from lxml import etree

from bridge.ebms.model import ACTOR_NEXT, ACTOR_NEXT_MSH, ACTOR_TO_PARTY
from bridge.ebms.wrapping import check_wrapping, header_of, only_signature
from bridge.ebms.xml import DS, EB, SOAP
from bridge.errors import EbmsError


def envelope(header: str = "", body: str = "", after: str = "") -> etree._Element:
    return etree.fromstring(
        f'<s:Envelope xmlns:s="{SOAP}" xmlns:eb="{EB}" xmlns:ds="{DS}"><s:Header><eb:MessageHeader/>'
        f"{header}</s:Header><s:Body>{body}</s:Body>{after}</s:Envelope>"
    )


@pytest.mark.parametrize(
    ("header", "body"),
    [
        ("", ""),
        ("<eb:ErrorList/>", ""),
        ("", "<eb:Manifest/><eb:StatusRequest/><foreign/>"),
        ("", "<s:Fault><faultcode>s:Server</faultcode></s:Fault>"),
        (f'<eb:SyncReply s:actor="{ACTOR_NEXT}"/>', ""),
        (f'<eb:AckRequested s:actor="{ACTOR_TO_PARTY}"/><eb:AckRequested s:actor="{ACTOR_NEXT_MSH}"/>', ""),
        (f'<eb:Acknowledgment s:actor="{ACTOR_NEXT_MSH}"><eb:From/></eb:Acknowledgment>', ""),
        (f'<foreign s:actor="{ACTOR_NEXT}"><anything/></foreign>', ""),
        ("<foreign>text</foreign>", ""),
    ],
)
def test_envelopes_as_the_standard_has_them_pass(header: str, body: str) -> None:
    check_wrapping(envelope(header, body))


@pytest.mark.parametrize(
    ("header", "body", "after"),
    [
        ("<eb:MessageHeader/>", "", ""),
        ("<eb:ErrorList/><eb:ErrorList/>", "", ""),
        ("", "<eb:Manifest/><eb:Manifest/>", ""),
        ("", "<eb:MessageHeader/>", ""),
        ("<eb:StatusResponse/>", "", ""),
        ("", "", "<eb:Manifest/>"),
        ("", "", "<s:Body/>"),
        ("", "", "<s:Header/>"),
        ("", "", "<x><s:Body/></x>"),
        ("<s:Fault/>", "", ""),
        ("", f'<eb:Manifest s:actor="{ACTOR_NEXT_MSH}"/>', ""),
        ("", f'<foreign s:actor="{ACTOR_NEXT}"/>', ""),
        (f'<foreign s:actor="{ACTOR_NEXT}"><ds:Reference/></foreign>', "", ""),
        ("<ds:Signature><eb:Acknowledgment/></ds:Signature>", "", ""),
    ],
)
def test_anything_second_misplaced_or_hidden_is_refused(header: str, body: str, after: str) -> None:
    with pytest.raises(EbmsError) as caught:
        check_wrapping(envelope(header, body, after))
    assert caught.value.code == "SecurityFailure"


def test_the_signature_is_the_one_child_of_the_header() -> None:
    root = envelope("<ds:Signature/>")
    assert only_signature(root).getparent() is header_of(root)
    for wrong in (
        envelope(),
        envelope("<ds:Signature/><ds:Signature/>"),
        envelope("<x><ds:Signature/></x>"),
        envelope(body="<ds:Signature/>"),
        etree.fromstring("<Envelope/>"),
    ):
        with pytest.raises(EbmsError, match="SecurityFailure"):
            only_signature(wrong)
