"""`hamon rules explain`: lines and traps in, and why they become what they become out, in words or as JSON."""

import bz2
import gzip
import lzma
import os
import re
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import IO, Any, cast
from unicodedata import east_asian_width

from hamon.analyze import ReadAs, recorded_trap
from hamon.classify.explain import ENCODINGS, Because, Explanation, Tried, Verdict, explain_line, explain_record, explain_trap
from hamon.classify.match import decode, example_line
from hamon.classify.own import consequences
from hamon.classify.texts import LogMatcher
from hamon.classify.traps import TrapMatcher
from hamon.errors import ParseError
from hamon.model.observation import LogChunk
from hamon.parse.text import records
from hamon.rules.own import NO_OWN, Own
from hamon.rules.schema import Rule, RuleSet
from hamon.tell.words import phrase

MAX_LINE_BYTES = 1024 * 1024
_HEX = re.compile(r"^(?:0x)?[0-9A-Fa-f]{2}(?:[ :]?[0-9A-Fa-f]{2}){15,}$")
_TRAP_JSON = re.compile(r'^\s*\{.*"hex"\s*:')
_OPENED: Mapping[str, Callable[..., object]] = {".gz": gzip.open, ".bz2": bz2.open, ".xz": lzma.open}


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """`now` is near the time of the lines. `daemon`: they are texts alone, of this daemon. `closely`: rules that are asked about."""

    now: datetime
    timezone: str = "UTC"
    year: int | None = None
    daemon: str | None = None
    closely: frozenset[str] = frozenset()
    read_as: ReadAs | None = None
    """The lines are those of a collector; None: of any log of the cluster."""


class Explainer:
    """Says of lines and traps which rule takes them, with the matchers of the gateway."""

    def __init__(self, rules: RuleSet, wanted: Wanted) -> None:
        """Raises RuleError for a rule that names a reading that does not exist."""
        self._logs, self._traps, self._wanted = LogMatcher(rules, wanted.year), TrapMatcher(rules), wanted
        how = wanted.read_as
        self._matcher = self._logs.matcher_of(how.collector, how.path) if how is not None else self._logs.matcher_of("explain", "line")

    def explain_all(self, lines: Iterable[str]) -> Iterator[Explanation]:
        """Explain lines one by one; those of a program's log record by record."""
        how = self._wanted.read_as
        if how is None or how.form is None:
            yield from map(self.explain, lines)
            return
        data = "".join(f"{line}\n" for line in lines).encode("utf-8", "replace")
        for record in records(how.form, data):
            chunk = LogChunk(
                cluster="explain",
                collector=how.collector,
                path=how.path,
                data=record.data + b"\n",
                offset=0,
                received_at=self._wanted.now,
                node=how.node,
                timezone=how.timezone,
                form=how.form,
            )
            yield explain_record(self._logs, chunk, how.form, closely=self._wanted.closely)

    def explain(self, line: str) -> Explanation:
        """Explain a line of a log, or a trap in hexadecimal digits or JSON."""
        wanted = self._wanted
        if wanted.daemon is not None:
            line = example_line(wanted.daemon, line)
        elif _TRAP_JSON.match(line) or _HEX.match(line.strip()):
            return self._explain_trap(line.strip())
        return explain_line(self._matcher, line, received_at=wanted.now, timezone=wanted.timezone, year=wanted.year, closely=wanted.closely)

    def _explain_trap(self, given: str) -> Explanation:
        digits = re.sub(r"^0x|[ :]", "", given) if _HEX.match(given) else None
        row = given if digits is None else f'{{"t": {self._wanted.now.timestamp()}, "src": "unknown", "hex": "{digits}"}}'
        try:
            trap = recorded_trap(row)
        except ParseError as err:
            return Explanation(shown=given, problem=Because("no_trap", {"error": str(err)}))
        return explain_trap(self._traps, trap, timezone=self._wanted.timezone)


def inputs(lines: Sequence[str], files: Sequence[Path], standard: IO[bytes]) -> Iterator[str]:
    """What is to be explained, in order; empty lines of files are left out. Raises OSError."""
    for line in lines:
        if line == "-":
            yield from _lines(standard)
        else:
            yield decode(os.fsencode(line), ENCODINGS)[0]
    for path in files:
        with _opened(path) as stream:
            try:
                yield from _lines(stream)
            except (EOFError, zlib.error, lzma.LZMAError) as err:
                raise OSError(None, str(err), str(path)) from err


def _opened(path: Path) -> IO[bytes]:
    opened = _OPENED.get(path.suffix)
    return path.open("rb") if opened is None else cast(IO[bytes], opened(path, "rb"))


def _lines(stream: IO[bytes]) -> Iterator[str]:
    while line := stream.readline(MAX_LINE_BYTES):
        if line.strip():
            yield decode(line.rstrip(b"\r\n"), ENCODINGS)[0]


def words(because: Because, language: str) -> str:
    """A reason in words."""
    return phrase(f"explain.because.{because.word}", language, **because.values)


def to_text(
    found: Explanation, *, every: bool = False, closely: frozenset[str] = frozenset(), language: str = "en", own: Own = NO_OWN
) -> str:
    """The explanation for people. `every`: all rules that were tried; `closely`: those that are to be named in any case.

    `own`: the user's incidents and changes, of which it is told what they make of the event.
    """

    def row(label: str, text: str) -> str:
        name = phrase(f"explain.{label}", language)
        wide = sum(2 if east_asian_width(char) in "WF" else 1 for char in name)
        return f"  {name}:{' ' * max(1, 13 - wide)}{text}"

    told = [found.shown]
    if found.problem is not None:
        return "\n".join([*told, f"  {phrase('explain.not_read', language)}: {words(found.problem, language)}"])
    told += [row(f"part.{name}", value) for name, value in found.parts if value]
    if (winner := found.winner) is not None:
        given = {"rule": winner.id, "title": winner.title, "file": winner.file}
        told.append(row("taken_by", phrase("explain.the_rule", language, **given)))
        if isinstance(winner, Rule) and (winner.versions or winner.level):
            unknown = phrase("explain.unknown", language)
            given = {"versions": winner.versions or unknown, "level": winner.level or unknown}
            told.append(row("written_by", phrase("explain.versions", language, **given)))
        fields = next((one.fields for one in found.tried if one.verdict is Verdict.WON), None)
        told += [f"    {name} = {value!r}" for name, value in (fields or {}).items()]
    else:
        told.append(row("taken_by", phrase("explain.no_rule", language)))
    if (event := found.event) is not None:
        about = [f"{name} {value}" for name, value in (("node", event.node), ("resource", event.resource)) if value]
        given = {"kind": event.kind.value, "about": ", ".join(about), "at": event.at.isoformat()}
        told.append(row("event", phrase("explain.the_event", language, **given)))
        told += [f"    {name} = {value!r}" for name, value in event.detail.items() if value is not None and name != "text"]
        told += [row("then", phrase(f"explain.then_{what}", language, id=name)) for what, name in consequences(own, event)]
    elif winner is not None:
        told.append(row("event", phrase("explain.tells_nothing", language) + _reading(found)))
    else:
        told.append(row("event", phrase("explain.not_kept", language)))
    told += _others(found, every, closely, language, row)
    return "\n".join(told)


def _reading(found: Explanation) -> str:
    return f' (read = "{found.winner.read}")' if found.winner is not None and found.winner.read else ""


def _others(found: Explanation, every: bool, closely: frozenset[str], language: str, row: Callable[[str, str], str]) -> list[str]:
    losers = [one for one in found.tried if one.verdict is not Verdict.WON]
    named: list[Tried] = [one for one in losers if one.rule.id in closely]
    if every:
        named = [one for one in losers if one.tried or one.verdict is not Verdict.NO or one.rule.id in closely]
    else:
        named += [one for one in losers if one.verdict is not Verdict.NO and one not in named]
        if found.winner is None:
            named += [one for one in found.near if one not in named]
    tried = sum(one.tried for one in found.tried)
    told = [row("tried", phrase("explain.so_many", language, tried=str(tried), all=str(len(found.tried) + found.others)))]
    if named:
        told.append(f"  {phrase('explain.not_taken_by', language)}:")
        told += [f"    {one.rule.id}: {words(one.because, language)}" for one in named]
    return told


def to_json(
    found: Explanation, *, every: bool = False, closely: frozenset[str] = frozenset(), language: str = "en", own: Own = NO_OWN
) -> dict[str, Any]:
    """The explanation as one object; what is not known is null. `every`: also the rules that were ruled out by the line's words."""
    event = found.event
    named = [one for one in found.tried if every or one.tried or one.verdict is not Verdict.NO or one.rule.id in closely]
    return {
        "line": found.shown,
        "problem": words(found.problem, language) if found.problem is not None else None,
        "parts": dict(found.parts),
        "rule": found.winner.id if found.winner is not None else None,
        "event": None
        if event is None
        else {
            "at": event.at.isoformat(),
            "kind": event.kind.value,
            "node": event.node,
            "resource": event.resource,
            "reporter": event.reporter,
            "source": event.source.value,
            "detail": dict(event.detail),
        },
        "then": [] if event is None else [{"what": what, "id": name} for what, name in consequences(own, event)],
        "rules": [
            {
                "id": one.rule.id,
                "title": one.rule.title,
                "file": one.rule.file,
                "daemon": one.rule.daemon if isinstance(one.rule, Rule) else None,
                "verdict": one.verdict.value,
                "tried": one.tried,
                "reason": words(one.because, language),
                "fields": one.fields,
            }
            for one in named
        ],
        "others": found.others + len(found.tried) - len(named),
    }
