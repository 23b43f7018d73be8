"""The settings of one receiver of syslog: where it listens, who may send, and which cluster a line is about.

Law: the address of the sender says which cluster its lines are about; behind a relay also the host that the line names. What would be of
two clusters is refused here.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, NamedTuple, Self

from pydantic import AfterValidator, Field, model_validator
from pydantic_core import PydanticCustomError

from hamon.collect.network import Listen, Networks, each_once, listen_text, overlap, parse_address, parse_network
from hamon.collect.text import Encodings, TimeZone
from hamon.section import Name, Section

TRANSPORTS = ("udp", "tcp", "tls")


class Endpoint(NamedTuple):
    transport: str
    listen: Listen

    def __str__(self) -> str:
        return f"{self.transport}:{self.listen}"


def parse_endpoint(text: str) -> Endpoint:
    """Split `transport:address:port`; raises ValueError.

    >>> parse_endpoint("tcp:[::1]:5514")
    Endpoint(transport='tcp', listen=Listen(host='::1', port=5514))
    """
    transport, _, address = text.partition(":")
    if transport not in TRANSPORTS:
        raise ValueError("give udp, tcp or tls, address and port, such as tcp:127.0.0.1:5514 or udp:[::1]:5514")
    return Endpoint(transport, parse_address(address))


def _endpoint(text: str) -> str:
    transport, _, address = text.partition(":")
    parse_endpoint(text)
    return f"{transport}:{listen_text(address)}"


class SyslogSource(Section):
    """Senders of syslog, and the cluster that their lines are about."""

    cluster: str = Field(min_length=1)
    """The cluster that these senders belong to."""
    addresses: Networks
    """Addresses and networks that may send; nobody else may."""
    hosts: tuple[str, ...] = Field(default=(), examples=[["pm*"]])
    """Only lines of hosts whose name matches one of these globs, where a relay passes on the lines of several clusters."""
    nodes: tuple[str, ...] = Field(default=(), examples=[["pm01", "pm02"]])
    """Nodes that are expected to send: shown also while nothing came from them."""
    timezone: TimeZone = "UTC"
    """The time zone (IANA name) of time stamps that do not name one."""
    encodings: Encodings = ("utf-8",)
    """The character encodings to try, in order, such as "utf-8", "euc_jp", "shift_jis" or "cp932"."""


_Endpoints = tuple[Annotated[str, AfterValidator(_endpoint)], ...]


class SyslogConfig(Section):
    """A receiver of syslog, so that the nodes need no agent: rsyslog sends their lines here."""

    listen: Annotated[_Endpoints, AfterValidator(each_once)] = Field(default=("tcp:127.0.0.1:5514",), min_length=1)
    """Transports, addresses and ports to listen on: udp, tcp or tls, IPv6 in brackets. UDP loses lines under load; TCP waits."""
    certificate_file: Path | None = None
    """PEM file with the certificate for tls, and its chain."""
    key_file: Path | None = None
    """PEM file with the private key of the certificate."""
    client_ca_file: Path | None = None
    """PEM file with the authorities whose certificates senders must show; left out, the address alone counts."""
    max_message_bytes: int = Field(default=65536, ge=480, le=1 << 20)
    """Longer messages are cut to this length."""
    max_connections: int = Field(default=2000, ge=1, le=100_000)
    """How many senders may be connected at once."""
    queue: int = Field(default=50_000, ge=100, le=1_000_000)
    """How many datagrams may wait inside hamon."""
    receive_buffer_bytes: int = Field(default=4 * 1024 * 1024, ge=4096, le=1 << 30)
    """What the kernel is asked to keep for each UDP socket; `net.core.rmem_max` may cap it."""
    max_per_second_per_source: int = Field(default=0, ge=0)
    """How many datagrams a second one address may send, with bursts of ten times as many; 0: any number."""
    fold_seconds: float = Field(default=10.0, ge=0, le=3600)
    """The same line of the same host within this time came on two ways, and counts once."""
    silent_after_seconds: float | None = Field(default=None, gt=0)
    """Report an expected node (or the cluster, where none is named) as lost when no line came for so long; else silence is not reported."""
    source: dict[Name, SyslogSource] = Field(min_length=1)
    """Who may send, by a name of your choice."""

    @model_validator(mode="after")
    def _one_meaning(self) -> Self:
        problems = [*self._ambiguities()]
        uses_tls = any(endpoint.transport == "tls" for endpoint in self.endpoints)
        if uses_tls and (self.certificate_file is None or self.key_file is None):
            problems.append("tls needs certificate_file and key_file")
        if problems:
            raise PydanticCustomError("ambiguous-syslog-source", "{problems}", {"problems": "; ".join(problems)})
        return self

    @property
    def endpoints(self) -> Sequence[Endpoint]:
        return [parse_endpoint(text) for text in self.listen]

    @property
    def clusters(self) -> Sequence[str]:
        """All clusters that it can give lines of."""
        return list(dict.fromkeys(source.cluster for source in self.source.values()))

    def _ambiguities(self) -> Iterator[str]:
        """Two sources of one address are told apart by hosts; without them, or with the same ones, nobody could tell."""
        known: list[tuple[str, SyslogSource]] = []
        for name, source in self.source.items():
            networks = [parse_network(text) for text in source.addresses]
            for other_name, other in known:
                if other.cluster == source.cluster or not overlap(networks, [parse_network(text) for text in other.addresses]):
                    continue
                if (not source.hosts and not other.hosts) or set(source.hosts) & set(other.hosts):
                    yield f"source.{name} and source.{other_name} share addresses and name two clusters: tell them apart by hosts"
            known.append((name, source))
