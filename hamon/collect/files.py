"""Open log files, plain or compressed, and read them at an offset. Law: nothing here ever waits for more data.

The identity of a file is its device and inode together with its first bytes, because inodes are used again.
"""

import bz2
import errno
import hashlib
import lzma
import os
import stat
import zlib
from collections.abc import Callable
from typing import Protocol

from hamon.errors import SourceError

HEAD_BYTES = 256
"""How many of the first bytes make the fingerprint."""
_BLOCK_BYTES = 64 * 1024
_TAIL_BYTES = 4096
COMPRESSIONS = (".gz", ".bz2", ".xz")

Identity = tuple[int, int]


class DamagedFile(SourceError):
    """A compressed file cannot be decompressed any further."""


def fingerprint(head: bytes) -> str:
    """SHA-256 of the beginning of a file, in hex; empty for an empty one. With it an inode that was used again is recognised."""
    return hashlib.sha256(head).hexdigest() if head else ""


def compression(path: str) -> str:
    """The suffix that says how a file is compressed, or nothing."""
    return next((suffix for suffix in COMPRESSIONS if path.endswith(suffix)), "")


class _Decompressor(Protocol):
    """What bz2 and lzma offer; zlib is brought to the same form."""

    @property
    def eof(self) -> bool: ...
    @property
    def needs_input(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    def decompress(self, data: bytes, max_length: int, /) -> bytes: ...


class _Gzip:
    def __init__(self) -> None:
        self._zlib = zlib.decompressobj(wbits=zlib.MAX_WBITS | 16)
        self.needs_input = True

    @property
    def eof(self) -> bool:
        return self._zlib.eof

    @property
    def unused_data(self) -> bytes:
        return self._zlib.unused_data

    def decompress(self, data: bytes, max_length: int, /) -> bytes:
        out = self._zlib.decompress(self._zlib.unconsumed_tail + data, max_length)
        # A full output may mean that more waits inside, even without an unconsumed tail.
        self.needs_input = len(out) < max_length and not self._zlib.unconsumed_tail
        return out


_DECOMPRESSORS: dict[str, Callable[[], _Decompressor]] = {".gz": _Gzip, ".bz2": bz2.BZ2Decompressor, ".xz": lzma.LZMADecompressor}


class LogFile(Protocol):
    """An open file. Offsets count uncompressed bytes."""

    identity: Identity
    is_compressed: bool

    @property
    def is_complete(self) -> bool:
        """Whether it says of itself that no more can come, which only compressed files do."""
        ...

    def read_at(self, offset: int, size: int) -> bytes:
        """Up to `size` bytes from `offset` (fewer at the end, or up to a line end). Offsets of successive calls must not go back."""
        ...

    def head(self) -> bytes:
        """The first `HEAD_BYTES` bytes, or what there is of them."""
        ...

    def status(self) -> os.stat_result: ...
    def close(self) -> None: ...


class PlainFile:
    """A file that may still grow."""

    is_complete = False
    is_compressed = False

    def __init__(self, descriptor: int, identity: Identity) -> None:
        self._descriptor = descriptor
        self.identity = identity

    def read_at(self, offset: int, size: int) -> bytes:
        """As `LogFile.read_at`; much is read as far as its last line end, so that what follows need not be cut off, which is to copy it."""
        tail = os.pread(self._descriptor, _TAIL_BYTES, offset + size - _TAIL_BYTES) if size > _TAIL_BYTES else b""
        line_end = tail.rfind(b"\n") + 1
        return os.pread(self._descriptor, size - _TAIL_BYTES + line_end if line_end else size, offset)

    def head(self) -> bytes:
        return os.pread(self._descriptor, HEAD_BYTES, 0)

    def status(self) -> os.stat_result:
        return os.fstat(self._descriptor)

    def close(self) -> None:
        os.close(self._descriptor)


class CompressedFile:
    """Decompress step by step: a file still being written goes on where it ended, and a small file cannot fill the memory."""

    is_compressed = True

    def __init__(self, descriptor: int, identity: Identity, suffix: str) -> None:
        self._descriptor = descriptor
        self.identity = identity
        self._new = _DECOMPRESSORS[suffix]
        self._decompressor = self._new()
        self._read = 0
        self._members = 0
        self._inside = False
        self._head = b""
        self._buffer = b""
        self._buffer_offset = 0
        self.is_complete = False

    def read_at(self, offset: int, size: int) -> bytes:
        """As `LogFile.read_at`; raises DamagedFile where the compressed data is broken."""
        pieces = [self._buffer]
        end = self._buffer_offset + len(self._buffer)
        while end < offset + size:
            piece = self._more()
            if not piece:
                break
            self._head += piece[: HEAD_BYTES - len(self._head)]
            end += len(piece)
            if end <= offset:
                pieces.clear()
                self._buffer_offset = end
            else:
                pieces.append(piece)
        self._buffer = b"".join(pieces)[max(0, offset - self._buffer_offset) :]
        self._buffer_offset = min(offset, end)
        return self._buffer[:size]

    def _more(self) -> bytes:
        """The next decompressed bytes; none at the end of what is there now."""
        while not self.is_complete:
            if self._decompressor.eof:
                self._members += 1
                self._read -= len(self._decompressor.unused_data)
                self._decompressor, self._inside = self._new(), False
            block = b""
            if self._decompressor.needs_input:
                block = os.pread(self._descriptor, _BLOCK_BYTES, self._read)
                self._read += len(block)
                if not self._inside:
                    block = block.lstrip(b"\0")  # tapes and some programs fill the last block
                if not block:
                    self.is_complete = self._members > 0 and not self._inside
                    return b""
            try:
                out = self._decompressor.decompress(block, _BLOCK_BYTES)
            except (zlib.error, lzma.LZMAError, OSError, EOFError) as err:
                if self._members and not self._inside:  # what follows the compressed data is none, as gzip itself ignores it
                    self.is_complete = True
                    return b""
                raise DamagedFile(str(err)) from err
            self._inside = True
            if out:
                return out
        return b""

    def head(self) -> bytes:
        if len(self._head) < HEAD_BYTES and not self._buffer_offset and not self._buffer:
            self.read_at(0, HEAD_BYTES)
        return self._head

    def status(self) -> os.stat_result:
        return os.fstat(self._descriptor)

    def close(self) -> None:
        os.close(self._descriptor)


def open_log(path: str) -> LogFile:
    """Open for reading. Raises OSError, also for what is not a regular file."""
    # Without O_NONBLOCK opening a named pipe would wait for a writer.
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY)
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise OSError(errno.EINVAL, "not a regular file", path)
        identity = (status.st_dev, status.st_ino)
        suffix = compression(path)
        return CompressedFile(descriptor, identity, suffix) if suffix else PlainFile(descriptor, identity)
    except BaseException:
        os.close(descriptor)
        raise
