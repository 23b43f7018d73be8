"""One command as a child process: bounded in time and output, and gone afterwards with all that it started.

The law: no shell, nothing to read from, an environment without hamon's own settings; its whole process group is ended when it ends, takes
too long, says too much or is no longer wanted. All of it happens in a thread, so that a slow start, an unkillable child or a large answer
does not hold up the event loop. What left the process group by itself (a daemon) is out of reach.
"""

import asyncio
import contextlib
import os
import select
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeVar

T = TypeVar("T")

MOST_ERROR_BYTES = 16 * 1024
"""Of standard error so much is kept; the rest is read and thrown away."""
TERM_SECONDS = 0.3
"""From the request to end (SIGTERM) to the order (SIGKILL)."""
KILL_SECONDS = 2.0
"""How long a child that was killed is waited for; one in an uninterruptible call is left, and reaped when it is over."""
QUICK_CHILDREN, SLOW_CHILDREN = 64, 16
"""How many children run at once: those that answered last time, and those that did not, which thus cannot hold up the others."""

_KEPT_OUT = ("HAMON_", "LC_", "LANG", "NOTIFY_SOCKET", "LISTEN_", "WATCHDOG_", "STATE_DIRECTORY", "SSH_ASKPASS", "DISPLAY")


class End(StrEnum):
    """How a child ended that gave no answer."""

    NOT_FOUND = "not found"
    NOT_STARTED = "not started"
    STUCK = "stuck"
    """An earlier child of the same command cannot be ended."""
    TIMEOUT = "timeout"
    TOO_LARGE = "too large"
    CANCELLED = "cancelled"


class ChildError(Exception):
    """There is no answer. The text is what the system said."""

    def __init__(self, end: End, text: str = "") -> None:
        super().__init__(text or str(end))
        self.end = end


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """A child that ended by itself. `code` is its exit status; below zero: the signal that ended it."""

    code: int
    out: bytes
    error: str
    seconds: float


class Cancel:
    """Tells a thread that its answer is no longer wanted."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._read, self._write = os.pipe()
        self._is_open = True
        self.is_set = False

    def fileno(self) -> int:
        return self._read

    def set(self) -> None:
        with self._lock:
            if self._is_open and not self.is_set:
                self.is_set = True
                os.write(self._write, b"x")

    def close(self) -> None:
        with self._lock:
            if self._is_open:
                self._is_open = False
                os.close(self._read)
                os.close(self._write)


class _Leftovers:
    """Children that could not be ended: kept until they can be reaped, so that none becomes a zombie or piles up."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._children: dict[tuple[str, ...], subprocess.Popen[bytes]] = {}

    def add(self, command: tuple[str, ...], child: subprocess.Popen[bytes]) -> None:
        with self._lock:
            self._children[command] = child

    def holds(self, command: tuple[str, ...]) -> bool:
        """Whether one of this command is still there; those that are over are reaped."""
        with self._lock:
            self._children = {key: child for key, child in self._children.items() if child.poll() is None}
            return command in self._children


_leftovers = _Leftovers()


def environment(given: dict[str, str]) -> dict[str, str]:
    """What children get: messages in English, nothing of hamon's own settings, no way to ask for a password."""
    kept = {name: value for name, value in given.items() if not name.startswith(_KEPT_OUT)}
    kept.setdefault("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
    return kept | {"LC_ALL": "C"}


def run(command: Sequence[str], *, timeout_seconds: float, max_bytes: int, cancel: Cancel) -> Answer:
    """Run a command to its end; blocks. Raises ChildError."""
    key = tuple(command)
    if cancel.is_set:
        raise ChildError(End.CANCELLED)
    if _leftovers.holds(key):
        raise ChildError(End.STUCK)
    begin = time.monotonic()
    try:
        child = subprocess.Popen(
            key,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=environment(dict(os.environ)),
            cwd="/",
            start_new_session=True,
            bufsize=0,
        )
    except FileNotFoundError as err:
        raise ChildError(End.NOT_FOUND, err.strerror or "") from err
    except (OSError, ValueError) as err:
        raise ChildError(End.NOT_STARTED, (err.strerror if isinstance(err, OSError) else None) or str(err)) from err
    ended = _Ended(child)
    try:
        out, error = _read(child, ended, begin + timeout_seconds, max_bytes, cancel)
    finally:
        code = _end(key, child, ended)
        ended.close()
    if code is None:
        raise ChildError(End.STUCK)
    return Answer(code=code, out=out, error=error.decode("utf-8", "replace"), seconds=time.monotonic() - begin)


class _Ended:
    """Tells when a child has ended, without reaping it: until then its process group keeps its number."""

    def __init__(self, child: subprocess.Popen[bytes]) -> None:
        self._pid = child.pid
        self.fd: int | None = None
        with contextlib.suppress(AttributeError, OSError):  # not Linux, or too old
            self.fd = os.pidfd_open(child.pid)

    def now(self) -> bool:
        return os.waitid(os.P_PID, self._pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None

    def within(self, seconds: float) -> bool:
        """Wait so long at most."""
        end = time.monotonic() + seconds
        while not self.now():
            left = end - time.monotonic()
            if left <= 0:
                return False
            select.select([self.fd] if self.fd is not None and self.fd < 1024 else [], [], [], min(left, 0.02))
        return True

    def close(self) -> None:
        if self.fd is not None:
            os.close(self.fd)


def _read(child: subprocess.Popen[bytes], ended: _Ended, deadline: float, max_bytes: int, cancel: Cancel) -> tuple[bytes, bytes]:
    """All that it prints until it ends. A grandchild that still holds the pipes is not waited for. Raises ChildError."""
    assert child.stdout is not None
    assert child.stderr is not None
    out, error = bytearray(), bytearray()
    sinks = {child.stdout.fileno(): out, child.stderr.fileno(): error}
    poll = select.poll()
    for fd in sinks:
        os.set_blocking(fd, False)
        poll.register(fd, select.POLLIN)
    poll.register(cancel.fileno(), select.POLLIN)
    if ended.fd is not None:
        poll.register(ended.fd, select.POLLIN)
    opened = set(sinks)
    while True:
        left = deadline - time.monotonic()
        if left <= 0:
            raise ChildError(End.TIMEOUT)
        ready = {fd for fd, _ in poll.poll(min(left * 1000, 50) if ended.fd is None or not opened else left * 1000)}
        if cancel.fileno() in ready:
            raise ChildError(End.CANCELLED)
        is_over = ended.now()
        for fd in opened & (opened if is_over else ready):
            sink = sinks[fd]
            while (piece := _piece(fd)) is not None:
                if not piece:
                    poll.unregister(fd)
                    opened = opened - {fd}
                    break
                sink += piece
                if len(out) > max_bytes:
                    raise ChildError(End.TOO_LARGE)
                if len(error) > MOST_ERROR_BYTES:
                    del error[MOST_ERROR_BYTES:]
                if time.monotonic() > deadline:
                    raise ChildError(End.TIMEOUT)
        if is_over:
            return bytes(out), bytes(error)


def _piece(fd: int) -> bytes | None:
    """What is there to read now; None: nothing yet, empty: nothing any more."""
    try:
        return os.read(fd, 65536)
    except BlockingIOError:
        return None


def _end(key: tuple[str, ...], child: subprocess.Popen[bytes], ended: _Ended) -> int | None:
    """End the process group and reap the child; None: it cannot be ended."""
    assert child.stdout is not None
    assert child.stderr is not None
    child.stdout.close()
    child.stderr.close()
    if not ended.now():
        _signal(child.pid, signal.SIGTERM)
        ended.within(TERM_SECONDS)
    _signal(child.pid, signal.SIGKILL)
    if ended.within(KILL_SECONDS):
        return child.wait()
    _leftovers.add(key, child)
    return None


def _signal(group: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):  # gone, or of another user (sudo)
        os.killpg(group, number)


class Lanes:
    """Where children run: a bounded number at once, and those that are likely to hang apart from the others."""

    def __init__(self, quick: int = QUICK_CHILDREN, slow: int = SLOW_CHILDREN) -> None:
        self._quick = ThreadPoolExecutor(quick, thread_name_prefix="child")
        self._slow = ThreadPoolExecutor(slow, thread_name_prefix="slow-child")

    async def work(self, work: Callable[[Cancel], T], *, slow: bool) -> T:
        """Run `work` in a thread. When this is cancelled, the work is told so, and waited for: its children are gone then."""
        cancel = Cancel()
        job = (self._slow if slow else self._quick).submit(work, cancel)
        job.add_done_callback(lambda done: cancel.close())
        future = asyncio.wrap_future(job)
        try:
            return await asyncio.shield(future)
        except asyncio.CancelledError:
            if not job.cancel():
                cancel.set()
                await asyncio.wait([future], timeout=TERM_SECONDS + KILL_SECONDS + 1)
                if future.done() and not future.cancelled():
                    future.exception()
            raise

    def close(self) -> None:
        """Wait for what runs."""
        self._quick.shutdown(wait=True, cancel_futures=True)
        self._slow.shutdown(wait=True, cancel_futures=True)
