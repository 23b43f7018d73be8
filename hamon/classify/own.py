"""Incidents of the user's own, and changes of what hamon makes of events: what `[[incident]]` and `[[change]]` of rule files say.

The law: times are those of the events, so the same evidence gives the same incidents however fast it is read. What is counted and awaited
stands in the state, is bounded, and goes on after a restart.
"""

import re
from bisect import insort
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from hamon.classify.settings import ClusterSettings
from hamon.classify.state import State, Story, Tally, Wait
from hamon.classify.stories import MAX_ENTRY_RAW, Book, entry_of
from hamon.model.event import Event, EventKind
from hamon.model.incident import Cause, IncidentKind, OwnWords, Severity
from hamon.rules.own import PLACEHOLDER, Change, Conditions, Own, OwnIncident

MAX_KEYS = 500
"""So many counts, and so many waits, a cluster may have; above it the oldest goes."""
MAX_OPEN = 100
"""So many incidents of one id may be open; above it what opens another one goes into the newest."""
MAX_NAMES = 1000
"""Services that lines gave a name."""
_KEPT = 3
"""Of events that were counted before an incident opens so many are shown in it."""
_KEY_CHARACTERS = 100
_SAFE = re.compile(r"[A-Za-z0-9_./][A-Za-z0-9_.:@/-]{0,99}", re.ASCII)
"""What may stand in a command that people paste into a shell; the values come from logs."""


def value_of(event: Event, name: str) -> str | None:
    """A field of an event as text; None where it has none."""
    match name:
        case "node" | "resource" | "reporter" | "collector" | "rule":
            found = getattr(event, name) or None
        case "path":
            found = event.ref.rpartition("@")[0] or None
        case "source" | "kind":
            found = getattr(event, name).value
        case _:
            found = event.detail.get(name)
    return None if found is None else str(found)


def _holds(conditions: Conditions, event: Event) -> bool:
    return all((value := value_of(event, name)) is not None and pattern.search(value) is not None for name, pattern in conditions)


def change_of(changes: Sequence[Change], event: Event) -> Change | None:
    """The first change of events that fits."""
    for change in changes:
        if (event.rule in change.subjects or event.kind in change.subjects) and _holds(change.conditions, event):
            return change
    return None


def consequences(own: Own, event: Event) -> list[tuple[str, str]]:
    """What the user's own rules make of an event, and by which id.

    One of `suppressed`, `changed`, `opens`, `counts`, `awaits`, `answers`, `ends`.
    """
    change = change_of([one for one in own.changes if not one.of_incidents], event)
    if change is not None and change.suppress:
        return [("suppressed", change.id)]
    found = [("changed", change.id)] if change is not None else []
    is_another = change is not None and change.event not in (None, event.kind)
    names = {change.event.value} if is_another and change is not None and change.event is not None else {event.rule, event.kind.value}
    for one in own.incidents:
        if names & one.unless:
            found.append(("answers", one.id))
        if names & one.closed_by:
            found.append(("ends", one.id))
        if names & one.opened_by and _holds(one.conditions, event):
            found.append(("awaits" if one.unless else "counts" if one.times > 1 else "opens", one.id))
    return found


class OwnRules:
    """Applies the incidents and changes of the rules in force to one cluster."""

    def __init__(self, state: State, settings: ClusterSettings, book: Book) -> None:
        self._state, self._settings, self._book = state, settings, book
        self._memory = state.own
        self.use(Own())

    def use(self, own: Own) -> None:
        """Go by other rules. What is open stays as it is; what is awaited for an incident that is no more is dropped when due."""
        self._own = own
        self._incidents = {incident.id: incident for incident in own.incidents}
        self._by_name: dict[str, list[OwnIncident]] = {}
        for incident in own.incidents:
            for name in incident.opened_by | incident.unless | incident.closed_by:
                self._by_name.setdefault(name, []).append(incident)
        self._of_events = [change for change in own.changes if not change.of_incidents]
        self._book.changes = [change for change in own.changes if change.of_incidents]
        self.is_active = not own.is_empty

    # -- changes

    def changed(self, event: Event) -> tuple[Event, Severity | None, bool]:
        """The event as the first change that fits makes it, the severity of what it opens, and whether it is to be left out of account."""
        severity = self._own.severities.get(event.rule)
        change = self._change_of(event)
        if change is None:
            return event, severity, False
        if change.suppress:
            return replace(event, detail={**event.detail, "suppressed_by": change.id}), None, True
        detail = {**event.detail, **change.set, "changed_by": change.id}
        if change.event not in (None, event.kind):
            detail["was"] = event.kind.value
        node, resource = (detail.pop(name, None) if name in change.set else None for name in ("node", "resource"))
        event = replace(
            event,
            kind=change.event or event.kind,
            node=str(node) if node is not None else event.node,
            resource=str(resource) if resource is not None else event.resource,
            detail=detail,
        )
        return event, change.severity or severity, False

    def _change_of(self, event: Event) -> Change | None:
        return change_of(self._of_events, event)

    # -- incidents

    def see(self, event: Event) -> None:
        """Count, await, open and close by one event that is news."""
        by_kind = self._by_name.get(event.kind, ())
        names = {event.kind.value}
        if "was" not in event.detail:  # what was made another kind is no longer what its rule said
            names.add(event.rule)
        by_rule = self._by_name.get(event.rule, ()) if event.rule in names else ()
        for own in [*by_rule, *(one for one in by_kind if one not in by_rule)]:
            if names & own.unless:
                self._answer(own, event)
            if names & own.closed_by:
                self._close(own, event)
            if names & own.opened_by and _holds(own.conditions, event):
                self._open_by(own, event)

    def next_due(self) -> datetime | None:
        return min((wait.until + self._settings.settle for wait in self._memory.waits.values()), default=None)

    def due(self, now: datetime) -> None:
        """Open what was awaited in vain. A little later than it was due, since an answer may be on its way."""
        over = [name for name, wait in self._memory.waits.items() if wait.until + self._settings.settle <= now]
        for name in over:
            wait = self._memory.waits.pop(name)
            if (own := self._incidents.get(wait.incident)) is not None and own.within is not None:
                self._open(own, wait.event, _key_of(own, wait.event), at=wait.until, count=1)

    def _answer(self, own: OwnIncident, event: Event) -> None:
        for name, wait in list(self._memory.waits.items()):
            same = wait.incident == own.id and _agrees(own, event, _key_of(own, wait.event))
            if same and wait.event.at <= event.at <= wait.until:
                del self._memory.waits[name]

    def _close(self, own: OwnIncident, event: Event) -> None:
        for story in self._stories(own):
            if _agrees(own, event, story.own_key) and event.at >= (story.started_at or story.detected_at):
                self._book.add(story, event)
                self._book.close(story, event.at, f"the rule {event.rule or event.kind} ends it")
        if own.times > 1:
            for name, tally in list(self._memory.tallies.items()):
                if tally.incident == own.id and _agrees(own, event, tally.key):
                    del self._memory.tallies[name]

    def _open_by(self, own: OwnIncident, event: Event) -> None:
        key = _key_of(own, event)
        open_now = self._stories(own)
        story = next((story for story in open_now if story.own_key == key), None)
        if story is None and len(open_now) >= MAX_OPEN:
            story = open_now[-1]
        if story is not None:
            self._book.add(story, event)
            story.limit_at = max(event.at + own.expires, story.limit_at or event.at)
            if not own.unless:
                return
        if own.unless and own.within is not None:
            self._await(own, event, key, own.within)
        elif own.times > 1 and own.within is not None:
            self._count(own, event, key, own.within)
        else:
            self._open(own, event, key, at=event.at, count=1)

    def _await(self, own: OwnIncident, event: Event, key: Sequence[str | None], within: timedelta) -> None:
        name = _name(own, key)
        if name in self._memory.waits:
            return  # the first that nothing followed is the one that counts
        self._memory.waits[name] = Wait(incident=own.id, event=replace(event, raw=event.raw[:MAX_ENTRY_RAW]), until=event.at + within)
        if self._state.nothing_before is not None:
            self._state.nothing_before = min(self._state.nothing_before, event.at + within)
        while len(self._memory.waits) > MAX_KEYS:
            del self._memory.waits[next(iter(self._memory.waits))]

    def _count(self, own: OwnIncident, event: Event, key: list[str | None], within: timedelta) -> None:
        name = _name(own, key)
        tally = self._memory.tallies.pop(name, None) or Tally(incident=own.id, key=key)
        self._memory.tallies[name] = tally  # the last in the order: the first ones go
        insort(tally.stamps, event.at)
        first = tally.stamps[-1] - within
        tally.stamps = [at for at in tally.stamps if at >= first][-own.times :]
        tally.entries = [entry for entry in tally.entries if entry.at >= first]
        if len(tally.stamps) >= own.times:
            del self._memory.tallies[name]
            story = self._open(own, event, key, at=event.at, count=len(tally.stamps), started_at=tally.stamps[0])
            for entry in tally.entries:
                self._book.put(story, entry)
            return
        if len(tally.entries) < _KEPT:
            tally.entries.append(entry_of(event))
        while len(self._memory.tallies) > MAX_KEYS:
            del self._memory.tallies[next(iter(self._memory.tallies))]

    def _open(
        self, own: OwnIncident, event: Event, key: list[str | None], *, at: datetime, count: int, started_at: datetime | None = None
    ) -> Story:
        if (known := next((story for story in self._stories(own) if story.own_key == key), None)) is not None:
            return known
        values = _values(own, event, count, self._settings.name)
        node, service = event.node or event.reporter, values["service"]
        story = self._book.open(
            IncidentKind.OTHER,
            "/".join([own.id, *(value for value in key if value)]),
            own.severity,
            at,
            started_at=started_at or at,
            nodes=[node] if node else [],
            resources=[event.resource] if event.resource else [],
            cause=Cause(kind=event.kind, node=event.node, resource=event.resource, at=event.at, text=event.raw[:MAX_ENTRY_RAW]),
            name=own.id,
            words={language: _filled(words, values) for language, words in own.words.items()},
            services=[service] if service else [],
        )
        story.own_key = list(key)
        story.limit_at = max(at, event.at) + own.expires
        self._book.add(story, event)
        return story

    def _stories(self, own: OwnIncident) -> list[Story]:
        """The open ones, without the story that tells of many of them together."""
        return [story for story in self._book.open_stories() if story.name == own.id and not story.flaps]

    # -- names

    def handlers(self) -> Mapping[EventKind, Callable[[Event], None]]:
        """Which event is handled by what."""
        return {EventKind.SERVICE_NAMED: self.service_named}

    def service_named(self, event: Event) -> None:
        """A line tells what people call the service that a resource belongs to."""
        service = value_of(event, "service")
        if event.resource is None or not service:
            return
        names = self._memory.names
        names.pop(event.resource, None)
        names[event.resource] = service[:_KEY_CHARACTERS]
        while len(names) > MAX_NAMES:
            del names[next(iter(names))]


def _key_of(own: OwnIncident, event: Event) -> list[str | None]:
    found = ((value_of(event, name) or (event.reporter if name == "node" else None)) for name in own.key)
    return [None if value is None else value[:_KEY_CHARACTERS] for value in found]


def _agrees(own: OwnIncident, event: Event, key: Sequence[str | None]) -> bool:
    """Whether an event is about the same: what it does not tell, it does not contradict."""
    return all(mine is None or mine == other for mine, other in zip(_key_of(own, event), key, strict=False))


def _name(own: OwnIncident, key: Sequence[str | None]) -> str:
    return "\x1f".join([own.id, *(value or "" for value in key)])


def _values(own: OwnIncident, event: Event, count: int, cluster: str) -> dict[str, str]:
    found = {name: str(value) for name, value in event.detail.items() if value is not None}
    for name in ("node", "resource", "reporter", "collector", "rule", "path", "source", "kind"):
        if (value := value_of(event, name)) is not None:
            found[name] = value
    if "node" not in found and event.reporter:
        found["node"] = event.reporter
    if own.service or "service" not in found:
        found["service"] = own.service
    return {**found, "count": str(count), "cluster": cluster}


def _filled(words: OwnWords, values: Mapping[str, str]) -> OwnWords:
    def shown(match: re.Match[str]) -> str:
        return " ".join(values.get(match[1], "").split())[:_KEY_CHARACTERS] or "?"

    def pasted(match: re.Match[str]) -> str:
        value = values.get(match[1], "")
        return value if _SAFE.fullmatch(value) else match[1].upper()

    return OwnWords(
        title=PLACEHOLDER.sub(shown, words.title),
        text=PLACEHOLDER.sub(shown, words.text),
        steps=tuple(PLACEHOLDER.sub(pasted, step) for step in words.steps),
    )
