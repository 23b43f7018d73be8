"""Children are bounded and leave nothing behind, whatever they do."""

import asyncio
import contextlib
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from hamon.collect.child import Answer, Cancel, ChildError, End, Lanes, environment, run

PYTHON = sys.executable


@pytest.fixture
def cancel() -> Iterator[Cancel]:
    cancel = Cancel()
    yield cancel
    cancel.close()


def ask(cancel: Cancel, *command: str, timeout_seconds: float = 20, max_bytes: int = 1_000_000) -> Answer:
    return run(command, timeout_seconds=timeout_seconds, max_bytes=max_bytes, cancel=cancel)


def is_alive(pid: int) -> bool:
    """Whether a process runs: neither gone nor a zombie."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != "Z"


def wait_until_gone(pid: int) -> None:
    """A killed process that belongs to init now is reaped by it in its own time."""
    end = time.monotonic() + 10
    while is_alive(pid):
        assert time.monotonic() < end, f"process {pid} is still there"
        os.sched_yield()


def children() -> set[int]:
    found: set[int] = set()
    for task in Path("/proc/self/task").iterdir():
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):  # a thread that has ended meanwhile
            found.update(int(pid) for pid in (task / "children").read_text().split())
    return found


def test_an_answer_comes_with_its_exit_status_and_what_was_said_beside_it(cancel: Cancel) -> None:
    answer = ask(cancel, "sh", "-c", "echo data; echo trouble >&2; exit 3")
    assert (answer.code, answer.out, answer.error) == (3, b"data\n", "trouble\n")


def test_a_large_answer_comes_whole(cancel: Cancel) -> None:
    answer = ask(cancel, PYTHON, "-c", "print('x' * 5_000_000)", max_bytes=6_000_000)
    assert len(answer.out) == 5_000_001


def test_a_child_has_nothing_to_read_and_sees_no_setting_of_hamon(cancel: Cancel, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HAMON_NOTIFY__SMTP__OPS__PASSWORD", "secret")
    monkeypatch.setenv("LC_MESSAGES", "ja_JP.UTF-8")
    monkeypatch.setenv("NOTIFY_SOCKET", "/run/systemd/notify")
    answer = ask(cancel, "sh", "-c", "cat; env; pwd")
    lines = answer.out.decode().splitlines()
    assert "LC_ALL=C" in lines
    assert lines[-1] == "/"
    assert not [line for line in lines if line.startswith(("HAMON_", "LC_MESSAGES", "NOTIFY_SOCKET")) or "secret" in line]
    assert "PATH" in environment({})


def test_a_hanging_child_is_ended_in_time(cancel: Cancel) -> None:
    begin = time.monotonic()
    with pytest.raises(ChildError) as caught:
        ask(cancel, "sleep", "600", timeout_seconds=0.2)
    assert caught.value.end is End.TIMEOUT
    assert time.monotonic() - begin < 10
    assert children() == set()


def test_one_that_ignores_sigterm_is_killed(cancel: Cancel, tmp_path: Path) -> None:
    script = f"trap '' TERM; echo $$ > {tmp_path}/pid; while :; do sleep 600; done"
    with pytest.raises(ChildError) as caught:
        ask(cancel, "sh", "-c", script, timeout_seconds=2)
    assert caught.value.end is End.TIMEOUT
    assert not is_alive(int((tmp_path / "pid").read_text()))
    assert children() == set()


def test_grandchildren_go_with_a_child_that_takes_too_long(cancel: Cancel, tmp_path: Path) -> None:
    script = f"sleep 600 & echo $! > {tmp_path}/a; (trap '' TERM; sleep 601 & echo $! > {tmp_path}/b; wait) & wait"
    with pytest.raises(ChildError):
        ask(cancel, "sh", "-c", script, timeout_seconds=2)
    for name in ("a", "b"):
        wait_until_gone(int((tmp_path / name).read_text()))


def test_a_grandchild_that_keeps_the_pipes_open_is_not_waited_for_and_ended(cancel: Cancel, tmp_path: Path) -> None:
    begin = time.monotonic()
    answer = ask(cancel, "sh", "-c", f"sleep 600 & echo $! > {tmp_path}/pid; echo data")
    assert (answer.code, answer.out) == (0, b"data\n")
    assert time.monotonic() - begin < 15
    wait_until_gone(int((tmp_path / "pid").read_text()))


def test_a_grandchild_that_goes_on_printing_after_the_end_is_bounded(cancel: Cancel) -> None:
    begin = time.monotonic()
    with contextlib.suppress(ChildError):
        ask(cancel, "sh", "-c", "yes & echo begun", max_bytes=10_000_000, timeout_seconds=5)
    assert time.monotonic() - begin < 30
    assert children() == set()


def test_an_endless_answer_is_cut_off(cancel: Cancel) -> None:
    with pytest.raises(ChildError) as caught:
        ask(cancel, "yes", max_bytes=100_000)
    assert caught.value.end is End.TOO_LARGE
    assert children() == set()


def test_an_endless_complaint_is_read_kept_short_and_no_harm(cancel: Cancel) -> None:
    answer = ask(cancel, PYTHON, "-c", "import sys; sys.stderr.write('x' * 3_000_000); print('data')")
    assert answer.out == b"data\n"
    assert len(answer.error) <= 16384


def test_a_child_that_dies_tells_by_which_signal(cancel: Cancel) -> None:
    answer = ask(cancel, "sh", "-c", "echo half; kill -SEGV $$")
    assert (answer.code, answer.out) == (-11, b"half\n")


def test_one_that_closes_its_output_and_goes_on_is_waited_for(cancel: Cancel) -> None:
    answer = ask(cancel, PYTHON, "-c", "import os, time; os.write(1, b'data'); os.close(1); os.close(2); time.sleep(0.2); os._exit(5)")
    assert (answer.code, answer.out) == (5, b"data")


@pytest.mark.parametrize(("command", "end"), [("/no/such/program", End.NOT_FOUND), ("/etc/passwd", End.NOT_STARTED)])
def test_what_cannot_be_started_is_told(cancel: Cancel, command: str, end: End) -> None:
    with pytest.raises(ChildError) as caught:
        ask(cancel, command)
    assert caught.value.end is end


def test_no_file_stays_open(cancel: Cancel) -> None:
    def files() -> int:
        return len(os.listdir("/proc/self/fd"))

    before = files()
    for _ in range(5):
        ask(cancel, "true")
        with pytest.raises(ChildError):
            ask(cancel, "sleep", "600", timeout_seconds=0.05)
        with pytest.raises(ChildError):
            ask(cancel, "/no/such/program")
    assert files() == before


async def test_what_is_no_longer_wanted_is_gone_when_its_task_is(tmp_path: Path) -> None:
    lanes = Lanes(2, 1)
    fifo = tmp_path / "begun"
    os.mkfifo(fifo)
    work = lanes.work(lambda cancel: ask(cancel, "sh", "-c", f"echo $$ > {fifo}; sleep 600"), slow=False)
    task = asyncio.create_task(work)
    pid = int(await asyncio.to_thread(fifo.read_text))
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert not is_alive(pid)
    assert children() == set()
    await asyncio.to_thread(lanes.close)


async def test_no_more_children_than_allowed_run_at_once_and_those_that_hang_have_a_lane_of_their_own() -> None:
    lanes = Lanes(2, 1)
    now = most = 0
    loop = asyncio.get_running_loop()

    def count(change: int) -> None:
        nonlocal now, most
        now += change
        most = max(most, now)

    def work(cancel: Cancel) -> None:
        loop.call_soon_threadsafe(count, 1)
        ask(cancel, "sleep", "0.05")
        loop.call_soon_threadsafe(count, -1)

    hanging = asyncio.create_task(lanes.work(lambda cancel: ask(cancel, "sleep", "600", timeout_seconds=600), slow=True))
    async with asyncio.timeout(60):
        await asyncio.gather(*(lanes.work(work, slow=False) for _ in range(10)))
    assert most == 2
    assert not hanging.done()
    hanging.cancel()
    with pytest.raises(asyncio.CancelledError):
        await hanging
    await asyncio.to_thread(lanes.close)
