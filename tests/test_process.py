"""The processing loop meets a defect: nothing else is stopped, and nothing is lost."""

import asyncio
from collections.abc import Collection, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from hamon.classify.incidents import Advance, Engine
from hamon.classify.routes import Target
from hamon.classify.settings import ClusterSettings
from hamon.model.cluster import ClusterStatus
from hamon.model.event import Event, EventKind
from hamon.model.incident import IncidentKind, Notice
from hamon.model.observation import LogChunk, Snapshot, Source, SourceBack, SourceLost, Tick, TrapBatch
from hamon.pipeline import Processor
from hamon.ports import EventFilter, IncidentFilter
from tests.fakes import FakeClock
from tests.processing import TAKEN_OVER, Processing
from tests.traps import recorded, trap

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)


class Stumbling(Engine):
    """An engine with a defect: it cannot take disk errors, and has already changed its state when that shows."""

    def advance(self, items: Sequence[Event | Snapshot | Tick], stored: Collection[str] = ()) -> Advance:
        advance = super().advance(items, stored)
        if any(isinstance(item, Event) and item.kind is EventKind.DISK_ERROR for item in items):
            raise ZeroDivisionError
        return advance


class OneStumbles(Processor):
    async def restore(self) -> None:  # type: ignore[override]  # the positions are not needed here
        await super().restore()
        self._engines = {name: Stumbling(engine.settings, engine.state) for name, engine in self._engines.items()}

    def _engine(self, name: str, state: bytes, known: Sequence[Event], polled: ClusterStatus | None) -> Engine:
        plain = super()._engine(name, state, known, polled)
        return Stumbling(plain.settings, plain.state, known)


async def test_a_defect_met_by_one_event_leaves_the_others_their_incident(tmp_path: Path) -> None:
    settings = ClusterSettings(name="web01", services={"db": ("prmPg",)})
    async with Processing(tmp_path, FakeClock(NOW), settings, kind=OneStumbles) as it:
        chunk = LogChunk(cluster="web01", collector="n2", path="/log", data=TAKEN_OVER, offset=0, received_at=NOW)
        await it.give(chunk, Tick(now=NOW + timedelta(seconds=1)))
        stored = [item.event.kind for item in await it.store.events(EventFilter(limit=10))]
        assert sorted(stored) == sorted(
            [EventKind.RESOURCE_STARTED, EventKind.DISK_ERROR, EventKind.NODE_LOST, EventKind.FAILOVER_STARTED, EventKind.RESOURCE_STARTED]
        )
        incidents = await it.store.incidents(IncidentFilter())
        assert [(item.kind, item.from_node, item.to_node) for item in incidents] == [("failover", "n1", "n2")]
        assert it.registry.get_sample_value("hamon_defects_total") == 2.0


async def test_a_receipt_comes_when_the_history_holds_it_and_not_before(tmp_path: Path) -> None:
    come = asyncio.Event()
    stored: list[int] = []

    async def look() -> None:
        await come.wait()
        stored.append(len(await it.store.events(EventFilter())))

    async with Processing(tmp_path, FakeClock(NOW), ClusterSettings(name="web01")) as it:
        chunk = LogChunk(cluster="web01", collector="n2", path="/log", data=TAKEN_OVER, offset=0, received_at=NOW)
        await it.processor.put(chunk, come.set)
        assert not come.is_set()
        running = asyncio.create_task(it.processor.run())
        async with asyncio.timeout(20):
            await look()
        running.cancel()
        await asyncio.wait([running])
        assert stored == [5]


async def test_traps_become_incidents_in_the_history(tmp_path: Path) -> None:
    async with Processing(tmp_path, FakeClock(NOW), ClusterSettings(name="test")) as it:
        traps = recorded("failover_resource")
        unknown = trap("1.3.6.1.4.1.9.9.1", {"1.3.6.1.4.1.9.1": "one"}, at=traps[-1].received_at)
        batch = TrapBatch(cluster="test", collector="main", traps=(*traps, unknown))
        await it.give(batch, Tick(now=traps[-1].received_at + timedelta(seconds=5)))
        (failover,) = await it.store.incidents(IncidentFilter())
        assert (failover.kind, failover.from_node, failover.to_node, failover.planned) == ("failover", "pm01", "pm02", False)
        assert failover.sources == (Source.TRAP,)
        stored = [item.event for item in await it.store.events(EventFilter(limit=100))]
        assert {event.source for event in stored} == {Source.TRAP}
        assert [event.detail["notification"] for event in stored if event.kind is EventKind.UNCLASSIFIED] == ["1.3.6.1.4.1.9.9.1"]
        assert len(stored) == 11  # one of the eleven tells nothing
        names = ("matched", "unmatched")
        counted = {name: it.registry.get_sample_value(f"hamon_traps_{name}_total", {"collector": "main"}) for name in names}
        assert counted == {"matched": 11, "unmatched": 1}


async def test_lost_traps_are_an_incident_until_none_was_lost_for_a_while(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    where: dict[str, Any] = {"cluster": "web01", "collector": "main", "path": "127.0.0.1:9162", "source": Source.TRAP}
    silent = SourceLost(**where | {"path": "pm01", "node": "pm01"}, reason="no trap for 60 s", at=NOW)
    begin = SourceLost(**where, reason="kernel 7, rate 5", at=NOW, dropped=12)
    end = SourceBack(**where, at=NOW + timedelta(minutes=10), dropped=40)
    async with Processing(tmp_path, FakeClock(NOW), ClusterSettings(name="web01")) as it:
        await it.give(silent, begin)
        found = {incident.kind: incident for incident in await it.store.incidents(IncidentFilter())}
        assert found.keys() == {"monitoring_lost", "traps_dropped"}
        lost = found[IncidentKind.TRAPS_DROPPED]
        assert (lost.severity, lost.state, lost.resources) == ("warning", "open", ("127.0.0.1:9162",))
        assert lost.cause is not None
        assert lost.cause.text == "12: kernel 7, rate 5"
        await it.give(end)
        found = {incident.kind: incident for incident in await it.store.incidents(IncidentFilter())}
        assert (found[IncidentKind.TRAPS_DROPPED].state, found[IncidentKind.MONITORING_LOST].state) == ("resolved", "open")
        logged = [(record.levelname, record.message, getattr(record, "source", "")) for record in caplog.records]
        assert logged == [
            ("WARNING", "a source is lost", "pm01"),
            ("WARNING", "a source gives more than can be taken", "127.0.0.1:9162"),
        ]


async def test_who_was_told_of_a_cause_is_told_once_that_it_went_into_its_effect_also_across_a_restart(tmp_path: Path) -> None:
    """Lines of Pacemaker 2.1: a failure is told when it settled; a minute later the cluster moves the service for it."""
    lines = sorted(
        (f"Nov 22 {at}", node, f"Nov 22 {at} {node} pacemaker-{text}\n".encode())
        for at, node, text in (
            ("11:00:00", "pm01", "controld[106]:  notice: Node pm01 state is now member"),
            ("11:00:00", "pm01", "controld[106]:  notice: Node pm02 state is now member"),
            ("11:00:01", "pm01", "controld[106]:  notice: Result of start operation for prmPg on pm01: ok"),
            ("11:01:00", "pm01", "controld[106]:  notice: Result of monitor operation for prmPg on pm01: not running"),
            ("11:01:40", "pm02", "attrd[105]:  notice: Setting other[pm02]: (unset) -> 1"),
            ("11:02:00", "pm02", "schedulerd[105]:  notice: Actions: Move       prmPg     ( pm01 -> pm02 )"),
            (
                "11:02:00",
                "pm02",
                "schedulerd[105]:  notice: Calculated transition 9, saving inputs in /var/lib/pe-input-9.bz2",
            ),
            ("11:02:01", "pm02", "controld[106]:  notice: State transition S_POLICY_ENGINE -> S_TRANSITION_ENGINE"),
            ("11:02:02", "pm01", "controld[106]:  notice: Result of stop operation for prmPg on pm01: ok"),
            ("11:02:03", "pm02", "controld[106]:  notice: Result of start operation for prmPg on pm02: ok"),
        )
    )
    async with Processing(tmp_path, FakeClock(NOW - timedelta(hours=1)), ClusterSettings(name="test"), targets=[Target(name="ops")]) as it:
        items: list[LogChunk | Tick] = [
            LogChunk(cluster="test", collector=node, path="/log", data=line, offset=number, received_at=NOW)
            for number, (_, node, line) in enumerate(sorted(lines))
        ]
        items.append(Tick(now=NOW + timedelta(days=30)))
        for number, item in enumerate(items):
            if number % 4 == 0 or item is items[-1]:  # hamon starts anew
                await it.restart()
            await it.give(item)
        parts = [incident for incident in await it.store.incidents(IncidentFilter(include_parts=True)) if incident.part_of is not None]
        told = {incident.key: [step.transition.told_as for step in await it.store.deliveries("test", incident.key)] for incident in parts}
        assert [tuple(steps) for steps in told.values()] == [(Notice.OPENING, Notice.CLOSING)], told
