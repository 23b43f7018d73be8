"""Redundancy debt: how old it is, and when people are reminded of it."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import timedelta

from pydantic import TypeAdapter

from hamon.classify.incidents import Engine
from hamon.classify.settings import ClusterSettings
from hamon.classify.state import State
from hamon.model.incident import IncidentState, Notice, Transition
from tests.classify.cluster_log import UP, Cluster, at, moved, moves

HOUR, EIGHT = timedelta(hours=1), timedelta(hours=8)
SETTINGS = ClusterSettings(name="test", remind=(HOUR, EIGHT), remind_planned=(EIGHT,))

FAILED_OVER = f"""
{UP}
10:00:00 pm01 controld: Result of monitor operation for prmPg on pm01: not running
10:00:00 pm01 attrd: Setting fail-count-prmPg#monitor_10000[pm01]: (unset) -> 1
{moves("pm01", "pm02", "10:00:01")}
{moved("pm01", "pm02", "10:00:03")}
10:00:05 pm01 schedulerd: prmPg cannot run on pm01 due to reaching migration threshold (clean up resource to allow again)
"""
"""Pacemaker 2.1: prmPg fails on pm01, both resources go to pm02, and pm01 may not take them back until it is cleaned up."""


def owing() -> Cluster:
    return Cluster(SETTINGS).log(FAILED_OVER)


def restarted(cluster: Cluster) -> Cluster:
    """The same after a stop: all that it knows went through what is stored."""
    adapter = TypeAdapter(State)
    again = Cluster(SETTINGS)
    again.engine = Engine(SETTINGS, adapter.validate_json(adapter.dump_json(cluster.engine.state)), cluster.events)
    again.steps, again.events = cluster.steps, cluster.events
    return again


def reminders(cluster: Cluster) -> list[tuple[str, tuple[float, ...]]]:
    """When people were reminded, and of which ages."""
    return [(step.at.strftime("%H:%M"), step.ages) for step in reminding(cluster.steps)]


def reminding(steps: Iterable[Transition]) -> list[Transition]:
    return [step for step in steps if step.notice is Notice.REMINDER]


def test_a_debt_is_as_old_as_the_service_is_back_and_people_are_reminded_of_every_age_once() -> None:
    cluster = owing().until("10:01:00")
    (failover,) = cluster.main
    assert (failover.kind, failover.state, failover.redundancy) == ("failover", IncidentState.OPEN, False)
    assert failover.debt_since == failover.service_restored_at is not None
    for minute in range(0, 60, 7):
        cluster.until(f"11:{minute:02}:30")
    assert reminders(cluster) == [("11:00", (3600.0,))]
    cluster.until("17:59:00").until("18:00:30").until("23:00:00")
    assert reminders(cluster) == [("11:00", (3600.0,)), ("18:00", (28800.0,))]
    (step, _) = reminding(cluster.steps)
    assert (step.incident.key, step.incident.reasons, step.told_as) == (failover.key, failover.reasons, Notice.REMINDER)


def test_the_clock_is_asked_for_when_a_reminder_is_due() -> None:
    cluster = owing().until("10:05:00")
    due = cluster.engine.next_due()
    (failover,) = cluster.main
    assert due is not None
    assert failover.debt_since is not None
    assert due == failover.debt_since + HOUR
    cluster.until("11:00:30")
    assert cluster.engine.next_due() == failover.debt_since + EIGHT


def test_a_debt_that_is_paid_is_not_reminded_of() -> None:
    cluster = owing().until("10:30:00")
    cluster.log("10:59:00 pm01 attrd: Setting fail-count-prmPg#monitor_10000[pm01]: 1 -> (unset)").until("23:00:00")
    (failover,) = cluster.main
    assert (failover.state, failover.debt_since, reminders(cluster)) == (IncidentState.RESOLVED, None, [])


def test_evidence_alone_reminds_of_nothing() -> None:
    """A log that is read late tells times that are long past: only the clock says that it is time for a word."""
    cluster = owing().log("17:00:00 pm02 attrd: Setting default_ping_set[pm02]: 100 -> 0")
    assert reminders(cluster) == []


def test_a_restart_forgets_no_reminder_and_gives_none_twice() -> None:
    cluster = restarted(owing().until("10:05:00").until("11:00:30"))
    cluster.until("11:05:00").until("12:00:00")
    assert reminders(cluster) == [("11:00", (3600.0,))]
    cluster = restarted(cluster).until("13:00:00").until("18:00:30")
    assert reminders(cluster) == [("11:00", (3600.0,)), ("18:00", (28800.0,))]


def test_after_a_time_without_hamon_people_are_reminded_once_and_not_before_sources_could_say_that_it_was_paid() -> None:
    cluster = restarted(owing().until("10:30:00"))
    cluster.until("20:00:00").until("20:00:30")
    assert reminders(cluster) == []
    cluster.until("20:01:00")
    assert reminders(cluster) == [("20:01", (3600.0, 28800.0))]

    paid = restarted(owing().until("10:30:00")).until("20:00:00")
    paid.log("15:00:00 pm01 attrd: Setting fail-count-prmPg#monitor_10000[pm01]: 1 -> (unset)").until("20:01:00").until("23:00:00")
    assert reminders(paid) == []


def test_planned_work_that_is_left_on_is_reminded_of_at_its_own_ages_and_its_end_is_told() -> None:
    cluster = Cluster(SETTINGS).log(f"{UP}\n10:00:00 pm02 attrd: Setting standby[pm02]: (unset) -> on").until("10:01:00")
    (work,) = [incident for incident in cluster.incidents if incident.planned]
    assert (work.kind, work.severity, work.debt_since) == ("standby_fault", "info", at("10:00:00"))
    assert cluster.told() == []
    cluster.until("17:59:00")
    assert reminders(cluster) == []
    cluster.until("18:00:00")
    assert reminders(cluster) == [("18:00", (28800.0,))]
    cluster.log("18:30:00 pm02 attrd: Setting standby[pm02]: on -> (unset)").until("19:00:00")
    assert cluster.told() == ["standby_fault reminder", "standby_fault closing"]


def test_maintenance_that_is_left_on_is_a_debt() -> None:
    maintenance = (
        "10:00:00 pm01 controld: Transition 3 aborted by cib-bootstrap-options-maintenance-mode doing create maintenance-mode=true: "
    )
    cluster = Cluster(SETTINGS).log(f"{UP}\n{maintenance}Configuration change").until("18:00:00").until("18:01:00")
    (step,) = reminding(cluster.steps)
    assert (step.incident.kind, step.incident.planned, step.incident.debt_since) == ("maintenance", True, at("10:00:00"))


def test_a_service_that_is_down_owes_nothing_yet_and_a_part_of_another_incident_never() -> None:
    cluster = owing().until("10:01:00")
    assert {part.debt_since for part in cluster.incidents if part.part_of is not None} == {None}
    down = Cluster(SETTINGS).log(f"{UP}\n10:00:00 pm01 controld: Node pm02 state is now lost").until("10:01:00")
    (fault,) = down.main
    assert (fault.kind, fault.debt_since) == ("standby_fault", fault.started_at)
    assert {part.debt_since for part in down.incidents if part.part_of is not None} == {None}


def test_history_that_is_read_for_the_first_time_only_reminds_of_what_it_grows_old_enough_for_now() -> None:
    cluster = Cluster(SETTINGS)
    cluster.engine.silent_before = at("12:00:00")
    cluster.log(FAILED_OVER).until("13:00:00").until("13:02:00").until("17:59:00")
    assert cluster.told() == []
    cluster.until("18:01:00")
    assert [step.ages for step in reminding(cluster.steps)] == [(28800.0,)]


def test_nobody_asks_nobody_is_reminded() -> None:
    cluster = Cluster(replace(SETTINGS, remind=(), remind_planned=())).log(FAILED_OVER).until("10:05:00")
    due = cluster.engine.next_due()
    assert due is None or due > at("23:00:00")
    assert reminders(cluster.until("23:00:00")) == []
