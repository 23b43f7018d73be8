"""Answering SNMP: sockets, users and views around a snapshot that is made anew every few seconds.

The laws: only addresses of the allowlist are answered, never version 1, never more than the view of the community or user, which needs at
least its level. Nothing can be written. pysnmp's own tables, with users and keys, are not reachable: the only context is ours.
"""

import asyncio
import ipaddress
import logging
import socket
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hamon.agent.numbers import Numbers
from hamon.agent.tables import SYSTEM, Moment, Snapshot, Value, snapshot
from hamon.clock import Clock
from hamon.errors import ConfigError, HamonError, Problem
from hamon.snmp import mib
from hamon.snmp.engine import add_community, add_user, new_engine, stop_engine
from hamon.snmp.local import Local
from hamon.snmp.mib import Oid
from hamon.snmp.pysnmp_values import to_pysnmp
from hamon.snmp.settings import AgentConfig, View, listen_address
from hamon.snmp.users import Level

if TYPE_CHECKING:
    from pysnmp.entity.engine import SnmpEngine

log = logging.getLogger(__name__)

MOST_OCTETS = 8192
Present = Callable[[], Awaitable[Moment]]
_V2C, _USM = 2, 3
"""Security models as SNMP-FRAMEWORK-MIB numbers them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """What a community or user may read, and how well protected it has to ask."""

    model: int
    level: int
    subtrees: Sequence[Oid]


class Agent:
    def __init__(self, config: AgentConfig, local: Local, clock: Clock, present: Present) -> None:
        self._config, self._local, self._clock, self._present = config, local, clock, present
        self._sources = [ipaddress.ip_network(text) for text in config.sources]
        self._numbers = Numbers(local.folder)
        self._socks: list[socket.socket] = []
        self._engine: SnmpEngine | None = None
        self._grants: dict[str, Grant] = {}
        self._snapshot = Snapshot()
        self.refused: Counter[str] = Counter()

    @property
    def addresses(self) -> Sequence[tuple[str, int]]:
        return [sock.getsockname()[:2] for sock in self._socks]

    def open(self) -> None:
        """Take the addresses and read the secrets. Blocking; raises ConfigError or IdentityError."""
        self._numbers.load()
        for text in self._config.listen:
            host, port = listen_address(text)
            sock = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM)
            self._socks.append(sock)
            try:
                sock.setblocking(False)
                sock.bind((host, port))
            except OSError as err:
                self.close()
                hint = "another program may answer there, snmpd for example; choose another port"
                message = f"cannot listen on {text}: {err.strerror}"
                raise ConfigError([Problem(id="address-not-available", key="snmp.agent.listen", message=message, hint=hint)]) from err
        try:
            self._engine, self._grants = _engine(self._config, self._local)
        except (OSError, ValueError) as err:
            self.close()
            reason = err.strerror if isinstance(err, OSError) else str(err)
            raise ConfigError([Problem(id="snmp-secret", key="snmp.agent", message=f"a secret cannot be used: {reason}")]) from err

    def close(self) -> None:
        for sock in self._socks:
            sock.close()
        self._socks.clear()

    async def run(self) -> None:
        """Answer until cancelled."""
        engine = self._engine
        assert engine is not None, "opened before"
        try:
            await self._serve(engine)
            while True:
                await self.refresh()
                await asyncio.sleep(self._config.refresh_seconds)
        finally:
            stop_engine(engine)
            self._socks.clear()
            await asyncio.sleep(0)  # lets the clock of the engine end

    async def refresh(self) -> None:
        """Look at what there is now."""
        try:
            moment = await self._present()
            self._snapshot = await asyncio.to_thread(self._made, moment)
        except HamonError as err:
            log.warning("the SNMP agent shows what was before", extra={"error": str(err)})

    def _made(self, moment: Moment) -> Snapshot:
        made = snapshot(self._local.root, moment, self._numbers, lambda: self._local.uptime(self._clock.now()))
        self._numbers.save()
        return made

    # -- the engine

    async def _serve(self, engine: "SnmpEngine") -> None:
        from pysnmp.carrier.asyncio.dgram import udp, udp6
        from pysnmp.carrier.asyncio.dispatch import AsyncioDispatcher
        from pysnmp.entity.rfc3413 import cmdrsp, context

        engine.register_transport_dispatcher(AsyncioDispatcher())
        ours = context.SnmpContext(engine)
        ours.context_names[b""] = _controller(self)
        for responder in (cmdrsp.GetCommandResponder, cmdrsp.NextCommandResponder, cmdrsp.BulkCommandResponder):
            responder(engine, ours)
        for number, sock in enumerate(self._socks, 1):
            base = udp6.DOMAIN_NAME if sock.family == socket.AF_INET6 else udp.DOMAIN_NAME
            domain = (*base, number)
            transport = _transport_class(sock.family)(self, engine, domain)
            transport.open_server_mode(sock=sock)
            await transport._lport
            engine.transport_dispatcher.register_transport(domain, transport)

    def refusal(self, data: bytes, address: tuple[Any, ...]) -> str | None:
        """Why a datagram is not looked at; None when it is."""
        if len(data) > MOST_OCTETS:
            return "oversized"
        sender = ipaddress.ip_address(str(address[0]).partition("%")[0])
        if not any(sender in network for network in self._sources if network.version == sender.version):
            return "source"
        if _version(data) not in (1, 3):
            return "version"
        return None

    def granted(self, engine: "SnmpEngine") -> Sequence[Oid]:
        """What the sender of the request at hand may read; nothing, when it may not."""
        request = engine.observer.get_execution_context("rfc3412.receiveMessage:request")
        grant = self._grants.get(str(request["securityName"]))
        if grant is None or int(request["securityModel"]) != grant.model or int(request["securityLevel"]) < grant.level:
            self.refused["level"] += 1
            return ()
        return grant.subtrees

    def get(self, oid: Oid) -> Value | None:
        return self._snapshot.get(oid)

    def after(self, oid: Oid, within: Sequence[Oid]) -> tuple[Oid, Value] | None:
        return self._snapshot.after(oid, within)


def _subtrees(root: Oid, view: Sequence[View]) -> Sequence[Oid]:
    places: Mapping[View, Oid] = {
        "system": SYSTEM,
        "gateway": (*root, *mib.GATEWAY),
        "cluster": (*root, *mib.CLUSTER),
        "incident": (*root, *mib.INCIDENT),
        "target": (*root, *mib.TARGET),
    }
    return sorted(places[part] for part in view)


def _engine(config: AgentConfig, local: Local) -> "tuple[SnmpEngine, dict[str, Grant]]":
    engine = new_engine(local.identity)
    grants = {}
    for name, community in config.community.items():
        # pysnmp knows the user of a message by its security name: a community gets one that no user can have.
        security_name = f"community {name}"
        add_community(engine, security_name, community.checked())
        grants[security_name] = Grant(model=_V2C, level=1, subtrees=_subtrees(local.root, community.view))
    for name, section in config.user.items():
        user = section.credentials(section.name or name)
        add_user(engine, user)
        level = {Level.NO_AUTH: 1, Level.AUTH: 2, Level.PRIV: 3}[user.level]
        grants[user.name] = Grant(model=_USM, level=level, subtrees=_subtrees(local.root, section.view))
    return engine, grants


def _version(data: bytes) -> int | None:
    """The version of a message, as far as it can be told: 0, 1 or 3 (RFC 3584, 5.1)."""
    if len(data) < 5 or data[0] != 0x30:
        return None
    start = 2 + (data[1] & 0x7F if data[1] & 0x80 else 0)
    return data[start + 2] if data[start : start + 2] == b"\x02\x01" and len(data) > start + 2 else None


def _controller(agent: Agent) -> Any:
    from pysnmp.proto.rfc1902 import ObjectName
    from pysnmp.proto.rfc1905 import endOfMibView, noSuchObject
    from pysnmp.smi.error import AuthorizationError
    from pysnmp.smi.instrum import AbstractMibInstrumController

    class Controller(AbstractMibInstrumController):  # type: ignore[misc]  # pysnmp says nothing of its types
        """The only thing that the agent can be asked for."""

        def read_variables(self, *binds: Any, **context: Any) -> Any:
            within = self._within(context)
            found = []
            for oid, _ in binds:
                wanted = tuple(oid)
                visible = any(wanted[: len(subtree)] == subtree for subtree in within)
                value = agent.get(wanted) if visible else None
                found.append((oid, noSuchObject if value is None else to_pysnmp(*value)))
            return found

        def read_next_variables(self, *binds: Any, **context: Any) -> Any:
            within = self._within(context)
            found = []
            for oid, _ in binds:
                following = agent.after(tuple(oid), within)
                found.append((oid, endOfMibView) if following is None else (ObjectName(following[0]), to_pysnmp(*following[1])))
            return found

        def _within(self, context: Mapping[str, Any]) -> Sequence[Oid]:
            within = agent.granted(context["snmpEngine"])
            if not within:
                raise AuthorizationError(idx=0)
            return within

    return Controller()


def _transport_class(family: int) -> Any:
    from pysnmp.carrier.asyncio.dgram.udp import UdpAsyncioTransport
    from pysnmp.carrier.asyncio.dgram.udp6 import Udp6AsyncioTransport

    base: Any = Udp6AsyncioTransport if family == socket.AF_INET6 else UdpAsyncioTransport

    class Gate(base):  # type: ignore[misc]  # pysnmp says nothing of its types
        """Gives pysnmp only what it may see, and keeps what it raises from the event loop."""

        def __init__(self, agent: Agent, engine: "SnmpEngine", domain: tuple[int, ...]) -> None:
            super().__init__()
            self._agent, self._snmp, self._domain = agent, engine, domain

        def datagram_received(self, datagram: bytes, address: tuple[Any, ...]) -> None:
            try:
                reason = self._agent.refusal(datagram, address)
                if reason is None:
                    self._snmp.message_dispatcher.receive_message(self._snmp, self._domain, self.ADDRESS_TYPE(address), datagram)
            except Exception:  # pysnmp raises many things for a message that is none
                reason = "malformed"
            if reason is not None:
                self._agent.refused[reason] += 1

    return Gate
