"""The application over a real SQLite history that holds the story."""

from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI

from hamon.ports import Store, Views
from hamon.store import migrate
from hamon.store.store import SqlStore
from hamon.web.app import create
from hamon.web.settings import WebConfig
from tests.fakes import FakeClock
from tests.web.story import NOW, StillViews, recordings


@pytest.fixture
async def history(tmp_path: Path) -> AsyncIterator[SqlStore]:
    """A history that holds the story."""
    store = await empty_history(tmp_path)
    for recording in recordings():
        await store.record(recording)
    yield store
    await store.close()


async def empty_history(folder: Path) -> SqlStore:
    url = f"sqlite:///{folder / 'hamon.db'}"
    migrate.upgrade(url)
    return SqlStore(url, clock=FakeClock(NOW))


def application(
    store: Store,
    views: Views | None = None,
    config: WebConfig | None = None,
    *,
    metrics: Callable[[], tuple[bytes, str]] = lambda: (b"hamon_up 1\n", "text/plain; version=1.0.0"),
    ready: Callable[[], Sequence[str]] = lambda: (),
) -> FastAPI:
    return create(store, views or StillViews(), FakeClock(NOW), config or WebConfig(), metrics, ready)


def browse(app: FastAPI, language: str = "en") -> httpx.AsyncClient:
    """A client that asks the application directly."""
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    return httpx.AsyncClient(transport=transport, base_url="http://hamon.test", headers={"Accept-Language": language})


@pytest.fixture
async def client(history: SqlStore) -> AsyncIterator[httpx.AsyncClient]:
    async with browse(application(history)) as found:
        yield found
