"""Steps are ticked by the state, and by nothing else: every kind in its states, and the lives of recorded incidents."""

import json
import re
from dataclasses import replace
from datetime import UTC, timedelta
from functools import cache

import pytest
from hypothesis import given

from hamon import tell
from hamon.analyze import Options, analyze
from hamon.model.delivery import Notification
from hamon.model.event import EventKind
from hamon.model.incident import Cause, Incident, IncidentKind, IncidentState, Notice, Outcome, Severity, Tools, Transition
from hamon.model.observation import Source
from hamon.notify.webhook import body
from hamon.tell.commands import COMMANDS
from hamon.tell.words import keys, steps_of
from tests.cases import rules
from tests.recordings import RECORDINGS
from tests.tell.samples import FAILED, FAILOVER, ONGOING, STANDBY_FAULT, START, UNSEEN, entry, incidents


def ticks(incident: Incident, now: tuple[str, ...] | None = None) -> str:
    """One sign a step: `x` done, `.` not done, `?` only people can know."""
    shown = {
        language: "".join({True: "x", False: ".", None: "?"}[step.done] for step in tell.steps(incident, language, now))
        for language in tell.LANGUAGES
    }
    assert shown["en"] == shown["ja"]
    return shown["en"]


def over(incident: Incident, **changes: object) -> Incident:
    changes = {"amiss": (), **changes}
    ended: Incident = replace(incident, state=IncidentState.RESOLVED, resolved_at=START + timedelta(minutes=5), **changes)  # type: ignore[arg-type]
    return ended


def plain(kind: IncidentKind, *amiss: str, nodes: tuple[str, ...] = ("pm02",), **more: object) -> Incident:
    incident = Incident(
        key="k",
        cluster="web01",
        kind=kind,
        severity=Severity.MAJOR,
        state=IncidentState.OPEN,
        nodes=nodes,
        resources=("prmPg",),
        started_at=START,
        detected_at=START,
        amiss=amiss,
    )
    changed: Incident = replace(incident, **more)  # type: ignore[arg-type]
    return changed


LOST = Cause(kind="node_lost", node="pm01", at=START)
FENCED = replace(FAILOVER, cause=LOST, fenced=("pm01",), resources=("prmPg",))
BANNED = (entry(0, EventKind.MOVE_CONSTRAINT_SET, "pm01", constraint="cli-ban-grpPg-on-pm01"),)
MOVED = replace(FAILOVER, kind=IncidentKind.SWITCHOVER, planned=True, cause=None, timeline=BANNED)
STANDBY_ON = (entry(0, EventKind.STANDBY_ON, "pm02"),)

CASES: dict[str, tuple[Incident, str]] = {
    "failover under way": (replace(ONGOING, amiss=("fail_count_left pm01 prmPg",)), ".???.?.?"),
    "failover done, fail count left": (replace(FAILOVER, amiss=("fail_count_left pm01 prmPg",)), "???..?"),
    "failover done, cleaned up, not yet protected": (FAILOVER, "???x.?"),
    "failover among three nodes: a third protects, the one that failed cannot yet": (
        replace(FAILOVER, redundancy=True, amiss=("fail_count pm01 prmPg",)),
        "???..?",
    ),
    "failover among three nodes: all can take over": (replace(FAILOVER, redundancy=True), "???xx?"),
    "standby by work among three nodes": (
        over(replace(STANDBY_FAULT, planned=True, cause=None, fenced=(), timeline=STANDBY_ON), redundancy=True, amiss=("standby pm02",)),
        "?..",
    ),
    "failover over": (over(FAILOVER, redundancy=True), "????xx?"),
    "failover, node fenced": (replace(FENCED, amiss=("node_fenced pm01",)), "???...?"),
    "failover, node back with a replica that is not in sync": (replace(FENCED, amiss=("attribute pm01 prmPg-status",)), "???xx.?"),
    "failover of which nobody knows the cause": (replace(FAILOVER, cause=None), "????.?"),
    "failover by connectivity": (
        replace(FAILOVER, cause=Cause(kind="connectivity_degraded", node="pm01"), amiss=("attribute pm01 ping_set",)),
        "??..?",
    ),
    "failover by connectivity, good again": (replace(FAILOVER, cause=Cause(kind="connectivity_degraded", node="pm01")), "??x.?"),
    "failover that failed": (replace(FAILED, amiss=("fail_count pm01 prmPg", "resource_failed pm02 prmPg")), "???.?.?"),
    "failover of a node that another fault left": (replace(FENCED, amiss=("node_lost pm03",)), "???xx.?"),
    "switchover by ban": (replace(MOVED, amiss=("ban pm01 cli-ban-grpPg-on-pm01",)), "?.."),
    "switchover, ban removed": (replace(MOVED, redundancy=True, redundancy_restored_at=START), "?xx"),
    "service down": (replace(FAILED, kind=IncidentKind.SERVICE_DOWN, outcome=Outcome.NONE, amiss=("fail_count pm01 prmPg",)), "???.?.?"),
    "service up again": (
        over(replace(FAILED, kind=IncidentKind.SERVICE_DOWN), outcome=Outcome.SUCCEEDED, service_restored_at=START, redundancy=True),
        "????xx?x",
    ),
    "service stopped on purpose": (plain(IncidentKind.SERVICE_DOWN, planned=True), "?."),
    "service started again": (over(plain(IncidentKind.SERVICE_DOWN, planned=True), service_restored_at=START), "??x"),
    "standby lost": (replace(STANDBY_FAULT, amiss=("node_fenced pm02",)), ".?...."),
    "standby back, clone not yet": (replace(STANDBY_FAULT, amiss=("clone_missing pm02 prmPing",)), "x?xxx."),
    "standby over": (over(STANDBY_FAULT, redundancy=True), "?x?xxxx"),
    "standby by work": (
        replace(STANDBY_FAULT, planned=True, cause=None, fenced=(), timeline=STANDBY_ON, amiss=("standby pm02",)),
        "?..",
    ),
    "standby by work, over": (
        over(replace(STANDBY_FAULT, planned=True, cause=None, fenced=(), timeline=STANDBY_ON), redundancy=True),
        "?xx",
    ),
    "clone failed": (
        replace(
            STANDBY_FAULT, fenced=(), cause=Cause(kind="resource_failure", resource="prmPing"), amiss=("resource_failed pm02 prmPing",)
        ),
        "??..",
    ),
    "clone cleaned up": (replace(STANDBY_FAULT, fenced=(), cause=Cause(kind="resource_failure", resource="prmPing")), "??x."),
    "resource failed": (plain(IncidentKind.RESOURCE_FAILURE, "resource_failed pm02 prmPg"), "??.."),
    "resource recovered, fail count gone": (
        replace(over(plain(IncidentKind.LOCAL_RECOVERY), outcome=Outcome.SUCCEEDED), sources=(Source.POLL,)),
        "??xx",
    ),
    "resource recovered, nothing tells fail counts": (over(plain(IncidentKind.LOCAL_RECOVERY), outcome=Outcome.SUCCEEDED), "??x?"),
    "stop failed": (plain(IncidentKind.STOP_FAILED, "resource_failed pm02 prmPg"), "?.?.?"),
    "stop failed, fenced": (plain(IncidentKind.STOP_FAILED, fenced=("pm02",)), "?x.?"),
    "blocked": (plain(IncidentKind.RESOURCE_BLOCKED), "?.?.?"),
    "blocked, over": (over(plain(IncidentKind.RESOURCE_BLOCKED)), "?x?x?"),
    "unmanaged": (plain(IncidentKind.RESOURCE_UNMANAGED, planned=True), "?.?"),
    "managed": (over(plain(IncidentKind.RESOURCE_UNMANAGED)), "?x"),
    "node lost": (plain(IncidentKind.NODE_LOST, "node_lost pm02", planned=False), ".?...."),
    "node back": (over(plain(IncidentKind.NODE_LOST)), "?x?xxxx"),
    "replica alone": (plain(IncidentKind.REPLICATION_DEGRADED, "attribute pm02 prmPg-data-status"), ".???."),
    "replica in sync": (over(plain(IncidentKind.REPLICATION_DEGRADED)), "?x?xx"),
    "network unreachable": (plain(IncidentKind.CONNECTIVITY_DEGRADED, "attribute pm02 ping_set"), "???."),
    "network back": (over(plain(IncidentKind.CONNECTIVITY_DEGRADED)), "???x"),
    "disk": (plain(IncidentKind.DISK_DEGRADED, "attribute pm02 diskcheck_status"), "?.?"),
    "disk repaired": (over(plain(IncidentKind.DISK_DEGRADED)), "??x?"),
    "fence device": (plain(IncidentKind.FENCE_DEVICE_FAILED), "??."),
    "fence device repaired": (over(plain(IncidentKind.FENCE_DEVICE_FAILED)), "???x"),
    "fencing asked for": (plain(IncidentKind.FENCING), "??.."),
    "fenced": (plain(IncidentKind.FENCING, "node_fenced pm02", fenced=("pm02",)), "??.."),
    "fenced node back": (over(plain(IncidentKind.FENCING, fenced=("pm02",))), "??xx"),
    "fencing failed": (plain(IncidentKind.FENCING_FAILED, "node_lost pm02"), "?.?.?."),
    "fencing failed, then done": (over(plain(IncidentKind.FENCING_FAILED, fenced=("pm02",))), "?xx?x"),
    "link down": (plain(IncidentKind.INTERCONNECT_DEGRADED, nodes=("pm01", "pm02")), "??.?"),
    "link up": (over(plain(IncidentKind.INTERCONNECT_DEGRADED, nodes=("pm01", "pm02"))), "???x"),
    "threshold": (plain(IncidentKind.FAILCOUNT_THRESHOLD, "fail_count pm02 prmPg"), "?."),
    "threshold, cleared": (over(plain(IncidentKind.FAILCOUNT_THRESHOLD)), "??x"),
    "constraint left": (plain(IncidentKind.MOVE_CONSTRAINT_LEFT, "ban pm02 cli-ban-prmPg-on-pm02"), "?."),
    "constraint removed": (over(plain(IncidentKind.MOVE_CONSTRAINT_LEFT)), "?x"),
    "no quorum": (plain(IncidentKind.QUORUM_LOST, "no_quorum -"), "????.?"),
    "quorum": (over(plain(IncidentKind.QUORUM_LOST)), "???x?"),
    "split": (plain(IncidentKind.SPLIT_BRAIN_SUSPECTED, "no_quorum -"), "????.?"),
    "daemon died": (plain(IncidentKind.DAEMON_FAILED), "?.?"),
    "daemon stable": (over(plain(IncidentKind.DAEMON_FAILED)), "??x?"),
    "DC changed": (plain(IncidentKind.DC_CHANGED), "?"),
    "no DC": (plain(IncidentKind.DC_CHANGED, nodes=()), "???."),
    "a DC again": (over(plain(IncidentKind.DC_CHANGED, nodes=())), "???x"),
    "cluster started": (plain(IncidentKind.CLUSTER_STARTED), "?"),
    "cluster stopped": (plain(IncidentKind.CLUSTER_STOPPED, "node_stopped pm02", planned=True), "?."),
    "cluster started there again": (over(plain(IncidentKind.CLUSTER_STOPPED)), "?x"),
    "maintenance": (plain(IncidentKind.MAINTENANCE, "maintenance -", nodes=(), planned=True), "??."),
    "maintenance over": (over(plain(IncidentKind.MAINTENANCE, nodes=(), planned=True)), "?x"),
    "attribute": (plain(IncidentKind.ATTRIBUTE_CHANGED), "?"),
    "configuration": (plain(IncidentKind.CONFIG_CHANGED), "?"),
    "source silent": (UNSEEN, "?.?"),
    "source back": (over(UNSEEN), "?x?"),
    "traps dropped": (plain(IncidentKind.TRAPS_DROPPED), "?.?"),
    "no trap dropped any more": (over(plain(IncidentKind.TRAPS_DROPPED)), "??x?"),
    "target away": (plain(IncidentKind.DELIVERY_BACKLOG), "??."),
    "target delivers": (over(plain(IncidentKind.DELIVERY_BACKLOG)), "???x"),
    "records refused": (plain(IncidentKind.RECORDS_REFUSED), "???."),
    "no record refused any more": (over(plain(IncidentKind.RECORDS_REFUSED)), "????x"),
    "clock wrong": (plain(IncidentKind.CLOCK_SKEW), "??.?"),
    "clock right again": (over(plain(IncidentKind.CLOCK_SKEW)), "???x?"),
    "of one's own": (plain(IncidentKind.OTHER), "?"),
    "unclassified": (plain(IncidentKind.UNCLASSIFIED), "?"),
}


@pytest.mark.parametrize("case", CASES)
def test_a_step_is_ticked_when_the_state_shows_it_done(case: str) -> None:
    incident, expected = CASES[case]
    assert ticks(incident) == expected, "\n".join(tell.next_steps(incident, "en"))


def test_every_kind_is_in_the_table() -> None:
    assert {incident.kind for incident, _ in CASES.values()} == set(IncidentKind)


def test_an_incident_that_expired_ticks_nothing_that_nobody_saw() -> None:
    assert "x" not in ticks(replace(plain(IncidentKind.RESOURCE_UNMANAGED), state=IncidentState.EXPIRED))


def test_what_is_done_after_the_end_is_ticked_by_the_state_of_now() -> None:
    left = replace(over(plain(IncidentKind.LOCAL_RECOVERY), outcome=Outcome.SUCCEEDED), amiss=("fail_count_left pm02 prmPg",))
    assert ticks(left) == "??x."
    assert ticks(left, ("fail_count_left pm02 prmPg",)) == "??x."
    assert ticks(left, ("node_lost pm01",)) == "??xx"
    # A fault of today says nothing about a step that was done then.
    assert ticks(over(plain(IncidentKind.NODE_LOST)), ("node_lost pm02",)) == "?x?xxxx"


@pytest.mark.parametrize("tools", Tools)
@pytest.mark.parametrize("language", tell.LANGUAGES)
def test_commands_are_those_of_the_tools_that_the_operators_have(tools: Tools, language: str) -> None:
    foreign = {
        Tools.PCS: ("crm ", "crm_resource", "crm_standby", "systemctl start"),
        Tools.CRMSH: ("pcs ", "crm_resource"),
        Tools.PACEMAKER: ("pcs ", "crm "),
    }
    for incident, _ in CASES.values():
        text = "\n".join(tell.next_steps(replace(incident, tools=tools), language))
        assert not [command for command in re.findall(r"`([^`]*)`", text) if command.startswith(foreign[tools])]
        assert "{" not in text


def test_every_command_is_used_by_a_step_and_every_step_names_only_commands_that_exist() -> None:
    for language in tell.LANGUAGES:
        texts = "".join(
            step.text for key in keys(language) if key.startswith("steps.") for step in steps_of(key.removeprefix("steps."), language)
        )
        assert set(re.findall(r"\{command_(\w+)\}", texts)) == set(COMMANDS)


@pytest.mark.parametrize("language", tell.LANGUAGES)
@given(incident=incidents)
def test_steps_as_lines_and_as_records_say_the_same(language: str, incident: Incident) -> None:
    steps, lines = tell.steps(incident, language), tell.next_steps(incident, language)
    assert [line.startswith("✓ ") for line in lines] == [step.done is True for step in steps]
    assert [line.removeprefix("✓ ") for line in lines] == [step.text.removeprefix("✓ ") for step in steps]


# -- the lives of recorded incidents (pacemaker 2.1 logs, traps and polls together)


@cache
def transitions(recording: str) -> tuple[Transition, ...]:
    return tuple(analyze([RECORDINGS / recording], rules(), Options()).transitions)


def life(recording: str, key: str) -> list[str]:
    """The ticks of an incident, each time that they changed."""
    found: list[str] = []
    for transition in transitions(recording):
        if transition.incident.key.startswith(key) and (not found or found[-1] != ticks(transition.incident)):
            found.append(ticks(transition.incident))
    return found


@pytest.mark.parametrize("language", tell.LANGUAGES)
def test_messages_and_webhook_carry_the_ticks_of_their_step(language: str) -> None:
    of_one = [step for step in transitions("chronicle") if step.incident.key.startswith("departure-pm01-20261122T111023")]
    told = {step.notice: step for step in of_one if step.notice is not None}
    assert set(told) >= {Notice.OPENING, Notice.CLOSING}
    for step in told.values():
        subject, text = tell.report(step, language, UTC)
        notification = Notification(id="c/k/1/ops", transition=step, subject=subject, text=text, language=language)
        sent = json.loads(json.dumps(body(notification), default=str))
        lines = [line.partition(". ")[2] for line in text.splitlines() if re.match(r"\d+\. ", line)]
        assert lines == list(tell.next_steps(step.incident, language))
        assert [line.startswith("✓ ") for line in lines] == [one["done"] is True for one in sent["steps"]]
    assert "✓" not in tell.report(told[Notice.OPENING], language, UTC)[1]
    assert tell.report(told[Notice.CLOSING], language, UTC)[1].count("✓") == 2


@pytest.mark.parametrize(
    ("recording", "key", "expected"),
    [
        # A failed resource moves; then its fail count is cleared.
        ("chronicle", "departure-pm01-20261122T111023", [".???.?.?", "???..?", "????xx?"]),
        # Standby mode; its end; then the node can take over again.
        ("chronicle", "departure-pm02-20261122T111110", ["?.", "?..", "?x.", "?xx"]),
        # A standby is lost and fenced; it rejoins; then its clones are back.
        ("chronicle", "standby_fault-pm02", [".?....", "x?xxx.", "?x?xxxx"]),
        ("chronicle", "maintenance", ["??.", "?x"]),
        # The active node is lost: the service is taken over, the node stays away.
        ("kill_corosync_active", "departure", [".?.?.?.?", ".?x?.?.?", "???....?"]),
        ("ring_cut", "interconnect_degraded", ["??.?", "???x"]),
    ],
)
def test_in_a_recorded_life_one_step_after_the_other_is_ticked(recording: str, key: str, expected: list[str]) -> None:
    assert life(recording, key) == expected
