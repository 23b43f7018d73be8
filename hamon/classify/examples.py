"""Run the examples of rules: whether the rules in force make of them what they say."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from hamon.classify.match import answer
from hamon.classify.texts import LogMatcher
from hamon.classify.traps import TrapMatcher
from hamon.rules.check import Finding, check, check_traps
from hamon.rules.schema import RuleSet


def wrong_examples(rules: RuleSet, folders: Sequence[Path] | None = None) -> Sequence[Finding]:
    """What is not as the examples say; `folders`: only of the rules that stand there, the user's own, which are tried first."""
    matcher, traps = LogMatcher(rules), TrapMatcher(rules)
    asked = rules
    if folders is not None:

        def is_there(file: str) -> bool:
            return any(Path(file).is_relative_to(folder) for folder in folders)

        asked = replace(
            rules,
            rules=tuple(rule for rule in rules.rules if is_there(rule.file)),
            traps=tuple(trap for trap in rules.traps if is_there(trap.file)),
        )
    return [
        *check(
            asked, lambda rule, line: answer(matcher.of_rule(rule), rule, line), lambda rule, line: rule.pattern.search(line) is not None
        ),
        *check_traps(asked, traps.answer, traps.alone),
    ]
