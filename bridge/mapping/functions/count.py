"""`count(items)`: how often a group stands."""

from collections.abc import Sequence

from bridge.mapping.functions.base import Calculation, Env, Json, Param


def _compute(values: Sequence[Json], env: Env) -> Json:
    return len(values[0])


FUNCTION = Calculation(
    name="count",
    doc="How many times a repeated group stands in the message.",
    params=((Param.EACH, "items"),),
    compute=_compute,
    example="count(betrokkenen)",
    cases=((([{}, {}],), 2), (([],), 0)),
    hides=True,
)
