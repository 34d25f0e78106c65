"""`uuid(name row …)`: a UUID made of names, the same each time."""

from collections.abc import Sequence
from uuid import uuid5

from bridge.mapping.functions.base import Calculation, Env, Json, Param, text_of


def _compute(values: Sequence[Json], env: Env) -> Json:
    kind, *names = values
    if any(name is None for name in names):
        return None
    return str(uuid5(env.namespace, "/".join([env.party, kind, *(text_of(name) for name in names)])))


FUNCTION = Calculation(
    name="uuid",
    doc="A version 5 UUID of the party, a fixed word and rows: the same names give the same UUID. No value when a row "
    "has none.",
    params=((Param.TEXT, "kind"), (Param.ROW, "row")),
    rest=Param.ROW,
    compute=_compute,
    example="uuid(casus zaak)",
)
