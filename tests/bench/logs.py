"""Log files for the benchmarks: real lines of the recordings, mixed so that one in N is of interest, re-stamped so that time goes on."""

import gzip
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import cache
from itertools import count
from pathlib import Path

from hamon.classify.match import Matcher
from hamon.model.observation import LogChunk
from hamon.rules.load import load_all

RECORDINGS = Path(__file__).parent.parent / "corpus" / "recordings"
_STAMP = re.compile(rb"^[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d ")
_COUNTERS = re.compile(
    rb"(?<=ransition )\d+|(?<=graph )\d+|(?<=pe-input-)\d+|(?<=pe-warn-)\d+|(?<=call )\d+|(?<=call=)\d+|(?<=call_id:)\d+|(?<=PID )\d+"
    rb"|(?<=num_updates=)\d+|(?<=version=0\.)\d+|(?<=Diff: \+\+\+ 0\.)\d+|(?<=Diff: --- 0\.)\d+|(?<=crmd/)\d+"
)
"""What never has the same value again in the life of a cluster."""

LOGCONV = (
    "info: Resource prmPg tries to stop.",
    "info: Resource prmPg stopped. (rc=0) ok",
    "info: Resource prmPg tries to start.",
    "info: Resource prmPg started. (rc=0) ok",
    'info: Attribute "default_ping_set" is updated to "100" at "n1".',
    "error: Resource prmPg does not work. (rc=7) not running",
)


def _matcher() -> Matcher:
    return Matcher(load_all())


@cache
def _real_lines() -> tuple[list[bytes], list[bytes]]:
    """Lines that no rule takes, and lines that give an event, of one recorded cluster, without their stamps."""
    matcher, plain, telling = _matcher(), [], []
    for path in sorted(RECORDINGS.glob("chronicle/*/ha-log.gz")):
        for line in gzip.decompress(path.read_bytes()).splitlines(keepends=True):
            stamp = _STAMP.match(line)
            if stamp is None:
                continue
            chunk = LogChunk(
                cluster="c", collector="c", path=path.name, data=line, offset=0, received_at=datetime(2026, 11, 22, 12, tzinfo=UTC)
            )
            scan = matcher.scan(chunk)
            if not scan.events and not sum(scan.matched.values()):
                plain.append(line[stamp.end() :])
            elif scan.events and scan.events[0].rule:
                telling.append(line[stamp.end() :])
    return plain, telling


def _again_and_again(lines: list[bytes]) -> Iterator[bytes]:
    """The same happenings once more and once more, as a cluster that lives long writes them: its counters go on."""
    for turn in count():
        for line in lines:
            yield _COUNTERS.sub(lambda found: b"%d" % (int(found[0]) + 1000 * turn), line) if turn else line  # noqa: B023 - used at once


def _mixed(plain: list[bytes], telling: list[bytes], lines: int, one_in: int, per_second: int, end: datetime) -> Iterator[bytes]:
    noise, news = _again_and_again(plain), _again_and_again(telling)
    begin = end - timedelta(seconds=lines / per_second)
    stamp = b""
    for number in range(lines):
        if number % per_second == 0:
            now = begin + timedelta(seconds=number // per_second)
            stamp = f"{now:%b} {now.day:2d} {now:%H:%M:%S} ".encode()
        yield stamp + (next(news) if number % one_in == 0 else next(noise))


def write_ha_log(path: Path, lines: int, one_in: int, end: datetime) -> None:
    """Pacemaker's lines in syslog form at priority info, 200 a second."""
    plain, telling = _real_lines()
    with path.open("wb") as stream:
        stream.writelines(_mixed(plain, telling, lines, one_in, 200, end))


def write_logconv(path: Path, lines: int, one_in: int, end: datetime) -> None:
    """pm_logconv's lines by syslog, among those of other programs of the node."""
    plain = [
        f"n1 {program}\n".encode()
        for program in (
            "systemd[1]: Started Session 4711 of User root.",
            "sshd[4242]: Accepted publickey for root from 192.168.1.9 port 50514 ssh2",
            "CRON[991]: (root) CMD (/usr/lib64/sa/sa1 1 1)",
            "kernel: [12345.678901] eth0: NIC Link is Up 1000 Mbps Full Duplex, Flow Control: RX",
            "snmpd[700]: Connection from UDP: [192.168.1.20]:50000->[192.168.1.1]:161",
        )
    ]
    telling = [f"n1 pm_logconv: {line:>7}\n".encode() for line in LOGCONV]
    with path.open("wb") as stream:
        stream.writelines(_mixed(plain, telling, lines, one_in, 200, end))
