"""Which traps are passed on, to whom, and what is done about those that cannot be."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

import pytest

from hamon.errors import DeliveryError, DeliveryReason
from hamon.model.delivery import Relay
from hamon.model.observation import SnmpVersion, Trap, VarBind, VarType
from hamon.pipeline.relay import RelayLoop, RelayPlan, RelayTarget
from hamon.snmp.relayed import TRAP_COMMUNITY, annotated, without_community
from tests.fakes import FakeClock
from tests.notify.stories import AT

ROOT = "1.3.6.1.4.1.8072.9999.9999.4742"
FORWARDER = (f"{ROOT}.1.5.16.0", b"ourself")
TRAP = Trap(
    cluster="web",
    collector="main",
    received_at=AT,
    source="192.0.2.5",
    version=SnmpVersion.V2C,
    credential="all",
    notification="1.3.6.1.4.1.32723.2.1",
    varbinds=(VarBind("1.3.6.1.4.1.32723.1.1", VarType.OCTET_STRING, b"n2"),),
)


def plan(*targets: RelayTarget, same: int = 50) -> RelayPlan:
    return RelayPlan(
        targets or (RelayTarget(name="noc"),), own=lambda: frozenset({"192.0.2.10"}), forwarder=FORWARDER, root=ROOT, same_per_second=same
    )


@pytest.mark.parametrize(
    ("trap", "target", "goes"),
    [
        (TRAP, RelayTarget(name="noc"), True),
        (TRAP, RelayTarget(name="noc", clusters=("other", "w*")), True),
        (TRAP, RelayTarget(name="noc", clusters=("other",)), False),
        (TRAP, RelayTarget(name="noc", notifications=("1.3.6.1.4.1.32723",)), True),
        (TRAP, RelayTarget(name="noc", notifications=("1.3.6.1.4.1.3272",)), False),
        (replace(TRAP, version=SnmpVersion.V3), RelayTarget(name="noc", is_private=False), False),
        (replace(TRAP, version=SnmpVersion.V3), RelayTarget(name="noc", is_private=False, allow_downgrade=True), True),
        (replace(TRAP, version=SnmpVersion.V3), RelayTarget(name="noc"), True),
        (replace(TRAP, notification=f"{ROOT}.0.101"), RelayTarget(name="noc"), False),
        (replace(TRAP, notification=f"{ROOT}.0.101"), RelayTarget(name="noc", accept_hamon=True), True),
        (replace(TRAP, notification=f"{ROOT}1.0.101"), RelayTarget(name="noc"), True),
        (replace(TRAP, source="192.0.2.10"), RelayTarget(name="noc"), False),
        (replace(TRAP, varbinds=(*TRAP.varbinds, VarBind(FORWARDER[0], VarType.OCTET_STRING, b"ourself"))), RelayTarget(name="noc"), False),
        (replace(TRAP, varbinds=(*TRAP.varbinds, VarBind(FORWARDER[0], VarType.OCTET_STRING, b"another"))), RelayTarget(name="noc"), True),
    ],
)
def test_a_trap_goes_to_whom_it_may_and_not_in_a_circle(trap: Trap, target: RelayTarget, goes: bool) -> None:
    assert bool(plan(target)([trap], AT)) is goes


def test_more_of_the_very_same_in_a_second_than_any_cluster_sends_is_a_loop() -> None:
    planning = plan(same=3)
    assert len(planning([TRAP] * 5, AT)) == 3
    assert planning.dropped == 2
    other = replace(TRAP, varbinds=(VarBind("1.3.6.1.4.1.32723.1.1", VarType.OCTET_STRING, b"n3"),))
    assert len(planning([other], AT)) == 1
    assert len(planning([TRAP], AT + timedelta(seconds=1))) == 1
    assert len(plan(same=0)([TRAP] * 500, AT)) == 500


def test_a_community_is_not_told_and_an_ipv6_sender_is_named_in_our_own_words() -> None:
    secret = VarBind(TRAP_COMMUNITY, VarType.OCTET_STRING, b"secret")
    assert [item.value for item in without_community([*TRAP.varbinds, secret], "x")] == [b"n2", b"x"]
    root = tuple(map(int, ROOT.split(".")))
    added = annotated(replace(TRAP, source="2001:db8::5%eth0"), TRAP.varbinds, root, b"ourself", "")[1:]
    assert [(item.oid.removeprefix(f"{ROOT}.1.5."), item.value) for item in added] == [
        ("57.0", 2),
        ("58.0", bytes.fromhex("20010db8000000000000000000000005")),
        (TRAP_COMMUNITY, b""),
        ("16.0", b"ourself"),
    ]


class _Outbox:
    def __init__(self, count: int) -> None:
        self.rows = [Relay(id=number, target="noc", trap=replace(TRAP, uptime=number), created_at=AT) for number in range(1, count + 1)]
        self.changed = asyncio.Event()

    async def relays(self, target: str, limit: int) -> Sequence[Relay]:
        return self.rows[:limit]

    async def drop_relays(self, ids: Sequence[int]) -> None:
        self.rows = [row for row in self.rows if row.id not in ids]
        self.changed.set()

    async def trim_relays(self, target: str, keep: int) -> int:
        dropped, self.rows = self.rows[: max(0, len(self.rows) - keep)], self.rows[max(0, len(self.rows) - keep) :]
        return len(dropped)


class _Receiver:
    """Has an error for some traps, by their uptime; a transient one only the first time."""

    def __init__(self, **errors: Exception) -> None:
        self.errors = {int(number.removeprefix("at_")): error for number, error in errors.items()}
        self.taken: list[int | None] = []

    async def relay(self, trap: Trap) -> None:
        error = self.errors.pop(trap.uptime or 0, None)
        if error is not None:
            raise error
        self.taken.append(trap.uptime)


async def emptied(outbox: _Outbox, receiver: _Receiver, target: RelayTarget, clock: FakeClock) -> list[tuple[str, int]]:
    counted: list[tuple[str, int]] = []
    loop = RelayLoop(outbox, {"noc": (target, receiver)}, clock, observe=lambda name, result, count: counted.append((result, count)))
    running = asyncio.create_task(loop.run())
    async with asyncio.timeout(30):
        while outbox.rows:
            await outbox.changed.wait()
            outbox.changed.clear()
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    return counted


async def test_the_order_is_kept_over_a_failure_and_a_defect_or_refusal_stops_nothing_else() -> None:
    receiver = _Receiver(
        at_3=DeliveryError(DeliveryReason.TIMEOUT, "no answer", unsure=True),
        at_5=RuntimeError("a defect"),
        at_7=DeliveryError(DeliveryReason.REFUSED, "too big", permanent=True),
    )
    counted = await emptied(_Outbox(100), receiver, RelayTarget(name="noc"), FakeClock(AT))
    assert receiver.taken == [number for number in range(1, 101) if number not in (5, 7)]
    assert (counted.count(("failed", 1)), counted.count(("dropped", 1)), counted.count(("relayed", 1))) == (1, 2, 98)


async def test_what_is_too_old_or_too_much_is_dropped_and_counted() -> None:
    clock = FakeClock(AT + timedelta(hours=100))
    receiver = _Receiver()
    assert await emptied(_Outbox(3), receiver, RelayTarget(name="noc", max_attempts_hours=72), clock) == [("dropped", 1)] * 3
    assert (
        await emptied(_Outbox(10), receiver, RelayTarget(name="noc", max_attempts_hours=200, max_pending=4), clock)
        == [("dropped", 6)] + [("relayed", 1)] * 4
    )
    assert receiver.taken == [7, 8, 9, 10]
