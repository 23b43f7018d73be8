"""One line an event, gaps made visible, and the whole report."""

from dataclasses import replace
from datetime import UTC, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hamon import tell
from hamon.model.event import EventKind
from hamon.model.incident import Incident, IncidentKind, Notice, TimelineEntry, Transition, TransitionKind
from tests.tell.samples import FAILOVER, RESOLVED, START, entries, entry, incidents

TABLE = [
    (
        entry(0, EventKind.THRESHOLD_REACHED, "pm01", "prmPg", count=1_000_000, threshold=1_000_000),
        "prmPg may no longer run on pm01: migration threshold reached (INFINITY of INFINITY)",
        "prmPg は pm01 で起動不可: 故障回数上限に到達（INFINITY/INFINITY）",
    ),
    (
        entry(0, EventKind.FAIL_COUNT_CHANGED, "pm01", "prmPg", value="1000000"),
        "fail count of prmPg on pm01: INFINITY",
        "pm01 の prmPg の故障回数: INFINITY",
    ),
    (
        entry(0, EventKind.OPERATION_FAILED, "pm01", "prmPg", operation="monitor", rc=1),
        "monitor of prmPg failed on pm01: error (rc 1)",
        "pm01 で prmPg の monitor 失敗: エラー (rc 1)",
    ),
    (
        entry(
            0,
            EventKind.OPERATION_FAILED,
            "pm01",
            "prmPg",
            operation="monitor",
            rc=1,
            status="Timed Out",
            reason="resource agent did not exit",
        ),
        "monitor of prmPg failed on pm01: Timed Out (rc 1), resource agent did not exit",
        "pm01 で prmPg の monitor 失敗: Timed Out (rc 1)、resource agent did not exit",
    ),
    (
        entry(0, EventKind.PLAN, None, "prmPg", action="Move", **{"from": "pm01", "to": "pm02"}),
        "plan: move prmPg pm01 -> pm02",
        "計画: prmPg を移動 pm01 → pm02",
    ),
    (
        entry(
            0,
            EventKind.PLAN,
            None,
            "prmStateful",
            action="Promote",
            from_role="Unpromoted",
            to_role="Promoted",
            **{"from": "pm02", "to": "pm02"},
        ),
        "plan: promote prmStateful on pm02, Unpromoted -> Promoted",
        "計画: prmStateful を昇格（pm02）、Unpromoted → Promoted",
    ),
    (
        entry(
            0, EventKind.PLAN, None, "prmPg", action="Stop", to_role="Stopped", reason="node availability", blocked=1, **{"from": "pm01"}
        ),
        "plan: stop prmPg on pm01, reason: node availability (blocked)",
        "計画: prmPg を停止（pm01）、理由: node availability (blocked)",
    ),
    (
        entry(0, EventKind.FENCING_DONE, "pm01", action="reboot", delegate="pm02", client="pacemaker-controld.77"),
        "node pm01 fenced (reboot) by pm02 for pacemaker-controld",
        "ノード pm01 の STONITH 完了（reboot）、実行 pm02、要求元 pacemaker-controld",
    ),
    (
        entry(0, EventKind.ATTRIBUTE_CHANGED, "pm01", attribute="default_ping_set", old="100", new="0"),
        "attribute default_ping_set of pm01: 100 -> 0",
        "pm01 の属性 default_ping_set: 100 → 0",
    ),
    (
        entry(0, EventKind.ATTRIBUTE_CHANGED, "pm01", attribute="default_ping_set", old="100", new=None),
        "attribute default_ping_set of pm01: 100 -> deleted",
        "pm01 の属性 default_ping_set: 100 → 削除",
    ),
    (
        entry(0, EventKind.DAEMON_DIED, "pm02", daemon="pacemaker-execd", signal=9),
        "daemon pacemaker-execd died on pm02, signal 9",
        "pm02 でプロセス pacemaker-execd 異常終了、シグナル 9",
    ),
    (
        entry(0, EventKind.LINK_DOWN, "pm02", link=1, peer="pm01"),
        "link 1 down on pm02 to pm01",
        "pm02 でリンク 1 断（相手: pm01）",
    ),
    (
        entry(0, EventKind.FAIL_COUNT_CHANGED, "pm01", "prmPg", value=None),
        "fail count of prmPg on pm01: cleared",
        "pm01 の prmPg の故障回数: クリア",
    ),
    (
        entry(0, EventKind.FAIL_COUNT_CHANGED, "pm01", "prmPg", operation="monitor", rc=1, update="value++"),
        "the failure of prmPg on pm01 is counted",
        "pm01 で prmPg の故障を故障回数に加算",
    ),
    (
        entry(0, EventKind.MAINTENANCE_ON, "pm01", name="maintenance-mode"),
        "maintenance mode on for the cluster",
        "クラスタ のメンテナンスモード開始",
    ),
    (
        entry(0, EventKind.STANDBY_ON, "pm01", repeats=1),
        "node pm01 is in standby mode",
        "ノード pm01 はスタンバイ状態",
    ),
]


@pytest.mark.parametrize(("told", "english", "japanese"), TABLE)
def test_an_entry_says_what_its_fields_say(told: TimelineEntry, english: str, japanese: str) -> None:
    assert tell.entry_text(told, "en") == english
    assert tell.entry_text(told, "ja").replace(" ", "") == japanese.replace(" ", "")


@pytest.mark.parametrize("language", tell.LANGUAGES)
@given(told=entries)
def test_any_entry_gives_one_printable_line(language: str, told: TimelineEntry) -> None:
    line = tell.entry_text(told, language)
    assert line.isprintable()
    assert 0 < len(line) <= 300


@pytest.mark.parametrize("language", tell.LANGUAGES)
@pytest.mark.parametrize("kind", EventKind)
def test_an_event_without_any_field_still_has_words(kind: EventKind, language: str) -> None:
    line = tell.entry_text(entry(0, kind), language)
    assert line
    assert not set(line) & set("{}[]")


def test_a_loss_of_which_only_the_number_is_known_names_no_node() -> None:
    """The entry stands with the node that tells of it, and that one lives."""
    told = replace(entry(0, EventKind.NODE_LOST, "web3", node_ids="1"), reported_by=("web3", "web2"))
    assert tell.entry_text(told, "en") == "a node is lost: Corosync number 1"
    assert "web3" not in tell.entry_text(told, "ja")
    assert tell.entry_text(replace(told, node="web1"), "en") == "node web1 is lost"


def test_gaps_and_local_times_are_visible() -> None:
    assert tell.timeline_text(FAILOVER, "en", ZoneInfo("Asia/Tokyo")).splitlines() == [
        "2026-11-22",
        "20:10:21.400  pm01  monitor of prmPg failed: error (rc 1)",
        "20:10:21.500        plan: recover prmPg pm01 -> pm02",
        "20:10:22.000  pm01  prmPg stopped",
        "              … 41 s: prmPg was being started on pm02 …",
        "20:11:03.000  pm02  prmPg started",
    ]


def test_a_new_day_has_its_date() -> None:
    zone = timezone(timedelta(hours=12, minutes=49))
    text = tell.timeline_text(FAILOVER, "en", zone)
    assert "2026-11-22\n23:59:21.400" in text
    assert "2026-11-23\n00:00:03.000" in text


def test_a_timeline_that_is_out_of_order_shows_no_gap_twice() -> None:
    told = [entry(0, EventKind.NODE_LOST), entry(20, EventKind.NODE_LOST), entry(1, EventKind.NODE_LOST), entry(21, EventKind.NODE_LOST)]
    assert [line.gap_seconds for line in tell.lines(told)] == [0.0, 20.0, 0.0, 0.0]


@given(st.lists(entries, max_size=30), st.integers(2, 10))
def test_what_tells_most_is_bounded_ordered_and_keeps_both_ends(told: list[TimelineEntry], limit: int) -> None:
    kept = tell.most_telling(told, limit)
    assert len(kept) == min(len(told), limit)
    assert not told or (kept[0], kept[-1]) == (told[0], told[-1])
    rest = iter(told)
    assert all(any(one is other for other in rest) for one in kept)


OPERATION = {"operation": "start"}
REPETITIONS = [
    (
        "an operation that ends at once",
        [
            entry(0, EventKind.NODE_LOST, "pm02"),
            entry(1, EventKind.OPERATION_STARTED, "pm01", "a", **OPERATION),
            entry(2, EventKind.RESOURCE_STARTED, "pm01", "a"),
        ],
        [0, 2],
    ),
    (
        "an operation that hangs stays",
        [
            entry(0, EventKind.NODE_LOST, "pm02"),
            entry(1, EventKind.OPERATION_STARTED, "pm01", "a", **OPERATION),
            entry(41, EventKind.RESOURCE_STARTED, "pm01", "a"),
        ],
        [0, 1, 2],
    ),
    (
        "an operation without an end stays",
        [entry(0, EventKind.NODE_LOST, "pm02"), entry(1, EventKind.OPERATION_STARTED, "pm01", "a", **OPERATION)],
        [0, 1],
    ),
    (
        "the monitor after a start",
        [entry(0, EventKind.RESOURCE_STARTED, "pm01", "a"), entry(1, EventKind.OPERATION_SUCCEEDED, "pm01", "a", operation="monitor")],
        [0],
    ),
    (
        "the monitor after a failure stays",
        [
            entry(0, EventKind.RESOURCE_STARTED, "pm01", "a"),
            entry(1, EventKind.OPERATION_FAILED, "pm01", "a", operation="monitor"),
            entry(2, EventKind.OPERATION_SUCCEEDED, "pm01", "a", operation="monitor"),
        ],
        [0, 1, 2],
    ),
    (
        "attempts of a fencing that was done",
        [
            entry(0, EventKind.FENCING_REQUESTED, "pm01"),
            entry(1, EventKind.FENCING_ATTEMPTED, "pm01", device="f1"),
            entry(2, EventKind.FENCING_DONE, "pm01"),
        ],
        [0, 2],
    ),
    (
        "attempts of a fencing that failed stay",
        [
            entry(0, EventKind.FENCING_REQUESTED, "pm01"),
            entry(1, EventKind.FENCING_ATTEMPTED, "pm01", device="f1"),
            entry(2, EventKind.FENCING_FAILED, "pm01"),
        ],
        [0, 1, 2],
    ),
    (
        "the same link of both nodes, told twice by each",
        [entry(number, EventKind.LINK_DOWN, node, link=0) for number, node in enumerate(("pm01", "pm02", "pm01", "pm02"))],
        [0, 1],
    ),
    (
        "a link that flaps stays",
        [entry(number, kind, "pm01", link=0) for number, kind in enumerate((EventKind.LINK_DOWN, EventKind.LINK_UP, EventKind.LINK_DOWN))],
        [0, 1, 2],
    ),
    (
        "standby mode that goes on",
        [entry(0, EventKind.STANDBY_ON, "pm01"), entry(1, EventKind.STANDBY_ON, "pm01", repeats=1)],
        [0],
    ),
    (
        "standby mode that was ended and is there again stays",
        [
            entry(0, EventKind.STANDBY_ON, "pm01"),
            entry(1, EventKind.STANDBY_OFF, "pm01"),
            entry(2, EventKind.STANDBY_ON, "pm01", repeats=1),
        ],
        [0, 1, 2],
    ),
    (
        "a failure that repeats stays",
        [entry(number, EventKind.OPERATION_FAILED, "pm01", "a", operation="monitor") for number in range(3)],
        [0, 1, 2],
    ),
]


@pytest.mark.parametrize(("what", "told", "kept"), REPETITIONS)
def test_what_another_entry_says_is_left_out(what: str, told: list[TimelineEntry], kept: list[int]) -> None:
    assert tell.without_repetition(told) == tuple(told[number] for number in kept), what


@given(st.lists(entries, max_size=12))
def test_without_repetition_keeps_order_and_the_first_and_never_a_failure_less(told: list[TimelineEntry]) -> None:
    kept = tell.without_repetition(told)
    assert kept[:1] == tuple(told[:1])
    rest = iter(told)
    assert all(any(one is other for other in rest) for one in kept)
    for kind in (EventKind.OPERATION_FAILED, EventKind.FENCING_FAILED):
        seen = {tell.entry_text(one, "en") for one in told if one.event is kind}
        assert seen == {tell.entry_text(one, "en") for one in kept if one.event is kind}


def test_a_failure_is_kept_before_successes() -> None:
    noise = [entry(number, EventKind.OPERATION_SUCCEEDED, "pm01", "a") for number in range(100)]
    failure = entry(50.5, EventKind.OPERATION_FAILED, "pm01", "b")
    assert failure in tell.most_telling([*noise[:50], failure, *noise[50:]], 5)


def transition(incident: Incident, kind: TransitionKind, notice: Notice | None) -> Transition:
    return Transition(at=START, kind=kind, incident=incident, sequence=1, reason="", notice=notice)


def test_the_subject_of_a_closing_notice_says_resolved() -> None:
    told = transition(RESOLVED, TransitionKind.RESOLVED, Notice.CLOSING)
    assert tell.report(told, "en", UTC)[0].startswith("[resolved] web01: service grpPg failed over pm01 -> pm02")
    assert tell.report(told, "ja", UTC)[0].startswith("[復旧] web01: サービス grpPg")
    assert tell.report(replace(told, kind=TransitionKind.EXPIRED), "en", UTC)[0].startswith("[expired")


def test_what_becomes_part_of_another_incident_says_so_first_and_names_it() -> None:
    told = transition(replace(FAILOVER, part_of="departure-pm01"), TransitionKind.UPDATED, None)
    subject, text = tell.report(told, "en", UTC)
    assert subject.startswith("[part of another incident] web01: service grpPg")
    assert text.startswith(f"{subject}\n\nThis turned out to be part of incident departure-pm01.")
    subject, text = tell.report(told, "ja", UTC)
    assert subject.startswith("[他のインシデントに統合] web01: ")
    assert text.startswith(f"{subject}\n\nインシデント departure-pm01 の一部")


@pytest.mark.parametrize(
    ("planned", "redundancy", "english", "japanese"),
    [
        (False, False, "Reminder: not protected for 2 h", "冗長性がありません"),
        (False, True, "Reminder: with fewer nodes that could take over for 2 h", "引き継げるノードが減ったまま"),
        (True, None, "Reminder: planned work that keeps redundancy off was left on for 2 h", "計画作業"),
    ],
)
def test_a_reminder_begins_with_what_is_owed_and_for_how_long(planned: bool, redundancy: bool | None, english: str, japanese: str) -> None:
    owed = replace(FAILOVER, planned=planned, redundancy=redundancy, debt_since=START - timedelta(hours=2))
    step = transition(owed, TransitionKind.UPDATED, Notice.REMINDER)
    subject, text = tell.report(step, "en", UTC)
    assert subject.startswith("[reminder after 2 h] web01: ")
    assert text.split("\n\n")[1].startswith(english)
    subject, text = tell.report(step, "ja", UTC)
    assert subject.startswith("[リマインダ: 2 時間 経過] web01: ")
    assert text.split("\n\n")[1].startswith("リマインダ: ")
    assert japanese in text.split("\n\n")[1]


def test_a_report_holds_headline_cause_redundancy_timeline_and_steps_in_that_order() -> None:
    subject, body = tell.report(transition(FAILOVER, TransitionKind.OPENED, Notice.OPENING), "en", UTC)
    assert body.startswith(subject + "\n\n")
    places = [body.index(word) for word in ("Cause:", "Redundancy:", "What happened (times in UTC):", "What to do next:", FAILOVER.key)]
    assert places == sorted(places)


def test_a_link_fault_says_nothing_of_redundancy_unless_it_is_known() -> None:
    link = replace(FAILOVER, kind=IncidentKind.INTERCONNECT_DEGRADED, redundancy=None)
    assert "Redundancy" not in tell.story(link, "en", UTC)
    assert "Redundancy" in tell.story(replace(link, redundancy=False), "en", UTC)


def test_a_long_story_is_cut_to_its_telling_entries_and_says_so() -> None:
    long = replace(FAILOVER, timeline=tuple(entry(number / 10, EventKind.OPERATION_SUCCEEDED, "pm01", "a") for number in range(500)))
    body = tell.report(transition(long, TransitionKind.OPENED, Notice.OPENING), "en", UTC)[1]
    assert "(less telling entries left out: 460)" in body
    assert body.count("of a succeeded") == 40


@pytest.mark.parametrize("language", tell.LANGUAGES)
@given(incident=incidents)
def test_any_incident_has_a_report(language: str, incident: Incident) -> None:
    subject, body = tell.report(transition(incident, TransitionKind.UPDATED, Notice.UPDATE), language, ZoneInfo("Asia/Tokyo"))
    assert "\n" not in subject
    assert len(body) < 20_000
