"""The API gives what the pages show, and errors as problems."""

from dataclasses import replace

import httpx
import pytest

from hamon.model.event import EventKind
from hamon.model.incident import IncidentKind, OwnWords
from hamon.ports import Recording
from hamon.store.store import SqlStore
from hamon.web.pages import incident_path
from tests.web.conftest import application, browse
from tests.web.story import EVIL, FAILOVER, NOW, PART, StillViews, steps

WHOLE = "/api/v1" + incident_path(FAILOVER)


async def test_an_incident_is_given_whole(client: httpx.AsyncClient) -> None:
    answer = (await client.get(WHOLE, params={"lang": "ja"})).json()
    assert answer["key"] == FAILOVER.key
    assert answer["headline"].startswith("[重大] web01: サービス grpPg フェイルオーバ pm01 → pm02")
    assert answer["started_at"] == "2026-11-22T11:10:21.400000Z"
    assert (answer["from_node"], answer["to_node"], answer["planned"], answer["redundancy"]) == ("pm01", "pm02", False, False)
    assert answer["cause"]["kind"] == "resource_failure"
    assert answer["timeline"][0]["event"] == "operation_failed"
    assert [part["key"] for part in answer["parts"]] == [PART.key]
    assert [step["sequence"] for step in answer["transitions"]] == [1, 2]
    assert {delivery["state"] for delivery in answer["deliveries"]} == {"sent", "failed"}
    assert answer["next_steps"]
    unplanned, active = answer["evidence"]
    assert (unplanned["verdict"], unplanned["text"]) == ("unplanned", "計画外と判定: 先に故障が発生している")
    assert [entry["raw"] for entry in unplanned["by"]] == [FAILOVER.timeline[0].raw]
    assert (active["verdict"], active["by"], active["polled_at"]) == ("on_active", [], answer["started_at"])


async def test_debts_are_given_with_age_and_reasons(client: httpx.AsyncClient) -> None:
    answer = (await client.get("/api/v1/debts", params={"lang": "ja"})).json()
    (debt,) = answer["debts"]
    assert debt["key"] == FAILOVER.key
    assert debt["debt_since"] == debt["service_restored_at"] is not None
    assert debt["debt_seconds"] == pytest.approx((NOW - (FAILOVER.debt_since or NOW)).total_seconds())
    assert "pm01" in debt["reasons_text"]
    assert debt["reasons"] == list(FAILOVER.reasons)
    assert (await client.get("/api/v1/debts", params={"cluster": "other"})).json()["debts"] == []


async def test_incidents_are_filtered_and_paged(client: httpx.AsyncClient) -> None:
    first = (await client.get("/api/v1/incidents", params={"limit": 3})).json()
    second = (await client.get("/api/v1/incidents", params={"limit": 3, "before": first["next_before"]})).json()
    keys = [incident["key"] for incident in first["incidents"] + second["incidents"]]
    assert len(keys) == len(set(keys)) == 4
    assert second["next_before"] is None
    assert len((await client.get("/api/v1/incidents", params={"parts": True})).json()["incidents"]) == 5
    only = (await client.get("/api/v1/incidents", params={"open": True, "kind": IncidentKind.FAILOVER})).json()
    assert [incident["key"] for incident in only["incidents"]] == [FAILOVER.key]


async def test_events_are_filtered_and_paged(client: httpx.AsyncClient) -> None:
    seen, before = [], None
    for _ in range(5):
        page = (await client.get("/api/v1/events", params={"limit": 4} | ({"before_id": before} if before else {}))).json()
        seen += [event["id"] for event in page["events"]]
        before = page["next_before_id"]
        if before is None:
            break
    assert len(seen) == len(set(seen)) == 10
    assert seen == sorted(seen, reverse=True)
    odd = (await client.get("/api/v1/events", params={"kind": EventKind.UNCLASSIFIED})).json()["events"]
    assert [event["raw"].endswith(EVIL) for event in odd] == [True]


async def test_clusters_and_sources_are_those_of_now(client: httpx.AsyncClient) -> None:
    clusters = (await client.get("/api/v1/clusters")).json()
    assert clusters["at"] == "2026-11-22T11:12:00Z"
    assert [service["able_to_take_over"] for service in clusters["clusters"][0]["services"]] == [[], ["pm02"]]
    sources = (await client.get("/api/v1/sources")).json()["sources"]
    assert [(source["path"], source["up"], source["reason"]) for source in sources][1] == ("/srv/mx2/ha-log", False, "no such file")


async def test_incidents_of_rules_of_ones_own_are_found_by_their_name(empty_history: SqlStore) -> None:
    views = StillViews()
    views.own = ("db_errors", "never_seen")
    step = steps(FAILOVER)[0]
    own = replace(step.incident, kind=IncidentKind.OTHER, name="db_errors", key="other-1", words={"en": OwnWords(title="errors")})
    longer = replace(own, name="db_errors_2", key="other-2")
    gone = replace(own, name="removed_rule", key="other-3")
    await empty_history.record(Recording(transitions=[step, *(replace(step, incident=one) for one in (own, longer, gone))]))
    async with browse(application(empty_history, views)) as client:

        async def keys(kind: str) -> list[str]:
            return [one["key"] for one in (await client.get("/api/v1/incidents", params={"kind": kind})).json()["incidents"]]

        assert await keys("db_errors") == ["other-1"]
        assert await keys("removed_rule") == ["other-3"]
        assert await keys("never_seen") == []
        assert sorted(await keys("other")) == ["other-1", "other-2", "other-3"]
        wrong = await client.get("/api/v1/incidents", params={"kind": "db_error"})
        assert wrong.status_code == 422
        assert "db_errors, " in wrong.json()["errors"][0]["message"]
        page = (await client.get("/incidents", params={"kind": "db_errors"})).text
        assert "other-1" in page
        assert "other-2" not in page
        assert '<option value="never_seen"' in page


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/api/v1/incidents/web01/nothing", 404),
        ("/api/v1/nowhere", 404),
        ("/api/v1/incidents?limit=0", 422),
        ("/api/v1/incidents?limit=100000", 422),
        ("/api/v1/incidents?kind=nonsense", 422),
        ("/api/v1/incidents?before=2026-11-22T11:00:00", 422),
        ("/api/v1/events?before_id=99999999999999999999999", 422),
        ("/api/v1/events?text=a%00b", 422),
        (f"/api/v1/events?text={'x' * 201}", 422),
        ("/api/v1/events?lang=fr", 422),
    ],
)
async def test_an_error_is_a_problem(client: httpx.AsyncClient, path: str, status: int) -> None:
    response = await client.get(path)
    assert response.status_code == status
    assert response.headers["content-type"] == "application/problem+json"
    problem = response.json()
    assert (problem["status"], problem["type"]) == (status, "about:blank")
    assert problem["title"]
    assert problem["detail"]
    assert ("errors" in problem) == (status == 422)


async def test_the_schema_names_every_endpoint_and_no_page(client: httpx.AsyncClient) -> None:
    schema = (await client.get("/api/v1/openapi.json")).json()
    assert set(schema["paths"]) == {
        "/api/v1/clusters",
        "/api/v1/clusters/{name}/state",
        "/api/v1/checks",
        "/api/v1/sources",
        "/api/v1/debts",
        "/api/v1/incidents",
        "/api/v1/incidents/{cluster}/{key}",
        "/api/v1/events",
    }
    assert (await client.get("/docs")).status_code == (await client.get("/redoc")).status_code == 404
