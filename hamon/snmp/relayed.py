"""What a trap that is passed on carries at its end (RFC 3584, 3.1): who sent it first, and that it went through us. Pure."""

from collections.abc import Sequence
from ipaddress import IPv4Address, IPv6Address, ip_address

from hamon.model.observation import SnmpVersion, Trap, VarBind, VarType
from hamon.snmp import mib
from hamon.snmp.mib import Var

TRAP_ADDRESS = "1.3.6.1.6.3.18.1.3.0"
TRAP_COMMUNITY = "1.3.6.1.6.3.18.1.4.0"
TRAP_ENTERPRISE = "1.3.6.1.6.3.1.1.4.3.0"
_IPV6 = 2
"""InetAddressType of RFC 4001."""


def without_community(binds: Sequence[VarBind], instead: str) -> list[VarBind]:
    """The same; where a community stands among them, which is a secret, another value."""
    value = instead.encode("utf-8")
    return [item._replace(type=VarType.OCTET_STRING, value=value) if item.oid == TRAP_COMMUNITY else item for item in binds]


def annotated(trap: Trap, binds: Sequence[VarBind], root: Sequence[int], forwarder: bytes, community: str) -> list[VarBind]:
    """With address, community and enterprise appended where they are missing: tools that count variables still can."""
    given = {item.oid for item in binds}
    added = []
    origin = origin_of(trap)
    if TRAP_ADDRESS not in given and origin is not None:
        if isinstance(origin, IPv6Address):
            added += [
                VarBind(own(root, Var.ORIGIN_ADDRESS_TYPE), VarType.INTEGER, _IPV6),
                VarBind(own(root, Var.ORIGIN_ADDRESS), VarType.OCTET_STRING, origin.packed),
            ]
        else:
            added.append(VarBind(TRAP_ADDRESS, VarType.IP_ADDRESS, str(origin)))
    if TRAP_COMMUNITY not in given and trap.version is not SnmpVersion.V3:
        added.append(VarBind(TRAP_COMMUNITY, VarType.OCTET_STRING, community.encode("utf-8")))
    if TRAP_ENTERPRISE not in given and trap.enterprise is not None:
        added.append(VarBind(TRAP_ENTERPRISE, VarType.OBJECT_IDENTIFIER, trap.enterprise))
    return [*binds, *added, VarBind(own(root, Var.FORWARDER), VarType.OCTET_STRING, forwarder)]


def origin_of(trap: Trap) -> IPv4Address | IPv6Address | None:
    """Who sent it: what a v1 trap says of itself, unless that is nothing, else where it came from; None when that is no address."""
    said = trap.agent_address if trap.agent_address not in (None, "0.0.0.0") else trap.source
    try:
        return ip_address((said or "").split("%")[0])
    except ValueError:
        return None


def own(root: Sequence[int], var: Var) -> str:
    return ".".join(map(str, (*root, *mib.VARS, var, 0)))
