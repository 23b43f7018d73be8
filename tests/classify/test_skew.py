"""A node whose clock is off changes nothing while its log is read, and is shown and told."""

import gzip
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import cache
from itertools import groupby

import pytest

from hamon.classify.incidents import Engine
from hamon.classify.order import causal_order
from hamon.classify.settings import ClusterSettings
from hamon.classify.skew import Skew
from hamon.classify.traps import TrapMatcher
from hamon.model.event import Event, EventKind
from hamon.model.incident import Incident, IncidentState
from hamon.model.observation import LogChunk, Source, Tick
from tests.cases import matcher, rules
from tests.events import happened
from tests.recordings import NAMES, RECORDINGS, year_of
from tests.traps import recorded

LATE = timedelta(milliseconds=300)
"""From a line's writing to its reading."""
OFF = ({"pm01": 8.0}, {"pm02": 8.0}, {"pm01": -8.0}, {"pm02": -8.0}, {"pm02": 40.0}, {"pm01": -4.0, "pm02": 4.0})
RECORDED = tuple(name for name in NAMES if name != "chronicle" and any((RECORDINGS / name).glob("*/ha-log.gz")))


@cache
def read(name: str) -> Sequence[Event]:
    """The events of the logs of all nodes of a recording (Pacemaker 2.1.5), in the order in which they were written."""

    found: list[Event] = []
    for path in sorted((RECORDINGS / name).glob("*/ha-log.gz")):
        chunk = LogChunk(
            cluster="test",
            collector=path.parent.name,
            path=str(path),
            data=gzip.decompress(path.read_bytes()),
            offset=0,
            received_at=datetime(year_of(name), 11, 23, tzinfo=UTC),
        )
        found += matcher().scan(chunk).events
    return sorted(found, key=lambda event: event.at)


@cache
def read_traps(name: str) -> Sequence[Event]:
    """The traps of a recording (alerts of Pacemaker 2.1.5), as they came."""
    return sorted(TrapMatcher(rules()).scan(recorded(name)).events, key=lambda event: event.received_at)


def live(
    name: str, off: Mapping[str, float], *, skew: Skew | None = None, source: Callable[[str], Sequence[Event]] = read
) -> tuple[Engine, list[Incident]]:
    """What becomes of a recording that is read as it is written, second by second, by a host whose clock is right."""
    engine, skew = Engine(ClusterSettings(name="test")), skew or Skew()
    incidents: dict[str, Incident] = {}
    for at, second in groupby(source(name), key=lambda event: event.at.replace(microsecond=0)):
        now = at + timedelta(seconds=1) + LATE
        logs: dict[str, list[Event]] = {}
        for event in second:
            wrong = timedelta(seconds=off.get(event.reporter or "", 0.0))
            logs.setdefault(event.collector, []).append(replace(event, at=event.at + wrong, received_at=now))
        changed = skew.learn(logs.values())
        right = [list(skew.put_right(events)) for events in logs.values()]
        steps = [*engine.advance([*causal_order(right)]).transitions]
        if changed:
            steps += engine.set_clocks({node: offset.total_seconds() for node, offset in skew.offsets.items()}, now)
        steps += engine.advance([Tick(now=now)]).transitions
        incidents |= {step.incident.key: step.incident for step in steps}
    last = engine.state.now or datetime(2027, 1, 1, tzinfo=UTC)
    incidents |= {step.incident.key: step.incident for step in engine.advance([Tick(now=last + timedelta(minutes=2))]).transitions}
    return engine, list(incidents.values())


@cache
def known(off: tuple[tuple[str, float], ...]) -> Mapping[str, float]:
    """The clocks, as they are known to one that has read these logs for a while."""
    return dict(live("cold_start", dict(off))[0].state.clocks)


def outcome(incidents: Iterable[Incident]) -> list[tuple[object, ...]]:
    """What people would be told, without times."""
    return sorted(
        (
            one.kind.value,
            str(one.planned),
            one.outcome.value,
            one.nodes,
            str(one.from_node),
            str(one.to_node),
            one.fenced,
            one.severity.value,
        )
        for one in incidents
        if one.part_of is None and one.kind != "clock_skew"
    )


@pytest.mark.parametrize("off", OFF, ids=str)
@pytest.mark.parametrize("name", RECORDED)
def test_the_outcome_is_that_of_right_clocks(name: str, off: Mapping[str, float]) -> None:
    right = live(name, {})[1]
    _, wrong = live(name, off, skew=Skew(known(tuple(off.items()))))
    assert outcome(wrong) == outcome(right)
    for one, other in zip(sorted(right, key=lambda item: item.key), sorted(wrong, key=lambda item: item.key), strict=False):
        if one.service_down_seconds is not None and one.part_of is None and other.key == one.key:
            assert other.service_down_seconds == pytest.approx(one.service_down_seconds, abs=2.1)


class Blind(Skew):
    """Leaves all stamps as they are."""

    def learn(self, logs: Iterable[Sequence[Event]]) -> bool:
        return False


def test_it_matters_that_stamps_are_put_right() -> None:
    off = {"pm02": -8.0}
    assert outcome(live("kill_corosync_active", off, skew=Blind())[1]) != outcome(live("kill_corosync_active", {})[1])


@pytest.mark.parametrize("off", OFF, ids=str)
def test_the_clock_is_shown_and_told_while_it_is_off(off: Mapping[str, float]) -> None:
    engine, incidents = live("cold_start", off)
    shown = {node.name: node.clock_ahead_seconds for node in engine.view().nodes if node.clock_ahead_seconds}
    assert shown == {node: pytest.approx(seconds, abs=1.6) for node, seconds in off.items()}
    told = {one.nodes[0] for one in incidents if one.kind == "clock_skew" and one.told}
    assert told == {node for node, seconds in off.items() if abs(seconds) >= 5}


PM01, PM02 = "192.168.100.101", "192.168.100.102"


@pytest.mark.parametrize("off", [{PM01: 8.0}, {PM02: 8.0}, {PM01: -8.0}, {PM02: -8.0}], ids=str)
@pytest.mark.parametrize("name", ["failover_resource", "kill_corosync_active", "standby_crash", "active_stop_start", "ping_lost_active"])
def test_senders_of_traps_are_put_right_as_well(name: str, off: Mapping[str, float]) -> None:
    right = live(name, {}, source=read_traps)[1]
    assert outcome(live(name, off, skew=Skew(off), source=read_traps)[1]) == outcome(right)


def test_the_clock_of_a_sender_of_traps_is_found_and_a_relay_of_several_is_left_alone() -> None:
    def trap(at: float, read_at: float) -> Event:
        return replace(line(PM01, at, read_at, str(at)), source=Source.TRAP)

    skew = Skew()
    for second in range(0, 30, 5):
        skew.learn([[trap(second - 8.1, second + 0.1)]])
    assert skew.offsets == {PM01: pytest.approx(timedelta(seconds=-8.2), abs=timedelta(seconds=0.01))}
    assert skew.put_right([trap(-8.1, 0.1)])[0].at == NOW + timedelta(seconds=0.1)
    relay = Skew()
    for second in range(0, 60, 5):
        relay.learn([[trap(second + (8 if second % 10 else 0), second + 0.1)]])
    assert relay.offsets == {}


def test_right_clocks_are_left_alone() -> None:
    for name in RECORDED:
        engine, incidents = live(name, {})
        assert engine.state.clocks == {}
        assert [one for one in incidents if one.kind == "clock_skew"] == []


NOW = datetime(2026, 11, 22, 10, tzinfo=UTC)


def line(node: str, at: float, read_at: float, text: str = "a") -> Event:
    return happened(
        EventKind.ATTRIBUTE_CHANGED,
        NOW + timedelta(seconds=at),
        received_at=NOW + timedelta(seconds=read_at),
        collector=node,
        node="pm01",
        reporter=node,
        detail={"attribute": text, "new": "1"},
        raw=text,
    )


def test_a_log_that_is_read_late_is_no_clock_that_is_behind() -> None:
    skew = Skew()
    assert not skew.learn([[line("pm01", 0.1 * number, 120 + 0.1 * number, str(number)) for number in range(20)]])
    assert skew.offsets == {}
    fewer = Skew()
    for number in range(20):  # a queue that empties: every line is less late than the one before
        assert not fewer.learn([[line("pm02", 3.0 * number + 0.1, 60.1 + number, str(number))]])
    assert fewer.offsets == {}


def test_a_clock_that_was_put_right_is_believed_again_and_the_incident_ends() -> None:
    skew, engine = Skew(), Engine(ClusterSettings(name="test"))
    skew.learn([[line("pm02", 20.0 + number, number + 0.25, str(number)) for number in range(5)]])
    steps = engine.set_clocks({node: offset.total_seconds() for node, offset in skew.offsets.items()}, NOW)
    assert [(step.incident.kind, step.incident.nodes) for step in steps] == [("clock_skew", ("pm02",))]
    for minute in range(1, 8):
        skew.learn([[line("pm02", 60.25 * minute, 60.25 * minute + 0.25, f"m{minute}")]])
    assert skew.offsets == {}
    (step,) = engine.set_clocks({}, NOW + timedelta(minutes=8))
    assert step.incident.state is IncidentState.RESOLVED


def test_a_restart_knows_the_clocks_from_the_first_line_on() -> None:
    skew = Skew({"pm02": 8.0})
    (moved,) = skew.put_right([line("pm02", 8.25, 0.5)])
    assert moved.at == NOW + timedelta(seconds=0.25)
