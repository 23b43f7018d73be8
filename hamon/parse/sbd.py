"""SBD: the devices that its configuration names, what `sbd dump` tells of each, and the messages that `sbd list` shows waiting.

Read from the manual page and from output of sbd 1.5.2.
"""

import re
import shlex
from collections.abc import Mapping

from hamon.errors import ParseError
from hamon.model.cluster import SbdDevice

MAX_BYTES = 1024 * 1024

_BEGIN = re.compile(r"==Dumping header on disk (.+)")
_END = re.compile(r"==Header on disk (.+) is dumped")
_BROKEN = re.compile(r"==? ?(?:disk (.+) unreadable!|Header on disk (.+) NOT dumped)")
_TIMEOUT = re.compile(r"Timeout \((\w+)\)\s*:\s*(\d{1,9})")
_VERSION = re.compile(r"Header version\s*:\s*(\S+)")
_SLOT = re.compile(r"\d+\t(\S+)\t(\S+)")


def read_devices(data: bytes) -> tuple[str, ...]:
    """The devices in `/etc/sysconfig/sbd` (`/etc/default/sbd`). None: SBD works without disks, by the watchdog alone.

    The file is one of the shell: a later line wins, quotes and comments as there. Raises ParseError.
    """
    devices = ""
    for number, line in enumerate(_text(data).splitlines(), 1):
        name, assigned, value = line.strip().removeprefix("export ").partition("=")
        if assigned and name == "SBD_DEVICE":
            try:
                words = shlex.split(value, comments=True)
            except ValueError as err:
                raise ParseError(f"line {number}: {err}", line) from err
            devices = words[0] if words else ""
    return tuple([path for path in (item.strip() for item in devices.split(";")) if path])


def read_dump(data: bytes, *, devices: tuple[str, ...] = (), slots: Mapping[str, bytes] | None = None) -> tuple[SbdDevice, ...]:
    """What `sbd -d DEVICE … dump` printed (standard output, with or without standard error) on one device or several.

    A device whose header was not dumped is unhealthy, and so is one of `devices` that the output does not mention. `slots`: what
    `sbd -d DEVICE list` printed, by device. Raises ParseError for output without any device.
    """
    timeouts: dict[str, list[tuple[str, int]]] = {path: [] for path in devices}
    versions: dict[str, str] = {}
    reasons: dict[str, str] = {}
    whole: set[str] = set()
    current = None
    text = _text(data)
    for line in text.splitlines():
        if found := _BEGIN.match(line):
            current = found[1]
            timeouts.setdefault(current, [])
        elif found := _END.match(line):
            whole.add(found[1])
            current = None
        elif found := _BROKEN.match(line):
            path = found[1] or found[2]
            reasons.setdefault(path, line.strip("= "))
            timeouts.setdefault(path, [])
        elif current is not None and (found := _TIMEOUT.match(line)):
            timeouts[current].append((found[1], int(found[2])))
        elif current is not None and (found := _VERSION.match(line)):
            versions[current] = found[1]
    if not timeouts:
        said = next((line.strip() for line in text.splitlines() if line.strip()), "the command printed nothing")
        raise ParseError(f"no data: {said[:200]}", data[:1000])
    return tuple(
        [
            SbdDevice(
                path=path,
                status="healthy" if path in whole and path not in reasons else "unhealthy",
                timeouts=tuple(found),
                slots=read_slots((slots or {}).get(path, b"")),
                version=versions.get(path, ""),
                reason=reasons.get(path, "" if path in whole else "its header was not dumped"),
            )
            for path, found in timeouts.items()
        ]
    )


def read_slots(data: bytes) -> tuple[tuple[str, str], ...]:
    """`sbd list`: node and message (clear, test, reset, off, exit, crashdump)."""
    return tuple([(found[1], found[2]) for line in _text(data).splitlines() if (found := _SLOT.match(line))])


def _text(data: bytes) -> str:
    if len(data) > MAX_BYTES:
        raise ParseError(f"refused: {len(data)} bytes, at most {MAX_BYTES} are read", data[:1000])
    return data.decode("utf-8", "replace")
