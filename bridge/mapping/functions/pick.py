"""`pick(items row having … prefer … lowest …)`: a value of one item of a repeated group."""

from collections.abc import Sequence

from bridge.mapping.functions.base import Calculation, Env, Json, Param


def _compute(values: Sequence[Json], env: Env) -> Json:
    items, row, _, having, _, prefer, wanted, _, lowest = values
    fit = [item for item in items if item.get(having) is not None]
    if not fit:
        return None
    return min(fit, key=lambda item: _rank(item, prefer, wanted, lowest)).get(row)


def _rank(item: Json, prefer: str, wanted: str, lowest: str) -> tuple[bool, bool, int]:
    value = item.get(lowest)
    known = isinstance(value, int)
    return item.get(prefer) != wanted, not known, value if known else 0


FUNCTION = Calculation(
    name="pick",
    doc="A row of one item of a repeated group: of those that have a value for one row, those where another row has "
    "the wanted value come first, then the one where a third row is lowest.",
    params=(
        (Param.EACH, "items"),
        (Param.ITEM, "row"),
        (Param.WORD, "having"),
        (Param.ITEM, "row"),
        (Param.WORD, "prefer"),
        (Param.ITEM, "row"),
        (Param.TEXT, "value"),
        (Param.WORD, "lowest"),
        (Param.ITEM, "row"),
    ),
    compute=_compute,
    example="pick(betrokkenen bsn having bsn prefer rol JEUGDIGE lowest leeftijd)",
    cases=(
        (
            (
                [{"b": "1", "r": "OUDER", "l": 41}, {"b": "2", "r": "JEUGDIGE", "l": 9}],
                *("b", "having", "b", "prefer", "r", "JEUGDIGE", "lowest", "l"),
            ),
            "2",
        ),
        (([{"b": None}], "b", "having", "b", "prefer", "r", "JEUGDIGE", "lowest", "l"), None),
    ),
)
