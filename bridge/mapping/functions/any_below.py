"""`any-below(items/row n)`: whether a value of a list lies below a bound."""

from collections.abc import Sequence

from bridge.mapping.functions.base import Calculation, Env, Json, Param


def _compute(values: Sequence[Json], env: Env) -> Json:
    items, bound = values
    return any(isinstance(item, int) and item < bound for item in items)


FUNCTION = Calculation(
    name="any-below",
    doc="True when a value of a row in a repeated group is below n.",
    params=((Param.ITEMS, "items"), (Param.NUMBER, "n")),
    compute=_compute,
    example="any-below(betrokkenen/leeftijd 18)",
    cases=((([9, 41], 18), True), (([None, 41], 18), False), (([], 18), False)),
    hides=True,
)
