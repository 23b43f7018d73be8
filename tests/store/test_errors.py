"""What goes wrong with a database is told with the remedy and without the password, and nothing is lost by it."""

import os
import secrets
import select
import shutil
import socket
import sqlite3
import subprocess
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import closing as closed_after
from pathlib import Path
from urllib.parse import quote

import psycopg
import pytest
from pydantic import ValidationError
from sqlalchemy import text
from sqlalchemy.event import listen, remove
from sqlalchemy.pool import Pool

from hamon.errors import StoreError
from hamon.ports import EventFilter, Recording
from hamon.store import migrate
from hamon.store.database import Role, connect, explained, parse_url, time_limit
from hamon.store.store import SqlStore, StoreConfig
from tests.peers import missing
from tests.store.conftest import PASSWORD, PostgresqlServer
from tests.store.samples import delivery, event, position, step


def chain(error: BaseException | None) -> str:
    """The text of an error and of all that caused it, as a traceback would show it."""
    words = ""
    while error is not None:
        words += f"{error!r} {error}\n"
        error = error.__cause__ or error.__context__
    return words


def closed_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


async def refused(url: str) -> str:
    """The error of a first use; checks that it never shows the password."""
    store = SqlStore(url)
    try:
        with pytest.raises(StoreError) as caught:
            await store.remembered()
    finally:
        await store.close()
    for secret in (PASSWORD, quote(PASSWORD, safe=""), "wrong-secret"):
        assert secret not in chain(caught.value)
    return str(caught.value)


async def test_an_unreachable_server_is_named(postgresql_server: PostgresqlServer) -> None:
    assert "cannot be reached" in await refused(postgresql_server.url("x", port=closed_port()))


async def test_a_wrong_password_is_named(postgresql_server: PostgresqlServer) -> None:
    assert "refused the user or the password" in await refused(postgresql_server.url("migrated", password="wrong-secret"))


async def test_a_missing_database_is_named(postgresql_server: PostgresqlServer) -> None:
    assert "createdb" in await refused(postgresql_server.url("nosuch"))


async def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    assert "cannot be opened: create its folder" in await refused(f"sqlite:///{tmp_path}/nosuch/hamon.db")


async def test_a_file_that_is_no_database_is_named(tmp_path: Path) -> None:
    (tmp_path / "hamon.db").write_text("not a database, " * 100)
    assert "damaged" in await refused(f"sqlite:///{tmp_path}/hamon.db")
    with pytest.raises(StoreError, match="damaged"):
        migrate.upgrade(f"sqlite:///{tmp_path}/hamon.db")


@pytest.mark.parametrize(
    "url",
    ["mysql://root:wrong-secret@localhost/x", "wrong-secret", "postgresql://u:wrong-secret@h:port/x", "sqlite://", "sqlite:///:memory:"],
)
def test_a_url_that_cannot_be_used_is_refused_without_repeating_it(url: str) -> None:
    with pytest.raises(StoreError) as caught:
        SqlStore(url)
    assert "wrong-secret" not in chain(caught.value)
    with pytest.raises(ValidationError) as invalid:
        StoreConfig.model_validate({"url": url})
    assert "wrong-secret" not in str(invalid.value)


async def test_a_locked_file_is_named_and_free_again_later(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/hamon.db?timeout=0.1"
    migrate.upgrade(url)
    store = SqlStore(url)
    with closed_after(sqlite3.connect(tmp_path / "hamon.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreError, match="locked by another process"):
            await store.record(Recording(events=[event()]))
        assert await store.events(EventFilter()) == []  # readers go on
        other.execute("ROLLBACK")
    await store.record(Recording(events=[event()]))
    assert len(await store.events(EventFilter())) == 1
    await store.close()


@pytest.mark.parametrize("role", [Role.READ, Role.OUTBOX])
def test_a_connection_for_reading_cannot_write(url: str, role: Role) -> None:
    engine = connect(parse_url(url), role)
    with pytest.raises(StoreError), explained(parse_url(url)), engine.begin() as connection:
        connection.execute(text("DELETE FROM events"))
    engine.dispose()


def test_a_search_that_takes_too_long_is_stopped(tmp_path: Path) -> None:
    url = parse_url(f"sqlite:///{tmp_path}/hamon.db")
    engine = connect(url, Role.READ)
    endless = text("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n")
    with pytest.raises(StoreError, match="narrow it"), explained(url), engine.begin() as connection, time_limit(connection, 0.05):
        connection.execute(endless).all()
    with engine.begin() as connection:
        assert connection.execute(text("SELECT 1")).scalar_one() == 1
    engine.dispose()


async def test_after_a_restart_of_the_server_the_store_goes_on(postgresql_server: PostgresqlServer) -> None:
    store = SqlStore(postgresql_server.new_database("migrated"))
    await store.record(Recording(events=[event(1)]))
    await store.events(EventFilter())
    postgresql_server.stop()
    with pytest.raises(StoreError, match=r"cannot be reached|starting or shutting down"):
        await store.record(Recording(events=[event(2)]))
    postgresql_server.start()
    await store.record(Recording(events=[event(2)]))
    assert len(await store.events(EventFilter())) == 2
    await store.close()


# --- A full disk ------------------------------------------------------------------------------------------------------


@pytest.fixture
def small_disk() -> Iterator[Path]:
    """A file system of 4 MiB."""
    folder = Path(tempfile.mkdtemp(prefix="hamon-small-disk-"))
    mounted = (
        os.getuid() == 0
        and not subprocess.run(
            ["mount", "-t", "tmpfs", "-o", "size=4m,mode=0777", "tmpfs", str(folder)], capture_output=True, check=False
        ).returncode
    )
    try:
        if not mounted:
            missing("a small file system needs the right to mount one")
        yield folder
    finally:
        if mounted:
            subprocess.run(["umount", str(folder)], check=True)
        folder.rmdir()


async def fill_then_make_room(store: SqlStore, make_room: Callable[[], None]) -> None:
    recorded = 0

    async def record_until_it_fails() -> None:
        nonlocal recorded
        while True:
            first = step(recorded + 1)
            await store.record(
                Recording(
                    events=[event(recorded, raw="x" * 5000, ref=secrets.token_hex(4000))],
                    transitions=[first],
                    deliveries=[delivery(first)],
                    positions=[position(offset=recorded)],
                )
            )
            recorded += 1

    with pytest.raises(StoreError, match=r"full: free space there"):
        await record_until_it_fails()
    assert recorded > 10
    assert [each.offset for each in (await store.remembered()).positions] == [recorded - 1]
    make_room()
    first = step(recorded + 1)
    await store.record(
        Recording(events=[event(recorded)], transitions=[first], deliveries=[delivery(first)], positions=[position(offset=recorded)])
    )
    assert len(await store.events(EventFilter(limit=20_000))) == recorded + 1
    assert [each.sequence for each in await store.transitions("pm01", first.incident.key)] == list(range(1, recorded + 2))
    assert [each.offset for each in (await store.remembered()).positions] == [recorded]


async def test_on_a_full_disk_nothing_is_lost(small_disk: Path) -> None:
    ballast = small_disk / "ballast"
    ballast.write_bytes(bytes(1024 * 1024))
    url = f"sqlite:///{small_disk}/hamon.db"
    migrate.upgrade(url)
    store = SqlStore(url)
    await fill_then_make_room(store, ballast.unlink)
    await store.close()


async def test_where_the_file_may_not_grow_nothing_is_lost(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/hamon.db"
    migrate.upgrade(url)
    connections: list[sqlite3.Connection] = []

    def limit(connection: sqlite3.Connection, _record: object) -> None:
        connection.execute("PRAGMA max_page_count = 500")
        connections.append(connection)

    def lift() -> None:
        for connection in connections:
            connection.execute("PRAGMA max_page_count = 1000000")

    listen(Pool, "connect", limit)
    try:
        store = SqlStore(url)
        await fill_then_make_room(store, lift)
        await store.close()
    finally:
        remove(Pool, "connect", limit)


async def test_on_a_full_disk_of_postgresql_nothing_is_lost(postgresql_server: PostgresqlServer, small_disk: Path) -> None:
    if os.getuid() == 0:
        shutil.chown(small_disk, user="postgres", group="postgres")
    ballast = small_disk / "ballast"
    ballast.write_bytes(bytes(1024 * 1024))
    url = postgresql_server.new_database("migrated")
    postgresql_server.execute(f"CREATE TABLESPACE small LOCATION '{small_disk}'")
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("ALTER TABLE events SET TABLESPACE small")
    store = SqlStore(url)
    await fill_then_make_room(store, ballast.unlink)
    await store.close()
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("DROP TABLE events")
    postgresql_server.execute("CHECKPOINT")
    postgresql_server.execute("DROP TABLESPACE small")


# --- A commit whose answer gets lost ----------------------------------------------------------------------------------


class CuttingProxy:
    """Passes bytes between clients and the server; when armed, cuts the connection at the next COMMIT of a client."""

    def __init__(self, server_port: int) -> None:
        self._server_port = server_port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.cut: str | None = None
        """"before": the server does not see the COMMIT; "after": it does, and its answer is dropped."""
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()

    def close(self) -> None:
        """Call when all clients are gone."""
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for thread in self._threads:
            thread.join(timeout=10)

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            self._threads.append(threading.Thread(target=self._pass, args=(client,)))
            self._threads[-1].start()

    def _pass(self, client: socket.socket) -> None:
        with client, socket.create_connection(("127.0.0.1", self._server_port)) as server:
            while True:
                ready, _, _ = select.select([client, server], [], [])
                for source in ready:
                    data = source.recv(65536)
                    if not data:
                        return
                    if source is client and b"COMMIT" in data and self.cut is not None:
                        when, self.cut = self.cut, None
                        if when == "after":
                            server.sendall(data)
                            server.recv(65536)  # committed
                        return
                    (server if source is client else client).sendall(data)


@pytest.mark.parametrize("when", ["before", "after"])
async def test_a_batch_whose_commit_got_no_answer_is_stored_once(postgresql_server: PostgresqlServer, when: str) -> None:
    url = postgresql_server.new_database("migrated")
    proxy = CuttingProxy(postgresql_server.port)
    store = SqlStore(url.replace(f":{postgresql_server.port}/", f":{proxy.port}/"))
    first = step(1)
    batch = Recording(events=[event(1)], transitions=[first], deliveries=[delivery(first)])
    try:
        await store.record(Recording(events=[event(0)]))
        proxy.cut = when
        with pytest.raises(StoreError):
            await store.record(batch)
        direct = SqlStore(url)
        assert len(await direct.events(EventFilter())) == (2 if when == "after" else 1)
        await direct.close()
        await store.record(batch)
        assert len(await store.events(EventFilter())) == 2
        assert await store.transitions("pm01", first.incident.key) == [first]
        await store.record(Recording(transitions=[step(2)]))
        assert await store.transitions("pm01", first.incident.key) == [first, step(2)]
    finally:
        await store.close()
        proxy.close()


# --- Configuration ----------------------------------------------------------------------------------------------------


def test_the_default_is_a_file_in_the_state_directory(tmp_path: Path) -> None:
    assert StoreConfig().database_url(tmp_path) == f"sqlite:///{tmp_path}/hamon.db"


def test_a_url_may_stand_in_a_file(tmp_path: Path) -> None:
    (tmp_path / "url").write_text("postgresql://u:p@h/x\n")
    assert StoreConfig(url_file=tmp_path / "url").database_url(tmp_path) == "postgresql://u:p@h/x"
