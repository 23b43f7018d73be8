"""What agents say of themselves becomes the reason of what failed, and nothing more."""

import pytest

from hamon.classify.agents import MOST
from hamon.classify.settings import ClusterSettings
from hamon.model.event import EventKind
from hamon.model.incident import IncidentKind
from hamon.tell import next_steps
from tests.classify.cluster_log import Cluster, at, running

FAILS = "10:00:05 pm01 controld: Result of monitor operation for prmPg on pm01: not running"


def cause_of(cluster: Cluster) -> str:
    (incident,) = cluster.main
    assert incident.cause is not None
    return incident.cause.text


def test_what_an_agent_says_before_its_failure_is_the_reason() -> None:
    cluster = running().log("10:00:04 pm01 pgsql: PostgreSQL isn't running\n" + FAILS)
    assert cause_of(cluster) == "PostgreSQL isn't running"
    (failure,) = [event for event in cluster.events if event.kind is EventKind.OPERATION_FAILED]
    assert failure.detail["reason"] == "PostgreSQL isn't running"


def test_the_reason_with_which_an_agent_ended_counts_before_what_it_said_on_the_way() -> None:
    cluster = running().log(
        """
        10:00:03 pm01 pgsql: Trying once more
        10:00:04 pm01 execd: prmPg_monitor_10000[4211] error output [ ocf-exit-reason:Disk full ]
        10:00:04 pm01 pgsql: Exiting
        """
        + FAILS
    )
    assert cause_of(cluster) == "Disk full"


def test_a_reason_that_the_result_gives_stays() -> None:
    cluster = running().log(
        "10:00:04 pm01 pgsql: Something\n10:00:05 pm01 controld: Result of monitor operation for prmPg on pm01: error (Out of memory)"
    )
    assert cause_of(cluster) == "Out of memory"


def test_what_an_agent_says_opens_nothing() -> None:
    cluster = running().log("10:00:04 pm01 pgsql: PostgreSQL isn't running").until("10:30:00")
    assert cluster.main == []


def test_what_an_agent_says_in_a_probe_tells_nothing() -> None:
    cluster = running().log("10:00:04 pm01 execd: prmPg_monitor_0[4211] error output [ ocf-exit-reason:Not installed ]")
    assert [event for event in cluster.events if event.kind is EventKind.AGENT_ERROR] == []


def test_what_was_said_of_another_operation_or_on_another_node_is_no_reason() -> None:
    cluster = running().log(
        """
        09:59:40 pm01 pgsql: The old one
        09:59:41 pm01 controld: Result of start operation for prmPg on pm01: ok
        10:00:04 pm02 pgsql: On the other node
        """
        + FAILS
    )
    assert "not running" in cause_of(cluster)


def test_the_log_of_the_agent_may_come_after_that_of_the_result() -> None:
    cluster = running().log(FAILS + "\n10:00:04 pm01 pgsql: PostgreSQL isn't running")
    assert cause_of(cluster) == "PostgreSQL isn't running"


def test_an_agent_that_complains_for_ever_fills_no_memory_and_keeps_its_first_word_and_its_last() -> None:
    lines = "\n".join(f"10:00:{second:02} pm01 pgsql: attempt {second}" for second in range(40))
    cluster = running().log(lines)
    assert len([entry for entry in cluster.engine.state.recent if entry.event is EventKind.AGENT_ERROR]) <= MOST
    cluster.log("10:00:41 pm01 controld: Result of monitor operation for prmPg on pm01: not running")
    assert cause_of(cluster) == "attempt 0; attempt 39"


def test_why_a_resource_cannot_be_stopped_is_told_with_it() -> None:
    cluster = running().log("10:00:04 pm01 pgsql: Couldn't stop\n10:00:05 pm01 controld: Result of stop operation for prmPg on pm01: error")
    assert [incident.kind for incident in cluster.main] == [IncidentKind.STOP_FAILED]
    assert cause_of(cluster) == "Couldn't stop"


def test_a_secondary_that_is_out_of_sync_in_the_words_of_saphana_is_a_standby_fault_until_it_caught_up() -> None:
    """SAPHanaSR writes hana_SID_sync_state: PRIM, SOK, SFAIL."""
    cluster = running().log("10:00:00 pm02 attrd: Setting hana_ha1_sync_state[pm02]: SOK -> SFAIL").until("10:01:00")
    assert [(incident.kind, incident.nodes) for incident in cluster.main] == [(IncidentKind.STANDBY_FAULT, ("pm02",))]
    assert cluster.parts_of(cluster.main[0]) == ["replication_degraded"]
    cluster.log("10:20:00 pm02 attrd: Setting hana_ha1_sync_state[pm02]: SFAIL -> SOK").until("10:21:00")
    assert [incident.resolved_at is not None for incident in cluster.main] == [True]


HOOK = (
    "Transition 41 aborted by SAPHanaSR-hana_ha1_site_srHook_{site} doing modify hana_ha1_site_srHook_{site}={value}: Configuration change"
)
SITES = """
09:30:00 pm01 based: ++                                            <nvpair id="nodes-1-hana_ha1_site" name="hana_ha1_site" value="WEST"/>
09:30:00 pm01 based: ++                                            <nvpair id="nodes-2-hana_ha1_site" name="hana_ha1_site" value="EAST"/>
"""


@pytest.mark.parametrize(("known", "site"), [(SITES, "EAST"), ("", "EAST"), ("", "pm02")], ids=["by its site", "the other one", "by name"])
@pytest.mark.parametrize(
    "form",
    [
        f"pm01 controld: {HOOK}",
        "pm01 based: +  /cib/configuration/crm_config/cluster_property_set[@id='SAPHanaSR']"
        "/nvpair[@id='SAPHanaSR-hana_ha1_site_srHook_{site}']:  @value={value}",
        "pm01 sudo: ha1adm : PWD=/hana ; USER=root ; COMMAND="
        "/usr/sbin/crm_attribute -n hana_ha1_site_srHook_{site} -v {value} -t crm_config -s SAPHanaSR",
    ],
    ids=["dc", "cib", "sudo"],
)
def test_a_site_that_the_hook_of_saphana_calls_failed_is_a_standby_fault_until_it_is_in_step(form: str, known: str, site: str) -> None:
    cluster = running(ClusterSettings(name="test", node_ids={"1": "pm01", "2": "pm02"})).log(known)
    cluster.log(f"10:00:00 {form.format(site=site, value='SFAIL')}").until("10:01:00")
    assert [(incident.kind, incident.nodes) for incident in cluster.main] == [(IncidentKind.STANDBY_FAULT, ("pm02",))]
    assert cluster.parts_of(cluster.main[0]) == ["replication_degraded"]
    cluster.log(f"10:20:00 {form.format(site=site, value='SWAIT')}").until("10:20:30")
    assert [incident.resolved_at for incident in cluster.main] == [None]
    cluster.log(f"10:21:00 {form.format(site=site, value='SOK')}").until("10:22:00")
    assert [incident.resolved_at for incident in cluster.main] == [at("10:21:00")]


def test_what_the_hook_and_the_monitor_of_saphana_tell_of_one_secondary_is_one_fault() -> None:
    cluster = running().log(f"""
    10:00:00 pm01 controld: {HOOK.format(site="EAST", value="SFAIL")}
    10:00:20 pm02 attrd: Setting hana_ha1_sync_state[pm02]: SOK -> SFAIL
    10:05:00 pm01 controld: {HOOK.format(site="EAST", value="SOK")}
    """)
    assert [incident.resolved_at for incident in cluster.main] == [None]
    cluster.log("10:05:20 pm02 attrd: Setting hana_ha1_sync_state[pm02]: SFAIL -> SOK").until("10:06:00")
    (fault,) = cluster.main
    assert (fault.kind, fault.resolved_at) == (IncidentKind.STANDBY_FAULT, at("10:05:20"))


def test_that_data_are_not_in_step_is_also_told_by_the_configuration_in_which_the_agent_keeps_it() -> None:
    cluster = running(ClusterSettings(name="test", node_ids={"1": "pm01", "2": "pm02"}))
    noticed = "Transition 12 aborted by nodes-2-pgsql-data-status doing modify pgsql-data-status={}: Configuration change"
    cluster.log(f"10:00:00 pm01 controld: {noticed.format('DISCONNECT')}").until("10:01:00")
    assert [(incident.kind, incident.nodes) for incident in cluster.main] == [(IncidentKind.STANDBY_FAULT, ("pm02",))]
    cluster.log(f"10:02:00 pm01 controld: {noticed.format('STREAMING|SYNC')}").until("10:03:00")
    assert [incident.resolved_at for incident in cluster.main] == [at("10:02:00")]


def test_what_the_agent_says_gives_the_step_that_mends_it() -> None:
    said = {
        "My data may be inconsistent. You have to remove /var/lib/pgsql/tmp/PGSQL.lock file to force start.": "pg_basebackup",
        "Couldn't unmount /data; trying cleanup with KILL": "fuser -vm",
        "IPv6 address collision 2001:db8::7 [DAD]": "arping -D",
    }
    for text, command in said.items():
        cluster = running().log(f"10:00:04 pm01 pgsql: {text}\n" + FAILS).until("10:01:00")
        for language in ("en", "ja"):
            steps = "\n".join(next_steps(cluster.main[0], language))
            assert [word in steps for word in said.values()] == [word == command for word in said.values()], text


def test_the_reason_that_only_the_scheduler_repeats_is_that_of_the_failure() -> None:
    """On the DC the failure of another node has no reason until the scheduler repeats it (2.1.2+)."""
    cluster = running().log(
        """
        10:00:05 pm01 controld: Transition 3 action 12 (prmPg_monitor_10000 on pm01): expected 'ok' but got 'error'
        10:00:05 pm01 schedulerd: Unexpected result (error: Disk full) was recorded for monitor of prmPg on pm01 at Nov 22 10:00:05 2026
        """
    )
    assert cause_of(cluster) == "Disk full"


def test_what_the_scheduler_repeats_of_another_operation_is_no_reason() -> None:
    cluster = running().log(
        """
        10:00:05 pm01 controld: Transition 3 action 12 (prmPg_monitor_10000 on pm01): expected 'ok' but got 'error'
        10:00:05 pm01 schedulerd: Unexpected result (error: Disk full) was recorded for start of prmPg on pm01 at Nov 22 09:00:05 2026
        """
    )
    assert cause_of(cluster) != "Disk full"
