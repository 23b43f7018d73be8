"""What is counted of each cluster, as it happens: counters and histograms, kept so that a scrape costs nothing for a quiet cluster.

The first label of each is the cluster. Safe to use from several threads.
"""

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from threading import Lock

from hamon.expose.text import Described, Rows, labels


class Tally:
    def __init__(self, described: Iterable[Described]) -> None:
        self._described = {one.name: one for one in described}
        self._counts: dict[str, dict[str, dict[str, float]]] = {}
        """Cluster -> metric -> labels -> value."""
        self._spreads: dict[str, dict[str, dict[str, list[float]]]] = {}
        """The same of histograms: number in each bucket (not cumulated), beyond the last one, and the sum of all values."""
        self._marks: dict[str, int] = {}
        self._lock = Lock()

    def add(self, name: str, cluster: str, values: Sequence[str] = (), amount: float = 1) -> None:
        """Count; an amount of 0 shows the series from the start."""
        with self._lock:
            samples = self._counts.setdefault(cluster, {}).setdefault(name, {})
            key = labels(self._described[name].labels[1:], values)
            if amount or key not in samples:
                samples[key] = samples.get(key, 0) + amount
                self._marks[cluster] = self._marks.get(cluster, 0) + 1

    def observe(self, name: str, cluster: str, values: Sequence[str], value: float | None) -> None:
        """Take one value into a histogram; None shows it from the start."""
        described = self._described[name]
        with self._lock:
            spreads = self._spreads.setdefault(cluster, {}).setdefault(name, {})
            spread = spreads.setdefault(labels(described.labels[1:], values), [0] * (len(described.buckets) + 2))
            if value is not None:
                spread[bisect_left(described.buckets, value)] += 1
                spread[-1] += value
            self._marks[cluster] = self._marks.get(cluster, 0) + 1

    def clusters(self) -> Sequence[str]:
        """Those of which something is counted."""
        return list(self._marks)

    def mark(self, cluster: str) -> int:
        """Changes with every change of what was counted of the cluster."""
        return self._marks.get(cluster, 0)

    def rows(self, cluster: str) -> Rows:
        """The samples of a cluster, without the label for it."""
        with self._lock:
            found: Rows = {name: dict(samples) for name, samples in self._counts.get(cluster, {}).items()}
            for name, spreads in self._spreads.get(cluster, {}).items():
                buckets = self._described[name].buckets
                for key, spread in spreads.items():
                    comma = f"{key}," if key else ""
                    total = 0.0
                    counted = found.setdefault(f"{name}_bucket", {})
                    for bound, number in zip((*map(str, buckets), "+Inf"), spread, strict=False):
                        total += number
                        counted[f'{comma}le="{bound}"'] = total
                    found.setdefault(f"{name}_count", {})[key] = total
                    found.setdefault(f"{name}_sum", {})[key] = spread[-1]
        return found
