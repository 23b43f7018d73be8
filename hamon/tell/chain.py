"""What the entries of a story mean together: what was decided, what followed, what people did, why nothing happened for a while.

The law: nothing is said that no entry tells; a silence without a known reason is told as a silence.
"""

import heapq
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from hamon.model.event import EventKind
from hamon.model.incident import Incident, TimelineEntry
from hamon.model.observation import Source
from hamon.tell.words import clean, phrase

DECISIONS = frozenset(
    {
        EventKind.PLAN,
        EventKind.NODE_UNCLEAN,
        EventKind.FENCING_REQUESTED,
        EventKind.THRESHOLD_REACHED,
        EventKind.RESOURCE_BLOCKED,
        EventKind.FAILOVER_STARTED,
    }
)
CONSEQUENCES = frozenset(
    {
        EventKind.FENCING_DONE,
        EventKind.FENCING_FAILED,
        EventKind.RESOURCE_STOPPED,
        EventKind.RESOURCE_STARTED,
        EventKind.RESOURCE_PROMOTED,
        EventKind.RESOURCE_DEMOTED,
        EventKind.RESOURCE_MIGRATED,
        EventKind.FAILOVER_DONE,
        EventKind.FAILOVER_FAILED_HINT,
        EventKind.NODE_LEFT,
        EventKind.NODE_JOINED,
    }
)
BY_PEOPLE = frozenset(
    {
        EventKind.STANDBY_ON,
        EventKind.STANDBY_OFF,
        EventKind.MAINTENANCE_ON,
        EventKind.MAINTENANCE_OFF,
        EventKind.MOVE_CONSTRAINT_SET,
        EventKind.MOVE_CONSTRAINT_CLEARED,
        EventKind.TARGET_ROLE_CHANGED,
        EventKind.SHUTDOWN_REQUESTED,
        EventKind.CLEANUP,
    }
)
_ENDS_BY_PEOPLE = BY_PEOPLE - {EventKind.STANDBY_ON, EventKind.SHUTDOWN_REQUESTED}
_FENCING_GOES_ON = frozenset({EventKind.FENCING_REQUESTED, EventKind.FENCING_ATTEMPTED, EventKind.FENCING_FAILED})
_FENCING = frozenset({EventKind.FENCING_DONE, EventKind.FENCING_FAILED, EventKind.FENCING_ATTEMPTED})
SIGNS = frozenset({EventKind.LINK_DOWN, EventKind.TOKEN_LOST})
"""What shows before Corosync calls a node lost."""
_MEMBERS = frozenset(
    {
        EventKind.NODE_LOST,
        EventKind.MEMBERSHIP_CHANGED,
        EventKind.NODE_UNCLEAN,
        EventKind.QUORUM_LOST,
        EventKind.TOKEN_LOST,
        EventKind.ATTRIBUTES_REMOVED,
        EventKind.DC_CHANGED,
    }
)
_LEADS = frozenset(
    {
        EventKind.DAEMON_DIED,
        EventKind.OPERATION_FAILED,
        EventKind.NODE_UNCLEAN,
        EventKind.SHUTDOWN_REQUESTED,
        EventKind.SERVICE_STACK_STOPPING,
    }
)
_FOLLOWS = frozenset({EventKind.LINK_DOWN, EventKind.TOKEN_LOST, EventKind.MEMBERSHIP_CHANGED, EventKind.QUORUM_LOST})
"""What Corosync tells, in whole seconds, of what happened to a node."""
_OF_A_FAILURE = frozenset({EventKind.FAIL_COUNT_CHANGED, EventKind.THRESHOLD_REACHED, EventKind.PLAN, EventKind.OPERATION_STARTED})
"""What Pacemaker makes of a failed operation: it counts it, plans, and begins to do so."""
_WORK = frozenset({EventKind.PLAN, EventKind.OPERATION_STARTED})
_SECOND = timedelta(seconds=1)
_NEAR = 200
"""Entries in which the failure that another one is made of is looked for."""
_CHECKS = frozenset({EventKind.NETWORK_UNREACHABLE, EventKind.DISK_ERROR})
_UNEXPLAINED = "silence"
_ENDED = {
    EventKind.RESOURCE_STARTED: "starting",
    EventKind.RESOURCE_STOPPED: "stopping",
    EventKind.RESOURCE_PROMOTED: "promoting",
    EventKind.RESOURCE_DEMOTED: "demoting",
    EventKind.RESOURCE_MIGRATED: "migrating",
}


def merged(incident: Incident, parts: Sequence[Incident] = ()) -> tuple[TimelineEntry, ...]:
    """The entries of an incident and of its parts in causal order, each once."""
    seen: set[tuple[object, ...]] = set()
    found = []
    for entry in heapq.merge(*(item.timeline for item in (incident, *parts)), key=lambda entry: entry.at):
        mark = (entry.at, entry.node, entry.resource, entry.event, entry.raw)
        if mark not in seen:
            seen.add(mark)
            found.append(entry)
    return tuple(in_causal_order(found))


def in_causal_order(entries: Sequence[TimelineEntry]) -> list[TimelineEntry]:
    """The entries by time; where a log of whole seconds tells an effect, after the cause that a finer one tells of the same second."""
    found = list(entries)
    if not any(entry.at.microsecond for entry in found):
        return found
    for number in range(len(found) - 2, -1, -1):
        entry = found[number]
        if entry.at.microsecond:
            continue
        if entry.event in _FOLLOWS:
            found.insert(_after_what_leads(found, number), found.pop(number))
        elif entry.event in _OF_A_FAILURE:
            found.insert(_after_its_failure(found, number), found.pop(number))
    return found


def _after_what_leads(found: Sequence[TimelineEntry], number: int) -> int:
    """The place of an entry behind the last one of its second that leads to such."""
    entry, place = found[number], number
    while place + 1 < len(found) and found[place + 1].at - entry.at < _SECOND:
        place += 1
    while place > number and (found[place].event not in _LEADS or not found[place].at.microsecond):
        place -= 1
    return place


def _after_its_failure(found: Sequence[TimelineEntry], number: int) -> int:
    """The place of an entry behind the failure of its second that it is made of, unless a finer log tells something else before that."""
    entry = found[number]
    planned = {
        other.resource for other in found[max(0, number - _NEAR) : number + _NEAR] if (other.at, other.event) == (entry.at, EventKind.PLAN)
    }
    for place in range(number + 1, min(number + _NEAR, len(found))):
        other = found[place]
        if other.at - entry.at >= _SECOND:
            break
        if other.event is EventKind.OPERATION_FAILED and other.at.microsecond:
            if other.resource == entry.resource or (entry.event in _WORK and planned & {other.resource, None}):
                return place
        elif other.at.microsecond and other.event not in _OF_A_FAILURE:
            break
    return number


def gap_text(before: Sequence[TimelineEntry], after: TimelineEntry, language: str) -> str:
    """Why nothing was seen between `before` and `after`, as far as these tell it; of what nothing tells, that nothing was recorded."""
    return _gap_words(_gap(before, after), after, language)


def known_gap(before: Sequence[TimelineEntry], after: TimelineEntry, language: str) -> str | None:
    """The same; None where nothing tells why."""
    why = _gap(before, after)
    return None if why == _UNEXPLAINED else _gap_words(why, after, language)


def _gap_words(why: str, after: TimelineEntry, language: str) -> str:
    node, resource = clean(after.node or "", 60) or None, clean(after.resource or "", 60) or None
    told = phrase(f"document.gap.{why}", language, node=node, resource=resource)
    return clean(told, 200)


def _gap(before: Sequence[TimelineEntry], after: TimelineEntry) -> str:
    last = before[-1] if before else None
    if after.event in _FENCING and _fencing_goes_on(before, after.node):
        return "fencing"
    if after.event in _MEMBERS and last is not None and any(entry.event in SIGNS for entry in before[-5:]):
        return "membership"
    if after.event in (EventKind.NODE_JOINED, EventKind.SERVICE_STACK_STARTED):
        return "rejoin"
    if after.event is EventKind.LINK_UP and any(entry.event is EventKind.LINK_DOWN for entry in before):
        return "link"
    if after.event in _ENDS_BY_PEOPLE:
        return "people"
    if after.event is EventKind.OPERATION_FAILED:
        if str(after.detail.get("status") or "").lower() in ("timed out", "timeout"):
            return "timeout"
        return "monitor" if after.detail.get("operation") == "monitor" else "operation"
    if after.event in _ENDED and any(entry.event in DECISIONS or entry.resource == after.resource for entry in before[-20:]):
        return _ENDED[after.event]
    if after.event in DECISIONS | {EventKind.ATTRIBUTE_CHANGED} and any(entry.event in _CHECKS for entry in before[-3:]):
        return "dampening"
    if after.source is Source.POLL:
        return "poll"
    return _UNEXPLAINED


def _fencing_goes_on(before: Sequence[TimelineEntry], node: str | None) -> bool:
    for entry in reversed(before):
        if entry.node == node and entry.event is EventKind.FENCING_DONE:
            return False
        if entry.node == node and entry.event in _FENCING_GOES_ON | {EventKind.NODE_UNCLEAN}:
            return True
    return False


@dataclass(frozen=True, slots=True, kw_only=True)
class Downtime:
    """When the service was down. `shortest_seconds` and `longest_seconds` differ where only polls saw it; None where that is not known."""

    begin: datetime
    end: datetime
    shortest_seconds: float | None
    longest_seconds: float | None

    @property
    def seconds(self) -> float:
        return (self.end - self.begin).total_seconds()


def downtime(incident: Incident, polled_at: Sequence[datetime] = ()) -> Downtime | None:
    """The interruption of the service, None where there was none or where it is not over. `polled_at` in order."""
    end, seconds = incident.service_restored_at, incident.service_down_seconds
    if end is None or seconds is None or seconds <= 0:
        return None
    try:
        begin = end - timedelta(seconds=seconds)
    except (OverflowError, ValueError):  # no time that could be shown
        return None
    if not only_polls(incident):
        return Downtime(begin=begin, end=end, shortest_seconds=seconds, longest_seconds=seconds)
    # What a poll shows happened since the poll before it.
    earlier_begin, earlier_end = _before(polled_at, begin), _before(polled_at, end)
    return Downtime(
        begin=begin,
        end=end,
        shortest_seconds=max((earlier_end - begin).total_seconds(), 0.0) if earlier_end else None,
        longest_seconds=(end - earlier_begin).total_seconds() if earlier_begin else None,
    )


def only_polls(incident: Incident) -> bool:
    return tuple(incident.sources) == (Source.POLL,)


def _before(times: Sequence[datetime], at: datetime) -> datetime | None:
    return max((time for time in times if time < at), default=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Phase:
    """A piece of a downtime; `name` is noticing, fencing, fencing_failed, stopping or starting."""

    name: str
    seconds: float


WORTH_TELLING_SECONDS = 3.0
"""What a shorter interruption was spent on is no news."""


def longest_part(incident: Incident, entries: Sequence[TimelineEntry]) -> tuple[Phase, float] | None:
    """The one piece that took at least half of an interruption, and the whole of it in seconds; None where none did or it is not known."""
    down = downtime(incident)
    if down is None or only_polls(incident) or down.seconds < WORTH_TELLING_SECONDS:
        return None
    longest = max(phases(down, entries), key=lambda phase: phase.seconds, default=None)
    return (longest, down.seconds) if longest is not None and longest.seconds * 2 >= down.seconds else None


def phases(down: Downtime, entries: Sequence[TimelineEntry]) -> Iterator[Phase]:
    """What the time of an interruption was spent on, one piece after the other; together they are the whole of it."""
    inside = [entry for entry in entries if down.begin <= entry.at <= down.end]
    decided = next((entry.at for entry in inside if entry.event in DECISIONS), None)
    if decided is None:
        return
    marks = [("noticing", decided)]
    fenced = [entry for entry in inside if entry.event in (EventKind.FENCING_DONE, EventKind.FENCING_FAILED)]
    if fenced:
        last = fenced[-1]
        marks.append(("fencing" if last.event is EventKind.FENCING_DONE else "fencing_failed", last.at))
    stops = [entry.at for entry in inside if entry.event in (EventKind.RESOURCE_STOPPED, EventKind.RESOURCE_DEMOTED)]
    if stops:
        marks.append(("stopping", max(stops)))
    marks.append(("starting", down.end))
    cursor = down.begin
    for name, at in marks:
        if at > cursor:
            yield Phase(name=name, seconds=(at - cursor).total_seconds())
            cursor = at
