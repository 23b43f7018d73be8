"""What the engine remembers of one cluster. Plain data that can be written as JSON and read back, so that a restart goes on where it was.

Nothing here decides; `topology.py` answers questions about it, `incidents.py` and `departures.py` change it.
"""

from dataclasses import dataclass, field
from datetime import datetime

from hamon.model.event import Event
from hamon.model.incident import Cause, IncidentKind, IncidentState, Notice, Outcome, OwnWords, Severity, TimelineEntry
from hamon.model.observation import Source

VERSION = 1
"""Raised when a stored state can no longer be read by this program."""


@dataclass(slots=True)
class Node:
    """A node. `member` None: not known yet. `stop_requested_at`: an orderly stop was asked for (and it did not join again since)."""

    name: str
    member: bool | None = None
    lost_at: datetime | None = None
    lost_by: str | None = None
    """The node whose log said first that it is lost."""
    lost_for: list[str] = field(default_factory=list)
    """All nodes that said so. Two of them outweigh what it says itself."""
    stop_requested_at: datetime | None = None
    standby_at: datetime | None = None
    maintenance_at: datetime | None = None
    fenced_at: datetime | None = None
    fencing_asked_at: datetime | None = None
    """When its fencing was asked for, until somebody tells an end of that."""
    fencing_pending_until: datetime | None = None
    """It joined again while that was under way, which may still reach it: it counts as back at this time, or when the cluster is done."""
    since: datetime | None = None
    stack_started_at: datetime | None = None
    booted_at: datetime | None = None
    """When its cluster stack was last started."""
    alone_at: datetime | None = None
    """When it called itself a member while it was starting, before it was one of the cluster again."""
    fail_counts: dict[str, str] = field(default_factory=dict)
    """Resource -> fail count, as far as attributes told it."""
    barred: dict[str, datetime] = field(default_factory=dict)
    """Resource or clone that may not run here until it is cleaned up (migration threshold) -> since."""
    forgiven_at: datetime | None = None
    """When a fail count was last cleared here."""
    failed: dict[str, datetime] = field(default_factory=dict)
    """Resource whose last operation here failed and that did not work since -> since."""
    degraded: dict[str, datetime] = field(default_factory=dict)
    """Attribute with a bad value -> since."""
    bans: dict[str, datetime] = field(default_factory=dict)
    """Constraint of an operator's ban against this node -> since."""


@dataclass(slots=True)
class Resource:
    """A primitive without instance number. `roles`: node -> Started, Unpromoted or Promoted; a node that is missing: stopped there."""

    id: str
    roles: dict[str, str] = field(default_factory=dict)
    clone: bool = False
    promotable: bool = False
    device: bool = False
    uncertain: bool = False
    """Only traps told of it, and not whether it is a clone: not seen to move, in no plan."""
    started_on: str | None = None
    started_at: datetime | None = None
    """Its last start or promotion: traps of the stop before it may come late."""
    told_at: dict[str, datetime] = field(default_factory=dict)
    """Node -> the latest stamp of traps about it there: what is older came late, and is over."""
    shown: TimelineEntry | None = None
    """The event that told where it serves."""
    surveyed: bool = False
    """A poll told what kind it is: nothing need be guessed."""
    stopped: bool = False
    """The scheduler said, or an operation showed, that it serves nowhere."""
    unmanaged: bool = False
    """A person took it out of the care of the cluster (`is-managed`): what fails then is planned work. Not what is blocked by a failure."""
    guest: str | None = None
    """The guest node that runs in it, which has its own name, as the connection to it has."""


REPLICA = "drbd "
"""What the name begins with under which a replica of DRBD stands among what is `degraded` of its node."""

LEFT = "left"
"""A mark of a move constraint that was there already when the evidence begins: it explains nothing that comes later."""


@dataclass(slots=True)
class Mark:
    """Planned work: (un)standby, shutdown, ban, prefer, target_role, ticket, maintenance. `node` None: about a resource or the cluster."""

    kind: str
    at: datetime
    node: str | None = None
    resource: str | None = None
    constraint: str | None = None
    ended_at: datetime | None = None
    entry: TimelineEntry | None = None
    not_before: datetime | None = None
    """Of what only polls showed: the last poll before it. It was set at any moment since then."""


@dataclass(slots=True)
class Action:
    """One resource action of the scheduler's plan. `to` None: it stops. `promoted`: it is about the promoted role."""

    action: str
    resource: str
    from_node: str | None
    to_node: str | None
    promoted: bool = False
    clone: bool = False
    blocked: bool = False


@dataclass(slots=True)
class Move:
    """What happens to one service resource in a departure."""

    resource: str
    from_node: str | None
    to_node: str | None = None
    promoted: bool = False
    stopped_at: datetime | None = None
    done_at: datetime | None = None
    done_node: str | None = None
    failed: bool = False
    begun_on: str | None = None
    """Where its start or promotion was begun last."""
    polled: bool = False
    """Only a poll showed it stopped: the next polls tell whether it stays so, not the clock."""
    is_outage: bool = False
    """It ended with its node, and nobody took it over: it was down, also where it starts again."""


@dataclass(slots=True)
class Story:
    """An incident in the making. The fields are those of model.Incident; the rest is how the engine works on it."""

    key: str
    kind: IncidentKind
    severity: Severity
    detected_at: datetime
    state: IncidentState = IncidentState.OPEN
    planned: bool | None = None
    outcome: Outcome = Outcome.NONE
    part_of: str | None = None
    nodes: list[str] = field(default_factory=list)
    resources: list[str] = field(default_factory=list)
    from_node: str | None = None
    to_node: str | None = None
    fenced: list[str] = field(default_factory=list)
    started_at: datetime | None = None
    service_restored_at: datetime | None = None
    redundancy_restored_at: datetime | None = None
    resolved_at: datetime | None = None
    key_at: datetime | None = None
    """The moment that its key names; what is found out later may move its start."""
    down_since: datetime | None = None
    redundancy: bool | None = None
    reasons: list[str] = field(default_factory=list)
    cause: Cause | None = None
    sources: list[Source] = field(default_factory=list)
    timeline: list[TimelineEntry] = field(default_factory=list)
    told: bool = False
    amiss: list[str] = field(default_factory=list)
    subject: str = ""
    """What the correlation key says beside the kind: node, node/resource, link/pair ..."""
    moves: dict[str, Move] = field(default_factory=dict)
    settle_at: datetime | None = None
    """When it is decided what it became and people are told; None: decided."""
    limit_at: datetime | None = None
    """When an outcome that did not come is declared failed, or what has no recovery signal expires."""
    recovered_at: datetime | None = None
    by_operator: bool = False
    """A fencing that a person ordered (and carried out by a device: a confirmation by hand is none)."""
    requester: str | None = None
    """The node that asked for a fencing."""
    number: str | None = None
    """Of a lost node that only Corosync tells of: its number."""
    vain: bool = False
    """It did not happen: who said so was itself cut off."""
    hinted: bool = False
    """pm_logconv said that this is a fail-over."""
    stumbled: bool = False
    """A start or promotion failed on the way."""
    waited_for_nodes: bool = False
    """The service was down until the quorum was back or all nodes had begun anew, wherever it was started then: no fail-over."""
    reminded_at: datetime | None = None
    """Up to when people were reminded that redundancy is still missing; what it was old enough for before is not told again."""
    flaps: int = 0
    """How often it happened, of a story that stands for many of the same key."""
    decided: list[TimelineEntry] = field(default_factory=list)
    """The events that decided whether it was planned."""
    side: str = ""
    """Of its node, when it opened: active, standby or unknown; empty: nobody asks."""
    side_by: list[TimelineEntry] = field(default_factory=list)
    side_polled_at: datetime | None = None
    sequence: int = 0
    recorded: bool = False
    pending_notice: Notice | None = None
    name: str = ""
    """Of an incident of the user's own: its id in the rule file. `words` are its own, `own_key` the values that tell it from others."""
    words: dict[str, OwnWords] = field(default_factory=dict)
    own_key: list[str | None] = field(default_factory=list)
    own_services: list[str] = field(default_factory=list)
    forced: Severity | None = None
    """The severity that a rule gives the incident that its event opens, whatever it becomes."""
    reported: str = ""
    """Fingerprint of what the last transition said, to tell a change from a repetition."""


@dataclass(slots=True)
class PendingLink:
    """A link that is down while it is not yet known whether its peer is lost."""

    link: str | None
    pair: tuple[str, str]
    down_at: datetime
    decide_at: datetime
    entries: list[TimelineEntry] = field(default_factory=list)
    may_come: bool = False
    """Only a poll shows it, of a node that came just before: its links come one after the other."""


@dataclass(slots=True)
class NamelessLoss:
    """A node that Corosync lost, by its number: its name was not known then. Pacemaker tells it a moment later, or its fencing does."""

    number: str
    at: datetime
    decide_at: datetime
    reporter: str | None
    entry: TimelineEntry
    called: str | None = None
    """The node whose attributes went with it."""


@dataclass(slots=True)
class PolledService:
    """What the last poll showed of a service. `able`: nodes beside the active one that could take it over; `against`: why others could not.

    `spare`: in a cluster that keeps nodes free for it, only those of `able` that host no service.
    """

    members: list[str] = field(default_factory=list)
    active: list[str] = field(default_factory=list)
    up: bool = False
    moving: bool = False
    disabled: bool = False
    held: bool = False
    """Its ticket is not granted here."""
    able: list[str] = field(default_factory=list)
    spare: list[str] = field(default_factory=list)
    against: dict[str, list[str]] = field(default_factory=dict)


@dataclass(slots=True)
class PollMemory:
    """What the polls of the cluster told. All empty: it is not polled."""

    first_at: datetime | None = None
    last_at: datetime | None = None
    pattern: str = ""
    """The pattern of the cluster while all was well."""
    services: dict[str, PolledService] = field(default_factory=dict)
    since: dict[str, datetime] = field(default_factory=dict)
    """Something that a poll showed -> the first of the unbroken row of polls that show it."""
    fit: dict[str, datetime] = field(default_factory=dict)
    """`service node` that could take over -> since."""
    groups: dict[str, list[str]] = field(default_factory=dict)
    """Group -> its members."""
    bans: dict[str, bool] = field(default_factory=dict)
    """`constraint node` that keeps a resource away -> whether it came by itself, as by a rule: neither at first nor with a change."""
    changed_at: datetime | None = None
    """Of the configuration, by the last poll."""
    no_dc_at: datetime | None = None
    """The first of the unbroken row of polls without a DC; `no_dc_seen_at`: the last."""
    no_dc_seen_at: datetime | None = None
    parts: dict[str, list[str]] = field(default_factory=dict)
    """Group or clone -> the primitives in it."""
    named: dict[str, list[str]] = field(default_factory=dict)
    """Configured service -> its primitives, with groups and clones resolved."""


@dataclass(slots=True)
class Tally:
    """How often something happened lately, for an incident of the user's own; `stamps` are sorted."""

    incident: str
    key: list[str | None]
    stamps: list[datetime] = field(default_factory=list)
    entries: list[TimelineEntry] = field(default_factory=list)


@dataclass(slots=True)
class Wait:
    """Something happened, and something else is to follow `until` then; else an incident of the user's own opens."""

    incident: str
    event: Event
    until: datetime


@dataclass(slots=True)
class OwnMemory:
    """What rules of the user's own count and await, by incident and key; and resource -> what people call its service."""

    tallies: dict[str, Tally] = field(default_factory=dict)
    waits: dict[str, Wait] = field(default_factory=dict)
    names: dict[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class State:
    """All that is remembered of one cluster, stored with every batch.

    A field that is added needs a default, or else a new `VERSION`, which forgets everything.
    """

    version: int = VERSION
    now: datetime | None = None
    nothing_before: datetime | None = None
    """Time alone changes nothing before this moment; None: not known. What an event makes due is looked at after the shortest time."""
    nodes: dict[str, Node] = field(default_factory=dict)
    node_ids: dict[str, str] = field(default_factory=dict)
    """Corosync node id -> name: configured, or learned."""
    names: dict[str, str] = field(default_factory=dict)
    """Another name of a node, with or without its domain -> the one by which it is known."""
    hosts: list[str] = field(default_factory=list)
    """Nodes of which only the name is known that their own logs have: the cluster may have another one for them."""
    spoken: list[str] = field(default_factory=list)
    """Names that the cluster itself uses, as far as they were known beforehand."""
    senders: dict[str, str] = field(default_factory=dict)
    """Address of a sender of traps -> the only node whose operations it told; empty: it told those of several, as a relay does."""
    claims: dict[str, list[str]] = field(default_factory=dict)
    """Address of a sender of traps -> the nodes that it called lost, and that did not join since."""
    ids_seen: list[str] = field(default_factory=list)
    """All corosync node ids that were mentioned: that tells how many nodes there are."""
    departed: dict[str, datetime] = field(default_factory=dict)
    """Corosync node id -> when it left the membership, in order or not, while it is not back."""
    unnamed: dict[str, str] = field(default_factory=dict)
    """Event kind -> node id that an event named by number only, and who told it; the next of this kind that names a node tells which."""
    resources: dict[str, Resource] = field(default_factory=dict)
    attributes: dict[str, str] = field(default_factory=dict)
    """`node attribute` -> current value."""
    best: dict[str, float] = field(default_factory=dict)
    """Attribute -> highest number seen: what a ping attribute shows when all is well."""
    marks: list[Mark] = field(default_factory=list)
    dc: str | None = None
    last_dc: str | None = None
    """The last one that was told, also while there is none."""
    dc_changes: list[datetime] = field(default_factory=list)
    late_keys: list[str] = field(default_factory=list)
    """Keys of the stories that were opened late at one moment of the evidence: they may be forgotten again before it goes on."""
    has_quorum: bool | None = None
    quorum_ignored: bool = False
    """`no-quorum-policy` is `ignore`: who has no quorum acts all the same."""
    doubtful_quorum: Event | None = None
    """That quorum was lost, by a log of which nothing says yet that the cluster was formed before."""
    maintenance_at: datetime | None = None
    draft: list[Action] = field(default_factory=list)
    """The plan that the scheduler is just writing, or has written and that is not carried out yet."""
    draft_closed: bool = False
    draft_by: str | None = None
    """Whose it is: where the cluster is split, each side has a DC."""
    held: list[Action] = field(default_factory=list)
    """What one side of a split would take from the other, once it has fenced it."""
    plan: list[Action] = field(default_factory=list)
    """The plan that is being carried out."""
    plan_is_done: bool = False
    """All of that plan was carried out."""
    plans_since: datetime | None = None
    """When the scheduler or the controller at rest was first heard. What stopped until then was decided before that."""
    hears_states: bool = False
    """A log tells the states of the controller."""
    rested_at: datetime | None = None
    """When the controller last said that nothing more is to be done."""
    is_idle: bool = False
    """The controller said that nothing more is to be done, and nothing was begun since."""
    stories: list[Story] = field(default_factory=list)
    """Open ones, and those closed in the last minutes (a cause may still join an effect)."""
    clocks: dict[str, float] = field(default_factory=dict)
    """Node -> seconds that its clock is ahead of ours; those that are right are missing."""
    told_at: dict[str, list[datetime]] = field(default_factory=dict)
    """`kind subject` of an incident -> when people were told of one, the latest ones."""
    flapping: dict[str, Story] = field(default_factory=dict)
    """The same -> the story that tells of all, since there were too many."""
    recent: list[TimelineEntry] = field(default_factory=list)
    """The last notable events, from which a story that opens takes its beginning."""
    polls: PollMemory = field(default_factory=PollMemory)
    controllers: list[str] = field(default_factory=list)
    """Nodes whose own controller's log is read."""
    recorded: dict[str, str] = field(default_factory=dict)
    """`reporter node resource` -> transition key and name of the operation that the CIB recorded last."""
    waiting: list[Event] = field(default_factory=list)
    """What was said of a node of which only the number is known so far."""
    repeats: list[str] = field(default_factory=list)
    """Failures (`operation resource node`) that the scheduler repeated so far in the calculation that goes on."""
    repeated: list[str] | None = None
    """The same of the calculation before; None: unknown."""
    heard: dict[str, datetime] = field(default_factory=dict)
    """Node or resource -> when a log or a trap last said that it changed. A poll may show an older state for a while."""
    links: list[PendingLink] = field(default_factory=list)
    nameless: list[NamelessLoss] = field(default_factory=list)
    cut_links: list[PendingLink] = field(default_factory=list)
    """Links that went down with the last node that was lost."""
    suspects: dict[str, Move] = field(default_factory=dict)
    """Service resources that stopped without a plan that says why: they may be leaving, or just restarting."""
    restarting: dict[str, Move] = field(default_factory=dict)
    """Service resources that stopped because the plan restarts them where they are; should they not come back, they are down."""
    doubles: dict[str, datetime] = field(default_factory=dict)
    """Resource of which a trap told a start while it ran on another node -> when: the stop there may come late, else it is a clone."""
    returning: dict[str, str] = field(default_factory=dict)
    """Service resource that goes back by itself after a departure -> key of that departure."""
    suspects_at: dict[str, datetime] = field(default_factory=dict)
    forgot_at: datetime | None = None
    """When stories that are over were last dropped."""
    review_at: datetime | None = None
    """When open incidents are held against the state next: kept, since steps must not tell whether there was a restart."""
    last_event_at: datetime | None = None
    reads: dict[str, tuple[datetime, int]] = field(default_factory=dict)
    """Log and reporter -> time of its newest line, place of its latest one."""
    own: OwnMemory = field(default_factory=OwnMemory)
