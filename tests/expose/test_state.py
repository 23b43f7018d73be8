"""The state of a cluster in words: nothing is left out, and what is not known is not shown as health."""

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from hamon.expose.state import MOST_ROWS, Row, Section, State, as_text, state
from hamon.model.cluster import AttributeStatus, ClusterStatus, InstanceStatus, NodeStatus, Placement, Role
from hamon.model.observation import Polled, Snapshot
from tests.snapshots import NAMES, snapshots
from tests.store.samples import at

TOKYO = ZoneInfo("Asia/Tokyo")


def polled(snapshot: Snapshot) -> Polled:
    return Polled(cluster="pg", snapshot=snapshot, since=snapshot.received_at)


def of(status: ClusterStatus) -> Polled:
    return polled(Snapshot(cluster="pg", collector="polls", status=status, digest="", received_at=status.at, path="n1"))


def told(known: Polled | None, now: datetime, language: str = "en") -> State:
    return state(known, "pg", now, language=language, zone=TOKYO)


def section(shown: State, key: str) -> dict[str, Row]:
    return {row.name: row for found in shown.sections if found.key == key for row in found.rows}


@pytest.mark.parametrize("language", ["en", "ja"])
@pytest.mark.parametrize("name", NAMES)
def test_every_answer_of_every_recording_has_words_for_all_that_it_shows(name: str, language: str) -> None:
    for snapshot in snapshots(name):
        text = as_text(told(polled(snapshot), snapshot.received_at, language))
        assert all(line.isprintable() for line in text.splitlines())
        assert "{" not in text
        status = snapshot.status
        for item in (*(node.name for node in status.nodes), *(entry.target for entry in status.fencing), *(ban.id for ban in status.bans)):
            assert item in text
        for attribute in status.attributes:
            assert f"{attribute.node} {attribute.name}" in text
        for failure in status.failures:
            assert failure.resource in text


def test_a_failed_resource_is_seen_at_once() -> None:
    snapshot = next(item for item in snapshots("failover_resource") if item.status.failures)
    shown = told(polled(snapshot), snapshot.received_at)
    failed = [row for row in section(shown, "resources").values() if row.tone == "critical"]
    assert [row.name for row in failed] == ["grpPg / prmPg"]
    assert "fail count 1 of 1 on pm01" in [row.text for found in shown.sections if found.key == "failures" for row in found.rows]


def test_times_are_those_of_the_zone() -> None:
    (snapshot, *_) = snapshots("failover_resource")
    assert snapshot.received_at.astimezone(TOKYO).strftime("%Y-%m-%d %H:%M:%S") in told(polled(snapshot), snapshot.received_at).headline


@pytest.mark.parametrize("language", ["en", "ja"])
def test_a_cluster_that_cannot_be_asked_shows_no_health(language: str) -> None:
    (snapshot, *_) = snapshots("quiet")
    since = snapshot.received_at + timedelta(seconds=60)
    known = Polled(cluster="pg", snapshot=snapshot, since=snapshot.received_at, unknown_since=since, reason="pm01: timeout: no answer")
    shown = told(known, since + timedelta(minutes=5), language)
    assert shown.tone == "unknown"
    assert "pm01: timeout: no answer" in shown.headline
    assert {row.tone for row in shown.facts} | {row.tone for found in shown.sections for row in found.rows} == {"unknown"}


@pytest.mark.parametrize("known", [None, Polled(cluster="pg", unknown_since=at(0), reason="not found: crm_mon")])
def test_a_cluster_that_never_answered_shows_nothing_but_that(known: Polled | None) -> None:
    shown = told(known, at(60))
    assert (shown.tone, shown.facts, shown.sections) == ("unknown", (), ())
    assert shown.headline.startswith("Not known")


def test_an_old_answer_is_told_with_its_age() -> None:
    (snapshot, *_) = snapshots("quiet")
    shown = told(polled(snapshot), snapshot.received_at + timedelta(minutes=10))
    assert (shown.tone, "10 min" in shown.headline) == ("warning", True)


NODES = {
    "online": (NodeStatus(name="n", id="1", online=True, expected_up=True), "online", "ok"),
    "standby": (NodeStatus(name="n", id="1", online=True, standby=True, expected_up=True), "standby", "info"),
    "joining": (NodeStatus(name="n", id="1", online=True, standby=True, pending=True), "joining", "info"),
    "stopped": (NodeStatus(name="n", id="1"), "offline", "unknown"),
    "lost": (NodeStatus(name="n", id="1", expected_up=True), "LOST", "critical"),
    "unclean": (NodeStatus(name="n", id="1", unclean=True, expected_up=True), "UNCLEAN: lost, and not fenced yet", "critical"),
    "maintenance": (NodeStatus(name="n", id="1", online=True, maintenance=True), "in maintenance", "info"),
    "ill": (NodeStatus(name="n", id="1", online=True, health="red"), "online", "warning"),
}


@pytest.mark.parametrize("kind", NODES)
def test_a_node_is_told_as_it_is(kind: str) -> None:
    node, text, tone = NODES[kind]
    row = section(told(of(ClusterStatus(at=at(0), dc="n", nodes=(node,))), at(0)), "nodes")["n"]
    assert (row.text, row.tone) == (text, tone)


def test_a_primitive_on_two_nodes_is_critical() -> None:
    places = (Placement(node="n1"), Placement(node="n2"))
    item = InstanceStatus(id="prmIp", agent="ocf:heartbeat:IPaddr2", role=Role.STARTED, active=True, nodes=places)
    nodes = tuple(NodeStatus(name=name, id=name, online=True) for name in ("n1", "n2"))
    shown = told(of(ClusterStatus(at=at(0), dc="n1", nodes=nodes, resources=(item,))), at(0))
    assert section(shown, "resources")["prmIp"].tone == "critical"
    assert section(shown, "services")["prmIp"].text == "ACTIVE TWICE: n1, n2"


def test_no_dc_is_no_good_state() -> None:
    shown = told(of(ClusterStatus(at=at(0))), at(0))
    assert [(row.name, row.tone) for row in shown.facts] == [("DC", "major")]


def test_a_long_section_is_cut_and_what_is_left_out_is_counted() -> None:
    many = tuple(AttributeStatus(node="n1", name=f"a{number}", value="1") for number in range(MOST_ROWS + 5))
    shown = told(of(ClusterStatus(at=at(0), dc="n1", attributes=many)), at(0))
    (found,) = [item for item in shown.sections if item.key == "attributes"]
    assert (len(found.rows), found.left_out) == (MOST_ROWS, 5)


def test_columns_are_aligned_also_in_japanese() -> None:
    rows = (Row(name="日本", text="a"), Row(name="abcdef", text="b", tone="critical", note="c"))
    shown = State(cluster="pg", tone="ok", headline="h", sections=(Section(key="nodes", title="t", rows=rows),))
    assert as_text(shown).splitlines()[-2:] == ["      日本    a", "    X abcdef  b  (c)"]


@pytest.mark.parametrize(
    ("value", "expected", "note"),
    [("100", "300", "< 300"), ("0", "100", "< 100"), ("100", "100", ""), ("100", "0", ""), ("lost", "100", "< 100"), ("7", None, "")],
)
def test_an_attribute_is_marked_where_it_is_below_what_is_expected(value: str, expected: str | None, note: str) -> None:
    attribute = AttributeStatus(node="n1", name="pingd", value=value, expected=expected)
    shown = told(of(ClusterStatus(at=at(0), dc="n1", attributes=(attribute,))), at(0))
    (found,) = [item for item in shown.sections if item.key == "attributes"]
    assert [(row.note, row.tone) for row in found.rows] == [(note, "warning" if note else "info")]


def test_hostile_text_stays_on_its_line() -> None:
    attribute = AttributeStatus(node="n1", name="a", value="x\ny\x1b[31m")
    text = as_text(told(of(ClusterStatus(at=at(0), dc="n1", attributes=(attribute,))), at(0)))
    assert all(line.isprintable() for line in text.splitlines())
