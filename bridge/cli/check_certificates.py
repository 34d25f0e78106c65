"""The certificates of the settings: readable, ours, trusted, in time, and of the right organisation."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509

from bridge.cli.check_findings import Case, Finding, Group, Level, errors
from bridge.config import TlsSettings
from bridge.ebms.keys import (
    CertificatePolicy,
    KeyPair,
    check_certificate,
    load_key_pair,
    oin_of,
    subject_text,
)
from bridge.ebms.model import PartyId
from bridge.ebms.oin import oin_in
from bridge.ebms.revocation import distribution_points, may_be_asked
from bridge.errors import ConfigError
from bridge.flow.trust import Trust, load_trust
from bridge.web.tls import client_context, server_context

SOON_DAYS = 30


@dataclass(frozen=True, slots=True, kw_only=True)
class _Use:
    """A certificate with its key, and what for."""

    where: str
    certificate: Path
    key: Path
    party: PartyId | None = None
    """The own party that signs with it; None: it serves for TLS alone."""
    needs_oin: bool = True
    """Partners and the hub tell by it who we are; people at the console do not."""


def certificates(case: Case) -> Iterator[Finding]:
    settings = case.settings
    listener, api, hub = settings.partner_listener.tls, settings.api_listener.tls, settings.hub.tls
    console = settings.console.tls
    trust = yield from _trust(case)
    for use in _of_parties(case):
        yield from _use(case, use, trust)
    if listener is not None:
        yield from _tls(case, listener, "partner_listener.tls", trust, server=True)
    if api is not None:
        yield from _tls(case, api, "api_listener.tls", None, server=True)
    if hub is not None:
        yield from _tls(case, hub, "hub.tls", None, server=False)
    if console is not None:
        use = _Use(where="console.tls", certificate=console.certificate, key=console.key, needs_oin=False)
        yield from _use(case, use, None)


def _of_parties(case: Case) -> Iterator[_Use]:
    for own in case.settings.own_parties:
        party = PartyId(value=own.party_id, type=own.party_id_type)
        where = f"own party {own.party_id}"
        yield _Use(where=where, certificate=own.certificate, key=own.key, party=party)
        if own.previous_certificate and own.previous_key:
            yield _Use(
                where=f"{where}, previous certificate",
                certificate=own.previous_certificate,
                key=own.previous_key,
                party=party,
            )


def _trust(case: Case) -> Generator[Finding, None, Trust | None]:
    """Gives what the partner listener trusts; None when that cannot be read, or there is none."""
    tls = case.settings.partner_listener.tls
    if tls is None:
        return None
    try:
        trust = load_trust(case.settings)
    except ConfigError as error:
        yield from errors(Group.CERTIFICATES, "partner_listener.tls", error.problems)
        return _without_production_rules(case)
    if not trust.anchors:
        text = "holds no root certificate; add the root of PKIoverheid"
        yield _finding(Level.ERROR, "partner_listener.tls.trust", text)
    if not trust.crls and not _lists_are_fetched(case, trust):
        text = "is missing, so a stolen certificate stays good; give the revocation lists (DK-70)"
        yield _finding(Level.WARNING, "partner_listener.tls.crl", text)
    return trust


def _lists_are_fetched(case: Case, trust: Trust) -> bool:
    """Whether the authorities name a list that may be fetched, or the settings do."""
    settings = case.settings.trust
    named = distribution_points((*trust.anchors, *trust.intermediates))
    found = settings.crl_urls or any(may_be_asked(url, settings.crl_hosts) for url in named)
    return settings.fetch_crls and bool(found)


def _without_production_rules(case: Case) -> Trust | None:
    """What breaks a rule of production can still tell whether the chains are complete."""
    try:
        return load_trust(case.settings.model_copy(update={"production": False}))
    except ConfigError:
        return None


def _tls(case: Case, tls: TlsSettings, where: str, trust: Trust | None, *, server: bool) -> Iterator[Finding]:
    yield from _use(case, _Use(where=where, certificate=tls.certificate, key=tls.key), trust)
    try:
        if server:
            server_context(tls)
        else:
            client_context(tls)
    except ConfigError as error:
        yield from errors(Group.CERTIFICATES, where, error.problems)


def _use(case: Case, use: _Use, trust: Trust | None) -> Iterator[Finding]:
    pair = yield from _pair(use)
    if pair is None:
        return
    certificate = pair.certificate
    days = (certificate.not_valid_after_utc - case.now).days
    if 0 <= days < SOON_DAYS:
        text = f"expires in {days} days, on {certificate.not_valid_after_utc:%Y-%m-%d}; order its successor"
        yield _finding(Level.WARNING, use.where, text)
    self_signed = certificate.subject == certificate.issuer
    if self_signed:
        yield _finding(case.strict, use.where, "is self-signed, which only tests may use (DK-69, DK-118)")
    if case.settings.production and _is_trial(certificate):
        yield _finding(Level.WARNING, use.where, "is a test certificate (TRIAL PKIoverheid) (DK-151)")
    yield from _chain(case, use, certificate, None if self_signed else trust)
    yield from _organisation(case, use, certificate)


def _pair(use: _Use) -> Generator[Finding, None, KeyPair | None]:
    """Gives the key pair, or None when it cannot be had."""
    try:
        return load_key_pair(use.key.read_bytes() + b"\n" + use.certificate.read_bytes())
    except OSError as error:
        yield _finding(Level.ERROR, use.where, f"{error.filename} cannot be read ({error.strerror})")
    except ConfigError as error:
        names = f"{use.certificate.name} and {use.key.name}"
        yield from errors(
            Group.CERTIFICATES, use.where, [f"{names}: {problem}" for problem in error.problems]
        )
    return None


def _chain(case: Case, use: _Use, certificate: x509.Certificate, trust: Trust | None) -> Iterator[Finding]:
    """Without trust only the dates count."""
    found = check_certificate(
        certificate,
        at=case.now,
        anchors=trust.anchors if trust else (certificate,),
        intermediates=trust.intermediates if trust else (),
        crls=trust.crls if trust else (),
        policy=CertificatePolicy(allow_self_signed=True, require_crl=bool(trust and trust.crls)),
    )
    for finding in found:
        yield _finding(Level.ERROR if finding.fatal else Level.WARNING, use.where, finding.text)


def _organisation(case: Case, use: _Use, certificate: x509.Certificate) -> Iterator[Finding]:
    oin = oin_of(certificate)
    if not use.needs_oin:
        return
    if oin is None:
        text = "has no OIN in Subject.serialNumber, so partners cannot tell whose it is (DK-68)"
        yield _finding(case.strict, use.where, text)
    elif use.party is not None and oin_in(use.party) not in (None, oin):
        text = f"is of OIN {oin}, not of this party; use its own, or have partners authorise this one (DK-37)"
        yield _finding(case.strict, use.where, text)


def _is_trial(certificate: x509.Certificate) -> bool:
    return "TRIAL" in (subject_text(certificate) + certificate.issuer.rfc4514_string()).upper()


def _finding(level: Level, where: str, text: str) -> Finding:
    return Finding(group=Group.CERTIFICATES, level=level, where=where, text=text)
