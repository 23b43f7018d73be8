"""Both databases for real: SQLite in a file, PostgreSQL as a private server."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from hamon.store import migrate
from hamon.store.store import SqlStore
from tests.fakes import FakeClock
from tests.postgresql import PASSWORD, PostgresqlServer

__all__ = ["PASSWORD", "PostgresqlServer"]


@pytest.fixture(params=["sqlite", "postgresql"])
def empty_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of a database without tables."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/hamon.db"
    server: PostgresqlServer = request.getfixturevalue("postgresql_server")
    return server.new_database()


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of a database with the tables of this version and no rows."""
    if request.param == "sqlite":
        url = f"sqlite:///{tmp_path}/hamon.db"
        migrate.upgrade(url)
        return url
    server: PostgresqlServer = request.getfixturevalue("postgresql_server")
    return server.new_database("migrated")


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
async def store(url: str, clock: FakeClock) -> AsyncIterator[SqlStore]:
    store = SqlStore(url, clock=clock)
    try:
        yield store
    finally:
        await store.close()
