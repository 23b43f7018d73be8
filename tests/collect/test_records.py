"""Records of several lines are handed over whole, and positions never run ahead of them."""

from itertools import pairwise
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from hamon.collect.records import QUIET_SECONDS, Records
from hamon.model.observation import LogChunk, ReadPosition, TextForm
from tests.collect.tailing import append, tailing
from tests.fakes import FakeClock

FORM = TextForm(program="app", stamp="%Y-%m-%d %H:%M:%S")
HEAD, MORE = b"2026-01-02 11:59:58 ERROR boom\n", b"\tat y\n"


def chunk(data: bytes, offset: int, inode: int = 1) -> LogChunk:
    position = ReadPosition(collector="app", path="/a", device=1, inode=inode, offset=offset + len(data))
    return LogChunk(
        cluster="c", collector="app", path="/a", data=data, offset=offset, received_at=FakeClock().now(), position=position, form=FORM
    )


def given_on(records: Records, *steps: tuple[LogChunk | None, float]) -> list[LogChunk]:
    out: list[LogChunk] = []
    for one, now in steps:
        found = [*records.feed([one] if one is not None else [], now), *records.due(now)]
        out += [item for item in found if isinstance(item, LogChunk)]
    return out


@given(st.lists(st.sampled_from([HEAD, MORE, b"\n"]), min_size=1, max_size=10), st.sets(st.integers(1, 9)))
def test_however_the_lines_come_the_records_are_whole_and_none_is_lost(lines: list[bytes], cuts: set[int]) -> None:
    steps: list[tuple[LogChunk | None, float]] = []
    places = sorted({0, len(lines), *(cut for cut in cuts if cut < len(lines))})
    for begin, end in pairwise(places):
        offset = len(b"".join(lines[:begin]))
        steps.append((chunk(b"".join(lines[begin:end]), offset), 0.0))
    found = given_on(Records(FORM), *steps, (None, QUIET_SECONDS))
    assert b"".join(one.data for one in found) == b"".join(lines)
    reached = 0
    for one in found:
        assert one.offset == reached
        reached += len(one.data)
        assert one.position is not None
        assert one.position.offset == reached
    first_head = lines.index(HEAD) if HEAD in lines else len(lines)
    for one in found[1:]:
        assert one.data.startswith(HEAD) or one.offset < len(b"".join(lines[: first_head + 1]))


def test_the_rest_of_a_file_that_was_rotated_away_comes_before_the_new_one() -> None:
    found = given_on(Records(FORM), (chunk(HEAD, 0), 0.0), (chunk(HEAD + HEAD, 0, inode=2), 0.1))
    assert [(one.data, one.position.inode if one.position else 0) for one in found] == [(HEAD, 1), (HEAD, 2)]


def test_a_record_without_end_is_given_on_in_pieces() -> None:
    found = given_on(Records(FORM), (chunk(HEAD, 0), 0.0), (chunk(MORE * 20_000, len(HEAD)), 0.1))
    assert b"".join(one.data for one in found) == HEAD + MORE * 20_000


async def test_what_may_go_on_is_handed_over_when_nothing_more_comes(tmp_path: Path) -> None:
    log = tmp_path / "app.log"
    append(log, HEAD)
    async with tailing(log, program="app", stamp="%Y-%m-%d %H:%M:%S") as tail:
        await tail.gives(HEAD)  # nothing followed: it is whole
        append(log, HEAD + MORE + MORE + HEAD)
        await tail.gives(HEAD + HEAD + MORE + MORE + HEAD)
        assert [one.data for one in tail.inbox.chunks][-1] == HEAD
        assert tail.inbox.chunks[-1].form == FORM
        assert all(one.data.startswith(HEAD) for one in tail.inbox.chunks)
