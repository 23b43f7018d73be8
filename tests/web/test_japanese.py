"""Whoever reads Japanese is not left with English: only names and the cluster's own words stand in Latin letters, on pages and in mails."""

import html
import re
from collections.abc import Iterator
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from hamon.analyze import Analysis, Options, analyze, to_report
from hamon.model.observation import Polled, Source
from hamon.ports import IncidentFilter, Recording
from hamon.store.store import SqlStore
from hamon.tell import cause_text, report
from tests.cases import rules
from tests.snapshots import answers, snapshots
from tests.web.conftest import application, browse
from tests.web.story import StillViews

RECORDINGS = Path(__file__).parents[1] / "corpus" / "recordings"
ENGLISH = re.compile(r"[A-Za-z]+(?:,? [a-z]+)+\b")
"""Words in a row, all but the first in small letters: what people write, and no name."""


def english_in(text: str, own_words: str) -> Iterator[str]:
    """What is written in English and not what the cluster or a program said; commands in backticks are no text."""
    for found in ENGLISH.findall(re.sub(r"`[^`]*`", "", text)):
        if found not in own_words:
            yield found


def visible(page: str) -> str:
    """The text of a page, and what is shown or read out of its attributes; code is no text."""
    body = re.sub(r"(?s)<head>.*?</head>|<(script|style|code|pre)\b.*?</\1>", "", page)
    attributes = re.findall(r'(?:title|aria-label|placeholder|alt)="([^"]*)"', body)
    return html.unescape("\n".join([re.sub(r"<[^>]+>", "\n", body), *attributes]))


def analysed(name: str, source: Source) -> Analysis:
    return analyze([RECORDINGS / name], rules(), Options(sources=frozenset({source})))


@pytest.mark.parametrize(
    ("name", "source"),
    [("chronicle", Source.LOG), ("chronicle", Source.POLL), ("fencing_failure", Source.LOG), ("kill_attrd_active", Source.TRAP)],
)
async def test_pages_mails_and_reports_in_japanese_are_japanese(empty_history: SqlStore, name: str, source: Source) -> None:
    found = analysed(name, source)
    said = " ".join(" ".join([event.raw, *map(str, event.detail.values())]) for event in found.told)
    own_words = " ".join(said.split())
    await empty_history.record(Recording(events=found.told, transitions=found.transitions))
    async with browse(application(empty_history, StillViews((), ())), "ja") as client:
        texts = {}
        pages = ["/", "/incidents", "/events"]
        stored = await empty_history.incidents(IncidentFilter(include_parts=True, limit=1000))
        assert stored
        for path in [*pages, *(f"/incidents/{one.cluster}/{one.key}" for one in stored)]:
            answer = await client.get(path)
            assert answer.status_code == 200
            texts[path] = visible(answer.text)
    for step in found.transitions:
        texts[f"mail of {step.incident.key}, {step.sequence}"] = report(step, "ja", ZoneInfo("UTC"))[1]
    texts["report"] = to_report(found, ".md", "ja", "UTC")
    left = {where: words for where, text in texts.items() if (words := sorted(set(english_in(text, own_words))))}
    assert left == {}


@pytest.mark.parametrize(("name", "source"), [("chronicle", Source.LOG), ("standby_clone_failure", Source.POLL)])
@pytest.mark.parametrize("language", ["en", "ja"])
async def test_a_list_tells_the_cause_in_the_words_of_the_page(empty_history: SqlStore, name: str, source: Source, language: str) -> None:
    found = analysed(name, source)
    await empty_history.record(Recording(events=found.told, transitions=found.transitions))
    rows = await empty_history.incidents(IncidentFilter(include_parts=True, limit=1000))
    for row in rows:
        whole = await empty_history.incident(row.cluster, row.key)
        assert whole is not None
        if row.cause is not None:
            assert cause_text(row, language) == cause_text(whole, language)
    assert any(row.cause is not None for row in rows)


@pytest.mark.parametrize("name", ["chronicle", "fencing_failure", "maintenance", "standby_clone_failure", "switchover_move"])
async def test_the_page_of_a_cluster_in_japanese_is_japanese(empty_history: SqlStore, name: str) -> None:
    different = {snapshot.digest: snapshot for snapshot in snapshots(name)}
    own_words = " ".join(b" ".join(answers(name).values()).decode().split())
    left = set()
    for snapshot in [*different.values()][:12]:
        views = StillViews((), ())
        views.polls["web01"] = Polled(cluster="web01", snapshot=snapshot, since=snapshot.received_at)
        async with browse(application(empty_history, views), "ja") as client:
            answer = await client.get("/clusters/web01")
        assert answer.status_code == 200
        left |= set(english_in(visible(answer.text), own_words))
    assert left == set()
