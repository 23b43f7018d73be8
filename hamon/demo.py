"""The demonstration: a recording of a real cluster is written to real log files, re-stamped to now, and hamon watches them.

Nothing here is in the way of `hamon run`: it only makes a configuration, and a writer that plays the cluster.
"""

import asyncio
import gzip
import re
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import IO

from hamon import data
from hamon.clock import Clock
from hamon.config import Config, as_toml, load
from hamon.parse.stamp import Stamps

CLUSTER = "demo"
RECORDING_YEAR = 2026
_STAMP = re.compile(r"^[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d(?:\.\d+)?")


def recording() -> Path:
    """The recording that comes with hamon."""
    installed = data.folder("demo")
    return installed if installed.is_dir() else data.folder("tests") / "corpus" / "recordings" / "chronicle"


@dataclass(frozen=True, slots=True)
class Line:
    at: datetime
    file: str
    rest: str


def lines_of(folder: Path) -> list[Line]:
    """All lines of the recording in the order in which they were written: pacemaker.log and corosync.log of each node."""
    found: list[Line] = []
    for path in sorted([*folder.glob("*/pacemaker.log*"), *folder.glob("*/corosync.log*")]):
        name = f"{path.parent.name}/{path.name.removesuffix('.gz')}"
        found += _lines(path, name)
    return sorted(found, key=lambda line: line.at)


def _lines(path: Path, name: str) -> Iterator[Line]:
    stamps = Stamps("UTC", datetime(RECORDING_YEAR, 12, 31, tzinfo=UTC), RECORDING_YEAR)
    text = (gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()).decode("utf-8", "replace")
    at: datetime | None = None
    for line in text.splitlines(keepends=True):
        if (stamp := _STAMP.match(line)) is not None:
            at = stamps.read(stamp[0])
            yield Line(at, name, line[stamp.end() :])
        elif at is not None:
            yield Line(at, name, line)


def config_for(folder: Path, speed: float, listen: str | None, nodes: Sequence[str]) -> Config:
    """Write the configuration as an operator would, and load it. Settle times go as fast as the recording."""
    lines = [
        "# Written by `hamon demo`; a configuration of your own looks the same.",
        "",
        "[web]",
        f"listen = {as_toml(listen or '127.0.0.1:8470')}",
        "",
        f"[cluster.{CLUSTER}]",
        'title = "Demonstration cluster"',
        f"settle_seconds = {max(0.25, 2.0 / speed)}",
        f"membership_seconds = {max(1.0, 10.0 / speed)}",
        f"grace_seconds = {max(2.0, 20.0 / speed)}",
        "",
        f"[cluster.{CLUSTER}.service.web_shop]",
        'resources = ["prmEx", "prmFs", "prmIp", "prmPg"]',
        "",
        f"[cluster.{CLUSTER}.service.database]",
        'resources = ["prmStateful"]',
    ]
    for node in nodes:
        paths = [str(folder / "logs" / node / name) for name in ("pacemaker.log", "corosync.log")]
        lines += [
            "",
            f"[collect.log_tail.{re.sub(r'[^a-z0-9_]', '_', node.lower())}]",
            f'cluster = "{CLUSTER}"',
            f"node = {as_toml(node)}",
            f"paths = {as_toml(paths)}",
        ]
    lines += ["", "[notify.mailbox.operators]", f"path = {as_toml(str(folder / 'mail.mbox'))}", ""]
    file = folder / "hamon.toml"
    file.write_text("\n".join(lines), encoding="utf-8")
    return load(file, {})


def prepare(folder: Path) -> None:
    """Start afresh: what an earlier demonstration left is removed."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True, mode=0o700)


class Player:
    """Writes the recording, line by line, at `speed` times its own pace."""

    def __init__(self, lines: Sequence[Line], folder: Path, speed: float, clock: Clock) -> None:
        self._lines, self._folder, self._speed, self._clock = lines, folder, speed, clock

    async def run(self) -> None:
        """Write until the recording ends."""
        if not self._lines:
            return
        first = self._lines[0].at
        began = self._clock.now()
        files = {name: _open(self._folder / name) for name in dict.fromkeys(line.file for line in self._lines)}
        try:
            for line in self._lines:
                due = began + timedelta(seconds=(line.at - first).total_seconds() / self._speed)
                wait = (due - self._clock.now()).total_seconds()
                if wait > 0.001:
                    for stream in files.values():
                        stream.flush()
                    await asyncio.sleep(wait)
                files[line.file].write(f"{due:%b %d %H:%M:%S}.{due.microsecond // 1000:03d}{line.rest}")
        finally:
            for stream in files.values():
                stream.close()


def _open(path: Path) -> IO[str]:
    path.parent.mkdir(parents=True, exist_ok=True)
    return path.open("a", encoding="utf-8")
