"""`bsn`: a citizen service number, checked by the 11-test, always text."""

from bridge.mapping.functions.base import Conversion, Env, Example, Json, Promise, Refused, text_of


def is_bsn(text: str) -> bool:
    """Nine digits that pass the 11-test and are not all zero."""
    if len(text) != 9 or not (text.isascii() and text.isdigit()) or text == "000000000":
        return False
    weighted = sum(
        int(digit) * weight for digit, weight in zip(text, (9, 8, 7, 6, 5, 4, 3, 2, -1), strict=True)
    )
    return weighted % 11 == 0


def _read(text: str, args: tuple[str, ...], env: Env) -> Json:
    number = text.strip()
    if not is_bsn(number):
        raise Refused("not a BSN: nine digits that pass the 11-test are needed")
    return number


def _write(value: Json, args: tuple[str, ...], env: Env) -> str:
    return str(_read(text_of(value), args, env))


FUNCTION = Conversion(
    name="bsn",
    doc="A BSN: nine digits that pass the 11-test. It stays text, so a leading zero is kept.",
    promise=Promise.CANONICAL,
    read=_read,
    write=_write,
    examples=(
        Example(xml="999990019", json="999990019"),
        Example(xml="000000012", json="000000012"),
        Example(xml="999990018", refused=True),
        Example(xml="000000000", refused=True),
    ),
)
