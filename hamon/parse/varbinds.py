"""The values of varbinds, as text and as times. The law: whatever the octets are, the answer is a value or a ParseError."""

from datetime import UTC, datetime, timedelta, timezone, tzinfo

from hamon.errors import ParseError
from hamon.model.mib import HR_SYSTEM_DATE, covers
from hamon.model.observation import VarBind


def text_of(varbind: VarBind) -> str | None:
    """The value as text; None where it has none. Octets that are no UTF-8 are shown as `\\x..`; control characters stay."""
    value = varbind.value
    if isinstance(value, bytes):
        return value.decode("utf-8", "backslashreplace")
    return None if value is None else str(value)


def shown(varbind: VarBind) -> str | None:
    """The value for people: a date as a date, octets that are no text in hex."""
    value = varbind.value
    if isinstance(value, bytes):
        if covers(HR_SYSTEM_DATE, varbind.oid):
            try:
                return date_and_time(value, UTC).replace(tzinfo=None).isoformat(" ")
            except ParseError:
                pass
        text = text_of(varbind)
        if text is not None and text.isprintable():
            return text
        if any(octet < 32 and octet not in b"\t\r\n" for octet in value):
            return "0x" + value.hex()
    return text_of(varbind)


def date_and_time(octets: bytes, zone: tzinfo) -> datetime:
    """A DateAndTime (RFC 2579), or one as the text that `snmptrap` sends where it does not know its form. Raises ParseError.

    `zone` is that of a time without one: 8 octets are the sender's local time.
    """
    if len(octets) not in (8, 11):  # the shortest text has 16
        return _date_as_text(octets, zone)
    year = int.from_bytes(octets[:2], "big")
    month, day, hour, minute, second, tenth = octets[2:8]
    try:
        if len(octets) == 11:
            zone = _offset(octets[8:9], octets[9], octets[10])
        if tenth > 9 or second > 60:
            raise ValueError
        return datetime(year, month, day, hour, minute, min(second, 59), tenth * 100_000, zone).astimezone(UTC)
    except (ValueError, OverflowError):
        raise ParseError("no DateAndTime", octets) from None


def _date_as_text(octets: bytes, zone: tzinfo) -> datetime:
    """`2026-11-22,10:20:30.5`, as the display hint of DateAndTime writes it; with `,+9:0` behind it where a zone is known."""
    try:
        date, time, *rest = octets.decode("ascii").strip().split(",")
        if len(rest) > 1:
            raise ValueError
        year, month, day = (int(part) for part in date.split("-"))
        clock, _, fraction = time.partition(".")
        hour, minute, second = (int(part) for part in clock.split(":"))
        micro = int((fraction + "000000")[:6])
        if rest:
            hours, _, minutes = rest[0][1:].partition(":")
            zone = _offset(rest[0][:1].encode(), int(hours), int(minutes or "0"))
        return datetime(year, month, day, hour, minute, second, micro, zone).astimezone(UTC)
    except (ValueError, OverflowError):
        raise ParseError("no DateAndTime", octets) from None


def _offset(sign: bytes, hours: int, minutes: int) -> tzinfo:
    if sign not in (b"+", b"-") or hours > 14 or minutes > 59:
        raise ValueError("no offset from UTC")
    offset = timedelta(hours=hours, minutes=minutes)
    return timezone(offset if sign == b"+" else -offset)
