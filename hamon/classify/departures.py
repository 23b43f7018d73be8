"""Services that leave a node: fail-over, planned switchover, or service down. One departure is one story.

A departure shows in what the scheduler decided and began to carry out, in pm_logconv's own words, or, without these, in a service resource
that stopped here and started there. What it is held to be says weighing.py, when it is over protection.py.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta

from hamon.classify import topology
from hamon.classify.protection import is_hearsay
from hamon.classify.settings import ClusterSettings
from hamon.classify.state import Action, Move, Resource, State, Story
from hamon.classify.stories import DEPARTURES, Book
from hamon.classify.weighing import FAULTS, Weighing
from hamon.model.incident import IncidentKind, IncidentState, Outcome, Severity
from hamon.model.observation import Source

WHOLE_SECOND = timedelta(seconds=1)
"""Stamps of syslog are up to so much earlier than what they tell."""


class Departures:
    """Follows services that leave a node: what leaves, where it goes, when it arrives."""

    def __init__(self, state: State, settings: ClusterSettings, book: Book, weighing: Weighing) -> None:
        self.state = state
        self.settings = settings
        self.book = book
        self.weighing = weighing

    # -- evidence

    def plan_is_carried_out(self, actions: list[Action], at: datetime) -> None:
        """The scheduler's plan begins to be carried out: what of it makes a service leave its node?"""
        moves: list[Move] = []
        for action in actions:
            item = self.state.resources.get(action.resource)
            if item is None or not topology.is_service(item, self.settings, self.state):
                continue
            move = self._move(action, actions, item.promotable, at)
            if move is not None and not self._is_done_since(move, at):
                moves.append(move)
        sources = dict.fromkeys(move.from_node for move in moves)
        self._of_one_plan([self.depart(source, [move for move in moves if move.from_node == source], at) for source in sources])
        for move in moves:
            item = self.state.resources[move.resource]
            if move.to_node is not None and move.to_node == item.started_on and item.started_at is not None and item.started_at >= at:
                # The log of the DC is read after that of the node where it was to go, and came to.
                self.started(item.id, move.to_node, item.started_at, promoted=move.promoted, before=[])

    def _of_one_plan(self, stories: list[Story]) -> None:
        """What makes way in the same plan for something that leaves its node for a reason does so for that reason."""
        leading = next((story for story in stories if story.planned is not None and story.part_of is None), None)
        for story in stories if leading is not None else ():
            if leading is not None and story is not leading and story.planned is None and not story.told:
                self.book.make_part(story, leading)

    def _move(self, action: Action, actions: list[Action], promotable: bool, at: datetime) -> Move | None:
        item = self.state.resources[action.resource]
        serving = topology.active_nodes(item)
        if promotable:
            if not action.promoted or (action.to_node is None and topology.is_replica(action.from_node or "")):
                return None  # a replica of a bundle stops: others of it may go on, as those of a clone
            if action.to_node is None and any(
                other.resource == action.resource and other.promoted and other.to_node is not None for other in actions
            ):
                return None  # the promotion elsewhere in the same plan says it all
            source = (
                serving[0]
                if serving
                else action.from_node
                if action.to_node is None
                else self._just_left(item.id) or self._unseen(item, at)
            )
            if source is None or source == action.to_node or (action.to_node is not None and self._is_first_try(item, source, at)):
                return None
            return Move(action.resource, source, action.to_node, promoted=True)
        if action.clone or (action.to_node is None and topology.is_replica(action.resource)):
            return None
        if action.action == "Start":
            running = self.running(action.resource)
            if running is not None:
                return Move(action.resource, running.from_node, action.to_node)
            source = next((name for name in serving if name != action.to_node and self._is_gone(name)), None) or self._unseen(item, at)
            if source is None and len(serving) == 1 and not topology.is_uncertain(item):
                source = serving[0]  # it stopped there, of which no log here tells
            if source is None and not serving and not action.blocked and not topology.is_uncertain(item):
                source = self._just_left(item.id)  # it was to be restarted there, and a new plan has it elsewhere
            return Move(action.resource, source, action.to_node) if source not in (None, action.to_node) else None
        if action.from_node is None or action.from_node == action.to_node:
            return None
        return Move(action.resource, action.from_node, action.to_node)

    def _is_first_try(self, item: Resource, source: str | None, at: datetime) -> bool:
        """Whether an instance was promoted on a node that has just begun, and goes elsewhere before the cluster came to rest since.

        The scores by which the cluster decides come one after the other then: that is no departure of what served there.
        """
        node = self.state.nodes.get(source or "")
        if node is None or not item.promotable or not self.state.hears_states or item.id in node.failed or item.id in node.barred:
            return False
        if (left := self.state.suspects.get(item.id)) is not None and left.is_outage:
            return False  # it served before the node began anew
        booted, rested = node.booted_at, self.state.rested_at
        is_there = node.member is not False and node.fenced_at is None and node.stop_requested_at is None and node.standby_at is None
        begins = booted is not None and booted <= at <= booted + self.settings.story_window
        return is_there and begins and (rested is None or booted is None or rested < booted)

    def _just_left(self, resource: str) -> str | None:
        """Where it was demoted or stopped just now, though it was to come back there."""
        left = self.state.restarting.get(resource) or self.state.suspects.get(resource)
        return left.from_node if left is not None else None

    def _unseen(self, item: Resource, at: datetime) -> str | None:
        """Where something served of which nothing told until it is started on a survivor: on the one node that was just lost."""
        if item.roles.keys() - self._idle_instances(item) or item.started_on is not None or item.surveyed or item.stopped:
            return None
        lost = [
            node.name
            for node in self.state.nodes.values()
            if node.member is False and node.stop_requested_at is None and node.lost_at is not None
            if at - node.lost_at <= self.settings.story_window
        ]
        return lost[0] if len(lost) == 1 else None

    @staticmethod
    def _idle_instances(item: Resource) -> set[str]:
        return {name for name, role in item.roles.items() if role == "Unpromoted"}

    def _is_gone(self, name: str) -> bool:
        known = self.state.nodes.get(name)
        return known is not None and (known.member is False or known.fenced_at is not None)

    def running(self, resource: str) -> Move | None:
        """The unfinished move of a resource, if it is in one."""
        for story in self.book.open_stories():
            move = story.moves.get(resource)
            if move is not None and move.done_at is None:
                return move
        return None

    def given_up(self, planned: set[str]) -> None:
        """Where something failed on the way, the plan after it holds all that still goes anywhere: the rest stays where it stopped."""
        for story in self.book.open_stories():
            for move in story.moves.values() if story.stumbled else ():
                if move.done_at is None and move.begun_on is None and not move.polled and move.resource not in planned:
                    move.to_node = None

    def under_way(self) -> list[Move]:
        """All moves that are not done."""
        return [move for story in self.book.open_stories() for move in story.moves.values() if move.done_at is None]

    def depart(self, source: str | None, moves: Iterable[Move], at: datetime, *, hinted: bool = False) -> Story:
        """Open a departure, or put more into the one that goes on."""
        moves = list(moves)
        story = self._going_on(source, moves, at)
        if story is None and (returned := self._returns(source, moves, at)) is not None:
            self.state.returning.update({move.resource: returned.key for move in moves})
            return returned
        if story is None:
            story = self._open(source, moves, at, hinted)
        self._add(story, moves)
        self.book.take_the_beginning(story)  # now that it is known which resources leave
        story.hinted = story.hinted or hinted
        self.weighing.weigh(story, at)
        return story

    def _going_on(self, source: str | None, moves: list[Move], at: datetime) -> Story | None:
        names = {move.resource for move in moves}
        for story in self.book.open_stories():
            if story.kind not in DEPARTURES:
                continue
            if any(name in story.moves and story.moves[name].done_at is None for name in names):
                return story
            began = story.started_at or story.detected_at
            if (source is None or story.from_node in (source, None)) and (
                story.outcome is Outcome.ONGOING or at - began <= self.settings.story_window
            ):
                return story
        return None

    def _returns(self, source: str | None, moves: list[Move], at: datetime) -> Story | None:
        """An automatic return after standby or rejoin is part of the departure that it ends, unless a fault is its reason."""
        if self.weighing.faults(source, at):
            return None
        for story in reversed(self.state.stories):
            if story.kind not in DEPARTURES or story.service_restored_at is None:
                continue
            ended = story.resolved_at or at
            if at - ended > self.settings.story_window or not all(move.resource in story.moves for move in moves):
                continue
            target = self.state.nodes.get(story.from_node or "")
            back = all(move.to_node in (story.from_node, None) for move in moves)
            if not back or target is None or self._asked_since(story, source):
                continue
            # A log without marks does not say that the node came out of standby; what left without a reason returns without one.
            unexplained = story.planned is None and all(move.to_node == story.from_node for move in moves)
            if unexplained or (target.since is not None and at - target.since <= self.settings.story_window):
                return story
            # Polls may not have seen that the node was away: while its story is open, what goes back to it goes back by itself.
            if topology.is_polled(self.state) and story.state is IncidentState.OPEN:
                return story
        return None

    def _asked_since(self, story: Story, source: str | None) -> bool:
        """Whether somebody asked for something about this node, or for a move, since the departure ended."""
        end = story.service_restored_at
        return any(
            mark.node in (source, None) or mark.kind in ("prefer", "ban", "target_role", "ticket")
            for mark in self.state.marks
            if end is not None and mark.at > end and mark.ended_at is None
        )

    def _open(self, source: str | None, moves: list[Move], at: datetime, hinted: bool) -> Story:
        story = self.book.open(
            IncidentKind.FAILOVER,
            source or "",
            Severity.WARNING,
            at,
            started_at=at,
            nodes=[source] if source else [],
            settle=self.settings.settle,
        )
        story.from_node = source
        story.outcome = Outcome.ONGOING
        story.limit_at = at + self.settings.failover_limit
        story.hinted = hinted
        if source is not None:
            self.book.adopt(story, [source])
        return story

    def _add(self, story: Story, moves: Iterable[Move]) -> None:
        for move in moves:
            known = story.moves.get(move.resource)
            self.state.returning.pop(move.resource, None)
            if known is None:
                story.moves[move.resource] = move
                if move.resource not in story.resources:
                    story.resources.append(move.resource)
                stopped = self.state.suspects.pop(move.resource, None) or self.state.restarting.pop(move.resource, None)
                self.state.suspects_at.pop(move.resource, None)
                if stopped is not None and move.stopped_at is None:
                    move.stopped_at = stopped.stopped_at
                _is_down_since(story, move.stopped_at)
            elif known.done_at is None:
                known.to_node = move.to_node
                known.from_node = known.from_node or move.from_node
            elif known.done_node == known.from_node == move.from_node and move.to_node != known.from_node:
                # It was started or found once more where it was, and leaves it now: that was not the end.
                known.done_at, known.done_node, known.to_node, known.failed = None, None, move.to_node, False
                if story.outcome is Outcome.SUCCEEDED:
                    story.outcome, story.service_restored_at = Outcome.ONGOING, None
                    story.limit_at = (move.stopped_at or story.detected_at) + self.settings.failover_limit
        self.weighing.down_since(story)  # what failed is perhaps one of those that leave
        self._name_ends(story)

    def is_no_service(self, resource: str, at: datetime) -> None:
        """What was taken for a service, its name did not tell, is a fence device or a clone: that it goes elsewhere is no departure."""
        self.state.suspects.pop(resource, None)
        self.state.suspects_at.pop(resource, None)
        self.state.restarting.pop(resource, None)
        self.state.returning.pop(resource, None)
        for story in self.book.open_stories():
            if story.kind not in DEPARTURES or story.moves.pop(resource, None) is None:
                continue
            story.resources = [name for name in story.resources if name != resource]
            if story.moves:
                self._name_ends(story)
                self.weighing.judge_outcome(story, at)
            else:
                self._withdraw(story, at)

    def planned_by(self, name: str) -> list[Story]:
        """Departures to a node from a peer that it took for lost, of which nothing has left yet: only that node's plan tells of them."""
        return [
            story
            for story in self.book.open_stories()
            if story.kind in DEPARTURES and story.outcome is Outcome.ONGOING and story.moves and not self._is_gone(story.from_node or "")
            if all(move.to_node == name and (move.stopped_at, move.done_at) == (None, None) for move in story.moves.values())
        ]

    def _withdraw(self, story: Story, at: datetime) -> None:
        """A departure was none; what was taken for its cause stands alone again, and holds it."""
        parts = [part for part in self.state.stories if part.part_of == story.key]
        for part in parts:
            part.part_of = None
        story.vain, story.severity, story.outcome = True, Severity.INFO, Outcome.NONE
        if parts:
            story.part_of = parts[0].key
        self.book.close(story, at, "no service went elsewhere")

    def _name_ends(self, story: Story) -> None:
        """From and to are those of the group, else of the promoted instance."""
        plain = [move for move in story.moves.values() if not move.promoted] or list(story.moves.values())
        sources = [move.from_node for move in plain if move.from_node]
        targets = [target for move in plain if (target := move.done_node or move.to_node) is not None]
        story.from_node = _most(sources) or story.from_node
        story.to_node = _most(targets)
        if story.to_node == story.from_node and len({move.done_node for move in plain} - {None}) <= 1:
            story.to_node = None
        for name in (story.from_node, story.to_node):
            if name is not None and name not in story.nodes:
                story.nodes.append(name)

    def stopped(self, resource: str, node: str, at: datetime, *, expected_back: bool, polled: bool = False) -> None:
        """A service resource stopped. In a departure that is a step of it; elsewhere it may be the first sign of one."""
        for story in self.book.open_stories():
            move = story.moves.get(resource)
            if move is not None and move.done_node == node and story.stumbled and story.outcome is Outcome.ONGOING and is_hearsay(story):
                move.done_at, move.done_node, move.failed = None, None, True  # another one did not come up there: it goes away again
                return
            if move is not None and move.done_at is None:
                if move.from_node not in (node, None):
                    return  # what a failed start left behind is cleaned up on the way
                move.from_node = node
                move.stopped_at = move.stopped_at or at
                _is_down_since(story, at)
                self._name_ends(story)
                return
        if topology.active_nodes(self.state.resources[resource]) or resource in self.state.returning:
            return
        if topology.is_replica(resource) or self.book.find(IncidentKind.SPLIT_BRAIN_SUSPECTED, resource) is not None:
            return  # what runs on two nodes is stopped on both, to go on where it is
        known = self.state.suspects.get(resource)
        if known is not None and known.from_node != node and topology.is_uncertain(self.state.resources[resource]):
            return  # it was tried there, after it stopped where it served
        if expected_back:
            self.state.restarting[resource] = Move(resource, node, stopped_at=at)
        else:
            self.state.suspects[resource] = Move(resource, node, stopped_at=at, polled=polled)
            self.state.suspects_at[resource] = at
        if not polled and self._has_rested_since(at):  # a poll does not wait for the lines of another log
            self.idle(at)

    def ended_with(self, node: str, resource: str, at: datetime) -> None:
        """The node that a service ran on was lost and begins anew, and nobody took the service over: it is down since that loss."""
        if not topology.active_nodes(self.state.resources[resource]) and resource not in self.state.suspects:
            self.state.suspects[resource] = Move(resource, node, stopped_at=at, is_outage=True)
            self.state.suspects_at[resource] = at

    def started(self, resource: str, node: str, at: datetime, *, promoted: bool, before: list[str]) -> None:
        """A service resource serves on a node; `before` are the nodes where it did until now, as far as known."""
        for story in self.state.stories:
            move = story.moves.get(resource)
            if move is not None and (story.state is IncidentState.OPEN if move.done_at is None else _is_its_start(story, move, node, at)):
                move.done_at, move.done_node, move.failed = at, node, False
                self.state.suspects.pop(resource, None)
                self.state.suspects_at.pop(resource, None)
                self._name_ends(story)
                self.weighing.judge_outcome(story, at)
                if self._has_rested_since(at):
                    self.idle(at)
                return
        self.state.returning.pop(resource, None)
        self.state.restarting.pop(resource, None)
        suspect = self.state.suspects.pop(resource, None)
        self.state.suspects_at.pop(resource, None)
        if suspect is not None and (suspect.from_node != node or suspect.is_outage):
            item = self.state.resources[resource]
            item.uncertain = False  # what goes from node to node is no clone
            if not suspect.is_outage and self._is_first_try(item, suspect.from_node, at):
                return
            self._arrive(suspect, node, at, promoted)
            return
        if suspect is not None:
            for name, other in self.state.suspects.items():
                if other.from_node == node and not other.polled:
                    self.state.suspects_at[name] = at  # what runs on it is next
            return  # it stopped and started again where it was
        left = next((name for name in before if name != node and self._is_gone(name)), None)
        if left is not None:
            self._arrive(Move(resource, left), node, at, promoted)

    def _arrive(self, move: Move, node: str, at: datetime, promoted: bool) -> None:
        move.to_node, move.promoted = node, promoted
        story = self.depart(move.from_node, [move], move.stopped_at or at)
        if self.state.returning.pop(move.resource, None) == story.key:
            return  # it went back by itself; when the service was back after its departure is another time
        known = story.moves[move.resource]
        known.done_at, known.done_node = at, node
        _is_down_since(story, move.stopped_at)
        # The other members that stopped there are on their way too.
        for name, other in list(self.state.suspects.items()):
            if other.from_node == move.from_node and not topology.is_uncertain(self.state.resources[name]):
                self._add(story, [other])
                self.state.suspects.pop(name, None)
                self.state.suspects_at.pop(name, None)
        if story.down_since is not None:  # it was known by one that stopped later than others
            story.started_at = min(story.started_at or story.down_since, story.down_since)
        self._name_ends(story)
        self.weighing.judge_outcome(story, at)

    def is_moving(self, resource: str) -> bool:
        """Whether it is part of a departure that goes on, or was until just now."""
        return any(resource in story.moves for story in self.book.open_stories() if story.kind in DEPARTURES)

    def leaves(self, node: str) -> bool:
        """Whether a departure from this node goes on, or ended just now."""
        return any(story.from_node == node for story in self.book.open_stories() if story.kind in DEPARTURES)

    def is_done(self, resource: str, source: str, target: str) -> bool:
        """Whether it is known that it went from one node to the other."""
        moves = [story.moves[resource] for story in self.state.stories if resource in story.moves]
        return any((move.from_node, move.done_node) == (source, target) for move in moves)

    def _has_rested_since(self, at: datetime) -> bool:
        """Whether the cluster had nothing more to do after a moment of which a log tells; else the DC's log, read late, may tell more."""
        return self.state.is_idle and self.state.rested_at is not None and at <= self.state.rested_at

    def _is_done_since(self, move: Move, at: datetime) -> bool:
        """Whether a departure that is known, and may be over, has that move after its order, which the log of the DC tells late."""
        known = [story.moves[move.resource] for story in self.state.stories if move.resource in story.moves]
        ends = (move.from_node, move.to_node)
        return any((done.from_node, done.done_node) == ends and done.done_at is not None and done.done_at >= at for done in known)

    def stopped_before(self, resource: str, source: str, target: str, at: datetime) -> None:
        """The stop is told after the start that followed it; the departure may be over by now."""
        for story in reversed(self.state.stories):
            move = story.moves.get(resource)
            if move is not None and (move.from_node, move.done_node) == (source, target):
                move.stopped_at = move.stopped_at or at
                _is_down_since(story, at)
                self.book.changed(story, "when it stopped")
                return

    def arrived(self, resource: str, source: str, stopped_at: datetime, target: str, at: datetime, *, promoted: bool) -> None:
        """It became known later that a resource which serves on a node left another one for it."""
        self.state.resources[resource].uncertain = False
        self._arrive(Move(resource, source, stopped_at=stopped_at), target, max(at, stopped_at), promoted)

    def taken_over(self, resource: str, source: str, target: str, at: datetime, *, promoted: bool) -> None:
        """A resource serves on a node instead of on one that was lost."""
        self.state.resources[resource].uncertain = False
        self._arrive(Move(resource, source), target, at, promoted)

    def failed_on(self, resource: str, node: str) -> Story | None:
        """A start or promotion failed: the departure on whose way that happened."""
        suspect = self.state.suspects.get(resource)
        leaves = suspect is not None and suspect.stopped_at is not None and suspect.from_node not in (node, None)
        if leaves and suspect is not None and suspect.stopped_at is not None and topology.is_uncertain(self.state.resources[resource]):
            self.state.resources[resource].uncertain = False  # it was to go there
            departed = self.depart(suspect.from_node, [suspect], suspect.stopped_at)
            if departed.outcome is Outcome.SUCCEEDED and resource in departed.moves:
                departed.outcome, departed.service_restored_at = Outcome.ONGOING, None  # what had arrived was not all
                departed.limit_at = suspect.stopped_at + self.settings.failover_limit
        for story in self.book.open_stories():
            move = story.moves.get(resource)
            if move is not None and move.done_at is None and move.from_node != node:
                move.failed = story.stumbled = True
                return story
        return None

    def hint(self, at: datetime, reporter: str | None) -> None:
        """pm_logconv: a failure makes a service resource move or stop. The latest fault tells which node is left."""
        source, resources = None, []
        for story in reversed(self.state.stories):
            recent = at - story.detected_at <= self.settings.story_window
            if recent and story.part_of is None and story.nodes and story.kind in FAULTS - {IncidentKind.STANDBY_FAULT}:
                source, resources = story.nodes[0], list(story.resources)
                break
        members = [
            item.id
            for item in topology.service_resources(self.state, self.settings)
            if source is not None and source in topology.active_nodes(item)
        ]
        wanted = [name for name in dict.fromkeys([*resources, *members]) if self._may_move(name)]
        self.depart(source, [Move(name, source) for name in wanted], at, hinted=True)

    def _may_move(self, name: str) -> bool:
        item = self.state.resources.get(name)
        return item is not None and topology.is_service(item, self.settings, self.state)

    def summary(self, resource: str, source: str | None, target: str | None, at: datetime) -> None:
        """pm_logconv's F11 lines: where a service resource is after the fail-over; `target` None: nowhere."""
        story = self._last_hinted()
        if story is None:
            return
        move = story.moves.setdefault(resource, Move(resource, source or story.from_node))
        if resource not in story.resources:
            story.resources.append(resource)
        move.from_node = source or move.from_node
        if target is None:
            move.failed, move.done_at, move.to_node = True, None, None
        else:
            move.to_node, move.done_node, move.done_at, move.failed = target, target, move.done_at or at, False
        self._name_ends(story)
        self._left_the_lost(story, at)
        self.book.changed(story, "summary")

    def _left_the_lost(self, story: Story, at: datetime) -> None:
        """Where nothing told what ran where, a fail-over that is summed up left the one node that was fenced just before."""
        fenced = [node.name for node in self.state.nodes.values() if node.fenced_at is not None and node.member is False]
        if story.from_node is not None or len(fenced) != 1 or at - (story.started_at or story.detected_at) > self.settings.story_window:
            return
        for move in story.moves.values():
            move.from_node = move.from_node or fenced[0]
        self._name_ends(story)
        self.book.adopt(story, fenced)
        self.weighing.down_since(story)

    def hinted_end(self, good: bool, at: datetime) -> None:
        """pm_logconv's F12 lines."""
        story = self._last_hinted()
        if story is None:
            return
        if good:
            if story.outcome is not Outcome.SUCCEEDED:  # else the operations told when it was back; this comes when the cluster is idle
                self.weighing.succeed(story, at)
        else:
            self.weighing.fail(story, at)

    def _last_hinted(self) -> Story | None:
        return next((story for story in reversed(self.state.stories) if story.kind in DEPARTURES and story.hinted), None)

    def idle(self, at: datetime) -> None:
        """The cluster has nothing more to do: what has not arrived by now is down. A log that comes late tells it of what was before."""
        for story in list(self.book.open_stories()):
            is_before = (story.started_at or story.detected_at) - at > WHOLE_SECOND
            if story.kind in DEPARTURES and story.outcome is Outcome.ONGOING and story.moves and not is_before:
                if not self._may_arrive(story, at):
                    continue
                waiting = [move for move in story.moves.values() if move.done_at is None]
                failed = [move for move in waiting if move.failed and move.begun_on is not None]
                for move in waiting if failed else ():
                    if not move.failed and move.begun_on is None:
                        move.to_node = None  # it was to start after what failed: nothing begins it any more
                stuck = bool(waiting) and all(move.to_node is None or move.failed for move in waiting)
                stuck = stuck or self._holds_on(story, waiting)
                # What was tried elsewhere did not wait for the fencing of the node that it left.
                if stuck and (failed or not self._fencing_pending(story)):
                    self._name_ends(story)
                    self.weighing.fail(story, at)
        for name in list(self.state.returning):
            if not topology.active_nodes(self.state.resources[name]):
                del self.state.returning[name]  # it did not arrive
                self.state.suspects[name], self.state.suspects_at[name] = Move(name, None, stopped_at=at), at
        self._not_back(at, timedelta(0))
        left = {name: move for name, move in self.state.suspects.items() if self._stopped_before(name, at, timedelta(0))}
        self._down(left, at)

    def _may_arrive(self, story: Story, at: datetime) -> bool:
        """Take out what stays where it is, since the node that was to take it over was lost meanwhile; whether anything has left."""
        for move in list(story.moves.values()):
            if move.done_at is not None or move.to_node is None or not self._is_gone(move.to_node):
                continue
            move.to_node = None
            if move.stopped_at is None and move.from_node in topology.active_nodes(self.state.resources[move.resource]):
                del story.moves[move.resource]
                story.resources = [name for name in story.resources if name != move.resource]
        if not story.moves:
            self._withdraw(story, at)
        return bool(story.moves)

    def _holds_on(self, story: Story, waiting: list[Move]) -> bool:
        """Whether something could not be stopped where it was, and nobody is fenced for it: nothing may start it elsewhere."""
        stuck = {
            name
            for part in self.book.open_stories()
            if part.kind is IncidentKind.STOP_FAILED and part.part_of == story.key and story.from_node in part.nodes
            for name in part.resources
        }
        return any(move.resource in stuck for move in waiting)

    def began_before(self, at: datetime) -> None:
        """The cluster has nothing more to do, nor with what it decided before the evidence begins.

        What stopped before the first plan that was seen, and was not seen to start, may have been started before the evidence begins too:
        where nothing failed, it is not held to be down.
        """
        since = self.state.plans_since or at
        for name, left in [*self.state.suspects.items(), *self.state.restarting.items()]:
            if self._is_unseen(left, since):
                for kept in (self.state.suspects, self.state.suspects_at, self.state.restarting):
                    kept.pop(name, None)
        for story in list(self.book.open_stories()):
            if story.kind not in DEPARTURES or story.outcome is not Outcome.ONGOING or story.hinted:
                continue
            # What the plan has stop may have stopped in the second of the plan.
            stopped = {action.resource for action in self.state.plan if action.to_node is None}
            unseen = [
                move
                for move in story.moves.values()
                if move.to_node is None and move.resource not in stopped and self._is_unseen(move, since)
            ]
            if not unseen or len(unseen) == len(story.moves):
                continue
            for move in unseen:
                del story.moves[move.resource]
                story.resources.remove(move.resource)
            self._name_ends(story)
            self.weighing.judge_outcome(story, at)

    def _is_unseen(self, move: Move, since: datetime) -> bool:
        """Whether what became of a resource that left may stand before the evidence begins: it was seen neither planned nor failed."""
        if move.done_at is not None or move.failed or move.polled or move.is_outage or move.stopped_at is None or move.stopped_at > since:
            return False
        others = (node for node in self.state.nodes.values() if node.name != move.from_node)
        return not any(move.resource in node.failed or move.resource in node.barred for node in others)

    def works_on(self, resource: str, node: str, at: datetime) -> bool:
        """Whether that it works on a node tells its arrival there: it stopped elsewhere, and no line of its start was seen."""
        left = self.running(resource) or self.state.suspects.get(resource)
        return left is not None and left.from_node not in (node, None) and left.stopped_at is not None and left.stopped_at <= at

    def _not_back(self, at: datetime, age: timedelta) -> None:
        """What was to be restarted where it was and did not come back is as suspect as what just stopped."""
        for name, move in list(self.state.restarting.items()):
            if move.stopped_at is not None and at - move.stopped_at >= age:
                del self.state.restarting[name]
                if not topology.active_nodes(self.state.resources[name]):
                    self.state.suspects[name], self.state.suspects_at[name] = move, move.stopped_at

    def overdue(self, now: datetime) -> None:
        """Without plans and idle lines, a service that stays stopped for the grace time is down."""
        left = {
            name: move
            for name, move in self.state.suspects.items()
            if not move.polled and self._stopped_before(name, now, self.settings.grace)
        }
        for source in dict.fromkeys(move.from_node for move in left.values()):
            unsure = {
                name: move
                for name, move in self.state.suspects.items()
                if move.from_node == source and topology.is_uncertain(self.state.resources[name])
            }
            # A clone stops and stays so where its node cannot run it; several that stop together after a fault there are a service.
            if len(unsure) > 1 and self.weighing.faults(source, now):
                left |= unsure
                continue
            for name in unsure.keys() & left.keys():
                del left[name], self.state.suspects[name], self.state.suspects_at[name]
        self._down(left, now)
        for story in self.book.open_stories():
            if (stuck := self.stuck_at(story)) is not None and stuck <= now:
                self.weighing.fail(story, now)

    def stuck_at(self, story: Story) -> datetime | None:
        """When a departure of which no log tells counts as failed: no plan says that the cluster has nothing more to do."""
        if (
            story.kind not in DEPARTURES
            or story.outcome is not Outcome.ONGOING
            or any(entry.source is Source.LOG for entry in story.timeline)
        ):
            return None
        waiting = [move for move in story.moves.values() if move.done_at is None]
        if not waiting or not all(move.failed for move in waiting) or self._fencing_pending(story):
            return None
        return max(entry.at for entry in story.timeline) + self.settings.grace if story.timeline else None

    def polled_down(self, source: str | None, moves: Iterable[Move], at: datetime, *, failed: bool) -> None:
        """Polls show services that serve nowhere; `failed`: nothing will bring them up by itself."""
        moves = list(moves)
        stopped = [move.stopped_at for move in moves if move.stopped_at is not None]
        for move in moves:
            self.state.suspects.pop(move.resource, None)
            self.state.suspects_at.pop(move.resource, None)
        story = self.depart(source, moves, min(stopped, default=at))
        _is_down_since(story, min(stopped, default=at))
        if failed and all(move.done_at is None for move in story.moves.values()):
            self.weighing.fail(story, at)
            if story.settle_at is not None:
                story.settle_at = max(story.settle_at, min(stopped, default=at) + self.settings.grace)

    def _stopped_before(self, resource: str, at: datetime, age: timedelta) -> bool:
        return at - self.state.suspects_at[resource] >= age

    def _down(self, left: dict[str, Move], at: datetime) -> None:
        for source in dict.fromkeys(move.from_node for move in left.values()):
            gone = [move for move in left.values() if move.from_node == source]
            for move in gone:
                self.state.suspects.pop(move.resource, None)
                self.state.suspects_at.pop(move.resource, None)
            stopped = [move.stopped_at for move in gone if move.stopped_at is not None]
            story = self.depart(source, gone, min(stopped, default=at))
            _is_down_since(story, min(stopped, default=at))
            # Else it went on the order of a DC whose log is not read: where to, only that one would tell.
            is_seen = source is None or not self._only_it_tells(source) or not (self.state.draft_by is None or self._stops(source))
            if is_seen and all(move.done_at is None for move in story.moves.values()):
                self.weighing.fail(story, at)

    def is_out_of_sight(self, story: Story) -> bool:
        """Whether nothing is read but the log of the node that is left, and that stopped in order or made no plan."""
        name = story.from_node
        fails = story.stumbled or any(move.failed for move in story.moves.values())
        if name is None or fails or not self._only_it_tells(name):
            return False
        return self.state.draft_by is None or (story.planned is True and self._stops(name))

    def _stops(self, name: str) -> bool:
        """Whether the node was asked to stop; it may have joined again since."""
        return any(mark.kind == "shutdown" and mark.node == name for mark in self.state.marks)

    def _only_it_tells(self, name: str) -> bool:
        """Whether nothing is read but the log of one node: if it is no DC or stops, what became of what it stopped is not known."""
        state = self.state
        return state.controllers == [name] and not state.senders and not topology.is_polled(state)

    def _fencing_pending(self, story: Story) -> bool:
        known = self.state.nodes.get(story.from_node or "")
        return known is not None and known.member is False and known.fenced_at is None and known.stop_requested_at is None


def _most(names: list[str]) -> str | None:
    return max(dict.fromkeys(names), key=names.count) if names else None


def _is_its_start(story: Story, move: Move, node: str, at: datetime) -> bool:
    """Another node's log may be read first, with a later stamp or only with the end of it all: the start itself is the exact time."""
    return move.done_node == node and move.done_at is not None and (story.started_at or story.detected_at) <= at < move.done_at


def _is_down_since(story: Story, at: datetime | None) -> None:
    """The service of a departure is down at least since the first of its members stopped."""
    if at is not None and (story.down_since is None or at < story.down_since):
        story.down_since = at
