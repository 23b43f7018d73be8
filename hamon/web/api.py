"""The JSON API under /api/v1: what the pages show, for programs. Times are RFC 3339 in UTC, errors are RFC 9457 problems."""

import asyncio
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, HTTPException, Query
from fastapi.exceptions import RequestValidationError
from pydantic import AwareDatetime

from hamon import tell
from hamon.classify.settings import ClusterSettings
from hamon.clock import Clock
from hamon.expose.facts import facts, seen
from hamon.expose.verdict import verdict
from hamon.model.cluster import SourceView
from hamon.model.event import EventKind
from hamon.model.incident import (
    Incident,
    IncidentKind,
)
from hamon.model.observation import Polled
from hamon.ports import EventFilter, IncidentFilter, Store, Views
from hamon.web.answers import (
    CheckAnswer,
    ChecksAnswer,
    ClusterAnswer,
    ClustersAnswer,
    DebtAnswer,
    DebtsAnswer,
    DeliveryAnswer,
    EventsAnswer,
    EvidenceAnswer,
    IncidentsAnswer,
    Problem,
    SourceAnswer,
    SourcesAnswer,
    StateAnswer,
    StepAnswer,
    TransitionAnswer,
    WholeIncidentAnswer,
    check_answer,
    downtime_answer,
    entry_answer,
    event_answer,
    fields_of,
    incident_answer,
    row_answer,
    state_answer,
)
from hamon.web.front import Ready, is_stuck
from hamon.web.timeline import whole

LIMIT = 500

Responses = dict[int | str, dict[str, Any]]
Name = Annotated[str | None, Query(max_length=200, pattern=r"^[^\x00]*$")]
Limit = Annotated[int, Query(ge=1, le=LIMIT)]
LanguageChoice = Annotated[Literal["en", "ja"], Query(alias="lang", description="Language of headline, texts and next steps.")]


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


def routes(store: Store, views: Views, clock: Clock, ready: Ready, settings: Mapping[str, ClusterSettings] | None = None) -> APIRouter:
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

        stuck = is_stuck(ready)

        def judge() -> list[CheckAnswer]:
            return [
                check_answer(
                    verdict(
                        facts(view, polled, is_known, (settings or {}).get(view.name)),
                        now,
                        open_ones.get(view.name, ()),
                        told_by.get(view.name, ()),
                        stuck=stuck,
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
                    **dict(incident_answer(incident, language)),
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
        return IncidentsAnswer(incidents=[incident_answer(incident, language) for incident in shown], next_before=older_than(shown, more))

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
            DeliveryAnswer.model_validate(fields_of(delivery, DeliveryAnswer) | {"notice": delivery.transition.told_as})
            for delivery in await store.deliveries(cluster, key)
        ]
        return WholeIncidentAnswer(
            **dict(incident_answer(found, language)),
            cause_text=tell.cause_text(found, language),
            redundancy_text=tell.redundancy_text(found, language),
            next_steps=tell.next_steps(found, language, now),
            steps=[StepAnswer(text=step.text, done=step.done) for step in tell.steps(found, language, now)],
            evidence=[
                EvidenceAnswer(
                    verdict=item.verdict,
                    text=tell.verdict_text(item, language, UTC),
                    by=[entry_answer(entry, language) for entry in item.by],
                    polled_at=item.polled_at,
                )
                for item in found.evidence
            ],
            downtime=downtime_answer(told),
            timeline=[row_answer(row, language) for row in told.rows(language)],
            parts=[incident_answer(part, language) for part in told.parts],
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
        return EventsAnswer(events=[event_answer(stored, language) for stored in shown], next_before_id=shown[-1].id if more else None)

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
