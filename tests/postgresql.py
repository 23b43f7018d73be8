"""A private PostgreSQL server for tests."""

import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from urllib.parse import quote

import psycopg
import pytest

from hamon.store import migrate
from tests.peers import need

PASSWORD = "s3cret/with %:@"
_numbers = count(1)


class PostgresqlServer:
    """A server on 127.0.0.1 with its data in a folder of its own. PostgreSQL refuses to run as root, so root hands it to another user."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._initdb, self._control = need("initdb"), need("pg_ctl")
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port: int = probe.getsockname()[1]
        if os.getuid() == 0:
            shutil.chown(folder, user="postgres", group="postgres")
        words = folder / "password"
        words.write_text(PASSWORD)
        words.chmod(0o644)
        self._run(
            [self._initdb, "-D", "data", "-U", "hamon", "-E", "UTF8", "--locale=C.UTF-8", "-A", "scram-sha-256", "--pwfile", "password"]
        )

    def _run(self, command: list[str]) -> None:
        user = {"user": "postgres", "group": "postgres"} if os.getuid() == 0 else {}
        with (self._folder / "log").open("ab") as output:
            subprocess.run(command, cwd=self._folder, check=True, stdout=output, stderr=output, **user)  # type: ignore[call-overload]

    def start(self) -> None:
        options = f"-c listen_addresses=127.0.0.1 -c port={self.port} -c unix_socket_directories= -c max_connections=50"
        self._run([self._control, "-D", "data", "-w", "-l", "server.log", "-o", options, "start"])

    def stop(self) -> None:
        self._run([self._control, "-D", "data", "-w", "-m", "immediate", "stop"])

    def url(self, database: str, password: str = PASSWORD, port: int | None = None) -> str:
        return f"postgresql://hamon:{quote(password, safe='')}@127.0.0.1:{port or self.port}/{database}"

    def execute(self, statement: str) -> None:
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            connection.execute(statement.encode())

    def new_database(self, template: str = "template0") -> str:
        """Create a database and return its URL."""
        name = f"test{next(_numbers)}"
        self.execute(f"CREATE DATABASE {name} ENCODING 'UTF8' TEMPLATE {template}")
        return self.url(name)


@pytest.fixture(scope="session")
def postgresql_server() -> Iterator[PostgresqlServer]:
    folder = Path(tempfile.mkdtemp(prefix="hamon-postgresql-"))
    try:
        server = PostgresqlServer(folder)
        server.start()
        try:
            first = server.new_database()
            migrate.upgrade(first)
            server.execute(f"ALTER DATABASE {first.rpartition('/')[2]} RENAME TO migrated")
            yield server
        finally:
            server.stop()
    finally:
        shutil.rmtree(folder)
