"""The records of `hamon analyze`: what it is given, how it is asked to read, what it answers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from hamon.analyze.wall_clock import Wall
from hamon.classify.settings import ClusterSettings
from hamon.errors import HamonError
from hamon.model.event import Event
from hamon.model.incident import Incident, Transition
from hamon.model.observation import Source, TextForm

MOST_ERRORS = 20
"""How many errors are told of one input."""


class NothingReadable(HamonError):
    """No input could be read at all."""


@dataclass(slots=True)
class Input:
    """One file, and what was made of it. `form` is recognised from the content."""

    path: Path
    name: str
    source: Source = Source.LOG
    form: str | None = None
    node: str | None = None
    records: int = 0
    recognised: int = 0
    unrecognised: int = 0
    errors: list[str] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    wall: Wall | None = None
    """What the lines of a log tell of the clock that stamped them."""
    problem: str | None = None
    """Why it is not read at all."""

    def cannot(self, reason: str, *, counts: bool = True) -> None:
        """Note one record that cannot be read; `counts` False: it is not even known that it is one."""
        self.records += counts
        self.unrecognised += counts
        if len(self.errors) < MOST_ERRORS:
            self.errors.append(reason)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadAs:
    """How the configured collector of this name reads a file; `path` is what its events say. `form` None: a log of the cluster."""

    collector: str
    path: str
    form: TextForm | None = None
    node: str | None = None
    timezone: str = "UTC"
    encodings: tuple[str, ...] = ("utf-8",)


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """How evidence is read, and in whose words the answer is. `sources`: kinds of evidence that are used."""

    sources: frozenset[Source] = frozenset(Source)
    cluster: str | None = None
    timezone: str = "UTC"
    year: int | None = None
    language: str = "en"
    settings: ClusterSettings | None = None
    read_as: Mapping[Path, ReadAs] = field(default_factory=dict)
    """Files that are read as a collector reads them, by their resolved path; the others are recognised."""
    until: datetime | None = None
    """Time that passes after the evidence; without it hardly any, since nobody knows what came then."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Analysis:
    """What was found. `incidents` are ordered by their begin, `events` are facts in the form of the contract."""

    cluster: str | None
    inputs: Sequence[Input]
    incidents: Sequence[Incident]
    events: Sequence[dict[str, Any]]
    facts: Sequence[Event] = ()
    """The events as records, with their rules; without those that only confirm another."""
    polled_at: Sequence[datetime] = ()
    """When the state was asked for, in order."""
    transitions: Sequence[Transition] = ()
    """Every step of the incidents, in order."""
    told: Sequence[Event] = ()
    """All events, also those that only confirm another."""
