"""`hash(row)`: the SHA-256 of a value, in hexadecimal."""

import hashlib
from collections.abc import Sequence

from bridge.mapping.functions.base import Calculation, Env, Json, Param, text_of


def _compute(values: Sequence[Json], env: Env) -> Json:
    return None if values[0] is None else hashlib.sha256(text_of(values[0]).encode()).hexdigest()


FUNCTION = Calculation(
    name="hash",
    doc="The SHA-256 of a value. It keeps the privacy class of that value: a digest of a BSN is a BSN to whoever tries "
    "them all. Use `pseudonym` for people.",
    params=((Param.ROW, "row"),),
    compute=_compute,
    example="hash(toelichting)",
    cases=((("a",), hashlib.sha256(b"a").hexdigest()), ((None,), None)),
)
