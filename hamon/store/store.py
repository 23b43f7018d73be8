"""The history: hamon.ports.Store on SQLite or PostgreSQL.

Threads do the work, so that the event loop never waits for a disk: one writes, one reads the outbox, a few read for pages. What the outbox
needs is thus not held up by a search, nor a search by the writer (both databases let readers go on while one writes).
"""

import asyncio
import os
import secrets
from collections import OrderedDict, defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

from pydantic import ConfigDict, Field, SecretStr, field_validator
from sqlalchemy import (
    ColumnElement,
    Connection,
    Dialect,
    Engine,
    Select,
    Table,
    and_,
    exists,
    func,
    insert,
    literal_column,
    or_,
    select,
    tuple_,
    update,
)

from hamon.clock import Clock, SystemClock
from hamon.errors import StoreError, StoreRefusal
from hamon.model.delivery import Delivery, DeliveryState, Relay
from hamon.model.event import Event, place_of
from hamon.model.incident import Incident, IncidentKind, IncidentState, Transition
from hamon.model.observation import Polled, ReadPosition, Source
from hamon.ports import EventFilter, IncidentFilter, Recording, Refused, Remembered, StoredEvent
from hamon.section import Section
from hamon.store import migrate, records, retention
from hamon.store import snapshots as polls
from hamon.store.database import Role, connect, explained, parse_url, sqlite_file, time_limit, written
from hamon.store.refused import SetAside, Sieve
from hamon.store.tables import batches, deliveries, events, incidents, positions, relays, snapshots, states, transitions

T = TypeVar("T")

READERS = 4
NARROW = 10_000  # events in a window of time that are quickly sorted
POSITIONS_KEPT = timedelta(days=30)

_WAITING = (DeliveryState.PENDING.value, DeliveryState.SENDING.value)


class StoreConfig(Section):
    """Where the history is kept, and for how long."""

    # A URL holds a password; pydantic would quote what it refuses.
    model_config = ConfigDict(hide_input_in_errors=True)

    url: SecretStr | None = None
    """Database URL, sqlite:////path/hamon.db or postgresql://user:password@host/name; without one, hamon.db in the state directory."""
    url_file: Path | None = None
    """File that holds the database URL."""
    retention_days: int = Field(default=365, ge=1)
    """Days that the history is kept; what is open or not yet delivered stays."""
    max_size_mib: int | None = Field(default=None, ge=16)
    """Size in MiB above which the oldest history is deleted before its time; without a value only the age counts."""
    prune_interval_seconds: float = Field(default=3600, ge=1)
    """Seconds between two removals of old history."""

    @field_validator("url")
    @classmethod
    def _a_known_database(cls, given: SecretStr | None) -> SecretStr | None:
        if given is not None:
            try:
                parse_url(given.get_secret_value())
            except StoreError as err:
                raise ValueError(str(err)) from None
        return given

    def database_url(self, state_directory: Path) -> str:
        """The URL to use. Raises OSError when `url_file` cannot be read."""
        given = self.secret("url")
        return given if given is not None else f"sqlite:///{(state_directory / 'hamon.db').absolute()}"


@dataclass(frozen=True, slots=True)
class _InDoubt:
    """A batch whose commit got no answer: it was stored if its token is found in the database."""

    token: str
    recording: Recording


class _Timelines:
    """The timelines of the steps last stored, so that a step is compared with the one before without reading it back. Bounded."""

    def __init__(self, size: int = 256) -> None:
        self._size = size
        self._last: OrderedDict[tuple[str, str], tuple[int, records.Timeline]] = OrderedDict()

    def before(self, step: Transition) -> records.Timeline | None:
        last = self._last.get((step.incident.cluster, step.incident.key))
        return last[1] if last is not None and last[0] == step.sequence - 1 else None

    def remember(self, step: Transition) -> None:
        key = (step.incident.cluster, step.incident.key)
        self._last[key] = (step.sequence, step.incident.timeline)
        self._last.move_to_end(key)
        while len(self._last) > self._size:
            self._last.popitem(last=False)

    def clear(self) -> None:
        self._last.clear()


class SqlStore:
    """The history in the database at `url`, which `migrate.upgrade` prepared. Connects when first used.

    Methods raise StoreError; its text says what to do. Every one may be tried again, `record` with the same recording: should the
    connection break while a batch is committed, the next attempt finds out whether it was stored.
    """

    def __init__(self, url: str, *, clock: Clock | None = None, set_aside: Path | None = None) -> None:
        """`set_aside` is the folder that what the database will never take is kept in."""
        self._url = parse_url(url)
        self._file = sqlite_file(self._url)
        self._clock = clock if clock is not None else SystemClock()
        self._set_aside = SetAside(set_aside, self._clock)
        self._write_engine = connect(self._url, Role.WRITE)
        self._outbox_engine = connect(self._url, Role.OUTBOX)
        self._read_engine = connect(self._url, Role.READ, size=READERS)
        self._writer = ThreadPoolExecutor(1, thread_name_prefix="store-write")
        self._outbox = ThreadPoolExecutor(1, thread_name_prefix="store-outbox")
        self._readers = ThreadPoolExecutor(READERS, thread_name_prefix="store-read")
        # The three below belong to the writing thread.
        self._timelines = _Timelines()
        self._snapshots = polls.Encoder()
        self._in_doubt: _InDoubt | None = None
        self._upsert = _insert_of(self._write_engine.dialect)
        self._insert_events = _positional(self._write_engine, insert(events), records.EVENT_COLUMNS)
        self._insert_transitions = _positional(self._write_engine, insert(transitions), records.TRANSITION_COLUMNS)
        self._replacing: dict[str, _Rows] = {}

    # --- Threads --------------------------------------------------------------------------------------------------

    async def _write(self, work: Callable[[Connection], T]) -> T:
        return await self._in(self._writer, lambda: self._transaction(self._write_engine, work))

    async def _read_outbox(self, work: Callable[[Connection], T]) -> T:
        return await self._in(self._outbox, lambda: self._transaction(self._outbox_engine, work))

    async def _read(self, work: Callable[[Connection], T]) -> T:
        def limited(connection: Connection) -> T:
            with time_limit(connection):
                return work(connection)

        return await self._in(self._readers, lambda: self._transaction(self._read_engine, limited))

    async def _in(self, executor: Executor, work: Callable[[], T]) -> T:
        try:
            future = asyncio.get_running_loop().run_in_executor(executor, work)
        except RuntimeError as err:
            raise StoreError("the store was closed") from err
        return await future

    def _transaction(self, engine: Engine, work: Callable[[Connection], T]) -> T:
        with explained(self._url), engine.begin() as connection:
            return work(connection)

    async def close(self) -> None:
        """Wait for what is being written, then close all connections."""

        def finish() -> None:
            for executor in (self._writer, self._outbox, self._readers):
                executor.shutdown(wait=True)
            for engine in (self._read_engine, self._outbox_engine, self._write_engine):
                engine.dispose()

        await asyncio.to_thread(finish)

    # --- Recording ------------------------------------------------------------------------------------------------

    async def record(self, recording: Recording) -> None:
        """Write one batch in one transaction, or nothing of it.

        A transition or a delivery that is stored already is a defect and raises StoreRefusal.
        """
        await self._in(self._writer, lambda: self._record(recording, self._write_recording))

    async def record_what_is_taken(self, recording: Recording) -> Sequence[Refused]:
        """Write a batch that was refused without what will never be taken, in one transaction; what is left out is kept and returned."""
        return await self._in(self._writer, lambda: self._record_what_is_taken(recording))

    def _record_what_is_taken(self, recording: Recording) -> Sequence[Refused]:
        sieve = Sieve(recording)
        refused: list[Refused] = []

        def write(connection: Connection, _: Recording) -> None:
            def part(some: Recording) -> None:
                try:
                    with written(self._url), connection.begin_nested():
                        self._write_recording(connection, some)
                except StoreError:
                    self._forget()
                    raise

            sieve.write(part)
            refused[:] = self._set_aside.keep(sieve.found)  # before the commit: kept twice is better than not at all

        while True:
            before = sieve.progress
            try:
                self._record(recording, write)
            except StoreRefusal:
                if sieve.progress == before:
                    raise
            else:
                return refused

    def _record(self, recording: Recording, write: Callable[[Connection, Recording], None]) -> None:
        doubt, self._in_doubt = self._in_doubt, None
        token = secrets.token_hex(8)
        committing = stored = False
        try:
            with written(self._url), self._write_engine.connect() as connection, connection.begin() as transaction:
                if doubt is None or doubt.recording != recording or self._token(connection) != doubt.token:
                    write(connection, recording)
                    self._write_token(connection, token)
                    committing = True
                transaction.commit()
            stored = True
        finally:
            if not stored:
                self._forget()
                self._in_doubt = _InDoubt(token, recording) if committing else doubt

    def _forget(self) -> None:
        """Forget what was perhaps not stored; it is read back when needed."""
        self._timelines.clear()
        self._snapshots.forget()

    def _token(self, connection: Connection) -> str | None:
        return connection.execute(select(batches.c.token)).scalar_one_or_none()

    def _write_token(self, connection: Connection, token: str) -> None:
        self._replace(connection, batches, [{"id": 1, "token": token}])

    def _write_recording(self, connection: Connection, recording: Recording) -> None:
        if recording.events:
            self._insert_events(connection, records.event_rows(recording.events))
        if recording.transitions:
            self._write_transitions(connection, recording.transitions)
        if recording.deliveries:
            self._check_transitions(connection, recording)
            connection.execute(insert(deliveries), [records.delivery_row(delivery) for delivery in recording.deliveries])
        if recording.positions:
            now = self._clock.now()
            latest = {(position.collector, position.device, position.inode): position for position in recording.positions}
            self._replace(connection, positions, [records.position_row(position, now) for position in latest.values()])
        if recording.states:
            rows = [{"cluster": records.text(cluster), "state": state} for cluster, state in recording.states.items()]
            self._replace(connection, states, rows)
        if recording.relays:
            connection.execute(insert(relays), [records.relay_row(relay) for relay in recording.relays])
        for polled in recording.polls:
            if polls.kind_of(polled) == polls.CONFIRMED:
                polls.confirm(connection, polled)
            else:
                self._replace(connection, snapshots, [self._snapshots.row(polled)])

    def _replace(self, connection: Connection, table: Table, rows: Sequence[Mapping[str, object]]) -> None:
        """Insert rows, or overwrite those of the same primary key; of an incident only what is older."""
        columns = table.columns.keys()
        if table.name not in self._replacing:
            statement = self._upsert(table)
            set_ = {column.name: statement.excluded[column.name] for column in table.columns if not column.primary_key}
            newer = incidents.c.sequence < statement.excluded.sequence if table is incidents else None
            statement = statement.on_conflict_do_update(index_elements=list(table.primary_key), set_=set_, where=newer)
            self._replacing[table.name] = _positional(self._write_engine, statement, columns)
        self._replacing[table.name](connection, [tuple([row[name] for name in columns]) for row in rows])

    def _write_transitions(self, connection: Connection, steps: Sequence[Transition]) -> None:
        latest: dict[tuple[str, str], tuple[Transition, str]] = {}
        said = [(step, records.incident_json(step.incident)) for step in steps]
        for step, record in said:
            key = (step.incident.cluster, step.incident.key)
            if key not in latest or latest[key][0].sequence <= step.sequence:
                latest[key] = step, record
        self._replace(connection, incidents, [records.incident_row(step, record) for step, record in latest.values()])
        rows = []
        written: dict[tuple[str, str, int], records.Timeline] = {}
        for step, record in said:
            incident = step.incident
            before = written.get((incident.cluster, incident.key, step.sequence - 1))
            if before is None:
                before = self._timelines.before(step)
            if before is None and step.sequence > 1:
                found = _timelines(connection, incident.cluster, records.name(incident.key), step.sequence - 1)
                before = found.get(step.sequence - 1)
            rows.append(records.transition_row(step, before or (), record))
            written[incident.cluster, incident.key, step.sequence] = incident.timeline
            self._timelines.remember(step)
        self._insert_transitions(connection, rows)

    def _check_transitions(self, connection: Connection, recording: Recording) -> None:
        """A delivery refers to the stored transition, so it must be the very same; else raise StoreError."""
        new = {(step.incident.cluster, step.incident.key, step.sequence): step for step in recording.transitions}
        for delivery in recording.deliveries:
            step = delivery.transition
            cluster, key = step.incident.cluster, step.incident.key
            stored = new.get((cluster, key, step.sequence))
            if stored is None:
                stored = _steps(connection, cluster, records.name(key), {step.sequence}).get(step.sequence)
            if stored is not step and stored != step:
                said = "its transition is not the one that is stored"
                raise StoreRefusal(f"delivery {delivery.id}: {said} (a defect of hamon; please report it)", said)

    async def remembered(self) -> Remembered:
        """What the gateway starts from. Raises StoreError also when the database is older or newer than this version."""

        def work(connection: Connection) -> Remembered:
            migrate.check(connection)
            return Remembered(
                states={records.untext(row.cluster): bytes(row.state) for row in connection.execute(select(states))},
                positions=[records.position(row) for row in connection.execute(select(positions))],
                polls=polls.last(connection),
            )

        return await self._write(work)

    # --- The outbox -----------------------------------------------------------------------------------------------

    async def due_deliveries(self, now: datetime, limit: int, skip: Collection[str] = ()) -> Sequence[Delivery]:
        """Pending deliveries whose time has come, oldest first, at most one per incident and target (order is kept).

        Those of the targets in `skip` are left out.
        """
        due = or_(deliveries.c.next_attempt_at.is_(None), deliveries.c.next_attempt_at <= records.micros(now))
        wanted = (
            select(deliveries)
            .where(deliveries.c.state == DeliveryState.PENDING.value, due, ~_held_up(), *_not_for(skip))
            .order_by(deliveries.c.created_at, deliveries.c.sequence, deliveries.c.id)
            .limit(limit)
        )
        return await self._read_outbox(lambda connection: _deliveries(connection, wanted))

    async def next_delivery_at(self, skip: Collection[str] = ()) -> datetime | None:
        """When the next pending delivery is due, those of the targets in `skip` left out; None: there is none, or it is being sent."""
        first = func.min(func.coalesce(deliveries.c.next_attempt_at, deliveries.c.created_at))
        wanted = select(first).where(deliveries.c.state == DeliveryState.PENDING.value, ~_held_up(), *_not_for(skip))
        at = await self._read_outbox(lambda connection: connection.execute(wanted).scalar_one())
        return None if at is None else records.moment(at)

    async def update_delivery(self, delivery: Delivery) -> None:
        """Write state, attempts, next attempt, sent time and error of one delivery."""
        statement = update(deliveries).where(deliveries.c.id == records.name(delivery.id)).values(records.delivery_progress(delivery))

        def work(connection: Connection) -> None:
            if connection.execute(statement).rowcount != 1:
                raise StoreError(f"delivery {delivery.id} is not in the outbox (a defect of hamon; please report it)")

        await self._write(work)

    async def recover_deliveries(self) -> int:
        """Turn SENDING left by a crash back into PENDING, marked repeated; return how many."""
        statement = (
            update(deliveries)
            .where(deliveries.c.state == DeliveryState.SENDING.value)
            .values(state=DeliveryState.PENDING.value, repeated=True)
        )
        return await self._write(lambda connection: connection.execute(statement).rowcount)

    async def pending_deliveries(self) -> Mapping[str, int]:
        """Number of deliveries that are not yet handed over (being sent included), per target."""
        wanted = select(deliveries.c.target, func.count()).where(deliveries.c.state.in_(_WAITING)).group_by(deliveries.c.target)
        rows = await self._read_outbox(lambda connection: connection.execute(wanted).all())
        return {records.untext(target): count for target, count in rows}

    async def drop_overtaken(self, target: str) -> int:
        """Give up pending deliveries for which a later step of the same incident is pending for the target; return how many."""
        later = deliveries.alias("later")
        overtaken = exists(
            select(literal_column("1")).where(
                later.c.cluster == deliveries.c.cluster,
                later.c.key == deliveries.c.key,
                later.c.target == deliveries.c.target,
                later.c.sequence > deliveries.c.sequence,
                later.c.state == DeliveryState.PENDING.value,
            )
        )
        statement = (
            update(deliveries)
            .where(deliveries.c.target == records.text(target), deliveries.c.state == DeliveryState.PENDING.value, overtaken)
            .values(state=DeliveryState.FAILED.value, next_attempt_at=None, error="overtaken by a later step while too much waited")
        )
        return await self._write(lambda connection: connection.execute(statement).rowcount)

    async def relays(self, target: str, limit: int) -> Sequence[Relay]:
        """Traps that wait to be passed on to the target, oldest first."""
        wanted = select(relays).where(relays.c.target == records.text(target)).order_by(relays.c.id).limit(limit)
        return await self._read_outbox(lambda connection: [records.relay(row) for row in connection.execute(wanted)])

    async def drop_relays(self, ids: Sequence[int]) -> None:
        """Forget traps that were passed on, or never will be."""
        if ids:
            await self._write(lambda connection: connection.execute(relays.delete().where(relays.c.id.in_(ids))).rowcount)

    async def trim_relays(self, target: str, keep: int) -> int:
        """Forget the oldest of more than `keep` traps that wait for the target; return how many."""
        of_it = relays.c.target == records.text(target)
        newest_too_many = select(relays.c.id).where(of_it).order_by(relays.c.id.desc()).offset(keep).limit(1)
        found = await self._read_outbox(lambda connection: connection.execute(newest_too_many).scalar_one_or_none())
        if found is None:
            return 0
        return await self._write(lambda connection: connection.execute(relays.delete().where(of_it, relays.c.id <= found)).rowcount)

    # --- Pages ----------------------------------------------------------------------------------------------------

    async def incidents(self, wanted: IncidentFilter) -> Sequence[Incident]:
        """Newest first; timelines are left empty."""
        conditions: list[ColumnElement[bool]] = []
        if wanted.cluster is not None:
            conditions.append(incidents.c.cluster == records.text(wanted.cluster))
        if wanted.kind is not None:
            conditions.append(_of_kind(wanted.kind))
        if wanted.open_only:
            conditions.append(incidents.c.state == IncidentState.OPEN.value)
        if not wanted.include_parts:
            conditions.append(incidents.c.part_of.is_(None))
        if wanted.since is not None:
            conditions.append(incidents.c.detected_at >= records.micros(wanted.since))
        if wanted.before is not None:
            conditions.append(incidents.c.detected_at < records.micros(wanted.before))
        query = select(incidents).where(*conditions).order_by(incidents.c.detected_at.desc(), incidents.c.cluster, incidents.c.key)
        rows = await self._read(lambda connection: connection.execute(query.limit(wanted.limit)).all())
        return [records.incident(row) for row in rows]

    async def incident(self, cluster: str, key: str) -> Incident | None:
        """One incident with its timeline; None when there is none."""

        def work(connection: Connection) -> Incident | None:
            of_it = (incidents.c.cluster == records.text(cluster), incidents.c.key == records.name(key))
            latest = connection.execute(select(incidents.c.sequence).where(*of_it)).scalar_one_or_none()
            return None if latest is None else _steps(connection, cluster, records.name(key), {latest})[latest].incident

        return await self._read(work)

    async def parts(self, cluster: str, key: str) -> Sequence[Incident]:
        """Incidents that are part of this one, oldest first; timelines are left empty."""
        query = (
            select(incidents)
            .where(incidents.c.cluster == records.text(cluster), incidents.c.part_of == records.name(key))
            .order_by(incidents.c.detected_at, incidents.c.key)
        )
        rows = await self._read(lambda connection: connection.execute(query).all())
        return [records.incident(row) for row in rows]

    async def transitions(self, cluster: str, key: str) -> Sequence[Transition]:
        """The steps of an incident, oldest first."""
        return await self._read(lambda connection: list(_steps(connection, cluster, records.name(key)).values()))

    async def deliveries(self, cluster: str, key: str) -> Sequence[Delivery]:
        """What was told of an incident, oldest first."""
        query = (
            select(deliveries)
            .where(deliveries.c.cluster == records.text(cluster), deliveries.c.key == records.name(key))
            .order_by(deliveries.c.sequence, deliveries.c.created_at, deliveries.c.id)
        )
        return await self._read(lambda connection: _deliveries(connection, query))

    async def events(self, wanted: EventFilter) -> Sequence[StoredEvent]:
        """Newest first (the order in which they were stored)."""
        conditions: list[ColumnElement[bool]] = []
        if wanted.cluster is not None:
            conditions.append(events.c.cluster == records.text(wanted.cluster))
        if wanted.kind is not None:
            conditions.append(events.c.kind == wanted.kind)
        if wanted.node is not None:
            conditions.append(events.c.node == records.name(wanted.node))
        if wanted.text is not None:
            pattern = records.text(wanted.text)
            conditions.append(or_(events.c.raw.icontains(pattern, autoescape=True), events.c.resource.icontains(pattern, autoescape=True)))
        if wanted.before_id is not None:
            conditions.append(events.c.id < wanted.before_id)

        def work(connection: Connection) -> list[StoredEvent]:
            window = _window(connection, wanted.since, wanted.until)
            query = select(events).where(*conditions, *window).order_by(events.c.id.desc()).limit(wanted.limit)
            return [StoredEvent(id=row.id, event=records.event(row)) for row in connection.execute(query)]

        return await self._read(work)

    async def stored_lines(self, cluster: str, lines: Sequence[Event], within: timedelta) -> Collection[str]:
        """The places of those lines that are in the history. Asked by the writer: it has no limit of time, and what is asked is narrow."""
        wanted: dict[tuple[str, str, str | None], list[tuple[int, str]]] = defaultdict(list)
        for line in lines:
            reporter = None if line.reporter is None else records.text(line.reporter)
            wanted[records.text(line.rule), records.text(line.raw), reporter].append((records.micros(line.at), place_of(line)))
        margin = within // timedelta(microseconds=1)
        windows = _together(sorted(at for asked in wanted.values() for at, _ in asked), margin)
        about = select(events.c.rule, events.c.raw, events.c.reporter, events.c.at).where(
            events.c.cluster == records.text(cluster), events.c.source == Source.LOG.value
        )

        def work(connection: Connection) -> Collection[str]:
            found: set[str] = set()
            for begin, end in windows:
                for rule, raw, reporter, at in connection.execute(about.where(events.c.at.between(begin, end))):
                    asked = wanted.get((rule, raw, reporter), ())
                    found.update(place for then, place in asked if abs(then - at) <= margin)
            return found

        return await self._write(work)

    async def state_at(self, cluster: str, at: datetime) -> Polled | None:
        """What was known of a cluster at a time; None when nothing was recorded before."""
        return await self._read(lambda connection: polls.at_time(connection, cluster, at))

    # --- Retention ------------------------------------------------------------------------------------------------

    async def prune(self, *, older_than: datetime | None, max_bytes: int | None) -> int:
        """Delete old history in small steps, never what is open or undelivered; return the number of rows deleted.

        Each step is a transaction of its own, and the writer may record between two of them. See `retention` for what is old.
        """
        deleted = 0
        if older_than is not None:
            cutoff = records.micros(older_than)
            after_id = 0
            while True:
                start = after_id
                step = await self._write(lambda connection, start=start: retention.drop_events(connection, start, cutoff))  # type: ignore[misc]
                deleted += step.deleted
                if step.last_id is None or not step.deleted:
                    break
                after_id = step.last_id
            while count := await self._write(lambda connection: self._drop_incidents(connection, cutoff)):
                deleted += count
            deleted += await self._drop_snapshots(cutoff)
        deleted += await self._prune_positions()
        if max_bytes is not None:
            deleted += await self._prune_to_size(max_bytes)
        while await self._write(retention.give_space_back):
            pass
        return deleted

    def _drop_incidents(self, connection: Connection, cutoff: int | None) -> int:
        self._timelines.clear()
        return retention.drop_incidents(connection, cutoff)

    async def _drop_snapshots(self, cutoff: int) -> int:
        deleted = 0

        def work(connection: Connection) -> int:
            count = retention.drop_snapshots(connection, cutoff)
            if count:
                self._snapshots.forget()  # the keyframes may be among them
            return count

        while count := await self._write(work):
            deleted += count
        return deleted

    async def _prune_to_size(self, max_bytes: int) -> int:
        deleted = 0
        while await self._read(retention.used_bytes) > max_bytes:
            # The oldest first, events and incidents alike: what is left of both begins at about the same time.
            step = await self._write(lambda connection: retention.drop_events(connection, 0, None))
            oldest = step.oldest_left if step.deleted else None
            count = step.deleted + await self._write(lambda connection, oldest=oldest: self._drop_incidents(connection, oldest))  # type: ignore[misc]
            count += await self._drop_snapshots(oldest if oldest is not None else records.micros(self._clock.now()))
            if not count:
                break
            deleted += count
        return deleted

    async def _prune_positions(self) -> int:
        """Forget files that are gone and had no new line for 30 days; a quiet file that is still there keeps its position."""
        before = records.micros(self._clock.now() - POSITIONS_KEPT)
        query = select(positions).where(positions.c.updated_at < before)
        quiet = await self._read(lambda connection: [records.position(row) for row in connection.execute(query)])
        gone = await self._in(self._readers, lambda: [position for position in quiet if _is_gone(position)])
        if not gone:
            return 0
        keys = [(records.text(position.collector), str(position.device), str(position.inode)) for position in gone]
        columns = tuple_(positions.c.collector, positions.c.device, positions.c.inode)
        statement = positions.delete().where(columns.in_(keys), positions.c.updated_at < before)
        return await self._write(lambda connection: connection.execute(statement).rowcount)

    async def size_bytes(self) -> int:
        """The room that the history takes on the disk, the write-ahead log of SQLite included."""
        file = self._file
        if file is not None:
            return await self._in(self._readers, lambda: sum(_size(path) for path in (file, Path(f"{file}-wal"))))
        return await self._read(retention.postgresql_bytes)


def _insert_of(dialect: Dialect) -> Any:
    """The `insert` of a database, which knows `on_conflict_do_update`; only that of the one in use is loaded."""
    if dialect.name == "sqlite":
        from sqlalchemy.dialects.sqlite import insert as for_sqlite

        return for_sqlite
    from sqlalchemy.dialects.postgresql import insert as for_postgresql

    return for_postgresql


_Rows = Callable[[Connection, Sequence[tuple[Any, ...]]], object]


def _positional(engine: Engine, statement: Any, columns: Sequence[str]) -> _Rows:
    """A function that inserts rows whose values are in the order of the columns: the hot path.

    SQLAlchemy compiles the statement once; the rows go to the driver as plain tuples. Passing them through SQLAlchemy, one dict each,
    costs as much again as SQLite itself.
    """
    build: Callable[..., Dialect] = type(engine.dialect)
    dialect = build(paramstyle="qmark" if engine.dialect.name == "sqlite" else "format")
    compiled = statement.inline().compile(dialect=dialect, column_keys=list(columns))
    assert tuple(compiled.positiontup or ()) == tuple(columns)
    sql = str(compiled)
    return lambda connection, rows: connection.exec_driver_sql(sql, list(rows))


def _of_kind(kind: str) -> ColumnElement[bool]:
    """Incidents of a kind; of the user's own, which all are of the kind `other`, by their name, which stands in the record only."""
    if kind in frozenset(IncidentKind):
        return incidents.c.kind == kind
    named = f'"name":{records.to_json(kind)},"words":'
    return and_(incidents.c.kind == IncidentKind.OTHER.value, incidents.c.record.contains(named, autoescape=True))


def _window(connection: Connection, since: datetime | None, until: datetime | None) -> list[ColumnElement[bool]]:
    """Conditions for a window of time, written so that the better way is taken: neither database can judge it.

    A narrow window is found through the index by time; in a wide one the newest events are found by going back through the ids, and
    the index would only make all of its events be sorted.
    """
    bounds = []
    if since is not None:
        bounds.append((events.c.at.__ge__, (events.c.at + 0).__ge__, records.micros(since)))
    if until is not None:
        bounds.append((events.c.at.__le__, (events.c.at + 0).__le__, records.micros(until)))
    if not bounds:
        return []
    indexed = select(events.c.id).where(*(by_index(at) for by_index, _, at in bounds))
    if connection.execute(select(func.count()).select_from(indexed.limit(NARROW + 1).subquery())).scalar_one() <= NARROW:
        return [events.c.id.in_(indexed)]
    return [by_row(at) for _, by_row, at in bounds]


def _together(times: Sequence[int], margin: int) -> list[tuple[int, int]]:
    """Windows of time, in order, that hold these times and what is around them: few, and no wider than needed."""
    windows: list[tuple[int, int]] = []
    for at in times:
        if windows and at - margin <= windows[-1][1]:
            windows[-1] = (windows[-1][0], at + margin)
        else:
            windows.append((at - margin, at + margin))
    return windows


def _not_for(targets: Collection[str]) -> list[ColumnElement[bool]]:
    return [deliveries.c.target.not_in([records.text(target) for target in targets])] if targets else []


def _held_up() -> ColumnElement[bool]:
    """There is an earlier delivery for the same incident and target that is not handed over."""
    earlier = deliveries.alias("earlier")
    return exists(
        select(literal_column("1")).where(
            earlier.c.cluster == deliveries.c.cluster,
            earlier.c.key == deliveries.c.key,
            earlier.c.target == deliveries.c.target,
            earlier.c.sequence < deliveries.c.sequence,
            earlier.c.state.in_(_WAITING),
        )
    )


def _timelines(connection: Connection, cluster: str, key: str, up_to: int) -> dict[int, records.Timeline]:
    """The timelines of the steps of an incident, by sequence; `key` as stored."""
    query = (
        select(transitions)
        .where(transitions.c.cluster == records.text(cluster), transitions.c.key == key, transitions.c.sequence <= up_to)
        .order_by(transitions.c.sequence)
    )
    return records.timelines(connection.execute(query).all())


def _steps(connection: Connection, cluster: str, key: str, wanted: Collection[int] | None = None) -> dict[int, Transition]:
    """Steps of one incident by sequence, oldest first: the wanted ones, or all; `key` as stored."""
    of_it = (transitions.c.cluster == records.text(cluster), transitions.c.key == key)
    query = select(transitions).where(*of_it).order_by(transitions.c.sequence)
    if wanted is not None:
        query = query.where(transitions.c.sequence <= max(wanted))
    rows = connection.execute(query).all()
    timelines = records.timelines(rows)
    return {row.sequence: records.transition(row, timelines[row.sequence]) for row in rows if wanted is None or row.sequence in wanted}


def _deliveries(connection: Connection, query: Select[Any]) -> list[Delivery]:
    rows = connection.execute(query).all()
    wanted: defaultdict[tuple[str, str], set[int]] = defaultdict(set)
    for row in rows:
        wanted[records.untext(row.cluster), row.key].add(row.sequence)
    steps = {incident: _steps(connection, *incident, sequences) for incident, sequences in wanted.items()}
    return [records.delivery(row, steps[records.untext(row.cluster), row.key][row.sequence]) for row in rows]


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0
    except OSError as err:
        raise StoreError(f"the size of {path} cannot be read: {err.strerror}") from err


def _is_gone(position: ReadPosition) -> bool:
    """No file of that inode stands in the folder any more, under whatever name; a folder that cannot be read counts as a file kept."""
    folder = os.path.dirname(position.path) or "."
    try:
        with os.scandir(folder) as entries:
            return all(entry.inode() != position.inode for entry in entries)
    except FileNotFoundError:
        return True
    except OSError:
        return False
