"""Logs of other clusters, distributions and releases: what an operator must be told of each.

They are made from how these releases word what they log, in the order in which a real cluster logs it, or are short excerpts of what
operators showed in public; names and addresses are invented.
"""

import tomllib
from collections.abc import Mapping
from pathlib import Path
from random import Random
from typing import Any

import pytest

from hamon.analyze import Options, analyze, to_json
from tests.cases import CORPUS, rules
from tests.recordings import Answer

STRANGERS = sorted((CORPUS / "strangers").iterdir())
every_story = pytest.mark.parametrize("folder", STRANGERS, ids=lambda folder: folder.name)


def evidence_of(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.name != "expected.toml")


def told(paths: list[Path]) -> Answer:
    return to_json(analyze(paths, rules(), Options(year=2021)), "en")


def compared(incident: Mapping[str, Any], wanted: Mapping[str, Any]) -> dict[str, Any]:
    cause = incident["cause"] or {}
    fields = {**incident, "cause": cause.get("kind"), "cause_text": cause.get("text")}
    return {name: "(none)" if fields[name] is None else fields[name] for name in wanted}


@every_story
def test_a_strangers_log_tells_what_happened(folder: Path) -> None:
    expected = tomllib.loads((folder / "expected.toml").read_text(encoding="utf-8"))
    answer = told(evidence_of(folder))
    mains = [incident for incident in answer["incidents"] if incident["part_of"] is None]
    assert [compared(incident, wanted) for incident, wanted in zip(mains, expected["main"], strict=True)] == expected["main"]
    assert sorted({incident["kind"] for incident in answer["incidents"] if incident["part_of"]}) == expected["parts"]


@every_story
def test_a_strangers_log_without_lines_that_no_rule_knows_tells_the_same(folder: Path, tmp_path: Path) -> None:
    """What rules do not know, and other programs between the lines, change nothing."""
    random = Random(folder.name)
    for path in evidence_of(folder):
        lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
        begin = lines[-1].split(" ", 3)[:3]
        noise = f"{' '.join(begin)} elsewhere sshd[77]: Accepted publickey for root from 192.0.2.9 port 22\n"
        mixed = [text for line in lines for text in ((line, noise) if random.random() < 0.3 else (line,))]
        (tmp_path / path.name).write_text("".join(mixed), encoding="utf-8")
    kept = ("kind", "planned", "outcome", "from_node", "to_node", "fenced", "resources")
    first, second = (
        [{name: incident[name] for name in kept} for incident in told(paths)["incidents"]]
        for paths in (evidence_of(folder), evidence_of(tmp_path))
    )
    assert first == second


@every_story
@pytest.mark.parametrize("before", ["   ", "\t", "> "])
def test_a_strangers_log_that_was_pasted_somewhere_tells_the_same(folder: Path, before: str, tmp_path: Path) -> None:
    for path in evidence_of(folder):
        lines = path.read_text(encoding="utf-8").splitlines()
        (tmp_path / path.name).write_text("".join(f"{before}{line}\n" for line in lines), encoding="utf-8")
    kept = ("kind", "planned", "outcome", "from_node", "to_node", "fenced", "resources", "started_at", "service_restored_at")
    first, second = (
        [{name: incident[name] for name in kept} for incident in told(paths)["incidents"]]
        for paths in (evidence_of(folder), evidence_of(tmp_path))
    )
    assert first == second


@every_story
def test_a_strangers_log_that_begins_with_its_newest_line_tells_the_same(folder: Path, tmp_path: Path) -> None:
    for path in evidence_of(folder):
        (tmp_path / path.name).write_text("\n".join(reversed(path.read_text(encoding="utf-8").splitlines())) + "\n", encoding="utf-8")
    kept = ("kind", "planned", "outcome", "from_node", "to_node", "fenced", "resources", "started_at", "service_restored_at")
    first, second = (
        [{name: incident[name] for name in kept} for incident in told(paths)["incidents"]]
        for paths in (evidence_of(folder), evidence_of(tmp_path))
    )
    assert first == second
