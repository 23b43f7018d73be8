"""Resources that the scheduler finds active on more nodes than one: with shared data that destroys them.

The law: where polls show what runs where they say so, and not the log. The scheduler repeats it at each calculation while it is so, and
does not say where; it is over when the resource is started, or promoted, on one node, or when the plan that does so was carried out:
the DC's log at notice does not tell what starts elsewhere.
"""

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta

from hamon.classify import topology
from hamon.classify.settings import ClusterSettings
from hamon.classify.state import State, Story
from hamon.classify.stories import DEPARTURES, FAILURES, Book
from hamon.model.event import Event, EventKind
from hamon.model.incident import Cause, IncidentKind, Severity
from hamon.model.observation import Source


class Doubles:
    def __init__(self, state: State, settings: ClusterSettings, book: Book) -> None:
        self.state, self.settings, self._book = state, settings, book

    def handlers(self) -> Mapping[EventKind, Callable[[Event], None]]:
        """Which event is handled by what."""
        return {EventKind.RESOURCE_DOUBLED: self.resource_doubled}

    def resource_doubled(self, event: Event) -> None:
        if event.resource is None or topology.is_polled(self.state):
            return
        item = topology.resource(self.state, event.resource, self.settings)
        if item.device or item.clone or self._book.find(IncidentKind.SPLIT_BRAIN_SUSPECTED, item.id) is not None:
            return
        known = next((story for story in self._book.open_stories() if story.kind is IncidentKind.SPLIT_BRAIN_SUSPECTED), None)
        nodes = sorted(item.roles) if len(item.roles) > 1 else sorted(self.state.nodes)
        story = self._book.open(
            IncidentKind.SPLIT_BRAIN_SUSPECTED,
            item.id,
            Severity.CRITICAL,
            event.at,
            started_at=event.at,
            nodes=nodes if len(nodes) == event.detail.get("count") else (),
            resources=[item.id],
            settle=self.settings.settle,
            cause=Cause(kind="resource_doubled", resource=item.id, at=event.at, text=event.raw),
        )
        story.limit_at = event.at + self.settings.expire
        whole = self._migrated(item.id, event.at) or known
        if whole is not None:
            self._book.make_part(story, whole)

    def _migrated(self, name: str, at: datetime) -> Story | None:
        """Where a migration fails the scheduler takes both ends for active and stops both: that is how the cluster goes on from it."""
        failed = any(
            entry.event is EventKind.OPERATION_FAILED
            and entry.resource == name
            and str(entry.detail.get("operation")).startswith("migrate_")
            and timedelta(0) <= at - entry.at <= self.settings.story_window
            for entry in self.state.recent
        )
        told = [story for story in self._book.open_stories() if failed and story.part_of is None and name in story.resources]
        return next((story for kinds in (DEPARTURES, FAILURES) for story in told if story.kind in kinds), None)

    def started(self, event: Event) -> None:
        """It was stopped on all of them, and is started on one."""
        story = self._book.find(IncidentKind.SPLIT_BRAIN_SUSPECTED, event.resource or "")
        if story is not None and event.at >= story.detected_at:
            self._book.add(story, event)
            self._book.close(story, event.at, "it is started on one node")

    def transition_ended(self, event: Event) -> None:
        """The plan that was to leave it on one node was carried out to its end."""
        if not self.state.plan_is_done:
            return
        for action in self.state.plan:
            story = self._book.find(IncidentKind.SPLIT_BRAIN_SUSPECTED, action.resource)
            name = action.to_node
            if story is None or name is None or action.blocked or Source.POLL in story.sources or event.at < story.detected_at:
                continue
            failed_at = topology.node(self.state, name).failed.get(action.resource)  # it may have been for that that it was recovered
            if failed_at is None or failed_at <= story.detected_at:
                self._book.add(story, event)
                self._book.close(story, event.at, "it is started on one node")
