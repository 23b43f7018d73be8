"""Replicas of DRBD by the kernel's lines: who is behind, and until when."""

from hamon.model.event import EventKind
from hamon.model.incident import IncidentKind, IncidentState, Severity
from hamon.tell import cause_text
from tests.classify.cluster_log import Cluster, running

CUT_8 = "10:00:00 pm01 kernel: drbd r0: peer( Secondary -> Unknown ) conn( Connected -> NetworkFailure ) pdsk( UpToDate -> DUnknown )"
CUT_9 = "10:00:00 pm01 kernel: [57154.616958] drbd r0 pm02: conn( Connected -> BrokenPipe ) peer( Secondary -> Unknown )"
CUT_IN_FULL = "10:00:00 pm01 kernel: drbd r0 pm02.example.com: conn( Connected -> Timeout ) peer( Secondary -> Unknown )"
CUT_THERE = "10:00:01 pm02 kernel: [ 9154.616958] drbd r0 pm01: conn( Connected -> NetworkFailure ) peer( Primary -> Unknown )"
BACK = "10:05:00 pm01 kernel: drbd r0/0 drbd0 pm02: pdsk( Inconsistent -> UpToDate ) repl( SyncSource -> Established )"


def behind(cluster: Cluster) -> list[tuple[IncidentKind, tuple[str, ...], IncidentState]]:
    return [(incident.kind, incident.nodes, incident.state) for incident in cluster.main]


def test_the_replica_of_the_standby_that_broke_off_is_a_standby_fault_until_it_caught_up() -> None:
    for cut in (CUT_8, CUT_9, CUT_IN_FULL, CUT_THERE):
        cluster = running().log(cut).until("10:01:00")
        assert behind(cluster) == [(IncidentKind.STANDBY_FAULT, ("pm02",), IncidentState.OPEN)], cut
        assert cluster.parts_of(cluster.main[0]) == ["replication_degraded"]
        assert "attribute pm02 drbd r0" in cluster.main[0].reasons
        cluster.log(BACK).until("10:06:00")
        assert behind(cluster) == [(IncidentKind.STANDBY_FAULT, ("pm02",), IncidentState.RESOLVED)], cut


def test_both_ends_of_a_broken_replica_tell_of_one_fault() -> None:
    cluster = running().log(CUT_8 + "\n" + CUT_THERE).until("10:01:00")
    assert behind(cluster) == [(IncidentKind.STANDBY_FAULT, ("pm02",), IncidentState.OPEN)]
    assert cluster.parts_of(cluster.main[0]) == ["replication_degraded"]


def test_a_replica_that_outlives_its_primary_is_not_behind() -> None:
    cluster = running().log(CUT_THERE + "\n10:00:03 pm02 controld: Node pm01 state is now lost").until("10:01:00")
    assert all("pm02" not in incident.nodes for incident in cluster.main if incident.state is IncidentState.OPEN)
    late = running().log("09:59:58 pm02 controld: Node pm01 state is now lost\n" + CUT_THERE).until("10:01:00")
    assert all("drbd" not in " ".join(incident.reasons) or "pm01" in " ".join(incident.reasons) for incident in late.main)


def test_a_replica_that_an_orderly_stop_breaks_off_is_no_fault() -> None:
    cluster = running().log("09:59:50 pm02 attrd: Setting shutdown[pm02]: (unset) -> 1795344755\n" + CUT_8).until("10:01:00")
    assert [incident.kind for incident in cluster.main if not incident.planned] == []


def test_a_split_brain_is_critical_and_blames_the_side_without_the_service() -> None:
    for line in (
        "10:00:00 pm01 kernel: block drbd0: Split-Brain detected, dropping connection!",
        "10:00:00 pm02 kernel: drbd r0/0 drbd0 pm01: Split-Brain detected but unresolved, dropping connection!",
    ):
        cluster = running().log(line).until("10:01:00")
        (part,) = [incident for incident in cluster.incidents if incident.kind is IncidentKind.REPLICATION_DEGRADED]
        assert (part.nodes, part.severity) == (("pm02",), Severity.CRITICAL)
        assert [(incident.kind, incident.severity) for incident in cluster.main] == [(IncidentKind.STANDBY_FAULT, Severity.CRITICAL)]
        assert "split brain" in cause_text(cluster.main[0], "en")


def test_a_failed_disk_under_a_replica_is_told_until_it_is_good_again() -> None:
    cluster = running().log("10:00:00 pm01 kernel: block drbd0: disk( UpToDate -> Failed )").until("10:01:00")
    assert [(incident.kind, incident.nodes) for incident in cluster.main] == [(IncidentKind.DISK_DEGRADED, ("pm01",))]
    cluster.log("10:10:00 pm01 kernel: block drbd0: disk( Inconsistent -> UpToDate )").until("10:11:00")
    assert [incident.state for incident in cluster.main] == [IncidentState.RESOLVED]


def test_a_replica_that_is_told_to_be_up_to_date_while_nothing_was_wrong_opens_nothing() -> None:
    cluster = running().log("10:00:00 pm02 kernel: block drbd0: disk( Negotiating -> UpToDate )").until("10:01:00")
    assert cluster.main == []
    assert [event.kind for event in cluster.events[-1:]] == [EventKind.REPLICA_BACK]


def test_replicas_that_find_each_other_in_step_are_both_up_to_date() -> None:
    cluster = running().log(CUT_THERE).until("10:04:00")
    assert behind(cluster) == [(IncidentKind.STANDBY_FAULT, ("pm02",), IncidentState.OPEN)]
    cluster.log("10:05:00 pm02 kernel: drbd r0/0 drbd0 pm01: pdsk( DUnknown -> UpToDate ) repl( Off -> Established )").until("10:06:00")
    assert behind(cluster) == [(IncidentKind.STANDBY_FAULT, ("pm02",), IncidentState.RESOLVED)]
