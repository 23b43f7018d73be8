"""What a rule file must be like, and what is said of one that is not."""

from pathlib import Path

import pytest

from hamon.classify.match import Matcher, answer
from hamon.classify.traps import TrapMatcher
from hamon.errors import RuleError
from hamon.model.event import EventKind
from hamon.rules.check import check, check_traps
from hamon.rules.load import MAX_FILE_BYTES, load, load_file
from tests.cases import rules

GOOD = """
[[rule]]
id = "disk-slow"
title = "A disk is slow"
daemon = "kernel"
match = '^disk (?P<device>\\S+) is slow'
event = "disk_error"
[[rule.example]]
line = 'disk sda is slow today'
gives = { device = 'sda' }
[[rule.counter_example]]
line = 'disk sda is fast'
"""


def refusal(folder: Path, text: str | bytes, name: str = "own.toml") -> RuleError:
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(RuleError) as refused:
        Matcher(load([folder]))
    return refused.value


def test_a_good_file_gives_its_rules(tmp_path: Path) -> None:
    (tmp_path / "own.toml").write_text(GOOD, encoding="utf-8")
    (rule,) = load([tmp_path]).rules
    assert (rule.id, rule.daemon, rule.event, rule.file) == ("disk-slow", "kernel", EventKind.DISK_ERROR, str(tmp_path / "own.toml"))
    assert answer(Matcher(load([tmp_path])), rule, "disk sda is slow today").fields == {"device": "sda", "node": None, "resource": None}


@pytest.mark.parametrize(
    ("spoil", "rule", "reason"),
    [
        (("[[rule]]", "[[rule"), None, "not TOML"),
        (('event = "disk_error"', 'event = "disk_error"\nevnt = 1'), "disk-slow", "evnt: no such key"),
        (
            ('event = "disk_error"', 'event = "disk_eror"'),
            "disk-slow",
            'event: "disk_eror" is none of those that rules/README.md lists; did you mean "disk_error"?',
        ),
        (("(?P<device>", "(?P<device"), "disk-slow", "match: not a regular expression"),
        (("[[rule.example]]\nline = 'disk sda is slow today'\ngives = { device = 'sda' }\n", ""), "disk-slow", "example: is required"),
        (("[[rule.counter_example]]\nline = 'disk sda is fast'\n", ""), "disk-slow", "counter_example"),
        (('id = "disk-slow"', 'id = "Disk Slow"'), "Disk Slow", "id: must be of lower-case letters, digits and -"),
        (('event = "disk_error"', 'severity = "fatal"'), "disk-slow", '"fatal" is none of critical, major, minor, warning, info'),
        (('title = "A disk is slow"', 'titel = "A"'), "disk-slow", "title: is required; titel: no such key"),
        (('id = "disk-slow"\n', ""), "number 1", "id"),
        (('title = "A disk is slow"', 'title = ""'), "disk-slow", "title"),
        (('event = "disk_error"', 'event = "disk_error"\nread = "guess"'), "disk-slow", "guess"),
        (("gives = { device = 'sda' }", "gives = { device = ['sda'] }"), "disk-slow", "gives"),
        (("match = '", "match = '" + "x" * 2001), "disk-slow", "match"),
    ],
)
def test_a_wrong_file_is_refused_with_file_rule_and_reason(tmp_path: Path, spoil: tuple[str, str], rule: str | None, reason: str) -> None:
    assert spoil[0] in GOOD
    error = refusal(tmp_path, GOOD.replace(*spoil, 1))
    assert error.file == str(tmp_path / "own.toml")
    assert error.rule == rule
    assert reason in error.reason
    assert str(error).startswith(error.file)


def test_an_id_stands_once_in_all_files(tmp_path: Path) -> None:
    (tmp_path / "first.toml").write_text(GOOD, encoding="utf-8")
    error = refusal(tmp_path, GOOD, "second.toml")
    assert (error.rule, error.file) == ("disk-slow", str(tmp_path / "second.toml"))
    assert "first.toml" in error.reason


def test_a_file_that_is_no_utf_8_is_refused(tmp_path: Path) -> None:
    assert "not UTF-8" in refusal(tmp_path, GOOD.replace("A disk", "ディスク").encode("euc_jp")).reason


def test_a_file_that_is_too_large_is_refused(tmp_path: Path) -> None:
    assert "larger than" in refusal(tmp_path, GOOD + "#" * MAX_FILE_BYTES).reason


def test_a_file_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RuleError, match="cannot be read"):
        load_file(tmp_path / "missing.toml")
    (tmp_path / "folder.toml").mkdir()
    with pytest.raises(RuleError, match="cannot be read"):
        load([tmp_path])


def test_a_folder_that_does_not_exist_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RuleError, match="no such folder"):
        load([tmp_path / "none"])


def test_an_empty_folder_has_no_rules(tmp_path: Path) -> None:
    assert len(load([tmp_path])) == 0


def test_rules_of_the_first_folder_are_tried_first(tmp_path: Path) -> None:
    (tmp_path / "own.toml").write_text(
        GOOD.replace("kernel", "pacemaker-controld")
        .replace("^disk (?P<device>\\S+) is slow", "^Quorum lost")
        .replace("disk sda is slow today", "Quorum lost"),
        encoding="utf-8",
    )
    both = load([tmp_path])
    merged = type(both)((*both.rules, *rules().rules))
    said = answer(Matcher(merged), both.rules[0], "Quorum lost")
    assert (said.rule, said.kind) == ("disk-slow", EventKind.DISK_ERROR)


# -- what the check of the examples finds


def findings(folder: Path, text: str) -> list[str]:
    (folder / "own.toml").write_text(text, encoding="utf-8")
    loaded = load([folder])
    matcher = Matcher(loaded)
    found = check(loaded, lambda rule, line: answer(matcher, rule, line), lambda rule, line: rule.pattern.search(line) is not None)
    assert all(finding.file == str(folder / "own.toml") for finding in found)
    return [f"{finding.rule}: {finding.message}" for finding in found]


def test_the_check_finds_an_example_that_is_not_matched(tmp_path: Path) -> None:
    assert findings(tmp_path, GOOD) == []
    assert findings(tmp_path, GOOD.replace("sda is slow today", "sda stands")) == ["disk-slow: does not match its example"]


def test_the_check_finds_a_field_that_is_not_given(tmp_path: Path) -> None:
    assert findings(tmp_path, GOOD.replace("device = 'sda'", "device = 'sdb'")) == [
        "disk-slow: its example gives device = 'sda' instead of 'sdb'"
    ]
    assert findings(tmp_path, GOOD.replace("device = 'sda'", "rc = 1")) == ["disk-slow: its example gives rc = None instead of 1"]


def test_the_check_finds_a_counter_example_that_is_matched(tmp_path: Path) -> None:
    assert findings(tmp_path, GOOD.replace("sda is fast", "sda is slow")) == ["disk-slow: matches its counter-example"]


def test_the_check_finds_an_example_that_another_rule_takes(tmp_path: Path) -> None:
    second = GOOD.replace('"disk-slow"', '"disk-slower"').replace("is slow'", "is slow t'").replace("A disk is slow", "Another")
    assert findings(tmp_path, GOOD + second) == ["disk-slower: its example is taken by the rule disk-slow, which comes first"]


def test_the_check_finds_an_example_of_another_kind_or_of_none(tmp_path: Path) -> None:
    other = GOOD.replace("gives = {", 'event = "node_lost"\ngives = {')
    assert findings(tmp_path, other) == ["disk-slow: its example gives disk_error instead of node_lost"]
    none = GOOD.replace("gives = { device = 'sda' }", "none = true")
    assert findings(tmp_path, none) == ["disk-slow: its example should tell nothing, but gives disk_error"]
    silent = GOOD.replace('event = "disk_error"', 'event = "disk_error"\nread = "nothing"')
    assert findings(tmp_path, silent) == ["disk-slow: its example tells nothing, but should give disk_error"]


# -- rules about traps

TRAP = """
absent = ["-"]

[[trap]]
id = "array-degraded"
title = "Our storage found a path broken"
notification = ["1.3.6.1.4.1.99999.0.7", "1.3.6.1.4.1.99998.*"]
match = { "1.3.6.1.4.1.99999.1.1" = '^(?P<node>.+)$' }
take = { "1.3.6.1.4.1.99999.1.2" = '^(?P<device>.+)$' }
event = "disk_error"
[[trap.example]]
varbinds = { "1.3.6.1.4.1.99999.1.1.0" = "pm01", "1.3.6.1.4.1.99999.1.2.0" = "path B" }
gives = { node = "pm01", device = "path B" }
[[trap.example]]
notification = "1.3.6.1.4.1.99998.4"
varbinds = { "1.3.6.1.4.1.99999.1.1" = "pm01", "1.3.6.1.4.1.99999.1.2" = "-" }
gives = { node = "pm01" }
[[trap.counter_example]]
varbinds = { "1.3.6.1.4.1.99999.1.1" = "-" }
"""


def trap_findings(folder: Path, text: str) -> list[str]:
    (folder / "own.toml").write_text(text, encoding="utf-8")
    found = load([folder])
    matcher = TrapMatcher(found)
    return [str(finding) for finding in check_traps(found, matcher.answer, matcher.alone)]


def test_a_rule_about_traps_is_loaded_and_its_examples_are_checked(tmp_path: Path) -> None:
    assert trap_findings(tmp_path, TRAP) == []
    assert (len(load([tmp_path])), load([tmp_path]).example_count) == (1, 3)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (('node = "pm01", device = "path B"', 'node = "pm02"'), "gives node = 'pm01' instead of 'pm02'"),
        (
            ('varbinds = { "1.3.6.1.4.1.99999.1.1" = "-" }', 'varbinds = { "1.3.6.1.4.1.99999.1.1" = "pm09" }'),
            "matches its counter-example",
        ),
        (('"1.3.6.1.4.1.99998.4"', '"1.3.6.1.4.1.99997.4"'), "does not match its example"),
        (('absent = ["-"]', 'absent = ["="]'), "matches its counter-example"),
    ],
)
def test_an_example_of_a_trap_that_is_not_as_the_rule_says_is_found(tmp_path: Path, spoil: tuple[str, str], message: str) -> None:
    assert spoil[0] in TRAP
    assert any(message in finding for finding in trap_findings(tmp_path, TRAP.replace(*spoil)))


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (('"1.3.6.1.4.1.99999.1.1" =', "ourArrayNode ="), 'no object is known by the name "ourArrayNode"; use its number'),
        (('["1.3.6.1.4.1.99999.0.7", ', '["ourArrayTrap", '), 'no notification is known by the name "ourArrayTrap"; use its number'),
        (("'^(?P<node>.+)$'", "'^(?P<node>.+'"), "not a regular expression"),
        (
            ('notification = ["1.3.6.1.4.1.99999.0.7"', 'notification = ["1.3.*.4"'),
            "notification.0: must be a name that hamon knows, or a number",
        ),
        (('"1.3.6.1.4.1.99999.1.1" =', '"1.3.x" ='), "match.1.3.x: must be a name of letters, digits and -, or a number"),
        (('event = "disk_error"', 'event = "disk_gone"'), "event"),
        (('id = "array-degraded"', 'id = "array-degraded"\nfoo = 1'), "foo"),
    ],
)
def test_a_wrong_rule_about_traps_is_refused_with_file_rule_and_reason(tmp_path: Path, spoil: tuple[str, str], reason: str) -> None:
    assert spoil[0] in TRAP
    error = refusal(tmp_path, TRAP.replace(*spoil, 1))
    assert (error.rule, error.file) == ("array-degraded", str(tmp_path / "own.toml"))
    assert reason in str(error)


def test_the_id_of_a_rule_about_traps_is_unique_among_all_rules(tmp_path: Path) -> None:
    (tmp_path / "first.toml").write_text(GOOD, encoding="utf-8")
    assert refusal(tmp_path, TRAP.replace("array-degraded", "disk-slow"), "second.toml").rule == "disk-slow"


def test_a_rule_about_traps_names_a_reading_that_exists(tmp_path: Path) -> None:
    (tmp_path / "own.toml").write_text(TRAP.replace('event = "disk_error"', 'event = "disk_error"\nread = "palm"'), encoding="utf-8")
    with pytest.raises(RuleError, match='no reading is called "palm"'):
        TrapMatcher(load([tmp_path]))
