"""The timeline in words: one line an event, gaps made visible, cut down to what tells most."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, tzinfo

from hamon.model.event import EventKind
from hamon.model.incident import Incident, TimelineEntry
from hamon.tell.because import because_text
from hamon.tell.chain import known_gap
from hamon.tell.sources import source_reason
from hamon.tell.words import clean, duration, fill, has, phrase, raw, route

GAP_SECONDS = 3.0
"""Silence from this length on is shown as a gap."""

ENTRY_LIMIT = 300

# A client of the fencer is named with its process id.
_PID = re.compile(r"\.\d+$")

_LITTLE = frozenset(
    {
        EventKind.STATE_CHANGED,
        EventKind.OPERATION_STARTED,
        EventKind.OPERATION_SUCCEEDED,
        EventKind.TRANSITION_ENDED,
        EventKind.MEMBERSHIP_CHANGED,
        EventKind.DAEMON_STARTED,
        EventKind.DAEMON_STOPPED,
        EventKind.OLD_FAILURE,
        EventKind.FAIL_COUNT_CHANGED,
        EventKind.SCHEDULING_PAUSE,
        EventKind.FENCE_DEVICE_KNOWN,
        EventKind.FENCING_ATTEMPTED,
        EventKind.DC_CHANGED,
        EventKind.ATTRIBUTES_REMOVED,
    }
)
MUCH = frozenset(
    {
        EventKind.OPERATION_FAILED,
        EventKind.NODE_LOST,
        EventKind.NODE_LEFT,
        EventKind.NODE_UNCLEAN,
        EventKind.SHUTDOWN_REQUESTED,
        EventKind.STANDBY_ON,
        EventKind.MAINTENANCE_ON,
        EventKind.DAEMON_DIED,
        EventKind.DAEMON_GAVE_UP,
        EventKind.FENCING_DONE,
        EventKind.FENCING_FAILED,
        EventKind.FENCING_REQUESTED,
        EventKind.RESOURCE_PROMOTED,
        EventKind.RESOURCE_BLOCKED,
        EventKind.THRESHOLD_REACHED,
        EventKind.NETWORK_UNREACHABLE,
        EventKind.DISK_ERROR,
        EventKind.REPLICA_LOST,
        EventKind.HOST_ERROR,
        EventKind.AGENT_ERROR,
        EventKind.QUORUM_DEVICE_LOST,
        EventKind.QUORUM_LOST,
        EventKind.LINK_DOWN,
        EventKind.FAILOVER_STARTED,
        EventKind.FAILOVER_DONE,
        EventKind.FAILOVER_FAILED_HINT,
        EventKind.MOVE_CONSTRAINT_SET,
        EventKind.NODE_JOINED,
        EventKind.CLEANUP,
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One line of a timeline: the entry, and how long nothing happened before it (0 below `GAP_SECONDS`)."""

    entry: TimelineEntry
    gap_seconds: float


# What stands before the message in a log line: when, host, daemon, pid, function, level. The timeline keeps the whole line.
STAMP = re.compile(
    r"^(?:[A-Z][a-z]{2} +\d{1,2}|\d{4}-\d\d-\d\dT?) ?[\d:.,+Z-]* +"
    r"(?:\S{1,255} +[\w.-]{1,64}(?:\([^)]{0,99}\))? *\[ *\d+\]:?|\[\d+\] +\S{1,255} +[\w.-]{1,64}:?)\s+"
    r"(?:\(\w[^)]{0,99}\)\s*)?(?:(?i:notice|warning|error|info|crit|debug)\b:?\s*)?(?:\[[A-Z]{2,8} *\] *)?"
)


_COUNTING = frozenset({EventKind.THRESHOLD_REACHED, EventKind.FAIL_COUNT_CHANGED})
_INFINITE = "1000000"
"""So Pacemaker counts a failure after which nothing is tried any more, and so it writes a threshold that is never reached."""


def entry_text(entry: TimelineEntry, language: str, *, with_node: bool = True) -> str:
    """Short words for one entry, with its own fields; the node is left out where a column already shows it."""
    values: dict[str, str | None] = {key: _shown(value) for key, value in entry.detail.items()}
    # What is set for the whole cluster is not about the node whose log tells of it.
    values["node"] = clean(entry.node, 60) if entry.node and entry.detail.get("name") != "maintenance-mode" else None
    values["resource"] = clean(entry.resource, 60) if entry.resource else None
    if entry.event in (EventKind.SOURCE_LOST, EventKind.SOURCE_BACK) and values.get("reason"):
        values["reason"] = clean(source_reason(str(entry.detail["reason"]), language), 160)
    values["node_also"] = values["node"] if with_node else None
    if entry.event is EventKind.REPORTED and not values.get("text"):
        values["text"] = clean(STAMP.sub("", entry.raw, count=1), ENTRY_LIMIT)
    if entry.event in _COUNTING:
        values |= {key: "INFINITY" for key in ("count", "threshold", "value", "old") if values.get(key) == _INFINITE}
    rc = values.get("rc")
    values["rc_word"] = phrase(f"rc.{rc}", language) if rc is not None and has(f"rc.{rc}", language) else None
    if entry.event is EventKind.OPERATION_FAILED:
        _without_repeats(values)
    status = values.get("status")
    values["status_word"] = phrase(f"execution.{status}", language) if status and has(f"execution.{status}", language) else status
    if client := values.get("client"):
        values["client"] = _PID.sub("", client)
    action = values.get("action")
    values["action_word"] = phrase(f"action.{action.lower()}", language) if action and has(f"action.{action.lower()}", language) else action
    if values["action_word"] is None:
        values["action_word"] = "?"
    start, end = values.get("from"), values.get("to")
    if entry.event is EventKind.PLAN and (start is None or end is None or start == end):
        values["where"] = start or end
    else:
        values["route"] = route(start, end, language)
    if entry.event is EventKind.FENCING_FAILED and values.get("reason"):
        values["reason"] = because_text(str(entry.detail["reason"]), language)
    if entry.event is EventKind.RECORDS_REFUSED:
        what = f"record.{values.get('what')}"
        values["what_word"] = phrase(what, language) if has(what, language) else "?"
    values["hindered"] = next((flag for flag in ("blocked", "unmanaged") if entry.detail.get(flag)), None)
    missing = {key: phrase(f"missing.{key}", language) for key in ("resource", "node", "daemon", "operation", "attribute", "to")}
    return clean(fill(raw(f"entry.{_words_for(entry)}", language), values, missing), ENTRY_LIMIT)


def _words_for(entry: TimelineEntry) -> str:
    """The key of the words: some kinds of events are told in two ways."""
    if entry.event is EventKind.FAIL_COUNT_CHANGED and _counts_up(entry):
        return "fail_count_counted"
    if entry.event is EventKind.NODE_LOST and entry.detail.get("node_ids") and entry.node in entry.reported_by:
        return "node_lost_by_number"  # nobody reports its own loss: the node is that which tells it
    if entry.event is EventKind.STANDBY_ON and entry.detail.get("repeats"):
        return "standby_goes_on"
    if entry.event is EventKind.PLAN and entry.detail.get("action") == "End":
        return "plan_end"
    if entry.event is EventKind.RECORDS_REFUSED and entry.detail.get("records") == 1:
        return "records_refused_one"
    if entry.event is EventKind.TICKET_CHANGED and entry.detail.get("granted"):
        return "ticket_granted"
    if entry.event is EventKind.TICKET_CHANGED and entry.detail.get("lost"):
        return "ticket_lost"
    return entry.event


def _counts_up(entry: TimelineEntry) -> bool:
    """Whether the line tells that a failure is counted, without the count that comes of it."""
    return entry.detail.get("value") is None and entry.detail.get("update") not in (None, "", "0")


def _without_repeats(values: dict[str, str | None]) -> None:
    """A reason that only repeats what rc or status already say is no news."""
    reason = (values.get("reason") or "").lower()
    if reason in {"", "error", (values.get("status") or "").lower(), (values.get("rc_word") or "").lower()}:
        values["reason"] = None
    # A timeout has rc 1 or none in the logs; that it timed out is the telling part.
    if (values.get("status") or "").lower() in {"timed out", "timeout", "not installed"}:
        values["rc_word"] = None


def _shown(value: str | int | float | bool | None) -> str | None:
    if value is None or value == "":
        return None
    return str(value).lower() if isinstance(value, bool) else clean(str(value), 160) or None


def lines(entries: Sequence[TimelineEntry]) -> Iterator[Line]:
    """The entries with the silence before each."""
    before: datetime | None = None
    for entry in entries:
        gap = (entry.at - before).total_seconds() if before else 0.0
        yield Line(entry=entry, gap_seconds=gap if gap >= GAP_SECONDS else 0.0)
        before = entry.at if before is None else max(before, entry.at)


def without_repetition(entries: Sequence[TimelineEntry]) -> tuple[TimelineEntry, ...]:
    """The entries without those that say what another one says: an operation that begins and ends at once, the first monitor after a start,
    attempts of a fencing that was done, a failure that is counted, and lines with the same words in a row. The first always stays."""
    kept: list[TimelineEntry] = []
    for number, entry in enumerate(entries):
        if number and (_told_later(entry, entries[number + 1 :]) or _told_before(entry, entries[:number])):
            continue
        kept.append(entry)
    return tuple(kept)


_ENDS = frozenset(
    {
        EventKind.RESOURCE_STARTED,
        EventKind.RESOURCE_STOPPED,
        EventKind.RESOURCE_PROMOTED,
        EventKind.RESOURCE_DEMOTED,
        EventKind.RESOURCE_MIGRATED,
        EventKind.OPERATION_SUCCEEDED,
        EventKind.OPERATION_FAILED,
    }
)
_OPERATIONS = _ENDS | {EventKind.OPERATION_STARTED}


def _told_later(entry: TimelineEntry, later: Sequence[TimelineEntry]) -> bool:
    """Whether what follows says the same and more."""
    same = (other for other in later if (other.node, other.resource) == (entry.node, entry.resource))
    match entry.event:
        case EventKind.OPERATION_STARTED:
            end = next((other for other in same if other.event in _ENDS), None)
            return end is not None and abs((end.at - entry.at).total_seconds()) < GAP_SECONDS
        case EventKind.FENCING_ATTEMPTED:
            return any(other.event is EventKind.FENCING_DONE for other in same)
        case EventKind.FAIL_COUNT_CHANGED if _counts_up(entry):
            return any(other.event is EventKind.FAIL_COUNT_CHANGED and not _counts_up(other) for other in same)
        case _:
            return False


def _told_before(entry: TimelineEntry, before: Sequence[TimelineEntry]) -> bool:
    """Whether what was told already says the same."""
    if entry.event is EventKind.OPERATION_SUCCEEDED and entry.detail.get("operation") == "monitor":
        same = (other for other in reversed(before) if (other.node, other.resource) == (entry.node, entry.resource))
        last = next((other for other in same if other.event is not EventKind.OPERATION_STARTED), None)
        return last is not None and last.event in (EventKind.RESOURCE_STARTED, EventKind.RESOURCE_PROMOTED)
    if entry.event is EventKind.STANDBY_ON and entry.detail.get("repeats"):
        ends = (EventKind.STANDBY_ON, EventKind.STANDBY_OFF)
        last = next((other for other in reversed(before) if other.node == entry.node and other.event in ends), None)
        return last is not None and last.event is EventKind.STANDBY_ON
    if entry.event is EventKind.FENCING_ATTEMPTED:
        ends = (EventKind.FENCING_DONE, EventKind.FENCING_REQUESTED)
        last = next((other for other in reversed(before) if other.node == entry.node and other.event in ends), None)
        return last is not None and last.event is EventKind.FENCING_DONE
    if entry.event is EventKind.ATTRIBUTES_REMOVED:
        return any(other.event is EventKind.NODE_LOST and other.node == entry.node for other in before)
    if entry.event in _OPERATIONS:
        return False
    for other in reversed(before):
        if other.event is not entry.event:
            return False
        if other.node == entry.node and entry_text(other, "en") == entry_text(entry, "en"):
            return True
    return False


def most_telling(entries: Sequence[TimelineEntry], limit: int) -> tuple[TimelineEntry, ...]:
    """At most `limit` entries, in their order: first and last always, then what tells most."""
    if len(entries) <= limit:
        return tuple(entries)
    last = len(entries) - 1

    def weight(index: int) -> tuple[int, int]:
        kind = entries[index].event
        rank = 0 if index in (0, last) else 1 if kind in MUCH else 3 if kind in _LITTLE else 2
        return rank, index

    kept = sorted(sorted(range(len(entries)), key=weight)[:limit])
    return tuple(entries[index] for index in kept)


def timeline_text(incident: Incident, language: str, zone: tzinfo) -> str:
    """All entries as plain text: local time, node, words; a line with the date whenever it changes."""
    return entries_text(incident.timeline, language, zone)


def entries_text(entries: Sequence[TimelineEntry], language: str, zone: tzinfo) -> str:
    """The same of these entries; of a silence why it was, where the entries tell it."""
    if not entries:
        return phrase("report.no_timeline", language)
    width = min(max(len(clean(entry.node or "", 24)) for entry in entries), 24)
    text: list[str] = []
    date = None
    for number, line in enumerate(lines(entries)):
        at = line.entry.at.astimezone(zone)
        if line.gap_seconds:
            why = known_gap(entries[:number], line.entry, language)
            text.append(" " * 14 + phrase("report.gap", language, duration=duration(line.gap_seconds, language), why=why))
        if at.date() != date:
            date = at.date()
            text.append(date.isoformat())
        node = clean(line.entry.node or "", 24)
        text.append(f"{at:%H:%M:%S}.{at.microsecond // 1000:03d}  {node:<{width}}  {entry_text(line.entry, language, with_node=False)}")
    return "\n".join(text)
