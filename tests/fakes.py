"""Small stand-ins, type-checked against the ports."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from hamon.model.observation import LogChunk, Observation, ReadPosition, Trap, TrapBatch


class FakeClock:
    """A clock that stands until it is advanced."""

    def __init__(self, now: datetime = datetime(2026, 1, 1, tzinfo=UTC)) -> None:
        self._now = now

    def now(self) -> datetime:
        return self._now

    def advance(self, seconds: float) -> None:
        self._now += timedelta(seconds=seconds)


class MemoryInbox:
    """Keeps what collectors put, and lets a test wait for it. `room` bounds what is taken before `let_in` is called again.

    Receipts are given at once, or, when `is_away`, on `back`: a history that is away and comes back.
    """

    def __init__(self, room: int | None = None) -> None:
        self.observations: list[Observation] = []
        self._room = room
        self._changed = asyncio.Condition()
        self.is_away = False
        self._receipts: list[Callable[[], None]] = []

    async def put(self, observation: Observation, recorded: Callable[[], None] | None = None) -> None:
        async with self._changed:
            await self._changed.wait_for(lambda: self._room is None or len(self.observations) < self._room)
            self.observations.append(observation)
            self._changed.notify_all()
        if recorded is not None:
            self._receipts.append(recorded)
        if not self.is_away:
            self.back()

    def back(self) -> None:
        """The history answers (again)."""
        self.is_away = False
        receipts, self._receipts = self._receipts, []
        for recorded in receipts:
            recorded()

    async def let_in(self, room: int | None) -> None:
        async with self._changed:
            self._room = room
            self._changed.notify_all()

    async def until(self, is_reached: Callable[[], bool], timeout_seconds: float = 20) -> None:
        async with asyncio.timeout(timeout_seconds), self._changed:
            await self._changed.wait_for(is_reached)

    @property
    def chunks(self) -> list[LogChunk]:
        return [observation for observation in self.observations if isinstance(observation, LogChunk)]

    @property
    def traps(self) -> list[Trap]:
        return [trap for observation in self.observations if isinstance(observation, TrapBatch) for trap in observation.traps]

    @property
    def data(self) -> bytes:
        """The bytes of all chunks, in the order in which they came."""
        return b"".join(chunk.data for chunk in self.chunks)

    def positions(self, chunks: int | None = None) -> list[ReadPosition]:
        """What the store would hold after the first `chunks` of them (all): one for each file."""
        found = [chunk.position for chunk in self.chunks[:chunks] if chunk.position]
        return list({(position.collector, position.device, position.inode): position for position in found}.values())
