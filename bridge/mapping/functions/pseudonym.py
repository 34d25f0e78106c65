"""`pseudonym(row)`: the same person gets the same mark, and nobody without the key can tell who it is."""

import hashlib
import hmac
from collections.abc import Sequence
from uuid import uuid5

from bridge.mapping.functions.base import Calculation, Env, Json, Param, text_of


def person_uuid(number: str, env: Env) -> str:
    """Version 5 over the keyed digest of a BSN, per party (hub.md 5.3)."""
    mark = hmac.new(env.person_key, number.encode(), hashlib.sha256).hexdigest()
    return str(uuid5(env.namespace, f"{env.party}/betrokkene/{mark}"))


def _compute(values: Sequence[Json], env: Env) -> Json:
    return None if values[0] is None else person_uuid(text_of(values[0]), env)


FUNCTION = Calculation(
    name="pseudonym",
    doc="A UUID made of the keyed digest (HMAC-SHA-256) of a value, per party. The same person gets the same mark "
    "from the same party; without the bridge's key nobody can tell who it is.",
    params=((Param.ROW, "row"),),
    compute=_compute,
    example="pseudonym(bsn)",
    hides=True,
)
