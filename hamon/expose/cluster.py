"""hamon's own metrics of one cluster, from what is known of it: its view, what polling showed, and the services found in that.

Laws: every possible status is a row with 0 or 1; what is removed disappears; what is not known reads as unhealthy, and is neither healthy
nor absent. Facts that speak of trouble (failed actions, bans, fail counts) stay as they were last seen.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from math import inf, nan

from hamon.classify.constraints import INFINITY
from hamon.classify.services import Pattern, Service, Services
from hamon.expose.text import Described, Rows, Samples, counter, escape, gauge, labels
from hamon.model.cluster import (
    BundleStatus,
    CloneStatus,
    ClusterStatus,
    ClusterView,
    GroupStatus,
    InstanceStatus,
    NodeState,
    NodeView,
    ServiceView,
    SourceView,
)
from hamon.model.observation import Asked, Polled

FAMILIES: tuple[Described, ...] = (
    gauge("hamon_cluster_known", "Whether it is known how the cluster is: polling is answered, or a log is read.", "cluster"),
    gauge("hamon_cluster_maintenance", "Whether the whole cluster is in maintenance mode.", "cluster"),
    gauge("hamon_cluster_quorum", "Whether the cluster has quorum; 0 when unknown.", "cluster"),
    gauge("hamon_cluster_quorum_known", "Whether it is known if the cluster has quorum.", "cluster"),
    gauge("hamon_cluster_dc", "Whether the node is the designated controller.", "cluster", "node"),
    gauge("hamon_cluster_fencing_enabled", "Whether fencing is enabled; 0 when unknown.", "cluster"),
    gauge("hamon_cluster_pattern", "1 for the pattern of the cluster, 0 for the others.", "cluster", "pattern"),
    gauge("hamon_cluster_last_event_timestamp_seconds", "When the last event of the cluster happened.", "cluster"),
    gauge("hamon_node_state", "1 for the state that the node is in, 0 for the others.", "cluster", "node", "state"),
    gauge(
        "hamon_node_clock_ahead_seconds",
        "How far the clock of the node is ahead of this host's, by its logs; negative: behind; 0: right, or not known to be wrong.",
        "cluster",
        "node",
    ),
    gauge("hamon_node_online", "Whether the node is a member of the cluster, also in standby or maintenance.", "cluster", "node"),
    gauge("hamon_nodes", "Number of nodes in the state.", "cluster", "state"),
    gauge("hamon_service_up", "Whether the service runs; 0 when unknown.", "cluster", "service"),
    gauge("hamon_service_up_known", "Whether it is known if the service runs.", "cluster", "service"),
    gauge("hamon_service_active", "Whether the service is active on the node.", "cluster", "service", "node"),
    gauge("hamon_service_can_take_over", "Whether the node could take the service over now; 0 when unknown.", "cluster", "service", "node"),
    gauge("hamon_service_redundancy", "Number of nodes able to take the service over; 0 when unknown.", "cluster", "service"),
    gauge("hamon_service_redundancy_known", "Whether it is known which nodes are able to take the service over.", "cluster", "service"),
    gauge(
        "hamon_service_held",
        "Whether the service is down because a ticket that it needs is not granted to this site.",
        "cluster",
        "service",
    ),
    gauge("hamon_service_managed", "Whether the cluster manages all of the service; 0 when unknown.", "cluster", "service"),
    gauge("hamon_resources", "Number of instances of resources in the state; NaN when unknown.", "cluster", "state"),
    gauge("hamon_failed_actions", "Failed actions that were not cleaned up yet.", "cluster", "node", "resource", "operation"),
    gauge("hamon_failcount", "Fail counts above 0.", "cluster", "node", "resource"),
    gauge("hamon_ban", "Scores below 0 that keep a resource from a node.", "cluster", "constraint", "node", "resource"),
    gauge("hamon_attribute_degraded", "Whether a node attribute is below the expected; 1 when unknown.", "cluster", "node", "attribute"),
    gauge("hamon_fence_device_up", "Whether the fence device runs without failure; 0 when unknown.", "cluster", "device"),
    gauge("hamon_fencing_actions", "Fencing of the node in the fencing history of the cluster.", "cluster", "node", "status"),
    gauge("hamon_link_up", "Whether the polled node reaches the peer by the link; 0 when unknown.", "cluster", "node", "link", "peer"),
    gauge("hamon_sbd_device_up", "Whether the SBD device can be read; 0 when unknown.", "cluster", "device"),
    gauge("hamon_drbd_connected", "Whether the DRBD resource is connected to the peer; 0 when unknown.", "cluster", "resource", "peer"),
    gauge("hamon_drbd_up_to_date", "Whether the local data of the volume are up to date; 0 when unknown.", "cluster", "resource", "volume"),
    gauge("hamon_ticket_granted", "Whether the ticket is granted and not in standby; 0 when unknown.", "cluster", "ticket"),
)
"""What follows from the state."""

POLL: tuple[Described, ...] = (
    gauge("hamon_poll_up", "Whether the last question to the cluster was answered, of those that are polled.", "cluster"),
    gauge("hamon_poll_last_answer_timestamp_seconds", "When the cluster last answered; 0: never.", "cluster"),
    gauge("hamon_poll_state_timestamp_seconds", "Since when the polled state is as it is; 0: it never was seen.", "cluster"),
    gauge("hamon_poll_part_up", "Whether the part of the poll was answered.", "cluster", "part"),
    gauge("hamon_poll_part_seconds", "How long the answer of the part took; NaN when there is none.", "cluster", "part"),
)
"""New with every answer."""

SOURCES: tuple[Described, ...] = (
    gauge("hamon_source_up", "Whether the source of evidence gives data.", "cluster", "collector", "path"),
    gauge("hamon_source_last_data_timestamp_seconds", "When the source last gave data.", "cluster", "collector", "path"),
    gauge("hamon_source_lag_bytes", "What is written in the source and not yet read.", "cluster", "collector", "path"),
    counter("hamon_source_read_bytes_total", "Bytes read from the source.", "cluster", "collector", "path"),
    counter("hamon_source_read_lines_total", "Lines read from the source, or traps that came from it.", "cluster", "collector", "path"),
)

_MEMBERS = frozenset({NodeState.ONLINE, NodeState.STANDBY, NodeState.MAINTENANCE})
_STATUSES = ("success", "failed", "pending")


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What the metrics of a cluster are made from.

    `known` False: nothing tells how the cluster is now. `services` are those of the polled status, None where it is not to be believed.
    """

    view: ClusterView
    polled: Polled | None = None
    services: Services | None = None
    known: bool = True

    @property
    def status(self) -> ClusterStatus | None:
        """The last polled status, however old."""
        return self.polled.snapshot.status if self.polled is not None and self.polled.snapshot is not None else None

    @property
    def is_fresh(self) -> bool:
        """Whether the polled status is the present one."""
        return self.known and self.polled is not None and self.polled.unknown_since is None and self.status is not None


def rows(facts: Facts) -> Rows:
    """The samples of FAMILIES. Labels are without the cluster, which the caller puts first."""
    found: Rows = {one.name: {} for one in FAMILIES}
    _cluster(found, facts)
    _nodes(found, facts)
    for service in _services(facts):
        _service(found, service, facts)
    if (status := facts.status) is not None:
        _resources(found, status, facts.is_fresh)
        _trouble(found, status, facts.is_fresh)
        _fencing(found, status, facts.is_fresh)
        _companions(found, status, facts.is_fresh)
    return found


def source_rows(sources: Iterable[SourceView]) -> Rows:
    """The samples of SOURCES, with all their labels."""
    up: Samples = {}
    last: Samples = {}
    lag: Samples = {}
    read_bytes: Samples = {}
    read_lines: Samples = {}
    for source in sources:
        key = f'cluster="{escape(source.cluster)}",collector="{escape(source.collector)}",path="{escape(source.path)}"'
        up[key], lag[key], read_bytes[key], read_lines[key] = source.up, source.lag_bytes, source.bytes_read, source.lines_read
        if source.last_data_at is not None:
            last[key] = source.last_data_at.timestamp()
    return dict(zip([one.name for one in SOURCES], (up, last, lag, read_bytes, read_lines), strict=True))


def poll_rows(polled: Polled) -> Rows:
    """The samples of POLL."""
    snapshot, known = polled.snapshot, polled.unknown_since is None
    parts_up: Samples = {}
    seconds: Samples = {}
    for item in snapshot.asked if snapshot is not None else (Asked(part="crm_mon", seconds=nan, reason=polled.reason),):
        part = f'part="{escape(item.part)}"'
        parts_up[part] = known and not item.reason
        seconds[part] = nan if item.reason or not known else item.seconds
    return {
        "hamon_poll_up": {"": known and snapshot is not None},
        "hamon_poll_last_answer_timestamp_seconds": {"": snapshot.received_at.timestamp() if snapshot is not None else 0},
        "hamon_poll_state_timestamp_seconds": {"": polled.since.timestamp() if polled.since is not None else 0},
        "hamon_poll_part_up": parts_up,
        "hamon_poll_part_seconds": seconds,
    }


# --- the cluster and its nodes


def _cluster(found: Rows, facts: Facts) -> None:
    view, status, known = facts.view, facts.status, facts.known
    found["hamon_cluster_known"][""] = known
    maintenance = status.options.maintenance_mode if status is not None else None
    found["hamon_cluster_maintenance"][""] = view.maintenance if maintenance is None else maintenance
    quorum = status.has_quorum if status is not None and facts.is_fresh else view.has_quorum
    found["hamon_cluster_quorum"][""] = known and bool(quorum)
    found["hamon_cluster_quorum_known"][""] = known and quorum is not None
    if status is not None:
        found["hamon_cluster_fencing_enabled"][""] = facts.is_fresh and bool(status.options.fencing_enabled)
        pattern = facts.services.pattern if facts.services is not None else Pattern.UNKNOWN
        for one in Pattern:
            found["hamon_cluster_pattern"][f'pattern="{one.value}"'] = one is pattern
    if view.last_event_at is not None:
        found["hamon_cluster_last_event_timestamp_seconds"][""] = view.last_event_at.timestamp()


def _nodes(found: Rows, facts: Facts) -> None:
    states = node_states(facts)
    counts = Counter(states.values())
    clocks = {node.name: node.clock_ahead_seconds for node in facts.view.nodes}
    dc = facts.status.dc if facts.status is not None and facts.is_fresh else facts.view.dc if facts.known else None
    for name, state in states.items():
        node = f'node="{escape(name)}"'
        found["hamon_cluster_dc"][node] = name == dc
        found["hamon_node_online"][node] = state in _MEMBERS
        found["hamon_node_clock_ahead_seconds"][node] = clocks.get(name, 0.0)
        for one in NodeState:
            found["hamon_node_state"][f'{node},state="{one.value}"'] = one is state
    for one in NodeState:
        found["hamon_nodes"][f'state="{one.value}"'] = counts[one]


def node_states(facts: Facts) -> dict[str, NodeState]:
    """Every node of the cluster. A poll alone cannot tell a node that was stopped from one that was fenced; the view remembers."""
    states = {node.name: node.state if facts.known else NodeState.UNKNOWN for node in facts.view.nodes}
    status = facts.status
    if status is None:
        return states
    for node in status.nodes:
        if not facts.is_fresh or status.dc is None:
            states.setdefault(node.name, NodeState.UNKNOWN)
        elif node.online and not node.pending and not node.unclean:
            standby = node.standby or node.standby_on_fail
            maintenance = node.maintenance or bool(status.options.maintenance_mode)
            states[node.name] = NodeState.MAINTENANCE if maintenance else NodeState.STANDBY if standby else NodeState.ONLINE
        elif states.get(node.name, NodeState.UNKNOWN) in _MEMBERS | {NodeState.UNKNOWN}:
            states[node.name] = NodeState.LOST if node.unclean or node.expected_up else NodeState.STOPPED
    return states


# --- services


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceState:
    """One service as it is shown: `up` and `able` None where that is not known."""

    name: str
    active: tuple[str, ...] = ()
    up: bool | None = None
    able: tuple[str, ...] | None = None
    managed: bool = True
    held: bool = False
    service: Service | None = field(default=None, compare=False)


def services(facts: Facts) -> list[ServiceState]:
    """The services of a cluster: as the poll shows them, or the view where there is none."""
    return list(_services(facts))


def _services(facts: Facts) -> Iterator[ServiceState]:
    if facts.services is not None and facts.is_fresh:
        overtaken = {view.name: view for view in facts.view.services if view.overtaken}
        for item in facts.services.services:
            if (view := overtaken.get(item.name)) is not None:
                yield replace(_of_view(view, facts), service=item)
                continue
            managed = item.managed and not item.maintenance
            yield ServiceState(
                name=item.name,
                active=item.active_nodes,
                up=item.up,
                able=item.able_to_take_over,
                managed=managed,
                held=bool(item.held),
                service=item,
            )
        return
    for view in facts.view.services:
        yield _of_view(view, facts)


def _of_view(view: ServiceView, facts: Facts) -> ServiceState:
    if not facts.known:
        return ServiceState(name=view.name, managed=False)
    active = (view.active_node,) if view.active_node is not None else ()
    return ServiceState(
        name=view.name, active=active, up=view.up, able=view.able_to_take_over, managed=not facts.view.maintenance, held=view.held
    )


def _service(found: Rows, service: ServiceState, facts: Facts) -> None:
    name = f'service="{escape(service.name)}"'
    found["hamon_service_up"][name] = bool(service.up)
    found["hamon_service_up_known"][name] = service.up is not None
    found["hamon_service_redundancy"][name] = len(service.able or ())
    found["hamon_service_redundancy_known"][name] = service.able is not None
    found["hamon_service_held"][name] = service.held
    found["hamon_service_managed"][name] = service.managed
    nodes = [node.name for node in _hosts(facts)]
    for node in dict.fromkeys([*nodes, *service.active]):
        both = f'node="{escape(node)}",{name}'
        found["hamon_service_active"][both] = node in service.active
        found["hamon_service_can_take_over"][both] = node in (service.able or ())


def _hosts(facts: Facts) -> list[NodeView]:
    """The nodes that the view knows, and those that services may be on by the poll."""
    known = {node.name: node for node in facts.view.nodes}
    if facts.services is not None:
        for name, _ in facts.services.roles:
            known.setdefault(name, NodeView(name=name, state=NodeState.UNKNOWN))
    return list(known.values())


# --- what the poll tells beside services


def instances(status: ClusterStatus) -> Iterator[InstanceStatus]:
    """Every instance of every resource."""
    for item in status.resources:
        match item:
            case InstanceStatus():
                yield item
            case GroupStatus():
                yield from item.members
            case CloneStatus():
                yield from item.instances
                for group in item.groups:
                    yield from group.members
            case BundleStatus():
                for replica in item.replicas:
                    yield from replica.resources


def _resources(found: Rows, status: ClusterStatus, fresh: bool) -> None:
    counts = Counter[str]()
    for item in instances(status):
        counts["active" if item.active else "stopped"] += 1
        counts["failed"] += item.failed and not item.failure_ignored
        counts["blocked"] += item.blocked
        counts["unmanaged"] += not item.managed
        counts["orphaned"] += item.orphaned
    for state in ("active", "stopped", "failed", "blocked", "unmanaged", "orphaned"):
        found["hamon_resources"][f'state="{state}"'] = counts[state] if fresh else nan


def _trouble(found: Rows, status: ClusterStatus, fresh: bool) -> None:
    actions = found["hamon_failed_actions"]
    for failure in status.failures:
        names = ("node", "operation", "resource")
        key = labels(names, (failure.node, failure.task, failure.resource))
        actions[key] = actions.get(key, 0) + 1
    for item in status.history:
        if item.fail_count > 0:
            resource = item.resource if item.instance is None else f"{item.resource}:{item.instance}"
            found["hamon_failcount"][labels(("node", "resource"), (item.node, resource))] = (
                inf if item.fail_count >= INFINITY else item.fail_count
            )
    for ban in status.bans:
        key = labels(("constraint", "node", "resource"), (ban.id, ban.node, ban.resource))
        found["hamon_ban"][key] = -inf if ban.weight <= -INFINITY else ban.weight
    for attribute in status.attributes:
        if attribute.expected is not None:
            key = labels(("attribute", "node"), (attribute.name, attribute.node))
            found["hamon_attribute_degraded"][key] = not fresh or attribute.is_low


def _fencing(found: Rows, status: ClusterStatus, fresh: bool) -> None:
    for item in instances(status):
        if item.is_fence_device:
            device = f'device="{escape(item.id)}"'
            up = fresh and item.active and not item.failed
            found["hamon_fence_device_up"][device] = up or found["hamon_fence_device_up"].get(device, 0)
    counts = Counter((event.target, event.status) for event in status.fencing)
    for target in dict.fromkeys([node.name for node in status.nodes] + [event.target for event in status.fencing]):
        for word in _STATUSES:
            found["hamon_fencing_actions"][f'node="{escape(target)}",status="{word}"'] = counts[target, word]


def _companions(found: Rows, status: ClusterStatus, fresh: bool) -> None:
    for link in status.links or ():
        if not link.is_local:
            key = labels(("link", "node", "peer"), (link.link, status.reporter or "", link.peer or ""))
            found["hamon_link_up"][key] = fresh and link.connected and link.enabled
    for device in status.sbd or ():
        found["hamon_sbd_device_up"][f'device="{escape(device.path)}"'] = fresh and device.status == "healthy"
    for resource in status.drbd or ():
        name = f'resource="{escape(resource.name)}"'
        for peer in resource.peers:
            found["hamon_drbd_connected"][f'peer="{escape(peer.name)}",{name}'] = fresh and peer.connection == "Connected"
        for volume in resource.volumes:
            key = f'{name},volume="{volume.number}"'
            found["hamon_drbd_up_to_date"][key] = fresh and volume.disk_state in ("UpToDate", "Diskless")
    for ticket in status.tickets:
        found["hamon_ticket_granted"][f'ticket="{escape(ticket.id)}"'] = fresh and ticket.granted and not ticket.standby
