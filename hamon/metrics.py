"""Numbers for Prometheus: what hamon did (counters), and how the clusters are now (gauges computed at scrape time).

Law: every label has few values. What comes from a log (the name of a daemon) is bounded here, the rest is configured or
closed. Unknown reads as unhealthy: such a gauge is 0, and its sister `..._known` tells that nobody knows.
"""

import asyncio
from asyncio import AbstractEventLoop
from collections import Counter as TallyCounter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, disable_created_metrics, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from hamon.errors import DeliveryReason, StoreError
from hamon.model.cluster import ClusterView, NodeState, ReceiverView, SourceView
from hamon.model.event import Event
from hamon.model.incident import Incident, IncidentKind, Outcome, Transition, TransitionKind
from hamon.ports import IncidentFilter, Views

OTHER = "other"
"""The daemon label of all daemons beyond the first `MOST_DAEMONS`."""
MOST_DAEMONS = 64
MOST_SOURCES = 500
MOST_INCIDENTS = 1000
REFRESH_SECONDS = 4.0
"""How long a scrape waits for the history; Prometheus itself gives up after 10 s."""

_DEPARTURES = frozenset({IncidentKind.FAILOVER, IncidentKind.SWITCHOVER, IncidentKind.SERVICE_DOWN})
_MOVES = frozenset({IncidentKind.FAILOVER, IncidentKind.SWITCHOVER})
_MEMBERS = frozenset({NodeState.ONLINE, NodeState.STANDBY, NodeState.MAINTENANCE})


@dataclass(frozen=True, slots=True, kw_only=True)
class Described:
    """One metric as the README of /dashboards lists it. `kind` is counter, gauge or histogram; `buckets` those of a histogram."""

    name: str
    kind: str
    labels: tuple[str, ...]
    text: str
    buckets: tuple[float, ...] = ()


def _counter(name: str, text: str, *labels: str) -> Described:
    return Described(name=name, kind="counter", labels=labels, text=text)


def _gauge(name: str, text: str, *labels: str) -> Described:
    return Described(name=name, kind="gauge", labels=labels, text=text)


def _histogram(name: str, text: str, buckets: tuple[float, ...], *labels: str) -> Described:
    return Described(name=name, kind="histogram", labels=labels, text=text, buckets=buckets)


_FAST = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0)
_SENDING = (0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0)
_DOWN = (1.0, 2.0, 5.0, 10.0, 20.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0, 3600.0)

OWN: tuple[Described, ...] = (
    _counter("hamon_lines_read_total", "Lines read.", "collector"),
    _counter("hamon_lines_matched_total", "Lines that a rule knows.", "collector", "daemon"),
    _counter("hamon_lines_unmatched_total", "Lines that no rule knows.", "collector", "daemon"),
    _counter("hamon_lines_truncated_total", "Lines longer than the limit, cut.", "collector"),
    _counter("hamon_lines_undecodable_total", "Lines that are text in none of the configured encodings.", "collector"),
    _counter("hamon_parse_errors_total", "Lines without the form of any known log.", "collector"),
    _counter("hamon_events_total", "Events stored, those included that only confirm another one.", "cluster", "kind"),
    _counter("hamon_incidents_opened_total", "Incidents opened; planned is true, false or unknown.", "cluster", "kind", "planned"),
    _counter(
        "hamon_incidents_resolved_total", "Incidents that ended; outcome is expired where that ended it.", "cluster", "kind", "outcome"
    ),
    _counter("hamon_failovers_total", "Failovers and switchovers whose outcome is known.", "cluster", "planned", "outcome"),
    _histogram("hamon_service_down_seconds", "How long services were down in each interruption.", _DOWN, "cluster", "planned"),
    _counter(
        "hamon_deliveries_total",
        "Attempts to hand over a notification; result is sent, failed (given up), or why it is tried again.",
        "target",
        "result",
    ),
    _histogram("hamon_delivery_seconds", "How long one attempt to hand over a notification took.", _SENDING, "target"),
    _counter("hamon_defects_total", "Defects of hamon met while processing; each is in its log with a traceback."),
    _counter("hamon_store_errors_total", "Times that the history could not be read or written."),
    _histogram("hamon_batch_seconds", "How long a batch of observations took from the inbox to the history.", _FAST),
    _gauge("hamon_inbox_observations", "Observations that wait to be processed."),
    _gauge("hamon_store_up", "Whether the history answered when it was last asked for open incidents."),
    _gauge("hamon_build_info", "Always 1; the version is in the label.", "version"),
)
"""What hamon counts itself, as it happens."""

PRESENT: tuple[Described, ...] = (
    _gauge("hamon_cluster_maintenance", "Whether the whole cluster is in maintenance mode.", "cluster"),
    _gauge("hamon_cluster_quorum", "Whether the cluster has quorum; 0 when unknown.", "cluster"),
    _gauge("hamon_cluster_quorum_known", "Whether it is known if the cluster has quorum.", "cluster"),
    _gauge("hamon_cluster_dc", "Whether the node is the designated controller.", "cluster", "node"),
    _gauge("hamon_cluster_last_event_timestamp_seconds", "When the last event of the cluster happened.", "cluster"),
    _gauge("hamon_node_state", "1 for the state that the node is in, 0 for the others.", "cluster", "node", "state"),
    _gauge("hamon_node_online", "Whether the node is a member of the cluster, also in standby or maintenance.", "cluster", "node"),
    _gauge("hamon_service_up", "Whether the service runs; 0 when unknown.", "cluster", "service"),
    _gauge("hamon_service_up_known", "Whether it is known if the service runs.", "cluster", "service"),
    _gauge("hamon_service_active", "Whether the service is active on the node.", "cluster", "service", "node"),
    _gauge("hamon_service_redundancy", "Number of nodes able to take the service over; 0 when unknown.", "cluster", "service"),
    _gauge("hamon_service_redundancy_known", "Whether it is known which nodes are able to take the service over.", "cluster", "service"),
    _gauge("hamon_incident_open", "Open incidents that are no part of another one.", "cluster", "kind", "severity", "node", "resource"),
    _gauge("hamon_deliveries_pending", "Notifications that wait to be handed over.", "target"),
    _gauge("hamon_source_up", "Whether the source of evidence gives data.", "cluster", "collector", "path"),
    _gauge("hamon_source_last_data_timestamp_seconds", "When the source last gave data.", "cluster", "collector", "path"),
    _gauge("hamon_source_lag_bytes", "What is written in the source and not yet read.", "cluster", "collector", "path"),
    _counter("hamon_source_read_bytes_total", "Bytes read from the source.", "cluster", "collector", "path"),
    _counter("hamon_source_read_lines_total", "Lines read from the source, or traps that came from it.", "cluster", "collector", "path"),
    _counter("hamon_traps_received_total", "SNMP traps and informs that were taken, by SNMP version.", "collector", "version"),
    _counter(
        "hamon_traps_refused_total",
        "Datagrams that did not become a trap; rate, queue and kernel are losses, the other reasons say what was wrong with them.",
        "collector",
        "reason",
    ),
    _counter("hamon_traps_acknowledged_total", "Informs that were answered, after what they carry was stored.", "collector"),
    _counter("hamon_traps_repeated_total", "Informs that came again before their sender had its answer.", "collector"),
    _gauge("hamon_traps_waiting", "Datagrams that wait to be read.", "collector"),
    _gauge("hamon_traps_engines_learned", "Engines of SNMPv3 that were learned.", "collector"),
    _counter("hamon_syslog_received_total", "Syslog messages that were taken, by transport.", "collector", "transport"),
    _counter(
        "hamon_syslog_refused_total",
        "Syslog messages or connections that were not taken; rate, queue and kernel are losses, the other reasons say what was wrong.",
        "collector",
        "reason",
    ),
    _counter("hamon_syslog_repeated_total", "Syslog messages that came a second time and were left out.", "collector"),
    _gauge("hamon_syslog_waiting", "Datagrams of syslog that wait to be read.", "collector"),
    _gauge("hamon_syslog_connections", "Senders of syslog that are connected.", "collector"),
)
"""What is computed when Prometheus asks."""


def planned_label(planned: bool | None) -> str:
    return "unknown" if planned is None else str(planned).lower()


class History(Protocol):
    """What is asked of the store."""

    async def incidents(self, wanted: IncidentFilter) -> Sequence[Incident]: ...

    async def pending_deliveries(self) -> Mapping[str, int]: ...


class Metrics:
    """All numbers of one hamon, in the registry that is passed in."""

    def __init__(self, registry: CollectorRegistry, version: str) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call]  # one more series for each counter that nobody asks for
        self._registry = registry
        self._counters = {one.name: Counter(one.name, one.text, one.labels, registry=registry) for one in OWN if one.kind == "counter"}
        self._gauges = {one.name: Gauge(one.name, one.text, one.labels, registry=registry) for one in OWN if one.kind == "gauge"}
        self._histograms = {
            one.name: Histogram(one.name, one.text, one.labels, buckets=one.buckets, registry=registry)
            for one in OWN
            if one.kind == "histogram"
        }
        self._gauges["hamon_build_info"].labels(version).set(1)
        self._present = _Present()
        registry.register(self._present)
        ProcessCollector(registry=registry)
        self._daemons: set[str] = set()
        self._judged: dict[tuple[str, str], set[str]] = {}
        self._refreshed = False

    def expect(self, *, clusters: Iterable[str] = (), collectors: Iterable[str] = (), targets: Iterable[str] = ()) -> None:
        """Show what is configured from the start, at 0, so that a first increase is seen as one."""
        for collector in collectors:
            for name in ("read", "truncated", "undecodable"):
                self._counters[f"hamon_lines_{name}_total"].labels(collector)
            self._counters["hamon_parse_errors_total"].labels(collector)
        for target in targets:
            for result in ("sent", "failed", *DeliveryReason):
                self._counters["hamon_deliveries_total"].labels(target, result)
            self._histograms["hamon_delivery_seconds"].labels(target)
            self._present.pending.setdefault(target, 0)
            self._present.targets.add(target)
        for cluster in clusters:
            for planned in (True, False, None):
                self._histograms["hamon_service_down_seconds"].labels(cluster, planned_label(planned))
                for outcome in (Outcome.SUCCEEDED, Outcome.FAILED):
                    self._counters["hamon_failovers_total"].labels(cluster, planned_label(planned), outcome)

    def watch(self, views: Views) -> None:
        """Compute the gauges of clusters and sources from `views`, which are looked at now and at every `refresh`."""
        self._present.views = views
        self._present.look()

    def read(self, collector: str, lines: int) -> None:
        self._counters["hamon_lines_read_total"].labels(collector).inc(lines)

    def lines(self, collector: str, daemon: str, matched: int, unmatched: int) -> None:
        """Count lines of one daemon, known to a rule or not. `daemon` may be any text that a log has in that place."""
        daemon = _printable(daemon) or "unknown"
        if daemon not in self._daemons:
            if len(self._daemons) >= MOST_DAEMONS or len(daemon) > 64:
                daemon = OTHER
            self._daemons.add(daemon)
        if matched:
            self._counters["hamon_lines_matched_total"].labels(collector, daemon).inc(matched)
        if unmatched:
            self._counters["hamon_lines_unmatched_total"].labels(collector, daemon).inc(unmatched)

    def truncated(self, collector: str, lines: int = 1) -> None:
        self._counters["hamon_lines_truncated_total"].labels(collector).inc(lines)

    def undecodable(self, collector: str, lines: int = 1) -> None:
        self._counters["hamon_lines_undecodable_total"].labels(collector).inc(lines)

    def parse_errors(self, collector: str, lines: int = 1) -> None:
        self._counters["hamon_parse_errors_total"].labels(collector).inc(lines)

    def recorded(self, events: Iterable[Event], transitions: Iterable[Transition]) -> None:
        """Count what one batch gave, once it is in the history."""
        for (cluster, kind), count in TallyCounter((event.cluster, event.kind) for event in events).items():
            self._counters["hamon_events_total"].labels(cluster, kind).inc(count)
        for transition in transitions:
            self._count(transition)

    def _count(self, transition: Transition) -> None:
        incident = transition.incident
        planned = planned_label(incident.planned)
        match transition.kind:
            case TransitionKind.OPENED:
                self._counters["hamon_incidents_opened_total"].labels(incident.cluster, incident.kind, planned).inc()
            case TransitionKind.RESOLVED:
                self._counters["hamon_incidents_resolved_total"].labels(incident.cluster, incident.kind, incident.outcome).inc()
            case TransitionKind.EXPIRED:
                self._counters["hamon_incidents_resolved_total"].labels(incident.cluster, incident.kind, "expired").inc()
            case TransitionKind.UPDATED:
                pass
        if incident.kind in _DEPARTURES:
            judged = self._judged.setdefault((incident.cluster, incident.key), set())
            for fact in _facts(incident) - judged:
                judged.add(fact)
                if fact == "outcome":
                    self._counters["hamon_failovers_total"].labels(incident.cluster, planned, incident.outcome).inc()
                elif incident.service_down_seconds is not None:
                    self._histograms["hamon_service_down_seconds"].labels(incident.cluster, planned).observe(incident.service_down_seconds)
        if transition.kind in (TransitionKind.RESOLVED, TransitionKind.EXPIRED):
            self._judged.pop((incident.cluster, incident.key), None)

    def delivered(self, target: str, result: str, seconds: float) -> None:
        """Count one attempt; `result` is "sent", "failed" (given up) or a DeliveryReason, `seconds` how long it took."""
        self._counters["hamon_deliveries_total"].labels(target, result).inc()
        self._histograms["hamon_delivery_seconds"].labels(target).observe(seconds)

    def batch(self, seconds: float) -> None:
        self._histograms["hamon_batch_seconds"].observe(seconds)

    def waiting(self, observations: int) -> None:
        """Tell how many observations are in the inbox."""
        self._gauges["hamon_inbox_observations"].set(observations)

    def defect(self) -> None:
        self._counters["hamon_defects_total"].inc()

    def store_error(self) -> None:
        self._counters["hamon_store_errors_total"].inc()

    async def refresh(self, store: History) -> None:
        """Take open incidents and waiting deliveries from the history, and the views as they are now.

        Call it at start, before the first batch: the first call also learns which open incidents an earlier run has counted.
        Then before each exposition, which `scraper` does. While the history does not answer its last known numbers stay, and
        `hamon_store_up` is 0.
        """
        self._present.look()
        try:
            incidents = await store.incidents(IncidentFilter(open_only=True, limit=MOST_INCIDENTS))
            pending = await store.pending_deliveries()
        except StoreError:
            self.store_error()
            self._gauges["hamon_store_up"].set(0)
            return
        self._gauges["hamon_store_up"].set(1)
        self._present.incidents = incidents
        self._present.pending = dict.fromkeys(self._present.targets, 0) | dict(pending)
        if not self._refreshed:
            self._refreshed = True
            for incident in incidents:
                if incident.kind in _DEPARTURES:
                    self._judged.setdefault((incident.cluster, incident.key), set()).update(_facts(incident))

    def scraper(
        self, store: History, loop: AbstractEventLoop, *, refresh_seconds: float = REFRESH_SECONDS
    ) -> Callable[[], tuple[bytes, str]]:
        """A function that answers a scrape from another thread: what is asked is asked on `loop`, where the views change; writing
        the exposition, which takes some ten milliseconds for many clusters, does not hold `loop` up.
        """

        def scrape() -> tuple[bytes, str]:
            asked = asyncio.run_coroutine_threadsafe(self.refresh(store), loop)
            try:
                asked.result(refresh_seconds)
            except TimeoutError:
                # A history that hangs is one that does not answer.
                asked.cancel()
                self._gauges["hamon_store_up"].set(0)
            return self.exposition()

        return scrape

    def exposition(self) -> tuple[bytes, str]:
        """The answer to a scrape, and its content type."""
        return generate_latest(self._registry), CONTENT_TYPE_PLAIN_0_0_4


def _facts(incident: Incident) -> set[str]:
    """What is settled about a departure and is counted once: its outcome, and how long the service was down."""
    facts = set()
    if incident.kind in _MOVES and incident.outcome in (Outcome.SUCCEEDED, Outcome.FAILED):
        facts.add("outcome")
    if incident.service_restored_at is not None and incident.service_down_seconds is not None:
        facts.add("down")
    return facts


def _printable(label: str) -> str:
    """The label in valid UTF-8: names of files may be none, and one bad label would break the whole exposition."""
    return label if label.isascii() else label.encode("utf-8", "backslashreplace").decode()


class _Family:
    """Samples of one metric of PRESENT; the last value given for the same labels stands, as Prometheus refuses two."""

    def __init__(self, described: Described) -> None:
        self.described = described
        self.samples: dict[tuple[str, ...], float] = {}

    def metric(self) -> Metric:
        family = CounterMetricFamily if self.described.kind == "counter" else GaugeMetricFamily
        metric: CounterMetricFamily | GaugeMetricFamily = family(self.described.name, self.described.text, labels=self.described.labels)
        for labels, value in self.samples.items():
            metric.add_metric([_printable(label) for label in labels], value)
        return metric


class _Present(Collector):
    """Computes the gauges when Prometheus asks; holds what can only be had by waiting (`incidents`, `pending`) or on the event loop."""

    def __init__(self) -> None:
        self.views: Views | None = None
        self.clusters: Sequence[ClusterView] = ()
        self.sources: Sequence[SourceView] = ()
        self.receivers: Sequence[ReceiverView] = ()
        self.incidents: Sequence[Incident] = ()
        self.pending: dict[str, int] = {}
        self.targets: set[str] = set()

    def look(self) -> None:
        if self.views is not None:
            self.clusters, self.sources = tuple(self.views.clusters()), tuple(self.views.sources())
            self.receivers = tuple(self.views.receivers())

    def describe(self) -> Iterable[Metric]:
        return [_Family(described).metric() for described in PRESENT]

    def collect(self) -> Iterator[Metric]:
        families = {described.name: _Family(described) for described in PRESENT}
        for name, labels, value in self._samples():
            families[name].samples[labels] = value
        counts: dict[tuple[str, ...], float] = families["hamon_incident_open"].samples
        for incident in self.incidents:
            labels = (incident.cluster, incident.kind, incident.severity, _node(incident), _resource(incident))
            counts[labels] = counts.get(labels, 0) + 1
        for family in families.values():
            yield family.metric()

    def _samples(self) -> Iterator[tuple[str, tuple[str, ...], float]]:
        for target, number in self.pending.items():
            yield "hamon_deliveries_pending", (target,), number
        for cluster in self.clusters:
            yield from _cluster_samples(cluster)
        # Sources that are down come first: of these none may be cut off.
        for source in sorted(self.sources, key=lambda source: source.up)[:MOST_SOURCES]:
            yield from _source_samples(source)
        for receiver in self.receivers:
            yield from _receiver_samples(receiver)


def _node(incident: Incident) -> str:
    """The one node for the label: where a service left, else the first concerned."""
    return incident.from_node or next(iter(incident.nodes), "")


def _resource(incident: Incident) -> str:
    return next(iter(incident.services or incident.resources), "")


def _cluster_samples(cluster: ClusterView) -> Iterator[tuple[str, tuple[str, ...], float]]:
    name = cluster.name
    yield "hamon_cluster_maintenance", (name,), cluster.maintenance
    yield "hamon_cluster_quorum", (name,), bool(cluster.has_quorum)
    yield "hamon_cluster_quorum_known", (name,), cluster.has_quorum is not None
    if cluster.last_event_at is not None:
        yield "hamon_cluster_last_event_timestamp_seconds", (name,), _seconds(cluster.last_event_at)
    for node in cluster.nodes:
        yield "hamon_cluster_dc", (name, node.name), node.name == cluster.dc
        yield "hamon_node_online", (name, node.name), node.state in _MEMBERS
        for state in NodeState:
            yield "hamon_node_state", (name, node.name, state), node.state is state
    for service in cluster.services:
        yield "hamon_service_up", (name, service.name), bool(service.up)
        yield "hamon_service_up_known", (name, service.name), service.up is not None
        yield "hamon_service_redundancy", (name, service.name), len(service.able_to_take_over or ())
        yield "hamon_service_redundancy_known", (name, service.name), service.able_to_take_over is not None
        for node_name in {node.name for node in cluster.nodes} | ({service.active_node} if service.active_node else set()):
            yield "hamon_service_active", (name, service.name, node_name), node_name == service.active_node


def _source_samples(source: SourceView) -> Iterator[tuple[str, tuple[str, ...], float]]:
    labels = (source.cluster, source.collector, source.path)
    yield "hamon_source_up", labels, source.up
    yield "hamon_source_lag_bytes", labels, source.lag_bytes
    yield "hamon_source_read_bytes_total", labels, source.bytes_read
    yield "hamon_source_read_lines_total", labels, source.lines_read
    if source.last_data_at is not None:
        yield "hamon_source_last_data_timestamp_seconds", labels, _seconds(source.last_data_at)


def _receiver_samples(receiver: ReceiverView) -> Iterator[tuple[str, tuple[str, ...], float]]:
    name = receiver.collector
    prefix = "hamon_traps" if receiver.kind == "snmp_trap" else "hamon_syslog"
    for version, count in receiver.received.items():
        yield f"{prefix}_received_total", (name, version), count
    for reason, count in receiver.refused.items():
        yield f"{prefix}_refused_total", (name, reason), count
    yield f"{prefix}_repeated_total", (name,), receiver.repeated
    yield f"{prefix}_waiting", (name,), receiver.waiting
    if receiver.kind == "snmp_trap":
        yield "hamon_traps_acknowledged_total", (name,), receiver.acknowledged
        yield "hamon_traps_engines_learned", (name,), receiver.engines
    else:
        yield "hamon_syslog_connections", (name,), receiver.connections


def _seconds(at: datetime) -> float:
    return at.timestamp()
