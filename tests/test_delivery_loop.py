"""The delivery loop: nothing is lost, nothing spins, nobody waits for somebody else's target."""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hamon.classify.routes import Target
from hamon.errors import DeliveryError, DeliveryReason
from hamon.model.delivery import Delivery, DeliveryState, Notification
from hamon.pipeline import Deliverer, Outbox, Outlet, retry_seconds
from tests.fakes import FakeClock
from tests.memory_outbox import MemoryOutbox
from tests.notify.stories import AT, delivery

Act = Callable[[Notification], Awaitable[None]]


class Recorder:
    """A notifier that keeps what it was given; `act` may fail or wait first."""

    def __init__(self, act: Act | None = None) -> None:
        self.sent: list[Notification] = []
        self.tried: list[Notification] = []
        self.at_once = self.most_at_once = 0
        self._act = act

    async def send(self, notification: Notification) -> None:
        self.tried.append(notification)
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            if self._act is not None:
                await self._act(notification)
        finally:
            self.at_once -= 1
        self.sent.append(notification)

    async def close(self) -> None:
        pass


def failing(*errors: BaseException | None) -> Act:
    """Fail with these, one for each call (None: do not), then succeed."""
    left = list(errors)

    async def act(notification: Notification) -> None:
        error = left.pop(0) if left else None
        if error is not None:
            raise error

    return act


def compose(due: Delivery, target: Target) -> Notification:
    return Notification(id=due.id, transition=due.transition, language=target.language, subject="s", text="t", repeated=due.repeated)


def unreachable(**how: bool) -> DeliveryError:
    return DeliveryError(DeliveryReason.UNREACHABLE, "no route", **how)


class Loop:
    """A deliverer at work on an outbox, with a clock that stands."""

    def __init__(self, outbox: Outbox, notifiers: dict[str, Recorder], hours: float = 72, **how: float) -> None:
        self.clock = FakeClock(AT)
        self.observed: list[tuple[str, str]] = []
        outlets = {name: Outlet(target=Target(name=name, max_attempts_hours=hours), notifier=made) for name, made in notifiers.items()}
        self.deliverer = Deliverer(
            outbox,
            outlets,
            compose,
            self.clock,
            observe=lambda target, result, seconds: self.observed.append((target, result)),
            concurrency=int(how.pop("concurrency", 8)),
            random=Random(1),
            **how,
        )

    @asynccontextmanager
    async def running(self) -> AsyncIterator[asyncio.Task[None]]:
        task = asyncio.create_task(self.deliverer.run())
        try:
            yield task
        finally:
            task.cancel()
            await asyncio.wait([task])
            if not task.cancelled():
                task.result()

    def pass_time(self, seconds: float) -> None:
        self.clock.advance(seconds)
        self.deliverer.wake()


def ids(sent: Iterable[Notification]) -> list[str]:
    return [notification.id for notification in sent]


def all_in(outbox: MemoryOutbox, *states: DeliveryState) -> Callable[[], bool]:
    return lambda: all(row.state in states for row in outbox.rows.values())


def tried(outbox: MemoryOutbox, times: int) -> Callable[[], bool]:
    return lambda: outbox.rows[delivery().id].attempts == times


async def settle(turns: int = 50) -> None:
    """Let everything that can run without time passing run."""
    for _ in range(turns):
        await asyncio.sleep(0)


async def test_a_delivery_is_recorded_before_and_after_it_is_handed_over() -> None:
    outbox = MemoryOutbox([delivery()])
    seen: list[DeliveryState] = []

    async def look(notification: Notification) -> None:
        seen.append(outbox.rows[notification.id].state)

    loop = Loop(outbox, {"ops": Recorder(look)})
    async with loop.running():
        await outbox.until(all_in(outbox, DeliveryState.SENT))
        await settle()
    (row,) = outbox.rows.values()
    assert seen == [DeliveryState.SENDING]
    assert (row.attempts, row.sent_at, row.repeated, row.error) == (1, AT, False, "")
    assert loop.observed == [("ops", "sent")]


async def test_what_is_recorded_while_the_loop_waits_is_sent_when_it_is_woken() -> None:
    outbox = MemoryOutbox()
    loop = Loop(outbox, {"ops": Recorder()})
    async with loop.running():
        await settle()
        outbox.rows |= {delivery().id: delivery()}
        loop.deliverer.wake()
        await outbox.until(all_in(outbox, DeliveryState.SENT))


async def test_what_was_just_recorded_is_begun_without_reading_it_back() -> None:
    outbox = MemoryOutbox()
    looks: list[int] = []

    async def look(_: Notification) -> None:
        looks.append(outbox.looks)

    loop = Loop(outbox, {"ops": Recorder(look), "other": Recorder(look)})
    async with loop.running():
        await settle()
        before = outbox.looks
        steps = [delivery("failover/a", target, sequence) for target in ("ops", "other") for sequence in (2, 1)]
        outbox.rows |= {row.id: row for row in steps}
        loop.deliverer.wake(steps)
        await outbox.until(all_in(outbox, DeliveryState.SENT))
        await settle()
        assert looks[:2] == [before, before], "the first step for each target"
        assert min(looks[2:]) > before, "what follows it is read"


async def test_what_was_just_recorded_does_not_go_before_what_waits() -> None:
    first, second = delivery("failover/a", sequence=1), delivery("failover/a", sequence=2)
    outbox = MemoryOutbox([first])
    made = Recorder(failing(unreachable()))
    loop = Loop(outbox, {"ops": made})
    async with loop.running():
        await outbox.until(lambda: outbox.rows[first.id].attempts == 1 and outbox.rows[first.id].state is DeliveryState.PENDING)
        await settle()
        outbox.rows |= {second.id: second}
        loop.deliverer.wake([second])
        await settle()
        assert outbox.rows[second.id].attempts == 0
        loop.pass_time(2)
        await outbox.until(all_in(outbox, DeliveryState.SENT))
    assert ids(made.sent) == [first.id, second.id]


async def test_a_call_that_comes_while_the_outbox_is_read_is_not_lost() -> None:
    for turns in range(12):
        outbox = MemoryOutbox([delivery("failover/first")])
        loop = Loop(outbox, {"ops": Recorder(), "other": Recorder()})
        async with loop.running():
            await settle(turns)
            outbox.rows |= {row.id: row for row in (delivery(), delivery(target="other"))}
            loop.deliverer.wake()
            await outbox.until(all_in(outbox, DeliveryState.SENT), timeout_seconds=0.9)
        assert len(outbox.written) == 6


async def test_a_failed_delivery_is_tried_again_later_and_later() -> None:
    outbox = MemoryOutbox([delivery()])
    made = Recorder(failing(unreachable(), unreachable(), unreachable()))
    loop = Loop(outbox, {"ops": made})
    async with loop.running():
        for attempt in (1, 2, 3):
            await outbox.until(tried(outbox, attempt))
            await outbox.until(all_in(outbox, DeliveryState.PENDING))
            row = outbox.rows[delivery().id]
            assert row.next_attempt_at is not None
            wait = (row.next_attempt_at - loop.clock.now()).total_seconds()
            assert 2 ** (attempt - 1) <= wait <= 2**attempt
            assert row.error == "unreachable: no route"
            loop.pass_time(wait - 0.001)
            await settle()
            assert len(made.tried) == attempt
            loop.pass_time(0.002)
        await outbox.until(all_in(outbox, DeliveryState.SENT))
        await settle()
    assert outbox.rows[delivery().id].attempts == 4
    assert loop.observed == [("ops", "unreachable")] * 3 + [("ops", "sent")]


@given(attempts=st.integers(1, 10_000), seed=st.integers())
def test_a_retry_waits_between_one_second_and_ten_minutes(attempts: int, seed: int) -> None:
    wait = retry_seconds(attempts, Random(seed))
    assert 1 <= wait <= 600
    assert attempts < 11 or wait >= 300


async def test_the_wait_that_a_target_asks_for_is_kept_up_to_an_hour() -> None:
    busy, absurd = (DeliveryError(DeliveryReason.THROTTLED, "busy", retry_after_seconds=seconds) for seconds in (90, 1e9))
    outbox = MemoryOutbox([delivery()])
    loop = Loop(outbox, {"ops": Recorder(failing(busy, absurd))})
    async with loop.running():
        await outbox.until(lambda: outbox.rows[delivery().id].next_attempt_at == AT + timedelta(seconds=90))
        loop.pass_time(90)
        await outbox.until(lambda: outbox.rows[delivery().id].next_attempt_at == AT + timedelta(seconds=90 + 3600))


async def test_a_permanent_error_is_final_and_logged_with_a_remedy(caplog: pytest.LogCaptureFixture) -> None:
    outbox = MemoryOutbox([delivery()])
    loop = Loop(outbox, {"ops": Recorder(failing(DeliveryError(DeliveryReason.REFUSED, "550 no", permanent=True)))})
    async with loop.running():
        await outbox.until(all_in(outbox, DeliveryState.FAILED))
        await settle()
    (record,) = [record for record in caplog.records if record.levelno == logging.ERROR]
    facts = vars(record)
    assert (facts["notifier"], facts["reason"], facts["error"]) == ("ops", "refused", "550 no")
    assert "recipients" in facts["remedy"]
    assert loop.observed == [("ops", "failed")]


async def test_a_delivery_is_given_up_after_its_time_but_never_untried() -> None:
    outbox = MemoryOutbox([replace(delivery(), created_at=AT - timedelta(hours=100))])
    made = Recorder(failing(unreachable()))
    async with Loop(outbox, {"ops": made}).running():
        await outbox.until(all_in(outbox, DeliveryState.FAILED))
    assert len(made.tried) == 1
    assert outbox.rows[delivery().id].next_attempt_at is None


async def test_a_target_that_is_no_longer_configured_fails_clearly() -> None:
    outbox = MemoryOutbox([delivery(target="gone"), delivery()])
    async with Loop(outbox, {"ops": Recorder()}).running():
        await outbox.until(all_in(outbox, DeliveryState.FAILED, DeliveryState.SENT))
    assert outbox.rows["web/failover/grpPg/1/gone"].error == "no target named gone is configured any more"
    assert outbox.rows["web/failover/grpPg/1/ops"].state is DeliveryState.SENT


async def test_a_retry_is_marked_as_repeated_only_when_the_target_may_have_taken_it() -> None:
    outbox = MemoryOutbox([delivery()])
    made = Recorder(failing(unreachable(), unreachable(unsure=True), unreachable()))
    loop = Loop(outbox, {"ops": made})
    async with loop.running():
        for attempt in (1, 2, 3):
            await outbox.until(tried(outbox, attempt))
            await outbox.until(all_in(outbox, DeliveryState.PENDING))
            loop.pass_time(600)
        await outbox.until(all_in(outbox, DeliveryState.SENT))
    assert [notification.repeated for notification in made.tried] == [False, False, True, True]


async def test_what_a_crash_left_is_sent_again_and_marked() -> None:
    outbox = MemoryOutbox([replace(delivery(), state=DeliveryState.SENDING, attempts=1), delivery("failover/other")])
    made = Recorder()
    async with Loop(outbox, {"ops": made}).running():
        await outbox.until(all_in(outbox, DeliveryState.SENT))
    assert {notification.id: notification.repeated for notification in made.sent} == {
        "web/failover/grpPg/1/ops": True,
        "web/failover/other/1/ops": False,
    }


async def test_an_outbox_that_is_away_loses_nothing_and_sends_nothing_twice() -> None:
    """Whichever of its calls meets the outage."""

    async def meet(call: int) -> int:
        outbox = MemoryOutbox([delivery(), delivery(sequence=2)])
        outbox.away_at = {call}
        made = Recorder()
        async with Loop(outbox, {"ops": made}).running():
            await outbox.until(all_in(outbox, DeliveryState.SENT))
        assert ids(made.sent) == ["web/failover/grpPg/1/ops", "web/failover/grpPg/2/ops"]
        return outbox.calls

    calls = await asyncio.gather(*(meet(call) for call in range(1, 12)))
    assert min(calls) >= 8


async def test_a_result_is_kept_until_the_outbox_takes_it() -> None:
    outbox = MemoryOutbox([delivery()])

    async def go_away(notification: Notification) -> None:
        outbox.outages = 2

    made = Recorder(go_away)
    async with Loop(outbox, {"ops": made}).running():
        await outbox.until(all_in(outbox, DeliveryState.SENT))
    assert len(made.tried) == 1
    assert outbox.states(delivery().id) == ["sending", "sent"]


async def test_the_loop_does_not_spin() -> None:
    """Neither with nothing to do, nor while the outbox is away, nor while a target is busy and more waits for it."""
    hold = asyncio.Event()

    async def wait(notification: Notification) -> None:
        await hold.wait()

    for rows, outages, most in (
        ([], 0, 3),
        ([replace(delivery(), next_attempt_at=AT + timedelta(hours=1))], 0, 3),
        ([delivery()], 10**6, 1),
        ([delivery(f"failover/{number}") for number in range(100)], 0, 8),
    ):
        outbox = MemoryOutbox(rows)
        outbox.outages = outages
        async with Loop(outbox, {"ops": Recorder(wait)}, stop_seconds=0).running():
            await settle(500)
            assert outbox.calls <= most


async def test_a_defect_in_a_notifier_or_in_the_words_stops_nobody_and_shows_no_secret(caplog: pytest.LogCaptureFixture) -> None:
    outbox = MemoryOutbox([delivery("failover/a", "broken"), delivery("failover/b", "other"), delivery("failover/c", "cancelling")])
    cancelling = Recorder(failing(asyncio.CancelledError()))
    loop = Loop(
        outbox, {"broken": Recorder(failing(ZeroDivisionError("https://user:s3cret@host"))), "other": Recorder(), "cancelling": cancelling}
    )
    async with loop.running():
        await outbox.until(lambda: len(outbox.written) == 6)
        await settle()
        loop.pass_time(600)
        await outbox.until(all_in(outbox, DeliveryState.SENT))
    assert sorted(loop.observed) == sorted(
        [("broken", "defect"), ("broken", "sent"), ("other", "sent"), ("cancelling", "defect"), ("cancelling", "sent")]
    )
    assert "s3cret" not in " ".join(str(vars(record)) for record in caplog.records)
    (record,) = [record for record in caplog.records if vars(record).get("exception") == "ZeroDivisionError"]
    assert "test_delivery_loop.py" in vars(record)["where"]


async def test_words_that_cannot_be_made_are_a_defect_of_their_delivery_alone() -> None:
    outbox = MemoryOutbox([delivery("failover/a"), delivery("failover/b")])

    def stumble(due: Delivery, target: Target) -> Notification:
        if due.transition.incident.key == "failover/a":
            raise KeyError("no words")
        return compose(due, target)

    clock = FakeClock(AT)
    deliverer = Deliverer(outbox, {"ops": Outlet(target=Target(name="ops"), notifier=Recorder())}, stumble, clock)
    task = asyncio.create_task(deliverer.run())
    await outbox.until(lambda: outbox.rows["web/failover/b/1/ops"].state is DeliveryState.SENT)
    task.cancel()
    await asyncio.wait([task])
    stumbled = outbox.rows["web/failover/a/1/ops"]
    assert (stumbled.state, stumbled.repeated) == (DeliveryState.PENDING, False)
    assert stumbled.error.startswith("defect: ")


async def test_the_steps_of_an_incident_arrive_in_order_also_when_the_first_must_be_tried_again() -> None:
    outbox = MemoryOutbox([delivery(sequence=1), delivery(sequence=2), delivery(sequence=3)])
    made = Recorder(failing(unreachable(), None, unreachable()))
    loop = Loop(outbox, {"ops": made})
    async with loop.running():
        for _ in range(2):
            await outbox.until(lambda: any(row.next_attempt_at for row in outbox.rows.values()))
            await settle()
            loop.pass_time(600)
            await settle()
        await outbox.until(all_in(outbox, DeliveryState.SENT))
    assert ids(made.sent) == [f"web/failover/grpPg/{sequence}/ops" for sequence in (1, 2, 3)]


async def test_a_target_that_hangs_with_a_long_queue_does_not_hold_up_the_others() -> None:
    hold = asyncio.Event()

    async def wait(notification: Notification) -> None:
        await hold.wait()

    rows = [delivery(f"failover/{number}", "slow") for number in range(300)]
    rows.append(replace(delivery("failover/late"), created_at=AT + timedelta(seconds=1)))
    outbox = MemoryOutbox(rows)
    slow, quick = Recorder(wait), Recorder()
    async with Loop(outbox, {"slow": slow, "ops": quick}, stop_seconds=0).running():
        await outbox.until(lambda: outbox.rows["web/failover/late/1/ops"].state is DeliveryState.SENT)
        assert slow.most_at_once == 1


async def test_no_more_than_the_limit_are_sent_at_once() -> None:
    busy = most = 0

    async def count(notification: Notification) -> None:
        nonlocal busy, most
        busy += 1
        most = max(most, busy)
        await settle(5)
        busy -= 1

    names = [f"t{number}" for number in range(10)]
    outbox = MemoryOutbox([delivery(f"failover/{number}", name) for number in range(5) for name in names])
    async with Loop(outbox, {name: Recorder(count) for name in names}, concurrency=3).running():
        await outbox.until(all_in(outbox, DeliveryState.SENT))
    assert most == 3


async def test_a_notifier_that_never_returns_is_ended_and_tried_again() -> None:
    async def hang(notification: Notification) -> None:
        await asyncio.Event().wait()

    outbox = MemoryOutbox([delivery()])
    async with Loop(outbox, {"ops": Recorder(hang)}, send_limit_seconds=0.05).running():
        await outbox.until(lambda: outbox.states(delivery().id) == ["sending", "pending"])
    row = outbox.rows[delivery().id]
    assert row.error.startswith("timeout: ")
    assert row.repeated


async def test_a_stop_lets_what_is_being_sent_finish_and_starts_nothing_new() -> None:
    hold = asyncio.Event()

    async def wait(notification: Notification) -> None:
        await hold.wait()

    outbox = MemoryOutbox([delivery("failover/a"), delivery("failover/b")])
    made = Recorder(wait)
    async with Loop(outbox, {"ops": made}).running() as task:
        await outbox.until(lambda: len(outbox.written) == 1)
        await settle()
        task.cancel()
        await settle()
        hold.set()
    assert ids(made.sent) == ["web/failover/a/1/ops"]
    assert [row.state.value for row in outbox.rows.values()] == ["sent", "pending"]


async def test_what_does_not_finish_in_time_is_ended_and_repeated_after_the_start() -> None:
    async def hang(notification: Notification) -> None:
        await asyncio.Event().wait()

    outbox = MemoryOutbox([delivery()])
    async with Loop(outbox, {"ops": Recorder(hang)}, stop_seconds=0.05).running():
        await outbox.until(lambda: len(outbox.written) == 1)
        await settle()
    assert outbox.rows[delivery().id].state is DeliveryState.SENDING
    made = Recorder()
    async with Loop(outbox, {"ops": made}).running():
        await outbox.until(all_in(outbox, DeliveryState.SENT))
    assert [notification.repeated for notification in made.sent] == [True]


ERRORS: dict[str, Callable[[], BaseException | None]] = {
    "ok": lambda: None,
    "retry": unreachable,
    "unsure": lambda: unreachable(unsure=True),
    "defect": lambda: RuntimeError("defect"),
    "permanent": lambda: unreachable(permanent=True),
}
SCRIPTS = st.lists(st.sampled_from(["ok", "retry", "unsure", "defect", "permanent"]), max_size=12)


def assert_each_was_told_once_and_in_order(outbox: MemoryOutbox, made: Sequence[Recorder]) -> None:
    for number, recorder in enumerate(made):
        assert recorder.most_at_once == 1
        sent = [row.id for row in outbox.rows.values() if row.state is DeliveryState.SENT and row.target == f"t{number}"]
        assert sorted(ids(recorder.sent)) == sorted(sent)
        for key in ("failover/a", "failover/b"):
            order = [notification.transition.sequence for notification in recorder.tried if notification.transition.incident.key == key]
            assert order == sorted(order)


@settings(max_examples=40, deadline=None)
@given(scripts=st.lists(SCRIPTS, min_size=1, max_size=3), steps=st.integers(1, 4), concurrency=st.integers(1, 3))
def test_whatever_the_targets_do_every_delivery_ends_and_is_in_order(scripts: list[list[str]], steps: int, concurrency: int) -> None:
    async def play() -> tuple[MemoryOutbox, list[Recorder]]:
        names = [f"t{number}" for number in range(len(scripts))]
        made = [Recorder(failing(*(ERRORS[word]() for word in script))) for script in scripts]
        outbox = MemoryOutbox(
            [delivery(key, name, sequence) for key in ("failover/a", "failover/b") for sequence in range(1, steps + 1) for name in names]
        )
        loop = Loop(outbox, dict(zip(names, made, strict=True)), hours=10**6, concurrency=concurrency)
        ended = all_in(outbox, DeliveryState.SENT, DeliveryState.FAILED)
        async with asyncio.timeout(20), loop.running():
            while not ended():
                await settle(20)
                loop.pass_time(700)
        return outbox, made

    outbox, made = asyncio.run(play())
    assert_each_was_told_once_and_in_order(outbox, made)


@settings(max_examples=60, deadline=None)
@given(
    scripts=st.lists(SCRIPTS, min_size=1, max_size=3),
    turns=st.lists(st.integers(0, 60), min_size=1, max_size=5),
    concurrency=st.integers(1, 3),
)
def test_whatever_comes_at_whatever_moment_is_told_once_and_in_order(scripts: list[list[str]], turns: list[int], concurrency: int) -> None:
    async def play() -> tuple[MemoryOutbox, list[Recorder]]:
        made = [Recorder(failing(*(ERRORS[word]() for word in script))) for script in scripts]
        outbox = MemoryOutbox()
        loop = Loop(outbox, {f"t{number}": one for number, one in enumerate(made)}, hours=10**6, concurrency=concurrency)
        ended = all_in(outbox, DeliveryState.SENT, DeliveryState.FAILED)
        async with asyncio.timeout(20), loop.running():
            for sequence, wait in enumerate(turns, 1):
                await settle(wait)
                new = [delivery(key, f"t{number}", sequence) for key in ("failover/a", "failover/b") for number in range(len(made))]
                outbox.rows |= {row.id: row for row in new}
                loop.deliverer.wake(new)
            while not ended():
                await settle(20)
                loop.pass_time(700)
        return outbox, made

    outbox, made = asyncio.run(play())
    assert_each_was_told_once_and_in_order(outbox, made)


def test_the_outbox_of_the_tests_is_one() -> None:
    """For mypy: the stand-in has the methods of the port."""
    outboxes: Sequence[Outbox] = [MemoryOutbox()]
    assert outboxes
