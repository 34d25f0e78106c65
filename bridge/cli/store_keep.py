"""`bridge store verify|purge|purged|holds|rekey`: what is kept, and whether it is still what it was."""

from __future__ import annotations

import getpass
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer
from sqlalchemy import Connection

from bridge.cli.assemble import utc_now
from bridge.cli.opened import Opened, open_store
from bridge.cli.options import DEFAULT_CONFIG, Config, Json
from bridge.cli.output import print_documents, print_facts, print_table, tell
from bridge.cli.progress import progress, tracked
from bridge.cli.store_log import check_heads, head_in, lost_of, read_log
from bridge.flow.agreements import load_agreements
from bridge.flow.purge import batches, needs_of, retention_of
from bridge.store.chain import Tampering, Verification, head_of
from bridge.store.holds import list_holds
from bridge.store.keys import KeyMaker
from bridge.store.octets import Damage, Read, check_octets, check_payloads, check_purged
from bridge.store.progress import Told, nobody
from bridge.store.purge import list_purge_runs, purge_due, totals_of
from bridge.store.rekey import begin_rotation, count_stale, find_stale, reseal, stale_places
from bridge.store.retention import Due, count_kept, find_due
from bridge.store.rows import Content, PurgeRun
from bridge.store.sealing import FRESH, Sealer
from bridge.store.unit import Store
from bridge.web.console.views import utc_text

COLUMNS = ("content", "type", "exchanges", "items", "octets")

A = TypeVar("A")
F = TypeVar("F")


def verify(
    config: Config = DEFAULT_CONFIG,
    json: Json = False,
    head: Annotated[
        str | None, typer.Option(help="A head that was noted before: NUMBER:DIGEST. It must still stand.")
    ] = None,
    log: Annotated[
        Path | None,
        typer.Option(
            help="A log of the bridge: every head that it tells must still stand, every message be there."
        ),
    ] = None,
    quick: Annotated[
        bool, typer.Option("--quick", help="Only the chain; do not read the octets of evidence and payloads.")
    ] = False,
) -> None:
    """Check the hash chain over the journal, and the octets of evidence and payloads: all is as it was written.

    Prints the head of the chain, to note elsewhere. Exit code 1, and which line, when something was changed; and
    which messages, when the log tells of some that are lost.
    Example: bridge store verify --log /elsewhere/bridge.log
    """
    heads = [head_in(head)] if head is not None else []
    told_of = read_log(log) if log else None
    with open_store(config) as opened, progress("Checking the journal", json=json) as told:
        check, found = _verified(opened.store, told)
        read, payloads = 0, 0
        if not quick:
            read, damaged = _read_through(
                opened.store, check_octets, told, "Reading the octets of the evidence"
            )
            payloads, more_damaged = _read_through(opened.store, check_payloads, told, "Reading the payloads")
            found += [*damaged, *more_damaged]
        found += _check_purged(opened.store)
        found += check_heads(opened.store, [*heads, *(told_of.heads if told_of else ())])
        lost = lost_of(opened.store, told_of.taken) if told_of else []
    document: dict[str, Any] = {
        "seals": check.seals,
        "lines": check.lines,
        "head": f"{check.seals}:{check.head}",
        "octetsOf": read,
        "payloads": payloads,
        "headsCompared": len(heads) + (len(told_of.heads) if told_of else 0),
        "messagesCompared": len(told_of.taken) if told_of else 0,
    }
    if json:
        missing = [asdict(one) for one in lost]
        print_documents([{**document, "faults": [str(fault) for fault in found], "lost": missing}])
    else:
        print_facts(document)
        for fault in (*found, *lost):
            tell(str(fault))
    if found or lost:
        raise typer.Exit(1)


def purge(
    config: Config = DEFAULT_CONFIG,
    json: Json = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only tell what would be removed.")] = False,
    reason: Annotated[str | None, typer.Option(help="Why, for the report and the timelines.")] = None,
) -> None:
    """Remove content whose retention is over, in small batches; the bridge may run meanwhile.

    Example: bridge store purge --dry-run
    """
    if not dry_run and not reason:
        raise typer.BadParameter("say why, or take --dry-run", param_hint="--reason")
    with (
        open_store(config) as opened,
        progress("Looking for content whose retention is over", json=json) as told,
    ):
        rows = _planned(opened, told) if dry_run else _purged(opened, reason or "", told)
        now, retention = utc_now(), retention_of(opened.settings.retention)
        kept = opened.store.read_sync(lambda tx: count_kept(tx, retention, now=now))
    if json:
        print_documents(dict(zip(COLUMNS, row, strict=True)) for row in rows)
    else:
        print_table(COLUMNS, rows)
    tell(f"Not removed: {kept.held} held, {kept.running} running, {kept.attention} wait for a person.")


def purged(config: Config = DEFAULT_CONFIG, json: Json = False) -> None:
    """Report what the latest runs of the purge removed: when, by whom, why, and how much.

    Example: bridge store purged
    """
    with open_store(config) as opened:
        runs = opened.store.read_sync(list_purge_runs)
        rows = []
        for run in runs:
            for total in opened.store.read_sync(partial(totals_of, run=run.key)):
                amount = (total.content, total.title, total.exchanges, total.items, total.octets)
                rows.append((utc_text(run.at), run.by, run.reason, *amount))
    columns = ("time", "by", "reason", *COLUMNS)
    if json:
        print_documents(dict(zip(columns, row, strict=True)) for row in rows)
    else:
        print_table(columns, rows, fold="reason", zone=opened.zone)


def holds(config: Config = DEFAULT_CONFIG, json: Json = False) -> None:
    """List the legal holds, oldest first. Example: bridge store holds"""
    with open_store(config) as opened:
        rows = [
            (hold.exchange, utc_text(hold.at), hold.by, hold.reason)
            for hold in opened.store.read_sync(list_holds)
        ]
    columns = ("exchange", "time", "by", "reason")
    if json:
        print_documents(dict(zip(columns, row, strict=True)) for row in rows)
    else:
        print_table(columns, rows, fold="reason", zone=opened.zone)


def rekey(
    config: Config = DEFAULT_CONFIG,
    json: Json = False,
    wait: Annotated[
        float,
        typer.Option(min=0, help="Seconds until running processes use the new key; then a second look."),
    ] = FRESH.total_seconds() + 5,
) -> None:
    """Take the master key of the settings into use and encrypt everything anew, while the bridge runs.

    First restart every process with the new key and the former one (previous_key_file) in its settings.
    Example: bridge store rekey --config bridge.toml
    """
    with open_store(config) as opened:
        sealer = opened.store.sealer
        if sealer is None:
            raise typer.BadParameter("the settings give no store.encryption.key_file", param_hint="--config")
        at = utc_now()
        number = opened.store.write_sync(lambda tx: begin_rotation(tx, sealer, at=at))
        with progress("Encrypting anew", json=json) as told:
            done = _reseal_all(opened.store, sealer, told)
            told(f"Waiting {wait:.0f} seconds, until every process uses the new key", 0, None)
            time.sleep(wait)
            done += _reseal_all(opened.store, sealer, told)
    document = {"dataKey": number, "encrypted": done}
    if json:
        print_documents([document])
    else:
        print_facts(document)


def _verified(store: Store, told: Told) -> tuple[Verification, list[Tampering | Damage]]:
    check, found = Verification(), list[Tampering | Damage]()
    head = store.read_sync(head_of)
    more = True
    while more:
        more, faults = store.read_sync(check.check_seals)
        found += faults
        told("Checking sealed batches of the journal", check.seals, head[0] if head else None)
    more = True
    while more:
        more, faults = store.read_sync(check.check_unsealed)
        found += faults
        told("Looking for lines without a seal", check.looked_at, check.lines)
    return check, found


def _read_through(
    store: Store, read: Callable[..., Read[A, F]], told: Told, text: str
) -> tuple[int, list[F]]:
    """All parts one after another: how much there was, and what was found."""
    items, found = 0, list[F]()
    look: Callable[[Connection], Read[A, F]] = read
    while True:
        part = store.read_sync(look)
        items, found = items + part.items, found + list(part.faults)
        told(text, items, None)
        if part.after is None:
            return items, found
        look = partial(read, after=part.after)


def _check_purged(store: Store) -> list[Damage]:
    found, after = list[Damage](), ("", "")
    while True:
        more, faults = store.read_sync(partial(check_purged, after=after))
        found += faults
        if more is None:
            return found
        after = more


def _planned(opened: Opened, told: Told) -> list[tuple[Any, ...]]:
    sums: dict[tuple[str, str], list[int]] = {}
    for content in Content:
        for one in tracked(told, f"Looking for {content} to remove", _due(opened, content)):
            total = sums.setdefault((one.content, one.title), [0, 0, 0])
            total[:] = [total[0] + 1, total[1] + one.items, total[2] + one.octets]
    return [(*place, *total) for place, total in sorted(sums.items())]


def _purged(opened: Opened, reason: str, told: Told) -> list[tuple[Any, ...]]:
    now = utc_now()
    run = PurgeRun(key=KeyMaker()(now), at=now, by=getpass.getuser(), reason=reason)
    remove = partial(
        purge_due,
        retention=retention_of(opened.settings.retention),
        run=run,
        now=now,
        needed_until=needs_of(load_agreements(opened.settings.agreements.folder), now),
    )
    for content in Content:
        gone = 0
        for due in _search(opened, content):
            for batch in batches(due):
                opened.store.write_sync(partial(remove, due=batch))
                gone += len(batch)
                told(f"Removing {content} of exchanges", gone, None)
    totals = opened.store.read_sync(partial(totals_of, run=run.key))
    return [(t.content, t.title, t.exchanges, t.items, t.octets) for t in totals]


def _due(opened: Opened, content: Content) -> Iterator[Due]:
    for part in _search(opened, content):
        yield from part


def _search(opened: Opened, content: Content) -> Iterator[tuple[Due, ...]]:
    """What is due, a part at a time."""
    now, after = utc_now(), None
    retention = retention_of(opened.settings.retention)
    needed = needs_of(load_agreements(opened.settings.agreements.folder), now)
    while True:
        found = opened.store.read_sync(
            partial(find_due, content=content, retention=retention, now=now, needed_until=needed, after=after)
        )
        yield found.due
        after = found.after
        if after is None:
            return


def _reseal_all(store: Store, sealer: Sealer, told: Told) -> int:
    sealer.look_again()
    done, total = 0, None if told is nobody else store.read_sync(count_stale)
    for place in store.read_sync(lambda tx: tuple(stale_places(tx))):
        while keys := store.read_sync(partial(find_stale, place=place)):
            for key in keys:
                store.write_sync(partial(reseal, place=place, key=key))
                done += 1
                told("Encrypting anew", done, total)
    return done
