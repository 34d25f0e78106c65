"""A PKI made once, and simulated partners in mirrored pairs."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from bridge.pki import Organisation, Pki, make_pki
from bridge.simulate.partner import Partner
from bridge.simulate.settings import PartnerSettings, Peer, Tls

MELDER = "00000001111111110000"
ONTVANGER = "00000001222222220000"
HUB = "00000001333333330000"

Pair = tuple[Partner, Partner]
MakePair = Callable[..., Awaitable[Pair]]


@pytest.fixture(scope="session")
def pki(tmp_path_factory: pytest.TempPathFactory) -> Pki:
    organisations = [
        Organisation(name="Melder", oin=MELDER, stem="melder"),
        Organisation(name="Ontvanger", oin=ONTVANGER, stem="ontvanger"),
        Organisation(name="Hub", oin=HUB, stem="hub"),
    ]
    return make_pki(tmp_path_factory.mktemp("pki"), organisations=organisations, now=datetime.now(UTC))


@pytest.fixture(scope="session")
def tls(pki: Pki) -> Callable[[str], Tls]:
    def of(stem: str) -> Tls:
        made = pki.credentials(stem)
        return Tls(certificate=made.certificate, key=made.key, trust=pki.trust, crl=pki.crl)

    return of


@pytest.fixture
def melder_settings(pki: Pki, tls: Callable[[str], Tls]) -> PartnerSettings:
    return PartnerSettings(
        name="Melder",
        oin=MELDER,
        role="Melder",
        cpa_id="melding_1",
        peer=Peer(oin=ONTVANGER, role="Ontvanger", certificate=pki.credentials("ontvanger").certificate),
        tls=tls("melder"),
        retry_interval=timedelta(hours=1),
    )


@pytest.fixture
def ontvanger_settings(pki: Pki, tls: Callable[[str], Tls]) -> PartnerSettings:
    return PartnerSettings(
        name="Ontvanger",
        oin=ONTVANGER,
        role="Ontvanger",
        cpa_id="melding_1",
        peer=Peer(oin=MELDER, role="Melder", certificate=pki.credentials("melder").certificate),
        tls=tls("ontvanger"),
        receives=("vtMelding",),
        retry_interval=timedelta(hours=1),
    )


@pytest.fixture
async def make_pair(
    melder_settings: PartnerSettings, ontvanger_settings: PartnerSettings
) -> AsyncIterator[MakePair]:
    """Two started partners; `melder` and `ontvanger` are settings of one side, the rest is for both."""
    async with AsyncExitStack() as stack:

        async def make(
            *,
            melder: dict[str, object] | None = None,
            ontvanger: dict[str, object] | None = None,
            **both: object,
        ) -> Pair:
            one = Partner(replace(melder_settings, **{**both, **(melder or {})}))
            other = Partner(replace(ontvanger_settings, **{**both, **(ontvanger or {})}))
            for partner in (one, other):
                await partner.start()
                stack.push_async_callback(partner.stop)
            one.bridge_url, other.bridge_url = other.url, one.url
            return one, other

        yield make


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    return tmp_path / "journal.jsonl"
