"""Lines that come minutes late: the log of a node that was cut off, a queue that is sent at once, a file that is delivered afterwards.

The law: what came late is judged at its own time. The story is told again from before it, with all that was known since, and what of it
turns out otherwise is a step of the incident that it was; what people were told is not told again. What is newer is never kept waiting:
it is judged first. A story that nothing speaks for any more is closed.

So some minutes of evidence are remembered, and now and then the state before them. Lines that are older than that, or come after a
restart and are of before it, are judged as they come. Bounded by `HORIZON` and `MOST`.
"""

import re
from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from hamon.classify.incidents import OUT_OF_ORDER, Advance, Engine
from hamon.classify.order import causal_order, with_snapshots
from hamon.classify.replays import PUT_RIGHT, is_line, mark_of
from hamon.classify.state import State, Story
from hamon.classify.stories import DEPARTURES
from hamon.model.cluster import ClusterStatus
from hamon.model.event import Event, place_of
from hamon.model.incident import Incident, IncidentKind, IncidentState, Notice, Transition, TransitionKind
from hamon.model.observation import Snapshot, Source, Tick

LATE = timedelta(seconds=15)
"""A line that is read so long after it was written comes late; up to it, logs are read and clocks go out of step all the time."""
OLDER = timedelta(seconds=1)
"""By so much it is older than what is known, so that it has to be put in order: stamps may be of whole seconds."""
HORIZON = timedelta(minutes=30)
"""So long evidence is remembered, by its own time."""
MOST = 10_000
"""So much of it: an event counts as one, a poll that shows something new as one for each thing that it shows."""
SPACING = timedelta(minutes=1)
"""How far the remembered states are apart at least."""
KNOWN = 500
"""So many events before a state recognise copies of them."""
SAME = timedelta(minutes=2)
"""Within this time two stories of one kind about one thing are the same one, told from less and from more evidence."""

_LOG = Source.LOG
_OPEN, _CLOCK_SKEW = IncidentState.OPEN, IncidentKind.CLOCK_SKEW
_STAMP = re.compile(r"-(\d{8}T\d{6})(?:-|$)")

Item = Event | Snapshot | Tick
Begin = Callable[[bytes, Sequence[Event], ClusterStatus | None], Engine]
"""An engine that goes on from a state, the events before it, and the last poll before it."""


@dataclass(slots=True)
class _Stretch:
    """What came after one state, and what it gave. `at`: up to when that state knows the evidence; None: it knows nothing."""

    state: bytes
    at: datetime | None
    polled: ClusterStatus | None
    items: list[Event | Snapshot] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    steps: list[Transition] = field(default_factory=list)
    size: int = 0


@dataclass(slots=True)
class _Said:
    """An incident as it was last recorded."""

    incident: Incident
    sequence: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """How much is remembered: from how many states, how much evidence (see `MOST`), and over which time."""

    states: int
    size: int
    span: timedelta


class Journal:
    """The evidence of the last minutes of one cluster, and what was made of it."""

    def __init__(self, begin: Begin, state: bytes, engine: Engine, known: Sequence[Event] = ()) -> None:
        """`state` is that of the engine, `known` the last events before it."""
        self._begin = begin
        self._stretches = [_Stretch(state, engine.state.now, engine.polled)]
        self._before = list(known)[-KNOWN:]
        self._digest = ""
        self._status: ClusterStatus | None = None

    def add(self, items: Sequence[Item], advance: Advance) -> None:
        """Remember what was judged, and what it gave."""
        stretch = self._stretches[-1]
        for item in items:
            match item:
                case Event():
                    stretch.items.append(item)
                    stretch.size += 1
                case Snapshot():
                    stretch.items.append(self._shared(item, stretch))
        stretch.events += advance.events
        stretch.steps += advance.transitions

    def _shared(self, snapshot: Snapshot, stretch: _Stretch) -> Snapshot:
        """The same, sharing its content with the poll before where that showed the same."""
        status, known = snapshot.status, self._status
        if known is not None and snapshot.digest and snapshot.digest == self._digest:
            stretch.size += 1
            return replace(snapshot, status=replace(known, at=status.at, last_update_at=status.last_update_at))
        self._digest, self._status = snapshot.digest, status
        stretch.size += 1 + len(status.nodes) + len(status.resources) + len(status.history)
        return snapshot

    def mark(self, state: bytes, engine: Engine) -> None:
        """All that was added so far led to this state: from here the story may be told again."""
        last, now = self._stretches[-1], engine.state.now
        if now is None or not last.items or (last.at is not None and now - last.at < SPACING and last.size < MOST // 4):
            return
        self._stretches.append(_Stretch(state, now, engine.polled))
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

    def late(self, engine: Engine, items: Sequence[Item], stored: Collection[str]) -> Sequence[Event]:
        """The lines that come late and can be put in order; `stored` are the places of those that the history has."""
        now = engine.state.now
        if now is None:
            return ()
        limit, first = now - OLDER, self._stretches[0].at
        found = [item for item in items if isinstance(item, Event) and item.at < limit and item.source is _LOG]
        found = [item for item in found if item.received_at - item.at > LATE and is_line(item) and place_of(item) not in stored]
        found = [item for item in found if first is None or item.at - OLDER > first]
        if not found:
            return ()
        known: dict[int, datetime] = {}
        for stretch in self._stretches:
            known.update((mark_of(item), item.at) for item in stretch.items if isinstance(item, Event) and item.source is _LOG)
        return [item for item in found if (at := known.get(mark_of(item))) is None or abs(at - item.at) > PUT_RIGHT]

    def again(self, engine: Engine, late: Sequence[Event]) -> tuple[Engine, Advance]:
        """Tell the story again with what came late. Return who goes on from there, the events of these lines, and what changed."""
        oldest = min(event.at for event in late)
        numbers = reversed(range(len(self._stretches)))
        place = next(number for number in numbers if (at := self._stretches[number].at) is None or at < oldest - OLDER)
        base, rest = self._stretches[place], self._stretches[place:]
        known = [*self._before, *(event for stretch in self._stretches[:place] for event in stretch.events)][-KNOWN:]
        other = self._begin(base.state, known, base.polled)
        recorded = {story.key: _Said(other.incident(story), story.sequence) for story in _stories(other.state) if story.recorded}
        items = list(_in_order([item for stretch in rest for item in stretch.items], late))
        # What was decided by time alone is decided again up to the same moment.
        advance = other.advance([*items, Tick(now=engine.state.now or oldest)])
        steps = [step for stretch in rest for step in stretch.steps]
        earlier = [step for stretch in self._stretches[:place] for step in stretch.steps]
        said = _said(earlier) | recorded | _said(steps)
        changes = list(_reconciled(engine, other, advance.transitions, said, {step.incident.key for step in steps}))
        places = {place_of(event) for event in late}
        events = [event for event in advance.events if place_of(event) in places]
        del self._stretches[place + 1 :]
        base.items = [item for item in items if not isinstance(item, Tick)]
        base.events, base.steps = list(advance.events), [*steps, *changes]
        base.size = sum(stretch.size for stretch in rest) + len(late)
        return other, Advance(events=events, transitions=changes)


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


def _reconciled(
    engine: Engine, other: Engine, retold: Sequence[Transition], said: dict[str, _Said], since: Collection[str]
) -> Iterator[Transition]:
    """Let the engine that told the story again go on with the incidents that are recorded; what of them changes.

    `said` are incidents as they were recorded last, `since` the keys of those with steps in the time that was told again.
    """
    state, now = other.state, engine.state.now
    assert now is not None  # what comes late is later than something
    _keep_clocks(engine, other)
    stories = {story.key: story for story in _stories(state) if story.kind is not _CLOCK_SKEW}
    found = {step.incident.key: step.incident for step in retold if step.incident.key not in stories}
    found |= {key: other.incident(story) for key, story in stories.items()}
    gone = [key for key in since if key not in found and said[key].incident.kind is not _CLOCK_SKEW]
    names = _same_ones({key: incident for key, incident in found.items() if key not in said}, {key: said[key].incident for key in gone})
    _rename(state, names)
    reminded = {story.key: story.reminded_at for story in engine.state.stories}
    for name, incident in found.items():
        key = names.get(name, name)
        incident = replace(incident, key=key, part_of=names.get(incident.part_of or "", incident.part_of))
        known, story = said.get(key), stories.get(name)
        sequence = known.sequence if known is not None else 0
        notice = _notice(known.incident if known is not None else None, incident)
        if known is not None and known.incident.told:
            incident = replace(incident, told=True)
        if known is None or incident != known.incident:
            sequence += 1
            kind, reason = (TransitionKind.OPENED, "told by what came late") if known is None else (_kind(incident), "more of it came late")
            yield Transition(at=now, kind=kind, incident=incident, sequence=sequence, reason=reason, notice=notice)
        if story is not None:
            story.sequence, story.recorded, story.told = sequence, True, incident.told
            if (at := reminded.get(key)) is not None:
                story.reminded_at = max(at, story.reminded_at or at)
    for key in gone:
        if key in names.values() or said[key].incident.state is not _OPEN:
            continue
        incident = replace(said[key].incident, state=IncidentState.RESOLVED, resolved_at=now)
        notice = Notice.CLOSING if incident.told and incident.part_of is None else None
        reason = "what came late shows that it was not so"
        yield Transition(
            at=now, kind=TransitionKind.RESOLVED, incident=incident, sequence=said[key].sequence + 1, reason=reason, notice=notice
        )
    other.takes_over(engine)


def _stories(state: State) -> Iterator[Story]:
    yield from state.stories
    yield from state.flapping.values()


def _said(steps: Sequence[Transition]) -> dict[str, _Said]:
    """Incidents as the last of these steps recorded them."""
    return {step.incident.key: _Said(step.incident, step.sequence) for step in steps}


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
