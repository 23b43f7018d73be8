"""What `make demo-cluster` starts: a person chooses a failure, and sees it on the page beside it."""

import asyncio
import os
import pty
import re
import sys
import tempfile
from asyncio.subprocess import PIPE, STDOUT
from pathlib import Path

import httpx
import pytest
from playwright.async_api import expect

from tests.cluster.cluster import PROGRAMS
from tests.cluster.test_nothing_is_left import inside, is_gone, namespaces
from tests.gateway.harness import environment, eventually, free_port, heeds_ctrl_c, text_of
from tests.peers import missing, need
from tests.web.test_browser import chromium, opened

MENU = b"> "


@pytest.mark.full
async def test_a_failure_that_is_chosen_from_the_menu_stands_on_the_page_and_q_ends_it_all() -> None:
    if os.geteuid() != 0:
        missing("only root can make the namespaces of a cluster")
    for program in PROGRAMS:
        need(program)
    port = free_port()
    command = (sys.executable, "-m", "tests.cluster.demo", "--listen", f"127.0.0.1:{port}")
    process = await asyncio.create_subprocess_exec(*command, stdin=PIPE, stdout=PIPE, stderr=STDOUT, cwd=Path(__file__).parents[2])
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        async with asyncio.timeout(120):
            menu = (await process.stdout.readuntil(MENU)).decode()
        (number,) = re.findall(r"^ *(\d+) a resource of the active node fails: failover$", menu, re.MULTILINE)
        process.stdin.write(f"{number}\n".encode())
        async with asyncio.timeout(120):
            assert "It has happened" in (await process.stdout.readuntil(MENU)).decode()
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=10) as client:

            async def page() -> str:
                return text_of((await client.get("/", headers={"Accept-Language": "en"})).text)

            await eventually(page, lambda text: "failed over" in text)
        process.stdin.write(b"q\n")
        async with asyncio.timeout(30):
            assert await process.wait() == 0
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


class Terminal:
    """What a person at a terminal sees, and the keys."""

    def __init__(self) -> None:
        self._own, self.other = pty.openpty()
        os.set_blocking(self._own, False)
        self.seen = ""
        asyncio.get_running_loop().add_reader(self._own, self._read)

    def _read(self) -> None:
        try:
            self.seen += os.read(self._own, 65536).decode()
        except OSError:
            asyncio.get_running_loop().remove_reader(self._own)

    def type(self, keys: str) -> None:
        self.seen = ""
        os.write(self._own, keys.encode())

    async def shows(self, text: str, seconds: float = 120) -> None:
        async def shown() -> str:
            return self.seen

        await eventually(shown, lambda seen: text in seen, seconds)

    def close(self) -> None:
        asyncio.get_running_loop().remove_reader(self._own)
        os.close(self._own)
        os.close(self.other)


@pytest.mark.full
async def test_a_person_at_a_terminal_sees_it_in_the_browser_and_ctrl_c_leaves_nothing() -> None:
    if os.geteuid() != 0:
        missing("only root can make the namespaces of a cluster")
    for program in PROGRAMS:
        need(program)
    interfaces, before = os.listdir("/sys/class/net"), namespaces()
    port, terminal = free_port(), Terminal()
    command = ("setsid", "--ctty", sys.executable, "-m", "tests.cluster.demo", "--listen", f"127.0.0.1:{port}")
    with tempfile.TemporaryDirectory(prefix="hamon-demo-") as home:
        process = await asyncio.create_subprocess_exec(
            *command,
            stdin=terminal.other,
            stdout=terminal.other,
            stderr=terminal.other,
            cwd=Path(__file__).parents[2],
            env=environment(TMPDIR=home),
            preexec_fn=heeds_ctrl_c,
        )
        try:
            await terminal.shows("q end\r\n> ")
            (number,) = re.findall(r"^ *(\d+) planned switchover by standby\r$", terminal.seen, re.MULTILINE)
            async with chromium() as browser, opened(browser) as watched:
                await watched.page.goto(f"http://127.0.0.1:{port}/")
                await expect(watched.page.get_by_role("heading", level=1)).to_have_text(
                    "All services run and are protected", timeout=30_000
                )
                terminal.type(f"{number}\n")
                await terminal.shows("It has happened")
                # Without a reload: the page follows.
                await expect(watched.page.get_by_role("link", name="switched over").first).to_be_visible(timeout=60_000)
                assert watched.complaints == []
            running = inside(process)
            made = namespaces(running).keys() - before.keys()
            assert len(made) >= 4  # two nodes, the switch, the monitor host
            assert any("corosync" in one for one in running.values())
            terminal.type("\x03")
            async with asyncio.timeout(60):
                assert await process.wait() == 0
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
            terminal.close()

        await is_gone(Path(home), running, made, interfaces)
        assert os.listdir(home) == []
