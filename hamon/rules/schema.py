"""The form of a rule file, and a rule as the matcher uses it."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, field_validator

from hamon.errors import RuleError
from hamon.model.event import EventKind
from hamon.model.incident import Severity
from hamon.model.mib import NOTIFICATIONS, OBJECT_NUMBERS
from hamon.rules.own import NO_OWN, ChangeEntry, IncidentEntry, Own, each_compiles

Scalar = str | int | float | bool | None

_NOTIFICATION = r"^(?:[A-Za-z][A-Za-z0-9-]*|\d+(?:\.\d+)+(?:\.\*)?)$"
_OBJECT = r"^(?:[A-Za-z][A-Za-z0-9-]*|\d+(?:\.\d+)+)$"


AGENT = "resource-agent"
"""The daemon of a rule for the lines of any resource agent, which stand as `AGENT(RESOURCE)[PID]: ...`."""

Level = Literal["emerg", "alert", "crit", "error", "warning", "notice", "info", "debug", "trace"]
Globs = Annotated[tuple[Annotated[str, StringConstraints(min_length=1, max_length=500)], ...], Field(max_length=100)]


class Example(BaseModel):
    """A message text that the rule must match, and what it must give."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    line: str
    event: EventKind | None = None
    """The event kind, where the fields decide it and it is not the rule's own; `none = true`: the line gives no event."""
    none: bool = False
    gives: Mapping[str, Scalar] = Field(default_factory=dict)
    """Fields that the event must have: `node`, `resource`, or fields of its own."""


class CounterExample(BaseModel):
    """A message text that the rule must not match."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    line: str


class RuleEntry(BaseModel):
    """One `[[rule]]` of a file."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9-]*$", max_length=64)]
    title: Annotated[str, StringConstraints(min_length=1, max_length=200)]
    daemon: Annotated[str, StringConstraints(min_length=1, max_length=64)]
    """The daemon by its name since Pacemaker 2.0, `corosync`, `pm_logconv`, or the name of an agent.

    `resource-agent` is any agent, `*` anybody.
    """
    match: Annotated[str, StringConstraints(min_length=1, max_length=2000)]
    """A regular expression, searched in the message text; its named groups are the event's fields."""
    contains: str | None = None
    """A literal that every matching line contains: tried first, since it is much cheaper. Needed only for speed."""
    second: tuple[str, ...] | None = None
    """Beginnings of the second word, one of which every matching line has. Needed only for speed."""
    event: EventKind = EventKind.REPORTED
    severity: Severity | None = None
    """Of the incident that the event opens, where it is not to be the one that hamon gives it."""
    read: str | None = None
    """The reading that makes more of the groups (see classify/read.py)."""
    set: Mapping[str, Scalar] = Field(default_factory=dict)
    """Fields that the event always has."""
    versions: Annotated[str, StringConstraints(min_length=1, max_length=200)] | None = None
    """The versions of the software that write the line, for people: the rule is tried whatever the version is."""
    level: Annotated[str, StringConstraints(min_length=1, max_length=200)] | None = None
    """The level at which they write it, for people: where it is only `info` the syslog does not have it."""
    levels: tuple[Level, ...] = Field(default=(), max_length=9)
    """Only lines of these levels."""
    collectors: Globs = ()
    """Only lines that collectors of these names read."""
    files: Globs = ()
    """Only lines of these files."""
    example: tuple[Example, ...] = Field(min_length=1)
    counter_example: tuple[CounterExample, ...] = Field(min_length=1)

    @field_validator("match")
    @classmethod
    def _compiles(cls, value: str) -> str:
        try:
            re.compile(value)
        except re.error as err:
            raise ValueError(f"not a regular expression: {err}") from err
        return value


ABSENT = frozenset({"", "n/a", "2147483647"})
"""Values by which Pacemaker's SNMP agent says that an object does not apply; an object that is missing says the same."""


class TrapExample(BaseModel):
    """A trap that the rule must match, and what it must give. `varbinds`: name or number of an object -> value."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    notification: str | None = None
    """Where it is not the first one of the rule."""
    varbinds: Mapping[str, str | int] = Field(default_factory=dict)
    event: EventKind | None = None
    none: bool = False
    gives: Mapping[str, Scalar] = Field(default_factory=dict)


class TrapCounterExample(BaseModel):
    """A trap that the rule must not match."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    notification: str | None = None
    varbinds: Mapping[str, str | int] = Field(default_factory=dict)


_Patterns = Annotated[
    Mapping[
        Annotated[str, StringConstraints(pattern=_OBJECT)],
        Annotated[str, StringConstraints(min_length=1, max_length=2000)],
    ],
    AfterValidator(each_compiles),
]


class TrapEntry(BaseModel):
    """One `[[trap]]` of a file."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9-]*$", max_length=64)]
    title: Annotated[str, StringConstraints(min_length=1, max_length=200)]
    notification: tuple[Annotated[str, StringConstraints(pattern=_NOTIFICATION)], ...] = Field(min_length=1)
    """Names that hamon knows, or numbers; `number.*` is all below it."""
    match: _Patterns = Field(default_factory=dict)
    """Object, by name or number -> a regular expression that its value must match; the named groups are the event's fields."""
    take: _Patterns = Field(default_factory=dict)
    """The same for objects that may be missing: where they match their groups are fields too."""
    event: EventKind = EventKind.REPORTED
    severity: Severity | None = None
    read: str | None = None
    set: Mapping[str, Scalar] = Field(default_factory=dict)
    example: tuple[TrapExample, ...] = Field(min_length=1)
    counter_example: tuple[TrapCounterExample, ...] = Field(min_length=1)


class RuleFile(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    absent: tuple[str, ...] = ()
    """More values by which a sender says that an object does not apply (the agent's `trap_ignore_string`, `trap_ignore_int32`)."""
    rule: tuple[RuleEntry, ...] = ()
    trap: tuple[TrapEntry, ...] = ()
    incident: tuple[IncidentEntry, ...] = ()
    change: tuple[ChangeEntry, ...] = ()


_SPECIAL = frozenset(".^$*+?{}[]\\|()")
_GROUP = re.compile(r"^\((?:\?:|\?P<\w+>)?(?P<inside>[^()]*)\)(?P<rest>.*)$", re.DOTALL)
_ONE_OR_TWO = re.compile(r"^(?P<sign>\\[+]|-)(?:\{1,2\}|(?P=sign)\?)")
"""How a line of a difference begins, in a pattern: the sign once or twice."""


def first_words(pattern: str) -> frozenset[str] | None:
    r"""The words with which every match of an anchored pattern begins, as far as its text tells; None: any word.

    >>> sorted(first_words(r"^(?:\s*\*|Actions:)\s+(?P<action>Fence|Shutdown)")), sorted(first_words(r"^(?:rx|link): host: (?P<id>\d+)"))
    (['*', 'Actions:'], ['link:', 'rx:'])
    >>> first_words(r"^(?P<node>\S+) is unclean$") is None
    True
    >>> sorted(first_words(r"^\+{1,2}\s+<nvpair")), sorted(first_words(r"^\+\+? +/cib")), sorted(first_words(r"^-{1,2} <nvpair"))
    (['+', '++'], ['+', '++'], ['-', '--'])
    """
    if not pattern.startswith("^") or has_choice(pattern):
        return None
    rest = _ONE_OR_TWO.sub(r"(?:\g<sign>|\g<sign>\g<sign>)", pattern[1:])
    beginnings = [""]
    group = _GROUP.match(rest)
    if group is not None and group["rest"][:1] not in ("?", "*", "+", "{"):
        beginnings = group["inside"].split("|")
        rest = group["rest"]
    words = set()
    for beginning in beginnings:
        text, is_whole = _literal(re.sub(r"^\\s[*+]", "", beginning))
        if is_whole and not re.search(r"\s", text):
            text += _literal(rest)[0]
        word, blank = re.match(r"(\S*)(\s?)", text).groups()  # type: ignore[union-attr]  # matches anything
        if not (word and blank):
            return None
        words.add(word)
    return frozenset(words)


_GROUP_EDGE = r"(?:\(\?P<\w+>|\(\?:|\)\??|\|)*"
_WORD_PART = r"(?:\\[Swd]|\[(?!\^)[\w\\-]+\]|[\w-]|\\\[|\\\]|:)[+?*]*"
_ONE_WORD = re.compile(rf"^\^{_GROUP_EDGE}(?:{_WORD_PART}{_GROUP_EDGE})+ (?P<word>[\w-]+) ")
"""A pattern that begins with one word of any kind, and then a literal one."""


def second_words(pattern: str) -> frozenset[str] | None:
    r"""The second word of every match of an anchored pattern whose first one can be anything; None: not known.

    >>> second_words(r"^(?P<node>\S+) is in standby"), second_words(r"^(?P<daemon>[\w-]+)\[(?P<pid>\d+)\] exited with status")
    (frozenset({'is'}), frozenset({'exited'}))
    >>> second_words(r"^(?:Node )?(?P<node>\S+) is unclean") is None, second_words(r"^(?P<text>clock was set|time jumped)") is None
    (True, True)
    """
    match = None if has_choice(pattern) else _ONE_WORD.match(pattern)
    if match is None or _goes_otherwise(pattern, match.end()):
        return None
    return frozenset({match["word"]})


def _goes_otherwise(pattern: str, index: int) -> bool:
    """Whether a group that is open at this place has another alternative after it."""
    before, after = pattern[:index], pattern[index:]
    depth = _unescaped(before).count("(") - _unescaped(before).count(")")
    for char in _unescaped(after):
        if depth <= 0:
            return False
        if char == "|":
            return True
        depth += {"(": 1, ")": -1}.get(char, 0)
    return False


def _unescaped(pattern: str) -> str:
    return re.sub(r"\\.|\[[^\]]*\]", "", pattern)


def _literal(pattern: str) -> tuple[str, bool]:
    """The literal text at the begin of a pattern, and whether that is all of it."""
    text, index = "", 0
    while index < len(pattern):
        char, step = pattern[index], 1
        if char == "\\" and pattern[index + 1 : index + 2] == "s":
            char, step = " ", 2
            if pattern[index + 2 : index + 3] == "+":
                step = 3
        elif char == " " and pattern[index + 1 : index + 2] == "+":
            step = 2
        elif char == "\\" and index + 1 < len(pattern) and not pattern[index + 1].isalnum():
            char, step = pattern[index + 1], 2
        elif char in _SPECIAL:
            return text, False
        if pattern[index + step : index + step + 1] in ("*", "?", "{", "+") and pattern[index + step : index + step + 1]:
            return text, False
        text += char
        index += step
    return text, True


def has_choice(pattern: str) -> bool:
    """Whether a pattern is of alternatives (`a|b`, outside any group)."""
    depth, in_class, escaped = 0, False, False
    for char in pattern:
        if escaped:
            escaped = False
        elif char == "\\":
            escaped = True
        elif in_class:
            in_class = char != "]"
        elif char == "[":
            in_class = True
        elif char == "(":
            depth += 1
        elif char == ")":
            depth -= 1
        elif char == "|" and depth == 0:
            return True
    return False


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """A rule ready for use. `words` are the first words that a matching text can have, `second_words` the second ones (None: any).

    `needle` is a literal in it, `beginnings` are those that its second word can have.
    """

    id: str
    title: str
    daemon: str
    event: EventKind
    pattern: re.Pattern[str]
    words: frozenset[bytes] | None
    second_words: frozenset[bytes] | None
    needle: bytes | None
    beginnings: tuple[bytes, ...] | None
    read: str | None
    set: Mapping[str, Scalar]
    examples: tuple[Example, ...]
    counter_examples: tuple[CounterExample, ...]
    file: str
    versions: str | None = None
    level: str | None = None
    severity: Severity | None = None
    levels: frozenset[str] = frozenset()
    collectors: tuple[str, ...] = ()
    files: tuple[str, ...] = ()

    @property
    def is_limited(self) -> bool:
        """Whether it is for some files only."""
        return bool(self.collectors or self.files)

    @property
    def fields(self) -> frozenset[str] | None:
        """The fields of its events; None: a reading decides."""
        return None if self.read else frozenset(self.pattern.groupindex) | frozenset(self.set)


def compile_rule(entry: RuleEntry, file: str) -> Rule:
    words = first_words(entry.match)
    second = second_words(entry.match) if words is None else None
    return Rule(
        id=entry.id,
        title=entry.title,
        daemon=entry.daemon,
        event=entry.event,
        pattern=re.compile(entry.match),
        words=frozenset(word.encode() for word in words) if words is not None else None,
        second_words=frozenset(word.encode() for word in second) if second is not None else None,
        needle=entry.contains.encode() if entry.contains else None,
        beginnings=tuple(text.encode() for text in entry.second) if entry.second else None,
        read=entry.read,
        set=dict(entry.set),
        examples=entry.example,
        counter_examples=entry.counter_example,
        file=file,
        versions=entry.versions,
        level=entry.level,
        severity=entry.severity,
        levels=frozenset(entry.levels),
        collectors=entry.collectors,
        files=entry.files,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class TrapRule:
    """A rule about traps, ready for use. `notifications` are numbers; one that ends in `.*` stands for all below it.

    `conditions`: number of an object and the pattern that its value must match; all of them must. `extras` may match.
    """

    id: str
    title: str
    event: EventKind
    notifications: tuple[str, ...]
    conditions: tuple[tuple[str, re.Pattern[str]], ...]
    extras: tuple[tuple[str, re.Pattern[str]], ...]
    read: str | None
    set: Mapping[str, Scalar]
    examples: tuple[TrapExample, ...]
    counter_examples: tuple[TrapCounterExample, ...]
    file: str
    severity: Severity | None = None

    @property
    def fields(self) -> frozenset[str] | None:
        """The fields of its events; None: a reading decides."""
        if self.read:
            return None
        groups = {name for _, pattern in (*self.conditions, *self.extras) for name in pattern.groupindex}
        return frozenset(groups) | frozenset(self.set)


def compile_trap(entry: TrapEntry, file: str) -> TrapRule:
    """Names to numbers. Raises RuleError for a name that is not known."""
    told = [(example.notification, example.varbinds) for example in entry.example]
    told += [(counter.notification, counter.varbinds) for counter in entry.counter_example]
    for notification, varbinds in told:
        for name in varbinds:
            _object(name, entry.id, file)
        _notifications(notification or entry.notification[0], entry.id, file)
    return TrapRule(
        id=entry.id,
        title=entry.title,
        event=entry.event,
        notifications=tuple(oid for name in entry.notification for oid in _notifications(name, entry.id, file)),
        conditions=_compiled(entry.match, entry.id, file),
        extras=_compiled(entry.take, entry.id, file),
        read=entry.read,
        set=dict(entry.set),
        examples=entry.example,
        counter_examples=entry.counter_example,
        file=file,
        severity=entry.severity,
    )


def _compiled(patterns: Mapping[str, str], rule: str, file: str) -> tuple[tuple[str, re.Pattern[str]], ...]:
    return tuple((_object(name, rule, file), re.compile(pattern)) for name, pattern in patterns.items())


def _object(name: str, rule: str, file: str) -> str:
    if name[0].isdigit():
        return name
    if name not in OBJECT_NUMBERS:
        raise RuleError(file, rule, f'no object is known by the name "{name}"; use its number')
    return OBJECT_NUMBERS[name]


def _notifications(name: str, rule: str, file: str) -> tuple[str, ...]:
    if name[0].isdigit():
        return (name,)
    if name not in NOTIFICATIONS:
        raise RuleError(file, rule, f'no notification is known by the name "{name}"; use its number')
    return NOTIFICATIONS[name]


@dataclass(frozen=True, slots=True)
class RuleSet:
    """All rules in force, in the order in which they are tried. The user's own come first."""

    rules: tuple[Rule, ...]
    traps: tuple[TrapRule, ...] = ()
    absent: frozenset[str] = ABSENT
    """Values of objects in traps that mean that the object does not apply."""
    own: Own = NO_OWN
    """Incidents of the user's own, and changes."""

    def __len__(self) -> int:
        return len(self.rules) + len(self.traps) + len(self.own.incidents) + len(self.own.changes)

    @property
    def example_count(self) -> int:
        """How many examples and counter-examples there are."""
        logs = sum(len(rule.examples) + len(rule.counter_examples) for rule in self.rules)
        return logs + sum(len(trap.examples) + len(trap.counter_examples) for trap in self.traps)
