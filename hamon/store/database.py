"""Connections to SQLite and PostgreSQL, and what their errors mean to an operator.

SQLite runs in WAL mode with synchronous=FULL: a commit is on the disk when it returns, also through a power cut. With NORMAL the last
commits may be lost then, and with them a notification that was already sent would be sent again. FULL costs one fsync a batch.
PostgreSQL does the same by its default, synchronous_commit=on.
"""

import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Engine, create_engine, event, make_url
from sqlalchemy.engine import Connection
from sqlalchemy.exc import ArgumentError, DataError, DBAPIError, IntegrityError, SQLAlchemyError

from hamon.errors import StoreError, StoreRefusal

LOCK_TIMEOUT_SECONDS = 30
READ_TIMEOUT_SECONDS = 30
CONNECT_TIMEOUT_SECONDS = 10

# What has no adapter the driver asks each time in vain for a way to adapt it, which takes as long as to bind five values.
sqlite3.register_adapter(type(None), lambda nothing: nothing)
sqlite3.register_adapter(bool, int)

_REMEDY_NOT_MIGRATED = "run `hamon db upgrade`"


class Role(StrEnum):
    """What a connection is for. READ and OUTBOX may not write; READ is also stopped when a search takes too long."""

    WRITE = "write"
    OUTBOX = "outbox"
    READ = "read"
    MIGRATE = "migrate"


def parse_url(given: str) -> URL:
    """Check a database URL and choose its driver; raises StoreError, which does not repeat the URL."""
    try:
        url = make_url(given)
    except (ArgumentError, ValueError):  # ValueError: a port that is no number
        raise StoreError(
            "the database URL cannot be read; write it as sqlite:////path/to/hamon.db or postgresql://user:password@host/name "
            "(special characters of the password percent-encoded)"
        ) from None
    match url.drivername:
        case "sqlite" | "sqlite+pysqlite":
            if url.database in (None, "", ":memory:") or str(url.database).startswith("file:"):
                raise StoreError("SQLite needs a file for the history: write the URL as sqlite:////path/to/hamon.db")
            return url.set(drivername="sqlite+pysqlite")
        case "postgresql" | "postgres" | "postgresql+psycopg":
            return url.set(drivername="postgresql+psycopg")
        case other:
            raise StoreError(f"database {other!r} is not supported: use sqlite:// or postgresql://")


def sqlite_file(url: URL) -> Path | None:
    """The file of an SQLite database; None for PostgreSQL."""
    return Path(str(url.database)) if url.get_backend_name() == "sqlite" else None


def connect(url: URL, role: Role, size: int = 1) -> Engine:
    """An engine of at most `size` connections, which are opened when needed."""
    options: dict[str, Any] = {"pool_size": size, "max_overflow": 0, "hide_parameters": True}
    if url.get_backend_name() == "sqlite":
        arguments: dict[str, Any] = {"check_same_thread": False}
        if "timeout" not in url.query:
            arguments["timeout"] = LOCK_TIMEOUT_SECONDS
        engine = create_engine(url, connect_args=arguments, **options)
        _prepare_sqlite(engine, role)
        return engine
    settings = ["-c lock_timeout=30s"]
    if role is Role.READ:
        settings.append(f"-c statement_timeout={READ_TIMEOUT_SECONDS}s")
    if role in (Role.READ, Role.OUTBOX):
        settings.append("-c default_transaction_read_only=on")
    arguments = {
        "connect_timeout": CONNECT_TIMEOUT_SECONDS,
        "application_name": "hamon",
        "client_encoding": "utf8",
        "options": " ".join(settings),
        # A server that vanished without a word is noticed within a minute instead of two hours.
        "keepalives_idle": 30,
        "keepalives_interval": 10,
        "keepalives_count": 3,
    }
    try:
        # The ping costs a tenth of a millisecond and spares an error after a restart of the server.
        return create_engine(url, connect_args=arguments, pool_pre_ping=True, **options)
    except ModuleNotFoundError as err:
        raise StoreError("the driver for PostgreSQL is not installed: install hamon[postgresql]") from err


def _prepare_sqlite(engine: Engine, role: Role) -> None:
    # The driver would begin transactions by itself, and only at the first change: a transaction that reads first could then fail
    # with SQLITE_BUSY at once. So it is told to keep out (isolation_level None), and a writer takes its lock when it begins.
    begin = "BEGIN IMMEDIATE" if role in (Role.WRITE, Role.MIGRATE) else "BEGIN"

    @event.listens_for(engine, "connect")
    def configure(connection: sqlite3.Connection, _record: object) -> None:
        connection.isolation_level = None
        if role is Role.MIGRATE:
            # Both have an effect in a new file only, before it has a page, and the size none after the other one.
            # Rows of half a kilobyte and long records: twice the usual size costs a tenth less to write, and little more for a single row.
            connection.execute("PRAGMA page_size = 8192")
            # This lets `prune` give space back.
            connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
            _switch_to_wal(connection)
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA foreign_keys = ON")
        if role is Role.WRITE:
            connection.execute("PRAGMA cache_size = -8192")  # KiB; the pages that new index entries go to
            connection.execute("PRAGMA journal_size_limit = 67108864")
            connection.execute("PRAGMA wal_autocheckpoint = 500")  # pages: after 4 MiB, as where these have the usual size
        elif role in (Role.READ, Role.OUTBOX):
            connection.execute("PRAGMA query_only = ON")

    @event.listens_for(engine, "begin")
    def take(connection: Connection) -> None:
        connection.exec_driver_sql(begin)


def _switch_to_wal(connection: sqlite3.Connection) -> None:
    """Set WAL mode, which the file remembers; two processes that start together may meet here, where SQLite does not wait by itself."""
    deadline = time.monotonic() + LOCK_TIMEOUT_SECONDS
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError as err:
            if err.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                raise
        else:
            return


@contextmanager
def time_limit(connection: Connection, seconds: float = READ_TIMEOUT_SECONDS) -> Iterator[None]:
    """Stop a read on SQLite that takes too long; PostgreSQL does it by itself (statement_timeout)."""
    driver = connection.connection.driver_connection
    if not isinstance(driver, sqlite3.Connection):
        yield
        return
    deadline = time.monotonic() + seconds
    driver.set_progress_handler(lambda: time.monotonic() > deadline, 100_000)
    try:
        yield
    finally:
        driver.set_progress_handler(None, 0)


@contextmanager
def explained(url: URL) -> Iterator[None]:
    """Turn errors of the database into StoreError that says what to do."""
    try:
        yield
    except SQLAlchemyError as err:
        text = _scrub(_explain(err, url), url)
        if isinstance(err, DBAPIError) and err.orig is not None and _is_refusal(err, err.orig):
            # After it met a damaged page SQLite fails whatever else the transaction does (3.40).
            damaged = getattr(err.orig, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_CORRUPT
            raise StoreRefusal(text, _scrub(_short(err.orig), url), spoils=damaged) from err
        raise StoreError(text) from err


@contextmanager
def written(url: URL) -> Iterator[None]:
    """`explained`, for what is written: a record that cannot even be made a row is refused as well."""
    try:
        with explained(url):
            yield
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as err:
        said = _scrub(f"{type(err).__name__}: {_short(err)}", url)
        raise StoreRefusal(f"a record cannot be written ({said}): a defect of hamon; please report it", said) from err


_REFUSALS_SQLITE = frozenset(
    {sqlite3.SQLITE_TOOBIG, sqlite3.SQLITE_CONSTRAINT, sqlite3.SQLITE_MISMATCH, sqlite3.SQLITE_RANGE, sqlite3.SQLITE_CORRUPT}
)
_REFUSALS_POSTGRESQL = ("22", "23", "54", "P0001", "XX001", "XX002")
"""SQLSTATE: data exceptions, constraints, limits of the program, what a trigger raises, and a damaged page or index."""


def _is_refusal(err: DBAPIError, orig: BaseException) -> bool:
    """Whether it is about what is written, or about the page that it must go to: then trying again is useless.

    A damaged page refuses what goes there, and other tables may well go on.
    """
    if isinstance(err, IntegrityError | DataError):
        return True
    if isinstance(orig, sqlite3.Error):
        code = getattr(orig, "sqlite_errorcode", None)
        return (isinstance(code, int) and code & 0xFF in _REFUSALS_SQLITE) or "binding parameter" in str(orig)
    state = getattr(orig, "sqlstate", None)
    return state.startswith(_REFUSALS_POSTGRESQL) if isinstance(state, str) else "cannot adapt" in str(orig)


def _scrub(message: str, url: URL) -> str:
    return message.replace(str(url.password), "***") if url.password else message


def _explain(err: SQLAlchemyError, url: URL) -> str:
    if not isinstance(err, DBAPIError) or err.orig is None:
        return f"the database cannot be used: {err}"
    if isinstance(err, IntegrityError):
        return f"refused by the database, because it contradicts what is stored (a defect of hamon; please report it): {_short(err.orig)}"
    if isinstance(err.orig, sqlite3.Error):
        return _explain_sqlite(err.orig, sqlite_file(url))
    return _explain_postgresql(err.orig, url)


def _short(err: BaseException) -> str:
    return " ".join(str(err).split())[:500]


def _explain_sqlite(err: sqlite3.Error, file: Path | None) -> str:
    code = getattr(err, "sqlite_errorcode", None)
    match code & 0xFF if isinstance(code, int) else None:
        case sqlite3.SQLITE_FULL:
            return f"the disk of {file} is full: free space there, or keep less history (retention_days, max_size_mib)"
        case sqlite3.SQLITE_BUSY | sqlite3.SQLITE_LOCKED:
            return f"{file} is locked by another process: stop a second hamon, backup or sqlite3 shell that holds it"
        case sqlite3.SQLITE_CANTOPEN | sqlite3.SQLITE_PERM:
            return f"{file} cannot be opened: create its folder, and let the user that runs hamon write there"
        case sqlite3.SQLITE_READONLY:
            return f"{file} is read-only: let the user that runs hamon write the file and its folder"
        case sqlite3.SQLITE_CORRUPT | sqlite3.SQLITE_NOTADB:
            return f"{file} is damaged or no SQLite database: move it away, and restore a backup or start with an empty history"
        case sqlite3.SQLITE_IOERR:
            name = getattr(err, "sqlite_errorname", "")
            return f"reading or writing {file} failed ({name}): check the disk, its free space and the system log"
        case sqlite3.SQLITE_TOOBIG:
            return f"{file} takes no value of that size: {_short(err)}"
        case sqlite3.SQLITE_INTERRUPT:
            return f"the search took longer than {READ_TIMEOUT_SECONDS} s and was stopped: narrow it by time or cluster"
        case sqlite3.SQLITE_CONSTRAINT:
            return f"refused by the database, because it contradicts what is stored (a defect of hamon; please report it): {_short(err)}"
    if "no such table" in str(err) or "no such column" in str(err) or "has no column" in str(err):
        return f"{file} does not have the tables of this version ({_short(err)}): {_REMEDY_NOT_MIGRATED}"
    return f"SQLite refused to work on {file}: {_short(err)}"


def _explain_postgresql(err: BaseException, url: URL) -> str:
    where = f"PostgreSQL at {url.host or url.query.get('host', 'the local socket')}, database {url.database}"
    match getattr(err, "sqlstate", None):
        case "53100":
            return f"the disk of {where} is full: free space there, or keep less history (retention_days, max_size_mib)"
        case "42P01" | "42703" | "3F000":
            return f"{where} does not have the tables of this version: {_REMEDY_NOT_MIGRATED}"
        case "42501":
            return f"{where}: the user lacks a privilege ({_short(err)}): make it the owner of the database"
        case "25006":
            return f"{where} does not accept changes (a standby, or default_transaction_read_only): give the address of the primary"
        case "57014":
            return f"{where}: the search took longer than {READ_TIMEOUT_SECONDS} s and was stopped: narrow it by time or cluster"
        case "55P03":
            return f"{where}: another session holds a lock for more than 30 s: end it (see pg_stat_activity)"
        case "57P01" | "57P02" | "57P03":
            return f"{where} is starting or shutting down: it is tried again; start the server if it stays so"
        case None if "authentication failed" in str(err) or "no password" in str(err) or "pg_hba.conf" in str(err):
            # libpq gives no SQLSTATE for a connection that is refused, only the words of the server.
            return f"{where} refused the user or the password: check the URL and pg_hba.conf ({_short(err)})"
        case None if f'database "{url.database}" does not exist' in str(err):
            return f"{where} does not exist: create it (createdb --encoding UTF8 {url.database})"
        case None if "too many clients" in str(err) or "remaining connection slots" in str(err):
            return f"{where} has no connection left: raise max_connections, or close other clients"
        case None:
            return f"{where} cannot be reached: check that the server runs and the address is right ({_short(err)})"
        case state:
            return f"{where} refused to work (SQLSTATE {state}): {_short(err)}"
