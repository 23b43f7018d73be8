"""hamon itself is injured while something happens to the cluster: what people are told stays the same."""

import asyncio
import contextlib
import sqlite3
from dataclasses import replace
from pathlib import Path

import pytest

from tests.cluster import happenings
from tests.cluster.beside import HA_LOG, Watch, watched
from tests.cluster.cluster import Cluster
from tests.cluster.course import goes_right
from tests.cluster.happenings import HAPPENINGS, Roles
from tests.gateway.harness import eventually

FAILOVER = HAPPENINGS[happenings.resource_failure.__name__]
POWER_LOSS = HAPPENINGS[happenings.active_power_loss.__name__]


async def failover_is_known(watch: Watch) -> None:
    """Wait until a failover stands in the history, which is before it is over."""

    async def known() -> bool:
        return any(one["kind"] == "failover" and one["state"] == "open" for one in await watch.hamon.incidents())

    await eventually(known, seconds=60)


async def test_kill_9_in_the_middle_of_a_failover_loses_nothing(cluster: Cluster, tmp_path: Path) -> None:
    async with watched(tmp_path, cluster) as watch:

        async def kill() -> None:
            await failover_is_known(watch)
            await watch.hamon.kill()
            await watch.hamon.start()

        await goes_right(watch, POWER_LOSS, meanwhile=kill, repeats_allowed=True, was_restarted=True)


@pytest.mark.full
async def test_a_locked_database_delays_and_loses_nothing(cluster: Cluster, tmp_path: Path) -> None:
    async with watched(tmp_path, cluster) as watch:

        async def lock() -> None:
            (file,) = watch.hamon.state.glob("*.db")
            with contextlib.closing(sqlite3.connect(file, isolation_level=None, timeout=30)) as other:
                other.execute("BEGIN EXCLUSIVE")
                # Longer than anybody waits for a lock.
                await asyncio.sleep(20)
                other.execute("ROLLBACK")

        await goes_right(watch, FAILOVER, meanwhile=lock, repeats_allowed=True)


@pytest.mark.full
async def test_when_all_traps_are_lost_logs_and_polls_tell_it_all(cluster: Cluster, tmp_path: Path) -> None:
    async with watched(tmp_path, cluster) as watch:

        async def cut(_roles: Roles) -> None:
            for node in cluster.nodes:
                await watch.do(cluster.cut_traps, node)

        await goes_right(watch, FAILOVER, injure=cut)


@pytest.mark.full
async def test_when_polls_hang_logs_and_traps_tell_it_all(cluster: Cluster, tmp_path: Path) -> None:
    async with watched(tmp_path, cluster) as watch:

        async def hang(_roles: Roles) -> None:
            await watch.do(cluster.hang_questions, True)

        async def is_noticed() -> None:
            async def lost() -> bool:
                return any(one["kind"] == "monitoring_lost" for one in await watch.hamon.incidents())

            await eventually(lost, seconds=90)

        # That nobody answers any more is told too.
        expected = replace(FAILOVER.expected, also=frozenset({"monitoring_lost"}))
        await goes_right(watch, replace(FAILOVER, expected=expected), injure=hang, meanwhile=is_noticed)


@pytest.mark.full
async def test_when_the_log_of_the_active_node_is_silent_the_others_tell_it_all(cluster: Cluster, tmp_path: Path) -> None:
    try:
        async with watched(tmp_path, cluster, logs=(HA_LOG,)) as watch:

            async def silence(roles: Roles) -> None:
                await watch.do(cluster.silence_syslog, roles.active)

            await goes_right(watch, FAILOVER, injure=silence)
    finally:
        for node in cluster.nodes:  # its syslog comes back with the node
            await asyncio.to_thread(cluster.crash, node)


@pytest.mark.full
async def test_a_log_stamped_five_seconds_late_makes_no_second_story(cluster: Cluster, tmp_path: Path) -> None:
    late = cluster.nodes[1]
    cluster.late[late] = 5
    try:
        await asyncio.to_thread(cluster.crash, late)
        await asyncio.to_thread(cluster.repair)
        async with watched(tmp_path, cluster, logs=(HA_LOG,)) as watch:
            await goes_right(watch, FAILOVER, evidence="one log stamped 5 s late, traps and polls")
    finally:
        del cluster.late[late]
        await asyncio.to_thread(cluster.crash, late)
        await asyncio.to_thread(cluster.repair)
