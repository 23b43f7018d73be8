"""Patterns that take for ever on some lines are found when rules are checked."""

import re
from pathlib import Path

import pytest

from hamon.cli.slow import slow_on
from tests.cases import rules
from tests.gateway.harness import run_command


@pytest.mark.parametrize(
    ("pattern", "line"),
    [
        ("^(a+)+$", "aaaa"),
        (r"^(?:\S+\s*)+: error$", "foo bar baz: error"),
        (r"^(\w+\s?)*$", "abc def"),
        ("(x+x+)+y", "xxy"),
        ("^(?:a|a)+$", "aa"),
    ],
)
def test_a_pattern_that_repeats_what_repeats_itself_is_found(pattern: str, line: str) -> None:
    assert slow_on(re.compile(pattern), line) is not None


@pytest.mark.parametrize(
    ("pattern", "line"),
    [(r"^(?:\S+ )+x$", "foo bar x"), ("^.*foo.*bar.*baz", "x foo y bar z baz"), ("^([^,]*,)*end", "a,b,end"), (r"^\s*\S+\s*$", " a ")],
)
def test_a_pattern_that_only_looks_like_one_is_not_blamed(pattern: str, line: str) -> None:
    assert slow_on(re.compile(pattern), line) is None


def test_no_shipped_pattern_takes_for_ever() -> None:
    slow = {
        rule.id
        for rule in rules().rules
        for line in (*(example.line for example in rule.examples), *(counter.line for counter in rule.counter_examples))
        if slow_on(rule.pattern, line) is not None
    }
    assert slow == set()


RULE = """
[[rule]]
id = "ours"
title = "A disk of ours is bad"
daemon = "ours"
match = '^(?:\\S+\\s*)+ is bad$'
event = "disk_error"
[[rule.example]]
line = "the disk is bad"
[[rule.counter_example]]
line = "the disk is good"
"""


async def test_the_check_names_the_rule_and_a_line(tmp_path: Path) -> None:
    (tmp_path / "ours.toml").write_text(RULE)
    status, said = await run_command("rules", "check", str(tmp_path))
    assert status == 1
    assert "rule ours: match: takes ever longer" in said
    (tmp_path / "ours.toml").write_text(RULE.replace(r"(?:\S+\s*)+", r"(?:\S+\s+)+").replace(" is bad$", "is bad$"))
    assert (await run_command("rules", "check", str(tmp_path)))[0] == 0


async def test_a_folder_without_rules_is_told(tmp_path: Path) -> None:
    (tmp_path / "ours.tml").write_text(RULE)
    status, said = await run_command("rules", "check", str(tmp_path))
    assert status == 0
    assert f"{tmp_path} has no rules" in said
