"""An agreement in the words of the page: its term, its parties, and what was agreed per message. Pure."""

import difflib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta

from bridge.ebms.cpa_findings import Exchange, Finding, exchanges
from bridge.ebms.cpa_model import Agreement, PartyInfo
from bridge.ebms.cpa_resolve import outgoing_terms
from bridge.ebms.cpa_terms import Terms
from bridge.ebms.keys import fingerprint_sha256, subject_text
from bridge.errors import ConfigError
from bridge.web.console.text import Catalogue
from bridge.web.console.views import Fact, Lens

_UNITS = (("day", 86_400), ("hour", 3_600), ("minute", 60), ("second", 1))


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """A heading with what is agreed about it."""

    title: str
    facts: tuple[Fact, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class AgreementView:
    facts: tuple[Fact, ...]
    parties: tuple[Told, ...]
    exchanges: tuple[Told, ...]


def agreement_view(agreement: Agreement, lens: Lens) -> AgreementView:
    words = lens.words
    start = lens.words.day(agreement.start.date()) if agreement.start else words("agreement.no_start")
    end = lens.words.day(agreement.end.date()) if agreement.end else words("agreement.no_end")
    return AgreementView(
        facts=(
            _fact("period", words("agreement.from_until", start=start, end=end), words),
            _fact("status", _status(agreement.status, words), words),
        ),
        parties=tuple(_party(party, words) for party in agreement.parties),
        exchanges=tuple(
            Told(
                title=f"{exchange.sender.name or exchange.sender} → {exchange.receiver.name or exchange.receiver}: "
                f"{exchange.send.action}",
                facts=tuple(_exchange(agreement, exchange, words)),
            )
            for exchange in exchanges(agreement)
        ),
    )


def _fact(name: str, text: str, words: Catalogue, *, code: bool = False) -> Fact:
    return Fact(label=words(f"agreement.{name}"), text=text, code=code)


def _status(status: str | None, words: Catalogue) -> str:
    if not status:
        return words("agreement.no_status")
    return words.find(f"agreement.status.{status}") or status


def _party(party: PartyInfo, words: Catalogue) -> Told:
    roles = ", ".join(sorted({role.role for role in party.roles})) or words("agreement.no_role")
    identities = ", ".join(f"{p.type}:{p.value}" if p.type else p.value for p in party.party_ids)
    url = party.default_channel.transport.endpoint_url("allPurpose")
    return Told(
        title=party.name or identities,
        facts=(
            _fact("roles", roles, words),
            _fact("identities", identities, words, code=True),
            _fact("signals", url or words("agreement.nowhere"), words, code=bool(url)),
        ),
    )


def _exchange(agreement: Agreement, exchange: Exchange, words: Catalogue) -> Iterator[Fact]:
    yield Fact(label=words("field.service"), text=str(exchange.role.service), code=True)
    try:
        terms = outgoing_terms(
            agreement,
            own=exchange.sender.party_ids[0],
            service=exchange.role.service,
            action=exchange.send.action,
            role=exchange.role.role,
        )
    except ConfigError as fault:
        yield _fact("unusable", str(fault), words)
        return
    yield from _terms(terms, words)


def _terms(terms: Terms, words: Catalogue) -> Iterator[Fact]:
    yield _fact("profile", terms.profile or words("agreement.no_profile", name=terms.nearest_profile), words)
    if not terms.profile and terms.deviations:
        yield _fact("deviations", "; ".join(terms.deviations), words)
    url = terms.endpoint_url
    yield _fact("to", url or words("agreement.nowhere"), words, code=bool(url))
    if terms.reliable:
        signed = "signed" if terms.ack_signature_requested == "always" else "plain"
        way = "sync" if terms.synchronous else "async"
        yield _fact("acknowledgment", words(f"agreement.ack.{signed}_{way}"), words)
        span = span_text(terms.retry_interval, words)
        yield _fact("attempts", words("agreement.attempts_text", count=1 + terms.retries, span=span), words)
        yield _fact("kept", span_text(terms.persist_duration, words), words)
    else:
        yield _fact("acknowledgment", words("agreement.ack.none"), words)
        yield _fact("attempts", words("agreement.one_attempt"), words)
    if terms.signing:
        yield _fact("signing", terms.signing.signature_algorithm.rpartition("#")[2], words)
    if terms.encryption:
        yield _fact("encryption", terms.encryption.algorithm.rpartition("#")[2], words)


def span_text(span: timedelta, words: Catalogue) -> str:
    """A span in whole units: `1 hour 42 seconds`."""
    rest, said = int(span.total_seconds()), []
    for name, size in _UNITS:
        count, rest = divmod(rest, size)
        if count:
            said.append(words(f"span.{name}", n=count))
    return " ".join(said) or words("span.second", n=0)


def told_differences(old: Agreement, new: Agreement, lens: Lens) -> tuple[tuple[str, str], ...]:
    """What the two say differently in the reader's words, each line with `was` or `becomes`."""
    compared = difflib.unified_diff(list(_lines(old, lens)), list(_lines(new, lens)), lineterm="", n=0)
    names = {"-": lens.words("agreements.was"), "+": lens.words("agreements.becomes")}
    return tuple((names[line[0]], line[1:]) for line in list(compared)[2:] if line[0] in names)


def _lines(agreement: Agreement, lens: Lens) -> Iterator[str]:
    """Everything of the page of an agreement, each line with what it is about."""
    view = agreement_view(agreement, lens)
    for about in (Told(title="", facts=view.facts), *view.parties, *view.exchanges):
        for fact in about.facts:
            yield ": ".join(filter(None, (about.title, fact.label, fact.text)))
    for party in agreement.parties:
        for named in party.certificates:
            until = lens.words.day(named.certificate.not_valid_after_utc.date())
            title = lens.words("agreements.certificate", name=named.cert_id, party=party.name or str(party))
            mark = fingerprint_sha256(named.certificate)[:16]
            said = lens.words(
                "agreements.certificate_until", subject=subject_text(named.certificate), until=until
            )
            yield f"{title}: {said}, {mark}"


def finding_view(finding: Finding, words: Catalogue) -> dict[str, str]:
    """A finding of the judge of agreements: in the reader's words by its code, and as it was recorded."""
    level = str(finding.level)
    return {
        "tone": {"error": "failed", "warning": "waiting"}.get(level, "info"),
        "level": words(f"finding.level.{level}"),
        "said": words(f"finding.cpa.{finding.code}"),
        "where": finding.where,
        "text": finding.text,
    }
