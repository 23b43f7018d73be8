"""The numbers of HAMON-MIB (mibs/HAMON-MIB.txt) below its root; a test compares the two. Numbers are only added, never changed."""

import re
from collections.abc import Sequence
from enum import IntEnum

from hamon.model.incident import IncidentKind

Oid = tuple[int, ...]

Table = Oid
NOTIFICATIONS: Oid = (0,)
GATEWAY: Oid = (1, 1)
CLUSTER: Oid = (1, 2)
INCIDENT: Oid = (1, 3)
TARGET: Oid = (1, 4)
CLUSTER_TABLE: Table = (*CLUSTER, 1)
NODE_TABLE: Table = (*CLUSTER, 2)
SERVICE_TABLE: Table = (*CLUSTER, 3)
INCIDENT_TABLE: Table = (*INCIDENT, 5)
TARGET_TABLE: Table = (*TARGET, 1)
VARS: Oid = (1, 5)


class Var(IntEnum):
    """Objects that notifications carry, below VARS; instance 0 is sent. Their names in the MIB begin with hamonNotify."""

    SEQUENCE = 1
    TIME = 2
    SEVERITY = 3
    KEY = 4
    INCIDENT_ID = 5
    CLUSTER = 6
    NODE = 7
    RESOURCE = 8
    EVENT_TYPE = 9
    PROBABLE_CAUSE = 10
    RULE = 11
    FIRST_SEEN = 12
    COUNT = 13
    RESTATED = 14
    TEXT = 15
    FORWARDER = 16
    SERVICE = 17
    FROM_NODE = 18
    TO_NODE = 19
    PLANNED = 20
    OUTCOME = 21
    CAUSE = 22
    INTERVAL = 23
    OPEN_CRITICAL = 24
    OPEN_MAJOR = 25
    OPEN_MINOR = 26
    OPEN_WARNING = 27
    LAST_SEQUENCE = 28
    VERSION = 29
    FENCED = 30
    DOWN_SECONDS = 31
    REASON = 32
    REDUNDANCY = 33
    OPERATION = 34
    RETURN_CODE = 35
    EXPECTED_CODE = 36
    FAIL_COUNT = 37
    THRESHOLD = 38
    CONSTRAINT = 39
    NODE_STATE = 40
    ACTION = 41
    DELEGATE = 42
    DAEMON = 43
    ATTRIBUTE = 44
    VALUE = 45
    LINK = 46
    PEER = 47
    VOTES = 48
    EXPECTED_VOTES = 49
    CHANGES = 50
    SINCE = 51
    SOURCE = 52
    DROPS = 53
    TARGET = 54
    PENDING = 55
    INCIDENT_KIND = 56
    ORIGIN_ADDRESS_TYPE = 57
    ORIGIN_ADDRESS = 58


class Note(IntEnum):
    """Notifications that are no raise or clear, below NOTIFICATIONS."""

    HEARTBEAT = 1
    STARTED = 2
    STOPPED = 3
    TEST = 4
    SWITCHOVER = 5


RAISES: dict[IncidentKind, int] = {
    IncidentKind.FAILOVER: 101,
    IncidentKind.SERVICE_DOWN: 103,
    IncidentKind.STANDBY_FAULT: 105,
    IncidentKind.RESOURCE_FAILURE: 111,
    IncidentKind.LOCAL_RECOVERY: 113,
    IncidentKind.STOP_FAILED: 115,
    IncidentKind.RESOURCE_BLOCKED: 117,
    IncidentKind.RESOURCE_UNMANAGED: 119,
    IncidentKind.FAILCOUNT_THRESHOLD: 121,
    IncidentKind.MOVE_CONSTRAINT_LEFT: 123,
    IncidentKind.NODE_LOST: 131,
    IncidentKind.FENCING: 133,
    IncidentKind.FENCING_FAILED: 135,
    IncidentKind.FENCE_DEVICE_FAILED: 137,
    IncidentKind.DAEMON_FAILED: 139,
    IncidentKind.REPLICATION_DEGRADED: 141,
    IncidentKind.CONNECTIVITY_DEGRADED: 143,
    IncidentKind.DISK_DEGRADED: 145,
    IncidentKind.INTERCONNECT_DEGRADED: 147,
    IncidentKind.QUORUM_LOST: 151,
    IncidentKind.SPLIT_BRAIN_SUSPECTED: 153,
    IncidentKind.DC_CHANGED: 155,
    IncidentKind.MAINTENANCE: 161,
    IncidentKind.MONITORING_LOST: 171,
    IncidentKind.TRAPS_DROPPED: 181,
    IncidentKind.DELIVERY_BACKLOG: 191,
    IncidentKind.OTHER: 199,
    IncidentKind.UNCLASSIFIED: 199,
}
"""The raise of a kind, below NOTIFICATIONS; its clear is the next number."""

OTHER_ALARM = RAISES[IncidentKind.UNCLASSIFIED]

EXTRAS: dict[int, tuple[Var, ...]] = {
    101: (Var.FENCED, Var.DOWN_SECONDS),
    103: (Var.DOWN_SECONDS,),
    105: (Var.REASON, Var.REDUNDANCY),
    111: (Var.OPERATION, Var.RETURN_CODE, Var.EXPECTED_CODE),
    113: (Var.OPERATION, Var.RETURN_CODE, Var.EXPECTED_CODE),
    115: (Var.RETURN_CODE,),
    117: (),
    119: (),
    121: (Var.FAIL_COUNT, Var.THRESHOLD),
    123: (Var.CONSTRAINT,),
    131: (Var.NODE_STATE,),
    133: (Var.ACTION, Var.DELEGATE),
    135: (Var.ACTION, Var.REASON),
    137: (Var.OPERATION, Var.RETURN_CODE),
    139: (Var.DAEMON, Var.REASON),
    141: (Var.ATTRIBUTE, Var.VALUE),
    143: (Var.ATTRIBUTE, Var.VALUE),
    145: (Var.ATTRIBUTE, Var.VALUE),
    147: (Var.LINK, Var.PEER),
    151: (Var.VOTES, Var.EXPECTED_VOTES),
    153: (),
    155: (Var.CHANGES,),
    161: (Var.SINCE,),
    171: (Var.SOURCE,),
    181: (Var.DROPS,),
    191: (Var.TARGET, Var.PENDING),
    199: (Var.INCIDENT_KIND,),
}
"""What a raise and its clear carry after the first 22 objects."""

COMMON = tuple(var for var in Var if var <= Var.FORWARDER)
"""In every notification, in this order."""
OF_INCIDENTS = tuple(var for var in Var if Var.FORWARDER < var <= Var.CAUSE)
"""In every notification of an incident, after COMMON."""
NOTE_EXTRAS: dict[Note, tuple[Var, ...]] = {
    Note.HEARTBEAT: (Var.INTERVAL, Var.OPEN_CRITICAL, Var.OPEN_MAJOR, Var.OPEN_MINOR, Var.OPEN_WARNING, Var.LAST_SEQUENCE),
    Note.STARTED: (Var.VERSION,),
    Note.STOPPED: (Var.VERSION,),
    Note.TEST: (Var.VERSION,),
    Note.SWITCHOVER: (),
}
"""What these carry after COMMON; a switchover has OF_INCIDENTS between."""


def with_root(module: str, root: Sequence[int]) -> str:
    """The text of HAMON-MIB moved to another root below 1.3.6.1.4.1: every number on the way gets a name, so that checkers stay silent."""
    *way, last = root[6:]
    above, arcs = "enterprises", ""
    for index, number in enumerate(way, 1):
        name = "hamonArc" if index == len(way) else f"hamonArc{chr(ord('A') + index - 1)}"
        arcs += f"{name} OBJECT IDENTIFIER ::= {{ {above} {number} }}\n"
        above = name
    moved = re.sub(r"::= \{ hamonArc \d+ \}", f"::= {{ {above} {last} }}", module, count=1)
    return re.sub(r"(?m)(^hamonArc\w* OBJECT IDENTIFIER .*\n)+", arcs, moved, count=1)
