"""Stories that the state shows to be over: what two polls in a row have to show for it, by kind."""

from collections.abc import Callable, Mapping
from datetime import datetime

from hamon.classify import topology
from hamon.classify.compare import Watch
from hamon.classify.operations import Operations
from hamon.classify.rows import APART, Rows
from hamon.classify.state import State, Story
from hamon.classify.stories import Book
from hamon.model.cluster import ClusterStatus
from hamon.model.incident import IncidentKind

_DEGRADED = frozenset({IncidentKind.CONNECTIVITY_DEGRADED, IncidentKind.DISK_DEGRADED, IncidentKind.REPLICATION_DEGRADED})


class Endings:
    """Closes stories of which the polled state shows that they are over."""

    def __init__(self, state: State, book: Book, operations: Operations, rows: Rows) -> None:
        self.state, self._book, self._operations, self._rows = state, book, operations, rows

    def close(self, watch: Watch, status: ClusterStatus) -> None:
        """Stories that two polls show to be over."""
        at = status.at
        for story in self._book.open_stories():
            over = self._is_over.get(story.kind)
            if over is None or story.recovered_at is not None:
                continue
            name = f"over {story.key}"
            if not over(self, story, watch, status):
                self.state.polls.since.pop(name, None)
                continue
            since = self.state.polls.since.setdefault(name, at)
            if at - since >= APART and self._rows.silent(at, *story.nodes[:1], *story.resources[:1]):
                self._over(story, since)

    def _over(self, story: Story, at: datetime) -> None:
        del self.state.polls.since[f"over {story.key}"]
        node = self.state.nodes.get(story.nodes[0]) if story.nodes else None
        resource = story.resources[0] if story.resources else ""
        reason = "two polls show it so"
        if story.kind is IncidentKind.RESOURCE_FAILURE:
            story.recovered_at = at
            if node is not None:
                node.failed.pop(resource, None)
            if story.part_of is None:
                if story.settle_at is None:
                    self._operations.recovered(story, at)
                return
        if node is not None:
            if story.kind is IncidentKind.NODE_LOST and node.member is not True:
                node.member, node.lost_at, node.fenced_at, node.lost_by = True, None, None, None
                node.lost_for.clear()
            elif story.kind in _DEGRADED:
                node.degraded.pop(story.subject.partition("/")[2], None)
            elif story.kind is IncidentKind.FAILCOUNT_THRESHOLD:
                node.barred.pop(resource, None)
        if topology.is_split(story):
            self.state.held.clear()
        self._book.close(story, at, reason)

    def _works(self, story: Story, watch: Watch, status: ClusterStatus) -> bool:
        node, resource = (story.nodes or [""])[0], (story.resources or [""])[0]
        return self._rows.is_settled(f"runs {resource} {node}", status.at)

    def _stopped(self, story: Story, watch: Watch, status: ClusterStatus) -> bool:
        node, resource = (story.nodes or [""])[0], (story.resources or [""])[0]
        item = watch.surveyed.get(resource)
        return (
            item is not None and node not in item.failed and node not in item.blocked and (node in watch.steady.get(resource, {})) is False
        )

    def _joined(self, story: Story, watch: Watch, status: ClusterStatus) -> bool:
        if not story.nodes or any(topology.is_split(cut) and story.nodes[0] in cut.nodes for cut in self._book.open_stories()):
            return False  # of two that are cut from each other each shows itself as a member
        return self._rows.is_settled(f"member {story.nodes[0]}", status.at)

    def _is_good(self, story: Story, watch: Watch, status: ClusterStatus) -> bool:
        node, _, attribute = story.subject.partition("/")
        shown = next((item for item in status.attributes if item.node == node and item.name == attribute), None)
        if shown is None:
            return False
        if shown.expected is not None and topology.is_number(shown.expected) and topology.is_number(shown.value):
            return float(shown.value) >= float(shown.expected)
        return attribute not in topology.node(self.state, node).degraded

    def _is_below(self, story: Story, watch: Watch, status: ClusterStatus) -> bool:
        node = (story.nodes or [""])[0]
        return (
            watch.members.get(node, False)
            and not any(
                item.node == node and (item.resource in story.resources or not story.resources) and item.fail_count
                for item in status.history
            )
            and not any(
                name in watch.surveyed and item.fail_count for name in story.resources for item in status.history if item.node == node
            )
        )

    def _is_free(self, story: Story, watch: Watch, status: ClusterStatus) -> bool:
        item = watch.surveyed.get((story.resources or [""])[0])
        return item is None or not (item.blocked if story.kind is IncidentKind.RESOURCE_BLOCKED else item.unmanaged)

    def _is_one(self, story: Story, watch: Watch, status: ClusterStatus) -> bool:
        """Whether nodes between which all links were cut see one another again; a poll shows single links by their own words."""
        return topology.is_split(story) and all(self._rows.is_settled(f"member {name}", status.at) for name in story.nodes)

    def _has_quorum(self, story: Story, watch: Watch, status: ClusterStatus) -> bool:
        return status.has_quorum is True

    def _is_running(self, story: Story, watch: Watch, status: ClusterStatus) -> bool:
        item = watch.surveyed.get((story.resources or [""])[0])
        return item is not None and bool(item.roles) and not item.failed and not item.is_moving

    def _is_gone(self, story: Story, watch: Watch, status: ClusterStatus) -> bool:
        return story.subject.startswith("cli-ban-") and all(ban.id != story.subject for ban in status.bans)

    def _is_managed(self, story: Story, watch: Watch, status: ClusterStatus) -> bool:
        if not story.nodes:
            return status.options.maintenance_mode is False
        return any(node.name == story.nodes[0] and node.online and not node.maintenance for node in status.nodes)

    _is_over: Mapping[IncidentKind, Callable[["Endings", Story, Watch, ClusterStatus], bool]] = {
        IncidentKind.RESOURCE_FAILURE: _works,
        IncidentKind.STOP_FAILED: _stopped,
        IncidentKind.NODE_LOST: _joined,
        IncidentKind.FENCING: _joined,
        IncidentKind.FENCING_FAILED: _joined,
        IncidentKind.CONNECTIVITY_DEGRADED: _is_good,
        IncidentKind.DISK_DEGRADED: _is_good,
        IncidentKind.REPLICATION_DEGRADED: _is_good,
        IncidentKind.FAILCOUNT_THRESHOLD: _is_below,
        IncidentKind.RESOURCE_BLOCKED: _is_free,
        IncidentKind.RESOURCE_UNMANAGED: _is_free,
        IncidentKind.INTERCONNECT_DEGRADED: _is_one,
        IncidentKind.QUORUM_LOST: _has_quorum,
        IncidentKind.FENCE_DEVICE_FAILED: _is_running,
        IncidentKind.MOVE_CONSTRAINT_LEFT: _is_gone,
        IncidentKind.MAINTENANCE: _is_managed,
    }
