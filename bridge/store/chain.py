"""The hash chain over the journal: steps and evidence are sealed in batches, after they were written.

A seal names each line that it covers, by number and digest, and its own digest covers the seal before it. So a
line that was changed or removed shows by its digest, one that was slipped in by having none, and a seal that was
changed by its successor. Whoever can write the database can also make the whole chain anew: note the head
elsewhere (`bridge store verify` prints it, the log line `journal.sealed` tells it) and compare with that.

Nothing of this touches the transactions that write the journal (docs/decisions/0005).
"""

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from itertools import islice
from typing import Any

from sqlalchemy import Connection, Table, select

from bridge.store import tables
from bridge.store.query import add_unless_there, transaction_bounds, values_of

LINES = 2000
"""At most so many lines of one journal in a seal."""

START = hashlib.sha256(b"bridge journal").hexdigest()
"""Stands before the first seal."""

_BELOW = -(2**63)
"""Below every number that a line can have. The bridge begins with 1; who slips one in below may not."""

_ENTRY = 8 + hashlib.sha256().digest_size
_seal = tables.seal.c


class Journal(StrEnum):
    STEP = "step"
    EVIDENCE = "evidence"


_TABLES: Mapping[Journal, Table] = {Journal.STEP: tables.step, Journal.EVIDENCE: tables.evidence}


@dataclass(frozen=True, slots=True, kw_only=True)
class Seal:
    """A batch of lines. `steps` and `evidence` hold 8 octets of number and 32 of digest per line."""

    number: int
    at: datetime
    oldest: int
    """On PostgreSQL: transactions with a lower number had ended when the lines were read. 0 on SQLite."""
    horizon: int
    """On PostgreSQL: transactions with this number and higher had not begun. 0 on SQLite."""
    steps: bytes = field(repr=False)
    evidence: bytes = field(repr=False)
    last_step: int
    """The highest number in this seal or one before it."""
    last_evidence: int
    digest: str

    @property
    def lines(self) -> int:
        return (len(self.steps) + len(self.evidence)) // _ENTRY


@dataclass(frozen=True, slots=True, kw_only=True)
class Tampering:
    """A place where the journal is not what was sealed."""

    journal: Journal | None
    """None: it is a seal itself."""
    number: int
    """Of the line, or of the seal."""
    text: str

    def __str__(self) -> str:
        return f"{self.journal or 'seal'} {self.number}: {self.text}"


def next_seal(tx: Connection, *, at: datetime, lines: int = LINES) -> Seal | None:
    """The seal over the oldest lines that have none; None when all have one. Only reads: `add_seal` stores it."""
    newest = _newest(tx)
    settled = _settled(tx, newest)
    steps = _unsealed(tx, Journal.STEP, settled, lines)
    evidence = _unsealed(tx, Journal.EVIDENCE, settled, lines)
    if not steps and not evidence:
        return None
    number = newest.number + 1 if newest else 1
    previous = newest.digest if newest else START
    last = {Journal.STEP: newest.last_step, Journal.EVIDENCE: newest.last_evidence} if newest else {}
    packed = _packed(tx, Journal.STEP, steps), _packed(tx, Journal.EVIDENCE, evidence)
    oldest, horizon = transaction_bounds(tx)
    return Seal(
        number=number,
        at=at,
        oldest=oldest,
        horizon=horizon,
        steps=packed[0],
        evidence=packed[1],
        last_step=max([last.get(Journal.STEP, 0), *steps]),
        last_evidence=max([last.get(Journal.EVIDENCE, 0), *evidence]),
        digest=_chained(previous, number, at, *packed),
    )


def add_seal(tx: Connection, seal: Seal) -> bool:
    """False when another process sealed meanwhile; nothing changes then."""
    return add_unless_there(tx, tables.seal, values_of(seal), unique=("number",))


def head_of(tx: Connection) -> tuple[int, str] | None:
    """Number and digest of the newest seal: note them where the database cannot reach."""
    newest = _newest(tx)
    return (newest.number, newest.digest) if newest else None


def in_groups(digest: str) -> str:
    """For a log, which masks what looks like a BSN: a run of nine digits stands in one of many digests."""
    return "-".join(digest[at : at + 8] for at in range(0, len(digest), 8))


def digest_at(tx: Connection, number: int) -> str | None:
    """The digest of one seal; None when there is no such seal."""
    found: str | None = tx.scalar(select(_seal.digest).where(_seal.number == number))
    return found


def seals_of(tx: Connection, journal: Journal, numbers: Iterable[int]) -> Mapping[int, tuple[int, str]]:
    """Which seal covers each of these lines, and the digest it has there. For an export of few lines."""
    wanted, found = set(numbers), {}
    last = _seal.last_step if journal is Journal.STEP else _seal.last_evidence
    query = select(tables.seal).where(last >= min(wanted, default=0)).order_by(_seal.number)
    for row in tx.execute(query):
        for number, digest in _entries(row.steps if journal is Journal.STEP else row.evidence):
            if number in wanted:
                found[number] = (row.number, digest.hex())
        if len(found) == len(wanted):
            break
    return found


class Verification:
    """Goes through the chain from its start, in pieces, so that no transaction is long."""

    def __init__(self) -> None:
        self.seals = 0
        self.lines = 0
        self.head = START
        self._sealed = {journal: bytearray() for journal in Journal}
        self._position = dict.fromkeys(Journal, _BELOW)

    @property
    def looked_at(self) -> int:
        """Numbers of lines that `check_unsealed` has gone past."""
        return sum(max(0, position) for position in self._position.values())

    def check_seals(self, tx: Connection, *, seals: int = 20) -> tuple[bool, tuple[Tampering, ...]]:
        """The next seals with their lines: whether there may be more, and what was found."""
        query = select(tables.seal).where(_seal.number > self.seals).order_by(_seal.number).limit(seals)
        rows = tx.execute(query).all()
        found = tuple(fault for row in rows for fault in self._check_seal(tx, row))
        return len(rows) == seals, found

    def check_unsealed(self, tx: Connection, *, lines: int = 5000) -> tuple[bool, tuple[Tampering, ...]]:
        """Lines that should have a seal by now and have none; call until there are no more."""
        settled = _settled(tx, _newest(tx))
        more, found = False, []
        for journal in Journal:
            column = _TABLES[journal].c.seq
            span = column > self._position[journal], column <= settled[journal]
            query = select(column).where(*span).order_by(column).limit(lines)
            numbers = tx.scalars(query).all()
            for number in numbers:
                if not self._is_sealed(journal, number):
                    found.append(Tampering(journal=journal, number=number, text="was added afterwards"))
            self._position[journal] = numbers[-1] if numbers else settled[journal]
            more = more or len(numbers) == lines
        return more, tuple(found)

    def _check_seal(self, tx: Connection, row: Any) -> Iterator[Tampering]:
        if row.number != self.seals + 1:
            yield Tampering(journal=None, number=self.seals + 1, text="is missing")
        elif row.digest != _chained(self.head, row.number, row.at, row.steps, row.evidence):
            yield Tampering(journal=None, number=row.number, text="was changed, or the one before it")
        self.seals, self.head = row.number, row.digest
        for journal, packed in ((Journal.STEP, row.steps), (Journal.EVIDENCE, row.evidence)):
            entries = dict(_entries(packed))
            self.lines += len(entries)
            now = dict(_entries(_packed(tx, journal, list(entries))))
            for number, digest in entries.items():
                self._mark(journal, number)
                if number not in now:
                    yield Tampering(journal=journal, number=number, text=f"was removed (seal {row.number})")
                elif now[number] != digest:
                    yield Tampering(journal=journal, number=number, text=f"was changed (seal {row.number})")

    def _mark(self, journal: Journal, number: int) -> None:
        bits = self._sealed[journal]
        if number // 8 >= len(bits):
            bits.extend(bytes(number // 8 + 1 - len(bits) + 4096))
        bits[number // 8] |= 1 << number % 8

    def _is_sealed(self, journal: Journal, number: int) -> bool:
        bits = self._sealed[journal]
        return 0 <= number // 8 < len(bits) and bool(bits[number // 8] & 1 << number % 8)


def forget_horizons(tx: Connection) -> None:
    """After the rows came into another database, whose transactions have other numbers."""
    tx.execute(tables.seal.update().values(oldest=0, horizon=0))


# --- which lines are due ---


def _newest(tx: Connection) -> Any:
    return tx.execute(select(tables.seal).order_by(_seal.number.desc()).limit(1)).first()


def _settled(tx: Connection, newest: Any) -> Mapping[Journal, int]:
    """Up to where every line has its seal, and none can come any more.

    A transaction may bring a line with a low number late. It can no longer when the newest seal was read after
    the end of all transactions that had begun when an earlier seal was read: then what that one reached is
    settled, as far as the newest one came, which took the lowest that was left.
    """
    if newest is None:
        return dict.fromkeys(Journal, 0)
    query = select(_seal.last_step, _seal.last_evidence)
    query = query.where(_seal.number < newest.number, _seal.horizon <= newest.oldest)
    row = tx.execute(query.order_by(_seal.number.desc()).limit(1)).first()
    reached = (row.last_step, row.last_evidence) if row else (0, 0)
    return {
        Journal.STEP: min(reached[0], _highest(newest.steps, reached[0])),
        Journal.EVIDENCE: min(reached[1], _highest(newest.evidence, reached[1])),
    }


def _highest(packed: bytes, default: int) -> int:
    return int.from_bytes(packed[-_ENTRY:][:8]) if packed else default


def _unsealed(tx: Connection, journal: Journal, settled: Mapping[Journal, int], lines: int) -> list[int]:
    """The lowest numbers without a seal, above what is settled."""
    is_step = journal is Journal.STEP
    last, packed = (_seal.last_step, _seal.steps) if is_step else (_seal.last_evidence, _seal.evidence)
    recent = tx.scalars(select(packed).where(last > settled[journal]))
    sealed = {number for entries in recent for number, _ in _entries(entries)}
    column = _TABLES[journal].c.seq
    query = select(column).where(column > settled[journal]).order_by(column).limit(lines + len(sealed))
    return list(islice((number for number in tx.scalars(query) if number not in sealed), lines))


# --- digests ---


def _packed(tx: Connection, journal: Journal, numbers: list[int]) -> bytes:
    """Number and digest of each of these lines that is there, by number."""
    if not numbers:
        return b""
    table, wanted = _TABLES[journal], set(numbers)
    span = table.c.seq >= min(wanted), table.c.seq <= max(wanted)
    rows = tx.execute(select(table).where(*span).order_by(table.c.seq)).mappings()
    return b"".join(
        row["seq"].to_bytes(8) + line_digest(journal, dict(row)) for row in rows if row["seq"] in wanted
    )


def line_digest(journal: Journal, row: Mapping[str, Any]) -> bytes:
    """SHA-256 over the columns as JSON: a list of the journal's name and then [name, value] by name."""
    values = [[name, _plain(row[name])] for name in sorted(row)]
    written = json.dumps([str(journal), *values], ensure_ascii=False, separators=(",", ":"), sort_keys=True)
    return hashlib.sha256(written.encode()).digest()


def _plain(value: Any) -> Any:
    return value.astimezone(UTC).isoformat(timespec="microseconds") if isinstance(value, datetime) else value


def _chained(previous: str, number: int, at: datetime, steps: bytes, evidence: bytes) -> str:
    head = f"{previous} {number} {_plain(at)} {len(steps)} {len(evidence)}\n"
    return hashlib.sha256(head.encode() + steps + evidence).hexdigest()


def _entries(packed: bytes) -> Iterator[tuple[int, bytes]]:
    for start in range(0, len(packed), _ENTRY):
        entry = packed[start : start + _ENTRY]
        yield int.from_bytes(entry[:8]), entry[8:]
