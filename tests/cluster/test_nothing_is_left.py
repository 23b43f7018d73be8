"""A cluster takes everything with it, however the program that made it ends."""

import asyncio
import os
import signal
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import Collection
from pathlib import Path

import pytest

from tests.cluster.cluster import PROGRAMS
from tests.gateway.harness import eventually, heeds_ctrl_c
from tests.peers import missing, need


def inside(process: Process) -> dict[int, str]:
    """Every process below this one, with its command, and those of its pid namespaces."""
    parents: dict[int, int] = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            parents[int(folder.name)] = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
        except OSError:
            continue
    found: dict[int, str] = {}
    for pid in parents:
        line = [pid]
        while line[-1] in parents:
            line.append(parents[line[-1]])
        if process.pid in line[1:]:
            try:
                found[pid] = Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " ")
            except OSError:
                continue
    return found


def alive(processes: dict[int, str]) -> list[str]:
    """Those that still run (the same command at least: a number may be given again)."""
    found = []
    for pid, command in processes.items():
        try:
            if Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " ") == command != "":
                found.append(command)
        except OSError:
            continue
    return found


def namespaces(of: Collection[int] | None = None) -> dict[str, list[str]]:
    """The network namespaces that somebody is in, or one of these processes, with the names of the programs in them."""
    found: dict[str, list[str]] = {}
    for folder in Path("/proc").glob("[0-9]*"):
        if of is not None and int(folder.name) not in of:
            continue
        try:
            found.setdefault(os.readlink(folder / "ns/net"), []).append((folder / "comm").read_text().strip())
        except OSError:
            continue
    return found


async def is_gone(folder: Path, running: dict[int, str], made: Collection[str], interfaces: Collection[str]) -> None:
    """Wait until nothing is left of a cluster in this folder: these processes, network namespaces, other interfaces than these, mounts."""

    async def left() -> tuple[list[str], dict[str, list[str]], list[str], bool]:
        # Not only those that ran when it was up: a node starts agents all the time, and the kernel ends them one after another.
        inhabited = {name: programs for name, programs in namespaces().items() if name in made}
        more = [name for name in os.listdir("/sys/class/net") if name not in interfaces]
        return alive(running), inhabited, more, str(folder) in Path("/proc/self/mountinfo").read_text()

    await eventually(left, lambda found: not any(found))
    assert sorted(os.listdir("/sys/class/net")) == sorted(interfaces)


FAILURE = pytest.param(signal.SIGUSR1, id="failure", marks=pytest.mark.full)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL, FAILURE], ids=lambda number: number.name)
async def test_no_process_namespace_or_interface_is_left_whatever_ends_the_program(number: signal.Signals, tmp_path: Path) -> None:
    if os.geteuid() != 0:
        missing("only root can make the namespaces of a cluster")
    for program in PROGRAMS:
        need(program)
    folder = tmp_path / "rack"
    command = (sys.executable, "-m", "tests.cluster.hold", str(folder))
    root = Path(__file__).parents[2]
    interfaces = sorted(os.listdir("/sys/class/net"))
    before = namespaces()
    process = await asyncio.create_subprocess_exec(*command, stdin=DEVNULL, stdout=PIPE, stderr=DEVNULL, cwd=root, preexec_fn=heeds_ctrl_c)
    try:
        assert process.stdout is not None
        async with asyncio.timeout(60):
            assert await process.stdout.readline() == b"up\n"
        running = inside(process)
        assert any("corosync" in one for one in running.values())
        assert any("rsyslogd" in one for one in running.values())
        made = namespaces(running).keys() - before.keys()  # other clusters may come and go meanwhile
        assert len(made) >= 4  # two nodes, the switch, the monitor host
        process.send_signal(number)
        async with asyncio.timeout(30):
            await process.wait()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    await is_gone(folder, running, made, interfaces)
