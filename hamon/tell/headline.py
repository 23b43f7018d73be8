"""The first line of an incident, and the short sentences about its cause and about redundancy."""

import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime

from hamon.model.event import EventKind
from hamon.model.incident import QUORUM_DEVICE, Cause, Incident, IncidentKind, IncidentState, Outcome, TimelineEntry
from hamon.tell.because import because_text
from hamon.tell.sources import source_reason
from hamon.tell.timeline import STAMP, entry_text
from hamon.tell.words import clean, duration, has, kind_name, listed, name, own_words, phrase, route, severity_name

HEADLINE_LIMIT = 200

# What Pacemaker appends for its developers.
_EXTENDED = re.compile(r"\s?\| .*$", re.DOTALL)

_MOVES = frozenset({IncidentKind.FAILOVER, IncidentKind.SWITCHOVER})
_OF_SERVICES = _MOVES | {IncidentKind.SERVICE_DOWN, IncidentKind.STANDBY_FAULT}
# Kinds that say no more than the first event of their story does.
_PLAIN_CAUSES = frozenset(
    str(kind)
    for kind in (
        IncidentKind.RESOURCE_FAILURE,
        IncidentKind.LOCAL_RECOVERY,
        IncidentKind.STOP_FAILED,
        IncidentKind.NODE_LOST,
        IncidentKind.FENCING,
        IncidentKind.FENCING_FAILED,
        IncidentKind.DAEMON_FAILED,
        IncidentKind.QUORUM_LOST,
    )
)
# What an operator does before a planned move, in the order in which it tells most.
_MARKS = (
    EventKind.STANDBY_ON,
    EventKind.MOVE_CONSTRAINT_SET,
    EventKind.SHUTDOWN_REQUESTED,
    EventKind.TARGET_ROLE_CHANGED,
    EventKind.TICKET_CHANGED,
)
_ASKED_WHETHER_PLANNED = _OF_SERVICES - {IncidentKind.SWITCHOVER} | {IncidentKind.NODE_LOST}


def headline(incident: Incident, language: str) -> str:
    """`[severity] cluster: summary`, one line of at most 200 characters."""
    return tagged(incident, severity_name(incident.severity, language), language)


def tagged(incident: Incident, tag: str, language: str) -> str:
    """The headline with another word in front, such as that of the notice."""
    return clean(f"[{tag}] {clean(incident.cluster, 60)}: {summary(incident, language)}", HEADLINE_LIMIT)


def summary(incident: Incident, language: str) -> str:
    """The headline without severity and cluster, for where those are already seen."""
    text = what(incident, language)
    for part in (down_text(incident, language), protection_text(incident, language)):
        if part:
            text = phrase("headline.part", language, before=text, part=part)
    return clean(text, HEADLINE_LIMIT)


def what(incident: Incident, language: str) -> str:
    """What happened, from where to where, and whether it was planned; no more than that."""
    if (own := own_words(incident, language)) is not None:
        text = own.title
    else:
        text = phrase(_variant(incident), language, **_values(incident, language)) + planned_text(incident, language)
    if incident.flaps:
        text = phrase("headline.flapping", language, what=text, count=str(incident.flaps))
    return clean(text, HEADLINE_LIMIT)


def planned_text(incident: Incident, language: str) -> str:
    """` (planned)` or its like, for the kinds of which people ask it; else empty."""
    if incident.planned:
        return phrase("headline.planned", language)
    if incident.kind not in _ASKED_WHETHER_PLANNED:
        return ""
    return phrase("headline.unplanned" if incident.planned is False else "headline.planned_unknown", language)


def is_down(incident: Incident) -> bool:
    """Whether the service stands still now, as far as the incident tells."""
    if incident.state is not IncidentState.OPEN or incident.service_restored_at is not None:
        return False
    return incident.kind is IncidentKind.SERVICE_DOWN or (incident.kind in _MOVES and incident.outcome is Outcome.FAILED)


def down_text(incident: Incident, language: str) -> str:
    """For how long the service was down; empty when the incident does not tell."""
    if incident.kind in _MOVES and is_down(incident):
        return phrase("headline.down_now", language)
    seconds = incident.service_down_seconds
    if seconds is None:
        return ""
    if seconds > 0:
        return phrase("headline.down", language, duration=duration(seconds, language))
    return phrase("headline.not_interrupted", language) if incident.outcome is Outcome.SUCCEEDED else ""


def protection_text(incident: Incident, language: str) -> str:
    """Whether the service is protected again, in a few words; empty where nobody asks."""
    moving = incident.kind in _MOVES and incident.outcome is not Outcome.SUCCEEDED
    if moving or is_down(incident):
        return ""
    if incident.redundancy is False:
        because = _short_reasons(incident, language)
        return phrase("headline.not_protected_because" if because else "headline.not_protected", language, reasons=because)
    if incident.kind not in _OF_SERVICES:
        return ""
    if incident.redundancy is None:
        return phrase("headline.protection_unknown", language) if incident.kind is IncidentKind.FAILOVER else ""
    again = incident.redundancy_restored_at is not None or incident.state is IncidentState.RESOLVED
    return phrase("headline.protected_again" if again else "headline.still_protected", language)


def debt_age(incident: Incident, now: datetime, language: str) -> str:
    """For how long redundancy has been missing, in one or two units."""
    since = incident.debt_since or incident.started_at or incident.detected_at
    return duration(max(0.0, (now - since).total_seconds()), language)


_NODE_UNABLE = "headline.node_unable"


def unable_nodes(incident: Incident) -> tuple[str, ...]:
    """The nodes that cannot take over, as far as the reasons name them."""
    known = {*incident.nodes, *incident.fenced, incident.from_node, incident.to_node} - {None}
    found = []
    for reason in incident.reasons:
        words = reason.split()
        if len(words) > 1 and has(f"reason.{words[0]}", "en"):
            found.append(words[1])
        elif reason in known:
            found.append(reason)
    return tuple(dict.fromkeys(found))


def reasons_text(incident: Incident, language: str) -> str:
    """Why redundancy is missing, each reason in a few words; empty when none is known."""
    told = [_reason(reason, incident, language) for reason in dict.fromkeys(incident.reasons)]
    return listed(told, language, 4) or ""


def reason_text(reason: str, language: str) -> str | None:
    """Words for a reason of the form `reason node [subject]`; None for any other."""
    word, _, rest = reason.strip().partition(" ")
    node, _, about = rest.partition(" ")
    if node and has(f"reason.{word}", language):
        return phrase(f"reason.{word}", language, node=name(node), subject=name(about))
    return None


def _reason(reason: str, incident: Incident, language: str) -> str:
    """Words for one reason: the engine's `reason node [subject]`, the name of a node or resource, or words that stand for themselves."""
    if (told := reason_text(reason, language)) is not None:
        return told
    if reason in incident.resources and reason not in incident.nodes:
        return phrase("headline.resource_broken", language, names=name(reason))
    if reason in unable_nodes(incident):
        return phrase(_NODE_UNABLE, language, names=name(reason))
    return clean(reason, 60)


def _short_reasons(incident: Incident, language: str) -> str:
    """For the headline: the nodes that cannot take over, else whatever is known."""
    # A headline that already says "standby pm02 cannot take over" need not say it twice.
    said = set(incident.nodes) if incident.kind is IncidentKind.STANDBY_FAULT else set()
    unable = unable_nodes(incident)
    if unable:
        names = listed([node for node in unable if node not in said], language)
        return phrase(_NODE_UNABLE, language, names=names) if names else ""
    return reasons_text(incident, language)


def cause_text(incident: Incident, language: str) -> str:
    """What failed first, where, and the evidence: a sentence where the timeline has the event, else the text of the line."""
    own = own_words(incident, language)
    if own is not None and own.text:
        return phrase("cause.with_text", language, known=clean(own.text, 2000), text=_first_cause(incident, language))
    return _first_cause(incident, language)


def _first_cause(incident: Incident, language: str) -> str:
    cause = incident.cause
    if cause is None:
        if not incident.planned:
            return phrase("cause.unknown", language)
        mark = next((entry for kind in _MARKS for entry in incident.timeline if entry.event is kind), None)
        return phrase("cause.asked", language, sentence=entry_text(mark, language)) if mark else phrase("cause.unknown_planned", language)
    if (evidence := _evidence(cause, incident)) is not None:
        sentence = entry_text(evidence, language)
        plain = cause.kind in _PLAIN_CAUSES or cause.kind in set(EventKind)
        return sentence if plain else phrase("cause.with_sentence", language, kind=kind_name(cause.kind, language), sentence=sentence)
    known = phrase("cause.known", language, kind=kind_name(cause.kind, language), resource=name(cause.resource), node=name(cause.node))
    text, stamps = STAMP.subn("", cause.text[:2000], count=1)
    text = source_reason(text, language) if cause.kind == EventKind.SOURCE_LOST else because_text(text, language)
    text = clean(_EXTENDED.sub("", text) if stamps else text, 500)
    return phrase("cause.with_text", language, known=known, text=text) if text else known


def _evidence(cause: Cause, incident: Incident) -> TimelineEntry | None:
    """The event of the timeline that the cause was taken from."""
    same = (entry for entry in incident.timeline if entry.event is not EventKind.UNCLASSIFIED and entry.raw and entry.raw == cause.text)
    found = next(same, None)
    return replace(cause.entry, raw=cause.text) if found is None and cause.entry is not None else found


def redundancy_text(incident: Incident, language: str) -> str:
    """A sentence on whether another node could take over now."""
    if is_down(incident):
        return phrase("redundancy.down", language)
    if incident.redundancy is None:
        return phrase("redundancy.unknown", language)
    if incident.redundancy:
        return phrase("redundancy.protected", language)
    because = reasons_text(incident, language)
    if not because and incident.kind is IncidentKind.STANDBY_FAULT and (unable := listed(incident.nodes, language)):
        because = phrase("headline.node_unable", language, names=unable)
    if not because:
        return phrase("redundancy.not_protected_bare", language)
    return phrase("redundancy.not_protected", language, reasons=because)


def concerns_redundancy(incident: Incident) -> bool:
    """Whether a sentence on redundancy belongs to the story: not to that of a link, nor to a move of which nobody knows yet how it ends."""
    under_way = incident.kind in _MOVES and incident.outcome is not Outcome.SUCCEEDED and not is_down(incident)
    return incident.redundancy is not None or (incident.kind in _OF_SERVICES and not under_way)


def _variant(incident: Incident) -> str:
    if incident.kind in _MOVES:
        match incident.outcome:
            case Outcome.SUCCEEDED | Outcome.FAILED:
                return f"headline.{incident.kind}.{incident.outcome}"
            case Outcome.ONGOING:
                return f"headline.{incident.kind}.ongoing"
            case Outcome.NONE:
                return f"headline.{incident.kind}.{'ongoing' if incident.state is IncidentState.OPEN else 'succeeded'}"
    done = incident.state is not IncidentState.OPEN or incident.outcome is Outcome.SUCCEEDED
    if incident.kind is IncidentKind.DC_CHANGED and not incident.nodes:
        return f"headline.dc_changed.{'found' if done else 'none'}"
    if incident.kind is IncidentKind.INTERCONNECT_DEGRADED and QUORUM_DEVICE in incident.resources:
        return f"headline.quorum_device.{'closed' if done else 'open'}"
    if done and incident.kind is IncidentKind.FENCING and not incident.fenced and incident.outcome is not Outcome.SUCCEEDED:
        return "headline.fencing.vain"
    return f"headline.{incident.kind}.{'closed' if done else 'open'}"


def subject(incident: Incident, language: str) -> str:
    """`service grpPg`, `services a, b`, or the resources where no service is known."""
    for names, one, many in ((incident.services, "service", "services"), (incident.resources, "resource", "resources")):
        if text := listed(names, language):
            return phrase(f"subject.{one if len(names) == 1 else many}", language, names=text)
    return phrase("subject.unknown", language)


def _values(incident: Incident, language: str) -> Mapping[str, str | None]:
    nodes = listed(incident.nodes, language)
    resources = listed(incident.resources, language)
    distinct = list(dict.fromkeys(incident.nodes))
    cause = incident.cause
    return {
        "subject": subject(incident, language),
        "subject_known": subject(incident, language) if incident.services or incident.resources else None,
        "route": route(incident.from_node, incident.to_node, language),
        "to": name(incident.to_node) or (nodes if len(distinct) == 1 else None),
        "node": nodes,
        "the_node": phrase("subject.nodes" if len(distinct) > 1 else "subject.node", language, names=nodes)
        if nodes
        else phrase("subject.unknown_node", language),
        "pair": phrase("subject.pair", language, first=name(distinct[0]), second=name(distinct[1])) if len(distinct) == 2 else None,
        "single": nodes if len(distinct) != 2 else None,
        "resource": resources or phrase("subject.unknown_resource", language),
        "resource_known": resources,
        "cause": phrase("cause.short", language, kind=kind_name(cause.kind, language), resource=name(cause.resource)) if cause else None,
    }


def variants(kind: IncidentKind) -> tuple[str, ...]:
    """The keys of all headlines that a kind may need."""
    words = ("succeeded", "ongoing", "failed") if kind in _MOVES else ("open", "closed")
    return tuple(f"headline.{kind}.{word}" for word in words if has(f"headline.{kind}.{word}", "en"))
