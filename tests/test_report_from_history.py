"""`hamon report` and the downloads of the pages: the report of an incident from either database, the same as from the evidence itself."""

import re
from collections.abc import AsyncIterator
from pathlib import Path
from zoneinfo import ZoneInfo

import httpx
import pytest

from hamon.analyze import Analysis, Options, analyze
from hamon.cli import main
from hamon.model.incident import Incident
from hamon.model.observation import Source
from hamon.ports import Recording
from hamon.store import migrate
from hamon.store.store import SqlStore
from hamon.tell import document
from tests.cases import rules
from tests.fakes import FakeClock
from tests.postgresql import PostgresqlServer
from tests.recordings import RECORDINGS
from tests.web.conftest import application
from tests.web.story import NOW


@pytest.fixture(scope="module")
def crash() -> Analysis:
    return analyze([RECORDINGS / "kill_corosync_active"], rules(), Options(cluster="demo"))


def failover(found: Analysis) -> Incident:
    return next(incident for incident in found.incidents if incident.part_of is None)


@pytest.fixture(params=["sqlite", "postgresql"])
async def config(request: pytest.FixtureRequest, tmp_path: Path, crash: Analysis) -> AsyncIterator[Path]:
    """A configuration whose history holds the crash; it stays open for a writer, as while hamon runs."""
    if request.param == "sqlite":
        url = f"sqlite:///{tmp_path}/hamon.db"
        migrate.upgrade(url)
    else:
        server: PostgresqlServer = request.getfixturevalue("postgresql_server")
        url = server.new_database("migrated")
    store = SqlStore(url, clock=FakeClock(NOW))
    await store.record(Recording(transitions=crash.transitions))
    path = tmp_path / "hamon.toml"
    path.write_text(f'[store]\nurl = "{url}"\n\n[cluster.demo]\n\n[cluster.other]\n', encoding="utf-8")
    yield path
    await store.close()


@pytest.fixture
async def empty_store(tmp_path: Path) -> AsyncIterator[SqlStore]:
    url = f"sqlite:///{tmp_path}/empty.db"
    migrate.upgrade(url)
    store = SqlStore(url, clock=FakeClock(NOW))
    yield store
    await store.close()


def without_its_number(text: str) -> str:
    """The part about the first incident; its place in the document and what was read are not the same."""
    body = re.split(r"^## ", text, flags=re.MULTILINE)[2]
    return re.sub(r"^\d+\. ", "", body)


@pytest.mark.parametrize("language", ["en", "ja"])
def test_the_history_gives_the_report_that_the_evidence_gives(
    config: Path, crash: Analysis, language: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "report.md"
    given = ("report", failover(crash).key, "--config", str(config), "--language", language)
    assert main([*given, "--output", str(out)]) == 0
    written = out.read_text(encoding="utf-8")
    subject = document.Subject(cluster="demo", incidents=crash.incidents)
    assert without_its_number(written) == without_its_number(document.markdown(subject, language, ZoneInfo("UTC")))
    capsys.readouterr()
    assert main([*given, "--cluster", "demo"]) == 0
    assert without_its_number(capsys.readouterr().out) == without_its_number(written)


def test_a_part_gives_the_report_of_its_whole_as_one_page(config: Path, crash: Analysis, tmp_path: Path) -> None:
    part = next(incident for incident in crash.incidents if incident.part_of is not None)
    out = tmp_path / "report.html"
    assert main(["report", part.key, "--config", str(config), "--output", str(out)]) == 0
    page = out.read_text(encoding="utf-8")
    assert page.startswith("<!doctype html>")
    assert failover(crash).key in page
    assert "fencing took" in page


def test_a_key_that_does_not_exist_is_answered_with_those_that_do(
    config: Path, crash: Analysis, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["report", "no-such-key", "--config", str(config)]) == 1
    assert failover(crash).key in capsys.readouterr().err
    assert main(["report", failover(crash).key, "--cluster", "other", "--config", str(config)]) == 1
    assert "other" in capsys.readouterr().err


async def test_the_page_of_an_incident_offers_its_report(empty_store: SqlStore, crash: Analysis) -> None:
    await empty_store.record(Recording(transitions=crash.transitions))
    key = failover(crash).key
    transport = httpx.ASGITransport(app=application(empty_store))
    async with httpx.AsyncClient(transport=transport, base_url="http://hamon") as client:
        page = (await client.get(f"/incidents/demo/{key}?lang=ja")).text
        links = re.findall(r'href="(/clusters/demo/incidents/[^"]+/report\.(?:html|md)\?lang=ja)"', page)
        assert len(links) == 2
        html, text = [await client.get(link) for link in links]
        assert (html.headers["content-type"], text.headers["content-type"]) == ("text/html; charset=utf-8", "text/markdown; charset=utf-8")
        assert html.headers["content-disposition"].startswith('attachment; filename="hamon-demo-20261122-departure-pm01')
        assert html.text.startswith("<!doctype html>")
        assert text.text.startswith("# ")
        assert "フェイルオーバ" in text.text
        assert (await client.get("/clusters/demo/incidents/no-such-key/report.md")).status_code == 404


async def test_what_only_polls_saw_has_the_answers_before_it_as_bounds(empty_store: SqlStore) -> None:
    found = analyze([RECORDINGS / "kill_corosync_active"], rules(), Options(cluster="demo", sources=frozenset({Source.POLL})))
    incident = failover(found)
    assert incident.service_down_seconds is not None
    await empty_store.record(Recording(transitions=found.transitions))
    transport = httpx.ASGITransport(app=application(empty_store))
    async with httpx.AsyncClient(transport=transport, base_url="http://hamon") as client:
        text = (await client.get(f"/clusters/demo/incidents/{incident.key}/report.md")).text
    assert "an unknown time" in text  # no answer is in this history
