"""`text`: the text as it stands. This is what a row does without `as:`."""

from bridge.mapping.functions.base import Conversion, Env, Example, Json, Promise, text_of


def _read(text: str, args: tuple[str, ...], env: Env) -> Json:
    return text


def _write(value: Json, args: tuple[str, ...], env: Env) -> str:
    return text_of(value)


FUNCTION = Conversion(
    name="text",
    doc="The text as it stands, white space and leading zeros included. What a row does without `as:`.",
    promise=Promise.EXACT,
    read=_read,
    write=_write,
    examples=(Example(xml="007 \n", json="007 \n"),),
)
