"""What a log of the bridge proves about its store: the heads of the chain, and the messages that were taken in.

The log is elsewhere. What it tells and the store has not is lost: a backup was put back, the end was cut off, or an
older copy was put in place.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import typer

from bridge.hub.bsn import MASK
from bridge.ids import Key, MessageId
from bridge.store.chain import Tampering, digest_at
from bridge.store.cursors import restored_at
from bridge.store.exchanges import exchanges_by_keys
from bridge.store.messages import received_ids
from bridge.store.unit import Store

Head = tuple[int, str]

_DIGEST = re.compile("[0-9a-f]{16,64}")
_AT_ONCE = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """A message that the log tells to have been taken in, and acknowledged."""

    at: str
    exchange: Key
    message_id: MessageId
    sender: str
    action: str

    def __str__(self) -> str:
        return f"lost: message {self.message_id} ({self.action}) of {self.sender}, taken in at {self.at}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What is compared with the store."""

    heads: tuple[Head, ...]
    taken: tuple[Taken, ...]


def head_in(text: str) -> Head:
    """Raises BadParameter."""
    number, _, digest = text.partition(":")
    if not number.isdecimal() or not _DIGEST.fullmatch(digest.replace("-", "")):
        raise typer.BadParameter(
            "write NUMBER:DIGEST, as `bridge store verify` printed it", param_hint="--head"
        )
    return int(number), digest


def read_log(file: Path) -> Told:
    """Of the lines `journal.sealed` and `message.received`. Other programs may have written into the log too."""
    heads, taken = list[Head](), list[Taken]()
    try:
        with file.open(encoding="utf-8", errors="replace") as lines:
            for line in lines:
                # Each line by itself: a cut or strange one says nothing.
                with suppress(ValueError, TypeError, KeyError):
                    told = json.loads(line[line.index("{") :])
                    if told["event"] == "journal.sealed":
                        heads.append((int(told["number"]), str(told["digest"])))
                    elif told["event"] == "message.received" and told["outcome"] == "accepted":
                        taken.append(_taken(told))
    except OSError as error:
        raise typer.BadParameter(f"{file.name} cannot be read", param_hint="--log") from error
    if not heads:
        raise typer.BadParameter(f"{file.name} has no line journal.sealed", param_hint="--log")
    return Told(heads=tuple(heads), taken=tuple(taken))


def check_heads(store: Store, heads: Sequence[Head]) -> list[Tampering]:
    """Those that are not there are one fault: after a restore they are many."""
    faults, gone = list[Tampering](), list[int]()
    for number, digest in heads:
        found = store.read_sync(partial(digest_at, number=number))
        if found is None:
            gone.append(number)
        elif not found.startswith(digest.replace("-", "")):
            text = "is not the one that was noted: the chain was made anew"
            faults.append(Tampering(journal=None, number=number, text=text))
    if gone:
        faults.append(Tampering(journal=None, number=min(gone), text=_loss(store, gone)))
    return faults


def lost_of(store: Store, taken: Sequence[Taken]) -> list[Taken]:
    """What was taken in and is not there. A partner that sent it again has mended it."""
    return [
        one
        for start in range(0, len(taken), _AT_ONCE)
        for one in _lost(store, taken[start : start + _AT_ONCE])
    ]


def _taken(told: dict[str, Any]) -> Taken:
    return Taken(
        at=str(told.get("timestamp", "?")),
        exchange=Key(told["exchange"]),
        message_id=MessageId(told["message_id"]),
        sender=str(told.get("from_party", "?")),
        action=str(told.get("action", "?")),
    )


def _loss(store: Store, gone: Sequence[int]) -> str:
    more = f", nor are {len(gone) - 1} more up to {max(gone)}" if len(gone) > 1 else ""
    restored = store.read_sync(restored_at)
    why = (
        "the end was cut off, or an older copy of the store put in place"
        if restored is None
        else f"this store was put back from a backup at {restored.isoformat()}, and what was written after that"
        " backup is lost"
    )
    return f"was noted and is not there{more}: {why}"


def _lost(store: Store, taken: Sequence[Taken]) -> Iterator[Taken]:
    exchanges, ids = store.read_sync(
        lambda tx: (
            {found.key for found in exchanges_by_keys(tx, [one.exchange for one in taken])},
            received_ids(tx, [one.message_id for one in taken]),
        )
    )
    for one in taken:
        # A log shows no nine digits that may be a BSN: of such an id nothing is known.
        known = one.exchange in exchanges or one.message_id in ids
        if not known and MASK not in one.exchange:
            yield one
