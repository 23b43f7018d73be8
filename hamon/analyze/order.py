"""One name for each node, one time for all logs, and which events were written one after the other."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import timedelta
from itertools import pairwise

from hamon.analyze.evidence import Input
from hamon.classify.clocks import ahead, by_one_clock
from hamon.classify.names import one_name, spoken
from hamon.classify.order import is_mixed
from hamon.classify.state import State
from hamon.model.event import Event
from hamon.model.observation import Snapshot, Source


def to_one_name(items: Sequence[Input], polls: Sequence[Snapshot], state: State) -> None:
    """Give each node one name, that which the cluster uses, before the order of the evidence could decide it."""
    polled = {node.name for snapshot in polls for node in snapshot.status.nodes}
    state.spoken = spoken((event for item in items for event in item.events), polled)
    for item in items:
        if item.source is Source.LOG:
            item.events = [one_name(state, event) for event in item.events]
            item.node = state.names.get(item.node or "", item.node or "") or None


def to_one_clock(items: Sequence[Input]) -> None:
    """Give all logs the time of one clock; whose was wrong is told with each input."""
    offsets = ahead(item.events for item in items)
    for item in items if offsets else ():
        if item.source is not Source.LOG:
            continue
        wrong = sorted({event.reporter for event in item.events if event.reporter is not None} & offsets.keys())
        item.events = list(by_one_clock(item.events, offsets))
        for name in wrong:
            seconds = offsets[name].total_seconds()
            way = "ahead of" if seconds > 0 else "behind"
            item.errors.append(f"the clock of {name} is {abs(seconds):.1f} s {way} that of the others; its times are corrected by that")


def is_newest_first(events: Sequence[Event]) -> bool:
    """Whether a log was written out from its end to its beginning, as `journalctl --reverse` does; nodes may be a little out of step.

    Of what happened within one second of whole seconds the stamps tell nothing: there it shows in ends that stand before their beginnings.
    """
    steps = [later.at - one.at for one, later in pairwise(events)]
    down, up = sum(step < timedelta() for step in steps), sum(step > timedelta() for step in steps)
    if not down and not up:
        return is_mixed(events) and not is_mixed(events[::-1])
    return down > 4 * up


def streams_of(items: Iterable[Input]) -> list[list[Event]]:
    """What was written one after the other: a log through all its files, or the traps of one sender."""
    streams: list[list[Event]] = []
    logs: dict[tuple[str, str], list[list[Event]]] = defaultdict(list)
    for item in items:
        if item.source is Source.TRAP:
            senders: dict[str | None, list[Event]] = defaultdict(list)
            for event in item.events:
                senders[event.reporter].append(event)
            streams += [senders[sender] for sender in sorted(senders, key=str)]
        elif item.node is None:
            streams.append(item.events)
        elif item.events:
            logs[item.node, item.form or ""].append(item.events)
    return [*(events for key in sorted(logs) for events in _rejoined(logs[key])), *streams]


def _rejoined(pieces: Sequence[list[Event]]) -> list[list[Event]]:
    """Files of one log, as rotation leaves them, are one after the other again; a copy of what another file has stays by itself.

    They are one witness then: what the log says twice is said twice (see classify/facts.py), so all of it is told of the first file.
    """
    whole: list[list[Event]] = []
    for piece in sorted(pieces, key=lambda events: (events[0].at, events[-1].at, events[0].raw)):
        before = next((events for events in whole if events[-1].at <= piece[0].at and not _share_lines(events, piece)), None)
        if before is None:
            whole.append([*piece])
        else:
            path = before[0].ref.rpartition("@")[0]
            before += [replace(event, ref=f"{path}@{event.ref.rpartition('@')[2]}") for event in piece]
    return whole


def _share_lines(first: Sequence[Event], second: Sequence[Event]) -> bool:
    """Whether the end of one has lines that the begin of the other has too."""
    end, begin = first[-1].at, second[0].at
    return bool({event.raw for event in first if event.at >= begin} & {event.raw for event in second if event.at <= end})
