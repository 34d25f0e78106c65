"""`number`: a whole number."""

from bridge.mapping.functions.base import Conversion, Env, Example, Json, Promise, Refused, text_of


def _read(text: str, args: tuple[str, ...], env: Env) -> Json:
    digits = text.strip()
    if not (digits.isascii() and digits.isdigit() and len(digits) <= 15):
        raise Refused("a whole number of at most 15 digits is needed")
    return int(digits)


def _write(value: Json, args: tuple[str, ...], env: Env) -> str:
    return str(_read(text_of(value), args, env))


FUNCTION = Conversion(
    name="number",
    doc="A whole number, as a JSON number. Not for codes or identifiers: leading zeros go.",
    promise=Promise.CANONICAL,
    read=_read,
    write=_write,
    examples=(
        Example(xml="12", json=12),
        Example(xml="012", json=12, back="12"),
        Example(xml="1.5", refused=True),
    ),
)
