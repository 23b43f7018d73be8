"""Logs that begin in the middle of a move, as after a rotation or where hamon is just started: what was before is not guessed."""

import gzip
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from random import Random
from typing import Any

import pytest

from tests.recordings import answer_to, evidence, truth_of, year_of

MOVES = (
    *("failover_resource", "failover_resource_first", "kill_controld_active", "kill_corosync_active", "standby_crash", "ping_lost_active"),
    *("switchover_move", "switchover_standby", "switchover_standby_db"),
)
"""In each a service moves, or a node is lost, and what served serves again at the end."""
Lines = dict[str, list[bytes]]
Answer = Mapping[str, Any]


@cache
def logs_of(name: str) -> Lines:
    paths = evidence(name, "*/ha-log.gz")
    return {path.parent.name: gzip.decompress(path.read_bytes()).splitlines(keepends=True) for path in paths}


def stamp(line: bytes, year: int) -> datetime:
    return datetime.strptime(f"{year} {line[:15].decode()} +0000", "%Y %b %d %H:%M:%S %z").astimezone(UTC)


def cuts(name: str) -> list[tuple[str, int]]:
    """Node and number of every second line of its log in the seconds in which something happens."""
    times = [datetime.fromisoformat(event["iso"]) for event in truth_of(name)["events"]]
    begin, end = min(times) - timedelta(seconds=1), max(times) + timedelta(seconds=3)
    year = year_of(name)
    found = []
    for node, lines in logs_of(name).items():
        found += [(node, number) for number, line in enumerate(lines) if begin <= stamp(line, year) <= end][::2]
    return found


def begun_at(name: str, node: str, number: int, others: str, folder: Path) -> Iterator[Path]:
    """The log of a node from that line on, and those of the other nodes: from that second on, whole, or none of them."""
    logs = logs_of(name)
    at = logs[node][number][:15]
    for other, lines in logs.items():
        kept = lines[number:] if other == node else [line for line in lines if line[:15] >= at] if others == "cut" else lines
        if kept and (other == node or others != "none"):
            (folder / other).write_bytes(b"".join(kept))
            yield folder / other


def ill_said(name: str, answer: Answer) -> list[str]:
    """What is said without ground: that a service that serves at the end is down, and that work was planned where something failed."""
    planned = name.startswith("switchover")
    wrong = []
    for incident in answer["incidents"]:
        text = f"{incident['kind']} planned={incident['planned']} {incident['outcome']} {incident['resources']}"
        if incident["part_of"] is None and (incident["kind"] == "service_down" or incident["outcome"] == "failed"):
            wrong.append(text)
        if incident["planned"] is not None and incident["planned"] is not planned and incident["kind"] in ("failover", "switchover"):
            wrong.append(text)
    return wrong


def looked_at(name: str, places: list[tuple[str, int]], others: str, folder: Path) -> list[str]:
    wrong = []
    for node, number in places:
        here = folder / f"{node}-{number}-{others}"
        here.mkdir()
        paths = list(begun_at(name, node, number, others, here))
        wrong += [f"{node} from line {number + 1}, others {others}: {text}" for text in ill_said(name, answer_to(name, paths))]
    return wrong


@pytest.mark.parametrize("others", ["cut", "none"])
@pytest.mark.parametrize("name", MOVES)
def test_a_log_that_begins_in_the_middle_of_a_move_tells_no_service_down_that_serves(name: str, others: str, tmp_path: Path) -> None:
    places = cuts(name)
    assert looked_at(name, Random(f"{name} {others}").sample(places, min(8, len(places))), others, tmp_path) == []


@pytest.mark.full
@pytest.mark.parametrize("others", ["cut", "none", "whole"])
@pytest.mark.parametrize("name", MOVES)
def test_wherever_a_log_begins_in_a_move_no_service_is_told_down_that_serves(name: str, others: str, tmp_path: Path) -> None:
    assert looked_at(name, cuts(name), others, tmp_path) == []
