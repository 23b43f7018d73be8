"""What the numbers mean, and that a scrape is never refused."""

import asyncio
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry
from prometheus_client.parser import text_string_to_metric_families

from hamon.errors import StoreError
from hamon.metrics import ALL, MOST_DAEMONS, MOST_SOURCES, Metrics
from hamon.model.cluster import ClusterView, NodeState, NodeView, ServiceView, SourceView
from hamon.model.event import Event, EventKind
from hamon.model.incident import IncidentKind, IncidentState, Notice, Outcome, TransitionKind
from hamon.model.observation import Source
from tests.metrics_sample import AT, CLUSTER, FAILOVER, OUTBOX, SampleStore, SampleViews, filled, step
from tests.peers import need


def fresh() -> tuple[Metrics, Metrics]:
    metrics = Metrics(CollectorRegistry(), "0.1.0")
    return metrics, metrics


def value(metrics: Metrics, name: str, **labels: str) -> float | None:
    """The value of one series in the exposition; None: it is not there."""
    found = [
        sample.value
        for family in text_string_to_metric_families(metrics.exposition()[0].decode())
        for sample in family.samples
        if sample.name == name and sample.labels == labels
    ]
    assert len(found) <= 1
    return found[0] if found else None


def series(metrics: Metrics, name: str) -> dict[tuple[str, ...], float]:
    """The samples of one metric in the exposition, by the values of their labels."""
    text = metrics.exposition()[0].decode()
    return {
        tuple(sample.labels.values()): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.name == name
    }


async def test_every_described_metric_is_exposed_and_no_other() -> None:
    metrics = await filled()
    exposed = {family.name: family for family in text_string_to_metric_families(metrics.exposition()[0].decode())}
    described = {one.name.removesuffix("_total") if one.kind == "counter" else one.name: one for one in ALL}
    assert {name for name in exposed if name.startswith("hamon_")} == set(described)
    for name, one in described.items():
        family = exposed[name]
        assert family.type == one.kind
        assert family.documentation == one.text
        assert family.samples, f"{name} has no sample"
        for sample in family.samples:
            assert set(sample.labels) - {"le"} == set(one.labels)


async def test_promtool_has_nothing_to_say_about_the_exposition() -> None:
    promtool = need("promtool")
    body, content_type = (await filled()).exposition()
    assert content_type.startswith("text/plain; version=0.0.4")
    checked = subprocess.run([promtool, "check", "metrics"], input=body, capture_output=True, check=False, timeout=30)
    assert (checked.returncode, checked.stdout, checked.stderr) == (0, b"", b"")


def test_lines_are_counted_per_collector_and_daemon() -> None:
    metrics, registry = fresh()
    metrics.read("pm01", 10)
    metrics.lines("pm01", "pacemaker-controld", 3, 4)
    metrics.lines("pm01", "corosync", 0, 2)
    metrics.truncated("pm01")
    metrics.undecodable("pm01", 2)
    metrics.parse_errors("pm01", 3)
    assert value(registry, "hamon_lines_read_total", collector="pm01") == 10
    assert value(registry, "hamon_lines_matched_total", collector="pm01", daemon="pacemaker-controld") == 3
    assert value(registry, "hamon_lines_unmatched_total", collector="pm01", daemon="pacemaker-controld") == 4
    assert value(registry, "hamon_lines_unmatched_total", collector="pm01", daemon="corosync") == 2
    assert value(registry, "hamon_lines_matched_total", collector="pm01", daemon="corosync") is None
    assert value(registry, "hamon_lines_truncated_total", collector="pm01") == 1
    assert value(registry, "hamon_lines_undecodable_total", collector="pm01") == 2
    assert value(registry, "hamon_parse_errors_total", collector="pm01") == 3


def test_a_log_full_of_invented_daemons_makes_few_series_and_loses_no_line() -> None:
    metrics, _ = fresh()
    for number in range(1000):
        metrics.lines("pm01", f"daemon-{number}", 0, 1)
    metrics.lines("pm01", "daemon-0", 0, 1)
    metrics.lines("pm01", "x" * 65, 0, 1)
    counted = series(metrics, "hamon_lines_unmatched_total")
    assert len(counted) == MOST_DAEMONS + 1
    assert sum(counted.values()) == 1002
    assert counted["pm01", "daemon-0"] == 2


@settings(deadline=None)
@given(daemon=st.text(st.characters(), max_size=80), path=st.text(st.characters(), max_size=80))
def test_no_text_from_outside_breaks_the_exposition(daemon: str, path: str) -> None:
    metrics, _ = fresh()
    metrics.lines("pm01", daemon, 1, 0)
    metrics.watch(SampleViews((), (source(path=path), source(path=path, up=False))))
    body, _ = metrics.exposition()
    assert b"hamon_lines_matched_total{" in body
    assert body.count(b"\nhamon_source_up{") == 1


def source(path: str = "/var/log/ha-log", *, up: bool = True) -> SourceView:
    return SourceView(collector="pm01", kind="log_tail", cluster="pg", path=path, up=up)


def test_what_is_unknown_reads_as_unhealthy_and_as_unknown() -> None:
    metrics, registry = fresh()
    unknown = ClusterView(
        name="pg",
        title="",
        nodes=(NodeView(name="pm01", state=NodeState.UNKNOWN),),
        services=(ServiceView(name="db", resources=("prmDb",)),),
    )
    metrics.watch(SampleViews((unknown,), ()))
    assert value(registry, "hamon_service_up", cluster="pg", service="db") == 0
    assert value(registry, "hamon_service_up_known", cluster="pg", service="db") == 0
    assert value(registry, "hamon_service_redundancy", cluster="pg", service="db") == 0
    assert value(registry, "hamon_service_redundancy_known", cluster="pg", service="db") == 0
    assert value(registry, "hamon_service_active", cluster="pg", service="db", node="pm01") == 0
    assert value(registry, "hamon_cluster_quorum", cluster="pg") == 0
    assert value(registry, "hamon_cluster_quorum_known", cluster="pg") == 0
    assert value(registry, "hamon_node_online", cluster="pg", node="pm01") == 0
    assert value(registry, "hamon_node_state", cluster="pg", node="pm01", state="unknown") == 1


@pytest.mark.parametrize("state", NodeState)
def test_a_node_is_in_exactly_one_state(state: NodeState) -> None:
    metrics, registry = fresh()
    metrics.watch(SampleViews((ClusterView(name="pg", title="", nodes=(NodeView(name="pm01", state=state),)),), ()))
    states = series(metrics, "hamon_node_state")
    assert len(states) == len(NodeState)
    assert [labels[2] for labels, on in states.items() if on] == [state]
    online = state in (NodeState.ONLINE, NodeState.STANDBY, NodeState.MAINTENANCE)
    assert value(registry, "hamon_node_online", cluster="pg", node="pm01") == online


def test_a_protected_service_shows_its_node_and_how_many_can_take_over() -> None:
    metrics, registry = fresh()
    metrics.watch(SampleViews((CLUSTER,), ()))
    assert value(registry, "hamon_service_up", cluster="pg", service="db") == 1
    assert value(registry, "hamon_service_active", cluster="pg", service="db", node="pm02") == 1
    assert value(registry, "hamon_service_active", cluster="pg", service="db", node="pm01") == 0
    assert value(registry, "hamon_service_redundancy", cluster="pg", service="db") == 1
    assert value(registry, "hamon_service_redundancy_known", cluster="pg", service="db") == 1
    assert value(registry, "hamon_cluster_dc", cluster="pg", node="pm02") == 1
    assert value(registry, "hamon_cluster_last_event_timestamp_seconds", cluster="pg") == AT.timestamp()


def test_sources_that_are_down_are_never_cut_off() -> None:
    metrics, _ = fresh()
    many = [source(f"/var/log/{number}") for number in range(MOST_SOURCES + 50)]
    metrics.watch(SampleViews((), (*many, source("/var/log/lost", up=False))))
    up = series(metrics, "hamon_source_up")
    assert len(up) == MOST_SOURCES
    assert up["pg", "pm01", "/var/log/lost"] == 0


def test_a_failover_is_counted_once_however_often_it_is_updated() -> None:
    metrics, registry = fresh()
    done: dict[str, Any] = {"outcome": Outcome.SUCCEEDED, "service_down_seconds": 12.5, "service_restored_at": AT}
    metrics.recorded([], [step(1, TransitionKind.OPENED), step(2), step(3, **done), step(4, **done)])
    metrics.recorded([], [step(5, **done), step(6, TransitionKind.RESOLVED, state=IncidentState.RESOLVED, **done)])
    labels = {"cluster": "pg", "planned": "false"}
    assert value(registry, "hamon_failovers_total", **labels, outcome="succeeded") == 1
    assert value(registry, "hamon_service_down_seconds_count", **labels) == 1
    assert value(registry, "hamon_service_down_seconds_sum", **labels) == 12.5
    assert value(registry, "hamon_incidents_opened_total", cluster="pg", kind="failover", planned="false") == 1
    assert value(registry, "hamon_incidents_resolved_total", cluster="pg", kind="failover", outcome="succeeded") == 1


async def test_a_failover_that_an_earlier_run_has_counted_is_not_counted_again() -> None:
    metrics, registry = fresh()
    await metrics.refresh(SampleStore([FAILOVER], {}))
    metrics.recorded([], [step(7, outcome=Outcome.SUCCEEDED, service_down_seconds=12.5, service_restored_at=AT)])
    assert value(registry, "hamon_failovers_total", cluster="pg", planned="false", outcome="succeeded") is None
    assert value(registry, "hamon_service_down_seconds_count", cluster="pg", planned="false") is None


def test_a_failover_that_brought_no_service_back_is_counted_as_failed_and_has_no_duration() -> None:
    metrics, registry = fresh()
    told = step(2, notice=Notice.OPENING, outcome=Outcome.FAILED, planned=None)
    metrics.recorded([], [step(1, TransitionKind.OPENED, planned=None), told])
    assert value(registry, "hamon_failovers_total", cluster="pg", planned="unknown", outcome="failed") == 1
    assert value(registry, "hamon_service_down_seconds_count", cluster="pg", planned="unknown") is None
    metrics.recorded([], [step(3, outcome=Outcome.SUCCEEDED, planned=None)])
    assert value(registry, "hamon_failovers_total", cluster="pg", planned="unknown", outcome="failed") == 1


def test_a_failover_that_seemed_to_fail_before_anybody_was_told_counts_as_it_ended() -> None:
    metrics, registry = fresh()
    metrics.recorded([], [step(1, TransitionKind.OPENED, outcome=Outcome.FAILED), step(2, outcome=Outcome.SUCCEEDED)])
    labels = {"cluster": "pg", "planned": "false"}
    assert value(registry, "hamon_failovers_total", **labels, outcome="failed") is None
    assert value(registry, "hamon_failovers_total", **labels, outcome="succeeded") == 1


def test_a_failure_that_nobody_is_told_counts_when_it_is_over() -> None:
    metrics, registry = fresh()
    failed: dict[str, Any] = {"outcome": Outcome.FAILED, "planned": True}
    metrics.recorded([], [step(1, TransitionKind.OPENED, **failed), step(2, **failed)])
    assert value(registry, "hamon_failovers_total", cluster="pg", planned="true", outcome="failed") is None
    metrics.recorded([], [step(3, TransitionKind.RESOLVED, state=IncidentState.RESOLVED, **failed)])
    assert value(registry, "hamon_failovers_total", cluster="pg", planned="true", outcome="failed") == 1


def test_an_incident_that_expires_is_counted_as_expired() -> None:
    metrics, registry = fresh()
    expired: dict[str, Any] = {"state": IncidentState.EXPIRED, "kind": IncidentKind.UNCLASSIFIED, "outcome": Outcome.NONE}
    metrics.recorded([], [step(2, TransitionKind.EXPIRED, **expired)])
    assert value(registry, "hamon_incidents_resolved_total", cluster="pg", kind="unclassified", outcome="expired") == 1


def test_an_incident_that_is_over_and_becomes_part_of_another_one_is_counted_once() -> None:
    metrics, registry = fresh()
    over: dict[str, Any] = {"state": IncidentState.RESOLVED, "kind": IncidentKind.FENCING, "outcome": Outcome.SUCCEEDED}
    metrics.recorded([], [step(1, TransitionKind.OPENED, kind=IncidentKind.FENCING), step(2, TransitionKind.RESOLVED, **over)])
    metrics.recorded([], [step(3, TransitionKind.RESOLVED, **over, part_of="standby_fault-1")])
    assert value(registry, "hamon_incidents_resolved_total", cluster="pg", kind="fencing", outcome="succeeded") == 1


def test_a_service_was_down_once_also_where_what_had_ended_turns_out_to_be_another_incident() -> None:
    metrics, registry = fresh()
    over: dict[str, Any] = {"state": IncidentState.RESOLVED, "outcome": Outcome.SUCCEEDED, "service_down_seconds": 12.5}
    over["service_restored_at"] = AT + timedelta(seconds=12.5)
    metrics.recorded([], [step(1, TransitionKind.OPENED), step(2, TransitionKind.RESOLVED, **over)])
    really: dict[str, Any] = over | {"key": "departure/pm01/2", "planned": True, "kind": IncidentKind.SWITCHOVER}
    metrics.recorded([], [step(3, TransitionKind.RESOLVED, **over, part_of=really["key"]), step(1, TransitionKind.OPENED, **really)])
    assert value(registry, "hamon_failovers_total", cluster="pg", planned="true", outcome="succeeded") == 1
    assert value(registry, "hamon_service_downtime_seconds_total", cluster="pg", service="db") == 12.5


def test_an_incident_that_was_over_when_it_was_opened_is_counted_as_resolved() -> None:
    metrics, registry = fresh()
    metrics.recorded([], [step(1, TransitionKind.OPENED, kind=IncidentKind.FENCING, state=IncidentState.RESOLVED, outcome=Outcome.NONE)])
    assert value(registry, "hamon_incidents_resolved_total", cluster="pg", kind="fencing", outcome="none") == 1


def test_a_failover_of_which_more_is_learned_when_it_is_over_is_counted_once() -> None:
    metrics, registry = fresh()
    over: dict[str, Any] = {"outcome": Outcome.SUCCEEDED, "service_down_seconds": 12.5, "service_restored_at": AT}
    over["state"] = IncidentState.RESOLVED
    steps = [step(1, TransitionKind.OPENED), step(2, TransitionKind.RESOLVED, **over), step(3, TransitionKind.RESOLVED, **over)]
    metrics.recorded([], steps)
    assert value(registry, "hamon_failovers_total", cluster="pg", planned="false", outcome="succeeded") == 1
    assert value(registry, "hamon_service_down_seconds_count", cluster="pg", planned="false") == 1


def test_events_are_counted_by_kind() -> None:
    metrics, registry = fresh()
    event = Event(at=AT, received_at=AT, cluster="pg", kind=EventKind.NODE_LOST, rule="r", source=Source.LOG, collector="pm01")
    metrics.recorded([event, event], [])
    assert value(registry, "hamon_events_total", cluster="pg", kind="node_lost") == 2


async def test_open_incidents_with_the_same_labels_are_counted_together() -> None:
    metrics, registry = fresh()
    await metrics.refresh(SampleStore([FAILOVER, FAILOVER], {}))
    labels = {"cluster": "pg", "kind": "failover", "severity": "major", "node": "pm01", "resource": "db"}
    assert value(registry, "hamon_incident_open", **labels) == 2
    await metrics.refresh(SampleStore([], {}))
    assert value(registry, "hamon_incident_open", **labels) is None


async def test_redundancy_that_is_missing_is_shown_with_the_time_since_when() -> None:
    metrics, registry = fresh()
    later = replace(FAILOVER, debt_since=AT + timedelta(hours=1))
    await metrics.refresh(SampleStore([later, replace(FAILOVER, debt_since=AT), replace(FAILOVER, from_node="pm02", debt_since=None)], {}))
    labels = {"cluster": "pg", "kind": "failover", "planned": "false", "node": "pm01", "resource": "db"}
    assert value(registry, "hamon_redundancy_debt_timestamp_seconds", **labels) == AT.timestamp()
    assert len(series(metrics, "hamon_redundancy_debt_timestamp_seconds")) == 1
    await metrics.refresh(SampleStore([replace(FAILOVER, debt_since=None)], {}))
    assert series(metrics, "hamon_redundancy_debt_timestamp_seconds") == {}


async def test_a_drained_target_is_shown_with_nothing_waiting() -> None:
    metrics, registry = fresh()
    metrics.expect(targets=["ops"])
    assert value(registry, "hamon_deliveries_pending", target="ops") == 0
    await metrics.refresh(SampleStore([], {"ops": 3, "gone": 1}))
    assert value(registry, "hamon_deliveries_pending", target="ops") == 3
    assert value(registry, "hamon_deliveries_pending", target="gone") == 1
    await metrics.refresh(SampleStore([], {}))
    assert value(registry, "hamon_deliveries_pending", target="ops") == 0
    assert value(registry, "hamon_deliveries_pending", target="gone") is None


class SilentStore(SampleStore):
    async def pending_deliveries(self) -> Mapping[str, int]:
        raise StoreError("the database does not answer")


async def test_a_silent_history_keeps_the_last_numbers_and_is_itself_shown() -> None:
    metrics, registry = fresh()
    await metrics.refresh(SampleStore([FAILOVER], OUTBOX))
    assert value(registry, "hamon_store_up") == 1
    await metrics.refresh(SilentStore([], {}))
    assert value(registry, "hamon_store_up") == 0
    assert value(registry, "hamon_store_errors_total") == 1
    assert sum(series(metrics, "hamon_incident_open").values()) == 1
    assert series(metrics, "hamon_deliveries_pending") == {(target,): float(number) for target, number in OUTBOX.items()}


def test_deliveries_are_counted_by_result_and_timed() -> None:
    metrics, registry = fresh()
    metrics.expect(targets=["ops"])
    metrics.delivered("ops", "sent", 0.5)
    metrics.delivered("ops", "timeout", 30.0)
    assert value(registry, "hamon_deliveries_total", target="ops", result="sent") == 1
    assert value(registry, "hamon_deliveries_total", target="ops", result="timeout") == 1
    assert value(registry, "hamon_deliveries_total", target="ops", result="credentials") == 0
    assert value(registry, "hamon_delivery_seconds_sum", target="ops") == 30.5


def test_what_is_configured_is_shown_before_anything_happens() -> None:
    metrics, registry = fresh()
    metrics.expect(clusters=["pg"], collectors=["pm01"], targets=["ops"])
    assert value(registry, "hamon_lines_read_total", collector="pm01") == 0
    assert value(registry, "hamon_failovers_total", cluster="pg", planned="unknown", outcome="failed") == 0
    assert value(registry, "hamon_service_down_seconds_count", cluster="pg", planned="true") == 0


def test_the_work_of_hamon_itself_is_counted() -> None:
    metrics, registry = fresh()
    metrics.batch(0.003)
    metrics.waiting(7)
    metrics.defect()
    metrics.store_error()
    assert value(registry, "hamon_batch_seconds_count") == 1
    assert value(registry, "hamon_inbox_observations") == 7
    assert value(registry, "hamon_defects_total") == 1
    assert value(registry, "hamon_store_errors_total") == 1
    assert value(registry, "hamon_build_info", version="0.1.0") == 1


def test_two_instances_in_one_process_do_not_share_numbers() -> None:
    (first, registry), (_, other) = fresh(), fresh()
    first.defect()
    assert (value(registry, "hamon_defects_total"), value(other, "hamon_defects_total")) == (1, 0)


@settings(deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(["a", "b", "c"]),
            st.sampled_from([Outcome.ONGOING, Outcome.SUCCEEDED, Outcome.FAILED]),
            st.none() | st.floats(0, 1e6),
            st.sampled_from([None, Notice.OPENING, Notice.UPDATE]),
        ),
        max_size=30,
    )
)
def test_no_sequence_of_updates_counts_one_departure_twice(updates: Sequence[tuple[str, Outcome, float | None, Notice | None]]) -> None:
    metrics, _ = fresh()
    for sequence, (key, outcome, down, notice) in enumerate(updates, 1):
        changes: dict[str, Any] = {"outcome": outcome, "service_down_seconds": down, "service_restored_at": AT}
        metrics.recorded([], [step(sequence, key=key, notice=notice, **changes)])
    settled = {key for key, outcome, _, notice in updates if outcome is Outcome.SUCCEEDED or (outcome is Outcome.FAILED and notice)}
    timed = {key for key, _, down, _ in updates if down is not None}
    assert sum(series(metrics, "hamon_failovers_total").values()) == len(settled)
    assert sum(series(metrics, "hamon_service_down_seconds_count").values()) == len(timed)


async def test_a_scrape_from_another_thread_sees_what_changed_since_the_last() -> None:
    metrics, _ = fresh()
    views = SampleViews((CLUSTER,), (source(),))
    metrics.watch(views)
    scraper = metrics.answer(SampleStore([FAILOVER], OUTBOX), asyncio.get_running_loop())
    chunks, _ = await asyncio.to_thread(scraper.scrape)
    assert b'hamon_source_up{cluster="pg",collector="pm01",path="/var/log/ha-log"} 1\n' in b"".join(chunks)
    views.change((CLUSTER,), (source(up=False),))
    chunks, content_type = await asyncio.to_thread(scraper.scrape)
    body = b"".join(chunks)
    assert b'hamon_source_up{cluster="pg",collector="pm01",path="/var/log/ha-log"} 0\n' in body
    assert b"hamon_incident_open{" in body
    assert content_type.startswith("text/plain")


class HangingStore(SampleStore):
    async def pending_deliveries(self) -> Mapping[str, int]:
        await asyncio.Event().wait()
        return {}


async def test_a_history_that_hangs_does_not_hold_up_the_scrape() -> None:
    metrics, registry = fresh()
    async with asyncio.timeout(10):
        await asyncio.to_thread(metrics.answer(HangingStore([], {}), asyncio.get_running_loop(), refresh_seconds=0.05).scrape)
    assert value(registry, "hamon_store_up") == 0
