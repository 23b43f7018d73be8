"""An outbox in memory for the delivery loop, that can be away for a while and tells a test when something changed."""

import asyncio
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from hamon.errors import StoreError
from hamon.model.delivery import Delivery, DeliveryState


class MemoryOutbox:
    """`written` is every state that was written, in order; the next `outages` calls raise StoreError, and those numbered in `away_at`.

    `looks` counts how often it was asked what is due.
    """

    def __init__(self, deliveries: Iterable[Delivery] = ()) -> None:
        self.rows = {delivery.id: delivery for delivery in deliveries}
        self.written: list[Delivery] = []
        self.calls = self.looks = 0
        self.outages = 0
        self.away_at: set[int] = set()
        self._changed = asyncio.Condition()

    def _answer(self) -> None:
        self.calls += 1
        if self.outages or self.calls in self.away_at:
            self.outages = max(0, self.outages - 1)
            raise StoreError("the database is away; start it")

    async def _travel(self) -> None:
        """What was read is old by the time that it arrives, as with a database."""
        for _ in range(3):
            await asyncio.sleep(0)

    def _heads(self) -> list[Delivery]:
        """Of every incident and target the oldest delivery that is not handed over."""
        heads: dict[tuple[str, str, str], Delivery] = {}
        for row in sorted(self.rows.values(), key=lambda row: (row.created_at, row.transition.sequence)):
            if row.state in (DeliveryState.PENDING, DeliveryState.SENDING):
                heads.setdefault((row.transition.incident.cluster, row.transition.incident.key, row.target), row)
        return [row for row in heads.values() if row.state is DeliveryState.PENDING]

    async def due_deliveries(self, now: datetime, limit: int, skip: Collection[str] = ()) -> Sequence[Delivery]:
        self._answer()
        self.looks += 1
        heads = [row for row in self._heads() if row.target not in skip]
        due = [row for row in heads if row.next_attempt_at is None or row.next_attempt_at <= now][:limit]
        await self._travel()
        return due

    async def next_delivery_at(self, skip: Collection[str] = ()) -> datetime | None:
        self._answer()
        next_at = min((row.next_attempt_at or row.created_at for row in self._heads() if row.target not in skip), default=None)
        await self._travel()
        return next_at

    async def update_delivery(self, delivery: Delivery) -> None:
        self._answer()
        async with self._changed:
            self.rows[delivery.id] = delivery
            self.written.append(delivery)
            self._changed.notify_all()

    async def recover_deliveries(self) -> int:
        self._answer()
        left = [row for row in self.rows.values() if row.state is DeliveryState.SENDING]
        for row in left:
            self.rows[row.id] = replace(row, state=DeliveryState.PENDING, repeated=True)
        return len(left)

    async def pending_deliveries(self) -> Mapping[str, int]:
        self._answer()
        return Counter(row.target for row in self.rows.values() if row.state in (DeliveryState.PENDING, DeliveryState.SENDING))

    async def drop_overtaken(self, target: str) -> int:
        self._answer()
        pending = [row for row in self.rows.values() if row.target == target and row.state is DeliveryState.PENDING]
        last: dict[tuple[str, str], int] = {}
        for row in pending:
            identity = (row.transition.incident.cluster, row.transition.incident.key)
            last[identity] = max(last.get(identity, 0), row.transition.sequence)
        dropped = [row for row in pending if row.transition.sequence < last[row.transition.incident.cluster, row.transition.incident.key]]
        for row in dropped:
            await self.update_delivery(replace(row, state=DeliveryState.FAILED, error="overtaken"))
        return len(dropped)

    async def until(self, is_reached: Callable[[], bool], timeout_seconds: float = 20) -> None:
        async with asyncio.timeout(timeout_seconds), self._changed:
            await self._changed.wait_for(is_reached)

    def states(self, delivery_id: str) -> list[str]:
        return [row.state.value for row in self.written if row.id == delivery_id]
