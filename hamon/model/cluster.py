"""A cluster: its status as one poll showed it, and what hamon knows of it now. Unknown stays None.

The status records follow the words of the `crm_mon` schema; older spellings are translated by the parser. Tuples keep the order of the
source, so that equal input gives equal records.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class Role(StrEnum):
    """Role of a resource instance, in today's words. The `-ing` ones are transitional: an operation is under way."""

    STOPPED = "Stopped"
    STARTED = "Started"
    UNPROMOTED = "Unpromoted"
    PROMOTED = "Promoted"
    STARTING = "Starting"
    STOPPING = "Stopping"
    PROMOTING = "Promoting"
    DEMOTING = "Demoting"
    MIGRATING = "Migrating"
    UNKNOWN = "Unknown"

    @property
    def is_transitional(self) -> bool:
        return self in _TRANSITIONAL


_TRANSITIONAL = frozenset({Role.STARTING, Role.STOPPING, Role.PROMOTING, Role.DEMOTING, Role.MIGRATING})


class NodeType(StrEnum):
    MEMBER = "member"
    REMOTE = "remote"
    """A remote node, or a guest node when `hosted_by` names the resource that it runs in."""
    PING = "ping"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeStatus:
    """One `nodes/node` element. `id` is the Corosync node id as text, or the name of a remote node."""

    name: str
    id: str
    online: bool = False
    standby: bool = False
    standby_on_fail: bool = False
    maintenance: bool = False
    pending: bool = False
    unclean: bool = False
    shutdown: bool = False
    expected_up: bool = False
    is_dc: bool = False
    type: NodeType = NodeType.MEMBER
    resources_running: int | None = None
    health: str | None = None
    feature_set: str | None = None
    hosted_by: str | None = None
    """Guest and bundle nodes: the resource that hosts them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Placement:
    """Where an instance is active. `cached` False: that node is not online, so the place is old knowledge."""

    node: str
    node_id: str = ""
    cached: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class InstanceStatus:
    """One `resource` element: a primitive, or one instance of a cloned one (`id` without `:N`, which stands in `instance`)."""

    id: str
    agent: str
    role: Role
    active: bool = False
    orphaned: bool = False
    blocked: bool = False
    managed: bool = True
    maintenance: bool = False
    failed: bool = False
    failure_ignored: bool = False
    instance: str | None = None
    target_role: Role | None = None
    pending: str | None = None
    locked_to: str | None = None
    description: str | None = None
    nodes: tuple[Placement, ...] = ()

    @property
    def is_fence_device(self) -> bool:
        return self.agent.startswith("stonith:")


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupStatus:
    """A group, or one instance of a cloned group (`instance` then is its number)."""

    id: str
    members: tuple[InstanceStatus, ...] = ()
    managed: bool = True
    disabled: bool = False
    maintenance: bool = False
    instance: str | None = None
    description: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CloneStatus:
    """A clone of a primitive (`instances`) or of a group (`groups`)."""

    id: str
    promotable: bool = False
    unique: bool = False
    managed: bool = True
    disabled: bool = False
    maintenance: bool = False
    failed: bool = False
    failure_ignored: bool = False
    target_role: Role | None = None
    description: str | None = None
    instances: tuple[InstanceStatus, ...] = ()
    groups: tuple[GroupStatus, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplicaStatus:
    """One replica of a bundle: IP address, container, remote connection and the service in it, as far as each is there."""

    id: str
    resources: tuple[InstanceStatus, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class BundleStatus:
    id: str
    type: str
    image: str
    unique: bool = False
    managed: bool = True
    maintenance: bool = False
    failed: bool = False
    description: str | None = None
    replicas: tuple[ReplicaStatus, ...] = ()


ResourceStatus = InstanceStatus | GroupStatus | CloneStatus | BundleStatus


@dataclass(frozen=True, slots=True, kw_only=True)
class AttributeStatus:
    """A node attribute. `expected`: of ping attributes, the value when all targets answer."""

    node: str
    name: str
    value: str
    expected: str | None = None

    @property
    def is_low(self) -> bool:
        """Whether it is below the expected, as far as there is one; what is no number is low where it differs."""
        if self.expected is None:
            return False
        try:
            return float(self.value) < float(self.expected)
        except ValueError:
            return self.value != self.expected


@dataclass(frozen=True, slots=True, kw_only=True)
class OperationStatus:
    """One recorded operation. Times as in the document where they could not be read stand in `last_change_text`; durations in seconds."""

    call: int | None
    task: str
    rc: int | None
    rc_text: str = ""
    interval_seconds: float = 0.0
    last_change_at: datetime | None = None
    last_change_text: str = ""
    last_run_text: str = ""
    execution_seconds: float | None = None
    queue_seconds: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryStatus:
    """What is recorded of one resource on one node. 1000000 is INFINITY: as a threshold never, as a count always."""

    node: str
    resource: str
    instance: str | None = None
    """Of a unique clone: its number."""
    orphaned: bool = False
    migration_threshold: int = 1_000_000
    fail_count: int = 0
    last_failure_at: datetime | None = None
    last_failure_text: str = ""
    operations: tuple[OperationStatus, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class FailureStatus:
    """A failed action that is recorded until it is cleaned up: history, not present state."""

    operation_key: str
    resource: str
    task: str
    node: str
    rc: int | None
    instance: str | None = None
    rc_text: str = ""
    reason: str = ""
    status: str = ""
    call: int | None = None
    interval_seconds: float = 0.0
    last_change_at: datetime | None = None
    last_change_text: str = ""
    execution_seconds: float | None = None
    queue_seconds: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FencingStatus:
    """One entry of the fencing history, newest first. `status`: success, failed or pending."""

    action: str
    target: str
    status: str
    client: str = ""
    origin: str = ""
    delegate: str | None = None
    reason: str = ""
    extended_status: str = ""
    completed_at: datetime | None = None
    completed_text: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class BanStatus:
    """A location preference below zero."""

    id: str
    resource: str
    node: str
    weight: int
    promoted_only: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class TicketStatus:
    id: str
    granted: bool
    standby: bool = False
    last_granted_at: datetime | None = None
    last_granted_text: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class OptionsStatus:
    """Cluster options, None where the release does not tell. `other`: those without a field of their own, by name."""

    fencing_enabled: bool | None = None
    symmetric: bool | None = None
    no_quorum_policy: str | None = None
    maintenance_mode: bool | None = None
    stop_all_resources: bool | None = None
    fencing_timeout_seconds: float | None = None
    priority_fencing_delay_seconds: float | None = None
    other: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfigurationChange:
    """The last change of the configuration, and who made it."""

    at: datetime | None = None
    at_text: str = ""
    user: str = ""
    client: str = ""
    origin: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkStatus:
    """A Corosync link (3.x: to one peer; 2.x ring: `peer` None) as the polled node sees it."""

    link: str
    address: str = ""
    peer: str | None = None
    """Name of the peer where it is known, else its node id."""
    peer_id: str | None = None
    connected: bool = True
    enabled: bool = True
    is_local: bool = False
    text: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class QuorumNode:
    """One row of the membership in `corosync-quorumtool`. `qdevice`: `A,V,NMW` alive, votes, master wins (N.. not); `NR` not registered."""

    node_id: str
    name: str
    votes: int | None = None
    qdevice: str = ""
    is_local: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class QuorumStatus:
    quorate: bool
    expected_votes: int | None = None
    highest_expected: int | None = None
    total_votes: int | None = None
    quorum: int | None = None
    ring_id: str = ""
    nodes: tuple[QuorumNode, ...] = ()
    flags: tuple[str, ...] = ()
    node_id: str = ""
    """Of the node that answered."""
    provider: str = ""
    qdevice_name: str = ""
    """Of the quorum device, where there is one; `qdevice_votes`: those it casts now."""
    qdevice_votes: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SbdDevice:
    """A configured SBD device. `status`: healthy or unhealthy. `timeouts`: seconds by name (watchdog, msgwait, allocate, loop)."""

    path: str
    status: str
    timeouts: tuple[tuple[str, int], ...] = ()
    slots: tuple[tuple[str, str], ...] = ()
    """Node and the message that waits for it: clear, test, reset, off, exit, crashdump."""
    version: str = ""
    reason: str = ""
    """Why it is unhealthy."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DrbdPeerVolume:
    """One volume as it is on a peer. `received`, `sent`: KiB; `pending`, `unacked`: requests; `out_of_sync`: KiB."""

    number: int
    disk_state: str
    replication: str = ""
    percent_in_sync: float | None = None
    out_of_sync: int | None = None
    received: int | None = None
    sent: int | None = None
    pending: int | None = None
    unacked: int | None = None
    resync_suspended: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class DrbdPeer:
    """A connection. `StandAlone`: it was given up, by an operator or because of a split brain; it does not come back by itself."""

    name: str
    connection: str
    role: str
    node_id: int | None = None
    congested: bool = False
    volumes: tuple[DrbdPeerVolume, ...] = ()

    @property
    def percent_in_sync(self) -> tuple[tuple[int, float], ...]:
        return tuple([(item.number, item.percent_in_sync) for item in self.volumes if item.percent_in_sync is not None])


@dataclass(frozen=True, slots=True, kw_only=True)
class DrbdVolume:
    """`written`, `read`: KiB; `size`: KiB. `split_brain`: the handler of DRBD left a mark that a split brain was detected."""

    number: int
    disk_state: str
    minor: int | None = None
    quorum: bool | None = None
    size: int | None = None
    split_brain: bool = False
    written: int | None = None
    read: int | None = None
    al_writes: int | None = None
    bm_writes: int | None = None
    upper_pending: int | None = None
    lower_pending: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DrbdStatus:
    """One DRBD resource on the polled node. `split_brain`: the handler's mark is there for one of its volumes."""

    name: str
    role: str
    suspended: bool = False
    volumes: tuple[DrbdVolume, ...] = ()
    peers: tuple[DrbdPeer, ...] = ()
    split_brain: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Constraint:
    """A location, colocation or order constraint, or a ticket, as `cibadmin -Q` gives it. Attributes as in the CIB, rules as their text."""

    id: str
    kind: str
    attributes: tuple[tuple[str, str], ...] = ()
    rules: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class CibStatus:
    """What of the CIB is kept, without secrets: versions, constraints, options, alerts."""

    admin_epoch: int = 0
    epoch: int = 0
    num_updates: int = 0
    written_at: datetime | None = None
    constraints: tuple[Constraint, ...] = ()
    options: tuple[tuple[str, str], ...] = ()
    alerts: tuple[tuple[str, str], ...] = ()
    """Path of the agent and its recipient, without values that may be secret."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterStatus:
    """What one poll showed. `at`: when it was asked; `reporter`: the node that answered, where it is known.

    `dc` None: none is known, so quorum and more are not either (such a status decides nothing). The parts beside `crm_mon` are None
    where they were not asked or gave no answer.
    """

    at: datetime
    reporter: str | None = None
    pacemakerd_state: str | None = None
    stack: str | None = None
    version: str | None = None
    """Of the DC."""
    dc: str | None = None
    has_quorum: bool | None = None
    mixed_versions: bool | None = None
    nodes_configured: int | None = None
    resources_configured: int | None = None
    resources_disabled: int | None = None
    resources_blocked: int | None = None
    last_update_at: datetime | None = None
    last_change: ConfigurationChange | None = None
    options: OptionsStatus = OptionsStatus()
    nodes: tuple[NodeStatus, ...] = ()
    resources: tuple[ResourceStatus, ...] = ()
    attributes: tuple[AttributeStatus, ...] = ()
    history: tuple[HistoryStatus, ...] = ()
    failures: tuple[FailureStatus, ...] = ()
    fencing: tuple[FencingStatus, ...] = ()
    fencing_code: int | None = None
    """Exit code of the query for the fencing history: 0 good; another: `fencing` is not known. None: not told."""
    bans: tuple[BanStatus, ...] = ()
    tickets: tuple[TicketStatus, ...] = ()
    errors: tuple[str, ...] = ()
    """What `crm_mon` complained of although it gave data."""
    quorum: QuorumStatus | None = None
    links: tuple[LinkStatus, ...] | None = None
    links_at: datetime | None = None
    """When Corosync was asked for its links, which may be well before the rest; None: with it."""
    sbd: tuple[SbdDevice, ...] | None = None
    drbd: tuple[DrbdStatus, ...] | None = None
    cib: CibStatus | None = None


class NodeState(StrEnum):
    ONLINE = "online"
    STANDBY = "standby"
    MAINTENANCE = "maintenance"
    STOPPED = "stopped"
    LOST = "lost"
    FENCED = "fenced"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeView:
    name: str
    state: NodeState
    is_dc: bool | None = None
    since: datetime | None = None
    clock_ahead_seconds: float = 0.0
    """How far its clock is ahead of ours; negative: behind; 0: right, or not known to be wrong."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceView:
    """`up` None: not known yet. `able_to_take_over`: nodes that could run it now, other than the active one; None unknown.

    `held`: it is down here because a ticket that it needs is not granted to this site. `overtaken`: logs or traps tell more of it than
    the last poll, such as a start, so that this is how they have it.
    """

    name: str
    resources: tuple[str, ...]
    active_node: str | None = None
    up: bool | None = None
    able_to_take_over: tuple[str, ...] | None = None
    since: datetime | None = None
    held: bool = False
    overtaken: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterView:
    """`maintenance` is that of the whole cluster; `amiss` what is not as it should be, in the words of `classify/amiss.py`."""

    name: str
    title: str
    nodes: tuple[NodeView, ...] = ()
    services: tuple[ServiceView, ...] = ()
    dc: str | None = None
    has_quorum: bool | None = None
    maintenance: bool = False
    last_event_at: datetime | None = None
    amiss: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceView:
    """One source of evidence: whether it gives data, and since when it does or does not."""

    collector: str
    kind: str
    cluster: str
    path: str
    up: bool
    reason: str = ""
    since: datetime | None = None
    last_data_at: datetime | None = None
    bytes_read: int = 0
    lines_read: int = 0
    lag_bytes: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceiverView:
    """What one receiver did since it started. `received` goes by SNMP version or transport, `refused` by reason (see Refusal)."""

    collector: str
    kind: str
    """snmp_trap or syslog."""
    received: Mapping[str, int]
    refused: Mapping[str, int]
    acknowledged: int = 0
    """Informs that were answered."""
    repeated: int = 0
    """Informs that came again, because their sender had no answer yet."""
    waiting: int = 0
    """Datagrams that wait to be read."""
    engines: int = 0
    """SNMPv3 engines that were learned."""
    connections: int = 0
    """Senders that are connected."""
