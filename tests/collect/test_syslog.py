"""The syslog receiver: real sockets, and an inbox that keeps what comes."""

import asyncio
import contextlib
import socket
import ssl
import subprocess
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from hamon.collect.syslog import Syslog
from hamon.collect.syslog_config import SyslogConfig
from hamon.errors import ConfigError
from hamon.model.observation import Refusal, SourceBack, SourceLost
from tests.fakes import FakeClock, MemoryInbox
from tests.gateway.harness import eventually

HERE = {"pg": {"cluster": "pg", "addresses": ["127.0.0.1", "::1"]}}
LINE = b"<29>Nov 22 10:52:22 pm01 pacemaker-controld[106]:  notice: State transition S_IDLE -> S_POLICY_ENGINE"
TEXT = LINE.removeprefix(b"<29>") + b"\n"


def numbered(number: int) -> bytes:
    return LINE + b" %d" % number


@contextlib.asynccontextmanager
async def receiving(folder: Path, inbox: MemoryInbox, clock: FakeClock | None = None, **settings: Any) -> AsyncIterator[Syslog]:
    config = SyslogConfig(**({"listen": ("tcp:127.0.0.1:0", "udp:127.0.0.1:0"), "source": HERE} | settings))
    receiver = Syslog("nodes", config, clock or FakeClock())
    receiver.open(folder)
    task = asyncio.create_task(receiver.run(inbox))
    try:
        yield receiver
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


def udp(receiver: Syslog) -> tuple[str, int]:
    return receiver.addresses[0]


def tcp(receiver: Syslog) -> tuple[str, int]:
    return receiver.addresses[-1]


async def send_tcp(address: tuple[str, int], data: bytes, tls: ssl.SSLContext | None = None) -> None:
    _, writer = await asyncio.open_connection(*address, ssl=tls, server_hostname="hamon.test" if tls else None)
    writer.write(data)
    await writer.drain()
    writer.close()
    await writer.wait_closed()


def send_udp(address: tuple[str, int], *messages: bytes) -> None:
    family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as sock:
        for message in messages:
            sock.sendto(message, address)


async def test_lines_of_tcp_in_both_framings_are_those_of_a_log(tmp_path: Path) -> None:
    inbox = MemoryInbox()
    async with receiving(tmp_path, inbox) as receiver:
        await send_tcp(tcp(receiver), b"%d %s" % (len(numbered(1)), numbered(1)) + numbered(2) + b"\n" + numbered(3))
        await inbox.until(lambda: inbox.data.count(b"\n") == 3)
        assert inbox.data == b"".join(numbered(number).removeprefix(b"<29>") + b"\n" for number in (1, 2, 3))
        chunk = inbox.chunks[0]
        assert (chunk.cluster, chunk.collector, chunk.path, chunk.position, chunk.node) == ("pg", "nodes", "pm01", None, None)
        view = receiver.views()[0]
        assert (view.path, view.up, view.lines_read, view.bytes_read) == ("pm01", True, 3, len(inbox.data))


@pytest.mark.parametrize("listen", ["udp:127.0.0.1:0", "udp:[::1]:0"])
async def test_datagrams_are_lines(tmp_path: Path, listen: str) -> None:
    inbox = MemoryInbox()
    async with receiving(tmp_path, inbox, listen=(listen,)) as receiver:
        send_udp(udp(receiver), *(numbered(number) for number in range(200)))
        await inbox.until(lambda: inbox.data.count(b"\n") == 200)
        assert receiver.counted().received["udp"] == 200


async def test_a_line_that_comes_on_two_ways_counts_once_and_what_one_way_repeats_counts_each_time(tmp_path: Path) -> None:
    inbox = MemoryInbox()
    async with receiving(tmp_path, inbox) as receiver:
        await send_tcp(tcp(receiver), LINE + b"\n" + LINE + b"\n")
        await inbox.until(lambda: inbox.data == TEXT * 2)
        send_udp(udp(receiver), LINE, LINE, LINE, numbered(1))
        await inbox.until(lambda: inbox.data.endswith(b" 1\n"))
        assert inbox.data.count(TEXT) == 3  # the third one of UDP is the third in all
        assert receiver.counted().repeated == 2


async def test_a_relays_lines_go_to_the_cluster_of_their_host(tmp_path: Path) -> None:
    sources = {
        "pg": {"cluster": "pg", "addresses": ["127.0.0.0/8"], "hosts": ["pm*"]},
        "web": {"cluster": "web", "addresses": ["127.0.0.1"], "hosts": ["web1", "web2"]},
    }
    inbox = MemoryInbox()
    async with receiving(tmp_path, inbox, source=sources) as receiver:
        for host in (b"pm01.example.com", b"web2", b"other"):
            await send_tcp(tcp(receiver), LINE.replace(b"pm01", host) + b"\n")
        await inbox.until(lambda: len(inbox.chunks) == 2)

        async def refused() -> int:
            return receiver.counted().refused[Refusal.CLUSTER]

        await eventually(refused, lambda count: count == 1)
        assert {(chunk.cluster, chunk.path) for chunk in inbox.chunks} == {("pg", "pm01.example.com"), ("web", "web2")}


async def test_a_stranger_is_refused_and_counted(tmp_path: Path) -> None:
    inbox = MemoryInbox()
    async with receiving(tmp_path, inbox, source={"pg": {"cluster": "pg", "addresses": ["192.0.2.1"]}}) as receiver:
        with contextlib.suppress(ConnectionError):  # it may be closed before all is sent
            await send_tcp(tcp(receiver), LINE + b"\n")
        send_udp(udp(receiver), LINE)

        async def refused() -> int:
            return receiver.counted().refused[Refusal.SOURCE]

        await eventually(refused, lambda count: count == 2)
        assert inbox.observations == []


async def test_a_sender_waits_while_the_inbox_has_no_room(tmp_path: Path) -> None:
    inbox = MemoryInbox(room=0)
    async with receiving(tmp_path, inbox) as receiver:
        data = b"".join(numbered(number) + b"\n" for number in range(200_000))
        sending = asyncio.create_task(send_tcp(tcp(receiver), data))
        await asyncio.wait([sending], timeout=0.5)
        assert not sending.done()  # some 19 MB do not fit into the buffers between
        await inbox.let_in(None)
        await inbox.until(lambda: inbox.data.count(b"\n") == 200_000)
        await sending


async def test_a_message_of_any_length_is_cut(tmp_path: Path) -> None:
    inbox = MemoryInbox()
    async with receiving(tmp_path, inbox, max_message_bytes=480) as receiver:
        await send_tcp(tcp(receiver), LINE + b"x" * 1_000_000 + b"\n" + numbered(1) + b"\n")
        await inbox.until(lambda: inbox.data.count(b"\n") == 2)
        assert len(inbox.data.splitlines()[0]) <= 480
        assert receiver.counted().refused[Refusal.OVERSIZED] == 1


async def test_too_many_senders_at_once_are_refused(tmp_path: Path) -> None:
    inbox = MemoryInbox()
    async with receiving(tmp_path, inbox, max_connections=1) as receiver:
        _, first = await asyncio.open_connection(*tcp(receiver))
        first.write(numbered(1) + b"\n")
        await inbox.until(lambda: bool(inbox.data))
        reader, second = await asyncio.open_connection(*tcp(receiver))
        with contextlib.suppress(ConnectionError):
            assert await reader.read() == b""
        assert receiver.counted().refused[Refusal.CONNECTIONS] == 1
        first.close()
        second.close()


async def test_datagrams_that_nobody_can_take_are_counted_and_told(tmp_path: Path) -> None:
    inbox, clock = MemoryInbox(), FakeClock()
    async with receiving(tmp_path, inbox, clock, max_per_second_per_source=1) as receiver:
        send_udp(udp(receiver), *(numbered(number) for number in range(50)))

        async def lost() -> int:
            return receiver.counted().refused[Refusal.RATE]

        await eventually(lost, lambda count: count >= 30)
        receiver.look({})
        send_udp(udp(receiver), numbered(100))
        await inbox.until(lambda: any(isinstance(item, SourceLost) for item in inbox.observations), 30)
        told = next(item for item in inbox.observations if isinstance(item, SourceLost))
        assert told.dropped >= 30
        clock.advance(601)
        receiver.look({})
        await inbox.until(lambda: any(isinstance(item, SourceBack) for item in inbox.observations), 30)


async def test_an_expected_node_that_is_silent_is_shown_and_told(tmp_path: Path) -> None:
    inbox, clock = MemoryInbox(), FakeClock()
    source = {"pg": {"cluster": "pg", "addresses": ["127.0.0.1"], "nodes": ["pm01", "pm02"]}}
    async with receiving(tmp_path, inbox, clock, source=source, silent_after_seconds=60) as receiver:
        await send_tcp(tcp(receiver), LINE.replace(b"pm01", b"pm01.example.com") + b"\n")
        await inbox.until(lambda: bool(inbox.data))
        assert {view.path: view.up for view in receiver.views()} == {"pm01.example.com": True, "pm02": False}
        clock.advance(61)
        receiver.look({})
        receiver.look({})
        await inbox.until(lambda: len([item for item in inbox.observations if isinstance(item, SourceLost)]) == 2, 30)
        reasons = {item.path: item.reason for item in inbox.observations if isinstance(item, SourceLost)}
        assert reasons == {"pm01.example.com": "no line for 60 s", "pm02": "no line was ever received from it"}
        send_udp(udp(receiver), LINE.replace(b"pm01", b"pm02"))
        await inbox.until(lambda: any(isinstance(item, SourceBack) for item in inbox.observations), 30)
        assert {view.path: view.up for view in receiver.views()} == {"pm01.example.com": False, "pm02": True}


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tls")
    for name in ("server", "client", "other"):
        subprocess.run(
            [
                *("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=hamon.test"),
                *("-addext", "subjectAltName=DNS:hamon.test", "-keyout", folder / f"{name}.key", "-out", folder / f"{name}.pem"),
            ],
            check=True,
            capture_output=True,
        )
    return folder


async def test_over_tls_only_who_shows_a_certificate_is_heard(tmp_path: Path, certificates: Path) -> None:
    inbox = MemoryInbox()
    settings: dict[str, Any] = {
        "listen": ("tls:127.0.0.1:0",),
        "certificate_file": certificates / "server.pem",
        "key_file": certificates / "server.key",
        "client_ca_file": certificates / "client.pem",
    }
    async with receiving(tmp_path, inbox, **settings) as receiver:
        good, wrong = (ssl.create_default_context(cafile=str(certificates / "server.pem")) for _ in range(2))
        good.load_cert_chain(certificates / "client.pem", certificates / "client.key")
        wrong.load_cert_chain(certificates / "other.pem", certificates / "other.key")
        with contextlib.suppress(OSError):
            await send_tcp(tcp(receiver), numbered(1) + b"\n", wrong)
        with contextlib.suppress(OSError):
            await send_tcp(tcp(receiver), numbered(2) + b"\n")
        await send_tcp(tcp(receiver), numbered(3) + b"\n", good)
        await inbox.until(lambda: bool(inbox.data))
        assert inbox.data.endswith(b" 3\n")
        assert receiver.counted().received["tls"] == 1


def test_what_would_be_of_two_clusters_is_refused() -> None:
    two = {"a": {"cluster": "a", "addresses": ["192.0.2.0/24"]}, "b": {"cluster": "b", "addresses": ["192.0.2.7"]}}
    with pytest.raises(ValidationError, match=r"source\.b and source\.a share addresses and name two clusters"):
        SyslogConfig.model_validate({"source": two})
    two["a"]["hosts"], two["b"]["hosts"] = ["a*"], ["b*"]
    assert SyslogConfig.model_validate({"source": two}).clusters == ["a", "b"]


@pytest.mark.parametrize(
    "wrong",
    [
        {"listen": ["5514"]},
        {"listen": ["tcp:localhost:5514"]},
        {"listen": ["relp:127.0.0.1:5514"]},
        {"listen": ["tls:127.0.0.1:6514"]},
        {"source": {}},
        {"source": {"a": {"cluster": "a", "addresses": ["somewhere"]}}},
        {"source": {"a": {"cluster": "a", "addresses": ["192.0.2.1"], "timezone": "Mars"}}},
    ],
)
def test_a_wrong_setting_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        SyslogConfig.model_validate({"source": HERE} | wrong)


def test_an_address_that_is_taken_and_a_certificate_that_is_none_are_named(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        config = SyslogConfig.model_validate({"listen": [f"tcp:127.0.0.1:{taken.getsockname()[1]}"], "source": HERE})
        with pytest.raises(ConfigError, match="cannot listen on tcp"):
            Syslog("nodes", config, FakeClock()).open(tmp_path)
    (tmp_path / "no.pem").write_text("nothing")
    files = {"certificate_file": tmp_path / "no.pem", "key_file": tmp_path / "no.pem"}
    config = SyslogConfig.model_validate({"listen": ["tls:127.0.0.1:0"], "source": HERE} | files)
    with pytest.raises(ConfigError, match="cannot be used"):
        Syslog("nodes", config, FakeClock()).open(tmp_path)


def test_silence_before_the_start_is_not_held_against_a_node(tmp_path: Path) -> None:
    clock = FakeClock()
    receiver = Syslog("nodes", SyslogConfig.model_validate({"source": HERE, "silent_after_seconds": 60}), clock)
    clock.advance(timedelta(seconds=59).total_seconds())
    receiver.look({})
    assert not receiver._told
