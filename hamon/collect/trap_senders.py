"""Who may send traps, and how many: looked up by address for every datagram before anything of it is read."""

import ipaddress
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from hamon.collect.network import Bucket, Network, can_answer, holds, parse_network
from hamon.collect.snmp_trap_config import SnmpTrapConfig, TrapCommunity, TrapUser
from hamon.snmp import Level, User
from hamon.snmp.engine import user_keys

MOST_ADDRESSES = 4096
"""Of which something is remembered between two datagrams."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownUser:
    """One user of the configuration. `engine_ids`: None, they are learned. `forgives`: a clock that starts anew is forgiven."""

    name: str
    user: User
    masters: tuple[bytes, bytes] = field(repr=False)
    engine_ids: frozenset[bytes] | None
    forgives: bool

    @property
    def is_authenticated(self) -> bool:
        return self.user.level is not Level.NO_AUTH


@dataclass(slots=True, kw_only=True)
class Origin:
    """One address that may send: with which communities (secret, name, cluster) and users (with cluster), and how it stands."""

    host: str
    communities: Sequence[tuple[bytes, str, str]] = field(repr=False)
    users: Mapping[bytes, tuple[KnownUser, str]]
    bucket: Bucket | None
    node: str | None = None
    relay: bool = False
    notifications: tuple[str, ...] = ()
    waiting: int = 0
    """How many of its datagrams wait in the queue."""


class Senders:
    """Made from the configuration; reads its secrets. Raises OSError or ValueError for a secret that is not to be had."""

    def __init__(self, config: SnmpTrapConfig) -> None:
        self._config = config
        self._communities = [(name, section, _networks(section.sources), _secret(section)) for name, section in config.community.items()]
        self._users = [(section, _networks(section.sources), _known(name, section)) for name, section in config.user.items()]
        self._sources = [(section, _networks(section.addresses)) for section in config.source.values()]
        self._origins: dict[str, Origin] = {}
        self._strangers: set[str] = set()

    def users(self) -> Iterator[KnownUser]:
        yield from (known for _, _, known in self._users)

    def origin(self, host: str) -> Origin | None:
        """What is known of an address; None: it may not send."""
        if (origin := self._origins.get(host)) is not None or host in self._strangers:
            return origin
        origin = self._look_up(host)
        if origin is None:
            if len(self._strangers) >= MOST_ADDRESSES:
                self._strangers.clear()
            self._strangers.add(host)
            return None
        if len(self._origins) >= MOST_ADDRESSES:
            del self._origins[next(iter(self._origins))]
        self._origins[host] = origin
        return origin

    def _look_up(self, host: str) -> Origin | None:
        if not can_answer(host):
            return None
        address = ipaddress.ip_address(host.partition("%")[0])
        of_address = [section for section, networks in self._sources if holds(networks, address)]
        cluster = self._config.cluster or next((section.cluster for section in of_address if section.cluster is not None), None)
        communities = [
            (secret, name, given)
            for name, section, networks, secret in self._communities
            if holds(networks, address) and (given := section.cluster or cluster) is not None
        ]
        users = {
            known.user.name.encode(): (known, given)
            for section, networks, known in self._users
            if holds(networks, address) and (given := section.cluster or cluster) is not None
        }
        if not communities and not users:
            return None
        rate = self._config.max_per_second_per_source
        return Origin(
            host=host,
            communities=communities,
            users=users,
            bucket=Bucket(rate) if rate else None,
            node=next((section.node for section in of_address if section.node is not None), None),
            relay=any(section.relay for section in of_address),
            notifications=tuple(notification for section in of_address for notification in section.notifications),
        )


def _networks(texts: Sequence[str]) -> list[Network]:
    return [parse_network(text) for text in texts]


def _secret(section: TrapCommunity) -> bytes:
    return (section.secret("community") or "").encode()


def _known(name: str, section: TrapUser) -> KnownUser:
    user = section.credentials(section.name or name)
    return KnownUser(
        name=name,
        user=user,
        masters=user_keys(user),
        engine_ids=None if section.engine_ids == "learn" else frozenset(bytes.fromhex(text) for text in section.engine_ids),
        forgives=section.sender == "net-snmp-cli",
    )
