"""`file-name`: the name of an attachment, made harmless."""

import unicodedata

from bridge.mapping.functions.base import Conversion, Env, Example, Json, Promise, text_of

LIMIT = 200


def harmless(name: str) -> str:
    """The last part of a path, without control, format and separator characters, never a dot file, never empty."""
    last = name.replace("\\", "/").rpartition("/")[2]
    shown = "".join(c for c in last if unicodedata.category(c)[0] != "C" and c not in '<>:"|?*')
    shown = shown.strip(" .")[-LIMIT:].strip(" .")
    return shown or "bijlage"


def _read(text: str, args: tuple[str, ...], env: Env) -> Json:
    return harmless(text)


def _write(value: Json, args: tuple[str, ...], env: Env) -> str:
    return harmless(text_of(value))


FUNCTION = Conversion(
    name="file-name",
    doc="The name of an attachment without a path, control characters or characters that mean something to a shell "
    "or a file system. A name is shown to people; it is never used as a path.",
    promise=Promise.CANONICAL,
    read=_read,
    write=_write,
    examples=(
        Example(xml="verslag 3 é.pdf", json="verslag 3 é.pdf"),
        Example(xml="../../etc/passwd", json="passwd", back="passwd"),
        Example(xml="C:\\temp\\a.pdf", json="a.pdf", back="a.pdf"),
        Example(xml="..", json="bijlage", back="bijlage"),
    ),
)
