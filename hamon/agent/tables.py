"""The tables of HAMON-MIB as they are at one moment: sorted variables that are looked up and walked. Pure but for the row numbers."""

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from hamon.agent.numbers import Numbers
from hamon.model.cluster import ClusterView, NodeState, ServiceView, SourceView
from hamon.model.incident import Incident, Severity
from hamon.model.observation import VarType
from hamon.snmp import alarm, mib
from hamon.snmp.alarm import KNOWN, OUTCOMES, PLANNED, SEVERITIES
from hamon.snmp.mib import Oid, Table
from hamon.snmp.values import NO_TIME, date_and_time, name, text, unsigned
from hamon.tell.headline import cause_text, headline

Value = tuple[VarType, int | bytes | str]
SYSTEM: Oid = (1, 3, 6, 1, 2, 1, 1)
UNKNOWN, OK, DEGRADED, FAILED = 1, 2, 3, 4
NODE_STATES = {
    NodeState.UNKNOWN: 1,
    NodeState.ONLINE: 2,
    NodeState.STANDBY: 3,
    NodeState.MAINTENANCE: 4,
    NodeState.LOST: 6,
    NodeState.FENCED: 6,
    NodeState.STOPPED: 7,
}
_MEMBERS = frozenset({NodeState.ONLINE, NodeState.STANDBY, NodeState.MAINTENANCE})


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetRow:
    name: str
    kind: str
    sent: int = 0
    failed: int = 0
    pending: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """What there is to show."""

    version: str
    host: str
    engine_id: bytes
    clusters: Sequence[ClusterView] = ()
    sources: Sequence[SourceView] = ()
    incidents: Sequence[Incident] = ()
    """The open ones that are no part of another one."""
    targets: Sequence[TargetRow] = ()
    traps_received: int = 0
    traps_dropped: int = 0


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Variables in the order of their object identifiers. Never changed: a new one takes its place."""

    oids: Sequence[Oid] = ()
    values: Sequence[Value] = field(default=())
    uptime: Callable[[], int] = lambda: 0
    live: frozenset[Oid] = frozenset()
    """Those whose value is the uptime at the time of asking."""

    def get(self, oid: Oid) -> Value | None:
        index = bisect_left(self.oids, oid)
        if index < len(self.oids) and self.oids[index] == oid:
            return self._value(index)
        return None

    def after(self, oid: Oid, within: Sequence[Oid]) -> tuple[Oid, Value] | None:
        """The next variable behind `oid` that stands below one of `within` (sorted)."""
        for subtree in within:
            index = max(bisect_right(self.oids, oid), bisect_left(self.oids, subtree))
            if index < len(self.oids) and self.oids[index][: len(subtree)] == subtree:
                return self.oids[index], self._value(index)
        return None

    def _value(self, index: int) -> Value:
        return (VarType.TIME_TICKS, self.uptime()) if self.oids[index] in self.live else self.values[index]


def snapshot(root: Oid, moment: Moment, numbers: Numbers, uptime: Callable[[], int]) -> Snapshot:
    """All variables of this moment; gives numbers to what has none yet."""
    rows = dict(_system(root, moment))
    rows |= _scalars(root, moment)
    rows |= _clusters(root, moment, numbers)
    rows |= _incidents(root, moment, numbers)
    rows |= _targets(root, moment, numbers)
    oids = sorted(rows)
    live = frozenset({(*SYSTEM, 3, 0), (*root, *mib.GATEWAY, 2, 0)})
    return Snapshot(oids, [rows[oid] for oid in oids], uptime, live)


def _system(root: Oid, moment: Moment) -> Iterable[tuple[Oid, Value]]:
    yield (*SYSTEM, 1, 0), _octets(text(f"hamon {moment.version}, gateway for Pacemaker/Corosync clusters"))
    yield (*SYSTEM, 2, 0), (VarType.OBJECT_IDENTIFIER, ".".join(map(str, root)))
    yield (*SYSTEM, 3, 0), (VarType.TIME_TICKS, 0)
    yield (*SYSTEM, 4, 0), _octets(b"")
    yield (*SYSTEM, 5, 0), _octets(name(moment.host, 255))
    yield (*SYSTEM, 6, 0), _octets(b"")


def _scalars(root: Oid, moment: Moment) -> Mapping[Oid, Value]:
    gateway: list[Value] = [
        _octets(text(moment.version)),
        (VarType.TIME_TICKS, 0),
        _octets(moment.engine_id),
        _gauge(sum(source.up for source in moment.sources)),
        _gauge(len(moment.sources)),
        _counter(moment.traps_received),
        _counter(moment.traps_dropped),
        _gauge(sum(target.pending for target in moment.targets)),
    ]
    rows = {(*root, *mib.GATEWAY, number, 0): value for number, value in enumerate(gateway, 1)}
    of_open = [{Severity.CRITICAL}, {Severity.MAJOR}, {Severity.MINOR}, {Severity.WARNING, Severity.UNKNOWN}]
    for number, severities in enumerate(of_open, 1):
        rows[(*root, *mib.INCIDENT, number, 0)] = _gauge(sum(incident.severity in severities for incident in moment.incidents))
    return rows


def _clusters(root: Oid, moment: Moment, numbers: Numbers) -> Mapping[Oid, Value]:
    rows: dict[Oid, Value] = {}
    for cluster in moment.clusters:
        index = numbers.of("cluster", cluster.name)
        here = [incident for incident in moment.incidents if incident.cluster == cluster.name]
        down = any(service.up is False and not service.held for service in cluster.services)
        known = bool(cluster.nodes or cluster.services)
        worst = max((incident.severity for incident in here), key=lambda severity: severity.rank, default=None)
        values: list[Value] = [
            _octets(name(cluster.name)),
            _octets(text(cluster.title)),
            _integer(FAILED if down else DEGRADED if here else OK if known else UNKNOWN),
            _integer(KNOWN[cluster.has_quorum]),
            _octets(name(cluster.dc)),
            _gauge(sum(node.state in _MEMBERS for node in cluster.nodes)),
            _gauge(len(cluster.nodes)),
            _gauge(len(here)),
            _integer(alarm.CLEARED if worst is None else SEVERITIES[worst]),
            _integer(1 if cluster.maintenance else 2),
            _octets(_time(cluster.last_event_at)),
        ]
        _row(rows, root, mib.CLUSTER_TABLE, (index,), values)
        for node in cluster.nodes:
            number = numbers.of("node", f"{cluster.name}/{node.name}")
            dc = node.is_dc if node.is_dc is not None else node.name == cluster.dc if cluster.dc else None
            of_node = [
                _octets(name(node.name)),
                _integer(NODE_STATES.get(node.state, 1)),
                _integer(KNOWN[dc]),
                _octets(_time(node.since)),
            ]
            _row(rows, root, mib.NODE_TABLE, (index, number), of_node)
        for service in cluster.services:
            number = numbers.of("service", f"{cluster.name}/{service.name}")
            _row(rows, root, mib.SERVICE_TABLE, (index, number), _service(service))
    return rows


def _service(service: ServiceView) -> list[Value]:
    able = service.able_to_take_over
    alone = able is not None and not able
    state = OK if service.held else UNKNOWN if service.up is None else FAILED if not service.up else DEGRADED if alone else OK
    return [
        _octets(name(service.name, 128)),
        _integer(state),
        _octets(name(service.active_node)),
        _integer(-1 if able is None else len(able)),
        _octets(_time(service.since)),
        _octets(text(",".join(service.resources))),
    ]


def _incidents(root: Oid, moment: Moment, numbers: Numbers) -> Mapping[Oid, Value]:
    rows: dict[Oid, Value] = {}
    identities = {f"{incident.cluster}/{incident.key}": incident for incident in moment.incidents}
    numbers.keep("incident", identities)
    for identity, incident in identities.items():
        raised = alarm.raise_of(incident)
        kind = ".".join(map(str, (*root, *mib.NOTIFICATIONS, raised))) if raised is not None else "0.0"
        values: list[Value] = [
            _octets(alarm.incident_id(incident)),
            _octets(name(incident.key)),
            (VarType.OBJECT_IDENTIFIER, kind),
            _octets(name(incident.called)),
            _integer(alarm.severity_of(incident)),
            _octets(name(incident.cluster)),
            _octets(name(alarm.node_of(incident))),
            _octets(name(next(iter(incident.resources), None), 128)),
            _octets(name(next(iter(incident.services), None), 128)),
            _octets(name(incident.from_node)),
            _octets(name(incident.to_node)),
            _integer(PLANNED[incident.planned]),
            _integer(OUTCOMES[incident.outcome]),
            _octets(text(cause_text(incident, "en") if incident.cause is not None else "")),
            _octets(date_and_time(incident.detected_at)),
            _octets(date_and_time(incident.started_at or incident.detected_at)),
            _octets(text(headline(incident, "en"))),
        ]
        _row(rows, root, mib.INCIDENT_TABLE, (numbers.of("incident", identity),), values)
    return rows


def _targets(root: Oid, moment: Moment, numbers: Numbers) -> Mapping[Oid, Value]:
    rows: dict[Oid, Value] = {}
    for target in moment.targets:
        values: list[Value] = [
            _octets(name(target.name)),
            _octets(name(target.kind)),
            _counter(target.sent),
            _counter(target.failed),
            _gauge(target.pending),
        ]
        _row(rows, root, mib.TARGET_TABLE, (numbers.of("target", target.name),), values)
    return rows


def _row(rows: dict[Oid, Value], root: Oid, table: Table, index: Oid, values: Sequence[Value]) -> None:
    """One row; its first column is the index, which is not shown."""
    for column, value in enumerate(values, 2):
        rows[(*root, *table, 1, column, *index)] = value


def _octets(value: bytes) -> Value:
    return VarType.OCTET_STRING, value


def _integer(value: int) -> Value:
    return VarType.INTEGER, value


def _gauge(value: int) -> Value:
    return VarType.GAUGE32, unsigned(value)


def _counter(value: int) -> Value:
    return VarType.COUNTER32, value % (1 << 32)


def _time(at: datetime | None) -> bytes:
    return date_and_time(at) if at is not None else NO_TIME
