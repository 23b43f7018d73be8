"""What the configuration says about one cluster, as the engine wants it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta

from hamon.model.incident import Tools


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterSettings:
    """`services`: name -> resource ids; empty: they are learned. `node_ids`: corosync node id -> node name.
    `pattern`: how nodes share the services, in the words of `services.Pattern`; None: as it is found.
    `tools`: what its operators work with; None: not said.

    Times: `settle` before kinds that often grow into something else are told; `membership` for links and lost nodes; `grace` before a
    service that stopped without a plan counts as down; `failover_limit` before a fail-over without an end counts as failed;
    `story_window` within which a cause is part of an effect; `constraint_age` after which a move constraint counts as forgotten;
    `stable` after which a respawned daemon counts as well; `expire` for what has no recovery signal.
    `flapping`: how many incidents of one key are told each by itself within `flapping_window` (0: all); what is more is one story, until
    nothing happened for `flapping_quiet`.
    `clock_limit`: how far the clock of a node may be off before people are told (0: never).
    `remind`: the ages of missing redundancy that some target wants to be reminded at; `remind_planned`: the same of planned work.
    """

    name: str
    title: str = ""
    services: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    fence_devices: frozenset[str] = frozenset()
    node_ids: Mapping[str, str] = field(default_factory=dict)
    pattern: str | None = None
    tools: Tools | None = None
    settle: timedelta = timedelta(seconds=2)
    membership: timedelta = timedelta(seconds=10)
    grace: timedelta = timedelta(seconds=20)
    failover_limit: timedelta = timedelta(minutes=10)
    story_window: timedelta = timedelta(seconds=120)
    constraint_age: timedelta = timedelta(minutes=10)
    stable: timedelta = timedelta(minutes=5)
    expire: timedelta = timedelta(hours=24)
    flapping: int = 5
    flapping_window: timedelta = timedelta(hours=1)
    flapping_quiet: timedelta = timedelta(minutes=10)
    clock_limit: timedelta = timedelta(seconds=5)
    remind: tuple[timedelta, ...] = ()
    remind_planned: tuple[timedelta, ...] = ()
