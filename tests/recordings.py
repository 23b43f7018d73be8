"""The recordings under `corpus/recordings`: what was done in each, and the answer to any choice of its witnesses."""

import json
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from hamon.analyze import Options, analyze, to_json
from tests.cases import rules

RECORDINGS = Path(__file__).parent / "corpus" / "recordings"
NAMES = sorted(path.name for path in RECORDINGS.iterdir())
WITNESSES = {
    "ha-log": ("*/ha-log.gz",),
    "own-logs": ("*/pacemaker.log.gz", "*/corosync.log.gz"),
    "both": ("*/ha-log.gz", "*/pacemaker.log.gz", "*/corosync.log.gz"),
    "polls": ("snap.tar.xz",),
    "traps": ("monitor/traps.jsonl.gz",),
    "capture": ("monitor/traps.pcap.gz",),
    "ha-log and traps": ("*/ha-log.gz", "monitor/traps.jsonl.gz"),
    "traps and polls": ("monitor/traps.jsonl.gz", "snap.tar.xz"),
    "ha-log and polls": ("*/ha-log.gz", "snap.tar.xz"),
    "logs and traps": ("*/ha-log.gz", "*/pacemaker.log.gz", "*/corosync.log.gz", "monitor/traps.jsonl.gz"),
    "logs and polls": ("*/ha-log.gz", "*/pacemaker.log.gz", "*/corosync.log.gz", "snap.tar.xz"),
    "all": ("*/ha-log.gz", "*/pacemaker.log.gz", "*/corosync.log.gz", "snap.tar.xz", "monitor/traps.jsonl.gz", "monitor/traps.pcap.gz"),
}
SOURCES = {
    "polls": {"poll"},
    "ha-log and polls": {"log", "poll"},
    "traps": {"trap"},
    "capture": {"trap"},
    "ha-log and traps": {"log", "trap"},
    "traps and polls": {"trap", "poll"},
    "logs and traps": {"log", "trap"},
    "logs and polls": {"log", "poll"},
    "all": {"log", "trap", "poll"},
}
Truth = Mapping[str, Any]
Answer = Mapping[str, Any]


@cache
def truth_of(name: str) -> Truth:
    truth: Truth = json.loads((RECORDINGS / name / "truth.json").read_text(encoding="utf-8"))
    return truth


def year_of(name: str) -> int:
    return int(truth_of(name)["window"]["start_iso"][:4])


def evidence(name: str, *patterns: str) -> list[Path]:
    return [path for pattern in patterns for path in sorted((RECORDINGS / name).glob(pattern))]


def answer_to(name: str, paths: Sequence[Path]) -> Answer:
    return to_json(analyze(paths, rules(), Options(year=year_of(name))), "en")


@cache
def answer_from(name: str, witnesses: str) -> Answer:
    return answer_to(name, evidence(name, *WITNESSES[witnesses]))


def sources_of(witnesses: str) -> set[str]:
    return SOURCES.get(witnesses, {"log"})
