"""Lines as tools print them and operators pass them on: each gives the event that it gives in its usual form.

The forms: journalctl of systemd 252 (`-o`), Heartbeat 3 and Pacemaker 1.0/1.1 of that time, Corosync 1 and 3, rsyslog 8, and what grep,
docker, kubectl, pdsh, mail programs and Markdown put round a line.
"""

import json
from collections.abc import Sequence
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hamon.classify.match import Matcher
from hamon.data import folder
from hamon.model.event import Event, EventKind
from hamon.model.observation import LogChunk, ReadPosition
from hamon.parse.forms import rewritten
from hamon.rules.load import load

MATCHER = Matcher(load([folder("rules")]))
TEXT = "State transition S_IDLE -> S_POLICY_ENGINE"
RING = "Marking ringid 0 interface 192.0.2.1 FAULTY"
AT = datetime(2026, 11, 22, 1, 52, 22, tzinfo=UTC)
JOURNAL = json.dumps(
    {
        "__REALTIME_TIMESTAMP": str(int(AT.timestamp() * 1e6)),
        "_HOSTNAME": "pm01",
        "SYSLOG_IDENTIFIER": "pacemaker-controld",
        "_PID": "106",
        "MESSAGE": f" notice: {TEXT}",
    }
)
USUAL = f"Nov 22 10:52:22 pm01 pacemaker-controld[106]:  notice: {TEXT}"


def events(*lines: str, node: str | None = None) -> Sequence[Event]:
    data = "".join(f"{line}\n" for line in lines).encode()
    near = datetime(2026, 11, 25, tzinfo=UTC)
    chunk = LogChunk(cluster="c", collector="l", path="p", data=data, offset=0, received_at=near, node=node, timezone="Asia/Tokyo")
    return MATCHER.scan(chunk).events


@pytest.mark.parametrize(
    "line",
    [
        pytest.param(USUAL, id="syslog"),
        pytest.param(f"Nov 22 10:52:22.123456 pm01 pacemaker-controld[106]:  notice: {TEXT}", id="short-precise"),
        pytest.param(f"2026-11-22T10:52:22+0900 pm01 pacemaker-controld[106]:  notice: {TEXT}", id="short-iso"),
        pytest.param(f"2026-11-22T10:52:22.123456+09:00 pm01 pacemaker-controld[106]:  notice: {TEXT}", id="short-iso-precise"),
        pytest.param(f"Sun 2026-11-22 10:52:22 JST pm01 pacemaker-controld[106]:  notice: {TEXT}", id="short-full"),
        pytest.param(f"Sun 2026-11-22 01:52:22.5 UTC pm01 pacemaker-controld[106]:  notice: {TEXT}", id="short-full in UTC"),
        pytest.param(f"{AT.timestamp():.6f} pm01 pacemaker-controld[106]:  notice: {TEXT}", id="short-unix"),
        pytest.param(JOURNAL, id="json"),
        pytest.param(json.dumps({"@timestamp": "2026-11-22T01:52:23Z", "message": USUAL}), id="a collector's JSON"),
        pytest.param(json.dumps({"log": f"{USUAL}\n", "stream": "stdout"}), id="Docker's JSON"),
        pytest.param(USUAL.replace("Nov", "11月"), id="journalctl in Japanese"),
        pytest.param(USUAL.replace("Nov", "nov"), id="journalctl in Spanish"),
        pytest.param(USUAL.replace("Nov", "nov."), id="journalctl in French"),
        pytest.param(USUAL.replace("pm01", "pm01 daemon.notice"), id="facility and severity"),
        pytest.param(f"2026-11-22T01:52:23.123Z {USUAL}", id="a stamp of a cloud's log service"),
        pytest.param(f"2026-11-22T10:52:23+09:00 loghost {USUAL}", id="a relay's stamp and host"),
        pytest.param(f"Nov 22 10:52:23 loghost {USUAL}", id="a relay's traditional stamp and host"),
        pytest.param(
            f"Nov 22 10:52:23 pm01 pacemaker: Nov 22 10:52:22.1 pm01 pacemaker-controld  [106] (f) \tnotice: {TEXT} | x=y", id="imfile"
        ),
        pytest.param(
            f"2026-11-22T10:52:23.5+09:00 pm01 pcmk[7]: Nov 22 10:52:22 [3594] pm01   crmd:   info: f:\t{TEXT} | x", id="imfile, 1.1"
        ),
        pytest.param(f"<29>1 2026-11-22T10:52:23+09:00 pm01 pacemaker - - - {USUAL}", id="imfile by RFC 5424"),
        pytest.param(USUAL.replace("pm01", "192.0.2.11 pm01"), id="who sent it before the host"),
        pytest.param(json.dumps({"timestamp": "2026-11-22T01:52:23Z", "line": USUAL}), id="Loki's JSON"),
        pytest.param(f"    17\t{USUAL}", id="cat -n"),
        pytest.param(f"17 {USUAL}", id="a line's number"),
        pytest.param(f"  17. {USUAL}", id="an item of a numbered list"),
        pytest.param(f"- {USUAL}", id="an item of a list"),
        pytest.param(
            f"Nov 22 10:52:22 [106] pm01       crmd: (       fsa.c:477   )  notice: do_state_transition: \t{TEXT}",
            id="a place in the source",
        ),
        pytest.param(f'"{USUAL}"', id="a table's cell"),
        pytest.param(f"2026-11-22 10:52:22 pm01 pacemaker-controld[106]:  notice: {TEXT}", id="a blank in the date"),
        pytest.param(f"2026-11-22 10:52:22,123 pm01 pacemaker-controld[106]:  notice: {TEXT}", id="a blank and a comma"),
        pytest.param(f"2026-11-22 01:52:22Z pm01 pacemaker-controld[106]:  notice: {TEXT}", id="a blank and a zone"),
        pytest.param(f"2026/11/22 10:52:22 pm01 pacemaker-controld[106]:  notice: {TEXT}", id="slashes in the date"),
        pytest.param(f"[2026-11-22 10:52:22] pm01 pacemaker-controld[106]:  notice: {TEXT}", id="a date in brackets"),
        pytest.param(f"<29>1 2026-11-22T10:52:22.1+09:00 pm01 pacemaker-controld 106 - -  notice: {TEXT}", id="RFC 5424"),
        pytest.param(f"1 2026-11-22T10:52:22.1+09:00 pm01 pacemaker-controld 106 - -  notice: {TEXT}", id="RFC 5424 without priority"),
        pytest.param(f"Nov 22 2026 10:52:22 pm01 pacemaker-controld[106]:  notice: {TEXT}", id="a year before the time"),
        pytest.param(f"Nov 22 10:52:22 2026 pm01 pacemaker-controld[106]:  notice: {TEXT}", id="a year behind the time"),
        pytest.param(f"2026 Nov 22 10:52:22 pm01 pacemaker-controld[106]:  notice: {TEXT}", id="a year first"),
        pytest.param(f"Nov 22 10:52:22 pm01 crmd: [3594]: info: do_state_transition: {TEXT}", id="Heartbeat by syslog"),
        pytest.param(f"Nov 22 10:52:22 pm01 crmd[3594]:  notice: do_state_transition: {TEXT} [ input=I_PE_CALC ]", id="1.1.10"),
        pytest.param(f"Nov 22 10:52:22 [3594] pm01       crmd:     info: do_state_transition:\t{TEXT} | input=I_PE_CALC", id="detail 1.1"),
        pytest.param(f"Nov 22 10:52:22 [3594] pm01 crmd:  notice: {TEXT}", id="detail 1.1 without function"),
        pytest.param(
            f"Nov 22 10:52:22.856 pm01 pacemaker-controld  [105] (do_state_transition@controld_fsa.c:629) \tnotice: {TEXT} | x", id="traced"
        ),
        pytest.param(
            f"2026-11-22T10:52:22+0900 pm01 crmd: notice: do_state_transition:     {TEXT} | input=I_X", id="a parser of detail logs"
        ),
        pytest.param(f"Nov 22 10:52:22 pm  01 pacemaker-controld[106]:  notice: {TEXT}", id="a host in two words"),
        pytest.param(f"messages-20261123:{USUAL}", id="grep -H"),
        pytest.param(f"/var/log/messages:17:{USUAL}", id="grep -Hn"),
        pytest.param(f"/var/log/remote/pm01/crmd.log:17:{USUAL}", id="grep -rn of a collector's tree"),
        pytest.param(USUAL.replace("[106]", "\\[106\\]"), id="Markdown"),
        pytest.param(
            f"Nov 22 10:52:22 \\[3594\\] pm01       crmd:     info: do\\_state\\_transition:\t{TEXT.replace('_', chr(92) + '_')}",
            id="Markdown of detail 1.1",
        ),
        pytest.param(
            f"Nov 22 10:52:22.1 pm01 pacemaker-controld  \\[105\\] (do_state_transition) \tnotice: {TEXT}", id="Markdown of detail"
        ),
        pytest.param(f"Nov 22 10:52:22 pm01 crmd notice: notice: {TEXT}", id="the severity by itself"),
        pytest.param(f"Nov 22 10:52:22 pm01 crmd[106] info: info: do_state_transition: {TEXT}", id="the severity behind the process"),
        pytest.param(f"17:{USUAL}", id="grep -n"),
        pytest.param(f"354321:2026-11-22T10:52:22.1+09:00 pm01 pacemaker-controld[106]:  notice: {TEXT}", id="grep -n of an ISO date"),
        pytest.param(f"17-2026-11-22T10:52:22.1+09:00 pm01 pacemaker-controld[106]:  notice: {TEXT}", id="grep -n -C of an ISO date"),
        pytest.param(f"pm01: {USUAL}", id="pdsh"),
        pytest.param(f"hamon_pm01_1  | {USUAL}", id="docker compose logs"),
        pytest.param(f"[pod/pm01/pacemaker] {USUAL}", id="kubectl logs --prefix"),
        pytest.param(f"    {USUAL}", id="indented"),
        pytest.param(f"> {USUAL}", id="quoted in a mail"),
        pytest.param(f"\u2462\t{USUAL}", id="with a mark of a manual"),
        pytest.param(f"\x1b[1m{USUAL}\x1b[0m", id="coloured"),
        pytest.param(f"{USUAL}\r", id="of Windows"),
    ],
)
def test_a_line_of_any_form_gives_its_event(line: str) -> None:
    (event,) = events(line)
    assert (event.kind, event.reporter, event.node) == (EventKind.STATE_CHANGED, "pm01", "pm01")
    assert abs((event.at - AT).total_seconds()) < 1
    assert event.raw == line


@pytest.mark.parametrize(
    "line",
    [
        f"Nov 22 10:52:22 pacemaker-controld[106]:  notice: {TEXT}",
        f"Nov 22 10:52:22 crmd [3594] (do_state_transition) info: {TEXT}",
        f"crmd[3594]: 2026/11/22_10:52:22 info: do_state_transition: {TEXT}",
        f"crmd: 2026/11/22_10:52:22 info: do_state_transition: {TEXT}",
    ],
)
def test_a_line_without_a_host_is_of_the_node_whose_log_it_is(line: str) -> None:
    (event,) = events(line, node="pm01")
    assert (event.kind, event.node, event.at) == (EventKind.STATE_CHANGED, "pm01", AT)
    (event,) = events(line)
    assert (event.kind, event.node, event.reporter) == (EventKind.STATE_CHANGED, None, None)


def test_a_line_without_a_date_has_that_of_the_line_before() -> None:
    first, second = events(USUAL, "some words of a tool", f"pacemaker-controld[106]:  notice: {TEXT}", node="pm01")
    assert (first.kind, first.at) == (second.kind, second.at)


@pytest.mark.parametrize(
    "line",
    [
        f"pacemaker-controld[106]:  notice: {TEXT}",
        f"pm01 crmd: [106]: notice: do_state_transition: {TEXT}",
        f"pm01 crmd notice: notice: {TEXT}",
        f"crmd\\[106\\]: notice: {TEXT}",
        f"/var/log/remote/pm01/crmd.log:crmd[106]: notice: {TEXT}",
    ],
)
def test_an_excerpt_without_any_date_is_of_the_time_of_its_file(line: str) -> None:
    (event,) = events(line, node="pm01")
    assert (event.kind, event.node, event.at) == (EventKind.STATE_CHANGED, "pm01", datetime(2026, 11, 25, tzinfo=UTC))


@pytest.mark.parametrize(
    ("path", "host"),
    [
        ("/var/log/remote/pm01/crmd.log", "pm01"),
        ("var/log/pm01.example.com/crmd.log-20261122", "pm01.example.com"),
        ("./hosts/pm01/messages", "pm01"),
        ("/var/log/pacemaker/pacemaker.log", None),
        ("/var/log/cluster/corosync.log", None),
        ("evidence/case-17/messages", None),
    ],
)
def test_of_a_line_without_a_host_a_collectors_tree_names_it(path: str, host: str | None) -> None:
    for line in (f"Nov 22 10:52:22 crmd[106]: notice: {TEXT}", f"crmd[106]: notice: {TEXT}"):
        (event,) = events(f"{path}:{line}")
        assert (event.kind, event.reporter) == (EventKind.STATE_CHANGED, host)


@pytest.mark.parametrize("line", ["the crmd notice: it is so", f"see crmd notice {TEXT}", "pm01 crmd warning: it is so"])
def test_a_sentence_about_a_daemon_is_no_line_of_it(line: str) -> None:
    assert events(line, node="pm01") == [] == list(events(USUAL, line)[1:])


def test_of_a_followed_log_a_line_tells_nothing_without_any_date_before_it() -> None:
    data = f"pacemaker-controld[106]:  notice: {TEXT}\n".encode()
    read = ReadPosition(collector="l", path="p", device=1, inode=1, offset=len(data))
    near = datetime(2026, 11, 25, tzinfo=UTC)
    chunk = LogChunk(cluster="c", collector="l", path="p", data=data, offset=0, received_at=near, node="pm01", position=read)
    assert MATCHER.scan(chunk).events == []


@pytest.mark.parametrize(
    "line",
    [
        f"Nov 22 10:52:22 pm01 corosync[80]:   [TOTEM ] {RING}",
        f"Nov 22 10:52:22 pm01 corosync: [TOTEM ] {RING}",
        f"Nov 22 10:52:22 [80] pm01 corosync error   [TOTEM ] {RING}",
        f"Nov 22 10:52:22.123 [80] pm01 corosync error   [TOTEM ] {RING}",
        f"Nov 22 10:52:22 corosync [TOTEM ] {RING}",
        f"Nov 22 10:52:22 [80] corosync error   [TOTEM ] {RING}",
        f"2026-11-22T10:52:22+09:00 pm01 corosync[80]:   [TOTEM ] {RING}",
        f"Nov 22 10:52:22 pm01 corosync[80]:   [TOTEM ] totemrrp.c:881 {RING}",
        f"Nov 22 10:52:22 pm01 corosync[80]:   [TOTEM ] totemrrp.c:passive_monitor:881 {RING}",
        f"Nov 22 10:52:22 pm01 corosync[80]:   [TOTEM ] passive_monitor {RING}",
        f"Nov 22 10:52:22.123 [80] pm01 corosync error   [TOTEM ] totemrrp.c:passive_monitor:881 {RING}",
        f"Nov 22 10:52:22 corosync [TOTEM ] totemrrp.c:881 {RING}",
        f"Nov 22 10:52:22 [TOTEM] {RING}",
        f"Nov 22 10:52:22 error   [TOTEM ] {RING}",
        f"Nov 22 10:52:22 pm01 corosync notice: [TOTEM ] {RING}",
        f"Nov 22 10:52:22 pm01 corosync\\[80\\]:   \\[TOTEM \\] {RING}",
        f"/var/log/cluster/corosync.log:Nov 22 10:52:22 corosync [TOTEM ] {RING}",
    ],
)
def test_corosync_says_it_in_all_its_forms(line: str) -> None:
    (event,) = events(line, node="pm01")
    assert (event.kind, event.node, event.detail["address"]) == (EventKind.LINK_DOWN, "pm01", "192.0.2.1")
    assert event.at.replace(microsecond=0) == AT


@pytest.mark.parametrize(
    "functions", ["", "crm_update_peer_state_iter: ", "pcmk_quorum_notification: ", "crm_update_peer_state: cman_event_callback: "]
)
def test_the_names_of_functions_before_the_text_are_no_part_of_it(functions: str) -> None:
    text = f"{functions}Node pm02[2] - state is now lost (was member)"
    (event,) = events(f"Nov 22 10:52:22 pm01 crmd[106]:  notice: {text}")
    assert (event.kind, event.node) == (EventKind.NODE_LOST, "pm02")
    (event,) = events(f"Nov 22 10:52:22 [106] pm01       crmd:   notice: some_function:\t{text} | nodeid=2")
    assert (event.kind, event.node) == (EventKind.NODE_LOST, "pm02")


@given(st.text(max_size=200))
def test_any_line_is_rewritten_to_one_line_or_left_alone(line: str) -> None:
    for date in (None, "Nov 22 10:52:22"):
        found = rewritten(line, date)
        assert found is None or isinstance(found, str)


@given(st.lists(st.text(max_size=60), max_size=6))
def test_any_lines_are_scanned(lines: list[str]) -> None:
    events(*lines)
