"""Logs that come once more: a sender of syslog may have forgotten how far it came, a file may come back, under its name or another one.

The law: a line that lies before the newest one of its log, and that was taken before, is a copy; so is one that is older than all that
is remembered of the log. A clock that is set back gives lines that were never seen: these are news. Only where it goes back so far that
nothing is remembered, its lines count as copies for `BURST`: a log that is sent again is through by then.
"""

from collections import OrderedDict
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import islice

from hamon.model.event import Event
from hamon.model.observation import Source

MAX_LINES = 4096
"""Of one log so many lines are remembered."""
_SPARE = 64
"""So many more are forgotten at once: one by one costs as much as all else."""
MAX_LOGS = 64
BURST = timedelta(minutes=5)
PUT_RIGHT = timedelta(seconds=10)
"""By how much the times of a line and its copy may differ: what the clock of a node is off is found while its logs are read."""


@dataclass(slots=True)
class _Heard:
    """What was taken of one log. `since`: when what is remembered begins; None: at the first line."""

    lines: dict[int, datetime] = field(default_factory=dict)
    since: datetime | None = None
    behind_since: datetime | None = None
    """When lines began to come (by the clock of this host) that are older than all that is remembered."""


class Replays:
    """What was taken of each log. Bounded; a cache that may be rebuilt from the stored events."""

    def __init__(self) -> None:
        self._logs: OrderedDict[str, _Heard] = OrderedDict()

    def restore(self, log: str, newest: datetime) -> None:
        """There was more of this log before a restart, up to `newest`; `take` what is known of it afterwards."""
        self._heard(log).since = newest

    def take(self, log: str, event: Event) -> None:
        """Remember a line that is news."""
        heard = self._logs.get(log) or self._heard(log)
        lines = heard.lines
        lines[hash((event.rule, event.raw, event.node))] = event.at  # as `mark_of` has it
        if len(lines) > MAX_LINES + _SPARE:
            newest = max(map(lines.pop, list(islice(lines, _SPARE))))
            heard.since = newest if heard.since is None or heard.since < newest else heard.since

    def known(self, log: str, event: Event) -> None:
        """Remember a line from before a restart; oldest first."""
        heard = self._heard(log)
        if heard.since is not None and event.at < heard.since:
            heard.since = event.at
        self.take(log, event)

    def has(self, log: str, event: Event) -> bool:
        """Whether this very line, with its time, was taken from this log."""
        heard = self._logs.get(log)
        return heard is not None and heard.lines.get(mark_of(event)) == event.at

    def is_known_elsewhere(self, log: str, event: Event) -> bool:
        """Whether another log of the node has this line: a copy of it, or the same log under another name."""
        mark, node = mark_of(event), f" {event.reporter or ''}"
        taken = [heard.lines.get(mark) for other, heard in self._logs.items() if other != log and other.endswith(node)]
        return any(at is not None and abs(at - event.at) <= PUT_RIGHT for at in taken)

    def is_copy(self, log: str, event: Event, *, goes_on: bool) -> bool:
        """Whether a line that lies before the newest one of its log was taken before. `goes_on`: its place lies behind all others."""
        heard = self._logs.get(log)
        if heard is None:
            return False
        if mark_of(event) in heard.lines:
            heard.behind_since = None
            return True
        is_file = "/" in event.ref  # a file is read on where it was left, whatever its stamps
        if (is_file and goes_on) or heard.since is None or event.at >= heard.since:
            return False
        heard.behind_since = heard.behind_since or event.received_at
        if event.received_at - heard.behind_since <= BURST:
            return True
        heard.since = heard.behind_since = None
        return False

    def _heard(self, log: str) -> _Heard:
        heard = self._logs.get(log)
        if heard is None:
            heard = self._logs[log] = _Heard()
            if len(self._logs) > MAX_LOGS:
                self._logs.popitem(last=False)
        return heard


def log_of(event: Event) -> str:
    """The name of the log that an event was read from: by its collector, its file or host, and the node that wrote it."""
    return f"{event.collector} {event.ref.rpartition('@')[0]} {event.reporter or ''}"


def is_line(event: Event) -> bool:
    """Whether it was read in a log, at a place that is a number."""
    return event.source is Source.LOG and event.ref.rpartition("@")[2].isdigit()


def mark_of(event: Event) -> int:
    """What a line says, and of which node: it may tell of several."""
    return hash((event.rule, event.raw, event.node))
