"""Sending a message to the partner without a hub event: straight from its terms."""

from __future__ import annotations

from bridge.ebms.model import Octets, Part, PartyId, Service
from bridge.flow.outgoing import keep_outgoing, make_outgoing
from bridge.simulate.profile import DEFAULT_SERVICE, DEFAULT_SERVICE_TYPE
from bridge.store.exchanges import open_exchange
from bridge.store.rows import Exchange, ExchangeDirection, ExchangeState, Message
from tests.flow.conftest import World


async def send_out(
    world: World,
    *payloads: bytes,
    content_type: str = "text/xml",
    parts: tuple[Part, ...] | None = None,
    ref_to: str | None = None,
    conversation_id: str | None = None,
) -> Message:
    """Keep a message for the partner with its delivery job; `world.work()` sends it."""
    bridge, own = world.bridge, world.bridge.own[0]
    (terms,) = bridge.agreements.candidates(
        own=own.party_id,
        service=Service(value=DEFAULT_SERVICE, type=DEFAULT_SERVICE_TYPE),
        action="vtTerugkoppeling",
        at=bridge.now(),
        partner=PartyId(value=world.partner.settings.oin, type="urn:osb:oin"),
    )
    exchange = bridge.new_key()
    if parts is None:
        parts = tuple(
            Part(content_id=f"{bridge.new_uuid()}@bridge", content_type=content_type, content=Octets(octets))
            for octets in payloads or (b"<vtTerugkoppeling/>",)
        )
    outgoing = make_outgoing(
        bridge,
        terms,
        own=own,
        exchange=exchange,
        parts=parts,
        ref_to_message_id=ref_to,
        conversation_id=conversation_id,
    )

    def work(tx):  # type: ignore[no-untyped-def]
        open_exchange(
            tx,
            Exchange(
                key=exchange,
                direction=ExchangeDirection.TO_PARTNER,
                started_at=bridge.now(),
                changed_at=bridge.now(),
                partner=world.partner.settings.oin,
                title="vtTerugkoppeling",
                state=ExchangeState.RUNNING,
            ),
        )
        keep_outgoing(tx, outgoing)

    await bridge.store.write(work)
    return outgoing.row
