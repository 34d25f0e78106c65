"""The trace of a lookup and the persons it is about."""

from __future__ import annotations

import pytest
from cryptography.exceptions import InvalidTag

from bridge.inzage.record import (
    DataSubject,
    continue_trace,
    decrypt_subject,
    encrypt_subject,
    find_subjects,
    subject_cipher,
)

RANDOM = bytes(range(1, 25))
BSN = "999900092"


@pytest.mark.rule("SOH-124")
def test_an_incoming_trace_is_continued_with_an_action_of_our_own() -> None:
    trace = continue_trace("00-" + "a" * 32 + "-" + "b" * 16 + "-00", RANDOM)

    assert (trace.trace_id, trace.parent_id) == ("a" * 32, "b" * 16)
    assert trace.traceparent == f"00-{'a' * 32}-{RANDOM[16:].hex()}-00"


@pytest.mark.parametrize("text", [None, "", "x", "00-" + "0" * 32 + "-" + "b" * 16 + "-00"])
def test_what_is_no_trace_starts_a_new_one(text: str | None) -> None:
    trace = continue_trace(text, RANDOM)

    assert (trace.trace_id, trace.parent_id) == (RANDOM[:16].hex(), None)


def test_each_person_is_found_once_wherever_it_stands() -> None:
    body = {
        "a": [{"bsn": BSN}, {"burgerservicenummer": BSN}],
        "b": {"c": {"kenmerk": "urn:uuid:1"}},
        "bsn": 1,
    }

    assert [(one.kind, one.identifier) for one in find_subjects(body)] == [
        ("bsn", BSN),
        ("pseudoniem", "urn:uuid:1"),
    ]


def test_a_person_with_bsn_and_pseudonym_counts_once() -> None:
    assert len(find_subjects({"bsn": BSN, "kenmerk": "urn:uuid:1"})) == 1


@pytest.mark.rule("SOH-122")
def test_the_encrypted_subject_is_the_same_each_time_and_shows_nothing() -> None:
    cipher = subject_cipher(b"k" * 32)
    subject = DataSubject(kind="bsn", identifier=BSN)

    text = encrypt_subject(cipher, subject)

    assert text == encrypt_subject(cipher, subject)
    assert BSN not in text
    assert BSN not in repr(subject)
    assert decrypt_subject(cipher, "bsn", text) == BSN


def test_another_key_reads_nothing() -> None:
    text = encrypt_subject(subject_cipher(b"k" * 32), DataSubject(kind="bsn", identifier=BSN))

    with pytest.raises(InvalidTag):
        decrypt_subject(subject_cipher(b"x" * 32), "bsn", text)
