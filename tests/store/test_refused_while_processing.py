"""A record that the database will never take holds nothing up: what is behind it is judged, recorded and told, and people hear of it."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from prometheus_client import CollectorRegistry

from hamon.classify.routes import Target
from hamon.classify.settings import ClusterSettings
from hamon.metrics import Metrics
from hamon.model.delivery import Delivery
from hamon.model.incident import IncidentKind, IncidentState
from hamon.model.observation import GATEWAY, LogChunk, Tick
from hamon.pipeline import Processor
from hamon.ports import EventFilter, IncidentFilter
from hamon.store import refused
from hamon.store.store import SqlStore
from hamon.tell import report
from tests.cases import rules
from tests.fakes import FakeClock
from tests.store.test_refused import refuse

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
LOG = b"""\
Nov 22 11:59:50 n1   info: Resource prmPg started. (rc=0) ok
Nov 22 11:59:51 n1  error: Disk connection to /dev/sdb is ERROR. (attr_name=diskcheck_status)
"""
LATER = b"""\
Nov 22 11:59:52 n2 warning: Node n1 is lost
Nov 22 11:59:52 n2  error: Start to fail-over.
Nov 22 11:59:53 n2   info: Resource prmPg started. (rc=0) ok
"""


def chunk(lines: bytes, offset: int) -> LogChunk:
    return LogChunk(cluster="web01", collector="n2", path="/log", data=lines, offset=offset, received_at=NOW)


@pytest.mark.parametrize("is_refused", [False, True])
async def test_what_is_handed_over_was_stored_and_beside_a_refused_record_it_is_looked_up(
    is_refused: bool, url: str, tmp_path: Path
) -> None:
    if is_refused:
        refuse(url, "events", "raw", "sdb")
    clock, handed = FakeClock(NOW), list[Sequence[Delivery]]()
    store = SqlStore(url, clock=clock, set_aside=tmp_path)
    settings = {"web01": ClusterSettings(name="web01", services={"db": ("prmPg",)})}
    counts = Metrics(CollectorRegistry(), "test")
    processor = Processor(settings, rules(), store, [Target(name="ops")], clock, counts, recorded=handed.append)
    try:
        await processor.restore()
        await processor._record(processor._digest([chunk(LOG + LATER, 0), Tick(now=NOW + timedelta(seconds=10))]))
        assert bool(handed[0]) is not is_refused
        for told in handed[0]:
            assert told in await store.deliveries(told.transition.incident.cluster, told.transition.incident.key)
    finally:
        await store.close()


async def test_what_is_behind_a_refused_record_is_told_and_so_is_the_refusal(
    url: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    refuse(url, "events", "raw", "sdb")
    clock, registry = FakeClock(NOW), CollectorRegistry()
    store = SqlStore(url, clock=clock, set_aside=tmp_path)
    processor = Processor(
        {"web01": ClusterSettings(name="web01", services={"db": ("prmPg",)})},
        rules(),
        store,
        [Target(name="ops")],
        clock,
        Metrics(registry, "test"),
        recorded=lambda new: None,
    )
    behind = asyncio.Event()
    try:
        await processor.restore()
        await processor.put(chunk(LOG, 0))
        await processor.put(chunk(LATER, len(LOG)), behind.set)
        running = asyncio.create_task(processor.run())
        async with asyncio.timeout(30):
            await behind.wait()
        running.cancel()
        await asyncio.wait([running])
        await processor._record(processor._digest([Tick(now=NOW + timedelta(seconds=10))]))
        assert not processor.store_is_away
        lines = [item.event.raw for item in await store.events(EventFilter(cluster="web01"))]
        assert sorted(lines) == sorted((LOG.splitlines()[0] + b"\n" + LATER).decode().splitlines())
        failover = next(item for item in await store.incidents(IncidentFilter(cluster="web01")) if item.kind is IncidentKind.FAILOVER)
        assert (failover.from_node, failover.to_node) == ("n1", "n2")
        (own,) = await store.incidents(IncidentFilter(cluster=GATEWAY))
        assert (own.kind, own.state, own.severity) == ("records_refused", "open", "major")
        (told,) = await store.deliveries(GATEWAY, own.key)
        assert told.target == "ops"
        assert registry.get_sample_value("hamon_records_refused_total", {"record": "event"}) == 1
        assert registry.get_sample_value("hamon_store_errors_total") == 0
        (logged,) = [record for record in caplog.records if record.levelname == "ERROR"]
        assert (vars(logged)["what"], vars(logged)["about"].partition("@")[0]) == ("event", "/log")
        assert "sdb" in (tmp_path / refused.FILE).read_text()
        for language, words in (
            ("en", "the history refused a record: an event /log@"),
            ("ja", "データベースが 1 件の記録を拒否: イベント /log@"),
        ):
            subject, text = report(told.transition, language, ZoneInfo("UTC"))
            assert words in text, (subject, text)
            assert str(tmp_path / refused.FILE) in text
        await processor._record(processor._digest([Tick(now=NOW + timedelta(hours=2))]))
        (own,) = await store.incidents(IncidentFilter(cluster=GATEWAY))
        assert own.state is IncidentState.RESOLVED
    finally:
        await store.close()
