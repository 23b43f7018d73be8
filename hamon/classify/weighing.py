"""What a departure is: whether it was planned, which kind of incident that makes it, and how it went.

It is weighed afresh whenever evidence comes (taxonomy 7): a fault on the node that is left makes it a fail-over, whatever else was seen;
only without a fault does a mark of planned work make it a switchover.
"""

from datetime import datetime

from hamon.classify import topology
from hamon.classify.evidence import first_entry
from hamon.classify.settings import ClusterSettings
from hamon.classify.state import LEFT, Mark, State, Story
from hamon.classify.stories import DEPARTURES, Book
from hamon.model.event import EventKind
from hamon.model.incident import IncidentKind, Notice, Outcome, Severity, TimelineEntry

# Stories that are faults of the node that they name.
FAULTS = frozenset(
    {
        IncidentKind.RESOURCE_FAILURE,
        IncidentKind.LOCAL_RECOVERY,
        IncidentKind.STOP_FAILED,
        IncidentKind.NODE_LOST,
        IncidentKind.FENCING,
        IncidentKind.FENCING_FAILED,
        IncidentKind.CONNECTIVITY_DEGRADED,
        IncidentKind.DISK_DEGRADED,
        IncidentKind.REPLICATION_DEGRADED,
        IncidentKind.DAEMON_FAILED,
        IncidentKind.QUORUM_LOST,
        IncidentKind.STANDBY_FAULT,
    }
)
_AWAY = frozenset({"standby", "maintenance", "node_lost", "node_stopped", "node_fenced", "ban"})
"""What keeps a node from taking over anything."""


class Weighing:
    """Says of a departure whether it was planned, which kind of incident it is, and how it went."""

    def __init__(self, state: State, settings: ClusterSettings, book: Book) -> None:
        self.state = state
        self.settings = settings
        self.book = book

    def weigh(self, story: Story, at: datetime) -> None:
        """Judge anew whether a departure was planned; that decides its kind and severity."""
        if story.kind not in DEPARTURES or (story.told and story.planned is False):
            return
        if story.from_node is not None:
            self.book.adopt(story, [story.from_node])
        begin = story.started_at or story.detected_at
        # Only what came before the service was back can have moved it.
        end = story.service_restored_at or at
        self.down_since(story)
        faults = self.faults(story.from_node, end, begin)
        marks = self.marks(story, end)
        planned: bool | None
        # An operation that fails on the way makes a fail-over of planned work.
        planned = False if faults or story.hinted or (marks and story.stumbled) else True if marks else None
        was_left_alone = story.planned is True and story.kind is IncidentKind.SERVICE_DOWN
        story.planned = planned
        if (decided := self._decided_by(story, faults, marks)) or planned is None:
            story.decided = decided
        for mark in marks if planned else ():
            if mark.entry is not None and mark.at >= begin - self.settings.story_window:
                self.book.put(story, mark.entry)
        self._set_kind(story)
        if planned is None and (was_left_alone or self._is_left_alone(story)):
            story.planned = True
            self._set_kind(story)
        if planned is False and story.kind is IncidentKind.FAILOVER and story.settle_at is not None and story.to_node is not None:
            self.book.tell(story, Notice.OPENING)
        self.book.changed(story, "weighed")

    def _is_left_alone(self, story: Story) -> bool:
        """Whether what is down is out of the care of the cluster: who works on it stops it by other means."""
        known = self.state.resources
        return story.kind is IncidentKind.SERVICE_DOWN and any(known[name].unmanaged for name in story.moves if name in known)

    def marks(self, story: Story, until: datetime) -> list[Mark]:
        """Marks of planned work that concern the node that is left, or what leaves it, in force within the window."""
        begin = (story.started_at or story.detected_at) - self.settings.story_window
        found = []
        for mark in self.state.marks:
            if (mark.ended_at is not None and mark.ended_at < begin) or mark.kind == LEFT:
                continue
            if mark.kind not in ("standby", "shutdown", "maintenance") and mark.at < begin:
                continue
            if mark.ended_at is not None and story.down_since is not None and mark.ended_at < story.down_since:
                continue
            if (mark.not_before or mark.at) > until or not self._is_about(mark, story):
                continue
            if mark.kind == "unstandby":  # what goes there at once, goes there for it
                fits = mark.node == story.to_node and begin + self.settings.story_window <= (mark.ended_at or mark.at)
            elif mark.kind == "prefer":
                fits = mark.node is None or mark.node == story.to_node
            elif mark.kind in ("target_role", "ticket"):
                fits = True
            else:
                fits = mark.node is None or mark.node == story.from_node
            if fits:
                found.append(mark)
        return found

    def _is_about(self, mark: Mark, story: Story) -> bool:
        """Whether a mark that names a resource names one of those that leave, as far as it is known what holds what."""
        name, parts = mark.resource, self.state.polls.parts
        if name is None or not parts or not (name in parts or name in self.state.resources):
            return True
        return name in story.moves or not set(parts.get(name, ())).isdisjoint(story.moves)

    def faults(self, source: str | None, at: datetime, begin: datetime | None = None) -> list[Story]:
        """Faults of a node until a moment, from shortly before `begin`; what an operator ordered is none."""
        earliest = (begin or at) - self.settings.story_window
        return [
            story
            for story in self.state.stories
            if story.kind in FAULTS
            and story.planned is not True
            and not (story.planned is None and story.kind is IncidentKind.NODE_LOST)
            and not story.vain
            and source is not None
            and source in story.nodes
            and story.started_at is not None
            and story.started_at >= earliest
            and story.started_at <= at
            and not (story.resolved_at is not None and story.resolved_at < (begin or at) - self.settings.settle)
            and not self._is_ordered(story)
        ]

    def _is_ordered(self, fault: Story) -> bool:
        """A fencing that an operator ordered, and the loss of the node that follows from it, are work (taxonomy 7)."""
        if fault.kind is IncidentKind.FENCING:
            return fault.by_operator
        return fault.kind is IncidentKind.NODE_LOST and any(
            story.by_operator
            and story.nodes == fault.nodes
            and story.started_at is not None
            and fault.started_at is not None
            and story.started_at - self.settings.settle <= fault.started_at <= story.started_at + self.settings.story_window
            for story in self.state.stories
        )

    def _decided_by(self, story: Story, faults: list[Story], marks: list[Mark]) -> list[TimelineEntry]:
        """The events that speak for a fault, then those that speak for planned work."""
        first = [first_entry(fault) for fault in sorted(faults, key=lambda fault: fault.started_at or fault.detected_at)]
        if story.hinted and not faults:
            first = [next((entry for entry in story.timeline if entry.event is EventKind.FAILOVER_STARTED), None)]
        elif not faults and story.stumbled:
            first = [next((entry for entry in story.timeline if entry.event is EventKind.OPERATION_FAILED), None)]
        return [entry for entry in (*first[:2], *(mark.entry for mark in marks[:2])) if entry is not None]

    def _set_kind(self, story: Story) -> None:
        before = story.kind
        self._choose_kind(story)
        if story.told and (before, story.kind, story.planned) == (IncidentKind.SWITCHOVER, IncidentKind.SERVICE_DOWN, True):
            self.book.tell(story, Notice.UPDATE)  # it was said to go elsewhere

    def _choose_kind(self, story: Story) -> None:
        nowhere = bool(story.moves) and all(
            move.done_at is None and (move.to_node in (None, move.from_node) or move.failed) for move in story.moves.values()
        )
        came_back = bool(story.moves) and all(
            move.done_node is not None and move.done_node == move.from_node for move in story.moves.values()
        )
        # Nobody may start it: where a plan would have it is no fail-over.
        losses = [other for other in self.state.stories if other.kind is IncidentKind.QUORUM_LOST]
        away = [other for other in losses if self._is_of_the_lost(other)]
        quorum = [other for other in losses if other.part_of == story.key and other not in away]
        without_quorum = (
            bool(story.moves)
            and not self.state.quorum_ignored
            and all(move.done_at is None for move in story.moves.values())
            and (bool(quorum) or (self.state.has_quorum is False and all(other.resolved_at is not None for other in away)))
        )
        if story.told and story.kind is IncidentKind.SERVICE_DOWN:
            story.waited_for_nodes |= any(_was_back_before(other, story) for other in quorum) or self._has_begun_anew(story)
        if (
            (nowhere and (story.outcome is Outcome.FAILED or self._has_nowhere_to_go(story)))
            or without_quorum
            or story.waited_for_nodes
            or came_back
            or self._stops_with_all(story)
            or (story.kind is IncidentKind.SERVICE_DOWN and nowhere)
        ):
            story.kind = IncidentKind.SERVICE_DOWN
            story.severity = Severity.INFO if story.planned else Severity.CRITICAL
        elif story.planned:
            story.kind, story.severity = IncidentKind.SWITCHOVER, Severity.INFO
            if story.outcome is Outcome.FAILED:
                story.kind, story.severity, story.planned = IncidentKind.FAILOVER, Severity.CRITICAL, False
        else:
            story.kind = IncidentKind.FAILOVER
            if story.outcome is Outcome.FAILED:
                story.severity = Severity.CRITICAL
            else:
                story.severity = Severity.MAJOR if story.planned is False else Severity.WARNING

    def _has_begun_anew(self, story: Story) -> bool:
        """Whether every node was off meanwhile: nobody was left to take it over."""
        started = [node.booted_at for node in self.state.nodes.values()]
        return all(at is not None and at > story.detected_at for at in started)

    def _is_of_the_lost(self, quorum: Story) -> bool:
        """Whether only nodes lack the quorum that the others, who have it, call lost: these may start what ran there."""
        nodes = (self.state.nodes.get(name) for name in quorum.nodes)
        return bool(quorum.nodes) and all(node is not None and node.member is False for node in nodes)

    def _has_nowhere_to_go(self, story: Story) -> bool:
        """Whether it is known at once that a fault left no node: the plan names none, and each other one cannot run what leaves."""
        if story.planned is not False or story.from_node is None or any(move.to_node is not None for move in story.moves.values()):
            return False
        others = topology.candidates(self.state, [story.from_node])
        return bool(others) and all(self._is_unable(name, story) for name in others)

    def _stops_with_all(self, story: Story) -> bool:
        """Whether all nodes are stopped in order, one after the other: where a plan would have it before the last of them is no move."""
        if story.planned is not True or story.from_node is None or any(move.done_at is not None for move in story.moves.values()):
            return False
        others = topology.candidates(self.state, [story.from_node])
        stopping = (self.state.nodes[name].stop_requested_at for name in (story.from_node, *others))
        return bool(others) and all(at is not None for at in stopping)

    def _is_unable(self, name: str, story: Story) -> bool:
        for word in topology.hindrances(self.state, name):
            reason, _, rest = word.partition(" ")
            if reason in _AWAY or (reason == "fail_count" and rest.partition(" ")[2] in story.moves):
                return True
        return False

    def down_since(self, story: Story) -> None:
        """The service is down since the first fault that stopped it: its own resource failed, or its node was lost."""
        for part in self.state.stories:
            if part.part_of == story.key and part.started_at is not None:
                own = any(name in story.moves for name in part.resources)
                if part.kind is IncidentKind.NODE_LOST or (part.kind in (IncidentKind.RESOURCE_FAILURE, IncidentKind.STOP_FAILED) and own):
                    story.down_since = min(story.down_since or part.started_at, part.started_at)

    def judge_outcome(self, story: Story, at: datetime) -> None:
        """Something arrived: it succeeded when all did."""
        if story.moves and all(move.done_at is not None for move in story.moves.values()):
            self.succeed(story, max(move.done_at for move in story.moves.values() if move.done_at is not None))
        self.weigh(story, at)

    def succeed(self, story: Story, at: datetime) -> None:
        """The service is back since then."""
        if story.outcome is Outcome.SUCCEEDED and story.service_restored_at == at:
            return
        before = story.outcome
        if before is Outcome.FAILED and story.down_since is None:
            story.down_since = story.started_at  # it was down, though no log told when it stopped
        story.outcome = Outcome.SUCCEEDED
        story.service_restored_at = at
        story.limit_at = None
        self._set_kind(story)
        self.book.changed(story, "the service is back")
        if story.told and before is not Outcome.SUCCEEDED:
            self.book.tell(story, Notice.UPDATE)

    def fail(self, story: Story, at: datetime) -> None:
        """The service does not come back by itself, or it took too long."""
        if story.outcome is Outcome.FAILED:
            return
        story.outcome = Outcome.FAILED
        story.limit_at = None
        if story.from_node is not None:
            others = [name for name in self.state.nodes if name != story.from_node]
            self.book.adopt(story, others, any_node=False)
        self.weigh(story, at)
        self._set_kind(story)
        if story.kind is IncidentKind.SERVICE_DOWN and story.planned is False and not story.stumbled and story.from_node is not None:
            # No node could run it: that it runs once more, wherever, when one may again is the end of an outage.
            able = topology.candidates(self.state, [story.from_node])
            story.waited_for_nodes |= bool(able) and all(topology.hindrances(self.state, name) for name in able)
        self.book.changed(story, "the service is down")
        if story.told:
            self.book.tell(story, Notice.UPDATE)


def _was_back_before(quorum: Story, departure: Story) -> bool:
    """Whether the lost quorum was back before the first member of the service was up again."""
    done = [move.done_at for move in departure.moves.values() if move.done_at is not None]
    return bool(done) and quorum.resolved_at is not None and quorum.resolved_at <= min(done)
