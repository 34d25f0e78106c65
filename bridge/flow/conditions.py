"""What is wrong with the bridge as a whole, as conditions that hold now: for the Attention page and for alerts.

Nothing here is about people: a condition has numbers, and names of parties, causes and files.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from sqlalchemy import Connection

from bridge.config import Condition
from bridge.flow.bridge import Bridge
from bridge.flow.causes import list_causes
from bridge.flow.exchange import POST_ANSWER
from bridge.store.access import oldest_waiting
from bridge.store.alerts import open_alerts
from bridge.store.channels import HUB, list_channels
from bridge.store.cursors import get_cursor
from bridge.store.doors import turned_away_since
from bridge.store.engines import file_of, read_url
from bridge.store.jobs import count_dead

JOURNAL = "journal.faults"
"""Name of the cursor that holds how many faults the last check of the journal found."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Holding:
    """A condition that holds now. `target` is what it is about; empty: the bridge as a whole."""

    condition: Condition
    target: str
    detail: Mapping[str, str]
    since: datetime | None = None
    """Since when it holds, where that is known; else an alert about it knows since when it was seen."""
    said: str = ""
    """What the other side answered last. For the pages only: what a peer says goes into no mail."""


def examine_store(tx: Connection, bridge: Bridge, *, now: datetime) -> tuple[Holding, ...]:
    """Every condition that the store tells, for every process the same."""
    limit = timedelta(hours=_limit(bridge, Condition.PAUSED))
    return (*_causes(tx, bridge), *_workings(tx, bridge, now=now, paused_for=limit))


def examine_now(tx: Connection, bridge: Bridge, *, now: datetime) -> tuple[Holding, ...]:
    """What the pages show of the workings: of what needs a person `list_causes` tells more.

    A pause is worth a mail only when it lasts, and is seen at once by whoever looks.
    """
    found = _workings(tx, bridge, now=now, paused_for=timedelta(0))
    return (*found, *examine_process(bridge, now=now))


def seen_since(tx: Connection) -> Mapping[tuple[str, str], datetime]:
    """Since when an alert knows of a condition, by condition and target."""
    return {(alert.condition, alert.target): alert.at for alert in open_alerts(tx)}


def _workings(tx: Connection, bridge: Bridge, *, now: datetime, paused_for: timedelta) -> tuple[Holding, ...]:
    return (
        *_waiting(tx, bridge, now),
        *_endpoints(tx, bridge, now, paused_for),
        *_jobs(tx),
        *_knocks(tx, bridge, now),
        *_journal(tx),
    )


def examine_process(bridge: Bridge, *, now: datetime) -> tuple[Holding, ...]:
    """Every condition that this process sees: files, disk, certificates."""
    return (*_certificates(bridge, now), *_disk(bridge), *_lists(bridge), *_refused(bridge))


def _limit(bridge: Bridge, condition: Condition) -> float:
    above = bridge.settings.alerts.rule(condition).above
    assert above is not None, "conditions with a limit have a default"
    return above


def _causes(tx: Connection, bridge: Bridge) -> Iterator[Holding]:
    for cause in list_causes(tx):
        detail = {
            "count": str(cause.count),
            "partner": _name(bridge, cause.partner),
            "what": cause.title,
            "cause": cause.id,
        }
        yield Holding(
            condition=Condition.NEEDS_PERSON,
            target=cause.id,
            detail=detail | ({"code": cause.code} if cause.code else {}),
        )


def _waiting(tx: Connection, bridge: Bridge, now: datetime) -> Iterator[Holding]:
    due = oldest_waiting(tx).due
    minutes = (now - due) / timedelta(minutes=1) if due else 0.0
    if minutes > _limit(bridge, Condition.WORK_WAITS):
        detail = {"minutes": f"{minutes:.0f}"}
        yield Holding(condition=Condition.WORK_WAITS, target="", detail=detail, since=due)


def _endpoints(tx: Connection, bridge: Bridge, now: datetime, paused_for: timedelta) -> Iterator[Holding]:
    for channel in list_channels(tx):
        name = _name(bridge, channel.endpoint)
        if channel.paused and now - channel.changed_at >= paused_for:
            hours = (now - channel.changed_at) / timedelta(hours=1)
            detail = {"name": name, "by": channel.paused_by or "", "hours": f"{hours:.0f}"}
            yield Holding(
                condition=Condition.PAUSED,
                target=channel.endpoint,
                detail=detail,
                since=channel.changed_at,
                said=channel.reason or "",
            )
        if channel.failures:
            condition = Condition.HUB_DOWN if channel.endpoint == HUB else Condition.PARTNER_DOWN
            detail = {"name": name, "failures": str(channel.failures)}
            # A pause hides no failure; the reason that is kept is then that of the pause.
            said = "" if channel.paused else channel.reason or ""
            yield Holding(condition=condition, target=channel.endpoint, detail=detail, said=said)


def _jobs(tx: Connection) -> Iterator[Holding]:
    # An answer that did not arrive is told of at its exchange.
    dead = count_dead(tx, without=POST_ANSWER)
    if dead:
        yield Holding(condition=Condition.JOBS_GIVEN_UP, target="", detail={"count": str(dead)})


def _knocks(tx: Connection, bridge: Bridge, now: datetime) -> Iterator[Holding]:
    since = now - timedelta(hours=_limit(bridge, Condition.TURNED_AWAY))
    for knock in turned_away_since(tx, since):
        yield Holding(
            condition=Condition.TURNED_AWAY,
            target=f"{knock.oin} {knock.code} {knock.cpa_id}",
            since=knock.first_at,
            detail={
                "name": _name(bridge, knock.oin) if knock.oin else "?",
                "oin": knock.oin or "?",
                "code": knock.code,
                "cpa": knock.cpa_id,
                "count": str(knock.count),
                "message": knock.message_id,
            },
        )


def _journal(tx: Connection) -> Iterator[Holding]:
    faults = get_cursor(tx, JOURNAL)
    if faults and faults != "0":
        yield Holding(condition=Condition.JOURNAL_BROKEN, target="", detail={"count": faults})


def _certificates(bridge: Bridge, now: datetime) -> Iterator[Holding]:
    seen = set()
    for owner, use, certificate in _certificates_in_force(bridge, now):
        days = (certificate.not_valid_after_utc - now) / timedelta(days=1)
        target = certificate.fingerprint(hashes.SHA256()).hex()[:16]
        if days < _limit(bridge, Condition.CERTIFICATE_ENDS) and target not in seen:
            seen.add(target)
            detail = {"owner": owner, "use": use, "days": str(max(0, int(days)))}
            yield Holding(condition=Condition.CERTIFICATE_ENDS, target=target, detail=detail)


def _certificates_in_force(bridge: Bridge, now: datetime) -> Iterator[tuple[str, str, x509.Certificate]]:
    """Our newest ones, and those of agreements in force: of a former one nobody need be warned."""
    for own in bridge.own:
        yield own.name, "own", own.keys[0].certificate
    for agreement in bridge.agreements.agreements:
        if agreement.is_active(now):
            for party in agreement.parties:
                if not set(party.party_ids) & bridge.own_party_ids:
                    for named in party.certificates:
                        yield party.name, agreement.cpa_id, named.certificate


def _disk(bridge: Bridge) -> Iterator[Holding]:
    file = file_of(read_url(bridge.settings.store.url))
    folder = file.parent if file else Path()
    try:
        usage = shutil.disk_usage(folder)
    except OSError:
        return
    percent = 100 * usage.free / usage.total
    if percent < _limit(bridge, Condition.DISK_LOW):
        yield Holding(condition=Condition.DISK_LOW, target="", detail={"percent": f"{percent:.0f}"})


def _lists(bridge: Bridge) -> Iterator[Holding]:
    if bridge.gate.lists_are_stale:
        yield Holding(condition=Condition.CRL_STALE, target="", detail={})


def _refused(bridge: Bridge) -> Iterator[Holding]:
    for what, lines in sorted(bridge.problems.items()):
        detail = {"what": what, "count": str(len(lines))}
        yield Holding(condition=Condition.SETTINGS_REFUSED, target=what, detail=detail)


def _name(bridge: Bridge, endpoint: str) -> str:
    partners = bridge.settings.partners
    return next((partner.name for partner in partners if partner.party_id == endpoint), endpoint)
