"""`hamon rules explain`: it says of a line or a trap what the matcher makes of it, and why."""

import gzip
import json
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from hamon.classify.explain import Verdict
from hamon.explain import Explainer, Wanted, to_text, words
from hamon.rules.load import load
from tests.cases import rules, scan
from tests.gateway.harness import environment

RECORDINGS = Path(__file__).parents[1] / "corpus" / "recordings"
RECORDING = RECORDINGS / "failover_resource"
NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
LOST = "Nov 22 10:52:22 pm01 OurArray[812]: disk array on pm01 is degraded (path B)"
OWN = """
[[rule]]
id = "our-array-degraded"
title = "Our storage agent found a path of the disk array broken"
daemon = "OurArray"
match = '^disk array on (?P<node>\\S+) is degraded \\((?P<device>[^)]+)\\)'
event = "disk_error"
[[rule.example]]
line = 'disk array on pm01 is degraded (path B)'
[[rule.counter_example]]
line = 'disk array on pm01 is healthy again'
[[rule]]
id = "our-array-any"
title = "Anything of the disk array"
daemon = "OurArray"
match = '^disk array on (?P<node>\\S+)'
event = "unclassified"
[[rule.example]]
line = 'disk array on pm01 is healthy'
[[rule.counter_example]]
line = 'tape'
[[rule]]
id = "kernel-array"
title = "The kernel says so"
daemon = "kernel"
match = 'is degraded'
contains = "degraded"
event = "disk_error"
[[rule.example]]
line = 'md0 is degraded'
[[rule.counter_example]]
line = 'md0 is fine'
"""


@pytest.fixture
def own(tmp_path: Path) -> Path:
    folder = tmp_path / "own"
    folder.mkdir()
    (folder / "array.toml").write_text(OWN, encoding="utf-8")
    return folder


def command(*arguments: str | Path, given: str | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "hamon", "rules", "explain", *map(str, arguments)],
        input=given,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        env=environment(),
    )


@pytest.mark.parametrize("log", ["ha-log.gz", "pacemaker.log.gz"])
def test_the_rule_and_the_event_are_those_of_the_matcher(log: str) -> None:
    explainer = Explainer(rules(), Wanted(now=NOW))
    with gzip.open(RECORDING / "pm01" / log, "rt", encoding="utf-8") as stream:
        lines = [line.rstrip("\n") for line in stream]
    taken = 0
    for line in lines[:: max(1, len(lines) // 600)]:
        alone, found = scan(line, seen_at=NOW), explainer.explain(line)
        assert (found.winner is not None) == bool(sum(alone.matched.values())), line
        assert [(event.kind, event.rule, event.node, event.detail) for event in alone.events] == (
            [] if found.event is None else [(found.event.kind, found.event.rule, found.event.node, found.event.detail)]
        )
        if found.event is not None and found.winner is not None:
            assert found.event.rule == found.winner.id
            taken += 1
    assert taken >= 10


def test_every_trap_of_a_recording_has_its_rule_and_its_event() -> None:
    explainer = Explainer(rules(), Wanted(now=NOW))
    with gzip.open(RECORDING / "monitor" / "traps.jsonl.gz", "rt", encoding="utf-8") as stream:
        found = [explainer.explain(line) for line in stream]
    assert {one.winner.id for one in found if one.winner is not None} >= {"alert-resource", "alert-attribute"}
    for one in found:
        assert one.winner is not None
        assert not one.problem
        assert one.event is None or one.event.rule == one.winner.id


def test_a_trap_is_the_same_as_json_and_as_datagram() -> None:
    explainer = Explainer(rules(), Wanted(now=NOW))
    with gzip.open(RECORDING / "monitor" / "traps.jsonl.gz", "rt", encoding="utf-8") as stream:
        row = stream.readline()
    digits = json.loads(row)["hex"]
    pairs = " ".join(digits[at : at + 2] for at in range(0, len(digits), 2))
    answers = [explainer.explain(given) for given in (row, digits, "0x" + digits, pairs)]
    assert len({(one.winner.id, str(one.event.detail)) for one in answers if one.winner is not None and one.event is not None}) == 1
    assert all(one.event is not None for one in answers)


def test_the_winner_the_later_and_those_of_others_are_told(own: Path) -> None:
    found = Explainer(load([own]), Wanted(now=NOW)).explain(LOST)
    assert [(one.rule.id, one.verdict) for one in found.tried] == [
        ("our-array-degraded", Verdict.WON),
        ("our-array-any", Verdict.LATER),
        ("kernel-array", Verdict.ANOTHER_DAEMON),
    ]
    text = to_text(found)
    assert "taken by:     our-array-degraded" in text
    assert "device = 'path B'" in text
    assert "event:        disk_error, node pm01, at 2026-11-22T10:52:22+00:00" in text
    assert 'for lines of "kernel"; this one is of "OurArray"' in text


def test_the_versions_and_the_level_of_the_rule_are_told() -> None:
    text = "A processor failed, forming new configuration: token timed out (3000ms), waiting 3600ms for consensus."
    found = Explainer(rules(), Wanted(now=NOW, daemon="corosync")).explain(text)
    assert found.winner is not None
    assert "written by:   versions all, at level notice" in to_text(found)


def test_where_a_line_parts_from_the_nearest_pattern_is_told(own: Path) -> None:
    explainer = Explainer(load([own / ""]), Wanted(now=NOW, closely=frozenset({"kernel-array"})))
    found = explainer.explain(LOST.replace("is degraded", "became degraded"))
    near = next(one for one in found.tried if one.rule.id == "our-array-degraded")
    assert near.verdict is Verdict.NO
    assert 'there is "became degraded (path B)"' in words(near.because, "en")
    assert found.winner is not None
    assert found.winner.id == "our-array-any"
    assert "kernel-array: it is for lines of" in to_text(found, closely=frozenset({"kernel-array"}))


def test_a_rule_whose_contains_is_missing_says_so(own: Path) -> None:
    explainer = Explainer(load([own]), Wanted(now=NOW, closely=frozenset({"kernel-array"})))
    found = explainer.explain("Nov 22 10:52:22 pm01 kernel: md0 is fine")
    assert found.winner is None
    assert 'does not contain "degraded"' in next(words(one.because, "en") for one in found.tried if one.rule.id == "kernel-array")


def test_the_text_alone_needs_the_name_of_who_wrote_it(own: Path) -> None:
    text = "disk array on pm01 is degraded (path B)"
    assert "no form that hamon knows" in to_text(Explainer(load([own]), Wanted(now=NOW)).explain(text))
    named = Explainer(load([own]), Wanted(now=NOW, daemon="OurArray")).explain(text)
    assert named.winner is not None


def test_a_broken_trap_is_told_and_stops_nothing() -> None:
    explainer = Explainer(rules(), Wanted(now=NOW))
    assert "not read: taken for a trap" in to_text(explainer.explain("30" * 40))
    assert "not read: taken for a trap" in to_text(explainer.explain('{"t": 1, "src": "x", "hex": "zz"}'))


def test_the_command_reads_lines_files_and_standard_input(own: Path, tmp_path: Path) -> None:
    (tmp_path / "log").write_text(LOST + "\n\n" + LOST + "\n", encoding="utf-8")
    done = command("--rules", own, "--format", "json", LOST, "-", "--file", tmp_path / "log", given=LOST + "\n")
    assert (done.returncode, done.stderr) == (0, "")
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    assert [answer["rule"] for answer in answers] == ["our-array-degraded"] * 4
    assert answers[0]["event"]["detail"] == {"device": "path B"}
    assert answers[0]["rules"][0]["verdict"] == "won"


def test_a_line_that_no_rule_takes_is_told_by_the_exit_status(own: Path) -> None:
    done = command("--rules", own, "Nov 22 10:52:22 pm01 OurArray[812]: tape is full", LOST)
    assert done.returncode == 1
    assert "taken by:     no rule" in done.stdout
    assert "taken by:     our-array-degraded" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ([], "nothing to explain"),
        (["--rule", "no-such", "x"], "no rule has the id no-such"),
        (["--file", "/nowhere/log"], "/nowhere/log cannot be read"),
    ],
)
def test_wrong_usage_is_told(arguments: list[str], complaint: str) -> None:
    done = command(*arguments)
    assert done.returncode == 2
    assert complaint in done.stderr


def test_the_answer_is_in_japanese_as_well(own: Path) -> None:
    explainer = Explainer(load([own]), Wanted(now=NOW, closely=frozenset({"kernel-array"})))
    line = "Nov 22 10:52:22 pm01 OurArray[812]: disk array on pm01 is degraded (path B)"
    taken = to_text(explainer.explain(line), language="ja")
    assert "  採用したルール: our-array-degraded(" in taken
    assert "イベント:     disk_error、node pm01、2026-11-22T10:52:22+00:00" in taken
    other = to_text(explainer.explain("Nov 22 10:52:22 pm01 kernel: md0 is fine"), closely=frozenset({"kernel-array"}), language="ja")
    assert "kernel-array: 「degraded」を含まない(contains)" in other
    assert "読み取れません: hamon の知らない形式" in to_text(explainer.explain("nothing"), language="ja")
