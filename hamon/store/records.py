"""Records to rows and back, without loss: whatever a record holds comes out of the database as it went in."""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields, is_dataclass, replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from functools import cache, lru_cache
from hashlib import blake2b
from types import UnionType
from typing import Any, TypeVar, Union, cast, get_args, get_origin, get_type_hints

from pydantic import ConfigDict, TypeAdapter
from pydantic_core import PydanticSerializationError
from pydantic_core import to_json as pydantic_to_json
from sqlalchemy import Row

from hamon.errors import StoreError
from hamon.model.delivery import Delivery, DeliveryState, Relay
from hamon.model.event import Detail, Event, EventKind
from hamon.model.incident import Incident, TimelineEntry, Transition
from hamon.model.observation import ReadPosition, SnmpVersion, Source, Trap, VarBind, VarType

T = TypeVar("T")
Timeline = tuple[TimelineEntry, ...]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


@lru_cache(maxsize=1024)
def micros(at: datetime) -> int:
    """Microseconds since 1970 of an aware time."""
    return (at - _EPOCH) // _MICROSECOND


def moment(stored: int) -> datetime:
    """Microseconds since 1970 to an aware time."""
    return _EPOCH + timedelta(microseconds=stored)


def _micros_or_none(at: datetime | None) -> int | None:
    return None if at is None else micros(at)


def _moment_or_none(stored: int | None) -> datetime | None:
    return None if stored is None else moment(stored)


# --- Text -------------------------------------------------------------------------------------------------------------

_UNSTORABLE = re.compile("[\x00\x1a\ud800-\udfff]")
_ESCAPED = re.compile("\x1a([0-9a-f]{4})")

NAME_LIMIT = 200


def text(value: str) -> str:
    r"""Escape what a database refuses (NUL, lone surrogates) as \x1a (SUBSTITUTE) and four hex digits.

    >>> text("a\0b"), untext(text("a\0b"))
    ('a\x1a0000b', 'a\x00b')
    """
    if value.isascii() and "\x00" not in value and "\x1a" not in value:
        return value
    return _UNSTORABLE.sub(lambda found: f"\x1a{ord(found[0]):04x}", value)


def untext(stored: str) -> str:
    """The text as it was before `text` wrote what databases refuse."""
    if "\x1a" not in stored:
        return stored
    return _ESCAPED.sub(lambda found: chr(int(found[1], 16)), stored)


@lru_cache(maxsize=4096)
def name(value: str) -> str:
    """`text`, of bounded length: a longer one is cut and told apart by a hash, after a mark that no escaped text contains."""
    stored = text(value)
    if len(stored) <= NAME_LIMIT:
        return stored
    return stored[: NAME_LIMIT - 50] + "\x1a~" + blake2b(stored.encode(), digest_size=16).hexdigest()


def _text_or_none(value: str | None) -> str | None:
    return None if value is None else text(value)


def _untext_or_none(stored: str | None) -> str | None:
    return None if stored is None else untext(stored)


# --- JSON -------------------------------------------------------------------------------------------------------------


def _plain(value: object) -> object:
    """What JSON has no word for: times as ISO 8601 in UTC, records and mappings as objects."""
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat()
    if is_dataclass(value):
        return {field.name: getattr(value, field.name) for field in fields(value)}
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"no JSON for {type(value).__name__}")


_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), check_circular=False, default=_plain).encode


def to_json(value: object) -> str:
    """JSON of any record; what pydantic, which is several times as fast, cannot say (lone surrogates) goes the other way."""
    try:
        return _json_text(pydantic_to_json(value, inf_nan_mode="constants"))
    except PydanticSerializationError:
        return text(_encode(value))


def _json_text(said: bytes) -> str:
    """`text` of JSON, which has escaped control characters already: of ASCII nothing is left to do."""
    return said.decode() if said.isascii() else text(said.decode())


def from_json(kind: type[T], stored: str, what: str) -> T:
    """Read a record of type `kind`; `what` names it in the StoreError for one that this version cannot read."""
    try:
        record: T = _reader(cast(Any, kind))(json.loads(untext(stored)))
    except (ValueError, TypeError, KeyError, AttributeError) as err:
        raise _unreadable(what, err) from err
    return record


def _unreadable(what: str, err: Exception) -> StoreError:
    return StoreError(
        f"{what} cannot be read ({type(err).__name__}: {err}). It was probably written by a newer version of hamon: "
        "run that version, or restore the backup that was made before the upgrade."
    )


@cache
def _reader(kind: Any) -> Callable[[Any], Any]:
    """A function from JSON to a value of the type `kind`, built once from the type hints.

    Unknown keys are ignored and missing ones take the default of the record, so that records may grow.
    """
    if is_dataclass(kind):
        readers = {field: _reader(hint) for field, hint in get_type_hints(kind).items()}
        build = cast(Callable[..., Any], kind)
        return lambda value: build(**{field: readers[field](given) for field, given in value.items() if field in readers})
    if get_origin(kind) in (Union, UnionType):
        alternatives = [alternative for alternative in get_args(kind) if alternative is not type(None)]
        if len(alternatives) == 1:
            inner = _reader(alternatives[0])
            return lambda value: None if value is None else inner(value)
        if all(is_dataclass(alternative) for alternative in alternatives):
            return _one_of(alternatives)
        return _as_it_is
    if get_origin(kind) is tuple:
        element = _reader(get_args(kind)[0])
        return lambda value: tuple([element(item) for item in value])
    if get_origin(kind) is Mapping and is_dataclass(inside := get_args(kind)[1]):
        item = _reader(cast(Any, inside))
        return lambda value: {name: item(one) for name, one in value.items()}
    if kind is datetime:
        return datetime.fromisoformat
    if isinstance(kind, type) and issubclass(kind, StrEnum):
        return kind
    return _as_it_is


def _one_of(kinds: Sequence[Any]) -> Callable[[Any], Any]:
    """Records of several kinds, which fields that only one of them has tell apart."""
    names = {kind: {field.name for field in fields(kind)} for kind in kinds}
    own = [(_reader(kind), names[kind].difference(*(names[other] for other in kinds if other is not kind))) for kind in kinds]

    def read(value: Any) -> Any:
        for reader, only in own:
            if not only.isdisjoint(value):
                return reader(value)
        raise ValueError(f"a record of none of the kinds {', '.join(kind.__name__ for kind in kinds)}")

    return read


def _as_it_is(value: Any) -> Any:
    return value


# --- Events -----------------------------------------------------------------------------------------------------------

EVENT_COLUMNS = (
    "at",
    "received_at",
    "cluster",
    "kind",
    "rule",
    "source",
    "collector",
    "node",
    "long_node",
    "resource",
    "reporter",
    "detail",
    "raw",
    "ref",
    "witness",
)

EventRow = tuple[int | str | bool | None, ...]


class _Made(dict[Any, Any]):
    """What is made of each key, once; half as long as a cache that forgets takes to look it up."""

    def __init__(self, make: Callable[[Any], Any]) -> None:
        super().__init__()
        self._make = make

    def __missing__(self, key: Any) -> Any:
        made = self[key] = self._make(key)
        return made


def event_rows(events: Sequence[Event]) -> list[EventRow]:
    """In the order of EVENT_COLUMNS. The hot path: a tuple, no dict, and `_value_`, which skips the descriptor of `value`."""
    details: dict[int, str] = {}  # lines that say the same share what they say
    words, names, times = _Made(text), _Made(_name_and_whole), _Made(micros)
    words[None], names[None] = None, (None, None)
    rows: list[EventRow] = []
    for event in events:
        raw, ref, detail = event.raw, event.ref, event.detail
        if (said := details.get(id(detail))) is None:
            said = details[id(detail)] = to_json(detail) if detail else "{}"
        node, long_node = names[event.node]
        rows.append(
            (
                times[event.at],
                times[event.received_at],
                words[event.cluster],
                event.kind._value_,
                words[event.rule],
                event.source._value_,
                words[event.collector],
                node,
                long_node,
                words[event.resource],
                words[event.reporter],
                said,
                raw if raw.isascii() and "\x00" not in raw and "\x1a" not in raw else text(raw),
                ref if ref.isascii() and "\x00" not in ref and "\x1a" not in ref else text(ref),
                event.witness,
            )
        )
    return rows


def _name_and_whole(value: str) -> tuple[str, str | None]:
    """`name`, and the whole text where it shortens it."""
    stored = text(value)
    return name(value), stored if len(stored) > NAME_LIMIT else None


def event(row: Row[Any]) -> Event:
    """A row of `events`; StoreError where it cannot be read."""
    try:
        detail: Detail = json.loads(untext(row.detail))
        return Event(
            at=moment(row.at),
            received_at=moment(row.received_at),
            cluster=untext(row.cluster),
            kind=EventKind(row.kind),
            rule=untext(row.rule),
            source=Source(row.source),
            collector=untext(row.collector),
            node=_untext_or_none(row.long_node or row.node),
            resource=_untext_or_none(row.resource),
            reporter=_untext_or_none(row.reporter),
            detail=detail,
            raw=untext(row.raw),
            ref=untext(row.ref),
            witness=bool(row.witness),
        )
    except (ValueError, TypeError) as err:
        raise _unreadable(f"event {row.id}", err) from err


# --- Incidents and transitions ----------------------------------------------------------------------------------------


_INCIDENT = tuple(field.name for field in fields(Incident) if field.name != "timeline")
_REPLACED = "\ufffd".encode()
_NAMED_FLOATS = ConfigDict(ser_json_inf_nan="constants")
_STEP = tuple(field.name for field in fields(Transition) if field.name != "incident")


# Serializers of known types are several times as fast as `to_json`, which finds out the type of each value. They are built when first used,
# and of tuples, because those of a record take no configuration.


@cache
def _incidents() -> Any:
    return TypeAdapter(tuple[Incident, ...], config=_NAMED_FLOATS).serializer


@cache
def _entries() -> Any:
    return TypeAdapter(Timeline, config=_NAMED_FLOATS).serializer


def _typed_json(serializer: Any, records: object, without: Mapping[int, set[str]] | None = None) -> str | None:
    """What `to_json` gives; None where it has to say it: lone surrogates are refused in values, and in keys replaced."""
    try:
        said: bytes = serializer.to_json(records, exclude=without, warnings=False)
    except PydanticSerializationError:
        return None
    return None if not said.isascii() and _REPLACED in said else _json_text(said)


def _timeline_json(timeline: Timeline) -> str:
    return _typed_json(_entries(), timeline) or to_json(timeline)


def incident_json(incident: Incident) -> str:
    """An incident without its timeline: what both the row of the incident and that of the step hold."""
    said = _typed_json(_incidents(), (incident,), {0: {"timeline"}})
    return said[1:-1] if said is not None else to_json({name: getattr(incident, name) for name in _INCIDENT})


def incident_row(transition: Transition, record: str) -> dict[str, object]:
    """The row of the incident as it is after this transition; `record` is its `incident_json`."""
    incident = transition.incident
    return {
        "cluster": text(incident.cluster),
        "key": name(incident.key),
        "sequence": transition.sequence,
        "stepped_at": micros(transition.at),
        "kind": incident.kind.value,
        "state": incident.state.value,
        "severity": incident.severity.value,
        "planned": incident.planned,
        "outcome": incident.outcome.value,
        "part_of": None if incident.part_of is None else name(incident.part_of),
        "detected_at": micros(incident.detected_at),
        "started_at": _micros_or_none(incident.started_at),
        "resolved_at": _micros_or_none(incident.resolved_at),
        "from_node": _text_or_none(incident.from_node),
        "to_node": _text_or_none(incident.to_node),
        "record": record,
    }


def incident(row: Row[Any]) -> Incident:
    """The incident of a row, its timeline left empty."""
    return from_json(Incident, row.record, f"incident {row.key} of cluster {row.cluster}")


TRANSITION_COLUMNS = ("cluster", "key", "sequence", "record", "timeline_kept", "timeline")


def transition_row(transition: Transition, before: Timeline, record: str) -> tuple[str, str, int, str, int, str]:
    """The row of a transition, in the order of TRANSITION_COLUMNS.

    `before` is the timeline of the step before it, as stored (empty when there is none); `record` the `incident_json` of the incident.
    """
    timeline = transition.incident.timeline
    kept = len(before)
    if timeline[:kept] != before:  # which it hardly ever does more than add to
        kept = 0
        for old, new in zip(before, timeline, strict=False):
            if old is not new and old != new:
                break
            kept += 1
    step = to_json({name: getattr(transition, name) for name in _STEP})
    return (
        text(transition.incident.cluster),
        name(transition.incident.key),
        transition.sequence,
        f'{step[:-1]},"incident":{record}}}',
        kept,
        _timeline_json(timeline[kept:]) if kept < len(timeline) else "[]",
    )


def timelines(rows: Sequence[Row[Any]]) -> dict[int, Timeline]:
    """Timeline by sequence; `rows` are steps of one incident from its first on, in order."""
    found: dict[int, Timeline] = {}
    for row in rows:
        new = from_json(Timeline, row.timeline, f"the timeline of incident {row.key} of cluster {row.cluster}")
        found[row.sequence] = found[row.sequence - 1][: row.timeline_kept] + new if row.timeline_kept else new
    return found


def transition(row: Row[Any], timeline: Timeline) -> Transition:
    """A row of `transitions` with its whole timeline; StoreError where it cannot be read."""
    step = from_json(Transition, row.record, f"step {row.sequence} of incident {row.key} of cluster {row.cluster}")
    return replace(step, incident=replace(step.incident, timeline=timeline))


# --- Deliveries and read positions ------------------------------------------------------------------------------------


def delivery_row(delivery: Delivery) -> dict[str, object]:
    incident = delivery.transition.incident
    id_, long_id = _name_and_whole(delivery.id)
    return {
        "id": id_,
        "long_id": long_id,
        "target": text(delivery.target),
        "cluster": text(incident.cluster),
        "key": name(incident.key),
        "sequence": delivery.transition.sequence,
        "created_at": micros(delivery.created_at),
    } | delivery_progress(delivery)


def delivery_progress(delivery: Delivery) -> dict[str, object]:
    """The columns that change while it is delivered."""
    return {
        "state": delivery.state.value,
        "attempts": delivery.attempts,
        "next_attempt_at": _micros_or_none(delivery.next_attempt_at),
        "sent_at": _micros_or_none(delivery.sent_at),
        "repeated": delivery.repeated,
        "error": text(delivery.error),
    }


def delivery(row: Row[Any], step: Transition) -> Delivery:
    """A row of `deliveries` with its step; StoreError where it cannot be read."""
    try:
        state = DeliveryState(row.state)
    except ValueError as err:
        raise _unreadable(f"delivery {row.id}", err) from err
    return Delivery(
        id=untext(row.long_id or row.id),
        target=untext(row.target),
        transition=step,
        created_at=moment(row.created_at),
        state=state,
        attempts=row.attempts,
        next_attempt_at=_moment_or_none(row.next_attempt_at),
        sent_at=_moment_or_none(row.sent_at),
        repeated=bool(row.repeated),
        error=untext(row.error),
    )


def position_row(position: ReadPosition, updated_at: datetime) -> dict[str, object]:
    return {
        "collector": text(position.collector),
        "device": str(position.device),
        "inode": str(position.inode),
        "path": text(position.path),
        "offset": position.offset,
        "fingerprint": position.fingerprint,
        "fingerprint_size": position.fingerprint_size,
        "updated_at": micros(updated_at),
    }


def position(row: Row[Any]) -> ReadPosition:
    return ReadPosition(
        collector=untext(row.collector),
        path=untext(row.path),
        device=int(row.device),
        inode=int(row.inode),
        offset=row.offset,
        fingerprint=row.fingerprint,
        fingerprint_size=row.fingerprint_size,
    )


_OCTETS = frozenset({VarType.OCTET_STRING, VarType.OPAQUE})


def relay_row(relay: Relay) -> dict[str, object]:
    """A trap that waits to be passed on, without its PDU: the variables say it all."""
    trap = relay.trap
    varbinds = [(item.oid, item.type.value, item.value.hex() if isinstance(item.value, bytes) else item.value) for item in trap.varbinds]
    fields = {
        "cluster": text(trap.cluster),
        "collector": text(trap.collector),
        "received_at": micros(trap.received_at),
        "source": text(trap.source),
        "version": trap.version.value,
        "credential": text(trap.credential),
        "notification": trap.notification,
        "varbinds": varbinds,
        "uptime": trap.uptime,
        "enterprise": trap.enterprise,
        "agent_address": trap.agent_address,
        "engine_id": trap.engine_id,
    }
    return {"target": text(relay.target), "created_at": micros(relay.created_at), "trap": json.dumps(fields, ensure_ascii=True)}


def relay(row: Row[Any]) -> Relay:
    fields = json.loads(row.trap)
    varbinds = tuple(
        VarBind(oid, kind := VarType(name), bytes.fromhex(value) if kind in _OCTETS else value) for oid, name, value in fields["varbinds"]
    )
    trap = Trap(
        cluster=untext(fields["cluster"]),
        collector=untext(fields["collector"]),
        received_at=moment(fields["received_at"]),
        source=untext(fields["source"]),
        version=SnmpVersion(fields["version"]),
        credential=untext(fields["credential"]),
        notification=fields["notification"],
        varbinds=varbinds,
        uptime=fields["uptime"],
        enterprise=fields["enterprise"],
        agent_address=fields["agent_address"],
        engine_id=fields["engine_id"],
    )
    return Relay(id=row.id, target=untext(row.target), trap=trap, created_at=moment(row.created_at))
