"""hamon tails nothing: the nodes' own rsyslog sends it their logs. The same happenings, the same assertions."""

from pathlib import Path

import pytest

from tests.cluster import happenings
from tests.cluster.beside import watched
from tests.cluster.cluster import Cluster
from tests.cluster.course import goes_right
from tests.cluster.happenings import HAPPENINGS
from tests.cluster.sending import collector, sending


@pytest.mark.full
@pytest.mark.parametrize("transport", ["tcp", "udp"])
async def test_logs_that_rsyslog_sends_tell_a_failover_and_a_fault_of_the_standby(cluster: Cluster, tmp_path: Path, transport: str) -> None:
    more = collector(cluster.nodes, transport)
    async with watched(tmp_path, cluster, logs=(), traps=False, polls=False, **more) as watch:
        with sending(cluster, transport):
            for happening in (happenings.resource_failure, happenings.standby_power_loss):
                incidents = await goes_right(watch, HAPPENINGS[happening.__name__], evidence=f"logs, by syslog over {transport.upper()}")
                assert {source for one in incidents for source in one["sources"]} == {"log"}
        sources = (await watch.hamon.json("/api/v1/sources"))["sources"]
        assert {source["path"] for source in sources} == set(cluster.nodes)
        received = 'hamon_syslog_received_total{collector="nodes",transport="%s"}'
        assert (await watch.hamon.metrics())[received % transport] > 1000
