"""Many datagrams at once are what they would be one by one."""

import random
import socket

import pytest

from hamon.collect.datagrams import AT_ONCE, Datagrams


def pair(family: socket.AddressFamily) -> tuple[socket.socket, socket.socket]:
    receiver, sender = socket.socket(family, socket.SOCK_DGRAM), socket.socket(family, socket.SOCK_DGRAM)
    receiver.bind(("127.0.0.1" if family == socket.AF_INET else "::1", 0))
    receiver.setblocking(False)
    sender.connect(receiver.getsockname())
    return receiver, sender


@pytest.mark.parametrize("family", [socket.AF_INET, socket.AF_INET6])
@pytest.mark.parametrize("at_once", [True, False])
def test_datagrams_come_whole_in_order_and_with_their_sender(family: socket.AddressFamily, at_once: bool) -> None:
    chance = random.Random(1)
    receiver, sender = pair(family)
    with receiver, sender, socket.socket(family, socket.SOCK_DGRAM) as other:
        other.connect(receiver.getsockname())
        datagrams = Datagrams(receiver, 1000)
        if not at_once:
            datagrams._call = None
        assert datagrams.read() == []
        for _ in range(20):
            sent = []
            for _ in range(chance.randrange(1, 40)):
                data, sock = chance.randbytes(chance.choice((0, 1, 17, 999, 1000))), chance.choice((sender, other))
                sock.send(data)
                sent.append((data, sock.getsockname()))
            assert datagrams.read() == sent
            assert datagrams.read() == []


def test_a_datagram_that_is_too_long_is_seen_to_be() -> None:
    receiver, sender = pair(socket.AF_INET)
    with receiver, sender:
        datagrams = Datagrams(receiver, 100)
        for length in (99, 100, 101, 5000, 60_000, 1):
            sender.send(bytes(length))
        assert [len(data) for data, _ in datagrams.read()] == [99, 100, 101, 101, 101, 1]


def test_more_than_go_at_once_come_in_the_next_turn() -> None:
    receiver, sender = pair(socket.AF_INET)
    with receiver, sender:
        receiver.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
        datagrams = Datagrams(receiver, 100)
        for number in range(AT_ONCE + 5):
            sender.send(str(number).encode())
        assert [len(datagrams.read()), len(datagrams.read()), len(datagrams.read())] == [AT_ONCE, 5, 0]


def test_an_answer_that_nobody_takes_disturbs_nothing() -> None:
    receiver, sender = pair(socket.AF_INET)
    with receiver, sender:
        datagrams = Datagrams(receiver, 100)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as closed:
            closed.bind(("127.0.0.1", 0))
            gone = closed.getsockname()
        receiver.sendto(b"x", gone)
        sender.send(b"good")
        found = datagrams.read() or datagrams.read()
        assert [data for data, _ in found] == [b"good"]


def test_senders_beyond_number_are_not_remembered() -> None:
    receiver, sender = pair(socket.AF_INET)
    with receiver, sender:
        datagrams = Datagrams(receiver, 100)
        for number in range(10_000):
            datagrams._address(number.to_bytes(28, "big"))
        assert len(datagrams._addresses) <= 4096
