"""Polls of clusters that are made up: CIBs one after the other, as Debian's `crm_mon` prints them, to what the engine makes of them."""

import os
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import cache

from hamon.classify.incidents import Engine
from hamon.classify.settings import ClusterSettings
from hamon.model.cluster import ClusterStatus, FencingStatus
from hamon.model.event import Event
from hamon.model.incident import Incident
from hamon.model.observation import Snapshot, Tick
from hamon.parse import crm_mon
from tests.cib import Cib

START = datetime(2026, 11, 22, 11, tzinfo=UTC)


@cache
def _printed(cib: str) -> bytes:
    with tempfile.NamedTemporaryFile("w", suffix=".cib") as file:
        file.write(cib)
        file.flush()
        environment = {**os.environ, "CIB_file": file.name, "LC_ALL": "C.UTF-8", "TZ": "UTC"}
        command = ("crm_mon", "-1", "--output-as=xml", "-r", "-o")
        return subprocess.run(command, env=environment, capture_output=True, check=True, timeout=60).stdout


def status_of(cib: Cib, at: datetime) -> ClusterStatus:
    return crm_mon.parse(_printed(str(cib)), at=at)


@dataclass(frozen=True, slots=True)
class Scene:
    """What polls show from one time on. `fenced`: nodes whose fencing stands in the history (a CIB file has none)."""

    seconds: float
    cib: Cib
    fenced: tuple[str, ...] = ()
    failed: tuple[str, ...] = ()
    """Nodes whose fencing failed."""


def snapshots(scenes: Sequence[Scene], *, until: float, every: float = 1.0, skip: frozenset[int] = frozenset()) -> list[Snapshot]:
    """A poll every so many seconds; `skip`: numbers of polls that gave no answer."""
    found = []
    number = 0
    while number * every <= until:
        seconds = number * every
        at = START + timedelta(seconds=seconds)
        scene = next(scene for scene in reversed(scenes) if scene.seconds <= seconds)
        if number not in skip:
            data = _printed(str(scene.cib))
            events = [
                FencingStatus(
                    action="reboot",
                    target=name,
                    status="success" if name in scene.fenced else "failed",
                    client="pacemaker-controld.100",
                    origin="other",
                    delegate="other",
                    completed_at=START + timedelta(seconds=_first(scenes, name)),
                )
                for name in (*scene.fenced, *scene.failed)
            ]
            status = replace(crm_mon.parse(data, at=at), fencing=tuple(events))
            digest = f"{crm_mon.digest(data)}{scene.fenced}{scene.failed}"
            found.append(Snapshot(cluster="c", collector="polls", status=status, digest=digest, received_at=at, path="one"))
        number += 1
    return found


def _first(scenes: Sequence[Scene], name: str) -> float:
    return next(scene.seconds for scene in scenes if name in scene.fenced or name in scene.failed)


@dataclass(frozen=True, slots=True)
class Outcome:
    incidents: Sequence[Incident]
    events: Sequence[Event]
    told: Sequence[str]
    """Keys of the incidents that people were told of, once for each opening."""

    @property
    def mains(self) -> list[Incident]:
        return [incident for incident in self.incidents if incident.part_of is None and incident.started_at is not None]

    def brief(self) -> list[str]:
        return [f"{item.kind} {','.join(item.nodes)} {item.from_node}->{item.to_node} {item.planned} {item.outcome}" for item in self.mains]


def judge(polls: Sequence[Event | Snapshot], *, settings: ClusterSettings | None = None, after: float = 30.0) -> Outcome:
    engine = Engine(settings or ClusterSettings(name="c"))
    incidents: dict[str, Incident] = {}
    events: list[Event] = []
    told: list[str] = []
    last = polls[-1]
    end = last.status.at if isinstance(last, Snapshot) else last.at
    items: list[Event | Snapshot | Tick] = [*polls, Tick(now=end + timedelta(seconds=after))]
    for item in items:
        advance = engine.advance([item])
        events += advance.events
        for transition in advance.transitions:
            incidents[transition.incident.key] = transition.incident
            if transition.notice == "opening":
                told.append(transition.incident.key)
    found = sorted(incidents.values(), key=lambda item: (item.started_at or START, item.key))
    return Outcome(found, events, told)
