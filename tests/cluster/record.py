"""Record what the cluster shows while something happens to it, in the layout of `tests/corpus/recordings`: `make record SCENARIO=...`.

    truth.json                                     what was done and when, and what must be said of it (judged by tests/truth.py)
    NODE/{ha-log,pacemaker.log,corosync.log}.gz    what was written during the recording
    snap.tar.xz                                    crm_mon once a second from each node: snap/index.jsonl, and each different answer once
    monitor/{traps.jsonl,traps.pcap}.gz            the datagrams that reached the monitor host, and the same as a capture

The scenarios are the happenings of `happenings.py`. A recording ends some seconds after the last consequence, before anything is repaired.
"""

import argparse
import gzip
import io
import json
import re
import socket
import struct
import sys
import tarfile
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from tests.cluster.beside import COROSYNC_LOG, HA_LOG, PACEMAKER_LOG
from tests.cluster.cluster import Cluster, not_here, wait_for
from tests.cluster.configuration import MONITOR, PING, PROMOTABLE, TRAP_PORT
from tests.cluster.happenings import ACTIVE, HAPPENINGS, STANDBY, Happening, Roles, roles
from tests.cluster.namespaces import entered, run
from tests.gateway.harness import now

CRM_MON = ("crm_mon", "-1", "--output-as=xml", "-A", "-f", "-r", "-m3")
LOGS = {"ha-log": HA_LOG, "pacemaker.log": PACEMAKER_LOG, "corosync.log": COROSYNC_LOG}
LEAD_SECONDS, REST_SECONDS = 4.0, 8.0
CLASSIFICATIONS = {
    "failover": "failover",
    "standby_fault": "standby_fault",
    "switchover": "planned_switchover",
    "local_recovery": "resource_failure",
    "interconnect_degraded": "interconnect_fault",
    "service_down": "service_down",
    None: "maintenance",
}
"""The word of tests/truth.py for the kind that is expected."""
ALSO = {"resource_failure": "resource_failure", "node_lost": "node_failure", "fencing": "fencing", "daemon_failed": "process_failure"}
"""The same for parts; the others have none."""
_OF_THE_MOMENT = re.compile(r'<last_update [^>]*>|last_updated="[^"]*"')


class NotRecorded(Exception):
    """What is expected of this happening cannot be said in the words of tests/truth.py."""


class Noting(Cluster):
    """A cluster that notes what is done to it, in the words of truth.json."""

    is_noting = False

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self.events: list[dict[str, Any]] = []

    def note(self, action: str, **facts: object) -> None:
        if self.is_noting:
            at = _now()
            self.events.append({"t": at, "iso": _iso(at), "action": action, **facts})

    def crash(self, node: str) -> None:
        # The power switch comes this way too, from a thread of its own.
        if threading.current_thread() is threading.main_thread():
            self.note("power loss", node=node)
        super().crash(node)

    def stop(self, node: str) -> None:
        self.note("cluster stop", node=node)
        super().stop(node)

    def start(self, node: str) -> None:
        self.note("cluster start", node=node)
        super().start(node)

    def kill_daemon(self, node: str, name: str) -> None:
        self.note("SIGKILL", node=node, daemon=name)
        super().kill_daemon(node, name)

    def cut(self, node: str, links: Iterable[int] = (1, 2)) -> None:
        listed = list(links)
        self.note("cut", node=node, ring=",".join(str(link - 1) for link in listed))
        super().cut(node, listed)

    def cut_ping(self, node: str) -> None:
        self.note("ping cut", node=node)
        super().cut_ping(node)

    def fail(self, node: str, resource: str, operation: str = "monitor", *, code: int = 1, once: bool = True) -> None:
        self.note("inject", node=node, resource=resource, operation=operation, rc=code, once=once)
        super().fail(node, resource, operation, code=code, once=once)

    def on(self, node: str, *command: str, check: bool = True, seconds: float = 60.0) -> str:
        if command[0].startswith(("crm_standby", "crm_resource", "crm_attribute")):
            self.note("command", node=node, command=" ".join(command))
        return super().on(node, *command, check=check, seconds=seconds)

    def runs_on(self, service: str, node: str, seconds: float = 90) -> None:
        super().runs_on(service, node, seconds)
        # Where the promotable clone leaves with it, what left is back with the last of both.
        wait_for(f"{PROMOTABLE} is promoted where it may stay", self._is_promoted, seconds)
        self.note(f"observed: group active on {node}")

    def _is_promoted(self) -> bool:
        seen = self.status()
        leaving = {one.get("name") for one in seen.iterfind("./nodes/node[@standby='true']")} if seen is not None else set()
        return [role for node, role in self.holders(PROMOTABLE, seen).items() if node not in leaving].count("Promoted") == 1


def _now() -> float:
    return now().timestamp()


def _iso(at: float) -> str:
    return f"{datetime.fromtimestamp(at, UTC):%Y-%m-%dT%H:%M:%S.%f}"[:-3] + "Z"


class _Traps:
    """What comes to the monitor host, as datagrams and as frames. Made in its network."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.rows: list[str] = []
        # pcap: magic, version 2.4, no zone, no accuracy, longest frame, Ethernet
        self.capture = bytearray(struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 1))
        self._ending = threading.Event()
        self._datagrams = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._datagrams.bind((MONITOR, TRAP_PORT))
        self._frames = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(0x0003))
        self._frames.bind(("eth0", 0))
        self._threads = [threading.Thread(target=target, daemon=True) for target in (self._take, self._copy)]
        for thread in self._threads:
            thread.start()

    def _take(self) -> None:
        self._datagrams.settimeout(0.2)
        while not self._ending.is_set():
            try:
                data, (source, _) = self._datagrams.recvfrom(65535)
            except TimeoutError:
                continue
            self.rows.append(json.dumps({"t": round(_now(), 6), "src": source, "hex": data.hex()}))

    def _copy(self) -> None:
        self._frames.settimeout(0.2)
        while not self._ending.is_set():
            try:
                frame = self._frames.recv(65535)
            except TimeoutError:
                continue
            # IPv4 and UDP to the port of the traps
            header = 14 + (frame[14] & 0x0F) * 4 if len(frame) > 34 else 0
            is_udp = header and frame[12:14] == b"\x08\x00" and frame[23] == socket.IPPROTO_UDP
            if is_udp and frame[header + 2 : header + 4] == TRAP_PORT.to_bytes(2, "big"):
                seconds, micros = divmod(round(_now() * 1_000_000), 1_000_000)
                self.capture += struct.pack("<IIII", seconds, micros, len(frame), len(frame)) + frame

    def close(self) -> None:
        self._ending.set()
        for thread in self._threads:
            thread.join()
        self._datagrams.close()
        self._frames.close()


class _Polls:
    """Asks every node once a second for its `crm_mon`, as long as it is on."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster, self._ending, self._lock = cluster, threading.Event(), threading.Lock()
        self._answers: list[tuple[dict[str, Any], str]] = []
        self._threads = [threading.Thread(target=self._ask, args=(node,), daemon=True) for node in cluster.nodes]
        for thread in self._threads:
            thread.start()

    def _ask(self, node: str) -> None:
        while not self._ending.wait(1.0):
            if not self._cluster.is_on(node):
                continue
            begun = _now()
            done = run(*self._cluster.way_to(node), "timeout", "10", *CRM_MON, check=False, seconds=15)
            if not self._cluster.is_on(node):
                continue  # it died meanwhile: no answer came
            row: dict[str, Any] = {"t": round(begun, 3), "took": round(_now() - begun, 3), "node": node, "rc": done.returncode}
            good = done.returncode == 0 and done.stdout.lstrip().startswith("<")
            if not good:
                row |= {"stdout": done.stdout[-1500:], "stderr": done.stderr[-300:]}
            with self._lock:
                self._answers.append((row, done.stdout if good else ""))

    def close(self) -> tuple[list[dict[str, Any]], dict[str, str]]:
        """The rows of the index, and the files that they name."""
        self._ending.set()
        for thread in self._threads:
            thread.join()
        names: dict[str, str] = {}
        files: dict[str, str] = {}
        rows = []
        for row, text in sorted(self._answers, key=lambda answer: float(answer[0]["t"])):
            if text:
                name = names.setdefault(_OF_THE_MOMENT.sub("", text), f"s{len(names):03d}.xml")
                files.setdefault(name, text)
                row["file"] = name
            rows.append(row)
        return rows, files


def expected(happening: Happening, at: Roles, events: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """What tests/truth.py is to hold against an answer. Raises NotRecorded."""
    wanted = happening.expected
    moved_before = wanted.kind == "service_down" and wanted.also == {"failover"}
    if wanted.kind not in CLASSIFICATIONS or (wanted.also and not moved_before):
        raise NotRecorded(f"{happening.name} is {wanted.kind} beside {sorted(wanted.also)}: tests/truth.py has no word for it")
    moved = wanted.to_node is not None
    node = at.standby if wanted.kind == "standby_fault" else at.active
    injected = [event["resource"] for event in events if event["action"] == "inject"]
    found: dict[str, Any] = {
        "classification": "fencing_failure" if "fencing_failed" in wanted.parts else CLASSIFICATIONS[wanted.kind],
        "also": sorted(
            {ALSO[part] for part in wanted.parts if part in ALSO} | ({"failover"} if "fencing_failed" in wanted.parts else set())
        ),
        "active_before": at.active,
        "active_after": None if wanted.kind == "service_down" else at.of(wanted.to_node) if moved else at.active,
        "node": node,
        "fenced": [at.of(wanted.fenced)] if wanted.fenced in (ACTIVE, STANDBY) else [],
    }
    return found | ({"resource": injected[0]} if injected else {})


def record(cluster: Noting, happening: Happening, folder: Path) -> Mapping[str, Any]:
    """Let it happen and write the recording; the truth. The cluster must be whole, and this thread in the network of its monitor host."""
    at = roles(cluster)
    offsets = {(node, name): _size(cluster.disk(node) / path) for node in cluster.nodes for name, path in LOGS.items()}
    asked = len(cluster.power.asked)
    status = cluster.status()
    assert status is not None
    dc = status.find(".//current_dc")
    traps, polls = _Traps(), _Polls(cluster)
    begun = _now()
    cluster.events.clear()
    time.sleep(LEAD_SECONDS)
    cluster.is_noting = True
    try:
        happening.injure(cluster, at)
    finally:
        cluster.is_noting = False
    time.sleep(REST_SECONDS)
    last = cluster.status()
    rows, files = polls.close()
    traps.close()
    ended = _now()
    folder.mkdir(parents=True)
    lines: dict[str, int] = {}
    for node in cluster.nodes:
        (folder / node).mkdir()
        for name, path in LOGS.items():
            with (cluster.disk(node) / path).open("rb") as log:
                log.seek(offsets[node, name])
                data = log.read()
            if name == "ha-log":
                lines[f"ha-log {node}"] = data.count(b"\n")
            if data:
                _write(folder / node / f"{name}.gz", data)
    (folder / "monitor").mkdir()
    _write(folder / "monitor/traps.jsonl.gz", "".join(f"{row}\n" for row in traps.rows).encode())
    _write(folder / "monitor/traps.pcap.gz", bytes(traps.capture))
    _pack(folder / "snap.tar.xz", {"index.jsonl": "".join(f"{json.dumps(row)}\n" for row in rows), **files})
    members = list(at.members)
    truth = {
        "scenario": happening.name,
        "run": happening.name,
        "title": happening.title,
        "nodes": list(cluster.nodes),
        "profile": cluster.settings.pattern.value,
        "options": {},
        **_versions(),
        "timezone": "UTC",
        "crm_mon": " ".join(CRM_MON),
        "events": list(cluster.events),
        "expected": expected(happening, at, cluster.events),
        "active_before": at.active,
        "dc_before": dc.get("name") if dc is not None else None,
        "group": at.service,
        "members": members,
        "ping": PING,
        "promotable": PROMOTABLE,
        "window": {"start": begun, "start_iso": _iso(begun), "end": ended, "end_iso": _iso(ended)},
        "final": {name: cluster.holders(name, last) for name in (*members, PROMOTABLE)},
        "counts": {
            "snapshots": len(files),
            "polls": len(rows),
            "traps": len(traps.rows),
            "fencing_requests": sum(action in ("reboot", "off") for action, _ in cluster.power.asked[asked:]),
            **lines,
        },
    }
    (folder / "truth.json").write_text(f"{json.dumps(truth, indent=1)}\n", encoding="utf-8")
    return truth


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _write(path: Path, data: bytes) -> None:
    path.write_bytes(gzip.compress(data, 9, mtime=0))


def _pack(path: Path, files: Mapping[str, str]) -> None:
    with tarfile.open(path, "w:xz") as packed:
        for name, text in files.items():
            data = text.encode()
            member = tarfile.TarInfo(f"snap/{name}")
            member.size, member.mode = len(data), 0o644
            packed.addfile(member, io.BytesIO(data))


def _versions() -> dict[str, str]:
    about = ElementTree.fromstring(run("pacemakerd", "--features", "--output-as=xml").stdout).find(".//pacemakerd")
    corosync = re.search(r"version '([^']+)'", run("corosync", "-v").stdout)
    assert about is not None
    assert corosync is not None
    return {"pacemaker": str(about.get("version")), "corosync": corosync[1], "feature_set": str(about.get("feature_set"))}


def recording(scenarios: Iterable[Happening], folder: Path, say: Callable[[str], None] = print) -> None:
    """Make a cluster and record these one after the other, each in a folder of its own."""
    with ExitStack() as stack:
        home = stack.enter_context(tempfile.TemporaryDirectory(prefix="hamon-record-"))
        say("A cluster of two nodes starts ...")
        cluster = stack.enter_context(Noting(Path(home) / "rack"))
        stack.enter_context(entered(cluster.monitor))
        cluster.is_ready()
        for happening in scenarios:
            if not cluster.is_whole():
                cluster.repair()
            cluster.gather()
            time.sleep(REST_SECONDS)  # what was repaired is no part of what follows
            say(f"{happening.name}: {happening.title} ...")
            truth = record(cluster, happening, folder / happening.name)
            say(f"{folder / happening.name}: {json.dumps(truth['expected'])}")


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Record what a real cluster shows while something happens to it.")
    parser.add_argument("scenario", nargs="*", help="which; without one they are listed")
    parser.add_argument("--out", type=Path, default=Path("recordings"), help="folder for the recordings")
    given = parser.parse_args(arguments)
    if not given.scenario:
        print("\n".join(f"{one.name:32} {one.title}" for one in HAPPENINGS.values()))
        return 0
    if unknown := [name for name in given.scenario if name not in HAPPENINGS]:
        print(f"Unknown: {', '.join(unknown)}. `make record` without SCENARIO lists those that there are.", file=sys.stderr)
        return 2
    if (why := not_here()) is not None:
        print(why, file=sys.stderr)
        return 1
    wanted = [HAPPENINGS[name] for name in given.scenario]
    if there := [str(given.out / one.name) for one in wanted if (given.out / one.name).exists()]:
        print(f"There already, and left as it is: {', '.join(there)}", file=sys.stderr)
        return 1
    recording(wanted, given.out)
    return 0


if __name__ == "__main__":
    sys.exit(main())
