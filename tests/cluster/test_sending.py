"""hamon tails nothing: the nodes' own rsyslog sends it their logs, and polls tell where things are. The same happenings and assertions."""

from pathlib import Path

import pytest

from tests.cluster import happenings
from tests.cluster.beside import NATIVE, Watch, watched
from tests.cluster.cluster import Cluster
from tests.cluster.course import goes_right
from tests.cluster.happenings import HAPPENINGS
from tests.cluster.sending import collector, sending
from tests.gateway.harness import eventually
from tests.truth import mains


async def behind(watch: Watch) -> dict[str, int]:
    """By node the lines of its logs that hamon has not received yet."""
    read = {source["path"]: source["lines_read"] for source in (await watch.hamon.json("/api/v1/sources"))["sources"]}
    written = {node: sum((watch.cluster.disk(node) / name).read_bytes().count(b"\n") for name in NATIVE) for node in watch.cluster.nodes}
    return {node: count - read.get(node, 0) for node, count in written.items() if count > read.get(node, 0)}


@pytest.mark.full
@pytest.mark.parametrize("transport", ["tcp", "udp"])
async def test_logs_that_rsyslog_sends_tell_a_failover_and_a_fault_of_the_standby(cluster: Cluster, tmp_path: Path, transport: str) -> None:
    more = collector(cluster.nodes, transport)
    async with watched(tmp_path, cluster, logs=(), traps=False, **more) as watch:
        with sending(cluster, transport):
            await eventually(lambda: behind(watch), lambda lines: not lines)  # the logs are sent from their first line on
            for happening in (happenings.resource_failure, happenings.standby_power_loss):
                incidents = await goes_right(
                    watch, HAPPENINGS[happening.__name__], evidence=f"logs by syslog over {transport.upper()}, polls"
                )
                assert all("log" in one["sources"] for one in mains(incidents))
        sources = (await watch.hamon.json("/api/v1/sources"))["sources"]
        assert set(cluster.nodes) <= {source["path"] for source in sources}
        received = 'hamon_syslog_received_total{collector="nodes",transport="%s"}'
        assert (await watch.hamon.metrics())[received % transport] > 500
