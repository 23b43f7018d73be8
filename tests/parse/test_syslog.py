"""Syslog messages as lines, and streams of them. The messages are as rsyslog 8.2302 sends them for its usual templates."""

import re
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hamon.parse.lines import parse_line
from hamon.parse.stamp import Stamps
from hamon.parse.syslog import Frames, as_line

NOW = datetime(2026, 11, 22, 10, 52, 23, tzinfo=UTC)


@pytest.mark.parametrize(
    ("message", "line"),
    [
        pytest.param(
            b"<29>Nov 22 10:52:22 pm01 pacemaker-controld[106]:  notice: State transition S_IDLE -> S_POLICY_ENGINE \n",
            b"Nov 22 10:52:22 pm01 pacemaker-controld[106]:  notice: State transition S_IDLE -> S_POLICY_ENGINE ",
            id="traditional",
        ),
        pytest.param(
            b"<29>2026-11-22T10:52:22.123456+09:00 pm01 corosync[80]:   [KNET  ] link: host: 2 link: 0 is down",
            b"2026-11-22T10:52:22.123456+09:00 pm01 corosync[80]:   [KNET  ] link: host: 2 link: 0 is down",
            id="RSYSLOG_ForwardFormat",
        ),
        pytest.param(
            b"<29>1 2026-11-22T10:52:22.123456+09:00 pm01 pacemaker-attrd 104 - -  notice: Setting x[pm01]: (unset) -> 1 ",
            b"2026-11-22T10:52:22.123456+09:00 pm01 pacemaker-attrd[104]:  notice: Setting x[pm01]: (unset) -> 1 ",
            id="RSYSLOG_SyslogProtocol23Format",
        ),
        pytest.param(
            b'<165>1 2026-10-11T22:14:15.003Z pm01 pgsql(prmPg) - ID47 [a@1 k="v\\]\\"" b="2"][c@1] \xef\xbb\xbfINFO: up',
            b"2026-10-11T22:14:15.003Z pm01 pgsql(prmPg): INFO: up",
            id="structured data",
        ),
        pytest.param(b"<13>1 - - app - - -", b"2026-11-22T10:52:23.000+00:00 192.0.2.7 app: ", id="nothing but a name"),
        pytest.param(
            b"<30>Nov  2 10:52:22 crmd[3]: notice: no host", b"Nov  2 10:52:22 192.0.2.7 crmd[3]: notice: no host", id="without a host"
        ),
        pytest.param(b"<13>just text", b"2026-11-22T10:52:23.000+00:00 192.0.2.7 just text", id="without anything"),
        pytest.param(
            b"<13>Nov 22 10:52:22 pm01 app: one\ntwo\r\nthree\0", b"Nov 22 10:52:22 pm01 app: one#012two#015#012three", id="several lines"
        ),
    ],
)
def test_a_message_becomes_one_line(message: bytes, line: bytes) -> None:
    found = as_line(message, NOW, "192.0.2.7")
    assert found.text == line
    assert found.host == line.split()[3 if line.startswith(b"Nov") else 1].decode()


def test_a_line_of_a_file_that_is_sent_as_it_is_stays_as_it_is() -> None:
    for text in (
        b"Nov 22 11:10:50 [80] pm01 corosync info    [KNET  ] link: host: 2 link: 0 is down",
        b"Nov 22 10:52:22.856 pm01 pacemaker-execd     [105] (log_op_output) \tinfo: text | more",
    ):
        assert as_line(b"<30>" + text, NOW, "192.0.2.7") == ("pm01", text)


def test_both_protocols_give_the_same_facts() -> None:
    old = as_line(b"<29>Nov 22 10:52:22 pm01 crmd[3]:  notice: Quorum lost", NOW, "").text
    new = as_line(b"<29>1 2026-11-22T10:52:22+00:00 pm01 crmd 3 - -  notice: Quorum lost", NOW, "").text
    stamps = Stamps("UTC", NOW)
    assert parse_line(old.decode(), stamps) == parse_line(new.decode(), stamps)


@given(st.binary(max_size=300))
def test_any_bytes_become_one_line(message: bytes) -> None:
    line = as_line(message, NOW, "h").text
    assert b"\n" not in line
    assert b"\0" not in line


MESSAGES = st.lists(st.binary(min_size=1, max_size=40).map(lambda text: b"<1>" + re.sub(rb"[\n\0]", b"", text)), max_size=8)
ENDS = st.lists(st.sampled_from([b"", b"\n", b"\0", b"\0\n", b"\r\n"]), min_size=8, max_size=8)
"""How messages end; those without an end have their length in front."""


@given(MESSAGES, ENDS, st.data())
def test_bytes_cut_anywhere_give_the_same_messages(messages: list[bytes], ends: list[bytes], data: st.DataObject) -> None:
    messages = [message.replace(b"\r", b"") for message in messages]
    stream = b"".join(message + end if end else b"%d %s" % (len(message), message) for message, end in zip(messages, ends, strict=False))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=6)))
    frames = Frames(1000)
    found = []
    for begin, end in zip([0, *cuts], [*cuts, len(stream)], strict=True):
        found += frames.feed(stream[begin:end])
    assert [message.rstrip(b"\r") for message in found] == messages
    assert frames.rest() == b""


@given(st.lists(st.binary(max_size=500), max_size=20))
def test_whatever_comes_the_messages_are_bounded(pieces: list[bytes]) -> None:
    frames = Frames(64)
    for piece in pieces:
        assert all(len(message) <= 64 for message in frames.feed(piece))
    assert len(frames.rest()) <= 64


def test_a_message_that_is_too_long_is_cut_and_the_next_one_is_whole() -> None:
    frames = Frames(10)
    assert frames.feed(b"<1>" + b"a" * 50 + b"\n<1>next\n40 <1>" + b"b" * 37 + b"<1>last\n") == [
        b"<1>aaaaaaa",
        b"<1>next",
        b"<1>bbbbbbb",
        b"<1>last",
    ]
    assert frames.truncated == 2
