"""What a notification of HAMON-MIB carries for an incident: pure, from the record to the variables in their order."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from hamon.model.event import EventKind
from hamon.model.incident import Incident, IncidentKind, IncidentState, Outcome, Severity, TimelineEntry
from hamon.model.observation import VarBind, VarType
from hamon.snmp import mib
from hamon.snmp.mib import Note, Var
from hamon.snmp.values import bind, date_and_time, integer, name, size, text, unsigned
from hamon.tell.headline import cause_text

CLEARED, INDETERMINATE = 1, 2
SEVERITIES = {Severity.CRITICAL: 3, Severity.MAJOR: 4, Severity.MINOR: 5, Severity.WARNING: 6, Severity.INFO: 6, Severity.UNKNOWN: 2}
"""ITU-T X.733 as numbered in RFC 3877. It knows no info: what is told at all is at least a warning."""

PLANNED = {True: 1, False: 2, None: 3}
KNOWN = {True: 1, False: 2, None: 3}
OUTCOMES = {Outcome.NONE: 1, Outcome.ONGOING: 2, Outcome.SUCCEEDED: 3, Outcome.FAILED: 4}

_OTHER, _COMMUNICATIONS, _QUALITY, _PROCESSING, _EQUIPMENT = 1, 2, 3, 4, 5
_NO_CAUSE = 1024
_X733: dict[IncidentKind, tuple[int, int]] = {
    IncidentKind.FAILOVER: (_PROCESSING, 554),
    IncidentKind.SWITCHOVER: (_OTHER, _NO_CAUSE),
    IncidentKind.SERVICE_DOWN: (_PROCESSING, 554),
    IncidentKind.STANDBY_FAULT: (_QUALITY, 77),
    IncidentKind.RESOURCE_FAILURE: (_PROCESSING, 546),
    IncidentKind.LOCAL_RECOVERY: (_PROCESSING, 546),
    IncidentKind.STOP_FAILED: (_PROCESSING, 546),
    IncidentKind.RESOURCE_BLOCKED: (_PROCESSING, 546),
    IncidentKind.RESOURCE_UNMANAGED: (_PROCESSING, 506),
    IncidentKind.FAILCOUNT_THRESHOLD: (_PROCESSING, 549),
    IncidentKind.MOVE_CONSTRAINT_LEFT: (_PROCESSING, 506),
    IncidentKind.NODE_LOST: (_EQUIPMENT, 514),
    IncidentKind.FENCING: (_EQUIPMENT, 514),
    IncidentKind.FENCING_FAILED: (_EQUIPMENT, 514),
    IncidentKind.FENCE_DEVICE_FAILED: (_EQUIPMENT, 514),
    IncidentKind.DAEMON_FAILED: (_PROCESSING, 545),
    IncidentKind.REPLICATION_DEGRADED: (_QUALITY, 532),
    IncidentKind.CONNECTIVITY_DEGRADED: (_COMMUNICATIONS, 505),
    IncidentKind.DISK_DEGRADED: (_EQUIPMENT, 521),
    IncidentKind.INTERCONNECT_DEGRADED: (_COMMUNICATIONS, 505),
    IncidentKind.QUORUM_LOST: (_COMMUNICATIONS, 505),
    IncidentKind.SPLIT_BRAIN_SUSPECTED: (_COMMUNICATIONS, 505),
    IncidentKind.DC_CHANGED: (_COMMUNICATIONS, 505),
    IncidentKind.MAINTENANCE: (_OTHER, 506),
    IncidentKind.MONITORING_LOST: (_COMMUNICATIONS, 505),
    IncidentKind.TRAPS_DROPPED: (_QUALITY, 537),
    IncidentKind.DELIVERY_BACKLOG: (_QUALITY, 537),
    IncidentKind.RECORDS_REFUSED: (_PROCESSING, 546),
}
"""Event type and probable cause of ITU-T X.733, numbered as in IANA-ITU-ALARM-TC-MIB."""

NEVER = frozenset({IncidentKind.CLUSTER_STARTED, IncidentKind.CLUSTER_STOPPED, IncidentKind.ATTRIBUTE_CHANGED, IncidentKind.CONFIG_CHANGED})
"""Kinds that are never more than information."""

_CUTS = (
    *((var, 0) for var in (Var.CAUSE, Var.VALUE, Var.REASON, Var.FENCED, Var.SOURCE)),
    (Var.TEXT, 90),
    *((var, 24) for var in (Var.SERVICE, Var.RESOURCE, Var.TO_NODE, Var.FROM_NODE, Var.NODE)),
    (Var.TEXT, 0),
)
"""What is cut in which order, and the octets that are left; the key and the cluster, which a clear is found by, never are."""
_NAMES = frozenset({Var.SERVICE, Var.RESOURCE, Var.TO_NODE, Var.FROM_NODE, Var.NODE})
Value = tuple[VarType, int | bytes | str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Envelope:
    """What is the same for all notifications of one stream, or counted there. `at` is when it came to this."""

    sequence: int
    at: datetime
    forwarder: bytes
    count: int = 1
    restated: bool = False


def raise_of(incident: Incident) -> int | None:
    """The number of the notification that raises this incident; None when it raises none."""
    if incident.part_of is not None or incident.planned is True or incident.kind is IncidentKind.SWITCHOVER or incident.kind in NEVER:
        return None
    if incident.severity is Severity.INFO:
        return None
    return mib.RAISES.get(incident.kind, mib.OTHER_ALARM)


def severity_of(incident: Incident) -> int:
    """A failover of which nobody knows whether it was planned is a warning, unless it failed."""
    unknown = incident.kind is IncidentKind.FAILOVER and incident.planned is None and incident.outcome is not Outcome.FAILED
    return SEVERITIES[Severity.WARNING] if unknown else SEVERITIES[incident.severity]


def incident_id(incident: Incident) -> bytes:
    """The same for every telling of an incident, and another one for every other incident anywhere."""
    whole = f"{incident.cluster}\0{incident.key}\0{incident.detected_at.timestamp():.6f}"
    return hashlib.sha256(whole.encode("utf-8", "surrogatepass")).hexdigest()[:32].encode("ascii")


def node_of(incident: Incident) -> str | None:
    return incident.from_node or next(iter(incident.nodes), None)


def fingerprint(incident: Incident, language: str) -> str:
    """What must differ for an update to tell a receiver anything new."""
    cause = incident.cause
    facts = (
        severity_of(incident),
        incident.planned,
        incident.outcome.value,
        incident.from_node,
        incident.to_node,
        incident.services,
        incident.resources[:1],
        incident.fenced,
        incident.redundancy,
        (str(cause.kind), cause.node, cause.resource) if cause is not None else None,
        language,
    )
    return hashlib.sha256(repr(facts).encode("utf-8", "surrogatepass")).hexdigest()[:16]


def of_incident(root: Sequence[int], number: int, incident: Incident, headline: str, language: str, envelope: Envelope) -> list[VarBind]:
    """The variables of notification `number` about an incident, snmpTrapOID.0 and sysUpTime.0 left out."""
    is_clear = number > Note.SWITCHOVER and number % 2 == 0
    event_type, probable_cause = _X733.get(incident.kind, (_OTHER, _NO_CAUSE))
    values = _common(envelope) | {
        Var.SEVERITY: (VarType.INTEGER, CLEARED if is_clear else severity_of(incident)),
        Var.KEY: _octets(name(incident.key)),
        Var.INCIDENT_ID: _octets(incident_id(incident)),
        Var.CLUSTER: _octets(name(incident.cluster)),
        Var.NODE: _octets(name(node_of(incident))),
        Var.RESOURCE: _octets(name(next(iter(incident.resources), None), 128)),
        Var.EVENT_TYPE: (VarType.INTEGER, event_type),
        Var.PROBABLE_CAUSE: (VarType.INTEGER, probable_cause),
        Var.RULE: _octets(name(incident.called)),
        Var.FIRST_SEEN: _octets(date_and_time(incident.started_at or incident.detected_at)),
        Var.TEXT: _octets(text(headline)),
        Var.SERVICE: _octets(name(next(iter(incident.services), None), 128)),
        Var.FROM_NODE: _octets(name(incident.from_node)),
        Var.TO_NODE: _octets(name(incident.to_node)),
        Var.PLANNED: (VarType.INTEGER, PLANNED[incident.planned]),
        Var.OUTCOME: (VarType.INTEGER, OUTCOMES[incident.outcome]),
        Var.CAUSE: _octets(text(cause_text(incident, language) if incident.cause is not None else "")),
    }
    extras = mib.EXTRAS.get(number - 1 if is_clear else number, ())
    values |= {var: _extra(var, incident) for var in extras}
    return _in_order(root, (*mib.COMMON, *mib.OF_INCIDENTS, *extras), values)


def of_gateway(
    root: Sequence[int], note: Note, headline: str, envelope: Envelope, extras: Mapping[Var, Value], severity: int = INDETERMINATE
) -> list[VarBind]:
    """The variables of a notification about the gateway itself."""
    values = _common(envelope) | {
        Var.SEVERITY: (VarType.INTEGER, severity),
        Var.KEY: _octets(name(note.name.lower())),
        Var.INCIDENT_ID: _octets(b""),
        Var.CLUSTER: _octets(b""),
        Var.NODE: _octets(b""),
        Var.RESOURCE: _octets(b""),
        Var.EVENT_TYPE: (VarType.INTEGER, _OTHER),
        Var.PROBABLE_CAUSE: (VarType.INTEGER, _NO_CAUSE),
        Var.RULE: _octets(b""),
        Var.FIRST_SEEN: _octets(date_and_time(envelope.at)),
        Var.TEXT: _octets(text(headline)),
    }
    return _in_order(root, (*mib.COMMON, *mib.NOTE_EXTRAS[note]), values | dict(extras))


def restated(root: Sequence[int], binds: Sequence[VarBind]) -> list[VarBind]:
    """The same, saying that it may have arrived before."""
    oid = ".".join(map(str, (*root, *mib.VARS, Var.RESTATED, 0)))
    return [item._replace(value=1) if item.oid == oid else item for item in binds]


def fit(root: Sequence[int], binds: Sequence[VarBind], room: int) -> list[VarBind]:
    """The same in at most `room` octets: the cause is cut first, then the text, then what else is long."""
    fitted = list(binds)
    for var, least in _CUTS:
        excess = size(fitted) - room
        if excess <= 0:
            break
        oid = ".".join(map(str, (*root, *mib.VARS, var, 0)))
        for index, item in enumerate(fitted):
            if item.oid == oid and isinstance(item.value, bytes) and len(item.value) > least:
                cut = name if var in _NAMES else text
                fitted[index] = item._replace(value=cut(item.value.decode("utf-8"), max(least, len(item.value) - excess)))
    return fitted


def _octets(value: bytes) -> Value:
    return VarType.OCTET_STRING, value


def _common(envelope: Envelope) -> dict[Var, Value]:
    return {
        Var.SEQUENCE: (VarType.GAUGE32, envelope.sequence),
        Var.TIME: _octets(date_and_time(envelope.at)),
        Var.COUNT: (VarType.GAUGE32, unsigned(envelope.count)),
        Var.RESTATED: (VarType.INTEGER, 1 if envelope.restated else 2),
        Var.FORWARDER: _octets(envelope.forwarder),
    }


def _in_order(root: Sequence[int], order: Sequence[Var], values: Mapping[Var, Value]) -> list[VarBind]:
    return [bind((*root, *mib.VARS, var, 0), *values[var]) for var in order]


_FAILURES = (EventKind.OPERATION_FAILED, EventKind.RESOURCE_BLOCKED, EventKind.FAIL_COUNT_CHANGED, EventKind.THRESHOLD_REACHED)


def _extra(var: Var, incident: Incident) -> Value:
    """What only some kinds carry, from the incident or the newest event of its timeline that says it."""
    match var:
        case Var.FENCED:
            return _octets(text(",".join(incident.fenced)))
        case Var.DOWN_SECONDS:
            seconds = incident.service_down_seconds
            return VarType.INTEGER, -1 if seconds is None else integer(round(seconds))
        case Var.REASON:
            return _octets(text(",".join(incident.reasons) or str(_newest(incident, "reason") or "")))
        case Var.REDUNDANCY:
            return VarType.INTEGER, KNOWN[incident.redundancy]
        case Var.OPERATION:
            return _octets(name(_word(_newest(incident, "operation", events=_FAILURES))))
        case Var.RETURN_CODE:
            return VarType.INTEGER, integer(_newest(incident, "rc", events=_FAILURES))
        case Var.EXPECTED_CODE:
            return VarType.INTEGER, integer(_newest(incident, "target_rc", "expected", events=_FAILURES))
        case Var.FAIL_COUNT:
            return VarType.INTEGER, integer(_newest(incident, "count", "new"))
        case Var.THRESHOLD:
            return VarType.INTEGER, integer(_newest(incident, "threshold"))
        case Var.CONSTRAINT:
            return _octets(name(_word(_newest(incident, "constraint")), 128))
        case Var.NODE_STATE:
            # uncleanOffline, offline: a node that came back ends the incident.
            over = incident.state is not IncidentState.OPEN
            return VarType.INTEGER, 2 if over else 6 if incident.fenced or incident.planned is not True else 7
        case Var.ACTION:
            return _octets(name(_word(_newest(incident, "action"))))
        case Var.DELEGATE:
            return _octets(name(_word(_newest(incident, "delegate"))))
        case Var.DAEMON:
            return _octets(name(_word(_newest(incident, "daemon", "program"))))
        case Var.ATTRIBUTE:
            return _octets(name(_word(_newest(incident, "attribute")), 128))
        case Var.VALUE:
            return _octets(text(_word(_newest(incident, "new", "value"))))
        case Var.LINK:
            return _octets(name(_word(_newest(incident, "link"))))
        case Var.PEER:
            return _octets(name(_word(_newest(incident, "peer")) or (incident.nodes[1] if len(incident.nodes) > 1 else "")))
        case Var.VOTES:
            return VarType.INTEGER, integer(_newest(incident, "votes", "total_votes"))
        case Var.EXPECTED_VOTES:
            return VarType.INTEGER, integer(_newest(incident, "expected_votes"))
        case Var.CHANGES:
            changes = sum(entry.event is EventKind.DC_CHANGED for entry in incident.timeline)
            return VarType.INTEGER, changes or -1
        case Var.SINCE:
            return _octets(date_and_time(incident.started_at or incident.detected_at))
        case Var.SOURCE:
            return _octets(text(",".join(incident.resources)))
        case Var.DROPS:
            return VarType.GAUGE32, unsigned(max(0, integer(_newest(incident, "drops", "dropped", "count"), 0)))
        case Var.TARGET:
            return _octets(name(next(iter(incident.resources), None)))
        case Var.PENDING:
            return VarType.GAUGE32, unsigned(max(0, integer(_newest(incident, "pending"), 0)))
        case Var.INCIDENT_KIND:
            return _octets(name(incident.called))
        case _:
            raise ValueError(f"{var.name} is no variable of an incident")


def _newest(incident: Incident, *keys: str, events: Sequence[EventKind] = ()) -> object:
    """What the newest event says under the first of these keys that it has; None when none says it."""
    for entry in reversed(incident.timeline):
        if events and entry.event not in events:
            continue
        if (found := _said(entry, keys)) is not None:
            return found
    return None


def _said(entry: TimelineEntry, keys: Sequence[str]) -> object:
    return next((entry.detail[key] for key in keys if entry.detail.get(key) is not None), None)


def _word(value: object) -> str:
    return "" if value is None else str(value)
