"""What is remembered of a cluster is bounded, whatever its sources say, and a real cluster loses nothing by that."""

from datetime import timedelta

import pytest

from hamon.classify import bounds
from hamon.model.incident import IncidentState
from hamon.model.observation import Tick
from tests.bench.state import DAY, day, feed, line, size
from tests.classify.cluster_log import UP, Cluster, moved, moves

MOST_BYTES = 3 * 1024 * 1024
"""Of a state that is full of names that mean nothing."""


def garbage(cluster: Cluster, count: int) -> None:
    """Lines that the rules know, about nodes, resources, attributes and constraints that nobody ever heard of."""
    at = DAY + timedelta(hours=9, minutes=1)
    for begin in range(0, count, 500):
        text = "".join(
            line(at, "pm01", "controld", f"Node x{number} state is now member")
            + line(at, "pm01", "controld", f"Result of start operation for prm{number} on x{number}: ok")
            + line(at, "pm01", "attrd", f"Setting attr{number}[x{number}]: (unset) -> {number}")
            + (
                line(at, "pm01", "controld", f"Result of monitor operation for bad{number} on pm01: not running")
                if number % 20 == 0
                else ""
            )
            for number in range(begin, begin + 500)
        )
        feed(cluster.engine, text, at)
        assert bounds.is_within(cluster.engine.state)


@pytest.mark.parametrize("count", [1100, pytest.param(6000, marks=pytest.mark.full)])
def test_names_that_mean_nothing_do_not_pile_up_and_a_failover_is_still_told(count: int) -> None:
    cluster = Cluster().log(UP)
    garbage(cluster, count)
    state = cluster.engine.state
    assert len(state.nodes) == bounds.MAX_NODES
    assert len(state.resources) == bounds.MAX_RESOURCES
    assert {"pm01", "pm02"} <= state.nodes.keys()
    assert len(cluster.engine.open_incidents()) <= bounds.MAX_OPEN
    assert size(cluster.engine) < MOST_BYTES
    cluster.log("10:30:00 pm01 controld: Result of monitor operation for prmPg on pm01: not running")
    cluster.log(moves("pm01", "pm02", "10:30:01")).log(moved("pm01", "pm02", "10:30:03")).until("10:30:30")
    assert "failover opening" in cluster.told()


def test_above_the_limit_the_oldest_open_incident_expires_and_says_why() -> None:
    cluster = Cluster().log(UP)
    at = DAY + timedelta(hours=10)
    count = bounds.MAX_OPEN + 5
    steps = []
    for number in range(count):
        text = f"Result of monitor operation for bad{number} on pm01: not running"
        chunk = line(at + timedelta(seconds=number), "pm01", "controld", text)
        cluster.log(f"{chunk[7:15]} pm01 controld: {text}")
    steps = [step for step in cluster.steps if step.kind == "expired"]
    assert [step.incident.resources for step in steps] == [(f"bad{number}",) for number in range(5)]
    assert {step.reason for step in steps} == {"more incidents are open than can be"}
    assert len([one for one in cluster.incidents if one.state is IncidentState.OPEN]) == bounds.MAX_OPEN


@pytest.mark.parametrize(("nodes", "most"), [(2, 150_000), (32, 250_000)])
def test_a_bad_day_fits_into_what_the_readme_says(nodes: int, most: int) -> None:
    greatest, _, engine = day(nodes, hours=3)
    assert greatest < most
    assert bounds.is_within(engine.state)
    engine.advance([Tick(now=DAY + timedelta(days=3))])
    assert size(engine) < greatest
