"""The outbox and SNMP: a receiver that was away gets everything in order, once, or marked; others hear that it lags."""

import asyncio
import os
import re
import sys
from collections import defaultdict
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from random import Random

import pytest

from hamon.errors import DeliveryError, DeliveryReason
from hamon.model.delivery import DeliveryState, Notification
from hamon.model.incident import IncidentKind, IncidentState, Notice
from hamon.model.observation import TargetDelivers, TargetLags
from hamon.notify.snmp_trap import SnmpTrapNotifier
from hamon.pipeline import Deliverer, Outlet
from hamon.ports import Recording
from hamon.snmp import SnmpConfig
from hamon.snmp.local import begin
from hamon.store import migrate
from hamon.store.store import SqlStore
from tests.fakes import FakeClock
from tests.memory_outbox import MemoryOutbox
from tests.notify.gateway import compose
from tests.notify.stories import AT, INCIDENT, delivery, step
from tests.notify.test_snmp_trap import config
from tests.snmp.nms import Nms, free_port, running, users


def stories(count: int) -> list[tuple[str, int]]:
    """Raises and clears, interleaved as they happen: every raise before its clear, stories overlapping."""
    told = []
    for number in range(count):
        told.append((f"story-{number}", 1))
        if number >= 2:
            told.append((f"story-{number - 2}", 2))
    return told + [(f"story-{number}", 2) for number in range(max(0, count - 2), count)]


def outbox_of(told: list[tuple[str, int]]) -> MemoryOutbox:
    made = []
    for place, (key, number) in enumerate(told):
        over = number == 2
        incident = replace(INCIDENT, key=key, state=IncidentState.RESOLVED if over else IncidentState.OPEN)
        transition = step(incident, number, Notice.CLOSING if over else Notice.OPENING)
        made.append(replace(delivery(key, sequence=number), transition=transition, created_at=AT + timedelta(seconds=place)))
    return MemoryOutbox(made)


async def test_a_receiver_that_was_away_for_a_day_gets_everything_in_order(tmp_path: Path) -> None:
    told = stories(40)
    outbox, clock, reports = outbox_of(told), FakeClock(AT), list[TargetLags | TargetDelivers]()
    entity = begin(SnmpConfig(), tmp_path / "state", AT)
    nms = Nms(tmp_path / "nms", users(entity.identity.engine_id_text))
    settings = config(nms.address, timeout_seconds=0.2, retries=0, max_pending=100)
    notifier = SnmpTrapNotifier("ops", settings, clock)
    notifier.attach(entity)
    failed = asyncio.Event()

    def observe(target: str, result: str, seconds: float) -> None:
        if result == "timeout":
            failed.set()

    async def report(what: TargetLags | TargetDelivers) -> None:
        reports.append(what)

    deliverer = Deliverer(outbox, {"ops": Outlet(target=settings.target("ops"), notifier=notifier)}, compose, clock, observe=observe)
    deliverer.report = report
    delivering = asyncio.create_task(deliverer.run())
    for _ in range(4):  # it is tried again and again, always the oldest
        async with asyncio.timeout(30):
            await failed.wait()
        failed.clear()
        clock.advance(6 * 3600)
        deliverer.wake()
    async with asyncio.timeout(30):
        await failed.wait()
    assert {row.attempts for row in outbox.rows.values() if row.id != "web/story-0/1/ops"} == {0}
    try:
        async with running(nms):
            clock.advance(3600)
            deliverer.wake()
            await outbox.until(lambda: all(row.state is DeliveryState.SENT for row in outbox.rows.values()), 60)
            arrived = nms.arrived()
    finally:
        delivering.cancel()
        await asyncio.gather(delivering, return_exceptions=True)
        await notifier.close()
    assert [(one["Key"], one.name) for one in arrived] == [
        (key, "hamonFailover" if number == 1 else "hamonFailoverCleared") for key, number in told
    ]
    assert [int(one["Sequence"]) for one in arrived] == list(range(1, len(told) + 1))
    assert [one["Key"] for one in arrived if one["Restated"] == "true"] == ["story-0"]
    assert [type(one) for one in reports] == [TargetLags, TargetDelivers]


@pytest.mark.parametrize(("kills", "mails"), [(4, 40), pytest.param(25, 150, marks=pytest.mark.full)])
async def test_killed_at_any_moment_every_notification_arrives_once_or_is_marked(kills: int, mails: int, tmp_path: Path) -> None:
    """kill -9 of the sending process: each number arrives, and what arrives twice says so."""
    database, state = tmp_path / "hamon.db", tmp_path / "state"
    told = stories(mails // 2)
    await asyncio.to_thread(migrate.upgrade, f"sqlite:///{database}")
    store = SqlStore(f"sqlite:///{database}", clock=FakeClock())
    made = list(outbox_of(told).rows.values())
    await store.record(Recording(transitions=[one.transition for one in made], deliveries=made))
    await store.close()
    entity = begin(SnmpConfig(), state, AT)
    random = Random(20)
    async with running(Nms(tmp_path / "nms", users(entity.identity.engine_id_text))) as nms:
        for _ in range(kills):
            before = len(nms.arrived())
            process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "tests.notify.gateway", str(database), str(nms.port), str(state)
            )
            wanted = before + random.randint(1, max(1, mails // (kills + 2)))
            # A little later than what was seen, somewhere in its own work.
            await nms.until(lambda wanted=wanted, process=process: len(nms.arrived()) >= wanted or process.returncode is not None, 60)  # type: ignore[misc]
            await asyncio.sleep(random.random() * 0.02)
            if process.returncode is None:
                process.kill()
            await process.wait()
        last = await asyncio.create_subprocess_exec(sys.executable, "-m", "tests.notify.gateway", str(database), str(nms.port), str(state))
        async with asyncio.timeout(120):
            assert await last.wait() == 0
        arrived = await nms.has(mails)
    by_number = defaultdict(list)
    for one in arrived:
        by_number[int(one["Sequence"])].append(one)
    assert sorted(by_number) == list(range(1, len(told) + 1))
    for same in by_number.values():
        assert [one["Restated"] for one in same[1:]] == ["true"] * (len(same) - 1)
        assert len({(one["Key"], one.name) for one in same}) == 1
    first = [by_number[number][0] for number in sorted(by_number)]
    assert [(one["Key"], one.name.endswith("Cleared")) for one in first] == [(key, number == 2) for key, number in told]


async def test_above_its_limit_overtaken_steps_are_dropped_and_a_pair_is_told_as_nothing(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'hamon.db'}"
    await asyncio.to_thread(migrate.upgrade, url)
    store = SqlStore(url, clock=FakeClock())
    made = list(outbox_of(stories(10)).rows.values())
    await store.record(Recording(transitions=[one.transition for one in made], deliveries=made))
    assert await store.drop_overtaken("other") == 0
    assert await store.drop_overtaken("ops") == 10
    assert await store.pending_deliveries() == {"ops": 10}
    due = await store.due_deliveries(AT + timedelta(days=1), 100)
    assert {one.transition.sequence for one in due} == {2}
    assert await store.due_deliveries(AT + timedelta(days=1), 100, {"ops"}) == []
    assert await store.next_delivery_at({"ops"}) is None
    await store.close()
    entity = begin(SnmpConfig(), tmp_path / "state", AT)
    notifier = SnmpTrapNotifier("ops", config(f"127.0.0.1:{free_port()}", retries=0), FakeClock(AT))
    notifier.attach(entity)
    for one in due:
        await notifier.send(compose(one, config("x").target("ops")))  # nobody listens there: nothing is sent
    await notifier.close()


class _Refusing:
    """Takes nothing, for the given reason, until it is mended."""

    def __init__(self, error: DeliveryError | None) -> None:
        self.error = error

    async def send(self, notification: Notification) -> None:
        if self.error is not None:
            raise self.error

    async def close(self) -> None:
        """Nothing is open."""


@pytest.mark.parametrize("lagged", [False, True])
async def test_the_first_success_after_a_start_ends_only_what_was_told_before_it(lagged: bool) -> None:
    outbox, clock = outbox_of(stories(1)), FakeClock(AT)
    reports: asyncio.Queue[TargetLags | TargetDelivers] = asyncio.Queue()
    target = config("192.0.2.1").target("ops")
    deliverer = Deliverer(outbox, {"ops": Outlet(target=target, notifier=_Refusing(None))}, compose, clock)
    deliverer.report = reports.put
    if lagged:
        deliverer.lagged(["ops", "gone"])
    delivering = asyncio.create_task(deliverer.run())
    async with asyncio.timeout(20):
        while await outbox.pending_deliveries():
            await asyncio.sleep(0.01)
        if lagged:
            assert await reports.get() == TargetDelivers(target="ops", at=clock.now())
    delivering.cancel()
    await asyncio.gather(delivering, return_exceptions=True)
    assert reports.empty()


async def test_a_target_that_refuses_its_credentials_is_told_of_at_once_and_again_when_it_is_mended() -> None:
    outbox, clock = outbox_of(stories(2)), FakeClock(AT)
    notifier = _Refusing(DeliveryError(DeliveryReason.CREDENTIALS, "the receiver does not know the user"))
    reports: asyncio.Queue[TargetLags | TargetDelivers] = asyncio.Queue()
    target = config("192.0.2.1").target("ops")
    deliverer = Deliverer(outbox, {"ops": Outlet(target=target, notifier=notifier)}, compose, clock)
    deliverer.report = reports.put
    delivering = asyncio.create_task(deliverer.run())
    async with asyncio.timeout(20):
        first = await reports.get()
    assert isinstance(first, TargetLags)
    assert (first.target, first.refuses, first.pending) == ("ops", True, 4)
    notifier.error = None
    clock.advance(3600)
    deliverer.wake()
    async with asyncio.timeout(20):
        second = await reports.get()
    assert second == TargetDelivers(target="ops", at=clock.now())
    delivering.cancel()
    await asyncio.gather(delivering, return_exceptions=True)
    assert reports.empty()


def test_a_backlog_is_told_to_the_other_targets_only() -> None:
    from hamon.classify.routes import Target, plan

    incident = replace(INCIDENT, kind=IncidentKind.DELIVERY_BACKLOG, resources=("ops",), nodes=(), from_node=None)
    targets = [Target(name="ops"), Target(name="mail")]
    assert [one.target for one in plan([step(incident)], targets, AT, {})] == ["mail"]


CONFIG = """
[cluster.web]
[notify.snmp_trap.noc]
address = "{address}"
auth_passphrase = "secret-auth"
priv_passphrase = "{priv}"
kind = "{kind}"
timeout_seconds = 1
retries = 0
"""


async def hamon(tmp_path: Path, *arguments: str) -> tuple[int, str, str]:
    environ = os.environ | {"STATE_DIRECTORY": str(tmp_path / "state")}
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "hamon", *arguments, env=environ, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    async with asyncio.timeout(60):
        out, err = await process.communicate()
    return process.returncode or 0, out.decode(), err.decode()


@pytest.mark.parametrize("kind", ["inform", "trap"])
async def test_notify_test_sends_a_labelled_raise_and_clear_and_says_what_came_back(kind: str, tmp_path: Path) -> None:
    file = tmp_path / "hamon.toml"
    file.write_text("[snmp]\n")
    status, out, _ = await hamon(tmp_path, "snmp", "identity", "--config", str(file))
    found = re.search(r"0x[0-9a-f]+", out)
    assert status == 0
    assert found is not None
    engine_id = found[0]
    async with running(Nms(tmp_path / "nms", users(engine_id))) as nms:
        file.write_text(CONFIG.format(address=nms.address, priv="secret-priv", kind=kind))
        status, out, err = await hamon(tmp_path, "notify", "test", "noc", "--config", str(file))
        assert (status, err) == (0, "")
        assert "acknowledged" in out
        assert (engine_id in out) is (kind == "trap")
        arrived = await nms.has(3)
        names = [one.name for one in arrived]
        assert names == ["hamonTest", "hamonOtherAlarm", "hamonOtherAlarmCleared"]
        assert all(one["Text"].startswith("[TEST]") for one in arrived)
        assert arrived[1]["Key"] == arrived[2]["Key"]
        file.write_text(CONFIG.format(address=nms.address, priv="not the right one", kind=kind))
        status, out, err = await hamon(tmp_path, "notify", "test", "noc", "--config", str(file))
        assert "privacy passphrase" in out + err
        assert (status == 0) is (kind == "trap")
        assert "secret-" not in out + err
