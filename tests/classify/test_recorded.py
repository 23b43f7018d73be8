"""The log of one node alone, at level info: what the others did stands in it as the CIB recorded it (Pacemaker 2.1.5)."""

import gzip
import re
from collections import Counter
from datetime import UTC, datetime, timedelta
from operator import itemgetter
from pathlib import Path
from random import Random
from typing import Any

import pytest

from hamon.analyze import Options, analyze, to_json
from hamon.classify.incidents import Engine
from hamon.classify.settings import ClusterSettings
from hamon.classify.texts import LogMatcher
from hamon.model.event import Event
from hamon.model.observation import LogChunk
from tests.cases import rules
from tests.recordings import NAMES, RECORDINGS, answer_to, evidence, truth_of

# Of these one node's log holds all: both nodes live on. kind, planned
MOVES = {
    "failover_resource": ("failover", False),
    "failover_resource_first": ("failover", False),
    "monitor_timeout": ("failover", False),
    "ping_lost_active": ("failover", False),
    "kill_controld_active": ("failover", False),
    "switchover_move": ("switchover", True),
    "switchover_standby": ("switchover", True),
    "active_stop_start": ("switchover", True),
}
QUIET = [
    name
    for name in NAMES
    if truth_of(name)["expected"]["classification"] in ("none", "node_join", "maintenance", "planned_stop", "planned_standby")
]


def alone(name: str, node: str) -> list[dict[str, Any]]:
    log = RECORDINGS / name / node / "pacemaker.log.gz"
    if not log.exists():
        pytest.skip(f"the recording has no log of {node} of that name")
    return [incident for incident in answer_to(name, [log])["incidents"] if incident["part_of"] is None]


@pytest.mark.parametrize("node", ["pm01", "pm02"])
@pytest.mark.parametrize("name", sorted(MOVES))
def test_the_log_of_either_node_alone_tells_the_whole_move(name: str, node: str) -> None:
    truth = truth_of(name)["expected"]
    moves = [incident for incident in alone(name, node) if incident["kind"] in ("failover", "switchover")]
    wanted = (*MOVES[name], "succeeded", truth["active_before"], truth.get("active_after"))
    found = [tuple(incident[field] for field in ("kind", "planned", "outcome", "from_node", "to_node")) for incident in moves]
    assert found == [wanted]


@pytest.mark.parametrize("node", ["pm01", "pm02"])
@pytest.mark.parametrize("name", QUIET)
def test_the_log_of_either_node_alone_raises_nothing_where_nothing_failed(name: str, node: str) -> None:
    alarms = ("warning", "minor", "major", "critical")
    raised = [incident for incident in alone(name, node) if incident["planned"] is not True and incident["started_at"] is not None]
    assert [incident["kind"] for incident in raised if incident["severity"] in alarms] == []


def at_notice(name: str, node: str, later: timedelta, folder: Path) -> list[dict[str, Any]]:
    """What the node's syslog at notice tells alone, that goes on for a while."""
    lines = gzip.decompress((RECORDINGS / name / node / "ha-log.gz").read_bytes()).decode().splitlines()
    kept = [line for line in lines if re.search(r":\s+(?:info|debug):", line) is None]
    after = datetime.strptime(f"2026 {kept[-1][:15]}", "%Y %b %d %H:%M:%S") + later  # noqa: DTZ007 - written as it is read
    kept.append(f"{after:%b %d %H:%M:%S} {node} pacemaker-attrd[104]:  notice: Setting load[{node}] in instance_attributes: 1 -> 2")
    (folder / "messages").write_text("\n".join(kept) + "\n", encoding="utf-8")
    answer = to_json(analyze([folder / "messages"], rules(), Options(year=2026)), "en")
    return [incident for incident in answer["incidents"] if incident["part_of"] is None]


@pytest.mark.parametrize("name", ["failover_resource", "ping_lost_active"])
def test_what_left_a_node_is_not_called_down_where_only_that_node_is_read(name: str, tmp_path: Path) -> None:
    """The DC is the other node: it alone knows where the service went."""
    (left,) = at_notice(name, "pm01", timedelta(minutes=15), tmp_path)
    assert (left["kind"], left["planned"], left["outcome"], left["from_node"], left["to_node"]) == (
        "failover",
        False,
        "ongoing",
        "pm01",
        None,
    )


def test_what_an_orderly_stopped_dc_gave_away_is_known_to_have_arrived_where_only_its_log_is_read(tmp_path: Path) -> None:
    (left,) = at_notice("active_stop_start", "pm01", timedelta(minutes=15), tmp_path)
    assert (left["kind"], left["planned"], left["outcome"], left["severity"], left["from_node"], left["to_node"]) == (
        "switchover",
        True,
        "succeeded",  # the monitors that the DC has the other node begin tell it
        "info",
        "pm01",
        "pm02",
    )


@pytest.mark.parametrize(("name", "node"), [("switchover_standby", "pm01"), ("failover_resource", "pm02"), ("active_stop_start", "pm02")])
def test_the_dc_at_notice_tells_how_a_move_ended(name: str, node: str, tmp_path: Path) -> None:
    moves = [incident for incident in at_notice(name, node, timedelta(minutes=15), tmp_path) if incident["kind"] == "failover"]
    assert [move["outcome"] for move in moves] == ["succeeded"]


def behind_each_other(name: str, seed: str) -> Counter[tuple[object, ...]]:
    """What two logs give of which now the one, now the other is read later, by up to three seconds."""
    random, matcher = Random(seed), LogMatcher(rules())
    waiting: list[tuple[datetime, int, Event]] = []
    for path in evidence(name, "*/pacemaker.log.gz"):
        data = gzip.decompress(path.read_bytes())
        begin = datetime(2026, 11, 22, tzinfo=UTC)
        node = path.parent.name
        chunk = LogChunk(cluster="c", collector=node, path="/log", data=data, offset=0, received_at=begin, node=node)
        read = begin
        for event in matcher.scan(chunk).events:
            read = max(read, event.at + timedelta(seconds=random.choice((0, 0, 0, 3))))
            waiting.append((read, len(waiting), event))
    engine, told = Engine(ClusterSettings(name="c")), list[Event]()
    for _, _, event in sorted(waiting, key=itemgetter(0, 1)):
        told += engine.advance([event]).events
    records = (event for event in told if "/lrm_resource[" in event.raw)
    return Counter((event.at, event.kind, event.node, event.resource, event.reporter, event.ref) for event in records)


@pytest.mark.parametrize("name", ["failover_resource", "kill_attrd_active"])
def test_a_record_is_an_event_whichever_log_is_heard_first(name: str) -> None:
    expected = behind_each_other(name, "1")
    assert sum(expected.values()) > 7
    for seed in ("2", "3"):
        found = behind_each_other(name, seed)
        assert (expected - found, found - expected) == (Counter(), Counter())
