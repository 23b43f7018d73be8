"""Is this cluster well? The one answer that a check, the terminal and the API give: a level, what speaks for it, and numbers.

Laws: the worst finding decides. What cannot be asked is unknown, which is never well; a source that gives nothing is a warning, also while
others tell of the cluster. What an operator wanted (a service that is stopped,
maintenance) is a warning at most; what a ticket
holds at another site is nothing.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from hamon import tell
from hamon.classify.services import Candidate, Service
from hamon.expose.cluster import Facts, ServiceState, instances, node_states, services
from hamon.expose.facts import POLLING
from hamon.model.cluster import ClusterStatus, NodeState, SourceView
from hamon.model.incident import Incident, Severity

MOST_FINDINGS = 20


class Level(StrEnum):
    """In the words of monitoring plug-ins; `code` is the exit status."""

    OK = "ok"
    WARNING = "warning"
    CRITICAL = "critical"
    UNKNOWN = "unknown"

    @property
    def code(self) -> int:
        return _CODES[self]

    @property
    def rank(self) -> int:
        """Higher is worse. A service that is known to be down outweighs what is not known."""
        return _RANKS[self]


_CODES = {Level.OK: 0, Level.WARNING: 1, Level.CRITICAL: 2, Level.UNKNOWN: 3}
_RANKS = {Level.OK: 0, Level.WARNING: 1, Level.UNKNOWN: 2, Level.CRITICAL: 3}
_OF_SEVERITY = {Severity.CRITICAL: Level.CRITICAL, Severity.MAJOR: Level.WARNING, Severity.MINOR: Level.WARNING}


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that is not as it should be. `kind` has words in `hamon.tell` (`check.KIND`); `names` fill them."""

    level: Level
    kind: str
    names: tuple[tuple[str, str], ...] = ()

    def text(self, language: str) -> str:
        given: dict[str, str | None] = {}
        for key, value in self.names:
            match key:
                case "reason":
                    value = tell.reason_text(value, language) or value
                case "incident":
                    value = tell.kind_name(value, language)
                case "why":
                    value = tell.source_reason(value, language)
            given[key] = tell.clean(value, 200)
        return tell.phrase(f"check.{self.kind}", language, **given)


@dataclass(frozen=True, slots=True, kw_only=True)
class Number:
    """One figure of the performance data: `maximum` where there is one; `unit` as plug-ins write it, "s" or nothing."""

    name: str
    value: float
    unit: str = ""
    maximum: float | None = None

    def __str__(self) -> str:
        """`name=value[unit];warn;crit;min;max`, as the plug-in guidelines have it; U: not known."""
        value = "U" if self.value != self.value else f"{self.value:g}{self.unit}"
        return f"{self.name}={value};;;0" + (f";{self.maximum:g}" if self.maximum is not None else "")


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceLine:
    """A service at a glance."""

    name: str
    up: bool | None
    active: tuple[str, ...]
    able: tuple[str, ...] | None
    held: tuple[str, ...] = ()
    """Tickets that are granted to another site."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    cluster: str
    level: Level
    findings: tuple[Finding, ...]
    numbers: tuple[Number, ...]
    nodes: tuple[tuple[str, NodeState], ...]
    services: tuple[ServiceLine, ...]
    answered_at: datetime | None = None

    def summary(self, language: str) -> str:
        """One line without the level: what is wrong, the worst first, or what runs where."""
        if self.findings:
            words = [finding.text(language) for finding in self.findings[:3]]
            more = len(self.findings) - len(words)
            text = tell.phrase("check.separator", language).join(words)
            return tell.phrase("check.more", language, text=text, count=str(more)) if more else text
        words = [service_text(service, language) for service in self.services[:4]]
        online = sum(state is NodeState.ONLINE for _, state in self.nodes)
        words.insert(0, tell.phrase("check.nodes_online", language, online=str(online), all=str(len(self.nodes))))
        if len(self.services) > 4:
            words.append(tell.phrase("check.more_services", language, count=str(len(self.services) - 4)))
        return tell.phrase("check.separator", language).join(words)

    def line(self, language: str) -> str:
        """The one line of a plug-in: level, cluster, summary and performance data. A bar inside would end the text."""
        text = f"{tell.phrase(f'check.level.{self.level}', language)} - {self.cluster}: {self.summary(language)}".replace("|", "/")
        return f"{text} | {' '.join(map(str, self.numbers))}"


def service_text(service: ServiceLine, language: str) -> str:
    """`orders on pm01, pm02 can take over`."""
    active = tell.listed(service.active, language)
    if service.held:
        return tell.phrase("check.service_held", language, service=tell.clean(service.name, 60), ticket=tell.listed(service.held, language))
    if active is None:
        return tell.phrase("check.service_nowhere", language, service=tell.clean(service.name, 60))
    able = tell.listed(service.able or (), language)
    return tell.phrase("check.service_on", language, service=tell.clean(service.name, 60), node=active, able=able)


def verdict(
    facts: Facts, now: datetime, incidents: Iterable[Incident] = (), sources: Iterable[SourceView] = (), *, stuck: bool = False
) -> Verdict:
    """Judge one cluster. `incidents`: its open ones, those left out that are part of another. `sources`: those that tell of it.

    `stuck`: nothing is read at the moment, since it cannot be recorded.
    """
    states = node_states(facts)
    lines = services(facts)
    told_by = [source for source in sources if source.cluster == facts.view.name]
    found = [*([_finding(Level.UNKNOWN, "stuck")] if stuck else []), *_knowledge(facts), *_incidents(incidents)]
    if facts.known:
        found += _quorum(facts)
        found += [one for service in lines for one in _service(service)]
        found += _nodes(facts, states)
        if (status := facts.status) is not None and facts.is_fresh:
            found += _status(status)
    found += _sources(facts, told_by)
    found.sort(key=lambda finding: -finding.level.rank)
    answered = facts.polled.snapshot.received_at if facts.polled is not None and facts.polled.snapshot is not None else None
    return Verdict(
        cluster=facts.view.name,
        level=found[0].level if found else Level.OK,
        findings=tuple(found[:MOST_FINDINGS]),
        numbers=(*_numbers(facts, states, lines, now, answered), *_of_sources(told_by)),
        nodes=tuple(sorted(states.items())),
        services=tuple([_service_line(one) for one in lines]),
        answered_at=answered,
    )


def _service_line(one: ServiceState) -> ServiceLine:
    return ServiceLine(name=one.name, up=one.up, active=one.active, able=one.able, held=one.service.held if one.service is not None else ())


def _finding(level: Level, kind: str, **names: str | None) -> Finding:
    return Finding(level=level, kind=kind, names=tuple((key, value) for key, value in names.items() if value))


def _knowledge(facts: Facts) -> Iterator[Finding]:
    polled = facts.polled
    if not facts.known:
        yield _finding(Level.UNKNOWN, "cluster_unknown", why=polled.reason if polled is not None else None)
    elif polled is not None and polled.unknown_since is not None:
        yield _finding(Level.WARNING, "polling_lost", why=polled.reason)
    elif facts.status is not None and facts.status.dc is None:
        yield _finding(Level.UNKNOWN, "no_dc")
    elif facts.status is None and not facts.view.nodes:
        yield _finding(Level.UNKNOWN, "nothing_known")


def _incidents(incidents: Iterable[Incident]) -> Iterator[Finding]:
    for incident in incidents:
        if (level := _OF_SEVERITY.get(incident.severity)) is not None and incident.part_of is None:
            subject = next(iter((*incident.services, *incident.resources, *incident.nodes)), None)
            yield _finding(level, "incident", incident=incident.called, subject=subject)


def _sources(facts: Facts, sources: Iterable[SourceView]) -> Iterator[Finding]:
    """What gives nothing: all may look well in the eyes of the others, and be missed when it is needed."""
    # That no command answers is said already.
    is_unanswered = facts.polled is not None and facts.polled.unknown_since is not None
    for source in sources:
        if not source.up and not (is_unanswered and source.kind == POLLING):
            yield _finding(Level.WARNING, "source_silent", source=source.path or source.collector, why=source.reason)


def _of_sources(sources: Sequence[SourceView]) -> Iterator[Number]:
    if sources:
        yield Number(name="sources_up", value=sum(source.up for source in sources), maximum=len(sources))


def _quorum(facts: Facts) -> Iterator[Finding]:
    quorum = facts.status.has_quorum if facts.status is not None and facts.is_fresh else facts.view.has_quorum
    if quorum is False:
        yield _finding(Level.CRITICAL, "quorum_lost")
    if facts.view.maintenance or (facts.status is not None and facts.is_fresh and facts.status.options.maintenance_mode):
        yield _finding(Level.WARNING, "maintenance")


def _service(line: ServiceState) -> Iterator[Finding]:
    service = line.service
    name = line.name
    if service is not None:
        if service.multiple_active:
            yield _finding(Level.CRITICAL, "multiple_active", service=name, nodes=", ".join(service.active_nodes))
        if service.blocked:
            yield _finding(Level.CRITICAL, "blocked", service=name, resource=service.blocked[0])
    if line.up is None:
        return
    if not line.up:
        if line.held:
            return  # it is the business of another site now
        if service is not None and service.disabled:
            yield _finding(Level.WARNING, "disabled", service=name)
        elif service is not None and service.moving:
            yield _finding(Level.WARNING, "moving", service=name)
        else:
            failed = service.failed[0] if service is not None and service.failed else None
            yield _finding(Level.CRITICAL, "service_down", service=name, resource=failed)
        return
    if not line.managed:
        yield _finding(Level.WARNING, "unmanaged", service=name)
    if line.able == () and _could_be_protected(service):
        yield _finding(Level.WARNING, "unprotected", service=name, reason=_hindrance(service))


def _could_be_protected(service: Service | None) -> bool:
    """A service that only one node may ever run is not missed elsewhere."""
    return service is None or any(candidate.allowed for candidate in service.candidates)


def _hindrance(service: Service | None) -> str | None:
    candidates: Sequence[Candidate] = service.candidates if service is not None else ()
    found = [str(item) for candidate in candidates if candidate.allowed for item in candidate.hindrances if not item.lasting]
    return found[0] if found else None


def _nodes(facts: Facts, states: dict[str, NodeState]) -> Iterator[Finding]:
    unclean = {node.name for node in facts.status.nodes if node.unclean} if facts.status is not None and facts.is_fresh else set()
    whole = facts.status is not None and bool(facts.status.options.maintenance_mode)
    # A guest is as its resource is.
    guests = {node.name for node in facts.status.nodes if node.hosted_by} if facts.status is not None else set()
    for name, state in sorted(states.items()):
        if name in guests:
            continue
        if name in unclean:
            yield _finding(Level.CRITICAL, "node_unclean", node=name)
        elif state in (NodeState.LOST, NodeState.FENCED, NodeState.STOPPED, NodeState.STANDBY):
            yield _finding(Level.WARNING, f"node_{state}", node=name)
        elif state is NodeState.MAINTENANCE and not whole and not facts.view.maintenance:
            yield _finding(Level.WARNING, "node_maintenance", node=name)


def _status(status: ClusterStatus) -> Iterator[Finding]:
    for link in status.links or ():
        if not link.is_local and not (link.connected and link.enabled):
            yield _finding(Level.WARNING, "link_down", link=link.link, peer=link.peer, node=status.reporter)
    for device in status.sbd or ():
        if device.status != "healthy":
            yield _finding(Level.WARNING, "sbd_device", device=device.path)
    for mirror in status.drbd or ():
        if mirror.split_brain:
            yield _finding(Level.CRITICAL, "drbd_split_brain", resource=mirror.name)
        for peer in mirror.peers:
            if peer.connection != "Connected":
                yield _finding(Level.WARNING, "drbd_disconnected", resource=mirror.name, peer=peer.name, state=peer.connection)
    for item in instances(status):
        if item.is_fence_device and item.failed:
            yield _finding(Level.WARNING, "fence_device", device=item.id)
    last: dict[str, str] = {}
    for event in status.fencing:  # newest first
        last.setdefault(event.target, event.status)
    for target, word in last.items():
        if word == "failed":
            yield _finding(Level.WARNING, "fencing_failed", node=target)
    for (node, resource, task), count in Counter((one.node, one.resource, one.task) for one in status.failures).items():
        yield _finding(Level.WARNING, "failed_action", node=node, resource=resource, task=task, count=str(count) if count > 1 else None)


def _numbers(
    facts: Facts, states: dict[str, NodeState], lines: Sequence[ServiceState], now: datetime, answered: datetime | None
) -> Iterator[Number]:
    status = facts.status
    lines = [line for line in lines if not line.held]
    yield Number(name="nodes_online", value=sum(state is NodeState.ONLINE for state in states.values()), maximum=len(states))
    yield Number(name="services_up", value=sum(bool(line.up) for line in lines), maximum=len(lines))
    yield Number(name="services_protected", value=sum(bool(line.able) for line in lines), maximum=len(lines))
    if status is not None:
        fresh = facts.is_fresh
        failures, links = len(status.failures), [link for link in status.links or () if not link.is_local]
        yield Number(name="failed_actions", value=failures if fresh else float("nan"))
        if status.links is not None:
            down = sum(not (link.connected and link.enabled) for link in links)
            yield Number(name="links_down", value=down if fresh else float("nan"), maximum=len(links))
    if answered is not None:
        yield Number(name="answer_age", value=max(0.0, round((now - answered).total_seconds(), 1)), unit="s")
