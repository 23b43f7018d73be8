"""What hamon knows of a cluster now, for pages, metrics and `status`. Derived from the evidence; unknown stays None."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class NodeState(StrEnum):
    ONLINE = "online"
    STANDBY = "standby"
    MAINTENANCE = "maintenance"
    STOPPED = "stopped"
    LOST = "lost"
    FENCED = "fenced"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeView:
    name: str
    state: NodeState
    is_dc: bool | None = None
    since: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceView:
    """`up` None: not known yet. `able_to_take_over`: nodes that could run it now, other than the active one; None unknown."""

    name: str
    resources: tuple[str, ...]
    active_node: str | None = None
    up: bool | None = None
    able_to_take_over: tuple[str, ...] | None = None
    since: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterView:
    """`maintenance` is that of the whole cluster."""

    name: str
    title: str
    nodes: tuple[NodeView, ...] = ()
    services: tuple[ServiceView, ...] = ()
    dc: str | None = None
    has_quorum: bool | None = None
    maintenance: bool = False
    last_event_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceView:
    """One source of evidence: whether it gives data, and since when it does or does not."""

    collector: str
    kind: str
    cluster: str
    path: str
    up: bool
    reason: str = ""
    since: datetime | None = None
    last_data_at: datetime | None = None
    bytes_read: int = 0
    lines_read: int = 0
    lag_bytes: int = 0
