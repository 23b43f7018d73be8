"""Plans and operations of resources: what runs where, what failed, what recovered, and what may no longer run."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta

from hamon.classify import topology
from hamon.classify.departures import Departures
from hamon.classify.effects import Effects
from hamon.classify.settings import ClusterSettings
from hamon.classify.state import Action, Node, Resource, State, Story
from hamon.classify.stories import Book, is_split
from hamon.model.event import Event, EventKind
from hamon.model.incident import Cause, IncidentKind, Notice, Outcome, Severity
from hamon.model.observation import Source

OVERTAKING = timedelta(seconds=10)
"""By how much the trap of a stop may come after that of the start which followed it."""
_SAME_TIME = timedelta(milliseconds=500)
_CLEANED_WITHIN = timedelta(seconds=10)
"""How long a clean-up may take, on a busy cluster."""
"""By how much the stamps of two nodes may differ where what they tell came one after the other."""

_FAILURES = frozenset({IncidentKind.RESOURCE_FAILURE, IncidentKind.STOP_FAILED, IncidentKind.FENCE_DEVICE_FAILED})


STANDBY_ENDS = timedelta(seconds=2)
"""Standby that was asked for while a plan is written is not over because of this plan."""


class Operations:
    """Plans and operations of resources: what runs where, what failed, what recovered, and what may no longer run."""

    def __init__(self, state: State, settings: ClusterSettings, book: Book, departures: Departures, effects: Effects) -> None:
        self.state, self.settings, self._book = state, settings, book
        self._departures = departures
        self._effects = effects

    def handlers(self) -> Mapping[EventKind, Callable[[Event], None]]:
        """Which event is handled by what."""
        return {
            EventKind.STATE_CHANGED: self.state_changed,
            EventKind.PLAN: self.plan,
            EventKind.TRANSITION_ENDED: self.transition_ended,
            EventKind.OPERATION_STARTED: self.operation_started,
            EventKind.OPERATION_SUCCEEDED: self.operation_succeeded,
            EventKind.OPERATION_FAILED: self.operation_failed,
            EventKind.RESOURCE_STARTED: self.resource_started,
            EventKind.RESOURCE_MIGRATED: self.resource_started,
            EventKind.RESOURCE_STOPPED: self.resource_stopped,
            EventKind.RESOURCE_PROMOTED: self.resource_promoted,
            EventKind.RESOURCE_DEMOTED: self.resource_demoted,
            EventKind.RESOURCE_BLOCKED: self.resource_blocked,
            EventKind.RESOURCE_UNBLOCKED: self.resource_unblocked,
            EventKind.RESOURCE_UNMANAGED: self.resource_unmanaged,
            EventKind.RESOURCE_MANAGED: self.resource_managed,
            EventKind.FAIL_COUNT_CHANGED: self.fail_count_changed,
            EventKind.THRESHOLD_REACHED: self.threshold_reached,
            EventKind.CLEANUP: self.cleanup,
            EventKind.FAILOVER_STARTED: self.failover_started,
            EventKind.FAILOVER_DONE: self.failover_done,
            EventKind.FAILOVER_FAILED_HINT: self.failover_failed,
            EventKind.FAILOVER_SUMMARY: self.failover_summary,
        }

    def plan(self, event: Event) -> None:
        state, detail = self.state, event.detail
        action = str(detail.get("action"))
        if state.draft_closed or state.draft_by not in (None, event.reporter):
            if action == "End" and state.draft_by == event.reporter:
                return
            state.draft, state.draft_closed = [], False
        state.draft_by = event.reporter
        if action == "End":
            state.draft_closed = True
            return
        if event.resource is None:
            return
        item = topology.resource(state, event.resource, self.settings)
        item.uncertain = False
        text = {key: None if detail.get(key) is None else str(detail[key]) for key in ("from", "to", "from_role", "to_role")}
        if detail.get("instance") is not None:
            item.clone = True
        promoted = topology.PROMOTED in (text["from_role"], text["to_role"])
        if promoted or "Unpromoted" in (text["from_role"], text["to_role"]):
            item.clone = item.promotable = True
        # What may not start yet waits for something else: the quorum while nodes boot, or what it needs.
        if detail.get("blocked") and action not in ("Start", "Promote"):
            self._blocked(event)
        if action == "Leave":
            if item.clone or item.started_at is None or item.started_at <= event.at:  # else this log comes late, and it has moved since
                self._leave(item, text["to"], text["to_role"])
            return
        # Where it is before the plan: learned only where nothing better is known.
        if text["from"] is not None and action != "Start" and text["from_role"] != "Stopped":
            topology.node(self.state, text["from"])
            item.roles.setdefault(text["from"], text["from_role"] or "Started")
        if text["to"] is not None:
            topology.node(self.state, text["to"])
        if action == "Recover":
            self._recovers(event, item, text["from"] or text["to"])
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
                item.stopped = True
            return
        known = topology.node(self.state, node)
        if known.member is False:
            return
        if known.member is None:
            known.member = True
        if not item.clone and self._departures.running(item.id) is None:
            item.roles.clear()
        item.roles[node] = role or "Started"

    def _recovers(self, event: Event, item: Resource, name: str | None) -> None:
        """The scheduler recovers only what failed. Pacemaker 1.1.15 to 2.0.2 say no more of a failed monitor in a log at notice."""
        if name is None or (item.started_at is not None and item.started_at > event.at):
            return
        node = topology.node(self.state, name)
        told = item.id in node.failed or any(
            story.kind in _FAILURES and item.id in story.resources and event.at - story.detected_at <= self.settings.story_window
            for story in self.state.stories
        )
        if not told and node.member is not False and node.fenced_at is None and not self._was_just_forgiven(node, event.at):
            self.operation_failed(replace(event, node=name, resource=item.id, detail={}))

    def resource_blocked(self, event: Event) -> None:
        self._blocked(event)

    def resource_unblocked(self, event: Event) -> None:
        subject = f"{event.node or ''}/{event.resource}"
        if (story := self._book.find(IncidentKind.RESOURCE_BLOCKED, subject)) is not None:
            self._book.add(story, event)
            self._book.close(story, event.at, "it is no longer blocked")

    def resource_managed(self, event: Event) -> None:
        if (story := self._book.find(IncidentKind.RESOURCE_UNMANAGED, event.resource or "")) is not None:
            self._book.add(story, event)
            self._book.close(story, event.at, "it is managed again")

    def _blocked(self, event: Event) -> None:
        if event.resource is None:
            return
        node = str(event.detail.get("from") or event.detail.get("to") or "")
        subject = f"{node}/{event.resource}"
        if self._book.find(IncidentKind.RESOURCE_BLOCKED, subject) is None:
            item = topology.resource(self.state, event.resource, self.settings)
            story = self._book.open(
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
            self._effects.join_effect(story, node)
            if story.part_of is None and (failed := self._book.find(IncidentKind.STOP_FAILED, subject)) is not None:
                self._book.make_part(story, failed)
            if story.part_of is None and (quorum := self._book.find(IncidentKind.QUORUM_LOST, "")) is not None:
                self._book.make_part(story, quorum)  # nothing may be started, and nobody be fenced
            if story.part_of is None and node:
                self._effects.join_ended(story, node)

    def carry_out(self, at: datetime) -> None:
        """The plan that was written last begins to be carried out."""
        state = self.state
        if not state.draft_closed:
            return
        actions, state.draft, state.draft_closed = state.draft, [], False
        state.is_idle = False
        state.plan, state.plan_is_done = actions, False
        for name in {action.to_node for action in actions if action.to_node not in (None, action.from_node)}:
            self._out_of_standby(str(name), at)
        held = [action for action in actions if action.to_node != action.from_node and self._is_undecided(action.from_node)]
        if held:
            state.held = held
            actions = [action for action in actions if action not in held]
        self._departures.plan_is_carried_out(actions, at)

    def _is_undecided(self, name: str | None) -> bool:
        """Whether it is open if the node stays or its peer, from which it is cut: each side plans to take what the other has."""
        if name is None or topology.node(self.state, name).member is False:
            return False
        return any(
            is_split(story) and name in story.nodes and all(topology.node(self.state, end).fenced_at is None for end in story.nodes)
            for story in self._book.open_stories()
        )

    def decided(self, name: str, at: datetime) -> None:
        """A node was fenced: its peer takes over as it planned; what the node itself planned is void."""
        taken, self.state.held = [action for action in self.state.held if action.from_node == name], []
        if taken:
            self._departures.plan_is_carried_out(taken, at)

    def _out_of_standby(self, name: str, at: datetime) -> None:
        """The scheduler puts nothing on a node in standby: that it does says that standby ended, where no line did."""
        node = self.state.nodes.get(name)
        if node is None or node.standby_at is None or at - node.standby_at < STANDBY_ENDS:
            return
        node.standby_at, node.since = None, at
        for mark in self.state.marks:
            if mark.kind == "standby" and mark.ended_at is None and mark.node == name:
                mark.ended_at = at

    def state_changed(self, event: Event) -> None:
        if event.detail.get("from") == "S_IDLE":
            self.state.is_idle = False
        if event.detail.get("to") == "S_TRANSITION_ENGINE":
            self.carry_out(event.at)
        elif event.detail.get("to") == "S_IDLE" and event.detail.get("from") == "S_TRANSITION_ENGINE":
            self._idle(event)
        if event.detail.get("from") == "S_ELECTION" and event.detail.get("to") == "S_INTEGRATION" and event.node is not None:
            self.state.dc = event.node

    def transition_ended(self, event: Event) -> None:
        """The DC is done with a plan, or gave it up."""
        self.state.plan_is_done = (
            event.detail.get("end") == "Complete" and not event.detail.get("skipped") and not event.detail.get("incomplete")
        )

    def _idle(self, event: Event) -> None:
        self.carry_out(event.at)
        if self.state.plan_is_done:
            self._arrived(event)
        self.state.plan, self.state.plan_is_done = [], False
        self.state.is_idle = True
        self._departures.idle(event.at)

    def _arrived(self, event: Event) -> None:
        """A plan was carried out to its end: what it was to start elsewhere is there, though no log of that node tells it."""
        for action in self.state.plan:
            name = action.to_node
            if name is None or name == action.from_node or action.resource in topology.node(self.state, name).failed:
                continue
            move = self._departures.running(action.resource)
            if move is not None and move.to_node == name and move.promoted == action.promoted and not move.failed:
                arrived = replace(event, node=name, resource=action.resource, detail={})
                (self.resource_promoted if action.promoted else self.resource_started)(arrived)

    def operation_started(self, event: Event) -> None:
        if event.node is not None:
            topology.node(self.state, event.node)
        self.carry_out(event.at)

    def _works(self, event: Event) -> None:
        """An operation of a resource succeeded on a node: earlier failures there are over."""
        if event.resource is None or event.node is None:
            return
        node = topology.node(self.state, event.node)
        if node.member is None:
            node.member = True
        node.failed.pop(event.resource, None)
        for story in self._book.open_stories():
            if story.kind in _FAILURES and event.resource in story.resources and event.node in story.nodes:
                story.recovered_at = event.at
                if story.part_of is not None:
                    self._book.close(story, event.at, "it works again")
                elif story.settle_at is None:
                    self.recovered(story, event.at)

    def recovered(self, story: Story, now: datetime) -> None:
        """A failure that stood alone was repaired on the same node."""
        if story.kind is IncidentKind.RESOURCE_FAILURE:
            story.kind = IncidentKind.LOCAL_RECOVERY
            story.outcome = Outcome.SUCCEEDED
            story.service_restored_at = story.recovered_at
        told = story.told
        self._book.end(story, story.recovered_at or now, "it works again")
        if story.severity is not Severity.INFO:
            self._book.tell(story, Notice.CLOSING if told else Notice.OPENING)

    def _item(self, event: Event, resource: str) -> Resource:
        """The resource that an event is about."""
        if event.source is not Source.TRAP:
            return topology.resource(self.state, resource, self.settings)
        item = topology.hear_of(self.state, resource, self.settings)
        item.clone = item.clone or "instance" in event.detail
        return item

    def _is_over(self, event: Event, item: Resource) -> bool:
        """Whether a trap came so late that a later one about the same resource and node was read before it."""
        if event.source is not Source.TRAP or event.node is None:
            return False
        latest = item.told_at.get(event.node)
        if latest is not None and event.at < latest <= event.at + OVERTAKING:
            return True
        item.told_at[event.node] = event.at
        return False

    def operation_succeeded(self, event: Event) -> None:
        if event.resource is None or event.node is None:
            return
        operation = event.detail.get("operation")
        if operation == "notify":  # only clones have it
            item = self._item(event, event.resource)
            item.clone = item.clone or item.uncertain
        elif operation in ("monitor", "probe"):
            item = self._item(event, event.resource)
            if event.detail.get("rc") in (8, 191):
                item.clone = item.promotable = True
                item.roles[event.node] = topology.PROMOTED
            elif not item.promotable:
                item.roles.setdefault(event.node, "Started")
            self._works(event)

    def operation_failed(self, event: Event) -> None:
        if event.resource is None or event.node is None:
            return
        resource, name = event.resource, event.node
        item = self._item(event, resource)
        node = topology.node(self.state, name)
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
                # After a failure that only polls tell the next ones show what becomes of it.
                settle=2 * self.settings.settle if event.source is Source.POLL else self.settings.settle,
                cause=Cause(kind="resource_failure", node=name, resource=resource, at=event.at, text=text),
            )
            story.limit_at = event.at + self.settings.expire
            self._effects.join_effect(story, name)
        story.recovered_at = None
        if self._is_over(event, item) and item.started_on == name and item.started_at is not None and name in item.roles:
            self._works(replace(event, at=max(event.at, item.started_at)))

    def resource_started(self, event: Event) -> None:
        if event.resource is None or event.node is None:
            return
        item = self._item(event, event.resource)
        if self._is_over(event, item):
            return
        if event.detail.get("role") == "Unpromoted":
            if item.roles.get(event.node) == topology.PROMOTED:
                self.resource_demoted(event)
                return
            item.clone = item.promotable = True
        node = topology.node(self.state, event.node)
        if node.member is None:
            node.member = True
        before = topology.active_nodes(item)
        alive = [name for name in item.roles if name != node.name and topology.node(self.state, name).member is not False]
        configured = any(item.id in members for members in self.settings.services.values())
        if (
            alive
            and not configured
            and not item.surveyed
            and item.id not in self.state.suspects
            and self._departures.running(item.id) is None
        ):
            if event.source is Source.TRAP and not item.clone:
                self.state.doubles[item.id] = event.at
            else:
                item.clone = True  # it runs on two living nodes
        if not item.clone and item.id not in self.state.doubles:
            item.roles.clear()
        item.started_on, item.started_at = node.name, event.at
        item.roles[node.name] = "Unpromoted" if item.promotable else "Started"
        if topology.is_service(item, self.settings, self.state) and not item.promotable:
            if event.source is Source.TRAP and not item.clone:
                self._effects.works_there(node.name, event.at)
            self._departures.started(item.id, node.name, event.at, promoted=False, before=before)
            self._taken_over(event, item, before)
        self._works(event)

    def _taken_over(self, event: Event, item: Resource, before: list[str], *, promoted: bool = False) -> None:
        """By traps it is not known where a resource ran that starts on the survivor of a lost node: there, unless that one was standby."""
        if event.source is not Source.TRAP or before or item.clone != promoted or event.node is None:
            return
        if self._departures.is_moving(item.id):
            return
        window = self.settings.story_window
        lost = [
            node.name
            for node in self.state.nodes.values()
            if node.member is False
            and node.stop_requested_at is None
            and any(event.at - at <= window for at in (node.lost_at, node.fenced_at) if at is not None)
        ]
        item.roles.pop(event.node)
        standby = (
            len(lost) == 1
            and topology.side(self.state, self.settings, lost[0]) == "standby"
            and not self._departures.leaves(lost[0])  # else what arrived before makes it look so
        )
        item.roles[event.node] = topology.PROMOTED if promoted else "Started"
        if len(lost) == 1 and not standby:
            self._departures.taken_over(item.id, lost[0], event.node, event.at, promoted=promoted)

    def lost_late(self, event: Event) -> None:
        """A trap of a lost node may come after those of what was started instead: that was taken over, unless the node was standby."""
        if event.source is not Source.TRAP or event.node is None or self.state.nodes[event.node].member is not False:
            return
        for name in list(self.state.doubles):
            item = self.state.resources[name]
            if event.node in item.roles and item.started_on not in (event.node, None) and item.started_at is not None:
                del self.state.doubles[name], item.roles[event.node]
                self._departures.taken_over(name, event.node, str(item.started_on), item.started_at, promoted=False)
        arrived = [
            item
            for item in self.state.resources.values()
            if topology.is_uncertain(item) and item.started_at is not None and event.at <= item.started_at <= event.at + OVERTAKING
            if item.started_on not in (event.node, None) and topology.active_nodes(item) == [item.started_on] and not item.device
            if item.promotable or not item.clone
        ]
        roles = [item.roles for item in arrived]
        for item in arrived:
            item.roles = {}
        standby = topology.side(self.state, self.settings, event.node) == "standby"
        for item, known in zip(arrived, roles, strict=True):
            item.roles = known
        for item in sorted(arrived, key=lambda item: item.started_at or event.at) if not standby else ():
            if item.started_on is not None and item.started_at is not None and not self._departures.is_moving(item.id):
                self._departures.taken_over(item.id, event.node, item.started_on, item.started_at, promoted=item.promotable)

    def _came_late(self, event: Event, item: Resource) -> bool:
        """Traps overtake each other: whether the stop or demotion on this node belongs before the start that was told of another one."""
        node, at = item.started_on, item.started_at
        if event.source is not Source.TRAP or at is None or node is None or node == event.node or event.node is None:
            return False
        self.state.doubles.pop(item.id, None)
        if topology.active_nodes(item) != [node] or not at - OVERTAKING <= event.at <= at + _SAME_TIME:
            return False
        if item.id not in self.state.returning and not self._departures.is_done(item.id, event.node, node):
            self._departures.arrived(item.id, event.node, event.at, node, at, promoted=item.promotable)
        return True

    def decide_doubles(self, now: datetime) -> None:
        """What runs on two living nodes, and was not told to stop on one of them for a while, is a clone."""
        for name, at in list(self.state.doubles.items()):
            if now - at >= OVERTAKING:
                del self.state.doubles[name]
                item = self.state.resources[name]
                item.clone = item.clone or len(item.roles) > 1

    def resource_promoted(self, event: Event) -> None:
        if event.resource is None or event.node is None:
            return
        item = self._item(event, event.resource)
        topology.node(self.state, event.node)
        if self._is_over(event, item):
            return
        before = topology.active_nodes(item)
        item.clone = item.promotable = True
        item.started_on, item.started_at = event.node, event.at
        for name in before:
            if name != event.node:
                item.roles[name] = "Unpromoted"
                if topology.node(self.state, name).member is False:
                    item.roles.pop(name)
        item.roles[event.node] = topology.PROMOTED
        if topology.is_service(item, self.settings, self.state):
            if event.source is Source.TRAP:
                self._effects.works_there(event.node, event.at)
            self._departures.started(item.id, event.node, event.at, promoted=True, before=before)
            self._taken_over(event, item, before, promoted=True)
        self._works(event)

    def resource_stopped(self, event: Event) -> None:
        if event.resource is None or event.node is None:
            return
        item = self._item(event, event.resource)
        topology.node(self.state, event.node)
        if self._is_over(event, item):
            self._came_late(event, item)
            return
        served = event.node in topology.active_nodes(item) or not item.promotable
        item.roles.pop(event.node, None)
        item.stopped = True
        if topology.is_service(item, self.settings, self.state) and served and not item.promotable and not self._came_late(event, item):
            self._left(event, item)
        for story in self._book.open_stories():
            if story.kind is IncidentKind.STOP_FAILED and item.id in story.resources and event.node in story.nodes:
                self._book.close(story, event.at, "it stopped")
                break

    def resource_demoted(self, event: Event) -> None:
        if event.resource is None or event.node is None:
            return
        item = self._item(event, event.resource)
        item.clone = item.promotable = True
        if not self._is_over(event, item):
            item.roles[event.node] = "Unpromoted"
        elif item.roles.get(event.node) == topology.PROMOTED:
            return  # it was promoted again since; else it was stopped, and this says that it served until then
        if topology.is_service(item, self.settings, self.state) and not self._came_late(event, item):
            self._left(event, item)

    def _left(self, event: Event, item: Resource) -> None:
        node = event.node or ""
        back, polled = self._comes_back(item.id, node), event.source is Source.POLL
        self._departures.stopped(item.id, node, event.at, expected_back=back, polled=polled)
        if event.source is Source.TRAP:
            for other in self.state.nodes.values():
                failed = other.failed.get(item.id)
                if other.name != node and failed is not None and event.at - _SAME_TIME <= failed <= event.at + OVERTAKING:
                    self._departures.failed_on(item.id, other.name)  # the start there was told first

    def _comes_back(self, resource: str, node: str) -> bool:
        """The plan in hand restarts it where it is."""
        return any(
            action.resource == resource and action.to_node == node and action.action in ("Restart", "Recover", "Reload", "Re-promote")
            for action in (*self.state.plan, *self.state.draft)
        )

    def resource_unmanaged(self, event: Event) -> None:
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

    def fail_count_changed(self, event: Event) -> None:
        if event.node is None or event.resource is None or "value" not in event.detail:
            return
        node = topology.node(self.state, event.node)
        value = event.detail["value"]
        if value is not None and str(value) != "0":
            node.fail_counts[event.resource] = str(value)
            return
        if node.fail_counts.pop(event.resource, None) is not None or event.detail.get("old") is not None:
            self._forgiven(node, event.resource, event.at)

    def _forgiven(self, node: Node, resource: str, at: datetime) -> None:
        """A fail count was cleared: the resource may run here again. Thresholds name the clone, so the last one clears all."""
        node.forgiven_at = at
        node.failed.pop(resource, None)
        node.barred.pop(resource, None)
        if not node.fail_counts:
            node.barred.clear()
        for story in self._book.open_stories():
            concerned = node.name in story.nodes and (resource in story.resources or not node.fail_counts)
            if concerned and (story.kind in _FAILURES or story.kind is IncidentKind.FAILCOUNT_THRESHOLD):
                self._book.close(story, at, "the failure was cleaned up")

    def threshold_reached(self, event: Event) -> None:
        if event.node is None or event.resource is None:
            return
        node = topology.node(self.state, event.node)
        if self._was_just_forgiven(node, event.at):
            return
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

    @staticmethod
    def _was_just_forgiven(node: Node, at: datetime) -> bool:
        """A clean-up clears the fail count first and the record of the failure after it; between them the scheduler bars by the record."""
        if node.forgiven_at is None or node.fail_counts or node.failed:
            return False
        return -_SAME_TIME <= at - node.forgiven_at <= _CLEANED_WITHIN

    def cleanup(self, event: Event) -> None:
        if event.node is not None and event.resource is not None:
            self._forgiven(topology.node(self.state, event.node), event.resource, event.at)

    def still_in_hand(self, story: Story, now: datetime) -> bool:
        """The cluster is about to restart the resource where it failed: wait for how that ends."""
        if story.recovered_at is not None or now - story.detected_at > self.settings.story_window:
            return False
        node = story.nodes[0] if story.nodes else None
        return any(
            action.resource in story.resources and node is not None and action.to_node == node and action.action != "Leave"
            for action in (*self.state.plan, *self.state.draft)
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
