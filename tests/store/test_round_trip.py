"""Every record survives the store."""

import asyncio

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hamon.model.event import Event
from hamon.model.incident import Transition
from hamon.model.observation import ReadPosition
from hamon.ports import EventFilter, Recording
from hamon.store.database import Role, connect, parse_url
from hamon.store.store import SqlStore
from hamon.store.tables import metadata
from tests.store import samples

# Each example gets an emptied database; function-scoped is what the fixture is meant to be here.
shared = settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow], deadline=None, max_examples=60)


def empty(url: str) -> None:
    engine = connect(parse_url(url), Role.WRITE)
    with engine.begin() as connection:
        for table in reversed(metadata.sorted_tables):
            connection.execute(table.delete())
    engine.dispose()


async def store_and_read_events(url: str, events: list[Event]) -> list[Event]:
    store = SqlStore(url)
    try:
        await store.record(Recording(events=events))
        return [stored.event for stored in await store.events(EventFilter(limit=len(events) + 1))]
    finally:
        await store.close()


@given(events=st.lists(samples.events, max_size=4))
@shared
def test_every_event_survives_the_store(url: str, events: list[Event]) -> None:
    empty(url)
    found = asyncio.run(store_and_read_events(url, events))
    assert found == events[::-1]
    assert [repr(event.detail) for event in found] == [repr(event.detail) for event in events[::-1]]  # 1, 1.0 and True are different


@given(data=st.data(), history=samples.histories())
@shared
def test_every_transition_incident_and_delivery_survives_the_store(url: str, data: st.DataObject, history: list[Transition]) -> None:
    empty(url)
    told = [data.draw(samples.deliveries(step)) for step in history if data.draw(st.booleans())]
    told = list({delivery.id: delivery for delivery in told}.values())
    batches = data.draw(st.lists(st.integers(min_value=0, max_value=len(history)), max_size=2).map(sorted))
    restart = data.draw(st.booleans())
    cluster, key = history[0].incident.cluster, history[0].incident.key

    async def check() -> None:
        store = SqlStore(url)
        try:
            for start, end in zip([0, *batches], [*batches, len(history)], strict=True):
                await store.record(Recording(transitions=history[start:end]))
                if restart:
                    await store.close()
                    store = SqlStore(url)
            await store.record(Recording(deliveries=told))
            assert list(await store.transitions(cluster, key)) == history
            assert await store.incident(cluster, key) == history[-1].incident
            found = {delivery.id: delivery for delivery in await store.deliveries(cluster, key)}
            assert found == {delivery.id: delivery for delivery in told}
        finally:
            await store.close()

    asyncio.run(check())


@given(
    positions=st.lists(samples.positions, max_size=4, unique_by=lambda position: (position.collector, position.device, position.inode)),
    states=st.dictionaries(samples.names, st.binary(max_size=2000), max_size=3),
)
@shared
def test_every_read_position_and_state_survives_the_store(url: str, positions: list[ReadPosition], states: dict[str, bytes]) -> None:
    empty(url)

    async def check() -> None:
        store = SqlStore(url)
        try:
            await store.record(Recording(positions=positions, states=states))
            found = await store.remembered()
            assert set(found.positions) == set(positions)
            assert found.states == states
        finally:
            await store.close()

    asyncio.run(check())
