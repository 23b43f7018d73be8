"""The order of the events of several logs."""

from dataclasses import replace
from datetime import UTC, datetime
from itertools import permutations
from time import process_time

from hamon.classify.order import causal_order, is_mixed
from hamon.model.event import Event, EventKind
from hamon.model.observation import Source

AT = datetime(2026, 11, 22, 10, 52, 22, tzinfo=UTC)


def line(kind: EventKind, place: int, **detail: str) -> Event:
    return Event(
        at=AT,
        received_at=AT,
        cluster="c",
        kind=kind,
        rule="r",
        source=Source.LOG,
        collector="c",
        node="pm01",
        resource="prmPg" if kind is not EventKind.STATE_CHANGED else None,
        reporter="pm01",
        detail=detail,
        raw=f"line {place}",
        ref=f"/log@{place}",
    )


def test_a_log_that_says_nothing_does_not_keep_another_from_being_put_in_order() -> None:
    began = line(EventKind.OPERATION_STARTED, 1, operation="stop")
    ended = line(EventKind.RESOURCE_STOPPED, 0)
    for logs in ([[], [ended, began]], [[ended, began], []], [[ended, began]]):
        assert list(causal_order(logs)) == [began, ended]
    assert list(causal_order([[], []])) == []
    assert list(causal_order([])) == []


def test_what_a_node_carries_out_comes_after_the_line_of_the_dc_that_orders_it() -> None:
    """The DC plans to recover in place, gives that up within the same second, and has the other node start it."""
    stopped = replace(line(EventKind.RESOURCE_STOPPED, 0, operation="stop"), node="pm02", reporter="pm02")
    moves = replace(line(EventKind.PLAN, 1, action="Move"), node=None, reporter="pm02")
    orders = replace(line(EventKind.OPERATION_STARTED, 2, operation="start"), reporter="pm02")
    begins = line(EventKind.OPERATION_STARTED, 0, operation="start")
    started = line(EventKind.RESOURCE_STARTED, 1, operation="start")
    for logs in permutations([[stopped, moves, orders], [begins, started]]):
        assert list(causal_order(logs)) == [stopped, moves, orders, begins, started]


def test_a_second_in_which_very_much_ends_is_looked_at_once() -> None:
    """Ten times as many ends take about ten times as long, in CPU; were each compared with all others, it would be a hundred."""

    def seconds(count: int) -> float:
        events = [replace(line(EventKind.RESOURCE_STARTED, number), resource=f"prm{number}") for number in range(count)]
        best = float("inf")
        for _ in range(3):
            began = process_time()
            assert not is_mixed(events)
            best = min(best, process_time() - began)
        return best

    assert seconds(4000) < 40 * seconds(400)
