"""Snapshot to snapshot: what two polls of a cluster differ in, as events. Pure: the same snapshots give the same events.

The law: an event is a difference between two states that a living cluster showed, never what the first poll found; a poll that shows what
the one before did gives nothing. Of several nodes that are asked one is believed (`Watch`), so that one that lags behind undoes nothing.

Times: an operation carries a time stamp of the cluster, in whole seconds. Everything else happened between two polls: it is given the time
of the later one, or that of the first stamped event that it led to. `detail["after"]` is the poll before, the lower bound of either.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from hamon.classify.constraints import INFINITY, dependents
from hamon.classify.read import without_instance
from hamon.classify.settings import ClusterSettings
from hamon.classify.survey import Surveyed, survey
from hamon.model.cluster import (
    AttributeStatus,
    ClusterStatus,
    FailureStatus,
    FencingStatus,
    HistoryStatus,
    LinkStatus,
    NodeStatus,
    OperationStatus,
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

_POSITIONS = ("-xlog-loc", "-master-baseline")
"""Attributes of the pgsql agent that say how far its log is: they change all the time and mean nothing here."""

_SERVING = frozenset({Role.STARTED, Role.UNPROMOTED, Role.PROMOTED})
_BEFORE = {
    Role.STOPPING: Role.STARTED,
    Role.MIGRATING: Role.STARTED,
    Role.PROMOTING: Role.UNPROMOTED,
    Role.DEMOTING: Role.PROMOTED,
}
"""The steady role before an operation under way, where no earlier poll told it. `Starting`: none."""


class Rank:
    """The order of causes and effects within one comparison."""

    MARK = 0
    LOST = 1
    FAULT = 2
    STOP = 3
    START = 4
    AFTER = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One difference. `stamp`: when it happened by the cluster's own record. `text`: the evidence in the words of `crm_mon`."""

    kind: EventKind
    rule: str
    text: str
    rank: int
    node: str | None = None
    resource: str | None = None
    detail: Mapping[str, str | int | float | bool | None] = field(default_factory=dict)
    stamp: datetime | None = None


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
        self.changed = not digest or digest != snapshot.digest
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
        self.steady = {name: self._steady(item, {}) for name, item in self.surveyed.items()}
        self._stopping = {node.name for node in status.nodes if node.shutdown}
        self._fenced |= _counted(status.fencing)

    def _is_member(self, node: NodeStatus) -> bool:
        if node.online and node.pending:
            return self._members.get(node.name, False)
        return node.online

    def _steady(self, item: Surveyed, before: Mapping[str, Role]) -> dict[str, Role]:
        roles: dict[str, Role] = {}
        for node, role in item.roles.items():
            steady = role if role in _SERVING else before.get(node) or _BEFORE.get(role)
            if steady is not None:
                roles[node] = steady
        return roles

    def _compared(self, before: ClusterStatus, after: ClusterStatus) -> Iterator[Change]:
        members = {node.name: self._is_member(node) for node in after.nodes}
        surveyed = self.surveyed
        if before.resources != after.resources:
            surveyed = survey(after.resources)
            if before.last_change == after.last_change:  # some forms show only what runs
                for name in [name for name in self.surveyed if name not in surveyed]:
                    surveyed[name] = replace(self.surveyed[name], roles={}, stale={}, failed=set(), blocked=set())
        steady = self.steady
        if surveyed is not self.surveyed or members != self._members:
            steady = {}
            for name, item in surveyed.items():
                known = self.steady.get(name, {})
                steady[name] = {node: role for node, role in self._steady(item, known).items() if members.get(node, True)}
        seen = _Pair(before, after, self._members, members, self.surveyed, surveyed, self.steady, steady)
        yield from _options(before, after)
        if before.last_change != after.last_change:
            yield from _configuration(before, after)
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
        if before.bans != after.bans or _constraints(before) != _constraints(after):
            yield from _moves(before, after)
        if before.tickets != after.tickets:
            yield from _tickets(before, after)
        if before.fencing != after.fencing:
            yield from self._fencing(before, after)
        if before.attributes != after.attributes or self._members != members:
            yield from _attributes(seen)
        if before.failures != after.failures or before.history != after.history:
            yield from _failures(seen)
            yield from _fail_counts(seen)
        if surveyed is not self.surveyed or steady is not self.steady or before.history != after.history:
            yield from self._resources(seen)
        self._known, self.surveyed, self._members, self.steady = after, surveyed, members, steady

    def _nodes(self, seen: "_Pair") -> Iterator[Change]:
        known = {node.name: node for node in seen.before.nodes}
        for node in seen.after.nodes:
            old = known.get(node.name)
            if node.shutdown and not (old is not None and old.shutdown):
                self._stopping.add(node.name)
                yield _node_change(EventKind.SHUTDOWN_REQUESTED, "poll-shutdown", node, "shutdown requested", Rank.MARK)
            if node.hosted_by is None:
                yield from self._membership(node, old, seen)
            if old is None or node.pending or not node.online:
                continue
            standby = (old.standby if not old.pending else False, node.standby)
            if standby[0] != standby[1] and not node.standby_on_fail and not old.standby_on_fail:
                kind = EventKind.STANDBY_ON if node.standby else EventKind.STANDBY_OFF
                yield _node_change(kind, "poll-standby", node, "standby" if node.standby else "online", Rank.MARK)
            if old.maintenance != node.maintenance:
                kind = EventKind.MAINTENANCE_ON if node.maintenance else EventKind.MAINTENANCE_OFF
                yield _node_change(kind, "poll-maintenance", node, "maintenance" if node.maintenance else "online", Rank.MARK)

    def _membership(self, node: NodeStatus, old: NodeStatus | None, seen: "_Pair") -> Iterator[Change]:
        was, now = self._members.get(node.name, False), seen.members[node.name]
        if now and not was:
            self._stopping.discard(node.name)
            yield from self._joined(node, seen.after)
        elif was and not now:
            orderly = node.name in self._stopping and not node.unclean
            unsure = not orderly and not node.unclean and not node.expected_up
            detail = {"abrupt": True} if node.unclean or (node.expected_up and not orderly) else {"unsure": True} if unsure else {}
            words = "UNCLEAN (offline)" if node.unclean else "OFFLINE"
            yield replace(_node_change(EventKind.NODE_LOST, "poll-node-lost", node, words, Rank.LOST), detail=detail)
        if node.online and node.unclean:
            yield from self._is_unclean(node, seen.after.at, sure=node.name in self._unclean)
        elif node.name in self._unclean:
            first = self._unclean[node.name]
            left = any(node.name in roles and node.name not in seen.steady.get(name, {}) for name, roles in seen.steady_before.items())
            if now and left:  # shown so by one poll only, but what ran there is gone
                yield from self._is_unclean(node, first, sure=True)
            if left or not now or seen.after.at - first > _OLD:
                del self._unclean[node.name]
                self._told_unclean.discard(node.name)

    def _is_unclean(self, node: NodeStatus, at: datetime, *, sure: bool) -> Iterator[Change]:
        """A node that is online and unclean: while the DC changes a healthy one may show it once."""
        first = self._unclean.setdefault(node.name, at)
        if sure and node.name not in self._told_unclean:
            self._told_unclean.add(node.name)
            change = _node_change(EventKind.NODE_UNCLEAN, "poll-node-unclean", node, "UNCLEAN (online)", Rank.LOST)
            yield replace(change, stamp=first, detail={"can_fence": None})

    def _unclean_again(self, status: ClusterStatus) -> Iterator[Change]:
        for node in status.nodes:
            if node.online and node.unclean:
                yield from self._is_unclean(node, status.at, sure=True)

    def _resources(self, seen: "_Pair") -> Iterator[Change]:
        before_ops, after_ops = _Operations(seen.before.history), _Operations(seen.after.history)
        whole = bool(seen.before.options.maintenance_mode or seen.after.options.maintenance_mode)
        resting = {node.name for status in (seen.before, seen.after) for node in status.nodes if node.maintenance}
        for name, item in seen.surveyed.items():
            old = seen.surveyed_before.get(name)
            if old is None:
                old = Surveyed(id=name)
            then, now = seen.steady_before.get(name, {}), seen.steady.get(name, {})
            yield from _role_changes(item, then, now, after_ops, seen.members)
            yield from _restarts(item, old, then, now, before_ops, after_ops)
            yield from _flags(item, old, None if whole else resting)
            if item.target_role is not old.target_role and name in seen.surveyed_before:
                yield from _target_role(item, seen)

    def _fencing(self, before: ClusterStatus, after: ClusterStatus) -> Iterator[Change]:
        known, pending = _counted(before.fencing), {_fencing_key(entry) for entry in before.fencing if entry.status == "pending"}
        left = {key: max(count, known.get(key, 0)) for key, count in self._fenced.items()} | {key: known[key] for key in pending}
        for entry in reversed(after.fencing):  # oldest first
            key = _fencing_key(entry)
            if left.get(key, 0) > 0:
                left[key] -= 1
            elif entry.completed_at is None or entry.completed_at + _OLD >= before.at:
                yield _fencing_change(entry)
        for key, count in _counted(after.fencing).items():
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
        reporter.links = {key: known.get(key, link.connected) for key, link in now.items()}
        events: list[Event] = []
        for key in [key for key in doubted if key not in now]:
            del doubted[key]
        for key, link in now.items():
            if reporter.links[key] == link.connected:
                doubted.pop(key, None)
                continue
            first, last_known = doubted.setdefault(key, (at, before))
            if at - first >= _LOOKS_APART:
                del doubted[key]
                reporter.links[key] = link.connected
                events += [replace(event, at=first) for event in self._events([_link_change(link, status)], snapshot, last_known)]
        return events

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


@dataclass(frozen=True, slots=True)
class _Pair:
    """Two statuses, and what was made of each."""

    before: ClusterStatus
    after: ClusterStatus
    members_before: Mapping[str, bool]
    members: Mapping[str, bool]
    surveyed_before: Mapping[str, Surveyed]
    surveyed: Mapping[str, Surveyed]
    steady_before: Mapping[str, Mapping[str, Role]]
    steady: Mapping[str, Mapping[str, Role]]

    def stayed(self, node: str) -> bool:
        """A member in both, so that what is gone was removed and did not go with the node."""
        return bool(self.members_before.get(node) and self.members.get(node))


class _Operations:
    """The recorded operations of a status by node, primitive and task."""

    def __init__(self, history: Iterable[HistoryStatus]) -> None:
        self._found: dict[tuple[str, str], HistoryStatus] = {(item.node, without_instance(item.resource)): item for item in history}

    def last(self, node: str, resource: str, *tasks: str) -> OperationStatus | None:
        """The latest of these that ended well."""
        item = self._found.get((node, resource))
        if item is None:
            return None
        found = [operation for operation in item.operations if operation.task in tasks and operation.rc in (0, None)]
        return found[-1] if found else None

    def stamp(self, node: str, resource: str, *tasks: str) -> datetime | None:
        operation = self.last(node, resource, *tasks)
        return None if operation is None else operation.last_change_at


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


def _node_change(kind: EventKind, rule: str, node: NodeStatus, words: str, rank: int) -> Change:
    return Change(kind=kind, rule=rule, text=f"Node {node.name}: {words}", rank=rank, node=node.name)


def _link_change(link: LinkStatus, status: ClusterStatus) -> Change:
    return Change(
        kind=EventKind.LINK_UP if link.connected else EventKind.LINK_DOWN,
        rule="poll-link",
        text=f"link {link.link} to {link.peer or link.peer_id or 'the others'}: {link.text or _link_words(link)}",
        rank=Rank.AFTER if link.connected else Rank.LOST,
        node=status.reporter,
        detail={"link": link.link, "peer": link.peer, "peer_id": link.peer_id, "address": link.address},
    )


def _link_words(link: LinkStatus) -> str:
    return "connected" if link.connected else "disconnected"


# -- options and configuration


def _options(before: ClusterStatus, after: ClusterStatus) -> Iterator[Change]:
    was, now = bool(before.options.maintenance_mode), bool(after.options.maintenance_mode)
    if was != now:
        yield Change(
            kind=EventKind.MAINTENANCE_ON if now else EventKind.MAINTENANCE_OFF,
            rule="poll-maintenance-mode",
            text=f"maintenance-mode: {str(now).lower()}",
            rank=Rank.MARK,
            detail={"name": "maintenance-mode", **_by(after)},
        )


def _by(status: ClusterStatus) -> dict[str, str | int | float | bool | None]:
    change = status.last_change
    return {} if change is None or not change.client else {"by": f"{change.user} {change.client}@{change.origin}"}


def _configuration(before: ClusterStatus, after: ClusterStatus) -> Iterator[Change]:
    change = after.last_change
    if change is None or before.last_change is None:
        return
    yield Change(
        kind=EventKind.CONFIG_CHANGED,
        rule="poll-configuration-changed",
        text=f"Last change: {change.at_text or change.at} by {change.user} via {change.client} on {change.origin}",
        rank=Rank.MARK,
        detail={"object": "configuration", "user": change.user, "client": change.client, "origin": change.origin},
        stamp=change.at,
    )


def _constraints(status: ClusterStatus) -> dict[str, tuple[tuple[str, str], ...]]:
    return {} if status.cib is None else {item.id: item.attributes for item in status.cib.constraints if item.id.startswith("cli-")}


def _moves(before: ClusterStatus, after: ClusterStatus) -> Iterator[Change]:
    """Constraints of an operator's move or ban. `cli-prefer` shows only where constraints are read too."""
    then = {ban.id: (ban.resource, ban.node, ban.weight) for ban in before.bans if ban.id.startswith("cli-")}
    now = {ban.id: (ban.resource, ban.node, ban.weight) for ban in after.bans if ban.id.startswith("cli-")}
    known, read = _constraints(before), _constraints(after)
    if before.cib is not None and after.cib is not None:
        for there, constraints in ((then, known), (now, read)):
            for name, attributes in constraints.items():
                fields = dict(attributes)
                there.setdefault(name, (fields.get("rsc", ""), fields.get("node", ""), 0))
    for name, (resource, node, weight) in now.items():
        if name not in then:
            what = "prefer" if name.startswith("cli-prefer-") else "ban"
            yield Change(
                kind=EventKind.MOVE_CONSTRAINT_SET,
                rule="poll-move-constraint",
                text=f"{name}: {resource} {'prefers' if what == 'prefer' else 'must not run on'} {node}",
                rank=Rank.MARK,
                node=node or None,
                resource=resource or None,
                detail={"constraint": name, "what": what, "score": weight if weight else None, **_by(after)},
            )
    for name, (resource, node, _weight) in then.items():
        if name not in now:
            yield Change(
                kind=EventKind.MOVE_CONSTRAINT_CLEARED,
                rule="poll-move-constraint-cleared",
                text=f"{name} is gone",
                rank=Rank.MARK,
                node=node or None,
                resource=resource or None,
                detail={"constraint": name, **_by(after)},
            )


def _tickets(before: ClusterStatus, after: ClusterStatus) -> Iterator[Change]:
    """Tickets that this site got or lost, for each resource that needs them."""
    had = {ticket.id for ticket in before.tickets if ticket.granted and not ticket.standby}
    has = {ticket.id for ticket in after.tickets if ticket.granted and not ticket.standby}
    held = dependents(after.cib or before.cib)
    for ticket in sorted(had ^ has):
        granted = ticket in has
        for resource in dict.fromkeys(held.get(ticket, ())) or (None,):
            yield Change(
                kind=EventKind.TICKET_CHANGED,
                rule="poll-ticket",
                text=f"ticket {ticket}: {'granted' if granted else 'revoked'}{f' ({resource} needs it)' if resource else ''}",
                rank=Rank.MARK,
                resource=resource,
                detail={"ticket": ticket, "granted": granted},
            )


def _target_role(item: Surveyed, seen: _Pair) -> Iterator[Change]:
    """The operator's wish for a primitive; where all members of a group changed alike it is the group's."""
    name = item.id
    if item.group is not None:
        members = [other for other in seen.surveyed.values() if other.group == item.group]
        if all(other.target_role is item.target_role for other in members):
            if members[0] is not item:
                return
            name = item.group
    elif item.clone and item.path:
        name = item.path[0]
    yield Change(
        kind=EventKind.TARGET_ROLE_CHANGED,
        rule="poll-target-role",
        text=f"{name}: target-role {item.target_role or 'removed'}",
        rank=Rank.MARK,
        resource=name,
        detail={"value": None if item.target_role is None else item.target_role.value, **_by(seen.after)},
    )


# -- fencing


def _fencing_key(entry: FencingStatus) -> tuple[str, ...]:
    return (
        entry.target,
        entry.action,
        entry.client,
        entry.origin,
        entry.status,
        entry.delegate or "",
        entry.completed_text,
        str(entry.completed_at),
    )


def _counted(entries: Iterable[FencingStatus]) -> dict[tuple[str, ...], int]:
    counts: dict[tuple[str, ...], int] = {}
    for entry in entries:
        counts[_fencing_key(entry)] = counts.get(_fencing_key(entry), 0) + 1
    return counts


def _fencing_change(entry: FencingStatus) -> Change:
    manual = entry.delegate == "a human"
    detail: dict[str, str | int | float | bool | None] = {"action": entry.action, "client": entry.client, "origin": entry.origin}
    if entry.status == "pending":
        kind, words = EventKind.FENCING_REQUESTED, "pending"
    elif entry.status == "success":
        kind, words = EventKind.FENCING_DONE, "successful"
        detail |= {"delegate": entry.delegate} | ({"manual": True} if manual else {})
    else:
        kind, words = EventKind.FENCING_FAILED, "failed"
        detail |= {"delegate": entry.delegate, "reason": entry.reason or None}
    return Change(
        kind=kind,
        rule=f"poll-fencing-{entry.status}",
        text=f"{entry.action} of {entry.target} {words}: delegate={entry.delegate}, client={entry.client}, origin={entry.origin}"
        + (f", completed='{entry.completed_text or entry.completed_at}'" if entry.status != "pending" else "")
        + (f", {entry.reason}" if entry.reason else ""),
        rank=Rank.FAULT,
        node=entry.target,
        detail=detail,
        stamp=entry.completed_at,
    )


# -- attributes


def _attributes(seen: _Pair) -> Iterator[Change]:
    then, now = _by_node(seen.before.attributes), _by_node(seen.after.attributes)
    for node in dict.fromkeys((*then, *now)):
        if not seen.members.get(node):
            continue
        old = then.get(node, {}) if seen.members_before.get(node) else {}
        new = now.get(node, {})
        if old and not new:
            yield Change(
                kind=EventKind.ATTRIBUTES_REMOVED,
                rule="poll-attributes-removed",
                text=f"Node Attributes of {node}: none (was {', '.join(f'{name}={item.value}' for name, item in old.items())})",
                rank=Rank.FAULT,
                node=node,
            )
            continue
        for name in dict.fromkeys((*old, *new)):
            if name.endswith(_POSITIONS):
                continue
            was, item = old.get(name), new.get(name)
            before, after = None if was is None else was.value, None if item is None else item.value
            if before == after:
                continue
            known = item or was
            yield Change(
                kind=EventKind.ATTRIBUTE_CHANGED,
                rule="poll-attribute",
                text=f"Node Attributes of {node}: {name}={after or '(removed)'} (was {before or 'not set'})",
                rank=Rank.FAULT,
                node=node,
                detail={"attribute": name, "old": before, "new": after, "expected": None if known is None else known.expected},
            )


def _by_node(attributes: Iterable[AttributeStatus]) -> dict[str, dict[str, AttributeStatus]]:
    found: dict[str, dict[str, AttributeStatus]] = {}
    for item in attributes:
        found.setdefault(item.node, {})[item.name] = item
    return found


# -- failures


def _failure_key(item: FailureStatus) -> tuple[str, str, str, float]:
    return item.node, item.resource, item.task, item.interval_seconds


def _is_probe(item: FailureStatus) -> bool:
    return item.task == "monitor" and item.interval_seconds == 0


def _failures(seen: _Pair) -> Iterator[Change]:
    then = {_failure_key(item): item for item in seen.before.failures}
    for item in seen.after.failures:
        old = then.get(_failure_key(item))
        again = old is not None and (old.call, old.last_change_at, old.last_change_text) == (
            item.call,
            item.last_change_at,
            item.last_change_text,
        )
        if again or (_is_probe(item) and item.rc in (0, 7, 8)):
            continue
        yield Change(
            kind=EventKind.OPERATION_FAILED,
            rule="poll-operation-failed",
            text=f"{item.operation_key} on {item.node} '{item.rc_text}' ({item.rc}): call={item.call}, status='{item.status}'"
            + (f", exitreason='{item.reason}'" if item.reason else "")
            + (
                f", last-rc-change='{item.last_change_text or item.last_change_at}'" if item.last_change_text or item.last_change_at else ""
            ),
            rank=Rank.FAULT,
            node=item.node,
            resource=without_instance(item.resource),
            detail={
                "operation": item.task,
                "interval": round(item.interval_seconds * 1000),
                "rc": item.rc,
                "status": None if item.status.lower() in ("complete", "done", "") else item.status,
                "reason": item.reason or None,
                "result": item.rc_text,
            },
            stamp=item.last_change_at,
        )


def _counts(history: Iterable[HistoryStatus]) -> dict[tuple[str, str], HistoryStatus]:
    return {(item.node, without_instance(item.resource)): item for item in history if item.fail_count}


def _is_barred(item: HistoryStatus) -> bool:
    threshold = item.migration_threshold
    return item.fail_count >= INFINITY or (0 < threshold < INFINITY and item.fail_count >= threshold)


def _fail_counts(seen: _Pair) -> Iterator[Change]:
    then, now = _counts(seen.before.history), _counts(seen.after.history)
    for (node, resource), item in now.items():
        old = then.get((node, resource))
        if old is None or old.fail_count != item.fail_count:
            value = "INFINITY" if item.fail_count >= INFINITY else str(item.fail_count)
            yield Change(
                kind=EventKind.FAIL_COUNT_CHANGED,
                rule="poll-fail-count",
                text=f"{resource} on {node}: migration-threshold={item.migration_threshold} fail-count={value}",
                rank=Rank.FAULT,
                node=node,
                resource=resource,
                detail={"value": value, "old": None if old is None else str(old.fail_count)},
                stamp=item.last_failure_at,
            )
        if _is_barred(item) and not (old is not None and _is_barred(old)):
            yield Change(
                kind=EventKind.THRESHOLD_REACHED,
                rule="poll-threshold",
                text=f"{resource} on {node}: migration-threshold={item.migration_threshold} fail-count={item.fail_count}",
                rank=Rank.FAULT,
                node=node,
                resource=resource,
                detail={"count": item.fail_count, "threshold": item.migration_threshold},
                stamp=item.last_failure_at,
            )
    failed = {(item.node, without_instance(item.resource)) for item in seen.after.failures}
    gone = [*then, *((item.node, without_instance(item.resource)) for item in seen.before.failures)]
    for node, resource in dict.fromkeys(gone):
        if (node, resource) in now or (node, resource) in failed or not seen.stayed(node):
            continue
        if (node, resource) in then:
            yield Change(
                kind=EventKind.FAIL_COUNT_CHANGED,
                rule="poll-fail-count",
                text=f"{resource} on {node}: no fail-count any more",
                rank=Rank.MARK,
                node=node,
                resource=resource,
                detail={"value": None, "old": str(then[node, resource].fail_count)},
            )
        yield Change(
            kind=EventKind.CLEANUP,
            rule="poll-cleanup",
            text=f"{resource} on {node}: the recorded failures are gone",
            rank=Rank.MARK,
            node=node,
            resource=resource,
            detail={"expired": None},
        )


# -- resources


def _role_changes(
    item: Surveyed, then: Mapping[str, Role], now: Mapping[str, Role], operations: _Operations, members: Mapping[str, bool]
) -> Iterator[Change]:
    if then == now:
        return
    for node in dict.fromkeys((*then, *now)):
        was, role = then.get(node), now.get(node)
        if was is role:
            continue
        if was is Role.PROMOTED and role is not Role.PROMOTED and members.get(node, True):
            yield _role_change(EventKind.RESOURCE_DEMOTED, item, node, "no longer promoted", operations, "demote")
        if role is None and members.get(node, True):  # what went with its node is told by the loss of the node
            yield _role_change(EventKind.RESOURCE_STOPPED, item, node, "stopped", operations, "stop", "migrate_to")
        if was is None and role is not None:
            source = next((other for other in then if other not in now), None)
            migrated = operations.last(node, item.id, "migrate_from")
            started = operations.last(node, item.id, "start")
            live = migrated is not None and source is not None and (started is None or (migrated.call or 0) > (started.call or 0))
            kind = EventKind.RESOURCE_MIGRATED if live else EventKind.RESOURCE_STARTED
            change = _role_change(kind, item, node, f"{role.value}", operations, "migrate_from" if live else "start")
            yield replace(change, detail={"from": source, "to": node} if live else {"role": role.value})
        if role is Role.PROMOTED:
            yield _role_change(EventKind.RESOURCE_PROMOTED, item, node, "Promoted", operations, "promote")


def _role_change(kind: EventKind, item: Surveyed, node: str, words: str, operations: _Operations, *tasks: str) -> Change:
    return Change(
        kind=kind,
        rule=f"poll-{kind.value.replace('_', '-')}",
        text=f"{item.id} on {node}: {words}",
        rank=Rank.STOP if kind in (EventKind.RESOURCE_STOPPED, EventKind.RESOURCE_DEMOTED) else Rank.START,
        node=node,
        resource=item.id,
        stamp=operations.stamp(node, item.id, *tasks),
    )


def _restarts(
    item: Surveyed, old: Surveyed, then: Mapping[str, Role], now: Mapping[str, Role], before: _Operations, after: _Operations
) -> Iterator[Change]:
    """What runs where it ran, but was started or promoted anew meanwhile, or no longer counts as failed."""
    for node, role in now.items():
        if then.get(node) is not role:
            continue
        again = False
        for task, kind in (("start", EventKind.RESOURCE_STARTED), ("promote", EventKind.RESOURCE_PROMOTED)):
            was, operation = before.last(node, item.id, task), after.last(node, item.id, task)
            if was is None or operation is None or (was.call, was.last_change_at) == (operation.call, operation.last_change_at):
                continue
            again = True
            yield _role_change(kind, item, node, f"{role.value}, by a new {task}", after, task)
        if node in old.failed and node not in item.failed and not again and item.roles.get(node) in _SERVING:
            yield Change(
                kind=EventKind.OPERATION_SUCCEEDED,
                rule="poll-no-longer-failed",
                text=f"{item.id} on {node}: {role.value}, no longer FAILED",
                rank=Rank.START,
                node=node,
                resource=item.id,
                detail={"operation": "monitor", "rc": 8 if role is Role.PROMOTED else 0},
            )


def _flags(item: Surveyed, old: Surveyed, resting: set[str] | None) -> Iterator[Change]:
    """Blocked and unmanaged. `resting`: nodes in maintenance, where everything is unmanaged; None: the whole cluster is."""
    for node in sorted(item.blocked ^ old.blocked):
        blocked = node in item.blocked
        yield Change(
            kind=EventKind.RESOURCE_BLOCKED if blocked else EventKind.RESOURCE_UNBLOCKED,
            rule="poll-blocked",
            text=f"{item.id} {f'on {node} ' if node else ''}{'(blocked)' if blocked else 'is no longer blocked'}",
            rank=Rank.FAULT if blocked else Rank.AFTER,
            node=node or None,
            resource=item.id,
            detail={"from": node or None},
        )
    if item.blocked or old.blocked:
        return  # what is blocked is unmanaged for that reason
    if resting is None or bool(item.unmanaged) == bool(old.unmanaged) or (item.unmanaged | old.unmanaged) <= resting:
        return
    yield Change(
        kind=EventKind.RESOURCE_UNMANAGED if item.unmanaged else EventKind.RESOURCE_MANAGED,
        rule="poll-unmanaged",
        text=f"{item.id} {'(unmanaged)' if item.unmanaged else 'is managed again'}",
        rank=Rank.MARK,
        resource=item.id,
        detail={"reason": "maintenance" if item.maintenance else None},
    )
