"""Each message of pm_logconv, from the lines of every wording."""

import tomllib
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from hamon.classify.logconv import LogconvSettings, attribute_rule
from hamon.data import folder
from hamon.logconv import Lines, as_line
from hamon.rules.load import load

RULES = load([folder("rules")])
CASES = tomllib.loads((folder("tests") / "corpus" / "logconv" / "messages.toml").read_text())["message"]
NEAR = datetime(2017, 4, 24, 12, tzinfo=UTC)
# Every number of the converter's list; those of the fail-over are tried on sequences.
NUMBERS = {
    *("23-1", "23-4", "14-1", "14-2", "14-3", "14-4", "14-5", "10-1", "10-2", "10-3", "10-4", "10-5", "10-6", "10-7", "6-1", "6-2"),
    *(
        "13-2",
        "13-5",
        "1-1",
        "1-2",
        "1-3",
        "1-4",
        "2-1",
        "2-2",
        "2-3",
        "2-4",
        "3-1",
        "3-2",
        "3-3",
        "4-1",
        "4-2",
        "4-3",
        "4-4",
        "5-1",
        "5-2",
    ),
    *("5-3", "5-4", "11-1", "11-2", "11-3", "11-4", "12-1", "12-2", "12-3", "12-4", "7-1", "7-2", "8-1", "9-1", "22-1", "22-2", "17-3"),
    *("19-1", "21-1", "21-2", "21-3", "21-4", "21-5", "21-6", "21-7", "21-8", "U-1", "U-2", "U-3", "U-4"),
}


def converted(*lines: str, settings: LogconvSettings | None = None) -> list[str]:
    """What the lines give, without date and host."""
    data = "".join(f"Apr 24 06:19:55 pm01 {line}\n" for line in lines).encode()
    found = Lines(RULES, settings or LogconvSettings(), "UTC", None).convert(data, NEAR)
    begin = "Apr 24 06:19:55 pm01 "
    given = [as_line(message, ZoneInfo("UTC"), syslog_format=True) for message in found]
    assert all(line.startswith(begin) for line in given)
    return [line.removeprefix(begin) for line in given]


@pytest.mark.parametrize(
    ("line", "gives"),
    [
        pytest.param(line["line"], case["gives"], id=f"{case['number']} {line['since']} {number}")
        for number, case in enumerate(CASES)
        for line in case["lines"]
    ],
)
def test_a_native_line_gives_the_message_of_its_number(line: str, gives: str) -> None:
    assert converted(line) == ([gives] if gives else [])


def test_every_number_of_the_converters_list_is_tried() -> None:
    assert {case["number"] for case in CASES} >= NUMBERS


def test_what_a_document_puts_before_a_line_is_no_part_of_it() -> None:
    lines = (
        "\tApr 24 06:19:55 pm01 crmd[3594]:  notice: Result of stop operation for prmPg on pm01: 0 (ok)\n"
        "\u2464\tApr 24 06:19:56 pm01 crmd[3594]:  notice: Result of stop operation for prmIp on pm01: 0 (ok)\n"
        "\u2465\tsome words\n"
    )
    reader = Lines(RULES, LogconvSettings(), "UTC", None)
    found = [as_line(message, ZoneInfo("UTC"), syslog_format=True) for message in reader.convert(lines.encode(), NEAR)]
    assert found == [
        "Apr 24 06:19:55 pm01    info: Resource prmPg stopped. (rc=0) ok",
        "Apr 24 06:19:56 pm01    info: Resource prmIp stopped. (rc=0) ok",
    ]
    assert reader.unrecognised == 1


def test_a_fact_that_two_lines_of_one_daemon_tell_is_one_message() -> None:
    assert converted(
        "pacemaker-controld[10]:  info: Cluster node pm02 is now lost (was member)",
        "pacemaker-controld[10]:  notice: Node pm02 state is now lost",
        "pacemaker-controld[10]:  notice: Node pm02 state is now member",
        "pacemaker-controld[10]:  notice: Node pm02 state is now lost",
    ) == ["warning: Node pm02 is lost", "   info: Node pm02 is member", "warning: Node pm02 is lost"]


DOWN, UP = "corosync[10]:   [KNET  ] link: host: 2 link: 0 is down", "corosync[10]:   [KNET  ] rx: host: 2 link: 0 is up"
LEFT, JOINED = (
    f"corosync[10]:   [TOTEM ] A new membership (1.{number}) was formed. Members {what}: 2" for number, what in ((1, "left"), (2, "joined"))
)
BEGAN = "corosync[10]:   [MAIN  ] Corosync Cluster Engine 3.1.7 starting up"
BEST = "corosync[10]:   [KNET  ] host: host: 2 (passive) best link: 0 (pri: 1)"
NO_LINKS = "corosync[10]:   [KNET  ] host: host: 2 has no active links"
FAULTY, RECOVERED = "warning: Ring number 0 is FAULTY (interface host 2).", "   info: Ring number 0 is recovered."


@pytest.mark.parametrize(
    ("lines", "gives"),
    [
        pytest.param([DOWN, UP], [FAULTY, RECOVERED], id="a link of a node that stays"),
        pytest.param([LEFT, DOWN, UP, JOINED], [], id="those of a node that left in order, and joins again"),
        pytest.param([LEFT, DOWN, UP, JOINED, DOWN, UP], [FAULTY, RECOVERED], id="a fault after that"),
        pytest.param([DOWN, LEFT, UP, JOINED], [FAULTY, RECOVERED], id="what was told as faulty is told as recovered"),
        pytest.param([UP, JOINED, DOWN], [FAULTY], id="after a start"),
        pytest.param([DOWN, BEST, NO_LINKS, LEFT, UP, JOINED], [], id="all links of a node, which is lost then"),
        pytest.param([DOWN, BEST.replace("link: 0", "link: 1")], [FAULTY], id="one of two links"),
        pytest.param([DOWN, BEST.replace("host: 2", "host: 3"), NO_LINKS.replace("host: 2", "host: 3")], [FAULTY], id="links of two nodes"),
    ],
)
def test_the_links_of_a_node_that_left_are_no_fault_and_no_recovery(lines: list[str], gives: list[str]) -> None:
    began = [BEGAN] if lines[0] == UP else []
    assert converted(*began, *lines)[len(began) :] == gives


def test_the_date_is_written_as_configured() -> None:
    line = b"2017-04-04T06:19:55.123+09:00 pm01.example.com pacemakerd[10]: notice: Shutdown complete\n"
    message = next(Lines(RULES, LogconvSettings(), "Asia/Tokyo", None).convert(line, NEAR))
    tokyo = ZoneInfo("Asia/Tokyo")
    assert as_line(message, tokyo, syslog_format=True) == "Apr 4 06:19:55 pm01.example.com    info: Pacemaker shutdown complete."
    assert as_line(message, tokyo, syslog_format=False) == "2017/04/04_06:19:55 pm01.example.com    info: Pacemaker shutdown complete."


SERVICE = LogconvSettings(
    service_resources=("prmEx", "prmPg"), attribute_rules=(attribute_rule("not_defined default_ping_set or default_ping_set lt 100"),)
)
IDLE = "crmd[10]:  notice: State transition S_TRANSITION_ENGINE -> S_IDLE"
CALCULATES = "crmd[10]:  notice: State transition S_IDLE -> S_POLICY_ENGINE"
FAILED = "crmd[10]:    info: Updating failcount for prmPg on pm01 after failed monitor: rc=7 (update=value++, time=1493012395)"
VANISHED = "corosync[10]:  [TOTEM ] Failed to receive the leave message. failed: 2"


def test_a_year_that_is_given_is_that_of_the_earliest_stamp_of_each_log() -> None:
    stamps = ("Dec 31 23:59:58", "Jan  1 00:00:01", "Jan  1 00:00:02", "Dec 31 23:59:59", "Jan  1 00:00:03")  # the last two of another node
    log = "".join(f"{stamp} pm0{number // 3} pacemakerd[10]: notice: Shutdown complete\n" for number, stamp in enumerate(stamps))
    lines = Lines(RULES, LogconvSettings(), "Asia/Tokyo", 2016)
    given = [message.at.astimezone(ZoneInfo("Asia/Tokyo")).year for message in lines.convert(log.encode(), NEAR)]
    assert given == [2016, 2017, 2017, 2016, 2017]


def operated(resource: str) -> str:
    return f"crmd[10]:  notice: Initiating start operation {resource}_start_0 locally on pm02"


@pytest.mark.parametrize(
    ("lines", "gives"),
    [
        pytest.param(
            [FAILED, CALCULATES, "pengine[9]:  notice:  * Move       prmEx     ( pm01 -> pm02 )", operated("prmEx"), IDLE],
            ["  error: Start to fail-over.", "   info: Resource prmEx : Move pm01 -> pm02", "   info: fail-over succeeded."],
            id="a failure and a move",
        ),
        pytest.param(
            [
                FAILED,
                CALCULATES,
                "pacemaker-schedulerd[9]:  notice: Actions: Stop       prmEx     ( pm01 )  due to node availability",
                IDLE,
            ],
            ["  error: Start to fail-over.", "  error: Resource prmEx : Stopped", "  error: fail-over failed."],
            id="a failure and a stop",
        ),
        pytest.param(
            [FAILED, CALCULATES, "pengine[9]:  notice:  * Recover    prmEx     ( pm01 )", operated("prmEx"), IDLE],
            [],
            id="a restart in its place is no fail-over",
        ),
        pytest.param(
            [CALCULATES, "pengine[9]:  notice:  * Move       prmEx     ( pm01 -> pm02 )", operated("prmEx"), IDLE],
            [],
            id="a move without a failure is no fail-over",
        ),
        pytest.param(
            [VANISHED, "pengine[9]:  notice:  * Start      prmEx     ( pm02 )", operated("prmEx"), IDLE],
            ["  error: Start to fail-over.", "   info: Resource prmEx : Started on pm02", "   info: fail-over succeeded."],
            id="a lost node and a start",
        ),
        *(
            pytest.param(
                [
                    f"{who}[9]: warning: {fenced}",
                    f"{who}[9]:  notice:  * Start      prmEx     ( pm02 )",
                    operated("prmEx"),
                    IDLE,
                ],
                ["  error: Start to fail-over.", "   info: Resource prmEx : Started on pm02", "   info: fail-over succeeded."],
                id=f"a lost node in a log without Corosync's lines: {fenced}",
            )
            for who, fenced in (
                ("pacemaker-schedulerd", "Cluster node pm01 will be fenced: peer is no longer part of the cluster"),
                ("pacemaker-schedulerd", "Cluster node pm01 will be fenced: peer process is no longer available"),
                ("pengine", "Node pm01 will be fenced because the node is no longer part of the cluster"),
            )
        ),
        pytest.param(
            [
                "pacemaker-schedulerd[9]: warning: Cluster node pm02 will be fenced: prmOther failed there",
                "pacemaker-schedulerd[9]:  notice:  * Start      prmEx     ( pm02 )",
                operated("prmEx"),
                IDLE,
            ],
            [],
            id="a node that is fenced for a resource has not failed itself",
        ),
        pytest.param(
            [VANISHED, "pengine[9]:    info: Leave   prmEx\t(Started pm01)", IDLE],
            [],
            id="a lost standby",
        ),
        pytest.param(
            [
                VANISHED,
                "pengine[9]:  notice:  * Start      prmEx     ( pm02 )",
                "pengine[9]:    info: Leave   st1\t(Started unmanaged)",
                IDLE,
            ],
            ["  error: Start to fail-over.", "  error: Unmanaged resource exists.", "  error: fail-over failed."],
            id="an unmanaged resource",
        ),
        pytest.param(
            [VANISHED, "pengine[9]:  notice:  * Start      prmOther     ( pm02 )", operated("prmOther"), IDLE],
            [],
            id="a resource that is not the service",
        ),
        pytest.param(
            [FAILED, IDLE, CALCULATES, "pengine[9]:  notice:  * Move       prmEx     ( pm01 -> pm02 )", IDLE],
            [],
            id="a failure that led to nothing is forgotten when the cluster is idle",
        ),
    ],
)
def test_a_fail_over_is_told_when_a_failure_moves_the_service(lines: list[str], gives: list[str]) -> None:
    assert converted(*lines, settings=SERVICE) == gives


def test_a_bad_attribute_of_an_online_node_makes_a_move_a_fail_over() -> None:
    bad = "pacemaker-attrd[10]:  notice: Setting default_ping_set[pm01]: 100 -> 0"
    moves = "pacemaker-schedulerd[9]:  notice: Actions: Move       prmEx     ( pm01 -> pm02 )"
    online, offline = (f"pacemaker-schedulerd[9]:  info: pm01 is {state}" for state in ("online", "standby"))
    assert "  error: Start to fail-over." in converted(bad, online, moves, settings=SERVICE)
    assert "  error: Start to fail-over." in converted(bad, moves, settings=SERVICE)
    assert "  error: Start to fail-over." not in converted(bad, offline, moves, settings=SERVICE)
    assert "  error: Start to fail-over." not in converted(bad.replace("-> 0", "-> 100"), online, moves, settings=SERVICE)


def test_a_bad_attribute_counts_also_where_nodes_are_called_by_their_domain() -> None:
    bad = "pacemaker-attrd[10]:  notice: Setting default_ping_set[pm01.example.com]: 100 -> 0"
    online = "pacemaker-schedulerd[9]:  info: pm01.example.com is online"
    moves = "pacemaker-schedulerd[9]:  notice: Actions: Move       prmEx     ( pm01.example.com -> pm02.example.com )"
    assert "  error: Start to fail-over." in converted(bad, online, moves, settings=SERVICE)


def test_without_a_configured_service_no_fail_over_is_told() -> None:
    assert converted(VANISHED, "pengine[9]:  notice:  * Start      prmEx     ( pm02 )") == []


def test_an_old_failure_does_not_make_a_later_move_a_fail_over() -> None:
    lines = Lines(RULES, SERVICE, "UTC", None)
    data = f"Apr 24 06:19:55 pm01 {VANISHED}\nApr 24 06:29:55 pm01 pengine[9]:  notice:  * Move prmEx ( pm01 -> pm02 )\n"
    assert list(lines.convert(data.encode(), NEAR)) == []


@pytest.mark.parametrize("text", ["default_ping_set", "default_ping_set lt", "a lt 1 and", "a, lt", "a like b"])
def test_a_rule_that_cannot_be_read_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is no"):
        attribute_rule(text)
