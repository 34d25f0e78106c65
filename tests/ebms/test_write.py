"""What the bridge writes: strict, the same each time, and read back as it was."""

import os
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree

from bridge.ebms import model as m
from bridge.ebms.read import read_message
from bridge.ebms.write import add_reference, envelope_octets, read_fault, write_envelope, write_fault
from bridge.ebms.xml import DS, EB, SOAP, XLINK
from bridge.errors import SoapFault

GOLDEN = Path(__file__).parent / "golden" / "written"


@pytest.mark.rule("DK-12")
@settings(deadline=None)
@given(data=st.data())
def test_any_message_written_is_read_back_equal(strategies, build, data):
    message = data.draw(strategies.messages())
    received = read_message(*build.to_wire(message))
    assert received.message == message


@settings(deadline=None)
@given(data=st.data())
def test_what_is_written_is_read_without_problem_or_note(strategies, build, data):
    message = data.draw(strategies.messages())
    received = read_message(*build.to_wire(message))
    tolerated = {
        "Acknowledgment has no From",
        "an Acknowledgment asks for DuplicateElimination",
        "a Reference names a Schema; it is not used",
    }
    assert received.problems == ()
    assert set(received.notes) <= tolerated


@settings(deadline=None, max_examples=30)
@given(data=st.data())
def test_writing_twice_gives_the_same_octets(strategies, data):
    message = data.draw(strategies.messages())
    assert envelope_octets(write_envelope(message)) == envelope_octets(write_envelope(message))


def business(build):
    ack = (m.AckRequested(signed=False),)
    header = build.header(time_to_live=build.now, duplicate_elimination=True)
    return build.message(build.part(), header=header, ack_requested=ack, sync_reply=m.SyncReply())


def acknowledgment(build):
    reference = m.DigestReference(
        uri="",
        transforms=(
            "http://www.w3.org/2000/09/xmldsig#enveloped-signature",
            "http://www.w3.org/TR/1999/REC-xpath-19991116",
        ),
        digest_method="http://www.w3.org/2001/04/xmlenc#sha256",
        digest_value=bytes(range(32)),
        xpath='not(ancestor-or-self::node()[@SOAP-ENV:actor="urn:oasis:names:tc:ebxml-msg:actor:nextMSH"])',
    )
    return m.Message(
        header=build.signal_header("Acknowledgment"),
        acknowledgment=m.Acknowledgment(
            timestamp=build.now,
            ref_to_message_id=build.header().message_id,
            from_party_ids=build.header().to_party.party_ids,
            references=(reference,),
        ),
    )


def message_error(build):
    error = m.Error(
        code="Inconsistent", location="//Header/MessageHeader/@version", description="Invalid value."
    )
    return m.Message(header=build.signal_header("MessageError"), error_list=m.ErrorList(errors=(error,)))


def ping(build):
    return m.Message(header=build.signal_header("Ping", ref_to_message_id=None))


def status_response(build):
    status = m.StatusResponse(
        ref_to_message_id=build.header().message_id, message_status="Received", timestamp=build.now
    )
    return m.Message(header=build.signal_header("StatusResponse"), status_response=status)


def ordered(build):
    return build.message(message_order=m.MessageOrder(sequence_number=0, status="Reset"))


@pytest.mark.parametrize("case", [business, acknowledgment, message_error, ping, status_response, ordered])
def test_the_octets_are_those_of_the_golden_file(build, case):
    """Rewrite with BRIDGE_REWRITE_GOLDEN=1 and review the difference."""
    octets = envelope_octets(write_envelope(case(build)))
    golden = GOLDEN / f"{case.__name__}.xml"
    if os.environ.get("BRIDGE_REWRITE_GOLDEN"):
        golden.parent.mkdir(parents=True, exist_ok=True)
        golden.write_bytes(octets)
    assert octets == golden.read_bytes()


def test_every_attribute_is_qualified(build):
    root = write_envelope(business(build))
    assert [name for element in root.iter() for name in element.attrib if not name.startswith("{")] == []


def test_header_elements_must_be_understood_and_body_elements_say_nothing(build):
    root = write_envelope(business(build))
    header, body = root
    assert [child.get(f"{{{SOAP}}}mustUnderstand") for child in header] == ["1"] * 3
    assert [child.get(f"{{{SOAP}}}mustUnderstand") for child in body] == [None]


def test_there_is_no_white_space_between_elements(build):
    root = write_envelope(business(build))
    assert all(element.tail is None for element in root.iter())


@pytest.mark.rule("DK-53")
def test_times_are_written_in_utc_with_milliseconds(build):
    local = datetime.fromisoformat("2026-11-20T10:00:00.123456+01:00")
    root = write_envelope(build.message(header=build.header(timestamp=local)))
    assert root.findtext(f".//{{{EB}}}Timestamp") == "2026-11-20T09:00:00.123Z"


def test_a_time_without_zone_is_never_written(build):
    naive = build.now.replace(tzinfo=None)
    with pytest.raises(ValueError, match="without zone"):
        write_envelope(build.message(header=build.header(timestamp=naive)))


@pytest.mark.rule("DK-58", "DK-60")
def test_a_reference_has_type_and_href_only(build):
    root = write_envelope(build.message(build.part()))
    reference = root.find(f".//{{{EB}}}Reference")
    assert dict(reference.attrib) == {
        f"{{{XLINK}}}type": "simple",
        f"{{{XLINK}}}href": "cid:p1@melder.example.nl",
    }


@pytest.mark.rule("DK-82")
def test_an_error_has_the_standard_code_context_and_a_language(build):
    root = write_envelope(message_error(build))
    error = root.find(f".//{{{EB}}}Error")
    assert error.get(f"{{{EB}}}codeContext") == "urn:oasis:names:tc:ebxml-msg:service:errors"
    assert error[0].get("{http://www.w3.org/XML/1998/namespace}lang") == "en"


def test_missing_actors_are_written_as_the_standard_means_them(build):
    message = build.message(
        sync_reply=m.SyncReply(actor=None), ack_requested=(m.AckRequested(signed=True, actor=None),)
    )
    _, sync_reply, ack_requested = write_envelope(message)[0]
    assert sync_reply.get(f"{{{SOAP}}}actor") == m.ACTOR_NEXT
    assert ack_requested.get(f"{{{SOAP}}}actor") == m.ACTOR_TO_PARTY


def test_the_prefix_of_a_repeated_xpath_still_means_soap(build):
    xpath = write_envelope(acknowledgment(build)).find(f".//{{{DS}}}XPath")
    assert xpath.nsmap["SOAP-ENV"] == SOAP


def test_a_reference_can_be_added_to_any_element():
    parent = etree.Element(f"{{{DS}}}SignedInfo")
    reference = m.DigestReference(
        uri="cid:a", transforms=(), digest_method="urn:digest", digest_value=b"\x00\x01"
    )
    element = add_reference(parent, reference)
    assert element.getparent() is parent
    assert element.findtext(f"{{{DS}}}DigestValue") == "AAE="


@pytest.mark.parametrize(
    "change",
    [
        {"manifest": m.Manifest(references=())},
        {"error_list": m.ErrorList(errors=())},
        {"message_order": m.MessageOrder(sequence_number=100_000_000)},
    ],
)
def test_what_the_standard_forbids_is_not_written(build, change):
    with pytest.raises(ValueError, match=r"cannot be written|99999999"):
        write_envelope(build.message(**change))


@pytest.mark.parametrize("field", ["cpa_id", "conversation_id", "action", "message_id"])
@pytest.mark.rule("DK-45")
def test_an_empty_header_value_is_not_written(build, field):
    with pytest.raises(ValueError, match="empty"):
        write_envelope(replace(build.message(), header=build.header(**{field: ""})))


def test_a_value_that_xml_cannot_hold_is_a_value_error(build):
    with pytest.raises(ValueError, match="XML compatible"):
        write_envelope(build.message(header=build.header(action="a\x00b")))


@pytest.mark.parametrize("code", ["Client", "Server", "VersionMismatch", "MustUnderstand"])
def test_a_fault_is_read_back(code):
    fault = SoapFault("The envelope <is> broken & gone.", fault_code=code)
    assert read_fault(write_fault(fault)) == (code, fault.text)


def test_a_fault_code_that_soap_does_not_know_is_written_as_server():
    assert read_fault(write_fault(SoapFault("x", fault_code="Odd"))) == ("Server", "x")


@pytest.mark.parametrize(
    "octets", [b"", b"<html/>", b"\x00", b"<a", write_fault(SoapFault("x")).replace(b"Fault>", b"F>")]
)
def test_what_is_no_fault_reads_as_none(octets):
    assert read_fault(octets) is None


def test_a_message_is_no_fault(build):
    assert read_fault(build.to_wire(build.message())[1]) is None


def test_a_fault_of_another_prefix_and_layout_is_read():
    octets = f"""<S:Envelope xmlns:S="{SOAP}"><S:Body>
        <S:Fault><faultcode> S:Client </faultcode><faultstring>
        no such
        CPA</faultstring></S:Fault></S:Body></S:Envelope>""".encode()
    assert read_fault(octets) == ("Client", "no such CPA")


def test_a_very_long_fault_text_is_cut():
    assert len(read_fault(write_fault(SoapFault("x" * 5000)))[1]) == 500
