"""The text format of Prometheus (0.0.4): what a metric is, and the lines of its samples.

The law: no text from outside breaks the exposition, and of one series there is one sample.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from math import inf, isnan

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


@dataclass(frozen=True, slots=True, kw_only=True)
class Described:
    """One metric as the README of /dashboards lists it. `kind` is counter, gauge or histogram; `buckets` those of a histogram."""

    name: str
    kind: str
    labels: tuple[str, ...]
    text: str
    buckets: tuple[float, ...] = ()

    @property
    def head(self) -> bytes:
        text = self.text.replace("\\", "\\\\").replace("\n", "\\n")
        return f"# HELP {self.name} {text}\n# TYPE {self.name} {self.kind}\n".encode()


def counter(name: str, text: str, *labels: str) -> Described:
    return Described(name=name, kind="counter", labels=labels, text=text)


def gauge(name: str, text: str, *labels: str) -> Described:
    return Described(name=name, kind="gauge", labels=labels, text=text)


def histogram(name: str, text: str, buckets: tuple[float, ...], *labels: str) -> Described:
    return Described(name=name, kind="histogram", labels=labels, text=text, buckets=buckets)


@lru_cache(maxsize=65536)
def escape(value: str) -> str:
    r"""The value of a label as it stands between its quotes; what is no UTF-8 (names of files may be none) is written out.

    >>> escape('a "b"')
    'a \\"b\\"'
    """
    if not value.isascii():
        value = value.encode("utf-8", "backslashreplace").decode()
    if "\\" in value or '"' in value or "\n" in value:
        value = value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return value


def labels(names: Iterable[str], values: Iterable[str]) -> str:
    """The labels of a sample in the order of their names, without the braces."""
    return ",".join([f'{name}="{escape(value)}"' for name, value in sorted(zip(names, values, strict=True))])


def number(value: float) -> str:
    """As Prometheus writes it; True is 1.

    >>> number(True), number(0.5), number(float("-inf")), number(1_795_345_877.0)
    ('1', '0.5', '-Inf', '1795345877')
    """
    if isinstance(value, int):
        return str(int(value))
    if isnan(value):
        return "NaN"
    if value in (inf, -inf):
        return "+Inf" if value > 0 else "-Inf"
    return str(int(value)) if value.is_integer() and abs(value) < 1e15 else repr(value)


Samples = dict[str, float]
"""Labels without braces (empty: none) -> value. A series that is given twice has the last value."""
Rows = dict[str, Samples]
"""Name of a metric -> its samples."""


def lines(name: str, samples: Mapping[str, float], *, first: str = "") -> bytes:
    """The samples of one metric. `first`: labels that come before those of each sample."""
    if not samples:
        return b""
    if first:
        return "".join(
            [
                f"{name}{{{first},{inner}}} {number(value)}\n" if inner else f"{name}{{{first}}} {number(value)}\n"
                for inner, value in samples.items()
            ]
        ).encode()
    return "".join(
        [f"{name}{{{inner}}} {number(value)}\n" if inner else f"{name} {number(value)}\n" for inner, value in samples.items()]
    ).encode()


def whole(described: Iterable[Described], rows: Mapping[str, Mapping[str, float]]) -> bytes:
    """The exposition of one source: every metric that has a sample, with its head."""

    def parts() -> Iterator[bytes]:
        for one in described:
            if samples := rows.get(one.name):
                yield one.head
                yield lines(one.name, samples)

    return b"".join(parts())
