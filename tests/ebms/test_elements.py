"""The eb elements as values, and what reading them finds."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.ebms import model as m
from bridge.ebms.elements import EPOCH, Findings, read_error_list, read_header, read_manifest
from bridge.ebms.write import write_envelope
from bridge.ebms.xml import EB, parse_xml


def element(name, content=""):
    return parse_xml(f'<eb:{name} xmlns:eb="{EB}">{content}</eb:{name}>'.encode())


@given(data=st.data())
def test_a_written_header_is_read_without_findings(strategies, data):
    header = data.draw(strategies.messages()).header
    found = Findings()
    assert read_header(write_envelope(m.Message(header=header))[0][0], found) == header
    assert (found.problems, found.notes) == ([], ())


def test_an_empty_header_reads_as_placeholders_with_a_problem_for_each_element():
    found = Findings()
    header = read_header(element("MessageHeader"), found)
    assert (header.message_id, header.timestamp, header.from_party.party_ids) == ("", EPOCH, ())
    names = ["From", "To", "CPAId", "ConversationId", "Service", "Action", "MessageData"]
    assert [problem.location for problem in found.problems] == [
        f"//Header/MessageHeader/{name}" for name in names
    ]


def test_the_tree_is_not_changed_by_reading(build):
    root = write_envelope(build.message(build.part()))
    before = list(root.iter())
    read_manifest(root[1][0], Findings())
    assert list(root.iter()) == before


def test_notes_are_told_once_and_in_order():
    found = Findings()
    for text in ("b", "a", "b"):
        found.note(text)
    assert found.notes == ("b", "a")


@pytest.mark.parametrize("code", ["DeliveryFailure", "Partner-Own"])
def test_an_unknown_error_code_is_kept(code):
    content = f'<eb:Error eb:errorCode="{code}" eb:severity="Error"/>'
    error_list = read_error_list(element("ErrorList", content), Findings())
    assert [error.code for error in error_list.errors] == [code]
