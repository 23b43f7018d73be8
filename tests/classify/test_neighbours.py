"""What the neighbours of the cluster software tell: SBD, the quorum device, booth, and the CIB of old releases."""

import pytest

from hamon.model.incident import IncidentKind, IncidentState, Severity
from tests.classify.cluster_log import Cluster, at, moved, running


def main(cluster: Cluster) -> list[tuple[IncidentKind, tuple[str, ...], IncidentState]]:
    return [(incident.kind, incident.nodes, incident.state) for incident in cluster.main]


# -- SBD


def test_a_disk_of_sbd_that_is_gone_is_told_until_it_is_back() -> None:
    cluster = running().log("10:00:00 pm02 sbd: inquisitor_child: Servant /dev/sdc is outdated (age: 6)").until("10:01:00")
    assert [incident.state for incident in cluster.main] == [IncidentState.OPEN]
    cluster.log("10:03:00 pm02 sbd: inquisitor_child: Servant /dev/sdc is healthy (age: 0)").until("10:04:00")
    assert [incident.state for incident in cluster.main] == [IncidentState.RESOLVED]


def test_a_node_whose_watchdog_was_about_to_expire_was_lost_for_that() -> None:
    cluster = (
        running()
        .log("""
        10:00:00 pm01 sbd: inquisitor_child: Latency: No liveness for 4s exceeds watchdog warning timeout of 3s (healthy servants: 0)
        10:00:04 pm02 controld: Node pm01 state is now lost
        """)
        .until("10:01:00")
    )
    assert [str(incident.cause.kind) for incident in cluster.main if incident.cause] == ["host_error"]


def test_sbd_that_refuses_to_start_is_told_and_a_busy_watchdog_is_not() -> None:
    refused = "10:00:00 pm02 sbd: /dev/vdb:  warning: servant_md: Found fencing message - aborting start-up. Manual intervention required!"
    cluster = running().log(refused).until("10:01:00")
    assert [(incident.kind, incident.resources, incident.severity) for incident in cluster.main] == [
        (IncidentKind.DAEMON_FAILED, ("sbd",), Severity.MAJOR)
    ]


def test_a_node_that_sbd_was_told_to_reset_is_fenced() -> None:
    cluster = running().log("10:00:00 pm02 sbd: /dev/vdb:   notice: servant_md: Received command reset from pm01 on disk /dev/vdb")
    assert [(incident.kind, incident.nodes) for incident in cluster.incidents] == [(IncidentKind.FENCING, ("pm02",))]


# -- the quorum device

SILENT = "Server didn't send echo reply message on time"


def test_a_quorum_device_that_does_not_answer_is_told_as_long_as_it_is_tried_in_vain() -> None:
    cluster = running().log(f"10:00:00 pm01 qdevice: {SILENT}").until("10:01:00")
    assert main(cluster) == [(IncidentKind.INTERCONNECT_DEGRADED, ("pm01",), IncidentState.OPEN)]
    cluster.log("10:08:00 pm01 qdevice: Connect timeout").until("10:15:00")
    assert main(cluster) == [(IncidentKind.INTERCONNECT_DEGRADED, ("pm01",), IncidentState.OPEN)]
    cluster.until("10:20:00")
    assert main(cluster) == [(IncidentKind.INTERCONNECT_DEGRADED, ("pm01",), IncidentState.RESOLVED)]


def test_what_corosync_and_its_quorum_device_tell_of_one_loss_is_one_incident() -> None:
    lines = f"10:00:00 pm01 qdevice: {SILENT}\n10:00:03 pm01 corosync: lost contact with quorum device Qdevice"
    assert len(running().log(lines).until("10:01:00").main) == 1


# -- tickets

STOPS = """
10:00:02 pm01 schedulerd: Actions: Stop       prmEx             (                pm01 )
10:00:02 pm01 schedulerd: Actions: Stop       prmPg             (                pm01 )
10:00:02 pm01 schedulerd: Calculated transition 9, saving inputs in /var/lib/pacemaker/pengine/pe-input-9.bz2
10:00:02 pm01 controld: State transition S_POLICY_ENGINE -> S_TRANSITION_ENGINE
10:00:03 pm01 controld: Result of stop operation for prmPg on pm01: ok
10:00:04 pm01 controld: Result of stop operation for prmEx on pm01: ok
10:00:04 pm01 controld: Transition 9 (Complete=6, Pending=0, Fired=0, Skipped=0, Incomplete=0, Source=x): Complete
10:00:04 pm01 controld: State transition S_TRANSITION_ENGINE -> S_IDLE
"""


@pytest.mark.parametrize(
    "line",
    [
        "10:00:00 pm01 booth: ticketA (Lead/3/512000): revoking ticket",
        "10:00:00 pm01 based: +  /cib/status/tickets/ticket_state[@id='ticketA']:  @granted=false",
    ],
)
def test_a_service_that_stops_because_its_ticket_was_revoked_stops_as_planned(line: str) -> None:
    cluster = running().log(line + STOPS).until("10:03:00")
    assert [incident.planned for incident in cluster.incidents if incident.kind is IncidentKind.SERVICE_DOWN] == [True]


def test_a_service_that_stops_because_the_site_lost_its_ticket_is_down_for_that() -> None:
    cluster = running().log("10:00:00 pm01 booth: ticketA (Lead/3/0): lost majority (revoking locally)" + STOPS).until("10:03:00")
    (down,) = cluster.main
    assert (down.kind, down.planned) == (IncidentKind.SERVICE_DOWN, None)
    assert down.cause is not None
    assert (down.cause.kind, down.cause.at) == ("ticket_changed", at("10:00:00"))


def test_a_ticket_that_comes_and_goes_without_a_service_is_no_incident() -> None:
    cluster = running().log(
        """
        10:00:00 pm01 booth: ticketA (Lead/3/600000): granted successfully here
        10:20:00 pm01 booth: ticketA (Lead/3/0): lost majority (revoking locally)
        """
    )
    assert cluster.until("10:30:00").main == []


# -- the CIB up to 1.1.11


def test_standby_that_only_the_cib_of_an_old_release_tells_makes_the_move_planned() -> None:
    plan = """
    10:00:01 pm01 schedulerd: Actions: Move       prmEx             (                pm01 -> pm02 )
    10:00:01 pm01 schedulerd: Actions: Move       prmPg             (                pm01 -> pm02 )
    10:00:01 pm01 schedulerd: Calculated transition 9, saving inputs in /var/lib/pacemaker/pengine/pe-input-9.bz2
    10:00:01 pm01 controld: State transition S_POLICY_ENGINE -> S_TRANSITION_ENGINE
    """
    marked = '10:00:00 pm01 based: cib:diff: ++         <nvpair value="on" id="nodes-pm01-standby"/>'
    cluster = running().log(marked + plan + moved("pm01", "pm02", "10:00:04")).until("10:02:00")
    assert [(incident.kind, incident.planned) for incident in cluster.incidents if incident.part_of is None][:1] == [
        (IncidentKind.SWITCHOVER, True)
    ]


# -- a resource on two nodes

TWICE = "10:00:00 pm01 schedulerd: Resource prmPg (ocf::heartbeat:pgsql) is active on 2 nodes attempting recovery"


def test_a_resource_that_the_scheduler_finds_on_two_nodes_is_a_suspected_split_brain_until_it_is_started_on_one() -> None:
    cluster = running().log(TWICE).until("10:00:30")
    (incident,) = cluster.main
    assert (incident.kind, incident.severity, incident.resources) == (IncidentKind.SPLIT_BRAIN_SUSPECTED, Severity.CRITICAL, ("prmPg",))
    assert incident.nodes == ("pm01", "pm02")
    cluster.log(TWICE.replace("10:00:00", "10:00:31"))
    assert len(cluster.main) == 1
    cluster.log("10:00:40 pm01 controld: Result of start operation for prmPg on pm01: ok")
    assert [item.state for item in cluster.main if item.kind is IncidentKind.SPLIT_BRAIN_SUSPECTED] == [IncidentState.RESOLVED]


def test_a_split_brain_is_over_when_the_plan_that_leaves_it_on_one_node_was_carried_out() -> None:
    plan = """
        10:00:00 pm01 schedulerd: Actions: Recover    prmPg            (                   pm02 )
        10:00:00 pm01 schedulerd: Calculated transition 7, saving inputs in /var/lib/pacemaker/pengine/pe-error-1.bz2
        10:00:01 pm01 controld: Initiating start operation prmPg_start_0 on pm02
        10:00:25 pm01 controld: Transition 7 (Complete={done}, Pending=0, Fired=0, Skipped={skipped}, Incomplete={skipped}, \
Source=/var/lib/pacemaker/pengine/pe-error-1.bz2): {end}
    """
    given = {
        IncidentState.RESOLVED: {"done": 6, "skipped": 0, "end": "Complete"},
        IncidentState.OPEN: {"done": 4, "skipped": 1, "end": "Stopped"},
    }
    for state, how in given.items():
        cluster = running().log(TWICE + plan.replace("\\\n", "").format(**how)).until("10:00:50")
        assert [item.state for item in cluster.main if item.kind is IncidentKind.SPLIT_BRAIN_SUSPECTED] == [state]


def test_a_clone_on_two_nodes_is_what_it_should_be() -> None:
    assert running().log(TWICE.replace("prmPg", "prmPing")).until("10:01:00").main == []
