r"""Logs of programs that are none of the cluster's: bytes to records, each with its time, its level and its text.

A record is one line, or a line and those that continue it (a stack trace). The law: where a record begins shows in its first line alone,
so the same bytes give the same records however they are cut between records.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from functools import lru_cache
from zoneinfo import ZoneInfo

from hamon.model.observation import TextForm

MAX_RECORD_BYTES = 65536
"""Of a longer record the rest is left out."""
_BEFORE_STAMP = 60
"""A stamp begins within so many bytes of its line."""

_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_DIRECTIVES = {
    "Y": r"(?P<year>\d{4})",
    "y": r"(?P<short>\d\d)",
    "m": r"(?P<month>\d\d?)",
    "b": rf"(?P<name>{'|'.join(_MONTHS)})",
    "d": r"(?P<day> ?\d\d?)",
    "e": r"(?P<day> ?\d\d?)",
    "H": r"(?P<hour>\d\d?)",
    "M": r"(?P<minute>\d\d)",
    "S": r"(?P<second>\d\d)",
    "f": r"(?P<fraction>\d{1,9})",
    "z": r"(?P<offset>Z|[+-]\d\d(?::?\d\d)?)",
    "Z": r"(?P<zone>[A-Z]{1,5})",
    "s": r"(?P<epoch>\d{9,11}(?:\.\d{1,9})?)",
    "a": r"[A-Z][a-z]{2}",
    "%": "%",
}
_SHORT = {"T": "%H:%M:%S", "F": "%Y-%m-%d"}
_DAY = timedelta(days=1)


class StampForm:
    """A form of time stamps, in the directives of strftime that stand for digits, English months, zones, and `%s` (seconds since 1970)."""

    def __init__(self, form: str) -> None:
        """Raises ValueError for a directive that cannot be read, and for a form without a time of day."""
        for short, long in _SHORT.items():
            form = form.replace(f"%{short}", long)
        pattern, groups = "", set[str]()
        for literal, directive in re.findall(r"([^%]+)|%(.?)", form):
            if literal:
                pattern += re.sub(r"(?:\\? )+", r"\\s+", re.escape(literal))
                continue
            known = _DIRECTIVES.get(directive)
            if known is None:
                known_ones = " ".join(f"%{name}" for name in sorted({*_DIRECTIVES, *_SHORT}))
                raise ValueError(f"%{directive} cannot be read; there are {known_ones}")
            group = re.match(r"\(\?P<(\w+)>", known)
            if group is not None and group[1] in groups:
                raise ValueError(f"%{directive}: {group[1]} stands there twice")
            groups |= {group[1]} if group is not None else set()
            pattern += known
        if "epoch" not in groups and not {"day", "hour", "minute"} <= groups | ({"month"} & groups):
            raise ValueError('it needs day, hour and minute, such as "%Y-%m-%d %H:%M:%S"; or %s, the seconds since 1970')
        if "epoch" not in groups and not groups & {"month", "name"}:
            raise ValueError("it needs the month: %m or %b")
        self.pattern = re.compile(pattern.encode("ascii", "backslashreplace"))

    def find(self, line: bytes) -> re.Match[bytes] | None:
        """The stamp of a line, if it has one where a stamp is expected."""
        found = self.pattern.search(line, 0, _BEFORE_STAMP + 64)
        return found if found is not None and found.start() <= _BEFORE_STAMP else None

    @staticmethod
    def time(found: re.Match[bytes], zone: str, reference: datetime) -> datetime | None:
        """The time in UTC; without a year the one nearest to `reference`, at most a day after it. None: there is no such day or hour."""
        part = {name: value.decode("ascii") for name, value in found.groupdict().items() if value is not None}
        try:
            if (epoch := part.get("epoch")) is not None:
                return datetime.fromtimestamp(float(epoch), UTC)
            month = _MONTHS.index(part["name"]) + 1 if "name" in part else int(part["month"])
            micro = int((part.get("fraction", "") + "000000")[:6])
            rest = (month, int(part["day"]), int(part["hour"]), int(part["minute"]), int(part.get("second", 0)), micro)
            if "year" in part or "short" in part:
                year = int(part["year"]) if "year" in part else 2000 + int(part["short"])
                return _local(year, rest, part, zone)
            near = [at for year in range(reference.year - 1, reference.year + 2) if (at := _or_none(year, rest, part, zone)) is not None]
            past = [at for at in near if at <= reference + _DAY]
            return min(past or near, key=lambda at: abs(at - reference), default=None)
        except (ValueError, OverflowError):
            return None


_Rest = tuple[int, int, int, int, int, int]


def _local(year: int, rest: _Rest, part: dict[str, str], zone: str) -> datetime:
    offset = part.get("offset")
    if offset == "Z" or part.get("zone") in ("Z", "UTC", "GMT"):
        return datetime(year, *rest, tzinfo=UTC)
    if offset is not None:
        digits = offset[1:].replace(":", "").ljust(4, "0")
        ahead = timedelta(hours=int(digits[:2]), minutes=int(digits[2:])) * (-1 if offset[0] == "-" else 1)
        return datetime(year, *rest, tzinfo=timezone(ahead)).astimezone(UTC)
    return datetime(year, *rest, tzinfo=ZoneInfo(zone)).astimezone(UTC)


def _or_none(year: int, rest: _Rest, part: dict[str, str], zone: str) -> datetime | None:
    try:
        return _local(year, rest, part, zone)
    except ValueError:  # 29 February
        return None


@lru_cache(maxsize=64)
def stamp_form(form: str) -> StampForm:
    return StampForm(form)


@lru_cache(maxsize=64)
def _starts(start: str) -> re.Pattern[bytes]:
    return re.compile(start.encode())


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """The lines of one record, without the last line end; `offset` is that of its first byte. `is_rest`: its first line was not seen."""

    data: bytes
    offset: int
    is_rest: bool = False


def is_start(form: TextForm, line: bytes) -> bool:
    """Whether a line begins a record."""
    if form.start:
        return _starts(form.start).search(line) is not None
    if form.stamp:
        return stamp_form(form.stamp).find(line) is not None
    return bool(line.strip()) and not line[:1].isspace()


def last_start(form: TextForm, data: bytes) -> int:
    """Where in complete lines the last record begins; `len(data)` when all of them only continue an earlier one."""
    end = len(data)
    while end > 0:
        begin = data.rfind(b"\n", 0, end - 1) + 1
        if is_start(form, data[begin:end]):
            return begin
        end = begin
    return len(data)


def records(form: TextForm, data: bytes, offset: int = 0) -> Iterator[Record]:
    """Cut complete lines into records. Lines before the first begin are a record that `is_rest`."""
    kept: list[bytes] = []
    begin, size, lines, rest = offset, 0, 0, True
    for line in data.splitlines(keepends=True):
        if is_start(form, line):
            if kept:
                yield Record(data=b"".join(kept).rstrip(b"\r\n"), offset=begin, is_rest=rest)
            kept, begin, size, lines, rest = [], offset, 0, 0, False
        if lines < form.most_lines and size < MAX_RECORD_BYTES and (kept or line.strip()):
            kept.append(line[: MAX_RECORD_BYTES - size])
            size += len(line)
            lines += 1
        offset += len(line)
    if kept:
        yield Record(data=b"".join(kept).rstrip(b"\r\n"), offset=begin, is_rest=rest)


_LEVELS = {
    "emerg": ("EMERG", "EMERGENCY"),
    "alert": ("ALERT",),
    "crit": ("CRIT", "CRITICAL", "FATAL", "PANIC", "SEVERE"),
    "error": ("ERROR", "ERR"),
    "warning": ("WARNING", "WARN"),
    "notice": ("NOTICE",),
    "info": ("INFO", "LOG", "INFORMATION"),
    "debug": ("DEBUG",),
    "trace": ("TRACE",),
}
_LEVEL_OF = {word: level for level, words in _LEVELS.items() for word in words}
_WORDS = "|".join(sorted(_LEVEL_OF, key=len, reverse=True))
_LEVEL = re.compile(
    rf"(?<![\w.])(?:({_WORDS})(?![\w.])|(?i:(?:level|severity)=\"?({_WORDS})(?!\w))|(?i:[\[<(]({_WORDS})[\])>])|(?i:({_WORDS}): ))"
)
_LEVEL_WITHIN = 200


def level_of(line: str) -> str | None:
    """The level that a line gives itself: a word in capitals, in brackets, before a colon, or after `level=`. None: it gives none.

    >>> level_of("2026-11-25 10:00:00 JST [7] FATAL:  the end"), level_of("[warn] slow"), level_of("no error here")
    ('crit', 'warning', None)
    """
    found = _LEVEL.search(line, 0, _LEVEL_WITHIN)
    if found is None:
        return None
    return _LEVEL_OF[next(word for word in found.groups() if word).upper()]
