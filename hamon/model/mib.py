"""The objects and notifications of cluster software by their numbers. No MIB file is needed at run time.

Numbers: PACEMAKER-MIB (`crm_mon`, the sample SNMP alert agent), COROSYNC-MIB (`notifyd.c` of Corosync 1.3 to 3.1: a link names the peer by
its number only since 3.0, with the object LocalNodeID), LINUX-HA-MIB (the SNMP subagent of Heartbeat), HOST-RESOURCES-MIB, SNMPv2-MIB.
"""

from collections.abc import Mapping
from functools import lru_cache

_PACEMAKER, _COROSYNC, _LINUX_HA = "1.3.6.1.4.1.32723", "1.3.6.1.4.1.35488", "1.3.6.1.4.1.4682"

HR_SYSTEM_DATE = "1.3.6.1.2.1.25.1.2"

OBJECTS: Mapping[str, str] = {
    f"{_PACEMAKER}.1.1": "pacemakerNotificationNode",
    f"{_PACEMAKER}.1.2": "pacemakerNotificationResource",
    f"{_PACEMAKER}.1.3": "pacemakerNotificationOperation",
    f"{_PACEMAKER}.1.4": "pacemakerNotificationDescription",
    f"{_PACEMAKER}.1.5": "pacemakerNotificationStatus",
    f"{_PACEMAKER}.1.6": "pacemakerNotificationReturnCode",
    f"{_PACEMAKER}.1.7": "pacemakerNotificationTargetReturnCode",
    f"{_PACEMAKER}.1.8": "pacemakerNotificationAttributeName",
    f"{_PACEMAKER}.1.9": "pacemakerNotificationAttributeValue",
    f"{_COROSYNC}.1.1": "corosyncObjectsNodeName",
    f"{_COROSYNC}.1.2": "corosyncObjectsNodeID",
    f"{_COROSYNC}.1.3": "corosyncObjectsNodeStatus",
    f"{_COROSYNC}.1.4": "corosyncObjectsNodeAddress",
    f"{_COROSYNC}.1.5": "corosyncObjectsLocalNodeID",
    f"{_COROSYNC}.1.20": "corosyncObjectsRingSeq",
    f"{_COROSYNC}.1.21": "corosyncObjectsQuorumStatus",
    f"{_COROSYNC}.1.40": "corosyncObjectsAppName",
    f"{_COROSYNC}.1.41": "corosyncObjectsAppStatus",
    f"{_COROSYNC}.1.60": "corosyncObjectsIfaceNo",
    f"{_COROSYNC}.1.61": "corosyncObjectsIfaceStatus",
    f"{_LINUX_HA}.2.1.2": "LHANodeName",
    f"{_LINUX_HA}.2.1.4": "LHANodeStatus",
    f"{_LINUX_HA}.3.1.2": "LHAIFName",
    f"{_LINUX_HA}.3.1.3": "LHAIFStatus",
    f"{_LINUX_HA}.6.1.6": "LHAMemberLastChange",
    f"{_LINUX_HA}.8.1.2": "LHAResourceName",
    f"{_LINUX_HA}.8.1.3": "LHAResourceType",
    f"{_LINUX_HA}.8.1.4": "LHAResourceNode",
    f"{_LINUX_HA}.8.1.5": "LHAResourceStatus",
    f"{_LINUX_HA}.8.1.6": "LHAResourceIsManaged",
    f"{_LINUX_HA}.8.1.7": "LHAResourceFailCount",
    HR_SYSTEM_DATE: "hrSystemDate",
    "1.3.6.1.6.3.18.1.3": "snmpTrapAddress",
    "1.3.6.1.6.3.18.1.4": "snmpTrapCommunity",
    "1.3.6.1.6.3.1.1.4.3": "snmpTrapEnterprise",
}
"""Object -> its name in the MIB. On the wire an instance may follow (`.0`, the row of a table), or not."""

NOTIFICATIONS: Mapping[str, tuple[str, ...]] = {
    # The second form is that after a hop through v1, the others those of senders before 1.1.15.
    "pacemakerNotificationTrap": (
        f"{_PACEMAKER}.2.1",
        f"{_PACEMAKER}.2.0.1",
        f"{_PACEMAKER}.1",
        f"{_PACEMAKER}.0.1",
        f"{_PACEMAKER}.1.1",
        f"{_PACEMAKER}.1.0.1",
    ),
    "corosyncNoticesNodeStatus": (f"{_COROSYNC}.0.1",),
    "corosyncNoticesQuorumStatus": (f"{_COROSYNC}.0.2",),
    "corosyncNoticesAppStatus": (f"{_COROSYNC}.0.3",),
    "corosyncNoticesIfaceStatus": (f"{_COROSYNC}.0.4",),
    "LHANodeStatusUpdate": (f"{_LINUX_HA}.900.1", f"{_LINUX_HA}.900.0.1"),
    "LHAIFStatusUpdate": (f"{_LINUX_HA}.900.3", f"{_LINUX_HA}.900.0.3"),
    "LHAMembershipChange": (f"{_LINUX_HA}.900.5", f"{_LINUX_HA}.900.0.5"),
    "LHAHBAgentOnline": (f"{_LINUX_HA}.900.7", f"{_LINUX_HA}.900.0.7"),
    "LHAHBAgentOffline": (f"{_LINUX_HA}.900.9", f"{_LINUX_HA}.900.0.9"),
    "LHAResourceStatusUpdate": (f"{_LINUX_HA}.900.11", f"{_LINUX_HA}.900.0.11"),
    "coldStart": ("1.3.6.1.6.3.1.1.5.1",),
    "warmStart": ("1.3.6.1.6.3.1.1.5.2",),
    "linkDown": ("1.3.6.1.6.3.1.1.5.3",),
    "linkUp": ("1.3.6.1.6.3.1.1.5.4",),
    "authenticationFailure": ("1.3.6.1.6.3.1.1.5.5",),
}
"""Name of a notification in the MIB -> all numbers under which it is met."""

OBJECT_NUMBERS: Mapping[str, str] = {name: oid for oid, name in OBJECTS.items()}
_NOTIFICATION_NAMES: Mapping[str, str] = {oid: name for name, oids in NOTIFICATIONS.items() for oid in oids}


@lru_cache(maxsize=4096)
def object_name(oid: str) -> str:
    """The name of an object, whatever instance follows its number; a number that is not known stays as it is."""
    known = oid
    while known:
        if (name := OBJECTS.get(known)) is not None:
            return name
        known = known.rpartition(".")[0]
    return oid


def notification_name(oid: str) -> str:
    return _NOTIFICATION_NAMES.get(oid, oid)


@lru_cache(maxsize=4096)
def covers(rule: str, oid: str) -> bool:
    """Whether the number of an object in a rule means this variable: itself, or an instance of it."""
    return oid == rule or oid.startswith(rule + ".")
