"""Remembering who was turned away, so that an operator can see it and call."""

from __future__ import annotations

from bridge.errors import BridgeError
from bridge.flow.bridge import Bridge
from bridge.log import get_logger
from bridge.store.doors import note_turned_away
from bridge.store.rows import TurnedAway

LONGEST = 200
"""Signs of a name that a stranger chose."""

_log = get_logger()


async def note_knock(bridge: Bridge, *, oin: str | None, code: str, cpa_id: str, message_id: str) -> None:
    """Raises nothing: what a stranger is answered does not hang on this."""
    now = bridge.now()
    knock = TurnedAway(
        oin=oin or "",
        code=code,
        cpa_id=cpa_id[:LONGEST],
        count=1,
        first_at=now,
        last_at=now,
        message_id=message_id[:LONGEST],
    )
    try:
        await bridge.store.write(lambda tx: note_turned_away(tx, knock))
    except BridgeError as error:
        _log.warning("message.turned_away", outcome="not noted", reason=type(error).__name__)
