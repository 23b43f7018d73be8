"""Run a log tail collector in a test."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

from hamon.clock import Clock, SystemClock
from hamon.collect.log_tail import LogTail, LogTailConfig
from hamon.model.observation import Observation, ReadPosition, SourceBack, SourceLost
from tests.fakes import MemoryInbox


class Tail:
    def __init__(self, collector: LogTail, inbox: MemoryInbox) -> None:
        self.collector = collector
        self.inbox = inbox

    async def gives(self, expected: bytes) -> None:
        """Wait until the data is as expected, and fail with what came instead."""
        with suppress(TimeoutError):
            await self.inbox.until(lambda: len(self.inbox.data) >= len(expected))
        assert self.inbox.data == expected, self.inbox.data[-2000:]

    async def tells(self, count: int) -> list[tuple[str, str]]:
        """Wait for so many losses and returns of sources; give their kind or the first word of the reason, and the path."""
        await self.inbox.until(lambda: len(_news(self.inbox.observations)) >= count)
        return _news(self.inbox.observations)


def _news(observations: Sequence[Observation]) -> list[tuple[str, str]]:
    return [
        ("back", seen.path) if isinstance(seen, SourceBack) else (seen.reason.split(":")[0], seen.path)
        for seen in observations
        if isinstance(seen, (SourceLost, SourceBack))
    ]


@asynccontextmanager
async def tailing(
    *paths: Path | str,
    positions: Sequence[ReadPosition] = (),
    clock: Clock | None = None,
    inbox: MemoryInbox | None = None,
    **settings: Any,
) -> AsyncIterator[Tail]:
    config = LogTailConfig(cluster="tokyo", paths=tuple(str(path) for path in paths), **settings)
    tail = Tail(LogTail("pm01", config, clock or SystemClock(), positions), inbox or MemoryInbox())
    running = asyncio.create_task(tail.collector.run(tail.inbox))
    try:
        yield tail
    finally:
        running.cancel()
        async with asyncio.timeout(5):
            with suppress(asyncio.CancelledError):
                await running


def append(path: Path, data: bytes) -> bytes:
    with path.open("ab") as file:
        file.write(data)
    return data
