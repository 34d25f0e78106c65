"""The acceptance test of a partner's adapter: is it reached, does it answer, and does it keep to the agreement?

    connection and Ping → a message, if the partner agreed to get one → the same octets again → its status

The message is a real one under the agreement, kept with its evidence like any other, but without a delivery job: the
test itself posts it, so that each answer is seen. An acknowledgment by a POST of its own comes in at whichever
process serves the partner listener.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from sqlalchemy.engine import Connection

from bridge.config import PartnerSettings
from bridge.ebms.cpa_resolve import outgoing_terms
from bridge.ebms.cpa_terms import Terms
from bridge.ebms.model import Octets, Part, PartyId
from bridge.errors import ConfigError
from bridge.flow import ping
from bridge.flow.bridge import Bridge, OwnIdentity
from bridge.flow.mend_model import Actor, write_audit
from bridge.flow.once import Line, post_once
from bridge.flow.outgoing import Outgoing, keep_sent, make_outgoing
from bridge.ids import Key
from bridge.store.audit import AuditFilter, list_audit
from bridge.store.exchanges import open_exchange
from bridge.store.messages import count_attempt, evidence_of, get_message, set_message_state
from bridge.store.rows import EvidenceKind, Exchange, ExchangeDirection, ExchangeState, Message, MessageState
from bridge.store.timeline import add_step

TESTED = "partner.tested"
"""The action in the audit log."""
_LOOK_EVERY = 0.05


class Verdict(StrEnum):
    OK = "ok"
    NOTE = "note"
    """Not as it could be, and no reason to keep the partner waiting."""
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One thing that was tried, and what came of it."""

    name: str
    verdict: Verdict
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """A message that the partner agreed to get. It must hold nothing about real people."""

    action: str
    payload: bytes = field(repr=False)
    content_type: str = "text/xml"


async def try_partner(
    bridge: Bridge,
    partner: PartnerSettings,
    *,
    trial: Trial | None,
    within: timedelta,
    by: Actor,
    reason: str,
) -> tuple[Check, ...]:
    """Every check that can be made; a failed one ends the test. Raises ConfigError without an agreement in force."""
    checks = [await _ping(bridge, partner, within)]
    if checks[0].verdict is not Verdict.FAILED and trial is not None:
        checks += await _send(bridge, partner, trial, within)
    outcome = "; ".join(f"{check.name}: {check.verdict}" for check in checks)
    await bridge.store.write(
        lambda tx: write_audit(tx, bridge, by, TESTED, partner.party_id, reason, outcome=outcome)
    )
    return tuple(checks)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tested:
    """What the audit log has of a test: when, by whom, and the outcome of each check in order."""

    at: datetime
    by: str
    outcomes: tuple[tuple[str, Verdict], ...]


def last_test(tx: Connection, party: str) -> Tested | None:
    """The newest test of a partner; None when there was none, or it is too long ago."""
    found = list_audit(tx, AuditFilter(action=TESTED, target=party), limit=1)
    if not found:
        return None
    pairs = (part.partition(": ") for part in found[0].detail.get("outcome", "").split("; "))
    outcomes = tuple((name, Verdict(verdict)) for name, _, verdict in pairs if verdict in set(Verdict))
    return Tested(at=found[0].at, by=found[0].who, outcomes=outcomes)


async def _ping(bridge: Bridge, partner: PartnerSettings, within: timedelta) -> Check:
    asked = await ping.ping(bridge, partner, within=within)
    match asked.reached:
        case ping.Reached.ANSWERED:
            return Check(
                name="ping", verdict=Verdict.OK, text=f"answered with a Pong under CPA {asked.cpa_id}"
            )
        case ping.Reached.TAKEN:
            text = (
                "TLS and HTTP are good; no Pong came (the service is optional, or nobody serves our listener)"
            )
            return Check(name="ping", verdict=Verdict.NOTE, text=text)
        case ping.Reached.REFUSED:
            text = f"TLS is good; the Ping was refused ({asked.reason}); the service is optional"
            return Check(name="ping", verdict=Verdict.NOTE, text=text)
        case ping.Reached.UNREACHABLE:
            return Check(name="ping", verdict=Verdict.FAILED, text=f"not reached: {asked.reason}")


async def _send(bridge: Bridge, partner: PartnerSettings, trial: Trial, within: timedelta) -> list[Check]:
    line, terms = _terms(bridge, partner, trial.action)
    outgoing = await asyncio.to_thread(_make, bridge, line.own, terms, trial)
    await bridge.store.write(lambda tx: _keep(tx, partner, outgoing))
    key = outgoing.row.key
    problem = await _post(bridge, line, terms, outgoing)
    if problem is None and terms.reliable:
        await _wait(bridge, key, acknowledgments=1, within=within)
    row = await _end(bridge, key, problem, reliable=terms.reliable)
    good = row.state in (MessageState.ACKNOWLEDGED, MessageState.DELIVERED)
    verdict = Verdict.OK if good else Verdict.FAILED
    text = f"{row.message_id} is {row.state}" + (f": {row.reason}" if row.reason else "")
    checks = [Check(name="message", verdict=verdict, text=text)]
    if row.state is MessageState.ACKNOWLEDGED:
        checks.append(await _repeat(bridge, line, terms, outgoing, within))
        checks.append(await _status(bridge, row, within))
    return checks


def _terms(bridge: Bridge, partner: PartnerSettings, action: str) -> tuple[Line, Terms]:
    """Raises ConfigError when no agreement in force lets us send the action to the partner."""
    theirs = PartyId(value=partner.party_id, type=partner.party_id_type)
    now = bridge.now()
    for agreement in bridge.agreements.agreements:
        if not agreement.is_active(now) or agreement.find_party((theirs,)) is None:
            continue
        for own in bridge.own:
            party = agreement.find_party((own.party_id,))
            for role in party.roles if party else ():
                if any(binding.action == action for binding in role.can_send):
                    terms = outgoing_terms(
                        agreement, own=own.party_id, service=role.service, action=action, role=role.role
                    )
                    return Line(own=own, partner=partner, agreement=agreement), terms
    raise ConfigError([f"no agreement in force lets us send {action} to {partner.name}"])


def _make(bridge: Bridge, own: OwnIdentity, terms: Terms, trial: Trial) -> Outgoing:
    part = Part(
        content_id=bridge.new_local_id(),
        content_type=trial.content_type,
        content=Octets(trial.payload),
    )
    return make_outgoing(bridge, terms, own=own, exchange=bridge.new_key(), parts=(part,))


def _keep(tx: Connection, partner: PartnerSettings, outgoing: Outgoing) -> None:
    row = outgoing.row
    open_exchange(
        tx,
        Exchange(
            key=row.exchange,
            direction=ExchangeDirection.TO_PARTNER,
            started_at=row.at,
            changed_at=row.at,
            partner=partner.party_id,
            title=row.action,
            state=ExchangeState.DONE,
            conversation_id=row.conversation_id,
        ),
    )
    keep_sent(tx, outgoing)
    set_message_state(tx, row.key, MessageState.WAITING, at=row.at, reason="sent as an acceptance test")


async def _post(bridge: Bridge, line: Line, terms: Terms, outgoing: Outgoing) -> str | None:
    """Post the octets once. Why that did not go well, or None."""
    row, now = outgoing.row, bridge.now()
    await bridge.store.write(lambda tx: _note_sent(tx, row, now))
    problem = await post_once(bridge, line, terms, row, outgoing.sealed)
    return None if problem is None else problem.reason


def _note_sent(tx: Connection, row: Message, at: datetime) -> None:
    count_attempt(tx, row.key)
    detail = {"message_id": row.message_id, "note": "acceptance test"}
    add_step(
        tx, exchange=row.exchange, at=at, side="ebms", what="message.sent", outcome="waiting", detail=detail
    )


async def _wait(bridge: Bridge, key: Key, *, acknowledgments: int, within: timedelta) -> None:
    """Until so many acknowledgments of the message are in, or it failed, or the time is over."""
    loop = asyncio.get_running_loop()
    until = loop.time() + within.total_seconds()
    while True:
        row, proofs = await bridge.store.read(lambda tx: (get_message(tx, key), _proofs(tx, key)))
        failed = row.state is MessageState.FAILED
        if len(proofs) >= acknowledgments or failed or loop.time() >= until:
            return
        await asyncio.sleep(_LOOK_EVERY)


def _proofs(tx: Connection, key: Key) -> tuple[str, ...]:
    """Digests of the acknowledgments that came, in their order."""
    return tuple(proof.blob for proof in evidence_of(tx, key, kind=EvidenceKind.ACKNOWLEDGMENT))


async def _end(bridge: Bridge, key: Key, problem: str | None, *, reliable: bool) -> Message:
    """Give a message that still waits its end: nothing sends it again. Gives it as it is then."""
    now = bridge.now()

    def work(tx: Connection) -> Message:
        row = get_message(tx, key)
        if row.state is not MessageState.WAITING:
            return row
        if problem is not None:
            state, reason = MessageState.FAILED, problem
        elif reliable:
            state, reason = MessageState.EXPIRED, "no valid acknowledgment came in time"
        else:
            state, reason = MessageState.DELIVERED, "the partner took it (best effort)"
        set_message_state(tx, key, state, at=now, reason=reason)
        add_step(
            tx,
            exchange=row.exchange,
            at=now,
            side="ebms",
            what=f"message.{state.value}",
            outcome="ok" if state is MessageState.DELIVERED else "failed",
            detail={"message_id": row.message_id, "reason": reason},
        )
        return get_message(tx, key)

    return await bridge.store.write(work)


async def _repeat(bridge: Bridge, line: Line, terms: Terms, outgoing: Outgoing, within: timedelta) -> Check:
    """The same octets again must give the same acknowledgment again (section 6.3)."""
    key = outgoing.row.key
    problem = await _post(bridge, line, terms, outgoing)
    if problem is not None:
        return Check(name="repeat", verdict=Verdict.FAILED, text=problem)
    await _wait(bridge, key, acknowledgments=2, within=within)
    proofs = await bridge.store.read(lambda tx: _proofs(tx, key))
    if len(proofs) < 2:
        text = "the repeat was not acknowledged: a lost acknowledgment would never be mended"
        return Check(name="repeat", verdict=Verdict.FAILED, text=text)
    if proofs[0] != proofs[1]:
        text = "the repeat was acknowledged, with other octets than the first time"
        return Check(name="repeat", verdict=Verdict.NOTE, text=text)
    return Check(name="repeat", verdict=Verdict.OK, text="the very same acknowledgment came again")


async def _status(bridge: Bridge, row: Message, within: timedelta) -> Check:
    asked = await ping.ask_status(bridge, row.key, within=within)
    if asked.reached is not ping.Reached.ANSWERED:
        text = f"no StatusResponse ({asked.reason or asked.reached}); the service is optional"
        return Check(name="status", verdict=Verdict.NOTE, text=text)
    known = asked.status in ("Received", "Processed", "Forwarded")
    verdict = Verdict.OK if known else Verdict.NOTE
    return Check(name="status", verdict=verdict, text=f"the partner says of the message: {asked.status}")
