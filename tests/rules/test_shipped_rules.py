"""The rules that come with hamon: they do what their examples say, and finding them by index changes nothing."""

import gzip
import re
from collections.abc import Mapping, Sequence
from functools import cache
from itertools import pairwise
from pathlib import Path
from random import Random

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from hamon.classify.match import Matcher, answer, interpret
from hamon.classify.read import READINGS, Value
from hamon.classify.traps import TrapMatcher
from hamon.errors import ParseError
from hamon.model.event import Event, EventKind
from hamon.model.observation import LogChunk, Source
from hamon.parse.lines import parse_line
from hamon.parse.stamp import Stamps
from hamon.rules.check import Finding, check, check_traps
from hamon.rules.load import load, load_all
from hamon.rules.schema import AGENT, Rule, RuleSet
from tests.cases import SEEN_AT, matcher, rules, scan
from tests.recordings import RECORDINGS, evidence

TEXTS = [(rule, example.line) for rule in rules().rules for example in rule.examples] + [
    (rule, counter.line) for rule in rules().rules for counter in rule.counter_examples
]


def test_all_rules_do_what_their_examples_say() -> None:
    everything = rules()
    found = check(everything, lambda rule, line: answer(matcher(), rule, line), lambda rule, line: rule.pattern.search(line) is not None)
    assert found == []
    traps = TrapMatcher(everything)
    assert [str(finding) for finding in check_traps(everything, traps.answer, traps.alone)] == []
    assert len(everything) > 150


def test_every_reading_is_used_and_every_rule_has_a_title_of_its_own() -> None:
    used = {rule.read for rule in rules().rules} | {trap.read for trap in rules().traps}
    assert used - {None} == set(READINGS)
    titles = [rule.title for rule in rules().rules] + [trap.title for trap in rules().traps]
    assert len(titles) == len(set(titles))


# -- the index

Told = tuple[EventKind, str | None, str | None, Mapping[str, Value]]


def tried_one_by_one(rule_daemon: str, text: str, level: str | None = "error", *, by_agent: bool = False) -> tuple[str, Told | None] | None:
    """What the rules of a daemon make of a text without any index: the first that matches says it."""
    names = (rule_daemon, "*", AGENT) if by_agent else (rule_daemon, "*")
    for rule in rules().rules:
        if rule.levels and level not in rule.levels:
            continue
        if rule.daemon in names and (found := rule.pattern.search(text)) is not None:
            reading = interpret(rule, found)
            return rule.id, None if reading is None else (reading.kind, reading.node, reading.resource, reading.detail)
    return None


def by_index(daemon: str, text: str) -> tuple[str, Told | None] | None:
    tag = {"pm_logconv": "error", AGENT: "Some(prmIt)[1]"}.get(daemon, f"{daemon}[1]")
    line = f"Nov 22 10:52:22 pm01 {tag}: {BEFORE.get(daemon, '  error: ')}{text}"
    for rule in matcher().candidates(line.encode()):
        if (found := rule.pattern.search(text)) is not None:
            reading = interpret(rule, found)
            return rule.id, None if reading is None else (reading.kind, reading.node, reading.resource, reading.detail)
    return None


BEFORE = {"corosync": "  [MAIN  ] ", "pm_logconv": ""}


@pytest.mark.parametrize("daemon", sorted({rule.daemon for rule in rules().rules} - {"*"}))
def test_the_index_finds_what_trying_every_rule_finds_for_every_example_of_every_daemon(daemon: str) -> None:
    for _, text in TEXTS:
        assert by_index(daemon, text.rstrip()) == tried_one_by_one(daemon, text.rstrip()), text


PRINTABLE = st.characters(codec="ascii", min_codepoint=32, max_codepoint=126) | st.just("\t")
any_match = st.sampled_from(rules().rules).flatmap(
    lambda rule: st.tuples(st.just(rule), st.from_regex(rule.pattern, alphabet=PRINTABLE).map(str.strip))
)


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(any_match)
def test_the_index_finds_what_trying_every_rule_finds_for_whatever_a_pattern_matches(made: tuple[Rule, str]) -> None:
    rule, text = made
    daemon = "any" if rule.daemon == "*" else rule.daemon
    assume(text)
    assert by_index(daemon, text) == tried_one_by_one(daemon, text)


@cache
def sampled_lines() -> Sequence[bytes]:
    """Lines of all recordings, a seeded sample of each log."""
    random = Random(1122)
    found: list[bytes] = []
    for name in sorted(path.name for path in RECORDINGS.iterdir()):
        for path in evidence(name, "*/*.log.gz", "*/ha-log.gz"):
            lines = gzip.decompress(path.read_bytes()).splitlines()
            found += random.sample(lines, min(len(lines), 60))
    return found


def plainly(line: bytes) -> Event | None:
    """The event of a line, as if there were no index: take it apart, try every rule."""
    stamps = Stamps("UTC", SEEN_AT)
    try:
        parts = parse_line(line.decode("utf-8"), stamps)
    except ParseError:
        return None
    found = tried_one_by_one(parts.daemon, parts.text, parts.level, by_agent=bool(parts.instance))
    if found is None or found[1] is None:
        return None
    kind, node, resource, detail = found[1]
    return Event(
        at=parts.at,
        received_at=SEEN_AT,
        cluster="",
        kind=kind,
        rule=found[0],
        source=Source.LOG,
        collector="",
        node=node,
        resource=resource,
        detail=detail,
    )


def test_the_index_finds_what_trying_every_rule_finds_for_lines_of_a_real_cluster() -> None:
    told = 0
    for line in sampled_lines():
        events = [event for event in scan(line + b"\n").events if event.kind is not EventKind.UNCLASSIFIED]
        expected = plainly(line)
        if expected is None:
            assert events == [], line
            continue
        told += 1
        (event,) = events
        assert (event.rule, event.kind, dict(event.detail), event.at) == (
            expected.rule,
            expected.kind,
            dict(expected.detail),
            expected.at,
        ), line
        assert event.node == (expected.node or event.node)
    assert told > 200


def test_a_rule_is_found_by_its_words_and_its_literal_wherever_its_pattern_matches() -> None:
    for rule, text in TEXTS:
        if not rule.pattern.search(text):
            continue
        words = text.encode().split()
        assert rule.words is None or words[0] in rule.words, rule.id
        assert rule.second_words is None or words[1] in rule.second_words, rule.id
        assert rule.needle is None or rule.needle in text.encode(), rule.id


# -- chunks


@cache
def one_log() -> bytes:
    return b"".join(gzip.decompress(path.read_bytes()) for path in evidence("failover_resource", "pm01/*.gz"))


def chunk(data: bytes, offset: int) -> LogChunk:
    return LogChunk(cluster="c", collector="x", path="log", data=data, offset=offset, received_at=SEEN_AT)


@given(st.lists(st.integers(min_value=0, max_value=900), max_size=12))
def test_lines_cut_into_chunks_anywhere_give_the_same_events_and_counts(cuts: list[int]) -> None:
    data = one_log()
    ends = [0, *[index + 1 for index, byte in enumerate(data) if byte == 10]]
    places = sorted({0, len(data), *[ends[cut % len(ends)] for cut in cuts]})
    whole = matcher().scan(chunk(data, 0))
    pieces = [matcher().scan(chunk(data[begin:end], begin)) for begin, end in pairwise(places)]
    merged = pieces[0]
    for piece in pieces[1:]:
        merged.merge(piece)
    assert merged.events == whole.events
    assert (merged.lines, merged.unrecognised) == (whole.lines, whole.unrecognised)
    assert {name: count for name, count in merged.matched.items() if count} == whole.matched
    assert {name: count for name, count in merged.unmatched.items() if count} == {n: c for n, c in whole.unmatched.items() if c}
    assert sum(whole.matched.values()) + sum(whole.unmatched.values()) + whole.unrecognised == whole.lines


def test_a_matcher_remembers_nothing_that_changes_what_a_chunk_gives() -> None:
    fresh = Matcher(rules())
    data = one_log()
    first = fresh.scan(chunk(data, 0))
    fresh.scan(chunk(b"Nov 22 10:52:22 other corosync[1]:   [MAIN  ] x\n2026-11-22T10:00:00Z a b[1]: c\n\n", 0))
    assert fresh.scan(chunk(data, 0)) == first


def test_the_place_of_an_event_is_the_offset_of_its_line() -> None:
    data = one_log()
    for event in matcher().scan(chunk(data, 1000)).events:
        offset = int(event.ref.rpartition("@")[2]) - 1000
        assert data[offset:].split(b"\n", 1)[0].decode() == event.raw


def test_rules_about_native_lines_say_which_versions_write_them_and_at_what_level() -> None:
    told = [rule for rule in rules().rules if rule.versions is not None or rule.level is not None]
    assert len(told) > 100
    for rule in told:
        assert rule.versions is not None, rule.id
        assert re.search(r"all|\d\.", rule.versions), rule.id
        assert re.search(r"emerg|alert|crit|error|warning|notice|info", rule.level or ""), rule.id


def findings(rules: RuleSet) -> Sequence[Finding]:
    """What `hamon rules check` says of the examples."""
    seen = Matcher(rules)
    return check(rules, lambda rule, line: answer(seen, rule, line), lambda rule, line: rule.pattern.search(line) is not None)


def with_a_disk_error(folder: Path, match: str) -> RuleSet:
    """The rules, and before them one of the user for a line that hamon has one for."""
    (folder / "own.toml").write_text(
        f"""
[[rule]]
id = "ours"
title = "Our own reading of a disk error"
daemon = "kernel"
match = '{match}'
[[rule.example]]
line = 'blk_update_request: I/O error, dev sdb, sector 789012'
gives = {{ device = "sdb" }}
[[rule.counter_example]]
line = 'sd 2:0:0:0: [sdb] Attached SCSI disk'
""",
        encoding="utf-8",
    )
    return load_all([folder])


def test_a_rule_of_the_user_may_take_what_hamon_has_a_rule_for(tmp_path: Path) -> None:
    both = with_a_disk_error(tmp_path, r"I/O error, dev (?P<device>\w+)")
    found = findings(both)
    assert found == []


def test_what_comes_in_the_way_within_one_folder_is_told(tmp_path: Path) -> None:
    rule = """
[[rule]]
id = "{name}"
title = "The rule {name}"
daemon = "own"
match = 'disk (?P<device>\\w+)'
[[rule.example]]
line = 'disk sdb'
[[rule.counter_example]]
line = 'path sdb'
"""
    (tmp_path / "own.toml").write_text(rule.format(name="first") + rule.format(name="second"), encoding="utf-8")
    both = load([tmp_path])
    found = findings(both)
    assert ["second" in str(finding) for finding in found] == [True]


def test_a_rule_of_the_user_that_does_not_match_its_own_example_is_told_though_hamon_has_one_that_does(tmp_path: Path) -> None:
    both = with_a_disk_error(tmp_path, r"I/O error of disk (?P<device>\w+)")
    found = findings(both)
    assert [finding.rule for finding in found] == ["ours"]
