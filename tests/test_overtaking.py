"""Logs of one cluster that are read up to a second apart: whichever is the slower one, the same is told, and the same downtime."""

import gzip
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import cache
from itertools import chain
from pathlib import Path

import pytest

from hamon.classify.incidents import Engine
from hamon.classify.order import causal_order
from hamon.classify.stories import DEPARTURES
from hamon.classify.texts import LogMatcher
from hamon.model.event import Event
from hamon.model.incident import Incident
from hamon.model.observation import LogChunk, Tick
from tests.arrivals import SETTINGS
from tests.cases import rules

CORPUS = Path(__file__).parent / "corpus"
FOLDERS = sorted(chain((CORPUS / "recordings").iterdir(), (CORPUS / "further").iterdir()), key=lambda path: path.name)
BEHIND = tuple(timedelta(seconds=seconds) for seconds in (0.1, 0.3, 0.7, 1.0))
SAME = 0.1
"""Seconds that the stamps of several nodes for one thing are apart at most."""
BOTH_SIDES = "quorum_loss_nofence_3"
"""Nobody is fenced, and both sides of the split serve at once: which of them is the first is what the order of arrival tells."""
LATER = datetime(2026, 12, 1, tzinfo=UTC)
Essence = tuple[object, ...]


@cache
def events_of(folder: Path, log: str) -> Mapping[str, Sequence[Event]]:
    """What each node's log tells, by node."""
    found = {}
    for path in sorted(folder.glob(f"*/{log}.gz")):
        data = gzip.decompress(path.read_bytes())
        chunk = LogChunk(cluster="c", collector="s", path=str(path), data=data, offset=0, received_at=LATER)
        found[path.parent.name] = LogMatcher(rules()).scan(chunk).events
    return found


def departures(batches: Iterable[Sequence[Event]]) -> list[tuple[Essence, float | None]]:
    """What is said of services that left a node, and how long they were down."""
    engine, last = Engine(SETTINGS, own=rules().own), dict[str, Incident]()
    for batch in batches:
        last |= {step.incident.key: step.incident for step in engine.advance(batch).transitions}
    now = engine.state.now or LATER
    for minutes in range(1, 15):
        last |= {step.incident.key: step.incident for step in engine.advance([Tick(now=now + timedelta(minutes=minutes))]).transitions}
    found = [incident for incident in last.values() if incident.kind in DEPARTURES]
    found.sort(key=lambda incident: incident.started_at or incident.detected_at)
    return [((one.kind, one.outcome, one.planned, one.from_node, one.to_node), one.service_down_seconds) for one in found]


def is_same(one: Sequence[tuple[Essence, float | None]], other: Sequence[tuple[Essence, float | None]]) -> bool:
    return len(one) == len(other) and all(
        what == as_what and (down is None if length is None else down is not None and abs(down - length) <= SAME)
        for (what, down), (as_what, length) in zip(one, other, strict=True)
    )


@pytest.mark.parametrize("log", ["ha-log", "pacemaker.log"])
@pytest.mark.parametrize("folder", [folder for folder in FOLDERS if folder.name != BOTH_SIDES], ids=lambda folder: folder.name)
def test_whichever_node_is_read_up_to_a_second_later_the_same_is_told_and_the_same_downtime(folder: Path, log: str) -> None:
    logs = events_of(folder, log)
    expected = departures([list(causal_order([*map(list, logs.values())]))])
    for slow in logs:
        for behind in BEHIND:
            lines = [
                (event.at + behind if node == slow else event.at, node == slow, number, event)
                for node, events in logs.items()
                for number, event in enumerate(events)
            ]
            lines.sort(key=lambda line: line[:3])
            found = departures([event] for _, _, _, event in lines)
            assert is_same(found, expected), f"{slow} {behind}: {found}, in order {expected}"
