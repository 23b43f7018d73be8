"""Words for people, pure: headline, cause, timeline and next steps, in English and Japanese.

The law: any incident, with any field missing, gives words; every line of them is printable, and the first line is bounded.
"""

from hamon.tell.because import because_text
from hamon.tell.evidence import evidence_text, verdict_text
from hamon.tell.headline import (
    cause_text,
    concerns_redundancy,
    debt_age,
    headline,
    is_down,
    reason_text,
    reasons_text,
    redundancy_text,
    summary,
    what,
)
from hamon.tell.reading import input_problem
from hamon.tell.report import report, story
from hamon.tell.sources import source_reason
from hamon.tell.steps import NextStep, next_steps, procedure, steps
from hamon.tell.timeline import MUCH, entry_text, lines, most_telling, timeline_text, without_repetition
from hamon.tell.undelivered import delivery_error
from hamon.tell.words import (
    LANGUAGES,
    clean,
    duration,
    kind_name,
    listed,
    phrase,
)

__all__ = [
    "LANGUAGES",
    "MUCH",
    "NextStep",
    "because_text",
    "cause_text",
    "clean",
    "concerns_redundancy",
    "debt_age",
    "delivery_error",
    "duration",
    "entry_text",
    "evidence_text",
    "headline",
    "input_problem",
    "is_down",
    "kind_name",
    "lines",
    "listed",
    "most_telling",
    "next_steps",
    "phrase",
    "procedure",
    "reason_text",
    "reasons_text",
    "redundancy_text",
    "report",
    "source_reason",
    "steps",
    "story",
    "summary",
    "timeline_text",
    "verdict_text",
    "what",
    "without_repetition",
]
