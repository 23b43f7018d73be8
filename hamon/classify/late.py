"""Lines that come minutes late: the log of a node that was cut off, a queue that is sent at once, a file that is delivered afterwards.

The law: what came late is judged at its own time. The story is told again from before it, with all that was known since, and what of it
turns out otherwise is a step of the incident that it was; what people were told is not told again. What is newer is never kept waiting:
it is judged first. A story that nothing speaks for any more is closed.

What ended was counted and told as what it was then. If it was of another kind, or a move that was planned otherwise or came to another end,
then what it really was is an incident of its own, told once, and what it was taken for is a part of that. So the history, the numbers that
only grow, and what receivers were told go on to agree.

So some minutes of evidence are remembered, and now and then the state before them. Lines that are older than that, or come after a
restart and are of before it, are judged as they come. Bounded by `HORIZON` and `MOST`.
"""

import re
import zlib
from collections import defaultdict, deque
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from operator import attrgetter

from hamon.classify.incidents import OUT_OF_ORDER, Advance, Engine
from hamon.classify.order import causal_order, with_snapshots
from hamon.classify.replays import PUT_RIGHT, is_line, mark_of
from hamon.classify.state import State, Story
from hamon.classify.stories import DEPARTURES, MAX_LATE
from hamon.model.cluster import ClusterStatus
from hamon.model.event import Event, EventKind, place_of
from hamon.model.incident import Incident, IncidentKind, IncidentState, Notice, Transition, TransitionKind
from hamon.model.observation import Snapshot, Source, Tick

LATE = timedelta(seconds=15)
"""A line that is read so long after it was written comes late; up to it, logs are read and clocks go out of step all the time."""
SPREAD = timedelta(seconds=5)
"""Lines of one read that were written over a longer time were kept somewhere: no clock that is behind makes them old."""
READS = 16
"""The least age of the lines of a node in so many reads is what its clock is behind, and as late as its lines always come."""
AGREED = 2
"""So many things that a node tells at the time at which others told them show that its clock is right."""
OLDER = timedelta(seconds=1)
"""By so much it is older than what is known, so that it has to be put in order: stamps may be of whole seconds."""
HORIZON = timedelta(minutes=30)
"""So long evidence is remembered, by its own time."""
MOST = 2000
"""So much of it: an event counts as one, a poll that shows something new as one for each thing that it shows."""
MUCH = 600
"""A batch of more is not remembered: a large file is being caught up with. The whole log of a failover has some 100 to 400 events."""
MOST_LATE = 3 * MOST // 4
"""In a batch of more nothing is put in order."""
SPACING = timedelta(minutes=2)
"""How far the remembered states are apart at least."""
CALM = timedelta(minutes=2)
"""Of polls that show nothing new for longer one is remembered in this time, and the last one."""
KNOWN = 500
"""So many events before a state recognise copies of them."""
SAME = timedelta(minutes=2)
"""Within this time two stories of one kind about one thing are the same one, told from less and from more evidence."""
MAX_NAMES = 500

_LOG = Source.LOG
_OPEN, _CLOCK_SKEW = IncidentState.OPEN, IncidentKind.CLOCK_SKEW
_MOVES = frozenset({IncidentKind.FAILOVER, IncidentKind.SWITCHOVER})
_STAMP = re.compile(r"-(\d{8}T\d{6})(?:-|$)")
_COMMON = frozenset(
    {
        EventKind.NODE_JOINED,
        EventKind.NODE_LEFT,
        EventKind.NODE_LOST,
        EventKind.FENCING_DONE,
        EventKind.ATTRIBUTE_CHANGED,
        EventKind.OPERATION_STARTED,
        EventKind.RESOURCE_STARTED,
        EventKind.RESOURCE_STOPPED,
        EventKind.RESOURCE_PROMOTED,
        EventKind.RESOURCE_DEMOTED,
        EventKind.OPERATION_FAILED,
    }
)
"""What several nodes tell of one: the node that does it, the DC that orders it, and who hears of it."""
_AT = attrgetter("at")

Item = Event | Snapshot | Tick
Begin = Callable[[bytes, Sequence[Event], ClusterStatus | None], Engine]
"""An engine that goes on from a state, the events before it, and the last poll before it."""
Dump = Callable[[State], bytes]


@dataclass(slots=True)
class _Said:
    """An incident as it was last recorded."""

    incident: Incident
    sequence: int
    untrue: bool = False
    """It is known that it was not so."""


@dataclass(slots=True)
class _Stretch:
    """What came after one state, and what it gave. `state`: compressed, but for the newest. `at`: up to when it knows the evidence; None:
    it knows nothing.
    """

    state: bytes
    at: datetime | None
    polled: ClusterStatus | None
    items: list[Event | Snapshot] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    """The last ones that it gave."""
    said: dict[str, _Said] = field(default_factory=dict)
    size: int = 0

    def gave(self, advance: Advance) -> None:
        self.events += advance.events
        if len(self.events) > 2 * KNOWN:
            del self.events[:-KNOWN]
        for step in advance.transitions:
            self.said[step.incident.key] = _Said(step.incident, step.sequence)


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """How much is remembered: from how many states, how much evidence (see `MOST`), and over which time."""

    states: int
    size: int
    span: timedelta


class Journal:
    """The evidence of the last minutes of one cluster, and what was made of it."""

    def __init__(self, begin: Begin, dump: Dump, engine: Engine, known: Sequence[Event] = ()) -> None:
        """`known` are the last events before the state of the engine."""
        self._begin, self._dump = begin, dump
        self._stretches = [_Stretch(_packed(dump(engine.state)), engine.state.now, engine.polled)]
        self._before = list(known)[-KNOWN:]
        self._names: dict[str, str] = {}
        """The key that a story gets where it is told again -> the key under which it is recorded."""
        self._shown: dict[str, Snapshot] = {}
        """Of each command that asks the cluster: the last poll that is remembered."""
        self._news_at: datetime | None = None
        """When something new came last, by the polls."""
        self._ages: dict[str, deque[timedelta]] = {}
        """Of each node that logs: how old the newest line was in the last reads."""
        self.judged_again = 0
        """How much evidence was judged once more when lines came late last."""

    def add(self, items: Sequence[Item], advance: Advance, *, polled: bool) -> None:
        """Remember what was judged, and what it gave. `polled`: there are polls among it."""
        if len(items) > MUCH:
            # A large file is being caught up with: of so much the state that it leads to is remembered.
            self._before, self._stretches = list(advance.events[-KNOWN:]), []
        if not self._stretches:
            return
        stretch = self._stretches[-1]
        if polled:
            self._add_polls(stretch, items)
        elif items:
            stretch.items.extend(items if type(items[-1]) is Event else items[:-1])  # type: ignore[arg-type]  # a tick comes last
            stretch.size += len(items)
            self._news_at = None
        if advance.events or advance.transitions:
            stretch.gave(advance)

    def _add_polls(self, stretch: _Stretch, items: Sequence[Item]) -> None:
        """Polls that show nothing new share their content with the one before, and of a long row of them few are remembered."""
        for item in items:
            if isinstance(item, Event):
                stretch.items.append(item)
                stretch.size += 1
                self._news_at = None
            elif isinstance(item, Snapshot):
                status, shown = item.status, self._shown.get(item.path)
                if shown is None or not item.digest or shown.digest != item.digest:
                    stretch.size += len(status.nodes) + len(status.resources) + len(status.history)
                    self._news_at = None
                else:
                    item = replace(item, status=replace(shown.status, at=status.at, last_update_at=status.last_update_at))
                    if (place := self._needless(stretch.items, item)) is not None:
                        del stretch.items[place]
                        stretch.size -= 1
                stretch.items.append(item)
                stretch.size += 1
                self._news_at = self._news_at or status.at
                self._shown[item.path] = item
                if len(self._shown) > MAX_NAMES:
                    self._shown.clear()

    def _needless(self, items: Sequence[Event | Snapshot], item: Snapshot) -> int | None:
        """The place of the poll of the same command before this one, where it tells nothing that this one and the one before it do not."""
        if self._news_at is None:
            return None
        places = [len(items) - 1 - i for i, known in enumerate(items[:-9:-1]) if isinstance(known, Snapshot) and known.path == item.path]
        if len(places) < 2:
            return None
        before = _time_of(items[places[1]])
        return places[0] if before - self._news_at > CALM and item.status.at - before < CALM else None

    def is_full(self, now: datetime | None) -> bool:
        """Whether it should be told a state although nothing happened."""
        if not self._stretches:
            return True
        last = self._stretches[-1]
        if not last.items or now is None:
            return False
        return last.size > MOST // 4 or now - (last.at or _time_of(last.items[0])) > HORIZON / 2

    def mark(self, state: bytes, engine: Engine) -> None:
        """All that was added so far led to this state: from here the story may be told again."""
        now = engine.state.now
        if not self._stretches:
            self._stretches = [_Stretch(state, now, engine.polled)]
            return
        last = self._stretches[-1]
        if now is None or not last.items or (last.at is not None and now - last.at < SPACING and last.size < MOST // 4):
            return
        last.state = _packed(last.state)
        self._stretches.append(_Stretch(state, now, engine.polled))
        self._trim(now)

    def _trim(self, now: datetime) -> None:
        size = sum(stretch.size for stretch in self._stretches)
        while len(self._stretches) > 1:
            oldest, after = self._stretches[0], self._stretches[1]
            if size <= MOST and after.at is not None and now - after.at <= HORIZON:
                break
            size -= oldest.size
            self._before = [*self._before, *oldest.events][-KNOWN:]
            del self._stretches[0]

    @property
    def kept(self) -> Kept:
        times = [stretch.at for stretch in self._stretches if stretch.at is not None]
        size = sum(stretch.size for stretch in self._stretches)
        return Kept(states=len(self._stretches), size=size, span=times[-1] - times[0] if times else timedelta(0))

    def late(self, engine: Engine, items: Sequence[Item], stored: Collection[str], *, polled: bool) -> Sequence[Event]:
        """The lines that come late and can be put in order; `stored` are the places of those that the history has."""
        now = engine.state.now
        events: Sequence[Event] = [item for item in items if isinstance(item, Event)] if polled else _events(items)
        if not 0 < len(events) <= MOST_LATE:
            return ()
        usual = self._usual_ages(events)
        if now is None or not self._stretches or min(map(_AT, events)) >= now - OLDER:
            return ()
        usual = {**usual, **dict.fromkeys(self._in_step(events, usual), timedelta(0))}
        limit, first = now - OLDER, self._stretches[0].at
        found = [event for event in events if event.source is _LOG and is_line(event) and (event.reporter or "") in usual]
        found = [event for event in found if event.received_at - event.at > LATE + usual[event.reporter or ""]]
        found = [event for event in found if place_of(event) not in stored and (first is None or event.at - OLDER > first)]
        if not any(event.at < limit for event in found):
            return ()
        # What came with it and is no news either is not judged before it.
        known: dict[int, datetime] = {}
        for stretch in self._stretches:
            known.update((mark_of(item), item.at) for item in stretch.items if isinstance(item, Event) and item.source is _LOG)
        return [event for event in found if (at := known.get(mark_of(event))) is None or abs(at - event.at) > PUT_RIGHT]

    def _usual_ages(self, events: Sequence[Event]) -> Mapping[str, timedelta]:
        """How old the lines of each node are at least when they are read, whatever the reason; missing: nobody knows.

        A clock that is behind makes all lines old, and its node is judged as it always was.
        """
        ages: dict[str, timedelta] = {}
        oldest: dict[str, timedelta] = {}
        for event in events:
            if event.source is _LOG:
                name, age = event.reporter or "", event.received_at - event.at
                if name not in ages or age < ages[name]:
                    ages[name] = age
                if name not in oldest or age > oldest[name]:
                    oldest[name] = age
        usual: dict[str, timedelta] = {}
        for name, age in ages.items():
            known = self._ages.get(name)
            if oldest[name] - age > SPREAD:
                usual[name] = timedelta(0)
            elif known:
                usual[name] = max(timedelta(0), min(known))
            if known is None:
                if len(self._ages) >= MAX_NAMES:
                    self._ages.clear()
                known = self._ages[name] = deque(maxlen=READS)
            known.append(age)
        return usual

    def _in_step(self, events: Sequence[Event], heard: Collection[str]) -> Iterator[str]:
        """Nodes that were never heard before and whose clock is right: what they tell, others told at the same time."""
        new = [event for event in events if event.source is _LOG and (event.reporter or "") not in heard and _is_common(event)]
        if not new:
            return
        told: dict[tuple[object, ...], list[datetime]] = defaultdict(list)
        for stretch in self._stretches:
            for item in stretch.items:
                if isinstance(item, Event) and _is_common(item):
                    told[_fact(item)].append(item.at)
        facts: dict[str, set[tuple[object, ...]]] = defaultdict(set)
        for event in new:
            if any(abs(at - event.at) <= OLDER for at in told.get(_fact(event), ())):
                facts[event.reporter or ""].add(_fact(event))
        yield from (name for name, agreed in facts.items() if len(agreed) >= AGREED)

    def again(self, engine: Engine, late: Sequence[Event], until: datetime | None = None) -> tuple[Engine, Advance]:
        """Tell the story again with what came late. Return who goes on from there, the events of these lines, and what changed.

        `until`: the time that it is, as far as time alone has something to decide.
        """
        oldest = min(event.at for event in late)
        numbers = reversed(range(len(self._stretches)))
        place = next(number for number in numbers if (at := self._stretches[number].at) is None or at < oldest - OLDER)
        base, rest = self._stretches[place], self._stretches[place:]
        known = [*self._before, *(event for stretch in self._stretches[:place] for event in stretch.events)][-KNOWN:]
        other = self._begin(_unpacked(base.state), known, base.polled)
        _rename(other.state, self._names)
        said = {key: told for stretch in self._stretches[:place] for key, told in stretch.said.items()}
        said |= {story.key: _Said(other.incident(story), story.sequence) for story in _stories(other.state) if story.recorded}
        since: dict[str, _Said] = {key: told for stretch in rest for key, told in stretch.said.items()}
        items = list(_in_order([item for stretch in rest for item in stretch.items], late))
        self.judged_again = len(items) - len(late)
        anew = [_Stretch(base.state, base.at, base.polled)]
        events: list[Event] = []
        steps: list[Transition] = []
        begin = 0
        for number, cut in enumerate([*(stretch.at for stretch in rest[1:]), None]):
            end = len(items) if cut is None else next((i for i in range(begin, len(items)) if _time_of(items[i]) > cut), len(items))
            part: list[Item] = [*items[begin:end]]
            if cut is None:
                # What was decided by time alone is decided again up to the same moment.
                part.append(Tick(now=max(engine.state.now or oldest, _time_of(items[-1]), until or oldest)))
            advance = other.advance(part)
            events += advance.events
            steps += advance.transitions
            anew[-1].items += items[begin:end]
            anew[-1].size += rest[number].size
            anew[-1].gave(Advance(events=advance.events, transitions=()))
            begin = end
            if cut is not None and other.state.now is not None:
                anew.append(_Stretch(_packed(self._dump(other.state)), other.state.now, other.polled))
        anew[-1].size += len(late)
        changes = list(self._reconciled(engine, other, steps, said, since, base.at))
        anew[-1].said |= since
        self._stretches[place:] = anew
        self._trim(other.state.now or oldest)
        places = {place_of(event) for event in late}
        return other, Advance(events=[event for event in events if place_of(event) in places], transitions=changes)

    def _reconciled(
        self,
        engine: Engine,
        other: Engine,
        retold: Sequence[Transition],
        said: dict[str, _Said],
        since: dict[str, _Said],
        begin: datetime | None,
    ) -> Iterator[Transition]:
        """Let the engine that told the story again go on with the incidents that are recorded; what of them changes.

        `said` are incidents as they were recorded before, `since` those with steps in the time that was told again, from `begin` on.
        """
        state, now = other.state, other.state.now
        assert now is not None  # what comes late is later than something
        said = said | since
        _keep_clocks(engine, other)
        stories = {story.key: story for story in _stories(state) if story.kind is not _CLOCK_SKEW}
        found = {step.incident.key: step.incident for step in retold if step.incident.key not in stories}
        found |= {key: other.incident(story) for key, story in stories.items()}
        names = {key: self._names[key] for key in found if key in self._names and key not in said}
        gone = {
            key: told
            for key, told in since.items()
            if key not in found
            and key not in names.values()
            and told.incident.kind is not _CLOCK_SKEW
            and (begin is None or told.incident.state is _OPEN or _began(told.incident) > begin)
        }
        new = {key: incident for key, incident in found.items() if key not in said and key not in names}
        names |= _same_ones(new, {key: told.incident for key, told in gone.items()})
        gone = {key: told for key, told in gone.items() if key not in names.values() and not told.untrue}
        turned: dict[str, str] = {}
        """The key of what ended -> the key of what it really was."""
        for name, incident in found.items():
            key = names.get(name, name)
            if key in said and _is_another(said[key].incident, incident):
                turned[key] = names[name] = _key_beside(key, now, said)
        self._names = dict([*(self._names | names).items()][-MAX_NAMES:])
        _rename(state, names)
        state.late_keys = [*state.late_keys, *turned][-MAX_LATE:]
        reminded = {turned.get(story.key, story.key): story.reminded_at for story in engine.state.stories}
        found = {
            name: replace(incident, key=names.get(name, name), part_of=names.get(incident.part_of or "", incident.part_of))
            for name, incident in found.items()
        }
        parts = {incident.key: incident.part_of for incident in found.values()}
        before = {into: said[key].incident.kind for key, into in turned.items()}
        for key, into in turned.items():
            incident = replace(said[key].incident, part_of=parts[into] or into)
            reason = f"part of {incident.part_of}"
            yield Transition(at=now, kind=_kind(incident), incident=incident, sequence=said[key].sequence + 1, reason=reason)
            for stretch in self._stretches:
                stretch.said.pop(key, None)
            since.pop(key, None)
        for name, incident in found.items():
            key = incident.key
            known, story = said.get(key), stories.get(name)
            sequence = known.sequence if known is not None else 0
            notice = _notice(known.incident if known is not None else None, incident)
            if known is not None and known.incident.told:
                incident = replace(incident, told=True)
            if known is None or incident != known.incident:
                sequence += 1
                kind = TransitionKind.OPENED if known is None else _kind(incident)
                reason = "told by what came late" if known is None else "more of it came late"
                if key in before:
                    reason = f"taken for {before[key]} before"
                since[key] = _Said(incident, sequence)
                yield Transition(at=now, kind=kind, incident=incident, sequence=sequence, reason=reason, notice=notice)
            if story is not None:
                story.sequence, story.recorded, story.told = sequence, True, incident.told
                if (at := reminded.get(key)) is not None:
                    story.reminded_at = max(at, story.reminded_at or at)
        for key, told in gone.items():
            incident, notice = told.incident, None
            if incident.state is _OPEN:
                incident = replace(incident, state=IncidentState.RESOLVED, resolved_at=now)
                notice = Notice.CLOSING if incident.told and incident.part_of is None else None
            incident = replace(incident, part_of=turned.get(incident.part_of or "", incident.part_of))
            reason = "what came late shows that it was not so"
            sequence = told.sequence + 1
            since[key] = _Said(incident, sequence, untrue=True)
            yield Transition(at=now, kind=_kind(incident), incident=incident, sequence=sequence, reason=reason, notice=notice)
        other.takes_over(engine)


def _packed(state: bytes) -> bytes:
    return zlib.compress(state, 1) if _is_plain(state) else state


def _unpacked(state: bytes) -> bytes:
    return state if _is_plain(state) else zlib.decompress(state)


def _is_plain(state: bytes) -> bool:
    return state.startswith(b"{")


def _events(items: Sequence[Item]) -> Sequence[Event]:
    """Items without polls: events, and at most one tick, which comes last."""
    return items if not items or type(items[-1]) is Event else items[:-1]  # type: ignore[return-value]


def _is_common(event: Event) -> bool:
    """Whether other nodes may tell the same."""
    return event.node is not None and event.kind in _COMMON


def _fact(event: Event) -> tuple[object, ...]:
    return (event.kind, event.node, event.resource, event.detail.get("operation"))


def _time_of(item: Event | Snapshot) -> datetime:
    return item.at if isinstance(item, Event) else item.status.at


def _in_order(items: Sequence[Event | Snapshot], late: Sequence[Event]) -> Iterator[Event | Snapshot]:
    """What was known and what came late, in the order in which it happened."""
    logs: dict[tuple[object, ...], list[Event]] = defaultdict(list)
    newest: dict[tuple[object, ...], datetime] = {}
    seen: set[tuple[int, datetime]] = set()
    for item in items:
        if not isinstance(item, Event):
            continue
        log = (item.collector, item.ref.rpartition("@")[0] if item.source is _LOG else "")
        mark = (mark_of(item), item.at)
        if log in newest and newest[log] - item.at > OUT_OF_ORDER and mark in seen and item.source is _LOG:
            continue  # a copy
        seen.add(mark)
        newest[log] = max(newest.get(log, item.at), item.at)
        logs[log].append(item)
    for event in late:
        logs["late", event.collector, event.ref.rpartition("@")[0]].append(event)
    return with_snapshots(list(causal_order(list(logs.values()))), [item for item in items if isinstance(item, Snapshot)])


def _stories(state: State) -> Iterator[Story]:
    yield from state.stories
    yield from state.flapping.values()


def _keep_clocks(engine: Engine, other: Engine) -> None:
    """What is known of the clocks of nodes is no part of the story."""
    kept = [story for story in engine.state.stories if story.kind is _CLOCK_SKEW]
    other.state.stories = [story for story in other.state.stories if story.kind is not _CLOCK_SKEW] + kept
    other.state.clocks = dict(engine.state.clocks)


def _kind(incident: Incident) -> TransitionKind:
    if incident.state is _OPEN:
        return TransitionKind.UPDATED
    return TransitionKind.EXPIRED if incident.state is IncidentState.EXPIRED else TransitionKind.RESOLVED


def _notice(before: Incident | None, after: Incident) -> Notice | None:
    """What people are told of an incident that turned out otherwise; None before: it is new."""
    if after.part_of is not None:
        return None
    if before is None or not before.told:
        return Notice.OPENING if after.told else None
    if after.state is not _OPEN:
        return Notice.CLOSING if before.state is _OPEN else None  # who was told its end is not told another one
    return Notice.UPDATE if _verdict(before) != _verdict(after) else None


def _is_another(ended: Incident, really: Incident) -> bool:
    """Whether what ended is no longer what it was counted and told as (see the law)."""
    if ended.state is _OPEN:
        return False
    if ended.kind is not really.kind:
        return True
    return ended.kind in _MOVES and (ended.planned, ended.outcome) != (really.planned, really.outcome)


def _key_beside(key: str, now: datetime, known: Collection[str]) -> str:
    """As the book names what happened long ago: two incidents never have one key."""
    base = beside = f"{key.partition('-told-')[0]}-told-{now:%Y%m%dT%H%M%S}"
    number = 2
    while beside in known:
        beside, number = f"{base}-{number}", number + 1
    return beside


def _verdict(incident: Incident) -> tuple[object, ...]:
    return (incident.kind, incident.planned, incident.outcome, incident.severity, incident.from_node, incident.to_node, incident.state)


def _same_ones(new: dict[str, Incident], gone: dict[str, Incident]) -> dict[str, str]:
    """New key -> key of the incident that it was before: of one kind, about one thing, at about the same time."""
    pairs = [
        (_is_about(one, other), apart, key, known)
        for key, one in new.items()
        for known, other in gone.items()
        if _is_about(one, other) and (apart := abs(_began(one) - _began(other))) <= SAME
    ]
    names: dict[str, str] = {}
    for _, _, key, known in sorted(pairs, key=lambda pair: (-pair[0], *pair[1:])):
        if key not in names and known not in names.values():
            names[key] = known
    return names


def _is_about(one: Incident, other: Incident) -> int:
    """How well two incidents agree: 2, their keys name the same; 1, they are of one kind and about the same resources; 0, not at all."""
    subjects = [_STAMP.split(incident.key)[0] for incident in (one, other)]
    if subjects[0] == subjects[1]:
        return 2
    alike = one.kind is other.kind or (one.kind in DEPARTURES and other.kind in DEPARTURES)
    return int(alike and not {*one.resources}.isdisjoint(other.resources) and not {*one.nodes}.isdisjoint(other.nodes))


def _began(incident: Incident) -> datetime:
    return incident.started_at or incident.detected_at


def _renamed(about: str, names: Mapping[str, str]) -> str:
    """What a row of polls shows may be that a story is over, whose key is its last word."""
    words, _, last = about.rpartition(" ")
    return f"{words} {names[last]}" if last in names else about


def _rename(state: State, names: Mapping[str, str]) -> None:
    """Give stories the keys under which they are recorded."""
    if not names:
        return

    for story in _stories(state):
        story.key = names.get(story.key, story.key)
        story.part_of = names.get(story.part_of or "", story.part_of)
    state.polls.since = {_renamed(about, names): at for about, at in state.polls.since.items()}
    state.returning = {name: names.get(key, key) for name, key in state.returning.items()}
