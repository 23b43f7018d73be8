"""Tell a network management system by SNMP: notifications of HAMON-MIB, one raise and one clear for every incident.

The laws: a number is kept before it is sent and belongs to one notification for ever; what the receiver was told is kept before a delivery
counts as handed over, so that a clear follows exactly a raise. A TRAP is handed over when it is sent; an INFORM when it was acknowledged.
"""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Literal, Self, TypeVar

from pydantic import AfterValidator, Field, SecretStr, field_validator, model_validator
from pydantic_core import PydanticCustomError

from hamon import __version__
from hamon.classify.routes import Target
from hamon.clock import Clock
from hamon.errors import DeliveryError, DeliveryReason
from hamon.model.delivery import Notification
from hamon.model.incident import Incident, IncidentKind, IncidentState, Notice, Outcome, Severity
from hamon.model.observation import Trap, VarBind, VarType
from hamon.notify.target import TargetSection
from hamon.snmp import alarm, mib
from hamon.snmp.alarm import Envelope
from hamon.snmp.identity import IdentityError
from hamon.snmp.local import Local
from hamon.snmp.mib import Note, Var
from hamon.snmp.relayed import annotated, without_community
from hamon.snmp.sender import TRAP_OID, UPTIME, Receiver, Sender
from hamon.snmp.settings import check_community, parse_oid
from hamon.snmp.stream import Stream, Told, again
from hamon.snmp.users import UserSection
from hamon.snmp.values import size, text, unsigned

log = logging.getLogger(__name__)

T = TypeVar("T")

STOP_SECONDS = 1.0


def parse_address(given: str, default_port: int) -> tuple[str, int]:
    """Host and port of `host`, `host:port`, `[v6]:port` or a bare IPv6 address. Raises ValueError.

    >>> parse_address("192.0.2.10", 162), parse_address("[::1]:1162", 162), parse_address("nms.example:163", 162)
    (('192.0.2.10', 162), ('::1', 1162), ('nms.example', 163))
    """
    given = given.strip()
    if given.startswith("["):
        host, bracket, rest = given[1:].partition("]")
        port = rest[1:] if rest.startswith(":") else ""
        if not bracket or (rest and not rest.startswith(":")):
            raise ValueError("an IPv6 address with a port is written [2001:db8::1]:162")
    elif given.count(":") > 1:
        host, port = given, ""
    else:
        host, _, port = given.partition(":")
    if not host or any(char.isspace() or char in "/@" for char in host):
        raise ValueError("must be an address or name, with or without a port: 192.0.2.10:162")
    if port and not (port.isascii() and port.isdigit() and 0 < int(port) < 65536):
        raise ValueError("a port is a number from 1 to 65535")
    return host, int(port) if port else default_port


def _oid(text: str) -> str:
    return ".".join(map(str, parse_oid(text)))


class SnmpTrapConfig(TargetSection, UserSection):
    """`[notify.snmp_trap.NAME]`: send notifications of HAMON-MIB to a network management system."""

    address: str = Field(examples=["192.0.2.10:162"])
    """Address or name of the receiver, with its port; without one 162."""

    version: Literal["2c", "3"] = "3"
    """SNMP version: 2c, with a community that anyone on the way can read, or 3."""

    kind: Literal["trap", "inform"] = "inform"
    """An inform is acknowledged by the receiver, and sent again until it is; a trap is not."""

    community: SecretStr | None = None
    """Community, for version 2c."""

    community_file: Path | None = None
    """File that holds the community."""

    allow_default_community: bool = False
    """Whether the communities public and private are allowed."""

    user: str = Field(default="hamon", min_length=1, max_length=32)
    """Name of the user, for version 3."""

    heartbeat_seconds: int = Field(default=300, ge=0, le=86400)
    """Seconds between two heartbeats; 0 for none."""

    timeout_seconds: float = Field(default=2.0, ge=0.1, le=20)
    """Seconds to wait for each acknowledgement."""

    retries: int = Field(default=2, ge=0, le=5)
    """How often an INFORM is repeated at once, before it is tried again later."""

    repeat: int = Field(default=1, ge=1, le=3)
    """How often a TRAP is sent, under one number, a second apart."""

    max_pending: int = Field(default=10_000, ge=10, le=1_000_000)
    """Notifications that may wait; above it steps of one incident that a later one overtook are dropped."""

    max_per_second: float = Field(default=50.0, ge=0, le=10_000)
    """Notifications in a second at most, so that a receiver that comes back is not flooded; 0 for no limit."""

    max_message_octets: int = Field(default=1400, ge=484, le=8192)
    """Octets of a message at most; texts and then names are cut for it, but never the key and the cluster."""

    bind: str | None = Field(default=None, examples=["192.0.2.1"])
    """Address to send from, with or without a port; without one the system chooses."""

    mode: Annotated[tuple[Literal["alarms", "relay"], ...], Field(min_length=1)] = ("alarms",)
    """What is sent: alarms are hamon's own notifications of incidents, relay the traps of clusters as they came."""

    annotate: bool = True
    """Whether relayed traps carry at their end who sent them first, as in RFC 3584, and that they went through hamon."""

    relay_notifications: tuple[Annotated[str, AfterValidator(_oid)], ...] = Field(default=(), examples=[["1.3.6.1.4.1.32723"]])
    """Relay only notifications below these object identifiers; none: all."""

    relay_community: str = ""
    """Value of snmpTrapCommunity.0 in relayed traps; the community that they came with is never told."""

    allow_downgrade: bool = False
    """Whether traps that came by SNMPv3 may be relayed by version 2c, where anyone on the way can read them."""

    accept_hamon: bool = False
    """Whether notifications of another hamon are relayed."""

    @field_validator("address")
    @classmethod
    def _is_address(cls, address: str) -> str:
        parse_address(address, 162)
        return address

    @field_validator("bind")
    @classmethod
    def _is_bind(cls, given: str | None) -> str | None:
        if given is not None:
            parse_address(given, 0)
        return given

    def _wants_v3_secrets(self) -> bool:
        return self.version == "3"

    @model_validator(mode="after")
    def _has_credentials(self) -> Self:
        if self.version == "2c":
            if self.community is None and self.community_file is None:
                raise PydanticCustomError("missing-community", "version 2c needs community_file (or community)")
            if self.community is not None:
                check_community(self.community.get_secret_value(), allow_default=self.allow_default_community)
        return self

    def target(self, name: str) -> Target:
        """In order, so that a receiver that was away gets everything as it happened; and told when an incident becomes part of another."""
        target = super().target(name).for_alarms(self.max_pending)
        return target if "alarms" in self.mode else replace(target, kinds=())

    def receiver(self, name: str) -> Receiver:
        """With its secrets, which are read now. Raises OSError or ValueError."""
        host, port = parse_address(self.address, 162)
        community = user = None
        if self.version == "3":
            user = self.credentials(self.user)
        else:
            community = self.secret("community") or ""
            check_community(community, allow_default=self.allow_default_community)
        return Receiver(
            name=name,
            host=host,
            port=port,
            community=community,
            user=user,
            bind=parse_address(self.bind, 0) if self.bind else None,
            timeout_seconds=self.timeout_seconds,
        )


@dataclass(frozen=True, slots=True)
class _Act:
    """One notification of a delivery, and what the receiver knows after it."""

    number: int
    told: Told | None


OpenIncidents = Callable[[], Awaitable[Mapping[Severity, int]]]


class SnmpTrapNotifier:
    """Tells a network management system by SNMP: raises, clears, heartbeats, and traps that are passed on."""

    def __init__(self, name: str, config: SnmpTrapConfig, clock: Clock) -> None:
        self._name, self.config, self._clock = name, config, clock
        self._local: Local | None = None
        self._stream: Stream | None = None
        self._sender: Sender | None = None
        self._one_at_a_time = asyncio.Lock()
        self._next_at = 0.0

    def attach(self, local: Local) -> None:
        """Give it the SNMP entity that it speaks as; before anything is sent."""
        self._local = local
        self._stream = Stream(local.folder / "snmp_trap" / f"{self._name}.jsonl")

    # -- notifications of incidents

    async def send(self, notification: Notification) -> None:
        async with self._one_at_a_time:
            local, stream = self._entity()
            incident = notification.transition.incident
            await self._keep(stream.load)
            if notification.test:
                await self._send_test(notification)
                return
            for act in plan(notification, stream.told(identity_of(incident)), notification.language):
                await self._tell(local, stream, notification, act)

    async def _tell(self, local: Local, stream: Stream, notification: Notification, act: _Act) -> None:
        incident = notification.transition.incident
        number, had = await self._keep(lambda: stream.number(f"{notification.id}#{act.number}"))
        known = stream.told(identity_of(incident))
        envelope = Envelope(
            sequence=number,
            at=notification.transition.at,
            forwarder=local.identity.engine_id,
            count=act.told.count if act.told is not None else (known.count if known is not None else 0) + 1,
            restated=had and notification.repeated,
        )
        binds = alarm.of_incident(local.root, act.number, incident, notification.subject, notification.language, envelope)
        await self._hand_over(act.number, binds)
        await self._keep(lambda: stream.tell(identity_of(incident), act.told))

    async def _send_test(self, notification: Notification) -> None:
        """A raise or clear with a label, of a kind that no rule of a receiver pages for; the raise after a hamonTest."""
        local, stream = self._entity()
        is_clear = notification.transition.notice is Notice.CLOSING
        incident = notification.transition.incident
        for number in (mib.OTHER_ALARM + 1,) if is_clear else (Note.TEST, mib.OTHER_ALARM):
            sequence, _ = await self._keep(lambda number=number: stream.number(f"{notification.id}#{number}"))  # type: ignore[misc]
            envelope = Envelope(sequence=sequence, at=notification.transition.at, forwarder=local.identity.engine_id)
            if number is Note.TEST:
                binds = self._gateway_binds(notification, sequence)
            else:
                binds = alarm.of_incident(local.root, number, incident, notification.subject, notification.language, envelope)
            await self._hand_over(number, binds)

    def _gateway_binds(self, notification: Notification, sequence: int = 0) -> list[VarBind]:
        local, _ = self._entity()
        envelope = Envelope(sequence=sequence, at=notification.transition.at, forwarder=local.identity.engine_id)
        version: dict[Var, alarm.Value] = {Var.VERSION: (VarType.OCTET_STRING, text(__version__))}
        return alarm.of_gateway(local.root, Note.TEST, notification.subject, envelope, version)

    async def test(self, raised: Notification, cleared: Notification) -> list[str]:
        """Send a labelled raise and clear, and say what came back. Raises DeliveryError.

        A TRAP has no answer. So the same goes out as INFORM too, with the same credentials: an answer proves that they are right.
        """
        local, _ = self._entity()
        receiver = (await self._prepared()).receiver
        loop = asyncio.get_running_loop()
        began = loop.time()
        await self.send(raised)
        await self.send(cleared)
        as_whom = f"as user {receiver.user.name}, {receiver.user.level}" if receiver.user else "with the community"
        where = f"{receiver.address_text} (SNMPv{self.config.version}, {as_whom})"
        if self.config.kind == "inform":
            milliseconds = (loop.time() - began) * 1000
            return [f"{where} acknowledged hamonTest, a raise and its clear within {milliseconds:.0f} ms"]
        said = [f"hamonTest, a raise and its clear were sent to {where} as TRAPs, which nobody acknowledges"]
        if self.config.version == "3":
            said.append(f"the receiver must know the user under the engine ID {local.identity.engine_id_text} (createUser -e)")
        try:
            head = await self._whole(Note.TEST, self._gateway_binds(raised))
            await (await self._prepared()).send(head, inform=True)
        except DeliveryError as err:
            said.append(f"the same as INFORM was not acknowledged ({err.reason}): {err}; or the receiver takes no INFORM")
        else:
            said.append("the same as INFORM was acknowledged: address and credentials are right")
        return said

    # -- notifications of the gateway itself

    async def run(self, open_incidents: OpenIncidents) -> None:
        """Say that the gateway has started, then that it lives, until cancelled; then that it stops. None of it is tried again."""
        await self._say(Note.STARTED, "hamon has started")
        interval = self.config.heartbeat_seconds
        try:
            while True:
                if not interval:
                    await asyncio.Event().wait()
                await self._heartbeat(open_incidents)
                await asyncio.sleep(interval)
        except asyncio.CancelledError:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(STOP_SECONDS):
                    await self._say(Note.STOPPED, "hamon stops")
            raise

    async def _heartbeat(self, open_incidents: OpenIncidents) -> None:
        _, stream = self._entity()
        try:
            counts = await open_incidents()
        except Exception as err:  # whatever is wrong there is told elsewhere; the heartbeat must not stop for it
            log.debug("the open incidents are not known for the heartbeat", extra={"notifier": self._name, "error": str(err)})
            counts = {}
        warnings = counts.get(Severity.WARNING, 0) + counts.get(Severity.UNKNOWN, 0)
        numbers = {
            Var.INTERVAL: self.config.heartbeat_seconds,
            Var.OPEN_CRITICAL: counts.get(Severity.CRITICAL, 0),
            Var.OPEN_MAJOR: counts.get(Severity.MAJOR, 0),
            Var.OPEN_MINOR: counts.get(Severity.MINOR, 0),
            Var.OPEN_WARNING: warnings,
            Var.LAST_SEQUENCE: stream.last,
        }
        extras: dict[Var, alarm.Value] = {var: (VarType.GAUGE32, unsigned(number)) for var, number in numbers.items()}
        await self._say(Note.HEARTBEAT, "hamon lives", extras)

    async def _say(self, note: Note, words: str, extras: Mapping[Var, alarm.Value] | None = None) -> None:
        local, _ = self._entity()
        envelope = Envelope(sequence=0, at=self._clock.now(), forwarder=local.identity.engine_id)
        given: Mapping[Var, alarm.Value] = extras or {Var.VERSION: (VarType.OCTET_STRING, text(__version__))}
        try:
            await self._hand_over(note, alarm.of_gateway(local.root, note, words, envelope, given))
        except DeliveryError as err:
            log.debug("not told", extra={"notifier": self._name, "note": note.name, "error": str(err)})

    # -- traps of others

    async def relay(self, trap: Trap) -> None:
        """Pass a trap on: its own uptime, name and variables, and at the end who sent it. Raises DeliveryError."""
        local, _ = self._entity()
        sender = await self._prepared()
        await self._pace()
        binds = without_community(trap.varbinds, self.config.relay_community)
        if self.config.annotate:
            binds = annotated(trap, binds, local.root, local.identity.engine_id, self.config.relay_community)
        head = [VarBind(UPTIME, VarType.TIME_TICKS, trap.uptime or 0), VarBind(TRAP_OID, VarType.OBJECT_IDENTIFIER, trap.notification)]
        context = bytes.fromhex(trap.engine_id) if trap.engine_id and self.config.version == "3" else None
        try:
            await sender.send([*head, *binds], inform=self.config.kind == "inform", context_engine=context)
        except DeliveryError as err:
            if err.reason is DeliveryReason.CREDENTIALS:
                await self._forget_sender()
            raise

    def peer(self) -> str | None:
        """The address that it sends to, as far as it is known by now."""
        host = parse_address(self.config.address, 162)[0]
        return self._sender.address if self._sender is not None and self._sender.address is not None else host

    # -- sending

    async def _hand_over(self, number: int, binds: Sequence[VarBind]) -> None:
        sender = await self._prepared()
        await self._pace()
        whole = await self._whole(number, binds)
        inform = self.config.kind == "inform"
        for left in range(self.config.retries if inform else self.config.repeat - 1, -1, -1):
            try:
                await sender.send(whole, inform=inform)
                if inform or not left:
                    return
                await asyncio.sleep(1)
            except DeliveryError as err:
                if err.reason is DeliveryReason.CREDENTIALS:
                    await self._forget_sender()  # so that secrets are read anew
                if err.reason is not DeliveryReason.TIMEOUT or not left:
                    raise
            # It may have arrived; pysnmp would send the very same again, and nobody could tell.
            whole = alarm.restated(self._entity()[0].root, whole)

    async def _whole(self, number: int, binds: Sequence[VarBind]) -> list[VarBind]:
        """With the two variables that begin every notification, within the limit of octets."""
        local, _ = self._entity()
        room = self.config.max_message_octets - (await self._prepared()).receiver.overhead
        head = [
            VarBind(UPTIME, VarType.TIME_TICKS, local.uptime(self._clock.now())),
            bind_oid(TRAP_OID, (*local.root, *mib.NOTIFICATIONS, number)),
        ]
        return [*head, *alarm.fit(local.root, binds, room - size(head))]

    async def _pace(self) -> None:
        if not self.config.max_per_second:
            return
        now = asyncio.get_running_loop().time()
        wait, self._next_at = self._next_at - now, max(now, self._next_at) + 1 / self.config.max_per_second
        if wait > 0:
            await asyncio.sleep(wait)

    async def _prepared(self) -> Sender:
        if self._sender is None:
            local, _ = self._entity()
            try:
                receiver = await asyncio.to_thread(self.config.receiver, self._name)
            except (OSError, ValueError) as err:
                reason = err.strerror if isinstance(err, OSError) else str(err)
                raise DeliveryError(DeliveryReason.CREDENTIALS, f"the secrets of the target cannot be used: {reason}") from err
            if self._sender is None:
                self._sender = Sender(local.identity, receiver)
        return self._sender

    async def _forget_sender(self) -> None:
        sender, self._sender = self._sender, None
        if sender is not None:
            await sender.close()

    async def close(self) -> None:
        await self._forget_sender()

    def _entity(self) -> tuple[Local, Stream]:
        if self._local is None or self._stream is None:
            raise DeliveryError(DeliveryReason.DEFECT, "SNMP was not started")
        return self._local, self._stream

    async def _keep(self, work: Callable[[], T]) -> T:
        try:
            return await asyncio.to_thread(work)
        except IdentityError as err:
            raise DeliveryError(DeliveryReason.UNREACHABLE, str(err)) from err


def identity_of(incident: Incident) -> str:
    return f"{incident.cluster}/{incident.key}"


def plan(notification: Notification, told: Told | None, language: str) -> list[_Act]:
    """What a step of an incident is told as, given what the receiver knows of it; pure.

    Raise and clear of one incident are a pair. A kind that became another one is cleared under its old number and raised under the new.
    """
    incident = notification.transition.incident
    over = incident.state is not IncidentState.OPEN or notification.transition.notice is Notice.CLOSING or incident.part_of is not None
    raised = told is not None and told.number != Note.SWITCHOVER
    acts: list[_Act] = []
    if notification.transition.notice is Notice.REMINDER and told is not None:
        return []  # the alarm stands in its list
    number = alarm.raise_of(incident)
    if incident.kind is IncidentKind.SWITCHOVER and not raised:
        known_how = over or incident.outcome in (Outcome.SUCCEEDED, Outcome.FAILED)
        if told is None and known_how and incident.part_of is None:
            acts.append(_Act(Note.SWITCHOVER, None if over else Told(Note.SWITCHOVER, "", 1)))
        return acts
    fingerprint = alarm.fingerprint(incident, language)
    if raised and told is not None and told.number != number:
        if number is None or over:
            return [_Act(told.number + 1, None)]
        acts.append(_Act(told.number + 1, None))
        told = None
    if over:
        opening = notification.transition.notice is not Notice.CLOSING and incident.part_of is None
        if not raised and number is not None and opening:
            # Opened and over in one step: the receiver is told both.
            acts.append(_Act(number, Told(number, fingerprint, 1)))
            raised = True
        if raised and number is not None:
            acts.append(_Act(number + 1, None))
        return acts
    if number is not None and (told is None or told.fingerprint != fingerprint):
        acts.append(_Act(number, again(told if raised else None, number, fingerprint)))
    return acts


def bind_oid(name: str, value: Sequence[int]) -> VarBind:
    return VarBind(name, VarType.OBJECT_IDENTIFIER, ".".join(map(str, value)))
