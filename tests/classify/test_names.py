"""One node has one name, that of the cluster; two names in full are two nodes."""

import gzip
import re
from datetime import timedelta

import pytest

from hamon.classify.incidents import Engine
from hamon.classify.names import one_name, spoken
from hamon.classify.order import causal_order, with_snapshots
from hamon.classify.settings import ClusterSettings
from hamon.classify.state import Node, State
from hamon.classify.texts import LogMatcher
from hamon.classify.traps import TrapMatcher
from hamon.model.event import Event, EventKind
from hamon.model.incident import Incident
from hamon.model.observation import LogChunk, Tick
from tests import snapshots
from tests.cases import rules
from tests.classify.cluster_log import Cluster, moved, moves
from tests.classify.happenings import BEGIN
from tests.events import happened
from tests.recordings import evidence, truth_of
from tests.traps import recorded


def said(node: str | None, reporter: str | None) -> Event:
    return happened(EventKind.NODE_LOST, BEGIN, node=node, reporter=reporter)


@pytest.mark.parametrize(("known", "host"), [("pm01", "pm01.example.com"), ("pm01.example.com", "pm01")])
def test_a_host_is_the_node_that_is_known_with_or_without_its_domain(known: str, host: str) -> None:
    state = State(nodes={known: Node(name=known), "pm02": Node(name="pm02")})
    event = one_name(state, said(host, host))
    assert (event.node, event.reporter) == (known, known)


def test_two_names_in_full_stay_two_nodes() -> None:
    state = State(nodes={"pm01.a.example": Node(name="pm01.a.example")})
    assert one_name(state, said("pm01.b.example", "pm01.b.example")).node == "pm01.b.example"
    short = State(nodes={"pm01": Node(name="pm01")})
    assert one_name(short, said("pm01.a.example", None)).node == "pm01"
    assert one_name(short, said("pm01.b.example", None)).node == "pm01.b.example"


def test_a_short_name_that_could_be_two_nodes_is_neither() -> None:
    names = ("pm01.a.example", "pm01.b.example")
    state = State(nodes={name: Node(name=name) for name in names})
    assert one_name(state, said("pm01", "pm01")).node == "pm01"


@pytest.mark.parametrize(("known", "other"), [("10", "10.0.0.1"), ("pm01", "pm010.example.com"), ("pm01", "pm02.example.com")])
def test_other_names_are_other_nodes(known: str, other: str) -> None:
    state = State(nodes={known: Node(name=known)})
    assert one_name(state, said(other, other)).node == other


def test_the_cluster_s_own_name_counts_whichever_was_heard_first() -> None:
    events = [said("pm01.example.com", "pm01.example.com"), said("pm01", "pm02.example.com"), said("pm02", "pm01.example.com")]
    state = State(spoken=spoken(events, ()))
    assert state.spoken == ["pm01", "pm02"]
    assert {one_name(state, event).reporter for event in events} == {"pm01", "pm02"}
    assert spoken([said("pm01", "pm02")], ["pm01.example.com"]) == ["pm01.example.com", "pm02"]


# -- as a gateway hears them: nobody knows beforehand which name is the cluster's

HOST = re.compile(rb"^(\w{3} [ \d]\d [\d:]{8} )(\w+) ", re.MULTILINE)


def told_of(name: str, *, beside: str) -> list[Incident]:
    """What becomes of a recording whose syslogs have the hosts in full, while the cluster has short names."""
    matcher, end = LogMatcher(rules()), BEGIN
    logs = []
    for path in evidence(name, "*/ha-log.gz"):
        data = HOST.sub(rb"\1\2.example.com ", gzip.decompress(path.read_bytes()))
        chunk = LogChunk(cluster="c", collector=path.parent.name, path="/ha-log", data=data, offset=0, received_at=BEGIN)
        logs.append(matcher.scan(chunk).events)
        end = max([end, *(event.at for event in logs[-1])])
    if beside == "traps":
        logs.append(TrapMatcher(rules()).scan(recorded(name)).events)
    engine = Engine(ClusterSettings(name="c"))
    polled = snapshots.snapshots(name) if beside == "polls" else ()
    items = [*with_snapshots([*causal_order(logs)], polled), Tick(now=end + timedelta(minutes=30))]
    steps = [step for item in items for step in engine.advance([item]).transitions]
    assert not [name for name in engine.state.nodes if "." in name]
    return [*{step.incident.key: step.incident for step in steps}.values()]


@pytest.mark.parametrize("beside", ["nothing", "traps", "polls"])
@pytest.mark.parametrize("name", ["failover_resource", "fencing_failure_repaired", "kill_corosync_active", "kill_execd_standby"])
def test_incidents_have_the_names_of_the_cluster_though_its_logs_have_others(name: str, beside: str) -> None:
    found = told_of(name, beside=beside)
    named = {node for item in found for node in (*item.nodes, *item.fenced, item.from_node, item.to_node) if node is not None}
    assert named
    assert named <= set(truth_of(name)["nodes"])


def test_what_is_open_takes_the_name_of_the_cluster_when_it_is_heard() -> None:
    cluster = Cluster().log("""
    10:00:00 pm01.example.com corosync: link: host: 2 link: 0 is down
    10:00:00 pm01.example.com pacemakerd: pacemaker-controld[108] exited with status 102 (Not connected)
    """)
    assert "pm01.example.com" in cluster.engine.state.nodes
    cluster.log("10:00:05 pm02.example.com controld: Node pm01 state is now member")
    assert [name for name in cluster.engine.state.nodes if name.startswith("pm01")] == ["pm01"]
    (died,) = [item for item in cluster.incidents if item.kind == "daemon_failed"]
    assert (died.nodes, died.cause.node if died.cause else None) == (("pm01",), "pm01")
    assert {entry.node for entry in died.timeline} == {"pm01"}
    assert died.timeline[0].raw.startswith("Nov 22 10:00:00 pm01.example.com ")


def test_names_in_full_stay_where_the_cluster_has_them_so() -> None:
    up = "\n".join(f"09:00:00 pm01 controld: Node {name}.example.com state is now member" for name in ("pm01", "pm02"))
    runs = "\n".join(f"09:00:01 pm01 controld: Result of start operation for {name} on pm01.example.com: ok" for name in ("prmEx", "prmPg"))
    plan = moves("pm01.example.com", "pm02.example.com", "10:00:01", "pm01")
    done = re.sub(r"(:\d\d pm0[12])\.example\.com ", r"\1 ", moved("pm01.example.com", "pm02.example.com", "10:00:04", "pm01"))
    cluster = Cluster().log(f"{up}\n{runs}\n{plan}\n{done}").until("10:01:00")
    (failover,) = cluster.main
    assert (failover.from_node, failover.to_node) == ("pm01.example.com", "pm02.example.com")
    assert set(cluster.engine.state.nodes) == {"pm01.example.com", "pm02.example.com"}
