"""Recordings as a running gateway gets them: line for line, trap for trap and poll for poll, where some of the lines come late."""

import gzip
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from itertools import groupby

from pydantic import TypeAdapter

from hamon.classify.incidents import Advance, Engine
from hamon.classify.late import Journal
from hamon.classify.order import causal_order, with_snapshots
from hamon.classify.settings import ClusterSettings
from hamon.classify.state import State
from hamon.classify.texts import LogMatcher
from hamon.classify.traps import TrapMatcher
from hamon.model.cluster import ClusterStatus
from hamon.model.event import Event
from hamon.model.incident import Incident, Notice, Transition
from hamon.model.observation import LogChunk, Snapshot, Tick, Trap
from tests import snapshots, traps
from tests.cases import rules
from tests.recordings import evidence, year_of

STATE = TypeAdapter(State)
SETTINGS = ClusterSettings(name="c")
READ = timedelta(seconds=1.05)
"""A line is read so long after its stamp, which has whole seconds."""
ONE_BATCH = timedelta(seconds=0.2)
WAITED = timedelta(seconds=0.5)

Delay = Callable[[str, datetime], datetime | None]
"""When a line of a node, written then, is read; None: as usual."""


@dataclass(frozen=True, slots=True)
class Lines:
    """Lines of one second of the log of a node; `offset` is where they stand in it."""

    node: str
    at: datetime
    data: bytes
    offset: int


@cache
def lines_of(name: str) -> Sequence[Lines]:
    found = []
    for path in evidence(name, "*/ha-log.gz"):
        offset = 0
        for stamp, group in groupby(gzip.decompress(path.read_bytes()).splitlines(keepends=True), key=lambda line: line[:15]):
            data = b"".join(group)
            at = datetime.strptime(f"{year_of(name)} {stamp.decode()} +0000", "%Y %b %d %H:%M:%S %z").astimezone(UTC)
            found.append(Lines(path.parent.name, at, data, offset))
            offset += len(data)
    return found


@cache
def others_of(name: str) -> Sequence[tuple[datetime, Trap | Snapshot]]:
    seen: list[Trap | Snapshot] = [*snapshots.snapshots(name)] if evidence(name, "snap.tar.xz") else []
    seen += traps.recorded(name) if evidence(name, "monitor/traps.jsonl.gz") else ()
    return [(one.received_at, one) for one in seen]


def end_of(name: str) -> datetime:
    """A minute after the last of it."""
    return max(*(lines.at for lines in lines_of(name)), *(at for at, _ in others_of(name))) + timedelta(minutes=1)


@dataclass(slots=True)
class Gateway:
    """Judges what comes as the running program does, without its database. `steps`: what came of it, and whether lines came late for it."""

    engine: Engine = field(default_factory=lambda: Engine(SETTINGS, own=rules().own))
    steps: list[tuple[Transition, bool]] = field(default_factory=list)
    journal: Journal = field(init=False)

    def __post_init__(self) -> None:
        self.journal = Journal(self._begin, STATE.dump_json, self.engine)

    def _begin(self, state: bytes, known: Sequence[Event], polled: ClusterStatus | None) -> Engine:
        return Engine(SETTINGS, STATE.validate_json(state), known, polled, rules().own)

    def take(self, items: Sequence[Event | Snapshot | Tick]) -> list[Event]:
        """Judge a batch; the events that it gave."""
        polled = any(isinstance(item, Snapshot) for item in items)
        late = self.journal.late(self.engine, items, (), polled=polled)
        ticks = [item for item in items if isinstance(item, Tick)] if late else []
        new = [item for item in items if not any(item is other for other in (*late, *ticks))]
        advance = self.engine.advance(new)
        self.journal.add(new, advance, polled=polled)
        self.steps += [(step, False) for step in advance.transitions]
        more = Advance(events=(), transitions=())
        if late:
            self.engine, more = self.journal.again(self.engine, late, ticks[-1].now if ticks else None)
            self.steps += [(step, True) for step in more.transitions]
        if advance.events or advance.transitions or more.events or self.journal.is_full(self.engine.state.now):
            self.journal.mark(STATE.dump_json(self.engine.state), self.engine)
        return [*advance.events, *more.events]

    def wait(self, until: datetime) -> None:
        """Let time pass, decision by decision."""
        before: datetime | None = None
        while (due := self.engine.next_due()) is not None and due + WAITED < until and due != before:
            before = due
            self.take([Tick(now=max(due + WAITED, self.engine.state.now or due))])

    def play(self, name: str, delay: Delay = lambda node, at: None, *, besides: bool = False, nodes: Sequence[str] = ()) -> None:
        """`besides`: traps and polls too, in time. `nodes`: the logs of these only."""
        logs = [lines for lines in lines_of(name) if not nodes or lines.node in nodes]
        arrivals: list[tuple[datetime, Lines | Trap | Snapshot]] = [(delay(one.node, one.at) or one.at + READ, one) for one in logs]
        arrivals += others_of(name) if besides else ()
        arrivals.sort(key=lambda arrival: arrival[0])
        for batch in _batches(arrivals):
            self.wait(batch[0][0])
            self.take(_read(batch))
        self.wait(max(end_of(name), arrivals[-1][0]) + timedelta(minutes=12))

    @property
    def told(self) -> dict[str, Incident]:
        """The incidents that people were told of and that are no part of another one, as they are at last."""
        opened = {step.incident.key for step, _ in self.steps if step.notice is Notice.OPENING}
        last = {step.incident.key: step.incident for step, _ in self.steps}
        return {key: last[key] for key in opened if last[key].part_of is None}


Arrival = tuple[datetime, Lines | Trap | Snapshot]


def _batches(arrivals: Sequence[Arrival]) -> Iterator[Sequence[Arrival]]:
    batch: list[Arrival] = []
    for arrival in arrivals:
        if batch and arrival[0] > batch[0][0] + ONE_BATCH:
            yield batch
            batch = []
        batch.append(arrival)
    yield batch


def _read(batch: Sequence[Arrival]) -> list[Event | Snapshot]:
    logs: dict[str, list[Event]] = defaultdict(list)
    polls = []
    for at, seen in batch:
        match seen:
            case Lines():
                chunk = LogChunk(cluster="c", collector="s", path=seen.node, data=seen.data, offset=seen.offset, received_at=at)
                logs[seen.node] += _matcher().scan(chunk).events
            case Trap():
                logs["traps"] += _traps().scan([seen]).events
            case Snapshot():
                polls.append(seen)
    return [*with_snapshots(list(causal_order(list(logs.values()))), polls)]


@cache
def _matcher() -> LogMatcher:
    return LogMatcher(rules())


@cache
def _traps() -> TrapMatcher:
    return TrapMatcher(rules())


@cache
def in_time(name: str, *, besides: bool = False, nodes: tuple[str, ...] = ()) -> Gateway:
    gateway = Gateway()
    gateway.play(name, besides=besides, nodes=nodes)
    return gateway
