"""Snapshot to snapshot: events of the polls of a real cluster (Pacemaker 2.1.5)."""

from datetime import datetime, timedelta

import pytest

from hamon.classify.compare import Watch
from hamon.classify.settings import ClusterSettings
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
