"""Records to store: plain ones for tables of cases, and hypothesis strategies for laws."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import strategies as st

from hamon.model.delivery import Delivery, DeliveryState
from hamon.model.event import Event, EventKind
from hamon.model.incident import (
    Cause,
    Incident,
    IncidentKind,
    IncidentState,
    Notice,
    Outcome,
    OwnWords,
    Severity,
    TimelineEntry,
    Transition,
    TransitionKind,
)
from hamon.model.observation import ReadPosition, Source

START = datetime(2026, 1, 1, tzinfo=UTC)


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def event(number: int = 0, **changes: Any) -> Event:
    plain = Event(
        at=at(number),
        received_at=at(number + 1),
        cluster="pm01",
        kind=EventKind.OPERATION_FAILED,
        rule="resource-monitor-not-running",
        source=Source.LOG,
        collector="pm01_log",
        node="node1",
        resource="prmPgsql",
        reporter="node1",
        detail={"operation": "monitor", "rc": 7},
        raw=f"Jan  1 00:00:00 node1 pacemaker-controld[{number}]: notice: Result of monitor operation for prmPgsql on node1: not running",
        ref=f"/var/log/ha-log@{number}",
    )
    return replace(plain, **changes)


def entry(number: int) -> TimelineEntry:
    return TimelineEntry(
        at=at(number),
        node="node1",
        resource="prmPgsql",
        source=Source.LOG,
        event=EventKind.OPERATION_FAILED,
        detail={"rc": number},
        raw=f"line {number}",
        reported_by=("node1", "node2"),
    )


def incident(key: str = "failover:1", **changes: Any) -> Incident:
    plain = Incident(
        key=key,
        cluster="pm01",
        kind=IncidentKind.FAILOVER,
        severity=Severity.CRITICAL,
        state=IncidentState.OPEN,
        services=("db",),
        from_node="node1",
        to_node="node2",
        detected_at=at(0),
        cause=Cause(kind="operation_failed", node="node1", resource="prmPgsql", at=at(0), text="not running"),
    )
    return replace(plain, **changes)


def step(sequence: int = 1, of: Incident | None = None, **changes: Any) -> Transition:
    """A step whose incident has a timeline of as many entries."""
    plain = Transition(
        at=at(sequence),
        kind=TransitionKind.OPENED if sequence == 1 else TransitionKind.UPDATED,
        incident=replace(of or incident(), timeline=tuple(entry(number) for number in range(sequence))),
        sequence=sequence,
        reason="evidence",
        notice=Notice.OPENING if sequence == 1 else None,
    )
    return replace(plain, **changes)


def closing(sequence: int = 2, of: Incident | None = None, **changes: Any) -> Transition:
    """The step that resolves it."""
    resolved = replace(of or incident(), state=IncidentState.RESOLVED, resolved_at=at(sequence), outcome=Outcome.SUCCEEDED)
    return step(sequence, resolved, kind=TransitionKind.RESOLVED, notice=Notice.CLOSING, **changes)


def delivery(transition: Transition, target: str = "mail", **changes: Any) -> Delivery:
    incident = transition.incident
    plain = Delivery(
        id=f"{incident.cluster}/{incident.key}/{transition.sequence}/{target}",
        target=target,
        transition=transition,
        created_at=transition.at,
    )
    return replace(plain, **changes)


def position(inode: int = 1, **changes: Any) -> ReadPosition:
    plain = ReadPosition(
        collector="pm01_log", path="/var/log/ha-log", device=1, inode=inode, offset=10, fingerprint="00ff", fingerprint_size=256
    )
    return replace(plain, **changes)


# --- Strategies: everything that the types allow ----------------------------------------------------------------------

# All of Unicode, lone surrogates and NUL included, and what a database is most likely to stumble over.
texts = st.text(st.characters(), max_size=40) | st.sampled_from(
    [
        "",
        "\0",
        "\x1a",
        "\x1a0000",
        "a\0b",
        "\ud83d\ude00",
        "\udcff",
        "フェイルオーバー",
        "' OR 1=1 --",
        "%_\\",
        "x" * 5000,
        "日" * 3000,
        "\0" * 300,
    ]
)
maybe_texts = st.none() | texts
names = st.text(st.characters(), min_size=1, max_size=20)
times = st.datetimes(timezones=st.just(UTC))
counts = st.integers(min_value=0, max_value=2**63 - 1)
numbers64 = st.integers(min_value=0, max_value=2**64 - 1)
details = st.dictionaries(texts, st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | texts, max_size=4)
maybe_flags = st.none() | st.booleans()
many_texts = st.lists(texts, max_size=3).map(tuple)

events = st.builds(
    Event,
    at=times,
    received_at=times,
    cluster=names,
    kind=st.sampled_from(EventKind),
    rule=texts,
    source=st.sampled_from(Source),
    collector=names,
    node=maybe_texts,
    resource=maybe_texts,
    reporter=maybe_texts,
    detail=details,
    raw=texts,
    ref=texts,
    witness=st.booleans(),
)
entries = st.builds(
    TimelineEntry,
    at=times,
    node=maybe_texts,
    resource=maybe_texts,
    source=st.sampled_from(Source),
    event=st.sampled_from(EventKind),
    detail=details,
    raw=texts,
    reported_by=many_texts,
)
causes = st.builds(Cause, kind=texts, node=maybe_texts, resource=maybe_texts, at=st.none() | times, text=texts, entry=st.none() | entries)
maybe_times = st.none() | times


def incidents(cluster: str, key: str) -> st.SearchStrategy[Incident]:
    return st.builds(
        Incident,
        key=st.just(key),
        cluster=st.just(cluster),
        kind=st.sampled_from(IncidentKind),
        severity=st.sampled_from(Severity),
        state=st.sampled_from(IncidentState),
        planned=maybe_flags,
        outcome=st.sampled_from(Outcome),
        part_of=maybe_texts,
        services=many_texts,
        nodes=many_texts,
        resources=many_texts,
        from_node=maybe_texts,
        to_node=maybe_texts,
        fenced=many_texts,
        started_at=maybe_times,
        detected_at=times,
        service_restored_at=maybe_times,
        redundancy_restored_at=maybe_times,
        resolved_at=maybe_times,
        service_down_seconds=st.none() | st.floats(allow_nan=False),
        redundancy=maybe_flags,
        reasons=many_texts,
        cause=st.none() | causes,
        sources=st.lists(st.sampled_from(Source), max_size=2).map(tuple),
        timeline=st.just(()),
        told=st.booleans(),
        name=texts,
        words=st.dictionaries(st.sampled_from(("en", "ja")), st.builds(OwnWords, title=texts, text=texts, steps=many_texts)),
    )


@st.composite
def histories(draw: st.DrawFn) -> list[Transition]:
    """The steps of one incident; each timeline shares a beginning, often all, with the one before."""
    cluster, key = draw(names), draw(texts)
    steps: list[Transition] = []
    timeline: tuple[TimelineEntry, ...] = ()
    for sequence in range(1, draw(st.integers(min_value=1, max_value=5)) + 1):
        kept = draw(st.integers(min_value=0, max_value=len(timeline)) | st.just(len(timeline)))
        timeline = timeline[:kept] + tuple(draw(st.lists(entries, max_size=3)))
        story = replace(draw(incidents(cluster, key)), timeline=timeline)
        steps.append(
            Transition(
                at=draw(times),
                kind=draw(st.sampled_from(TransitionKind)),
                incident=story,
                sequence=sequence,
                reason=draw(texts),
                notice=draw(st.none() | st.sampled_from(Notice)),
            )
        )
    return steps


def deliveries(transition: Transition) -> st.SearchStrategy[Delivery]:
    return st.builds(
        Delivery,
        id=texts,
        target=names,
        transition=st.just(transition),
        created_at=times,
        state=st.sampled_from(DeliveryState),
        attempts=counts,
        next_attempt_at=maybe_times,
        sent_at=maybe_times,
        repeated=st.booleans(),
        error=texts,
    )


positions = st.builds(
    ReadPosition,
    collector=names,
    path=texts,
    device=numbers64,
    inode=numbers64,
    offset=counts,
    fingerprint=st.text("0123456789abcdef", max_size=64),
    fingerprint_size=st.integers(min_value=0, max_value=256),
)
