"""The delivery loop as a process of its own, for a test to kill: INFORMs from an SQLite outbox to a receiver.

    python -m tests.notify.snmp_gateway DATABASE STATE PORT

Ends by itself, with status 0, once the outbox is empty.
"""

import asyncio
import sys
from pathlib import Path

from hamon.classify.routes import Target
from hamon.clock import SystemClock
from hamon.model.delivery import Delivery, Notification
from hamon.notify.snmp_trap import SnmpTrapNotifier
from hamon.pipeline import Deliverer, Outlet
from hamon.snmp import SnmpConfig
from hamon.snmp.local import begin
from hamon.store.store import SqlStore
from tests.notify.test_snmp_trap import config


def compose(due: Delivery, target: Target) -> Notification:
    return Notification(id=due.id, transition=due.transition, language=target.language, subject=due.id, text=due.id, repeated=due.repeated)


async def main(database: str, state: str, port: int) -> None:
    clock = SystemClock()
    store = SqlStore(f"sqlite:///{database}", clock=clock)
    settings = config(f"127.0.0.1:{port}")
    notifier = SnmpTrapNotifier("ops", settings, clock)
    notifier.attach(begin(SnmpConfig(), Path(state), clock.now()))
    empty = asyncio.Event()

    def observe(target: str, result: str, seconds: float) -> None:
        checks.add(asyncio.create_task(check()))

    async def check() -> None:
        if not await store.pending_deliveries():
            empty.set()

    checks: set[asyncio.Task[None]] = set()
    deliverer = Deliverer(store, {"ops": Outlet(target=settings.target("ops"), notifier=notifier)}, compose, clock, observe=observe)
    running = asyncio.create_task(deliverer.run())
    await check()
    await empty.wait()
    running.cancel()
    await asyncio.wait([running])
    await asyncio.gather(*checks)
    await notifier.close()
    await store.close()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2], int(sys.argv[3])))
