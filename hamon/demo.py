"""The demonstration: a recording of a real cluster is written to real log files, re-stamped to now, and hamon watches them. A command that
prints what `crm_mon` said in the recording stands in for it, and the real collector asks that. Its SNMP traps are sent
to the real receiver.

Nothing here is in the way of `hamon run`: it only makes a configuration, and a writer that plays the cluster.
"""

import asyncio
import contextlib
import fcntl
import gzip
import json
import re
import shutil
import socket
import tarfile
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import IO

from hamon import data
from hamon.clock import Clock
from hamon.config import Config, as_toml, load
from hamon.errors import ConfigError, Problem
from hamon.parse.stamp import Stamps

CLUSTER = "demo"
RECORDING_YEAR = 2026
SWITCHED_OFF = timedelta(seconds=2.5)
"""The recording asked every node each second; one that was not asked for so long was switched off."""
MOST_SPEED_ASKED = 8.0
"""Played faster, an answer would be seconds of the recording old when it is read, and contradict the logs."""
MOST_AT_ONCE = 9
COMMAND = "crm_mon_of"
_COMMAND = """\
#!/bin/sh
# Written by `hamon demo`: prints what crm_mon said on a node in the recording, at this moment of it.
[ -e "$(dirname "$0")/$1" ] || { echo "$1 is switched off at this moment of the recording" >&2; exit 1; }
{ read -r status; cat; exit "$status"; } <"$(dirname "$0")/$1"
"""
_TIME = re.compile(r"[A-Z][a-z]{2} [A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d \d{4}|(?P<iso>\d{4}-\d\d-\d\d \d\d:\d\d:\d\dZ)")
_DATE = re.compile(rb"(\x06\x08\x2b\x06\x01\x02\x01\x19\x01\x02\x04\x08)(.{8})", re.DOTALL)
"""hrSystemDate (HOST-RESOURCES-MIB) and its value, a DateAndTime of 8 octets, as Pacemaker's sample agent sends it at the end of a trap."""
_STAMP = re.compile(r"^[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d(?:\.\d+)?")


def recording() -> Path:
    """The recording that comes with hamon."""
    installed = data.folder("demo")
    return installed if installed.is_dir() else data.folder("tests") / "corpus" / "recordings" / "chronicle"


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a recorded log: its time, its file as `node/name`, and what follows the stamp."""

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


@dataclass(frozen=True, slots=True)
class Answer:
    """What `crm_mon` printed on a node from a moment on, and its exit status. `text` None: the node is switched off."""

    at: datetime
    node: str
    status: int
    text: str | None


def answers_of(folder: Path) -> list[Answer]:
    """The polls of the recording, where it has some, in the order of time; only what is another answer than the one before."""
    archive = folder / "snap.tar.xz"
    if not archive.is_file():
        return []
    with tarfile.open(archive) as opened:
        members = {Path(member.name).name: member for member in opened.getmembers() if member.isfile()}
        contents = {name: stream.read().decode() for name, member in members.items() if (stream := opened.extractfile(member)) is not None}
    found: list[Answer] = []
    last: dict[str, tuple[datetime, str | None]] = {}
    for row in map(json.loads, contents.get("index.jsonl", "").splitlines()):
        at, node, text = datetime.fromtimestamp(row["t"], UTC), row["node"], contents.get(row.get("file") or "", "")
        for other, (seen, before) in last.items():
            if before is not None and at - seen > SWITCHED_OFF:
                found.append(Answer(seen + SWITCHED_OFF, other, 1, None))
                last[other] = (seen, None)
        if node not in last or last[node][1] != text:
            found.append(Answer(at, node, row["rc"], text))
        last[node] = (at, text)
    return sorted(found, key=lambda answer: answer.at)


@dataclass(frozen=True, slots=True)
class Sent:
    """One SNMP trap that a node of the recording sent. `source` is a loopback address that stands for the node's."""

    at: datetime
    source: str
    datagram: bytes


def traps_of(folder: Path) -> list[Sent]:
    """The traps of the recording, where it has some, in the order of time."""
    path = folder / "monitor" / "traps.jsonl.gz"
    rows = map(json.loads, gzip.decompress(path.read_bytes()).decode().splitlines()) if path.is_file() else ()
    found = [
        Sent(datetime.fromtimestamp(row["t"], UTC), f"127.0.0.{row['src'].rpartition('.')[2]}", bytes.fromhex(row["hex"])) for row in rows
    ]
    return sorted(found, key=lambda sent: sent.at)


def free_port() -> int:
    """A UDP port that nobody has now."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def config_for(
    folder: Path,
    speed: float,
    listen: str | None,
    nodes: Sequence[str],
    asked: Collection[str] = (),
    traps: Sequence[Sent] = (),
    trap_port: int = 9162,
) -> Config:
    """Write the configuration as an operator would, and load it. Settle times go as fast as the recording. `asked`: nodes with answers."""
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
    if asked:
        # As often as the recording asked, as far as a small machine bears it: an answer is at most 2 s of the recording old.
        often = min(1.0, 2.0 / speed)
        lines += ["", f"[collect.crm_mon.{CLUSTER}_state]", f'cluster = "{CLUSTER}"']
        lines += [f"interval_seconds = {often}", f"quiet_interval_seconds = {2 * often}"]
        lines += [f"{tool} = {{ enabled = false }}" for tool in ("cibadmin", "quorum", "links", "sbd", "drbd")]
        lines += ["", f"[collect.crm_mon.{CLUSTER}_state.commands]"]
        lines += [f"{node} = {as_toml([str(folder / 'answers' / COMMAND), node])}" for node in sorted(asked)]
    if traps:
        receiver, sources = f"collect.snmp_trap.{CLUSTER}_traps", sorted({sent.source for sent in traps})
        lines += ["", f"[{receiver}]", f'listen = ["127.0.0.1:{trap_port}"]', f'cluster = "{CLUSTER}"']
        lines += ["", f"[{receiver}.community.pacemaker]", 'community = "public"', "allow_default_community = true"]
        lines += [f"sources = {as_toml([*sources, '127.0.0.1'])}"]
        for node, source in zip(nodes, sources, strict=False) if len(nodes) == len(sources) else ():
            name = re.sub(r"[^a-z0-9_]", "_", node.lower())
            lines += ["", f"[{receiver}.source.{name}]", f"addresses = {as_toml([source])}", f"node = {as_toml(node)}"]
    lines += ["", "[notify.mailbox.operators]", f"path = {as_toml(str(folder / 'mail.mbox'))}", ""]
    file = folder / "hamon.toml"
    file.write_text("\n".join(lines), encoding="utf-8")
    return load(file, {})


@contextlib.contextmanager
def prepared(state_directory: Path) -> Iterator[Path]:
    """A folder that is this demonstration's alone, `demo` unless another one is at work there; what an earlier one left is removed.

    Whose it is says a lock on a file beside it, which ends with its process.
    """
    state_directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    for number in range(1, MOST_AT_ONCE + 1):
        folder = state_directory / ("demo" if number == 1 else f"demo_{number}")
        with folder.with_suffix(".lock").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                continue
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(mode=0o700)
            yield folder
            return
    problem = Problem(
        id="demonstrations",
        key="demo",
        message=f"{MOST_AT_ONCE} demonstrations run below {state_directory} already",
        hint="stop one of them, or give this one a folder of its own: STATE_DIRECTORY=/somewhere/else",
    )
    raise ConfigError([problem])


class Player:
    """Plays the recording, line by line, answer by answer and trap by trap, at `speed` times its own pace."""

    def __init__(
        self,
        lines: Sequence[Line],
        folder: Path,
        speed: float,
        clock: Clock,
        answers: Sequence[Answer] = (),
        traps: Sequence[Sent] = (),
        trap_port: int = 9162,
    ) -> None:
        """`folder`: where `logs` and `answers` are. Traps go to `trap_port` of this host."""
        self._folder, self._speed, self._clock, self._trap_port = folder, speed, clock, trap_port
        self._steps: list[Line | Answer | Sent] = sorted([*lines, *answers, *traps], key=lambda step: step.at)
        self._senders: dict[str, socket.socket] = {}
        self._files = {line.file for line in lines}
        self._first = lines[0].at if lines else None
        self._began = clock.now()

    async def run(self) -> None:
        """Write until the recording ends."""
        if self._first is None:
            return
        self._began = self._clock.now()
        files = {name: _open(self._folder / "logs" / name) for name in sorted(self._files)}
        _install(self._folder / "answers")
        try:
            for step in self._steps:
                due = self._now_for(step.at)
                wait = (due - self._clock.now()).total_seconds()
                if wait > 0.001:
                    for stream in files.values():
                        stream.flush()
                    await asyncio.sleep(wait)
                if isinstance(step, Line):
                    files[step.file].write(f"{due:%b %d %H:%M:%S}.{due.microsecond // 1000:03d}{step.rest}")
                elif isinstance(step, Sent):
                    self._send(step)
                else:
                    self._answer(step)
        finally:
            for stream in files.values():
                stream.close()
            for sock in self._senders.values():
                sock.close()

    def _now_for(self, at: datetime) -> datetime:
        """A time of the recording as it is in the demonstration."""
        assert self._first is not None
        return self._began + timedelta(seconds=(at - self._first).total_seconds() / self._speed)

    def _send(self, sent: Sent) -> None:
        """Send the trap as it was, but for its date, from the address that stands for its node's."""
        if sent.source not in self._senders:
            sock = self._senders[sent.source] = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            sock.setblocking(False)
            with contextlib.suppress(OSError):  # only Linux has all of 127.0.0.0/8 without asking
                sock.bind((sent.source, 0))
        with contextlib.suppress(OSError):  # a trap may get lost
            self._senders[sent.source].sendto(_DATE.sub(self._date, sent.datagram), ("127.0.0.1", self._trap_port))

    def _date(self, found: re.Match[bytes]) -> bytes:
        year, rest = int.from_bytes(found[2][:2], "big"), found[2][2:]
        month, day, hour, minute, second, tenth = rest
        at = self._now_for(datetime(year, month, day, hour, minute, second, tenth * 100_000, tzinfo=UTC))
        return found[1] + at.year.to_bytes(2, "big") + bytes([at.month, at.day, at.hour, at.minute, at.second, at.microsecond // 100_000])

    def _answer(self, answer: Answer) -> None:
        """From now on the command prints this answer. The file is replaced at once: nobody reads half of it."""
        path = self._folder / "answers" / answer.node
        if answer.text is None:
            path.unlink(missing_ok=True)
            return
        new = path.with_suffix(".new")
        new.write_text(f"{answer.status}\n{_TIME.sub(self._stamp, answer.text)}", encoding="utf-8")
        new.rename(path)

    def _stamp(self, found: re.Match[str]) -> str:
        form = "%Y-%m-%d %H:%M:%SZ" if found["iso"] else "%a %b %d %H:%M:%S %Y"
        return self._now_for(datetime.strptime(found[0], form).replace(tzinfo=UTC)).strftime(form)


def _install(folder: Path) -> None:
    """Write the command that stands in for `crm_mon`: `crm_mon_of NODE` prints what that said in the recording at this moment."""
    folder.mkdir(parents=True, exist_ok=True)
    command = folder / COMMAND
    command.write_text(_COMMAND, encoding="utf-8")
    command.chmod(0o755)


def _open(path: Path) -> IO[str]:
    path.parent.mkdir(parents=True, exist_ok=True)
    return path.open("a", encoding="utf-8")
