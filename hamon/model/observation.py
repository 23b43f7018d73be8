"""What was seen, as the collectors hand it in: nothing is judged here."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from hamon.model.cluster import ClusterStatus


class Source(StrEnum):
    """The kind of evidence."""

    LOG = "log"
    TRAP = "trap"
    POLL = "poll"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadPosition:
    """How far one file was read. Identity outlives a rename: device, inode and a fingerprint of the first bytes.

    `offset` counts (uncompressed) bytes from the start of the file to the end of the last complete line taken.
    `fingerprint` is the hex SHA-256 of the file's first `fingerprint_size` bytes (fewer than 256 while it is short), which tells a
    recycled inode from the same file, and recognises a compressed predecessor.
    """

    collector: str
    path: str
    device: int
    inode: int
    offset: int
    fingerprint: str = ""
    fingerprint_size: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class LogChunk:
    r"""Complete lines of one log file, as bytes, each ended by `\n` (the last of a dead file may lack it).

    `offset` is that of the first byte. `position` is committed with what the chunk gave (None: nothing to resume, as in `analyze`).
    `node` is the node whose log it is when the configuration says so; lines may name others.
    `timezone` is an IANA name for stamps without zone; `encodings` are tried in order, the last resort is UTF-8 with replacement.
    """

    cluster: str
    collector: str
    path: str
    data: bytes
    offset: int
    received_at: datetime
    node: str | None = None
    timezone: str = "UTC"
    encodings: tuple[str, ...] = ("utf-8",)
    position: ReadPosition | None = None
    truncated: int = 0
    """Lines in this chunk that were longer than the limit and are cut."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceLost:
    """A source of evidence went silent, disappeared or cannot be read."""

    cluster: str
    collector: str
    path: str
    reason: str
    at: datetime
    node: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceBack:
    """A source of evidence that was lost gives data again."""

    cluster: str
    collector: str
    path: str
    at: datetime
    node: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """One poll that gave an answer. `digest` names its content: equal digests, equal status but for the time (SHA-256 in hex)."""

    cluster: str
    collector: str
    status: ClusterStatus
    digest: str
    received_at: datetime
    path: str = ""
    """Which command gave it (its name in the configuration), or the file."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tick:
    """Time passes: settle times end, limits are reached."""

    now: datetime


Observation = LogChunk | SourceLost | SourceBack | Tick
