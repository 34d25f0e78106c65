"""Bad input on /ebms: each fault gets what the standard prescribes, nothing is delivered, and the process goes on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from bridge.ebms.model import Message, SyncReply
from bridge.ids import CpaId
from bridge.pki import Pki
from bridge.simulate import Profile
from bridge.store.rows import MessageState
from tests.conftest import Clock
from tests.flow.conftest import World, open_world
from tests.flow.letters import adder, find, part, post, remover, setter, write, write_signal
from tests.flow.store import payload_octets

HEADER = "soap:Header/eb:MessageHeader"

NEXT_MSH = "urn:oasis:names:tc:ebxml-msg:actor:nextMSH"


def in_header(**changes: Any) -> Callable[[Message], Message]:
    return lambda message: replace(message, header=replace(message.header, **changes))


def role(path: str) -> dict[str, Any]:
    return {"in_tree": setter(f"{HEADER}/{path}/eb:Role", text="Iemand anders")}


def in_tree(change: Callable[[Any], None]) -> dict[str, Any]:
    return {"in_tree": change}


def expired(world: World) -> dict[str, Any]:
    return {"change": in_header(time_to_live=world.clock() - timedelta(seconds=1))}


CASES: dict[str, tuple[Any, str, str]] = {
    # what is wrong                 the message                                             code    location ends in
    "unknown From party": (
        in_tree(setter(f"{HEADER}/eb:From/eb:PartyId", type="urn:other")),
        "SecurityFailure",
        "From/PartyId",
    ),
    "To party not of the CPA": (
        in_tree(setter(f"{HEADER}/eb:To/eb:PartyId", text="00000001999990099000")),
        "Inconsistent",
        "To/PartyId",
    ),
    "To PartyId without type": (
        in_tree(lambda tree: find(tree, f"{HEADER}/eb:To/eb:PartyId").attrib.clear()),
        "Inconsistent",
        "To/PartyId",
    ),
    "wrong From role": (role("eb:From"), "ValueNotRecognized", "From/Role"),
    "wrong To role": (role("eb:To"), "ValueNotRecognized", "To/Role"),
    "unknown service": (
        in_tree(setter(f"{HEADER}/eb:Service", text="iets:anders:1")),
        "ValueNotRecognized",
        "Service",
    ),
    "other service type": (
        in_tree(setter(f"{HEADER}/eb:Service", type="urn:other")),
        "ValueNotRecognized",
        "Service",
    ),
    "unknown action": ({"action": "vtIetsAnders"}, "ValueNotRecognized", "Action"),
    "action of the other party": ({"action": "vtTerugkoppeling"}, "ValueNotRecognized", "Action"),
    "TimeToLive has passed": (expired, "TimeToLiveExpired", "TimeToLive"),
    "no DuplicateElimination": (
        {"change": in_header(duplicate_elimination=False)},
        "Inconsistent",
        "DuplicateElimination",
    ),
    "no AckRequested": (
        {"change": lambda m: replace(m, ack_requested=())},
        "Inconsistent",
        "AckRequested",
    ),
    "AckRequested unsigned": (
        in_tree(setter("soap:Header/eb:AckRequested", signed="false")),
        "Inconsistent",
        "AckRequested/@signed",
    ),
    "AckRequested for the next MSH": (
        {"change": lambda m: replace(m, ack_requested=(replace(m.ack_requested[0], actor=NEXT_MSH),))},
        "NotSupported",
        "AckRequested/@actor",
    ),
    "SyncReply though the CPA says none": (
        {"change": lambda m: replace(m, sync_reply=SyncReply())},
        "Inconsistent",
        "SyncReply",
    ),
    "MessageOrder": (
        in_tree(
            adder(
                "soap:Header",
                '<eb:MessageOrder eb:version="2.0" soap:mustUnderstand="1">'
                '<eb:SequenceNumber eb:status="Reset">0</eb:SequenceNumber></eb:MessageOrder>',
            )
        ),
        "NotSupported",
        "MessageOrder",
    ),
    "version 1.0 of the header": (in_tree(setter(HEADER, version="1.0")), "Inconsistent", "version"),
    "version 1.0 of AckRequested": (
        in_tree(setter("soap:Header/eb:AckRequested", version="1.0")),
        "Inconsistent",
        "version",
    ),
    "version 1.0 of the Manifest": (
        in_tree(setter("soap:Body/eb:Manifest", version="1.0")),
        "Inconsistent",
        "version",
    ),
    "no signature": ({"signed": False}, "SecurityFailure", "Signature"),
    "tampered header": (
        {"in_octets": lambda o: o.replace(b"</soap:Header>", b" </soap:Header>")},
        "SecurityFailure",
        "Signature",
    ),
    "reference to a part that is not there": ({"sent_parts": ()}, "MimeProblem", "cid:"),
    "reference to the network": (
        in_tree(
            lambda tree: find(tree, "soap:Body/eb:Manifest/eb:Reference").set(
                "{http://www.w3.org/1999/xlink}href", "http://127.0.0.1:9/x"
            )
        ),
        "MimeProblem",
        "http://127.0.0.1:9/x",
    ),
}

ASKED_OF_THE_PEER = {"unknown From party"}
"""Answered to whoever is connected, never to the party it claims to be; and nothing is kept."""


@pytest.mark.rule(
    *("DK-38", "DK-39", "DK-42", "DK-49", "DK-51", "DK-54", "DK-55", "DK-56", "DK-64", "DK-74", "DK-83"),
    *("DK-84", "DK-86", "DK-88", "DK-91", "DK-103", "DK-107", "DK-28", "DK-29", "DK-14"),
)
@pytest.mark.parametrize("name", CASES)
async def test_each_fault_gets_its_message_error_by_a_post_of_its_own(world: World, name: str) -> None:
    made, code, location = CASES[name]
    letter = write(world, **(made(world) if callable(made) else made))
    answer = await post(world, letter)
    if name in ASKED_OF_THE_PEER:
        errors = answer.message
        assert world.messages() == ()
    else:
        assert (answer.status, answer.body) == (204, b"")
        await world.work()
        errors = world.partner.signals[0]
        assert [m.state for m in world.messages()] == [MessageState.REFUSED]
    assert errors.error_list is not None
    error = errors.error_list.errors[0]
    assert error.code == code
    assert location in (error.location or "")
    assert errors.header.ref_to_message_id == letter.message_id
    assert errors.header.conversation_id == letter.message.header.conversation_id
    assert world.events() == ()


@pytest.mark.rule("DK-84")
async def test_under_mshsignalsonly_the_error_is_in_the_http_response(
    tmp_path: Path, pki: Pki, clock: Clock
) -> None:
    async with open_world(tmp_path, pki, clock, sync=True) as world:
        answer = await post(world, write(world, action="vtIetsAnders"))
        assert answer.status == 200
        assert answer.message.error_list is not None
        await world.work()
        assert world.partner.signals == []


@pytest.mark.rule("DK-16", "DK-19", "DK-90")
@pytest.mark.parametrize("element", ["SyncReply", "AckRequested", "DuplicateElimination"])
async def test_a_best_effort_message_with_an_element_of_reliable_messaging_is_inconsistent(
    tmp_path: Path, pki: Pki, clock: Clock, element: str
) -> None:
    xml = {
        "SyncReply": '<eb:SyncReply eb:version="2.0" soap:mustUnderstand="1" '
        'soap:actor="http://schemas.xmlsoap.org/soap/actor/next"/>',
        "AckRequested": '<eb:AckRequested eb:version="2.0" soap:mustUnderstand="1" eb:signed="false"/>',
        "DuplicateElimination": "<eb:DuplicateElimination/>",
    }[element]
    place = HEADER if element == "DuplicateElimination" else "soap:Header"
    async with open_world(tmp_path, pki, clock, profile=Profile.BEST_EFFORT) as world:
        await post(world, write(world, in_tree=adder(place, xml)))
        await world.work()
        (signal,) = world.partner.signals
        assert signal.error_list is not None
        assert [e.code for e in signal.error_list.errors] == ["Inconsistent"]
        assert signal.acknowledgment is None


@pytest.mark.rule("DK-14", "DK-64")
async def test_a_tampered_payload_is_a_security_failure(world: World) -> None:
    kept = part(world.sample)
    letter = write(world, kept, sent_parts=(replace(kept, octets=kept.octets + b" "),))
    await post(world, letter)
    await world.work()
    (signal,) = world.partner.signals
    assert signal.error_list is not None
    assert signal.error_list.errors[0].code == "SecurityFailure"


@pytest.mark.rule("DK-65")
async def test_an_extra_part_that_nothing_refers_to_is_refused(world: World) -> None:
    kept = part(world.sample)
    await post(world, write(world, kept, sent_parts=(kept, part(b"<extra/>"))))
    await world.work()
    (signal,) = world.partner.signals
    assert signal.error_list is not None
    assert signal.error_list.errors[0].code == "MimeProblem"


@pytest.mark.rule("DK-43", "DK-121")
async def test_an_unknown_cpa_gets_a_soap_fault_and_nothing_is_stored(world: World) -> None:
    answer = await post(world, write(world, change=in_header(cpa_id=CpaId("nooit_van_gehoord"))))
    assert answer.status == 500
    assert "CPA" in answer.fault
    assert world.messages() == ()


BROKEN: dict[str, tuple[str, bytes]] = {
    "not multipart": ("multipart/related; boundary=x", b"hello"),
    "no boundary": ("multipart/related", b"--x\r\n\r\n--x--\r\n"),
    "another media type": ("application/json", b"{}"),
    "broken XML": ("text/xml", b"<soap:Envelope"),
    "empty": ("text/xml", b""),
    "a DTD": ("text/xml", b'<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>'),
    "no SOAP": ("text/xml", b"<a/>"),
    "binary": ("text/xml", bytes(range(256)) * 10),
    "deep": ("text/xml", b"<a>" * 5000),
}


@pytest.mark.rule("DK-45", "DK-53")
@pytest.mark.parametrize("name", BROKEN)
async def test_what_cannot_be_read_gets_a_soap_fault_and_the_process_goes_on(world: World, name: str) -> None:
    content_type, body = BROKEN[name]
    letter = replace(write(world), content_type=content_type, body=body)
    answer = await post(world, letter)
    assert (answer.status, bool(answer.fault)) in ((500, True), (415, False))
    assert world.messages() == ()
    assert (await post(world, write(world))).status == 204


@pytest.mark.rule("DK-45", "DK-53")
@pytest.mark.parametrize("element", ["eb:ConversationId", "eb:MessageData/eb:Timestamp"])
async def test_a_message_without_a_required_element_is_refused(world: World, element: str) -> None:
    answer = await post(world, write(world, in_tree=remover(f"{HEADER}/{element}")))
    await world.work()
    refused = [m.state for m in world.messages()] in ([], [MessageState.REFUSED])
    assert refused
    assert answer.status == 500 or world.partner.signals


@pytest.mark.rule("DK-52", "DK-61", "DK-105", "DK-57", "DK-60")
@pytest.mark.parametrize(
    ("place", "xml"),
    [
        (HEADER, '<eb:Description xml:lang="nl">iets</eb:Description>'),
        ("soap:Header", '<x:y xmlns:x="urn:vreemd">iets</x:y>'),
        ("soap:Body/eb:Manifest/eb:Reference", '<eb:Description xml:lang="nl">iets</eb:Description>'),
        ("soap:Body/eb:Manifest/eb:Reference", '<eb:Schema eb:location="http://127.0.0.1:9/nooit.xsd"/>'),
    ],
)
async def test_what_may_be_ignored_changes_nothing(world: World, place: str, xml: str) -> None:
    answer = await post(world, write(world, in_tree=adder(place, xml)))
    assert answer.status == 204
    assert MessageState.REFUSED not in [m.state for m in world.messages()]


@pytest.mark.rule("DK-105")
async def test_an_unknown_header_that_must_be_understood_is_a_soap_fault(world: World) -> None:
    xml = '<x:y xmlns:x="urn:vreemd" soap:mustUnderstand="1"/>'
    answer = await post(world, write(world, in_tree=adder("soap:Header", xml)))
    assert answer.status == 500
    assert b"MustUnderstand" in answer.body


@pytest.mark.rule("DK-83")
async def test_an_unknown_signal_is_refused(world: World) -> None:
    from bridge.ebms.model import Kind

    letter = write_signal(world, Kind.PING, in_tree=setter(f"{HEADER}/eb:Action", text="Zing"))
    answer = await post(world, letter)
    await world.work()
    errors = world.partner.signals[0] if world.partner.signals else None
    assert answer.status == 500 or (errors is not None and errors.error_list is not None)


async def test_no_log_line_holds_anything_of_the_content(world: World) -> None:
    with capture_logs() as logs:
        await world.partner.send(world.sample, "vtMelding")
        for made, _, _ in CASES.values():
            await post(world, write(world, **(made(world) if callable(made) else made)))
        await world.work()
    told = repr(logs)
    assert "message.received" in told
    assert "message.refused" in told
    for secret in ("999900092", "999900109", "999900110", "Jansen", "geboortedatum", "-----BEGIN"):
        assert secret not in told


async def test_an_unknown_reference_is_flagged_and_refused_only_where_the_setting_says_so(
    tmp_path: Path, pki: Pki, clock: Clock
) -> None:
    for refuse, state in ((False, MessageState.RECEIVED), (True, MessageState.REFUSED)):
        folder = tmp_path / str(refuse)
        folder.mkdir()
        async with open_world(folder, pki, clock, refuse_unknown_references=refuse) as world:
            await post(world, write(world, ref_to="nooit@gezien"))
            assert [m.state for m in world.messages()] == [state]
            notes = [step.detail.get("notes", "") for step in world.steps()]
            assert refuse or any("RefToMessageId" in note for note in notes)


async def test_a_part_that_nothing_refers_to_is_left_out_where_the_setting_says_so(
    tmp_path: Path, pki: Pki, clock: Clock
) -> None:
    async with open_world(
        tmp_path, pki, clock, profile=Profile.RELIABLE, ignore_unreferenced_parts=True
    ) as world:
        kept = part(world.sample)
        await post(world, write(world, kept, sent_parts=(kept, part(b"<extra/>"))))
        assert payload_octets(world) == [world.sample]


@pytest.mark.rule("DK-26")
async def test_the_status_of_a_message_of_another_party_is_not_told(world: World) -> None:
    """Whoever asks learns of its own messages only."""
    from bridge.flow.signal import _answer_status
    from bridge.simulate.envelope import read_envelope
    from tests.flow.test_signals import status_request

    result = await world.partner.send(world.sample, "vtMelding")
    letter = status_request(world, result.message_id)
    from bridge.ebms.model import Party, PartyId, StatusRequest

    stranger = Party(party_ids=(PartyId(value="00000001999990068000", type="urn:osb:oin"),))
    asked = replace(
        letter.message,
        header=replace(letter.message.header, from_party=stranger),
        status_request=StatusRequest(ref_to_message_id=result.message_id),
    )
    answer = await _answer_status(world.bridge, asked, result.message_id)
    assert b'messageStatus="UnAuthorized"' in answer.body
    assert read_envelope(answer.body)[1].header.action == "StatusResponse"
