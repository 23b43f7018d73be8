"""Polls and the story: what the state of a cluster, as polls show it, confirms, closes, or shows to be missing from it.

The law: a state is what two polls in a row show, at least two seconds apart; and for half a minute after a log or a trap told of a change
no poll contradicts it (taxonomy 8). What the first poll finds wrong was so before: it opens stories without a beginning, that alarm nobody.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from hamon.classify import topology
from hamon.classify.compare import Watch
from hamon.classify.constraints import INFINITY
from hamon.classify.departures import Departures
from hamon.classify.effects import Effects
from hamon.classify.endings import Endings
from hamon.classify.fencing import Fencing
from hamon.classify.marks import Marks
from hamon.classify.operations import Operations
from hamon.classify.rows import APART, QUIET, Rows
from hamon.classify.services import Candidate, Hindrance, Reason, Service, Services, find
from hamon.classify.settings import ClusterSettings
from hamon.classify.state import LEFT, Mark, Move, Node, PolledService, State, Story
from hamon.classify.stories import DEPARTURES, Book
from hamon.model.cluster import ClusterStatus, NodeStatus, Role
from hamon.model.event import Event, EventKind
from hamon.model.incident import Cause, IncidentKind, IncidentState, Outcome, Severity, TimelineEntry
from hamon.model.observation import Source

_PLANNED = frozenset({Reason.STANDBY, Reason.MAINTENANCE, Reason.NODE_STOPPING, Reason.UNMANAGED})
_CAUSES = {
    Reason.NODE_LOST: "node_lost",
    Reason.NODE_UNCLEAN: "node_unclean",
    Reason.NODE_STOPPED: "node_lost",
    Reason.NODE_PENDING: "node_lost",
    Reason.ATTRIBUTE: "connectivity_degraded",
    Reason.HEALTH: "attribute_changed",
    Reason.BAN: "move_constraint_set",
    Reason.FAIL_COUNT: "failcount_threshold",
    Reason.RESOURCE_FAILED: "resource_failure",
    Reason.NO_INSTANCE: "resource_stopped",
    Reason.NOT_PROMOTABLE: "attribute_changed",
    Reason.CLONE_MISSING: "resource_stopped",
    Reason.BLOCKED: "resource_blocked",
    Reason.NO_QUORUM: "quorum_lost",
}
"""The kind of the cause of a standby fault that only polls show."""
_EVERYWHERE = frozenset({Reason.UNMANAGED, Reason.BLOCKED, Reason.NO_QUORUM, Reason.TICKET})
"""About the service wherever it runs: no fault of a node that could take it over."""
_KEPT = ("over ", "twice ")
"""What is seen and forgotten where it is judged."""
_OUT = frozenset({Reason.NODE_LOST, Reason.NODE_UNCLEAN, Reason.NODE_STOPPED})

_CHANGES = frozenset(
    {
        EventKind.RESOURCE_STARTED,
        EventKind.RESOURCE_STOPPED,
        EventKind.RESOURCE_PROMOTED,
        EventKind.RESOURCE_DEMOTED,
        EventKind.RESOURCE_MIGRATED,
        EventKind.OPERATION_FAILED,
        EventKind.NODE_LOST,
        EventKind.NODE_LEFT,
        EventKind.NODE_JOINED,
        EventKind.ATTRIBUTE_CHANGED,
        EventKind.FENCING_DONE,
        EventKind.FENCING_REQUESTED,
        EventKind.FENCING_FAILED,
    }
)


class Polls:
    """What polls say about the stories of one cluster."""

    def __init__(
        self,
        state: State,
        settings: ClusterSettings,
        book: Book,
        departures: Departures,
        effects: Effects,
        marks: Marks,
        operations: Operations,
        fencing: Fencing,
    ) -> None:
        self.state, self.settings, self._book = state, settings, book
        self._departures, self._effects, self._marks = departures, effects, marks
        self._operations, self._fencing = operations, fencing
        self._rows = Rows(state)
        self._endings = Endings(state, book, operations, self._rows)
        self._judged: ClusterStatus | None = None
        self._changed_at: datetime | None = None
        self._services = Services()

    # -- before the events of a poll

    def learn(self, watch: Watch) -> None:
        """Take names and kinds from a status, and from the first one the whole state, as far as nothing is known of it yet."""
        status = watch.accepted
        if status is None:
            return
        state = self.state
        for node in status.nodes:
            if node.id.isdigit():
                topology.id_seen(state, node.id)
                state.node_ids.setdefault(node.id, node.name)
            if node.hosted_by is None:
                topology.node(state, node.name)
        groups: dict[str, list[str]] = {}
        parts: dict[str, list[str]] = {}
        for item in watch.surveyed.values():
            known = topology.resource(state, item.id, self.settings)
            known.clone, known.promotable, known.surveyed = item.clone, item.promotable, True
            known.device = item.device or item.hidden
            if item.group is not None:
                groups.setdefault(item.group, []).append(item.id)
            for name in item.path if not item.hidden else ():
                parts.setdefault(name, []).append(item.id)
        state.polls.groups, state.polls.parts = groups, parts
        state.polls.named = {
            name: [part for member in members for part in parts.get(member, (member,))] for name, members in self.settings.services.items()
        }
        for attribute in status.attributes:
            if attribute.expected is not None and topology.is_number(attribute.expected):
                state.best[attribute.name] = max(float(attribute.expected), state.best.get(attribute.name, 0.0))
        if (policy := status.options.no_quorum_policy) is not None:
            state.quorum_ignored = policy == "ignore"
        if state.polls.last_at is None:
            self._begin(watch, status)

    def _begin(self, watch: Watch, status: ClusterStatus) -> None:
        state = self.state
        state.polls.first_at = status.at
        state.dc = state.dc or status.dc
        if state.has_quorum is None:
            state.has_quorum = status.has_quorum
        if status.options.maintenance_mode and state.maintenance_at is None:
            state.maintenance_at = status.at
        for attribute in status.attributes:
            state.attributes.setdefault(f"{attribute.node} {attribute.name}", attribute.value)
        for item in watch.surveyed.values():
            known = state.resources[item.id]
            known.unmanaged = bool(item.unmanaged - item.blocked)
            if not known.roles:
                known.roles.update({node: role.value for node, role in watch.steady.get(item.id, {}).items()})
        fenced = {entry.target for entry in status.fencing if entry.status == "success" and entry.action != "on"}
        for shown in status.nodes:
            if shown.hosted_by is None:
                self._first_seen(topology.node(state, shown.name), shown, status.at, shown.name in fenced)
        for history in status.history:
            if history.fail_count:
                topology.node(state, history.node).fail_counts.setdefault(history.resource, str(history.fail_count))
        for ban in status.bans:
            if ban.id.startswith("cli-ban-"):
                topology.node(state, ban.node).bans.setdefault(ban.id, status.at)
                if all(mark.constraint != ban.id for mark in state.marks):
                    state.marks.append(Mark(LEFT, status.at, node=ban.node, resource=ban.resource, constraint=ban.id))

    def _first_seen(self, node: Node, shown: NodeStatus, at: datetime, fenced: bool) -> None:
        if node.member is None:
            node.member = shown.online and not shown.pending
            if not shown.online:
                if fenced:
                    node.fenced_at = at
                elif shown.unclean or shown.expected_up:
                    node.lost_at = at
                else:
                    node.stop_requested_at = at
        if shown.online and not shown.pending:
            if shown.standby and not shown.standby_on_fail:
                node.standby_at = node.standby_at or at
            if shown.maintenance:
                node.maintenance_at = node.maintenance_at or at
            if shown.shutdown:
                node.stop_requested_at = node.stop_requested_at or at

    # -- its events

    def heard(self, event: Event) -> None:
        """A log or a trap told of a change."""
        if event.kind in _CHANGES:
            heard, at = self.state.heard, event.at
            for name in (event.node, event.resource):
                if name is not None and ((known := heard.get(name)) is None or known < at):
                    heard[name] = at

    def is_known(self, event: Event) -> bool:
        """Whether the event of a poll only says what is known: the state holds it, or a log or a trap told of something later."""
        state, node, detail = self.state, self.state.nodes.get(event.node or ""), event.detail
        if event.kind in (EventKind.RESOURCE_STARTED, EventKind.RESOURCE_PROMOTED, EventKind.RESOURCE_STOPPED, EventKind.RESOURCE_DEMOTED):
            return self._is_known_role(event)
        match event.kind:
            case EventKind.NODE_LOST:
                return node is not None and node.member is False
            case EventKind.NODE_JOINED:
                return node is not None and node.member is True
            case EventKind.STANDBY_ON:
                return node is not None and node.standby_at is not None
            case EventKind.STANDBY_OFF:
                return node is not None and node.standby_at is None
            case EventKind.MAINTENANCE_ON | EventKind.MAINTENANCE_OFF:
                since = state.maintenance_at if event.node is None else node.maintenance_at if node is not None else None
                return (since is not None) == (event.kind is EventKind.MAINTENANCE_ON)
            case EventKind.SHUTDOWN_REQUESTED:
                return node is not None and node.stop_requested_at is not None
            case EventKind.MOVE_CONSTRAINT_SET | EventKind.MOVE_CONSTRAINT_CLEARED:
                there = any(mark.constraint == detail.get("constraint") and mark.ended_at is None for mark in state.marks)
                return there and event.kind is EventKind.MOVE_CONSTRAINT_SET
            case EventKind.DC_CHANGED:
                return state.dc == event.node
            case EventKind.QUORUM_LOST | EventKind.QUORUM_ACQUIRED:
                return state.has_quorum == (event.kind is EventKind.QUORUM_ACQUIRED)
            case EventKind.FENCING_REQUESTED:
                return self._book.find(IncidentKind.FENCING, event.node or "") is not None
            case EventKind.ATTRIBUTE_CHANGED:
                return state.attributes.get(f"{event.node} {detail.get('attribute')}") == detail.get("new")
            case EventKind.FAIL_COUNT_CHANGED:
                return (
                    node is not None and node.fail_counts.get(event.resource or "") == detail.get("value") and detail["value"] is not None
                )
            case _:
                return False

    def _is_known_role(self, event: Event) -> bool:
        item = self.state.resources.get(event.resource or "")
        name = event.node or ""
        if item is None:
            return False
        if event.at < self.state.heard.get(item.id, event.at):
            return True
        role = item.roles.get(name)
        match event.kind:
            case EventKind.RESOURCE_STOPPED:
                return role is None
            case EventKind.RESOURCE_DEMOTED:
                return role != topology.PROMOTED
        node = self.state.nodes.get(name)
        waiting = self._departures.running(item.id) is not None or item.id in self.state.suspects
        if waiting or (node is not None and item.id in node.failed):
            return False
        return role == topology.PROMOTED if event.kind is EventKind.RESOURCE_PROMOTED else role is not None

    # -- after them

    def judge(self, watch: Watch) -> None:
        """Compare the stories with the state that the poll shows."""
        status = watch.accepted
        if status is None:
            return
        memory, at = self.state.polls, status.at
        first = memory.last_at is None
        if watch.changed or self._changed_at is None:
            self._changed_at = at
        elif at - self._changed_at > self.settings.grace + QUIET and not self._book.has_open and not self.state.suspects:
            memory.last_at = at  # all is as it was, and nothing waits to be judged
            return
        if self._judged is None or watch.changed:
            self._services = find(status, named=self.settings.services or None)
            self._judged = status
        seen: set[str] = set()
        self._see_bans(status, first)
        self._see_services(self._services, status, seen, first)
        self._see_members(watch, status, seen)
        self._see_roles(watch, status, seen)
        memory.last_at = at
        for name in [name for name in memory.since if name not in seen and not name.startswith(_KEPT)]:
            del memory.since[name]
        self._gone_attributes(watch, at)
        self._complete(watch, at)
        self._outages(watch, status)
        self._given_up(at)
        self._standby(status, first)
        self._twice_active(at)
        self._endings.close(watch, status)

    def _see_services(self, found: Services, status: ClusterStatus, seen: set[str], first: bool) -> None:
        memory, at = self.state.polls, status.at
        departing = any(story.kind in DEPARTURES and story.outcome is Outcome.ONGOING for story in self._book.open_stories())
        if self.settings.pattern is not None:
            memory.pattern = self.settings.pattern
        elif not departing and found.services and all(service.up or service.held for service in found.services):
            memory.pattern = self.settings.pattern or found.pattern.value
        keeps_spare = memory.pattern in ("N+1", "N+M")
        before, memory.services = memory.services, {}
        for service in found.services:
            known = before.get(service.name, PolledService())
            now = PolledService(members=list(service.members), active=list(service.active_nodes), up=bool(service.up))
            now.moving, now.disabled, now.held = service.moving, service.disabled, bool(service.held)
            for candidate in service.candidates:
                passing = self._passing(candidate)
                words = [self._word(item) for item in passing or ()]
                name = f"{service.name} {candidate.node}"
                if passing is None:
                    continue
                if candidate.able:
                    settled = self._rows.lasts(f"able {name}", at, seen) or first
                    if not settled and candidate.node in known.against:
                        now.against[candidate.node] = known.against[candidate.node]  # one good poll is none
                        continue
                    now.able.append(candidate.node)
                    memory.fit.setdefault(name, at)
                elif candidate.able is False:
                    now.against[candidate.node] = words
                    self._rows.lasts(f"unable {name}", at, seen)
            now.spare = [node for node in now.able if node in found.spare] if keeps_spare else list(now.able)
            memory.services[service.name] = now

    def _see_bans(self, status: ClusterStatus, first: bool) -> None:
        """Tell bans by rules, which pass, from those that somebody configured. A poll shows only that there is one."""
        memory = self.state.polls
        changed = status.last_change.at if status.last_change is not None else None
        by_hand = first or changed != memory.changed_at
        memory.changed_at = changed
        now = [f"{ban.id} {ban.node}" for ban in status.bans if ban.weight <= -INFINITY and not ban.id.startswith("cli-")]
        memory.bans = {name: memory.bans.get(name, not by_hand) for name in now}

    def _passing(self, candidate: Candidate) -> list[Hindrance] | None:
        """What speaks against a node and may pass; None: the configuration never lets the service run there."""
        came = [item for item in candidate.hindrances if not item.lasting or self.state.polls.bans.get(f"{item.subject} {item.node}")]
        lasting = any(item.lasting and item not in came for item in candidate.hindrances)
        return came if candidate.allowed or (came and not lasting) else None

    def _word(self, hindrance: Hindrance) -> str:
        """The reason, with what is known of a node that is not there."""
        node = self.state.nodes.get(hindrance.node)
        if hindrance.reason in _OUT and node is not None and node.member is False:
            return f"{topology.absence(node)} {hindrance.node}"
        return str(hindrance)

    def _see_members(self, watch: Watch, status: ClusterStatus, seen: set[str]) -> None:
        for node in status.nodes:
            if watch.members.get(node.name) and not node.unclean:
                self._rows.lasts(f"member {node.name}", status.at, seen)
            tried = [entry for entry in status.fencing if entry.target == node.name]
            if (
                node.unclean
                and not node.online
                and tried
                and tried[0].status == "failed"
                and all(entry.status != "pending" for entry in tried)
            ):
                self._rows.lasts(f"unfenced {node.name}", status.at, seen)

    def _see_roles(self, watch: Watch, status: ClusterStatus, seen: set[str]) -> None:
        """Where primitives run; of services also that they run nowhere."""
        at = status.at
        for name, item in watch.surveyed.items():
            roles = watch.steady.get(name, {})
            serving = [node for node, role in roles.items() if not item.promotable or role is Role.PROMOTED]
            if not serving and not item.is_moving:
                self._rows.lasts(f"down {name}", at, seen)
            for node in roles:
                if node not in item.failed and not item.is_moving:
                    self._rows.lasts(f"runs {name} {node}", at, seen)
            for node in serving:
                self._rows.lasts(f"serves {name} {node}", at, seen)

    # -- departures and outages

    def _complete(self, watch: Watch, at: datetime) -> None:
        """A move that no event ended, though two polls show the service where it is."""
        for story in self._book.open_stories():
            if story.kind not in DEPARTURES:
                continue
            for move in list(story.moves.values()):
                if move.done_at is not None or not self._rows.silent(at, move.resource):
                    continue
                places = watch.steady.get(move.resource, {})
                node = next((name for name in places if self._rows.is_settled(f"serves {move.resource} {name}", at)), None)
                since = None if node is None else self._rows.since(f"serves {move.resource} {node}")
                if node is not None and since is not None and since >= (move.stopped_at or story.detected_at):
                    self._departures.started(move.resource, node, since, promoted=move.promoted, before=[])

    def _outages(self, watch: Watch, status: ClusterStatus) -> None:
        """Services that serve nowhere, by two polls: on their way, waiting for the fencing of their node, or down."""
        state, at = self.state, status.at
        down: dict[str | None, list[Move]] = {}
        for item in topology.service_resources(state, self.settings):
            since = self._rows.since(f"down {item.id}")
            suspect = state.suspects.get(item.id)
            if since is None or at - since < APART or (suspect is None and not self._rows.silent(at, item.id)):
                continue
            move = self._departures.running(item.id)
            if move is not None:
                if not self._can_arrive(item.id, at, since):
                    self._give_up(item.id, at)
                continue
            if suspect is None:
                lost = next((name for name in topology.active_nodes(item) if topology.node(state, name).member is False), None)
                if lost is None:
                    self._down_from_the_start(item.id, since, at)
                    continue
                node = topology.node(state, lost)
                suspect = Move(item.id, lost, promoted=item.promotable, stopped_at=node.lost_at or node.since or since)
            elif not suspect.polled and (state.plan or state.draft):
                continue  # the log tells what becomes of it
            down.setdefault(suspect.from_node, []).append(suspect)
        for source, moves in down.items():
            arriving = [move for move in moves if self._can_arrive(move.resource, at, self._rows.since(f"down {move.resource}") or at)]
            gone = topology.node(state, source).member is False if source is not None else False
            if arriving and not gone:
                continue  # it is about to start elsewhere; it may as well come back here
            self._departures.polled_down(source, moves, at, failed=not arriving)

    def _can_arrive(self, resource: str, at: datetime, since: datetime) -> bool:
        """Whether a service that is down may yet come up by itself: its node is being fenced, or another is able and was given time."""
        for node in self.state.nodes.values():
            waits = node.member is False and node.fenced_at is None and node.stop_requested_at is None
            if waits and any(move.from_node == node.name for move in self._moves_of(resource)):
                return True
        if self._is_next(resource, at):
            return True
        service = self._service_of(resource)
        able = service is not None and bool(service.able) and not service.disabled and not service.held
        fenced = [node.fenced_at for node in self.state.nodes.values() if node.fenced_at is not None]
        begin = max([since, *fenced])
        return able and at - begin < self.settings.grace

    def _is_next(self, resource: str, at: datetime) -> bool:
        """Whether others of the same departure arrived just now on a node where it did not fail: it may be the next to start there."""
        for story in self._book.open_stories():
            if story.kind in DEPARTURES and resource in story.moves:
                arrived = [(move.done_at, move.done_node) for move in story.moves.values() if move.done_at and move.done_node]
                last, name = max(arrived, default=(None, None))
                if last is not None and name is not None and at - last < self.settings.grace:
                    return resource not in topology.node(self.state, name).failed
        return False

    def _moves_of(self, resource: str) -> Iterable[Move]:
        suspect = self.state.suspects.get(resource)
        running = self._departures.running(resource)
        found = [move for move in (suspect, running) if move is not None]
        if not found:
            item = self.state.resources[resource]
            found = [Move(resource, name) for name in topology.active_nodes(item)]
        return found

    def _give_up(self, resource: str, at: datetime) -> None:
        for story in self._book.open_stories():
            waiting = [move for move in story.moves.values() if move.done_at is None]
            if story.kind in DEPARTURES and story.outcome is Outcome.ONGOING and any(move.resource == resource for move in waiting):
                if all(self._rows.is_settled(f"down {move.resource}", at) for move in waiting):
                    self._departures.weighing.fail(story, at)
                return

    def _down_from_the_start(self, resource: str, since: datetime, at: datetime) -> None:
        """It was down in the first poll already, and stays so."""
        service = self._service_of(resource)
        if service is None or service.disabled or service.held or since != self.state.polls.first_at or at - since < self.settings.grace:
            return
        if self._book.find(IncidentKind.SERVICE_DOWN, "") is not None:
            return
        story = self._book.open(IncidentKind.SERVICE_DOWN, "", Severity.CRITICAL, at, started_at=None, resources=service.members)
        story.outcome = Outcome.FAILED
        story.moves = {name: Move(name, None) for name in service.members if self._rows.is_settled(f"down {name}", at)}
        story.sources.append(Source.POLL)

    def _service_of(self, resource: str) -> PolledService | None:
        return next((service for service in self.state.polls.services.values() if resource in service.members), None)

    def _gone_attributes(self, watch: Watch, at: datetime) -> None:
        """What a service left when its node lost the attribute that a rule asks for, as when the daemon that keeps it died."""
        for service in self._services.services:
            for candidate in service.candidates:
                for item in candidate.hindrances:
                    if item.reason is not Reason.ATTRIBUTE or not watch.members.get(item.node):
                        continue
                    node = topology.node(self.state, item.node)
                    left = self._left(node.name, service.members, at)
                    if left is None or item.subject in node.degraded:
                        continue
                    node.degraded[item.subject] = at
                    gone = self._told_by(item)
                    began = min(left.started_at or left.detected_at, gone.at if gone is not None else at)
                    story = self._book.open(
                        IncidentKind.CONNECTIVITY_DEGRADED,
                        f"{node.name}/{item.subject}",
                        Severity.MAJOR,
                        at,
                        started_at=began,
                        nodes=[node.name],
                        settle=self.settings.settle,
                        cause=Cause(
                            kind="connectivity_degraded", node=node.name, at=began, text=gone.raw if gone is not None else str(item)
                        ),
                    )
                    story.sources.append(Source.POLL)
                    self._effects.join_effect(story, node.name)
                    self._departures.weighing.weigh(left, at)

    def _left(self, node: str, members: Sequence[str], at: datetime) -> Story | None:
        """The departure of a service from a node, as long as it is not known what for."""
        for story in self._book.open_stories():
            recent = at - story.detected_at <= self.settings.story_window and story.from_node == node
            if story.kind in DEPARTURES and story.planned is None and recent and not set(members).isdisjoint(story.moves):
                return story
        return None

    def _given_up(self, at: datetime) -> None:
        """A node is unclean, its fencing failed, and for a while none is under way: the cluster has given up."""
        for story in self._book.open_stories():
            if story.kind is IncidentKind.FENCING_FAILED and story.outcome is Outcome.ONGOING and story.nodes:
                since = self._rows.since(f"unfenced {story.nodes[0]}")
                if since is not None and at - since >= self.settings.grace and self._rows.silent(at, story.nodes[0]):
                    self._fencing.given_up(story, at)

    # -- standby

    def _standby(self, status: ClusterStatus, first: bool) -> None:
        """The generic rule: a node that could take a service over no longer can, and nobody planned it."""
        memory, at = self.state.polls, status.at
        if self._is_without_quorum(status):
            return  # nothing is taken over without quorum: that is told, and who is still away some time after it is back is told then
        for service in self._services.services:
            if not service.active_nodes:
                continue
            for candidate in service.candidates:
                name = f"{service.name} {candidate.node}"
                hindrances = self._passing(candidate)
                if candidate.able is not False or not hindrances:
                    continue
                since = self._rows.since(f"unable {name}")
                fit = memory.fit.get(name)
                if first:
                    self._unable_from_the_start(service, candidate.node, hindrances, at)
                elif fit is not None and since is not None and at - since >= APART:
                    del memory.fit[name]
                    if self._rows.silent(at, candidate.node) or not self._is_told(candidate.node):
                        self._unable(service, candidate.node, hindrances, since, at)

    def _is_without_quorum(self, status: ClusterStatus) -> bool:
        """Whether the quorum is lost, or came back just now: clones are stopped with it, and take a moment to start again."""
        if self.state.quorum_ignored:
            return False
        lost = [story for story in self.state.stories if story.kind is IncidentKind.QUORUM_LOST]
        back = max((story.resolved_at for story in lost if story.resolved_at is not None), default=None)
        is_lost = status.has_quorum is False and any(story.state is IncidentState.OPEN for story in lost)
        return is_lost or (back is not None and timedelta(0) <= status.at - back < self.settings.grace)

    def _is_told(self, node: str) -> bool:
        """Whether a story tells already why this node could not take over."""
        lost = self._book.find(IncidentKind.NODE_LOST, node)
        departure = self._book.by_key(lost.part_of) if lost is not None else None
        if departure is not None and departure.kind in DEPARTURES and (departure.from_node == node or departure.outcome is Outcome.FAILED):
            return True  # which may have ended, where a third node could take over; or that the node is lost is why it failed
        return any(
            node in story.nodes
            and (story.state is IncidentState.OPEN or story.part_of is not None)
            and (story.kind is IncidentKind.STANDBY_FAULT or (story.kind in DEPARTURES and story.from_node == node))
            for story in self.state.stories
        )

    def _is_planned(self, node: Node, hindrances: Sequence[Hindrance]) -> bool:
        """Whether somebody wants it so: every reason is planned work, or follows from it."""
        for item in hindrances:
            orderly = item.reason is Reason.NODE_STOPPED and node.stop_requested_at is not None and node.fenced_at is None
            banned = item.reason is Reason.BAN and item.subject.startswith("cli-")
            if not (item.reason in _PLANNED or orderly or banned):
                return False
        return True

    def _unable(self, service: Service, name: str, hindrances: Sequence[Hindrance], since: datetime, at: datetime) -> None:
        node = topology.node(self.state, name)
        if self._is_told(name) or self._is_planned(node, hindrances) or all(item.reason in _EVERYWHERE for item in hindrances):
            return
        if name in topology.active_somewhere(self.state, self.settings) and not service.active_nodes:
            return
        cause = self._cause(hindrances, since)
        others = [other for other in self.state.polls.services[service.name].able if other != name]
        story = self._book.open(
            IncidentKind.STANDBY_FAULT,
            name,
            Severity.MINOR if others else Severity.MAJOR,
            at,
            started_at=since,
            nodes=[name],
            resources=[item.subject for item in hindrances if item.subject in service.members],
            cause=cause,
            settle=self.settings.settle,
        )
        story.redundancy = bool(others)
        if node.fenced_at is None and any(item.reason is Reason.NODE_STOPPED for item in hindrances):
            story.planned, story.severity = None, Severity.WARNING  # it may have been stopped in order between two polls
        story.sources.append(Source.POLL)
        self._book.adopt(story, [name])
        story.reasons = topology.hindrances(self.state, name)

    def _unable_from_the_start(self, service: Service, name: str, hindrances: Sequence[Hindrance], at: datetime) -> None:
        if any(name in story.nodes for story in self._book.open_stories()) or all(item.reason in _EVERYWHERE for item in hindrances):
            return
        node = topology.node(self.state, name)
        others = [other for other in self.state.polls.services[service.name].able if other != name]
        planned = self._is_planned(node, hindrances)
        story = self._book.open(
            IncidentKind.STANDBY_FAULT,
            name,
            Severity.MINOR if others else Severity.MAJOR,
            at,
            started_at=None,
            nodes=[name],
            planned=True if planned else None,
            cause=self._cause(hindrances, None),
            settle=self.settings.settle,
        )
        if not planned:
            story.planned = None
        story.settle_at = None  # it was so before: shown, but nobody is called
        story.redundancy = bool(others)
        story.sources.append(Source.POLL)
        story.reasons = topology.hindrances(self.state, name)

    def _cause(self, hindrances: Sequence[Hindrance], at: datetime | None) -> Cause:
        one = hindrances[0]
        resource = one.subject if one.subject in self.state.resources else None
        told = self._told_by(one)
        text = told.raw if told is not None else ""
        return Cause(kind=_CAUSES.get(one.reason, "attribute_changed"), node=one.node, resource=resource, at=at, text=text)

    def _told_by(self, hindrance: Hindrance) -> TimelineEntry | None:
        """The event that told of it, among the last ones."""
        for entry in reversed(self.state.recent):
            if entry.node == hindrance.node and (
                entry.event in (EventKind.ATTRIBUTES_REMOVED, EventKind.NODE_LOST, EventKind.NODE_UNCLEAN)
                or hindrance.subject in (entry.resource, entry.detail.get("attribute"), f"master-{entry.resource}")
            ):
                return entry
        return None

    # -- two of it

    def _twice_active(self, at: datetime) -> None:
        for service in self._services.services:
            known = self._book.find(IncidentKind.SPLIT_BRAIN_SUSPECTED, service.name)
            name = f"twice {service.name}"
            if not service.multiple_active:
                self.state.polls.since.pop(name, None)
                for subject in dict.fromkeys((service.name, *service.members)):  # a log names the member
                    if (story := self._book.find(IncidentKind.SPLIT_BRAIN_SUSPECTED, subject)) is not None:
                        self._book.close(story, at, "it runs on one node only")
                continue
            since = self.state.polls.since.setdefault(name, at)
            if known is None and (at - since >= APART or service.blocked):
                story = self._book.open(
                    IncidentKind.SPLIT_BRAIN_SUSPECTED,
                    service.name,
                    Severity.CRITICAL,
                    at,
                    started_at=since if since != self.state.polls.first_at else None,
                    nodes=service.active_nodes,
                    resources=service.members,
                    cause=Cause(
                        kind="split_brain_suspected", resource=service.name, at=since, text=f"{service.name} runs on several nodes"
                    ),
                )
                story.sources.append(Source.POLL)
                for other in self._book.open_stories():
                    if other.kind is IncidentKind.RESOURCE_BLOCKED and not set(service.members).isdisjoint(other.resources):
                        self._book.make_part(other, story)
