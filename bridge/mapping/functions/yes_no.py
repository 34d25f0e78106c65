"""`yes-no(Ja Nee)`: a JSON truth value and the two words for it."""

from bridge.mapping.functions.base import Conversion, Env, Example, Json, Promise, Refused


def _read(text: str, args: tuple[str, ...], env: Env) -> Json:
    word = text.strip()
    if word not in args:
        raise Refused(f"neither {args[0]} nor {args[1]}")
    return word == args[0]


def _write(value: Json, args: tuple[str, ...], env: Env) -> str:
    if not isinstance(value, bool):
        raise Refused("true or false is needed")
    return args[0] if value else args[1]


FUNCTION = Conversion(
    name="yes-no",
    doc="A truth value, and the word for yes and the word for no.",
    promise=Promise.CANONICAL,
    read=_read,
    write=_write,
    args="(Ja Nee)",
    arity=(2, 2),
    examples=(
        Example(args="Ja Nee", xml="Ja", json=True),
        Example(args="J N", xml="N", json=False),
        Example(args="Ja Nee", xml="ja", refused=True),
    ),
)
