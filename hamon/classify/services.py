"""Facts about services that one status of a cluster shows: where each is active, which nodes could take it over and why others could not,
and the pattern of the cluster. Found without configuration; the configuration may name services, and the pattern.

A service is what users need: a group, a primitive, a bundle, or the promoted instance of a promotable clone. Plain clones, fence devices
and connections to remote nodes are infrastructure. Node names and ids are as in the status; tuples keep its order.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

from hamon.classify.constraints import INFINITY, Constraints, score
from hamon.model.cluster import (
    BundleStatus,
    CloneStatus,
    ClusterStatus,
    GroupStatus,
    InstanceStatus,
    NodeStatus,
    NodeType,
    ReplicaStatus,
    Role,
)


class Pattern(StrEnum):
    """How nodes share the services of a cluster."""

    SINGLE = "single"
    ONE_PLUS_ONE = "1+1"
    CROSS = "1+1 cross"
    """Two nodes, each active for some services and standby for those of the other."""
    N_PLUS_ONE = "N+1"
    N_PLUS_M = "N+M"
    SYMMETRIC = "symmetric"
    """No node is spare: each hosts something."""
    UNKNOWN = "unknown"


class ServiceKind(StrEnum):
    """What a service is made of; `CONFIGURED`: of the resources that the configuration names."""

    GROUP = "group"
    PRIMITIVE = "primitive"
    PROMOTABLE = "promotable"
    BUNDLE = "bundle"
    CONFIGURED = "configured"


class NodeRole(StrEnum):
    """What a node is for the services: `both` active for some and able to take over others, `out` neither."""

    ACTIVE = "active"
    STANDBY = "standby"
    BOTH = "both"
    OUT = "out"


class Reason(StrEnum):
    """Why a node could not take over: first what is about the node, then about the service on it, then about the service everywhere."""

    NODE_LOST = "node_lost"
    NODE_STOPPED = "node_stopped"
    """Stopped in order, or fenced: one status alone cannot tell."""
    NODE_UNCLEAN = "node_unclean"
    NODE_PENDING = "node_pending"
    NODE_STOPPING = "node_stopping"
    STANDBY = "standby"
    MAINTENANCE = "maintenance"
    HEALTH = "health"

    BAN = "ban"
    ATTRIBUTE = "attribute"
    """A rule bans the service because of a node attribute, as that of a ping resource."""
    FAIL_COUNT = "fail_count"
    RESOURCE_FAILED = "resource_failed"
    NO_INSTANCE = "no_instance"
    """There is no unpromoted instance that could be promoted."""
    NOT_PROMOTABLE = "not_promotable"
    CLONE_MISSING = "clone_missing"
    COLOCATION = "colocation"
    NOT_ALLOWED = "not_allowed"
    """An asymmetric cluster that has no constraint for it."""

    UNMANAGED = "unmanaged"
    BLOCKED = "blocked"
    NO_QUORUM = "no_quorum"
    TICKET = "ticket"


@dataclass(frozen=True, slots=True)
class Hindrance:
    """One reason why a node could not take over. `subject`: the resource, constraint, attribute or ticket that it is about."""

    reason: Reason
    node: str
    subject: str = ""
    lasting: bool = False
    """The configuration never lets it run there, so that it is no fault."""

    def __str__(self) -> str:
        """Words as incidents carry them: `reason node [subject]`."""
        return f"{self.reason} {self.node} {self.subject}".rstrip()


@dataclass(frozen=True, slots=True)
class Candidate:
    """A node beside the active one. `able`: it could take over now; None: not known. `allowed`: the configuration lets it."""

    node: str
    able: bool | None
    allowed: bool = True
    hindrances: tuple[Hindrance, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """One service as a status shows it.

    `members`: ids of its primitives; `resources`: the ids it is configured by or the top-level resource. `active_nodes`: where it serves,
    the node that has most of it first. `up`: all of it serves, in a steady role, without failure; None: not known (no DC).
    """

    name: str
    kind: ServiceKind
    members: tuple[str, ...]
    resources: tuple[str, ...]
    agents: tuple[str, ...] = ()
    active_nodes: tuple[str, ...] = ()
    up: bool | None = None
    moving: bool = False
    """An operation is under way: a role is transitional."""
    disabled: bool = False
    """It is stopped, or not promoted, because somebody wants it so."""
    held: tuple[str, ...] = ()
    """Tickets that it waits for: it is down because it belongs to another site now."""
    managed: bool = True
    maintenance: bool = False
    failed: tuple[str, ...] = ()
    blocked: tuple[str, ...] = ()
    spread: bool = False
    """It may be active on several nodes at a time, as replicas of a bundle are."""
    multiple_active: bool = False
    """A primitive that must run once is active on several nodes."""
    candidates: tuple[Candidate, ...] = ()

    @property
    def active_node(self) -> str | None:
        return self.active_nodes[0] if self.active_nodes else None

    @property
    def able_to_take_over(self) -> tuple[str, ...] | None:
        """Nodes that could run it now, other than the active ones; None: not known."""
        if self.up is None or (self.candidates and all(item.able is None for item in self.candidates)):
            return None
        return tuple([item.node for item in self.candidates if item.able])

    @property
    def redundancy(self) -> int | None:
        """How many nodes there are to fall back on: those able to take over, and the other active ones where it is spread."""
        able = self.able_to_take_over
        return None if able is None else len(able) + (max(0, len(self.active_nodes) - 1) if self.spread else 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """All services of a cluster, its pattern, and what each node is for them. `spare`: nodes that host no service and may take one over."""

    services: tuple[Service, ...] = ()
    pattern: Pattern = Pattern.UNKNOWN
    roles: tuple[tuple[str, NodeRole], ...] = ()
    spare: tuple[str, ...] = ()


def find(status: ClusterStatus, *, named: Mapping[str, Sequence[str]] | None = None, pattern: Pattern | None = None) -> Services:
    """The services of a cluster. `named`: services by the ids of primitives, groups, clones or bundles; there are no others then.

    `pattern`: what the configuration calls it. A pattern that is found is that of this moment, so it is learned while all is well.
    """
    catalogue = _Catalogue(status)
    picture = _Picture(status, catalogue)
    drafts = catalogue.configured(named) if named else catalogue.found()
    placed = {draft.name: draft.active_nodes(picture) for draft in drafts}
    hosting = {node for nodes in placed.values() for node in nodes}
    services = tuple([_service(draft, placed, picture) for draft in drafts])
    able = {item.node for service in services for item in service.candidates if item.able}
    allowed = {item.node for service in services for item in service.candidates if item.allowed}
    spare = tuple([node for node in picture.hosts if node not in hosting and node in allowed])
    return Services(
        services=services,
        pattern=pattern or _pattern({picture.machine(node) for node in hosting}, allowed, spare, picture),
        roles=tuple([(node, _node_role(node in hosting, node in able)) for node in picture.hosts]),
        spare=spare,
    )


# --- what there is


@dataclass(slots=True)
class _Member:
    """A primitive, with all its instances and where they are. `host`: the node, or for bundles the one that the container is on."""

    id: str
    agent: str
    owners: tuple[str, ...]
    clone: bool = False
    promotable: bool = False
    instances: list[InstanceStatus] = field(default_factory=list)
    places: list[tuple[str, InstanceStatus]] = field(default_factory=list)


@dataclass(slots=True)
class _Draft:
    name: str
    kind: ServiceKind
    resources: tuple[str, ...]
    members: list[_Member]

    @property
    def ids(self) -> set[str]:
        """All ids under which constraints and bans may speak of it."""
        return {member.id for member in self.members} | {owner for member in self.members for owner in member.owners}

    def active_nodes(self, picture: "_Picture") -> tuple[str, ...]:
        """Where it serves, the node with most of it first. Where a member failed counts only when nothing serves anywhere else."""
        for failed_too in (False, True):
            counts: dict[str, int] = {}
            for member in self.members:
                for node, item in _serving(member, picture):
                    if failed_too or not item.failed or item.failure_ignored:
                        counts[node] = counts.get(node, 0) + 1
            if counts:
                return tuple(sorted(counts, key=lambda node: -counts[node]))
        return ()


class _Catalogue:
    """The resources of a status by id."""

    def __init__(self, status: ClusterStatus) -> None:
        self.members: dict[str, _Member] = {}
        self.owned: dict[str, list[_Member]] = {}
        self.clones: list[CloneStatus] = []
        self.disabled: set[str] = set()
        self._top: list[tuple[str, ServiceKind]] = []
        guests = {node.name: node.hosted_by for node in status.nodes if node.hosted_by}
        self.bundle_nodes: set[str] = set()
        for item in status.resources:
            match item:
                case InstanceStatus():
                    self._add(item, ())
                    if not (item.is_fence_device or item.orphaned or item.agent == "ocf:pacemaker:remote"):
                        self._top.append((item.id, ServiceKind.PRIMITIVE))
                case GroupStatus():
                    self._group(item, ())
                    self._top.append((item.id, ServiceKind.GROUP))
                case CloneStatus():
                    self._clone(item)
                    if item.promotable:
                        self._top.append((item.id, ServiceKind.PROMOTABLE))
                case BundleStatus():
                    self._bundle(item, guests)
                    self._top.append((item.id, ServiceKind.BUNDLE))

    def of(self, id: str) -> list[_Member]:
        """The primitives of a resource."""
        return self.owned.get(id) or ([self.members[id]] if id in self.members else [])

    def found(self) -> list[_Draft]:
        return [_Draft(id, kind, (id,), members) for id, kind in self._top if (members := self.of(id))]

    def configured(self, named: Mapping[str, Sequence[str]]) -> list[_Draft]:
        """Services by name; an id that the status does not show has no members, so that such a service is not up."""
        drafts = []
        for name, ids in named.items():
            members: dict[str, _Member] = {}
            for id in ids:
                members |= {member.id: member for member in self.of(id) or [_Member(id, "", ())]}
            drafts.append(_Draft(name, ServiceKind.CONFIGURED, tuple(ids), list(members.values())))
        return drafts

    def _add(self, item: InstanceStatus, owners: tuple[str, ...], *, clone: bool = False, promotable: bool = False) -> _Member:
        member = self.members.get(item.id)
        if member is None:
            member = self.members[item.id] = _Member(item.id, item.agent, owners, clone, promotable)
            for owner in owners:
                self.owned.setdefault(owner, []).append(member)
        member.instances.append(item)
        member.places += [(place.node, item) for place in item.nodes if place.cached]
        return member

    def _group(self, group: GroupStatus, owners: tuple[str, ...], *, clone: bool = False, promotable: bool = False) -> None:
        self.owned.setdefault(group.id, [])
        if group.disabled:
            self.disabled.add(group.id)
        for item in group.members:
            self._add(item, (group.id, *owners), clone=clone, promotable=promotable)

    def _clone(self, clone: CloneStatus) -> None:
        self.owned.setdefault(clone.id, [])
        self.clones.append(clone)
        if clone.disabled:
            self.disabled.add(clone.id)
        for item in clone.instances:
            self._add(item, (clone.id,), clone=True, promotable=clone.promotable)
        for group in clone.groups:
            self._group(group, (clone.id,), clone=True, promotable=clone.promotable)

    def _bundle(self, bundle: BundleStatus, guests: Mapping[str, str | None]) -> None:
        """A bundle is where its containers are. What runs in them decides whether it serves, by its role where it is promotable."""
        self.owned.setdefault(bundle.id, [])
        inner_ids = {item.id for replica in bundle.replicas if (item := _inner(replica, guests)) is not None}
        promotable = any(
            item.role in (Role.PROMOTED, Role.UNPROMOTED) or item.target_role in (Role.PROMOTED, Role.UNPROMOTED)
            for replica in bundle.replicas
            for item in replica.resources
            if item.id in inner_ids
        )
        member = _Member(bundle.id, "", (bundle.id,), clone=len(bundle.replicas) > 1, promotable=promotable)
        self.owned[bundle.id].append(member)
        for replica in bundle.replicas:
            container = next((item for item in replica.resources if _is_container(item)), None)
            inner = _inner(replica, guests)
            shown = inner or container
            if shown is None:
                continue
            self.bundle_nodes |= {item.id for item in replica.resources if item.agent == "ocf:pacemaker:remote"}
            member.agent = shown.agent
            member.instances.append(shown)
            if container is not None and container.active and shown.active:
                member.places += [(place.node, shown) for place in container.nodes if place.cached]


def _is_container(item: InstanceStatus) -> bool:
    return item.agent.rpartition(":")[2] in ("docker", "podman", "rkt")


def _inner(replica: ReplicaStatus, guests: Mapping[str, str | None]) -> InstanceStatus | None:
    """What runs in the container: what is neither container nor connection nor, where there are others, an address."""
    rest = [item for item in replica.resources if not _is_container(item) and item.agent != "ocf:pacemaker:remote"]
    inside = [item for item in rest if any(place.node in guests for place in item.nodes)]
    plain = [item for item in rest if not item.agent.rpartition(":")[2].startswith("IPaddr")]
    return next(iter(inside or plain), None)


# --- what the cluster looks like


class _Picture:
    """Lookups that all services share."""

    def __init__(self, status: ClusterStatus, catalogue: _Catalogue) -> None:
        self.status = status
        self.catalogue = catalogue
        self.known = status.dc is not None
        self.nodes = {node.name: node for node in status.nodes}
        self.sound = {node.name for node in status.nodes if node.online and not node.unclean}
        self.hosts = [
            node.name
            for node in status.nodes
            if node.type in (NodeType.MEMBER, NodeType.REMOTE) and node.name not in catalogue.bundle_nodes
        ]
        self.about_nodes = {name: _about_node(self.nodes[name], status) for name in self.hosts}
        self.out = {name for name, found in self.about_nodes.items() if any(item.reason in _OUT for item in found)}
        self.degraded: dict[str, list[str]] = {}
        self.scores: dict[str, dict[str, int]] = {}
        watched: dict[str, set[str]] = {}
        for attribute in status.attributes:
            if attribute.expected is not None:
                watched.setdefault(attribute.name, set()).add(attribute.node)
            if attribute.name.startswith(("master-", "promotion-")):
                resource = attribute.name.partition("-")[2].partition(":")[0]
                self.scores.setdefault(resource, {})[attribute.node] = score(attribute.value)
            elif attribute.expected is not None and score(attribute.value) < score(attribute.expected):
                self.degraded.setdefault(attribute.node, []).append(attribute.name)
        for name, nodes in watched.items():
            for node in self.sound - nodes:
                self.degraded.setdefault(node, []).append(name)  # it is gone, as when the daemon that keeps it died
        self.bans: dict[str, list[tuple[str, str, bool]]] = {}
        for ban in status.bans:
            if ban.weight <= -INFINITY:
                self.bans.setdefault(ban.resource.partition(":")[0], []).append((ban.node, ban.id, ban.promoted_only))
        self.barred: dict[str, list[str]] = {}
        for item in status.history:
            if item.fail_count >= INFINITY or 0 < item.migration_threshold <= item.fail_count:
                self.barred.setdefault(item.resource, []).append(item.node)
        self.missing = _missing_clones(catalogue, self)
        self.rules = Constraints(status)
        self.candidates = {name: Candidate(name, not found, True, found) for name, found in self.about_nodes.items()}
        """Nodes as they are for a service that nothing more is known of."""

    def machine(self, node: str) -> str:
        """The node itself, or of a guest node the one that it is a guest on."""
        known = self.nodes.get(node)
        for member in self.catalogue.of(known.hosted_by) if known is not None and known.hosted_by else ():
            for host, item in member.places:
                if item.active:
                    return host
        return node


_OUT = frozenset(
    {
        Reason.NODE_LOST,
        Reason.NODE_STOPPED,
        Reason.NODE_UNCLEAN,
        Reason.NODE_PENDING,
        Reason.NODE_STOPPING,
        Reason.STANDBY,
        Reason.NO_QUORUM,
    }
)
"""A node in these states runs nothing: that instances and attributes are missing there follows from it and is no reason of its own."""
_FOLLOWS = frozenset({Reason.NO_INSTANCE, Reason.CLONE_MISSING, Reason.ATTRIBUTE, Reason.NOT_PROMOTABLE})


def _about_node(node: NodeStatus, status: ClusterStatus) -> tuple[Hindrance, ...]:
    """What speaks against a node whatever the service."""
    found = []
    if node.unclean:
        found.append(Reason.NODE_UNCLEAN)
    elif not node.online:
        found.append(Reason.NODE_LOST if node.expected_up else Reason.NODE_STOPPED)
    elif node.pending:
        found.append(Reason.NODE_PENDING)
    elif node.shutdown:
        found.append(Reason.NODE_STOPPING)
    if (node.standby and not node.pending) or node.standby_on_fail:
        found.append(Reason.STANDBY)
    if node.maintenance or status.options.maintenance_mode:
        found.append(Reason.MAINTENANCE)
    if node.health == "red" and (status.cib is None or dict(status.cib.options).get("node-health-strategy", "none") != "none"):
        found.append(Reason.HEALTH)
    if not found and status.has_quorum is False and status.options.no_quorum_policy not in (None, "ignore"):
        found.append(Reason.NO_QUORUM)
    return tuple([Hindrance(reason, node.name) for reason in found])


def _missing_clones(catalogue: _Catalogue, picture: _Picture) -> dict[str, dict[str, str]]:
    """Plain clone -> node -> the primitive that should run there and does not, or failed.

    A clone may have fewer instances than there are nodes: it is missed only where one of its instances is stopped and nobody wants it so.
    """
    found: dict[str, dict[str, str]] = {}
    for clone in catalogue.clones:
        if clone.promotable or clone.id in catalogue.disabled:
            continue
        for member in catalogue.owned[clone.id]:
            running = {node for node, item in member.places if item.active}
            broken = {node for node, item in member.places if item.failed and not item.failure_ignored}
            stopped = any(not item.active and item.role is Role.STOPPED for item in member.instances)
            if running or broken:
                without = set(picture.hosts) - running if stopped else set()
                found.setdefault(clone.id, {}).update(dict.fromkeys(without | broken, member.id))
    return found


# --- one service


class _Add(Protocol):
    def __call__(self, reason: Reason, node: str, subject: str = "", *, lasting: bool = False) -> None: ...


def _serving(member: _Member, picture: _Picture) -> list[tuple[str, InstanceStatus]]:
    """Nodes where it serves. What an unclean node is said to run is what it ran when it was last heard of."""
    return [
        (node, item)
        for node, item in member.places
        if node in picture.sound and item.active and (not member.promotable or item.role in (Role.PROMOTED, Role.DEMOTING))
    ]


def _is_up(member: _Member, picture: _Picture) -> bool:
    wanted = (Role.PROMOTED,) if member.promotable else (Role.STARTED, Role.UNPROMOTED, Role.PROMOTED, Role.MIGRATING)
    return any(
        node in picture.sound and item.active and item.role in wanted and (not item.failed or item.failure_ignored)
        for node, item in member.places
    )


def _wanted_down(member: _Member) -> bool:
    unwanted = (Role.STOPPED, Role.UNPROMOTED) if member.promotable else (Role.STOPPED,)
    return any(item.target_role in unwanted for item in member.instances)


def _tickets(member: _Member, picture: _Picture) -> set[str]:
    """The tickets without which it, or what it must run with, may not run here."""
    ids = {member.id, *member.owners}
    return {ticket for id in ids | picture.rules.required(ids) for ticket in picture.rules.tickets.get(id, ())}


def _service(draft: _Draft, placed: Mapping[str, tuple[str, ...]], picture: _Picture) -> Service:
    members, active = draft.members, placed[draft.name]
    instances = [item for member in members for item in member.instances]
    single = [member for member in members if not member.clone]
    ids = draft.ids
    down = [member for member in members if not _is_up(member, picture)]
    waiting = [_tickets(member, picture) for member in down] if picture.known else []
    return Service(
        name=draft.name,
        kind=draft.kind,
        members=tuple([member.id for member in members]),
        resources=draft.resources,
        agents=tuple([member.agent for member in members]),
        active_nodes=active,
        up=not down if picture.known else None,
        moving=any(item.role.is_transitional for item in instances),
        disabled=not ids.isdisjoint(picture.catalogue.disabled) or all(_wanted_down(member) for member in members),
        held=tuple(sorted({ticket for tickets in waiting for ticket in tickets})) if all(waiting) else (),
        managed=all(item.managed for item in instances),
        maintenance=any(item.maintenance for item in instances),
        failed=tuple([member.id for member in members if any(item.failed for item in member.instances)]),
        blocked=tuple([member.id for member in members if any(item.blocked for item in member.instances)]),
        spread=bool(members) and all(member.clone for member in members),
        multiple_active=any(_is_doubled(member, picture) for member in single),
        candidates=_candidates(draft, ids, active, placed, picture),
    )


def _is_doubled(member: _Member, picture: _Picture) -> bool:
    """Whether a primitive is active on several nodes. While it migrates both have it."""
    places = [(node, item) for node, item in member.places if node in picture.sound and item.active]
    return len({node for node, _ in places}) > 1 and not any(item.pending == "Migrating" for _, item in places)


def _candidates(
    draft: _Draft, ids: set[str], active: tuple[str, ...], placed: Mapping[str, tuple[str, ...]], picture: _Picture
) -> tuple[Candidate, ...]:
    """Every node beside the active ones, with all that speaks against it."""
    against: dict[str, list[Hindrance]] = {}

    def add(reason: Reason, node: str, subject: str = "", *, lasting: bool = False) -> None:
        hindrance = Hindrance(reason, node, subject, lasting)
        if hindrance not in (found := against.setdefault(node, [])):
            found.append(hindrance)

    required = picture.rules.required(ids)
    members = list(draft.members)
    for other in required:
        # What it must run with has to be able to run there too; of plain clones see below.
        more = picture.catalogue.of(other)
        members += [member for member in more if member not in members and (member.promotable or not member.clone)]
    ids = ids | {id for member in members for id in (member.id, *member.owners)}
    promotable = any(member.promotable for member in members)
    for id in ids:
        for node, constraint, promoted_only in picture.bans.get(id, ()):
            if not promoted_only or promotable:
                _add_ban(add, node, constraint, picture)
        for other in picture.rules.apart.get(id, ()):
            for name in _nodes_of(other, placed, picture):
                add(Reason.COLOCATION, name, other, lasting=True)
        for ticket in picture.rules.tickets.get(id, ()):
            for name in picture.hosts:
                add(Reason.TICKET, name, ticket)
    for member in members:
        for node in picture.barred.get(member.id, ()):
            add(Reason.FAIL_COUNT, node, member.id)
        if member.promotable:
            _about_promotion(add, member, picture)
        for item in member.instances:
            if not item.managed or item.blocked:
                for name in picture.hosts:
                    add(Reason.BLOCKED if item.blocked else Reason.UNMANAGED, name, member.id)
    for clone, nodes in picture.missing.items():
        if picture.rules.known and clone not in required:
            continue
        for node, primitive in nodes.items():
            if active and active[0] in nodes and not picture.rules.known:
                break  # the service runs without it where it is
            add(Reason.CLONE_MISSING, node, primitive)
    hosted = {node.name for node in picture.nodes.values() if node.hosted_by in ids}
    found = []
    plain = picture.known and picture.rules.symmetric is not False
    for node in picture.hosts:
        if node in active or node in hosted:
            continue
        special = against.get(node)
        if special is None and plain:
            found.append(picture.candidates[node])
            continue
        allows = picture.rules.allows(ids, node)
        if allows is False:
            add(Reason.NOT_ALLOWED, node, lasting=True)
        about_service = [item for item in against.get(node, ()) if node not in picture.out or item.reason not in _FOLLOWS]
        hindrances = (*picture.about_nodes[node], *about_service)
        able = None if not picture.known else False if hindrances else None if allows is None else True
        found.append(Candidate(node, able, not any(item.lasting for item in hindrances), hindrances))
    return tuple(found)


def _add_ban(add: _Add, node: str, constraint: str, picture: _Picture) -> None:
    """A ban by a rule is told by the attribute that made it so. It passes, as an operator's own does; any other is for good."""
    if constraint.startswith(("cli-ban-", "cli-prefer-")):
        add(Reason.BAN, node, constraint)
        return
    text = picture.rules.rules.get(constraint)
    by_rule = text is not None or not picture.rules.known
    if node in picture.out and by_rule:
        return  # its attributes are gone, so that rules on them ban it: it follows from the state of the node
    named = None if text is None else _attributes_of(text)
    causes = [name for name in picture.degraded.get(node, ()) if named is None or name in named] if by_rule else []
    for name in causes or (named or [])[:1]:
        add(Reason.ATTRIBUTE, node, name)
    if not causes and not named:
        add(Reason.BAN, node, constraint, lasting=text is None)


def _attributes_of(rule: str) -> list[str]:
    """Node attributes in the text of a rule; `#uname` and the like are none."""
    parts = re.split(r" (?:and|or) ", rule.partition(": ")[2])
    names = [part.strip("( ").split(" ", 1)[0] for part in parts]
    return [name for name in dict.fromkeys(names) if name and not name.startswith(("#", "date"))]


def _about_promotion(add: _Add, member: _Member, picture: _Picture) -> None:
    """An instance must be there that may be promoted: its promotion score is not negative.

    An agent that sets scores at all sets one on every node that it finds good, so a missing one is a bad sign; so is a failed instance.
    """
    scores = picture.scores.get(member.id, {})
    instances = {node: item for node, item in member.places if item.active}
    for node in picture.hosts:
        item = instances.get(node)
        if item is None:
            add(Reason.NO_INSTANCE, node, member.id)
        elif item.failed and not item.failure_ignored:
            add(Reason.RESOURCE_FAILED, node, member.id)
        elif scores and scores.get(node, -1) < 0:
            add(Reason.NOT_PROMOTABLE, node, member.id)


def _nodes_of(id: str, placed: Mapping[str, tuple[str, ...]], picture: _Picture) -> set[str]:
    """Where a resource is, by its id."""
    return {node for member in picture.catalogue.of(id) for node, _ in _serving(member, picture)} | set(placed.get(id, ()))


# --- the cluster as a whole


def _node_role(active: bool, able: bool) -> NodeRole:
    """`able`: it could take over a service that is active elsewhere."""
    if active:
        return NodeRole.BOTH if able else NodeRole.ACTIVE
    return NodeRole.STANDBY if able else NodeRole.OUT


def _pattern(hosting: set[str], allowed: set[str], spare: Sequence[str], picture: _Picture) -> Pattern:
    """Nodes that may never run a service (as one that is there for quorum alone) do not count."""
    active = [node for node in picture.hosts if node in hosting]
    spare = [node for node in spare if node not in hosting and not picture.nodes[node].hosted_by]
    count = len(active) + len(spare)
    if not picture.known or not active:
        return Pattern.UNKNOWN
    if count == 1:
        return Pattern.SINGLE
    if count == 2:
        if spare:
            return Pattern.ONE_PLUS_ONE
        return Pattern.CROSS if allowed.issuperset(active) else Pattern.SYMMETRIC
    if not spare:
        return Pattern.SYMMETRIC
    return Pattern.N_PLUS_ONE if len(spare) == 1 else Pattern.N_PLUS_M
