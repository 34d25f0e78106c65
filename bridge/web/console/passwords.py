"""Passwords: Argon2id hashes (RFC 9106, the parameters of argon2-cffi), and what a good password is."""

import asyncio
import secrets
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

from argon2 import PasswordHasher
from argon2.exceptions import Argon2Error, InvalidHashError

SHORTEST, LONGEST = 12, 200
ONE_TIME = timedelta(hours=72)
"""How long a one-time password may be used."""

_ALPHABET = "abcdefghjkmnpqrstuvwxyz23456789"
"""Without letters and digits that look alike."""

_hasher = PasswordHasher()
_NOBODY = "$argon2id$v=19$m=65536,t=3,p=4$T4yCclZTF+L4fOaNfa49Hg$s9Rt6nngMNBQSrEchWUZBVaThj4u40nYJdfuK0y+OJw"
"""What the password of an unknown name is compared with, so that it takes as long as a known one. Nobody knows which
password it is of, and it opens nothing."""

_threads = ThreadPoolExecutor(max_workers=2, thread_name_prefix="password")
"""Hashing takes much memory on purpose: so many at a time, however many try to log in."""


async def is_password(password: str, hashed: str | None) -> bool:
    """Whether this is the password. Takes equally long for an account without one (None)."""
    return await asyncio.get_running_loop().run_in_executor(_threads, _verify, password, hashed)


async def hash_password(password: str) -> str:
    """What the store keeps."""
    return await asyncio.get_running_loop().run_in_executor(_threads, _hasher.hash, password)


def hash_password_now(password: str) -> str:
    """As `hash_password`, for the command line."""
    return _hasher.hash(password)


def make_one_time_password() -> str:
    """About a hundred bits in five groups that a person can type over."""
    return "-".join("".join(secrets.choice(_ALPHABET) for _ in range(4)) for _ in range(5))


def why_weak(password: str, *, name: str) -> str | None:
    """The end of a catalogue key `password.…` that says what is wrong with a new password, or None."""
    if len(password) < SHORTEST:
        return "short"
    if len(password) > LONGEST:
        return "long"
    if len(set(password)) < 5 or name.lower() in password.lower():
        return "simple"
    return None


def _verify(password: str, hashed: str | None) -> bool:
    if len(password) > LONGEST:
        password, hashed = "", None
    try:
        good = _hasher.verify(hashed or _NOBODY, password)
    except (Argon2Error, InvalidHashError):
        return False
    return good and hashed is not None
