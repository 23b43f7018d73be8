"""Traps as the software sends them, for tests: the sample SNMP alert agent of all versions, `crm_mon`, corosync-notifyd, Heartbeat."""

import gzip
import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from functools import cache

from hamon.model.mib import HR_SYSTEM_DATE, NOTIFICATIONS, OBJECT_NUMBERS
from hamon.model.observation import SnmpVersion, Trap, VarBind, VarType
from hamon.parse.trap import decode
from tests.recordings import RECORDINGS

START = datetime(2026, 11, 22, 10, 52, 0, tzinfo=UTC)
NOT_TEXT, NOT_NUMBER = "n/a", 2147483647
_FIELDS = (
    "Node",
    "Resource",
    "Operation",
    "Description",
    "Status",
    "ReturnCode",
    "TargetReturnCode",
    "AttributeName",
    "AttributeValue",
)
_NUMBERS = frozenset({"Status", "ReturnCode", "TargetReturnCode"})


def varbind(name: str, value: str | int | bytes) -> VarBind:
    """One variable; `name` is that of an object which hamon knows, or a number."""
    oid = OBJECT_NUMBERS.get(name, name)
    if isinstance(value, int):
        return VarBind(oid, VarType.INTEGER, value)
    return VarBind(oid, VarType.OCTET_STRING, value.encode() if isinstance(value, str) else value)


def trap(
    notification: str,
    values: Mapping[str, str | int | bytes],
    *,
    at: datetime = START,
    source: str = "192.0.2.1",
    cluster: str = "test",
    request_id: int = 1,
    version: SnmpVersion = SnmpVersion.V2C,
) -> Trap:
    return Trap(
        cluster=cluster,
        collector="test",
        received_at=at,
        source=source,
        version=version,
        credential="test",
        notification=NOTIFICATIONS[notification][0] if notification in NOTIFICATIONS else notification,
        varbinds=tuple(varbind(name, value) for name, value in values.items()),
        request_id=request_id,
        uptime=int((at - START).total_seconds() * 100) + 100_000,
    )


def as_trap(datagram: bytes, at: datetime = START, source: str = "192.0.2.1") -> Trap:
    """A datagram as it was taken. Raises ParseError."""
    message = decode(datagram)
    return Trap(
        cluster="test",
        collector="test",
        received_at=at,
        source=source,
        version=message.version,
        credential="",
        notification=message.notification,
        varbinds=message.varbinds,
        request_id=message.request_id,
        uptime=message.uptime,
    )


@cache
def recorded(name: str) -> tuple[Trap, ...]:
    """The traps of a recording, in the order in which they arrived."""
    rows = gzip.decompress((RECORDINGS / name / "monitor" / "traps.jsonl.gz").read_bytes()).splitlines()
    return tuple(as_trap(bytes.fromhex(row["hex"]), datetime.fromtimestamp(row["t"], UTC), row["src"]) for row in map(json.loads, rows))


def date_of(at: datetime) -> bytes:
    """DateAndTime of 8 octets: the tenth of a second is cut off."""
    return at.year.to_bytes(2, "big") + bytes((at.month, at.day, at.hour, at.minute, at.second, at.microsecond // 100_000))


def alert(
    fields: Mapping[str, str | int],
    *,
    at: datetime = START,
    source: str = "192.0.2.1",
    delay: float = 0.15,
    omit: bool = False,
    dated: bool = True,
    notification: str = "pacemakerNotificationTrap",
    request_id: int = 1,
) -> Trap:
    """A trap of the sample agent. What does not apply has its placeholder (1.1.20, 2.0.1 and later); before, it was left out (`omit`)."""
    values: dict[str, str | int | bytes] = {}
    for field in _FIELDS:
        if field in fields:
            values[f"pacemakerNotification{field}"] = fields[field]
        elif not omit:
            values[f"pacemakerNotification{field}"] = NOT_NUMBER if field in _NUMBERS else NOT_TEXT
    if dated:
        values[HR_SYSTEM_DATE] = date_of(at)
    return trap(notification, values, at=at + timedelta(seconds=delay), source=source, request_id=request_id)


def operation(
    resource: str,
    operation: str,
    node: str,
    at: datetime,
    *,
    rc: int = 0,
    status: int = 0,
    expected: int = 0,
    text: str = "ok",
    source: str = "192.0.2.1",
    delay: float = 0.15,
    dated: bool = True,
) -> Trap:
    fields: dict[str, str | int] = {
        "Node": node,
        "Resource": resource,
        "Operation": operation,
        "Description": text,
        "Status": status,
        "ReturnCode": rc,
        "TargetReturnCode": expected,
    }
    return alert(fields, at=at, source=source, delay=delay, dated=dated)


def node_state(node: str, state: str, at: datetime, *, source: str = "192.0.2.1", delay: float = 0.15) -> Trap:
    return alert({"Node": node, "Description": state}, at=at, source=source, delay=delay)


def attribute(node: str, name: str, value: str, at: datetime, *, source: str = "192.0.2.1", delay: float = 0.15) -> Trap:
    return alert({"Node": node, "AttributeName": name, "AttributeValue": value}, at=at, source=source, delay=delay)


def fencing(
    target: str,
    by: str,
    at: datetime,
    *,
    result: str = "OK",
    rc: int = 0,
    ref: str = "5e9af730",
    client: str = "pacemaker-controld.108",
    source: str = "192.0.2.1",
    delay: float = 0.15,
) -> Trap:
    text = f"Operation reboot of {target} by {by} for {client}@{by}: {result} (ref={ref})"
    return alert({"Node": target, "Operation": "st_notify_fence", "Description": text, "ReturnCode": rc}, at=at, source=source, delay=delay)
