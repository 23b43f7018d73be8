"""When a cluster is asked: slowly while nothing happens, at once and some more times after something did. Pure; times are seconds.

The law: two questions are at least a second apart (five in a storm); a lost cluster is asked less and less often, but never given up.
"""

from collections import deque
from collections.abc import Callable

AFTER = (2.0, 5.0, 10.0)
"""A cluster needs seconds to act: it is asked again so long after something happened."""
APART = 1.0
STORM_QUESTIONS, STORM_SECONDS, STORM_APART = 20, 60.0, 5.0
"""When so many questions were asked in so long a time, they are further apart."""
QUIET_AFTER = 120.0
RETRY, LAST_RETRY = 2.0, 60.0
LOST_APART = 5.0
"""A cluster that does not answer is not asked more often than this, whatever happens."""
NEWS_AGAIN = 30.0
"""A state that goes on changing is no news: it is asked for at the plain interval."""


class Rhythm:
    """One cluster. `spread` gives a random number between -1 and 1: clusters that start together drift apart."""

    def __init__(self, now: float, *, interval: float, quiet_interval: float, spread: Callable[[], float]) -> None:
        self._interval, self._quiet_interval, self._spread = interval, max(interval, quiet_interval), spread
        self._regular = now + min(1.0, interval) * abs(spread())
        self._more: list[float] = []
        self._asked: deque[float] = deque(maxlen=STORM_QUESTIONS)
        self._news_at = now
        self._failures = 0

    @property
    def due(self) -> float:
        """When to ask next."""
        wanted = min([self._regular, *self._more])
        return max(wanted, self._asked[-1] + self._apart()) if self._asked else wanted

    def _apart(self) -> float:
        if self._failures:
            return LOST_APART if self._failures > 1 else RETRY
        is_storm = len(self._asked) == STORM_QUESTIONS and self._asked[-1] - self._asked[0] < STORM_SECONDS
        return STORM_APART if is_storm else APART

    def nudge(self, now: float) -> None:
        """Something happened."""
        self._more = [now, *(now + seconds for seconds in AFTER)]
        self._news_at = now

    def again(self, now: float) -> None:
        """There is something new to be shown."""
        self._more.append(now)

    def asks(self, now: float) -> None:
        """A question begins."""
        self._asked.append(now)
        self._more = [at for at in self._more if at > now]

    def answered(self, now: float, *, changed: bool) -> None:
        """The answer came; `changed`: it shows another state than the last one."""
        if changed:
            if now - self._news_at > NEWS_AGAIN or self._failures:
                self._more = [*(at for at in self._more if at > now), *(now + seconds for seconds in AFTER)]
            self._news_at = now
        self._failures = 0
        is_quiet = now - self._news_at >= QUIET_AFTER
        self._regular = now + self._spread_out(self._quiet_interval if is_quiet else self._interval)

    def failed(self, now: float) -> None:
        """Nobody answered."""
        self._failures += 1
        self._more = []
        self._regular = now + self._spread_out(min(LAST_RETRY, RETRY * 2 ** min(self._failures - 1, 10)))

    def _spread_out(self, seconds: float) -> float:
        return seconds * (1 + 0.1 * self._spread())
