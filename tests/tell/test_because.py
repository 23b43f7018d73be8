"""Why a step was taken is told in both languages, whatever the engine gives as the reason."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import hamon.classify
from hamon.tell import because_text
from hamon.tell.words import keys

_GIVE = {"close": 2, "end": 2, "changed": 1, "vain_claims": 2, "_reunited": 2}
"""Methods of the engine that are given a reason, and its place among the arguments."""


def _texts(node: ast.expr) -> Iterator[str]:
    match node:
        case ast.Constant(value=str(text)):
            yield text
        case ast.JoinedStr(values=values):
            yield "".join(str(part.value) if isinstance(part, ast.Constant) else "7" for part in values)
        case ast.IfExp(body=body, orelse=other):
            yield from _texts(body)
            yield from _texts(other)
        case ast.Subscript(value=ast.Dict(values=values)):
            for value in values:
                yield from _texts(value)


def _reasons() -> Iterator[str]:
    for path in sorted(Path(hamon.classify.__file__).parent.glob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            match node:
                case ast.Call(func=ast.Attribute(attr=name), args=args) if name in _GIVE and len(args) > _GIVE[name]:
                    yield from _texts(args[_GIVE[name]])
                case ast.Call(func=ast.Name(id="Transition"), keywords=words):
                    yield from (text for word in words if word.arg == "reason" for text in _texts(word.value))
                case ast.Assign(targets=[ast.Name(id="reason")], value=value):
                    yield from _texts(value)


GIVEN = sorted(set(_reasons()))


def test_the_reasons_of_the_engine_are_found() -> None:
    assert len(GIVEN) > 40
    assert "the service is back" in GIVEN


@pytest.mark.parametrize("reason", GIVEN)
def test_a_reason_of_the_engine_has_words_in_both_languages(reason: str) -> None:
    told = because_text(reason, "ja")
    assert told != reason
    assert not re.search(r"[a-z]+ [a-z]+", told)
    assert because_text(reason, "en")


def test_every_word_for_a_reason_is_given_by_something() -> None:
    from_elsewhere = {"opening", "update", "closing", "the source gives data again", "no device can fence it"}
    """The notices, and what stands in variables or rules."""
    patterns = [key.removeprefix("because.") for key in keys("en") if key.startswith("because.")]
    unused = [
        pattern
        for pattern in patterns
        if pattern not in from_elsewhere
        and "{count} were in all" not in pattern
        and "{service}" not in pattern
        and not any(re.fullmatch(re.sub(r"\\\{\w+\\\}", ".+", re.escape(pattern)), reason) for reason in GIVEN)
    ]
    assert unused == []


@pytest.mark.parametrize(
    ("reason", "english", "japanese"),
    [
        ("caused by connectivity_degraded", "caused by network check failing", "原因: ネットワーク監視異常"),
        ("part of departure-pm01-20261122T105235", "part of departure-pm01-20261122T105235", "departure-pm01-20261122T105235 の一部"),
        ("quiet again, after 12 times", "quiet again, after 12 times", "12 回の後、収束"),
        ("what a later version says", "what a later version says", "what a later version says"),
    ],
)
def test_names_and_numbers_of_a_reason_stay(reason: str, english: str, japanese: str) -> None:
    assert (because_text(reason, "en"), because_text(reason, "ja")) == (english, japanese)
