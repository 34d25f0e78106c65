"""Content encrypted at rest: AES-GCM under data keys, which are wrapped by a master key of the operator.

The data keys stand in the store, wrapped; the master key stands in a file or in the environment, and never in
the store. What was encrypted names the number of its data key. A text is bound to its place (table, key,
position), so that nobody can exchange two of them.

The Store hands its Sealer to works as an execution option of the connection (docs/decisions/0006).
"""

import hashlib
import hmac
import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from sqlalchemy import Connection, func, select, update

from bridge.errors import ConfigError, ContentDamaged, StoreUnavailable
from bridge.store import tables
from bridge.store.query import add_unless_there
from bridge.store.sealed_rows import OPTION

KEY_SIZE = 32
FRESH = timedelta(seconds=60)
"""After so long a process looks whether another one made a newer data key."""

_NONCE = 12
_key = tables.data_key.c


class Purpose(StrEnum):
    ADDRESS = "address"
    """For the addresses of blobs. There is one, for ever: it decides what is stored once."""
    CONTENT = "content"
    """For content. The one with the highest number is used; all are kept, for what was written under them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MasterKeys:
    """The master key in use, and the one before it while it is being replaced; 32 octets each."""

    current: bytes = field(repr=False)
    previous: bytes | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        for key in (self.current, self.previous):
            if key is not None and len(key) != KEY_SIZE:
                raise ConfigError(
                    [f"store.encryption: the key holds {len(key)} bytes, {KEY_SIZE} are needed"]
                )

    def wrap(self, number: int, purpose: Purpose, key: bytes) -> tuple[str, bytes]:
        """The name of the master key, and the data key under it."""
        return name_of(self.current), _encrypt(self.current, key, _place(number, purpose))

    def unwrap(self, number: int, purpose: Purpose, master: str, wrapped: bytes) -> bytes:
        """Raises ConfigError when it is under a master key that is not here."""
        for key in (self.current, self.previous):
            if key is not None and name_of(key) == master:
                return _decrypt(key, wrapped, _place(number, purpose))
        here = " and ".join(name_of(key) for key in (self.current, self.previous) if key is not None)
        raise ConfigError(
            [
                f"store.encryption: the content is under master key {master}, and given is {here}; "
                "give that key (or, beside a newer one, as previous_key_file) and restart"
            ]
        )


def name_of(key: bytes) -> str:
    """By which a master key is known: it tells nothing about the key."""
    return hashlib.sha256(b"bridge master key\0" + key).hexdigest()[:16]


class Sealer:
    """Encrypts and decrypts for the works of one Store. Safe for use from any thread."""

    def __init__(
        self, masters: MasterKeys, *, address_key: bytes, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._masters = masters
        self._address_key = address_key
        self._clock = clock
        self._ciphers: dict[int, AESGCM] = {}
        self._newest: int | None = None
        self._looked_at = clock()

    def address(self) -> "hmac.HMAC":
        """A running keyed digest (SHA-256), for the address of a blob."""
        return hmac.new(self._address_key, digestmod=hashlib.sha256)

    def newest(self, tx: Connection) -> int:
        """The number of the data key to encrypt under."""
        if self._newest is None or self._clock() - self._looked_at > FRESH.total_seconds():
            self._newest = newest_number(tx)
            self._looked_at = self._clock()
        return self._newest

    def look_again(self) -> None:
        """A newer data key may be there."""
        self._newest = None

    def seal(self, tx: Connection, number: int, octets: bytes, place: str) -> bytes:
        """Nonce and ciphertext, bound to the place."""
        nonce = os.urandom(_NONCE)
        return nonce + self._cipher(tx, number).encrypt(nonce, octets, place.encode())

    def open(self, tx: Connection, number: int, octets: bytes, place: str) -> bytes:
        """The inverse. Raises ContentDamaged when this is not what was sealed in this place."""
        try:
            return self._cipher(tx, number).decrypt(octets[:_NONCE], octets[_NONCE:], place.encode())
        except (InvalidTag, ValueError) as error:
            kind = place.partition(" ")[0]
            raise ContentDamaged(f"a {kind} is damaged or was exchanged; restore it from a backup") from error

    def check(self, tx: Connection) -> None:
        """Whether what is written now can be written and read here. Raises StoreUnavailable."""
        self._cipher(tx, self.newest(tx))

    def rewrap(self, tx: Connection) -> int:
        """Put every data key under the current master key; how many were not."""
        current = name_of(self._masters.current)
        rows = tx.execute(select(tables.data_key).where(_key.master != current)).all()
        for row in rows:
            purpose = Purpose(row.purpose)
            key = self._masters.unwrap(row.number, purpose, row.master, row.wrapped)
            master, wrapped = self._masters.wrap(row.number, purpose, key)
            values = {"master": master, "wrapped": wrapped}
            tx.execute(update(tables.data_key).where(_key.number == row.number).values(values))
        return len(rows)

    def add_data_key(self, tx: Connection, *, at: datetime) -> int:
        """A fresh data key for content; its number. `look_again` after the commit."""
        number = newest_number(tx) + 1
        assert _add_key(tx, self._masters, number, Purpose.CONTENT, at=at), "another rotation is under way"
        return number

    def _cipher(self, tx: Connection, number: int) -> AESGCM:
        found = self._ciphers.get(number)
        if found is None:
            try:
                found = AESGCM(_unwrapped(tx, self._masters, number, Purpose.CONTENT))
            except ConfigError as error:
                # The master key was replaced while this process ran: no fault of the job or message at hand.
                raise StoreUnavailable(str(error)) from None
            self._ciphers[number] = found
        return found


def is_encrypted(tx: Connection) -> bool:
    """Whether this store has data keys: then it must not be opened without a master key."""
    return tx.execute(select(_key.number).limit(1)).first() is not None


def add_first_keys(tx: Connection, masters: MasterKeys, *, at: datetime) -> None:
    """Begin to encrypt. Of two processes that do so at once, the second takes the keys of the first."""
    _add_key(tx, masters, 1, Purpose.ADDRESS, at=at)
    _add_key(tx, masters, 2, Purpose.CONTENT, at=at)


def open_sealer(tx: Connection, masters: MasterKeys) -> Sealer:
    """The sealer of a store that has data keys. Raises ConfigError for a wrong master key."""
    sealer = Sealer(masters, address_key=_unwrapped(tx, masters, 1, Purpose.ADDRESS))
    _unwrapped(tx, masters, newest_number(tx), Purpose.CONTENT)
    return sealer


def sealer_of(tx: Connection) -> Sealer | None:
    """The sealer of the Store that runs this work; None when it does not encrypt."""
    found: Sealer | None = tx.get_execution_options().get(OPTION)
    return found


def newest_number(tx: Connection) -> int:
    """The number of the newest data key for content."""
    number: int | None = tx.scalar(select(func.max(_key.number)).where(_key.purpose == Purpose.CONTENT))
    assert number is not None, "an encrypted store has a data key"
    return number


def _add_key(tx: Connection, masters: MasterKeys, number: int, purpose: Purpose, *, at: datetime) -> bool:
    master, wrapped = masters.wrap(number, purpose, os.urandom(KEY_SIZE))
    values = {"number": number, "purpose": purpose, "wrapped": wrapped, "master": master, "at": at}
    return add_unless_there(tx, tables.data_key, values, unique=("number",))


def _unwrapped(tx: Connection, masters: MasterKeys, number: int, purpose: Purpose) -> bytes:
    row = tx.execute(select(tables.data_key).where(_key.number == number)).first()
    if row is None or row.purpose != purpose:
        raise StoreUnavailable(f"data key {number} is not in the store; restore it from a backup")
    return masters.unwrap(number, purpose, row.master, row.wrapped)


def _place(number: int, purpose: Purpose) -> str:
    return f"data-key {number} {purpose}"


def _encrypt(key: bytes, octets: bytes, place: str) -> bytes:
    nonce = os.urandom(_NONCE)
    return nonce + AESGCM(key).encrypt(nonce, octets, place.encode())


def _decrypt(key: bytes, octets: bytes, place: str) -> bytes:
    try:
        return AESGCM(key).decrypt(octets[:_NONCE], octets[_NONCE:], place.encode())
    except InvalidTag as error:
        raise StoreUnavailable("a data key is damaged; restore the store from a backup") from error
