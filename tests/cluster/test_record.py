"""A recording that is made here is evidence like any other: `hamon analyze` says of it what was done."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from hamon.analyze import Options, analyze, to_json
from tests.cases import rules
from tests.cluster import happenings
from tests.cluster.cluster import PROGRAMS
from tests.cluster.happenings import HAPPENINGS
from tests.cluster.record import recording
from tests.peers import missing, need
from tests.recordings import WITNESSES, sources_of
from tests.truth import faults, misdated

BLIND = {happenings.standby_power_loss.__name__: ("traps", "capture")}
"""By traps alone nothing says which node is active, so that a node that is lost is no standby."""


@pytest.mark.full
def test_what_is_recorded_is_analysed_as_what_was_done(tmp_path: Path) -> None:
    if os.geteuid() != 0:
        missing("only root can make the namespaces of a cluster")
    for program in PROGRAMS:
        need(program)
    done = (happenings.resource_failure, happenings.standby_power_loss, happenings.switchover_by_standby)
    recording([HAPPENINGS[one.__name__] for one in done], tmp_path)
    wrong = []
    for one in done:
        folder = tmp_path / one.__name__
        truth = json.loads((folder / "truth.json").read_text())
        year = int(truth["window"]["start_iso"][:4])
        assert truth["events"]
        assert all(truth["counts"][name] for name in ("snapshots", "polls", "traps"))
        assert sum(count for name, count in truth["counts"].items() if name.startswith("ha-log")) > 50
        for name, patterns in WITNESSES.items():
            if name in BLIND.get(one.__name__, ()):
                continue
            paths = [path for pattern in patterns for path in sorted(folder.glob(pattern))]
            answer = to_json(analyze(paths, rules(), Options(year=year)), "en")
            sources = sources_of(name)
            found = faults(truth, answer, sources=sources)
            if sources != {"poll"}:  # on a busy machine they are more than a second apart
                found += misdated(truth, answer, sources=sources)
            wrong += [f"{one.__name__} by {name}: {fault}" for fault in found]
        command = (sys.executable, "-m", "hamon", "analyze", "--format", "json", "--year", str(year), str(folder))
        said = subprocess.run(command, capture_output=True, check=True, timeout=120).stdout
        wrong += faults(truth, json.loads(said), sources={"log", "trap", "poll"})
    assert wrong == []
