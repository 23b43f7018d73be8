"""The sections that no package below declares, and `Config`, which is composed of all."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from hamon.classify.settings import ClusterSettings
from hamon.expose.settings import MetricsConfig
from hamon.model.incident import Tools
from hamon.section import Name, Section
from hamon.snmp import SnmpConfig
from hamon.store.store import StoreConfig
from hamon.web.settings import WebConfig

ServiceName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$", max_length=64)]
"""As people call it; often the id of a group."""

Seconds = Annotated[float, Field(ge=0, le=30 * 86400, allow_inf_nan=False)]


class LogConfig(Section):
    """hamon's own log, written to standard error."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    """The lowest level that is written."""
    form: Literal["text", "json"] = "text"
    """One line of text or one JSON object for each record."""


class RulesConfig(Section):
    """Rules of your own, beside those that come with hamon."""

    paths: tuple[Path, ...] = ()
    """Folders with your own rule files (`*.toml`)."""


class ServiceConfig(Section):
    """What users need, made of resources of the cluster."""

    resources: Annotated[tuple[str, ...], Field(min_length=1, examples=[["prmPg", "prmIp"]])]
    """Ids of the primitives and promotable clones that the service consists of; logs name the members of a group, not the group."""


class ClusterConfig(Section):
    """A cluster that is watched."""

    title: str = ""
    """The name that people read; the name of the table when it is empty."""
    node_ids: dict[int, str] = Field(default_factory=dict)
    """Names of the nodes by their Corosync node id, for log lines that give only the number."""
    fence_devices: tuple[str, ...] = ()
    """Ids of resources that are fence devices, where the log does not tell."""
    settle_seconds: Seconds = 2.0
    """How long people wait for what a first symptom becomes."""
    membership_seconds: Seconds = 10.0
    """The same for a lost node or link, until the membership has decided."""
    grace_seconds: Seconds = 20.0
    """How long a service may be down without anything moving it before people are told."""
    story_seconds: Seconds = 120.0
    """Within this time a cause is part of its effect, and services that leave one node for one cause are one incident."""
    failover_limit_seconds: Seconds = 600.0
    """A failover that takes longer has failed."""
    constraint_age_seconds: Seconds = 600.0
    """A constraint left by an operator's move is taken for forgotten after this time."""
    stable_seconds: Seconds = 300.0
    """A daemon that was started again counts as well after this time."""
    expire_seconds: Seconds = 86400.0
    """What nothing can end in the evidence at hand expires after this time."""
    flapping_count: int = Field(default=5, ge=0, le=1000)
    """Incidents of one key that are told each by itself within flapping_window_seconds; more are told as one that flaps; 0 for never."""
    flapping_window_seconds: Seconds = 3600.0
    """The time within which incidents of one key are counted for that."""
    flapping_quiet_seconds: Seconds = 600.0
    """What flaps is over when nothing happened for this time."""
    clock_limit_seconds: float = Field(default=5.0, ge=0, le=300)
    """Seconds that the clock of a node may be off by this host's before people are told; 0 for never. Stamps are put right all the same."""
    pattern: Literal["", "single", "1+1", "1+1 cross", "N+1", "N+M", "symmetric"] = ""
    """How the nodes share the services; empty: as polls show it, learned while all is well."""
    tools: Literal["", "pcs", "crmsh", "pacemaker"] = ""
    """What its operators work with: steps name the commands of it; empty: those of pcs and of Pacemaker itself."""
    service: dict[ServiceName, ServiceConfig] = Field(default_factory=dict)
    """Services by name; without any they are learned from what the cluster shows."""

    def settings(self, name: str) -> ClusterSettings:
        """The same for the engine."""
        return ClusterSettings(
            name=name,
            title=self.title or name,
            services={service: section.resources for service, section in self.service.items()},
            fence_devices=frozenset(self.fence_devices),
            node_ids={str(id): node for id, node in self.node_ids.items()},
            pattern=self.pattern or None,
            tools=Tools(self.tools) if self.tools else None,
            settle=timedelta(seconds=self.settle_seconds),
            membership=timedelta(seconds=self.membership_seconds),
            grace=timedelta(seconds=self.grace_seconds),
            failover_limit=timedelta(seconds=self.failover_limit_seconds),
            story_window=timedelta(seconds=self.story_seconds),
            constraint_age=timedelta(seconds=self.constraint_age_seconds),
            stable=timedelta(seconds=self.stable_seconds),
            expire=timedelta(seconds=self.expire_seconds),
            clock_limit=timedelta(seconds=self.clock_limit_seconds),
            flapping=self.flapping_count,
            flapping_window=timedelta(seconds=self.flapping_window_seconds),
            flapping_quiet=timedelta(seconds=self.flapping_quiet_seconds),
        )


class Config(Section):
    """Everything that can be configured."""

    store: StoreConfig = Field(default_factory=StoreConfig)
    """Where the history is kept."""
    web: WebConfig = Field(default_factory=WebConfig)
    """Pages, metrics and health."""
    metrics: MetricsConfig = Field(default_factory=MetricsConfig)
    """What Prometheus is shown."""
    log: LogConfig = Field(default_factory=LogConfig)
    """hamon's own log."""
    rules: RulesConfig = Field(default_factory=RulesConfig)
    """Rules of your own."""
    snmp: SnmpConfig = Field(default_factory=SnmpConfig)
    """SNMP: who this gateway is to receivers of its traps."""
    cluster: dict[Name, ClusterConfig] = Field(default_factory=dict)
    """The clusters by name."""
    collect: dict[str, dict[Name, Section]] = Field(default_factory=dict)
    """Collectors by kind and name; the section of a kind is declared beside its collector."""
    notify: dict[str, dict[Name, Section]] = Field(default_factory=dict)
    """Targets by kind and name; the section of a kind is declared beside its notifier."""

    def collectors(self) -> Iterator[tuple[str, str, Section]]:
        """Kind, name and section of every collector."""
        yield from ((kind, name, section) for kind, named in self.collect.items() for name, section in named.items())

    def notifiers(self) -> Iterator[tuple[str, str, Section]]:
        """Kind, name and section of every target."""
        yield from ((kind, name, section) for kind, named in self.notify.items() for name, section in named.items())
