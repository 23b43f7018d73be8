"""The log of one node alone, at level info: what the others did stands in it as the CIB recorded it (Pacemaker 2.1.5)."""

from typing import Any

import pytest

from tests.recordings import NAMES, RECORDINGS, answer_to, truth_of

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
