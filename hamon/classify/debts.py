"""Redundancy debt: what was recovered or switched off on purpose and is not protected yet, and when people are reminded of it.

The law: a debt is as old as its story is open and redundancy is missing; every age is reminded of once, and only by the clock, never by the
evidence: what is read late must first be able to say that the debt was paid meanwhile.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta

from hamon.classify.state import Story
from hamon.model.incident import IncidentKind, IncidentState, Outcome

_MOVED = frozenset({IncidentKind.FAILOVER, IncidentKind.SWITCHOVER, IncidentKind.SERVICE_DOWN})
_OWED = frozenset(
    {
        IncidentKind.STANDBY_FAULT,
        IncidentKind.MAINTENANCE,
        IncidentKind.MOVE_CONSTRAINT_LEFT,
        IncidentKind.RESOURCE_UNMANAGED,
        IncidentKind.FAILCOUNT_THRESHOLD,
    }
)
"""While these are open, a node cannot take over, or nothing would (taxonomy 5: S2, S9, S10, S13)."""


def debt_since(story: Story) -> datetime | None:
    """Since when redundancy is owed; None: it is not, or nobody knows. A service that is still down is worse than a debt, and none."""
    if story.state is not IncidentState.OPEN or story.part_of is not None:
        return None
    if story.kind in _MOVED:
        recovered = story.outcome is Outcome.SUCCEEDED and story.redundancy is False
        return story.service_restored_at if recovered else None
    return (story.started_at or story.detected_at) if story.kind in _OWED else None


def ages_passed(story: Story, ages: Iterable[timedelta], now: datetime) -> list[timedelta]:
    """The ages that the debt has reached and that nobody was reminded of yet, youngest first."""
    since = debt_since(story)
    if since is None:
        return []
    known = story.reminded_at or since
    return sorted(age for age in set(ages) if known < since + age <= now)


def next_reminder(story: Story, ages: Iterable[timedelta]) -> datetime | None:
    """When the debt reaches the next age that nobody was reminded of yet."""
    since = debt_since(story)
    if since is None:
        return None
    known = story.reminded_at or since
    return min((since + age for age in set(ages) if since + age > known), default=None)
