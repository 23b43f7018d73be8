"""What was seen, as the collectors hand it in: nothing is judged here."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple

from hamon.model.cluster import ClusterStatus
from hamon.model.record import quickly_made, quickly_told

GATEWAY = "hamon"
"""In the place of a cluster's name: what is about the gateway itself."""


@quickly_told
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
class TextForm:
    """How a log that is none of the cluster's is laid out. `program` is the name by which rules know it (their `daemon`).

    `stamp` is the form of its time stamps, in the directives of strftime; empty: the time of arrival counts. A record begins with a line
    that has a stamp, or in which the regular expression `start` is found; without both, with every line that does not begin with white
    space. Of the lines that continue it (a stack trace) at most `most_lines` are taken.
    """

    program: str
    stamp: str = ""
    start: str = ""
    most_lines: int = 100


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
    form: TextForm | None = None
    """None: a log of the cluster, in one of the forms that hamon knows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceLost:
    """A source of evidence went silent, disappeared or cannot be read; with `dropped`, it gives data and some of them were lost."""

    cluster: str
    collector: str
    path: str
    reason: str
    at: datetime
    node: str | None = None
    source: Source = Source.LOG
    dropped: int = 0
    """How many data were lost so far, since it began."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceBack:
    """A source of evidence that was lost gives data again; with `dropped`, it has lost none for a while."""

    cluster: str
    collector: str
    path: str
    at: datetime
    node: str | None = None
    source: Source = Source.LOG
    reason: str | None = None
    """What is to be said about it, such as that its sender began anew."""
    dropped: int = 0
    """How many data were lost in all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """One question of a poll and how it went. `part`: crm_mon, cib, quorum, links, sbd or drbd; `reason`: why there is no answer."""

    part: str
    seconds: float
    reason: str = ""


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
    beside: bool = False
    """Another node was asked too, and is believed: this one is heard, but does not say how the cluster is."""
    asked: tuple[Asked, ...] = ()
    """What was asked for it, each part at its own interval; empty: not told. A part that is not asked at all is not there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Polled:
    """What polling knows of one cluster: its last answer, however old, and since when no newer one is to be had.

    `snapshot.received_at` is the time of the last answer, which may have shown nothing new; `since`, when the state that it shows was first
    seen. `snapshot` None: there never was an answer. `unknown_since` None: the last question was answered; else the state of the cluster
    is not known since then, for the `reason`, which is never to be shown as health.
    """

    cluster: str
    snapshot: Snapshot | None = None
    since: datetime | None = None
    unknown_since: datetime | None = None
    reason: str = ""


class SnmpVersion(StrEnum):
    V1 = "1"
    V2C = "2c"
    V3 = "3"


class VarType(StrEnum):
    """The types of RFC 2578 that a varbind can carry, and the exceptions of RFC 3416."""

    INTEGER = "INTEGER"
    OCTET_STRING = "OCTET STRING"
    NULL = "NULL"
    OBJECT_IDENTIFIER = "OBJECT IDENTIFIER"
    IP_ADDRESS = "IpAddress"
    COUNTER32 = "Counter32"
    GAUGE32 = "Gauge32"
    TIME_TICKS = "TimeTicks"
    OPAQUE = "Opaque"
    COUNTER64 = "Counter64"
    NO_SUCH_OBJECT = "noSuchObject"
    NO_SUCH_INSTANCE = "noSuchInstance"
    END_OF_MIB_VIEW = "endOfMibView"


class VarBind(NamedTuple):
    """One variable of a trap; a tuple, because dozens are made for each of thousands of traps a second.

    `oid` is dotted without a leading dot. `value`: int for numbers, str for OBJECT IDENTIFIER and IpAddress, bytes for OCTET STRING and
    Opaque (never decoded here), None for NULL and the exceptions.
    """

    oid: str
    type: VarType
    value: int | bytes | str | None


@quickly_made
@dataclass(frozen=True, slots=True, kw_only=True)
class Trap:
    """One notification as it came, its sender known and allowed.

    `source` is the address that it came from, which may be a relay: which node it is about, the varbinds say. `credential` is the name of
    the community or user in the configuration, never its secret. `notification` is snmpTrapOID (for v1 as RFC 3584 maps it).
    `varbinds` is the payload, in order, without sysUpTime.0 and snmpTrapOID.0. `pdu` holds the octets of the PDU as they came, for who
    relays it; it holds no community (the value of a snmpTrapCommunity.0 is blanked). `request_id` is None for v1.
    """

    cluster: str
    collector: str
    received_at: datetime
    source: str
    version: SnmpVersion
    credential: str
    notification: str
    varbinds: tuple[VarBind, ...]
    inform: bool = False
    request_id: int | None = None
    uptime: int | None = None
    """sysUpTime of the sender, in hundredths of a second; None where the trap lacks it."""
    enterprise: str | None = None
    """Of a v1 trap."""
    agent_address: str | None = None
    """Of a v1 trap."""
    engine_id: str = ""
    """The authoritative engine of a v3 message, in hex."""
    irregular: bool = False
    """sysUpTime.0 and snmpTrapOID.0 were not the first two varbinds."""
    pdu: bytes = b""


class Refusal(StrEnum):
    """Why what came over the network was not taken, in few words that also serve as metric label."""

    OVERSIZED = "oversized"
    SOURCE = "source"
    RATE = "rate"
    QUEUE = "queue"
    KERNEL = "kernel"
    MALFORMED = "malformed"
    COMMUNITY = "community"
    USER = "user"
    LEVEL = "level"
    ENGINE = "engine"
    DIGEST = "digest"
    TIME_WINDOW = "time_window"
    REPLAY = "replay"
    NOTIFICATION = "notification"
    CLUSTER = "cluster"
    CONNECTIONS = "connections"


LOSSES = frozenset({Refusal.RATE, Refusal.QUEUE, Refusal.KERNEL})
"""Where traps that were meant for us were lost; the others were refused for what they are."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrapBatch:
    """Traps of one cluster and collector, in the order in which they came. They have no position: once recorded they are safe, or lost."""

    cluster: str
    collector: str
    traps: tuple[Trap, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetLags:
    """Too much waits for a target of notifications, or it refuses what it is given (`refuses`)."""

    target: str
    pending: int
    refuses: bool
    reason: str
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetDelivers:
    """A target takes what it is given, and little waits for it."""

    target: str
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordsRefused:
    """The database will never take records of a batch: `records` were left out. `what` and `about` place the first, `reason` says why."""

    records: int
    what: str
    about: str
    reason: str
    kept: str
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Tick:
    """Time passes: settle times end, limits are reached."""

    now: datetime


Observation = LogChunk | Snapshot | TrapBatch | SourceLost | SourceBack | TargetLags | TargetDelivers | RecordsRefused | Tick
