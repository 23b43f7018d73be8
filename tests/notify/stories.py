"""Transitions and notifications for the tests of this folder and of the routes and the delivery loop."""

from dataclasses import replace
from datetime import UTC, datetime

from hamon.model.delivery import Delivery, Notification
from hamon.model.event import EventKind
from hamon.model.incident import Cause, Incident, IncidentKind, IncidentState, Notice, Severity, TimelineEntry, Transition, TransitionKind
from hamon.model.observation import Source

AT = datetime(2026, 1, 1, 12, 0, tzinfo=UTC)

INCIDENT = Incident(
    key="failover/grpPg",
    cluster="web",
    kind=IncidentKind.FAILOVER,
    severity=Severity.MAJOR,
    state=IncidentState.OPEN,
    planned=False,
    services=("grpPg",),
    nodes=("node1", "node2"),
    from_node="node1",
    to_node="node2",
    started_at=AT,
    detected_at=AT,
    cause=Cause(kind="operation_failed", node="node1", resource="pgsql", at=AT, text="not running"),
    sources=(Source.LOG,),
    timeline=(
        TimelineEntry(
            at=AT,
            node="node1",
            resource="pgsql",
            source=Source.LOG,
            event=EventKind.OPERATION_FAILED,
            detail={"rc": 7, "operation": "monitor"},
            raw="Result of monitor operation for pgsql on node1: not running",
        ),
    ),
)


def step(
    incident: Incident = INCIDENT, sequence: int = 1, notice: Notice | None = Notice.OPENING, kind: TransitionKind | None = None
) -> Transition:
    kinds = {Notice.OPENING: TransitionKind.OPENED, Notice.CLOSING: TransitionKind.RESOLVED}
    chosen = kind or (kinds.get(notice, TransitionKind.UPDATED) if notice else TransitionKind.UPDATED)
    return Transition(at=AT, kind=chosen, incident=incident, sequence=sequence, reason="test", notice=notice)


def notification(
    number: int = 1,
    *,
    subject: str = "[web] grpPg フェイルオーバ node1 → node2",
    text: str = "原因: pgsql on node1\nFrom here on.\n.\n",
    repeated: bool = False,
    notice: Notice = Notice.OPENING,
    incident: Incident = INCIDENT,
) -> Notification:
    return Notification(
        id=f"{incident.cluster}/{incident.key}/{number}/ops",
        transition=step(incident, number, notice),
        language="ja",
        subject=subject,
        text=text,
        repeated=repeated,
    )


def delivery(key: str = "failover/grpPg", target: str = "ops", sequence: int = 1) -> Delivery:
    incident = replace(INCIDENT, key=key)
    return Delivery(id=f"{incident.cluster}/{key}/{sequence}/{target}", target=target, transition=step(incident, sequence), created_at=AT)
