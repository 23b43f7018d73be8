"""The table of native log lines (`tests/corpus/domain/pacemaker_log_patterns.csv`), and lines in all wordings that each of its rows allows.

A row's pattern is walked through with real values for its groups: once along its first alternatives, and once more for every other
alternative, for every optional part that is there or not, and for every value of a group. So no wording that a row names is left out.
"""

import csv
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from re import _compiler as compiler  # type: ignore[attr-defined]  # the parser of patterns has no public name
from re import _constants as code  # type: ignore[attr-defined]
from re import _parser as parser  # type: ignore[attr-defined]
from typing import Any

from tests.cases import CORPUS

TABLES = CORPUS / "domain"

_FILLED = {
    "x: Node": "crm_update_peer_state: Node",
    "/cib/x/": "/cib/configuration/nodes/node[@id='2']/instance_attributes[@id='nodes-2']/",
}
_GAPS = re.compile("|".join(re.escape(gap) for gap in _FILLED))
"""What stands where a pattern takes anything."""
ENDS = {
    "fn5": "crmd.3594 (60s)",
    "co16": " for 3123.4 ms (threshold is 800.0000 ms). Consider token timeout increase.",
    **{f"ab{number}": "Configuration change" for number in range(1, 7)},
}
"""What follows where a pattern does not describe the whole text."""

DAEMONS = {
    "launcher": ("pacemakerd", "pacemakerd"),
    "controller": ("crmd", "pacemaker-controld"),
    "scheduler": ("pengine", "pacemaker-schedulerd"),
    "attrd": ("attrd", "pacemaker-attrd"),
    "fencer": ("stonith-ng", "pacemaker-fenced"),
    "based": ("cib", "pacemaker-based"),
}
"""The words of the table, and each daemon's name in Pacemaker 1.1 and since 2.0."""

VALUES: Mapping[str, Sequence[str]] = {
    "version": ("2.1.5", "2.4.2"),
    "node": ("pm02", "pm02.example.com"),
    "target": ("pm02", "pm02.example.com", "192.0.2.254"),
    "router": ("pm02",),
    "state": ("lost", "member", "S_IDLE"),
    "was": ("member", "(null)"),
    "process": ("pacemaker-attrd", "stonith-ng"),
    "pid": ("3592",),
    "pid2": ("3592",),
    "text": ("not running", "unknown error", "Timed Out", "ok"),
    "text2": ("Error",),
    "rctext": ("unknown error", "ok", "not running"),
    "rc": ("1", "0", "7"),
    "signal": ("9", "11"),
    "core": ("0", "1"),
    "feature_set": ("3.16.1", "3.0.9"),
    "from": ("S_IDLE", "S_TRANSITION_ENGINE"),
    "to": ("S_POLICY_ENGINE", "S_IDLE"),
    "key": ("12:3:0:6f0bb6a2-4f2a-4b7e-9d3e-1f0a8f7c5a11",),
    "rsc": ("prmPg", "prm_Pg-1", "prmStateful:0"),
    "op": ("start", "stop", "promote", "demote", "reboot", "off", "migrate_to", "migrate_from"),
    "op_name": ("start",),
    "interval": ("0",),
    "action": ("12", "Start", "Stop", "Move", "Recover", "Restart", "Promote", "Demote", "Migrate"),
    "details": ("pm02", "pm01 -> pm02", "node=pm02, call=31, rc=0, cib-update=25, confirmed=true"),
    "transition": ("3", "-1"),
    "expected": ("ok",),
    "got": ("error", "not running"),
    "call": ("25",),
    "update": ("value++", "INFINITY"),
    "epoch": ("1795345823",),
    "count": ("11",),
    "max": ("1",),
    "when": ("Nov 22 11:10:23 2026",),
    "attribute": ("default_ping_set", "diskcheck_status"),
    "settype": ("instance_attributes",),
    "old": ("100", "(null)", "(unset)"),
    "new": ("0", "normal"),
    "writer": ("pm02",),
    "by": ("pm01", "a human"),
    "client": ("crmd.3594", "pacemaker-controld.3594"),
    "origin": ("pm01",),
    "result": ("OK", "No route to host"),
    "device": ("st1-1", "/dev/sdb"),
    "why": ("peer is no longer part of the cluster",),
    "role": ("Started", "Stopped"),
    "file": ("/var/lib/pacemaker/pengine/pe-input-3.bz2",),
    "end": ("Complete", "Stopped"),
    "nodeid": ("2",),
    "nodeids": ("2", "2 3"),
    "value": ("on", "true", "Stopped"),
    "constraint": ("cli-ban-prmPg-on-pm02", "cli-prefer-prmPg"),
    "score": ("-INFINITY",),
    "object": ("nodes-2-x doing modify a=b",),
    "nvpair": ("prmPg-meta_attributes-target-role",),
    "name": ("maintenance-mode",),
    "ringid": ("1.2c", "192.0.2.1:1234"),
    "joined": ("2",),
    "left": ("2",),
    "ring": ("0", "1"),
    "ip": ("192.0.2.1",),
    "link": ("1",),
    "status": ("ERROR", "Timed Out"),
    "output": ("PING 192.0.2.254",),
    "complete": ("33",),
    "pending": ("0",),
    "fired": ("0",),
    "skipped": ("2",),
    "incomplete": ("20",),
    "problems": ("errors",),
}


@dataclass(slots=True)
class _Walk:
    """One way through a pattern. `turns` says which way to take at which fork; `forks` notes how many ways each had."""

    names: Mapping[int, str]
    turns: Mapping[int, int]
    forks: list[int] = field(default_factory=list)

    def choose(self, ways: int) -> int:
        self.forks.append(ways)
        return self.turns.get(len(self.forks) - 1, 0)

    def text(self, parsed: Any) -> str:
        return "".join(self.part(op, argument) for op, argument in parsed)

    def part(self, op: Any, argument: Any) -> str:
        if op is code.LITERAL:
            return chr(argument)
        if op is code.NOT_LITERAL or op is code.ANY:
            return "x"
        if op is code.IN:
            return self.one_of(argument)
        if op is code.BRANCH:
            return self.text(argument[1][self.choose(len(argument[1]))])
        if op in (code.MAX_REPEAT, code.MIN_REPEAT):
            low, high, what = argument
            if low == 0 and high == 1:
                return self.text(what) if self.choose(2) == 0 else ""
            repeated: str = self.text(what) * low
            return repeated
        if op is code.SUBPATTERN:
            number, _, _, what = argument
            return self.group(self.names.get(number, ""), what)
        if op in (code.AT, code.ASSERT, code.ASSERT_NOT):
            return ""
        raise AssertionError(op)

    @staticmethod
    def one_of(argument: Any) -> str:
        kind, value = argument[0]
        if kind is code.NEGATE:
            return "x"
        if kind is code.LITERAL:
            return chr(value)
        if kind is code.RANGE:
            return chr(value[0])
        known: dict[Any, str] = {code.CATEGORY_DIGIT: "1", code.CATEGORY_SPACE: " "}
        return known.get(value, "x")

    def group(self, name: str, what: Any) -> str:
        if name not in VALUES:
            return self.text(what)
        values = [value for value in VALUES[name] if _fits(what, value)]
        return values[self.choose(len(values))] if values else self.text(what)


def _fits(parsed: Any, value: str) -> bool:
    return compiler.compile(parsed).fullmatch(value) is not None if parsed.data else False


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A row of the table: what it is called, what it means, who prints it, at which level, and its pattern."""

    id: str
    kinds: frozenset[str]
    daemon: str
    versions: str
    level: str
    numbers: tuple[str, ...]
    pattern: re.Pattern[str]

    def lines(self) -> Iterator[tuple[str, re.Match[str]]]:
        """Syslog lines in all wordings and under both names of the daemon, without date and host; and the match of the text."""
        for text in texts(self.pattern):
            text = _GAPS.sub(lambda gap: _FILLED[gap[0]], text) + ENDS.get(self.id, "")
            found = self.pattern.search(text.rstrip())
            assert found is not None, text
            yield from ((f"{head}{text}", found) for head in self.heads())

    def heads(self) -> Sequence[str]:
        if self.daemon == "corosync":
            return ("corosync[80]:  [TOTEM ] ", "corosync[80]:   [KNET  ] ")
        if self.daemon.startswith("agent "):
            return (f"{self.daemon.removeprefix('agent ')}(prmX)[4974]: {self.level}: ",)
        if self.daemon == "diskd":
            return (f"diskd[4974]: {self.level}: ",)
        old, new = DAEMONS[self.daemon.partition(" ")[0]]
        return (f"{old}[3594]: {self.level:>7}: ", f"{new}[3594]:  {self.level}: ")


def rows() -> Sequence[Row]:
    """The table."""
    with (TABLES / "pacemaker_log_patterns.csv").open(encoding="utf-8", newline="") as file:
        return [
            Row(
                id=row["id"],
                kinds=frozenset(row["hamon_event"].split()),
                daemon=row["daemon"],
                versions=row["versions"],
                level=(re.findall(r"emerg|crit|error|warning|notice|info|WARNING|INFO", row["level"]) or ["info"])[0],
                numbers=tuple(row["pm_logconv"].split()),
                pattern=re.compile(row["regex"]),
            )
            for row in csv.DictReader(file)
        ]


def messages() -> Sequence[Mapping[str, str]]:
    """The table of pm_logconv's messages."""
    with (TABLES / "pm_logconv_messages.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def texts(pattern: re.Pattern[str]) -> Iterator[str]:
    """Texts that match, with every alternative of the pattern in one of them."""
    parsed = parser.parse(pattern.pattern)
    names = {number: name for name, number in parsed.state.groupdict.items()}
    seen = set()

    def walked(turns: Mapping[int, int]) -> tuple[str, list[int]]:
        walk = _Walk(names, turns)
        return walk.text(parsed), walk.forks

    text, forks = walked({})
    ways = [{}, *({place: way} for place, count in enumerate(forks) for way in range(1, count))]
    for turns in ways:
        text, _ = walked(turns)
        if text not in seen and pattern.search(text):
            seen.add(text)
            yield text
