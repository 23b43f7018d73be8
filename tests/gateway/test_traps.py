"""Traps from the socket to the page: what was acknowledged is stored, whatever happens; what cannot be stored is not acknowledged."""

import asyncio
import contextlib
import socket
import sqlite3
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from random import Random
from typing import Any

import pytest

from hamon.parse.trap import RESPONSE, decode
from tests.gateway.harness import CLUSTER, Gateway, eventually, now, run_command, until
from tests.snmp.messages import PACEMAKER, TRAP, integer, net_snmp, octets, pdu, v2c, varbind

NOTHING = integer(2147483647)
V3 = ["-v", "3", "-u", "pcmk", "-l", "authPriv", "-a", "SHA-256", "-A", "secret-auth", "-x", "AES", "-X", "secret-priv"]


def change(value: str) -> list[bytes]:
    """An attribute of a node changed, as Pacemaker's sample agent tells it."""
    texts = {1: "pm01", 2: "n/a", 3: "n/a", 4: "n/a", 8: "counter", 9: value}
    return [varbind(f"{PACEMAKER}.1.{i}", octets(texts[i]) if i in texts else NOTHING) for i in range(1, 10)]


def arguments(value: str) -> list[str]:
    """The same for net-snmp's programs."""
    texts = {1: "pm01", 2: "n/a", 3: "n/a", 4: "n/a", 8: "counter", 9: value}
    named = [(f"{PACEMAKER}.1.{i}", *(("s", texts[i]) if i in texts else ("i", "2147483647"))) for i in range(1, 10)]
    return ["", TRAP, *(word for three in named for word in three)]


def free_udp_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def receiver(folder: Path, port: int, **more: Any) -> Gateway:
    limits = {"max_per_second": 0, "max_per_second_per_source": 0}
    given: dict[str, Any] = {
        "collect__snmp_trap__traps": {"listen": [f"127.0.0.1:{port}"], "cluster": CLUSTER, **limits},
        "collect__snmp_trap__traps__community__pcmk": {"community": "pcmk", "sources": ["127.0.0.0/8"]},
        "collect__snmp_trap__traps__user__pcmk": {
            "auth_passphrase": "secret-auth",
            "priv_passphrase": "secret-priv",
            "sources": ["127.0.0.0/8"],
        },
    }
    return Gateway(folder, (), **given, **more)


class Sender:
    """Sends informs of v2c, each with a number of its own, and notes which were acknowledged."""

    def __init__(self, port: int) -> None:
        self._sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._sock.setblocking(False)
        self._port = port
        self.sent = 0
        self.acknowledged: set[int] = set()

    def send(self) -> None:
        self.sent += 1
        body = pdu(change(str(self.sent)), tag=0xA6, request=self.sent)
        with contextlib.suppress(OSError):  # nobody listens while it is killed
            self._sock.sendto(v2c(body), ("127.0.0.1", self._port))

    def listen(self) -> None:
        """Take the answers that are there."""
        while True:
            try:
                answer = self._sock.recv(65536)
            except BlockingIOError:
                return
            except OSError:
                continue
            at = answer.index(b"pcmk") + 4
            assert answer[at] == RESPONSE
            number = decode(answer[:at] + b"\xa6" + answer[at + 1 :]).request_id
            assert number is not None
            self.acknowledged.add(number)

    async def heard(self) -> set[int]:
        self.listen()
        return self.acknowledged

    async def storm(self, seconds: float) -> None:
        end = now() + timedelta(seconds=seconds)
        while now() < end:
            for _ in range(5):
                self.send()
            self.listen()
            await asyncio.sleep(0.01)

    def close(self) -> None:
        self._sock.close()


@contextlib.asynccontextmanager
async def sending(port: int) -> AsyncIterator[Sender]:
    sender = Sender(port)
    try:
        yield sender
    finally:
        sender.close()


async def values(gateway: Gateway) -> set[str]:
    """Which changes the history holds."""
    return {str(event["detail"]["new"]) for event in await gateway.events() if event["kind"] == "attribute_changed"}


@pytest.mark.parametrize(("seed", "kills"), [(1, 3), pytest.param(2, 25, marks=pytest.mark.full)])
async def test_whatever_was_acknowledged_before_a_kill_9_is_stored(seed: int, kills: int, tmp_path: Path) -> None:
    chance, port, secured = Random(seed), free_udp_port(), 0
    async with receiver(tmp_path, port) as gateway, sending(port) as sender:

        async def kill() -> None:
            for _ in range(kills):
                await until(now() + timedelta(seconds=chance.uniform(0.3, 1.5)))
                await gateway.kill()
                await gateway.launch()
                await gateway.is_ready()

        async def storm() -> None:
            while not killing.done():
                await sender.storm(0.1)

        async def secure() -> int:
            """Informs of SNMPv3 by net-snmp's own program, which says whether it had an answer."""
            count, known = 0, 0
            while not killing.done():
                count += 1
                words = [*V3, "-r", "1", "-t", "0.5", f"127.0.0.1:{port}", *arguments(f"secure {count}")]
                said = await net_snmp("snmpinform", *words, home=tmp_path)
                if said.status == 0:
                    known += 1
                    acknowledged.add(f"secure {count}")
            return known

        acknowledged: set[str] = set()
        killing = asyncio.create_task(kill())
        _, _, secured = await asyncio.gather(killing, storm(), secure())
        await sender.storm(0.2)
        await eventually(sender.heard, lambda heard: {sender.sent} <= heard)
        stored = await values(gateway)
        assert {str(number) for number in sender.acknowledged} <= stored
        assert acknowledged <= stored
        # It was a storm, and it was interrupted.
        assert len(sender.acknowledged) > 100
        assert len(sender.acknowledged) < sender.sent
        assert secured > 0


async def test_an_inform_that_the_history_cannot_take_is_not_acknowledged_until_it_can(tmp_path: Path) -> None:
    port = free_udp_port()
    gateway = receiver(tmp_path, port, store={"url": f"sqlite:///{tmp_path}/hamon.db?timeout=1"})  # seconds to wait for a lock
    gateway.configure()
    status, said_so = await run_command("db", "upgrade", "--config", str(gateway.file))
    assert status == 0, said_so
    async with gateway, sending(port) as sender:
        with contextlib.closing(sqlite3.connect(tmp_path / "hamon.db", timeout=30, isolation_level=None)) as other:
            other.execute("BEGIN EXCLUSIVE")
            sender.send()
            said = await net_snmp("snmpinform", *V3, "-r", "2", "-t", "0.5", f"127.0.0.1:{port}", *arguments("in vain"), home=tmp_path)
            assert said.status == 1
            assert "Timeout" in said.error
            await gateway.says("the history cannot be written")
            sender.listen()
            assert sender.acknowledged == set()
            waiting = asyncio.create_task(
                net_snmp("snmpinform", *V3, "-r", "60", "-t", "0.5", f"127.0.0.1:{port}", *arguments("patient"), home=tmp_path)
            )
            other.execute("ROLLBACK")
        assert (await waiting).status == 0
        await eventually(sender.heard, lambda heard: heard == {1})
        assert {"1", "in vain", "patient"} <= await values(gateway)
        # What came again and again is there once.
        assert len([event for event in await gateway.events() if event["detail"].get("new") == "in vain"]) == 1


async def test_an_address_that_is_taken_stops_the_start_with_key_and_remedy(tmp_path: Path) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        other.bind(("127.0.0.1", 0))
        gateway = receiver(tmp_path, other.getsockname()[1])
        await gateway.launch()
        assert await gateway.ended() == 2
        assert "collect.snmp_trap.traps.listen[0]" in gateway.said()
        assert "hint: another program (snmptrapd" in gateway.said()
        assert "Traceback" not in gateway.said()


async def test_pages_api_and_metrics_show_who_sends_who_never_did_and_what_was_refused(tmp_path: Path) -> None:
    port = free_udp_port()
    nodes: dict[str, dict[str, object]] = {
        "collect__snmp_trap__traps__source__a": {"addresses": ["127.0.0.1"], "node": "pm01"},
        "collect__snmp_trap__traps__source__b": {"addresses": ["127.0.0.2"], "node": "pm02"},
    }
    async with receiver(tmp_path, port, **nodes) as gateway:
        for community in ("pcmk", "a-wrong-one"):
            await net_snmp("snmptrap", "-v", "2c", "-c", community, f"127.0.0.1:{port}", *arguments("one"), home=tmp_path)

        async def counted() -> dict[str, float]:
            return await gateway.metrics()

        numbers = await eventually(counted, lambda found: found['hamon_traps_refused_total{collector="traps",reason="community"}'])
        assert numbers['hamon_traps_received_total{collector="traps",version="2c"}'] == 1
        assert numbers[f'hamon_source_up{{cluster="{CLUSTER}",collector="traps",path="pm01"}}'] == 1
        assert numbers[f'hamon_source_up{{cluster="{CLUSTER}",collector="traps",path="pm02"}}'] == 0
        sources = {source["path"]: source for source in (await gateway.json("/api/v1/sources"))["sources"]}
        assert sources["pm02"]["reason"] == "no trap was ever received from it"
        assert "pm02" in await gateway.page("/")
        assert "a-wrong-one" not in gateway.said()
        assert "secret-auth" not in gateway.said()
