"""Numbers for Prometheus: what hamon did (counters), and how the clusters are now.

Laws: every label has few values. What comes from a log (the name of a daemon) is bounded here, the rest is configured or
closed. Unknown reads as unhealthy: such a gauge is 0, and its sister `..._known` tells that nobody knows. What belongs to a cluster is
written when it changes and kept (hamon.expose); a scrape asks no cluster, and writes only what is new.
"""

import asyncio
from asyncio import AbstractEventLoop
from collections import Counter as TallyCounter
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from operator import attrgetter
from threading import Lock
from typing import Protocol

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, disable_created_metrics, generate_latest

from hamon.classify.services import Services
from hamon.classify.settings import ClusterSettings
from hamon.errors import DeliveryReason, StoreError
from hamon.expose import cluster as of_cluster
from hamon.expose import ha_cluster
from hamon.expose.board import Board
from hamon.expose.cluster import POLL, SOURCES, Facts
from hamon.expose.facts import POLLING, seen, services_of, unanswered
from hamon.expose.ha_cluster import RoleNames
from hamon.expose.settings import MetricsConfig
from hamon.expose.tally import Tally
from hamon.expose.text import CONTENT_TYPE, Described, Rows, counter, gauge, histogram, labels, whole
from hamon.model.cluster import ClusterView, ReceiverView, SourceView
from hamon.model.event import Event
from hamon.model.incident import Incident, IncidentKind, IncidentState, Outcome, Transition, TransitionKind
from hamon.model.observation import Polled
from hamon.ports import IncidentFilter, RecordKind, Views

OTHER = "other"
"""The daemon label of all daemons beyond the first `MOST_DAEMONS`."""
MOST_DAEMONS = 64
MOST_SOURCES = 5000
MOST_INCIDENTS = 1000
MOST_OVER = 10_000
"""So many incidents that are over are remembered, so that none is counted twice when more is learned of it."""
REFRESH_SECONDS = 4.0
"""How long a scrape waits for the history; Prometheus itself gives up after 10 s."""

_DEPARTURES = frozenset({IncidentKind.FAILOVER, IncidentKind.SWITCHOVER, IncidentKind.SERVICE_DOWN})
_CLUSTER_AND_KIND = attrgetter("cluster", "kind")
_MOVES = frozenset({IncidentKind.FAILOVER, IncidentKind.SWITCHOVER})
_FAST = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0)
_SENDING = (0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0)
_DOWN = (1.0, 2.0, 5.0, 10.0, 20.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0, 3600.0)

OWN: tuple[Described, ...] = (
    counter("hamon_lines_read_total", "Lines read.", "collector"),
    counter("hamon_lines_matched_total", "Lines that a rule knows.", "collector", "daemon"),
    counter("hamon_lines_unmatched_total", "Lines that no rule knows.", "collector", "daemon"),
    counter("hamon_lines_truncated_total", "Lines longer than the limit, cut.", "collector"),
    counter("hamon_lines_undecodable_total", "Lines that are text in none of the configured encodings.", "collector"),
    counter("hamon_parse_errors_total", "Lines without the form of any known log.", "collector"),
    counter("hamon_traps_matched_total", "Traps that a rule knows.", "collector"),
    counter("hamon_traps_unmatched_total", "Traps that no rule knows; each is kept as an event.", "collector"),
    counter(
        "hamon_deliveries_total",
        "Attempts to hand over a notification; result is sent, failed (given up), or why it is tried again.",
        "target",
        "result",
    ),
    counter("hamon_relays_total", "Traps passed on; result is relayed, failed (tried again) or dropped.", "target", "result"),
    histogram("hamon_delivery_seconds", "How long one attempt to hand over a notification took.", _SENDING, "target"),
    counter("hamon_defects_total", "Defects of hamon met while processing; each is in its log with a traceback."),
    counter("hamon_store_errors_total", "Times that the history could not be read or written."),
    counter(
        "hamon_records_refused_total",
        "Records that the database will never take; record is event, step, delivery, position, state, relay or poll.",
        "record",
    ),
    histogram("hamon_batch_seconds", "How long a batch of observations took from the inbox to the history.", _FAST),
    gauge("hamon_inbox_observations", "Observations that wait to be processed."),
    gauge("hamon_store_up", "Whether the history answered when it was last asked for open incidents."),
    gauge("hamon_build_info", "Always 1; the version is in the label.", "version"),
)
"""What hamon counts of itself, as it happens."""

COUNTED: tuple[Described, ...] = (
    counter("hamon_events_total", "Events stored, those included that only confirm another one.", "cluster", "kind"),
    counter("hamon_incidents_opened_total", "Incidents opened; planned is true, false or unknown.", "cluster", "kind", "planned"),
    counter(
        "hamon_incidents_resolved_total", "Incidents that ended; outcome is expired where that ended it.", "cluster", "kind", "outcome"
    ),
    counter(
        "hamon_failovers_total",
        "Failovers and switchovers by outcome; failed counts once people were told of it or it is over.",
        "cluster",
        "planned",
        "outcome",
    ),
    counter(
        "hamon_failover_causes_total",
        "The same with what caused them: the kind of the incident or event that came first, or unknown.",
        *("cluster", "cause", "planned", "outcome"),
    ),
    histogram(
        "hamon_failover_seconds",
        "From the first symptom of a failover or switchover until the service was back.",
        _DOWN,
        "cluster",
        "planned",
    ),
    histogram("hamon_service_down_seconds", "How long services were down in each interruption.", _DOWN, "cluster", "planned"),
    counter("hamon_service_downtime_seconds_total", "How long the service was down in interruptions that ended.", "cluster", "service"),
)
"""What is counted of each cluster, as it happens."""

PRESENT: tuple[Described, ...] = (
    gauge("hamon_incident_open", "Open incidents that are no part of another one.", "cluster", "kind", "severity", "node", "resource"),
    gauge(
        "hamon_redundancy_debt_timestamp_seconds",
        "Since when a service is recovered and not protected, or planned work keeps redundancy off; time() minus it is the age.",
        "cluster",
        "kind",
        "planned",
        "node",
        "resource",
    ),
    gauge("hamon_deliveries_pending", "Notifications that wait to be handed over.", "target"),
    counter("hamon_traps_received_total", "SNMP traps and informs that were taken, by SNMP version.", "collector", "version"),
    counter(
        "hamon_traps_refused_total",
        "Datagrams that did not become a trap; rate, queue and kernel are losses, the other reasons say what was wrong with them.",
        "collector",
        "reason",
    ),
    counter("hamon_traps_acknowledged_total", "Informs that were answered, after what they carry was stored.", "collector"),
    counter("hamon_traps_repeated_total", "Informs that came again before their sender had its answer.", "collector"),
    gauge("hamon_traps_waiting", "Datagrams that wait to be read.", "collector"),
    gauge("hamon_traps_engines_learned", "Engines of SNMPv3 that were learned.", "collector"),
    counter("hamon_syslog_received_total", "Syslog messages that were taken, by transport.", "collector", "transport"),
    counter(
        "hamon_syslog_refused_total",
        "Syslog messages or connections that were not taken; rate, queue and kernel are losses, the other reasons say what was wrong.",
        "collector",
        "reason",
    ),
    counter("hamon_syslog_repeated_total", "Syslog messages that came a second time and were left out.", "collector"),
    gauge("hamon_syslog_waiting", "Datagrams of syslog that wait to be read.", "collector"),
    gauge("hamon_syslog_connections", "Senders of syslog that are connected.", "collector"),
)
"""What is asked when Prometheus asks."""

DROP_IN = (*ha_cluster.FAMILIES, *ha_cluster.SCRAPE)
ALL: tuple[Described, ...] = (*OWN, *COUNTED, *of_cluster.FAMILIES, *POLL, *SOURCES, *PRESENT)
"""hamon's own metrics, in the order of the README of /dashboards."""


def planned_label(planned: bool | None) -> str:
    return "unknown" if planned is None else str(planned).lower()


class History(Protocol):
    """What is asked of the store."""

    async def incidents(self, wanted: IncidentFilter) -> Sequence[Incident]: ...

    async def pending_deliveries(self) -> Mapping[str, int]: ...


class Metrics:
    """All numbers of one hamon, in the registry that is passed in."""

    def __init__(self, registry: CollectorRegistry, version: str, config: MetricsConfig | None = None) -> None:
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
        ProcessCollector(registry=registry)
        self._tally = Tally(COUNTED)
        self._present = _Present()
        self._config = config or MetricsConfig()
        self._clusters = _Clusters(self._config, self._tally)
        self._drop_ins: dict[tuple[str, RoleNames], tuple[tuple[object, ...], bytes]] = {}
        self._writing = Lock()
        self._daemons: set[str] = set()
        for record in RecordKind:
            self._counters["hamon_records_refused_total"].labels(record.value)
        self._judged: dict[tuple[str, str], set[str]] = {}
        self._over: deque[tuple[str, str]] = deque()
        self._refreshed = False

    def expect(
        self,
        *,
        clusters: Iterable[str] = (),
        collectors: Iterable[str] = (),
        receivers: Iterable[str] = (),
        targets: Iterable[str] = (),
    ) -> None:
        """Show what is configured from the start, at 0, so that a first increase is seen as one."""
        for collector in collectors:
            for name in ("read", "truncated", "undecodable"):
                self._counters[f"hamon_lines_{name}_total"].labels(collector)
            self._counters["hamon_parse_errors_total"].labels(collector)
        for receiver in receivers:
            self.traps(receiver, 0, 0)
        for target in targets:
            for result in ("sent", "failed", *DeliveryReason):
                self._counters["hamon_deliveries_total"].labels(target, result)
            self._histograms["hamon_delivery_seconds"].labels(target)
            self._present.pending.setdefault(target, 0)
            self._present.targets.add(target)
        for cluster in clusters:
            for planned in (True, False, None):
                self._tally.observe("hamon_service_down_seconds", cluster, (planned_label(planned),), None)
                self._tally.observe("hamon_failover_seconds", cluster, (planned_label(planned),), None)
                for outcome in (Outcome.SUCCEEDED, Outcome.FAILED):
                    self._tally.add("hamon_failovers_total", cluster, (planned_label(planned), outcome), 0)

    def watch(self, views: Views, settings: Mapping[str, ClusterSettings] | None = None) -> None:
        """Show clusters and sources as `views` has them, which are looked at now and at every `refresh`. `settings` name services."""
        self._present.views = views
        self._clusters.settings = settings or {}
        self._look()

    def _look(self) -> None:
        self._present.look()
        if self._present.views is not None:
            self._clusters.look(self._present.views, self._present.sources)

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

    def traps(self, collector: str, matched: int, unmatched: int) -> None:
        """Count traps, known to a rule or not."""
        self._counters["hamon_traps_matched_total"].labels(collector).inc(matched)
        self._counters["hamon_traps_unmatched_total"].labels(collector).inc(unmatched)

    def truncated(self, collector: str, lines: int = 1) -> None:
        self._counters["hamon_lines_truncated_total"].labels(collector).inc(lines)

    def undecodable(self, collector: str, lines: int = 1) -> None:
        self._counters["hamon_lines_undecodable_total"].labels(collector).inc(lines)

    def parse_errors(self, collector: str, lines: int = 1) -> None:
        self._counters["hamon_parse_errors_total"].labels(collector).inc(lines)

    def recorded(self, events: Iterable[Event], transitions: Iterable[Transition]) -> None:
        """Count what one batch gave, once it is in the history."""
        for (cluster, kind), count in TallyCounter(map(_CLUSTER_AND_KIND, events)).items():
            self._tally.add("hamon_events_total", cluster, (kind,), count)
        for transition in transitions:
            self._count(transition)

    def _count(self, transition: Transition) -> None:
        incident, tally = transition.incident, self._tally
        cluster, planned = incident.cluster, planned_label(incident.planned)
        if transition.kind is TransitionKind.OPENED:
            tally.add("hamon_incidents_opened_total", cluster, (incident.called, planned))
        is_over = incident.state is not IncidentState.OPEN
        if not is_over and incident.kind not in _DEPARTURES:
            return
        key = cluster, incident.key
        judged = self._judged.setdefault(key, set())
        if is_over and "over" not in judged:
            # Once: what is over may still become part of another one, and may have been opened as what was over already.
            judged.add("over")
            outcome = "expired" if incident.state is IncidentState.EXPIRED else incident.outcome
            tally.add("hamon_incidents_resolved_total", cluster, (incident.called, outcome))
            self._over.append(key)
            if len(self._over) > MOST_OVER:
                self._judged.pop(self._over.popleft(), None)
        if incident.part_of is not None and "down" in judged:
            # What it really was is not counted yet: the service was down once.
            self._judged.setdefault((cluster, incident.part_of), {"down"})
        if incident.kind in _DEPARTURES:
            # A failed outcome may yet become a better one: it stands once people were told of it.
            for fact in sorted(_facts(incident, stands=is_over or transition.notice is not None) - judged):
                judged.add(fact)
                if fact == "outcome":
                    self._moved(incident, planned)
                elif incident.service_down_seconds is not None:
                    tally.observe("hamon_service_down_seconds", cluster, (planned,), incident.service_down_seconds)
                    for service in incident.services:
                        tally.add("hamon_service_downtime_seconds_total", cluster, (service,), incident.service_down_seconds)

    def _moved(self, incident: Incident, planned: str) -> None:
        cause = incident.cause.kind if incident.cause is not None else "unknown"
        self._tally.add("hamon_failovers_total", incident.cluster, (planned, incident.outcome))
        self._tally.add("hamon_failover_causes_total", incident.cluster, (cause, planned, incident.outcome))
        began = incident.started_at or incident.detected_at
        if incident.outcome is Outcome.SUCCEEDED and incident.service_restored_at is not None:
            took = max(0.0, (incident.service_restored_at - began).total_seconds())
            self._tally.observe("hamon_failover_seconds", incident.cluster, (planned,), took)

    def delivered(self, target: str, result: str, seconds: float) -> None:
        """Count one attempt; `result` is "sent", "failed" (given up) or a DeliveryReason, `seconds` how long it took."""
        self._counters["hamon_deliveries_total"].labels(target, result).inc()
        self._histograms["hamon_delivery_seconds"].labels(target).observe(seconds)

    def relayed(self, target: str, result: str, traps: int) -> None:
        """Count traps passed on; `result` is relayed, failed (tried again) or dropped."""
        self._counters["hamon_relays_total"].labels(target, result).inc(traps)

    def batch(self, seconds: float) -> None:
        self._histograms["hamon_batch_seconds"].observe(seconds)

    def waiting(self, observations: int) -> None:
        """Tell how many observations are in the inbox."""
        self._gauges["hamon_inbox_observations"].set(observations)

    def defect(self) -> None:
        self._counters["hamon_defects_total"].inc()

    def store_error(self) -> None:
        self._counters["hamon_store_errors_total"].inc()

    def refused(self, record: str) -> None:
        self._counters["hamon_records_refused_total"].labels(record).inc()

    async def refresh(self, store: History) -> None:
        """Take open incidents and waiting deliveries from the history, and the views as they are now.

        Call it at start, before the first batch: the first call also learns which open incidents an earlier run has counted.
        Then before each exposition, which `answer` does. While the history does not answer its last known numbers stay, and
        `hamon_store_up` is 0.
        """
        self._look()
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
                    self._judged.setdefault((incident.cluster, incident.key), set()).update(_facts(incident, stands=True))

    def answer(self, store: History, loop: AbstractEventLoop, *, refresh_seconds: float = REFRESH_SECONDS) -> "Scraper":
        """What the web asks: what is to be had by waiting is asked on `loop`, where the views change; writing the exposition does not
        hold `loop` up.
        """
        return Scraper(self, store, loop, refresh_seconds)

    def hangs(self) -> None:
        """A history that hangs is one that does not answer."""
        self._gauges["hamon_store_up"].set(0)

    def chunks(self) -> Sequence[bytes]:
        """The answer to a scrape, in pieces."""
        own = generate_latest(self._registry)
        present = whole((*SOURCES, *PRESENT), self._present.rows())
        with self._writing:  # one at a time, so that what changed is written once
            return [own, *self._clusters.chunks(), present]

    def exposition(self) -> tuple[bytes, str]:
        """The answer to a scrape, and its content type."""
        return b"".join(self.chunks()), CONTENT_TYPE

    async def ha_cluster(self, cluster: str, roles: RoleNames | None = None) -> bytes | None:
        """The answer of ha_cluster_exporter for one cluster, from memory; None: there is no such cluster, or it is not polled."""
        views = self._present.views
        polled = views.polled(cluster) if views is not None else None
        if polled is None:
            sources = views.sources() if views is not None else ()
            if not any(source.cluster == cluster and source.kind == POLLING for source in sources):
                return None
            polled = unanswered(cluster)
        roles = roles or self._config.ha_cluster_roles
        state = _state(polled, known=True)
        kept = self._drop_ins.get((cluster, roles))
        if kept is None or kept[0] != state:
            written = await asyncio.to_thread(whole, ha_cluster.FAMILIES, ha_cluster.rows(polled, roles))
            kept = self._drop_ins[cluster, roles] = (state, written)
        return kept[1] + whole(ha_cluster.SCRAPE, ha_cluster.scrape_rows(polled))


class Scraper:
    """Answers scrapes (see hamon.web.exposition.Metrics)."""

    def __init__(self, metrics: Metrics, store: History, loop: AbstractEventLoop, refresh_seconds: float) -> None:
        self._metrics, self._store, self._loop, self._refresh_seconds = metrics, store, loop, refresh_seconds

    def scrape(self) -> tuple[Sequence[bytes], str]:
        """From another thread than that of the loop."""
        asked = asyncio.run_coroutine_threadsafe(self._metrics.refresh(self._store), self._loop)
        try:
            asked.result(self._refresh_seconds)
        except TimeoutError:
            asked.cancel()
            self._metrics.hangs()
        return self._metrics.chunks(), CONTENT_TYPE

    async def ha_cluster(self, cluster: str, roles: RoleNames | None = None) -> bytes | None:
        return await self._metrics.ha_cluster(cluster, roles)


def _facts(incident: Incident, *, stands: bool) -> set[str]:
    """What is settled about a departure and is counted once: its outcome, if a failure `stands`, and how long the service was down."""
    facts = set()
    if incident.kind in _MOVES and (incident.outcome is Outcome.SUCCEEDED or (stands and incident.outcome is Outcome.FAILED)):
        facts.add("outcome")
    if incident.service_restored_at is not None and incident.service_down_seconds is not None:
        facts.add("down")
    return facts


def _printable(label: str) -> str:
    """The label in valid UTF-8: one bad label would break the whole exposition."""
    return label if label.isascii() else label.encode("utf-8", "backslashreplace").decode()


class _Present:
    """What is had from elsewhere at each scrape: sources, receivers, open incidents, deliveries that wait."""

    def __init__(self) -> None:
        self.views: Views | None = None
        self.sources: Sequence[SourceView] = ()
        self.receivers: Sequence[ReceiverView] = ()
        self.incidents: Sequence[Incident] = ()
        self.pending: dict[str, int] = {}
        self.targets: set[str] = set()

    def look(self) -> None:
        if self.views is not None:
            self.sources, self.receivers = tuple(self.views.sources()), tuple(self.views.receivers())

    def rows(self) -> Rows:
        # Sources that are down come first: of these none may be cut off.
        found = of_cluster.source_rows(sorted(self.sources, key=lambda source: source.up)[:MOST_SOURCES])
        found |= {one.name: {} for one in PRESENT}
        names = {one.name: one.labels for one in PRESENT}
        for name, values, value in self._samples():
            found[name][labels(names[name], values)] = value
        counts = found["hamon_incident_open"]
        for incident in self.incidents:
            values = (incident.cluster, incident.called, incident.severity, _node(incident), _resource(incident))
            key = labels(names["hamon_incident_open"], values)
            counts[key] = counts.get(key, 0) + 1
        owed = found["hamon_redundancy_debt_timestamp_seconds"]
        for incident in self.incidents:
            if incident.debt_since is not None:
                values = (incident.cluster, incident.called, planned_label(incident.planned), _node(incident), _resource(incident))
                key, since = labels(names["hamon_redundancy_debt_timestamp_seconds"], values), incident.debt_since.timestamp()
                owed[key] = min(since, owed.get(key, since))
        return found

    def _samples(self) -> Iterator[tuple[str, tuple[str, ...], float]]:
        for target, number in self.pending.items():
            yield "hamon_deliveries_pending", (target,), number
        for receiver in self.receivers:
            yield from _receiver_samples(receiver)


@dataclass(slots=True)
class _Written:
    """What a cluster was when its metrics were written last."""

    view: ClusterView | None = None
    polled: Polled | None = None
    state: tuple[object, ...] = ()
    services: Services | None = None


class _Clusters:
    """The metrics of all clusters. `look` belongs to the event loop; everything else to one thread at a time."""

    def __init__(self, config: MetricsConfig, tally: Tally) -> None:
        self.settings: Mapping[str, ClusterSettings] = {}
        self._config, self._tally = config, tally
        drop_in = DROP_IN if config.ha_cluster else ()
        self._board = Board((*COUNTED, *of_cluster.FAMILIES, *POLL, *drop_in))
        self._written: dict[str, _Written] = {}
        self._marks: dict[str, int] = {}
        self._seen: Mapping[str, tuple[ClusterView, Polled | None, bool]] = {}

    def look(self, views: Views, sources: Iterable[SourceView]) -> None:
        self._seen = {view.name: (view, polled, known) for view, polled, known in seen(views.clusters(), views.polled, sources)}

    def chunks(self) -> Iterator[bytes]:
        """Write what changed, and give everything."""
        now = self._seen
        for name in [name for name in self._written if name not in now]:
            self._board.drop(name)
            self._marks.pop(name, None)
            del self._written[name]
        for name in self._tally.clusters():
            if self._marks.get(name) != (mark := self._tally.mark(name)):
                self._board.put(name, COUNTED, self._tally.rows(name))
                self._marks[name] = mark
        for name, (view, polled, known) in now.items():
            written = self._written.setdefault(name, _Written())
            state = _state(polled, known)
            if view is not written.view or state != written.state:
                self._write(name, view, polled, known, anew=state != written.state)
                written.view, written.state = view, state
            if polled is not written.polled:
                self._board.put(name, POLL, of_cluster.poll_rows(polled) if polled is not None else {})
                if self._config.ha_cluster:
                    self._board.put(name, ha_cluster.SCRAPE, ha_cluster.scrape_rows(polled) if polled is not None else {})
                written.polled = polled
        yield from self._board.chunks()

    def _write(self, name: str, view: ClusterView, polled: Polled | None, known: bool, *, anew: bool) -> None:
        """`anew`: what polling shows is another than before."""
        written = self._written[name]
        if anew:
            written.services = services_of(polled, self.settings.get(name))
            if self._config.ha_cluster:
                rows = ha_cluster.rows(polled, self._config.ha_cluster_roles) if polled is not None else {}
                self._board.put(name, ha_cluster.FAMILIES, rows)
        facts = Facts(view=view, polled=polled, services=written.services, known=known)
        self._board.put(name, of_cluster.FAMILIES, of_cluster.rows(facts))


def _state(polled: Polled | None, known: bool) -> tuple[object, ...]:
    """Another when the metrics of the state are others."""
    if polled is None or polled.snapshot is None:
        return (polled is not None, known)
    status = polled.snapshot.status
    # The digest leaves out what counts on by itself, as DRBD does.
    content = (polled.snapshot.digest, status.drbd) if polled.snapshot.digest else status
    return (content, polled.unknown_since is None, known)


def _node(incident: Incident) -> str:
    """The one node for the label: where a service left, else the first concerned."""
    return incident.from_node or next(iter(incident.nodes), "")


def _resource(incident: Incident) -> str:
    return next(iter(incident.services or incident.resources), "")


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
