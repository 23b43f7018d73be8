"""New Year in logs without a year, and the hour that comes twice when clocks are set back: lines stay in the order of their file."""

import gzip
import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from hamon.analyze import Options, analyze, to_json
from hamon.parse.stamp import Stamps
from tests.cases import rules
from tests.recordings import evidence

STAMP = re.compile(rb"^([A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d)", re.MULTILINE)
NAME, BEGIN = "failover_resource", datetime(2026, 11, 22, 10, 52, 17, tzinfo=UTC)
"""A failover from pm01 to pm02; its log begins then, and holds 12 s."""
BACK, BACK_BEGIN = "failover_resource_first", datetime(2026, 11, 22, 10, 50, 0, tzinfo=UTC)
MIDNIGHT = datetime(2026, 1, 1, tzinfo=UTC)
BERLIN = "Europe/Berlin"
SET_BACK = datetime(2026, 10, 25, 1, tzinfo=UTC)
"""At 3 o'clock in summer time it is 2 o'clock again."""


def moved(name: str, by: timedelta, zone: str = "UTC", form: str = "%b %d %H:%M:%S") -> dict[str, bytes]:
    """The ha-log of each node as it would have been written that much later in that zone."""

    def stamp(match: re.Match[bytes]) -> bytes:
        at = datetime.strptime(f"2026 {match[1].decode()} +0000", "%Y %b %d %H:%M:%S %z") + by
        return at.astimezone(ZoneInfo(zone)).strftime(form).encode()

    return {path.parent.name: STAMP.sub(stamp, gzip.decompress(path.read_bytes())) for path in evidence(name, "*/ha-log.gz")}


def ask(folder: Path, logs: Sequence[tuple[str, bytes]], **options: Any) -> dict[str, Any]:
    for number, (node, data) in enumerate(logs):
        (folder / f"{number}-{node}.log").write_bytes(data)
    return to_json(analyze([folder], rules(), Options(**options)), "en")


def story(answer: dict[str, Any], by: timedelta = timedelta()) -> Any:
    """What happened, and when; `by` is taken off the times."""

    def then(text: str | None) -> datetime | None:
        return None if text is None else datetime.fromisoformat(text) - by

    times = ("started_at", "detected_at", "service_restored_at")
    names = ("kind", "outcome", "planned", "from_node", "to_node", "service_down_seconds")
    return [[*(item[name] for name in names), *(then(item[name]) for name in times)] for item in answer["incidents"]]


def as_it_was(folder: Path) -> Any:
    folder.mkdir()
    return story(ask(folder, [*moved(NAME, timedelta()).items()], year=2026))


@pytest.mark.parametrize("split", [False, True], ids=["one file", "a file for each day"])
@pytest.mark.parametrize("seconds", [1, 4, 6, 9])
def test_a_log_that_goes_over_new_year_begins_in_the_year_that_is_given(tmp_path: Path, seconds: int, split: bool) -> None:
    by = MIDNIGHT - timedelta(seconds=seconds) - BEGIN
    logs = [*moved(NAME, by).items()]
    if split:
        cuts = [(node, data, found.start() if (found := re.search(rb"^Jan", data, re.MULTILINE)) else len(data)) for node, data in logs]
        logs = [(node, piece) for node, data, cut in cuts for piece in (data[:cut], data[cut:]) if piece]
    (tmp_path / "there").mkdir()
    assert story(ask(tmp_path / "there", logs, year=2025), by) == as_it_was(tmp_path / "here")


def test_a_log_of_january_that_goes_on_in_december_is_of_one_year(tmp_path: Path) -> None:
    [january, december] = [moved(NAME, datetime(2026, month, 20, tzinfo=UTC) - BEGIN) for month in (1, 12)]
    answer = ask(tmp_path, [(node, january[node] + december[node]) for node in january], year=2026)
    assert {item["at"][:7] for item in answer["events"]} == {"2026-01", "2026-12"}


def test_a_stamp_with_its_year_stays_as_it_is_beside_one_without(tmp_path: Path) -> None:
    plain = moved(NAME, MIDNIGHT - timedelta(days=1) - BEGIN)
    dated = moved(NAME, MIDNIGHT + timedelta(days=1) - BEGIN, form="%Y-%m-%dT%H:%M:%S+00:00")
    answer = ask(tmp_path, [*plain.items(), *dated.items()], year=2025)
    assert {item["at"][:10] for item in answer["events"]} == {"2025-12-31", "2026-01-02"}


@pytest.mark.parametrize("seconds", [1, 4, 6, 9])
def test_a_failover_while_clocks_are_set_back_lasts_as_long_as_ever(tmp_path: Path, seconds: int) -> None:
    by = SET_BACK - timedelta(seconds=seconds) - BEGIN
    (tmp_path / "there").mkdir()
    found = ask(tmp_path / "there", [*moved(NAME, by, BERLIN).items()], year=2026, timezone=BERLIN)
    assert story(found, by) == as_it_was(tmp_path / "here")


def test_what_happens_at_half_past_two_and_at_half_past_two_again_is_an_hour_apart(tmp_path: Path) -> None:
    early = moved(BACK, SET_BACK - timedelta(minutes=30) - BACK_BEGIN, BERLIN)
    late = moved(NAME, SET_BACK + timedelta(minutes=30) - BEGIN, BERLIN)
    answer = ask(tmp_path, [(node, early[node] + late[node]) for node in early], year=2026, timezone=BERLIN)
    found = [
        (item["from_node"], item["to_node"], datetime.fromisoformat(item["started_at"]))
        for item in answer["incidents"]
        if item["kind"] == "failover"
    ]
    [(*first, at), (*second, then)] = found
    assert (first, second) == (["pm02", "pm01"], ["pm01", "pm02"])
    assert at < SET_BACK < then


@pytest.mark.parametrize(
    ("read_at", "means"),
    [
        (datetime(2026, 10, 25, 0, 30, tzinfo=UTC), datetime(2026, 10, 25, 0, 30, 10, tzinfo=UTC)),  # within the first hour
        (datetime(2026, 10, 25, 1, 30, tzinfo=UTC), datetime(2026, 10, 25, 1, 30, 10, tzinfo=UTC)),  # within the second
        (datetime(2026, 11, 25, tzinfo=UTC), datetime(2026, 10, 25, 0, 30, 10, tzinfo=UTC)),  # a month later nobody knows
    ],
)
def test_a_line_that_is_read_as_it_is_written_is_of_the_hour_in_which_it_is_read(read_at: datetime, means: datetime) -> None:
    assert Stamps(BERLIN, read_at).read("Oct 25 02:30:10") == means


def test_an_hour_that_clocks_leave_out_is_read_as_before() -> None:
    read_at = datetime(2026, 3, 29, 1, 30, tzinfo=UTC)
    assert Stamps(BERLIN, read_at).read("Mar 29 02:30:10") == datetime(2026, 3, 29, 1, 30, 10, tzinfo=UTC)
