"""Why an incident is held to be what it is, in words: each verdict with the events that decided it."""

from datetime import datetime, tzinfo

from hamon.model.incident import Evidence, Incident, TimelineEntry
from hamon.tell.timeline import entry_text
from hamon.tell.words import clean, phrase

RAW_LIMIT = 200
"""Characters of the original line below its words."""


def verdict_text(item: Evidence, language: str, zone: tzinfo) -> str:
    """The verdict in one sentence without a full stop; with the poll where only that showed it."""
    text = phrase(f"evidence.{item.verdict}", language)
    return phrase("evidence.by_poll", language, text=text, time=_time(item.polled_at, zone)) if item.polled_at is not None else text


def decider_text(entry: TimelineEntry, language: str, zone: tzinfo) -> str:
    """When, where and by what kind of source an event told that decided a verdict, and its words."""
    return phrase(
        "evidence.entry",
        language,
        time=_time(entry.at, zone),
        node=clean(entry.node or "", 60),
        source=phrase(f"source.{entry.source}", language),
        text=entry_text(entry, language, with_node=False),
    )


def evidence_text(incident: Incident, language: str, zone: tzinfo) -> str:
    """All verdicts as plain text, each with its events and their original lines below; empty where there is none."""
    told: list[str] = []
    for item in incident.evidence:
        told.append(f"- {verdict_text(item, language, zone)}")
        for entry in item.by:
            told.append(f"    {decider_text(entry, language, zone)}")
            if entry.raw:
                told.append(f"      {clean(entry.raw, RAW_LIMIT)}")
    return "\n".join(told)


def _time(at: datetime, zone: tzinfo) -> str:
    return at.astimezone(zone).strftime("%Y-%m-%d %H:%M:%S")
