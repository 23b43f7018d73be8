"""Questions about a cluster's state: which services there are, where they are active, who could take over. Pure; unknown stays unknown."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from hamon.classify.settings import ClusterSettings
from hamon.classify.state import Node, PolledService, Resource, State, Story
from hamon.model.cluster import ClusterView, NodeState, NodeView, ServiceView
from hamon.model.incident import IncidentKind, IncidentState

_INTERCONNECT_DEGRADED, _OPEN = IncidentKind.INTERCONNECT_DEGRADED, IncidentState.OPEN

PROMOTED = "Promoted"
_UNSEEN = timedelta(seconds=2)
"""How long a change takes, on a busy machine, from the log of it to the answers of `crm_mon`."""
POLLS_COUNT_FOR = timedelta(minutes=5)
"""How long after the last poll the state that it showed still counts."""
_DEVICE_NAME = re.compile(
    r"fenc|stonith|^st\d|ipmi|idrac|drac\d|\bilo\d?\b|(?<![a-z])(?:apc|pdu)(?![a-z])|sbd(?![a-z])|(?:^|_)st_", re.IGNORECASE
)
_CLONE_NAME = re.compile(
    r"(?:^|[^a-z])ping|Ping|(?:^|[^a-z])(?:diskd|dlm|lvmlockd|clvmd?|ifcheckd?|sysinfo|healthcpu)(?![a-z])|Diskd|Ifcheckd"
)
"""Names that people give to what every node needs; only what tells no kind, a trap or pm_logconv, makes them count."""
_REPLICA = re.compile(r"-(?:(?:podman|docker|rkt)|bundle)-\d+$")


def is_device_name(name: str) -> bool:
    """Whether a fence device would be called so."""
    return _DEVICE_NAME.search(name) is not None


def resource(state: State, name: str, settings: ClusterSettings) -> Resource:
    """The resource of this name; a new one is a fence device when the configuration or, as a last resort, its name says so."""
    known = state.resources.get(name)
    if known is None:
        device = name in settings.fence_devices or is_device_name(name)
        known = state.resources[name] = Resource(id=name, device=device)
    return known


def hear_of(state: State, name: str, settings: ClusterSettings, *, uncertain: bool = True) -> Resource:
    """The resource of this name, of which a trap or pm_logconv tells, that say neither kind nor class.

    `uncertain`: that it stops may be what a clone does on a node that cannot run it.
    """
    known = state.resources.get(name)
    if known is None:
        known = resource(state, name, settings)
        if not any(name in members for members in settings.services.values()):
            known.uncertain = uncertain
            known.clone = bool(_CLONE_NAME.search(name))
    return known


def is_replica(name: str) -> bool:
    """Whether Pacemaker made it of a bundle, by its name: the container of one of its replicas, or the connection into that."""
    return _REPLICA.search(name) is not None


def is_uncertain(item: Resource) -> bool:
    """Whether only traps told of it, and not yet whether it is a clone."""
    return item.uncertain and not item.surveyed


def node(state: State, name: str) -> Node:
    """The node of this name; one that was not known is there from now on."""
    known = state.nodes.get(name)
    if known is None:
        known = state.nodes[name] = Node(name=name)
    return known


def id_seen(state: State, numbers: str) -> None:
    """Remember corosync node ids that a line mentions."""
    state.ids_seen += [number for number in numbers.split() if number not in state.ids_seen]


def named(state: State, number: str, beside: str | None = None) -> str | None:
    """The name of a corosync node id: configured or learned. Where there are but two, it follows from what the other one is.

    `beside` is a node that this is not: the one that speaks of it as its peer.
    """
    known = state.node_ids.get(number)
    if known is None and number in state.nodes:
        return number  # Heartbeat and the plugin of Corosync 1 know a node by its name
    if known is not None or len(state.nodes) != 2 or len(state.ids_seen) != 2:
        return known
    taken = {beside, *state.node_ids.values()} - {None}
    rest = [name for name in state.nodes if name not in taken]
    if len(rest) == 1 and len(taken) == 1:
        state.node_ids[number] = rest[0]
        return rest[0]
    return None


def is_service(item: Resource, settings: ClusterSettings, state: State) -> bool:
    """Whether users need it: a configured member; else any primitive that is no fence device, and of clones only the promotable.

    A configured service of which nothing was heard yet may be a group, whose members logs name without it: then all count.
    """
    if known := configured(state, settings):
        if any(item.id in members for members in known.values()):
            return True
        if settings.services and all(any(member in state.resources for member in members) for members in known.values()):
            return False
    # The connection to a remote node has its name.
    return not item.device and (item.promotable or not item.clone) and item.id not in state.nodes


def configured(state: State, settings: ClusterSettings) -> Mapping[str, Sequence[str]]:
    """The configured services by the primitives in them: polls tell what is in a group, clone or bundle."""
    return state.polls.named or settings.services


def active_nodes(item: Resource) -> list[str]:
    """Where it serves: the promoted role of a promotable clone, else wherever it runs."""
    if item.promotable:
        return [name for name, role in item.roles.items() if role == PROMOTED]
    return list(item.roles)


def service_resources(state: State, settings: ClusterSettings) -> list[Resource]:
    """All for which `is_service` holds."""
    known = configured(state, settings)
    named = {name for members in known.values() for name in members}
    if settings.services and all(any(member in state.resources for member in members) for members in known.values()):
        return [item for item in state.resources.values() if item.id in named]
    return [item for item in state.resources.values() if item.id in named or (not item.device and (item.promotable or not item.clone))]


def _weights(state: State, settings: ClusterSettings) -> dict[str, int]:
    """How much each node serves, of those that serve something."""
    counts: dict[str, int] = {}
    for item in service_resources(state, settings):
        weight = 1 if item.promotable else 10  # the group before the promoted instance (contract)
        for name in active_nodes(item):
            counts[name] = counts.get(name, 0) + weight
    return counts


def active_somewhere(state: State, settings: ClusterSettings) -> set[str]:
    """Nodes that serve something."""
    return set(_weights(state, settings))


def side(state: State, settings: ClusterSettings, name: str) -> str:
    """active, standby or unknown. Where several nodes serve, the one that serves most is active, and each that runs more than clones."""
    serving = _weights(state, settings)
    if name not in serving:
        return "standby" if serving else "unknown"
    if len(serving) == 1 or name == max(serving, key=lambda node: serving[node]):
        return "active"
    beside = any(name in item.roles for item in service_resources(state, settings) if not item.promotable)
    return "active" if beside else "standby"


def is_number(text: str) -> bool:
    """Whether it reads as a number, also with a sign or a fraction."""
    return text.replace(".", "", 1).lstrip("-").isdigit()


def is_polled(state: State) -> bool:
    """Whether polls tell the state of the cluster; when they fail for long, logs and traps do so again."""
    last = state.polls.last_at
    return last is not None and bool(state.polls.services) and (state.now is None or state.now - last <= POLLS_COUNT_FOR)


def absence(known: Node) -> str:
    """The word for a node that is not there."""
    return "node_fenced" if known.fenced_at else "node_stopped" if known.stop_requested_at else "node_lost"


def hindrances(state: State, name: str) -> list[str]:
    """Why a node could not take over now, in stable words `reason node [subject]`; empty: nothing known speaks against it.

    Polls tell it where there are any; logs and traps tell what came after the last poll.
    """
    known = state.nodes.get(name)
    if known is None:
        return []
    if not is_polled(state):
        return faults(known)
    polled = dict.fromkeys(word for service in state.polls.services.values() for word in service.against.get(name, ()))
    return [*polled, *(word for word in hindrances_since_polled(state, name) if word not in polled)]


def hindrances_since_polled(state: State, name: str) -> list[str]:
    """What logs and traps told after the last poll, or so shortly before that it may not show it yet."""
    last = state.polls.last_at
    return [] if last is None else hindrances_since(state, name, last - _UNSEEN)


def hindrances_since(state: State, name: str, moment: datetime) -> list[str]:
    """What logs and traps told after that moment."""
    known = state.nodes.get(name)
    return [] if known is None else [word for word, since in _derived(known) if since is not None and since > moment]


def faults(known: Node) -> list[str]:
    """What logs and traps say speaks against a node, in the words of `hindrances`."""
    return [word for word, _since in derived] if (derived := _derived(known)) else []


def _derived(known: Node) -> list[tuple[str, datetime | None]]:
    """What logs and traps say speaks against a node, and since when."""
    name = known.name
    found: list[tuple[str, datetime | None]] = []
    if known.member is False:
        found.append((f"{absence(known)} {name}", known.lost_at or known.since))
    elif known.stop_requested_at:
        found.append((f"node_stopped {name}", known.stop_requested_at))
    if known.fencing_pending_until and known.member is True:
        found.append((f"fencing_pending {name}", known.fencing_pending_until))  # polls show the node only, not what is under way
    if known.standby_at:
        found.append((f"standby {name}", known.standby_at))
    if known.maintenance_at:
        found.append((f"maintenance {name}", known.maintenance_at))
    # This is asked after nearly every event, and most of these are empty: a loop over nothing is cheaper than a list of it.
    for subject, since in known.barred.items():
        found.append((f"fail_count {name} {subject}", since))
    for subject, since in known.failed.items():
        if subject not in known.barred:
            found.append((f"resource_failed {name} {subject}", since))
    for attribute, since in known.degraded.items():
        found.append((f"attribute {name} {attribute}", since))
    for constraint, since in known.bans.items():
        found.append((f"ban {name} {constraint}", since))
    return found


def candidates(state: State, active: Iterable[str]) -> list[str]:
    """Nodes beside the active ones."""
    serving = set(active)
    return [name for name in state.nodes if name not in serving]


def services(state: State, settings: ClusterSettings) -> Mapping[str, Sequence[str]]:
    """Services by name. Without configuration: every promotable clone, and the primitives by the node that they are on together."""
    if settings.services:
        return configured(state, settings)
    found: dict[str, tuple[str, ...]] = {}
    together: dict[str, list[str]] = {}
    for item in service_resources(state, settings):
        if item.promotable:
            found[item.id] = (item.id,)
        elif (group := next((name for name, members in state.polls.groups.items() if item.id in members), None)) is not None:
            found[group] = tuple(state.polls.groups[group])
        else:
            together.setdefault(",".join(sorted(item.roles)), []).append(item.id)
    for members in together.values():
        found[_name(members)] = tuple(members)
    return {called(name, members, state): members for name, members in found.items()}


def called(name: str, members: Sequence[str], state: State) -> str:
    """What people call a service, as far as a line told it (see classify/own.py); else its name."""
    names = state.own.names
    return next((names[member] for member in members if member in names), name) if names else name


def _name(members: list[str]) -> str:
    return members[0] if len(members) == 1 else f"{members[0]} … {members[-1]}"


def _polled_view(name: str, service: PolledService, state: State) -> ServiceView:
    return ServiceView(
        name=name,
        resources=tuple(service.members),
        active_node=service.active[0] if service.active else None,
        up=service.up,
        held=service.held,
        able_to_take_over=tuple(node for node in service.able if not hindrances_since_polled(state, node)),
    )


def _has_changed_since(state: State, service: PolledService) -> bool:
    """Whether logs or traps tell of a start of the service since the last poll that counts: the next one takes a moment, or fails."""
    last = state.polls.last_at
    if last is None:
        return False
    items = [state.resources[member] for member in service.members if member in state.resources]
    return any(item.started_at is not None and item.started_at > last for item in items)


def _was_placed(item: Resource) -> bool:
    """Whether it was told once where it serves, or that it serves nowhere."""
    return item.stopped or item.started_at is not None or item.shown is not None


def _told_view(name: str, members: Sequence[str], state: State) -> ServiceView:
    """A service as logs and traps tell it."""
    items = [state.resources[member] for member in members if member in state.resources]
    places = [active_nodes(item) for item in items]
    known_members = [place for place in places if place]
    active = max({place[0] for place in known_members}, key=lambda n: sum(n in p for p in places)) if known_members else None
    # Of a member that only failed somewhere nobody knows whether it runs elsewhere.
    gone = any(not place and _was_placed(item) for item, place in zip(items, places, strict=True))
    up = False if gone else True if items and len(known_members) == len(items) else None
    able = None
    if active is not None:
        others = candidates(state, [active])
        able = tuple(other for other in others if not hindrances(state, other)) if others else None
    return ServiceView(name=name, resources=tuple(members), active_node=active, up=up, able_to_take_over=able)


def is_split(story: Story) -> bool:
    """All links between two nodes are cut, so that each calls the other lost: unlike one link, that is part of what it leads to."""
    return story.kind is _INTERCONNECT_DEGRADED and story.subject.startswith("split ")


def _cut_from_each_other(state: State) -> set[str]:
    """Nodes of which none can take over from the other: all links between them are cut, and it is not decided which of them stays."""
    return {node for story in state.stories if story.state is _OPEN and is_split(story) for node in story.nodes}


def view(state: State, settings: ClusterSettings) -> ClusterView:
    """The cluster as pages and metrics show it."""
    nodes = []
    clocks = {state.senders.get(name) or name: seconds for name, seconds in state.clocks.items()} | state.clocks
    for known in state.nodes.values():
        if known.member is False:
            what = NodeState.FENCED if known.fenced_at else NodeState.STOPPED if known.stop_requested_at else NodeState.LOST
        elif known.maintenance_at:
            what = NodeState.MAINTENANCE
        elif known.standby_at:
            what = NodeState.STANDBY
        else:
            what = NodeState.ONLINE if known.member else NodeState.UNKNOWN
        nodes.append(
            NodeView(
                name=known.name,
                state=what,
                is_dc=known.name == state.dc if state.dc else None,
                since=known.since,
                clock_ahead_seconds=clocks.get(known.name, 0.0),
            )
        )
    shown = []
    cut = _cut_from_each_other(state)
    for name, service in state.polls.services.items() if is_polled(state) else ():
        title = name if settings.services else called(name, service.members, state)
        if _has_changed_since(state, service):
            shown.append(replace(_told_view(title, service.members, state), overtaken=True))
            continue
        polled = _polled_view(title, service, state)
        if not cut.isdisjoint(service.able):  # the poll asks one side, which knows nothing of the other
            able = tuple(node for node in polled.able_to_take_over or () if node not in cut)
            polled = replace(polled, able_to_take_over=able, overtaken=True)
        shown.append(polled)
    shown += [_told_view(name, members, state) for name, members in services(state, settings).items()] if not shown else []
    return ClusterView(
        name=settings.name,
        title=settings.title or settings.name,
        nodes=tuple(sorted(nodes, key=lambda item: item.name)),
        services=tuple(shown),
        dc=state.dc,
        has_quorum=state.has_quorum,
        maintenance=state.maintenance_at is not None,
        last_event_at=state.last_event_at,
    )
