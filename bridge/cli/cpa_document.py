"""An agreement as values for scripts: parties, certificates, and what is agreed about each action."""

from __future__ import annotations

from typing import Any

from bridge.ebms.cpa_findings import Exchange, exchanges
from bridge.ebms.cpa_lint import explain_cpa
from bridge.ebms.cpa_model import Agreement, PartyInfo
from bridge.ebms.cpa_resolve import outgoing_terms
from bridge.ebms.cpa_terms import Terms
from bridge.ebms.keys import fingerprint_sha256, oin_of, subject_text
from bridge.ebms.xml import format_time
from bridge.errors import ConfigError


def agreement_document(agreement: Agreement) -> dict[str, Any]:
    """What `bridge cpa show --json` prints; keys are only ever added."""
    return {
        "cpaId": agreement.cpa_id,
        "status": agreement.status,
        "start": format_time(agreement.start) if agreement.start else None,
        "end": format_time(agreement.end) if agreement.end else None,
        "parties": [_party_document(party) for party in agreement.parties],
        "actions": [_action_document(agreement, exchange) for exchange in exchanges(agreement)],
        "text": list(explain_cpa(agreement)),
    }


def _party_document(party: PartyInfo) -> dict[str, Any]:
    return {
        "name": party.name,
        "partyIds": [{"value": p.value, "type": p.type} for p in party.party_ids],
        "roles": sorted({role.role for role in party.roles}),
        "signalsTo": party.default_channel.transport.endpoint_url("allPurpose"),
        "certificates": [
            {
                "id": named.cert_id,
                "subject": subject_text(named.certificate),
                "oin": oin_of(named.certificate),
                "until": f"{named.certificate.not_valid_after_utc:%Y-%m-%d}",
                "sha256": fingerprint_sha256(named.certificate),
            }
            for named in party.certificates
        ],
    }


def _action_document(agreement: Agreement, exchange: Exchange) -> dict[str, Any]:
    document = {
        "from": str(exchange.sender),
        "to": str(exchange.receiver),
        "role": exchange.role.role,
        "service": exchange.role.service.value,
        "action": exchange.send.action,
    }
    try:
        terms = outgoing_terms(
            agreement,
            own=exchange.sender.party_ids[0],
            service=exchange.role.service,
            action=exchange.send.action,
            role=exchange.role.role,
        )
    except ConfigError as fault:
        return document | {"problem": str(fault)}
    return document | _terms_document(terms)


def _terms_document(terms: Terms) -> dict[str, Any]:
    return {
        "profile": terms.profile,
        "nearestProfile": terms.nearest_profile,
        "deviations": list(terms.deviations),
        "endpoint": terms.endpoint_url or None,
        "reliable": terms.reliable,
        "synchronous": terms.synchronous,
        "attempts": 1 + terms.retries if terms.reliable else 1,
        "retrySeconds": terms.retry_interval.total_seconds() if terms.reliable else None,
        "persistSeconds": terms.persist_duration.total_seconds() if terms.reliable else None,
        "signature": terms.signing.signature_algorithm if terms.signing else None,
        "encryption": terms.encryption.algorithm if terms.encryption else None,
    }
