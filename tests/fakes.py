"""Small stand-ins, type-checked against the ports."""

from datetime import UTC, datetime, timedelta


class FakeClock:
    """A clock that stands until it is advanced."""

    def __init__(self, now: datetime = datetime(2026, 1, 1, tzinfo=UTC)) -> None:
        self._now = now

    def now(self) -> datetime:
        return self._now

    def advance(self, seconds: float) -> None:
        self._now += timedelta(seconds=seconds)
