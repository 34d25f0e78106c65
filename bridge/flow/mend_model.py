"""Words for mending: who does it, what it does, and why it cannot be done now."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from sqlalchemy.engine import Connection

from bridge.errors import BridgeError
from bridge.flow.bridge import Bridge
from bridge.store.audit import add_audit
from bridge.store.rows import Audit


class CannotMend(BridgeError):
    """What was asked cannot be done in this state; nothing was changed. The text says why and what can."""


class ChangedMeanwhile(CannotMend):
    """Somebody else, or the bridge itself, was first; nothing was changed. Look again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Actor:
    """A person who mends. `way` is `console` or `command`."""

    name: str
    role: str = ""
    way: str = "console"


class EffectKind(StrEnum):
    """What happens to one thing, or stays as it is."""

    OFFER = "offer"
    """A new event is made and offered."""
    OFFER_AGAIN = "offer-again"
    """The same fact is offered as a new event that names the former one as its cause."""
    STAYS = "stays"
    """It was published; it stays as it is."""
    STAYS_CHANGED = "stays-changed"
    """It was published and would be different now; it stays, unless a new offer is asked for."""
    UNDER_WAY = "under-way"
    """The hub has it; it is left alone."""
    QUEUED = "queued"
    """It is about to be offered; it is left alone."""
    UNKNOWN = "unknown"
    """Whether the hub has it is not known, and is being asked; it is left alone."""
    GONE = "gone"
    """It is made no longer; what was published stays."""
    RESOURCE = "resource"
    """The data that stays behind gets a new version."""
    RESOURCE_SAME = "resource-same"
    RESOURCE_NEWER = "resource-newer"
    """A later message gave a newer version, which stays."""
    HAND_ON = "hand-on"
    """It waits for an earlier message of its conversation, and goes on without it."""
    PASSED_OVER = "passed-over"
    """It was received before under another MessageId; nothing is made of it."""
    STOPS = "stops"
    """It still cannot be mapped, for the reason given."""
    SEND_NEW = "send-new"
    """The content is sent as a new message with a new MessageId."""
    SEND_SAME = "send-same"
    """The same octets are sent again under the same MessageId."""
    COMPOSE = "compose"
    """A message is composed for this partner."""
    NOBODY = "nobody"
    """It concerns no partner now."""
    TELL = "tell"
    """The sender is told, in a technical answer, that its message is not handled."""
    TOLD = "told"
    """The sender was told before that its message failed; that stands, so it has to be told by other means."""
    SETTLE = "settle"
    """It asks for attention no longer."""
    REVIVE = "revive"
    """The job is tried again."""
    HURRY = "hurry"
    """The job is done now instead of at its time."""
    PAUSE = "pause"
    RESUME = "resume"


@dataclass(frozen=True, slots=True, kw_only=True)
class Effect:
    """One line of what mending does. `differences` never show a value, only where and how long."""

    kind: EffectKind
    title: str
    id: str = ""
    differences: tuple[str, ...] = ()
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mended:
    """What was done, or with `done` False what would be done."""

    done: bool
    effects: tuple[Effect, ...]


def write_audit(
    tx: Connection, bridge: Bridge, by: Actor, action: str, target: str, reason: str, **detail: str
) -> None:
    """The line of audit of a mending, in its transaction."""
    add_audit(
        tx,
        Audit(
            key=bridge.new_key(),
            at=bridge.now(),
            who=by.name,
            role=by.role,
            way=by.way,
            action=action,
            target=target,
            reason=reason,
            detail=detail,
        ),
    )


def check_reason(reason: str) -> str:
    """A reason as it is kept: short, printable, and never empty. Raises CannotMend."""
    text = " ".join(reason.split())
    if not text or len(text) > 500 or not text.isprintable():
        raise CannotMend(
            "give a reason of 1 to 500 characters: it stands in the timeline and in the audit log"
        )
    return text
