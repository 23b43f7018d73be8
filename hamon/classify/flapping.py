"""Flapping: an incident of the same key again and again is told as one (taxonomy 8.7).

Laws: an occurrence counts when people would be told of it; from the one above the limit on, each is part of one story that says how often,
is told once, and ends when it was quiet for a while. A departure is never held back: each is an outage, or near one.
"""

from collections.abc import Iterable
from datetime import datetime

from hamon.classify.settings import ClusterSettings
from hamon.classify.state import State, Story
from hamon.model.incident import IncidentKind, IncidentState, Outcome

_EACH = frozenset({IncidentKind.FAILOVER, IncidentKind.SWITCHOVER, IncidentKind.SERVICE_DOWN, IncidentKind.SPLIT_BRAIN_SUSPECTED})
"""Kinds that are told every time."""


def umbrella(state: State, settings: ClusterSettings, story: Story) -> Story | None:
    """Count an occurrence of which people are to be told; the story that tells of all, where there were too many of them.

    It is new when its `flaps` is 0.
    """
    if settings.flapping == 0 or story.kind in _EACH or story.planned or story.flaps:
        return None
    name, at = _name(story), story.detected_at
    times = [time for time in state.told_at.get(name, ()) if at - time <= settings.flapping_window]
    state.told_at[name] = [*times, at][-(settings.flapping + 1) :]
    known = state.flapping.get(name)
    if known is not None and known.state is IncidentState.OPEN:
        return known
    if len(times) < settings.flapping:
        return None
    word = IncidentKind.RESOURCE_FAILURE if story.kind is IncidentKind.LOCAL_RECOVERY else story.kind
    found = Story(
        key=f"{story.key}-flapping",
        kind=word,
        severity=story.severity,
        detected_at=at,
        planned=story.planned,
        started_at=min(state.told_at[name]),
        nodes=list(story.nodes),
        resources=list(story.resources),
        subject=story.subject,
        side=story.side,
        side_by=list(story.side_by),
        side_polled_at=story.side_polled_at,
        name=story.name,
        words=dict(story.words),
        own_services=list(story.own_services),
        forced=story.forced,
    )
    state.flapping[name] = found
    return found


def is_too_often(state: State, settings: ClusterSettings, story: Story, at: datetime) -> bool:
    """Count that a story began again; whether one that stands for all is to tell of it instead."""
    if settings.flapping == 0:
        return False
    name = _name(story)
    times = [time for time in state.told_at.get(name, ()) if at - time <= settings.flapping_window]
    known = state.flapping.get(name)
    if len(times) >= settings.flapping or (known is not None and known.state is IncidentState.OPEN):
        return True
    state.told_at[name] = [*times, at]
    return False


def count(state: State, settings: ClusterSettings, found: Story, story: Story) -> None:
    """One more occurrence, which keeps the story open for another while."""
    found.flaps = found.flaps + 1 if found.flaps else len(state.told_at[_name(story)])
    found.outcome = Outcome.ONGOING
    found.limit_at = max(found.limit_at or story.detected_at, story.detected_at + settings.flapping_quiet)
    if story.severity.rank > found.severity.rank:
        found.severity = story.severity


def quiet(state: State, settings: ClusterSettings, now: datetime) -> Iterable[Story]:
    """The stories that end because nothing happened for long enough; one of which a part still lasts goes on."""
    for found in state.flapping.values():
        if found.state is not IncidentState.OPEN or found.limit_at is None or found.limit_at > now:
            continue
        if any(story.part_of == found.key and story.state is IncidentState.OPEN for story in state.stories):
            found.limit_at = now + settings.flapping_quiet
        else:
            yield found


def lasted(state: State, settings: ClusterSettings, story: Story, at: datetime) -> None:
    """One of many ended: from now on it is quiet."""
    for found in state.flapping.values():
        if found.key == story.part_of and found.state is IncidentState.OPEN and found.limit_at is not None:
            found.limit_at = max(found.limit_at, at + settings.flapping_quiet)


def next_quiet(state: State) -> list[datetime]:
    """When each of those that flap will have been quiet for long enough."""
    return [found.limit_at for found in state.flapping.values() if found.state is IncidentState.OPEN and found.limit_at is not None]


def forget(state: State, settings: ClusterSettings, now: datetime) -> None:
    """Drop what is over, and occurrences that nobody counts any more."""
    for name in [name for name, found in state.flapping.items() if found.state is not IncidentState.OPEN]:
        del state.flapping[name]
        state.told_at.pop(name, None)
    if settings.flapping:
        for name in [name for name, times in state.told_at.items() if not times or now - times[-1] > settings.flapping_window]:
            del state.told_at[name]


def _name(story: Story) -> str:
    kind = IncidentKind.RESOURCE_FAILURE if story.kind is IncidentKind.LOCAL_RECOVERY else story.kind
    return f"{kind.value} {story.subject}"
