"""One truth: what is said of a recording does not change with the order, the copies, the gaps and the clocks of its evidence.

The evidence is altered as it gets altered on its way: nodes whose clocks differ, logs that are rotated, copied twice, mixed into one file,
or lost where another log of the node has the same. What an operator is told must stay: what, of whom, planned or not, from where to where,
and how it ended.
"""

import gzip
import json
import re
import tarfile
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from functools import cache
from itertools import groupby
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hamon.analyze import Options, analyze, to_json
from hamon.classify.order import put_in_order
from hamon.classify.texts import LogMatcher
from hamon.model.observation import LogChunk
from tests import accuracy
from tests.cases import rules
from tests.recordings import NAMES, WITNESSES, Answer, answer_from, answer_to, evidence, truth_of
from tests.truth import faults

STAMP = re.compile(rb"^([A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d)", re.MULTILINE)
LOGS = WITNESSES["both"]
SINGLE = [name for name in NAMES if truth_of(name)["expected"]["classification"] != "several"]
"""Recordings in which one thing was done: their phases are told apart by nothing but the recorder's clock."""
some = settings(max_examples=40, deadline=None)
recordings = st.sampled_from(SINGLE)


@cache
def log_of(path: Path) -> bytes:
    return gzip.decompress(path.read_bytes())


def essence(answer: Answer) -> Counter[tuple[object, ...]]:
    """What an operator is told of the main incidents: not when, but what."""
    return Counter(
        (
            item["kind"],
            item["planned"],
            item["outcome"],
            item["severity"],
            item["from_node"],
            item["to_node"],
            tuple(sorted(item["nodes"])),
            tuple(sorted(item["resources"])),
            tuple(sorted(item["fenced"])),
        )
        for item in answer["incidents"]
        if item["part_of"] is None and item["severity"] != "info"
    )


def answer_of(name: str, logs: Sequence[tuple[str, bytes]], year: int | None = None) -> Answer:
    """The answer to these logs, as files of these names in this order."""
    with TemporaryDirectory() as folder:
        paths = []
        for number, (node, data) in enumerate(logs):
            path = Path(folder) / f"{number:03}-{node}.log"
            path.write_bytes(data)
            paths.append(path)
        return answer_to(name, paths) if year is None else to_json(analyze(paths, rules(), Options(year=year)), "en")


def by_another_clock(data: bytes, seconds: int) -> bytes:
    """A log as its node writes it when its clock is this much ahead."""

    def moved(match: re.Match[bytes]) -> bytes:
        at = datetime.strptime(f"2026 {match[1].decode()} +0000", "%Y %b %d %H:%M:%S %z") + timedelta(seconds=seconds)
        return at.strftime("%b %d %H:%M:%S").encode()

    return STAMP.sub(moved, data)


@some
@given(recordings, st.integers(0, 1), st.integers(-15, 15), st.sampled_from(["ha-log", "both", "all"]))
def test_clocks_that_differ_by_seconds_change_nothing(name: str, which: int, seconds: int, witnesses: str) -> None:
    node = truth_of(name)["nodes"][which]
    with TemporaryDirectory() as folder:
        paths = []
        for number, path in enumerate(evidence(name, *WITNESSES[witnesses])):
            if path.parent.name == node:
                moved = Path(folder) / f"{number}.log"
                moved.write_bytes(by_another_clock(log_of(path), seconds))
                path = moved
            paths.append(path)
        answer = answer_to(name, paths)
    assert faults(truth_of(name), answer, sources={"log"} if witnesses != "all" else {"log", "trap", "poll"}) == []
    told = [error for item in answer["inputs"] for error in item["errors"]]
    assert all(" s ahead of that of " in error or " s behind that of " in error for error in told)
    assert not told or seconds != 0


@some
@given(recordings, st.data())
def test_logs_in_pieces_in_any_order_and_twice_change_nothing(name: str, data: st.DataObject) -> None:
    pieces = []
    for path in evidence(name, *LOGS):
        lines = log_of(path).splitlines(keepends=True)
        cuts = sorted(data.draw(st.lists(st.integers(0, len(lines)), max_size=3)))
        pieces += [
            (path.parent.name, b"".join(lines[begin:end]))
            for begin, end in zip([0, *cuts], [*cuts, len(lines)], strict=True)
            if begin < end
        ]
    again = data.draw(st.lists(st.sampled_from(pieces), max_size=2)) if pieces else []
    mixed = data.draw(st.permutations([*pieces, *again]))
    assert essence(answer_of(name, mixed)) == essence(answer_from(name, "both"))


@pytest.mark.parametrize("name", SINGLE)
def test_the_lines_of_all_nodes_in_one_file_say_the_same(name: str) -> None:
    logs = [log_of(path).splitlines(keepends=True) for path in evidence(name, "*/ha-log.gz")]
    merged = sorted((line for lines in logs for line in lines), key=lambda line: line[:15])
    assert essence(answer_of(name, [("all", b"".join(merged))])) == essence(answer_from(name, "ha-log"))


@some
@given(recordings, st.data())
def test_lines_that_one_of_two_witnesses_lost_change_nothing(name: str, data: st.DataObject) -> None:
    logs = []
    for path in evidence(name, *LOGS):
        lines = log_of(path).splitlines(keepends=True)
        if path.name == "ha-log.gz" and lines:
            begin = data.draw(st.integers(0, len(lines) - 1))
            del lines[begin : begin + data.draw(st.integers(1, 40))]
        logs.append((path.parent.name, b"".join(lines)))
    assert faults(truth_of(name), answer_of(name, logs)) == []


@pytest.mark.parametrize("name", SINGLE)
def test_hosts_with_their_domain_are_the_nodes_that_the_cluster_names_without(name: str) -> None:
    """Syslog writes the host in full, on the first node only; what the cluster says stays as it is."""
    nodes = truth_of(name)["nodes"]
    logs = []
    for path in evidence(name, "*/ha-log.gz", "*/corosync.log.gz"):
        data = log_of(path)
        if path.name == "ha-log.gz" and path.parent.name == nodes[0]:
            data = re.sub(rb"^(\w{3} [ \d]\d [\d:]{8} )(\w+) ", rb"\1\2.example.com ", data, flags=re.MULTILINE)
        logs.append((path.parent.name, data))
    answer = answer_of(name, logs)
    assert faults(truth_of(name), answer) == []
    named = {node for item in answer["incidents"] for node in item["nodes"]} | {
        node for event in answer["events"] for node in event["reported_by"]
    }
    assert len({node.partition(".")[0] for node in named}) == len(named), "a node has two names"
    assert {node for item in answer["incidents"] for node in item["nodes"]} <= set(nodes)


@pytest.mark.parametrize("name", SINGLE)
def test_hosts_without_their_domain_are_the_nodes_that_the_cluster_names_in_full(name: str) -> None:
    """The cluster says `pm01.example.com`, syslog `pm01`."""
    nodes = truth_of(name)["nodes"]
    words = re.compile(rb"(?<![\w./-])(" + "|".join(nodes).encode() + rb")(?![\w]|\.\w)")
    logs = []
    for path in evidence(name, "*/ha-log.gz"):
        lines = log_of(path).splitlines(keepends=True)
        logs.append((path.parent.name, b"".join(line[:21] + words.sub(rb"\1.example.com", line[21:]) for line in lines)))
    answer = answer_of(name, logs)
    spoken = {event["node"] for event in answer["events"]} - {None}
    assert not any(f"{node}.example.com" in spoken and node in spoken for node in nodes)
    found = [(item["kind"], item["planned"], item["outcome"]) for item in answer["incidents"] if item["part_of"] is None]
    plain = [
        (item["kind"], item["planned"], item["outcome"]) for item in answer_from(name, "ha-log")["incidents"] if item["part_of"] is None
    ]
    assert Counter(found) == Counter(plain)


# -- lines that something on the way mixed up within their second


def mixed_up(data: bytes, random: Random | None) -> bytes:
    """A syslog with the lines of each second in any order, as a relay leaves them, or in that of their letters, as `sort` does."""
    mixed: list[bytes] = []
    for _, second in groupby(data.splitlines(keepends=True), key=lambda line: line[:15]):
        lines = list(second)
        if random is None:
            lines.sort()
        else:
            random.shuffle(lines)
        mixed += lines
    return b"".join(mixed)


def syslogs(name: str) -> list[Path]:
    found = evidence(name, "*/ha-log.gz") if name in NAMES else sorted((accuracy.FURTHER / name).glob("*/ha-log.gz"))
    return [path for path in found if path.parent.name != "monitor"]


def faults_of(name: str, logs: Sequence[tuple[str, bytes]]) -> Sequence[str]:
    truth = truth_of(name) if name in NAMES else json.loads((accuracy.FURTHER / name / "truth.json").read_text(encoding="utf-8"))
    return faults(truth, answer_of(name, logs, int(truth["window"]["start_iso"][:4])))


ALL = [name for name in [*SINGLE, *accuracy.FURTHER_NAMES] if syslogs(name)]


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(ALL), st.integers(0, 1_000_000))
def test_lines_in_any_order_within_their_second_change_nothing(name: str, seed: int) -> None:
    random = Random(seed)
    assert faults_of(name, [(path.parent.name, mixed_up(log_of(path), random)) for path in syslogs(name)]) == []


@pytest.mark.parametrize("name", ALL)
def test_logs_that_were_sorted_by_their_letters_say_the_same(name: str) -> None:
    assert faults_of(name, [(path.parent.name, mixed_up(log_of(path), None)) for path in syslogs(name)]) == []


@pytest.mark.parametrize("name", ALL)
def test_the_order_in_which_a_log_was_written_is_kept(name: str) -> None:
    logs = [LogMatcher(rules()).scan(chunk_of(path)).events for path in syslogs(name)]
    assert put_in_order(logs) is logs


def chunk_of(path: Path) -> LogChunk:
    at = datetime(2026, 12, 1, tzinfo=UTC)
    return LogChunk(cluster="c", collector="c", path=path.name, data=log_of(path), offset=0, received_at=at)


# -- traps and polls that are lost, come twice or come late, beside the logs


@cache
def traps_of(name: str) -> list[dict[str, Any]]:
    (path,) = evidence(name, "monitor/traps.jsonl.gz")
    return [json.loads(line) for line in log_of(path).splitlines()]


@cache
def polls_of(name: str) -> tuple[list[dict[str, Any]], dict[str, bytes]]:
    """The index of the answers, and the answers."""
    (path,) = evidence(name, "snap.tar.xz")
    with tarfile.open(path) as tar:
        files = {member.name.rpartition("/")[2]: tar.extractfile(member) for member in tar.getmembers() if member.isfile()}
        found = {file: stream.read() for file, stream in files.items() if stream is not None}
    return [json.loads(line) for line in found.pop("index.jsonl").splitlines()], found


def holes(data: st.DataObject, count: int) -> set[int]:
    """Places of some that are lost: at most two gaps."""
    lost: set[int] = set()
    for _ in range(data.draw(st.integers(0, 2))):
        begin = data.draw(st.integers(0, max(0, count - 1)))
        lost |= set(range(begin, begin + data.draw(st.integers(1, 6))))
    return lost


@settings(max_examples=12, deadline=None)
@given(st.sampled_from([name for name in SINGLE if evidence(name, "monitor/traps.jsonl.gz") and evidence(name, "snap.tar.xz")]), st.data())
def test_traps_and_polls_that_are_lost_doubled_or_late_change_nothing_beside_whole_logs(name: str, data: st.DataObject) -> None:
    traps, (index, answers) = traps_of(name), polls_of(name)
    lost = holes(data, len(traps))
    kept = [dict(trap) for number, trap in enumerate(traps) if number not in lost]
    if kept:
        again = data.draw(st.lists(st.sampled_from(kept), max_size=5))
        late = data.draw(st.lists(st.sampled_from(kept), max_size=5))
        kept += [trap | {"t": trap["t"] + 0.5} for trap in again]
        for trap in late:
            trap["t"] += 2.0
    missing = holes(data, len(index))
    asked = [poll for number, poll in enumerate(index) if number not in missing]
    asked += data.draw(st.lists(st.sampled_from(asked), max_size=5)) if asked else []
    with TemporaryDirectory() as folder:
        monitor, snap = Path(folder) / "monitor", Path(folder) / "snap"
        monitor.mkdir()
        snap.mkdir()
        (monitor / "traps.jsonl").write_text("".join(json.dumps(trap) + "\n" for trap in sorted(kept, key=lambda trap: trap["t"])))
        for poll in (poll for poll in asked if "file" in poll):  # an answer that failed has none
            (snap / poll["file"]).write_bytes(answers[poll["file"]])
        (snap / "index.jsonl").write_text("".join(json.dumps(poll) + "\n" for poll in sorted(asked, key=lambda poll: poll["t"])))
        answer = answer_to(name, [*evidence(name, *LOGS), monitor / "traps.jsonl", snap])
    assert faults(truth_of(name), answer, sources={"log"}) == []
