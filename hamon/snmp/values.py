"""Values as HAMON-MIB wants them: names in ASCII, text in UTF-8 that is cut between characters, times with zone, sizes known beforehand."""

import hashlib
from collections.abc import Sequence
from datetime import UTC, datetime

from hamon.model.observation import VarBind, VarType

NO_TIME = bytes(8)
"""A DateAndTime that is none: the convention has no other way to say unknown."""
MOST_UNSIGNED = 4294967295


def name(text: str | None, limit: int = 64) -> bytes:
    r"""A HamonKey or HamonName: printable ASCII, cut to `limit` octets so that it stays unique.

    >>> name("pm01"), name("db\u65e5")
    (b'pm01', b'db\\u65e5')
    >>> name("x" * 200)[-14:]
    b'x~aa20c23e3201'
    """
    octets = (text or "").encode("ascii", "backslashreplace")
    octets = bytes(octet if 32 <= octet < 127 else 63 for octet in octets)
    if len(octets) <= limit:
        return octets
    mark = b"~" + hashlib.sha256((text or "").encode("utf-8", "surrogatepass")).hexdigest()[:12].encode("ascii")
    return octets[: limit - len(mark)] + mark


def text(words: str, limit: int = 255) -> bytes:
    r"""A HamonUtf8: one line, cut to `limit` octets between two characters, with three dots where something is missing.

    >>> text("a\nb"), text("\u65e5\u672c\u8a9e", 8).decode()
    (b'a b', '日...')
    """
    line = " ".join("".join(char if char.isprintable() else " " for char in words).split())
    octets = line.encode("utf-8", "replace")
    if len(octets) <= limit:
        return octets
    if limit < 3:
        return b""
    return octets[: limit - 3].decode("utf-8", "ignore").encode("utf-8") + b"..."


def date_and_time(at: datetime) -> bytes:
    """A DateAndTime of 11 octets (RFC 2579), in UTC.

    >>> date_and_time(datetime(2026, 11, 22, 10, 20, 30, 500000, tzinfo=UTC)).hex()
    '07ea0b160a141e052b0000'
    """
    moment = at.astimezone(UTC)
    parts = [moment.month, moment.day, moment.hour, moment.minute, moment.second, moment.microsecond // 100_000]
    return moment.year.to_bytes(2, "big") + bytes(parts) + b"+\0\0"


def unsigned(value: float) -> int:
    return max(0, min(MOST_UNSIGNED, int(value)))


def integer(value: object, unknown: int = -1) -> int:
    """A signed number of 32 bits, from a number or its text."""
    try:
        number = int(str(value))
    except ValueError:
        return unknown
    return number if -(2**31) <= number < 2**31 else unknown


def bind(oid: Sequence[int], kind: VarType, value: int | bytes | str | None) -> VarBind:
    return VarBind(".".join(map(str, oid)), kind, value)


def size(binds: Sequence[VarBind]) -> int:
    """Octets that these take in a message, encoded by BER; at most that many for lists above 127 octets."""
    return sum(_wrapped(_wrapped(_oid_size(item.oid)) + _wrapped(_value_size(item))) for item in binds)


def _wrapped(length: int) -> int:
    return length + (2 if length < 128 else 3 if length < 256 else 4)


def _oid_size(oid: str) -> int:
    numbers = [int(part) for part in oid.split(".")]
    return 1 + sum(max(1, -(-number.bit_length() // 7)) for number in numbers[2:])


def _value_size(item: VarBind) -> int:
    value = item.value
    if item.type is VarType.OBJECT_IDENTIFIER:
        return _oid_size(str(value))
    if item.type is VarType.IP_ADDRESS:
        return 4
    if isinstance(value, bytes):
        return len(value)
    if isinstance(value, int):
        return value.bit_length() // 8 + 1
    return 0
