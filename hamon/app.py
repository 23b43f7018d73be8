"""The composition root: builds every object from the configuration and runs them together until told to stop.

Order at stop: collectors first, then what they gave is recorded, then what is being sent gets its moment; nothing is lost, since what was
read is committed with what it gave.
"""

import asyncio
import contextlib
import gc
import logging
import os
import signal
import socket
import sys
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import uvicorn
from prometheus_client import CollectorRegistry

from hamon import __version__, systemd
from hamon.agent import Agent
from hamon.agent.tables import Moment, TargetRow
from hamon.classify.examples import wrong_examples
from hamon.classify.routes import Target
from hamon.classify.settings import ClusterSettings
from hamon.clock import Clock, SystemClock
from hamon.collect import COLLECTORS
from hamon.collect.crm_mon import CrmMon
from hamon.collect.snmp_trap_config import SnmpTrapConfig
from hamon.config import Config
from hamon.errors import ConfigError, Problem, RuleError, StoreError
from hamon.metrics import Metrics
from hamon.model.cluster import ClusterView, ReceiverView, SourceView
from hamon.model.delivery import Delivery, Notification, Relay
from hamon.model.incident import IncidentKind, Severity
from hamon.model.observation import GATEWAY, Polled, Snapshot, Trap
from hamon.notify import NOTIFIERS
from hamon.notify.snmp_trap import SnmpTrapNotifier
from hamon.notify.target import TargetSection
from hamon.pipeline import Deliverer, Outlet, Processor
from hamon.pipeline.relay import RelayLoop, RelayPlan, RelayTarget
from hamon.ports import Collector, IncidentFilter, Notifier, Receiver
from hamon.rules.load import load_all
from hamon.rules.schema import RuleSet
from hamon.snmp.local import Local, begin
from hamon.snmp.mib import Var
from hamon.snmp.relayed import own
from hamon.store import migrate
from hamon.store.store import SqlStore
from hamon.tell import report
from hamon.web.front import HISTORY_AWAY, Front

if TYPE_CHECKING:
    from fastapi import FastAPI

log = logging.getLogger(__name__)

STOP_SECONDS = 4.0


def outlets_of(config: Config, clock: Clock) -> dict[str, Outlet]:
    """Every enabled target with its notifier, by name."""
    found: dict[str, Outlet] = {}
    for kind, name, section in config.notifiers():
        if isinstance(section, TargetSection) and section.enabled:
            found[name] = Outlet(target=section.target(name), notifier=NOTIFIERS[kind][1](name, section, clock))
    return found


def with_reminders(settings: ClusterSettings, targets: Sequence[Target]) -> ClusterSettings:
    """The settings of a cluster, with all the ages at which some target wants to be reminded."""
    return replace(
        settings,
        remind=tuple(sorted({age for target in targets for age in target.remind})),
        remind_planned=tuple(sorted({age for target in targets for age in target.remind_planned if target.planned})),
    )


class Composer:
    """Words for a delivery, in the language of its target."""

    def __init__(self, timezone: str) -> None:
        self._zone = ZoneInfo(timezone)

    def __call__(self, delivery: Delivery, target: Target) -> Notification:
        subject, text = report(delivery.transition, target.language, self._zone)
        return Notification(
            id=delivery.id,
            transition=delivery.transition,
            language=target.language,
            subject=subject,
            text=text,
            repeated=delivery.repeated,
        )


class _Views:
    """The present, for pages and metrics."""

    def __init__(self, processor: Processor, collectors: Sequence[Collector]) -> None:
        self._processor, self._collectors = processor, collectors

    def clusters(self) -> Sequence[ClusterView]:
        return self._processor.clusters()

    def sources(self) -> Sequence[SourceView]:
        return [view for collector in self._collectors for view in collector.views()]

    def own_incidents(self) -> Collection[str]:
        return self._processor.own_incidents()

    def receivers(self) -> Sequence[ReceiverView]:
        return [collector.counted() for collector in self._collectors if isinstance(collector, Receiver)]

    def polled(self, cluster: str) -> Polled | None:
        return self._processor.polled(cluster)

    def services(self, cluster: str) -> Mapping[str, Sequence[str]]:
        return self._processor.services(cluster)

    def status(self, cluster: str) -> Snapshot | None:
        polled = self._processor.polled(cluster)
        return polled.snapshot if polled is not None and polled.unknown_since is None else None


class _Server(uvicorn.Server):
    """uvicorn that leaves the signals to hamon, and says when it answers."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.answers = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets=sockets)
        self.answers.set()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def bind(host: str, port: int) -> socket.socket:
    """Listen for pages; raises ConfigError with the remedy when the address cannot be had."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind((host, port))
    except OSError as err:
        sock.close()
        reason = err.strerror or str(err)
        problem = Problem(
            id="address-not-available",
            key="web.listen",
            message=f"cannot listen on {host} port {port}: {reason}",
            hint="another program may listen there; choose another port in the configuration, by HAMON_WEB__LISTEN=127.0.0.1:8471, "
            "or in the demonstration by --listen 127.0.0.1:8471 (make run LISTEN=127.0.0.1:8471)",
        )
        raise ConfigError([problem]) from err
    sock.set_inheritable(True)
    return sock


class Gateway:
    """hamon as it runs: one object per configured thing, in one TaskGroup."""

    def __init__(self, config: Config, state_directory: Path, clock: Clock | None = None) -> None:
        self.config, self.state_directory = config, state_directory
        self.clock: Clock = clock or SystemClock()
        self.ready = asyncio.Event()
        self.local: Local | None = None
        """Who hamon is in SNMP; None where the configuration needs none."""
        self._not_ready = {"starting"}
        self._stop = asyncio.Event()
        self._reread = asyncio.Event()

    def stop(self) -> None:
        self._stop.set()

    async def run(self) -> None:
        """Run until `stop` is called or a signal comes. Raises ConfigError, RuleError or StoreError when it cannot start."""
        config, clock = self.config, self.clock
        rules = load_all(config.rules.paths)
        outlets = outlets_of(config, clock)
        url = config.store.database_url(self.state_directory)
        await self._speak_snmp(outlets)
        if config.store.url is None and config.store.url_file is None:
            await asyncio.to_thread(_make_private, self.state_directory)
            await asyncio.to_thread(migrate.upgrade, url)
        store = SqlStore(url, clock=clock, set_aside=self.state_directory)
        address = config.web.address
        sock = bind(address.host, address.port)
        collectors: list[Collector] = []
        agent: Agent | None = None
        try:
            metrics = Metrics(CollectorRegistry(), __version__, config.metrics)
            tally: Counter[tuple[str, bool]] = Counter()

            def delivered(target: str, result: str, seconds: float) -> None:
                tally[target, result == "sent"] += 1
                metrics.delivered(target, result, seconds)

            deliverer = Deliverer(store, outlets, Composer(config.web.timezone), clock, observe=delivered)
            relaying = RelayLoop(store, _relay_targets(outlets), clock, observe=metrics.relayed)
            targets = [outlet.target for outlet in outlets.values()]
            settings = {name: with_reminders(section.settings(name), targets) for name, section in config.cluster.items()}
            processor = Processor(
                settings,
                rules,
                store,
                targets,
                clock,
                metrics,
                recorded=partial(_wake, deliverer, relaying),
                behind=lambda: _are_behind(collectors),
                happened=lambda cluster: _nudge(collectors, cluster),
                relay=self._relay_plan(outlets),
            )
            deliverer.report = processor.put
            positions = await processor.restore()
            backlogs = await store.incidents(IncidentFilter(cluster=GATEWAY, kind=IncidentKind.DELIVERY_BACKLOG, open_only=True))
            deliverer.lagged(target for incident in backlogs for target in incident.resources)
            collectors += [COLLECTORS[kind][1](name, section, clock, positions) for kind, name, section in config.collectors()]
            await asyncio.to_thread(self._open, collectors)
            views = _Views(processor, collectors)
            if config.snmp.agent.enabled and self.local is not None:
                agent = Agent(config.snmp.agent, self.local, clock, partial(self._moment, views, store, tally, outlets))
                await asyncio.to_thread(agent.open)
            metrics.expect(
                clusters=settings,
                collectors=[name for _, name, _ in config.collectors()],
                receivers=config.collect.get("snmp_trap", {}),
                targets=outlets,
            )
            metrics.watch(views, settings)
            await metrics.refresh(store)
            numbers = metrics.answer(store, asyncio.get_running_loop())
            reasons = self._reasons(processor)

            def pages() -> "FastAPI":
                from hamon.web.app import create

                app = create(store, views, clock, config.web, numbers, reasons, settings)
                gc.freeze()  # it stays, as does what was loaded before
                return app

            front = Front(reasons, pages)
            server = _Server(uvicorn.Config(front, log_config=None, access_log=False, lifespan="off", timeout_graceful_shutdown=1))
            await self._together(processor, deliverer, collectors, server, front, sock, store, outlets, relaying, agent)
        finally:
            sock.close()
            if agent is not None:
                agent.close()
            for collector in collectors:
                if isinstance(collector, Receiver):
                    collector.close()
            await _close(outlets, store)

    async def _speak_snmp(self, outlets: Mapping[str, Outlet]) -> None:
        """Begin to be an SNMP entity, where the configuration needs one. Raises IdentityError."""
        notifiers = [outlet.notifier for outlet in outlets.values() if isinstance(outlet.notifier, SnmpTrapNotifier)]
        receivers = [section for _, _, section in self.config.collectors() if isinstance(section, SnmpTrapConfig) and section.user]
        if notifiers or receivers or self.config.snmp.agent.enabled:
            self.local = await asyncio.to_thread(begin, self.config.snmp, self.state_directory, self.clock.now())
            log.info("hamon speaks SNMP", extra={"engine_id": self.local.identity.engine_id_text, "boots": self.local.identity.boots})
            for notifier in notifiers:
                notifier.attach(self.local)

    async def _moment(
        self, views: "_Views", store: SqlStore, tally: Mapping[tuple[str, bool], int], outlets: Mapping[str, Outlet]
    ) -> Moment:
        """What the SNMP agent shows. Raises StoreError."""
        pending = await store.pending_deliveries()
        kinds = {name: kind for kind, name, _ in self.config.notifiers()}
        receivers = [view for view in views.receivers() if view.kind == "snmp_trap"]
        assert self.local is not None, "begun before"
        return Moment(
            version=__version__,
            host=socket.gethostname(),
            engine_id=self.local.identity.engine_id,
            clusters=views.clusters(),
            sources=views.sources(),
            incidents=await store.incidents(IncidentFilter(open_only=True, limit=10_000)),
            targets=[
                TargetRow(
                    name=name,
                    kind=kinds.get(name, ""),
                    sent=tally.get((name, True), 0),
                    failed=tally.get((name, False), 0),
                    pending=pending.get(name, 0),
                )
                for name in outlets
            ],
            traps_received=sum(sum(view.received.values()) for view in receivers),
            traps_dropped=sum(sum(view.refused.values()) for view in receivers),
        )

    def _open(self, collectors: Sequence[Collector]) -> None:
        """Let receivers take their addresses, before anything runs. Raises ConfigError."""
        for collector in collectors:
            if isinstance(collector, Receiver):
                collector.open(self.state_directory)

    def _relay_plan(self, outlets: Mapping[str, Outlet]) -> Callable[[Sequence[Trap], datetime], Sequence[Relay]]:
        """Which traps are passed on to whom; none where no target asks for any."""
        targets = _relay_targets(outlets)
        if not targets or self.local is None:
            return lambda traps, now: ()
        notifiers = [outlet.notifier for outlet in outlets.values() if isinstance(outlet.notifier, SnmpTrapNotifier)]

        def peers() -> frozenset[str]:
            found = {peer for notifier in notifiers if (peer := notifier.peer()) is not None}
            # Programs on this host may well send to us and be sent to: there only the mark of what went through us tells a loop.
            return frozenset(peer for peer in found if not peer.startswith("127.") and peer != "::1")

        return RelayPlan(
            [target for target, _ in targets.values()],
            own=peers,
            forwarder=(own(self.local.root, Var.FORWARDER), self.local.identity.engine_id),
            root=".".join(map(str, self.local.root)),
        )

    def _reasons(self, processor: Processor) -> "_Reasons":
        return _Reasons(self._not_ready, processor)

    async def _together(
        self,
        processor: Processor,
        deliverer: Deliverer,
        collectors: Sequence[Collector],
        server: _Server,
        front: Front,
        sock: socket.socket,
        store: SqlStore,
        outlets: Mapping[str, Outlet],
        relaying: RelayLoop,
        agent: Agent | None,
    ) -> None:
        loop = asyncio.get_running_loop()
        with self._signals(loop):
            # Pages first: behind what a long file holds they would come up late.
            web, answers = loop.create_task(server.serve(sockets=[sock])), loop.create_task(server.answers.wait())
            await asyncio.wait([web, answers], return_when=asyncio.FIRST_COMPLETED)
            answers.cancel()
            tasks: dict[str, asyncio.Task[Any]] = {
                "web": web,
                "processor": loop.create_task(processor.run()),
                "deliverer": loop.create_task(deliverer.run()),
                "relaying": loop.create_task(relaying.run()),
                "retention": loop.create_task(self._prune(store)),
                "rules": loop.create_task(self._reload(processor)),
            }
            for number, collector in enumerate(collectors):
                tasks[f"collector {number}"] = loop.create_task(collector.run(processor))
            for name, outlet in outlets.items():
                if isinstance(outlet.notifier, SnmpTrapNotifier):
                    counts = partial(_open_by_severity, store, outlet.target)
                    tasks[f"heartbeat {name}"] = loop.create_task(outlet.notifier.run(counts))
            if agent is not None:
                tasks["agent"] = loop.create_task(agent.run())
            settle_down()
            self._not_ready.clear()
            self.ready.set()
            host, port = sock.getsockname()[:2]
            pages = f"http://{f'[{host}]' if ':' in host else host}:{port}/"
            await asyncio.to_thread(systemd.notify, f"{systemd.READY}\n{systemd.status(f'pages at {pages}')}")
            front.load()
            log.info("hamon runs", extra={"version": __version__, "pages": pages})
            stopping: asyncio.Task[Any] = loop.create_task(self._stop.wait())
            done, _ = await asyncio.wait([stopping, *tasks.values()], return_when=asyncio.FIRST_COMPLETED)
            await asyncio.to_thread(systemd.notify, systemd.STOPPING)
            log.info("hamon stops")
            stopping.cancel()
            server.should_exit = True
            names = [name for name in tasks if name.startswith(("collector", "heartbeat", "agent"))] + [
                "processor",
                "deliverer",
                "relaying",
                "retention",
                "rules",
            ]
            for name in names:
                tasks[name].cancel()
            _, late = await asyncio.wait(tasks.values(), timeout=STOP_SECONDS)
            for task in late:
                task.cancel()
            await asyncio.gather(*tasks.values(), return_exceptions=True)
            for task in done - {stopping}:
                if not task.cancelled() and (error := task.exception()) is not None:
                    raise error

    @contextlib.contextmanager
    def _signals(self, loop: asyncio.AbstractEventLoop) -> Iterator[None]:
        handled = {signal.SIGTERM: self.stop, signal.SIGINT: self.stop, signal.SIGHUP: self._reread.set}
        try:
            for number, handler in handled.items():
                loop.add_signal_handler(number, handler)
        except (RuntimeError, ValueError):  # not in the main thread: whoever runs hamon there stops it by `stop`
            yield
            return
        try:
            yield
        finally:
            for number in handled:
                loop.remove_signal_handler(number)

    async def _reload(self, processor: Processor) -> None:
        """At each SIGHUP, read the rules again; wrong ones are refused and the old set stays in force."""
        own = self.config.rules.paths

        def read() -> RuleSet:
            rules = load_all(own)
            for wrong in wrong_examples(rules, own) if own else ():
                raise RuleError(wrong.file, wrong.rule, f"{wrong.message}: {wrong.line[:200]}")
            return rules

        if own:
            # At start they are in force all the same: to watch nothing would be worse.
            try:
                await asyncio.to_thread(read)
            except RuleError as err:
                log.warning("a rule does not do what its example says", extra={"error": str(err)})
        while True:
            await self._reread.wait()
            self._reread.clear()
            try:
                rules = await asyncio.to_thread(read)
                processor.use(rules)
            except RuleError as err:
                log.error("the rules are refused; the old ones stay in force", extra={"error": str(err)})
            else:
                log.info("the rules were read again", extra={"rules": len(rules)})

    async def _prune(self, store: SqlStore) -> None:
        """Delete old history from time to time."""
        config = self.config.store
        max_bytes = config.max_size_mib * 1024 * 1024 if config.max_size_mib is not None else None
        while True:
            await asyncio.sleep(config.prune_interval_seconds)
            try:
                deleted = await store.prune(older_than=self.clock.now() - timedelta(days=config.retention_days), max_bytes=max_bytes)
            except StoreError as err:
                log.warning("old history could not be deleted, will be tried again", extra={"error": str(err)})
            else:
                if deleted:
                    log.info("old history was deleted", extra={"rows": deleted})


class _Reasons:
    """What is not ready, in words."""

    def __init__(self, not_ready: set[str], processor: Processor) -> None:
        self._not_ready, self._processor = not_ready, processor

    def __call__(self) -> Sequence[str]:
        away = [HISTORY_AWAY] if self._processor.store_is_away else []
        return [*sorted(self._not_ready), *away]


def settle_down() -> None:
    """Tell Python that what is there now stays: not to look through it for garbage again and again, of which storms leave little that is
    cyclic. And let a page that is asked for have its turn within a millisecond, not five, while another thread computes.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 50)
    sys.setswitchinterval(0.001)


def _are_behind(collectors: Sequence[Collector]) -> bool:
    """Whether a source was not looked at yet, or holds what is not read."""
    return any(not views or any(view.lag_bytes for view in views) for views in (collector.views() for collector in collectors))


def _relay_targets(outlets: Mapping[str, Outlet]) -> dict[str, tuple[RelayTarget, SnmpTrapNotifier]]:
    found = {}
    for name, outlet in outlets.items():
        notifier = outlet.notifier
        if isinstance(notifier, SnmpTrapNotifier) and "relay" in notifier.config.mode:
            config = notifier.config
            target = RelayTarget(
                name=name,
                clusters=config.clusters,
                notifications=config.relay_notifications,
                is_private=config.version == "3",
                allow_downgrade=config.allow_downgrade,
                accept_hamon=config.accept_hamon,
                max_attempts_hours=config.max_attempts_hours,
                max_pending=config.max_pending,
            )
            found[name] = (target, notifier)
    return found


def _wake(deliverer: Deliverer, relaying: RelayLoop, new: Sequence[Delivery]) -> None:
    deliverer.wake(new)
    relaying.wake()


async def _open_by_severity(store: SqlStore, target: Target) -> Mapping[Severity, int]:
    """How many open incidents a target is told of, by severity."""
    found = await store.incidents(IncidentFilter(open_only=True, limit=10_000))
    return Counter(incident.severity for incident in found if target.wants(incident))


def _nudge(collectors: Sequence[Collector], cluster: str) -> None:
    """Something happened to a cluster: who polls it asks at once."""
    for collector in collectors:
        if isinstance(collector, CrmMon) and collector.cluster == cluster:
            collector.nudge()


async def _close(outlets: Mapping[str, Outlet], store: SqlStore) -> None:
    notifiers: list[Notifier] = [outlet.notifier for outlet in outlets.values()]
    for notifier in notifiers:
        await notifier.close()
    await store.close()


def _make_private(folder: Path) -> None:
    """Make the state directory, for this user only."""
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as err:
        raise StoreError(
            f"the state directory {folder} cannot be made: {err.strerror}; give another one by STATE_DIRECTORY, or a [store] url"
        ) from err
    if not os.access(folder, os.W_OK | os.X_OK):
        raise StoreError(f"the state directory {folder} cannot be written; give another one by STATE_DIRECTORY, or a [store] url")
