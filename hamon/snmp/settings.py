"""`[snmp]`: what all of SNMP shares."""

import re
from typing import Annotated

from pydantic import AfterValidator

from hamon.section import Section
from hamon.snmp.identity import parse_engine_id

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


class SnmpConfig(Section):
    """SNMP: identity of this gateway."""

    engine_id: Annotated[str, AfterValidator(_engine_id)] | None = None
    """Our SNMPv3 engine ID in hexadecimal digits; without one it is made at the first start and kept in the state directory."""
    oid_root: Root = DEFAULT_ROOT
    """Where HAMON-MIB stands; `hamon snmp mib` prints it with this root."""

    @property
    def engine_octets(self) -> bytes | None:
        return bytes.fromhex(self.engine_id) if self.engine_id is not None else None

    @property
    def root(self) -> tuple[int, ...]:
        return parse_oid(self.oid_root)
