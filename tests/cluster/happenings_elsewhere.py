"""What can happen to clusters of three nodes, to two nodes that share services crosswise, and to a replica that is a service of its own."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from tests.cluster import happenings
from tests.cluster.cluster import Cluster, wait_for
from tests.cluster.configuration import PROMOTABLE, REPLICA
from tests.cluster.happenings import ACTIVE, GRACE_SECONDS, HAPPENINGS, STANDBY, Expected, Happening, Lab, Roles, failover

_AS_IN_A_PAIR: Mapping[Lab, Sequence[Callable[[Cluster, Roles], None]]] = {
    Lab.THREE: (
        happenings.resource_failure,
        happenings.active_power_loss,
        happenings.standby_power_loss,
        happenings.ping_lost_on_standby,
        happenings.switchover_by_move,
    ),
    Lab.CROSS: (
        happenings.resource_failure,
        happenings.active_power_loss,
        happenings.switchover_by_standby,
    ),
    Lab.SPARE: (
        happenings.resource_failure,
        happenings.active_power_loss,
        happenings.standby_power_loss,
        happenings.standby_clone_failure,
        happenings.switchover_by_move,
    ),
}


def _nodes_but_the_active_lose_power(cluster: Cluster, at: Roles) -> None:
    for node in (at.standby, *at.others):
        cluster.crash(node)
    _stops_everywhere(cluster, at)


def _all_are_cut_from_each_other(cluster: Cluster, at: Roles) -> None:
    for node in cluster.nodes:
        cluster.cut(node)
    _stops_everywhere(cluster, at)


def _stops_everywhere(cluster: Cluster, at: Roles) -> None:
    wait_for(f"{at.service} is stopped", lambda: not cluster.holders(at.members[0], cluster.status(at.active)), 90)
    time.sleep(22)  # longer than a service may be down without a word


def _peer_loses_power(cluster: Cluster, at: Roles) -> None:
    """The node that is standby for one service is active for the other."""
    other = next(service for service in cluster.services if service != at.service)
    cluster.crash(at.standby)
    cluster.runs_on(other, at.active)
    assert cluster.active_node(at.service) == at.active


def _replica_fails(cluster: Cluster, at: Roles) -> None:
    wait_for("the replica is on the standby node", lambda: cluster.holders(PROMOTABLE).get(at.standby) == "Unpromoted", 60)
    cluster.fail(at.standby, PROMOTABLE)
    wait_for("the failure is counted", lambda: happenings.fail_count(cluster, PROMOTABLE) == "1", 30)
    time.sleep(4)


def _promoted_fails(cluster: Cluster, at: Roles) -> None:
    cluster.fail(at.active, PROMOTABLE)
    cluster.runs_on(at.service, at.standby)


_OWN: Mapping[Lab, Sequence[Happening]] = {
    Lab.THREE: (
        Happening(
            "replica_failure",
            "the replica on a standby node fails",
            _replica_fails,
            Expected(kind="standby_fault", cause="resource_failure", parts=frozenset({"resource_failure"})),
        ),
        Happening(
            "quorum_lost_by_power_loss",
            "two of three nodes lose their power: quorum is lost, the service is stopped",
            _nodes_but_the_active_lose_power,
            Expected(kind="service_down", parts=frozenset({"quorum_lost", "node_lost"}), waits=GRACE_SECONDS),
        ),
        Happening(
            "quorum_lost_by_cuts",
            "all three nodes are cut from each other: quorum is lost everywhere, the service is stopped",
            _all_are_cut_from_each_other,
            Expected(kind="service_down", parts=frozenset({"quorum_lost", "node_lost"}), waits=GRACE_SECONDS),
        ),
    ),
    Lab.CROSS: (
        Happening(
            "peer_power_loss",
            "the node that stands by loses its power: the service that it had fails over",
            _peer_loses_power,
            replace(failover("node_lost", "node_lost", "fencing", fenced=STANDBY), from_node=STANDBY, to_node=ACTIVE),
            touches_others=True,
        ),
    ),
    Lab.SPARE: (),
    Lab.REPLICA: (
        Happening(
            "replica_failure",
            "the replica on the standby node fails",
            _replica_fails,
            Expected(kind="standby_fault", cause="resource_failure", parts=frozenset({"resource_failure"})),
            service=REPLICA,
        ),
        Happening(
            "promoted_failure",
            "the promoted instance fails: the replica is promoted",
            _promoted_fails,
            failover("resource_failure", "resource_failure"),
            service=REPLICA,
        ),
    ),
}


def of(lab: Lab) -> list[Happening]:
    known = {one.injure: one for one in HAPPENINGS.values()}
    found = [*(known[function] for function in _AS_IN_A_PAIR.get(lab, ())), *_OWN[lab]]
    if lab is not Lab.THREE:
        return [replace(one, lab=lab) for one in found]
    # Of three nodes the replica is a service too, which follows; and when one of them is lost, there is another to fall back on.
    return [
        replace(one, lab=lab, touches_others=True, expected=replace(one.expected, redundancy_lost=one.expected.kind == "service_down"))
        for one in found
    ]
