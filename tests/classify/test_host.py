"""What a host says of itself is the first cause of what it leads to, and nothing alone."""

import pytest

from hamon.classify.stories import MOST_ALIKE
from hamon.model.event import EventKind
from hamon.model.incident import IncidentKind
from tests.classify.cluster_log import Cluster, running

OOM = "pm01 kernel: Out of memory: Killed process 2811 (postgres) total-vm:1843212kB, anon-rss:902340kB"
NIC = "pm01 kernel: [ 9154.616958] e1000e 0000:00:19.0 eno1: NIC Link is Down"
FAILS = "10:00:30 pm01 controld: Result of monitor operation for prmPg on pm01: not running"


def causes(cluster: Cluster) -> list[tuple[IncidentKind, str]]:
    return [(incident.kind, str(incident.cause.kind) if incident.cause is not None else "") for incident in cluster.main]


@pytest.mark.parametrize("line", [OOM, NIC, "pm01 kernel: INFO: task jbd2/vdt-8:390 blocked for more than 120 seconds."])
def test_a_trouble_of_the_host_alone_opens_nothing(line: str) -> None:
    assert running().log(f"10:00:00 {line}").until("11:00:00").main == []


def test_a_process_that_was_killed_for_want_of_memory_is_the_cause_of_the_failure() -> None:
    cluster = running().log(f"10:00:05 {OOM}\n{FAILS}").until("10:01:00")
    assert causes(cluster) == [(IncidentKind.RESOURCE_FAILURE, "host_error")]
    (incident,) = cluster.main
    assert EventKind.HOST_ERROR in {entry.event for entry in incident.timeline}


def test_what_was_long_before_or_elsewhere_or_of_another_kind_is_no_cause() -> None:
    for line in (f"09:58:00 {OOM}", f"10:00:05 {OOM.replace('pm01', 'pm02')}", f"10:00:05 {NIC}"):
        assert causes(running().log(f"{line}\n{FAILS}").until("10:01:00")) == [(IncidentKind.RESOURCE_FAILURE, "resource_failure")]


def test_a_network_card_that_went_down_is_the_cause_of_the_link_and_of_the_node_that_is_lost() -> None:
    lost = running().log(f"10:00:00 {NIC}\n10:00:02 pm02 controld: Node pm01 state is now lost").until("10:01:00")
    assert causes(lost) == [(IncidentKind.NODE_LOST, "host_error")]


def test_a_file_system_that_became_read_only_is_told() -> None:
    cluster = running().log("10:00:00 pm01 kernel: EXT4-fs (dm-1): Remounting filesystem read-only").until("10:01:00")
    assert causes(cluster) == [(IncidentKind.DISK_DEGRADED, "disk_degraded")]


def test_a_disk_without_paths_is_told_until_one_is_back() -> None:
    cluster = running().log("10:00:00 pm01 multipathd: mpatha: remaining active paths: 0").until("10:01:00")
    assert causes(cluster) == [(IncidentKind.DISK_DEGRADED, "disk_degraded")]
    cluster.log("10:02:00 pm01 multipathd: mpatha: remaining active paths: 1").until("10:03:00")
    assert cluster.main[0].resolved_at is not None


def test_a_daemon_that_only_systemd_saw_dying_is_told() -> None:
    cluster = running().log("10:00:00 pm02 systemd: corosync.service: Main process exited, code=killed, status=9/KILL").until("10:01:00")
    assert [(incident.kind, incident.nodes, incident.resources) for incident in cluster.main] == [
        (IncidentKind.DAEMON_FAILED, ("pm02",), ("corosync",))
    ]


def test_a_disk_that_fails_without_end_fills_neither_memory_nor_timeline() -> None:
    errors = "\n".join(
        f"10:00:{number // 60:02} pm01 kernel: blk_update_request: I/O error, dev sdb, sector {number}" for number in range(300)
    )
    cluster = running().log(errors)
    assert len([entry for entry in cluster.engine.state.recent if entry.event is EventKind.HOST_ERROR]) == MOST_ALIKE
    cluster.log(FAILS + "\n" + errors.replace("10:00:0", "10:00:3")).until("10:01:00")
    (incident,) = cluster.main
    assert len([entry for entry in incident.timeline if entry.event is EventKind.HOST_ERROR]) <= 2 * MOST_ALIKE
    assert incident.cause is not None
    assert incident.cause.kind == "host_error"


@pytest.mark.parametrize(("unit", "kind"), [("prmpg", "host_error"), ("pg@main", "resource_failure"), ("logrotate", "resource_failure")])
def test_a_unit_of_systemd_that_ended_is_the_cause_where_its_name_is_that_of_the_resource(unit: str, kind: str) -> None:
    line = f"10:00:05 pm01 systemd: {unit}.service: Main process exited, code=killed, status=9/KILL"
    assert causes(running().log(f"{line}\n{FAILS}").until("10:01:00")) == [(IncidentKind.RESOURCE_FAILURE, kind)]
