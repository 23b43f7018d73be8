"""How far the clocks of nodes are apart, by the facts that several of them tell: the same thing happened at the same moment for all.

Only what most of the shared facts agree on counts, and only a difference of a second or more: below that, the clocks are as good as the
stamps. The order of events and the length of an outage need it. Of two nodes nobody can tell whose clock is right: all times become
those of one of them, unless traps tell when they came.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from hamon.classify.facts import Key, fact_key
from hamon.model.event import Event, EventKind
from hamon.model.observation import Source

LEAST = timedelta(seconds=1)
"""A smaller difference is none: logs of whole seconds differ by as much."""
MOST = timedelta(minutes=5)
"""Facts further apart are two facts."""
_AGREE = timedelta(seconds=1)
"""How far apart differences may be that are the same one."""
_FEWEST = 3
"""Facts that must agree; two do where there are no others."""
_WHOLE_SECOND = timedelta(seconds=1)
# What one node tells of another with a delay of its own, or each node of itself.
_NO_CLOCK = frozenset(
    {
        EventKind.UNCLASSIFIED,
        EventKind.SOURCE_LOST,
        EventKind.SOURCE_BACK,
        EventKind.STATE_CHANGED,
        EventKind.TOKEN_LOST,
        EventKind.SCHEDULING_PAUSE,
        EventKind.LINK_DOWN,
        EventKind.LINK_UP,
        EventKind.NETWORK_UNREACHABLE,
        EventKind.QUORUM_LOST,
        EventKind.QUORUM_ACQUIRED,
        EventKind.PLAN,
        EventKind.OLD_FAILURE,
    }
)

RECEIVER = ""
"""Who received the traps, and asked for the polls: by its clock all nodes can be judged."""

Times = Mapping[Key, tuple[datetime, datetime]]
"""A fact -> when a node told it first and last."""


def ahead(logs: Iterable[Sequence[Event]]) -> dict[str, timedelta]:
    """Node -> how far its clock is ahead of the one that counts; those that are right, or not comparable, are missing.

    It is that of the receiver of the traps, if there are any, else that of the node that tells most.
    """
    told: dict[str, dict[Key, tuple[datetime, datetime]]] = defaultdict(dict)
    count: Counter[str] = Counter()
    for events in logs:
        cut = timedelta(0) if any(event.at.microsecond for event in events[:50]) else _WHOLE_SECOND / 2  # half of a second, on average
        for event in events:
            if event.reporter is None or (key := shared_key(event)) is None:
                continue
            name, at = (event.reporter, event.at + cut) if event.source is Source.LOG else (RECEIVER, event.received_at)
            count[name] += 1
            first, last = told[name].get(key, (at, at))
            told[name][key] = min(first, at), max(last, at)
    if len(told) < 2:
        return {}
    most = min(told.keys() - {RECEIVER}, key=lambda name: (-count[name], name))
    received = [name for name in told if name != RECEIVER and _difference(told[name], told.get(RECEIVER, {})) is not None]
    placed = {RECEIVER if received else most: timedelta(0)}
    while True:
        found = {
            name: placed[known] + difference
            for known in placed
            for name in sorted(told.keys() - placed.keys())
            if (difference := _difference(told[name], told[known])) is not None
        }
        if not found:
            return {name: offset for name, offset in placed.items() if abs(offset) >= LEAST}
        placed |= found


def shared_key(event: Event) -> Key | None:
    """The fact that an event tells, if its time may be compared with that of others that tell it."""
    if event.source is Source.POLL or event.kind in _NO_CLOCK:
        return None
    if event.source is Source.TRAP and event.kind is EventKind.ATTRIBUTE_CHANGED:
        return None  # told when it is written, which dampening delays
    if event.kind is EventKind.MEMBERSHIP_CHANGED and (ring := event.detail.get("ring_id")) is not None:
        return event.kind, ring
    return fact_key(event)


def _difference(one: Times, other: Times) -> timedelta | None:
    """How much later one tells what both tell; None: they do not agree on it."""
    shared = one.keys() & other.keys()
    apart = sorted(one[key][end] - other[key][end] for key in shared for end in (0, 1) if end == 0 or one[key][0] != one[key][1])
    apart = [difference for difference in apart if abs(difference) <= MOST]
    begin, best = 0, (0, 0)
    for end, difference in enumerate(apart):
        while difference - apart[begin] > _AGREE:
            begin += 1
        if end + 1 - begin > best[1] - best[0]:
            best = begin, end + 1
    alike = best[1] - best[0]
    agreed = (alike >= _FEWEST and 2 * alike > len(apart)) or alike == len(apart) == 2
    return apart[(best[0] + best[1]) // 2] if agreed else None


def by_one_clock(events: Sequence[Event], offsets: Mapping[str, timedelta]) -> Sequence[Event]:
    """The events of one log with the times of the one clock. A log of whole seconds stays one."""
    if not any(event.reporter in offsets for event in events):
        return events
    whole = not any(event.at.microsecond for event in events[:50])

    def moved(event: Event) -> Event:
        offset = offsets.get(event.reporter or "", timedelta(0))
        return replace(event, at=event.at - (round(offset / _WHOLE_SECOND) * _WHOLE_SECOND if whole else offset))

    return [moved(event) if event.source is Source.LOG else event for event in events]
