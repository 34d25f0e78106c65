"""`oin`: an organisation number of twenty digits, always text."""

from bridge.mapping.functions.base import Conversion, Env, Example, Json, Promise, Refused, text_of


def _read(text: str, args: tuple[str, ...], env: Env) -> Json:
    number = text.strip()
    if len(number) != 20 or not (number.isascii() and number.isdigit()):
        raise Refused("an OIN is twenty digits")
    return number


def _write(value: Json, args: tuple[str, ...], env: Env) -> str:
    return str(_read(text_of(value), args, env))


FUNCTION = Conversion(
    name="oin",
    doc="An OIN: twenty digits, kept as text.",
    promise=Promise.CANONICAL,
    read=_read,
    write=_write,
    examples=(
        Example(xml="00000001999990044000", json="00000001999990044000"),
        Example(xml="1999990044000", refused=True),
    ),
)
