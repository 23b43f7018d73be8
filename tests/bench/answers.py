"""Reading and comparing polled answers: `python -m tests.bench.answers`. The peer is ElementTree, which only builds the tree.

The large cluster needs the installed `crm_mon`, which prints it from a CIB.
"""

import gc
import os
import subprocess
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import cycle
from pathlib import Path
from xml.etree import ElementTree as ET

from hamon.classify.compare import Watch
from hamon.classify.services import find
from hamon.classify.settings import ClusterSettings
from hamon.model.cluster import ClusterStatus
from hamon.model.observation import Snapshot
from hamon.parse import crm_mon
from tests import snapshots
from tests.cib import large

AT = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
TARGETS = {"2 nodes, 10 resources": 1.5, "32 nodes, 500 resources": 50.0}


def documents() -> dict[str, bytes]:
    found = {"2 nodes, 10 resources": snapshots.answers("failover_resource")["s003.xml"]}
    with tempfile.TemporaryDirectory() as folder:
        cib = Path(folder) / "large.cib"
        cib.write_text(str(large()))
        environment = {**os.environ, "CIB_file": str(cib), "LC_ALL": "C.UTF-8", "TZ": "UTC"}
        command = ["crm_mon", "-1", "--output-as=xml", "-r", "-m3"]
        found["32 nodes, 500 resources"] = subprocess.run(command, env=environment, capture_output=True, check=True).stdout
    return found


def milliseconds(work: Callable[[], object], rounds: int) -> float:
    """CPU time of one round, the best of three series; the garbage collector runs as it does in the gateway."""
    best = float("inf")
    for _ in range(3):
        gc.collect()
        begun = time.process_time()
        for _ in range(rounds):
            work()
        best = min(best, (time.process_time() - begun) / rounds * 1000)
    return best


class Poller:
    """Polls whose answers differ: every other one shows the first failed action cleaned up, or a node gone from the list of attributes."""

    def __init__(self, document: bytes) -> None:
        changed = document.replace(b'fail-count="1"', b'fail-count="2"', 1)
        if changed == document:
            changed = document.replace(b'name="pingd" value="100"', b'name="pingd" value="0"', 1)
        assert changed != document
        self.answers = cycle((document, changed))
        self.watch = Watch(ClusterSettings(name="bench"))
        self.at = AT

    def poll(self) -> ClusterStatus:
        data = next(self.answers)
        self.at += timedelta(seconds=10)
        status = crm_mon.parse(data, at=self.at, reporter="n1")
        self.watch.see(
            Snapshot(cluster="bench", collector="bench", status=status, digest=crm_mon.digest(data), received_at=self.at, path="n1")
        )
        return status


def main() -> None:
    print(f"{'CPU per answer':<26} {'bytes':>8} {'tree':>9} {'digest':>9} {'parse':>9} {'+ compare':>10} {'services':>9} {'target':>9}")
    for name, document in documents().items():
        rounds = 200 if len(document) < 50_000 else 20
        poller = Poller(document)
        status = poller.poll()
        works: tuple[Callable[[], object], ...] = (
            partial(ET.fromstring, document),
            partial(crm_mon.digest, document),
            partial(crm_mon.parse, document, at=AT),
            poller.poll,
            partial(find, status),
        )
        figures = [milliseconds(work, rounds) for work in works]
        shown = " ".join(f"{figure:>9.2f}" for figure in figures[:3])
        print(f"{name:<26} {len(document):>8} {shown} {figures[3]:>10.2f} {figures[4]:>9.2f} {TARGETS[name]:>6} ms", flush=True)


if __name__ == "__main__":
    main()
