"""Logs of programs: stamps of any form, levels, and records of several lines, however they are cut."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hamon.model.observation import TextForm
from hamon.parse.text import MAX_RECORD_BYTES, StampForm, last_start, level_of, records

NOW = datetime(2026, 1, 2, 3, 0, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("form", "line", "at"),
    [
        # PostgreSQL 15, log_line_prefix = '%m [%p] '
        ("%Y-%m-%d %H:%M:%S.%f %Z", "2026-01-02 11:59:58.123 JST [77] FATAL:  too many", "2026-01-02T02:59:58.123+00:00"),
        ("%Y-%m-%d %H:%M:%S.%f %Z", "2026-01-02 02:59:58.123 UTC [77] LOG:  ready", "2026-01-02T02:59:58.123+00:00"),
        # MariaDB 10.11 error log
        ("%Y-%m-%d %H:%M:%S", "2026-01-02 11:59:58 0 [ERROR] InnoDB: Operating system error number 28", "2026-01-02T02:59:58+00:00"),
        # Apache 2.4 error log, and its access log
        ("%a %b %d %H:%M:%S.%f %Y", "[Fri Jan 02 11:59:58.5 2026] [mpm_event:notice] [pid 7] up", "2026-01-02T02:59:58.5+00:00"),
        ("%d/%b/%Y:%H:%M:%S %z", '192.0.2.9 - - [02/Jan/2026:02:59:58 +0000] "GET / HTTP/1.1" 500 12', "2026-01-02T02:59:58+00:00"),
        # Tomcat 9 catalina.out, and log4j
        ("%d-%b-%Y %H:%M:%S.%f", "02-Jan-2026 11:59:58.001 SEVERE [main] org.x.Y a", "2026-01-02T02:59:58.001+00:00"),
        ("%Y-%m-%d %H:%M:%S,%f", "2026-01-02 11:59:58,250 ERROR [pool-1] a.b.C - boom", "2026-01-02T02:59:58.25+00:00"),
        ("%FT%T%z", "2026-01-02T11:59:58+09:00 app error", "2026-01-02T02:59:58+00:00"),
        ("%FT%T.%f%z", "2026-01-02T02:59:58.000001234Z app error", "2026-01-02T02:59:58.000001+00:00"),
        # without a year: the last one that has been
        ("%b %e %H:%M:%S", "Dec 31 23:00:00 host app: boom", "2025-12-31T14:00:00+00:00"),
        ("%b %d %H:%M:%S", "Jan  2 11:59:58 host app: boom", "2026-01-02T02:59:58+00:00"),
        ("%s", "1767322798.5 boom", "2026-01-02T02:59:58.5+00:00"),
    ],
)
def test_a_stamp_is_read_in_the_form_that_is_configured(form: str, line: str, at: str) -> None:
    found = StampForm(form).find(line.encode())
    assert found is not None
    assert StampForm.time(found, "Asia/Tokyo", NOW) == datetime.fromisoformat(at)


@pytest.mark.parametrize("line", ["", "boom", "2026-13-02 11:59:58 a month that is none", "x" * 61 + "2026-01-02 11:59:58"])
def test_a_line_without_such_a_stamp_has_no_time(line: str) -> None:
    form = StampForm("%Y-%m-%d %H:%M:%S")
    found = form.find(line.encode())
    assert found is None or form.time(found, "UTC", NOW) is None


@pytest.mark.parametrize(
    ("form", "reason"), [("%Y-%m-%d", "it needs day, hour and minute"), ("%d %H:%M", "it needs the month"), ("%Q %H", "%Q cannot be read")]
)
def test_a_form_that_gives_no_time_is_refused(form: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        StampForm(form)


@pytest.mark.parametrize(
    ("line", "level"),
    [
        ("[77] FATAL:  sorry, too many clients already", "crit"),
        ("[77] LOG:  checkpoint starting", "info"),
        ("0 [Warning] Aborted connection", "warning"),
        ("[mpm_event:notice] [pid 7:tid 1] AH00489", None),
        ('time="x" level=error msg="boom"', "error"),
        ("error: cannot open", "error"),
        ("SEVERE [main] org.apache.catalina", "crit"),
        ("no errors were found, WARNINGS neither", None),
        ("com.example.ERROR.Handler is loaded", None),
    ],
)
def test_the_level_is_the_word_that_the_line_gives_itself(line: str, level: str | None) -> None:
    assert level_of(line) == level


TRACE = b"""2026-01-02 11:59:58,250 ERROR [pool-1] a.b.C - boom
java.lang.IllegalStateException: boom
\tat a.b.C.run(C.java:12)
Caused by: java.io.IOException: No space left on device
\t... 12 more
2026-01-02 11:59:59,000 INFO [pool-1] a.b.C - well again
"""
LOG4J = TextForm(program="app", stamp="%Y-%m-%d %H:%M:%S,%f")


def test_a_stack_trace_is_one_record_with_its_first_line() -> None:
    first, second = records(LOG4J, TRACE, 1000)
    assert (first.offset, first.data, first.is_rest) == (1000, TRACE[: TRACE.index(b"\n2026-01-02 11:59:59")], False)
    assert second.offset == 1000 + TRACE.index(b"2026-01-02 11:59:59")


def test_without_stamps_what_begins_with_white_space_continues() -> None:
    form = TextForm(program="app")
    assert [record.data for record in records(form, b"one\n  more\n\ntwo\n")] == [b"one\n  more", b"two"]


def test_what_begins_a_record_can_be_said() -> None:
    form = TextForm(program="app", start=r"^#\d+ ")
    assert [record.data for record in records(form, b"rest\n#1 a\nb\n#2 c\n")] == [b"rest", b"#1 a\nb", b"#2 c"]


def test_a_record_is_bounded_in_lines_and_bytes() -> None:
    form = TextForm(program="app", most_lines=3)
    assert [record.data for record in records(form, b"a\n" + b" x\n" * 9 + b"b\n")] == [b"a\n x\n x", b"b"]
    long = next(records(TextForm(program="app"), b"a\n" + b" " * (2 * MAX_RECORD_BYTES) + b"\n"))
    assert len(long.data) <= MAX_RECORD_BYTES


lines = st.lists(st.sampled_from([b"2026-01-02 11:59:58,250 x\n", b"\tat y\n", b"Caused by: z\n", b"\n"]), max_size=12)


@given(lines, st.integers(0, 12))
def test_cut_where_a_record_begins_the_records_are_the_same(whole: list[bytes], many: int) -> None:
    data = b"".join(whole)
    cut = last_start(LOG4J, data)
    parts = [*records(LOG4J, data[:cut]), *records(LOG4J, data[cut:], cut)]
    assert parts == list(records(LOG4J, data))
