"""Captures: every form gives the datagrams that were sent; what gives none says why; no octets do harm."""

import ipaddress
import struct
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from io import BytesIO
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hamon.errors import ParseError
from hamon.parse.pcap import Datagram, datagrams

AT = datetime(2026, 11, 22, 10, 52, 22, 976_524, UTC)
SECONDS, MICRO = int(AT.timestamp()), AT.microsecond
PAYLOAD = b"\x30\x03one"


def udp(data: bytes = PAYLOAD, source_port: int = 48_485, destination_port: int = 162) -> bytes:
    return struct.pack(">HHHH", source_port, destination_port, 8 + len(data), 0) + data


def ipv4(segment: bytes, *, protocol: int = 17, fragment: int = 0, options: bytes = b"", total: int | None = None) -> bytes:
    head = 20 + len(options)
    length = head + len(segment) if total is None else total
    addresses = ipaddress.IPv4Address("192.0.2.1").packed + ipaddress.IPv4Address("192.0.2.9").packed
    return struct.pack(">BBHHHBBH", 0x40 | head // 4, 0, length, 1, fragment, 64, protocol, 0) + addresses + options + segment


def ipv6(segment: bytes, *, following: int = 17) -> bytes:
    addresses = ipaddress.IPv6Address("2001:db8::1").packed + ipaddress.IPv6Address("2001:db8::9").packed
    return struct.pack(">IHBB", 6 << 28, len(segment), following, 64) + addresses + segment


LINKS: dict[str, tuple[int, Callable[[bytes, int], bytes]]] = {
    "ethernet": (1, lambda packet, kind: bytes(12) + struct.pack(">H", kind) + packet),
    "vlan": (1, lambda packet, kind: bytes(12) + struct.pack(">HHH", 0x8100, 7, kind) + packet),
    "two vlans": (1, lambda packet, kind: bytes(12) + struct.pack(">HHHHH", 0x88A8, 7, 0x8100, 8, kind) + packet),
    "cooked": (113, lambda packet, kind: bytes(14) + struct.pack(">H", kind) + packet),
    "cooked 2": (276, lambda packet, kind: struct.pack(">H", kind) + bytes(18) + packet),
    "raw": (101, lambda packet, kind: packet),
    "raw 4 or 6": (228, lambda packet, kind: packet),
    "loopback": (0, lambda packet, kind: struct.pack("<I", 2) + packet),
    "loopback of OpenBSD": (108, lambda packet, kind: struct.pack(">I", 24) + packet),
}


def pcap(packets: list[bytes], link: int, *, order: str = "<", nanoseconds: bool = False, cut: int = 0) -> bytes:
    magic = 0xA1B23C4D if nanoseconds else 0xA1B2C3D4
    fraction = MICRO * 1000 if nanoseconds else MICRO
    capture = struct.pack(f"{order}IHHiIII", magic, 2, 4, 0, 0, 262_144, link)
    for packet in packets:
        held = packet[: len(packet) - cut]
        capture += struct.pack(f"{order}IIII", SECONDS, fraction, len(held), len(packet)) + held
    return capture


def block(kind: int, body: bytes, order: str) -> bytes:
    body += bytes(-len(body) % 4)
    length = struct.pack(f"{order}I", len(body) + 12)
    return struct.pack(f"{order}I", kind) + length + body + length


def pcapng(packets: list[bytes], link: int, *, order: str = "<", resolution: int | None = None) -> bytes:
    capture = block(0x0A0D0D0A, struct.pack(f"{order}IHHq", 0x1A2B3C4D, 1, 0, -1), order)
    options = b"" if resolution is None else struct.pack(f"{order}HHBxxxHH", 9, 1, resolution, 0, 0)
    capture += block(1, struct.pack(f"{order}HHI", link, 0, 0) + options, order)
    capture += block(5, bytes(12), order)  # statistics: skipped
    ticks = 1_000_000 if resolution is None else 1 << (resolution & 0x7F) if resolution & 0x80 else 10**resolution
    stamp = SECONDS * ticks + -(-MICRO * ticks // 1_000_000)
    for packet in packets:
        body = struct.pack(f"{order}IIIII", 0, stamp >> 32, stamp & 0xFFFFFFFF, len(packet), len(packet)) + packet
        capture += block(6, body, order)
    return capture


def found(capture: bytes) -> list[Datagram | ParseError]:
    return list(datagrams(BytesIO(capture)))


def expected(source: str) -> Datagram:
    return Datagram(at=AT, source=source, source_port=48_485, destination_port=162, data=PAYLOAD)


def files(packets: list[bytes], link: int) -> Iterator[bytes]:
    for order, nanoseconds in product("<>", (False, True)):
        yield pcap(packets, link, order=order, nanoseconds=nanoseconds)
    for order, resolution in product("<>", (None, 6, 9, 0x80 | 30)):
        yield pcapng(packets, link, order=order, resolution=resolution)


@pytest.mark.parametrize("link", LINKS)
def test_every_form_of_capture_and_link_gives_the_datagram_its_sender_and_its_time(link: str) -> None:
    number, wrap = LINKS[link]
    for packet, kind, source in (ipv4(udp()), 0x0800, "192.0.2.1"), (ipv6(udp()), 0x86DD, "2001:db8::1"):
        for capture in files([wrap(packet, kind), wrap(packet, kind)], number):
            assert found(capture) == [expected(source)] * 2


def test_options_of_ip_and_headers_of_ipv6_are_passed_over() -> None:
    assert found(pcap([ipv4(udp(), options=bytes(8))], 101)) == [expected("192.0.2.1")]
    hop_by_hop = bytes((60, 0)) + bytes(6) + bytes((17, 1)) + bytes(14)
    assert found(pcap([ipv6(hop_by_hop + udp(), following=0)], 101)) == [expected("2001:db8::1")]


def test_padding_behind_the_packet_is_no_part_of_it() -> None:
    assert found(pcap([LINKS["ethernet"][1](ipv4(udp()), 0x0800) + bytes(9)], 1)) == [expected("192.0.2.1")]


def test_a_length_that_the_card_fills_in_is_no_error() -> None:
    assert found(pcap([ipv4(udp(), total=0)], 101)) == [expected("192.0.2.1")]


def reasons(capture: bytes) -> list[str]:
    return [str(item) for item in found(capture)]


def test_fragments_are_refused_with_the_reason() -> None:
    reason = "a fragment of an IP packet, which is not put together"
    assert reasons(pcap([ipv4(udp(), fragment=0x2000), ipv4(udp(), fragment=185)], 101)) == [reason] * 2
    assert reasons(pcap([ipv6(bytes((17, 0, 0, 1)) + bytes(4) + udp(), following=44)], 101)) == [reason]


def test_a_packet_that_the_capture_cut_short_is_refused_with_the_reason() -> None:
    assert reasons(pcap([ipv4(udp(bytes(200)))], 101, cut=50)) == ["the capture cut this packet short"]
    assert reasons(pcap([ipv4(udp(bytes(200)))[:100]], 101)) == ["a packet ends too early"]


def test_what_is_no_udp_is_left_out_without_a_word() -> None:
    arp = bytes(12) + struct.pack(">H", 0x0806) + bytes(28)
    tcp = LINKS["ethernet"][1](ipv4(bytes(20), protocol=6), 0x0800)
    assert found(pcap([arp, tcp], 1)) == []


def test_an_unknown_link_is_named() -> None:
    assert reasons(pcap([bytes(64)], 147)) == ["link type 147 is not known"]


@pytest.mark.parametrize(
    "broken",
    [
        b"no capture",
        pcap([], 1)[:20],
        pcap([ipv4(udp())], 101)[:-1],
        pcap([], 1) + b"\x00",
        pcapng([ipv4(udp())], 101)[:-3],
        b"\x0a\x0d\x0d\x0a\x1c\x00\x00\x00\x00\x00\x00\x00",
        pcap([], 101) + struct.pack("<IIII", 0, 0, 0x7FFFFFFF, 0x7FFFFFFF),
        block(0x0A0D0D0A, struct.pack("<IHHq", 0x1A2B3C4D, 1, 0, -1), "<") + block(6, bytes(20), "<"),
    ],
)
def test_a_broken_capture_ends_with_a_parse_error(broken: bytes) -> None:
    with pytest.raises(ParseError):
        found(broken)


def test_what_was_read_before_the_capture_breaks_is_kept() -> None:
    given_ = datagrams(BytesIO(pcap([ipv4(udp()), ipv4(udp())], 101)[:-1]))
    assert next(given_) == expected("192.0.2.1")
    with pytest.raises(ParseError, match="ends within a packet"):
        next(given_)


WHOLE = [*files([LINKS["vlan"][1](ipv6(udp()), 0x86DD), LINKS["ethernet"][1](ipv4(udp()), 0x0800)], 1), pcap([ipv4(udp())], 101)]


@given(st.sampled_from(WHOLE), st.lists(st.tuples(st.integers(0, 400), st.integers(0, 255)), max_size=6), st.integers(0, 400))
def test_any_octets_give_datagrams_reasons_or_a_parse_error(capture: bytes, changes: list[tuple[int, int]], length: int) -> None:
    octets = bytearray(capture)
    for position, octet in changes:
        octets[position % len(octets)] = octet
    try:
        for item in datagrams(BytesIO(bytes(octets[: max(4, len(octets) - length % 90)]))):
            assert isinstance(item, Datagram | ParseError)
    except ParseError:
        pass
