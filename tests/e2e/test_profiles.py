"""All six profiles, both ways, between two bridges; and once-and-only-once over a link that loses, doubles and
reorders."""

from __future__ import annotations

import asyncio
import os
import random
from collections import Counter
from pathlib import Path

import pytest

from bridge.config import Settings
from bridge.ebms.model import Content
from bridge.errors import PeerUnreachable
from bridge.flow.bridge import Bridge, PostAnswer, Route
from bridge.pki import Pki
from bridge.store.blobs import read_blob
from bridge.store.messages import evidence_of
from bridge.store.rows import Direction, EvidenceKind, MessageState
from tests.conftest import Clock
from tests.e2e.pair import Pair, Side, open_pair

MANY = int(os.environ.get("BRIDGE_TEST_MESSAGES", "250"))
"""Over the bad link. A thousand take two minutes."""

PROFILES = ["osb-be", "osb-rm", "osb-be-s", "osb-rm-s", "osb-be-e", "osb-rm-e"]
RELIABLE = [profile for profile in PROFILES if "rm" in profile]

PARTS = [
    ("text/xml", "<vraag>é</vraag>".encode()),
    ("application/pdf", b"%PDF-1.7\r\n\x00\xff"),
    ("image/png", b""),
]


async def send(side: Side, count: int) -> None:
    from bridge.ebms.model import Octets, Part

    parts = tuple(
        Part(content_id=f"{side.bridge.new_uuid()}@x", content_type=kind, content=Octets(octets))
        for kind, octets in PARTS[:count]
    )
    await side.send_parts(parts)


@pytest.mark.rule("DK-01", "DK-05", "DK-11", "DK-14", "DK-15", "DK-63", "DK-78", "DK-126", "DK-127", "DK-122")
@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("count", [0, 1, 3])
async def test_any_number_of_parts_travels_both_ways_under_each_profile(
    tmp_path: Path, pki: Pki, clock: Clock, profile: str, count: int
) -> None:
    async with open_pair(tmp_path, pki, clock, profile=profile) as pair:
        for sender, receiver in ((pair.ours, pair.theirs), (pair.theirs, pair.ours)):
            await send(sender, count)
            await pair.work()
            (sent,) = sender.messages(Direction.OUT)
            (received,) = receiver.messages(Direction.IN)
            assert received.message_id == sent.message_id
            assert receiver.payloads(received) == PARTS[:count]
            settled = MessageState.ACKNOWLEDGED if profile in RELIABLE else MessageState.DELIVERED
            assert sent.state is settled


@pytest.mark.rule("DK-17", "DK-84", "DK-85", "DK-86", "DK-153")
@pytest.mark.parametrize("profile", RELIABLE)
async def test_the_reliable_profiles_also_work_with_mshsignalsonly(
    tmp_path: Path, pki: Pki, clock: Clock, profile: str
) -> None:
    """The acknowledgment is in the response: one POST for each message, where asynchronous takes two."""
    async with open_pair(tmp_path, pki, clock, profile=profile, sync=True) as pair:
        link = Link(pair, seed=1)
        for _ in range(5):
            await pair.ours.send(b"<a/>")
        await pair.work()
        assert {m.state for m in pair.ours.messages(Direction.OUT)} == {MessageState.ACKNOWLEDGED}
        assert link.posts == 5


@pytest.mark.rule("DK-15", "DK-78", "DK-132", "DK-134", "DK-135", "DK-77")
@pytest.mark.parametrize("transport", ["rsa-oaep", "rsa-oaep-sha256", "rsa-1_5"])
async def test_encrypted_parts_never_travel_in_the_clear_and_oaep_is_the_default(
    tmp_path: Path, pki: Pki, clock: Clock, transport: str
) -> None:
    def change(settings: Settings) -> Settings:
        partner = settings.partners[0].model_copy(update={"key_transport": transport})
        return settings.model_copy(update={"partners": (partner,)})

    async with open_pair(tmp_path, pki, clock, profile="osb-rm-e", change=change) as pair:
        row = await pair.ours.send(b"<geheim/>")
        await pair.work()
        octets = pair.ours.bridge.store.read_sync(
            lambda tx: read_blob(tx, evidence_of(tx, row.key, kind=EvidenceKind.SENT)[0].blob)
        )
        assert b"geheim" not in octets
        assert (b"rsa-1_5" in octets) is (transport == "rsa-1_5")
        assert b"aes256-gcm" in octets
        assert octets.count(b"<eb:MessageHeader") == 1
        (received,) = pair.theirs.messages(Direction.IN)
        assert pair.theirs.payloads(received) == [("text/xml", b"<geheim/>")]


class Link:
    """Stands between the two: loses requests, loses answers, doubles, and delivers late."""

    def __init__(
        self,
        pair: Pair,
        *,
        seed: int,
        lost: float = 0.0,
        unanswered: float = 0.0,
        doubled: float = 0.0,
        late: float = 0.0,
    ) -> None:
        self._dice = random.Random(seed)
        self._chances = (lost, unanswered, doubled, late)
        self._held: list[tuple[Bridge, Route, tuple[tuple[str, str], ...], Content]] = []
        self._real = {id(side.bridge): side.bridge.post for side in (pair.ours, pair.theirs)}
        self.posts = 0
        for side in (pair.ours, pair.theirs):
            self._stand_before(side.bridge)

    def _stand_before(self, bridge: Bridge) -> None:
        real = bridge.post

        async def post(route: Route, headers: tuple[tuple[str, str], ...], body: Content) -> PostAnswer:
            self.posts += 1
            lost, unanswered, doubled, late = self._chances
            if self._dice.random() < lost:
                raise PeerUnreachable("lost on the way")
            if self._dice.random() < late:
                self._held.append((bridge, route, headers, body))
                raise PeerUnreachable("no answer within the time limit")
            if self._dice.random() < doubled:
                await real(route, headers, body)
            answer = await real(route, headers, body)
            if self._dice.random() < unanswered:
                raise PeerUnreachable("the answer was lost")
            return answer

        bridge.post = post

    async def let_late_ones_through(self) -> None:
        """In another order than they were sent in."""
        held, self._held = self._held, []
        self._dice.shuffle(held)
        for bridge, route, headers, body in held:
            await self._real[id(bridge)](route, headers, body)


def _broad(settings: Settings) -> Settings:
    """Many at the same time share each commit, so that a thousand messages take no longer than they must."""
    worker = settings.worker.model_copy(update={"concurrency": 64, "per_endpoint": 64})
    return settings.model_copy(update={"worker": worker})


@pytest.mark.rule("DK-21", "DK-24", "DK-23", "DK-04", "DK-92", "DK-97")
@pytest.mark.parametrize(
    ("profile", "sync", "count"), [("osb-rm", False, MANY), ("osb-rm-s", False, 60), ("osb-rm", True, 60)]
)
async def test_over_a_bad_link_every_message_arrives_exactly_once(
    tmp_path: Path, pki: Pki, clock: Clock, profile: str, sync: bool, count: int
) -> None:
    async with open_pair(
        tmp_path, pki, clock, profile=profile, sync=sync, retries=20, retry_interval=10, change=_broad
    ) as pair:
        link = Link(pair, seed=7, lost=0.2, unanswered=0.2, doubled=0.1, late=0.1)
        await asyncio.gather(*(pair.ours.send(f"<n>{number}</n>".encode()) for number in range(count)))
        for _ in range(21):
            await pair.work(seconds=10)
            await link.let_late_ones_through()
            if all(m.state is MessageState.ACKNOWLEDGED for m in pair.ours.messages(Direction.OUT)):
                break
        sent, received = pair.ours.messages(Direction.OUT), pair.theirs.messages(Direction.IN)
        assert Counter(m.state for m in sent) == {MessageState.ACKNOWLEDGED: count}
        assert sorted(m.message_id for m in received) == sorted(m.message_id for m in sent)
        assert MessageState.REFUSED not in {m.state for m in received}


@pytest.mark.rule("DK-28")
async def test_over_a_bad_link_the_messages_of_a_conversation_are_handed_on_in_order(
    tmp_path: Path, pki: Pki, clock: Clock
) -> None:
    async with open_pair(
        tmp_path, pki, clock, profile="osb-rm", ordered=True, retries=20, retry_interval=10
    ) as pair:
        link = Link(pair, seed=11, lost=0.2, unanswered=0.2, doubled=0.1, late=0.1)
        for number in range(8):
            for conversation in ("a", "b", "c"):
                await pair.ours.send(f"<n>{number}</n>".encode(), conversation_id=conversation)
        for _ in range(200):
            await pair.work(seconds=10)
            await link.let_late_ones_through()
            if all(m.state is MessageState.ACKNOWLEDGED for m in pair.ours.messages(Direction.OUT)):
                break
        handed: dict[str, list[bytes]] = {"a": [], "b": [], "c": []}
        for message in pair.theirs.in_order_of("message.parked"):
            handed[message.conversation_id].append(pair.theirs.payloads(message)[0][1])
        assert handed == {name: [f"<n>{n}</n>".encode() for n in range(8)] for name in "abc"}
