"""The MIBs, read by the compilers that operators use, and used by the program that Pacemaker's agent calls."""

import re
import socket
import subprocess
from pathlib import Path

import pytest

from hamon.data import folder
from tests.peers import need

MODULES = folder("mibs")
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
FORCED = {"notification-not-reversible", "group-membership"}
"""What smilint warns of because of the official numbers."""


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
        "MIBS": "PACEMAKER-MIB",
        "SNMPCONFPATH": str(tmp_path),
        "SNMP_PERSISTENT_DIR": str(tmp_path),
    }
    done = subprocess.run([need(command[0]), *command[1:]], env=environ, capture_output=True, text=True, timeout=30, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.strip()


@pytest.mark.parametrize("module", sorted(MODULES.glob("*.txt")), ids=lambda module: module.stem)
def test_a_module_has_no_errors(module: Path, tmp_path: Path) -> None:
    assert lint(module, tmp_path, 3) == ""


def test_the_official_numbers_alone_cause_warnings(tmp_path: Path) -> None:
    said = lint(MODULES / "PACEMAKER-MIB.txt", tmp_path, 6)
    assert set(re.findall(r"\{([a-z0-9-]+)\}", said)) == FORCED


def test_the_checker_does_see_a_mistake(tmp_path: Path) -> None:
    """So that silence means something: a module with one wrong reference is complained of."""
    text = (MODULES / "PACEMAKER-MIB.txt").read_text()
    wrong = tmp_path / "PACEMAKER-MIB.txt"
    wrong.write_text(text.replace("::= { pacemakerTrap 1 }", "::= { pacemakerTrip 1 }"))
    assert "pacemakerTrip" in lint(wrong, tmp_path, 3)


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
