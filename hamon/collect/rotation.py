"""Recognise the rotated predecessors of a log, put them in order, and find where reading stopped.

Law: a file is never known by its name. Names only tell which files to look at and which is older; what was read is known by device,
inode and first bytes, or by the first bytes alone where the content moved to another file (compressed, or copied and truncated).
"""

import os
import re
import stat
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass

from hamon.collect.files import Identity, compression, fingerprint
from hamon.model.observation import ReadPosition

# What logrotate (number, dateext, dateformat), savelog, cronolog and people put in: .1 -20240131 .2024-01-31 -20240131-1706659200 .old
_MARK = r"(?:\.(?P<number>\d{1,5})|[-._](?P<date>\d{4}-?\d{2}-?\d{2}(?:[-_T.]?\d+)*)|(?P<old>\.old|\.prev|\.bak|~))"
_MARK_ONLY = re.compile(_MARK)
_APPENDED = re.compile(rf"(?P<base>.+?){_MARK}")
_INSERTED = re.compile(rf"(?P<base>.+?){_MARK}(?P<extension>\.[A-Za-z]\w*)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """One file that may hold a part of the log."""

    path: str
    identity: Identity
    size: int
    mtime_ns: int
    is_current: bool
    is_named: bool = True
    """Whether its name alone makes it a part of the log; else it has but the inode of one."""

    @property
    def is_compressed(self) -> bool:
        return bool(compression(self.path))


OTHER_COMPRESSIONS = (".zst", ".lz4", ".lzo", ".lzma", ".Z", ".zip")
"""What logrotate may be told to use and cannot be read here."""


def packed_otherwise(path: str) -> str | None:
    """The newest predecessor of a log that is compressed in a way that cannot be read; raises OSError as `family` does."""
    folder, current = os.path.split(os.path.realpath(path))
    found: list[tuple[int, str]] = []
    with os.scandir(folder) as entries:
        for entry in entries:
            suffix = next((suffix for suffix in OTHER_COMPRESSIONS if entry.name.endswith(suffix)), "")
            stem = entry.name.removesuffix(suffix)
            if suffix and (stem == current or _order(stem, current) is not None):
                found.append((entry.stat(follow_symlinks=False).st_mtime_ns, entry.path))
    return max(found)[1] if found else None


def bases(path: str) -> Iterator[str]:
    """Paths that the log may have had before it was rotated to `path`.

    >>> list(bases("/var/log/ha-log.2.gz")), list(bases("/var/log/ha-20240131.log"))
    (['/var/log/ha-log'], ['/var/log/ha.log'])
    """
    folder, name = os.path.split(path.removesuffix(compression(path)))
    for pattern in (_APPENDED, _INSERTED):
        if found := pattern.fullmatch(name):
            yield os.path.join(folder, found["base"] + (found["extension"] if pattern is _INSERTED else ""))


def _order(name: str, current: str) -> tuple[str, str] | None:
    """Scheme and place of a rotated file (greater is newer); None when `name` is not a rotated `current`."""
    packed = compression(name)
    name = name.removesuffix(packed)
    stem, extension = os.path.splitext(current)
    if name == current:
        return ("old", "") if packed else None
    if name.startswith(current):
        mark = name[len(current) :]
    elif name.startswith(stem) and extension and name.endswith(extension) and len(name) > len(current):
        mark = name[len(stem) : -len(extension)]
    else:
        return None
    found = _MARK_ONLY.fullmatch(mark)
    if not found:
        return None
    if found["number"]:
        return "number", f"{99999 - int(found['number']):05}"
    return ("date", re.sub(r"\D", "", found["date"])) if found["date"] else ("old", "")


MOST_LOOKS = 20
"""Looks at a directory in which files are renamed all the time, before what the last one found must do."""


def family(path: str, inodes: Collection[int] = ()) -> list[Candidate]:
    """The files of one log, oldest first, the current one last; raises OSError when its directory cannot be read.

    Beside the names that rotation gives, any file in the directory that has one of `inodes` may belong to it. Where `path` is a
    symbolic link, the neighbours of its target are looked at too.

    A file that is renamed meanwhile can be overlooked, so what is found counts when it is found twice.
    """
    found = _family(path, inodes)
    for _ in range(MOST_LOOKS):
        before, found = found, _family(path, inodes)
        if [(one.path, one.identity) for one in found] == [(one.path, one.identity) for one in before]:
            break
    return found


def _family(path: str, inodes: Collection[int]) -> list[Candidate]:
    target = os.path.realpath(path)
    rotated: dict[Identity, tuple[tuple[str, str], Candidate]] = {}
    plain: set[str] = set()
    for place in dict.fromkeys((path, target)):
        folder, current = os.path.split(place)
        with os.scandir(folder) as entries:
            for entry in entries:
                order = _order(entry.name, current)
                if order is None and (entry.name == current or entry.inode() not in inodes):
                    continue
                found = _candidate(entry.path, is_named=order is not None)
                if found and found.identity not in rotated:
                    rotated[found.identity] = (order or ("other", ""), found)
                    if not found.is_compressed:
                        plain.add(found.path)
    current_file = _candidate(path, is_current=True)
    if current_file:
        rotated.pop(current_file.identity, None)
    # While a file is being compressed it stands there twice.
    known = [
        item for item in rotated.values() if not (item[1].is_compressed and item[1].path.removesuffix(compression(item[1].path)) in plain)
    ]
    # Names are the better witness (clocks jump, late lines touch old files), but only within one scheme.
    one_scheme = len({scheme for (scheme, _), _ in known}) <= 1
    known.sort(key=lambda item: (item[0][1] if one_scheme else "", item[1].mtime_ns))
    return [found for _, found in known] + ([current_file] if current_file else [])


def _candidate(path: str, *, is_current: bool = False, is_named: bool = True) -> Candidate | None:
    try:
        status = os.stat(path)
    except OSError:
        return None
    if not stat.S_ISREG(status.st_mode):
        return None
    identity = (status.st_dev, status.st_ino)
    return Candidate(
        path=path, identity=identity, size=status.st_size, mtime_ns=status.st_mtime_ns, is_current=is_current, is_named=is_named
    )


def resume_offsets(
    candidates: Sequence[Candidate], positions: Sequence[ReadPosition], peek: Callable[[Candidate], bytes], *, all_of_them: bool
) -> dict[Identity, int]:
    """How far each of the files was read already; what is not in it was not recognised.

    `peek` gives the first bytes of a file (none when it cannot be read). Unless `all_of_them`, older files than the newest one recognised
    are left out, for only what came after it is of interest.
    """
    found: dict[Identity, int] = {}
    by_identity = {candidate.identity: candidate for candidate in candidates}
    elsewhere: list[ReadPosition] = []
    for position in positions:
        here = by_identity.get((position.device, position.inode))
        if here and _matches(here, position, peek):
            found[here.identity] = max(position.offset, found.get(here.identity, 0))
        elif position.fingerprint_size:
            elsewhere.append(position)
    for candidate in reversed(candidates):
        if elsewhere and (all_of_them or candidate.identity not in found):
            offsets = [position.offset for position in elsewhere if _matches(candidate, position, peek)]
            if offsets:
                found[candidate.identity] = max(*offsets, found.get(candidate.identity, 0))
        if candidate.identity in found and not all_of_them:
            break
    return found


def belonging(candidates: Sequence[Candidate], positions: Sequence[ReadPosition], peek: Callable[[Candidate], bytes]) -> list[Candidate]:
    """Leave out the files that only got the inode of a deleted part."""
    return [
        candidate
        for candidate in candidates
        if candidate.is_named
        or any(candidate.identity == (position.device, position.inode) and _matches(candidate, position, peek) for position in positions)
    ]


def _matches(candidate: Candidate, position: ReadPosition, peek: Callable[[Candidate], bytes]) -> bool:
    size = position.fingerprint_size
    if not size or not (candidate.is_compressed or candidate.size >= max(size, position.offset)):
        return False
    head = peek(candidate)
    return len(head) >= size and fingerprint(head[:size]) == position.fingerprint
