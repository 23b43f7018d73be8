"""Addresses of the network in the configuration, and how many messages one may send: what all receivers share."""

import ipaddress
from collections.abc import Sequence
from typing import Annotated, NamedTuple

from pydantic import AfterValidator, Field

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Address = ipaddress.IPv4Address | ipaddress.IPv6Address

BURST = 10
"""How many seconds' worth may come at once."""


class Listen(NamedTuple):
    """An address to listen on; as text IPv6 stands in brackets."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def parse_address(text: str) -> Listen:
    """Split `address:port`, IPv6 in brackets; raises ValueError.

    >>> parse_address("[fe80::1%eth0]:162")
    Listen(host='fe80::1%eth0', port=162)
    """
    host, colon, port = text.rpartition(":")
    bracketed = host.startswith("[") and host.endswith("]")
    if not colon or not (port.isascii() and port.isdigit() and int(port) <= 65535) or (":" in host and not bracketed):
        raise ValueError("give address:port, such as 127.0.0.1:9162 or [::1]:9162")
    try:
        address = ipaddress.ip_address(host[1:-1] if bracketed else host)
    except ValueError:
        raise ValueError("give an address of this host, such as 127.0.0.1:9162 or [::1]:9162, not a name") from None
    if bracketed is not (address.version == 6):
        raise ValueError("only an IPv6 address stands in brackets")
    return Listen(str(address), int(port))


def parse_network(text: str) -> Network:
    """An address or a network; raises ValueError.

    >>> parse_network("192.0.2.7")
    IPv4Network('192.0.2.7/32')
    """
    try:
        return ipaddress.ip_network(text.strip())
    except ValueError:
        raise ValueError("give addresses or networks, such as 192.0.2.7 or 2001:db8::/64 (no bits set behind the prefix)") from None


def network_text(text: str) -> str:
    return str(parse_network(text))


def listen_text(text: str) -> str:
    return str(parse_address(text))


Networks = Annotated[tuple[Annotated[str, AfterValidator(network_text)], ...], Field(min_length=1, examples=[["192.0.2.0/24"]])]


def each_once(texts: tuple[str, ...]) -> tuple[str, ...]:
    """Leave repetitions out."""
    return tuple(dict.fromkeys(texts))


def overlap(some: Sequence[Network], others: Sequence[Network]) -> bool:
    """Whether some address is in networks of both."""
    return any(one.version == other.version and one.overlaps(other) for one in some for other in others)


def within(network: Network, others: Sequence[Network]) -> bool:
    """Whether one of the others holds all of the network."""
    return any(network.version == other.version and network.subnet_of(other) for other in others)  # type: ignore[arg-type]  # of one version


def holds(networks: Sequence[Network], address: Address) -> bool:
    return any(address in network for network in networks)


def can_answer(host: str) -> bool:
    """Whether it is the address of one host: an answer to any other would reach many."""
    address = ipaddress.ip_address(host.partition("%")[0])
    return not (address.is_multicast or address.is_unspecified or host == "255.255.255.255")


class Bucket:
    """Lets `rate` through each second, and ten times as many at once after a rest."""

    __slots__ = ("_at", "_level", "_rate")

    def __init__(self, rate: int) -> None:
        self._rate, self._level, self._at = rate, float(rate * BURST), 0.0

    def take(self, now: float) -> bool:
        """Whether there is room for one more at the time `now`, in seconds of any clock."""
        level = min(self._level + (now - self._at) * self._rate, self._rate * BURST) if self._at else self._level
        self._at = now
        if level < 1.0:
            self._level = level
            return False
        self._level = level - 1.0
        return True
