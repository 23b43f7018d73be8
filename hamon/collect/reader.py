"""Read all logs of one collector, step by step; the steps block and belong in a thread, what they return is told by the shell.

Law: what is wrong with a file never stops the others, is told once, and is taken back when it is right again.
"""

import errno
import fnmatch
import glob
import os
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from hamon.clock import Clock
from hamon.collect.log_tail_config import LogTailConfig, StartAt
from hamon.collect.rotation import bases
from hamon.collect.stream import LogStream, Memory, Piece
from hamon.model.cluster import SourceView
from hamon.model.observation import LogChunk, Observation, ReadPosition, SourceBack, SourceLost
from hamon.tell import phrase

KIND = "log_tail"
LOOK_SECONDS = 5.0
"""The file system is looked at so often even when no event came."""
MISSING_SECONDS = 5.0
"""A file may be away so long, as it is in the middle of a rotation."""
_RETRY_SECONDS = (1.0, 30.0)
"""First and longest pause before a file that cannot be read is tried again."""
_PIECES_AT_ONCE = 4
_ENDED_BY_DATA = ("silent", "damaged", "encoding")
"""Problems that looking at the file does not end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """What one step gave: `has_more` asks for the next one at once, else it is due in `wait_seconds` or when something happens."""

    observations: Sequence[Observation]
    has_more: bool
    wait_seconds: float
    directories: frozenset[str]
    names: re.Pattern[str]


class _Source:
    """Whether a file, or what a pattern stands for, gives data."""

    def __init__(self, path: str, now: datetime) -> None:
        self.path = path
        self.problem = ""
        """The first word of the reason, empty while all is well."""
        self.reason = ""
        self.since: datetime = now
        self.last_data_at: datetime | None = None
        self.bytes_read = 0
        self.lines_read = 0
        self.missing_since: datetime | None = None
        self.retry_at: datetime | None = None
        self.retry_seconds = 0.0


class _Log:
    """A log with the pattern that asked for it."""

    def __init__(self, stream: LogStream, source: _Source, pattern: str) -> None:
        self.stream = stream
        self.source = source
        self.pattern = pattern


class LogReader:
    """Finds the files of a collector and reads on in them, through rotation. It blocks: for a thread."""

    def __init__(self, name: str, config: LogTailConfig, clock: Clock, positions: Iterable[ReadPosition]) -> None:
        self._name = name
        self._config = config
        self._form = config.form
        self._clock = clock
        self._memory = Memory(position for position in positions if position.collector == name)
        now = clock.now()
        self._patterns = {pattern: _Source(pattern, now) for pattern in config.paths}
        self._logs: dict[str, _Log] = {}
        self._is_first_look = True
        self._turn = 0
        self._started_at = now
        self._directories: frozenset[str] = frozenset()
        self._names = re.compile("")

    def step(self, *, look: bool, insist: bool = False) -> Step:
        """Read a bounded amount. `look` asks to look for files that came or went; `insist` to try again now what could not be read."""
        now = self._clock.now()
        out: list[Observation] = []
        if look or self._is_first_look:
            self._find_logs(now, out)
        for log in self._logs.values():
            self._look(log, now, out, insist=insist)
        if look or self._is_first_look:
            self._directories, self._names = self._to_watch()
        self._is_first_look = False
        has_more = self._read(now, out)
        self._listen_for_silence(now, out)
        return Step(
            observations=out,
            has_more=has_more,
            wait_seconds=self._wait_seconds(now),
            directories=self._directories,
            names=self._names,
        )

    # Finding

    def _find_logs(self, now: datetime, out: list[Observation]) -> None:
        found: dict[str, str] = {}
        for pattern, source in self._patterns.items():
            if not glob.has_magic(pattern):
                found.setdefault(pattern, pattern)
                continue
            paths = sorted(glob.glob(pattern, recursive=True))
            for path in paths:
                base = next((base for base in bases(path) if _fits(base, pattern)), path)
                if base not in found and not os.path.isdir(path):
                    found[base] = pattern
            if paths:
                source.missing_since = None
                self._is_well(source, now, out, unless=_ENDED_BY_DATA)
            else:
                root = _fixed_part(pattern)
                self._is_missing(source, now, out, phrase("seen.no_match", "en", pattern=pattern, folder=str(root)))
        for path, pattern in found.items():
            if path not in self._logs:
                stream = LogStream(self._name, path, self._memory, self._config.max_line_bytes, follow_rotation=self._config.rotated)
                source = self._patterns[path] if path in self._patterns else _Source(path, now)
                self._logs[path] = _Log(stream, source, pattern)
        for path in [path for path in self._logs if path not in found]:
            # It matched and is gone for good, as a log of a past day; what it still held is read before.
            if self._logs[path].stream.lag_bytes == 0:
                gone = self._logs.pop(path)
                gone.stream.abandon()
                self._is_well(gone.source, now, out)  # nobody waits for it any more

    def _look(self, log: _Log, now: datetime, out: list[Observation], *, insist: bool) -> None:
        source = log.source
        if source.retry_at and not insist and now < source.retry_at:
            return
        from_end = self._is_first_look and self._config.start is StartAt.END
        try:
            mark = log.stream.look(now, lambda path: _fits(path, log.pattern), from_end=from_end)
        except (FileNotFoundError, NotADirectoryError):
            words = f"{phrase('seen.absent', 'en', path=source.path)}; {phrase('remedy.log_missing', 'en')}"
            self._is_missing(source, now, out, words)
        except OSError as err:
            self._is_unreadable(source, now, out, err)
        else:
            source.missing_since = source.retry_at = None
            source.retry_seconds = 0.0
            self._is_well(source, now, out, unless=_ENDED_BY_DATA)
            if mark:
                out.append(self._chunk(log, mark, now))

    # Reading

    def _read(self, now: datetime, out: list[Observation]) -> bool:
        """Take pieces in turn, so that a long log does not keep the others waiting; return whether there may be more."""
        logs = list(self._logs.values())
        self._turn += 1
        logs = logs[self._turn % max(1, len(logs)) :] + logs[: self._turn % max(1, len(logs))]
        pieces = 0
        has_more = False
        while logs and pieces < _PIECES_AT_ONCE:
            for log in tuple(logs):
                try:
                    piece = log.stream.read(now)
                except OSError as err:
                    log.stream.abandon()
                    self._is_unreadable(log.source, now, out, err)
                    logs.remove(log)
                    continue
                self._tell_damage(log, now, out)
                if piece is None:
                    has_more = has_more or log.stream.has_more
                    logs.remove(log)
                    continue
                pieces += 1
                if piece.cut.is_utf16:
                    words = f"{phrase('seen.utf16', 'en', path=log.source.path)}; {phrase('remedy.log_encoding', 'en')}"
                    self._lose(log.source, "encoding", words, now, out)
                else:
                    self._is_well(log.source, now, out)
                    self._is_well(self._patterns[log.pattern], now, out)
                self._count(log, piece, now)
                out.append(self._chunk(log, piece, now))
                if pieces >= _PIECES_AT_ONCE:
                    break
        return has_more or bool(logs)

    def _count(self, log: _Log, piece: Piece, now: datetime) -> None:
        source = log.source
        source.bytes_read += piece.cut.taken
        source.lines_read += piece.cut.data.count(b"\n")
        source.last_data_at = self._patterns[log.pattern].last_data_at = now

    def _chunk(self, log: _Log, piece: Piece, now: datetime) -> LogChunk:
        config = self._config
        return LogChunk(
            cluster=config.cluster,
            collector=self._name,
            path=log.stream.path,
            data=piece.cut.data,
            offset=piece.offset,
            received_at=now,
            node=config.node,
            timezone=config.timezone,
            encodings=config.encodings,
            position=piece.position,
            truncated=piece.cut.truncated,
            form=self._form,
        )

    # Telling

    def _lose(self, source: _Source, problem: str, words: str, now: datetime, out: list[Observation]) -> None:
        source.reason = f"{problem}: {words}"
        if source.problem == problem:
            return
        source.problem, source.since = problem, now
        config = self._config
        out.append(
            SourceLost(cluster=config.cluster, collector=self._name, path=source.path, reason=source.reason, at=now, node=config.node)
        )

    def _is_well(self, source: _Source, now: datetime, out: list[Observation], *, unless: Sequence[str] = ()) -> None:
        if not source.problem or source.problem in unless:
            return
        source.problem, source.reason, source.since = "", "", now
        out.append(SourceBack(cluster=self._config.cluster, collector=self._name, path=source.path, at=now, node=self._config.node))

    def _is_missing(self, source: _Source, now: datetime, out: list[Observation], words: str) -> None:
        source.missing_since = min(source.missing_since or now, now)
        if (now - source.missing_since).total_seconds() >= MISSING_SECONDS:
            self._lose(source, "missing", words, now, out)

    def _is_unreadable(self, source: _Source, now: datetime, out: list[Observation], err: OSError) -> None:
        first, longest = _RETRY_SECONDS
        source.retry_seconds = min(longest, source.retry_seconds * 2 or first)
        source.retry_at = now + timedelta(seconds=source.retry_seconds)
        self._lose(source, "unreadable", f"{source.path}: {err.strerror or 'input/output error'}; {_remedy(err)}", now, out)

    def _tell_damage(self, log: _Log, now: datetime, out: list[Observation]) -> None:
        for path in log.stream.damaged:
            words = f"{phrase('seen.cut_short', 'en', path=path)}; {phrase('remedy.log_damaged', 'en')}"
            self._lose(log.source, "damaged", words, now, out)
        for path in log.stream.unreadable:
            words = f"{phrase('seen.packed', 'en', path=path)}; {phrase('remedy.log_packed', 'en')}"
            self._lose(log.source, "damaged", words, now, out)
        log.stream.damaged.clear()
        log.stream.unreadable.clear()

    def _listen_for_silence(self, now: datetime, out: list[Observation]) -> None:
        limit = self._config.silent_after_seconds
        if limit is None:
            return
        for source in self._patterns.values():
            if not source.problem and (now - (source.last_data_at or self._started_at)).total_seconds() >= limit:
                words = f"{phrase('seen.no_line_in', 'en', path=source.path, seconds=f'{limit:g}')}; {phrase('remedy.log_silent', 'en')}"
                self._lose(source, "silent", words, now, out)

    def views(self) -> Sequence[SourceView]:
        """One for each log, and one for each pattern that nothing matches or that is silent; may be called from another thread."""
        logs = list(self._logs.values())
        lag = {log.source: log.stream.lag_bytes for log in logs}
        shown = [*lag, *(source for source in self._patterns.values() if source not in lag and source.problem)]
        return [
            SourceView(
                collector=self._name,
                kind=KIND,
                cluster=self._config.cluster,
                path=source.path,
                up=not source.problem,
                reason=source.reason,
                since=source.since,
                last_data_at=source.last_data_at,
                bytes_read=source.bytes_read,
                lines_read=source.lines_read,
                lag_bytes=lag.get(source, 0),
            )
            for source in shown
        ]

    # When to come back

    def _wait_seconds(self, now: datetime) -> float:
        waits = [LOOK_SECONDS]
        waits += [wait for log in self._logs.values() if (wait := log.stream.wait_seconds(now)) is not None]
        for source in {*self._patterns.values(), *(log.source for log in self._logs.values())}:
            if source.missing_since and source.problem != "missing":
                waits.append(MISSING_SECONDS - (now - source.missing_since).total_seconds())
            if source.retry_at:
                waits.append((source.retry_at - now).total_seconds())
        if (limit := self._config.silent_after_seconds) is not None:
            waits += [
                limit - (now - (source.last_data_at or self._started_at)).total_seconds()
                for source in self._patterns.values()
                if not source.problem
            ]
        return max(0.005, min(waits))

    def _to_watch(self) -> tuple[frozenset[str], re.Pattern[str]]:
        """The directories where something may happen, and the names of the files that matter there."""
        directories: set[str] = set()
        names: set[str] = set()
        for pattern in self._patterns:
            places = [os.path.dirname(pattern)]
            if glob.has_magic(places[0]):
                parts = places[0].split("/")
                first = next(place for place, part in enumerate(parts) if glob.has_magic(part))
                prefixes = ["/".join(parts[:end]) or "/" for end in range(first, len(parts) + 1)]
                places = [
                    path for prefix in prefixes for path in (glob.iglob(prefix, recursive=True) if glob.has_magic(prefix) else [prefix])
                ]
            directories.update(os.path.realpath(path) for path in places if os.path.isdir(path))
            names.add(fnmatch.translate(os.path.basename(pattern) + "*"))
        for path in self._logs:
            target = os.path.realpath(path)
            directories.update((os.path.dirname(target), os.path.realpath(os.path.dirname(path))))
            names.update(fnmatch.translate(glob.escape(os.path.basename(place)) + "*") for place in (path, target))
        return frozenset(directories), re.compile("|".join(sorted(names)))

    def close(self) -> None:
        for log in self._logs.values():
            log.stream.abandon()


def _fits(path: str, pattern: str) -> bool:
    """Whether `glob.glob` finds the path by the pattern: `*` does not cross a `/`, `**` does."""
    return _parts_fit(path.split("/"), pattern.split("/"))


def _parts_fit(path: list[str], pattern: list[str]) -> bool:
    if not pattern or not path:
        return not pattern and not path
    if pattern[0] == "**":
        return any(_parts_fit(path[skipped:], pattern[1:]) for skipped in range(len(path)))
    if path[0].startswith(".") and not pattern[0].startswith("."):
        return False
    return fnmatch.fnmatchcase(path[0], pattern[0]) and _parts_fit(path[1:], pattern[1:])


def _fixed_part(pattern: str) -> str:
    """The directory above the first part that has a wildcard."""
    parts = pattern.split("/")
    first = next(place for place, part in enumerate(parts) if glob.has_magic(part))
    return "/".join(parts[:first]) or "/"


def _remedy(err: OSError) -> str:
    match err.errno:
        case errno.EACCES | errno.EPERM:
            return phrase("remedy.log_permission", "en")
        case errno.ESTALE | errno.EIO | errno.ENXIO | errno.ETIMEDOUT:
            return phrase("remedy.log_disk", "en")
        case errno.EMFILE | errno.ENFILE:
            return phrase("remedy.log_limit", "en")
        case errno.EINVAL | errno.EISDIR:
            return phrase("remedy.log_no_file", "en")
        case errno.ELOOP:
            return phrase("remedy.log_symlink", "en")
    return phrase("remedy.log_retry", "en")
