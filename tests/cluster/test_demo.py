"""What `make demo-cluster` starts: a person chooses a failure, and sees it on the page beside it."""

import asyncio
import os
import re
import sys
from asyncio.subprocess import PIPE, STDOUT
from pathlib import Path

import httpx
import pytest

from tests.cluster.cluster import PROGRAMS
from tests.gateway.harness import eventually, free_port, text_of
from tests.peers import missing, need

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
