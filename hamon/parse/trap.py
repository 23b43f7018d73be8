"""Datagrams to traps: a strict and bounded reader of SNMP messages (BER, RFC 3416, RFC 3412, RFC 1157).

The law: whatever the octets are, the answer is a record or a ParseError, in time that the length of the datagram bounds. Only what a
notification may hold is known: v1 Trap, SNMPv2-Trap and InformRequest; of a v3 message its header, and its scoped PDU once it is plain.
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import NoReturn

from hamon.errors import ParseError
from hamon.model.observation import SnmpVersion, VarBind, VarType
from hamon.model.record import in_order, quickly_made

MOST_OCTETS = 8192
"""A larger datagram is no trap of a cluster."""
MOST_VARBINDS = 64
MOST_SUB_IDENTIFIERS = 128

SYS_UP_TIME = "1.3.6.1.2.1.1.3.0"
SNMP_TRAP_OID = "1.3.6.1.6.3.1.1.4.1.0"
SNMP_TRAP_ADDRESS = "1.3.6.1.6.3.18.1.3.0"
SNMP_TRAP_COMMUNITY = "1.3.6.1.6.3.18.1.4.0"
_STANDARD_TRAPS = "1.3.6.1.6.3.1.1.5"

_SEQUENCE, _INTEGER, _OCTET_STRING, _NULL, _OID = 0x30, 0x02, 0x04, 0x05, 0x06
_IP_ADDRESS, _TIME_TICKS, _OPAQUE, _COUNTER64 = 0x40, 0x43, 0x44, 0x46
TRAP_V1, INFORM, TRAP_V2, RESPONSE = 0xA4, 0xA6, 0xA7, 0xA2
_TYPES = {
    _INTEGER: VarType.INTEGER,
    _OCTET_STRING: VarType.OCTET_STRING,
    _NULL: VarType.NULL,
    _OID: VarType.OBJECT_IDENTIFIER,
    _IP_ADDRESS: VarType.IP_ADDRESS,
    0x41: VarType.COUNTER32,
    0x42: VarType.GAUGE32,
    _TIME_TICKS: VarType.TIME_TICKS,
    _OPAQUE: VarType.OPAQUE,
    _COUNTER64: VarType.COUNTER64,
    0x80: VarType.NO_SUCH_OBJECT,
    0x81: VarType.NO_SUCH_INSTANCE,
    0x82: VarType.END_OF_MIB_VIEW,
}
_TEXT, _NUMBER = VarType.OCTET_STRING, VarType.INTEGER
_NOT_IN_V1 = frozenset({VarType.COUNTER64, VarType.NO_SUCH_OBJECT, VarType.NO_SUCH_INSTANCE, VarType.END_OF_MIB_VIEW})
_TICKS, _NAME = VarType.TIME_TICKS, VarType.OBJECT_IDENTIFIER
_KEPT = frozenset({VarType.OCTET_STRING, VarType.INTEGER, VarType.OBJECT_IDENTIFIER})
_NO_ERROR = bytes([_INTEGER, 1, 0, _INTEGER, 1, 0])
"""error-status and error-index as all senders write them."""
_UP_TIME = bytes([_OID, 8, 0x2B, 6, 1, 2, 1, 1, 3, 0, _TIME_TICKS])
"""sysUpTime.0 and the type of its value: what every trap begins with, and has a value of its own."""


@quickly_made
@dataclass(frozen=True, slots=True, kw_only=True)
class TrapMessage:
    """What one datagram says, before anybody asked whether its sender may say it. `varbinds` and `pdu` as in `Trap`."""

    version: SnmpVersion
    community: bytes
    inform: bool
    request_id: int | None
    notification: str
    uptime: int | None
    varbinds: tuple[VarBind, ...]
    enterprise: str | None = None
    agent_address: str | None = None
    irregular: bool = False
    trailing: int = 0
    """Octets behind the message, which receivers ignore."""
    pdu: bytes = b""
    pdu_offset: int = 0
    """Where the PDU begins in the datagram."""


_message = in_order(TrapMessage)


@dataclass(frozen=True, slots=True, kw_only=True)
class V3Header:
    """The readable part of a v3 message (RFC 3412 section 6, RFC 3414 section 2.4). Nothing of it is proven yet."""

    message_id: int
    max_size: int
    is_authenticated: bool
    is_encrypted: bool
    is_reportable: bool
    engine_id: bytes
    boots: int
    time: int
    user: bytes
    digest: bytes
    digest_offset: int
    """Where the digest stands in the datagram; it is computed with zeros there."""
    salt: bytes
    data: bytes
    """The scoped PDU: encrypted octets, or the octets of a SEQUENCE."""


def decode(datagram: bytes) -> TrapMessage:
    """Read a v1 or v2c notification. Raises ParseError, for v3 too (see `decode_v3_header`)."""
    try:
        return _decode(datagram)
    except IndexError:
        raise ParseError("the message ends too early", datagram) from None


def decode_v3_header(datagram: bytes) -> V3Header:
    """Read the header of a v3 message of the user-based security model. Raises ParseError."""
    try:
        return _decode_v3_header(datagram)
    except IndexError:
        raise ParseError("the message ends too early", datagram) from None


def decode_scoped_pdu(plain: bytes, *, trailing: bool = False) -> TrapMessage:
    """Read the notification in a plain scoped PDU of a v3 message. `trailing`: padding may follow. Raises ParseError."""
    try:
        end, position = _open(plain, 0, len(plain), _SEQUENCE, "scoped PDU")
        if end != len(plain) and not trailing:
            raise ParseError("octets behind the scoped PDU", plain)
        position, _ = _open(plain, position, end, _OCTET_STRING, "context engine")
        position, _ = _open(plain, position, end, _OCTET_STRING, "context")
        return _decode_v2_pdu(plain, position, end, SnmpVersion.V3, b"", 0)
    except IndexError:
        raise ParseError("the message ends too early", plain) from None


def version(datagram: bytes) -> SnmpVersion | None:
    """Which version a datagram claims to be; None where it is no SNMP message of a version that is known."""
    try:
        end, position = _open(datagram, 0, len(datagram), _SEQUENCE, "message")
        number, _ = _integer(datagram, position, end)
    except (IndexError, ParseError):
        return None
    return {0: SnmpVersion.V1, 1: SnmpVersion.V2C, 3: SnmpVersion.V3}.get(number)


def _decode(datagram: bytes) -> TrapMessage:
    if len(datagram) > MOST_OCTETS:
        raise ParseError("the message is too long", b"")
    end, position = _open(datagram, 0, len(datagram), _SEQUENCE, "message")
    number, position = _integer(datagram, position, end)
    if number not in (0, 1):
        raise ParseError("no message of version 1 or 2c", datagram)
    stop, position = _open(datagram, position, end, _OCTET_STRING, "community")
    community, position = datagram[position:stop], stop
    trailing = len(datagram) - end
    if number == 0:
        return _decode_v1_pdu(datagram, position, end, community, trailing)
    return _decode_v2_pdu(datagram, position, end, SnmpVersion.V2C, community, trailing)


def _decode_v2_pdu(data: bytes, begin: int, end: int, version: SnmpVersion, community: bytes, trailing: int) -> TrapMessage:
    tag = data[begin]
    if tag not in (TRAP_V2, INFORM):
        raise ParseError(f"PDU of type {tag:#04x}, no notification", data)
    stop, position = _open(data, begin, end, tag, "PDU")
    if stop != end:
        raise ParseError("octets behind the PDU", data)
    request_id, position = _integer(data, position, end)
    # error-status and error-index mean nothing in a notification
    if data.startswith(_NO_ERROR, position):
        position += len(_NO_ERROR)
    else:
        _, position = _integer(data, position, end)
        _, position = _integer(data, position, end)
    found, secrets = _varbinds(data, position, end, frozenset())
    irregular = False
    if len(found) >= 2 and found[0].oid == SYS_UP_TIME and found[1].oid == SNMP_TRAP_OID:
        uptime, notification, payload = found[0], found[1], found[2:]
    else:
        irregular = True
        named = {varbind.oid: varbind for varbind in reversed(found)}
        if SNMP_TRAP_OID not in named:
            raise ParseError("no snmpTrapOID.0", data)
        notification = named[SNMP_TRAP_OID]
        uptime = named.get(SYS_UP_TIME, VarBind(SYS_UP_TIME, VarType.TIME_TICKS, None))
        payload = [varbind for varbind in found if varbind is not notification and varbind is not uptime]
    if notification.type is not _NAME:
        raise ParseError("snmpTrapOID.0 is no object identifier", data)
    ticks = uptime.value if uptime.type is _TICKS else None
    return _message(
        version,
        community,
        tag == INFORM,
        request_id,
        str(notification.value),
        ticks if isinstance(ticks, int) else None,
        tuple(payload),
        None,
        None,
        irregular or ticks is None,
        trailing,
        _without_secret(data, begin, end, secrets),
        begin,
    )


def _decode_v1_pdu(data: bytes, begin: int, end: int, community: bytes, trailing: int) -> TrapMessage:
    tag = data[begin]
    if tag != TRAP_V1:
        raise ParseError(f"PDU of type {tag:#04x}, no notification", data)
    stop, position = _open(data, begin, end, tag, "PDU")
    if stop != end:
        raise ParseError("octets behind the PDU", data)
    stop, position = _open(data, position, end, _OID, "enterprise")
    enterprise, position = _oid(data[position:stop]), stop
    stop, position = _open(data, position, end, _IP_ADDRESS, "agent address")
    if stop - position != 4:
        raise ParseError("an IpAddress has 4 octets", data)
    agent, position = _address(data[position:stop]), stop
    generic, position = _integer(data, position, end)
    specific, position = _integer(data, position, end)
    if not 0 <= generic <= 6 or specific < 0:
        raise ParseError("generic or specific trap out of range", data)
    stop, position = _open(data, position, end, _TIME_TICKS, "time stamp")
    uptime, position = _unsigned(data, position, stop, 32), stop
    found, secrets = _varbinds(data, position, end, _NOT_IN_V1)
    return TrapMessage(
        version=SnmpVersion.V1,
        community=community,
        inform=False,
        request_id=None,
        notification=f"{_STANDARD_TRAPS}.{generic + 1}" if generic < 6 else f"{enterprise}.0.{specific}",
        uptime=uptime,
        varbinds=tuple(found),
        enterprise=enterprise,
        agent_address=agent,
        trailing=trailing,
        pdu=_without_secret(data, begin, end, secrets),
        pdu_offset=begin,
    )


def _decode_v3_header(datagram: bytes) -> V3Header:
    if len(datagram) > MOST_OCTETS:
        raise ParseError("the message is too long", b"")
    end, position = _open(datagram, 0, len(datagram), _SEQUENCE, "message")
    number, position = _integer(datagram, position, end)
    if number != 3:
        raise ParseError("no message of version 3", datagram)
    stop, position = _open(datagram, position, end, _SEQUENCE, "header")
    message_id, position = _integer(datagram, position, stop)
    max_size, position = _integer(datagram, position, stop)
    flags_end, position = _open(datagram, position, stop, _OCTET_STRING, "flags")
    if flags_end - position != 1:
        raise ParseError("the flags have one octet", datagram)
    flags, position = datagram[position], flags_end
    model, position = _integer(datagram, position, stop)
    if position != stop or model != 3 or message_id < 0 or max_size < 484:
        raise ParseError("the header is not one of the user-based security model", datagram)
    if flags & 3 == 2:
        raise ParseError("encrypted but not authenticated", datagram)
    security_end, position = _open(datagram, position, end, _OCTET_STRING, "security parameters")
    stop, position = _open(datagram, position, security_end, _SEQUENCE, "security parameters")
    if stop != security_end:
        raise ParseError("octets behind the security parameters", datagram)
    stop, position = _open(datagram, position, security_end, _OCTET_STRING, "engine")
    engine_id, position = datagram[position:stop], stop
    boots, position = _integer(datagram, position, security_end)
    time, position = _integer(datagram, position, security_end)
    stop, position = _open(datagram, position, security_end, _OCTET_STRING, "user")
    user, position = datagram[position:stop], stop
    stop, position = _open(datagram, position, security_end, _OCTET_STRING, "digest")
    digest, digest_offset, position = datagram[position:stop], position, stop
    stop, position = _open(datagram, position, security_end, _OCTET_STRING, "salt")
    if stop != security_end or boots < 0 or time < 0 or len(engine_id) > 32 or len(user) > 32:
        raise ParseError("the security parameters are malformed", datagram)
    salt, position = datagram[position:stop], security_end
    begin = position
    is_encrypted = bool(flags & 2)
    stop, position = _open(datagram, position, end, _OCTET_STRING if is_encrypted else _SEQUENCE, "scoped PDU")
    if stop != end:
        raise ParseError("octets behind the scoped PDU", datagram)
    return V3Header(
        message_id=message_id,
        max_size=max_size,
        is_authenticated=bool(flags & 1),
        is_encrypted=is_encrypted,
        is_reportable=bool(flags & 4),
        engine_id=engine_id,
        boots=boots,
        time=time,
        user=user,
        digest=digest,
        digest_offset=digest_offset,
        salt=salt,
        data=datagram[position if is_encrypted else begin : end],
    )


_KNOWN: dict[bytes, VarBind] = {}
"""Varbinds by their octets. Most of what a cluster sends was sent before: its names, what does not apply. Bounded, a cache only."""
_MOST_KNOWN = 8192
_LONGEST_KNOWN = 64


def _varbinds(data: bytes, position: int, end: int, forbidden: frozenset[VarType]) -> tuple[list[VarBind], list[slice]]:
    """The list of varbinds, which is the rest of the PDU; and where the values of snmpTrapCommunity.0 stand.

    This loop is most of the work of a trap, so it asks first whether the octets are known.
    """
    stop, position = _open(data, position, end, _SEQUENCE, "varbinds")
    if stop != end:
        raise ParseError("octets behind the varbinds", data)
    found: list[VarBind] = []
    secrets: list[slice] = []
    known = _KNOWN
    while position < end:
        # What is kept is whole and allowed everywhere: of it only the place where it ends is left to look at.
        stop = position + 2 + data[position + 1]
        varbind = known.get(data[position:stop])
        if varbind is None or stop > end:
            varbind, stop = _new_varbind(data, position, end, forbidden, secrets)
        found.append(varbind)
        position = stop
    if len(found) > MOST_VARBINDS:
        raise ParseError(f"more than {MOST_VARBINDS} varbinds", data)
    return found, secrets


def _new_varbind(data: bytes, position: int, end: int, forbidden: frozenset[VarType], secrets: list[slice]) -> tuple[VarBind, int]:
    """The varbind at `position`, and where it ends; kept where it may be."""
    stop, start = _open(data, position, end, _SEQUENCE, "varbind")
    varbind = _varbind(data, start, stop, secrets)
    if varbind.type in forbidden:
        raise ParseError(f"{varbind.type} is not known in version 1", data)
    if stop - position <= _LONGEST_KNOWN and varbind.type in _KEPT and varbind.oid != SNMP_TRAP_COMMUNITY:
        if len(_KNOWN) >= _MOST_KNOWN:
            _KNOWN.clear()
        _KNOWN[data[position:stop]] = varbind
    return varbind, stop


def _varbind(data: bytes, start: int, end: int, secrets: list[slice]) -> VarBind:
    """One name and one value, which fill what is between `start` and `end`."""
    if data.startswith(_UP_TIME, start) and (begin := start + len(_UP_TIME) + 1) + data[begin - 1] == end:
        return VarBind(SYS_UP_TIME, _TICKS, _unsigned(data, begin, end, 32))
    stop, begin = _open(data, start, end, _OID, "name of a varbind")
    name = _oid(data[begin:stop])
    tag = data[stop]
    stop, begin = _open(data, stop, end, tag, "value")
    if stop != end:
        raise ParseError("a varbind is a name and a value", data)
    if tag == _OCTET_STRING:
        if name == SNMP_TRAP_COMMUNITY:
            secrets.append(slice(begin, stop))
            return VarBind(name, _TEXT, b"")
        return VarBind(name, _TEXT, data[begin:stop])
    if tag == _INTEGER:
        value = int.from_bytes(data[begin:stop], "big", signed=True)
        if not 1 <= stop - begin <= 5 or not -0x80000000 <= value <= 0x7FFFFFFF:
            raise ParseError("an INTEGER is out of range", data)
        return VarBind(name, _NUMBER, value)
    return VarBind(name, *_value(data, tag, begin, stop))


def _value(data: bytes, tag: int, begin: int, stop: int) -> tuple[VarType, int | bytes | str | None]:
    """The rarer types."""
    type_ = _TYPES.get(tag)
    match type_:
        case None:
            raise ParseError(f"type {tag:#04x} is not known", data)
        case VarType.OBJECT_IDENTIFIER:
            return type_, _oid(data[begin:stop])
        case VarType.COUNTER32 | VarType.GAUGE32 | VarType.TIME_TICKS:
            return type_, _unsigned(data, begin, stop, 32)
        case VarType.COUNTER64:
            return type_, _unsigned(data, begin, stop, 64)
        case VarType.IP_ADDRESS:
            if stop - begin != 4:
                raise ParseError("an IpAddress has 4 octets", data)
            return type_, _address(data[begin:stop])
        case VarType.OPAQUE:
            return type_, data[begin:stop]
        case _:
            if stop != begin:
                raise ParseError(f"{type_} has no value", data)
            return type_, None


def _open(data: bytes, position: int, end: int, tag: int, what: str) -> tuple[int, int]:
    """Where the element at `position` ends and where its content begins. IndexError where the data end before."""
    if position >= end or data[position] != tag:
        _unexpected(data, position, what)
    length = data[position + 1]
    start = position + 2
    if length >= 0x80:
        octets = length & 0x7F
        if not 1 <= octets <= 3:
            raise ParseError(f"{what}: a length of no definite form, or of more than 3 octets", data)
        if start + octets > end:
            _overrun(data, what)
        length = int.from_bytes(data[start : start + octets], "big")
        start += octets
    if start + length > end:
        _overrun(data, what)
    return start + length, start


def _integer(data: bytes, position: int, end: int) -> tuple[int, int]:
    """An INTEGER of 32 bits at `position`, and where it ends."""
    if data[position] == _INTEGER and 1 <= (length := data[position + 1]) <= 4 and (stop := position + 2 + length) <= end:
        return int.from_bytes(data[position + 2 : stop], "big", signed=True), stop
    stop, start = _open(data, position, end, _INTEGER, "integer")
    value = int.from_bytes(data[start:stop], "big", signed=True)
    if not 1 <= stop - start <= 5 or not -0x80000000 <= value <= 0x7FFFFFFF:
        raise ParseError("an INTEGER is out of range", data)
    return value, stop


def _unsigned(data: bytes, begin: int, stop: int, bits: int) -> int:
    """An unsigned number. Senders exist that leave out the leading zero octet of large ones."""
    octets = bits // 8
    value = int.from_bytes(data[begin:stop], "big")
    if not 1 <= stop - begin <= octets + 1 or value >= 1 << bits:
        raise ParseError("an unsigned number is out of range", data)
    return value


@lru_cache(maxsize=4096)
def _oid(octets: bytes) -> str:
    """The dotted form. The names in traps are few, so that nearly all come from the cache, which is bounded."""
    if not octets or octets[-1] & 0x80:
        raise ParseError("an object identifier ends too early", octets)
    parts: list[int] = []
    value = length = 0
    for octet in octets:
        if not length and octet == 0x80:
            raise ParseError("a sub-identifier begins with zeros", octets)
        value = value << 7 | octet & 0x7F
        length += 1
        if octet & 0x80:
            continue
        if length > 5 or value > 0xFFFFFFFF + (80 if not parts else 0):
            raise ParseError("a sub-identifier is too large", octets)
        if parts:
            parts.append(value)
        else:
            first = min(value // 40, 2)
            parts = [first, value - 40 * first]
        value = length = 0
        if len(parts) > MOST_SUB_IDENTIFIERS:
            raise ParseError(f"more than {MOST_SUB_IDENTIFIERS} sub-identifiers", octets)
    return ".".join(map(str, parts))


def _address(octets: bytes) -> str:
    return ".".join(map(str, octets))


def _without_secret(data: bytes, begin: int, end: int, secrets: list[slice]) -> bytes:
    """The octets of the PDU, with communities in it blanked."""
    if not secrets:
        return data[begin:end]
    blanked = bytearray(data)
    for secret in secrets:
        blanked[secret] = b"*" * (secret.stop - secret.start)
    return bytes(blanked[begin:end])


def _unexpected(data: bytes, position: int, what: str) -> NoReturn:
    if position >= len(data):
        raise ParseError("the message ends too early", data)
    raise ParseError(f"{what}: unexpected element of type {data[position]:#04x}", data)


def _overrun(data: bytes, what: str) -> NoReturn:
    raise ParseError(f"{what}: longer than what it is in", data)
