"""Read one log through all its files: the rotated ones it still has to catch up with, then the current one, for as long as it grows.

Law: every byte of the log is taken once and in order; what is written late to a file that was rotated away is taken when it comes.
One limit: a file that is truncated and begun again with the very bytes it had, before anybody looked, cannot be told from one that grew.
"""

import contextlib
import logging
import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from hamon.collect.files import DamagedFile, Identity, open_log
from hamon.collect.lines import Cut
from hamon.collect.part import Part, Truncated
from hamon.collect.rotation import Candidate, belonging, family, packed_otherwise, resume_offsets
from hamon.model.observation import ReadPosition

log = logging.getLogger(__name__)

COPY_WAIT_SECONDS = 3.0
"""How long the copy of a truncated file is waited for before what came after the truncation is read."""
COPY_LOOK_SECONDS = 0.2
_LINGER_SECONDS = 60.0
"""A finished file stays open so long for late lines; the last one stays open until the next rotation."""


class Memory:
    """What was read of which file, of all logs of one collector: from the store, and since then."""

    def __init__(self, committed: Iterable[ReadPosition]) -> None:
        self._committed = tuple(committed)
        self._since: dict[Identity, ReadPosition] = {}
        self._readers: dict[Identity, object] = {}

    def remember(self, position: ReadPosition) -> None:
        self._since[position.device, position.inode] = position

    def positions(self, path: str, inodes: set[Identity]) -> list[ReadPosition]:
        """Those of one log, and those of the files given: a file that got the name of another log is not read again."""
        known = [*self._committed, *self._since.values()]
        return [position for position in known if position.path == path or (position.device, position.inode) in inodes]

    def claim(self, identity: Identity, reader: object) -> bool:
        """Let only one log read a file that has two names."""
        return self._readers.setdefault(identity, reader) is reader

    def release(self, identity: Identity, reader: object) -> None:
        if self._readers.get(identity) is reader:
            del self._readers[identity]


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """Complete lines, the offset of their first byte, and the position behind them."""

    cut: Cut
    offset: int
    position: ReadPosition


class LogStream:
    """One log by its path, as a succession of parts."""

    def __init__(self, collector: str, path: str, memory: Memory, line_limit: int, *, follow_rotation: bool) -> None:
        self.path = path
        self.is_alias = False
        """Another log of this collector reads the file: it has two names."""
        self.damaged: list[str] = []
        """Compressed files whose rest could not be read; emptied by who tells of them."""
        self.unreadable: list[str] = []
        """Files that may hold what came after the last line that was read, compressed in an unknown way; emptied likewise."""
        self._collector = collector
        self._memory = memory
        self._line_limit = line_limit
        self._follow_rotation = follow_rotation
        self._reading: list[Part] = []
        self._lingering: list[Part] = []
        self._starts_afresh = True
        self._last_mtime_ns = -1
        self._refused: set[Identity] = set()
        self._moved: list[ReadPosition] = []
        self._moved_until: datetime | None = None
        self.has_more = False
        """Whether `read` should be called again at once."""

    # Looking: which files there are

    def look(self, now: datetime, wanted: Callable[[str], bool], *, from_end: bool) -> Piece | None:
        """Find new parts; raises OSError when the current file cannot be reached (older ones may be read nevertheless).

        A log never seen before begins with the files that are `wanted`, at their start; or, `from_end`, at the end of the current
        file: then a piece without data is returned, whose position marks the place.
        """
        problem: OSError | None = None
        identity: Identity | None = None
        try:
            status = os.stat(self.path)
            identity = (status.st_dev, status.st_ino)
        except OSError as err:
            problem = err
        for part in self._reading:
            part.is_current = part.identity == identity
        newest = self._reading[-1] if self._reading else None
        mark = None
        # An empty current file does not tell whether others came and went unseen: then all are looked at.
        if problem or self._moved or not (newest and newest.is_current and newest.head):
            mark = self._extend(now, wanted, from_end=from_end)
            newest = self._reading[-1] if self._reading else None
        if problem:
            raise problem
        if not self.is_alias and not (newest and newest.is_current):
            open_log(self.path).close()  # says why it could not be opened
        return mark

    def _extend(self, now: datetime, wanted: Callable[[str], bool], *, from_end: bool) -> Piece | None:
        for part in tuple(self._reading):
            if part.is_replaced():
                self._drop_replaced(part)
        own = self._memory.positions(self.path, set())
        try:
            candidates = family(self.path, {position.inode for position in own})
        except OSError:
            candidates = []  # the stat of the current file says it better
        if not self._follow_rotation:
            candidates = [candidate for candidate in candidates if candidate.is_current or wanted(candidate.path)]
        open_parts = {part.identity: part for part in (*self._lingering, *self._reading)}
        for opened in open_parts.values():
            # Of the current file only what was read counts: what else is in it may have come after an unseen truncation.
            if not opened.is_current:
                opened.grow_head()
        positions = [
            *self._memory.positions(self.path, {candidate.identity for candidate in candidates}),
            *(part.position(self._collector, self.path) for part in open_parts.values()),
        ]
        candidates = belonging(candidates, positions, self._peek)
        is_first, self._starts_afresh = self._starts_afresh, False
        done = resume_offsets(candidates, positions, self._peek, all_of_them=is_first or bool(self._moved))
        if is_first and own and not done:
            self._look_for_unreadable()
        offsets = self._offsets(candidates, done, wanted, is_known=bool(positions), is_first=is_first)
        moved = resume_offsets(candidates, self._moved, self._peek, all_of_them=True)
        offsets |= self._after_truncation(candidates, done, moved)
        parts = [part for part in self._reading if part.identity not in {candidate.identity for candidate in candidates}]
        mark = None
        self.is_alias = False
        for candidate in candidates:
            known = open_parts.get(candidate.identity)
            if known in self._reading:
                parts.append(known)
            elif candidate.is_current and self._moved and self._copy_may_come(candidates, parts, moved, now):
                continue
            elif known is None and candidate.identity in offsets and (new := self._open(candidate, offsets[candidate.identity], now)):
                parts.append(new)
                if from_end and is_first and not positions and candidate.is_current:
                    new.offset = _last_line_end(new, self._line_limit)
                    mark = self._piece(new, Cut(data=b"", taken=0))
        if self._moved and not self._copy_may_come(candidates, parts, moved, now):
            self._moved.clear()
            self._moved_until = None
        self._reading = parts
        self._last_mtime_ns = max([self._last_mtime_ns, *(candidate.mtime_ns for candidate in candidates)])
        return mark

    def _look_for_unreadable(self) -> None:
        """What was read last is in none of the files: it may be in one that cannot be read."""
        with contextlib.suppress(OSError):
            if self._follow_rotation and (path := packed_otherwise(self.path)) is not None:
                self.unreadable.append(path)
                log.warning("A rotated log is compressed in a way that is not known, its lines are missing", extra={"path": path})

    def _offsets(
        self, candidates: list[Candidate], done: dict[Identity, int], wanted: Callable[[str], bool], *, is_known: bool, is_first: bool
    ) -> dict[Identity, int]:
        """Which files to read, and from where."""
        if not is_known:
            return {candidate.identity: 0 for candidate in candidates if candidate.is_current or wanted(candidate.path)}
        recognised = [place for place, candidate in enumerate(candidates) if candidate.identity in done]
        if recognised:
            newer = candidates[recognised[-1] + 1 :]
        else:
            newer = [candidate for candidate in candidates if candidate.is_current or candidate.mtime_ns > self._last_mtime_ns]
        offsets = {candidate.identity: 0 for candidate in newer}
        for candidate in candidates:
            # Later on, what was recognised is open already or finished; only the current file may have been closed.
            if candidate.identity in done and (is_first or candidate.is_current):
                offsets[candidate.identity] = done[candidate.identity]
        return offsets

    def _after_truncation(self, candidates: list[Candidate], done: dict[Identity, int], moved: dict[Identity, int]) -> dict[Identity, int]:
        """What was copied away before a truncation is read on in the copy (`moved`), then what came after it, also in the same file."""
        first = next((place for place, candidate in enumerate(candidates) if candidate.identity in moved), len(candidates))
        offsets = {candidate.identity: 0 for candidate in candidates[first:] if candidate.identity not in done}
        truncated = {(position.device, position.inode) for position in self._moved}
        offsets |= {candidate.identity: 0 for candidate in candidates if candidate.identity in truncated}
        return offsets | moved

    def _copy_may_come(self, candidates: list[Candidate], parts: list[Part], moved: dict[Identity, int], now: datetime) -> bool:
        """Whether to wait for the copy of what was truncated: not found, or gone again, since a rotation compresses it just now.

        Only where there are copies at all, and not for long: without one, what was not read is gone.
        """
        if any(part.identity in moved for part in parts) or all(candidate.is_current for candidate in candidates):
            return False
        if self._moved_until is None:
            self._moved_until = now + timedelta(seconds=COPY_WAIT_SECONDS)
        return now < self._moved_until

    def _peek(self, candidate: Candidate) -> bytes:
        try:
            file = open_log(candidate.path)
        except OSError:
            return b""
        try:
            return file.head()
        except (OSError, DamagedFile):
            return b""
        finally:
            file.close()

    def _open(self, candidate: Candidate, offset: int, now: datetime) -> Part | None:
        if not self._memory.claim(candidate.identity, self):
            self.is_alias = self.is_alias or candidate.is_current
            return None
        try:
            file = open_log(candidate.path)
        except OSError as err:
            self._memory.release(candidate.identity, self)
            self._refuse(candidate, err)
            return None
        try:
            part = Part(file, candidate.path, offset, self._line_limit, now)
        except (OSError, DamagedFile) as err:
            file.close()
            self._memory.release(candidate.identity, self)
            self._refuse(candidate, err)
            return None
        if part.identity != candidate.identity:  # replaced since it was listed: the next look finds it
            file.close()
            self._memory.release(candidate.identity, self)
            return None
        part.is_current = candidate.is_current
        return part

    def _refuse(self, candidate: Candidate, err: Exception) -> None:
        """Go on without an older file that cannot be read, and tell of it once; the current one is tried again by `look`."""
        if not candidate.is_current and candidate.identity not in self._refused:
            self._refused.add(candidate.identity)
            self.damaged.append(candidate.path)
            log.warning("A rotated log cannot be read, its lines are missing", extra={"path": candidate.path, "error": str(err)})

    # Reading: what is in them

    def read(self, now: datetime) -> Piece | None:
        """The next lines of the log, None when there are none now. Raises OSError; then `abandon` and look again later."""
        self.has_more = False
        for part in tuple(self._lingering):
            if piece := self._take(part, now):
                return piece
        while self._reading and not self.has_more:
            part = self._reading[0]
            if piece := self._take(part, now):
                return piece
            if self.has_more or not self._reading or self._reading[0] is not part or not part.is_done(now):
                break
            if len(self._reading) == 1 and (part.is_current or part.quiet_for(now) < _LINGER_SECONDS):
                break
            self._retire(part)
        self._close_idle(now)
        return None

    def _take(self, part: Part, now: datetime) -> Piece | None:
        try:
            cut = part.take(now)
        except Truncated:
            self._drop_replaced(part)
            self.has_more = True
            return None
        except DamagedFile as err:
            self._drop(part)
            self.has_more = True
            self.damaged.append(part.name)
            log.warning("A compressed log is damaged, its rest is missing", extra={"path": part.name, "error": str(err)})
            return None
        if cut is None:
            return None
        if not cut.taken:
            self.has_more = True
            return None
        return self._piece(part, cut)

    def _piece(self, part: Part, cut: Cut) -> Piece:
        position = part.position(self._collector, self.path)
        self._memory.remember(position)
        return Piece(cut=cut, offset=part.offset - cut.taken, position=position)

    def _retire(self, part: Part) -> None:
        self._memory.remember(part.position(self._collector, self.path))
        self._reading.remove(part)
        if not part.file.is_compressed:
            self._lingering.append(part)
            return
        self._close(part)
        if not part.file.is_complete:
            self.damaged.append(part.name)
            log.warning("A compressed log ends too early, its rest is missing", extra={"path": part.name})

    def _close_idle(self, now: datetime) -> None:
        for part in tuple(self._lingering):
            is_deleted = part.file.status().st_nlink == 0
            if (is_deleted or part is not self._lingering[-1]) and part.quiet_for(now) >= _LINGER_SECONDS:
                self._drop(part)

    def _drop(self, part: Part) -> None:
        self._memory.remember(part.position(self._collector, self.path))
        for parts in (self._reading, self._lingering):
            if part in parts:
                parts.remove(part)
        self._close(part)

    def _drop_replaced(self, part: Part) -> None:
        self._drop(part)
        if part.head:
            self._moved.append(part.position(self._collector, self.path))

    def _close(self, part: Part) -> None:
        self._memory.release(part.identity, self)
        part.file.close()

    def abandon(self) -> None:
        """Close all files, to find them anew from what is remembered."""
        for part in (*self._reading, *self._lingering):
            self._drop(part)
        self._starts_afresh = True

    def wait_seconds(self, now: datetime) -> float | None:
        """When to read again although nothing happens: a finished file is being waited for."""
        if self._moved:
            return COPY_LOOK_SECONDS
        waits = [
            part.patience_seconds - part.quiet_for(now)
            for part in (*self._lingering, *self._reading)
            if part.has_rest and not part.is_current
        ]
        if len(self._reading) > 1 and not self._reading[0].is_done(now):
            waits.append(self._reading[0].patience_seconds - self._reading[0].quiet_for(now))
        return max(0.0, min(waits)) if waits else None

    @property
    def lag_bytes(self) -> int:
        """Bytes seen and not taken; of a compressed file its whole size, for only its end is known to be its end.

        An unfinished line at the end of the current file is none: all that can be taken was.
        """
        return sum(
            part.size if part.file.is_compressed else max(0, part.size - part.offset)
            for part in self._reading
            if not part.file.is_complete and not (part.is_current and part.has_rest)
        )


def _last_line_end(part: Part, limit: int) -> int:
    """Where to begin at the end of a file without beginning inside a line."""
    if part.file.is_compressed:
        return 0
    size = part.file.status().st_size
    begin = max(0, size - limit)
    end = part.file.read_at(begin, size - begin).rfind(b"\n") + 1
    return begin + end if end else size
