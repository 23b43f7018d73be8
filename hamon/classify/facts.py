"""One fact, many witnesses: copies of an event from other nodes, or from another log of the same node.

The law: a piece of evidence confirms an earlier one when kind, subject and content agree, the times differ by no more than the window, and
this witness (reporter, file and rule: the controller and the fencer of one node word one fact differently) has not yet told that fact. A
witness that tells it again tells a new fact. What polls tell has no time but an interval, from one poll to the next.

Traps are copied in more ways: by every node, for every recipient of an alert, by relays, by the network. Two are copies when they have the
same stamp (the event's own time), the same fencing, or when nothing else was told of their subject between them.
"""

from collections import OrderedDict
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice

from hamon.model.event import Event, EventKind
from hamon.model.observation import Source

_LOG, _POLL, _TRAP = Source.LOG, Source.POLL, Source.TRAP
_REPORTED = EventKind.REPORTED

WINDOW = timedelta(seconds=10)
_BACK = -WINDOW
MAX_FACTS = 4096
_MOST = 32
"""Of one key so many facts are remembered."""
_SPARE = 256
"""So many are forgotten at once: to find the oldest one costs as much as all else."""

# What of an event's own fields makes it this fact and no other.
_CONTENT: dict[EventKind, tuple[str, ...]] = {
    EventKind.DAEMON_DIED: ("daemon",),
    EventKind.DAEMON_STARTED: ("daemon", "pid"),
    EventKind.DAEMON_STOPPED: ("daemon",),
    EventKind.DAEMON_RESPAWNED: ("daemon",),
    EventKind.DAEMON_GAVE_UP: ("daemon",),
    EventKind.SERVICE_STACK_STARTED: ("program",),
    EventKind.SERVICE_STACK_STOPPING: ("program",),
    EventKind.SERVICE_STACK_STOPPED: ("program",),
    EventKind.DC_CHANGED: ("old",),
    EventKind.STATE_CHANGED: ("from", "to"),
    EventKind.MEMBERSHIP_CHANGED: ("ring_id", "joined", "left", "members"),
    EventKind.LINK_DOWN: ("link", "peer_id", "peer"),
    EventKind.LINK_UP: ("link", "peer_id", "peer"),
    EventKind.PLAN: ("action", "instance", "from", "to", "from_role", "to_role", "transition"),
    EventKind.TRANSITION_ENDED: ("transition",),
    EventKind.OPERATION_STARTED: ("operation",),
    EventKind.OPERATION_SUCCEEDED: ("operation",),
    EventKind.OPERATION_FAILED: ("operation",),
    EventKind.FAIL_COUNT_CHANGED: ("value", "update"),
    EventKind.OLD_FAILURE: ("operation",),
    EventKind.OPERATION_RECORDED: ("operation", "key", "status"),
    EventKind.AGENT_ERROR: ("text",),
    EventKind.CLEANUP: ("expired",),
    EventKind.FENCING_ATTEMPTED: ("device", "rc", "result"),
    EventKind.FENCING_FAILED: ("final", "tentative"),
    EventKind.ATTRIBUTE_CHANGED: ("attribute", "new"),
    EventKind.NETWORK_UNREACHABLE: ("target",),
    EventKind.DISK_ERROR: ("device",),
    EventKind.DISK_RECOVERED: ("device",),
    EventKind.RESOURCE_DOUBLED: ("count",),
    EventKind.REPLICA_LOST: ("device", "state"),
    EventKind.REPLICA_BACK: ("device",),
    EventKind.REPLICA_RESYNC: ("device", "state"),
    EventKind.HOST_ERROR: ("what", "text"),
    EventKind.TICKET_CHANGED: ("ticket", "granted"),
    EventKind.MOVE_CONSTRAINT_SET: ("constraint",),
    EventKind.MOVE_CONSTRAINT_CLEARED: ("constraint",),
    EventKind.CONFIG_CHANGED: ("object",),
    EventKind.FAILOVER_SUMMARY: ("from", "to", "stopped"),
    EventKind.SOURCE_LOST: ("path",),
    EventKind.SOURCE_BACK: ("path",),
    EventKind.TARGET_LAGS: ("pending",),
    EventKind.RECORDS_REFUSED: ("records", "about"),
    EventKind.SERVICE_NAMED: ("service",),
    EventKind.UNCLASSIFIED: ("daemon", "text"),
}
# These are told by the log of the node concerned only, or once by the DC: another reporter's is another fact.
_PER_REPORTER = frozenset(
    {
        EventKind.STATE_CHANGED,
        EventKind.PLAN,
        EventKind.QUORUM_LOST,
        EventKind.QUORUM_ACQUIRED,
        EventKind.TOKEN_LOST,
        EventKind.SCHEDULING_PAUSE,
        EventKind.LINK_DOWN,
        EventKind.LINK_UP,
        EventKind.MEMBERSHIP_CHANGED,
        EventKind.UNCLASSIFIED,
        EventKind.NETWORK_UNREACHABLE,
        EventKind.HOST_ERROR,
        EventKind.QUORUM_DEVICE_LOST,
    }
)

# Of these a second trap without another one about the same subject between them is a copy.
_STATES = frozenset(
    {
        EventKind.NODE_JOINED,
        EventKind.NODE_LOST,
        EventKind.NODE_LEFT,
        EventKind.RESOURCE_STARTED,
        EventKind.RESOURCE_STOPPED,
        EventKind.RESOURCE_PROMOTED,
        EventKind.RESOURCE_DEMOTED,
        EventKind.OPERATION_FAILED,
    }
)

_MAKES: dict[EventKind, tuple[tuple[str, ...], bool]] = {
    kind: (_CONTENT.get(kind, ()), kind in _PER_REPORTER) for kind in EventKind if kind is not EventKind.REPORTED
}
"""What makes a fact of a kind: fields, and whether the reporter does too."""

Key = tuple[object, ...]
Witness = tuple[str | None, str, str, str]
"""Reporter, collector, file or address, rule."""


@dataclass(slots=True)
class _Fact:
    """The event that told it, who told it, and of traps when it was by them, and the references of a fencing."""

    event: Event
    witnesses: tuple[Witness, ...]
    stamps: frozenset[datetime] = frozenset()
    refs: frozenset[str] = frozenset()


_Alone = tuple[list[Event], Witness]
"""Facts of one key that one witness alone told, as it is with most: it cannot confirm any of them."""


class _Told:
    """Facts of one key, and who told all of them where that was one witness (None: it was not)."""

    __slots__ = ("facts", "only")

    def __init__(self, alone: _Alone | None) -> None:
        self.only: Witness | None = None if alone is None else alone[1]
        self.facts: list[_Fact] = [] if alone is None else [_Fact(event, (alone[1],)) for event in alone[0]]


class Facts:
    """The facts of the last moments. Bounded; a cache that may be rebuilt from the stored events."""

    def __init__(self) -> None:
        self._facts: dict[Key, _Alone | _Told] = {}
        """The one that was told last stands last."""
        self._latest: OrderedDict[tuple[str, str | None, str | None], Key] = OrderedDict()

    def first(self, event: Event) -> Event | None:
        """The earlier event that this one confirms; None when it is news (and is remembered)."""
        return self.told(event, event.ref.rpartition("@")[0])

    def told(self, event: Event, path: str) -> Event | None:
        """The same, of an event from this file or address."""
        known = self._facts
        key = fact_key(event)
        source = event.source
        # Whichever node answers, what two polls differ in is told once: the same difference again is news.
        witness = (event.reporter, event.collector, path, event.rule) if source is not _POLL else (None, event.collector, "", event.rule)
        told = known.pop(key, None)  # from here on it is the latest one: each way below puts it in again
        if told is None:
            if len(known) >= MAX_FACTS:
                for oldest in list(islice(known, _SPARE)):
                    del known[oldest]
            if source is not _TRAP:
                known[key] = ([event], witness)
                return None
        elif type(told) is tuple and source is _LOG and told[1] == witness:
            events, at = told[0], event.at
            past = max(0, len(events) - _MOST)
            while past < len(events) and not _BACK <= at - events[past].at <= WINDOW:
                past += 1
            if past:
                del events[:past]
            events.append(event)
            known[key] = told
            return None
        if not isinstance(told, _Told):
            told = _Told(told)
        facts = told.facts
        past = max(0, len(facts) - _MOST)
        while past < len(facts) and not _is_near(event, facts[past].event):
            past += 1
        if past:
            del facts[:past]
        if source is _TRAP:
            known[key], told.only = told, None
            return self._first_trap(event, key, facts, witness)
        if not facts:
            known[key] = ([event], witness)
            return None
        known[key] = told
        if told.only != witness:
            told.only = None
            for fact in facts:
                if witness not in fact.witnesses and _is_near(event, fact.event):
                    fact.witnesses += (witness,)
                    return fact.event
        facts.append(_Fact(event, (witness,)))
        return None

    def _first_trap(self, event: Event, key: Key, told: list[_Fact], witness: Witness) -> Event | None:
        subject = (event.cluster, event.node, event.resource)
        is_state = event.kind in _STATES
        goes_on = is_state and self._latest.get(subject) == key
        if is_state:
            self._latest[subject] = key
            self._latest.move_to_end(subject)
            if len(self._latest) > MAX_FACTS:
                self._latest.popitem(last=False)
        ref = event.detail.get("ref")
        near = [fact for fact in told if _is_near(event, fact.event)]
        other = [fact for fact in near if ref is not None and fact.refs and ref not in fact.refs]
        same = [fact for fact in near if fact not in other]
        found = next((fact for fact in same if event.at in fact.stamps or ref in fact.refs), None)
        found = found or next((fact for fact in same if witness not in fact.witnesses), None)
        if found is None and goes_on and same:
            found = same[-1]
        if found is None:
            told.append(fact := _Fact(event, (witness,)))
        elif witness not in (fact := found).witnesses:
            fact.witnesses += (witness,)
        fact.stamps |= {event.at}
        if isinstance(ref, str):
            fact.refs |= {ref}
        return None if found is None else found.event


def earliest(event: Event) -> datetime:
    """The lower bound of the time of an event: what only two polls tell happened at any moment between them."""
    after = event.detail.get("after") if event.source is _POLL else None
    return datetime.fromisoformat(after) if isinstance(after, str) else event.at


def _is_near(one: Event, other: Event) -> bool:
    if _BACK <= one.at - other.at <= WINDOW:
        return True  # as for most; an interval ends at the time of its event
    if one.source is not _POLL and other.source is not _POLL:
        return False
    return earliest(one) - WINDOW <= other.at and earliest(other) - WINDOW <= one.at


def fact_key(event: Event) -> Key:
    """What makes two events the same fact: cluster, kind, node, resource and the fields that count for the kind."""
    kind, detail = event.kind, event.detail
    if kind is _REPORTED:  # what a rule of the user's own tells: all its fields make it
        return (event.cluster, kind, event.rule, event.node, event.resource, *sorted(map(str, detail.items())))
    fields, by_reporter = _MAKES[kind]
    content = tuple(map(detail.get, fields)) if fields else ()
    return (
        event.cluster,
        kind,
        event.node,
        event.resource,
        event.reporter if by_reporter else None,
        content,
    )
