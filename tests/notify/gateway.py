"""The delivery loop as a process of its own, for a test to kill: from an SQLite outbox to a server.

    python -m tests.notify.gateway DATABASE PORT            mail
    python -m tests.notify.gateway DATABASE PORT STATE      INFORMs; STATE is the folder of the engine ID

Ends by itself, with status 0, once the outbox is empty.
"""

import asyncio
import sys
from pathlib import Path

from hamon.classify.routes import Target
from hamon.clock import SystemClock
from hamon.model.delivery import Delivery, Notification
from hamon.notify.smtp import SmtpConfig, SmtpNotifier
from hamon.notify.snmp_trap import SnmpTrapNotifier
from hamon.pipeline import Deliverer, Outlet
from hamon.snmp import SnmpConfig
from hamon.snmp.local import begin
from hamon.store.store import SqlStore
from tests.notify.test_snmp_trap import config


def compose(due: Delivery, target: Target) -> Notification:
    return Notification(id=due.id, transition=due.transition, language=target.language, subject=due.id, text=due.id, repeated=due.repeated)


def mail(port: int, clock: SystemClock) -> Outlet:
    settings = SmtpConfig(host="127.0.0.1", port=port, security="none", sender="hamon@example.com", to=("ops@example.com",), local_name="x")
    return Outlet(target=settings.target("ops"), notifier=SmtpNotifier("ops", settings, clock))


def informs(port: int, clock: SystemClock, state: Path) -> Outlet:
    settings = config(f"127.0.0.1:{port}")
    notifier = SnmpTrapNotifier("ops", settings, clock)
    notifier.attach(begin(SnmpConfig(), state, clock.now()))
    return Outlet(target=settings.target("ops"), notifier=notifier)


async def main(database: str, port: int, state: Path | None) -> None:
    clock = SystemClock()
    store = SqlStore(f"sqlite:///{database}", clock=clock)
    outlet = mail(port, clock) if state is None else informs(port, clock, state)
    empty = asyncio.Event()

    def observe(target: str, result: str, seconds: float) -> None:
        checks.add(asyncio.create_task(check()))

    async def check() -> None:
        if not await store.pending_deliveries():
            empty.set()

    checks: set[asyncio.Task[None]] = set()
    deliverer = Deliverer(store, {"ops": outlet}, compose, clock, observe=observe)
    running = asyncio.create_task(deliverer.run())
    await check()
    await empty.wait()
    running.cancel()
    await asyncio.wait([running])
    await asyncio.gather(*checks)
    await outlet.notifier.close()
    await store.close()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2]), Path(sys.argv[3]) if len(sys.argv) > 3 else None))
