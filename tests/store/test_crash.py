"""A process that is killed in the middle of `record` leaves a batch wholly stored or not at all, and never loses a reported one."""

import asyncio
import random
import subprocess
import sys
from pathlib import Path

import psycopg

from hamon.ports import EventFilter, IncidentFilter, Recording
from hamon.store.store import SqlStore
from tests.store.samples import delivery, event, position, step

EVENTS = 100


def batch(number: int) -> Recording:
    """Batch `number`, from 1: everything in it says which one it is."""
    told = step(number)
    return Recording(
        events=[event(number)] * EVENTS,
        transitions=[told],
        deliveries=[delivery(told)],
        positions=[position(offset=number)],
        states={"pm01": str(number).encode()},
    )


async def write_for_ever(url: str, first: int) -> None:
    store = SqlStore(url)
    number = first
    while True:
        await store.record(batch(number))
        print(number, flush=True)
        number += 1


def wait_until_unused(url: str) -> None:
    """A PostgreSQL server may still be at the last statement of a client that is dead."""
    if url.startswith("postgresql:"):
        others = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
        with psycopg.connect(url, autocommit=True) as connection:
            while connection.execute(others).fetchone() != (0,):
                pass


async def stored_batches(url: str) -> int:
    """The number of batches; fails when one is there in part."""
    store = SqlStore(url)
    try:
        remembered = await store.remembered()
        number = int(remembered.states.get("pm01", b"0"))
        assert [each.offset for each in remembered.positions] == ([number] if number else [])
        assert len(await store.events(EventFilter(limit=10**6))) == EVENTS * number
        for incident in await store.incidents(IncidentFilter()):
            sequences = [each.sequence for each in await store.transitions("pm01", incident.key)]
            assert sequences == list(range(1, number + 1))
            assert len(await store.deliveries("pm01", incident.key)) == number
        return number
    finally:
        await store.close()


def test_a_kill_leaves_a_batch_wholly_or_not_at_all(url: str) -> None:
    moments = random.Random(20260101)
    stored = 0
    for _ in range(6):
        command = [sys.executable, "-m", "tests.store.test_crash", url, str(stored + 1)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=Path(__file__).parents[2]) as writer:
            assert writer.stdout is not None
            for _ in range(moments.randint(1, 8)):
                reported = int(writer.stdout.readline())
            # Some way into the next batch: as long as a number of loops takes here.
            for _ in range(moments.randint(0, 300_000)):
                pass
            writer.kill()
            rest = writer.stdout.read().split()
        reported = int(rest[-1]) if rest else reported
        wait_until_unused(url)
        stored = asyncio.run(stored_batches(url))
        assert stored in (reported, reported + 1)


if __name__ == "__main__":
    asyncio.run(write_for_ever(sys.argv[1], int(sys.argv[2])))
