"""Events to incidents: a fold over the events of one cluster. Deterministic: the same events and ticks give the same transitions.

What the engine knows stands in `State`; `advance` changes it and says what changed. An event that only confirms a known fact (another
node's copy, another log) is a witness and changes nothing. Times are those of the evidence; `Tick` moves time on when nothing happens.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from hamon.classify import topology
from hamon.classify.departures import Departures
from hamon.classify.facts import Facts
from hamon.classify.settings import ClusterSettings
from hamon.classify.state import Action, Mark, Node, PendingLink, Resource, State, Story
from hamon.classify.stories import DEPARTURES, Book, entry_of, explains, is_split
from hamon.model.cluster import ClusterView
from hamon.model.event import Event, EventKind
from hamon.model.incident import Cause, Incident, IncidentKind, IncidentState, Notice, Outcome, Severity, Transition
from hamon.model.observation import Tick

_NEVER = datetime.max.replace(tzinfo=UTC)
_PING = re.compile(r"ping|^ethmonitor-", re.IGNORECASE)
_REPLICA_BAD = frozenset({"HS:alone", "DISCONNECT"})
_REPLICA_GOOD = frozenset({"HS:sync", "HS:async", "HS:potential", "PRI", "LATEST", "STREAMING|SYNC", "STREAMING|ASYNC"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Advance:
    """What a batch gave. `events` are those of the batch, witnesses marked and kinds made exact."""

    events: Sequence[Event]
    transitions: Sequence[Transition]


class Engine:
    def __init__(self, settings: ClusterSettings, state: State | None = None, known: Sequence[Event] = ()) -> None:
        """`known` are the last stored events, oldest first, so that copies of them are recognised after a restart."""
        self.settings = settings
        self.state = state or State()
        self.state.node_ids.update(settings.node_ids)
        self._facts = Facts()
        self._forget_above = 8
        self._soonest = min(settings.settle, settings.grace, settings.membership, settings.failover_limit)
        for event in known:
            self._facts.first(event)
        self._book = Book(self.state, settings)
        self._departures = Departures(self.state, settings, self._book)
        self._handlers: dict[EventKind, Callable[[Event], None]] = {
            EventKind.NODE_LOST: self._node_lost,
            EventKind.NODE_LEFT: self._left,
            EventKind.NODE_JOINED: self._node_joined,
            EventKind.NODE_UNCLEAN: self._node_unclean,
            EventKind.SERVICE_STACK_STARTED: self._stack_started,
            EventKind.SHUTDOWN_REQUESTED: self._shutdown_requested,
            EventKind.STANDBY_ON: self._standby_on,
            EventKind.STANDBY_OFF: self._standby_off,
            EventKind.MAINTENANCE_ON: self._maintenance_on,
            EventKind.MAINTENANCE_OFF: self._maintenance_off,
            EventKind.DC_CHANGED: self._dc_changed,
            EventKind.STATE_CHANGED: self._state_changed,
            EventKind.QUORUM_LOST: self._quorum_lost,
            EventKind.QUORUM_ACQUIRED: self._quorum_acquired,
            EventKind.LINK_DOWN: self._link_down,
            EventKind.LINK_UP: self._link_up,
            EventKind.PLAN: self._plan,
            EventKind.OPERATION_STARTED: self._operation_started,
            EventKind.OPERATION_SUCCEEDED: self._operation_succeeded,
            EventKind.OPERATION_FAILED: self._operation_failed,
            EventKind.RESOURCE_STARTED: self._resource_started,
            EventKind.RESOURCE_MIGRATED: self._resource_started,
            EventKind.RESOURCE_STOPPED: self._resource_stopped,
            EventKind.RESOURCE_PROMOTED: self._resource_promoted,
            EventKind.RESOURCE_DEMOTED: self._resource_demoted,
            EventKind.RESOURCE_UNMANAGED: self._resource_unmanaged,
            EventKind.FAIL_COUNT_CHANGED: self._fail_count_changed,
            EventKind.THRESHOLD_REACHED: self._threshold_reached,
            EventKind.CLEANUP: self._cleanup,
            EventKind.FENCING_REQUESTED: self._fencing_requested,
            EventKind.FENCING_ATTEMPTED: self._fencing_attempted,
            EventKind.FENCING_DONE: self._fencing_done,
            EventKind.FENCING_FAILED: self._fencing_failed,
            EventKind.ATTRIBUTE_CHANGED: self._attribute_changed,
            EventKind.ATTRIBUTES_REMOVED: self._attributes_removed,
            EventKind.NETWORK_UNREACHABLE: self._network_unreachable,
            EventKind.DISK_ERROR: self._disk_error,
            EventKind.MOVE_CONSTRAINT_SET: self._move_constraint_set,
            EventKind.MOVE_CONSTRAINT_CLEARED: self._move_constraint_cleared,
            EventKind.TARGET_ROLE_CHANGED: self._target_role_changed,
            EventKind.DAEMON_DIED: self._daemon_died,
            EventKind.DAEMON_RESPAWNED: self._daemon_respawned,
            EventKind.DAEMON_GAVE_UP: self._daemon_died,
            EventKind.FAILOVER_STARTED: self._failover_started,
            EventKind.FAILOVER_DONE: self._failover_done,
            EventKind.FAILOVER_FAILED_HINT: self._failover_failed,
            EventKind.FAILOVER_SUMMARY: self._failover_summary,
            EventKind.SOURCE_LOST: self._source_lost,
            EventKind.SOURCE_BACK: self._source_back,
        }

    def advance(self, items: Sequence[Event | Tick]) -> Advance:
        """Fold a batch into the state."""
        events: list[Event] = []
        transitions: list[Transition] = []
        for item in items:
            if isinstance(item, Tick):
                transitions += self._time(item.now)
                continue
            transitions += self._time(item.at)
            event = self._exact(item)
            if self._facts.first(event) is not None:
                events.append(replace(event, witness=True))
                continue
            events.append(event)
            if (handler := self._handlers.get(event.kind)) is not None:
                handler(event)
            self._book.note(event)
            if event.kind not in _PREPARING and self._book.has_open:
                self._departures.protect(event.at)
                self._protect_standby(event.at)
            if self.state.nothing_before is not None:
                self.state.nothing_before = min(self.state.nothing_before, event.at + self._soonest)
            self.state.last_event_at = max(event.at, self.state.last_event_at or event.at)
            transitions += self._book.transitions(self._now(event.at))
        transitions += self._book.longer_timelines(self.state.now)
        return Advance(events=events, transitions=transitions)

    @property
    def silent_before(self) -> datetime | None:
        """Of incidents detected before this time nothing is told: they are history."""
        return self._book.silent_before

    @silent_before.setter
    def silent_before(self, at: datetime | None) -> None:
        self._book.silent_before = at

    def next_due(self) -> datetime | None:
        """When time alone will change something; None: never."""
        state = self.state
        times = [time for story in state.stories for time in (story.settle_at, story.limit_at) if time is not None]
        times += [pending.decide_at for pending in state.links]
        times += [at + self.settings.grace for at in state.suspects_at.values()]
        times += [
            mark.at + self.settings.constraint_age
            for mark in state.marks
            if mark.constraint is not None and mark.ended_at is None and not self._has_left(mark)
        ]
        return min(times, default=None)

    def view(self) -> ClusterView:
        return topology.view(self.state, self.settings)

    def open_incidents(self) -> list[Incident]:
        return [self._book.record(story) for story in self._book.open_stories()]

    # -- time

    def _now(self, at: datetime) -> datetime:
        return max(at, self.state.now or at)

    def _time(self, now: datetime) -> list[Transition]:
        """Let time pass up to `now`, one due moment after the other."""
        state = self.state
        given: list[Transition] = []
        if state.nothing_before is None or now >= state.nothing_before:
            while (due := self.next_due()) is not None and due <= now:
                state.now = max(due, state.now or due)
                self._forget_recent(due)
                self._due(due)
                given += self._book.transitions(state.now)
            state.nothing_before = due or _NEVER
        state.now = max(now, state.now or now)
        self._forget_recent(now)
        if len(state.stories) > self._forget_above:
            self._book.forget(now)
            self._forget_above = max(8, 2 * len(state.stories))
        return given

    def _forget_recent(self, now: datetime) -> None:
        recent, window = self.state.recent, self.settings.story_window
        if recent and now - recent[0].at > window:
            self.state.recent = [entry for entry in recent if now - entry.at <= window]

    def _due(self, now: datetime) -> None:
        state = self.state
        self._departures.overdue(now)
        for story in list(state.stories):
            if story.settle_at is not None and story.settle_at <= now:
                self._settle(story, now)
            if story.limit_at is not None and story.limit_at <= now:
                self._limit(story, now)
        for pending in [pending for pending in state.links if pending.decide_at <= now]:
            state.links.remove(pending)
            self._link_fault(pending)
        for mark in state.marks:
            forgotten = mark.constraint is not None and mark.ended_at is None and mark.at + self.settings.constraint_age <= now
            if forgotten and not self._has_left(mark):
                self._constraint_left(mark, now)
        self._departures.protect(now)
        self._protect_standby(now)

    def _limit(self, story: Story, now: datetime) -> None:
        story.limit_at = None
        if story.kind in DEPARTURES and story.outcome is Outcome.ONGOING:
            self._departures.limit(story, now)
        elif story.kind is IncidentKind.DAEMON_FAILED and story.recovered_at is not None:
            self._book.close(story, now, "stable again")
        else:
            self._book.close(story, now, "no sign of recovery within the time in which one is expected", expired=True)

    def _settle(self, story: Story, now: datetime) -> None:
        """Decide what a story became, and tell people if it stands alone."""
        story.settle_at = None
        if story.part_of is not None:
            return
        node = story.nodes[0] if story.nodes else None
        if story.kind in (IncidentKind.NODE_LOST, IncidentKind.DAEMON_FAILED) and node is not None:
            self._daemon_or_node(node)
            if story.part_of is not None:
                return
        if story.kind in (IncidentKind.RESOURCE_FAILURE, IncidentKind.STOP_FAILED):
            if self._still_in_hand(story, now):
                story.settle_at = now + timedelta(seconds=1)
                return
            if story.recovered_at is not None:
                self._recovered(story, now)
                return
        if is_split(story):
            for name in story.nodes:
                gone = self._node(name).member is False
                if gone and story.part_of is None and topology.side(self.state, self.settings, name) == "standby":
                    self._standby_fault(name, story, now)
            if story.part_of is not None:
                return
        if story.kind in _STANDBY_REASONS and node is not None and story.state is IncidentState.OPEN and story.planned is not True:
            where = topology.side(self.state, self.settings, node)
            if where == "standby" and self._may_be_standby_fault(story, node):
                self._standby_fault(node, story, now)
                return
        if story.kind in DEPARTURES:
            self._departures.weigh(story, now)
            if story.told:
                return
        if story.planned and story.kind not in DEPARTURES:
            return  # planned work is recorded, not told
        if story.severity is Severity.INFO and story.kind is not IncidentKind.SWITCHOVER:
            return
        self._book.tell(story, Notice.OPENING)

    def _daemon_or_node(self, name: str) -> None:
        """A daemon died and its node was lost for it: a moment's loss is part of the daemon's failure, a lasting one explains it."""
        found = {
            story.kind: story
            for story in self.state.stories
            if story.kind in (IncidentKind.NODE_LOST, IncidentKind.DAEMON_FAILED) and name in story.nodes and story.part_of is None
        }
        if len(found) < 2:
            return
        lost, died = found[IncidentKind.NODE_LOST], found[IncidentKind.DAEMON_FAILED]
        if abs(lost.detected_at - died.detected_at) > self.settings.story_window:
            return
        if lost.state is IncidentState.OPEN:
            self._book.make_part(died, lost)
        else:
            self._book.make_part(lost, died)

    def _still_in_hand(self, story: Story, now: datetime) -> bool:
        """The cluster is about to restart the resource where it failed: wait for how that ends."""
        if story.recovered_at is not None or now - story.detected_at > self.settings.story_window:
            return False
        node = story.nodes[0] if story.nodes else None
        return any(
            action.resource in story.resources and node is not None and action.to_node == node and action.action != "Leave"
            for action in (*self.state.plan, *self.state.draft)
        )

    def _may_be_standby_fault(self, story: Story, node: str) -> bool:
        if story.kind is not IncidentKind.FAILCOUNT_THRESHOLD or story.started_at is not None:
            return bool(topology.hindrances(self.state, node)) or story.kind is IncidentKind.FENCING_FAILED
        return False

    # -- exactness

    def _exact(self, event: Event) -> Event:
        """Replace node numbers by names, and let the state decide between kinds that one line can mean."""
        detail = event.detail
        numbers = str(detail.get("node_ids") or detail.get("node_id") or "").split()
        if event.node is None and len(numbers) == 1:
            if (name := self._name(numbers[0])) is not None:
                event = replace(event, node=name)
            else:
                self.state.unnamed[event.kind] = numbers[0]
        elif event.node is not None and event.node not in self.state.node_ids.values():
            number = self.state.unnamed.pop(event.kind, None)
            if number is not None:
                self.state.node_ids.setdefault(number, event.node)
        if event.kind is EventKind.NODE_LOST and event.node is not None:
            known = self.state.nodes.get(event.node)
            orderly = known is not None and known.stop_requested_at is not None and not detail.get("abrupt")
            if orderly and known is not None and known.lost_at is None:
                event = replace(event, kind=EventKind.NODE_LEFT)
        return event

    def _name(self, number: str) -> str | None:
        """The name of a corosync node id: configured, learned, or, of two nodes, the one whose id is not known yet."""
        known = self.state.node_ids.get(number)
        if known is None and len(self.state.nodes) == 2 and len(self.state.node_ids) == 1:
            known = next((name for name in self.state.nodes if name not in self.state.node_ids.values()), None)
            if known is not None:
                self.state.node_ids[number] = known
        return known

    # -- nodes

    def _node(self, name: str) -> Node:
        return topology.node(self.state, name)

    def _node_lost(self, event: Event) -> None:
        if event.node is None:
            return
        node = self._node(event.node)
        cut = self._drop_links(node.name)
        if node.member is False or self._book.find(IncidentKind.NODE_LOST, node.name) is not None:
            return
        node.member, node.lost_at, node.since, node.lost_by = False, event.at, event.at, event.reporter
        node.stop_requested_at = None
        story = self._book.open(
            IncidentKind.NODE_LOST,
            node.name,
            Severity.MAJOR,
            event.at,
            started_at=event.at,
            nodes=[node.name],
            settle=self.settings.settle,
            cause=Cause(kind="node_lost", node=node.name, at=event.at, text=event.raw),
        )
        other = self.state.nodes.get(event.reporter or "")
        if other is not None and other.member is False and other.lost_by == node.name:
            self._split(node, other, cut, event)
        self._join_effect(story, node.name)

    def _split(self, node: Node, other: Node, cut: Sequence[PendingLink], event: Event) -> None:
        """Two nodes call each other lost: both live, and all their links are cut. Which one stays is decided by fencing."""
        fenced = [end for end in (node, other) if end.fenced_at is not None]
        for end in (node, other):
            end.member = None if len(fenced) != 1 else end not in fenced
        began = min([pending.down_at for pending in cut], default=min(event.at, other.lost_at or event.at))
        story = self._book.open(
            IncidentKind.INTERCONNECT_DEGRADED,
            f"{_SPLIT} {other.name} {node.name}",
            Severity.MAJOR,
            event.at,
            started_at=began,
            nodes=sorted((node.name, other.name)),
            settle=self.settings.settle if fenced else self.settings.membership,
            cause=Cause(kind="link_down", node=other.name, at=began, text=cut[0].entries[0].raw if cut else event.raw),
        )
        story.resources = sorted({f"link {pending.link}" for pending in cut})
        for loss in self._book.open_stories():
            if loss.kind is IncidentKind.NODE_LOST and set(loss.nodes) <= {node.name, other.name}:
                parent = self._book.by_key(loss.part_of)
                self._book.make_part(loss, parent or story)
                if parent is not None:
                    self._book.make_part(story, parent)

    def _left(self, event: Event) -> None:
        if event.node is None:
            return
        node = self._node(event.node)
        if node.member is False:
            return
        node.member, node.since = False, event.at
        self._drop_links(node.name)
        for item in self.state.resources.values():
            if topology.is_service(item, self.settings, self.state) and node.name in topology.active_nodes(item):
                continue  # its departure is told by what happens to the resource
            item.roles.pop(node.name, None)
        self._planned_standby(node.name, event)

    def _planned_standby(self, name: str, event: Event) -> None:
        """A standby node is taken out on purpose: recorded, not told."""
        if topology.side(self.state, self.settings, name) != "standby" or self._open_effect(name) is not None:
            return
        story = self._book.open(
            IncidentKind.STANDBY_FAULT,
            name,
            Severity.INFO,
            event.at,
            started_at=event.at,
            nodes=[name],
            planned=True,
            settle=self.settings.settle,
            cause=Cause(kind=event.kind, node=name, at=event.at, text=event.raw),
        )
        story.reasons = topology.hindrances(self.state, name)

    def _node_joined(self, event: Event) -> None:
        if event.node is None:
            return
        node = self._node(event.node)
        was_out = node.member is False
        node.member = True
        if node.since is None or was_out:
            node.since = event.at
        if not was_out:
            return
        node.lost_at = node.fenced_at = node.stop_requested_at = None
        node.failed.clear()
        node.barred.clear()
        node.fail_counts.clear()
        node.degraded.clear()
        for mark in self.state.marks:
            if mark.kind == "shutdown" and mark.node == node.name and mark.ended_at is None:
                mark.ended_at = event.at
        for item in self.state.resources.values():
            if item.roles.get(node.name) and not self._departures.running(item.id):
                item.roles.pop(node.name, None)
        for kind in (IncidentKind.NODE_LOST, IncidentKind.FENCING_FAILED, IncidentKind.CONNECTIVITY_DEGRADED, IncidentKind.DISK_DEGRADED):
            for story in self._book.open_stories():
                if story.kind is kind and node.name in story.nodes:
                    self._book.close(story, event.at, "the node joined again")
        for story in self._book.open_stories():
            if story.kind in _FAILURES and node.name in story.nodes:
                self._book.close(story, event.at, "the node joined again")

    def _stack_started(self, event: Event) -> None:
        if event.node is not None:
            self._node(event.node).stack_started_at = event.at

    def _node_unclean(self, event: Event) -> None:
        if event.node is not None and event.detail.get("can_fence") is False:
            self._fencing_failed(event)

    def _shutdown_requested(self, event: Event) -> None:
        if event.node is None:
            return
        node = self._node(event.node)
        self._mark("shutdown", event, node=node.name)
        if node.member is not False and node.stop_requested_at is None:
            node.stop_requested_at = event.at

    def _standby_on(self, event: Event) -> None:
        if event.node is None:
            return
        node = self._node(event.node)
        new = node.standby_at is None
        node.standby_at = node.standby_at or event.at
        self._mark("standby", event, node=node.name)
        if new:
            self._planned_standby(node.name, event)

    def _standby_off(self, event: Event) -> None:
        if event.node is None:
            return
        node = self._node(event.node)
        if node.standby_at is not None:
            node.since = event.at
        node.standby_at = None
        self._end_mark("standby", event.at, node=node.name)

    def _maintenance_on(self, event: Event) -> None:
        if event.node is None and event.detail.get("node_id") is not None:
            return  # of a node whose name is not known; the scheduler's line will name it
        whole = event.node is None
        name = "" if event.node is None else event.node
        if whole:
            self.state.maintenance_at = self.state.maintenance_at or event.at
        else:
            node = self._node(name)
            node.maintenance_at = node.maintenance_at or event.at
        self._mark("maintenance", event, node=event.node)
        if self._book.find(IncidentKind.MAINTENANCE, name) is None:
            story = self._book.open(
                IncidentKind.MAINTENANCE,
                name,
                Severity.INFO,
                event.at,
                started_at=event.at,
                nodes=[] if whole else [name],
                planned=True,
                settle=self.settings.settle,
            )
            self._book.add(story, event)

    def _maintenance_off(self, event: Event) -> None:
        if event.node is None and event.detail.get("node_id") is not None:
            return
        if event.node is None:
            self.state.maintenance_at = None
        else:
            self._node(event.node).maintenance_at = None
        self._end_mark("maintenance", event.at, node=event.node)
        if (story := self._book.find(IncidentKind.MAINTENANCE, event.node or "")) is not None:
            self._book.add(story, event)
            self._book.close(story, event.at, "maintenance ended")

    def _dc_changed(self, event: Event) -> None:
        if event.node is not None:
            self.state.dc = event.node
            self._node(event.node)
        elif event.detail.get("old") == self.state.dc:
            self.state.dc = None

    def _quorum_lost(self, event: Event) -> None:
        self.state.has_quorum = False
        started = self._node(event.node).stack_started_at if event.node is not None else None
        if started is not None and event.at - started <= self.settings.story_window:
            return  # a node that boots has no quorum yet
        if self._book.find(IncidentKind.QUORUM_LOST, "") is None and self.state.dc is not None:
            story = self._book.open(
                IncidentKind.QUORUM_LOST,
                "",
                Severity.CRITICAL,
                event.at,
                started_at=event.at,
                nodes=[event.node] if event.node else [],
                settle=self.settings.membership,
                cause=Cause(kind="quorum_lost", node=event.node, at=event.at, text=event.raw),
            )
            self._book.add(story, event)

    def _quorum_acquired(self, event: Event) -> None:
        self.state.has_quorum = True
        if (story := self._book.find(IncidentKind.QUORUM_LOST, "")) is not None:
            self._book.close(story, event.at, "quorum acquired")

    # -- marks of planned work

    def _mark(self, kind: str, event: Event, *, node: str | None = None, constraint: str | None = None) -> Mark:
        for mark in self.state.marks:
            if mark.kind == kind and mark.node == node and mark.constraint == constraint and mark.ended_at is None:
                if kind == "target_role":
                    mark.at = event.at
                return mark
        mark = Mark(kind, event.at, node=node, resource=event.resource, constraint=constraint)
        self.state.marks.append(mark)
        old = event.at - max(self.settings.story_window, self.settings.constraint_age)
        self.state.marks = [item for item in self.state.marks if item.ended_at is None or item.ended_at >= old]
        if kind == "target_role":
            mark.ended_at = event.at + self.settings.story_window
        for story in self._book.open_stories():
            if story.kind in DEPARTURES and story.service_restored_at is None:
                self._departures.weigh(story, event.at)
        return mark

    def _end_mark(self, kind: str, at: datetime, *, node: str | None = None, constraint: str | None = None) -> None:
        for mark in self.state.marks:
            if mark.kind == kind and mark.ended_at is None and mark.node == node and (constraint is None or mark.constraint == constraint):
                mark.ended_at = at

    def _move_constraint_set(self, event: Event) -> None:
        constraint = str(event.detail.get("constraint"))
        what = str(event.detail.get("what"))
        node = event.node
        if node is None and (found := re.search(r"-on-(.+)$", constraint)):
            node = found[1]
        known = next((mark for mark in self.state.marks if mark.constraint == constraint and mark.ended_at is None), None)
        if known is None:
            known = self._mark("prefer" if what == "prefer" else "ban", event, node=node, constraint=constraint)
        known.node = known.node or node
        known.entry = known.entry or entry_of(event)
        if what != "prefer" and known.node is not None:
            self._node(known.node).bans.setdefault(constraint, event.at)

    def _move_constraint_cleared(self, event: Event) -> None:
        constraint = str(event.detail.get("constraint"))
        for mark in self.state.marks:
            if mark.constraint == constraint and mark.ended_at is None:
                mark.ended_at = event.at
        for node in self.state.nodes.values():
            if node.bans.pop(constraint, None) is not None:
                node.since = event.at
        if (story := self._book.find(IncidentKind.MOVE_CONSTRAINT_LEFT, constraint)) is not None:
            self._book.close(story, event.at, "the constraint was removed")

    def _has_left(self, mark: Mark) -> bool:
        return self._book.find(IncidentKind.MOVE_CONSTRAINT_LEFT, mark.constraint or "") is not None

    def _constraint_left(self, mark: Mark, now: datetime) -> None:
        story = self._book.open(
            IncidentKind.MOVE_CONSTRAINT_LEFT,
            mark.constraint or "",
            Severity.WARNING,
            now,
            started_at=mark.at,
            nodes=[mark.node] if mark.node else [],
            resources=[mark.resource] if mark.resource else [],
            cause=Cause(kind="move_constraint_set", node=mark.node, resource=mark.resource, at=mark.at, text=mark.constraint or ""),
        )
        if mark.entry is not None:
            story.timeline.append(mark.entry)

    def _target_role_changed(self, event: Event) -> None:
        self._mark("target_role", event)

    # -- plans

    def _plan(self, event: Event) -> None:
        state, detail = self.state, event.detail
        action = str(detail.get("action"))
        if action == "End":
            state.draft_closed = True
            return
        if state.draft_closed:
            state.draft, state.draft_closed = [], False
        if event.resource is None:
            return
        item = topology.resource(state, event.resource, self.settings)
        text = {key: None if detail.get(key) is None else str(detail[key]) for key in ("from", "to", "from_role", "to_role")}
        if detail.get("instance") is not None:
            item.clone = True
        promoted = topology.PROMOTED in (text["from_role"], text["to_role"])
        if promoted or "Unpromoted" in (text["from_role"], text["to_role"]):
            item.clone = item.promotable = True
        if detail.get("blocked"):
            self._blocked(event)
        if action == "Leave":
            self._leave(item, text["to"], text["to_role"])
            return
        # Where it is before the plan: learned only where nothing better is known.
        if text["from"] is not None and action != "Start" and text["from_role"] != "Stopped":
            self._node(text["from"])
            item.roles.setdefault(text["from"], text["from_role"] or "Started")
        if text["to"] is not None:
            self._node(text["to"])
        state.draft.append(
            Action(
                action=action,
                resource=item.id,
                from_node=text["from"],
                to_node=text["to"]
                if text["to_role"] != "Stopped" and (not item.promotable or text["to_role"] == topology.PROMOTED)
                else None,
                promoted=promoted and item.promotable,
                clone=item.clone,
                blocked=bool(detail.get("blocked")),
            )
        )

    def _leave(self, item: Resource, node: str | None, role: str | None) -> None:
        if node is None:
            if role == "Stopped" and not item.clone:
                item.roles.clear()
            return
        known = self._node(node)
        if known.member is False:
            return
        if known.member is None:
            known.member = True
        if not item.clone and self._departures.running(item.id) is None:
            item.roles.clear()
        item.roles[node] = role or "Started"

    def _blocked(self, event: Event) -> None:
        if event.resource is None:
            return
        node = str(event.detail.get("from") or event.detail.get("to") or "")
        subject = f"{node}/{event.resource}"
        if self._book.find(IncidentKind.RESOURCE_BLOCKED, subject) is None:
            item = topology.resource(self.state, event.resource, self.settings)
            self._book.open(
                IncidentKind.RESOURCE_BLOCKED,
                subject,
                Severity.CRITICAL if topology.is_service(item, self.settings, self.state) else Severity.MAJOR,
                event.at,
                started_at=event.at,
                nodes=[node] if node else [],
                resources=[event.resource],
                settle=self.settings.settle,
                cause=Cause(kind="resource_blocked", node=node or None, resource=event.resource, at=event.at, text=event.raw),
            )

    def _carry_out(self, at: datetime) -> None:
        """The plan that was written last begins to be carried out."""
        state = self.state
        if not state.draft_closed:
            return
        actions, state.draft, state.draft_closed = state.draft, [], False
        state.is_idle = False
        state.plan = actions
        self._departures.plan_is_carried_out(actions, at)

    def _state_changed(self, event: Event) -> None:
        if event.detail.get("from") == "S_IDLE":
            self.state.is_idle = False
        if event.detail.get("to") == "S_TRANSITION_ENGINE":
            self._carry_out(event.at)
        elif event.detail.get("to") == "S_IDLE" and event.detail.get("from") == "S_TRANSITION_ENGINE":
            self._idle(event.at)
        if event.detail.get("from") == "S_ELECTION" and event.detail.get("to") == "S_INTEGRATION" and event.node is not None:
            self.state.dc = event.node

    def _idle(self, at: datetime) -> None:
        self._carry_out(at)
        self.state.plan = []
        self.state.is_idle = True
        self._departures.idle(at)

    # -- operations

    def _operation_started(self, event: Event) -> None:
        if event.node is not None:
            self._node(event.node)
        self._carry_out(event.at)

    def _works(self, event: Event) -> None:
        """An operation of a resource succeeded on a node: earlier failures there are over."""
        if event.resource is None or event.node is None:
            return
        node = self._node(event.node)
        if node.member is None:
            node.member = True
        node.failed.pop(event.resource, None)
        for story in self._book.open_stories():
            if story.kind in _FAILURES and event.resource in story.resources and event.node in story.nodes:
                story.recovered_at = event.at
                if story.part_of is not None:
                    self._book.close(story, event.at, "it works again")
                elif story.settle_at is None:
                    self._recovered(story, event.at)

    def _recovered(self, story: Story, now: datetime) -> None:
        """A failure that stood alone was repaired on the same node."""
        if story.kind is IncidentKind.RESOURCE_FAILURE:
            story.kind = IncidentKind.LOCAL_RECOVERY
            story.outcome = Outcome.SUCCEEDED
            story.service_restored_at = story.recovered_at
        told = story.told
        self._book.end(story, story.recovered_at or now, "it works again")
        if story.severity is not Severity.INFO:
            self._book.tell(story, Notice.CLOSING if told else Notice.OPENING)

    def _operation_succeeded(self, event: Event) -> None:
        if event.detail.get("operation") == "monitor" and event.resource is not None and event.node is not None:
            item = topology.resource(self.state, event.resource, self.settings)
            if event.detail.get("rc") in (8, 191):
                item.clone = item.promotable = True
                item.roles[event.node] = topology.PROMOTED
            elif not item.promotable:
                item.roles.setdefault(event.node, "Started")
            self._works(event)

    def _operation_failed(self, event: Event) -> None:
        if event.resource is None or event.node is None:
            return
        resource, name = event.resource, event.node
        item = topology.resource(self.state, resource, self.settings)
        node = self._node(name)
        operation = str(event.detail.get("operation"))
        node.failed[resource] = event.at
        if operation in ("start", "promote"):
            self._departures.failed_on(resource, name)
        planned = True if self.state.maintenance_at or node.maintenance_at else None
        kind, subject, severity = IncidentKind.RESOURCE_FAILURE, f"{name}/{resource}", Severity.WARNING
        if item.device:
            kind, subject, severity = IncidentKind.FENCE_DEVICE_FAILED, resource, Severity.MAJOR
        elif operation == "stop":
            kind, severity = IncidentKind.STOP_FAILED, Severity.CRITICAL
        story = self._book.find(kind, subject)
        if story is None:
            text = str(event.detail.get("reason") or event.raw)
            story = self._book.open(
                kind,
                subject,
                severity,
                event.at,
                started_at=event.at,
                nodes=[name],
                resources=[resource],
                planned=planned,
                settle=self.settings.settle,
                cause=Cause(kind="resource_failure", node=name, resource=resource, at=event.at, text=text),
            )
            story.limit_at = event.at + self.settings.expire
            self._join_effect(story, name)
        story.recovered_at = None

    def _resource_started(self, event: Event) -> None:
        if event.resource is None or event.node is None:
            return
        item = topology.resource(self.state, event.resource, self.settings)
        node = self._node(event.node)
        if node.member is None:
            node.member = True
        before = topology.active_nodes(item)
        alive = [name for name in item.roles if name != node.name and self._node(name).member is not False]
        configured = any(item.id in members for members in self.settings.services.values())
        if alive and not configured and item.id not in self.state.suspects and self._departures.running(item.id) is None:
            item.clone = True  # it runs on two living nodes
        if not item.clone:
            item.roles.clear()
        item.roles[node.name] = "Unpromoted" if item.promotable else "Started"
        if topology.is_service(item, self.settings, self.state) and not item.promotable:
            self._departures.started(item.id, node.name, event.at, promoted=False, before=before)
        self._works(event)

    def _resource_promoted(self, event: Event) -> None:
        if event.resource is None or event.node is None:
            return
        item = topology.resource(self.state, event.resource, self.settings)
        self._node(event.node)
        before = topology.active_nodes(item)
        item.clone = item.promotable = True
        for name in before:
            if name != event.node:
                item.roles[name] = "Unpromoted"
                if self._node(name).member is False:
                    item.roles.pop(name)
        item.roles[event.node] = topology.PROMOTED
        if topology.is_service(item, self.settings, self.state):
            self._departures.started(item.id, event.node, event.at, promoted=True, before=before)
        self._works(event)

    def _resource_stopped(self, event: Event) -> None:
        if event.resource is None or event.node is None:
            return
        item = topology.resource(self.state, event.resource, self.settings)
        self._node(event.node)
        served = event.node in topology.active_nodes(item) or not item.promotable
        item.roles.pop(event.node, None)
        if topology.is_service(item, self.settings, self.state) and served and not item.promotable:
            self._departures.stopped(item.id, event.node, event.at, expected_back=self._comes_back(item.id, event.node))
        for story in self._book.open_stories():
            if story.kind is IncidentKind.STOP_FAILED and item.id in story.resources and event.node in story.nodes:
                self._book.close(story, event.at, "it stopped")
                break

    def _resource_demoted(self, event: Event) -> None:
        if event.resource is None or event.node is None:
            return
        item = topology.resource(self.state, event.resource, self.settings)
        item.clone = item.promotable = True
        item.roles[event.node] = "Unpromoted"
        if topology.is_service(item, self.settings, self.state):
            self._departures.stopped(item.id, event.node, event.at, expected_back=self._comes_back(item.id, event.node))

    def _comes_back(self, resource: str, node: str) -> bool:
        """The plan in hand restarts it where it is."""
        return any(
            action.resource == resource and action.to_node == node and action.action in ("Restart", "Recover", "Reload", "Re-promote")
            for action in (*self.state.plan, *self.state.draft)
        )

    def _resource_unmanaged(self, event: Event) -> None:
        if self.state.maintenance_at is not None:
            return
        subject = event.resource or ""
        if self._book.find(IncidentKind.RESOURCE_UNMANAGED, subject) is None:
            story = self._book.open(
                IncidentKind.RESOURCE_UNMANAGED,
                subject,
                Severity.WARNING,
                event.at,
                started_at=event.at,
                resources=[event.resource] if event.resource else [],
                settle=self.settings.settle,
                cause=Cause(kind="resource_unmanaged", resource=event.resource, at=event.at, text=event.raw),
            )
            story.limit_at = event.at + self.settings.expire

    def _fail_count_changed(self, event: Event) -> None:
        if event.node is None or event.resource is None or "value" not in event.detail:
            return
        node = self._node(event.node)
        value = event.detail["value"]
        if value is not None and str(value) != "0":
            node.fail_counts[event.resource] = str(value)
            return
        if node.fail_counts.pop(event.resource, None) is not None or event.detail.get("old") is not None:
            self._forgiven(node, event.resource, event.at)

    def _forgiven(self, node: Node, resource: str, at: datetime) -> None:
        """A fail count was cleared: the resource may run here again. Thresholds name the clone, so the last one clears all."""
        node.failed.pop(resource, None)
        node.barred.pop(resource, None)
        if not node.fail_counts:
            node.barred.clear()
        for story in self._book.open_stories():
            concerned = node.name in story.nodes and (resource in story.resources or not node.fail_counts)
            if concerned and (story.kind in _FAILURES or story.kind is IncidentKind.FAILCOUNT_THRESHOLD):
                self._book.close(story, at, "the failure was cleaned up")

    def _threshold_reached(self, event: Event) -> None:
        if event.node is None or event.resource is None:
            return
        node = self._node(event.node)
        new = event.resource not in node.barred
        node.barred.setdefault(event.resource, event.at)
        if not new:
            return
        seen = any(
            story.kind in _FAILURES and node.name in story.nodes and event.at - story.detected_at <= self.settings.story_window
            for story in self.state.stories
        )
        story = self._book.open(
            IncidentKind.FAILCOUNT_THRESHOLD,
            f"{node.name}/{event.resource}",
            Severity.MINOR,
            event.at,
            started_at=event.at if seen else None,
            nodes=[node.name],
            resources=[event.resource],
            settle=self.settings.settle,
            cause=Cause(kind="failcount_threshold", node=node.name, resource=event.resource, at=event.at, text=event.raw),
        )
        if seen:
            failure = next(
                (story for story in self.state.stories if story.kind in _FAILURES and node.name in story.nodes and story is not None), None
            )
            if failure is not None and failure.part_of is not None:
                parent = self._book.by_key(failure.part_of)
                if parent is not None:
                    self._book.make_part(story, parent)
            elif failure is not None:
                self._book.make_part(story, failure)

    def _cleanup(self, event: Event) -> None:
        if event.node is not None and event.resource is not None:
            self._forgiven(self._node(event.node), event.resource, event.at)

    # -- fencing

    def _fencing_requested(self, event: Event) -> None:
        self._carry_out(event.at)
        if event.node is None or str(event.detail.get("action")) == "on":
            return
        self._node(event.node)
        if self._book.find(IncidentKind.FENCING, event.node) is None:
            story = self._book.open(
                IncidentKind.FENCING,
                event.node,
                Severity.MAJOR,
                event.at,
                started_at=event.at,
                nodes=[event.node],
                settle=self.settings.settle,
                cause=Cause(kind="fencing", node=event.node, at=event.at, text=event.raw),
            )
            story.outcome = Outcome.ONGOING
            story.limit_at = event.at + self.settings.expire
            story.requester = event.reporter
            self._join_effect(story, event.node)

    def _fencing_attempted(self, event: Event) -> None:
        device = event.detail.get("device")
        if device is not None:
            topology.resource(self.state, str(device), self.settings).device = True

    def _fencing_done(self, event: Event) -> None:
        if event.node is None or str(event.detail.get("action")) == "on":
            return
        node = self._node(event.node)
        manual = bool(event.detail.get("manual"))
        if not manual:
            node.fenced_at = event.at
        if node.member is None and node.lost_by is not None:  # of two that called each other lost this one is down
            node.member = False
            self._node(node.lost_by).member = True
        for vain in self._book.open_stories():
            if is_split(vain) and node.name in vain.nodes and vain.settle_at is not None:
                vain.settle_at = min(vain.settle_at, event.at + self.settings.settle)
            if vain.kind is IncidentKind.FENCING and vain.requester == node.name:
                self._book.close(vain, event.at, "who asked for it was fenced itself")
            elif vain.kind is IncidentKind.NODE_LOST and vain.nodes == [node.lost_by]:
                self._book.close(vain, event.at, "who called it lost was fenced itself")
        story = self._book.find(IncidentKind.FENCING, node.name)
        if story is None:
            story = self._book.open(
                IncidentKind.FENCING,
                node.name,
                Severity.MAJOR,
                event.at,
                started_at=event.at,
                nodes=[node.name],
                settle=self.settings.settle,
                cause=Cause(kind="fencing", node=node.name, at=event.at, text=event.raw),
            )
            self._join_effect(story, node.name)
        story.outcome = Outcome.SUCCEEDED
        client = str(event.detail.get("client") or "")
        if client.startswith("stonith_admin") and not manual:
            story.severity = Severity.WARNING
            self._mark("fencing", event, node=node.name)
        if not manual:
            self._record_fenced(story, node.name)
        if story.settle_at is None or story.part_of is not None:
            self._book.close(story, event.at, "fenced")
        else:
            self._book.end(story, event.at, "fenced")
        if (failed := self._book.find(IncidentKind.FENCING_FAILED, node.name)) is not None:
            if not manual:
                self._record_fenced(failed, node.name)
            self._book.close(failed, event.at, "fencing succeeded at last")

    def _record_fenced(self, story: Story, name: str) -> None:
        seen: Story | None = story
        while seen is not None:
            if name not in seen.fenced:
                seen.fenced.append(name)
                self._book.changed(seen, "fenced")
            seen = self._book.by_key(seen.part_of) if seen.part_of else None

    def _fencing_failed(self, event: Event) -> None:
        if event.node is None:
            return
        node = self._node(event.node)
        if (fencing := self._book.find(IncidentKind.FENCING, node.name)) is not None:
            fencing.outcome = Outcome.FAILED
            self._book.close(fencing, event.at, "fencing failed")
        story = self._book.find(IncidentKind.FENCING_FAILED, node.name)
        if story is None:
            story = self._book.open(
                IncidentKind.FENCING_FAILED,
                node.name,
                Severity.CRITICAL,
                event.at,
                started_at=event.at,
                nodes=[node.name],
                settle=self.settings.settle,
                cause=Cause(kind="fencing_failed", node=node.name, at=event.at, text=str(event.detail.get("reason") or event.raw)),
            )
            story.outcome = Outcome.ONGOING
            self._join_effect(story, node.name)
        if event.detail.get("final"):
            story.outcome = Outcome.FAILED
            self._book.changed(story, "gave up")
            parent = self._book.by_key(story.part_of) if story.part_of else None
            if parent is not None and parent.kind in DEPARTURES and parent.outcome is Outcome.ONGOING:
                self._departures.limit(parent, event.at)

    # -- attributes

    def _attribute_changed(self, event: Event) -> None:
        if event.node is None:
            return
        name, new = str(event.detail.get("attribute")), event.detail.get("new")
        key = f"{event.node} {name}"
        if new is None:
            self.state.attributes.pop(key, None)
            self._node(event.node).degraded.pop(name, None)
            self._attribute_ended(event, name)
            return
        value = str(new)
        known = self.state.attributes.get(key)
        self.state.attributes[key] = value
        if known == value:
            return
        if _PING.search(name) and _is_number(value):
            best = self.state.best[name] = max(float(value), self.state.best.get(name, 0.0), _number(event.detail.get("old")))
            self._degraded(event, name, IncidentKind.CONNECTIVITY_DEGRADED, bad=float(value) < best or float(value) == 0)
        elif name.startswith("diskcheck_status"):
            self._degraded(event, name, IncidentKind.DISK_DEGRADED, bad=value == "ERROR")
        elif name.endswith(("-status", "-data-status")) and (value in _REPLICA_BAD or value in _REPLICA_GOOD):
            self._degraded(event, name, IncidentKind.REPLICATION_DEGRADED, bad=value in _REPLICA_BAD)
        elif name.startswith("ringnumber_"):
            self._ring(event, name, value)

    def _ring(self, event: Event, name: str, value: str) -> None:
        link = name.rpartition("_")[2]
        change = replace(event, detail={"link": link, "peer_id": None, "peer": None}, kind=EventKind.LINK_UP)
        if value.endswith("FAULTY"):
            self._link_down(change)
        elif value.endswith("UP"):
            self._link_up(change)

    def _degraded(self, event: Event, attribute: str, kind: IncidentKind, *, bad: bool) -> None:
        name = event.node or ""
        node = self._node(name)
        subject = f"{name}/{attribute}"
        if not bad:
            node.degraded.pop(attribute, None)
            self._attribute_ended(event, attribute)
            return
        node.degraded.setdefault(attribute, event.at)
        if self._book.find(kind, subject) is not None:
            return
        where = topology.side(self.state, self.settings, name)
        story = self._book.open(
            kind,
            subject,
            Severity.MINOR if where == "unknown" else Severity.MAJOR,
            event.at,
            started_at=event.at,
            nodes=[name],
            settle=self.settings.settle,
            cause=Cause(kind=kind, node=name, at=event.at, text=event.raw),
        )
        self._join_effect(story, name)

    def _attribute_ended(self, event: Event, attribute: str) -> None:
        subject = f"{event.node}/{attribute}"
        for kind in (IncidentKind.CONNECTIVITY_DEGRADED, IncidentKind.DISK_DEGRADED, IncidentKind.REPLICATION_DEGRADED):
            if (story := self._book.find(kind, subject)) is not None:
                self._book.close(story, event.at, "the attribute is good again")

    def _attributes_removed(self, event: Event) -> None:
        if event.node is None:
            return
        node = self._node(event.node)
        for key in [key for key in self.state.attributes if key.startswith(f"{node.name} ")]:
            del self.state.attributes[key]

    def _network_unreachable(self, event: Event) -> None:
        target = str(event.detail.get("target") or "target")
        self._degraded(event, f"ping {target}", IncidentKind.CONNECTIVITY_DEGRADED, bad=True)
        self._without_recovery_signal(IncidentKind.CONNECTIVITY_DEGRADED, f"{event.node}/ping {target}", event.at)

    def _disk_error(self, event: Event) -> None:
        attribute = str(event.detail.get("attribute") or event.detail.get("device") or "disk")
        self._degraded(event, attribute, IncidentKind.DISK_DEGRADED, bad=True)
        self._without_recovery_signal(IncidentKind.DISK_DEGRADED, f"{event.node}/{attribute}", event.at)

    def _without_recovery_signal(self, kind: IncidentKind, subject: str, at: datetime) -> None:
        if (story := self._book.find(kind, subject)) is not None:
            story.limit_at = at + self.settings.expire

    # -- links

    def _drop_links(self, name: str) -> list[PendingLink]:
        """A node is gone: its links are down for that reason. A peer known by number only may be this one when there is no third."""
        others = [other for other in self.state.nodes if other != name]
        gone = [
            pending
            for pending in self.state.links
            if name in pending.pair or (len(others) <= 1 and any(end.startswith(_NUMBERED) for end in pending.pair))
        ]
        self.state.links = [pending for pending in self.state.links if pending not in gone]
        self.state.cut_links = [*gone, *(cut for cut in self.state.cut_links if not gone)][-8:]
        return list(self.state.cut_links)

    def _pair(self, event: Event) -> tuple[str, str] | None:
        mine = event.reporter or event.node
        if mine is None:
            return None
        peer = event.detail.get("peer")
        if peer is None and event.detail.get("peer_id") is not None:
            number = str(event.detail["peer_id"])
            others = [name for name in self.state.nodes if name != mine]
            peer = self.state.node_ids.get(number)
            if peer is None and len(others) == 1:
                peer = self.state.node_ids[number] = others[0]
            peer = peer or f"{_NUMBERED}{number}"
        if peer is None:
            others = [name for name in self.state.nodes if name != mine]
            peer = others[0] if len(others) == 1 else "?"
        first, second = sorted((mine, str(peer)))
        return first, second

    def _link_down(self, event: Event) -> None:
        if event.detail.get("link") is None:
            return
        if event.reporter is not None:
            self._node(event.reporter)
        pair = self._pair(event)
        if pair is None:
            return
        for name in pair:
            known = self.state.nodes.get(name)
            if known is not None and (known.member is False or known.stop_requested_at is not None):
                return
        link = str(event.detail["link"])
        if (story := self._link_story(link, pair)) is not None:
            story.nodes = list(_better(_ends(story), pair))
            return
        for pending in self.state.links:
            if pending.link == link and _same_pair(pending.pair, pair):
                pending.pair = _better(pending.pair, pair)
                pending.entries.append(entry_of(event))
                return
        self.state.links.append(PendingLink(link, pair, event.at, event.at + self.settings.membership, [entry_of(event)]))

    def _link_up(self, event: Event) -> None:
        if event.detail.get("link") is None or (pair := self._pair(event)) is None:
            return
        link = str(event.detail["link"])
        for pending in list(self.state.links):
            if pending.link == link and _same_pair(pending.pair, pair):
                self.state.links.remove(pending)
                self._link_fault(pending)
        for story in self._book.open_stories():
            if story is self._link_story(link, pair):
                self._book.add(story, event)
                self._book.close(story, event.at, "the link is up again")
                if not story.told:
                    self._book.tell(story, Notice.OPENING)

    def _link_story(self, link: str, pair: tuple[str, str]) -> Story | None:
        for story in self._book.open_stories():
            if story.kind is IncidentKind.INTERCONNECT_DEGRADED and story.subject.split()[0] == link and _same_pair(_ends(story), pair):
                return story
        return None

    def _link_fault(self, pending: PendingLink) -> None:
        """A link is down and its peer is still a member."""
        if self._link_story(pending.link or "", pending.pair) is not None:
            return
        subject = _link_subject(pending.link or "", pending.pair)
        story = self._book.open(
            IncidentKind.INTERCONNECT_DEGRADED,
            subject,
            Severity.MAJOR,
            pending.down_at,
            started_at=pending.down_at,
            nodes=pending.pair,
            cause=Cause(kind="link_down", node=pending.pair[0], at=pending.down_at, text=pending.entries[0].raw),
        )
        story.resources = [f"link {pending.link}"]
        for entry in pending.entries:
            story.timeline.append(entry)
            if entry.source not in story.sources:
                story.sources.append(entry.source)

    # -- daemons

    def _daemon_died(self, event: Event) -> None:
        if event.node is None:
            return
        node = self._node(event.node)
        if node.stop_requested_at is not None and event.detail.get("signal") is None and event.detail.get("rc") in (0, None):
            return
        grave = event.kind is EventKind.DAEMON_GAVE_UP or event.detail.get("effect") in ("fatal", "panic")
        story = self._book.find(IncidentKind.DAEMON_FAILED, node.name)
        if story is None:
            story = self._book.open(
                IncidentKind.DAEMON_FAILED,
                node.name,
                Severity.MAJOR if grave else Severity.WARNING,
                event.at,
                started_at=event.at,
                nodes=[node.name],
                resources=[str(event.detail.get("daemon"))],
                settle=self.settings.settle,
                cause=Cause(kind="daemon_failed", node=node.name, resource=str(event.detail.get("daemon")), at=event.at, text=event.raw),
            )
            self._join_effect(story, node.name)
        elif grave and story.severity is Severity.WARNING:
            story.severity = Severity.MAJOR
            self._book.changed(story, "grave")
            if story.told:
                self._book.tell(story, Notice.UPDATE)
        story.recovered_at = None
        story.limit_at = event.at + self.settings.expire

    def _daemon_respawned(self, event: Event) -> None:
        if event.node is not None and (story := self._book.find(IncidentKind.DAEMON_FAILED, event.node)) is not None:
            story.recovered_at = event.at
            story.limit_at = event.at + self.settings.stable

    # -- pm_logconv's own words

    def _failover_started(self, event: Event) -> None:
        self._departures.hint(event.at, event.reporter)

    def _failover_done(self, event: Event) -> None:
        self._departures.hinted_end(True, event.at)

    def _failover_failed(self, event: Event) -> None:
        self._departures.hinted_end(False, event.at)

    def _failover_summary(self, event: Event) -> None:
        if event.resource is None:
            return
        item = topology.resource(self.state, event.resource, self.settings)
        detail = event.detail
        source = None if detail.get("from") is None else str(detail["from"])
        target = None if detail.get("to") is None else str(detail["to"])
        for name in (source, target):
            if name is not None:
                self._node(name)
        if target is not None:
            item.roles.clear()
            item.roles[target] = "Started"
        self._departures.summary(item.id, source, target, event.at)

    # -- sources

    def _source_lost(self, event: Event) -> None:
        subject = f"{event.collector} {event.detail.get('path')}"
        if self._book.find(IncidentKind.MONITORING_LOST, subject) is None:
            self._book.open(
                IncidentKind.MONITORING_LOST,
                subject,
                Severity.WARNING,
                event.at,
                started_at=event.at,
                nodes=[event.node] if event.node else [],
                resources=[str(event.detail.get("path"))],
                cause=Cause(kind="source_lost", node=event.node, at=event.at, text=str(event.detail.get("reason"))),
            )

    def _source_back(self, event: Event) -> None:
        if (story := self._book.find(IncidentKind.MONITORING_LOST, f"{event.collector} {event.detail.get('path')}")) is not None:
            self._book.close(story, event.at, "the source gives data again")

    # -- effects

    def _open_effect(self, name: str) -> Story | None:
        """The story that explains what happens to this node now: its service departs, or its standby is gone."""
        for story in self._book.open_stories():
            if story.kind in DEPARTURES and story.part_of is None and story.from_node == name:
                return story
        return self._book.find(IncidentKind.STANDBY_FAULT, name)

    def _lost(self, story: Story, name: str) -> Story | None:
        """What a lost node is fenced for, or why it is not fenced: one story, also where nobody knows what the node did."""
        if story.kind is IncidentKind.FENCING_FAILED:
            self._book.adopt(story, [name])
        found = (self._book.find(kind, name) for kind in (IncidentKind.FENCING_FAILED, IncidentKind.NODE_LOST))
        return next((known for known in found if known is not None and explains(known.kind, story.kind)), None)

    def _join_effect(self, story: Story, name: str) -> None:
        """A cause that comes after its effect opened becomes a part of it."""
        effect = self._open_effect(name) or self._lost(story, name)
        if effect is None or story.part_of is not None:
            return
        if effect.kind is IncidentKind.STANDBY_FAULT and effect.planned:
            return
        self._book.make_part(story, effect)
        if effect.kind in DEPARTURES and effect.service_restored_at is None:
            self._departures.weigh(effect, story.detected_at)

    def _standby_fault(self, name: str, cause: Story, now: datetime) -> None:
        """A node that could take over no longer can."""
        story = self._book.find(IncidentKind.STANDBY_FAULT, name)
        if story is not None and story.planned:
            self._book.close(story, now, "a fault came on top of planned work")
            story = None
        if story is None:
            serving = topology.active_somewhere(self.state, self.settings)
            others = [other for other in topology.candidates(self.state, serving) if not topology.hindrances(self.state, other)]
            story = self._book.open(
                IncidentKind.STANDBY_FAULT,
                name,
                Severity.MINOR if others else Severity.MAJOR,
                cause.detected_at,
                started_at=cause.started_at,
                nodes=[name],
                resources=() if is_split(cause) else cause.resources,
                settle=self.settings.settle,
            )
            story.redundancy = bool(others)
        self._book.adopt(story, [name])
        story.reasons = topology.hindrances(self.state, name)
        if not story.told:
            self._book.tell(story, Notice.OPENING)

    def _protect_standby(self, at: datetime) -> None:
        """Standby faults end when the node could take over again."""
        for story in self._book.open_stories():
            if story.kind is not IncidentKind.STANDBY_FAULT:
                continue
            reasons = topology.hindrances(self.state, story.subject)
            waiting = any(
                other.part_of == story.key and other.state is IncidentState.OPEN and other.kind in _HOLDING for other in self.state.stories
            )
            if reasons or waiting:
                if reasons != story.reasons:
                    story.reasons = reasons
                    self._book.changed(story, "other reasons")
                continue
            story.redundancy, story.redundancy_restored_at, story.reasons = True, at, []
            self._book.close(story, at, "the node can take over again")


_PREPARING = frozenset(
    {EventKind.PLAN, EventKind.STATE_CHANGED, EventKind.OPERATION_STARTED, EventKind.TRANSITION_ENDED, EventKind.OLD_FAILURE}
)
"""Events that by themselves change nothing about who could take over."""
_FAILURES = frozenset({IncidentKind.RESOURCE_FAILURE, IncidentKind.STOP_FAILED, IncidentKind.FENCE_DEVICE_FAILED})
_STANDBY_REASONS = frozenset(
    {
        IncidentKind.RESOURCE_FAILURE,
        IncidentKind.STOP_FAILED,
        IncidentKind.NODE_LOST,
        IncidentKind.CONNECTIVITY_DEGRADED,
        IncidentKind.DISK_DEGRADED,
        IncidentKind.REPLICATION_DEGRADED,
        IncidentKind.FAILCOUNT_THRESHOLD,
        IncidentKind.FENCING,
        IncidentKind.FENCING_FAILED,
    }
)
_HOLDING = frozenset(
    {
        IncidentKind.NODE_LOST,
        IncidentKind.FENCING_FAILED,
        IncidentKind.CONNECTIVITY_DEGRADED,
        IncidentKind.DISK_DEGRADED,
        IncidentKind.REPLICATION_DEGRADED,
        IncidentKind.RESOURCE_FAILURE,
    }
)


_SPLIT = "split"
_NUMBERED = "node "
"""How a node is called whose name is not known."""


def _link_subject(link: str, pair: tuple[str, str]) -> str:
    return f"{link} {pair[0]} {pair[1]}"


def _same_pair(one: tuple[str, str], other: tuple[str, str]) -> bool:
    return one == other or (
        bool(set(one) & set(other)) and ("?" in (*one, *other) or any(end.startswith(_NUMBERED) for end in (*one, *other)))
    )


def _ends(story: Story) -> tuple[str, str]:
    return (story.nodes[0], story.nodes[1])


def _better(one: tuple[str, str], other: tuple[str, str]) -> tuple[str, str]:
    """The pair with the more names known."""
    unknown = [sum(end.startswith(_NUMBERED) or end == "?" for end in pair) for pair in (one, other)]
    return other if unknown[1] < unknown[0] else one


def _is_number(text: str) -> bool:
    return text.replace(".", "", 1).lstrip("-").isdigit()


def _number(value: object) -> float:
    text = str(value)
    return float(text) if value is not None and _is_number(text) else 0.0
