r"""Cut bytes into complete lines. Law: however the bytes arrive, the same lines come out, and memory is bounded.

No Python work is done per line: the cutter jumps from one line end to the last one within the longest line allowed.
"""

from dataclasses import dataclass, field


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
    """Drop the NUL bytes that a crash leaves in a file that was being extended; no text encoding of a log has any."""
    return data.replace(b"\0", b"") if b"\0" in data else data


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
    """A line that fills more than one window: only its first `limit` bytes are kept, the rest is counted."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._kept = b""
        self._length = 0
        self.searched = 0
        """Bytes of the file seen since the start of the line, none of them a line end."""

    def extend(self, window: bytes) -> None:
        self.searched += len(window)
        text = without_nul(window)
        self._length += len(text)
        self._kept += text[: self._limit - len(self._kept)]

    def end(self, rest: bytes, line_end: bytes) -> Cut:
        """Close the line with its last bytes `rest` and its line end (none at the end of a finished file)."""
        self.extend(rest)
        return Cut(data=self._kept + line_end, taken=self.searched + len(line_end), truncated=int(self._length > self._limit))
