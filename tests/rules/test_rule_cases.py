"""`hamon rules test`: a case that is as it says passes, and any other fails and says what is otherwise."""

import gzip
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from hamon import data
from hamon.rule_cases import Case, Result, Runner, WantedEvent, WantedIncident, find, to_text
from tests.gateway.harness import environment

ROOT = Path(__file__).parents[2]
RECORDINGS = ROOT / "tests" / "corpus" / "recordings"
README = (ROOT / "rules" / "README.md").read_text(encoding="utf-8")
SHOWN_RULE = next(text for text in re.findall(r"```toml\n(.*?)```", README, re.DOTALL) if "[[rule]]" in text)
SHOWN_CASE = next(text for text in re.findall(r"```toml\n(.*?)```", README, re.DOTALL) if "[log]" in text)
FAILOVER = """
description = "a resource fails and its group moves"
year = 2026
[[incident]]
kind = "failover"
from_node = "pm01"
to_node = "pm02"
outcome = "succeeded"
planned = false
[[event]]
kind = "operation_failed"
node = "pm01"
resource = "prmPg"
source = "{source}"
detail = {{ operation = "monitor", rc = 1 }}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The rule and the case that the README shows."""
    (tmp_path / "rules").mkdir()
    (tmp_path / "rules" / "storage.toml").write_text(SHOWN_RULE, encoding="utf-8")
    (tmp_path / "array.toml").write_text(SHOWN_CASE, encoding="utf-8")
    return tmp_path


def run(path: Path, *rules: Path) -> Result:
    return Runner(rules, data.folder("rules"), {}).run(path)


def spoiled(folder: Path, old: str, new: str) -> Result:
    assert old in SHOWN_CASE
    (folder / "array.toml").write_text(SHOWN_CASE.replace(old, new, 1), encoding="utf-8")
    return run(folder / "array.toml", folder / "rules")


def command(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "hamon", "rules", "test", *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        env=environment(),
    )


def test_the_case_that_the_readme_shows_is_as_it_says(folder: Path) -> None:
    assert run(folder / "array.toml", folder / "rules").failures == ()


def test_without_its_rule_the_case_fails(folder: Path) -> None:
    assert run(folder / "array.toml").failures[0].startswith("event 1 is not there")


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ('severity = "minor"', 'severity = "major"', '    - severity = "major"\n    + severity = "minor"'),
        ('nodes = ["pm01"]', 'nodes = ["pm01", "pm02"]', '    - nodes = ["pm01", "pm02"]\n    + nodes = ["pm01"]'),
        ('device = "path B"', 'device = "path C"', '    - detail.device = "path C"\n    + detail.device = "path B"'),
        ('[[no_event]]\nnode = "pm02"', '[[no_event]]\nnode = "pm01"', "no_event 1 is there: kind"),
        ('rule = "our-array-degraded"', 'rule = ""', '    - rule = ""\n    + rule = "our-array-degraded"'),
        (
            "is degraded (path B)\n",
            "is degraded (path B)\nNov 22 10:53:00 pm02 OurArray[1]: disk array on pm02 is degraded (A)\n",
            "no_event 1",
        ),
    ],
)
def test_what_is_otherwise_is_told(folder: Path, old: str, new: str, told: str) -> None:
    assert told in "\n".join(spoiled(folder, old, new).failures)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('device = "path B"', 'colour = ""'),  # a field that is not there is nothing
        ('nodes = ["pm01"]', 'to_node = ""'),
        ('[[incident]]\nkind = "disk_degraded"\nseverity = "minor"\nnodes = ["pm01"]\n', ""),  # without any, incidents are not compared
    ],
)
def test_what_is_not_asked_or_asked_to_be_nothing_passes(folder: Path, old: str, new: str) -> None:
    assert spoiled(folder, old, new).failures == ()


def test_an_incident_that_is_not_expected_fails_the_case(folder: Path) -> None:
    (folder / "array.toml").write_text("incident = []\n" + SHOWN_CASE.split("[[incident]]")[0], encoding="utf-8")
    (failure,) = run(folder / "array.toml", folder / "rules").failures
    assert failure.startswith("an incident that is not expected")
    assert '+ kind = "disk_degraded"' in failure


def test_two_expectations_need_two_events(folder: Path) -> None:
    event = SHOWN_CASE[SHOWN_CASE.index("[[event]]") : SHOWN_CASE.index("[[no_event]]")]
    assert any("event 2 is not there" in failure for failure in spoiled(folder, event, event + event).failures)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("[[event", "not TOML"),
        ("year = 2026\n[log]\na = 'x'\n", "it expects nothing"),
        ("incident = []\n", "it has no evidence"),
        ("incident = []\nevnt = 1\n[log]\na = 'x'\n", "evnt: no such key; rules/README.md has all of them"),
        (
            "[log]\na = 'x'\n[[incident]]\nkind = 'failver'\n",
            '"failver" is none of those that rules/README.md lists; did you mean "failover"?',
        ),
        ("[log]\n'../a' = 'x'\n[[incident]]\n", "log.../a"),
        ("incident = []\nfiles = ['nowhere']\n", "nothing readable"),
        ("incident = []\nrules = ['nowhere']\n[log]\na = 'x'\n", "no such folder"),
        ("incident = []\n[log]\na = 'no log at all'\n", "nothing readable"),
        ("incident = []\nconfig = 'nowhere.toml'\n[log]\na = 'x'\n", "nowhere.toml"),
    ],
)
def test_a_case_that_cannot_be_run_has_failed_with_its_reason(tmp_path: Path, text: str, reason: str) -> None:
    (tmp_path / "case-1.toml").write_text(text, encoding="utf-8")
    result = run(tmp_path / "case-1.toml")
    assert reason in "\n".join(result.failures)


def test_evidence_beside_the_case_is_read_of_every_kind(tmp_path: Path) -> None:
    """Pacemaker 2.1.5, logs, traps and polls of one fail-over, each alone."""
    recording = RECORDINGS / "failover_resource"
    for source, files in (("log", ["pm01/ha-log.gz", "pm02/ha-log.gz"]), ("trap", ["monitor/traps.jsonl.gz"])):
        case = tmp_path / "cases" / source
        for name in files:
            (case / name).parent.mkdir(parents=True)
            shutil.copy(recording / name, case / name)
        (case / "case.toml").write_text(FAILOVER.format(source=source), encoding="utf-8")
    paths = list(find(tmp_path / "cases"))
    assert [path.parent.name for path in paths] == ["log", "trap"]
    results = [run(path) for path in paths]
    assert [result.failures for result in results] == [(), ()], to_text(results)


def test_traps_stand_in_the_case_too(tmp_path: Path) -> None:
    with gzip.open(RECORDINGS / "failover_resource" / "monitor" / "traps.jsonl.gz", "rt", encoding="utf-8") as stream:
        row = stream.readline().strip()
    text = f"trap = ['{row}']\n[[event]]\nkind = 'operation_failed'\nnode = 'pm01'\nresource = 'prmPg'\nsource = 'trap'\n"
    (tmp_path / "trap.toml").write_text(text, encoding="utf-8")
    assert run(tmp_path / "trap.toml").failures == ()


def test_the_command_runs_all_cases_and_its_status_tells(folder: Path) -> None:
    good = command("--rules", folder / "rules", folder)
    assert (good.returncode, good.stdout.splitlines()[-1]) == (0, "1 case(s): all as they say"), good.stdout + good.stderr
    (folder / "bad.toml").write_text("x = 1", encoding="utf-8")
    bad = command("--rules", folder / "rules", folder, "--format", "json")
    assert bad.returncode == 1
    assert [case["ok"] for case in json.loads(bad.stdout)["cases"]] == [True, False]
    junit = ET.fromstring(command("--rules", folder / "rules", folder, "--format", "junit").stdout)
    assert (junit.get("tests"), junit.get("failures")) == ("2", "1")
    assert [case.get("name") for case in junit.iter("testcase") if case.find("failure") is not None] == ["bad"]


def test_no_case_is_wrong_usage(tmp_path: Path) -> None:
    assert command(tmp_path).returncode == 2
    assert "no such file or folder" in command(tmp_path / "nowhere").stderr


def test_the_readme_has_every_key_of_a_case() -> None:
    section = README.split("\n## Tests of your rules\n", 1)[1].split("\n## ", 1)[0]
    named = set(re.findall(r"`\[*([a-z_]+)\]*`", section))
    assert set(Case.model_fields) | set(WantedEvent.model_fields) | set(WantedIncident.model_fields) <= named


def test_folders_of_rules_and_hidden_ones_hold_no_cases(tmp_path: Path) -> None:
    for name in ("rules/a.toml", ".git/b.toml", "deep/er/c.toml", "whole/case.toml", "whole/other.toml"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    assert [os.fspath(path.relative_to(tmp_path)) for path in find(tmp_path)] == ["deep/er/c.toml", "whole/case.toml"]


def test_the_answer_is_in_japanese_as_well(folder: Path) -> None:
    (folder / "array.toml").write_text(SHOWN_CASE.replace('severity = "minor"', 'severity = "major"', 1), encoding="utf-8")
    result = Runner([folder / "rules"], data.folder("rules"), {}, "ja").run(folder / "array.toml")
    told = to_text([result], "ja")
    assert told.startswith("失敗")
    assert "incident 1 がない。最も近いもの(+)と期待したもの(-)の違い:" in told
    assert '    - severity = "major"\n    + severity = "minor"' in told
    assert told.endswith("1 件のケースのうち 1 件が失敗")
