"""Services, who could take them over, and the pattern of the cluster, as polls of a real cluster show them."""

from datetime import UTC, datetime

import pytest

from hamon.classify.services import NodeRole, Pattern, Service, ServiceKind, Services, find
from hamon.parse import crm_mon
from tests import snapshots

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
