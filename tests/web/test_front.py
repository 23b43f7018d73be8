"""What answers until the pages are loaded says what they say."""

import threading

import httpx
import pytest
from fastapi import FastAPI

from hamon.store.store import SqlStore
from hamon.web.front import Front
from tests.web.conftest import application


def client_of(front: Front) -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=httpx.ASGITransport(front), base_url="http://hamon.test")


@pytest.mark.parametrize("reasons", [(), ("the history is not open yet",)])
async def test_whether_hamon_is_ready_is_told_before_the_pages_are_there_and_in_their_words(
    empty_history: SqlStore, reasons: tuple[str, ...]
) -> None:
    built: list[FastAPI] = []

    def build() -> FastAPI:
        built.append(application(empty_history, ready=lambda: reasons))
        return built[-1]

    async with client_of(Front(lambda: reasons, build)) as client:
        before = [await client.request(method, path) for path in ("/healthz", "/readyz") for method in ("GET", "HEAD")]
        assert not built
        assert (await client.get("/nowhere")).status_code == 404
        after = [await client.request(method, path) for path in ("/healthz", "/readyz") for method in ("GET", "HEAD")]
    assert len(built) == 1
    for one, other in zip(before, after, strict=True):
        assert (one.status_code, one.content, dict(one.headers)) == (other.status_code, other.content, dict(other.headers))


async def test_the_pages_are_built_once_and_beside_the_loop(empty_history: SqlStore) -> None:
    threads: list[int] = []

    def build() -> FastAPI:
        threads.append(threading.get_ident())
        return application(empty_history)

    front = Front(lambda: (), build)
    loading = front.load()
    async with client_of(front) as client:
        assert (await client.get("/")).status_code == 200
        assert (await client.get("/incidents")).status_code == 200
    assert loading.done()
    assert len(threads) == 1
    assert threads[0] != threading.get_ident()


async def test_pages_that_cannot_be_loaded_are_said_to_be_broken_while_hamon_is_alive(caplog: pytest.LogCaptureFixture) -> None:
    def build() -> FastAPI:
        raise RuntimeError("a defect")

    async with client_of(Front(lambda: (), build)) as client:
        assert (await client.get("/readyz")).status_code == 200
        answer = await client.get("/")
        assert answer.status_code == 500
        assert "its log tells more" in answer.text
        assert (await client.get("/healthz")).json() == {"status": "ok"}
    assert "the pages cannot be loaded" in caplog.text
