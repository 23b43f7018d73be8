"""What old history is, and how it is deleted: in steps of a few milliseconds each, so that recording never waits long.

An event is as old as the time at which hamon received it: a line that is read late stays as long as any other. An incident is as old as its
latest step. It is deleted with the incidents that are part of it, when none of them is open and all that was to be told of them was handed
over or given up; its transitions and deliveries go with it. A part of a part stays until the latter is gone, and then counts by itself.
The newest event always stays, so that event ids are never used twice.
A snapshot is as old as the last moment at which its state held; it stays as long as a later one is told by what differs from it. The last
of a cluster always stays.
"""

import sqlite3
from dataclasses import dataclass

from sqlalchemy import ColumnElement, Connection, FromClause, and_, delete, exists, func, literal_column, or_, select, text, tuple_

from hamon.model.delivery import DeliveryState
from hamon.model.incident import IncidentState
from hamon.store.tables import deliveries, events, incidents, metadata, snapshots, transitions

EVENTS_A_STEP = 1000
INCIDENTS_A_STEP = 20
SNAPSHOTS_A_STEP = 200
PAGES_A_STEP = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class EventStep:
    """`last_id`: the last event looked at, None when there was none. `oldest_left`: when the oldest event that stays was received."""

    deleted: int
    last_id: int | None
    oldest_left: int | None = None


def drop_events(connection: Connection, after_id: int, cutoff: int | None) -> EventStep:
    """Delete those of the next EVENTS_A_STEP events that were received before `cutoff` (None: all of them).

    Events come in about the order of their ids, so the search ends where a step finds nothing old: no index by age is needed.
    """
    newest = select(func.max(events.c.id)).scalar_subquery()
    looked_at = connection.execute(
        select(events.c.id, events.c.received_at)
        .where(events.c.id > after_id, events.c.id < newest)
        .order_by(events.c.id)
        .limit(EVENTS_A_STEP)
    ).all()
    if not looked_at:
        return EventStep(deleted=0, last_id=None)
    first, last = looked_at[0].id, looked_at[-1].id
    statement = delete(events).where(events.c.id.between(first, last))
    if cutoff is not None:
        statement = statement.where(events.c.received_at < cutoff)
    deleted = connection.execute(statement).rowcount
    oldest = connection.execute(select(events.c.received_at).order_by(events.c.id).limit(1)).scalar_one()
    return EventStep(deleted=deleted, last_id=last, oldest_left=oldest)


def drop_incidents(connection: Connection, cutoff: int | None) -> int:
    """Delete some incidents whose latest step was before `cutoff` (None: the oldest), with all that belongs to them; count the rows."""
    part = incidents.alias("part")
    whole = incidents.alias("whole")
    parts = and_(part.c.cluster == incidents.c.cluster, part.c.part_of == incidents.c.key)
    on_its_own = or_(
        incidents.c.part_of.is_(None),
        ~exists(literal_column("1")).where(whole.c.cluster == incidents.c.cluster, whole.c.key == incidents.c.part_of),
    )
    stories = connection.execute(
        select(incidents.c.cluster, incidents.c.key)
        .where(_finished(incidents, cutoff), on_its_own, ~exists(literal_column("1")).where(parts, ~_finished(part, cutoff)))
        .order_by(incidents.c.stepped_at)
        .limit(INCIDENTS_A_STEP)
    ).all()
    if not stories:
        return 0
    keys = [(row.cluster, row.key) for row in stories]
    of_them = connection.execute(select(part.c.cluster, part.c.key).where(tuple_(part.c.cluster, part.c.part_of).in_(keys))).all()
    keys += [(row.cluster, row.key) for row in of_them]
    deleted = 0
    for table in (deliveries, transitions, incidents):
        deleted += connection.execute(delete(table).where(tuple_(table.c.cluster, table.c.key).in_(keys))).rowcount
    return deleted


def _finished(incident: FromClause, cutoff: int | None) -> ColumnElement[bool]:
    undelivered = exists(literal_column("1")).where(
        deliveries.c.cluster == incident.c.cluster,
        deliveries.c.key == incident.c.key,
        deliveries.c.state.in_([DeliveryState.PENDING.value, DeliveryState.SENDING.value]),
    )
    finished = and_(incident.c.state != IncidentState.OPEN.value, ~undelivered)
    return finished if cutoff is None else and_(finished, incident.c.stepped_at < cutoff)


def drop_snapshots(connection: Connection, cutoff: int) -> int:
    """Delete some snapshots whose state ended before `cutoff`, never the last of a cluster; count the rows."""
    later, based = snapshots.alias("later"), snapshots.alias("based")
    # Its state held until the next row began.
    followed = exists(literal_column("1")).where(later.c.cluster == snapshots.c.cluster, later.c.at > snapshots.c.at, later.c.at <= cutoff)
    needed = exists(literal_column("1")).where(
        based.c.cluster == snapshots.c.cluster, based.c.base == snapshots.c.at, based.c.at > snapshots.c.at
    )
    keys = connection.execute(
        select(snapshots.c.cluster, snapshots.c.at)
        .where(snapshots.c.at < cutoff, followed, ~needed)
        .order_by(snapshots.c.at.desc())
        .limit(SNAPSHOTS_A_STEP)
    ).all()
    if not keys:
        return 0
    of_them = tuple_(snapshots.c.cluster, snapshots.c.at).in_([(row.cluster, row.at) for row in keys])
    return connection.execute(delete(snapshots).where(of_them)).rowcount


def used_bytes(connection: Connection) -> int:
    """The room that the rows need, without space that deleted ones left behind for new ones.

    SQLite knows it. PostgreSQL does not tell (its files do not shrink, and the space is reused), so it is estimated there: number of rows
    times the size of the newest ones, and 48 bytes for every index entry.
    """
    if connection.dialect.name == "sqlite":
        pages, free, size = (
            connection.exec_driver_sql(f"PRAGMA {name}").scalar_one() for name in ("page_count", "freelist_count", "page_size")
        )
        return int((pages - free) * size)
    return sum(_estimate(connection, table.name, len(table.indexes) + 1) for table in metadata.sorted_tables)


def _estimate(connection: Connection, table: str, indexes: int) -> int:
    # Event ids are dense, and so many that counting them would take long.
    newest, count = ("ORDER BY id DESC", "max(id) - min(id) + 1") if table == events.name else ("", "count(*)")
    rows = connection.execute(text(f"SELECT coalesce({count}, 0) FROM {table}")).scalar_one()
    row = connection.execute(
        text(f"SELECT coalesce(avg(pg_column_size(sample.*)), 0) FROM (SELECT * FROM {table} {newest} LIMIT 500) AS sample")
    ).scalar_one()
    return int(rows * (float(row) + 4 + 48 * indexes))


def postgresql_bytes(connection: Connection) -> int:
    """The files of the tables with their indexes."""
    names = [table.name for table in metadata.sorted_tables]
    query = text("SELECT coalesce(sum(pg_total_relation_size(to_regclass(name))), 0) FROM unnest(CAST(:names AS text[])) AS name")
    return int(connection.execute(query, {"names": names}).scalar_one())


def give_space_back(connection: Connection) -> bool:
    """Return some free pages of an SQLite file to the file system, when more than a quarter is free; True while there is more to do.

    Less is left for new rows to use. PostgreSQL does it by itself (autovacuum).
    """
    if connection.dialect.name != "sqlite":
        return False
    pages, free = (connection.exec_driver_sql(f"PRAGMA {name}").scalar_one() for name in ("page_count", "freelist_count"))
    if free <= max(pages // 4, PAGES_A_STEP):
        return False
    # Of the driver's ways to run a statement only executescript runs this one to its end; the others stop after one page. It commits the
    # (empty) transaction first, and the statement is one of its own.
    driver = connection.connection.driver_connection
    assert isinstance(driver, sqlite3.Connection)
    driver.executescript(f"PRAGMA incremental_vacuum({PAGES_A_STEP})")
    left = connection.exec_driver_sql("PRAGMA freelist_count").scalar_one()
    return bool(left < free)
