# ruff: noqa: E501 (a table is read by its columns)
"""Headers that other implementations write or get wrong, each with the verdict that the standard gives."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from tests.cli.judged.wire import (
    ACK_REQUESTED,
    ACKNOWLEDGMENT,
    DUPLICATE_ELIMINATION,
    ERROR_LIST,
    NEXT,
    NEXT_MSH,
    OWN,
    PARTNER,
    SIGNALS,
    STATUS_REQUEST,
    STATUS_RESPONSE,
    SYNC_REPLY,
    TO_PARTY,
    edit,
    envelope,
    plain,
    stamp,
)

Verdict = Callable[..., str]
Edits = tuple[tuple[str, str], ...]

MH = "//Header/MessageHeader"
FROM = f'<eb:From><eb:PartyId eb:type="urn:osb:oin">{PARTNER}</eb:PartyId><eb:Role>Melder</eb:Role></eb:From>'
TO = f'<eb:To><eb:PartyId eb:type="urn:osb:oin">{OWN}</eb:PartyId><eb:Role>Ontvanger</eb:Role></eb:To>'
FROM_ID = f'<eb:PartyId eb:type="urn:osb:oin">{PARTNER}</eb:PartyId>'
TO_ID = f'<eb:PartyId eb:type="urn:osb:oin">{OWN}</eb:PartyId>'
CPA = "<eb:CPAId>melding_1</eb:CPAId>"
CONVERSATION = "<eb:ConversationId>c1</eb:ConversationId>"
SERVICE = '<eb:Service eb:type="urn:osb:services">keten:melding:1</eb:Service>'
ACTION = "<eb:Action>meld</eb:Action>"
MESSAGE_ID = "<eb:MessageId>m1@partner.example.nl</eb:MessageId>"
END = "</eb:MessageHeader>"
AFTER_HEADER = "</soap:Header>"
NOTHING = ("", "")


def before(text: str, added: str) -> Edits:
    return ((text, added + text),)


def after(text: str, added: str) -> Edits:
    return ((text, text + added),)


def without(text: str) -> Edits:
    return ((text, ""),)


def instead(old: str, new: str) -> Edits:
    return ((old, new),)


TOLERATED: dict[str, Edits] = {
    "exactly as agreed": (),
    "other prefixes": (("eb:", "h:"), ("xmlns:eb=", "xmlns:h=")),
    "SAAJ prefix": (("soap:", "SOAP-ENV:"), ("xmlns:soap=", "xmlns:SOAP-ENV=")),
    "white space around values": instead(ACTION, "<eb:Action>\n  meld\t </eb:Action>"),
    "comment inside a value": instead(ACTION, "<eb:Action>me<!-- x -->ld</eb:Action>"),
    "CDATA": instead(ACTION, "<eb:Action><![CDATA[meld]]></eb:Action>"),
    "character reference": instead(ACTION, "<eb:Action>mel&#100;</eb:Action>"),
    "processing instruction": before(CPA, "<?app do?>"),
    "MessageHeader without mustUnderstand": instead(' soap:mustUnderstand="1">\n<eb:From', ">\n<eb:From"),
    "mustUnderstand 0": instead('soap:mustUnderstand="1">\n<eb:From', 'soap:mustUnderstand="0">\n<eb:From'),
    "foreign attribute": instead("<eb:CPAId>", '<eb:CPAId xmlns:q="urn:q" q:a="1">'),
    "attribute without namespace": instead("<eb:CPAId>", '<eb:CPAId a="1">'),
    "id that begins with a digit": instead("<eb:MessageHeader eb:", '<eb:MessageHeader eb:id="1a" eb:'),
    "schemaLocation on the envelope": instead(
        "<soap:Envelope ",
        '<soap:Envelope xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:schemaLocation="urn:a b" ',
    ),
    "xsi:type on a value": instead(
        "<eb:CPAId>",
        '<eb:CPAId xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xmlns:xs="http://www.w3.org/2001/XMLSchema"'
        ' xsi:type="xs:string">',
    ),
    "two Descriptions": before(
        END,
        '<eb:Description xml:lang="nl">a</eb:Description><eb:Description xml:lang="en">b</eb:Description>',
    ),
    "Description without lang": before(END, "<eb:Description>a</eb:Description>"),
    "empty Description": before(END, '<eb:Description xml:lang="nl"/>'),
    "foreign element in the header": before(END, '<q:x xmlns:q="urn:q"><q:y/></q:x>'),
    "unknown header element": before(AFTER_HEADER, '<q:x xmlns:q="urn:q"/>'),
    "unknown header element, mustUnderstand 0": before(
        AFTER_HEADER, '<q:x xmlns:q="urn:q" soap:mustUnderstand="0"/>'
    ),
    "unknown element that another actor must understand": before(
        AFTER_HEADER, '<q:x xmlns:q="urn:q" soap:mustUnderstand="1" soap:actor="urn:other"/>'
    ),
    "header elements in another order": (
        (ACK_REQUESTED, ""),
        ("<eb:MessageHeader", ACK_REQUESTED + "<eb:MessageHeader"),
    ),
    "MessageId without @": instead("m1@partner.example.nl", "B4D38C15"),
    "AckRequested without actor": instead(f' soap:actor="{TO_PARTY}"', ""),
    "AckRequested signed 0": instead('eb:signed="false"', 'eb:signed="0"'),
    "no Roles": (("<eb:Role>Melder</eb:Role>", ""), ("<eb:Role>Ontvanger</eb:Role>", "")),
    "RefToMessageId that nobody knows": after(
        "Z</eb:Timestamp>", "<eb:RefToMessageId>elsewhere@x</eb:RefToMessageId>"
    ),
    "warnings ride along": before(
        AFTER_HEADER,
        ERROR_LIST.replace('highestSeverity="Error"', 'highestSeverity="Warning"').replace(
            'severity="Error"', 'severity="Warning"'
        ),
    ),
    "an acknowledgment rides along": before(AFTER_HEADER, ACKNOWLEDGMENT),
    "two PartyIds of which the CPA knows both": after(FROM_ID, FROM_ID),
    "namespace declared again": instead(
        "<eb:CPAId>",
        '<eb:CPAId xmlns:eb="http://www.oasis-open.org/committees/ebxml-msg/schema/msg-header-2_0.xsd">',
    ),
    "no TimeToLive": instead("<eb:TimeToLive>", "<!--") + instead("</eb:TimeToLive>", "-->"),
    "DuplicateElimination with white space": instead(
        DUPLICATE_ELIMINATION, "<eb:DuplicateElimination>\n</eb:DuplicateElimination>"
    ),
    "foreign element in the body": instead("<soap:Body>", '<soap:Body><q:x xmlns:q="urn:q"/>'),
}

REFUSED: dict[str, tuple[Edits, str]] = {
    "header version 1.0": (instead('MessageHeader eb:version="2.0"', 'MessageHeader eb:version="1.0"'), f"Inconsistent {MH}/@version"),
    "header without version": (instead('MessageHeader eb:version="2.0"', "MessageHeader"), f"Inconsistent {MH}/@version"),
    "version without namespace": (instead('MessageHeader eb:version="2.0"', 'MessageHeader version="2.0"'), f"Inconsistent {MH}/@version"),
    "mustUnderstand true": (instead('soap:mustUnderstand="1">\n<eb:From', 'soap:mustUnderstand="true">\n<eb:From'), f"Inconsistent {MH}/@mustUnderstand"),
    "mustUnderstand 2": (instead('soap:mustUnderstand="1">\n<eb:From', 'soap:mustUnderstand="2">\n<eb:From'), f"Inconsistent {MH}/@mustUnderstand"),
    "no From": (without(FROM), "fault Client"),
    "no To": (without(TO), "fault Client"),
    "no PartyId in From": (without(FROM_ID), "fault Client"),
    "no PartyId in To": (without(TO_ID), "fault Client"),
    "empty PartyId": (instead(f">{PARTNER}<", "> <"), "fault Client"),
    "no CPAId": (without(CPA), "fault Client"),
    "empty CPAId": (instead(CPA, "<eb:CPAId/>"), "fault Client"),
    "unknown CPAId": (instead("melding_1", "melding_2"), f"fault Client ValueNotRecognized {MH}/CPAId"),
    "CPAId in another case": (instead("melding_1", "MELDING_1"), f"fault Client ValueNotRecognized {MH}/CPAId"),
    "no ConversationId": (without(CONVERSATION), f"fault Client Inconsistent {MH}/ConversationId"),
    "empty ConversationId": (instead(CONVERSATION, "<eb:ConversationId> </eb:ConversationId>"), f"fault Client Inconsistent {MH}/ConversationId"),
    "no MessageId": (without(MESSAGE_ID), "fault Client"),
    "empty MessageId": (instead(MESSAGE_ID, "<eb:MessageId/>"), "fault Client"),
    "no Service": (without(SERVICE), f"Inconsistent {MH}/Service"),
    "empty Service": (instead(">keten:melding:1<", "><"), f"Inconsistent {MH}/Service"),
    "no Action": (without(ACTION), f"Inconsistent {MH}/Action"),
    "empty Action": (instead(ACTION, "<eb:Action/>"), f"Inconsistent {MH}/Action"),
    "no Timestamp": (instead("<eb:Timestamp>", "<!--") + instead("</eb:Timestamp>", "-->"), f"Inconsistent {MH}/MessageData/Timestamp"),
    "Timestamp that is no time": (instead("<eb:Timestamp>", "<eb:Timestamp>x"), f"Inconsistent {MH}/MessageData/Timestamp"),
    "TimeToLive as Java prints it": (instead("<eb:TimeToLive>", "<eb:TimeToLive>Tue Jul 10 20:01:14 HKT 2035<!--") + instead("</eb:TimeToLive>", "--></eb:TimeToLive>"), f"Inconsistent {MH}/MessageData/TimeToLive"),
    "empty TimeToLive": (instead("<eb:TimeToLive>", "<eb:TimeToLive/><!--") + instead("</eb:TimeToLive>", "-->"), f"Inconsistent {MH}/MessageData/TimeToLive"),
    "empty RefToMessageId": (after("Z</eb:Timestamp>", "<eb:RefToMessageId/>"), f"Inconsistent {MH}/MessageData/RefToMessageId"),
    "two CPAIds": (after(CPA, CPA), f"Inconsistent {MH}/CPAId"),
    "two MessageIds": (after(MESSAGE_ID, MESSAGE_ID), f"Inconsistent {MH}/MessageData/MessageId"),
    "two Froms": (after(FROM, FROM), f"Inconsistent {MH}/From"),
    "two Actions": (after(ACTION, "<eb:Action>bevestig</eb:Action>"), f"Inconsistent {MH}/Action"),
    "two Roles": (after("<eb:Role>Melder</eb:Role>", "<eb:Role>Melder</eb:Role>"), f"Inconsistent {MH}/From/Role"),
    "Role before PartyId": (((FROM, FROM.replace("<eb:Role>Melder</eb:Role>", "").replace("<eb:From>", "<eb:From><eb:Role>Melder</eb:Role>")),), f"Inconsistent {MH}/From/PartyId"),
    "To before From": (((FROM + "\n" + TO, TO + "\n" + FROM),), f"Inconsistent {MH}/From"),
    "unknown eb element in the header": (before(CPA, "<eb:Priority>1</eb:Priority>"), f"Inconsistent {MH}/Priority"),
    "unknown eb element in soap:Header": (before(AFTER_HEADER, '<eb:TraceHeaderList eb:version="2.0"/>'), "Inconsistent //Header/TraceHeaderList"),
    "unknown eb element to understand": (before(AFTER_HEADER, '<eb:Via eb:version="2.0" soap:mustUnderstand="1"/>'), "fault MustUnderstand"),
    "eb element in another version's namespace": (before(AFTER_HEADER, '<o:SyncReply xmlns:o="http://www.ebxml.org/namespaces/messageHeader" soap:mustUnderstand="1"/>'), "fault MustUnderstand"),
    "header of ebMS 1.0": ((("msg-header-2_0.xsd", "msg-header-1_0.xsd"),), "fault MustUnderstand"),
    "element in a value": (instead(ACTION, "<eb:Action>me<b/>ld</eb:Action>"), f"Inconsistent {MH}/Action"),
    "text between elements": (before(CPA, "loose"), f"Inconsistent {MH}"),
    "two MessageHeaders": (before(AFTER_HEADER, '<eb:MessageHeader eb:version="2.0"/>'), "fault Client"),
    "MessageHeader in the body": (instead("<soap:Body>", '<soap:Body><eb:MessageHeader eb:version="2.0"/>'), "fault Client"),
    "From party unknown": (instead(PARTNER, "00000001999999999000"), f"fault Client Inconsistent {MH}/From/PartyId"),
    "From party of another type": (instead(FROM_ID, FROM_ID.replace("urn:osb:oin", "urn:other")), f"fault Client Inconsistent {MH}/From/PartyId"),
    "From party without type": (instead(FROM_ID, FROM_ID.replace(' eb:type="urn:osb:oin"', "")), f"fault Client Inconsistent {MH}/From/PartyId"),
    "From party with a type without namespace": (instead(FROM_ID, FROM_ID.replace(" eb:type", " type")), f"fault Client Inconsistent {MH}/From/PartyId"),
    "second PartyId unknown": (after(FROM_ID, '<eb:PartyId eb:type="urn:x">1</eb:PartyId>'), f"fault Client Inconsistent {MH}/From/PartyId"),
    "To party unknown": (instead(OWN, "00000001999999999000"), f"Inconsistent {MH}/To/PartyId"),
    "To party without type": (instead(TO_ID, TO_ID.replace(' eb:type="urn:osb:oin"', "")), f"Inconsistent {MH}/To/PartyId"),
    "To is From": (instead(OWN, PARTNER), f"Inconsistent {MH}/To/PartyId"),
    "From Role unknown": (instead("Melder<", "Iemand<"), f"ValueNotRecognized {MH}/From/Role"),
    "From Role empty": (instead(">Melder<", "><"), f"Inconsistent {MH}/From/Role"),
    "To Role unknown": (instead("Ontvanger<", "Iemand<"), f"ValueNotRecognized {MH}/To/Role"),
    "Roles exchanged": ((("Melder<", "X<"), ("Ontvanger<", "Melder<"), ("X<", "Ontvanger<")), f"ValueNotRecognized {MH}/From/Role"),
    "Service unknown": (instead("keten:melding:1", "keten:melding:2"), f"ValueNotRecognized {MH}/Service"),
    "Service of another type": (instead("urn:osb:services", "urn:other"), f"ValueNotRecognized {MH}/Service"),
    "Service without type, no URI": (instead(SERVICE, "<eb:Service>melding</eb:Service>"), f"Inconsistent {MH}/Service"),
    "Service without type, a URI": (instead(' eb:type="urn:osb:services"', ""), f"ValueNotRecognized {MH}/Service"),
    "Action unknown": (instead(ACTION, "<eb:Action>iets</eb:Action>"), f"ValueNotRecognized {MH}/Action"),
    "Action in another case": (instead(ACTION, "<eb:Action>Meld</eb:Action>"), f"ValueNotRecognized {MH}/Action"),
    "Action of the other direction": (instead(ACTION, "<eb:Action>bevestig</eb:Action>"), f"ValueNotRecognized {MH}/Action"),
    "unknown signal": (((SERVICE, f"<eb:Service>{SIGNALS}</eb:Service>"), (ACTION, "<eb:Action>Hello</eb:Action>")), f"NotSupported {MH}/Action"),
    "no DuplicateElimination": (without(DUPLICATE_ELIMINATION), f"Inconsistent {MH}/DuplicateElimination"),
    "DuplicateElimination with content": (instead(DUPLICATE_ELIMINATION, "<eb:DuplicateElimination>true</eb:DuplicateElimination>"), f"Inconsistent {MH}/DuplicateElimination"),
    "DuplicateElimination before MessageData": (((DUPLICATE_ELIMINATION, ""), ("<eb:MessageData>", DUPLICATE_ELIMINATION + "<eb:MessageData>")), f"Inconsistent {MH}/MessageData"),
    "no AckRequested": (without(ACK_REQUESTED), "Inconsistent //Header/AckRequested"),
    "AckRequested version 1.0": (instead('AckRequested eb:version="2.0"', 'AckRequested eb:version="1.0"'), "Inconsistent //Header/AckRequested/@version"),
    "AckRequested without version": (instead('AckRequested eb:version="2.0"', "AckRequested"), "Inconsistent //Header/AckRequested/@version"),
    "AckRequested signed": (instead('eb:signed="false"', 'eb:signed="true"'), "Inconsistent //Header/AckRequested/@signed"),
    "AckRequested without signed": (instead(' eb:signed="false"', ""), "Inconsistent //Header/AckRequested/@signed"),
    "AckRequested signed maybe": (instead('eb:signed="false"', 'eb:signed="maybe"'), "Inconsistent //Header/AckRequested/@signed"),
    "AckRequested for nextMSH": (instead(TO_PARTY, NEXT_MSH), "NotSupported //Header/AckRequested/@actor"),
    "AckRequested for both": (after(ACK_REQUESTED, ACK_REQUESTED.replace(TO_PARTY, NEXT_MSH)), "NotSupported //Header/AckRequested/@actor"),
    "AckRequested for a stranger": (instead(TO_PARTY, "urn:other"), "Inconsistent //Header/AckRequested/@actor"),
    "AckRequested for next": (instead(TO_PARTY, NEXT), "Inconsistent //Header/AckRequested/@actor"),
    "two AckRequested": (after(ACK_REQUESTED, ACK_REQUESTED), "Inconsistent //Header/AckRequested"),
    "SyncReply in an asynchronous agreement": (before(AFTER_HEADER, SYNC_REPLY), "Inconsistent //Header/SyncReply"),
    "MessageOrder": (before(AFTER_HEADER, '<eb:MessageOrder eb:version="2.0" soap:mustUnderstand="1"><eb:SequenceNumber eb:status="Reset">0</eb:SequenceNumber></eb:MessageOrder>'), "NotSupported //Header/MessageOrder"),
    "MessageOrder without number": (before(AFTER_HEADER, '<eb:MessageOrder eb:version="2.0" soap:mustUnderstand="1"/>'), "Inconsistent //Header/MessageOrder/SequenceNumber"),
    "errors ride along": (before(AFTER_HEADER, ERROR_LIST), "Inconsistent //Header/ErrorList"),
    "unknown element to understand": (before(AFTER_HEADER, '<q:x xmlns:q="urn:q" soap:mustUnderstand="1"/>'), "fault MustUnderstand"),
    "unknown element to understand for next": (before(AFTER_HEADER, f'<q:x xmlns:q="urn:q" soap:mustUnderstand="1" soap:actor="{NEXT}"/>'), "fault MustUnderstand"),
    "WS-Security to understand": (before(AFTER_HEADER, '<w:Security xmlns:w="http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd" soap:mustUnderstand="1"/>'), "fault MustUnderstand"),
    "SOAP 1.2": (instead("http://schemas.xmlsoap.org/soap/envelope/", "http://www.w3.org/2003/05/soap-envelope"), "fault VersionMismatch"),
    "no soap:Body": (instead("<soap:Body></soap:Body>", ""), "fault Client"),
    "two soap:Bodies": (after("<soap:Body></soap:Body>", "<soap:Body/>"), "fault Client"),
    "two soap:Headers": (before("<soap:Body>", "<soap:Header/>"), "fault Client"),
    "encrypted header": (before(AFTER_HEADER, '<e:EncryptedData xmlns:e="http://www.w3.org/2001/04/xmlenc#"/>'), "SecurityFailure //Header/EncryptedData"),
    "MessageHeader for next": (instead("<eb:MessageHeader ", f'<eb:MessageHeader soap:actor="{NEXT}" '), "SecurityFailure //Header/MessageHeader"),
    "soap:Body for next": (instead("<soap:Body>", f'<soap:Body soap:actor="{NEXT_MSH}">'), "SecurityFailure //Body"),
    "value far too long": (instead(CONVERSATION, f"<eb:ConversationId>{'c' * 5000}</eb:ConversationId>"), f"fault Client Inconsistent {MH}/ConversationId"),
}  # fmt: skip


@pytest.mark.parametrize("name", TOLERATED)
def test_a_header_that_deviates_harmlessly_is_accepted(office: Any, verdict: Verdict, name: str) -> None:
    text = edit(envelope(office.now), *TOLERATED[name])
    assert verdict(plain(text), office.cpa()) == "ok"


@pytest.mark.parametrize("name", REFUSED)
def test_a_header_that_breaks_a_rule_gets_its_error(office: Any, verdict: Verdict, name: str) -> None:
    edits, expected = REFUSED[name]
    text = edit(envelope(office.now), *edits)
    assert verdict(plain(text), office.cpa()) == expected


SYNCHRONOUS: dict[str, tuple[Edits, str]] = {
    "as agreed": ((), "ok"),
    "no SyncReply": (without(SYNC_REPLY), "Inconsistent //Header/SyncReply"),
    "two SyncReplies": (after(SYNC_REPLY, SYNC_REPLY), "Inconsistent //Header/SyncReply"),
    "SyncReply version 1.0": (instead('SyncReply eb:version="2.0"', 'SyncReply eb:version="1.0"'), "Inconsistent //Header/SyncReply/@version"),
    "SyncReply without actor": (instead(f' soap:actor="{NEXT}"', ""), "Inconsistent //Header/SyncReply/@actor"),
    "SyncReply for the To party": (instead(NEXT, TO_PARTY), "Inconsistent //Header/SyncReply/@actor"),
    "SyncReply with content": (instead(SYNC_REPLY, SYNC_REPLY.replace("/>", ">x</eb:SyncReply>")), "Inconsistent //Header/SyncReply"),
    "SyncReply before MessageHeader": (((SYNC_REPLY, ""), ("<eb:MessageHeader", SYNC_REPLY + "<eb:MessageHeader")), "ok"),
    "From party unknown": (instead(PARTNER, "00000001999999999000"), f"Inconsistent {MH}/From/PartyId"),
    "From party without type": (instead(FROM_ID, FROM_ID.replace(' eb:type="urn:osb:oin"', "")), f"Inconsistent {MH}/From/PartyId"),
    "no From": (without(FROM), "fault Client"),
    "no ConversationId": (without(CONVERSATION), f"fault Client Inconsistent {MH}/ConversationId"),
    "Action unknown": (instead(ACTION, "<eb:Action>iets</eb:Action>"), f"ValueNotRecognized {MH}/Action"),
}  # fmt: skip


@pytest.mark.parametrize("name", SYNCHRONOUS)
def test_a_synchronous_header_gets_its_verdict(office: Any, verdict: Verdict, name: str) -> None:
    edits, expected = SYNCHRONOUS[name]
    text = edit(envelope(office.now, header=SYNC_REPLY + ACK_REQUESTED), *edits)
    assert verdict(plain(text), office.cpa(sync=True)) == expected


BEST_EFFORT: dict[str, tuple[str, str, str]] = {
    "as agreed": ("", "", "ok"),
    "AckRequested": (ACK_REQUESTED, "", "Inconsistent //Header/AckRequested"),
    "DuplicateElimination": ("", DUPLICATE_ELIMINATION, f"Inconsistent {MH}/DuplicateElimination"),
    "SyncReply": (SYNC_REPLY, "", "Inconsistent //Header/SyncReply"),
    "AckRequested for nextMSH": (ACK_REQUESTED.replace(TO_PARTY, NEXT_MSH), "", "NotSupported //Header/AckRequested/@actor"),
}  # fmt: skip


@pytest.mark.rule("DK-16", "DK-19", "DK-90", "DK-29")
@pytest.mark.parametrize("name", BEST_EFFORT)
def test_a_best_effort_header_has_nothing_of_reliability(office: Any, verdict: Verdict, name: str) -> None:
    header, flag, expected = BEST_EFFORT[name]
    text = envelope(office.now, header=header, flag=flag)
    assert verdict(plain(text), office.cpa("osb-be")) == expected


SIGNALS_READ: dict[str, tuple[str, dict[str, str], Edits, str]] = {
    "Ping": ("Ping", {}, (), "ok"),
    "Ping with Roles": ("Ping", {}, ((FROM_ID, FROM_ID + "<eb:Role>Melder</eb:Role>"),), "ok"),
    "Ping with SyncReply": ("Ping", {"header": SYNC_REPLY}, (), "ok"),
    "Ping with a service type": ("Ping", {}, ((f"<eb:Service>{SIGNALS}", f'<eb:Service eb:type="x">{SIGNALS}'),), "ok"),
    "Ping version 1.0": ("Ping", {}, instead('MessageHeader eb:version="2.0"', 'MessageHeader eb:version="1.0"'), f"Inconsistent {MH}/@version"),
    "Ping of a stranger": ("Ping", {}, instead(PARTNER, "00000001999999999000"), f"fault Client Inconsistent {MH}/From/PartyId"),
    "Pong": ("Pong", {}, (), "ok"),
    "Pong without reference": ("Pong", {}, without("<eb:RefToMessageId>m0@bridge.example.nl</eb:RefToMessageId>"), f"Inconsistent {MH}/MessageData/RefToMessageId"),
    "StatusRequest": ("StatusRequest", {"body": STATUS_REQUEST}, (), "ok"),
    "StatusRequest without its element": ("StatusRequest", {}, (), "Inconsistent //Body/StatusRequest"),
    "StatusRequest version 1.0": ("StatusRequest", {"body": STATUS_REQUEST.replace("2.0", "1.0")}, (), "Inconsistent //Body/StatusRequest/@version"),
    "StatusRequest about nothing": ("StatusRequest", {"body": '<eb:StatusRequest eb:version="2.0"/>'}, (), "Inconsistent //Body/StatusRequest/RefToMessageId"),
    "StatusResponse": ("StatusResponse", {"body": STATUS_RESPONSE}, (), "ok"),
    "StatusResponse without status": ("StatusResponse", {"body": STATUS_RESPONSE.replace(' eb:messageStatus="Received"', "")}, (), "Inconsistent //Body/StatusResponse/@messageStatus"),
    "Acknowledgment": ("Acknowledgment", {"header": ACKNOWLEDGMENT}, (), "ok"),
    "Acknowledgment with DuplicateElimination": ("Acknowledgment", {"header": ACKNOWLEDGMENT}, before(END, DUPLICATE_ELIMINATION), "ok"),
    "Acknowledgment without From": ("Acknowledgment", {"header": ACKNOWLEDGMENT}, instead(f"<eb:From><eb:PartyId eb:type=\"urn:osb:oin\">{PARTNER}</eb:PartyId></eb:From></eb:Ack", "</eb:Ack"), "ok"),
    "Acknowledgment without actor": ("Acknowledgment", {"header": ACKNOWLEDGMENT.replace(f' soap:actor="{TO_PARTY}"', "")}, (), "ok"),
    "Acknowledgment without its element": ("Acknowledgment", {"header": ""}, (), "Inconsistent //Header/Acknowledgment"),
    "Acknowledgment without Timestamp": ("Acknowledgment", {"header": ACKNOWLEDGMENT.replace("<eb:Timestamp>2026-11-20T10:00:00Z</eb:Timestamp>", "")}, (), "Inconsistent //Header/Acknowledgment/Timestamp"),
    "Acknowledgment version 1.0": ("Acknowledgment", {"header": ACKNOWLEDGMENT.replace("2.0", "1.0")}, (), "Inconsistent //Header/Acknowledgment/@version"),
    "Acknowledgment without header reference": ("Acknowledgment", {"header": ACKNOWLEDGMENT}, (("Z</eb:Timestamp><eb:RefToMessageId>m0@bridge.example.nl</eb:RefToMessageId></eb:MessageData>", "Z</eb:Timestamp></eb:MessageData>"),), f"Inconsistent {MH}/MessageData/RefToMessageId"),
    "MessageError": ("MessageError", {"header": ERROR_LIST}, (), "ok"),
    "MessageError without reference": ("MessageError", {"header": ERROR_LIST}, without("<eb:RefToMessageId>m0@bridge.example.nl</eb:RefToMessageId>"), "ok"),
    "MessageError without codeContext": ("MessageError", {"header": ERROR_LIST.replace('eb:codeContext="urn:oasis:names:tc:ebxml-msg:service:errors" ', "")}, (), "ok"),
    "MessageError of another codeContext": ("MessageError", {"header": ERROR_LIST.replace("urn:oasis:names:tc:ebxml-msg:service:errors", "urn:own")}, (), "ok"),
    "MessageError with a code of its own": ("MessageError", {"header": ERROR_LIST.replace("Inconsistent", "Broken")}, (), "ok"),
    "MessageError without lang": ("MessageError", {"header": ERROR_LIST.replace(' xml:lang="en"', "")}, (), "ok"),
    "MessageError that is empty": ("MessageError", {"header": "<eb:ErrorList/>"}, (), "ok"),
    "MessageError without its element": ("MessageError", {"header": ""}, (), "Inconsistent //Header/ErrorList"),
    "MessageError of no severity": ("MessageError", {"header": ERROR_LIST.replace(' eb:severity="Error"', "")}, (), "Inconsistent //Header/ErrorList/Error/@severity"),
    "MessageError of other severity": ("MessageError", {"header": ERROR_LIST.replace('eb:severity="Error"', 'eb:severity="Fatal"')}, (), "Inconsistent //Header/ErrorList/Error/@severity"),
    "MessageError without code": ("MessageError", {"header": ERROR_LIST.replace(' eb:errorCode="Inconsistent"', "")}, (), "Inconsistent //Header/ErrorList/Error/@errorCode"),
    "signal under a stranger's CPA": ("Ping", {}, instead("melding_1", "melding_2"), f"fault Client ValueNotRecognized {MH}/CPAId"),
}  # fmt: skip


@pytest.mark.parametrize("name", SIGNALS_READ)
def test_a_signal_gets_its_verdict(
    office: Any, judge_raw: Callable[..., dict[str, Any]], verdict: Verdict, name: str
) -> None:
    action, shape, edits, expected = SIGNALS_READ[name]
    text = edit(envelope(office.now, signal=action, **{"header": ""} | shape), *edits)  # type: ignore[arg-type]
    assert verdict(plain(text), office.cpa()) == expected
    assert judge_raw(plain(text))["kind"] == "signal"


TIMES = {
    "Z": ("2026-11-20T10:00:00Z", "2026-11-20T10:00:00.000Z"),
    "fraction": ("2026-11-20T10:00:00.123456789Z", "2026-11-20T10:00:00.123Z"),
    "offset": ("2026-11-20T10:00:00.000+01:00", "2026-11-20T09:00:00.000Z"),
    "negative offset": ("2026-11-20T10:00:00-05:30", "2026-11-20T15:30:00.000Z"),
    "no zone": ("2026-11-20T10:00:00", "2026-11-20T10:00:00.000Z"),
    "end of the day": ("2026-11-20T24:00:00Z", "2026-11-21T00:00:00.000Z"),
    "white space": ("\n 2026-11-20T10:00:00Z ", "2026-11-20T10:00:00.000Z"),
    "date only": ("2026-11-20", None),
    "no seconds": ("2026-11-20T10:00Z", None),
    "space in place of T": ("2026-11-20 10:00:00Z", None),
    "lower case": ("2026-11-20t10:00:00z", None),
    "no such day": ("2026-02-30T10:00:00Z", None),
    "no such hour": ("2026-11-20T25:00:00Z", None),
    "offset without colon": ("2026-11-20T10:00:00+0100", None),
    "offset too large": ("2026-11-20T10:00:00+15:00", None),
    "other digits": ("２０２６-11-20T10:00:00Z", None),
    "as Java prints it": ("Fri Nov 20 10:00:00 CET 2026", None),
    "seconds since 1970": ("1795168800", None),
}


@pytest.mark.parametrize("name", TIMES)
def test_a_time_is_read_as_the_schema_says(
    office: Any, judge_raw: Callable[..., dict[str, Any]], name: str
) -> None:
    written, read = TIMES[name]
    text = edit(envelope(office.now), (f"<eb:Timestamp>{stamp(office.now)}<", f"<eb:Timestamp>{written}<"))
    found = judge_raw(plain(text))
    if read is None:
        assert found["error"]["location"] == f"{MH}/MessageData/Timestamp"
    else:
        assert (found["error"], found["header"]["timestamp"]) == (None, read)


@pytest.mark.parametrize(
    ("seconds", "expected"), [(1, "ok"), (0, "TimeToLiveExpired"), (-1, "TimeToLiveExpired")]
)
def test_time_to_live_ends_at_its_very_moment(
    office: Any, verdict: Verdict, seconds: int, expected: str
) -> None:
    until = stamp(office.now + timedelta(seconds=seconds))
    old = stamp(office.now + timedelta(days=1))
    text = edit(envelope(office.now), (f"<eb:TimeToLive>{old}<", f"<eb:TimeToLive>{until}<"))
    assert verdict(plain(text), office.cpa()).partition(" ")[0] == expected


@pytest.mark.parametrize(
    ("days", "expected"), [(0, "ok"), (-3, f"Inconsistent {MH}/@cpaid"), (301, f"Inconsistent {MH}/@cpaid")]
)
def test_the_timestamp_lies_in_the_life_of_the_agreement(
    office: Any, verdict: Verdict, days: int, expected: str
) -> None:
    moment = stamp(office.now + timedelta(days=days))
    text = edit(envelope(office.now), (f"<eb:Timestamp>{stamp(office.now)}<", f"<eb:Timestamp>{moment}<"))
    assert verdict(plain(text), office.cpa()) == expected


@pytest.mark.parametrize("days", [-3, 301])
def test_an_agreement_not_in_force_refuses_the_message(office: Any, verdict: Verdict, days: int) -> None:
    now = office.now + timedelta(days=days)
    assert verdict(plain(envelope(now)), office.cpa(), now=now) == f"Inconsistent {MH}/@cpaid"


def test_a_proposed_agreement_refuses_the_message(office: Any, verdict: Verdict) -> None:
    cpa = office.cpa("osb-rm", ('value="agreed"', 'value="proposed"'))
    assert verdict(plain(envelope(office.now)), cpa) == f"Inconsistent {MH}/@cpaid"


def test_message_order_is_taken_where_the_agreement_guarantees_it(office: Any, verdict: Verdict) -> None:
    cpa = office.cpa("osb-rm", ("NotGuaranteed", "Guaranteed"))
    order = (
        '<eb:MessageOrder eb:version="2.0" soap:mustUnderstand="1"><eb:SequenceNumber eb:status="Reset">0'
        "</eb:SequenceNumber></eb:MessageOrder>"
    )
    assert verdict(plain(envelope(office.now, header=ACK_REQUESTED + order)), cpa) == "ok"
    wrong = order.replace("2.0", "1.0")
    found = verdict(plain(envelope(office.now, header=ACK_REQUESTED + wrong)), cpa)
    assert found == "Inconsistent //Header/MessageOrder/@version"
