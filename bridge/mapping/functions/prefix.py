"""`prefix(text)`: a fixed beginning that stands on one side only."""

from bridge.mapping.functions.base import Conversion, Env, Example, Json, Promise, Refused, text_of


def _read(text: str, args: tuple[str, ...], env: Env) -> Json:
    return args[0] + text


def _write(value: Json, args: tuple[str, ...], env: Env) -> str:
    text = text_of(value)
    if not text.startswith(args[0]):
        raise Refused(f"it does not start with {args[0]}")
    return text.removeprefix(args[0])


FUNCTION = Conversion(
    name="prefix",
    doc="The JSON side starts with this text, the XML side does not.",
    promise=Promise.EXACT,
    read=_read,
    write=_write,
    args="(text)",
    arity=(1, 1),
    examples=(Example(args="melding/", xml="PL-1", json="melding/PL-1"),),
)
