"""Events to incidents: a fold over the events of one cluster. Deterministic: the same events and ticks give the same transitions.

What the engine knows stands in `State`; `advance` changes it and says what changed. An event that only confirms a known fact (another
node's copy, another log) is a witness and changes nothing. Times are those of the evidence; `Tick` moves time on when nothing happens.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from hamon.classify import topology
from hamon.classify.agents import Agents, explained
from hamon.classify.amiss import amiss
from hamon.classify.attributes import Attributes
from hamon.classify.bounds import MAX_OPEN, is_within, keep_within
from hamon.classify.compare import Watch
from hamon.classify.controller import Controller
from hamon.classify.debts import ages_passed, next_reminder
from hamon.classify.departures import Departures
from hamon.classify.doubles import Doubles
from hamon.classify.effects import Effects
from hamon.classify.evidence import sided
from hamon.classify.facts import WINDOW, Facts
from hamon.classify.fencing import Fencing
from hamon.classify.flapping import next_quiet
from hamon.classify.hearsay import completed, is_unchanged, node_of_host
from hamon.classify.marks import Marks
from hamon.classify.membership import Membership
from hamon.classify.names import SAYING, cluster_says, one_name
from hamon.classify.operations import OVERTAKING, Operations
from hamon.classify.own import OwnRules
from hamon.classify.plans import Plans
from hamon.classify.polls import Polls
from hamon.classify.protection import Protection
from hamon.classify.recorded import BY_NUMBER, CONTROLLERS, Records
from hamon.classify.replays import Replays, is_line, log_of
from hamon.classify.replicas import Replicas, placed
from hamon.classify.restraints import Restraints
from hamon.classify.settings import ClusterSettings
from hamon.classify.sources import Sources
from hamon.classify.state import State, Story
from hamon.classify.stories import DEPARTURES, Book, entry_of
from hamon.classify.weighing import Weighing
from hamon.model.cluster import ClusterStatus, ClusterView
from hamon.model.event import Event, EventKind, place_of
from hamon.model.incident import Cause, Incident, IncidentKind, IncidentState, Notice, Outcome, Severity, Transition
from hamon.model.observation import Snapshot, Source, Tick
from hamon.model.record import changed, in_order
from hamon.rules.own import Own

_LOG, _POLL, _TRAP = Source.LOG, Source.POLL, Source.TRAP
_NODE_LOST, _NODE_JOINED, _OPERATION_RECORDED = EventKind.NODE_LOST, EventKind.NODE_JOINED, EventKind.OPERATION_RECORDED
_PLAN, _QUORUM_IGNORED = EventKind.PLAN, EventKind.QUORUM_IGNORED

_NEVER = datetime.max.replace(tzinfo=UTC)
_COARSE = 5
"""As many events of logs without fractions of a second in a row mean that these have none."""
_REVIEW_EVERY = timedelta(seconds=5)
"""How often, by the time of the evidence, open incidents are held against the state within a batch of logs and traps; also at its end."""
_FORGET_EVERY = timedelta(seconds=30)
_WAKING = timedelta(minutes=1)
"""After a start sources have so long to say that a debt was paid meanwhile, before people are reminded of it."""

_PREPARING = frozenset(
    {
        EventKind.PLAN,
        EventKind.STATE_CHANGED,
        EventKind.OPERATION_STARTED,
        EventKind.TRANSITION_ENDED,
        EventKind.OLD_FAILURE,
        EventKind.AGENT_ERROR,
        EventKind.FENCE_DEVICE_KNOWN,
        EventKind.HOST_ERROR,
        EventKind.REPLICA_RESYNC,
        EventKind.REPORTED,
        EventKind.SERVICE_NAMED,
    }
)
"""Events that by themselves change nothing about who could take over."""

_AMBIGUOUS = frozenset({EventKind.NODE_LOST, EventKind.OPERATION_FAILED, EventKind.REPLICA_LOST, EventKind.REPLICA_BACK})
"""Events of which the state tells what they are, or why (see `Engine._exact`)."""

_SHOWING = frozenset(
    {
        EventKind.RESOURCE_STARTED,
        EventKind.RESOURCE_PROMOTED,
        EventKind.RESOURCE_MIGRATED,
        EventKind.OPERATION_SUCCEEDED,
        EventKind.PLAN,
        EventKind.FAILOVER_SUMMARY,
    }
)
"""Events that tell where a resource is."""

_STANDBY_REASONS = frozenset(
    {
        IncidentKind.RESOURCE_FAILURE,
        IncidentKind.STOP_FAILED,
        IncidentKind.NODE_LOST,
        IncidentKind.DAEMON_FAILED,
        IncidentKind.CONNECTIVITY_DEGRADED,
        IncidentKind.DISK_DEGRADED,
        IncidentKind.REPLICATION_DEGRADED,
        IncidentKind.FAILCOUNT_THRESHOLD,
        IncidentKind.FENCING,
        IncidentKind.FENCING_FAILED,
    }
)


_event = in_order(Event)

MAX_READS = 256
"""Logs whose latest line is remembered."""
OUT_OF_ORDER = timedelta(seconds=5)
"""So much earlier than the line before it may one be that begins a new file."""


def _witness(event: Event) -> Event:
    """The same event, marked as one that only confirms; `replace` takes three times as long, and of several logs many are such."""
    return _event(
        event.at,
        event.received_at,
        event.cluster,
        event.kind,
        event.rule,
        event.source,
        event.collector,
        event.node,
        event.resource,
        event.reporter,
        event.detail,
        event.raw,
        event.ref,
        True,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Advance:
    """What a batch gave. `events` are those of the batch, witnesses marked and kinds made exact."""

    events: Sequence[Event]
    transitions: Sequence[Transition]


class Engine:
    """Events, polls and time to incidents, for one cluster; it changes the state that it was given."""

    def __init__(
        self,
        settings: ClusterSettings,
        state: State | None = None,
        known: Sequence[Event] = (),
        last: ClusterStatus | None = None,
        own: Own | None = None,
    ) -> None:
        """`known` are the last stored events, oldest first, so that copies of them are recognised after a restart.

        `last` is the last status that was polled before it, with which the first snapshot is compared. `own`: see `use`.
        """
        self.settings = settings
        self.state = state or State()
        self.state.node_ids.update(settings.node_ids)
        self._facts = Facts()
        self._soonest = min(settings.settle, settings.grace, settings.membership, settings.failover_limit)
        self._replays = Replays()
        self._stored: Collection[str] = ()
        self._newest: dict[str | None, datetime] = {}
        """Of each node the time of the latest line of any of its logs."""
        for log, (newest, _) in self.state.reads.items():
            self._replays.restore(log, newest)
            reporter = log.rpartition(" ")[2] or None
            self._newest[reporter] = max(newest, self._newest.get(reporter, newest))
        for event in known:
            self._facts.first(event)
            if is_line(event):
                self._replays.known(log_of(event), event)
        self._book = Book(self.state, settings)
        self._weighing = Weighing(self.state, settings, self._book)
        self._protection = Protection(self.state, settings, self._book)
        self._departures = Departures(self.state, settings, self._book, self._weighing)
        self._effects = Effects(self.state, settings, self._book, self._weighing)
        self._marks = Marks(self.state, settings, self._book, self._weighing, self._effects)
        self._operations = Operations(self.state, settings, self._book, self._departures, self._effects)
        self._restraints = Restraints(self.state, settings, self._book, self._effects)
        self._plans = Plans(self.state, settings, self._book, self._departures, self._operations, self._restraints)
        self._membership = Membership(self.state, settings, self._book, self._departures, self._effects)
        self._records = Records(self.state)
        self._fencing = Fencing(self.state, settings, self._book, self._weighing, self._effects, self._marks, self._plans, self._membership)
        self._attributes = Attributes(self.state, settings, self._book, self._effects, self._membership)
        self._sources = Sources(self.state, settings, self._book)
        self._controller = Controller(self.state, settings, self._book)
        self._agents = Agents(self.state, self._book)
        self._replicas = Replicas(self.state, settings, self._book, self._attributes)
        self._doubles = Doubles(self.state, settings, self._book)
        self._polls = Polls(self.state, settings, self._book, self._departures, self._effects, self._marks, self._operations, self._fencing)
        self._watch = Watch(settings, last)
        self._whole_seconds = 0
        self._woke_at: datetime | None = None
        self._own = OwnRules(self.state, settings, self._book)
        self._own.use(own or Own())
        groups = (
            self._marks,
            self._operations,
            self._restraints,
            self._plans,
            self._fencing,
            self._membership,
            self._attributes,
            self._sources,
            self._controller,
            self._agents,
            self._replicas,
            self._doubles,
            self._own,
        )
        self._handlers = {kind: handler for group in groups for kind, handler in group.handlers().items()}
        self._after: dict[EventKind, Callable[[Event], None]] = {
            EventKind.NODE_LOST: self._replicas.outlives,
            EventKind.RESOURCE_STARTED: self._doubles.started,
            EventKind.RESOURCE_PROMOTED: self._promoted,
            EventKind.TRANSITION_ENDED: self._doubles.transition_ended,
        }
        """What else follows from an event, once it was handled."""

    def use(self, own: Own) -> None:
        """Go by other incidents and changes of the user's own from the next event on."""
        self._own.use(own)

    def behind(self, items: Sequence[Event | Snapshot | Tick]) -> Sequence[Event]:
        """The lines of logs that are older than what is known of their node: a log may have come once more, under whatever name."""
        newest, names = self._newest, self.state.names
        behind = [
            item
            for item in items
            if isinstance(item, Event)
            and item.source is _LOG
            and (latest := newest.get(item.reporter)) is not None
            and latest - item.at > WINDOW
            and is_line(item)
        ]
        return [replace(item, reporter=names.get(item.reporter or "", item.reporter)) for item in behind]

    def advance(self, items: Sequence[Event | Snapshot | Tick], stored: Collection[str] = ()) -> Advance:
        """Fold a batch into the state. Of a snapshot the events are those that it gives beside the one before it.

        `stored`: the places (`place_of`) of those lines of `behind` that the history has.
        """
        self._stored = stored
        events: list[Event] = []
        transitions: list[Transition] = []
        state, book = self.state, self._book
        for item in items:
            match item:
                case Event():  # first, being the hot path
                    if state.review_at is None or item.at >= state.review_at:
                        state.review_at = item.at + _REVIEW_EVERY
                        transitions += self._review()
                    now, due = state.now, state.nothing_before
                    if now is None or due is None or item.at > now or item.at >= due:
                        transitions += self._time(item.at)
                    self._take(item, events)
                    if book.steps:
                        transitions += book.transitions(self._now(item.at))
                case Tick():
                    transitions += self._time(item.now)
                    transitions += self._remind(item.now)
                case Snapshot():
                    transitions += self._see(item, events)
        transitions += self._review()
        if len(self._book.open_stories()) > MAX_OPEN or not is_within(self.state):
            transitions += self._keep_within()
        transitions += self._book.longer_timelines(self.state.now)
        return Advance(events=events, transitions=transitions)

    def _review(self) -> list[Transition]:
        self._book.review()
        now = self.state.now
        return self._book.transitions(now) if now is not None else []

    def _see(self, snapshot: Snapshot, events: list[Event]) -> list[Transition]:
        """Compare a poll with the one before, take what changed as events, and hold the stories against the state that it shows."""
        transitions = self._time(snapshot.status.at)
        hosts = [*self.state.hosts]
        for node in snapshot.status.nodes:
            if node.name not in self.state.nodes or node.name in self.state.hosts:
                cluster_says(self.state, node.name)
        self._renamed(hosts)
        given = self._watch.see(snapshot)
        self._polls.learn(self._watch)
        for event in given:
            self._take(event, events)
            if self._book.steps:
                self.state.nothing_before = None
        # One step for all that a poll shows: half of it would tell that the service is down while it runs elsewhere.
        self._controller.polled(snapshot)
        if self._book.steps:
            self.state.nothing_before = None
            transitions += self._book.transitions(self._now(snapshot.status.at))
        if self._watch.accepted is not None:
            self._polls.judge(self._watch)
            at = self._now(snapshot.status.at)
            self._protection.protect(at)
            self._effects.protect_standby(at)
            self._book.review()
            self.state.nothing_before = None
            transitions += self._book.transitions(at)
        return transitions

    def _is_read_again(self, event: Event, path: str, place: str) -> bool:
        """Whether this line was taken before, from this log or from a copy of it under another name: that it says the same decides.

        Only lines that come behind others are asked about: later than their log's newest, behind its latest place, or behind what
        other logs of the node have told for so long that it is no copy of a fact any more.
        """
        if not place.isdigit():
            return False
        node, offset, at, reads = event.reporter, int(place), event.at, self.state.reads
        log = f"{event.collector} {path} {node or ''}"
        latest, newest = reads.get(log), self._newest.get(node)
        reached = at
        if latest is not None and (at < latest[0] or offset <= latest[1]):
            reached, goes_on = max(at, latest[0]), offset > latest[1]
            late = latest[0] - at > OUT_OF_ORDER
            if (late and self._replays.is_copy(log, event, goes_on=goes_on)) or self._replays.has(log, event):
                return True
        if newest is None or at > newest:
            self._newest[node] = at
            if len(self._newest) > MAX_READS:
                del self._newest[next(iter(self._newest))]
        elif newest - at > WINDOW and (place_of(event) in self._stored or self._replays.is_known_elsewhere(log, event)):
            self._replays.take(log, event)  # as after a restart
            return True
        self._replays.take(log, event)
        if latest is None and len(reads) >= MAX_READS:
            del reads[next(iter(reads))]
        reads[log] = (reached, offset)
        return False

    def _take(self, item: Event, events: list[Event]) -> None:
        """One event: news, or a witness of what is known. What it changes stands in the book."""
        state, book, own = self.state, self._book, self._own
        kind, source, node, reporter, detail = item.kind, item.source, item.node, item.reporter, item.detail
        is_log, polled = source is _LOG, source is _POLL
        is_named = (  # as most are: a line in which each node has its name
            is_log
            and (node is None or node in state.nodes)
            and (reporter is None or reporter in state.nodes)
            and not state.names
            and (not state.hosts or (kind not in SAYING and (node is None or node == reporter)))
        )
        is_exact = is_named and not (kind in state.unnamed or kind in _AMBIGUOUS or "node_ids" in detail or "node_id" in detail)
        event = item if is_exact else self._exact(item, is_named=is_named)
        if kind is _QUORUM_IGNORED:
            self._membership.quorum_policy(event)
            return
        if kind is _OPERATION_RECORDED:
            for record in self._records.told(event):
                if record.witness:
                    events.append(record)
                else:
                    self._take(record, events)
            return
        if (
            is_log
            and kind in CONTROLLERS
            and event.reporter == event.node
            and event.node is not None
            and event.node not in state.controllers
        ):
            state.controllers.append(event.node)
        elif kind in BY_NUMBER and event.node is None:
            self._records.wait(event)
        forced: Severity | None = None
        if own.is_active:
            event, forced, suppressed = own.changed(event)
            if suppressed:
                events.append(event)
                return
        path, _, place = event.ref.rpartition("@")
        if is_log and self._is_read_again(item, path, place):
            events.append(_witness(event))
            return
        known = self._facts.told(event, path) is not None
        if is_log:
            if event.at.microsecond:
                self._whole_seconds = 0
            elif self._whole_seconds < _COARSE:
                self._whole_seconds += 1
        elif source is _TRAP:
            if self._whole_seconds == _COARSE:
                event = replace(event, at=event.at.replace(microsecond=0))  # beside a log of whole seconds a tenth would tell a false order
            if not known and is_unchanged(state, event):
                events.append(_witness(event))
                return
        kind = event.kind
        if known and kind is _NODE_JOINED and self._membership.is_no_longer_alone(event):
            known = False
        if known or (polled and self._polls.is_known(event)):
            events.append(_witness(event))
            book.witness(event)
            if kind is _NODE_LOST and known:
                self._membership.confirmed(event)
                self._membership.judge_claims(event)
            return
        if not polled:
            self._polls.heard(event)
        events.append(event)
        book.forced = forced
        if (handler := self._handlers.get(kind)) is not None:
            handler(event)
        if kind in _SHOWING and event.resource is not None:
            self._shown(event)
        if (after := self._after.get(kind)) is not None:
            after(event)
        if kind is _NODE_LOST:
            self._membership.judge_claims(event)
            self._operations.lost_late(event)
        book.forced = None
        if own.is_active:
            own.see(event)
        book.note(event)
        # What a poll shows of who could take over is known once all of it is read.
        if not polled and kind not in _PREPARING and book.has_open:
            self._protection.protect(event.at)
            self._effects.protect_standby(event.at)
        if state.nothing_before is not None and (soonest := event.at + self._soonest) < state.nothing_before:
            state.nothing_before = soonest
        if state.last_event_at is None or state.last_event_at < event.at:
            state.last_event_at = event.at

    def _promoted(self, event: Event) -> None:
        self._replicas.outlives(event)
        self._doubles.started(event)

    def _shown(self, event: Event) -> None:
        """Remember what told where a resource serves; the same again tells nothing."""
        item = self.state.resources.get(event.resource or "")
        if item is None:
            return
        one, other = (event.detail.get("from"), event.detail.get("to")) if event.kind is _PLAN else (event.node, None)
        shown = item.shown
        if shown is not None and (one is None or one == shown.node) and (other is None or other == shown.node):
            return
        serving = topology.active_nodes(item)
        place = str(one) if one in serving else str(other) if other in serving else None
        if place is not None and (shown is None or shown.node != place):
            entry = entry_of(event)
            item.shown = entry if entry.node == place else changed(entry, node=place)

    @property
    def polled(self) -> ClusterStatus | None:
        """The last status that the state was taken from."""
        return self._watch.known

    @property
    def silent_before(self) -> datetime | None:
        """Of incidents detected before this time nothing is told: they are history."""
        return self._book.silent_before

    @silent_before.setter
    def silent_before(self, at: datetime | None) -> None:
        self._book.silent_before = at

    def next_due(self) -> datetime | None:
        """When time alone will change something, or people are to be reminded of something; None: never."""
        times = [at for at in (self._next_change(), self._next_reminder()) if at is not None]
        return min(times, default=None)

    def _next_reminder(self) -> datetime | None:
        if not (self.settings.remind or self.settings.remind_planned):
            return None
        found = [at for story in self._book.open_stories() if (at := next_reminder(story, self._ages(story))) is not None]
        at = min(found, default=None)
        if at is None or self._woke_at is None:
            return at
        return max(at, self._woke_at + _WAKING)

    def _ages(self, story: Story) -> tuple[timedelta, ...]:
        return self.settings.remind_planned if story.planned else self.settings.remind

    def _remind(self, now: datetime) -> list[Transition]:
        """Steps that remind of redundancy that is missing for long. Only the clock gives them: what is read late is heard first."""
        if self._woke_at is None:
            self._woke_at = now
        if now < self._woke_at + _WAKING:
            return []
        return [
            self._book.remind(story, now, ages)
            for story in self._book.open_stories()
            if story.settle_at is None and (ages := ages_passed(story, self._ages(story), now))
        ]

    def _next_change(self) -> datetime | None:
        """When time alone will change something; None: never."""
        state = self.state
        times = [story.settle_at for story in state.stories if story.settle_at is not None]
        times += [story.limit_at for story in state.stories if story.limit_at is not None]
        times += [pending.decide_at for pending in state.links] + [loss.decide_at for loss in state.nameless]
        times += [node.fencing_pending_until for node in state.nodes.values() if node.fencing_pending_until is not None]
        times += next_quiet(state)
        if (own := self._own.next_due()) is not None:
            times.append(own)
        times += [at + OVERTAKING for at in state.doubles.values()]
        for story in self._book.open_stories():
            moments = (self._departures.stuck_at(story), self._protection.sure_at(story))
            times += [at for at in moments if at is not None and (state.now is None or at > state.now)]
        times += [at + self.settings.grace for name, at in state.suspects_at.items() if not state.suspects[name].polled]
        times += [
            mark.at + self.settings.constraint_age
            for mark in state.marks
            if mark.constraint is not None and mark.ended_at is None and not self._marks.has_left(mark)
        ]
        return min(times, default=None)

    def _keep_within(self) -> list[Transition]:
        """Names in lines may be anything: what is too much is dropped, and of open incidents the oldest expire."""
        at = self.state.now or _NEVER
        opened = self._book.open_stories()
        for story in opened[: max(0, len(opened) - MAX_OPEN)]:
            self._book.close(story, at, "more incidents are open than can be", expired=True)
        keep_within(self.state)
        return self._book.transitions(at)

    def set_clocks(self, offsets: Mapping[str, float], now: datetime) -> list[Transition]:
        """Node -> seconds that its clock is ahead, of those that are off: kept, and told where it is more than the limit."""
        self.state.clocks = dict(offsets)
        limit = self.settings.clock_limit.total_seconds()
        at = self._now(now)
        named = {self.state.senders.get(name) or name: seconds for name, seconds in offsets.items()} | dict(offsets)
        for name, seconds in named.items():
            if self.state.senders.get(name):
                continue  # it is known by its name
            if limit and abs(seconds) >= limit and self._book.find(IncidentKind.CLOCK_SKEW, name) is None:
                cause = Cause(kind=IncidentKind.CLOCK_SKEW.value, node=name, at=at, text=f"{name}: {seconds:+.1f} s")
                self._book.open(IncidentKind.CLOCK_SKEW, name, Severity.WARNING, at, started_at=at, nodes=[name], cause=cause)
        for story in self._book.open_stories():
            if story.kind is IncidentKind.CLOCK_SKEW and (not limit or abs(named.get(story.subject, 0.0)) < limit / 2):
                self._book.close(story, at, "the clock is right again")
        return self._book.transitions(at)

    def view(self) -> ClusterView:
        return replace(topology.view(self.state, self.settings), amiss=amiss(self.state))

    def open_incidents(self) -> list[Incident]:
        flapping = (story for story in self.state.flapping.values() if story.state is IncidentState.OPEN)
        return [self._book.record(story) for story in (*self._book.open_stories(), *flapping)]

    def incident(self, story: Story) -> Incident:
        """A story of this engine as the world sees it."""
        return self._book.record(story)

    def takes_over(self, before: "Engine") -> None:
        """Go on in the place of another engine; stories of the state may have been changed or exchanged from outside until now."""
        self._woke_at = before._woke_at
        self._book.read_again()

    def _now(self, at: datetime) -> datetime:
        now = self.state.now
        return at if now is None or now < at else now

    def _time(self, now: datetime) -> list[Transition]:
        """Let time pass up to `now`, one due moment after the other."""
        state = self.state
        if state.now is not None and now <= state.now and state.nothing_before is not None and now < state.nothing_before:
            return []
        given: list[Transition] = []
        if state.nothing_before is None or now >= state.nothing_before:
            before: datetime | None = None
            while (due := self._next_change()) is not None and due <= now and due != before:
                before = due
                state.now = max(due, state.now or due)
                self._forget_recent(due)
                self._book.forget(due)  # whether others asked for the time meanwhile must not decide what is still known
                self._due(due)
                given += self._book.transitions(state.now)
            state.nothing_before = due or _NEVER
        state.now = now if state.now is None or state.now < now else state.now
        self._forget_recent(now)
        if state.forgot_at is None or now - state.forgot_at >= _FORGET_EVERY:
            state.forgot_at = now
            self._book.forget(now)
        return given

    def _forget_recent(self, now: datetime) -> None:
        recent, window = self.state.recent, self.settings.story_window
        if recent and now - recent[0].at > window:
            self.state.recent = [entry for entry in recent if now - entry.at <= window]

    def _due(self, now: datetime) -> None:
        state = self.state
        self._operations.decide_doubles(now)
        self._departures.overdue(now)
        self._own.due(now)
        self._book.end_flapping(now)
        for story in list(state.stories):
            if story.settle_at is not None and story.settle_at <= now:
                self._settle(story, now)
            if story.limit_at is not None and story.limit_at <= now:
                self._limit(story, now)
        for pending in [pending for pending in state.links if pending.decide_at <= now]:
            state.links.remove(pending)
            self._membership.links.fault(pending)
        for loss in [loss for loss in state.nameless if loss.decide_at <= now]:
            state.nameless.remove(loss)
            self._membership.stays_nameless(loss)
        for node in state.nodes.values():
            if node.fencing_pending_until is not None and node.fencing_pending_until <= now:
                node.fencing_asked_at = node.fencing_pending_until = None
        for mark in state.marks:
            forgotten = mark.constraint is not None and mark.ended_at is None and mark.at + self.settings.constraint_age <= now
            if forgotten and not self._marks.has_left(mark):
                self._marks.constraint_left(mark, now)
        self._protection.protect(now)
        self._effects.protect_standby(now)

    def _limit(self, story: Story, now: datetime) -> None:
        story.limit_at = None
        if story.kind in DEPARTURES and story.outcome is Outcome.ONGOING:
            if self._departures.is_out_of_sight(story):
                self._book.close(story, now, "where it went is told by logs that are not read", expired=True)
            else:
                self._weighing.fail(story, now)
        elif story.kind is IncidentKind.DAEMON_FAILED and story.recovered_at is not None:
            self._book.close(story, now, "stable again")
        elif story.kind is IncidentKind.DC_CHANGED:
            self._book.close(story, now, "the DC stays where it is")
        elif story.kind is IncidentKind.RECORDS_REFUSED:
            self._book.close(story, now, "nothing was refused for a while")
        elif story.kind is IncidentKind.INTERCONNECT_DEGRADED:
            self._book.close(story, now, "nothing more is logged of it")
        else:
            self._book.close(story, now, "no sign of recovery within the time in which one is expected", expired=True)

    def _settle(self, story: Story, now: datetime) -> None:
        """Decide what a story became, and tell people if it stands alone."""
        story.settle_at = None
        if story.part_of is not None:
            return
        if story.side == "unknown":
            sided(self.state, self.settings, story)  # what failed there has told meanwhile that it was there
        node = story.nodes[0] if story.nodes else None
        if story.kind in (IncidentKind.NODE_LOST, IncidentKind.DAEMON_FAILED) and node is not None:
            self._membership.daemon_or_node(node)
            if story.part_of is not None:
                return
            waited = now - story.detected_at >= self.settings.membership
            if story.kind is IncidentKind.NODE_LOST and not waited and self._plans.is_about_to_take_from(node):
                story.settle_at = now + timedelta(seconds=1)  # what comes of it is decided, and the cluster takes a while to begin
                return
        if story.kind in (IncidentKind.RESOURCE_FAILURE, IncidentKind.STOP_FAILED):
            if self._operations.still_in_hand(story, now):
                story.settle_at = now + timedelta(seconds=1)
                return
            if story.recovered_at is not None:
                self._operations.recovered(story, now)
                return
        if topology.is_split(story):
            if self._membership.nobody_stays(story):
                return
            for name in story.nodes:
                # Also while it is open which of them stays: nobody can take over across the cut.
                gone = topology.node(self.state, name).member is not True
                if gone and story.part_of is None and topology.side(self.state, self.settings, name) == "standby":
                    self._effects.standby_fault(name, story, now)
            if story.part_of is not None:
                return
        if story.kind is IncidentKind.NODE_LOST and story.state is IncidentState.OPEN and self._membership.is_lost_without_quorum(story):
            return
        if story.kind in _STANDBY_REASONS and node is not None and story.planned is not True:
            is_standby = topology.side(self.state, self.settings, node) == "standby"
            if is_standby and story.state is IncidentState.OPEN and self._effects.may_be_standby_fault(story, node):
                self._effects.standby_fault(node, story, now)
                return
            if is_standby and story.kind is IncidentKind.NODE_LOST and story.state is IncidentState.RESOLVED and not story.vain:
                self._effects.passed_standby_fault(node, story, now)
                return
        if story.kind in DEPARTURES:
            self._weighing.weigh(story, now)
            if story.told:
                return
        if story.kind is IncidentKind.FENCING and node is not None:
            self._fencing.explained(story, node)
        if story.planned and story.kind not in DEPARTURES:
            return  # planned work is recorded, not told
        if story.severity is Severity.INFO and story.kind is not IncidentKind.SWITCHOVER:
            return
        self._book.tell(story, Notice.OPENING)

    def _renamed(self, hosts: Sequence[str]) -> None:
        """Record the stories of nodes that had only the names of these hosts and have now one that the cluster uses."""
        names = {self.state.names[host] for host in hosts if host not in self.state.hosts and host in self.state.names}
        for story in self._book.open_stories() if names else ():
            if not names.isdisjoint(story.nodes):
                self._book.changed(story, "its node has another name")

    def _exact(self, event: Event, *, is_named: bool) -> Event:
        """Replace node numbers by names, and let the state decide between kinds that one line can mean.

        Of a line whose nodes have their names (`is_named`) it is asked only for `_AMBIGUOUS` kinds, and for numbers.
        """
        if not is_named:
            if event.source is _TRAP:
                event = completed(self.state, event)
            hosts = [*self.state.hosts]
            event = one_name(self.state, event)
            if hosts:
                self._renamed(hosts)
        if event.kind in _AMBIGUOUS:
            event = explained(self.state, placed(self.state, event))
        detail = event.detail
        numbers: list[str] = []
        if "node_ids" in detail or "node_id" in detail:
            numbers = str(detail.get("node_ids") or detail.get("node_id") or "").split()
            topology.id_seen(self.state, " ".join(numbers))
        if event.node is None and len(numbers) == 1:
            name = topology.named(self.state, numbers[0])
            if name is None and event.kind is _NODE_LOST:
                name = self._just_lost(event)
                if name is not None:
                    self.state.node_ids[numbers[0]] = name
            if name is None and detail.get("host") is not None:
                name = node_of_host(self.state, str(detail["host"]))
                if name is not None and name not in self.state.node_ids.values():
                    self.state.node_ids[numbers[0]] = name
            if name is not None:
                event = changed(event, node=name)
            else:
                self.state.unnamed[event.kind] = f"{numbers[0]} {event.reporter or ''}"
        elif self.state.unnamed and event.node is not None and event.node not in self.state.node_ids.values():
            number, _, speaker = self.state.unnamed.get(event.kind, "").partition(" ")
            # Nodes that are cut from each other call different ones lost.
            if number and (event.kind is not _NODE_LOST or speaker in ("", event.reporter or "")):
                del self.state.unnamed[event.kind]
                self.state.node_ids.setdefault(number, event.node)
        if event.kind is _NODE_LOST and event.node is not None:
            known = self.state.nodes.get(event.node)
            orderly = known is not None and known.stop_requested_at is not None and not detail.get("abrupt")
            if orderly and known is not None and known.lost_at is None:
                event = replace(event, kind=EventKind.NODE_LEFT)
        return event

    def _just_lost(self, event: Event) -> str | None:
        """The node that the same log just called lost by name, when there is only one whose id is not known: Corosync calls it by number.

        Not what another log said: nodes that are cut from each other call different ones lost.
        """
        known, speaker = set(self.state.node_ids.values()), event.reporter
        found = [
            node.name
            for node in self.state.nodes.values()
            if node.lost_at is not None and abs(event.at - node.lost_at) <= self.settings.settle and node.name not in known
            if speaker is None or not node.lost_for or speaker in node.lost_for
        ]
        return found[0] if len(found) == 1 else None
