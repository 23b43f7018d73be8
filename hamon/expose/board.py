"""The exposition of many clusters, kept as bytes: of each metric, what each cluster has of it. What did not change is not written again."""

from collections.abc import Iterable, Iterator

from hamon.expose.text import Described, Rows, escape, lines


class Board:
    """The metrics of all clusters, with the cluster as first label. Not safe for several threads at once."""

    def __init__(self, described: Iterable[Described]) -> None:
        self._described = tuple(described)
        self._names = {one.name: _names(one) for one in self._described}
        self._written: dict[str, dict[str, bytes]] = {one.name: {} for one in self._described}

    def put(self, cluster: str, described: Iterable[Described], rows: Rows) -> None:
        """Write these metrics of a cluster anew; its others stay. One without a sample disappears."""
        first = f'cluster="{escape(cluster)}"'
        for one in described:
            written = b"".join([lines(name, rows[name], first=first) for name in self._names[one.name] if rows.get(name)])
            if written:
                self._written[one.name][cluster] = written
            else:
                self._written[one.name].pop(cluster, None)

    def drop(self, cluster: str) -> None:
        """Forget a cluster."""
        for by_cluster in self._written.values():
            by_cluster.pop(cluster, None)

    def chunks(self) -> Iterator[bytes]:
        """The exposition, one metric after the other."""
        for one in self._described:
            if by_cluster := self._written[one.name]:
                yield one.head
                yield b"".join(by_cluster.values())


def _names(one: Described) -> tuple[str, ...]:
    return (f"{one.name}_bucket", f"{one.name}_count", f"{one.name}_sum") if one.kind == "histogram" else (one.name,)
