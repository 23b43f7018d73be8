"""Signs of planned work: standby, orderly stops, moves, target-role, tickets, maintenance (taxonomy 7)."""

import re
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta

from hamon.classify import topology
from hamon.classify.effects import Effects
from hamon.classify.facts import earliest
from hamon.classify.settings import ClusterSettings
from hamon.classify.state import LEFT, Mark, Node, State
from hamon.classify.stories import DEPARTURES, Book, entry_of
from hamon.classify.weighing import Weighing
from hamon.model.event import Event, EventKind
from hamon.model.incident import Cause, IncidentKind, Severity
from hamon.model.observation import Source

BACK_AT_ONCE = timedelta(seconds=10)
"""So soon the cluster uses a node whose standby ended; a log that begins later than that standby does not hold what it ended."""


class Marks:
    """Signs of planned work: standby, orderly stops, moves, target-role, maintenance (taxonomy 7)."""

    def __init__(self, state: State, settings: ClusterSettings, book: Book, weighing: Weighing, effects: Effects) -> None:
        self.state, self.settings, self._book = state, settings, book
        self._weighing = weighing
        self._effects = effects

    def handlers(self) -> Mapping[EventKind, Callable[[Event], None]]:
        """Which event is handled by what."""
        return {
            EventKind.SHUTDOWN_REQUESTED: self.shutdown_requested,
            EventKind.STANDBY_ON: self.standby_on,
            EventKind.STANDBY_OFF: self.standby_off,
            EventKind.MAINTENANCE_ON: self.maintenance_on,
            EventKind.MAINTENANCE_OFF: self.maintenance_off,
            EventKind.MOVE_CONSTRAINT_SET: self.move_constraint_set,
            EventKind.MOVE_CONSTRAINT_CLEARED: self.move_constraint_cleared,
            EventKind.TARGET_ROLE_CHANGED: self.target_role_changed,
            EventKind.TICKET_CHANGED: self.ticket_changed,
        }

    def mark(self, kind: str, event: Event, *, node: str | None = None, constraint: str | None = None) -> Mark:
        for mark in self.state.marks:
            if mark.kind == kind and mark.node == node and mark.constraint == constraint and mark.ended_at is None:
                if kind == "target_role":
                    mark.at = event.at
                return mark
        bound = earliest(event)
        mark = Mark(kind, event.at, node=node, resource=event.resource, constraint=constraint, entry=entry_of(event))
        mark.not_before = bound if bound < event.at else None
        self.state.marks.append(mark)
        old = event.at - max(self.settings.story_window, self.settings.constraint_age)
        self.state.marks = [item for item in self.state.marks if item.ended_at is None or item.ended_at >= old]
        if kind in ("target_role", "ticket"):
            mark.ended_at = event.at + self.settings.story_window
        for story in self._book.open_stories():
            begun = mark.not_before or mark.at
            if story.kind in DEPARTURES and (story.service_restored_at is None or begun <= story.service_restored_at):
                self._weighing.weigh(story, event.at)
        return mark

    def _end_mark(self, kind: str, at: datetime, *, node: str | None = None, constraint: str | None = None) -> None:
        for mark in self.state.marks:
            if mark.kind == kind and mark.ended_at is None and mark.node == node and (constraint is None or mark.constraint == constraint):
                mark.ended_at = at

    def shutdown_requested(self, event: Event) -> None:
        if event.node is None:
            return
        node = topology.node(self.state, event.node)
        self.mark("shutdown", event, node=node.name)
        if node.member is not False and node.stop_requested_at is None:
            node.stop_requested_at = event.at
        elif event.source is Source.TRAP:
            self._stop_told_late(event, node)

    def _stop_told_late(self, event: Event, node: Node) -> None:
        """The trap of the request came after that of the loss which it explains."""
        lost = node.lost_at
        if lost is None or node.fenced_at is not None or not event.at <= lost <= event.at + self.settings.story_window:
            return
        node.stop_requested_at = event.at
        story = self._book.find(IncidentKind.NODE_LOST, node.name)
        if story is not None and not story.told:
            story.planned, story.severity = True, Severity.INFO
            self._book.close(story, event.at, "an orderly stop of it was asked for")

    def standby_on(self, event: Event) -> None:
        if event.node is None:
            return
        node = topology.node(self.state, event.node)
        new = node.standby_at is None
        node.standby_at = node.standby_at or event.at
        self.mark("standby", event, node=node.name)
        if new:
            self._effects.planned_standby(node.name, event)

    def standby_off(self, event: Event) -> None:
        resting = [name for name, node in self.state.nodes.items() if node.standby_at is not None]
        name = event.node or (resting[0] if len(resting) == 1 else None)  # the configuration calls nodes by number
        if name is None:
            return
        node = topology.node(self.state, name)
        if node.standby_at is not None:
            node.since = event.at
        self.mark("unstandby", event, node=node.name).ended_at = event.at + BACK_AT_ONCE
        node.standby_at = None
        self._end_mark("standby", event.at, node=node.name)

    def maintenance_on(self, event: Event) -> None:
        if event.node is None and event.detail.get("node_id") is not None:
            return  # of a node whose name is not known; the scheduler's line will name it
        whole = event.node is None
        name = "" if event.node is None else event.node
        if whole:
            self.state.maintenance_at = self.state.maintenance_at or event.at
        else:
            node = topology.node(self.state, name)
            node.maintenance_at = node.maintenance_at or event.at
        self.mark("maintenance", event, node=event.node)
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

    def maintenance_off(self, event: Event) -> None:
        if event.node is None and event.detail.get("node_id") is not None:
            return
        if event.node is None:
            self.state.maintenance_at = None
        else:
            topology.node(self.state, event.node).maintenance_at = None
        self._end_mark("maintenance", event.at, node=event.node)
        if (story := self._book.find(IncidentKind.MAINTENANCE, event.node or "")) is not None:
            self._book.add(story, event)
            self._book.close(story, event.at, "maintenance ended")

    def move_constraint_set(self, event: Event) -> None:
        constraint = str(event.detail.get("constraint"))
        what = str(event.detail.get("what"))
        node = event.node
        if node is None and (found := re.search(r"-on-(.+)$", constraint)):
            node = found[1]
        known = next((mark for mark in self.state.marks if mark.constraint == constraint and mark.ended_at is None), None)
        if known is None:
            known = self.mark("prefer" if what == "prefer" else "ban", event, node=node, constraint=constraint)
        known.node = known.node or node
        known.entry = known.entry or entry_of(event)
        if what != "prefer" and known.node is not None:
            topology.node(self.state, known.node).bans.setdefault(constraint, event.at)

    def move_constraint_cleared(self, event: Event) -> None:
        constraint = str(event.detail.get("constraint"))
        for mark in self.state.marks:
            if mark.constraint == constraint and mark.ended_at is None:
                mark.ended_at = event.at
        for node in self.state.nodes.values():
            if node.bans.pop(constraint, None) is not None:
                node.since = event.at
        if (story := self._book.find(IncidentKind.MOVE_CONSTRAINT_LEFT, constraint)) is not None:
            self._book.close(story, event.at, "the constraint was removed")

    def has_left(self, mark: Mark) -> bool:
        return self._book.find(IncidentKind.MOVE_CONSTRAINT_LEFT, mark.constraint or "") is not None

    def constraint_left(self, mark: Mark, now: datetime) -> None:
        story = self._book.open(
            IncidentKind.MOVE_CONSTRAINT_LEFT,
            mark.constraint or "",
            Severity.WARNING,
            now,
            started_at=None if mark.kind == LEFT else mark.at,
            nodes=[mark.node] if mark.node else [],
            resources=[mark.resource] if mark.resource else [],
            cause=Cause(kind="move_constraint_set", node=mark.node, resource=mark.resource, at=mark.at, text=mark.constraint or ""),
        )
        if mark.entry is not None:
            story.timeline.append(mark.entry)

    def target_role_changed(self, event: Event) -> None:
        self.mark("target_role", event)

    def ticket_changed(self, event: Event) -> None:
        """A site that loses a ticket hands over to the one that gets it: what stops for it stops as it should."""
        if event.detail.get("granted") is False and not event.detail.get("lost"):
            # The resource stands in the mark's name too: one ticket may hold many.
            self.mark("ticket", event, constraint=f"{event.detail.get('ticket')} {event.resource}")
