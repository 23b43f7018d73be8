"""What polling showed is remembered, and a cluster that cannot be asked is unknown."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

from hamon.classify.settings import ClusterSettings
from hamon.model.cluster import ClusterStatus, NodeStatus
from hamon.model.event import EventKind
from hamon.model.incident import IncidentKind, Severity
from hamon.model.observation import Snapshot, Source, SourceBack, SourceLost, Tick
from hamon.ports import EventFilter, IncidentFilter
from hamon.tell.headline import headline
from tests.fakes import FakeClock
from tests.processing import Processing

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)


def snapshot(seconds: float, digest: str, *, cluster: str = "web01", online: bool = True) -> Snapshot:
    at = NOW + timedelta(seconds=seconds)
    status = ClusterStatus(at=at, dc="n1", nodes=(NodeStatus(name="n1", id="1", online=True), NodeStatus(name="n2", id="2", online=online)))
    return Snapshot(cluster=cluster, collector="polls", status=status, digest=digest, received_at=at, path="n1")


def lost(seconds: float, reason: str = "not connected") -> SourceLost:
    at = NOW + timedelta(seconds=seconds)
    return SourceLost(cluster="web01", collector="polls", path="crm_mon", reason=reason, at=at, source=Source.POLL)


def back(seconds: float) -> SourceBack:
    return SourceBack(cluster="web01", collector="polls", path="crm_mon", at=NOW + timedelta(seconds=seconds), source=Source.POLL)


def processing(folder: Path) -> Processing:
    return Processing(folder, FakeClock(NOW), ClusterSettings(name="web01"), ClusterSettings(name="web02"))


async def test_the_last_answer_is_remembered_with_its_age_and_since_when_the_state_is_so(tmp_path: Path) -> None:
    async with processing(tmp_path) as it:
        assert it.processor.polled("web01") is None
        await it.give(snapshot(0, "a"))
        await it.give(snapshot(10, "b"), snapshot(20, "b"))
        polled = it.processor.polled("web01")
        assert polled is not None
        assert polled.snapshot == snapshot(20, "b")
        assert (polled.since, polled.unknown_since) == (NOW + timedelta(seconds=10), None)
        assert it.processor.polled("web02") is None


async def test_a_cluster_that_cannot_be_asked_is_unknown_and_alarms_until_it_answers_again(tmp_path: Path) -> None:
    async with processing(tmp_path) as it:
        await it.give(snapshot(0, "a"))
        await it.give(lost(30, "not connected"))
        await it.give(lost(40, "timeout"))
        polled = it.processor.polled("web01")
        assert polled is not None
        assert polled.snapshot == snapshot(0, "a")
        assert (polled.unknown_since, polled.reason) == (NOW + timedelta(seconds=30), "timeout")
        (incident,) = await it.store.incidents(IncidentFilter(open_only=True))
        assert (incident.kind, incident.severity) == (IncidentKind.MONITORING_LOST, Severity.MAJOR)
        await it.give(back(50), snapshot(50, "a"))
        polled = it.processor.polled("web01")
        assert polled is not None
        assert (polled.unknown_since, polled.reason) == (None, "")
        assert await it.store.incidents(IncidentFilter(open_only=True)) == []


async def test_a_site_that_lost_its_power_is_told_once_by_the_name_of_its_cluster(tmp_path: Path) -> None:
    """Nobody is left to call a node lost: what logs there are end, and no node can be asked."""
    async with processing(tmp_path) as it:
        await it.give(snapshot(0, "a"))
        for minute in range(1, 30):
            await it.give(lost(60 * minute, "n1: not connected; n2: not connected"), Tick(now=NOW + timedelta(minutes=minute, seconds=30)))
        (incident,) = await it.store.incidents(IncidentFilter())
    assert (incident.kind, incident.severity, incident.cluster) == (IncidentKind.MONITORING_LOST, Severity.MAJOR, "web01")
    assert incident.started_at == NOW + timedelta(minutes=1)
    assert "web01" in headline(incident, "en")
    assert "web01" in headline(incident, "ja")


async def test_a_cluster_that_never_answered_is_unknown(tmp_path: Path) -> None:
    async with processing(tmp_path) as it:
        await it.give(lost(5, "command not found"))
        polled = it.processor.polled("web01")
        assert polled is not None
        assert (polled.snapshot, polled.unknown_since, polled.reason) == (None, NOW + timedelta(seconds=5), "command not found")


async def test_what_the_comparison_finds_reaches_the_engine_and_the_history(tmp_path: Path) -> None:
    async with processing(tmp_path) as it:
        await it.give(snapshot(0, "a"))
        await it.give(snapshot(10, "b", online=False))
        stored = [item.event for item in await it.store.events(EventFilter(limit=10))]
        assert [(event.kind, event.node, event.source) for event in stored] == [(EventKind.NODE_LOST, "n2", Source.POLL)]
        (incident,) = await it.store.incidents(IncidentFilter(open_only=True))
        assert (incident.nodes, incident.sources) == (("n2",), (Source.POLL,))


async def test_a_defect_of_the_comparison_stops_neither_it_nor_other_clusters(tmp_path: Path) -> None:
    async with processing(tmp_path) as it:
        await it.give(snapshot(0, "a"), snapshot(0, "a", cluster="web02"))
        at = NOW + timedelta(seconds=5)
        nonsense = (None, None)
        status = ClusterStatus(at=at, dc="n1", nodes=nonsense)  # type: ignore[arg-type]
        broken = Snapshot(cluster="web01", collector="polls", status=status, digest="x", received_at=at)
        await it.give(broken, snapshot(6, "b", cluster="web02", online=False))
        await it.give(snapshot(10, "a"), snapshot(20, "b", online=False))
        stored = [(item.event.cluster, item.event.node) for item in await it.store.events(EventFilter(limit=10))]
        assert stored == [("web01", "n2"), ("web02", "n2")]
        assert it.registry.get_sample_value("hamon_defects_total") == 2.0  # of the batch, and of its one snapshot


async def test_after_a_restart_the_last_state_is_known_but_old_until_the_cluster_answers(tmp_path: Path) -> None:
    async with processing(tmp_path) as it:
        await it.give(snapshot(0, "a"))
        await it.give(snapshot(90, "a"), snapshot(95, "a", online=True))
    async with processing(tmp_path) as it:
        polled = it.processor.polled("web01")
        assert polled is not None
        assert polled.snapshot is not None
        assert polled.snapshot.status == snapshot(0, "a").status
        assert polled.unknown_since is not None
        # What happened meanwhile is found by comparing with it.
        await it.give(snapshot(600, "b", online=False))
        assert [item.event.node for item in await it.store.events(EventFilter(limit=10))] == ["n2"]
        now = it.processor.polled("web01")
        assert now is not None
        assert now.unknown_since is None
        between = await it.store.state_at("web01", NOW + timedelta(seconds=300))
        assert between is not None
        assert (between.unknown_since, between.reason) == (polled.unknown_since, "hamon did not run")


async def test_that_nothing_changed_is_recorded_once_a_minute_for_all_clusters(tmp_path: Path) -> None:
    async with processing(tmp_path) as it:
        await it.give(snapshot(0, "a"), snapshot(0, "a", cluster="web02"))
        for seconds in range(10, 80, 10):
            await it.give(snapshot(seconds, "a"), snapshot(seconds, "a", cluster="web02"))
        first = await it.store.state_at("web01", NOW + timedelta(seconds=200))
        second = await it.store.state_at("web02", NOW + timedelta(seconds=200))
        assert first is not None
        assert first.snapshot is not None
        assert second is not None
        assert second.snapshot is not None
        assert first.snapshot.received_at == NOW + timedelta(seconds=70)
        assert second.snapshot.received_at == NOW + timedelta(seconds=60)
