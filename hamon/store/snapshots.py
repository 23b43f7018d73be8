"""Snapshots as rows: small, and each readable with at most one other row.

A keyframe holds a whole status; the rows after it hold what differs from it, so that no chain has to be followed. Both are JSON and
compressed; the text of the keyframe is the dictionary of what follows. Measured on the 217 polls of recorded clusters of two nodes, of
8.7 kB XML each: 1.5 kB for a keyframe, 0.3 kB for one that follows.
"""

import json
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, fields, is_dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Row, Select, func, select, update

from hamon.errors import StoreError
from hamon.model.cluster import ClusterStatus
from hamon.model.observation import Polled, Snapshot
from hamon.store import records
from hamon.store.tables import snapshots

MOST_DELTAS = 200
"""After so many rows a new keyframe begins, so that old ones may be deleted."""
SILENCE = timedelta(minutes=15)
"""No answer was recorded for so long and nothing says why: hamon was not there to ask. Longer than any interval of polling."""
_WINDOW = 32768
"""As much of a dictionary as zlib looks back."""

UNKNOWN, FOUND, CONFIRMED = "unknown", "found", "confirmed"


def kind_of(polled: Polled) -> str:
    """What is to be recorded: that the cluster became unknown, a state that was found, or that the last one is as it was."""
    if polled.unknown_since is not None:
        return UNKNOWN
    assert polled.snapshot is not None, "what is known was answered"
    return FOUND if polled.snapshot.received_at == polled.since else CONFIRMED


@dataclass(slots=True)
class _Keyframe:
    at: int
    status: ClusterStatus
    text: bytes
    """The end of its JSON, as far as it serves as dictionary."""
    size: int
    deltas: int = 0


class Encoder:
    """Turns snapshots into rows; remembers the keyframe of each cluster. Belongs to the writing thread."""

    def __init__(self) -> None:
        self._keyframes: dict[str, _Keyframe] = {}

    def forget(self) -> None:
        """Begin with keyframes again: what was written last was perhaps not stored, or its keyframe deleted."""
        self._keyframes.clear()

    def row(self, polled: Polled) -> dict[str, object]:
        """The row of a state that was found, or of the time from which on the cluster is unknown."""
        snapshot = polled.snapshot
        row: dict[str, object] = {"cluster": records.text(polled.cluster), "reason": records.text(polled.reason)}
        if kind_of(polled) == UNKNOWN:
            assert polled.unknown_since is not None
            at = records.micros(polled.unknown_since)
            return row | {"at": at, "until": at, "base": None, "collector": "", "path": "", "digest": "", "status": None}
        assert snapshot is not None
        at = records.micros(snapshot.received_at)
        base, status = self._encode(polled.cluster, at, snapshot.status)
        return row | {
            "at": at,
            "until": at,
            "base": base,
            "collector": records.text(snapshot.collector),
            "path": records.text(snapshot.path),
            "digest": records.text(snapshot.digest),
            "status": status,
        }

    def _encode(self, cluster: str, at: int, status: ClusterStatus) -> tuple[int, bytes]:
        keyframe = self._keyframes.get(cluster)
        if keyframe is not None and keyframe.at < at and keyframe.deltas < MOST_DELTAS:
            delta = _deflate(records.to_json(_difference(keyframe.status, status)).encode(), keyframe.text)
            if len(delta) < keyframe.size // 2:
                keyframe.deltas += 1
                return keyframe.at, delta
        text = records.to_json(status).encode()
        whole = _deflate(text)
        self._keyframes[cluster] = _Keyframe(at, status, text[-_WINDOW:], len(whole))
        return at, whole


def confirm(connection: Connection, polled: Polled) -> None:
    """Note until when the last state was seen."""
    assert polled.snapshot is not None
    assert polled.since is not None
    of_it = (snapshots.c.cluster == records.text(polled.cluster), snapshots.c.at == records.micros(polled.since))
    connection.execute(update(snapshots).where(*of_it).values(until=records.micros(polled.snapshot.received_at)))


def at_time(connection: Connection, cluster: str, at: datetime) -> Polled | None:
    """What was known of a cluster at a time; None when nothing was recorded before."""
    until = records.micros(at)
    row = connection.execute(_before(cluster, until)).first()
    return None if row is None else _polled(connection, row, at)


def last(connection: Connection) -> dict[str, Polled]:
    """What was known last of every cluster."""
    newest = select(snapshots.c.cluster, func.max(snapshots.c.at).label("at")).group_by(snapshots.c.cluster).subquery()
    rows = connection.execute(
        select(snapshots).join(newest, (snapshots.c.cluster == newest.c.cluster) & (snapshots.c.at == newest.c.at))
    ).all()
    return {records.untext(row.cluster): _polled(connection, row, None) for row in rows}


def _before(cluster: str, at: int, *, known: bool = False) -> Select[Any]:
    query = select(snapshots).where(snapshots.c.cluster == records.text(cluster), snapshots.c.at <= at)
    if known:
        query = query.where(snapshots.c.base.is_not(None))
    return query.order_by(snapshots.c.at.desc()).limit(1)


def _polled(connection: Connection, row: Row[Any], at: datetime | None) -> Polled:
    cluster = records.untext(row.cluster)
    unknown_since, reason = None, records.untext(row.reason)
    found: Row[Any] | None = row
    if row.base is None:
        unknown_since = records.moment(row.at)
        found = connection.execute(_before(cluster, row.at, known=True)).first()
    if found is None:
        return Polled(cluster=cluster, unknown_since=unknown_since, reason=reason)
    seen = records.moment(found.until)
    if at is not None:
        if unknown_since is None and at - seen > SILENCE:
            unknown_since, reason = seen, "no later answer was recorded"
        seen = min(seen, at)
    snapshot = Snapshot(
        cluster=cluster,
        collector=records.untext(found.collector),
        path=records.untext(found.path),
        digest=records.untext(found.digest),
        received_at=seen,
        status=_status(connection, found),
    )
    return Polled(cluster=cluster, snapshot=snapshot, since=records.moment(found.at), unknown_since=unknown_since, reason=reason)


def _status(connection: Connection, row: Row[Any]) -> ClusterStatus:
    what = f"the state of cluster {row.cluster} at {records.moment(row.at):%Y-%m-%dT%H:%M:%SZ}"
    try:
        if row.base == row.at:
            return records.from_json(ClusterStatus, zlib.decompress(row.status).decode(), what)
        of_it = (snapshots.c.cluster == row.cluster, snapshots.c.at == row.base)
        base = zlib.decompress(connection.execute(select(snapshots.c.status).where(*of_it)).scalar_one())
        difference = _inflate(row.status, base[-_WINDOW:])
        whole = _patched(json.loads(base), json.loads(difference))
    except (zlib.error, ValueError, LookupError, TypeError) as err:
        raise StoreError(f"{what} cannot be read ({err}): the row is damaged; other times are not concerned") from err
    return records.from_json(ClusterStatus, json.dumps(whole, ensure_ascii=False), what)


def _deflate(text: bytes, dictionary: bytes = b"") -> bytes:
    machine = zlib.compressobj(6, zdict=dictionary) if dictionary else zlib.compressobj(6)
    return machine.compress(text) + machine.flush()


def _inflate(data: bytes, dictionary: bytes) -> bytes:
    machine = zlib.decompressobj(zdict=dictionary)
    return machine.decompress(data) + machine.flush()


def _difference(old: ClusterStatus, new: ClusterStatus) -> dict[str, object]:
    """`fields`: those that are others. `lists`: where records make up a field, runs of the old ones as [first, count], and new ones."""
    changed: dict[str, object] = {}
    lists: dict[str, list[object]] = {}
    for field in fields(ClusterStatus):
        before, after = getattr(old, field.name), getattr(new, field.name)
        if before == after:
            continue
        if isinstance(before, tuple) and isinstance(after, tuple) and all(is_dataclass(item) for item in after):
            lists[field.name] = list(_runs(before, after))
        else:
            changed[field.name] = after
    return {"fields": changed, "lists": lists}


def _runs(old: tuple[object, ...], new: tuple[object, ...]) -> Iterator[object]:
    places: dict[object, int] = {}
    for place, item in enumerate(old):
        places.setdefault(item, place)
    run: list[int] = []
    for item in new:
        if run and run[0] + run[1] < len(old) and old[run[0] + run[1]] == item:
            run[1] += 1
            continue
        if run:
            yield run
        known = places.get(item)
        run = [] if known is None else [known, 1]
        if known is None:
            yield item
    if run:
        yield run


def _patched(base: dict[str, Any], difference: dict[str, Any]) -> dict[str, Any]:
    whole: dict[str, Any] = base | difference["fields"]
    for name, runs in difference["lists"].items():
        items: list[Any] = []
        for run in runs:
            items += base[name][run[0] : run[0] + run[1]] if isinstance(run, list) else [run]
        whole[name] = items
    return whole
