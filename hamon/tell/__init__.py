"""Words for people, pure: headline, cause, timeline and next steps, in English and Japanese.

The law: any incident, with any field missing, gives words; every line of them is printable, and the first line is bounded.
"""

from hamon.tell.evidence import decider_text, evidence_text, verdict_text
from hamon.tell.headline import (
    cause_text,
    concerns_redundancy,
    debt_age,
    down_text,
    headline,
    is_down,
    planned_text,
    protection_text,
    reason_text,
    reasons_text,
    redundancy_text,
    subject,
    summary,
    tagged,
    what,
)
from hamon.tell.report import report, story, subject_line
from hamon.tell.sources import source_reason
from hamon.tell.steps import NextStep, next_steps, procedure, steps
from hamon.tell.timeline import GAP_SECONDS, MUCH, Line, entry_text, lines, most_telling, timeline_text, without_repetition
from hamon.tell.words import (
    LANGUAGES,
    clean,
    duration,
    event_name,
    has,
    incident_name,
    kind_name,
    listed,
    phrase,
    route,
    severity_name,
)

__all__ = [
    "GAP_SECONDS",
    "LANGUAGES",
    "MUCH",
    "Line",
    "NextStep",
    "cause_text",
    "clean",
    "concerns_redundancy",
    "debt_age",
    "decider_text",
    "down_text",
    "duration",
    "entry_text",
    "event_name",
    "evidence_text",
    "has",
    "headline",
    "incident_name",
    "is_down",
    "kind_name",
    "lines",
    "listed",
    "most_telling",
    "next_steps",
    "phrase",
    "planned_text",
    "procedure",
    "protection_text",
    "reason_text",
    "reasons_text",
    "redundancy_text",
    "report",
    "route",
    "severity_name",
    "source_reason",
    "steps",
    "story",
    "subject",
    "subject_line",
    "summary",
    "tagged",
    "timeline_text",
    "verdict_text",
    "what",
    "without_repetition",
]
