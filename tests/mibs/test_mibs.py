"""The MIBs, read by the compilers that operators use, and used by the program that Pacemaker's agent calls."""

import json
import re
import socket
import subprocess
from pathlib import Path

import pytest

from hamon.agent.numbers import Numbers
from hamon.agent.tables import Moment, TargetRow, snapshot
from hamon.data import folder
from hamon.model.cluster import ClusterView, NodeState, NodeView, ServiceView
from hamon.snmp import DEFAULT_ROOT, mib, parse_oid
from tests.notify.stories import AT, INCIDENT
from tests.peers import need

MODULES = folder("mibs")
MOMENT = Moment(
    version="1.2",
    host="here",
    engine_id=b"12345",
    clusters=[
        ClusterView(
            name="web",
            title="title",
            nodes=(NodeView(name="node-name", state=NodeState.STANDBY, is_dc=True, since=AT),),
            services=(
                ServiceView(name="service", resources=("a", "b"), active_node="active", up=True, able_to_take_over=("x",), since=AT),
            ),
            dc="the-dc",
            has_quorum=True,
            last_event_at=AT,
        )
    ],
    incidents=[INCIDENT],
    targets=[TargetRow(name="noc", kind="snmp_trap", sent=3, failed=2, pending=1)],
    traps_received=7,
    traps_dropped=8,
)
BASE = Path(__file__).parent
OFFICIAL = {
    "pacemaker": "1.3.6.1.4.1.32723",
    "pacemakerNotification": "1.3.6.1.4.1.32723.1",
    "pacemakerNotificationNode": "1.3.6.1.4.1.32723.1.1",
    "pacemakerNotificationResource": "1.3.6.1.4.1.32723.1.2",
    "pacemakerNotificationOperation": "1.3.6.1.4.1.32723.1.3",
    "pacemakerNotificationDescription": "1.3.6.1.4.1.32723.1.4",
    "pacemakerNotificationStatus": "1.3.6.1.4.1.32723.1.5",
    "pacemakerNotificationReturnCode": "1.3.6.1.4.1.32723.1.6",
    "pacemakerNotificationTargetReturnCode": "1.3.6.1.4.1.32723.1.7",
    "pacemakerNotificationAttributeName": "1.3.6.1.4.1.32723.1.8",
    "pacemakerNotificationAttributeValue": "1.3.6.1.4.1.32723.1.9",
    "pacemakerTrap": "1.3.6.1.4.1.32723.2",
    "pacemakerNotificationTrap": "1.3.6.1.4.1.32723.2.1",
}
COROSYNC = {
    "NoticesNodeStatus": "0.1",
    "NoticesQuorumStatus": "0.2",
    "NoticesAppStatus": "0.3",
    "NoticesRRPStatus": "0.4",
    "ObjectsNodeName": "1.1",
    "ObjectsNodeID": "1.2",
    "ObjectsNodeStatus": "1.3",
    "ObjectsNodeAddress": "1.4",
    "ObjectsLocalNodeID": "1.5",
    "ObjectsRingSeq": "1.20",
    "ObjectsQuorumStatus": "1.21",
    "ObjectsAppName": "1.40",
    "ObjectsAppStatus": "1.41",
    "ObjectsIfaceNo": "1.60",
    "ObjectsRRPStatus": "1.61",
}
FORCED = {"notification-not-reversible", "group-membership"}
"""What smilint warns of because of the official numbers."""


def camel(name: str) -> str:
    return "".join(word.capitalize() for word in name.split("_"))


def lint(module: Path, tmp_path: Path, level: int) -> str:
    """What smilint says; its exit status is 0 whatever it finds."""
    config = tmp_path / "smi.conf"
    config.write_text(f"path {BASE}:{MODULES}\n")
    command = [need("smilint"), "-c", str(config), "-s", "-m", "-l", str(level), str(module)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=30)
    return done.stdout + done.stderr


def netsnmp(tmp_path: Path, *command: str) -> str:
    """Run one of net-snmp's programs with our modules only, away from the configuration of this host."""
    (tmp_path / "cert_indexes").mkdir(exist_ok=True)  # it would make this folder itself and say so
    environ = {
        "MIBDIRS": f"{BASE}:{MODULES}",
        "MIBS": "PACEMAKER-MIB:COROSYNC-MIB:HAMON-MIB",
        "SNMPCONFPATH": str(tmp_path),
        "SNMP_PERSISTENT_DIR": str(tmp_path),
    }
    done = subprocess.run([need(command[0]), *command[1:]], env=environ, capture_output=True, text=True, timeout=30, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.strip()


@pytest.mark.parametrize("module", sorted(MODULES.glob("*.txt")), ids=lambda module: module.stem)
def test_a_module_has_no_errors(module: Path, tmp_path: Path) -> None:
    assert lint(module, tmp_path, 3) == ""


@pytest.mark.parametrize("module", ["HAMON-MIB", "COROSYNC-MIB"])
def test_the_checker_has_nothing_to_say_at_all(module: str, tmp_path: Path) -> None:
    assert lint(MODULES / f"{module}.txt", tmp_path, 6) == ""


def test_the_official_numbers_alone_cause_warnings(tmp_path: Path) -> None:
    said = lint(MODULES / "PACEMAKER-MIB.txt", tmp_path, 6)
    assert set(re.findall(r"\{([a-z0-9-]+)\}", said)) == FORCED


def test_the_checker_does_see_a_mistake(tmp_path: Path) -> None:
    """So that silence means something: a module with one wrong reference is complained of."""
    text = (MODULES / "PACEMAKER-MIB.txt").read_text()
    wrong = tmp_path / "PACEMAKER-MIB.txt"
    wrong.write_text(text.replace("::= { pacemakerTrap 1 }", "::= { pacemakerTrip 1 }"))
    assert "pacemakerTrip" in lint(wrong, tmp_path, 3)


def test_every_name_of_corosync_has_its_official_number(tmp_path: Path) -> None:
    numbers = netsnmp(tmp_path, "snmptranslate", "-On", *(f"COROSYNC-MIB::corosync{name}" for name in COROSYNC))
    assert numbers.split() == [f".1.3.6.1.4.1.35488.{number}" for number in COROSYNC.values()]


def test_a_link_is_told_in_the_order_and_the_types_of_corosync_3(tmp_path: Path) -> None:
    """As notifyd.c of Corosync 3.1 builds the trap; a receiver that knows the module finds nothing to complain of."""
    names = ("NodeName", "LocalNodeID", "NodeID", "IfaceNo", "RRPStatus")
    text = netsnmp(tmp_path, "snmptranslate", "-Td", "COROSYNC-MIB::corosyncNoticesRRPStatus")
    assert re.findall(r"corosyncObjects(\w+)", text) == list(names)
    for name in ("LocalNodeID", "NodeID"):
        assert "Unsigned32" in netsnmp(tmp_path, "snmptranslate", "-Td", f"COROSYNC-MIB::corosyncObjects{name}")


def test_every_number_in_the_program_is_that_of_the_mib(tmp_path: Path) -> None:
    """Notifications, what they carry and in which order, and the columns of tables."""
    root = DEFAULT_ROOT
    named = {f"hamonNotify{camel(var.name)}": (*mib.VARS, var.value) for var in mib.Var}
    named |= {f"hamon{camel(note.name)}": (*mib.NOTIFICATIONS, note.value) for note in mib.Note}
    for kind, number in mib.RAISES.items():
        name = "hamonOtherAlarm" if number == mib.OTHER_ALARM else f"hamon{camel(kind.name)}"
        named |= {name: (*mib.NOTIFICATIONS, number), f"{name}Cleared": (*mib.NOTIFICATIONS, number + 1)}
    found = netsnmp(tmp_path, "snmptranslate", "-On", *(f"HAMON-MIB::{name}" for name in named))
    assert found.split() == [f".{root}.{'.'.join(map(str, number))}" for number in named.values()]
    tree = netsnmp(tmp_path, "snmptranslate", "-Tp", "HAMON-MIB::hamonNotifications")
    assert set(re.findall(r"\+--(\w+)\(\d+\)", tree)) - {"hamonNotifications"} == {
        name for name in named if not name.startswith("hamonNotify")
    }
    objects = netsnmp(tmp_path, "snmptranslate", "-Tp", "HAMON-MIB::hamonNotifyVars")
    assert set(re.findall(r"(hamonNotify(?!Vars)\w+)\(\d+\)", objects)) == {name for name in named if name.startswith("hamonNotify")}


def test_every_notification_carries_what_the_program_sends_in_that_order(tmp_path: Path) -> None:
    text = (MODULES / "HAMON-MIB.txt").read_text()
    listed = {
        int(number): re.findall(r"hamonNotify(\w+)", objects)
        for objects, number in re.findall(r"NOTIFICATION-TYPE\s+OBJECTS \{(.*?)\}.*?::= \{ hamonNotifications (\d+) \}", text, re.DOTALL)
    }
    first = [camel(var.name) for var in mib.COMMON]
    of_incidents = first + [camel(var.name) for var in mib.OF_INCIDENTS]
    expected = {
        note.value: first + [camel(var.name) for var in mib.NOTE_EXTRAS[note]] for note in mib.Note if note is not mib.Note.SWITCHOVER
    }
    expected[mib.Note.SWITCHOVER] = of_incidents
    for number, extras in mib.EXTRAS.items():
        expected[number] = expected[number + 1] = of_incidents + [camel(var.name) for var in extras]
    assert listed == expected
    assert all(len(objects) + 2 <= 28 for objects in listed.values())


@pytest.mark.parametrize("root", [DEFAULT_ROOT, "1.3.6.1.4.1.99999", "1.3.6.1.4.1.99999.7", "1.3.6.1.4.1.1.2.3.4.5.6"])
def test_the_module_can_be_moved_to_another_root(root: str, tmp_path: Path) -> None:
    text = (MODULES / "HAMON-MIB.txt").read_text()
    moved = mib.with_root(text, parse_oid(root))
    assert (moved == text) is (root == DEFAULT_ROOT)
    (tmp_path / "HAMON-MIB.txt").write_text(moved)
    assert lint(tmp_path / "HAMON-MIB.txt", tmp_path, 6) == ""
    name = ["snmptranslate", "-M", f"{tmp_path}:{BASE}", "-m", "HAMON-MIB", "-On", "HAMON-MIB::hamonFailover"]
    assert netsnmp(tmp_path, *name) == f".{root}.0.101"


def test_pysmi_compiles_the_module(tmp_path: Path) -> None:
    (tmp_path / "borrow").mkdir()
    command = [need("mibdump"), "--no-dependencies", f"--mib-source=file://{BASE}", f"--mib-source=file://{MODULES}"]
    command += [
        f"--mib-borrower=file://{tmp_path / 'borrow'}",
        "--destination-format=json",
        f"--destination-directory={tmp_path}",
        "HAMON-MIB",
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert "Created/updated MIBs: HAMON-MIB" in done.stdout + done.stderr
    compiled = json.loads((tmp_path / "HAMON-MIB.json").read_text())
    assert compiled["hamonFailover"]["oid"] == f"{DEFAULT_ROOT}.0.101"


def test_the_module_is_ascii_and_its_descriptions_are_short() -> None:
    """HPE NNMi refuses a whole module with a description of more than 4,000 characters, or a name of more than 80."""
    text = (MODULES / "HAMON-MIB.txt").read_bytes().decode("ascii")
    assert max(len(found) for found in re.findall(r'"([^"]*)"', text)) < 4000
    assert max(len(name) for name in re.findall(r"\bhamon\w+", text)) <= 32


def test_every_name_has_its_official_number_and_there_are_no_others(tmp_path: Path) -> None:
    numbers = netsnmp(tmp_path, "snmptranslate", "-On", *(f"PACEMAKER-MIB::{name}" for name in OFFICIAL))
    assert numbers.split() == [f".{number}" for number in OFFICIAL.values()]
    tree = netsnmp(tmp_path, "snmptranslate", "-Tp", "PACEMAKER-MIB::pacemaker")
    assert set(re.findall(r"(pacemaker\w*)\(\d+\)", tree)) == set(OFFICIAL)


def test_snmptrap_sends_an_alert_by_these_names(tmp_path: Path) -> None:
    """As Pacemaker's agent calls it; the object identifiers in the datagram are BER (X.690), 32723 being 81 ff 53 there."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver:
        receiver.bind(("127.0.0.1", 0))
        receiver.settimeout(10)
        prefix = "PACEMAKER-MIB::pacemakerNotification"
        values = ("Node", "s", "pm01"), ("Resource", "s", "prmPg"), ("Operation", "s", "monitor"), ("Description", "s", "not running")
        numbers = ("Status", "i", "0"), ("ReturnCode", "i", "7"), ("TargetReturnCode", "i", "0")
        given = [part for name, kind, value in (*values, *numbers) for part in (prefix + name, kind, value)]
        address = f"127.0.0.1:{receiver.getsockname()[1]}"
        netsnmp(tmp_path, "snmptrap", "-v", "2c", "-c", "test", address, "1", f"{prefix}Trap", *given)
        datagram = receiver.recv(65535)
    enterprise = bytes.fromhex("2b0601040181ff53")
    assert enterprise + b"\x02\x01" in datagram
    assert all(enterprise + bytes([1, column]) in datagram for column in range(1, 8))
    assert b"prmPg" in datagram


def test_the_readme_lists_every_notification_with_its_number_and_objects() -> None:
    """What operators type into their systems."""
    readme = (MODULES / "README.md").read_text()
    rows = re.findall(r"(?m)^\| (\d+) \| (\w+) \| `(\w+)`[^|]*\|([^|]*)\|$", readme)
    listed = {int(number): (name, kind, tuple(re.findall(r"\w+", extras))) for number, name, kind, extras in rows if int(number) > 100}
    expected = {}
    for kind, number in mib.RAISES.items():
        name = "OtherAlarm" if number == mib.OTHER_ALARM else camel(kind.name)
        expected[number] = (name, kind.value, tuple(camel(var.name) for var in mib.EXTRAS[number]))
    assert listed == expected
    places = {
        int(place): name
        for place, name in re.findall(r"\| (\d+) \| (\w+)[^|]*(?=\|)", readme.split("each as instance 0")[1].split("17 to 22 only")[0])
    }
    assert places == {var.value: camel(var.name) for var in (*mib.COMMON, *mib.OF_INCIDENTS)}


def test_every_column_that_the_agent_shows_is_that_of_the_mib(tmp_path: Path) -> None:
    """Filled tables, read back by name: what the program puts into a column is what the module calls it."""
    root = parse_oid(DEFAULT_ROOT)
    shown = snapshot(root, MOMENT, Numbers(tmp_path), lambda: 0)
    ours = [(oid, value) for oid, value in zip(shown.oids, shown.values, strict=True) if oid[: len(root)] == root]
    names = netsnmp(tmp_path, "snmptranslate", "-OS", *(".".join(map(str, oid)) for oid, _ in ours)).split()
    found = {name.removeprefix("HAMON-MIB::"): value[1] for name, (_, value) in zip(names, ours, strict=True)}
    expected = {
        "hamonVersion.0": b"1.2",
        "hamonEngineId.0": b"12345",
        "hamonGatewayTraps.0": 7,
        "hamonGatewayTrapDrops.0": 8,
        "hamonDeliveriesPending.0": 1,
        "hamonClusterTitle.1": b"title",
        "hamonClusterDc.1": b"the-dc",
        "hamonClusterQuorum.1": 1,
        "hamonClusterState.1": 3,
        "hamonClusterMaintenance.1": 2,
        "hamonClusterNodesTotal.1": 1,
        "hamonClusterWorstSeverity.1": 4,
        "hamonNodeStatus.1.1": 3,
        "hamonNodeIsDc.1.1": 1,
        "hamonServiceNode.1.1": b"active",
        "hamonServiceTakeOver.1.1": 1,
        "hamonServiceResources.1.1": b"a,b",
        "hamonOpenMajor.0": 1,
        "hamonIncidentKey.1": b"failover/grpPg",
        "hamonIncidentType.1": f"{DEFAULT_ROOT}.0.101",
        "hamonIncidentFromNode.1": b"node1",
        "hamonIncidentToNode.1": b"node2",
        "hamonIncidentPlanned.1": 2,
        "hamonTargetName.1": b"noc",
        "hamonTargetSent.1": 3,
        "hamonTargetFailed.1": 2,
        "hamonTargetPending.1": 1,
    }
    assert found.items() >= expected.items()
    text = (MODULES / "HAMON-MIB.txt").read_text()
    readable = re.findall(r"(?m)^(hamon\w+) OBJECT-TYPE\n(?:    .*\n)*?    MAX-ACCESS  read-only", text)
    assert {name.split(".")[0] for name in found} == set(readable)
