"""Debian's ha_cluster_exporter over commands that print what a test wants, and hamon over the same output."""

import os
import re
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

import httpx

from hamon.errors import ParseError
from hamon.expose import ha_cluster
from hamon.expose.ha_cluster import RoleNames
from hamon.expose.text import Rows, whole
from hamon.model.cluster import ClusterStatus
from hamon.model.observation import Asked, Polled, Snapshot
from hamon.parse import cibadmin, corosync, crm_mon, drbd, sbd
from tests.peers import need

AT = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
TOOLS = Path(__file__).parent / "corpus" / "tools"
T = TypeVar("T")
Series = dict[tuple[str, frozenset[tuple[str, str]]], float]
"""Name and labels of a sample -> its value."""

_SAMPLE = re.compile(r"(?P<name>\w+)(?:\{(?P<labels>.*)\})? (?P<value>\S+)$")
_LABEL = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')


def read(text: str) -> Series:
    """The samples of an exposition; a series that is there twice fails the test."""
    found: Series = {}
    for line in text.splitlines():
        if line and not line.startswith("#"):
            sample = _SAMPLE.match(line)
            assert sample, line
            labels = _LABEL.findall(sample["labels"] or "")
            key = sample["name"], frozenset((name, re.sub(r"\\(.)", r"\1", value)) for name, value in labels)
            assert key not in found, f"twice: {line}"
            found[key] = float(sample["value"])
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Outputs:
    """What the commands print. None: the command ends with exit status 1 and prints nothing."""

    crm_mon: bytes | None
    cib: bytes | None = b"<cib><configuration/></cib>"
    cfgtool: bytes | None = field(default_factory=lambda: (TOOLS / "made" / "corosync2-rings.txt").read_bytes())
    quorumtool: bytes | None = field(default_factory=lambda: (TOOLS / "corosync-3.1.7" / "ok.quorumtool-parsable.txt").read_bytes())
    sbd_config: bytes = b'SBD_DEVICE="/dev/loop0"\n'
    sbd: Mapping[str, bytes] = field(default_factory=lambda: {"/dev/loop0": (TOOLS / "sbd-1.5.2" / "dump.txt").read_bytes()})
    """Device -> what `sbd -d DEVICE dump` prints; of others it fails."""
    drbd: bytes | None = b"[]"
    marks: tuple[str, ...] = ()
    timezone: str = "UTC"


class Exporter:
    """The running exporter; `scrape` gives it the outputs first."""

    def __init__(self, folder: Path, address: str) -> None:
        self._folder, self._address = folder, address
        self.pid = self.port = 0

    def prepare(self, outputs: Outputs) -> None:
        for name in ("crm_mon", "cib", "cfgtool", "quorumtool", "drbd"):
            content: bytes | None = getattr(outputs, name)
            path = self._folder / f"{name}.out"
            if content is None:
                path.unlink(missing_ok=True)
            else:
                path.write_bytes(content)
        (self._folder / "sbd.conf").write_bytes(outputs.sbd_config)
        for dumped in self._folder.glob("sbd.out.*"):
            dumped.unlink()
        for device, header in outputs.sbd.items():
            (self._folder / f"sbd.out.{device.replace('/', '_')}").write_bytes(header)
        for old in (self._folder / "marks").iterdir():
            old.unlink()
        for mark in outputs.marks:
            (self._folder / "marks" / mark).touch()

    def scrape(self) -> httpx.Response:
        return httpx.get(f"{self._address}/metrics", timeout=30)


@contextmanager
def running(folder: Path) -> Iterator[Exporter]:
    """Start the exporter with commands of its own in `folder`."""
    program = need("ha_cluster_exporter") if _installed("ha_cluster_exporter") else need("prometheus-hacluster-exporter")
    (folder / "marks").mkdir()
    (folder / "sbd.conf").touch()
    for name in ("crm_mon", "cib", "cfgtool", "quorumtool", "sbd", "drbd"):
        script = folder / name
        source = f"{folder / name}.out" + ('.$(echo "$2" | tr / _)' if name == "sbd" else "")
        script.write_text(f'#!/bin/sh\nexec cat "{source}" 2>/dev/null\n')
        script.chmod(0o755)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    process = subprocess.Popen(
        [
            program,
            f"--web.listen-address=127.0.0.1:{port}",
            "--web.config.file=",
            f"--crm-mon-path={folder / 'crm_mon'}",
            f"--cibadmin-path={folder / 'cib'}",
            f"--corosync-cfgtoolpath-path={folder / 'cfgtool'}",
            f"--corosync-quorumtool-path={folder / 'quorumtool'}",
            f"--sbd-path={folder / 'sbd'}",
            f"--sbd-config-path={folder / 'sbd.conf'}",
            f"--drbdsetup-path={folder / 'drbd'}",
            f"--drbdsplitbrain-path={folder / 'marks'}",
        ],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=os.environ | {"TZ": "UTC"},
    )
    try:
        exporter = Exporter(folder, f"http://127.0.0.1:{port}")
        exporter.pid, exporter.port = process.pid, port
        _until_it_answers(port, process)
        yield exporter
    finally:
        process.terminate()
        process.wait(timeout=30)


def _installed(program: str) -> bool:
    return subprocess.run(["which", program], capture_output=True, check=False).returncode == 0


def _until_it_answers(port: int, process: "subprocess.Popen[bytes]") -> None:
    for _ in range(600):
        assert process.poll() is None, "the exporter ended"
        with socket.socket() as asking:
            if asking.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)  # nothing but its port tells that it listens
    raise AssertionError("the exporter does not listen")


def polled(outputs: Outputs) -> Polled:
    """What hamon knows when these commands were asked."""
    asked: list[Asked] = []

    def ask(part: str, output: bytes | None, parse: Callable[[bytes], T]) -> T | None:
        try:
            if output is None:
                raise ParseError("exit status 1", b"")
            answer = parse(output)
        except ParseError as err:
            asked.append(Asked(part=part, seconds=0.01, reason=str(err)))
            return None
        asked.append(Asked(part=part, seconds=0.01))
        return answer

    def state(data: bytes) -> ClusterStatus:
        return crm_mon.parse(data, at=AT, timezone=outputs.timezone)

    status = ask("crm_mon", outputs.crm_mon, state)
    if status is None:
        return Polled(cluster="c", unknown_since=AT, reason=asked[0].reason)
    devices = sbd.read_devices(outputs.sbd_config)
    dumped = b"".join([outputs.sbd.get(device, b"") for device in devices])
    status = replace(
        status,
        cib=ask("cib", outputs.cib, cibadmin.read_cib),
        quorum=ask("quorum", outputs.quorumtool, corosync.read_quorum),
        links=ask("links", outputs.cfgtool, corosync.read_links),
        sbd=ask("sbd", dumped, lambda data: sbd.read_dump(data, devices=devices)) if devices else (),
        drbd=ask("drbd", outputs.drbd, lambda data: drbd.read_status(data, marks=outputs.marks)),
    )
    snapshot = Snapshot(cluster="c", collector="polls", status=status, digest="", received_at=AT, asked=tuple(asked))
    return Polled(cluster="c", snapshot=snapshot, since=AT)


def rows(known: Polled, roles: RoleNames = RoleNames.NEW) -> Rows:
    return ha_cluster.rows(known, roles) | ha_cluster.scrape_rows(known)


def series(known: Polled, roles: RoleNames = RoleNames.NEW) -> Series:
    """What hamon exposes of it."""
    return read(exposition(known, roles))


def exposition(known: Polled, roles: RoleNames = RoleNames.NEW) -> str:
    return whole((*ha_cluster.FAMILIES, *ha_cluster.SCRAPE), rows(known, roles)).decode()


def theirs(text: str) -> Series:
    """What the exporter exposes of the cluster, without the numbers of its own process."""
    return {key: value for key, value in read(text).items() if key[0].startswith("ha_cluster_") and "exporter_build" not in key[0]}


def heads(text: str) -> Mapping[str, tuple[str, str]]:
    """Metric -> type and help."""
    helps = dict(re.findall(r"^# HELP (ha_cluster_\w+) (.*)$", text, re.MULTILINE))
    types = dict(re.findall(r"^# TYPE (ha_cluster_\w+) (.*)$", text, re.MULTILINE))
    return {name: (types[name], helps[name]) for name in helps}


@dataclass(frozen=True, slots=True)
class Difference:
    """`them`, `us`: the values; None: there is no such series."""

    name: str
    labels: Mapping[str, str]
    them: float | None
    us: float | None


def differences(them: Series, us: Series) -> Iterator[Difference]:
    for key in sorted({*them, *us}, key=str):
        left, right = them.get(key), us.get(key)
        if left != right and not key[0].endswith("scrape_duration_seconds"):
            yield Difference(key[0], dict(key[1]), left, right)
