"""The pages say what happened, in both languages, and show whatever stands in a log as text."""

import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import httpx
import pytest

from hamon import tell
from hamon.errors import StoreError
from hamon.model.delivery import Delivery
from hamon.model.incident import Incident, IncidentKind, IncidentState, Outcome, Severity, Transition, TransitionKind
from hamon.ports import Recording, Store
from hamon.store.store import SqlStore
from hamon.web.front import HISTORY_AWAY
from hamon.web.pages import _given, accepted_language, incident_path
from hamon.web.policy import ALWAYS
from hamon.web.settings import WebConfig
from tests.web.conftest import application, browse
from tests.web.story import CLUSTERS, EVIL, FAILOVER, PART, STANDBY_FAULT, START, StillViews

PAGES = ["/", "/clusters/web01", "/incidents", incident_path(FAILOVER), "/events", "/nowhere"]
NUL = chr(0)


class Reader(HTMLParser):
    """Collects elements and text, as a browser without JavaScript sees them."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]


async def read(client: httpx.AsyncClient, path: str, status: int = 200) -> Reader:
    response = await client.get(path)
    assert response.status_code == status
    return Reader(response.text)


async def test_the_overview_tells_the_failover_at_once(client: httpx.AsyncClient) -> None:
    text = (await read(client, "/")).text
    for words in (
        "1 service runs without protection",
        "service grpPg failed over pm01 → pm02 (unplanned)",
        "Down for 8.4 s",
        "NOT protected",
        "resource failure: prmPg on pm01 – Result of monitor operation for prmPg on pm01: error",
        "Do next Check that users can work with grpPg on pm02.",
        "Web shop database",
        "protected by pm02",
        "/srv/mx2/ha-log no such file",
        "Redundancy to restore",
        "for 1 min 30 s web01 service grpPg failed over pm01 → pm02 (unplanned) prmPg may not run on pm01 until its fail count is cleared",
    ):
        assert words in text


async def test_the_page_of_an_incident_says_why_it_is_held_so_with_the_lines(client: httpx.AsyncClient) -> None:
    text = (await read(client, incident_path(FAILOVER))).text
    for words in (
        "Why it is held so",
        "Unplanned: a fault came first 2026-11-22 11:10:21 pm01 log monitor of prmPg failed: error",
        "It hit the active node: the service was there (as polls up to 2026-11-22 11:10:21 show)",
    ):
        assert words in text


async def test_the_overview_speaks_japanese_when_asked(history: SqlStore) -> None:
    async with browse(application(history), language="ja,en;q=0.5") as client:
        text = (await read(client, "/")).text
    for words in (
        "1 件のサービスが冗長性なしで稼働中",
        "サービス grpPg フェイルオーバ pm01 → pm02",
        "停止時間 8.4 秒",
        "pm02 が引き継ぎ可能",
        "未回復の冗長性",
        "1 分 30 秒 経過",
    ):
        assert words in text


@pytest.mark.parametrize("language", tell.LANGUAGES)
@pytest.mark.parametrize("path", PAGES)
async def test_every_page_is_sound(client: httpx.AsyncClient, path: str, language: str) -> None:
    response = await client.get(path, params={"lang": language})
    page = Reader(response.text)
    assert page.all("html") == [{"lang": language}]
    assert len(page.all("h1")) == len(page.all("main")) == 1
    assert page.all("main")[0]["id"] == "content"
    assert page.all("a")[0] == {"class": "skip", "href": "#content"}
    assert all(cell.get("scope") in ("col", "row") for cell in page.all("th"))
    ids = [attributes["id"] for _, attributes in page.elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    labelled = {label.get("for") for label in page.all("label")}
    assert all(field["id"] in labelled for name in ("select", "input") for field in page.all(name) if field.get("type") != "checkbox")
    assert all("style" not in attributes and not any(key.startswith("on") for key in attributes) for _, attributes in page.elements)
    assert "{" not in page.text.replace(EVIL, "")
    addresses = [attributes.get(key) or "" for _, attributes in page.elements for key in ("src", "href", "action") if key in attributes]
    assert [address for address in addresses if not re.match(r"[/?#]", address) or address.startswith("//")] == []


@pytest.mark.parametrize("path", [*PAGES, "/static/hamon.css", "/healthz", "/metrics", "/api/v1/incidents", "/api/v1/nowhere"])
async def test_every_answer_carries_the_security_headers(client: httpx.AsyncClient, path: str) -> None:
    response = await client.get(path)
    assert {key: response.headers.get(key) for key in ALWAYS} == ALWAYS
    assert ("immutable" in response.headers["cache-control"]) == path.startswith("/static/")


async def test_a_hostile_log_line_is_only_text(client: httpx.AsyncClient) -> None:
    for path in (incident_path(FAILOVER), "/events", "/events?text=" + EVIL.replace("&", "%26")):
        page = await read(client, path)
        assert EVIL in page.text
        assert [script for script in page.all("script") if "src" not in script] == []
        assert page.all("img") == []


async def test_what_is_typed_into_a_form_is_only_text(client: httpx.AsyncClient) -> None:
    attack = '"><script>alert(1)</script>'
    page = Reader((await client.get("/events", params={"text": attack, "node": attack, "cluster": attack, "lang": attack})).text)
    assert page.all("script") == []
    assert {field.get("value") for field in page.all("input")} >= {attack}


async def test_an_incident_page_tells_the_whole_story(client: httpx.AsyncClient) -> None:
    page = await read(client, incident_path(FAILOVER))
    for words in (
        "Clear the failure of prmPg on pm01: pcs resource cleanup prmPg node=pm01",
        "monitor of prmPg failed: error (rc 1)",
        "7.5 s: prmPg was being started on pm02",
        "resource prmPg failed on pm01",
        "refused: 403",
        "(perhaps twice)",
        "Nov 22 11:10:21 pm01 pacemaker-controld[1530]: notice: Result of monitor operation",
        "service active on pm02",
        FAILOVER.key,
    ):
        assert words in page.text
    assert incident_path(PART) in {link["href"] for link in page.all("a")}


async def test_a_part_links_to_its_whole(client: httpx.AsyncClient) -> None:
    page = await read(client, incident_path(PART))
    assert incident_path(FAILOVER) in {link["href"] for link in page.all("a")}


async def test_times_are_local_and_machines_get_utc(history: SqlStore) -> None:
    async with browse(application(history, config=WebConfig(timezone="Asia/Tokyo"))) as client:
        html = (await client.get(incident_path(FAILOVER))).text
    assert '<time datetime="2026-11-22T11:10:21.400Z" title="2026-11-22T11:10:21.400Z">2026-11-22 20:10:21</time>' in html
    assert "20:10:21.400</time>" in html
    assert "All times in Asia/Tokyo" in html


async def test_an_incident_with_nothing_known_has_pages(empty_history: SqlStore) -> None:
    bare = [
        Incident(
            key=f"{kind}/{state}", cluster="c", kind=kind, severity=Severity.UNKNOWN, state=state, outcome=Outcome.NONE, detected_at=START
        )
        for kind in IncidentKind
        for state in IncidentState
    ]
    await empty_history.record(
        Recording(transitions=[Transition(at=START, kind=TransitionKind.OPENED, incident=one, sequence=1, reason="") for one in bare])
    )
    async with browse(application(empty_history, StillViews((), ()))) as client:
        for path in ("/", "/incidents", *map(incident_path, bare), *("/api/v1" + incident_path(one) for one in bare)):
            assert (await client.get(path)).status_code == 200, path


async def test_an_unknown_incident_is_not_found(client: httpx.AsyncClient) -> None:
    assert "There is no such page" in (await read(client, "/incidents/web01/nothing", 404)).text
    assert (await client.get(f"/incidents/web01/a%00b{'x' * 2000}")).status_code == 404


async def test_the_choice_of_language_is_remembered(client: httpx.AsyncClient) -> None:
    first = await client.get("/incidents", params={"cluster": "web01", "lang": "ja"})
    assert {"httponly", "samesite=lax"} <= set(first.headers["set-cookie"].lower().replace(" ", "").split(";"))
    again = Reader((await client.get("/")).text)
    assert again.all("html") == [{"lang": "ja"}]
    assert "?cluster=web01&lang=en" in {link["href"] for link in Reader(first.text).all("a")}


async def test_the_configured_language_wins_over_the_browser(history: SqlStore) -> None:
    async with browse(application(history, config=WebConfig(language="ja")), language="en") as client:
        assert (await read(client, "/")).all("html") == [{"lang": "ja"}]


@pytest.mark.parametrize(
    ("header", "language"),
    [
        ("", None),
        ("fr", None),
        ("ja", "ja"),
        ("ja-JP,ja;q=0.9,en;q=0.8", "ja"),
        ("en;q=0.5, ja;q=0.7", "ja"),
        ("fr, en-GB;q=0.2", "en"),
        ("ja;q=0, en;q=0.1", "en"),
        ("ja;q=nonsense, en", "en"),
    ],
)
def test_the_language_is_the_best_that_is_asked_for(header: str, language: str | None) -> None:
    assert accepted_language(header) == language


async def test_the_fragment_is_sent_again_only_when_it_changed(history: SqlStore) -> None:
    views = StillViews()
    async with browse(application(history, views)) as client:
        first = await client.get("/fragments/overview")
        same = await client.get("/fragments/overview", headers={"If-None-Match": first.headers["etag"]})
        views.now = (replace(CLUSTERS[0], services=(replace(CLUSTERS[0].services[0], up=False, active_node=None),)),)
        changed = await client.get("/fragments/overview", headers={"If-None-Match": first.headers["etag"]})
    assert (same.status_code, same.content) == (304, b"")
    assert changed.status_code == 200
    assert "1 service is down" in Reader(changed.text).text
    assert "<html" not in changed.text


@pytest.mark.parametrize(
    ("views", "words"),
    [
        (StillViews((), ()), "No cluster is configured"),
        (StillViews((replace(CLUSTERS[0], services=()),), ()), "Waiting for first evidence of services"),
        (StillViews((replace(CLUSTERS[0], services=CLUSTERS[0].services[1:]),), ()), "All services run and are protected"),
        (StillViews((replace(CLUSTERS[1], maintenance=False),), ()), "Not everything is known yet"),
        (StillViews(CLUSTERS[1:], ()), "Maintenance is going on"),
        (StillViews(CLUSTERS[1:]), "A source of evidence is silent"),
        (StillViews(), "1 service runs without protection"),
    ],
)
async def test_the_first_sentence_tells_the_worst(empty_history: SqlStore, views: StillViews, words: str) -> None:
    async with browse(application(empty_history, views)) as client:
        assert words in (await read(client, "/")).text


async def test_filters_narrow_the_list_of_incidents(client: httpx.AsyncClient) -> None:
    def keys(page: Reader) -> list[str]:
        return [link["href"] or "" for link in page.all("a") if (link["href"] or "").count("/") == 3]

    assert len(keys(await read(client, "/incidents"))) == 4
    assert keys(await read(client, "/incidents?open=1&cluster=web01&kind=")) == [incident_path(FAILOVER)]
    assert keys(await read(client, "/incidents?kind=standby_fault")) == [incident_path(STANDBY_FAULT)]
    assert "No incident matches" in (await read(client, "/incidents?cluster=other")).text


async def test_paging_shows_every_incident(empty_history: SqlStore) -> None:
    for number in range(70):
        # Pairs of one instant, so that a page may end between two of them.
        incident = replace(STANDBY_FAULT, key=f"k{number}", detected_at=START.replace(minute=(number + 1) // 2))
        step = Transition(at=START, kind=TransitionKind.OPENED, incident=incident, sequence=1, reason="")
        await empty_history.record(Recording(transitions=[step]))
    seen: set[str] = set()
    async with browse(application(empty_history)) as client:
        path: str | None = "/incidents"
        for _ in range(5):
            if path is None:
                break
            page = await read(client, path)
            seen |= {link["href"] or "" for link in page.all("a") if (link["href"] or "").startswith("/incidents/web01/")}
            path = next((link["href"] for link in page.all("a") if link.get("rel") == "next"), None)
    assert path is None
    assert len(seen) == 70


async def test_events_are_found_by_text_node_kind_and_time(client: httpx.AsyncClient) -> None:
    def rows(page: Reader) -> int:
        return len(page.all("summary"))

    assert rows(await read(client, "/events")) == 10
    assert rows(await read(client, "/events?text=MONITOR+operation")) == 1
    assert rows(await read(client, "/events?node=pm02&kind=resource_started&text=&cluster=")) == 2
    assert rows(await read(client, "/events?since=2026-11-22T11:10:25")) == 3
    assert rows(await read(client, "/events?until=2026-11-22T11:10:25&kind=nonsense")) == 7
    assert rows(await read(client, "/events?since=0001-01-01&until=9999-12-31T23:59:59&before_id=x")) == 10
    assert rows(await read(client, "/events?before_id=4")) == 3


class SilentHistory(SqlStore):
    """A history that does not answer."""

    async def incidents(self, wanted: Any) -> Any:
        raise StoreError("the database is locked; stop the other program that holds hamon.db")

    async def incident(self, cluster: str, key: str) -> Incident | None:
        raise StoreError("the database is locked; stop the other program that holds hamon.db")

    async def events(self, wanted: Any) -> Any:
        raise StoreError("the database is locked; stop the other program that holds hamon.db")

    async def deliveries(self, cluster: str, key: str) -> list[Delivery]:
        raise StoreError("the database is locked; stop the other program that holds hamon.db")


@pytest.mark.parametrize("path", ["/", "/incidents", "/incidents/web01/x", "/events", "/fragments/overview"])
async def test_a_history_that_does_not_answer_has_a_page_with_the_remedy(tmp_path: Path, path: str) -> None:
    store: Store = SilentHistory(f"sqlite:///{tmp_path / 'none.db'}")
    async with browse(application(store)) as client:
        page = await read(client, path, 503)
        assert "The history does not answer" in page.text
        assert "stop the other program that holds hamon.db" in page.text
        assert "Traceback" not in page.text
        problem = await client.get("/api/v1/incidents")
        assert (problem.status_code, problem.headers["retry-after"]) == (503, "5")
        assert problem.json()["detail"].startswith("the database is locked")
    await store.close()


async def test_a_defect_shows_no_traceback(history: SqlStore) -> None:
    class BrokenViews(StillViews):
        def clusters(self) -> Any:
            raise RuntimeError("secret detail")

    async with browse(application(history, BrokenViews())) as client:
        response = await client.get("/")
    assert response.status_code == 500
    assert "hamon has a defect" in response.text
    assert "secret detail" not in response.text
    assert response.headers["content-security-policy"] == ALWAYS["Content-Security-Policy"]


@pytest.mark.parametrize(("language", "words"), [("en", "The history cannot be written"), ("ja", "履歴を書き込めません")])
async def test_every_page_says_that_what_it_shows_may_be_old(history: SqlStore, language: str, words: str) -> None:
    reasons = [HISTORY_AWAY]
    async with browse(application(history, ready=lambda: reasons), language) as client:
        incident = (await client.get("/api/v1/incidents", params={"limit": 1})).json()["incidents"][0]
        paths = ["/", "/incidents", "/events", f"/incidents/{incident['cluster']}/{incident['key']}", f"/clusters/{incident['cluster']}"]
        paths += [f"/fragments{path}" for path in (paths[3], paths[4], "/overview")]
        assert [path for path in paths if words not in (await client.get(path)).text] == []
        reasons.clear()
        assert [path for path in paths if words in (await client.get(path)).text] == []


async def test_readiness_names_what_is_missing(history: SqlStore) -> None:
    reasons = ["the history is being upgraded"]
    async with browse(application(history, ready=lambda: reasons)) as client:
        waiting = await client.get("/readyz")
        reasons.clear()
        ready = await client.get("/readyz")
    assert (waiting.status_code, waiting.json()["reasons"]) == (503, ["the history is being upgraded"])
    assert (ready.status_code, ready.json()) == (200, {"status": "ready", "reasons": []})


async def test_metrics_are_passed_on_as_they_are(client: httpx.AsyncClient) -> None:
    response = await client.get("/metrics")
    assert (response.text, response.headers["content-type"]) == ("hamon_up 1\n", "text/plain; version=1.0.0")


async def test_nothing_is_changed_by_a_request(client: httpx.AsyncClient) -> None:
    for path in ("/", "/incidents", "/healthz", "/api/v1/incidents"):
        assert (await client.post(path)).status_code == 405
        assert (await client.delete(path)).status_code == 405


def test_no_control_character_is_taken_from_a_form() -> None:
    assert _given({"text": f"a{NUL}b"}, "text") is None
    assert _given({"text": "  "}, "text") is None
    assert _given({"text": " a "}, "text") == "a"
