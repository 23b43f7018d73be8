"""Laws of polls: the same twice is nothing, a missing answer changes no verdict, a node that lags behind undoes nothing."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hamon.classify.compare import Watch
from hamon.classify.settings import ClusterSettings
from hamon.model.cluster import ClusterStatus
from hamon.model.incident import Incident
from hamon.model.observation import Snapshot
from tests import peers
from tests.cib import SCENARIOS, Cib, one_plus_one, ping_lost, standby_node
from tests.classify.polled import START, Outcome, Scene, judge, snapshots, status_of
from tests.classify.test_polled_sequences import cross, n_plus_one, promotable
from tests.snapshots import NAMES
from tests.snapshots import snapshots as recorded

SCENE_SECONDS = 8
"""How long a state lasts, in polls one second apart."""


@pytest.fixture(autouse=True, scope="module")
def _crm_mon() -> None:
    peers.need("crm_mon")


def essence(found: Outcome) -> list[tuple[object, ...]]:
    """What an operator is told: not when, but what, of whom, whether planned, and how it ended."""
    return sorted(
        (item.kind, item.planned, item.outcome, item.from_node or "", item.to_node or "", item.nodes, item.fenced, _is_over(item))
        for item in found.mains
    )


def _is_over(incident: Incident) -> bool:
    return incident.resolved_at is not None


def scenes(*cibs: tuple[Cib, tuple[str, ...]]) -> tuple[Scene, ...]:
    return tuple(Scene(number * SCENE_SECONDS, cib, fenced) for number, (cib, fenced) in enumerate(cibs))


FENCED = ("n1",)
FILMS = {
    "cross": scenes(
        (cross(), ()),
        (cross("n1", "unclean"), ()),
        (cross(None, "offline"), FENCED),
        (cross("n2", "offline"), FENCED),
        (cross("n2"), FENCED),
    ),
    "N+1": scenes(
        (n_plus_one(), ()),
        (n_plus_one("n1", "unclean"), ()),
        (n_plus_one("spare", "offline"), FENCED),
        (n_plus_one("spare"), FENCED),
    ),
    "promotable": scenes(
        (promotable(), ()), (promotable(n1="unclean"), ()), (promotable("n2", None, "offline"), FENCED), (promotable("n2", "n1"), FENCED)
    ),
    "ping": scenes((one_plus_one(), ()), (ping_lost(), ()), (one_plus_one(), ())),
    "standby": scenes((one_plus_one(), ()), (standby_node(), ()), (one_plus_one(), ())),
}


def film(name: str, *, skip: frozenset[int] = frozenset()) -> list[Snapshot]:
    return snapshots(FILMS[name], until=len(FILMS[name]) * SCENE_SECONDS + 4, skip=skip)


@given(st.sampled_from(sorted(FILMS)), st.data())
@settings(max_examples=60, deadline=None)
def test_answers_that_are_missing_change_no_verdict_as_long_as_every_state_is_seen(name: str, data: st.DataObject) -> None:
    skip: set[int] = set()
    for number in range(len(FILMS[name])):
        own = range(number * SCENE_SECONDS, (number + 1) * SCENE_SECONDS)
        skip |= data.draw(st.sets(st.sampled_from(list(own)), max_size=SCENE_SECONDS - 4))
    skip.discard(0)
    assert essence(judge(film(name, skip=frozenset(skip)))) == essence(judge(film(name)))


@given(st.sampled_from(sorted(FILMS)), st.lists(st.integers(1, 3), min_size=1, max_size=50))
@settings(max_examples=40, deadline=None)
def test_polls_that_are_repeated_at_once_change_nothing(name: str, times: Sequence[int]) -> None:
    polls = film(name)
    repeated = []
    for number, poll in enumerate(polls):
        for again in range(times[number % len(times)]):
            at = poll.status.at + timedelta(milliseconds=again)
            repeated.append(replace(poll, status=replace(poll.status, at=at), received_at=at))
    plain, more = judge(polls), judge(repeated)
    assert essence(more) == essence(plain)
    assert [(event.kind, event.node, event.resource) for event in more.events] == [
        (event.kind, event.node, event.resource) for event in plain.events
    ]


@given(st.sampled_from(sorted(FILMS)), st.floats(0.0, 0.4), st.booleans())
@settings(max_examples=40, deadline=None)
def test_of_two_nodes_that_are_asked_the_one_that_lags_undoes_nothing(name: str, lag: float, second_first: bool) -> None:
    polls = film(name)
    behind = timedelta(seconds=lag)
    both = []
    for number, poll in enumerate(polls):
        old = polls[max(0, number - 1)] if second_first or lag > 0.2 else poll
        at = poll.status.at + (-behind if second_first else behind)
        other = replace(old, status=replace(old.status, at=at), received_at=at, path="two")
        both += [other, poll] if second_first else [poll, other]
    assert essence(judge(both)) == essence(judge(polls))


def quiet(status: ClusterStatus, seconds: float, digest: str) -> Snapshot:
    at = START + timedelta(seconds=seconds)
    return Snapshot(cluster="c", collector="p", status=replace(status, at=at), digest=digest, received_at=at, path="one")


@pytest.mark.parametrize("name", sorted(set(SCENARIOS) - {"large"}))
def test_a_status_compared_with_itself_gives_nothing_and_opens_nothing_that_alarms(name: str) -> None:
    status = status_of(SCENARIOS[name](), START)
    watch = Watch(ClusterSettings(name="c"))
    told = [watch.see(quiet(status, number, str(number))) for number in range(6)]
    # That a member is unclean counts once it is shown twice.
    assert [event.kind for events in told for event in events if event.kind != "node_unclean"] == []
    found = judge([quiet(status, number, "same") for number in range(60)])
    assert [item for item in found.mains if item.kind not in ("node_lost", "maintenance")] == []


@pytest.mark.parametrize("recording", NAMES)
def test_asking_one_node_only_is_enough_where_it_lives(recording: str) -> None:
    """Both nodes of a recording were asked; where one of them answers all the time, its answers alone give the same verdict."""
    polls = recorded(recording)
    for name in sorted({poll.path for poll in polls}):
        own = [poll for poll in polls if poll.path == name]
        gaps = [(later.status.at - poll.status.at).total_seconds() for poll, later in pairwise([*own, polls[-1]])]
        if max(gaps) > 2.5 or any(poll.status.dc is None for poll in own):
            continue  # it was down for a while
        assert essence(judge(own)) == essence(judge(polls)), name
