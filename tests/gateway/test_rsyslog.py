"""Lines of a cluster by way of a real rsyslogd, also while hamon is away."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterable
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from hamon.data import folder
from hamon.demo import lines_of
from tests.gateway.harness import CLUSTER, Gateway, eventually, free_port, now, restamped
from tests.peers import need

RECORDING = folder("tests") / "corpus" / "recordings" / "failover_resource"
SERVICES = {"orders": ("prmEx", "prmFs", "prmIp", "prmPg")}
HEAD = """
global(workDirectory="{folder}" maxMessageSize="64k" parser.escapeControlCharactersOnReceive="off")
module(load="imfile" PollingInterval="1")
template(name="as_it_is" type="string" string="<30>%msg%\\n")
ruleset(name="to_hamon") {{
  action(type="omfwd" target="127.0.0.1" port="{port}" protocol="{protocol}" tcp_framing="{framing}" template="as_it_is"
         queue.type="LinkedList" queue.filename="to_hamon" queue.saveOnShutdown="on"
         action.resumeRetryCount="-1" action.resumeInterval="1")
}}
"""
INPUT = 'input(type="imfile" File="{log}" Tag="cluster" ruleset="to_hamon" freshStartTail="off")\n'


@contextlib.asynccontextmanager
async def rsyslogd(
    home: Path, logs: Iterable[Path], port: int, *, protocol: str = "tcp", framing: str = "octet-counted"
) -> AsyncIterator[None]:
    """rsyslogd as a node has it: it reads the logs and sends each line on."""
    program = need("rsyslogd")
    home.mkdir()
    file = home / "rsyslog.conf"
    inputs = "".join(INPUT.format(log=log) for log in logs)
    file.write_text(HEAD.format(folder=home, port=port, protocol=protocol, framing=framing) + inputs)
    with (home / "said").open("wb") as said:
        process = await asyncio.create_subprocess_exec(program, "-n", "-f", str(file), "-i", str(home / "pid"), stdout=said, stderr=said)
    try:
        yield
        assert process.returncode is None, (home / "said").read_text()
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()


class Nodes:
    """The logs of a recording, written a part at a time as their nodes would."""

    def __init__(self, home: Path, end: datetime) -> None:
        self._home = home
        self._lines = restamped(lines_of(RECORDING), speed=1, end=end)
        self.logs = sorted({home / file for _, file, _ in self._lines})
        for log in self.logs:
            log.parent.mkdir(parents=True, exist_ok=True)
            log.touch()
        self.lines = len(self._lines)

    def write(self, part: slice) -> None:
        for _, file, line in self._lines[part]:
            with (self._home / file).open("ab") as stream:
                stream.write(f"{line}\n".encode())


def receiver(home: Path, port: int, transport: str) -> Gateway:
    """A gateway that tails nothing."""
    return Gateway(
        home,
        nodes=(),
        services=SERVICES,
        collect__syslog__nodes={"listen": [f"{transport}:127.0.0.1:{port}"]},
        collect__syslog__nodes__source__web={"cluster": CLUSTER, "addresses": ["127.0.0.1"], "nodes": ["pm01", "pm02"]},
    )


async def lines_read(gateway: Gateway) -> int:
    return sum(source["lines_read"] for source in (await gateway.json("/api/v1/sources"))["sources"])


async def the_failover(gateway: Gateway) -> dict[str, Any]:
    found = [one for one in await gateway.incidents() if one["part_of"] is None]
    assert [one["kind"] for one in found] == ["failover"], found
    return found[0]


@pytest.mark.parametrize(("transport", "framing"), [("tcp", "octet-counted"), ("tcp", "traditional"), ("udp", "traditional")])
async def test_a_failover_that_rsyslog_sends_is_one_incident(tmp_path: Path, transport: str, framing: str) -> None:
    port = free_port()
    nodes = Nodes(tmp_path / "nodes", now())
    async with (
        receiver(tmp_path / "hamon", port, transport) as gateway,
        rsyslogd(tmp_path / "rsyslog", nodes.logs, port, protocol=transport, framing=framing),
    ):
        nodes.write(slice(None))
        await eventually(lambda: lines_read(gateway), lambda count: count == nodes.lines)
        await gateway.quiet()
        found = await the_failover(gateway)
        assert (found["from_node"], found["to_node"], found["planned"], found["outcome"]) == ("pm01", "pm02", False, "succeeded")
        sources = (await gateway.json("/api/v1/sources"))["sources"]
        assert {source["path"]: source["up"] for source in sources} == {"pm01": True, "pm02": True}
        numbers = await gateway.metrics()
        assert numbers[f'hamon_syslog_received_total{{collector="nodes",transport="{transport}"}}'] == nodes.lines
        assert "pm01 → pm02" in await gateway.page("/")


async def test_what_was_logged_while_hamon_was_away_comes_from_the_queue_of_rsyslog(tmp_path: Path) -> None:
    port = free_port()
    nodes = Nodes(tmp_path / "nodes", now())
    gateway = receiver(tmp_path / "hamon", port, "tcp")
    async with rsyslogd(tmp_path / "rsyslog", nodes.logs, port):
        nodes.write(slice(0, nodes.lines // 3))  # hamon was not started yet
        async with gateway:
            await eventually(lambda: lines_read(gateway), lambda count: count >= nodes.lines // 3)
            await gateway.quiet()
            assert await gateway.stop() == 0
            # The first message after a closed connection goes nowhere; rsyslog notices with the second one (it has no answers over TCP).
            nodes.write(slice(nodes.lines // 3, None))
            await gateway.start()
            await eventually(lambda: lines_read(gateway), lambda count: count >= nodes.lines * 2 // 3 - 5)
            await gateway.quiet()
            found = await the_failover(gateway)
            assert (found["from_node"], found["to_node"], found["outcome"]) == ("pm01", "pm02", "succeeded")
