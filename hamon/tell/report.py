"""The whole message: a subject and a plain text body, as mail, chat and `hamon analyze` give it."""

from collections.abc import Sequence
from datetime import tzinfo

from hamon.model.incident import Incident, Notice, TimelineEntry, Transition, TransitionKind
from hamon.tell.because import because_text
from hamon.tell.chain import in_causal_order, longest_part
from hamon.tell.evidence import evidence_text
from hamon.tell.headline import cause_text, concerns_redundancy, debt_age, headline, reasons_text, redundancy_text, tagged
from hamon.tell.steps import next_steps
from hamon.tell.timeline import entries_text, most_telling, without_repetition
from hamon.tell.words import clean, duration, phrase

TIMELINE_LIMIT = 40
_CORRECTED = frozenset({"more of it came late", "what came late shows that it was not so"})
_TAKEN_FOR = "taken for "


def report(transition: Transition, language: str, zone: tzinfo) -> tuple[str, str]:
    """Subject and body of one transition; times are local to `zone`."""
    incident = transition.incident
    subject = subject_line(transition, language)
    went_into = f"{phrase('report.went_into', language, incident=clean(incident.part_of, 200))}\n\n" if incident.part_of else ""
    went_into += correction(transition, language)
    reminder = f"{reminder_text(transition, language, zone)}\n\n" if transition.told_as is Notice.REMINDER else ""
    return subject, f"{subject}\n\n{went_into}{reminder}{story(incident, language, zone)}"


def correction(transition: Transition, language: str) -> str:
    """Why it is told otherwise than before: what decides it came late. Empty where nothing is corrected."""
    if transition.incident.part_of or not (transition.reason in _CORRECTED or transition.reason.startswith(_TAKEN_FOR)):
        return ""
    return f"{phrase('report.corrected', language, reason=because_text(transition.reason, language))}\n\n"


def reminder_text(transition: Transition, language: str, zone: tzinfo) -> str:
    """For how long redundancy has been missing, since when, and why."""
    incident = transition.incident
    since = incident.debt_since or incident.detected_at
    form = "planned" if incident.planned else "reduced" if incident.redundancy else "unprotected"
    return phrase(
        f"reminder.{form}",
        language,
        duration=debt_age(incident, transition.at, language),
        since=since.astimezone(zone).strftime("%Y-%m-%d %H:%M"),
        reasons=reasons_text(incident, language),
    )


def subject_line(transition: Transition, language: str) -> str:
    """The headline; of a closing notice with `resolved` for the severity, of an expiry or a part of another with these words."""
    if transition.kind is TransitionKind.EXPIRED:
        return tagged(transition.incident, phrase("state.expired", language), language)
    if transition.incident.part_of:
        return tagged(transition.incident, phrase("headline.tag_part", language), language)
    if transition.notice is Notice.REMINDER:
        return tagged(
            transition.incident,
            phrase("headline.tag_reminder", language, age=debt_age(transition.incident, transition.at, language)),
            language,
        )
    if transition.notice is Notice.CLOSING or transition.kind is TransitionKind.RESOLVED:
        return tagged(transition.incident, phrase("headline.tag_resolved", language), language)
    return headline(transition.incident, language)


def story(incident: Incident, language: str, zone: tzinfo, *, limit: int = TIMELINE_LIMIT) -> str:
    """Everything below the headline: what took longest, cause, redundancy, timeline, next steps, key."""
    entries = without_repetition(in_causal_order(incident.timeline))
    kept = most_telling(entries, limit)
    timeline = entries_text(kept, language, zone)
    if left_out := len(entries) - len(kept):
        timeline += "\n" + phrase("report.left_out", language, count=str(left_out))
    steps = next_steps(incident, language)
    title = f"{phrase('report.timeline', language)} ({phrase('report.times_in', language, zone=_zone_name(incident, zone))})"
    longest = longest_text(incident, entries, language)
    sections = [*([longest] if longest else []), _section("report.cause", cause_text(incident, language), language)]
    if concerns_redundancy(incident):
        sections.append(_section("report.redundancy", redundancy_text(incident, language), language))
    if told := evidence_text(incident, language, zone):
        sections.append(_section("evidence.title", told, language))
    sections += [
        f"{phrase('report.title', language, label=title)}\n{timeline}",
        _section("report.next_steps", "\n".join(f"{number}. {step}" for number, step in enumerate(steps, 1)), language),
    ]
    facts = [
        f"{phrase('report.cluster', language)}: {clean(incident.cluster, 100)}",
        f"{phrase('report.key', language)}: {clean(incident.key, 200)}",
    ]
    if incident.part_of:
        facts.append(f"{phrase('report.part_of', language)}: {clean(incident.part_of, 200)}")
    return "\n\n".join([*sections, "\n".join(facts)]) + "\n"


def longest_text(incident: Incident, entries: Sequence[TimelineEntry], language: str) -> str:
    """What most of the interruption was spent on, as a sentence; empty where no one part outweighs the others."""
    if (longest := longest_part(incident, entries)) is None:
        return ""
    phase, whole = longest
    part = phrase(f"document.phase.{phase.name}", language, duration=duration(phase.seconds, language), whole=duration(whole, language))
    return phrase("report.longest", language, part=part)


def _section(label: str, text: str, language: str) -> str:
    return f"{phrase('report.title', language, label=phrase(label, language))}\n{text}"


def _zone_name(incident: Incident, zone: tzinfo) -> str:
    return getattr(zone, "key", None) or incident.detected_at.astimezone(zone).tzname() or "UTC"
