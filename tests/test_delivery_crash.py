"""kill -9 at any moment: every mail arrives, and what may be a repeat says so."""

import asyncio
import os
import signal
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import pytest
from aiosmtpd.smtp import SMTP, Envelope, Session

from hamon.model.delivery import DeliveryState
from hamon.ports import Recording
from hamon.store import migrate
from hamon.store.store import SqlStore
from tests.fakes import FakeClock
from tests.notify.mail_server import MailServer, Taken
from tests.notify.stories import delivery

MOMENTS = ("MAIL", "RCPT", "before the answer", "after the answer")


class KillingServer(MailServer):
    """Kills the sender once, when the mail number `at` reaches the moment; or a little later, somewhere in its own work."""

    process: asyncio.subprocess.Process | None = None
    moment = ""
    at = 0
    later = 0.0
    seen = 0

    def aim(self, process: asyncio.subprocess.Process, moment: str, at: int, later: float) -> None:
        self.process, self.moment, self.at, self.later, self.seen = process, moment, at, later, 0

    def _reach(self, moment: str) -> None:
        if moment != self.moment or self.process is None:
            return
        self.seen += 1
        if self.seen == self.at:
            process, self.process = self.process, None
            if self.later:
                asyncio.get_running_loop().call_later(self.later, self._kill, process)
            else:
                self._kill(process)

    def _kill(self, process: asyncio.subprocess.Process) -> None:
        if process.returncode is None:
            os.kill(process.pid, signal.SIGKILL)

    async def handle_MAIL(self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]) -> str:
        self._reach("MAIL")
        return await super().handle_MAIL(server, session, envelope, address, options)

    async def handle_RCPT(self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]) -> str:
        self._reach("RCPT")
        return await super().handle_RCPT(server, session, envelope, address, options)

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        answer = await super().handle_DATA(server, session, envelope)
        self._reach("before the answer")
        # The answer is written in the next turn of the loop; the sender has then to read it and to record it.
        asyncio.get_running_loop().call_later(0.0005, self._reach, "after the answer")
        return answer


async def fill(database: Path, count: int) -> None:
    await asyncio.to_thread(migrate.upgrade, f"sqlite:///{database}")
    store = SqlStore(f"sqlite:///{database}", clock=FakeClock())
    made = [delivery(f"failover/{number}") for number in range(count)]
    await store.record(Recording(transitions=[one.transition for one in made], deliveries=made))
    await store.close()


async def start(database: Path, port: int) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(sys.executable, "-m", "tests.notify.gateway", str(database), str(port))


async def ended(process: asyncio.subprocess.Process) -> int:
    async with asyncio.timeout(60):
        return await process.wait()


async def kill_and_deliver(tmp_path: Path, kills: int, mails: int, choose: Callable[[], tuple[str, int, float]]) -> tuple[list[Taken], int]:
    """Let a gateway deliver, killing it so often; return what the server took, and how many kills hit."""
    database = tmp_path / "hamon.db"
    await fill(database, mails)
    hits = 0
    async with KillingServer() as server:
        for _ in range(kills):
            process = await start(database, server.port)
            server.aim(process, *choose())
            code = await ended(process)
            assert code in (0, -signal.SIGKILL)
            hits += code == -signal.SIGKILL
        server.process = None
        assert await ended(await start(database, server.port)) == 0
        store = SqlStore(f"sqlite:///{database}", clock=FakeClock())
        for number in range(mails):
            (row,) = await store.deliveries("web", f"failover/{number}")
            assert row.state is DeliveryState.SENT
        await store.close()
        return server.taken, hits


def check_mails(taken: list[Taken], mails: int, hits: int) -> None:
    copies: dict[str, list[Any]] = {}
    for one in taken:
        copies.setdefault(str(one.mail["Message-ID"]), []).append(one.mail["X-Hamon-Repeated"])
    assert len(copies) == mails, "a mail was lost"
    for marks in copies.values():
        assert marks[1:] == ["yes"] * (len(marks) - 1), "a repeat is not marked"
    marked = Counter(mark for marks in copies.values() for mark in marks)["yes"]
    assert marked <= hits, "more mails are marked than crashes can have doubled"


async def test_a_mail_that_was_taken_before_the_crash_comes_again_with_its_message_id_and_the_mark(tmp_path: Path) -> None:
    taken, hits = await kill_and_deliver(tmp_path, 1, 3, lambda: ("before the answer", 2, 0.0))
    assert hits == 1
    check_mails(taken, 3, hits)
    first, again = (one.mail for one in taken[1:3])
    assert first["Message-ID"] == again["Message-ID"]
    assert (first["X-Hamon-Repeated"], again["X-Hamon-Repeated"]) == (None, "yes")
    assert again["Subject"] == f"[repeated] {first['Subject']}"


@pytest.mark.parametrize("seed", [1, *(pytest.param(seed, marks=pytest.mark.full) for seed in range(2, 8))])
async def test_kill_9_at_twenty_moments_loses_no_mail_and_marks_every_repeat(tmp_path: Path, seed: int) -> None:
    random = Random(seed)
    taken, hits = await kill_and_deliver(
        tmp_path, 20, 120, lambda: (random.choice(MOMENTS), random.randint(1, 5), random.choice([0.0, random.uniform(0, 0.01)]))
    )
    assert hits == 20
    check_mails(taken, 120, hits)
