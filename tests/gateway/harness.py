"""Run hamon as a process of its own, write the logs that it reads, and wait for what it makes of them."""

import asyncio
import os
import re
import signal
import socket
import sys
from asyncio.subprocess import DEVNULL, PIPE, STDOUT, Process
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from email.message import Message
from html import unescape
from mailbox import mbox
from pathlib import Path
from shutil import which
from typing import Any, Self, TypeVar

import httpx

from hamon.clock import SystemClock
from hamon.config import as_toml
from hamon.demo import Line

T = TypeVar("T")

CLUSTER = "web"
LIMIT = 30.0
"""Seconds that a condition is waited for at most."""
_ENDS_WITH_US = (setpriv, "--pdeathsig", "KILL") if (setpriv := which("setpriv")) else ()
"""Nothing is left running when the tests, or the demonstration with a real cluster, are killed."""
SETTLE = {"settle_seconds": 0.3, "membership_seconds": 1.0, "grace_seconds": 2.0}
"""The times that people wait in production, cut down."""


async def eventually(ask: Callable[[], Awaitable[T]], good: Callable[[T], object] = bool, seconds: float = LIMIT) -> T:
    """Ask until the answer is good, and return it; the last answer is told when time is up."""
    loop = asyncio.get_running_loop()
    end = loop.time() + seconds
    while not good(answer := await ask()):
        if loop.time() > end:
            raise AssertionError(f"not within {seconds:g} s; the last answer was {answer!r}")
        await asyncio.sleep(0.02)
    return answer


async def until(at: datetime) -> None:
    """Wait for a moment of the clock."""
    await asyncio.sleep(max(0.0, (at - now()).total_seconds()))


def now() -> datetime:
    return SystemClock().now()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def heeds_ctrl_c() -> None:
    """For a child of a program that was itself started in the background, where the shell has SIGINT ignored."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def environment(**more: str) -> dict[str, str]:
    """That of the tests without hamon's own variables."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("HAMON_") and name != "STATE_DIRECTORY"}
    return kept | {"PYTHONWARNINGS": "default"} | more


def tables(sections: Mapping[str, Mapping[str, object]]) -> str:
    """TOML of tables by their dotted name."""
    return "\n".join(
        f"[{name}]\n" + "".join(f"{key} = {as_toml(value)}\n" for key, value in values.items()) for name, values in sections.items()
    )


class Gateway:
    """One installation below `folder`: configuration, state directory, logs and mailbox; the process is started and stopped at will."""

    def __init__(
        self,
        folder: Path,
        nodes: Sequence[str] = ("n1", "n2"),
        *,
        logs: Sequence[str] = ("ha-log",),
        logs_in: Path | None = None,
        services: Mapping[str, Sequence[str]] | None = None,
        smtp_port: int | None = None,
        mailbox: bool = True,
        prepare_state: bool = True,
        **more: Mapping[str, object],
    ) -> None:
        """`logs` are the names of the files that each node has; `more` are further tables, `cluster__web` written for `cluster.web`."""
        self.folder, self.nodes, self.port = folder, tuple(nodes), free_port()
        self.logs, self.names = logs_in or folder / "logs", tuple(logs)
        self.state, self.mbox, self.file = folder / "state", folder / "mail.mbox", folder / "hamon.toml"
        self.log = folder / "hamon.log"
        for node in nodes:
            (self.logs / node).mkdir(parents=True, exist_ok=True)
        if prepare_state:
            self.state.mkdir(parents=True, exist_ok=True)
        sections: dict[str, dict[str, object]] = {
            "web": {"listen": f"127.0.0.1:{self.port}"},
            f"cluster.{CLUSTER}": dict(SETTLE),
        }
        if mailbox:
            sections["notify.mailbox.box"] = {"path": self.mbox}
        for service, resources in (services or {}).items():
            sections[f"cluster.{CLUSTER}.service.{service}"] = {"resources": list(resources)}
        for node in nodes:
            sections[f"collect.log_tail.{node}"] = {
                "cluster": CLUSTER,
                "node": node,
                "paths": [str(self.logs / node / name) for name in logs],
            }
        if smtp_port is not None:
            sections["notify.smtp.ops"] = {
                "host": "127.0.0.1",
                "port": smtp_port,
                "security": "none",
                "sender": "hamon@example.com",
                "to": ["ops@example.com"],
                "local_name": "test.invalid",
                "timeout_seconds": 5,
            }
        for name, values in more.items():
            sections.setdefault(name.replace("__", "."), {}).update(values)
        self.sections = sections
        self.process: Process | None = None
        # The server closes a connection after 5 idle seconds; one that is used at that moment would break.
        limits = httpx.Limits(keepalive_expiry=2)
        self._client = httpx.AsyncClient(base_url=f"http://127.0.0.1:{self.port}", timeout=10, limits=limits)

    # -- the process

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.kill()
        await self._client.aclose()

    def configure(self) -> None:
        """Write the configuration."""
        self.file.write_text(tables(self.sections), encoding="utf-8")

    async def launch(self, **environ: str) -> Process:
        """Start the program as an operator does, without waiting for it."""
        self.configure()
        with self.log.open("ab") as log:
            self.process = await asyncio.create_subprocess_exec(
                *(*_ENDS_WITH_US, sys.executable, "-m", "hamon", "run", "--config", str(self.file)),
                stdin=DEVNULL,
                stdout=log,
                stderr=log,
                env=environment(STATE_DIRECTORY=str(self.state), **environ),
            )
        return self.process

    async def start(self) -> None:
        await self.launch()
        await self.is_ready()

    async def is_ready(self) -> None:
        """Wait until it says that it is ready."""
        process = self.process
        assert process is not None

        async def ready() -> bool:
            assert process.returncode is None, f"hamon ended with status {process.returncode}:\n{self.said()}"
            try:
                return (await self._client.get("/readyz")).status_code == 200
            except httpx.TransportError:
                return False

        await eventually(ready)

    async def stop(self, seconds: float = 5.0) -> int:
        """SIGTERM; the exit status, which must come in time."""
        assert self.process is not None
        self.process.terminate()
        return await self.ended(seconds)

    async def ended(self, seconds: float = LIMIT) -> int:
        assert self.process is not None
        async with asyncio.timeout(seconds):
            return await self.process.wait()

    async def kill(self) -> None:
        """kill -9, if it still runs."""
        if self.process is not None and self.process.returncode is None:
            self.process.kill()
            await self.process.wait()

    def signal(self, number: signal.Signals) -> None:
        assert self.process is not None
        self.process.send_signal(number)

    def said(self) -> str:
        """Everything that the program wrote to its standard output and error."""
        return self.log.read_text(encoding="utf-8")

    async def says(self, text: str) -> str:
        """Wait for a line with `text` in the program's own log; the line."""

        async def find() -> str:
            return next((line for line in self.said().splitlines() if text in line), "")

        return await eventually(find)

    # -- what it reads

    def path(self, node: str, name: str = "ha-log") -> Path:
        return self.logs / node / name

    def write(self, node: str, *lines: str, name: str = "ha-log") -> None:
        with self.path(node, name).open("ab") as file:
            file.write("".join(f"{line}\n" for line in lines).encode())

    # -- what it gives

    async def get(self, path: str, **parameters: Any) -> httpx.Response:
        return await self._client.get(path, params=parameters)

    async def json(self, path: str, **parameters: Any) -> Any:
        answer = await self.get(path, **parameters)
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def incidents(self, **parameters: Any) -> list[dict[str, Any]]:
        """All incidents, parts included, oldest first."""
        found: list[dict[str, Any]] = (await self.json("/api/v1/incidents", parts=True, limit=500, **parameters))["incidents"]
        return found[::-1]

    async def whole(self, incident: Mapping[str, Any], **parameters: Any) -> dict[str, Any]:
        found: dict[str, Any] = await self.json(f"/api/v1/incidents/{incident['cluster']}/{incident['key']}", **parameters)
        return found

    async def events(self) -> list[dict[str, Any]]:
        """All events, oldest first."""
        found: list[dict[str, Any]] = []
        before: dict[str, int] = {}
        while True:
            page = await self.json("/api/v1/events", limit=500, **before)
            found += page["events"]
            if page["next_before_id"] is None:
                return found[::-1]
            before = {"before_id": page["next_before_id"]}

    async def page(self, path: str, language: str = "en") -> str:
        """A page as text, markup taken away."""
        answer = await self._client.get(path, headers={"Accept-Language": language})
        assert answer.status_code == 200, answer.text
        return text_of(answer.text)

    async def metrics(self) -> dict[str, float]:
        """Samples by name and labels, as they stand in the exposition."""
        answer = await self.get("/metrics")
        assert answer.status_code == 200
        rows = (line.rpartition(" ") for line in answer.text.splitlines() if line and not line.startswith("#"))
        return {name: float(value) for name, _, value in rows}

    def mails(self) -> list[Message]:
        """What is in the mailbox."""
        if not self.mbox.exists():
            return []
        box = mbox(self.mbox, create=False)
        try:
            return list(box)
        finally:
            box.close()

    async def has_all(self) -> bool:
        """Whether all that stands in the logs is read and stored."""
        numbers = await self.metrics()
        sources = {source["path"]: source for source in (await self.json("/api/v1/sources"))["sources"]}
        written = [path for node in self.nodes for name in self.names if (path := self.logs / node / name).exists()]
        is_read = all(str(path) in sources and sources[str(path)]["lag_bytes"] == 0 for path in written)
        lines = sum(source["lines_read"] for source in sources.values())
        return is_read and lines == sum(value for name, value in numbers.items() if name.startswith("hamon_lines_read_total{"))

    async def has_read(self) -> None:
        """Wait until all that was written is read and stored."""
        await eventually(self.has_all)

    async def quiet(self, still: float = 1.5) -> None:
        """Wait until all is read and told, and nothing has changed for a moment that is longer than the settle times."""
        loop = asyncio.get_running_loop()
        last: tuple[object, ...] = ()
        since = loop.time()

        async def settled() -> bool:
            nonlocal last, since
            events = (await self.json("/api/v1/events", limit=1))["events"]
            incidents = await self.incidents()
            pending = sum(value for name, value in (await self.metrics()).items() if name.startswith("hamon_deliveries_pending"))
            seen = (events, incidents, pending, len(self.mails()))
            if seen != last or pending or not await self.has_all():
                last, since = seen, loop.time()
            return loop.time() - since >= still

        try:
            await eventually(settled, seconds=LIMIT)
        except AssertionError as err:
            raise AssertionError(f"never quiet: {last}\n{self.said()[-2000:]}") from err


def text_of(html: str) -> str:
    """The words of a page."""
    without = re.sub(r"(?s)<(script|style)\b.*?</\1>", " ", html)
    return re.sub(r"\s+", " ", unescape(re.sub(r"<[^>]*>", " ", without)))


def subject(mail: Message) -> str:
    """The decoded subject."""
    from email.header import decode_header, make_header

    return str(make_header(decode_header(str(mail["Subject"]))))


def syslog_stamp(at: datetime) -> str:
    """`Nov 22 10:52:22.123`"""
    return f"{at.astimezone(UTC):%b %d %H:%M:%S}.{at.microsecond // 1000:03d}"


def restamped(lines: Iterable[Line], *, speed: float, end: datetime) -> list[tuple[datetime, str, str]]:
    """Lines of a recording played `speed` times as fast, the last one stamped `end`: when, in which file, the line without its end."""
    kept = list(lines)
    last = kept[-1].at
    found = []
    for line in kept:
        at = end - timedelta(seconds=(last - line.at).total_seconds() / speed)
        found.append((at, line.file, f"{syslog_stamp(at)}{line.rest.rstrip(chr(10))}"))
    return found


def traditional(at: datetime, node: str, rest: str) -> str:
    """A line of pm_logconv.out: `Apr 4 06:19:55 n1   error: ...`, with one blank before the day, as the converter writes it."""
    return f"{at:%b} {at.day} {at:%H:%M:%S} {node} {rest}"


async def run_command(*arguments: str, **environ: str) -> tuple[int, str]:
    """Run `hamon` with these arguments to its end; the exit status, and what it wrote to standard output and error."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "hamon", *arguments), stdin=DEVNULL, stdout=PIPE, stderr=STDOUT, env=environment(**environ)
    )
    async with asyncio.timeout(LIMIT):
        said, _ = await process.communicate()
    assert process.returncode is not None
    return process.returncode, said.decode()
