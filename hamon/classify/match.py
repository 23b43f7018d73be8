"""Rules to events: chunks of log lines in, events and counts out.

Most lines of a cluster's log are of no interest. So a line is only split into words at first; the daemon and the first word of the text
choose the few rules that can match at all, and only such a line is decoded, taken apart and tried. The law: the result is that of trying
every rule of the daemon on every line.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from hamon.classify.read import READINGS, Reading, Value, without_instance
from hamon.errors import ParseError, RuleError
from hamon.model.event import Event, EventKind
from hamon.model.observation import LogChunk, Source
from hamon.parse.lines import SEVERE, SYSLOG, Head, LogLine, head, parse_line, short_cut, without_level
from hamon.parse.stamp import Stamps
from hamon.rules.check import Answer
from hamon.rules.schema import Rule, RuleSet, TrapRule

MAX_RAW = 2000
"""Characters of an original line that are kept."""

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


@dataclass(frozen=True, slots=True)
class _Plan:
    """Rules that may take a line, in order, if its second word begins with one of `beginnings` and it holds a needle (None: any)."""

    rules: tuple[Rule, ...]
    beginnings: tuple[bytes, ...] | None
    needles: tuple[bytes, ...] | None


def _plan(rules: Sequence[Rule]) -> _Plan | None:
    if not rules:
        return None
    beginnings = {beginning for rule in rules for beginning in rule.beginnings or ()}
    needles = {rule.needle for rule in rules if rule.needle is not None}
    return _Plan(
        tuple(rules),
        tuple(sorted(beginnings)) if all(rule.beginnings for rule in rules) else None,
        tuple(sorted(needles)) if all(rule.needle for rule in rules) else None,
    )


@dataclass(slots=True)
class _Daemon:
    """The rules of one daemon, by the first and by the second word of the text; `loose` are tried whatever the words are."""

    first: dict[bytes, _Plan | None]
    second: dict[bytes, _Plan | None]
    loose: _Plan | None
    order: dict[str, int]

    def plan(self, words: Sequence[bytes], place: int) -> _Plan | None:
        """The rules for a line whose text begins at word `place`."""
        count = len(words)
        plan = self.first.get(words[place], self.loose) if place < count else self.loose
        if place + 1 < count and (more := self.second.get(words[place + 1])) is not None:
            rules = (*plan.rules, *more.rules) if plan is not None else more.rules
            plan = _plan(sorted(rules, key=lambda rule: self.order[rule.id]))
        return plan


@dataclass(slots=True)
class _Tag:
    """What one tag (`pacemaker-controld[106]:`) means. `head` None: it names no daemon. `seen` counts lines within one scan.

    `plain`: the words at the head's places say it all; else (corosync, a pid before the host) the form shows only further on in each line.
    """

    daemon: _Daemon
    head: Head | None
    known: bool
    plain: bool
    seen: int = 0


@dataclass(slots=True)
class Scan:
    """What one chunk gave. `matched` and `unmatched` count lines per daemon; `unrecognised` have no form that hamon knows."""

    events: list[Event] = field(default_factory=list)
    lines: int = 0
    matched: dict[str, int] = field(default_factory=dict)
    unmatched: dict[str, int] = field(default_factory=dict)
    unrecognised: int = 0
    undecodable: int = 0
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
        self._tags: dict[bytes, _Tag] = {}
        self._iso_tags: dict[bytes, _Tag] = {}

    def scan(self, chunk: LogChunk) -> Scan:
        """Try the rules on every line of the chunk."""
        scan = Scan()
        stamps = Stamps(chunk.timezone, chunk.received_at, self._year)
        tags, iso_tags, severe = self._tags, self._iso_tags, _SEVERE_WORDS
        if len(tags) + len(iso_tags) > 4096:
            tags.clear()
            iso_tags.clear()
        offset = chunk.offset
        lines = chunk.data.split(b"\n")
        if not lines[-1]:
            lines.pop()
        scan.lines = len(lines)
        for line in lines:
            words = line.split(None, 8)
            try:
                # A date of one word (ISO 8601, pm_logconv's own) begins with a digit; the traditional one has three words.
                tag = tags[words[4]] if line[0] > 57 else iso_tags[words[2]]
            except (KeyError, IndexError):
                if len(words) < 4:
                    scan.unrecognised += bool(words)
                    offset += len(line) + 1
                    continue
                tag = self._learn(words, line[0] > 57)
            tag.seen += 1
            if tag.plain:
                place, daemon = tag.head, tag.daemon
                if place is not None:
                    text_word = place.text_word
                    if text_word > 6:
                        words = line.split(None, text_word + 2)
                    if text_word < len(words):
                        plan = daemon.first.get(words[text_word], daemon.loose)
                        if daemon.second:
                            plan = daemon.plan(words, text_word)
                        if plan is not None and self._may_match(plan, line, words, text_word + 1):
                            self._try(scan, chunk, stamps, line, offset, plan.rules, place)
                        elif tag.known and words[place.level_word] in severe:
                            self._try(scan, chunk, stamps, line, offset, (), place)
            else:
                self._look_closer(scan, chunk, stamps, line, offset)
            offset += len(line) + 1
        self._count(scan)
        return scan

    @staticmethod
    def _may_match(plan: _Plan, line: bytes, words: list[bytes], second: int) -> bool:
        if plan.beginnings is not None and not (second < len(words) and words[second].startswith(plan.beginnings)):
            return False
        if plan.needles is None:
            return True
        for needle in plan.needles:  # a loop: `any` with a generator takes three times as long  # noqa: SIM110
            if needle in line:
                return True
        return False

    def _learn(self, words: list[bytes], traditional: bool) -> _Tag:
        """Remember what the tag of a line means."""
        cache, word = (self._tags, words[4] if len(words) > 4 else b"") if traditional else (self._iso_tags, words[2])
        shift = 0 if traditional else -2
        tag = self._tag(words)
        place = tag.head
        # Pacemaker's own lines in syslog all have a level; those of other programs that rules know may begin with the text.
        other = tag.known and place is not None and place.form == SYSLOG and not place.daemon.startswith("pacemaker")
        tag.plain = not (words[3 + shift][:1] == b"[" or word.startswith(b"corosync") or other)
        cache[word] = tag
        return tag

    def _look_closer(self, scan: Scan, chunk: LogChunk, stamps: Stamps, line: bytes, offset: int) -> None:
        """A line whose form shows only further on than its tag."""
        words = line.split(None, 11)
        tag = self._tag(words)
        place = tag.head
        if place is None:
            scan.unrecognised += 1
            return
        place = without_level(place, words)
        scan.unmatched[place.daemon] = scan.unmatched.get(place.daemon, 0) + 1
        plan = tag.daemon.plan(words, place.text_word)
        severe = tag.known and 0 <= place.level_word < len(words) and words[place.level_word] in _SEVERE_WORDS
        if plan is not None or severe:
            self._try(scan, chunk, stamps, line, offset, plan.rules if plan is not None else (), place)

    def _count(self, scan: Scan) -> None:
        for cache in (self._tags, self._iso_tags):
            for tag in cache.values():
                if tag.seen:
                    if tag.plain and tag.head is None:
                        scan.unrecognised += tag.seen
                    elif tag.plain and tag.head is not None:
                        scan.unmatched[tag.head.daemon] = scan.unmatched.get(tag.head.daemon, 0) + tag.seen
                    tag.seen = 0
        for name, count in scan.matched.items():
            scan.unmatched[name] -= count

    def candidates(self, line: bytes) -> Sequence[Rule]:
        """The rules that are tried on a line, in order."""
        words = line.split(None, 11)
        tag = self._tag(words)
        plan = tag.daemon.plan(words, without_level(tag.head, words).text_word) if tag.head is not None else None
        return [rule for rule in plan.rules if rule.needle is None or rule.needle in line] if plan is not None else []

    def _tag(self, words: list[bytes]) -> _Tag:
        place = head(words)
        daemon = self._daemons.get(place.daemon) if place is not None else None
        return _Tag(daemon or self._others, place, daemon is not None, True)

    def _try(self, scan: Scan, chunk: LogChunk, stamps: Stamps, line: bytes, offset: int, rules: Sequence[Rule], place: Head) -> None:
        daemon = place.daemon
        text, clean = decode(line, chunk.encodings)
        if not clean:
            scan.undecodable += 1
        try:
            parts = short_cut(text, stamps, place) or parse_line(text, stamps, place.form)
        except ParseError as err:
            if len(scan.errors) < 20:
                scan.errors.append(f"{chunk.path}@{offset}: {err}")
            scan.unrecognised += 1
            return
        for rule in rules:
            if (rule.needle is None or rule.needle in line) and (found := rule.pattern.search(parts.text)) is not None:
                scan.matched[daemon] = scan.matched.get(daemon, 0) + 1
                if (reading := interpret(rule, found)) is not None:
                    scan.events.append(_event(chunk, parts, text, offset, rule.id, reading))
                return
        if parts.level in SEVERE and daemon in self._daemons:
            if len(scan.events) and sum(1 for event in scan.events if event.kind is EventKind.UNCLASSIFIED) >= UNCLASSIFIED_PER_CHUNK:
                scan.unclassified_dropped += 1
                return
            detail: dict[str, Value] = {"daemon": parts.daemon, "level": parts.level, "text": parts.text[:MAX_RAW]}
            scan.events.append(_event(chunk, parts, text, offset, "", Reading(EventKind.UNCLASSIFIED, None, None, detail)))


def _event(chunk: LogChunk, parts: LogLine, raw: str, offset: int, rule: str, reading: Reading) -> Event:
    reporter = chunk.node or parts.host
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
    loose = [rule for rule in rules if rule.words is None and rule.second_words is None]
    return _Daemon(
        {word: _plan([rule for rule in rules if rule in loose or (rule.words is not None and word in rule.words)]) for word in first},
        {word: _plan([rule for rule in rules if rule.second_words is not None and word in rule.second_words]) for word in second},
        _plan(loose),
        {rule.id: number for number, rule in enumerate(rules)},
    )


def answer(matcher: Matcher, rule: Rule, text: str) -> Answer:
    """What the whole rule set makes of a message text of this rule's daemon: the way in which examples are checked."""
    daemon = rule.daemon if rule.daemon != "*" else "any"
    tag = "info" if daemon == "pm_logconv" else f"{daemon}[1]"
    before = {"corosync": "  [MAIN  ] ", "pm_logconv": " "}.get(daemon, "  info: ")
    line = f"Jan  1 00:00:00 node {tag}: {before}{text}\n"
    for candidate in matcher.candidates(line.encode()):
        if (found := candidate.pattern.search(text.rstrip())) is None:
            continue
        if (reading := interpret(candidate, found)) is None:
            return Answer(rule=candidate.id)
        fields = {**reading.detail, "node": reading.node, "resource": reading.resource}
        return Answer(rule=candidate.id, kind=reading.kind, fields=fields)
    return Answer(rule=None)
