"""Services, who could take them over, and the pattern of the cluster, as polls of a real cluster show them."""

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import get_args

import pytest

from hamon.classify.services import NodeRole, Pattern, Service, ServiceKind, Services, find
from hamon.config import ClusterConfig
from hamon.parse import cibadmin, crm_mon
from tests import snapshots
from tests.cib import SCENARIOS

CRM_MON = Path(__file__).parents[1] / "corpus" / "crm_mon" / "pacemaker-2.1.5"
LIVE = CRM_MON.parent / "live-2.1.5"
AT = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


def seen(recording: str, number: int, **named: tuple[str, ...]) -> Services:
    return find(crm_mon.parse(snapshots.answers(recording)[f"s{number:03}.xml"], at=AT), named=named)


def service(found: Services, name: str) -> Service:
    return next(item for item in found.services if item.name == name)


def against(item: Service) -> list[str]:
    return [str(hindrance) for candidate in item.candidates for hindrance in candidate.hindrances]


def test_services_are_groups_and_promoted_instances_and_no_infrastructure() -> None:
    found = seen("quiet", 0)
    assert [(item.name, item.kind, item.members, item.active_nodes, item.up) for item in found.services] == [
        ("grpPg", ServiceKind.GROUP, ("prmEx", "prmFs", "prmIp", "prmPg"), ("pm01",), True),
        ("msPrmStateful", ServiceKind.PROMOTABLE, ("prmStateful",), ("pm01",), True),
    ]
    assert [item.able_to_take_over for item in found.services] == [("pm02",), ("pm02",)]
    assert (found.pattern, found.spare) == (Pattern.ONE_PLUS_ONE, ("pm02",))
    assert found.roles == (("pm01", NodeRole.ACTIVE), ("pm02", NodeRole.STANDBY))


@pytest.mark.parametrize(
    ("recording", "number", "name", "active", "up", "redundancy", "reasons"),
    [
        ("failover_resource", 1, "grpPg", ("pm01",), False, 1, []),
        ("failover_resource", 2, "grpPg", ("pm02",), False, 0, ["fail_count pm01 prmPg"]),
        ("failover_resource", 3, "grpPg", ("pm02",), True, 0, ["fail_count pm01 prmPg"]),
        ("kill_attrd_active", 1, "grpPg", ("pm02",), True, 0, ["attribute pm01 default_ping_set"]),
        ("kill_execd_standby", 1, "grpPg", ("pm01",), True, 0, ["node_pending pm02"]),
        ("kill_execd_standby", 5, "msPrmStateful", ("pm01",), True, 0, ["not_promotable pm02 prmStateful"]),
        ("maintenance", 1, "msPrmStateful", ("pm01",), True, 0, ["maintenance pm02", "unmanaged pm02 prmStateful"]),
        ("ping_lost_active", 4, "grpPg", ("pm02",), True, 0, ["attribute pm01 default_ping_set"]),
        ("rejoin", 0, "grpPg", ("pm01",), True, 0, ["node_stopped pm02"]),
        ("rejoin", 7, "msPrmStateful", ("pm01",), True, 0, ["no_instance pm02 prmStateful"]),
        ("standby_clone_failure", 1, "grpPg", ("pm01",), True, 0, ["clone_missing pm02 prmPing"]),
        ("standby_crash", 1, "grpPg", ("pm01",), True, 0, ["node_stopped pm02"]),
        (
            "standby_promotable_failure",
            2,
            "msPrmStateful",
            ("pm01",),
            True,
            0,
            ["fail_count pm02 prmStateful", "no_instance pm02 prmStateful"],
        ),
        ("switchover_move", 1, "grpPg", ("pm02",), True, 0, ["ban pm01 cli-ban-grpPg-on-pm01"]),
        ("switchover_standby_db", 5, "grpVip", ("pg2",), True, 0, ["standby pg1"]),
    ],
)
def test_what_a_poll_of_a_recording_shows(
    recording: str, number: int, name: str, active: tuple[str, ...], up: bool, redundancy: int, reasons: list[str]
) -> None:
    item = service(seen(recording, number), name)
    assert (item.active_nodes, item.up, item.redundancy, against(item)) == (active, up, redundancy, reasons)


def test_what_an_unclean_node_is_said_to_run_does_not_serve() -> None:
    item = service(seen("fencing_failure", 2), "grpPg")
    assert (item.active_nodes, item.up) == ((), False)
    assert against(item) == ["node_unclean pm01"]


def test_without_a_dc_nothing_is_known() -> None:
    found = seen("rejoin", 1)
    assert [(item.up, item.able_to_take_over, item.redundancy) for item in found.services] == [(None, None, None)] * 2
    assert found.pattern is Pattern.UNKNOWN


def test_services_can_be_named_by_primitives_groups_and_clones() -> None:
    found = seen("quiet", 0, database=("prmPg", "prmFs"), address=("grpPg",), replica=("msPrmStateful",), gone=("prmNowhere",))
    assert [(item.name, item.members, item.active_nodes, item.up) for item in found.services] == [
        ("database", ("prmPg", "prmFs"), ("pm01",), True),
        ("address", ("prmEx", "prmFs", "prmIp", "prmPg"), ("pm01",), True),
        ("replica", ("prmStateful",), ("pm01",), True),
        ("gone", ("prmNowhere",), (), False),
    ]


def test_a_pattern_can_be_named() -> None:
    status = crm_mon.parse(snapshots.answers("quiet")["s000.xml"], at=AT)
    assert find(status, pattern=Pattern.SYMMETRIC).pattern is Pattern.SYMMETRIC


def test_every_service_is_where_the_recording_says_it_ended() -> None:
    for recording in ("failover_resource", "switchover_move", "ping_lost_active", "active_stop_start", "kill_corosync_active"):
        names = sorted(snapshots.answers(recording))
        assert seen(recording, int(names[-1][1:4])).services[0].active_nodes == ("pm02",)


# --- many kinds of clusters, as crm_mon prints them from CIBs


def made(name: str, *, with_cib: bool = False) -> Services:
    status = crm_mon.parse((CRM_MON / f"{name}.xml").read_bytes(), at=AT)
    return find(replace(status, cib=cibadmin.read_cib(str(SCENARIOS[name]()).encode())) if with_cib else status)


@pytest.mark.parametrize(
    ("name", "pattern", "spare"),
    [
        ("one_plus_one", Pattern.ONE_PLUS_ONE, ("n2",)),
        ("standby_node", Pattern.ONE_PLUS_ONE, ("n2",)),
        ("stopped_node", Pattern.ONE_PLUS_ONE, ("n2",)),
        ("promotable_group", Pattern.ONE_PLUS_ONE, ("n2",)),
        ("promotable_bundle", Pattern.ONE_PLUS_ONE, ("n2",)),
        ("guest_node", Pattern.ONE_PLUS_ONE, ("n2",)),
        ("quorum_node", Pattern.ONE_PLUS_ONE, ("n2",)),
        ("failure_ignored", Pattern.SINGLE, ()),
        ("cross", Pattern.CROSS, ()),
        ("n_plus_one", Pattern.N_PLUS_ONE, ("spare",)),
        ("n_plus_m", Pattern.N_PLUS_M, ("s1", "s2")),
        ("promotable", Pattern.N_PLUS_M, ("n2", "n3")),
        ("symmetric", Pattern.SYMMETRIC, ()),
        ("dual_promoted", Pattern.SYMMETRIC, ()),
        ("no_dc", Pattern.UNKNOWN, ("n2",)),
        ("cloned_group", Pattern.UNKNOWN, ()),
    ],
)
def test_the_pattern_of_a_cluster(name: str, pattern: Pattern, spare: tuple[str, ...]) -> None:
    found = made(name)
    assert (found.pattern, found.spare) == (pattern, spare)


@pytest.mark.parametrize(
    ("name", "service_name", "active", "up", "able", "reasons"),
    [
        ("standby_node", "grpWeb", ("n1",), True, (), ["standby n2"]),
        ("node_maintenance", "grpWeb", ("n1",), True, (), ["maintenance n2"]),
        ("stopping_node", "grpWeb", ("n1",), True, (), ["node_stopping n2"]),
        ("pending_node", "grpWeb", ("n1",), True, (), ["node_pending n2"]),
        ("unclean_node", "grpWeb", (), False, ("n2",), ["node_unclean n1"]),
        ("no_quorum", "db", (), False, (), ["no_quorum n1", "node_stopped n2", "node_unclean n3"]),
        ("failed_monitor", "grpWeb", ("n1",), False, ("n2",), []),
        ("failed_start", "grpWeb", ("n1",), False, (), ["fail_count n2 web"]),
        ("failed_stop", "db", ("n1",), False, (), ["blocked n2 db"]),
        ("threshold", "db", ("n2",), True, (), ["fail_count n1 db"]),
        ("threshold", "app", ("n1",), True, ("n2",), []),
        ("failure_ignored", "log", ("n1",), True, (), []),
        ("unmanaged", "grp", ("n2",), True, (), ["unmanaged n1 a", "unmanaged n1 b"]),
        ("promotable", "msDb", ("n1",), True, ("n2",), ["not_promotable n3 db"]),
        ("promotable_failed", "msDb", ("n1",), True, (), ["resource_failed n2 db"]),
        ("promoted_ban", "msDb", ("n1",), True, (), ["ban n2 cli-ban-msDb-on-n2", "not_promotable n3 db"]),
        ("moved_by_hand", "grpWeb", ("n1",), True, (), ["ban n2 cli-ban-grpWeb-on-n2"]),
        ("clone_with_limit", "db", ("n1",), True, ("n2", "n3"), []),
        ("red_node", "db", ("n1",), True, (), ["health n2"]),
        ("bundles", "httpd", ("n1", "n2"), True, ("n3",), []),
        ("guest_node", "vm", ("n1",), True, ("n2",), []),
        ("remote_nodes", "db", ("r1",), True, ("n1", "n2"), ["node_unclean r2"]),
    ],
)
def test_who_could_take_a_service_over(
    name: str, service_name: str, active: tuple[str, ...], up: bool, able: tuple[str, ...], reasons: list[str]
) -> None:
    item = service(made(name), service_name)
    assert (item.active_nodes, item.up, item.able_to_take_over, against(item)) == (active, up, able, reasons)


@pytest.mark.parametrize(
    ("name", "service_name", "able", "reasons"),
    [
        ("ping_lost", "grpWeb", (), ["attribute n2 pingd"]),
        ("n_plus_m", "db1", ("s1", "s2"), ["colocation n2 db2", "colocation n3 db3"]),
        ("asymmetric", "db", ("n2",), ["not_allowed n3"]),
        ("tickets", "app", (), ["ticket n1 siteB", "ticket n2 siteB"]),
        ("promotable", "vip", ("n2",), ["not_promotable n3 db"]),
    ],
)
def test_what_only_the_cib_tells(name: str, service_name: str, able: tuple[str, ...], reasons: list[str]) -> None:
    item = service(made(name, with_cib=True), service_name)
    assert (item.able_to_take_over, against(item)) == (able, reasons)


def test_an_asymmetric_cluster_without_its_cib_is_not_known() -> None:
    item = service(made("asymmetric"), "db")
    assert (item.able_to_take_over, item.redundancy) == (None, None)


def test_what_is_no_service() -> None:
    """Orphans, connections to remote nodes, fence devices, plain clones."""
    assert [item.name for item in made("orphan").services] == ["db"]
    assert [item.name for item in made("remote_nodes").services] == ["db"]
    assert [item.name for item in made("one_plus_one").services] == ["grpWeb"]
    assert made("unique_clone").services == ()


def test_services_that_are_wanted_down_or_run_twice_say_so() -> None:
    assert {item.name: item.disabled for item in made("disabled").services} == {"db": True, "grp": True, "ms": True}
    assert [(item.multiple_active, item.blocked) for item in made("multiple_active").services] == [(True, ("db",))]
    (drbd,) = made("dual_promoted").services
    assert (drbd.spread, drbd.multiple_active, drbd.redundancy) == (True, False, 1)
    assert [item.redundancy for item in made("bundles").services] == [2]


def test_with_and_without_the_cib_the_same_services_are_where_they_are() -> None:
    for name in SCENARIOS.keys() - {"large"}:
        bare, whole = made(name), made(name, with_cib=True)
        assert [(item.name, item.active_nodes, item.up) for item in bare.services] == [
            (item.name, item.active_nodes, item.up) for item in whole.services
        ]


def test_a_node_is_never_both_active_and_candidate_and_every_host_is_one() -> None:
    for name in SCENARIOS.keys() - {"large"}:
        found = made(name, with_cib=True)
        for item in found.services:
            candidates = [candidate.node for candidate in item.candidates]
            assert not set(candidates) & set(item.active_nodes)
            assert all(candidate.able is not True or not candidate.hindrances for candidate in item.candidates)
            assert all(hindrance.node == candidate.node for candidate in item.candidates for hindrance in candidate.hindrances)


@pytest.mark.parametrize(
    ("name", "active", "able", "reasons"),
    [
        ("ok", ("n1",), ("n2", "n3"), []),
        ("crash3", ("n1",), ("n2",), ["node_stopped n3"]),
        ("noquorum", (), (), ["no_quorum n1", "node_unclean n2", "node_stopped n3"]),
    ],
)
@pytest.mark.parametrize("with_cib", [False, True])
def test_a_living_cluster_of_three_nodes(
    name: str, active: tuple[str, ...], able: tuple[str, ...], reasons: list[str], with_cib: bool
) -> None:
    """2.1.5: all is well; a node crashed and was fenced; another one crashed, which costs the quorum."""
    status = crm_mon.parse((LIVE / f"{name}.xml").read_bytes(), at=AT)
    if with_cib:
        status = replace(status, cib=cibadmin.read_cib((LIVE / f"{name}.cib").read_bytes()))
    found = find(status)
    assert [item.name for item in found.services] == ["grpPg", "msPrmStateful"]
    for item in found.services:
        assert (item.active_nodes, item.able_to_take_over, against(item)) == (active, able, reasons)


def test_the_patterns_that_can_be_configured_are_those_that_can_be_found() -> None:
    words = get_args(ClusterConfig.model_fields["pattern"].annotation)
    assert set(words) - {""} == {pattern.value for pattern in Pattern} - {Pattern.UNKNOWN.value}
    assert ClusterConfig(pattern="N+1").settings("pg").pattern == Pattern.N_PLUS_ONE
    assert ClusterConfig().settings("pg").pattern is None


def test_what_both_nodes_have_while_it_migrates_is_not_doubled() -> None:
    twice = (CRM_MON / "multiple_active.xml").read_bytes()
    migrates = twice.replace(b'blocked="true" managed="false"', b'blocked="false" managed="true" pending="Migrating"')
    assert migrates != twice
    assert [find(crm_mon.parse(data, at=AT)).services[0].multiple_active for data in (twice, migrates)] == [True, False]
