"""What happened, in the words of high availability: one observed fact, and the id of the rule that says so."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from hamon.model.observation import Source
from hamon.model.record import quickly_made, quickly_told


@quickly_told
class EventKind(StrEnum):
    SERVICE_STACK_STARTED = "service_stack_started"
    SERVICE_STACK_STOPPING = "service_stack_stopping"
    SERVICE_STACK_STOPPED = "service_stack_stopped"
    DAEMON_STARTED = "daemon_started"
    DAEMON_STOPPED = "daemon_stopped"
    DAEMON_DIED = "daemon_died"
    DAEMON_RESPAWNED = "daemon_respawned"
    DAEMON_GAVE_UP = "daemon_gave_up"
    NODE_JOINED = "node_joined"
    NODE_LOST = "node_lost"
    NODE_LEFT = "node_left"
    NODE_UNCLEAN = "node_unclean"
    SHUTDOWN_REQUESTED = "shutdown_requested"
    STANDBY_ON = "standby_on"
    STANDBY_OFF = "standby_off"
    MAINTENANCE_ON = "maintenance_on"
    MAINTENANCE_OFF = "maintenance_off"
    DC_CHANGED = "dc_changed"
    STATE_CHANGED = "state_changed"
    MEMBERSHIP_CHANGED = "membership_changed"
    TOKEN_LOST = "token_lost"
    SCHEDULING_PAUSE = "scheduling_pause"
    QUORUM_LOST = "quorum_lost"
    QUORUM_IGNORED = "quorum_ignored"
    QUORUM_ACQUIRED = "quorum_acquired"
    LINK_DOWN = "link_down"
    LINK_UP = "link_up"
    PLAN = "plan"
    TRANSITION_ENDED = "transition_ended"
    OPERATION_STARTED = "operation_started"
    OPERATION_SUCCEEDED = "operation_succeeded"
    OPERATION_FAILED = "operation_failed"
    OPERATION_RECORDED = "operation_recorded"
    RESOURCE_STARTED = "resource_started"
    RESOURCE_STOPPED = "resource_stopped"
    RESOURCE_PROMOTED = "resource_promoted"
    RESOURCE_DEMOTED = "resource_demoted"
    RESOURCE_MIGRATED = "resource_migrated"
    RESOURCE_DOUBLED = "resource_doubled"
    RESOURCE_BLOCKED = "resource_blocked"
    RESOURCE_UNBLOCKED = "resource_unblocked"
    RESOURCE_UNMANAGED = "resource_unmanaged"
    RESOURCE_MANAGED = "resource_managed"
    FAIL_COUNT_CHANGED = "fail_count_changed"
    THRESHOLD_REACHED = "threshold_reached"
    OLD_FAILURE = "old_failure"
    AGENT_ERROR = "agent_error"
    CLEANUP = "cleanup"
    FENCE_DEVICE_KNOWN = "fence_device_known"
    FENCING_REQUESTED = "fencing_requested"
    FENCING_ATTEMPTED = "fencing_attempted"
    FENCING_DONE = "fencing_done"
    FENCING_FAILED = "fencing_failed"
    ATTRIBUTE_CHANGED = "attribute_changed"
    ATTRIBUTES_REMOVED = "attributes_removed"
    NETWORK_UNREACHABLE = "network_unreachable"
    DISK_ERROR = "disk_error"
    DISK_RECOVERED = "disk_recovered"
    REPLICA_LOST = "replica_lost"
    REPLICA_BACK = "replica_back"
    REPLICA_RESYNC = "replica_resync"
    QUORUM_DEVICE_LOST = "quorum_device_lost"
    HOST_ERROR = "host_error"
    MOVE_CONSTRAINT_SET = "move_constraint_set"
    MOVE_CONSTRAINT_CLEARED = "move_constraint_cleared"
    TARGET_ROLE_CHANGED = "target_role_changed"
    TICKET_CHANGED = "ticket_changed"
    CONFIG_CHANGED = "config_changed"
    FAILOVER_STARTED = "failover_started"
    FAILOVER_DONE = "failover_done"
    FAILOVER_FAILED_HINT = "failover_failed_hint"
    FAILOVER_SUMMARY = "failover_summary"
    SOURCE_LOST = "source_lost"
    SOURCE_BACK = "source_back"
    TARGET_LAGS = "target_lags"
    TARGET_DELIVERS = "target_delivers"
    RECORDS_REFUSED = "records_refused"
    SERVICE_NAMED = "service_named"
    REPORTED = "reported"
    UNCLASSIFIED = "unclassified"


Detail = Mapping[str, str | int | float | bool | None]


@quickly_made
@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One piece of evidence for one fact.

    `at` is the time the source gives, `received_at` when hamon saw it. `reporter` is the node whose log or trap said it, `node` the node
    that it is about (for fencing the target). `resource` is a primitive, group or clone id without instance number.
    `detail` holds the kind's own fields (taxonomy: operation, rc, attribute, old, new, ...). `raw` is the original line, decoded.
    `ref` places it: `path@offset`. The order of a batch is that of arrival.
    """

    at: datetime
    received_at: datetime
    cluster: str
    kind: EventKind
    rule: str
    source: Source
    collector: str
    node: str | None = None
    resource: str | None = None
    reporter: str | None = None
    detail: Detail = field(default_factory=dict)
    raw: str = ""
    ref: str = ""
    witness: bool = False
    """Set by the engine: the same fact was already told by another node or source; this only confirms it."""


def place_of(event: Event) -> str:
    """Where the line stands that it was read from."""
    return f"{event.collector} {event.ref}"
