"""Old history goes, what is open or undelivered stays."""

import asyncio
from dataclasses import replace
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hamon.model.delivery import Delivery, DeliveryState
from hamon.model.incident import IncidentState, Transition
from hamon.ports import EventFilter, IncidentFilter, Recording
from hamon.store import migrate
from hamon.store.database import Role, connect, parse_url
from hamon.store.retention import used_bytes
from hamon.store.store import SqlStore
from tests.store.samples import at, closing, delivery, event, incident, step
from tests.store.test_round_trip import empty

MIB = 1024 * 1024


async def test_events_are_pruned_by_the_time_they_were_received(store: SqlStore) -> None:
    await store.record(Recording(events=[event(number, at=at(-(10**6)), raw=f"{number}") for number in range(2500)]))
    assert await store.prune(older_than=at(2000), max_bytes=None) == 1999
    left = await store.events(EventFilter(limit=5000))
    assert [stored.event.raw for stored in left] == [f"{number}" for number in reversed(range(1999, 2500))]
    assert await store.prune(older_than=at(2000), max_bytes=None) == 0


async def test_event_ids_are_never_used_twice(store: SqlStore) -> None:
    await store.record(Recording(events=[event(1), event(2)]))
    newest = (await store.events(EventFilter()))[0].id
    await store.prune(older_than=at(1000), max_bytes=0)
    await store.record(Recording(events=[event(3)]))
    assert (await store.events(EventFilter()))[0].id > newest


async def test_a_finished_incident_goes_with_its_parts_and_all_that_was_told(store: SqlStore) -> None:
    whole, part = incident("whole"), incident("part", part_of="whole")
    steps = [step(1, whole), step(1, part), closing(2, part), closing(2, whole)]
    told = [delivery(each, state=DeliveryState.SENT) for each in steps] + [delivery(steps[0], "hook", state=DeliveryState.FAILED)]
    await store.record(Recording(transitions=steps, deliveries=told))
    assert await store.prune(older_than=at(2), max_bytes=None) == 0
    assert await store.prune(older_than=at(3), max_bytes=None) == 2 + 4 + 5
    assert await store.incidents(IncidentFilter(include_parts=True)) == []
    assert await store.transitions("pm01", "whole") == []
    assert await store.deliveries("pm01", "whole") == []


async def test_a_part_stays_with_its_open_whole(store: SqlStore) -> None:
    part = incident("part", part_of="whole")
    await store.record(Recording(transitions=[step(1, incident("whole")), step(1, part), closing(2, part)]))
    assert await store.prune(older_than=at(10**6), max_bytes=0) == 0
    assert [each.key for each in await store.parts("pm01", "whole")] == ["part"]


async def test_a_whole_stays_with_its_open_part(store: SqlStore) -> None:
    whole = incident("whole")
    await store.record(Recording(transitions=[step(1, whole), closing(2, whole), step(1, incident("part", part_of="whole"))]))
    assert await store.prune(older_than=at(10**6), max_bytes=0) == 0
    assert await store.incident("pm01", "whole") is not None


async def test_a_part_whose_whole_is_gone_is_pruned_on_its_own(store: SqlStore) -> None:
    part = incident("part", part_of="nosuch")
    await store.record(Recording(transitions=[step(1, part), closing(2, part)]))
    assert await store.prune(older_than=at(10), max_bytes=None) == 3


async def test_an_incident_that_goes_on_after_it_was_pruned_is_stored_whole(store: SqlStore) -> None:
    await store.record(Recording(transitions=[step(1), closing(2)]))
    assert await store.prune(older_than=at(10), max_bytes=None) == 3
    await store.record(Recording(transitions=[step(3)]))
    assert await store.transitions("pm01", "failover:1") == [step(3)]


# Incidents a to c may have parts d to f; each is open or closed at some time, told or not.
stories = st.lists(
    st.tuples(
        st.sampled_from("abcdef"),
        st.none() | st.sampled_from("abc"),
        st.sampled_from(IncidentState),
        st.integers(min_value=0, max_value=20),
        st.none() | st.sampled_from(DeliveryState),
    ),
    unique_by=lambda story: story[0],
)


@given(stories=stories, cutoff=st.integers(min_value=0, max_value=21), by_size=st.booleans())
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow], deadline=None, max_examples=40)
def test_pruning_never_touches_what_is_open_or_undelivered(
    url: str, stories: list[tuple[str, str | None, IncidentState, int, DeliveryState | None]], cutoff: int, by_size: bool
) -> None:
    empty(url)
    steps: list[Transition] = []
    told: list[Delivery] = []
    for key, part_of, state, seconds, told_state in stories:
        first = step(1, incident(key, part_of=part_of if key in "def" else None, state=state), at=at(seconds))
        steps.append(first)
        if told_state is not None:
            told.append(delivery(first, state=told_state))

    async def check() -> None:
        store = SqlStore(url)
        try:
            await store.record(Recording(transitions=steps, deliveries=told))
            await store.prune(older_than=None if by_size else at(cutoff), max_bytes=0 if by_size else None)
            left = {each.key for each in await store.incidents(IncidentFilter(include_parts=True))}
            waiting = {each.transition.incident.key for each in told if each.state in (DeliveryState.PENDING, DeliveryState.SENDING)}
            for each in steps:
                key = each.incident.key
                is_open = each.incident.state is IncidentState.OPEN
                if is_open or key in waiting or (not by_size and each.at >= at(cutoff)):
                    assert key in left
                if key in left:
                    assert await store.transitions("pm01", key) == [each]
                    assert list(await store.deliveries("pm01", key)) == [one for one in told if one.transition is each]
            for part in left:
                story = next(each.incident for each in steps if each.incident.key == part)
                stored_whole = any(each.incident.key == story.part_of for each in steps)
                if stored_whole and story.state is IncidentState.OPEN:
                    assert story.part_of in left  # a story is not torn apart
        finally:
            await store.close()

    asyncio.run(check())


async def test_the_oldest_history_goes_first_when_there_is_too_much(store: SqlStore) -> None:
    old, new = incident("old", detected_at=at(1)), incident("new", detected_at=at(11_000))
    await store.record(Recording(transitions=[step(1, old), closing(2, old), step(1, new), replace(closing(2, new), at=at(11_000))]))
    for start in range(0, 12_000, 1000):
        await store.record(Recording(events=[event(number, raw=f"{number} " + "x" * 1000) for number in range(start, start + 1000)]))
    before = await store.size_bytes()
    assert await store.prune(older_than=None, max_bytes=before // 2) > 1000
    left = [int(stored.event.raw.split()[0]) for stored in await store.events(EventFilter(limit=20_000))]
    assert left == list(reversed(range(left[-1], 12_000)))
    assert 2000 < len(left) < 8000
    assert [each.key for each in await store.incidents(IncidentFilter())] == ["new"]
    assert await store.prune(older_than=None, max_bytes=before // 2) == 0


async def test_an_sqlite_file_becomes_smaller(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/hamon.db"
    migrate.upgrade(url)
    store = SqlStore(url)
    for start in range(0, 12_000, 1000):
        await store.record(Recording(events=[event(number, raw="x" * 1000) for number in range(start, start + 1000)]))
    await store.prune(older_than=None, max_bytes=4 * MIB)
    await store.close()
    assert (tmp_path / "hamon.db").stat().st_size < 7 * MIB


async def test_recording_goes_on_while_history_is_pruned(store: SqlStore) -> None:
    for start in range(0, 20_000, 1000):
        await store.record(Recording(events=[event(number) for number in range(start, start + 1000)]))
    pruning = asyncio.create_task(store.prune(older_than=at(10**6), max_bytes=None))
    recorded = 0
    while not pruning.done():
        await store.record(Recording(events=[event(2 * 10**6, raw="new")]))
        recorded += 1
    assert await pruning == 20_000
    assert recorded > 5
    assert len(await store.events(EventFilter(text="new", limit=1000))) == min(recorded, 1000)


async def test_the_estimated_size_is_near_that_of_the_files(store: SqlStore, url: str) -> None:
    """PostgreSQL does not tell the size of live rows; ours must be good enough to keep a limit. (Enough rows that SQLite's log, which stays
    at some 4 MB, does not count.)"""
    steps = [step(number) for number in range(1, 200)]
    for start in range(0, 50_000, 1000):
        await store.record(Recording(events=[event(number) for number in range(start, start + 1000)]))
    await store.record(Recording(transitions=steps))
    engine = connect(parse_url(url), Role.READ)
    with engine.begin() as connection:
        used = used_bytes(connection)
    engine.dispose()
    assert 0.7 < used / await store.size_bytes() < 1.3
