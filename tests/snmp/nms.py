"""A network management system for tests: net-snmp's snmptrapd on a port of its own, away from the configuration of this host."""

import asyncio
import contextlib
import os
import re
import signal
import socket
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from hamon.data import folder
from tests.peers import need

BASE = Path(__file__).parents[1] / "mibs"
AUTH, PRIV = "secret-auth", "secret-priv"


@dataclass(frozen=True, slots=True)
class Arrived:
    """One notification as snmptrapd wrote it, with the names of the MIB: `hamonNotifyKey` without instance."""

    sender: str
    name: str
    values: Mapping[str, str]
    order: Sequence[str]

    @property
    def uptime_hundredths(self) -> int:
        days, hours, minutes, seconds = self.values["sysUpTimeInstance" if "sysUpTimeInstance" in self.values else "sysUpTime"].split(":")
        return round((((int(days) * 24 + int(hours)) * 60 + int(minutes)) * 60 + float(seconds)) * 100)

    def __getitem__(self, name: str) -> str:
        return self.values[f"hamonNotify{name}"]


def free_port(host: str = "127.0.0.1") -> int:
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind((host, 0))
        return int(sock.getsockname()[1])


class Nms:
    """`lines` are configuration of snmptrapd beside its address and format."""

    def __init__(self, home: Path, lines: Sequence[str], port: int | None = None, host: str = "127.0.0.1") -> None:
        self.home, self.host, self.port = home, host, port or free_port(host)
        self._lines = list(lines)
        self._log = home / "traps.log"
        self._process: asyncio.subprocess.Process | None = None

    @property
    def address(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    async def start(self) -> None:
        self.home.mkdir(parents=True, exist_ok=True)
        (self.home / "cert_indexes").mkdir(exist_ok=True)
        form = "%b|%N|%w|%q|%W|%v\\n"
        transport = f"udp6:[{self.host}]" if ":" in self.host else f"udp:{self.host}"
        config = self.home / "snmptrapd.conf"
        config.write_text("\n".join([f"snmpTrapdAddr {transport}:{self.port}", *self._lines, f"format2 {form}", f"format1 {form}"]) + "\n")
        environ = {
            "PATH": os.environ.get("PATH", os.defpath),
            "MIBDIRS": f"{BASE}:{folder('mibs')}",
            "MIBS": "SNMPv2-MIB:HAMON-MIB:SNMP-COMMUNITY-MIB:PACEMAKER-MIB",
            "SNMPCONFPATH": str(self.home),
            "SNMP_PERSISTENT_DIR": str(self.home / "persistent"),
        }
        command = [need("snmptrapd"), "-C", "-c", str(config), "-f", "-n", "-Lf", str(self._log), "-A", "-Oq"]
        self._process = await asyncio.create_subprocess_exec(*command, env=environ, stdout=asyncio.subprocess.DEVNULL)
        await self.until(lambda: "NET-SNMP version" in self.text())

    async def stop(self) -> None:
        if self._process is not None and self._process.returncode is None:
            self._process.send_signal(signal.SIGTERM)
            await self._process.wait()
        self._process = None

    def text(self) -> str:
        return self._log.read_text(errors="replace") if self._log.exists() else ""

    def arrived(self) -> list[Arrived]:
        """Heartbeats and what else is told of the gateway left out: those with the number 0."""
        return [one for one in self.everything() if one.values.get("hamonNotifySequence") != "0"]

    def everything(self) -> list[Arrived]:
        return [_parsed(line) for line in self.text().splitlines() if "|" in line]

    async def until(self, is_reached: Callable[[], bool], seconds: float = 30) -> None:
        """Wait for what another process writes: it can only be looked at."""
        async with asyncio.timeout(seconds):
            while not is_reached():
                await asyncio.sleep(0.02)

    def relayed(self) -> list[Arrived]:
        return [one for one in self.everything() if not one.name.startswith("hamon")]

    async def has_relayed(self, count: int, seconds: float = 60) -> list[Arrived]:
        await self.until(lambda: len(self.relayed()) >= count, seconds)
        return self.relayed()

    async def has(self, count: int, seconds: float = 30) -> list[Arrived]:
        await self.until(lambda: len(self.arrived()) >= count, seconds)
        return self.arrived()


def _parsed(line: str) -> Arrived:
    sender, _, _, _, _, rest = line.split("|", 5)
    values: dict[str, str] = {}
    for part in rest.split("\t"):
        name, _, value = part.partition(" ")
        values[re.sub(r"^.*::|\.0$", "", name)] = value.strip('"')
    name = re.sub(r"^.*::", "", values.get("snmpTrapOID", ""))
    return Arrived(sender, name, values, tuple(values))


@contextlib.asynccontextmanager
async def running(nms: Nms) -> AsyncIterator[Nms]:
    await nms.start()
    try:
        yield nms
    finally:
        await nms.stop()


def users(engine_id: str, name: str = "hamon", auth: str = "SHA-256", priv: str = "AES", level: str = "priv") -> list[str]:
    """Lines that make a user known for TRAPs of that engine, and for INFORMs."""
    secrets = f'{name} {auth} "{AUTH}" {priv} "{PRIV}"'
    return [f"createUser -e {engine_id} {secrets}", f"createUser {secrets}", f"authUser log {name} {level}"]
