"""What polling showed, per cluster: the last answer kept in memory, and what of it is to be recorded.

The law: a cluster that could not be asked is unknown from that moment on, whatever it showed before.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from hamon.model.observation import Polled, Snapshot, Source, SourceBack, SourceLost

CONFIRM_EVERY = timedelta(minutes=1)
"""How often it is recorded that states are as they were: one transaction for all clusters, not one for each answer."""
NOT_RUNNING = "hamon did not run"
_MOMENT = timedelta(microseconds=1)


class Polls:
    """The polled clusters. Changed by the processing thread only; `changed` gives what the event loop may show once it is recorded."""

    def __init__(self) -> None:
        self._polled: dict[str, Polled] = {}
        self._lost: set[str] = set()
        """Clusters that could not be asked, and of which that was told."""
        self._changed: set[str] = set()
        self._to_record: list[Polled] = []
        self._confirmed: dict[str, Polled] = {}
        self._confirmed_at: datetime | None = None

    def restore(self, known: Mapping[str, Polled]) -> None:
        """Begin with what an earlier run knew: until the first answer all of it is old."""
        for name, polled in known.items():
            since = polled.unknown_since or (polled.snapshot.received_at if polled.snapshot is not None else None)
            if polled.unknown_since is None and polled.since is not None and since is not None:
                since = max(since, polled.since + _MOMENT)
            self._polled[name] = replace(polled, unknown_since=since, reason=polled.reason or NOT_RUNNING)
            self._changed.add(name)
            if polled.unknown_since is not None and polled.reason != NOT_RUNNING:
                self._lost.add(name)
            if polled.unknown_since is None:
                self._to_record.append(self._polled[name])

    def take(self, snapshot: Snapshot) -> None:
        """Remember an answer. A state seen again is noted with others once a minute; what nobody saw in between is not vouched for."""
        name = snapshot.cluster
        last = self._polled.get(name, Polled(cluster=name))
        if snapshot.beside and last.snapshot is not None and last.unknown_since is None:
            return
        is_same = last.snapshot is not None and last.snapshot.digest == snapshot.digest and last.unknown_since is None
        polled = Polled(cluster=name, snapshot=snapshot, since=last.since if is_same else snapshot.received_at)
        self._polled[name] = polled
        self._changed.add(name)
        if is_same:
            self._confirmed[name] = polled
            self._confirmed_at = self._confirmed_at or snapshot.received_at
            if snapshot.received_at - self._confirmed_at >= CONFIRM_EVERY:
                self._to_record += self._confirmed.values()
                self._confirmed, self._confirmed_at = {}, snapshot.received_at
        else:
            self._end(name)
            self._to_record.append(polled)

    def _end(self, name: str) -> None:
        """A state ends: note when it was last seen."""
        if (confirmed := self._confirmed.pop(name, None)) is not None:
            self._to_record.append(confirmed)

    def source(self, observation: SourceLost | SourceBack) -> bool:
        """The polling of a cluster was lost, or works again: the answer that follows then says what is known. Whether this is news."""
        if observation.source is not Source.POLL:
            return True
        name = observation.cluster
        if isinstance(observation, SourceBack):
            was_lost = name in self._lost
            self._lost.discard(name)
            return was_lost
        self._lost.add(name)
        last = self._polled.get(name, Polled(cluster=name))
        self._end(name)
        since = last.unknown_since
        if since is None:
            since = observation.at if last.since is None else max(observation.at, last.since + _MOMENT)
        self._polled[name] = replace(last, unknown_since=since, reason=observation.reason)
        self._changed.add(name)
        self._to_record.append(self._polled[name])
        return True

    def to_record(self) -> Sequence[Polled]:
        """What is to be recorded since the last call, in order."""
        found, self._to_record = self._to_record, []
        return found

    def changed(self) -> Mapping[str, Polled]:
        """What is to be shown of the clusters that were polled since the last call."""
        found = {name: self._polled[name] for name in self._changed}
        self._changed.clear()
        return found
