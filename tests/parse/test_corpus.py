"""Every message of Pacemaker, Corosync and pm_logconv that hamon knows, in every form in which a log can hold it."""

import re

import pytest

from hamon.model.event import EventKind
from tests.cases import Case, cases, scan

NATIVE = list(cases("native"))
LOGCONV = list(cases("pm_logconv"))

_SYSLOG = re.compile(r"^Nov 22 10:52:22 (?P<host>\S+) (?P<tag>[^:]+): (?P<rest>.*)$")
_LOGCONV = re.compile(r"^Nov 22 10:52:22 (?P<host>\S+)(?P<rest>\s+\S+: .*)$")


def parts(pattern: re.Pattern[str], case: Case) -> re.Match[str]:
    found = pattern.match(case.line)
    assert found is not None, case.line
    return found


every_native = pytest.mark.parametrize("case", NATIVE, ids=[case.id for case in NATIVE])
every_logconv = pytest.mark.parametrize("case", LOGCONV, ids=[case.id for case in LOGCONV])


@pytest.mark.parametrize("case", [*NATIVE, *LOGCONV], ids=[case.id for case in [*NATIVE, *LOGCONV]])
def test_a_line_gives_its_event(case: Case) -> None:
    assert case.wrong(scan(case.line + "\n")) is None


@every_native
@pytest.mark.parametrize(
    "stamp",
    [
        "Nov 22 10:52:22",
        "Nov  2 10:52:22",
        "2026-11-22T10:52:22+00:00",
        "2026-11-22T10:52:22.123456+09:00",
        "2026-11-22T10:52:22Z",
        "<30>Nov 22 10:52:22",
    ],
)
def test_the_date_of_a_syslog_line_does_not_change_what_it_tells(case: Case, stamp: str) -> None:
    assert case.wrong(scan(case.line.replace("Nov 22 10:52:22", stamp, 1) + "\n")) is None


@every_native
def test_a_tag_without_pid_does_not_change_what_a_line_tells(case: Case) -> None:
    assert case.wrong(scan(re.sub(r"\[\d+\]: ", ": ", case.line, count=1) + "\n")) is None


def of_pacemaker(case: Case) -> bool:
    return case.folder.startswith("pacemaker")


PACEMAKER = [case for case in NATIVE if of_pacemaker(case)]


@pytest.mark.parametrize("case", PACEMAKER, ids=[case.id for case in PACEMAKER])
def test_a_line_of_the_detail_log_tells_the_same(case: Case) -> None:
    syslog = parts(_SYSLOG, case)
    daemon, text = syslog["tag"].partition("[")[0], re.sub(r"^\s*notice: ", "", syslog["rest"]).replace("#011", "\t").rstrip()
    if case.folder.startswith("pacemaker-1."):
        line = f"Nov 22 10:52:22 [105] {syslog['host']} {daemon:>10}:   notice: some_function:\t{text} | call=12 more=(x)"
    else:
        line = f"Nov 22 10:52:22.856 {syslog['host']} {daemon:<20}[105] (some_function) \tnotice: {text} | call=12 more=(x)"
    scanned = scan(line + "\n")
    assert case.wrong(scanned) is None
    # A name that fills its column stands right before the bracket.
    assert case.wrong(scan(line.replace(f"{daemon:<20}[105]", f"{daemon}[105]") + "\n")) is None


COROSYNC = [case for case in NATIVE if case.folder.startswith("corosync")]


@pytest.mark.parametrize("case", COROSYNC, ids=[case.id for case in COROSYNC])
def test_a_line_of_corosyncs_own_log_tells_the_same(case: Case) -> None:
    syslog = parts(_SYSLOG, case)
    for level in ("info    ", "notice  ", "warning "):
        assert case.wrong(scan(f"Nov 22 10:52:22 [80] {syslog['host']} corosync {level}{syslog['rest'].strip()}\n")) is None
    for leveled in ("notice  ", "error   "):
        line = f"Nov 22 10:52:22 {syslog['host']} corosync[80]: {leveled}{syslog['rest'].strip()}\n"
        assert case.wrong(scan(line)) is None, line


@every_logconv
@pytest.mark.parametrize(
    "prefix",
    [
        "2026/11/22_10:52:22 {host}",
        "Nov 2 10:52:22 {host}",
        "Nov 22 10:52:22 {host} pm_logconv:",
        "Nov 22 10:52:22 {host} pm_logconv[1234]:",
        "2026-11-22T10:52:22.123456+09:00 {host} pm_logconv[1234]:",
        "2026-11-22T10:52:22Z {host} pm_logconv:",
    ],
)
def test_both_files_and_syslog_of_the_converter_tell_the_same(case: Case, prefix: str) -> None:
    line = parts(_LOGCONV, case)
    assert case.wrong(scan(prefix.format(host=line["host"]) + line["rest"] + "\n")) is None


@every_logconv
def test_blanks_at_the_end_of_a_line_mean_nothing(case: Case) -> None:
    assert case.wrong(scan(case.line + "  \r\n")) is None


@pytest.mark.parametrize(
    "line",
    [
        "Nov 22 10:52:22 pm01 pm_logconv: [956]:    info: starting... [/usr/sbin/pm_logconv -d]",
        "Nov 22 10:52:22 pm01 pm_logconv: [956]:   error: Start to fail-over.",
        "Nov 22 10:52:22 pm01 pm_logconv[12]: [956]: warning: Node pm02 is lost",
        "2026-11-22T10:52:22Z pm01 pm_logconv: [956]: warning: Node pm02 is lost",
    ],
)
def test_what_the_converter_says_of_itself_is_no_event(line: str) -> None:
    assert [event.kind for event in scan(line + "\n").events if event.kind is not EventKind.UNCLASSIFIED] == []


def test_a_grave_message_of_the_converter_without_a_rule_is_kept_whatever_its_level_is_called() -> None:
    for level in ("error", "crit", "emerg", "WARNING", "ERROR", "warn"):
        (event,) = scan(f"Nov 22 10:52:22 pm01 {level:>7}: Nobody knows this sentence\n").events
        assert (event.kind, event.detail["text"], event.node) == (EventKind.UNCLASSIFIED, "Nobody knows this sentence", "pm01")
    for level in ("info", "notice", "INFO", "debug"):
        scanned = scan(f"Nov 22 10:52:22 pm01 {level:>7}: Nobody knows this sentence\n")
        assert (scanned.events, scanned.unmatched) == ([], {"pm_logconv": 1})
