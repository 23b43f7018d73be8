"""Whatever happens to the files, and wherever reading is interrupted, the bytes written come out once and in order."""

import gzip
import lzma
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hamon.collect.log_tail_config import LogTailConfig
from hamon.collect.reader import LogReader
from hamon.model.observation import LogChunk, ReadPosition
from tests.fakes import FakeClock


class World:
    """A log that is written, rotated and compressed, and a reader that may be killed."""

    def __init__(self, folder: Path, pattern: str) -> None:
        self.folder = folder
        self.log = folder / "ha-log"
        self.config = LogTailConfig(cluster="c", paths=(str(folder / pattern),), max_line_bytes=100_000)
        self.clock = FakeClock()
        self.written = b""
        self.pending = b""
        self.chunks: list[LogChunk] = []
        self.lines = 0
        self.reader: LogReader | None = LogReader("pm01", self.config, self.clock, [])

    def append(self, sizes: list[int], cut: int) -> None:
        lines = b""
        for size in sizes:
            self.lines += 1
            line = b"%06d %s\n" % (self.lines, b"x" * size)
            lines += line
        whole = self.pending + lines
        # The number is written at once: a file truncated and begun again with the same few bytes cannot be told from one that grew.
        end = len(whole) - min(cut, len(line) - 7)
        self.pending = whole[end:]
        self._write(whole[:end])

    def finish_line(self) -> None:
        if self.pending:
            self._write(self.pending)
            self.pending = b""

    def _write(self, data: bytes) -> None:
        with self.log.open("ab") as file:
            file.write(data)
        self.written += data

    def _shift(self) -> None:
        for number in range(20, 0, -1):
            for suffix in ("", ".gz", ".xz"):
                old = self.folder / f"ha-log.{number}{suffix}"
                if old.exists():
                    old.rename(self.folder / f"ha-log.{number + 1}{suffix}")

    def rotate(self, *, create: bool) -> None:
        self.finish_line()
        if self.log.exists():
            self._shift()
            self.log.rename(self.folder / "ha-log.1")
        if create:
            self.log.touch()

    def copy_and_truncate(self) -> None:
        self.finish_line()
        if self.log.exists():
            self._shift()
            shutil.copyfile(self.log, self.folder / "ha-log.1")
            self.log.write_bytes(b"")

    def compress(self, open_compressed: Callable[[Path], object], suffix: str) -> None:
        plain = sorted(path for path in self.folder.glob("ha-log.*") if path.suffix not in (".gz", ".xz"))
        for path in plain:
            Path(f"{path}{suffix}").write_bytes(gzip.compress(path.read_bytes()) if suffix == ".gz" else lzma.compress(path.read_bytes()))
            path.unlink()

    def read(self, steps: int) -> None:
        assert self.reader
        for _ in range(steps):
            step = self.reader.step(look=True)
            self.chunks += [seen for seen in step.observations if isinstance(seen, LogChunk)]
            self.clock.advance(0.3)

    def read_all(self) -> None:
        assert self.reader
        for _ in range(200):
            before = len(self.chunks)
            self.read(1)
            self.clock.advance(3)
            if len(self.chunks) == before and self._is_quiet():
                return
        raise AssertionError("it never ends")

    def _is_quiet(self) -> bool:
        assert self.reader
        count = len(self.chunks)
        self.clock.advance(10)
        self.read(3)
        return len(self.chunks) == count

    def kill(self, keep: float) -> None:
        """End the reader; only a first share of the chunks was committed, one at least."""
        assert self.reader
        self.reader.close()
        self.chunks = self.chunks[: max(1, round(len(self.chunks) * keep))]
        self.reader = LogReader("pm01", self.config, self.clock, self.committed())

    def committed(self) -> list[ReadPosition]:
        found = [chunk.position for chunk in self.chunks if chunk.position]
        return list({(position.device, position.inode): position for position in found}.values())

    def data(self) -> bytes:
        return b"".join(chunk.data for chunk in self.chunks)


appended = st.tuples(st.just("append"), st.lists(st.integers(0, 400), min_size=1, max_size=4), st.integers(0, 30))
actions = st.lists(
    st.one_of(
        appended,
        appended,
        st.tuples(st.just("rotate"), st.booleans(), st.just(0)),
        st.tuples(st.just("copy"), st.just(0), st.just(0)),
        st.tuples(st.just("gzip"), st.just(0), st.just(0)),
        st.tuples(st.just("xz"), st.just(0), st.just(0)),
        st.tuples(st.just("read"), st.integers(1, 3), st.just(0)),
        st.tuples(st.just("read all"), st.just(0), st.just(0)),
        st.tuples(st.just("kill"), st.floats(0, 1), st.just(0)),
    ),
    max_size=25,
)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(actions=actions, pattern=st.sampled_from(["ha-log", "ha-log*"]))
def test_every_byte_comes_once_and_in_order_whatever_happens_to_the_files(actions: list[tuple[str, object, int]], pattern: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        world = World(Path(folder), pattern)
        world.append([10], 0)  # a log that was never read before has no history
        world.read_all()
        for name, first, second in actions:
            match name, first:
                case "append", list():
                    world.append(first, second)
                case "rotate", bool():
                    world.rotate(create=first)
                case "copy", _:
                    world.copy_and_truncate()
                case "gzip", _:
                    world.compress(gzip.open, ".gz")
                case "xz", _:
                    world.compress(lzma.open, ".xz")
                case "read", int():
                    world.read(first)
                case "read all", _:
                    world.read_all()
                case "kill", float():
                    world.kill(first)
        world.finish_line()
        world.read_all()
        assert world.reader
        world.reader.close()
        assert world.data() == world.written
