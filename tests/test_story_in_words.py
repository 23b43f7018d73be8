"""What an operator reads of a recorded cluster: the words of `hamon analyze` on a story that is known."""

from datetime import UTC
from pathlib import Path

import pytest

from hamon import analyze, tell
from hamon.classify.settings import ClusterSettings
from hamon.model.event import EventKind
from hamon.model.incident import Incident
from hamon.rules.load import load_all
from tests.cases import rules

CHRONICLE = Path(__file__).parent / "corpus" / "recordings" / "chronicle"
SERVICES = {"web_shop": ("prmEx", "prmFs", "prmIp", "prmPg"), "database": ("prmStateful",)}


@pytest.fixture(scope="module")
def found() -> analyze.Analysis:
    options = analyze.Options(cluster="demo", settings=ClusterSettings(name="demo", services=SERVICES))
    return analyze.analyze([CHRONICLE], rules(), options)


@pytest.fixture(scope="module")
def main(found: analyze.Analysis) -> list[Incident]:
    return [incident for incident in found.incidents if incident.part_of is None]


def test_the_first_lines_tell_the_story(main: list[Incident]) -> None:
    assert [tell.headline(incident, "en") for incident in main] == [
        "[major] demo: service web_shop failed over pm01 -> pm02 (unplanned), down 1.4 s, protected again",
        "[major] demo: interconnect was degraded between pm01 and pm02",
        "[info] demo: service web_shop switched over pm02 -> pm01 (planned), down 1.1 s, protected again",
        "[major] demo: standby pm02 could not take over services web_shop, database: node lost (unplanned), protected again",
        "[info] demo: maintenance mode ended (planned)",
        "[major] demo: services web_shop, database failed over pm01 -> pm02 (unplanned), down 6.7 s, NOT protected: pm01 cannot take over",
    ]


def test_causes_are_sentences(main: list[Incident]) -> None:
    assert [tell.cause_text(incident, "en") for incident in main] == [
        "monitor of prmPg failed on pm01: error (rc 1)",
        "link 0 down on pm02",
        "A person or a scheduled tool asked for it: node pm02 was put in standby mode.",
        "node pm02 is lost",
        "A person or a scheduled tool asked for it.",
        "node pm01 is lost",
    ]


def test_a_switchover_begins_with_what_was_asked_for_and_planned(main: list[Incident]) -> None:
    kinds = [entry.event for entry in tell.without_repetition(main[2].timeline)]
    assert kinds[:2] == [EventKind.STANDBY_ON, EventKind.PLAN]
    assert kinds.count(EventKind.STANDBY_ON) == 1


@pytest.mark.parametrize("language", tell.LANGUAGES)
def test_no_line_stands_twice_in_a_story(main: list[Incident], language: str) -> None:
    for incident in main:
        lines = [line[14:] for line in tell.story(incident, language, UTC).splitlines() if line[:2].isdigit() and line[2:3] == ":"]
        assert lines
        assert len(lines) == len(set(lines)), incident.key


@pytest.mark.parametrize("language", tell.LANGUAGES)
def test_the_text_has_each_headline_before_its_story_and_says_what_was_read(
    found: analyze.Analysis, main: list[Incident], language: str
) -> None:
    text = analyze.to_text(found, language, "UTC")
    places = [text.index(tell.headline(incident, language)) for incident in main]
    assert places == sorted(places)
    assert [text.count(tell.headline(incident, language)) for incident in main] == [1] * len(main)
    assert str(sum(item.records for item in found.inputs)) in text.splitlines()[-1]


def test_quiet_logs_say_that_they_were_read(tmp_path: Path) -> None:
    (tmp_path / "ha-log").write_text("Nov 22 10:00:00 pm01 pacemaker-controld[106]:  notice: State transition S_IDLE -> S_POLICY_ENGINE\n")
    quiet = analyze.analyze([tmp_path], rules(), analyze.Options(year=2026))
    assert analyze.to_text(quiet, "en", "UTC") == "0 incident(s) in 1 lines of 1 file(s)."


def test_what_an_agent_of_ones_own_reports_is_in_its_story(tmp_path: Path) -> None:
    line = "Nov 22 10:00:00 pm01 diskd(prmDisk)[7]:  WARNING: disk array on pm01 is degraded (path B)\n"
    (tmp_path / "ha-log").write_text(line)
    (tmp_path / "own").mkdir()
    shown = (Path(__file__).parents[1] / "rules" / "README.md").read_text(encoding="utf-8")
    rule = shown[shown.index("[[rule]]") :].split("```")[0].replace('"OurArray"', '"diskd"')
    (tmp_path / "own" / "storage.toml").write_text(rule, encoding="utf-8")
    rules = load_all([tmp_path / "own"])
    (incident,) = analyze.analyze([tmp_path / "ha-log"], rules, analyze.Options(year=2026)).incidents
    assert incident.key == "disk_degraded-pm01_path_B-20261122T100000"
    assert [entry.event for entry in incident.timeline] == [EventKind.DISK_ERROR]
    assert tell.cause_text(incident, "en") == "disk check failing – disk error: path B on pm01"


SLOW_FENCING = """\
Nov 22 11:10:00 pm02 pacemaker-controld[106]: notice: Node pm01 state is now lost
Nov 22 11:10:00 pm02 pacemaker-schedulerd[105]: warning: Cluster node pm01 will be fenced: peer is no longer part of the cluster
Nov 22 11:10:00 pm02 pacemaker-schedulerd[105]: notice: Actions: Move       prmPg     ( pm01 -> pm02 )
Nov 22 11:10:01 pm02 pacemaker-controld[106]: notice: Requesting fencing (reboot) of node pm01
Nov 22 11:10:42 pm02 pacemaker-fenced[102]: notice: Operation 'reboot' targeting pm01 by pm02 for crmd.106@pm02: OK (complete)
Nov 22 11:11:08 pm02 pacemaker-controld[106]: notice: Result of start operation for prmPg on pm02: ok
"""


@pytest.mark.parametrize(
    ("language", "longest", "gap"),
    [
        ("en", "Interruption: fencing took 42 s of 1 min 8 s.", "… 41 s: the fencing of pm01 was under way …"),
        ("ja", "停止時間の大半は STONITH: 1 分 8 秒のうち 42 秒", "… 41 秒（pm01 の STONITH を実行中） …"),
    ],
)
def test_what_took_longest_is_said_first_and_a_gap_says_why_it_is_one(tmp_path: Path, language: str, longest: str, gap: str) -> None:
    (tmp_path / "pacemaker.log").write_text(SLOW_FENCING)
    (main,) = (
        incident for incident in analyze.analyze([tmp_path], rules(), analyze.Options(year=2026)).incidents if incident.part_of is None
    )
    text = tell.story(main, language, UTC)
    assert text.split("\n\n")[0] == longest
    assert gap in text


def test_an_interruption_of_which_no_part_outweighs_the_others_has_no_such_sentence(main: list[Incident]) -> None:
    assert [tell.story(incident, "en", UTC).startswith("Interruption:") for incident in main] == [False, False, False, False, False, True]
