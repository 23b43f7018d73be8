"""Values in pysnmp's types."""

from typing import Any

from hamon.model.observation import VarType


def to_pysnmp(kind: VarType, value: int | bytes | str | None) -> Any:
    """A value that pysnmp encodes; Null for what has none."""
    from pysnmp.proto import rfc1902

    kinds = {
        VarType.INTEGER: rfc1902.Integer32,
        VarType.OCTET_STRING: rfc1902.OctetString,
        VarType.OBJECT_IDENTIFIER: rfc1902.ObjectIdentifier,
        VarType.IP_ADDRESS: rfc1902.IpAddress,
        VarType.COUNTER32: rfc1902.Counter32,
        VarType.GAUGE32: rfc1902.Gauge32,
        VarType.TIME_TICKS: rfc1902.TimeTicks,
        VarType.OPAQUE: rfc1902.Opaque,
        VarType.COUNTER64: rfc1902.Counter64,
    }
    return kinds[kind](value) if kind in kinds else rfc1902.Null("")
