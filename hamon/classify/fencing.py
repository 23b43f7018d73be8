"""Fencing: asked for, tried, done, failed."""

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta

from hamon.classify import topology
from hamon.classify.effects import Effects
from hamon.classify.marks import Marks
from hamon.classify.membership import Membership
from hamon.classify.plans import Plans
from hamon.classify.settings import ClusterSettings
from hamon.classify.state import Node, State, Story
from hamon.classify.stories import DEPARTURES, Book
from hamon.classify.weighing import Weighing
from hamon.model.event import Event, EventKind
from hamon.model.incident import Cause, IncidentKind, Outcome, Severity
from hamon.model.observation import Source

_FAILED = frozenset({IncidentKind.RESOURCE_FAILURE, IncidentKind.STOP_FAILED})


class Fencing:
    """Fencing: asked for, tried, done, failed."""

    def __init__(
        self,
        state: State,
        settings: ClusterSettings,
        book: Book,
        weighing: Weighing,
        effects: Effects,
        marks: Marks,
        plans: Plans,
        membership: Membership,
    ) -> None:
        self.state, self.settings, self._book = state, settings, book
        self._weighing = weighing
        self._effects = effects
        self._marks = marks
        self._plans = plans
        self._membership = membership

    def handlers(self) -> Mapping[EventKind, Callable[[Event], None]]:
        """Which event is handled by what."""
        return {
            EventKind.NODE_UNCLEAN: self.node_unclean,
            EventKind.FENCE_DEVICE_KNOWN: self.fence_device_known,
            EventKind.FENCING_REQUESTED: self.fencing_requested,
            EventKind.FENCING_ATTEMPTED: self.fencing_attempted,
            EventKind.FENCING_DONE: self.fencing_done,
            EventKind.FENCING_FAILED: self.fencing_failed,
        }

    def fencing_requested(self, event: Event) -> None:
        self._plans.carry_out(event.at)
        if event.node is None or str(event.detail.get("action")) == "on":
            return
        self._membership.is_fenced(event)
        node = topology.node(self.state, event.node)
        if node.fenced_at is not None and event.at - node.fenced_at <= self.settings.membership:
            return  # the one that is done: others tell of it later
        node.fencing_asked_at = event.at
        if self._book.find(IncidentKind.FENCING_FAILED, event.node) is not None:
            return  # one more attempt after others failed, of which that story tells
        if self._book.find(IncidentKind.FENCING, event.node) is None:
            story = self._book.open(
                IncidentKind.FENCING,
                event.node,
                Severity.MAJOR,
                event.at,
                started_at=event.at,
                nodes=[event.node],
                settle=self.settings.settle,
                cause=Cause(kind="fencing", node=event.node, at=event.at, text=event.raw),
            )
            story.outcome = Outcome.ONGOING
            story.limit_at = event.at + self.settings.expire
            story.requester = event.reporter
            self._ordered(story, event)
            self._effects.join_effect(story, event.node)
        elif (known := self._book.find(IncidentKind.FENCING, event.node)) is not None:
            self._ordered(known, event)

    def _ordered(self, story: Story, event: Event) -> None:
        """A person asked for it: that is work (taxonomy 7)."""
        client = str(event.detail.get("client") or "")
        if client.startswith("stonith_admin") and not client.startswith("stonith_admin.cman") and event.node is not None:
            story.severity, story.by_operator = Severity.WARNING, True
            self._marks.mark("fencing", event, node=event.node)

    def explained(self, story: Story, name: str) -> None:
        """A fencing that stands alone explains what failed on its node just before: with `on-fail=fence` that is why."""
        for failed in self._book.open_stories():
            is_before = timedelta(0) <= story.detected_at - failed.detected_at <= self.settings.story_window
            if failed.kind in _FAILED and failed.part_of is None and name in failed.nodes and is_before:
                self._book.make_part(failed, story)
                if story.cause is None or story.cause.kind == "fencing":
                    story.cause = failed.cause

    def fencing_attempted(self, event: Event) -> None:
        if str(event.detail.get("action")) != "on":
            self._membership.is_fenced(event)
        device = event.detail.get("device")
        if device is not None:
            self._is_device(str(device), event.at)

    def fence_device_known(self, event: Event) -> None:
        if event.resource is not None:
            self._is_device(event.resource, event.at)

    def _is_device(self, name: str, at: datetime) -> None:
        known = topology.resource(self.state, name, self.settings)
        if not known.device:
            known.device = True
            self._plans.is_no_service(name, at)

    def fencing_done(self, event: Event) -> None:
        if event.node is None or str(event.detail.get("action")) == "on":
            return
        self._membership.is_fenced(event)
        node = topology.node(self.state, event.node)
        manual = bool(event.detail.get("manual"))
        node.fencing_asked_at = None  # if it was back meanwhile: it is lost in a moment, or was already off and on again
        if not manual:
            node.fenced_at = event.at
        if node.member is not False and node.lost_by is not None:  # of two that called each other lost this one is down
            node.member = False
            topology.node(self.state, node.lost_by).member = True
        if event.source is Source.TRAP:
            self._alive(event)
        self._effects.vain_claims(node.name, event.at, "who called it lost was fenced itself")
        for departure in self._plans.void(node.name):
            self._effects.stays(departure, node.name)
        for vain in self._book.open_stories():
            if topology.is_split(vain) and node.name in vain.nodes and vain.settle_at is not None:
                vain.settle_at = min(vain.settle_at, event.at + self.settings.settle)
            # What it asked for is void, unless it is this: a DC asks for its own fencing when it cannot stop a resource.
            if vain.kind is IncidentKind.FENCING and vain.requester == node.name and vain.subject != node.name:
                self._book.close(vain, event.at, "who asked for it was fenced itself")
        self._membership.cut_off_is_down(event.at)
        story = self._book.find(IncidentKind.FENCING, node.name)
        if story is None:
            story = self._book.open(
                IncidentKind.FENCING,
                node.name,
                Severity.MAJOR,
                event.at,
                started_at=event.at,
                nodes=[node.name],
                settle=self.settings.settle,
                cause=Cause(kind="fencing", node=node.name, at=event.at, text=event.raw),
            )
            self._effects.join_effect(story, node.name)
        story.outcome = Outcome.SUCCEEDED
        self._plans.decided(node.name, event.at)
        if (lost := self._book.find(IncidentKind.NODE_LOST, node.name)) is not None and not manual:
            lost.planned = False
        if not manual:
            self._ordered(story, event)
            self._record_fenced(story, node.name)
        died = self._book.find(IncidentKind.DAEMON_FAILED, node.name) if event.reporter == node.name else None
        if died is not None and event.at - died.detected_at <= self.settings.settle and died.part_of is None:
            self._book.make_part(died, story)  # it was told that it is fenced, and ends; a log in whole seconds has it the other way
        self._book.add(story, event)
        if story.settle_at is None or story.part_of is not None:
            self._book.close(story, event.at, "fenced")
        else:
            self._book.end(story, event.at, "fenced")
        if (failed := self._book.find(IncidentKind.FENCING_FAILED, node.name)) is not None:
            if not manual:
                self._record_fenced(failed, node.name)
            self._book.close(failed, event.at, "fencing succeeded at last")

    def _alive(self, event: Event) -> None:
        """Who fenced another node, or asked for it, is alive: traps do not say who called it lost."""
        for name in {str(event.detail.get(who)) for who in ("delegate", "origin")} & set(self.state.nodes):
            known = self.state.nodes[name]
            if name != event.node and known.member is False and known.fenced_at is None and known.stop_requested_at is None:
                known.lost_by = known.lost_by or event.node
                known.member = True
                self._effects.vain_claims(str(known.lost_by), event.at, "it fenced the other node")

    def _record_fenced(self, story: Story, name: str) -> None:
        seen: Story | None = story
        while seen is not None:
            if name not in seen.fenced:
                seen.fenced.append(name)
                self._book.changed(seen, "fenced")
            seen = self._book.by_key(seen.part_of) if seen.part_of else None

    def fencing_failed(self, event: Event) -> None:
        if event.node is None:
            return
        node = topology.node(self.state, event.node)
        fencing = self._book.find(IncidentKind.FENCING, node.name)
        story = self._book.find(IncidentKind.FENCING_FAILED, node.name)
        if fencing is not None and event.detail.get("tentative"):
            return  # without a device its own watchdog may do it; what came of it is told next
        node.fencing_asked_at = node.fencing_pending_until = None
        if fencing is None and story is None and self._came_back_first(node, event):
            return
        if fencing is not None:
            fencing.outcome = Outcome.FAILED
            self._book.close(fencing, event.at, "fencing failed")
        if story is None:
            story = self._book.open(
                IncidentKind.FENCING_FAILED,
                node.name,
                Severity.CRITICAL,
                event.at,
                started_at=event.at,
                nodes=[node.name],
                settle=self.settings.settle,
                cause=Cause(kind="fencing_failed", node=node.name, at=event.at, text=str(event.detail.get("reason") or event.raw)),
            )
            story.outcome = Outcome.ONGOING
            self._effects.join_effect(story, node.name)
        if event.detail.get("final"):
            self.given_up(story, event.at)

    def _came_back_first(self, node: Node, event: Event) -> bool:
        """Whether the node is a member again, and an attempt at it failed before or had begun before; nobody has asked for another one.

        Polls show an attempt some seconds after it failed, and by then the node may be back.
        """
        just_back = node.since is not None and event.at - node.since <= self.settings.story_window
        return event.kind is EventKind.FENCING_FAILED and node.member is True and just_back

    def given_up(self, story: Story, at: datetime) -> None:
        """The cluster tries no more: what waited for the fencing fails."""
        story.outcome = Outcome.FAILED
        self._book.changed(story, "gave up")
        parent = self._book.by_key(story.part_of) if story.part_of else None
        if parent is not None and parent.kind in DEPARTURES and parent.outcome is Outcome.ONGOING:
            self._weighing.fail(parent, at)

    def node_unclean(self, event: Event) -> None:
        if event.source is Source.POLL:
            self._membership.unclean(event)
        elif event.node is not None and event.detail.get("can_fence") is False:
            self.fencing_failed(event)
