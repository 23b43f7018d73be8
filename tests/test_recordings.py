"""Whole recordings of a real cluster, analysed from their logs and polls, against what was done to the cluster."""

import gzip
import json
import re
from collections.abc import Iterator, Mapping
from itertools import pairwise
from pathlib import Path
from random import Random
from typing import Any

import pytest

from hamon.model.event import EventKind
from hamon.model.incident import IncidentKind, Outcome, Severity
from tests.recordings import NAMES, WITNESSES, Answer, answer_from, answer_to, evidence, sources_of, truth_of
from tests.truth import OBSERVED, brief, faults, mains, misdated, seconds

# Without these lines a syslog is one at priority notice.
INFO_LINE = re.compile(rb"^\S+\s+\d+ \S+ \S+ [^\s:]+:\s+(?:info|INFO): ")

every_recording = pytest.mark.parametrize("name", NAMES)
every_witness = pytest.mark.parametrize("witnesses", WITNESSES)


def test_all_recordings_are_here() -> None:
    assert len(NAMES) >= 33


@every_witness
@every_recording
def test_the_evidence_of_a_recording_tells_the_truth(name: str, witnesses: str) -> None:
    assert faults(truth_of(name), answer_from(name, witnesses), sources=sources_of(witnesses)) == []


SECOND = re.compile(r"^[A-Z][a-z]{2} [ \d]\d (\d\d:\d\d:\d\d) ")


@every_recording
def test_a_fact_has_the_finest_stamp_of_its_nodes_logs_and_none_is_moved_by_more_than_its_rounding(name: str) -> None:
    both, own = answer_from(name, "both"), answer_from(name, "own-logs")
    finest = {
        (event["kind"], event["node"], event["resource"], str(event["detail"]), *event["reported_by"][:1], event["at"][:19])
        for event in own["events"]
        if not event["at"].endswith(".000Z")
    }
    for event in both["events"]:
        known = (event["kind"], event["node"], event["resource"], str(event["detail"]), *event["reported_by"][:1], event["at"][:19])
        assert not event["at"].endswith(".000Z") or known not in finest, event
    for incident in both["incidents"]:
        times = [entry["at"] for entry in incident["timeline"] if not entry["at"].endswith(".000Z")]
        assert times == sorted(times)
        for entry in incident["timeline"]:
            written = SECOND.match(entry["raw"])
            assert written is None or entry["at"][11:19] == written[1], entry


@every_witness
@every_recording
def test_stories_begin_and_end_when_they_were_seen_to(name: str, witnesses: str) -> None:
    assert misdated(truth_of(name), answer_from(name, witnesses), sources=sources_of(witnesses)) == []


@every_recording
def test_the_judge_sees_a_wrong_time(name: str) -> None:
    """Of every incident that is judged by its times each is moved: back for longer than is allowed, and before what was done."""
    truth, answer = truth_of(name), answer_from(name, "both")
    judged = [incident for incident in mains(answer["incidents"]) if incident["kind"] in ("failover", "switchover", "service_down")]
    for incident in judged:
        begun = {**incident, "started_at": "2026-11-22T00:00:00.000Z"}
        assert misdated(truth, {**answer, "incidents": [begun]}, sources={"log"})
    if judged and any(event["action"].startswith(OBSERVED) for event in truth["events"]):
        late = [{**incident, "service_restored_at": "2026-11-22T23:59:59.000Z"} for incident in judged]
        assert misdated(truth, {**answer, "incidents": late}, sources={"log"})


@every_recording
def test_a_log_at_priority_notice_tells_the_truth_as_far_as_it_can(name: str, tmp_path: Path) -> None:
    wrong = faults(truth_of(name), answer_to(name, list(at_notice(name, tmp_path))), marks_are_missing=True)
    assert [fault for fault in wrong if not excused_at_notice(name, fault)] == []


def at_notice(name: str, folder: Path) -> Iterator[Path]:
    """The ha-logs of a recording as they are where Pacemaker logs at priority notice."""
    for path in evidence(name, "*/ha-log.gz"):
        lines = gzip.decompress(path.read_bytes()).splitlines(keepends=True)
        kept = [line for line in lines if not INFO_LINE.match(line)]
        assert len(kept) < len(lines) or not lines
        (folder / path.parent.name).write_bytes(b"".join(kept))
        yield folder / path.parent.name


def excused_at_notice(name: str, fault: str) -> bool:
    """Nothing at notice says which node serves where no service moves: the fault is told, but not that it is one of the standby."""
    if name in ("standby_clone_failure", "standby_crash", "standby_promotable_failure"):
        told = re.match(r"standby_fault: not one standby fault of (\w+), but (\[.*\])$", fault)
        return told is not None and all(f"({told[1]}, planned False" in item for item in json.loads(told[2].replace("'", '"')))
    if name == "fencing_timeout":
        return fault == "fencing_failure: nothing says standby_fault"
    # The dead controller's attributes come and go at info.
    return name == "kill_controld_active" and fault == "failover: nothing says attribute_change"


@every_recording
def test_the_log_of_one_node_is_never_read_as_the_opposite(name: str) -> None:
    truth = truth_of(name)
    happened = json.dumps([truth["expected"], truth.get("phases", [])])
    for node in truth["nodes"]:
        paths = evidence(name, f"{node}/ha-log.gz")
        if not paths or not gzip.decompress(paths[0].read_bytes()):
            continue
        for incident in answer_to(name, paths)["incidents"]:
            if incident["kind"] == "failover":
                assert incident["planned"] is not True, brief(incident)
                # A planned move whose mark another node's log holds may look like one, but is not called unplanned.
                failed = incident["outcome"] in ("failed", "ongoing") and "service_down" in happened
                assert "failover" in happened or failed or incident["planned"] is None, brief(incident)
                assert "failover" in happened or failed or "planned_switchover" in happened, brief(incident)
            if incident["kind"] == "switchover":
                assert "planned_switchover" in happened, brief(incident)
                assert incident["planned"] is True


# -- the form of the answer

TOP = {"cluster", "inputs", "incidents", "events"}
INPUT = {"path", "source", "form", "node", "records", "recognised", "unrecognised", "errors"}
INCIDENT = {
    "key",
    "kind",
    "planned",
    "outcome",
    "severity",
    "part_of",
    "nodes",
    "resources",
    "from_node",
    "to_node",
    "fenced",
    "started_at",
    "detected_at",
    "service_restored_at",
    "redundancy_restored_at",
    "resolved_at",
    "service_down_seconds",
    "cause",
    "sources",
    "timeline",
    "next_steps",
    "evidence",  # beside what is agreed: why it is held so
}
VERDICT = {"verdict", "text", "by", "polled_at"}
CAUSE = {"kind", "node", "resource", "at", "text"}
ENTRY = {"at", "node", "source", "event", "text", "raw"}
EVENT = {"at", "kind", "node", "resource", "detail", "sources", "reported_by"}
TIME = re.compile(r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$")


@every_witness
@every_recording
def test_an_answer_has_exactly_the_agreed_keys_and_words(name: str, witnesses: str) -> None:
    answer = json.loads(json.dumps(answer_from(name, witnesses), allow_nan=False))
    assert set(answer) == TOP
    for item in answer["inputs"]:
        assert set(item) == INPUT
        assert item["source"] in sources_of(witnesses)
        assert item["records"] == item["recognised"] + item["unrecognised"]
        assert item["errors"] == []
    for incident in answer["incidents"]:
        assert set(incident) == INCIDENT
        assert incident["kind"] in set(IncidentKind)
        assert incident["planned"] in (True, False, None)
        assert incident["outcome"] in set(Outcome)
        assert incident["severity"] in set(Severity)
        assert set(incident["sources"]) <= sources_of(witnesses)
        assert incident["sources"]
        assert incident["cause"] is None or set(incident["cause"]) == CAUSE
        assert all(
            set(entry) == ENTRY and entry["event"] in set(EventKind) and entry["text"] and entry["raw"] for entry in incident["timeline"]
        )
        assert all(isinstance(step, str) and step for step in incident["next_steps"])
        assert (incident["from_node"], incident["to_node"]) == (None, None) or incident["kind"] in (
            "failover",
            "switchover",
            "service_down",
        )
    for event in answer["events"]:
        assert set(event) == EVENT
        assert event["kind"] in set(EventKind)
        assert set(event["sources"]) <= sources_of(witnesses)
        assert event["sources"]
        # A trap names no sender; which node has an address, only those tell that are about its own operations.
        assert event["reported_by"] or event["sources"] == ["trap"]
        assert all(re.fullmatch(r"[a-z]+\d+", reporter) for reporter in event["reported_by"])


@every_witness
@every_recording
def test_every_verdict_names_what_decided_it(name: str, witnesses: str) -> None:
    for incident in answer_from(name, witnesses)["incidents"]:
        found = {item["verdict"]: item for item in incident["evidence"]}
        assert len(found) == len(incident["evidence"])
        for verdict, item in found.items():
            assert set(item) == VERDICT
            assert all(set(entry) == ENTRY and entry["raw"] and entry["source"] in sources_of(witnesses) for entry in item["by"])
            unseen = verdict in ("planned_unknown", "side_unknown", "under_way", "failed") or incident["started_at"] is None
            assert unseen or item["by"] or item["polled_at"], (brief(incident), verdict)
        if incident["kind"] in ("failover", "switchover", "service_down", "standby_fault"):
            word = {True: "planned", False: "unplanned", None: "planned_unknown"}[incident["planned"]]
            assert word in found, brief(incident)
            assert found.keys() & {"on_active", "on_standby"}, brief(incident)
        if incident["kind"] in ("failover", "switchover") and incident["outcome"] == "succeeded":
            assert {entry["node"] for entry in found["moved"]["by"]} <= {incident["to_node"]}
        if incident["kind"] == "local_recovery":
            assert "recovered_in_place" in found
        if incident["kind"] == "interconnect_degraded":
            assert "link_down" in found


@every_witness
@every_recording
def test_times_lie_in_the_window_of_the_recording_and_in_order(name: str, witnesses: str) -> None:
    answer, window = answer_from(name, witnesses), truth_of(name)["window"]
    for event in answer["events"]:
        assert TIME.match(event["at"])
        assert window["start"] - 1 <= (seconds(event["at"]) or 0) <= window["end"] + 1, event
    keys = [incident["key"] for incident in answer["incidents"]]
    assert len(keys) == len(set(keys))
    begins = [seconds(incident["started_at"]) for incident in answer["incidents"]]
    known = [begin for begin in begins if begin is not None]
    assert known == sorted(known)
    assert begins == [None] * (len(begins) - len(known)) + known
    for incident in answer["incidents"]:
        steps = [incident[key] for key in ("started_at", "detected_at", "resolved_at") if incident[key] is not None]
        assert all(TIME.match(step) for step in steps)
        assert steps == sorted(steps), brief(incident)
        for key in ("service_restored_at", "redundancy_restored_at"):
            assert incident[key] is None or incident["started_at"] is None or incident[key] >= incident["started_at"]
        assert all(seconds(step) <= window["end"] + 11 for step in steps)
        assert incident["service_down_seconds"] is None or 0 <= incident["service_down_seconds"] <= window["end"] - window["start"]


@every_witness
@every_recording
def test_a_timeline_is_in_causal_order(name: str, witnesses: str) -> None:
    for incident in answer_from(name, witnesses)["incidents"]:
        timeline = incident["timeline"]
        assert timeline or incident["started_at"] is None, brief(incident)
        assert all(one["at"] <= next_["at"] for one, next_ in pairwise(timeline))
        if incident["kind"] not in ("failover", "switchover") or incident["outcome"] != "succeeded":
            continue
        for resource in incident["resources"]:
            about = [(entry["event"], entry["node"]) for entry in timeline if f" {resource}" in entry["raw"]]
            left, arrived = ("resource_stopped", incident["from_node"]), ("resource_started", incident["to_node"])
            if left in about and arrived in about:
                assert about.index(left) < about.index(arrived), (brief(incident), resource)
        # A poll shows the reason of what traps told before.
        if incident["cause"] is not None and incident["cause"]["at"] is not None and witnesses != "traps and polls":
            assert incident["started_at"] <= incident["cause"]["at"] <= incident["service_restored_at"], brief(incident)
            first = next(number for number, entry in enumerate(timeline) if entry["event"] in ("resource_started", "resource_promoted"))
            before = [entry["raw"] for entry in timeline[:first]]
            text = incident["cause"]["text"]
            assert any(text in raw for raw in before), (brief(incident), text)


@every_recording
def test_the_order_of_the_inputs_does_not_matter(name: str) -> None:
    paths = evidence(name, *WITNESSES["all"])
    Random(name).shuffle(paths)

    def essence(answer: Answer) -> list[dict[str, Any]]:
        return [{key: value for key, value in incident.items() if key != "timeline"} for incident in answer["incidents"]]

    assert essence(answer_to(name, paths[::-1])) == essence(answer_to(name, paths)) == essence(answer_from(name, "all"))


@every_witness
@every_recording
def test_every_line_of_a_recording_has_a_known_form(name: str, witnesses: str) -> None:
    assert sum(item["unrecognised"] for item in answer_from(name, witnesses)["inputs"]) == 0


@every_recording
def test_grave_lines_without_a_rule_are_kept_and_come_only_from_what_was_killed_or_broken(name: str) -> None:
    kept = [event["detail"]["text"] for event in answer_from(name, "both")["events"] if event["kind"] == "unclassified"]
    assert not kept or name.startswith(("kill_", "fencing_failure")), kept
    assert kept or name not in ("kill_corosync_active", "fencing_failure"), "the voice of the fence agent and of dying daemons is lost"


ENDED = ("planned_switchover", "planned_stop", "resource_failure", "interconnect_fault")


@pytest.mark.parametrize("name", [name for name in NAMES if truth_of(name)["expected"]["classification"] in ENDED])
def test_a_story_that_ended_in_the_recording_is_resolved(name: str) -> None:
    assert [brief(item) for item in mains(answer_from(name, "both")["incidents"]) if is_open_fault(item)] == []


def is_open_fault(incident: Mapping[str, Any]) -> bool:
    return incident["resolved_at"] is None and incident["severity"] != "info"


# -- the judge itself


def spoiled(name: str) -> Iterator[tuple[str, Answer]]:
    """The right answer with one thing wrong at a time."""
    answer = answer_from(name, "both")
    for number, incident in enumerate(answer["incidents"]):
        others = [item for item in answer["incidents"] if item is not incident]

        def instead(*items: Mapping[str, Any], others: list[Any] = others) -> Answer:
            return {**answer, "incidents": [*others, *items]}

        recorded_only = incident["planned"] is True and incident["kind"] != "switchover"
        judged = incident["kind"] in ("failover", "switchover", "standby_fault", "interconnect_degraded") and not recorded_only
        if incident["part_of"] is None and judged:
            yield f"{number} missing", instead()
            yield f"{number} twice", instead(incident, {**incident, "key": "another"})
            yield f"{number} of another kind", instead({**incident, "kind": "cluster_started"})
        if incident["kind"] in ("failover", "switchover"):
            yield f"{number} planned the other way", instead({**incident, "planned": not incident["planned"]})
            yield f"{number} unknown whether planned", instead({**incident, "planned": None})
            yield f"{number} the other way round", instead({**incident, "from_node": incident["to_node"], "to_node": incident["from_node"]})
            for outcome in ("failed", "ongoing") if incident["outcome"] == "succeeded" else ("succeeded",):
                yield f"{number} {outcome}", instead({**incident, "outcome": outcome})
        if incident["part_of"] is not None:
            yield f"{number} of an unknown parent", instead({**incident, "part_of": "nobody"})
        if incident["part_of"] is not None and incident["severity"] != "info":
            yield f"{number} on its own", instead({**incident, "part_of": None})
        if incident["fenced"]:
            unfenced = [{**item, "fenced": []} for item in answer["incidents"]]
            yield f"{number} not fenced", {**answer, "incidents": unfenced}


ALARM = {
    "key": "more",
    "kind": "stop_failed",
    "planned": False,
    "severity": "critical",
    "part_of": None,
    "started_at": None,
    "nodes": ["pm01"],
    "from_node": None,
    "to_node": None,
    "outcome": "none",
    "fenced": [],
}


@every_recording
def test_the_judge_sees_every_wrong_answer(name: str) -> None:
    assert [what for what, answer in spoiled(name) if not faults(truth_of(name), answer)] == []
    answer = answer_from(name, "both")
    first = answer["events"][0]["at"] if answer["events"] else None
    alarmed = {**answer, "incidents": [*answer["incidents"], {**ALARM, "started_at": first, "detected_at": first}]}
    if first is not None:
        assert faults(truth_of(name), alarmed)
    if truth_of(name)["expected"].get("also"):
        assert faults(truth_of(name), {**answer, "incidents": [], "events": []})
