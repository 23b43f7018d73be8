"""Tail log files: hand over what is appended, within milliseconds, and each line once whatever becomes of the files.

The kernel tells (inotify through watchdog) that something happened, a thread looks and reads (`reader`), this shell hands over. A
position travels with each chunk and is committed with what the chunk gave; reading resumes there after a crash.
"""

import asyncio
import contextlib
import threading
from collections.abc import Collection, Iterable, Sequence

from hamon.clock import Clock
from hamon.collect.log_tail_config import LogTailConfig
from hamon.collect.reader import LogReader, Step
from hamon.collect.records import Records
from hamon.collect.watch import Watch
from hamon.model.cluster import SourceView
from hamon.model.observation import LogChunk, Observation, ReadPosition
from hamon.ports import Inbox

_BURST_SECONDS = 0.002
"""Lines that follow so fast are gathered for as long; a line that comes alone is read at once."""

__all__ = ["LogTail", "LogTailConfig"]


class LogTail:
    """One configured instance. `path` of its chunks is that of the log, also where the lines come from a rotated file.

    A chunk without data only moves the position: it marks where reading began at the end of a file.
    """

    def __init__(self, name: str, config: LogTailConfig, clock: Clock, positions: Sequence[ReadPosition]) -> None:
        self._name = name
        self._config = config
        self._clock = clock
        self._positions = [position for position in positions if position.collector == name]
        self._reader = self._new_reader()

    def _new_reader(self) -> LogReader:
        return LogReader(self._name, self._config, self._clock, self._positions)

    def views(self) -> Sequence[SourceView]:
        return self._reader.views()

    async def run(self, inbox: Inbox) -> None:
        """Read until cancelled; when run again it goes on behind the last chunk that was handed over."""
        self._reader = self._new_reader()
        wakes = _Wakes(asyncio.get_running_loop())
        worker = _Worker(self._reader, Watch(wakes.from_thread, poll=self._config.poll))
        try:
            await self._tail(inbox, worker, wakes)
        finally:
            await asyncio.shield(asyncio.to_thread(worker.stop))

    async def _tail(self, inbox: Inbox, worker: "_Worker", wakes: "_Wakes") -> None:
        look, insist, all_watched = True, False, False
        directories: frozenset[str] | None = None
        loop = asyncio.get_running_loop()
        read_at = 0.0
        form = self._config.form
        records = Records(form) if form is not None else None
        while step := await asyncio.to_thread(worker.step, look, insist):
            given: Iterable[Observation] = step.observations
            if records is not None:
                now = loop.time()
                given = [*records.feed(step.observations, now), *records.due(now)]
            for observation in given:
                await inbox.put(observation)
                if isinstance(observation, LogChunk) and observation.position:
                    self._delivered(observation.position)
            if step.directories != directories or (look and not step.has_more):
                is_new, directories = step.directories != directories, step.directories
                all_watched = await asyncio.to_thread(worker.follow, directories)
                if is_new:  # what happened before they were watched
                    look, insist = True, False
                    continue
            if step.has_more:
                look, insist = wakes.take() if wakes.event.is_set() else (False, False)
                continue
            wait = step.wait_seconds if all_watched else min(step.wait_seconds, self._config.poll_interval_seconds)
            if records is not None and (held := records.wait_seconds(loop.time())) is not None:
                wait = min(wait, held + 0.01)
            try:
                async with asyncio.timeout(wait):
                    await wakes.event.wait()
            except TimeoutError:
                look, insist = True, False
            else:
                if loop.time() - read_at < _BURST_SECONDS:
                    await asyncio.sleep(_BURST_SECONDS)
                look, insist = wakes.take()
            read_at = loop.time()

    def _delivered(self, position: ReadPosition) -> None:
        identity = (position.device, position.inode)
        self._positions = [known for known in self._positions if (known.device, known.inode) != identity]
        self._positions.append(position)


class _Wakes:
    """Events of the watch's threads, gathered for the loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self.event = asyncio.Event()
        self._names_changed = False
        self._is_pending = False

    def from_thread(self, names_changed: bool) -> None:
        # While a wake is under way another says nothing new: what it is about was written before `take`, after which all is read.
        if self._is_pending and not names_changed:
            return
        self._is_pending = True
        with contextlib.suppress(RuntimeError):  # the loop is closed
            self._loop.call_soon_threadsafe(self._set, names_changed)

    def _set(self, names_changed: bool) -> None:
        self._names_changed = self._names_changed or names_changed
        self.event.set()

    def take(self) -> tuple[bool, bool]:
        """Whether to look for files, and whether to insist; forget the events."""
        names_changed, self._names_changed = self._names_changed, False
        self._is_pending = False
        self.event.clear()
        return names_changed, True


class _Worker:
    """The blocking half, called from threads one at a time. A call that comes after `stop`, left over from a cancellation, does nothing."""

    def __init__(self, reader: LogReader, watch: Watch) -> None:
        self._reader = reader
        self._watch = watch
        self._turn = threading.Lock()
        self._is_stopped = False

    def step(self, look: bool, insist: bool) -> Step | None:
        with self._turn:
            if self._is_stopped:
                return None
            step = self._reader.step(look=look, insist=insist)
            self._watch.names = step.names
            return step

    def follow(self, directories: Collection[str]) -> bool:
        with self._turn:
            return not self._is_stopped and self._watch.follow(directories)

    def stop(self) -> None:
        with self._turn:
            self._is_stopped = True
            self._watch.stop()
            self._reader.close()
