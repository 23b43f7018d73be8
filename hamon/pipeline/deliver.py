"""Delivering: what stands in the outbox is handed to people.

The law: a delivery is recorded as being sent before it is handed over, and as sent only after the peer took it, so a crash at any moment
loses none; the one that it may double is marked as repeated.
"""

import asyncio
import contextlib
import logging
import math
import traceback
from collections import deque
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from random import Random
from typing import Protocol, TypeVar

from hamon.classify.routes import Target
from hamon.clock import Clock
from hamon.errors import DeliveryError, DeliveryReason, StoreError, StoreRefusal
from hamon.model.delivery import Delivery, DeliveryState, Notification
from hamon.model.observation import TargetDelivers, TargetLags
from hamon.ports import Notifier

log = logging.getLogger(__name__)

T = TypeVar("T")

FIRST_RETRY_SECONDS = 1.0
LAST_RETRY_SECONDS = 600.0
LONGEST_RETRY_AFTER_SECONDS = 3600.0
MOST_DUE = 4096
DEFAULT_MAX_PENDING = 10_000
"""Half of it waiting for one target is a backlog, where the target has no limit of its own."""
LONGEST_WAIT_SECONDS = 60.0
"""The outbox is looked at once a minute even without a call, so that a clock that was set does not hold mail back for long."""

REMEDY = {
    DeliveryReason.UNREACHABLE: "check that the target runs, that its address and port are right, and that this host may connect to it",
    DeliveryReason.TIMEOUT: "check that the target answers; raise timeout_seconds if it is only slow",
    DeliveryReason.REFUSED: "the target refuses the message: read its answer, then check sender, recipients or address",
    DeliveryReason.CREDENTIALS: "check the user, password or token of the target and the file that holds it",
    DeliveryReason.THROTTLED: "the target takes no more for now: wait, raise min_severity, or ask its operator",
    DeliveryReason.DEFECT: "this is a defect of hamon: please report it with the lines of this log",
}


class Outbox(Protocol):
    """What the delivery loop needs of the store (see `hamon.ports.Store`)."""

    async def due_deliveries(self, now: datetime, limit: int, skip: Collection[str] = ()) -> Sequence[Delivery]: ...

    async def next_delivery_at(self, skip: Collection[str] = ()) -> datetime | None: ...

    async def update_delivery(self, delivery: Delivery) -> None: ...

    async def recover_deliveries(self) -> int: ...

    async def pending_deliveries(self) -> Mapping[str, int]: ...

    async def drop_overtaken(self, target: str) -> int: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Outlet:
    """A target and the notifier that reaches it."""

    target: Target
    notifier: Notifier


def unobserved(target: str, result: str, seconds: float) -> None:
    """Count nothing."""


def retry_seconds(attempts: int, random: Random) -> float:
    """How long to wait after this many failed attempts: 1 to 2 s, 2 to 4 s, ... 5 to 10 min, at random within."""
    longest = min(LAST_RETRY_SECONDS, FIRST_RETRY_SECONDS * 2 ** min(attempts, 20))
    return random.uniform(max(FIRST_RETRY_SECONDS, longest / 2), longest)


class Deliverer:
    """Take due deliveries from the outbox and hand each to its target, until cancelled.

    At most `concurrency` at once, and one at a time per target: a notifier keeps one connection, and what waits for it is not yet marked as
    being sent. A target that hangs does not hold up the others. When cancelled, what is being sent gets `stop_seconds` to finish.

    A target that wants everything in order gets nothing while its oldest delivery waits for another attempt. A target that lags behind, or
    refuses its credentials, is told of by `report`, and again when it takes what it is given.

    A delivery whose progress the database will never take is tried once, and then not again before hamon starts anew: it holds nothing up.

    `observe(target, result, seconds)` is called once per attempt; the result is "sent", "failed" (given up), or the reason why it will be
    tried again.
    """

    def __init__(
        self,
        outbox: Outbox,
        outlets: Mapping[str, Outlet],
        compose: Callable[[Delivery, Target], Notification],
        clock: Clock,
        *,
        observe: Callable[[str, str, float], None] = unobserved,
        concurrency: int = 8,
        send_limit_seconds: float = 120.0,
        stop_seconds: float = 3.0,
        random: Random | None = None,
    ) -> None:
        self._outbox, self._outlets, self._compose, self._clock, self._observe = outbox, dict(outlets), compose, clock, observe
        self._concurrency, self._send_limit_seconds, self._stop_seconds = concurrency, send_limit_seconds, stop_seconds
        self._most_at_once = 4 * concurrency
        self._random = random or Random()
        self._call = asyncio.Event()
        self.report: Callable[[TargetLags | TargetDelivers], Awaitable[None]] | None = None
        self._held: dict[str, datetime] = {}
        self._lagging: set[str] = set()
        self._told_of: set[str] = set()
        self._sending: dict[str, tuple[Delivery, asyncio.Task[None]]] = {}
        self._read: dict[str, deque[Delivery]] = {}
        self._look_at = 0.0
        self._is_empty = False
        """The outbox held nothing that waits when it was looked at last, and nothing came since."""
        self._stopping = False
        self._unsaved: set[str] = set()

    def lagged(self, targets: Iterable[str]) -> None:
        """These lagged when an earlier run ended, and people know it: their first success ends that."""
        known = set(targets) & set(self._outlets)
        self._lagging |= known
        self._told_of |= known

    def wake(self, new: Sequence[Delivery] = ()) -> None:
        """Say that the outbox may hold something new: these, where it is known.

        Where nothing else waits they are begun without asking the outbox for what was just written there.
        """
        if self._is_empty and 0 < len(new) <= self._most_at_once and not (self._unsaved or self._sending or self._read or self._held):
            heads: dict[tuple[str, str, str], Delivery] = {}
            for delivery in sorted(new, key=lambda one: (one.created_at, one.transition.sequence, one.id)):
                incident = delivery.transition.incident
                heads.setdefault((incident.cluster, incident.key, delivery.target), delivery)
            self._take(heads.values())
        else:
            self._look_at = 0.0
        self._is_empty = False
        self._call.set()

    async def run(self) -> None:
        """Deliver until cancelled."""
        self._stopping = False
        clock = asyncio.get_running_loop().time
        try:
            recovered = await self._persist(self._outbox.recover_deliveries)
            if recovered:
                log.warning("notifications may have been sent before the last stop and are sent again", extra={"deliveries": recovered})
            while True:
                self._call.clear()
                self._start_read()
                if len(self._sending) < self._concurrency and clock() >= self._look_at:
                    self._look_at, self._is_empty = math.inf, False
                    wait = await self._read_due()
                    # A call that came meanwhile stands: what it is about may not have been read.
                    self._is_empty = wait is None and self._look_at == math.inf
                    self._look_at = min(self._look_at, clock() + (LONGEST_WAIT_SECONDS if wait is None else wait))
                is_full = len(self._sending) >= self._concurrency
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(LONGEST_WAIT_SECONDS if is_full else max(0.0, self._look_at - clock())):
                        await self._call.wait()
                self._reap()
        finally:
            await self._stop()

    async def _stop(self) -> None:
        self._stopping, self._is_empty = True, False
        tasks = [task for _, task in self._sending.values()]
        self._sending.clear()
        self._read.clear()
        if tasks:
            _, late = await asyncio.wait(tasks, timeout=self._stop_seconds)
            for task in late:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    def _reap(self) -> None:
        for target, (_, task) in list(self._sending.items()):
            if task.done():
                del self._sending[target]
                task.result()
                if target not in self._read:
                    self._look_at, self._is_empty = 0.0, False

    def _start_read(self) -> None:
        """Start what was read from the outbox and may start."""
        for target in list(self._read):
            if target not in self._sending and len(self._sending) < self._concurrency:
                delivery = self._read[target].popleft()
                if not self._read[target]:
                    del self._read[target]
                task = asyncio.create_task(self._deliver(delivery), name=f"deliver {target}")
                task.add_done_callback(lambda _: self._call.set())
                self._sending[target] = (delivery, task)

    async def _read_due(self) -> float | None:
        """Read what is due and start what may start; return after how many seconds to look again, if nothing happens before.

        None: nothing waits at all.
        """
        limit = self._most_at_once
        while True:
            held = self._held_now()
            due = await self._persist(partial(self._outbox.due_deliveries, self._clock.now(), limit, held))
            # The outbox may have been read before what was started meanwhile was marked: such a one is not new. (Nothing is reaped here.)
            known = {delivery.id for delivery, _ in self._sending.values()} | {one.id for read in self._read.values() for one in read}
            self._take(delivery for delivery in due if delivery.id not in known and delivery.id not in self._unsaved)
            self._start_read()
            # Many deliveries of one slow target must not hide those of another: look further only if another one waits at all.
            if len(due) < limit or limit >= MOST_DUE or len(self._sending) >= self._concurrency or not await self._others_wait():
                break
            limit *= 4
        held = self._held_now()
        found = await self._persist(partial(self._outbox.next_delivery_at, held))
        next_at = min((at for at in (found, *(self._held[target] for target in held)) if at is not None), default=None)
        if next_at is None:
            return None
        # Never at once: what is due but waits for its turn would keep this loop spinning.
        least = 1.0 if self._sending else 10.0 if self._unsaved else 0.25
        return min(LONGEST_WAIT_SECONDS, max(least, (next_at - self._clock.now()).total_seconds()))

    def _take(self, deliveries: Iterable[Delivery]) -> None:
        """Put what is due, oldest first, behind what waits for the same target; of a target in order the first only."""
        for delivery in deliveries:
            is_in_order = self._is_in_order(delivery.target)
            if is_in_order and delivery.target in self._sending:
                continue
            waiting = self._read.setdefault(delivery.target, deque())
            if not waiting or not is_in_order:
                waiting.append(delivery)

    async def _others_wait(self) -> bool:
        pending = await self._persist(self._outbox.pending_deliveries)
        return any(count and target not in self._sending and target not in self._held for target, count in pending.items())

    def _held_now(self) -> Collection[str]:
        now = self._clock.now()
        self._held = {target: until for target, until in self._held.items() if until > now}
        return frozenset(self._held)

    def _is_in_order(self, target: str) -> bool:
        return target in self._outlets and self._outlets[target].target.in_order

    async def _deliver(self, delivery: Delivery) -> None:
        """One attempt: mark as being sent, send, record the result."""
        outlet = self._outlets.get(delivery.target)
        if outlet is None:
            error = f"no target named {delivery.target} is configured any more"
            await self._save(replace(delivery, state=DeliveryState.FAILED, next_attempt_at=None, error=error))
            self._observe(delivery.target, "failed", 0.0)
            log.error(
                "notification given up",
                extra=_facts(delivery) | {"error": error, "remedy": "give the target its old name back, or ignore this"},
            )
            return
        sending = replace(delivery, state=DeliveryState.SENDING, attempts=delivery.attempts + 1)
        await self._save(sending)
        if self._stopping:
            # Nothing was handed over yet: leave it as it was, unmarked.
            await self._save(delivery)
            return
        began = asyncio.get_running_loop().time()
        error_met = await self._attempt(sending, outlet)
        seconds = asyncio.get_running_loop().time() - began
        if error_met is None:
            await self._save(replace(sending, state=DeliveryState.SENT, sent_at=self._clock.now(), next_attempt_at=None, error=""))
            self._observe(delivery.target, "sent", seconds)
            await self._delivered(delivery.target, outlet.target)
            if delivery.attempts:
                log.info("notification sent after failed attempts", extra=_facts(sending) | {"attempts": sending.attempts})
            return
        after = self._after_failure(sending, outlet.target, error_met)
        if outlet.target.in_order and after.next_attempt_at is not None:
            # The wait is the target's, not the delivery's: after it, or after a restart, the oldest comes first again.
            self._held[delivery.target] = after.next_attempt_at
            after = replace(after, next_attempt_at=None)
        await self._save(after)
        await self._failed(delivery.target, outlet.target, error_met)
        self._observe(delivery.target, "failed" if after.state is DeliveryState.FAILED else error_met.reason.value, seconds)
        facts = _facts(sending) | {"reason": error_met.reason.value, "error": str(error_met), "remedy": REMEDY[error_met.reason]}
        if after.state is DeliveryState.FAILED:
            log.error("notification given up", extra=facts | {"attempts": sending.attempts})
        elif not delivery.attempts:
            log.warning("notification not sent, will be tried again", extra=facts)

    async def _attempt(self, delivery: Delivery, outlet: Outlet) -> DeliveryError | None:
        """Hand one delivery over; whatever goes wrong is a DeliveryError, so that one notifier cannot stop the others."""
        composed = False
        try:
            notification = self._compose(delivery, outlet.target)
            composed = True
            async with asyncio.timeout(self._send_limit_seconds):
                await outlet.notifier.send(notification)
        except DeliveryError as err:
            return err
        except TimeoutError:
            return DeliveryError(DeliveryReason.TIMEOUT, f"not handed over within {self._send_limit_seconds:g} s", unsure=True)
        except asyncio.CancelledError as err:
            task = asyncio.current_task()
            if task is None or task.cancelling():
                raise
            return _defect(delivery, err, unsure=True)
        except Exception as err:
            return _defect(delivery, err, unsure=composed)
        return None

    def _after_failure(self, delivery: Delivery, target: Target, error: DeliveryError) -> Delivery:
        now = self._clock.now()
        wait = max(retry_seconds(delivery.attempts, self._random), min(error.retry_after_seconds, LONGEST_RETRY_AFTER_SECONDS))
        next_at = now + timedelta(seconds=wait)
        failed = replace(delivery, error=f"{error.reason.value}: {error}", repeated=delivery.repeated or error.unsure)
        if error.permanent or next_at > delivery.created_at + timedelta(hours=target.max_attempts_hours):
            return replace(failed, state=DeliveryState.FAILED, next_attempt_at=None)
        return replace(failed, state=DeliveryState.PENDING, next_attempt_at=next_at)

    async def _failed(self, name: str, target: Target, error: DeliveryError) -> None:
        """Tell of a target that lags or refuses, once; keep what waits for it within its limit."""
        limit = target.max_pending or DEFAULT_MAX_PENDING
        pending = (await self._persist(self._outbox.pending_deliveries)).get(name, 0)
        if target.max_pending is not None and pending > target.max_pending:
            dropped = await self._persist(partial(self._outbox.drop_overtaken, name))
            if dropped:
                log.warning(
                    "more waits for a target than it may: overtaken steps are dropped", extra={"notifier": name, "dropped": dropped}
                )
        refuses = error.reason is DeliveryReason.CREDENTIALS or error.permanent
        if name in self._told_of or not (refuses or pending * 2 >= limit):
            return
        self._told_of.add(name)
        self._lagging.add(name)
        await self._tell(TargetLags(target=name, pending=pending, refuses=refuses, reason=str(error), at=self._clock.now()))

    async def _delivered(self, name: str, target: Target) -> None:
        if name not in self._lagging:
            return
        limit = target.max_pending or DEFAULT_MAX_PENDING
        pending = (await self._persist(self._outbox.pending_deliveries)).get(name, 0)
        if pending * 10 < limit:
            self._lagging.discard(name)
            self._told_of.discard(name)
            await self._tell(TargetDelivers(target=name, at=self._clock.now()))

    async def _tell(self, what: "TargetLags | TargetDelivers") -> None:
        if self.report is not None:
            await self.report(what)

    async def _save(self, delivery: Delivery) -> None:
        try:
            await self._persist(partial(self._outbox.update_delivery, delivery), may_refuse=True)
        except StoreRefusal as err:
            if delivery.id not in self._unsaved:
                remedy = "it is tried once, and once more after each start of hamon; see what the database says, and check its disk"
                log.error("how a notification fares cannot be recorded", extra=_facts(delivery) | {"error": str(err), "remedy": remedy})
            self._unsaved.add(delivery.id)

    async def _persist(self, ask: Callable[[], Awaitable[T]], *, may_refuse: bool = False) -> T:
        """Ask the store until it answers: neither a result nor a delivery is dropped because the database is away.

        With `may_refuse` it raises StoreRefusal, where asking again is useless.
        """
        failures = 0
        while True:
            try:
                answer = await ask()
            except StoreError as err:
                if may_refuse and isinstance(err, StoreRefusal):
                    raise
                failures += 1
                if failures == 1:
                    log.warning("the outbox does not answer, will be asked again", extra={"error": str(err)})
                await asyncio.sleep(min(30.0, retry_seconds(failures, self._random) / 4))
            else:
                if failures:
                    log.info("the outbox answers again", extra={"failures": failures})
                return answer


def _facts(delivery: Delivery) -> dict[str, object]:
    incident = delivery.transition.incident
    return {"notifier": delivery.target, "incident": f"{incident.cluster}/{incident.key}", "delivery": delivery.id}


def _defect(delivery: Delivery, err: BaseException, *, unsure: bool) -> DeliveryError:
    """Log where a defect happened, without the text of the exception: it may hold an address or a password."""
    where = "".join(traceback.format_tb(err.__traceback__))
    log.error("defect in a notifier", extra=_facts(delivery) | {"exception": type(err).__name__, "where": where})
    return DeliveryError(DeliveryReason.DEFECT, f"unexpected {type(err).__name__}, see the log", unsure=unsure)
