"""Judging an agreement before it is used, and telling what it means, in words that need no CPA standard.

A finding of level `error` keeps the agreement from being used; the rest is for the partner manager to weigh.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from datetime import datetime

from cryptography import x509

from bridge.ebms import cpa_lint_channels, cpa_lint_parties
from bridge.ebms.cpa import read_cpa
from bridge.ebms.cpa_findings import Finding, Level, LintCase, error, exchanges
from bridge.ebms.cpa_model import Agreement
from bridge.ebms.cpa_resolve import outgoing_terms
from bridge.ebms.cpa_terms import Terms
from bridge.ebms.model import PartyId
from bridge.errors import ConfigError

__all__ = ["Finding", "Level", "explain_cpa", "lint_cpa"]

CHECKS: tuple[Callable[[LintCase], Iterator[Finding]], ...] = (
    cpa_lint_parties.status_and_dates,
    cpa_lint_parties.own_side,
    cpa_lint_parties.parties,
    cpa_lint_parties.identifiers,
    cpa_lint_parties.actions,
    cpa_lint_parties.mixed_profiles,
    cpa_lint_channels.channels,
    cpa_lint_channels.endpoints,
    cpa_lint_channels.certificates,
    cpa_lint_channels.own_keys,
)

_ORDER = (Level.ERROR, Level.WARNING, Level.HINT)


def lint_cpa(
    agreement: Agreement | bytes,
    *,
    own_parties: Iterable[PartyId],
    own_certificates: Iterable[x509.Certificate] = (),
    now: datetime,
    production: bool,
) -> tuple[Finding, ...]:
    """All findings about an agreement, or about the octets of one, gravest first. Never raises.

    `own_certificates` are those of which the bridge holds the private key.
    """
    if isinstance(agreement, bytes):
        try:
            agreement = read_cpa(agreement)
        except ConfigError as fault:
            return tuple(error("structure", "document", problem) for problem in fault.problems)
    case = LintCase(
        agreement=agreement,
        own_parties=frozenset(own_parties),
        own_certificates=frozenset(own_certificates),
        now=now,
        production=production,
    )
    found = dict.fromkeys(finding for check in CHECKS for finding in check(case))
    return tuple(sorted(found, key=lambda finding: _ORDER.index(finding.level)))


def explain_cpa(agreement: Agreement) -> tuple[str, ...]:
    """What the agreement says, line by line, for `bridge cpa show`."""
    return tuple(_explain(agreement))


def _explain(agreement: Agreement) -> Iterator[str]:
    start = f"{agreement.start:%Y-%m-%d}" if agreement.start else "ever"
    end = f"{agreement.end:%Y-%m-%d}" if agreement.end else "further notice"
    yield f"Agreement {agreement} (status {agreement.status or 'missing'}), from {start} until {end}"
    for party in agreement.parties:
        roles = ", ".join(sorted({role.role for role in party.roles})) or "none"
        identities = ", ".join(f"{p.type}:{p.value}" if p.type else p.value for p in party.party_ids)
        yield f"Party {party.name or '(no name)'}: {identities}; role {roles}"
        yield f"  signals to {party.default_channel.transport.endpoint_url('allPurpose') or 'nowhere'}"
    for exchange in exchanges(agreement):
        yield f"{exchange.sender} → {exchange.receiver}: {exchange.role.service}, {exchange.send.action}"
        try:
            terms = outgoing_terms(
                agreement,
                own=exchange.sender.party_ids[0],
                service=exchange.role.service,
                action=exchange.send.action,
                role=exchange.role.role,
            )
        except ConfigError as fault:
            yield f"  cannot be used: {fault}"
            continue
        yield from _explain_terms(terms)


def _explain_terms(terms: Terms) -> Iterator[str]:
    if terms.profile:
        yield f"  profile {terms.profile}"
    else:
        yield f"  no Digikoppeling profile, nearest {terms.nearest_profile}: {'; '.join(terms.deviations)}"
    yield f"  to {terms.endpoint_url or 'nowhere'}"
    if terms.reliable:
        signed = "signed " if terms.ack_signature_requested == "always" else ""
        way = "in the HTTP response" if terms.synchronous else "by a message of its own"
        yield f"  {signed}acknowledgment {way}"
        yield f"  up to {1 + terms.retries} attempts, {terms.retry_interval} apart"
        yield f"  kept for {terms.persist_duration}"
    else:
        yield "  one attempt, no acknowledgment"
    if terms.signing:
        yield f"  signed with {terms.signing.signature_algorithm.rpartition('#')[2]}"
    if terms.encryption:
        yield f"  payload encrypted with {terms.encryption.algorithm.rpartition('#')[2]}"
