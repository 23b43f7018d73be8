"""Rules on logs of programs, and rules for some files only: they take what they are for, and nothing else costs more for it."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from hamon import data
from hamon.classify.match import Matcher, answer
from hamon.classify.texts import AHEAD, LogMatcher
from hamon.cli import main
from hamon.model.event import Event
from hamon.model.observation import LogChunk, ReadPosition, TextForm
from hamon.rule_cases import Runner
from hamon.rules.load import load_all
from hamon.rules.schema import RuleSet

NOW = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)
FORM = TextForm(program="orders", stamp="%Y-%m-%d %H:%M:%S,%f")
RULES = """
[[rule]]
id = "orders-disk-full"
title = "The order application has no space left"
daemon = "orders"
match = '(?s)(?P<logger>\\S+) - .*No space left on device'
[[rule.example]]
line = 'ERROR a.b.C - java.io.IOException: No space left on device'
gives = { logger = "a.b.C" }
[[rule.counter_example]]
line = 'ERROR a.b.C - boom'

[[rule]]
id = "app-error"
title = "An application reports an error"
daemon = "*"
levels = ["crit", "error"]
files = ["/srv/app/*.log", "/var/log/messages"]
match = '^(?P<text>\\S[^\\n]*)'
[[rule.example]]
line = 'ERROR a.b.C - boom'
[[rule.counter_example]]
line = ""

[[incident]]
id = "app-errors"
opened_by = ["app-error"]
key = ["collector"]
times = 3
within = "5m"
en = { title = "{collector} reports errors: {text}" }

[[incident]]
id = "orders-disk-full-now"
opened_by = ["orders-disk-full"]
severity = "critical"
en = { title = "No space left for {logger} on {node}" }
"""
TRACE = """2026-11-25 20:59:58,250 ERROR a.b.C - boom
java.lang.IllegalStateException: boom
\tat a.b.C.run(C.java:12)
Caused by: java.io.IOException: No space left on device
2026-11-25 20:59:59,000 INFO a.b.C - well again
"""


@pytest.fixture
def rules(tmp_path: Path) -> RuleSet:
    (tmp_path / "rules").mkdir()
    (tmp_path / "rules" / "app.toml").write_text(RULES, encoding="utf-8")
    return load_all([tmp_path / "rules"])


def chunk(text: str, *, path: str = "/srv/app/orders.log", form: TextForm | None = FORM, live: bool = False) -> LogChunk:
    raw = text.encode()
    position = ReadPosition(collector="orders", path=path, device=1, inode=1, offset=len(raw)) if live else None
    return LogChunk(
        cluster="pg",
        collector="orders",
        path=path,
        data=raw,
        offset=0,
        received_at=NOW,
        node="pm01",
        timezone="Asia/Tokyo",
        form=form,
        position=position,
    )


def events(rules: RuleSet, one: LogChunk) -> list[Event]:
    return LogMatcher(rules).scan(one).events


def test_a_rule_sees_the_whole_record_without_its_stamp(rules: RuleSet) -> None:
    scan = LogMatcher(rules).scan(chunk(TRACE))
    (event,) = scan.events
    assert (event.rule, event.at, event.node) == ("orders-disk-full", datetime(2026, 11, 25, 11, 59, 58, 250_000, tzinfo=UTC), "pm01")
    assert event.detail == {"logger": "a.b.C"}
    assert event.raw == TRACE[: TRACE.index("\n2026-11-25 20:59:59")]
    assert event.ref == "/srv/app/orders.log@0"
    assert (scan.lines, scan.matched, scan.unmatched) == (5, {"orders": 1}, {"orders": 1})


def test_a_rule_for_some_files_and_levels_takes_no_others(rules: RuleSet) -> None:
    text = "2026-11-25 20:59:58,250 ERROR a.b.C - boom\n2026-11-25 20:59:58,250 WARN a.b.C - slow\n"
    assert [event.detail["text"] for event in events(rules, chunk(text))] == ["ERROR a.b.C - boom"]
    assert events(rules, chunk(text, path="/srv/other/orders.log")) == []
    syslog = "2026-11-25T20:59:58+09:00 pm01 app[7]: ERROR: boom\n2026-11-25T20:59:58+09:00 pm01 app[7]: [warn] slow\n"
    assert [event.detail["text"] for event in events(rules, chunk(syslog, path="/var/log/messages", form=None))] == ["boom"]
    assert events(rules, chunk(syslog, path="/var/log/ha-log", form=None)) == []


def test_rules_for_some_files_change_nothing_for_the_others(rules: RuleSet) -> None:
    """A rule of any daemon with any text would take all the lines of the cluster, were it not for its files."""
    line = "2026-11-25T20:59:58+09:00 pm01 pacemaker-controld[7]:  error: Result of monitor operation for prmPg on pm01: not running\n"
    taken = events(rules, chunk(line, path="/var/log/ha-log", form=None))
    assert [event.rule for event in taken] == [Matcher(load_all()).scan(chunk(line, form=None)).events[0].rule]
    for rule in rules.rules:
        for example in rule.examples:
            assert answer(LogMatcher(rules).of_rule(rule), rule, example.line).rule == rule.id


def test_a_stamp_of_the_future_moves_no_time(rules: RuleSet) -> None:
    """A program whose zone is configured wrongly must not have a cluster's settle times end early."""
    late = NOW + AHEAD + timedelta(seconds=1)
    text = f"{late.astimezone(UTC):%Y-%m-%d %H:%M:%S},000 ERROR a.b.C - boom\n"
    wrong = chunk(text, live=True)
    assert [event.at for event in events(rules, wrong)] == [late - timedelta(hours=9)]
    utc = LogChunk(**{**{name: getattr(wrong, name) for name in wrong.__dataclass_fields__}, "timezone": "UTC"})
    assert [event.at for event in events(rules, utc)] == [NOW]


CASE = """
description = "A full disk of the application, and a burst of its errors"
timezone = "Asia/Tokyo"
until = 2026-11-25T21:10:00+09:00
[text.orders]
program = "orders"
stamp = "%Y-%m-%d %H:%M:%S,%f"
path = "/srv/app/orders.log"
node = "pm01"
lines = '''
{trace}2026-11-25 21:00:00,000 ERROR a.b.C - one
2026-11-25 21:01:00,000 ERROR a.b.C - two
2026-11-25 21:02:00,000 ERROR a.b.C - three
'''
[[incident]]
kind = "other"
name = "orders-disk-full-now"
title = "No space left for a.b.C on pm01"
severity = "critical"
[[incident]]
name = "app-errors"
title = "orders reports errors: ERROR a.b.C - three"
"""


def test_a_case_may_hold_the_log_of_a_program(rules: RuleSet, tmp_path: Path) -> None:
    case = tmp_path / "case.toml"
    case.write_text(CASE.replace("{trace}", TRACE), encoding="utf-8")
    result = Runner([tmp_path / "rules"], data.folder("rules"), {}).run(case)
    assert result.failures == ()
    case.write_text(CASE.replace("{trace}", TRACE).replace("stamp =", "stamps ="), encoding="utf-8")
    assert "text.orders.stamps" in Runner([], data.folder("rules"), {}).run(case).failures[0]


@pytest.fixture
def config(rules: RuleSet, tmp_path: Path) -> Path:
    assert rules
    file = tmp_path / "hamon.conf"
    file.write_text(
        f"""
[rules]
paths = ["{tmp_path}/rules"]
[cluster.pg]
[collect.log_tail.orders]
cluster = "pg"
node = "pm01"
program = "orders"
stamp = "%Y-%m-%d %H:%M:%S,%f"
timezone = "Asia/Tokyo"
paths = ["/srv/app/*.log"]
""",
        encoding="utf-8",
    )
    return file


def test_analyze_and_explain_read_a_file_as_its_collector_does(config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    log = tmp_path / "saved.log"
    log.write_text(TRACE, encoding="utf-8")
    assert main(["analyze", "--config", str(config), "--cluster", "pg", "--collector", f"orders={log}", "--format", "json"]) == 0
    (incident,) = json.loads(capsys.readouterr().out)["incidents"]
    assert (incident["name"], incident["title"]) == ("orders-disk-full-now", "No space left for a.b.C on pm01")
    assert incident["started_at"] == "2026-11-25T11:59:58.250Z"
    assert main(["rules", "explain", "--config", str(config), "--collector", "orders", "--file", str(log)]) == 1
    told = capsys.readouterr().out
    assert "taken by:     orders-disk-full (The order application has no space left)" in told
    assert "then:         it opens the incident orders-disk-full-now" in told
    assert "app-error: it is for lines of level crit, error; this one has info" in told


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ('stamp = "%Y-%m-%d %H:%M:%S,%f"', 'stamp = "%Q"', "%Q cannot be read"),
        ('program = "orders"\n', "", "stamp and record_start are for the logs of a program"),
        ('program = "orders"', 'program = "orders"\nrecord_start = "("', "not a regular expression"),
    ],
)
def test_a_wrong_form_is_refused(config: Path, old: str, new: str, reason: str, capsys: pytest.CaptureFixture[str]) -> None:
    config.write_text(config.read_text(encoding="utf-8").replace(old, new, 1), encoding="utf-8")
    assert main(["config", "check", "--config", str(config)]) != 0
    shown = capsys.readouterr()
    assert reason in shown.out + shown.err
