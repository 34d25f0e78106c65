"""`pick(items row having … prefer … lowest …)`: a value of one item of a repeated group."""

from collections.abc import Sequence

from bridge.mapping.functions.base import INVALID, Calculation, Env, Json, Param


def _compute(values: Sequence[Json], env: Env) -> Json:
    items, row, _, having, _, prefer, wanted, _, lowest = values
    fit = [item for item in items if item.get(having) is not None or having in item.get(INVALID, ())]
    if not fit:
        return None
    first = min(fit, key=lambda item: _rank(item, prefer, wanted, lowest))
    return None if having in first.get(INVALID, ()) else first.get(row)


def _rank(item: Json, prefer: str, wanted: str, lowest: str) -> tuple[bool, bool, int]:
    value = item.get(lowest)
    known = isinstance(value, int)
    return item.get(prefer) != wanted, not known, value if known else 0


FUNCTION = Calculation(
    name="pick",
    doc="A row of one item of a repeated group: of those that have a value for one row, those where another row has "
    "the wanted value come first, then the one where a third row is lowest. "
    "When the first of them has a value that cannot be read, there is none: another would be taken for that one.",
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
        (
            (
                [
                    {"b": "1", "r": "OUDER", "l": 41},
                    {"b": None, "r": "JEUGDIGE", "l": 9, INVALID: frozenset({"b"})},
                ],
                *("b", "having", "b", "prefer", "r", "JEUGDIGE", "lowest", "l"),
            ),
            None,
        ),
        (([{"b": None}], "b", "having", "b", "prefer", "r", "JEUGDIGE", "lowest", "l"), None),
    ),
)
