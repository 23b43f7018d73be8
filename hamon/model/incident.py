"""The story: an incident opens, is updated, and is resolved; every step is a Transition that carries the whole incident."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from hamon.model.event import Detail, EventKind
from hamon.model.observation import Source
from hamon.model.record import quickly_made, quickly_told


@quickly_told
class IncidentKind(StrEnum):
    FAILOVER = "failover"
    SWITCHOVER = "switchover"
    SERVICE_DOWN = "service_down"
    STANDBY_FAULT = "standby_fault"
    RESOURCE_FAILURE = "resource_failure"
    LOCAL_RECOVERY = "local_recovery"
    STOP_FAILED = "stop_failed"
    RESOURCE_BLOCKED = "resource_blocked"
    RESOURCE_UNMANAGED = "resource_unmanaged"
    NODE_LOST = "node_lost"
    REPLICATION_DEGRADED = "replication_degraded"
    CONNECTIVITY_DEGRADED = "connectivity_degraded"
    DISK_DEGRADED = "disk_degraded"
    FENCE_DEVICE_FAILED = "fence_device_failed"
    FENCING = "fencing"
    FENCING_FAILED = "fencing_failed"
    INTERCONNECT_DEGRADED = "interconnect_degraded"
    FAILCOUNT_THRESHOLD = "failcount_threshold"
    MOVE_CONSTRAINT_LEFT = "move_constraint_left"
    QUORUM_LOST = "quorum_lost"
    SPLIT_BRAIN_SUSPECTED = "split_brain_suspected"
    DC_CHANGED = "dc_changed"
    DAEMON_FAILED = "daemon_failed"
    CLUSTER_STARTED = "cluster_started"
    CLUSTER_STOPPED = "cluster_stopped"
    MAINTENANCE = "maintenance"
    ATTRIBUTE_CHANGED = "attribute_changed"
    CONFIG_CHANGED = "config_changed"
    MONITORING_LOST = "monitoring_lost"
    TRAPS_DROPPED = "traps_dropped"
    DELIVERY_BACKLOG = "delivery_backlog"
    RECORDS_REFUSED = "records_refused"
    OTHER = "other"
    CLOCK_SKEW = "clock_skew"
    UNCLASSIFIED = "unclassified"


QUORUM_DEVICE = "quorum device"
"""The resource of an incident about the connection to the quorum device."""


@quickly_told
class Severity(StrEnum):
    CRITICAL = "critical"
    MAJOR = "major"
    MINOR = "minor"
    WARNING = "warning"
    INFO = "info"
    UNKNOWN = "unknown"

    @property
    def rank(self) -> int:
        """Higher is worse; `unknown` ranks with `warning`."""
        return _RANK[self]


_RANK = {
    Severity.CRITICAL: 5,
    Severity.MAJOR: 4,
    Severity.MINOR: 3,
    Severity.WARNING: 2,
    Severity.UNKNOWN: 2,
    Severity.INFO: 1,
}


@quickly_told
class Outcome(StrEnum):
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    ONGOING = "ongoing"
    NONE = "none"


@quickly_told
class Tools(StrEnum):
    """What operators manage a cluster with: the commands in steps are of these."""

    PCS = "pcs"
    CRMSH = "crmsh"
    PACEMAKER = "pacemaker"


@quickly_told
class IncidentState(StrEnum):
    OPEN = "open"
    RESOLVED = "resolved"
    EXPIRED = "expired"


@quickly_made
@dataclass(frozen=True, slots=True, kw_only=True)
class TimelineEntry:
    """One event of the story, with its own fields (`detail`) and the original line (`raw`); `hamon.tell` has the words for it."""

    at: datetime
    node: str | None
    resource: str | None
    source: Source
    event: EventKind
    detail: Detail
    raw: str
    reported_by: tuple[str, ...] = ()


@quickly_made
@dataclass(frozen=True, slots=True, kw_only=True)
class Cause:
    """What failed first. `kind` is an incident or event kind; `text` the evidence in its own words.

    `entry`: the event that `text` tells, where the timeline has it, without its line: so that it has words where no timeline is at hand.
    """

    kind: str
    node: str | None = None
    resource: str | None = None
    at: datetime | None = None
    text: str = ""
    entry: TimelineEntry | None = None


@quickly_told
class Judgement(StrEnum):
    """What was held of an incident where it could have been otherwise."""

    PLANNED = "planned"
    UNPLANNED = "unplanned"
    PLANNED_UNKNOWN = "planned_unknown"
    ON_ACTIVE = "on_active"
    ON_STANDBY = "on_standby"
    SIDE_UNKNOWN = "side_unknown"
    NODE_LOST = "node_lost"
    NODE_STOPPED = "node_stopped"
    MOVED = "moved"
    RECOVERED_IN_PLACE = "recovered_in_place"
    FAILED = "failed"
    UNDER_WAY = "under_way"
    FENCED_BY_CLUSTER = "fenced_by_cluster"
    FENCED_BY_PERSON = "fenced_by_person"
    LINK_DOWN = "link_down"


@quickly_made
@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """A verdict and the events that decided it, the first first. Without any: nothing speaks for another verdict, or only the poll at
    `polled_at` showed it."""

    verdict: Judgement
    by: tuple[TimelineEntry, ...] = ()
    polled_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnWords:
    """What an incident of the user's own says in one language, with its fields filled in."""

    title: str
    text: str = ""
    steps: tuple[str, ...] = ()


@quickly_made
@dataclass(frozen=True, slots=True, kw_only=True)
class Incident:
    """An incident as it is after one step.

    `key` is unique in the cluster and never changes. `planned` is None when there is no evidence either way. `redundancy`: True the service
    is protected, False a further fault would be an outage, None unknown. `reasons` say why redundancy is missing (node or resource).
    `services` are the names of the affected services, `resources` the ids. Times are aware UTC; `started_at` None means that it was
    already so when the evidence begins. `told` is set once people were told of it. `debt_since`: since when the service is recovered and
    not protected, or redundancy is switched off by planned work; None when nothing is owed or nobody knows. Of an incident of the user's
    own `name` is the id in the rule file, and `words` are its own, by language; else both are empty. `amiss`: what concerned the
    incident and was not as it should be in the cluster after this step, in stable words `what node [subject]`. `tools`: what its
    operators work with, None: not said. `flaps`: how often it happened, of one that stands for many of its key; else 0.
    """

    key: str
    cluster: str
    kind: IncidentKind
    severity: Severity
    state: IncidentState
    planned: bool | None = None
    outcome: Outcome = Outcome.NONE
    part_of: str | None = None
    services: tuple[str, ...] = ()
    nodes: tuple[str, ...] = ()
    resources: tuple[str, ...] = ()
    from_node: str | None = None
    to_node: str | None = None
    fenced: tuple[str, ...] = ()
    started_at: datetime | None = None
    detected_at: datetime
    service_restored_at: datetime | None = None
    redundancy_restored_at: datetime | None = None
    resolved_at: datetime | None = None
    service_down_seconds: float | None = None
    redundancy: bool | None = None
    reasons: tuple[str, ...] = ()
    debt_since: datetime | None = None
    cause: Cause | None = None
    evidence: tuple[Evidence, ...] = ()
    sources: tuple[Source, ...] = ()
    timeline: tuple[TimelineEntry, ...] = ()
    told: bool = False
    name: str = ""
    words: Mapping[str, OwnWords] = field(default_factory=dict)
    flaps: int = 0
    amiss: tuple[str, ...] = ()
    tools: Tools | None = None

    @property
    def called(self) -> str:
        """What routes, metrics and receivers know it by: its own name, else its kind."""
        return self.name or self.kind.value


@quickly_told
class Notice(StrEnum):
    """What people are told with a transition; None where they are told nothing."""

    OPENING = "opening"
    UPDATE = "update"
    REMINDER = "reminder"
    CLOSING = "closing"


@quickly_told
class TransitionKind(StrEnum):
    OPENED = "opened"
    UPDATED = "updated"
    RESOLVED = "resolved"
    EXPIRED = "expired"


@quickly_made
@dataclass(frozen=True, slots=True, kw_only=True)
class Transition:
    """One step of an incident, with the incident as it is after it. `sequence` counts the steps of this incident from 1."""

    at: datetime
    kind: TransitionKind
    incident: Incident
    sequence: int
    reason: str
    notice: Notice | None = None
    ages: tuple[float, ...] = ()
    """Of a reminder: the ages in seconds that the missing redundancy has reached since the reminder before it."""

    @property
    def told_as(self) -> Notice | None:
        """What it is to people who were told of the incident: when that becomes part of another one, this is the last of its own."""
        return Notice.CLOSING if self.incident.part_of is not None else self.notice
