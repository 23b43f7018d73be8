"""What the stamps of a log leave open, and the order of its lines tells: the year, and which of the two hours when clocks are set back.

The law: lines stay in the order in which they were written. Stamps that name their year, or their zone, are left alone.
"""

import re
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from itertools import pairwise
from zoneinfo import ZoneInfo

from hamon.model.event import Event

_HEAD = 80
"""Characters of a line in which its stamp is looked for."""
_YEAR = re.compile(r"(?<!\d)\d{4}[-/]\d\d[-/]\d\d")
_ZONE = re.compile(r"\d\d:\d\d:\d\d(?:[.,]\d+)?(?:Z|[+-]\d\d:?\d\d)\b")
_HALF_A_YEAR = timedelta(days=183)
_OUT_OF_STEP = 60
"""So many seconds may lines of one file be out of order without that the clock was set back."""
_DECEMBER = re.compile(rb"Dec ([ \d]\d) \d\d:\d\d:\d\d")
_HOURS = timedelta(hours=1)


def names_its_zone(line: str) -> bool:
    """Whether the stamp of a line says its zone."""
    return _ZONE.search(line[:_HEAD]) is not None


@dataclass(slots=True)
class Wall:
    """What the lines of one file tell of the clock on the wall, also those that are no events.

    `december`: the place and the day of the first line of December. `turns`: places from which on lines are of the second of two equal
    hours, then again of the first (as in a file that holds several logs), and so on.
    """

    timezone: str
    years: tuple[int, ...]
    december: tuple[int, int] | None = None
    turns: list[int] = field(default_factory=list)
    _latest: int | None = None

    def see(self, data: bytes, offset: int) -> None:
        """Look through a block of whole lines."""
        if self.december is None:
            for at in _line_starts(data, b"Dec "):
                if (found := _DECEMBER.match(data, at)) is not None:
                    self.december = (offset + at, int(found[1]))
                    break
        places = sorted(
            (at, at + len(needle), minute) for needle, minute in _needles(self.timezone, self.years) for at in _line_starts(data, needle)
        )
        for at, begin, minute in places:
            clock = data[begin : begin + 5]  # 59:59
            if not (clock[:2].isdigit() and clock[3:].isdigit()):
                continue
            second = (minute + int(clock[:2])) * 60 + int(clock[3:])
            if self._latest is not None and self._latest - second > _OUT_OF_STEP:
                self.turns.append(offset + at)
                self._latest = second
            self._latest = second if self._latest is None else max(self._latest, second)

    def is_second(self, event: Event) -> bool:
        """Whether a line within the hour is of the second one."""
        return bisect_right(self.turns, _place(event)) % 2 == 1


def _line_starts(data: bytes, needle: bytes) -> Iterable[int]:
    at = data.find(needle)
    while at >= 0:
        if at == 0 or data[at - 1] == 10:
            yield at
        at = data.find(needle, at + 1)


@lru_cache(maxsize=64)
def _needles(timezone: str, years: tuple[int, ...]) -> Sequence[tuple[bytes, int]]:
    """How lines begin in the hours that come twice in these years, and the minute of the day with which that hour begins."""
    zone = ZoneInfo(timezone)
    found = []
    for year in years:
        hour = datetime(year, 1, 1)  # noqa: DTZ001 - as the clock on the wall shows it
        while hour.year == year:
            following = hour + timedelta(days=1)
            if following.replace(tzinfo=zone).astimezone(UTC) - hour.replace(tzinfo=zone).astimezone(UTC) > timedelta(days=1):
                hours = (hour + number * _HOURS for number in range(24))
                for twice in (one for one in hours if _comes_twice(one, zone) or _comes_twice(one + _HOURS / 2, zone)):
                    minute = twice.hour * 60
                    found += [(f"{twice:%b} {twice.day:2} {twice:%H}:".encode(), minute)]
                    found += [(f"{twice:{form}}:".encode(), minute) for form in ("%Y-%m-%dT%H", "%Y-%m-%d %H", "%Y/%m/%d_%H")]
            hour = following
    return found


def over_new_year(logs: Sequence[tuple[Sequence[Event], Wall]], year: int) -> list[list[Event]]:
    """Read with one year for all: what goes on from December in January is of the year after it.

    That is so where half a year or more lies between the two, and no log has them in the other order.
    """
    open_years = [[event for event in events if not _YEAR.search(event.raw[:_HEAD])] for events, _ in logs]
    decembers = [None if wall.december is None else datetime(year, 12, wall.december[1], tzinfo=UTC) for _, wall in logs]
    times = sorted({event.at for events in open_years for event in events} | {at for at in decembers if at is not None})
    gap, begin = max(((later - earlier, later) for earlier, later in pairwise(times)), default=(timedelta(), None))
    unchanged = [[*events] for events, _ in logs]
    if begin is None or gap < _HALF_A_YEAR:
        return unchanged
    for events, (_, wall) in zip(open_years, logs, strict=True):
        late = [_place(event) for event in events if event.at >= begin] + ([] if wall.december is None else [wall.december[0]])
        early = [_place(event) for event in events if event.at < begin]
        if late and early and min(early) < min(late):
            return unchanged  # this log goes on from January to December
    return [
        [_a_year_later(event) if event.at < begin and not _YEAR.search(event.raw[:_HEAD]) else event for event in events]
        for events, _ in logs
    ]


def in_the_repeated_hour(events: Sequence[Event], wall: Wall) -> list[Event]:
    """When clocks are set back an hour comes twice: what lies behind a step back within it is of the second one."""
    if not wall.turns:
        return [*events]
    zone = ZoneInfo(wall.timezone)
    return [_told(event, zone, 1 if wall.is_second(event) else 0) for event in events]


def _told(event: Event, zone: ZoneInfo, fold: int) -> Event:
    """The event in the first or the second of the two hours; one outside them as it is."""
    local = event.at.astimezone(zone).replace(tzinfo=None)
    if not _comes_twice(local, zone) or names_its_zone(event.raw):
        return event
    return replace(event, at=local.replace(tzinfo=zone, fold=fold).astimezone(UTC))


def _comes_twice(local: datetime, zone: ZoneInfo) -> bool:
    return local.replace(tzinfo=zone).astimezone(UTC) < local.replace(tzinfo=zone, fold=1).astimezone(UTC)


def _a_year_later(event: Event) -> Event:
    try:
        return replace(event, at=event.at.replace(year=event.at.year + 1))
    except ValueError:  # 29 February
        return replace(event, at=event.at + timedelta(days=365))


def _place(event: Event) -> int:
    return int(event.ref.rpartition("@")[2])
