"""A notification whose progress the database will never take holds up no other, is not sent again and again, and is said."""

import asyncio

import pytest

from hamon.classify.routes import Target
from hamon.model.delivery import DeliveryState
from hamon.pipeline import Deliverer, Outlet
from hamon.ports import Recording
from hamon.store.store import SqlStore
from tests.fakes import FakeClock
from tests.store.samples import at, delivery, incident, step
from tests.store.test_refused import statement
from tests.test_delivery_loop import Recorder, compose, ids


async def test_a_notification_that_cannot_be_marked_is_sent_once_and_the_next_ones_as_well(
    url: str, caplog: pytest.LogCaptureFixture
) -> None:
    steps = [step(1, incident(f"departure-{number}")) for number in (1, 2, 3)]
    deliveries = [delivery(one) for one in steps]
    store = SqlStore(url, clock=FakeClock(at(10)))
    recorder = Recorder()
    deliverer = Deliverer(store, {"mail": Outlet(target=Target(name="mail"), notifier=recorder)}, compose, FakeClock(at(10)))
    try:
        await store.record(Recording(transitions=steps, deliveries=deliveries))
        statement(
            url,
            "CREATE TRIGGER never BEFORE UPDATE ON deliveries WHEN NEW.id LIKE '%departure-1/%' BEGIN SELECT RAISE(ABORT, 'no'); END",
            "ALTER TABLE deliveries ADD CONSTRAINT never CHECK (id NOT LIKE '%departure-1/%' OR state = 'pending')",
        )
        running = asyncio.create_task(deliverer.run())
        async with asyncio.timeout(30):
            while (await store.pending_deliveries()).get("mail", 0) > 1 or len(recorder.sent) < 3:
                deliverer.wake()
        for _ in range(3):  # it stands in the outbox as before, and is asked for again
            deliverer.wake()
            await store.pending_deliveries()
        running.cancel()
        await asyncio.wait([running])
        assert sorted(ids(recorder.sent)) == [one.id for one in deliveries]
        states = [(await store.deliveries(one.incident.cluster, one.incident.key))[0].state for one in steps]
        assert states == [DeliveryState.PENDING, DeliveryState.SENT, DeliveryState.SENT]
        said = [record for record in caplog.records if record.name == "hamon.pipeline.deliver"]
        assert [(record.levelname, record.message) for record in said] == [("ERROR", "how a notification fares cannot be recorded")]
    finally:
        await store.close()
