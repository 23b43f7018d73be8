"""Rules to events: chunks of log lines in, events and counts out.

Most lines of a cluster's log are of no interest, and most begin like many others. So of a line only its head is looked at first: tag,
level, first words of the text. What a head means is found out once: which daemon speaks, and which few rules can match at all. Only a line
that has such rules is decoded, taken apart and tried. The law: the result is that of trying every rule of the daemon on every line.
"""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from itertools import accumulate, compress

from hamon.classify.read import READINGS, Reading, Value, without_instance
from hamon.errors import ParseError, RuleError
from hamon.model.event import Event, EventKind
from hamon.model.observation import LogChunk, Source
from hamon.parse.forms import UNKNOWN_HOST, date_of, rewritten
from hamon.parse.lines import HEADS, SEVERE, Head, LogLine, head, head_words, is_simple, parse_line, short_cut, without_level
from hamon.parse.stamp import Stamps
from hamon.rules.check import Answer
from hamon.rules.schema import Rule, RuleSet, TrapRule

MAX_RAW = 2000
"""Characters of an original line that are kept."""

LOOK_BACK = 50
"""So many lines back a date is looked for, where a line has none."""

UNCLASSIFIED_PER_CHUNK = 50
"""Unmatched lines of level warning or worse that one chunk may store; the rest is counted."""

# Kinds about the node whose log it is, unless the line names another.
_LOCAL = frozenset(
    {
        EventKind.SERVICE_STACK_STARTED,
        EventKind.SERVICE_STACK_STOPPING,
        EventKind.SERVICE_STACK_STOPPED,
        EventKind.DAEMON_STARTED,
        EventKind.DAEMON_STOPPED,
        EventKind.DAEMON_DIED,
        EventKind.DAEMON_RESPAWNED,
        EventKind.DAEMON_GAVE_UP,
        EventKind.STATE_CHANGED,
        EventKind.MEMBERSHIP_CHANGED,
        EventKind.TOKEN_LOST,
        EventKind.SCHEDULING_PAUSE,
        EventKind.QUORUM_LOST,
        EventKind.QUORUM_ACQUIRED,
        EventKind.LINK_DOWN,
        EventKind.LINK_UP,
        EventKind.OPERATION_STARTED,
        EventKind.OPERATION_SUCCEEDED,
        EventKind.OPERATION_FAILED,
        EventKind.RESOURCE_STARTED,
        EventKind.RESOURCE_STOPPED,
        EventKind.RESOURCE_PROMOTED,
        EventKind.RESOURCE_DEMOTED,
        EventKind.RESOURCE_MIGRATED,
        EventKind.NETWORK_UNREACHABLE,
        EventKind.DISK_ERROR,
        EventKind.ATTRIBUTE_CHANGED,
        EventKind.FENCING_DONE,
        EventKind.UNCLASSIFIED,
    }
)
_INTEGERS = frozenset({"rc", "interval", "transition", "pid", "signal", "count", "threshold", "complete", "incomplete", "skipped"})
_SEVERE_WORDS = frozenset(
    form.encode() + b":" for level in (*SEVERE, "err", "critical", "warn") for form in (level, level.upper(), level.capitalize())
) | frozenset(level.encode() for level in SEVERE)


MAX_MEANINGS = 8192
"""Heads whose meaning is remembered."""


@dataclass(slots=True)
class _Daemon:
    """The rules of one daemon, by the first and by the second word of the text; `loose` are tried whatever the words are."""

    first: dict[bytes, tuple[Rule, ...]]
    second: dict[bytes, tuple[Rule, ...]]
    loose: tuple[Rule, ...]
    order: dict[str, int]

    def rules(self, first: bytes, second: bytes) -> tuple[Rule, ...]:
        """The rules for a text that begins with these two words, in order; a word that is not there is empty."""
        found = self.first.get(first, self.loose)
        if (more := self.second.get(second)) is not None:
            found = tuple(sorted((*found, *more), key=lambda rule: self.order[rule.id]))
        return tuple([rule for rule in found if rule.beginnings is None or second.startswith(rule.beginnings)])


@dataclass(frozen=True, slots=True)
class _Meaning:
    """What the lines with one head have in common. `place` None: they have no form that hamon knows.

    They are looked at more closely if `rules` may match, or if they are so `severe` that they are kept in any case.
    """

    place: Head | None
    rules: tuple[Rule, ...] = ()
    needles: tuple[bytes, ...] | None = None
    """One of these stands in every line that a rule matches; None: not known."""
    severe: bool = False
    simple: bool = False


@dataclass(slots=True)
class Scan:
    """What one chunk gave. `matched` and `unmatched` count lines per daemon; `unrecognised` have no form that hamon knows."""

    events: list[Event] = field(default_factory=list)
    lines: int = 0
    matched: dict[str, int] = field(default_factory=dict)
    unmatched: dict[str, int] = field(default_factory=dict)
    unrecognised: int = 0
    undecodable: int = 0
    unclassified: int = 0
    """Unmatched lines of level warning or worse that became events."""
    unclassified_dropped: int = 0
    errors: list[str] = field(default_factory=list)

    def merge(self, other: "Scan") -> None:
        """Add what another scan gave."""
        self.events += other.events
        self.lines += other.lines
        for mine, theirs in ((self.matched, other.matched), (self.unmatched, other.unmatched)):
            for daemon, count in theirs.items():
                mine[daemon] = mine.get(daemon, 0) + count
        self.unrecognised += other.unrecognised
        self.undecodable += other.undecodable
        self.unclassified += other.unclassified
        self.unclassified_dropped += other.unclassified_dropped
        self.errors += other.errors


def decode(line: bytes, encodings: Sequence[str]) -> tuple[str, bool]:
    """Decode with the first encoding that fits; the last resort is UTF-8 with replacement characters, told by False."""
    for encoding in encodings:
        try:
            return line.decode(encoding), True
        except UnicodeDecodeError:
            continue
    return line.decode("utf-8", "replace"), False


def interpret(rule: Rule, found: re.Match[str]) -> Reading | None:
    """What a match of a rule's pattern says; None when it tells nothing (a probe, a cancelled operation)."""
    return reading_of(rule, found.groupdict())


def reading_of(rule: Rule | TrapRule, detail: dict[str, Value]) -> Reading | None:
    """What the named groups of a rule say; None when they tell nothing. Changes `detail`."""
    for name in _INTEGERS.intersection(detail):
        value = detail[name]
        if isinstance(value, str) and value.lstrip("-").isdigit():
            detail[name] = int(value)
    for name, preset in rule.set.items():
        if detail.get(name) is None:
            detail[name] = preset
    node, resource = detail.pop("node", None), detail.pop("resource", None)
    reading = Reading(
        rule.event,
        str(node) if node is not None else None,
        without_instance(str(resource)) if resource is not None else None,
        detail,
    )
    if resource is not None and str(resource) != reading.resource:
        detail["instance"] = str(resource).rpartition(":")[2]
    return READINGS[rule.read](reading) if rule.read else reading


def require_readings(rules: Sequence[Rule | TrapRule]) -> None:
    """Raises RuleError for a rule that names a reading that does not exist."""
    for rule in rules:
        if rule.read is not None and rule.read not in READINGS:
            raise RuleError(rule.file, rule.id, f'no reading is called "{rule.read}"; there are {", ".join(sorted(READINGS))}')


class Matcher:
    """The rules in force, indexed. Holds only caches, no state: the same chunk gives the same scan."""

    def __init__(self, rules: RuleSet, year: int | None = None) -> None:
        """Raises RuleError for a rule that names a reading that does not exist."""
        require_readings(rules.rules)
        self.rules = rules
        self._year = year
        names = {rule.daemon for rule in rules.rules} - {"*"}
        self._daemons = {name: _index([rule for rule in rules.rules if rule.daemon in (name, "*")]) for name in names}
        self._others = _index([rule for rule in rules.rules if rule.daemon == "*"])
        self._meanings: dict[bytes, _Meaning | None] = {}
        self._stamps: dict[tuple[str, datetime], Stamps] = {}

    def scan(self, chunk: LogChunk) -> Scan:
        """Try the rules on every line of the chunk."""
        data = chunk.data if chunk.data.endswith(b"\n") or not chunk.data else chunk.data + b"\n"
        lines = data.split(b"\n")[:-1]
        heads: list[bytes] = HEADS.findall(data)
        scan = Scan(lines=len(lines))
        stamps = self._stamps_of(chunk)
        if len(self._meanings) > MAX_MEANINGS:
            self._meanings.clear()
        meanings: dict[bytes, _Meaning | None] = {}
        asked = set()
        for found, count in Counter(heads).items():
            meaning = meanings[found] = self._meaning(found)
            if meaning is None:  # the head does not say it all
                asked.add(found)
                continue
            self._count(scan, meaning.place, count)
            if meaning.rules or meaning.severe:
                asked.add(found)
        if not asked:
            return scan
        offsets = list(accumulate(map(len, lines), initial=chunk.offset))
        for number in compress(range(len(lines)), map(asked.__contains__, heads)):
            line, offset = lines[number], offsets[number] + number
            meaning = meanings[heads[number]]
            original = line
            if meaning is None:
                meaning = self._look_closer([] if line[:1].isspace() else line.split(None, 11))
                if meaning.place is None and (plain := _plain(lines, number, chunk.encodings)) is not None:
                    line, meaning = plain, self._look_closer(plain.split(None, 11))
                self._count(scan, meaning.place, 1 if line.strip() else 0)
            if meaning.place is not None and (meaning.severe or _may_match(meaning, line)):
                self._try(scan, chunk, stamps, line, offset, meaning, meaning.place, original)
        for name, count in scan.matched.items():
            scan.unmatched[name] -= count
        return scan

    def _stamps_of(self, chunk: LogChunk) -> Stamps:
        """Stamps as read within the minute in which the chunk was; what is remembered of them serves the next chunks."""
        key = chunk.timezone, chunk.received_at.replace(second=0, microsecond=0)
        stamps = self._stamps.get(key)
        if stamps is None:
            if len(self._stamps) > 16:
                self._stamps.clear()
            stamps = self._stamps[key] = Stamps(*key, self._year)
        return stamps

    @staticmethod
    def _count(scan: Scan, place: Head | None, lines: int) -> None:
        if place is None:
            scan.unrecognised += lines
        else:
            scan.unmatched[place.daemon] = scan.unmatched.get(place.daemon, 0) + lines

    def _meaning(self, found: bytes) -> _Meaning | None:
        """What a head means; None where that shows only in each line."""
        try:
            return self._meanings[found]
        except KeyError:
            words = head_words(found) if found else []
            meaning: _Meaning | None = None
            if words and (place := (seen := self._look_closer(words)).place) is not None and place.text_word + 1 < len(words):
                meaning = replace(seen, simple=is_simple(place, words))
            self._meanings[found] = meaning
            return meaning

    def _look_closer(self, words: list[bytes]) -> _Meaning:
        """What the first words of a line mean."""
        place = head(words)
        if place is None:
            return _Meaning(None)
        place = without_level(place, words)
        known = self._daemons.get(place.daemon)
        rules = (known or self._others).rules(*_text_words(words, place))
        needles = tuple({rule.needle for rule in rules if rule.needle is not None})
        severe = known is not None and 0 <= place.level_word < len(words) and words[place.level_word] in _SEVERE_WORDS
        all_have = all(rule.needle is not None for rule in rules)
        return _Meaning(place, rules, needles if all_have else None, severe)

    def candidates(self, line: bytes) -> Sequence[Rule]:
        """The rules that are tried on a line, in order."""
        return [rule for rule in self._look_closer(line.split(None, 11)).rules if rule.needle is None or rule.needle in line]

    def _try(
        self, scan: Scan, chunk: LogChunk, stamps: Stamps, line: bytes, offset: int, meaning: _Meaning, place: Head, original: bytes
    ) -> None:
        text, clean = decode(line, chunk.encodings)
        raw = text if line is original else decode(original, chunk.encodings)[0]
        if not clean:
            scan.undecodable += 1
        try:
            parts = (short_cut(text, stamps, place) if meaning.simple else None) or parse_line(text, stamps, place.form)
        except ParseError as err:
            if len(scan.errors) < 20:
                scan.errors.append(f"{chunk.path}@{offset}: {err}")
            scan.unrecognised += 1
            scan.unmatched[place.daemon] -= 1
            return
        for rule in meaning.rules:
            if (rule.needle is None or rule.needle in line) and (found := rule.pattern.search(parts.text)) is not None:
                scan.matched[place.daemon] = scan.matched.get(place.daemon, 0) + 1
                if (reading := interpret(rule, found)) is not None:
                    scan.events.append(_event(chunk, parts, raw, offset, rule.id, reading))
                return
        if parts.level in SEVERE and place.daemon in self._daemons:
            if scan.unclassified >= UNCLASSIFIED_PER_CHUNK:
                scan.unclassified_dropped += 1
                return
            scan.unclassified += 1
            detail: dict[str, Value] = {"daemon": parts.daemon, "level": parts.level, "text": parts.text[:MAX_RAW]}
            scan.events.append(_event(chunk, parts, raw, offset, "", Reading(EventKind.UNCLASSIFIED, None, None, detail)))


def _plain(lines: Sequence[bytes], number: int, encodings: Sequence[str]) -> bytes | None:
    """A line of a rare form in a usual one; of the lines before it the nearest date counts where it has none."""
    text, _ = decode(lines[number], encodings)
    if not text.strip():
        return None
    plain = rewritten(text)
    if plain is None or date_of(plain) is None:
        before = (date_of(decode(line, encodings)[0]) for line in lines[max(0, number - LOOK_BACK) : number][::-1])
        plain = rewritten(text, next((date for date in before if date is not None), None))
    return plain.encode("utf-8", "replace") if plain is not None else None


def _text_words(words: Sequence[bytes], place: Head) -> tuple[bytes, bytes]:
    first, second = (*words[place.text_word : place.text_word + 2], b"", b"")[:2]
    return first, second


def _may_match(meaning: _Meaning, line: bytes) -> bool:
    if meaning.needles is None:
        return True
    for needle in meaning.needles:  # a loop: `any` with a generator takes three times as long  # noqa: SIM110
        if needle in line:
            return True
    return False


def _event(chunk: LogChunk, parts: LogLine, raw: str, offset: int, rule: str, reading: Reading) -> Event:
    reporter = chunk.node or (parts.host if parts.host != UNKNOWN_HOST else None)
    node = reading.node
    if node is None and reading.kind in _LOCAL and "node_ids" not in reading.detail and "node_id" not in reading.detail:
        node = reporter
    resource = reading.resource
    if resource is None and parts.instance:
        resource = parts.instance
    return Event(
        at=parts.at,
        received_at=chunk.received_at,
        cluster=chunk.cluster,
        kind=reading.kind,
        rule=rule,
        source=Source.LOG,
        collector=chunk.collector,
        node=node,
        resource=resource,
        reporter=reporter,
        detail=reading.detail,
        raw=raw[:MAX_RAW],
        ref=f"{chunk.path}@{offset}",
    )


def _index(rules: Sequence[Rule]) -> _Daemon:
    """Group rules by first word. A word's tuple also holds the rules of any word, in the order of the rule set."""
    first = {word for rule in rules if rule.words is not None for word in rule.words}
    second = {word for rule in rules if rule.second_words is not None for word in rule.second_words}
    loose = tuple(rule for rule in rules if rule.words is None and rule.second_words is None)
    return _Daemon(
        {word: tuple(rule for rule in rules if rule in loose or (rule.words is not None and word in rule.words)) for word in first},
        {word: tuple(rule for rule in rules if rule.second_words is not None and word in rule.second_words) for word in second},
        loose,
        {rule.id: number for number, rule in enumerate(rules)},
    )


def example_line(daemon: str, text: str) -> str:
    """A line of a log in which a daemon (`*`: any) writes this text."""
    daemon = daemon if daemon != "*" else "any"
    tag = "info" if daemon == "pm_logconv" else f"{daemon}[1]"
    before = {"corosync": "  [MAIN  ] ", "pm_logconv": " "}.get(daemon, "  info: ")
    return f"Jan  1 00:00:00 node {tag}: {before}{text}\n"


def answer(matcher: Matcher, rule: Rule, text: str) -> Answer:
    """What the whole rule set makes of a message text of this rule's daemon: the way in which examples are checked."""
    line = example_line(rule.daemon, text)
    for candidate in matcher.candidates(line.encode()):
        if (found := candidate.pattern.search(text.rstrip())) is None:
            continue
        if (reading := interpret(candidate, found)) is None:
            return Answer(rule=candidate.id)
        fields = {**reading.detail, "node": reading.node, "resource": reading.resource}
        return Answer(rule=candidate.id, kind=reading.kind, fields=fields)
    return Answer(rule=None)
