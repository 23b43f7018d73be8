"""The settings of one receiver of SNMP traps: where it listens, who may send, and which cluster a trap is about.

Law: a trap names no cluster, so the settings do: the community or user, the entry of its source, or the receiver. `clusters_of` gives all
that they name; more than one, or none, is refused here, so that no trap is ever filed under a cluster by chance.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, SecretStr, model_validator
from pydantic_core import PydanticCustomError

from hamon.collect.network import Network, Networks, each_once, listen_text, overlap, parse_network, within
from hamon.section import IN_SAMPLE, Name, Section
from hamon.snmp import Level, UserSection, parse_oid
from hamon.snmp.identity import parse_engine_id

DEFAULT_COMMUNITIES = frozenset({"public", "private"})
"""What everyone tries first; Pacemaker's own sample agent sends `public` unless told otherwise."""


def _engine_id(text: str) -> str:
    return parse_engine_id(text).hex()


def _oid(text: str) -> str:
    return ".".join(map(str, parse_oid(text)))


class TrapCommunity(Section):
    """A community of SNMPv1 and v2c that is taken; it is readable and forgeable on the way."""

    sources: Networks
    """Addresses and networks that may send with it; nobody else may."""
    cluster: str | None = Field(default=None, json_schema_extra=IN_SAMPLE)
    """The cluster whose traps come with it."""
    community: SecretStr | None = Field(default=None, examples=["…"])
    """The community."""
    community_file: Path | None = None
    """File that holds the community."""
    allow_default_community: bool = False
    """Take `public` or `private`, which everyone knows."""

    @model_validator(mode="after")
    def _not_what_everyone_knows(self) -> Self:
        if self.community is None and self.community_file is None:
            raise PydanticCustomError("missing-community", "needs community_file (or community)")
        try:
            community = self.secret("community")
        except (OSError, ValueError):
            return self  # told by itself
        if community in DEFAULT_COMMUNITIES and not self.allow_default_community:
            raise PydanticCustomError(
                "default-community",
                "{community} is known to everyone; on the cluster give the alert another one (pcs alert update ID options "
                "trap_community=...), or set allow_default_community = true",
                {"community": community},
            )
        if self.community is not None and not community:
            raise PydanticCustomError("missing-community", "an empty community is none")
        return self


class TrapUser(UserSection):
    """An SNMPv3 user who may send traps and informs."""

    sources: Networks
    """Addresses and networks that may send with it; nobody else may."""
    cluster: str | None = Field(default=None, json_schema_extra=IN_SAMPLE)
    """The cluster whose traps come with it."""
    name: str | None = Field(default=None, min_length=1, max_length=32, examples=["pcmk"])
    """The name of the user in SNMP; left out, the name of the table."""
    engine_ids: Literal["learn"] | tuple[Annotated[str, AfterValidator(_engine_id)], ...] = "learn"
    """Engine IDs that send traps as this user, in hexadecimal digits; "learn" takes any whose passphrase is right, and remembers it."""
    sender: Literal["net-snmp-cli", "standard"] = "net-snmp-cli"
    """Who sends: "net-snmp-cli" (snmptrap, as Pacemaker's alert agent does) forgives that its clock starts anew after a reboot."""

    @model_validator(mode="after")
    def _nothing_to_learn_from(self) -> Self:
        if self.level is Level.NO_AUTH and self.engine_ids == "learn":
            raise PydanticCustomError("nothing-to-learn-from", "without authentication engine_ids must name the engines")
        return self


class TrapSource(Section):
    """Senders by address: which cluster and which node they are."""

    addresses: Networks
    """Addresses and networks."""
    cluster: str | None = None
    """The cluster that these senders belong to."""
    node: str | None = None
    """The node that sends from here; it is then shown as a source of its own, also when it never sent a trap."""
    relay: bool = False
    """Whether it passes on traps of others (snmptrapd, a converter): the sender is then whom the trap names."""
    notifications: tuple[Annotated[str, AfterValidator(_oid)], ...] = Field(default=(), examples=[["1.3.6.1.4.1.32723"]])
    """Only notifications below these object identifiers are taken from here; none: all."""


_Addresses = tuple[Annotated[str, AfterValidator(listen_text)], ...]


class SnmpTrapConfig(Section):
    """A receiver of SNMP traps and informs."""

    listen: Annotated[_Addresses, AfterValidator(each_once)] = Field(default=("127.0.0.1:9162",), min_length=1)
    """Addresses and ports to listen on, IPv6 in brackets; name each address of the host, so that answers leave from the right one."""
    cluster: str | None = Field(default=None, examples=["pg"])
    """The cluster whose traps come to these addresses, where neither community, user nor source says so."""
    silent_after_seconds: float | None = Field(default=None, gt=0)
    """Report a node (or the cluster, where no source names one) as lost when no trap came for so long; else silence is not reported."""
    receive_buffer_bytes: int = Field(default=4 * 1024 * 1024, ge=4096, le=1 << 30)
    """What the kernel is asked to keep for each socket; `net.core.rmem_max` may cap it."""
    queue: int = Field(default=50_000, ge=100, le=1_000_000)
    """How many datagrams may wait inside hamon."""
    max_per_second_per_source: int = Field(default=200, ge=0)
    """How many datagrams a second one address may send, with bursts of ten times as many; 0: any number."""
    max_per_second: int = Field(default=2000, ge=0)
    """How many all together may send, with bursts of ten times as many; 0: any number."""
    community: dict[Name, TrapCommunity] = Field(default_factory=dict)
    """Communities by a name of your choice."""
    user: dict[Name, TrapUser] = Field(default_factory=dict)
    """Users of SNMPv3 by a name of your choice."""
    source: dict[Name, TrapSource] = Field(default_factory=dict)
    """Senders by a name of your choice."""

    @model_validator(mode="after")
    def _one_meaning(self) -> Self:
        problems = [*self._unanswerable(), *self._doubles()]
        if problems:
            raise PydanticCustomError("ambiguous-trap-source", "{problems}", {"problems": "; ".join(problems)})
        return self

    @property
    def clusters(self) -> Sequence[str]:
        """All clusters that it can give traps of."""
        named = [self.cluster, *(one.cluster for table in (self.community, self.user, self.source) for one in table.values())]
        return list(dict.fromkeys(name for name in named if name is not None))

    def unheard_sources(self) -> Iterator[str]:
        """The sources of which no address may send: no community and no user names it."""
        may_send = [parse_network(text) for _, _, credential in self._credentials() for text in credential.sources]
        for name, source in self.source.items():
            if not overlap([parse_network(text) for text in source.addresses], may_send):
                yield name

    def _unanswerable(self) -> Iterator[str]:
        if not self.community and not self.user:
            yield "nobody may send: add a table community.NAME or user.NAME"
        sources = [(name, source.cluster, [parse_network(text) for text in source.addresses]) for name, source in self.source.items()]
        for index, (name, cluster, networks) in enumerate(sources):
            if self.cluster is not None and cluster not in (None, self.cluster):
                yield f"source.{name} says cluster {cluster}, the receiver says {self.cluster}"
            for other, other_cluster, other_networks in sources[:index]:
                if cluster != other_cluster and overlap(networks, other_networks):
                    yield f"source.{name} and source.{other} share addresses and disagree about the cluster"
        for kind, name, credential in self._credentials():
            if self.cluster is not None and credential.cluster not in (None, self.cluster):
                yield f"{kind}.{name} says cluster {credential.cluster}, the receiver says {self.cluster}"
            given = credential.cluster or self.cluster
            for text in credential.sources:
                network = parse_network(text)
                for other, cluster, networks in sources:
                    if given is not None and cluster not in (None, given) and overlap([network], networks):
                        yield f"{kind}.{name} says cluster {given}, but source.{other} says {cluster} for addresses of {text}"
                if given is None and not any(cluster is not None and within(network, networks) for _, cluster, networks in sources):
                    yield f"no cluster is named for {kind}.{name} from {text}: give it cluster, or a source that covers {text}"

    def _doubles(self) -> Iterator[str]:
        users: dict[str, str] = {}
        for name, user in self.user.items():
            other = users.setdefault(user.name or name, name)
            if other != name:
                yield f"user.{name} and user.{other} are the same user of SNMP"
        communities: list[tuple[str, str | None, list[Network]]] = []
        for name, section in self.community.items():
            try:
                secret = section.secret("community")
            except (OSError, ValueError):
                continue  # told by itself
            networks = [parse_network(text) for text in section.sources]
            for other, other_secret, other_networks in communities:
                if secret == other_secret and overlap(networks, other_networks):
                    yield f"community.{name} and community.{other} are the same community from the same addresses"
            communities.append((name, secret, networks))

    def _credentials(self) -> Iterator[tuple[str, str, TrapCommunity | TrapUser]]:
        yield from (("community", name, section) for name, section in self.community.items())
        yield from (("user", name, section) for name, section in self.user.items())
