"""Traps to events: every sender that is known, every form, and what is not known is kept."""

import gzip
import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hamon.classify.traps import MOST_SKEW, TrapMatcher, happened_at
from hamon.errors import ParseError
from hamon.model.event import Event, EventKind
from hamon.model.mib import HR_SYSTEM_DATE, NOTIFICATIONS, OBJECT_NUMBERS
from hamon.model.observation import SnmpVersion, Source, Trap, VarBind, VarType
from hamon.rules.load import load_all
from tests.cases import fields_of, rules
from tests.traps import START, alert, as_trap, attribute, date_of, fencing, node_state, operation, trap

RECORDINGS = Path(__file__).parent.parent / "corpus" / "recordings"
MATCHER = TrapMatcher(rules())


def events(*traps: Trap) -> list[Event]:
    return MATCHER.scan(traps).events


def told(given_trap: Trap) -> tuple[EventKind, Mapping[str, Any]] | None:
    """Kind and fields of the one event of a trap."""
    found = events(given_trap)
    assert len(found) <= 1
    return (found[0].kind, fields_of(found[0])) if found else None


KINDS: Mapping[str, tuple[Mapping[str, str | int], EventKind]] = {
    "node": ({"Node": "pm02", "Description": "lost"}, EventKind.NODE_LOST),
    "fencing": (
        {
            "Node": "pm02",
            "Operation": "st_notify_fence",
            "Description": "Operation reboot of pm02 by pm01 for pacemaker-controld.1@pm01: OK (ref=1)",
            "ReturnCode": 0,
        },
        EventKind.FENCING_DONE,
    ),
    "resource": (
        {
            "Node": "pm01",
            "Resource": "prmPg",
            "Operation": "start",
            "Description": "ok",
            "Status": 0,
            "ReturnCode": 0,
            "TargetReturnCode": 0,
        },
        EventKind.RESOURCE_STARTED,
    ),
    "attribute": ({"Node": "pm01", "AttributeName": "default_ping_set", "AttributeValue": "0"}, EventKind.ATTRIBUTE_CHANGED),
}


@pytest.mark.parametrize("number", NOTIFICATIONS["pacemakerNotificationTrap"])
@pytest.mark.parametrize("kind", KINDS)
def test_a_pacemaker_trap_says_the_same_whatever_version_sent_it_and_through_whatever_hop(kind: str, number: str) -> None:
    fields, event = KINDS[kind]
    full = alert(fields, notification=number)
    found = told(full)
    assert found is not None
    assert found[0] is event
    assert found[1]["node"] == fields["Node"]
    values = {varbind.oid: varbind.value for varbind in full.varbinds if varbind.value is not None}
    forms = [
        alert(fields, notification=number, omit=True),  # 1.1.15 to 1.1.19, 2.0.0
        alert(fields, notification=number, dated=False),
        trap(number, dict(reversed(values.items()))),
        trap(number, {f"{oid}.0": value for oid, value in values.items()}),
        trap(number, {**values, "1.3.6.1.6.3.18.1.3.0": "192.0.2.77"}),
    ]
    for form in forms:
        assert told(form) == found


def test_crm_mon_of_1_1_sends_its_variables_in_another_order() -> None:
    order = ("Resource", "Node", "Operation", "Description", "ReturnCode", "TargetReturnCode", "Status")
    fields: dict[str, str | int] = {
        "Node": "pm01",
        "Resource": "prmPg",
        "Operation": "monitor",
        "Description": "not running",
        "Status": 0,
        "ReturnCode": 7,
        "TargetReturnCode": 0,
    }
    sent = trap("1.3.6.1.4.1.32723.1", {f"pacemakerNotification{name}": fields[name] for name in order})
    assert told(sent) == told(alert(fields))
    assert told(sent) is not None


@pytest.mark.parametrize(
    ("status", "rc", "expected", "text", "word"),
    [
        (0, 1, 0, "error", None),
        (0, 7, 0, "not running", None),
        (0, 0, 8, "ok", None),  # it lost its promotion
        (0, 8, 0, "promoted", None),  # promoted, and nobody wanted it
        (2, 1, 0, "Timed Out", "timeout"),
        (2, 1, 0, "Timed out", "timeout"),  # 3.0
        (3, 3, 0, "unimplemented feature", "not supported"),
        (4, 1, 0, "error", "error"),
        (6, 6, 0, "not configured", "error"),
        (7, 5, 0, "not installed", "not installed"),
        (8, 1, 0, "No executor connection", "no executor connection"),
        (99, 1, 0, "something new", "error"),
    ],
)
def test_an_operation_fails_by_its_numbers(status: int, rc: int, expected: int, text: str, word: str | None) -> None:
    found = told(operation("prmPg", "monitor", "pm01", START, rc=rc, status=status, expected=expected, text=text))
    assert found is not None
    assert found[0] is EventKind.OPERATION_FAILED
    assert (found[1]["resource"], found[1]["rc"], found[1]["status"]) == ("prmPg", rc, word)


@pytest.mark.parametrize(
    ("name", "rc", "expected", "kind"),
    [
        ("monitor", 0, 0, EventKind.OPERATION_SUCCEEDED),
        ("monitor", 8, 8, EventKind.OPERATION_SUCCEEDED),
        ("monitor", 190, 0, EventKind.OPERATION_SUCCEEDED),  # degraded, and running
        ("promote", 0, 0, EventKind.RESOURCE_PROMOTED),
        ("migrate_from", 0, 0, EventKind.RESOURCE_MIGRATED),
        ("notify", 0, 0, EventKind.OPERATION_SUCCEEDED),
    ],
)
def test_an_operation_succeeds_by_its_numbers(name: str, rc: int, expected: int, kind: EventKind) -> None:
    found = told(operation("prmPg", name, "pm01", START, rc=rc, expected=expected))
    assert found is not None
    assert found[0] is kind


@pytest.mark.parametrize(("status", "text"), [(1, "Cancelled"), (-1, "pending"), (-2, "unknown"), (0, "Cancelled")])
def test_a_cancelled_or_pending_operation_tells_nothing(status: int, text: str) -> None:
    scan = MATCHER.scan([operation("prmPg", "monitor", "pm01", START, status=status, text=text)])
    assert (scan.events, scan.matched, scan.unmatched) == ([], 1, 0)


def test_a_probe_that_finds_a_resource_running_tells_where_it_is_and_one_that_does_not_tells_nothing() -> None:
    running = told(operation("prmPg", "monitor", "pm01", START, rc=0, expected=7))
    assert running is not None
    assert (running[0], running[1]["operation"], running[1]["node"]) == (EventKind.OPERATION_SUCCEEDED, "probe", "pm01")
    assert told(operation("prmPg", "monitor", "pm01", START, rc=7, expected=7, text="not running")) is None
    assert told(operation("prmPg", "monitor", "pm01", START, rc=5, expected=7, text="not installed")) is None


def test_an_attribute_without_a_value_is_deleted() -> None:
    for value in ("n/a", ""):
        found = told(attribute("pm01", "pgsql-status", value, START))
        assert found is not None
        assert (found[1]["attribute"], found[1]["new"]) == ("pgsql-status", None)


# -- other senders


@pytest.mark.parametrize(
    ("notification", "values", "kind", "fields"),
    [
        (
            "corosyncNoticesNodeStatus",
            {
                "corosyncObjectsNodeName": "pm02",
                "corosyncObjectsNodeID": 2,
                "corosyncObjectsNodeAddress": "192.0.2.2",
                "corosyncObjectsNodeStatus": "left",
            },
            EventKind.NODE_LOST,
            {"host": "pm02", "node_id": "2"},
        ),
        (
            "corosyncNoticesQuorumStatus",
            {"corosyncObjectsNodeName": "pm01", "corosyncObjectsNodeID": 1, "corosyncObjectsQuorumStatus": "not quorate"},
            EventKind.QUORUM_LOST,
            {"host": "pm01"},
        ),
        (
            "corosyncNoticesIfaceStatus",
            {
                "corosyncObjectsNodeName": "pm01",
                "corosyncObjectsLocalNodeID": 1,
                "corosyncObjectsNodeID": 2,
                "corosyncObjectsIfaceNo": 1,
                "corosyncObjectsIfaceStatus": "disconnected",
            },
            EventKind.LINK_DOWN,
            {"host": "pm01", "peer_id": "2", "link": "1"},
        ),
        (
            "corosyncNoticesIfaceStatus",
            {
                "corosyncObjectsNodeName": "pm01",
                "corosyncObjectsNodeID": 1,
                "corosyncObjectsIfaceNo": 0,
                "corosyncObjectsIfaceStatus": "Marking ringid 0 interface 192.0.2.1 FAULTY",
            },
            EventKind.LINK_DOWN,
            {"host": "pm01", "link": "0"},
        ),
        ("LHANodeStatusUpdate", {"LHANodeName": "node2", "LHANodeStatus": 4}, EventKind.NODE_LOST, {"node": "node2"}),
        (
            "LHAIFStatusUpdate",
            {"LHANodeName": "node2", "LHAIFName": "eth1", "LHAIFStatus": 2},
            EventKind.LINK_DOWN,
            {"peer": "node2", "link": "eth1"},
        ),
        (
            "1.3.6.1.4.1.4682.900.0.11",
            {"1.3.6.1.4.1.4682.8.1.2.3": "ip", "1.3.6.1.4.1.4682.8.1.4.3": "node1", "1.3.6.1.4.1.4682.8.1.5.3": 1},
            EventKind.RESOURCE_STOPPED,
            {"resource": "ip", "node": "node1"},
        ),
    ],
)
def test_traps_of_corosync_and_heartbeat_are_known_by_number(
    notification: str, values: dict[str, str | int | bytes], kind: EventKind, fields: dict[str, str]
) -> None:
    found = told(trap(notification, values))
    assert found is not None
    assert found[0] is kind
    assert {name: found[1][name] for name in fields} == fields


def test_a_trap_that_no_rule_knows_is_kept_with_all_it_says() -> None:
    (event,) = events(trap("1.3.6.1.4.1.9.9.43.2.0.1", {"1.3.6.1.4.1.9.9.43.1.1.6.1.3.7": 2, "1.3.6.1.4.1.9.2": b"\x00\x01"}))
    assert (event.kind, event.rule, event.detail["notification"]) == (EventKind.UNCLASSIFIED, "", "1.3.6.1.4.1.9.9.43.2.0.1")
    assert event.raw == "1.3.6.1.4.1.9.9.43.2.0.1 from 192.0.2.1: 1.3.6.1.4.1.9.9.43.1.1.6.1.3.7 2, 1.3.6.1.4.1.9.2 0x0001"


def test_a_pacemaker_trap_in_which_nothing_applies_is_kept() -> None:
    (event,) = events(alert({"Node": "pm01"}))
    assert event.kind is EventKind.UNCLASSIFIED


# -- what an event says


def test_the_text_of_a_trap_is_for_people() -> None:
    sent = operation("prmPg", "monitor", "pm01", START, rc=1, text="error", source="2001:db8::1")
    (event,) = events(sent)
    assert event.raw == (
        "pacemakerNotificationTrap from 2001:db8::1: Node pm01, Resource prmPg, Operation monitor, Description error, Status 0, "
        "ReturnCode 1, TargetReturnCode 0, hrSystemDate 2026-11-22 10:52:00"
    )
    (event,) = events(attribute("pm01", "note", "one, two\n三", START))
    assert "AttributeValue 'one, two\\n三', hr" in event.raw


def test_a_community_inside_a_trap_is_not_shown() -> None:
    (event,) = events(trap("1.3.6.1.4.1.9.9.1", {"1.3.6.1.6.3.18.1.4.0": "secret", "1.3.6.1.4.1.9.1": "one"}))
    assert "secret" not in event.raw + str(event.detail)


def test_an_event_of_a_trap_names_its_sender_as_reporter_and_never_as_the_node() -> None:
    (event,) = events(node_state("pm02", "lost", START, source="198.51.100.7"))
    assert (event.node, event.reporter, event.source, event.collector) == ("pm02", "198.51.100.7", Source.TRAP, "test")
    assert event.rule == "alert-node"


# -- time


def dated(date: bytes, received_at: datetime) -> datetime:
    return happened_at(trap("pacemakerNotificationTrap", {HR_SYSTEM_DATE: date}, at=received_at))


@pytest.mark.parametrize("hours", [-9.5, -8, -1, 0, 1, 5.75, 9, 14])
def test_the_senders_own_time_counts_in_whatever_zone_it_is(hours: float) -> None:
    at = START + timedelta(milliseconds=300)
    assert dated(date_of(at + timedelta(hours=hours)), at + timedelta(seconds=1)) == at


@pytest.mark.parametrize("off", [timedelta(seconds=90), timedelta(minutes=5), timedelta(days=400), timedelta(hours=20)])
def test_a_wrong_clock_is_not_believed(off: timedelta) -> None:
    assert dated(date_of(START - off), START) == dated(date_of(START + off), START) == START


def test_a_date_that_is_none_leaves_the_time_of_arrival() -> None:
    assert dated(b"10:52:22", START) == dated(b"", START) == dated(bytes(8), START) == START
    assert happened_at(alert({"Node": "pm01"}, dated=False, delay=2)) == START + timedelta(seconds=2)


@given(st.binary(max_size=24), st.datetimes(timezones=st.just(UTC)))
def test_a_time_is_never_far_from_the_arrival(date: bytes, received_at: datetime) -> None:
    assert abs(dated(date, received_at) - received_at) <= MOST_SKEW


@pytest.mark.parametrize("other", [f"{HR_SYSTEM_DATE}.0", f"{HR_SYSTEM_DATE}.1"])
def test_of_two_dates_the_first_counts_also_where_the_same_came_with_one_before(other: str) -> None:
    fields = {"pacemakerNotificationNode": "pm02", "pacemakerNotificationDescription": "lost"}
    first, second = START + timedelta(seconds=1), START + timedelta(seconds=2)
    one = trap("pacemakerNotificationTrap", {**fields, HR_SYSTEM_DATE: date_of(first)}, at=second)
    two = trap("pacemakerNotificationTrap", {**fields, HR_SYSTEM_DATE: date_of(first), other: date_of(second)}, at=second)
    matcher = TrapMatcher(rules())
    for _ in range(2):
        assert [event.at for event in matcher.scan([one, two]).events] == [first, first]
    shown = matcher.scan([two]).events[0].raw
    assert "10:52:01" in shown
    assert "10:52:02" in shown


def test_a_rule_may_ask_for_the_date_of_a_trap(tmp_path: Path) -> None:
    own = tmp_path / "own.toml"
    own.write_text(
        """
[[trap]]
id = "own-date"
title = "A trap with the date as text"
notification = ["1.3.6.1.4.1.99999.1"]
match = { hrSystemDate = '^(?P<text>2026-.*)$' }
event = "host_error"
[[trap.example]]
notification = "1.3.6.1.4.1.99999.1"
varbinds = { hrSystemDate = "2026-11-22,10:52:00.0" }
gives = { text = "2026-11-22,10:52:00.0" }
[[trap.counter_example]]
notification = "1.3.6.1.4.1.99999.1"
varbinds = { hrSystemDate = "never" }
""",
        encoding="utf-8",
    )
    matcher = TrapMatcher(load_all([tmp_path]))
    sent = [trap("1.3.6.1.4.1.99999.1", {HR_SYSTEM_DATE: date}) for date in ("never", "2026-11-22,10:52:00.0", "2026-11-22,10:52:01.0")]
    assert [event.detail["text"] for event in matcher.scan(sent).events if event.rule] == ["2026-11-22,10:52:00.0", "2026-11-22,10:52:01.0"]


def test_events_come_in_the_order_of_their_stamps_and_causes_come_first() -> None:
    at = START + timedelta(seconds=3)
    sent = [
        operation("prmPg", "start", "pm02", at, delay=0.1),
        operation("prmPg", "stop", "pm01", at, delay=0.3),
        node_state("pm01", "lost", START, delay=20),
    ]
    for _ in range(6):
        Random(_).shuffle(sent)
        assert [event.kind for event in events(*sent)] == [EventKind.NODE_LOST, EventKind.RESOURCE_STOPPED, EventKind.RESOURCE_STARTED]


# -- whatever comes

OIDS = st.sampled_from([*OBJECT_NUMBERS.values(), "1.3.6.1.4.1.32723.1.1.0", "1.3.6.1.4.1.9.9.1"])
VALUES = (
    st.tuples(st.just(VarType.OCTET_STRING), st.binary(max_size=30) | st.text(max_size=12).map(str.encode))
    | st.tuples(st.just(VarType.INTEGER), st.integers(-(2**31), 2**31 - 1))
    | st.tuples(st.just(VarType.NULL), st.none())
    | st.tuples(st.just(VarType.OBJECT_IDENTIFIER), st.just("1.3.6"))
    | st.tuples(
        st.just(VarType.OCTET_STRING), st.sampled_from([b"lost", b"member", b"st_notify_fence", b"monitor", b"n/a", b"pm01", b"left"])
    )
)
ANY_TRAP = st.builds(
    lambda notification, varbinds, at: Trap(
        cluster="test",
        collector="test",
        received_at=at,
        source="192.0.2.1",
        version=SnmpVersion.V2C,
        credential="",
        notification=notification,
        varbinds=tuple(VarBind(oid, *value) for oid, value in varbinds),
    ),
    st.sampled_from([oid for oids in NOTIFICATIONS.values() for oid in oids] + ["1.3.6.1.4.1.9.9.1"]),
    st.lists(st.tuples(OIDS, VALUES), max_size=14),
    st.datetimes(timezones=st.just(UTC)),
)


@given(ANY_TRAP)
def test_any_trap_gives_one_event_or_is_known_to_tell_nothing(given_trap: Trap) -> None:
    scan = MATCHER.scan([given_trap])
    assert scan.matched + scan.unmatched == 1
    assert len(scan.events) in ((0, 1) if scan.matched else (1,))
    for event in scan.events:
        assert event.at.tzinfo is not None
        assert len(event.raw) <= 2000
        assert (event.kind is EventKind.UNCLASSIFIED and event.rule == "") == bool(scan.unmatched)


def datagrams() -> list[bytes]:
    return [
        bytes.fromhex(json.loads(line)["hex"])
        for path in sorted(RECORDINGS.glob("*/monitor/traps.jsonl.gz"))
        for line in gzip.decompress(path.read_bytes()).splitlines()
    ]


def test_what_was_read_before_changes_no_event() -> None:
    sent = [as_trap(datagram, START + timedelta(seconds=number)) for number, datagram in enumerate(datagrams()[:200])]
    sent += [replace(one, source="192.0.2.9", cluster="other", request_id=7) for one in sent]
    warm = TrapMatcher(rules())
    warm.scan(reversed(sent))
    for one in sent:
        assert warm.scan([one]) == TrapMatcher(rules()).scan([one])


def test_every_trap_of_the_recordings_is_known() -> None:
    scan = MATCHER.scan([as_trap(datagram) for datagram in datagrams()])
    assert (scan.matched, scan.unmatched) == (542, 0)
    assert len({event.rule for event in scan.events}) == 4


@given(st.sampled_from(datagrams()), st.lists(st.tuples(st.integers(0, 400), st.integers(0, 255)), max_size=4), st.integers(0, 60))
def test_any_octets_give_an_event_or_a_parse_error(datagram: bytes, changes: list[tuple[int, int]], cut: int) -> None:
    octets = bytearray(datagram)
    for position, octet in changes:
        octets[position % len(octets)] = octet
    try:
        changed = as_trap(bytes(octets[: len(octets) - cut]))
    except ParseError:
        return
    assert MATCHER.scan([changed]).matched in (0, 1)


def test_fencing_through_an_operator_or_by_hand_says_so() -> None:
    found = told(fencing("pm01", "pm02", START, client="stonith_admin.4242"))
    assert found is not None
    assert str(found[1]["client"]).startswith("stonith_admin")
    found = told(fencing("pm01", "a human", START))
    assert found is not None
    assert found[1]["manual"] is True
