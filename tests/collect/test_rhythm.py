"""When a cluster is asked."""

from collections.abc import Collection
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from hamon.collect.rhythm import APART, LAST_RETRY, LOST_APART, Rhythm


def rhythm(now: float = 0.0, spread: float = 0.0) -> Rhythm:
    return Rhythm(now, interval=10, quiet_interval=30, spread=lambda: spread)


def asked(it: Rhythm, until: float, changes: Collection[int] = ()) -> list[float]:
    """When it asks up to a time, each answer coming at once; `changes`: which answers show something new."""
    times: list[float] = []
    while it.due <= until:
        now = it.due
        it.asks(now)
        it.answered(now, changed=len(times) in changes)
        times.append(now)
    return times


def test_it_asks_at_its_interval_and_more_slowly_when_nothing_changed_for_long() -> None:
    it = rhythm()
    assert asked(it, 200) == [*range(0, 121, 10), 150, 180]


def test_after_an_event_it_asks_at_once_and_some_more_times() -> None:
    it = rhythm()
    asked(it, 300)
    it.nudge(305)
    assert asked(it, 340) == [305, 307, 310, 315, 325, 335]


def test_events_in_a_row_are_gathered() -> None:
    it = rhythm()
    asked(it, 300)
    for tenth in range(10):
        it.nudge(305 + tenth / 10)
    assert asked(it, 306) == [305.9]
    it.nudge(306)
    assert asked(it, 320)[0] == 305.9 + APART


def test_a_change_that_nobody_told_of_is_looked_at_again_soon_but_one_that_goes_on_is_not() -> None:
    it = rhythm()
    asked(it, 290)
    times = asked(it, 400, {0, 1, 2, 3, 4, 5, 6, 7, 8})
    first = times[0]
    assert [at - first for at in times[:5]] == [0, 2, 5, 10, 20]


def test_a_lost_cluster_is_asked_less_and_less_often_and_an_event_does_not_hurry_it_much() -> None:
    it = rhythm()
    times = []
    while it.due <= 400:
        times.append(it.due)
        it.asks(it.due)
        it.failed(times[-1])
    gaps = [after - before for before, after in pairwise(times)]
    assert gaps[0] == 2
    assert gaps == sorted(gaps)
    assert gaps[-1] == LAST_RETRY
    it.nudge(times[-1] + 1)
    assert it.due == times[-1] + LOST_APART


def test_when_it_answers_again_the_old_pace_is_taken_up() -> None:
    it = rhythm()
    for _ in range(5):
        now = it.due
        it.asks(now)
        it.failed(now)
    now = it.due
    it.asks(now)
    it.answered(now, changed=True)
    assert it.due - now == 2


@given(
    st.floats(-1, 1),
    st.lists(st.tuples(st.sampled_from(["nudge", "good", "news", "bad"]), st.floats(0, 5)), max_size=200),
)
def test_two_questions_are_never_closer_than_a_second_nor_further_apart_than_a_minute(
    spread: float, steps: list[tuple[str, float]]
) -> None:
    it = rhythm(spread=spread)
    now, last = 0.0, None
    for what, pause in steps:
        if what == "nudge":
            now += pause
            it.nudge(now)
            continue
        due = max(it.due, now)
        if last is not None:
            assert due - last >= APART - 1e-6
            assert it.due - now <= LAST_RETRY * 1.1 + 1e-6
        now = last = due
        it.asks(now)
        now += pause
        if what == "bad":
            it.failed(now)
        else:
            it.answered(now, changed=what == "news")


def test_a_storm_of_events_is_asked_about_some_twenty_times_a_minute() -> None:
    it = rhythm()
    times = []
    for tenth in range(1200):
        now = tenth / 10
        it.nudge(now)
        if it.due <= now:
            it.asks(now)
            it.answered(now, changed=True)
            times.append(now)
    assert 12 <= len([at for at in times if at > 60]) <= 24
