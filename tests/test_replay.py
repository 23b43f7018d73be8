"""A log that is read again tells nothing again: the file came back after a restore, the read position was lost, a tool sent it twice."""

import asyncio
import gzip
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from hamon.classify.routes import Target
from hamon.classify.settings import ClusterSettings
from hamon.metrics import Metrics
from hamon.model.observation import LogChunk, Tick
from hamon.pipeline import Processor
from hamon.ports import IncidentFilter
from hamon.store import migrate
from hamon.store.store import SqlStore
from tests.fakes import FakeClock
from tests.recordings import RECORDINGS, rules, truth_of

STEP = 16_384
"""Bytes of a log that are read at once."""
NAMES = [
    "failover_resource",
    "switchover_standby",
    pytest.param("standby_crash", marks=pytest.mark.full),
    pytest.param("fencing_failure", marks=pytest.mark.full),
]


def chunks(name: str, at: datetime, path: str = "/var/log/ha-log") -> list[LogChunk]:
    """The ha-logs of a recording as they are caught up with, node by node."""
    found = []
    for log in sorted((RECORDINGS / name).glob("*/ha-log.gz")):
        data, offset = gzip.decompress(log.read_bytes()), 0
        while offset < len(data):
            end = data.find(b"\n", offset + STEP) + 1 or len(data)
            node = log.parent.name
            found.append(
                LogChunk(cluster="test", collector=node, path=path, data=data[offset:end], offset=offset, received_at=at, node=node)
            )
            offset = end
    return found


def end_of(name: str) -> datetime:
    """When the recording ends: that is when its logs are read."""
    return datetime.fromtimestamp(truth_of(name)["window"]["end"], UTC)


async def begun(store: SqlStore, clock: FakeClock) -> Processor:
    processor = Processor(
        {"test": ClusterSettings(name="test")},
        rules(),
        store,
        [Target(name="ops")],
        clock,
        Metrics(CollectorRegistry(), "test"),
        recorded=lambda: None,
    )
    await processor.restore()
    return processor


async def history(store: SqlStore) -> tuple[int, Sequence[object]]:
    """How many incidents stand alone, and everything that was told of all. What is read again may put one into another."""
    incidents = await store.incidents(IncidentFilter(include_parts=True, limit=200))
    told = [
        (incident.key, delivery.transition.told_as)
        for incident in sorted(incidents, key=lambda item: item.key)
        for delivery in await store.deliveries("test", incident.key)
    ]
    return sum(incident.part_of is None for incident in incidents), told


async def read(processor: Processor, items: Sequence[LogChunk | Tick]) -> None:
    for item in items:
        await processor._record(processor._digest([item]))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("again", ["at once", "after an hour", "after a restart", "after a restart and an hour", "from another file"])
async def test_a_log_that_is_read_again_tells_nothing_again(tmp_path: Path, name: str, again: str) -> None:
    url = f"sqlite:///{tmp_path / 'hamon.db'}"
    migrate.upgrade(url)
    read_at = end_of(name)
    clock = FakeClock(read_at)
    store = SqlStore(url, clock=clock)
    try:
        processor = await begun(store, clock)
        await read(processor, [*chunks(name, read_at), Tick(now=read_at + timedelta(minutes=1))])
        if "hour" in again:
            clock.advance(3600)
            await read(processor, [Tick(now=clock.now() + timedelta(minutes=1))])
        before = await history(store)
        assert before[1] or name == "switchover_standby"
        if "restart" in again:
            processor = await begun(store, clock)
        path = "/var/log/ha-log.1" if again == "from another file" else "/var/log/ha-log"
        await read(processor, [*chunks(name, clock.now(), path), Tick(now=clock.now() + timedelta(minutes=2))])
        after = await history(store)
    finally:
        await store.close()
    assert after[1] == before[1], "somebody was told again"
    assert after[0] <= before[0], "an incident opened again"


async def test_a_log_that_comes_back_under_another_name_after_an_hour_stops_nothing(tmp_path: Path) -> None:
    """Nothing shows that it was read before; so it may be told again, but under a key of its own."""
    url = f"sqlite:///{tmp_path / 'hamon.db'}"
    migrate.upgrade(url)
    name = "switchover_standby"
    clock = FakeClock(end_of(name))
    store = SqlStore(url, clock=clock)
    try:
        processor = await begun(store, clock)
        await read(processor, [*chunks(name, clock.now()), Tick(now=clock.now() + timedelta(minutes=1))])
        clock.advance(3600)
        async with asyncio.timeout(30):
            await read(processor, [Tick(now=clock.now()), *chunks(name, clock.now(), "/restored/ha-log"), Tick(now=clock.now())])
        incidents = await store.incidents(IncidentFilter(include_parts=True, limit=200))
    finally:
        await store.close()
    assert len({incident.key for incident in incidents}) == len(incidents)
