"""`list(name)`: a code of a list of the standard, and the word for it in JSON."""

from bridge.mapping.functions.base import Conversion, Env, Example, Json, Promise, Refused, text_of


def _read(text: str, args: tuple[str, ...], env: Env) -> Json:
    codes = env.lists[args[0]]
    word = codes.to_json(text, env.moment.date())
    if word is not None:
        return word
    if args[1:] == ("open",):
        return text
    raise Refused(codes.why_not(text, env.moment.date()))


def _write(value: Json, args: tuple[str, ...], env: Env) -> str:
    codes = env.lists[args[0]]
    word = codes.to_xml(text_of(value), env.moment.date())
    if word is not None:
        return word
    if args[1:] == ("open",):
        return text_of(value)
    raise Refused(f"the code list {args[0]} has no such value on the day of the message")


FUNCTION = Conversion(
    name="list",
    doc="A code of a list beside the mapping (`lists/name.csv`, columns xml, json, and optionally from and until). "
    "With `open` a value that is not on the list passes unchanged.",
    promise=Promise.EXACT,
    read=_read,
    write=_write,
    args="(name [open])",
    arity=(1, 2),
    list_arg=True,
    examples=(
        Example(args="geslacht", xml="M", json="MAN"),
        Example(args="geslacht open", xml="X", json="X"),
        Example(args="geslacht", xml="X", refused=True),
    ),
)
