"""The timeline of an incident: one order over nodes and sources, with witnesses, explained gaps and folds; recordings of Pacemaker 2.1."""

import re
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from itertools import pairwise

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from markupsafe import escape

from hamon import tell
from hamon.analyze import Analysis, Options, analyze
from hamon.model.event import Event, EventKind
from hamon.model.incident import Incident, TimelineEntry
from hamon.model.observation import Source
from hamon.ports import Recording
from hamon.store.store import SqlStore
from hamon.tell.chain import in_causal_order, merged
from hamon.tell.witnesses import Witness, witnesses
from hamon.web.timeline import FOLD_FROM, Row, stretches
from tests.cases import rules
from tests.recordings import RECORDINGS
from tests.tell.samples import START, entries, entry
from tests.web.conftest import application


@pytest.fixture(scope="module")
def crash() -> Analysis:
    return analyze([RECORDINGS / "kill_corosync_active"], rules(), Options(cluster="demo"))


@pytest.fixture(scope="module")
def failover(crash: Analysis) -> Incident:
    return next(incident for incident in crash.incidents if incident.part_of is None)


@pytest.fixture
async def client(empty_history: SqlStore, crash: Analysis) -> AsyncIterator[httpx.AsyncClient]:
    await empty_history.record(Recording(transitions=crash.transitions, events=crash.told))
    transport = httpx.ASGITransport(app=application(empty_history))
    async with httpx.AsyncClient(transport=transport, base_url="http://hamon") as client:
        yield client


async def test_the_api_gives_one_order_with_gaps_explained_and_every_witness(client: httpx.AsyncClient, failover: Incident) -> None:
    answer = (await client.get(f"/api/v1/incidents/demo/{failover.key}")).json()
    timeline = answer["timeline"]
    kinds = [row["event"] for row in timeline]
    order = ["daemon_died", "link_down", "token_lost", "node_lost", "node_unclean", "fencing_done", "resource_promoted"]
    assert [kinds.index(kind) for kind in order] == sorted(kinds.index(kind) for kind in order)
    (silence,) = [row for row in timeline if row["event"] == "node_lost"][:1]
    assert silence["gap_seconds"] == pytest.approx(3.7, abs=0.1)
    assert silence["gap"] == "Corosync waited whether the node would answer (token and consensus timeouts)"
    fenced = next(row for row in timeline if row["event"] == "fencing_done")
    assert {told["source"] for told in fenced["told_by"]} == {"log", "trap", "poll"}
    down = answer["downtime"]
    assert sum(phase["seconds"] for phase in down["phases"]) == pytest.approx(down["seconds"])
    assert [phase["name"] for phase in down["phases"]] == ["noticing", "fencing", "starting"]


@pytest.mark.parametrize(
    ("language", "told"),
    [
        (
            "en",
            (
                "demo: </span>resources prmEx, prmFs, prmIp and 2 more failed over pm01 → pm02 (unplanned), down 9.8 s, NOT protected",
                "Do next</strong> <span>Check that users can work with",
                "Interruption of the service: 9.8 s",
                "noticing the fault and deciding took 6.9 s of 9.8 s",
                "3.7 s: Corosync waited whether the node would answer",
                "Told by: log of pm02",
            ),
        ),
        ("ja", ("次の対応", "サービス停止時間: 9.8 秒", "3.7 秒: Corosync がノードの応答を待っていた", "情報源: ログ（pm02）")),
    ],
)
async def test_the_page_says_all_in_its_first_line_and_explains_the_silences(
    client: httpx.AsyncClient, failover: Incident, language: str, told: tuple[str, ...]
) -> None:
    page = (await client.get(f"/incidents/demo/{failover.key}?lang={language}")).text
    assert [words for words in told if words not in page] == []


def test_a_cause_of_the_same_second_comes_before_what_a_log_of_whole_seconds_tells_of_it() -> None:
    whole = START.replace(microsecond=0)
    link = replace(entry(0, EventKind.LINK_DOWN, "pm02"), at=whole)
    died = replace(entry(0, EventKind.DAEMON_DIED, "pm01"), at=whole + timedelta(milliseconds=184))
    later = replace(died, at=whole + timedelta(seconds=1.2))
    assert in_causal_order([link, died]) == [died, link]
    assert in_causal_order([link, later]) == [link, later]
    exact = replace(link, at=whole + timedelta(milliseconds=10))
    assert in_causal_order([exact, died]) == [exact, died]


def test_what_is_made_of_a_failure_comes_after_it_where_its_own_log_tells_whole_seconds() -> None:
    whole = START.replace(microsecond=0)

    def seen(kind: EventKind, resource: str, milliseconds: int = 0) -> TimelineEntry:
        return replace(entry(0, kind, "pm01", resource), at=whole + timedelta(milliseconds=milliseconds))

    counted, reached = seen(EventKind.FAIL_COUNT_CHANGED, "prmPg"), seen(EventKind.THRESHOLD_REACHED, "prmPg")
    recover, move = seen(EventKind.PLAN, "prmPg"), seen(EventKind.PLAN, "prmEx")
    failed, stopped = seen(EventKind.OPERATION_FAILED, "prmPg", 856), seen(EventKind.RESOURCE_STOPPED, "prmPg", 950)
    made = [counted, recover, reached, move, seen(EventKind.OPERATION_STARTED, "prmPg")]
    assert in_causal_order([*made, failed, stopped]) == [failed, *made, stopped]
    # Another one's failure, a failure after what was done, and one of the next second are not what these are made of.
    other, early = seen(EventKind.OPERATION_FAILED, "prmFs", 856), replace(stopped, at=whole + timedelta(milliseconds=100))
    next_second = replace(failed, at=failed.at + timedelta(seconds=1))
    for apart in ([*made, other], [*made, early, failed], [*made, next_second]):
        assert in_causal_order(apart) == apart


@given(told=st.lists(entries, max_size=6))
def test_the_causal_order_loses_nothing_and_moves_nothing_by_more_than_a_second(told: list[TimelineEntry]) -> None:
    by_time = sorted(told, key=lambda item: item.at)
    found = in_causal_order(by_time)
    assert sorted(map(id, found)) == sorted(map(id, told))
    assert all(before.at - after.at < timedelta(seconds=1) for before, after in pairwise(found))


def event(at: float, kind: EventKind, node: str, source: Source, reporter: str | None) -> Event:
    moment = START + timedelta(seconds=at)
    return Event(
        at=moment, received_at=moment, cluster="c", kind=kind, rule="r", source=source, collector="x", node=node, reporter=reporter
    )


def test_a_witness_counts_for_the_nearest_entry_that_says_the_same() -> None:
    first, second = entry(0, EventKind.NODE_LOST, "pm01"), entry(60, EventKind.NODE_LOST, "pm01")
    heard = [
        event(0.2, EventKind.NODE_LOST, "pm01", Source.LOG, "pm03"),
        event(58, EventKind.NODE_LOST, "pm01", Source.TRAP, "pm02"),
        event(20, EventKind.NODE_LOST, "pm01", Source.POLL, None),
        event(0.1, EventKind.NODE_LOST, "pm02", Source.LOG, "pm03"),
        event(30, EventKind.NODE_LOST, "pm01", Source.TRAP, "pm02"),
    ]
    assert witnesses([first, second], heard) == [
        (Witness(source=Source.LOG, nodes=("pm03",)), Witness(source=Source.POLL, nodes=())),
        (Witness(source=Source.LOG, nodes=()), Witness(source=Source.TRAP, nodes=("pm02",))),
    ]


def rows_of(count: int) -> list[Row]:
    told = [entry(number / 10, EventKind.RESOURCE_STARTED, "pm01", f"prm{number}") for number in range(count)]
    return [Row(entry=one, gap_seconds=0.0, gap="", told_by=()) for one in told]


@pytest.mark.parametrize("count", [0, 1, FOLD_FROM, FOLD_FROM + 1, 200])
def test_a_long_timeline_folds_and_loses_nothing(count: int) -> None:
    rows = rows_of(count)
    found = stretches(rows, tell.most_telling([row.entry for row in rows], 24))
    assert [row for stretch in found for row in stretch.rows] == rows
    assert any(stretch.folded for stretch in found) is (count > FOLD_FROM)
    assert all(len(stretch.rows) > 2 for stretch in found if stretch.folded)


@pytest.mark.parametrize(("language", "fold"), [("en", r"<summary>entries folded: \d+, "), ("ja", r"<summary>ほか \d+ 件（")])
async def test_a_page_folds_a_long_timeline_and_still_holds_every_line(empty_history: SqlStore, language: str, fold: str) -> None:
    found = analyze([RECORDINGS / "fencing_failure_repaired"], rules(), Options(cluster="demo"))
    await empty_history.record(Recording(transitions=found.transitions, events=found.told))
    long = max((incident for incident in found.incidents if incident.part_of is None), key=lambda incident: len(incident.timeline))
    transport = httpx.ASGITransport(app=application(empty_history))
    async with httpx.AsyncClient(transport=transport, base_url="http://hamon") as client:
        page = (await client.get(f"/incidents/demo/{long.key}?lang={language}")).text
    assert page.count('<li class="fold">') == len(re.findall(fold, page)) > 2
    assert [one.raw for one in long.timeline if str(escape(one.raw)) not in page] == []


def test_a_silence_is_never_folded_away() -> None:
    rows = rows_of(80)
    rows[40] = replace(rows[40], gap_seconds=41.0, gap="the fencing was under way")
    found = stretches(rows, [])
    assert [stretch.folded for stretch in found if rows[40] in stretch.rows] == [False]


def test_the_timeline_of_the_whole_holds_those_of_its_parts(crash: Analysis, failover: Incident) -> None:
    parts = [incident for incident in crash.incidents if incident.part_of == failover.key]
    told = {(one.at, one.event, one.node, one.raw) for one in merged(failover, parts)}
    for part in parts:
        assert {(one.at, one.event, one.node, one.raw) for one in part.timeline} <= told
