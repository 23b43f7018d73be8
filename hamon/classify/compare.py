"""Snapshot to snapshot: what two polls of a cluster differ in, as events. Pure: the same snapshots give the same events.

The law: an event is a difference between two states that a living cluster showed, never what the first poll found; a poll that shows what
the one before did gives nothing. Of several nodes that are asked one is believed (`Watch`), so that one that lags behind undoes nothing.

Times: an operation carries a time stamp of the cluster, in whole seconds. Everything else happened between two polls: it is given the time
of the later one, or that of the first stamped event that it led to. `detail["after"]` is the poll before, the lower bound of either.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from hamon.classify.changes import (
    Change,
    Operations,
    Pair,
    Rank,
    attribute_changes,
    configuration_changes,
    counted,
    fencing_change,
    fencing_key,
    link_change,
    move_changes,
    move_constraints,
    node_change,
    option_changes,
    ticket_changes,
)
from hamon.classify.read import without_instance
from hamon.classify.resource_changes import (
    SERVING,
    fail_count_changes,
    failure_changes,
    flag_changes,
    restarts,
    role_changes,
    target_role_change,
)
from hamon.classify.settings import ClusterSettings
from hamon.classify.survey import Surveyed, survey
from hamon.model.cluster import (
    ClusterStatus,
    NodeStatus,
    Role,
)
from hamon.model.event import Event, EventKind
from hamon.model.observation import Snapshot, Source

_STAMP = timedelta(milliseconds=999)
"""A stamp of whole seconds: the moment lies within the second that begins with it."""
_SKEW = timedelta(seconds=10)
"""How far the clocks of the cluster may be off so that their stamps still tell more than the polls do."""
_OLD = timedelta(seconds=30)
"""A fencing that was over this long before the poll that did not show it yet is history that a node brought along."""
_REMEMBERED = 500
"""Entries of the fencing history."""
_LAG = timedelta(milliseconds=500)
"""How far the configuration and state of one node may be behind those of another."""
_LOOKS_APART = timedelta(seconds=2)
"""Two looks at a link that are closer together than this are one (taxonomy 8.9)."""
_INTERVAL = timedelta(seconds=2)
"""Between two polls, where only one was seen."""
_SILENT_INTERVALS = 1.5
_NEXT_TURN = 0.9

_PROBED_WITHIN = timedelta(seconds=30)
"""How long a resource whose records were cleaned up may wait for its probe; one that finds nothing is never shown."""
_BEFORE = {
    Role.STOPPING: Role.STARTED,
    Role.MIGRATING: Role.STARTED,
    Role.PROMOTING: Role.UNPROMOTED,
    Role.DEMOTING: Role.PROMOTED,
}
"""The steady role before an operation under way, where no earlier poll told it. `Starting`: none."""


@dataclass(slots=True)
class _Reporter:
    """One command that is asked. `at`: its last usable answer, `previous`: the one before."""

    status: ClusterStatus | None = None
    at: datetime | None = None
    previous: datetime | None = None
    links: dict[tuple[str, str], bool] | None = None
    """Whether each link is connected, by two looks in a row."""
    links_at: datetime | None = None
    links_doubted: dict[tuple[str, str], tuple[datetime, datetime]] = field(default_factory=dict)
    """Link that is otherwise than was known -> the first look that showed it, and the one before."""
    absent: set[str] = field(default_factory=set)
    """Peers that are no members, or were none when the links were last looked at."""
    returned_at: dict[str, datetime] = field(default_factory=dict)
    """Those of them that are members again -> since when."""
    contradicts: str | None = None
    """Node that it calls lost while that node says the same of this one."""


class Watch:
    """The polls of one cluster, in the order in which they come in.

    `last` is the last status that is remembered from an earlier run. `accepted` is, after each `see`, the status when the state of the
    cluster may be taken from it, else None: it has no nodes or no DC, or comes from a node that is just starting, or is not the one
    that is believed, or another one says the contrary, so that it is open which of them goes on.
    """

    def __init__(self, settings: ClusterSettings, last: ClusterStatus | None = None) -> None:
        self.settings = settings
        self.accepted: ClusterStatus | None = None
        self.changed = True
        """Whether the status that was accepted differs from the one before in more than its time."""
        self.surveyed: dict[str, Surveyed] = {}
        """The primitives of the last status that was accepted."""
        self.steady: dict[str, dict[str, Role]] = {}
        """Primitive -> node -> role, without transitional ones: an operation under way changes nothing yet."""
        self._known: ClusterStatus | None = None
        self._digest = ""
        self._lead: str | None = None
        self._reporters: dict[str, _Reporter] = {}
        self._unclean: dict[str, datetime] = {}
        """Node that is a member and was shown unclean -> the poll that did so first."""
        self._told_unclean: set[str] = set()
        self._stopping: set[str] = set()
        self._members: dict[str, bool] = {}
        self._starting: dict[str, datetime] = {}
        self._forgotten: dict[tuple[str, str], datetime] = {}
        """Node and primitive whose records were cleaned up, not probed yet -> since when."""
        self._fenced: dict[tuple[str, ...], int] = {}
        """Entries of the fencing history that were seen -> how often at once: a node that joins brings old ones along."""
        if last is not None and is_usable(last):
            self._take(last)

    @property
    def known(self) -> ClusterStatus | None:
        """The last status that was accepted."""
        return self._known

    @property
    def members(self) -> Mapping[str, bool]:
        """Node -> whether it takes part, by the last status; a node that is just joining counts as it did before."""
        return self._members

    def see(self, snapshot: Snapshot) -> list[Event]:
        """Compare with what is known, and remember. Events in causal order."""
        status = snapshot.status
        self.accepted = None
        name = snapshot.path or status.reporter or snapshot.collector
        reporter = self._reporters.setdefault(name, _Reporter())
        events = self._links(reporter, snapshot)
        if not is_usable(status):
            self._note_start(status)
            if name == self._lead:
                self._lead = None
            return events
        before = reporter.at
        if before is not None and status.at <= before:
            return events
        if (snapshot.beside and self._known is not None) or not self._leads(name, reporter, status):
            events += self._events(self._contradiction(name, reporter, status), snapshot, before or status.at)
            reporter.status, reporter.previous, reporter.at = status, before, status.at
            return events
        reporter.status, reporter.previous, reporter.at = status, before, status.at
        reporter.contradicts = None
        self._lead = name
        self.accepted = None if self._is_contradicted(status) else status
        known, digest = self._known, self._digest
        self._digest = snapshot.digest
        if known is not None and status.cib is None and known.cib is not None and known.last_change == status.last_change:
            status = replace(status, cib=known.cib)  # it was not asked this time, and is as it was
            self.accepted = self.accepted and status
        if known is None:
            self.changed = True
            changes = list(self._first_joined(status))
            self._take(status)
            return events + self._events(changes, snapshot, status.at)
        self.changed = not digest or digest != snapshot.digest or bool(self._forgotten)
        if not self.changed:
            changes = list(self._unclean_again(status))
            self._known = replace(known, at=status.at, last_update_at=status.last_update_at) if known.at != status.at else known
            self.accepted = None if self.accepted is None else self._known
            return events + self._events(changes, snapshot, known.at)
        return events + self._events(list(self._compared(known, status)), snapshot, known.at)

    # -- whom to believe

    def _leads(self, name: str, reporter: _Reporter, status: ClusterStatus) -> bool:
        """Whether this reporter is, or becomes, the one that is believed.

        Answers of one moment may show states in the wrong order: the other's counts when it is clearly newer. Where two nodes disagree who
        the DC is, the cluster may be split: then the one that was believed stays so as long as it answers, unless it lost the quorum.
        """
        if self._known is None or self._lead is None or self._lead == name:
            return self._known is None or status.at > self._known.at
        lead = self._reporters[self._lead]
        if lead.at is None or lead.status is None:
            return status.at > self._known.at
        silence = status.at - lead.at
        if silence < _LAG:
            return False
        if lead.status.has_quorum is False and status.has_quorum:
            return True
        if status.dc == self._known.dc and reporter.contradicts is None:
            return True
        interval = lead.at - lead.previous if lead.previous is not None else _INTERVAL
        return silence > interval * (_SILENT_INTERVALS if reporter.contradicts is not None else _NEXT_TURN)

    def _is_contradicted(self, status: ClusterStatus) -> bool:
        """Whether another node, which still answers, calls this one lost as this one does it."""
        for other in self._reporters.values():
            if other.contradicts is not None and other.contradicts == status.reporter and other.at is not None:
                if other.status is not None and other.status.reporter is not None and _is_online(status, other.status.reporter):
                    continue  # they are one cluster again; that one was only not asked since
                interval = other.at - other.previous if other.previous is not None else _INTERVAL
                if status.at - other.at <= interval * _SILENT_INTERVALS:
                    return True
        return False

    def _contradiction(self, name: str, reporter: _Reporter, status: ClusterStatus) -> Iterator[Change]:
        """Two nodes that both have a DC and call each other lost: the cluster is split."""
        lead = self._reporters[self._lead or name].status
        mine, other = status.reporter, lead.reporter if lead is not None else None
        if lead is None or mine is None or other is None or mine == other:
            return
        split = status.dc != lead.dc and not _is_online(status, other) and not _is_online(lead, mine)
        if not split:
            reporter.contradicts = None
        elif reporter.contradicts != other:
            reporter.contradicts = other
            yield Change(
                kind=EventKind.NODE_LOST,
                rule="poll-node-lost-elsewhere",
                text=f"{mine} has {status.dc} as DC and shows {other} offline, {other} has {lead.dc} and shows {mine} offline",
                rank=Rank.LOST,
                node=other,
                detail={"abrupt": True},
            )

    # -- nodes that are just starting

    def _note_start(self, status: ClusterStatus) -> None:
        """A node without a DC that does not see itself online has just started Pacemaker."""
        name = status.reporter
        if name is not None and status.nodes and status.dc is None and not _is_online(status, name):
            self._starting.setdefault(name, status.at)

    def _first_joined(self, status: ClusterStatus) -> Iterator[Change]:
        """The first status of nodes that were seen starting."""
        for node in status.nodes:
            if node.online and not node.pending and node.name in self._starting:
                yield from self._joined(node, status)

    def _joined(self, node: NodeStatus, status: ClusterStatus) -> Iterator[Change]:
        began = self._starting.pop(node.name, None)
        if began is not None and began <= status.at:
            yield Change(
                kind=EventKind.SERVICE_STACK_STARTED,
                rule="poll-stack-started",
                text=f"{node.name} answers and has no DC yet",
                rank=Rank.MARK,
                node=node.name,
                detail={"program": "pacemaker", "version": status.version},
                stamp=began,
            )
        yield Change(
            kind=EventKind.NODE_JOINED,
            rule="poll-node-joined",
            text=f"Node {node.name}: online",
            rank=Rank.AFTER,
            node=node.name,
        )

    # -- comparing

    def _take(self, status: ClusterStatus) -> None:
        self._known = status
        self.surveyed = survey(status.resources)
        self._members = {node.name: self._is_member(node) for node in status.nodes}
        unstarted = _unstarted(status)
        self.steady = {name: self._steady(item, {}, unstarted) for name, item in self.surveyed.items()}
        self._stopping = {node.name for node in status.nodes if node.shutdown}
        self._fenced |= counted(status.fencing)

    def _is_member(self, node: NodeStatus) -> bool:
        if node.online and node.pending:
            return self._members.get(node.name, False)
        return node.online

    def _steady(self, item: Surveyed, before: Mapping[str, Role], unstarted: Collection[tuple[str, str]]) -> dict[str, Role]:
        roles: dict[str, Role] = {}
        for node, role in item.roles.items():
            if node in item.failed and node not in before and (node, item.id) in unstarted:
                continue
            steady = role if role in SERVING else before.get(node) or _BEFORE.get(role)
            if steady is not None:
                roles[node] = steady
        return roles

    def _compared(self, before: ClusterStatus, after: ClusterStatus) -> Iterator[Change]:
        members = {node.name: self._is_member(node) for node in after.nodes}
        surveyed = self.surveyed
        if before.resources != after.resources or self._forgotten:
            surveyed = survey(after.resources)
            if before.last_change == after.last_change:  # some forms show only what runs
                for name in [name for name in self.surveyed if name not in surveyed]:
                    surveyed[name] = replace(self.surveyed[name], roles={}, stale={}, failed=set(), blocked=set())
            self._keep_forgotten(before, after, members, surveyed)
        steady = self.steady
        if surveyed is not self.surveyed or members != self._members:
            steady, unstarted = {}, _unstarted(after)
            for name, item in surveyed.items():
                known = self.steady.get(name, {})
                steady[name] = {node: role for node, role in self._steady(item, known, unstarted).items() if members.get(node, True)}
        seen = Pair(before, after, self._members, members, self.surveyed, surveyed, self.steady, steady)
        yield from option_changes(before, after)
        if before.last_change != after.last_change:
            yield from configuration_changes(before, after)
        yield from self._nodes(seen)
        if before.dc != after.dc:
            yield Change(
                kind=EventKind.DC_CHANGED,
                rule="poll-dc-changed",
                text=f"Current DC: {after.dc} (was {before.dc})",
                rank=Rank.AFTER,
                node=after.dc,
                detail={"old": before.dc},
            )
        if before.has_quorum != after.has_quorum and after.has_quorum is not None and before.has_quorum is not None:
            yield Change(
                kind=EventKind.QUORUM_ACQUIRED if after.has_quorum else EventKind.QUORUM_LOST,
                rule="poll-quorum",
                text="partition with quorum" if after.has_quorum else "partition WITHOUT quorum",
                rank=Rank.LOST,
                detail={"members": " ".join(name for name, member in members.items() if member)},
            )
        if before.bans != after.bans or move_constraints(before) != move_constraints(after):
            yield from move_changes(before, after)
        if before.tickets != after.tickets:
            yield from ticket_changes(before, after)
        if before.fencing != after.fencing:
            yield from self._fencing(before, after)
        if before.attributes != after.attributes or self._members != members:
            yield from attribute_changes(seen)
        if before.failures != after.failures or before.history != after.history:
            yield from failure_changes(seen)
            yield from fail_count_changes(seen)
        if surveyed is not self.surveyed or steady is not self.steady or before.history != after.history:
            yield from self._resources(seen)
        self._known, self.surveyed, self._members, self.steady = after, surveyed, members, steady

    def _keep_forgotten(
        self, before: ClusterStatus, after: ClusterStatus, members: Mapping[str, bool], surveyed: Mapping[str, Surveyed]
    ) -> None:
        """A clean-up makes the cluster forget what it knows of a resource on a node: it is shown as running nowhere until it was probed.

        Until then it counts as running where it ran. What really stops leaves a record of its stop, or takes that of its node along.
        """
        known, told = _recorded(before), _recorded(after)
        speaking = {node for node, _ in told}
        forgotten = {}
        for name, old in self.surveyed.items():
            item = surveyed.get(name)
            if item is None or item.orphaned or (item.roles and not item.clone):
                continue
            for node, role in old.roles.items():
                place = node, name
                if role not in SERVING or node in item.roles or node in item.stale or place in told:
                    continue
                if not members.get(node) or node not in speaking or not (place in known or place in self._forgotten):
                    continue
                since = self._forgotten.get(place, after.at)
                if after.at - since <= _PROBED_WITHIN:
                    forgotten[place] = since
                    item.roles[node] = role
                    item.stopped = max(0, item.stopped - 1)
        self._forgotten = forgotten

    def _nodes(self, seen: "Pair") -> Iterator[Change]:
        known = {node.name: node for node in seen.before.nodes}
        for node in seen.after.nodes:
            old = known.get(node.name)
            if node.shutdown and not (old is not None and old.shutdown):
                self._stopping.add(node.name)
                yield node_change(EventKind.SHUTDOWN_REQUESTED, "poll-shutdown", node, "shutdown requested", Rank.MARK)
            if node.hosted_by is None:
                yield from self._membership(node, old, seen)
            if old is None or node.pending or not node.online:
                continue
            standby = (old.standby if not old.pending else False, node.standby)
            if standby[0] != standby[1] and not node.standby_on_fail and not old.standby_on_fail:
                kind = EventKind.STANDBY_ON if node.standby else EventKind.STANDBY_OFF
                yield node_change(kind, "poll-standby", node, "standby" if node.standby else "online", Rank.MARK)
            if old.maintenance != node.maintenance:
                kind = EventKind.MAINTENANCE_ON if node.maintenance else EventKind.MAINTENANCE_OFF
                yield node_change(kind, "poll-maintenance", node, "maintenance" if node.maintenance else "online", Rank.MARK)

    def _membership(self, node: NodeStatus, old: NodeStatus | None, seen: "Pair") -> Iterator[Change]:
        was, now = self._members.get(node.name, False), seen.members[node.name]
        if now and not was:
            self._stopping.discard(node.name)
            yield from self._joined(node, seen.after)
        elif was and not now:
            orderly = node.name in self._stopping and not node.unclean
            unsure = not orderly and not node.unclean and not node.expected_up
            detail = {"abrupt": True} if node.unclean or (node.expected_up and not orderly) else {"unsure": True} if unsure else {}
            words = "UNCLEAN (offline)" if node.unclean else "OFFLINE"
            yield replace(node_change(EventKind.NODE_LOST, "poll-node-lost", node, words, Rank.LOST), detail=detail)
        if node.online and node.unclean:
            yield from self._is_unclean(node, seen.after.at, sure=node.name in self._unclean)
        elif node.name in self._unclean:
            first = self._unclean[node.name]
            left = any(node.name in roles and node.name not in seen.steady.get(name, {}) for name, roles in seen.steady_before.items())
            # Shown so by one poll only, but what ran there is gone; one that begins to stop may be shown so for a moment.
            if now and left and node.name not in self._stopping:
                yield from self._is_unclean(node, first, sure=True)
            if left or not now or seen.after.at - first > _OLD:
                del self._unclean[node.name]
                self._told_unclean.discard(node.name)

    def _is_unclean(self, node: NodeStatus, at: datetime, *, sure: bool) -> Iterator[Change]:
        """A node that is online and unclean: while the DC changes a healthy one may show it once."""
        first = self._unclean.setdefault(node.name, at)
        if sure and node.name not in self._told_unclean:
            self._told_unclean.add(node.name)
            change = node_change(EventKind.NODE_UNCLEAN, "poll-node-unclean", node, "UNCLEAN (online)", Rank.LOST)
            yield replace(change, stamp=first, detail={"can_fence": None})

    def _unclean_again(self, status: ClusterStatus) -> Iterator[Change]:
        for node in status.nodes:
            if node.online and node.unclean:
                yield from self._is_unclean(node, status.at, sure=True)

    def _resources(self, seen: "Pair") -> Iterator[Change]:
        before_ops, after_ops = Operations(seen.before.history), Operations(seen.after.history)
        whole = bool(seen.before.options.maintenance_mode or seen.after.options.maintenance_mode)
        resting = {node.name for status in (seen.before, seen.after) for node in status.nodes if node.maintenance}
        for name, item in seen.surveyed.items():
            old = seen.surveyed_before.get(name)
            if old is None:
                old = Surveyed(id=name)
            then, now = seen.steady_before.get(name, {}), seen.steady.get(name, {})
            yield from role_changes(item, then, now, after_ops, seen.members)
            yield from restarts(item, old, then, now, before_ops, after_ops)
            yield from flag_changes(item, old, None if whole else resting)
            if item.target_role is not old.target_role and name in seen.surveyed_before:
                yield from target_role_change(item, seen)

    def _fencing(self, before: ClusterStatus, after: ClusterStatus) -> Iterator[Change]:
        known, pending = counted(before.fencing), {fencing_key(entry) for entry in before.fencing if entry.status == "pending"}
        left = {key: max(count, known.get(key, 0)) for key, count in self._fenced.items()} | {key: known[key] for key in pending}
        sound = {node.name for node in before.nodes if node.online and not node.unclean and not node.pending}
        for entry in reversed(after.fencing):  # oldest first
            key = fencing_key(entry)
            # What was tried against a node that is a member again is over.
            old = _SKEW if entry.status == "failed" and entry.target in sound else _OLD
            if left.get(key, 0) > 0:
                left[key] -= 1
            elif entry.completed_at is None or entry.completed_at + old >= before.at:
                yield fencing_change(entry)
        for key, count in counted(after.fencing).items():
            if key[4] != "pending":
                self._fenced[key] = max(count, self._fenced.pop(key, 0))
        for key in list(self._fenced)[:-_REMEMBERED]:
            del self._fenced[key]

    # -- links

    def _links(self, reporter: _Reporter, snapshot: Snapshot) -> list[Event]:
        """Links that two looks in a row show otherwise than before: they went down or came up when the first one saw it."""
        status = snapshot.status
        if status.links is None:
            return []
        at = status.links_at or status.at
        before, reporter.links_at = reporter.links_at or at, at
        now = {(link.link, link.peer or link.peer_id or ""): link for link in status.links if not link.is_local}
        known, doubted = reporter.links or {}, reporter.links_doubted
        returned = self._returned(reporter, status, at)
        # With a node all its links go down; one that stays down when the node is back is news.
        still_down = {key: True for key, link in now.items() if link.peer in returned and not link.connected}
        known |= still_down
        reporter.links = {key: known.get(key, link.connected) for key, link in now.items()}
        events: list[Event] = []
        for key in [key for key in doubted if key not in now or key in still_down]:
            del doubted[key]
        for key, link in now.items():
            if reporter.links[key] == link.connected:
                doubted.pop(key, None)
                continue
            first, last_known = doubted.setdefault(key, (at, before))
            if at - first >= _LOOKS_APART:
                del doubted[key]
                reporter.links[key] = link.connected
                events += [replace(event, at=first) for event in self._events([link_change(link, status)], snapshot, last_known)]
        return events

    def _returned(self, reporter: _Reporter, status: ClusterStatus, looked_at: datetime) -> set[str]:
        """Nodes that were away and are members again, the first time that the links are looked at since."""
        for node in status.nodes:
            if not node.online:
                reporter.absent.add(node.name)
                reporter.returned_at.pop(node.name, None)
            elif node.name in reporter.absent:
                reporter.returned_at.setdefault(node.name, status.at)
        returned = {name for name, at in reporter.returned_at.items() if at < looked_at}
        reporter.absent -= returned
        for name in returned:
            del reporter.returned_at[name]
        return returned

    # -- from changes to events

    def _events(self, changes: Iterable[Change], snapshot: Snapshot, before: datetime) -> list[Event]:
        """In causal order, each with a time between the two polls that never precedes that of its cause."""
        ordered = sorted(changes, key=lambda change: change.rank)
        after = snapshot.status.at
        times = [_between(change.stamp, before, after) for change in ordered]
        for number in range(len(ordered) - 2, -1, -1):  # a cause without a stamp came before what it led to
            following = times[number + 1]
            if ordered[number].stamp is None and ordered[number].rank < Rank.START and following < times[number]:
                times[number] = following
        bound = before.isoformat(timespec="milliseconds")
        return [
            Event(
                at=at,
                received_at=snapshot.received_at,
                cluster=snapshot.cluster,
                kind=change.kind,
                rule=change.rule,
                source=Source.POLL,
                collector=snapshot.collector,
                node=change.node,
                resource=change.resource,
                reporter=snapshot.status.reporter,
                detail={**change.detail, "after": bound},
                raw=change.text,
                ref=f"{snapshot.path}@{snapshot.digest[:16]}",
            )
            for change, at in zip(ordered, times, strict=True)
        ]


def _unstarted(status: ClusterStatus) -> set[tuple[str, str]]:
    """Node and primitive where a start failed: until it is stopped Pacemaker shows it there as started, and failed."""
    return {(item.node, without_instance(item.resource)) for item in status.failures if item.task in ("start", "migrate_from")}


def _recorded(status: ClusterStatus) -> set[tuple[str, str]]:
    """Node and primitive of which operations are recorded."""
    return {(item.node, without_instance(item.resource)) for item in status.history if item.operations}


def is_usable(status: ClusterStatus) -> bool:
    """Whether a status may decide anything (taxonomy 8.9): it has nodes and a DC, and who gave it is no node that is just starting."""
    if not status.nodes or status.dc is None:
        return False
    own = next((node for node in status.nodes if node.name == status.reporter), None)
    return own is None or (own.online and not own.pending)


def _is_online(status: ClusterStatus, name: str) -> bool:
    return any(node.name == name and node.online for node in status.nodes)


def _between(stamp: datetime | None, before: datetime, after: datetime) -> datetime:
    """A stamp far outside the interval is of a clock that is wrong, and tells nothing."""
    if stamp is None or not before - _SKEW <= stamp <= after + _SKEW:
        return after
    latest = stamp if stamp.microsecond else stamp + _STAMP
    return max(before, min(latest, after))
