"""`lookup(list row …)`: a table with one or more columns to look in and a last column that answers."""

from collections.abc import Sequence

from bridge.mapping.functions.base import Calculation, Env, Json, Param, Refused, text_of


def _compute(values: Sequence[Json], env: Env) -> Json:
    name, *keys = values
    texts = ["" if key is None else text_of(key) for key in keys]
    answer = env.lists[name].answer(texts, env.moment.date())
    if answer is None:
        raise Refused(f"the list {name} has no line for this combination")
    return answer or None


FUNCTION = Calculation(
    name="lookup",
    doc="The last column of the first line of a list whose other columns are equal to the rows, in order. A `*` in the "
    "list is equal to anything, also to no value; an empty cell only to no value. An empty answer is no value.",
    params=((Param.LIST, "list"), (Param.ROW, "row")),
    rest=Param.ROW,
    compute=_compute,
    example="lookup(fase status uitkomst)",
)
