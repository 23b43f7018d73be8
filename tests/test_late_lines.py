"""Logs that come minutes late, and of several nodes unequally fast: what people are told in the end is what they are told in time."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hamon.classify.late import HORIZON, MOST, MUCH, SPACING
from hamon.classify.routes import Target
from hamon.classify.texts import LogMatcher
from hamon.metrics import Metrics
from hamon.model.delivery import Notification
from hamon.model.incident import Incident, IncidentKind, IncidentState, Notice
from hamon.model.observation import LogChunk, Tick
from hamon.notify.snmp_trap import plan as acts
from hamon.ports import EventFilter, IncidentFilter
from hamon.tell.report import report
from tests import snapshots
from tests.arrivals import SETTINGS, Delay, Gateway, end_of, in_time, lines_of
from tests.cases import rules
from tests.fakes import FakeClock
from tests.processing import Processing
from tests.recordings import NAMES, truth_of
from tests.test_one_truth import by_another_clock

SEVERAL = [name for name in NAMES if len({lines.node for lines in lines_of(name)}) > 1]
SHORT = ("kill_attrd_active", "standby_promotable_failure")
"""Their logs hold three seconds. Where a node was never heard before, only what others tell as well says that it is not its clock."""
Essence = tuple[object, ...]


def essence(incident: Incident) -> Essence:
    """What an operator is told: not when, but what. Which resources of a group polls saw down depends on when they are asked."""
    ends = (incident.from_node, incident.to_node)
    about = tuple(tuple(sorted(names)) for names in (incident.nodes, incident.fenced))
    return (incident.kind, incident.planned, incident.outcome, incident.severity, *ends, *about)


def essences(incidents: Iterable[Incident]) -> Counter[Essence]:
    return Counter(map(essence, incidents))


def from_late_lines(gateway: Gateway) -> Counter[Essence]:
    """Of which incidents people were told because lines came late."""
    told = {step.incident.key for step, is_late in gateway.steps if is_late and step.notice is Notice.OPENING}
    return essences(incident for key, incident in gateway.told.items() if key in told)


def late(nodes: Iterable[str], at: datetime, apart: timedelta = timedelta(seconds=3)) -> Delay:
    """The whole logs of these nodes come from then on, one after the other."""
    when = {node: at + number * apart for number, node in enumerate(nodes)}
    return lambda node, written: when.get(node)


def is_told_as_in_time(name: str, gateway: Gateway, *, besides: bool) -> None:
    expected = essences(in_time(name, besides=besides).told.values())
    found = essences(gateway.told.values())
    assert expected - found == Counter(), "not told, or otherwise"
    assert from_late_lines(gateway) - expected == Counter(), "told falsely of what came late"


def ends_otherwise(gateway: Gateway) -> list[str]:
    """What ended and is something else now: it was counted and told as what it was then. And steps that are missing."""
    found = []
    ended: dict[str, Incident] = {}
    last: dict[str, int] = {}
    for step, _ in gateway.steps:
        incident = step.incident
        if step.sequence != last.get(incident.key, 0) + 1:
            found.append(f"{incident.key} step {step.sequence} after {last.get(incident.key)}")
        last[incident.key] = step.sequence
        before = ended.get(incident.key)
        if before is not None and counted(before) != counted(incident):
            found.append(f"{incident.key} ended as {counted(before)} and is {counted(incident)}")
        if incident.state is not IncidentState.OPEN:
            ended.setdefault(incident.key, incident)
    return found


def counted(incident: Incident) -> Essence:
    moves = incident.kind in (IncidentKind.FAILOVER, IncidentKind.SWITCHOVER)
    return (incident.kind, *((incident.planned, incident.outcome) if moves else ()))


def plain_line(number: int, at: datetime) -> bytes:
    return f"{at:%b %d %H:%M:%S} n1 pacemaker-controld[9]:  notice: Result of monitor operation for r{number} on n1: ok\n".encode()


CASES = [(name, which, besides) for name in SEVERAL for which in range(4) for besides in (False, True)]
SOME = [(name, number % 4, number // 4 % 2 == 1) for number, name in enumerate(SEVERAL)]


def come_late(name: str, which: int, *, besides: bool) -> None:
    first, second = truth_of(name)["nodes"][:2]
    nodes = ((first, second), (second, first), (first,), (second,))[which]
    gateway = Gateway()
    gateway.play(name, late(nodes, end_of(name)), besides=besides)
    is_told_as_in_time(name, gateway, besides=besides)
    assert ends_otherwise(gateway) == []
    # More than that was told only where the logs that came first, by themselves, tell it too.
    before = tuple(node for node in (first, second) if node not in nodes) or nodes[:1]
    alone = Gateway()
    alone.play(name, late(nodes, end_of(name)), besides=besides, nodes=before)
    more = len(gateway.told) - len(in_time(name, besides=besides).told)
    assert more <= len(alone.told)


@pytest.mark.parametrize(("name", "which", "besides"), SOME)
def test_a_log_that_comes_whole_and_late_tells_what_it_would_have_told_in_time(name: str, which: int, besides: bool) -> None:
    come_late(name, which, besides=besides)


@pytest.mark.parametrize("which", range(4))
@pytest.mark.parametrize("name", SHORT)
def test_the_short_log_of_a_node_that_was_never_heard_is_late_and_not_its_clock_behind(name: str, which: int) -> None:
    come_late(name, which, besides=False)


@pytest.mark.parametrize("name", SHORT)
def test_the_log_of_a_clock_that_is_behind_and_was_never_heard_is_not_late(name: str) -> None:
    first, second = truth_of(name)["nodes"][:2]
    gateway, matcher = Gateway(), LogMatcher(rules())
    for node, behind in ((second, 0), (first, -60)):
        for chunk in chunks(name, node, max(lines.at for lines in lines_of(name))):
            gateway.take(matcher.scan(replace(chunk, data=by_another_clock(chunk.data, behind))).events)
    assert gateway.journal.judged_again == 0


@pytest.mark.full
@pytest.mark.parametrize(("name", "which", "besides"), CASES)
def test_whichever_log_comes_late_it_tells_what_it_would_have_told_in_time(name: str, which: int, besides: bool) -> None:
    come_late(name, which, besides=besides)


@pytest.mark.parametrize("besides", [False, True])
@pytest.mark.parametrize("name", NAMES)
def test_logs_in_time_are_never_judged_again(name: str, besides: bool) -> None:
    gateway = in_time(name, besides=besides)
    assert gateway.journal.judged_again == 0
    assert not any(is_late for _, is_late in gateway.steps)


@pytest.mark.parametrize("name", ["failover_resource", "standby_crash"])
def test_a_node_whose_log_is_some_seconds_late_has_nothing_judged_again(name: str) -> None:
    gateway = Gateway()
    slow = truth_of(name)["nodes"][0]
    gateway.play(name, lambda node, at: at + timedelta(seconds=14) if node == slow else None, besides=True)
    assert gateway.journal.judged_again == 0


@cache
def first_event(name: str, node: str) -> datetime:
    """When a node is heard for the first time."""
    events = (event for chunk in chunks(name, node, end_of(name)) for event in LogMatcher(rules()).scan(chunk).events)
    return min((event.at for event in events), default=end_of(name))


def cut_off(name: str, data: st.DataObject) -> Delay:
    """Nodes that are cut off for a while, each once; what they wrote meanwhile comes at once afterwards, an hour at most later."""
    begin = min(lines.at for lines in lines_of(name))
    length = (end_of(name) - begin).total_seconds()
    cuts: dict[str, tuple[datetime, datetime]] = {}
    for node in truth_of(name)["nodes"][:2]:
        since = max(first_event(name, node), begin + timedelta(seconds=data.draw(st.floats(0, length))))
        cuts[node] = since, since + timedelta(seconds=data.draw(st.floats(0, 1500)))

    def delay(node: str, written: datetime) -> datetime | None:
        since, until = cuts.get(node, (written, written))
        return until if since < written < until else None

    return delay


@settings(max_examples=25, deadline=None)
@given(st.sampled_from(SEVERAL), st.booleans(), st.data())
def test_nodes_that_were_cut_off_for_a_while_tell_what_they_would_have_told_in_time(name: str, besides: bool, data: st.DataObject) -> None:
    gateway = Gateway()
    gateway.play(name, cut_off(name, data), besides=besides)
    assert ends_otherwise(gateway) == []
    is_told_as_in_time(name, gateway, besides=besides)


# -- in the running program, with its history


EVER = datetime.max.replace(tzinfo=UTC)


def chunks(name: str, node: str, at: datetime, *, since: datetime | None = None, until: datetime = EVER) -> list[LogChunk]:
    """The log of a node, what was written after `since` and not after `until`, read then."""
    found = [lines for lines in lines_of(name) if lines.node == node and lines.at <= until and (since is None or lines.at > since)]
    data = b"".join(lines.data for lines in found)
    return [LogChunk(cluster="c", collector="s", path=node, data=data, offset=found[0].offset, received_at=at)] if found else []


async def heard(it: Processing, incident: Incident) -> list[Notice | None]:
    return [delivery.transition.told_as for delivery in await it.store.deliveries("c", incident.key)]


async def test_the_history_has_each_incident_once_with_all_its_steps_and_a_restart_goes_on_from_there(tmp_path: Path) -> None:
    name = "failover_resource"
    first, second = truth_of(name)["nodes"][:2]
    clock = FakeClock(end_of(name))
    async with Processing(tmp_path, clock, SETTINGS, targets=[Target(name="mail")]) as it:
        await it.give(*chunks(name, second, clock.now()), Tick(now=clock.now()))
        clock.advance(600)
        await it.give(*chunks(name, first, clock.now()), Tick(now=clock.now()))
        incidents = await it.store.incidents(IncidentFilter(include_parts=True))
        mains = [incident for incident in incidents if incident.part_of is None]
        assert essences(mains) == essences(in_time(name).told.values())
        for incident in incidents:
            steps = await it.store.transitions("c", incident.key)
            assert [step.sequence for step in steps] == [*range(1, len(steps) + 1)]
            assert (await heard(it, incident)).count(Notice.OPENING) == (incident in mains)
        told = [await heard(it, incident) for incident in incidents]
        events = Counter((item.event.raw, item.event.kind) for item in await it.store.events(EventFilter(limit=10_000)))
        # The same logs once more, also after a restart, say nothing new.
        await it.give(*chunks(name, first, clock.now()), *chunks(name, second, clock.now()))
        await it.restart()
        clock.advance(60)
        await it.give(*chunks(name, first, clock.now()), *chunks(name, second, clock.now()), Tick(now=clock.now()))
        assert await it.store.incidents(IncidentFilter(include_parts=True)) == incidents
        again = Counter((item.event.raw, item.event.kind) for item in await it.store.events(EventFilter(limit=10_000)))
        assert set(again) == set(events)
        assert [await heard(it, incident) for incident in incidents] == told
        assert it.registry.get_sample_value("hamon_defects_total") == 0.0


async def test_what_had_ended_and_was_of_another_kind_is_told_once_and_counted_as_the_history_has_it(tmp_path: Path) -> None:
    """One node's log alone shows services that came; the other's, ten minutes later, that somebody stopped them there."""
    name = "active_stop_start"
    first, second = truth_of(name)["nodes"][:2]
    clock = FakeClock(end_of(name))
    targets = [Target(name="mail"), Target(name="nms").for_alarms(100)]
    async with Processing(tmp_path, clock, SETTINGS, targets=targets) as it:
        await it.give(*chunks(name, second, clock.now()), Tick(now=clock.now()))
        (taken,) = [one for one in await it.store.incidents(IncidentFilter(include_parts=True)) if one.kind is IncidentKind.FAILOVER]
        assert (taken.state, taken.told) == (IncidentState.RESOLVED, True)
        clock.advance(600)
        await it.give(*chunks(name, first, clock.now()), Tick(now=clock.now()))
        incidents = await it.store.incidents(IncidentFilter(include_parts=True))
        (really,) = [one for one in incidents if one.kind is IncidentKind.SWITCHOVER]
        assert (really.state, really.planned, really.part_of) == (IncidentState.RESOLVED, True, None)
        (before,) = [one for one in incidents if one.key == taken.key]
        assert (before.kind, before.planned, before.outcome, before.part_of) == (taken.kind, None, taken.outcome, really.key)
        # Told: once what it really was, with the reason in words; nothing more of what it was taken for.
        assert await heard(it, really) == [Notice.OPENING] * 2
        assert (await heard(it, before)).count(Notice.OPENING) == 2
        assert all(delivery.transition.incident.part_of is None for delivery in await it.store.deliveries("c", before.key))
        (step,) = {delivery.transition.sequence: delivery.transition for delivery in await it.store.deliveries("c", really.key)}.values()
        assert "taken for: failover" in report(step, "en", UTC)[1]
        assert "訂正" in report(step, "ja", UTC)[1]
        # A receiver that keeps a list of alarms has nothing left in it.
        words = Notification(id="", transition=step, language="en", subject="", text="")
        assert [act.told for act in acts(words, None, "en")] == [None]
        # Counted: what the history holds.
        kinds = Counter(incident.kind.value for incident in incidents)
        for metric in ("hamon_incidents_opened_total", "hamon_incidents_resolved_total"):
            assert by_label(it.metrics, metric, "kind") == kinds
        assert by_label(it.metrics, "hamon_failovers_total", "planned") == {"unknown": 1, "true": 1}


def by_label(metrics: Metrics, name: str, label: str) -> Counter[str]:
    """The values of a metric, summed by one of its labels."""
    found: Counter[str] = Counter()
    for row in b"".join(metrics.chunks()).decode().splitlines():
        if row.startswith(f"{name}{{") and (value := float(row.rpartition(" ")[2])):
            found[row.partition(f'{label}="')[2].partition('"')[0]] += int(value)
    return found


async def test_what_was_written_while_hamon_was_away_is_put_in_order_whichever_node_sends_it_first(tmp_path: Path) -> None:
    for number, name in enumerate(("failover_resource", "switchover_standby", "chronicle")):
        nodes = truth_of(name)["nodes"][:2]
        begin = min(lines.at for lines in lines_of(name)) + timedelta(seconds=1)
        clock = FakeClock(begin + timedelta(seconds=1))
        folder = tmp_path / name
        folder.mkdir()
        async with Processing(folder, clock, SETTINGS, targets=[Target(name="mail")]) as it:
            await it.give(*(chunk for node in nodes for chunk in chunks(name, node, clock.now(), until=begin)), Tick(now=clock.now()))
            await it.restart()
            clock.advance(1200)
            for node in nodes if number % 2 else reversed(nodes):
                await it.give(*chunks(name, node, clock.now(), since=begin), Tick(now=clock.now()))
                clock.advance(5)
            clock.advance(700)
            await it.give(Tick(now=clock.now()))
            incidents = await it.store.incidents(IncidentFilter(include_parts=True))
            told = [incident for incident in incidents if incident.part_of is None and incident.told]
            assert essences(in_time(name).told.values()) - essences(told) == Counter()


async def test_what_happens_now_is_told_in_the_batch_that_brings_a_late_log(tmp_path: Path) -> None:
    name = "failover_resource"
    first, second = truth_of(name)["nodes"][:2]
    clock = FakeClock(end_of(name))
    async with Processing(tmp_path, clock, SETTINGS, targets=[Target(name="mail")]) as it:
        await it.give(*chunks(name, second, clock.now()), Tick(now=clock.now()))
        clock.advance(600)
        now = clock.now()
        line = f"{now:%b %d %H:%M:%S} {second} pacemaker-attrd[99]: error: Something that no rule knows\n".encode()
        lost = f"{now:%b %d %H:%M:%S} {second} pacemaker-controld[9]: warning: Node {first} is unclean\n".encode()
        offset = sum(len(lines.data) for lines in lines_of(name) if lines.node == second)
        new = LogChunk(cluster="c", collector="s", path=second, data=line + lost, offset=offset, received_at=now)
        await it.give(*chunks(name, first, now), new)
        state = it.processor._engines["c"].state
        assert state.last_event_at == now.replace(microsecond=0)
        events = [item.event for item in await it.store.events(EventFilter(limit=10_000))]
        assert [event.at for event in events if event.raw.endswith("no rule knows")] == [now.replace(microsecond=0)]


# -- what is remembered for it is bounded


def test_a_clock_that_is_behind_makes_no_line_late() -> None:
    """Neither before it is known nor where it is off by more than is believed of a clock; a queue of the same node is late all the same."""
    gateway, at = Gateway(), datetime(2026, 11, 22, 12, tzinfo=UTC)
    matcher = LogMatcher(rules())

    def read(number: int, node: bytes, ages: Iterable[int]) -> None:
        data = b"".join(plain_line(number, at - timedelta(seconds=age)).replace(b" n1", b" " + node) for age in ages)
        gateway.take(
            matcher.scan(LogChunk(cluster="c", collector="s", path=str(node), data=data, offset=number * 10**4, received_at=at)).events
        )

    for number in range(1, 60):
        read(2 * number, b"n1", (1, 0))
        read(2 * number + 1, b"n2", (401, 400))
        at += timedelta(seconds=10)
    assert gateway.journal.judged_again == 0
    read(1000, b"n2", (500, 450, 430))
    assert gateway.journal.judged_again > 0


def test_what_is_remembered_is_bounded_in_time_and_number() -> None:
    gateway, at = Gateway(), datetime(2026, 11, 22, 12, tzinfo=UTC)
    matcher = LogMatcher(rules())

    def read(number: int, lines: int) -> None:
        data = b"".join(plain_line(line, at) for line in range(lines))
        chunk = LogChunk(cluster="c", collector="s", path="n1", data=data, offset=number * 10**6, received_at=at)
        gateway.take(matcher.scan(chunk).events)

    for number in range(90):
        read(number, 3)
        at += timedelta(seconds=40)
    kept = gateway.journal.kept
    assert HORIZON <= kept.span <= HORIZON + 2 * SPACING
    assert kept.states <= HORIZON / SPACING + 2
    for number in range(90, 110):
        read(number, 300)
        at += timedelta(seconds=1)
    assert MOST / 2 <= gateway.journal.kept.size <= MOST + 300


def test_a_log_that_is_always_late_has_no_more_judged_again_than_it_is_late_by() -> None:
    """As that of a node which is mirrored once a minute, beside one that is read at once."""
    gateway, at = Gateway(), datetime(2026, 11, 22, 12, tzinfo=UTC)
    matcher, again = LogMatcher(rules()), []
    for second in range(1, 1800):
        at += timedelta(seconds=1)
        chunk = LogChunk(cluster="c", collector="s", path="n1", data=plain_line(second, at), offset=second * 200, received_at=at)
        gateway.take(matcher.scan(chunk).events)
        if second % 60 == 0:
            data = b"".join(plain_line(number, at - timedelta(seconds=60 - number)).replace(b" n1", b" n2") for number in range(0, 45, 5))
            chunk = LogChunk(cluster="c", collector="s", path="n2", data=data, offset=second * 200, received_at=at)
            gateway.take(matcher.scan(chunk).events)
            again.append(gateway.journal.judged_again)
    assert max(again) <= (60 + 2 * SPACING.total_seconds()) * 1.3


def test_polls_that_show_nothing_new_cost_next_to_nothing() -> None:
    gateway = Gateway()
    (*_, shown) = snapshots.snapshots("quiet")
    for number in range(1000):
        at = shown.status.at + number * timedelta(seconds=10)
        gateway.take([replace(shown, status=replace(shown.status, at=at, last_update_at=at), received_at=at)])
    assert gateway.journal.kept.size <= 50
    assert gateway.journal.kept.states <= 4


def test_a_line_from_before_what_is_remembered_is_judged_as_it_comes() -> None:
    gateway, at = Gateway(), datetime(2026, 11, 22, 12, tzinfo=UTC)
    matcher = LogMatcher(rules())
    for number, when in enumerate((*(at + number * timedelta(minutes=1) for number in range(90)), at)):
        received_at = max(when, gateway.engine.state.now or when)
        chunk = LogChunk(cluster="c", collector="s", path="n1", data=plain_line(number, when), offset=number * 100, received_at=received_at)
        (event,) = gateway.take(matcher.scan(chunk).events)
        assert event.at == when
    assert not any(is_late for _, is_late in gateway.steps)


def test_of_a_batch_that_is_too_large_the_state_that_it_leads_to_is_remembered_and_no_event() -> None:
    gateway, at = Gateway(), datetime(2026, 11, 22, 12, tzinfo=UTC)
    matcher = LogMatcher(rules())
    for number, lines in enumerate((10, MUCH + 1, 10)):
        data = b"".join(plain_line(line, at) for line in range(lines))
        chunk = LogChunk(cluster="c", collector="s", path="n1", data=data, offset=number * 10**6, received_at=at + timedelta(minutes=1))
        assert len(gateway.take(matcher.scan(chunk).events)) == lines
        at += timedelta(minutes=5)
    assert gateway.journal.kept.size == 10
