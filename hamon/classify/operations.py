"""Operations of resources: what runs where, what failed, and what recovered."""

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta

from hamon.classify import topology
from hamon.classify.departures import Departures
from hamon.classify.effects import Effects
from hamon.classify.settings import ClusterSettings
from hamon.classify.state import Resource, State, Story
from hamon.classify.stories import FAILURES, SAME_TIME, Book
from hamon.model.event import Event, EventKind
from hamon.model.incident import Cause, IncidentKind, Notice, Outcome, Severity
from hamon.model.observation import Source

_TRAP, _POLL = Source.TRAP, Source.POLL
_STOP_FAILED = IncidentKind.STOP_FAILED
_LOGCONV = "logconv-"
"""How the rules for pm_logconv's messages begin."""
OVERTAKING = timedelta(seconds=10)
"""By how much the trap of a stop may come after that of the start which followed it."""

_REPLICA = re.compile(r"^(?P<bundle>.+-bundle)(?:-(?:podman|docker|rkt))?-(?P<number>\d+)$")
"""How Pacemaker names what it makes of a replica of a bundle whose name ends so, as installers' do."""


def bundles_of(story: Story) -> set[tuple[str, str]]:
    """The replicas of bundles that a story is about: by their container, by their connection, or by what failed in them."""
    found = (_REPLICA.match(name) for name in (*story.resources, *story.nodes))
    return {(match["bundle"], match["number"]) for match in found if match is not None}


class Operations:
    """What runs where, what failed, and what recovered."""

    def __init__(self, state: State, settings: ClusterSettings, book: Book, departures: Departures, effects: Effects) -> None:
        self.state, self.settings, self._book = state, settings, book
        self._departures = departures
        self._effects = effects

    def handlers(self) -> Mapping[EventKind, Callable[[Event], None]]:
        """Which event is handled by what."""
        return {
            EventKind.OPERATION_SUCCEEDED: self.operation_succeeded,
            EventKind.OPERATION_FAILED: self.operation_failed,
            EventKind.RESOURCE_STARTED: self.resource_started,
            EventKind.RESOURCE_MIGRATED: self.resource_started,
            EventKind.RESOURCE_STOPPED: self.resource_stopped,
            EventKind.RESOURCE_PROMOTED: self.resource_promoted,
            EventKind.RESOURCE_DEMOTED: self.resource_demoted,
        }

    def works(self, event: Event) -> None:
        """An operation of a resource succeeded on a node: earlier failures there are over."""
        if event.resource is None or event.node is None:
            return
        node = topology.node(self.state, event.node)
        if node.member is None:
            node.member = True
        node.failed.pop(event.resource, None)
        for story in self._book.open_stories():
            if story.kind in FAILURES and event.resource in story.resources and event.node in story.nodes:
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
        """The resource that an event is about; neither traps nor records in the CIB nor pm_logconv tell a clone."""
        if event.rule.startswith(_LOGCONV):
            return topology.hear_of(self.state, resource, self.settings, uncertain=False)
        if event.source is not _TRAP and not event.detail.get("recorded"):
            return topology.resource(self.state, resource, self.settings)
        item = topology.hear_of(self.state, resource, self.settings)
        item.clone = item.clone or "instance" in event.detail
        return item

    def _is_over(self, event: Event, item: Resource) -> bool:
        """Whether a trap came so late that a later one about the same resource and node was read before it."""
        if event.source is not _TRAP or event.node is None:
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
            promoted = event.detail.get("rc") in (8, 191)
            if operation == "monitor" and self._has_arrived(event, item, promoted):
                self.arrives(event, item.id, event.node, promoted=promoted)
                return
            if promoted:
                item.clone = item.promotable = True
                item.roles[event.node] = topology.PROMOTED
            elif not item.promotable:
                item.roles.setdefault(event.node, "Started")
            self.works(event)

    def arrives(self, event: Event, resource: str, node: str, *, promoted: bool) -> None:
        """An event tells that a resource serves on a node: as if its start or promotion were seen."""
        arrived = replace(event, node=node, resource=resource, detail={})
        (self.resource_promoted if promoted else self.resource_started)(arrived)

    def _has_arrived(self, event: Event, item: Resource, promoted: bool) -> bool:
        """Whether a monitor tells that a service resource serves here since it left another node: a late log lacks the start."""
        if event.source is not Source.LOG or event.detail.get("recorded") or item.promotable is not promoted or event.node is None:
            return False
        return (
            event.node not in topology.active_nodes(item)
            and topology.is_service(item, self.settings, self.state)
            and self._departures.works_on(item.id, event.node, event.at)
        )

    def operation_failed(self, event: Event) -> None:
        if event.resource is None or event.node is None:
            return
        resource, name = event.resource, event.node
        item = self._item(event, resource)
        node = topology.node(self.state, name)
        operation = str(event.detail.get("operation"))
        node.failed[resource] = event.at
        departure = self._departures.failed_on(resource, name) if operation in ("start", "promote") else None
        planned = True if self.state.maintenance_at or node.maintenance_at or item.unmanaged else None
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
            self._join_its_container(story)
            if departure is not None and story.part_of is None:
                self._book.make_part(story, departure)  # it failed on the way
            before = self._book.find(IncidentKind.RESOURCE_FAILURE, subject) if kind is _STOP_FAILED else None
            if before is not None and before.part_of is None and story.part_of is None:
                self._book.make_part(before, story)  # it was to be stopped for that
        story.recovered_at = None
        if self._is_over(event, item) and item.started_on == name and item.started_at is not None and name in item.roles:
            self.works(replace(event, at=max(event.at, item.started_at)))

    def _join_its_container(self, story: Story) -> None:
        """What a bundle's replica or a guest node runs in, the connection to it and what runs there fail as one."""
        guests = {item.guest for item in self.state.resources.values() if item.guest is not None}
        mine = bundles_of(story) | self._guests_of(story, guests)
        for other in self._book.open_stories() if mine and story.part_of is None else ():
            if other is story or other.kind not in FAILURES or other.part_of is not None:
                continue
            if not mine.isdisjoint(bundles_of(other) | self._guests_of(other, guests)):
                self._book.make_part(story, other)
                return

    def _guests_of(self, story: Story, guests: set[str]) -> set[tuple[str, str]]:
        """The guest nodes that a story is about: by their container, by their connection, or by what failed on them."""
        if not guests:
            return set()
        hosted = (item.guest for name in story.resources if (item := self.state.resources.get(name)) is not None)
        return {("guest", name) for name in (*story.resources, *story.nodes, *hosted) if name in guests}

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
        if (
            alive
            and not item.clone
            and not any(item.id in members for members in self.settings.services.values())
            and not item.surveyed
            and item.id not in self.state.suspects
            and self._departures.running(item.id) is None
        ):
            self.state.doubles[item.id] = event.at  # a clone, if nothing tells for a while that it was stopped there before
        if not item.clone and item.id not in self.state.doubles:
            item.roles.clear()
        item.started_on, item.started_at = node.name, event.at
        item.roles[node.name] = "Unpromoted" if item.promotable else "Started"
        if topology.is_service(item, self.settings, self.state) and not item.promotable:
            if event.source is _TRAP and not item.clone:
                self._effects.works_there(node.name, event.at)
            self._departures.started(item.id, node.name, event.at, promoted=False, before=before)
            self._taken_over(event, item, before)
        self.works(event)

    def _taken_over(self, event: Event, item: Resource, before: list[str], *, promoted: bool = False) -> None:
        """By traps it is not known where a resource ran that starts on the survivor of a lost node: there, unless that one was standby."""
        if event.source is not _TRAP or before or item.clone != promoted or event.node is None:
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
        if event.source is not _TRAP or event.node is None or self.state.nodes[event.node].member is not False:
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
        """Traps and logs overtake each other: whether the stop or demotion here belongs before the start that was told of another node."""
        node, at = item.started_on, item.started_at
        if event.source is _POLL or at is None or node is None or node == event.node or event.node is None:
            return False
        self.state.doubles.pop(item.id, None)
        if topology.active_nodes(item) != [node] or not at - OVERTAKING <= event.at <= at + SAME_TIME:
            return False
        if item.id in self.state.returning:
            return True
        if self._departures.is_done(item.id, event.node, node):
            self._departures.stopped_before(item.id, event.node, node, event.at)
        else:
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
            if event.source is _TRAP:
                self._effects.works_there(event.node, event.at)
            self._departures.started(item.id, event.node, event.at, promoted=True, before=before)
            self._taken_over(event, item, before, promoted=True)
        self.works(event)

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
            if story.kind is _STOP_FAILED and item.id in story.resources and event.node in story.nodes:
                self._book.close(story, event.at, "it stopped")
                break

    def resource_demoted(self, event: Event) -> None:
        if event.resource is None or event.node is None:
            return
        item = self._item(event, event.resource)
        topology.node(self.state, event.node)
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
        if event.source is _TRAP:
            for other in self.state.nodes.values():
                failed = other.failed.get(item.id)
                if other.name != node and failed is not None and event.at - SAME_TIME <= failed <= event.at + OVERTAKING:
                    self._departures.failed_on(item.id, other.name)  # the start there was told first

    def _comes_back(self, resource: str, node: str) -> bool:
        """The plan in hand restarts it where it is."""
        if not (self.state.plan or self.state.draft):
            return False
        return any(
            action.resource == resource and action.to_node == node and action.action in ("Restart", "Recover", "Reload", "Re-promote")
            for action in (*self.state.plan, *self.state.draft)
        )

    def still_in_hand(self, story: Story, now: datetime) -> bool:
        """The cluster is about to restart the resource where it failed: wait for how that ends."""
        if story.recovered_at is not None or now - story.detected_at > self.settings.story_window:
            return False
        node = story.nodes[0] if story.nodes else None
        return any(
            action.resource in story.resources and node is not None and action.to_node == node and action.action != "Leave"
            for action in (*self.state.plan, *self.state.draft)
        )
