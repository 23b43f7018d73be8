"""What rules of one's own decide beside the meaning of a line: incidents of their own, and changes of what hamon makes of something.

Pure data: `classify/own.py` applies it. The law: what a file names must exist, and every placeholder must have something to fill it.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from difflib import get_close_matches
from typing import Annotated, Self

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints, model_validator

from hamon.errors import RuleError
from hamon.model.event import EventKind
from hamon.model.incident import IncidentKind, OwnWords, Severity

Scalar = str | int | float | bool | None
Language = str

MAX_TIMES = 100
MAX_STEPS = 20
_LENGTH = re.compile(r"^(\d{1,6}) ?(s|min|m|h|d)$")
_UNITS = {"s": "seconds", "m": "minutes", "min": "minutes", "h": "hours", "d": "days"}
LONGEST = timedelta(days=31)
EVENT_FIELDS = frozenset({"node", "resource", "reporter", "collector", "path", "source", "rule", "kind"})
"""What every event has beside its own fields."""
INCIDENT_FIELDS = frozenset({"kind", "name", "service", "node", "resource", "cause"})
PLACEHOLDER = re.compile(r"\{(\w+)\}")
_ALWAYS_FILLED = EVENT_FIELDS | {"service", "count"}


def _length(value: object) -> timedelta:
    found = _LENGTH.match(value) if isinstance(value, str) else None
    if found is None:
        raise ValueError('must be a length of time such as "90s", "10m", "26h" or "7d"')
    length = timedelta(**{_UNITS[found[2]]: int(found[1])})
    if not timedelta(seconds=1) <= length <= LONGEST:
        raise ValueError(f"must be from 1s to {LONGEST.days}d")
    return length


Length = Annotated[timedelta, BeforeValidator(_length)]
Id = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9-]*$", max_length=64)]
Name = Annotated[str, StringConstraints(min_length=1, max_length=64)]


def each_compiles(value: Mapping[str, str]) -> Mapping[str, str]:
    """Refuse what is no regular expression, naming whose it is."""
    for name, pattern in value.items():
        try:
            re.compile(pattern)
        except re.error as err:
            raise ValueError(f"{name}: not a regular expression: {err}") from err
    return value


Where = Annotated[
    Mapping[Annotated[str, StringConstraints(pattern=r"^\w+$", max_length=64)], Annotated[str, StringConstraints(max_length=2000)]],
    AfterValidator(each_compiles),
]


class WordsEntry(BaseModel):
    """What people read in one language. `{field}` is filled in."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    title: Annotated[str, StringConstraints(min_length=1, max_length=150)]
    text: Annotated[str, StringConstraints(max_length=2000)] = ""
    steps: tuple[Annotated[str, StringConstraints(min_length=1, max_length=500)], ...] = Field(default=(), max_length=MAX_STEPS)


class IncidentEntry(BaseModel):
    """One `[[incident]]` of a file: an incident of one's own, and what opens and ends it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: Id
    opened_by: tuple[Name, ...] = Field(min_length=1, max_length=100)
    """Ids of rules, or kinds of events."""
    where: Where = Field(default_factory=dict)
    """Field of the event -> a regular expression that must be found in it; of what opens it."""
    key: tuple[Name, ...] = Field(default=("node",), max_length=8)
    """Fields that tell one incident from another; none: there is one in the cluster."""
    times: int = Field(default=1, ge=1, le=MAX_TIMES)
    within: Length | None = None
    unless: tuple[Name, ...] = Field(default=(), max_length=100)
    """It opens where none of these follows `within` that time."""
    closed_by: tuple[Name, ...] = Field(default=(), max_length=100)
    expires: Length = timedelta(hours=24)
    severity: Severity = Severity.WARNING
    service: Annotated[str, StringConstraints(max_length=100)] = ""
    """The service that it is about, as people call it."""
    en: WordsEntry | None = None
    ja: WordsEntry | None = None

    @model_validator(mode="after")
    def _is_whole(self) -> Self:
        if self.id in set(IncidentKind):
            raise ValueError(f'"{self.id}" is a kind of hamon\'s own incidents; take another id')
        if self.en is None and self.ja is None:
            raise ValueError('it has no words; give en = { title = "..." }, ja, or both')
        if self.times > 1 and self.unless:
            raise ValueError("times and unless exclude each other; make two incidents of it")
        if (self.times > 1 or self.unless) and self.within is None:
            raise ValueError(f'{"times" if self.times > 1 else "unless"} needs within, such as within = "10m"')
        if self.within is not None and self.times == 1 and not self.unless:
            raise ValueError("within needs times (so many in that time) or unless (nothing of it in that time)")
        return self


class ChangeEntry(BaseModel):
    """One `[[change]]` of a file: something else is made of events, or of incidents, than hamon would."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: Id
    title: Annotated[str, StringConstraints(min_length=1, max_length=200)]
    """What is changed, and why; it stands in the history."""
    events: tuple[Name, ...] = Field(default=(), max_length=100)
    """Ids of rules, or kinds of events."""
    incidents: tuple[Name, ...] = Field(default=(), max_length=100)
    """Kinds of incidents, or ids of one's own."""
    where: Where = Field(default_factory=dict)
    event: EventKind | None = None
    set: Mapping[str, Scalar] = Field(default_factory=dict)
    severity: Severity | None = None
    suppress: bool = False

    @model_validator(mode="after")
    def _is_whole(self) -> Self:
        if bool(self.events) == bool(self.incidents):
            raise ValueError("give either events or incidents: what it changes")
        changes = self.event is not None or bool(self.set) or self.severity is not None
        if not changes and not self.suppress:
            raise ValueError("it changes nothing; give event, set, severity or suppress")
        if changes and self.suppress:
            raise ValueError("what is suppressed cannot be changed as well; take suppress out, or the rest")
        if self.incidents and (self.event is not None or self.set):
            raise ValueError("of incidents only severity and suppress can be changed; event and set are for events")
        if self.incidents and (unknown := sorted(set(self.where) - INCIDENT_FIELDS)):
            raise ValueError(f"where: an incident has no {unknown[0]}; it has {', '.join(sorted(INCIDENT_FIELDS))}")
        return self


Conditions = tuple[tuple[str, re.Pattern[str]], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnIncident:
    """An incident of one's own, ready for use. Names in `opened_by`, `unless`, `closed_by` are ids of rules or kinds of events."""

    id: str
    opened_by: frozenset[str]
    unless: frozenset[str]
    closed_by: frozenset[str]
    conditions: Conditions
    key: tuple[str, ...]
    times: int
    within: timedelta | None
    expires: timedelta
    severity: Severity
    service: str
    words: Mapping[Language, OwnWords]
    file: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """A change, ready for use. `subjects` are ids of rules and kinds of events, or kinds and ids of incidents."""

    id: str
    title: str
    subjects: frozenset[str]
    of_incidents: bool
    conditions: Conditions
    event: EventKind | None
    set: Mapping[str, Scalar]
    severity: Severity | None
    suppress: bool
    file: str


@dataclass(frozen=True, slots=True)
class Own:
    """All of it, in order. `severities`: id of a rule -> severity of the incident that its events open."""

    incidents: tuple[OwnIncident, ...] = ()
    changes: tuple[Change, ...] = ()
    severities: Mapping[str, Severity] = field(default_factory=dict)

    @property
    def is_empty(self) -> bool:
        return not (self.incidents or self.changes or self.severities)


NO_OWN = Own()


def compile_incident(entry: IncidentEntry, file: str) -> OwnIncident:
    told = {"en": entry.en, "ja": entry.ja}
    return OwnIncident(
        id=entry.id,
        opened_by=frozenset(entry.opened_by),
        unless=frozenset(entry.unless),
        # Of what did not come in time the late arrival is the end.
        closed_by=frozenset(entry.closed_by or entry.unless),
        conditions=_conditions(entry.where),
        key=entry.key,
        times=entry.times,
        within=entry.within,
        expires=entry.expires,
        severity=entry.severity,
        service=entry.service,
        words={name: OwnWords(title=words.title, text=words.text, steps=words.steps) for name, words in told.items() if words is not None},
        file=file,
    )


def compile_change(entry: ChangeEntry, file: str) -> Change:
    return Change(
        id=entry.id,
        title=entry.title,
        subjects=frozenset(entry.events or entry.incidents),
        of_incidents=bool(entry.incidents),
        conditions=_conditions(entry.where),
        event=entry.event,
        set=dict(entry.set),
        severity=entry.severity,
        suppress=entry.suppress,
        file=file,
    )


def _conditions(where: Mapping[str, str]) -> Conditions:
    return tuple((name, re.compile(pattern)) for name, pattern in where.items())


def check_names(own: Own, fields: Mapping[str, frozenset[str] | None]) -> None:
    """Hold names and placeholders against what there is. Raises RuleError.

    `fields`: id of a rule -> the fields that its events have; None: not known beforehand, since a reading makes them.
    """
    for incident in own.incidents:
        named = incident.opened_by | incident.unless | incident.closed_by
        _must_exist(incident.file, incident.id, named, [*fields, *EventKind], "no rule and no kind of event is called")
        known = _fields_of(incident.opened_by, fields)
        if known is None:
            continue
        wanted = {"key": incident.key, "where": [name for name, _ in incident.conditions], **_placeholders(incident)}
        for place, names in wanted.items():
            for name in names:
                if name not in known | (_ALWAYS_FILLED if place not in ("key", "where") else EVENT_FIELDS):
                    reason = f'{place}: no event that opens it has a field "{name}"; its rules must capture it (?P<{name}>...) or set it'
                    raise RuleError(incident.file, incident.id, reason + _meant(name, sorted(known | EVENT_FIELDS)))
    ids = [incident.id for incident in own.incidents]
    for change in own.changes:
        if change.of_incidents:
            _must_exist(
                change.file, change.id, change.subjects, [*ids, *IncidentKind], "no kind of incident and no incident of yours is called"
            )
        else:
            _must_exist(change.file, change.id, change.subjects, [*fields, *EventKind], "no rule and no kind of event is called")


def _must_exist(file: str, owner: str, names: Iterable[str], known: Sequence[str], what: str) -> None:
    for name in sorted(set(names) - set(known)):
        raise RuleError(file, owner, f'{what} "{name}"{_meant(name, known)}')


def _meant(name: str, known: Sequence[str]) -> str:
    close = get_close_matches(name, known, 1)
    return f'; did you mean "{close[0]}"?' if close else ""


def _fields_of(openers: Iterable[str], fields: Mapping[str, frozenset[str] | None]) -> frozenset[str] | None:
    found: frozenset[str] = frozenset()
    for name in openers:
        given = fields.get(name)
        if given is None:  # a kind of event, or a rule with a reading
            return None
        found |= given
    return found


def _placeholders(incident: OwnIncident) -> Mapping[str, Sequence[str]]:
    return {
        f"{language}.{name}": PLACEHOLDER.findall(text)
        for language, words in incident.words.items()
        for name, text in (("title", words.title), ("text", words.text), ("steps", "\n".join(words.steps)))
    }
