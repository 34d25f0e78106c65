"""What all tests share: a clock moved by hand, one test PKI for the whole run, and the reference folder."""

from __future__ import annotations

import functools
import os
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from argon2 import PasswordHasher
from hypothesis import HealthCheck, settings

from bridge.demo import BRIDGE, HUB, POLICE
from bridge.ebms import keys
from bridge.pki import Flaw, Organisation, Pki, make_pki
from bridge.web.console import passwords

pytest_plugins = ["tests.conformance"]

# A busy machine is no finding: examples may be slow to draw and to run. The usual run draws the same ones each time,
# so that it fails for a change and not by chance; HYPOTHESIS_PROFILE=deep looks for new ones.
settings.register_profile(
    "ci",
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow],
    print_blob=True,
)
settings.register_profile("deep", settings.get_profile("ci"), derandomize=False, max_examples=2000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci"))

SHARED = Path(__file__).resolve().parents[1].parent / "shared"

STRANGER = Organisation(name="Vreemde", oin="00000001999990068000", stem="stranger")
"""Has a good certificate of the same PKI, and no agreement with anybody."""


class Clock:
    """A clock that stands still until it is moved. Starts at the real time, since certificates are made for it."""

    def __init__(self) -> None:
        self.now = datetime.now(UTC).replace(microsecond=0)

    def __call__(self) -> datetime:
        return self.now

    def forward(self, **span: float) -> datetime:
        self.now += timedelta(**span)
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(scope="session")
def pki(tmp_path_factory: pytest.TempPathFactory) -> Pki:
    """Organisations of the demo, a stranger, and a certificate of the police from another authority."""
    made = make_pki(
        tmp_path_factory.mktemp("pki"),
        organisations=[POLICE, BRIDGE, HUB, STRANGER],
        now=datetime.now(UTC),
    )
    made.make_wrong(Organisation(name=POLICE.name, oin=POLICE.oin, stem="foreign"), Flaw.OTHER_CA)
    made.make_wrong(Organisation(name=POLICE.name, oin=POLICE.oin, stem="expired"), Flaw.EXPIRED)
    return made


@pytest.fixture(scope="session", autouse=True)
def _light_passwords() -> Iterator[None]:
    """Argon2id as always, and as little of it as can be: what it costs on purpose is the better part of a second each
    time. `tests/web/console/test_passwords.py` reads what it costs outside the tests."""
    hasher = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(passwords, "_hasher", hasher)
        patch.setattr(passwords, "_NOBODY", hasher.hash("nobody knows this one"))
        yield


@pytest.fixture(scope="session", autouse=True)
def _keys_checked_once() -> Iterator[None]:
    """The cryptography library proves of each private key that it reads that its numbers are prime. Of the same octets
    that needs no second proof, and there are thousands of readings of a dozen keys."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(keys, "load_pem_private_key", functools.cache(keys.load_pem_private_key))
        yield


@pytest.fixture
def shared() -> Path:
    """The read-only reference folder; tests that need it are extra."""
    if not SHARED.is_dir():
        pytest.skip("the reference folder is not there")
    return SHARED


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--screenshots",
        metavar="FOLDER",
        help="write the pictures of the console's pages to this folder (docs/screenshots)",
    )
