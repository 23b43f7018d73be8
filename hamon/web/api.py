"""The JSON API under /api/v1: what the pages show, for programs. Times are RFC 3339 in UTC, errors are RFC 9457 problems."""

import asyncio
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, HTTPException, Query
from fastapi.exceptions import RequestValidationError
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from hamon import tell
from hamon.classify.settings import ClusterSettings
from hamon.clock import Clock
from hamon.expose.facts import facts, seen
from hamon.expose.verdict import Level, Verdict, service_text, verdict
from hamon.model.cluster import ClusterStatus, NodeState, SourceView
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
from hamon.ports import EventFilter, IncidentFilter, Store, StoredEvent, Views
from hamon.web.timeline import Row, Whole, whole

LIMIT = 500

Responses = dict[int | str, dict[str, Any]]
Scalar = str | int | float | bool | None
Name = Annotated[str | None, Query(max_length=200, pattern=r"^[^\x00]*$")]
Limit = Annotated[int, Query(ge=1, le=LIMIT)]
LanguageChoice = Annotated[Literal["en", "ja"], Query(alias="lang", description="Language of headline, texts and next steps.")]


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


def older_than(shown: list[Incident], more: list[Incident]) -> datetime | None:
    """The `before` of the next page, so that incidents of one instant are shown twice rather than lost."""
    if not more:
        return None
    last = shown[-1].detected_at
    if more[0].detected_at == last and shown[0].detected_at != last:
        return min(incident.detected_at for incident in shown if incident.detected_at > last)
    return last


def debts_of(opened: Iterable[Incident]) -> list[Incident]:
    """Those of the open incidents that redundancy is missing for, the oldest debt first."""
    return sorted((incident for incident in opened if incident.debt_since is not None), key=_owed_since)


def _owed_since(incident: Incident) -> datetime:
    return incident.debt_since or incident.detected_at


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


def _fields(record: Any, model: type[BaseModel]) -> dict[str, Any]:
    return {name: getattr(record, name) for name in model.model_fields if hasattr(record, name)}


def _incident(incident: Incident, language: str) -> IncidentAnswer:
    return IncidentAnswer.model_validate(_fields(incident, IncidentAnswer) | {"headline": tell.headline(incident, language)})


def _entry(entry: TimelineEntry, language: str) -> EntryAnswer:
    return EntryAnswer.model_validate(
        _fields(entry, EntryAnswer) | {"detail": dict(entry.detail), "text": tell.entry_text(entry, language)}
    )


def _row(row: Row, language: str) -> RowAnswer:
    told_by = [WitnessAnswer(source=witness.source, nodes=witness.nodes) for witness in row.told_by]
    return RowAnswer(**dict(_entry(row.entry, language)), told_by=told_by, gap_seconds=row.gap_seconds, gap=row.gap)


def _downtime(told: Whole) -> DowntimeAnswer | None:
    down = told.down
    if down is None:
        return None
    spent = [PhaseAnswer.model_validate({"name": phase.name, "seconds": phase.seconds}) for phase in told.spent]
    return DowntimeAnswer.model_validate(_fields(down, DowntimeAnswer) | {"phases": spent})


def _event(stored: StoredEvent, language: str) -> EventAnswer:
    given = {"id": stored.id, "detail": dict(stored.event.detail), "text": tell.entry_text(entry_of(stored), language)}
    return EventAnswer.model_validate(_fields(stored.event, EventAnswer) | given)


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


def routes(store: Store, views: Views, clock: Clock, settings: Mapping[str, ClusterSettings] | None = None) -> APIRouter:
    """The router of /api/v1. `settings` name the services of clusters."""
    unanswered: Responses = {503: {"model": Problem, "description": "The history does not answer; the detail says what to do."}}
    missing: Responses = {404: {"model": Problem, "description": "There is no such incident."}}
    router = APIRouter(prefix="/api/v1", responses={422: {"model": Problem, "description": "A parameter is wrong."}})

    @router.get("/clusters", tags=["now"], summary="Every cluster with its nodes and services, as known now")
    async def clusters() -> ClustersAnswer:
        return ClustersAnswer(at=clock.now(), clusters=[ClusterAnswer.model_validate(view) for view in views.clusters()])

    @router.get(
        "/clusters/{name}/state",
        tags=["now", "history"],
        summary="The state of a cluster as polling showed it, now or at any time",
        responses=unanswered | {404: {"model": Problem, "description": "Nothing was asked of such a cluster before that time."}},
    )
    async def state(
        name: str,
        at: Annotated[AwareDatetime | None, Query(description="The time (RFC 3339, with zone); now, when it is left out.")] = None,
    ) -> StateAnswer:
        polled = await polled_at(store, views, name, at)
        if polled is None:
            raise HTTPException(404, "Nothing was asked of a cluster of this name before that time.")
        return state_answer(polled, at or clock.now())

    @router.get("/sources", tags=["now"], summary="Every source of evidence, and whether it gives data")
    async def sources() -> SourcesAnswer:
        return SourcesAnswer(at=clock.now(), sources=[SourceAnswer.model_validate(view) for view in views.sources()])

    @router.get(
        "/checks",
        tags=["now"],
        summary="Whether each cluster, or one, is well, as monitoring plug-ins want it",
        responses=unanswered | {404: {"model": Problem, "description": "There is no such cluster."}},
    )
    async def checks(cluster: Name = None, language: LanguageChoice = "en") -> ChecksAnswer:
        now = clock.now()
        wanted = [view for view in views.clusters() if cluster in (None, view.name)]
        if cluster is not None and not wanted:
            raise HTTPException(404, f"There is no cluster of this name; there are: {', '.join(sorted(v.name for v in views.clusters()))}.")
        sources = list(views.sources())
        known = list(seen(wanted, views.polled, sources))
        told_by: dict[str, list[SourceView]] = {}
        for source in sources:
            told_by.setdefault(source.cluster, []).append(source)
        found = await store.incidents(IncidentFilter(cluster=cluster, open_only=True, limit=LIMIT))
        open_ones: dict[str, list[Incident]] = {}
        for incident in found:
            open_ones.setdefault(incident.cluster, []).append(incident)

        def judge() -> list[CheckAnswer]:
            return [
                check_answer(
                    verdict(
                        facts(view, polled, is_known, (settings or {}).get(view.name)),
                        now,
                        open_ones.get(view.name, ()),
                        told_by.get(view.name, ()),
                    ),
                    language,
                )
                for view, polled, is_known in known
            ]

        return ChecksAnswer(at=now, checks=await asyncio.to_thread(judge))

    @router.get("/debts", tags=["now"], summary="Redundancy that is missing: the oldest first", responses=unanswered)
    async def debts(cluster: Name = None, language: LanguageChoice = "en") -> DebtsAnswer:
        now = clock.now()
        found = await store.incidents(IncidentFilter(cluster=cluster, open_only=True, limit=LIMIT))
        return DebtsAnswer(
            at=now,
            debts=[
                DebtAnswer(
                    **dict(_incident(incident, language)),
                    debt_seconds=max(0.0, (now - incident.debt_since).total_seconds()),
                    reasons_text=tell.reasons_text(incident, language),
                )
                for incident in debts_of(found)
                if incident.debt_since is not None
            ],
        )

    @router.get("/incidents", tags=["history"], summary="Incidents, newest first", responses=unanswered)
    async def incidents(
        cluster: Name = None,
        kind: Annotated[Name, Query(description="A kind, or the name of an incident of your own rules.")] = None,
        open_only: Annotated[bool, Query(alias="open")] = False,
        include_parts: Annotated[bool, Query(alias="parts", description="Also incidents that are part of another one.")] = False,
        since: AwareDatetime | None = None,
        before: AwareDatetime | None = None,
        limit: Limit = 50,
        language: LanguageChoice = "en",
    ) -> IncidentsAnswer:
        found = list(
            await store.incidents(
                IncidentFilter(
                    cluster=cluster,
                    kind=kind,
                    open_only=open_only,
                    include_parts=include_parts,
                    since=since,
                    before=before,
                    limit=limit + 1,
                )
            )
        )
        if kind is not None and not found and kind not in (known_kinds := {*IncidentKind, *views.own_incidents()}):
            error = {"type": "enum", "loc": ("query", "kind"), "msg": f"there are {', '.join(sorted(known_kinds))}"}
            raise RequestValidationError([error])
        shown, more = found[:limit], found[limit:]
        return IncidentsAnswer(incidents=[_incident(incident, language) for incident in shown], next_before=older_than(shown, more))

    @router.get(
        "/incidents/{cluster}/{key:path}",
        tags=["history"],
        summary="One incident: timeline, parts, steps, and what was told of it",
        responses=unanswered | missing,
    )
    async def incident(cluster: str, key: str, language: LanguageChoice = "en") -> WholeIncidentAnswer:
        found = await known(store, cluster, key)
        told = await whole(store, found)
        now = amiss_now(views, cluster)
        deliveries = [
            DeliveryAnswer.model_validate(_fields(delivery, DeliveryAnswer) | {"notice": delivery.transition.told_as})
            for delivery in await store.deliveries(cluster, key)
        ]
        return WholeIncidentAnswer(
            **dict(_incident(found, language)),
            cause_text=tell.cause_text(found, language),
            redundancy_text=tell.redundancy_text(found, language),
            next_steps=tell.next_steps(found, language, now),
            steps=[StepAnswer(text=step.text, done=step.done) for step in tell.steps(found, language, now)],
            evidence=[
                EvidenceAnswer(
                    verdict=item.verdict,
                    text=tell.verdict_text(item, language, UTC),
                    by=[_entry(entry, language) for entry in item.by],
                    polled_at=item.polled_at,
                )
                for item in found.evidence
            ],
            downtime=_downtime(told),
            timeline=[_row(row, language) for row in told.rows(language)],
            parts=[_incident(part, language) for part in told.parts],
            transitions=[TransitionAnswer.model_validate(step) for step in await store.transitions(cluster, key)],
            deliveries=deliveries,
        )

    @router.get("/events", tags=["history"], summary="Events, newest first", responses=unanswered)
    async def events(
        cluster: Name = None,
        kind: EventKind | None = None,
        node: Name = None,
        text: Annotated[Name, Query(description="Part of the original line or of the resource, in any case.")] = None,
        since: AwareDatetime | None = None,
        until: AwareDatetime | None = None,
        before_id: Annotated[int | None, Query(ge=1, le=2**63 - 1)] = None,
        limit: Limit = 100,
        language: LanguageChoice = "en",
    ) -> EventsAnswer:
        found = await store.events(
            EventFilter(cluster=cluster, kind=kind, node=node, text=text, since=since, until=until, before_id=before_id, limit=limit + 1)
        )
        shown, more = found[:limit], found[limit:]
        return EventsAnswer(events=[_event(stored, language) for stored in shown], next_before_id=shown[-1].id if more else None)

    return router


async def polled_at(store: Store, views: Views, cluster: str, at: datetime | None) -> Polled | None:
    """What polling knew of a cluster at a time, or knows now; raises StoreError."""
    if "\x00" in cluster or len(cluster) > 200:
        return None
    if at is None:
        return views.polled(cluster)
    return await store.state_at(cluster, at) if datetime(1970, 1, 2, tzinfo=UTC) < at < datetime(9000, 1, 1, tzinfo=UTC) else None


def amiss_now(views: Views, cluster: str) -> tuple[str, ...] | None:
    """What is amiss in a cluster now; None: it is not watched any more."""
    return next((view.amiss for view in views.clusters() if view.name == cluster), None)


async def known(store: Store, cluster: str, key: str) -> Incident:
    """The incident, or HTTP 404; raises StoreError."""
    readable = "\x00" not in cluster + key and len(cluster) + len(key) < 1000
    found = await store.incident(cluster, key) if readable else None
    if found is None:
        raise HTTPException(404, "There is no incident with this key.")
    return found
