"""What an operator does next, with the real names filled in, and which of it the state shows to be done.

The procedures themselves are words, in en.toml and ja.toml. The law: a step is ticked on evidence only, that of the incident and of what
was amiss in the cluster when it was recorded (`Incident.amiss`); what only people can know is never ticked.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from hamon.model.event import EventKind
from hamon.model.incident import QUORUM_DEVICE, Incident, IncidentKind, IncidentState, Outcome
from hamon.model.observation import Source
from hamon.tell.commands import commands
from hamon.tell.headline import is_down
from hamon.tell.words import clean, fill, kind_name, listed, name, own_words, phrase, steps_of

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
    IncidentKind.CLUSTER_STOPPED: "cluster_stopped",
    IncidentKind.MAINTENANCE: "maintenance",
    IncidentKind.ATTRIBUTE_CHANGED: "information",
    IncidentKind.CONFIG_CHANGED: "information",
    IncidentKind.MONITORING_LOST: "monitoring_lost",
    IncidentKind.TRAPS_DROPPED: "traps_dropped",
    IncidentKind.DELIVERY_BACKLOG: "delivery_backlog",
    IncidentKind.RECORDS_REFUSED: "records_refused",
    IncidentKind.CLOCK_SKEW: "clock_skew",
    IncidentKind.OTHER: "other",
    IncidentKind.UNCLASSIFIED: "unclassified",
}

_SAYING = frozenset({EventKind.AGENT_ERROR, EventKind.OPERATION_FAILED})
_SAID = {
    "said_lock": re.compile(r"PGSQL\.lock|My data (?:may be inconsistent|is out-of-date)"),
    "said_busy": re.compile(r"(?:[Cc]ouldn't|[Uu]nable to) unmount|target is busy|device is busy"),
    "said_address": re.compile(r"address collision|[Dd]uplicate (?:IP )?address|address .*already (?:in use|used|assigned)"),
}
"""What an agent says of a failure that is mended in a way of its own (resource-agents: pgsql, Filesystem, IPaddr2, VIPcheck)."""

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
_DAEMON_CAUSES = frozenset(str(kind) for kind in (IncidentKind.DAEMON_FAILED, EventKind.DAEMON_DIED, EventKind.DAEMON_GAVE_UP))
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
_BEFORE_THE_LOSS = frozenset(
    {IncidentKind.FENCING, IncidentKind.FENCING_FAILED, IncidentKind.DAEMON_FAILED, IncidentKind.STOP_FAILED, IncidentKind.RESOURCE_BLOCKED}
)
_ATTRIBUTE_CAUSES = frozenset(
    str(kind)
    for kind in (
        IncidentKind.CONNECTIVITY_DEGRADED,
        IncidentKind.DISK_DEGRADED,
        IncidentKind.REPLICATION_DEGRADED,
        EventKind.NETWORK_UNREACHABLE,
        EventKind.DISK_ERROR,
    )
)
_UNABLE = frozenset(
    {
        *("node_lost", "node_fenced", "node_stopped", "node_unclean", "fencing_pending", "standby", "maintenance"),
        *("fail_count", "attribute", "ban", "health", "clone_missing"),
    }
)
"""What keeps a node from taking over (`amiss`)."""
_NO_PREFACE = frozenset(
    {"information", "dc_restless", "cluster_stopped", "other", "unclassified", "switchover", "resource_failure", "fencing"}
)
"""Procedures that begin the same way when all is over."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NextStep:
    """One step in words; commands stand in backticks. `done`: what the state of the cluster tells, None where it cannot."""

    text: str
    done: bool | None = None


def procedure(incident: Incident) -> str:
    """Which procedure of the words fits: by kind, outcome, cause, and whether it was planned."""
    name_of = _PROCEDURES[incident.kind]
    if incident.planned:
        match incident.kind:
            case IncidentKind.SERVICE_DOWN:
                return "service_down_planned"
            case IncidentKind.STANDBY_FAULT | IncidentKind.NODE_LOST:
                return "standby_planned"
            case _:
                pass
    if incident.kind is IncidentKind.INTERCONNECT_DEGRADED and QUORUM_DEVICE in incident.resources:
        return "quorum_device"
    if incident.kind is IncidentKind.DC_CHANGED:
        return "dc_restless" if incident.nodes else "dc_missing"
    moves = incident.kind in (IncidentKind.FAILOVER, IncidentKind.SWITCHOVER)
    under_way = incident.kind is IncidentKind.FAILOVER and incident.outcome is not Outcome.SUCCEEDED
    if (moves and incident.outcome is Outcome.FAILED) or (under_way and incident.state is IncidentState.OPEN):
        return "service_down"
    if incident.kind is IncidentKind.STANDBY_FAULT:
        name_of = _of_standby_fault(incident)
    return _of_replica(incident) if name_of == "replication_degraded" else name_of


def preface(incident: Incident) -> str | None:
    """What is said before the steps when it is over; None where that needs no words of its own."""
    if incident.state is not IncidentState.RESOLVED or procedure(incident) in _NO_PREFACE or is_down(incident):
        return None
    if incident.kind is IncidentKind.MAINTENANCE:
        return "maintenance_over"
    return "resolved_planned" if incident.planned else "resolved"


def _of_standby_fault(incident: Incident) -> str:
    cause = incident.cause
    if cause is None:
        return "standby_resource" if incident.resources and not incident.fenced else "node_lost"
    if cause.kind in _DAEMON_CAUSES and not incident.fenced:
        return "standby_daemon"
    if cause.kind in _NODE_CAUSES:
        return "node_lost"
    if cause.kind == EventKind.HOST_ERROR:  # what came first; what it led to tells what to do
        happened = {entry.event for entry in incident.timeline}
        if happened & {EventKind.NODE_LOST, EventKind.FENCING_DONE, EventKind.DAEMON_DIED}:
            return "node_lost"
        return "replication_degraded" if EventKind.REPLICA_LOST in happened else "standby_resource"
    return _SPECIAL_CAUSES.get(cause.kind, "standby_resource")


def _of_replica(incident: Incident) -> str:
    """Replicas of DRBD are mended otherwise than those of a database."""
    lost = [entry for entry in incident.timeline if entry.event is EventKind.REPLICA_LOST]
    if not lost:
        return "replication_degraded"
    return "drbd_split_brain" if any(entry.detail.get("state") == "split brain" for entry in lost) else "drbd_broken_off"


def steps(incident: Incident, language: str, now: Iterable[str] | None = None) -> tuple[NextStep, ...]:
    """The steps in order. `now`: what is amiss now (`ClusterView.amiss`), by which steps of an incident that is over are ticked further.

    An incident of the user's own may bring its own steps.
    """
    if (own := own_words(incident, language)) is not None and own.steps:
        return tuple(NextStep(text=clean(step, 500)) for step in own.steps)
    if now is not None and incident.state is not IncidentState.OPEN:
        still = frozenset(now)
        words = [word for word in incident.amiss if word in still]
    else:
        words = list(incident.amiss)
    values = _names(incident, language)
    missing = {key: phrase(f"names.{key}", language) for key in ("resource", "node", "device", "service", "services", "all_nodes")}
    missing["lost_node"] = missing["node"]
    values |= commands(incident.tools, values, missing, language)
    facts, progress = _facts(incident), _progress(incident, words, values)
    chosen = [*steps_of(procedure(incident), language)]
    if (first := preface(incident)) is not None:
        chosen = [*steps_of(first, language), *chosen]
    if incident.planned is None and incident.kind in _ASKING and incident.state is IncidentState.OPEN:
        chosen = [*steps_of("ask_planned", language), *chosen]
    return tuple(
        NextStep(text=fill(step.text, values, missing), done=progress[step.done] if step.done else None)
        for step in chosen
        if not step.when or step.when in facts
    )


def next_steps(incident: Incident, language: str, now: Iterable[str] | None = None) -> tuple[str, ...]:
    """The same as lines of text; what is done has a tick in front."""
    return tuple(phrase("names.done", language, text=step.text) if step.done else step.text for step in steps(incident, language, now))


def _facts(incident: Incident) -> frozenset[str]:
    """What holds, by the names that `when` uses."""
    cause = incident.cause
    resource_failed = _broken_resource(incident) is not None
    attribute = cause is not None and cause.kind in _ATTRIBUTE_CAUSES
    marks = _marks(incident)
    is_open = incident.state is IncidentState.OPEN
    up = _is_up(incident)
    said = [str(entry.detail.get("text") or entry.detail.get("reason") or "") for entry in incident.timeline if entry.event in _SAYING]
    is_stuck = _stuck(incident) is not None
    found = {
        "open": is_open,
        "node_down": _is_node_down(incident),
        "resource_failed": resource_failed,
        "no_resource_failed": not resource_failed and not attribute,
        "attribute_cause": attribute,
        "other_cause": not attribute,
        "replicated": _is_replicated(incident),
        "exposed": incident.redundancy is False or incident.redundancy_restored_at is not None,
        "up_but_exposed": up and incident.redundancy is not None,
        "not_up": not up,
        "not_fenced": not _is_fenced(incident),
        "ongoing": incident.outcome is Outcome.ONGOING,
        "stop_failed": is_stuck,
        "no_stop_failed": not is_stuck,
        "has_node": bool(incident.nodes),
        "no_node": not incident.nodes,
        **dict.fromkeys(marks, True),
        "no_mark": not marks,
        **{fact: any(pattern.search(text) for text in said) for fact, pattern in _SAID.items()},
    }
    return frozenset(fact for fact, holds in found.items() if holds)


def _progress(incident: Incident, amiss: Sequence[str], values: dict[str, str | None]) -> dict[str, bool | None]:
    """What is done, by the names that `done` uses; None: nothing tells."""
    over = True if incident.state is IncidentState.RESOLVED else None if incident.state is IncidentState.EXPIRED else False
    node, resource = values["node"], _broken_resource(incident)
    found: dict[str, list[str]] = {}
    for what, place, subject in map(_parted, amiss):
        if place in (node, "-") or what in ("ban", "prefer"):
            found.setdefault(what, []).append(subject)
    here = None if node is None else True
    back = here and not any(what in found for what in ("node_lost", "node_fenced", "node_stopped"))
    if incident.kind in _BEFORE_THE_LOSS and not _is_fenced(incident) and not over:
        back = here and False  # it may still have to go before it can come back
    failures = [subject for what in ("fail_count", "fail_count_left", "resource_failed") for subject in found.get(what, ())]
    # Of a threshold the clone is named, of a failure its primitive: only a failure of another resource is told apart.
    others = (
        resource is not None and bool(failures) and resource not in failures and all(subject in incident.resources for subject in failures)
    )
    cleared = back and (not failures or others)
    if cleared and not _had_failures(incident):
        cleared = over or None  # none was known to be there
    if cleared and incident.kind is IncidentKind.LOCAL_RECOVERY and not _tells_of_fail_counts(incident):
        cleared = None  # the failure was counted; that nothing tells the count does not mean that it was reset
    protected = incident.redundancy if incident.redundancy is not None else over
    # Another node may protect the service: that this one can take over again is another matter.
    found_there = {what for what, place, _ in map(_parted, amiss) if place == node}
    fenced = True if _is_fenced(incident) else over
    return {
        "over": over,
        "node_back": back,
        "failures_cleared": cleared,
        "attribute_good": here and "attribute" not in found,
        "constraint_removed": not ({"ban", "prefer"} & found.keys()),
        "standby_ended": here and "standby" not in found,
        "maintenance_ended": over if over else "maintenance" not in found and over,
        "quorum_back": "no_quorum" not in found,
        "service_up": _is_up(incident) or over,
        "recovered": incident.outcome is Outcome.SUCCEEDED or over,
        "protected": protected,
        "able": protected and not (_UNABLE & found_there),
        "fenced": fenced,
        "unclean_settled": fenced if _was_unclean(incident) else None,
    }


def _had_failures(incident: Incident) -> bool:
    """Whether there was something to clean up, as far as the incident tells: a resource failed, or a node went with what it had."""
    if incident.kind is IncidentKind.REPLICATION_DEGRADED:
        return False
    of_service = incident.kind in (IncidentKind.FAILOVER, IncidentKind.SWITCHOVER, IncidentKind.SERVICE_DOWN)
    return not of_service or _broken_resource(incident) is not None or _is_node_down(incident)


def _tells_of_fail_counts(incident: Incident) -> bool:
    """Whether the evidence would show a fail count: polls do, and logs that told of one; Pacemaker 1.1 does not in a log at notice."""
    told = any(entry.event is EventKind.FAIL_COUNT_CHANGED for entry in incident.timeline)
    return Source.POLL in incident.sources or told or any(word.startswith("fail_count") for word in incident.amiss)


def _parted(word: str) -> tuple[str, str, str]:
    """What, where (a node, or `-` for the cluster), and about what."""
    what, _, rest = word.partition(" ")
    place, _, subject = rest.partition(" ")
    return what, place, subject


def _is_node_down(incident: Incident) -> bool:
    """Whether the node that the service left went down."""
    cause, left = incident.cause, incident.from_node
    if left in incident.fenced or (cause is not None and cause.kind in _NODE_CAUSES and cause.node in (None, left)):
        return True
    return any(what in ("node_lost", "node_fenced") and place == left for what, place, _ in map(_parted, incident.amiss))


def _is_up(incident: Incident) -> bool:
    """Whether the service that was away is there again."""
    return incident.service_restored_at is not None or incident.outcome is Outcome.SUCCEEDED


def _is_fenced(incident: Incident) -> bool:
    wanted = [*incident.nodes, incident.from_node]
    return any(node in wanted for node in incident.fenced)


def _was_unclean(incident: Incident) -> bool:
    return any(entry.event in (EventKind.NODE_UNCLEAN, EventKind.FENCING_REQUESTED) for entry in incident.timeline)


def _is_replicated(incident: Incident) -> bool:
    """Whether the service has a promoted role: then its standby may hold a copy of the data."""
    roles = (EventKind.RESOURCE_PROMOTED, EventKind.RESOURCE_DEMOTED)
    return any(
        entry.event in roles or (entry.event is EventKind.PLAN and str(entry.detail.get("action")) in ("Promote", "Demote"))
        for entry in incident.timeline
    )


_MARKS = {
    "mark_standby": (EventKind.STANDBY_ON, "standby"),
    "mark_move": (EventKind.MOVE_CONSTRAINT_SET, "ban"),
    "mark_stop": (EventKind.SHUTDOWN_REQUESTED, "node_stopped"),
    "mark_maintenance": (EventKind.MAINTENANCE_ON, "maintenance"),
}


def _marks(incident: Incident) -> frozenset[str]:
    """What timeline and state tell of an operator's way to move the service or to free a node."""
    told = {entry.event for entry in incident.timeline}
    places = {incident.from_node, *incident.nodes}
    words = {what for what, place, _subject in map(_parted, incident.amiss) if place in places}
    return frozenset(mark for mark, (event, word) in _MARKS.items() if event in told or word in words)


def _constraint(incident: Incident) -> str | None:
    """The constraint that a move left, by its id."""
    told = [str(entry.detail.get("constraint") or "") for entry in incident.timeline if entry.event is EventKind.MOVE_CONSTRAINT_SET]
    return _safe([*told, *(subject for what, _place, subject in map(_parted, incident.amiss) if what in ("ban", "prefer"))])


def _broken_resource(incident: Incident) -> str | None:
    """The resource that the cause names; a daemon is none, though it stands in the same place."""
    cause = incident.cause
    return None if cause is None or cause.kind in _NODE_CAUSES else cause.resource


def _stuck(incident: Incident) -> tuple[str, str] | None:
    """The resource that could not be stopped, and where; None when it did stop afterwards, or its node was fenced."""
    stuck: tuple[str, str] | None = None
    for entry in incident.timeline:
        if entry.resource is None or entry.node is None:
            continue
        if entry.event is EventKind.OPERATION_FAILED and entry.detail.get("operation") == "stop":
            stuck = entry.resource, entry.node
        elif entry.event is EventKind.RESOURCE_STOPPED and (entry.resource, entry.node) == stuck:
            stuck = None
    return None if stuck is None or stuck[1] in incident.fenced or not all(map(_SAFE.fullmatch, stuck)) else stuck


def _safe(candidates: Sequence[str | None]) -> str | None:
    return next((text for text in candidates if text and _SAFE.fullmatch(text)), None)


def _quiet(text: str | None) -> str | None:
    """Without backticks: what stands between two of them is a command."""
    return text.replace("`", "'") if text else None


def _names(incident: Incident, language: str) -> dict[str, str | None]:
    """The name for each placeholder, None where no fitting (or no harmless) one is known."""
    cause = incident.cause
    of_service = incident.kind in (IncidentKind.FAILOVER, IncidentKind.SWITCHOVER, IncidentKind.SERVICE_DOWN)
    cause_node = cause.node if cause else None
    # A service may have a name of the configuration; commands need the id of a resource.
    services = [service for service in incident.services if service in incident.resources]
    stuck, stuck_node = _stuck(incident) or (None, None)
    return {
        # What cannot be stopped holds up all the rest.
        "resource": _safe([stuck if of_service else None, _broken_resource(incident), *incident.resources, *incident.services]),
        "stuck": stuck,
        "stuck_node": stuck_node,
        "node": _safe([incident.from_node, cause_node, *incident.nodes] if of_service else [*incident.nodes, cause_node]),
        "device": _safe([_broken_resource(incident), *incident.resources]),
        "device_known": _safe(list(incident.resources)) if incident.kind is IncidentKind.FENCE_DEVICE_FAILED else None,
        "service": _safe([*services, *incident.resources, *incident.services]),
        "services": _quiet(listed(incident.services, language) or listed(incident.resources, language)),
        "constraint": _constraint(incident),
        "cause": _quiet(kind_name(cause.kind, language)) if cause is not None else None,
        "lost_node": _safe([*incident.fenced, incident.from_node, cause_node, *incident.nodes]),
        "all_nodes": _quiet(listed(incident.nodes, language)) if len(incident.nodes) > 1 else None,
        "to": _quiet(name(incident.to_node)),
    }
