"""Processing: what collectors saw goes to the store as events, incidents and deliveries.

The law: a batch is one transaction with the read positions it came from. What was read is thus recorded once, whatever happens; what could
not be recorded yet is kept and tried again, and the sources wait meanwhile.
"""

import asyncio
import contextlib
import logging
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol, assert_never

from hamon.classify.amiss import amiss
from hamon.classify.match import Scan
from hamon.classify.order import causal_order, with_snapshots
from hamon.classify.replays import PUT_RIGHT
from hamon.classify.routes import Target, plan
from hamon.classify.settings import ClusterSettings
from hamon.classify.skew import Skew
from hamon.clock import Clock
from hamon.errors import StoreError, StoreRefusal
from hamon.model.cluster import ClusterView
from hamon.model.delivery import Delivery, Relay
from hamon.model.event import Event, EventKind
from hamon.model.incident import IncidentState, Transition
from hamon.model.observation import (
    GATEWAY,
    LogChunk,
    Observation,
    Polled,
    ReadPosition,
    RecordsRefused,
    Snapshot,
    Source,
    SourceBack,
    SourceLost,
    TargetDelivers,
    TargetLags,
    Tick,
    Trap,
    TrapBatch,
)
from hamon.pipeline.judging import Item, Judge, known_state
from hamon.pipeline.own_events import log_source, refused_event, source_event, target_event
from hamon.pipeline.polls import Polls
from hamon.pipeline.scanning import Scanner
from hamon.ports import EventFilter, IncidentFilter, Recording, Refused, Store
from hamon.rules.schema import RuleSet

log = logging.getLogger(__name__)

INBOX_SIZE = 16
MIN_BATCH_BYTES, MAX_BATCH_BYTES = 1024 * 1024, 6 * 1024 * 1024
BATCH_EVENTS = 4000
"""So many events a batch should have while a file is being caught up with: more hold much memory, fewer often write the whole state."""
CATCHING_UP_BYTES = 128 * 1024
"""A chunk as large as this means that a file is being caught up with: its lines tell what time it is, not the clock."""
QUIET_SECONDS = 0.25
GATHER_SECONDS = 0.05
"""While catching up, how long is waited for the other logs of the same time."""
DECIDE_SECONDS = 0.5
"""How long a decision by time alone waits at most for evidence that is still coming in: on a busy host it is read late."""
START_SECONDS = 10.0
"""At start, how long is waited at most for all logs to be read: a host that has just been booted is busy."""
SLOW_SECONDS = 3.0
"""A database that takes longer for a batch counts as away: another program may hold it locked."""
LOGGED_REFUSALS = 20
"""Of what the database refuses of one batch, so many are logged one by one; all are counted, and kept in the file."""
KNOWN_EVENTS = 500
"""Stored events that are read back at start, to recognise copies of them."""
HISTORY = timedelta(hours=1)
"""In a file that is read for the first time, older lines are history: recorded, not told (taxonomy 8.10)."""

NEWS = timedelta(minutes=1)
"""What happened longer ago is no reason to ask how the cluster is now."""
_NO_NEWS = frozenset(
    {
        EventKind.SOURCE_LOST,
        EventKind.SOURCE_BACK,
        EventKind.REPORTED,
        EventKind.SERVICE_NAMED,
        EventKind.UNCLASSIFIED,
        EventKind.OLD_FAILURE,
    }
)

_POLL = Source.POLL


class Counts(Protocol):
    """The numbers that processing gives (see hamon.metrics.Metrics)."""

    def read(self, collector: str, lines: int) -> None: ...

    def lines(self, collector: str, daemon: str, matched: int, unmatched: int) -> None: ...

    def traps(self, collector: str, matched: int, unmatched: int) -> None: ...

    def truncated(self, collector: str, lines: int = 1) -> None: ...

    def undecodable(self, collector: str, lines: int = 1) -> None: ...

    def parse_errors(self, collector: str, lines: int = 1) -> None: ...

    def recorded(self, events: Iterable[Event], transitions: Iterable[Transition]) -> None: ...

    def batch(self, seconds: float) -> None: ...

    def waiting(self, observations: int) -> None: ...

    def defect(self) -> None: ...

    def store_error(self) -> None: ...

    def refused(self, record: str) -> None: ...


_Scanned = tuple[str, int, Scan]
"""What a chunk gave, its collector, and how many of its lines were cut; the chunk itself is large, and not needed any more."""


@dataclass(frozen=True, slots=True)
class _Read:
    """What one batch holds: what was read, by cluster, and which clocks of nodes turned out otherwise than was thought."""

    scans: tuple[_Scanned, ...]
    positions: Sequence[ReadPosition]
    relays: Sequence[Relay]
    items: Mapping[str, Sequence[Item]]
    clocks: frozenset[str]
    polled: frozenset[str]
    """Clusters of which a poll came."""


@dataclass(frozen=True, slots=True)
class _Result:
    """What one batch came to, before it is recorded."""

    recording: Recording
    scans: tuple[_Scanned, ...]
    views: Mapping[str, ClusterView]
    polls: Mapping[str, Polled]


class _Merge:
    """The events of one cluster in one batch, by the log that they are from, its polls, and the tick that comes after them."""

    def __init__(self) -> None:
        self._logs: dict[tuple[str, str], list[Event]] = {}
        self.snapshots: list[Snapshot] = []
        self.tick: Tick | None = None

    def add(self, log: tuple[str, str], events: Iterable[Event]) -> None:
        self._logs.setdefault(log, []).extend(events)

    def put_right(self, skew: Skew) -> bool:
        """Learn the clocks of the nodes, then take from the stamps what they are off; whether they turned out otherwise."""
        changed = skew.learn(self._logs.values())
        if skew.offsets:
            self._logs = {log: list(skew.put_right(events)) for log, events in self._logs.items()}
        return changed

    def in_order(self) -> list[Item]:
        logs = list(self._logs.values())
        ordered = list(causal_order(logs))
        items = with_snapshots(ordered, self.snapshots)
        return [*items] if self.tick is None else [*items, self.tick]


class Processor(Judge):
    """Take observations from the inbox, in batches, to the store. `put` is the inbox of the collectors."""

    def __init__(
        self,
        clusters: Mapping[str, ClusterSettings],
        rules: RuleSet,
        store: Store,
        targets: Sequence[Target],
        clock: Clock,
        counts: Counts,
        *,
        recorded: Callable[[Sequence[Delivery]], None],
        behind: Callable[[], bool] = lambda: False,
        happened: Callable[[str], None] = lambda cluster: None,
        relay: Callable[[Sequence[Trap], datetime], Sequence[Relay]] = lambda traps, now: (),
    ) -> None:
        """`recorded` is called when deliveries or relays were stored, with these deliveries unless some were refused.

        `behind` tells whether a source holds what is not yet read.

        `happened` is called with the cluster after each transaction with events from its logs or traps that are about now.
        """
        super().__init__({GATEWAY: ClusterSettings(name=GATEWAY, title=GATEWAY)} | dict(clusters), rules.own, clock, counts.defect)
        self._store, self._targets, self._counts = store, list(targets), counts
        self._recorded, self._behind, self._happened = recorded, behind, happened
        self._relay = relay
        self._starting_until = 0.0
        self._scanner = Scanner(rules, counts)
        self._inbox: asyncio.Queue[Observation] = asyncio.Queue(INBOX_SIZE)
        self._receipts: dict[int, Callable[[], None]] = {}
        self._told: dict[tuple[str, str], set[str]] = {}
        self._views: dict[str, ClusterView] = {}
        self._polls = Polls()
        self._polled: dict[str, Polled] = {}
        self._catching_up_until = 0.0
        self._batch_bytes = MIN_BATCH_BYTES
        self.store_is_away = False

    async def put(self, observation: Observation, recorded: Callable[[], None] | None = None) -> None:
        if recorded is not None:
            self._receipts[id(observation)] = recorded  # it is kept alive by the queue, until its batch is begun
        try:
            await self._inbox.put(observation)
        except asyncio.CancelledError:
            self._receipts.pop(id(observation), None)
            raise

    def use(self, rules: RuleSet) -> None:
        """Match with other rules from the next batch on."""
        self._scanner.use(rules)
        self._go_by(rules.own)

    def own_incidents(self) -> Sequence[str]:
        """The names of incidents that rules of the user's own open."""
        return [incident.id for incident in self._own.incidents]

    def clusters(self) -> Sequence[ClusterView]:
        return [self._views[name] for name in sorted(self._views) if name != GATEWAY]

    def services(self, cluster: str) -> Mapping[str, Sequence[str]]:
        """The services of a cluster as configured."""
        return self._settings[cluster].services if cluster in self._settings else {}

    def polled(self, cluster: str) -> Polled | None:
        """What polling knows of a cluster; None: it was never polled."""
        return self._polled.get(cluster)

    async def restore(self) -> Sequence[ReadPosition]:
        """Take up where the last run stopped; return the read positions. Raises StoreError."""
        remembered = await self._store.remembered()
        collectors_known = {position.collector for position in remembered.positions}
        for name in self._settings:
            stored = await self._store.events(EventFilter(cluster=name, limit=KNOWN_EVENTS))
            polled = remembered.polls.get(name)
            last = polled.snapshot.status if polled is not None and polled.snapshot is not None else None
            engine = self._begin(name, remembered.states.get(name), [item.event for item in reversed(stored)], last)
            if not collectors_known:
                engine.silent_before = self._clock.now() - HISTORY
            self._views[name] = engine.view()
        self._polls.restore({name: polled for name, polled in remembered.polls.items() if name in self._settings})
        self._polled = dict(self._polls.changed())
        if was_away := self._polls.to_record():
            await self._store.record(Recording(polls=was_away))
        for incident in await self._store.incidents(IncidentFilter(open_only=True, include_parts=True, limit=10_000)):
            deliveries = await self._store.deliveries(incident.cluster, incident.key)
            if deliveries:
                # Who was told that it became part of another one was told its end.
                ended = {delivery.target for delivery in deliveries if delivery.transition.incident.part_of is not None}
                self._told[incident.cluster, incident.key] = {delivery.target for delivery in deliveries} - ended
        return remembered.positions

    async def run(self) -> None:
        """Process until cancelled. A batch that is being recorded then is finished first."""
        # What was written while hamon was down is read, of all nodes together, before time alone decides anything.
        began = asyncio.get_running_loop().time()
        self._catching_up_until, self._starting_until = began + QUIET_SECONDS, began + START_SECONDS
        is_slow = False
        while True:
            batch = await self._next_batch()
            size, receipts = sum(map(_size, batch)), self._receipts_of(batch)
            began = asyncio.get_running_loop().time()
            result = await self._process(batch)
            self._batch_bytes = _batch_bytes(size, len(result.recording.events))
            task = asyncio.create_task(self._record(result))
            try:
                await asyncio.shield(task)
            except asyncio.CancelledError:
                with contextlib.suppress(asyncio.CancelledError):
                    await task
                    _tell(receipts)
                raise
            _tell(receipts)
            ended = asyncio.get_running_loop().time()
            if self._came_late:
                self._catching_up_until, self._came_late = max(self._catching_up_until, ended + QUIET_SECONDS), False
            is_slow, was_slow = ended - began > DECIDE_SECONDS, is_slow
            if is_slow and not was_slow:
                # While the history was away the sources had to wait: what they have goes first. Where each batch is slow, time goes on.
                self._catching_up_until = max(self._catching_up_until, ended + DECIDE_SECONDS)
            self._counts.batch(ended - began)
            self._counts.waiting(self._inbox.qsize())
            del result, task  # while the next batch is gathered and judged, memory holds that one only

    def _receipts_of(self, batch: Sequence[Observation]) -> Sequence[Callable[[], None]]:
        """Whom to tell once these observations are in the history."""
        return [recorded for observation in batch if (recorded := self._receipts.pop(id(observation), None)) is not None]

    async def _next_batch(self) -> list[Observation]:
        """Wait for observations, or for the moment when time alone changes something; take what else is there."""
        batch: list[Observation] = []
        while not batch:
            try:
                async with asyncio.timeout(self._wait_seconds()):
                    batch.append(await self._inbox.get())
            except TimeoutError:
                if not self._is_starting():
                    return [Tick(now=self._clock.now())]
        size = _size(batch[0])
        loop = asyncio.get_running_loop()
        end = loop.time() + QUIET_SECONDS
        gather = _is_catching_up(batch[0]) or loop.time() < self._catching_up_until
        while size < self._batch_bytes:
            starting = self._is_starting()
            item = await self._take(wait=starting or (gather and loop.time() < end))
            if item is not None:
                batch.append(item)
                size += _size(item)
            elif not starting:
                break
        if any(_is_catching_up(item) for item in batch):
            self._catching_up_until = asyncio.get_running_loop().time() + QUIET_SECONDS
        elif asyncio.get_running_loop().time() >= self._catching_up_until and self._is_overdue():
            batch.append(Tick(now=self._clock.now()))
        return batch

    async def _take(self, *, wait: bool) -> Observation | None:
        """What is in the inbox, or comes within a moment where that is wanted."""
        if not self._inbox.empty():
            return self._inbox.get_nowait()
        if wait:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(GATHER_SECONDS):
                    return await self._inbox.get()
        return None

    def _is_starting(self) -> bool:
        """Whether some log was not read to its end yet since the start."""
        if self._starting_until and (asyncio.get_running_loop().time() >= self._starting_until or not self._behind()):
            self._starting_until = 0.0
        return self._starting_until > 0

    def _due(self) -> datetime | None:
        return min((due for engine in self._engines.values() if (due := engine.next_due()) is not None), default=None)

    def _is_overdue(self) -> bool:
        """Whether a decision by time has waited long enough for what is still being read."""
        due = self._due()
        return due is not None and due + timedelta(seconds=DECIDE_SECONDS) <= self._clock.now()

    def _wait_seconds(self) -> float | None:
        due = self._due()
        if due is None:
            return None
        quiet = self._catching_up_until - asyncio.get_running_loop().time()
        late = (self._clock.now() - due).total_seconds()
        gather = GATHER_SECONDS if self._is_starting() or late < DECIDE_SECONDS else 0.0
        return max(gather, quiet, -late)

    async def _process(self, batch: list[Observation]) -> _Result:
        """Observations to everything that is to be recorded; of old lines the history is asked whether it has them.

        Empties the batch once it is read: while a file is being caught up with, it is much memory.
        """
        read, behind = await asyncio.to_thread(self._read_on, batch)
        if isinstance(read, _Result):
            return read
        stored = {name: await self._stored(name, lines) for name, lines in behind.items()}
        return await asyncio.to_thread(self._judge, read, stored)

    async def _stored(self, name: str, lines: Sequence[Event]) -> Collection[str]:
        """The places of those lines that are in the history; while the database does not answer, wait and try again."""
        failures = 0
        while True:
            try:
                stored = await self._store.stored_lines(name, lines, PUT_RIGHT)
            except StoreError as err:
                failures += 1
                self.store_is_away = True
                self._counts.store_error()
                if failures == 1:
                    log.error("the history cannot be read; reading waits until it can", extra={"error": str(err)})
                await asyncio.sleep(min(10.0, 0.1 * 2 ** min(failures, 8)))
            else:
                return stored

    # -- in a thread

    def _read_on(self, batch: list[Observation]) -> tuple[_Read | _Result, Mapping[str, Sequence[Event]]]:
        """Observations to everything that is to be recorded; or to events, where the history has to be asked about these lines first.

        Both at once, where they can be: on a busy host each return to the loop and to another thread is a wait.
        """
        read = self._read(batch)
        batch.clear()
        behind = {name: lines for name, items in read.items.items() if (lines := self._engines[name].behind(items))}
        return (read, behind) if behind else (self._judge(read, {}), {})

    def _digest(self, batch: Sequence[Observation]) -> _Result:
        """The same without the history, for what comes from no log."""
        return self._judge(self._read(batch), {})

    def _read(self, batch: Sequence[Observation]) -> _Read:
        """Observations to events, in their order. Learns the clocks of nodes."""
        scans: list[_Scanned] = []
        positions: list[ReadPosition] = []
        relays: list[Relay] = []
        items: dict[str, _Merge] = {}
        for observation in batch:
            match observation:
                case LogChunk():
                    scan = self._scanner.lines(observation)
                    scans.append((observation.collector, observation.truncated, scan))
                    items.setdefault(observation.cluster, _Merge()).add((observation.collector, observation.path), scan.events)
                    if observation.position is not None:
                        positions.append(observation.position)
                case Snapshot():
                    self._polls.take(observation)
                    items.setdefault(observation.cluster, _Merge()).snapshots.append(observation)
                case TrapBatch():
                    relays += self._relay(observation.traps, self._clock.now())
                    # One log of what was received, whoever sent it: traps tell the tenth of a second, and arrive in order.
                    items.setdefault(observation.cluster, _Merge()).add((observation.collector, ""), self._scanner.traps(observation))
                case TargetLags() | TargetDelivers():
                    items.setdefault(GATEWAY, _Merge()).add(("", observation.target), [target_event(observation)])
                case RecordsRefused():
                    items.setdefault(GATEWAY, _Merge()).add(("", "history"), [refused_event(observation)])
                case SourceLost() | SourceBack():
                    source = (observation.collector, observation.path)
                    news = [source_event(observation)] if self._polls.source(observation) else []
                    if news:
                        log_source(observation)
                    items.setdefault(observation.cluster, _Merge()).add(source, news)
                case Tick():
                    for name in self._engines:
                        items.setdefault(name, _Merge()).tick = observation
                case _:
                    assert_never(observation)
        clocks = frozenset(name for name, given in items.items() if given.put_right(self._skews[name]))
        return _Read(
            tuple(scans),
            positions,
            relays,
            {name: given.in_order() for name, given in items.items()},
            clocks,
            frozenset(name for name, given in items.items() if given.snapshots),
        )

    def _judge(self, read: _Read, stored: Mapping[str, Collection[str]]) -> _Result:
        """What was read to everything that is to be recorded. Changes the engines; nothing else runs meanwhile.

        `stored`: by cluster the places of old lines that the history has.
        """
        events: list[Event] = []
        transitions: list[Transition] = []
        states: dict[str, bytes] = {}
        views: dict[str, ClusterView] = {}
        for name, items in read.items.items():
            was_polled = self._engines[name].state.polls.first_at is not None
            skew, clocks = self._skews[name], name in read.clocks
            advance = self._advance(name, items, stored.get(name, ()), polled=name in read.polled)
            if clocks:
                advance = self._tell_clocks(name, skew, advance)
            events += advance.events
            transitions += advance.transitions
            engine = self._engines[name]
            learned = not was_polled and engine.state.polls.first_at is not None
            if advance.events or advance.transitions or learned or clocks or self._journals[name].is_full(engine.state.now):
                states[name] = self._remember(name)
            if advance.events or advance.transitions or name in read.polled or clocks:
                views[name] = engine.view()
        deliveries = self._plan(transitions)
        return _Result(
            Recording(
                events=events,
                transitions=transitions,
                deliveries=deliveries,
                positions=read.positions,
                states=states,
                relays=read.relays,
                polls=self._polls.to_record(),
            ),
            read.scans,
            views,
            self._polls.changed(),
        )

    def _plan(self, transitions: Sequence[Transition]) -> Sequence[Delivery]:
        if not any(transition.notice or transition.incident.part_of for transition in transitions):
            return ()
        deliveries = plan(transitions, self._targets, self._clock.now(), self._told)
        for delivery in deliveries:
            incident = delivery.transition.incident
            told = self._told.setdefault((incident.cluster, incident.key), set())
            if incident.part_of is None:
                told.add(delivery.target)
            else:
                told.discard(delivery.target)  # it was told its end
        for transition in transitions:
            if transition.incident.state is not IncidentState.OPEN:
                self._told.pop((transition.incident.cluster, transition.incident.key), None)
        return deliveries

    # -- back on the loop

    async def _record(self, result: _Result) -> None:
        """Write the batch; what the database will never take is left out, kept elsewhere, and told as a trouble of hamon's own."""
        refused = await self._write(result)
        if refused:
            at = self._clock.now()
            for one in refused:
                self._counts.refused(one.what)
            for one in refused[:LOGGED_REFUSALS]:
                facts = {"what": one.what, "cluster": one.cluster, "about": one.about, "error": one.reason, "kept": one.kept}
                log.error("the history will never take a record: it is left out, and everything else goes on", extra=facts)
            first = refused[0]
            news = RecordsRefused(records=len(refused), what=first.what, about=first.about, reason=first.reason, kept=first.kept, at=at)
            # Should this be refused as well, the log and the numbers have said it.
            await self._write(await asyncio.to_thread(self._digest, [news]))

    async def _write(self, result: _Result) -> Sequence[Refused]:
        """Write a batch; while the database does not answer, wait and try again: nothing that was read is dropped.

        Return what the database will never take.
        """
        recording = result.recording
        failures = 0
        refused: Sequence[Refused] = ()
        as_a_whole = True
        slow = asyncio.get_running_loop().call_later(SLOW_SECONDS, self._is_away)
        empty = not (recording.events or recording.relays or recording.transitions or recording.positions or recording.polls)
        while not empty:
            try:
                if as_a_whole:
                    await self._store.record(recording)
                else:
                    refused = await self._store.record_what_is_taken(recording)
                break
            except StoreError as err:
                if as_a_whole and isinstance(err, StoreRefusal):
                    as_a_whole = False
                    continue
                failures += 1
                self.store_is_away = True
                self._counts.store_error()
                if failures == 1:
                    log.error("the history cannot be written; reading waits until it can", extra={"error": str(err)})
                await asyncio.sleep(min(10.0, 0.1 * 2 ** min(failures, 8)))
        slow.cancel()
        if failures:
            log.info("the history is written again", extra={"failures": failures})
        self.store_is_away = False
        self._views.update(result.views)
        self._polled.update(result.polls)
        self._count(result.scans)
        self._counts.recorded(recording.events, recording.transitions)
        if recording.deliveries or recording.relays:
            self._recorded(recording.deliveries if as_a_whole else ())
        since = self._clock.now() - NEWS
        for cluster in {event.cluster for event in recording.events if event.at >= since and _is_news(event)}:
            self._happened(cluster)
        return refused

    def _is_away(self) -> None:
        self.store_is_away = True

    def _count(self, scans: Iterable[_Scanned]) -> None:
        """Count the lines of one batch: of each log all chunks together."""
        counts = self._counts
        totals: dict[str, Scan] = {}
        for collector, truncated, scan in scans:
            totals.setdefault(collector, Scan()).count(scan)
            if truncated:
                counts.truncated(collector, truncated)
        for collector, total in totals.items():
            counts.read(collector, total.lines)
            for daemon, unmatched in total.unmatched.items():
                counts.lines(collector, daemon, total.matched.get(daemon, 0), unmatched)
            if total.undecodable:
                counts.undecodable(collector, total.undecodable)
            if total.unrecognised:
                counts.parse_errors(collector, total.unrecognised)
            for error in total.errors:
                log.debug("a line could not be read", extra={"source": collector, "error": error})


def _size(observation: Observation) -> int:
    """How much work it is, in bytes of log."""
    match observation:
        case LogChunk():
            return len(observation.data)
        case TrapBatch():
            return 1024 * len(observation.traps)
        case _:
            return 1024


def _batch_bytes(size: int, events: int) -> int:
    """How large the next batch may be, if it is like this one."""
    wanted = size * BATCH_EVENTS // max(1, events)
    return min(max(MIN_BATCH_BYTES, wanted), MAX_BATCH_BYTES)


def _tell(receipts: Iterable[Callable[[], None]]) -> None:
    for recorded in receipts:
        recorded()


def _is_catching_up(observation: Observation) -> bool:
    return isinstance(observation, LogChunk) and len(observation.data) >= CATCHING_UP_BYTES


def _is_news(event: Event) -> bool:
    """Whether a log or a trap says that something happened: then, if that was just now, it is worth asking how the cluster is."""
    return event.source is not _POLL and event.kind not in _NO_NEWS


def amiss_in(stored: bytes | None, cluster: str) -> tuple[str, ...] | None:
    """What is amiss in a cluster by its remembered state; None: nothing is remembered that can be read."""
    state = known_state(stored, cluster)
    return None if state is None else amiss(state)
