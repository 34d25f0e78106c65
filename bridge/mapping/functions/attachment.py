"""`attachment`: base64 inside the XML, and a reference to content that is kept beside the resource."""

import base64
import binascii
import re

from bridge.mapping.functions.base import Conversion, Env, Example, Json, Promise, Refused, text_of

_REFERENCE = re.compile(r"sha256:[0-9a-f]{64}")


def _read(text: str, args: tuple[str, ...], env: Env) -> Json:
    try:
        content = base64.b64decode("".join(text.split()), validate=True)
    except (binascii.Error, ValueError):
        raise Refused("not base64") from None
    return env.keep(content)


def _write(value: Json, args: tuple[str, ...], env: Env) -> str:
    reference = text_of(value)
    if not _REFERENCE.fullmatch(reference):
        raise Refused("not a reference to an attachment (sha256: and 64 hexadecimal digits)")
    content = env.fetch(reference)
    if content is None:
        raise Refused("the attachment is not at hand")
    return base64.b64encode(content).decode("ascii")


FUNCTION = Conversion(
    name="attachment",
    doc="The octets of a base64 element are set aside; the JSON value is `sha256:` and their digest. Writing asks for "
    "the octets again. White space in the base64 is no part of it.",
    promise=Promise.CANONICAL,
    read=_read,
    write=_write,
    examples=(Example(xml="!!", refused=True),),
)
