"""The traps that a cluster would have sent, from its own logs: what Pacemaker writes where it runs the alert agents.

A recording that lacks traps can so be judged by traps too. Alerts of nodes and fencing come from the controller of every node, those of
resources from the executing node, those of attributes from one node. A test holds them against the traps of the recordings that have some.
"""

import gzip
import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path

from hamon.model.observation import Trap
from tests.traps import attribute, fencing, node_state, operation

_LINE = re.compile(
    r"^(?P<month>\w{3}) +(?P<day>\d+) (?P<time>[\d:.]+) (?P<host>\S+) (?P<daemon>[\w-]+)\s+\[\d+\] \(\w+\)\s+\w+: (?P<text>.*)$"
)
_RESULT = re.compile(
    r"^Result of (?P<operation>\w+) operation for (?P<resource>\S+) on (?P<node>\S+): (?P<result>[^|(]+?)"
    r"(?: after [^|(]+?)?(?: \((?P<reason>.*?)\))? \| (?P<how>.*)$"
)
_KEY = re.compile(r"\bkey=\S+_(?P<interval>\d+)\b")
_RC = re.compile(r"\brc=(?P<rc>-?\d+)\b")
_NODE = re.compile(r"^Node (?P<node>\S+) state is now (?P<state>lost|member)\b")
_PEER = re.compile(
    r"^Peer (?P<target>\S+) was(?P<negated> not)? terminated \((?P<action>\w+)\) by (?P<by>.+?) on behalf of "
    r"(?P<client>[^@]+)@(?P<origin>[^:]+): (?P<result>.*?) \| event=(?P<ref>\S+)"
)
_ATTRIBUTE = re.compile(r"^Setting (?P<name>\S+)\[(?P<node>\S+)\](?: in \S+)?: (?P<old>\S+) -> (?P<new>\S+)")
_RESULTS = {"ok": 0, "error": 1, "not installed": 5, "not configured": 6, "not running": 7, "promoted": 8, "promoted (failed)": 9}
_FENCING_RC = {"OK": 0, "Timed Out": -62, "Error": -61, "No fence device": -19}
MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


class Attributes:
    """The values that the writer writes: at each change those of all nodes. A deletion is never sent."""

    def __init__(self) -> None:
        self._values: dict[str, dict[str, str]] = {}
        self._seen: set[tuple[object, ...]] = set()

    def written(self, at: datetime, name: str, node: str, value: str) -> list[tuple[str, str]]:
        key = (at.replace(microsecond=0), name, node, value)
        if key in self._seen:
            return []
        self._seen.add(key)
        values = self._values.setdefault(name, {})
        values.pop(node, None)
        if value != "(unset)":
            values[node] = value
        return list(values.items())


def made(folder: Path, year: int = 2026) -> list[Trap]:
    """The traps of all nodes of a recording, in the order in which they would arrive."""
    traps: list[Trap] = []
    attributes = Attributes()
    for number, path in enumerate(sorted(folder.glob("*/pacemaker.log.gz"))):
        source = f"192.168.100.{101 + number}"
        for line in gzip.decompress(path.read_bytes()).decode().splitlines():
            if (found := _LINE.match(line)) is not None:
                traps += _alerts(found.groupdict(), year, source, attributes)
    return sorted(traps, key=lambda item: item.received_at)


def _alerts(line: Mapping[str, str], year: int, source: str, attributes: Attributes) -> Iterator[Trap]:
    hour, minute, second = line["time"].split(":")
    micro = round(float(second) % 1 * 1_000_000)
    month = MONTHS.index(line["month"]) + 1
    at = datetime(year, month, int(line["day"]), int(hour), int(minute), int(float(second)), micro, UTC)
    text = line["text"]
    if line["daemon"] == "pacemaker-attrd":
        if (told := _ATTRIBUTE.match(text)) is not None:
            for node, value in attributes.written(at, told["name"], told["node"], told["new"]):
                yield attribute(node, told["name"], value, at, source=source)
    elif line["daemon"] != "pacemaker-controld":
        return
    elif (told := _NODE.match(text)) is not None:
        yield node_state(told["node"], told["state"], at, source=source)
    elif (told := _PEER.match(text)) is not None:
        rc = _FENCING_RC.get(told["result"].partition(" (")[0], -201)
        yield fencing(
            told["target"],
            told["by"],
            at,
            result=told["result"],
            rc=rc,
            ref=told["ref"],
            client=told["client"],
            source=source,
        )
    elif (told := _RESULT.match(text)) is not None:
        yield from _operation(told, at, source)


def _operation(told: re.Match[str], at: datetime, source: str) -> Iterator[Trap]:
    name, result = told["operation"], told["result"]
    key, numbered = _KEY.search(told["how"]), _RC.search(told["how"])
    status = {"Timed Out": 2, "Cancelled": 1}.get(result, 0)
    rc = int(numbered["rc"]) if numbered is not None else _RESULTS.get(result, 1)
    if name == "probe" or (name == "monitor" and key is not None and key["interval"] == "0"):
        if rc == 7:
            return  # as expected
        yield operation(told["resource"], "monitor", told["node"], at, rc=rc, status=status, expected=7, text=result, source=source)
        return
    if status == 1 or (name == "monitor" and status == 0 and rc in (0, 8)):
        return  # the agent leaves out what is cancelled, and monitors that are good
    yield operation(told["resource"], name, told["node"], at, rc=rc, status=status, text=result, source=source)
