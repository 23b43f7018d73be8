"""kill -9 at any moment: nothing is lost and nothing is there twice.

Two gateways read the same files, which grow as a real cluster writes them (a recording, played faster). One is killed again and again,
the other is left alone; at the end both must know the same events and incidents, and people must have been told the same.

What may differ, and is therefore not compared: how many steps an incident took (one that only makes a timeline longer is made once a batch,
and batches are cut by time), hence the numbers of steps and the Message-IDs made of them; and which node's copy of a fact counts as the
first where both have the same one within milliseconds (`witness`, the wording of a timeline entry, milliseconds of a time, the name of a
node that one copy gives by number only); and, where what
ends an incident is written at the very moment when its settle time ends by the clock, whether people get an opening and a closing or one
message that says that it was so: compared is who was told of which incident, and the last word of it.
"""

import asyncio
import hashlib
import re
from collections import Counter, defaultdict
from collections.abc import Iterable
from datetime import datetime, timedelta
from email.message import Message
from pathlib import Path
from random import Random
from typing import Any

import pytest

from hamon.data import folder
from hamon.demo import lines_of
from tests.gateway.harness import Gateway, now, restamped, until
from tests.notify.mail_server import MailServer

RECORDINGS = folder("tests") / "corpus" / "recordings"
NODES = ("pm01", "pm02")
LOGS = ("pacemaker.log", "corosync.log")
SERVICES = {"web_shop": ["prmEx", "prmFs", "prmIp", "prmPg"], "database": ["prmStateful"]}
_NUMBER = re.compile(r"nodes-\d+-")
LEAD = 1.5
"""Seconds before the first line, in which the gateways start."""

# Of the smaller recordings only one node has a corosync.log, or none.
CASES = [
    pytest.param("chronicle", 1, 12, 14.0),
    pytest.param("chronicle", 2, 50, 70.0, marks=pytest.mark.full),
    pytest.param("failover_resource", 3, 50, 40.0, marks=pytest.mark.full),
    pytest.param("standby_crash", 4, 50, 40.0, marks=pytest.mark.full),
    pytest.param("kill_corosync_active", 5, 50, 60.0, marks=pytest.mark.full),
]


class Writer:
    """Plays a recording into the log files, in pieces that end anywhere, also within a line."""

    def __init__(self, recording: str, logs: Path, seconds: float, random: Random) -> None:
        for node in NODES:
            for name in LOGS:
                (logs / node / name).touch()
        lines = lines_of(RECORDINGS / recording)
        length = (lines[-1].at - lines[0].at).total_seconds()
        # Keys hold the second of detection: whole seconds here, so that no run has two copies of a fact on either side of one.
        end = now().replace(microsecond=0) + timedelta(seconds=LEAD + seconds + 1)
        self._pieces: list[tuple[datetime, Path, bytes]] = []
        for at, file, line in restamped(lines, speed=length / seconds, end=end):
            text = f"{line}\n".encode()
            cuts = sorted(random.randrange(1, len(text)) for _ in range(random.choice((0, 0, 1, 2))))
            for begin, stop in zip([0, *cuts], [*cuts, len(text)], strict=True):
                self._pieces.append((at, logs / file, text[begin:stop]))

    async def run(self) -> None:
        for at, path, piece in self._pieces:
            await until(at)
            with path.open("ab") as file:
                file.write(piece)


async def kill_at_random(gateway: Gateway, kills: int, seconds: float, random: Random) -> None:
    """Kill and start again; some of the moments are within the start."""
    for _ in range(kills):
        await until(now() + timedelta(seconds=random.uniform(0.05, 2 * seconds / kills)))
        await gateway.kill()
        await gateway.launch()
    await gateway.is_ready()


def facts(events: Iterable[dict[str, Any]]) -> Counter[tuple[Any, ...]]:
    names = ("at", "kind", "node", "resource", "reporter", "ref", "raw")
    return Counter(tuple(None if name == "node" and _NUMBER.search(event["raw"]) else event[name] for name in names) for event in events)


def stories(incidents: Iterable[dict[str, Any]]) -> Counter[tuple[Any, ...]]:
    names = ("key", "kind", "planned", "outcome", "from_node", "to_node", "fenced", "state", "severity", "part_of", "redundancy")
    return Counter(tuple(str(incident[name]) for name in names) for incident in incidents)


async def told(gateway: Gateway) -> tuple[Counter[tuple[str, str, str]], set[str]]:
    """Which target was told of which incident by which notice; and the ids of those deliveries."""
    found: Counter[tuple[str, str, str]] = Counter()
    ids = set()
    for incident in await gateway.incidents():
        for delivery in (await gateway.whole(incident))["deliveries"]:
            assert delivery["state"] == "sent"
            found[incident["key"], delivery["target"], delivery["notice"]] += 1
            ids.add(delivery["id"])
    return found, ids


def last_words(server: MailServer) -> dict[str, str]:
    """The last mail of each incident: its subject without the words in brackets."""
    return {taken.mail["X-Hamon-Incident"]: re.sub(r"^\s*(\[[^]]*\] )+", "", str(taken.mail["Subject"])) for taken in server.taken}


def check_mails(mails: Iterable[Message], deliveries: Iterable[str], domain: str, kills: int) -> None:
    """Every delivery arrived; a repeat has the same Message-ID and says that it is one."""
    marks: dict[str, list[str | None]] = defaultdict(list)
    for mail in mails:
        marks[mail["Message-ID"]].append(mail["X-Hamon-Repeated"])
    expected = {f"<{hashlib.sha256(delivery.encode()).hexdigest()[:32]}@{domain}>" for delivery in deliveries}
    assert marks.keys() == expected
    for copies in marks.values():
        assert copies[1:] == ["yes"] * (len(copies) - 1)
    assert sum(copies.count("yes") for copies in marks.values()) <= kills


@pytest.mark.parametrize(("recording", "seed", "kills", "seconds"), CASES)
async def test_kill_9_at_random_moments_changes_nothing_of_what_is_known_and_told(
    tmp_path: Path, recording: str, seed: int, kills: int, seconds: float
) -> None:
    random = Random(seed)
    logs = tmp_path / "logs"
    # Longer than a busy machine is late with starting and reading, or the clock decides before the evidence: all goes eleven times too
    # fast here. The long variants run for an hour beside others, and start fifty times.
    patience = 3.0 if kills >= 50 else 1.0
    times = {"settle_seconds": 2.0 * patience, "membership_seconds": 6.0 * patience, "grace_seconds": 10.0 * patience}
    async with MailServer() as calm_server, MailServer() as server:
        shared: dict[str, Any] = {"logs": LOGS, "logs_in": logs, "services": SERVICES, "mailbox": False, "cluster__web": times}
        calm = Gateway(tmp_path / "calm", NODES, smtp_port=calm_server.port, **shared)
        killed = Gateway(tmp_path / "killed", NODES, smtp_port=server.port, **shared)
        writer = Writer(recording, logs, seconds, random)
        async with calm, killed:
            await asyncio.gather(writer.run(), kill_at_random(killed, kills, LEAD + seconds, random))
            await asyncio.gather(calm.quiet(still=7.0 * patience), killed.quiet(still=7.0 * patience))

            expected, found = facts(await calm.events()), facts(await killed.events())
            assert sum(expected.values()) > 20
            assert (expected - found, found - expected) == (Counter(), Counter())

            expected, found = stories(await calm.incidents()), stories(await killed.incidents())
            assert expected
            assert (expected - found, found - expected) == (Counter(), Counter())

            expected_notices, _ = await told(calm)
            notices, deliveries = await told(killed)
            assert expected_notices
            assert {(key, target) for key, target, _ in notices} == {(key, target) for key, target, _ in expected_notices}
            assert max(notices.values()) == max(expected_notices.values())
            assert last_words(server) == last_words(calm_server)
            posted = [taken.mail for taken in server.taken]
            check_mails(posted, deliveries, "example.com", kills)
        for line in killed.said().splitlines():
            sent_again = "notifications may have been sent before the last stop" in line
            assert sent_again or not line.startswith(("error", "warning", "Traceback")), killed.said()


async def test_kill_9_after_a_log_came_late_tells_and_records_nothing_twice(tmp_path: Path) -> None:
    """One node's log of minutes ago comes after the other's: the story is told again. Killed then, the same is known and told, also when
    more of both logs comes, and the late one comes once more under another name."""
    random = Random(6)
    first, second = NODES
    logs = tmp_path / "logs"
    lines = restamped(lines_of(RECORDINGS / "chronicle"), speed=1.0, end=now().replace(microsecond=0) - timedelta(minutes=2))

    def write(node: str, *, copied: bool = False) -> None:
        for name in LOGS[:1]:
            text = "".join(f"{line}\n" for _, file, line in lines if file == f"{node}/{name}")
            (logs / node / (LOGS[1] if copied else name)).write_text(text)

    async with MailServer() as calm_server, MailServer() as server:
        shared: dict[str, Any] = {"logs": LOGS, "logs_in": logs, "services": SERVICES, "mailbox": False}
        calm = Gateway(tmp_path / "calm", NODES, smtp_port=calm_server.port, **shared)
        killed = Gateway(tmp_path / "killed", NODES, smtp_port=server.port, **shared)
        for node in NODES:
            for name in LOGS:
                (logs / node / name).touch()
        async with calm, killed:
            both = (calm, killed)
            write(second)
            await asyncio.gather(*(gateway.quiet() for gateway in both))
            alone = [stories(await gateway.incidents()) for gateway in both]
            assert alone[0] == alone[1]
            write(first)
            for gateway in both:
                await gateway.says("the story was told again")
            for _ in range(4):
                await until(now() + timedelta(seconds=random.uniform(0.0, 0.5)))
                await killed.kill()
                await killed.launch()
            await killed.is_ready()
            write(first, copied=True)
            await asyncio.gather(*(gateway.quiet() for gateway in both))

            assert facts(await killed.events()) == facts(await calm.events())
            expected = stories(await calm.incidents())
            assert stories(await killed.incidents()) == expected != alone[0]
            notices, deliveries = await told(killed)
            assert notices == (await told(calm))[0]
            assert last_words(server) == last_words(calm_server)
            check_mails([taken.mail for taken in server.taken], deliveries, "example.com", 4)
