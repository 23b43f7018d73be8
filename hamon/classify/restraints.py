"""What keeps a resource from running: it is blocked, unmanaged, or failed too often on a node."""

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta

from hamon.classify import topology
from hamon.classify.effects import Effects
from hamon.classify.settings import ClusterSettings
from hamon.classify.state import Node, State
from hamon.classify.stories import FAILURES, SAME_TIME, Book
from hamon.model.event import Event, EventKind
from hamon.model.incident import Cause, IncidentKind, Severity
from hamon.model.observation import Source

_CLEANED_WITHIN = timedelta(seconds=10)
"""How long a clean-up may take, on a busy cluster."""


class Restraints:
    """What keeps a resource from running, and what ends that."""

    def __init__(self, state: State, settings: ClusterSettings, book: Book, effects: Effects) -> None:
        self.state, self.settings, self._book = state, settings, book
        self._effects = effects

    def handlers(self) -> Mapping[EventKind, Callable[[Event], None]]:
        """Which event is handled by what."""
        return {
            EventKind.RESOURCE_BLOCKED: self.block,
            EventKind.RESOURCE_UNBLOCKED: self.resource_unblocked,
            EventKind.RESOURCE_UNMANAGED: self.resource_unmanaged,
            EventKind.RESOURCE_MANAGED: self.resource_managed,
            EventKind.FAIL_COUNT_CHANGED: self.fail_count_changed,
            EventKind.THRESHOLD_REACHED: self.threshold_reached,
            EventKind.CLEANUP: self.cleanup,
        }

    def resource_unblocked(self, event: Event) -> None:
        subject = f"{event.node or ''}/{event.resource}"
        if (story := self._book.find(IncidentKind.RESOURCE_BLOCKED, subject)) is not None:
            self._book.add(story, event)
            self._book.close(story, event.at, "it is no longer blocked")

    def block(self, event: Event) -> None:
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

    def resource_unmanaged(self, event: Event) -> None:
        """A poll tells what is blocked apart from this; the summary of pm_logconv does not, and names no resource."""
        is_asked = event.source is Source.POLL and event.resource is not None
        if event.resource is not None and is_asked:
            topology.resource(self.state, event.resource, self.settings).unmanaged = True
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
                planned=True if is_asked else None,
                settle=self.settings.settle,
                cause=Cause(kind="resource_unmanaged", resource=event.resource, at=event.at, text=event.raw),
            )
            story.limit_at = event.at + self.settings.expire

    def resource_managed(self, event: Event) -> None:
        if event.resource is not None:
            topology.resource(self.state, event.resource, self.settings).unmanaged = False
        if (story := self._book.find(IncidentKind.RESOURCE_UNMANAGED, event.resource or "")) is not None:
            self._book.add(story, event)
            self._book.close(story, event.at, "it is managed again")

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
            if concerned and (story.kind in FAILURES or story.kind is IncidentKind.FAILCOUNT_THRESHOLD):
                self._book.close(story, at, "the failure was cleaned up")

    def threshold_reached(self, event: Event) -> None:
        if event.node is None or event.resource is None:
            return
        node = topology.node(self.state, event.node)
        if was_just_forgiven(node, event.at):
            return
        new = event.resource not in node.barred
        node.barred.setdefault(event.resource, event.at)
        if not new:
            return
        seen = any(
            story.kind in FAILURES and node.name in story.nodes and event.at - story.detected_at <= self.settings.story_window
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
            # The latest of this node, of this resource if there is one: an earlier one belongs to what it led to then.
            failures = [story for story in self.state.stories if story.kind in FAILURES and node.name in story.nodes]
            failure = next((story for story in reversed(failures) if event.resource in story.resources), failures[-1] if failures else None)
            if failure is not None and failure.part_of is not None:
                parent = self._book.by_key(failure.part_of)
                if parent is not None:
                    self._book.make_part(story, parent)
            elif failure is not None:
                self._book.make_part(story, failure)

    def cleanup(self, event: Event) -> None:
        if event.node is not None and event.resource is not None:
            self._forgiven(topology.node(self.state, event.node), event.resource, event.at)


def was_just_forgiven(node: Node, at: datetime) -> bool:
    """A clean-up clears the fail count first and the record of the failure after it; between them the scheduler bars by the record."""
    if node.forgiven_at is None or node.fail_counts or node.failed:
        return False
    return -SAME_TIME <= at - node.forgiven_at <= _CLEANED_WITHIN
