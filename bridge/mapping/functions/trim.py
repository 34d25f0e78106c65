"""`trim`: white space around the text goes."""

from bridge.mapping.functions.base import Conversion, Env, Example, Json, Promise, text_of


def _read(text: str, args: tuple[str, ...], env: Env) -> Json:
    return text.strip()


def _write(value: Json, args: tuple[str, ...], env: Env) -> str:
    return text_of(value).strip()


FUNCTION = Conversion(
    name="trim",
    doc="White space before and after the text goes; inside it stays.",
    promise=Promise.CANONICAL,
    read=_read,
    write=_write,
    examples=(Example(xml="  PL-1 ", json="PL-1", back="PL-1"),),
)
