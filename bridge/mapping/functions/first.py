"""`first(a b …)`: the first of several values that is there."""

from collections.abc import Sequence

from bridge.mapping.functions.base import Calculation, Env, Json, Param


def _compute(values: Sequence[Json], env: Env) -> Json:
    return next((value for value in values if value is not None), None)


FUNCTION = Calculation(
    name="first",
    doc="The first of several rows (or places such as `header/from`) that has a value.",
    params=((Param.ROW, "row"),),
    rest=Param.ROW,
    compute=_compute,
    example="first(oin header/from)",
    cases=(((None, "b", "c"), "b"), ((None,), None)),
)
