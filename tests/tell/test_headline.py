"""The first line says cluster, service, what, from and to, planned or not, how long down, and protected or not."""

import unicodedata
from dataclasses import replace

import pytest
from hypothesis import given

from hamon import tell
from hamon.classify.services import Reason
from hamon.model.event import EventKind
from hamon.model.incident import Cause, Incident, IncidentKind, IncidentState, Outcome, Severity
from hamon.tell.headline import reasons_text
from tests.tell.samples import FAILED, FAILOVER, ONGOING, RESOLVED, STANDBY_FAULT, UNSEEN, entry, incidents

TABLE = [
    (
        FAILOVER,
        "[major] web01: service grpPg failed over pm01 -> pm02 (unplanned), down 1.3 s, NOT protected: pm01 cannot take over",
        "[重大] web01: サービス grpPg フェイルオーバ pm01 → pm02（計画外）、停止時間 1.3 秒、冗長性なし: pm01 は引き継ぎ不可",
    ),
    (
        ONGOING,
        "[major] web01: service grpPg failing over from pm01 (unplanned)",
        "[重大] web01: サービス grpPg フェイルオーバ実行中 pm01 から（計画外）",
    ),
    (
        RESOLVED,
        "[major] web01: service grpPg failed over pm01 -> pm02 (unplanned), down 1.3 s, protected again",
        "[重大] web01: サービス grpPg フェイルオーバ pm01 → pm02（計画外）、停止時間 1.3 秒、冗長性回復",
    ),
    (
        FAILED,
        "[critical] web01: failover of service grpPg pm01 -> pm02 FAILED (unplanned), service is down",
        "[緊急] web01: サービス grpPg フェイルオーバ失敗 pm01 → pm02（計画外）、サービス停止中",
    ),
    (
        replace(FAILOVER, planned=None, services=(), redundancy=None, reasons=()),
        "[major] web01: resources grpPg, prmEx, prmFs and 2 more failed over pm01 -> pm02 (not known whether planned), down 1.3 s, "
        "not known whether protected",
        "[重大] web01: リソース grpPg、prmEx、prmFs ほか 2 件 フェイルオーバ pm01 → pm02（計画作業か不明）、停止時間 1.3 秒、冗長性不明",
    ),
    (
        STANDBY_FAULT,
        "[major] web01: standby pm02 cannot take over service grpPg: node lost (unplanned), NOT protected",
        "[重大] web01: スタンバイ系 pm02 はサービス grpPg を引き継ぎ不可: ノード離脱（計画外）、冗長性なし",
    ),
    (
        replace(STANDBY_FAULT, cause=Cause(kind="resource_failure", resource="prmPing"), redundancy=True, reasons=()),
        "[major] web01: standby pm02 cannot take over service grpPg: resource failure (prmPing) (unplanned), still protected",
        "[重大] web01: スタンバイ系 pm02 はサービス grpPg を引き継ぎ不可: リソース故障 (prmPing)（計画外）、冗長性あり",
    ),
    (
        replace(FAILOVER, kind=IncidentKind.SWITCHOVER, planned=True, redundancy=True, reasons=(), service_down_seconds=0.0),
        "[major] web01: service grpPg switched over pm01 -> pm02 (planned), no interruption, still protected",
        "[重大] web01: サービス grpPg 切替 pm01 → pm02（計画作業）、停止なし、冗長性あり",
    ),
    (
        replace(STANDBY_FAULT, kind=IncidentKind.INTERCONNECT_DEGRADED, nodes=("pm01", "pm02"), redundancy=None),
        "[major] web01: interconnect degraded between pm01 and pm02",
        "[重大] web01: インターコネクト故障（pm01 と pm02 の間）",
    ),
    (
        UNSEEN,
        "[warning] web01: monitoring lost of pm01, nothing comes from /var/log/pacemaker.log",
        "[警告] web01: 監視不能、ノード pm01、/var/log/pacemaker.log から情報が届かない",
    ),
]


@pytest.mark.parametrize(("incident", "english", "japanese"), TABLE)
def test_the_headline_tells_the_story(incident: Incident, english: str, japanese: str) -> None:
    assert tell.headline(incident, "en") == english
    assert tell.headline(incident, "ja") == japanese


@pytest.mark.parametrize("language", tell.LANGUAGES)
@given(incident=incidents)
def test_any_incident_has_one_printable_bounded_line(language: str, incident: Incident) -> None:
    line = tell.headline(incident, language)
    assert 0 < len(line) <= 200
    assert not [char for char in line if unicodedata.category(char)[0] == "C" or char in "\u2028\u2029"]


@pytest.mark.parametrize("language", tell.LANGUAGES)
@pytest.mark.parametrize("kind", IncidentKind)
@pytest.mark.parametrize("outcome", Outcome)
@pytest.mark.parametrize("state", IncidentState)
def test_no_placeholder_is_left_in_any_headline_or_step(kind: IncidentKind, outcome: Outcome, state: IncidentState, language: str) -> None:
    bare = Incident(
        key="k", cluster="c", kind=kind, severity=Severity.MINOR, state=state, outcome=outcome, detected_at=FAILOVER.detected_at
    )
    for incident in (bare, replace(FAILOVER, kind=kind, outcome=outcome, state=state)):
        assert not set("".join((tell.headline(incident, language), *tell.next_steps(incident, language)))) & set("{}")


@pytest.mark.parametrize("language", tell.LANGUAGES)
@given(incident=incidents)
def test_any_incident_has_a_cause_and_a_redundancy_sentence(language: str, incident: Incident) -> None:
    assert tell.cause_text(incident, language).isprintable()
    assert tell.redundancy_text(incident, language).isprintable()


def test_the_headline_names_nodes_and_the_sentence_why() -> None:
    incident = replace(FAILOVER, reasons=("node_fenced pm01", "fail_count pm01 prmPg", "attribute pm01 default_ping_set"))
    assert tell.headline(incident, "en").endswith("NOT protected: pm01 cannot take over")
    assert tell.redundancy_text(incident, "en") == (
        "Not protected: the next fault means an outage. "
        "pm01 was fenced, prmPg may not run on pm01 until its fail count is cleared, attribute default_ping_set of pm01 is bad."
    )
    assert "pm01 は STONITH 済み、pm01 に prmPg の故障回数が残っている" in tell.redundancy_text(incident, "ja")


def test_a_reason_that_is_a_resource_is_not_called_a_node() -> None:
    assert tell.headline(replace(FAILOVER, reasons=("prmPg",)), "en").endswith("NOT protected: prmPg not healthy")


def test_a_cause_that_nobody_saw_is_called_unknown() -> None:
    assert tell.cause_text(replace(FAILOVER, cause=None), "en").startswith("Not known")
    assert tell.cause_text(replace(FAILOVER, cause=None, planned=True), "en").startswith("A person")


@pytest.mark.parametrize(
    "line",
    [
        "Nov 22 11:10:23 pm01 pacemaker-controld[106]: notice: Result of monitor operation for prmPg on pm01: error",
        "Nov 22 11:10:23.032 pm01 pacemaker-controld  [106] (log_event)\tnotice: Result of monitor operation for prmPg on pm01: error",
        "2026-11-22T11:10:23.032+09:00 pm01 pacemaker-controld[106]:  notice: Result of monitor operation for prmPg on pm01: error",
        "Result of monitor operation for prmPg on pm01: error",
    ],
)
def test_the_cause_is_told_without_the_stamp_of_its_line(line: str) -> None:
    cause = Cause(kind="resource_failure", node="pm01", resource="prmPg", text=line)
    assert tell.cause_text(replace(FAILOVER, cause=cause), "en") == (
        "resource failure: prmPg on pm01 – Result of monitor operation for prmPg on pm01: error"
    )


@pytest.mark.parametrize(
    ("line", "text"),
    [
        (
            "Nov 22 13:35:12.714 pm01 pacemaker-controld  [106] (log_executor_event) \tnotice: Result of monitor operation for prmPg on "
            "pm01: error | CIB update 81, graph action unconfirmed; call=135 key=prmPg_monitor_10000 rc=1",
            "Result of monitor operation for prmPg on pm01: error",
        ),
        ("Nov 22 10:59:38 [80] pm01 corosync info    [KNET  ] link: host: 2 link: 0 is down", "link: host: 2 link: 0 is down"),
        ("Nov 22 10:59:38 pm01 corosync[80]:   [KNET  ] link: host: 2 link: 0 is down", "link: host: 2 link: 0 is down"),
        ("Nov 22 14:11:07 pm01 OurArray(prmArr)[123]:  WARNING: disk array on pm01 is degraded", "disk array on pm01 is degraded"),
        ("a | b of a line without a stamp", "a | b of a line without a stamp"),
    ],
)
def test_what_a_log_adds_for_its_developers_is_no_cause(line: str, text: str) -> None:
    assert tell.cause_text(replace(FAILOVER, cause=Cause(kind="node_lost", text=line)), "en") == f"node lost – {text}"


def test_a_cause_that_the_timeline_has_is_told_as_there() -> None:
    raw = FAILOVER.timeline[0].raw
    cause = Cause(kind="resource_failure", node="pm01", resource="prmPg", text=raw)
    assert tell.cause_text(replace(FAILOVER, cause=cause), "en") == "monitor of prmPg failed on pm01: error (rc 1)"
    assert tell.cause_text(replace(FAILOVER, cause=cause), "ja") == "pm01 で prmPg の monitor 失敗: エラー (rc 1)"
    ping = entry(0, EventKind.ATTRIBUTE_CHANGED, "pm01", attribute="default_ping_set", old="100", new="0")
    incident = replace(FAILOVER, timeline=(ping,), cause=Cause(kind="connectivity_degraded", text=ping.raw))
    assert tell.cause_text(incident, "en") == "network check failing – attribute default_ping_set of pm01: 100 -> 0"


def test_planned_work_is_told_by_what_was_asked_for() -> None:
    moved = replace(FAILOVER, kind=IncidentKind.SWITCHOVER, planned=True, cause=None)
    incident = replace(moved, timeline=(*moved.timeline, entry(50, EventKind.STANDBY_ON, "pm01")))
    assert tell.cause_text(incident, "en") == "A person or a scheduled tool asked for it: node pm01 was put in standby mode."


def test_a_standby_fault_of_unknown_services_names_none() -> None:
    incident = replace(STANDBY_FAULT, services=(), resources=())
    assert tell.headline(incident, "en") == "[major] web01: standby pm02 cannot take over: node lost (unplanned), NOT protected"
    assert tell.headline(incident, "ja") == "[重大] web01: スタンバイ系 pm02 は引き継ぎ不可: ノード離脱（計画外）、冗長性なし"


def test_a_move_under_way_says_nothing_of_redundancy_yet() -> None:
    assert not tell.concerns_redundancy(ONGOING)
    assert tell.concerns_redundancy(FAILOVER)
    assert tell.concerns_redundancy(FAILED)


def test_an_outage_is_not_called_a_missing_redundancy() -> None:
    assert tell.redundancy_text(FAILED, "en") == "The service is down: no node runs it now."
    assert tell.redundancy_text(replace(FAILED, state=IncidentState.RESOLVED, redundancy=True, reasons=()), "en").startswith("Protected")


def test_a_line_feed_in_a_name_does_not_break_the_headline() -> None:
    assert "pm01 evil" in tell.headline(replace(FAILOVER, from_node="pm01\r\n\x1b\u202eevil"), "en")


@pytest.mark.parametrize("language", ["en", "ja"])
@pytest.mark.parametrize("reason", Reason)
def test_every_reason_why_a_node_could_not_take_over_has_words(reason: Reason, language: str) -> None:
    words = reasons_text(replace(STANDBY_FAULT, reasons=(f"{reason} pm02 prmX",)), language)
    assert not words.startswith(f"{reason} pm02")
    assert "pm02" in words or "prmX" in words
