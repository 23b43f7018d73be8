"""Who decides: the DC, that there is none for long, and that it keeps changing.

The law: an election takes seconds, so a cluster that polls show without a DC for a minute will not get one by itself soon; until it has
one it reacts to nothing. That the DC changed is no news, that it does so again and again without a reason is (taxonomy 6).
"""

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta

from hamon.classify import topology
from hamon.classify.settings import ClusterSettings
from hamon.classify.state import State
from hamon.classify.stories import Book
from hamon.model.cluster import ClusterStatus
from hamon.model.event import Event, EventKind
from hamon.model.incident import Cause, IncidentKind, Severity
from hamon.model.observation import Snapshot, Source

ABSENT = timedelta(seconds=60)
"""A cluster without a DC for longer than this is told of."""
UNBROKEN = timedelta(seconds=180)
"""Polls further apart than this are no row: what was between them nobody saw."""
OFTEN = 3
"""More changes than this within `WINDOW` are too many."""
WINDOW = timedelta(minutes=10)
MERGED = timedelta(seconds=30)
"""So long after the quorum is back the nodes agree again on one DC."""

_NONE, _RESTLESS = "none", "often"


class Controller:
    """Which node is DC, and a DC that changes again and again."""

    def __init__(self, state: State, settings: ClusterSettings, book: Book) -> None:
        self.state, self.settings, self._book = state, settings, book

    def handlers(self) -> Mapping[EventKind, Callable[[Event], None]]:
        """Which event is handled by what."""
        return {EventKind.DC_CHANGED: self.dc_changed}

    def dc_changed(self, event: Event) -> None:
        if event.node is None:
            if event.detail.get("old") == self.state.dc:
                self.state.dc = None
            return
        topology.node(self.state, event.node)
        self.state.dc = event.node
        self._back(event.at)
        if self.state.last_dc not in (None, event.node) and not self._is_explained(str(self.state.last_dc), event.at):
            self._changed(event)
        self.state.last_dc = event.node

    def _is_explained(self, old: str, at: datetime) -> bool:
        """Whether the one before is gone or stops, or the sides of a cut each have one: that is told, and no restlessness of its own."""
        known = topology.node(self.state, old)
        return (
            known.member is False
            or known.stop_requested_at is not None
            or any(topology.is_split(story) and old in story.nodes for story in self._book.open_stories())
            or any(
                story.kind is IncidentKind.QUORUM_LOST and (story.resolved_at is None or at - story.resolved_at <= MERGED)
                for story in self.state.stories
            )
        )

    def _changed(self, event: Event) -> None:
        state = self.state
        state.dc_changes = [at for at in state.dc_changes if event.at - at < WINDOW] + [event.at]
        story = self._book.find(IncidentKind.DC_CHANGED, _RESTLESS)
        if story is None and len(state.dc_changes) > OFTEN:
            story = self._book.open(
                IncidentKind.DC_CHANGED,
                _RESTLESS,
                Severity.WARNING,
                event.at,
                started_at=state.dc_changes[0],
                cause=Cause(kind="dc_changed", node=event.node, at=event.at, text=event.raw),
            )
        if story is not None:
            story.limit_at = event.at + WINDOW
            if event.node is not None and event.node not in story.nodes:
                story.nodes.append(event.node)
            self._book.add(story, event)

    # -- none

    def polled(self, snapshot: Snapshot) -> None:
        """What a poll shows of it. A node that is asked besides may be the one that is cut off: it says nothing of the cluster."""
        status, memory = snapshot.status, self.state.polls
        if status.dc is not None:
            self._back(status.at)
        elif status.nodes and not snapshot.beside:
            if memory.no_dc_seen_at is None or status.at - memory.no_dc_seen_at > UNBROKEN:
                memory.no_dc_at = status.at
            memory.no_dc_seen_at = max(status.at, memory.no_dc_seen_at or status.at)
            self._absent(status)

    def _absent(self, status: ClusterStatus) -> None:
        since = self.state.polls.no_dc_at
        if since is None or status.at - since < ABSENT or self._book.find(IncidentKind.DC_CHANGED, _NONE) is not None:
            return
        story = self._book.open(
            IncidentKind.DC_CHANGED,
            _NONE,
            Severity.MAJOR,
            status.at,
            started_at=since,
            cause=Cause(kind="dc_changed", at=since, text="Current DC: NONE"),
        )
        story.sources.append(Source.POLL)

    def _back(self, at: datetime) -> None:
        memory = self.state.polls
        memory.no_dc_at = memory.no_dc_seen_at = None
        if (story := self._book.find(IncidentKind.DC_CHANGED, _NONE)) is not None:
            self._book.close(story, at, "there is a DC again")
