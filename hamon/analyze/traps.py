"""Recorded traps: lines of traps.jsonl and captures, to events."""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import IO

from hamon.analyze.blocks import blocks_of
from hamon.analyze.evidence import Input, Options
from hamon.classify.traps import TrapMatcher
from hamon.errors import ParseError
from hamon.model.observation import SnmpVersion, Trap
from hamon.parse.pcap import datagrams
from hamon.parse.trap import TrapMessage, decode, decode_scoped_pdu, decode_v3_header, version

TRAP_PORTS = frozenset({162, 9162, 10162})
"""To one of these ports of a capture nothing but notifications should come; elsewhere only what looks like SNMP is read."""


@dataclass(frozen=True, slots=True)
class Captured:
    """A datagram of a recording. `port` None: it was recorded as a trap, whatever port it came to."""

    at: datetime
    source: str
    data: bytes
    port: int | None = None


def datagrams_of(item: Input, head: bytes, stream: IO[bytes]) -> Iterator[Captured]:
    """The datagrams of a file; what cannot be read is reported in the input."""
    if item.form == "pcap":
        try:
            for found in datagrams(_Again(head, stream)):
                if isinstance(found, ParseError):
                    item.cannot(str(found))
                else:
                    yield Captured(found.at, found.source, found.data, found.destination_port)
        except ParseError as err:
            item.cannot(str(err), counts=False)
        return
    number = 0
    for block in blocks_of(head, stream):
        for row in block.splitlines():
            number += 1
            if not row.strip():
                continue
            try:
                yield _captured(row)
            except ParseError:
                item.cannot(f"line {number}: not a trap as {{t, src, hex}}")


def _captured(row: str | bytes) -> Captured:
    """One line of traps.jsonl. Raises ParseError."""
    try:
        fields = json.loads(row)
        at = datetime.fromtimestamp(float(fields["t"]), UTC)
        return Captured(at, str(fields["src"]), bytes.fromhex(fields["hex"]))
    except (ValueError, KeyError, TypeError, OverflowError, OSError) as err:
        raise ParseError("not a trap as {t, src, hex}", row) from err


def recorded_trap(row: str) -> Trap:
    """The trap in one line of traps.jsonl. Raises ParseError, also for a datagram that is none."""
    captured = _captured(row)
    return _trap(captured, _message(captured.data), Options())


class _Again:
    """A stream whose first bytes were read already."""

    def __init__(self, head: bytes, stream: IO[bytes]) -> None:
        self._head, self._stream = head, stream

    def read(self, count: int) -> bytes:
        given, self._head = self._head[:count], self._head[count:]
        return given + self._stream.read(count - len(given)) if len(given) < count else given


def scan_traps(item: Input, captured: Iterable[Captured], matcher: TrapMatcher, options: Options) -> None:
    """Make events of the traps of a file."""
    traps = []
    for datagram in captured:
        if datagram.port is not None and datagram.port not in TRAP_PORTS and version(datagram.data) is None:
            continue  # a capture may hold anything
        try:
            traps.append(_trap(datagram, _message(datagram.data), options))
        except ParseError as err:
            item.cannot(f"{datagram.at:%H:%M:%S.%f} from {datagram.source}: {err}")
    scan = matcher.scan(traps, timezone=options.timezone, path=item.name)
    item.records += len(traps)
    item.recognised = len(traps)
    item.events += scan.events


def _message(datagram: bytes) -> TrapMessage:
    """The notification in a datagram. Raises ParseError, also for a v3 message that is encrypted."""
    if version(datagram) is not SnmpVersion.V3:
        return decode(datagram)
    header = decode_v3_header(datagram)
    if header.is_encrypted:
        raise ParseError("an encrypted v3 message, whose key is not known", datagram)
    return decode_scoped_pdu(header.data)


def _trap(datagram: Captured, message: TrapMessage, options: Options) -> Trap:
    return Trap(
        cluster=options.cluster or "cluster",
        collector="analyze",
        received_at=datagram.at,
        source=datagram.source,
        version=message.version,
        credential="",
        notification=message.notification,
        varbinds=message.varbinds,
        inform=message.inform,
        request_id=message.request_id,
        uptime=message.uptime,
        enterprise=message.enterprise,
        agent_address=message.agent_address,
        irregular=message.irregular,
        pdu=message.pdu,
    )
