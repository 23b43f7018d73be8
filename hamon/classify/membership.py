"""Nodes that come and go, the DC, quorum, and daemons."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from hamon.classify import topology
from hamon.classify.departures import Departures
from hamon.classify.effects import Effects
from hamon.classify.hearsay import isolated
from hamon.classify.links import NUMBERED, Links, ends_of, is_same_pair
from hamon.classify.settings import ClusterSettings
from hamon.classify.state import REPLICA, NamelessLoss, Node, PendingLink, State, Story
from hamon.classify.stories import FAILURES, Book, entry_of
from hamon.model.event import Event, EventKind
from hamon.model.incident import QUORUM_DEVICE, Cause, IncidentKind, IncidentState, Notice, Severity
from hamon.model.observation import Source

_SPLIT = "split"
_UNCLEAN = "node_unclean"

_QDEVICE = "qdevice"
QUIET = timedelta(minutes=10)
"""A quorum device of whose absence nothing is logged for so long is back: it is tried every few seconds."""
_AT_ONCE = timedelta(seconds=1)
"""Within so much time are the lines of one change of membership; stamps may be of whole seconds."""
_CONSENSUS = timedelta(seconds=60)
"""Within so much time after a lost token Corosync forms a membership; it takes 1.2 times its token unless configured otherwise."""
TOGETHER = timedelta(seconds=5)
"""Within so much time the loss of nodes and of quorum is one happening."""


class Membership:
    """Nodes that come and go, the DC, quorum, and daemons."""

    def __init__(self, state: State, settings: ClusterSettings, book: Book, departures: Departures, effects: Effects) -> None:
        self.state, self.settings, self._book = state, settings, book
        self._departures = departures
        self._effects = effects
        self.links = Links(state, settings, book)

    def handlers(self) -> Mapping[EventKind, Callable[[Event], None]]:
        """Which event is handled by what."""
        return {
            EventKind.NODE_LOST: self.node_lost,
            EventKind.NODE_LEFT: self.left,
            EventKind.NODE_JOINED: self.node_joined,
            EventKind.SERVICE_STACK_STARTED: self.stack_started,
            EventKind.QUORUM_LOST: self.quorum_lost,
            EventKind.QUORUM_ACQUIRED: self.quorum_acquired,
            EventKind.QUORUM_DEVICE_LOST: self.quorum_device_lost,
            EventKind.LINK_DOWN: self.links.down,
            EventKind.MEMBERSHIP_CHANGED: self.membership_changed,
            EventKind.LINK_UP: self.link_up,
            EventKind.DAEMON_DIED: self.daemon_died,
            EventKind.DAEMON_RESPAWNED: self.daemon_respawned,
            EventKind.DAEMON_GAVE_UP: self.daemon_died,
        }

    def node_lost(self, event: Event) -> None:
        if event.node is None:
            self._nameless(event)
            return
        self.state.nameless = [loss for loss in self.state.nameless if abs(event.at - loss.at) > self.settings.story_window]
        node = topology.node(self.state, event.node)
        cut = self.links.drop(node.name)
        known = self._book.find(IncidentKind.NODE_LOST, node.name)
        if node.member is False or known is not None:
            if known is not None and node.member and known.cause is not None and known.cause.kind == _UNCLEAN:
                self._is_away(node, event)  # as it was to be
            return
        if (numbered := self._lost_by_number(node.name)) is not None:
            self._is_called(numbered, node, event)
            return
        other = self.state.nodes.get(event.reporter or "") if event.reporter != node.name else None
        is_out = other is not None and other.member is False and (other.lost_by != node.name or self._lacks_quorum(other, node))
        if other is not None and (len(other.lost_for) > 1 or is_out):
            self._split(topology.node(self.state, other.lost_by or node.name), other, cut, event, undecided=False)
            return  # who says so is lost itself, as others have seen, or is the one of the two that has no quorum
        self._is_away(node, event)
        story = self._book.open(
            IncidentKind.NODE_LOST,
            node.name,
            Severity.MAJOR,
            event.at,
            started_at=event.at,
            nodes=[node.name],
            # The next polls tell what becomes of it; of a lost DC the next one, which must be elected first.
            settle=self.settings.membership if event.source is Source.POLL or self.state.dc == node.name else self.settings.settle,
            cause=Cause(kind="node_lost", node=node.name, at=event.at, text=event.raw),
        )
        self._silent_before(story, cut, event)
        self._token_before(story, event.reporter if event.source is Source.LOG else None)
        if event.detail.get("unsure"):
            story.planned = None  # two polls far apart: it may have been stopped in order between them
        if other is not None and other.member is False:
            is_decided = self._lacks_quorum(node, other)
            self._split(node, other, cut, event, undecided=not is_decided)
            if is_decided:
                self._effects.vain_claims(node.name, event.at, "who called it lost has no quorum")
        self._joins(story, event)

    @staticmethod
    def _is_away(node: Node, event: Event) -> None:
        node.member, node.lost_at, node.since, node.lost_by = False, event.at, event.at, event.reporter
        node.fencing_pending_until = None
        node.lost_for = [event.reporter] if event.reporter else []
        node.stop_requested_at = None

    def _joins(self, story: Story, event: Event) -> None:
        """Tell the loss of a node together with what it brings about, and with the quorum that is lost with it."""
        self._effects.join_effect(story, story.subject)
        if (quorum := self._book.find(IncidentKind.QUORUM_LOST, "")) is not None:
            self._lost_with(quorum)
        if (doubtful := self.state.doubtful_quorum) is not None and abs(event.at - doubtful.at) <= TOGETHER:
            self._without_quorum(doubtful)

    def _lacks_quorum(self, node: Node, other: Node) -> bool:
        """Of two that call each other lost, whether this one has lost its quorum and the other one has not."""
        if self.state.quorum_ignored or (quorum := self._book.find(IncidentKind.QUORUM_LOST, "")) is None:
            return False
        return node.name in quorum.nodes and other.name not in quorum.nodes

    def _nameless(self, event: Event) -> None:
        numbers = str(event.detail.get("node_ids") or "").split()
        if event.source is Source.LOG and len(numbers) == 1 and all(loss.number != numbers[0] for loss in self.state.nameless):
            wait = event.at + self.settings.membership
            self.state.nameless.append(NamelessLoss(numbers[0], event.at, wait, event.reporter, entry_of(event)))

    def is_fenced(self, event: Event) -> None:
        """Who is fenced is the one that was lost just before, where only its number was known."""
        known, losses = self.state.nodes.get(event.node or ""), self.state.nameless
        if event.node is None or event.node == event.reporter or len(losses) != 1 or (known is not None and known.member is False):
            return
        (loss,) = losses
        ids = self.state.node_ids
        if ids.get(loss.number, event.node) != event.node or (loss.number not in ids and event.node in ids.values()):
            return
        losses.clear()
        ids.setdefault(loss.number, event.node)
        node = topology.node(self.state, event.node)
        node.member, node.lost_at, node.since, node.lost_by = False, loss.at, loss.at, loss.reporter
        node.lost_for = [loss.reporter] if loss.reporter else []
        story = self._lost_before(event.node, loss)
        self._effects.join_effect(story, node.name)

    def attributes_went(self, name: str, at: datetime) -> None:
        """The attributes of a node are removed as it leaves: that may be the one whose number only is known."""
        if len(self.state.nameless) == 1 and abs(at - self.state.nameless[0].at) <= TOGETHER:
            self.state.nameless[0].called = name

    def stays_nameless(self, loss: NamelessLoss) -> None:
        """Nobody told its name: Pacemaker would have, as far as it matters; where only Corosync is heard its number is all there is."""
        if self.state.controllers or loss.number in self.state.node_ids:
            return
        story = self._lost_before(loss.called or loss.number, loss)
        story.number = loss.number
        for pending in self.state.cut_links:
            if f"{NUMBERED}{loss.number}" in pending.pair and timedelta(0) <= loss.at - pending.down_at <= self.settings.membership:
                story.started_at = min(story.started_at or pending.down_at, pending.down_at)
                for entry in pending.entries:
                    self._book.put(story, entry)

    def _lost_by_number(self, name: str) -> Story | None:
        """The loss of a node that had only its number, where that is the number of this node."""
        for story in self._book.open_stories():
            if story.number is not None and story.subject == story.number and self.state.node_ids.get(story.number) == name:
                return story
        return None

    def _is_called(self, story: Story, node: Node, event: Event) -> None:
        """Pacemaker names a node that Corosync lost long before, since a quorum device held up the word of it."""
        began = story.started_at or event.at
        node.member, node.lost_at, node.since, node.lost_by = False, began, began, event.reporter
        node.lost_for = [event.reporter] if event.reporter else []
        node.fencing_pending_until = node.stop_requested_at = None
        story.subject, story.nodes = node.name, [node.name]
        if story.cause is not None:
            story.cause = replace(story.cause, node=node.name)
        self._book.changed(story, "its node has a name")
        self._joins(story, event)

    def _lost_before(self, name: str, loss: NamelessLoss) -> Story:
        story = self._book.open(
            IncidentKind.NODE_LOST,
            name,
            Severity.MAJOR,
            loss.at,
            started_at=loss.at,
            nodes=[name],
            settle=self.settings.settle,
            cause=Cause(kind="node_lost", node=name, at=loss.at, text=loss.entry.raw),
        )
        self._book.put(story, loss.entry)
        self._token_before(story, loss.reporter)
        return story

    def _silent_before(self, story: Story, cut: Sequence[PendingLink], event: Event) -> None:
        """A node that fails is silent first: its links go down, then the token is late, and only then it counts as lost."""
        recent = [
            pending for pending in (*cut, *self.state.links) if timedelta(0) <= event.at - pending.down_at <= self.settings.membership
        ]
        numbers = {end for pending in recent for end in pending.pair if end.startswith(NUMBERED)}
        for pending in recent:
            # The one number that all have lost and whose name is not known yet is its own.
            unnamed = len(numbers) == 1 and story.subject not in self.state.node_ids.values() and bool(numbers & set(pending.pair))
            if unnamed:
                self.state.links = [link for link in self.state.links if link is not pending]  # down for that reason
            if unnamed or story.subject in self.links.named(pending.pair):
                story.started_at = min(story.started_at or pending.down_at, pending.down_at)
                for entry in pending.entries:
                    self._book.put(story, entry)

    def _token_before(self, story: Story, reporter: str | None) -> None:
        """Corosync misses the token of a node that fails, and forms a membership without it some seconds later: the loss began there.

        `reporter`: whose log tells of the loss; None: no log does, and any other node's tells of its token.
        """
        said = [entry for entry in self.state.recent if (entry.node == reporter if reporter else entry.node != story.subject)]
        late = [
            entry for entry in said if entry.event is EventKind.TOKEN_LOST and timedelta(0) <= story.detected_at - entry.at <= _CONSENSUS
        ]
        if not late:
            return
        last = max(entry.at for entry in late)
        formed = [entry.at for entry in said if entry.event is EventKind.MEMBERSHIP_CHANGED]
        if any(last < at < story.detected_at - TOGETHER for at in formed):
            return  # all were there again, or another one was lost
        before = max([at for at in formed if at < last], default=None)
        first = min((entry for entry in late if before is None or entry.at > before), key=lambda entry: entry.at)
        story.started_at = min(story.started_at or first.at, first.at)
        self._book.put(story, first)

    def unclean(self, event: Event) -> None:
        """A node that takes part is unclean: it will be fenced, whatever it runs."""
        if event.node is None or self._book.find(IncidentKind.NODE_LOST, event.node) is not None:
            return
        story = self._book.open(
            IncidentKind.NODE_LOST,
            event.node,
            Severity.MAJOR,
            event.at,
            started_at=event.at,
            nodes=[event.node],
            settle=self.settings.membership,
            cause=Cause(kind=_UNCLEAN, node=event.node, at=event.at, text=event.raw),
        )
        self._effects.join_effect(story, event.node)

    def judge_claims(self, event: Event) -> None:
        """Traps do not say who sends them: who calls all others lost, and is called so itself, is the one that is lost."""
        if event.source is not Source.TRAP or (found := isolated(self.state)) is None:
            return
        name, claimed = found
        node = topology.node(self.state, name)
        if node.stop_requested_at is not None or not any(self.state.nodes[other].lost_by in (None, name) for other in claimed):
            return
        node.member, node.lost_at = False, node.lost_at or event.at
        for other in claimed:
            accused_by_others = any(other in said for said in self.state.claims.values() if set(said) != set(claimed))
            if not accused_by_others:
                self.state.nodes[other].lost_by = name
        if not any(topology.is_split(story) and name in story.nodes for story in self._book.open_stories()):
            self._split(self.state.nodes[claimed[0]], node, self.links.drop(name), event, undecided=False)
        self._effects.vain_claims(name, event.at, "who called it lost is cut off itself")

    def confirmed(self, event: Event) -> None:
        """Another node says too that a node is lost: what the lost one says of others counts no more."""
        node = self.state.nodes.get(event.node or "")
        if node is not None and node.lost_by is not None and event.reporter is not None and event.reporter not in node.lost_for:
            node.lost_for.append(event.reporter)
            if len(node.lost_for) > 1:
                node.member = False  # nothing is open any more between it and the one that it called lost
                self._effects.vain_claims(node.name, event.at, "who called it lost is lost itself, as others say")

    def _split(self, node: Node, other: Node, cut: Sequence[PendingLink], event: Event, *, undecided: bool) -> None:
        """Two nodes call each other lost: both live, and all their links are cut. Which one stays is decided by fencing, or by others."""
        if any(topology.is_split(story) and other.name in story.nodes for story in self._book.open_stories()):
            return
        fenced = [end for end in (node, other) if end.fenced_at is not None]
        for end in (node, other) if undecided else ():
            end.member = None if len(fenced) != 1 else end not in fenced
        began = min([pending.down_at for pending in cut], default=min(event.at, other.lost_at or event.at))
        story = self._book.open(
            IncidentKind.INTERCONNECT_DEGRADED,
            f"{_SPLIT} {other.name} {node.name}",
            Severity.MAJOR,
            event.at,
            started_at=began,
            nodes=sorted((node.name, other.name)),
            settle=self.settings.settle if fenced else self.settings.membership,
            cause=Cause(kind="link_down", node=other.name, at=began, text=cut[0].entries[0].raw if cut else event.raw),
        )
        story.resources = sorted({f"link {pending.link}" for pending in cut})
        apart = {node.name, other.name}
        apart |= {third.name for third in self.state.nodes.values() if third.lost_by in apart and third.member is False}
        for name in apart - {node.name, other.name} if undecided else ():
            self.state.nodes[name].member = None
        for loss in self._book.open_stories():
            if loss.kind is IncidentKind.NODE_LOST and set(loss.nodes) <= apart:
                parent = self._book.by_key(loss.part_of)
                self._book.make_part(loss, parent or story)
                if parent is not None:
                    self._book.make_part(story, parent)
        for link in self._book.open_stories():  # a link that went shortly before: one after the other they make one cut
            if link.kind is not IncidentKind.INTERCONNECT_DEGRADED or link.part_of is not None or topology.is_split(link):
                continue
            recent = event.at - link.detected_at <= self.settings.story_window
            if recent and len(link.nodes) == 2 and set(self.links.named(ends_of(link))) == {node.name, other.name}:
                self._book.make_part(link, self._book.by_key(story.part_of) or story)

    def _reunited(self, split: Story, at: datetime, reason: str) -> None:
        self.state.held.clear()
        self._book.close(split, at, reason)

    def left(self, event: Event) -> None:
        if event.node is None:
            return
        node = topology.node(self.state, event.node)
        if node.member is False:
            return
        node.member, node.since = False, event.at
        self.links.drop(node.name)
        for item in self.state.resources.values():
            if topology.is_service(item, self.settings, self.state) and node.name in topology.active_nodes(item):
                continue  # its departure is told by what happens to the resource
            item.roles.pop(node.name, None)
        self._effects.planned_standby(node.name, event)

    def node_joined(self, event: Event) -> None:
        if event.node is None:
            return
        node = topology.node(self.state, event.node)
        was_out = node.member is False or (node.member is None and node.lost_at is not None)
        if was_out and self._is_alone(node, event):
            node.alone_at = event.at
            return
        node.alone_at = None
        if event.reporter is not None and event.reporter != node.name:
            self._no_longer_alone(event.reporter, event)
        node.member = True
        if node.stop_requested_at is not None and event.at > node.stop_requested_at:
            node.stop_requested_at = None  # it is back, though nothing told that it went
        if node.since is None or was_out:
            node.since = event.at
        if not was_out:
            return
        was_fenced, lost_at = node.fenced_at is not None, node.lost_at
        began_anew = lost_at is not None and node.stack_started_at is not None and node.stack_started_at > lost_at
        if node.fencing_asked_at is not None:
            node.fencing_pending_until = event.at + self.settings.story_window
        node.lost_at = node.fenced_at = node.stop_requested_at = node.lost_by = None
        node.lost_for.clear()
        node.failed.clear()
        node.barred.clear()
        node.fail_counts.clear()
        node.degraded = {name: at for name, at in node.degraded.items() if name.startswith(REPLICA)}  # in step only when it says so
        for mark in self.state.marks:
            if mark.kind == "shutdown" and mark.node == node.name and mark.ended_at is None:
                mark.ended_at = event.at
        for item in self.state.resources.values():
            if item.roles.get(node.name) and not self._departures.running(item.id):
                served = node.name in topology.active_nodes(item) and topology.is_service(item, self.settings, self.state)
                item.roles.pop(node.name, None)
                if served and began_anew and lost_at is not None and self.state.maintenance_at is None:
                    self._departures.ended_with(node.name, item.id, lost_at)
        for kind in (IncidentKind.NODE_LOST, IncidentKind.FENCING_FAILED, IncidentKind.CONNECTIVITY_DEGRADED, IncidentKind.DISK_DEGRADED):
            for story in self._book.open_stories():
                if story.kind is kind and node.name in story.nodes:
                    self._book.close(story, event.at, "the node joined again")
        for story in self._book.open_stories():
            # A node that was off has started its daemons anew; of one that was only cut off nothing is known of them.
            is_anew = was_fenced and story.kind is IncidentKind.DAEMON_FAILED
            if topology.is_split(story) and node.name in story.nodes and all(topology.node(self.state, end).member for end in story.nodes):
                self._reunited(story, event.at, "they are one cluster again")
            if (story.kind in FAILURES or is_anew) and node.name in story.nodes:
                self._book.close(story, event.at, "the node joined again")

    def _is_alone(self, node: Node, event: Event) -> bool:
        """Whether a node that starts calls itself a member: before it sees the others it does, and is none of theirs yet."""
        if event.source is Source.POLL or event.reporter != node.name or self.state.quorum_ignored:
            return False
        went = node.since if node.lost_at is None else node.lost_at  # it left in order, or was lost
        if went is None or node.stack_started_at is None or node.stack_started_at <= went:
            return False
        if node.lost_at is None:
            return any(other.member for other in self.state.nodes.values() if other is not node)
        caller = self.state.nodes.get(node.lost_by or "")
        return caller is not None and caller is not node and caller.member is True

    def _no_longer_alone(self, name: str, event: Event) -> None:
        """A node that was alone has quorum, or tells that another one joined."""
        node = self.state.nodes.get(name)
        if node is not None and node.alone_at is not None:
            self.node_joined(replace(event, kind=EventKind.NODE_JOINED, node=name, reporter=None))

    def is_no_longer_alone(self, event: Event) -> bool:
        """Whether another node says of one that starts what that one said of itself before: now it is so."""
        node = self.state.nodes.get(event.node or "")
        return node is not None and node.alone_at is not None and event.reporter != node.name

    def stack_started(self, event: Event) -> None:
        if event.node is None:
            return
        node = topology.node(self.state, event.node)
        if event.source is not Source.POLL or node.member is not True:  # a poll tells of a start that is over by then
            node.stack_started_at = node.booted_at = event.at
            node.alone_at = None  # what it said before this start is over
            if event.source is Source.LOG and event.detail.get("program") == "corosync":
                self._all_began_anew(event)

    def _all_began_anew(self, event: Event) -> None:
        """All nodes lost their power at once: nobody was left to call another one lost, and what ran is down until it is started."""
        state, members = self.state, [node for node in self.state.nodes.values() if node.member is not False]
        services = topology.service_resources(state, self.settings)
        ran = [(item, node) for item in services for node in topology.active_nodes(item)]
        if not ran or len(state.nodes) < 2 or state.maintenance_at is not None or not all(map(_began_unseen, members)):
            return
        if any(topology.is_split(story) for story in self._book.open_stories()):
            return  # they have called each other lost
        for node in members:
            raw = event.raw if node.name == event.node else ""
            at = node.stack_started_at or event.at
            self.node_lost(replace(event, kind=EventKind.NODE_LOST, at=at, node=node.name, reporter=None, raw=raw))
        for item, name in ran:
            item.roles.pop(name, None)
            self._departures.ended_with(name, item.id, state.nodes[name].stack_started_at or event.at)

    def quorum_lost(self, event: Event) -> None:
        self.state.has_quorum = False
        if event.node is not None and not self.state.quorum_ignored:
            self._effects.vain_claims(event.node, event.at, "who called it lost has no quorum")
        reporter = topology.node(self.state, event.node) if event.node is not None else None
        if reporter is not None and reporter.stop_requested_at is not None:
            return  # a node that stops loses it with those that stop before it
        started = reporter.stack_started_at if reporter is not None else None
        if started is not None and event.at - started <= self.settings.story_window:
            return  # a node that boots has no quorum yet
        # A trap of quorum tells a change, which a node that only begins does not have. Whom it loses, a node had.
        loses = any(node.lost_at is not None and abs(event.at - node.lost_at) <= TOGETHER for node in self.state.nodes.values())
        loses = loses or any(abs(event.at - left_at) <= TOGETHER for left_at in self.state.departed.values())
        is_known = self.state.dc is not None or event.source is Source.TRAP or loses
        self.state.doubtful_quorum = None if is_known else event
        if is_known:
            self._without_quorum(event)

    def _without_quorum(self, event: Event) -> None:
        if (known := self._book.find(IncidentKind.QUORUM_LOST, "")) is not None:
            if event.node is not None and event.node not in known.nodes:
                known.nodes.append(event.node)  # where nobody sees another one, each loses it
            return
        story = self._book.open(
            IncidentKind.QUORUM_LOST,
            "",
            Severity.WARNING if self.state.quorum_ignored else Severity.CRITICAL,
            event.at,
            started_at=event.at,
            nodes=[event.node] if event.node else str(event.detail.get("members") or "").split(),
            settle=self.settings.membership,
            cause=Cause(kind="quorum_lost", node=event.node, at=event.at, text=event.raw),
        )
        self._book.add(story, event)
        self._explained_quorum(event.at)
        if event.node is not None and story.part_of is None:
            self._effects.join_departure(story, event.node)  # its service may have been given to others already, as these tell
        self._lost_with(story)
        for lost in self.state.stories:
            near = abs(lost.detected_at - story.detected_at) <= self.settings.membership
            if lost.kind is IncidentKind.NODE_LOST and lost.vain and lost.part_of is None and near:
                self._book.make_part(lost, story)  # whom the side without quorum calls lost is told with the loss of the quorum

    def _lost_with(self, quorum: Story) -> None:
        """With the quorum more is lost than nodes: what comes of it is waited for, and they are part of that."""
        if self.state.quorum_ignored:
            return
        effect = self._book.by_key(quorum.part_of)
        for lost in self._book.lost_with(quorum):
            if effect is not None:
                self._book.make_part(lost, effect)
            elif not lost.told and lost.settle_at is not None:
                lost.settle_at = max(lost.settle_at, quorum.detected_at + self.settings.membership)

    def quorum_policy(self, event: Event) -> None:
        """What the scheduler does without quorum, said at every calculation.

        Two nodes have no quorum alone; where that is ignored, the one that is left is right about the other.
        """
        is_ignored = event.detail.get("policy") is None
        if is_ignored is self.state.quorum_ignored:
            return
        self.state.quorum_ignored = is_ignored
        if not is_ignored:
            return
        if (story := self._book.find(IncidentKind.QUORUM_LOST, "")) is not None:
            story.severity = Severity.WARNING
            self._book.changed(story, "quorum is ignored")
        for story in self.state.stories:
            fresh = event.at - story.detected_at <= self.settings.story_window
            if story.kind is IncidentKind.NODE_LOST and story.vain and fresh and event.reporter not in story.nodes:
                for name in story.nodes:
                    topology.node(self.state, name).member = False
                story.vain, story.severity, story.part_of = False, Severity.MAJOR, None
                story.settle_at = event.at + self.settings.settle
                self._book.reopen(story)
        self._explained_quorum(event.at)

    def _explained_quorum(self, at: datetime) -> None:
        """Where quorum is ignored, its loss with a node is no more than a part of that node's."""
        story = self._book.find(IncidentKind.QUORUM_LOST, "")
        if story is None or story.part_of is not None or not self.state.quorum_ignored:
            return
        for lost in reversed(self.state.stories):
            if lost.kind is IncidentKind.NODE_LOST and not lost.vain and abs(at - lost.detected_at) <= self.settings.membership:
                self._book.make_part(story, lost)
                return

    def quorum_acquired(self, event: Event) -> None:
        self.state.has_quorum, self.state.doubtful_quorum = True, None
        if event.node is not None:
            self._no_longer_alone(event.node, event)
            topology.node(self.state, event.node).stack_started_at = None  # its start is over: what it loses from now on, it had
        if (story := self._book.find(IncidentKind.QUORUM_LOST, "")) is not None:
            self._book.close(story, event.at, "quorum acquired")
            for part in self._book.open_stories():
                if part.part_of != story.key:
                    continue
                if topology.is_split(part):  # who is still cut off is told now
                    part.part_of, part.settle_at = None, event.at + self.settings.membership
                    self._book.changed(part, "quorum is back, and they are still cut off")
                elif part.kind is IncidentKind.NODE_LOST and not part.vain:  # and who is still away, once it had time to come back too
                    part.part_of, part.settle_at = None, event.at + self.settings.grace
                    self._book.changed(part, "quorum is back, and the node is not")

    def is_lost_without_quorum(self, loss: Story) -> bool:
        """Nothing is taken over without quorum: a node that is lost with it, or while it is lost, is part of that loss."""
        quorum = self._book.find(IncidentKind.QUORUM_LOST, "")
        if quorum is None or self.state.quorum_ignored or loss.planned is not False:
            return False
        if loss.detected_at < quorum.detected_at - self.settings.membership:
            return False
        self._book.make_part(loss, quorum)
        return True

    def cut_off_is_down(self, at: datetime) -> None:
        """Once all that had no quorum are fenced it is not missing any more: those who fenced them have it."""
        story = self._book.find(IncidentKind.QUORUM_LOST, "")
        if story is None or not story.nodes:
            return
        since = story.detected_at - self.settings.membership
        fenced = (topology.node(self.state, name).fenced_at for name in story.nodes)
        if all(when is not None and when >= since for when in fenced):
            self.state.has_quorum = True
            self._book.close(story, at, "who had no quorum was fenced")

    def nobody_stays(self, split: Story) -> bool:
        """Where both sides of a cut lost the quorum neither takes anything over: the cut is part of that loss."""
        quorum = self._book.find(IncidentKind.QUORUM_LOST, "")
        if quorum is None or self.state.quorum_ignored or not set(split.nodes) <= set(quorum.nodes):
            return False
        self._book.make_part(split, quorum)
        return True

    def quorum_device_lost(self, event: Event) -> None:
        """The vote of the quorum device is missing. That it is back nobody logs; while it is away the attempts to reach it are logged."""
        if event.node is None or topology.node(self.state, event.node).stop_requested_at is not None:
            return
        story = self._book.find(IncidentKind.INTERCONNECT_DEGRADED, _QDEVICE)
        if story is None:
            story = self._book.open(
                IncidentKind.INTERCONNECT_DEGRADED,
                _QDEVICE,
                Severity.MAJOR if len(self.state.nodes) <= 2 else Severity.MINOR,
                event.at,
                started_at=event.at,
                nodes=[event.node],
                resources=[QUORUM_DEVICE],
                settle=self.settings.membership,
                cause=Cause(kind="quorum_device_lost", node=event.node, at=event.at, text=event.raw),
            )
        elif event.node not in story.nodes:
            story.nodes.append(event.node)
            self._book.changed(story, "another node misses it")
        story.limit_at = event.at + QUIET

    def membership_changed(self, event: Event) -> None:
        for number in str(event.detail.get("left") or "").split():
            self.state.departed[number] = event.at
            if gone := [pending for pending in self.state.links if f"{NUMBERED}{number}" in pending.pair]:
                self.state.links = [pending for pending in self.state.links if pending not in gone]
                self.state.cut_links = gone[-8:]
        for number in str(event.detail.get("members") or "").split():
            left_at = self.state.departed.pop(number, None)
            if left_at is not None and event.at - left_at <= TOGETHER:
                self._was_back_at_once(number, event)
        for number in str(event.detail.get("joined") or "").split():
            if number not in str(event.detail.get("left") or "").split():
                self.state.departed.pop(number, None)
            self.state.nameless = [loss for loss in self.state.nameless if loss.number != number]
            for story in self._book.open_stories():
                if story.kind is IncidentKind.NODE_LOST and story.number == number:
                    self._book.close(story, event.at, "the node joined again")
        for field in ("members", "joined", "left"):
            topology.id_seen(self.state, str(event.detail.get(field) or ""))

    def _was_back_at_once(self, number: str, event: Event) -> None:
        """A node began anew before anybody missed it: Corosync lost and gained it in one change, of which Pacemaker says nothing."""
        node = self.state.nodes.get(self.state.node_ids.get(number, ""))
        if (
            node is not None
            and node.member is False
            and node.lost_by == event.reporter
            and node.lost_at is not None
            and event.at - node.lost_at <= _AT_ONCE
        ):
            self.node_joined(replace(event, kind=EventKind.NODE_JOINED, node=node.name))

    def link_up(self, event: Event) -> None:
        """A link between two nodes that were cut from each other brings them together again."""
        if (pair := self.links.pair_of(event)) is None:
            return
        for story in self._book.open_stories():
            if topology.is_split(story) and event.source is not Source.POLL and is_same_pair(ends_of(story), pair):
                self._book.add(story, event)
                self._reunited(story, event.at, "a link between them is up again")
        self.links.up(event)

    def daemon_died(self, event: Event) -> None:
        if event.node is None:
            return
        node = topology.node(self.state, event.node)
        if node.stop_requested_at is not None and event.detail.get("signal") is None and event.detail.get("rc") in (0, None):
            return
        grave = event.kind is EventKind.DAEMON_GAVE_UP or event.detail.get("effect") in ("fatal", "panic")
        story = self._book.find(IncidentKind.DAEMON_FAILED, node.name)
        if story is None:
            story = self._book.open(
                IncidentKind.DAEMON_FAILED,
                node.name,
                Severity.MAJOR if grave else Severity.WARNING,
                event.at,
                started_at=event.at,
                nodes=[node.name],
                resources=[str(event.detail.get("daemon"))],
                settle=self.settings.membership,  # its node may be lost for it, unless it is started again
                cause=Cause(kind="daemon_failed", node=node.name, resource=str(event.detail.get("daemon")), at=event.at, text=event.raw),
            )
            self._effects.join_effect(story, node.name)
            fenced = self._fenced_alive(node, event.at)
            if fenced is not None and story.part_of is None:
                self._book.make_part(story, fenced)
        elif grave and story.severity is Severity.WARNING:
            story.severity = Severity.MAJOR
            self._book.changed(story, "grave")
            if story.told:
                self._book.tell(story, Notice.UPDATE)
        story.recovered_at = None
        story.limit_at = event.at + self.settings.expire

    def _fenced_alive(self, node: Node, at: datetime) -> Story | None:
        """The fencing of a node that lives on, cut off from its storage or told too late: its daemons end for it."""
        if node.fenced_at is None or not timedelta(0) <= at - node.fenced_at <= self.settings.membership:
            return None
        return next(
            (story for story in reversed(self.state.stories) if story.kind is IncidentKind.FENCING and node.name in story.nodes), None
        )

    def daemon_respawned(self, event: Event) -> None:
        if event.node is not None and (story := self._book.find(IncidentKind.DAEMON_FAILED, event.node)) is not None:
            story.recovered_at = event.at
            story.limit_at = event.at + self.settings.stable
            if story.settle_at is not None:
                story.settle_at = min(story.settle_at, event.at + self.settings.settle)

    def daemon_or_node(self, name: str) -> None:
        """A daemon died and its node was lost for it: a moment's loss is part of the daemon's failure, a lasting one explains it."""
        found = {
            story.kind: story
            for story in self.state.stories
            if story.kind in (IncidentKind.NODE_LOST, IncidentKind.DAEMON_FAILED) and name in story.nodes and story.part_of is None
        }
        if len(found) < 2:
            return
        lost, died = found[IncidentKind.NODE_LOST], found[IncidentKind.DAEMON_FAILED]
        if abs(lost.detected_at - died.detected_at) > self.settings.story_window:
            return
        if lost.state is IncidentState.OPEN:
            self._book.make_part(died, lost)
        else:
            self._book.make_part(lost, died)


def _began_unseen(node: Node) -> bool:
    """Whether a node began anew as a member, of which nothing told that it stopped or was lost."""
    began = node.stack_started_at
    return began is not None and node.stop_requested_at is None and (node.since is None or node.since < began)
