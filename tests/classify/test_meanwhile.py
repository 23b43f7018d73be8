"""What happens while something else goes on: a second link, a late promotion, an order that takes its time."""

from dataclasses import replace
from datetime import timedelta

import pytest

from hamon.classify.read import Value
from hamon.classify.settings import ClusterSettings
from hamon.model.event import Event, EventKind
from hamon.model.incident import Incident, IncidentKind, IncidentState
from hamon.model.incident import Outcome as Ending
from hamon.model.observation import Snapshot, Source
from tests import peers
from tests.cib import STATEFUL, Cib, clone, group, one_plus_one, primitive, stopped_node
from tests.classify.cluster_log import at, moved, moves, running
from tests.classify.polled import START, Outcome, Scene, judge, snapshots
from tests.events import happened

FAILS = """
10:00:00 pm01 controld: Result of monitor operation for prmPg on pm01: not running
10:00:00 pm01 attrd: Setting fail-count-prmPg#monitor_10000[pm01]: (unset) -> 1
"""


@pytest.mark.parametrize("wish", ["(reboot) pm01 using any device", "(reboot) 'pm01' with device '(any)'"])
def test_an_ordered_fencing_may_take_its_time_until_its_node_is_lost(wish: str) -> None:
    """The wish tells who asked, long before the result does; the node is silent from then on."""
    cluster = running().log(f"""
    10:00:00 pm02 fenced: Client stonith_admin.402 wants to fence {wish}
    10:00:01 pm02 corosync: link: host: 1 link: 0 is down
    10:00:08 pm02 controld: Node pm01 state is now lost
    10:00:09 pm02 controld: Peer pm01 was terminated (reboot) by pm02 on behalf of stonith_admin.402@pm02: OK
    """)
    cluster.log(moves("pm01", "pm02", "10:00:10", dc="pm02") + moved("pm01", "pm02", "10:00:12", dc="pm02")).until("10:02:00")
    (switchover,) = (story for story in cluster.incidents if story.part_of is None)
    assert (switchover.kind, switchover.planned, switchover.started_at) == (IncidentKind.SWITCHOVER, True, at("10:00:00"))
    assert (switchover.from_node, switchover.to_node, switchover.fenced) == ("pm01", "pm02", ("pm01",))


def test_a_node_that_is_cut_off_is_named_by_those_who_lost_it_not_by_whom_it_lost_itself() -> None:
    """Corosync calls nodes by number: whom pm02 and pm03 lost is not the one that pm01, without quorum, called lost just before."""
    cluster = running().log("""
    09:00:00 pm01 controld: Node pm03 state is now member
    09:00:01 pm03 controld: Result of start operation for prmPing on pm03: ok
    10:00:00 pm01 corosync: Failed to receive the leave message. failed: 2 3
    10:00:00 pm01 corosync: This node is within the non-primary component and will NOT provide any services.
    10:00:00 pm01 controld: Node pm02 state is now lost
    10:00:00 pm02 corosync: Failed to receive the leave message. failed: 1
    10:00:00 pm02 controld: Node pm01 state is now lost
    10:00:00 pm03 corosync: Failed to receive the leave message. failed: 1
    10:00:00 pm03 controld: Node pm01 state is now lost
    10:00:01 pm01 controld: Node pm03 state is now lost
    """)
    node = cluster.engine.state.nodes
    assert (node["pm01"].member, node["pm02"].member, node["pm03"].member) == (False, True, True)
    assert cluster.engine.state.node_ids.get("1") in ("pm01", None)
    cluster.log("""
    10:00:01 pm01 schedulerd: Actions: Stop       prmEx             (                pm01 )  due to no quorum
    10:00:01 pm01 schedulerd: Actions: Stop       prmPg             (                pm01 )  due to no quorum
    10:00:01 pm01 schedulerd: Calculated transition 5, saving inputs in /var/lib/pacemaker/pengine/pe-input-5.bz2
    10:00:01 pm01 controld: Result of stop operation for prmPg on pm01: ok
    10:00:02 pm02 schedulerd: Actions: Start      prmEx             (                pm02 )
    10:00:02 pm02 schedulerd: Actions: Start      prmPg             (                pm02 )
    10:00:02 pm02 schedulerd: Calculated transition 0, saving inputs in /var/lib/pacemaker/pengine/pe-input-0.bz2
    10:00:02 pm02 controld: Result of start operation for prmEx on pm02: ok
    10:00:03 pm02 controld: Result of start operation for prmPg on pm02: ok
    10:00:03 pm01 controld: Result of stop operation for prmEx on pm01: ok
    10:00:04 pm01 schedulerd: Actions: Start      prmEx             (                pm01 )  due to no quorum (blocked)
    10:00:04 pm01 schedulerd: Actions: Start      prmPg             (                pm01 )  due to no quorum (blocked)
    10:00:04 pm01 schedulerd: Calculated transition 6, saving inputs in /var/lib/pacemaker/pengine/pe-input-6.bz2
    10:00:04 pm01 controld: State transition S_POLICY_ENGINE -> S_TRANSITION_ENGINE
    """).until("10:00:40")
    assert [(story.kind, story.from_node, story.to_node) for story in cluster.main] == [(IncidentKind.FAILOVER, "pm01", "pm02")]


@pytest.mark.parametrize(("second", "mains"), [("10:00:30", ["failover"]), ("10:05:00", ["interconnect_degraded", "failover"])])
def test_links_that_go_one_after_the_other_make_one_cut(second: str, mains: list[str]) -> None:
    """What was cut long before has been told as itself."""
    minute, after = second[:5], int(second[6:])
    cluster = running().log("""
    10:00:00 pm01 corosync: link: host: 2 link: 0 is down
    10:00:00 pm02 corosync: link: host: 1 link: 0 is down
    """)
    cluster.until(second).log(f"""
    {second} pm01 corosync: link: host: 2 link: 1 is down
    {second} pm02 corosync: link: host: 1 link: 1 is down
    {minute}:{after + 5:02} pm01 controld: Node pm02 state is now lost
    {minute}:{after + 5:02} pm02 controld: Node pm01 state is now lost
    {minute}:{after + 6:02} pm02 controld: Peer pm01 was terminated (reboot) by pm02 on behalf of pacemaker-controld.106@pm02: OK
    """)
    cluster.log(moves("pm01", "pm02", f"{minute}:{after + 7:02}", dc="pm02") + moved("pm01", "pm02", f"{minute}:{after + 9:02}", dc="pm02"))
    cluster.until("10:08:00")
    assert [story.kind.value for story in cluster.main] == mains
    assert cluster.main[-1].service_down_seconds is not None
    assert cluster.main[-1].service_down_seconds < 10


def test_a_takeover_that_the_fenced_node_had_planned_is_its_own_fault() -> None:
    """Of two that are cut from each other the standby is the DC and plans first; the active node fences it."""
    cluster = running().log("09:30:00 pm02 controld: Set DC to pm02 (3.16.1)\n10:00:00 pm02 controld: Node pm01 state is now lost")
    cluster.log(moves("pm01", "pm02", "10:00:01", dc="pm02")).log("""
    10:00:01 pm02 controld: Requesting fencing (reboot) of node pm01
    10:00:01 pm01 controld: Node pm02 state is now lost
    10:00:02 pm01 controld: Requesting fencing (reboot) of node pm02
    10:00:03 pm01 controld: Peer pm02 was terminated (reboot) by pm01 on behalf of pacemaker-controld.106@pm01: OK
    """).until("10:02:00")
    (fault,) = cluster.main
    assert (fault.kind, fault.nodes, fault.from_node, fault.resources) == (IncidentKind.STANDBY_FAULT, ("pm02",), None, ())
    assert (fault.severity, fault.outcome, fault.planned, fault.fenced) == ("major", Ending.NONE, False, ("pm02",))
    assert {"fencing", "interconnect_degraded", "node_lost"} <= set(cluster.parts_of(fault))


def test_what_comes_back_where_it_was_and_leaves_after_all_has_gone_where_it_is() -> None:
    cluster = running().log(FAILS + moves("pm01", "pm02", "10:00:01"))
    cluster.log("""
    10:00:02 pm01 controld: Result of stop operation for prmPg on pm01: ok
    10:00:03 pm01 controld: Result of start operation for prmPg on pm01: ok
    """)
    cluster.log(moves("pm01", "pm02", "10:00:04") + moved("pm01", "pm02", "10:00:06")).until("10:01:00")
    (failover,) = cluster.main
    assert (failover.from_node, failover.to_node, failover.outcome) == ("pm01", "pm02", Ending.SUCCEEDED)
    assert (failover.service_restored_at, set(failover.resources)) == (at("10:00:06"), {"prmEx", "prmPg"})


def test_a_departure_that_shows_in_what_stopped_last_began_with_what_stopped_first() -> None:
    cluster = running().log("""
    10:00:00 pm01 attrd: Setting shutdown[pm01]: (unset) -> 1764000000
    10:00:01 pm01 controld: Result of stop operation for prmPg on pm01: ok
    10:00:06 pm01 controld: Result of stop operation for prmEx on pm01: ok
    10:00:07 pm02 controld: Result of start operation for prmEx on pm02: ok
    10:00:08 pm02 controld: Result of start operation for prmPg on pm02: ok
    """)
    (switchover,) = cluster.until("10:00:30").incidents
    assert (switchover.kind, switchover.planned) == (IncidentKind.SWITCHOVER, True)
    assert switchover.started_at is not None
    assert switchover.started_at <= at("10:00:01")


def test_a_failover_whose_target_is_lost_meanwhile_is_an_outage_of_what_has_left() -> None:
    """What had not left yet stays where it is."""
    cluster = (
        running()
        .log(FAILS + moves("pm01", "pm02", "10:00:01"))
        .log("""
    10:00:02 pm01 controld: Result of stop operation for prmPg on pm01: ok
    10:00:05 pm01 controld: Node pm02 state is now lost
    10:00:06 pm01 schedulerd: Calculated transition 10, saving inputs in /var/lib/pacemaker/pengine/pe-input-10.bz2
    10:00:06 pm01 controld: Peer pm02 was terminated (reboot) by pm01 on behalf of pacemaker-controld.106@pm01: OK
    10:00:07 pm01 controld: State transition S_TRANSITION_ENGINE -> S_IDLE
    """)
    )
    (down,) = cluster.until("10:01:00").main
    assert (down.kind, down.outcome, down.severity, down.resources) == (IncidentKind.SERVICE_DOWN, Ending.FAILED, "critical", ("prmPg",))
    assert {"node_lost", "fencing", "resource_failure"} <= set(cluster.parts_of(down))


@pytest.mark.parametrize(("other", "kind"), [("0", IncidentKind.SERVICE_DOWN), ("100", IncidentKind.FAILOVER)])
def test_a_service_that_nothing_could_run_is_told_as_that_outage_wherever_it_comes_up(other: str, kind: IncidentKind) -> None:
    """Not so where another node could all the time, though the cluster rested before it was used."""
    cluster = running().log(f"""
    10:00:00 pm01 attrd: Setting default_ping_set[pm01]: 100 -> 0
    10:00:00 pm02 attrd: Setting default_ping_set[pm02]: 100 -> {other}
    10:00:01 pm01 schedulerd: Actions: Stop       prmEx             (        pm01 )  due to node availability
    10:00:01 pm01 schedulerd: Actions: Stop       prmPg             (        pm01 )  due to node availability
    10:00:01 pm01 schedulerd: Calculated transition 9, saving inputs in /var/lib/pacemaker/pengine/pe-input-9.bz2
    10:00:01 pm01 controld: State transition S_POLICY_ENGINE -> S_TRANSITION_ENGINE
    10:00:02 pm01 controld: Result of stop operation for prmPg on pm01: ok
    10:00:02 pm01 controld: Result of stop operation for prmEx on pm01: ok
    10:00:02 pm01 controld: State transition S_TRANSITION_ENGINE -> S_IDLE
    10:00:20 pm02 attrd: Setting default_ping_set[pm02]: {other} -> 100
    10:00:21 pm01 schedulerd: Actions: Start      prmEx             (        pm02 )
    10:00:21 pm01 schedulerd: Actions: Start      prmPg             (        pm02 )
    10:00:21 pm01 schedulerd: Calculated transition 10, saving inputs in /var/lib/pacemaker/pengine/pe-input-10.bz2
    10:00:21 pm01 controld: State transition S_POLICY_ENGINE -> S_TRANSITION_ENGINE
    10:00:22 pm02 controld: Result of start operation for prmEx on pm02: ok
    10:00:22 pm02 controld: Result of start operation for prmPg on pm02: ok
    10:00:22 pm01 controld: State transition S_TRANSITION_ENGINE -> S_IDLE
    """)
    (down,) = cluster.until("10:01:00").main
    assert (down.kind, down.outcome, down.planned) == (kind, Ending.SUCCEEDED, False)
    assert down.service_restored_at == at("10:00:22")


def test_what_would_stop_but_for_an_unmanaged_resource_goes_on() -> None:
    """It fails while somebody works on it; the rest of its group can neither stop nor leave."""
    cluster = running().log("""
    09:59:00 pm01 schedulerd: Leave   prmPg#011(Started unmanaged)
    09:59:00 pm01 schedulerd: Calculated transition 8, saving inputs in /var/lib/pacemaker/pengine/pe-input-8.bz2
    10:00:00 pm01 controld: Result of monitor operation for prmPg on pm01: error
    10:00:00 pm01 attrd: Setting fail-count-prmPg#monitor_10000[pm01]: (unset) -> 1
    10:00:01 pm01 schedulerd: Actions: Stop       prmEx             (                pm01 )  due to unrunnable prmPg stop (blocked)
    10:00:01 pm01 schedulerd: Leave   prmPg#011(Started unmanaged)
    10:00:01 pm01 schedulerd: Calculated transition 9, saving inputs in /var/lib/pacemaker/pengine/pe-input-9.bz2
    10:00:01 pm01 controld: State transition S_POLICY_ENGINE -> S_TRANSITION_ENGINE
    10:00:02 pm01 controld: State transition S_TRANSITION_ENGINE -> S_IDLE
    """)
    assert cluster.until("10:02:00").main == []
    assert cluster.told() == []


def test_one_link_that_is_down_between_several_nodes_is_one_fault_until_it_is_up_between_all() -> None:
    settings = ClusterSettings(name="test", node_ids={"1": "pm01", "2": "pm02", "3": "pm03"})
    cluster = running(settings).log("09:00:00 pm01 controld: Node pm03 state is now member")
    for one, other in (("pm01", 2), ("pm01", 3), ("pm02", 1), ("pm03", 1)):
        cluster.log(f"10:00:00 {one} corosync: link: host: {other} link: 0 is down")
    cluster.until("10:00:30")
    (fault,) = cluster.main
    assert (fault.kind, fault.resources, fault.state) == (IncidentKind.INTERCONNECT_DEGRADED, ("link 0",), IncidentState.OPEN)
    cluster.log("10:00:40 pm01 corosync: rx: host: 2 link: 0 is up\n10:00:40 pm02 corosync: rx: host: 1 link: 0 is up").until("10:01:00")
    assert cluster.main[0].state is IncidentState.OPEN
    cluster.log("10:01:00 pm01 corosync: rx: host: 3 link: 0 is up\n10:01:00 pm03 corosync: rx: host: 1 link: 0 is up").until("10:02:00")
    assert [(story.key, story.resolved_at) for story in cluster.main] == [(fault.key, at("10:01:00"))]
    assert cluster.told() == ["interconnect_degraded opening", "interconnect_degraded closing"]


# -- by polls


def film(*scenes: Scene, until: float) -> Outcome:
    peers.need("crm_mon")
    return judge(snapshots(scenes, until=until))


def seconds(incident: Incident) -> tuple[float | None, ...]:
    times = (incident.started_at, incident.service_restored_at, incident.resolved_at)
    return tuple(None if time is None else (time - START).total_seconds() for time in times)


@pytest.mark.parametrize("in_standby", [True, False])
def test_a_node_in_standby_whose_stop_no_poll_saw_is_part_of_the_work_on_it(in_standby: bool) -> None:
    """With nothing left to stop it stops within a moment; it could not take over before either. Of any other it is not known."""

    before = stopped_node().node("n2", "standby") if in_standby else one_plus_one()
    gone = stopped_node().node("n2", "standby").node("n2", "offline") if in_standby else stopped_node()
    found = film(Scene(0, one_plus_one()), Scene(10, before), Scene(20, gone), Scene(40, one_plus_one()), until=60)
    lost = next(item for item in found.incidents if item.kind is IncidentKind.NODE_LOST)
    assert (lost.planned, lost.part_of) == (None, found.mains[0].key)
    assert [(item.kind, item.planned) for item in found.mains] == [(IncidentKind.STANDBY_FAULT, True if in_standby else None)]
    assert bool(found.told) is not in_standby


def group_beside_a_replica(serves: str | None = "n1", promoted: str | None = "n1", n1: str = "online") -> Cib:
    cib = Cib("n1", "n2", "n3").add(group("grp", primitive("ip")), clone("msDb", primitive("db", STATEFUL), promotable="true"))
    if serves is not None:
        cib.runs("ip", serves)
    for name in ("n1", "n2", "n3") if n1 != "offline" else ("n2", "n3"):
        cib.runs("db", name, agent=STATEFUL, role="Promoted" if name == promoted else "Unpromoted")
        cib.attribute(name, "master-db", 10 if name == promoted else 5)
    return cib if n1 == "online" else cib.node("n1", n1)


def test_what_is_promoted_some_polls_after_the_group_of_the_same_fenced_node_is_up_is_the_same_failover() -> None:
    """The node was unclean while it was there, for it could not stop a resource. A third one stands by: the group is protected at once."""
    fenced = ("n1",)
    stuck = group_beside_a_replica().fails("ip", "n1").fails("ip", "n1", "stop", count="INFINITY")
    found = film(
        Scene(0, group_beside_a_replica()),
        Scene(10, stuck),
        Scene(14, group_beside_a_replica(None, None, "offline"), fenced),
        Scene(15, group_beside_a_replica("n2", None, "offline"), fenced),
        Scene(20, group_beside_a_replica("n2", "n2", "offline"), fenced),
        until=40,
    )
    assert found.brief() == ["failover n1,n2 n1->n2 False succeeded"]
    assert set(found.mains[0].resources) == {"ip", "db"}
    assert seconds(found.mains[0]) == (10.0, 20.0, 21.0)


def test_a_standby_node_that_stops_takes_all_its_services_elsewhere_in_one_switchover() -> None:
    """The group is up on the next node, and protected by a third one, before the replica is promoted there."""
    found = film(
        Scene(0, group_beside_a_replica()),
        Scene(10, group_beside_a_replica("n2", "n1", "shutdown")),
        Scene(15, group_beside_a_replica("n2", None, "shutdown")),
        Scene(18, group_beside_a_replica("n2", "n2", "offline")),
        until=40,
    )
    assert [item for item in found.brief() if "switchover" in item] == ["switchover n1,n2 n1->n2 True succeeded"]


def pair_of_members(first: str | None, second: str | None) -> Cib:
    cib = Cib("n1", "n2").add(group("grp", primitive("ip"), primitive("db")))
    for name, node in (("ip", first), ("db", second)):
        if node is not None:
            cib.runs(name, node)
    return cib


def test_a_member_that_waits_for_its_turn_to_start_has_not_failed_yet() -> None:
    """Between two starts a poll shows one of them up and nothing under way; that the other fails comes later, and belongs to it."""

    def failed(where: str | None) -> Cib:
        return pair_of_members(where, None).fails("db", "n1", count="INFINITY").stopped("db", "n1")

    found = film(
        Scene(0, pair_of_members("n1", "n1")),
        Scene(10, failed(None)),
        Scene(14, failed("n2")),
        Scene(15, failed("n2").fails("db", "n2", "start", count="INFINITY")),
        until=40,
    )
    assert found.brief() == ["failover n1,n2 n1->n2 False failed"]


def test_a_start_that_failed_on_the_way_fails_the_failover_though_only_traps_and_polls_tell_of_it() -> None:
    """So soon after a trap no poll may contradict it, and no plan tells that the cluster has nothing more to do."""
    before, gone = pair_of_members("n1", "n1"), pair_of_members("n2", None).fails("db", "n2", "start", count="INFINITY")

    def trap(kind: EventKind, second: float, node: str, name: str, **detail: Value) -> Event:
        when = START + timedelta(seconds=second)
        return happened(kind, when, cluster="c", source=Source.TRAP, node=node, resource=name, reporter=node, raw="t", detail=detail)

    items: list[Event | Snapshot] = [
        trap(EventKind.OPERATION_FAILED, 10.0, "n1", "db", operation="monitor", rc=1),
        trap(EventKind.RESOURCE_STOPPED, 10.2, "n1", "db"),
        trap(EventKind.RESOURCE_STOPPED, 10.3, "n1", "ip"),
        trap(EventKind.RESOURCE_STARTED, 10.5, "n2", "ip"),
        trap(EventKind.OPERATION_FAILED, 10.7, "n2", "db", operation="start", rc=1),
        trap(EventKind.RESOURCE_STOPPED, 10.9, "n2", "db"),
        *snapshots((Scene(0, before), Scene(11, gone)), until=20),
    ]
    found = judge(sorted(items, key=lambda item: item.status.at if isinstance(item, Snapshot) else item.at))
    assert found.brief() == ["failover n1,n2 n1->n2 False failed"]


def test_what_stops_twice_within_seconds_as_polls_of_different_nodes_show_it_stopped_twice() -> None:
    """What a node's history lost is shown as stopped, and as started when it was probed; then it really leaves."""
    peers.need("crm_mon")
    there, nowhere, elsewhere = pair_of_members("n1", "n1"), pair_of_members(None, None), pair_of_members("n2", "n2")
    scenes = (Scene(0, there), Scene(10, nowhere), Scene(11, there), Scene(16, elsewhere))
    by_turns = []
    for number, poll in enumerate(snapshots(scenes, until=40)):
        node = "n1" if number <= 12 else "n2"
        by_turns.append(replace(poll, path=node, status=replace(poll.status, reporter=node)))
    assert judge(by_turns).brief() == ["failover n1,n2 n1->n2 None succeeded"]


BOTH_START = """
10:00:08 pm01 corosync: Corosync Cluster Engine 3.1.7 starting up
10:00:09 pm02 corosync: Corosync Cluster Engine 3.1.7 starting up
10:00:10 pm01 controld: Node pm01 state is now member
10:00:11 pm02 controld: Node pm02 state is now member
"""


def test_a_power_cut_of_all_nodes_is_an_outage_though_nobody_was_left_to_tell_of_it() -> None:
    cluster = running().log(BOTH_START).until("10:00:35")
    (outage,) = (story for story in cluster.incidents if story.part_of is None)
    assert (outage.kind, outage.planned, outage.state) == (IncidentKind.SERVICE_DOWN, False, IncidentState.OPEN)
    assert (outage.from_node, outage.cause and outage.cause.kind) == ("pm01", "node_lost")
    cluster.log("""
    10:00:40 pm01 controld: Result of start operation for prmEx on pm01: ok
    10:00:41 pm01 controld: Result of start operation for prmPg on pm01: ok
    """).until("10:02:00")
    (outage,) = (story for story in cluster.incidents if story.part_of is None)
    assert (outage.kind, outage.planned, outage.outcome) == (IncidentKind.SERVICE_DOWN, False, Ending.SUCCEEDED)
    assert (outage.service_restored_at, outage.state) == (at("10:00:41"), IncidentState.RESOLVED)


def test_a_cluster_that_was_stopped_in_order_and_starts_is_no_power_cut() -> None:
    cluster = running().log("""
    09:59:00 pm01 attrd: Setting shutdown[pm01]: (unset) -> 1795344755
    09:59:00 pm01 attrd: Setting shutdown[pm02]: (unset) -> 1795344755
    09:59:01 pm01 controld: Result of stop operation for prmPg on pm01: ok
    09:59:01 pm01 controld: Result of stop operation for prmEx on pm01: ok
    """)
    cluster.log(BOTH_START).until("10:02:00")
    assert [story.kind for story in cluster.incidents if story.planned is False] == []


def test_one_node_that_starts_anew_says_nothing_of_a_service_that_another_one_may_have_taken_over() -> None:
    """Who was lost is told by the others, whose logs may come late, or are not read at all."""
    cluster = running().log("10:00:08 pm01 corosync: Corosync Cluster Engine 3.1.7 starting up").until("10:02:00")
    assert cluster.incidents == []
