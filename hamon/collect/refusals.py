"""What a receiver does not take: counted by reason, told in the log now and then, and told to people when something was lost."""

import logging
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta

from hamon.clock import Clock
from hamon.model.observation import LOSSES, Refusal, Source, SourceBack, SourceLost
from hamon.tell import phrase

log = logging.getLogger(__name__)

LOG_SECONDS = timedelta(seconds=60)
"""Of one reason and address, one line in this time."""
MOST_LOGGED = 1000
SWEEP_SECONDS = timedelta(seconds=1)
CALM = timedelta(minutes=10)
"""Without losses for so long, the loss is over (taxonomy: traps_dropped)."""


class Refusals:
    """The counts of one receiver. `words` is the line that stands in the log; `evidence` what the receiver gives."""

    def __init__(self, source: str, words: str, clock: Clock, evidence: Source) -> None:
        self._source, self._words, self._clock, self._evidence = source, words, clock, evidence
        self.counts: Counter[str] = Counter()
        self._logged: dict[tuple[str, str], tuple[datetime, int]] = {}
        self._swept_at = datetime.min.replace(tzinfo=UTC)
        self._dropped = 0
        self._lost_at: datetime | None = None
        self._is_told = False

    def count(self, reason: Refusal, host: str, detail: str = "", number: int = 1) -> None:
        self.counts[reason] += number
        now = self._clock.now()
        if reason in LOSSES:
            self._dropped += number
            self._lost_at = now
        key = (reason, host)
        last = self._logged.get(key)
        if last is not None and now < last[0] + LOG_SECONDS:
            return
        if len(self._logged) >= MOST_LOGGED:
            # Not for every datagram of a flood from forged addresses.
            if now < self._swept_at + SWEEP_SECONDS:
                return
            self._swept_at = now
            self._logged = {key: entry for key, entry in self._logged.items() if now < entry[0] + LOG_SECONDS}
            if len(self._logged) >= MOST_LOGGED:
                return
        since = self.counts[reason] - (last[1] if last is not None else 0)
        self._logged[key] = (now, self.counts[reason])
        extra = {"source": self._source, "reason": str(reason), "address": host, "of_this_reason_since": since, "detail": detail}
        log.warning(self._words, extra=extra)

    def told(self, clusters: Sequence[str], path: str, now: datetime) -> Iterator[SourceLost | SourceBack]:
        """What people are to be told now: that something was lost, or that nothing was for a while."""
        if self._lost_at is None:
            return
        where = {"collector": self._source, "path": path}
        if not self._is_told:
            self._is_told = True
            reason = ", ".join(
                phrase(f"seen.lost_{reason}", "en", count=str(self.counts[reason])) for reason in sorted(LOSSES) if self.counts[reason]
            )
            for cluster in clusters:
                yield SourceLost(**where, cluster=cluster, source=self._evidence, reason=reason, at=now, dropped=self._dropped)
        elif now >= self._lost_at + CALM:
            for cluster in clusters:
                yield SourceBack(**where, cluster=cluster, source=self._evidence, at=now, dropped=self._dropped)
            self._dropped, self._lost_at, self._is_told = 0, None, False
