"""Both languages have the same words, and have them for everything that can be told."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hamon import tell
from hamon.model.cluster import NodeState
from hamon.model.delivery import DeliveryState
from hamon.model.event import EventKind
from hamon.model.incident import IncidentKind, IncidentState, Notice, Outcome, Severity, TransitionKind
from hamon.model.observation import Source
from hamon.tell import words
from hamon.tell.headline import variants
from hamon.tell.steps import _PROCEDURES

TABLES = {
    "kind": IncidentKind,
    "event": EventKind,
    "entry": EventKind,
    "severity": Severity,
    "state": IncidentState,
    "outcome": Outcome,
    "notice": Notice,
    "transition": TransitionKind,
    "delivery": DeliveryState,
    "node": NodeState,
    "source": Source,
}


def test_both_languages_have_exactly_the_same_keys() -> None:
    assert words.keys("en") == words.keys("ja")


@pytest.mark.parametrize("language", tell.LANGUAGES)
@pytest.mark.parametrize("table", TABLES)
def test_every_member_of_a_closed_choice_has_words(table: str, language: str) -> None:
    assert [member for member in TABLES[table] if not words.has(f"{table}.{member}", language)] == []


def test_both_languages_use_the_same_names_and_conditions() -> None:
    def used(text: str) -> set[str]:
        return {part for group in re.findall(r"\{([^{}]*)\}", text) for part in group.split("|") if not part.startswith("'")}

    for key in words.keys("en"):
        english, japanese = words.raw(key, "en"), words.raw(key, "ja")
        if isinstance(english, list):
            assert [step.get("when") for step in english] == [step.get("when") for step in japanese], key
            commands = [re.findall(r"`([^`]*)`", step["text"]) for step in english]
            assert commands == [re.findall(r"`([^`]*)`", step["text"]) for step in japanese], key
        else:
            assert used(english) == used(japanese), key


def test_every_kind_has_a_headline_and_a_procedure() -> None:
    for kind in IncidentKind:
        assert len(variants(kind)) >= 2
        assert words.has(f"steps.{_PROCEDURES[kind]}", "en")


@pytest.mark.parametrize(
    ("seconds", "english", "japanese"),
    [
        (0, "0 s", "0 秒"),
        (0.045, "45 ms", "45 ミリ秒"),
        (1.3, "1.3 s", "1.3 秒"),
        (2.0, "2 s", "2 秒"),
        (9.96, "10 s", "10 秒"),
        (59.7, "1 min", "1 分"),
        (125, "2 min 5 s", "2 分 5 秒"),
        (3600, "1 h", "1 時間"),
        (12_000, "3 h 20 min", "3 時間 20 分"),
        (187_200, "2 d 4 h", "2 日 4 時間"),
        (-3, "0 s", "0 秒"),
        (float("nan"), "an unknown time", "不明"),
    ],
)
def test_a_duration_has_two_units_at_most(seconds: float, english: str, japanese: str) -> None:
    assert (tell.duration(seconds, "en"), tell.duration(seconds, "ja")) == (english, japanese)


@given(st.floats(allow_nan=True, allow_infinity=True))
def test_any_number_of_seconds_has_words(seconds: float) -> None:
    assert tell.duration(seconds, "en")


def test_an_unknown_kind_is_shown_as_it_is() -> None:
    assert tell.kind_name("operation_failed", "en") == "operation failed"
    assert tell.kind_name("something\nnew", "ja") == "something new"


def test_a_segment_is_left_out_when_its_name_is_not_known() -> None:
    template = "{operation|'an operation'} failed[ on {node}][ (rc {rc})]"
    assert words.fill(template, {"rc": "1", "node": None}) == "an operation failed (rc 1)"
