"""`bridge ebms inspect`: what a raw message says, and the answer it deserves."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, pkcs12
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bridge.cli.ebms import inspection_document
from bridge.cli.inspect_judge import Bench, inspect_file
from bridge.ebms import model as m
from bridge.ebms.answers import make_acknowledgment, make_message_error
from bridge.ebms.cpa import read_cpa
from bridge.ebms.cpa_resolve import Agreements
from bridge.ebms.sign import signature_references
from bridge.ebms.xml import parse_xml
from bridge.errors import EbmsError
from bridge.ids import MessageId

Inspect = Callable[..., dict[str, Any]]


@pytest.fixture
def inspect(judge: Any, tmp_path: Path) -> Inspect:
    """The document about these octets; `cpa` is written beside them, `code` is the expected exit code."""

    def run(octets: bytes, *options: str, cpa: bytes | None = None, code: int = 0) -> dict[str, Any]:
        file = tmp_path / "message.http"
        file.write_bytes(octets)
        if cpa is not None:
            (tmp_path / "cpa.xml").write_bytes(cpa)
            options = (*options, "--cpa", str(tmp_path / "cpa.xml"))
        assert judge.run("ebms", "inspect", str(file), "--json", *options) == code, judge.out + judge.err
        (document,) = judge.documents()
        return dict(document)

    return run


def test_message_as_agreed_is_accepted_with_every_key_of_the_contract(office: Any, inspect: Inspect) -> None:
    cpa = office.cpa()
    found = inspect(office.raw(office.message(cpa)), cpa=cpa)
    assert found["kind"] == "message"
    assert found["header"]["messageId"] == "m1@partner.example.nl"
    assert found["header"]["conversationId"] == "c1"
    assert found["header"]["refToMessageId"] is None
    assert found["header"]["cpaId"] == "melding_1"
    assert (found["header"]["service"], found["header"]["action"]) == ("keten:melding:1", "meld")
    assert (found["header"]["from"], found["header"]["to"]) == (
        "00000001112223334000",
        "00000004445556667000",
    )
    assert found["signature"] == "absent"
    assert (found["error"], found["fault"], found["errors"], found["row"]) == (None, False, [], None)
    assert found["profile"] == "osb-rm"


def test_answer_is_told_with_its_place(office: Any, inspect: Inspect) -> None:
    cpa = office.cpa()
    found = inspect(office.raw(office.message(cpa)), cpa=cpa)
    assert found["answer"] == (
        "HTTP 204, empty; then an Acknowledgment by a POST of its own to https://partner.example.nl/ebms"
    )
    synchronous = office.cpa(sync=True)
    found = inspect(office.raw(office.message(synchronous)), cpa=synchronous)
    assert found["answer"] == "HTTP 200 with an Acknowledgment in the response"


def test_parts_are_measured_after_undoing_the_transfer_encoding(inspect: Inspect, office: Any) -> None:
    raw = office.raw(office.message(office.cpa()), head="X-Test: 1")
    raw = raw.replace(b"Encoding: binary\r\n\r\n<melding/>", b"Encoding: base64\r\n\r\nPG1lbGRpbmcvPg==")
    (part,) = inspect(raw)["parts"]
    assert (part["contentId"], part["contentType"], part["size"]) == ("p1@x", "application/xml", 10)
    assert part["sha256"] == m.Octets(b"<melding/>").digest("sha256").hex()


def test_without_an_agreement_only_the_reading_is_judged(office: Any, inspect: Inspect) -> None:
    expired = office.message(office.cpa(), time_to_live=office.now - timedelta(days=1))
    found = inspect(office.raw(expired))
    assert found["error"] is None
    assert found["answer"].startswith("not judged")


def test_the_moment_of_judgement_is_that_of_the_option(office: Any, inspect: Inspect) -> None:
    cpa = office.cpa()
    raw = office.raw(office.message(cpa))
    later = (office.now + timedelta(days=2)).isoformat()
    found = inspect(raw, "--now", later, cpa=cpa, code=1)
    assert (found["error"]["code"], found["row"]) == ("TimeToLiveExpired", 19)
    assert found["error"]["severity"] == "Error"
    assert found["error"]["location"] == "//Header/MessageHeader/MessageData/TimeToLive"


@pytest.mark.rule("DK-128")
def test_signature_is_valid_with_the_certificate_of_the_agreement(office: Any, inspect: Inspect) -> None:
    cpa = office.cpa("osb-rm-s")
    found = inspect(office.raw(office.message(cpa), signed_by="partner"), cpa=cpa)
    assert (found["signature"], found["error"]) == ("valid", None)
    assert "a signed Acknowledgment" in found["answer"]


def test_signature_of_somebody_else_is_invalid(office: Any, inspect: Inspect) -> None:
    cpa = office.cpa("osb-rm-s")
    found = inspect(office.raw(office.message(cpa), signed_by="own"), cpa=cpa, code=1)
    assert (found["signature"], found["error"]["code"], found["row"]) == ("invalid", "SecurityFailure", 25)


def test_stripped_signature_is_refused(office: Any, inspect: Inspect) -> None:
    cpa = office.cpa("osb-rm-s")
    found = inspect(office.raw(office.message(cpa)), cpa=cpa, code=1)
    assert (found["signature"], found["error"]["code"], found["row"]) == ("absent", "SecurityFailure", 22)


def test_signature_without_an_agreement_is_not_checked(office: Any, inspect: Inspect) -> None:
    cpa = office.cpa("osb-rm-s")
    assert inspect(office.raw(office.message(cpa), signed_by="partner"))["signature"] == "unchecked"


def test_signature_is_told_also_when_the_header_is_refused(office: Any, inspect: Inspect) -> None:
    cpa = office.cpa("osb-rm-s")
    message = office.message(cpa, time_to_live=office.now - timedelta(seconds=1))
    found = inspect(office.raw(message, signed_by="partner"), cpa=cpa, code=1)
    assert (found["signature"], found["error"]["code"]) == ("valid", "TimeToLiveExpired")


def test_encrypted_parts_are_shown_in_the_clear_with_the_key(
    office: Any, inspect: Inspect, tmp_path: Path
) -> None:
    cpa = office.cpa("osb-rm-e")
    raw = office.raw(office.message(cpa), signed_by="partner", encrypted=True)
    found = inspect(raw, *_pem_key(office, tmp_path), cpa=cpa)
    assert (found["signature"], found["error"]) == ("valid", None)
    assert found["parts"][0]["size"] == 10
    assert found["parts"][0]["contentType"] == "application/xml"


def test_key_may_be_a_pkcs12_file_with_a_password(office: Any, inspect: Inspect, tmp_path: Path) -> None:
    cpa = office.cpa("osb-rm-e")
    raw = office.raw(office.message(cpa), signed_by="partner", encrypted=True)
    pair = office.pair("own")
    store = pkcs12.serialize_key_and_certificates(
        b"own", pair.private_key, pair.certificate, None, BestAvailableEncryption(b"secret")
    )
    (tmp_path / "own.p12").write_bytes(store)
    (tmp_path / "password").write_text("secret\n")
    options = ("--key", str(tmp_path / "own.p12"), "--password-file", str(tmp_path / "password"))
    assert inspect(raw, *options, cpa=cpa)["signature"] == "valid"


def test_without_the_key_encrypted_parts_stay_closed_and_that_is_said(office: Any, inspect: Inspect) -> None:
    cpa = office.cpa("osb-rm-e")
    raw = office.raw(office.message(cpa), signed_by="partner", encrypted=True)
    found = inspect(raw, cpa=cpa)
    assert (found["signature"], found["error"]) == ("unchecked", None)
    assert any("--key" in note for note in found["notes"])


@pytest.mark.parametrize("with_key", [True, False])
def test_clear_part_where_encryption_is_agreed_is_refused(
    office: Any, inspect: Inspect, tmp_path: Path, with_key: bool
) -> None:
    cpa = office.cpa("osb-rm-e")
    options = _pem_key(office, tmp_path) if with_key else ()
    found = inspect(office.raw(office.message(cpa), signed_by="partner"), *options, cpa=cpa, code=1)
    assert (found["error"]["code"], found["row"]) == ("SecurityFailure", 24)


def test_signature_that_fails_over_encrypted_parts_looks_like_a_failed_decryption(
    office: Any, inspect: Inspect, tmp_path: Path
) -> None:
    """The answer must not tell how far decryption came; the notes may, to who holds the key."""
    cpa = office.cpa("osb-rm-e")
    raw = office.raw(office.message(cpa), signed_by="own", encrypted=True)
    found = inspect(raw, *_pem_key(office, tmp_path), cpa=cpa, code=1)
    assert (found["error"]["location"], found["row"]) == ("cid:p1@x", 24)
    assert any("the signature fails" in note for note in found["notes"])


def test_unknown_agreement_is_a_fault_with_the_code_of_its_row(office: Any, inspect: Inspect) -> None:
    message = office.message(office.cpa())
    found = inspect(office.raw(message), cpa=office.cpa(cpa_id="other_1"), code=1)
    assert (found["fault"], found["error"]["code"], found["row"]) == (True, "ValueNotRecognized", 9)
    assert found["answer"].startswith("HTTP 500 with a SOAP fault")


def test_message_for_a_party_that_is_not_ours_is_refused(office: Any, inspect: Inspect) -> None:
    cpa = office.cpa()
    raw = office.raw(office.message(cpa))
    assert inspect(raw, "--own", "00000004445556667000", cpa=cpa)["error"] is None
    found = inspect(raw, "--own", "00000001112223334000", cpa=cpa, code=1)
    assert (found["error"]["code"], found["row"]) == ("Inconsistent", 15)


def test_all_faults_of_a_row_are_listed(office: Any, inspect: Inspect) -> None:
    cpa = office.cpa()
    message = replace(
        office.message(cpa),
        manifest=m.Manifest(references=(m.Reference(href="cid:a"), m.Reference(href="cid:b"))),
    )
    found = inspect(office.raw(message), cpa=cpa, code=1)
    assert [error["location"] for error in found["errors"]] == ["cid:a", "cid:b", "cid:p1@x"]
    assert found["error"] == found["errors"][0]


@pytest.mark.parametrize(
    ("octets", "status"),
    [
        (b"no http at all", 400),
        (b"POST /ebms HTTP/1.1\r\n\r\n", 400),
        (b"GET /ebms HTTP/1.1\r\nContent-Type: text/xml\r\n\r\n", 405),
        (b"Content-Type: text/xml\r\nContent-Encoding: gzip\r\n\r\n", 415),
        (b'Content-Type: text/xml\r\nSOAPAction: "ebXML"\r\n\r\n<broken', 500),
        (b'Content-Type: multipart/related\r\nSOAPAction: "ebXML"\r\n\r\n', 500),
        (b"Content-Type: text/xml\nTransfer-Encoding: chunked\n\nff\r\n<a/>", 400),
        (b"", 400),
    ],
)
def test_what_cannot_be_read_is_a_fault(inspect: Inspect, octets: bytes, status: int) -> None:
    found = inspect(octets, code=1)
    assert (found["kind"], found["header"], found["parts"]) == ("none", None, [])
    assert (found["fault"], found["error"], found["signature"]) == (True, None, "unchecked")
    assert found["answer"].startswith(f"HTTP {status}")
    assert found["faultText"]


def test_doctype_is_a_fault(inspect: Inspect) -> None:
    head = b'Content-Type: text/xml\r\nSOAPAction: "ebXML"\r\n\r\n'
    assert inspect(head + b'<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>', code=1)["fault"] is True


@pytest.mark.rule("DK-110")
def test_another_soap_action_is_a_fault_where_an_agreement_is_given(office: Any, inspect: Inspect) -> None:
    cpa = office.cpa()
    raw = office.raw(office.message(cpa)).replace(b'"ebXML"', b"urn:other")
    found = inspect(raw, cpa=cpa, code=1)
    assert (found["fault"], found["row"]) == (True, 2)
    without = inspect(raw)
    assert without["fault"] is False
    assert any("SOAPAction" in note for note in without["notes"])


def test_request_line_may_be_missing_and_the_head_end_in_lf(office: Any, inspect: Inspect) -> None:
    cpa = office.cpa()
    head, _, body = office.raw(office.message(cpa)).partition(b"\r\n\r\n")
    lines = head.split(b"\r\n")[1:]
    found = inspect(b"\n".join(lines) + b"\n\n" + body, cpa=cpa)
    assert found["error"] is None
    assert any("LF alone" in note for note in found["notes"])


def test_folded_header_is_read(office: Any, inspect: Inspect) -> None:
    raw = office.raw(office.message(office.cpa()))
    assert inspect(raw.replace(b"; boundary=", b";\r\n\tboundary="))["kind"] == "message"


def test_chunked_body_is_put_together(office: Any, inspect: Inspect) -> None:
    cpa = office.cpa("osb-rm-s")
    raw = office.raw(office.message(cpa), signed_by="partner", head="Transfer-Encoding: chunked")
    head, _, body = raw.partition(b"\r\n\r\n")
    pieces = [body[at : at + 300] for at in range(0, len(body), 300)]
    chunked = b"".join(b"%x;ext=1\r\n%s\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"
    assert inspect(head + b"\r\n\r\n" + chunked, cpa=cpa)["signature"] == "valid"


def test_body_without_its_chunks_is_read_with_a_note(office: Any, inspect: Inspect) -> None:
    cpa = office.cpa()
    found = inspect(office.raw(office.message(cpa), head="Transfer-Encoding: chunked"), cpa=cpa)
    assert found["error"] is None
    assert any("without the chunks" in note for note in found["notes"])


def test_wrong_content_length_is_noted(office: Any, inspect: Inspect) -> None:
    found = inspect(office.raw(office.message(office.cpa()), head="Content-Length: 7"))
    assert any("Content-Length says 7" in note for note in found["notes"])


def test_ping_is_answered_where_it_asks_to_be(office: Any, inspect: Inspect) -> None:
    cpa = office.cpa()
    message = office.message(cpa)
    ping = replace(
        message,
        header=replace(
            message.header,
            service=m.Service(value=m.SIGNAL_SERVICE),
            action="Ping",
            duplicate_elimination=False,
        ),
        ack_requested=(),
        manifest=None,
        parts=(),
    )
    found = inspect(office.raw(ping), cpa=cpa)
    assert (found["kind"], found["answer"]) == (
        "signal",
        "HTTP 204, empty; then a Pong by a POST of its own to https://partner.example.nl/ebms",
    )
    found = inspect(office.raw(replace(ping, sync_reply=m.SyncReply())), cpa=cpa)
    assert found["answer"] == "HTTP 200 with a Pong in the response"


def test_signed_receipt_is_checked_against_the_message_that_was_sent(
    office: Any, inspect: Inspect, tmp_path: Path
) -> None:
    cpa, acknowledgment = _receipt(office, tmp_path)
    raw = office.raw(acknowledgment, signed_by="own")
    found = inspect(raw, "--sent", str(tmp_path / "sent.http"), cpa=cpa)
    assert found["receipt"]["good"] is True
    assert "signed receipt" in found["receipt"]["text"]


def test_receipt_with_other_digests_does_not_acknowledge(
    office: Any, inspect: Inspect, tmp_path: Path
) -> None:
    cpa, acknowledgment = _receipt(office, tmp_path)
    assert acknowledgment.acknowledgment is not None
    forged = tuple(
        replace(reference, digest_value=bytes(32)) for reference in acknowledgment.acknowledgment.references
    )
    acknowledgment = replace(
        acknowledgment, acknowledgment=replace(acknowledgment.acknowledgment, references=forged)
    )
    raw = office.raw(acknowledgment, signed_by="own")
    found = inspect(raw, "--sent", str(tmp_path / "sent.http"), cpa=cpa, code=1)
    assert (found["receipt"]["good"], found["error"], found["fault"]) == (False, None, False)


def test_unsigned_receipt_for_a_signed_message_does_not_acknowledge(
    office: Any, inspect: Inspect, tmp_path: Path
) -> None:
    cpa, acknowledgment = _receipt(office, tmp_path)
    sent = ("--sent", str(tmp_path / "sent.http"))
    assert inspect(office.raw(acknowledgment), *sent, cpa=cpa, code=1)["receipt"]["good"] is False


def test_signal_about_another_message_than_was_sent_is_a_fault(
    office: Any, inspect: Inspect, tmp_path: Path
) -> None:
    cpa, acknowledgment = _receipt(office, tmp_path, message_id="other@partner.example.nl")
    raw = office.raw(acknowledgment, signed_by="own")
    found = inspect(raw, "--sent", str(tmp_path / "sent.http"), cpa=cpa, code=1)
    assert (found["fault"], found["receipt"]) == (True, None)


def test_signal_without_the_message_that_was_sent_is_no_error(
    office: Any, inspect: Inspect, tmp_path: Path
) -> None:
    cpa, acknowledgment = _receipt(office, tmp_path)
    found = inspect(office.raw(acknowledgment, signed_by="own"), cpa=cpa)
    assert (found["kind"], found["signature"], found["error"]) == ("signal", "valid", None)


def test_errors_that_a_peer_reports_are_told_without_their_free_text(office: Any, inspect: Inspect) -> None:
    cpa = office.cpa()
    error = EbmsError("Inconsistent", "Jan de Vries 999900092", location="//Header")
    report = make_message_error(
        office.message(cpa).header, (error,), message_id=MessageId("e1@bridge.example.nl"), now=office.now
    )
    found = inspect(office.raw(report), cpa=cpa)
    assert "the peer reports Inconsistent at //Header" in found["notes"]
    assert "Vries" not in json.dumps(found)


def test_broken_agreement_in_a_folder_is_told_and_left_out(office: Any, judge: Any, tmp_path: Path) -> None:
    folder = tmp_path / "cpa"
    folder.mkdir()
    (folder / "bad.xml").write_text("<broken")
    (folder / "good.xml").write_bytes(office.cpa())
    (tmp_path / "m.http").write_bytes(office.raw(office.message(office.cpa())))
    assert judge.run("ebms", "inspect", str(tmp_path / "m.http"), "--cpa", str(folder), "--json") == 0
    assert "bad.xml" in judge.err


def test_broken_agreement_by_name_ends_the_command(office: Any, judge: Any, tmp_path: Path) -> None:
    (tmp_path / "bad.xml").write_text("<broken")
    (tmp_path / "m.http").write_bytes(b"")
    assert judge.run("ebms", "inspect", str(tmp_path / "m.http"), "--cpa", str(tmp_path / "bad.xml")) == 1
    assert "bad.xml" in judge.err
    assert "Traceback" not in judge.err


def test_one_document_per_file_and_the_worst_decides(office: Any, judge: Any, tmp_path: Path) -> None:
    cpa = office.cpa()
    good, bad = tmp_path / "good.http", tmp_path / "bad.http"
    good.write_bytes(office.raw(office.message(cpa)))
    bad.write_bytes(b"nothing")
    assert judge.run("ebms", "inspect", str(good), str(bad), "--json") == 1
    assert [document["input"] for document in judge.documents()] == [str(good), str(bad)]


def test_missing_file_and_unreadable_time_are_wrong_use(judge: Any, tmp_path: Path) -> None:
    assert judge.run("ebms", "inspect", str(tmp_path / "none.http")) == 2
    (tmp_path / "m.http").write_bytes(b"")
    assert judge.run("ebms", "inspect", str(tmp_path / "m.http"), "--now", "tomorrow") == 2


def test_text_explains_the_judgement_and_the_answer(office: Any, judge: Any, tmp_path: Path) -> None:
    cpa = office.cpa("osb-rm-s")
    (tmp_path / "m.http").write_bytes(office.raw(office.message(cpa)))
    (tmp_path / "c.xml").write_bytes(cpa)
    assert judge.run("ebms", "inspect", str(tmp_path / "m.http"), "--cpa", str(tmp_path / "c.xml")) == 1
    rule = "22: signed if and as agreed"
    for words in (
        "refused: SecurityFailure",
        "Signature not found",
        "a MessageError by a POST",
        "p1@x",
        rule,
    ):
        assert words in judge.out


def test_text_tells_what_the_signature_covers_and_whether_it_holds(
    office: Any, judge: Any, tmp_path: Path
) -> None:
    cpa = office.cpa("osb-rm-s")
    (tmp_path / "c.xml").write_bytes(cpa)
    raw = office.raw(office.message(cpa), signed_by="partner")
    (tmp_path / "m.http").write_bytes(raw)
    assert judge.run("ebms", "inspect", str(tmp_path / "m.http"), "--cpa", str(tmp_path / "c.xml")) == 0
    for words in ("It holds", "rsa-sha256", "the envelope (sha256), cid:p1@x (sha256)", "valid until"):
        assert words in judge.out
    (tmp_path / "m.http").write_bytes(raw.replace(b"<melding/>", b"<melding />"))
    assert judge.run("ebms", "inspect", str(tmp_path / "m.http"), "--cpa", str(tmp_path / "c.xml")) == 1
    assert "its digest differs" in judge.out
    assert judge.run("ebms", "inspect", str(tmp_path / "m.http")) == 0
    assert "It was not checked" in judge.out


def test_of_a_folder_every_message_below_it_is_judged(office: Any, judge: Any, tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    for name in ("b.http", "a.http", "deep/c.http", "notes.txt"):
        (tmp_path / name).write_bytes(office.raw(office.message(office.cpa())))
    assert judge.run("ebms", "inspect", str(tmp_path), "--json") == 0
    names = [Path(document["input"]).name for document in judge.documents()]
    assert names == ["a.http", "b.http", "c.http"]
    (tmp_path / "none").mkdir()
    assert judge.run("ebms", "inspect", str(tmp_path / "none"), "--json") == 2


def test_encrypted_parts_of_a_refused_header_leave_the_signature_unchecked(
    office: Any, inspect: Inspect
) -> None:
    cpa = office.cpa("osb-rm-e")
    raw = office.raw(office.message(cpa, action="iets"), signed_by="partner", encrypted=True)
    found = inspect(raw, cpa=cpa, code=1)
    assert (found["signature"], found["error"]["code"]) == ("unchecked", "ValueNotRecognized")


def test_content_of_a_part_is_never_printed(office: Any, judge: Any, tmp_path: Path) -> None:
    message = office.message(office.cpa())
    part = replace(message.parts[0], content=m.Octets(b"<a>Jan de Vries 999900092</a>"))
    (tmp_path / "m.http").write_bytes(office.raw(replace(message, parts=(part,))))
    judge.run("ebms", "inspect", str(tmp_path / "m.http"))
    assert "999900092" not in judge.out


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_mutated_message_ends_in_a_document(office: Any, tmp_path: Path, data: st.DataObject) -> None:
    cpa = office.cpa()
    octets = bytearray(office.raw(office.message(cpa)))
    for _ in range(data.draw(st.integers(1, 8))):
        octets[data.draw(st.integers(0, len(octets) - 1))] = data.draw(st.integers(0, 255))
    file = tmp_path / "m.http"
    file.write_bytes(octets[: data.draw(st.integers(0, len(octets)))])
    bench = Bench(now=office.now, agreements=Agreements(agreements=(read_cpa(cpa),)))
    found = inspection_document(file.name, inspect_file(file, bench))
    assert found["kind"] in ("message", "signal", "none")
    assert found["answer"]
    json.dumps(found)


def _pem_key(office: Any, folder: Path) -> tuple[str, str]:
    files = office.pki.credentials("own")
    (folder / "own.pem").write_bytes(files.key.read_bytes() + files.certificate.read_bytes())
    return "--key", str(folder / "own.pem")


def _receipt(office: Any, folder: Path, message_id: str = "m1@partner.example.nl") -> tuple[bytes, m.Message]:
    """A signed message in `sent.http`, and the acknowledgment that repeats its references."""
    cpa = office.cpa("osb-rm-s")
    sent = office.message(cpa)
    raw = office.raw(sent, signed_by="partner")
    (folder / "sent.http").write_bytes(raw)
    envelope = raw[raw.index(b"<?xml") :].partition(b"\r\n--")[0]
    about = replace(sent, header=replace(sent.header, message_id=MessageId(message_id)))
    acknowledgment = make_acknowledgment(
        about,
        message_id=MessageId("a1@bridge.example.nl"),
        now=office.now,
        references=signature_references(parse_xml(envelope)),
    )
    return cpa, acknowledgment


# --- messages of other implementations

SHARED = Path(__file__).resolve().parents[2].parent / "shared"
INDEX = SHARED / "ebms-samples" / "index.json"
SAMPLES = json.loads(INDEX.read_text(encoding="utf-8")) if INDEX.is_file() else []


shared_samples = [
    pytest.mark.shared,
    pytest.mark.skipif(not SAMPLES, reason="the reference folder with sample messages is not here"),
]
PLACES = {
    "200 with Acknowledgment": "HTTP 200 with an Acknowledgment in the response",
    "Acknowledgment in the HTTP 200": "HTTP 200 with an Acknowledgment in the response",
    "200 with MessageError": "HTTP 200 with a MessageError in the response",
    "Pong in the HTTP 200": "HTTP 200 with a Pong in the response",
    "StatusResponse": "HTTP 200 with a StatusResponse in the response",
    "acknowledgment asynchronous": "HTTP 204, empty; then an Acknowledgment by a POST of its own",
    "HTTP 204 (or 2xx without body); no ack": "HTTP 204, empty; no acknowledgment was asked for",
    "Acknowledgment must be signed": "HTTP 204, empty; then a signed Acknowledgment by a POST of its own",
}
"""Words of the table, and the answer that they mean."""


class TestSamples:
    """Every column of the table that a file can be held against."""

    pytestmark = shared_samples

    @pytest.mark.parametrize("folder", [False, True], ids=["its agreement", "all agreements"])
    @pytest.mark.parametrize("row", SAMPLES, ids=lambda row: row["file"])
    def test_sample_is_judged_as_its_table_says(
        self, row: dict[str, Any], judge: Any, tmp_path: Path, folder: bool
    ) -> None:
        found = _inspect_sample(row, judge, tmp_path, all_agreements=folder)
        codes = [code for code in row["error"].split("|") if code]
        assert [error["code"] for error in found["errors"]] == codes[:1]
        assert found["fault"] is ("fault" in codes)
        if found["error"]:
            assert found["error"]["severity"] == "Error"
            assert found["error"]["text"].startswith(row.get("peer_description", ""))
        if row.get("peer_location"):
            assert found["error"]["location"] == row["peer_location"]
        for words, answer in PLACES.items():
            assert words not in row["expected"] or found["answer"].startswith(answer)

    @pytest.mark.parametrize("row", SAMPLES, ids=lambda row: row["file"])
    def test_sample_is_read_as_its_table_says(self, row: dict[str, Any], judge: Any, tmp_path: Path) -> None:
        found = _inspect_sample(row, judge, tmp_path)
        signal = any(name in row["file"] for name in ("ping", "status-request", "signed-acknowledgment"))
        assert found["kind"] == ("signal" if signal else "message")
        expected = {True: "valid", False: "invalid", None: "absent"}[row.get("signature_valid")]
        assert found["signature"] == expected
        if row["cpa"]:
            parties = ["00000000000000000000", "00000000000000000001"]
            parties = parties[::-1] if "signed-acknowledgment" in row["file"] else parties
            parties[0] = "fromPartyId" if "08-from-partyid" in row["file"] else parties[0]
            assert [found["header"]["from"], found["header"]["to"]] == parties
            assert found["header"]["cpaId"] == row["cpa"]
        octets = (INDEX.parent / row["file"]).read_bytes()
        boundaries = octets.count(b"Content-ID:") + octets.count(b"Content-Id:")
        assert len(found["parts"]) == max(boundaries - 1, 0)


@pytest.mark.shared
@pytest.mark.skipif(not SAMPLES, reason="the reference folder with sample messages is not here")
def test_parts_of_the_samples_are_as_their_table_says(judge: Any, tmp_path: Path) -> None:
    rows = {row["file"]: row for row in SAMPLES}
    for name in ("signed/13-encrypted-cbc-rsa15.http", "signed/14-encrypted-gcm-oaep.http"):
        text, binary = _inspect_sample(rows[name], judge, tmp_path)["parts"]
        assert (text["contentType"], binary["contentType"]) == ("text/xml", "application/octet-stream")
        assert binary["sha256"] == "81248fa71a6171a2bd3242b9a4ed36e6fdb9569f3e34336dc0715ee94b196fb6"
    multibyte = _inspect_sample(rows["nhs/ebxml-request-multibyte-character.http"], judge, tmp_path)
    text = "<xml>¬ ❤️ 🧸</xml>".encode()
    assert multibyte["parts"][0]["sha256"] == m.Octets(text).digest("sha256").hex()
    no_sync = _inspect_sample(rows["nhs/ebxml-request-no-sync-reply.http"], judge, tmp_path)
    assert no_sync["header"]["syncReply"] is False
    spine = _inspect_sample(rows["nhs/spine-async-reliable-inbound.http"], judge, tmp_path)
    assert spine["header"]["refToMessageId"]


@pytest.mark.shared
@pytest.mark.skipif(not SAMPLES, reason="the reference folder with sample messages is not here")
def test_sample_acknowledgment_is_a_receipt_for_the_sample_it_answers(judge: Any, tmp_path: Path) -> None:
    row = next(row for row in SAMPLES if "08-signed-acknowledgment" in row["file"])
    sent = INDEX.parent / "signed" / "07-ack-signature-requested.http"
    found = _inspect_sample(row, judge, tmp_path, "--sent", str(sent))
    assert found["receipt"]["good"] is True


def _inspect_sample(
    row: dict[str, Any], judge: Any, folder: Path, *options: str, all_agreements: bool = True
) -> dict[str, Any]:
    (folder / "password").write_text("password")
    if row["cpa"]:
        keys = INDEX.parent / "keys" / "localhost.p12"
        options = (
            *options,
            *("--cpa", str(SHARED / "cpas" / ("" if all_agreements else f"{row['cpa']}.xml"))),
            *("--key", str(keys)),
            *("--password-file", str(folder / "password")),
        )
    file = str(INDEX.parent / row["file"])
    judge.run("ebms", "inspect", file, "--json", "--now", "2026-11-23T12:00:00Z", *options)
    return dict(judge.documents()[0])
