"""How large the remembered state of a cluster gets by a day's noise: `python -m tests.bench.state`.

Every minute something fails and recovers, an attribute flaps, a link goes down and up, or a node comes and goes, somewhere in the cluster;
what is measured is what stands in the history for it after every hour, the greatest and the last of these.
"""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from random import Random

from pydantic import TypeAdapter

from hamon.classify.incidents import Engine
from hamon.classify.settings import ClusterSettings
from hamon.classify.state import State
from hamon.model.observation import LogChunk, Tick
from tests.cases import matcher

DAY = datetime(2026, 11, 22, tzinfo=UTC)
_ADAPTER = TypeAdapter(State)


def line(at: datetime, host: str, daemon: str, text: str) -> str:
    """A line of Pacemaker 2.1 or Corosync 3."""
    tag = "corosync[80]:   [KNET  ]" if daemon == "corosync" else f"pacemaker-{daemon}[106]:  notice:"
    return f"{at:%b %d %H:%M:%S} {host} {tag} {text}\n"


def beginning(nodes: int) -> Iterator[str]:
    """All nodes come up; three resources on each of the first half, a clone on all."""
    yield line(DAY, "n01", "controld", "Set DC to n01 (3.16.1)")
    for number in range(1, nodes + 1):
        yield line(DAY, "n01", "controld", f"Node n{number:02} state is now member")
    for number in range(1, nodes + 1):
        name = f"n{number:02}"
        yield line(DAY, name, "controld", f"Result of start operation for prmPing on {name}: ok")
        yield line(DAY, name, "attrd", f"Setting default_ping_set[{name}]: (unset) -> 100")
        for part in ("Fs", "Ip", "Db") if number <= max(1, nodes // 2) else ():
            yield line(DAY, name, "controld", f"Result of start operation for prm{part}{number:02} on {name}: ok")


def noise(nodes: int, minute: int, random: Random) -> Iterator[str]:
    """One minute of a bad day."""
    at, number = DAY + timedelta(minutes=minute + 1), random.randint(1, nodes)
    name, half = f"n{number:02}", max(1, nodes // 2)
    later = at + timedelta(seconds=20)
    match minute % 4:
        case 0:
            resource, host = f"prm{random.choice(('Fs', 'Ip', 'Db'))}{1 + number % half:02}", f"n{1 + number % half:02}"
            yield line(at, host, "controld", f"Result of monitor operation for {resource} on {host}: not running")
            yield line(later, host, "controld", f"Result of monitor operation for {resource} on {host}: ok")
        case 1:
            yield line(at, name, "attrd", f"Setting default_ping_set[{name}]: 100 -> 0")
            yield line(later, name, "attrd", f"Setting default_ping_set[{name}]: 0 -> 100")
        case 2:
            yield line(at, name, "corosync", "link: host: 1 link: 0 is down")
            yield line(later, name, "corosync", "link: host: 1 link: 0 is up")
        case _:
            gone = f"n{max(half + 1, number):02}" if nodes > 1 else name
            yield line(at, "n01", "controld", f"Node {gone} state is now lost")
            yield line(later, "n01", "controld", f"Node {gone} state is now member")


def feed(engine: Engine, text: str, now: datetime) -> None:
    chunk = LogChunk(cluster="test", collector="log", path="/log", data=text.encode(), offset=0, received_at=now)
    engine.advance(matcher().scan(chunk).events)


def day(nodes: int, hours: int = 24) -> tuple[int, int, Engine]:
    """Bytes of the state: the greatest and the last of those after each hour; and the engine."""
    engine, random, greatest, last = Engine(ClusterSettings(name="test")), Random(nodes), 0, 0
    feed(engine, "".join(beginning(nodes)), DAY)
    for hour in range(hours):
        for minute in range(60 * hour, 60 * hour + 60):
            feed(engine, "".join(noise(nodes, minute, random)), DAY + timedelta(minutes=minute + 2))
            engine.advance([Tick(now=DAY + timedelta(minutes=minute + 1, seconds=55))])
        last = size(engine)
        greatest = max(greatest, last)
    return greatest, last, engine


def size(engine: Engine) -> int:
    """Bytes of the state as it is stored."""
    return len(_ADAPTER.dump_json(engine.state))


def main() -> None:
    for nodes in (2, 32):
        greatest, last, engine = day(nodes)
        print(f"{nodes} nodes, {len(engine.state.resources)} resources: at most {greatest:,} bytes, {last:,} after a day")


if __name__ == "__main__":
    main()
