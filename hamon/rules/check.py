"""Check that rules do what their examples say. Which reading a rule has is passed in, since readings belong to the classifier."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePath

from hamon.rules.schema import Rule, RuleSet, Scalar, TrapCounterExample, TrapExample, TrapRule


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What the classifier made of an example: the rule that took it (None: no rule), and its event (kind None: the line tells nothing)."""

    rule: str | None
    kind: str | None = None
    fields: dict[str, Scalar] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One example that is not as the rule file says."""

    file: str
    rule: str
    line: str
    message: str

    def __str__(self) -> str:
        return f"{self.file}, rule {self.rule}: {self.message}\n    {self.line}"


def check(rules: RuleSet, ask: Callable[[Rule, str], Answer], alone: Callable[[Rule, str], bool]) -> Sequence[Finding]:
    """Run all examples. `ask` sends a line of the rule's daemon through the whole set, `alone` tries one rule only.

    That a rule of a folder before its own takes an example is right: those of the user come first, and may say what they like of any line.
    """
    findings: list[Finding] = []
    seen: dict[str, PurePath] = {}
    for rule in rules.rules:
        folder = seen[rule.id] = PurePath(rule.file).parent
        for example in rule.examples:
            answer = ask(rule, example.line)
            if answer.rule is not None and seen.get(answer.rule, folder) != folder:
                continue  # a rule of a folder that comes first may make something else of the line
            if (message := _wrong(rule, example.event or rule.event, example.none, dict(example.gives), answer)) is not None:
                findings.append(Finding(file=rule.file, rule=rule.id, line=example.line, message=message))
        findings += [
            Finding(file=rule.file, rule=rule.id, line=counter.line, message="matches its counter-example")
            for counter in rule.counter_examples
            if alone(rule, counter.line)
        ]
    return findings


def check_traps(
    rules: RuleSet,
    ask: Callable[[TrapRule, str | None, Mapping[str, str | int]], Answer],
    alone: Callable[[TrapRule, str | None, Mapping[str, str | int]], bool],
) -> Sequence[Finding]:
    """Run all examples of rules about traps: `ask` and `alone` as in `check`, with a notification (None: the rule's first) and varbinds."""
    findings: list[Finding] = []
    seen: dict[str, PurePath] = {}
    for rule in rules.traps:
        folder = seen[rule.id] = PurePath(rule.file).parent
        for example in rule.examples:
            answer = ask(rule, example.notification, example.varbinds)
            if answer.rule is not None and seen.get(answer.rule, folder) != folder:
                continue
            if (message := _wrong(rule, example.event or rule.event, example.none, dict(example.gives), answer)) is not None:
                findings.append(Finding(file=rule.file, rule=rule.id, line=_trap_line(example), message=message))
        findings += [
            Finding(file=rule.file, rule=rule.id, line=_trap_line(counter), message="matches its counter-example")
            for counter in rule.counter_examples
            if alone(rule, counter.notification, counter.varbinds)
        ]
    return findings


def _trap_line(example: TrapExample | TrapCounterExample) -> str:
    words = [f"{name} = {value!r}" for name, value in example.varbinds.items()]
    return ", ".join([example.notification, *words] if example.notification else words)


def _wrong(rule: Rule | TrapRule, kind: str, none: bool, gives: dict[str, Scalar], answer: Answer) -> str | None:
    if answer.rule is None:
        return "does not match its example"
    if answer.rule != rule.id:
        return f"its example is taken by the rule {answer.rule}, which comes first"
    if none:
        return None if answer.kind is None else f"its example should tell nothing, but gives {answer.kind}"
    if answer.kind is None:
        return f"its example tells nothing, but should give {kind}"
    if answer.kind != kind:
        return f"its example gives {answer.kind} instead of {kind}"
    fields = answer.fields or {}
    for name, value in gives.items():
        if fields.get(name) != value:
            return f"its example gives {name} = {fields.get(name)!r} instead of {value!r}"
    return None
