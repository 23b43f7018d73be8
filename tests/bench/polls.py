"""Many clusters polled by one process: `python -m tests.bench.polls`. CPU of the process itself, from the question to the stored state.

The children are `cat` of recorded answers: what they cost is not hamon's and is told apart.
"""

import argparse
import asyncio
import itertools
import resource
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from prometheus_client import CollectorRegistry

from hamon.classify.settings import ClusterSettings
from hamon.clock import SystemClock
from hamon.collect.child import Lanes
from hamon.collect.crm_mon import CrmMon, CrmMonConfig
from hamon.metrics import Metrics
from hamon.model.observation import Observation, Snapshot
from hamon.pipeline import Processor
from hamon.rules.load import load_all
from hamon.store import migrate
from hamon.store.store import SqlStore
from tests import snapshots

TARGET = 0.25
"""Of a core, for 200 clusters polled every 30 s."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """Seconds of CPU for one poll, of the process and of its children; `late`: the longest time between two answers of one cluster."""

    polls: int
    own: float
    children: float
    late: float

    def of_a_core(self, clusters: int, interval: float) -> float:
        return self.own * clusters / interval


class _Counting:
    """The inbox of the processor, which also counts the polls and when they came."""

    def __init__(self, processor: Processor) -> None:
        self._processor = processor
        self.polls = 0
        self.late = 0.0
        self._last: dict[str, float] = {}

    async def put(self, observation: Observation, recorded: Callable[[], None] | None = None) -> None:
        if isinstance(observation, Snapshot):
            now = time.monotonic()
            self.polls += 1
            self.late = max(self.late, now - self._last.get(observation.cluster, now))
            self._last[observation.cluster] = now
        await self._processor.put(observation, recorded)

    def begin(self) -> None:
        self.polls, self.late = 0, 0.0


def _cpu(who: int) -> float:
    used = resource.getrusage(who)
    return used.ru_utime + used.ru_stime


async def measure(clusters: int, interval: float, seconds: float, *, changing: bool, recording: str = "chronicle") -> Cost:
    """Poll so many clusters for so long. `changing`: every answer shows another state than the one before."""
    answers = [answer for answer in snapshots.answers(recording).values() if b"<nodes>" in answer]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        url = f"sqlite:///{folder / 'bench.db'}"
        migrate.upgrade(url)
        store, lanes, clock = SqlStore(url), Lanes(), SystemClock()
        names = [f"c{number}" for number in range(clusters)]
        settings = {cluster: ClusterSettings(name=cluster) for cluster in names}
        processor = Processor(settings, load_all(), store, [], clock, Metrics(CollectorRegistry(), "bench"), recorded=lambda new: None)
        await processor.restore()
        for cluster in names:
            (folder / cluster).write_bytes(answers[0])
        collectors = [
            CrmMon(
                cluster,
                CrmMonConfig.model_validate(
                    {
                        "cluster": cluster,
                        "commands": {"n1": ("cat", str(folder / cluster))},
                        "interval_seconds": interval,
                        "quiet_interval_seconds": interval,
                    }
                ),
                clock,
                lanes=lanes,
            )
            for cluster in names
        ]
        inbox = _Counting(processor)
        tasks = [asyncio.create_task(processor.run())]
        for collector in collectors:
            tasks.append(asyncio.create_task(collector.run(inbox)))
            await asyncio.sleep(min(interval, seconds / 2) / clusters)  # spread, as they drift apart in time
        rounds = itertools.cycle(answers)

        async def change() -> None:
            while changing:
                answer = next(rounds)
                for cluster in names:
                    (folder / cluster).write_bytes(answer)
                    await asyncio.sleep(interval / 2 / clusters)

        tasks.append(asyncio.create_task(change()))
        inbox.begin()
        own, children = _cpu(resource.RUSAGE_SELF), _cpu(resource.RUSAGE_CHILDREN)
        await asyncio.sleep(seconds)
        own, children = _cpu(resource.RUSAGE_SELF) - own, _cpu(resource.RUSAGE_CHILDREN) - children
        polls, late = inbox.polls, inbox.late
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await store.close()
        await asyncio.to_thread(lanes.close)
    return Cost(polls=polls, own=own / max(polls, 1), children=children / max(polls, 1), late=late)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.polls", description=__doc__)
    parser.add_argument("--clusters", type=int, default=200)
    parser.add_argument("--interval", type=float, default=30.0)
    parser.add_argument("--seconds", type=float, default=90.0)
    options = parser.parse_args()
    for what, changing in (("nothing changes", False), ("every answer is new", True)):
        cost = asyncio.run(measure(options.clusters, options.interval, options.seconds, changing=changing))
        share = cost.own * cost.polls / options.seconds
        print(
            f"{options.clusters} clusters every {options.interval:g} s, {what}: {share:.3f} of a core ({cost.own * 1000:.1f} ms a poll, "
            f"{cost.polls} polls, children {cost.children * 1000:.1f} ms a poll, longest pause {cost.late:.1f} s); target {TARGET}"
        )


if __name__ == "__main__":
    main()
