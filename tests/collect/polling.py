"""Run a crm_mon collector in a test, on commands that are real programs."""

import asyncio
import contextlib
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from hamon.clock import SystemClock
from hamon.collect.child import Lanes
from hamon.collect.crm_mon import CrmMon, CrmMonConfig
from hamon.model.observation import Snapshot, SourceLost
from tests.fakes import MemoryInbox
from tests.snapshots import answers

OFF = {"enabled": False}
QUIET: dict[str, Any] = {"cibadmin": OFF, "quorum": OFF, "links": OFF, "sbd": OFF, "drbd": OFF}
"""Only crm_mon is asked."""


class Polling:
    def __init__(self, collector: CrmMon, inbox: MemoryInbox) -> None:
        self.collector, self.inbox = collector, inbox

    @property
    def snapshots(self) -> list[Snapshot]:
        return [seen for seen in self.inbox.observations if isinstance(seen, Snapshot)]

    @property
    def losses(self) -> list[SourceLost]:
        return [seen for seen in self.inbox.observations if isinstance(seen, SourceLost)]

    async def until_snapshots(self, count: int) -> list[Snapshot]:
        await self.inbox.until(lambda: len(self.snapshots) >= count, timeout_seconds=60)
        return self.snapshots

    async def until_lost(self, count: int = 1) -> list[SourceLost]:
        await self.inbox.until(lambda: len(self.losses) >= count, timeout_seconds=60)
        return self.losses

    def view(self, path: str) -> tuple[bool, str]:
        (view,) = [view for view in self.collector.views() if view.path == path]
        return view.up, view.reason


def program(folder: Path, body: str, name: str = "crm_mon") -> str:
    """A program of the tests, in Python; `$1` is where it may keep something."""
    folder.mkdir(exist_ok=True, parents=True)
    path = folder / name
    path.write_text(f"#!{sys.executable}\nimport os, signal, subprocess, sys, time\nHERE = {str(folder)!r}\n{body}\n")
    path.chmod(0o755)
    return str(path)


def shows(folder: Path, answer: bytes, *, rc: int = 0, before: str = "", name: str = "crm_mon") -> str:
    """A program that prints an answer of the real crm_mon."""
    folder.mkdir(exist_ok=True, parents=True)
    (folder / "answer.xml").write_bytes(answer)
    return program(folder, f"{before}\nsys.stdout.write(open(HERE + '/answer.xml').read()); sys.stdout.flush(); sys.exit({rc})", name)


def good(recording: str = "chronicle", file: str = "s000.xml") -> bytes:
    return answers(recording)[file]


@asynccontextmanager
async def polling(commands: Mapping[str, Sequence[str]], lanes: Lanes | None = None, **settings: Any) -> AsyncIterator[Polling]:
    given: dict[str, Any] = {"cluster": "web01", "interval_seconds": 1, "quiet_interval_seconds": 1, **QUIET, **settings}
    config = CrmMonConfig.model_validate(given | {"commands": {name: tuple(words) for name, words in commands.items()}})
    own = lanes if lanes is not None else Lanes(8, 4)
    collector, inbox = CrmMon("polls", config, SystemClock(), [], lanes=own), MemoryInbox()
    task = asyncio.create_task(collector.run(inbox))
    try:
        yield Polling(collector, inbox)
        if task.done():
            task.result()
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        if lanes is None:
            await asyncio.to_thread(own.close)
