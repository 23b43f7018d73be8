"""A small cluster with a history, for tests of metrics and dashboards."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from prometheus_client import CollectorRegistry

from hamon.metrics import Metrics
from hamon.model.cluster import ClusterView, NodeState, NodeView, ReceiverView, ServiceView, SourceView
from hamon.model.event import Event, EventKind
from hamon.model.incident import Incident, IncidentKind, IncidentState, Notice, Outcome, Severity, Transition, TransitionKind
from hamon.model.observation import Polled, Snapshot, Source
from hamon.ports import IncidentFilter
from tests.ha_cluster_exporter import Outputs, polled

AT = datetime(2026, 1, 1, tzinfo=UTC)

CLUSTER = ClusterView(
    name="pg",
    title="Database",
    nodes=(
        NodeView(name="pm01", state=NodeState.FENCED),
        NodeView(name="pm02", state=NodeState.ONLINE, is_dc=True),
        NodeView(name="pm03", state=NodeState.STANDBY),
    ),
    services=(ServiceView(name="db", resources=("prmDb",), active_node="pm02", up=True, able_to_take_over=("pm03",)),),
    dc="pm02",
    has_quorum=True,
    last_event_at=AT,
)

WEB = ClusterView(
    name="web",
    title="Shop",
    nodes=(NodeView(name="web1", state=NodeState.LOST), NodeView(name="web2", state=NodeState.MAINTENANCE)),
    services=(ServiceView(name="shop", resources=("grpShop",), up=False, able_to_take_over=()),),
    has_quorum=False,
    maintenance=True,
)
"""One where everything is wrong that can be."""

FAILOVER = Incident(
    key="departure/pm01/1",
    cluster="pg",
    kind=IncidentKind.FAILOVER,
    severity=Severity.MAJOR,
    state=IncidentState.OPEN,
    planned=False,
    outcome=Outcome.SUCCEEDED,
    services=("db",),
    nodes=("pm01", "pm02"),
    resources=("prmDb",),
    from_node="pm01",
    to_node="pm02",
    detected_at=AT,
    service_restored_at=AT + timedelta(seconds=12.5),
    service_down_seconds=12.5,
    redundancy=False,
    debt_since=AT + timedelta(seconds=12.5),
)

DOWN = Incident(
    key="departure/web1/1",
    cluster="web",
    kind=IncidentKind.SERVICE_DOWN,
    severity=Severity.CRITICAL,
    state=IncidentState.OPEN,
    services=("shop",),
    nodes=("web1",),
    detected_at=AT,
)

OUTBOX = {"ops": 2, "duty": 0}

SOURCES = (
    SourceView(
        collector="pm01",
        kind="log_tail",
        cluster="pg",
        path="/var/log/ha-log",
        up=False,
        reason="the file disappeared",
        last_data_at=AT,
        bytes_read=4096,
        lines_read=40,
        lag_bytes=10,
    ),
    SourceView(collector="pm02", kind="log_tail", cluster="pg", path="/var/log/ha-log", up=True, last_data_at=AT),
)


def step(
    sequence: int, transition: TransitionKind = TransitionKind.UPDATED, /, *, notice: Notice | None = None, **changes: Any
) -> Transition:
    """One step of a failover that is under way, changed as said; what people are told of it."""
    ongoing: dict[str, Any] = {"outcome": Outcome.ONGOING, "service_restored_at": None, "service_down_seconds": None}
    incident = replace(FAILOVER, **(ongoing | changes))
    return Transition(at=AT, kind=transition, incident=incident, sequence=sequence, reason="test", notice=notice)


RECEIVERS = (
    ReceiverView(
        collector="main",
        kind="snmp_trap",
        received={"1": 1, "2c": 20, "3": 300},
        refused={"source": 4, "rate": 5},
        acknowledged=30,
        repeated=2,
        waiting=7,
        engines=1,
    ),
    ReceiverView(collector="nodes", kind="syslog", received={"tcp": 9}, refused={"queue": 1}, repeated=3, waiting=2, connections=4),
)


class SampleViews:
    def __init__(
        self,
        clusters: Sequence[ClusterView] = (CLUSTER,),
        sources: Sequence[SourceView] = SOURCES,
        polls: Mapping[str, Polled] | None = None,
    ) -> None:
        self._clusters, self._sources, self.polls = clusters, sources, dict(polls or {})

    def change(self, clusters: Sequence[ClusterView], sources: Sequence[SourceView]) -> None:
        self._clusters, self._sources = clusters, sources

    def clusters(self) -> Sequence[ClusterView]:
        return self._clusters

    def sources(self) -> Sequence[SourceView]:
        return self._sources

    def own_incidents(self) -> Collection[str]:
        return ()

    def receivers(self) -> Sequence[ReceiverView]:
        return RECEIVERS

    def polled(self, cluster: str) -> Polled | None:
        return self.polls.get(cluster)

    def services(self, cluster: str) -> Mapping[str, Sequence[str]]:
        return {}

    def status(self, cluster: str) -> Snapshot | None:
        return None


def troubled() -> Polled:
    """A poll in which there is some of everything."""
    corpus = Path(__file__).parent / "corpus"
    crm_mon, tools = corpus / "crm_mon" / "pacemaker-2.1.5", corpus / "tools"
    known = polled(
        Outputs(
            crm_mon=(crm_mon / "failed_monitor.xml").read_bytes(),
            cfgtool=(tools / "corosync-3.1.7" / "link_cut.cfgtool.txt").read_bytes(),
            sbd_config=b'SBD_DEVICE="/dev/loop0;/dev/loop1"',
            drbd=(tools / "made" / "drbd-connected.json").read_bytes(),
        )
    )
    tickets = polled(Outputs(crm_mon=(crm_mon / "tickets.xml").read_bytes()))
    moved = polled(Outputs(crm_mon=(crm_mon / "moved_by_hand.xml").read_bytes()))
    assert known.snapshot is not None
    assert tickets.snapshot is not None
    assert moved.snapshot is not None
    status = replace(known.snapshot.status, tickets=tickets.snapshot.status.tickets, bans=moved.snapshot.status.bans)
    return replace(known, cluster="web", snapshot=replace(known.snapshot, cluster="web", status=status))


class SampleStore:
    """The two questions that metrics ask the history."""

    def __init__(self, incidents: Sequence[Incident], pending: Mapping[str, int]) -> None:
        self._incidents, self._pending = incidents, pending

    async def incidents(self, wanted: IncidentFilter) -> Sequence[Incident]:
        assert wanted.open_only
        return self._incidents[: wanted.limit]

    async def pending_deliveries(self) -> Mapping[str, int]:
        return self._pending


async def filled() -> Metrics:
    """Metrics in which every metric has a sample."""
    metrics = Metrics(CollectorRegistry(), "0.1.0")
    metrics.expect(clusters=["pg"], collectors=["pm01", "pm02"], targets=["ops", "duty"])
    web = troubled()
    gone = replace(web, cluster="gone", unknown_since=AT, reason="timeout")
    views = SampleViews((CLUSTER, WEB, replace(WEB, name="gone", title="")), polls={"web": web, "gone": gone})
    metrics.watch(views)
    await metrics.refresh(SampleStore([FAILOVER, DOWN], OUTBOX))
    for collector in ("pm01", "pm02"):
        metrics.read(collector, 50)
        metrics.lines(collector, "pacemaker-controld", 4, 30)
        metrics.lines(collector, "corosync", 1, 15)
    event = Event(at=AT, received_at=AT, cluster="pg", kind=EventKind.NODE_LOST, rule="test", source=Source.LOG, collector="pm02")
    done: dict[str, Any] = {
        "outcome": Outcome.SUCCEEDED,
        "service_restored_at": AT,
        "service_down_seconds": 12.5,
        "key": "departure/pm01/2",
    }
    resolved = step(3, TransitionKind.RESOLVED, state=IncidentState.RESOLVED, **done)
    metrics.recorded([event], [step(1, TransitionKind.OPENED, key="departure/pm01/2"), step(2, **done), resolved])
    metrics.traps("snmp", 9, 1)
    metrics.delivered("ops", "sent", 0.05)
    metrics.delivered("duty", "unreachable", 2.0)
    metrics.relayed("ops", "relayed", 3)
    metrics.batch(0.004)
    metrics.waiting(0)
    return metrics
