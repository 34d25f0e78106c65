"""Files that a resource refers to, over HTTP: who gets which octets, what is written down, and who is turned away."""

from __future__ import annotations

import hashlib
import os
from typing import Any

import pytest

from bridge.demo import HUB, POLICE
from bridge.store.access import add_purged
from bridge.store.blobs import drop_blob
from bridge.store.rows import AccessOutcome, PurgedResource
from tests.web.api.conftest import (
    RESOURCE,
    STRANGER,
    Answer,
    Api,
    OpenApi,
    accesses,
    attach,
    events,
    everything_for,
    keep,
    processing,
)

FILE = b"<script>alert(1)</script>" + bytes(range(256))
OTHER = "1b7e5a3c-0c40-5cf1-9d51-3f1b2a6c7d8e"
REFERENCE = f"sha256:{hashlib.sha256(FILE).hexdigest()}"
LEVELS = {"titel": 0, "foto": 1}


def path(reference: str = REFERENCE, *, id: str = RESOURCE, base: str = "") -> str:
    return f"{base}/inzage/melding/{id}/bijlagen/{reference}"


def body(reference: str = REFERENCE, **more: Any) -> dict[str, Any]:
    file = {"inhoud": reference, "naam": '../../x"; a=.html', "mediatype": "text/html"}
    return {"titel": "Verslag", "documenten": [{"bestand": file}], **more}


def is_the_404_of_nothing(answer: Answer, absent: Answer) -> bool:
    same = dict(answer.headers, Date="") == dict(absent.headers, Date="")
    return same and (answer.status, answer.body) == (404, absent.body)


@pytest.fixture
async def nothing(api: Api) -> Answer:
    """The answer about a resource that is not there."""
    return await api.get(path(id=OTHER))


@pytest.fixture
def kept(api: Api) -> Api:
    """A listener with a resource that refers to a file at level 2."""
    keep(api.bridge, body=body(), levels=LEVELS)
    attach(api.bridge, FILE)
    return api


@pytest.mark.parametrize("base", ["", "/v1"])
async def test_the_octets_come_to_be_saved_and_never_to_be_opened(kept: Api, base: str) -> None:
    answer = await kept.get(path(base=base))

    assert (answer.status, answer.body) == (200, FILE)
    assert answer.headers["Content-Type"] == "application/octet-stream"
    assert answer.headers["Content-Disposition"] == "attachment"
    assert answer.headers["Content-Length"] == str(len(FILE))
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Cache-Control"] == "no-store"


async def test_a_file_of_many_pieces_comes_whole(kept: Api) -> None:
    octets = os.urandom(3 * 1024 * 1024 + 17)
    keep(kept.bridge, body=body(f"sha256:{hashlib.sha256(octets).hexdigest()}"), levels=LEVELS)

    answer = await kept.get(path(attach(kept.bridge, octets)))

    assert hashlib.sha256(answer.body).digest() == hashlib.sha256(octets).digest()


async def test_it_is_a_lookup_as_any_other_in_what_is_written_down(kept: Api) -> None:
    await kept.get(path())

    (access,) = accesses(kept.bridge)
    assert (access.outcome, access.reader, access.level) == (AccessOutcome.ALLOWED, HUB.oin, 2)
    assert len(processing(kept.bridge)) == 1
    assert [event.type for event in events(kept.bridge)] == ["uitwisselen-melding.melding-ingezien"]


async def test_who_has_the_octets_already_is_told_so_and_it_counts(kept: Api) -> None:
    etag = (await kept.get(path())).headers["ETag"]

    answer = await kept.get(path(), headers={"If-None-Match": etag})

    assert (answer.status, answer.body) == (304, b"")
    assert len(events(kept.bridge)) == 2


async def test_another_organisation_gets_the_answer_of_what_does_not_exist(kept: Api) -> None:
    hidden, absent = [await kept.get(path(id=id), as_=STRANGER.stem) for id in (RESOURCE, OTHER)]

    assert is_the_404_of_nothing(hidden, absent)
    assert {access.outcome for access in accesses(kept.bridge)} == {AccessOutcome.DENIED}


async def test_who_sees_a_lower_level_cannot_tell_a_true_digest_from_a_guess(start: OpenApi) -> None:
    async with start(inzage={"rules": [everything_for(HUB.oin, level=1)]}) as api:
        keep(api.bridge, body=body(), levels=LEVELS)
        attach(api.bridge, FILE)
        right, guess = await api.get(path()), await api.get(path(f"sha256:{'0' * 64}"))

        assert is_the_404_of_nothing(right, guess)
        assert processing(api.bridge) == ()
        assert events(api.bridge) == ()


async def test_a_file_that_stands_at_a_lower_level_is_given_there(start: OpenApi) -> None:
    async with start(inzage={"rules": [everything_for(HUB.oin, level=1)]}) as api:
        keep(api.bridge, body={"foto": REFERENCE}, levels=LEVELS)
        attach(api.bridge, FILE)

        assert (await api.get(path())).body == FILE


async def test_a_place_that_is_masked_opens_no_file(start: OpenApi) -> None:
    rule = everything_for(HUB.oin, masks=["documenten/*/bestand/inhoud"])
    async with start(inzage={"rules": [rule]}) as api:
        keep(api.bridge, body=body(), levels=LEVELS)
        attach(api.bridge, FILE)

        assert (await api.get(path())).status == 404


async def test_a_digest_of_a_file_of_another_resource_opens_nothing(kept: Api, nothing: Answer) -> None:
    keep(kept.bridge, id=OTHER, body=body(f"sha256:{'1' * 64}"), levels=LEVELS)

    assert is_the_404_of_nothing(await kept.get(path(id=OTHER)), nothing)


async def test_who_writes_the_digest_of_a_file_of_others_in_its_own_data_opens_nothing(
    kept: Api, nothing: Answer
) -> None:
    """The owner of a resource decides what stands in it, not whose files it opens."""
    keep(kept.bridge, id=OTHER, body=body(), levels=LEVELS)

    assert is_the_404_of_nothing(await kept.get(path(id=OTHER)), nothing)


async def test_a_file_that_another_party_sent_in_the_exchange_is_not_the_owners(
    api: Api, nothing: Answer
) -> None:
    keep(api.bridge, body=body(), levels=LEVELS)
    attach(api.bridge, FILE, party=HUB.oin)

    assert is_the_404_of_nothing(await api.get(path()), nothing)


async def test_a_part_of_the_message_that_calls_itself_by_a_digest_is_not_the_file(
    api: Api, nothing: Answer
) -> None:
    keep(api.bridge, body=body(), levels=LEVELS)
    attach(api.bridge, b"something else", content_id=REFERENCE, position=2)

    assert is_the_404_of_nothing(await api.get(path()), nothing)


@pytest.mark.parametrize(
    "reference", ["sha256:" + "g" * 64, "sha256:" + "A" * 64, "md5:0", "..%2Fx", "%00", "x" * 500]
)
async def test_what_is_no_reference_is_not_there(kept: Api, nothing: Answer, reference: str) -> None:
    assert is_the_404_of_nothing(await kept.get(path(reference)), nothing)


async def test_after_the_retention_of_the_resource_it_is_gone(api: Api) -> None:
    purged = PurgedResource(type="melding", id=OTHER, owner=POLICE.oin, at=api.bridge.now())
    api.bridge.store.write_sync(lambda tx: add_purged(tx, purged))

    assert (await api.get(path(id=OTHER))).status == 410


async def test_after_the_retention_of_the_file_it_is_gone_for_who_sees_the_place_alone(kept: Api) -> None:
    digest = REFERENCE.partition(":")[2]
    assert kept.bridge.store.write_sync(lambda tx: drop_blob(tx, digest, at=kept.bridge.now()))

    assert (await kept.get(path())).status == 410
    assert (await kept.get(path(), as_=STRANGER.stem)).status == 404
    assert processing(kept.bridge) == ()


async def test_a_client_that_takes_no_octets_is_told_so(kept: Api) -> None:
    assert (await kept.get(path(), headers={"Accept": "application/json"})).status == 406
