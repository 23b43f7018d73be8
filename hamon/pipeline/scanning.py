"""Scanning: log lines and traps to the events that they tell, by the rules in force.

The law: one line, or one trap, that meets a defect takes none of the others with it.
"""

import logging
from collections.abc import Iterable, Sequence
from typing import Protocol

from hamon.classify.match import Scan
from hamon.classify.texts import LogMatcher
from hamon.classify.traps import TrapMatcher, TrapScan
from hamon.model.event import Event
from hamon.model.observation import LogChunk, TrapBatch
from hamon.rules.schema import RuleSet

log = logging.getLogger(__name__)


class Counts(Protocol):
    """The numbers that scanning gives (see hamon.metrics.Metrics)."""

    def traps(self, collector: str, matched: int, unmatched: int) -> None: ...

    def defect(self) -> None: ...


class Scanner:
    """Matches chunks of lines and batches of traps; after a defect, which is logged and counted, what it met is taken one by one."""

    def __init__(self, rules: RuleSet, counts: Counts) -> None:
        self._counts = counts
        self.use(rules)

    def use(self, rules: RuleSet) -> None:
        """Match with other rules from now on."""
        self._lines, self._traps = LogMatcher(rules), TrapMatcher(rules)

    def lines(self, chunk: LogChunk) -> Scan:
        """What the lines of a chunk tell."""
        try:
            return self._lines.scan(chunk)
        except Exception:
            self._counts.defect()
            log.exception("defect while reading lines; they are tried one by one", extra={"source": chunk.collector, "path": chunk.path})
        whole = Scan()
        for line, offset in _single_lines(chunk):
            try:
                scan = self._lines.scan(_part(chunk, line, offset))
            except Exception:
                self._counts.defect()
                whole.lines += 1
                whole.unrecognised += 1
                whole.errors.append(f"{chunk.path}@{offset}: this line meets a defect of hamon and is left out")
            else:
                whole.merge(scan)
        return whole

    def traps(self, batch: TrapBatch) -> Sequence[Event]:
        """What traps tell."""
        whole = TrapScan()
        try:
            whole = self._traps.scan(batch.traps)
        except Exception:
            self._counts.defect()
            log.exception("defect while reading traps; they are tried one by one", extra={"source": batch.collector})
            for trap in batch.traps:
                try:
                    scan = self._traps.scan([trap])
                except Exception:
                    self._counts.defect()
                    # Not the trap itself: what relays append may hold a community.
                    about = {"source": batch.collector, "notification": trap.notification, "address": trap.source}
                    log.error("a trap meets a defect of hamon and is left out", extra=about)
                else:
                    whole.events += scan.events
                    whole.matched += scan.matched
                    whole.unmatched += scan.unmatched
        self._counts.traps(batch.collector, whole.matched, whole.unmatched)
        return whole.events


def _single_lines(chunk: LogChunk) -> Iterable[tuple[bytes, int]]:
    offset = chunk.offset
    for line in chunk.data.splitlines(keepends=True):
        yield line, offset
        offset += len(line)


def _part(chunk: LogChunk, line: bytes, offset: int) -> LogChunk:
    return LogChunk(
        cluster=chunk.cluster,
        collector=chunk.collector,
        path=chunk.path,
        data=line,
        offset=offset,
        received_at=chunk.received_at,
        node=chunk.node,
        timezone=chunk.timezone,
        encodings=chunk.encodings,
        form=chunk.form,
    )
