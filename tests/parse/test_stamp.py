"""Years, zones and clock changes."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from hamon.errors import ParseError
from hamon.parse.stamp import Stamps


def utc(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=UTC)  # type: ignore[arg-type, misc]  # year, month, day and so on


@pytest.mark.parametrize(
    ("stamp", "seen_at", "expected"),
    [
        ("Dec 31 23:59:59", utc(2027, 1, 1, 0, 0, 5), utc(2026, 12, 31, 23, 59, 59)),
        ("Jan  1 00:00:01", utc(2026, 12, 31, 23, 59, 59), utc(2027, 1, 1, 0, 0, 1)),
        ("Jan  1 00:00:01", utc(2027, 1, 1, 0, 0, 5), utc(2027, 1, 1, 0, 0, 1)),
        ("Nov 22 10:00:00", utc(2027, 3, 1), utc(2026, 11, 22, 10)),
        ("Nov 23 09:00:00", utc(2026, 11, 22, 10), utc(2026, 11, 23, 9)),
        # More than a day ahead cannot be: it was last year.
        ("Nov 24 10:00:00", utc(2026, 11, 22, 10), utc(2025, 11, 24, 10)),
        ("Feb 29 12:00:00", utc(2028, 3, 1), utc(2028, 2, 29, 12)),
        ("Feb 29 12:00:00", utc(2029, 1, 1), utc(2028, 2, 29, 12)),
        ("Feb 29 12:00:00", utc(2028, 2, 28, 13), utc(2028, 2, 29, 12)),
        ("Nov 22 10:52:22.5", utc(2026, 11, 22, 12), utc(2026, 11, 22, 10, 52, 22, 500_000)),
        ("Nov 22 10:52:22.123456789", utc(2026, 11, 22, 12), utc(2026, 11, 22, 10, 52, 22, 123_456)),
        ("2017/04/24_06:19:55", utc(2026, 1, 1), utc(2017, 4, 24, 6, 19, 55)),
        ("2026-11-22T10:52:22Z", utc(1999, 1, 1), utc(2026, 11, 22, 10, 52, 22)),
        ("2026-11-22T10:52:22.000123+09:00", utc(1999, 1, 1), utc(2026, 11, 22, 1, 52, 22, 123)),
        ("2026-11-22T10:52:22", utc(1999, 1, 1), utc(2026, 11, 22, 10, 52, 22)),
    ],
)
def test_a_stamp_takes_the_year_that_fits(stamp: str, seen_at: datetime, expected: datetime) -> None:
    assert Stamps("UTC", seen_at).read(stamp) == expected


def test_29_february_long_after_the_last_leap_year_is_refused() -> None:
    with pytest.raises(ParseError):
        Stamps("UTC", utc(2026, 7, 1)).read("Feb 29 12:00:00")


def test_a_given_year_is_taken_as_it_is() -> None:
    assert Stamps("UTC", utc(2026, 11, 22), 2019).read("Dec 31 23:59:59") == utc(2019, 12, 31, 23, 59, 59)
    with pytest.raises(ParseError):
        Stamps("UTC", utc(2026, 11, 22), 2019).read("Feb 29 00:00:00")


def test_a_zone_gives_the_time_of_its_clocks() -> None:
    assert Stamps("Asia/Tokyo", utc(2026, 11, 22)).read("Nov 22 10:52:22") == utc(2026, 11, 22, 1, 52, 22)
    assert Stamps("Asia/Tokyo", utc(2026, 11, 22)).read("2026/11/22_10:52:22") == utc(2026, 11, 22, 1, 52, 22)
    # A stamp that carries its zone does not take another.
    assert Stamps("Asia/Tokyo", utc(2026, 11, 22)).read("2026-11-22T10:52:22+00:00") == utc(2026, 11, 22, 10, 52, 22)


def test_new_year_is_that_of_the_zone() -> None:
    tokyo = Stamps("Asia/Tokyo", utc(2026, 12, 31, 15, 0, 30))
    assert tokyo.read("Dec 31 23:59:59") == utc(2026, 12, 31, 14, 59, 59)
    assert tokyo.read("Jan  1 00:00:29") == utc(2026, 12, 31, 15, 0, 29)


def test_clock_changes_lose_no_line() -> None:
    berlin = Stamps("Europe/Berlin", utc(2026, 12, 1))
    # 29 March 2026, 02:00 CET becomes 03:00 CEST; 02:30 does not exist, yet a wrong clock may write it.
    assert berlin.read("Mar 29 01:59:59") == utc(2026, 3, 29, 0, 59, 59)
    assert berlin.read("Mar 29 03:00:00") == utc(2026, 3, 29, 1, 0, 0)
    assert utc(2026, 3, 29, 0, 30) <= berlin.read("Mar 29 02:30:00") <= utc(2026, 3, 29, 1, 30)
    # 25 October 2026, 03:00 CEST becomes 02:00 CET; 02:30 is there twice, the first is taken.
    assert berlin.read("Oct 25 02:30:00") == utc(2026, 10, 25, 0, 30)
    assert berlin.read("Oct 25 03:00:00") == utc(2026, 10, 25, 2, 0)


@given(st.integers(978_307_200, 3_786_912_000), st.timedeltas(timedelta(hours=-23), timedelta(days=180)))
def test_a_stamp_of_the_last_half_year_or_the_next_hours_is_read_right(epoch: int, age: timedelta) -> None:
    at = datetime.fromtimestamp(epoch, UTC)
    assert Stamps("UTC", at + age).read(at.strftime("%b %d %H:%M:%S")) == at


@given(st.text(max_size=40))
def test_any_stamp_is_read_or_refused(stamp: str) -> None:
    stamps = Stamps("UTC", utc(2026, 11, 22))
    try:
        first = stamps.read(stamp)
    except ParseError:
        return
    assert first.tzinfo is UTC
    assert stamps.read(stamp) == first


def test_remembering_many_stamps_changes_nothing() -> None:
    stamps = Stamps("UTC", utc(2026, 11, 22, 12))
    wanted = [f"Nov 22 10:{minute:02}:{second:02}" for minute in range(60) for second in range(0, 60, 7)]
    assert [stamps.read(stamp) for stamp in wanted] == [stamps.read(stamp) for stamp in wanted]


_EDGES = [utc(2026, 3, 29, 1), utc(2026, 10, 25, 1), utc(2026, 11, 1, 6), utc(2026, 4, 4, 15), utc(2026, 12, 31, 23, 30), utc(2026, 7, 1)]
"""Clocks set forward and back in Berlin, back in New York, back by half an hour on Lord Howe; New Year; and nothing at all."""


@given(
    st.sampled_from(["UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu"]),
    st.sampled_from(_EDGES),
    st.integers(-120, 120),
    st.lists(st.tuples(st.sampled_from([0, 0, 1, -1, 182, -183, -100]), st.integers(-90, 10), st.integers(0, 59)), min_size=2, max_size=8),
)
@example("Europe/Berlin", utc(2026, 10, 25, 1), 10, [(0, 2, 43), (0, 2, 0)])  # the hour comes twice, and this minute is read at its end
def test_what_was_read_before_does_not_change_what_a_stamp_means(
    zone: str, edge: datetime, minutes: int, written: list[tuple[int, int, int]]
) -> None:
    seen_at = edge + timedelta(minutes=minutes)
    one = Stamps(zone, seen_at)
    for days, before, second in written:
        local = (seen_at + timedelta(days=days, minutes=before)).astimezone(ZoneInfo(zone))
        for stamp in (f"{local:%b %d %H:%M}:{second:02d}", f"{local:%b %d %H:%M}:{(second + 17) % 60:02d}.25"):
            assert one.read(stamp) == Stamps(zone, seen_at).read(stamp)
