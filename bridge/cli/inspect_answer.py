"""What the bridge would answer to a message, and where, in words."""

from __future__ import annotations

from collections.abc import Sequence
from typing import assert_never

from bridge.ebms.model import Kind, Message
from bridge.ebms.receiving import (
    AGREEMENT_TABLE,
    CONTENT_TABLE,
    Agreed,
    AnswerError,
    AnswerFault,
    Ignore,
    Refusal,
)
from bridge.errors import EbmsError, SoapFault

NO_ANSWER = "HTTP 204, empty"
READING_ONLY = "not judged: without --cpa only the reading is judged"


def accepted_in_words(message: Message, agreed: Agreed) -> str:
    """For a business message that is as agreed."""
    if not message.ack_requested:
        return f"{NO_ANSWER}; no acknowledgment was asked for"
    signed = any(asked.signed for asked in message.ack_requested)
    what = "a signed Acknowledgment" if signed else "an Acknowledgment"
    return _place(what, agreed.synchronous, agreed.acknowledgment.endpoint_url)


def signal_in_words(message: Message, agreed: Agreed) -> str:
    """For a signal that is as agreed."""
    if message.kind in (Kind.PING, Kind.STATUS_REQUEST):
        what = "a Pong" if message.kind is Kind.PING else "a StatusResponse"
        return _place(what, agreed.synchronous, agreed.acknowledgment.endpoint_url)
    return f"{NO_ANSWER}, if the bridge sent the message that it refers to; else HTTP 500 with a SOAP fault"


def refusal_in_words(refusal: Refusal) -> str:
    """For a message that a row of the receiving table refuses."""
    match refusal:
        case AnswerFault(fault=fault):
            return fault_in_words(fault)
        case Ignore():
            return f"{NO_ANSWER}; an answer is never answered with an error"
        case AnswerError():
            url = refusal.signal_terms.endpoint_url if refusal.signal_terms else ""
            return _place("a MessageError", refusal.synchronous, url)
        case _:
            assert_never(refusal)


def row_in_words(number: int | None, errors: Sequence[EbmsError]) -> str | None:
    """What must hold by the row of the receiving table that decided; several rows may bear one number."""
    rows = [(row.number, row.location, row.what) for row in AGREEMENT_TABLE]
    rows += [(row.number, row.location, row.what) for row in CONTENT_TABLE]
    fitting = [(location, what) for one, location, what in rows if one == number]
    places = [error.location for error in errors]
    named = [what for location, what in fitting if any(place.startswith(location) for place in places)]
    return next(iter((*named, *(what for _, what in fitting))), None)


def fault_in_words(fault: SoapFault) -> str:
    """For what no ebMS answer is possible to."""
    if fault.bare:
        return f"HTTP {fault.status}, empty: {fault.text}"
    return f"HTTP {fault.status} with a SOAP fault {fault.fault_code}: {fault.text}"


def _place(what: str, synchronous: bool, url: str) -> str:
    if synchronous:
        return f"HTTP 200 with {what} in the response"
    return f"{NO_ANSWER}; then {what} by a POST of its own to {url or 'nowhere: the CPA names no endpoint'}"
