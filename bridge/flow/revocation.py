"""Fetching revocation lists from where certificates say that they are (DK-120, DK-138).

One job for all processes; what is due when stands in the store, and so does every list. Each process takes up what
changed (`reload.py`). Only hosts of the settings are asked, and only a list that a trusted authority signed, that is
in force and no older than the former one takes its place. When fetching fails the former list goes on until it runs
out, with an alarm; after that `trust.stale_crl_hours` decides.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from sqlalchemy.engine import Connection

from bridge.ebms.cpa_model import Agreement
from bridge.ebms.revocation import BadList, distribution_points, may_be_asked, newest_of_each, read_list
from bridge.errors import PeerUnreachable
from bridge.flow.bridge import Bridge
from bridge.flow.trust import Trust
from bridge.ids import Key
from bridge.log import get_logger
from bridge.store.jobs import add_standing_job, retry_job
from bridge.store.revocation import fetched_lists, note_problem, put_list
from bridge.store.rows import Job, RevocationList

KIND = "revocation"

_KEY = Key("revocation")
_AGAIN = timedelta(minutes=5)
"""After a failure; and the longest that a list of a new agreement waits for its first look."""

MAX_LISTS = 200

_log = get_logger()


def start_fetching(tx: Connection, bridge: Bridge) -> None:
    """Make sure that the job is there, when lists are to be fetched. Doing it twice is harmless."""
    if fetches(bridge):
        add_standing_job(tx, key=_KEY, kind=KIND, endpoint=None, at=bridge.now())


def fetches(bridge: Bridge) -> bool:
    """Whether lists are fetched at all: there is TLS to check with them, and the settings do not forbid it."""
    return bridge.settings.trust.fetch_crls and bridge.settings.partner_listener.tls is not None


async def fetch_lists(bridge: Bridge, job: Job) -> None:
    """Fetch what is due, and come back."""
    if fetches(bridge):
        await fetch_due(bridge)
    now = bridge.now()
    await bridge.store.write(lambda tx: retry_job(tx, job, due=now + _AGAIN, reason="comes back", at=now))


async def fetch_due(bridge: Bridge, *, all_of_them: bool = False) -> None:
    """Fetch the lists whose time has come, or with `all_of_them` every one, and work by them from now on."""
    rows = {row.url: row for row in await bridge.store.read(fetched_lists)}
    for url in wanted_lists(bridge):
        row = rows.get(url)
        if all_of_them or row is None or row.due <= bridge.now():
            await _fetch(bridge, url, row)
    take_lists(bridge, await bridge.store.read(fetched_lists))


def wanted_lists(bridge: Bridge) -> tuple[str, ...]:
    """The addresses of the settings, and those in the certificates that count here, at hosts that may be asked."""
    settings = bridge.settings.trust
    named = [url for url in _named(bridge) if may_be_asked(url, settings.crl_hosts)]
    return tuple(dict.fromkeys((*settings.crl_urls, *named)))[:MAX_LISTS]


def problems_of(bridge: Bridge, rows: Sequence[RevocationList]) -> tuple[str, ...]:
    """What is wrong with the lists now, for the operator."""
    settings = bridge.settings.trust
    wanted = set(wanted_lists(bridge))
    found = [f"{row.url}: {row.problem}" for row in rows if row.problem and row.url in wanted]
    strange = [url for url in _named(bridge) if url not in wanted]
    hint = "is not asked; add its host to trust.crl_hosts, or the address to trust.crl_urls"
    return (*found, *(f"{url}: {hint}" for url in strange if settings.fetch_crls))


def take_lists(bridge: Bridge, rows: Sequence[RevocationList]) -> None:
    """Work by these lists, beside the ones of the file."""
    bridge.gate.trust = with_fetched(bridge.gate.trust, rows)


def with_fetched(trust: Trust, rows: Sequence[RevocationList]) -> Trust:
    """The trust with what was fetched: of each authority's lists the newest."""
    found = [x509.load_der_x509_crl(row.octets) for row in rows if row.octets]
    return Trust(
        anchors=trust.anchors,
        intermediates=trust.intermediates,
        crls=newest_of_each((*trust.crls, *found)),
        required=trust.required,
    )


async def _fetch(bridge: Bridge, url: str, row: RevocationList | None) -> None:
    now = bridge.now()
    try:
        crl = await _fetched(bridge, url, row)
    except (PeerUnreachable, BadList) as error:
        problem = str(error)
        await bridge.store.write(lambda tx: note_problem(tx, url, problem, at=now, due=now + _AGAIN))
        until = row.next_update.isoformat() if row is not None and row.next_update else None
        _log.error("crl.not_fetched", url=url, reason=problem, former_until=until)
        return
    octets = crl.public_bytes(Encoding.DER)
    newer = RevocationList(
        url=url,
        octets=octets,
        sha256=hashlib.sha256(octets).hexdigest(),
        this_update=crl.last_update_utc,
        next_update=crl.next_update_utc,
        fetched_at=now,
        tried_at=now,
        due=_due(bridge, crl, now),
    )
    await bridge.store.write(lambda tx: put_list(tx, newer))
    _log.info("crl.fetched", url=url, until=newer.next_update.isoformat() if newer.next_update else None)


async def _fetched(bridge: Bridge, url: str, row: RevocationList | None) -> x509.CertificateRevocationList:
    octets = await bridge.fetch_list(url)
    former = x509.load_der_x509_crl(row.octets) if row is not None and row.octets else None
    trust = bridge.trust
    return read_list(octets, issuers=(*trust.anchors, *trust.intermediates), now=bridge.now(), former=former)


def _due(bridge: Bridge, crl: x509.CertificateRevocationList, now: datetime) -> datetime:
    """After the interval, and well before it runs out."""
    later = now + timedelta(minutes=bridge.settings.trust.crl_interval_minutes)
    end = crl.next_update_utc
    return later if end is None else min(later, max(now + _AGAIN, now + (end - now) / 2))


def _named(bridge: Bridge) -> tuple[str, ...]:
    """What the certificates name that count here: of the authorities, of ourselves, and of the agreements.

    A certificate that a peer shows at a handshake is not among them: a stranger never makes us ask anything.
    """
    trust = bridge.trust
    own = [c for o in bridge.own for pair in o.keys for c in (pair.certificate, *pair.chain)]
    agreed = [c for agreement in bridge.agreements.agreements for c in _certificates(agreement)]
    return distribution_points((*trust.anchors, *trust.intermediates, *own, *agreed))


def _certificates(agreement: Agreement) -> list[x509.Certificate]:
    return [named.certificate for party in agreement.parties for named in party.certificates]
