"""What the bridge would answer to a message, and where, in words."""

from __future__ import annotations

from typing import assert_never

from bridge.ebms.model import Kind, Message
from bridge.ebms.receiving import Agreed, AnswerError, AnswerFault, Ignore, Refusal
from bridge.errors import SoapFault

NO_ANSWER = "HTTP 204, empty"
READING_ONLY = "not judged: without --cpa only the reading is judged"


def accepted_in_words(message: Message, agreed: Agreed) -> str:
    """For a business message that is as agreed."""
    if not message.ack_requested:
        return f"{NO_ANSWER}; no acknowledgment was asked for"
    signed = any(asked.signed for asked in message.ack_requested)
    what = "a signed Acknowledgment" if signed else "an Acknowledgment"
    return _place(what, agreed.synchronous, agreed.acknowledgment.endpoint_url)


def signal_in_words(message: Message) -> str:
    """For a signal that is as agreed."""
    if message.kind is Kind.PING:
        return "HTTP 200 with a Pong in the response"
    if message.kind is Kind.STATUS_REQUEST:
        return "HTTP 200 with a StatusResponse in the response"
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


def fault_in_words(fault: SoapFault) -> str:
    """For what no ebMS answer is possible to."""
    if fault.bare:
        return f"HTTP {fault.status}, empty: {fault.text}"
    return f"HTTP {fault.status} with a SOAP fault {fault.fault_code}: {fault.text}"


def _place(what: str, synchronous: bool, url: str) -> str:
    if synchronous:
        return f"HTTP 200 with {what} in the response"
    return f"{NO_ANSWER}; then {what} by a POST of its own to {url or 'nowhere: the CPA names no endpoint'}"
