r"""Cut bytes into complete lines. Law: however the bytes arrive, the same lines come out, and memory is bounded.

No Python work is done per line: the cutter jumps from one line end to the last one within the longest line allowed.
"""

import re
from dataclasses import dataclass, field

_HOLE = re.compile(rb"\0{2,}")
_HOLE_IN_A_LINE = re.compile(rb"(?<=[^\n\0])\0{2,}(?=[^\n\0])")


@dataclass(frozen=True, slots=True, kw_only=True)
class Cut:
    r"""Complete lines, each ended by `\n` (the last of a finished file may lack it).

    `taken` counts the bytes of the file that they stand for, which is more than `len(data)` where a line was cut or NUL bytes were dropped.
    """

    data: bytes
    taken: int
    truncated: int = 0
    is_utf16: bool = field(default=False, compare=False, repr=False)
    """They are text in UTF-16, of which dropping the NUL bytes leaves what is ASCII."""


def without_nul(data: bytes) -> bytes:
    r"""Drop the NUL bytes that a crash leaves in a file that was being extended; no text encoding of a log has any.

    A hole in a line parts what was written before the crash, and never finished, from the first line afterwards.

    >>> without_nul(b"one\n\0\0\0two\nunfini\0\0\0three\n")
    b'one\ntwo\nunfini\nthree\n'
    """
    return _HOLE_IN_A_LINE.sub(b"\n", data).replace(b"\0", b"") if b"\0" in data else data


def is_utf16(data: bytes) -> bool:
    """Whether a piece of a log is text in UTF-16, as tools of Windows write it: nearly every second byte is zero, and few others."""
    head = data[:4096]
    if b"\0" not in head:
        return False
    zeros = sorted(part.count(0) / max(1, len(part)) for part in (head[::2], head[1::2]))
    return zeros[0] < 0.1 and zeros[1] > 0.5


def cut_lines(window: bytes, limit: int) -> Cut:
    r"""Take all complete lines of `window`; of a line longer than `limit` bytes keep the first `limit` and its `\n`.

    >>> cut_lines(b"one\nlonger\ntw", 4)
    Cut(data=b'one\nlong\n', taken=11, truncated=1)
    """
    taken = window.rfind(b"\n") + 1
    if not taken:
        return Cut(data=b"", taken=0)
    data = without_nul(window[:taken])
    kept: list[bytes] = []
    begin = here = truncated = 0
    while here < len(data):
        line_end = data.rfind(b"\n", here, here + limit + 1) + 1
        if not line_end:
            kept += data[begin : here + limit], b"\n"
            truncated += 1
            line_end = begin = data.find(b"\n", here + limit) + 1
        here = line_end
    if truncated:
        data = b"".join([*kept, data[begin:]])
    return Cut(data=data, taken=taken, truncated=truncated, is_utf16=len(data) < taken and is_utf16(window[:taken]))


class LongLine:
    """A line that fills more than one window: only its first `limit` bytes are kept, the rest is counted.

    With a hole in it, it is two lines.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._kept = b""
        self.searched = 0
        """Bytes of the file seen since the start of the line, none of them a line end."""

    def extend(self, window: bytes) -> None:
        self.searched += len(window)
        # Of a hole as much is kept as shows that it is one.
        self._kept = _HOLE.sub(b"\0\0", self._kept + _HOLE.sub(b"\0\0", window))[: 2 * self._limit + 4]

    def end(self, rest: bytes, line_end: bytes) -> Cut:
        """Close the line with its last bytes `rest` and its line end (none at the end of a finished file)."""
        self.extend(rest)
        lines = without_nul(self._kept).split(b"\n")
        return Cut(
            data=b"\n".join(line[: self._limit] for line in lines) + line_end,
            taken=self.searched + len(line_end),
            truncated=sum(len(line) > self._limit for line in lines),
        )
