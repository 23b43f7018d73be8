import bz2
import gzip
import lzma
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from hamon.collect.files import DamagedFile, open_log

DATA = b"".join(b"line %d of a log that is compressed\n" % number for number in range(20_000))
COMPRESSORS: list[tuple[str, Callable[[bytes], bytes]]] = [(".gz", gzip.compress), (".bz2", bz2.compress), (".xz", lzma.compress)]


@pytest.mark.parametrize(("suffix", "compress"), COMPRESSORS)
def test_a_compressed_file_reads_like_the_plain_one_from_any_offset(
    tmp_path: Path, suffix: str, compress: Callable[[bytes], bytes]
) -> None:
    path = tmp_path / f"log{suffix}"
    path.write_bytes(compress(DATA))
    for offset in (0, 1, 255, 300_000, len(DATA) - 1, len(DATA)):
        file = open_log(str(path))
        assert file.head() == DATA[:256]
        assert file.read_at(offset, 70_000) == DATA[offset : offset + 70_000]
        assert file.read_at(offset + 1000, 10) == DATA[offset + 1000 : offset + 1010]
        file.close()


@pytest.mark.parametrize(("suffix", "compress"), COMPRESSORS)
def test_a_compressed_file_that_is_still_written_is_read_on_as_it_grows(
    tmp_path: Path, suffix: str, compress: Callable[[bytes], bytes]
) -> None:
    path = tmp_path / f"log{suffix}"
    packed = compress(DATA)
    path.write_bytes(b"")
    file = open_log(str(path))
    read = b""
    for begin in range(0, len(packed), max(1, len(packed) // 7)):
        with path.open("ab") as writer:
            writer.write(packed[begin : begin + max(1, len(packed) // 7)])
        while piece := file.read_at(len(read), 100_000):
            read += piece
    assert read == DATA
    assert file.is_complete
    file.close()


@pytest.mark.parametrize(("suffix", "compress"), COMPRESSORS)
def test_several_compressed_parts_in_one_file_are_one_log(tmp_path: Path, suffix: str, compress: Callable[[bytes], bytes]) -> None:
    path = tmp_path / f"log{suffix}"
    path.write_bytes(compress(b"one\n") + compress(b"two\n"))
    file = open_log(str(path))
    assert file.read_at(0, 100) == b"one\ntwo\n"
    assert file.is_complete
    file.close()


@pytest.mark.parametrize(("suffix", "compress"), COMPRESSORS)
def test_broken_compressed_data_is_said_to_be_damaged(tmp_path: Path, suffix: str, compress: Callable[[bytes], bytes]) -> None:
    path = tmp_path / f"log{suffix}"
    packed = compress(os.urandom(50_000))
    path.write_bytes(packed[:20_000] + bytes(1000) + packed[21_000:])
    file = open_log(str(path))
    with pytest.raises(DamagedFile):
        file.read_at(0, 100_000)
    file.close()


@pytest.mark.parametrize("line_bytes", [1, 100, 5000, 70_000])
def test_a_plain_file_is_read_whole_and_a_large_piece_of_it_ends_with_a_line(tmp_path: Path, line_bytes: int) -> None:
    path = tmp_path / "log"
    data = b"".join(b"%d " % number + b"x" * (line_bytes - 1) + b"\n" for number in range(400_000 // (line_bytes + 5))) + b"unfinished"
    path.write_bytes(data)
    file = open_log(str(path))
    read, size = b"", 65_536
    while piece := file.read_at(len(read), size):
        read += piece
        has_line_end = b"\n" in data[len(read) - len(piece) : len(read) - len(piece) + size][-4096:]
        assert piece.endswith(b"\n") is has_line_end or read == data
        assert len(piece) > size - 4096 or len(data) - len(read) < 4096
    assert read == data
    assert file.read_at(3, 10) == data[3:13]
    file.close()


def test_only_a_regular_file_is_opened_and_a_pipe_does_not_block(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path, tmp_path / "pipe"):
        with pytest.raises(OSError, match="not a regular file"):
            open_log(str(path))
