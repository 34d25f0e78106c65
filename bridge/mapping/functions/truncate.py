"""`truncate(n)`: a text that is too long for the XML side is cut there."""

from bridge.mapping.functions.base import Conversion, Env, Example, Json, Promise, text_of


def _read(text: str, args: tuple[str, ...], env: Env) -> Json:
    return text


def _write(value: Json, args: tuple[str, ...], env: Env) -> str:
    text = text_of(value)
    limit = int(args[0])
    if len(text) <= limit:
        return text
    env.note("M921", f"a text of {len(text)} characters was cut to {limit}")
    return text[: limit - 1] + "…"


FUNCTION = Conversion(
    name="truncate",
    doc="On writing a text longer than n characters is cut, ends in …, and a finding says so. Reading changes nothing.",
    promise=Promise.CANONICAL,
    read=_read,
    write=_write,
    args="(n)",
    arity=(1, 1),
    examples=(
        Example(args="5", xml="kort", json="kort"),
        Example(args="5", json="langer dan vijf", back="lang…"),
    ),
)
