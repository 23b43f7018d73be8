"""Snapshots are kept small, whole, and as long as they are needed."""

from collections.abc import Sequence
from dataclasses import fields, is_dataclass, replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from pathlib import Path
from types import UnionType
from typing import Any, Union, cast, get_args, get_origin, get_type_hints

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import func, select

from hamon.errors import StoreError
from hamon.model.cluster import AttributeStatus, ClusterStatus, GroupStatus, HistoryStatus, InstanceStatus, NodeStatus, Role
from hamon.model.observation import Polled, Snapshot
from hamon.ports import Recording
from hamon.store import migrate, snapshots
from hamon.store.database import Role as Use
from hamon.store.database import connect, parse_url
from hamon.store.store import SqlStore
from hamon.store.tables import snapshots as table
from tests.store.samples import at


def snapshot(seconds: float, status: ClusterStatus, digest: str = "", cluster: str = "pm01") -> Snapshot:
    return Snapshot(cluster=cluster, collector="polls", path="n1", status=status, digest=digest or str(seconds), received_at=at(seconds))


def found(seconds: float, status: ClusterStatus, cluster: str = "pm01") -> Polled:
    return Polled(cluster=cluster, snapshot=snapshot(seconds, status, cluster=cluster), since=at(seconds))


def again(seconds: float, state: Polled) -> Polled:
    assert state.snapshot is not None
    return replace(state, snapshot=replace(state.snapshot, received_at=at(seconds)))


def unknown(seconds: float, state: Polled, reason: str = "not connected") -> Polled:
    return replace(state, unknown_since=at(seconds), reason=reason)


def any_of(kind: Any) -> st.SearchStrategy[Any]:
    """Any value of a type of the model, every field of it included."""
    if is_dataclass(kind):
        hints = get_type_hints(kind)
        return st.builds(cast(Any, kind), **{field.name: any_of(hints[field.name]) for field in fields(kind)})
    if get_origin(kind) in (Union, UnionType):
        return st.one_of([any_of(one) for one in get_args(kind)])
    if get_origin(kind) is tuple:
        inner = get_args(kind)
        if inner[-1] is Ellipsis:
            return st.lists(any_of(inner[0]), max_size=3).map(tuple)
        return st.tuples(*[any_of(one) for one in inner])
    if kind is type(None):
        return st.none()
    if isinstance(kind, type) and issubclass(kind, StrEnum):
        return st.sampled_from(kind)
    plain: dict[Any, st.SearchStrategy[Any]] = {
        str: st.text(max_size=8),
        int: st.integers(-(2**53), 2**53),
        bool: st.booleans(),
        float: st.floats(allow_nan=False, allow_infinity=False),
        datetime: st.datetimes(min_value=datetime(1971, 1, 1), max_value=datetime(2100, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001
    }
    return plain[kind]


STATUS = any_of(ClusterStatus)


@given(st.lists(STATUS, min_size=1, max_size=4))
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
async def test_every_status_comes_out_as_it_went_in(tmp_path: Path, statuses: Sequence[ClusterStatus]) -> None:
    url = f"sqlite:///{tmp_path}/hamon.db"
    migrate.upgrade(url)
    store = SqlStore(url)
    cluster = f"c{len(list(tmp_path.iterdir()))}-{id(statuses)}"
    try:
        states = [found(number, status, cluster) for number, status in enumerate(statuses)]
        await store.record(Recording(polls=states))
        for state, status in zip(states, statuses, strict=True):
            assert state.since is not None
            read = await store.state_at(cluster, state.since)
            assert read == state
            assert read is not None
            assert read.snapshot is not None
            assert read.snapshot.status == status
    finally:
        await store.close()


def big(changed: int = 0) -> ClusterStatus:
    """A cluster of 8 nodes and 60 groups of two, in which something small changes."""
    nodes = tuple(NodeStatus(name=f"n{n}", id=str(n), online=n != changed) for n in range(1, 9))
    groups = tuple(
        GroupStatus(
            id=f"g{g}",
            members=tuple(InstanceStatus(id=f"g{g}r{r}", agent="ocf:heartbeat:Dummy", role=Role.STARTED, active=True) for r in (1, 2)),
        )
        for g in range(60)
    )
    history = tuple(HistoryStatus(node=node.name, resource=f"g{g}r1", fail_count=g == changed) for node in nodes for g in range(60))
    return ClusterStatus(at=at(changed), dc="n1", nodes=nodes, resources=groups, history=history)


async def test_a_small_change_takes_little_room_also_in_a_large_cluster(store: SqlStore, url: str) -> None:
    await store.record(Recording(polls=[found(number, big(number)) for number in range(1, 9)]))
    engine = connect(parse_url(url), Use.READ)
    with engine.begin() as connection:
        sizes = [row for (row,) in connection.execute(select(func.length(table.c.status)).order_by(table.c.at))]
    engine.dispose()
    assert max(sizes[1:]) < 400
    assert sizes[0] > 2 * max(sizes[1:])
    for number in range(1, 9):
        read = await store.state_at("pm01", at(number))
        assert read is not None
        assert read.snapshot is not None
        assert read.snapshot.status == big(number)


def plain(number: int) -> ClusterStatus:
    return ClusterStatus(at=at(number), dc="n1", attributes=(AttributeStatus(node="n1", name="pingd", value=str(number)),))


async def test_the_state_at_any_time_is_shown_with_its_last_answer_before(store: SqlStore) -> None:
    first, second = found(100, plain(1)), found(160, plain(2))
    await store.record(Recording(polls=[first]))
    await store.record(Recording(polls=[again(150, first), second, again(170, second)]))
    assert await store.state_at("pm01", at(99)) is None
    assert await store.state_at("other", at(200)) is None
    assert await store.state_at("pm01", at(100)) == first
    assert await store.state_at("pm01", at(130)) == again(130, first)
    assert await store.state_at("pm01", at(155)) == again(150, first)
    assert await store.state_at("pm01", at(160)) == second
    assert await store.state_at("pm01", at(175)) == again(170, second)


async def test_times_at_which_nobody_could_ask_are_unknown(store: SqlStore) -> None:
    first = found(100, plain(1))
    back = found(300, plain(1))
    await store.record(Recording(polls=[first, again(150, first), unknown(160, first)]))
    await store.record(Recording(polls=[unknown(160, first, "timeout"), back]))
    assert await store.state_at("pm01", at(155)) == again(150, first)
    assert await store.state_at("pm01", at(250)) == unknown(160, again(150, first), "timeout")
    assert await store.state_at("pm01", at(300)) == back


async def test_when_nothing_was_recorded_for_long_the_state_is_not_taken_for_known(store: SqlStore) -> None:
    await store.record(Recording(polls=[found(100, plain(1))]))
    near = await store.state_at("pm01", at(100) + snapshots.SILENCE)
    far = await store.state_at("pm01", at(101) + snapshots.SILENCE)
    assert near is not None
    assert near.unknown_since is None
    assert far is not None
    assert far.unknown_since == at(100)


async def test_a_cluster_that_never_answered_is_remembered_as_unknown(store: SqlStore) -> None:
    state = Polled(cluster="pm01", unknown_since=at(5), reason="not found")
    await store.record(Recording(polls=[state]))
    assert await store.state_at("pm01", at(10)) == state
    assert (await store.remembered()).polls == {"pm01": state}


async def test_the_last_state_of_every_cluster_is_there_after_a_restart(url: str) -> None:
    store = SqlStore(url)
    one, two = found(100, plain(1)), found(120, plain(2), "pm02")
    await store.record(Recording(polls=[one, two, again(140, two), unknown(150, one)]))
    await store.close()
    store = SqlStore(url)
    assert (await store.remembered()).polls == {"pm01": unknown(150, one), "pm02": again(140, two)}
    await store.record(Recording(polls=[found(200, plain(3), "pm02")]))
    assert await store.state_at("pm02", at(200)) == found(200, plain(3), "pm02")
    await store.close()


async def test_old_states_go_but_never_what_a_later_one_needs_nor_the_last(store: SqlStore) -> None:
    states = [found(10 * number, big(number)) for number in range(1, 9)]
    await store.record(Recording(polls=[*states, found(500, plain(1), "pm02")]))
    # At 45 the fourth state held; it, and the first, of which it tells the difference, stay.
    assert await store.prune(older_than=at(45), max_bytes=None) == 2
    assert await store.state_at("pm01", at(45)) == again(40, states[3])
    for state in states[3:]:
        assert state.since is not None
        assert await store.state_at("pm01", state.since) == state
    assert await store.prune(older_than=at(10**6), max_bytes=None) == 4
    assert (await store.remembered()).polls == {"pm01": states[-1], "pm02": found(500, plain(1), "pm02")}
    # What comes next does not lean on what is gone.
    new = found(2 * 10**6, big(3))
    await store.record(Recording(polls=[new]))
    assert await store.prune(older_than=at(2 * 10**6 + 1), max_bytes=None) == 2
    assert await store.state_at("pm01", at(2 * 10**6)) == new


async def test_a_batch_that_is_written_again_gives_the_same_states(store: SqlStore) -> None:
    recording = Recording(polls=[found(1, plain(1)), found(2, plain(2))])
    await store.record(recording)
    await store.record(recording)
    for number in (1, 2):
        assert await store.state_at("pm01", at(number)) == found(number, plain(number))


async def test_a_damaged_row_is_told_by_name_and_other_times_are_not_concerned(store: SqlStore, url: str) -> None:
    await store.record(Recording(polls=[found(1, plain(1)), found(2, plain(2))]))
    engine = connect(parse_url(url), Use.WRITE)
    with engine.begin() as connection:
        connection.execute(table.update().where(table.c.at == at(2).timestamp() * 10**6).values(status=b"no status"))
    engine.dispose()
    with pytest.raises(StoreError, match="the state of cluster pm01 at 2026-01-01T00:00:02Z cannot be read"):
        await store.state_at("pm01", at(2))
    assert await store.state_at("pm01", at(1) + timedelta(milliseconds=1)) == found(1, plain(1))
