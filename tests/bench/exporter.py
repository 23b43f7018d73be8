"""Scrapes: of one cluster, beside Debian's ha_cluster_exporter over the same commands, and of a thousand clusters.

`python -m tests.bench.exporter`. hamon serves from another process, as the exporter does; its scrapes go over the same kind of connection.
"""

import argparse
import asyncio
import gzip
import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import uvicorn
from prometheus_client import CollectorRegistry
from prometheus_client.parser import text_string_to_metric_families

from hamon.classify.settings import ClusterSettings
from hamon.clock import SystemClock
from hamon.expose.settings import MetricsConfig
from hamon.metrics import Metrics
from hamon.model.cluster import ClusterView, NodeState, NodeView, ServiceView, SourceView
from hamon.model.observation import Polled
from hamon.parse import crm_mon
from hamon.store import migrate
from hamon.store.store import SqlStore
from hamon.web.app import create
from hamon.web.settings import WebConfig
from tests import ha_cluster_exporter, snapshots
from tests.cib import SCENARIOS
from tests.ha_cluster_exporter import TOOLS, Outputs
from tests.metrics_sample import SampleViews

CLUSTERS = 1000


def recorded() -> Outputs:
    """What the tools of a recorded cluster of two nodes and ten resource instances print."""
    return Outputs(
        crm_mon=list(snapshots.answers("chronicle").values())[10],
        cib=(TOOLS / "pacemaker-2.1.5" / "cib.xml").read_bytes(),
        cfgtool=(TOOLS / "corosync-3.1.7" / "ok.cfgtool.txt").read_bytes(),
    )


def known(outputs: Outputs) -> Polled:
    found = ha_cluster_exporter.polled(outputs)
    assert found.snapshot is not None
    assert outputs.crm_mon is not None
    return replace(found, snapshot=replace(found.snapshot, digest=crm_mon.digest(outputs.crm_mon)))


def view(name: str) -> ClusterView:
    return ClusterView(
        name=name,
        title=name,
        nodes=(NodeView(name="pm01", state=NodeState.ONLINE), NodeView(name="pm02", state=NodeState.ONLINE)),
        services=(ServiceView(name="grpPg", resources=("prmPg",), active_node="pm01", up=True, able_to_take_over=("pm02",)),),
        dc="pm01",
        has_quorum=True,
    )


class _Living(SampleViews):
    """At each look every cluster was polled anew, and some have changed."""

    def __init__(self, count: int, changing: int, *, living: bool) -> None:
        names = [f"c{number:04d}" for number in range(count)]
        sources = [SourceView(collector=name, kind="crm_mon", cluster=name, path="pm01", up=True) for name in names]
        super().__init__([view(name) for name in names], sources)
        first = known(recorded())
        self.polls = {name: replace(first, cluster=name) for name in names}
        self._changing, self._living, self._looks = changing, living, 0

    def clusters(self) -> Sequence[ClusterView]:
        if self._living:
            self._looks += 1
            for number, (name, polled) in enumerate(self.polls.items()):
                assert polled.snapshot is not None
                at = polled.snapshot.received_at + timedelta(seconds=15)
                digest = f"changed {self._looks}" if number < self._changing else polled.snapshot.digest
                self.polls[name] = replace(polled, snapshot=replace(polled.snapshot, received_at=at, digest=digest))
        return super().clusters()


def serve(port: int, count: int, changing: int) -> None:
    """The metrics part of a gateway: its application and numbers, over clusters that are as they are."""

    async def run(folder: str) -> None:
        url = f"sqlite:///{folder}/bench.db"
        migrate.upgrade(url)
        clock = SystemClock()
        store = SqlStore(url, clock=clock)
        metrics = Metrics(CollectorRegistry(), "bench", MetricsConfig(ha_cluster=True))
        views = _Living(count, changing, living=count > 1)
        metrics.expect(clusters=list(views.polls))
        metrics.watch(views, {name: ClusterSettings(name=name) for name in views.polls})
        app = create(store, views, clock, WebConfig(), metrics.answer(store, asyncio.get_running_loop()), tuple)
        await uvicorn.Server(uvicorn.Config(app, port=port, log_config=None, access_log=False, lifespan="off")).serve()

    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(run(folder))


@contextmanager
def serving(count: int, changing: int = 0) -> Iterator[tuple[int, int]]:
    """Port and process id of a hamon of so many clusters."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    process = subprocess.Popen([sys.executable, "-m", "tests.bench.exporter", "--serve", str(port), str(count), str(changing)])
    try:
        until = time.monotonic() + 60
        while time.monotonic() < until:
            with socket.socket() as asking:
                if asking.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.05)
        yield port, process.pid
    finally:
        process.terminate()
        process.wait(30)


def scrape(port: int, path: str, *, compressed: bool = True) -> tuple[float, bytes]:
    """Seconds from the request to the last byte, and the body as it came."""
    encoding = "gzip" if compressed else "identity"
    began = time.perf_counter()
    with socket.create_connection(("127.0.0.1", port)) as connection:
        connection.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAccept-Encoding: {encoding}\r\n\r\n".encode())
        pieces = []
        while piece := connection.recv(1 << 20):
            pieces.append(piece)
    took = time.perf_counter() - began
    head, _, body = b"".join(pieces).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200"), head
    return took, _unchunked(body) if b"chunked" in head.lower() else body


def _unchunked(body: bytes) -> bytes:
    found, position = [], 0
    while size := int(body[position : (end := body.index(b"\r\n", position))], 16):
        found.append(body[end + 2 : end + 2 + size])
        position = end + 4 + size
    return b"".join(found)


def cpu_seconds(pid: int) -> float:
    """Of a process and of its children that have ended."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(") ")[2].split()
    return sum(int(field) for field in fields[11:15]) / os.sysconf("SC_CLK_TCK")


def measured(pid: int, scrapes: int, one: Callable[[], tuple[float, bytes]]) -> tuple[float, float, bytes]:
    """Median milliseconds and milliseconds of CPU for each scrape, and the last body."""
    for _ in range(3):
        _, body = one()
    began = cpu_seconds(pid)
    taken = []
    for _ in range(scrapes):
        seconds, body = one()
        taken.append(seconds * 1000)
    return statistics.median(taken), (cpu_seconds(pid) - began) * 1000 / scrapes, body


def of_one_cluster(scrapes: int, *, real: bool) -> dict[str, float]:
    """`real`: the exporter runs the installed crm_mon over a CIB, else every command only prints what was recorded."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with ha_cluster_exporter.running(folder) as exporter:
            exporter.prepare(recorded())
            if real:
                (folder / "cib.xml").write_text(str(SCENARIOS["one_plus_one"]()), encoding="utf-8")
                (folder / "crm_mon").write_text(f"#!/bin/sh\nCIB_file={folder / 'cib.xml'} exec crm_mon -1 --output-as=xml -r\n")
                (folder / "cib").write_text(f"#!/bin/sh\nCIB_file={folder / 'cib.xml'} exec cibadmin -Q\n")
            theirs, their_cpu, body = measured(exporter.pid, scrapes, lambda: scrape(exporter.port, "/metrics"))
            assert b"ha_cluster_pacemaker_nodes" in gzip.decompress(body)
    with serving(1) as (port, pid):
        ours, our_cpu, body = measured(pid, scrapes * 10, lambda: scrape(port, "/metrics/ha_cluster?cluster=c0000"))
        assert b"ha_cluster_pacemaker_nodes" in gzip.decompress(body)
    return {"theirs": theirs, "their_cpu": their_cpu, "ours": ours, "our_cpu": our_cpu}


def of_many_clusters(scrapes: int, changing: int = 10) -> dict[str, float]:
    with serving(CLUSTERS, changing) as (port, pid):
        first, _ = scrape(port, "/metrics")
        packed, packed_cpu, body = measured(pid, scrapes, lambda: scrape(port, "/metrics"))
        plain, plain_cpu, whole = measured(pid, scrapes, lambda: scrape(port, "/metrics", compressed=False))
        memory = next(
            int(row.split()[1]) / 1024
            for row in Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines()
            if row.startswith("VmRSS")
        )
    series = sum(1 for line in gzip.decompress(body).splitlines() if not line.startswith(b"#"))
    families = list(text_string_to_metric_families(whole.decode()))
    assert len({family.name for family in families}) == len(families), "each metric stands in one place"
    return {
        "series": series,
        "first": first * 1000,
        "packed": packed,
        "packed_cpu": packed_cpu,
        "plain": plain,
        "plain_cpu": plain_cpu,
        "packed_mb": len(body) / 1e6,
        "plain_mb": len(whole) / 1e6,
        "memory": memory,
    }


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.exporter", description=__doc__)
    parser.add_argument("--serve", nargs=3, type=int, metavar=("PORT", "CLUSTERS", "CHANGING"), help=argparse.SUPPRESS)
    parser.add_argument("--scrapes", type=int, default=30, help="of the exporter, and of many clusters (default 30)")
    parser.add_argument("--json", action="store_true", help="the figures alone")
    options = parser.parse_args(arguments)
    if options.serve:
        serve(*options.serve)
        return
    printing, real = of_one_cluster(options.scrapes, real=False), of_one_cluster(options.scrapes, real=True)
    many = of_many_clusters(options.scrapes)
    if options.json:
        print(json.dumps({"printing": printing, "real": real, "many": many}))
        return
    for what, one in (("commands that only print", printing), ("crm_mon and cibadmin run", real)):
        ratio, cpu = one["theirs"] / one["ours"], one["their_cpu"] / max(one["our_cpu"], 0.001)
        print(f"scrape of one cluster, {what}: hamon {one['ours']:.2f} ms, {one['our_cpu']:.2f} ms CPU")
        print(f"    ha_cluster_exporter {one['theirs']:.1f} ms, {one['their_cpu']:.1f} ms CPU: {ratio:.0f}x, CPU {cpu:.0f}x (target 20x)")
    print(
        f"scrape of {CLUSTERS} clusters, {many['series']:,.0f} series, all polled anew and 10 changed: gzip {many['packed']:.0f} ms, "
        f"{many['packed_cpu']:.0f} ms CPU, {many['packed_mb']:.1f} MB; plain {many['plain']:.0f} ms, {many['plain_cpu']:.0f} ms CPU, "
        f"{many['plain_mb']:.0f} MB; first {many['first']:.0f} ms; {many['memory']:.0f} MiB resident (target 300 ms)"
    )


if __name__ == "__main__":
    main()
