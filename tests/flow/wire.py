"""The bridge's client, watched: when it posted what to where, and how often it found nobody."""

from __future__ import annotations

from datetime import datetime

from bridge.ebms.model import Content
from bridge.errors import PeerUnreachable
from bridge.flow.bridge import PostAnswer, Route
from tests.flow.conftest import World


class Wire:
    """Stands before the real client from its making on."""

    def __init__(self, world: World) -> None:
        self.real = world.bridge.post
        self.times: list[datetime] = []
        self.routes: list[Route] = []
        self.headers: list[tuple[tuple[str, str], ...]] = []
        self.bodies: list[bytes] = []
        self._clock = world.clock
        self._refused = 0
        world.bridge.post = self

    def refuses(self, count: int) -> None:
        """That many connections find nobody."""
        self._refused = count

    async def __call__(self, route: Route, headers: tuple[tuple[str, str], ...], body: Content) -> PostAnswer:
        self.times.append(self._clock())
        self.routes.append(route)
        self.headers.append(headers)
        with body.open() as stream:
            self.bodies.append(stream.read())
        if self._refused:
            self._refused -= 1
            raise PeerUnreachable("no connection (refused or unreachable)")
        return await self.real(route, headers, body)
