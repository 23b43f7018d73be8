"""Bring a database to the tables of this version, with the revisions in `migrations/`.

Safe when several processes start together: the first takes a lock, the others wait and find nothing left to do. All of an upgrade is one
transaction (both databases can create tables in one), so it takes place wholly or not at all.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from sqlalchemy import URL, Column, Connection, MetaData, PrimaryKeyConstraint, String, Table, insert, inspect, text

from hamon import data
from hamon.errors import StoreError
from hamon.store.database import Role, connect, explained, parse_url, sqlite_file
from hamon.store.tables import metadata

if TYPE_CHECKING:
    from alembic.config import Config

_ADVISORY_LOCK = 0x68616D6F6E  # "hamon"

# Alembic keeps the environment of a run in module variables.
_one_at_a_time = threading.Lock()


def upgrade(url: str) -> None:
    """Apply what is missing, up to the newest revision; does nothing when the database is there already.

    Blocks (use asyncio.to_thread on an event loop). Raises StoreError: unreachable, or newer than this program.
    """
    with _migrating(parse_url(url)) as connection:
        check(connection, may_be_old=True)
        if not inspect(connection).get_table_names():
            _create(connection)
        elif _revision(connection) != head_revision():
            from alembic import command  # takes its time and memory: only where there is something to do

            command.upgrade(_config(connection), "head")


def _create(connection: Connection) -> None:
    """Give an empty database the tables of today, which all revisions one after the other would give it (a test compares the two)."""
    metadata.create_all(connection)
    version = Column("version_num", String(32), nullable=False)
    table = Table("alembic_version", MetaData(), version, PrimaryKeyConstraint("version_num", name="alembic_version_pkc"))
    table.create(connection)
    connection.execute(insert(table).values(version_num=head_revision()))


def downgrade(url: str, revision: str) -> None:
    """Go back to an older revision ("base": no tables). What the older tables have no room for is gone."""
    from alembic import command

    with _migrating(parse_url(url)) as connection:
        check(connection, may_be_old=True)
        command.downgrade(_config(connection), revision)


def _revisions() -> list[str]:
    """All revisions, oldest first: the numbers with which the files begin."""
    return sorted(path.name[:4] for path in (data.folder("migrations") / "versions").glob("[0-9][0-9][0-9][0-9]_*.py"))


def head_revision() -> str:
    """The revision that this program works with."""
    return _revisions()[-1]


def check(connection: Connection, *, may_be_old: bool = False) -> None:
    """Raise StoreError, with the remedy, unless the database has the tables of this version."""
    revision, known = _revision(connection), _revisions()
    if revision == known[-1]:
        return
    if revision is not None and revision not in known:
        raise StoreError(
            f"the database is newer than this program (revision {revision} is unknown here): "
            "install the version of hamon that wrote it, or restore the backup that was made before"
        )
    if not may_be_old:
        found = f"is at revision {revision}" if revision else "has no tables yet"
        raise StoreError(f"the database {found}, this version needs {known[-1]}: run `hamon db upgrade`")


def draft(message: str) -> Path:
    """Write a new revision into `migrations/versions` from the difference between tables.py and the newest revision (for developers)."""
    from alembic import command

    with TemporaryDirectory() as folder:
        url = f"sqlite:///{folder}/draft.db"
        upgrade(url)
        with _migrating(parse_url(url)) as connection:
            number = f"{int(head_revision()) + 1:04d}"
            script = command.revision(_config(connection), message=message, autogenerate=True, rev_id=number)
            assert script is not None
            assert not isinstance(script, list)
            return Path(script.path)


def _config(connection: Connection) -> "Config":
    """Alembic's configuration, to work in the transaction of this connection."""
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(data.folder("migrations")).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    return config


def _revision(connection: Connection) -> str | None:
    """What Alembic's own table says."""
    if not inspect(connection).has_table("alembic_version"):
        return None
    return connection.execute(text("SELECT version_num FROM alembic_version")).scalar_one_or_none()


@contextmanager
def _migrating(url: URL) -> Iterator[Connection]:
    """A transaction that no other process migrates beside."""
    file = sqlite_file(url)
    if file is not None and not file.parent.is_dir():
        raise StoreError(f"the folder of {file} does not exist: create it, and let the user that runs hamon write there")
    engine = connect(url, Role.MIGRATE)
    try:
        with _one_at_a_time, explained(url), engine.begin() as connection:
            if file is None:
                _check_encoding(connection)
                connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _ADVISORY_LOCK})
            yield connection
    finally:
        engine.dispose()


def _check_encoding(connection: Connection) -> None:
    encoding = connection.execute(text("SHOW server_encoding")).scalar_one()
    if encoding != "UTF8":
        raise StoreError(
            f"the PostgreSQL database has the encoding {encoding}, which cannot hold every log line: "
            "create one with `createdb --encoding UTF8 --template template0`"
        )
