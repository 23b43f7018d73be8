"""Replicas of data that DRBD keeps, as the kernel tells of them: broken off, diverged, out of step, in step again.

The law: of two replicas that lost each other the one on which nobody works is out of date, as long as both nodes live. When a node is
lost its replica is the one that is missing, whatever the other one said before. What an orderly stop breaks off is no fault.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace

from hamon.classify import topology
from hamon.classify.attributes import Attributes
from hamon.classify.names import canonical
from hamon.classify.settings import ClusterSettings
from hamon.classify.state import REPLICA, State, Story
from hamon.classify.stories import Book
from hamon.model.event import Event, EventKind
from hamon.model.incident import IncidentKind, Severity

SPLIT_BRAIN = "split brain"
_ESTABLISHED = "Established"
"""The replicas found each other again, and both are up to date: neither of them is behind."""
_KINDS = frozenset({EventKind.REPLICA_LOST, EventKind.REPLICA_BACK})


def placed(state: State, event: Event) -> Event:
    """A replica is that of the node which writes, or of its peer (`of_peer`), which DRBD 8 does not name: of two nodes it is the other."""
    if event.kind not in _KINDS:
        return event
    detail = {key: value for key, value in event.detail.items() if key != "of_peer"}
    if (peer := event.detail.get("peer")) is not None:
        detail["peer"] = peer = canonical(state, str(peer))
    if not event.detail.get("of_peer"):
        return replace(event, detail=detail)
    return replace(event, node=peer or _other(state, event.reporter), detail=detail)


def _other(state: State, name: str | None) -> str | None:
    others = [known for known in state.nodes if known != name]
    return others[0] if name is not None and len(others) == 1 else None


class Replicas:
    """Copies of data that lost their peer, and got it back."""

    def __init__(self, state: State, settings: ClusterSettings, book: Book, attributes: Attributes) -> None:
        self.state, self.settings, self._book = state, settings, book
        self._attributes = attributes

    def handlers(self) -> Mapping[EventKind, Callable[[Event], None]]:
        """Which event is handled by what."""
        return {EventKind.REPLICA_LOST: self.replica_lost, EventKind.REPLICA_BACK: self.replica_back}

    def replica_lost(self, event: Event) -> None:
        node = event.node
        peer = str(event.detail.get("peer") or _other(self.state, event.reporter) or "")
        if event.detail.get("state") == SPLIT_BRAIN:
            self._diverged(event, peer)
            return
        if node == event.reporter and self._is_gone(peer):
            node = peer  # it outlived its peer: now its own data count
        if node is None or self._stops(node) or self._stops(str(event.reporter)):
            return
        self._attributes.degraded(replace(event, node=node), self._name(event), IncidentKind.REPLICATION_DEGRADED, bad=True)
        if (story := self._story(node, self._name(event))) is not None and node != event.node:
            self._book.add(story, event)
        if node == event.reporter and (story := self._story(node, self._name(event))) is not None and story.settle_at is not None:
            story.settle_at = max(story.settle_at, event.at + self.settings.membership)  # its peer may be lost a moment later

    def replica_back(self, event: Event) -> None:
        if event.detail.get("state") == _ESTABLISHED and event.reporter not in (None, event.node):
            self.replica_back(replace(event, node=event.reporter, detail={**event.detail, "state": None}))
        if event.node is None:
            return
        disk = str(event.detail.get("device"))
        for kind, name in ((IncidentKind.REPLICATION_DEGRADED, self._name(event)), (IncidentKind.DISK_DEGRADED, disk)):
            if (story := self._book.find(kind, f"{event.node}/{name}")) is not None:
                self._book.add(story, event)
            self._attributes.degraded(event, name, kind, bad=False)

    def outlives(self, event: Event) -> None:
        """Its peer is lost, or it was promoted: it is no longer the replica that is behind."""
        for story in self._book.open_stories():
            if story.kind is not IncidentKind.REPLICATION_DEGRADED or f"/{REPLICA}" not in story.subject or not story.nodes:
                continue
            name, attribute = story.nodes[0], story.subject.partition("/")[2]
            lives = name != event.node and event.kind is EventKind.NODE_LOST
            if (lives or (name == event.node and event.kind is EventKind.RESOURCE_PROMOTED)) and story.severity is not Severity.CRITICAL:
                topology.node(self.state, name).degraded.pop(attribute, None)
                story.severity, story.vain = Severity.INFO, True
                self._book.close(story, event.at, "its data are those that count now")

    def _diverged(self, event: Event, peer: str) -> None:
        """Both were written to. The one on which the service does not run is the one to give up its data."""
        here = str(event.reporter)
        node = peer if peer and topology.side(self.state, self.settings, here) == "active" else here
        self._attributes.degraded(replace(event, node=node), self._name(event), IncidentKind.REPLICATION_DEGRADED, bad=True)
        story = self._story(node, self._name(event))
        for name in (here, peer):
            other = self._story(name, self._name(event))
            story = story or other
        if story is not None:
            self._book.add(story, event)
        if story is not None and story.severity is not Severity.CRITICAL:
            story.severity = Severity.CRITICAL
            if story.cause is not None:
                story.cause = replace(story.cause, at=event.at, text=event.raw)
            self._book.changed(story, "split brain")

    def _story(self, node: str, attribute: str) -> Story | None:
        return self._book.find(IncidentKind.REPLICATION_DEGRADED, f"{node}/{attribute}")

    def _is_gone(self, name: str) -> bool:
        known = self.state.nodes.get(name)
        return known is not None and known.member is False

    def _stops(self, name: str) -> bool:
        known = self.state.nodes.get(name)
        return known is not None and (known.stop_requested_at is not None or (known.member is False and known.lost_at is None))

    @staticmethod
    def _name(event: Event) -> str:
        return f"{REPLICA}{event.detail.get('device')}"
