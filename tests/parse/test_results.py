"""How all versions of Pacemaker word the result of an operation (tables of the pcmk_rc and OCF texts)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hamon.parse.daemons import SINCE_2_0, current_name
from hamon.parse.results import OCF, RUNNING, STATUS, Result, read_result

# text, return code: Pacemaker 1.1, 2.0, 2.1 and 3.0.
CODES = [
    ("ok", 0),
    ("OK", 0),
    ("unknown error", 1),
    ("error", 1),
    ("Error occurred", 1),
    ("invalid parameter", 2),
    ("unimplemented feature", 3),
    ("unimplemented", 3),
    ("insufficient privileges", 4),
    ("not installed", 5),
    ("not configured", 6),
    ("not running", 7),
    ("master", 8),
    ("promoted", 8),
    ("master (failed)", 9),
    ("promoted (failed)", 9),
    ("service is active but might fail soon", 190),
    ("promoted (degraded)", 191),
]


@pytest.mark.parametrize(("text", "rc"), CODES)
def test_a_result_text_is_its_return_code(text: str, rc: int) -> None:
    assert read_result(text).rc == rc
    assert read_result(text).status is None
    assert read_result(f"{text} (reason of the agent)") == Result(rc, None, "reason of the agent", text)


@pytest.mark.parametrize("text", ["Timed Out", "Timed out", "timed out"])
def test_a_time_limit_is_no_return_code(text: str) -> None:
    assert read_result(text) == Result(None, "timeout", None, text)
    assert read_result(f"{text} after 20s").status == "timeout"
    found = read_result(f"{text} after 1m40s (Resource agent did not complete within 1m40s)")
    assert (found.rc, found.status, found.reason) == (None, "timeout", "Resource agent did not complete within 1m40s")


def test_a_reason_may_have_brackets_and_colons() -> None:
    assert read_result("error (pg_ctl: no server (pid 12) runs)").reason == "pg_ctl: no server (pid 12) runs"
    assert read_result("promoted (failed) (it hurts)") == Result(9, None, "it hurts", "promoted (failed)")


@pytest.mark.parametrize("text", STATUS)
def test_an_execution_status_is_known(text: str) -> None:
    assert read_result(text.upper()) == Result(None, STATUS[text], None, text.upper())


def test_a_text_that_nobody_knows_is_an_error() -> None:
    assert read_result("the moon is full") == Result(None, "error", None, "the moon is full")


def test_the_number_beside_the_text_counts() -> None:
    assert read_result("ok", 7).rc == 7
    assert read_result("some new wording", 0) == Result(0, None, None, "some new wording")


def test_what_runs_is_no_failure() -> None:
    assert {0, 8, 190, 191} == RUNNING
    assert set(OCF.values()) >= RUNNING


@given(st.text(max_size=80), st.none() | st.integers(-300, 300))
def test_any_text_has_a_result(text: str, rc: int | None) -> None:
    found = read_result(text, rc)
    assert (found.rc is None) != (found.status is None)
    assert rc is None or found.rc == rc


def test_a_name_is_translated_once() -> None:
    for new in SINCE_2_0.values():
        assert current_name(new) == new
    assert current_name("crmd") == "pacemaker-controld"
    assert current_name("corosync") == "corosync"
