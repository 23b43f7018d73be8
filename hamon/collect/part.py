"""One open file of a log, read window by window from an offset.

Law: nothing is buffered. An unfinished line is read again when it is complete, so that the offset alone says where to go on.
"""

from datetime import datetime

from hamon.collect.files import Identity, LogFile, fingerprint
from hamon.collect.lines import Cut, LongLine, cut_lines
from hamon.model.observation import ReadPosition

WINDOW_BYTES = 256 * 1024
"""Most bytes of complete lines taken at once."""
QUIET_SECONDS = 1.0
"""A file that was rotated away and did not grow for so long is finished: its last line is taken even without a line end."""
_INCOMPLETE_SECONDS = 5.0
"""A compressed file whose end is missing is waited for so long."""
_WINDOWS_AT_ONCE = 64


class Truncated(Exception):
    """The content of an open file was replaced: it begins again at offset 0."""


class Part:
    """One open file of a log, read from `offset` on."""

    def __init__(self, file: LogFile, name: str, offset: int, line_limit: int, now: datetime) -> None:
        self.file = file
        self.name = name
        self.offset = offset
        self.head = file.head()
        self.is_current = True
        self.quiet_since = now
        self.has_rest = False
        """Whether an unfinished line stands at the end."""
        self.size = -1
        self._line_limit = line_limit
        self._long: LongLine | None = None

    @property
    def identity(self) -> Identity:
        return self.file.identity

    def position(self, collector: str, path: str) -> ReadPosition:
        device, inode = self.identity
        return ReadPosition(
            collector=collector,
            path=path,
            device=device,
            inode=inode,
            offset=self.offset,
            fingerprint=fingerprint(self.head),
            fingerprint_size=len(self.head),
        )

    def grow_head(self) -> None:
        """Let the fingerprint cover what was written since the last read, so that a copy of it is recognised."""
        if not self.file.is_compressed and (head := self.file.head()).startswith(self.head):
            self.head = head

    def quiet_for(self, now: datetime) -> float:
        self.quiet_since = min(self.quiet_since, now)  # the clock may have been set back
        return (now - self.quiet_since).total_seconds()

    def take(self, now: datetime) -> Cut | None:
        """The next lines; an empty cut while a very long line is searched for its end; None when there is nothing (more) to take now.

        Raises Truncated, DamagedFile, OSError.
        """
        window_bytes = max(WINDOW_BYTES, self._line_limit + 1)
        for _ in range(_WINDOWS_AT_ONCE):
            searched = self._long.searched if self._long else 0
            window = self.file.read_at(self.offset + searched, window_bytes)
            # Looked at after reading: had the content been replaced before, the head would tell.
            self._look_for_truncation(self.offset + searched, now)
            if self._long:
                line_end = window.find(b"\n")
                if line_end >= 0:
                    return self._taken(self._long.end(window[:line_end], b"\n"))
            else:
                cut = cut_lines(window, self._line_limit)
                if cut.taken:
                    return self._taken(cut)
            if len(window) < window_bytes:
                self.has_rest = bool(searched or window)
                if not self.has_rest or not self._is_finished(now):
                    return None
                return self._taken((self._long or LongLine(self._line_limit)).end(window, b""))
            self._long = self._long or LongLine(self._line_limit)
            self._long.extend(window)
        return Cut(data=b"", taken=0)

    def _is_finished(self, now: datetime) -> bool:
        return self.file.is_complete or (not self.is_current and self.quiet_for(now) >= self.patience_seconds)

    @property
    def patience_seconds(self) -> float:
        return _INCOMPLETE_SECONDS if self.file.is_compressed else QUIET_SECONDS

    def is_done(self, now: datetime) -> bool:
        """Whether the next part may begin: all that can come now was taken."""
        if self.has_rest:
            return False
        return not self.file.is_compressed or self.file.is_complete or self.quiet_for(now) >= _INCOMPLETE_SECONDS

    def _taken(self, cut: Cut) -> Cut:
        self.offset += cut.taken
        self.has_rest = False
        self._long = None
        return cut

    def is_replaced(self) -> bool:
        """Whether the file is no longer what was read."""
        return self._differs(self.file.head(), self.file.status().st_size, self.offset)

    def _differs(self, head: bytes, size: int, seen: int) -> bool:
        return not self.file.is_compressed and (not head.startswith(self.head) or size < seen)

    def _look_for_truncation(self, seen: int, now: datetime) -> None:
        head = self.file.head()
        size = self.file.status().st_size
        if self._differs(head, size, seen):
            raise Truncated
        self.head = head
        if size != self.size:
            self.size = size
            self.quiet_since = now
