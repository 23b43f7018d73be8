"""The state of a cluster as people read it: the same sections and words for the terminal and for the pages, in both languages.

The law: what is not known now is not shown as health. Of a cluster that cannot be asked the last state is told as the past, without any
tone of well-being.
"""

import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from hamon import tell
from hamon.classify.services import Service, find
from hamon.model.cluster import (
    BundleStatus,
    CloneStatus,
    ClusterStatus,
    GroupStatus,
    InstanceStatus,
    NodeStatus,
    NodeType,
    ResourceStatus,
    Role,
)
from hamon.model.observation import Polled

INFINITY = 1_000_000
MOST_NAMES = 16
MOST_ROWS = 200
"""Of one section so many are shown; the rest is counted."""
OLD = timedelta(minutes=2)
"""An answer older than this is told with its age."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One thing and how it is. `tone`: ok, info, warning, major, critical or unknown."""

    name: str
    text: str
    tone: str = "ok"
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """`key` names it for machines. `left_out`: rows that are not shown."""

    key: str
    title: str
    rows: tuple[Row, ...]
    left_out: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """`tone` and `headline` say how much is known; `facts` are about the whole cluster."""

    cluster: str
    tone: str
    headline: str
    facts: tuple[Row, ...] = ()
    sections: tuple[Section, ...] = ()


class _Words:
    def __init__(self, language: str, zone: ZoneInfo) -> None:
        self.language, self._zone = language, zone

    def __call__(self, key: str, **values: object) -> str:
        given = {name: None if value is None or value == "" else str(value) for name, value in values.items()}
        return tell.phrase(f"status.{key}", self.language, **given)

    def time(self, at: datetime | None, text: str = "") -> str:
        return at.astimezone(self._zone).strftime("%Y-%m-%d %H:%M:%S") if at is not None else text

    def listed(self, names: Iterable[str]) -> str:
        return tell.listed(list(names), self.language, MOST_NAMES) or ""

    def joined(self, *parts: str) -> str:
        return ("、" if self.language == "ja" else ", ").join(part for part in parts if part)


def state(
    polled: Polled | None, cluster: str, now: datetime, *, language: str, zone: ZoneInfo, named: Mapping[str, Sequence[str]] | None = None
) -> State:
    """How a cluster was at the time that was asked for, `now`. `named`: its services by name, as configured."""
    t = _Words(language, zone)
    if polled is None:
        return State(cluster=cluster, tone="unknown", headline=t("not_asked"))
    snapshot = polled.snapshot
    if snapshot is None:
        return State(
            cluster=cluster,
            tone="unknown",
            headline=t("never_answered", since=t.time(polled.unknown_since), reason=_clean(tell.source_reason(polled.reason, language))),
        )
    seen, node = t.time(snapshot.received_at), snapshot.path or snapshot.status.reporter
    is_known = polled.unknown_since is None
    if is_known:
        age = now - snapshot.received_at
        old = tell.duration(age.total_seconds(), language) if age > OLD else None
        headline = t("answered", node=node, at=seen, since=t.time(polled.since), age=old)
        tone = "warning" if old else "ok"
    else:
        headline = t(
            "unknown", since=t.time(polled.unknown_since), reason=_clean(tell.source_reason(polled.reason, language)), node=node, at=seen
        )
        tone = "unknown"
    status = snapshot.status
    facts, sections = tuple(_facts(t, status)), tuple(_sections(t, status, named))
    if not is_known:
        facts = tuple(_past(row) for row in facts)
        sections = tuple(replace(section, rows=tuple(_past(row) for row in section.rows)) for section in sections)
    return State(cluster=cluster, tone=tone, headline=headline, facts=facts, sections=sections)


def as_text(shown: State, title: str = "") -> str:
    """For the terminal: one line for each row, columns aligned by what a terminal shows."""
    name = f"{shown.cluster} – {title}" if title and title != shown.cluster else shown.cluster
    lines = [name, f"  {_MARKS[shown.tone]}{shown.headline}"]
    lines += [f"  {_MARKS[row.tone]}{row.name}: {row.text}" for row in shown.facts]
    for section in shown.sections:
        width = min(40, max(_width(row.name) for row in section.rows))
        lines += ["", f"  {section.title}"]
        for row in section.rows:
            gap = " " * max(0, width - _width(row.name))
            lines.append(f"    {_MARKS[row.tone]}{row.name}{gap}  {row.text}{f'  ({row.note})' if row.note else ''}".rstrip())
        if section.left_out:
            lines.append(f"    … +{section.left_out}")
    return "\n".join(lines) + "\n"


_MARKS = {"ok": "  ", "info": "- ", "warning": "! ", "major": "! ", "critical": "X ", "unknown": "? "}


def _width(text: str) -> int:
    """Columns of a terminal: characters of East Asia take two."""
    return sum(2 if unicodedata.east_asian_width(letter) in "WF" else 1 for letter in text)


def _past(row: Row) -> Row:
    return replace(row, tone="unknown")


def _clean(text: str) -> str:
    return tell.clean(text, 600)


# --- the whole cluster


def _facts(t: _Words, status: ClusterStatus) -> Iterator[Row]:
    if status.dc is None:
        yield Row(name=t("dc"), text=t("no_dc"), tone="major", note="")
    else:
        yield Row(name=t("dc"), text=t("dc_is", node=status.dc, version=status.version))
    if status.has_quorum is not None:
        votes = status.quorum
        count = f"{votes.total_votes}/{votes.expected_votes}" if votes is not None and votes.total_votes is not None else None
        text = t("quorum_yes" if status.has_quorum else "quorum_no", votes=count)
        yield Row(name=t("quorum"), text=text, tone="ok" if status.has_quorum else "critical")
    options = status.options
    if options.maintenance_mode:
        yield Row(name=t("maintenance"), text=t("maintenance_on"), tone="info")
    if options.stop_all_resources:
        yield Row(name=t("option"), text=t("stop_all"), tone="info")
    if options.fencing_enabled is False:
        yield Row(name=t("fencing_option"), text=t("fencing_off"), tone="warning")
    change = status.last_change
    if change is not None:
        when = t.time(change.at, change.at_text)
        yield Row(
            name=t("last_change"), text=t("changed_by", at=when, user=change.user, client=change.client, node=change.origin), tone="info"
        )


def _sections(t: _Words, status: ClusterStatus, named: Mapping[str, Sequence[str]] | None) -> Iterator[Section]:
    found = {
        "nodes": [_node(t, node) for node in status.nodes],
        "services": [_service(t, service) for service in find(status, named=named or None).services],
        "resources": list(_resources(t, status.resources)),
        "failures": list(_failures(t, status)),
        "bans": list(_bans(t, status)),
        "fencing": list(_fencing(t, status)),
        "links": list(_links(t, status)),
        "tickets": [_ticket(t, status, index) for index in range(len(status.tickets))],
        "sbd": list(_sbd(t, status)),
        "drbd": list(_drbd(t, status)),
        "attributes": list(_attributes(status)),
    }
    for key, rows in found.items():
        if rows:
            yield Section(key=key, title=t(key), rows=tuple(rows[:MOST_ROWS]), left_out=max(0, len(rows) - MOST_ROWS))


# --- nodes and services


def _node(t: _Words, node: NodeStatus) -> Row:
    if node.unclean:
        key, tone = ("unclean_online" if node.online else "unclean"), "critical"
    elif node.pending:
        key, tone = "pending", "info"
    elif not node.online:
        key, tone = ("lost", "critical") if node.expected_up else ("offline", "unknown")
    elif node.shutdown:
        key, tone = "stopping", "info"
    elif node.maintenance:
        key, tone = "in_maintenance", "info"
    elif node.standby:
        key, tone = "standby", "info"
    elif node.standby_on_fail:
        key, tone = "standby_on_fail", "major"
    else:
        key, tone = "online", "ok"
    kind = ""
    if node.type is NodeType.REMOTE:
        kind = t("guest_node", resource=node.hosted_by) if node.hosted_by else t("remote_node")
    health = t("health", colour=node.health) if node.health and node.health != "green" else ""
    tone = "warning" if health and tone == "ok" else tone
    runs = t("runs", count=node.resources_running) if node.resources_running else ""
    return Row(name=node.name, text=t(key), tone=tone, note=t.joined("DC" if node.is_dc else "", kind, health, runs))


def _service(t: _Words, service: Service) -> Row:
    able = service.able_to_take_over
    where = t.listed(service.active_nodes)
    if service.multiple_active:
        text, tone = t("service_twice", nodes=where), "critical"
    elif service.up is None:
        text, tone = t("service_unknown"), "unknown"
    elif service.up:
        text, tone = t("service_up", nodes=where), "ok"
    elif service.moving:
        text, tone = t("service_moving", nodes=where), "info"
    elif service.disabled:
        text, tone = t("service_off"), "info"
    elif service.held:
        text, tone = t("service_held", ticket=t.listed(service.held)), "info"
    else:
        text, tone = t("service_down", nodes=where), "critical"
    if service.blocked:
        tone = "critical"
    notes = []
    if service.blocked:
        notes.append(t("blocked_are", resources=t.listed(service.blocked)))
    if service.failed:
        notes.append(t("failed_are", resources=t.listed(service.failed)))
    if service.up and able is not None:
        if able:
            notes.append(t("protected", nodes=t.listed(able)))
        elif not service.spread or len(service.active_nodes) < 2:
            tone = "major" if tone == "ok" else tone
            hindrances = [str(item) for candidate in service.candidates for item in candidate.hindrances if not item.lasting]
            notes.append(t("not_protected", reasons=t.joined(*(tell.reason_text(item, t.language) or item for item in hindrances[:4]))))
    if not service.managed:
        notes.append(t("unmanaged"))
    return Row(name=service.name, text=text, tone=tone, note=t.joined(*notes))


# --- resources


def _resources(t: _Words, resources: Sequence[ResourceStatus]) -> Iterator[Row]:
    for item in resources:
        match item:
            case InstanceStatus():
                yield _instance(t, item, "")
            case GroupStatus():
                for member in item.members:
                    yield _instance(t, member, f"{item.id} / ")
            case CloneStatus():
                yield from _clone(t, item)
            case BundleStatus():
                for replica in item.replicas:
                    for inner in replica.resources:
                        yield _instance(t, inner, f"{item.id} / {replica.id} / ")


def _clone(t: _Words, clone: CloneStatus) -> Iterator[Row]:
    """Instances that are alike are one row."""
    alike: dict[tuple[str, str, str, str], list[InstanceStatus]] = {}
    instances = [(f"{clone.id} / ", item) for item in clone.instances]
    instances += [(f"{clone.id} / {group.id} / ", item) for group in clone.groups for item in group.members]
    for above, item in instances:
        row = _instance(t, replace(item, nodes=()), above)
        alike.setdefault((row.name, row.text, row.tone, row.note), []).append(item)
    for (name, _, tone, note), items in alike.items():
        nodes = tuple(place for item in items for place in item.nodes)
        is_idle = items[0].role is Role.STOPPED and not items[0].failed
        row = _instance(t, replace(items[0], nodes=nodes), "")
        # Instances without a node to run on are normal: a clone may have more of them than there are nodes.
        yield Row(name=name, text=row.text, tone="info" if is_idle and tone == "unknown" else tone, note=note)


def _instance(t: _Words, item: InstanceStatus, above: str) -> Row:
    flags = [
        ("failed_flag", item.failed and not item.failure_ignored),
        ("blocked_flag", item.blocked),
        ("unmanaged", not item.managed),
        ("in_maintenance", item.maintenance),
        ("orphaned", item.orphaned),
    ]
    wanted = item.target_role if item.target_role in (Role.STOPPED, Role.UNPROMOTED) else None
    is_twice = len(item.nodes) > 1 and item.role is not Role.UNKNOWN and not above
    if item.blocked or is_twice or (item.failed and not item.failure_ignored):
        tone = "critical"
    elif item.role.is_transitional or wanted or not item.managed:
        tone = "info"
    elif item.role in (Role.STOPPED, Role.UNKNOWN):
        tone = "unknown"
    else:
        tone = "ok"
    places = [place.node if place.cached else t("place_was", node=place.node) for place in item.nodes]
    name = item.id if item.instance is None else f"{item.id}:{item.instance}"
    notes = [t(key) for key, holds in flags if holds]
    if wanted:
        notes.append(t("wanted", role=wanted))
    if item.pending:
        notes.append(item.pending)
    if item.locked_to:
        notes.append(t("locked", node=item.locked_to))
    return Row(name=f"{above}{name}", text=t("role_on", role=item.role, nodes=t.listed(places)), tone=tone, note=t.joined(*notes))


# --- what happened and what hinders


def _failures(t: _Words, status: ClusterStatus) -> Iterator[Row]:
    for failure in status.failures:
        result = tell.clean(t.joined(failure.rc_text or str(failure.rc), failure.reason), 200)
        when = t.time(failure.last_change_at, failure.last_change_text)
        yield Row(
            name=failure.resource or failure.operation_key,
            text=t("failed_on", task=failure.task, node=failure.node, result=result),
            tone="warning",
            note=when,
        )
    for item in status.history:
        if item.fail_count:
            count = "INFINITY" if item.fail_count >= INFINITY else str(item.fail_count)
            threshold = item.migration_threshold if item.migration_threshold < INFINITY else None
            is_reached = item.fail_count >= INFINITY or (threshold is not None and item.fail_count >= threshold > 0)
            text = t("fail_count", node=item.node, count=count, threshold=threshold)
            yield Row(
                name=item.resource,
                text=text,
                tone="major" if is_reached else "warning",
                note=t.time(item.last_failure_at, item.last_failure_text),
            )


def _bans(t: _Words, status: ClusterStatus) -> Iterator[Row]:
    for ban in status.bans:
        weight = "-INFINITY" if ban.weight <= -INFINITY else str(ban.weight)
        yield Row(name=ban.resource, text=t("banned", node=ban.node, weight=weight), tone="info", note=ban.id)


def _fencing(t: _Words, status: ClusterStatus) -> Iterator[Row]:
    for item in status.fencing:
        tone = {"success": "info", "failed": "critical", "pending": "warning"}.get(item.status, "unknown")
        who = t("fenced_by", origin=item.origin, client=item.client, delegate=item.delegate)
        note = t.joined(t.time(item.completed_at, item.completed_text), who, tell.clean(item.reason, 200))
        yield Row(name=item.target, text=f"{item.action}: {item.status}", tone=tone, note=note)


def _links(t: _Words, status: ClusterStatus) -> Iterator[Row]:
    for link in status.links or ():
        if link.is_local:
            continue
        text = t("connected" if link.connected else "disconnected")
        yield Row(
            name=t("link_to", link=link.link, peer=link.peer or link.peer_id),
            text=text,
            tone="ok" if link.connected else "major",
            note=tell.clean(t.joined(link.address, "" if link.connected else link.text), 200),
        )


def _ticket(t: _Words, status: ClusterStatus, index: int) -> Row:
    ticket = status.tickets[index]
    text = t("granted" if ticket.granted else "revoked")
    return Row(name=ticket.id, text=text, tone="ok" if ticket.granted else "info", note=t("standby") if ticket.standby else "")


def _sbd(t: _Words, status: ClusterStatus) -> Iterator[Row]:
    for device in status.sbd or ():
        is_well = device.status == "healthy"
        yield Row(
            name=device.path,
            text=t("well" if is_well else "unwell"),
            tone="ok" if is_well else "critical",
            note=tell.clean(device.reason, 200),
        )


def _drbd(t: _Words, status: ClusterStatus) -> Iterator[Row]:
    for resource in status.drbd or ():
        disks = {volume.disk_state for volume in resource.volumes}
        peers = {peer.connection for peer in resource.peers}
        is_well = disks <= {"UpToDate", "Diskless"} and peers <= {"Connected"}
        note = t.joined(*(f"{peer.name}: {peer.connection}" for peer in resource.peers), t("split_brain") if resource.split_brain else "")
        tone = "critical" if resource.split_brain else "ok" if is_well else "major"
        yield Row(name=resource.name, text=t.joined(resource.role, *sorted(disks)), tone=tone, note=note)


def _attributes(status: ClusterStatus) -> Iterator[Row]:
    for item in status.attributes:
        yield Row(
            name=f"{item.node} {item.name}",
            text=tell.clean(item.value, 200),
            tone="warning" if item.is_low else "info",
            note=f"< {item.expected}" if item.is_low else "",
        )
