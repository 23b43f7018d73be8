"""Lines taken apart, in every form and encoding; and words alone tell what the whole line tells."""

import gzip
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from hamon.errors import ParseError
from hamon.model.event import EventKind
from hamon.parse.lines import HEADS, LogLine, date_and_host, head, head_words, layout_of, parse_line, without_level
from hamon.parse.stamp import Stamps
from tests.cases import SEEN_AT, matcher, scan
from tests.recordings import evidence

STAMPS = Stamps("UTC", SEEN_AT)
AT = datetime(2026, 11, 22, 10, 52, 22, tzinfo=UTC)
FINE = AT.replace(microsecond=856000)


def line(daemon: str, level: str | None, text: str, *, at: datetime = AT, extended: str = "", instance: str | None = None) -> LogLine:
    return LogLine(at=at, host="pm01", daemon=daemon, level=level, text=text, extended=extended, instance=instance)


FORMS = {
    "syslog of Pacemaker 2": (
        "Nov 22 10:52:22 pm01 pacemaker-controld[106]:  notice: Quorum lost ",
        line("pacemaker-controld", "notice", "Quorum lost"),
    ),
    "syslog with what it usually leaves out": (
        "Nov 22 10:52:22 pm01 pacemaker-controld[106]:  notice: Result of start operation for prmPg on pm01: ok | rc=0 call=12",
        line("pacemaker-controld", "notice", "Result of start operation for prmPg on pm01: ok", extended="rc=0 call=12"),
    ),
    "output of an agent that is quoted": (
        "Nov 22 10:52:22 pm01 pacemaker-execd[105]:  notice: prmPg_start_0[9] error output [ a | b ]",
        line("pacemaker-execd", "notice", "prmPg_start_0[9] error output [ a | b ]"),
    ),
    "syslog of Pacemaker 1.1": (
        "Nov 22 10:52:22 pm01 crmd[3594]: warning: Quorum lost",
        line("pacemaker-controld", "warning", "Quorum lost"),
    ),
    "the journal, without level": ("Nov 22 10:52:22 pm01 crmd[3594]: Quorum lost", line("pacemaker-controld", None, "Quorum lost")),
    "a word with a colon that is no level": (
        "Nov 22 10:52:22 pm01 corosync-notifyd[3594]: caution: it hurts",
        line("corosync-notifyd", None, "caution: it hurts"),
    ),
    "an agent": (
        "Nov 22 10:52:22 pm01 ping(prmPing)[4711]: WARNING: 10.0.0.1 is inactive",
        line("ping", "warning", "10.0.0.1 is inactive", instance="prmPing"),
    ),
    "corosync in syslog": (
        "Nov 22 10:52:22 pm01 corosync[80]:   [KNET  ] rx: host: 2 link: 1 is up",
        line("corosync", None, "rx: host: 2 link: 1 is up"),
    ),
    "corosync in syslog, long subsystem": (
        "Nov 22 10:52:22 pm01 corosync[80]: [QUORUM] Members[1]: 1",
        line("corosync", None, "Members[1]: 1"),
    ),
    "corosync in syslog, with level": (
        "Nov 22 10:52:22 pm01 corosync[80]: error   [TOTEM ] it hurts",
        line("corosync", "error", "it hurts"),
    ),
    "corosync's own log": (
        "Nov 22 10:52:22 [80] pm01 corosync warning [KNET  ] host: host: 2 has no active links",
        line("corosync", "warning", "host: host: 2 has no active links"),
    ),
    "corosync's own log, long subsystem": (
        "Nov 22 10:52:22 [80] pm01 corosync notice  [QUORUM] Members[1]: 1",
        line("corosync", "notice", "Members[1]: 1"),
    ),
    "detail log of Pacemaker 2": (
        "Nov 22 10:52:22.856 pm01 pacemaker-execd     [105] (log_op_output) \tnotice: prmPg_monitor | rc=7 call=31",
        line("pacemaker-execd", "notice", "prmPg_monitor", at=FINE, extended="rc=7 call=31"),
    ),
    "detail log of Pacemaker 2, name as wide as its column": (
        "Nov 22 10:52:22 pm01 pacemaker-schedulerd[105] (log_list_item) \tnotice: Actions: Start prmPg ( pm01 )",
        line("pacemaker-schedulerd", "notice", "Actions: Start prmPg ( pm01 )"),
    ),
    "detail log of Pacemaker 1.1": (
        "Nov 22 10:52:22 [105] pm01       crmd:     info: do_state_transition:\tState transition S_IDLE -> S_POLICY_ENGINE | input=I_PE",
        line("pacemaker-controld", "info", "State transition S_IDLE -> S_POLICY_ENGINE", extended="input=I_PE"),
    ),
    "a bar is text in what others write": ("Nov 22 10:52:22 pm01 systemd[1]: this | that", line("systemd", None, "this | that")),
    "pm_logconv.out": ("Nov 22 10:52:22 pm01   error: Start to fail-over.", line("pm_logconv", "error", "Start to fail-over.")),
    "pm_logconv.out, its own date": ("2026/11/22_10:52:22 pm01 warning: Node n1 is lost", line("pm_logconv", "warning", "Node n1 is lost")),
    "pm_logconv.out, level of the source line": ("Nov 22 10:52:22 pm01 WARNING: odd", line("pm_logconv", "warning", "odd")),
    "pm_logconv through syslog": (
        "Nov 22 10:52:22 pm01 pm_logconv:   error: Start to fail-over.",
        line("pm_logconv", "error", "Start to fail-over."),
    ),
    "pm_logconv through the journal": (
        "2026-11-22T10:52:22.856+00:00 pm01 pm_logconv[956]:    info: fail-over succeeded.",
        line("pm_logconv", "info", "fail-over succeeded.", at=FINE),
    ),
    "a date as rsyslog's high precision": (
        "2026-11-22T19:52:22.856000+09:00 pm01 crmd[1]:  notice: Quorum lost",
        line("pacemaker-controld", "notice", "Quorum lost", at=FINE),
    ),
    "a date as journalctl -o short-iso": (
        "2026-11-22T19:52:22+0900 pm01 crmd[1]:  notice: Quorum lost",
        line("pacemaker-controld", "notice", "Quorum lost"),
    ),
    "a tab that syslog wrote as #011": (
        "Nov 22 10:52:22 pm01 pengine[1]:  notice: Start   prmPg#011(pm02)",
        line("pacemaker-schedulerd", "notice", "Start   prmPg\t(pm02)"),
    ),
    "a facility before the date": (
        "<29>Nov 22 10:52:22 pm01 crmd[1]:  notice: Quorum lost",
        line("pacemaker-controld", "notice", "Quorum lost"),
    ),
    "no text": ("Nov 22 10:52:22 pm01 crmd[1]:  notice: ", line("pacemaker-controld", "notice", "")),
    "a day with one digit": ("Nov  2 10:52:22 pm01 crmd[1]:  notice: x", line("pacemaker-controld", "notice", "x", at=AT.replace(day=2))),
}


@pytest.mark.parametrize("form", FORMS)
def test_a_line_comes_apart_as_its_form_says(form: str) -> None:
    text, expected = FORMS[form]
    assert parse_line(text, STAMPS) == expected


@pytest.mark.parametrize("form", FORMS)
def test_the_words_alone_tell_daemon_level_and_text(form: str) -> None:
    text, expected = FORMS[form]
    words = text.encode().split(None, 11)
    place = head(words)
    assert place is not None
    assert place.daemon == expected.daemon
    # The form that the words tell is the one that takes the line.
    assert parse_line(text, STAMPS, place.form) == expected
    if expected.level is not None and place.level_word >= 0:
        assert words[place.level_word].rstrip(b":").lower().decode() == expected.level
        first = expected.text.split()[:1]
        assert [word.decode() for word in words[place.text_word : place.text_word + 1]][: len(first)] == [
            word.replace("\t", "") for word in first
        ]


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "\x00\x01",
        "Stack trace of thread 1",
        "Nov 22 10:52:22",
        "Nov 22 10:52:22 pm01",
        "Nov 22 10:52:22 pm01 nonsense: no level of pm_logconv",
        "Nov 22 25:99:22 pm01 crmd[1]:  notice: x",
        "Xyz 22 10:52:22 pm01 crmd[1]:  notice: x",
        "Feb 30 10:52:22 pm01 crmd[1]:  notice: x",
        "2026-13-22T10:52:22Z pm01 crmd[1]:  notice: x",
        "2026-11-22Tnoon pm01 crmd[1]:  notice: x",
        "-- Journal begins at Mon 2026-11-02 --",
        '{"t": 1}',
    ],
)
def test_what_is_no_line_is_refused_and_kept(text: str) -> None:
    if "nonsense" in text:
        assert parse_line(text, STAMPS).daemon == "nonsense"  # any tag may be a program's name
        return
    with pytest.raises(ParseError) as refused:
        parse_line(text, STAMPS)
    assert str(refused.value.raw) in text
    assert str(refused.value)


@given(st.text(max_size=200))
@example("Nov 22 10:52:22 ")
@example("9999-12-31T23:59:59-12:00 a b: c")
@example("0001-01-01T00:00:00+14:00 a b: c")
def test_any_text_is_a_line_or_refused(text: str) -> None:
    with suppress(ParseError):
        assert parse_line(text, STAMPS).at.tzinfo is UTC


PIECES = st.sampled_from(
    [
        "Nov", "22", "10:52:22", "10:52:22.123", "2026-11-22T10:52:22Z", "2026/11/22_10:52:22", "pm01", "[80]", "corosync", "corosync[80]:",
        "corosync", "[KNET", "]", "[QUORUM]", "crmd:", "info:", "notice", "error:", "crmd[1]:", "pacemaker-execd", "[105]", "(f)", "f:",
        "ping(prmPing)[1]:", "pm_logconv:", "[956]:", "Quorum", "lost", "|", "#011", "<29>Nov", "\N{KATAKANA LETTER A}", "x" * 300, "",
    ]
)  # fmt: skip


@given(st.lists(PIECES, max_size=14), st.sampled_from([" ", "  ", "\t"]))
def test_no_line_whatever_its_words_breaks_the_matcher(pieces: list[str], blank: str) -> None:
    scanned = scan(blank.join(pieces) + "\n")
    assert scanned.lines == 1
    counted = sum(scanned.matched.values()) + sum(scanned.unmatched.values()) + scanned.unrecognised
    assert counted == bool("".join(pieces).strip())


@given(st.lists(PIECES, max_size=14), st.sampled_from([" ", "  ", "\t"]))
@example(["Nov 22 10:52:22 pm01 corosync[80]:   [KNET  ] rx: host: 2 link: 1 is up"], " ")
@example(["Nov 22 10:52:22 pm01 pacemaker-execd[105]:  notice: a[9] error output [ b | c ]"], " ")
@example(["Nov 22 10:52:22 pm01 pacemaker-controld[106]:  notice: a: ok | rc=0 call=12"], " ")
@example(["Nov 22 10:52:22.856 pm01 pacemaker-execd     [105] (log_op_output) \tnotice: a b c"], " ")
@example(["2026-11-22T10:52:22.856+00:00 pm01 pm_logconv[956]:    info: fail-over succeeded."], " ")
def test_the_head_of_a_line_tells_what_all_of_its_words_tell(pieces: list[str], blank: str) -> None:
    line = blank.join(pieces).encode()
    (found,) = HEADS.findall(line + b"\n")
    if not found:
        return
    words = head_words(found)
    place = head(words)
    assert place == head(line.split(None, 11))
    if place is not None:
        assert line.split()[place.text_word : len(words)] == words[place.text_word :]


def by_layout(line: str) -> LogLine | None:
    """A line as its layout and its date tell it; None where they do not."""
    (found,) = HEADS.findall(line.encode() + b"\n")
    words = head_words(found) if found else []
    place = head(words) if words else None
    layout = layout_of(found, without_level(place, words)) if place is not None else None
    begin = line.find(layout.head.decode()) if layout is not None else -1
    if layout is None or place is None or begin < 0:
        return None
    before = date_and_host(line[:begin], STAMPS)
    if before is None:
        return None
    at, host = before
    text = layout.text(line, begin)
    return LogLine(at=at, host=host, daemon=place.daemon, level=layout.level, text=text, instance=layout.instance)


def same_by_layout(line: str) -> bool:
    """Whether the layout tells the line; what it tells is then what the whole line tells."""
    try:
        told = by_layout(line)
    except ParseError:
        with pytest.raises(ParseError):
            parse_line(line, STAMPS)
        return False
    if told is not None:
        assert told == replace(parse_line(line, STAMPS), extended="")
    return told is not None


@pytest.mark.parametrize(("log", "share"), [("ha-log", 0.97), ("pacemaker.log", 0.8)])
def test_the_layout_tells_nearly_every_recorded_line_as_the_line_itself_does(log: str, share: float) -> None:
    lines = evidence("chronicle", f"pm01/{log}.gz")[0].read_bytes()
    told = [same_by_layout(line) for line in gzip.decompress(lines).decode().splitlines()[:4000] if not line.startswith(" ")]
    assert sum(told) > share * len(told)


@given(st.lists(PIECES, max_size=14), st.sampled_from([" ", "  ", "\t"]))
@example(["Nov 22 10:52:22 pm01 pacemaker-schedulerd[105]:  info: Leave   prmPg#011(Started pm02)"], " ")
@example(["Nov 22 10:52:2 pm01 corosync[80]:   [KNET  ] rx: host: 2 link: 1 is up"], " ")
@example(["Nov 22 10:52:22 pm01 ping(prmPing)[4711]: WARNING: a b | c #011 d"], " ")
@example(["Nov 22 10:52:22.856 pm01 pacemaker-execd     [105] (log_op_output) \tnotice: a b#011c | d"], " ")
def test_the_layout_of_a_line_tells_what_the_line_tells(pieces: list[str], blank: str) -> None:
    same_by_layout(blank.join(pieces).replace("\n", " "))


@given(st.binary(max_size=300))
def test_no_bytes_break_the_matcher(data: bytes) -> None:
    scanned = scan(data)
    assert scanned.lines == len(data.split(b"\n")) - (1 if data.endswith(b"\n") or not data else 0)


# -- encodings

TOLD = "Nov 22 10:52:22 pm01 crmd[106]:  error: Result of monitor operation for prmPg on pm01: error (データベースが応答しません)"


@pytest.mark.parametrize("encoding", ["utf-8", "euc_jp", "shift_jis"])
def test_a_japanese_reason_is_read_in_every_usual_encoding(encoding: str) -> None:
    scanned = scan(TOLD.encode(encoding) + b"\n")
    (event,) = scanned.events
    assert (event.kind, event.detail["reason"], scanned.undecodable) == (EventKind.OPERATION_FAILED, "データベースが応答しません", 0)


def test_broken_bytes_cost_no_event_and_are_counted() -> None:
    scanned = scan(TOLD.encode().replace("応".encode(), b"\xff\xfe\xff") + b"\n" + TOLD.encode() + b"\n")
    assert [event.kind for event in scanned.events] == [EventKind.OPERATION_FAILED] * 2
    assert scanned.undecodable == 1
    assert "\N{REPLACEMENT CHARACTER}" in scanned.events[0].raw


def test_a_line_in_the_middle_of_another_encoding_does_not_spoil_its_neighbours() -> None:
    data = b"".join(TOLD.encode(encoding) + b"\n" for encoding in ("utf-8", "euc_jp", "utf-8", "shift_jis", "utf-8"))
    assert {event.detail["reason"] for event in scan(data).events} == {"データベースが応答しません"}


def test_a_very_long_line_is_kept_in_part() -> None:
    (event,) = scan(f"Nov 22 10:52:22 pm01 crmd[1]:  error: {'x' * 100_000}\n").events
    assert len(event.raw) == 2000
    assert len(str(event.detail["text"])) == 2000


# -- who is concerned


def test_the_configured_node_counts_more_than_the_host_of_the_line() -> None:
    text = "Nov 22 10:52:22 pm01.example.com crmd[1]:  notice: Quorum acquired\n"
    (event,) = scan(text, node="pm01").events
    assert (event.node, event.reporter) == ("pm01", "pm01")
    (event,) = scan(text).events
    assert (event.node, event.reporter) == ("pm01.example.com", "pm01.example.com")


def test_a_line_that_names_a_node_is_about_that_node_and_told_by_its_host() -> None:
    (event,) = scan("Nov 22 10:52:22 pm01 crmd[1]:  notice: Node pm02 state is now lost\n").events
    assert (event.node, event.reporter) == ("pm02", "pm01")


def test_unmatched_grave_lines_of_one_chunk_are_bounded_and_counted() -> None:
    scanned = scan("".join(f"Nov 22 10:52:22 pm01 crmd[1]:  error: strange thing {number}\n" for number in range(80)))
    assert (len(scanned.events), scanned.unclassified_dropped, scanned.unmatched) == (50, 30, {"pacemaker-controld": 80})


def test_grave_lines_of_programs_that_no_rule_knows_are_only_counted() -> None:
    scanned = scan("Nov 22 10:52:22 pm01 httpd[1]:  error: strange thing\n")
    assert (scanned.events, scanned.unmatched) == ([], {"httpd": 1})


def test_the_daemons_old_names_count_as_their_new_ones() -> None:
    for old, new in (
        ("crmd", "controld"),
        ("pengine", "schedulerd"),
        ("attrd", "attrd"),
        ("stonith-ng", "fenced"),
        ("cib", "based"),
        ("lrmd", "execd"),
    ):
        scanned = scan(f"Nov 22 10:52:22 pm01 {old}[1]:     info: hello\n")
        assert scanned.unmatched == {f"pacemaker-{new}": 1}


def test_the_matcher_is_shared_by_these_tests_and_holds_all_rules() -> None:
    assert len(matcher().rules) > 150
