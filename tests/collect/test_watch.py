import asyncio
import os
from pathlib import Path

import pytest

from hamon.collect.watch import Watch, is_remote

MOUNTS = r"""22 27 0:21 / /proc rw,relatime - proc proc rw
27 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw
40 27 0:40 / /var/log/nodes rw shared:2 master:1 - nfs4 server:/logs rw,vers=4.2
41 27 0:41 / /mnt/with\040space rw - fuse.sshfs user@host:/ rw
42 40 0:42 / /var/log/nodes/local rw - xfs /dev/vdb rw
43 27 0:43 / /srv rw - ext4 /dev/vdc rw
44 43 0:44 / /srv rw - cifs //server/share rw
"""


@pytest.mark.parametrize(
    ("directory", "expected"),
    [
        ("/var/log", False),
        ("/var/log/nodes", True),
        ("/var/log/nodes/n1/cluster", True),
        ("/var/log/nodes/local", False),
        ("/var/log/nodes2", False),
        ("/mnt/with space/log", True),
        ("/srv", True),
        ("/", False),
    ],
)
def test_network_file_systems_are_polled(directory: str, expected: bool) -> None:
    assert is_remote(directory, MOUNTS) is expected


async def test_a_directory_made_anew_is_watched_again(tmp_path: Path) -> None:
    loop = asyncio.get_running_loop()
    woken = asyncio.Event()

    def wake(names_changed: bool) -> None:
        loop.call_soon_threadsafe(woken.set)

    watch = Watch(wake, poll=None)
    folder = tmp_path / "cluster"
    try:
        for _ in range(3):
            folder.mkdir()
            assert await asyncio.to_thread(watch.follow, [str(folder)])
            woken.clear()
            (folder / "ha-log").write_text("line\n")
            async with asyncio.timeout(10):
                await woken.wait()
            (folder / "ha-log").unlink()
            folder.rmdir()
            await asyncio.to_thread(watch.follow, [str(folder)])
    finally:
        await asyncio.to_thread(watch.stop)


async def test_polling_may_be_asked_for(tmp_path: Path) -> None:
    watch = Watch(lambda names_changed: None, poll=True)
    assert not await asyncio.to_thread(watch.follow, [os.fspath(tmp_path)])
    await asyncio.to_thread(watch.stop)
