"""Extra: the wire of messages of other implementations, judged as their table says."""

import json
from datetime import UTC, datetime

import pytest

from bridge.ebms.mime import Limits, PackageReader, read_package
from bridge.ebms.model import Kind
from bridge.ebms.read import read_message, resolve_cid
from bridge.ebms.write import envelope_octets, write_envelope

pytestmark = pytest.mark.shared

UNRESOLVED = ["ebms-core/32-unknown-cid.http", "nhs/ebxml-request-multibyte-character.http"]
"""The second is a cut from a longer message: it refers to an attachment that the file does not hold."""


@pytest.fixture(scope="module")
def samples(shared, read_http):
    folder = shared / "ebms-samples"
    names = [row["file"] for row in json.loads((folder / "index.json").read_text())]
    return {name: read_http(folder / name) for name in names}


@pytest.fixture(scope="module")
def received(samples):
    return {name: read_message(*sample) for name, sample in samples.items()}


def test_every_sample_is_read_without_problem(received):
    assert {name: each.problems for name, each in received.items() if each.problems} == {}


def test_every_sample_reads_the_same_byte_by_byte(samples):
    for headers, body in samples.values():
        reader = PackageReader(headers, limits=Limits())
        for at in range(len(body)):
            reader.feed(body[at : at + 1])
        assert reader.close() == read_package(headers, body)


def test_every_cid_resolves_to_its_part_but_the_unknown_ones(received):
    unresolved = []
    for name, each in received.items():
        message = each.message
        references = message.manifest.references if message.manifest else ()
        parts = [resolve_cid(reference.href, message.parts) for reference in references]
        if None in parts:
            unresolved.append(name)
        else:
            assert tuple(parts) == message.parts
    assert sorted(unresolved) == UNRESOLVED


def test_every_sample_written_anew_reads_as_the_same_message(received):
    headers = [("Content-Type", "text/xml; charset=UTF-8")]
    for each in received.values():
        octets = envelope_octets(write_envelope(each.message))
        again = read_message(headers, octets).message
        assert (again.header, again.manifest) == (each.message.header, each.message.manifest)


def test_the_kinds_are_those_of_the_table(received):
    signals = {
        name: each.message.kind for name, each in received.items() if each.message.kind is not Kind.BUSINESS
    }
    assert signals == {
        "ebms-core/01-ping.http": Kind.PING,
        "ebms-core/04-status-request.http": Kind.STATUS_REQUEST,
        "signed/08-signed-acknowledgment.http": Kind.ACKNOWLEDGMENT,
    }


def test_signed_samples_have_one_signature_and_the_others_none(received):
    signed = {name for name, each in received.items() if each.signatures == 1}
    assert signed == {name for name in received if name.startswith("signed/") and "unsigned" not in name}


def test_the_multibyte_payload_is_exact(received):
    (part,) = received["nhs/ebxml-request-multibyte-character.http"].message.parts
    assert part.content.open().read().decode() == "<xml>¬ ❤️ 🧸</xml>"


def test_the_base64_attachment_is_an_image(received):
    parts = received["nhs/ebxml-request-multiple-attachments.http"].message.parts
    assert [part.content.open().read()[:4] for part in parts] == [b"<hl7", b"Some", b"\x89PNG"]


def test_sync_reply_is_seen_and_missed(received):
    assert received["nhs/ebxml-request.http"].message.sync_reply is not None
    assert received["nhs/ebxml-request-no-sync-reply.http"].message.sync_reply is None


def test_the_spine_is_read_with_its_reference(received):
    spine = received["nhs/spine-async-reliable-inbound.http"].message
    assert spine.header.ref_to_message_id == "B4D38C15-4981-4366-BDE9-8F56EDC4AB72"
    assert spine.header.timestamp == datetime(2020, 3, 19, 14, 5, 22, tzinfo=UTC)


def test_versions_are_kept_for_the_decision(received):
    assert received["ebms-core/06-header-version.http"].message.header.version == "1.0"


def test_the_receipt_repeats_the_references_of_the_message(received):
    acknowledgment = received["signed/08-signed-acknowledgment.http"].message.acknowledgment
    assert [reference.uri[:4] for reference in acknowledgment.references] == ["", "cid:"]
    assert [len(reference.digest_value) for reference in acknowledgment.references] == [20, 20]
    assert "actor:nextMSH" in acknowledgment.references[0].xpath


def test_tolerated_deviations_are_those_that_the_table_names(received):
    clean = {name for name, each in received.items() if not each.notes}
    noted = set(received) - clean
    assert {name.partition("/")[0] for name in noted} == {"nhs", "hermes", "signed"}
    assert {name for name in noted if name.startswith("signed/")} == {"signed/18-hermes-style.http"}
