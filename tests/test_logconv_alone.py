"""pm_logconv.out alone: what `hamon logconv` makes of a recording tells what was done, as far as its messages can.

They say nothing of standby mode and bans, so that a planned move is one of which nobody knows the reason; nothing of clean-ups, of quorum,
and of attributes that go with a daemon; and where the recording begins while all is up, not which node serves. What they cannot say is
told as unknown, never as the opposite.
"""

import gzip
import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from hamon.analyze import Options, analyze, to_json
from hamon.classify.logconv import LogconvSettings, attribute_rule
from hamon.logconv import Lines, as_line
from tests.cases import rules
from tests.truth import faults, is_alarm, mains

CORPUS = Path(__file__).parent / "corpus"
FOLDERS = {path.name: path for kind in ("recordings", "further") for path in (CORPUS / kind).iterdir()}
SETTINGS = LogconvSettings(
    service_resources=("prmEx", "prmFs", "prmIp", "prmPg"), attribute_rules=(attribute_rule("default_ping_set lt 100"),)
)

UNSAID = {
    "chronicle": ("nothing says cleanup", "not one planned switchover"),
    "chronicle_b": ("nothing says cleanup",),
    "kill_controld_active": ("nothing says attribute_change",),
    "quorum_loss_3": ("nothing says quorum_loss",),
    "fencing_timeout": ("nothing says standby_fault",),
}
"""What of a recording the messages do not hold."""
NO_REASON = ("switchover_move", "switchover_standby", "switchover_standby_db", "switchover_standby_3")
IN_TWO = "switchover_standby_3"
"""Its promoted instance leaves when the rest has been back elsewhere for a second: without a plan that is another move."""
NO_SIDE = {
    "ping_lost_standby": "connectivity_degraded",
    "split_active_wins": "interconnect_degraded",
    "standby_clone_failure": "resource_failure",
    "standby_crash": "node_lost",
    "standby_crash_3": "node_lost",
    "standby_promotable_failure": "resource_failure",
}
"""Faults of a standby of which nothing tells that it is one, and what they are told as."""
CUT_OFF = ("failed_on_both", "quorum_loss_nofence_3")
"""The one ends before it is known that the service stays down; in the other both sides of a split serve, as quorum alone would tell."""

Answer = Mapping[str, Any]


def converted(folder: Path, year: int) -> dict[str, str]:
    """What the converter of each node writes."""
    found = {}
    for path in sorted(folder.glob("*/ha-log.gz")):
        lines = Lines(rules(), SETTINGS, "UTC", year)
        messages = lines.convert(gzip.decompress(path.read_bytes()), datetime(year, 12, 1, tzinfo=UTC))
        found[path.parent.name] = "".join(f"{as_line(message, ZoneInfo('UTC'), syslog_format=True)}\n" for message in messages)
    return {node: text for node, text in found.items() if text}


@cache
def answer_to(name: str) -> tuple[Mapping[str, Any], Answer]:
    truth = json.loads((FOLDERS[name] / "truth.json").read_text(encoding="utf-8"))
    year = int(truth["window"]["start_iso"][:4])
    with TemporaryDirectory() as folder:
        paths = []
        for node, text in converted(FOLDERS[name], year).items():
            paths.append(Path(folder) / node)
            paths[-1].write_text(text, encoding="utf-8")
        return truth, to_json(analyze(paths, rules(), Options(year=year)), "en") if paths else {"incidents": [], "events": []}


def alarms(answer: Answer) -> Sequence[Mapping[str, Any]]:
    return [incident for incident in mains(answer["incidents"]) if is_alarm(incident)]


KNOWN = sorted(FOLDERS.keys() - {*NO_REASON, *NO_SIDE, *CUT_OFF, "move_without_effect", "maintenance", "cleanup", "quiet"})


@pytest.mark.parametrize("name", KNOWN)
def test_what_was_done_is_what_the_messages_say(name: str) -> None:
    truth, answer = answer_to(name)
    assert [fault for fault in faults(truth, answer) if not any(words in fault for words in UNSAID.get(name, ()))] == []


@pytest.mark.parametrize("name", NO_REASON)
def test_a_switchover_whose_reason_no_message_says_is_a_move_of_unknown_reason(name: str) -> None:
    truth, answer = answer_to(name)
    ends = (truth["expected"]["active_before"], truth["expected"]["active_after"])
    found = {(one["kind"], one["planned"], one["severity"], one["outcome"], one["from_node"], one["to_node"]) for one in alarms(answer)}
    assert found == {("failover", None, "warning", "succeeded", *ends)}
    assert len(alarms(answer)) == (2 if name == IN_TWO else 1)


@pytest.mark.parametrize("name", NO_SIDE)
def test_a_fault_of_a_node_of_which_no_message_says_that_it_is_standby_is_told_as_what_failed(name: str) -> None:
    truth, answer = answer_to(name)
    (alarm,) = alarms(answer)
    assert (alarm["kind"], alarm["planned"]) == (NO_SIDE[name], False)
    assert truth["expected"]["node"] in alarm["nodes"]


@pytest.mark.parametrize("name", sorted(FOLDERS))
def test_no_message_makes_a_failover_planned_or_an_alarm_of_a_quiet_cluster(name: str) -> None:
    truth, answer = answer_to(name)
    assert not [one for one in answer["incidents"] if one["kind"] == "failover" and one["planned"]]
    if truth.get("expected", {}).get("classification") in ("none", "maintenance", "node_join", "planned_stop", "planned_standby"):
        assert alarms(answer) == []
