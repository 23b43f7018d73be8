"""A record that the database will never take is left out and kept in a file; all else of its batch is stored, in one transaction."""

import json
import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest

from hamon.errors import StoreError, StoreRefusal
from hamon.model.incident import IncidentState
from hamon.ports import EventFilter, IncidentFilter, Recording, RecordKind, Refused
from hamon.store import refused
from hamon.store.store import SqlStore
from tests.fakes import FakeClock
from tests.store.samples import delivery, event, position, step

POISON = "what this database will never take"


def statement(url: str, sqlite: str, postgresql: str) -> None:
    """Change a database by hand, as its administrator could."""
    if url.startswith("sqlite"):
        with closing(sqlite3.connect(url.removeprefix("sqlite:///"))) as connection:
            connection.execute(sqlite)
            connection.commit()
    else:
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute(postgresql.encode())


def refuse(url: str, table: str, column: str, words: str = POISON) -> None:
    """Let the database refuse rows of a table that hold these words."""
    statement(
        url,
        f"CREATE TRIGGER refuse_{table} BEFORE INSERT ON {table} WHEN NEW.{column} LIKE '%{words}%' "
        "BEGIN SELECT RAISE(ABORT, 'not this one'); END",
        f"ALTER TABLE {table} ADD CONSTRAINT refuse_{table} CHECK ({column} NOT LIKE '%{words}%')",
    )


@pytest.fixture
def keeping(url: str, tmp_path: Path) -> Callable[[], SqlStore]:
    return lambda: SqlStore(url, clock=FakeClock(), set_aside=tmp_path / "state")


def kept(folder: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in (folder / "state" / refused.FILE).read_text().splitlines()]


async def test_of_many_events_only_those_that_are_refused_are_left_out(url: str, keeping: Callable[[], SqlStore], tmp_path: Path) -> None:
    refuse(url, "events", "raw")
    batch = Recording(
        events=[event(number, raw=POISON if number in (3, 40) else f"line {number}", ref=f"/log@{number}") for number in range(50)],
        positions=[position()],
        states={"pm01": b"{}"},
    )
    store = keeping()
    try:
        with pytest.raises(StoreRefusal):
            await store.record(batch)
        assert await store.events(EventFilter()) == []
        left_out = await store.record_what_is_taken(batch)
        stored = [item.event.ref for item in await store.events(EventFilter(limit=100))]
        assert stored == [f"/log@{number}" for number in reversed(range(50)) if number not in (3, 40)]
        remembered = await store.remembered()
        assert (remembered.positions, remembered.states) == ([position()], {"pm01": b"{}"})
    finally:
        await store.close()
    assert [(one.what, one.cluster, one.about) for one in left_out] == [
        (RecordKind.EVENT, "pm01", "/log@3"),
        (RecordKind.EVENT, "pm01", "/log@40"),
    ]
    lines = kept(tmp_path)
    assert [(line["about"], line["reason"]) for line in lines] == [(one.about, one.reason) for one in left_out]
    assert [line["record"]["raw"] for line in lines] == [POISON, POISON]  # type: ignore[index]
    assert {one.kept for one in left_out} == {str(tmp_path / "state" / refused.FILE)}
    assert (tmp_path / "state" / refused.FILE).stat().st_mode & 0o777 == 0o600


async def test_a_value_that_no_column_holds_is_left_out(keeping: Callable[[], SqlStore]) -> None:
    """An offset of more than 63 bits: Python's driver for SQLite and PostgreSQL refuse it in different ways."""
    store = keeping()
    try:
        batch = Recording(events=[event()], positions=[replace(position(), offset=2**63)])
        with pytest.raises(StoreRefusal):
            await store.record(batch)
        (one,) = await store.record_what_is_taken(batch)
        assert (one.what, one.about) == (RecordKind.POSITION, position().path)
        assert len(await store.events(EventFilter())) == 1
        assert (await store.remembered()).positions == []
    finally:
        await store.close()


async def test_a_step_that_is_refused_takes_its_notification_along_and_the_next_step_stands_alone(
    url: str, keeping: Callable[[], SqlStore]
) -> None:
    refuse(url, "transitions", "timeline", "line 2")
    steps = [step(number) for number in (1, 2, 3)]
    batch = Recording(transitions=steps, deliveries=[delivery(one) for one in steps])
    store = keeping()
    try:
        left_out = await store.record_what_is_taken(batch)
        said = [one.what for one in left_out]
        assert sorted(said) == sorted([RecordKind.STEP, RecordKind.DELIVERY] * (len(said) // 2))
        assert said
        gone = {one.about for one in left_out}
        cluster, key = steps[0].incident.cluster, steps[0].incident.key
        stored = list(await store.transitions(cluster, key))
        assert stored == [one for one in steps if f"{key}, step {one.sequence}" not in gone]
        assert [one.transition for one in await store.deliveries(cluster, key)] == stored
    finally:
        await store.close()


async def test_what_contradicts_what_is_stored_is_left_out(keeping: Callable[[], SqlStore]) -> None:
    store = keeping()
    try:
        first = step(1)
        await store.record(Recording(transitions=[first]))
        left_out = await store.record_what_is_taken(Recording(transitions=[first], events=[event()]))
        assert [one.what for one in left_out] == [RecordKind.STEP]
        assert list(await store.transitions(first.incident.cluster, first.incident.key)) == [first]
        assert len(await store.incidents(IncidentFilter())) == (first.incident.state is IncidentState.OPEN)
    finally:
        await store.close()


async def test_a_damaged_page_refuses_what_goes_there_and_nothing_else(tmp_path: Path) -> None:
    """The root page of the table of events is overwritten, as a broken disk may do."""
    from hamon.store import migrate

    file = tmp_path / "hamon.db"
    migrate.upgrade(f"sqlite:///{file}")
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        (page,) = connection.execute("SELECT rootpage FROM sqlite_schema WHERE name = 'events'").fetchone()
        (size,) = connection.execute("PRAGMA page_size").fetchone()
    with file.open("r+b") as disk:
        disk.seek((page - 1) * size)
        disk.write(b"\xff" * size)
    store = SqlStore(f"sqlite:///{file}", clock=FakeClock(), set_aside=tmp_path)
    try:
        batch = Recording(events=[event()], transitions=[step(1)], positions=[position()])
        with pytest.raises(StoreRefusal, match="damaged"):
            await store.record(batch)
        left_out = await store.record_what_is_taken(batch)
        assert [one.what for one in left_out] == [RecordKind.EVENT]
        assert len(await store.incidents(IncidentFilter())) == 1
        assert (await store.remembered()).positions == [position()]
    finally:
        await store.close()


async def test_a_database_that_is_locked_or_not_migrated_has_refused_nothing(empty_url: str, tmp_path: Path) -> None:
    store = SqlStore(empty_url, set_aside=tmp_path)
    try:
        for attempt in (store.record, store.record_what_is_taken):
            with pytest.raises(StoreError) as caught:
                await attempt(Recording(events=[event()]))
            assert not isinstance(caught.value, StoreRefusal)
        assert not (tmp_path / refused.FILE).exists()
    finally:
        await store.close()


def test_the_file_of_what_was_refused_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(refused, "MAX_BYTES", 10_000)
    aside = refused.SetAside(tmp_path, FakeClock())
    for number in range(60):
        long = event(number, raw="x" * 1000, ref=f"/log@{number}")
        (found,) = aside.keep([(refused.atoms(Recording(events=[long]))[0], "too large")])
        assert found == Refused(what=RecordKind.EVENT, cluster="pm01", about=f"/log@{number}", reason="too large", kept=found.kept)
    sizes = [path.stat().st_size for path in tmp_path.iterdir()]
    assert len(sizes) == 2
    assert max(sizes) < 12_000
    assert json.loads((tmp_path / refused.FILE).read_text().splitlines()[-1])["about"] == "/log@59"


def test_a_file_that_cannot_be_written_stops_nothing(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "state").write_text("in the way")
    (found,) = refused.SetAside(tmp_path / "state", FakeClock()).keep([(refused.atoms(Recording(events=[event()]))[0], "too large")])
    assert found.kept == ""
    assert [record.message for record in caplog.records] == ["what the database refused cannot be kept in a file"]
