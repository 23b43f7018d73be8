"""Keep records of several lines whole: the last one of a chunk is held back until the next begins, or nothing came for a moment.

Law: what is held back was not read yet as far as positions tell, so a crash meanwhile loses nothing and doubles nothing.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace

from hamon.model.observation import LogChunk, Observation, TextForm
from hamon.parse.text import MAX_RECORD_BYTES, last_start

QUIET_SECONDS = 0.5
"""A record that nothing was added to for so long is whole."""


class Records:
    """Of one collector. Chunks come in the order in which they were read, those of several files in turn. `now`: seconds of any clock."""

    def __init__(self, form: TextForm) -> None:
        self._form = form
        self._held: dict[str, tuple[LogChunk, float]] = {}

    def feed(self, observations: Sequence[Observation], now: float) -> Iterator[Observation]:
        """Give on what is whole."""
        for observation in observations:
            if isinstance(observation, LogChunk):
                yield from self._take(observation, now)
            else:
                yield observation

    def due(self, now: float) -> Iterator[Observation]:
        """What was held back long enough."""
        for path in [path for path, (_, since) in self._held.items() if now - since >= QUIET_SECONDS]:
            yield self._held.pop(path)[0]

    def wait_seconds(self, now: float) -> float | None:
        """When the next is due; None: nothing is held back."""
        return min((max(0.0, since + QUIET_SECONDS - now) for _, since in self._held.values()), default=None)

    def _take(self, chunk: LogChunk, now: float) -> Iterator[LogChunk]:
        held = self._held.pop(chunk.path, None)
        if held is not None:
            before = held[0]
            if _follows(before, chunk):
                chunk = replace(chunk, data=before.data + chunk.data, offset=before.offset)
            else:
                yield before
        cut = last_start(self._form, chunk.data)
        rest = chunk.data[cut:]
        can_wait = rest and len(rest) < MAX_RECORD_BYTES and chunk.position is not None and not chunk.truncated
        # Where NUL bytes were dropped, bytes of the data are not those of the file.
        if not can_wait or chunk.position is None or chunk.position.offset != chunk.offset + len(chunk.data):
            yield chunk
            return
        if cut:
            behind = replace(chunk.position, offset=chunk.position.offset - len(rest))
            yield replace(chunk, data=chunk.data[:cut], position=behind)
        self._held[chunk.path] = (replace(chunk, data=rest, offset=chunk.offset + cut), now)


def _follows(before: LogChunk, chunk: LogChunk) -> bool:
    """Whether a chunk goes on where another one ended, in the same file."""
    if before.position is None or chunk.position is None or before.offset + len(before.data) != chunk.offset or not chunk.data:
        return False
    return (before.position.device, before.position.inode) == (chunk.position.device, chunk.position.inode)
