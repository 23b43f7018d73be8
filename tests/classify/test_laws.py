"""Laws of the engine that hold whatever happens, in whatever order it is told."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter

from hamon.classify.facts import WINDOW, Facts, fact_key
from hamon.classify.incidents import Advance, Engine
from hamon.classify.settings import ClusterSettings
from hamon.classify.state import State
from hamon.classify.stories import DEPARTURES
from hamon.model.event import Event, EventKind
from hamon.model.incident import Incident, IncidentState, Notice, Transition, TransitionKind
from hamon.model.observation import Source, Tick
from tests.classify.happenings import BEGIN, NODES, cut, happenings
from tests.events import happened

STATE = TypeAdapter(State)
LEARNED = ClusterSettings(name="test")
CONFIGURED = ClusterSettings(name="test", services={"db": ("prmPg", "prmIp")}, node_ids={"1": "pm01"}, fence_devices=frozenset({"fence1"}))
any_settings = st.sampled_from((LEARNED, CONFIGURED))
anywhere = st.lists(st.integers(0, 1000), max_size=6)
often = settings(max_examples=150, deadline=None)


def advance_all(engine: Engine, batches: Sequence[Sequence[Event | Tick]]) -> list[Transition]:
    return [transition for batch in batches for transition in engine.advance(batch).transitions]


def last_records(transitions: Sequence[Transition]) -> dict[str, Incident]:
    return {transition.incident.key: transition.incident for transition in transitions}


def after_all(items: Sequence[Event | Tick]) -> Tick:
    """A moment at which every settle time and limit is over."""
    times = [item.now if isinstance(item, Tick) else item.at for item in items]
    return Tick(now=max(times) + timedelta(days=3))


@often
@given(any_settings, happenings())
def test_steps_of_an_incident_are_counted_without_gaps_from_its_opening_to_its_end(
    config: ClusterSettings, items: list[Event | Tick]
) -> None:
    steps: dict[str, list[Transition]] = {}
    for transition in advance_all(Engine(config), [[*items, after_all(items)]]):
        steps.setdefault(transition.incident.key, []).append(transition)
    for told in steps.values():
        assert [step.sequence for step in told] == list(range(1, len(told) + 1))
        assert [number for number, step in enumerate(told) if step.kind is TransitionKind.OPENED] == [0]
        assert [step.at for step in told] == sorted(step.at for step in told)
        for step in told:
            record = step.incident
            assert (record.state is IncidentState.OPEN) == (record.resolved_at is None)
            assert step.kind is not TransitionKind.RESOLVED or record.state is IncidentState.RESOLVED
            assert step.kind is not TransitionKind.EXPIRED or record.state is IncidentState.EXPIRED
            assert record.started_at is None or record.started_at <= record.detected_at
            assert record.service_down_seconds is None or record.service_down_seconds >= 0
            assert len(record.timeline) <= 200
            assert [entry.at for entry in record.timeline] == sorted(entry.at for entry in record.timeline)
            assert record.part_of != record.key


@often
@given(any_settings, happenings(), anywhere)
def test_people_are_told_of_an_end_only_after_a_beginning_and_never_of_a_part(
    config: ClusterSettings, items: list[Event | Tick], places: list[int]
) -> None:
    begun: set[str] = set()
    for transition in advance_all(Engine(config), cut([*items, after_all(items)], places)):
        record = transition.incident
        if transition.notice is None:
            continue
        assert record.part_of is None
        if transition.notice is Notice.OPENING:
            assert record.key not in begun
            begun.add(record.key)
        else:
            assert record.key in begun
        assert record.told == (record.key in begun)


@often
@given(any_settings, happenings())
def test_a_failover_is_never_called_planned(config: ClusterSettings, items: list[Event | Tick]) -> None:
    for transition in advance_all(Engine(config), [[*items, after_all(items)]]):
        record = transition.incident
        assert record.kind != "failover" or record.planned is not True
        assert record.kind != "switchover" or record.planned is True


@often
@given(any_settings, happenings())
def test_one_thing_has_one_open_incident(config: ClusterSettings, items: list[Event | Tick]) -> None:
    engine = Engine(config)
    for item in items:
        engine.advance([item])
        subjects = [
            ("departure" if story.kind in DEPARTURES else story.kind, story.subject)
            for story in engine.state.stories
            if story.state is IncidentState.OPEN and story.kind not in DEPARTURES
        ]
        assert len(subjects) == len(set(subjects))
        keys = [story.key for story in engine.state.stories]
        assert len(keys) == len(set(keys))
        moving = [
            name
            for story in engine.state.stories
            if story.kind in DEPARTURES and story.state is IncidentState.OPEN
            for name, move in story.moves.items()
            if move.done_at is None and not move.failed
        ]
        assert len(moving) == len(set(moving)), "a resource is on the way in two departures"


@often
@given(any_settings, happenings())
def test_a_part_has_a_parent_that_is_no_part(config: ClusterSettings, items: list[Event | Tick]) -> None:
    records = last_records(advance_all(Engine(config), [items]))
    for record in records.values():
        if record.part_of is not None:
            assert records[record.part_of].part_of is None


@often
@given(any_settings, happenings(), anywhere)
def test_a_restart_between_two_batches_changes_nothing(config: ClusterSettings, items: list[Event | Tick], places: list[int]) -> None:
    batches = cut([*items, after_all(items)], places)
    whole = Engine(config)
    expected = [whole.advance(batch) for batch in batches]
    state, told = State(), []
    stored: list[Event] = []
    for batch in batches:
        engine = Engine(config, STATE.validate_json(STATE.dump_json(state)), stored)
        told.append(engine.advance(batch))
        stored += told[-1].events
        state = engine.state
    assert [step.transitions for step in told] == [step.transitions for step in expected]
    assert [step.events for step in told] == [step.events for step in expected]
    assert STATE.dump_json(state) == STATE.dump_json(whole.state)


def test_a_restart_before_a_line_that_comes_late_moves_no_step() -> None:
    def at(seconds: int, kind: EventKind, **more: object) -> Event:
        return happened(kind, BEGIN + timedelta(seconds=seconds), reporter="pm01", ref=f"/logs/pm01@{1000 + seconds}", **more)

    before = [at(0, EventKind.NODE_LOST, node="pm02")]
    after = [
        at(-3, EventKind.SERVICE_STACK_STARTED, node="pm01"),
        at(1, EventKind.NETWORK_UNREACHABLE, node="pm02", detail={"target": "10.0.0.254"}),
        at(2, EventKind.SERVICE_STACK_STARTED, node="pm01"),
        at(3, EventKind.SERVICE_STACK_STARTED, node="pm01"),
    ]
    engine = Engine(LEARNED)
    stored = engine.advance(before).events
    again = Engine(LEARNED, STATE.validate_json(STATE.dump_json(engine.state)), stored)
    assert again.advance(after).transitions == engine.advance(after).transitions


@often
@given(any_settings, happenings(), anywhere)
def test_how_events_are_gathered_into_batches_changes_no_incident(
    config: ClusterSettings, items: list[Event | Tick], places: list[int]
) -> None:
    items = [*items, after_all(items)]
    assert last_records(advance_all(Engine(config), cut(items, places))) == last_records(advance_all(Engine(config), [items]))


@often
@given(any_settings, happenings())
def test_what_a_second_witness_says_changes_no_incident(config: ClusterSettings, items: list[Event | Tick]) -> None:
    twice: list[Event | Tick] = []
    for item in items:
        twice.append(item)
        if isinstance(item, Event):
            twice.append(replace(item, ref=item.ref.replace("/logs/", "/copies/"), collector="another"))
    plain, copied = Engine(config), Engine(config)
    expected = plain.advance([*items, after_all(items)])
    found = copied.advance([*twice, after_all(items)])
    assert last_records(found.transitions) == last_records(expected.transitions)
    # Records and what is said at every calculation are no events themselves: they tell one, or nothing.
    assert [event.witness for event in found.events].count(True) >= len(expected.events)


@often
@given(any_settings, happenings(ticks=False))
def test_time_that_passes_twice_passes_once(config: ClusterSettings, items: list[Event | Tick]) -> None:
    engine = Engine(config)
    engine.advance(items)
    end = after_all(items)
    first = engine.advance([end])
    assert engine.advance([end]).transitions == []
    assert engine.advance([Tick(now=BEGIN)]).transitions == []
    stepwise = Engine(config)
    stepwise.advance(items)
    steps: list[Transition] = []
    moment = engine_time(items)
    for hours in (0, 0.001, 0.01, 0.05, 0.2, 1, 5, 23, 25, 47, 72):
        steps += stepwise.advance([Tick(now=min(moment + timedelta(hours=hours), end.now))]).transitions
    steps += stepwise.advance([end]).transitions
    assert last_records(steps) == last_records(first.transitions)
    due = stepwise.next_due()
    assert due is None or due > end.now


def engine_time(items: Sequence[Event | Tick]) -> datetime:
    return max(item.at for item in items if isinstance(item, Event))


@often
@given(any_settings, happenings())
def test_no_event_is_lost_and_its_text_is_kept(config: ClusterSettings, items: list[Event | Tick]) -> None:
    """But what is said again at every calculation, and records of operations that tell what is known already, or nothing yet."""
    again = (EventKind.OPERATION_RECORDED, EventKind.QUORUM_IGNORED)
    items = [item for item in items if isinstance(item, Tick) or item.kind not in again]
    given_events = [item for item in items if isinstance(item, Event)]
    advance: Advance = Engine(config).advance(items)
    assert [(event.raw, event.ref) for event in advance.events] == [(event.raw, event.ref) for event in given_events]
    for told, given_event in zip(advance.events, given_events, strict=True):
        if told.source is Source.TRAP:  # beside logs of whole seconds its tenth is cut off; its sender is a node, where that is known
            assert told.at in (given_event.at, given_event.at.replace(microsecond=0))
            assert told.reporter in (None, *NODES)
        else:
            assert (told.at, told.reporter) == (given_event.at, given_event.reporter)


# -- facts


@often
@given(happenings(ticks=False))
def test_a_witness_tells_a_fact_once_and_every_other_witness_confirms_it(items: list[Event]) -> None:
    facts = Facts()
    for event in items:
        first = facts.first(event) is None
        copy = replace(event, ref=f"/other/{event.reporter}@1")
        assert facts.first(copy) is not None, "another log confirms"
        again = facts.first(replace(event, at=event.at + timedelta(seconds=1)))
        assert first is False or again is None or fact_key(again) == fact_key(event)


def fact(kind: EventKind = EventKind.NODE_LOST, reporter: str = "pm01", path: str = "/a", rule: str = "r", seconds: float = 0) -> Event:
    return happened(kind, BEGIN + timedelta(seconds=seconds), rule=rule, node="pm02", reporter=reporter, ref=f"{path}@0")


def test_the_same_witness_tells_a_new_fact_when_it_tells_it_again() -> None:
    facts = Facts()
    assert facts.first(fact()) is None
    assert facts.first(fact(seconds=1)) is None
    assert facts.first(fact(reporter="pm03", seconds=1)) == fact()
    assert facts.first(fact(reporter="pm03", seconds=2)) == fact(seconds=1)
    assert facts.first(fact(reporter="pm03", seconds=3)) is None


def test_evidence_after_the_window_is_a_new_fact() -> None:
    facts = Facts()
    assert facts.first(fact()) is None
    assert facts.first(fact(reporter="pm03", seconds=WINDOW.total_seconds())) is not None
    assert facts.first(fact(reporter="pm04", seconds=WINDOW.total_seconds() + 1)) is None


def test_two_wordings_of_one_log_are_two_witnesses() -> None:
    facts = Facts()
    assert facts.first(fact()) is None
    assert facts.first(fact(rule="other-wording")) == fact()


def test_what_each_node_tells_of_itself_is_never_a_copy() -> None:
    facts = Facts()
    assert facts.first(fact(EventKind.QUORUM_LOST)) is None
    assert facts.first(fact(EventKind.QUORUM_LOST, reporter="pm03")) is None
    assert facts.first(fact(EventKind.QUORUM_LOST, path="/b")) is not None


def test_facts_are_bounded() -> None:
    facts = Facts()
    for number in range(5000):
        assert facts.first(replace(fact(), node=f"n{number}")) is None
    assert len(facts._facts) <= 4096
    assert facts.first(replace(fact(reporter="pm09"), node="n4999")) is not None
