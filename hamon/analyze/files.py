"""The files of recorded evidence: folders, tarballs, tarballs in tarballs, a `crm report`, a sosreport.

The law: what a tarball holds is written below one folder only, as plain files, and within bounds; what is refused is named with its reason.
"""

import bz2
import codecs
import errno
import gzip
import lzma
import os
import re
import tarfile
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import IO, cast

from hamon.parse.pcap import MAGICS

COMPRESSED = (".gz", ".bz2", ".xz")
UNREADABLE = (OSError, EOFError, lzma.LZMAError, zlib.error, tarfile.TarError)

MOST_MEMBERS = 200_000
"""Files in all tarballs of one run; a large sosreport has some ten thousand."""
MOST_BYTES = 8 * 1024**3
"""Bytes that all tarballs of one run may unpack to."""
DEEPEST = 4
"""Tarballs inside of tarballs: a collection of sosreports that hold a crm report needs three."""
MOST_TOLD = 20
"""How many refused members of one tarball are told."""
LARGEST_READ = 16 * 1024**2
"""No name and no header of a tarball is longer; one that says so is there to fill the memory."""
MOST_FOLDERS = 64
"""How deep the folders of a tarball go."""
BLOCK = 64 * 1024

# In a recording these are answers; of the rest none tells what happened.
_NO_EVIDENCE = re.compile(r"^(truth\.json|fence\.jsonl|cib(-.*)?\.xml|alert_.*|README.*|.*\.md)$")
_SKIPPED_FOLDERS = frozenset({"pengine", ".git", "sos_logs", "sos_reports"})
_TARBALL = re.compile(r"\.(tar|tar\.(gz|bz2|xz)|tgz|tbz2?|txz)$")
_COMPRESSIONS = ((b"\x1f\x8b", gzip.open), (b"BZh", bz2.open), (b"\xfd7zXZ\x00", lzma.open))
_HARMLESS = frozenset({errno.EEXIST, errno.ENOTDIR, errno.EISDIR, errno.ENAMETOOLONG, errno.EINVAL, errno.EILSEQ})
# What only a collection made by a tool holds, at its top.
_MARKS = ("sos_commands", "analysis.txt", "description.txt")

_QUOTATIONS = frozenset({"analysis.txt", "events.txt"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """One file: where it lies now and how it is called. `problem`: it is not to be read, for this reason."""

    path: Path
    name: str
    problem: str | None = None


@dataclass(slots=True)
class _Room:
    """What a run may still unpack."""

    members: int = field(default_factory=lambda: MOST_MEMBERS)
    bytes: int = field(default_factory=lambda: MOST_BYTES)
    folders: int = 0


class _TooMuch(tarfile.TarError):
    """A tarball that is larger than a run allows."""


def find(paths: Sequence[Path], unpacked: Path) -> Iterator[Found]:
    """All files of the paths given; tarballs are unpacked to folders below `unpacked`."""
    room = _Room()
    for path in paths:
        if path.is_dir():
            yield from _folder(path, str(path), unpacked, room, 0)
        elif path.is_file() and _is_tarball(path):
            yield from _tarball(path, str(path), unpacked, room, 1)
        else:
            yield Found(path=path, name=str(path))


def collections(names: Iterable[str]) -> tuple[str, ...]:
    """What the names of files in a crm report or a sosreport begin with. Most of such files are no evidence, and need not say so."""
    found = set()
    for name in names:
        parts = name.split("/")
        for mark in _MARKS:
            if mark in parts[1:]:
                found.add("/".join(parts[: parts.index(mark, 1)]) + "/")
    return tuple(sorted(found))


def is_quotation(name: str, made_by_tools: tuple[str, ...]) -> bool:
    """Whether a file of a collection only quotes lines of the logs beside it, as crm_report and `crm report` do: out of their context, and
    some of them many times."""
    return name.startswith(made_by_tools) and name.rpartition("/")[2] in _QUOTATIONS


_UTF16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
"""How a text in UTF-16 begins, as tools of Windows write it."""


def opened(path: Path) -> IO[bytes]:
    """Open a file, decompressing what is compressed, and with text in UTF-16 or with a byte order mark as plain UTF-8.

    The content tells, not the name.
    """
    stream = _decompressed(path)
    if not stream.seekable():
        return stream
    try:
        head = stream.read(3)
        stream.seek(0)
    except UNREADABLE:
        stream.close()
        raise
    if head.startswith(_UTF16):
        return cast(IO[bytes], codecs.EncodedFile(stream, "utf-8", "utf-16", "replace"))
    if head == codecs.BOM_UTF8:
        stream.read(3)
    return stream


def _decompressed(path: Path) -> IO[bytes]:
    stream = path.open("rb")
    magic = stream.read(6) if stream.seekable() else b""
    if stream.seekable():
        stream.seek(0)
    for begin, open_it in _COMPRESSIONS:
        if magic.startswith(begin):
            stream.close()
            return cast(IO[bytes], open_it(path, "rb"))
    return stream


def size(path: Path) -> int:
    """Its bytes as they are stored; 0 where there is no file."""
    try:
        return path.stat().st_size
    except OSError:
        return 0


def _is_tarball(path: Path) -> bool:
    try:
        with path.open("rb") as stream:
            head = stream.read(512)
    except OSError:
        return False
    likely = _TARBALL.search(path.name) or head[257:262] == b"ustar" or any(head.startswith(begin) for begin, _ in _COMPRESSIONS)
    if not likely:
        return False
    try:
        with _decompressed(path) as plain, tarfile.open(fileobj=cast(IO[bytes], _Bounded(plain, LARGEST_READ)), mode="r:"):
            return True
    except UNREADABLE:
        return False


def _folder(root: Path, shown: str, unpacked: Path, room: _Room, depth: int) -> Iterator[Found]:
    """All files below; links inside of a collection lead to files of this machine, or to what is read anyway."""
    files = sorted(path for path in root.rglob("*"))
    collected = any(path.name in _MARKS for path in files)
    for path in files:
        inside = path.relative_to(root)
        if not path.is_file() or _NO_EVIDENCE.match(path.name) or _SKIPPED_FOLDERS & set(inside.parts):
            continue
        if collected and path.is_symlink():
            continue
        name = f"{shown}/{inside}".encode("utf-8", "surrogateescape").decode("utf-8", "replace")
        if _is_tarball(path):
            yield from _tarball(path, name, unpacked, room, depth + 1)
        else:
            yield Found(path=path, name=name)


def _tarball(path: Path, shown: str, unpacked: Path, room: _Room, depth: int) -> Iterator[Found]:
    if depth > DEEPEST:
        yield Found(path=path, name=shown, problem=f"a tarball inside of {DEEPEST} others is not unpacked; unpack it yourself")
        return
    target = unpacked / str(room.folders)
    room.folders += 1
    target.mkdir(parents=True)
    problems: list[str] = []
    try:
        with _decompressed(path) as stream, tarfile.open(fileobj=cast(IO[bytes], _Bounded(stream, room.bytes)), mode="r:") as archive:
            _unpack(archive, target, room, problems)
    except _TooMuch as err:
        problems.append(f"not wholly unpacked: {err}")
    except (*UNREADABLE, ValueError, OverflowError) as err:
        problems.append(f"cannot be read to its end: {getattr(err, 'strerror', None) or err}")
    yield from _folder(target, shown, unpacked, room, depth)
    for problem in problems[:MOST_TOLD]:
        yield Found(path=path, name=shown, problem=problem)


def _unpack(archive: tarfile.TarFile, target: Path, room: _Room, problems: list[str]) -> None:
    """Write the plain files; links and devices are left out: what they lead to is in the tarball, or is none of its business."""
    for member in archive:
        room.members -= 1
        if room.members < 0:
            raise _TooMuch(f"more than {MOST_MEMBERS} files")
        if not member.isreg():
            continue
        parts = PurePosixPath(member.name).parts
        if not parts or parts[0] == "/" or ".." in parts or "\0" in member.name or len(parts) > MOST_FOLDERS:
            problems.append(f"refused, as its name is none that a file in a tarball has: {member.name[:200]!r}")
            continue
        if _NO_EVIDENCE.match(parts[-1]) or _SKIPPED_FOLDERS & set(parts):
            continue
        source = archive.extractfile(member)
        if source is None:
            continue
        try:
            _write(source, target.joinpath(*parts), room)
        except OSError as err:
            if err.errno not in _HARMLESS:
                raise
            problems.append(f"cannot be unpacked: {member.name[:200]!r} ({err.strerror})")
            continue
        if not target.joinpath(*parts).exists():
            continue
        try:
            os.utime(target.joinpath(*parts), (member.mtime, member.mtime))
        except (OSError, OverflowError, ValueError):
            continue  # a time that no file can have tells nothing


def _write(source: IO[bytes], to: Path, room: _Room) -> None:
    block = source.read(BLOCK)
    if _is_binary(block):
        return
    to.parent.mkdir(parents=True, exist_ok=True)
    with to.open("wb") as stream:
        while block:
            room.bytes -= len(block)
            if room.bytes < 0:
                raise _TooMuch(f"more than {MOST_BYTES // 1024**3} GiB")
            stream.write(block)
            block = source.read(BLOCK)


def _is_binary(head: bytes) -> bool:
    """Whether a file is neither text nor anything that may hold evidence: journals, databases and cores may be huge."""
    known = head[:4] in MAGICS or head[257:262] == b"ustar" or any(head.startswith(begin) for begin, _ in _COMPRESSIONS)
    return b"\0" in head[:4096] and not known and not head.startswith(_UTF16)


class _Bounded:
    """A stream for tarfile which gives no more than a number of bytes in all, and not too many at once."""

    def __init__(self, stream: IO[bytes], most: int) -> None:
        self._stream, self._most = stream, most

    def read(self, count: int = -1) -> bytes:
        if count < 0 or count > LARGEST_READ:
            raise _TooMuch("a header that does not end")
        return self._stream.read(count)

    def seek(self, position: int, whence: int = 0) -> int:
        if whence != 0 or position > self._most:
            raise _TooMuch(f"more than {MOST_BYTES // 1024**3} GiB")
        return self._stream.seek(position)

    def tell(self) -> int:
        return self._stream.tell()
