"""What a password costs who guesses at it, outside the tests: these make it cheap."""

import importlib.util
from types import ModuleType

import pytest

from bridge.web.console import passwords

COST = "$argon2id$v=19$m=65536,t=3,p=4$"
"""The second choice of RFC 9106, chapter 4: for who has less memory than two gigabytes for each login."""


@pytest.fixture(scope="module")
def untouched() -> ModuleType:
    """The module as the bridge imports it, whatever the tests changed."""
    spec = importlib.util.find_spec(passwords.__name__)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


async def test_password_is_hashed_at_the_cost_that_the_rfc_asks(untouched: ModuleType) -> None:
    hashed = await untouched.hash_password("a long sentence with words")
    assert hashed.startswith(COST)
    assert await untouched.is_password("a long sentence with words", hashed)
    assert not await untouched.is_password("another sentence of words", hashed)


async def test_name_that_nobody_has_costs_as_much_as_one_that_somebody_has(untouched: ModuleType) -> None:
    assert untouched._NOBODY.startswith(COST)
    assert not await untouched.is_password("a long sentence with words", None)
