"""Traps from the socket to the committed row, beside snmptrapd writing to a file: equal datagrams and receive buffers, no limits."""

import asyncio
import contextlib
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import httpx

from tests.peers import need
from tests.snmp.messages import PACEMAKER, V3, integer, octets, pdu, v2c, varbind


def _buffer() -> int:
    """The largest that the kernel gives to whoever asks, so that both have the same."""
    return min(16 * 1024 * 1024, int(Path("/proc/sys/net/core/rmem_max").read_text(encoding="ascii")))


BUFFER = _buffer()
_CLOCK_TICKS = os.sysconf("SC_CLK_TCK")


def bodies(count: int) -> Iterator[bytes]:
    """Traps as Pacemaker's sample agent sends them, 12 variables each, no two alike: attribute changes and starts of 300 resources."""
    date = _date()
    nothing = integer(2147483647)
    for number in range(count):
        if number % 2:
            texts = {1: f"node{number % 3}", 2: "n/a", 3: "n/a", 4: "n/a", 8: "master-prmStateful", 9: str(number)}
        else:
            texts = {1: f"node{number % 3}", 2: f"prm{number % 300}", 3: "start", 4: "ok", 8: "n/a", 9: "n/a"}
        status = nothing if number % 2 else integer(0)
        payload = [varbind(f"{PACEMAKER}.1.{i}", octets(texts[i]) if i in texts else status) for i in range(1, 10)]
        payload.append(varbind("1.3.6.1.2.1.25.1.2", octets(date)))
        yield pdu(payload, request=number, uptime=1_000_000 + number)


def _date() -> bytes:
    """DateAndTime (RFC 2579) of this moment, to a tenth of a second."""
    now = datetime.now(UTC)  # noqa: TID251 - the machine's own traffic
    return now.year.to_bytes(2, "big") + bytes([now.month, now.day, now.hour, now.minute, now.second, now.microsecond // 100_000])


def cpu_seconds(pid: int) -> float:
    """Of a process with all its threads, since it started (proc(5): utime and stime)."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _CLOCK_TICKS


def send(port: int, messages: Sequence[bytes], per_second: int, *, dated: bool) -> None:
    """Send from this process, at an even pace; 0: as fast as it goes. `dated`: each ends with a date, which becomes that of its sending."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.connect(("127.0.0.1", port))
        began = time.perf_counter()
        for start in range(0, len(messages), 100):
            date = _date()
            for message in messages[start : start + 100]:
                sock.send(message[: -len(date)] + date if dated else message)
            if per_second and (wait := began + (start + 100) / per_second - time.perf_counter()) > 0:
                time.sleep(wait)


def free_port(kind: socket.SocketKind = socket.SOCK_DGRAM) -> int:
    with socket.socket(socket.AF_INET, kind) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    sent: int
    stored: int
    cpu_per_trap: float
    """Microseconds."""
    seconds: float
    page_p95: float = 0.0
    """Milliseconds."""

    def __str__(self) -> str:
        return f"{self.cpu_per_trap:.1f} us CPU, {self.sent - self.stored} lost of {self.sent:,}"


def beside(count: int, per_second: int) -> Result:
    """The peer: snmptrapd, logging to a file."""
    with tempfile.TemporaryDirectory() as name:
        folder, port = Path(name), free_port()
        log = folder / "traps.log"
        (folder / "snmptrapd.conf").write_text(f"authCommunity log pcmk\nserverRecvBuf {BUFFER}\n", encoding="ascii")
        environment = {"PATH": os.environ.get("PATH", ""), "MIBS": "", "SNMPCONFPATH": name, "SNMP_PERSISTENT_DIR": name}
        command = [
            need("snmptrapd"),
            "-C",
            "-c",
            str(folder / "snmptrapd.conf"),
            "-f",
            "-n",
            "-Lf",
            str(log),
            "-OQn",
            f"udp:127.0.0.1:{port}",
        ]
        process = subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL)
        try:
            while not log.exists() or b"NET-SNMP" not in log.read_bytes():
                time.sleep(0.05)
            before, began = cpu_seconds(process.pid), time.perf_counter()
            _sender(port, count, per_second)
            stored = -1
            while (now := log.read_bytes().count(b".1.3.6.1.6.3.1.1.4.1.0")) < count and now != stored:
                stored = now
                time.sleep(1)
            return Result(sent=count, stored=now, cpu_per_trap=_each(process.pid, before, now), seconds=time.perf_counter() - began)
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(10)


def _sender(port: int, count: int, per_second: int, version: str = "2c") -> None:
    """Send from a process of its own, so that its CPU time is nobody's."""
    command = [sys.executable, "-m", "tests.bench.traps", str(port), str(count), str(per_second), version]
    subprocess.run(command, check=True)


def _each(pid: int, before: float, count: int) -> float:
    return (cpu_seconds(pid) - before) / max(1, count) * 1e6


def gateway(count: int, per_second: int, *, version: str = "2c", pages: bool = False, buffer: int = BUFFER) -> Result:
    """hamon as it runs; with `pages`, its overview is asked for ten times a second meanwhile, and that is in the CPU time too."""
    return asyncio.run(_gateway(count, per_second, version, pages=pages, buffer=buffer))


async def _gateway(count: int, per_second: int, version: str, *, pages: bool, buffer: int) -> Result:
    with tempfile.TemporaryDirectory() as name:
        folder, port, web = Path(name), free_port(), free_port(socket.SOCK_STREAM)
        (folder / "hamon.toml").write_text(_CONFIG.format(web=web, port=port, buffer=buffer), encoding="utf-8")
        command = [sys.executable, "-m", "hamon", "run", "--config", str(folder / "hamon.toml")]
        process = subprocess.Popen(command, env=os.environ | {"STATE_DIRECTORY": str(folder / "state")}, stderr=subprocess.DEVNULL)
        database = folder / "state" / "hamon.db"
        try:
            async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{web}", timeout=30) as client:
                await _ready(client)
                (await client.get("/")).raise_for_status()  # the pages are loaded once
                before, began = cpu_seconds(process.pid), time.perf_counter()
                async with _asking(client, pages) as taken:
                    await asyncio.to_thread(_sender, port, count, per_second, version)
                    stored = await _stored(database, count)
                    seconds = time.perf_counter() - began
            slow = sorted(taken)[int(len(taken) * 0.95)] * 1000 if taken else 0.0
            each = _each(process.pid, before, stored)
            return Result(sent=count, stored=stored, cpu_per_trap=each, seconds=seconds, page_p95=slow)
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(10)


async def _ready(client: httpx.AsyncClient) -> None:
    async with asyncio.timeout(60):
        while True:
            with contextlib.suppress(httpx.TransportError):
                if (await client.get("/readyz")).status_code == 200:
                    return
            await asyncio.sleep(0.05)


@contextlib.asynccontextmanager
async def _asking(client: httpx.AsyncClient, pages: bool) -> AsyncIterator[list[float]]:
    """Ask for the overview again and again; gives the list of seconds that the answers took."""
    taken: list[float] = []

    async def ask() -> None:
        while True:
            began = time.perf_counter()
            (await client.get("/")).raise_for_status()
            taken.append(time.perf_counter() - began)
            await asyncio.sleep(max(0.0, 0.1 - taken[-1]))

    asking = asyncio.create_task(ask()) if pages else None
    try:
        yield taken
    finally:
        if asking is not None:
            asking.cancel()
            await asyncio.gather(asking, return_exceptions=True)


async def _stored(database: Path, count: int) -> int:
    """Wait until so many rows are committed, or no more come; return how many there are."""
    stored, quiet = 0, 0
    while stored < count and quiet < 10:
        await asyncio.sleep(0.5)
        now = await asyncio.to_thread(_rows, database)
        stored, quiet = now, quiet + 1 if now == stored else 0
    return stored


def _rows(database: Path) -> int:
    with contextlib.closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as connection:
        return int(connection.execute("SELECT count(*) FROM events WHERE source = 'trap'").fetchone()[0])


_CONFIG = """
[web]
listen = "127.0.0.1:{web}"
[cluster.bench]
[collect.snmp_trap.bench]
listen = ["127.0.0.1:{port}"]
cluster = "bench"
receive_buffer_bytes = {buffer}
max_per_second = 0
max_per_second_per_source = 0
[collect.snmp_trap.bench.community.bench]
community = "pcmk"
sources = ["127.0.0.1"]
[collect.snmp_trap.bench.user.reader]
auth_passphrase = "secret-auth"
priv_passphrase = "secret-priv"
sources = ["127.0.0.1"]
"""


def main(port: int, count: int, per_second: int, version: str) -> None:
    if version == "3":
        messages = [
            V3(time=1000 + number // 100, message_id=number, privacy="secret-priv").message(body)
            for number, body in enumerate(bodies(count))
        ]
    else:
        messages = [v2c(body) for body in bodies(count)]
    send(port, messages, per_second, dated=version != "3")


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), sys.argv[4])
