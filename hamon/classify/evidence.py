"""Why a story is held to be what it is: the events that decided each distinction (taxonomy 5 and 7), gathered from what the engine kept.

Law: nothing is decided here. Where nothing speaks for a verdict it says so by naming no event.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime

from hamon.classify import topology
from hamon.classify.settings import ClusterSettings
from hamon.classify.state import State, Story
from hamon.model.event import EventKind
from hamon.model.incident import Evidence, IncidentKind, IncidentState, Judgement, Outcome, TimelineEntry
from hamon.model.observation import Source

MOST = 3
"""Events that are named for one verdict: the first that decided."""

_DEPARTURES = frozenset({IncidentKind.FAILOVER, IncidentKind.SWITCHOVER, IncidentKind.SERVICE_DOWN})
_PLANNED_ASKED = _DEPARTURES | {IncidentKind.STANDBY_FAULT, IncidentKind.NODE_LOST, IncidentKind.MAINTENANCE}
SIDED = _DEPARTURES | {
    IncidentKind.STANDBY_FAULT,
    IncidentKind.RESOURCE_FAILURE,
    IncidentKind.LOCAL_RECOVERY,
    IncidentKind.STOP_FAILED,
    IncidentKind.NODE_LOST,
    IncidentKind.DAEMON_FAILED,
    IncidentKind.CONNECTIVITY_DEGRADED,
    IncidentKind.DISK_DEGRADED,
    IncidentKind.REPLICATION_DEGRADED,
    IncidentKind.FENCING,
    IncidentKind.FENCING_FAILED,
}
"""Kinds of which people ask whether they hit the active or a standby node."""
_SIDES = {"active": Judgement.ON_ACTIVE, "standby": Judgement.ON_STANDBY}
WORK = frozenset(
    {
        EventKind.STANDBY_ON,
        EventKind.SHUTDOWN_REQUESTED,
        EventKind.MAINTENANCE_ON,
        EventKind.MOVE_CONSTRAINT_SET,
        EventKind.TARGET_ROLE_CHANGED,
        EventKind.NODE_LEFT,
    }
)
"""Signs of planned work."""
_FAULTS = frozenset(
    {
        EventKind.OPERATION_FAILED,
        EventKind.NODE_LOST,
        EventKind.NODE_UNCLEAN,
        EventKind.DAEMON_DIED,
        EventKind.DISK_ERROR,
        EventKind.NETWORK_UNREACHABLE,
        EventKind.FENCING_REQUESTED,
        EventKind.FENCING_DONE,
        EventKind.ATTRIBUTE_CHANGED,
        EventKind.THRESHOLD_REACHED,
        EventKind.TOKEN_LOST,
        EventKind.FAILOVER_STARTED,
    }
)
_ARRIVALS = frozenset({EventKind.RESOURCE_STARTED, EventKind.RESOURCE_PROMOTED, EventKind.RESOURCE_MIGRATED, EventKind.FAILOVER_DONE})
_WORKS = _ARRIVALS | {EventKind.OPERATION_SUCCEEDED}
_FENCINGS = frozenset({EventKind.FENCING_REQUESTED, EventKind.FENCING_DONE})
_FENCING_ASKED = _DEPARTURES | {IncidentKind.STANDBY_FAULT, IncidentKind.NODE_LOST, IncidentKind.FENCING}
_GOES = frozenset({EventKind.NODE_LOST, EventKind.NODE_LEFT, EventKind.SHUTDOWN_REQUESTED})
_NODE_ASKED = _DEPARTURES | {IncidentKind.STANDBY_FAULT, IncidentKind.NODE_LOST}
_FAILURES = frozenset({EventKind.OPERATION_FAILED, EventKind.RESOURCE_BLOCKED, EventKind.FAILOVER_FAILED_HINT, EventKind.FENCING_FAILED})


def first_entry(story: Story) -> TimelineEntry | None:
    """The event that a story began with: the one that its cause was taken from, else the first of its timeline."""
    text = story.cause.text if story.cause is not None else ""
    same = next((entry for entry in story.timeline if text and entry.raw and (entry.raw in text or text in entry.raw)), None)
    return same or min(story.timeline, key=_when, default=None)


def sided(state: State, settings: ClusterSettings, story: Story) -> None:
    """Keep, when a story opens, on which side its node is and what told so: later the services may be elsewhere."""
    if story.kind not in SIDED or not story.nodes:
        return
    name = story.nodes[0]
    standby = story.kind is IncidentKind.STANDBY_FAULT
    story.side = "active" if story.kind in _DEPARTURES else "standby" if standby else topology.side(state, settings, name)
    if story.side == "unknown":
        return
    for item in topology.service_resources(state, settings):
        places = topology.active_nodes(item)
        if not places or (story.side == "active") is not (name in places):
            continue
        if item.shown is None:
            story.side_polled_at = state.polls.last_at
        elif len(story.side_by) < MOST - 1 and item.shown.node in places and item.shown not in story.side_by:
            story.side_by.append(item.shown)


def evidence(story: Story, timeline: Sequence[TimelineEntry]) -> tuple[Evidence, ...]:
    """The verdicts on a story, each with the events that decided it; the question of planned work first. `timeline` is in order of time."""
    found = [
        _planned(story, timeline),
        _side(story, timeline),
        _node(story, timeline),
        _outcome(story, timeline),
        _fencing(story, timeline),
    ]
    if story.kind is IncidentKind.INTERCONNECT_DEGRADED:
        found.append(_said(Judgement.LINK_DOWN, [entry for entry in timeline if entry.event is EventKind.LINK_DOWN]))
    return tuple([one for one in found if one is not None])


def _said(verdict: Judgement, by: Iterable[TimelineEntry], polled_at: datetime | None = None) -> Evidence:
    kept: list[TimelineEntry] = []
    for entry in by:
        if entry not in kept:
            kept.append(entry)
            if len(kept) == MOST:
                break
    return Evidence(verdict=verdict, by=tuple(kept), polled_at=None if kept else polled_at)


def _planned(story: Story, timeline: Sequence[TimelineEntry]) -> Evidence | None:
    if story.kind not in _PLANNED_ASKED or story.vain:
        return None
    if story.planned is None:
        return _said(Judgement.PLANNED_UNKNOWN, ())
    if story.planned:
        return _said(Judgement.PLANNED, story.decided or [entry for entry in timeline if entry.event in WORK])
    failed = [entry for entry in timeline if entry.event in _FAILURES] if story.outcome is Outcome.FAILED else []
    faults = [entry for entry in story.decided if entry.event not in WORK] or failed
    by = faults or [entry for entry in timeline if entry.event in _FAULTS] or list(filter(None, [first_entry(story)]))
    return _said(Judgement.UNPLANNED, [*by[: MOST - 1], *(entry for entry in story.decided if entry.event in WORK)])


def _side(story: Story, timeline: Sequence[TimelineEntry]) -> Evidence | None:
    if story.kind not in SIDED or not story.side:
        return None
    verdict = _SIDES.get(story.side, Judgement.SIDE_UNKNOWN)
    by = story.side_by
    if not by and story.kind in _DEPARTURES:
        by = [entry for entry in timeline if entry.resource in story.moves and _leaves(entry, story.from_node)][: MOST - 1]
        if not by and story.side_polled_at is None:  # nobody told of it before: what came up elsewhere says that it was here
            by = [entry for entry in timeline if entry.resource in story.moves and entry.event in _ARRIVALS][:1]
    return _said(verdict, by, story.side_polled_at)


def _leaves(entry: TimelineEntry, node: str | None) -> bool:
    """Whether something is told to leave the node: so it was there."""
    if entry.event is EventKind.PLAN:
        return entry.detail.get("from") == node
    return entry.node == node and entry.event in (EventKind.RESOURCE_STOPPED, EventKind.RESOURCE_DEMOTED, EventKind.OPERATION_FAILED)


def _node(story: Story, timeline: Sequence[TimelineEntry]) -> Evidence | None:
    """Whether the node was lost or stopped in order, where it went at all."""
    if story.vain or story.kind not in _NODE_ASKED:
        return None
    names = {story.from_node} if story.kind in _DEPARTURES else set(story.nodes)
    found = [entry for entry in timeline if entry.event in _GOES and entry.node in names]
    if not found:
        return None
    gone = [entry for entry in found if entry.event is not EventKind.SHUTDOWN_REQUESTED]
    asked = [entry for entry in found if entry.event is EventKind.SHUTDOWN_REQUESTED]
    if any(entry.event is EventKind.NODE_LEFT for entry in gone) or (asked and gone):
        return _said(Judgement.NODE_STOPPED, asked or gone)
    return _said(Judgement.NODE_LOST, gone) if gone else None


def _outcome(story: Story, timeline: Sequence[TimelineEntry]) -> Evidence | None:
    over = story.kind is IncidentKind.RESOURCE_FAILURE and story.state is IncidentState.RESOLVED
    if story.kind is IncidentKind.LOCAL_RECOVERY or over:
        works = [entry for entry in timeline if entry.event in _WORKS and entry.resource in story.resources]
        return _said(Judgement.RECOVERED_IN_PLACE, works[-1:])
    if story.kind not in _DEPARTURES:
        return None
    match story.outcome:
        case Outcome.SUCCEEDED:
            moved = story.to_node is not None and story.to_node != story.from_node
            done = [entry for entry in timeline if entry.event in _ARRIVALS and (entry.resource is None or entry.resource in story.moves)]
            last = [entry for entry in done if entry.node in (story.to_node, None)] or done
            polled_at = story.service_restored_at if Source.POLL in story.sources else None
            return _said(Judgement.MOVED if moved else Judgement.RECOVERED_IN_PLACE, last[-1:], polled_at)
        case Outcome.FAILED:
            return _said(Judgement.FAILED, [entry for entry in timeline if entry.event in _FAILURES][-MOST:])
        case Outcome.ONGOING:
            return _said(Judgement.UNDER_WAY, [entry for entry in timeline if entry.event is EventKind.PLAN])
        case _:
            return None


def _fencing(story: Story, timeline: Sequence[TimelineEntry]) -> Evidence | None:
    if story.kind not in _FENCING_ASKED or not (asked := [entry for entry in timeline if entry.event in _FENCINGS]):
        return None
    person = [entry for entry in asked if str(entry.detail.get("client") or "").startswith("stonith_admin")]
    return _said(Judgement.FENCED_BY_PERSON, person) if person else _said(Judgement.FENCED_BY_CLUSTER, asked)


def _when(entry: TimelineEntry) -> datetime:
    return entry.at
