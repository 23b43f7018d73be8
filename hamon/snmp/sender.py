"""Sending notifications through pysnmp, each to exactly one named receiver, and telling what came of it.

pysnmp's own high-level call picks receivers by tag and then sends a notification to all that match, also with the credentials of another;
here every receiver has its own name, parameters and security name.
"""

import asyncio
import contextlib
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any

from hamon.errors import DeliveryError, DeliveryReason
from hamon.model.observation import VarBind
from hamon.snmp.engine import add_community, add_user, new_engine, stop_engine
from hamon.snmp.identity import Identity
from hamon.snmp.pysnmp_values import to_pysnmp
from hamon.snmp.users import Level, User

if TYPE_CHECKING:
    from pysnmp.entity.engine import SnmpEngine

UPTIME = "1.3.6.1.2.1.1.3.0"
TRAP_OID = "1.3.6.1.6.3.1.1.4.1.0"


@dataclass(frozen=True, slots=True, kw_only=True)
class Receiver:
    """Where notifications go and as whom: with `user` SNMPv3, with `community` SNMPv2c."""

    name: str
    host: str
    port: int
    community: str | None = None
    user: User | None = None
    bind: tuple[str, int] | None = None
    timeout_seconds: float = 2.0

    @property
    def address_text(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def overhead(self) -> int:
        """Octets of a message around its variables, at most."""
        if self.user is not None:
            # Headers, digest (48), salt and the padding of DES; two engine IDs; the user.
            return 150 + 2 * 32 + len(self.user.name.encode())
        return 40 + len((self.community or "").encode())


class Sender:
    """One receiver, with an engine and a client socket of its own; belongs to the event loop that it is first used in.

    An engine of its own, because pysnmp finds the keys of a user by its name alone: two receivers that know the same name with different
    passphrases cannot share one.
    """

    def __init__(self, identity: Identity, receiver: Receiver) -> None:
        self.identity, self.receiver = identity, receiver
        self._engine: SnmpEngine | None = None
        self._originator: Any = None
        self._transports: dict[int, Any] = {}
        self._address: tuple[str, int] | None = None
        self._starting = asyncio.Lock()

    async def send(self, binds: Sequence[VarBind], *, inform: bool, context_engine: bytes | None = None) -> None:
        """Send these variables, sysUpTime.0 and snmpTrapOID.0 first; an INFORM returns when it was acknowledged. Raises DeliveryError."""
        async with self._starting:
            if self._engine is None:
                await self._start()
            transport = await self._prepare()
        done: asyncio.Future[tuple[Any, Any]] = asyncio.get_running_loop().create_future()

        def answered(_engine: object, _handle: object, error: object, pdu: object, _context: object) -> None:
            if not done.done():
                done.set_result((error, pdu))

        from pysnmp.proto import error as pysnmp_errors
        from pysnmp.proto.rfc1902 import OctetString

        context = OctetString(context_engine) if context_engine is not None else None
        transport.errors.clear()
        try:
            self._originator.send_pdu(self._engine, NAME, context, b"", _pdu(binds, inform=inform), answered, None)
        except pysnmp_errors.StatusInformation as err:
            raise judged(str(type(err.get("errorIndication")).__name__), self.receiver) from err
        where = self.receiver.address_text
        if transport.errors:
            self._address = None
            raise DeliveryError(DeliveryReason.UNREACHABLE, f"cannot send to {where}: {transport.errors[0].strerror}")
        if not inform:
            return
        error, pdu = await done
        if error is not None:
            self._address = None  # the name may mean another address by now
            raise judged(str(type(error).__name__), self.receiver)
        from pysnmp.proto.api import v2c

        if status := int(v2c.apiPDU.get_error_status(pdu)):
            raise DeliveryError(DeliveryReason.REFUSED, f"the receiver answers with error status {status}", permanent=True)

    @property
    def address(self) -> str | None:
        """What the name of the receiver was resolved to; None when nothing was sent yet."""
        return self._address[0] if self._address is not None else None

    async def close(self) -> None:
        if self._engine is not None:
            stop_engine(self._engine)
            self._engine, self._address = None, None
            self._transports.clear()
            await asyncio.sleep(0)  # lets the clock of the engine end

    async def _start(self) -> None:
        engine, originator = await asyncio.to_thread(_make, self.identity, self.receiver)
        from pysnmp.carrier.asyncio.dispatch import AsyncioDispatcher

        engine.register_transport_dispatcher(AsyncioDispatcher())
        self._engine, self._originator = engine, originator

    async def _prepare(self) -> Any:
        """Make the address known to the engine, its name resolved; return the transport for it."""
        from pysnmp.entity import config

        receiver = self.receiver
        if self._address is not None:
            return self._transports[_family(self._address)]
        address = await _resolve(receiver)
        transport, domain = await self._transport(address)
        with contextlib.suppress(Exception):  # pysnmp has several for one that is not there
            config.delete_target_address(self._engine, NAME)
        timeout = round(receiver.timeout_seconds * 100)
        config.add_target_address(self._engine, NAME, domain, address, PARAMETERS, timeout=timeout, retryCount=0)
        self._address = address
        return transport

    async def _transport(self, address: tuple[str, int]) -> tuple[Any, tuple[int, ...]]:
        from pysnmp.carrier.asyncio.dgram import udp, udp6

        assert self._engine is not None
        family = _family(address)
        domain = udp.DOMAIN_NAME if family == socket.AF_INET else udp6.DOMAIN_NAME
        if (transport := self._transports.get(family)) is None:
            bound = self.receiver.bind or ("0.0.0.0" if family == socket.AF_INET else "::", 0)
            sock = socket.socket(family, socket.SOCK_DGRAM)
            try:
                sock.setblocking(False)
                if bound[1]:
                    # Several targets may be sent to from one port: each socket gets the answers of its own peer only.
                    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
                sock.bind(bound)
                if bound[1]:
                    sock.connect(address)
                transport = _transport_class(family)()
                transport.open_server_mode(sock=sock)
                await transport._lport
            except OSError as err:
                sock.close()
                raise DeliveryError(DeliveryReason.UNREACHABLE, f"cannot send from {bound[0]} port {bound[1]}: {err.strerror}") from err
            self._engine.transport_dispatcher.register_transport(domain, transport)
            self._transports[family] = transport
        return transport, domain


NAME, PARAMETERS = "receiver", "parameters"


REASONS = {
    "WrongDigest": (DeliveryReason.CREDENTIALS, "the receiver does not accept the digest: auth or auth_passphrase differ"),
    "UnknownUserName": (DeliveryReason.CREDENTIALS, "the receiver does not know the user"),
    "UnsupportedSecurityLevel": (DeliveryReason.CREDENTIALS, "the receiver does not know this level for the user"),
    "UnknownSecurityName": (DeliveryReason.CREDENTIALS, "the receiver does not know the user"),
    "DecryptionError": (DeliveryReason.CREDENTIALS, "the receiver cannot decrypt: priv or priv_passphrase differ"),
    "NotInTimeWindow": (DeliveryReason.REFUSED, "the receiver finds the message out of its time window"),
    "UnknownEngineID": (DeliveryReason.REFUSED, "the receiver does not tell its engine ID"),
}


def judged(error: str, receiver: Receiver) -> DeliveryError:
    """What pysnmp says, in our words. No answer may mean many things, and also that the notification did arrive."""
    if error == "RequestTimedOut":
        what = "the privacy passphrase, and the level that the receiver asks of the user" if receiver.user else "the community"
        return DeliveryError(DeliveryReason.TIMEOUT, f"no answer from {receiver.address_text}: it is away, or check {what}", unsure=True)
    reason, text = REASONS.get(error, (DeliveryReason.REFUSED, f"the exchange failed: {error}"))
    return DeliveryError(reason, text)


def _make(identity: Identity, receiver: Receiver) -> "tuple[SnmpEngine, Any]":
    from pysnmp.entity import config
    from pysnmp.entity.rfc3413.ntforg import NotificationOriginator

    engine = new_engine(identity)
    if receiver.user is not None:
        add_user(engine, receiver.user)
        config.add_target_parameters(engine, PARAMETERS, receiver.user.name, receiver.user.level.value, V3)
    else:
        add_community(engine, NAME, receiver.community or "")
        config.add_target_parameters(engine, PARAMETERS, NAME, Level.NO_AUTH.value, V2C)
    return engine, NotificationOriginator()


V2C, V3 = 1, 3
"""Message processing models as SNMP-FRAMEWORK-MIB numbers them."""


def _family(address: tuple[str, int]) -> int:
    return socket.AF_INET6 if ":" in address[0] else socket.AF_INET


async def _resolve(receiver: Receiver) -> tuple[str, int]:
    with contextlib.suppress(ValueError):
        ip_address(receiver.host.split("%")[0])
        return receiver.host, receiver.port
    try:
        found = await asyncio.get_running_loop().getaddrinfo(receiver.host, receiver.port, type=socket.SOCK_DGRAM)
    except OSError as err:
        raise DeliveryError(DeliveryReason.UNREACHABLE, "the name of the receiver is not known") from err
    address = found[0][4]
    return str(address[0]), int(address[1])


def _transport_class(family: int) -> Any:
    from pysnmp.carrier.asyncio.dgram.udp import UdpAsyncioTransport
    from pysnmp.carrier.asyncio.dgram.udp6 import Udp6AsyncioTransport

    base: Any = UdpAsyncioTransport if family == socket.AF_INET else Udp6AsyncioTransport

    class Transport(base):  # type: ignore[misc]  # pysnmp says nothing of its types
        """Keeps the errors of sending, which pysnmp drops."""

        def __init__(self) -> None:
            super().__init__()
            self.errors: list[OSError] = []

        def error_received(self, exc: OSError) -> None:
            self.errors[:] = [exc]

    return Transport


def _pdu(binds: Sequence[VarBind], *, inform: bool) -> Any:
    from pysnmp.proto.api import v2c

    pdu = v2c.InformRequestPDU() if inform else v2c.SNMPv2TrapPDU()
    v2c.apiPDU.set_defaults(pdu)
    v2c.apiPDU.set_varbinds(pdu, [(v2c.ObjectIdentifier(item.oid), to_pysnmp(item.type, item.value)) for item in binds])
    return pdu
