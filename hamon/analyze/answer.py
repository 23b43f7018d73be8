"""The answer of `hamon analyze`: as JSON of the contract, as text, as a report to hand on."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from operator import attrgetter
from typing import Any
from zoneinfo import ZoneInfo

from hamon.analyze.evidence import Analysis
from hamon.classify.facts import Key, fact_key
from hamon.classify.stories import entry_of
from hamon.model.event import Event, EventKind
from hamon.model.incident import Evidence, Incident, TimelineEntry
from hamon.model.observation import Source
from hamon.tell import document
from hamon.tell.evidence import verdict_text
from hamon.tell.headline import headline
from hamon.tell.headline import what as headline_what
from hamon.tell.reading import input_problem
from hamon.tell.report import story as story_text
from hamon.tell.steps import next_steps
from hamon.tell.timeline import entry_text
from hamon.tell.words import clean, phrase

Line = tuple[str, EventKind, str | None, str | None]
"""A line of a log, and what it was read as: it may tell of several nodes and resources."""


def facts_of(events: Sequence[Event], finer: Mapping[Line, datetime]) -> list[dict[str, Any]]:
    """Each fact once, with its sources and reporters, and with a finer stamp where there is one."""
    facts: list[dict[str, Any]] = []
    known: dict[Key, list[dict[str, Any]]] = defaultdict(list)
    for event in events:
        if event.kind is EventKind.UNCLASSIFIED and event.witness:
            continue
        key = fact_key(event)
        if event.witness and known[key]:
            fact = known[key][-1]
        else:
            fact = {
                "at": _time(finer.get(_line(event), event.at)),
                "kind": event.kind.value,
                "node": event.node,
                "resource": event.resource,
                "detail": dict(event.detail),
                "sources": [],
                "reported_by": [],
            }
            known[key].append(fact)
            facts.append(fact)
        if event.source.value not in fact["sources"]:
            fact["sources"].append(event.source.value)
        if event.reporter is not None and event.reporter not in fact["reported_by"]:
            fact["reported_by"].append(event.reporter)
    return facts


def finer_stamps(events: Sequence[Event]) -> Mapping[Line, datetime]:
    """Of lines of a log with whole seconds the stamps of the same facts in another log of that node, which is finer.

    A whole second stands for any moment within it: no stamp is moved by more than that.
    """
    told: dict[Key, list[Event]] = defaultdict(list)
    finer: dict[Line, datetime] = {}
    for event in events:
        if event.source is not Source.LOG:
            continue
        key = fact_key(event)
        if not event.witness:
            told[key].append(event)
        elif event.at.microsecond and told[key]:
            first = told[key][-1]
            is_same_second = not first.at.microsecond and timedelta() < event.at - first.at < timedelta(seconds=1)
            if is_same_second and first.reporter == event.reporter:
                finer[_line(first)] = min(event.at, finer.get(_line(first), event.at))
    return finer


def with_finer_stamps(incident: Incident, finer: Mapping[Line, datetime]) -> Incident:
    """The same incident, its timeline with these stamps, and in their order."""
    entries = incident.timeline
    lines = [(entry.raw, entry.event, entry.node, entry.resource) for entry in entries]
    if finer.keys().isdisjoint(lines):
        return incident
    moved = (replace(entry, at=finer.get(line, entry.at)) for entry, line in zip(entries, lines, strict=True))
    return replace(incident, timeline=tuple(sorted(moved, key=attrgetter("at"))))


def _line(event: Event) -> Line:
    entry = entry_of(event)
    return entry.raw, entry.event, entry.node, entry.resource


def _time(value: datetime | None) -> str | None:
    return None if value is None else value.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _entry(entry: TimelineEntry, language: str) -> dict[str, Any]:
    return {
        "at": _time(entry.at),
        "node": entry.node,
        "source": entry.source.value,
        "event": entry.event.value,
        "text": entry_text(entry, language),
        "raw": entry.raw,
    }


def _evidence(item: Evidence, language: str) -> dict[str, Any]:
    return {
        "verdict": item.verdict.value,
        "text": verdict_text(item, language, UTC),
        "by": [_entry(entry, language) for entry in item.by],
        "polled_at": _time(item.polled_at),
    }


def incident_json(incident: Incident, language: str) -> dict[str, Any]:
    """An incident as the contract wants it."""
    cause = incident.cause
    return {
        "key": incident.key,
        "kind": incident.kind.value,
        **({"name": incident.name, "title": headline_what(incident, language)} if incident.name else {}),
        "planned": incident.planned,
        "outcome": incident.outcome.value,
        "severity": incident.severity.value,
        "part_of": incident.part_of,
        "nodes": list(incident.nodes),
        "resources": list(incident.resources),
        "from_node": incident.from_node,
        "to_node": incident.to_node,
        "fenced": list(incident.fenced),
        "started_at": _time(incident.started_at),
        "detected_at": _time(incident.detected_at),
        "service_restored_at": _time(incident.service_restored_at),
        "redundancy_restored_at": _time(incident.redundancy_restored_at),
        "resolved_at": _time(incident.resolved_at),
        "service_down_seconds": incident.service_down_seconds,
        "cause": None
        if cause is None
        else {"kind": cause.kind, "node": cause.node, "resource": cause.resource, "at": _time(cause.at), "text": cause.text},
        "evidence": [_evidence(item, language) for item in incident.evidence],
        "sources": [source.value for source in incident.sources],
        "timeline": [_entry(entry, language) for entry in incident.timeline],
        "next_steps": list(next_steps(incident, language)),
    }


def to_json(analysis: Analysis, language: str) -> dict[str, Any]:
    """The whole answer as one object (contract)."""
    return {
        "cluster": analysis.cluster,
        "inputs": [
            {
                "path": item.name,
                "source": item.source.value,
                "form": item.form,
                "node": item.node,
                "records": item.records,
                "recognised": item.recognised,
                "unrecognised": item.unrecognised,
                "errors": item.errors,
            }
            for item in analysis.inputs
        ],
        "incidents": [incident_json(incident, language) for incident in analysis.incidents],
        "events": list(analysis.events),
    }


def to_text(analysis: Analysis, language: str, timezone: str) -> str:
    """For people: the incidents that stand alone, each with its headline and its story, then what was read."""
    zone = ZoneInfo(timezone)
    main = [incident for incident in analysis.incidents if incident.part_of is None]
    told = [f"{headline(incident, language)}\n\n{story_text(incident, language, zone)}" for incident in main]
    files, lines = str(len(analysis.inputs)), str(sum(item.records for item in analysis.inputs))
    read = [phrase("analysis.read", language, files=files, lines=lines, incidents=str(len(main)))]
    read += [clean(f"{item.name}: {input_problem(error, language)}", 300) for item in analysis.inputs for error in item.errors[:1]]
    return f"\n{'─' * 72}\n\n".join([*told, "\n".join(read)])


def to_report(analysis: Analysis, suffix: str, language: str, timezone: str, written_at: datetime | None = None) -> str:
    """An incident report to hand on: Markdown for the suffix `.md`, else one HTML page."""
    subject = document.Subject(
        cluster=analysis.cluster,
        incidents=analysis.incidents,
        evidence=[
            document.Evidence(name=item.name, form=item.form, node=item.node, records=item.records, problems=tuple(item.errors))
            for item in analysis.inputs
        ],
        polled_at=analysis.polled_at,
        events=analysis.told,
        written_at=written_at,
    )
    return (document.markdown if suffix.lower() == ".md" else document.html)(subject, language, ZoneInfo(timezone))
