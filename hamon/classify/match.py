"""Rules to events: chunks of log lines in, events and counts out.

Most lines of a cluster's log are of no interest, and most begin like many others. So of a line only its head is looked at first: tag,
level, first words of the text. What a head means is found out once: which daemon speaks, and which few rules can match at all. Only a line
that has such rules is decoded, taken apart and tried. The law: the result is that of trying every rule of the daemon on every line.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from io import BytesIO
from itertools import accumulate, compress

from hamon.classify.read import READINGS, Reading, Value, without_instance
from hamon.errors import ParseError, RuleError
from hamon.model.event import Event, EventKind
from hamon.model.observation import LogChunk, Source
from hamon.model.record import in_order
from hamon.parse.forms import UNKNOWN_HOST, date_of, host_of, is_dateless, lacks_host, rewritten
from hamon.parse.lines import (
    HEADS,
    SEVERE,
    Head,
    Layout,
    date_and_host,
    head,
    head_words,
    layout_of,
    level_of_word,
    parse_line,
    without_level,
)
from hamon.parse.stamp import Stamps
from hamon.parse.text import level_of
from hamon.rules.check import Answer
from hamon.rules.schema import AGENT, Rule, RuleSet, TrapRule

MAX_RAW = 2000
"""Characters of an original line that are kept."""

LOOK_BACK = 50
"""So many lines back a date or a host is looked for, where a line has none."""

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
        EventKind.AGENT_ERROR,
        EventKind.RESOURCE_STARTED,
        EventKind.RESOURCE_STOPPED,
        EventKind.RESOURCE_PROMOTED,
        EventKind.RESOURCE_DEMOTED,
        EventKind.RESOURCE_MIGRATED,
        EventKind.NETWORK_UNREACHABLE,
        EventKind.DISK_ERROR,
        EventKind.DISK_RECOVERED,
        EventKind.HOST_ERROR,
        EventKind.QUORUM_DEVICE_LOST,
        EventKind.ATTRIBUTE_CHANGED,
        EventKind.FENCING_DONE,
        EventKind.REPORTED,
        EventKind.UNCLASSIFIED,
    }
)
_INTEGERS = frozenset({"rc", "interval", "transition", "pid", "signal", "count", "threshold", "complete", "incomplete", "skipped"})
_SEVERE_WORDS = frozenset(
    form.encode() + b":" for level in (*SEVERE, "err", "critical", "warn") for form in (level, level.upper(), level.capitalize())
) | frozenset(level.encode() for level in SEVERE)


_OF_THE_HOST = frozenset({"kernel", "systemd", "systemd-logind", "chronyd", "ntpd", "multipathd", "sudo"})
"""Programs of which rules want some lines, and whose other warnings are no matter of the cluster."""

MAX_MEANINGS = 8192
"""Heads whose meaning is remembered."""
MAX_SAYINGS = 2048
"""Lines, without date and host, of which is remembered what they say: clusters say much again, word for word."""
MAX_SAYING = 400
"""Bytes of such a line; longer ones hardly come again."""


_event = in_order(Event)
_LOG = Source.LOG


class _Try:
    """A rule with all that can be known before a line is there."""

    __slots__ = ("id", "kind", "levels", "needle", "numbers", "presets", "read", "search")

    def __init__(self, rule: Rule) -> None:
        self.id, self.kind, self.needle, self.search = rule.id, rule.event, rule.needle, rule.pattern.search
        self.numbers = tuple(sorted(_INTEGERS.intersection(rule.pattern.groupindex)))
        self.presets = tuple(rule.set.items())
        self.levels = rule.levels
        self.read = READINGS[rule.read] if rule.read else None

    def reading(self, found: re.Match[str]) -> Reading | None:
        return _reading(self.kind, found.groupdict(), self.numbers, self.presets, self.read)


_Place = tuple[datetime, str | None, str]
"""When, which node wrote it (None: it has no name), and the text that tells both."""


class _Places:
    """When and on which node, by what stands before the heads of lines: those of one second share it."""

    __slots__ = ("known", "stamps")

    def __init__(self, stamps: Stamps) -> None:
        self.stamps = stamps
        self.known: dict[bytes, _Place | None] = {}
        """What was read before; looked at first."""

    def read(self, before: bytes) -> _Place | None:
        """None where it takes more to read it. Raises ParseError for a time stamp that is none."""
        if len(self.known) > 256:
            self.known.clear()
        text = before.decode("ascii", "replace")
        found = date_and_host(text, self.stamps)
        place = self.known[before] = (found[0], _named(found[1]), text) if found is not None else None
        return place


class _Saying:
    """What a line says, whenever and on whichever node it is written: all lines that go on alike behind date and host say the same.

    `kind` None: nothing that is kept. `is_known`: a rule matched. `is_here`: it is about the node that writes it, as it names none.
    """

    __slots__ = ("detail", "is_here", "is_known", "kind", "node", "resource", "rest", "rule")

    def __init__(self, rest: str, rule: str, reading: Reading | None, instance: str | None, *, is_known: bool) -> None:
        self.rest, self.rule, self.is_known = rest, rule, is_known
        self.kind: EventKind | None = None
        if reading is not None:
            self.kind, self.node, self.detail = reading.kind, reading.node, reading.detail
            self.resource = reading.resource if reading.resource is not None else instance or None
            self.is_here = _is_here(reading) and reading.node is None


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
    tries: tuple[_Try, ...] = ()
    needles: tuple[bytes, ...] | None = None
    """One of these stands in every line that a rule matches; None: not known, or no matter."""
    severe: bool = False
    keeps: bool = False
    """Whether its lines of level warning or worse are kept when no rule takes them: it is a daemon that rules know."""
    layout: Layout | None = None

    def with_head(self, found: bytes) -> "_Meaning":
        """The same of another head, which differs only behind where the text begins."""
        layout = self.layout
        if layout is not None:
            layout = replace(layout, head=found)
        return _Meaning(self.place, self.tries, self.needles, self.severe, self.keeps, layout)


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

    def takes_unclassified(self) -> bool:
        """Count an unmatched line of level warning or worse: whether it becomes an event."""
        takes = self.unclassified < UNCLASSIFIED_PER_CHUNK
        self.unclassified += takes
        self.unclassified_dropped += not takes
        return takes

    def merge(self, other: "Scan") -> None:
        """Add what another scan gave."""
        self.events += other.events
        self.count(other)

    def count(self, other: "Scan") -> None:
        """Add what another scan counted, and its errors."""
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
    read = READINGS[rule.read] if rule.read else None
    return _reading(rule.event, detail, _INTEGERS.intersection(detail), rule.set.items(), read)


def _reading(
    kind: EventKind,
    detail: dict[str, Value],
    numbers: Iterable[str],
    presets: Iterable[tuple[str, Value]],
    read: Callable[[Reading], Reading | None] | None,
) -> Reading | None:
    for name in numbers:
        value = detail[name]
        if isinstance(value, str) and value.lstrip("-").isdigit():
            detail[name] = int(value)
    for name, preset in presets:
        if detail.get(name) is None:
            detail[name] = preset
    node, resource = detail.pop("node", None), detail.pop("resource", None)
    if node is not None:
        node = str(node)
    if resource is not None:
        whole = str(resource)
        resource = without_instance(whole) if ":" in whole else whole
        if resource != whole:
            detail["instance"] = whole.rpartition(":")[2]
    reading = Reading(kind, node, resource, detail)
    return read(reading) if read is not None else reading


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
        of_agents = [rule for rule in rules.rules if rule.daemon in (AGENT, "*")]
        self._agents = _index(of_agents) if any(rule.daemon == AGENT for rule in of_agents) else None
        self._named_agents: dict[str, _Daemon] = {}
        self._tries = {id(rule): _Try(rule) for rule in rules.rules}
        self._meanings: dict[bytes, _Meaning | None] = {}
        self._closer: dict[tuple[bytes, ...], _Meaning] = {}
        self._numbers_are_alike = not any(_is_about_numbers(rule) for rule in rules.rules)
        self._places: dict[tuple[str, datetime], _Places] = {}
        self._sayings: dict[tuple[str, ...], dict[bytes, _Saying]] = {}

    def scan(self, chunk: LogChunk) -> Scan:
        """Try the rules on every line of the chunk."""
        data = chunk.data if chunk.data.endswith(b"\n") or not chunk.data else chunk.data + b"\n"
        lines = list(BytesIO(data))  # with their ends; in half the time of `split`
        heads: list[bytes] = HEADS.findall(data)
        scan = Scan(lines=len(lines))
        unmatched = scan.unmatched
        places = self._places_of(chunk)
        if len(self._meanings) > MAX_MEANINGS:
            self._meanings.clear()
        if len(self._closer) > MAX_SAYINGS:
            self._closer.clear()
        meanings: dict[bytes, _Meaning | None] = {}
        known = self._meanings
        for found, count in Counter(heads).items():
            meaning = known[found] if found in known else self._meaning(found)
            if meaning is None:  # the head does not say it all
                meanings[found] = None
            else:
                if meaning.tries or meaning.severe:
                    meanings[found] = meaning
                if (place := meaning.place) is None:
                    scan.unrecognised += count
                else:
                    unmatched[place.daemon] = unmatched.get(place.daemon, 0) + count
        offsets: list[int] = []
        keep, matched, received_at, cluster, collector = scan.events.append, scan.matched, chunk.received_at, chunk.cluster, chunk.collector
        sayings = self._sayings_of(chunk.encodings)
        for number in compress(range(len(lines)), map(meanings.__contains__, heads)):
            line = lines[number]
            meaning = meanings[heads[number]]
            if meaning is not None and (needles := meaning.needles) is not None:
                find = line.find  # `in` makes and drops an exception each time, as it tries whether it is asked for a number
                for needle in needles:
                    if find(needle) >= 0:
                        break
                else:
                    continue
            line = original = line[:-1]
            if meaning is None:
                meaning = self._meaning_of_line(heads[number], line)
                if meaning.place is None and (plain := _plain(lines, number, chunk)) is not None:
                    line, meaning = plain, self._look_closer(plain.split(None, 11))
                if (place := meaning.place) is None:
                    scan.unrecognised += 1 if line.strip() else 0
                    continue
                unmatched[place.daemon] = unmatched.get(place.daemon, 0) + 1
                if meaning.needles is not None and not any(needle in line for needle in meaning.needles):
                    continue
            place = meaning.place
            assert place is not None
            layout, saying = meaning.layout, None
            if layout is not None and (begin := line.find(layout.head)) >= 0 and (here := places.known.get(line[:begin])) is not None:
                saying = sayings.get(line[begin:])
                if saying is not None:  # as of most lines
                    at, reporter, before = here
                    raw = before + saying.rest
            if saying is None:
                try:
                    saying, at, reporter, raw = self._try(scan, chunk, places, line, meaning, original, sayings)
                except ParseError as err:
                    if len(scan.errors) < 20:
                        offset = chunk.offset + sum(map(len, lines[:number]))
                        scan.errors.append(f"{chunk.path}@{offset}: {err}")
                    scan.unrecognised += 1
                    unmatched[place.daemon] -= 1
                    continue
            if saying.is_known:
                matched[place.daemon] = matched.get(place.daemon, 0) + 1
            if (kind := saying.kind) is None or not (saying.is_known or scan.takes_unclassified()):
                continue
            if not offsets:
                offsets = list(accumulate(map(len, lines), initial=chunk.offset))
            reporter = chunk.node or reporter
            keep(
                _event(  # its fields in their order
                    at,
                    received_at,
                    cluster,
                    kind,
                    saying.rule,
                    _LOG,
                    collector,
                    reporter if saying.is_here else saying.node,
                    saying.resource,
                    reporter,
                    saying.detail,
                    raw if len(raw) <= MAX_RAW else raw[:MAX_RAW],
                    f"{chunk.path}@{offsets[number]}",
                )
            )
        for name, count in matched.items():
            unmatched[name] -= count
        return scan

    def _places_of(self, chunk: LogChunk) -> _Places:
        """Stamps as read within the minute in which the chunk was; what is remembered of them serves the next chunks."""
        key = chunk.timezone, chunk.received_at.replace(second=0, microsecond=0)
        places = self._places.get(key)
        if places is None:
            if len(self._places) > 16:
                self._places.clear()
            places = self._places[key] = _Places(Stamps(*key, self._year))
        return places

    def _meaning(self, found: bytes) -> _Meaning | None:
        """Find out what a head means; None where that shows only in each line."""
        words = head_words(found) if found else []
        meaning: _Meaning | None = None
        if self._numbers_are_alike and words and words[-1].isdigit() and (like := _NUMBER.sub(b" 0", found)) != found:
            known = self._meanings[like] if like in self._meanings else self._meaning(like)
            if known is not None and known.place is not None and known.layout is not None and known.place.text_word + 2 == len(words):
                meaning = known.with_head(found)
                self._meanings[found] = meaning
                return meaning
        if words and (place := (seen := self._look_closer(words)).place) is not None and place.text_word + 1 < len(words):
            meaning = replace(seen, layout=layout_of(found, place))
        self._meanings[found] = meaning
        return meaning

    def _meaning_of_line(self, found: bytes, line: bytes) -> _Meaning:
        """What a line means whose head does not say it all: beside it the next words count, as where functions stand before the text."""
        words = [] if line[:1].isspace() else line.split(None, 11)
        if not found or found.startswith(b" ") or not words:
            return self._look_closer(words)
        behind = 4 + len(found.split())
        key = (found, *words[behind : behind + 3])
        meaning = self._closer.get(key)
        if meaning is None:
            meaning = self._look_closer(words)
            if (place := meaning.place) is not None and place.text_word < behind and place.daemon.startswith("pacemaker"):
                # The name of a function is alike in many lines; the time that a kernel puts there in none.
                meaning = replace(meaning, layout=layout_of(found, place))
            if sum(map(len, key)) <= MAX_SAYING:
                self._closer[key] = meaning
        return meaning

    def _look_closer(self, words: list[bytes]) -> _Meaning:
        """What the first words of a line mean."""
        place = head(words)
        if place is None:
            return _Meaning(None)
        place = without_level(place, words)
        known = self._of_agent(place.daemon) if place.is_agent else self._daemons.get(place.daemon)
        level = _level_of(words, place)
        rules = [
            rule
            for rule in (known or self._others).rules(*_text_words(words, place))
            if not rule.levels or level is None or level in rule.levels
        ]
        needles = tuple({rule.needle for rule in rules if rule.needle is not None})
        keeps = place.daemon in self._daemons and place.daemon not in _OF_THE_HOST
        severe = keeps and 0 <= place.level_word < len(words) and words[place.level_word] in _SEVERE_WORDS
        must_have = not severe and all(rule.needle is not None for rule in rules)
        return _Meaning(place, tuple([self._tries[id(rule)] for rule in rules]), needles if must_have else None, severe, keeps)

    def _of_agent(self, name: str) -> _Daemon | None:
        """The rules for the lines of a resource agent: those for its name, and those for any agent."""
        if self._agents is None or name not in self._daemons:
            return self._agents or self._daemons.get(name)
        if (found := self._named_agents.get(name)) is None:
            found = _index([rule for rule in self.rules.rules if rule.daemon in (name, AGENT, "*")])
            self._named_agents[name] = found
        return found

    def candidates(self, line: bytes) -> Sequence[Rule]:
        """The rules that are tried on a line, in order."""
        ids = {tried.id for tried in self._look_closer(line.split(None, 11)).tries if tried.needle is None or tried.needle in line}
        return [rule for rule in self.rules.rules if rule.id in ids]

    def _sayings_of(self, encodings: Sequence[str]) -> dict[bytes, _Saying]:
        known = self._sayings.setdefault(tuple(encodings), {})
        if len(known) > MAX_SAYINGS:
            known.clear()
        return known

    def _try(
        self,
        scan: Scan,
        chunk: LogChunk,
        places: _Places,
        line: bytes,
        meaning: _Meaning,
        original: bytes,
        sayings: dict[bytes, _Saying],
    ) -> tuple[_Saying, datetime, str | None, str]:
        """What a line says, when and which node wrote it, and the line itself, decoded. Raises ParseError."""
        place, layout = meaning.place, meaning.layout
        assert place is not None
        known = None
        rest = b""
        if layout is not None and (begin := line.find(layout.head)) >= 0:
            before, rest = line[:begin], line[begin:]
            known = places.known.get(before) or places.read(before)
        if known is not None and (told := sayings.get(rest)) is not None:
            return told, known[0], known[1], known[2] + told.rest
        line_text, clean = decode(line, chunk.encodings)
        scan.undecodable += not clean
        raw = line_text if line is original else decode(original, chunk.encodings)[0]
        if layout is None or known is None:
            parts = parse_line(line_text, places.stamps, place.form)
            saying = self._saying(meaning, line, raw, parts.daemon, parts.level, parts.text, parts.instance)
            return saying, parts.at, _named(parts.host), raw
        at, reporter, text = known
        said = layout.text(line_text, len(text))
        saying = self._saying(meaning, line, raw[len(text) :], place.daemon, layout.level, said, layout.instance)
        if clean and len(rest) <= MAX_SAYING:
            sayings[rest] = saying
        return saying, at, reporter, raw

    def _saying(
        self, meaning: _Meaning, line: bytes, rest: str, daemon: str, level: str | None, text: str, instance: str | None
    ) -> _Saying:
        """Try the rules on a text."""
        instance = without_instance(instance) if instance else None
        for tried in meaning.tries:
            if (tried.needle is None or tried.needle in line) and (found := tried.search(text)) is not None:
                if tried.levels and (level or level_of(text)) not in tried.levels:
                    continue
                return _Saying(rest, tried.id, tried.reading(found), instance, is_known=True)
        if level in SEVERE and meaning.keeps:
            detail: dict[str, Value] = {"daemon": daemon, "level": level, "text": text[:MAX_RAW]}
            return _Saying(rest, "", Reading(EventKind.UNCLASSIFIED, None, None, detail), instance, is_known=False)
        return _Saying(rest, "", None, instance, is_known=False)


def _plain(lines: Sequence[bytes], number: int, chunk: LogChunk) -> bytes | None:
    """A line of a rare form in a usual one; of the lines before it the nearest date counts where it has none. Lines have their ends."""
    text = decode(lines[number][:-1], chunk.encodings)[0]
    before = (decode(line[:-1], chunk.encodings)[0] for line in lines[max(0, number - LOOK_BACK) : number][::-1])
    if not text.strip():
        return None
    if lacks_host(text):
        host = next((host for line in before if (host := host_of(line)) is not None), UNKNOWN_HOST)
        return (rewritten(text) or text).replace(f" {UNKNOWN_HOST} ", f" {host} ", 1).encode("utf-8", "replace")
    plain = rewritten(text)
    if plain is None or date_of(plain) is None:
        is_file = chunk.position is None and is_dateless(text)  # an excerpt without dates, not a log that is followed
        arrival = chunk.received_at.isoformat() if is_file else None
        plain = rewritten(text, next((date for line in before if (date := date_of(line)) is not None), arrival))
    return plain.encode("utf-8", "replace") if plain is not None else None


def _named(host: str) -> str | None:
    return host if host != UNKNOWN_HOST else None


def _level_of(words: Sequence[bytes], place: Head) -> str | None:
    """The level that a line gives itself; None where it takes the whole line to say so."""
    return level_of_word(words[place.level_word]) if 0 <= place.level_word < len(words) else None


def _text_words(words: Sequence[bytes], place: Head) -> tuple[bytes, bytes]:
    first, second = (*words[place.text_word : place.text_word + 2], b"", b"")[:2]
    return first, second


_NUMBER = re.compile(rb" [0-9]+$")


def _is_about_numbers(rule: Rule) -> bool:
    """Whether it matters to a rule which number the second word of a text is."""
    return any(word.isdigit() for word in (*(rule.second_words or ()), *(rule.beginnings or ())))


def _is_here(reading: Reading) -> bool:
    """Whether it is about the node that writes it, where it names none; a rule may say so. Changes its detail."""
    here = reading.detail.pop("here", reading.kind in _LOCAL)
    return bool(here) and "of_peer" not in reading.detail and "node_ids" not in reading.detail and "node_id" not in reading.detail


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


def example_line(daemon: str, text: str, level: str = "info") -> str:
    """A line of a log in which a daemon (`*`: any) writes this text."""
    daemon = {"*": "any", AGENT: "Agent(resource)"}.get(daemon, daemon)
    tag = "info" if daemon == "pm_logconv" else f"{daemon}[1]"
    before = {"corosync": "  [MAIN  ] ", "pm_logconv": " "}.get(daemon, f"  {level}: ")
    return f"Jan  1 00:00:00 node {tag}: {before}{text}\n"


def answer(matcher: Matcher, rule: Rule, text: str) -> Answer:
    """What the whole rule set makes of a message text of this rule's daemon: the way in which examples are checked."""
    line = example_line(rule.daemon, text, min(rule.levels, default="info"))
    for candidate in matcher.candidates(line.encode()):
        if (found := candidate.pattern.search(text.rstrip())) is None:
            continue
        if (reading := interpret(candidate, found)) is None:
            return Answer(rule=candidate.id)
        fields = {**reading.detail, "node": reading.node, "resource": reading.resource}
        return Answer(rule=candidate.id, kind=reading.kind, fields=fields)
    return Answer(rule=None)
