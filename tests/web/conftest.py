"""The application over a real SQLite history that holds the story."""

import shutil
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI

from hamon.expose.ha_cluster import RoleNames
from hamon.ports import Store, Views
from hamon.store import migrate
from hamon.store.store import SqlStore
from hamon.web.app import create
from hamon.web.exposition import Metrics
from hamon.web.settings import WebConfig
from tests.fakes import FakeClock
from tests.web.story import NOW, StillViews, recordings


@pytest.fixture(scope="session")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database file without rows, made once."""
    path = tmp_path_factory.mktemp("prepared") / "hamon.db"
    migrate.upgrade(f"sqlite:///{path}")
    return path


@pytest.fixture
async def empty_history(prepared: Path, tmp_path: Path) -> AsyncIterator[SqlStore]:
    """A history in which nothing has happened."""
    shutil.copyfile(prepared, tmp_path / "hamon.db")
    store = SqlStore(f"sqlite:///{tmp_path / 'hamon.db'}", clock=FakeClock(NOW))
    yield store
    await store.close()


@pytest.fixture
async def history(empty_history: SqlStore) -> SqlStore:
    """A history that holds the story."""
    for recording in recordings():
        await empty_history.record(recording)
    return empty_history


class StillMetrics:
    """Numbers that are what they are."""

    def __init__(
        self, chunks: Sequence[bytes] = (b"hamon_up 1\n",), drop_in: Mapping[tuple[str, RoleNames | None], bytes] | None = None
    ) -> None:
        self.chunks, self.drop_in = chunks, drop_in or {}

    def scrape(self) -> tuple[Sequence[bytes], str]:
        return self.chunks, "text/plain; version=1.0.0"

    async def ha_cluster(self, cluster: str, roles: RoleNames | None = None) -> bytes | None:
        return self.drop_in.get((cluster, roles))


def application(
    store: Store,
    views: Views | None = None,
    config: WebConfig | None = None,
    *,
    metrics: Metrics | None = None,
    ready: Callable[[], Sequence[str]] = lambda: (),
) -> FastAPI:
    return create(store, views or StillViews(), FakeClock(NOW), config or WebConfig(), metrics or StillMetrics(), ready)


def browse(app: FastAPI, language: str = "en") -> httpx.AsyncClient:
    """A client that asks the application directly."""
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    return httpx.AsyncClient(transport=transport, base_url="http://hamon.test", headers={"Accept-Language": language})


@pytest.fixture
async def client(history: SqlStore) -> AsyncIterator[httpx.AsyncClient]:
    async with browse(application(history)) as found:
        yield found
