"""What an operator does next, with the real names filled in. The procedures themselves are words, in en.toml and ja.toml."""

import re
from collections.abc import Sequence

from hamon.model.event import EventKind
from hamon.model.incident import Incident, IncidentKind, IncidentState, Outcome
from hamon.tell.headline import is_down
from hamon.tell.words import clean, fill, listed, name, own_words, phrase, steps_of

# Names are put into commands that people paste into a shell, and they come from logs: only harmless ones are.
_SAFE = re.compile(r"[A-Za-z0-9_.][A-Za-z0-9_.:@-]{0,99}", re.ASCII)

_PROCEDURES = {
    IncidentKind.FAILOVER: "failover",
    IncidentKind.SWITCHOVER: "switchover",
    IncidentKind.SERVICE_DOWN: "service_down",
    IncidentKind.STANDBY_FAULT: "node_lost",
    IncidentKind.RESOURCE_FAILURE: "resource_failure",
    IncidentKind.LOCAL_RECOVERY: "resource_failure",
    IncidentKind.STOP_FAILED: "stop_failed",
    IncidentKind.RESOURCE_BLOCKED: "stop_failed",
    IncidentKind.RESOURCE_UNMANAGED: "resource_unmanaged",
    IncidentKind.NODE_LOST: "node_lost",
    IncidentKind.REPLICATION_DEGRADED: "replication_degraded",
    IncidentKind.CONNECTIVITY_DEGRADED: "connectivity_degraded",
    IncidentKind.DISK_DEGRADED: "disk_degraded",
    IncidentKind.FENCE_DEVICE_FAILED: "fence_device_failed",
    IncidentKind.FENCING: "fencing",
    IncidentKind.FENCING_FAILED: "fencing_failed",
    IncidentKind.INTERCONNECT_DEGRADED: "interconnect_degraded",
    IncidentKind.FAILCOUNT_THRESHOLD: "failcount_threshold",
    IncidentKind.MOVE_CONSTRAINT_LEFT: "move_constraint_left",
    IncidentKind.QUORUM_LOST: "quorum_lost",
    IncidentKind.SPLIT_BRAIN_SUSPECTED: "quorum_lost",
    IncidentKind.DC_CHANGED: "information",
    IncidentKind.DAEMON_FAILED: "daemon_failed",
    IncidentKind.CLUSTER_STARTED: "information",
    IncidentKind.CLUSTER_STOPPED: "information",
    IncidentKind.MAINTENANCE: "maintenance",
    IncidentKind.ATTRIBUTE_CHANGED: "information",
    IncidentKind.CONFIG_CHANGED: "information",
    IncidentKind.MONITORING_LOST: "monitoring_lost",
    IncidentKind.TRAPS_DROPPED: "traps_dropped",
    IncidentKind.DELIVERY_BACKLOG: "delivery_backlog",
    IncidentKind.OTHER: "other",
    IncidentKind.UNCLASSIFIED: "unclassified",
}

_NODE_CAUSES = frozenset(
    str(kind)
    for kind in (
        IncidentKind.NODE_LOST,
        IncidentKind.FENCING,
        IncidentKind.FENCING_FAILED,
        IncidentKind.DAEMON_FAILED,
        IncidentKind.CLUSTER_STOPPED,
        EventKind.NODE_LEFT,
        EventKind.NODE_UNCLEAN,
        EventKind.SERVICE_STACK_STOPPED,
        EventKind.SERVICE_STACK_STOPPING,
        EventKind.SHUTDOWN_REQUESTED,
        EventKind.DAEMON_DIED,
        EventKind.DAEMON_GAVE_UP,
        EventKind.FENCING_REQUESTED,
        EventKind.FENCING_DONE,
        EventKind.TOKEN_LOST,
        EventKind.MEMBERSHIP_CHANGED,
    )
)
_SPECIAL_CAUSES = {
    str(IncidentKind.CONNECTIVITY_DEGRADED): "connectivity_degraded",
    str(EventKind.NETWORK_UNREACHABLE): "connectivity_degraded",
    str(IncidentKind.DISK_DEGRADED): "disk_degraded",
    str(EventKind.DISK_ERROR): "disk_degraded",
    str(IncidentKind.REPLICATION_DEGRADED): "replication_degraded",
    str(IncidentKind.FENCE_DEVICE_FAILED): "fence_device_failed",
    str(IncidentKind.FAILCOUNT_THRESHOLD): "failcount_threshold",
    str(EventKind.THRESHOLD_REACHED): "failcount_threshold",
    str(IncidentKind.MOVE_CONSTRAINT_LEFT): "move_constraint_left",
    str(EventKind.MOVE_CONSTRAINT_SET): "move_constraint_left",
    str(IncidentKind.RESOURCE_UNMANAGED): "resource_unmanaged",
    str(IncidentKind.STOP_FAILED): "stop_failed",
    str(IncidentKind.RESOURCE_BLOCKED): "stop_failed",
}
_ASKING = frozenset(
    {
        IncidentKind.FAILOVER,
        IncidentKind.SERVICE_DOWN,
        IncidentKind.STANDBY_FAULT,
        IncidentKind.NODE_LOST,
        IncidentKind.RESOURCE_UNMANAGED,
        IncidentKind.CLUSTER_STOPPED,
    }
)
_KEEPS_ITS_STEPS = frozenset({"information", "other", "unclassified", "switchover", "resource_failure", "fencing"})


def procedure(incident: Incident) -> str:
    """Which procedure of the words fits: by kind, outcome, cause, and whether it was planned."""
    name_of = _PROCEDURES[incident.kind]
    if incident.planned and incident.state is not IncidentState.RESOLVED:
        match incident.kind:
            case IncidentKind.SERVICE_DOWN:
                return "service_down_planned"
            case IncidentKind.STANDBY_FAULT | IncidentKind.NODE_LOST:
                return "standby_planned"
            case _:
                pass
    moves = incident.kind in (IncidentKind.FAILOVER, IncidentKind.SWITCHOVER)
    under_way = incident.kind is IncidentKind.FAILOVER and incident.outcome is not Outcome.SUCCEEDED
    if (moves and incident.outcome is Outcome.FAILED) or (under_way and incident.state is IncidentState.OPEN):
        name_of = "service_down"
    elif incident.kind is IncidentKind.STANDBY_FAULT:
        name_of = _of_standby_fault(incident)
    if incident.state is IncidentState.RESOLVED and name_of not in _KEEPS_ITS_STEPS and not is_down(incident):
        if incident.kind is IncidentKind.MAINTENANCE:
            return "maintenance_over"
        return "resolved_planned" if incident.planned else "resolved"
    return name_of


def _of_standby_fault(incident: Incident) -> str:
    cause = incident.cause
    if cause is None:
        return "standby_resource" if incident.resources and not incident.fenced else "node_lost"
    if cause.kind in _NODE_CAUSES:
        return "node_lost"
    return _SPECIAL_CAUSES.get(cause.kind, "standby_resource")


def next_steps(incident: Incident, language: str) -> tuple[str, ...]:
    """The steps in order; commands stand in backticks. An incident of the user's own may bring its own."""
    if (own := own_words(incident, language)) is not None and own.steps:
        return tuple(clean(step, 500) for step in own.steps)
    chosen = procedure(incident)
    facts, values = _facts(incident), _names(incident, language)
    missing = {key: phrase(f"names.{key}", language) for key in ("resource", "node", "device", "service", "services", "all_nodes")}
    missing["lost_node"] = missing["node"]
    steps = list(steps_of(chosen, language))
    if incident.planned is None and incident.kind in _ASKING and incident.state is IncidentState.OPEN:
        steps = [*steps_of("ask_planned", language), *steps]
    return tuple(fill(step.text, values, missing) for step in steps if not step.when or step.when in facts)


def _facts(incident: Incident) -> frozenset[str]:
    cause = incident.cause
    left = incident.from_node
    node_down = left in incident.fenced or (cause is not None and cause.kind in _NODE_CAUSES and cause.node in (None, left))
    resource_failed = _broken_resource(incident) is not None
    marks = _marks(incident)
    found = {
        "node_down": node_down,
        "resource_failed": resource_failed,
        "no_resource_failed": not resource_failed,
        "not_protected": incident.redundancy is not True,
        "ongoing": incident.outcome is Outcome.ONGOING,
        "has_node": bool(incident.nodes),
        "no_node": not incident.nodes,
        **{name: seen and not ended for name, (seen, ended) in marks.items()},
        "no_mark": not any(seen for seen, _ in marks.values()),
        "moved": incident.kind is IncidentKind.FAILOVER and incident.outcome is Outcome.SUCCEEDED and left is not None,
    }
    return frozenset(fact for fact, holds in found.items() if holds)


_MARKS = {
    "mark_standby": (EventKind.STANDBY_ON, EventKind.STANDBY_OFF),
    "mark_move": (EventKind.MOVE_CONSTRAINT_SET, EventKind.MOVE_CONSTRAINT_CLEARED),
    "mark_stop": (EventKind.SHUTDOWN_REQUESTED, EventKind.NODE_JOINED),
}


def _marks(incident: Incident) -> dict[str, tuple[bool, bool]]:
    """What the timeline tells of an operator's way to move the service: whether it is there, and whether it was taken back since."""
    found = {}
    for name_of, (begin, end) in _MARKS.items():
        told = [entry.event for entry in incident.timeline if entry.event in (begin, end)]
        found[name_of] = (begin in told, bool(told) and told[-1] is end)
    return found


def _broken_resource(incident: Incident) -> str | None:
    """The resource that the cause names; a daemon is none, though it stands in the same place."""
    cause = incident.cause
    return None if cause is None or cause.kind in _NODE_CAUSES else cause.resource


def _safe(candidates: Sequence[str | None]) -> str | None:
    return next((text for text in candidates if text and _SAFE.fullmatch(text)), None)


def _names(incident: Incident, language: str) -> dict[str, str | None]:
    """The name for each placeholder, None where no fitting (or no harmless) one is known."""
    cause = incident.cause
    of_service = incident.kind in (IncidentKind.FAILOVER, IncidentKind.SWITCHOVER, IncidentKind.SERVICE_DOWN)
    cause_node = cause.node if cause else None
    # A service may have a name of the configuration; commands need the id of a resource.
    services = [service for service in incident.services if service in incident.resources]
    return {
        "resource": _safe([_broken_resource(incident), *incident.resources, *incident.services]),
        "node": _safe([incident.from_node, cause_node, *incident.nodes] if of_service else [*incident.nodes, cause_node]),
        "device": _safe([_broken_resource(incident), *incident.resources]),
        "device_known": _safe(list(incident.resources)) if incident.kind is IncidentKind.FENCE_DEVICE_FAILED else None,
        "service": _safe([*services, *incident.resources, *incident.services]),
        "services": listed(incident.services, language) or listed(incident.resources, language),
        "lost_node": _safe([*incident.fenced, incident.from_node, cause_node, *incident.nodes]),
        "all_nodes": listed(incident.nodes, language) if len(incident.nodes) > 1 else None,
        "to": name(incident.to_node),
    }
