"""This gateway as an SNMP entity: what everything that sends shares."""

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from hamon.snmp.identity import Identity, current, start
from hamon.snmp.settings import SnmpConfig


@dataclass(frozen=True, slots=True, kw_only=True)
class Local:
    identity: Identity
    root: tuple[int, ...]
    folder: Path
    """For what must survive: the state directory."""

    def uptime(self, now: datetime) -> int:
        """sysUpTime: hundredths of a second since the start, of 32 bits."""
        return int((now - self.identity.started_at).total_seconds() * 100) % (1 << 32)


def begin(settings: SnmpConfig, folder: Path, now: datetime) -> Local:
    """Another life of the gateway. Blocking; raises IdentityError."""
    return Local(identity=start(folder, now, settings.engine_octets), root=settings.root, folder=folder)


def beside(settings: SnmpConfig, folder: Path, now: datetime) -> Local:
    """The same gateway, for a command that runs beside it. Blocking; raises IdentityError."""
    return Local(identity=current(folder, now, settings.engine_octets), root=settings.root, folder=folder)
