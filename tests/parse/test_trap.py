"""The decoder of traps: every real datagram is read exactly, and whatever else comes is refused with a reason, in bounded time."""

import contextlib
import random
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hamon.errors import ParseError
from hamon.model.observation import SnmpVersion, VarBind, VarType
from hamon.parse.trap import MOST_OCTETS, TrapMessage, decode, decode_scoped_pdu, decode_v3_header, version
from tests.snmp.messages import (
    PACEMAKER,
    TRAP,
    TRAP_OID,
    UP_TIME,
    V3,
    all_recorded,
    integer,
    octets,
    oid,
    pacemaker,
    pdu,
    sequence,
    tlv,
    v1,
    v2c,
    varbind,
)


def re_encoded(message: TrapMessage) -> bytes:
    """The datagram, made again from what was read of it."""
    tags = {VarType.OCTET_STRING: 0x04, VarType.INTEGER: 0x02, VarType.OBJECT_IDENTIFIER: 0x06}
    payload = []
    for name, type_, value in message.varbinds:
        match value:
            case bytes():
                payload.append(varbind(name, octets(value, tags[type_])))
            case int():
                payload.append(varbind(name, integer(value, tags[type_])))
            case str():
                payload.append(varbind(name, oid(value)))
            case _:
                raise AssertionError(type_)
    assert message.request_id is not None
    body = pdu(payload, request=message.request_id, uptime=message.uptime, notification=message.notification)
    return v2c(body, message.community.decode())


def test_of_a_real_trap_nothing_is_lost() -> None:
    messages = [decode(one.datagram) for one in all_recorded()]
    assert len(messages) == 542
    assert {message.version for message in messages} == {SnmpVersion.V2C}
    assert {message.irregular for message in messages} == {False}
    for one, message in zip(all_recorded(), messages, strict=True):
        # net-snmp writes lengths in two octets where one would do, so that octets differ and what they say does not.
        assert decode(re_encoded(message)).varbinds == message.varbinds
        assert message.pdu in one.datagram
        assert message.community == b"public"


def test_the_fields_of_a_trap_are_where_they_belong() -> None:
    message = decode(v2c(pdu(pacemaker("pm01", "prmPg", "monitor", "not running"), request=99, uptime=4711)))
    assert (message.version, message.community, message.inform, message.request_id) == (SnmpVersion.V2C, b"pcmk", False, 99)
    assert (message.notification, message.uptime, message.irregular, message.trailing) == (TRAP, 4711, False, 0)
    assert message.varbinds[0] == VarBind(f"{PACEMAKER}.1.1", VarType.OCTET_STRING, b"pm01")
    assert message.varbinds[4] == VarBind(f"{PACEMAKER}.1.5", VarType.INTEGER, 2147483647)
    assert len(message.varbinds) == 9


def test_an_inform_is_told_from_a_trap() -> None:
    assert decode(v2c(pdu(tag=0xA6))).inform


@pytest.mark.parametrize(
    ("generic", "specific", "notification"),
    [(0, 0, "1.3.6.1.6.3.1.1.5.1"), (5, 7, "1.3.6.1.6.3.1.1.5.6"), (6, 1, f"{PACEMAKER}.2.0.1"), (6, 0, f"{PACEMAKER}.2.0.0")],
)
def test_a_v1_trap_is_named_as_rfc_3584_names_it(generic: int, specific: int, notification: str) -> None:
    message = decode(v1(generic=generic, specific=specific, agent=bytes([192, 0, 2, 7])))
    assert (message.version, message.notification, message.request_id) == (SnmpVersion.V1, notification, None)
    assert (message.enterprise, message.agent_address, message.uptime) == (f"{PACEMAKER}.2", "192.0.2.7", 100)


@pytest.mark.parametrize(
    ("value", "type_", "read"),
    [
        (integer(-1), VarType.INTEGER, -1),
        (tlv(2, b"\x00\x00\x00\x00\x05"), VarType.INTEGER, 5),
        (octets(b"\xff\x00"), VarType.OCTET_STRING, b"\xff\x00"),
        (tlv(5), VarType.NULL, None),
        (oid("2.999.4294967295"), VarType.OBJECT_IDENTIFIER, "2.999.4294967295"),
        (octets(bytes([192, 0, 2, 1]), 0x40), VarType.IP_ADDRESS, "192.0.2.1"),
        (integer(4294967295, 0x41), VarType.COUNTER32, 4294967295),
        (tlv(0x42, b"\xff\xff\xff\xff"), VarType.GAUGE32, 4294967295),
        (integer(7, 0x43), VarType.TIME_TICKS, 7),
        (octets(b"\x9f\x78", 0x44), VarType.OPAQUE, b"\x9f\x78"),
        (integer(2**64 - 1, 0x46), VarType.COUNTER64, 2**64 - 1),
        (tlv(0x80), VarType.NO_SUCH_OBJECT, None),
        (tlv(0x81), VarType.NO_SUCH_INSTANCE, None),
        (tlv(0x82), VarType.END_OF_MIB_VIEW, None),
    ],
)
def test_every_type_of_value_is_read(value: bytes, type_: VarType, read: int | bytes | str | None) -> None:
    assert decode(v2c(pdu([varbind("1.3.6.1.4.1.1", value)]))).varbinds == (VarBind("1.3.6.1.4.1.1", type_, read),)


def test_a_trap_whose_first_two_variables_are_not_as_they_must_be_is_taken_and_marked() -> None:
    head = [varbind(TRAP_OID, oid(TRAP)), varbind(UP_TIME, integer(5, 0x43))]
    swapped = decode(v2c(pdu([*head, *pacemaker()], uptime=None, notification=None)))
    assert (swapped.irregular, swapped.notification, swapped.uptime, len(swapped.varbinds)) == (True, TRAP, 5, 9)
    late = decode(v2c(pdu([*pacemaker(), head[0]], uptime=None, notification=None)))
    assert (late.irregular, late.notification, late.uptime, len(late.varbinds)) == (True, TRAP, None, 9)


def test_octets_behind_the_message_are_ignored_and_counted() -> None:
    datagram = v2c(pdu(pacemaker()))
    message = decode(datagram + b"\0\0\0")
    assert message.trailing == 3
    assert message.varbinds == decode(datagram).varbinds


def test_a_community_inside_a_trap_is_blanked() -> None:
    """As snmptrapd forwards a v1 trap (RFC 3584, 3.1)."""
    message = decode(v2c(pdu([varbind("1.3.6.1.6.3.18.1.4.0", octets("very-secret"))])))
    assert message.varbinds == (VarBind("1.3.6.1.6.3.18.1.4.0", VarType.OCTET_STRING, b""),)
    assert b"very-secret" not in message.pdu
    assert len(message.pdu) == len(pdu([varbind("1.3.6.1.6.3.18.1.4.0", octets("very-secret"))]))


def long(length: int) -> Callable[[bytes], bytes]:
    return lambda body: bytes([0x30, 0x80 | length]) + len(body).to_bytes(length, "big") + body


GOOD = pdu(pacemaker())
REFUSED = {
    "nothing": b"",
    "a GET": v2c(tlv(0xA0, integer(1), integer(0), integer(0), sequence(varbind(UP_TIME, tlv(5))))),
    "a SET": v2c(tlv(0xA3, integer(1), integer(0), integer(0), sequence(varbind(UP_TIME, tlv(5))))),
    "a response": v2c(tlv(0xA2, integer(1), integer(0), integer(0), sequence())),
    "a v1 trap PDU in a v2c message": sequence(integer(1), octets("pcmk"), v1()[11:]),
    "a v2 trap PDU in a v1 message": sequence(integer(0), octets("pcmk"), GOOD),
    "version 2": sequence(integer(2), octets("pcmk"), GOOD),
    "v1 generic 9": v1(generic=9),
    "v1 generic -1": v1(generic=-1),
    "v1 negative specific": v1(specific=-5),
    "v1 agent address of 3 octets": v1(agent=bytes(3)),
    "v1 with a Counter64": v1([varbind("1.3.6.1.4.1.1", integer(1, 0x46))]),
    "v1 with an exception": v1([varbind("1.3.6.1.4.1.1", tlv(0x80))]),
    "no variables at all": v2c(pdu(uptime=None, notification=None)),
    "no snmpTrapOID": v2c(pdu(pacemaker(), notification=None)),
    "a snmpTrapOID that is a number": v2c(pdu([varbind(TRAP_OID, integer(1))], notification=None)),
    "65 variables": v2c(pdu([varbind("1.3.6.1.4.1.1", integer(1))] * 63)),
    "4,000 variables": v2c(pdu([varbind("1.3.6.1.4.1.1", integer(1))] * 4000)),
    "an octet more than is taken": v2c(pdu([varbind("1.3.6.1.4.1.1", octets(bytes(MOST_OCTETS)))])),
    "an indefinite length": b"\x30\x80" + v2c(GOOD)[3:] + b"\0\0",
    "a length of 4 octets": long(4)(integer(1) + octets("pcmk") + GOOD),
    "a length without octets": b"\x30\xff" + v2c(GOOD)[3:],
    "a length beyond the datagram": v2c(GOOD)[:1] + b"\x83\xff\xff\xff" + v2c(GOOD)[3:],
    "an element beyond its parent": v2c(tlv(0xA7, integer(1), integer(0), integer(0), b"\x30\x7f" + varbind(UP_TIME, integer(1, 0x43)))),
    "octets behind the PDU": sequence(integer(1), octets("pcmk"), GOOD, tlv(5)),
    "octets behind the variables": v2c(tlv(0xA7, integer(1), integer(0), integer(0), sequence(), tlv(5))),
    "a variable with two values": v2c(pdu([sequence(oid("1.3.6.1"), integer(1), integer(2))])),
    "a variable without a value": v2c(pdu([sequence(oid("1.3.6.1"))])),
    "a variable whose name is text": v2c(pdu([sequence(octets("name"), integer(1))])),
    "an INTEGER without octets": v2c(pdu([varbind("1.3.6.1", tlv(2))])),
    "an INTEGER of 6 octets": v2c(pdu([varbind("1.3.6.1", tlv(2, bytes(6)))])),
    "an INTEGER of 33 bits": v2c(pdu([varbind("1.3.6.1", integer(2**31))])),
    "a Counter32 of 33 bits": v2c(pdu([varbind("1.3.6.1", integer(2**32, 0x41))])),
    "a Counter64 of 65 bits": v2c(pdu([varbind("1.3.6.1", integer(2**64, 0x46))])),
    "an IpAddress of 5 octets": v2c(pdu([varbind("1.3.6.1", octets(bytes(5), 0x40))])),
    "a NULL with a value": v2c(pdu([varbind("1.3.6.1", tlv(5, b"x"))])),
    "an unknown type": v2c(pdu([varbind("1.3.6.1", tlv(0x47, b"x"))])),
    "a type of several octets": v2c(pdu([varbind("1.3.6.1", b"\x1f\x81\x01\x00")])),
    "an empty OID": v2c(pdu([sequence(tlv(6), integer(1))])),
    "an OID that ends within a number": v2c(pdu([sequence(tlv(6, b"\x2b\x86"), integer(1))])),
    "an OID with a number of 6 octets": v2c(pdu([sequence(tlv(6, b"\x2b\x81\x81\x81\x81\x81\x01"), integer(1))])),
    "an OID with a number of 33 bits": v2c(pdu([sequence(oid("1.3.4294967296"), integer(1))])),
    "an OID with leading zeros": v2c(pdu([sequence(tlv(6, b"\x2b\x80\x01"), integer(1))])),
    "an OID of 129 numbers": v2c(pdu([sequence(oid("1.3" + ".1" * 127), integer(1))])),
    "a request id of 40 bits": v2c(tlv(0xA7, tlv(2, b"\x7f" + bytes(4)), integer(0), integer(0), sequence())),
    "deep nesting": b"\x30\x82\x03\xe8" * 500,
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_is_no_notification_is_refused(what: str) -> None:
    with pytest.raises(ParseError):
        decode(REFUSED[what])


def test_the_refused_are_each_near_something_that_is_taken() -> None:
    """So that each is refused for what its name says."""
    assert decode(v2c(GOOD)).notification == TRAP
    assert decode(long(3)(integer(1) + octets("pcmk") + GOOD)).notification == TRAP
    assert len(decode(v2c(pdu([varbind("1.3.6.1.4.1.1", integer(1))] * 62))).varbinds) == 62
    assert decode(v2c(pdu([sequence(oid("1.3" + ".1" * 126), integer(1))]))).varbinds[0].oid.count(".") == 127
    assert decode(v2c(pdu([varbind("1.3.4294967295", integer(2**31 - 1))]))).varbinds[0].value == 2**31 - 1


def test_a_truncated_trap_is_refused_wherever_it_is_cut() -> None:
    datagram = v2c(GOOD)
    for length in range(len(datagram)):
        with pytest.raises(ParseError):
            decode(datagram[:length])


def test_the_header_of_a_v3_message_is_read() -> None:
    message = V3(user="pcmk", boots=3, time=77).message(GOOD)
    header = decode_v3_header(message)
    assert (header.user, header.boots, header.time, header.engine_id) == (b"pcmk", 3, 77, bytes.fromhex("80001f8880feed0001"))
    assert (header.is_authenticated, header.is_encrypted, header.is_reportable) == (True, False, False)
    assert message[header.digest_offset : header.digest_offset + 24] == header.digest
    assert decode_scoped_pdu(header.data).notification == TRAP
    assert version(message) is SnmpVersion.V3


def test_a_v3_header_that_asks_for_encryption_without_authentication_is_refused() -> None:
    with pytest.raises(ParseError, match="not authenticated"):
        decode_v3_header(V3(flags=2).message(GOOD))


@given(st.binary(max_size=300))
def test_any_octets_are_read_or_refused(data: bytes) -> None:
    for read in (decode, decode_v3_header, decode_scoped_pdu, version):
        with contextlib.suppress(ParseError):
            read(data)


def mutated(chance: random.Random, seeds: list[bytes]) -> bytes:
    """A good message with something wrong: octets changed, removed, added, cut, or parts of another message put in."""
    data = bytearray(chance.choice(seeds))
    for _ in range(chance.choice((1, 1, 1, 2, 3, 8))):
        at = chance.randrange(len(data)) if data else 0
        match chance.randrange(6):
            case 0:
                data[at : at + 1] = bytes([chance.randrange(256)])
            case 1:
                data[at : at + 1] = bytes([chance.choice((0, 1, 0x7F, 0x80, 0x81, 0x82, 0x84, 0xFF, 0x30, 0x06))])
            case 2:
                del data[at : at + chance.randrange(1, 9)]
            case 3:
                data[at:at] = chance.randbytes(chance.randrange(1, 9))
            case 4:
                del data[at:]
            case _:
                other = chance.choice(seeds)
                begin = chance.randrange(len(other))
                data[at : at + chance.randrange(9)] = other[begin : begin + chance.randrange(40)]
    return bytes(data)


def seeds() -> list[bytes]:
    return [
        *{one.datagram for one in all_recorded()},
        v1(pacemaker()),
        v2c(pdu(pacemaker(), tag=0xA6)),
        V3().message(GOOD),
        V3(flags=0).message(pdu(pacemaker(), tag=0xA6)),
    ]


@pytest.mark.parametrize("count", [100_000, pytest.param(1_000_000, marks=pytest.mark.full)])
def test_mutated_messages_are_read_or_refused_and_never_more(count: int) -> None:
    chance, good = random.Random(4711), seeds()
    taken = refused = 0
    for _ in range(count):
        datagram = mutated(chance, good)
        try:
            if version(datagram) is SnmpVersion.V3:
                header = decode_v3_header(datagram)
                if not header.is_encrypted:
                    decode_scoped_pdu(header.data)
            else:
                decode(datagram)
            taken += 1
        except ParseError:
            refused += 1
    # Some mutations only change a value. If all were refused, or none, the mutations would be no test.
    assert taken > count * 0.05
    assert refused > count * 0.3
    assert decode(v2c(GOOD)).notification == TRAP
