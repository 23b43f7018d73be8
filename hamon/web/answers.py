"""The answers of the JSON API: their form, and how records become one."""

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from hamon import tell
from hamon.expose.verdict import Level, Verdict, service_text
from hamon.model.cluster import ClusterStatus, NodeState
from hamon.model.delivery import DeliveryState
from hamon.model.event import EventKind
from hamon.model.incident import (
    Incident,
    IncidentKind,
    IncidentState,
    Judgement,
    Notice,
    Outcome,
    Severity,
    TimelineEntry,
    TransitionKind,
)
from hamon.model.observation import Polled, Source
from hamon.ports import StoredEvent
from hamon.web.timeline import Row, Whole

Scalar = str | int | float | bool | None


class Answer(BaseModel):
    model_config = ConfigDict(from_attributes=True, frozen=True)


class Problem(BaseModel):
    """What went wrong, after RFC 9457."""

    type: str = "about:blank"
    title: str
    status: int
    detail: str
    errors: list[dict[str, Any]] | None = Field(default=None, description="Which parameters are wrong, and how.")


class NodeAnswer(Answer):
    name: str
    state: NodeState
    is_dc: bool | None
    since: datetime | None
    clock_ahead_seconds: float = Field(description="How far its clock is ahead of ours; negative: behind; 0: not known to be wrong.")


class ServiceAnswer(Answer):
    name: str
    resources: tuple[str, ...]
    active_node: str | None
    up: bool | None
    able_to_take_over: tuple[str, ...] | None
    since: datetime | None
    held: bool


class ClusterAnswer(Answer):
    name: str
    title: str
    nodes: tuple[NodeAnswer, ...]
    services: tuple[ServiceAnswer, ...]
    dc: str | None
    has_quorum: bool | None
    maintenance: bool
    last_event_at: datetime | None


class ClustersAnswer(Answer):
    at: datetime
    clusters: list[ClusterAnswer]


class StateAnswer(Answer):
    """The state of a cluster as polling showed it. Where `known` is false, `status` is the past: the last answer before."""

    cluster: str
    at: datetime = Field(description="The time that was asked for.")
    known: bool
    unknown_since: datetime | None
    reason: str = Field(description="Why it is not known.")
    since: datetime | None = Field(description="When this state was first seen.")
    seen_at: datetime | None = Field(description="The last answer that showed it.")
    age_seconds: float | None = Field(description="From the last answer to the time that was asked for.")
    node: str | None = Field(description="Which command of the configuration answered, named like its node.")
    status: ClusterStatus | None


def state_answer(polled: Polled, at: datetime) -> StateAnswer:
    snapshot = polled.snapshot
    return StateAnswer(
        cluster=polled.cluster,
        at=at,
        known=polled.unknown_since is None and snapshot is not None,
        unknown_since=polled.unknown_since,
        reason=polled.reason,
        since=polled.since,
        seen_at=snapshot.received_at if snapshot is not None else None,
        age_seconds=max(0.0, (at - snapshot.received_at).total_seconds()) if snapshot is not None else None,
        node=(snapshot.path or snapshot.status.reporter) if snapshot is not None else None,
        status=snapshot.status if snapshot is not None else None,
    )


class SourceAnswer(Answer):
    collector: str
    kind: str
    cluster: str
    path: str
    up: bool
    reason: str
    since: datetime | None
    last_data_at: datetime | None
    bytes_read: int
    lines_read: int
    lag_bytes: int


class SourcesAnswer(Answer):
    at: datetime
    sources: list[SourceAnswer]


class FindingAnswer(Answer):
    level: Level
    kind: str
    text: str


class NumberAnswer(Answer):
    name: str
    value: float | None = Field(description="null: not known.")
    unit: str
    maximum: float | None


class CheckedServiceAnswer(Answer):
    name: str
    up: bool | None
    active: tuple[str, ...]
    able: tuple[str, ...] | None = Field(description="Nodes that could take it over now; null: not known.")
    text: str


class CheckAnswer(Answer):
    """Whether a cluster is well; `code` is the exit status of a monitoring plug-in, `line` its output."""

    cluster: str
    level: Level
    code: int
    summary: str
    line: str
    findings: list[FindingAnswer]
    numbers: list[NumberAnswer]
    nodes: dict[str, NodeState]
    services: list[CheckedServiceAnswer]
    answered_at: datetime | None


class ChecksAnswer(Answer):
    at: datetime
    checks: list[CheckAnswer]


class CauseAnswer(Answer):
    kind: str
    node: str | None
    resource: str | None
    at: datetime | None
    text: str


class EntryAnswer(Answer):
    at: datetime
    node: str | None
    resource: str | None
    source: Source
    event: EventKind
    detail: dict[str, Scalar]
    text: str
    raw: str
    reported_by: tuple[str, ...]


class EvidenceAnswer(Answer):
    """Why the incident is held to be what it is."""

    verdict: Judgement
    text: str
    by: list[EntryAnswer] = Field(description="The events that decided it; empty: nothing spoke for another verdict.")
    polled_at: datetime | None = Field(description="The poll that showed it, where no event told it.")


class IncidentAnswer(Answer):
    key: str
    cluster: str
    headline: str
    kind: IncidentKind
    name: str
    severity: Severity
    state: IncidentState
    planned: bool | None
    outcome: Outcome
    part_of: str | None
    services: tuple[str, ...]
    nodes: tuple[str, ...]
    resources: tuple[str, ...]
    from_node: str | None
    to_node: str | None
    fenced: tuple[str, ...]
    started_at: datetime | None
    detected_at: datetime
    service_restored_at: datetime | None
    redundancy_restored_at: datetime | None
    resolved_at: datetime | None
    service_down_seconds: float | None
    redundancy: bool | None
    reasons: tuple[str, ...]
    flaps: int = Field(description="How often it happened, of one that stands for many of its key; else 0.")
    debt_since: datetime | None = Field(
        description="Since when a service is recovered and not protected, or planned work keeps redundancy off; null: nothing is owed."
    )
    cause: CauseAnswer | None
    sources: tuple[Source, ...]


class WitnessAnswer(Answer):
    source: Source
    nodes: tuple[str, ...] = Field(description="The nodes whose logs or traps said it, as far as they are known.")


class RowAnswer(EntryAnswer):
    """An entry of the timeline, with the silence before it and who told it."""

    told_by: list[WitnessAnswer]
    gap_seconds: float = Field(description="The silence before it, where it is worth telling; else 0.")
    gap: str = Field(description="Why nothing was seen for so long, as far as the evidence tells.")


class PhaseAnswer(Answer):
    name: Literal["noticing", "fencing", "fencing_failed", "stopping", "starting"]
    seconds: float


class DowntimeAnswer(Answer):
    """The interruption of the service, and what it was spent on; the phases together are the whole of it."""

    begin: datetime
    end: datetime
    seconds: float
    shortest_seconds: float | None = Field(description="At least; less than `seconds` where only polls saw it.")
    longest_seconds: float | None = Field(description="At most.")
    phases: list[PhaseAnswer]


class TransitionAnswer(Answer):
    at: datetime
    sequence: int
    kind: TransitionKind
    reason: str
    notice: Notice | None


class DeliveryAnswer(Answer):
    id: str
    target: str
    notice: Notice | None
    state: DeliveryState
    attempts: int
    created_at: datetime
    sent_at: datetime | None
    next_attempt_at: datetime | None
    repeated: bool
    error: str


class StepAnswer(Answer):
    text: str = Field(description="Commands stand in backticks.")
    done: bool | None = Field(description="What the state of the cluster tells; null: only people can know.")


class WholeIncidentAnswer(IncidentAnswer):
    cause_text: str
    redundancy_text: str
    next_steps: tuple[str, ...] = Field(description="The texts of `steps`; what is done has a tick in front.")
    steps: list[StepAnswer]
    evidence: list[EvidenceAnswer]
    downtime: DowntimeAnswer | None
    timeline: list[RowAnswer] = Field(description="Of the incident and its parts, over all nodes and sources, in causal order.")
    parts: list[IncidentAnswer]
    transitions: list[TransitionAnswer]
    deliveries: list[DeliveryAnswer]


class IncidentsAnswer(Answer):
    incidents: list[IncidentAnswer]
    next_before: datetime | None = Field(description="Give it as `before` for the next page; null on the last.")


class DebtAnswer(IncidentAnswer):
    debt_seconds: float = Field(description="The age of the debt.")
    reasons_text: str = Field(description="The reasons in words.")


class DebtsAnswer(Answer):
    at: datetime
    debts: list[DebtAnswer]


class EventAnswer(Answer):
    id: int
    at: datetime
    received_at: datetime
    cluster: str
    kind: EventKind
    rule: str
    source: Source
    collector: str
    node: str | None
    resource: str | None
    reporter: str | None
    detail: dict[str, Scalar]
    text: str
    raw: str
    ref: str
    witness: bool


class EventsAnswer(Answer):
    events: list[EventAnswer]
    next_before_id: int | None = Field(description="Give it as `before_id` for the next page; null on the last.")


def entry_of(stored: StoredEvent) -> TimelineEntry:
    """An event in the shape that `hamon.tell` has words for."""
    event = stored.event
    return TimelineEntry(
        at=event.at,
        node=event.node,
        resource=event.resource,
        source=event.source,
        event=event.kind,
        detail=event.detail,
        raw=event.raw,
        reported_by=(event.reporter,) if event.reporter else (),
    )


def fields_of(record: Any, model: type[BaseModel]) -> dict[str, Any]:
    """The fields of a model that the record has under the same names."""
    return {name: getattr(record, name) for name in model.model_fields if hasattr(record, name)}


def incident_answer(incident: Incident, language: str) -> IncidentAnswer:
    """An incident without what only its own page shows."""
    return IncidentAnswer.model_validate(fields_of(incident, IncidentAnswer) | {"headline": tell.headline(incident, language)})


def entry_answer(entry: TimelineEntry, language: str) -> EntryAnswer:
    """An entry of a timeline, in words."""
    return EntryAnswer.model_validate(
        fields_of(entry, EntryAnswer) | {"detail": dict(entry.detail), "text": tell.entry_text(entry, language)}
    )


def row_answer(row: Row, language: str) -> RowAnswer:
    """An entry with the gap before it and its witnesses."""
    told_by = [WitnessAnswer(source=witness.source, nodes=witness.nodes) for witness in row.told_by]
    return RowAnswer(**dict(entry_answer(row.entry, language)), told_by=told_by, gap_seconds=row.gap_seconds, gap=row.gap)


def downtime_answer(told: Whole) -> DowntimeAnswer | None:
    """How long the service was down and what that was spent on; None: it was not, or nobody knows."""
    down = told.down
    if down is None:
        return None
    spent = [PhaseAnswer.model_validate({"name": phase.name, "seconds": phase.seconds}) for phase in told.spent]
    return DowntimeAnswer.model_validate(fields_of(down, DowntimeAnswer) | {"phases": spent})


def event_answer(stored: StoredEvent, language: str) -> EventAnswer:
    """A stored event, in words."""
    given = {"id": stored.id, "detail": dict(stored.event.detail), "text": tell.entry_text(entry_of(stored), language)}
    return EventAnswer.model_validate(fields_of(stored.event, EventAnswer) | given)


def check_answer(verdict: Verdict, language: str) -> CheckAnswer:
    """A verdict with its words."""
    return CheckAnswer(
        cluster=verdict.cluster,
        level=verdict.level,
        code=verdict.level.code,
        summary=verdict.summary(language),
        line=verdict.line(language),
        findings=[FindingAnswer(level=one.level, kind=one.kind, text=one.text(language)) for one in verdict.findings],
        numbers=[
            NumberAnswer(name=one.name, value=one.value if one.value == one.value else None, unit=one.unit, maximum=one.maximum)
            for one in verdict.numbers
        ],
        nodes=dict(verdict.nodes),
        services=[
            CheckedServiceAnswer(name=one.name, up=one.up, active=one.active, able=one.able, text=service_text(one, language))
            for one in verdict.services
        ],
        answered_at=verdict.answered_at,
    )
