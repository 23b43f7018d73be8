"""The state of a cluster on its page and in the API, now and at any past time."""

from datetime import timedelta

import httpx
import pytest

from hamon.model.observation import Polled
from hamon.ports import Recording
from hamon.store.store import SqlStore
from tests.snapshots import snapshots
from tests.web.conftest import application, browse
from tests.web.story import NOW, StillViews
from tests.web.test_pages import Reader, read

FIRST, *_, LAST = [item for item in snapshots("failover_resource") if item.path == "pm02"]


def known(number: int) -> Polled:
    snapshot = (FIRST, LAST)[number]
    return Polled(cluster="web01", snapshot=snapshot, since=snapshot.received_at)


@pytest.fixture
async def polled_history(history: SqlStore) -> SqlStore:
    lost = Polled(
        cluster="web01",
        snapshot=LAST,
        since=LAST.received_at,
        unknown_since=LAST.received_at + timedelta(seconds=60),
        reason="pm02: timeout",
    )
    await history.record(Recording(polls=[known(0)]))
    await history.record(Recording(polls=[known(1), lost]))
    return history


def views(polled: Polled) -> StillViews:
    found = StillViews()
    found.polls["web01"] = polled
    return found


async def test_the_page_of_a_cluster_shows_its_state(history: SqlStore) -> None:
    async with browse(application(history, views(known(1)))) as client:
        text = (await read(client, "/clusters/web01")).text
        for words in (
            "Web shop database",
            "Answered by pm02 at",
            "grpPg",
            "runs on pm02",
            "prmPg",
            "fail count 1 of 1 on pm01",
            "clnPrmPing / prmPing",
        ):
            assert words in text
        overview = await read(client, "/")
        assert {"href": "/clusters/web01"} in overview.all("a")
        assert "State unchanged since" in overview.text


async def test_the_page_speaks_japanese_when_asked(history: SqlStore) -> None:
    async with browse(application(history, views(known(1))), language="ja") as client:
        text = (await read(client, "/clusters/web01")).text
        for words in ("に応答（pm02）", "pm02 で稼働中", "失敗したアクションと故障回数", "クォーラム"):
            assert words in text


async def test_a_cluster_that_cannot_be_asked_is_shown_as_unknown_everywhere(history: SqlStore) -> None:
    polled = Polled(cluster="web01", snapshot=FIRST, since=FIRST.received_at, unknown_since=NOW, reason="pm01: key refused: ssh")
    async with browse(application(history, views(polled))) as client:
        page = await client.get("/clusters/web01")
        assert "NOT KNOWN since" in page.text
        assert 'class="chip ok"' not in page.text
        overview = (await read(client, "/")).text
        assert "State not known" in overview
        assert "pm01: key refused: ssh" in overview
        answer = (await client.get("/api/v1/clusters/web01/state")).json()
        assert (answer["known"], answer["reason"]) == (False, "pm01: key refused: ssh")
        assert answer["status"]["nodes"]


async def test_the_page_follows_the_state_by_fragments(history: SqlStore) -> None:
    shown = views(known(0))
    async with browse(application(history, shown)) as client:
        first = await client.get("/fragments/clusters/web01")
        assert first.status_code == 200
        again = await client.get("/fragments/clusters/web01", headers={"If-None-Match": first.headers["etag"]})
        assert again.status_code == 304
        shown.polls["web01"] = known(1)
        changed = await client.get("/fragments/clusters/web01", headers={"If-None-Match": first.headers["etag"]})
        assert changed.status_code == 200


async def test_the_state_at_a_past_time_is_shown(polled_history: SqlStore) -> None:
    async with browse(application(polled_history, views(known(1)))) as client:
        before = FIRST.received_at + (LAST.received_at - FIRST.received_at) / 2
        answer = (await client.get("/api/v1/clusters/web01/state", params={"at": before.isoformat()})).json()
        assert answer["known"]
        assert answer["status"]["failures"] == []
        assert answer["age_seconds"] == pytest.approx((before - FIRST.received_at).total_seconds())
        later = LAST.received_at + timedelta(hours=1)
        answer = (await client.get("/api/v1/clusters/web01/state", params={"at": later.isoformat()})).json()
        assert (answer["known"], answer["reason"]) == (False, "pm02: timeout")
        page = await read(client, f"/clusters/web01?at={before:%Y-%m-%dT%H:%M:%S}")
        assert "fail count" not in page.text
        assert page.all("script") == []  # the past does not change


@pytest.mark.parametrize(
    "path", ["/api/v1/clusters/nowhere/state", "/api/v1/clusters/web01/state?at=1999-01-01T00:00:00Z", "/api/v1/clusters/a%00b/state"]
)
async def test_what_was_never_asked_is_not_found(polled_history: SqlStore, path: str) -> None:
    async with browse(application(polled_history)) as client:
        assert (await client.get(path)).status_code == 404


async def test_a_cluster_that_is_not_polled_has_a_page_that_says_so(client: httpx.AsyncClient) -> None:
    assert "Not known: nothing was asked of this cluster" in (await read(client, "/clusters/web01")).text
    assert (await client.get("/clusters/nowhere")).status_code == 404


async def test_the_api_gives_what_the_schema_says(history: SqlStore) -> None:
    async with browse(application(history, views(known(1)))) as client:
        schema = (await client.get("/api/v1/openapi.json")).json()["components"]["schemas"]
        answer = (await client.get("/api/v1/clusters/web01/state")).json()
        assert set(answer) == set(schema["StateAnswer"]["properties"])
        assert set(answer["status"]) == set(schema["ClusterStatus"]["properties"])
        assert {item["id"] for item in answer["status"]["resources"]} >= {"grpPg", "clnPrmPing", "msPrmStateful"}


async def test_the_page_is_sound(history: SqlStore) -> None:
    async with browse(application(history, views(known(1)))) as client:
        page = Reader((await client.get("/clusters/web01")).text)
        assert len(page.all("h1")) == 1
        ids = [attributes["id"] for _, attributes in page.elements if "id" in attributes]
        assert len(ids) == len(set(ids))
