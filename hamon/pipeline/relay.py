"""Passing traps on: what a cluster sent goes to other receivers as well, in the order in which it came.

The laws: a trap that is to be passed on is written in the transaction that records it, and deleted once the receiver has it, so a crash
loses none and may double the last of each receiver. What went round in a loop stops here.
"""

import asyncio
import contextlib
import hashlib
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from fnmatch import fnmatchcase
from random import Random
from typing import Protocol

from hamon.clock import Clock
from hamon.errors import DeliveryError, DeliveryReason, StoreError
from hamon.model.delivery import Relay
from hamon.model.observation import SnmpVersion, Trap
from hamon.pipeline.deliver import retry_seconds

log = logging.getLogger(__name__)

CHUNK = 64
LOOK_SECONDS = 60.0
"""The outbox is looked at once a minute even without a call."""
MOST_DIGESTS = 10_000


class Relays(Protocol):
    """What relaying needs of the store (see `hamon.ports.Store`)."""

    async def relays(self, target: str, limit: int) -> Sequence[Relay]: ...

    async def drop_relays(self, ids: Sequence[int]) -> None: ...

    async def trim_relays(self, target: str, keep: int) -> int: ...


class Relayer(Protocol):
    """A notifier that passes traps on."""

    async def relay(self, trap: Trap) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class RelayTarget:
    """One receiver of original traps. `notifications`: only those below one of these; none: all.

    `is_private`: what came encrypted or authenticated (v3) may go there.
    """

    name: str
    clusters: tuple[str, ...] = ("*",)
    notifications: tuple[str, ...] = ()
    is_private: bool = True
    allow_downgrade: bool = False
    accept_hamon: bool = False
    max_attempts_hours: float = 72.0
    max_pending: int = 10_000


class RelayPlan:
    """Which trap goes to which target. Keeps what it needs to see loops: the engine IDs, and how often each trap came in this second."""

    def __init__(
        self,
        targets: Sequence[RelayTarget],
        *,
        own: Callable[[], frozenset[str]],
        forwarder: tuple[str, bytes],
        root: str,
        same_per_second: int = 50,
    ) -> None:
        """`own` gives the addresses of the targets and of this host's senders; `forwarder` the OID of hamonNotifyForwarder.0 and our ID."""
        self._targets, self._own, self._forwarder, self._root = targets, own, forwarder, root
        self._same_per_second = same_per_second
        self._second = 0
        self._seen: dict[bytes, int] = {}
        self.dropped = 0

    def __call__(self, traps: Sequence[Trap], now: datetime) -> list[Relay]:
        planned = []
        own = self._own()
        for trap in traps:
            wanted = [target for target in self._targets if self._wants(target, trap)]
            if not wanted:
                continue
            if trap.source in own or self._went_through_us(trap) or self._floods(trap, now):
                self.dropped += 1
                continue
            planned += [Relay(id=0, target=target.name, trap=trap, created_at=now) for target in wanted]
        return planned

    def _wants(self, target: RelayTarget, trap: Trap) -> bool:
        if not any(fnmatchcase(trap.cluster, glob) for glob in target.clusters):
            return False
        if trap.version is SnmpVersion.V3 and not (target.is_private or target.allow_downgrade):
            return False
        if not target.accept_hamon and _is_below(trap.notification, self._root):
            return False
        return not target.notifications or any(_is_below(trap.notification, oid) for oid in target.notifications)

    def _went_through_us(self, trap: Trap) -> bool:
        oid, ours = self._forwarder
        return any(item.oid == oid and item.value == ours for item in trap.varbinds)

    def _floods(self, trap: Trap, now: datetime) -> bool:
        """More of the very same in a second than any cluster sends: something sends it in a circle."""
        if not self._same_per_second:
            return False
        if (second := int(now.timestamp())) != self._second or len(self._seen) > MOST_DIGESTS:
            self._second = second
            self._seen.clear()
        digest = hashlib.blake2b(repr((trap.notification, trap.varbinds)).encode(), digest_size=16).digest()
        self._seen[digest] = count = self._seen.get(digest, 0) + 1
        return count > self._same_per_second


def _is_below(oid: str, above: str) -> bool:
    return oid == above or oid.startswith(f"{above}.")


class RelayLoop:
    """Hand the waiting traps of every target over, each target by itself, until cancelled."""

    def __init__(
        self,
        store: Relays,
        targets: Mapping[str, tuple[RelayTarget, Relayer]],
        clock: Clock,
        *,
        observe: Callable[[str, str, int], None] = lambda target, result, count: None,
        random: Random | None = None,
    ) -> None:
        """`observe(target, result, traps)` is called with relayed, failed (tried again) or dropped (expired, refused, or too many)."""
        self._store, self._targets, self._clock, self._observe = store, dict(targets), clock, observe
        self._random = random or Random()
        self._calls = {name: asyncio.Event() for name in targets}

    def wake(self) -> None:
        """Say that there may be something new."""
        for call in self._calls.values():
            call.set()

    async def run(self) -> None:
        if not self._targets:
            await asyncio.Event().wait()
        async with asyncio.TaskGroup() as group:
            for name in self._targets:
                group.create_task(self._serve(name), name=f"relay {name}")

    async def _serve(self, name: str) -> None:
        target, relayer = self._targets[name]
        call = self._calls[name]
        failures = 0
        while True:
            call.clear()
            wait = LOOK_SECONDS
            try:
                if trimmed := await self._store.trim_relays(name, target.max_pending):
                    self._drop(name, trimmed, "more waits than may")
                waiting = await self._store.relays(name, CHUNK)
                if waiting:
                    done, error = await self._send(target, relayer, waiting)
                    await self._store.drop_relays(done)
                    failures = failures + 1 if error is not None else 0
                    wait = retry_seconds(failures, self._random) if error is not None else 0.0
            except StoreError as err:
                log.debug("the history does not answer for relaying", extra={"notifier": name, "error": str(err)})
                wait = 5.0
            if wait:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(wait):
                        # While a receiver is away, news does not shorten the wait for it.
                        await (call.wait() if not failures else asyncio.Event().wait())

    async def _send(self, target: RelayTarget, relayer: Relayer, waiting: Sequence[Relay]) -> tuple[list[int], DeliveryError | None]:
        """Send them in order up to the first that has to wait; return which are done with, and why it ended."""
        done: list[int] = []
        oldest = self._clock.now() - timedelta(hours=target.max_attempts_hours)
        for relay in waiting:
            if relay.created_at < oldest:
                self._drop(target.name, 1, "too old")
                done.append(relay.id)
                continue
            try:
                await relayer.relay(relay.trap)
            except DeliveryError as err:
                if err.permanent:
                    self._drop(target.name, 1, str(err))
                    done.append(relay.id)
                    continue
                self._observe(target.name, "failed", 1)
                log.info("a trap is passed on later", extra={"notifier": target.name, "reason": err.reason.value, "error": str(err)})
                return done, err
            except Exception:  # one trap must not stop the others
                log.exception("defect while passing a trap on", extra={"notifier": target.name})
                self._drop(target.name, 1, DeliveryReason.DEFECT.value)
                done.append(relay.id)
            else:
                self._observe(target.name, "relayed", 1)
                done.append(relay.id)
        return done, None

    def _drop(self, name: str, count: int, why: str) -> None:
        self._observe(name, "dropped", count)
        log.warning("traps are not passed on", extra={"notifier": name, "traps": count, "reason": why})
