"""Posting octets once and waiting for the answer, outside the retries of `deliver`: a Ping, a test of a partner."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from cryptography import x509

from bridge.config import PartnerSettings
from bridge.ebms import signals as judgement
from bridge.ebms.cpa_model import Agreement
from bridge.ebms.cpa_resolve import sender_verification
from bridge.ebms.model import Kind
from bridge.ebms.read import read_message
from bridge.ebms.write import read_fault
from bridge.errors import ConfigError, PeerUnreachable, SoapFault
from bridge.flow.bridge import Bridge, OwnIdentity, PostAnswer
from bridge.flow.route import route_to
from bridge.flow.seal import Sealed
from bridge.flow.sent import describe_sent, find_sent
from bridge.flow.settle import Verdict, settle
from bridge.flow.unseal import unseal
from bridge.store.rows import Message
from bridge.told import masked


class Endpoint(Protocol):
    """What is used here of `Terms` and `SignalTerms`."""

    @property
    def endpoint_url(self) -> str: ...
    @property
    def client_certificate(self) -> x509.Certificate | None: ...
    @property
    def server_certificate(self) -> x509.Certificate | None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """From an own party to a partner under an agreement."""

    own: OwnIdentity
    partner: PartnerSettings
    agreement: Agreement


@dataclass(frozen=True, slots=True, kw_only=True)
class NotReached:
    """No HTTP answer came, or there is nowhere to post to."""

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class NotTaken:
    """The partner answered, and did not take it."""

    reason: str


async def post_once(
    bridge: Bridge, line: Line, endpoint: Endpoint, row: Message, sealed: Sealed
) -> NotReached | NotTaken | None:
    """Post a message of ours; None when the partner took it.

    A signal in the HTTP response does what it would do by a POST of its own.
    """
    try:
        route = route_to(
            bridge,
            line.partner,
            own=line.own,
            url=endpoint.endpoint_url,
            client_certificate=endpoint.client_certificate,
            server_certificate=endpoint.server_certificate,
        )
        answer = await bridge.post(route, sealed.headers, sealed.content)
    except (PeerUnreachable, ConfigError) as error:
        return NotReached(reason=str(error))
    fault = read_fault(answer.body) if answer.body.strip() else None
    if fault is not None:
        return NotTaken(reason=f"a SOAP fault (HTTP {answer.status}): {masked(fault[1])}")
    if not 200 <= answer.status < 300:
        return NotTaken(reason=f"HTTP {answer.status}")
    await _take_answer(bridge, line.agreement, row, answer)
    return None


async def _take_answer(bridge: Bridge, agreement: Agreement, row: Message, answer: PostAnswer) -> None:
    try:
        received = read_message(answer.headers, answer.body) if answer.body.strip() else None
    except SoapFault:
        received = None
    if received is None or received.message.kind is Kind.BUSINESS:
        return
    found = await bridge.store.read(lambda tx: find_sent(tx, received.message))
    if found is None or found[0].key != row.key:
        return
    header = received.message.header
    known = agreement.find_party(header.from_party.party_ids) is not None
    verification = (
        sender_verification(agreement, sender=header.from_party, action=header.action) if known else None
    )
    _, crypto = unseal(bridge, received, own=None, verification=verification, encryption=None)
    verdict = judgement.judge_signal(received, describe_sent(*found), crypto=crypto, in_response=True)
    if isinstance(verdict, judgement.AnswersRequest) and crypto.signature_error is not None:
        return
    if isinstance(verdict, Verdict):
        await settle(bridge, row, verdict, octets=answer.body, headers=answer.headers)
