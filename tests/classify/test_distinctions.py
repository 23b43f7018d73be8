"""What looks alike and is not: the hard distinctions, each as a short log that can be read."""

import pytest

from hamon.classify.settings import ClusterSettings
from hamon.model.incident import IncidentKind, IncidentState, Outcome, Severity
from hamon.tell import headline
from tests.classify.cluster_log import UP, Cluster, at, moved, moves, running

FAILS = """
10:00:00 pm01 controld: Result of monitor operation for prmPg on pm01: not running
10:00:00 pm01 attrd: Setting fail-count-prmPg#monitor_10000[pm01]: (unset) -> 1
"""


def test_a_failure_that_moves_the_service_is_a_failover() -> None:
    cluster = running().log(FAILS + moves("pm01", "pm02", "10:00:01") + moved("pm01", "pm02", "10:00:04")).until("10:01:00")
    (failover,) = cluster.main
    assert (failover.kind, failover.planned, failover.outcome) == (IncidentKind.FAILOVER, False, Outcome.SUCCEEDED)
    assert (failover.from_node, failover.to_node, failover.severity) == ("pm01", "pm02", Severity.MAJOR)
    assert set(failover.resources) == {"prmEx", "prmPg"}
    assert (failover.started_at, failover.service_restored_at, failover.service_down_seconds) == (at("10:00:00"), at("10:00:04"), 4.0)
    assert failover.cause is not None
    assert (failover.cause.kind, failover.cause.node, failover.cause.resource) == ("resource_failure", "pm01", "prmPg")
    assert cluster.parts_of(failover) == ["resource_failure"]
    assert cluster.told()[0] == "failover opening"


def test_a_failure_that_is_repaired_in_place_is_a_local_recovery() -> None:
    cluster = (
        running()
        .log(FAILS)
        .log("""
        10:00:01 pm01 schedulerd: Actions: Recover    prmPg             (                pm01 )
        10:00:01 pm01 schedulerd: Calculated transition 9, saving inputs in /var/lib/pacemaker/pengine/pe-input-9.bz2
        10:00:01 pm01 controld: State transition S_POLICY_ENGINE -> S_TRANSITION_ENGINE
        10:00:02 pm01 controld: Result of stop operation for prmPg on pm01: ok
        10:00:05 pm01 controld: Result of start operation for prmPg on pm01: ok
        10:00:05 pm01 controld: State transition S_TRANSITION_ENGINE -> S_IDLE
        """)
        .until("10:01:00")
    )
    (recovery,) = cluster.main
    assert (recovery.kind, recovery.outcome, recovery.nodes) == (IncidentKind.LOCAL_RECOVERY, Outcome.SUCCEEDED, ("pm01",))
    assert (recovery.resources, recovery.state, recovery.resolved_at) == (("prmPg",), IncidentState.RESOLVED, at("10:00:05"))
    assert cluster.told() == ["local_recovery opening"]


def test_a_service_is_not_back_before_the_member_that_was_to_be_restarted_and_is_then_planned_elsewhere() -> None:
    """As a failure between two calculations of the scheduler has it: in the second plan the member is only started."""
    cluster = (
        running()
        .log(FAILS)
        .log("""
        10:00:01 pm01 schedulerd: Actions: Recover    prmPg             (                pm01 )
        10:00:01 pm01 schedulerd: Calculated transition 21, saving inputs in /var/lib/pacemaker/pengine/pe-input-21.bz2
        10:00:01 pm01 controld: State transition S_POLICY_ENGINE -> S_TRANSITION_ENGINE
        10:00:01 pm01 controld: Result of stop operation for prmPg on pm01: ok
        10:00:01 pm01 controld: State transition S_TRANSITION_ENGINE -> S_POLICY_ENGINE
        10:00:02 pm01 schedulerd: Actions: Move       prmEx             (        pm01 -> pm02 )
        10:00:02 pm01 schedulerd: Actions: Start      prmPg             (                pm02 )
        10:00:02 pm01 schedulerd: Calculated transition 22, saving inputs in /var/lib/pacemaker/pengine/pe-input-22.bz2
        10:00:02 pm01 controld: State transition S_POLICY_ENGINE -> S_TRANSITION_ENGINE
        10:00:02 pm01 controld: Result of stop operation for prmEx on pm01: ok
        10:00:03 pm02 controld: Result of start operation for prmEx on pm02: ok
        """)
    )
    (failover,) = cluster.main
    assert (failover.kind, failover.outcome, set(failover.resources)) == (IncidentKind.FAILOVER, Outcome.ONGOING, {"prmEx", "prmPg"})
    cluster.log("10:00:04 pm02 controld: Result of start operation for prmPg on pm02: ok").until("10:00:30")
    (failover,) = cluster.main
    assert (failover.outcome, failover.service_restored_at) == (Outcome.SUCCEEDED, at("10:00:04"))


@pytest.mark.parametrize(("later", "said"), [(1, []), (5, ["switchover opening", "service_down update"])])
def test_a_service_that_stops_with_the_whole_cluster_is_no_switchover(later: int, said: list[str]) -> None:
    """`pcs cluster stop --all` asks one node after the other: for a moment the plan moves what is soon stopped on all of them."""
    cluster = running().log("10:00:00 pm01 attrd: Setting shutdown[pm01]: (unset) -> 1764000000").log(moves("pm01", "pm02", "10:00:00"))
    cluster.log(f"""
        10:00:0{later} pm01 attrd: Setting shutdown[pm02]: (unset) -> 1764000000
        10:00:0{later} pm01 controld: Result of stop operation for prmPg on pm01: ok
        10:00:0{later} pm01 schedulerd: Actions: Stop       prmEx             (        pm01 )  due to node availability
        10:00:0{later} pm01 schedulerd: Calculated transition 23, saving inputs in /var/lib/pacemaker/pengine/pe-input-23.bz2
        10:00:0{later} pm01 controld: State transition S_POLICY_ENGINE -> S_TRANSITION_ENGINE
        10:00:0{later} pm01 controld: Result of stop operation for prmEx on pm01: ok
        10:00:0{later} pm01 controld: State transition S_TRANSITION_ENGINE -> S_IDLE
    """).until("10:05:00")
    (down,) = cluster.incidents
    assert (down.kind, down.planned, down.severity) == (IncidentKind.SERVICE_DOWN, True, Severity.INFO)
    assert cluster.told() == said


def test_what_comes_of_a_lost_dc_is_waited_for_until_the_next_one_was_elected() -> None:
    """Its loss is no message of its own before the failover that follows, though the election takes longer than the settle time."""
    cluster = running().log("10:00:00 pm02 controld: Node pm01 state is now lost").until("10:00:07")
    assert cluster.told() == []
    cluster.log("10:00:07 pm02 controld: Set DC to pm02 (3.16.1)")
    cluster.log(moves("pm01", "pm02", "10:00:08", dc="pm02") + moved("pm01", "pm02", "10:00:09", dc="pm02")).until("10:01:00")
    assert [said.split()[0] for said in cluster.told()][:1] == ["failover"]
    assert not any(said.startswith("node_lost") for said in cluster.told())


@pytest.mark.parametrize(("begins", "told"), [("10:00:05", ["failover"]), ("10:00:20", ["node_lost", "failover"])])
def test_a_lost_node_is_not_told_by_itself_while_the_cluster_is_about_to_take_over(begins: str, told: list[str]) -> None:
    """But not for as long as it likes."""
    first, *rest = moves("pm01", "pm02", "10:00:01", dc="pm02").strip().splitlines()
    cluster = running().log("09:30:00 pm02 controld: Set DC to pm02 (3.16.1)\n10:00:00 pm02 controld: Node pm01 state is now lost")
    planned = [line for line in (first, *rest) if "schedulerd" in line]
    cluster.log("\n".join(planned)).until(begins)
    cluster.log(moves("pm01", "pm02", begins, dc="pm02") + moved("pm01", "pm02", "10:00:25", dc="pm02")).until("10:01:00")
    assert list(dict.fromkeys(said.split()[0] for said in cluster.told())) == told


TOKEN = "corosync: A processor failed, forming new configuration."
FORMED = "corosync: A new membership (10.20.0.12:412) was formed. Members"


@pytest.mark.parametrize(
    ("before", "began"),
    [
        (f"09:59:57 pm01 {TOKEN}\n10:00:00 pm01 {FORMED} left: 2", "09:59:57"),
        (f"09:59:50 pm01 {TOKEN}\n09:59:57 pm01 {TOKEN}\n10:00:00 pm01 {FORMED} left: 2", "09:59:50"),
        (f"09:59:57 pm01 {TOKEN}", "09:59:57"),
        (f"09:59:40 pm01 {TOKEN}\n09:59:42 pm01 {FORMED}", "10:00:00"),  # all were there again
        (f"09:59:40 pm01 {TOKEN}\n09:59:42 pm01 {FORMED}\n09:59:57 pm01 {TOKEN}\n10:00:00 pm01 {FORMED} left: 2", "09:59:57"),
        (f"09:58:30 pm01 {TOKEN}", "10:00:00"),  # no membership takes so long
        (f"09:59:57 pm03 {TOKEN}", "10:00:00"),  # another node's token
    ],
    ids=["lost", "again and again", "the membership is not logged", "came back", "came back and lost", "long before", "elsewhere"],
)
def test_a_node_is_lost_since_corosync_missed_its_token(before: str, began: str) -> None:
    """Corosync 1 and 2 have no links of which anything is logged before."""
    cluster = running().log(before).log("10:00:00 pm01 controld: Node pm02 state is now lost").until("10:01:00")
    (fault,) = cluster.main
    assert (fault.kind, fault.nodes, fault.started_at) == (IncidentKind.STANDBY_FAULT, ("pm02",), at(began))
    assert fault.detected_at == at("10:00:00")


def test_a_service_whose_node_is_lost_is_down_since_corosync_missed_its_token() -> None:
    cluster = running().log(f"10:00:00 pm02 {TOKEN}\n10:00:05 pm02 controld: Node pm01 state is now lost")
    cluster.log(moves("pm01", "pm02", "10:00:06", dc="pm02") + moved("pm01", "pm02", "10:00:09", dc="pm02")).until("10:01:00")
    (failover,) = cluster.main
    assert (failover.started_at, failover.service_down_seconds) == (at("10:00:00"), 9.0)


def test_a_token_that_is_lost_and_no_node_with_it_raises_nothing() -> None:
    assert running().log(f"10:00:00 pm01 {TOKEN}\n10:00:04 pm01 {FORMED}").until("10:05:00").incidents == []


def test_a_lost_dc_that_nothing_comes_of_is_told_when_the_next_one_has_decided() -> None:
    cluster = Cluster().log(UP.replace("Set DC to pm01", "Set DC to pm03") + "09:00:00 pm01 controld: Node pm03 state is now member")
    cluster.log("10:00:00 pm01 controld: Node pm03 state is now lost").until("10:00:05")
    assert cluster.told() == []
    cluster.log("""
        10:00:05 pm01 controld: Set DC to pm01 (3.16.1)
        10:00:06 pm01 schedulerd: Calculated transition 0, saving inputs in /var/lib/pacemaker/pengine/pe-input-0.bz2
        10:00:06 pm01 controld: State transition S_POLICY_ENGINE -> S_TRANSITION_ENGINE
        10:00:06 pm01 controld: State transition S_TRANSITION_ENGINE -> S_IDLE
    """).until("10:00:09")
    assert cluster.told()[0].endswith("opening")


def test_recover_with_an_arrow_is_a_move_and_without_one_is_none() -> None:
    def plan(details: str) -> Cluster:
        return (
            running()
            .log(FAILS)
            .log(f"""
        10:00:01 pm01 schedulerd: Actions: Recover    prmPg             ( {details} )
        10:00:01 pm01 schedulerd: Calculated transition 9, saving inputs in /var/lib/pacemaker/pengine/pe-input-9.bz2
        10:00:01 pm01 controld: State transition S_POLICY_ENGINE -> S_TRANSITION_ENGINE
        """)
        )

    assert [item.kind for item in plan("pm01 -> pm02").main] == ["failover"]
    assert "failover" not in {item.kind for item in plan("pm01").until("10:00:30").incidents}


def test_a_failure_that_must_not_be_recovered_blocks_the_resource() -> None:
    """`on-fail=block`: the scheduler would stop it and may not."""
    cluster = (
        running()
        .log(FAILS)
        .log("""
        10:00:01 pm01 schedulerd: Actions: Stop       prmPg     (                pm01 )  blocked
        10:00:01 pm01 schedulerd: Calculated transition 9, saving inputs in /var/lib/pacemaker/pengine/pe-input-9.bz2
        10:00:01 pm01 controld: State transition S_POLICY_ENGINE -> S_TRANSITION_ENGINE
        10:00:01 pm01 controld: State transition S_TRANSITION_ENGINE -> S_IDLE
        """)
        .until("10:01:00")
    )
    (down,) = cluster.main
    assert (down.kind, down.to_node, down.severity) == (IncidentKind.SERVICE_DOWN, None, Severity.CRITICAL)
    assert cluster.parts_of(down) == ["resource_blocked", "resource_failure"]
    (blocked,) = [item for item in cluster.incidents if item.kind is IncidentKind.RESOURCE_BLOCKED]
    assert (blocked.nodes, blocked.resources, blocked.severity) == (("pm01",), ("prmPg",), Severity.CRITICAL)


CLONE_FAILS = """
10:00:00 pm02 controld: Result of monitor operation for prmPing on pm02: error
10:00:00 pm01 schedulerd: Actions: Stop       prmPing:1         (                pm02 )  due to node availability
10:00:00 pm01 schedulerd: clnPrmPing cannot run on pm02 due to reaching migration threshold (clean up resource to allow again)
10:00:00 pm01 schedulerd: Calculated transition 9, saving inputs in /var/lib/pacemaker/pengine/pe-input-9.bz2
10:00:01 pm01 controld: State transition S_POLICY_ENGINE -> S_TRANSITION_ENGINE
10:00:01 pm02 controld: Result of stop operation for prmPing on pm02: ok
10:00:01 pm01 controld: State transition S_TRANSITION_ENGINE -> S_IDLE
"""


def test_that_failures_were_counted_is_no_cause_of_the_failure_though_its_stamp_is_earlier() -> None:
    """A poll is stamped when it is asked, and shows what happened until it answered; clocks differ, too."""
    cluster = running().log("""
    10:00:02 pm02 controld: Result of monitor operation for prmPing on pm02: error
    10:00:01 pm01 schedulerd: prmPing cannot run on pm02 due to reaching migration threshold (clean up resource to allow again)
    """)
    (fault,) = cluster.until("10:01:00").main
    assert (fault.kind, fault.cause and fault.cause.kind) == (IncidentKind.STANDBY_FAULT, "resource_failure")


def test_a_clone_that_fails_on_the_standby_is_a_standby_fault_and_moves_nothing() -> None:
    cluster = running().log(CLONE_FAILS).until("10:01:00")
    (fault,) = cluster.main
    assert (fault.kind, fault.nodes, fault.redundancy, fault.state) == (IncidentKind.STANDBY_FAULT, ("pm02",), False, IncidentState.OPEN)
    assert "resource_failure" in cluster.parts_of(fault)
    assert cluster.told() == ["standby_fault opening"]


def test_a_cleanup_on_the_standby_closes_its_fault() -> None:
    cluster = (
        running()
        .log("10:00:00 pm01 attrd: Setting fail-count-prmPing#monitor_10000[pm02]: (unset) -> 1")
        .log(CLONE_FAILS)
        .until("10:01:00")
    )
    cluster.log("""
    10:05:00 pm01 attrd: Setting fail-count-prmPing#monitor_10000[pm02]: 1 -> (unset)
    10:05:02 pm02 controld: Result of start operation for prmPing on pm02: ok
    """).until("10:06:00")
    (fault,) = [item for item in cluster.incidents if item.kind is IncidentKind.STANDBY_FAULT]
    assert (fault.state, fault.redundancy) == (IncidentState.RESOLVED, True)
    assert {item.state for item in cluster.incidents} == {IncidentState.RESOLVED}
    assert cluster.told() == ["standby_fault opening", "standby_fault closing"]


# -- planned work

STANDBY = "10:00:00 pm01 schedulerd: pm01 is in standby mode"
STOPS = "10:00:00 pm01 controld: Creating shutdown request for pm01 (state=S_IDLE)"
BANNED = """10:00:00 pm01 based: ++ /cib/configuration/constraints:  <rsc_location id="cli-ban-grpPg-on-pm01" rsc="grpPg" role="Started" node="pm01" score="-INFINITY"/>"""  # noqa: E501


def test_a_move_after_a_mark_is_a_planned_switchover() -> None:
    for mark in (STANDBY, STOPS, BANNED):
        cluster = running().log(mark + moves("pm01", "pm02", "10:00:01") + moved("pm01", "pm02", "10:00:04")).until("10:01:00")
        (switchover,) = [item for item in cluster.incidents if item.kind in ("switchover", "failover")]
        assert (switchover.kind, switchover.planned, switchover.severity) == (IncidentKind.SWITCHOVER, True, Severity.INFO), mark
        assert (switchover.from_node, switchover.to_node) == ("pm01", "pm02")
        assert cluster.main == []
        assert cluster.told()[0] == "switchover opening"


LOST_AT = """
{at}:05 pm02 controld: Node pm01 state is now lost
{at}:06 pm02 schedulerd: Cluster node pm01 will be fenced: peer is no longer part of the cluster
{at}:06 pm02 controld: Requesting fencing (reboot) of node pm01
{at}:08 pm02 controld: Peer pm01 was terminated (reboot) by pm02 on behalf of pacemaker-controld.106: OK
"""


@pytest.mark.parametrize("when", ["10:01", "10:30", "13:00"])
def test_a_node_that_fails_after_planned_work_took_its_services_is_told(when: str) -> None:
    cluster = running().log(STANDBY + moves("pm01", "pm02", "10:00:01") + moved("pm01", "pm02", "10:00:04")).until(f"{when}:00")
    cluster.log(LOST_AT.format(at=when)).until(f"{when}:50")
    (fault,) = cluster.main
    assert (fault.planned, fault.severity, fault.nodes, fault.fenced) == (False, Severity.MAJOR, ("pm01",), ("pm01",))
    assert "fencing" in cluster.parts_of(fault)
    (switchover,) = [item for item in cluster.incidents if item.kind is IncidentKind.SWITCHOVER]
    assert (switchover.planned, switchover.severity, switchover.cause, switchover.fenced) == (True, Severity.INFO, None, ())
    assert cluster.told().count("switchover opening") == 1
    assert f"{fault.kind} opening" in cluster.told()


def test_a_node_that_leaves_after_its_orderly_stop_is_asked_for_is_work() -> None:
    cluster = running().log(STOPS + moves("pm01", "pm02", "10:00:01") + moved("pm01", "pm02", "10:00:04")).until("10:00:10")
    cluster.log("10:00:10 pm02 controld: Node pm01 state is now lost").until("10:01:00")
    assert cluster.main == []


def test_a_move_without_a_mark_and_without_a_fault_is_a_failover_of_unknown_reason() -> None:
    cluster = running().log(moves("pm01", "pm02", "10:00:01") + moved("pm01", "pm02", "10:00:04")).until("10:01:00")
    (failover,) = cluster.main
    assert (failover.kind, failover.planned, failover.severity) == (IncidentKind.FAILOVER, None, Severity.WARNING)


def test_a_mark_for_the_other_node_plans_nothing() -> None:
    cluster = running().log("10:00:00 pm01 schedulerd: pm02 is in standby mode" + moves("pm01", "pm02", "10:00:01")).until("10:01:00")
    assert [(item.kind, item.planned) for item in cluster.main] == [("failover", None)]


def test_a_mark_that_was_taken_back_plans_nothing() -> None:
    cluster = running().log("""
    09:30:00 pm01 attrd: Setting standby[pm01]: (unset) -> true
    09:31:00 pm01 attrd: Setting standby[pm01]: true -> (unset)
    """)
    cluster.log(moves("pm01", "pm02", "10:00:01") + moved("pm01", "pm02", "10:00:04")).until("10:01:00")
    assert [(item.kind, item.planned) for item in cluster.main] == [("failover", None)]


def test_a_fault_beside_a_mark_is_a_failover_all_the_same() -> None:
    cluster = running().log(STANDBY + FAILS + moves("pm01", "pm02", "10:00:01") + moved("pm01", "pm02", "10:00:04")).until("10:01:00")
    (failover,) = cluster.main
    assert (failover.kind, failover.planned) == (IncidentKind.FAILOVER, False)


def test_a_fault_on_the_other_node_makes_no_failover_of_a_planned_move() -> None:
    cluster = running().log("09:59:50 pm02 controld: Result of monitor operation for prmPing on pm02: error")
    cluster.log(STANDBY + moves("pm01", "pm02", "10:00:01") + moved("pm01", "pm02", "10:00:04")).until("10:01:00")
    assert [item.planned for item in cluster.incidents if item.kind in ("switchover", "failover")] == [True]


def test_a_switchover_whose_service_does_not_arrive_is_no_planned_failover() -> None:
    cluster = running().log(STANDBY + moves("pm01", "pm02", "10:00:01"))
    cluster.log("""
    10:00:03 pm01 controld: Result of stop operation for prmPg on pm01: ok
    10:00:03 pm01 controld: Result of stop operation for prmEx on pm01: ok
    """).until("10:30:00")
    (failed,) = cluster.main
    assert (failed.outcome, failed.severity, failed.planned) == (Outcome.FAILED, Severity.CRITICAL, False)
    assert failed.kind in (IncidentKind.FAILOVER, IncidentKind.SERVICE_DOWN)


def test_a_service_stopped_by_target_role_is_down_by_plan() -> None:
    cluster = running().log("""
    10:00:00 pm01 based: ++   <nvpair id="grpPg-meta_attributes-target-role" name="target-role" value="Stopped"/>
    10:00:00 pm01 schedulerd: Actions: Stop       prmEx             (                pm01 )  due to node availability
    10:00:00 pm01 schedulerd: Actions: Stop       prmPg             (                pm01 )  due to node availability
    10:00:00 pm01 schedulerd: Calculated transition 9, saving inputs in /var/lib/pacemaker/pengine/pe-input-9.bz2
    10:00:00 pm01 controld: State transition S_POLICY_ENGINE -> S_TRANSITION_ENGINE
    10:00:01 pm01 controld: Result of stop operation for prmPg on pm01: ok
    10:00:01 pm01 controld: Result of stop operation for prmEx on pm01: ok
    10:00:01 pm01 controld: State transition S_TRANSITION_ENGINE -> S_IDLE
    """)
    assert cluster.until("10:01:00").main == []
    assert {item.planned for item in cluster.incidents} == {True}
    cluster.log("""
    10:05:00 pm01 controld: Result of start operation for prmEx on pm01: ok
    10:05:00 pm01 controld: Result of start operation for prmPg on pm01: ok
    """).until("10:06:00")
    assert cluster.main == []
    assert not any(item.kind is IncidentKind.FAILOVER for item in cluster.incidents)


def test_an_orderly_stop_of_the_standby_alarms_nobody() -> None:
    cluster = running().log("""
    10:00:00 pm01 controld: Creating shutdown request for pm02 (state=S_IDLE)
    10:00:05 pm01 controld: Node pm02 state is now lost
    """)
    assert cluster.until("10:05:00").main == []
    assert [event.kind for event in cluster.events][-1] == "node_left"
    assert cluster.told() == []


def test_a_crash_of_the_standby_is_its_fault() -> None:
    cluster = (
        running()
        .log("""
    10:00:00 pm01 controld: Node pm02 state is now lost
    10:00:01 pm01 controld: Requesting fencing (reboot) of node pm02
    10:00:03 pm01 controld: Peer pm02 was terminated (reboot) by pm01 on behalf of pacemaker-controld.106@pm01: OK
    """)
        .until("10:01:00")
    )
    (fault,) = cluster.main
    assert (fault.kind, fault.nodes, fault.fenced) == (IncidentKind.STANDBY_FAULT, ("pm02",), ("pm02",))
    assert cluster.parts_of(fault) == ["fencing", "node_lost"]
    cluster.log("10:03:00 pm01 controld: Node pm02 state is now member").until("10:05:00")
    assert [item.state for item in cluster.incidents] == [IncidentState.RESOLVED] * 3


def started_again(quorum: str) -> Cluster:
    """The standby was lost and fenced, and starts: what it says of the quorum, and then of itself."""
    return running().log(f"""
        10:00:00 pm01 controld: Node pm02 state is now lost
        10:00:01 pm01 controld: Requesting fencing (reboot) of node pm02
        10:00:03 pm01 controld: Peer pm02 was terminated (reboot) by pm01 on behalf of pacemaker-controld.106@pm01: OK
        10:00:20 pm02 pacemakerd: Starting Pacemaker 2.1.5
        10:00:20 pm02 controld: {quorum}
        10:00:20 pm02 controld: Node pm02 state is now member
        """)


@pytest.mark.parametrize(
    "together",
    [
        "10:00:22 pm01 controld: Node pm02 state is now member",
        "10:00:22 pm02 controld: Node pm01 state is now member",
        "10:00:22 pm02 controld: Quorum acquired",
    ],
)
def test_a_node_that_starts_is_back_when_it_is_one_of_the_cluster_and_not_when_it_calls_itself_a_member(together: str) -> None:
    cluster = started_again("No quorum").until("10:00:21")
    assert [fault.state for fault in cluster.main] == [IncidentState.OPEN]
    cluster.log(together).until("10:05:00")
    assert [(fault.kind, fault.state, fault.resolved_at) for fault in cluster.main] == [
        (IncidentKind.STANDBY_FAULT, IncidentState.RESOLVED, at("10:00:22"))
    ]


def test_a_node_that_starts_alone_with_quorum_is_back() -> None:
    cluster = started_again("Quorum acquired").until("10:05:00")
    assert [fault.state for fault in cluster.main] == [IncidentState.RESOLVED]


def test_what_a_node_said_of_itself_before_it_started_once_more_counts_no_longer() -> None:
    cluster = (
        started_again("No quorum")
        .log("""
        10:01:00 pm02 pacemakerd: Starting Pacemaker 2.1.5
        10:01:00 pm02 controld: Quorum acquired
        """)
        .until("10:01:01")
    )
    assert [fault.state for fault in cluster.main] == [IncidentState.OPEN]
    cluster.log("10:01:01 pm02 controld: Node pm02 state is now member").until("10:05:00")
    assert [(fault.state, fault.resolved_at) for fault in cluster.main] == [(IncidentState.RESOLVED, at("10:01:01"))]


# -- daemons, links, quorum


def test_a_standby_that_is_back_before_its_loss_settled_was_at_fault_all_the_same() -> None:
    cluster = (
        running()
        .log("""
        10:00:00 pm01 controld: Node pm02 state is now lost
        10:00:00 pm01 controld: Requesting fencing (reboot) of node pm02
        10:00:01 pm01 controld: Peer pm02 was terminated (reboot) by pm01 on behalf of pacemaker-controld.106@pm01: OK
        10:00:01 pm01 controld: Node pm02 state is now member
        """)
        .until("10:05:00")
    )
    (fault,) = cluster.main
    assert (fault.kind, fault.nodes, fault.planned, fault.state) == (IncidentKind.STANDBY_FAULT, ("pm02",), False, IncidentState.RESOLVED)
    assert cluster.parts_of(fault) == ["fencing", "node_lost"]
    assert cluster.told() == ["standby_fault opening"]  # one message says both


def test_a_daemon_killed_on_the_standby_is_told_as_that() -> None:
    cluster = (
        running()
        .log("""
    10:00:00 pm02 pacemakerd: pacemaker-execd[105] terminated with signal 9 (Killed)
    10:00:00 pm02 pacemakerd: Respawning pacemaker-execd subdaemon after unexpected exit
    """)
        .until("10:01:00")
    )
    (died,) = cluster.main
    assert (died.kind, died.nodes, died.resources) == (IncidentKind.DAEMON_FAILED, ("pm02",), ("pacemaker-execd",))
    assert cluster.until("10:10:00").main[0].state is IncidentState.RESOLVED


def test_a_daemon_that_takes_its_node_with_it_is_told_as_what_comes_of_it() -> None:
    cluster = running().log("10:00:00 pm02 pacemakerd: pacemaker-execd[105] terminated with signal 9 (Killed)").until("10:00:05")
    assert cluster.told() == []
    cluster.log("10:00:06 pm01 controld: Node pm02 state is now lost").until("10:01:00")
    (fault,) = cluster.main
    assert fault.kind is IncidentKind.STANDBY_FAULT
    assert sorted(cluster.parts_of(fault)) == ["daemon_failed", "node_lost"]
    assert cluster.told() == ["standby_fault opening"]


def test_a_standby_whose_node_is_fenced_for_a_daemon_is_told_once() -> None:
    cluster = running().log("""
    10:00:00 pm02 pacemakerd: pacemaker-execd[105] terminated with signal 9 (Killed)
    10:00:00 pm02 pacemakerd: Respawning pacemaker-execd subdaemon after unexpected exit
    10:00:01 pm01 controld: Requesting fencing (reboot) of node pm02
    """)
    assert cluster.until("10:00:03").told() == ["standby_fault opening"]
    (fault,) = cluster.main
    assert (fault.kind, fault.nodes, cluster.parts_of(fault)) == (IncidentKind.STANDBY_FAULT, ("pm02",), ["daemon_failed", "fencing"])


def test_a_daemon_that_is_started_again_is_told_without_waiting_for_its_node() -> None:
    cluster = running().log("""
    10:00:00 pm02 pacemakerd: pacemaker-execd[105] terminated with signal 9 (Killed)
    10:00:01 pm02 pacemakerd: Respawning pacemaker-execd subdaemon after unexpected exit
    """)
    assert cluster.until("10:00:04").told() == ["daemon_failed opening"]


@pytest.mark.parametrize(("name", "peer"), [("pm01", 2), ("pm02", 1)])
def test_the_cause_of_a_link_that_is_down_is_where_it_was_seen_first(name: str, peer: int) -> None:
    cluster = running().log(f"10:00:00 {name} corosync: link: host: {peer} link: 0 is down").until("10:00:30")
    (fault,) = cluster.main
    assert fault.cause is not None
    assert fault.cause.node == fault.timeline[0].node == name


def test_a_link_that_flaps_is_told_although_its_peer_stayed() -> None:
    cluster = running().log("10:00:00 pm01 corosync: link: host: 2 link: 0 is down")
    assert cluster.main == []
    cluster.until("10:00:30")
    (fault,) = cluster.main
    assert (fault.kind, set(fault.nodes), fault.started_at) == (IncidentKind.INTERCONNECT_DEGRADED, {"pm01", "pm02"}, at("10:00:00"))
    cluster.log("10:02:00 pm01 corosync: link: host: 2 link: 0 is up")
    assert cluster.main[0].state is IncidentState.RESOLVED
    assert cluster.told() == ["interconnect_degraded opening", "interconnect_degraded closing"]


def test_a_link_that_is_down_again_at_once_is_one_fault_with_how_often() -> None:
    cluster = (
        running()
        .log("""
    10:00:00 pm01 corosync: link: host: 2 link: 0 is down
    10:00:20 pm01 corosync: link: host: 2 link: 0 is up
    10:00:50 pm02 corosync: link: host: 1 link: 0 is down""")
        .until("10:01:05")
    )
    (fault,) = cluster.main
    assert (fault.kind, fault.state, fault.flaps, fault.started_at) == ("interconnect_degraded", IncidentState.OPEN, 2, at("10:00:00"))
    assert headline(fault, "en").endswith(", 2 times (flapping)")
    cluster.log("10:01:10 pm01 corosync: link: host: 2 link: 0 is up").until("10:10:00")
    (fault,) = cluster.main
    assert (fault.state, fault.resolved_at, fault.nodes) == (IncidentState.RESOLVED, at("10:01:10"), ("pm01", "pm02"))
    assert [entry.event for entry in fault.timeline] == ["link_down", "link_up", "link_down", "link_up"]
    assert cluster.told() == [f"interconnect_degraded {word}" for word in ("opening", "closing", "opening", "closing")]


@pytest.mark.parametrize("again", ["10:01:30 pm01 corosync: link: host: 2 link: 0", "10:00:50 pm01 corosync: link: host: 2 link: 1"])
def test_a_link_that_is_down_later_or_another_one_is_another_fault(again: str) -> None:
    cluster = (
        running()
        .log(f"""
    10:00:00 pm01 corosync: link: host: 2 link: 0 is down
    10:00:20 pm01 corosync: link: host: 2 link: 0 is up
    {again} is down""")
        .until("10:02:00")
    )
    assert [fault.flaps for fault in cluster.main] == [0, 0]


def test_a_link_that_flaps_all_the_time_is_not_told_each_time() -> None:
    cluster = running()
    for minute in range(40):
        cluster.log(f"""
        10:{minute:02}:00 pm01 corosync: link: host: 2 link: 0 is down
        10:{minute:02}:20 pm01 corosync: link: host: 2 link: 0 is up""").until(f"10:{minute:02}:40")
    faults = cluster.main
    assert len(faults) == 2  # the first ones, and what tells of all that followed
    assert faults[-1].flaps == 40
    assert cluster.told().count("interconnect_degraded opening") == 6


@pytest.mark.parametrize(("third", "went"), [(False, "lost"), (True, "lost"), (False, "stopped"), (True, "stopped")])
def test_of_pm_logconv_alone_the_links_of_a_node_that_went_are_no_fault_beside_it(*, third: bool, went: str) -> None:
    """It names the peer of a link of Corosync 3 by its number, and never tells whose that is."""
    others = ["pm02", "pm03"] if third else ["pm02"]
    down = [f"10:00:0{second} {node} logconv: warning: Ring number 0 is FAULTY (interface host 1)." for second in (0, 2) for node in others]
    gone = [f"10:00:01 {node} logconv: warning: Node pm01 is lost" for node in others]
    back = [f"10:00:08 {node} logconv: info: {text}" for node in others for text in ("Node pm01 is member", "Ring number 0 is recovered.")]
    cluster = Cluster().log("\n".join(f"09:00:00 {node} logconv: info: Node {node} is member" for node in ("pm01", *others)))
    if went == "stopped":
        cluster.log("09:59:59 pm01 logconv: info: Pacemaker on pm01 is shutting down.")
        cluster.log("\n".join((*gone, *down[len(others) :], *back))).until("10:05:00")
        assert cluster.main == []
    else:
        cluster.log("\n".join((*down[: len(others)], *gone))).until("10:05:00")
        assert [(item.kind, item.nodes, item.started_at) for item in cluster.main] == [(IncidentKind.NODE_LOST, ("pm01",), at("10:00:00"))]


def test_of_pm_logconv_alone_a_link_whose_peer_stays_is_a_fault() -> None:
    cluster = running().log("10:00:00 pm01 logconv: warning: Ring number 0 is FAULTY (interface host 2).").until("10:05:00")
    assert [item.kind for item in cluster.main] == [IncidentKind.INTERCONNECT_DEGRADED]


def test_both_ends_of_a_link_tell_one_story() -> None:
    cluster = (
        running()
        .log("""
    10:00:00 pm01 corosync: link: host: 2 link: 0 is down
    10:00:00 pm02 corosync: link: host: 1 link: 0 is down
    """)
        .until("10:00:30")
    )
    assert [item.kind for item in cluster.main] == ["interconnect_degraded"]


def test_links_to_a_node_that_is_lost_are_no_story() -> None:
    cluster = (
        running()
        .log("""
    10:00:00 pm01 corosync: link: host: 2 link: 0 is down
    10:00:00 pm01 corosync: link: host: 2 link: 1 is down
    10:00:03 pm01 controld: Node pm02 state is now lost
    """)
        .until("10:01:00")
    )
    assert [item.kind for item in cluster.main] == ["standby_fault"]


def test_a_node_that_boots_has_no_quorum_yet_and_says_so_to_nobody() -> None:
    cluster = Cluster().log("""
    09:00:00 pm01 corosync: Corosync Cluster Engine 3.1.7 starting up
    09:00:00 pm01 corosync: This node is within the non-primary component and will NOT provide any services.
    09:00:01 pm01 pacemakerd: Starting Pacemaker 2.1.5
    09:00:02 pm01 controld: No quorum
    09:00:20 pm01 controld: Quorum acquired
    """)
    assert cluster.until("09:05:00").main == []
    assert cluster.engine.view().has_quorum is True


def test_quorum_lost_while_serving_is_critical() -> None:
    cluster = running().log("10:00:00 pm01 controld: Quorum lost").until("10:00:30")
    (lost,) = [item for item in cluster.main if item.kind is IncidentKind.QUORUM_LOST]
    assert (lost.severity, lost.state) == (Severity.CRITICAL, IncidentState.OPEN)
    cluster.log("10:01:00 pm01 controld: Quorum acquired")
    assert [item.state for item in cluster.incidents] == [IncidentState.RESOLVED]


def test_a_node_that_just_came_up_loses_a_quorum_that_it_had() -> None:
    cluster = running().log("""
    10:00:00 pm01 corosync: Corosync Cluster Engine 3.1.7 starting up
    10:00:01 pm01 controld: No quorum
    10:00:20 pm01 controld: Quorum acquired
    10:01:00 pm01 controld: Quorum lost
    """)
    assert [item.kind for item in cluster.until("10:01:30").main] == [IncidentKind.QUORUM_LOST]


NO_QUORUM = """
10:00:00 pm01 controld: Quorum lost
10:00:00 pm02 controld: Quorum lost
10:00:01 pm01 schedulerd: Actions: Stop       prmEx             (                pm01 )  due to no quorum
10:00:01 pm01 schedulerd: Actions: Stop       prmPg             (                pm01 )  due to no quorum
10:00:01 pm01 schedulerd: Actions: Stop       fence1            (                pm02 )  due to no quorum (blocked)
10:00:01 pm01 schedulerd: Calculated transition 9, saving inputs in /var/lib/pacemaker/pengine/pe-input-9.bz2
10:00:01 pm01 controld: State transition S_POLICY_ENGINE -> S_TRANSITION_ENGINE
10:00:02 pm01 controld: Result of stop operation for prmPg on pm01: ok
10:00:03 pm01 controld: Result of stop operation for prmEx on pm01: ok
10:00:03 pm01 controld: State transition S_TRANSITION_ENGINE -> S_IDLE
10:00:03 pm01 schedulerd: Actions: Start      prmEx             (                pm02 )  due to no quorum (blocked)
10:00:03 pm01 schedulerd: Actions: Start      prmPg             (                pm02 )  due to no quorum (blocked)
10:00:03 pm01 schedulerd: Calculated transition 10, saving inputs in /var/lib/pacemaker/pengine/pe-input-10.bz2
10:00:03 pm01 controld: State transition S_POLICY_ENGINE -> S_TRANSITION_ENGINE
10:00:04 pm01 controld: Transition 10 (Complete=2, Pending=0, Fired=0, Skipped=0, Incomplete=0, Source=pe-input-10.bz2): Complete
10:00:04 pm01 controld: State transition S_TRANSITION_ENGINE -> S_IDLE
"""


def test_a_service_that_is_stopped_for_want_of_quorum_is_one_outage_that_nobody_planned() -> None:
    cluster = running().log(NO_QUORUM).until("10:01:00")
    (down,) = cluster.main
    assert (down.kind, down.planned, down.outcome) == (IncidentKind.SERVICE_DOWN, False, Outcome.FAILED)
    assert down.cause is not None
    assert down.cause.kind == "quorum_lost"
    assert set(cluster.parts_of(down)) == {"quorum_lost", "resource_blocked"}
    cluster.log("10:02:00 pm01 controld: Quorum acquired").until("10:02:30")
    assert "failover" not in " ".join(cluster.told())
    assert IncidentKind.FAILOVER not in {step.incident.kind for step in cluster.steps}


@pytest.mark.parametrize("order", [(0, 1, 2), (1, 0, 2), (1, 2, 0)], ids=["first the quorum", "between them", "first the nodes"])
def test_the_nodes_with_which_the_quorum_was_lost_are_part_of_the_outage_and_not_told_by_themselves(order: tuple[int, ...]) -> None:
    losses = (
        "10:00:00 pm01 controld: Quorum lost",
        "10:00:00 pm01 controld: Node pm02 state is now lost",
        "10:00:00 pm01 controld: Node pm03 state is now lost",
    )
    cluster = running().log("09:00:03 pm01 controld: Node pm03 state is now member").log("\n".join(losses[number] for number in order))
    # An election may take longer than the settle time.
    cluster.until("10:00:07").log("""
        10:00:07 pm01 schedulerd: Actions: Stop       prmEx             (                pm01 )  due to no quorum
        10:00:07 pm01 schedulerd: Actions: Stop       prmPg             (                pm01 )  due to no quorum
        10:00:07 pm01 schedulerd: Calculated transition 9, saving inputs in /var/lib/pacemaker/pengine/pe-input-9.bz2
        10:00:07 pm01 controld: State transition S_POLICY_ENGINE -> S_TRANSITION_ENGINE
        10:00:08 pm01 controld: Result of stop operation for prmPg on pm01: ok
        10:00:08 pm01 controld: Result of stop operation for prmEx on pm01: ok
        10:00:08 pm01 controld: State transition S_TRANSITION_ENGINE -> S_IDLE
    """).until("10:01:00")
    (down,) = cluster.main
    assert down.kind is IncidentKind.SERVICE_DOWN
    # Also what a node said of others before it lost the quorum with them, though it may be the one that is cut off.
    assert set(cluster.parts_of(down)) == {"node_lost", "quorum_lost"}
    assert {said.split()[0] for said in cluster.told()} <= {"failover", "service_down"}


def test_a_service_that_waited_for_the_quorum_was_down_wherever_it_is_started_then() -> None:
    cluster = running().log(NO_QUORUM).until("10:01:00")
    cluster.log("""
    10:02:00 pm01 controld: Quorum acquired
    10:02:00 pm02 controld: Quorum acquired
    10:02:01 pm01 schedulerd: Actions: Start      prmEx             (                pm02 )
    10:02:01 pm01 schedulerd: Actions: Start      prmPg             (                pm02 )
    10:02:01 pm01 schedulerd: Calculated transition 11, saving inputs in /var/lib/pacemaker/pengine/pe-input-11.bz2
    10:02:01 pm01 controld: State transition S_POLICY_ENGINE -> S_TRANSITION_ENGINE
    10:02:02 pm02 controld: Result of start operation for prmEx on pm02: ok
    10:02:02 pm02 controld: Result of start operation for prmPg on pm02: ok
    10:02:02 pm01 controld: State transition S_TRANSITION_ENGINE -> S_IDLE
    """)
    (down,) = cluster.main
    assert (down.kind, down.outcome, down.from_node, down.to_node) == (IncidentKind.SERVICE_DOWN, Outcome.SUCCEEDED, "pm01", "pm02")
    assert "failover" not in " ".join(cluster.told())


def test_a_cut_that_stays_when_quorum_is_back_is_told_then() -> None:
    cluster = running().log("""
    10:00:00 pm01 controld: Quorum lost
    10:00:00 pm02 controld: Quorum lost
    10:00:00 pm01 controld: Node pm02 state is now lost
    10:00:00 pm02 controld: Node pm01 state is now lost
    """)
    assert [item.kind for item in cluster.until("10:00:40").main] == [IncidentKind.QUORUM_LOST]
    cluster.log("10:01:00 pm01 controld: Quorum acquired").until("10:02:00")
    told = [item for item in cluster.main if item.state is IncidentState.OPEN]
    assert [item.kind for item in told] == [IncidentKind.STANDBY_FAULT]


EACH_LOST = """
10:00:00 pm01 controld: Node pm02 state is now lost
10:00:00 pm02 controld: Node pm01 state is now lost
"""
BOTH_BEGIN_ANEW = """
10:01:00 pm01 corosync: Corosync Cluster Engine 3.1.7 starting up
10:01:00 pm02 corosync: Corosync Cluster Engine 3.1.7 starting up
10:01:01 pm01 pacemakerd: Starting Pacemaker 2.1.5
10:01:01 pm02 pacemakerd: Starting Pacemaker 2.1.5
"""
BOTH_ARE_BACK = """
10:01:02 pm01 controld: Node pm01 state is now member
10:01:02 pm02 controld: Node pm02 state is now member
10:01:03 pm01 controld: Node pm02 state is now member
10:01:03 pm02 controld: Node pm01 state is now member
10:01:05 pm01 controld: Result of start operation for prmEx on pm01: ok
10:01:06 pm01 controld: Result of start operation for prmPg on pm01: ok
10:01:06 pm01 controld: State transition S_TRANSITION_ENGINE -> S_IDLE
"""


def test_two_nodes_that_fenced_each_other_were_an_outage_though_the_service_starts_where_it_was() -> None:
    cluster = running().log(EACH_LOST).until("10:00:59").log(BOTH_BEGIN_ANEW + BOTH_ARE_BACK).until("10:02:00")
    (down,) = [item for item in cluster.main if item.kind is IncidentKind.SERVICE_DOWN]
    assert (down.planned, down.outcome, down.from_node) == (False, Outcome.SUCCEEDED, "pm01")
    assert set(down.resources) == {"prmEx", "prmPg"}
    assert down.service_down_seconds == 66.0


def test_two_nodes_that_are_one_cluster_again_without_a_new_start_had_no_outage() -> None:
    cluster = running().log(EACH_LOST).until("10:00:59").log(BOTH_ARE_BACK).until("10:02:00")
    assert IncidentKind.SERVICE_DOWN not in {step.incident.kind for step in cluster.steps}


def test_when_all_nodes_were_off_the_service_was_down_wherever_it_is_started_then() -> None:
    cluster = (
        running()
        .log("""
    10:00:00 pm01 controld: Node pm02 state is now lost
    10:00:00 pm02 controld: Node pm01 state is now lost
    10:00:00 pm02 schedulerd: Actions: Fence (reboot) pm01 'peer is no longer part of the cluster'
    10:00:00 pm02 schedulerd: Actions: Move       prmEx             ( pm01 -> pm02 )
    10:00:00 pm02 schedulerd: Actions: Move       prmPg             ( pm01 -> pm02 )
    10:00:00 pm02 schedulerd: Calculated transition 9, saving inputs in /var/lib/pacemaker/pengine/pe-input-9.bz2
    10:00:00 pm01 controld: Requesting fencing (reboot) of node pm02
    10:00:00 pm02 controld: Requesting fencing (reboot) of node pm01
    """)
        .until("10:00:40")
        .log("""
    10:00:40 pm01 pacemakerd: Starting Pacemaker 2.1.5
    10:00:41 pm02 pacemakerd: Starting Pacemaker 2.1.5
    10:00:42 pm01 controld: Node pm01 state is now member
    10:00:43 pm02 controld: Node pm02 state is now member
    """)
        .until("10:00:50")
        .log("""
    10:00:50 pm02 schedulerd: Actions: Start      prmEx             (                pm02 )
    10:00:50 pm02 schedulerd: Actions: Start      prmPg             (                pm02 )
    10:00:50 pm02 schedulerd: Calculated transition 1, saving inputs in /var/lib/pacemaker/pengine/pe-input-1.bz2
    10:00:50 pm02 controld: State transition S_POLICY_ENGINE -> S_TRANSITION_ENGINE
    10:00:51 pm02 controld: Result of start operation for prmEx on pm02: ok
    10:00:52 pm02 controld: Result of start operation for prmPg on pm02: ok
    10:00:52 pm02 controld: State transition S_TRANSITION_ENGINE -> S_IDLE
    """)
    )
    (down,) = cluster.main
    assert (down.kind, down.outcome, down.from_node, down.to_node) == (IncidentKind.SERVICE_DOWN, Outcome.SUCCEEDED, "pm01", "pm02")
    assert "failover" not in " ".join(cluster.told())


def test_two_nodes_that_were_cut_from_each_other_are_one_cluster_again_when_a_link_is_up() -> None:
    cluster = (
        running()
        .log("""
    10:00:00 pm01 corosync: link: host: 2 link: 0 is down
    10:00:00 pm02 corosync: link: host: 1 link: 0 is down
    10:00:03 pm01 controld: Node pm02 state is now lost
    10:00:03 pm02 controld: Node pm01 state is now lost
    """)
        .until("10:01:00")
    )
    (split,) = [item for item in cluster.incidents if item.kind is IncidentKind.INTERCONNECT_DEGRADED]
    assert split.state is IncidentState.OPEN
    cluster.log("10:02:00 pm01 corosync: link: host: 2 link: 0 is up")
    (split,) = [item for item in cluster.incidents if item.kind is IncidentKind.INTERCONNECT_DEGRADED]
    assert split.state is IncidentState.RESOLVED


# -- what was there before


def test_a_threshold_whose_failure_nobody_saw_was_there_before_and_is_no_alarm_of_now() -> None:
    cluster = running().log(
        "10:00:00 pm01 schedulerd: prmPg cannot run on pm02 due to reaching migration threshold (clean up resource to allow again)"
    )
    found = cluster.until("10:01:00").incidents
    assert [(item.kind, item.started_at) for item in found] == [("failcount_threshold", None)]
    # The scheduler repeats it with every calculation.
    cluster.log("10:02:00 pm01 schedulerd: prmPg cannot run on pm02 due to reaching migration threshold (clean up resource to allow again)")
    assert len(cluster.until("10:03:00").incidents) == 1


def test_a_threshold_is_part_of_what_its_own_failure_led_to_not_of_an_earlier_story_of_its_node() -> None:
    barred = "pm01 schedulerd: prmPg cannot run on pm02 due to reaching migration threshold (clean up resource to allow again)"
    planned = """
        {at} pm01 schedulerd: Calculated transition 9, saving inputs in /var/lib/pacemaker/pengine/pe-input-9.bz2
        {at} pm01 controld: State transition S_POLICY_ENGINE -> S_TRANSITION_ENGINE
    """
    # It fails on pm01 and cannot be started on pm02, until somebody cleans up; then it fails on pm02.
    cluster = (
        running()
        .log(f"""
        10:00:00 pm01 controld: Result of monitor operation for prmPg on pm01: error
        10:00:01 pm01 schedulerd: Actions: Move       prmPg             ( pm01 -> pm02 )
        {planned.format(at="10:00:01")}
        10:00:02 pm01 controld: Result of stop operation for prmPg on pm01: ok
        10:00:03 pm02 controld: Result of start operation for prmPg on pm02: error
        10:00:03 {barred}
        10:00:30 pm02 attrd: Setting fail-count-prmPg#start_0[pm02]: INFINITY -> (unset)
        10:00:31 pm02 controld: Result of start operation for prmPg on pm02: ok
        10:01:00 pm02 controld: Result of monitor operation for prmPg on pm02: error
        10:01:00 {barred}
        10:01:01 pm01 schedulerd: Actions: Move       prmPg             ( pm02 -> pm01 )
        {planned.format(at="10:01:01")}
    """)
        .until("10:01:10")
    )
    key = {item.from_node: item.key for item in cluster.incidents if item.kind is IncidentKind.FAILOVER}
    thresholds = [item.part_of for item in cluster.incidents if item.kind is IncidentKind.FAILCOUNT_THRESHOLD]
    assert (len(thresholds), thresholds[-1]) == (2, key["pm02"])


BARRED = "schedulerd: prmPg cannot run on pm01 due to reaching migration threshold (clean up resource to allow again)"


def test_a_threshold_that_the_scheduler_still_sees_in_the_middle_of_a_clean_up_is_not_reached_anew() -> None:
    """As Pacemaker 2.1.5 does it: the fail count is cleared, the scheduler runs, and the record of the failure goes after that."""
    cluster = running().log(FAILED_OVER).log("10:10:00 pm01 attrd: Setting fail-count-prmPg#monitor_10000[pm01]: 1 -> (unset)")
    found = cluster.log(f"10:10:01 pm01 {BARRED}").until("10:11:00").incidents
    assert [item.kind for item in found if item.state is IncidentState.OPEN] == []


def test_a_threshold_that_a_new_failure_reaches_after_a_clean_up_is_reached() -> None:
    cluster = running().log(FAILED_OVER).log("10:10:00 pm01 attrd: Setting fail-count-prmPg#monitor_10000[pm01]: 1 -> (unset)")
    cluster.log("10:10:03 pm01 attrd: Setting fail-count-prmPg#monitor_10000[pm01]: (unset) -> 1").log(f"10:10:03 pm01 {BARRED}")
    found = cluster.until("10:11:00").incidents
    assert [item.kind for item in found if item.state is IncidentState.OPEN] == [IncidentKind.FAILCOUNT_THRESHOLD]


def test_a_failure_that_the_scheduler_repeats_is_history() -> None:
    cluster = running().log(
        "10:00:00 pm01 schedulerd: Unexpected result (error) was recorded for monitor of prmPg on pm01 at Nov 22 09:10:23 2026"
    )
    assert cluster.until("10:05:00").incidents == []


# -- after a fail-over

FAILED_OVER = FAILS + moves("pm01", "pm02", "10:00:01") + moved("pm01", "pm02", "10:00:04")


def test_what_a_late_log_tells_of_an_idle_cluster_before_a_failover_does_not_end_it() -> None:
    cluster = running().log("""
        10:00:00 pm01 controld: Result of monitor operation for prmPg on pm01: not running
        10:00:00 pm02 schedulerd: Actions: Stop       prmPg             (                        pm01 )  due to node availability
        10:00:00 pm02 schedulerd: Actions: Stop       prmEx             (                        pm01 )  due to node availability
        10:00:00 pm02 schedulerd: Calculated transition 9, saving inputs in /var/lib/pacemaker/pengine/pe-input-9.bz2
        10:00:00 pm02 controld: State transition S_POLICY_ENGINE -> S_TRANSITION_ENGINE
        10:00:01 pm01 controld: Result of stop operation for prmPg on pm01: ok
    """)
    assert [incident.outcome for incident in cluster.main] == ["ongoing"]
    cluster.log("09:59:40 pm02 controld: State transition S_TRANSITION_ENGINE -> S_IDLE")
    assert [incident.outcome for incident in cluster.main] == ["ongoing"]
    cluster.log("10:00:02 pm02 controld: State transition S_TRANSITION_ENGINE -> S_IDLE")
    assert [incident.outcome for incident in cluster.main] == ["failed"]


def test_a_cleanup_after_a_failover_closes_its_debt() -> None:
    cluster = running().log(FAILED_OVER).until("10:01:00")
    (failover,) = cluster.main
    assert (failover.state, failover.redundancy) == (IncidentState.OPEN, False)
    cluster.log("10:10:00 pm01 attrd: Setting fail-count-prmPg#monitor_10000[pm01]: 1 -> (unset)")
    (failover,) = cluster.main
    assert (failover.state, failover.redundancy_restored_at) == (IncidentState.RESOLVED, at("10:10:00"))
    assert cluster.told()[-1] == "failover closing"


def test_two_failovers_in_a_row_are_two() -> None:
    cluster = running().log(FAILED_OVER).log("10:10:00 pm01 attrd: Setting fail-count-prmPg#monitor_10000[pm01]: 1 -> (unset)")
    cluster.log("""
    10:20:00 pm02 controld: Result of monitor operation for prmEx on pm02: not running
    10:20:00 pm02 attrd: Setting fail-count-prmEx#monitor_10000[pm02]: (unset) -> 1
    """)
    cluster.log(moves("pm02", "pm01", "10:20:01") + moved("pm02", "pm01", "10:20:04")).until("10:21:00")
    first, second = [item for item in cluster.incidents if item.kind is IncidentKind.FAILOVER]
    assert (first.from_node, first.to_node, second.from_node, second.to_node) == ("pm01", "pm02", "pm02", "pm01")
    assert first.key != second.key
    assert (first.state, second.planned, second.outcome) == (IncidentState.RESOLVED, False, Outcome.SUCCEEDED)


def test_a_second_failure_soon_after_the_first_is_a_failover_of_its_own_not_a_return() -> None:
    cluster = running().log(FAILED_OVER).log("10:00:20 pm01 attrd: Setting fail-count-prmPg#monitor_10000[pm01]: 1 -> (unset)")
    cluster.log("""
    10:00:50 pm02 controld: Result of monitor operation for prmEx on pm02: not running
    10:00:50 pm02 attrd: Setting fail-count-prmEx#monitor_10000[pm02]: (unset) -> 1
    """)
    cluster.log(moves("pm02", "pm01", "10:00:51") + moved("pm02", "pm01", "10:00:54")).until("10:02:00")
    assert [(item.from_node, item.to_node) for item in cluster.main] == [("pm01", "pm02"), ("pm02", "pm01")]


def test_a_return_after_standby_is_part_of_the_switchover() -> None:
    cluster = running().log("10:00:00 pm01 attrd: Setting standby[pm01]: (unset) -> true")
    cluster.log(moves("pm01", "pm02", "10:00:01") + moved("pm01", "pm02", "10:00:04")).until("10:00:20")
    cluster.log("10:00:30 pm01 attrd: Setting standby[pm01]: true -> (unset)")
    cluster.log(moves("pm02", "pm01", "10:00:31") + moved("pm02", "pm01", "10:00:34")).until("10:02:00")
    (switchover,) = [item for item in cluster.incidents if item.kind in ("switchover", "failover")]
    assert (switchover.kind, switchover.from_node, switchover.to_node) == (IncidentKind.SWITCHOVER, "pm01", "pm02")
    assert cluster.main == []


def test_a_failure_that_has_nowhere_to_go_is_never_called_a_failover() -> None:
    cluster = running().log("09:50:00 pm01 schedulerd: pm02 is in standby mode" + FAILS)
    cluster.log("""
    10:00:01 pm01 schedulerd: Actions: Stop       prmEx             (                pm01 )  due to node availability
    10:00:01 pm01 schedulerd: Actions: Stop       prmPg             (                pm01 )  due to node availability
    10:00:01 pm01 schedulerd: Calculated transition 9, saving inputs in /var/lib/pacemaker/pengine/pe-input-9.bz2
    10:00:01 pm01 controld: State transition S_POLICY_ENGINE -> S_TRANSITION_ENGINE
    10:00:02 pm01 controld: Result of stop operation for prmPg on pm01: ok
    10:00:02 pm01 controld: Result of stop operation for prmEx on pm01: ok
    """)
    departures = {IncidentKind.FAILOVER, IncidentKind.SWITCHOVER, IncidentKind.SERVICE_DOWN}
    assert {step.incident.kind for step in cluster.steps if step.incident.kind in departures} == {IncidentKind.SERVICE_DOWN}


def test_a_failover_whose_start_fails_on_the_target_is_told_as_failed() -> None:
    cluster = running().log(FAILS + moves("pm01", "pm02", "10:00:01"))
    cluster.log("""
    10:00:03 pm01 controld: Result of stop operation for prmPg on pm01: ok
    10:00:03 pm01 controld: Result of stop operation for prmEx on pm01: ok
    10:00:05 pm02 controld: Result of start operation for prmEx on pm02: error
    10:00:05 pm01 schedulerd: Actions: Stop       prmEx             (                pm02 )  due to node availability
    10:00:05 pm01 schedulerd: Calculated transition 10, saving inputs in /var/lib/pacemaker/pengine/pe-input-10.bz2
    10:00:05 pm01 controld: State transition S_POLICY_ENGINE -> S_TRANSITION_ENGINE
    10:00:06 pm02 controld: Result of stop operation for prmEx on pm02: ok
    10:00:06 pm01 controld: State transition S_TRANSITION_ENGINE -> S_IDLE
    """).until("10:15:00")
    (down,) = cluster.main
    assert (down.outcome, down.severity, down.planned) == (Outcome.FAILED, Severity.CRITICAL, False)
    assert down.kind in (IncidentKind.FAILOVER, IncidentKind.SERVICE_DOWN)
    assert down.service_restored_at is None
    cluster.log("""
    10:20:00 pm02 controld: Result of start operation for prmEx on pm02: ok
    10:20:00 pm02 controld: Result of start operation for prmPg on pm02: ok
    """).until("10:21:00")
    (down,) = cluster.main
    assert down.service_restored_at == at("10:20:00")


# -- fencing

LOST = """
10:00:00 pm02 controld: Node pm01 state is now lost
10:00:01 pm02 controld: Requesting fencing (reboot) of node pm01
"""


def serving_pm01_seen_by_pm02() -> Cluster:
    return Cluster().log(UP).log("09:10:00 pm02 controld: Set DC to pm02 (3.16.1)")


def test_fencing_that_fails_and_then_succeeds_is_one_failover_that_took_longer() -> None:
    cluster = serving_pm01_seen_by_pm02().log(LOST)
    cluster.log("""
    10:00:01 pm02 schedulerd: Actions: Move       prmEx             (                pm01 -> pm02 )
    10:00:01 pm02 schedulerd: Actions: Move       prmPg             (                pm01 -> pm02 )
    10:00:01 pm02 schedulerd: Calculated transition 9, saving inputs in /var/lib/pacemaker/pengine/pe-warn-9.bz2
    10:00:01 pm02 controld: State transition S_POLICY_ENGINE -> S_TRANSITION_ENGINE
    10:00:21 pm02 controld: Peer pm01 was not terminated (reboot) by the cluster on behalf of pacemaker-controld.106@pm02: Timed Out
    10:00:22 pm02 controld: Requesting fencing (reboot) of node pm01
    10:00:30 pm02 controld: Peer pm01 was terminated (reboot) by pm02 on behalf of pacemaker-controld.106@pm02: OK
    10:00:33 pm02 controld: Result of start operation for prmEx on pm02: ok
    10:00:33 pm02 controld: Result of start operation for prmPg on pm02: ok
    10:00:33 pm02 controld: State transition S_TRANSITION_ENGINE -> S_IDLE
    """).until("10:02:00")
    (failover,) = cluster.main
    assert (failover.kind, failover.planned, failover.outcome) == (IncidentKind.FAILOVER, False, Outcome.SUCCEEDED)
    assert (failover.from_node, failover.to_node, failover.fenced) == ("pm01", "pm02", ("pm01",))
    assert cluster.parts_of(failover) == ["fencing", "fencing", "fencing_failed", "node_lost"]
    (failed,) = [item for item in cluster.incidents if item.kind is IncidentKind.FENCING_FAILED]
    assert (failed.state, failed.nodes) == (IncidentState.RESOLVED, ("pm01",))
    assert failover.service_down_seconds == 33.0


def test_what_cman_fences_is_told_as_what_pacemaker_fences() -> None:
    """CMAN 3: its daemon fences who leaves, and asks Pacemaker or a device of its own to do so."""
    cluster = (
        serving_pm01_seen_by_pm02()
        .log("""
    10:00:00 pm02 controld: Node pm01 state is now lost
    10:00:01 pm02 cman: fencing node pm01
    10:00:01 pm03 cman: fencing deferred to pm02
    10:00:01 pm02 schedulerd: Actions: Move       prmEx             (                pm01 -> pm02 )
    10:00:01 pm02 schedulerd: Actions: Move       prmPg             (                pm01 -> pm02 )
    10:00:01 pm02 schedulerd: Calculated transition 9, saving inputs in /var/lib/pacemaker/pengine/pe-warn-9.bz2
    10:00:01 pm02 controld: State transition S_POLICY_ENGINE -> S_TRANSITION_ENGINE
    10:00:21 pm02 cman: fence pm01 dev 0.0 agent fence_ipmilan result: error from agent
    10:00:21 pm02 cman: fence pm01 failed
    """)
        .until("10:00:24")
    )
    (failover,) = cluster.main
    assert (failover.kind, failover.outcome, failover.fenced) == (IncidentKind.FAILOVER, Outcome.ONGOING, ())
    assert "fencing_failed" in cluster.parts_of(failover)
    cluster.log("""
    10:00:24 pm02 cman: fencing node pm01
    10:00:30 pm02 cman: fence pm01 success
    10:00:33 pm02 controld: Result of start operation for prmEx on pm02: ok
    10:00:33 pm02 controld: Result of start operation for prmPg on pm02: ok
    10:00:33 pm02 controld: State transition S_TRANSITION_ENGINE -> S_IDLE
    """).until("10:02:00")
    (failover,) = cluster.main
    assert (failover.outcome, failover.fenced, failover.service_down_seconds) == (Outcome.SUCCEEDED, ("pm01",), 33.0)
    assert all(item.state is IncidentState.RESOLVED for item in cluster.incidents if item.kind is IncidentKind.FENCING_FAILED)


def test_a_lost_node_and_its_fencing_are_one_story_also_where_roles_are_unknown() -> None:
    cluster = (
        Cluster()
        .log("""
    10:00:00 pm02 controld: Node pm01 state is now lost
    10:00:01 pm02 controld: Requesting fencing (reboot) of node pm01
    10:00:21 pm02 controld: Peer pm01 was not terminated (reboot) by the cluster on behalf of pacemaker-controld.106@pm02: Timed Out
    10:00:22 pm02 controld: Requesting fencing (reboot) of node pm01
    """)
        .until("10:01:00")
    )
    (failed,) = cluster.main
    assert failed.kind is IncidentKind.FENCING_FAILED
    assert cluster.parts_of(failed) == ["fencing", "node_lost"]


def test_a_failed_attempt_that_is_told_after_the_node_is_back_is_over() -> None:
    cluster = running()
    cluster.log("""
    10:00:00 pm01 controld: Node pm02 state is now lost
    10:00:01 pm01 controld: Requesting fencing (reboot) of node pm02
    10:00:11 pm01 controld: Peer pm02 was not terminated (reboot) by the cluster on behalf of pacemaker-controld.106@pm01: Timed Out
    10:00:12 pm01 controld: Requesting fencing (reboot) of node pm02
    10:00:24 pm01 controld: Node pm02 state is now member
    10:00:22 pm02 controld: Peer pm02 was not terminated (reboot) by the cluster on behalf of pacemaker-controld.106@pm01: Timed Out
    """).until("10:02:00")
    assert [one.kind for one in cluster.incidents].count(IncidentKind.FENCING_FAILED) == 1
    assert cluster.told() == ["standby_fault opening", "standby_fault closing"]


def test_a_node_that_begins_anew_before_anybody_missed_it_is_back() -> None:
    cluster = running()
    cluster.log("""
    09:59:59 pm01 corosync: link: host: 2 link: 0 is down
    10:00:00 pm01 corosync: A new membership (1.24) was formed. Members joined: 2 left: 2
    10:00:00 pm01 corosync: Failed to receive the leave message. failed: 2
    10:00:00 pm01 corosync: Members[2]: 1 2
    """).until("10:01:00")
    (fault,) = cluster.main
    assert (fault.kind, fault.nodes, fault.state) == (IncidentKind.STANDBY_FAULT, ("pm02",), IncidentState.RESOLVED)
    assert cluster.told() == ["standby_fault opening"]


def test_an_operators_fencing_of_the_active_node_is_planned_work() -> None:
    cluster = (
        serving_pm01_seen_by_pm02()
        .log("""
    10:00:00 pm02 controld: Peer pm01 was terminated (reboot) by pm02 on behalf of stonith_admin.4242@pm02: OK
    """)
        .until("10:01:00")
    )
    (fencing,) = [item for item in cluster.incidents if item.kind is IncidentKind.FENCING]
    assert (fencing.severity, fencing.outcome) == (Severity.WARNING, Outcome.SUCCEEDED)


@pytest.mark.parametrize("client", ["stonith_admin.4242", "pacemaker-controld.106"])
def test_what_leaves_a_node_that_is_fenced_was_planned_only_where_an_operator_ordered_it(client: str) -> None:
    cluster = serving_pm01_seen_by_pm02().log(f"""
    10:00:00 pm02 controld: Peer pm01 was terminated (reboot) by pm02 on behalf of {client}@pm02: OK
    10:00:01 pm02 controld: Node pm01 state is now lost
    10:00:02 pm02 schedulerd: Actions: Move       prmPg             (                pm01 -> pm02 )
    10:00:02 pm02 schedulerd: Calculated transition 9, saving inputs in /var/lib/pacemaker/pengine/pe-input-9.bz2
    10:00:02 pm02 controld: State transition S_POLICY_ENGINE -> S_TRANSITION_ENGINE
    10:00:03 pm02 controld: Result of start operation for prmPg on pm02: ok
    10:00:03 pm02 controld: State transition S_TRANSITION_ENGINE -> S_IDLE
    """)
    (main,) = [item for item in cluster.until("10:01:00").incidents if item.from_node == "pm01"]
    ordered = client.startswith("stonith_admin")
    assert (main.kind, main.planned) == ((IncidentKind.SWITCHOVER, True) if ordered else (IncidentKind.FAILOVER, False))


# -- names and settings


def test_a_fencing_that_others_tell_of_when_it_is_done_is_no_second_one() -> None:
    cluster = (
        running()
        .log("""
    10:00:00 pm01 controld: Node pm02 state is now lost
    10:00:01 pm01 controld: Requesting fencing (reboot) targeting node pm02
    10:00:02 pm01 fenced: Operation 'reboot' targeting pm02 by pm01 for pacemaker-controld.80@pm01.1: OK
    10:00:03 pm01 controld: Requesting fencing (reboot) targeting node pm02
    """)
        .until("10:01:00")
    )
    fencings = [item for item in cluster.incidents if item.kind is IncidentKind.FENCING]
    assert [(item.outcome, item.state) for item in fencings] == [(Outcome.SUCCEEDED, IncidentState.RESOLVED)]


SPLIT = """
10:00:00 pm01 controld: Node pm02 state is now lost
10:00:00 pm02 controld: Node pm01 state is now lost
10:00:01 pm02 controld: Requesting fencing (reboot) targeting node pm01
10:00:01 pm02 schedulerd: Actions: Move       prmEx             ( pm01 -> pm02 )
10:00:01 pm02 schedulerd: Actions: Move       prmPg             ( pm01 -> pm02 )
10:00:01 pm02 schedulerd: Calculated transition 9, saving inputs in /var/lib/pacemaker/pengine/pe-warn-9.bz2
10:00:01 pm02 controld: State transition S_POLICY_ENGINE -> S_TRANSITION_ENGINE
10:00:01 pm01 controld: Requesting fencing (reboot) targeting node pm02
"""


def test_what_the_loser_of_a_split_would_have_taken_over_is_no_failover() -> None:
    cluster = running().log(SPLIT).until("10:00:05")
    assert cluster.told() == []
    cluster.log("10:00:06 pm01 fenced: Operation 'reboot' targeting pm02 by pm01 for pacemaker-controld.80@pm01.1: OK")
    assert [item.kind for item in cluster.until("10:01:00").main] == [IncidentKind.STANDBY_FAULT]


def test_what_the_winner_of_a_split_takes_over_is_a_failover_when_the_other_is_fenced() -> None:
    cluster = running().log(SPLIT).until("10:00:05")
    assert cluster.told() == []
    cluster.log("10:00:06 pm02 fenced: Operation 'reboot' targeting pm01 by pm02 for pacemaker-controld.80@pm02.1: OK")
    (failover,) = cluster.main
    assert (failover.kind, failover.from_node, failover.to_node) == (IncidentKind.FAILOVER, "pm01", "pm02")
    assert cluster.told() == ["failover opening"]


NOT_FENCED = {
    "pm01": "pm02 fenced: Operation 'reboot' targeting pm01 by pm02 for pacemaker-controld.80@pm02.1: No route to host",
    "pm02": "pm01 fenced: Operation 'reboot' targeting pm02 by pm01 for pacemaker-controld.80@pm01.1: No route to host",
}


@pytest.mark.parametrize("later", ["10:00:06", "10:00:09", "10:00:30"])
@pytest.mark.parametrize("first", NOT_FENCED)
def test_what_is_told_of_a_split_that_nobody_wins_does_not_hang_on_who_fails_first(first: str, later: str) -> None:
    (second,) = NOT_FENCED.keys() - {first}
    cluster = running().log(SPLIT).log(f"10:00:06 {NOT_FENCED[first]}\n{later} {NOT_FENCED[second]}").until("10:01:00")
    by_kind = {item.kind: item for item in cluster.main}
    assert sorted(cluster.told()) == ["fencing_failed opening", "standby_fault opening"]
    failed, fault = by_kind[IncidentKind.FENCING_FAILED], by_kind[IncidentKind.STANDBY_FAULT]
    assert (failed.nodes, failed.cause and failed.cause.kind) == (("pm01",), "fencing_failed")
    assert (fault.nodes, fault.cause and fault.cause.kind, fault.redundancy) == (("pm02",), "link_down", False)
    kinds = {item.kind for item in cluster.incidents if item.part_of == fault.key}
    assert {IncidentKind.INTERCONNECT_DEGRADED, IncidentKind.FENCING_FAILED, IncidentKind.NODE_LOST} <= kinds
    assert [item for item in cluster.incidents if item.part_of == failed.key] == []


def test_that_one_side_of_a_split_would_promote_its_instance_is_no_failover_until_the_other_is_fenced() -> None:
    """Pacemaker 2.1.5: the promotion stands in the plan as an action of the own node, which the peer is not named in."""
    cluster = running().log("""
    09:59:00 pm01 schedulerd: Actions: Start      prmDb:0           (                pm01 )
    09:59:00 pm01 schedulerd: Actions: Promote    prmDb:0           ( Unpromoted -> Promoted pm01 )
    09:59:00 pm01 controld: Result of promote operation for prmDb on pm01: ok
    """)
    cluster.log("10:00:00 pm01 controld: Node pm02 state is now lost\n10:00:00 pm02 controld: Node pm01 state is now lost")
    cluster.log("""
    10:00:01 pm02 schedulerd: Leave   fence1  (Started pm02)
    10:00:01 pm02 schedulerd: Actions: Promote    prmDb:1           ( Unpromoted -> Promoted pm02 )
    10:00:01 pm02 schedulerd: Calculated transition 9, saving inputs in /var/lib/pacemaker/pengine/pe-warn-9.bz2
    10:00:01 pm02 controld: Requesting fencing (reboot) targeting node pm01
    """)
    assert IncidentKind.FAILOVER not in {item.kind for item in cluster.until("10:00:05").incidents}
    cluster.log("10:00:06 pm02 fenced: Operation 'reboot' targeting pm01 by pm02 for pacemaker-controld.80@pm02.1: OK")
    (failover,) = cluster.main
    assert (failover.kind, failover.from_node, failover.to_node) == (IncidentKind.FAILOVER, "pm01", "pm02")


def test_a_split_that_nobody_wins_is_no_failover() -> None:
    cluster = (
        running()
        .log(SPLIT)
        .log("""
    10:00:06 pm02 fenced: Operation 'reboot' targeting pm01 by pm02 for pacemaker-controld.80@pm02.1: No route to host
    10:00:06 pm01 fenced: Operation 'reboot' targeting pm02 by pm01 for pacemaker-controld.80@pm01.1: No route to host
    """)
        .until("10:01:00")
    )
    assert not {IncidentKind.FAILOVER, IncidentKind.SERVICE_DOWN} & {item.kind for item in cluster.incidents}
    assert IncidentKind.FENCING_FAILED in {item.kind for item in cluster.incidents}
    (fault,) = [item for item in cluster.incidents if item.kind is IncidentKind.STANDBY_FAULT]
    assert (fault.nodes, fault.severity, fault.redundancy) == (("pm02",), Severity.MAJOR, False)
    cluster.log("10:02:00 pm01 controld: Node pm02 state is now member").until("10:03:00")
    assert Outcome.ONGOING not in {item.outcome for item in cluster.incidents if item.state is IncidentState.RESOLVED}


def test_an_attempt_that_fails_when_its_target_is_a_member_again_is_no_new_story() -> None:
    cluster = (
        running()
        .log(SPLIT)
        .log(f"""
    10:00:06 {NOT_FENCED["pm01"]}
    10:00:07 {NOT_FENCED["pm02"]}
    10:00:20 pm01 controld: Node pm02 state is now member
    10:00:20 pm02 controld: Node pm01 state is now member
    """)
    )
    known = {item.key for item in cluster.incidents}
    cluster.log(f"10:00:22 {NOT_FENCED['pm01']}").until("10:01:00")
    assert {item.key for item in cluster.incidents} == known
    # Once somebody asks for it again, that it fails is a story again.
    cluster.log(f"""
    10:01:01 pm02 controld: Requesting fencing (reboot) targeting node pm01
    10:01:06 {NOT_FENCED["pm01"]}
    """)
    assert "fencing_failed" in {item.kind for item in cluster.until("10:01:30").incidents if item.key not in known}


REJOINED_TOO_SOON = """
10:00:00 pm01 controld: Node pm02 state is now lost
10:00:01 pm01 controld: Requesting fencing (reboot) of node pm02
10:00:21 pm01 fenced: Operation 'reboot' targeting pm02 by pm01 for pacemaker-controld.103@pm01.1234: No data available
10:00:22 pm01 controld: Requesting fencing (reboot) of node pm02
10:01:00 pm01 controld: Node pm02 state is now member
"""
"""The standby joins again while an attempt to fence it is still under way."""


def test_a_standby_that_joins_again_before_its_fencing_reaches_it_is_one_fault() -> None:
    cluster = running().log(REJOINED_TOO_SOON)
    (fault,) = cluster.main
    assert fault.kind is IncidentKind.STANDBY_FAULT
    assert fault.state is IncidentState.OPEN
    assert fault.reasons == ("fencing_pending pm02",)
    cluster.log("""
    10:01:20 pm01 fenced: Operation 'reboot' targeting pm02 by pm01 for pacemaker-controld.103@pm01.1235: OK
    10:01:21 pm01 controld: Peer pm02 was terminated (reboot) by pm01 on behalf of pacemaker-controld.103: OK
    10:01:22 pm01 controld: Node pm02 state is now lost
    10:02:40 pm01 controld: Node pm02 state is now member
    """).until("10:05:00")
    (fault,) = cluster.main
    assert fault.resolved_at == at("10:02:40")
    assert cluster.told() == ["standby_fault opening", "standby_fault closing"]


@pytest.mark.parametrize(
    ("then", "over"),
    [
        ("10:01:10 pm01 controld: State transition S_TRANSITION_ENGINE -> S_IDLE", "10:01:10"),
        ("10:01:15 pm01 fenced: Operation 'reboot' targeting pm02 by pm01 for pacemaker-controld.103@pm01.1235: Timed out", "10:01:15"),
        ("", "10:03:00"),
    ],
    ids=["the cluster is done", "the attempt failed", "nobody says anything"],
)
def test_a_standby_that_joined_again_is_back_when_nothing_is_under_way_any_more(then: str, over: str) -> None:
    cluster = running().log(REJOINED_TOO_SOON).log(then).until("10:05:00")
    (fault,) = cluster.main
    assert (fault.kind, fault.resolved_at) == (IncidentKind.STANDBY_FAULT, at(over))


def test_what_one_side_of_a_split_planned_is_no_part_of_the_plan_of_the_other() -> None:
    """Both DCs number their plans: what ends the one is no copy of what ends the other."""
    ended = "Calculated transition 9, saving inputs in /var/lib/pacemaker/pengine/pe-warn-9.bz2"
    cluster = running().log(f"""
    10:00:00 pm01 controld: Node pm02 state is now lost
    10:00:00 pm02 controld: Node pm01 state is now lost
    10:00:01 pm01 schedulerd: Actions: Fence (reboot) pm02 'peer is no longer part of the cluster'
    10:00:01 pm01 schedulerd: {ended}
    10:00:01 pm01 controld: State transition S_POLICY_ENGINE -> S_TRANSITION_ENGINE
    10:00:01 pm02 schedulerd: Actions: Move       prmEx             ( pm01 -> pm02 )
    10:00:01 pm02 schedulerd: Actions: Move       prmPg             ( pm01 -> pm02 )
    10:00:01 pm02 schedulerd: {ended}
    10:00:30 pm01 controld: Node pm02 state is now member
    10:00:30 pm02 controld: Node pm01 state is now member
    10:00:31 pm01 schedulerd: Actions: Stop       prmPing:1         (                pm02 )  due to node availability
    10:00:31 pm01 schedulerd: Calculated transition 10, saving inputs in /var/lib/pacemaker/pengine/pe-input-10.bz2
    10:00:31 pm01 controld: State transition S_POLICY_ENGINE -> S_TRANSITION_ENGINE
    10:00:32 pm01 controld: State transition S_TRANSITION_ENGINE -> S_IDLE
    """)
    assert IncidentKind.FAILOVER not in {item.kind for item in cluster.until("10:02:00").incidents}


def test_a_fencing_that_came_to_nothing_is_not_under_way_for_ever() -> None:
    cluster = running().log("""
    10:00:00 pm02 controld: Node pm01 state is now lost
    10:00:01 pm02 controld: Requesting fencing (reboot) targeting node pm01
    10:00:01 pm01 controld: Node pm02 state is now lost
    10:00:01 pm01 controld: Requesting fencing (reboot) targeting node pm02
    10:00:02 pm01 fenced: Operation 'reboot' targeting pm02 by pm01 for pacemaker-controld.80@pm01.1: OK
    """)
    by_node = {item.nodes: item.outcome for item in cluster.incidents if item.kind is IncidentKind.FENCING}
    assert by_node == {("pm01",): Outcome.NONE, ("pm02",): Outcome.SUCCEEDED}


def test_a_failure_that_was_recovered_in_place_and_is_repeated_by_the_scheduler_is_no_second_one() -> None:
    """Pacemaker 2.1.5: a clean-up soon afterwards makes the scheduler look once more, before the record is gone."""
    cluster = running().log("""
    10:00:00 pm01 controld: Result of monitor operation for prmPg on pm01: not running
    10:00:00 pm01 controld: Result of stop operation for prmPg on pm01: ok
    10:00:00 pm01 controld: Result of start operation for prmPg on pm01: ok
    """)
    cluster.until("10:00:04").log(
        "10:00:04 pm02 schedulerd: Unexpected result (not running) was recorded for monitor of prmPg on pm01 at Nov 22 10:00:00 2026"
    )
    assert [item.kind for item in cluster.until("10:01:00").main] == [IncidentKind.LOCAL_RECOVERY]
    assert cluster.told() == ["local_recovery opening"]


def test_a_dc_that_asks_for_its_own_fencing_and_is_fenced_is_one_fencing() -> None:
    """Pacemaker 2.1.5: a stop failed on the DC; its peer does what it asks for."""
    cluster = running().log("""
    10:00:00 pm01 controld: Requesting fencing (reboot) targeting node pm01
    10:00:06 pm02 fenced: Operation 'reboot' targeting pm01 by pm02 for pacemaker-controld.80@pm01.1: OK
    """)
    fencings = [(item.nodes, item.outcome) for item in cluster.until("10:01:00").incidents if item.kind is IncidentKind.FENCING]
    assert fencings == [(("pm01",), Outcome.SUCCEEDED)]


def test_a_node_that_corosync_knows_by_number_is_learned_and_named() -> None:
    cluster = (
        running()
        .log("""
    10:00:00 pm01 corosync: Failed to receive the leave message. failed: 2
    10:00:00 pm01 controld: Node pm02 state is now lost
    """)
        .until("10:01:00")
    )
    (fault,) = cluster.main
    assert (fault.kind, fault.nodes) == (IncidentKind.STANDBY_FAULT, ("pm02",))
    assert cluster.engine.state.node_ids["2"] == "pm02"
    assert not any("node 2" in name for item in cluster.incidents for name in item.nodes)


def test_a_configured_service_is_the_only_one_that_departs() -> None:
    config = ClusterSettings(name="test", services={"web": ("prmEx",)})
    cluster = Cluster(config).log(UP).log(FAILED_OVER).until("10:01:00")
    (failover,) = [item for item in cluster.incidents if item.kind is IncidentKind.FAILOVER]
    assert (failover.services, failover.resources) == (("web",), ("prmEx",))


def test_an_old_line_does_not_reopen_a_resolved_incident() -> None:
    cluster = running().log(FAILED_OVER).log("10:10:00 pm01 attrd: Setting fail-count-prmPg#monitor_10000[pm01]: 1 -> (unset)")
    before = cluster.incidents
    copy = Cluster()
    copy.engine, copy.steps = cluster.engine, cluster.steps
    copy.log("10:10:00 pm02 attrd: Setting fail-count-prmPg#monitor_10000[pm01]: 1 -> (unset)").until("10:20:00")
    assert [(item.key, item.state) for item in copy.incidents] == [(item.key, item.state) for item in before]


def test_connectivity_lost_on_the_active_node_is_the_cause_of_its_failover() -> None:
    cluster = running().log("10:00:00 pm01 attrd: Setting default_ping_set[pm01]: 100 -> 0")
    cluster.log(moves("pm01", "pm02", "10:00:05") + moved("pm01", "pm02", "10:00:08")).until("10:01:00")
    (failover,) = cluster.main
    assert (failover.planned, failover.cause and failover.cause.kind) == (False, "connectivity_degraded")
    cluster.log("10:30:00 pm01 attrd: Setting default_ping_set[pm01]: 0 -> 100").until("10:31:00")
    assert {item.state for item in cluster.incidents} == {IncidentState.RESOLVED}


def test_maintenance_is_recorded_and_failures_in_it_are_planned() -> None:
    cluster = (
        running()
        .log("""
    10:00:00 pm01 based: ++ /cib/configuration/crm_config:  <nvpair id="options-maintenance-mode" name="maintenance-mode" value="true"/>
    10:01:00 pm01 controld: Result of monitor operation for prmPg on pm01: not running
    """)
        .until("10:05:00")
    )
    assert cluster.main == []
    assert cluster.engine.view().maintenance is True
    cluster.log("10:10:00 pm01 based: -- /cib/configuration/crm_config/nvpair[@id='options-maintenance-mode']")
    (maintenance,) = [item for item in cluster.incidents if item.kind is IncidentKind.MAINTENANCE]
    assert (maintenance.state, maintenance.planned) == (IncidentState.RESOLVED, True)
    assert [entry.event for entry in maintenance.timeline] == ["maintenance_on", "maintenance_off"]
    assert cluster.engine.view().maintenance is False


LEFT_ALONE = "10:00:00 pm01 schedulerd: Leave   prmPg\t(Started unmanaged)"


def test_what_fails_while_a_person_has_it_unmanaged_is_planned() -> None:
    cluster = running().log(LEFT_ALONE).log("10:01:00 pm01 controld: Result of monitor operation for prmPg on pm01: not running")
    cluster.until("10:05:00")
    (failure,) = cluster.incidents
    assert (failure.kind, failure.planned, failure.severity) == (IncidentKind.RESOURCE_FAILURE, True, Severity.INFO)
    assert cluster.told() == []


def test_what_fails_after_it_is_managed_again_is_not_planned() -> None:
    cluster = (
        running()
        .log(LEFT_ALONE)
        .log("""
    10:01:00 pm01 schedulerd: Leave   prmPg	(Started pm01)
    10:02:00 pm01 controld: Result of monitor operation for prmPg on pm01: not running
    """)
    )
    (failure,) = cluster.until("10:05:00").incidents
    assert (failure.kind, failure.planned, failure.severity) == (IncidentKind.RESOURCE_FAILURE, False, Severity.WARNING)


def test_what_the_cluster_leaves_alone_since_it_failed_is_not_planned() -> None:
    """Where a failure blocks, the scheduler calls the resource unmanaged as well."""
    cluster = running().log("09:59:59 pm01 controld: Result of monitor operation for prmPg on pm01: not running").log(LEFT_ALONE)
    cluster.log("10:01:00 pm01 controld: Result of stop operation for prmPg on pm01: error").until("10:05:00")
    assert {item.planned for item in cluster.incidents} == {False}


def test_a_ban_that_is_forgotten_is_remembered() -> None:
    cluster = running().log(BANNED).until("10:30:00")
    (left,) = [item for item in cluster.main if item.kind is IncidentKind.MOVE_CONSTRAINT_LEFT]
    assert (left.severity, left.started_at, left.detected_at) == (Severity.WARNING, at("10:00:00"), at("10:10:00"))
    assert [entry.event for entry in left.timeline] == ["move_constraint_set"]
    cluster.log("10:40:00 pm01 based: -- /cib/configuration/constraints/rsc_location[@id='cli-ban-grpPg-on-pm01']")
    assert cluster.main[0].state is IncidentState.RESOLVED


def test_a_failure_just_after_standby_ended_is_a_failover_not_a_return() -> None:
    cluster = running().log("10:00:00 pm01 attrd: Setting standby[pm01]: (unset) -> true")
    cluster.log(moves("pm01", "pm02", "10:00:01") + moved("pm01", "pm02", "10:00:04")).until("10:00:20")
    cluster.log("""
    10:00:30 pm01 attrd: Setting standby[pm01]: true -> (unset)
    10:00:40 pm02 controld: Result of monitor operation for prmPg on pm02: not running
    10:00:40 pm02 attrd: Setting fail-count-prmPg#monitor_10000[pm02]: (unset) -> 1
    """)
    cluster.log(moves("pm02", "pm01", "10:00:41") + moved("pm02", "pm01", "10:00:44")).until("10:02:00")
    (failover,) = cluster.main
    assert (failover.kind, failover.planned) == (IncidentKind.FAILOVER, False)
    assert (failover.from_node, failover.to_node) == ("pm02", "pm01")


def test_after_a_switchover_by_standby_nothing_is_protected_until_standby_ends() -> None:
    cluster = running().log("10:00:00 pm01 attrd: Setting standby[pm01]: (unset) -> true")
    cluster.log(moves("pm01", "pm02", "10:00:01") + moved("pm01", "pm02", "10:00:04")).until("10:00:20")
    (switchover,) = [item for item in cluster.incidents if item.kind is IncidentKind.SWITCHOVER]
    assert (switchover.redundancy, switchover.reasons, switchover.state) == (False, ("standby pm01",), IncidentState.OPEN)
    (service,) = cluster.engine.view().services
    assert (service.active_node, service.able_to_take_over) == ("pm02", ())
    cluster.log("10:30:00 pm01 attrd: Setting standby[pm01]: true -> (unset)")
    (switchover,) = [item for item in cluster.incidents if item.kind is IncidentKind.SWITCHOVER]
    assert (switchover.redundancy, switchover.redundancy_restored_at) == (True, at("10:30:00"))
    assert switchover.state is IncidentState.RESOLVED
    assert cluster.engine.view().services[0].able_to_take_over == ("pm01",)


def test_a_service_of_which_a_part_only_failed_somewhere_is_not_called_down() -> None:
    """Nobody said where else it runs; a part that is known to have stopped says enough."""
    cluster = Cluster(ClusterSettings(name="test", services={"shop": ("prmPg", "prmPing")}))
    cluster.log("10:00:00 pm02 logconv: error: Resource prmPing failed to monitor. (rc=1) unknown error")
    assert cluster.engine.view().services[0].up is None
    cluster.log("10:00:01 pm01 logconv: info: Resource prmPg started. (rc=0) ok")
    assert (cluster.engine.view().services[0].up, cluster.engine.view().services[0].active_node) == (None, "pm01")
    cluster.log("10:00:02 pm01 logconv: info: Resource prmPg stopped. (rc=0) ok")
    assert cluster.engine.view().services[0].up is False


def test_connectivity_that_is_worse_than_it_was_is_degraded_although_not_gone() -> None:
    cluster = running().log("10:00:00 pm01 attrd: Setting default_ping_set[pm02]: 100 -> 50").until("10:00:10")
    (fault,) = cluster.main
    assert (fault.kind, fault.nodes) == (IncidentKind.STANDBY_FAULT, ("pm02",))
    assert cluster.parts_of(fault) == ["connectivity_degraded"]
    cluster.log("10:05:00 pm01 attrd: Setting default_ping_set[pm02]: 50 -> 100")
    assert {item.state for item in cluster.incidents} == {IncidentState.RESOLVED}


def test_a_start_that_fails_on_the_way_fails_the_failover_as_soon_as_the_cluster_rests() -> None:
    cluster = running().log(FAILS + moves("pm01", "pm02", "10:00:01"))
    cluster.log("""
    10:00:03 pm01 controld: Result of stop operation for prmPg on pm01: ok
    10:00:03 pm01 controld: Result of stop operation for prmEx on pm01: ok
    10:00:05 pm02 controld: Result of start operation for prmEx on pm02: error
    10:00:05 pm02 controld: Result of start operation for prmPg on pm02: error
    10:00:06 pm01 controld: State transition S_TRANSITION_ENGINE -> S_IDLE
    """)
    (down,) = cluster.main
    assert (down.outcome, down.severity, down.planned) == (Outcome.FAILED, Severity.CRITICAL, False)


def test_a_mark_that_ended_long_before_plans_no_stop_of_now() -> None:
    cluster = running().log("""
    09:30:00 pm01 attrd: Setting standby[pm01]: (unset) -> true
    09:31:00 pm01 attrd: Setting standby[pm01]: true -> (unset)
    """)
    cluster.log(moves("pm01", "pm02", "10:00:01"))
    (opened,) = [item for item in cluster.incidents if item.kind in ("failover", "switchover")]
    assert (opened.kind, opened.planned) == (IncidentKind.FAILOVER, None)


def test_a_switchover_whose_start_fails_and_that_comes_back_is_one_outage_that_nobody_planned() -> None:
    cluster = running().log(BANNED + moves("pm01", "pm02", "10:00:01"))
    cluster.log("""
    10:00:03 pm01 controld: Result of stop operation for prmPg on pm01: ok
    10:00:03 pm01 controld: Result of stop operation for prmEx on pm01: ok
    10:00:05 pm02 controld: Result of start operation for prmEx on pm02: error
    10:00:06 pm01 schedulerd: Actions: Recover    prmEx             (                pm02 -> pm01 )
    10:00:06 pm01 schedulerd: Actions: Start      prmPg             (                pm01 )
    10:00:06 pm01 schedulerd: Calculated transition 10, saving inputs in /var/lib/pacemaker/pengine/pe-input-10.bz2
    10:00:06 pm01 controld: State transition S_POLICY_ENGINE -> S_TRANSITION_ENGINE
    10:00:07 pm02 controld: Result of stop operation for prmEx on pm02: ok
    10:00:08 pm01 controld: Result of start operation for prmEx on pm01: ok
    10:00:08 pm01 controld: Result of start operation for prmPg on pm01: ok
    10:00:08 pm01 controld: State transition S_TRANSITION_ENGINE -> S_IDLE
    """).until("10:02:00")
    (outage,) = [item for item in cluster.incidents if item.kind in ("failover", "switchover", "service_down")]
    assert (outage.kind, outage.planned, outage.outcome) == (IncidentKind.SERVICE_DOWN, False, Outcome.SUCCEEDED)
    assert (outage.from_node, outage.to_node, outage.service_down_seconds) == ("pm01", None, 5.0)


def test_a_move_to_a_third_node_is_no_return() -> None:
    cluster = running().log("""
    09:10:00 pm01 controld: Node pm03 state is now member
    10:00:00 pm01 attrd: Setting standby[pm01]: (unset) -> true
    """)
    cluster.log(moves("pm01", "pm02", "10:00:01") + moved("pm01", "pm02", "10:00:04")).until("10:00:20")
    cluster.log("10:00:30 pm01 attrd: Setting standby[pm01]: true -> (unset)")
    cluster.log(moves("pm02", "pm03", "10:00:31") + moved("pm02", "pm03", "10:00:34")).until("10:02:00")
    assert [(item.kind, item.planned, item.to_node) for item in cluster.main] == [("failover", None, "pm03")]


def test_a_summary_that_arrives_before_the_starts_that_it_sums_up_makes_no_outage_longer() -> None:
    settings = ClusterSettings(name="test", services={"shop": ("prmEx", "prmPg")})
    before = """
    10:00:00 pm01 logconv: error: Resource prmPg does not work. (rc=7) not running
    10:00:00 pm01 logconv: error: Start to fail-over.
    10:00:01 pm01 logconv: info: Resource prmPg stopped. (rc=0) ok
    10:00:01 pm01 logconv: info: Resource prmEx stopped. (rc=0) ok
    """
    starts = """
    10:00:02 pm02 logconv: info: Resource prmEx started. (rc=0) ok
    10:00:03 pm02 logconv: info: Resource prmPg started. (rc=0) ok
    """
    summary = """
    10:00:04 pm01 logconv: info: Resource prmEx : Move pm01 -> pm02
    10:00:04 pm01 logconv: info: Resource prmPg : Move pm01 -> pm02
    10:00:04 pm01 logconv: info: fail-over succeeded.
    """
    for order in (before + starts + summary, before + summary + starts):
        (failover,) = Cluster(settings).log(order).until("10:01:00").main
        assert (failover.kind, failover.outcome, failover.planned) == (IncidentKind.FAILOVER, Outcome.SUCCEEDED, False)
        assert (failover.service_restored_at, failover.service_down_seconds) == (at("10:00:03"), 3.0)


def test_a_plan_of_a_log_that_comes_late_does_not_undo_what_was_started_since() -> None:
    """The log of the DC came after that of the other node, as from a queue that was full: its plan knows less than the start after it."""
    cluster = running().log("08:59:58 pm02 schedulerd: Leave   prmEx\t(Stopped)").log("08:59:58 pm02 schedulerd: Leave   prmPg\t(Stopped)")
    cluster.until("09:00:30")
    (service,) = cluster.engine.view().services
    assert (service.active_node, service.up) == ("pm01", True)


GONE = "10:00:00 pm01 corosync: Failed to receive the leave message. failed: 2"


def test_a_node_that_only_corosync_tells_of_is_lost_by_its_number_until_it_joins() -> None:
    cluster = Cluster().log(GONE).until("10:01:00")
    (lost,) = cluster.main
    assert (lost.kind, lost.nodes, lost.started_at) == (IncidentKind.NODE_LOST, ("2",), at("10:00:00"))
    cluster.log("10:02:00 pm01 corosync: A new membership (1.5f) was formed. Members joined: 2").until("10:03:00")
    assert [incident.resolved_at for incident in cluster.main] == [at("10:02:00")]


def test_a_node_that_is_lost_by_its_number_has_the_name_of_the_one_that_is_fenced_for_it() -> None:
    cluster = Cluster().log(f"""
    {GONE}
    10:00:02 pm01 fenced: Requesting that pm01 perform 'reboot' action targeting pm02
    10:00:14 pm01 fenced: Operation 'reboot' targeting pm02 by pm01 for pacemaker-controld.103@pm01.1234: OK
    """)
    (lost,) = cluster.until("10:01:00").main
    assert (lost.kind, lost.nodes, lost.fenced, lost.started_at) == (IncidentKind.NODE_LOST, ("pm02",), ("pm02",), at("10:00:00"))
    assert cluster.parts_of(lost) == ["fencing"]


def test_a_node_that_is_lost_by_its_number_has_the_name_of_the_one_whose_attributes_went_with_it() -> None:
    cluster = Cluster().log(f"{GONE}\n10:00:00 pm01 attrd: Removing all pm02 attributes for peer loss").until("10:01:00")
    assert [(incident.kind, incident.nodes) for incident in cluster.main] == [(IncidentKind.NODE_LOST, ("pm02",))]
    cluster.log("10:02:00 pm01 corosync: A new membership (1.5f) was formed. Members joined: 2").until("10:03:00")
    assert [incident.resolved_at for incident in cluster.main] == [at("10:02:00")]


def test_a_node_that_pacemaker_names_is_lost_once() -> None:
    cluster = Cluster().log(f"{GONE}\n10:00:01 pm01 controld: Node pm02 state is now lost").until("10:01:00")
    assert [(incident.kind, incident.nodes) for incident in cluster.main] == [(IncidentKind.NODE_LOST, ("pm02",))]


def test_a_number_of_which_pacemaker_says_nothing_is_no_lost_node() -> None:
    cluster = Cluster().log(f"09:59:00 pm01 controld: Result of start operation for prmEx on pm01: ok\n{GONE}").until("10:01:00")
    assert cluster.main == []


def test_what_a_node_without_quorum_would_stop_on_one_that_it_does_not_see_is_not_down() -> None:
    cluster = running().log("""
    10:00:00 pm02 controld: Quorum lost
    10:00:00 pm02 controld: Node pm01 state is now lost
    10:00:02 pm02 schedulerd: Actions: Stop       prmPg             (                pm01 )  blocked
    10:00:02 pm02 schedulerd: Calculated transition 3, saving inputs in /var/lib/pacemaker/pengine/pe-warn-1.bz2
    """)
    cluster.until("10:02:00")
    assert not {IncidentKind.RESOURCE_BLOCKED, IncidentKind.SERVICE_DOWN} & {incident.kind for incident in cluster.incidents}


def test_a_move_of_which_only_the_node_that_is_left_tells_expires_when_no_fail_over_takes_so_long() -> None:
    cluster = Cluster().log(
        """10:00:00 pm01 controld: Result of start operation for prmDb on pm01: ok
        10:10:00 pm01 controld: Result of stop operation for prmDb on pm01: ok"""
    )
    cluster.until("10:15:00")
    [story] = cluster.incidents
    assert (story.kind, story.outcome, story.state) == (IncidentKind.FAILOVER, Outcome.ONGOING, IncidentState.OPEN)
    cluster.until("10:25:00")
    [story] = cluster.incidents
    assert (story.kind, story.outcome, story.state) == (IncidentKind.FAILOVER, Outcome.ONGOING, IncidentState.EXPIRED)


def test_nodes_that_are_lost_with_the_quorum_are_parts_of_that_one_incident() -> None:
    cluster = running().log("""
        10:00:00 pm01 controld: Node pm02 state is now lost
        10:00:00 pm01 controld: Node pm03 state is now lost
        10:00:00 pm01 controld: Quorum lost""")
    cluster.until("10:05:00")
    (alone,) = [incident for incident in cluster.incidents if incident.part_of is None]
    assert (alone.kind, alone.severity) == (IncidentKind.QUORUM_LOST, Severity.CRITICAL)
    assert cluster.parts_of(alone) == ["node_lost", "node_lost"]
    assert cluster.told() == ["quorum_lost opening"]


@pytest.mark.parametrize("policy", ["", "10:00:02 pm01 schedulerd: On loss of quorum: Freeze resources"], ids=["unknown", "freeze"])
def test_a_node_that_is_lost_while_there_is_no_quorum_is_told_beside_it_only_if_it_stays_away_when_quorum_is_back(policy: str) -> None:
    cluster = running().log(f"""
        09:00:05 pm01 controld: Node pm03 state is now member
        09:00:05 pm01 controld: Node pm04 state is now member
        10:00:00 pm01 controld: Node pm03 state is now lost
        10:00:00 pm01 controld: Node pm04 state is now lost
        10:00:00 pm01 controld: Quorum lost
        {policy}
        10:01:00 pm01 controld: Node pm02 state is now lost""")
    cluster.until("10:05:00")
    assert cluster.told() == ["quorum_lost opening"]
    cluster.log("10:05:00 pm01 controld: Node pm03 state is now member\n10:05:00 pm01 controld: Quorum acquired")
    cluster.until("10:05:15")
    assert cluster.told() == ["quorum_lost opening", "quorum_lost closing"]
    cluster.until("10:06:00")
    assert cluster.told() == ["quorum_lost opening", "quorum_lost closing", "standby_fault opening"]
    (fault,) = [incident for incident in cluster.incidents if incident.state is IncidentState.OPEN and incident.part_of is None]
    assert (fault.kind, fault.nodes, fault.started_at) == (IncidentKind.STANDBY_FAULT, ("pm02",), at("10:01:00"))


def test_where_quorum_is_ignored_its_loss_is_part_of_what_the_lost_node_leads_to_also_when_the_policy_is_read_later() -> None:
    cluster = running().log("""
        10:00:00 pm01 controld: Node pm02 state is now lost
        10:00:00 pm01 controld: Quorum lost
        10:00:02 pm01 schedulerd: On loss of CCM Quorum: Ignore""")
    cluster.until("10:05:00")
    (fault,) = [incident for incident in cluster.incidents if incident.part_of is None]
    assert (fault.kind, fault.nodes) == (IncidentKind.STANDBY_FAULT, ("pm02",))
    assert cluster.parts_of(fault) == ["node_lost", "quorum_lost"]
    assert cluster.told() == ["standby_fault opening"]


def test_a_policy_that_is_no_longer_to_ignore_the_quorum_counts() -> None:
    cluster = running().log("""
        09:30:00 pm01 schedulerd: On loss of quorum: Ignore
        09:40:00 pm01 schedulerd: On loss of quorum: Fence all remaining nodes
        10:00:00 pm01 controld: Node pm02 state is now lost
        10:00:00 pm01 controld: Quorum lost""")
    cluster.until("10:05:00")
    assert cluster.told() == ["quorum_lost opening"]


CLUSTER_BEGINS = """
10:00:00 pm01 pacemakerd: Starting Pacemaker 2.1.5
10:00:01 pm02 pacemakerd: Starting Pacemaker 2.1.5
10:00:05 pm01 controld: State transition S_NOT_DC -> S_ELECTION
10:00:06 pm01 schedulerd: Actions: Start      prmStateful:0     (                   pm01 )
10:00:06 pm01 schedulerd: Actions: Start      prmStateful:1     (                   pm02 )
10:00:06 pm01 schedulerd: Calculated transition 1, saving inputs in /var/lib/pacemaker/pengine/pe-input-1.bz2
10:00:07 pm01 controld: Result of start operation for prmStateful on pm01: ok
10:00:07 pm02 controld: Result of start operation for prmStateful on pm02: ok
10:00:08 pm01 schedulerd: Actions: Promote    prmStateful:1     ( Unpromoted -> Promoted pm02 )
10:00:08 pm01 schedulerd: Calculated transition 2, saving inputs in /var/lib/pacemaker/pengine/pe-input-2.bz2
10:00:09 pm02 controld: Result of promote operation for prmStateful on pm02: ok
"""
COMES_TO_REST = "10:00:10 pm01 controld: State transition S_TRANSITION_ENGINE -> S_IDLE"
FAILS_THERE = "10:00:10 pm02 controld: Result of monitor operation for prmStateful on pm02: error"
GOES_ELSEWHERE = """
10:00:12 pm01 schedulerd: Actions: Promote    prmStateful:0     ( Unpromoted -> Promoted pm01 )
10:00:12 pm01 schedulerd: Actions: Demote     prmStateful:1     ( Promoted -> Unpromoted pm02 )
10:00:12 pm01 schedulerd: Calculated transition 3, saving inputs in /var/lib/pacemaker/pengine/pe-input-3.bz2
10:00:12 pm01 controld: Initiating demote operation prmStateful_demote_0 on pm02
10:00:13 pm02 controld: Result of demote operation for prmStateful on pm02: ok
10:00:14 pm01 controld: Result of promote operation for prmStateful on pm01: ok
10:00:15 pm01 controld: State transition S_TRANSITION_ENGINE -> S_IDLE
"""


@pytest.mark.parametrize(("between", "told"), [("", []), (COMES_TO_REST, ["failover"]), (FAILS_THERE, ["failover"])])
def test_what_is_promoted_elsewhere_before_a_cluster_that_begins_comes_to_rest_is_no_failover(between: str, told: list[str]) -> None:
    cluster = Cluster().log(CLUSTER_BEGINS).log(between).log(GOES_ELSEWHERE).until("10:05:00")
    assert [incident.kind for incident in cluster.main] == told


@pytest.mark.parametrize("first", ["the others", "the node itself"])
def test_the_quorum_that_a_node_lost_is_part_of_the_fail_over_from_it_and_over_when_it_is_fenced(first: str) -> None:
    own = """
        10:00:00 pm01 controld: Quorum lost
        10:00:00 pm01 controld: Node pm02 state is now lost
        10:00:00 pm01 controld: Node pm03 state is now lost"""
    others = "10:00:00 pm02 controld: Node pm01 state is now lost" + moves("pm01", "pm02", "10:00:00", dc="pm02")
    cluster = running().log("09:00:03 pm02 controld: Node pm03 state is now member")
    for part in (others, own) if first == "the others" else (own, others):
        cluster.log(part)
    cluster.log("10:00:12 pm02 controld: Peer pm01 was terminated (reboot) by pm03 on behalf of pacemaker-controld.1@pm02: OK")
    cluster.log("""
        10:00:13 pm02 controld: Result of start operation for prmEx on pm02: ok
        10:00:14 pm02 controld: Result of start operation for prmPg on pm02: ok""").until("10:01:00")
    (failover,) = cluster.main
    assert (failover.kind, failover.outcome, failover.from_node, failover.to_node) == (
        IncidentKind.FAILOVER,
        Outcome.SUCCEEDED,
        "pm01",
        "pm02",
    )
    (quorum,) = [incident for incident in cluster.incidents if incident.kind is IncidentKind.QUORUM_LOST]
    assert (quorum.part_of, quorum.resolved_at) == (failover.key, at("10:00:12"))


ORDERED = """
10:00:00 pm01 controld: State transition S_IDLE -> S_POLICY_ENGINE
10:00:00 pm01 schedulerd: Actions: Move       prmEx             (                pm01 -> pm02 )
10:00:00 pm01 schedulerd: Actions: Move       prmPg             (                pm01 -> pm02 )
10:00:00 pm01 schedulerd: Calculated transition 9, saving inputs in /var/lib/pacemaker/pengine/pe-input-9.bz2
10:00:00 pm01 controld: State transition S_POLICY_ENGINE -> S_TRANSITION_ENGINE
"""
LEFT = """
10:00:01 pm01 controld: Result of stop operation for prmPg on pm01: ok
10:00:02 pm01 controld: Result of stop operation for prmEx on pm01: ok
"""
CAME = """
10:00:03 pm02 controld: Result of start operation for prmEx on pm02: ok
10:00:04 pm02 controld: Result of start operation for prmPg on pm02: ok
"""
RESTED = "10:00:04 pm01 controld: State transition S_TRANSITION_ENGINE -> S_IDLE"
READ = [ORDERED + LEFT + CAME + RESTED, ORDERED + CAME + LEFT + RESTED, CAME + ORDERED + LEFT + RESTED, LEFT + ORDERED + CAME + RESTED]


@pytest.mark.parametrize("read", READ)
@pytest.mark.parametrize("dc", ["pm01", "pm03"])
def test_a_service_was_down_from_its_stop_to_its_start_in_whatever_order_these_are_read(read: str, dc: str) -> None:
    log = running().log("09:30:00 pm01 controld: State transition S_TRANSITION_ENGINE -> S_IDLE")
    log.log("\n".join(line.replace("pm01", dc, 1) if "S_" in line or "schedulerd" in line else line for line in read.splitlines()))
    log.until("10:05:00")
    (moved,) = [incident for incident in log.incidents if incident.from_node is not None]
    assert (moved.kind, moved.outcome, moved.planned) == (IncidentKind.FAILOVER, Outcome.SUCCEEDED, None)
    assert (moved.from_node, moved.to_node, moved.service_down_seconds) == ("pm01", "pm02", 3.0)


def test_a_service_that_ends_with_a_stop_which_is_read_when_all_is_over_was_down_since_then() -> None:
    """The node that it left sends its log later than the cluster came to rest and the fail-over was closed."""
    log = running().log(ORDERED + CAME + RESTED).until("10:02:00").log(LEFT)
    (moved,) = [incident for incident in log.incidents if incident.from_node is not None]
    assert (moved.state, moved.service_down_seconds) == (IncidentState.RESOLVED, 3.0)
    assert [step.sequence for step in log.steps if step.incident.key == moved.key] == [
        *range(1, 1 + sum(step.incident.key == moved.key for step in log.steps))
    ]


def test_the_first_that_is_heard_of_a_node_may_be_that_an_instance_was_demoted_there_in_maintenance() -> None:
    log = Cluster().log("""
    10:00:00 pm02 controld: Node pm02 state is now member
    10:00:00 pm02 controld: Transition 1 aborted by cib-maintenance-mode doing create maintenance-mode=true: Configuration change
    10:00:01 pm01 controld: Result of demote operation for prmPg on pm01: ok
    """)
    (down,) = [incident for incident in log.until("10:05:00").incidents if "prmPg" in incident.resources]
    assert (down.planned, down.severity, down.from_node, down.to_node) == (True, Severity.INFO, "pm01", None)
