"""What the programs really write that operators collect with: `crm_report` (Pacemaker 2.1) and `crm report` (crmsh 4.4).

Each runs in a mount namespace of its own, in which the logs of the recording are those of the machine.
"""

import json
import os
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from hamon import analyze
from tests.cases import rules
from tests.peers import missing, need
from tests.recordings import RECORDINGS, evidence
from tests.test_analyze import plain

NODE = "pm02"
COROSYNC_CONF = """\
totem {
    version: 2
    cluster_name: demo
}
logging {
    to_logfile: yes
    logfile: /var/log/cluster/corosync.log
}
"""
SCRIPT = """\
set -e
hostname "$1"
mount --bind "$2/log" /var/log
mount --bind "$2/corosync" /etc/corosync
cd "$2"
shift 2
exec timeout -k 1 100 "$@" </dev/null
"""
SPAN = ("-f", "2026-11-22 10:00:00", "-t", "2026-11-22 12:00:00")


def collected(folder: Path, *command: str) -> Path:
    """The archive that a collector makes of the recorded node."""
    if os.geteuid() != 0:
        missing("only root can give a collector the logs of another node")
    name = "kill_corosync_active"
    logs: Mapping[str, str] = {"ha-log": "ha-log", "pacemaker/pacemaker.log": "pacemaker.log", "cluster/corosync.log": "corosync.log"}
    for place, source in logs.items():
        path = folder / "log" / place
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(plain(evidence(name, f"{NODE}/{source}.gz")[0]))
    (folder / "log" / "crmsh").mkdir()
    (folder / "corosync").mkdir()
    (folder / "corosync" / "corosync.conf").write_text(COROSYNC_CONF, encoding="utf-8")
    private = (need("unshare"), "--mount", "--uts", "--propagation", "private", "sh", "-c", SCRIPT, "sh", NODE, str(folder))
    done = subprocess.run([*private, *command], capture_output=True, text=True, timeout=120, env=os.environ | {"TZ": "UTC"})
    archives = [*folder.glob("report.tar.*")]
    assert archives, done.stdout + done.stderr
    return archives[0]


def answer(path: Path) -> dict[str, Any]:
    found = analyze.analyze([path], rules(), analyze.Options(cluster="demo"))
    told: dict[str, Any] = json.loads(json.dumps(analyze.to_json(found, "en")))
    return told


def told(of: dict[str, Any]) -> list[tuple[object, ...]]:
    """What happened, without the keys."""
    parts = [(item["kind"], item["from_node"], item["to_node"], item["planned"], tuple(item["fenced"])) for item in of["incidents"]]
    return sorted(parts, key=str)


@pytest.fixture(scope="module")
def expected() -> list[tuple[object, ...]]:
    """What the logs say that both collectors take: syslog and Pacemaker's own; Corosync's own stays behind."""
    folder = RECORDINGS / "kill_corosync_active" / NODE
    found = analyze.analyze([folder / "ha-log.gz", folder / "pacemaker.log.gz"], rules(), analyze.Options(cluster="demo"))
    return told(json.loads(json.dumps(analyze.to_json(found, "en"))))


def check(archive: Path, expected: list[tuple[object, ...]]) -> None:
    found = answer(archive)
    assert told(found) == expected
    assert ("failover", "pm01", "pm02", False, ("pm01",)) in expected
    assert {item["node"] for item in found["inputs"] if item["records"] > 100} == {NODE}
    assert [item["path"] for item in found["inputs"] if item["path"].endswith(("analysis.txt", "events.txt"))] == []
    # What the collector says of itself, of packages and of files is no evidence, and is not listed.
    assert [item["path"] for item in found["inputs"] if not item["records"] or item["errors"]] == []


def test_an_archive_of_crmsh_says_what_its_logs_say(tmp_path: Path, expected: list[tuple[object, ...]]) -> None:
    program = need("crm")
    check(collected(tmp_path, program, "report", "-S", *SPAN, "-E", "/var/log/ha-log", "-n", NODE, str(tmp_path / "report")), expected)


@pytest.mark.full
def test_an_archive_of_crm_report_says_what_its_logs_say(tmp_path: Path, expected: list[tuple[object, ...]]) -> None:
    """It looks through the whole machine for the folders of Pacemaker, which takes its time."""
    program = need("crm_report")
    logfile = ("-l", "/var/log/ha-log")
    check(collected(tmp_path, program, "-S", "-C", *SPAN, *logfile, "-n", NODE, "--dest", str(tmp_path / "report")), expected)
