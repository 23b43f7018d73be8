"""The pages: overview, incidents, one incident, events. Rendered on the server; they decide nothing and work without JavaScript."""

import asyncio
import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from importlib.resources import files
from typing import Any
from urllib.parse import quote, urlencode
from zoneinfo import ZoneInfo

from fastapi import APIRouter, HTTPException, Request, Response
from fastapi.responses import HTMLResponse
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from hamon import tell
from hamon.clock import Clock
from hamon.expose.state import State, state
from hamon.model.cluster import ClusterView, NodeState, ServiceView, SourceView
from hamon.model.delivery import Delivery, DeliveryState
from hamon.model.event import EventKind
from hamon.model.incident import Evidence, Incident, IncidentKind, IncidentState, Outcome, Severity, TimelineEntry
from hamon.model.observation import Source
from hamon.ports import EventFilter, IncidentFilter, Store, Views
from hamon.tell.chain import Downtime, Phase
from hamon.tell.witnesses import Witness
from hamon.web.answers import entry_of
from hamon.web.api import amiss_now, debts_of, known, older_than, polled_at
from hamon.web.front import Ready, is_stuck
from hamon.web.report import FORMS, file_name, subject_of, written
from hamon.web.settings import WebConfig
from hamon.web.timeline import KEPT_OPEN, Stretch, stretches, whole

COOKIE = "hamon_language"
YEAR_SECONDS = 365 * 86400
OPEN_LIMIT = 50
MOST_OPEN = 500
"""Open incidents of which the oldest debts are found."""
RECENT_LIMIT = 6
PAGE_LIMIT = 30
EVENTS_LIMIT = 100
TIMELINE_LIMIT = 400

_TONES = {
    Severity.CRITICAL: "critical",
    Severity.MAJOR: "major",
    Severity.MINOR: "minor",
    Severity.WARNING: "warning",
    Severity.INFO: "info",
    Severity.UNKNOWN: "unknown",
}
_NODE_TONES = {
    NodeState.ONLINE: "ok",
    NodeState.STANDBY: "info",
    NodeState.MAINTENANCE: "info",
    NodeState.STOPPED: "unknown",
    NodeState.LOST: "critical",
    NodeState.FENCED: "critical",
    NodeState.UNKNOWN: "unknown",
}
_DELIVERY_TONES = {
    DeliveryState.SENT: "ok",
    DeliveryState.PENDING: "warning",
    DeliveryState.SENDING: "info",
    DeliveryState.FAILED: "critical",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """How a service or a whole stands: a tone (colour and icon) and the words."""

    tone: str
    text: str


@dataclass(frozen=True, slots=True)
class Debt:
    """An incident that redundancy is missing for, and for how long."""

    incident: Incident
    age: str


class Words:
    """One language and one time zone, as the templates use them."""

    def __init__(self, language: str, zone: ZoneInfo) -> None:
        self.language, self.zone = language, zone

    def __call__(self, key: str, **values: object) -> str:
        return tell.phrase(f"page.{key}", self.language, **{name: None if value is None else str(value) for name, value in values.items()})

    def name(self, table: str, member: str) -> str:
        return tell.phrase(f"{table}.{member}", self.language)

    def kind(self, kind: str) -> str:
        return tell.kind_name(kind, self.language)

    def because(self, reason: str) -> str:
        return tell.because_text(reason, self.language)

    def source_reason(self, reason: str) -> str:
        return tell.source_reason(reason, self.language)

    def delivery_error(self, error: str) -> str:
        return tell.delivery_error(error, self.language)

    def time(self, at: datetime, *, form: str = "%Y-%m-%d %H:%M:%S", milliseconds: bool = False) -> Markup:
        """`<time>` with the local time as text and the UTC one for machines and in the tooltip."""
        local = at.astimezone(self.zone)
        text = local.strftime(form) + (f".{local.microsecond // 1000:03d}" if milliseconds else "")
        utc = at.astimezone(UTC)
        machine = utc.strftime("%Y-%m-%dT%H:%M:%S") + f".{utc.microsecond // 1000:03d}Z"
        return Markup('<time datetime="{0}" title="{0}">{1}</time>').format(machine, text)

    def clock(self, at: datetime) -> str:
        return at.astimezone(self.zone).strftime("%H:%M:%S")

    def date(self, at: datetime) -> str:
        return at.astimezone(self.zone).date().isoformat()

    def duration(self, seconds: float) -> str:
        return tell.duration(seconds, self.language)

    def listed(self, names: Sequence[str]) -> str:
        return tell.listed(names, self.language) or ""

    def verdict(self, item: Evidence) -> str:
        return tell.verdict_text(item, self.language, self.zone)

    def reasons(self, incident: Incident) -> str:
        return tell.reasons_text(incident, self.language)

    def what(self, incident: Incident) -> str:
        return arrowed(tell.what(incident, self.language))

    def summary(self, incident: Incident) -> str:
        return arrowed(tell.summary(incident, self.language))

    def phase(self, phase: Phase, down: Downtime) -> str:
        lengths = {"duration": self.duration(phase.seconds), "whole": self.duration(down.seconds)}
        return tell.phrase(f"document.phase.{phase.name}", self.language, **lengths)

    def bounds(self, down: Downtime) -> str:
        """Between which lengths an interruption lies that only polls saw; empty where it is known."""
        if down.shortest_seconds is not None and down.shortest_seconds == down.longest_seconds:
            return ""
        known = {"shortest": down.shortest_seconds, "longest": down.longest_seconds}
        values = {name: None if seconds is None else self.duration(seconds) for name, seconds in known.items()}
        return tell.phrase("document.seen_by_polls", self.language, **values)

    def fold(self, stretch: Stretch) -> str:
        """How many entries are folded, and of what time."""
        begin, end = self.clock(stretch.rows[0].entry.at), self.clock(stretch.rows[-1].entry.at)
        return self("folded", count=len(stretch.rows), begin=begin, end=None if begin == end else end)

    def witness(self, witness: Witness) -> str:
        """`log of pm01, pm02`, or only what kind of source it is."""
        source = self.name("source", witness.source)
        nodes = tell.listed(witness.nodes, self.language, 6) if witness.source is not Source.POLL else None
        return self("told_by", source=source, nodes=nodes) if nodes else source

    def cause(self, incident: Incident) -> str:
        return tell.cause_text(incident, self.language)

    def redundancy(self, incident: Incident) -> str:
        return tell.redundancy_text(incident, self.language)

    def steps(self, incident: Incident, now: Iterable[str] | None = None) -> tuple[tell.NextStep, ...]:
        return tell.steps(incident, self.language, now)

    def todo(self, steps: Iterable[tell.NextStep]) -> tell.NextStep | None:
        """The first step that is not known to be done; None: all are."""
        return next((step for step in steps if not step.done), None)

    def entry(self, entry: Any) -> str:
        return arrowed(tell.entry_text(entry, self.language, with_node=False))

    def down(self, incident: Incident) -> Standing:
        """How long the service was down, as a fact of its own."""
        if tell.is_down(incident):
            return Standing(tone="critical", text=self("down_now"))
        if incident.service_down_seconds is None:
            ongoing = incident.outcome is Outcome.ONGOING and incident.state is IncidentState.OPEN
            return Standing(tone="unknown", text=self("under_way" if ongoing else "not_known"))
        return Standing(tone="plain", text=self.duration(incident.service_down_seconds))

    def planned(self, incident: Incident) -> str:
        return self({True: "planned_yes", False: "planned_no", None: "planned_unknown"}[incident.planned])

    def protection(self, incident: Incident) -> Standing:
        """Whether the services of an incident are protected, as chip."""
        if tell.is_down(incident):
            return Standing(tone="critical", text=self("down_now"))
        match incident.redundancy:
            case True:
                return Standing(tone="ok", text=self("protected_again" if incident.redundancy_restored_at else "protected"))
            case False:
                return Standing(tone="major", text=self("not_protected"))
            case None:
                return Standing(tone="unknown", text=self("not_known"))

    def up(self, service: ServiceView) -> Standing:
        if service.held:
            return Standing(tone="info", text=self("at_another_site"))
        match service.up:
            case True:
                return Standing(tone="ok", text=self("running"))
            case False:
                return Standing(tone="critical", text=self("down"))
            case None:
                return Standing(tone="unknown", text=self("not_known"))

    def guarded(self, service: ServiceView) -> Standing:
        """Whether another node could take a service over, and which."""
        able = service.able_to_take_over
        if service.held:
            return Standing(tone="info", text=self("at_another_site"))
        if able is None:
            return Standing(tone="unknown", text=self("not_known"))
        if not able:
            return Standing(tone="major", text=self("not_protected"))
        return Standing(tone="ok", text=self("protected_by", nodes=tell.listed(able, self.language)))


def arrowed(text: str) -> str:
    """With an arrow in one sign, which no end of a line tears apart."""
    return text.replace("->", "→")


def bars(spent: Sequence[Phase]) -> list[tuple[str, float, float]]:
    """Name, begin and width of each phase, in thousandths of the whole; the shortest can still be seen."""
    lengths = [max(phase.seconds, 0.0) for phase in spent]
    whole = sum(lengths) or 1.0
    widths = [max(1000 * length / whole, 8.0) for length in lengths]
    scale = 1000 / (sum(widths) or 1.0)
    found, at = [], 0.0
    for phase, width in zip(spent, widths, strict=True):
        found.append((phase.name, round(at, 1), round(width * scale, 1)))
        at += width * scale
    return found


def coded(text: str) -> Markup:
    """Words with commands in backticks, the commands as `<code>`; everything else is escaped."""
    parts = text.split("`")
    return Markup("").join(Markup("<code>{}</code>").format(part) if index % 2 else escape(part) for index, part in enumerate(parts))


def incident_path(incident: Incident) -> str:
    return f"/incidents/{quote(incident.cluster, safe='')}/{quote(incident.key, safe='')}"


def report_path(incident: Incident, form: str) -> str:
    return f"/clusters/{quote(incident.cluster, safe='')}/incidents/{quote(incident.key, safe='')}/report.{form}"


def accepted_language(header: str) -> str | None:
    """The best of our languages that an Accept-Language header asks for, None if it asks for none of them (RFC 9110, 12.5.4)."""
    wanted: list[tuple[float, int, str]] = []
    for place, item in enumerate(header[:500].split(",")):
        tag, _, weight = item.strip().partition(";")
        found = re.fullmatch(r"\s*q=([01](?:\.\d{0,3})?)\s*", weight) if weight else None
        quality = float(found[1]) if found else 0.0 if weight else 1.0
        primary = tag.strip().lower().split("-")[0]
        if primary in tell.LANGUAGES and quality > 0:
            wanted.append((-quality, place, primary))
    return min(wanted)[2] if wanted else None


def _others(entries: Sequence[TimelineEntry], kept: Sequence[TimelineEntry]) -> list[TimelineEntry]:
    """The entries that are not among those kept, in their order."""
    known = {id(entry) for entry in kept}
    return [entry for entry in entries if id(entry) not in known]


class Pages:
    """Everything the pages need, and their routes."""

    def __init__(self, store: Store, views: Views, clock: Clock, config: WebConfig, ready: Ready) -> None:
        self._store, self._views, self._clock, self._config, self._ready = store, views, clock, config, ready
        self._zone = ZoneInfo(config.timezone)
        self._templates = Environment(
            loader=PackageLoader("hamon.web", "templates"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._templates.filters |= {"coded": coded, "bars": bars}
        self._templates.globals |= {
            "incident_path": incident_path,
            "report_path": report_path,
            "cluster_path": lambda name: f"/clusters/{quote(name, safe='')}",
            "severity_tone": lambda severity: _TONES[severity],
            "node_tone": lambda state: _NODE_TONES[state],
            "delivery_tone": lambda state: _DELIVERY_TONES[state],
            "static": {name: f"/static/{name}?v={_digest(name)}" for name in ("hamon.css", "hamon.js", "icon.svg")},
            "site": config.title,
            "zone": config.timezone,
        }

    def routes(self) -> APIRouter:
        router = APIRouter(include_in_schema=False)
        both = ["GET", "HEAD"]
        router.add_api_route("/", self.overview, methods=both, response_class=HTMLResponse)
        router.add_api_route("/fragments/overview", self.overview_fragment, methods=both, response_class=HTMLResponse)
        router.add_api_route("/clusters/{name}", self.cluster, methods=both, response_class=HTMLResponse)
        router.add_api_route("/fragments/clusters/{name}", self.cluster_fragment, methods=both, response_class=HTMLResponse)
        for form in FORMS:
            path = f"/clusters/{{cluster}}/incidents/{{key:path}}/report.{form}"
            router.add_api_route(path, self.report, methods=both, name=form)
        router.add_api_route("/incidents", self.incidents, methods=both, response_class=HTMLResponse)
        router.add_api_route("/incidents/{cluster}/{key:path}", self.incident, methods=both, response_class=HTMLResponse)
        router.add_api_route("/fragments/incidents/{cluster}/{key:path}", self.incident_fragment, methods=both, response_class=HTMLResponse)
        router.add_api_route("/events", self.events, methods=both, response_class=HTMLResponse)
        return router

    async def overview(self, request: Request) -> Response:
        return self._page(request, "overview.html", "overview", await self._overview(request))

    async def overview_fragment(self, request: Request) -> Response:
        """The changing part of the overview; 304 when the reader already has it."""
        body = self._render(request, "overview_body.html", await self._overview(request))
        return self._fragment(request, body)

    def _fragment(self, request: Request, body: str) -> Response:
        tag = f'"{hashlib.sha256(body.encode()).hexdigest()[:32]}"'
        if request.headers.get("if-none-match") == tag:
            return Response(status_code=304, headers={"ETag": tag})
        return HTMLResponse(body, headers={"ETag": tag})

    async def _overview(self, request: Request) -> dict[str, Any]:
        t = self._words(request)
        now = self._clock.now()
        everything = await self._store.incidents(IncidentFilter(open_only=True, limit=MOST_OPEN))
        opened = everything[:OPEN_LIMIT]
        newest = await self._store.incidents(IncidentFilter(limit=OPEN_LIMIT))
        alarms = [incident for incident in opened if incident.severity is not Severity.INFO]
        alarms.sort(key=lambda incident: (-incident.severity.rank, -incident.detected_at.timestamp()))
        clusters = list(self._views.clusters())
        silent = [source for source in self._views.sources() if not source.up]
        return {
            "alarms": alarms,
            "notes": [incident for incident in opened if incident.severity is Severity.INFO],
            "debts": [Debt(incident, tell.debt_age(incident, now, t.language)) for incident in debts_of(everything)[:OPEN_LIMIT]],
            "recent": [incident for incident in newest if incident.state is not IncidentState.OPEN][:RECENT_LIMIT],
            "clusters": clusters,
            "polled": {cluster.name: self._views.polled(cluster.name) for cluster in clusters},
            "silent": silent,
            "standing": _standing(t, clusters, alarms, silent, stuck=is_stuck(self._ready)),
        }

    async def cluster(self, request: Request, name: str) -> Response:
        """The state of one cluster, now or at the time in `at`."""
        at = self._time(request.query_params, "at")
        title, shown = await self._state(request, name, at)
        path = f"/clusters/{quote(name, safe='')}"
        given = {
            "name": name,
            "title": title,
            "state": shown,
            "at": at,
            "path": path,
            "api_path": _link(f"/api/v1{path}/state", {"at": at.isoformat() if at else None}),
        }
        return self._page(request, "cluster.html", "overview", given)

    async def cluster_fragment(self, request: Request, name: str) -> Response:
        """The changing part of a cluster's page; 304 when the reader already has it."""
        _, shown = await self._state(request, name, None)
        return self._fragment(request, self._render(request, "cluster_body.html", {"state": shown}))

    async def _state(self, request: Request, name: str, at: datetime | None) -> tuple[str, State]:
        """The title of a cluster and its state in words. Raises HTTPException."""
        view = next((view for view in self._views.clusters() if view.name == name), None)
        polled = await polled_at(self._store, self._views, name, at)
        if view is None and polled is None:
            raise HTTPException(404, "There is no such cluster.")
        language, zone, now = self._language(request), self._zone, at or self._clock.now()
        named = self._views.services(name)
        shown = await asyncio.to_thread(state, polled, name, now, language=language, zone=zone, named=named)
        return (view.title if view is not None else "") or name, shown

    async def incidents(self, request: Request) -> Response:
        query = request.query_params
        own = sorted(self._views.own_incidents())
        cluster, kind = _given(query, "cluster"), _member(query, "kind", (*IncidentKind, *own))
        open_only = query.get("open") == "1"
        found = list(
            await self._store.incidents(
                IncidentFilter(cluster=cluster, kind=kind, open_only=open_only, before=self._time(query, "before"), limit=PAGE_LIMIT + 1)
            )
        )
        shown, more = found[:PAGE_LIMIT], found[PAGE_LIMIT:]
        before = older_than(shown, more)
        kept = {"cluster": cluster, "kind": kind, "open": "1" if open_only else None}
        return self._page(
            request,
            "incidents.html",
            "incidents",
            {
                "incidents": shown,
                "cluster": cluster,
                "kind": kind,
                "open_only": open_only,
                "filtered": any(kept.values()),
                "paged": "before" in query,
                "first": _link("/incidents", kept),
                "older": _link("/incidents", kept | {"before": before.astimezone(UTC).isoformat()}) if before else None,
                "clusters": self._cluster_names(cluster),
                "kinds": [*self._kinds(request, IncidentKind), *((name, name) for name in own)],
            },
        )

    async def report(self, request: Request, cluster: str, key: str) -> Response:
        """The report of an incident as a file, in the language of the page."""
        form = request.url.path.rpartition(".")[2]
        await known(self._store, cluster, key)
        subject = await subject_of(self._store, cluster, key, now=amiss_now(self._views, cluster), written_at=self._clock.now())
        if subject is None:
            raise HTTPException(404, "There is no incident with this key.")
        text = await asyncio.to_thread(written, subject, form, self._language(request), self._zone)
        name = file_name(subject.incidents[0], form)
        return Response(text, media_type=FORMS[form], headers={"Content-Disposition": f'attachment; filename="{name}"'})

    async def incident(self, request: Request, cluster: str, key: str) -> Response:
        found = await known(self._store, cluster, key)
        told = await whole(self._store, found)
        parent = await self._store.incident(cluster, found.part_of) if found.part_of else None
        entries = tell.without_repetition(told.entries)
        repeating = _others(told.entries, entries)
        kept = tell.most_telling(entries, TIMELINE_LIMIT)
        rows = list(told.rows(self._language(request), kept))
        return self._page(
            request,
            "incident.html",
            "incidents",
            self._present(request, found)
            | {
                "stretches": stretches(rows, tell.most_telling(kept, KEPT_OPEN)),
                "down": told.down,
                "spent": told.spent,
                "much": tell.MUCH,
                "repeating": repeating[:TIMELINE_LIMIT],
                "left_out": len(entries) - len(kept),
                "parts": told.parts,
                "whole": parent,
                "transitions": await self._store.transitions(cluster, key),
                "deliveries": _by_notice(await self._store.deliveries(cluster, key)),
                "title": tell.headline(found, self._language(request)),
            },
        )

    async def incident_fragment(self, request: Request, cluster: str, key: str) -> Response:
        """The changing part of the page of an incident, its steps among it; 304 when the reader already has it."""
        found = await known(self._store, cluster, key)
        return self._fragment(request, self._render(request, "incident_body.html", self._present(request, found)))

    def _present(self, request: Request, incident: Incident) -> dict[str, Any]:
        """What the changing part of the page of an incident needs."""
        owed = incident.debt_since is not None
        return {
            "incident": incident,
            "amiss": amiss_now(self._views, incident.cluster),
            "concerns_redundancy": tell.concerns_redundancy(incident),
            "owed_for": tell.debt_age(incident, self._clock.now(), self._language(request)) if owed else None,
        }

    async def events(self, request: Request) -> Response:
        query = request.query_params
        wanted = {name: _given(query, name) for name in ("cluster", "node", "text", "since", "until")}
        kind = _member(query, "kind", EventKind)
        before = query.get("before_id", "")
        before_id = int(before) if re.fullmatch(r"[0-9]{1,18}", before, re.ASCII) else None
        found = await self._store.events(
            EventFilter(
                cluster=wanted["cluster"],
                kind=kind,
                node=wanted["node"],
                text=wanted["text"],
                since=self._time(query, "since"),
                until=self._time(query, "until"),
                before_id=before_id,
                limit=EVENTS_LIMIT + 1,
            )
        )
        shown, more = found[:EVENTS_LIMIT], found[EVENTS_LIMIT:]
        kept = wanted | {"kind": kind}
        return self._page(
            request,
            "events.html",
            "events",
            {
                "events": [(stored, entry_of(stored)) for stored in shown],
                "wanted": wanted,
                "kind": kind,
                "filtered": any(kept.values()),
                "paged": before_id is not None,
                "first": _link("/events", kept),
                "older": _link("/events", kept | {"before_id": str(shown[-1].id)}) if more else None,
                "clusters": self._cluster_names(wanted["cluster"]),
                "nodes": sorted({node.name for view in self._views.clusters() for node in view.nodes}),
                "kinds": self._kinds(request, EventKind),
            },
        )

    def error(self, request: Request, status: int, detail: str) -> Response:
        """A page for what went wrong; for a fragment just the page again, its reader only looks at the status."""
        t = self._words(request)
        key = {404: "error_404", 503: "error_503"}.get(status, "error_500" if status >= 500 else "error_400")
        given = {"status": status, "heading": t(key), "remedy": t(f"{key}_remedy"), "detail": detail if status == 503 else ""}
        return self._page(request, "error.html", "", given, status=status)

    def _page(self, request: Request, template: str, here: str, given: Mapping[str, Any], status: int = 200) -> Response:
        body = self._render(request, template, {"here": here, "switches": self._switches(request), **given})
        response = HTMLResponse(body, status)
        response.headers["Vary"] = "Accept-Language, Cookie"
        response.headers["Content-Language"] = self._language(request)
        if request.query_params.get("lang") in tell.LANGUAGES:
            response.set_cookie(COOKIE, self._language(request), max_age=YEAR_SECONDS, httponly=True, samesite="lax")
        return response

    def _render(self, request: Request, template: str, given: Mapping[str, Any]) -> str:
        t = self._words(request)
        return self._templates.get_template(template).render(t=t, language=t.language, stuck=is_stuck(self._ready), **given)

    def _words(self, request: Request) -> Words:
        return Words(self._language(request), self._zone)

    def _language(self, request: Request) -> str:
        for choice in (request.query_params.get("lang"), request.cookies.get(COOKIE)):
            if choice in tell.LANGUAGES:
                return str(choice)
        if self._config.language != "auto":
            return self._config.language
        return accepted_language(request.headers.get("accept-language", "")) or "en"

    def _switches(self, request: Request) -> list[tuple[str, str]]:
        """Each language with the address of this page in it."""
        query = [(key, value) for key, value in request.query_params.multi_items() if key != "lang"]
        return [(language, "?" + urlencode([*query, ("lang", language)])) for language in tell.LANGUAGES]

    def _time(self, query: Mapping[str, str], name: str) -> datetime | None:
        """A time from a form, local when it has no zone; what cannot be read counts as not given."""
        try:
            at = datetime.fromisoformat(query.get(name, "")[:40])
            at = at if at.tzinfo else at.replace(tzinfo=self._zone)
            return at.astimezone(UTC) if timedelta(0) <= at - datetime(1970, 1, 1, tzinfo=UTC) < timedelta(days=80_000) else None
        except (ValueError, OverflowError):
            return None

    def _cluster_names(self, chosen: str | None) -> list[str]:
        return sorted({view.name for view in self._views.clusters()} | ({chosen} if chosen else set()))

    def _kinds(self, request: Request, kinds: Iterable[IncidentKind | EventKind]) -> list[tuple[str, str]]:
        language = self._language(request)
        table = "kind" if kinds is IncidentKind else "event"
        named = [(str(kind), tell.phrase(f"{table}.{kind}", language)) for kind in kinds]
        return sorted(named, key=lambda pair: pair[1].lower()) if language == "en" else named


def _digest(name: str) -> str:
    return hashlib.sha256((files("hamon.web") / "static" / name).read_bytes()).hexdigest()[:12]


def _given(query: Mapping[str, str], name: str) -> str | None:
    """A text from a form; empty counts as not given, and so does what no name or line can hold."""
    text = query.get(name, "").strip()[:200]
    return text if text and "\x00" not in text else None


def _member(query: Mapping[str, str], name: str, kinds: Iterable[str]) -> str | None:
    text = query.get(name, "")
    return text if text in {str(kind) for kind in kinds} else None


def _link(path: str, query: Mapping[str, str | None]) -> str:
    given = {key: value for key, value in query.items() if value}
    return f"{path}?{urlencode(given)}" if given else path


def _by_notice(deliveries: Sequence[Delivery]) -> list[Delivery]:
    return sorted(deliveries, key=lambda delivery: (delivery.transition.sequence, delivery.target))


def _standing(
    t: Words, clusters: Sequence[ClusterView], alarms: Sequence[Incident], silent: Sequence[SourceView], *, stuck: bool
) -> Standing:
    """The one sentence at the top: the worst that holds now."""
    services = [service for cluster in clusters for service in cluster.services]
    here = [service for service in services if not service.held]
    down = sum(1 for service in here if service.up is False)
    down = down or sum(1 for incident in alarms if tell.is_down(incident))
    exposed = sum(1 for service in here if service.up is not False and service.able_to_take_over == ())
    unknown = sum(1 for service in here if service.up is None or service.able_to_take_over is None)
    if down:
        return Standing(tone="critical", text=t("standing_down" if down == 1 else "standing_down_many", count=down))
    if exposed:
        return Standing(tone="major", text=t("standing_exposed" if exposed == 1 else "standing_exposed_many", count=exposed))
    if alarms:
        tone = _TONES[alarms[0].severity]
        return Standing(tone=tone, text=t("standing_open" if len(alarms) == 1 else "standing_open_many", count=len(alarms)))
    if stuck:
        return Standing(tone="unknown", text=t("standing_stuck"))
    if silent:
        return Standing(tone="warning", text=t("standing_silent"))
    if any(cluster.maintenance for cluster in clusters):
        return Standing(tone="info", text=t("standing_maintenance"))
    if not services:
        return Standing(tone="unknown", text=t("standing_waiting" if clusters else "standing_no_cluster"))
    if unknown:
        return Standing(tone="unknown", text=t("standing_unknown"))
    return Standing(tone="ok", text=t("standing_ok"))
