"""How far the clocks of nodes are off while their logs are read, by the clock of this host: learned and taken from the stamps.

A line that is read before its own time is from a clock that is ahead: that much is sure. Lines that come late read after read by the same
time are from one that is behind; what is read late for another reason is now more late and now less, and proves nothing. Stamps that are
less than `LEAST` off stay as they are, and those that are more than `MOST` off are not believed to be of a clock.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta

from hamon.classify.clocks import MOST, by_one_clock
from hamon.model.event import Event, EventKind
from hamon.model.observation import Source
from hamon.model.record import changed

LEAST = timedelta(seconds=2)
"""A smaller difference is left alone: whole seconds, and the time until a line is read, are as much."""
READS = 3
"""So many reads must agree: that a clock is behind, and that one which was off is right again."""
AGREE = timedelta(seconds=2)
STEADY = timedelta(seconds=0.75)
"""A smaller change is the chance of whole seconds."""
ONE_READ = timedelta(seconds=1)
"""What comes within it is one read: a storm of traps tells no more than one."""
SPAN = timedelta(seconds=2)
"""What was read within less time may come from one queue."""
MOST_NODES = 256
_POLL = Source.POLL
_HALF = timedelta(seconds=0.5)
_NO_CLOCK = frozenset({EventKind.SOURCE_LOST, EventKind.SOURCE_BACK})

Read = tuple[datetime, timedelta]
"""When lines were read, and how old the newest of them was by its own stamp."""


class Skew:
    """The clocks of one cluster. `offsets`: node, or address of a sender of traps -> how far its clock is ahead; right ones are missing."""

    def __init__(self, offsets: Mapping[str, float] | None = None) -> None:
        self.offsets = {name: timedelta(seconds=seconds) for name, seconds in (offsets or {}).items()}
        self._reads: dict[str, list[Read]] = {}
        self._senders: set[str] = set()

    def learn(self, logs: Iterable[Sequence[Event]]) -> bool:
        """Look at what was just read, before it is put right; whether the clocks turn out otherwise than they were known."""
        seen: set[str] = set()
        for events in logs:
            at = received_at = reporter = None
            for event in events:
                # Lines of one second that were read together tell the same of the clock; while catching up that is most of them.
                if event.at is at and event.received_at is received_at and event.reporter is reporter:
                    continue
                if event.source is not _POLL and event.reporter is not None and event.kind not in _NO_CLOCK:
                    at, received_at, reporter = event.at, event.received_at, event.reporter
                    if self._take(event, reporter):
                        seen.add(reporter)
        changed = [name for name in seen if self._judge(name)]
        return bool(changed)

    def put_right(self, events: Sequence[Event]) -> Sequence[Event]:
        if not any(event.reporter in self.offsets for event in events):
            return events
        return [self._moved(event) if event.source is Source.TRAP else event for event in by_one_clock(events, self.offsets)]

    def _moved(self, event: Event) -> Event:
        offset = self.offsets.get(event.reporter or "")
        return event if offset is None else changed(event, at=event.at - offset)

    def _take(self, event: Event, name: str) -> bool:
        """Remember a line; whether it may tell something new."""
        lag = event.received_at - event.at
        if abs(lag) > MOST or (name not in self._reads and len(self._reads) >= MOST_NODES):
            return False
        if event.source is Source.TRAP:
            self._senders.add(name)
        elif event.at.microsecond == 0:
            lag -= _HALF  # of a second that is cut off, on average
        reads = self._reads.setdefault(name, [])
        if reads and abs(event.received_at - reads[-1][0]) < ONE_READ:
            if lag >= reads[-1][1]:
                return False
            reads[-1] = reads[-1][0], lag
        else:
            reads.append((event.received_at, lag))
            del reads[:-READS]
        return True

    def _judge(self, name: str) -> bool:
        reads = self._reads[name]
        least, greatest = min(lag for _, lag in reads), max(lag for _, lag in reads)
        known = self.offsets.get(name)
        enough = len(reads) == READS and reads[-1][0] - reads[0][0] >= SPAN
        found: timedelta | None = None
        agreed = enough and abs(least) >= LEAST and greatest - least <= AGREE
        # Of a line that is sure; but a relay passes on traps that hosts with other clocks stamped.
        if agreed or (least <= -LEAST and name not in self._senders):
            found = self._delay(name) - least
        elif known is not None and (not enough or greatest >= LEAST):
            found = known  # nothing speaks for another time
        if found is None:
            return self.offsets.pop(name, None) is not None
        if known is not None and abs(found - known) < STEADY:
            return False
        self.offsets[name] = found
        return True

    def _delay(self, name: str) -> timedelta:
        """How long a line takes until it is read, by those of the other nodes, whose clocks are right."""
        others = [min(lag for _, lag in reads) for other, reads in self._reads.items() if other != name and other not in self.offsets]
        return max(timedelta(0), min((lag for lag in others if abs(lag) < LEAST), default=timedelta(0)))
