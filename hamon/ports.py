"""The small protocols between the core and its shells."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Protocol, runtime_checkable

from hamon.model.cluster import ClusterView, ReceiverView, SourceView
from hamon.model.delivery import Delivery, Notification, Relay
from hamon.model.event import Event
from hamon.model.incident import Incident, Transition
from hamon.model.observation import Observation, Polled, ReadPosition, Snapshot


class Inbox(Protocol):
    """Where collectors put what they saw."""

    async def put(self, observation: Observation, recorded: Callable[[], None] | None = None) -> None:
        """Hand one observation over; waits for room (the queue is bounded), so tailing is held back and loses nothing.

        `recorded` is called, on the event loop, once the observation and what it gave are in the history.
        """
        ...


class Collector(Protocol):
    """One configured instance that reads one source."""

    async def run(self, inbox: Inbox) -> None:
        """Read until cancelled. What goes wrong with the source becomes SourceLost/SourceBack, not an exception."""
        ...

    def views(self) -> Sequence[SourceView]:
        """How its files (or commands) are now, for pages and metrics."""
        ...


@runtime_checkable
class Receiver(Protocol):
    """A collector that others send to: it takes its addresses before anything runs, and what it cannot take it can only count."""

    def open(self, state_directory: Path) -> None:
        """Listen, and read what an earlier run left in the state directory. Raises ConfigError."""
        ...

    def close(self) -> None:
        """Give the addresses back; the end of `run` does it too."""
        ...

    def counted(self) -> ReceiverView: ...


class Notifier(Protocol):
    """One configured target that notifications are handed to."""

    async def send(self, notification: Notification) -> None:
        """Hand it over; return only when the peer accepted it. Raises DeliveryError."""
        ...

    async def close(self) -> None:
        """Close connections that were kept open."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Recording:
    """All that one batch gives, written in one transaction.

    `states` holds the engine's state per cluster, serialised.
    """

    events: Sequence[Event] = ()
    transitions: Sequence[Transition] = ()
    deliveries: Sequence[Delivery] = ()
    positions: Sequence[ReadPosition] = ()
    states: Mapping[str, bytes] = field(default_factory=dict)
    relays: Sequence[Relay] = ()
    polls: Sequence[Polled] = ()
    """What polling found: a new state (`since` is the time of its answer), the same one again, or since when the cluster is unknown."""


class RecordKind(StrEnum):
    """What a batch is made of."""

    EVENT = "event"
    STEP = "step"
    DELIVERY = "delivery"
    POSITION = "position"
    STATE = "state"
    RELAY = "relay"
    POLL = "poll"


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """A part of a batch that the database will never take. `about` places it: a line, an incident and its step, a file.

    `kept` is the file that holds it; empty: it could not be kept.
    """

    what: RecordKind
    cluster: str
    about: str
    reason: str
    kept: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredEvent:
    """An event with its number in the history; later ones have higher numbers."""

    id: int
    event: Event


@dataclass(frozen=True, slots=True, kw_only=True)
class Remembered:
    """What the gateway starts from."""

    states: Mapping[str, bytes]
    positions: Sequence[ReadPosition]
    polls: Mapping[str, Polled] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class IncidentFilter:
    """Which incidents are asked for, newest first; None: all."""

    cluster: str | None = None
    kind: str | None = None
    """A kind, or the name of an incident of the user's own."""
    open_only: bool = False
    include_parts: bool = False
    """Also incidents that are part of another one."""
    since: datetime | None = None
    before: datetime | None = None
    """Only incidents detected before this time (for paging back)."""
    limit: int = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class EventFilter:
    """Which events are asked for, newest first; None: all."""

    cluster: str | None = None
    kind: str | None = None
    node: str | None = None
    text: str | None = None
    """Substring of the original line or resource, case-insensitive."""
    since: datetime | None = None
    until: datetime | None = None
    before_id: int | None = None
    """Only events stored before this id (for paging back)."""
    limit: int = 100


class Store(Protocol):
    """The history. Methods raise StoreError when the database does not answer; the caller tries again."""

    async def record(self, recording: Recording) -> None:
        """Write one batch in one transaction, or nothing of it. Raises StoreRefusal where it will never be taken as it is."""
        ...

    async def record_what_is_taken(self, recording: Recording) -> Sequence[Refused]:
        """Write a batch that was refused without what the database will never take, in one transaction; return what was left out.

        Raises StoreRefusal where the database takes nothing at all.
        """
        ...

    async def remembered(self) -> Remembered: ...

    async def due_deliveries(self, now: datetime, limit: int, skip: Collection[str] = ()) -> Sequence[Delivery]:
        """Pending deliveries whose time has come, oldest first, at most one per incident and target (order is kept).

        Those of the targets in `skip` are left out.
        """
        ...

    async def next_delivery_at(self, skip: Collection[str] = ()) -> datetime | None:
        """When the next pending delivery is due, those of the targets in `skip` left out; None when there is none."""
        ...

    async def update_delivery(self, delivery: Delivery) -> None:
        """Write state, attempts, next attempt, sent time and error of one delivery."""
        ...

    async def recover_deliveries(self) -> int:
        """Turn SENDING left by a crash back into PENDING, marked repeated; return how many."""
        ...

    async def pending_deliveries(self) -> Mapping[str, int]:
        """Number of deliveries waiting, per target."""
        ...

    async def drop_overtaken(self, target: str) -> int:
        """Give up pending deliveries for which a later step of the same incident is pending for the target; return how many."""
        ...

    async def relays(self, target: str, limit: int) -> Sequence[Relay]:
        """Traps that wait to be passed on to the target, oldest first."""
        ...

    async def drop_relays(self, ids: Sequence[int]) -> None:
        """Forget traps that were passed on, or never will be."""
        ...

    async def trim_relays(self, target: str, keep: int) -> int:
        """Forget the oldest of more than `keep` traps that wait for the target; return how many."""
        ...

    async def incidents(self, wanted: IncidentFilter) -> Sequence[Incident]:
        """Newest first; timelines are left empty."""
        ...

    async def incident(self, cluster: str, key: str) -> Incident | None: ...

    async def parts(self, cluster: str, key: str) -> Sequence[Incident]:
        """Incidents that are part of this one, oldest first."""
        ...

    async def transitions(self, cluster: str, key: str) -> Sequence[Transition]:
        """The steps of an incident, oldest first."""
        ...

    async def deliveries(self, cluster: str, key: str) -> Sequence[Delivery]:
        """What was told of an incident, oldest first."""
        ...

    async def events(self, wanted: EventFilter) -> Sequence[StoredEvent]:
        """Newest first."""
        ...

    async def stored_lines(self, cluster: str, lines: Sequence[Event], within: timedelta) -> Collection[str]:
        """The places (`place_of`) of those lines that are in the history, from whatever log.

        That is: by the same rule, of the same node, word by word, and at the same time, give or take `within`.
        """
        ...

    async def state_at(self, cluster: str, at: datetime) -> Polled | None:
        """What polling knew of a cluster at a time; None when nothing was recorded before."""
        ...

    async def prune(self, *, older_than: datetime | None, max_bytes: int | None) -> int:
        """Delete old history in small steps, never what is open or undelivered; return the number of rows deleted."""
        ...

    async def size_bytes(self) -> int: ...

    async def close(self) -> None: ...


class Views(Protocol):
    """The present, for pages and metrics."""

    def clusters(self) -> Sequence[ClusterView]: ...

    def sources(self) -> Sequence[SourceView]: ...

    def receivers(self) -> Sequence[ReceiverView]: ...

    def own_incidents(self) -> Collection[str]:
        """The names of incidents that rules of the user's own open."""
        ...

    def polled(self, cluster: str) -> Polled | None:
        """What polling knows of a cluster, its last answer also while it is unknown; None: the cluster is not polled."""
        ...

    def services(self, cluster: str) -> Mapping[str, Sequence[str]]:
        """The services of a cluster as configured, name to resources; empty: they are learned."""
        ...

    def status(self, cluster: str) -> Snapshot | None:
        """The last answer while it is the truth; None when the cluster is unknown or not polled."""
        ...
