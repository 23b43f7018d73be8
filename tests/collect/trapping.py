"""A receiver of traps under test: on a real socket, with an inbox that a test can look into and hold up."""

import asyncio
import socket
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from hamon import snmp
from hamon.clock import Clock, SystemClock
from hamon.collect.snmp_trap import SnmpTrap
from hamon.collect.snmp_trap_config import SnmpTrapConfig
from hamon.model.observation import Trap
from tests.fakes import MemoryInbox
from tests.snmp.messages import octets, pdu, v2c, varbind

LOCAL = ["127.0.0.0/8", "::1"]
COMMUNITY = {"community": "pcmk", "sources": LOCAL}
READER = {"level": "authNoPriv", "auth_passphrase": "secret-auth", "sources": LOCAL, "name": "reader"}
"""The user of tests.snmp.messages.V3."""


class Reception:
    def __init__(self, collector: SnmpTrap, inbox: MemoryInbox) -> None:
        self.collector, self.inbox = collector, inbox
        self.addresses = collector.addresses
        self._sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._sock.setblocking(False)
        self._fences = 0

    @property
    def address(self) -> str:
        host, port = self.addresses[0]
        return f"{host}:{port}"

    @property
    def engine_id(self) -> bytes:
        identity = self.collector._identity
        assert identity is not None
        return identity.engine_id

    @property
    def traps(self) -> list[Trap]:
        """Without those that `settle` sent."""
        return [trap for trap in self.inbox.traps if trap.notification != "1.3.6.1.4.1.1.1"]

    @property
    def refused(self) -> Mapping[str, int]:
        """By reason, those that happened."""
        return {str(reason): count for reason, count in self.collector.counted().refused.items() if count}

    def send(self, *datagrams: bytes, source: str | None = None) -> None:
        """From an address of the loopback network, 127.0.0.1 unless another is given."""
        if source is None:
            for datagram in datagrams:
                self._sock.sendto(datagram, self.addresses[0])
            return
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.bind((source, 0))
            for datagram in datagrams:
                sock.sendto(datagram, self.addresses[0])

    async def answers(self, count: int) -> Sequence[bytes]:
        """What comes back to where `send` sends from."""
        loop = asyncio.get_running_loop()
        async with asyncio.timeout(20):
            return [await loop.sock_recv(self._sock, 65536) for _ in range(count)]

    def has_answer(self) -> bool:
        try:
            self._sock.recv(1, socket.MSG_PEEK)
        except BlockingIOError:
            return False
        return True

    async def until(self, count: int) -> list[Trap]:
        """Wait for so many traps."""
        await self.inbox.until(lambda: len(self.traps) >= count)
        return self.traps

    async def settle(self) -> None:
        """Wait until all that was sent was worked on: datagrams are taken in order, so a good one behind them tells."""
        self._fences += 1
        fence = v2c(pdu([varbind("1.3.6.1.4.1.1", octets(str(self._fences)))], notification="1.3.6.1.4.1.1.1"))
        self._sock.sendto(fence, self.addresses[0])
        await self.inbox.until(lambda: any(trap.varbinds[0].value == str(self._fences).encode() for trap in self._fenced()))

    def _fenced(self) -> list[Trap]:
        return [trap for trap in self.inbox.traps if trap.notification == "1.3.6.1.4.1.1.1"]

    def close(self) -> None:
        self._sock.close()


def settings(**given: Any) -> SnmpTrapConfig:
    base: dict[str, Any] = {"listen": ["127.0.0.1:0"], "cluster": "pg", "community": {"pcmk": COMMUNITY}}
    return SnmpTrapConfig.model_validate(base | given)


@asynccontextmanager
async def receiving(
    folder: Path, *, clock: Clock | None = None, inbox: MemoryInbox | None = None, **given: Any
) -> AsyncIterator[Reception]:
    """A receiver named "main" with the community "pcmk" for the loopback network, and what `given` changes about it."""
    config = settings(**given)
    clock = clock or SystemClock()
    if config.user:
        await asyncio.to_thread(snmp.start, folder, clock.now())
    collector = SnmpTrap("main", config, clock)
    await asyncio.to_thread(collector.open, folder)
    reception = Reception(collector, inbox or MemoryInbox())
    running = asyncio.create_task(collector.run(reception.inbox))
    try:
        yield reception
    finally:
        reception.close()
        running.cancel()
        await asyncio.wait([running])
        collector.close()
        if not running.cancelled() and (error := running.exception()) is not None:
            raise error
