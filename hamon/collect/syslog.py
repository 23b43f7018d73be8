"""Receive syslog from the nodes, over UDP, TCP and TLS: the lines are then those of a log, read as if a file had been tailed.

The laws: a sender over TCP or TLS is read only as fast as what it sent is taken, so that it keeps the rest itself; over UDP what cannot
wait is counted and told; and a line that came on two ways counts once, however often one way repeats it.
"""

import asyncio
import contextlib
import fnmatch
import ipaddress
import logging
import socket
import ssl
from collections import Counter, OrderedDict, deque
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import NamedTuple

from hamon.clock import Clock
from hamon.collect.network import Bucket, can_answer, holds, parse_network
from hamon.collect.refusals import Refusals
from hamon.collect.syslog_config import TRANSPORTS, Endpoint, SyslogConfig, SyslogSource
from hamon.collect.udp import Drops, open_socket
from hamon.errors import ConfigError, Problem
from hamon.model.cluster import ReceiverView, SourceView
from hamon.model.observation import LogChunk, ReadPosition, Refusal, Source, SourceBack, SourceLost
from hamon.parse.syslog import Frames, as_line
from hamon.ports import Inbox
from hamon.tell import phrase

log = logging.getLogger(__name__)

KIND = "syslog"
READ_BYTES = 256 * 1024
READS = 64
"""How many datagrams are read at once before anything else gets its turn."""
SLICE = 500
"""So many datagrams become lines at once."""
LOOK_SECONDS = 5.0
"""How often the kernel is asked for drops, and silence is looked for."""
MOST_HOSTS = 4096
"""Hosts of which something is remembered."""
MOST_LINES = 100_000
"""Lines that are remembered, to know them when they come again."""
_MOST_DATAGRAM = 65536
_NEVER = phrase("seen.no_line_ever", "en")


class _Datagram(NamedTuple):
    data: bytes
    sender: str
    received_at: datetime


@dataclass(slots=True)
class _Host:
    """A host that sent lines."""

    first: datetime
    last: datetime
    lines: int = 0
    octets: int = 0


@dataclass(slots=True)
class _Line:
    """A line that came lately: how often on each way, and how often it was taken."""

    at: float
    by_way: Counter[Hashable] = field(default_factory=Counter)
    taken: int = 0


class Syslog:
    """One configured receiver. `open` before `run`."""

    def __init__(self, name: str, config: SyslogConfig, clock: Clock, _positions: Sequence[ReadPosition] = ()) -> None:
        self._name, self._config, self._clock = name, config, clock
        self._path = ", ".join(config.listen)
        self._sources = [(source, [parse_network(text) for text in source.addresses]) for source in config.source.values()]
        self._routes: dict[str, Sequence[SyslogSource]] = {}
        self._buckets: dict[str, Bucket] = {}
        self._datagrams: list[socket.socket] = []
        self._streams: list[tuple[Endpoint, socket.socket]] = []
        self._tls: ssl.SSLContext | None = None
        self._queue: deque[_Datagram] = deque()
        self._work_wanted = asyncio.Event()
        self._lines: OrderedDict[int, _Line] = OrderedDict()
        self._hosts: dict[tuple[str, str], _Host] = {}
        self._lost: dict[tuple[str, str], str] = {}
        self._told: deque[SourceLost | SourceBack] = deque(maxlen=1000)
        self._received: Counter[str] = Counter()
        self._refusals = Refusals(name, "a syslog message was not taken", clock, Source.LOG)
        self._repeated = 0
        self._connections = 0
        self._drops = Drops()
        self._began = clock.now()
        self._is_running = False

    # -- before it runs

    def open(self, _state_directory: Path) -> None:
        """Take the addresses, and read the certificate. Raises ConfigError."""
        key = f"collect.syslog.{self._name}"
        try:
            for number, endpoint in enumerate(self._config.endpoints):
                if endpoint.transport == "udp":
                    place = f"{key}.listen[{number}]"
                    self._datagrams.append(open_socket(endpoint.listen, self._config.receive_buffer_bytes, place))
                    continue
                if endpoint.transport == "tls" and self._tls is None:
                    self._tls = _tls(self._config, key)
                self._streams.append((endpoint, _listening(endpoint, f"{key}.listen[{number}]")))
        except ConfigError:
            self.close()
            raise
        self._drops = Drops(self._datagrams)

    def close(self) -> None:
        for sock in (*self._datagrams, *(sock for _, sock in self._streams)):
            sock.close()
        self._datagrams.clear()
        self._streams.clear()

    @property
    def addresses(self) -> Sequence[tuple[str, int]]:
        """Where it listens: first the UDP sockets, then the others; of port 0 in the configuration, the one that the kernel chose."""
        return [sock.getsockname()[:2] for sock in (*self._datagrams, *(sock for _, sock in self._streams))]

    # -- for pages and metrics

    def counted(self) -> ReceiverView:
        return ReceiverView(
            collector=self._name,
            kind=KIND,
            received={transport: self._received[transport] for transport in TRANSPORTS},
            refused={reason: self._refusals.counts[reason] for reason in _REASONS},
            repeated=self._repeated,
            waiting=len(self._queue),
            connections=self._connections,
        )

    def views(self) -> Sequence[SourceView]:
        """One for each host that sent lines, and for each node that is expected to; one for a cluster of which neither is known."""
        views = []
        for cluster, host in self._shown():
            seen = self._hosts.get((cluster, host))
            lost = self._lost.get((cluster, host))
            up = self._is_running and lost is None and seen is not None
            views.append(
                SourceView(
                    collector=self._name,
                    kind=KIND,
                    cluster=cluster,
                    path=host or self._path,
                    up=up,
                    reason="" if up else lost or (_NEVER if self._is_running else phrase("seen.not_listening", "en")),
                    since=seen.first if seen is not None else None,
                    last_data_at=seen.last if seen is not None else None,
                    bytes_read=seen.octets if seen is not None else 0,
                    lines_read=seen.lines if seen is not None else 0,
                )
            )
        return views

    def _shown(self) -> list[tuple[str, str]]:
        expected = self._expected()
        named = {cluster for cluster, _ in (*expected, *self._hosts)}
        return list(dict.fromkeys([*expected, *self._hosts, *((cluster, "") for cluster in self._config.clusters if cluster not in named)]))

    def _expected(self) -> list[tuple[str, str]]:
        """Cluster and node of everything that should send lines, by the name that the node itself gives."""
        heard = {(cluster, host.partition(".")[0]): host for cluster, host in self._hosts}
        return [
            (source.cluster, heard.get((source.cluster, node.partition(".")[0]), node))
            for source in self._config.source.values()
            for node in source.nodes
        ]

    # -- running

    async def run(self, inbox: Inbox) -> None:
        """Receive until cancelled."""
        loop = asyncio.get_running_loop()
        servers: list[asyncio.Server] = []
        connected: set[asyncio.Task[None]] = set()
        try:
            for sock in self._datagrams:
                loop.add_reader(sock.fileno(), self._readable, sock)
            for endpoint, sock in self._streams:

                def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, transport: str = endpoint.transport) -> None:
                    task = loop.create_task(self._connected(inbox, reader, writer, transport))
                    connected.add(task)
                    task.add_done_callback(connected.discard)

                tls = self._tls if endpoint.transport == "tls" else None
                servers.append(await asyncio.start_server(accept, sock=sock, ssl=tls, limit=READ_BYTES))
            self._is_running = True
            log.info("syslog is received", extra={"source": self._name, "addresses": self._path})
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._work(inbox))
                tasks.create_task(self._look_after(inbox))
        finally:
            self._is_running = False
            for sock in self._datagrams:
                loop.remove_reader(sock.fileno())
            for server in servers:
                server.close()
            for task in connected:
                task.cancel()
            await asyncio.gather(*connected, return_exceptions=True)
            self.close()

    async def _connected(self, inbox: Inbox, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, transport: str) -> None:
        """Read one sender until it goes. The next bytes are read when the inbox has taken the lines of the last ones."""
        sender = str((writer.get_extra_info("peername") or ("",))[0])
        try:
            if not (sources := self._sources_of(sender)):
                self._refusals.count(Refusal.SOURCE, sender)
                return
            if self._connections >= self._config.max_connections:
                self._refusals.count(Refusal.CONNECTIONS, sender)
                return
            self._connections += 1
            try:
                await self._read(inbox, reader, sender, sources, transport)
            finally:
                self._connections -= 1
        except (OSError, ssl.SSLError) as err:
            log.info("a sender of syslog is gone", extra={"source": self._name, "address": sender, "error": str(err)})
        finally:
            writer.close()
            with contextlib.suppress(OSError, ssl.SSLError):
                await writer.wait_closed()

    async def _read(self, inbox: Inbox, reader: asyncio.StreamReader, sender: str, sources: Sequence[SyslogSource], transport: str) -> None:
        frames, way, truncated = Frames(self._config.max_message_bytes), object(), 0
        at_end = False
        while not at_end:
            data = await reader.read(READ_BYTES)
            at_end = not data
            messages = frames.feed(data) if data else [rest] if (rest := frames.rest()) else []
            if frames.truncated > truncated:
                self._refusals.count(Refusal.OVERSIZED, sender, "cut", frames.truncated - truncated)
                truncated = frames.truncated
            ready = _Ready()
            now = self._clock.now()
            for message in messages:
                self._take(message, now, sender, sources, way, ready)
            self._received[transport] += len(messages)
            await self._hand_in(inbox, ready)

    def _readable(self, sock: socket.socket) -> None:
        """Empty the kernel's buffer. Called by the loop; does only what must be done before a datagram may wait."""
        now, received_at = asyncio.get_running_loop().time(), self._clock.now()
        for _ in range(READS):
            try:
                data, address = sock.recvfrom(_MOST_DATAGRAM)
            except BlockingIOError:
                break
            except OSError:
                continue
            sender = address[0]
            if not self._sources_of(sender):
                self._refusals.count(Refusal.SOURCE, sender)
            elif (bucket := self._buckets.get(sender)) is not None and not bucket.take(now):
                self._refusals.count(Refusal.RATE, sender)
            elif len(self._queue) >= self._config.queue:
                self._refusals.count(Refusal.QUEUE, sender)
            else:
                self._queue.append(_Datagram(data, sender, received_at))
        if self._queue:
            self._work_wanted.set()

    async def _work(self, inbox: Inbox) -> None:
        """Datagrams to lines, a slice at a time."""
        while True:
            await self._work_wanted.wait()
            self._work_wanted.clear()
            while self._queue:
                ready = _Ready()
                for _ in range(min(SLICE, len(self._queue))):
                    data, sender, received_at = self._queue.popleft()
                    if len(data) > self._config.max_message_bytes:
                        self._refusals.count(Refusal.OVERSIZED, sender, "cut")
                        data = data[: self._config.max_message_bytes]
                    self._take(data, received_at, sender, self._sources_of(sender), sender, ready)
                    self._received["udp"] += 1
                await self._hand_in(inbox, ready)

    # -- messages to lines

    def _sources_of(self, sender: str) -> Sequence[SyslogSource]:
        """The entries of the configuration for an address; none: it may not send."""
        known = self._routes.get(sender)
        if known is not None:
            return known
        if len(self._routes) >= MOST_HOSTS:
            self._routes.clear()
            self._buckets.clear()
        found: Sequence[SyslogSource] = ()
        if sender and can_answer(sender):
            address = ipaddress.ip_address(sender.partition("%")[0])
            of_address = [source for source, networks in self._sources if holds(networks, address)]
            # Those that ask for certain hosts are tried first.
            found = sorted(of_address, key=lambda source: not source.hosts)
        self._routes[sender] = found
        if found and self._config.max_per_second_per_source:
            self._buckets[sender] = Bucket(self._config.max_per_second_per_source)
        return found

    def _take(
        self, message: bytes, received_at: datetime, sender: str, sources: Sequence[SyslogSource], way: Hashable, ready: "_Ready"
    ) -> None:
        line = as_line(message, received_at, sender)
        source = next((source for source in sources if not source.hosts or _fits(line.host, source.hosts)), None)
        if source is None:
            self._refusals.count(Refusal.CLUSTER, sender, f"host {line.host}")
        elif self._is_repeated(source.cluster, line.text, way):
            self._repeated += 1
        else:
            ready.add(source, line.host, line.text, received_at)
            self._note(source.cluster, line.host, received_at, len(line.text) + 1)

    def _is_repeated(self, cluster: str, text: bytes, way: Hashable) -> bool:
        """Whether another way brought this very line before. What one way says twice was said twice."""
        if not self._config.fold_seconds:
            return False
        now, lines = asyncio.get_running_loop().time(), self._lines
        while lines and (len(lines) > MOST_LINES or next(iter(lines.values())).at < now - self._config.fold_seconds):
            lines.popitem(last=False)
        key = hash((cluster, text))
        known = lines.get(key)
        if known is None:
            known = lines[key] = _Line(now)
        known.by_way[way] += 1
        if known.by_way[way] <= known.taken:
            return True
        known.taken += 1
        return False

    def _note(self, cluster: str, host: str, at: datetime, octets: int) -> None:
        seen = self._hosts.get((cluster, host))
        if seen is None:
            if len(self._hosts) >= MOST_HOSTS:
                return
            seen = self._hosts[cluster, host] = _Host(at, at)
        seen.last = at
        seen.lines += 1
        seen.octets += octets
        for key in ((cluster, host), (cluster, host.partition(".")[0])):
            if key in self._lost:
                del self._lost[key]
                self._told.append(SourceBack(cluster=cluster, collector=self._name, path=key[1], at=at, node=key[1]))

    async def _hand_in(self, inbox: Inbox, ready: "_Ready") -> None:
        while self._told:
            await inbox.put(self._told.popleft())
        for (cluster, host), (source, lines, received_at) in ready.lines.items():
            data = b"\n".join(lines) + b"\n"
            seen = self._hosts.get((cluster, host))
            await inbox.put(
                LogChunk(
                    cluster=cluster,
                    collector=self._name,
                    path=host,
                    data=data,
                    offset=max(0, seen.octets - len(data)) if seen is not None else 0,
                    received_at=received_at,
                    timezone=source.timezone,
                    encodings=source.encodings,
                )
            )

    # -- what time alone decides

    async def _look_after(self, inbox: Inbox) -> None:
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            self.look(await self._drops.read())
            while self._told:
                await inbox.put(self._told.popleft())

    def look(self, drops: Mapping[int, int]) -> None:
        """New drops of the kernel (by inode), losses that began or ended, and silence."""
        now = self._clock.now()
        if new := self._drops.new(drops):
            self._refusals.count(Refusal.KERNEL, "", number=new)
        self._told.extend(self._refusals.told(self._config.clusters, self._path, now))
        limit = self._config.silent_after_seconds
        if limit is None:
            return
        for cluster, host in self._silent(now - timedelta(seconds=limit)):
            reason = phrase("seen.no_line_for", "en", seconds=f"{limit:.0f}") if (cluster, host) in self._hosts else _NEVER
            self._lost[cluster, host] = reason
            self._told.append(
                SourceLost(cluster=cluster, collector=self._name, path=host or self._path, reason=reason, at=now, node=host or None)
            )

    def _silent(self, since: datetime) -> Iterable[tuple[str, str]]:
        """What should have sent something since this time, and did not; a cluster as a whole where no node of it is named."""
        expected = self._expected()
        named = {cluster for cluster, _ in expected}
        for key in expected:
            seen = self._hosts.get(key)
            if key not in self._lost and max(seen.last if seen is not None else self._began, self._began) <= since:
                yield key
        for cluster in self._config.clusters:
            last = max((seen.last for (name, _), seen in self._hosts.items() if name == cluster), default=self._began)
            if cluster not in named and (cluster, "") not in self._lost and max(last, self._began) <= since:
                yield cluster, ""


_REASONS = (
    *(Refusal.SOURCE, Refusal.CLUSTER, Refusal.OVERSIZED, Refusal.CONNECTIONS),
    *(Refusal.RATE, Refusal.QUEUE, Refusal.KERNEL),
)


class _Ready:
    """Lines that wait for the inbox, by cluster and host."""

    def __init__(self) -> None:
        self.lines: dict[tuple[str, str], tuple[SyslogSource, list[bytes], datetime]] = {}

    def add(self, source: SyslogSource, host: str, text: bytes, received_at: datetime) -> None:
        self.lines.setdefault((source.cluster, host), (source, [], received_at))[1].append(text)


def _fits(host: str, globs: Sequence[str]) -> bool:
    return any(fnmatch.fnmatchcase(host, glob) or fnmatch.fnmatchcase(host.partition(".")[0], glob) for glob in globs)


def _listening(endpoint: Endpoint, key: str) -> socket.socket:
    listen = endpoint.listen
    try:
        family, *_, address = socket.getaddrinfo(listen.host, listen.port, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST)[0]
        sock = socket.create_server(address, family=family, backlog=512)
    except OSError as err:
        hint = (
            "another program (rsyslogd) may listen there, the address may not be one of this host, or the port needs a right (below 1024)"
        )
        message = f"cannot listen on {endpoint}: {err.strerror or err}"
        raise ConfigError([Problem(id="address-not-available", key=key, message=message, hint=hint)]) from err
    sock.setblocking(False)
    return sock


def _tls(config: SyslogConfig, key: str) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_cert_chain(str(config.certificate_file), str(config.key_file))
        if config.client_ca_file is not None:
            context.load_verify_locations(config.client_ca_file)
            context.verify_mode = ssl.CERT_REQUIRED
    except (OSError, ssl.SSLError) as err:
        message = f"the certificate, its key or the authorities cannot be used: {err}"
        hint = "certificate_file, key_file and client_ca_file must be readable PEM files that belong together"
        raise ConfigError([Problem(id="certificate-unusable", key=key, message=message, hint=hint)]) from err
    return context
