"""The delivery loop as a process of its own, for a test to kill: mail from an SQLite outbox to a server.

    python -m tests.notify.gateway DATABASE PORT

Ends by itself, with status 0, once the outbox is empty.
"""

import asyncio
import sys

from hamon.classify.routes import Target
from hamon.clock import SystemClock
from hamon.model.delivery import Delivery, Notification
from hamon.notify.smtp import SmtpConfig, SmtpNotifier
from hamon.pipeline import Deliverer, Outlet
from hamon.store.store import SqlStore


def compose(due: Delivery, target: Target) -> Notification:
    return Notification(id=due.id, transition=due.transition, language=target.language, subject=due.id, text=due.id, repeated=due.repeated)


async def main(database: str, port: int) -> None:
    clock = SystemClock()
    store = SqlStore(f"sqlite:///{database}", clock=clock)
    config = SmtpConfig(host="127.0.0.1", port=port, security="none", sender="hamon@example.com", to=("ops@example.com",), local_name="x")
    notifier = SmtpNotifier("ops", config, clock)
    empty = asyncio.Event()

    def observe(target: str, result: str, seconds: float) -> None:
        checks.add(asyncio.create_task(check()))

    async def check() -> None:
        if not await store.pending_deliveries():
            empty.set()

    checks: set[asyncio.Task[None]] = set()
    deliverer = Deliverer(store, {"ops": Outlet(target=config.target("ops"), notifier=notifier)}, compose, clock, observe=observe)
    running = asyncio.create_task(deliverer.run())
    await check()
    await empty.wait()
    running.cancel()
    await asyncio.wait([running])
    await asyncio.gather(*checks)
    await notifier.close()
    await store.close()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2])))
