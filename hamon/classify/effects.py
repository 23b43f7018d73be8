"""What a fault means: which story explains it, and whether a standby node can no longer take over."""

from datetime import datetime, timedelta

from hamon.classify import topology
from hamon.classify.settings import ClusterSettings
from hamon.classify.state import State, Story
from hamon.classify.stories import DEPARTURES, Book, entry_of, explains, fails_afterwards
from hamon.classify.weighing import Weighing
from hamon.model.event import Event
from hamon.model.incident import Cause, IncidentKind, Notice, Outcome, Severity

_STANDBY_FAULT = IncidentKind.STANDBY_FAULT
_HOLDING = frozenset(
    {
        IncidentKind.NODE_LOST,
        IncidentKind.FENCING_FAILED,
        IncidentKind.CONNECTIVITY_DEGRADED,
        IncidentKind.DISK_DEGRADED,
        IncidentKind.REPLICATION_DEGRADED,
        IncidentKind.RESOURCE_FAILURE,
    }
)
_NEXT_POLL = timedelta(seconds=30)
"""A poll that is due is not waited for longer."""


def _diverged(cause: Story) -> bool:
    """Whether two replicas hold different data: more than that one of them is missing."""
    return cause.kind is IncidentKind.REPLICATION_DEGRADED and cause.severity is Severity.CRITICAL


class Effects:
    """What a fault means: which story explains it, and whether a standby node can no longer take over."""

    def __init__(self, state: State, settings: ClusterSettings, book: Book, weighing: Weighing) -> None:
        self.state, self.settings, self._book = state, settings, book
        self._weighing = weighing

    def _open_effect(self, name: str) -> Story | None:
        """The story that explains what happens to this node now: its service departs, or its standby is gone."""
        for story in self._book.open_stories():
            if story.kind in DEPARTURES and story.part_of is None and story.from_node == name:
                return story
        return self._book.find(IncidentKind.STANDBY_FAULT, name)

    def _just_fenced(self, name: str, at: datetime) -> Story | None:
        """A fencing of the node that was told before its loss."""
        for story in self.state.stories:
            recent = abs(at - story.detected_at) <= self.settings.membership
            if story.kind is IncidentKind.FENCING and story.part_of is None and name in story.nodes and recent:
                return story
        return None

    def _lost(self, story: Story, name: str) -> Story | None:
        """What a lost node is fenced for, or why it is not fenced: one story, also where nobody knows what the node did."""
        if story.kind is IncidentKind.FENCING_FAILED:
            # Where neither of two that are cut from each other can be fenced, the cut is why the standby cannot take over.
            self._book.adopt(story, [name], with_cut=topology.side(self.state, self.settings, name) != "active")
        elif story.kind is IncidentKind.NODE_LOST and (fencing := self._just_fenced(name, story.detected_at)) is not None:
            self._book.make_part(fencing, story)
        found = (self._book.find(kind, name) for kind in (IncidentKind.FENCING_FAILED, IncidentKind.NODE_LOST))
        return next((known for known in found if known is not None and explains(known.kind, story.kind)), None)

    def join_effect(self, story: Story, name: str) -> None:
        """A cause that comes after its effect opened becomes a part of it."""
        effect = self._open_effect(name)
        if effect is not None and fails_afterwards(story, effect, self.settings.settle):
            effect = None
        effect = effect or self._lost(story, name)
        if effect is None or story.part_of is not None:
            return
        if effect.kind is IncidentKind.STANDBY_FAULT and effect.planned:
            return
        self._book.make_part(story, effect)
        if effect.kind in DEPARTURES:
            self._weighing.down_since(effect)
        if effect.kind in DEPARTURES and effect.service_restored_at is None:
            self._weighing.weigh(effect, story.detected_at)

    def join_departure(self, story: Story, name: str) -> None:
        """Join what leaves this node at this time, and nothing else that befalls the node."""
        effect = self._open_effect(name)
        if effect is not None and effect.kind in DEPARTURES and effect.planned is not True:
            self.join_effect(story, name)

    def join_ended(self, story: Story, name: str) -> None:
        """Join a departure from this node also when it has ended meanwhile: what is left on the node follows from it."""
        for effect in reversed(self.state.stories):
            recent = story.detected_at - (effect.started_at or effect.detected_at) <= self.settings.story_window
            if effect.kind in DEPARTURES and effect.part_of is None and effect.from_node == name and recent:
                self._book.make_part(story, effect)
                return

    def works_there(self, name: str, at: datetime) -> None:
        """A node on which something begins to serve is alive, whoever called it lost: only those on the surviving side start services."""
        node = self.state.nodes[name]
        for cut in self._book.open_stories():
            if not topology.is_split(cut) or name not in cut.nodes:
                continue
            for end in (topology.node(self.state, end) for end in cut.nodes if end != name):
                if end.member is None:
                    node.member, end.member, end.lost_by = True, False, name
        gone = node.member is False and node.fenced_at is None and node.stop_requested_at is None
        if not gone or node.lost_at is None or not node.lost_at < at <= node.lost_at + self.settings.story_window:
            return
        node.member = True
        story = self._book.find(IncidentKind.NODE_LOST, name)
        if story is not None:
            story.vain, story.severity = True, Severity.INFO
            self._book.close(story, at, "it serves")

    def vain_claims(self, name: str, at: datetime, reason: str) -> None:
        """A node that was cut off called others lost: they are not."""
        wronged = {third.name for third in self.state.nodes.values() if third.lost_by == name}
        for third in wronged:
            topology.node(self.state, third).member = True
        for story in self._book.open_stories():
            if story.kind is IncidentKind.NODE_LOST and wronged.issuperset(story.nodes):
                story.vain, story.severity = True, Severity.INFO
                split = next((cut for cut in self._book.open_stories() if topology.is_split(cut) and name in cut.nodes), None)
                if (effect := split or self._open_effect(name)) is not None and story.part_of is None:
                    self._book.make_part(story, self._book.by_key(effect.part_of) or effect)
                self._book.close(story, at, reason)

    def standby_fault(self, name: str, cause: Story, now: datetime) -> None:
        """A node that could take over no longer can."""
        if cause.planned is None and (work := self._work_on(name)) is not None:
            self._book.make_part(cause, work)  # it could not take over before either, and was maybe stopped in order between two polls
            return
        story = self._book.find(IncidentKind.STANDBY_FAULT, name)
        if story is not None and story.planned:
            self._book.close(story, now, "a fault came on top of planned work")
            story = None
        if story is None:
            serving = topology.active_somewhere(self.state, self.settings)
            others = [
                other for other in topology.candidates(self.state, serving) if other != name and not topology.hindrances(self.state, other)
            ]
            story = self._book.open(
                IncidentKind.STANDBY_FAULT,
                name,
                cause.severity if _diverged(cause) else Severity.MINOR if others else Severity.MAJOR,
                cause.detected_at,
                started_at=cause.started_at,
                nodes=[name],
                resources=() if topology.is_split(cause) else cause.resources,
                settle=self.settings.settle,
            )
            story.redundancy = bool(others)
            if cause.planned is None:
                story.planned, story.severity = None, Severity.WARNING
        elif cause.planned is False and story.planned is None:
            story.planned, story.severity = False, Severity.MINOR if story.redundancy else Severity.MAJOR
        self._book.adopt(story, [name])
        story.reasons = topology.hindrances(self.state, name)
        if not story.told:
            self._book.tell(story, Notice.OPENING)

    def stays(self, story: Story, name: str) -> None:
        """What was held for a departure to a node is that node's fault: it was fenced by the one that it called lost."""
        if topology.side(self.state, self.settings, name) != "standby":
            return
        story.kind, story.subject, story.nodes, story.resources = IncidentKind.STANDBY_FAULT, name, [name], []
        story.from_node = story.to_node = story.down_since = story.limit_at = None
        story.outcome = Outcome.NONE
        story.moves.clear()
        self._book.adopt(story, [name])
        serving = topology.active_somewhere(self.state, self.settings)
        story.redundancy = any(
            other != name and not topology.hindrances(self.state, other) for other in topology.candidates(self.state, serving)
        )
        story.severity = Severity.MINOR if story.redundancy else Severity.MAJOR
        story.reasons = topology.hindrances(self.state, name)
        if story.told:
            self._book.tell(story, Notice.UPDATE)
        self._book.changed(story, "who planned it was fenced itself")

    def _work_on(self, name: str) -> Story | None:
        """The planned work for which a node is in standby."""
        story = self._open_effect(name) if topology.node(self.state, name).standby_at is not None else None
        return story if story is not None and story.planned else None

    def passed_standby_fault(self, name: str, cause: Story, now: datetime) -> None:
        """A standby that was back before its loss was settled was missing nevertheless: the kind must not hang on how fast it boots."""
        self.standby_fault(name, cause, now)
        story = self._book.find(IncidentKind.STANDBY_FAULT, name)
        if story is not None and not story.reasons and cause.resolved_at is not None:
            story.redundancy, story.redundancy_restored_at = True, cause.resolved_at
            self._book.close(story, cause.resolved_at, "the node can take over again")

    def planned_standby(self, name: str, event: Event) -> None:
        """A standby node is taken out on purpose: recorded, not told."""
        if topology.side(self.state, self.settings, name) != "standby" or self._open_effect(name) is not None:
            return
        story = self._book.open(
            IncidentKind.STANDBY_FAULT,
            name,
            Severity.INFO,
            event.at,
            started_at=event.at,
            nodes=[name],
            planned=True,
            settle=self.settings.settle,
            cause=Cause(kind=event.kind, node=name, at=event.at, text=event.raw),
        )
        story.decided = [entry_of(event)]
        story.reasons = topology.hindrances(self.state, name)

    def protect_standby(self, at: datetime) -> None:
        """Standby faults end when the node could take over again."""
        for story in self._book.open_stories():
            if story.kind is not _STANDBY_FAULT:
                continue
            reasons = topology.hindrances(self.state, story.subject)
            is_held = any(other.part_of == story.key and other.kind in _HOLDING for other in self._book.open_stories())
            unseen = self._is_unseen(story, at)
            if reasons or is_held or unseen or self._is_being_fenced(story.subject):
                if reasons != story.reasons:
                    story.reasons = reasons
                    self._book.changed(story, "other reasons")
                continue
            story.redundancy, story.redundancy_restored_at, story.reasons = True, at, []
            self._book.close(story, at, "the node can take over again")

    def _is_unseen(self, story: Story, at: datetime) -> bool:
        """Whether no poll has shown a fault yet, and the next one is due: it shows what was left behind, as a clone that does not run."""
        last = self.state.polls.last_at
        return last is not None and last < story.detected_at and at - last <= _NEXT_POLL and topology.is_polled(self.state)

    def may_be_standby_fault(self, story: Story, node: str) -> bool:
        if story.kind is IncidentKind.FAILCOUNT_THRESHOLD and story.started_at is None:
            return False
        if story.kind is IncidentKind.DAEMON_FAILED:  # by itself it takes nothing from a node; that the node is fenced for it does
            return self._is_being_fenced(node)
        return bool(topology.hindrances(self.state, node)) or story.kind is IncidentKind.FENCING_FAILED

    def _is_being_fenced(self, name: str) -> bool:
        return topology.node(self.state, name).fencing_asked_at is not None and self._book.find(IncidentKind.FENCING, name) is not None
