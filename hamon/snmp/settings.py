"""`[snmp]`: what all of SNMP shares."""

import re
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, SecretStr, model_validator
from pydantic_core import PydanticCustomError

from hamon.section import Name, Section
from hamon.snmp.identity import parse_engine_id
from hamon.snmp.users import UserSection

DEFAULT_ROOT = "1.3.6.1.4.1.8072.9999.9999.4742"
"""Below netSnmpPlaypen, which net-snmp sets aside for private use."""

_OID = re.compile(r"\.?[012](?:\.(?:0|[1-9]\d{0,9})){1,100}")


def parse_oid(text: str) -> tuple[int, ...]:
    """Numbers with dots between; raises ValueError.

    >>> parse_oid(".1.3.6.1")
    (1, 3, 6, 1)
    """
    if not _OID.fullmatch(text.strip()):
        raise ValueError("an object identifier is written as numbers with dots between, as 1.3.6.1.4.1.8072.9999.9999.4742")
    numbers = tuple(int(part) for part in text.strip().strip(".").split("."))
    if any(number > 4294967295 for number in numbers) or (numbers[0] < 2 and numbers[1] > 39):
        raise ValueError("a number of the object identifier is too large")
    return numbers


def _engine_id(text: str) -> str:
    return parse_engine_id(text).hex()


def _root(text: str) -> str:
    numbers = parse_oid(text)
    if numbers[:6] != (1, 3, 6, 1, 4, 1) or len(numbers) < 7 or numbers[-1] >= 2**31:
        raise ValueError("the root must stand below 1.3.6.1.4.1 (enterprises) and end with a number below 2147483648")
    return ".".join(map(str, numbers))


Root = Annotated[str, AfterValidator(_root)]


View = Literal["system", "gateway", "cluster", "incident", "target"]
ALL_VIEWS: tuple[View, ...] = ("system", "gateway", "cluster", "incident", "target")
DEFAULT_COMMUNITIES = frozenset({"public", "private"})


def check_community(community: str, *, allow_default: bool) -> None:
    """Raise ValueError for one that everybody knows."""
    if not community:
        raise ValueError("the community is empty")
    if community in DEFAULT_COMMUNITIES and not allow_default:
        raise ValueError(f"everybody knows the community {community}; if it must be, set allow_default_community = true")


def listen_address(text: str) -> tuple[str, int]:
    """Address and port to listen on; raises ValueError.

    >>> listen_address("[::1]:1161")
    ('::1', 1161)
    """
    host, colon, port = text.strip().rpartition(":")
    bracketed = host.startswith("[") and host.endswith("]")
    if not colon or not (port.isascii() and port.isdigit() and int(port) < 65536) or (":" in host and not bracketed):
        raise ValueError("give address:port, such as 127.0.0.1:1161 or [::1]:1161")
    try:
        return str(ip_address(host[1:-1] if bracketed else host)), int(port)
    except ValueError:
        raise ValueError("give an address of this host, such as 127.0.0.1:1161, not a name") from None


def _listen(text: str) -> str:
    listen_address(text)
    return text.strip()


def _network(text: str) -> str:
    try:
        return str(ip_network(text.strip()))
    except ValueError:
        raise ValueError("give addresses or networks, such as 192.0.2.7 or 2001:db8::/64 (no bits set behind the prefix)") from None


class AgentCommunity(Section):
    """A community of SNMPv2c that may ask the agent; it is readable on the way."""

    community: SecretStr | None = None
    """The community."""
    community_file: Path | None = None
    """File that holds the community."""
    allow_default_community: bool = False
    """Whether it may be public or private, which everybody knows."""
    view: tuple[View, ...] = Field(default=ALL_VIEWS, min_length=1)
    """What it may read: system, gateway, cluster, incident, target."""

    @model_validator(mode="after")
    def _is_given(self) -> Self:
        if self.community is None and self.community_file is None:
            raise PydanticCustomError("missing-community", "needs community_file (or community)")
        if self.community is not None:
            check_community(self.community.get_secret_value(), allow_default=self.allow_default_community)
        return self

    def checked(self) -> str:
        """The community. Raises OSError or ValueError."""
        community = self.secret("community") or ""
        check_community(community, allow_default=self.allow_default_community)
        return community


class AgentUser(UserSection):
    """An SNMPv3 user who may ask the agent."""

    name: str | None = Field(default=None, min_length=1, max_length=32, examples=["reader"])
    """The name of the user in SNMP; left out, the name of the table."""
    view: tuple[View, ...] = Field(default=ALL_VIEWS, min_length=1)
    """What the user may read: system, gateway, cluster, incident, target."""


class AgentConfig(Section):
    """The SNMP agent: read-only tables for snmpwalk."""

    enabled: bool = False
    """Whether questions are answered at all."""
    listen: tuple[Annotated[str, AfterValidator(_listen)], ...] = Field(default=("127.0.0.1:1161",), min_length=1)
    """Addresses and ports to answer on, IPv6 in brackets."""
    sources: tuple[Annotated[str, AfterValidator(_network)], ...] = ()
    """Addresses and networks that are answered; nobody else is."""
    refresh_seconds: float = Field(default=5.0, ge=0.1, le=300)
    """Seconds after which the tables are made anew."""
    community: dict[Name, AgentCommunity] = Field(default_factory=dict)
    """Communities of SNMPv2c by a name of your choice."""
    user: dict[Name, AgentUser] = Field(default_factory=dict)
    """Users of SNMPv3 by a name of your choice."""

    @model_validator(mode="after")
    def _answers_somebody(self) -> Self:
        if self.enabled and not self.sources:
            raise PydanticCustomError("missing-sources", "an enabled agent needs sources: the addresses that may ask")
        if self.enabled and not (self.community or self.user):
            raise PydanticCustomError("nobody-may-ask", "an enabled agent needs a table community.NAME or user.NAME")
        return self


class SnmpConfig(Section):
    """SNMP: identity of this gateway."""

    engine_id: Annotated[str, AfterValidator(_engine_id)] | None = None
    """Our SNMPv3 engine ID in hexadecimal digits; without one it is made at the first start and kept in the state directory."""
    oid_root: Root = DEFAULT_ROOT
    """Where HAMON-MIB stands; `hamon snmp mib` prints it with this root."""
    agent: AgentConfig = Field(default_factory=AgentConfig)
    """Answers to questions by SNMP."""

    @property
    def engine_octets(self) -> bytes | None:
        return bytes.fromhex(self.engine_id) if self.engine_id is not None else None

    @property
    def root(self) -> tuple[int, ...]:
        return parse_oid(self.oid_root)
