"""What the nodes are configured with: corosync.conf, rsyslog.conf, and the CIB for three ways of sharing services."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from xml.etree import ElementTree
from xml.etree.ElementTree import Element, SubElement

MONITOR = "192.168.100.200"
"""Address of the host that hamon runs on."""
TRAP_PORT = 9162
COMMUNITY = "fromnodes"
GATEWAY = "192.168.100.1"
"""What the ping clone pings: the switch itself."""
PING, PROMOTABLE, REPLICA = "prmPing", "prmStateful", "msPrmStateful"


class Pattern(StrEnum):
    """How the nodes share the services."""

    ONE_PLUS_ONE = "1+1"
    CROSS = "1+1 cross"
    N_PLUS_ONE = "N+1"


GROUPS: Mapping[Pattern, Mapping[str, tuple[int, Sequence[str]]]] = {
    Pattern.ONE_PLUS_ONE: {"grpPg": (0, ("prmEx", "prmFs", "prmIp", "prmPg"))},
    Pattern.CROSS: {"grpOrders": (0, ("prmFsOrders", "prmPgOrders")), "grpStock": (1, ("prmFsStock", "prmPgStock"))},
    Pattern.N_PLUS_ONE: {"grpOrders": (0, ("prmFsOrders", "prmPgOrders")), "grpStock": (1, ("prmFsStock", "prmPgStock"))},
}
"""For each pattern its groups: the number of the node that is preferred, and the members."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What differs between clusters. Times in seconds; `fence_delays` by the node that would be fenced."""

    pattern: Pattern = Pattern.ONE_PLUS_ONE
    monitor_seconds: int = 3
    token_seconds: float = 3.0
    with_fencing: bool = True
    with_replica: bool = False
    """The promotable clone (of 1+1) is a service too: its promoted instance follows the group."""
    fence_delays: Mapping[str, int] = field(default_factory=dict)


def address(link: int, number: int) -> str:
    """Of node `number` (from 0): link 0 is the service network, 1 and 2 are the interconnects."""
    return f"192.168.{100 + link}.{101 + number}"


def corosync_conf(nodes: Sequence[str], settings: Settings) -> str:
    listed = "".join(
        f"    node {{\n        name: {node}\n        nodeid: {number + 1}\n"
        f"        ring0_addr: {address(1, number)}\n        ring1_addr: {address(2, number)}\n    }}\n"
        for number, node in enumerate(nodes)
    )
    two = "    two_node: 1\n" if len(nodes) == 2 else ""
    return (
        "totem {\n    version: 2\n    cluster_name: rack\n    transport: knet\n    crypto_cipher: none\n    crypto_hash: none\n"
        f"    token: {round(settings.token_seconds * 1000)}\n}}\n"
        "logging {\n    fileline: off\n    to_stderr: no\n    to_logfile: yes\n    logfile: /var/log/corosync/corosync.log\n"
        "    to_syslog: yes\n    syslog_facility: local1\n    debug: off\n    timestamp: on\n}\n"
        f"quorum {{\n    provider: corosync_votequorum\n{two}}}\nnodelist {{\n{listed}}}\n"
    )


def rsyslog_conf() -> str:
    """Facility local1 into ha-log in syslog's old form, as Linux-HA Japan sets it up."""
    return (
        'module(load="imuxsock")\n$ActionFileDefaultTemplate RSYSLOG_TraditionalFileFormat\n$RepeatedMsgReduction off\n$umask 0022\n'
        "local1.*                 /var/log/ha-log\n*.info;local1.none       /var/log/messages\n"
    )


def _pairs(parent: Element, tag: str, owner: str, values: Mapping[str, object]) -> None:
    """<meta_attributes> and the like; nothing where there are no values."""
    if values:
        pairs = SubElement(parent, tag, id=owner)
        for name, value in values.items():
            SubElement(pairs, "nvpair", id=f"{owner}-{name}", name=name, value=str(value))


def _operation(parent: Element, resource: str, name: str, interval: int, on_fail: str, role: str = "") -> None:
    of_role = {"role": role} if role else {}
    attributes = {"name": name, "interval": f"{interval}s", "timeout": "60s", "on-fail": on_fail, **of_role}
    SubElement(parent, "op", {"id": f"{resource}-{name}-{interval}", **attributes})


def _primitive(parent: Element, name: str, agent: str, seconds: int, parameters: Mapping[str, object] | None = None) -> None:
    provider, _, kind = agent.partition(":")
    made = SubElement(parent, "primitive", {"id": name, "class": "ocf", "provider": provider, "type": kind})
    _pairs(made, "instance_attributes", f"{name}-parameters", parameters or {})
    operations = SubElement(made, "operations")
    _operation(operations, name, "start", 0, "restart")
    _operation(operations, name, "stop", 0, "fence")
    if kind == "Stateful":
        _operation(operations, name, "monitor", seconds, "restart", "Promoted")
        _operation(operations, name, "monitor", seconds + 1, "restart", "Unpromoted")
        _operation(operations, name, "promote", 0, "restart")
        _operation(operations, name, "demote", 0, "fence")
    else:
        _operation(operations, name, "monitor", seconds, "restart")


def _fence_device(resources: Element, constraints: Element, number: int, node: str, delay: int) -> None:
    name = f"fence{number + 1}"
    made = SubElement(resources, "primitive", {"id": name, "class": "stonith", "type": "fence_rack"})
    delayed = {"pcmk_delay_base": f"{delay}s"} if delay else {}
    parameters = {"pcmk_host_list": node, "pcmk_reboot_retries": 1, "pcmk_reboot_timeout": "20s", **delayed}
    _pairs(made, "instance_attributes", f"{name}-parameters", parameters)
    operations = SubElement(made, "operations")
    _operation(operations, name, "start", 0, "restart")
    _operation(operations, name, "monitor", 3600, "restart")
    _operation(operations, name, "stop", 0, "ignore")
    SubElement(constraints, "rsc_location", id=f"loc-{name}", rsc=name, node=node, score="-INFINITY")


def _alert(alerts: Element) -> None:
    """Pacemaker's own sample agent, as the README of hamon sets it up for version 2c."""
    alert = SubElement(alerts, "alert", id="hamon", path="/var/lib/pacemaker/alert_snmp.sh")
    selected = SubElement(alert, "select")
    for kind in ("nodes", "fencing", "resources", "attributes"):
        SubElement(selected, f"select_{kind}")
    _pairs(alert, "meta_attributes", "hamon-meta", {"timestamp-format": "%Y-%m-%d,%H:%M:%S.%01N"})
    _pairs(alert, "instance_attributes", "hamon-options", {"trap_version": "2c", "trap_community": COMMUNITY})
    SubElement(alert, "recipient", id="hamon-to", value=f"{MONITOR}:{TRAP_PORT}")


def cib(nodes: Sequence[str], settings: Settings) -> str:
    """The whole CIB, for Pacemaker 2.1 and later."""
    versions = {"crm_feature_set": "3.16.1", "validate-with": "pacemaker-3.9", "epoch": "1", "num_updates": "0", "admin_epoch": "0"}
    root = Element("cib", versions)
    configuration = SubElement(root, "configuration")
    options = SubElement(configuration, "crm_config")
    properties = {
        "no-quorum-policy": "ignore" if len(nodes) == 2 else "stop",
        "stonith-enabled": str(settings.with_fencing).lower(),
        "startup-fencing": "false",
        "stonith-timeout": "60s",
        "dc-deadtime": "6s",
        "cluster-infrastructure": "corosync",
        "cluster-name": "rack",
    }
    _pairs(options, "cluster_property_set", "cib-bootstrap-options", properties)
    members = SubElement(configuration, "nodes")
    for number, node in enumerate(nodes):
        SubElement(members, "node", id=str(number + 1), uname=node)
    resources, constraints = SubElement(configuration, "resources"), SubElement(configuration, "constraints")
    for name, (preferred, primitives) in GROUPS[settings.pattern].items():
        group = SubElement(resources, "group", id=name)
        for primitive in primitives:
            _primitive(group, primitive, "pacemaker:Dummy", settings.monitor_seconds)
        _places(constraints, name, nodes, preferred, settings.pattern)
    clone = SubElement(resources, "clone", id="clnPrmPing")
    pinged = {"name": "default_ping_set", "host_list": GATEWAY, "multiplier": 100, "attempts": 2, "timeout": 2, "dampen": 1}
    _primitive(clone, PING, "pacemaker:ping", settings.monitor_seconds, pinged)
    if settings.pattern is Pattern.ONE_PLUS_ONE:
        clone = SubElement(resources, "clone", id=REPLICA)
        _pairs(clone, "meta_attributes", "msPrmStateful-meta", {"promotable": "true", "notify": "true"})
        _primitive(clone, PROMOTABLE, "pacemaker:Stateful", settings.monitor_seconds)
    if settings.with_replica:
        follows = {"rsc": REPLICA, "rsc-role": "Promoted", "with-rsc": next(iter(GROUPS[settings.pattern])), "score": "1000"}
        SubElement(constraints, "rsc_colocation", {"id": "col-promoted", **follows})
    if settings.with_fencing:
        for number, node in enumerate(nodes):
            _fence_device(resources, constraints, number, node, settings.fence_delays.get(node, 0))
    defaults = SubElement(configuration, "rsc_defaults")
    _pairs(defaults, "meta_attributes", "rsc-options", {"resource-stickiness": "INFINITY", "migration-threshold": 1})
    _alert(SubElement(configuration, "alerts"))
    SubElement(root, "status")
    return ElementTree.tostring(root, encoding="unicode") + "\n"


def places(nodes: Sequence[str], preferred: int, pattern: Pattern) -> list[str]:
    """The nodes that may run a group, the preferred one first, then the others in order (N+1: only the spare, which is last)."""
    others = nodes[-1:] if pattern is Pattern.N_PLUS_ONE else nodes
    return list(dict.fromkeys((nodes[preferred], *others)))


def _places(constraints: Element, group: str, nodes: Sequence[str], preferred: int, pattern: Pattern) -> None:
    """Where the group may run, as `places` says, and only where the ping works."""
    allowed = places(nodes, preferred, pattern)
    for number, node in enumerate(nodes):
        score = str(200 - 50 * allowed.index(node)) if node in allowed else "-INFINITY"
        SubElement(constraints, "rsc_location", id=f"loc-{group}-{number + 1}", rsc=group, node=node, score=score)
    location = SubElement(constraints, "rsc_location", id=f"loc-{group}-ping", rsc=group)
    rule = SubElement(location, "rule", {"id": f"rule-{group}", "boolean-op": "or", "score": "-INFINITY"})
    ping = {"attribute": "default_ping_set"}
    SubElement(rule, "expression", ping, id=f"rule-{group}-1", operation="not_defined")
    SubElement(rule, "expression", ping, id=f"rule-{group}-2", operation="lt", value="100", type="number")
    SubElement(constraints, "rsc_colocation", {"id": f"col-{group}", "rsc": group, "with-rsc": "clnPrmPing", "score": "INFINITY"})
    order = {"id": f"ord-{group}", "first": "clnPrmPing", "then": group, "kind": "Optional", "symmetrical": "false"}
    SubElement(constraints, "rsc_order", order)
