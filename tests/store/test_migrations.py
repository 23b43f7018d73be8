"""Migrations make exactly the tables of tables.py, once, whoever starts first."""

import subprocess
import sys
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import inspect, text

from hamon.errors import StoreError
from hamon.ports import EventFilter, Recording
from hamon.store import migrate
from hamon.store.database import Role, connect, parse_url
from hamon.store.store import SqlStore
from hamon.store.tables import metadata
from tests.store.conftest import PostgresqlServer
from tests.store.samples import event


def differences(url: str) -> list[object]:
    engine = connect(parse_url(url), Role.OUTBOX)
    with engine.begin() as connection:
        found = compare_metadata(MigrationContext.configure(connection, opts={"compare_type": True}), metadata)
    engine.dispose()
    return list(found)


def tables(url: str) -> set[str]:
    engine = connect(parse_url(url), Role.OUTBOX)
    with engine.begin() as connection:
        found = set(inspect(connection).get_table_names())
    engine.dispose()
    return found


def revision_of(url: str) -> str:
    engine = connect(parse_url(url), Role.OUTBOX)
    with engine.begin() as connection:
        found: str = connection.execute(text("SELECT version_num FROM alembic_version")).scalar_one()
    engine.dispose()
    return found


def set_revision(url: str, revision: str) -> None:
    engine = connect(parse_url(url), Role.WRITE)
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = :revision"), {"revision": revision})
    engine.dispose()


def test_an_upgrade_from_nothing_gives_exactly_the_tables_of_the_program(empty_url: str) -> None:
    migrate.upgrade(empty_url)
    assert differences(empty_url) == []
    assert tables(empty_url) == {*metadata.tables, "alembic_version"}
    assert revision_of(empty_url) == migrate.head_revision()


def schema(url: str) -> object:
    """All that the database says of its tables."""
    engine = connect(parse_url(url), Role.OUTBOX)
    with engine.begin() as connection:
        seen = inspect(connection)
        found = [
            (
                name,
                [{key: str(value) for key, value in column.items()} for column in seen.get_columns(name)],
                seen.get_pk_constraint(name),
                sorted(str(key) for key in seen.get_foreign_keys(name)),
                sorted(str(index) for index in seen.get_indexes(name)),
            )
            for name in sorted(seen.get_table_names())
        ]
    engine.dispose()
    return found


def test_all_revisions_one_after_the_other_give_what_an_empty_database_is_given_at_once(empty_url: str) -> None:
    migrate.upgrade(empty_url)
    at_once = schema(empty_url)
    migrate.downgrade(empty_url, "base")
    assert tables(empty_url) == {"alembic_version"}
    migrate.upgrade(empty_url)
    assert differences(empty_url) == []
    assert schema(empty_url) == at_once


def test_a_difference_would_be_seen(empty_url: str) -> None:
    migrate.upgrade(empty_url)
    engine = connect(parse_url(empty_url), Role.WRITE)
    with engine.begin() as connection:
        connection.execute(text("DROP INDEX ix_events_at"))
        connection.execute(text("ALTER TABLE states ADD COLUMN more TEXT"))
    engine.dispose()
    assert len(differences(empty_url)) == 2


async def test_upgrading_again_changes_nothing(url: str) -> None:
    store = SqlStore(url)
    await store.record(Recording(events=[event()]))
    migrate.upgrade(url)
    assert len(await store.events(EventFilter())) == 1
    await store.close()


def test_the_first_revision_can_be_taken_back_and_applied_again(url: str) -> None:
    migrate.downgrade(url, "base")
    assert tables(url) == {"alembic_version"}
    migrate.upgrade(url)
    assert differences(url) == []


def test_processes_that_start_together_upgrade_once(empty_url: str) -> None:
    command = [sys.executable, "-c", f"from hamon.store import migrate; migrate.upgrade({empty_url!r})"]
    started = [subprocess.Popen(command, stderr=subprocess.PIPE, cwd=Path(__file__).parents[2]) for _ in range(4)]
    errors = [process.communicate(timeout=120)[1] for process in started]
    assert [process.returncode for process in started] == [0, 0, 0, 0], errors
    assert differences(empty_url) == []


async def test_a_database_newer_than_the_program_is_refused(url: str) -> None:
    set_revision(url, "9999")
    with pytest.raises(StoreError, match="newer than this program"):
        migrate.upgrade(url)
    store = SqlStore(url)
    with pytest.raises(StoreError, match="newer than this program"):
        await store.remembered()
    await store.close()


async def test_a_database_without_tables_is_refused_with_the_remedy(empty_url: str) -> None:
    store = SqlStore(empty_url)
    with pytest.raises(StoreError, match="hamon db upgrade"):
        await store.remembered()
    with pytest.raises(StoreError, match="hamon db upgrade"):
        await store.record(Recording(events=[event()]))
    with pytest.raises(StoreError, match="hamon db upgrade"):
        await store.events(EventFilter())
    await store.close()


def test_a_failed_upgrade_leaves_nothing_behind(empty_url: str) -> None:
    engine = connect(parse_url(empty_url), Role.MIGRATE)
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE states (x INTEGER)"))
    with pytest.raises(StoreError):
        migrate.upgrade(empty_url)
    assert tables(empty_url) - {"alembic_version"} == {"states"}
    with engine.begin() as connection:
        connection.execute(text("DROP TABLE states"))
    engine.dispose()
    migrate.upgrade(empty_url)
    assert differences(empty_url) == []


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"the folder of .*nosuch.* does not exist: create it"):
        migrate.upgrade(f"sqlite:///{tmp_path}/nosuch/hamon.db")


def test_a_postgresql_database_that_cannot_hold_every_line_is_refused(postgresql_server: PostgresqlServer) -> None:
    postgresql_server.execute("CREATE DATABASE narrow ENCODING 'SQL_ASCII' TEMPLATE template0 LOCALE 'C'")
    with pytest.raises(StoreError, match="--encoding UTF8"):
        migrate.upgrade(postgresql_server.url("narrow"))
