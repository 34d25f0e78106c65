"""What the Now page counts: flow per partner, what waits, health, certificates. Each query has an index and a bound."""

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.x509.oid import NameOID
from sqlalchemy import Connection

from bridge.flow.bridge import Bridge
from bridge.flow.causes import Cause, list_causes
from bridge.flow.ping import QUESTIONS
from bridge.store.exchanges import count_exchanges, count_running
from bridge.store.jobs import count_jobs, count_standing
from bridge.store.rows import ExchangeDirection, ExchangeState, JobState

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
SOON = timedelta(days=30)
"""Certificates that end within this are shown."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Flow:
    """What went on with one partner; `oldest` is the start of its oldest exchange that is not done."""

    partner: str
    to_hub_hour: int = 0
    to_hub_day: int = 0
    to_partner_hour: int = 0
    to_partner_day: int = 0
    attention: int = 0
    running: int = 0
    oldest: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """A certificate in use: what it is for, and when it ends."""

    id: str
    """SHA-256 of the certificate, hex."""
    use: str
    subject: str
    ends: datetime
    days: int
    agreement: str = ""
    """The CPAId of the agreement that it stands in; empty for our own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Overview:
    causes: tuple[Cause, ...]
    flows: tuple[Flow, ...]
    ready_jobs: int
    """Without the standing ones, which are always there."""
    routine_jobs: int
    slow: int
    """Exchanges that still run and began longer ago than `SLOW`."""


_NAMES = {NameOID.SERIAL_NUMBER: "OIN"}
"""In the certificates of this world the serial number of a subject is its OIN."""

SLOW = timedelta(minutes=15)
"""What still runs after this is slow: by then a partner or the hub was asked several times."""


def find_overview(tx: Connection, *, now: datetime) -> Overview:
    """Everything of the Now page that is in the store."""
    jobs, standing = count_jobs(tx), count_standing(tx)
    return Overview(
        causes=list_causes(tx),
        flows=tuple(sorted(_flows(tx, now).values(), key=lambda flow: flow.partner)),
        ready_jobs=sum(n for (_, state), n in jobs.items() if state is JobState.READY) - standing,
        routine_jobs=standing,
        slow=count_running(tx, before=now - SLOW),
    )


def _flows(tx: Connection, now: datetime) -> dict[str, Flow]:
    """Of the partners with whom something went on or waits."""
    counted: defaultdict[str, Counter[str]] = defaultdict(Counter)
    oldest: dict[str, datetime] = {}
    for name, since in (("hour", now - HOUR), ("day", now - DAY)):
        for made in count_exchanges(tx, since=since):
            way = "to_hub" if made.direction is ExchangeDirection.TO_HUB else "to_partner"
            counted[made.partner][f"{way}_{name}"] += made.exchanges
        for asked in count_exchanges(tx, since=since, titles=QUESTIONS):
            way = "to_hub" if asked.direction is ExchangeDirection.TO_HUB else "to_partner"
            counted[asked.partner][f"{way}_{name}"] -= asked.exchanges
    for waiting in count_exchanges(tx, states=(ExchangeState.RUNNING, ExchangeState.ATTENTION)):
        counted[waiting.partner][waiting.state] += waiting.exchanges
        oldest[waiting.partner] = min(waiting.oldest, oldest.get(waiting.partner, waiting.oldest))
    return {
        partner: Flow(partner=partner, oldest=oldest.get(partner), **counts)
        for partner, counts in counted.items()
    }


def certificates_in_use(bridge: Bridge, *, now: datetime) -> tuple[Ending, ...]:
    """Our own and those of the agreements, the one that ends first on top; each certificate once."""
    found: dict[str, Ending] = {}
    for use, agreement, certificate in _named_certificates(bridge):
        id = certificate.fingerprint(hashes.SHA256()).hex()
        ends = certificate.not_valid_after_utc
        subject = certificate.subject.rfc4514_string(_NAMES)
        days = (ends - now).days
        ending = Ending(id=id, use=use, subject=subject, ends=ends, days=days, agreement=agreement)
        found.setdefault(id, ending)
    return tuple(sorted(found.values(), key=lambda ending: ending.ends))


def _named_certificates(bridge: Bridge) -> Iterable[tuple[str, str, x509.Certificate]]:
    for own in bridge.own:
        for pair in own.keys:
            yield own.name, "", pair.certificate
    for agreement in bridge.agreements.agreements:
        for party in agreement.parties:
            for named in party.certificates:
                yield f"{party.name} · CPA {agreement.cpa_id}", agreement.cpa_id, named.certificate
