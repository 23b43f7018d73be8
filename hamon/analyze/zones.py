"""The zone of stamps that name none, from other evidence: traps and polls that carry epochs, and logs whose stamps name their zone.

The law: what both tell happened once. Only a zone that most of what both tell agrees on counts, and only where the one that was
assumed is contradicted; without other evidence the options say it.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo, available_timezones

from hamon.analyze.evidence import Input
from hamon.analyze.wall_clock import names_its_zone
from hamon.classify.clocks import shared_key
from hamon.classify.facts import Key
from hamon.model.event import Event
from hamon.model.observation import Snapshot, Source

QUARTER = timedelta(minutes=15)
"""Zones differ by a multiple of it."""
FURTHEST = timedelta(hours=26)
"""From UTC-12 to UTC+14."""
_AGREE = timedelta(minutes=1)
"""How far clocks may be off besides."""
_FEWEST = 3
"""Facts that must agree; two do where there are no others."""
_TIMES = 20
"""Times of one fact that are compared."""


@dataclass(frozen=True, slots=True)
class OtherZone:
    """The zone that other evidence shows, and what that zone is away from UTC."""

    name: str
    offset: timedelta

    def __str__(self) -> str:
        minutes = round(self.offset / timedelta(minutes=1))
        return f"UTC{'-' if minutes < 0 else '+'}{abs(minutes) // 60:02}:{abs(minutes) % 60:02}"


def other_zone(items: Sequence[Input], polls: Sequence[Snapshot], assumed: str) -> OtherZone | None:
    """The zone of the stamps without one, where it is not the assumed one."""
    # Answers without an index tell their own time alone: that they agree with themselves says nothing.
    quarters = _by_polls(polls)
    if not quarters:
        quarters = _by_facts([item for item in items if item.wall is None or item.wall.timezone == assumed])
    if not quarters:
        return None
    near = max((*(event.at for item in items for event in item.events), *(poll.status.at for poll in polls)))
    offset = (near.astimezone(ZoneInfo(assumed)).utcoffset() or timedelta(0)) + quarters * QUARTER
    name = _named(offset, near)
    return OtherZone(name, offset) if name is not None else None


def _by_polls(polls: Iterable[Snapshot]) -> int | None:
    """What an index says of the time of an answer, against the time that the answer tells itself; None: there is nothing to compare."""
    votes = Counter(
        quarter
        for poll in polls
        if poll.status.last_update_at is not None
        for quarter in _quarters(poll.status.last_update_at - poll.status.at)
    )
    return _elected(votes, votes.total())


def _by_facts(items: Sequence[Input]) -> int | None:
    """What logs without a zone tell, against the same told with one."""
    known: dict[Key, list[datetime]] = defaultdict(list)
    asked: dict[Key, list[datetime]] = defaultdict(list)
    for item in items:
        for key, at, is_sure in _told(item):
            times = (known if is_sure else asked)[key]
            if len(times) < _TIMES:
                times.append(at)
    shared = known.keys() & asked.keys()
    votes = Counter(
        quarter
        for key in shared
        for quarter in {quarter for one in asked[key] for other in known[key] for quarter in _quarters(one - other)}
    )
    return _elected(votes, len(shared))


def _told(item: Input) -> Iterator[tuple[Key, datetime, bool]]:
    """Facts of one input: when, and whether the zone of that is known."""
    for event in item.events:
        key = shared_key(event)
        if key is None:
            continue
        if event.source is Source.TRAP:
            yield key, event.received_at, True
        elif event.source is Source.LOG:
            yield key, event.at, not takes_zone(item, event)


def takes_zone(item: Input, event: Event) -> bool:
    """Whether the stamp of a line is of the zone that is assumed."""
    return item.form != "journal.json" and not names_its_zone(event.raw)


def _quarters(difference: timedelta) -> Iterator[int]:
    """The difference of zones that this one is, if it is one."""
    quarters = round(difference / QUARTER)
    if abs(difference - quarters * QUARTER) <= _AGREE and abs(difference) <= FURTHEST:
        yield quarters


def _elected(votes: Counter[int], asked: int) -> int | None:
    """What clearly most agree on."""
    ranked = votes.most_common(2)
    if not ranked:
        return None
    (best, count), others = ranked[0], ranked[1][1] if len(ranked) > 1 else 0
    return best if (count >= _FEWEST or count == asked == 2) and count >= 2 * others else None


def _named(offset: timedelta, at: datetime) -> str | None:
    """A zone that is away from UTC by so much at that time; one without summer time where there is one."""
    hours = offset / timedelta(hours=1)
    fixed = [f"Etc/GMT{-int(hours):+d}"] if hours == int(hours) else []
    for name in [*fixed, *sorted(available_timezones())]:
        try:
            if at.astimezone(ZoneInfo(name)).utcoffset() == offset:
                return name
        except (KeyError, ValueError, OSError):
            continue
    return None
