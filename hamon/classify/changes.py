"""What two statuses of a cluster differ in: nodes, links, options, constraints, tickets, fencing, attributes."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from hamon.classify.constraints import dependents
from hamon.classify.read import without_instance
from hamon.classify.survey import Surveyed
from hamon.model.cluster import (
    AttributeStatus,
    ClusterStatus,
    FencingStatus,
    HistoryStatus,
    LinkStatus,
    NodeStatus,
    OperationStatus,
    Role,
)
from hamon.model.event import EventKind

_POSITIONS = ("-xlog-loc", "-master-baseline")
"""Attributes of the pgsql agent that say how far its log is: they change all the time and mean nothing here."""


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


@dataclass(frozen=True, slots=True)
class Pair:
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


class Operations:
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


def node_change(kind: EventKind, rule: str, node: NodeStatus, words: str, rank: int) -> Change:
    """A node is something else than before; `words` say what, `rank` orders it among the changes of one poll."""
    return Change(kind=kind, rule=rule, text=f"Node {node.name}: {words}", rank=rank, node=node.name)


def link_change(link: LinkStatus, status: ClusterStatus) -> Change:
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


def option_changes(before: ClusterStatus, after: ClusterStatus) -> Iterator[Change]:
    was, now = bool(before.options.maintenance_mode), bool(after.options.maintenance_mode)
    if was != now:
        yield Change(
            kind=EventKind.MAINTENANCE_ON if now else EventKind.MAINTENANCE_OFF,
            rule="poll-maintenance-mode",
            text=f"maintenance-mode: {str(now).lower()}",
            rank=Rank.MARK,
            detail={"name": "maintenance-mode", **changed_by(after)},
        )


def changed_by(status: ClusterStatus) -> dict[str, str | int | float | bool | None]:
    """Who changed the CIB last, as `user client@node`; nothing where the CIB does not say it."""
    change = status.last_change
    return {} if change is None or not change.client else {"by": f"{change.user} {change.client}@{change.origin}"}


def configuration_changes(before: ClusterStatus, after: ClusterStatus) -> Iterator[Change]:
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


def move_constraints(status: ClusterStatus) -> dict[str, tuple[tuple[str, str], ...]]:
    """What `crm_resource --move` and `--ban` left (ids that begin with `cli-`), with their attributes."""
    return {} if status.cib is None else {item.id: item.attributes for item in status.cib.constraints if item.id.startswith("cli-")}


def move_changes(before: ClusterStatus, after: ClusterStatus) -> Iterator[Change]:
    """Constraints of an operator's move or ban. `cli-prefer` shows only where constraints are read too."""
    then = {ban.id: (ban.resource, ban.node, ban.weight) for ban in before.bans if ban.id.startswith("cli-")}
    now = {ban.id: (ban.resource, ban.node, ban.weight) for ban in after.bans if ban.id.startswith("cli-")}
    known, read = move_constraints(before), move_constraints(after)
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
                detail={"constraint": name, "what": what, "score": weight if weight else None, **changed_by(after)},
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
                detail={"constraint": name, **changed_by(after)},
            )


def ticket_changes(before: ClusterStatus, after: ClusterStatus) -> Iterator[Change]:
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


def fencing_key(entry: FencingStatus) -> tuple[str, ...]:
    """What tells one action of the fencing history from the others."""
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


def counted(entries: Iterable[FencingStatus]) -> dict[tuple[str, ...], int]:
    """How often each action stands in the history: the same one may be there twice."""
    counts: dict[tuple[str, ...], int] = {}
    for entry in entries:
        counts[fencing_key(entry)] = counts.get(fencing_key(entry), 0) + 1
    return counts


def fencing_change(entry: FencingStatus) -> Change:
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


def attribute_changes(seen: Pair) -> Iterator[Change]:
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
