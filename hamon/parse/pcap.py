"""UDP datagrams out of a capture file: pcap and pcapng; Ethernet with VLANs, Linux cooked (1, 2), raw IP, BSD loopback; IPv4 and IPv6.

The law: whatever the octets are, the answer is datagrams, reasons why a packet gives none, or a ParseError; memory is bounded by one
packet. Fragments are not put together but refused with a reason, and so are packets that the capture cut short.
"""

import ipaddress
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Protocol

from hamon.errors import ParseError

MAGICS = (b"\xd4\xc3\xb2\xa1", b"\xa1\xb2\xc3\xd4", b"\x4d\x3c\xb2\xa1", b"\xa1\xb2\x3c\x4d", b"\x0a\x0d\x0d\x0a")
"""How a capture begins: microseconds, nanoseconds, either order of octets; pcapng."""

_MOST_PACKET = 262_144
"""The largest packet that capture programs write."""
_IPV4, _IPV6, _VLANS = 0x0800, 0x86DD, frozenset({0x8100, 0x88A8, 0x9100})
_EXTENSIONS = frozenset({0, 43, 60, 135})
"""IPv6: hop-by-hop, routing, destination options, mobility. A fragment header (44) is refused, other headers are no UDP."""
_FRAGMENT, _UDP = 44, 17
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Readable(Protocol):
    def read(self, count: int, /) -> bytes: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Datagram:
    at: datetime
    source: str
    source_port: int
    destination_port: int
    data: bytes


class NotUdp(Exception):
    """A packet of something else, which is left out without a word."""


def datagrams(stream: Readable) -> Iterator[Datagram | ParseError]:
    """The UDP datagrams in their order. A ParseError that is given stands for one packet, one that is raised ends the capture."""
    magic = stream.read(4)
    packets = _pcapng(stream) if magic == MAGICS[4] else _pcap(stream, magic)
    for at, link, packet, is_whole in packets:
        try:
            source, segment = _network(link, packet)
            yield _udp(at, source, segment)
        except NotUdp:
            continue
        except ParseError as err:
            yield err
        except (IndexError, struct.error):
            yield ParseError("a packet ends too early" if is_whole else "the capture cut this packet short", packet)


# -- files


def _pcap(stream: Readable, magic: bytes) -> Iterator[tuple[datetime, int, bytes, bool]]:
    if magic not in MAGICS[:4]:
        raise ParseError("no capture file", magic)
    order = "<" if magic in (MAGICS[0], MAGICS[2]) else ">"
    unit = 1 if magic in MAGICS[:2] else 1000  # in how many parts of it a microsecond comes
    header = _exactly(stream, 20)
    if header is None:
        raise ParseError("the capture ends within its header", magic)
    link = struct.unpack(f"{order}I", header[16:])[0] & 0x0FFFFFFF
    while (record := stream.read(16)) != b"":
        if len(record) < 16:
            raise ParseError("the capture ends within a packet", record)
        seconds, fraction, held, was = struct.unpack(f"{order}IIII", record)
        if held > _MOST_PACKET:
            raise ParseError("a packet is longer than captures write them", record)
        packet = _exactly(stream, held)
        if packet is None:
            raise ParseError("the capture ends within a packet", record)
        yield _EPOCH + timedelta(seconds=seconds, microseconds=fraction // unit), link, packet, held >= was


def _pcapng(stream: Readable) -> Iterator[tuple[datetime, int, bytes, bool]]:
    """Section headers, interface descriptions, enhanced and obsolete packets; what else there is, is skipped."""
    order = "<"
    interfaces: list[tuple[int, int]] = []  # link type, ticks a second
    block: int | None = 0x0A0D0D0A
    while block is not None:
        length_octets = _exactly(stream, 4)
        if length_octets is None:
            raise ParseError("the capture ends within a block", b"")
        if block == 0x0A0D0D0A:
            mark = _exactly(stream, 4)
            if mark not in (b"\x4d\x3c\x2b\x1a", b"\x1a\x2b\x3c\x4d"):
                raise ParseError("no order of octets in a section of the capture", mark or b"")
            order, interfaces = "<" if mark[0] == 0x4D else ">", []
        length = struct.unpack(f"{order}I", length_octets)[0] - (12 if block == 0x0A0D0D0A else 8)
        if length < 4 or length % 4 or length > _MOST_PACKET + 65_536:
            raise ParseError("a block of the capture has an impossible length", length_octets)
        body = _exactly(stream, length)
        if body is None:
            raise ParseError("the capture ends within a block", length_octets)
        body = body[:-4]
        if block == 1 and len(body) >= 8:
            interfaces.append((struct.unpack(f"{order}H", body[:2])[0], _ticks(body[8:], order)))
        elif block in (2, 6) and len(body) >= 20:
            yield _packet(body, block, order, interfaces)
        head = stream.read(4)
        if 0 < len(head) < 4:
            raise ParseError("the capture ends within a block", head)
        block = struct.unpack(f"{order}I", head)[0] if head else None


def _packet(body: bytes, block: int, order: str, interfaces: list[tuple[int, int]]) -> tuple[datetime, int, bytes, bool]:
    number = struct.unpack(f"{order}I", body[:4])[0] if block == 6 else struct.unpack(f"{order}H", body[:2])[0]
    if number >= len(interfaces):
        raise ParseError("a packet of an interface that the capture does not describe", body[:4])
    link, ticks = interfaces[number]
    high, low, held, was = struct.unpack(f"{order}IIII", body[4:20])
    stamp = high << 32 | low
    try:
        at = _EPOCH + timedelta(seconds=stamp // ticks, microseconds=stamp % ticks * 1_000_000 // ticks)
    except OverflowError:
        raise ParseError("a packet with an impossible time", body[4:12]) from None
    return at, link, body[20 : 20 + held], held >= was


def _ticks(options: bytes, order: str) -> int:
    """The option if_tsresol: a negative power of ten, or with the high bit of two; microseconds without one."""
    position = 0
    while position + 4 <= len(options):
        code, length = struct.unpack(f"{order}HH", options[position : position + 4])
        if code == 0:
            break
        if code == 9 and length == 1 and position + 4 < len(options):
            power = options[position + 4]
            return int(2 ** (power & 0x7F)) if power & 0x80 else int(10 ** min(power, 18))
        position += 4 + length + (-length % 4)
    return 1_000_000


def _exactly(stream: Readable, count: int) -> bytes | None:
    data = stream.read(count)
    return data if len(data) == count else None


# -- packets


def _network(link: int, packet: bytes) -> tuple[str, bytes]:
    """Sender and UDP segment of a packet."""
    match link:
        case 1:  # Ethernet
            kind, start = _behind_vlans(packet, 12)
        case 113:  # Linux cooked
            kind, start = _behind_vlans(packet, 14)
        case 276:  # Linux cooked, version 2
            kind, start = struct.unpack(">H", packet[:2])[0], 20
        case 0 | 108:  # BSD loopback: the family is a number of the machine that captured; the version of IP says the same
            kind, start = _kind_of(packet, 4), 4
        case 12 | 14 | 101 | 228 | 229:  # raw IP
            kind, start = _kind_of(packet, 0), 0
        case _:
            raise ParseError(f"link type {link} is not known", packet)
    if kind == _IPV4:
        return _ipv4(packet[start:])
    if kind == _IPV6:
        return _ipv6(packet[start:])
    raise NotUdp


def _behind_vlans(packet: bytes, position: int) -> tuple[int, int]:
    kind = struct.unpack(">H", packet[position : position + 2])[0]
    while kind in _VLANS:
        position += 4
        kind = struct.unpack(">H", packet[position : position + 2])[0]
    return kind, position + 2


def _kind_of(packet: bytes, start: int) -> int:
    return {4: _IPV4, 6: _IPV6}.get(packet[start] >> 4, 0)


def _ipv4(packet: bytes) -> tuple[str, bytes]:
    header = (packet[0] & 0x0F) * 4
    total, _, fragment, _, protocol = struct.unpack(">HHHBB", packet[2:10])
    if protocol != _UDP:
        raise NotUdp
    if fragment & 0x3FFF:
        raise ParseError("a fragment of an IP packet, which is not put together", packet)
    if header < 20:
        raise ParseError("an IP header that is too short", packet)
    # A total of 0 is what the capture of a packet that the network card cuts for itself shows.
    return str(ipaddress.IPv4Address(packet[12:16])), packet[header : total or len(packet)]


def _ipv6(packet: bytes) -> tuple[str, bytes]:
    length, following = struct.unpack(">HB", packet[4:7])
    source = str(ipaddress.IPv6Address(packet[8:24]))
    position, end = 40, 40 + length if length else len(packet)
    while following in _EXTENSIONS:
        following, size = packet[position], packet[position + 1]
        position += 8 + 8 * size
    if following == _FRAGMENT:
        if packet[position] != _UDP:
            raise NotUdp
        raise ParseError("a fragment of an IP packet, which is not put together", packet)
    if following != _UDP:
        raise NotUdp
    return source, packet[position:end]


def _udp(at: datetime, source: str, segment: bytes) -> Datagram:
    source_port, destination_port, length, _ = struct.unpack(">HHHH", segment[:8])
    if length < 8:
        raise ParseError("a UDP header that is too short", segment)
    if length > len(segment):
        raise IndexError
    return Datagram(at=at, source=source, source_port=source_port, destination_port=destination_port, data=segment[8:length])
