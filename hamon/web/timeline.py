"""The timeline of an incident as pages and API show it: merged with its parts, with witnesses, explained gaps and folds.

The law: whatever is folded stays where it happened; nothing is left out but what only repeats.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from hamon import tell
from hamon.model.incident import Incident, TimelineEntry
from hamon.ports import Store
from hamon.tell.chain import Downtime, Phase, downtime, gap_text, merged, phases
from hamon.tell.witnesses import Witness, witnesses
from hamon.web.report import events_of, polled_before

FOLD_FROM = 36
"""Entries from which on the less telling ones are folded."""
KEPT_OPEN = 24


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """An entry with the silence before it (0: none worth showing) and why, and who told it."""

    entry: TimelineEntry
    gap_seconds: float
    gap: str
    told_by: tuple[Witness, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Stretch:
    """Rows that stand together; `folded`: shown only when asked for."""

    rows: tuple[Row, ...]
    folded: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Whole:
    """An incident with all that belongs to it. `entries`: the merged timeline; `parts` have their timelines."""

    incident: Incident
    parts: Sequence[Incident]
    entries: Sequence[TimelineEntry]
    told_by: Sequence[tuple[Witness, ...]]
    down: Downtime | None
    spent: Sequence[Phase]

    def rows(self, language: str, entries: Sequence[TimelineEntry] | None = None) -> Iterator[Row]:
        """The rows of these entries, else of all."""
        shown = self.entries if entries is None else entries
        known = {id(entry): told for entry, told in zip(self.entries, self.told_by, strict=True)}
        for number, line in enumerate(tell.lines(shown)):
            why = gap_text(shown[:number], line.entry, language) if line.gap_seconds else ""
            yield Row(entry=line.entry, gap_seconds=line.gap_seconds, gap=why, told_by=known.get(id(line.entry), ()))


async def whole(store: Store, incident: Incident) -> Whole:
    """Everything about an incident. Raises StoreError."""
    parts = [await store.incident(incident.cluster, part.key) or part for part in await store.parts(incident.cluster, incident.key)]
    entries = merged(incident, parts)
    told_by = witnesses(entries, await events_of(store, incident.cluster, entries))
    down = downtime(incident, await polled_before(store, incident))
    spent = tuple(phases(down, tell.without_repetition(entries))) if down is not None else ()
    return Whole(incident=incident, parts=parts, entries=entries, told_by=told_by, down=down, spent=spent)


def stretches(rows: Sequence[Row], open_ones: Sequence[TimelineEntry]) -> list[Stretch]:
    """Rows cut into what is shown and what is folded: of a long timeline `open_ones` are shown, and what is not worth a fold."""
    if len(rows) <= FOLD_FROM:
        return [Stretch(rows=tuple(rows), folded=False)] if rows else []
    kept = {id(entry) for entry in open_ones}
    runs: list[tuple[bool, list[Row]]] = []
    for row in rows:
        hidden = id(row.entry) not in kept and not row.gap_seconds
        if runs and runs[-1][0] is hidden:
            runs[-1][1].append(row)
        else:
            runs.append((hidden, [row]))
    found: list[Stretch] = []
    for hidden, run in runs:
        folded = hidden and len(run) > 2
        if found and not folded and not found[-1].folded:
            found[-1] = Stretch(rows=(*found[-1].rows, *run), folded=False)
        else:
            found.append(Stretch(rows=tuple(run), folded=folded))
    return found
