"""The order in which the events of several logs happened, as far as their stamps and their meaning tell it.

The order inside a log is kept: it is that in which the node wrote. Between logs the stamps decide; where these share a moment (syslog has
whole seconds) causes come before what they lead to. Which log was read first says nothing.
"""

import heapq
from collections import deque
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

from hamon.model.event import Event, EventKind
from hamon.model.observation import Snapshot, Source

_TENTH = timedelta(milliseconds=100)
"""A trap tells the tenth of a second in which it happened: it is over when the tenth is."""

# Within one second causes come before what they lead to; the order inside one file is kept.
_CAUSES_FIRST = {
    EventKind.STANDBY_ON: 0,
    EventKind.SHUTDOWN_REQUESTED: 0,
    EventKind.MOVE_CONSTRAINT_SET: 0,
    EventKind.TARGET_ROLE_CHANGED: 0,
    EventKind.TICKET_CHANGED: 0,
    EventKind.MAINTENANCE_ON: 0,
    EventKind.DAEMON_DIED: 0,
    EventKind.OPERATION_FAILED: 1,
    EventKind.LINK_DOWN: 1,
    EventKind.ATTRIBUTE_CHANGED: 1,
    EventKind.FAIL_COUNT_CHANGED: 1,
    EventKind.NODE_LOST: 2,
    EventKind.PLAN: 3,
    EventKind.STATE_CHANGED: 3,
    EventKind.FAILOVER_STARTED: 3,
    EventKind.RESOURCE_STARTED: 5,
    EventKind.RESOURCE_PROMOTED: 5,
}


def by_stamp(event: Event) -> tuple[datetime, int]:
    """The order of events that were not written one after the other, such as traps: by their stamps, causes first."""
    return event.at, _rank(event)


def _rank(event: Event) -> int:
    """Causes first; that the cluster has nothing more to do comes last."""
    if event.kind is EventKind.TRANSITION_ENDED or event.detail.get("to") == "S_IDLE":
        return 6
    return _CAUSES_FIRST.get(event.kind, 4)


def causal_order(logs: Sequence[Sequence[Event]]) -> Iterator[Event]:
    """Merge the events of several logs, or senders of traps. A stamp that goes back within a log counts as the one before it."""
    exact = all(any(event.at.microsecond for event in events[:50]) for events in logs if events)
    latest = {number: events[0].at for number, events in enumerate(logs) if events}

    def place(number: int, index: int) -> tuple[datetime, int, int, int]:
        event = logs[number][index]
        at = latest[number] = max(latest[number], event.at + _TENTH if event.source is Source.TRAP else event.at)
        return (at if exact else at.replace(microsecond=0)), _rank(event), number, index

    heads = [place(number, 0) for number, events in enumerate(logs) if events]
    heapq.heapify(heads)
    while heads:
        _, _, number, index = heads[0]
        yield logs[number][index]
        if index + 1 < len(logs[number]):
            heapq.heapreplace(heads, place(number, index + 1))
        else:
            heapq.heappop(heads)


def with_snapshots(events: Sequence[Event], snapshots: Sequence[Snapshot]) -> Iterator[Event | Snapshot]:
    """Put polls among events that are in order: each after what happened before it was asked."""
    waiting = deque(sorted(snapshots, key=lambda snapshot: snapshot.status.at))
    for event in events:
        while waiting and waiting[0].status.at < event.at:
            yield waiting.popleft()
        yield event
    yield from waiting
