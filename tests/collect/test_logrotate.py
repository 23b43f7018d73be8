"""Rotation by the real logrotate, in the ways that Debian and Red Hat set it up for cluster logs."""

import asyncio
from pathlib import Path

import pytest

from tests.collect.tailing import append, tailing
from tests.peers import need

WAYS = {
    "copytruncate": "copytruncate\nrotate 9",
    "copytruncate and compress": "copytruncate\ncompress\nrotate 9",
    "create": "create\nrotate 9",
    "create and compress": "create\ncompress\nrotate 9",
    "nocreate, delayed compression": "nocreate\ncompress\ndelaycompress\nrotate 9",
    "dates": "create\ndateext\ndateformat -%Y%m%d-NUMBER\nrotate 9",
    "dates before the extension": "create\ncompress\ndateext\ndateformat -%Y%m%d-NUMBER\nextension .log\nrotate 9",
    "keep two only": "create\nrotate 2",
}


async def _rotate(program: str, folder: Path, way: str, number: int) -> None:
    rules = folder / "rules"
    # A date is the same all day: a number makes the name that logrotate refuses to use twice a new one.
    rules.write_text(f"{folder}/pacemaker.log {{\n{WAYS[way].replace('NUMBER', str(number))}\nmissingok\n}}\n")
    rules.chmod(0o644)
    process = await asyncio.create_subprocess_exec(program, "-f", "-s", str(folder / "state"), str(rules), stderr=asyncio.subprocess.PIPE)
    _, errors = await process.communicate()
    assert process.returncode == 0, errors.decode()


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("pattern", ["pacemaker.log", "pacemaker*"])
async def test_lines_around_a_real_rotation_come_once(tmp_path: Path, way: str, pattern: str) -> None:
    program = need("logrotate")
    tmp_path.chmod(0o755)
    log = tmp_path / "pacemaker.log"
    written = append(log, b"begin\n")
    async with tailing(tmp_path / pattern) as tail:
        await tail.gives(written)
        for number in range(3):
            written += append(log, b"live %d\n" % number)
            await _rotate(program, tmp_path, way, number)
            written += append(log, b"after %d\n" % number)
            await tail.gives(written)
    committed = tail.inbox.positions()
    missed = b""
    for number in (3, 4):
        missed += append(log, b"while down %d\n" % number)
        await _rotate(program, tmp_path, way, number)
        missed += append(log, b"after rotation %d\n" % number)
    async with tailing(tmp_path / pattern, positions=committed) as again:
        await again.gives(missed)
