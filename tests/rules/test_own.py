"""Incidents and changes of a user's own rules: what the file says is what becomes of the lines, however they are read."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter

from hamon.classify import bounds
from hamon.classify.incidents import Engine
from hamon.classify.match import Matcher
from hamon.classify.own import MAX_KEYS, MAX_OPEN, consequences
from hamon.classify.settings import ClusterSettings
from hamon.classify.state import State
from hamon.errors import RuleError
from hamon.model.event import Event
from hamon.model.incident import Incident, IncidentKind, IncidentState, Notice, Severity, Transition
from hamon.model.observation import LogChunk, Tick
from hamon.rules.load import load_all
from hamon.rules.schema import RuleSet
from hamon.tell import headline, next_steps, report
from hamon.tell.words import LANGUAGES, phrase

BEGIN = datetime(2026, 11, 25, 12, 0, 0, tzinfo=UTC)
STATE = TypeAdapter(State)
RULES = """
[[rule]]
id = "pg-files"
title = "PostgreSQL cannot open a file"
daemon = "postgres"
match = 'could not open file "(?P<file>[^"]*)": Too many open files'
[[rule.example]]
line = 'FATAL:  could not open file "base/1/2": Too many open files'
[[rule.counter_example]]
line = 'LOG:  checkpoint starting'

[[rule]]
id = "pg-ready"
title = "PostgreSQL accepts connections"
daemon = "postgres"
match = 'database system is ready'
[[rule.example]]
line = 'LOG:  database system is ready to accept connections'
[[rule.counter_example]]
line = 'LOG:  checkpoint starting'

[[rule]]
id = "login-failed"
title = "Somebody could not log in"
daemon = "sshd"
match = '^Failed password for (?:invalid user )?(?P<user>\\S+) from (?P<address>\\S+)'
[[rule.example]]
line = 'Failed password for root from 192.0.2.9 port 4022 ssh2'
[[rule.counter_example]]
line = 'Accepted password for root from 192.0.2.9 port 4022 ssh2'

[[rule]]
id = "backup-done"
title = "The backup is done"
daemon = "backup"
match = '^done: (?P<job>\\S+)'
[[rule.example]]
line = 'done: orders'
[[rule.counter_example]]
line = 'begin: orders'

[[incident]]
id = "pg-out-of-files"
opened_by = ["pg-files"]
closed_by = ["pg-ready"]
severity = "major"
service = "Order database"
[incident.en]
title = "PostgreSQL on {node} has too few file handles ({file})"
text = "Nobody can connect."
steps = ["`lsof -p {file}`", "raise `LimitNOFILE` on {node}"]
[incident.ja]
title = "{node} の PostgreSQL でファイル記述子が不足"
steps = ["{node} の `LimitNOFILE` を増やす"]

[[incident]]
id = "login-guessing"
opened_by = ["login-failed"]
key = ["address"]
times = 5
within = "10m"
expires = "30m"
en = { title = "{count} logins failed from {address}" }

[[incident]]
id = "backup-late"
opened_by = ["backup-done"]
unless = ["backup-done"]
key = ["job"]
within = "26h"
severity = "critical"
en = { title = "No backup of {job} for more than a day" }
"""


def rules_of(folder: Path, text: str = RULES) -> RuleSet:
    (folder / "own.toml").write_text(text, encoding="utf-8")
    return load_all([folder])


@pytest.fixture(scope="module")
def rules(tmp_path_factory: pytest.TempPathFactory) -> RuleSet:
    return rules_of(tmp_path_factory.mktemp("rules"))


def line(at: datetime, text: str, node: str = "pm01") -> str:
    return f"{at.isoformat()} {node} {text}\n"


def events_of(rules: RuleSet, lines: Sequence[str], path: str = "/var/log/messages") -> list[Event]:
    data = "".join(lines).encode()
    chunk = LogChunk(cluster="pg", collector="logs", path=path, data=data, offset=0, received_at=BEGIN)
    return Matcher(rules).scan(chunk).events


def engine_of(rules: RuleSet, state: State | None = None) -> Engine:
    return Engine(ClusterSettings(name="pg"), state, own=rules.own)


def failed(at: datetime, address: str = "192.0.2.9") -> str:
    return line(at, f"sshd[7]: Failed password for root from {address} port 4022 ssh2")


def told(rules: RuleSet, lines: Sequence[str], end: timedelta = timedelta(0)) -> list[Transition]:
    return list(engine_of(rules).advance([*events_of(rules, lines), Tick(now=BEGIN + end)]).transitions)


def last(transitions: Sequence[Transition]) -> list[Incident]:
    return list({step.incident.key: step.incident for step in transitions}.values())


def test_a_line_opens_an_incident_with_its_own_words_and_another_one_ends_it(rules: RuleSet) -> None:
    steps = told(
        rules,
        [
            line(BEGIN, 'postgres[9]: FATAL:  could not open file "base/1/2": Too many open files'),
            line(BEGIN + timedelta(seconds=70), "postgres[9]: LOG:  database system is ready to accept connections"),
        ],
    )
    assert [step.notice for step in steps if step.notice] == [Notice.OPENING, Notice.CLOSING]
    (incident,) = last(steps)
    assert (incident.kind, incident.name, incident.severity) == (IncidentKind.OTHER, "pg-out-of-files", Severity.MAJOR)
    assert (incident.nodes, incident.services) == (("pm01",), ("Order database",))
    assert (incident.state, incident.resolved_at) == (IncidentState.RESOLVED, BEGIN + timedelta(seconds=70))
    assert headline(incident, "en") == "[major] pg: PostgreSQL on pm01 has too few file handles (base/1/2)"
    assert "pm01 の PostgreSQL でファイル記述子が不足" in headline(incident, "ja")
    assert next_steps(incident, "en") == ("`lsof -p base/1/2`", "raise `LimitNOFILE` on pm01")
    for language in LANGUAGES:
        _, text = report(steps[0], language, UTC)
        assert "Too many open files" in text
        assert "Nobody can connect." in text or language == "ja"


def test_what_a_line_says_gets_into_no_command(rules: RuleSet) -> None:
    (step,) = told(rules, [line(BEGIN, 'postgres[9]: FATAL:  could not open file "x; rm -rf /": Too many open files')])
    assert next_steps(step.incident, "en")[0] == "`lsof -p FILE`"


@pytest.mark.parametrize(("seconds", "opened"), [([0, 1, 2, 3, 4], True), ([0, 1, 2, 3], False), ([0, 200, 400, 500, 601], False)])
def test_so_many_in_that_time_open_one(rules: RuleSet, seconds: list[int], opened: bool) -> None:
    steps = told(rules, [failed(BEGIN + timedelta(seconds=at)) for at in seconds])
    assert bool(steps) is opened
    if opened:
        assert steps[0].incident.words["en"].title == "5 logins failed from 192.0.2.9"
        assert steps[0].incident.started_at == BEGIN


def test_each_key_counts_for_itself(rules: RuleSet) -> None:
    lines = [failed(BEGIN + timedelta(seconds=at), f"192.0.2.{at % 2}") for at in range(9)]
    assert [incident.key.split("-2026")[0] for incident in last(told(rules, lines))] == ["other-login_guessing_192.0.2.0"]


def test_what_goes_on_is_one_incident_and_it_expires_when_it_is_over(rules: RuleSet) -> None:
    lines = [failed(BEGIN + timedelta(minutes=at)) for at in range(30)]
    steps = told(rules, lines, timedelta(minutes=59, seconds=1))
    (incident,) = last(steps)
    assert [step.notice for step in steps if step.notice] == [Notice.OPENING, Notice.CLOSING]
    assert (incident.state, incident.resolved_at) == (IncidentState.EXPIRED, BEGIN + timedelta(minutes=59))


def test_a_copy_of_a_line_in_another_file_counts_once(rules: RuleSet) -> None:
    lines = [failed(BEGIN + timedelta(seconds=20 * at)) for at in range(4)]
    copies = zip(events_of(rules, lines), events_of(rules, lines, "/var/log/secure"), strict=True)
    advance = engine_of(rules).advance([event for pair in copies for event in pair])
    assert advance.transitions == []
    assert sum(event.witness for event in advance.events) == 4


def done(at: timedelta, job: str = "orders") -> str:
    return line(BEGIN + at, f"backup[3]: done: {job}")


def test_what_does_not_come_in_time_opens_one_and_its_coming_ends_it(rules: RuleSet) -> None:
    day = timedelta(hours=24)
    assert told(rules, [done(day * n) for n in range(4)], day * 4) == []
    steps = told(rules, [done(day * 0), done(day * 1), done(day * 1, "users"), done(day * 3)], day * 3)
    (orders, users) = last(steps)
    assert orders.words["en"].title == "No backup of orders for more than a day"
    assert (orders.started_at, orders.state) == (BEGIN + day + timedelta(hours=26), IncidentState.RESOLVED)
    assert (users.started_at, users.state) == (BEGIN + day + timedelta(hours=26), IncidentState.OPEN)


@given(cuts=st.sets(st.integers(0, 40)), order=st.integers(1, 4))
def test_batches_and_restarts_change_nothing(rules: RuleSet, cuts: set[int], order: int) -> None:
    lines = [failed(BEGIN + timedelta(minutes=(order * at) % 41 // 2, seconds=at), f"192.0.2.{at % 3}") for at in range(30)]
    lines += [done(timedelta(hours=12 * at)) for at in range(5)] + [done(timedelta(hours=100))]
    items: list[Event | Tick] = [*sorted(events_of(rules, lines), key=lambda event: event.at), Tick(now=BEGIN + timedelta(hours=200))]
    whole = last(engine_of(rules).advance(items).transitions)
    engine, steps, events = engine_of(rules), list[Transition](), list[Event]()
    for begin, end in zip([0, *sorted(cuts)], [*sorted(cuts), len(items)], strict=True):
        advance = engine.advance(items[begin:end])
        steps += advance.transitions
        events += advance.events
        engine = Engine(ClusterSettings(name="pg"), STATE.validate_json(STATE.dump_json(engine.state)), events, own=rules.own)
    assert last(steps) == whole
    assert {incident.name for incident in whole} == {"login-guessing", "backup-late"}


def test_the_state_stays_bounded(rules: RuleSet) -> None:
    engine = engine_of(rules)
    lines = [failed(BEGIN + timedelta(seconds=at // 100), f"host-{at}") for at in range(MAX_KEYS + 50)]
    lines += [done(timedelta(seconds=at // 100), f"job-{at}") for at in range(MAX_KEYS + 50)]
    engine.advance(events_of(rules, lines))
    assert (len(engine.state.own.tallies), len(engine.state.own.waits)) == (MAX_KEYS, MAX_KEYS)
    engine.advance([Tick(now=BEGIN + timedelta(hours=27))])
    assert len(engine.open_incidents()) == min(MAX_KEYS, bounds.MAX_OPEN)  # each was awaited


def test_what_opens_without_end_opens_so_many(rules: RuleSet) -> None:
    engine = engine_of(rules)
    text = 'postgres[9]: FATAL:  could not open file "a": Too many open files'
    engine.advance(events_of(rules, [line(BEGIN + timedelta(seconds=at), text, f"pm{at}") for at in range(MAX_OPEN + 20)]))
    assert len(engine.open_incidents()) == MAX_OPEN


CHANGED = (
    RULES
    + """
[[change]]
id = "old-host-is-known"
title = "The scanner of the security team guesses on purpose"
events = ["login-failed"]
where = { address = '^192\\.0\\.2\\.77$' }
suppress = true

[[change]]
id = "array-is-a-disk"
title = "What the order database lacks are handles: for this site that is a fault of its disk"
events = ["pg-files"]
where = { node = '^pm02$' }
event = "disk_error"
set = { device = "handles" }
severity = "critical"

[[change]]
id = "pm03-is-a-test"
title = "Nobody is to be woken for the test node"
incidents = ["pg-out-of-files"]
where = { node = '^pm03$' }
severity = "info"

[[change]]
id = "pm04-is-quiet"
title = "This node is being built"
incidents = ["pg-out-of-files"]
where = { node = '^pm04$' }
suppress = true
"""
)


def test_changes_relabel_suppress_and_set_the_severity(tmp_path: Path) -> None:
    rules = rules_of(tmp_path, CHANGED)
    text = 'postgres[9]: FATAL:  could not open file "a": Too many open files'
    lines = [failed(BEGIN + timedelta(seconds=at), "192.0.2.77") for at in range(9)]
    lines += [line(BEGIN + timedelta(seconds=10 * number), text, f"pm0{number}") for number in range(1, 5)]
    advance = engine_of(rules).advance([*events_of(rules, lines), Tick(now=BEGIN + timedelta(minutes=2))])
    assert [event.detail.get("suppressed_by") for event in advance.events[:9]] == ["old-host-is-known"] * 9
    found = {incident.nodes: incident for incident in last(advance.transitions)}
    assert len(last(advance.transitions)) == 4
    assert found["pm01",].severity is Severity.MAJOR
    assert (found["pm02",].kind, found["pm02",].severity) == (IncidentKind.DISK_DEGRADED, Severity.CRITICAL)
    assert (found["pm03",].name, found["pm03",].severity) == ("pg-out-of-files", Severity.INFO)
    assert found["pm04",].severity is Severity.MAJOR
    assert found["pm04",].told is False
    notices = [step.incident.nodes for step in advance.transitions if step.notice]
    assert sorted(notices) == [("pm01",), ("pm02",), ("pm03",)]


NAMING = """
[[rule]]
id = "app-names-its-service"
title = "The agent of our application says which service it is"
daemon = "OurApp"
match = '^(?P<resource>\\S+) serves "(?P<service>[^"]+)"'
event = "service_named"
[[rule.example]]
line = 'prmApp serves "Online shop"'
gives = { resource = "prmApp", service = "Online shop" }
[[rule.counter_example]]
line = 'prmApp is idle'
"""


def test_a_line_names_a_service_and_incidents_and_the_page_call_it_so(tmp_path: Path) -> None:
    rules = rules_of(tmp_path, NAMING)
    controld = "pacemaker-controld[5]:  notice: Result of"
    lines = [
        line(BEGIN, 'OurApp(prmApp)[3]: INFO: prmApp serves "Online shop"'),
        line(BEGIN + timedelta(seconds=1), f"{controld} start operation for prmApp on pm01: ok"),
        line(BEGIN + timedelta(seconds=60), f"{controld} monitor operation for prmApp on pm01: not running"),
    ]
    engine = engine_of(rules)
    steps = engine.advance([*events_of(rules, lines), Tick(now=BEGIN + timedelta(seconds=70))]).transitions
    assert steps[-1].incident.services == ("Online shop",)
    assert [service.name for service in engine.view().services] == ["Online shop"]


@pytest.mark.parametrize(
    ("old", "new", "owner", "reason"),
    [
        ('opened_by = ["pg-files"]', 'opened_by = ["pg-file"]', "pg-out-of-files", 'is called "pg-file"; did you mean "pg-files"?'),
        ('closed_by = ["pg-ready"]', 'closed_by = ["nothing"]', "pg-out-of-files", 'is called "nothing"'),
        ("({file})", "({fil})", "pg-out-of-files", 'en.title: no event that opens it has a field "fil"; its rules must capture it'),
        ('key = ["address"]', 'key = ["adress"]', "login-guessing", 'key: no event that opens it has a field "adress"'),
        ('within = "10m"\n', "", "login-guessing", 'times needs within, such as within = "10m"'),
        ('within = "10m"', 'within = "10 parsecs"', "login-guessing", 'within: must be a length of time such as "90s"'),
        ('within = "26h"', 'within = "32d"', "backup-late", "within: must be from 1s to 31d"),
        ("times = 5", "times = 101", "login-guessing", "times: must be less than or equal to 100"),
        ("times = 5\n", "", "login-guessing", "within needs times"),
        ('en = { title = "{count} logins failed from {address}" }', "", "login-guessing", "it has no words"),
        ('id = "login-guessing"', 'id = "failover"', "failover", "is a kind of hamon's own incidents"),
        ('id = "login-guessing"', 'id = "pg-files"', "pg-files", "this id already stands in"),
        ('severity = "major"', 'severity = "mayor"', "pg-out-of-files", 'severity: "mayor" is none of critical, major'),
        ('severity = "major"', 'colour = "red"', "pg-out-of-files", "colour: no such key"),
        ("suppress = true\n\n", "", "old-host-is-known", "it changes nothing"),
        ('set = { device = "handles" }', "suppress = true", "array-is-a-disk", "what is suppressed cannot be changed as well"),
        ("where = { node = '^pm03$' }", "where = { colour = 'red' }", "pm03-is-a-test", "where: an incident has no colour"),
        ("where = { node = '^pm03$' }", "where = { node = '(' }", "pm03-is-a-test", "node: not a regular expression"),
        ('incidents = ["pg-out-of-files"]', 'incidents = ["failovr"]', "pm03-is-a-test", 'did you mean "failover"?'),
        ('events = ["pg-files"]', 'events = ["pg-files"]\nincidents = ["failover"]', "array-is-a-disk", "give either events or incidents"),
    ],
)
def test_what_is_wrong_is_refused_with_file_id_and_reason(tmp_path: Path, old: str, new: str, owner: str, reason: str) -> None:
    assert old in CHANGED
    with pytest.raises(RuleError) as refused:
        rules_of(tmp_path, CHANGED.replace(old, new, 1))
    assert (refused.value.file, refused.value.rule) == (str(tmp_path / "own.toml"), owner)
    assert reason in refused.value.reason


def test_it_is_said_what_incidents_and_changes_do_with_an_event(tmp_path: Path) -> None:
    rules = rules_of(tmp_path, CHANGED)
    text = 'postgres[9]: FATAL:  could not open file "a": Too many open files'
    lines = [line(BEGIN, text), line(BEGIN, text, "pm02"), failed(BEGIN), failed(BEGIN, "192.0.2.77"), done(timedelta(0))]
    lines.append(line(BEGIN, "postgres[9]: LOG:  database system is ready to accept connections"))
    assert [consequences(rules.own, event) for event in events_of(rules, lines)] == [
        [("opens", "pg-out-of-files")],
        [("changed", "array-is-a-disk")],
        [("counts", "login-guessing")],
        [("suppressed", "old-host-is-known")],
        [("answers", "backup-late"), ("ends", "backup-late"), ("awaits", "backup-late")],
        [("ends", "pg-out-of-files")],
    ]
    for language in LANGUAGES:
        for what in ("opens", "changed", "counts", "suppressed", "answers", "ends", "awaits"):
            assert "backup-late" in phrase(f"explain.then_{what}", language, id="backup-late")


def test_one_that_comes_again_and_again_is_told_as_one_by_its_own_name_and_words(rules: RuleSet) -> None:
    files = 'postgres[9]: FATAL:  could not open file "a": Too many open files'
    ready = "postgres[9]: LOG:  database system is ready to accept connections"
    lines = [line(BEGIN + timedelta(seconds=20 * at), ready if at % 2 else files) for at in range(24)]
    steps = told(rules, lines)
    together = [incident for incident in last(steps) if incident.flaps]
    assert [(incident.name, incident.flaps > 1, incident.services) for incident in together] == [
        ("pg-out-of-files", True, ("Order database",))
    ]
    assert "PostgreSQL on pm01 has too few file handles" in headline(together[0], "en")
    openings = [step.incident.flaps for step in steps if step.notice is Notice.OPENING]
    assert openings.count(0) < 12
