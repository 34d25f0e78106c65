"""`codes(M=MAN V=VROUW)`: a handful of codes written in the row itself."""

from bridge.mapping.functions.base import Conversion, Env, Example, Json, Promise, Refused, text_of


def _pairs(args: tuple[str, ...]) -> list[tuple[str, str]]:
    return [(xml, json) for xml, _, json in (word.partition("=") for word in args)]


def _read(text: str, args: tuple[str, ...], env: Env) -> Json:
    for xml, json in _pairs(args):
        if xml == text.strip():
            return json
    raise Refused("not one of the codes of the row")


def _write(value: Json, args: tuple[str, ...], env: Env) -> str:
    for xml, json in _pairs(args):
        if json == text_of(value):
            return xml
    raise Refused("not one of the codes of the row")


FUNCTION = Conversion(
    name="codes",
    doc="A handful of codes, written in the row: the XML text, `=`, the JSON text. Neither side may stand twice.",
    promise=Promise.CANONICAL,
    read=_read,
    write=_write,
    args="(M=MAN V=VROUW)",
    arity=(1, None),
    examples=(
        Example(args="M=MAN V=VROUW", xml="V", json="VROUW"),
        Example(args="M=MAN V=VROUW", xml="X", refused=True),
    ),
)
