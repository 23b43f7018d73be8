"""What a host says of itself - memory, disks, network cards, CPU, clock, watchdog - as the first cause of what follows on it.

The law: a trouble of the host opens nothing. It is what came first where something of the kind that it leads to follows within a minute.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta

from hamon.model.event import EventKind
from hamon.model.incident import IncidentKind, TimelineEntry

BEFORE = timedelta(seconds=60)
"""So long before its effect a trouble of the host still counts as its cause: monitors and tokens take their time."""
_AFTER = timedelta(seconds=1)
"""Syslog has whole seconds, and not every log writes at once."""

_TROUBLE, _TICKET = EventKind.HOST_ERROR, EventKind.TICKET_CHANGED
_TELLING = 3
"""Characters of a name from which on it says something."""
_SERVING = {IncidentKind.RESOURCE_FAILURE, IncidentKind.STOP_FAILED}
_NODE = {IncidentKind.NODE_LOST, IncidentKind.DAEMON_FAILED}
_LEADS_TO: dict[str, frozenset[IncidentKind]] = {
    "memory": frozenset(_SERVING | _NODE),
    "disk": frozenset(_SERVING | {IncidentKind.DISK_DEGRADED, IncidentKind.REPLICATION_DEGRADED}),
    "network": frozenset(
        {
            IncidentKind.NODE_LOST,
            IncidentKind.INTERCONNECT_DEGRADED,
            IncidentKind.CONNECTIVITY_DEGRADED,
            IncidentKind.REPLICATION_DEGRADED,
            IncidentKind.QUORUM_LOST,
        }
    ),
    "stall": frozenset(_SERVING | _NODE | {IncidentKind.FENCE_DEVICE_FAILED}),
    "unit": frozenset(_SERVING),
    "clock": frozenset(_SERVING | _NODE),
    "watchdog": frozenset({IncidentKind.NODE_LOST}),
    "crash": frozenset({IncidentKind.NODE_LOST}),
}
"""What each trouble can lead to (the field `what` of its event)."""


def lost_ticket(recent: Iterable[TimelineEntry], began: datetime) -> TimelineEntry | None:
    """The ticket that this site lost without anybody asking for it, just before its services stopped."""
    return next(
        (entry for entry in recent if entry.event is _TICKET and entry.detail.get("lost") and -_AFTER <= began - entry.at <= BEFORE),
        None,
    )


def first_trouble(
    recent: Iterable[TimelineEntry], kind: IncidentKind, nodes: Iterable[str], resources: Iterable[str], began: datetime
) -> TimelineEntry | None:
    """The first trouble of the hosts concerned that can have led to an incident of this kind which began at that moment."""
    names, concerned = set(nodes), list(resources)
    found = [
        entry
        for entry in recent
        if entry.event is _TROUBLE
        and entry.node in names
        and -_AFTER <= began - entry.at <= BEFORE
        and kind in _LEADS_TO.get(str(entry.detail.get("what")), frozenset())
        and ("unit" not in entry.detail or any(_is_kin(str(entry.detail["unit"]), resource) for resource in concerned))
    ]
    return min(found, key=lambda entry: entry.at, default=None)


def _is_kin(unit: str, resource: str) -> bool:
    """Whether a unit of systemd may be what a resource manages: the name of one stands in that of the other."""
    one, other = unit.partition("@")[0].lower(), resource.lower()
    return min(len(one), len(other)) >= _TELLING and (one in other or other in one)
