"""Checks of an agreement as a whole: dates and status, parties and names, actions and what protects them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta

from bridge.ebms.cpa_description import SERVICE_TYPE
from bridge.ebms.cpa_findings import Exchange, Finding, LintCase, error, exchanges, hint, warning
from bridge.ebms.cpa_model import AGREED, CollaborationRole, PartyInfo, PerMessage, SyncReplyMode
from bridge.ebms.cpa_resolve import outgoing_terms
from bridge.ebms.cpa_terms import Terms
from bridge.ebms.oin import OIN_TYPE, environment_suffix, oin_in
from bridge.errors import ConfigError

_LONGEST = timedelta(days=3653)
_PLAIN_ID = re.compile(r"[A-Za-z0-9_-]+")
_WHITE_SPACE = re.compile(r"\s")


def status_and_dates(case: LintCase) -> Iterator[Finding]:
    agreement, now = case.agreement, case.now
    if agreement.status != AGREED:
        said = f"is '{agreement.status}'" if agreement.status else "is missing"
        yield error("status", "Status", f"The status {said}. Only an agreement with status 'agreed' is used.")
    if agreement.start is None or agreement.end is None:
        yield warning(
            "dates", "Start, End", "A date is missing, so the agreement has no beginning or no end."
        )
    if agreement.end is not None and agreement.end < now:
        yield error("expired", "End", f"The agreement ended on {agreement.end:%Y-%m-%d}. Ask for a new one.")
    if agreement.start is not None and agreement.start > now:
        yield warning(
            "not-yet-valid", "Start", f"The agreement starts on {agreement.start:%Y-%m-%d}, not before."
        )
    if agreement.start and agreement.end and agreement.end - agreement.start > _LONGEST:
        yield hint("long-validity", "End", "An agreement is valid for at most ten years (DK-148).")


def identifiers(case: LintCase) -> Iterator[Finding]:
    if not _PLAIN_ID.fullmatch(case.agreement.cpa_id):
        text = "The CPAId has dots or other odd characters; some adapters make file names of it (DK-44)."
        yield hint("cpa-id", "cpaid", text)
    for role, where in _roles(case):
        service = role.service
        if _WHITE_SPACE.search(service.value):
            yield warning("white-space", where, f"The Service '{service}' has white space in it (DK-48).")
        if service.type != SERVICE_TYPE:
            text = (
                f"The type of Service '{service}' is not {SERVICE_TYPE}, as Digikoppeling advises (DK-147)."
            )
            yield hint("service-type", where, text)
        for binding in (*role.can_send, *role.can_receive):
            if _WHITE_SPACE.search(binding.action):
                yield warning(
                    "white-space", where, f"The Action '{binding.action}' has white space in it (DK-50)."
                )


def _roles(case: LintCase) -> Iterator[tuple[CollaborationRole, str]]:
    for party in case.agreement.parties:
        for role in party.roles:
            yield role, f"party {party}, role {role.role}"


def own_side(case: LintCase) -> Iterator[Finding]:
    own = [party for party in case.agreement.parties if case.is_own(party)]
    if not own:
        text = "Neither party is one of ours. Configure the PartyId of the party that the bridge plays."
        yield error("no-own-party", "PartyInfo", text)
    if len(own) == 2:
        text = "Both parties are ours. Decide which of them the bridge plays before it is used."
        yield warning("both-own-parties", "PartyInfo", text)


def parties(case: LintCase) -> Iterator[Finding]:
    for party in case.agreement.parties:
        where = f"party {party}"
        yield from _party_ids(case, party, where)
        roles = sorted({role.role for role in party.roles})
        if len(roles) > 1:
            text = f"The party has several roles ({', '.join(roles)}); a party has one per agreement (DK-40)."
            yield warning("several-roles", where, text)
        if not any(role.can_send or role.can_receive for role in party.roles):
            yield warning("no-actions", where, "The party can neither send nor receive anything.")


def _party_ids(case: LintCase, party: PartyInfo, where: str) -> Iterator[Finding]:
    for party_id in party.party_ids:
        if party_id.type is None and ":" not in party_id.value:
            text = f"PartyId '{party_id}' has no type, so no message can name it (DK-38)."
            yield error("party-id-type", where, text)
        elif party_id.type != OIN_TYPE:
            text = f"The type of PartyId '{party_id}' is {party_id.type}, not {OIN_TYPE} (DK-34)."
            yield warning("party-id-type", where, text)
        elif oin_in(party_id) is None:
            yield warning("oin", where, f"PartyId '{party_id}' is not an OIN of 20 characters (DK-34).")
        if case.production and environment_suffix(party_id):
            text = f"PartyId '{party_id}' has a test suffix; in production it has none (DK-35, DK-151)."
            yield warning("test-party", where, text)


def actions(case: LintCase) -> Iterator[Finding]:
    """Each action: its counterpart, its profile, and whether what protects it is described."""
    for exchange in exchanges(case.agreement):
        where = f"action {exchange.name}"
        if exchange.receive is None:
            yield error("no-counterpart", where, "The other party cannot receive this action.")
            continue
        terms = _terms(case, exchange)
        if terms is None:
            yield error("unresolved", where, "No single channel follows from the agreement for this action.")
            continue
        if terms.deviations:
            text = f"It fits no Digikoppeling profile; nearest is {terms.nearest_profile} (DK-01): "
            yield warning("profile", where, text + "; ".join(terms.deviations) + ".")
        yield from _protection(exchange, terms, where)
        yield from _acknowledging(exchange, terms, where)
        yield from _retrying(exchange, terms, where)


def _terms(case: LintCase, exchange: Exchange) -> Terms | None:
    try:
        return outgoing_terms(
            case.agreement,
            own=exchange.sender.party_ids[0],
            service=exchange.role.service,
            action=exchange.send.action,
            role=exchange.role.role,
        )
    except ConfigError:
        return None


def _protection(exchange: Exchange, terms: Terms, where: str) -> Iterator[Finding]:
    said = exchange.send.characteristics
    if said.non_repudiation and terms.signing is None:
        text = "Messages must be signed, but the sender's channel has no SenderNonRepudiation."
        yield error("signing-not-described", where, text)
    if terms.signing is None and (said.authenticated.in_the_message or said.tamper_proof.in_the_message):
        text = (
            "isAuthenticated or isTamperProof is persistent, but without non-repudiation nothing is signed."
        )
        yield warning("not-signed", where, text)
    if terms.confidential and terms.encryption is None:
        text = "Payload must be encrypted, but the receiver's channel has no ReceiverDigitalEnvelope."
        yield error("encryption-not-described", where, text)
    if len(exchange.send.channels) > 1 or (exchange.receive and len(exchange.receive.channels) > 1):
        yield warning("several-channels", where, "Several channels are named; only the first is used.")


def _acknowledging(exchange: Exchange, terms: Terms, where: str) -> Iterator[Finding]:
    default = exchange.receiver.signal_channel("Acknowledgment")
    if terms.ack_requested is PerMessage.PER_MESSAGE:
        text = (
            "ackRequested is perMessage: the usual adapter asks for none, waits for one, and lets it expire."
        )
        yield warning("ack-per-message", where, text)
    if terms.synchronous != (exchange.sender.default_channel.sync_reply_mode is not SyncReplyMode.NONE):
        text = "syncReplyMode differs between the sender's default MSH channel and the channel of the action."
        yield warning("sync-differs", where, text)
    if terms.reliable and terms.ack_signature_requested is PerMessage.ALWAYS:
        if default.sender.non_repudiation is None:
            text = "Signed acknowledgments are asked for, but the receiver's default MSH channel cannot sign."
            yield warning("ack-not-signable", where, text)
        if terms.signing is None:
            text = "Signed acknowledgments are asked for messages that are themselves unsigned."
            yield warning("ack-of-unsigned", where, text)
    elif terms.reliable and terms.signing is not None:
        text = "Messages are signed and acknowledgments are not; the profile signs both (DK-72)."
        yield hint("ack-unsigned", where, text)


def _retrying(exchange: Exchange, terms: Terms, where: str) -> Iterator[Finding]:
    if not terms.reliable:
        return
    assert exchange.receive is not None
    sender, receiver = exchange.send.channel.sender, exchange.receive.channel.receiver
    if sender.reliability and receiver.reliability and sender.reliability != receiver.reliability:
        text = "Retries or RetryInterval differ between the sender's and the receiver's channel."
        yield warning("retries-differ", where, text)
    if sender.reliability is None or sender.reliability.retries is None:
        text = "Retries and RetryInterval are not agreed; the bridge tries for five days (DK-94)."
        yield hint("retries-not-agreed", where, text)
    last = terms.retry_interval * terms.retries
    # Not one interval later: the best practice itself, 8 retries in 3 hours each, persists one day (DK-145).
    if sender.persist_duration is not None and sender.persist_duration < last:
        text = f"PersistDuration {sender.persist_duration} ends before the last attempt, which comes after {last}."
        yield warning("persist-duration", where, text)
    if terms.ordered:
        yield warning(
            "ordered",
            where,
            "MessageOrderSemantics is Guaranteed, which needs a bilateral agreement (DK-28).",
        )
    if terms.ordered and not terms.numbered:
        text = (
            "MessageOrderSemantics is Guaranteed, and the channel forbids it: it goes with DuplicateElimination "
            "and without SyncReply only. Messages are sent without order."
        )
        yield warning("order-impossible", where, text)


def mixed_profiles(case: LintCase) -> Iterator[Finding]:
    """All actions share one default channel, so they should share one profile (DK-124)."""
    by_profile: dict[str, list[str]] = {}
    for exchange in exchanges(case.agreement):
        terms = _terms(case, exchange)
        if terms is not None:
            by_profile.setdefault(terms.nearest_profile, []).append(exchange.name)
    if len(by_profile) > 1:
        listed = "; ".join(
            f"{name}: {', '.join(sorted(set(found)))}" for name, found in sorted(by_profile.items())
        )
        yield warning(
            "mixed-profiles", "actions", f"The actions follow different profiles (DK-124). {listed}."
        )
