"""The disk with hamon's history is full while something happens to the cluster: the operator sees it, and people hear of it afterwards."""

import asyncio
import errno
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from io import FileIO
from pathlib import Path

import pytest

from tests.cluster import happenings
from tests.cluster.beside import watched
from tests.cluster.cluster import Cluster
from tests.cluster.course import goes_right
from tests.cluster.happenings import HAPPENINGS, Roles
from tests.gateway.harness import eventually


@contextmanager
def small_disk(folder: Path, mebibytes: int) -> Iterator[None]:
    """A file system of its own on this folder, while it lasts."""
    folder.mkdir(parents=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={mebibytes}m,mode=0700", "tmpfs", str(folder)], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def fill(ballast: Path) -> None:
    """Write until there is no room for one more page."""
    with ballast.open("ab", buffering=0) as stream:
        for size in (1 << 20, 4096):
            while _is_written(stream, b"\0" * size):
                pass


def _is_written(stream: FileIO, data: bytes) -> bool:
    try:
        stream.write(data)
    except OSError as err:
        if err.errno != errno.ENOSPC:
            raise
        return False
    return True


def runs_there(cluster: Cluster, members: Sequence[str], node: str) -> bool:
    seen = cluster.status()
    return all(list(cluster.holders(member, seen)) == [node] for member in members)


@pytest.mark.full
async def test_a_full_disk_is_seen_delays_and_loses_nothing(cluster: Cluster, tmp_path: Path) -> None:
    state = tmp_path / "hamon" / "state"
    with small_disk(state, 64):
        async with watched(tmp_path, cluster) as watch:
            ballast = state / "ballast"

            roles: list[Roles] = []

            async def is_full(at: Roles) -> None:
                roles.append(at)
                await asyncio.to_thread(fill, ballast)

            async def seen_and_freed() -> None:
                # Until the failover has used up what room the files of the history still have inside.
                await watch.hamon.says("free space there")
                unready = await eventually(lambda: watch.hamon.get("/readyz"), lambda answer: answer.status_code == 503)
                assert unready.json()["reasons"] == ["the history cannot be written"]
                await eventually(lambda: watch.numbers.query("hamon_store_errors_total"), lambda found: found.get((), 0) > 0)
                assert (await watch.hamon.get("/")).status_code == 200
                # The whole failover happens while nothing can be kept; then somebody makes room.
                members = watch.cluster.services[roles[0].service]
                await eventually(lambda: watch.do(runs_there, watch.cluster, members, roles[0].standby), seconds=60)
                ballast.unlink()

            failover = HAPPENINGS[happenings.resource_failure.__name__]
            await goes_right(watch, failover, injure=is_full, meanwhile=seen_and_freed, repeats_allowed=True)
