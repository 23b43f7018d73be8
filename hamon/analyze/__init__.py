"""`hamon analyze`: recorded evidence to what happened. The same matcher and engine as the gateway, with time taken from the evidence."""

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from hamon.analyze import files
from hamon.analyze.answer import facts_of, finer_stamps, incident_json, to_json, to_report, to_text, with_finer_stamps
from hamon.analyze.evidence import Analysis, Input, NothingReadable, Options, ReadAs
from hamon.analyze.order import is_newest_first, streams_of, to_one_clock, to_one_name
from hamon.analyze.reading import FOREIGN, NO_FORM, polls_of, read, reference_of
from hamon.analyze.traps import recorded_trap
from hamon.analyze.wall_clock import in_the_repeated_hour, over_new_year
from hamon.analyze.zones import other_zone, takes_zone
from hamon.classify.incidents import Engine
from hamon.classify.order import causal_order, with_snapshots
from hamon.classify.settings import ClusterSettings
from hamon.classify.texts import LogMatcher
from hamon.classify.traps import TrapMatcher
from hamon.model.event import Event
from hamon.model.incident import Incident
from hamon.model.observation import Snapshot, Source, Tick
from hamon.rules.schema import RuleSet

__all__ = [
    "Analysis",
    "NothingReadable",
    "Options",
    "ReadAs",
    "analyze",
    "incident_json",
    "recorded_trap",
    "to_json",
    "to_report",
    "to_text",
]


def analyze(paths: Sequence[Path], rules: RuleSet, options: Options, progress: Callable[[int, int], None] | None = None) -> Analysis:
    """Read all evidence and say what happened. Raises NothingReadable."""
    with tempfile.TemporaryDirectory(prefix="hamon-analyze-") as unpacked:
        inputs = [Input(found.path, found.name, problem=found.problem) for found in files.find(paths, Path(unpacked))]
        collections = files.collections(item.name for item in inputs)
        inputs = [item for item in inputs if not files.is_quotation(item.name, collections)]
        kept, polls = _read(inputs, collections, rules, options, progress)
        zone = other_zone(kept, polls, options.timezone)
        if zone is not None:
            fresh = [Input(item.path, item.name, problem=item.problem) for item in inputs]
            kept, polls = _read(fresh, collections, rules, replace(options, timezone=zone.name), None)
            for item in kept:
                if item.wall is not None and item.wall.timezone == zone.name and any(takes_zone(item, event) for event in item.events):
                    item.errors.append(f"its stamps without a zone are of {zone}, as other evidence shows, and not of {options.timezone}")
    if all(map(_is_unreadable, kept)):
        reasons = "; ".join(f"{item.name}: {', '.join(item.errors) or 'nothing in it'}" for item in kept[:5])
        raise NothingReadable(f"nothing readable in the paths given ({reasons or 'no file'})")
    settings = options.settings or ClusterSettings(name=options.cluster or "cluster")
    engine = Engine(settings, own=rules.own)
    events: list[Event] = []
    incidents: dict[str, Incident] = {}
    # Where times are equal the order of the files decides: it must not be that of the arguments.
    canonical = sorted(kept, key=lambda item: (item.source is Source.TRAP, item.node or "", item.form or "", item.name))
    for item in canonical:
        if item.source is Source.LOG and is_newest_first(item.events):
            item.events = [*reversed(item.events)]
    _by_the_wall(canonical, options)
    to_one_name(canonical, polls, engine.state)
    to_one_clock(canonical)
    ordered = list(causal_order(streams_of(canonical)))
    end = max((*(event.at for event in ordered), *(snapshot.status.at for snapshot in polls)), default=None)
    steps: list[Event | Snapshot | Tick] = [*with_snapshots(ordered, polls)]
    if end is not None:
        # Logs say that nothing more is to be done, polls what is; of traps alone only silence tells how it ended.
        hearsay = bool(ordered) and not polls and all(event.source is Source.TRAP for event in ordered)
        over = end + (settings.grace + settings.settle if hearsay else settings.membership)
        steps.append(Tick(now=max(over, options.until or over)))
    advance = engine.advance(steps)
    events = list(advance.events)
    for transition in advance.transitions:
        incidents[transition.incident.key] = transition.incident
    found = sorted(incidents.values(), key=lambda item: (item.started_at or datetime.min.replace(tzinfo=UTC), item.detected_at, item.key))
    finer = finer_stamps(events)
    return Analysis(
        cluster=options.cluster,
        inputs=kept,
        incidents=[with_finer_stamps(incident, finer) for incident in found],
        events=facts_of(events, finer),
        facts=[event for event in events if not event.witness],
        polled_at=sorted(poll.status.at for poll in polls),
        transitions=advance.transitions,
        told=events,
    )


def _read(
    inputs: Sequence[Input], collections: tuple[str, ...], rules: RuleSet, options: Options, progress: Callable[[int, int], None] | None
) -> tuple[list[Input], list[Snapshot]]:
    """Read all files; those that are evidence, and the polls."""
    reference = reference_of(inputs)
    matcher, trap_matcher = LogMatcher(rules, options.year), TrapMatcher(rules)
    total, done = sum(files.size(item.path) for item in inputs), 0
    no_evidence = [[reason] for reason in (NO_FORM, *(reason for _, reason in FOREIGN))]
    kept: list[Input] = []
    for item in inputs:
        read(item, matcher, trap_matcher, options, reference)
        done += files.size(item.path)
        if progress is not None:
            progress(done, total)
        if (item.form == "empty" or item.errors in no_evidence) and item.name.startswith(collections):
            continue  # of a crm report or a sosreport most is no evidence
        if item.source in options.sources or item.form == "empty":
            kept.append(item)
    return kept, polls_of([item for item in kept if item.source is Source.POLL and item.form is not None], options)


def _is_unreadable(item: Input) -> bool:
    """Whether nothing of it could be read; a log that ends before its time may hold lines that no rule knows."""
    return item.form is None or (bool(item.errors) and not (item.records if item.source is Source.LOG else item.recognised))


def _by_the_wall(items: Sequence[Input], options: Options) -> None:
    """Let the order of the lines tell what their stamps leave open."""
    logs = [(item, item.wall) for item in items if item.wall is not None]
    for item, wall in logs:
        item.events = in_the_repeated_hour(item.events, wall)
    if options.year is not None:
        for (item, _), events in zip(logs, over_new_year([(item.events, wall) for item, wall in logs], options.year), strict=True):
            item.events = events
