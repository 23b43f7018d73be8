"""A log that is read again tells nothing again: the file came back after a restore, the read position was lost, a tool sent it twice."""

import asyncio
import gzip
import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from hamon.classify.replays import MAX_LINES, Replays
from hamon.classify.routes import Target
from hamon.classify.settings import ClusterSettings
from hamon.model.event import Event, EventKind
from hamon.model.observation import LogChunk, Tick
from hamon.ports import IncidentFilter
from hamon.store.store import SqlStore
from tests.events import happened
from tests.fakes import FakeClock
from tests.processing import Processing
from tests.recordings import RECORDINGS, truth_of

STEP = 16_384
"""Bytes of a log that are read at once."""
STAMP = re.compile(rb"^(Nov \d\d )(\d\d)(?=:)", re.MULTILINE)
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


def sent(name: str, at: datetime, begin: dict[str, int], hours: int = 0) -> list[LogChunk]:
    """The same as the nodes' own rsyslog sends it, `hours` later by their clocks: places are those in all that came of a host."""
    found = []
    for chunk in chunks(name, at):
        host = str(chunk.node)
        data = chunk.data if not hours else STAMP.sub(lambda found: b"%s%02d" % (found[1], int(found[2]) + hours), chunk.data)
        found.append(replace(chunk, collector="nodes", path=host, node=None, data=data, offset=begin.get(host, 0)))
        begin[host] = begin.get(host, 0) + len(data)
    return found


def end_of(name: str) -> datetime:
    """When the recording ends: that is when its logs are read."""
    return datetime.fromtimestamp(truth_of(name)["window"]["end"], UTC)


def processing(folder: Path, clock: FakeClock) -> Processing:
    return Processing(folder, clock, ClusterSettings(name="test"), targets=[Target(name="ops")])


async def history(store: SqlStore) -> tuple[int, Sequence[object]]:
    """How many incidents stand alone, and everything that was told of all. What is read again may put one into another."""
    incidents = await store.incidents(IncidentFilter(include_parts=True, limit=200))
    told = [
        (incident.key, delivery.transition.told_as)
        for incident in sorted(incidents, key=lambda item: item.key)
        for delivery in await store.deliveries("test", incident.key)
    ]
    return sum(incident.part_of is None for incident in incidents), told


async def read(it: Processing, items: Sequence[LogChunk | Tick]) -> None:
    for item in items:
        await it.give(item)


Logs = Callable[[datetime], Sequence[LogChunk]]


async def nothing_is_told_again(folder: Path, name: str, again: str, logs: Logs, more: Logs) -> None:
    """Read the logs of a recording, and then what comes of them `again`, each as they are read at a time."""
    clock = FakeClock(end_of(name))
    async with processing(folder, clock) as it:
        await read(it, [*logs(clock.now()), Tick(now=clock.now() + timedelta(minutes=1))])
        if "hour" in again:
            clock.advance(3600)
            await read(it, [Tick(now=clock.now() + timedelta(minutes=1))])
        before = await history(it.store)
        assert before[1] or name == "switchover_standby"
        if "restart" in again:
            await it.restart()
        await read(it, [*more(clock.now()), Tick(now=clock.now() + timedelta(minutes=2))])
        after = await history(it.store)
    assert after[1] == before[1], "somebody was told again"
    assert after[0] <= before[0], "an incident opened again"


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    "again",
    [
        "at once",
        "after an hour",
        "after a restart",
        "after a restart and an hour",
        "another file",
        "another file, after an hour",
        "another file, after a restart and an hour",
    ],
)
async def test_a_log_that_is_read_again_tells_nothing_again(tmp_path: Path, name: str, again: str) -> None:
    path = "/var/log/ha-log.1" if "another file" in again else "/var/log/ha-log"
    await nothing_is_told_again(tmp_path, name, again, lambda at: chunks(name, at), lambda at: chunks(name, at, path))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("again", ["at once", "after an hour", "after a restart", "after a restart and an hour"])
async def test_what_rsyslog_sends_once_more_tells_nothing_again(tmp_path: Path, name: str, again: str) -> None:
    """A node that lost its power may have forgotten how far it came, and sends its logs from their first line on."""
    places: dict[str, int] = {}
    places_then = {} if "restart" in again else places
    await nothing_is_told_again(tmp_path, name, again, lambda at: sent(name, at, places), lambda at: sent(name, at, places_then))


async def test_what_a_node_whose_clock_was_set_back_sends_is_news(tmp_path: Path) -> None:
    clock = FakeClock(end_of("failover_resource"))
    places: dict[str, int] = {}
    async with processing(tmp_path, clock) as it:
        await read(it, [*sent("failover_resource", clock.now(), places), Tick(now=clock.now() + timedelta(minutes=1))])
        clock.advance(3600)
        await read(it, [*sent("failover_resource_first", clock.now(), places, hours=-3), Tick(now=clock.now() + timedelta(minutes=1))])
        found = await it.store.incidents(IncidentFilter(limit=20))
    assert sorted((one.from_node, one.to_node) for one in found if one.kind == "failover") == [("pm01", "pm02"), ("pm02", "pm01")]


def rotated(name: str, at: datetime, hours: int) -> list[LogChunk]:
    """The logs of a recording as the nodes write them into new files after a rotation, by clocks that were set meanwhile."""
    return [
        replace(chunk, data=STAMP.sub(lambda found: b"%s%02d" % (found[1], int(found[2]) + hours), chunk.data))
        for chunk in chunks(name, at)
    ]


@pytest.mark.parametrize("hours", [-1, -3, 3])
async def test_what_is_written_after_a_rotation_is_news_though_the_clock_was_set_back_meanwhile(tmp_path: Path, hours: int) -> None:
    clock = FakeClock(end_of("failover_resource"))
    async with processing(tmp_path, clock) as it:
        await read(it, [*chunks("failover_resource", clock.now()), Tick(now=clock.now() + timedelta(minutes=1))])
        clock.advance(3600)
        await read(it, [*rotated("failover_resource_first", clock.now(), hours), Tick(now=clock.now() + timedelta(minutes=1))])
        found = await it.store.incidents(IncidentFilter(limit=20))
    assert sorted((one.from_node, one.to_node) for one in found if one.kind == "failover") == [("pm01", "pm02"), ("pm02", "pm01")]


async def test_a_log_that_comes_back_under_another_name_after_an_hour_stops_nothing(tmp_path: Path) -> None:
    """Nothing shows that it was read before; so it may be told again, but under a key of its own."""
    name = "switchover_standby"
    clock = FakeClock(end_of(name))
    async with processing(tmp_path, clock) as it:
        await read(it, [*chunks(name, clock.now()), Tick(now=clock.now() + timedelta(minutes=1))])
        clock.advance(3600)
        async with asyncio.timeout(30):
            await read(it, [Tick(now=clock.now()), *chunks(name, clock.now(), "/restored/ha-log"), Tick(now=clock.now())])
        incidents = await it.store.incidents(IncidentFilter(include_parts=True, limit=200))
    assert len({incident.key for incident in incidents}) == len(incidents)


def told_at(minute: int, read: int) -> Event:
    """What a node told in one minute of the day, read in another one."""
    day = datetime(2026, 11, 25, tzinfo=UTC)
    at, received_at = day + timedelta(minutes=minute), day + timedelta(minutes=read)
    return happened(EventKind.QUORUM_LOST, at, received_at=received_at, reporter="pm01", raw=f"minute {minute}", ref=f"pm01@{read}")


def test_of_a_log_too_long_to_be_remembered_what_is_older_is_a_copy_as_long_as_it_comes_at_once() -> None:
    replays = Replays()
    last = MAX_LINES + 100
    for minute in range(last):
        replays.take("log", told_at(minute, minute))
    assert replays.is_copy("log", told_at(0, last), goes_on=True)
    assert replays.is_copy("log", told_at(last - 10, last), goes_on=True)
    # A clock that was set back goes on for longer.
    assert replays.is_copy("log", told_at(1, last), goes_on=True)
    assert not replays.is_copy("log", told_at(6, last + 6), goes_on=True)
    assert not replays.is_copy("log", told_at(7, last + 7), goes_on=True)


def test_what_was_known_before_a_restart_begins_with_the_oldest_of_it() -> None:
    replays = Replays()
    replays.restore("log", told_at(100, 100).at)
    replays.known("log", told_at(50, 50))
    assert replays.is_copy("log", told_at(49, 101), goes_on=True)
    assert replays.is_copy("log", told_at(50, 101), goes_on=True)
    assert not replays.is_copy("log", told_at(51, 101), goes_on=True)  # it came late
