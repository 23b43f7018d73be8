"""The book of stories of one cluster: opening, joining cause to effect, closing, and saying what changed.

Laws: a key never changes and never has two open stories; a story that is part of another is not told on its own; a transition is given
only when something that matters changed, and the timeline grows without one.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import lru_cache, partial
from operator import attrgetter

from hamon.classify import flapping
from hamon.classify.amiss import amiss, concerning
from hamon.classify.debts import debt_since
from hamon.classify.evidence import evidence, sided
from hamon.classify.host import first_trouble, lost_ticket
from hamon.classify.own_changes import is_suppressed, severity_of
from hamon.classify.settings import ClusterSettings
from hamon.classify.state import State, Story
from hamon.classify.topology import active_nodes, configured, is_split
from hamon.model.event import Detail, Event, EventKind
from hamon.model.incident import (
    Cause,
    Incident,
    IncidentKind,
    IncidentState,
    Notice,
    Outcome,
    OwnWords,
    Severity,
    TimelineEntry,
    Transition,
    TransitionKind,
)
from hamon.model.observation import Source
from hamon.model.record import in_order
from hamon.rules.own import Change

MAX_TIMELINE = 200
_MOST_ORDERED = 64
"""So many timelines are kept in order of time."""
MAX_RECENT = 60
MAX_LATE = 500
"""So many keys of stories that were opened late are remembered."""
MOST_ALIKE = 5
"""So often what a host says of one trouble is remembered; a timeline takes twice as many."""
MAX_ENTRY_RAW = 400
"""Characters of the original line that a timeline keeps; the event keeps more."""

DEPARTURES = frozenset({IncidentKind.FAILOVER, IncidentKind.SWITCHOVER, IncidentKind.SERVICE_DOWN})
_RANK = {
    IncidentKind.FAILOVER: 9,
    IncidentKind.SWITCHOVER: 9,
    IncidentKind.SERVICE_DOWN: 9,
    IncidentKind.STANDBY_FAULT: 8,
    IncidentKind.FENCING_FAILED: 7,
    IncidentKind.NODE_LOST: 6,
    IncidentKind.DAEMON_FAILED: 6,
    IncidentKind.CONNECTIVITY_DEGRADED: 6,
    IncidentKind.DISK_DEGRADED: 6,
    IncidentKind.REPLICATION_DEGRADED: 6,
    IncidentKind.QUORUM_LOST: 6,
    IncidentKind.FENCE_DEVICE_FAILED: 6,
    IncidentKind.FENCING: 5,
    IncidentKind.RESOURCE_FAILURE: 4,
    IncidentKind.LOCAL_RECOVERY: 4,
    IncidentKind.STOP_FAILED: 4,
    IncidentKind.RESOURCE_BLOCKED: 4,
    IncidentKind.FAILCOUNT_THRESHOLD: 4,
}
"""Who explains whom: the higher is the effect, the lower its cause (taxonomy 3.3). Kinds that are missing stand alone."""
FAILURES = frozenset({IncidentKind.RESOURCE_FAILURE, IncidentKind.STOP_FAILED, IncidentKind.FENCE_DEVICE_FAILED})
"""Operations that failed."""
SAME_TIME = timedelta(milliseconds=500)
"""By how much the stamps of two nodes may differ where what they tell came one after the other."""

_FAULTS = frozenset(_RANK) - DEPARTURES | {
    IncidentKind.INTERCONNECT_DEGRADED,
    IncidentKind.SPLIT_BRAIN_SUSPECTED,
    IncidentKind.MONITORING_LOST,
}
"""A fault is not planned; what looks like one and is planned work is opened as such."""

UNKNOWN_END = "?"
"""Stands for the other end of a link whose node no line names."""

_OPEN = IncidentState.OPEN
_INTERCONNECT_DEGRADED = IncidentKind.INTERCONNECT_DEGRADED
_PLAN, _OPERATION_SUCCEEDED = EventKind.PLAN, EventKind.OPERATION_SUCCEEDED
_HOST_ERROR, _REPORTED = EventKind.HOST_ERROR, EventKind.REPORTED

# Events that say nothing a person needs in a story.
_UNTOLD = frozenset(
    {
        EventKind.REPORTED,
        EventKind.SERVICE_NAMED,
        EventKind.OLD_FAILURE,
        EventKind.STATE_CHANGED,
        EventKind.UNCLASSIFIED,
        EventKind.CONFIG_CHANGED,
    }
)


_entry = in_order(TimelineEntry)
_AT = attrgetter("at")
_SOURCE = attrgetter("source")


def entry_of(event: Event) -> TimelineEntry:
    """The entry of a timeline that an event makes; of its line the first `MAX_ENTRY_RAW` characters."""
    # A node of which only a number is known is not that which tells of it; the loss of one has words of its own.
    node, reporter, detail = event.node, event.reporter, event.detail
    if not node:
        node = None if node is None and detail.get("node_id") is not None else reporter
    by = (reporter,) if reporter else ()
    return _entry(event.at, node, event.resource, event.source, event.kind, detail, event.raw[:MAX_ENTRY_RAW], by)


def is_telling(event: Event) -> bool:
    """Whether an event belongs in a timeline."""
    kind = event.kind
    if kind is _PLAN:
        return event.detail.get("action") not in ("Leave", "End")
    if kind is _OPERATION_SUCCEEDED:
        return event.detail.get("operation") != "notify"
    return kind not in _UNTOLD


@dataclass(slots=True)
class Step:
    """What a story says in one transition."""

    story: Story
    reason: str


class Book:
    """The stories of a cluster: opened, joined, closed, and what of them changed since it was last asked for."""

    def __init__(self, state: State, settings: ClusterSettings) -> None:
        self.state = state
        self.settings = settings
        self.steps: dict[str, Step] = {}
        """What changed since `transitions` were last asked for, by key."""
        self._open = tuple(story for story in state.stories if story.state is IncidentState.OPEN)
        self.silent_before: datetime | None = None
        self._grown: set[str] = set()
        self._ordered: dict[str, tuple[tuple[TimelineEntry, ...], tuple[TimelineEntry, ...], frozenset[Source]]] = {}
        """Of stories by key: the timeline as it was written, the same in order of time, and its sources."""
        self.changes: Sequence[Change] = ()
        """What rules of the user's own change of incidents."""
        self.forced: Severity | None = None
        """The severity of what the event at hand opens, as its rule says; None: as it is."""

    def read_again(self) -> None:
        """The stories of the state were changed by somebody else."""
        self._open = tuple(story for story in self.state.stories if story.state is _OPEN)
        self._ordered.clear()
        self._grown.clear()

    # -- finding

    def open_stories(self) -> tuple[Story, ...]:
        """Those that are open now, in the order in which they opened; what opens or closes meanwhile changes another tuple."""
        return self._open

    @property
    def has_open(self) -> bool:
        return bool(self._open)

    def find(self, kind: IncidentKind, subject: str) -> Story | None:
        """The open story of this kind about this subject."""
        for story in self._open:
            if story.kind is kind and story.subject == subject:
                return story
        return None

    def by_key(self, key: str | None) -> Story | None:
        for story in (*self.state.stories, *self.state.flapping.values()):
            if story.key == key:
                return story
        return None

    # -- opening and closing

    def open(
        self,
        kind: IncidentKind,
        subject: str,
        severity: Severity,
        at: datetime,
        *,
        started_at: datetime | None,
        nodes: Iterable[str] = (),
        resources: Iterable[str] = (),
        cause: Cause | None = None,
        planned: bool | None = None,
        settle: timedelta | None = None,
        name: str = "",
        words: Mapping[str, OwnWords] | None = None,
        services: Iterable[str] = (),
    ) -> Story:
        """Open a story; `settle` None: people are told at once. Planned work is info.

        `name`, `words`, `services`: of an incident of the user's own.
        """
        word = "departure" if kind in DEPARTURES else kind.value
        began = started_at or at
        stamp = began.strftime("%Y%m%dT%H%M%S")
        now = self.state.now
        # What happened long ago may have had its incident, which is forgotten here: two never have one key in the history.
        told = f"told-{now:%Y%m%dT%H%M%S}" if now is not None and now - min(at, began) > self.settings.story_window + _FORGOTTEN else ""
        key = "-".join(part for part in (word, _slug(subject), stamp, told) if part)
        number = 2
        base = key
        while self.by_key(key) is not None or key in self.state.late_keys:
            key, number = f"{base}-{number}", number + 1
        if told:
            kept = (known for known in self.state.late_keys if told in known or "-told-" not in known)
            self.state.late_keys = [*kept, key][-MAX_LATE:]
        story = Story(
            key=key,
            kind=kind,
            severity=Severity.INFO if planned else severity,
            detected_at=at,
            planned=False if planned is None and kind in _FAULTS else planned,
            started_at=started_at,
            nodes=list(nodes),
            resources=list(resources),
            cause=cause,
            subject=subject,
            settle_at=at + settle if settle is not None else None,
            name=name,
            words=dict(words or {}),
            own_services=list(services),
            forced=self.forced,
            key_at=began,
        )
        if self.silent_before is not None and at < self.silent_before:
            story.reminded_at = self.silent_before  # history: only what it grows old enough for from now on is worth a word
        self._first_of_host(story)
        sided(self.state, self.settings, story)
        self.state.stories.append(story)
        self._open = (*self._open, story)
        self.take_the_beginning(story)
        self.changed(story, "opened")
        if settle is None:
            self.tell(story, Notice.OPENING)
        return story

    def _first_of_host(self, story: Story) -> None:
        """The host itself told what came first."""
        first = first_trouble(self.state.recent, story.kind, story.nodes, story.resources, story.started_at or story.detected_at)
        if first is not None and story.planned is not True and story.cause is not None:
            story.cause = Cause(kind=EventKind.HOST_ERROR, node=first.node, at=first.at, text=first.raw)
            self._put(story, first)
        ticket = lost_ticket(self.state.recent, story.started_at or story.detected_at) if story.kind in DEPARTURES else None
        if ticket is not None and story.cause is None:
            story.cause = Cause(kind=EventKind.TICKET_CHANGED, node=ticket.node, at=ticket.at, text=ticket.raw)
            self._put(story, ticket)

    def take_the_beginning(self, story: Story) -> None:
        """Put what happened just before into the timeline, as far as it concerns the story."""
        began = story.started_at or story.detected_at
        if story.kind in DEPARTURES:
            # A lost token comes before its lost node by about as much as people wait for the membership to decide.
            window = began - 1.25 * (self.settings.membership + self.settings.settle)
            ends = [
                other.service_restored_at for other in self.state.stories if other is not story and other.service_restored_at is not None
            ]
            window = max([window, *(end for end in ends if end < began)])
        else:
            window = began - timedelta(seconds=3)
        known = {_place(entry) for entry in story.timeline}
        for entry in self.state.recent:
            if entry.at < window or entry.event in _RECOVERIES or not concerns(story, entry):
                continue
            if (not known or _place(entry) not in known or entry not in story.timeline) and _append(story, entry):
                self._grown.add(story.key)

    def close(self, story: Story, at: datetime, reason: str, *, expired: bool = False) -> None:
        if story.state is not IncidentState.OPEN:
            return
        self.end(story, at, reason, expired=expired)
        if story.told:
            self.tell(story, Notice.CLOSING)

    def end(self, story: Story, at: datetime, reason: str, *, expired: bool = False) -> None:
        """Close without telling: what is to be told of it is decided elsewhere."""
        story.state = IncidentState.EXPIRED if expired else IncidentState.RESOLVED
        story.resolved_at = at
        story.limit_at = None
        flapping.lasted(self.state, self.settings, story, at)
        if story.kind in (IncidentKind.FENCING, IncidentKind.FENCING_FAILED) and story.outcome is Outcome.ONGOING:
            story.outcome = Outcome.NONE  # it came to nothing, or to its end in another way
        self._open = tuple(other for other in self._open if other is not story)
        self.changed(story, reason)

    def reopen(self, story: Story) -> None:
        """What was held to be over is not."""
        story.state, story.resolved_at = IncidentState.OPEN, None
        self._open = (*self._open, story)
        self.changed(story, "it is not over")

    def note(self, event: Event) -> None:
        """Put an event into the timelines it belongs to, and into the memory of recent ones."""
        if not is_telling(event):
            return
        entry = entry_of(event)
        recent = self.state.recent
        if event.kind is _HOST_ERROR and sum(map(partial(_is_alike, entry), recent)) >= MOST_ALIKE:
            return  # a disk that fails says so a thousand times, and the first is what counts
        recent.append(entry)
        if len(recent) > MAX_RECENT:
            del recent[:-MAX_RECENT]
        source = event.source
        for story in self._open:
            if (story.service_restored_at is None or self._goes_on(story, event.at)) and concerns(story, entry):
                if _append(story, entry):
                    self._grown.add(story.key)
                if source not in story.sources:
                    story.sources.append(source)
            elif source not in story.sources:
                self._confirm(story, event)  # a copy of it would do the same

    def put(self, story: Story, entry: TimelineEntry) -> None:
        """Put an earlier event into a story that it turned out to be about."""
        if entry not in story.timeline and _append(story, entry):
            self._grown.add(story.key)

    def witness(self, event: Event) -> None:
        """Another kind of source confirms what stories tell already."""
        for story in self._open:
            self._confirm(story, event)

    def _confirm(self, story: Story, event: Event) -> None:
        if event.source not in story.sources and any(
            entry.event is event.kind and entry.node == event.node and entry.resource == event.resource for entry in story.timeline
        ):
            story.sources.append(event.source)
            self._grown.add(story.key)

    def _goes_on(self, story: Story, at: datetime) -> bool:
        """A story whose outcome is known only takes what belongs to its end; that is left to `add`."""
        if story.service_restored_at is not None and story.outcome is not Outcome.ONGOING:
            return at <= story.service_restored_at + timedelta(seconds=2)
        return True

    def _put(self, story: Story, entry: TimelineEntry) -> None:
        if _append(story, entry):
            self._grown.add(story.key)

    def add(self, story: Story, event: Event) -> None:
        """Put one event into one story."""
        self._put(story, entry_of(event))
        if event.source not in story.sources:
            story.sources.append(event.source)

    # -- cause and effect

    def adopt(self, parent: Story, nodes: Iterable[str], *, any_node: bool = False, with_cut: bool = True) -> None:
        """Make the causes on these nodes, open or of the last moments before the effect, parts of it; the first is its cause.

        `with_cut`: also the cut of all links between one of them and another node.
        """
        names = set(nodes)
        begin = (parent.started_at or parent.detected_at) - self.settings.story_window
        for story in self.state.stories:
            if story is parent or not self._may_join(story) or not (explains(parent.kind, story.kind) or (with_cut and is_split(story))):
                continue
            if story.started_at is None and story.state is not IncidentState.OPEN:
                continue
            if story.detected_at < begin or story.planned:
                continue  # what came long before it, such as the failure for which a stop began that failed at last, is a part of it
            if fails_afterwards(story, parent, self.settings.settle):
                continue
            effect_at = min(parent.detected_at, parent.down_since or parent.detected_at)
            if story.resolved_at is not None and story.resolved_at < effect_at - self.settings.settle:
                continue  # over before the effect began: no cause of it
            if any_node or names & {*story.nodes, *story.resources}:  # the connection to a remote node has its name
                self.make_part(story, parent)
                if story.kind is IncidentKind.QUORUM_LOST:
                    for lost in self.lost_with(story):
                        self.make_part(lost, parent)

    def lost_with(self, quorum: Story) -> list[Story]:
        """The losses of nodes, not part of anything yet, with which the quorum was lost."""
        return [
            story
            for story in self.state.stories
            if story.kind is IncidentKind.NODE_LOST
            and not story.vain
            and story.planned is False
            and self._may_join(story)
            and abs(story.detected_at - quorum.detected_at) <= self.settings.membership
        ]

    def _may_join(self, story: Story) -> bool:
        """Whether it stands alone, or is only one of many of its kind: what it led to explains it better than they do."""
        return story.part_of is None or any(found.key == story.part_of for found in self.state.flapping.values())

    def make_part(self, child: Story, parent: Story) -> None:
        parent = self.by_key(parent.part_of) or parent  # a part has no parts of its own
        if child is parent or child.part_of == parent.key:
            return
        child.part_of = parent.key
        child.settle_at = None
        child.pending_notice = None
        for other in self.state.stories:
            if other.part_of == child.key:
                other.part_of = parent.key
                self.changed(other, f"part of {parent.key}")
        start = child.started_at
        if start is not None and parent.started_at is not None:
            parent.started_at = min(start, parent.started_at)
        if child.kind is not IncidentKind.STANDBY_FAULT or parent.cause is None:
            self._first_cause(parent, child)
        for name in child.fenced:
            if name not in parent.fenced:
                parent.fenced.append(name)
        for entry in child.timeline:
            self._put(parent, entry)
        self.changed(child, f"part of {parent.key}")
        self.changed(parent, f"caused by {child.kind}")

    def _first_cause(self, parent: Story, child: Story) -> None:
        cause = child.cause or Cause(kind=child.kind, node=child.nodes[0] if child.nodes else None, at=child.started_at)
        known = parent.cause
        is_earlier = known is not None and known.at is not None and cause.at is not None and cause.at < known.at
        if known is None or known.at is None or _counts(known, cause) or (is_earlier and not _counts(cause, known)):
            parent.cause = cause

    # -- saying

    def changed(self, story: Story, reason: str) -> None:
        """Remember that a story changed; the first reason since the last transition stands."""
        if story.key not in self.steps:
            self.steps[story.key] = Step(story, reason)

    def reworded(self, story: Story) -> None:
        """Its words changed, and nothing that people must be told of again: it is recorded with what its timeline grew by."""
        self._grown.add(story.key)

    def tell(self, story: Story, notice: Notice) -> None:
        """People are to be told with the next transition. Nothing is told of parts."""
        silent = self.silent_before is not None and story.detected_at < self.silent_before and not story.told
        if story.part_of is not None or silent:
            story.settle_at = None
            return
        if self.changes and is_suppressed(self.changes, self.record(story)):
            story.settle_at = None
            return
        if notice is Notice.OPENING and not story.told and self._flaps(story):
            return
        if notice is Notice.OPENING:
            story.told = True
            story.settle_at = None
        if story.pending_notice is Notice.OPENING and notice is Notice.UPDATE:
            return
        if story.pending_notice is Notice.OPENING and notice is Notice.CLOSING:
            # Opened and over in the same moment: one message that says both.
            notice = Notice.OPENING
        story.pending_notice = notice
        self.changed(story, notice.value)

    def _flaps(self, story: Story) -> bool:
        """Whether this happened so often that it is told within one story of them all."""
        found = flapping.umbrella(self.state, self.settings, story)
        if found is None:
            return False
        worse = found.told and story.severity.rank > found.severity.rank
        flapping.count(self.state, self.settings, found, story)
        self.make_part(story, found)
        if not found.told:
            self.tell(found, Notice.OPENING)
        elif worse:
            self.tell(found, Notice.UPDATE)
        return True

    def end_flapping(self, now: datetime) -> None:
        """What flapped and was quiet for long enough is over."""
        for found in flapping.quiet(self.state, self.settings, now):
            found.outcome = Outcome.NONE
            self.close(found, now, f"quiet again, after {found.flaps} times")

    def remind(self, story: Story, at: datetime, ages: Sequence[timedelta]) -> Transition:
        """A step that changes nothing: people are told again that redundancy is missing. They are told the end of it too, then."""
        quiet = bool(self.changes) and is_suppressed(self.changes, self.record(story))
        story.reminded_at, story.recorded = at, True
        story.told = story.told or not quiet
        story.sequence += 1
        return Transition(
            at=at,
            kind=TransitionKind.UPDATED,
            incident=self.record(story),
            sequence=story.sequence,
            reason="still not protected",
            notice=None if quiet else Notice.REMINDER,
            ages=tuple(age.total_seconds() for age in ages),
        )

    def review(self) -> None:
        """Hold open stories against the state: a step that is done since, or to be done again, is a change."""
        words = amiss(self.state) if self._open else ()
        for story in self._open:
            if story.amiss != concerning(words, story):
                self.changed(story, "the state changed")

    def transitions(self, at: datetime) -> list[Transition]:
        """The transitions of all that changed, in the order in which it did."""
        if not self.steps:
            return []
        given = []
        words = amiss(self.state)
        for step in self.steps.values():
            step.story.amiss = concerning(words, step.story)
        for step in self.steps.values():
            story = step.story
            fingerprint = _fingerprint(story)
            if fingerprint == story.reported and story.pending_notice is None:
                continue
            story.reported = fingerprint
            story.sequence += 1
            kind = TransitionKind.UPDATED
            if not story.recorded:
                kind, story.recorded = TransitionKind.OPENED, True
            elif story.state is IncidentState.RESOLVED:
                kind = TransitionKind.RESOLVED
            elif story.state is IncidentState.EXPIRED:
                kind = TransitionKind.EXPIRED
            given.append(
                Transition(
                    at=at,
                    kind=kind,
                    incident=self.record(story),
                    sequence=story.sequence,
                    reason=step.reason,
                    notice=story.pending_notice,
                )
            )
            story.pending_notice = None
            self._grown.discard(story.key)
        self.steps.clear()
        return given

    def longer_timelines(self, at: datetime | None) -> list[Transition]:
        """A transition for every story whose timeline grew since its last one."""
        given = []
        for story in self.state.stories:
            if story.key in self._grown and story.recorded and at is not None:
                story.sequence += 1
                given.append(
                    Transition(
                        at=at, kind=TransitionKind.UPDATED, incident=self.record(story), sequence=story.sequence, reason="longer timeline"
                    )
                )
        self._grown.clear()
        return given

    def _served_elsewhere(self, nodes: Iterable[str]) -> list[str]:
        """The configured services that run on other nodes: those that these nodes should be able to take over."""
        found = []
        for name, members in configured(self.state, self.settings).items():
            known = [self.state.resources[member] for member in members if member in self.state.resources]
            if {node for item in known for node in active_nodes(item)} - set(nodes):
                found.append(name)
        return found

    def record(self, story: Story) -> Incident:
        """The story as the world sees it."""
        timeline, sources = self._in_order(story)
        down = None
        if story.down_since is not None and story.service_restored_at is not None:
            down = max(0.0, (story.service_restored_at - story.down_since).total_seconds())
        services: list[str] = []
        if known := configured(self.state, self.settings):
            concerned = {*story.resources, *story.moves}
            services = [name for name, members in known.items() if not concerned.isdisjoint(members)]
        if story.kind is IncidentKind.STANDBY_FAULT and not services:
            services = self._served_elsewhere(story.nodes)
        incident = Incident(
            key=story.key,
            cluster=self.settings.name,
            kind=story.kind,
            severity=story.severity if story.forced is None or story.planned else story.forced,
            state=story.state,
            planned=story.planned,
            outcome=story.outcome,
            part_of=story.part_of,
            services=tuple(dict.fromkeys([*services, *self._as_named(story, services)])),
            nodes=tuple([name for name in story.nodes if name != UNKNOWN_END]),
            resources=tuple(story.resources),
            from_node=story.from_node,
            to_node=story.to_node,
            fenced=tuple(story.fenced),
            started_at=story.started_at,
            detected_at=story.detected_at,
            service_restored_at=story.service_restored_at,
            redundancy_restored_at=story.redundancy_restored_at,
            resolved_at=story.resolved_at,
            service_down_seconds=down,
            redundancy=story.redundancy,
            reasons=tuple(story.reasons),
            debt_since=debt_since(story),
            cause=_with_entry(story.cause, timeline),
            evidence=evidence(story, timeline),
            sources=tuple(sorted(sources.union(story.sources))),
            timeline=timeline,
            told=story.told,
            name=story.name,
            words=story.words,
            amiss=tuple(story.amiss),
            tools=self.settings.tools,
            flaps=story.flaps,
        )
        return replace(incident, severity=severity_of(self.changes, incident)) if self.changes else incident

    def _in_order(self, story: Story) -> tuple[tuple[TimelineEntry, ...], frozenset[Source]]:
        """The timeline in order of time, and its sources. Most steps of a story add nothing to it, and it may be long."""
        written = tuple(story.timeline)
        known = self._ordered.get(story.key)
        if known is None or known[0] != written:
            if len(self._ordered) >= _MOST_ORDERED:
                self._ordered.clear()
            known = self._ordered[story.key] = written, tuple(sorted(written, key=_AT)), frozenset(map(_SOURCE, written))
        return known[1], known[2]

    def _as_named(self, story: Story, services: Iterable[str]) -> list[str]:
        """The services as lines and rules of the user's own name them, where the configuration does not."""
        names = self.state.own.names
        if not names or services:
            return story.own_services
        return [*story.own_services, *(names[item] for item in dict.fromkeys([*story.resources, *story.moves]) if item in names)]

    def forget(self, now: datetime) -> None:
        """Drop stories that ended so long ago that nothing can join them any more.

        What ended one may be stamped long before it began, where logs come late: it is known until what begins then has another key.
        """
        flapping.forget(self.state, self.settings, now)
        limit = now - self.settings.story_window - _FORGOTTEN
        for story in self.state.stories:
            if story.state is not _OPEN and _is_past(story, limit):
                break
        else:
            return  # as nearly always
        keep = {story.part_of for story in self._open}
        self.state.stories = [
            story for story in self.state.stories if story.state is _OPEN or not _is_past(story, limit) or story.key in keep
        ]


def _is_past(story: Story, limit: datetime) -> bool:
    """Whether a story ended before this time, and what is opened from now on about the same second has another key."""
    named = story.key_at or story.detected_at
    return story.resolved_at is not None and story.resolved_at <= limit and named + _SECOND <= limit


def _with_entry(cause: Cause | None, timeline: Sequence[TimelineEntry]) -> Cause | None:
    """A cause with the event that its text tells."""
    if cause is None or not cause.text:
        return cause
    text = cause.text
    for told in timeline:
        if told.raw == text and told.event is not EventKind.UNCLASSIFIED:
            entry = TimelineEntry(
                at=told.at, node=told.node, resource=told.resource, source=told.source, event=told.event, detail=told.detail, raw=""
            )
            return Cause(kind=cause.kind, node=cause.node, resource=cause.resource, at=cause.at, text=text, entry=entry)
    return cause


_COUNTED = timedelta(seconds=3)
"""By so much the count of a failure may seem to come before it."""


def _counts(known: Cause, cause: Cause) -> bool:
    """Whether what is known is only that failures were counted, and the other one is such a failure.

    Syslog has whole seconds, and what a poll shows is stamped with the moment in which it was asked.
    """
    if known.kind != IncidentKind.FAILCOUNT_THRESHOLD or cause.kind != IncidentKind.RESOURCE_FAILURE:
        return False
    return known.resource == cause.resource and known.at is not None and cause.at is not None and cause.at - known.at < _COUNTED


def explains(effect: IncidentKind, cause: IncidentKind) -> bool:
    """Whether a story of kind `cause` can be part of one of kind `effect`."""
    return cause in _RANK and effect in _RANK and _RANK[effect] > _RANK[cause]


_NODE_FAILS = frozenset({IncidentKind.NODE_LOST, IncidentKind.FENCING, IncidentKind.FENCING_FAILED})


def fails_afterwards(story: Story, work: Story, settle: timedelta) -> bool:
    """Whether a node fails after planned work took its services elsewhere. That is no part of the work: nobody asked for it."""
    restored = work.service_restored_at
    if work.kind is not IncidentKind.SWITCHOVER or work.planned is not True or restored is None or story.kind not in _NODE_FAILS:
        return False
    return story.planned is not True and (story.started_at or story.detected_at) > restored + settle


def concerns(story: Story, entry: TimelineEntry) -> bool:
    """Whether an event belongs to a story: its resources, its nodes, or the cluster as a whole while something moves."""
    if story.name:
        return False  # its own rules say what belongs to it
    if entry.resource is not None and (entry.resource in story.resources or entry.resource in story.moves):
        return True
    if story.kind in DEPARTURES:
        if entry.event in _HINTS:
            return True
        places = (story.from_node, story.to_node, *story.nodes)
        return entry.resource is None and entry.node is not None and entry.node in places and entry.event not in _BACKGROUND
    if entry.resource is not None and _IS_ABOUT.get(story.kind) is not entry.event:
        return entry.node in story.nodes and story.kind in _ABOUT_NODES
    return entry.node in story.nodes and entry.event not in _BACKGROUND


# What ended before a story began is no part of it.
_RECOVERIES = frozenset(
    {
        EventKind.DISK_RECOVERED,
        EventKind.REPLICA_BACK,
        EventKind.LINK_UP,
        EventKind.QUORUM_ACQUIRED,
        EventKind.SOURCE_BACK,
        EventKind.OPERATION_SUCCEEDED,
    }
)
_HINTS = frozenset({EventKind.FAILOVER_STARTED, EventKind.FAILOVER_DONE, EventKind.FAILOVER_FAILED_HINT})
_ABOUT_NODES = frozenset({IncidentKind.STANDBY_FAULT, IncidentKind.NODE_LOST})
"""Kinds that what happens to resources on their nodes belongs to."""
_SECOND = timedelta(seconds=1)
_FORGOTTEN = timedelta(seconds=30)
"""So long after nothing can join them any more, stories are forgotten."""
_BACKGROUND = frozenset(
    {
        EventKind.DAEMON_STARTED,
        EventKind.DAEMON_STOPPED,
        EventKind.MEMBERSHIP_CHANGED,
        EventKind.TRANSITION_ENDED,
        EventKind.FENCE_DEVICE_KNOWN,
    }
)


# What an agent reports for a node, under the name of its resource.
_IS_ABOUT = {IncidentKind.DISK_DEGRADED: EventKind.DISK_ERROR, IncidentKind.CONNECTIVITY_DEGRADED: EventKind.NETWORK_UNREACHABLE}


def _append(story: Story, entry: TimelineEntry) -> bool:
    """Add an entry; what was just said in other words (a log by name, another by number) is not said again."""
    timeline = story.timeline
    if len(timeline) >= MAX_TIMELINE:
        return False
    kind, node, resource, at = entry.event, entry.node, entry.resource, entry.at
    if kind in _WORDY and sum(map(partial(_is_alike, entry), story.timeline)) >= 2 * MOST_ALIKE:
        return False
    for known in timeline[:-13:-1]:  # from the last one back: what is said twice is said soon
        if known.event is not kind or known.node != node or known.resource != resource or not _BEFORE <= at - known.at <= _AGAIN:
            continue
        # The fields of a rule of the user's own are its own: only all of them tell it.
        if known.detail == entry.detail or (kind is not _REPORTED and _say_the_same(known.detail, entry.detail)):
            return False
    timeline.append(entry)
    return True


def _is_alike(one: TimelineEntry, other: TimelineEntry) -> bool:
    """Whether an agent, or a host, says something of the same again."""
    return (
        one.event is other.event
        and one.node == other.node
        and one.resource == other.resource
        and one.detail.get("what") == other.detail.get("what")
    )


def _place(entry: TimelineEntry) -> tuple[datetime, EventKind, str]:
    """What nearly always tells one entry from another."""
    return entry.at, entry.event, entry.raw


_AGAIN = timedelta(seconds=2)
_BEFORE = -_AGAIN
_WORDY = frozenset({EventKind.AGENT_ERROR, EventKind.HOST_ERROR})
"""What may be said without end."""


_SAID = ("text", "attribute", "new", "value", "device", "action", "to")


def _say_the_same(one: Detail, other: Detail) -> bool:
    # Most that differ do so in their operation.
    return one.get("operation") == other.get("operation") and [*map(one.get, _SAID)] == [*map(other.get, _SAID)]


_said = lru_cache(maxsize=1024)(str)
"""Of what steps say again and again."""


def _fingerprint(story: Story) -> str:
    """What must change for a transition to be worth recording."""
    cause = story.cause
    return (
        f"{story.kind}|{story.severity}|{story.state}|{story.planned}|{story.outcome}|{story.part_of}|{story.from_node}|"
        f"{story.to_node}|{story.fenced or '[]'}|{story.resources or '[]'}|{_said(story.service_restored_at)}|{story.redundancy}|"
        f"{_said(story.down_since if story.service_restored_at is not None else None)}|"
        f"{story.reasons or '[]'}|{_said(story.started_at)}|"
        f"{story.flaps}|"
        f"{story.amiss or '[]'}|"
        f"{_said((str(cause.kind), cause.node, cause.resource)) if cause is not None else None}"
    )


def _slug(subject: str) -> str:
    return "".join(char if char.isalnum() or char in "._~" else "_" for char in subject)
