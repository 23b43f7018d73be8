"""`crm_mon` as XML: answers of real clusters, and answers that hold no state."""

import re
from contextlib import suppress
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hamon.errors import ParseError
from hamon.model.cluster import CloneStatus, ClusterStatus, GroupStatus, InstanceStatus, Role
from hamon.parse import crm_mon
from tests import snapshots

AT = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


def parse(data: bytes | str, **more: str) -> ClusterStatus:
    return crm_mon.parse(data.encode() if isinstance(data, str) else data, at=AT, **more)


def frame(inside: str = "", status: str = '<status code="0" message="OK"/>') -> str:
    return f'<pacemaker-result api-version="2.25" request="crm_mon -1 --output-as=xml">{inside}{status}</pacemaker-result>'


NODES = '<nodes><node name="pm01" id="1" online="true" type="member"/></nodes>'


@pytest.mark.parametrize("recording", snapshots.NAMES)
def test_every_answer_of_a_recording_is_read(recording: str) -> None:
    for name, data in snapshots.answers(recording).items():
        if recording == "kill_corosync_active" and b"<nodes>" not in data:
            with pytest.raises(ParseError, match=r"^no data: pacemakerd state running, Could not connect to the CIB"):
                parse(data)
            continue
        status = parse(data)
        assert {node.name for node in status.nodes} in ({"pm01", "pm02"}, {"pg1", "pg2"}), name
        assert status.pacemakerd_state in ("running", "shutting_down", "starting_daemons")
        assert all(item.last_change_at for item in status.failures)
        assert all(operation.last_change_at and operation.rc is not None for item in status.history for operation in item.operations)


def test_a_failover_as_its_polls_show_it() -> None:
    status = parse(snapshots.answers("failover_resource")["s002.xml"], reporter="pm01")
    assert (status.dc, status.has_quorum, status.version, status.reporter) == ("pm02", True, "2.1.5-a3f44794f94", "pm01")
    assert status.options.fencing_enabled is True
    assert status.options.fencing_timeout_seconds == 60.0
    assert status.options.other == ()
    group, ping, stateful, *devices = status.resources
    assert isinstance(group, GroupStatus)
    assert [(item.id, item.role, item.nodes[0].node) for item in group.members] == [
        ("prmEx", Role.STARTED, "pm02"),
        ("prmFs", Role.STARTED, "pm02"),
        ("prmIp", Role.STARTED, "pm02"),
        ("prmPg", Role.STARTING, "pm02"),
    ]
    assert isinstance(ping, CloneStatus)
    assert not ping.promotable
    assert isinstance(stateful, CloneStatus)
    assert {item.nodes[0].node: item.role for item in stateful.instances} == {"pm02": Role.UNPROMOTED, "pm01": Role.PROMOTED}
    assert [item.id for item in devices if isinstance(item, InstanceStatus) and item.is_fence_device] == ["fence1-lab", "fence2-lab"]
    (failure,) = status.failures
    assert (failure.resource, failure.task, failure.interval_seconds, failure.node, failure.rc) == ("prmPg", "monitor", 10.0, "pm01", 1)
    assert failure.last_change_at == datetime(2026, 11, 22, 10, 52, 22, tzinfo=UTC)
    (count,) = [item for item in status.history if item.fail_count]
    assert (count.node, count.resource, count.fail_count, count.migration_threshold) == ("pm01", "prmPg", 1, 1)
    assert [(item.task, item.rc) for item in count.operations] == [("monitor", 0), ("monitor", 1), ("stop", 0)]
    assert {(ban.resource, ban.node, ban.weight) for ban in status.bans} == {
        ("fence2-lab", "pm02", -1000000),
        ("fence1-lab", "pm01", -1000000),
    }


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "no data: the command printed nothing"),
        (b"\x1c", "not XML: b'\\x1c'"),
        ("Error: cluster is not available on this node\n", "not connected: Error: cluster is not available on this node"),
        (
            "Connection to cluster failed: Transport endpoint is not connected",
            "not connected: Connection to cluster failed: Transport endpoint is not connected",
        ),
        ("bash: crm_mon: command not found", "not XML: bash: crm_mon: command not found"),
        (
            frame(
                status='<status code="102" message="Not connected"><errors><error>error: Could not connect to launcher: Connection refused'
                "</error><error>crm_mon: Connection to cluster failed: Connection refused</error></errors></status>"
            ),
            "not connected: error: Could not connect to launcher: Connection refused; crm_mon: Connection to cluster failed: ",
        ),
        (  # 2.0.5
            frame(
                status='<status code="102" message="Not connected"><errors><error>Could not connect to the CIB: Transport endpoint is not '
                "connected</error><error>crm_mon: Error: cluster is not available on this node</error></errors></status>"
            ),
            "not connected: Could not connect to the CIB: Transport endpoint is not connected; crm_mon: Error: cluster is not available",
        ),
        (frame(status='<status code="4" message="Insufficient privileges"/>'), "insufficient privileges: Insufficient privileges"),
        (frame(NODES, '<status code="124" message="Timeout occurred"/>'), "exit status 124: Timeout occurred"),
        (frame('<pacemakerd sys_from="pacemakerd" state="starting_daemons"/>'), "no data: pacemakerd state starting_daemons"),
        (frame(), "no data: an empty document, as when the cluster is not running"),
        ('<crm_mon version="2.1.5"/>', "no data: an empty document, as when the cluster is not running"),
        (
            frame('<crm-mon-disconnected description="Waiting for startup" pacemakerd-state="wait_for_ping"/>'),
            "not connected: Waiting for startup, pacemakerd state wait_for_ping",
        ),
        (frame(NODES)[:-30], "truncated: "),
        (frame(NODES)[:70], "truncated: "),
        (frame(NODES).replace("</nodes>", "</node>"), "not XML: mismatched tag"),
        ('<!DOCTYPE a [<!ENTITY b "bbbb">]>' + frame(NODES), "refused: a document type"),
        (frame("<a/>" * 2_000_001), "refused: more than 1000000 elements"),
        (frame(NODES.replace("/></nodes>", '><resource id="a"/></node></nodes>')), "grouped by node: run crm_mon without -n"),
    ],
)
def test_an_answer_without_a_state_says_why(data: bytes | str, reason: str) -> None:
    with pytest.raises(ParseError) as caught:
        parse(data)
    assert str(caught.value).startswith(reason)


def test_a_document_that_is_nested_without_end_is_read_past() -> None:
    status = parse(frame(NODES + "<a>" * 200_000 + "</a>" * 200_000))
    assert [node.name for node in status.nodes] == ["pm01"]


def test_bytes_that_are_no_characters_of_xml_do_not_blind() -> None:
    failure = '<failures><failure op_key="a_stop_0" node="pm01" exitreason="bad \\xff &#27;[1m \x01" exitcode="1"/></failures>'
    data = frame(NODES + failure).encode().replace(b"\\xff", b"\xff")
    (found,) = parse(data).failures
    assert found.reason == "bad \ufffd \ufffd[1m \ufffd"


def test_what_a_login_script_says_first_is_passed_over() -> None:
    assert parse(b"Welcome to pm01!\n" + frame(NODES).encode()).nodes[0].name == "pm01"


def test_complaints_beside_data_are_kept() -> None:
    status = parse(
        frame(NODES, '<status code="0" message="OK"><errors><error>Critical: Unable to get stonith-history</error></errors></status>')
    )
    assert status.errors == ("Critical: Unable to get stonith-history",)


@pytest.mark.parametrize(
    ("text", "zone", "expected"),
    [
        ("Sun Nov 22 10:52:24 2026", "UTC", datetime(2026, 11, 22, 10, 52, 24, tzinfo=UTC)),
        ("Sun Nov  2 10:52:24 2026", "Asia/Tokyo", datetime(2026, 11, 2, 1, 52, 24, tzinfo=UTC)),
        ("Sun Nov 22 10:52:24 2026 +09:00", "UTC", datetime(2026, 11, 22, 1, 52, 24, tzinfo=UTC)),
        ("Sun 2026-11-22 10:52:24 +09:00", "UTC", datetime(2026, 11, 22, 1, 52, 24, tzinfo=UTC)),
        ("2026-11-22 10:52:56Z", "Asia/Tokyo", datetime(2026, 11, 22, 10, 52, 56, tzinfo=UTC)),
        ("2026-11-22 10:52:56.123456Z", "Asia/Tokyo", datetime(2026, 11, 22, 10, 52, 56, 123456, tzinfo=UTC)),
        ("2026-11-22 10:52:56.5 -05:00", "UTC", datetime(2026, 11, 22, 10, 52, 56, 500000, tzinfo=timezone(-timedelta(hours=5)))),
        ("2026-02-30 10:52:56Z", "UTC", None),
        ("yesterday", "UTC", None),
    ],
)
def test_times_of_all_releases(text: str, zone: str, expected: datetime | None) -> None:
    event = f'<fence_history status="0"><fence_event action="reboot" target="pm01" status="success" completed="{text}"/></fence_history>'
    (found,) = parse(frame(NODES + event), timezone=zone).fencing
    assert (found.completed_at, found.completed_text) == (expected, text)


@pytest.mark.parametrize(
    ("key", "more", "resource", "instance", "task", "seconds"),
    [
        ("prmPg_monitor_10000", "", "prmPg", None, "monitor", 10.0),
        ("my_vip_migrate_to_0", "", "my_vip", None, "migrate_to", 0.0),
        ("uniq:1_start_0", 'task="start" interval="0"', "uniq", "1", "start", 0.0),
        ("odd_name_monitor_10_monitor_20000", 'task="monitor" interval="20000"', "odd_name_monitor_10", None, "monitor", 20.0),
        ("old", "", "old", None, "", 0.0),
    ],
)
def test_the_key_of_a_failed_action_tells_resource_operation_and_interval(
    key: str, more: str, resource: str, instance: str | None, task: str, seconds: float
) -> None:
    for attribute in ("op_key", "id"):
        (found,) = parse(frame(f'{NODES}<failures><failure {attribute}="{key}" node="pm01" {more}/></failures>')).failures
        assert (found.operation_key, found.resource, found.instance, found.task, found.interval_seconds) == (
            key,
            resource,
            instance,
            task,
            seconds,
        )


def test_digests_differ_by_the_state_alone() -> None:
    data = snapshots.answers("failover_resource")["s002.xml"]
    later = data.replace(b'last_updated="2026-11-22 10:52:23Z"', b'last_updated="2026-11-22 10:52:33Z"')
    later = later.replace(
        b'<last_update time="Sun Nov 22 10:52:23 2026"/>', b'<last_update time="Sun Nov 22 10:52:33 2026" origin="pm01"/>'
    )
    later = later.replace(b'request="crm_mon -1', b'request="/usr/sbin/crm_mon -1')
    assert later != data
    assert crm_mon.digest(later) == crm_mon.digest(data)
    for old, new in (
        (b'is_dc="false"', b'is_dc="true"'),
        (b'api-version="2.25"', b'api-version="2.26"'),
        (b'user="hacluster"', b'user="root"'),
    ):
        assert old in data
        assert crm_mon.digest(data.replace(old, new, 1)) != crm_mon.digest(data)


def test_unchanged_polls_of_a_recording_have_one_digest() -> None:
    answers = snapshots.answers("chronicle")
    parsed: dict[str, set[object]] = {}
    for data in answers.values():
        status = parse(data)
        parsed.setdefault(crm_mon.digest(data), set()).add((status.nodes, status.resources, status.history, status.failures))
    assert all(len(found) == 1 for found in parsed.values())


@given(st.binary(max_size=300))
def test_any_bytes_parse_or_are_refused(data: bytes) -> None:
    for whole in (data, frame(NODES).encode() + data, frame("@").encode().replace(b"@", data)):
        with suppress(ParseError):
            crm_mon.parse(whole, at=AT)
        assert len(crm_mon.digest(whole)) == 32


ANSWER = snapshots.answers("failover_resource")["s002.xml"]


@given(st.data())
def test_a_damaged_answer_parses_or_is_refused(data: st.DataObject) -> None:
    """Bytes that are lost, doubled or overwritten anywhere."""
    begin = data.draw(st.integers(0, len(ANSWER)))
    end = data.draw(st.integers(begin, min(len(ANSWER), begin + 400)))
    damaged = (
        ANSWER[:begin] + data.draw(st.sampled_from([b"", ANSWER[begin:end] * 2, b"\xff", b'"', b"<", b"&", b"=", b"\x00"])) + ANSWER[end:]
    )
    with suppress(ParseError):
        crm_mon.parse(damaged, at=AT)


@given(begin=st.integers(1, len(ANSWER) - 1))
def test_an_answer_that_is_cut_short_is_never_taken_for_a_state(begin: int) -> None:
    if ANSWER[:begin].strip() != ANSWER.strip():
        with pytest.raises(ParseError):
            crm_mon.parse(ANSWER[:begin], at=AT)


@pytest.mark.parametrize("value", ["", "-", "99999999999999999999999999", "0x10", "1e999", "NaN", "INFINITY", "−5", "true", "١٢"])
def test_a_lying_number_stops_nothing_else(value: str) -> None:
    text = ANSWER.decode()
    for attribute in (
        "number",
        "resources_running",
        "migration-threshold",
        "fail-count",
        "call",
        "rc",
        "exitcode",
        "weight",
        "interval",
        "exec-time",
    ):
        status = parse(re.sub(f' {attribute}="[^"]*"', f' {attribute}="{value}"', text))
        assert [node.name for node in status.nodes] == ["pm01", "pm02"]


def test_equal_parts_of_two_answers_are_one_record() -> None:
    """So that a history of polls costs what changed."""
    before, after = parse(ANSWER), parse(ANSWER.replace(b'fail-count="1"', b'fail-count="2"'))
    same = [old is new for old, new in zip(before.history, after.history, strict=True)]
    assert same.count(False) == 1
    for old, new in zip(before.resources, after.resources, strict=True):
        if isinstance(old, GroupStatus) and isinstance(new, GroupStatus):
            assert all(one is other for one, other in zip(old.members, new.members, strict=True))


def test_elements_without_attributes_are_read_past() -> None:
    status = parse(
        frame(
            f"{NODES}<resources><resource><node/></resource></resources><node_history><node><resource_history><operation_history/>"
            "</resource_history></node></node_history><failures><failure/></failures><bans><ban/></bans>"
        )
    )
    assert len(status.resources) == len(status.history) == len(status.failures) == len(status.bans) == 1
