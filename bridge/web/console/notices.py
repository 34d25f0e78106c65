"""What must not be missed at the top of an exchange: who was not told, what was tried before, who settled it. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from bridge.store.rows import ExchangeState, MessageState, Step, StepOutcome
from bridge.web.console.dossier import Dossier
from bridge.web.console.views import Lens

BRIDGE = "bridge"
MENDS = frozenset(
    {
        "message.resent",
        "message.sent_again",
        "message.replayed",
        "event.retried",
        "event.released",
        "job.revived",
    }
)
"""Steps by which a person set something going again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """`kind` is the end of the catalogue key `notice.…`, which `values` fill in."""

    kind: str
    values: Mapping[str, object] = field(default_factory=dict)
    reason: str = ""
    """As it was recorded, or as a person wrote it."""
    action: tuple[str, str] | None = None
    """What can be done about it, and the key of what it is done to."""


def notices_of(dossier: Dossier, lens: Lens) -> tuple[Notice, ...]:
    return (*_untold(dossier, lens), *_tried(dossier, lens), *_settled(dossier, lens))


def _untold(dossier: Dossier, lens: Lens) -> list[Notice]:
    """Our answer was given up: its sender does not know what became of the message."""
    rows = {file.message.key: file.message for file in dossier.messages}
    found = []
    for job in dossier.untold:
        row, at = rows[job.subject_key], lens.moment(job.ended_at or job.at)
        kind = "untold.error" if row.state is MessageState.REFUSED else "untold.acknowledgment"
        values = {"name": lens.name(row.from_party), "n": job.attempts, "at": f"{at.day} {at.clock}"}
        found.append(Notice(kind=kind, values=values, reason=job.reason or "", action=("revive", job.key)))
    return found


def _tried(dossier: Dossier, lens: Lens) -> list[Notice]:
    """A person set it going before, and it stopped again."""
    if dossier.exchange.state is not ExchangeState.ATTENTION:
        return []
    mends = [step for step in dossier.steps if step.by != BRIDGE and step.what in MENDS]
    parked = [step for step in dossier.steps if step.by != BRIDGE and step.what == "message.parked"]
    mends = sorted([*mends, *parked], key=lambda step: step.seq)
    if not mends or not _stopped_since(dossier.steps, mends[-1]):
        return []
    at = lens.moment(mends[-1].at)
    values = {"n": len(mends) + 1, "who": mends[-1].by, "at": f"{at.day} {at.clock}"}
    return [Notice(kind="tried", values=values)]


def _stopped_since(steps: tuple[Step, ...], mend: Step) -> bool:
    return any(step.outcome == StepOutcome.FAILED and step.seq >= mend.seq for step in steps)


def _settled(dossier: Dossier, lens: Lens) -> list[Notice]:
    if dossier.exchange.state is ExchangeState.ATTENTION or not dossier.resolutions:
        return []
    last = max(dossier.resolutions, key=lambda resolution: resolution.at)
    at = lens.moment(last.at)
    values = {"who": last.by, "at": f"{at.day} {at.clock}"}
    return [Notice(kind="settled", values=values, reason=last.note)]
