"""All rules on all logs: those of the cluster (`match.py`), and those of programs that have nothing to do with it, in any form.

Rules that are for some files only are tried on these alone, so that the others cost no more than without them. A log of a program is read
record by record (a line with its stack trace), and each record meets each rule for the program: such logs are few, and so are their rules.
"""

from dataclasses import replace
from datetime import timedelta
from fnmatch import fnmatchcase
from typing import NamedTuple

from hamon.classify.match import _LOCAL, MAX_RAW, Matcher, Scan, decode, interpret
from hamon.classify.read import Reading
from hamon.model.event import Event
from hamon.model.observation import LogChunk, Source, TextForm
from hamon.parse.text import Record, StampForm, level_of, records, stamp_form
from hamon.rules.schema import Rule, RuleSet

MAX_TEXT = 16_384
"""Characters of a record that rules are tried on."""
AHEAD = timedelta(minutes=5)
"""A stamp that is further ahead of its arrival is not believed: time would pass for the whole cluster."""


class TextLine(NamedTuple):
    """One record, decoded: when, at which level, what rules are tried on (all but its stamp), and as it came."""

    record: Record
    at_stamp: bool
    level: str | None
    text: str
    raw: str


class LogMatcher:
    """The rules in force, for chunks of every form. Holds only caches, no state: the same chunk gives the same scan."""

    def __init__(self, rules: RuleSet, year: int | None = None) -> None:
        """Raises RuleError for a rule that names a reading that does not exist."""
        self.rules, self._year = rules, year
        self._limited = tuple(rule for rule in rules.rules if rule.is_limited)
        self._with: dict[frozenset[str], Matcher] = {}
        self._files: dict[tuple[str, str], frozenset[str]] = {}
        if self._limited:
            Matcher(rules)  # also what is wrong with those for some files
        self._usual = self._including(frozenset())

    def scan(self, chunk: LogChunk) -> Scan:
        """Try the rules on every line, or record, of the chunk."""
        if chunk.form is not None:
            return self._scan_text(chunk, chunk.form)
        return (self.matcher_of(chunk.collector, chunk.path) if self._limited else self._usual).scan(chunk)

    def matcher_of(self, collector: str, path: str) -> Matcher:
        """The rules for the lines of a file of the cluster."""
        return self._including(self._limited_to(collector, path))

    def of_rule(self, rule: Rule) -> Matcher:
        """The rules for some file that this rule is for: to check its examples."""
        return self._including(frozenset({rule.id}) if rule.is_limited else frozenset())

    def text_rules(self, program: str, collector: str, path: str) -> list[Rule]:
        """The rules for the records of a program's log, in order."""
        fitting = self._limited_to(collector, path)
        return [rule for rule in self.rules.rules if rule.daemon in (program, "*") and (not rule.is_limited or rule.id in fitting)]

    def _limited_to(self, collector: str, path: str) -> frozenset[str]:
        found = self._files.get((collector, path))
        if found is None:
            if len(self._files) > 1000:
                self._files.clear()
            found = self._files[collector, path] = frozenset(rule.id for rule in self._limited if is_for(rule, collector, path))
        return found

    def _including(self, limited: frozenset[str]) -> Matcher:
        known = self._with.get(limited)
        if known is None:
            if len(self._with) > 16:
                self._with.clear()
            kept = tuple(rule for rule in self.rules.rules if not rule.is_limited or rule.id in limited)
            known = self._with[limited] = Matcher(replace(self.rules, rules=kept), self._year)
        return known

    def _scan_text(self, chunk: LogChunk, form: TextForm) -> Scan:
        scan = Scan(lines=chunk.data.count(b"\n"))
        rules = self.text_rules(form.program, chunk.collector, chunk.path)
        matched = unmatched = 0
        for record in records(form, chunk.data, chunk.offset):
            wanted = [rule for rule in rules if rule.needle is None or rule.needle in record.data]
            text, clean = decode(record.data, chunk.encodings)
            scan.undecodable += not clean
            read = read_record(record, form, text)
            for rule in wanted:
                if rule.levels and read.level not in rule.levels:
                    continue
                if (found := rule.pattern.search(read.text)) is not None:
                    matched += 1
                    if (reading := interpret(rule, found)) is not None:
                        scan.events.append(_event(chunk, form, read, rule, reading, self._year))
                    break
            else:
                unmatched += 1
        scan.matched, scan.unmatched = {form.program: matched}, {form.program: unmatched}
        return scan


def is_for(rule: Rule, collector: str, path: str) -> bool:
    """Whether a rule is for the lines of a file."""
    by_collector = not rule.collectors or any(fnmatchcase(collector, glob) for glob in rule.collectors)
    return by_collector and (not rule.files or any(fnmatchcase(path, glob) for glob in rule.files))


def read_record(record: Record, form: TextForm, decoded: str) -> TextLine:
    """Take a record apart: the stamp off, the level out."""
    first, _, rest = decoded.partition("\n")
    found = stamp_form(form.stamp).find(record.data.partition(b"\n")[0]) if form.stamp else None
    shown = first.rstrip("\r")
    if found is not None:
        before, _, after = shown.partition(found[0].decode("ascii", "replace"))
        shown = " ".join(part for part in (before.strip(" \t[<("), after.lstrip(" \t])>:,|-")) if part)
    shown = shown.rstrip()
    return TextLine(record, found is not None, level_of(shown), (f"{shown}\n{rest}" if rest else shown)[:MAX_TEXT], decoded)


def _event(chunk: LogChunk, form: TextForm, read: TextLine, rule: Rule, reading: Reading, year: int | None) -> Event:
    at = chunk.received_at
    if read.at_stamp:
        reference = at if year is None else at.replace(year=year, month=12, day=31)
        found = stamp_form(form.stamp).find(read.record.data.partition(b"\n")[0])
        stamped = StampForm.time(found, chunk.timezone, reference) if found is not None else None
        is_live = chunk.position is not None
        if stamped is not None and not (is_live and stamped > at + AHEAD):
            at = stamped
    node = reading.node
    if node is None and reading.kind in _LOCAL:
        node = chunk.node
    return Event(
        at=at,
        received_at=chunk.received_at,
        cluster=chunk.cluster,
        kind=reading.kind,
        rule=rule.id,
        source=Source.LOG,
        collector=chunk.collector,
        node=node,
        resource=reading.resource,
        reporter=chunk.node,
        detail=reading.detail,
        raw=read.raw[:MAX_RAW],
        ref=f"{chunk.path}@{read.record.offset}",
    )
