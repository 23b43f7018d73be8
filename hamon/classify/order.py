"""The order in which the events of several logs happened, as far as their stamps and their meaning tell it.

The order inside a log is kept: it is that in which the node wrote, unless it shows that something mixed it up within a second. Between
logs the stamps decide; where these share a moment (syslog has whole seconds) causes come before what they lead to. Which log was read
first says nothing.
"""

import heapq
from collections import deque
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

from hamon.model.event import Event, EventKind
from hamon.model.observation import Snapshot, Source

# Names of this module: Python 3.11 finds them ten times as fast as members of a class.
_FENCING_DONE = EventKind.FENCING_DONE
_FENCING_REQUESTED = EventKind.FENCING_REQUESTED
_LOG = Source.LOG
_OPERATION_FAILED = EventKind.OPERATION_FAILED
_OPERATION_RECORDED = EventKind.OPERATION_RECORDED
_OPERATION_STARTED = EventKind.OPERATION_STARTED
_PLAN = EventKind.PLAN
_STATE_CHANGED = EventKind.STATE_CHANGED
_TRANSITION_ENDED = EventKind.TRANSITION_ENDED
_TRAP = Source.TRAP

_TENTH = timedelta(milliseconds=100)
"""A trap tells the tenth of a second in which it happened: it is over when the tenth is."""

_ORDER: tuple[tuple[EventKind, ...], ...] = (
    (
        EventKind.STANDBY_ON,
        EventKind.SHUTDOWN_REQUESTED,
        EventKind.MOVE_CONSTRAINT_SET,
        EventKind.TARGET_ROLE_CHANGED,
        EventKind.TICKET_CHANGED,
        EventKind.MAINTENANCE_ON,
        EventKind.DAEMON_DIED,
        EventKind.HOST_ERROR,
        EventKind.AGENT_ERROR,
        EventKind.FENCE_DEVICE_KNOWN,
        EventKind.CONFIG_CHANGED,
        EventKind.QUORUM_IGNORED,
        EventKind.UNCLASSIFIED,
    ),
    (EventKind.OPERATION_FAILED, EventKind.LINK_DOWN, EventKind.TOKEN_LOST, EventKind.ATTRIBUTE_CHANGED, EventKind.FAIL_COUNT_CHANGED),
    (EventKind.QUORUM_LOST,),
    (EventKind.NODE_LOST, EventKind.NODE_LEFT),
    (EventKind.NODE_UNCLEAN, EventKind.THRESHOLD_REACHED, EventKind.OLD_FAILURE),
    (EventKind.STATE_CHANGED,),
    (EventKind.PLAN, EventKind.FAILOVER_STARTED),
    (EventKind.RESOURCE_BLOCKED,),
    (EventKind.FENCING_REQUESTED, EventKind.OPERATION_STARTED),
    (EventKind.FENCING_ATTEMPTED,),
    (EventKind.RESOURCE_DEMOTED,),
    (),
    (EventKind.RESOURCE_STARTED, EventKind.RESOURCE_MIGRATED),
    (EventKind.RESOURCE_PROMOTED,),
    (EventKind.OPERATION_SUCCEEDED,),
)
"""Within one second causes come before what they lead to; of kinds that are not named the place is that of the empty row."""
_RANKS = {kind: rank for rank, kinds in enumerate(_ORDER) for kind in kinds}
_OTHER = _ORDER.index(())
_CARRIED_OUT = frozenset({"start", "stop", "promote", "demote", "migrate_to", "migrate_from"})
"""Operations that the cluster decided on: that one failed comes after the plan; that a monitor failed, before it."""


_COMES = frozenset({EventKind.RESOURCE_STARTED, EventKind.RESOURCE_PROMOTED})


def by_stamp(event: Event) -> tuple[datetime, int]:
    """The order of events that were not written one after the other, such as traps: by their stamps, causes first."""
    return event.at, _rank(event)


_BY_DETAIL = frozenset(
    {EventKind.STATE_CHANGED, EventKind.TRANSITION_ENDED, EventKind.PLAN, EventKind.OPERATION_FAILED, EventKind.OPERATION_RECORDED}
)
"""Kinds of which the place depends on what an event says."""


def _rank(event: Event) -> int:
    """Causes first; that the cluster has nothing more to do comes last."""
    kind, detail = event.kind, event.detail
    if kind not in _BY_DETAIL:
        return _RANKS.get(kind, _OTHER)
    to = detail.get("to")
    if to == "S_IDLE" or kind is _TRANSITION_ENDED:
        return len(_ORDER)
    if kind is _OPERATION_RECORDED and detail.get("status") in (None, -1):
        return 0  # it tells nothing yet, and must not keep back what follows it
    if kind is _OPERATION_FAILED and detail.get("operation") in _CARRIED_OUT:
        return _OTHER
    if to == "S_TRANSITION_ENGINE" or detail.get("action") == "End":
        return _RANKS[_PLAN]
    return _RANKS.get(kind, _OTHER)


def causal_order(logs: Sequence[Sequence[Event]]) -> Iterator[Event]:
    """Merge the events of several logs, or senders of traps. A stamp that goes back within a log counts as the one before it."""
    logs = put_in_order([events for events in logs if events])
    if len(logs) == 1:
        yield from logs[0]
        return
    exact = all(any(event.at.microsecond for event in events[:50]) for events in logs)
    latest = [events[0].at for events in logs]

    def place(number: int, index: int) -> tuple[datetime, int, int, int]:
        event = logs[number][index]
        at = latest[number] = max(latest[number], event.at + _TENTH if event.source is _TRAP else event.at)
        return (at if exact else at.replace(microsecond=0)), _rank(event), number, index

    heads = [place(number, 0) for number in range(len(logs))]
    heapq.heapify(heads)
    orders = {} if exact else _orders(logs)
    taken = [0] * len(logs)
    while heads:
        head = heads[0]
        _, _, number, index = head
        if orders and (order := orders.get(_asked(logs[number][index]))) is not None and taken[order[0]] <= order[1]:
            # The DC orders it in this second: what its log has up to that comes before.
            head = next(other for other in heads if other[2] == order[0])
            _, _, number, index = head
        yield logs[number][index]
        taken[number] = index + 1
        following = [place(number, index + 1)] if index + 1 < len(logs[number]) else []
        if head is not heads[0]:
            heads[:] = [other for other in heads if other is not head] + following
            heapq.heapify(heads)
        elif following:
            heapq.heapreplace(heads, following[0])
        else:
            heapq.heappop(heads)


_Asked = tuple[datetime, str | None, str | None, object]
_BY_NODE = _COMES | {_OPERATION_STARTED, EventKind.RESOURCE_MIGRATED}
"""What a node tells of an operation that it was told to carry out and that brings something to it."""


def _asked(event: Event) -> _Asked | None:
    """Which operation a node carries out itself; None: the event is of another kind."""
    if event.kind not in _BY_NODE or event.reporter != event.node:
        return None
    return event.at.replace(microsecond=0), event.resource, event.node, event.detail.get("operation")


def _orders(logs: Sequence[Sequence[Event]]) -> dict[_Asked | None, tuple[int, int]]:
    """Where another node, the DC, tells first that it has a node carry out an operation: log and index, by the second and the operation."""
    found: dict[_Asked | None, tuple[int, int]] = {}
    for number, events in enumerate(logs):
        for index, event in enumerate(events):
            if event.kind is _OPERATION_STARTED and event.reporter != event.node and event.source is _LOG:
                second = event.at.replace(microsecond=0)
                found.setdefault((second, event.resource, event.node, event.detail.get("operation")), (number, index))
    return found


def with_snapshots(events: Sequence[Event], snapshots: Sequence[Snapshot]) -> Iterator[Event | Snapshot]:
    """Put polls among events that are in order: each after what happened before it was asked."""
    waiting = deque(sorted(snapshots, key=lambda snapshot: snapshot.status.at))
    for event in events:
        while waiting and waiting[0].status.at < event.at:
            yield waiting.popleft()
        yield event
    yield from waiting


def put_in_order(logs: Sequence[Sequence[Event]]) -> Sequence[Sequence[Event]]:
    """The events of each log as they were written, where something on the way mixed up those of one second: a relay, or `sort`.

    Only where it shows that something did, since what was written in this order knows better than any rule; then of all logs.
    """
    seconds = [_by_second(events) for events in logs if events and events[0].source is _LOG]
    if not any(_is_sorted(log) or any(is_mixed(second) for second in log if len(second) > 1) for log in seconds):
        return logs
    others = [events for events in logs if events and events[0].source is not _LOG]
    return [*([event for second in log for event in _put_right(second)] for log in seconds), *others]


def _by_second(events: Sequence[Event]) -> list[list[Event]]:
    """Events that follow each other within one second belong together."""
    seconds: list[list[Event]] = []
    group: list[Event] = []
    latest: datetime | None = None
    second: datetime | None = None
    for event in events:
        at = event.at
        if at is not latest:  # lines of one second nearly always share their stamp
            latest = at
            begun = at.replace(microsecond=0) if at.microsecond else at
            if begun != second:
                second, group = begun, []
                seconds.append(group)
        group.append(event)
    return seconds


def _put_right(second: list[Event]) -> list[Event]:
    if any(event.at.microsecond for event in second):
        return sorted(second, key=lambda event: event.at)
    plans = [event for event in second if event.kind is _PLAN]
    came = {(event.resource, event.node) for event in second if event.kind in _COMES} if plans else set()
    leaving = {_instance(event) for event in plans if not _is_in_place(event)}
    last = next((event for event in reversed(plans) if event.detail.get("action") == "End"), None)

    def place(event: Event) -> tuple[int, int]:
        if event.kind not in _BY_DETAIL:
            return _RANKS.get(event.kind, _OTHER), 0
        if event.kind is _PLAN:
            action = event.detail.get("action")
            if action == "Leave" and (event.resource, event.detail.get("to")) in came:
                return len(_ORDER) - 1, 0  # a later plan, which leaves it where it came to
            if action == "End":
                return _rank(event), 3 if event is last else 1
            # What was planned first, and given up for another plan before it was carried out.
            return _rank(event), 0 if _is_in_place(event) and _instance(event) in leaving else 2
        if event.kind is _OPERATION_RECORDED:  # after what it records; a record begins with its operation
            return len(_ORDER) - 1 if _rank(event) else 0, int(event.detail.get("operation") is None)
        return _rank(event), 4 if event.detail.get("to") == "S_TRANSITION_ENGINE" else 0

    return sorted(second, key=place)


def _instance(event: Event) -> tuple[object, ...]:
    return event.reporter, event.resource, event.detail.get("instance")


def _is_in_place(event: Event) -> bool:
    """Whether an action of a plan keeps a resource where it is."""
    return event.resource is None or event.detail.get("action") == "Leave" or event.detail.get("from") == event.detail.get("to")


def _is_sorted(seconds: Sequence[list[Event]]) -> bool:
    """Whether the lines of each whole second stand in the order of their letters: nothing but a tool puts them so."""
    count = longest = 0
    for second in seconds:
        if len(second) > 2 and not any(event.at.microsecond for event in second):
            lines = [event.raw for event in second]
            if lines != sorted(lines):
                return False
            count, longest = count + 1, max(longest, len(lines))
    return count > 2 or longest > 5


_ENDS_OF = {
    EventKind.RESOURCE_STARTED: "start",
    EventKind.RESOURCE_STOPPED: "stop",
    EventKind.RESOURCE_PROMOTED: "promote",
    EventKind.RESOURCE_DEMOTED: "demote",
}


def is_mixed(second: Sequence[Event]) -> bool:
    """Whether the events of one second cannot have been written in this order: one log tells an end before its beginning."""
    by_reporter: dict[str | None, _Second] = {}
    for event in second:
        log = by_reporter.get(event.reporter)
        if log is None:
            log = by_reporter[event.reporter] = _Second()
        if log.is_impossible(event):
            return True
    return any(log.is_broken for log in by_reporter.values())


class _Second:
    """What one node wrote within one second."""

    def __init__(self) -> None:
        self._at: datetime | None = None
        self._begun: set[tuple[object, ...]] = set()
        self._ended: dict[tuple[object, object], object] = {}
        """Resource and node -> the operation of which the end was told, and no beginning."""
        self._planned = self._plan_goes_on = False
        self._state: object = None
        self._has_gap = self._has_all_states = False

    @property
    def is_broken(self) -> bool:
        """Whether a plan goes on after its end, or the states of the controller, none of which is left out, do not follow each other."""
        return self._plan_goes_on or (self._has_gap and self._has_all_states)

    def is_impossible(self, event: Event) -> bool:
        """Whether an event cannot come now."""
        at, kind, detail = event.at, event.kind, event.detail
        if at is not self._at:
            if self._at is not None and self._at - at > _TENTH:  # daemons write into one file: a little late is no sign
                return True
            self._at = at if self._at is None else max(self._at, at)
        if kind is _PLAN:
            is_end = detail.get("action") == "End"
            self._planned, self._plan_goes_on = self._planned or is_end, self._planned and not is_end
        elif kind is _OPERATION_STARTED:
            subject, operation = (event.resource, event.node), detail.get("operation")
            self._begun.add((*subject, operation))
            return (subject, operation) in self._ended.items()
        elif kind is _STATE_CHANGED:
            self._has_gap = self._has_gap or self._state not in (None, detail.get("from"))
            self._state = detail.get("to")
            self._has_all_states = self._has_all_states or self._state == "S_TRANSITION_ENGINE"
        elif (end_of := _ENDS_OF.get(kind)) is not None:
            subject = (event.resource, event.node)
            self._ended.pop(subject, None)  # after another operation the same may begin again
            if (*subject, end_of) not in self._begun:
                self._ended[subject] = end_of
        elif kind is _FENCING_REQUESTED:
            return ((None, event.node), "fence") in self._ended.items()
        elif kind is _FENCING_DONE:
            self._ended[None, event.node] = "fence"
        return False
