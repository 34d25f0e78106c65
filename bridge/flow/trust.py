"""Whose certificates count: the authorities, the revocation lists, and the one place that judges by them.

The same judgement serves both ends of TLS, the header of a proxy, and signatures. The lists are read again when
their file changes, and fetched anew (`revocation.py`), so that a certificate revoked today is refused today.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.x509.oid import NameOID

from bridge.config import Settings
from bridge.ebms.keys import (
    CertificateFinding,
    CertificatePolicy,
    check_certificate,
    fingerprint_sha256,
    subject_text,
)
from bridge.ebms.keys import Trust as Code
from bridge.errors import ConfigError
from bridge.log import get_logger

_REMEMBERED = timedelta(minutes=1)
_MOST_REMEMBERED = 1000

_log = get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class Trust:
    """The trusted roots, the authorities below them, and the revocation lists of all of these."""

    anchors: tuple[x509.Certificate, ...] = ()
    intermediates: tuple[x509.Certificate, ...] = ()
    crls: tuple[x509.CertificateRevocationList, ...] = ()
    required: bool = False
    """Nobody gets in without a list of his issuer: in production, and where the settings name a file of lists."""

    @property
    def lists_end(self) -> datetime | None:
        """When the first list runs out; None without lists."""
        ends = [crl.next_update_utc for crl in self.crls if crl.next_update_utc]
        return min(ends, default=None)


class Gate:
    """Judges certificates by what is trusted now. `trust` is replaced as a whole."""

    def __init__(
        self,
        trust: Trust,
        *,
        now: Callable[[], datetime],
        production: bool,
        stale_for: timedelta = timedelta(0),
    ) -> None:
        self._now = now
        self._production = production
        self._stale_for = stale_for
        self._judged: dict[str, tuple[datetime, str | None]] = {}
        self.trust = trust

    @property
    def trust(self) -> Trust:
        return self._trust

    @trust.setter
    def trust(self, trust: Trust) -> None:
        self._trust = trust
        self._judged.clear()

    @property
    def lists_are_stale(self) -> bool:
        """A revocation list ran out and no newer one came."""
        end = self._trust.lists_end
        return end is not None and self._now() > end

    def why_refused(self, certificate: x509.Certificate) -> str | None:
        """Why this certificate is not accepted now, in one line; None when it is. Remembered for a minute."""
        now, name = self._now(), fingerprint_sha256(certificate)
        known = self._judged.get(name)
        if known is not None and now - known[0] < _REMEMBERED:
            return known[1]
        reason = " ".join(finding.text for finding in self.check(certificate, at=now)) or None
        if len(self._judged) >= _MOST_REMEMBERED:
            self._judged.clear()
        self._judged[name] = (now, reason)
        return reason

    def check(self, certificate: x509.Certificate, *, at: datetime) -> tuple[CertificateFinding, ...]:
        """What is fatally wrong with it at `at`, revocation by the lists of now included."""
        found = check_certificate(
            certificate,
            at=at,
            anchors=self._trust.anchors,
            intermediates=self._trust.intermediates,
            crls=self._trust.crls,
            policy=CertificatePolicy(
                allow_self_signed=not self._production, require_crl=self._trust.required
            ),
        )
        return tuple(f for f in found if f.fatal and not self._is_tolerated(f))

    def check_validity(
        self, certificate: x509.Certificate, *, at: datetime
    ) -> tuple[CertificateFinding, ...]:
        """What was fatally wrong with it at `at` in the past. Lists of today say nothing about then."""
        found = check_certificate(
            certificate,
            at=at,
            anchors=self._trust.anchors,
            intermediates=self._trust.intermediates,
            policy=CertificatePolicy(allow_self_signed=not self._production, require_crl=False),
        )
        return tuple(finding for finding in found if finding.fatal)

    def _is_tolerated(self, finding: CertificateFinding) -> bool:
        """A list that ran out a short while ago still serves, with an alarm, if the operator says so (DK-70)."""
        end = self._trust.lists_end
        if finding.code is not Code.CRL_OUT_OF_DATE or end is None:
            return False
        tolerated = self._now() - end <= self._stale_for
        _log.error("crl.stale", since=end.isoformat(), outcome="still used" if tolerated else "refused")
        return tolerated


def load_trust(settings: Settings) -> Trust:
    """The authorities and revocation lists of the partner listener. Raises ConfigError."""
    tls = settings.partner_listener.tls
    if tls is None:
        return Trust()
    try:
        found = x509.load_pem_x509_certificates(tls.trust.read_bytes())
        crls = tuple(_read_crls(tls.crl)) if tls.crl else ()
    except (OSError, ValueError) as error:
        raise ConfigError([f"partner_listener.tls: {tls.trust.name} or its CRL cannot be read"]) from error
    anchors = tuple(certificate for certificate in found if certificate.issuer == certificate.subject)
    trust = Trust(
        anchors=anchors,
        intermediates=tuple(c for c in found if c not in anchors),
        crls=crls,
        required=settings.production or bool(crls),
    )
    if settings.production:
        problems = list(_unfit_for_production(settings, trust))
        if problems:
            raise ConfigError(problems)
    return trust


def _unfit_for_production(settings: Settings, trust: Trust) -> Iterator[str]:
    """Production trusts the hierarchy of PKIoverheid and nothing else, and always by its lists (DK-120, DK-139)."""
    if not trust.crls and not settings.trust.fetch_crls:
        yield "partner_listener.tls.crl: is missing; production checks every certificate for revocation (DK-120)"
    allowed = settings.trust.production_roots
    for anchor in trust.anchors:
        owners = [str(a.value) for a in anchor.subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)]
        if not set(owners) & set(allowed) or "TRIAL" in subject_text(anchor).upper():
            yield (
                f"partner_listener.tls.trust: {subject_text(anchor)} is no root of {' or '.join(allowed)}; "
                "production trusts no other (DK-139)"
            )


def _read_crls(path: Path) -> Iterator[x509.CertificateRevocationList]:
    end = b"-----END X509 CRL-----"
    for block in path.read_bytes().split(end)[:-1]:
        yield x509.load_pem_x509_crl(block + end + b"\n")
