"""The only place that asks the machine for the time; everything else is given it."""

from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    """Who is asked for the time."""

    def now(self) -> datetime:
        """The current time, aware, in UTC."""
        ...


class SystemClock:
    """The clock of this machine."""

    def now(self) -> datetime:
        return datetime.now(UTC)  # noqa: TID251 - this is the place
