"""What the hot path costs, counted in function calls: that number is the same on any machine, however busy it is.

`make bench` measures time. This keeps a change that makes every line or every event cost much more from going unnoticed until then; the
limits leave room for what is worth it.
"""

import ctypes.util
import subprocess
import sys
from collections.abc import Callable
from dataclasses import fields, replace
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

from hamon.classify.incidents import Engine, _witness
from hamon.classify.match import Matcher
from hamon.classify.settings import ClusterSettings
from hamon.classify.traps import TrapMatcher
from hamon.model.event import Event
from hamon.model.observation import LogChunk
from hamon.parse.trap import decode
from hamon.store import records
from tests.bench import logs
from tests.bench.__main__ import Writer
from tests.bench.traps import bodies
from tests.cases import matcher, rules
from tests.snmp.messages import v2c
from tests.traps import as_trap

NOW = datetime(2026, 11, 25, 16, tzinfo=UTC)
LINES, ONE_IN = 10_000, 10
EVENTS = LINES // ONE_IN
TRAPS = 1000


def calls(work: Callable[[], object]) -> int:
    """How many functions, of Python and of C, are called by the work."""
    counted = 0

    def count(_frame: FrameType, what: str, _argument: object) -> None:
        nonlocal counted
        counted += what in ("call", "c_call")

    before = sys.getprofile()
    sys.setprofile(count)
    try:
        work()
    finally:
        sys.setprofile(before)
    return counted


def chunk(folder: Path, write: Writer) -> LogChunk:
    log = folder / "ha-log"
    write(log, LINES, ONE_IN, NOW)
    return LogChunk(cluster="c", collector="c", path="ha-log", data=log.read_bytes(), offset=0, received_at=NOW)


def judged(events: list[Event]) -> None:
    engine = Engine(ClusterSettings(name="c"))
    engine.silent_before = NOW
    engine.advance(events)


@pytest.mark.parametrize("write", [logs.write_ha_log, logs.write_logconv])
def test_a_line_and_an_event_take_a_bounded_number_of_calls(tmp_path: Path, write: Writer) -> None:
    given, fresh = chunk(tmp_path, write), Matcher(matcher().rules)
    fresh.scan(given)  # what the heads of lines mean is found out once
    events = fresh.scan(given).events
    assert len(events) == EVENTS
    matching = calls(lambda: fresh.scan(given)) / EVENTS
    judging = calls(lambda: judged(events)) / EVENTS
    storing = calls(lambda: records.event_rows(events)) / EVENTS
    assert matching < 28, "ten lines, of which one gives an event; to look for a literal is a call"
    assert judging < 80
    assert storing < 10


def test_a_trap_takes_a_bounded_number_of_calls() -> None:
    datagrams = [v2c(body) for body in bodies(TRAPS)]
    fresh = TrapMatcher(rules())
    fresh.scan([as_trap(datagram, NOW) for datagram in datagrams])  # what contents mean is found out once
    traps = [as_trap(datagram, NOW) for datagram in datagrams]
    events = fresh.scan(traps).events
    assert len(events) == TRAPS
    assert calls(lambda: [decode(datagram) for datagram in datagrams]) / TRAPS < 65
    assert calls(lambda: fresh.scan(traps)) / TRAPS < 16
    assert calls(lambda: judged(events)) / TRAPS < 75


def test_an_event_that_is_quickly_marked_as_a_witness_is_the_same_event() -> None:
    given: dict[str, Any] = {item.name: f"its {item.name}" for item in fields(Event)} | {
        "at": NOW,
        "received_at": NOW,
        "detail": {"rc": 7},
        "witness": False,
    }
    event = Event(**given)
    assert _witness(event) == replace(event, witness=True)


@pytest.mark.skipif(ctypes.util.find_library("sqlite3") is None, reason="no shared SQLite")
def test_sqlite_adds_up_no_memory_in_the_program() -> None:
    code = (
        "import ctypes; from hamon.__main__ import spare_locks; spare_locks(); import sqlite3;"
        "sqlite3.connect(':memory:').execute('CREATE TABLE t (a)');"
        "print(ctypes.CDLL('libsqlite3.so.0').sqlite3_memory_used())"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "0"
