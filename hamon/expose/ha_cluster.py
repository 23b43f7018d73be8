"""The metrics of ha_cluster_exporter, from the state that is kept: its names, labels, types and help texts, so that dashboards and rules
that were written for it work unchanged. Compared with its release 1.3.1, as Debian has it; one metric is of a later release.

What it gets wrong is right here: links of Corosync 3, groups inside clones, bundles, a resource on two nodes, instances that give the same
series, times in the zone of the nodes. What is not known is neither healthy nor gone: states are 0, numbers NaN.
"""

from collections.abc import Iterator
from enum import StrEnum
from math import inf, nan

from hamon.expose.text import Described, Rows, Samples, counter, escape, gauge
from hamon.model.cluster import (
    BundleStatus,
    CloneStatus,
    ClusterStatus,
    Constraint,
    DrbdStatus,
    GroupStatus,
    InstanceStatus,
    LinkStatus,
    NodeStatus,
    QuorumStatus,
    Role,
)
from hamon.model.observation import Asked, Polled
from hamon.parse.cibadmin import HIDDEN, speaks_of_secrets

INFINITY = 1_000_000


class RoleNames(StrEnum):
    """The words for the roles of promotable clones."""

    NEW = "new"
    OLD = "old"
    """master and slave, as before Pacemaker 2.1."""


_P, _C, _S, _D = "ha_cluster_pacemaker_", "ha_cluster_corosync_", "ha_cluster_sbd_", "ha_cluster_drbd_"
_VOLUME = ("resource", "volume")
_PEER = ("peer_node_id", "resource", "volume")

FAMILIES: tuple[Described, ...] = (
    gauge(f"{_C}member_votes", "How many votes each member node has contributed with to the current quorum", "local", "node", "node_id"),
    gauge(f"{_C}quorate", "Whether or not the cluster is quorate"),
    gauge(f"{_C}quorum_votes", "Cluster quorum votes; one line per type", "type"),
    gauge(f"{_C}ring_errors", "The total number of faulty corosync rings"),
    gauge(f"{_C}rings", "The status of each Corosync ring; 1 means healthy, 0 means faulty.", "address", "node_id", "number", "ring_id"),
    gauge(f"{_D}al_writes", "Writes to activity log; 1 line per res, per volume", *_VOLUME),
    gauge(f"{_D}bm_writes", "Writes to bitmap; 1 line per res, per volume", *_VOLUME),
    gauge(
        f"{_D}connections",
        "The DRBD resource connections; 1 line per per resource, per peer_node_id",
        *("peer_disk_state", "peer_node_id", "peer_role", "resource", "volume"),
    ),
    gauge(f"{_D}connections_pending", "Pending value per connection", *_PEER),
    gauge(f"{_D}connections_received", "KiB received per connection", *_PEER),
    gauge(f"{_D}connections_sent", "KiB sent per connection", *_PEER),
    gauge(f"{_D}connections_sync", "The in sync percentage value for DRBD resource connections", *_PEER),
    gauge(f"{_D}connections_unacked", "Unacked value per connection", *_PEER),
    gauge(f"{_D}lower_pending", "Lower pending; 1 line per res, per volume", *_VOLUME),
    gauge(f"{_D}quorum", "Quorum status per resource and per volume", *_VOLUME),
    gauge(f"{_D}read", "KiB read from DRBD; 1 line per res, per volume", *_VOLUME),
    gauge(f"{_D}resources", "The DRBD resources; 1 line per name, per volume", "disk_state", "resource", "role", "volume"),
    gauge(f"{_D}split_brain", "Whether a split brain has been detected; 1 line per resource, per volume.", *_VOLUME),
    gauge(f"{_D}upper_pending", "Upper pending; 1 line per res, per volume", *_VOLUME),
    gauge(f"{_D}written", "KiB written to DRBD; 1 line per res, per volume", *_VOLUME),
    counter(f"{_P}config_last_change", "The timestamp of the last change of the cluster configuration"),
    gauge(f"{_P}fail_count", "The Fail count number per node and resource id", "node", "resource"),
    gauge(
        f"{_P}location_constraints",
        "Resource location constraints. The value indicates the score.",
        *("constraint", "node", "resource", "role"),
    ),
    gauge(f"{_P}maintenance_mode_enabled", "Whether or not cluster wide maintenance-mode is enabled"),
    gauge(f"{_P}migration_threshold", "The migration_threshold number per node and resource id", "node", "resource"),
    gauge(f"{_P}node_attributes", "Metadata attributes of each node; value is always 1", "name", "node", "value"),
    gauge(
        f"{_P}nodes",
        "The status of each node in the cluster; 1 means the node is in that status, 0 otherwise",
        *("node", "status", "type"),
    ),
    gauge(
        f"{_P}resources",
        "The status of each resource in the cluster; 1 means the resource is in that status, 0 otherwise",
        *("agent", "clone", "group", "managed", "node", "resource", "role", "status"),
    ),
    gauge(f"{_P}stonith_enabled", "Whether or not stonith is enabled"),
    gauge(f"{_S}devices", "SBD devices; one line per device", "device", "status"),
    gauge(f"{_S}timeouts", "SBD timeouts for each device and type", "device", "type"),
)
"""What follows from the state alone."""

SCRAPE: tuple[Described, ...] = (
    gauge("ha_cluster_scrape_duration_seconds", "Duration of a collector scrape.", "collector"),
    gauge("ha_cluster_scrape_success", "Whether a collector succeeded.", "collector"),
)
"""How it went to ask for it: new with every answer. A scrape of hamon asks nobody; the duration is that of the last poll."""

LATER = frozenset({f"{_P}maintenance_mode_enabled"})
"""Metrics of releases after 1.3.1."""

COLLECTORS: dict[str, tuple[str, ...]] = {
    "corosync": ("quorum", "links"),
    "drbd": ("drbd",),
    "pacemaker": ("crm_mon", "cib"),
    "sbd": ("sbd",),
}
"""The exporter's collectors, and the parts of a poll that each stands for."""

_OLD = {Role.PROMOTED: "master", Role.UNPROMOTED: "slave"}
_ROLES = {
    RoleNames.NEW: {role: role.value.lower() for role in Role},
    RoleNames.OLD: {role: _OLD.get(role, role.value.lower()) for role in Role},
}


def rows(polled: Polled, roles: RoleNames = RoleNames.NEW) -> Rows:
    """The samples of FAMILIES. A cluster that cannot be asked keeps the series of its last answer, with values that show no health."""
    status = polled.snapshot.status if polled.snapshot is not None else None
    known = polled.unknown_since is None
    found: Rows = {one.name: {} for one in FAMILIES}
    if status is None:
        found[f"{_P}stonith_enabled"][""] = found[f"{_P}maintenance_mode_enabled"][""] = found[f"{_C}quorate"][""] = 0
        found[f"{_P}config_last_change"][""] = nan
        return found
    _pacemaker(found, status, _ROLES[roles], known)
    if status.quorum is not None:
        _quorum(found, status.quorum, known)
    if status.links is not None:
        _links(found, status.links, status.quorum, known)
    _sbd(found, status, known)
    for resource in status.drbd or ():
        _drbd(found, resource, known)
    return found


def scrape_rows(polled: Polled) -> Rows:
    """The samples of SCRAPE. A collector of which no part is asked and nothing is known is not shown, as one that is not installed."""
    asked = {item.part: item for item in polled.snapshot.asked} if polled.snapshot is not None else {}
    duration: Samples = {}
    success: Samples = {}
    given: Rows = {"ha_cluster_scrape_duration_seconds": duration, "ha_cluster_scrape_success": success}
    for collector, parts in COLLECTORS.items():
        answers = [asked[part] for part in parts if part in asked] or _implied(polled, parts)
        if not answers and collector != "pacemaker":
            continue
        labels = f'collector="{collector}"'
        known = polled.unknown_since is None and bool(answers)
        success[labels] = known and not any(item.reason for item in answers)
        duration[labels] = sum(item.seconds for item in answers) if known else nan
    return given


def _implied(polled: Polled, parts: tuple[str, ...]) -> list[Asked]:
    """What must have been asked, since it was answered; how long that took is not known."""
    if polled.snapshot is None:
        return []
    status = polled.snapshot.status
    there = {
        "crm_mon": True,
        "cib": status.cib is not None,
        "quorum": status.quorum is not None,
        "links": status.links is not None,
        "sbd": status.sbd is not None,
        "drbd": status.drbd is not None,
    }
    return [Asked(part=part, seconds=nan) for part in parts if there[part]]


# --- Pacemaker


def _pacemaker(found: Rows, status: ClusterStatus, roles: dict[Role, str], known: bool) -> None:
    found[f"{_P}stonith_enabled"][""] = known and bool(status.options.fencing_enabled)
    found[f"{_P}maintenance_mode_enabled"][""] = known and bool(status.options.maintenance_mode)
    change = status.last_change
    if change is not None:
        found[f"{_P}config_last_change"][""] = int(change.at.timestamp()) if known and change.at is not None else nan
    nodes = found[f"{_P}nodes"]
    for node in status.nodes:
        _node(nodes, node, known)
    resources = found[f"{_P}resources"]
    for instance, group, clone in _instances(status):
        _instance(resources, instance, group, clone, roles, known)
    counts, thresholds = found[f"{_P}fail_count"], found[f"{_P}migration_threshold"]
    for item in status.history:
        labels = f'node="{escape(item.node)}",resource="{escape(_id(item.resource, item.instance))}"'
        count = inf if item.fail_count >= INFINITY else item.fail_count
        counts[labels] = max(count, counts.get(labels, 0)) if known else nan
        thresholds[labels] = item.migration_threshold if known else nan
    if known:  # their labels would tell of a state that nobody vouches for
        attributes = found[f"{_P}node_attributes"]
        for attribute in status.attributes:
            value = HIDDEN if speaks_of_secrets(attribute.name) else attribute.value
            attributes[f'name="{escape(attribute.name)}",node="{escape(attribute.node)}",value="{escape(value)}"'] = 1
        for constraint in status.cib.constraints if status.cib is not None else ():
            if constraint.kind == "location":
                _constraint(found[f"{_P}location_constraints"], constraint)


def _node(samples: Samples, node: NodeStatus, known: bool) -> None:
    before, after = f'node="{escape(node.name)}",status="', f'",type="{node.type.value}"'
    samples[f"{before}dc{after}"] = known and node.is_dc
    samples[f"{before}expected_up{after}"] = known and node.expected_up
    samples[f"{before}maintenance{after}"] = known and node.maintenance
    samples[f"{before}online{after}"] = known and node.online
    samples[f"{before}pending{after}"] = known and node.pending
    samples[f"{before}shutdown{after}"] = known and node.shutdown
    samples[f"{before}standby{after}"] = known and node.standby
    samples[f"{before}standby_onfail{after}"] = known and node.standby_on_fail
    samples[f"{before}unclean{after}"] = known and node.unclean


def _instances(status: ClusterStatus) -> Iterator[tuple[InstanceStatus, str, str]]:
    """Every instance with its group and its clone. The replicas of a bundle are as instances of a clone of that name."""
    for item in status.resources:
        match item:
            case InstanceStatus():
                yield item, "", ""
            case GroupStatus():
                for member in item.members:
                    yield member, item.id, ""
            case CloneStatus():
                for instance in item.instances:
                    yield instance, "", item.id
                for group in item.groups:
                    for member in group.members:
                        yield member, group.id, item.id
            case BundleStatus():
                for replica in item.replicas:
                    for resource in replica.resources:
                        yield resource, "", item.id


def _instance(samples: Samples, item: InstanceStatus, group: str, clone: str, roles: dict[Role, str], known: bool) -> None:
    """One series for each node and status; of instances with the same labels each status is shown that one of them has."""
    before = f'agent="{escape(item.agent)}",clone="{escape(clone)}",group="{escape(group)}",managed="{"true" if item.managed else "false"}"'
    after = f'resource="{escape(_id(item.id, item.instance))}",role="{roles[item.role]}",status="'
    for node in [place.node for place in item.nodes] or [""]:
        head = f'{before},node="{escape(node)}",{after}'
        for status, value in (
            ("active", item.active),
            ("blocked", item.blocked),
            ("failed", item.failed),
            ("failure_ignored", item.failure_ignored),
            ("orphaned", item.orphaned),
        ):
            labels = f'{head}{status}"'
            samples[labels] = (known and value) or samples.get(labels, 0)


def _id(resource: str, instance: str | None) -> str:
    return resource if instance is None else f"{resource}:{instance}"


def _constraint(samples: Samples, constraint: Constraint) -> None:
    """One with rules has no node and the score 0, as nothing else stands in the constraint itself."""
    get = dict(constraint.attributes).get
    labels = (
        f'constraint="{escape(constraint.id)}",node="{escape(get("node", ""))}",'
        f'resource="{escape(get("rsc", ""))}",role="{escape(get("role", "").lower())}"'
    )
    samples[labels] = _score(get("score", ""))


def _score(text: str) -> float:
    word = text.strip().lstrip("+").upper()
    if word.lstrip("-") == "INFINITY":
        return -inf if word.startswith("-") else inf
    try:
        score = int(word)
    except ValueError:
        return 0
    return inf if score >= INFINITY else -inf if score <= -INFINITY else score


# --- Corosync


def _quorum(found: Rows, quorum: QuorumStatus, known: bool) -> None:
    found[f"{_C}quorate"][""] = known and quorum.quorate
    votes = found[f"{_C}quorum_votes"]
    for kind, number in (
        ("expected_votes", quorum.expected_votes),
        ("highest_expected", quorum.highest_expected),
        ("quorum", quorum.quorum),
        ("total_votes", quorum.total_votes),
    ):
        if number is not None:
            votes[f'type="{kind}"'] = number if known else nan
    members = found[f"{_C}member_votes"]
    for node in quorum.nodes:
        labels = f'local="{"true" if node.is_local else "false"}",node="{escape(node.name)}",node_id="{escape(node.node_id)}"'
        members[labels] = nan if not known or node.votes is None else node.votes
    if quorum.qdevice_name:
        labels = f'local="false",node="{escape(quorum.qdevice_name)}",node_id="0"'
        members[labels] = nan if not known or quorum.qdevice_votes is None else quorum.qdevice_votes


def _links(found: Rows, links: tuple[LinkStatus, ...], quorum: QuorumStatus | None, known: bool) -> None:
    """One row for each ring or link of the polled node; a link is healthy when it reaches every peer."""
    healthy: Samples = {}
    before = f'node_id="{escape(quorum.node_id if quorum else "")}",number="'
    after = f'",ring_id="{escape(quorum.ring_id if quorum else "")}"'
    for link in links:
        labels = f'address="{escape(link.address)}",{before}{escape(link.link)}{after}'
        good = known and (link.is_local or (link.connected and link.enabled))
        healthy[labels] = good and healthy.get(labels, True)
    found[f"{_C}rings"] = healthy
    found[f"{_C}ring_errors"][""] = sum(not good for good in healthy.values())


# --- SBD and DRBD


def _sbd(found: Rows, status: ClusterStatus, known: bool) -> None:
    devices, timeouts = found[f"{_S}devices"], found[f"{_S}timeouts"]
    for device in status.sbd or ():
        path = escape(device.path)
        devices[f'device="{path}",status="{escape(device.status) if known else "unhealthy"}"'] = 1
        for name, seconds in device.timeouts:
            if name in ("watchdog", "msgwait"):
                timeouts[f'device="{path}",type="{name}"'] = seconds if known else nan


def _drbd(found: Rows, resource: DrbdStatus, known: bool) -> None:
    name = escape(resource.name)

    def give(metric: str, labels: str, value: float | None) -> None:
        found[f"{_D}{metric}"][labels] = nan if not known else 0 if value is None else value

    for volume in resource.volumes:
        of_volume = f'resource="{name}",volume="{volume.number}"'
        state, role = (volume.disk_state.lower(), resource.role) if known else ("dunknown", "Unknown")
        labels = f'disk_state="{escape(state)}",resource="{name}",role="{escape(role)}",volume="{volume.number}"'
        found[f"{_D}resources"][labels] = 1
        found[f"{_D}quorum"][of_volume] = known and bool(volume.quorum)
        if volume.split_brain:
            found[f"{_D}split_brain"][of_volume] = 1
        give("written", of_volume, volume.written)
        give("read", of_volume, volume.read)
        give("al_writes", of_volume, volume.al_writes)
        give("bm_writes", of_volume, volume.bm_writes)
        give("upper_pending", of_volume, volume.upper_pending)
        give("lower_pending", of_volume, volume.lower_pending)
    for peer in resource.peers:
        number = peer.node_id if peer.node_id is not None else 0
        for there in peer.volumes:
            of_peer = f'peer_node_id="{number}",resource="{name}",volume="{there.number}"'
            state, role = (there.disk_state.lower(), peer.role) if known else ("dunknown", "Unknown")
            labels = (
                f'peer_disk_state="{escape(state)}",peer_node_id="{number}",peer_role="{escape(role)}",'
                f'resource="{name}",volume="{there.number}"'
            )
            found[f"{_D}connections"][labels] = 1
            give("connections_sync", of_peer, there.percent_in_sync)
            give("connections_received", of_peer, there.received)
            give("connections_sent", of_peer, there.sent)
            give("connections_pending", of_peer, there.pending)
            give("connections_unacked", of_peer, there.unacked)
