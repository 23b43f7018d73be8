"""Time stamps: of log lines (traditional syslog without year and zone, pm_logconv, ISO 8601) and of what the tools of the cluster print."""

import re
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from hamon.errors import ParseError

_MONTHS = {
    name: number for number, name in enumerate(("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"), 1)
}
_DAY, _MINUTE = timedelta(days=1), timedelta(minutes=1)
_ONE_YEAR_ONLY = timedelta(days=100)
"""Within it of the reference no stamp may be nearer in another year."""
_AHEAD, _FRESH = timedelta(minutes=2), timedelta(minutes=30)
"""A line that was read so soon after it was written tells by that in which of two equal hours it is; the reference is a whole minute."""
_CTIME = re.compile(r"(?:[A-Z][a-z]{2} )?([A-Z][a-z]{2}) +(\d{1,2}) (\d\d):(\d\d):(\d\d) (\d{4})(?: ?(Z|[+-]\d\d:?\d\d))?$")
_ISO = re.compile(r"(\d{4})-(\d\d)-(\d\d)[ T](\d\d):(\d\d):(\d\d)(?:\.(\d{1,9}))? ?(Z|[+-]\d\d:?\d\d)?$")


class Stamps:
    """Turn stamps into UTC. A stamp without year takes the one that puts it closest to `reference`, at most a day after it.

    The last stamps are remembered, since the lines of one burst share them. A fixed `year` is used as it is.
    """

    def __init__(self, timezone: str, reference: datetime, year: int | None = None) -> None:
        self._zone = ZoneInfo(timezone)
        self._reference = reference
        self._year = year
        self._known: dict[str, datetime] = {}
        self._minutes: dict[tuple[str, ...], datetime] = {}
        """When a minute began: zones change their offset, and years end, with a minute and never within one."""

    def read(self, stamp: str) -> datetime:
        """Read `Nov 22 10:52:22`, `Nov 22 10:52:22.123`, `2017/04/24_06:19:55` or ISO 8601. Raises ParseError."""
        known = self._known.get(stamp)
        if known is None:
            try:
                known = self._parse(stamp)
            except (ValueError, KeyError, OverflowError) as err:
                raise ParseError(f"no time stamp: {stamp!r}", stamp) from err
            if len(self._known) > 256:
                self._known.clear()
                self._minutes.clear()
            self._known[stamp] = known
        return known

    def _parse(self, stamp: str) -> datetime:
        if stamp[:1].isdigit():
            if stamp[4:5] == "/":
                return self._local(datetime.strptime(stamp, "%Y/%m/%d_%H:%M:%S"))  # noqa: DTZ007 - the zone is added
            return self._local(datetime.fromisoformat(stamp))
        month, day, clock = stamp.split()
        hour, minute, second = clock.split(":")
        whole, _, fraction = second.partition(".")
        microsecond = int((fraction + "000000")[:6]) if fraction else 0
        if not 0 <= (seconds := int(whole)) < 60 or microsecond < 0:
            raise ValueError(stamp)
        into = timedelta(0, seconds, microsecond)
        known = self._minutes.get((month, day, hour, minute))
        if known is not None:
            return known + into
        at = self._nearest((_MONTHS[month], int(day), int(hour), int(minute), seconds, microsecond))
        if -_ONE_YEAR_ONLY < at - self._reference < _DAY - _MINUTE and not self._is_twice(at):
            self._minutes[month, day, hour, minute] = at - into
        return at

    def _nearest(self, parts: tuple[int, int, int, int, int, int]) -> datetime:
        """The moment that month, day and time of day mean, in the fixed year, or in the one that fits."""
        if self._year is not None:
            return self._local(datetime(self._year, *parts))  # noqa: DTZ001 - the zone is added
        limit = self._reference + _DAY
        candidates = []
        for year in range(self._reference.year - 1, self._reference.year + 2):
            try:
                candidate = self._local(datetime(year, *parts))  # noqa: DTZ001 - the zone is added
            except ValueError:  # 29 February
                continue
            if candidate <= limit:
                candidates.append(candidate)
        if not candidates:
            raise ValueError(parts)
        return min(candidates, key=lambda candidate: abs(candidate - self._reference))

    def _is_twice(self, at: datetime) -> bool:
        """Whether clocks are set to another time at this hour: then what a stamp means hangs on the second in which it was read."""
        local = at.astimezone(self._zone)
        return local.replace(fold=0).utcoffset() != local.replace(fold=1).utcoffset()

    def _local(self, naive: datetime) -> datetime:
        if not 1990 <= naive.year <= 2200:
            raise ValueError(f"no year of a log: {naive.year}")
        if naive.tzinfo:
            return naive.astimezone(UTC)
        local = naive.replace(tzinfo=self._zone)
        at = local.astimezone(UTC)
        if (again := local.replace(fold=1)).utcoffset() != local.utcoffset():
            later = again.astimezone(UTC)  # clocks are set back, and the hour comes twice: which is it now?
            if at < later and timedelta() <= self._reference + _AHEAD - later <= _FRESH:
                return later
        return at


@lru_cache(maxsize=8192)
def read_time(text: str, timezone: str) -> datetime | None:
    """Read what the tools print, None where it is neither: `Sun Nov 22 10:52:24 2026`, `2026-11-22 10:52:56.123456Z`, `… 10:52:24 +09:00`.

    `timezone`: of the node that printed it, for the form without a zone.
    """
    try:
        iso = _ISO.search(text)
        if iso is not None:
            year, month, day, hour, minute, second, fraction, zone = iso.groups()
            microsecond = int((fraction + "000000")[:6]) if fraction else 0
            number = int(month)
        else:
            traditional = _CTIME.match(text)
            if traditional is None:
                return None
            name, day, hour, minute, second, year, zone = traditional.groups()
            number, microsecond = _MONTHS[name], 0
        local = datetime(int(year), number, int(day), int(hour), int(minute), int(second), microsecond)  # noqa: DTZ001 - the zone follows
        if zone is None:
            return local.replace(tzinfo=ZoneInfo(timezone)).astimezone(UTC)
        return datetime.fromisoformat(f"{local.isoformat()}{zone}").astimezone(UTC)
    except (ValueError, KeyError, OverflowError):
        return None
