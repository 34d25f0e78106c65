"""Flow 1: what a partner's MSH sees when it posts, and what is on disk then."""

from __future__ import annotations

from tests.flow.conftest import World


async def test_a_signed_message_is_stored_and_then_acknowledged_by_a_post_of_its_own(world: World) -> None:
    result = await world.partner.send(world.sample, "vtMelding")
    assert (result.status, result.body) == (204, b"")
    assert [m.message_id for m in world.messages()] == [result.message_id]
    await world.work()
    acknowledgment = await world.partner.acknowledged(result.message_id, 5)
    assert acknowledgment.header.ref_to_message_id == result.message_id
