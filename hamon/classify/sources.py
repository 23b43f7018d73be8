"""Sources of evidence that go and come back, targets of notifications that lag, and a history that refuses what it is given."""

from collections.abc import Callable, Mapping
from datetime import timedelta

from hamon.classify.settings import ClusterSettings
from hamon.classify.state import State
from hamon.classify.stories import Book
from hamon.model.event import Event, EventKind
from hamon.model.incident import Cause, IncidentKind, Severity
from hamon.model.observation import Source

REFUSING = timedelta(hours=1)
"""So long after the last record that the history refused it counts as well again."""


class Sources:
    """Sources of evidence that go and come back."""

    def __init__(self, state: State, settings: ClusterSettings, book: Book) -> None:
        self.state, self.settings, self._book = state, settings, book

    def handlers(self) -> Mapping[EventKind, Callable[[Event], None]]:
        """Which event is handled by what."""
        return {
            EventKind.SOURCE_LOST: self.source_lost,
            EventKind.SOURCE_BACK: self.source_back,
            EventKind.TARGET_LAGS: self.target_lags,
            EventKind.TARGET_DELIVERS: self.target_delivers,
            EventKind.RECORDS_REFUSED: self.records_refused,
        }

    def source_lost(self, event: Event) -> None:
        subject = f"{event.collector} {event.detail.get('path')}"
        if event.detail.get("dropped"):
            self._dropped(event, subject)
            return
        if self._book.find(IncidentKind.MONITORING_LOST, subject) is None:
            self._book.open(
                IncidentKind.MONITORING_LOST,
                subject,
                # A cluster is polled by the commands of all its nodes: none of them tells of it any more.
                Severity.MAJOR if event.source is Source.POLL else Severity.WARNING,
                event.at,
                started_at=event.at,
                nodes=[event.node] if event.node else [],
                resources=[str(event.detail.get("path"))],
                cause=Cause(kind="source_lost", node=event.node, at=event.at, text=str(event.detail.get("reason"))),
            )

    def source_back(self, event: Event) -> None:
        subject = f"{event.collector} {event.detail.get('path')}"
        kind, text = IncidentKind.MONITORING_LOST, "the source gives data again"
        if event.detail.get("dropped"):
            kind, text = IncidentKind.TRAPS_DROPPED, f"none was lost for a while; {event.detail['dropped']} were in all"
        if (story := self._book.find(kind, subject)) is not None:
            self._book.close(story, event.at, text)

    def _dropped(self, event: Event, subject: str) -> None:
        """Of what the source gives, some were lost: what they told is not known."""
        if self._book.find(IncidentKind.TRAPS_DROPPED, subject) is None:
            self._book.open(
                IncidentKind.TRAPS_DROPPED,
                subject,
                Severity.WARNING,
                event.at,
                started_at=event.at,
                resources=[str(event.detail.get("path"))],
                cause=Cause(kind="source_lost", at=event.at, text=f"{event.detail['dropped']}: {event.detail.get('reason')}"),
            )

    def target_lags(self, event: Event) -> None:
        target = str(event.detail.get("target"))
        if self._book.find(IncidentKind.DELIVERY_BACKLOG, target) is None:
            self._book.open(
                IncidentKind.DELIVERY_BACKLOG,
                target,
                Severity.MAJOR if event.detail.get("refuses") else Severity.MINOR,
                event.at,
                started_at=event.at,
                resources=[target],
                cause=Cause(kind="target_lags", resource=target, at=event.at, text=str(event.detail.get("reason"))),
                planned=False,
            )

    def target_delivers(self, event: Event) -> None:
        if (story := self._book.find(IncidentKind.DELIVERY_BACKLOG, str(event.detail.get("target")))) is not None:
            self._book.close(story, event.at, "the target takes what it is given")

    def records_refused(self, event: Event) -> None:
        """Something that was seen does not stand in the history; what it would have told may not have been told."""
        story = self._book.find(IncidentKind.RECORDS_REFUSED, "history")
        if story is None:
            story = self._book.open(
                IncidentKind.RECORDS_REFUSED,
                "history",
                Severity.MAJOR,
                event.at,
                started_at=event.at,
                resources=[event.resource] if event.resource else [],
                cause=Cause(kind=EventKind.RECORDS_REFUSED.value, at=event.at, text=str(event.detail.get("reason"))),
                planned=False,
            )
        story.limit_at = event.at + REFUSING
