"""How metrics are handed over: whole, compressed where it is wanted, and without holding up other requests."""

import asyncio
import gzip
import random

import httpx
import pytest
from prometheus_client import CollectorRegistry
from prometheus_client.parser import text_string_to_metric_families

from hamon.expose.ha_cluster import RoleNames
from hamon.metrics import Metrics, Scraper
from hamon.store.store import SqlStore
from hamon.web.exposition import takes_gzip
from tests.web.conftest import StillMetrics, application, browse


@pytest.mark.parametrize(
    ("header", "taken"),
    [
        ("gzip", True),
        ("", False),
        ("identity", False),
        ("deflate, gzip;q=1.0, *;q=0.5", True),
        ("GZIP ; q=0.1", True),
        ("x-gzip", True),
        ("*", True),
        ("gzip;q=0", False),
        ("gzip;q=0, *", False),
        ("gzip;q=...", False),
        ("brgzip", False),
    ],
)
def test_gzip_is_given_to_whom_takes_it(header: str, taken: bool) -> None:
    assert takes_gzip(header) is taken


def lines(count: int) -> list[bytes]:
    """An exposition in pieces of very different size."""
    chance = random.Random(1)
    text = [f'hamon_x{{n="{number}",v="{chance.random()}"}} 1\n'.encode() for number in range(count)]
    return [b"".join(text[: count // 2]), *text[count // 2 :]]


@pytest.mark.parametrize("count", [0, 10, 1000, 60_000])
@pytest.mark.parametrize("encoding", ["gzip", "identity"])
async def test_what_arrives_is_what_was_given(count: int, encoding: str, empty_history: SqlStore) -> None:
    chunks = lines(count)
    async with browse(application(empty_history, metrics=StillMetrics(chunks))) as client:
        answer = await client.get("/metrics", headers={"Accept-Encoding": encoding})
        head = await client.head("/metrics", headers={"Accept-Encoding": encoding})
    assert (answer.status_code, head.status_code) == (200, 200)
    assert answer.content == b"".join(chunks)
    assert answer.headers["content-type"] == "text/plain; version=1.0.0"
    assert answer.headers["vary"] == "Accept-Encoding"
    assert (answer.headers.get("content-encoding") == "gzip") == (encoding == "gzip" and count > 10)


@pytest.mark.parametrize(
    "accept", ["application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5,*/*;q=0.1", "application/vnd.google.protobuf"]
)
async def test_whoever_asks_for_another_format_has_the_text_format_and_is_told_so(accept: str, empty_history: SqlStore) -> None:
    metrics = Scraper(Metrics(CollectorRegistry(), "0.1.0"), empty_history, asyncio.get_running_loop(), 5)
    async with browse(application(empty_history, metrics=metrics)) as client:
        answer = await client.get("/metrics", headers={"Accept": accept})
    assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert "hamon_build_info" in {family.name for family in text_string_to_metric_families(answer.text)}


async def test_a_large_exposition_is_one_gzip_stream(empty_history: SqlStore) -> None:
    chunks = lines(60_000)
    async with (
        browse(application(empty_history, metrics=StillMetrics(chunks))) as client,
        client.stream("GET", "/metrics", headers={"Accept-Encoding": "gzip"}) as answer,
    ):
        raw = b"".join([piece async for piece in answer.aiter_raw()])
    assert gzip.decompress(raw) == b"".join(chunks)


async def test_others_are_answered_while_a_large_exposition_is_on_its_way(empty_history: SqlStore) -> None:
    """The event loop takes its turns while megabytes are compressed."""
    app = application(empty_history, metrics=StillMetrics([line * 50_000 for line in lines(20)[1:]]))
    turns = 0

    async def count() -> None:
        nonlocal turns
        while True:
            await asyncio.sleep(0)
            turns += 1

    counting = asyncio.create_task(count())
    async with browse(app) as client:
        answer = await client.get("/metrics", headers={"Accept-Encoding": "gzip"})
    counting.cancel()
    assert len(answer.content) > 10_000_000
    assert turns > 20


async def test_the_metrics_of_one_cluster_as_the_exporter_gives_them(empty_history: SqlStore) -> None:
    metrics = StillMetrics(drop_in={("pg", None): b"new\n", ("pg", RoleNames.OLD): b"old\n"})
    async with browse(application(empty_history, metrics=metrics)) as client:
        assert (await client.get("/metrics/ha_cluster?cluster=pg")).text == "new\n"
        assert (await client.get("/metrics/ha_cluster?cluster=pg&roles=old")).text == "old\n"
        missing = await client.get("/metrics/ha_cluster?cluster=nowhere")
        unnamed = await client.get("/metrics/ha_cluster")
        wrong = await client.get("/metrics/ha_cluster?cluster=pg&roles=ancient")
    assert (missing.status_code, unnamed.status_code, wrong.status_code) == (404, 404, 422)
    assert "?cluster=NAME" in missing.text
    assert "new or old" in wrong.text


async def test_a_defect_in_the_numbers_is_an_error_and_no_half_answer(empty_history: SqlStore) -> None:
    class Broken(StillMetrics):
        async def ha_cluster(self, cluster: str, roles: RoleNames | None = None) -> bytes | None:
            raise RuntimeError("defect")

    async with browse(application(empty_history, metrics=Broken())) as client:
        answer: httpx.Response = await client.get("/metrics/ha_cluster?cluster=pg")
    assert answer.status_code == 500
