"""A cluster's log in few words, for tests that can be read: `10:00:00 pm01 controld: Quorum lost`."""

import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from hamon.classify.incidents import Engine
from hamon.classify.settings import ClusterSettings
from hamon.model.event import Event
from hamon.model.incident import Incident, Transition
from hamon.model.observation import LogChunk, Tick
from tests.cases import matcher

DAY = datetime(2026, 11, 22, tzinfo=UTC)
_TAGS = {
    "corosync": "corosync[80]:   [MAIN  ]",
    "ping": "ping(prmPing)[99]: WARNING:",
} | {daemon: f"pacemaker-{daemon}[106]:  notice:" for daemon in ("controld", "schedulerd", "attrd", "based", "fenced")}
_TAGS["logconv"] = "pm_logconv:"
_TAGS |= {"execd": "pacemaker-execd[104]:  notice:", "pgsql": "pgsql(prmPg)[99]: ERROR:", "kernel": "kernel:", "sbd": "sbd[70]:  warning:"}
_TAGS |= {
    "booth": "boothd-site[60]:  info:",
    "qdevice": "corosync-qdevice[90]:",
    "systemd": "systemd[1]:",
    "multipathd": "multipathd[700]:",
    "sudo": "sudo[900]:",
    "cman": "fenced[1850]:",
}
_TAGS["pacemakerd"] = "pacemakerd[100]:  notice:"
_LINE = re.compile(r"^(?P<time>\d\d:\d\d:\d\d) (?P<host>\S+) (?P<daemon>\w+): (?P<text>.*)$")


def at(time: str) -> datetime:
    """A time of the day of all these logs."""
    hour, minute, second = (int(part) for part in time.split(":"))
    return DAY + timedelta(hours=hour, minutes=minute, seconds=second)


class Cluster:
    """The engine, fed with lines; `steps` are all transitions so far."""

    def __init__(self, settings: ClusterSettings | None = None) -> None:
        self.engine = Engine(settings or ClusterSettings(name="test"))
        self.steps: list[Transition] = []
        self.events: list[Event] = []
        self._offset = 0

    def log(self, text: str) -> "Cluster":
        """Take lines in the order given; every one must be known to the rules."""
        for line in filter(None, (line.strip() for line in text.splitlines())):
            found = _LINE.match(line)
            assert found is not None, line
            full = f"Nov 22 {found['time']} {found['host']} {_TAGS[found['daemon']]} {found['text']}\n"
            scan = matcher().scan(
                LogChunk(
                    cluster="test",
                    collector=found["host"],
                    path=f"{found['host']}/ha-log",
                    data=full.encode(),
                    offset=self._offset,
                    received_at=DAY + timedelta(hours=23),
                )
            )
            self._offset += len(full)
            assert sum(scan.matched.values()) == 1, f"no rule knows: {full}"
            self._take(scan.events)
        return self

    def until(self, time: str) -> "Cluster":
        """Let time pass."""
        self._take([Tick(now=at(time))])
        return self

    def _take(self, items: Sequence[Event | Tick]) -> None:
        advance = self.engine.advance(items)
        self.steps += advance.transitions
        self.events += advance.events

    @property
    def incidents(self) -> list[Incident]:
        """Every incident as it is now, in the order in which they opened."""
        return list({step.incident.key: step.incident for step in self.steps}.values())

    @property
    def main(self) -> list[Incident]:
        """Those that stand alone and are no plain record of normal work."""
        return [incident for incident in self.incidents if incident.part_of is None and incident.severity != "info"]

    def parts_of(self, incident: Incident) -> list[str]:
        return sorted(part.kind.value for part in self.incidents if part.part_of == incident.key)

    def told(self) -> list[str]:
        """What people were told, in order: kind and notice."""
        return [f"{step.incident.kind.value} {step.notice.value}" for step in self.steps if step.notice is not None]


UP = """
09:00:00 pm01 corosync: Members[2]: 1 2
09:00:00 pm01 controld: Set DC to pm01 (3.16.1)
09:00:00 pm01 controld: Node pm01 state is now member
09:00:00 pm01 controld: Node pm02 state is now member
09:00:01 pm01 controld: Result of start operation for prmEx on pm01: ok
09:00:01 pm01 controld: Result of start operation for prmPg on pm01: ok
09:00:01 pm01 controld: Result of start operation for prmPing on pm01: ok
09:00:01 pm02 controld: Result of start operation for prmPing on pm02: ok
09:00:02 pm01 attrd: Setting default_ping_set[pm01]: (unset) -> 100
09:00:02 pm01 attrd: Setting default_ping_set[pm02]: (unset) -> 100
"""
"""Two nodes; prmEx and prmPg serve on pm01, which is the DC; the clone prmPing runs on both."""


def running(settings: ClusterSettings | None = None) -> Cluster:
    return Cluster(settings).log(UP)


def moves(source: str, target: str, time: str, dc: str = "pm01") -> str:
    """The plan to move both resources, carried out."""
    return f"""
    {time} {dc} schedulerd: Actions: Move       prmEx             (                {source} -> {target} )
    {time} {dc} schedulerd: Actions: Move       prmPg             (                {source} -> {target} )
    {time} {dc} schedulerd: Calculated transition 9, saving inputs in /var/lib/pacemaker/pengine/pe-input-9.bz2
    {time} {dc} controld: State transition S_POLICY_ENGINE -> S_TRANSITION_ENGINE
    """


def moved(source: str, target: str, time: str, dc: str = "pm01") -> str:
    """They stop here and start there, and the cluster is idle again."""
    return f"""
    {time} {source} controld: Result of stop operation for prmPg on {source}: ok
    {time} {source} controld: Result of stop operation for prmEx on {source}: ok
    {time} {target} controld: Result of start operation for prmEx on {target}: ok
    {time} {target} controld: Result of start operation for prmPg on {target}: ok
    {time} {dc} controld: State transition S_TRANSITION_ENGINE -> S_IDLE
    """
