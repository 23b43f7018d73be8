"""What happened to a cluster is told the same whatever release of Pacemaker wrote the logs."""

import gzip
import re
from pathlib import Path

import pytest

from tests.other_releases import RELEASES, reworded
from tests.recordings import NAMES, Answer, answer_to, evidence, truth_of
from tests.truth import faults, misdated

QUICK = (
    "active_stop_start",
    "fencing_failure",
    "failover_resource",
    "kill_attrd_active",
    "kill_corosync_active",
    "local_recovery",
    "monitor_timeout",
    "ping_lost_active",
    "quiet",
    "standby_crash",
    "standby_promotable_failure",
    "switchover_standby",
)
"""One of each kind; the others belong to the long tests."""


def read_in(name: str, release: str, folder: Path) -> Answer:
    """The answer to the ha-logs of a recording in the words of a release."""
    for path in evidence(name, "*/ha-log.gz"):
        lines = reworded(gzip.decompress(path.read_bytes()).decode(), release)
        (folder / path.parent.name).write_text("\n".join(lines) + "\n", encoding="utf-8")
    return answer_to(name, sorted(folder.iterdir()))


def excused(name: str, fault: str) -> bool:
    """1.1.10 writes no change of the configuration that says what it is: no move, no target-role, no clean-up."""
    return (name, fault.partition(": ")[2].partition(":")[0]) in {
        ("chronicle", "nothing says cleanup"),
        ("cleanup", "nothing says cleanup"),
        ("move_without_effect", "nothing says configuration_change"),
        # Each node tells its own attributes only, and not those that it lost with its attrd.
        ("kill_controld_active", "nothing says attribute_change"),
    }


cases = [
    pytest.param(name, release, marks=() if name in QUICK and release != "3.0" else pytest.mark.full)
    for release in RELEASES
    for name in NAMES
]


@pytest.mark.parametrize(("name", "release"), cases)
def test_the_words_of_a_release_do_not_change_what_is_told(name: str, release: str, tmp_path: Path) -> None:
    answer = read_in(name, release, tmp_path)
    oldest = release == "1.1.10"
    wrong = faults(truth_of(name), answer, sources={"log"}, marks_are_missing=oldest)
    assert [fault for fault in wrong if not (oldest and excused(name, fault))] == []
    assert misdated(truth_of(name), answer, sources={"log"}) == []


DETAIL = re.compile(r"^(\w{3} +\d+ [\d:]+)\.\d+ (\S+) (pacemaker\S*?) *\[(\d+)\] \(\S+\) \t(?=\w+: )", re.MULTILINE)


@pytest.mark.parametrize("name", [name if name in QUICK else pytest.param(name, marks=pytest.mark.full) for name in NAMES])
def test_what_syslog_leaves_out_of_a_line_changes_nothing_where_it_stands_there(name: str, tmp_path: Path) -> None:
    """Standard error in the journal, and tools that put logs into one form, keep what follows the bar."""
    for path in evidence(name, "*/pacemaker.log.gz"):
        text, changed = DETAIL.subn(r"\1 \2 \3[\4]: ", gzip.decompress(path.read_bytes()).decode())
        assert changed > 1
        (tmp_path / path.parent.name).write_text(text, encoding="utf-8")
    corosync = evidence(name, "*/corosync.log.gz")
    answer = answer_to(name, [*sorted(tmp_path.iterdir()), *corosync])
    assert faults(truth_of(name), answer, sources={"log"}) == []
    assert misdated(truth_of(name), answer, sources={"log"}) == []


def test_the_words_of_every_release_differ_from_those_recorded() -> None:
    log = gzip.decompress(evidence("failover_resource", "pm02/ha-log.gz")[0].read_bytes()).decode()
    known = set(log.splitlines())
    for release in RELEASES:
        written = [line for line in reworded(log, release) if "pacemaker" in line or "crmd" in line or "pengine" in line]
        assert len(set(written) - known) > 20, release
