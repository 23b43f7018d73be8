"""What the pages are tested with: a failover that left its service unprotected, what came before it, and the cluster as it is now."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise

from hamon.model.cluster import ClusterView, NodeState, NodeView, ReceiverView, ServiceView, SourceView
from hamon.model.delivery import Delivery, DeliveryState
from hamon.model.event import Event, EventKind
from hamon.model.incident import (
    Cause,
    Evidence,
    Incident,
    IncidentKind,
    IncidentState,
    Judgement,
    Notice,
    Outcome,
    Severity,
    TimelineEntry,
    Transition,
    TransitionKind,
)
from hamon.model.observation import Polled, Snapshot, Source
from hamon.ports import Recording
from tests.tell import samples

NOW = datetime(2026, 11, 22, 11, 12, 0, tzinfo=UTC)
START = samples.START
EVIL = '<script>alert("owned")</script><img src=x onerror=alert(1)>'

_STEPS: tuple[tuple[float, EventKind, str | None, str | None, dict[str, str | int | None], str], ...] = (
    (
        0.0,
        EventKind.OPERATION_FAILED,
        "pm01",
        "prmPg",
        {"operation": "monitor", "rc": 1, "reason": "error"},
        "Nov 22 11:10:21 pm01 pacemaker-controld[1530]: notice: Result of monitor operation for prmPg on pm01: error (stopped by hand)",
    ),
    (
        0.1,
        EventKind.FAIL_COUNT_CHANGED,
        "pm01",
        "prmPg",
        {"value": 1},
        "pacemaker-attrd: notice: Setting fail-count-prmPg#monitor_10000[pm01]: (unset) -> 1",
    ),
    (
        0.2,
        EventKind.PLAN,
        None,
        "prmPg",
        {"action": "Recover", "from": "pm01", "to": "pm02"},
        "pacemaker-schedulerd: notice: Actions: Recover    prmPg     ( pm01 -> pm02 )",
    ),
    (
        0.2,
        EventKind.PLAN,
        None,
        "prmIp",
        {"action": "Move", "from": "pm01", "to": "pm02"},
        "pacemaker-schedulerd: notice: Actions: Move       prmIp     ( pm01 -> pm02 )",
    ),
    (0.5, EventKind.RESOURCE_STOPPED, "pm01", "prmIp", {}, "pacemaker-controld: notice: Result of stop operation for prmIp on pm01: ok"),
    (0.8, EventKind.RESOURCE_STOPPED, "pm01", "prmPg", {}, "pacemaker-controld: notice: Result of stop operation for prmPg on pm01: ok"),
    (0.9, EventKind.UNCLASSIFIED, "pm02", None, {"text": f"agent says {EVIL}"}, f"pm02 pgsql(prmPg)[99]: WARNING: {EVIL}"),
    (8.4, EventKind.RESOURCE_STARTED, "pm02", "prmPg", {}, "pacemaker-controld: notice: Result of start operation for prmPg on pm02: ok"),
    (8.9, EventKind.RESOURCE_STARTED, "pm02", "prmIp", {}, "pacemaker-controld: notice: Result of start operation for prmIp on pm02: ok"),
    (
        9.1,
        EventKind.THRESHOLD_REACHED,
        "pm01",
        "prmPg",
        {"count": 1, "threshold": 1},
        "pacemaker-schedulerd: warning: prmPg cannot run on pm01 due to reaching migration threshold",
    ),
)

EVENTS = tuple(
    Event(
        at=START + timedelta(seconds=after),
        received_at=START + timedelta(seconds=after + 0.02),
        cluster="web01",
        kind=kind,
        rule=f"rule-{kind.replace('_', '-')}",
        source=Source.LOG,
        collector="pm01",
        node=node,
        resource=resource,
        reporter=node or "pm01",
        detail=detail,
        raw=raw,
        ref=f"/var/log/ha-log@{number * 200}",
    )
    for number, (after, kind, node, resource, detail, raw) in enumerate(_STEPS)
)

TIMELINE = tuple(
    TimelineEntry(
        at=event.at,
        node=event.node,
        resource=event.resource,
        source=event.source,
        event=event.kind,
        detail=event.detail,
        raw=event.raw,
        reported_by=("pm01",),
    )
    for event in EVENTS
)

FAILOVER = replace(
    samples.FAILOVER,
    key="departure/pm01 grpPg@2026-11-22T11:10:21Z",
    detected_at=START + timedelta(seconds=0.2),
    service_restored_at=START + timedelta(seconds=8.9),
    service_down_seconds=8.4,
    reasons=("fail_count pm01 prmPg",),
    debt_since=START + timedelta(seconds=8.9),
    cause=Cause(
        kind="resource_failure",
        node="pm01",
        resource="prmPg",
        at=START,
        text="Result of monitor operation for prmPg on pm01: error (stopped by hand)",
    ),
    evidence=(
        Evidence(verdict=Judgement.UNPLANNED, by=TIMELINE[:1]),
        Evidence(verdict=Judgement.ON_ACTIVE, polled_at=START),
    ),
    timeline=TIMELINE,
    told=True,
)

PART = Incident(
    key="resource_failure-pm01-prmPg",
    cluster="web01",
    kind=IncidentKind.RESOURCE_FAILURE,
    severity=Severity.WARNING,
    state=IncidentState.OPEN,
    planned=False,
    part_of=FAILOVER.key,
    nodes=("pm01",),
    resources=("prmPg",),
    started_at=START,
    detected_at=START,
    timeline=TIMELINE[:1],
)

SWITCHOVER = Incident(
    key="switchover-pm02",
    cluster="web01",
    kind=IncidentKind.SWITCHOVER,
    severity=Severity.INFO,
    state=IncidentState.RESOLVED,
    planned=True,
    outcome=Outcome.SUCCEEDED,
    services=("grpPg",),
    nodes=("pm02",),
    resources=("grpPg",),
    from_node="pm02",
    to_node="pm01",
    started_at=START - timedelta(hours=5),
    detected_at=START - timedelta(hours=5),
    service_restored_at=START - timedelta(hours=5, seconds=-2),
    service_down_seconds=1.9,
    redundancy=True,
    redundancy_restored_at=START - timedelta(hours=5, seconds=-7),
    resolved_at=START - timedelta(hours=5, seconds=-7),
    cause=Cause(kind="standby_on", node="pm02", text="pm02 is in standby mode"),
)

STANDBY_FAULT = replace(
    samples.STANDBY_FAULT,
    key="standby_fault-pm02",
    state=IncidentState.RESOLVED,
    started_at=START - timedelta(days=1, hours=3),
    detected_at=START - timedelta(days=1, hours=3),
    redundancy=True,
    reasons=(),
    redundancy_restored_at=START - timedelta(days=1, hours=2),
    resolved_at=START - timedelta(days=1, hours=2),
    cause=Cause(kind="node_lost", node="pm02", text="Node pm02 state is now lost"),
)

MAINTENANCE = Incident(
    key="maintenance",
    cluster="mail02",
    kind=IncidentKind.MAINTENANCE,
    severity=Severity.INFO,
    state=IncidentState.OPEN,
    planned=True,
    started_at=START - timedelta(minutes=30),
    detected_at=START - timedelta(minutes=30),
)

CLUSTERS = (
    ClusterView(
        name="web01",
        title="Web shop database",
        nodes=(
            NodeView(name="pm01", state=NodeState.ONLINE, is_dc=True, since=START - timedelta(days=2)),
            NodeView(name="pm02", state=NodeState.ONLINE, is_dc=False, since=START - timedelta(days=1)),
        ),
        services=(
            ServiceView(
                name="grpPg",
                resources=("prmEx", "prmFs", "prmIp", "prmPg"),
                active_node="pm02",
                up=True,
                able_to_take_over=(),
                since=START + timedelta(seconds=8.9),
            ),
            ServiceView(
                name="grpWeb",
                resources=("prmApache",),
                active_node="pm01",
                up=True,
                able_to_take_over=("pm02",),
                since=START - timedelta(days=1),
            ),
        ),
        dc="pm01",
        has_quorum=True,
        last_event_at=START + timedelta(seconds=9.1),
    ),
    ClusterView(
        name="mail02",
        title="",
        nodes=(NodeView(name="mx1", state=NodeState.ONLINE), NodeView(name="mx2", state=NodeState.STANDBY)),
        services=(ServiceView(name="grpMail", resources=("prmPostfix",), active_node="mx1", up=True, able_to_take_over=None),),
        maintenance=True,
        last_event_at=START - timedelta(minutes=30),
    ),
)

SOURCES = (
    SourceView(
        collector="pm01",
        kind="log_tail",
        cluster="web01",
        path="/var/log/ha-log",
        up=True,
        last_data_at=NOW,
        bytes_read=4096,
        lines_read=40,
    ),
    SourceView(
        collector="mx2",
        kind="log_tail",
        cluster="mail02",
        path="/srv/mx2/ha-log",
        up=False,
        reason="no such file",
        since=NOW - timedelta(minutes=7),
    ),
)


class StillViews:
    """A present that stands still until a test changes it."""

    def __init__(self, clusters: Sequence[ClusterView] = CLUSTERS, sources: Sequence[SourceView] = SOURCES) -> None:
        self.now, self.seen = clusters, sources
        self.polls: dict[str, Polled] = {}
        self.own: tuple[str, ...] = ()

    def clusters(self) -> Sequence[ClusterView]:
        return self.now

    def sources(self) -> Sequence[SourceView]:
        return self.seen

    def own_incidents(self) -> Collection[str]:
        return self.own

    def receivers(self) -> Sequence[ReceiverView]:
        return ()

    def polled(self, cluster: str) -> Polled | None:
        return self.polls.get(cluster)

    def services(self, cluster: str) -> Mapping[str, Sequence[str]]:
        return {}

    def status(self, cluster: str) -> Snapshot | None:
        return None


def steps(incident: Incident) -> list[Transition]:
    """The transitions that lead to an incident as it is."""
    opening = replace(
        incident,
        state=IncidentState.OPEN,
        outcome=Outcome.ONGOING if incident.from_node else incident.outcome,
        service_restored_at=None,
        service_down_seconds=None,
        redundancy_restored_at=None,
        debt_since=None,
        resolved_at=None,
        timeline=incident.timeline[:3],
        redundancy=None,
    )
    last = TransitionKind.RESOLVED if incident.state is IncidentState.RESOLVED else TransitionKind.UPDATED
    notice = Notice.CLOSING if incident.state is IncidentState.RESOLVED else Notice.UPDATE
    return [
        Transition(
            at=incident.detected_at,
            kind=TransitionKind.OPENED,
            incident=opening,
            sequence=1,
            reason="plan is carried out",
            notice=Notice.OPENING,
        ),
        Transition(
            at=incident.detected_at + timedelta(seconds=9),
            kind=last,
            incident=incident,
            sequence=2,
            reason="service active on pm02",
            notice=notice,
        ),
    ]


def deliveries(transitions: Sequence[Transition]) -> list[Delivery]:
    """A mail that was sent, and a webhook that was given up."""
    told = []
    for step in transitions:
        base = f"{step.incident.cluster}/{step.incident.key}/{step.sequence}"
        told += [
            Delivery(
                id=f"{base}/ops",
                target="ops",
                transition=step,
                created_at=step.at,
                state=DeliveryState.SENT,
                attempts=1,
                sent_at=step.at + timedelta(seconds=0.2),
            ),
            Delivery(
                id=f"{base}/chat",
                target="chat",
                transition=step,
                created_at=step.at,
                state=DeliveryState.FAILED,
                attempts=7,
                repeated=True,
                error="refused: 403",
            ),
        ]
    return told


def recordings() -> list[Recording]:
    """Everything above, as the gateway would have written it."""
    told = steps(FAILOVER)
    oldest_first = [step for incident in (STANDBY_FAULT, SWITCHOVER, MAINTENANCE, PART) for step in steps(incident)]
    assert all(one.at <= other.at or one.incident.key != other.incident.key for one, other in pairwise(oldest_first))
    return [
        *(Recording(transitions=[step]) for step in oldest_first),
        Recording(events=EVENTS[:3], transitions=told[:1], deliveries=deliveries(told[:1])),
        Recording(events=EVENTS[3:], transitions=told[1:], deliveries=deliveries(told[1:])),
    ]
