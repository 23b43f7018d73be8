"""hamon's own log: one line a record, whatever its facts are."""

import io
import json
import logging
from collections.abc import Iterator

import pytest

from hamon import log

HOSTILE = "n1\nerror: all is lost\x1b[2J\u2028\x85日本"


@pytest.fixture
def own() -> Iterator[logging.Logger]:
    """A logger with no other handlers than the one of a test."""
    root, logger = logging.getLogger(), logging.getLogger("hamon.test")
    before = root.handlers[:], root.level, [(name, logging.getLogger(name).level) for name in log.NOISY]
    yield logger
    root.handlers[:], levels = before[0], before[2]
    root.setLevel(before[1])
    for name, level in levels:
        logging.getLogger(name).setLevel(level)


def said(own: logging.Logger, form: str, level: int = logging.WARNING, **facts: object) -> str:
    stream = io.StringIO()
    log.start("info", form, stream)
    own.log(level, "a source is lost", extra=facts)
    return stream.getvalue()


def test_a_record_is_text_with_its_facts(own: logging.Logger) -> None:
    assert said(own, "text", source="/var/log/ha-log", lines=3) == "warning: a source is lost (source=/var/log/ha-log lines=3)\n"
    assert said(own, "text") == "warning: a source is lost\n"


def test_a_record_is_one_json_object_with_its_facts(own: logging.Logger) -> None:
    found = json.loads(said(own, "json", source=HOSTILE, lines=3))
    assert found.pop("time").endswith("Z")
    assert found == {"level": "warning", "logger": "hamon.test", "message": "a source is lost", "source": HOSTILE, "lines": 3}


def test_a_fact_neither_ends_the_line_nor_moves_the_cursor(own: logging.Logger) -> None:
    line = said(own, "text", node=HOSTILE)
    assert line == "warning: a source is lost (node=n1\\nerror: all is lost\\x1b[2J\\u2028\\x85日本)\n"
    assert said(own, "json", node=HOSTILE).count("\n") == 1


def test_what_is_below_the_level_is_not_said(own: logging.Logger) -> None:
    assert said(own, "text", logging.DEBUG) == ""
