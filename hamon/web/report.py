"""An incident of the history as a document to hand on: the same as `hamon analyze --report` makes of recorded evidence."""

import re
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta, tzinfo

from hamon.model.event import Event
from hamon.model.incident import Incident, TimelineEntry
from hamon.ports import EventFilter, Store
from hamon.tell import document
from hamon.tell.chain import merged, only_polls
from hamon.tell.witnesses import APART_POLLED

FORMS = {"html": "text/html; charset=utf-8", "md": "text/markdown; charset=utf-8"}
"""Ends of file names, and what they are."""
EVENTS_LIMIT = 3000
"""Events that are looked through for witnesses."""
_LONG = timedelta(hours=2)
"""Of a story that lasts for longer, witnesses are looked for in its beginning."""
_INSTANT = timedelta(microseconds=1)


async def subject_of(
    store: Store, cluster: str, key: str, *, now: Sequence[str] | None = None, written_at: datetime | None = None
) -> document.Subject | None:
    """What the report of an incident is about: the whole that it is part of, with all parts; None: there is no such incident.

    `now` is what is amiss in the cluster now. Raises StoreError.
    """
    found = await store.incident(cluster, key)
    if found is not None and found.part_of is not None:
        found = await store.incident(cluster, found.part_of) or replace(found, part_of=None)
    if found is None:
        return None
    parts = [await store.incident(cluster, part.key) or part for part in await store.parts(cluster, found.key)]
    first = datetime.min.replace(tzinfo=UTC)
    parts.sort(key=lambda part: (part.started_at or first, part.detected_at, part.key))
    return document.Subject(
        cluster=cluster,
        incidents=[found, *parts],
        polled_at=await polled_before(store, found),
        written_at=written_at,
        now=now,
        events=await events_of(store, found.cluster, merged(found, parts)),
    )


async def events_of(store: Store, cluster: str, entries: Sequence[TimelineEntry]) -> list[Event]:
    """The events of the time of a timeline, among which its witnesses are. Raises StoreError."""
    if not entries:
        return []
    begin, end = entries[0].at, max(entry.at for entry in entries)
    near = EventFilter(cluster=cluster, since=begin - APART_POLLED, until=min(end, begin + _LONG) + APART_POLLED, limit=EVENTS_LIMIT)
    return [stored.event for stored in await store.events(near)]


async def polled_before(store: Store, incident: Incident) -> list[datetime]:
    """Where only polls saw an interruption: the answers before its begin and before its end, which are its bounds."""
    end, seconds = incident.service_restored_at, incident.service_down_seconds
    if end is None or seconds is None or not 0 < seconds < 1e8 or not only_polls(incident):
        return []
    found = []
    for at in (end - timedelta(seconds=seconds), end):
        polled = await store.state_at(incident.cluster, at - _INSTANT) if at.year > 1971 else None
        if polled is not None and polled.snapshot is not None:
            found.append(polled.snapshot.status.at)
    return found


def written(subject: document.Subject, form: str, language: str, zone: tzinfo) -> str:
    """The document; `form` is one of FORMS."""
    return (document.markdown if form == "md" else document.html)(subject, language, zone)


def file_name(incident: Incident, form: str) -> str:
    """A name for the file that any system takes: `hamon-pg-20261122-departure-pm01-....html`."""
    day = (incident.started_at or incident.detected_at).astimezone(UTC).strftime("%Y%m%d")
    words = re.sub(r"[^A-Za-z0-9]+", "-", f"{incident.cluster}-{day}-{incident.key}")[:100].strip("-")
    return f"hamon-{words}.{form}"
