import pytest
from hypothesis import given
from hypothesis import strategies as st

from hamon.collect.lines import LongLine, cut_lines

lines_of_bytes = st.lists(st.binary(max_size=40).map(lambda data: data.replace(b"\n", b"").replace(b"\0", b"")), max_size=12)


@given(lines=lines_of_bytes, rest=st.binary(max_size=20).map(lambda data: data.replace(b"\n", b"")), limit=st.integers(1, 30))
def test_the_complete_lines_come_out_each_cut_to_the_limit(lines: list[bytes], rest: bytes, limit: int) -> None:
    whole = b"".join(line + b"\n" for line in lines)
    cut = cut_lines(whole + rest, limit)
    assert cut.taken == len(whole)
    assert cut.data == b"".join(line[:limit] + b"\n" for line in lines)
    assert cut.truncated == sum(len(line) > limit for line in lines)


def test_nul_bytes_of_a_crash_are_dropped_and_the_line_behind_them_kept() -> None:
    cut = cut_lines(b"before\n" + b"\0" * 4096 + b"after\nunfinished", 64)
    assert (cut.data, cut.taken, cut.truncated) == (b"before\nafter\n", 7 + 4096 + 6, 0)


@pytest.mark.parametrize(
    ("window", "data"),
    [
        (b"unfini" + b"\0" * 4096 + b"after\n", b"unfini\nafter\n"),
        (b"whole\n" + b"\0" * 9 + b"after" + b"\0" * 9 + b"\n", b"whole\nafter\n"),
        (b"o\0ne\n", b"one\n"),
    ],
)
def test_a_hole_within_a_line_parts_what_a_crash_left_unfinished_from_the_line_after_it(window: bytes, data: bytes) -> None:
    assert (cut_lines(window, 64).data, cut_lines(window, 64).taken) == (data, len(window))
    for size in (1, 2, 3, 7):  # the same where it fills many windows
        whole, _, last = window.removesuffix(b"\n").rpartition(b"\n")
        long = LongLine(64)
        for begin in range(0, len(last), size):
            long.extend(last[begin : begin + size])
        assert cut_lines(whole + b"\n" if whole else b"", 64).data + long.end(b"", b"\n").data == data


def test_each_half_of_a_line_with_a_hole_is_cut_to_the_limit() -> None:
    window = b"x" * 11 + b"\0" * 50 + b"y" * 12
    long = LongLine(10)
    long.extend(window[:20])
    assert long.end(window[20:], b"\n") == cut_lines(window + b"\n", 10)
    assert cut_lines(window + b"\n", 10).data == b"x" * 10 + b"\n" + b"y" * 10 + b"\n"


def test_a_carriage_return_is_left_where_it_is() -> None:
    assert cut_lines(b"one\r\n", 64).data == b"one\r\n"


@pytest.mark.parametrize(("length", "truncated"), [(9, 0), (10, 0), (11, 1), (100, 1)])
def test_a_line_that_came_in_many_windows_is_cut_to_the_limit(length: int, truncated: int) -> None:
    line = bytes(65 + place % 26 for place in range(length))
    long = LongLine(10)
    for begin in range(0, length - 3, 3):
        long.extend(line[begin : begin + 3])
    cut = long.end(line[long.searched :], b"\n")
    assert (cut.data, cut.taken, cut.truncated) == (line[:10] + b"\n", length + 1, truncated)
