"""`stuf-time`: a StUF moment in Dutch local time without a zone, and an ISO moment in UTC."""

import re
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from bridge.mapping.functions.base import Conversion, Env, Example, Json, Promise, Refused, text_of

AMSTERDAM = ZoneInfo("Europe/Amsterdam")
_DIGITS = re.compile(r"([0-9]{8})([0-9]{2})?([0-9]{2})?([0-9]{2})?([0-9]{1,3})?")
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


def _read(text: str, args: tuple[str, ...], env: Env) -> Json:
    found = _DIGITS.fullmatch(text.strip())
    if not found:
        raise Refused("a moment is 8 to 17 digits: yyyymmdd, then hours, minutes, seconds, milliseconds")
    day, hour, minute, second, fraction = found.groups()
    try:
        date_ = date(int(day[:4]), int(day[4:6]), int(day[6:]))
        clock = time(
            int(hour or 0), int(minute or 0), int(second or 0), int((fraction or "").ljust(3, "0")) * 1000
        )
    except ValueError:
        raise Refused("this moment does not exist") from None
    if hour is None:
        return date_.isoformat()
    local = datetime.combine(date_, clock, AMSTERDAM)
    try:
        return _iso(_utc(local, env))
    except OverflowError:
        raise Refused("this moment lies outside the years that can be written") from None


def _utc(local: datetime, env: Env) -> datetime:
    """The moment in UTC; of the repeated hour in October the first, of the skipped hour in March the later."""
    moment = local.astimezone(UTC)
    if local.utcoffset() != local.replace(fold=1).utcoffset():
        if moment.astimezone(AMSTERDAM).replace(tzinfo=None) == local.replace(tzinfo=None):
            env.note("M920", "this local time occurs twice that night; the first is taken")
        else:
            env.note("M920", "this local time does not occur that night; the hour after is taken")
    return moment


def _iso(moment: datetime) -> str:
    spec = "milliseconds" if moment.microsecond else "seconds"
    return moment.isoformat(timespec=spec).replace("+00:00", "Z")


def _write(value: Json, args: tuple[str, ...], env: Env) -> str:
    text = text_of(value)
    try:
        if _DATE.fullmatch(text):
            return date.fromisoformat(text).isoformat().replace("-", "")
        moment = datetime.fromisoformat(text)
        if moment.tzinfo is None:
            raise Refused("a moment without a zone can be any of several")
        local = moment.astimezone(AMSTERDAM)
    except (ValueError, OverflowError):
        raise Refused("a moment is an ISO date, or an ISO date and time with a zone") from None
    if local.utcoffset() != local.replace(fold=1 - local.fold).utcoffset() and local.fold:
        env.note(
            "M920", "this moment lies in the repeated hour; the text cannot say that it is the second one"
        )
    millis = f"{local.microsecond // 1000:03d}" if local.microsecond else ""
    # strftime does not pad years before 1000.
    return f"{local.date().isoformat().replace('-', '')}{local:%H%M%S}{millis}"


def moment_of(value: str) -> datetime:
    """An ISO moment or date as this function writes it, in UTC; a date is the start of that day in Amsterdam.

    Raises ValueError.
    """
    moment = datetime.fromisoformat(value)
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=AMSTERDAM)
    return moment.astimezone(UTC)


def iso(moment: datetime) -> str:
    """An aware moment as this language writes it: UTC, `Z`, milliseconds only when there are any."""
    moment = moment.astimezone(UTC)
    return _iso(moment - timedelta(microseconds=moment.microsecond % 1000))


FUNCTION = Conversion(
    name="stuf-time",
    doc="A StUF moment (Dutch local time, no zone) and an ISO moment in UTC. Eight digits stay a date. In the hour "
    "that occurs twice in October the first is taken and a finding says so.",
    promise=Promise.CANONICAL,
    read=_read,
    write=_write,
    examples=(
        Example(xml="20260402071533", json="2026-04-02T05:15:33Z"),
        Example(xml="20260115120000", json="2026-01-15T11:00:00Z"),
        Example(xml="20260402", json="2026-04-02"),
        Example(xml="20260402071533250", json="2026-04-02T05:15:33.250Z"),
        Example(xml="20260402071533000", json="2026-04-02T05:15:33Z", back="20260402071533"),
        Example(xml="20261025023000", json="2026-10-25T00:30:00Z"),
        Example(xml="20260402250000", refused=True),
    ),
)
