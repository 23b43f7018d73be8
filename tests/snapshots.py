"""The answers of `crm_mon` that stand beside the recordings (`snap.tar.xz`: Pacemaker 2.1.5, UTC), and which poll gave which."""

import json
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

from hamon.errors import ParseError
from hamon.model.observation import Snapshot
from hamon.parse import crm_mon

RECORDINGS = Path(__file__).parent / "corpus" / "recordings"
NAMES = tuple(sorted(path.parent.name for path in RECORDINGS.glob("*/snap.tar.xz")))


@dataclass(frozen=True, slots=True, kw_only=True)
class Poll:
    """One question to one node. `file` None: there was no answer worth a file, as with `rc` 102 (the cluster does not run there)."""

    at: datetime
    node: str
    rc: int
    file: str | None


@cache
def members(archived: Path) -> Mapping[str, bytes]:
    """The files of a tarball, by their names without folders."""
    with tarfile.open(archived) as archive:
        found = {}
        for member in archive.getmembers():
            stream = archive.extractfile(member) if member.isfile() else None
            if stream is not None:
                found[Path(member.name).name] = stream.read()
        return found


def answers(recording: str) -> Mapping[str, bytes]:
    """File name to answer; equal answers share a file."""
    return {name: content for name, content in members(RECORDINGS / recording / "snap.tar.xz").items() if name.endswith(".xml")}


def polls(recording: str) -> list[Poll]:
    """The polls in the order of time."""
    rows = [json.loads(line) for line in members(RECORDINGS / recording / "snap.tar.xz")["index.jsonl"].splitlines()]
    return [Poll(at=datetime.fromtimestamp(row["t"], UTC), node=row["node"], rc=row["rc"], file=row.get("file")) for row in rows]


@cache
def snapshots(recording: str) -> tuple[Snapshot, ...]:
    """The polls as a collector hands them in; those without a readable answer are left out."""
    found = []
    for poll in polls(recording):
        if poll.file is None:
            continue
        data = answers(recording)[poll.file]
        try:
            status = crm_mon.parse(data, at=poll.at, reporter=poll.node)
        except ParseError:
            continue
        digest = crm_mon.digest(data)
        found.append(Snapshot(cluster="c", collector="polls", status=status, digest=digest, received_at=poll.at, path=poll.node))
    return tuple(found)
