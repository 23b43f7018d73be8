"""Namespaces that end with the process that made them.

One process, the keeper, is the first of a pid namespace; everything else of a cluster is started inside it. The kernel kills the keeper
when the program that made it ends, however it ends, and with the keeper everything inside; network namespaces and mounts have no name
anywhere, so they go too.
"""

import ctypes
import os
import signal
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

PLAIN = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8", "LC_ALL": "C.UTF-8", "HOME": "/root", "TERM": "dumb"}
"""The environment of everything inside: nothing of whoever runs the tests."""
LIMIT = 60.0
"""Seconds that a command may take: a client of a daemon that dies may hang for ever."""


class CommandError(Exception):
    """A command ended with an error; says what it wrote."""


def run(*command: str, check: bool = True, seconds: float = LIMIT) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(command, env=PLAIN, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, timeout=seconds)
    if check and done.returncode:
        raise CommandError(f"{' '.join(command)}: status {done.returncode}: {done.stdout}{done.stderr}")
    return done


def child_of(pid: int) -> int | None:
    """The first child of a process."""
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except OSError:
        return None
    return int(children[0]) if children else None


class Keeper:
    """Must be made by the main thread: the kernel takes the end of the thread for the end of the program."""

    def __init__(self) -> None:
        self._outer = subprocess.Popen(
            ["setpriv", "--pdeathsig", "KILL", "unshare", "--pid", "--fork", "--kill-child=KILL", "sleep", "infinity"],
            env=PLAIN,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
        )
        self._inside: list[subprocess.Popen[bytes]] = []
        self.pid = self._child(self._outer)

    @staticmethod
    def _child(process: subprocess.Popen[bytes]) -> int:
        while process.poll() is None:
            if pid := child_of(process.pid):
                return pid
        raise CommandError(f"{process.args!r} ended with status {process.returncode}")

    def start(self, command: Sequence[str], **environ: str) -> subprocess.Popen[bytes]:
        """Start a command inside; it outlives the caller, but not the keeper."""
        process = subprocess.Popen(
            ["nsenter", "-t", str(self.pid), "--pid", "--", *command],
            env=PLAIN | environ,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        self._inside.append(process)
        return process

    def network(self) -> str:
        """Make a network namespace with its loopback up; the file that stands for it."""
        process = self.start(["unshare", "--net", "sh", "-c", "ip link set lo up && exec sleep infinity"])
        pid = self._child(process)
        own, path = os.readlink("/proc/self/ns/net"), f"/proc/{pid}/ns/net"
        while os.readlink(path) == own:
            if process.poll() is not None:
                raise CommandError("no network namespace can be made")
        return path

    def first_of(self, process: subprocess.Popen[bytes]) -> int | None:
        """The process that became the first one of the pid namespace which `process` (nsenter, then unshare) made."""
        between = child_of(process.pid)
        return child_of(between) if between else None

    def end(self) -> None:
        """Kill everything inside; returns when it is gone."""
        for process in (self._outer, *self._inside):
            if process is self._outer:
                process.kill()
            process.wait()


@contextmanager
def entered(network: str) -> Iterator[None]:
    """This thread, and all that it starts, live in another network namespace meanwhile."""
    libc = ctypes.CDLL(None, use_errno=True)

    def enter(descriptor: int) -> None:
        if libc.setns(descriptor, 0x40000000):  # CLONE_NEWNET
            raise OSError(ctypes.get_errno(), "setns")

    before = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    try:
        there = os.open(network, os.O_RDONLY | os.O_CLOEXEC)
        try:
            enter(there)
        finally:
            os.close(there)
        try:
            yield
        finally:
            enter(before)
    finally:
        os.close(before)


def moving_beside(first: int) -> list[int]:
    """The processes of the pid namespace of this one that are neither stopped nor dead, nor deep in the kernel."""
    namespace = os.readlink(f"/proc/{first}/ns/pid")
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            state = (folder / "stat").read_text().rpartition(")")[2].split()[0]
            if state in ("R", "S") and os.readlink(folder / "ns/pid") == namespace:
                found.append(int(folder.name))
        except OSError:
            continue  # it ended meanwhile
    return found


def send(pid: int, number: signal.Signals) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, number)


def kill(pid: int) -> None:
    send(pid, signal.SIGKILL)
