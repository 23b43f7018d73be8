"""Snapshot to snapshot: events of the polls of a real cluster (Pacemaker 2.1.5)."""

from datetime import UTC, datetime, timedelta

import pytest

from hamon.classify.compare import Watch
from hamon.classify.settings import ClusterSettings
from hamon.model.cluster import ClusterStatus, NodeStatus
from hamon.model.event import Event, EventKind
from hamon.model.observation import Snapshot, Source
from tests.snapshots import NAMES, snapshots


def told(recording: str) -> list[Event]:
    watch = Watch(ClusterSettings(name="c"))
    return [event for snapshot in snapshots(recording) for event in watch.see(snapshot)]


def kinds(events: list[Event], *wanted: EventKind) -> list[tuple[str, str | None, str | None]]:
    return [(event.kind.value, event.node, event.resource) for event in events if event.kind in wanted]


def test_the_polls_of_a_failover_tell_what_failed_and_what_moved() -> None:
    events = told("failover_resource")
    assert kinds(events, EventKind.OPERATION_FAILED, EventKind.THRESHOLD_REACHED) == [
        ("operation_failed", "pm01", "prmPg"),
        ("threshold_reached", "pm01", "prmPg"),
    ]
    moved = ["prmEx", "prmFs", "prmIp", "prmPg"]
    assert kinds(events, EventKind.RESOURCE_STOPPED) == [("resource_stopped", "pm01", name) for name in moved]
    assert kinds(events, EventKind.RESOURCE_STARTED) == [("resource_started", "pm02", name) for name in moved]


def test_the_polls_of_a_crash_tell_the_loss_before_the_fencing_and_nothing_stopped() -> None:
    events = told("standby_crash")
    assert kinds(events, *EventKind) == [("node_lost", "pm02", None), ("fencing_done", "pm02", None)]


@pytest.mark.parametrize("recording", ["quiet", "ring_cut"])
def test_nothing_that_crm_mon_shows_is_nothing_told(recording: str) -> None:
    assert told(recording) == []


@pytest.mark.parametrize("recording", NAMES)
def test_every_event_lies_between_the_two_polls_that_differ(recording: str) -> None:
    watch = Watch(ClusterSettings(name="c"))
    last: datetime | None = None
    for snapshot in snapshots(recording):
        for event in watch.see(snapshot):
            assert event.source is Source.POLL
            assert event.raw
            assert event.rule
            assert last is not None
            after = datetime.fromisoformat(str(event.detail["after"]))
            assert after - timedelta(milliseconds=1) <= event.at <= snapshot.status.at
        last = snapshot.status.at


@pytest.mark.parametrize("recording", NAMES)
def test_a_repeated_poll_changes_nothing(recording: str) -> None:
    watch, again = Watch(ClusterSettings(name="c")), Watch(ClusterSettings(name="c"))
    for snapshot in snapshots(recording):
        first = watch.see(snapshot)
        assert again.see(snapshot) == first
        assert again.see(snapshot) == []


def test_a_watch_goes_on_from_the_last_status_of_an_earlier_run() -> None:
    seen: list[Snapshot] = list(snapshots("failover_resource"))
    whole = told("failover_resource")
    first = Watch(ClusterSettings(name="c"))
    half = len(seen) // 2 - 2
    events = [event for snapshot in seen[:half] for event in first.see(snapshot)]
    second = Watch(ClusterSettings(name="c"), first.known)
    events += [event for snapshot in seen[half:] for event in second.see(snapshot)]
    assert [(event.kind, event.node, event.resource) for event in events] == [(event.kind, event.node, event.resource) for event in whole]


def asked(node: str, seconds: float, *online: str, dc: str, beside: bool = False) -> Snapshot:
    at = datetime(2026, 11, 25, 17, tzinfo=UTC) + timedelta(seconds=seconds)
    nodes = tuple(NodeStatus(name=name, id=str(number), online=name in online) for number, name in enumerate(("pm01", "pm02"), 1))
    status = ClusterStatus(at=at, reporter=node, dc=dc, has_quorum=True, nodes=nodes)
    return Snapshot(cluster="c", collector="state", status=status, digest="", received_at=at, path=node, beside=beside)


def test_a_node_that_called_the_other_lost_contradicts_no_more_when_that_one_sees_both() -> None:
    """It is asked only while there is doubt: its last two answers may be far apart, and the last of them old."""
    watch = Watch(ClusterSettings(name="c"))
    for snapshot in (
        asked("pm02", -600, "pm01", "pm02", dc="pm01", beside=True),
        asked("pm01", 0, "pm01", "pm02", dc="pm01"),
        asked("pm01", 10, "pm01", dc="pm01"),
        asked("pm02", 10.1, "pm02", dc="pm02", beside=True),
        asked("pm01", 12, "pm01", dc="pm01"),
    ):
        watch.see(snapshot)
    assert watch.accepted is None  # of two that call each other lost either may be the one that goes on
    watch.see(asked("pm01", 20, "pm01", "pm02", dc="pm01"))
    assert watch.accepted is not None
