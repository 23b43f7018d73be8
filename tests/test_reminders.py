"""Reminders of missing redundancy go through the history like everything else: once to each target, whenever hamon is killed."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

from hamon.app import Composer, with_reminders
from hamon.classify.settings import ClusterSettings
from hamon.model.delivery import Delivery
from hamon.model.incident import Notice
from hamon.model.observation import LogChunk, Tick
from hamon.notify.mailbox import MailboxConfig
from hamon.ports import IncidentFilter
from tests.fakes import FakeClock
from tests.processing import TAKEN_OVER, Processing

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
LOG = TAKEN_OVER + b"Nov 22 11:59:54 n2   info: fail-over succeeded.\n"

OPS = MailboxConfig(path=Path("/nowhere"), remind_after=("1h", "8h"), remind_planned_after=()).target("ops")
BOSS = MailboxConfig(path=Path("/nowhere"), remind_after=("8h",), language="ja").target("boss")
NEVER = MailboxConfig(path=Path("/nowhere"), remind_after=()).target("never")
TARGETS = (OPS, BOSS, NEVER)


class Run(Processing):
    """One run of the processing on the database; it is killed by going away."""

    def __init__(self, folder: Path) -> None:
        settings = with_reminders(ClusterSettings(name="web01", services={"db": ("prmPg",)}), TARGETS)
        super().__init__(folder, FakeClock(NOW), settings, targets=TARGETS)

    async def read(self, log: bytes, at: datetime) -> None:
        await self.give(LogChunk(cluster="web01", collector="n2", path="/log", data=log, offset=0, received_at=at), Tick(now=at))

    async def pass_time(self, *hours: float, killed: bool = False) -> None:
        """Let the clock tell these times (hours after the failover); `killed`: before the last of it is recorded."""
        for number, hour in enumerate(hours, 1):
            now = NOW + timedelta(hours=hour)
            result = self.processor._digest([Tick(now=now)])
            if not (killed and number == len(hours)):
                await self.processor._record(result)

    async def reminded(self) -> list[Delivery]:
        (incident,) = await self.store.incidents(IncidentFilter(cluster="web01"))
        return [one for one in await self.store.deliveries("web01", incident.key) if one.transition.notice is Notice.REMINDER]


async def begin(folder: Path) -> None:
    """A database with the failover, told to all."""
    async with Run(folder) as run:
        await run.read(LOG, NOW)
        (incident,) = await run.store.incidents(IncidentFilter(cluster="web01"))
        assert (incident.kind, incident.redundancy, incident.debt_since) == ("failover", False, incident.service_restored_at)
        told = await run.store.deliveries("web01", incident.key)
        assert {one.target for one in told} == {"ops", "boss", "never"}


async def test_each_target_is_reminded_once_at_its_own_ages_over_kills_before_and_after_the_record(tmp_path: Path) -> None:
    await begin(tmp_path)
    seen: list[list[tuple[str, int]]] = []
    for hours, killed in (
        ((0.5, 1.01), True),
        ((0.9, 1.02), False),
        ((1.03, 1.1, 7.9), False),
        ((7.95, 8.01), True),
        ((8.02, 8.1), False),
        ((9, 20), False),
    ):
        async with Run(tmp_path) as run:
            await run.pass_time(*hours, killed=killed)
            seen.append([(one.target, round(one.transition.at.timestamp() - NOW.timestamp()) // 3600) for one in await run.reminded()])
    first, both = [("ops", 1)], [("ops", 1), ("boss", 8), ("ops", 8)]
    assert [sorted(items) for items in seen] == [[], first, first, first, sorted(both), sorted(both)]


async def test_nobody_is_reminded_of_what_was_paid_while_hamon_was_away(tmp_path: Path) -> None:
    await begin(tmp_path)
    async with Run(tmp_path) as run:
        await run.pass_time(9.0)
        rejoined = b"Nov 22 15:00:00 n2   info: Node n1 is member\nNov 22 15:00:09 n1   info: Disk connection to /dev/sdb is normal.\n"
        await run.read(rejoined, NOW + timedelta(hours=9, seconds=1))
        await run.pass_time(9.1, 30)
        assert await run.reminded() == []


async def test_a_reminder_says_so_in_the_language_of_its_target_with_age_and_reason(tmp_path: Path) -> None:
    await begin(tmp_path)
    async with Run(tmp_path) as run:
        await run.pass_time(0.1, 8.0)
        compose, texts = Composer("UTC"), {}
        for one in await run.reminded():
            notification = compose(one, next(target for target in TARGETS if target.name == one.target))
            texts[one.target] = notification.subject, notification.text
        assert texts["ops"][0].startswith("[reminder after 8 h] web01: service db failed over n1 -> n2")
        assert "Reminder: not protected for 8 h, since 2026-11-22 11:59. The next fault means an outage. Why: " in texts["ops"][1]
        assert "n1 is lost" in texts["ops"][1]
        assert texts["boss"][0].startswith("[リマインダ: 8 時間 経過] web01: ")
        assert "リマインダ: 2026-11-22 11:59 から 8 時間 の間、冗長性がありません。" in texts["boss"][1]
