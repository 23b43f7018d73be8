"""Receive SNMP traps and informs: from the socket to the inbox, and the answer to an inform once what it carries is stored.

The laws: reading a datagram costs next to nothing, so that the kernel's buffer stays empty; what is wrong with a datagram is counted by
reason and never stops another; nothing waits without bound; and no inform is acknowledged before the history holds it.
"""

import asyncio
import contextlib
import logging
import socket
from collections import Counter, OrderedDict, deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from hmac import compare_digest
from pathlib import Path
from typing import Any, NamedTuple

from hamon.clock import Clock
from hamon.collect import trap_memory
from hamon.collect.datagrams import AT_ONCE, Datagrams
from hamon.collect.network import Bucket, parse_address
from hamon.collect.refusals import LOG_SECONDS, Refusals
from hamon.collect.snmp_trap_config import SnmpTrapConfig
from hamon.collect.trap_gate import Discovery, Gate, Refused
from hamon.collect.trap_memory import MOST_SEEN, Memory, Seen
from hamon.collect.trap_senders import Origin, Senders
from hamon.collect.udp import Drops, open_socket
from hamon.errors import ConfigError, ParseError, Problem
from hamon.model.cluster import ReceiverView, SourceView
from hamon.model.observation import ReadPosition, Refusal, SnmpVersion, Source, SourceBack, SourceLost, Trap, TrapBatch, VarType
from hamon.model.record import in_order
from hamon.parse.trap import MOST_OCTETS, RESPONSE, SNMP_TRAP_ADDRESS, TrapMessage, decode
from hamon.ports import Inbox
from hamon.snmp import Identity, IdentityError, current
from hamon.snmp.answer import Answerer
from hamon.tell import phrase

log = logging.getLogger(__name__)

READS = 16
"""So often the kernel is asked for the next datagrams before anything else gets its turn."""
SLICE = 32
SLICE_SECONDS = 0.003
"""So many datagrams at once, and again and again for so long, are worked on before anything else gets its turn."""
BATCH = 1000
"""Traps in one observation at most."""
GATHER_SECONDS = 0.1
"""In a storm, batches begin so far apart, unless they are full before."""
MOST_READY = 10 * BATCH
"""So many traps may wait for the inbox; while they do, datagrams wait in the queue."""
SHARE = 0.75
"""How much of the queue one address may fill."""
REPORTS_PER_SECOND = 20
INFORM_SECONDS = timedelta(seconds=300)
"""An inform that comes again within this time is answered again and not stored again; longer than RFC 3414 lets a replay pass."""
MOST_INFORMS = 20_000
LOOK_SECONDS = 5.0
"""How often the kernel is asked for drops, silence is looked for, and the memory is saved."""


class _Datagram(NamedTuple):
    data: bytes
    origin: Origin
    address: Any
    sock: socket.socket
    received_at: datetime


@dataclass(slots=True)
class _Inform:
    """One inform and its repetitions, which wait for the same answer."""

    at: datetime
    is_recorded: bool = False
    waiting: list[_Datagram] = field(default_factory=list)


@dataclass(slots=True)
class _Ready:
    """What waits for the inbox, of one cluster."""

    traps: list[Trap] = field(default_factory=list)
    informs: list[_Inform] = field(default_factory=list)


class SnmpTrap:
    """One configured receiver. `open` before `run`."""

    def __init__(self, name: str, config: SnmpTrapConfig, clock: Clock, positions: Sequence[ReadPosition] = ()) -> None:
        self._name, self._config, self._clock = name, config, clock
        self._limit = Bucket(config.max_per_second) if config.max_per_second else None
        self._share = int(config.queue * SHARE)
        self._path = ", ".join(config.listen)
        self._sockets: list[socket.socket] = []
        self._senders: Senders
        self._identity: Identity | None = None
        self._gate: Gate | None = None
        self._answerer: Answerer | None = None
        self._file: Path | None = None
        self._memory = Memory()
        self._saved = ""
        self._began = clock.now()
        self._is_running = False

        self._queue: deque[_Datagram] = deque()
        self._answers: deque[_Datagram] = deque()
        self._reports = Bucket(REPORTS_PER_SECOND)
        self._ready: dict[str, _Ready] = {}
        self._ready_count = 0
        self._informs: OrderedDict[tuple[object, ...], _Inform] = OrderedDict()
        self._work_wanted, self._flush_wanted = asyncio.Event(), asyncio.Event()
        self._full, self._room = asyncio.Event(), asyncio.Event()

        self._received: Counter[str] = Counter()
        self._refusals = Refusals(name, "a datagram was not taken as a trap", clock, Source.TRAP)
        self._acknowledged = self._repeated = 0
        self._bytes = 0
        self._drops = Drops()
        self._unsaved_told_at: datetime | None = None
        self._lost: dict[tuple[str, str], str] = {}
        self._told: deque[SourceLost | SourceBack] = deque(maxlen=1000)

    # -- before it runs

    def open(self, state_directory: Path) -> None:
        """Take the addresses, read secrets and memory. With users of SNMPv3 the state directory holds our identity already."""
        key = f"collect.snmp_trap.{self._name}"
        try:
            self._senders = Senders(self._config)
        except (OSError, ValueError) as err:
            raise ConfigError([Problem(id="secret-unusable", key=key, message=f"a secret cannot be used: {err}")]) from err
        self._file = state_directory / f"snmp-trap-{self._name}.json"
        try:
            self._memory = trap_memory.read(self._file)
        except (OSError, ValueError) as err:
            log.warning(
                "what this receiver remembered cannot be read; engines of SNMPv3 are learned anew",
                extra={"source": self._name, "path": str(self._file), "error": str(err)},
            )
        users = list(self._senders.users())
        if users:
            try:
                self._identity = current(state_directory, self._clock.now())
            except IdentityError as err:
                raise ConfigError([Problem(id="snmp-identity", key=key, message=str(err))]) from err
            self._gate = Gate(self._identity, {known.user.name.encode(): known for known in users}, self._memory)
            self._answerer = Answerer(self._identity, [(known.user, known.masters) for known in users])
        try:
            for number, text in enumerate(self._config.listen):
                self._sockets.append(open_socket(parse_address(text), self._config.receive_buffer_bytes, f"{key}.listen[{number}]"))
        except ConfigError:
            self.close()
            raise
        self._drops = Drops(self._sockets)

    def close(self) -> None:
        for sock in self._sockets:
            sock.close()
        self._sockets.clear()
        if self._answerer is not None:
            self._answerer.close()
            self._answerer = None

    @property
    def addresses(self) -> Sequence[tuple[str, int]]:
        """Where it listens; of port 0 in the configuration, the one that the kernel chose."""
        return [sock.getsockname()[:2] for sock in self._sockets]

    # -- for pages and metrics

    def counted(self) -> ReceiverView:
        return ReceiverView(
            collector=self._name,
            kind="snmp_trap",
            received={version: self._received[version] for version in SnmpVersion},
            refused={reason: self._refusals.counts[reason] for reason in Refusal},
            acknowledged=self._acknowledged,
            repeated=self._repeated,
            waiting=len(self._queue),
            engines=len(self._memory.learned),
        )

    def views(self) -> Sequence[SourceView]:
        """One for all that comes of each cluster, and one for each node that the configuration names, also while it is silent."""
        views = []
        for cluster, node in self._expected():
            seen = self._memory.seen.get((cluster, node))
            lost = self._lost.get((cluster, node))
            up = self._is_running and lost is None and (not node or seen is not None)
            views.append(
                SourceView(
                    collector=self._name,
                    kind="snmp_trap",
                    cluster=cluster,
                    path=node or self._path,
                    up=up,
                    reason="" if up else lost or (_NEVER if self._is_running else phrase("seen.not_listening", "en")),
                    since=seen.first if seen is not None else None,
                    last_data_at=seen.last if seen is not None else None,
                    bytes_read=0 if node else self._bytes,
                    lines_read=seen.traps if seen is not None else 0,
                )
            )
        return views

    def _expected(self) -> list[tuple[str, str]]:
        """Cluster and node of everything that is shown; no node: all of the cluster's."""
        config = self._config
        nodes = [
            (cluster, source.node)
            for source in config.source.values()
            if source.node is not None and (cluster := source.cluster or config.cluster or _only(config.clusters)) is not None
        ]
        return list(dict.fromkeys([*((cluster, "") for cluster in config.clusters), *nodes]))

    # -- running

    async def run(self, inbox: Inbox) -> None:
        """Receive until cancelled."""
        loop = asyncio.get_running_loop()
        try:
            for sock in self._sockets:
                loop.add_reader(sock.fileno(), self._readable, sock, Datagrams(sock, MOST_OCTETS))
            self._is_running = True
            log.info("traps are received", extra={"source": self._name, "addresses": self._path, **self._engine_id()})
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._work())
                tasks.create_task(self._flush(inbox))
                tasks.create_task(self._look_after(inbox))
        finally:
            self._is_running = False
            for sock in self._sockets:
                loop.remove_reader(sock.fileno())
            self.close()
            await asyncio.shield(self._save())

    def _engine_id(self) -> dict[str, str]:
        return {"engine_id": self._identity.engine_id_text} if self._identity is not None else {}

    def _readable(self, sock: socket.socket, datagrams: Datagrams) -> None:
        """Empty the kernel's buffer. Called by the loop; does only what must be done before a datagram may wait."""
        queue, origin_of, limit, refuse = self._queue, self._senders.origin, self._limit, self._refusals.count
        now, received_at = asyncio.get_running_loop().time(), self._clock.now()
        for _ in range(READS):
            found = datagrams.read()
            for data, address in found:
                host = address[0]
                if (origin := origin_of(host)) is None:
                    refuse(Refusal.SOURCE, host)
                elif len(data) > MOST_OCTETS:
                    refuse(Refusal.OVERSIZED, host)
                elif (origin.bucket is not None and not origin.bucket.take(now)) or (limit is not None and not limit.take(now)):
                    refuse(Refusal.RATE, host)
                elif len(queue) >= self._config.queue or origin.waiting >= self._share:
                    refuse(Refusal.QUEUE, host)
                else:
                    origin.waiting += 1
                    queue.append(_Datagram(data, origin, address, sock, received_at))
            if len(found) < AT_ONCE:
                break
        if queue:
            self._work_wanted.set()

    async def _work(self) -> None:
        """Read what waits, a slice at a time, so that pages and everything else on the loop go on."""
        loop = asyncio.get_running_loop()
        while True:
            await self._work_wanted.wait()
            self._work_wanted.clear()
            while self._queue or self._answers:
                until = loop.time() + SLICE_SECONDS
                while self._answers and loop.time() < until:
                    self._answer(self._answers.popleft())
                while self._queue and self._ready_count < MOST_READY and loop.time() < until:
                    for _ in range(min(SLICE, len(self._queue))):
                        self._take(self._queue.popleft())
                if self._ready_count:
                    self._flush_wanted.set()
                if self._ready_count >= BATCH:
                    self._full.set()
                if self._ready_count >= MOST_READY and not self._answers:
                    self._room.clear()
                    await self._room.wait()
                else:
                    await asyncio.sleep(0)

    def _take(self, datagram: _Datagram) -> None:
        """One datagram: to a trap that waits for the inbox, or to a count."""
        data, origin, host = datagram.data, datagram.origin, datagram.origin.host
        origin.waiting -= 1
        try:
            if _is_v3(data):
                self._take_v3(datagram)
                return
            message = decode(data)
        except ParseError as err:
            self._refusals.count(Refusal.MALFORMED, host, str(err))
            return
        for secret, name, cluster in origin.communities:
            if compare_digest(secret, message.community):
                self._accept(datagram, message, name, cluster, "")
                return
        self._refusals.count(Refusal.COMMUNITY, host)

    def _take_v3(self, datagram: _Datagram) -> None:
        """Raises ParseError."""
        host = datagram.origin.host
        if self._gate is None:
            self._refusals.count(Refusal.USER, host)
            return
        try:
            passed = self._gate.check(datagram.data, datagram.origin, datagram.received_at)
        except Discovery:
            self._report(datagram)
            return
        except Refused as err:
            self._refusals.count(err.reason, host)
            if err.report:
                self._report(datagram)
            return
        engine = passed.engine_id.hex()
        about = {"source": self._name, "address": host, "user": passed.known.name, "engine_id": f"0x{engine}"}
        if passed.learned:
            log.warning("an engine of SNMPv3 was learned; name it in engine_ids, so that no other is taken", extra=about)
        if passed.began_anew:
            log.info("a sender of SNMPv3 traps began anew, its clock too", extra=about)
            self._tell_restart(passed.cluster, datagram)
        self._accept(datagram, passed.message, passed.known.name, passed.cluster, engine)

    def _accept(self, datagram: _Datagram, message: TrapMessage, credential: str, cluster: str, engine_id: str) -> None:
        """A message whose sender is known."""
        origin = datagram.origin
        notification = message.notification
        if origin.notifications and not any(
            notification == allowed or notification.startswith(f"{allowed}.") for allowed in origin.notifications
        ):
            self._refusals.count(Refusal.NOTIFICATION, origin.host, notification)
            return
        ready = self._ready.get(cluster)
        if ready is None:
            ready = self._ready[cluster] = _Ready()
        if message.inform and not self._is_new_inform(datagram, message, credential, ready):
            return
        self._received[message.version] += 1
        self._bytes += len(datagram.data)
        self._note(cluster, origin.node, datagram.received_at)
        ready.traps.append(
            _trap(
                cluster,
                self._name,
                datagram.received_at,
                _original(message) or origin.host if origin.relay else origin.host,
                message.version,
                credential,
                notification,
                message.varbinds,
                message.inform,
                message.request_id,
                message.uptime,
                message.enterprise,
                message.agent_address,
                engine_id,
                message.irregular,
                message.pdu,
            )
        )
        self._ready_count += 1

    # -- informs and answers

    def _is_new_inform(self, datagram: _Datagram, message: TrapMessage, credential: str, ready: _Ready) -> bool:
        """Note that it wants an answer; False for one that came before, which is answered again and not stored again."""
        now, informs = datagram.received_at, self._informs
        while informs and (len(informs) > MOST_INFORMS or next(iter(informs.values())).at < now - INFORM_SECONDS):
            informs.popitem(last=False)
        key = (datagram.origin.host, credential, message.request_id, hash((message.notification, message.varbinds)))
        known = informs.get(key)
        if known is None:
            informs[key] = known = _Inform(now, waiting=[datagram])
            ready.informs.append(known)
            return True
        self._repeated += 1
        if known.is_recorded:
            self._answers.append(datagram)
        else:
            # Its sender waits for the newest only.
            known.waiting = [*known.waiting[-3:], datagram]
        return False

    def _recorded(self, informs: Sequence[_Inform]) -> None:
        """The history holds what these informs carried."""
        for inform in informs:
            inform.is_recorded = True
            self._answers.extend(inform.waiting)
            inform.waiting.clear()
        self._work_wanted.set()
        self._room.set()

    def _answer(self, datagram: _Datagram) -> None:
        if _is_v3(datagram.data):
            answers = self._answerer.answer(datagram.data) if self._answerer is not None else ()
        else:
            answers = [_response(datagram.data)]
        for answer in answers:
            self._send(datagram, answer)
        if answers:
            self._acknowledged += 1

    def _report(self, datagram: _Datagram) -> None:
        """Let pysnmp say what the sender must know: our engine ID and clock, or what is wrong; few a second, lest someone use us."""
        if self._answerer is not None and self._reports.take(asyncio.get_running_loop().time()):
            for answer in self._answerer.report(datagram.data):
                self._send(datagram, answer)

    def _send(self, datagram: _Datagram, answer: bytes) -> None:
        with contextlib.suppress(OSError):  # the sender will ask again
            datagram.sock.sendto(answer, datagram.address)

    # -- to the inbox

    async def _flush(self, inbox: Inbox) -> None:
        """Hand over what is ready: at once after a pause, gathered for a moment in a storm, since each transaction has its price."""
        loop = asyncio.get_running_loop()
        last = 0.0
        while True:
            await self._flush_wanted.wait()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout_at(last + GATHER_SECONDS):
                    await self._full.wait()
            self._full.clear()
            self._flush_wanted.clear()
            last = loop.time()
            while self._told:
                await inbox.put(self._told.popleft())
            for cluster in [cluster for cluster, ready in self._ready.items() if ready.traps]:
                ready = self._ready.pop(cluster)
                self._ready_count -= len(ready.traps)
                recorded = partial(self._recorded, ready.informs) if ready.informs else None
                for start in range(0, len(ready.traps), BATCH):
                    traps = tuple(ready.traps[start : start + BATCH])
                    is_last = start + BATCH >= len(ready.traps)
                    await inbox.put(TrapBatch(cluster=cluster, collector=self._name, traps=traps), recorded if is_last else None)
                self._room.set()

    # -- what was seen, refused and lost

    def _note(self, cluster: str, node: str | None, at: datetime) -> None:
        seen = self._memory.seen
        for key in ((cluster, ""), (cluster, node)) if node else ((cluster, ""),):
            if (one := seen.get(key)) is None:
                if len(seen) < MOST_SEEN:
                    seen[key] = Seen(at, at, 1)
            else:
                one.last = at
                one.traps += 1
            if self._lost and key in self._lost:
                del self._lost[key]
                path, node = key[1] or self._path, key[1] or None
                self._told.append(SourceBack(cluster=cluster, collector=self._name, path=path, at=at, node=node, source=Source.TRAP))

    async def _look_after(self, inbox: Inbox) -> None:
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            self.look(await self._drops.read())
            await self._save()

    def look(self, drops: Mapping[int, int]) -> None:
        """What time alone decides: new drops of the kernel (by inode), losses that began or ended, and silence."""
        now = self._clock.now()
        if new := self._drops.new(drops):
            self._refusals.count(Refusal.KERNEL, "", number=new)
        self._told.extend(self._refusals.told(self._config.clusters, self._path, now))
        self._tell_silence(now)
        if self._told:
            self._flush_wanted.set()

    def _tell_silence(self, now: datetime) -> None:
        limit = self._config.silent_after_seconds
        if limit is None:
            return
        expected = self._expected()
        named = {cluster for cluster, node in expected if node}
        for cluster, node in expected:
            if (cluster, node) in self._lost or (not node and cluster in named):
                continue
            seen = self._memory.seen.get((cluster, node))
            # What was silent while hamon was down is not held against it.
            since = max(seen.last, self._began) if seen is not None else self._began
            if now >= since + timedelta(seconds=limit):
                reason = _NEVER if seen is None else phrase("seen.no_trap_for", "en", seconds=f"{limit:.0f}")
                self._lost[cluster, node] = reason
                path = node or self._path
                lost = SourceLost(
                    cluster=cluster, collector=self._name, path=path, node=node or None, source=Source.TRAP, reason=reason, at=now
                )
                self._told.append(lost)

    def _tell_restart(self, cluster: str, datagram: _Datagram) -> None:
        node = datagram.origin.node
        self._told.append(
            SourceBack(
                cluster=cluster,
                collector=self._name,
                path=node or datagram.origin.host,
                at=datagram.received_at,
                node=node,
                reason=phrase("seen.restarted", "en"),
                source=Source.TRAP,
            )
        )

    async def _save(self) -> None:
        """Write the memory where it changed."""
        text = trap_memory.as_text(self._memory)
        if self._file is None or text == self._saved:
            return
        try:
            await asyncio.to_thread(trap_memory.write, self._file, text)
        except OSError as err:
            self._refuse_to_save(err)
        else:
            self._saved = text

    def _refuse_to_save(self, err: OSError) -> None:
        now = self._clock.now()
        if self._unsaved_told_at is None or now >= self._unsaved_told_at + LOG_SECONDS:
            self._unsaved_told_at = now
            log.warning(
                "what this receiver remembers cannot be saved",
                extra={"source": self._name, "path": str(self._file), "error": err.strerror or str(err)},
            )


_NEVER = phrase("seen.no_trap_ever", "en")
_trap = in_order(Trap)


def _is_v3(data: bytes) -> bool:
    """Whether the version in the message is 3; anything else is left to the decoder."""
    if len(data) < 8:
        return False
    at = 2 if data[1] < 0x80 else 2 + (data[1] & 0x7F)
    return data[at : at + 3] == b"\x02\x01\x03"


def _response(datagram: bytes) -> bytes:
    """The answer to an inform of v2c: the same message as a Response-PDU (RFC 3416, 4.2.7); its error-status is 0 already."""
    message = decode(datagram)
    end = len(datagram) - message.trailing
    return datagram[: message.pdu_offset] + bytes([RESPONSE]) + datagram[message.pdu_offset + 1 : end]


def _original(message: TrapMessage) -> str | None:
    """Whom a relay names as the sender: snmpTrapAddress.0, or the agent address of a v1 trap."""
    for varbind in message.varbinds:
        if varbind.oid == SNMP_TRAP_ADDRESS and varbind.type is VarType.IP_ADDRESS and varbind.value != "0.0.0.0":
            return str(varbind.value)
    return message.agent_address if message.agent_address not in (None, "0.0.0.0") else None


def _only(names: Sequence[str]) -> str | None:
    return names[0] if len(names) == 1 else None
