"""Why a line or a trap became what it became: the rules that were tried on it, the one that took it, and what kept the others off.

The event is the one that the matcher gives, not a second opinion. The law: for every line the rule named here is that of the matcher.
"""

import re
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from functools import lru_cache

from hamon.classify.match import Matcher, decode
from hamon.classify.texts import LogMatcher, read_record
from hamon.classify.traps import TrapMatcher
from hamon.errors import ParseError
from hamon.model.event import Event
from hamon.model.mib import notification_name
from hamon.model.observation import LogChunk, TextForm, Trap
from hamon.parse.forms import rewritten
from hamon.parse.lines import Head, LogLine, head, parse_line, without_level
from hamon.parse.stamp import Stamps
from hamon.parse.text import StampForm, level_of, records, stamp_form
from hamon.rules.schema import AGENT, Rule, TrapRule, has_choice

ENCODINGS = ("utf-8", "euc_jp", "shift_jis")
MOST_NEAR = 5
"""So many rules that nearly fit are named."""


class Verdict(StrEnum):
    """What became of one rule."""

    WON = "won"
    LATER = "later"
    """It fits too, but another one came first."""
    ANOTHER_DAEMON = "another_daemon"
    """Its pattern fits the text, but it is for the lines of another daemon."""
    NO = "no"


@dataclass(frozen=True, slots=True)
class Because:
    """Why, as a word that `tell` has a sentence for (`explain.because`), and what stands in it."""

    word: str
    values: Mapping[str, str] = field(default_factory=dict)


WON, LATER = Because("won"), Because("later")


@dataclass(frozen=True, slots=True, kw_only=True)
class Tried:
    """One rule. `tried`: the matcher tried its pattern; else the words of the line had ruled it out before.

    `nearness` is the share of the pattern that fits, 0 to 1.
    """

    rule: Rule | TrapRule
    verdict: Verdict
    because: Because
    tried: bool = True
    fields: dict[str, str] | None = None
    nearness: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """What became of one line or trap, `shown` as people see it. `problem`: why it could not even be read.

    `parts` are what the line was taken apart to. `event` None: no rule took it, or the one that did says that it tells nothing.
    `tried` are the rules of its daemon, or of its notification, in order, and those that fit but are for others. `others` are not listed.
    """

    shown: str
    problem: Because | None = None
    parts: tuple[tuple[str, str], ...] = ()
    event: Event | None = None
    winner: Rule | TrapRule | None = None
    tried: tuple[Tried, ...] = ()
    others: int = 0

    @property
    def near(self) -> Sequence[Tried]:
        """The rules that nearly fit, the nearest first."""
        found = [tried for tried in self.tried if tried.verdict is Verdict.NO and tried.nearness > 0]
        return sorted(found, key=lambda tried: -tried.nearness)[:MOST_NEAR]


def explain_line(
    matcher: Matcher,
    line: str,
    *,
    received_at: datetime,
    timezone: str = "UTC",
    year: int | None = None,
    closely: frozenset[str] = frozenset(),
) -> Explanation:
    """Send one line through the matcher, and say what each rule of its daemon had to say to it.

    How far a pattern goes along with the text is found out for the rules whose words fit, and for those of these ids (`closely`).
    """
    line = line.rstrip("\r\n")
    scan = matcher.scan(
        LogChunk(
            cluster="explain",
            collector="explain",
            path="line",
            data=line.encode("utf-8", "replace") + b"\n",
            offset=0,
            received_at=received_at,
            timezone=timezone,
            encodings=ENCODINGS,
        )
    )
    if not line.strip():
        return Explanation(shown=line, problem=Because("empty"))
    event = scan.events[0] if scan.events else None
    usual, place = _place(line)
    if place is None:
        if event is not None:  # of several lines in one, or of a form that only the matcher knows
            return Explanation(shown=line, event=event, winner=_by_id(matcher, event.rule))
        return Explanation(
            shown=line,
            problem=Because("no_form"),
        )
    try:
        parts = parse_line(usual, Stamps(timezone, received_at, year), place.form)
    except ParseError as err:
        return Explanation(shown=line, problem=Because("not_read", {"error": str(err)}))
    tried = _tried(matcher, usual, parts, place, closely)
    winner = next((one.rule for one in tried if one.verdict is Verdict.WON), None)
    return Explanation(
        shown=line,
        parts=(
            ("at", parts.at.isoformat()),
            ("host", parts.host),
            ("daemon", place.daemon),
            ("level", parts.level or ""),
            ("text", parts.text),
        ),
        event=event,
        winner=winner,
        tried=tuple(tried),
        others=len(matcher.rules.rules) - len(tried),
    )


def explain_record(matcher: LogMatcher, chunk: LogChunk, form: TextForm, *, closely: frozenset[str] = frozenset()) -> Explanation:
    """The same for one record of a program's log: `chunk` holds nothing else."""
    record = next(records(form, chunk.data))
    decoded = decode(record.data, chunk.encodings)[0]
    read = read_record(record, form, decoded)
    event = next(iter(matcher.scan(chunk).events), None)
    rules = matcher.text_rules(form.program, chunk.collector, chunk.path)
    tried: list[Tried] = []
    won = False
    for rule in matcher.rules.rules:
        match = rule.pattern.search(read.text)
        if rule not in rules:
            if rule.id in closely or (match is not None and rule.daemon in (form.program, "*")):
                values = {"program": form.program, "collector": chunk.collector, "path": chunk.path}
                because = Because("other_lines", values)
                tried.append(Tried(rule=rule, verdict=Verdict.NO, because=because, tried=False))
        elif rule.levels and read.level not in rule.levels:
            because = _other_level(rule, read.level)
            tried.append(Tried(rule=rule, verdict=Verdict.NO, because=because, nearness=0.5 if match is not None else 0.0))
        elif match is not None:
            verdict = Verdict.LATER if won else Verdict.WON
            tried.append(Tried(rule=rule, verdict=verdict, because=LATER if won else WON, fields=_fields(match)))
            won = True
        else:
            because, nearness = _why_not(rule, read.text, decoded, matched=False)
            tried.append(Tried(rule=rule, verdict=Verdict.NO, because=because, nearness=nearness))
    stamped = stamp_form(form.stamp).find(record.data) if form.stamp else None
    at = StampForm.time(stamped, chunk.timezone, chunk.received_at) if stamped is not None else None
    return Explanation(
        shown=decoded,
        parts=(
            ("at", at.isoformat() if at is not None else ""),
            ("host", chunk.node or ""),
            ("daemon", form.program),
            ("level", read.level or ""),
            ("text", read.text),
        ),
        event=event,
        winner=next((one.rule for one in tried if one.verdict is Verdict.WON), None),
        tried=tuple(tried),
        others=len(matcher.rules.rules) - len(tried),
    )


def _by_id(matcher: Matcher, rule_id: str) -> Rule | None:
    return next((rule for rule in matcher.rules.rules if rule.id == rule_id), None)


def _place(line: str) -> tuple[str, Head | None]:
    """The line in a usual form, and where its parts stand; as the matcher finds them."""
    words = [] if line[:1].isspace() else line.encode("utf-8", "replace").split(None, 11)
    place = head(words)
    if place is None and (plain := rewritten(line)) is not None:
        line = plain
        words = line.encode("utf-8", "replace").split(None, 11)
        place = head(words)
    return line, None if place is None else without_level(place, words)


def _tried(matcher: Matcher, line: str, parts: LogLine, place: Head, closely: frozenset[str]) -> list[Tried]:
    candidates = {rule.id for rule in matcher.candidates(line.encode("utf-8", "replace"))}
    found: list[Tried] = []
    won = False
    for rule in matcher.rules.rules:
        match = rule.pattern.search(parts.text)
        if rule.daemon not in (place.daemon, "*") and not (place.is_agent and rule.daemon == AGENT):
            if match is not None:
                because = Because("fits_other_daemon", {"wanted": rule.daemon, "given": place.daemon})
                found.append(Tried(rule=rule, verdict=Verdict.ANOTHER_DAEMON, because=because, tried=False, fields=_fields(match)))
            elif rule.id in closely:
                because = Because("other_daemon", {"wanted": rule.daemon, "given": place.daemon})
                found.append(Tried(rule=rule, verdict=Verdict.NO, because=because, tried=False))
            continue
        is_candidate = rule.id in candidates
        if match is not None and rule.levels and (level := parts.level or level_of(parts.text)) not in rule.levels:
            because = _other_level(rule, level)
            found.append(Tried(rule=rule, verdict=Verdict.NO, because=because, tried=is_candidate, nearness=0.99))
            continue
        if match is not None and is_candidate:
            verdict = Verdict.LATER if won else Verdict.WON
            found.append(
                Tried(
                    rule=rule,
                    verdict=verdict,
                    because=LATER if won else WON,
                    fields=_fields(match),
                )
            )
            won = True
            continue
        if is_candidate or match is not None or rule.id in closely:
            because, nearness = _why_not(rule, parts.text, line, matched=match is not None)
        else:
            because, nearness = Because("other_words"), 0.0
        found.append(Tried(rule=rule, verdict=Verdict.NO, because=because, tried=is_candidate, nearness=nearness))
    return found


def _fields(match: re.Match[str]) -> dict[str, str]:
    return {name: value for name, value in match.groupdict().items() if value is not None}


def _why_not(rule: Rule, text: str, line: str, *, matched: bool) -> tuple[Because, float]:
    """Why a rule of the line's daemon does not fit, and how much of its pattern does."""
    if rule.needle is not None and rule.needle not in line.encode("utf-8", "replace"):
        return Because("contains_not", {"needle": rule.needle.decode()}), 0.0
    if matched:
        return Because("second_not"), 0.99
    return _how_far(rule.pattern.pattern, text)


def _how_far(pattern: str, text: str) -> tuple[Because, float]:
    """How far into a pattern a text goes along with it."""
    for begin, compiled in _beginnings(pattern):
        match = compiled.search(text)
        if match is None:
            continue
        if begin == 0 or match.end() == match.start():
            break
        rest = text[match.end() :]
        values = {"fits": _short(pattern[:begin], 80), "wanted": _short(pattern[begin:]), "there": _short(rest)}
        return Because("parts_there" if rest else "parts_at_end", values), begin / len(pattern)
    return Because("begins_otherwise" if pattern.startswith("^") else "nothing_fits"), 0.0


def _other_level(rule: Rule, level: str | None) -> Because:
    return Because("other_level" if level else "no_level", {"wanted": ", ".join(sorted(rule.levels)), "given": level or ""})


@lru_cache(maxsize=4096)
def _beginnings(pattern: str) -> tuple[tuple[int, re.Pattern[str]], ...]:
    """All beginnings of a pattern that are patterns, the longest first; of a pattern of alternatives there are none."""
    if has_choice(pattern):
        return ()
    found = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of half a character class
        for end in range(len(pattern) - 1, 0, -1):
            if pattern[end] in "*+?{":  # the quantifier belongs to what is before it
                continue
            try:
                found.append((end, re.compile(pattern[:end])))
            except (re.error, OverflowError):
                continue
    return tuple(found)


def _short(text: str, length: int = 60) -> str:
    return text if len(text) <= length else text[: length - 3] + "..."


def explain_trap(matcher: TrapMatcher, trap: Trap, *, timezone: str = "UTC") -> Explanation:
    """Send one trap through the matcher, and say what each rule about its notification had to say to it."""
    event = next(iter(matcher.scan([trap], timezone=timezone).events), None)
    tried: list[Tried] = []
    won = False
    for rule, (word, values), fields in matcher.tried(trap):
        if fields is None:
            tried.append(Tried(rule=rule, verdict=Verdict.NO, because=Because(word, values), nearness=0.5))
            continue
        tried.append(
            Tried(
                rule=rule,
                verdict=Verdict.LATER if won else Verdict.WON,
                because=LATER if won else WON,
                fields={name: str(value) for name, value in fields.items() if value is not None},
            )
        )
        won = True
    return Explanation(
        shown=matcher.in_words(trap),
        parts=(
            ("at", trap.received_at.isoformat()),
            ("source", trap.source),
            ("version", trap.version.value),
            ("notification", f"{notification_name(trap.notification)} ({trap.notification})"),
        ),
        event=event,
        winner=next((one.rule for one in tried if one.verdict is Verdict.WON), None),
        tried=tuple(tried),
        others=matcher.rule_count - len(tried),
    )
