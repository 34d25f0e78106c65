"""`age(born on)`: whole years on a day."""

from collections.abc import Sequence
from datetime import date

from bridge.mapping.functions.base import Calculation, Env, Json, Param, text_of


def _compute(values: Sequence[Json], env: Env) -> Json:
    born, on = (_date(value) for value in values)
    if born is None or on is None:
        return None
    years = on.year - born.year - ((on.month, on.day) < (born.month, born.day))
    return years if 0 <= years < 130 else None


def _date(value: Json) -> date | None:
    """The day; of a partial date the last day it can be, so that a child is never made older than it is."""
    if value is None:
        return None
    year, _, rest = text_of(value)[:10].partition("-")
    month, _, day = rest.partition("-")
    try:
        if day:
            return date(int(year), int(month), int(day))
        if not month:
            return date(int(year), 12, 31)
        first_of_next = date(int(year) + int(month) // 12, int(month) % 12 + 1, 1)
        return date.fromordinal(first_of_next.toordinal() - 1)
    except ValueError:
        return None


FUNCTION = Calculation(
    name="age",
    doc="Whole years between a date of birth and a day. Of a partial date of birth the last possible day counts, so "
    "that a child is never made older than it is. No value when one of the two is missing.",
    params=((Param.ROW, "born"), (Param.ROW, "on")),
    compute=_compute,
    example="age(geboren datum)",
    cases=(
        (("2016-11-03", "2026-04-02"), 9),
        (("2016", "2026-04-02"), 9),
        (("2008-04", "2026-04-29"), 17),
        ((None, "2026-04-02"), None),
    ),
)
