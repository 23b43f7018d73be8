"""How far clocks are apart is taken from what several nodes tell, and only from what agrees."""

from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from hamon.classify.clocks import LEAST, ahead, by_one_clock
from hamon.model.event import Event, EventKind
from tests.classify.happenings import BEGIN
from tests.events import happened


def told(reporter: str, *moments: tuple[str, float]) -> list[Event]:
    return [
        happened(
            EventKind.RESOURCE_STARTED,
            BEGIN + timedelta(seconds=seconds),
            received_at=BEGIN,
            node="pm01",
            resource=resource,
            reporter=reporter,
            ref=f"/{reporter}@0",
        )
        for resource, seconds in moments
    ]


FACTS = (("a", 0.1), ("b", 3.2), ("c", 9.7), ("d", 20.4))


@given(st.floats(-200, 200), st.lists(st.floats(-0.2, 0.2), min_size=4, max_size=4))
def test_a_clock_is_put_right_to_within_what_the_facts_agree_on(seconds: float, delays: list[float]) -> None:
    right = told("pm01", *FACTS, ("e", 30.0))
    wrong = told("pm02", *((name, at + seconds + delay) for (name, at), delay in zip(FACTS, delays, strict=True)))
    found = ahead([wrong, right])
    if abs(seconds) >= LEAST.total_seconds() + 0.2:
        assert set(found) == {"pm02"}
    for event in by_one_clock(wrong, found):
        true = next(at for name, at in FACTS if name == event.resource)
        assert abs((event.at - BEGIN).total_seconds() - true) <= max(LEAST.total_seconds() + 0.2, 0.6)


def test_facts_that_do_not_agree_say_nothing_of_clocks() -> None:
    other = told("pm02", ("a", 2.0), ("b", 9.0), ("c", 30.0))
    assert ahead([told("pm01", *FACTS), other]) == {}


def test_a_single_fact_says_nothing_of_clocks() -> None:
    assert ahead([told("pm01", *FACTS), told("pm02", ("a", 5.0))]) == {}


def test_a_clock_is_compared_through_a_third_node() -> None:
    first = told("pm01", *FACTS, ("x", 1.0), ("y", 2.0), ("z", 3.0), ("w", 4.0))
    second = told("pm02", ("a", 5.1), ("b", 8.2), ("c", 14.7), ("q", 40.1), ("r", 41.1), ("s", 43.1))
    third = told("pm03", ("q", 30.1), ("r", 31.1), ("s", 33.1))
    assert ahead([first, second, third]) == {"pm02": timedelta(seconds=5), "pm03": timedelta(seconds=-5)}


def test_a_log_of_whole_seconds_stays_one() -> None:
    found = by_one_clock(told("pm02", ("a", 5.0), ("b", 9.0)), {"pm02": timedelta(seconds=4.6)})
    assert [event.at for event in found] == [BEGIN, BEGIN + timedelta(seconds=4)]
