"""What happens while something else goes on: a second link, a late promotion, an order that takes its time."""

import pytest

from hamon.model.incident import Incident, IncidentKind
from tests import peers
from tests.cib import STATEFUL, Cib, clone, group, one_plus_one, primitive, stopped_node
from tests.classify.cluster_log import at, moved, moves, running
from tests.classify.polled import START, Outcome, Scene, judge, snapshots


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
