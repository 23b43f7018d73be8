"""hamon tails nothing: the nodes' own rsyslog sends it their logs, and polls tell where things are. The same happenings and assertions."""

from itertools import count
from pathlib import Path

import pytest

from tests.cluster import happenings
from tests.cluster.beside import Watch, watched
from tests.cluster.cluster import Cluster
from tests.cluster.course import goes_right
from tests.cluster.happenings import HAPPENINGS
from tests.cluster.sending import collector, sending
from tests.gateway.harness import eventually
from tests.truth import mains


async def all_send(watch: Watch, transport: str) -> None:
    """Wait until each node sends what it logs: its rsyslog begins at the end of the logs that it finds."""
    nodes, marks = watch.cluster.nodes, count(1)

    async def told() -> set[str]:
        await watch.do(watch.cluster.on, nodes[0], "attrd_updater", "-n", f"over-{transport}", "-U", str(next(marks)))
        return {event["reporter"] for event in await watch.hamon.events() if event["source"] == "log" and "over-" in event["raw"]}

    await eventually(told, lambda found: found == set(nodes), seconds=60)


@pytest.mark.full
@pytest.mark.parametrize("transport", ["tcp", "udp"])
async def test_logs_that_rsyslog_sends_tell_a_failover_and_a_fault_of_the_standby(cluster: Cluster, tmp_path: Path, transport: str) -> None:
    more = collector(cluster.nodes, transport)
    async with watched(tmp_path, cluster, logs=(), traps=False, **more) as watch:
        with sending(cluster, transport):
            await all_send(watch, transport)
            for happening in (happenings.resource_failure, happenings.standby_power_loss):
                incidents = await goes_right(
                    watch, HAPPENINGS[happening.__name__], evidence=f"logs by syslog over {transport.upper()}, polls"
                )
                assert all("log" in one["sources"] for one in mains(incidents))
        sources = (await watch.hamon.json("/api/v1/sources"))["sources"]
        assert set(cluster.nodes) <= {source["path"] for source in sources}
        received = 'hamon_syslog_received_total{collector="nodes",transport="%s"}'
        assert (await watch.hamon.metrics())[received % transport] > 500
