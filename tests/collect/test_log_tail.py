"""The collector on the real file system, with real inotify."""

import asyncio
import bz2
import gzip
import lzma
import os
import random
import shutil
import threading
import tracemalloc
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from pydantic import ValidationError

from hamon.collect import COLLECTORS
from hamon.collect.files import fingerprint
from hamon.collect.lines import is_utf16
from hamon.collect.log_tail import LogTail, LogTailConfig
from hamon.collect.reader import LOOK_SECONDS
from hamon.model.observation import ReadPosition, SourceLost
from hamon.ports import Collector
from tests.collect.tailing import append, tailing
from tests.fakes import FakeClock, MemoryInbox


def test_the_registry_builds_a_collector(tmp_path: Path) -> None:
    settings, kind = COLLECTORS["log_tail"]
    section = settings.model_validate({"cluster": "tokyo", "paths": [str(tmp_path / "ha-log")]})
    collector: Collector = kind("pm01", section, FakeClock(), [])
    assert [(view.path, view.up) for view in collector.views()] == []


async def one_line_read(log: Path) -> Sequence[ReadPosition]:
    """`one` is written and handed over; then the collector stops."""
    append(log, b"one\n")
    async with tailing(log) as tail:
        await tail.gives(b"one\n")
    return tail.inbox.positions()


# What is appended


async def test_lines_are_handed_over_when_they_are_written_and_not_at_the_next_look(tmp_path: Path) -> None:
    log = tmp_path / "ha-log"
    written = append(log, b"first\n")
    async with tailing(log) as tail:
        await tail.gives(written)
        loop = asyncio.get_running_loop()
        began = loop.time()
        for number in range(50):
            written += append(log, b"line %d\n" % number)
            await tail.gives(written)
        assert loop.time() - began < LOOK_SECONDS / 2


async def test_a_chunk_says_where_it_comes_from_and_where_to_go_on(tmp_path: Path) -> None:
    log = tmp_path / "ha-log"
    append(log, b"first\n")
    clock = FakeClock()
    async with tailing(log, node="n1", timezone="Asia/Tokyo", encodings=("euc_jp", "utf-8"), clock=clock) as tail:
        await tail.gives(b"first\n")
        append(log, b"second\n")
        await tail.gives(b"first\nsecond\n")
        chunk = tail.inbox.chunks[1]
        assert (chunk.cluster, chunk.collector, chunk.path, chunk.node) == ("tokyo", "pm01", str(log), "n1")
        assert (chunk.timezone, chunk.encodings, chunk.offset, chunk.received_at) == ("Asia/Tokyo", ("euc_jp", "utf-8"), 6, clock.now())
        status = log.stat()
        position = chunk.position
        assert position
        assert (position.offset, position.device, position.inode) == (13, status.st_dev, status.st_ino)
        (view,) = tail.collector.views()
        assert (view.up, view.bytes_read, view.lines_read, view.lag_bytes, view.last_data_at) == (True, 13, 2, 0, clock.now())


async def test_an_unfinished_line_waits_for_its_end(tmp_path: Path) -> None:
    log, other = tmp_path / "ha-log", tmp_path / "other"
    append(log, b"one\ntw")
    async with tailing(log, other) as tail:
        await tail.gives(b"one\n")
        append(log, b"o and mo")
        append(other, b"witness\n")
        await tail.gives(b"one\nwitness\n")
        append(log, b"re\nth")
        await tail.gives(b"one\nwitness\ntwo and more\n")
        assert [view.lag_bytes for view in tail.collector.views()] == [0, 0]  # all that can be read was


async def test_a_line_of_any_length_is_cut_and_counted_and_does_not_fill_the_memory(tmp_path: Path) -> None:
    log = tmp_path / "ha-log"
    with log.open("wb") as file:
        file.write(b"before\n")
        for _ in range(40):
            file.write(b"x" * 1_000_000)
        file.write(b"\nafter\n")
    tracemalloc.start()
    try:
        async with tailing(log, max_line_bytes=100) as tail:
            await tail.gives(b"before\n" + b"x" * 100 + b"\nafter\n")
            assert sum(chunk.truncated for chunk in tail.inbox.chunks) == 1
            assert tracemalloc.get_traced_memory()[1] < 4_000_000
    finally:
        tracemalloc.stop()


async def test_a_hole_that_a_crash_left_is_skipped(tmp_path: Path) -> None:
    log = tmp_path / "ha-log"
    append(log, b"before\n")
    os.truncate(log, 10_000_000)
    append(log, b"after\n")
    async with tailing(log) as tail:
        await tail.gives(b"before\nafter\n")


async def test_a_full_inbox_holds_reading_back_and_loses_nothing(tmp_path: Path) -> None:
    log = tmp_path / "ha-log"
    written = append(log, b"".join(b"line %d of many\n" % number for number in range(200_000)))
    inbox = MemoryInbox(room=3)
    async with tailing(log, inbox=inbox) as tail:
        await inbox.until(lambda: len(inbox.observations) == 3)
        written += append(log, b"the last\n")
        assert len(inbox.data) <= 3 * 256 * 1024
        await inbox.let_in(None)
        await tail.gives(written)
        assert all(len(chunk.data) <= 256 * 1024 and chunk.data.endswith(b"\n") for chunk in inbox.chunks)


# Files that come, go and change


async def test_a_file_that_appears_later_is_read_from_its_start(tmp_path: Path) -> None:
    append(tmp_path / "old", b"not wanted\n")
    async with tailing(tmp_path / "old", tmp_path / "ha-log", tmp_path / "n*" / "*.log", start="end") as tail:
        await tail.inbox.until(lambda: len(tail.inbox.chunks) == 1)
        written = append(tmp_path / "ha-log", b"one\n")
        await tail.gives(written)
        (tmp_path / "n1").mkdir()
        written += append(tmp_path / "n1" / "corosync.log", b"two\n")
        await tail.gives(written)
        written += append(tmp_path / "n1" / "pacemaker.log", b"three\n")
        await tail.gives(written)


async def test_a_renamed_file_is_read_to_its_end_and_late_lines_too(tmp_path: Path) -> None:
    log, old = tmp_path / "ha-log", tmp_path / "ha-log.1"
    written = append(log, b"one\n")
    async with tailing(log) as tail:
        await tail.gives(written)
        log.rename(old)
        written += append(old, b"two\n")
        log.touch()
        await tail.gives(written)
        written += append(log, b"three\n")
        await tail.gives(written)
        written += append(old, b"a late one\n")
        await tail.gives(written)


async def test_the_last_line_of_a_file_rotated_away_comes_without_its_end(tmp_path: Path) -> None:
    log = tmp_path / "ha-log"
    append(log, b"one\ntwo without end")
    async with tailing(log) as tail:
        await tail.gives(b"one\n")
        log.rename(tmp_path / "ha-log.1")
        append(log, b"three\n")
        await tail.gives(b"one\ntwo without endthree\n")
        assert tail.inbox.chunks[1].data == b"two without end"


async def test_what_was_copied_away_unread_before_a_truncation_is_read_in_the_copy(tmp_path: Path) -> None:
    log = tmp_path / "ha-log"
    inbox = MemoryInbox(room=1)
    written = append(log, b"one\n")
    async with tailing(log, inbox=inbox) as tail:
        await tail.gives(written)
        written += append(log, b"two\n")
        written += append(log, b"three\n")
        shutil.copyfile(log, tmp_path / "ha-log.1")
        os.truncate(log, 0)
        written += append(log, b"four, longer than all that was written before it\n")
        await inbox.let_in(None)
        await tail.gives(written)


async def test_a_file_deleted_and_made_anew_is_read_from_its_start(tmp_path: Path) -> None:
    log = tmp_path / "ha-log"
    written = append(log, b"one\n")
    async with tailing(log) as tail:
        for number in range(5):
            await tail.gives(written)
            log.unlink()
            written += append(log, b"life %d\n" % number)
        await tail.gives(written)


async def test_a_directory_that_vanished_and_returned_is_followed_again(tmp_path: Path) -> None:
    folder = tmp_path / "cluster"
    folder.mkdir()
    written = append(folder / "ha-log", b"one\n")
    async with tailing(folder / "ha-log", poll_interval_seconds=0.05) as tail:
        await tail.gives(written)
        shutil.rmtree(folder)
        folder.mkdir()
        written += append(folder / "ha-log", b"two\n")
        await tail.gives(written)


async def test_a_link_that_is_pointed_elsewhere_is_followed_when_the_old_file_is_read(tmp_path: Path) -> None:
    for day in ("monday", "tuesday"):
        (tmp_path / day).mkdir()
    link = tmp_path / "ha-log"
    written = append(tmp_path / "monday" / "log", b"one\n")
    link.symlink_to(tmp_path / "monday" / "log")
    async with tailing(link) as tail:
        await tail.gives(written)
        written += append(tmp_path / "monday" / "log", b"two\n")
        await tail.gives(written)
        written += append(tmp_path / "monday" / "log", b"three\n")
        written += append(tmp_path / "tuesday" / "log", b"four\n")
        (tmp_path / "new").symlink_to(tmp_path / "tuesday" / "log")
        (tmp_path / "new").rename(link)
        await tail.gives(written)
        written += append(tmp_path / "tuesday" / "log", b"five\n")
        await tail.gives(written)


async def test_a_pattern_that_matches_rotated_files_reads_each_once_and_in_order(tmp_path: Path) -> None:
    (tmp_path / "ha-log.2.gz").write_bytes(gzip.compress(b"one\n"))
    append(tmp_path / "ha-log.1", b"two\n")
    append(tmp_path / "ha-log", b"three\n")
    async with tailing(tmp_path / "ha-log*") as tail:
        await tail.gives(b"one\ntwo\nthree\n")
        (tmp_path / "ha-log.2.gz").rename(tmp_path / "ha-log.3.gz")
        (tmp_path / "ha-log.2.gz").write_bytes(gzip.compress(b"two\n"))
        (tmp_path / "ha-log.1").unlink()
        (tmp_path / "ha-log").rename(tmp_path / "ha-log.1")
        append(tmp_path / "ha-log", b"four\n")
        await tail.gives(b"one\ntwo\nthree\nfour\n")


async def test_a_file_with_two_names_is_read_once(tmp_path: Path) -> None:
    written = append(tmp_path / "a.log", b"one\n")
    (tmp_path / "b.log").symlink_to(tmp_path / "a.log")
    async with tailing(tmp_path / "*.log") as tail:
        await tail.gives(written)
        (tmp_path / "a.log").rename(tmp_path / "c.log")
        written += append(tmp_path / "c.log", b"two\n")
        await tail.gives(written)
        written += append(tmp_path / "d.log", b"three\n")
        await tail.gives(written)


@pytest.mark.parametrize("poll", [None, True])
async def test_many_files_are_followed_at_once(tmp_path: Path, poll: bool | None) -> None:
    logs = [tmp_path / f"node{number}.log" for number in range(40)]
    async with tailing(tmp_path / "node*.log", poll=poll, poll_interval_seconds=0.02) as tail:
        written = [append(log, b"start of %d\n" % number) for number, log in enumerate(logs)]
        await tail.inbox.until(lambda: len(tail.inbox.chunks) == 40)
        written += [append(log, b"more of %d\n" % number) for number, log in enumerate(logs)]
        await tail.inbox.until(lambda: len(tail.inbox.data) == len(b"".join(written)))
        assert sorted(tail.inbox.data.splitlines(True)) == sorted(written)


# Starting again


async def test_killed_after_any_chunk_the_rest_comes_and_nothing_else(tmp_path: Path) -> None:
    log = tmp_path / "ha-log"
    written = b""
    async with tailing(log) as tail:
        for number in range(12):
            written += append(log, b"line %d\n" % number)
            await tail.gives(written)
        chunks = tail.inbox.chunks
    for committed in range(1, len(chunks) + 1):
        async with tailing(log, positions=tail.inbox.positions(committed)) as again:
            append(log, b"end\n")
            rest = b"".join(chunk.data for chunk in chunks[committed:])
            written += b"end\n"
            await again.gives(rest + written[len(b"".join(chunk.data for chunk in chunks)) :])


@pytest.mark.parametrize("pattern", ["ha-log", "ha-log*"])
async def test_what_was_rotated_and_compressed_while_down_is_caught_up_with(tmp_path: Path, pattern: str) -> None:
    log = tmp_path / "ha-log"
    append(log, b"one\n")
    async with tailing(tmp_path / pattern) as tail:
        await tail.gives(b"one\n")
    append(log, b"two\n")
    # Four rotations went by; the inode where reading stopped is gone.
    (tmp_path / "ha-log.4.gz").write_bytes(gzip.compress(log.read_bytes()))
    (tmp_path / "ha-log.3.bz2").write_bytes(bz2.compress(b"three\n"))
    (tmp_path / "ha-log.2.xz").write_bytes(lzma.compress(b"four\n"))
    append(tmp_path / "ha-log.1", b"five\n")
    log.unlink()
    append(log, b"six\n")
    async with tailing(tmp_path / pattern, positions=tail.inbox.positions()) as again:
        await again.gives(b"two\nthree\nfour\nfive\nsix\n")
    async with tailing(tmp_path / pattern, positions=[*tail.inbox.positions(), *again.inbox.positions()]) as third:
        append(log, b"seven\n")
        await third.gives(b"seven\n")


async def test_predecessors_of_a_log_never_read_before_are_history(tmp_path: Path) -> None:
    append(tmp_path / "ha-log.1", b"long ago\n")
    await one_line_read(tmp_path / "ha-log")


async def test_rotated_files_are_left_alone_when_the_configuration_says_so(tmp_path: Path) -> None:
    log = tmp_path / "ha-log"
    positions = await one_line_read(log)
    append(log, b"two\n")
    log.rename(tmp_path / "ha-log.1")
    append(log, b"three\n")
    async with tailing(log, rotated=False, positions=positions) as again:
        await again.gives(b"three\n")


async def test_a_rotation_while_down_is_read_before_the_new_file_exists(tmp_path: Path) -> None:
    log = tmp_path / "ha-log"
    positions = await one_line_read(log)
    append(log, b"two\n")
    log.rename(tmp_path / "ha-log.1")
    async with tailing(log, positions=positions) as again:
        await again.gives(b"two\n")
        append(log, b"three\n")
        await again.gives(b"two\nthree\n")


async def test_an_inode_used_again_is_another_file(tmp_path: Path) -> None:
    log = tmp_path / "ha-log"
    positions = await one_line_read(log)
    log.write_bytes(b"another file\n")  # same inode, and longer
    async with tailing(log, positions=positions) as again:
        await again.gives(b"another file\n")


async def test_a_stranger_that_got_the_inode_of_a_deleted_part_is_not_read(tmp_path: Path) -> None:
    (known,) = await one_line_read(tmp_path / "ha-log")
    append(tmp_path / "state of logrotate", b"not a log\n")
    old = replace(known, inode=(tmp_path / "state of logrotate").stat().st_ino, fingerprint=fingerprint(b"old\n"), fingerprint_size=4)
    append(tmp_path / "ha-log", b"two\n")
    async with tailing(tmp_path / "ha-log", positions=[known, old]) as again:
        await again.gives(b"two\n")
        append(tmp_path / "ha-log", b"three\n")
        await again.gives(b"two\nthree\n")


async def test_positions_of_another_collector_are_not_ours(tmp_path: Path) -> None:
    log = tmp_path / "ha-log"
    append(log, b"one\n")
    status = log.stat()
    foreign = ReadPosition(collector="pm02", path=str(log), device=status.st_dev, inode=status.st_ino, offset=4)
    async with tailing(log, positions=[foreign]) as tail:
        await tail.gives(b"one\n")


async def test_starting_at_the_end_is_remembered_before_the_first_line_comes(tmp_path: Path) -> None:
    log = tmp_path / "ha-log"
    append(log, b"old\nhalf")
    async with tailing(log, start="end") as tail:
        await tail.inbox.until(lambda: len(tail.inbox.chunks) == 1)
        assert tail.inbox.data == b""
    append(log, b" and half\nnew\n")
    async with tailing(log, start="end", positions=tail.inbox.positions()) as again:
        await again.gives(b"half and half\nnew\n")


async def test_the_same_collector_run_again_goes_on_behind_what_it_handed_over(tmp_path: Path) -> None:
    log = tmp_path / "ha-log"
    append(log, b"one\n")
    collector = LogTail("pm01", LogTailConfig(cluster="tokyo", paths=(str(log),)), FakeClock(), [])
    inbox = MemoryInbox()
    for line in (b"two\n", b"three\n"):
        async with asyncio.timeout(20), asyncio.TaskGroup() as group:
            running = group.create_task(collector.run(inbox))
            append(log, line)
            await inbox.until(lambda line=line: inbox.data.endswith(line))  # type: ignore[misc]
            running.cancel()
    assert inbox.data == b"one\ntwo\nthree\n"


async def test_a_cancelled_collector_ends_within_a_second_and_leaves_no_thread(tmp_path: Path) -> None:
    append(tmp_path / "ha-log", b"one\n")
    before = set(threading.enumerate())
    async with tailing(tmp_path / "ha-log") as tail:
        await tail.gives(b"one\n")
        loop = asyncio.get_running_loop()
        began = loop.time()
    assert loop.time() - began < 1
    assert not [thread for thread in set(threading.enumerate()) - before if not thread.name.startswith("asyncio")]


async def test_lines_written_and_rotated_while_the_collector_is_killed_again_and_again_come_once(tmp_path: Path) -> None:
    chance = random.Random(7)
    log = tmp_path / "ha-log"
    written = append(log, b"begin\n")
    stop = threading.Event()

    def write() -> None:
        nonlocal written
        for number in range(4000):
            written += append(log, b"line %d %s\n" % (number, b"x" * (number % 300)))
            if number % 400 == 399:
                for old in range(12, 0, -1):
                    if (tmp_path / f"ha-log.{old}").exists():
                        (tmp_path / f"ha-log.{old}").rename(tmp_path / f"ha-log.{old + 1}")
                log.rename(tmp_path / "ha-log.1")
        written += append(log, b"end\n")
        stop.set()

    committed = MemoryInbox()
    async with tailing(log) as tail:
        await tail.gives(b"begin\n")
    committed.observations = list(tail.inbox.chunks)
    writer = asyncio.create_task(asyncio.to_thread(write))
    while not (stop.is_set() and committed.data.endswith(b"end\n")):
        async with tailing(log, positions=committed.positions()) as tail:
            count = chance.randrange(1, 40)
            await tail.inbox.until(lambda tail=tail, count=count: len(tail.inbox.chunks) >= count or tail.inbox.data.endswith(b"end\n"))  # type: ignore[misc]
        chunks = tail.inbox.chunks
        keep = len(chunks) if chunks[-1].data.endswith(b"end\n") else chance.randrange(1, len(chunks) + 1)
        committed.observations += chunks[:keep]
    await writer
    assert committed.data == written


# What goes wrong


async def test_a_missing_file_is_told_once_and_the_others_go_on(tmp_path: Path) -> None:
    clock = FakeClock()
    log, gone = tmp_path / "ha-log", tmp_path / "gone"
    append(log, b"one\n")
    async with tailing(log, gone, tmp_path / "no*match", clock=clock, poll=True, poll_interval_seconds=0.01) as tail:
        await tail.gives(b"one\n")
        assert not [seen for seen in tail.inbox.observations if seen not in tail.inbox.chunks]
        clock.advance(6)
        assert sorted(await tail.tells(2)) == [("missing", str(gone)), ("missing", str(tmp_path / "no*match"))]
        clock.advance(60)
        append(log, b"two\n")
        await tail.gives(b"one\ntwo\n")
        append(gone, b"here\n")
        await tail.gives(b"one\ntwo\nhere\n")
        assert (await tail.tells(3))[2:] == [("back", str(gone))]
        assert {(view.path, view.up) for view in tail.collector.views()} == {
            (str(log), True),
            (str(gone), True),
            (str(tmp_path / "no*match"), False),
        }


@contextmanager
def _forbidden(path: Path) -> Iterator[None]:
    mode = path.stat().st_mode
    user = os.geteuid()
    path.chmod(0)
    if user == 0:
        os.seteuid(65534)  # nothing is forbidden to root
    try:
        yield
    finally:
        os.seteuid(user)
        path.chmod(mode)


async def test_an_unreadable_file_is_told_once_with_a_remedy_and_read_when_it_may_be(tmp_path: Path) -> None:
    clock = FakeClock()
    log = tmp_path / "ha-log"
    append(log, b"one\n")
    with _forbidden(log):
        async with tailing(log, clock=clock, poll=True, poll_interval_seconds=0.01) as tail:
            assert await tail.tells(1) == [("unreadable", str(log))]
            (view,) = tail.collector.views()
            assert not view.up
            assert str(log) in view.reason
            assert "let the user that runs hamon read it" in view.reason
    async with tailing(log, clock=clock) as tail:
        await tail.gives(b"one\n")


async def test_what_is_no_log_file_is_told_and_tried_again_with_longer_and_longer_pauses(tmp_path: Path) -> None:
    clock = FakeClock()
    log = tmp_path / "ha-log"
    log.mkdir()
    async with tailing(log, clock=clock, poll=True, poll_interval_seconds=0.01) as tail:
        assert await tail.tells(1) == [("unreadable", str(log))]
        log.rmdir()
        append(log, b"one\n")
        clock.advance(31)
        await tail.gives(b"one\n")
        assert await tail.tells(2) == [("unreadable", str(log)), ("back", str(log))]


async def test_a_silent_log_is_lost_until_it_speaks(tmp_path: Path) -> None:
    clock = FakeClock()
    log = tmp_path / "ha-log"
    append(log, b"one\n")
    async with tailing(log, clock=clock, silent_after_seconds=600, poll=True, poll_interval_seconds=0.01) as tail:
        await tail.gives(b"one\n")
        clock.advance(601)
        assert await tail.tells(1) == [("silent", str(log))]
        append(log, b"two\n")
        assert await tail.tells(2) == [("silent", str(log)), ("back", str(log))]
        clock.advance(601)
        assert (await tail.tells(3))[2:] == [("silent", str(log))]


async def test_a_log_in_utf16_is_told_as_what_it_is_until_it_is_written_as_text(tmp_path: Path) -> None:
    log = tmp_path / "ha-log"
    append(log, "Nov 22 11:59:52 n2 warning: Node n1 is lost\r\n".encode("utf-16"))
    async with tailing(log, poll=True, poll_interval_seconds=0.01) as tail:
        assert await tail.tells(1) == [("encoding", str(log))]
        (lost,) = [seen for seen in tail.inbox.observations if isinstance(seen, SourceLost)]
        assert "is written in UTF-16, of which only ASCII is read; " in lost.reason
        assert "hamon analyze" in lost.reason
        append(log, "日本語の行\r\n".encode("utf-16-le") + "Nov 22 11:59:53 n2 info: Node n1 is member\r\n".encode("utf-16-le") * 9)
        await tail.inbox.until(lambda: tail.inbox.data.count(b"is member") == 9)
        append(log, b"\n" + b"Nov 22 11:59:54 n2 info: all is well\n" * 2)
        assert await tail.tells(2) == [("encoding", str(log)), ("back", str(log))]


@pytest.mark.parametrize("data", [b"", b"\0" * 4096, bytes(range(256)) * 4, "日本語の行\n".encode("euc-jp") * 20, b"a\0b\n" * 100])
def test_what_is_not_utf16_is_not_taken_for_it(data: bytes) -> None:
    assert not is_utf16(data)


async def test_a_damaged_predecessor_is_told_and_does_not_stop_the_log(tmp_path: Path) -> None:
    clock = FakeClock()
    packed = gzip.compress(b"".join(b"line %d\n" % (number * 7919 % 100_003) for number in range(100_000)))
    (tmp_path / "ha-log.2.gz").write_bytes(packed[: len(packed) // 2])
    (tmp_path / "ha-log.1.gz").write_bytes(packed[:1000] + bytes(1000) + packed[2000:])
    append(tmp_path / "ha-log", b"the end\n")
    async with tailing(tmp_path / "ha-log*", clock=clock, poll=True, poll_interval_seconds=0.01) as tail:
        await tail.inbox.until(lambda: len(tail.inbox.data) > 100_000)
        clock.advance(6)
        await tail.inbox.until(lambda: tail.inbox.data.endswith(b"the end\n"))
        assert (await tail.tells(2))[:2] == [("damaged", str(tmp_path / "ha-log")), ("back", str(tmp_path / "ha-log"))]


async def test_a_predecessor_that_is_compressed_in_an_unknown_way_is_told_where_lines_may_be_in_it(tmp_path: Path) -> None:
    log = tmp_path / "ha-log"
    positions = await one_line_read(log)
    (tmp_path / "ha-log.2.zst").write_bytes(b"older")
    os.utime(tmp_path / "ha-log.2.zst", (1, 1))
    log.rename(tmp_path / "ha-log.1.zst")
    (tmp_path / "ha-log.1.zst").write_bytes(b"(\xb5/\xfd")
    append(log, b"three\n")
    async with tailing(log, positions=positions) as tail:
        await tail.gives(b"three\n")
        assert (await tail.tells(1))[0] == ("damaged", str(log))
        assert "ha-log.1.zst is compressed in a way" in next(
            seen.reason for seen in tail.inbox.observations if isinstance(seen, SourceLost)
        )
    async with tailing(log, positions=[*positions, *tail.inbox.positions()]) as again:  # what was read last is there: nothing is missing
        append(log, b"four\n")
        await again.gives(b"four\n")
        assert not [seen for seen in again.inbox.observations if isinstance(seen, SourceLost)]


# Settings


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"paths": ("ha-log",)}, "absolute path"),
        ({"paths": ("/var/log/",)}, "absolute path"),
        ({"paths": ()}, "at least 1"),
        ({"timezone": "Mars/Olympus"}, "IANA"),
        ({"encodings": ("klingon",)}, "not a character encoding"),
        ({"encodings": ("utf-16",)}, "lines cannot be cut"),
        ({"encodings": ("base64",)}, "not a character encoding"),
        ({"start": "middle"}, "beginning"),
        ({"poll_interval_seconds": 0}, "greater"),
        ({"colour": "red"}, "Extra"),
    ],
)
def test_a_wrong_setting_is_refused_with_the_reason(settings: dict[str, object], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        LogTailConfig.model_validate({"cluster": "tokyo", "paths": ("/var/log/ha-log",)} | settings)


@pytest.mark.parametrize("encoding", ["utf-8", "euc_jp", "shift_jis", "cp932", "iso2022_jp", "latin-1"])
def test_the_encodings_of_japanese_logs_are_known(encoding: str) -> None:
    assert LogTailConfig(cluster="tokyo", paths=("/var/log/ha-log",), encodings=(encoding,)).encodings == (encoding,)
