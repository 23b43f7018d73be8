"""What collectors say of a source that gives nothing is read in the language of the reader."""

import re
from datetime import UTC, datetime

import pytest

from hamon import tell
from hamon.collect.child import Answer
from hamon.collect.faults import Fault, of_answer, refused
from hamon.model.event import EventKind
from hamon.model.incident import TimelineEntry
from hamon.model.observation import Source
from hamon.tell import phrase
from hamon.tell.words import keys, raw
from tests.tell.samples import MISSING, UNSEEN

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)


@pytest.mark.parametrize("fault", Fault)
def test_every_fault_of_a_command_is_told_in_japanese_with_its_remedy(fault: Fault) -> None:
    reason = str(refused(fault, ["ssh", "pm01", "crm_mon"], "it said so"))
    assert tell.source_reason(reason, "en") == reason
    told = tell.source_reason(f"pm01: {reason}", "ja")
    word, remedy = (raw(f"{table}.{fault.name.lower()}", "ja") for table in ("fault", "remedy"))
    assert told == f"pm01: {word}: `ssh pm01 crm_mon` – it said so。{remedy}"


def test_what_several_nodes_say_is_told_of_each() -> None:
    one = str(of_answer(Answer(code=124, out=b"", error="", seconds=0.1), ["crm_mon"], None))
    told = tell.source_reason(f"pm01: {one}; pm02: {one}", "ja")
    assert told.count(raw("remedy.timeout", "ja")) == told.count(raw("fault.timeout", "ja")) == 2
    assert raw("remedy.timeout", "en") not in told


def test_a_log_that_is_missing_is_told_in_japanese() -> None:
    told = f"ファイルなし: /var/log/pacemaker.log が存在しない。{raw('remedy.log_missing', 'ja')}"
    assert tell.source_reason(MISSING, "ja") == told
    assert UNSEEN.cause is not None
    assert raw("remedy.log_missing", "ja") in tell.cause_text(UNSEEN, "ja")


_GIVEN = {
    "seconds": "60",
    "path": "/var/log/a b.log",
    "pattern": "/logs/*/ha-log",
    "folder": "/logs",
    "name": "pm01",
    "bytes": "1000",
    "count": "3",
}


@pytest.mark.parametrize("key", sorted(key for key in keys("en") if key.startswith("seen.")))
def test_what_a_collector_saw_is_told_in_japanese_also_among_other_words(key: str) -> None:
    said, told = (phrase(key, language, **_GIVEN) for language in ("en", "ja"))
    assert tell.source_reason(said, "en") == said
    assert tell.source_reason(said, "ja") == told
    assert tell.source_reason(f"5: {said}; pm02: {said}, {said}", "ja").count(told) == 3
    assert not re.search(r"[a-z]{3,} [a-z]{2,}", told), "no English is left"


def test_the_words_of_a_command_stay_as_they_are() -> None:
    said = "failed: `crm_mon` – the schema file does not exist, no traps for 3 seconds"
    assert "the schema file does not exist, no traps for 3 seconds" in tell.source_reason(said, "ja")


def test_a_source_that_was_lost_is_told_in_japanese_in_the_timeline_too() -> None:
    detail = {"path": "pm02", "reason": phrase("seen.no_trap_ever", "en")}
    entry = TimelineEntry(at=NOW, node=None, resource=None, source=Source.TRAP, event=EventKind.SOURCE_LOST, detail=detail, raw="")
    assert phrase("seen.no_trap_ever", "ja") in tell.entry_text(entry, "ja")


def test_no_remedy_is_the_beginning_of_another() -> None:
    remedies = [raw(key, "en") for key in keys("en") if key.startswith("remedy.")]
    assert len(remedies) > 20
    assert [one for one in remedies for other in remedies if one is not other and other.startswith(one)] == []
