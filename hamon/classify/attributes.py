"""Node attributes that say how well a node is: connectivity, disks, replication, rings."""

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime

from hamon.classify import topology
from hamon.classify.effects import Effects
from hamon.classify.membership import Membership
from hamon.classify.read import without_instance
from hamon.classify.settings import ClusterSettings
from hamon.classify.state import State
from hamon.classify.stories import Book
from hamon.model.event import Event, EventKind
from hamon.model.incident import Cause, IncidentKind, Severity
from hamon.model.observation import Source

_TRAP = Source.TRAP
_PROMOTION = "master-"
"""What the attribute begins with in which an agent keeps how willing its node is to be promoted."""
_PING = re.compile(r"ping|^ethmonitor-", re.IGNORECASE)

_DISK_HEALTH = re.compile(r"#health[-_](?:disk|smart|iowait)", re.IGNORECASE)
"""How healthy the disks of a node are, as the agents SysInfo, HealthSMART and HealthIOWait find them."""

_REPLICA_BAD = frozenset({"HS:alone", "DISCONNECT", "SFAIL"})

_REPLICA_GOOD = frozenset({"HS:sync", "HS:async", "HS:potential", "PRI", "LATEST", "STREAMING|SYNC", "STREAMING|ASYNC", "SOK", "PRIM"})

_REPLICA = ("-status", "-data-status", "_sync_state")
"""How attributes of replication end: of pgsql, and of SAPHana (`hana_SID_sync_state`)."""


_HOOK = re.compile(r"hana_(?P<sid>\w+?)_(?:site|glob)_srHook(?:_(?P<site>.+))?$")
"""What the hook of SAPHanaSR tells of a site, in the options of the cluster: it names no node."""


def _number(value: object) -> float:
    text = str(value)
    return float(text) if value is not None and topology.is_number(text) else 0.0


class Attributes:
    """Node attributes that say how well a node is: connectivity, disks, replication, rings."""

    def __init__(self, state: State, settings: ClusterSettings, book: Book, effects: Effects, membership: Membership) -> None:
        self.state, self.settings, self._book = state, settings, book
        self._effects = effects
        self._membership = membership

    def handlers(self) -> Mapping[EventKind, Callable[[Event], None]]:
        """Which event is handled by what."""
        return {
            EventKind.ATTRIBUTE_CHANGED: self.attribute_changed,
            EventKind.ATTRIBUTES_REMOVED: self.attributes_removed,
            EventKind.NETWORK_UNREACHABLE: self.network_unreachable,
            EventKind.DISK_ERROR: self.disk_error,
            EventKind.DISK_RECOVERED: self.disk_recovered,
        }

    def attribute_changed(self, event: Event) -> None:
        name, new = str(event.detail.get("attribute")), event.detail.get("new")
        if (hook := _HOOK.match(name)) is not None:
            self._hook(event, hook, str(new))
            return
        if event.node is None:
            return
        if name.startswith(_PROMOTION):
            promoted = without_instance(name.removeprefix(_PROMOTION))
            item = topology.hear_of(self.state, promoted, self.settings, uncertain=event.source is _TRAP)
            item.clone = item.promotable = True
        key = f"{event.node} {name}"
        if new is None:
            self.state.attributes.pop(key, None)
            topology.node(self.state, event.node).degraded.pop(name, None)
            self._attribute_ended(event, name)
            return
        value = str(new)
        known = self.state.attributes.get(key)
        self.state.attributes[key] = value
        if known == value:
            return
        if _PING.search(name) and topology.is_number(value):
            best = self.state.best[name] = max(float(value), self.state.best.get(name, 0.0), _number(event.detail.get("old")))
            self.degraded(event, name, IncidentKind.CONNECTIVITY_DEGRADED, bad=float(value) < best or float(value) == 0)
        elif name.startswith("diskcheck_status"):
            self.degraded(event, name, IncidentKind.DISK_DEGRADED, bad=value == "ERROR")
        elif _DISK_HEALTH.match(name):
            self.degraded(event, name, IncidentKind.DISK_DEGRADED, bad=value == "red")
        elif name.endswith(_REPLICA) and (value in _REPLICA_BAD or value in _REPLICA_GOOD):
            self.degraded(event, name, IncidentKind.REPLICATION_DEGRADED, bad=value in _REPLICA_BAD)
        elif name.startswith("ringnumber_"):
            self._ring(event, name, value)

    def _hook(self, event: Event, hook: re.Match[str], value: str) -> None:
        """A site of SAP HANA replicates well or not: that of a node, which its `site` attribute names."""
        name = hook[0]
        if value in _REPLICA_GOOD:
            for node in [node.name for node in self.state.nodes.values() if name in node.degraded]:
                self.degraded(replace(event, node=node), name, IncidentKind.REPLICATION_DEGRADED, bad=False)
        elif value in _REPLICA_BAD and (place := self._of_site(hook["sid"], hook["site"])) is not None:
            self.degraded(replace(event, node=place), name, IncidentKind.REPLICATION_DEGRADED, bad=True)
            if (story := self._book.find(IncidentKind.REPLICATION_DEGRADED, f"{place}/{name}")) is not None:
                self._book.add(story, event)

    def _of_site(self, sid: str, site: str | None) -> str | None:
        """The node of a site; where nothing tells it, the one of two that does not serve: it is always the secondary that fails."""
        for node in self.state.nodes:
            if site is not None and site in (node, self.state.attributes.get(f"{node} hana_{sid}_site")):
                return node
        serving = topology.active_somewhere(self.state, self.settings)
        others = [node for node in self.state.nodes if node not in serving]
        return others[0] if serving and len(others) == 1 else None

    def _ring(self, event: Event, name: str, value: str) -> None:
        link = name.rpartition("_")[2]
        change = replace(event, detail={"link": link, "peer_id": None, "peer": None}, kind=EventKind.LINK_UP)
        if value.endswith("FAULTY"):
            self._membership.links.down(change)
        elif value.endswith("UP"):
            self._membership.link_up(change)

    def degraded(self, event: Event, attribute: str, kind: IncidentKind, *, bad: bool) -> None:
        """Something of a node that stands by its name is bad, or good again."""
        name = event.node or ""
        node = topology.node(self.state, name)
        subject = f"{name}/{attribute}"
        if not bad:
            node.degraded.pop(attribute, None)
            self._attribute_ended(event, attribute)
            return
        node.degraded.setdefault(attribute, event.at)
        if self._book.find(kind, subject) is not None:
            return
        where = topology.side(self.state, self.settings, name)
        story = self._book.open(
            kind,
            subject,
            Severity.MINOR if where == "unknown" else Severity.MAJOR,
            event.at,
            started_at=event.at,
            nodes=[name],
            settle=self.settings.settle,
            cause=Cause(kind=kind, node=name, at=event.at, text=event.raw),
        )
        self._effects.join_effect(story, name)

    def _attribute_ended(self, event: Event, attribute: str) -> None:
        subject = f"{event.node}/{attribute}"
        for kind in (IncidentKind.CONNECTIVITY_DEGRADED, IncidentKind.DISK_DEGRADED, IncidentKind.REPLICATION_DEGRADED):
            if (story := self._book.find(kind, subject)) is not None:
                self._book.close(story, event.at, "the attribute is good again")

    def attributes_removed(self, event: Event) -> None:
        if event.node is None:
            return
        self._membership.attributes_went(event.node, event.at)
        node = topology.node(self.state, event.node)
        for key in [key for key in self.state.attributes if key.startswith(f"{node.name} ")]:
            del self.state.attributes[key]

    def network_unreachable(self, event: Event) -> None:
        target = str(event.detail.get("target") or "target")
        self.degraded(event, f"ping {target}", IncidentKind.CONNECTIVITY_DEGRADED, bad=True)
        self._without_recovery_signal(IncidentKind.CONNECTIVITY_DEGRADED, f"{event.node}/ping {target}", event.at)

    def disk_error(self, event: Event) -> None:
        attribute = str(event.detail.get("attribute") or event.detail.get("device") or "disk")
        self.degraded(event, attribute, IncidentKind.DISK_DEGRADED, bad=True)
        self._without_recovery_signal(IncidentKind.DISK_DEGRADED, f"{event.node}/{attribute}", event.at)

    def disk_recovered(self, event: Event) -> None:
        attribute = str(event.detail.get("attribute") or event.detail.get("device") or "disk")
        if event.node is not None:
            self.degraded(event, attribute, IncidentKind.DISK_DEGRADED, bad=False)

    def _without_recovery_signal(self, kind: IncidentKind, subject: str, at: datetime) -> None:
        if (story := self._book.find(kind, subject)) is not None:
            story.limit_at = at + self.settings.expire
