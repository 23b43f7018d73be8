"""What the DC plans and carries out: the plan of the scheduler, its transitions, and what pm_logconv sums up of them."""

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta

from hamon.classify import topology
from hamon.classify.agents import explained, recorded
from hamon.classify.bounds import MAX_REPEATED
from hamon.classify.departures import Departures
from hamon.classify.operations import Operations
from hamon.classify.read import Value, without_instance
from hamon.classify.restraints import Restraints, was_just_forgiven
from hamon.classify.settings import ClusterSettings
from hamon.classify.state import Action, Move, Resource, State, Story
from hamon.classify.stories import FAILURES, SAME_TIME, Book
from hamon.model.event import Event, EventKind
from hamon.model.incident import IncidentKind

_STANDBY_ENDS = timedelta(seconds=2)
"""Standby that was asked for while a plan is written is not over because of this plan."""

_NEWS = timedelta(seconds=5)
"""So long after a failure a line of the scheduler is still the first to tell it."""
_WALL_CLOCK = re.compile(r"(?:\d{4}-\d\d-\d\d[T ]|[A-Z][a-z]{2} +\d{1,2} )(?P<time>\d\d:\d\d:\d\d)")
_DAY = timedelta(days=1)
_FAILED_THERE = re.compile(r"^(?P<resource>\S+) failed there$")
"""Why the scheduler fences a node that takes part."""


def _is_by_its_time(event: Event) -> bool:
    """Whether the time that a line gives for a failure is its own: both are by the clock on the wall of one node, so no zone matters."""
    times = [_WALL_CLOCK.search(text) for text in (event.raw[:80], str(event.detail.get("when") or ""))]
    written, failed = (
        timedelta(hours=int(time[:2]), minutes=int(time[3:5]), seconds=int(time[6:])) if (time := found and found["time"]) else None
        for found in times
    )
    return written is not None and failed is not None and (written - failed) % _DAY <= _NEWS


def _text(value: object) -> str | None:
    return value if value is None or isinstance(value, str) else str(value)


class Plans:
    """From the plan to what of it is done: services that leave, and what is known to have arrived."""

    def __init__(
        self, state: State, settings: ClusterSettings, book: Book, departures: Departures, operations: Operations, restraints: Restraints
    ) -> None:
        self.state, self.settings, self._book = state, settings, book
        self._departures = departures
        self._operations = operations
        self._restraints = restraints

    def handlers(self) -> Mapping[EventKind, Callable[[Event], None]]:
        """Which event is handled by what."""
        return {
            EventKind.STATE_CHANGED: self.state_changed,
            EventKind.PLAN: self.plan,
            EventKind.TRANSITION_ENDED: self.transition_ended,
            EventKind.OPERATION_STARTED: self.operation_started,
            EventKind.OLD_FAILURE: self.old_failure,
            EventKind.FAILOVER_STARTED: self.failover_started,
            EventKind.FAILOVER_DONE: self.failover_done,
            EventKind.FAILOVER_FAILED_HINT: self.failover_failed,
            EventKind.FAILOVER_SUMMARY: self.failover_summary,
        }

    def plan(self, event: Event) -> None:
        state, detail = self.state, event.detail
        state.plans_since = state.plans_since or event.at
        action = str(detail.get("action"))
        if state.draft_by not in (None, event.reporter):
            state.repeats, state.repeated = [], None
        if state.draft_closed or state.draft_by not in (None, event.reporter):
            if action == "End" and state.draft_by == event.reporter:
                self._all_repeated()
                return
            state.draft, state.draft_closed = [], False
        state.draft_by = event.reporter
        if action == "End":
            state.draft_closed = True
            self._all_repeated()
            return
        if event.resource is None:
            self._fences(event)
            return
        item = topology.resource(state, event.resource, self.settings)
        item.uncertain = False
        source, to, blocked = _text(detail.get("from")), _text(detail.get("to")), bool(detail.get("blocked"))
        from_role, to_role = _text(detail.get("from_role")), _text(detail.get("to_role"))
        was_clone = item.clone
        if detail.get("instance") is not None:
            item.clone = True
        promoted = topology.PROMOTED in (from_role, to_role)
        if promoted or "Unpromoted" in (from_role, to_role):
            item.clone = item.promotable = True
        if item.clone and not was_clone:
            self._departures.is_no_service(item.id, event.at)  # the evidence began with its stop, which does not tell what it is
        item.unmanaged = bool(detail.get("unmanaged")) and (item.unmanaged or not self._is_failing(item.id))
        if blocked:
            place = state.nodes.get(source or "")
            if action == "Stop" and state.has_quorum is False and place is not None and place.member is False:
                return  # a node without quorum would stop what runs on one that it does not see: that may go on there
            if self._is_left_alone(str(detail.get("reason") or "")):
                return  # it goes on where it is, as the one that somebody works on
            # What may not start yet waits for something else: the quorum while nodes boot, or what it needs.
            if action not in ("Start", "Promote"):
                self._restraints.block(event)
        if action == "Leave":
            if item.clone or item.started_at is None or item.started_at <= event.at:  # else this log comes late, and it has moved since
                self._leave(event, item, to, to_role)
            return
        # Where it is before the plan: learned only where nothing better is known.
        if source is not None and action != "Start" and from_role != "Stopped" and not self._moved_since(item, source, event.at):
            topology.node(state, source)
            item.roles.setdefault(source, from_role or "Started")
        if to is not None:
            topology.node(state, to)
        if action == "Recover" or (source is not None and self._is_new(item, source)):
            self._recovers(event, item, source or to)
        state.draft.append(
            Action(
                action=action,
                resource=item.id,
                from_node=source,
                to_node=to if to_role != "Stopped" and (not item.promotable or to_role == topology.PROMOTED) else None,
                promoted=promoted and item.promotable,
                clone=item.clone,
                blocked=blocked,
            )
        )

    def _is_left_alone(self, reason: str) -> bool:
        """Whether something would stop, but for another one that must stop first and is unmanaged, as somebody wants it."""
        waits = reason.startswith("unrunnable ") and reason.endswith(" stop")
        return waits and any(item.unmanaged for item in self.state.resources.values())

    @staticmethod
    def _moved_since(item: Resource, source: str, at: datetime) -> bool:
        """Whether it was started elsewhere after this plan, by a log that is read sooner."""
        return not item.clone and item.started_on not in (None, source) and item.started_at is not None and item.started_at >= at

    def _all_repeated(self) -> None:
        """At the end of a calculation all failures that are recorded were repeated: what the next one adds is new."""
        self.state.repeats, self.state.repeated = [], self.state.repeats

    def _leave(self, event: Event, item: Resource, node: str | None, role: str | None) -> None:
        if node is None:
            if role == "Stopped" and not item.clone:
                item.roles.clear()
                item.stopped = True
            return
        known = topology.node(self.state, node)
        if known.member is False:
            return
        if known.member is None and known.lost_at is None:  # else two are cut from each other, and each plans for itself
            known.member = True
        if (
            role == (topology.PROMOTED if item.promotable else "Started")
            and node not in topology.active_nodes(item)
            and topology.is_service(item, self.settings, self.state)
            and self._departures.works_on(item.id, node, event.at)
        ):
            self._operations.arrives(event, item.id, node, promoted=item.promotable)  # a log that begins late lacks its start
        if not item.clone and self._departures.running(item.id) is None:
            item.roles.clear()
        item.roles[node] = role or "Started"

    def _recovers(self, event: Event, item: Resource, name: str | None) -> None:
        """The scheduler recovers only what failed. Pacemaker 1.1.15 to 2.0.2 say no more of a failed monitor in a log at notice."""
        if name is None or (item.started_at is not None and item.started_at > event.at):
            return
        move = self._departures.running(item.id)
        if move is not None and name == move.to_node:
            return  # what failed is the way there
        if not self._is_told(event, item, name):
            failed = replace(event, kind=EventKind.OPERATION_FAILED, node=name, resource=item.id, detail={})
            self._operations.operation_failed(explained(self.state, failed))

    def _is_failing(self, resource: str) -> bool:
        """Whether a failure of it is open: where the cluster must not mend that (`on-fail=block`), it calls the resource unmanaged, too."""
        return any(story.kind in FAILURES and resource in story.resources for story in self._book.open_stories())

    def _fences(self, event: Event) -> None:
        """A node is to be fenced for a resource that failed there: a log at notice of another node may say no more of that failure."""
        found = _FAILED_THERE.match(str(event.detail.get("reason") or ""))
        if event.detail.get("action") != "Fence" or event.node is None:
            return
        if (container := event.detail.get("container")) is not None:
            topology.resource(self.state, str(container), self.settings).guest = event.node
        if found is None:
            return
        item = topology.resource(self.state, without_instance(found["resource"]), self.settings)
        if not self._is_told(event, item, event.node):
            ending = f" {item.id} {event.node}"
            known = [fact.removesuffix(ending) for fact in self.state.repeats if fact.endswith(ending)]
            detail: dict[str, Value] = {"operation": known[-1]} if known else {}
            failed = replace(event, kind=EventKind.OPERATION_FAILED, resource=item.id, detail=detail)
            self._operations.operation_failed(explained(self.state, failed))

    def old_failure(self, event: Event) -> None:
        """The scheduler repeats all failures that are recorded. The DC's log at notice tells one of another node only so."""
        name, operation = event.node, str(event.detail.get("operation"))
        if name is None or event.resource is None:
            return
        state = self.state
        if state.draft_by != event.reporter:  # of another DC it is not known what it repeats
            state.draft, state.draft_closed, state.draft_by, state.repeats, state.repeated = [], False, event.reporter, [], None
        fact = f"{operation} {event.resource} {name}"
        if fact not in state.repeats and len(state.repeats) < MAX_REPEATED:
            state.repeats.append(fact)
        recorded(self._book, event)
        item = topology.resource(state, event.resource, self.settings)
        if operation != "probe" and _is_by_its_time(event) and not self._is_told(event, item, name):
            self._operations.operation_failed(explained(state, replace(event, kind=EventKind.OPERATION_FAILED)))

    def _is_new(self, item: Resource, name: str) -> bool:
        """Whether this calculation is the first to repeat that a monitor failed; a probe finds what does not run there."""
        fact = f"monitor {item.id} {name}"
        return self.state.repeated is not None and fact in self.state.repeats and fact not in self.state.repeated

    def _is_told(self, event: Event, item: Resource, name: str) -> bool:
        """Whether a failure on a node is known, or none of the resource's: the node is gone, or it was cleaned up."""
        node = topology.node(self.state, name)
        # What was recovered in place is another story after a while.
        known = dict.fromkeys(FAILURES, self.settings.story_window) | {IncidentKind.LOCAL_RECOVERY: _NEWS + SAME_TIME}
        told = item.id in node.failed or any(
            story.kind in known and item.id in story.resources and name in story.nodes and event.at - story.detected_at <= known[story.kind]
            for story in self.state.stories
        )
        return told or node.member is False or node.fenced_at is not None or was_just_forgiven(node, event.at)

    def carry_out(self, at: datetime) -> None:
        """The plan that was written last begins to be carried out."""
        state = self.state
        if not state.draft_closed:
            return
        actions, state.draft, state.draft_closed = state.draft, [], False
        state.is_idle = False
        state.plan, state.plan_is_done = actions, False
        self._settle_losses(at)
        for name in {action.to_node for action in actions if action.to_node not in (None, action.from_node)}:
            self._out_of_standby(str(name), at)
        held = [action for action in actions if self._is_undecided(self._takes_from(action))]
        if held:
            state.held = held
            actions = [action for action in actions if action not in held]
        self._departures.plan_is_carried_out(actions, at)

    def _settle_losses(self, at: datetime) -> None:
        """What comes of the nodes that were lost shows now, also where that of a lost DC had to wait for the election of the next one."""
        for story in self._book.open_stories():
            if story.kind is IncidentKind.NODE_LOST and not story.told and story.settle_at is not None:
                story.settle_at = min(story.settle_at, max(at, story.detected_at) + self.settings.settle)

    def is_no_service(self, name: str, at: datetime) -> None:
        """A resource is a fence device, which its name did not tell."""
        self._departures.is_no_service(name, at)

    def is_about_to_take_from(self, name: str) -> bool:
        """Whether the last plan, which is not being carried out yet, takes a service from a node to another one."""
        return self.state.draft_closed and any(
            action.to_node is not None
            and self._takes_from(action) == name
            and (item := self.state.resources.get(action.resource)) is not None
            and topology.is_service(item, self.settings, self.state)
            for action in self.state.draft
        )

    def _takes_from(self, action: Action) -> str | None:
        """The node that an action takes something from. To promote an instance here is to take that role from where it is now."""
        if not action.promoted:
            return action.from_node if action.from_node != action.to_node else None
        item = self.state.resources.get(action.resource)
        serving = topology.active_nodes(item) if item is not None else ()
        return next((name for name in serving if name != action.to_node), None)

    def _is_undecided(self, name: str | None) -> bool:
        """Whether it is open if the node stays or its peer, from which it is cut: each side plans to take what the other has."""
        if name is None or topology.node(self.state, name).member is False:
            return False
        return any(
            topology.is_split(story)
            and name in story.nodes
            and all(topology.node(self.state, end).fenced_at is None for end in story.nodes)
            for story in self._book.open_stories()
        )

    def void(self, name: str) -> list[Story]:
        """Departures that only a node planned that was fenced itself: its peer keeps what it has."""
        return [story for story in self._departures.planned_by(name) if story.planned is False]

    def decided(self, name: str, at: datetime) -> None:
        """A node was fenced: its peer takes over as it planned; what the node itself planned is void."""
        taken, self.state.held = [action for action in self.state.held if self._takes_from(action) == name], []
        if taken:
            self._departures.plan_is_carried_out(taken, at)

    def _out_of_standby(self, name: str, at: datetime) -> None:
        """The scheduler puts nothing on a node in standby: that it does says that standby ended, where no line did."""
        node = self.state.nodes.get(name)
        if node is None or node.standby_at is None or at - node.standby_at < _STANDBY_ENDS:
            return
        node.standby_at, node.since = None, at
        for mark in self.state.marks:
            if mark.kind == "standby" and mark.ended_at is None and mark.node == name:
                mark.ended_at = at

    def state_changed(self, event: Event) -> None:
        self.state.hears_states = True
        if event.detail.get("from") == "S_IDLE":
            self.state.is_idle = False
            self.state.plans_since = self.state.plans_since or event.at
        if event.detail.get("to") == "S_TRANSITION_ENGINE":
            self.state.draft_closed = self.state.draft_closed or (bool(self.state.draft) and self.state.draft_by == event.reporter)
            self.carry_out(event.at)
        elif event.detail.get("to") == "S_IDLE" and event.detail.get("from") == "S_TRANSITION_ENGINE":
            self._idle(event)
        if event.detail.get("from") == "S_ELECTION" and event.detail.get("to") == "S_INTEGRATION" and event.node is not None:
            self.state.dc = event.node

    def transition_ended(self, event: Event) -> None:
        """The DC is done with a plan, or gave it up. One that held nothing to do, as it is last, is carried out here."""
        if event.detail.get("end") == "Complete":
            self.carry_out(event.at)
        self.state.plan_is_done = (
            event.detail.get("end") == "Complete" and not event.detail.get("skipped") and not event.detail.get("incomplete")
        )

    def _idle(self, event: Event) -> None:
        self.carry_out(event.at)
        if self.state.plan_is_done:
            self._arrived(event)
        self._departures.began_before(event.at)
        if self.state.plan_is_done and self.state.plan:
            self._departures.given_up({action.resource for action in self.state.plan})
        self.state.plans_since = self.state.plans_since or event.at
        self.state.plan, self.state.plan_is_done = [], False
        self.state.is_idle, self.state.rested_at = True, event.at
        self._departures.idle(event.at)
        for node in self.state.nodes.values():
            node.fencing_asked_at = None  # nobody fences any more
            if node.fencing_pending_until is not None:
                node.fencing_pending_until = event.at

    def _arrived(self, event: Event) -> None:
        """A plan was carried out to its end: what it was to start elsewhere is there, though no log of that node tells it."""
        for action in self.state.plan:
            name = action.to_node
            if name is not None and name == action.from_node and action.action in ("Recover", "Restart"):
                move = self._departures.running(action.resource)
                if move is not None and name in (move.to_node, move.begun_on) and move.promoted == action.promoted:
                    self._arrives(event, move, name)  # it was on its way when that failed
                else:
                    self._operations.works(replace(event, node=name, resource=action.resource, detail={}))
            stays = name == action.from_node and action.action != "Promote"  # an instance is promoted where it is
            if name is None or stays or action.blocked or action.resource in topology.node(self.state, name).failed:
                continue
            move = self._departures.running(action.resource)
            if move is not None and move.to_node == name and move.promoted == action.promoted and not move.failed:
                self._arrives(event, move, name)
        # What an earlier plan began to start, and this one had nothing to do for, was there when this one was made.
        planned = {action.resource for action in self.state.plan}
        for move in self._departures.under_way():
            name = move.to_node
            if name is None or move.begun_on != name or move.failed or move.resource in planned:
                continue
            if move.resource not in topology.node(self.state, name).failed:
                self._arrives(event, move, name)

    def _arrives(self, event: Event, move: Move, name: str) -> None:
        self._operations.arrives(event, move.resource, name, promoted=move.promoted)

    def operation_started(self, event: Event) -> None:
        if event.node is not None:
            topology.node(self.state, event.node)
        if not self.state.draft_closed and self._is_planned(event):
            self.state.draft_closed = True  # an excerpt may not hold the end of the calculation
        self.carry_out(event.at)
        move = self._departures.running(event.resource) if event.resource is not None else None
        if move is None:
            return
        operation = event.detail.get("operation")
        if operation in ("start", "promote", "migrate_from") and move.promoted == (operation == "promote"):
            move.begun_on = event.node
        elif operation != "monitor" or event.node is None or event.node in self.state.controllers:
            return  # a node whose own log is read tells itself what came up
        elif move.begun_on == event.node and not move.failed:
            self._arrives(event, move, event.node)

    def _is_planned(self, event: Event) -> bool:
        """Whether an operation is one of those in the plan that is being written, by the same DC."""
        return self.state.draft_by == event.reporter and any(
            action.resource == event.resource and event.node is not None and event.node in (action.from_node, action.to_node)
            for action in self.state.draft
        )

    def failover_started(self, event: Event) -> None:
        self._departures.hint(event.at, event.reporter)

    def failover_done(self, event: Event) -> None:
        self._departures.hinted_end(True, event.at)

    def failover_failed(self, event: Event) -> None:
        self._departures.hinted_end(False, event.at)

    def failover_summary(self, event: Event) -> None:
        if event.resource is None:
            return
        item = topology.resource(self.state, event.resource, self.settings)
        detail = event.detail
        source = None if detail.get("from") is None else str(detail["from"])
        target = None if detail.get("to") is None else str(detail["to"])
        for name in (source, target):
            if name is not None:
                topology.node(self.state, name)
        if target is not None:
            item.roles.clear()
            item.roles[target] = "Started"
        self._departures.summary(item.id, source, target, event.at)
