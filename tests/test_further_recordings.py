"""Recordings made later, of happenings and of three nodes that the first ones do not have, against what was done to the cluster."""

import json
from pathlib import Path

import pytest

from hamon.analyze import Options, analyze, to_json
from hamon.model.observation import Source
from tests.cases import rules
from tests.truth import faults

FURTHER = Path(__file__).parent / "corpus" / "further"
WITNESSES = {
    "ha-log": ("*/ha-log.gz",),
    "own-logs": ("*/pacemaker.log.gz", "*/corosync.log.gz"),
    "both": ("*/ha-log.gz", "*/pacemaker.log.gz", "*/corosync.log.gz"),
}


@pytest.mark.parametrize("witnesses", WITNESSES)
@pytest.mark.parametrize("name", sorted(path.name for path in FURTHER.iterdir()))
def test_what_was_done_is_what_is_said(name: str, witnesses: str) -> None:
    truth = json.loads((FURTHER / name / "truth.json").read_text(encoding="utf-8"))
    paths = [path for pattern in WITNESSES[witnesses] for path in sorted((FURTHER / name).glob(pattern))]
    year = int(truth["window"]["start_iso"][:4])
    options = Options(sources=frozenset({Source.LOG}), year=year)
    answer = to_json(analyze(paths, rules(), options), "en")
    assert faults(truth, answer) == []
    for incident in answer["incidents"]:
        assert incident["planned"] is not True or incident["kind"] != "failover"
        assert incident["sources"] == ["log"] or incident["timeline"] == []


@pytest.mark.parametrize("witnesses", WITNESSES)
@pytest.mark.parametrize("name", ["active_crash", "split_standby_wins", "stop_failure"])
def test_a_service_is_not_protected_while_the_node_that_it_left_is_fenced(name: str, witnesses: str) -> None:
    paths = [path for pattern in WITNESSES[witnesses] for path in sorted((FURTHER / name).glob(pattern))]
    found = analyze(paths, rules(), Options(sources=frozenset({Source.LOG}), year=2026))
    main = next(incident for incident in found.incidents if incident.part_of is None and incident.from_node is not None)
    assert main.redundancy is False
    assert main.redundancy_restored_at is None
    assert main.reasons[0] == f"node_fenced {main.from_node}"
