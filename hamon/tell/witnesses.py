"""Who else told what a timeline says: the same fact from other nodes, other logs, traps and polls.

The law: an event is a witness of one entry at most, of that nearest to it in time among those that say the same.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta

from hamon.model.event import Detail, Event, EventKind
from hamon.model.incident import TimelineEntry
from hamon.model.observation import Source

APART = timedelta(seconds=10)
"""Between logs and traps of one fact lie at most the clocks of two nodes and a slow network."""
APART_POLLED = timedelta(seconds=40)
"""A poll sees it up to its interval later."""
_TELLING = ("operation", "attribute", "action", "constraint", "link")
"""What tells two facts of one kind about one subject apart."""

_Same = tuple[EventKind, str | None, tuple[object, ...]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Witness:
    """One kind of source, and the nodes whose logs or traps said it, as far as they are known."""

    source: Source
    nodes: tuple[str, ...]


def witnesses(entries: Sequence[TimelineEntry], events: Iterable[Event]) -> list[tuple[Witness, ...]]:
    """For each entry who told it, its own source first."""
    found: list[dict[Source, list[str]]] = [{entry.source: list(entry.reported_by)} for entry in entries]
    places: dict[_Same, list[int]] = {}
    for number, entry in enumerate(entries):
        places.setdefault(_same(entry.event, entry.resource, entry.detail), []).append(number)
    for event in events:
        among = places.get(_same(event.kind, event.resource, event.detail), ())
        near = [(abs(entries[number].at - event.at), number) for number in among if event.node in (None, entries[number].node)]
        apart, number = min(near, default=(APART_POLLED, -1))
        if number < 0 or apart > (APART_POLLED if Source.POLL in (event.source, entries[number].source) else APART):
            continue
        nodes = found[number].setdefault(event.source, [])
        if event.reporter and event.reporter not in nodes:
            nodes.append(event.reporter)
    return [tuple(Witness(source=source, nodes=tuple(nodes)) for source, nodes in told.items()) for told in found]


def _same(kind: EventKind, resource: str | None, detail: Detail) -> _Same:
    return kind, resource, tuple(detail.get(name) for name in _TELLING if detail.get(name) is not None)
