"""One fact, many witnesses: copies of an event from other nodes, or from another log of the same node.

The law: a piece of evidence confirms an earlier one when kind, subject and content agree, the times differ by no more than the window, and
this witness (reporter, file and rule: the controller and the fencer of one node word one fact differently) has not yet told that fact. A
witness that tells it again tells a new fact.
"""

from collections import OrderedDict
from datetime import timedelta

from hamon.model.event import Event, EventKind

WINDOW = timedelta(seconds=10)
MAX_FACTS = 4096

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
    EventKind.CLEANUP: ("expired",),
    EventKind.FENCING_ATTEMPTED: ("device", "rc", "result"),
    EventKind.FENCING_FAILED: ("final",),
    EventKind.ATTRIBUTE_CHANGED: ("attribute", "old", "new"),
    EventKind.NETWORK_UNREACHABLE: ("target",),
    EventKind.DISK_ERROR: ("device",),
    EventKind.MOVE_CONSTRAINT_SET: ("constraint",),
    EventKind.MOVE_CONSTRAINT_CLEARED: ("constraint",),
    EventKind.CONFIG_CHANGED: ("object",),
    EventKind.FAILOVER_SUMMARY: ("from", "to", "stopped"),
    EventKind.SOURCE_LOST: ("path",),
    EventKind.SOURCE_BACK: ("path",),
    EventKind.TARGET_LAGS: ("pending",),
    EventKind.UNCLASSIFIED: ("daemon", "text"),
}
# These are told by the log of the node concerned only, or once by the DC: another reporter's is another fact.
_PER_REPORTER = frozenset(
    {
        EventKind.STATE_CHANGED,
        EventKind.QUORUM_LOST,
        EventKind.QUORUM_ACQUIRED,
        EventKind.TOKEN_LOST,
        EventKind.SCHEDULING_PAUSE,
        EventKind.LINK_DOWN,
        EventKind.LINK_UP,
        EventKind.MEMBERSHIP_CHANGED,
        EventKind.UNCLASSIFIED,
        EventKind.NETWORK_UNREACHABLE,
    }
)

Key = tuple[object, ...]


class Facts:
    """The facts of the last moments. Bounded; a cache that may be rebuilt from the stored events."""

    def __init__(self) -> None:
        self._facts: OrderedDict[Key, list[tuple[Event, set[tuple[str | None, str, str, str]]]]] = OrderedDict()

    def first(self, event: Event) -> Event | None:
        """The earlier event that this one confirms; None when it is news (and is remembered)."""
        key = fact_key(event)
        witness = (event.reporter, event.collector, event.ref.rpartition("@")[0], event.rule)
        told = self._facts.get(key)
        if told is None:
            self._facts[key] = [(event, {witness})]
            if len(self._facts) > MAX_FACTS:
                self._facts.popitem(last=False)
            return None
        self._facts.move_to_end(key)
        if len(told) > 1 or abs(event.at - told[0][0].at) > WINDOW:
            told[:] = [fact for fact in told if abs(event.at - fact[0].at) <= WINDOW][-32:]
        for earlier, witnesses in told:
            if witness not in witnesses:
                witnesses.add(witness)
                return earlier
        told.append((event, {witness}))
        return None


def fact_key(event: Event) -> Key:
    detail = event.detail
    return (
        event.cluster,
        event.kind,
        event.node,
        event.resource,
        event.reporter if event.kind in _PER_REPORTER else None,
        *(detail.get(name) for name in _CONTENT.get(event.kind, ())),
    )
