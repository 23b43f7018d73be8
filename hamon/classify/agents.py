"""What resource agents say themselves: why an operation failed, where the result does not tell it.

The law: an agent that complains opens nothing. Agents complain in probes, of things that do not matter, and long before a time-out; what
its complaint is worth the result of the operation tells.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from hamon.classify.state import State, Story
from hamon.classify.stories import Book
from hamon.classify.topology import is_device_name
from hamon.model.event import Event, EventKind
from hamon.model.incident import IncidentKind, TimelineEntry

MOST = 5
"""Complaints of one agent on one node that are remembered: it may write one every second until it is stopped."""
MAX_TEXT = 300
_LATE = timedelta(seconds=2)
"""By how much the stamp of what an agent said may come after that of the result: another log has whole seconds, and rounds."""
_TRIES = timedelta(seconds=120)
"""How long an operation may take of which the complaint tells."""
_REPEATED = timedelta(seconds=10)
"""So soon after a failure the scheduler repeats it."""
_WITH_REASON = re.compile(r"^(?:unknown |insufficient )?[a-z]+(?: [a-z]+){0,3}: (?P<reason>\S.*)$")
"""A result in the words of Pacemaker 2.1.2 and later, and the reason behind it."""
_AGENT_ERROR, _OPERATION_FAILED = EventKind.AGENT_ERROR, EventKind.OPERATION_FAILED
_FAILURES = frozenset({IncidentKind.RESOURCE_FAILURE, IncidentKind.STOP_FAILED, IncidentKind.FENCE_DEVICE_FAILED})
_ENDS = frozenset(
    {
        EventKind.OPERATION_FAILED,
        EventKind.OPERATION_SUCCEEDED,
        EventKind.RESOURCE_STARTED,
        EventKind.RESOURCE_STOPPED,
        EventKind.RESOURCE_PROMOTED,
        EventKind.RESOURCE_DEMOTED,
    }
)


def explained(state: State, event: Event) -> Event:
    """The failure of an operation with the reason that its agent gave, where it has none itself."""
    if event.kind is not _OPERATION_FAILED or event.detail.get("reason") or not event.node or not event.resource:
        return event
    said = _said(state, event.node, event.resource, event.at)
    return replace(event, detail={**event.detail, "reason": reason(said)}) if said else event


def _said(state: State, node: str, resource: str, at: datetime) -> list[TimelineEntry]:
    """What the agent said since the end of the operation before this one, oldest first. Fence agents do not say for which device."""
    found: list[TimelineEntry] = []
    known = state.resources.get(resource)
    is_device = known.device if known is not None else is_device_name(resource)
    for entry in reversed(state.recent):
        of_any_device = is_device and entry.resource is None and entry.event is _AGENT_ERROR
        if entry.node != node or (entry.resource != resource and not of_any_device):
            continue
        if entry.event is _AGENT_ERROR and -_LATE <= at - entry.at <= _TRIES:
            found.append(entry)
        elif entry.event in _ENDS:
            break
    return found[::-1]


class Agents:
    """What agents say of their own failures: the reason behind the result of an operation."""

    def __init__(self, state: State, book: Book) -> None:
        self.state, self._book = state, book

    def handlers(self) -> Mapping[EventKind, Callable[[Event], None]]:
        """Which event is handled by what."""
        return {EventKind.AGENT_ERROR: self.agent_error}

    def agent_error(self, event: Event) -> None:
        """Keep it within bounds; where its log is read later than that of the result, it tells afterwards why."""
        recent = self.state.recent
        same = [
            entry
            for entry in recent
            if entry.event is EventKind.AGENT_ERROR and entry.node == event.node and entry.resource == event.resource
        ]
        for entry in same[1 : max(1, len(same) - MOST + 2)]:  # the first and the last tell most
            recent.remove(entry)
        for story in _failures(self._book, event):
            if -_LATE <= (story.started_at or story.detected_at) - event.at <= _TRIES:
                _tell_afterwards(self._book, story, str(event.detail.get("text")))


def recorded(book: Book, event: Event) -> None:
    """The scheduler repeats a failure that is recorded, with the reason that its agent gave: the DC's log has no other of another node."""
    found = _WITH_REASON.match(str(event.detail.get("text") or ""))
    for story in _failures(book, event) if found is not None else ():
        failed = _first_failure(story)
        same = failed is not None and failed.detail.get("operation") == event.detail.get("operation")
        if found is not None and same and timedelta(0) <= event.at - (story.started_at or story.detected_at) <= _REPEATED:
            _tell_afterwards(book, story, found["reason"])


def _failures(book: Book, event: Event) -> list[Story]:
    """The open failures of the resource on the node of an event."""
    return [
        story
        for story in book.open_stories()
        if story.kind in _FAILURES and event.resource in story.resources and event.node in story.nodes
    ]


def _first_failure(story: Story) -> TimelineEntry | None:
    return next((entry for entry in story.timeline if entry.event is EventKind.OPERATION_FAILED), None)


def _tell_afterwards(book: Book, story: Story, text: str) -> None:
    """Give a failure its reason, where its cause is no more yet than the line of its result."""
    cause, failed = story.cause, _first_failure(story)
    if cause is None or failed is None or cause.text != failed.raw:
        return
    told = replace(cause, text=text[:MAX_TEXT])
    parent = book.by_key(story.part_of)
    if parent is not None and parent.cause == cause:
        parent.cause = told
        book.reworded(parent)
    story.cause = told
    book.reworded(story)


def reason(said: Sequence[TimelineEntry]) -> str:
    """The reason in an agent's own words: that with which it ended, else the first of what it said and the last."""
    ended = [entry for entry in said if entry.detail.get("ended")]
    texts = [str(entry.detail.get("text")) for entry in (ended[-1:] or (said[0], said[-1]))]
    return "; ".join(dict.fromkeys(texts))[:MAX_TEXT]
