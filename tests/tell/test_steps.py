"""The right procedure, with the real names."""

import re
from dataclasses import replace

import pytest
from hypothesis import given

from hamon import tell
from hamon.model.event import EventKind
from hamon.model.incident import Cause, Incident, IncidentKind, Outcome
from tests.tell.samples import FAILED, FAILOVER, ONGOING, RESOLVED, STANDBY_FAULT, UNSEEN, entry, incidents

LITERAL = {"SELECT * FROM pg_stat_replication;"}


def steps(incident: Incident, language: str = "en") -> str:
    return "\n".join(tell.next_steps(incident, language))


@pytest.mark.parametrize(
    ("incident", "procedure"),
    [
        (FAILOVER, "failover"),
        (ONGOING, "service_down"),
        (FAILED, "service_down"),
        (RESOLVED, "failover"),
        (STANDBY_FAULT, "node_lost"),
        (replace(STANDBY_FAULT, planned=True), "standby_planned"),
        (replace(STANDBY_FAULT, cause=Cause(kind="operation_failed", resource="prmPing")), "standby_resource"),
        (replace(STANDBY_FAULT, cause=Cause(kind="resource_failure", resource="prmPing")), "standby_resource"),
        (replace(STANDBY_FAULT, cause=Cause(kind="connectivity_degraded")), "connectivity_degraded"),
        (replace(STANDBY_FAULT, cause=Cause(kind="daemon_failed")), "node_lost"),  # its node was fenced for it
        (replace(STANDBY_FAULT, cause=Cause(kind="daemon_failed"), fenced=()), "standby_daemon"),
        (replace(STANDBY_FAULT, cause=None, fenced=()), "node_lost"),
        (replace(STANDBY_FAULT, cause=None, fenced=(), resources=("clnPing",)), "standby_resource"),
        (replace(FAILED, kind=IncidentKind.SERVICE_DOWN, planned=True), "service_down_planned"),
        (replace(FAILOVER, kind=IncidentKind.SWITCHOVER, planned=True), "switchover"),
        (replace(FAILOVER, kind=IncidentKind.SWITCHOVER, outcome=Outcome.FAILED), "service_down"),
        (replace(RESOLVED, kind=IncidentKind.MAINTENANCE, planned=True), "maintenance"),
        (replace(RESOLVED, kind=IncidentKind.STANDBY_FAULT, planned=True), "standby_planned"),
    ],
)
def test_outcome_cause_and_plan_choose_the_procedure(incident: Incident, procedure: str) -> None:
    assert tell.procedure(incident) == procedure


@pytest.mark.parametrize("language", tell.LANGUAGES)
def test_a_failover_names_what_failed_and_where(language: str) -> None:
    text = steps(FAILOVER, language)
    assert "`crm_resource --cleanup -r prmPg -N pm01`" in text
    assert "`pcs resource move grpPg pm01`" in text
    assert "pcs cluster start" not in text


MOVED = replace(FAILOVER, kind=IncidentKind.SWITCHOVER, planned=True, cause=None, timeline=())


def test_after_a_switchover_only_what_was_done_is_to_be_undone() -> None:
    standby = entry(0, EventKind.STANDBY_ON, "pm01")
    assert "`pcs resource clear grpPg`" in steps(MOVED)
    assert "`pcs node unstandby pm01`" in steps(MOVED)
    only = steps(replace(MOVED, timeline=(standby,)))
    assert "`pcs node unstandby pm01`" in only
    assert "pcs resource clear" not in only
    assert "✓" not in steps(replace(MOVED, timeline=(standby,), amiss=("standby pm01",)))
    assert "✓ When the work is over, end standby mode" in steps(replace(MOVED, timeline=(standby,)))
    assert "`pcs cluster start pm01`" in steps(replace(MOVED, timeline=(entry(0, EventKind.SHUTDOWN_REQUESTED, "pm01"),)))


def test_attributes_that_a_daemon_took_with_it_are_to_be_written_again() -> None:
    died = replace(STANDBY_FAULT, cause=Cause(kind="daemon_failed", node="pm02"), fenced=(), redundancy=False)
    lost = steps(replace(died, amiss=("attribute pm02 default_ping_set",)))
    assert re.search(r"^Let pm02 write its attributes again: `attrd_updater --refresh` on pm02", lost, re.MULTILINE)
    assert re.search(r"^✓ Let pm02 write", steps(replace(died, amiss=())), re.MULTILINE)


def test_a_node_that_was_fenced_is_to_be_started() -> None:
    text = steps(replace(FAILOVER, fenced=("pm01",), cause=Cause(kind="node_lost", node="pm01")))
    assert "`pcs cluster start pm01`" in text
    assert "`pcs resource cleanup`" in text


@pytest.mark.parametrize("language", tell.LANGUAGES)
def test_the_operator_is_asked_when_nobody_knows_whether_it_was_planned(language: str) -> None:
    asked, plain = (tell.next_steps(replace(FAILOVER, planned=planned), language) for planned in (None, False))
    assert asked[1:] == plain


def test_a_command_gets_only_harmless_names() -> None:
    incident = replace(STANDBY_FAULT, nodes=("pm02; rm -rf /",), cause=Cause(kind="node_lost"), fenced=())
    assert "`pcs cluster start NODE`" in steps(incident)
    assert "`pcs cluster start --help`" not in steps(replace(incident, nodes=("--help",)))


@pytest.mark.parametrize("language", tell.LANGUAGES)
def test_where_no_node_is_known_the_steps_name_none(language: str) -> None:
    assert "pm01" in steps(UNSEEN, language)
    unknown = steps(replace(UNSEEN, nodes=()), language)
    assert "NODE" not in unknown
    assert "`systemctl status corosync pacemaker`" in unknown


def test_a_daemon_is_no_resource_to_clean_up() -> None:
    text = steps(replace(FAILOVER, cause=Cause(kind="daemon_failed", node="pm01", resource="pacemaker-execd")))
    assert "pacemaker-execd" not in text
    assert "`pcs cluster start pm01`" in text


def test_a_service_of_the_configuration_is_moved_by_the_id_of_its_resource() -> None:
    assert "`pcs resource move prmDb pm01`" in steps(replace(FAILOVER, services=("database",), resources=("prmDb",)))


def test_steps_of_a_fencing_failure_warn_before_they_confirm() -> None:
    text = steps(replace(STANDBY_FAULT, kind=IncidentKind.FENCING_FAILED, fenced=()))
    assert text.index("powered off") < text.index("`pcs stonith confirm pm02`")


@pytest.mark.parametrize("language", tell.LANGUAGES)
@given(incident=incidents)
def test_any_incident_has_steps_whose_commands_are_safe_to_paste(language: str, incident: Incident) -> None:
    told = tell.next_steps(incident, language)
    assert told
    for step in told:
        assert step.isprintable()
        for command in re.findall(r"`([^`]*)`", step):
            assert not set(command) & set(";&$<>\n\\\"'") or command in LITERAL


@pytest.mark.parametrize("language", tell.LANGUAGES)
def test_what_could_not_be_stopped_is_named_until_it_is_gone(language: str) -> None:
    stuck = entry(1, EventKind.OPERATION_FAILED, "pm01", "prmFs", operation="stop", status="timeout")
    held = replace(FAILED, fenced=(), timeline=(*FAILED.timeline, stuck))
    text = steps(held, language)
    assert "`crm_resource --cleanup -r prmFs`" in text
    assert any("prmFs" in line and "pm01" in line and "`" not in line for line in text.splitlines())
    gone = replace(held, timeline=(*held.timeline, entry(2, EventKind.RESOURCE_STOPPED, "pm01", "prmFs")))
    for over in (gone, replace(held, fenced=("pm01",))):
        assert "-r prmFs`" not in steps(over, language)


def test_how_an_operation_ended_is_told_in_the_readers_language() -> None:
    late = entry(1, EventKind.OPERATION_FAILED, "pm01", "prmFs", operation="stop", status="timeout")
    assert "timed out" in tell.entry_text(late, "en")
    assert "タイムアウト" in tell.entry_text(late, "ja")
