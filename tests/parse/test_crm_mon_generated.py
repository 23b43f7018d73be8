"""`crm_mon` over many kinds of clusters: what Debian's own prints from a CIB, as XML in both forms and as text, says the same.

The answers of 2.1.5 stand in `tests/corpus/crm_mon`; where `crm_mon` is installed it is also run now.
"""

import os
import subprocess
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

import pytest

from hamon.expose.cluster import instances
from hamon.model.cluster import (
    BundleStatus,
    CloneStatus,
    ClusterStatus,
    InstanceStatus,
    NodeStatus,
    NodeType,
    Role,
)
from hamon.parse import crm_mon
from tests import crm_mon_forms, crm_mon_text, snapshots
from tests.cib import SCENARIOS
from tests.peers import need

AT = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
KEPT = Path(__file__).parents[1] / "corpus" / "crm_mon" / "pacemaker-2.1.5"
NAMES = tuple(sorted(path.stem for path in KEPT.glob("*.xml")))

NEW = ("-1", "--output-as=xml", "-r", "-m3")
OLD = ("--as-xml", "-A", "-f", "-r", "-o", "-L", "-m")


def parse(data: bytes) -> ClusterStatus:
    return crm_mon.parse(data, at=AT)


def run(cib: Path, *options: str) -> bytes:
    environment = {**os.environ, "CIB_file": str(cib), "LC_ALL": "C.UTF-8", "TZ": "UTC"}
    return subprocess.run([need("crm_mon"), *options], env=environment, capture_output=True, check=True, timeout=60).stdout


def node_words(node: NodeStatus) -> str:
    """A node in the words of the text."""
    if node.unclean:
        word = f"UNCLEAN ({'online' if node.online else 'offline'})"
    elif node.pending:
        word = "pending"
    elif node.standby_on_fail or node.standby:
        word = "standby" if node.online else "OFFLINE (standby)"
    elif node.maintenance:
        word = "maintenance" if node.online else "OFFLINE (maintenance)"
    else:
        word = "online" if node.online else "OFFLINE"
    return f"{word} (health is {node.health.upper()})" if node.health in ("red", "yellow") else word


def compare(status: ClusterStatus, text: str) -> None:
    told = crm_mon_text.read(text)
    assert (status.dc, status.has_quorum) == (told.dc, told.quorum)
    assert (status.nodes_configured, status.resources_configured) == told.configured
    assert {node.name: node_words(node) for node in status.nodes} == told.nodes
    shown: Counter[tuple[str, str, str, str | None]] = Counter()
    flags = set()
    for item in instances(status):
        id = item.id if item.instance is None else f"{item.id}:{item.instance}"
        role = item.role.value
        if item.failed and not item.failure_ignored:
            role = "FAILED Promoted" if role == "Promoted" else "FAILED"
        places: list[str | None] = [place.node for place in item.nodes]
        for place in places or [None]:
            shown[id, item.agent, role, place] += 1
        flags |= {(id, flag) for flag, fact in flags_of(item).items() if fact}
    assert shown == told.instances
    assert flags == {(id, flag) for id, flag in told.flags if flag not in ("UNCLEAN", "disabled") and "target-role" not in flag}
    wished = {item.id for item in instances(status) if item.target_role in (Role.STOPPED, Role.UNPROMOTED)}
    assert wished == {id for id, flag in told.flags if flag == "disabled" or "target-role" in flag}
    assert {
        (failure.operation_key, failure.node, failure.rc, failure.status, failure.reason) for failure in status.failures
    } == told.failures
    counted = {
        (item.node, item.resource if item.instance is None else f"{item.resource}:{item.instance}"): (
            item.migration_threshold,
            item.fail_count,
        )
        for item in status.history
        if item.fail_count
    }
    assert counted == told.counts
    assert {(item.node, item.name): item.value for item in status.attributes} == told.attributes
    assert {(ban.id, ban.resource, ban.node, ban.promoted_only) for ban in status.bans} == told.bans
    assert {item.id: (item.granted, item.standby) for item in status.tickets} == told.tickets


def flags_of(item: InstanceStatus) -> dict[str, bool]:
    return {
        "blocked": item.blocked,
        "unmanaged": not (item.managed or item.maintenance or item.blocked),
        "maintenance": item.maintenance,
        "failure ignored": item.failure_ignored,
        "ORPHANED": item.orphaned,
    }


@pytest.mark.parametrize("name", NAMES)
def test_the_xml_says_what_the_text_says(name: str) -> None:
    compare(parse((KEPT / f"{name}.xml").read_bytes()), (KEPT / f"{name}.txt").read_text())


@cache
def cib_file(folder: Path, name: str) -> Path:
    path = folder / f"{name}.cib"
    path.write_text(str(SCENARIOS[name]()))
    return path


@pytest.mark.parametrize("name", SCENARIOS)
def test_what_the_installed_crm_mon_prints_says_the_same_in_all_its_forms(name: str, tmp_path: Path) -> None:
    cib = cib_file(tmp_path, name)
    status = parse(run(cib, *NEW))
    compare(status, run(cib, *crm_mon_text.OPTIONS).decode())
    old = parse(run(cib, *OLD))
    assert replace(old, last_update_at=None, fencing_code=None) == replace(status, last_update_at=None, fencing_code=None)


@pytest.mark.parametrize("name", ["ok", "crash3", "noquorum"])
def test_both_forms_of_a_living_cluster_say_the_same(name: str) -> None:
    """With its fencing history, which no CIB holds. 2.1.5, asked one after the other."""
    live = KEPT.parent / "live-2.1.5"
    new, old = (parse((live / f"{name}.{form}").read_bytes()) for form in ("xml", "as-xml"))
    assert replace(old, last_update_at=None) == replace(new, last_update_at=None)
    assert (new.pacemakerd_state, new.fencing_code) == ("running", None)
    assert [(item.target, item.action, item.status, item.delegate) for item in new.fencing] == (
        [] if name == "ok" else [("n3", "reboot", "success", "n2")]
    )


@pytest.mark.parametrize("name", NAMES)
def test_the_forms_of_3_0_say_the_same(name: str) -> None:
    """Times with their zone, `removed`, the new names of options."""
    data = (KEPT / f"{name}.xml").read_bytes()

    def texts_left_out(status: ClusterStatus) -> ClusterStatus:
        change = status.last_change
        return replace(
            status,
            reporter=None,
            pacemakerd_state=None,
            last_change=change and replace(change, at_text=""),
            history=tuple(
                replace(
                    item,
                    last_failure_text="",
                    operations=tuple(replace(operation, rc_text="", last_change_text="") for operation in item.operations),
                )
                for item in status.history
            ),
            tickets=tuple(replace(item, last_granted_text="") for item in status.tickets),
        )

    newer = parse(crm_mon_forms.as_3_0(data))
    assert texts_left_out(newer) == texts_left_out(parse(data))
    assert (newer.reporter, newer.pacemakerd_state) == ("n1", "running")


@pytest.mark.parametrize("form", [crm_mon_forms.as_1_1, crm_mon_forms.as_2_0_3])
@pytest.mark.parametrize("name", NAMES)
def test_the_forms_of_1_1_and_2_0_say_the_same(name: str, form: object) -> None:
    """But for what those releases do not tell."""
    assert callable(form)
    data = (KEPT / f"{name}.xml").read_bytes()
    status, older = parse(data), parse(form(data))
    assert older.dc == status.dc
    assert older.nodes == tuple(replace(node, health=None, feature_set=None) for node in status.nodes)
    assert [(item.id, item.instance, item.role, item.nodes, item.failed) for item in instances(older)] == [
        (item.id, item.instance, item.role, item.nodes, item.failed) for item in instances(status)
    ]
    assert [type(item) for item in older.resources] == [type(item) for item in status.resources]
    assert (older.history, older.bans, older.attributes, older.tickets) == (status.history, status.bans, status.attributes, status.tickets)
    assert [replace(item, last_change_text="") for item in older.failures] == [
        replace(item, last_change_text="") for item in status.failures
    ]


def essence(status: ClusterStatus) -> dict[str, object]:
    """What every release tells of a cluster, whatever its words."""
    return {
        "dc": (status.dc, status.has_quorum, status.nodes_configured, status.resources_configured, status.resources_blocked),
        "nodes": [replace(node, health=None, feature_set=None) for node in status.nodes],
        "resources": [(type(item), item.id) for item in status.resources],
        "instances": [replace(item, maintenance=False) for item in instances(status)],
        "history": [
            replace(item, operations=tuple(replace(operation, rc_text="", last_run_text="") for operation in item.operations))
            for item in status.history
        ],
        "failures": {replace(item, rc_text="", status="") for item in status.failures},
        "bans": set(status.bans),
        "attributes": set(status.attributes),
        "tickets": set(status.tickets),
    }


def printed_by(release: str) -> Mapping[str, bytes]:
    return snapshots.members(KEPT.parent / f"pacemaker-{release}.tar.xz")


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("release", ["2.0.5", "3.0.0"])
@pytest.mark.parametrize("form", ["xml", "as-xml"])
def test_what_other_releases_print_says_the_same(release: str, form: str, name: str) -> None:
    """The same CIBs, printed by Debian's crm_mon of other releases: 2.0.5 in old words, 3.0.0 in new ones."""
    assert essence(parse(printed_by(release)[f"{name}.{form}"])) == essence(parse((KEPT / f"{name}.xml").read_bytes()))


@pytest.mark.parametrize("name", NAMES)
def test_the_xml_of_3_0_0_says_what_its_text_says(name: str) -> None:
    compare(parse(printed_by("3.0.0")[f"{name}.xml"]), printed_by("3.0.0")[f"{name}.txt"].decode())


def test_what_the_scenarios_are_made_for_is_in_them() -> None:
    """That none of them came out as something else without anybody's notice."""
    found = {name: parse((KEPT / f"{name}.xml").read_bytes()) for name in NAMES}
    kinds = {name: {type(item) for item in status.resources} for name, status in found.items()}
    assert kinds["bundles"] == kinds["promotable_bundle"] == {BundleStatus}
    assert any(item.groups for item in found["cloned_group"].resources if isinstance(item, CloneStatus))
    assert {(node.name, node.hosted_by) for node in found["guest_node"].nodes if node.type is NodeType.REMOTE} == {("guest", "vm")}
    assert {(node.name, node.online) for node in found["remote_nodes"].nodes if node.type is NodeType.REMOTE} == {
        ("r1", True),
        ("r2", False),
    }
    assert [item.instance for item in instances(found["unique_clone"])] == ["0", "1", "2"]
    assert found["no_quorum"].has_quorum is False
    assert found["no_dc"].dc is None
    assert any(node.unclean for node in found["unclean_node"].nodes)
    assert any(node.shutdown for node in found["stopping_node"].nodes)
    assert [item.blocked for item in instances(found["failed_stop"]) if item.id == "db"] == [True]
    assert [len(item.nodes) for item in instances(found["multiple_active"])] == [2]
    assert {item.fail_count for item in found["failed_start"].history if item.fail_count} == {1_000_000}
    assert next(node for node in found["red_node"].nodes if node.name == "n2").health == "red"
    assert found["japanese"].failures[0].reason == "設定ファイルがありません"


def test_every_recording_still_reads_in_the_forms_of_other_releases() -> None:
    for recording in ("chronicle", "fencing_failure", "switchover_standby_db"):
        for data in snapshots.answers(recording).values():
            status = parse(data)
            for form in (crm_mon_forms.as_1_1, crm_mon_forms.as_2_0_3, crm_mon_forms.as_3_0):
                other = parse(form(data))
                assert [item.status for item in other.fencing] == [item.status for item in status.fencing]
                assert [item.completed_at for item in other.fencing] == [item.completed_at for item in status.fencing]
                assert [item.role for item in instances(other)] == [item.role for item in instances(status)]
