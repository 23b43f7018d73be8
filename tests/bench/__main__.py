"""`make bench`: figure, peer in the same run, and ratio. CPU time, since wall time tells more of the machine than of the program.

Of several runs the best counts, for hamon and for its peer alike, taken in turn: what other programs do at the time makes both slower.
"""

import argparse
import asyncio
import os
import resource
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

from prometheus_client import CollectorRegistry

from hamon.__main__ import spare_memory
from hamon.app import settle_down
from hamon.classify.match import Matcher
from hamon.classify.routes import Target
from hamon.classify.settings import ClusterSettings
from hamon.clock import SystemClock
from hamon.collect.log_tail import LogTail, LogTailConfig
from hamon.errors import ParseError
from hamon.metrics import Metrics
from hamon.model.delivery import Delivery, Notification
from hamon.model.incident import Severity
from hamon.model.observation import LogChunk
from hamon.parse.lines import parse_line
from hamon.parse.stamp import Stamps
from hamon.pipeline import Deliverer, Outlet, Processor
from hamon.ports import Recording
from hamon.rules.load import load_all
from hamon.rules.schema import AGENT, RuleSet
from hamon.store import migrate
from hamon.store.store import SqlStore
from tests.bench import logs, traps

Writer = Callable[[Path, int, int, datetime], None]


def say(name: str, figure: str, peer: str = "", ratio: str = "", target: str = "") -> None:
    print(f"{name:<58} {figure:>22} {peer:>26} {ratio:>9}  {target}", flush=True)


class _Silent:
    """A notifier that only says when it was handed something, and about which resources."""

    def __init__(self) -> None:
        self.taken: asyncio.Queue[tuple[float, str]] = asyncio.Queue()

    async def send(self, notification: Notification) -> None:
        await self.taken.put((time.perf_counter(), ", ".join(notification.transition.incident.resources)))

    async def close(self) -> None:
        return


def _words(delivery: Delivery, target: Target) -> Notification:
    return Notification(id=delivery.id, transition=delivery.transition, language="en", subject=delivery.id, text="")


class _Store(SqlStore):
    """The store, which also says how far it has recorded what was read."""

    offset = 0

    async def record(self, recording: Recording) -> None:
        await super().record(recording)
        self.offset = max([self.offset, *(position.offset for position in recording.positions)])


class _Gateway:
    """Collector, processor, store and deliverer as the program has them, in this process."""

    def __init__(self, folder: Path, log: Path, rules: RuleSet, *, deliver: bool) -> None:
        state = folder / "state"  # not beside the log, whose folder is watched
        state.mkdir()
        url = f"sqlite:///{state / 'bench.db'}"
        migrate.upgrade(url)
        self.clock = SystemClock()
        self.store = _Store(url, clock=self.clock)
        self._deliver = deliver
        self.notifier = _Silent()
        target = Target(name="bench", min_severity=Severity.INFO)
        self.deliverer = Deliverer(self.store, {"bench": Outlet(target=target, notifier=self.notifier)}, _words, self.clock)
        settings = {"bench": ClusterSettings(name="bench")}
        metrics = Metrics(CollectorRegistry(), "bench")
        self.processor = Processor(settings, rules, self.store, [target], self.clock, metrics, recorded=self.deliverer.wake)
        self.tail = LogTail("bench", LogTailConfig(cluster="bench", paths=(str(log),)), self.clock, ())
        self._tasks: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> "_Gateway":
        await self.processor.restore()
        runs = [self.processor.run(), self.tail.run(self.processor)]
        if self._deliver:
            runs.append(self.deliverer.run())
        self._tasks = [asyncio.create_task(run) for run in runs]
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.store.close()

    async def has_read(self, size: int) -> None:
        """Wait until all of the file is recorded."""
        while self.store.offset < size:
            await asyncio.sleep(0.02)


def file_to_stored(write: Writer, lines: int, one_in: int, rules: RuleSet) -> float:
    """Lines per second of CPU from the file to the stored event, through the real collector, engine and SQLite."""

    async def run(folder: Path) -> float:
        log = folder / "messages"
        write(log, lines, one_in, datetime.now(UTC))  # noqa: TID251 - the machine's own log
        gateway = _Gateway(folder, log, rules, deliver=False)
        settle_down()  # as the program does it when all is built
        began = time.process_time()
        async with gateway:
            await gateway.has_read(log.stat().st_size)
            return lines / (time.process_time() - began)

    with tempfile.TemporaryDirectory() as folder:
        return asyncio.run(run(Path(folder)))


def plain_loop(write: Writer, lines: int, one_in: int, rules: RuleSet) -> float:
    """The peer: every rule of the set tried by `re.search` on every line, until one matches. Lines per second of CPU.

    What any resource agent says is told by a rule that fits every text: it is tried on lines of agents only, else all would end there.
    """
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "messages"
        write(log, lines, one_in, datetime.now(UTC))  # noqa: TID251 - the machine's own log
        stamps = Stamps("UTC", datetime.now(UTC))  # noqa: TID251 - the machine's own log
        agents = [rule.pattern for rule in rules.rules]
        others = [rule.pattern for rule in rules.rules if rule.daemon != AGENT]
        found = 0
        began = time.process_time()
        for line in log.read_text(encoding="utf-8").splitlines():
            try:
                parts = parse_line(line, stamps)
            except ParseError:
                continue
            text = parts.text
            for pattern in others if parts.instance is None else agents:
                if pattern.search(text):
                    found += 1
                    break
        return lines / (time.process_time() - began)


def matching_only(write: Writer, lines: int, one_in: int, rules: RuleSet) -> float:
    """Lines per second of CPU of the matcher alone."""
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "messages"
        now = datetime.now(UTC)  # noqa: TID251 - the machine's own log
        write(log, lines, one_in, now)
        content, matcher, offset = log.read_bytes(), Matcher(rules), 0
        began = time.process_time()
        while offset < len(content):
            end = content.rfind(b"\n", offset, offset + 262144) + 1
            matcher.scan(LogChunk(cluster="c", collector="c", path="messages", data=content[offset:end], offset=offset, received_at=now))
            offset = end
        return lines / (time.process_time() - began)


def latency(samples: int, rules: RuleSet) -> tuple[float, float]:
    """Milliseconds from the write of the line that decides the kind to the notification handed over: median, 99th percentile."""

    async def run(folder: Path) -> list[float]:
        log = folder / "ha-log"
        log.touch()
        taken = []
        settle_down()
        async with _Gateway(folder, log, rules, deliver=True) as gateway:
            await asyncio.sleep(0.5)
            with log.open("a", buffering=1, encoding="utf-8") as stream:
                for number in range(samples):
                    now = datetime.now(UTC)  # noqa: TID251 - the machine's own log
                    head = f"{now:%b} {now.day:2d} {now:%H:%M:%S} n1 "
                    away, home = ("n1", "n2") if number % 2 == 0 else ("n2", "n1")
                    rsc = f"prm{number}"
                    stream.write(f"{head}pacemaker-controld[1]:  notice: Result of start operation for {rsc} on {away}: ok \n")
                    stream.write(f"{head}pacemaker-controld[1]:  notice: Result of monitor operation for {rsc} on {away}: error \n")
                    stream.write(f"{head}pacemaker-schedulerd[1]:  notice: Actions: Move       {rsc}     ( {away} -> {home} )\n")
                    stream.write(f"{head}pacemaker-schedulerd[1]:  notice: Calculated transition {number}, saving inputs in x\n")
                    await asyncio.sleep(0.05)
                    began = time.perf_counter()
                    stream.write(f"{head}pacemaker-controld[1]:  notice: Initiating stop operation {rsc}_stop_0 on {away} \n")
                    async with asyncio.timeout(30):
                        while (told := await gateway.notifier.taken.get())[1] != rsc:
                            pass  # on a busy machine the end of the one before may be told late
                    taken.append((told[0] - began) * 1000)
                    stream.write(f"{head}pacemaker-controld[1]:  notice: Result of stop operation for {rsc} on {away}: ok \n")
                    stream.write(f"{head}pacemaker-controld[1]:  notice: Result of start operation for {rsc} on {home}: ok \n")
                    stream.write(f"{head}pacemaker-attrd[1]:  notice: Setting fail-count-{rsc}#monitor_10000[{away}]: 1 -> (unset) \n")
                    await asyncio.sleep(0.15)
                    while not gateway.notifier.taken.empty():
                        gateway.notifier.taken.get_nowait()
        return taken

    with tempfile.TemporaryDirectory() as folder:
        taken = sorted(asyncio.run(run(Path(folder))))
    return statistics.median(taken), taken[min(len(taken) - 1, int(len(taken) * 0.99))]


def program(lines: int) -> tuple[float, float]:
    """Seconds from start to ready, and MiB of resident memory after a million lines, of the real program."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        log = folder / "ha-log"
        logs.write_ha_log(log, lines, 50, datetime.now(UTC))  # noqa: TID251 - the machine's own log
        config = folder / "hamon.toml"
        config.write_text(
            f'[web]\nlisten = "127.0.0.1:18479"\n[cluster.bench]\n[collect.log_tail.bench]\ncluster = "bench"\npaths = ["{log}"]\n',
            encoding="utf-8",
        )
        began = time.perf_counter()
        process = subprocess.Popen(
            [sys.executable, "-m", "hamon", "run", "--config", str(config)],
            env=os.environ | {"STATE_DIRECTORY": str(folder / "state")},
            stderr=subprocess.DEVNULL,
        )
        try:
            ready = asyncio.run(_ready("http://127.0.0.1:18479", began))
            asyncio.run(_all_read("http://127.0.0.1:18479", lines))
            memory = next(
                int(row.split()[1]) / 1024
                for row in Path(f"/proc/{process.pid}/status").read_text(encoding="ascii").splitlines()
                if row.startswith("VmRSS")
            )
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(10)
    return ready, memory


async def _ready(base: str, began: float) -> float:
    import httpx

    async with httpx.AsyncClient() as client, asyncio.timeout(60):
        while True:
            try:
                if (await client.get(f"{base}/readyz")).status_code == 200:
                    return time.perf_counter() - began
            except httpx.TransportError:
                pass
            await asyncio.sleep(0.01)


async def _all_read(base: str, lines: int) -> None:
    import httpx

    async with httpx.AsyncClient() as client, asyncio.timeout(600):
        while True:
            sources = (await client.get(f"{base}/api/v1/sources")).json()["sources"]
            if sum(source["lines_read"] for source in sources) >= lines:
                return
            await asyncio.sleep(0.2)


def trap_figures(count: int, repeats: int) -> None:
    """The best of some short runs counts for CPU time; of the long run and the burst, what was lost."""
    say("traps", "hamon", "snmptrapd to a file", "ratio", "target")
    mine = min((traps.gateway(50_000, 5000) for _ in range(repeats)), key=lambda result: result.cpu_per_trap)
    peer = min((traps.beside(50_000, 5000) for _ in range(repeats)), key=lambda result: result.cpu_per_trap)
    ratio = f"{peer.cpu_per_trap / mine.cpu_per_trap:.1f}x"
    say("v2c trap, socket to committed row, 5,000/s", str(mine), str(peer), ratio, "less than snmptrapd")
    long = traps.gateway(count, 10_000)
    say(f"{count:,} traps at 10,000/s", str(long), str(traps.beside(count, 10_000)), target="none lost")
    # A buffer that holds the burst; snmptrapd gets what net.core.rmem_max allows, hamon more where it may ask for it (root).
    burst = traps.gateway(20_000, 0, buffer=32 * 1024 * 1024)
    say("20,000 traps at once", str(burst), str(traps.beside(20_000, 0)), target="none lost")
    asked = traps.gateway(100_000, 10_000, pages=True)
    say("the overview meanwhile, 95th percentile", f"{asked.page_p95:.0f} ms", target="100 ms")
    secured = traps.gateway(20_000, 2000, version="3")
    say("v3 authPriv traps at 2,000/s", f"{secured.cpu_per_trap:.0f} us CPU, {secured.sent - secured.stored} lost", target="400/s")


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("--lines", type=int, default=400_000, help="lines of each throughput file (default 400000)")
    parser.add_argument("--repeats", type=int, default=3, help="runs of each throughput figure, of which the best counts (default 3)")
    parser.add_argument("--million", type=int, default=1_000_000, help="lines for the memory figure (default 1000000)")
    parser.add_argument("--traps", type=int, default=600_000, help="traps at 10,000 a second; 0: none (default 600000)")
    parser.add_argument("--samples", type=int, default=100, help="notifications for the latency figure (default 100)")
    options = parser.parse_args(arguments)
    rules = load_all()
    spare_memory()  # as the program does it when it starts
    say("what", "hamon", "plain loop of re.search", "ratio", "target")
    for name, write, one_in, target in (
        ("ha-log, 1 line in 50 of interest, file to stored event", logs.write_ha_log, 50, "300,000/s, 8x"),
        ("ha-log, 1 line in 10 of interest, file to stored event", logs.write_ha_log, 10, "150,000/s, 8x"),
        ("pm_logconv, 1 line in 50 of interest, file to stored event", logs.write_logconv, 50, "300,000/s, 8x"),
        ("pm_logconv, 1 line in 10 of interest, file to stored event", logs.write_logconv, 10, "150,000/s, 8x"),
    ):
        mine = peer = 0.0
        for _ in range(options.repeats):
            mine = max(mine, file_to_stored(write, options.lines, one_in, rules))
            peer = max(peer, plain_loop(write, max(2000, options.lines // 40), one_in, rules))
        say(name, f"{mine:,.0f} lines/s CPU", f"{peer:,.0f} lines/s CPU", f"{mine / peer:.1f}x", target)
    alone = max(matching_only(logs.write_ha_log, options.lines, 50, rules) for _ in range(options.repeats))
    say("ha-log, 1 line in 50 of interest, matching alone", f"{alone:,.0f} lines/s CPU")
    median, late = latency(options.samples, rules)
    say("line written to notification handed over, median", f"{median:.1f} ms", target="20 ms")
    say("line written to notification handed over, 99th percentile", f"{late:.1f} ms", target="100 ms")
    if options.traps:
        trap_figures(options.traps, options.repeats)
    ready, memory = program(options.million)
    say("start to ready", f"{ready:.2f} s", target="1.5 s")
    say(f"resident memory after {options.million:,} lines", f"{memory:.0f} MiB", target="120 MiB")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"(this process: {peak:.0f} MiB at most; {os.cpu_count()} cores; load {os.getloadavg()[0]:.1f}; Python {sys.version.split()[0]})")


if __name__ == "__main__":
    main()
