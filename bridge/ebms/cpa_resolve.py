"""From a header to what was agreed: section 11.2 of the ebMS notes, step by step.

`resolve` serves a message that came in, `outgoing_terms` one that is to be composed, `signal_terms` the
answers, and `Agreements` holds all agreements of an installation.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from bridge.ebms.cpa_model import ActionBinding, Agreement, CollaborationRole, PartyInfo
from bridge.ebms.cpa_terms import (
    EncryptionTerms,
    SignalTerms,
    SigningTerms,
    Terms,
    Unresolved,
    any_signing,
    build_terms,
    certificate_of,
    signing_of,
)
from bridge.ebms.model import ACTOR_TO_PARTY, ErrorCode, Party, PartyId, Service
from bridge.errors import ConfigError
from bridge.ids import CpaId

__all__ = [
    "Agreements",
    "EncryptionTerms",
    "SignalTerms",
    "SigningTerms",
    "Terms",
    "Unresolved",
    "answering_terms",
    "find_parties",
    "outgoing_terms",
    "resolve",
    "sender_verification",
    "signal_terms",
]

HEADER = "//Header/MessageHeader"
INVALID = "Invalid value."
NOT_FOUND = "Value not found."

_URI = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:\S+", re.ASCII)


def resolve(
    agreement: Agreement, *, from_party: Party, to_party: Party, service: Service, action: str
) -> Terms | Unresolved:
    """The terms for a business message with this header, or the error that it deserves."""
    parties = find_parties(agreement, from_party=from_party, to_party=to_party)
    if isinstance(parties, Unresolved):
        return parties
    sender, receiver = parties
    malformed = _malformed(service, action)
    if malformed is not None:
        return malformed
    sending = _find_sending(sender, from_party.role, service, action)
    if isinstance(sending, Unresolved):
        return sending
    from_role, send = sending
    receiving = _find_receiving(receiver, to_party.role, service, action, send.other_id)
    if isinstance(receiving, Unresolved):
        return receiving
    to_role, receive = receiving
    return build_terms(
        agreement,
        sender=sender,
        receiver=receiver,
        roles=(from_role, to_role),
        service=service,
        send=send,
        receive=receive,
    )


def find_parties(
    agreement: Agreement, *, from_party: Party, to_party: Party
) -> tuple[PartyInfo, PartyInfo] | Unresolved:
    """Sender and receiver of a header, business or signal; they must be the two parties of the agreement."""
    for name, party in (("From", from_party), ("To", to_party)):
        if not party.party_ids or not all(_is_named(p.value, p.type) for p in party.party_ids):
            text = f"{INVALID} A PartyId has a type, or is a URI."
            return _inconsistent(14 if name == "From" else 15, f"{name}/PartyId", text)
        if party.role is not None and not party.role.strip():
            return _inconsistent(
                14 if name == "From" else 15, f"{name}/Role", f"{INVALID} The Role is empty."
            )
    sender = agreement.find_party(from_party.party_ids)
    if sender is None:
        return _inconsistent(14, "From/PartyId", f"{NOT_FOUND} The CPA does not know this party.")
    receiver = agreement.other_party(sender)
    if not receiver.is_named_by(to_party.party_ids):
        return _inconsistent(15, "To/PartyId", f"{NOT_FOUND} This is not the other party of the CPA.")
    return sender, receiver


def outgoing_terms(
    agreement: Agreement, *, own: PartyId, service: Service, action: str, role: str | None = None
) -> Terms:
    """The terms for a message that the party `own` sends; `role` only if it sends this in several roles.

    Raises ConfigError when the agreement lets `own` send no such message, or leaves open in which role.
    """
    sender = agreement.find_party((own,))
    if sender is None:
        raise ConfigError([f"CPA {agreement}: {own} is neither of its parties"])
    receiver = agreement.other_party(sender)
    found = resolve(
        agreement,
        from_party=Party(party_ids=sender.party_ids, role=role),
        to_party=Party(party_ids=receiver.party_ids),
        service=service,
        action=action,
    )
    if isinstance(found, Unresolved):
        raise ConfigError([f"CPA {agreement}: {own} cannot send {service}/{action}: {found.text}"])
    return found


def answering_terms(
    agreement: Agreement, *, own: PartyId, action: str, service: Service, role: str | None = None
) -> Terms | None:
    """The terms for an action that answers a message of `service`: of the same service, else of any other.

    None when the agreement lets `own` send no such message; `role` is the one that it received the message in.
    """
    sender = agreement.find_party((own,))
    if sender is None:
        return None
    others = [r.service for r in sender.roles if r.service != service]
    for candidate in dict.fromkeys((service, *others)):
        for wanted in dict.fromkeys((role, None)):
            try:
                return outgoing_terms(agreement, own=own, service=candidate, action=action, role=wanted)
            except ConfigError:
                continue
    return None


def signal_terms(
    agreement: Agreement, *, acknowledging: Party, original_sender: Party, action: str
) -> SignalTerms:
    """The terms for a signal from `acknowledging` to `original_sender`; `action` as in the signal's header.

    Raises ConfigError when these are not the two parties of the agreement.
    """
    sender = agreement.find_party(acknowledging.party_ids)
    receiver = agreement.find_party(original_sender.party_ids)
    if sender is None or receiver is None or sender is receiver:
        raise ConfigError([f"CPA {agreement} is not between {acknowledging} and {original_sender}"])
    own, theirs = sender.signal_channel(action), receiver.signal_channel(action)
    preferred = ("error",) if action == "MessageError" else ()
    return SignalTerms(
        from_party_ids=sender.party_ids,
        to_party_ids=receiver.party_ids,
        endpoint_url=theirs.transport.endpoint_url(*preferred, "allPurpose", "response", "request") or "",
        signing=signing_of(own.sender) or any_signing(sender),
        client_certificate=certificate_of(own.transport.client_certificate),
        server_certificate=certificate_of(theirs.transport.server_certificate),
        sync_reply_mode=own.sync_reply_mode,
        actor=own.actor or ACTOR_TO_PARTY,
    )


def sender_verification(agreement: Agreement, *, sender: Party, action: str) -> SigningTerms | None:
    """How to verify a signal of `sender`: by its channel for that signal, else any of its channels."""
    party = agreement.find_party(sender.party_ids)
    return None if party is None else signing_of(party.signal_channel(action).sender) or any_signing(party)


UNDER_WAY = timedelta(days=5)
"""How long a message may be under way: what counts where parties agreed nothing (section 12.5)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Agreements:
    """All agreements of an installation, also several versions of one cpaid; later in the tuple is newer."""

    agreements: tuple[Agreement, ...] = ()

    def find(self, cpa_id: CpaId, at: datetime) -> Agreement | None:
        """The version of an agreement that counts at `at`.

        When none is in force the nearest is given, so that its user can say why it is refused.
        """
        versions = [agreement for agreement in self.agreements if agreement.cpa_id == cpa_id]
        for wanted in (
            [v for v in versions if v.is_active(at)],
            [v for v in versions if v.start is None or v.start <= at],
        ):
            if wanted:
                return max(reversed(wanted), key=_starts)
        return min(versions, key=_starts, default=None)

    def find_for(self, cpa_id: CpaId, written: datetime, at: datetime) -> Agreement | None:
        """The version that counts at `at` for a message that was written at `written`.

        A message that was under way when a later version came into force keeps the former one, for so long that
        nobody can choose a version that ended long ago.
        """
        current = self.find(cpa_id, at)
        if current is None or not current.is_active(at) or current.is_dated(written):
            return current
        former = self.find(cpa_id, written)
        if former is None or former.end is None or not former.is_active(written):
            return current
        return former if timedelta(0) <= at - former.end <= UNDER_WAY else current

    def own_side(self, agreement: Agreement, own_party_ids: frozenset[PartyId]) -> PartyInfo | None:
        """The party that we play; None when we are neither of the two, or both."""
        own = [party for party in agreement.parties if own_party_ids.intersection(party.party_ids)]
        return own[0] if len(own) == 1 else None

    def candidates(
        self,
        *,
        own: PartyId,
        service: Service,
        action: str,
        at: datetime,
        partner: PartyId | None = None,
    ) -> tuple[Terms, ...]:
        """The terms of every agreement in force under which `own` may send this, to `partner` if given."""
        found = []
        for cpa_id in dict.fromkeys(agreement.cpa_id for agreement in self.agreements):
            agreement = self.find(cpa_id, at)
            if agreement is None or not agreement.is_active(at):
                continue
            sender = agreement.find_party((own,))
            if sender is None or (partner and partner not in agreement.other_party(sender).party_ids):
                continue
            try:
                found.append(outgoing_terms(agreement, own=own, service=service, action=action))
            except ConfigError:
                continue
        return tuple(found)


def _starts(agreement: Agreement) -> float:
    return float("-inf") if agreement.start is None else agreement.start.timestamp()


def _is_named(value: str, scheme: str | None) -> bool:
    """A value has a type that says what it is, or is a URI and says so itself (sections 3.1.1 and 3.1.4)."""
    return bool(value.strip()) and (bool(scheme and scheme.strip()) or _URI.fullmatch(value) is not None)


def _inconsistent(row: int, element: str, text: str) -> Unresolved:
    return Unresolved(row=row, code=ErrorCode.INCONSISTENT, location=f"{HEADER}/{element}", text=text)


def _unrecognized(element: str, text: str) -> Unresolved:
    code = ErrorCode.VALUE_NOT_RECOGNIZED
    return Unresolved(row=17, code=code, location=f"{HEADER}/{element}", text=f"{NOT_FOUND} {text}")


def _malformed(service: Service, action: str) -> Unresolved | None:
    if not _is_named(service.value, service.type):
        return _inconsistent(16, "Service", f"{INVALID} A Service has a type, or is a URI.")
    if not action.strip():
        return _inconsistent(16, "Action", f"{INVALID} The Action is empty.")
    return None


def _find_sending(
    party: PartyInfo, role: str | None, service: Service, action: str
) -> tuple[str, ActionBinding] | Unresolved:
    """The sending binding: role, service, action in that order, so that the error names what fails."""
    roles = [r for r in party.roles if role is None or r.role == role]
    if not roles:
        return _unrecognized("From/Role", "The CPA does not give the sender this role.")
    roles = [r for r in roles if r.service == service]
    if not roles:
        return _unrecognized("Service", "The CPA has no such service (value and type) for the sender's role.")
    found = [(r.role, binding) for r in roles for binding in r.can_send if binding.action == action]
    if not found:
        return _unrecognized("Action", "The CPA does not let the sender send this action.")
    if len({name for name, _ in found}) > 1:
        return _inconsistent(
            14, "From/Role", f"{INVALID} The CPA leaves several roles, so the Role must be given."
        )
    return found[0]


def _find_receiving(
    party: PartyInfo, role: str | None, service: Service, action: str, counterpart: str | None
) -> tuple[str, ActionBinding] | Unresolved:
    """The receiving binding: the counterpart that the sender's binding names, else by service and action."""
    if role is not None and all(r.role != role for r in party.roles):
        return _unrecognized("To/Role", "The CPA does not give the receiver this role.")
    found = list(_receiving(party.roles, service, action))
    named = [(r, binding) for r, binding in found if counterpart and binding.id == counterpart]
    found = named or found
    if not found:
        return _unrecognized("Action", "The CPA does not let the receiver receive this action.")
    fitting = [(r, binding) for r, binding in found if role is None or r == role]
    if not fitting:
        return _unrecognized("To/Role", "The CPA gives the receiver another role for this action.")
    if len({name for name, _ in fitting}) > 1:
        return _inconsistent(
            15, "To/Role", f"{INVALID} The CPA leaves several roles, so the Role must be given."
        )
    return fitting[0]


def _receiving(
    roles: tuple[CollaborationRole, ...], service: Service, action: str
) -> Iterator[tuple[str, ActionBinding]]:
    for role in roles:
        if role.service == service:
            yield from ((role.role, binding) for binding in role.can_receive if binding.action == action)
