"""A clock that is off is found by the running pipeline: stamps in the history are right, people are told, and a restart knows it."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

from hamon.classify.routes import Target
from hamon.classify.settings import ClusterSettings
from hamon.model.observation import LogChunk
from hamon.ports import EventFilter, IncidentFilter
from tests.fakes import FakeClock
from tests.processing import Processing

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)


def line(node: str, at: datetime, number: int) -> bytes:
    text = f"attrd[104]:  notice: Setting attr{number}[{node}]: (unset) -> {number}"
    if number == 0:
        text = f"controld[106]:  notice: Node {node} state is now member"
    return f"{at:%b %d %H:%M:%S} {node} pacemaker-{text}\n".encode()


async def test_stamps_are_put_right_people_are_told_and_a_restart_knows_the_clock(tmp_path: Path) -> None:
    clock = FakeClock(NOW)

    async def read(number: int) -> None:
        """pm01 is right, pm02 is 20 s ahead; both write, and are read at once."""
        clock.advance(10)
        chunks = [
            LogChunk(cluster="web01", collector=node, path="/log", data=line(node, at, number), offset=0, received_at=clock.now())
            for node, at in (("pm01", clock.now()), ("pm02", clock.now() + timedelta(seconds=20)))
        ]
        await it.give(*chunks)

    async with Processing(tmp_path, clock, ClusterSettings(name="web01"), targets=[Target(name="ops")]) as it:
        for number in range(4):
            await read(number)
        (view,) = it.processor.clusters()
        ahead = {node.name: round(node.clock_ahead_seconds) for node in view.nodes}
        assert ahead == {"pm01": 0, "pm02": 20}
        (incident,) = await it.store.incidents(IncidentFilter(cluster="web01"))
        assert (incident.kind, incident.nodes) == ("clock_skew", ("pm02",))
        assert [one.target for one in await it.store.deliveries("web01", incident.key)] == ["ops"]

        await it.restart()
        await read(9)
        newest = [item.event for item in await it.store.events(EventFilter(cluster="web01", limit=2))]
        assert {event.reporter for event in newest} == {"pm01", "pm02"}
        assert all(abs((event.at - clock.now()).total_seconds()) <= 1 for event in newest)
        (incident,) = await it.store.incidents(IncidentFilter(cluster="web01"))
        assert len(await it.store.deliveries("web01", incident.key)) == 1
