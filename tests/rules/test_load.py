"""What a rule file must be like, and what is said of one that is not."""

from pathlib import Path

import pytest

from hamon.classify.match import Matcher, answer
from hamon.errors import RuleError
from hamon.model.event import EventKind
from hamon.rules.check import check
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
        (('event = "disk_error"', 'event = "disk_error"\nevnt = 1'), "disk-slow", "evnt"),
        (('event = "disk_error"', 'event = "disk_eror"'), "disk-slow", "event"),
        (("(?P<device>", "(?P<device"), "disk-slow", "not a regular expression"),
        (("[[rule.example]]\nline = 'disk sda is slow today'\ngives = { device = 'sda' }\n", ""), "disk-slow", "example"),
        (("[[rule.counter_example]]\nline = 'disk sda is fast'\n", ""), "disk-slow", "counter_example"),
        (('id = "disk-slow"', 'id = "Disk Slow"'), "Disk Slow", "id"),
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
