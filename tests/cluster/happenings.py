"""What can happen to a cluster, done to the living one from the injury to its last consequence, and what must be told of it."""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from enum import StrEnum

from tests.cluster.cluster import Cluster, wait_for
from tests.cluster.configuration import PING
from tests.cluster.power import Mood

ACTIVE, STANDBY = "active", "standby"
SETTLE_SECONDS, MEMBERSHIP_SECONDS, GRACE_SECONDS = 2.0, 10.0, 20.0
"""As hamon is configured beside these clusters."""


class Lab(StrEnum):
    """Which cluster something happens to."""

    PAIR = "1+1"
    THREE = "three nodes, one service"
    CROSS = "1+1 cross"
    SPARE = "N+1"
    REPLICA = "1+1 with a replica"


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """What the one main incident must say; nodes are ACTIVE or STANDBY as they were before. No kind: nobody is alarmed."""

    kind: str | None
    planned: bool | None = False
    outcome: str | None = None
    cause: str | None = None
    from_node: str | None = None
    to_node: str | None = None
    parts: frozenset[str] = frozenset()
    fenced: str | None = None
    redundancy_lost: bool = True
    """The debt is opened and paid: once it was missing, in the end it is there."""
    also: frozenset[str] = frozenset()
    """Further main incidents that are truly stories of their own."""
    also_about: str | None = None
    """The node that those name, and no other."""
    failed_meanwhile: bool = False
    """It is down without a way out before it is repaired, and everybody hears that too."""
    recorded: frozenset[str] = frozenset()
    """Planned work that is recorded and told to nobody."""
    told_before: frozenset[str] = frozenset()
    """Parts that people may hear of on their own: they were known for longer than the settle time before they became a part."""
    told_afterwards: bool = False
    """While it is down nobody is left who could tell that: it is known when the nodes are back."""
    waits: float = SETTLE_SECONDS
    """So long hamon waits after the message that decides: for what else belongs to it, the membership, or the return of the service."""

    @property
    def is_down(self) -> bool:
        """Whether the service is down until somebody repairs it."""
        return (self.kind == "service_down" and not self.told_afterwards) or self.failed_meanwhile


@dataclass(frozen=True, slots=True)
class Roles:
    """Of one service: where it runs, the node that would take it over, and the `others`, which take part in the cluster only."""

    service: str
    active: str
    standby: str
    members: tuple[str, ...]
    others: tuple[str, ...] = ()

    def of(self, role: str | None) -> str | None:
        return {ACTIVE: self.active, STANDBY: self.standby}.get(role or "")


@dataclass(frozen=True, slots=True)
class Happening:
    name: str
    title: str
    injure: Callable[[Cluster, Roles], None]
    expected: Expected
    lab: Lab = Lab.PAIR
    service: str | None = None
    """To which service it happens; else to the first one."""
    touches_others: bool = False
    """Further services are concerned; else they must run on where they are, and no alarm names them."""


HAPPENINGS: dict[str, Happening] = {}
"""What happens to a pair with one service."""


def roles(cluster: Cluster, service: str | None = None) -> Roles:
    """Of a service, else of the first: where it runs, and the node that would take over."""
    service = service or next(iter(cluster.services))
    members = cluster.services[service]
    active = cluster.active_node(service)
    assert active is not None, f"{service} runs nowhere as a whole"
    able = [node for node in cluster.places(service) if node != active]
    return Roles(service, active, able[0], tuple(members), tuple(node for node in cluster.nodes if node not in (active, able[0])))


def happening(title: str, expected: Expected) -> Callable[[Callable[[Cluster, Roles], None]], Callable[[Cluster, Roles], None]]:
    def add(function: Callable[[Cluster, Roles], None]) -> Callable[[Cluster, Roles], None]:
        HAPPENINGS[function.__name__] = Happening(function.__name__, title, function, expected)
        return function

    return add


def failover(cause: str | None, *parts: str, fenced: str | None = None, also: frozenset[str] = frozenset()) -> Expected:
    return Expected(
        kind="failover",
        outcome="succeeded",
        cause=cause,
        from_node=ACTIVE,
        to_node=STANDBY,
        parts=frozenset(parts),
        fenced=fenced,
        also=also,
    )


SWITCHOVER = Expected(kind="switchover", planned=True, outcome="succeeded", from_node=ACTIVE, to_node=STANDBY)


@happening(
    "a resource fails and is recovered where it is",
    Expected(kind="local_recovery", outcome="succeeded", cause="resource_failure", redundancy_lost=False),
)
def recovery_in_place(cluster: Cluster, at: Roles) -> None:
    first = at.members[0]
    cluster.on(at.active, "crm_resource", "-r", first, "-m", "-p", "migration-threshold", "-v", "1000")
    cluster.fail(at.active, first, code=7)
    wait_for("the failure is counted", lambda: fail_count(cluster, first) == "1", 30)
    time.sleep(4)
    cluster.runs_on(at.service, at.active)
    cluster.on(at.active, "crm_resource", "--cleanup", "-r", first)  # before one failure is too many again
    wait_for("the failure is forgotten", lambda: fail_count(cluster, first) is None, 30)
    cluster.on(at.active, "crm_resource", "-r", first, "-m", "-d", "migration-threshold")


@happening("a resource of the active node fails: failover", failover("resource_failure", "resource_failure"))
def resource_failure(cluster: Cluster, at: Roles) -> None:
    cluster.fail(at.active, at.members[-1])
    cluster.runs_on(at.service, at.standby)


@happening("the active node loses its power: fencing and failover", failover("node_lost", "node_lost", "fencing", fenced=ACTIVE))
def active_power_loss(cluster: Cluster, at: Roles) -> None:
    cluster.crash(at.active)
    cluster.runs_on(at.service, at.standby)


@happening(
    "the standby node loses its power: the service goes on without protection",
    Expected(kind="standby_fault", cause="node_lost", parts=frozenset({"node_lost", "fencing"}), fenced=STANDBY),
)
def standby_power_loss(cluster: Cluster, at: Roles) -> None:
    cluster.crash(at.standby)
    cluster.is_lost(at.standby)
    time.sleep(4)  # where another node stands by nothing else is waited for before it is repaired


@happening(
    "the active node hangs: it answers nothing any more, is fenced, failover",
    failover("node_lost", "node_lost", "fencing", fenced=ACTIVE),
)
def active_node_hangs(cluster: Cluster, at: Roles) -> None:
    cluster.hang(at.active)
    _is_fenced(cluster, at.active)
    cluster.runs_on(at.service, at.standby)


@happening(
    "the standby node hangs: it answers nothing any more, and is fenced",
    Expected(kind="standby_fault", cause="node_lost", parts=frozenset({"node_lost", "fencing"}), fenced=STANDBY),
)
def standby_node_hangs(cluster: Cluster, at: Roles) -> None:
    cluster.hang(at.standby)
    _is_fenced(cluster, at.standby)
    cluster.is_lost(at.standby)
    assert cluster.active_node(at.service) == at.active


@happening(
    "a resource cannot be stopped: its node is fenced, failover", failover("resource_failure", "stop_failed", "fencing", fenced=ACTIVE)
)
def stop_failure(cluster: Cluster, at: Roles) -> None:
    failing = at.members[1]
    cluster.fail(at.active, failing, "stop", once=False)
    cluster.fail(at.active, failing)
    cluster.runs_on(at.service, at.standby)


@happening(
    "one of two interconnects is cut",
    Expected(kind="interconnect_degraded", cause="link_down", redundancy_lost=False, waits=MEMBERSHIP_SECONDS),
)
def link_cut(cluster: Cluster, at: Roles) -> None:
    cluster.cut(at.active, [1])
    time.sleep(13)  # longer than it is waited for whether a node gets lost with it


@happening("the active node loses the ping target: failover", failover("connectivity_degraded", "connectivity_degraded"))
def ping_lost_on_active(cluster: Cluster, at: Roles) -> None:
    cluster.cut_ping(at.active)
    cluster.runs_on(at.service, at.standby)


@happening(
    "the standby node loses the ping target",
    Expected(kind="standby_fault", cause="connectivity_degraded", parts=frozenset({"connectivity_degraded"})),
)
def ping_lost_on_standby(cluster: Cluster, at: Roles) -> None:
    cluster.cut_ping(at.standby)
    wait_for("the attribute falls", lambda: _attribute(cluster, at.standby, "default_ping_set") == "0", 60)
    time.sleep(4)


@happening(
    "the ping clone of the standby node fails",
    Expected(kind="standby_fault", cause="resource_failure", parts=frozenset({"resource_failure"})),
)
def standby_clone_failure(cluster: Cluster, at: Roles) -> None:
    cluster.fail(at.standby, PING)
    wait_for("the failure is counted", lambda: fail_count(cluster, PING) == "1", 30)
    time.sleep(4)


@happening(
    "the network between the nodes is cut, and the active node wins: the standby node is fenced",
    Expected(kind="standby_fault", parts=frozenset({"interconnect_degraded", "node_lost", "fencing"}), fenced=STANDBY),
)
def cut_won_by_active(cluster: Cluster, at: Roles) -> None:
    with _slower_to_fence(cluster, at.active):
        cluster.cut(at.active)
        _is_fenced(cluster, at.standby)
        cluster.is_lost(at.standby)
        assert cluster.is_on(at.active)


@happening(
    "the network between the nodes is cut, and the standby node wins: the active node is fenced, failover",
    failover(None, "interconnect_degraded", "node_lost", "fencing", fenced=ACTIVE),
)
def cut_won_by_standby(cluster: Cluster, at: Roles) -> None:
    with _slower_to_fence(cluster, at.standby):
        cluster.cut(at.active)
        cluster.runs_on(at.service, at.standby)
        assert not cluster.is_on(at.active)


@happening(
    "the network between the nodes is cut, and neither can fence the other: nothing fails over",
    Expected(
        kind="standby_fault",
        cause="link_down",
        parts=frozenset({"interconnect_degraded", "node_lost", "fencing", "fencing_failed"}),
        also=frozenset({"fencing_failed"}),  # while that lasts nobody takes over, whatever happens to the active node
        also_about=ACTIVE,
        waits=MEMBERSHIP_SECONDS,  # it may still be decided who stays
    ),
)
def cut_without_winner(cluster: Cluster, at: Roles) -> None:
    cluster.power.asked.clear()
    for node in cluster.nodes:
        # Slowly: a controller that has failed ten times gives up on that node for ever, in what happens next too.
        cluster.power.set_mood(node, Mood.FAILS_SLOWLY)
    cluster.cut(at.active)
    for node in cluster.nodes:
        _is_tried(cluster, node)
    time.sleep(15)
    assert set(cluster.holders(at.members[0], cluster.status(at.active))) == {at.active}


@happening(
    "the network between the nodes is cut, and each fences the other: both are off until somebody boots them",
    Expected(
        kind="service_down",
        outcome="succeeded",
        from_node=ACTIVE,
        parts=frozenset({"interconnect_degraded", "node_lost", "fencing"}),
        also=frozenset({"monitoring_lost"}),  # nobody is left who could be asked
        told_before=frozenset({"standby_fault", "connectivity_degraded"}),  # the cut may take the ping target with it
        told_afterwards=True,
    ),
)
def each_fences_the_other(cluster: Cluster, at: Roles) -> None:
    cluster.power.asked.clear()
    for node in cluster.nodes:
        cluster.power.set_mood(node, Mood.FAILS_SLOWLY)  # so that each is asked for before one of them is off
    cluster.cut(at.active)
    for node in cluster.nodes:
        _is_tried(cluster, node)
    for node in cluster.nodes:
        cluster.crash(node)
    time.sleep(35)


@happening(
    "fencing of the active node fails at first, and is repaired",
    failover("node_lost", "node_lost", "fencing", "fencing_failed", fenced=ACTIVE),
)
def fencing_fails_and_is_repaired(cluster: Cluster, at: Roles) -> None:
    cluster.power.asked.clear()
    cluster.power.set_mood(at.active, Mood.FAILS_SLOWLY)
    cluster.crash(at.active)
    _is_tried(cluster, at.active)
    time.sleep(15)
    cluster.power.set_mood(at.active, Mood.WORKS)
    cluster.runs_on(at.service, at.standby, 150)


@happening(
    "corosync of the active node is killed: fencing and failover",
    failover("daemon_failed", "daemon_failed", "fencing", fenced=ACTIVE),
)
def corosync_killed(cluster: Cluster, at: Roles) -> None:
    cluster.kill_daemon(at.active, "corosync")
    cluster.runs_on(at.service, at.standby)


@happening("a daemon of the active node is killed and its attributes are lost: failover", failover("daemon_failed", "daemon_failed"))
def daemon_killed_on_active(cluster: Cluster, at: Roles) -> None:
    cluster.hold(at.active, PING)  # else the next monitor sets the attribute again, maybe before anybody has seen that it is lost
    time.sleep(5)
    cluster.kill_daemon(at.active, "pacemaker-attrd")
    cluster.runs_on(at.service, at.standby)


@happening(
    "a daemon of the standby node is killed and its attributes stay lost",
    Expected(
        kind="standby_fault",
        cause="daemon_failed",
        parts=frozenset({"daemon_failed"}),
        # What it means only polls show. Whether its node is fenced, too, depends on when the DC looks.
        told_before=frozenset({"daemon_failed", "fencing"}),
    ),
)
def daemon_killed_on_standby(cluster: Cluster, at: Roles) -> None:
    cluster.kill_daemon(at.standby, "pacemaker-execd")
    wait_for("the attribute is lost", lambda: _attribute(cluster, at.standby, "default_ping_set") is None, 30)
    time.sleep(12)


@happening("planned switchover by standby", SWITCHOVER)
def switchover_by_standby(cluster: Cluster, at: Roles) -> None:
    cluster.on(at.active, "crm_standby", "-N", at.active, "-v", "on")
    cluster.runs_on(at.service, at.standby)
    time.sleep(3)
    cluster.on(at.active, "crm_standby", "-N", at.active, "-v", "off")


@happening("planned switchover by a move", SWITCHOVER)
def switchover_by_move(cluster: Cluster, at: Roles) -> None:
    cluster.on(at.active, "crm_resource", "--move", "--force", "-r", at.service, "--node", at.standby)
    cluster.runs_on(at.service, at.standby)
    time.sleep(3)
    cluster.on(at.active, "crm_resource", "--clear", "-r", at.service)


@happening("planned switchover by a clean stop of the active node", SWITCHOVER)
def switchover_by_stop(cluster: Cluster, at: Roles) -> None:
    cluster.stop(at.active)
    cluster.runs_on(at.service, at.standby)
    cluster.start(at.active)


@happening("maintenance mode", Expected(kind=None, planned=True, recorded=frozenset({"maintenance"})))
def maintenance(cluster: Cluster, at: Roles) -> None:
    cluster.on(at.active, "crm_attribute", "-t", "crm_config", "-n", "maintenance-mode", "-v", "true")
    time.sleep(6)
    cluster.on(at.active, "crm_attribute", "-t", "crm_config", "-n", "maintenance-mode", "-v", "false")


@happening("the standby node is stopped in order, and rejoins", Expected(kind=None, planned=True, recorded=frozenset({"standby_fault"})))
def standby_stopped_and_rejoins(cluster: Cluster, at: Roles) -> None:
    cluster.stop(at.standby)
    time.sleep(5)
    cluster.start(at.standby)
    cluster.is_ready()


@happening("a clean-up where nothing failed", Expected(kind=None, planned=True, redundancy_lost=False))
def cleanup(cluster: Cluster, at: Roles) -> None:
    cluster.on(at.active, "crm_resource", "--cleanup")
    time.sleep(5)


@happening(
    "the resource fails on the active node, and cannot be started on its peer",
    replace(failover("resource_failure", "resource_failure", "failcount_threshold"), failed_meanwhile=True),
)
def failover_fails(cluster: Cluster, at: Roles) -> None:
    failing = at.members[-1]
    cluster.fail(at.standby, failing, "start", once=False)
    cluster.fail(at.active, failing)
    wait_for("it failed on both", lambda: len(_failed_on(cluster, failing)) == 2, 60)
    wait_for("the other members have moved", lambda: all(at.standby in cluster.holders(one) for one in at.members[:-1]), 30)
    time.sleep(22)  # longer than a service may be down without a word


@happening(
    "the resource fails on the active node and then on its peer",
    Expected(
        kind="service_down",
        outcome="succeeded",
        cause="resource_failure",
        from_node=STANDBY,
        parts=frozenset({"resource_failure", "failcount_threshold"}),
        failed_meanwhile=True,
        also=frozenset({"failover"}),
    ),
)
def failure_on_both(cluster: Cluster, at: Roles) -> None:
    failing = at.members[-1]
    cluster.fail(at.active, failing)
    cluster.runs_on(at.service, at.standby)
    time.sleep(5)
    cluster.fail(at.standby, failing)
    wait_for("it runs nowhere", lambda: not cluster.holders(failing), 60)
    time.sleep(22)  # longer than a service may be down without a word


def fail_count(cluster: Cluster, resource: str) -> str | None:
    seen = cluster.status()
    found = seen.find(f".//node_history//resource_history[@id='{resource}'][@fail-count]") if seen is not None else None
    return found.get("fail-count") if found is not None else None


def _failed_on(cluster: Cluster, resource: str) -> set[str]:
    """The nodes on which the resource has a fail count."""
    seen = cluster.status()
    histories = seen.iterfind("./node_history/node") if seen is not None else ()
    return {str(node.get("name")) for node in histories if node.find(f"./resource_history[@id='{resource}'][@fail-count]") is not None}


def _is_fenced(cluster: Cluster, node: str) -> None:
    """Its power is off. Asked of the rack, since a cluster whose node hangs may not answer."""
    wait_for(f"{node} is fenced", lambda: not cluster.is_on(node), 60)


def _is_tried(cluster: Cluster, node: str) -> None:
    wait_for(f"fencing of {node} is tried", lambda: ("reboot", node) in cluster.power.asked, 60)


@contextmanager
def _slower_to_fence(cluster: Cluster, node: str) -> Iterator[None]:
    """Whoever would fence this node waits first, so that it wins against a peer that must fence and be fenced."""
    device = ("crm_resource", "-r", f"fence{cluster.nodes.index(node) + 1}")
    cluster.on(node, *device, "-p", "pcmk_delay_base", "-v", "10s")
    try:
        cluster.is_ready()
        yield
    finally:
        cluster.on(next(one for one in cluster.nodes if cluster.is_on(one)), *device, "-d", "pcmk_delay_base")


def _attribute(cluster: Cluster, node: str, name: str) -> str | None:
    seen = cluster.status()
    found = seen.find(f"./node_attributes/node[@name='{node}']/attribute[@name='{name}']") if seen is not None else None
    return found.get("value") if found is not None else None


def names(*happenings: Callable[[Cluster, Roles], None]) -> Mapping[str, Happening]:
    return {one.__name__: HAPPENINGS[one.__name__] for one in happenings}
