"""`stuf-date`: a StUF date of eight digits, which may be partial, and an ISO date."""

import re
from datetime import date

from bridge.mapping.functions.base import Conversion, Env, Example, Json, Promise, Refused, text_of

_DIGITS = re.compile(r"([0-9]{4})([0-9]{2})([0-9]{2})")
_ISO = re.compile(r"([0-9]{4})(?:-([0-9]{2})(?:-([0-9]{2}))?)?")


def _read(text: str, args: tuple[str, ...], env: Env) -> Json:
    found = _DIGITS.fullmatch(text.strip())
    if not found:
        raise Refused("a date is eight digits: yyyymmdd")
    year, month, day = found.groups()
    if month == "00":
        return year
    if day == "00":
        _check(year, month, "01")
        return f"{year}-{month}"
    _check(year, month, day)
    return f"{year}-{month}-{day}"


def _write(value: Json, args: tuple[str, ...], env: Env) -> str:
    found = _ISO.fullmatch(text_of(value))
    if not found:
        raise Refused("a date is yyyy-mm-dd, yyyy-mm or yyyy")
    year, month, day = found.groups()
    if month is not None:
        _check(year, month, day or "01")
    return f"{year}{month or '00'}{day or '00'}"


def _check(year: str, month: str, day: str) -> None:
    try:
        date(int(year), int(month), int(day))
    except ValueError:
        raise Refused("this day does not exist") from None


FUNCTION = Conversion(
    name="stuf-date",
    doc="A StUF date and an ISO date. A partial date keeps what is known: `20190000` is `2019`, `20190500` is "
    "`2019-05`. What `stuf:indOnvolledigeDatum` says is obeyed on reading and written again.",
    promise=Promise.CANONICAL,
    read=_read,
    write=_write,
    examples=(
        Example(xml="20260402", json="2026-04-02"),
        Example(xml="20190000", json="2019"),
        Example(xml="20190500", json="2019-05"),
        Example(xml=" 20260402", json="2026-04-02", back="20260402"),
        Example(xml="20260230", refused=True),
    ),
)
