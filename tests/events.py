"""Events by hand."""

from dataclasses import replace
from datetime import datetime
from typing import Any

from hamon.model.event import Event, EventKind
from hamon.model.observation import Source


def happened(kind: EventKind, at: datetime, **more: Any) -> Event:
    """What a log told as it happened, with no more in it than an event must have."""
    plain = Event(at=at, received_at=at, cluster="test", kind=kind, rule="r", source=Source.LOG, collector="c")
    return replace(plain, **more)
