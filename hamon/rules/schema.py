"""The form of a rule file, and a rule as the matcher uses it."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, field_validator

from hamon.model.event import EventKind

Scalar = str | int | float | bool | None


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
    """The daemon by its name since Pacemaker 2.0, `corosync`, `pm_logconv`, or the name of an agent; `*` for any."""
    match: Annotated[str, StringConstraints(min_length=1, max_length=2000)]
    """A regular expression, searched in the message text; its named groups are the event's fields."""
    contains: str | None = None
    """A literal that every matching line contains: tried first, since it is much cheaper. Needed only for speed."""
    second: tuple[str, ...] | None = None
    """Beginnings of the second word, one of which every matching line has. Needed only for speed."""
    event: EventKind
    read: str | None = None
    """The reading that makes more of the groups (see classify/read.py)."""
    set: Mapping[str, Scalar] = Field(default_factory=dict)
    """Fields that the event always has."""
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


class RuleFile(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    rule: tuple[RuleEntry, ...] = ()


_SPECIAL = frozenset(".^$*+?{}[]\\|()")
_GROUP = re.compile(r"^\((?:\?:|\?P<\w+>)?(?P<inside>[^()]*)\)(?P<rest>.*)$", re.DOTALL)


def literal_prefix(pattern: str) -> str:
    r"""The literal text with which every match of an anchored pattern begins; empty when there is none. White space stands for `\s`.

    >>> literal_prefix(r"^Result of (?P<operation>\S+)"), literal_prefix(r"^(?:Quorum lost|No quorum)"), literal_prefix(r"^\+\+ .*<nvpair")
    ('Result of ', '', '++ ')
    """
    return _literal(pattern[1:])[0] if pattern.startswith("^") and not _has_top_level_choice(pattern) else ""


def first_words(pattern: str) -> frozenset[str] | None:
    r"""The words with which every match of an anchored pattern begins, as far as its text tells; None: any word.

    >>> sorted(first_words(r"^(?:\s*\*|Actions:)\s+(?P<action>Fence|Shutdown)")), sorted(first_words(r"^(?:rx|link): host: (?P<id>\d+)"))
    (['*', 'Actions:'], ['link:', 'rx:'])
    >>> first_words(r"^(?P<node>\S+) is unclean$") is None
    True
    """
    if not pattern.startswith("^") or _has_top_level_choice(pattern):
        return None
    rest = pattern[1:]
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
    >>> second_words(r"^(?:Node )?(?P<node>\S+) is unclean") is None
    True
    """
    match = None if _has_top_level_choice(pattern) else _ONE_WORD.match(pattern)
    return frozenset({match["word"]}) if match is not None else None


def _literal(pattern: str) -> tuple[str, bool]:
    """The literal text at the begin of a pattern, and whether that is all of it."""
    text, index = "", 0
    while index < len(pattern):
        char, step = pattern[index], 1
        if char == "\\" and pattern[index + 1 : index + 2] == "s":
            char, step = " ", 2
            if pattern[index + 2 : index + 3] == "+":
                step = 3
        elif char == "\\" and index + 1 < len(pattern) and not pattern[index + 1].isalnum():
            char, step = pattern[index + 1], 2
        elif char in _SPECIAL:
            return text, False
        if pattern[index + step : index + step + 1] in ("*", "?", "{", "+") and pattern[index + step : index + step + 1]:
            return text, False
        text += char
        index += step
    return text, True


def _has_top_level_choice(pattern: str) -> bool:
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
    )


@dataclass(frozen=True, slots=True)
class RuleSet:
    """All rules in force, in the order in which they are tried. The user's own come first."""

    rules: tuple[Rule, ...]

    def __len__(self) -> int:
        return len(self.rules)
