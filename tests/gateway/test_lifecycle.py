"""Starting, stopping, reloading, and what happens when a neighbour is away: the database, the mail server, hamon itself."""

import asyncio
import gzip
import re
import signal
import socket
import sqlite3
import stat
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager, closing
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from hamon.pipeline.process import START_SECONDS
from tests.gateway.harness import CLUSTER, LIMIT, Gateway, eventually, free_port, now, run_command, subject, traditional
from tests.gateway.sequences import FILE, A
from tests.notify.mail_server import MailServer
from tests.postgresql import PostgresqlServer

SERVICES = {"shop": ["prmEx", "prmPg"]}
TIMES = {"grace_seconds": 20.0}


def filler(count: int, at: datetime | None = None) -> list[str]:
    """Lines that each give one event, stamped now or `at`."""
    at = at or now()
    return [traditional(at, "n1", f'   info: Attribute "load" is updated to "{number}" at "n1".') for number in range(count)]


def failover(gateway: Gateway, *, lines: slice = slice(None), end: datetime | None = None) -> list[tuple[datetime, str, str]]:
    """Write sequence A (or some of its lines), the last line stamped `end`."""
    last = end or now()
    written = []
    for second, node, rest in A[lines]:
        at = (last - timedelta(seconds=A[-1][0] - second)).replace(microsecond=0)
        written.append((at, node, traditional(at, node, rest)))
        gateway.write(node, written[-1][2], name=FILE)
    return written


async def the_failover(gateway: Gateway) -> dict[str, Any]:
    """Wait until one failover succeeded and people were told; there must be only one."""

    async def find() -> list[dict[str, Any]]:
        return [one for one in await gateway.incidents() if one["kind"] == "failover"]

    await eventually(find, lambda found: found and found[0]["outcome"] == "succeeded")
    await gateway.quiet()
    (found,) = await find()
    assert (found["from_node"], found["to_node"], found["planned"]) == ("n1", "n2", False)
    return found


async def each_line_is_stored_once(gateway: Gateway, lines: int) -> None:
    """Every line of the logs gave its event, and only one."""
    refs = Counter((event["ref"], event["raw"]) for event in await gateway.events() if event["ref"])
    assert (len(refs), set(refs.values())) == (lines, {1})


@pytest.fixture
async def gateway(tmp_path: Path) -> AsyncIterator[Gateway]:
    async with Gateway(tmp_path, logs=(FILE,), services=SERVICES, cluster__web=TIMES) as gateway:
        yield gateway


# -- stopping


async def test_sigterm_ends_in_time_and_what_was_written_before_it_is_stored(gateway: Gateway) -> None:
    for count in (1, 300, 3000):
        gateway.write("n1", *filler(count), name=FILE)
        assert await gateway.stop() == 0
        await gateway.start()
        await gateway.has_read()
    await each_line_is_stored_once(gateway, 3301)
    assert "Traceback" not in gateway.said()


async def test_sigterm_ends_in_time_while_a_mail_hangs_and_the_mail_comes_after_the_restart(tmp_path: Path) -> None:
    async with MailServer(hold=asyncio.Event()) as server:
        async with Gateway(tmp_path, logs=(FILE,), services=SERVICES, smtp_port=server.port, cluster__web=TIMES) as gateway:
            failover(gateway)

            async def being_sent() -> bool:
                return server.connections > 0

            await eventually(being_sent)
            assert await gateway.stop() == 0
            assert server.hold is not None
            server.hold.set()
            server.hold = None
            await gateway.start()
            await the_failover(gateway)
        ids = Counter(taken.mail["Message-ID"] for taken in server.taken)
        boxed = [subject(mail) for mail in gateway.mails()]
        assert len(ids) == len(boxed)
        seen: set[str] = set()
        for taken in server.taken:
            assert taken.mail["Message-ID"] not in seen or taken.mail["X-Hamon-Repeated"] == "yes"
            seen.add(taken.mail["Message-ID"])


async def test_sigterm_ends_in_time_while_browsers_are_connected(gateway: Gateway) -> None:
    _, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
    writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n")  # and never the end of it
    await writer.drain()
    await gateway.get("/")
    assert await gateway.stop() == 0
    writer.close()


# -- reloading


RULE = """
[[rule]]
id = "own-rule"
title = "Our own agent lost its licence"
daemon = "ourapp"
match = '^licence (?P<attribute>\\S+) {word}$'
event = "attribute_changed"
[[rule.example]]
line = "licence db {word}"
gives = {{ attribute = "db" }}
[[rule.counter_example]]
line = "licence db fine"
"""


async def test_sighup_takes_good_rules_and_refuses_wrong_ones(tmp_path: Path) -> None:
    own = tmp_path / "own"
    own.mkdir()
    (own / "own.toml").write_text(RULE.format(word="lost"))
    async with Gateway(tmp_path, logs=("ha-log",), rules={"paths": [own]}) as gateway:

        async def stored(word: str) -> list[str]:
            """Which lines gave an event by the own rule, after a further line with `word` was read."""
            gateway.write("n1", f"{now():%b %d %H:%M:%S} n1 ourapp[1]: licence db {word}")
            await gateway.has_read()
            return [event["raw"].split()[-1] for event in await gateway.events() if event["rule"] == "own-rule"]

        assert await stored("lost") == ["lost"]

        (own / "own.toml").write_text(RULE.format(word="gone").replace("attribute_changed", "coffee_spilled"))
        gateway.signal(signal.SIGHUP)
        line = await gateway.says("the rules are refused; the old ones stay in force")
        assert str(own / "own.toml") in line
        assert "own-rule" in line
        assert 'event: "coffee_spilled" is none of those' in line
        assert await stored("gone") == ["lost"]
        assert await stored("lost") == ["lost", "lost"]

        (own / "own.toml").write_text(RULE.format(word="gone").replace("^licence", "^license"))
        gateway.signal(signal.SIGHUP)
        assert "rule own-rule: does not match its example: licence db gone" in await gateway.says("does not match its example")
        assert await stored("gone") == ["lost", "lost"]

        (own / "own.toml").write_text(RULE.format(word="gone"))
        gateway.signal(signal.SIGHUP)
        await gateway.says("the rules were read again")
        assert await stored("gone") == ["lost", "lost", "gone"]
        assert await stored("lost") == ["lost", "lost", "gone"]
        assert await gateway.stop() == 0


# -- what prevents a start


async def refused(gateway: Gateway, status: int, **environ: str) -> str:
    """Start, which must fail with this status; what was said, in which there is no traceback."""
    await gateway.launch(**environ)
    assert await gateway.ended() == status
    said = gateway.said()
    assert "Traceback" not in said
    return said


@asynccontextmanager
async def supervisor(path: Path) -> AsyncIterator[Callable[[], Awaitable[str]]]:
    """What systemd holds for a service of type notify; each call waits for the next that the service tells it."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(str(path))
        listener.setblocking(False)

        async def told() -> str:
            async with asyncio.timeout(LIMIT):
                return (await asyncio.get_running_loop().sock_recv(listener, 4096)).decode()

        yield told


async def test_systemd_hears_when_it_is_ready_and_when_it_stops(tmp_path: Path) -> None:
    gateway = Gateway(tmp_path)
    async with supervisor(tmp_path / "notify") as told, AsyncExitStack() as stack:
        stack.push_async_exit(gateway)
        await gateway.launch(NOTIFY_SOCKET=str(tmp_path / "notify"))
        assert await told() == f"READY=1\nSTATUS=pages at http://127.0.0.1:{gateway.port}/"
        assert (await gateway.get("/readyz")).status_code == 200
        assert gateway.process is not None
        gateway.process.terminate()
        assert await told() == "STOPPING=1"
        assert await gateway.ended(5) == 0


async def test_a_start_that_fails_never_tells_systemd_that_it_is_ready(tmp_path: Path) -> None:
    gateway = Gateway(tmp_path)
    with socket.socket() as other, socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        other.bind(("127.0.0.1", gateway.port))
        other.listen()
        listener.bind(str(tmp_path / "notify"))
        listener.setblocking(False)
        await gateway.launch(NOTIFY_SOCKET=str(tmp_path / "notify"))
        assert await gateway.ended() == 2
        with pytest.raises(BlockingIOError):
            listener.recv(4096)


async def test_a_port_in_use_is_told_with_the_remedy(tmp_path: Path) -> None:
    gateway = Gateway(tmp_path)
    with socket.socket() as other:
        other.bind(("127.0.0.1", gateway.port))
        other.listen()
        said = await refused(gateway, 2)
    assert "[address-not-available] web.listen" in said
    assert f"port {gateway.port}" in said
    assert "choose another port" in said


async def test_a_state_directory_that_cannot_be_written_is_told_with_the_remedy(tmp_path: Path) -> None:
    gateway = Gateway(tmp_path, prepare_state=False)
    (tmp_path / "file").touch()
    gateway.state = tmp_path / "file" / "state"
    said = await refused(gateway, 1)
    assert str(gateway.state) in said
    assert "give another one by STATE_DIRECTORY" in said


async def test_a_state_directory_is_for_its_owner_alone(tmp_path: Path) -> None:
    gateway = Gateway(tmp_path, prepare_state=False)
    async with gateway:
        assert stat.S_IMODE(gateway.state.stat().st_mode) == 0o700


async def test_a_file_that_is_no_database_is_told(tmp_path: Path) -> None:
    gateway = Gateway(tmp_path)
    (gateway.state / "hamon.db").write_bytes(b"not a database, but much too long to be an empty one" * 100)
    said = await refused(gateway, 1)
    assert "hamon.db" in said


async def test_a_wrong_configuration_is_told_with_all_its_problems(tmp_path: Path) -> None:
    gateway = Gateway(tmp_path, web={"listen": "nowhere"}, cluster__web={"settel_seconds": 3}, collect__log_tail__n1={"cluster": "wbe"})
    said = await refused(gateway, 2)
    for key in ("web.listen", "cluster.web.settel_seconds", "collect.log_tail.n1.cluster"):
        assert key in said
    assert "3 problem(s)" in said
    assert "settle_seconds" in said


async def test_wrong_rules_at_start_are_told_with_file_and_rule(tmp_path: Path) -> None:
    own = tmp_path / "own"
    own.mkdir()
    (own / "wrong.toml").write_text(RULE.format(word="("))
    said = await refused(Gateway(tmp_path, rules={"paths": [own]}), 1)
    assert str(own / "wrong.toml") in said
    assert "own-rule" in said


async def test_a_database_that_does_not_answer_is_told_without_its_password(tmp_path: Path) -> None:
    gateway = Gateway(tmp_path, store={"url": f"postgresql://hamon:hunter2@127.0.0.1:{free_port()}/hamon"})
    said = await refused(gateway, 1)
    assert "PostgreSQL" in said or "database" in said
    assert "hunter2" not in said


# -- the database is away


async def test_history_that_is_older_than_the_configuration_says_is_deleted_while_it_runs(tmp_path: Path) -> None:
    gateway = Gateway(tmp_path, logs=(FILE,), store={"retention_days": 1, "prune_interval_seconds": 1.0})
    gateway.write("n1", *filler(3), name=FILE)
    async with gateway:
        await eventually(gateway.events, lambda found: len(found) == 3)
        assert await gateway.stop() == 0
        with closing(sqlite3.connect(gateway.state / "hamon.db")) as history, history:
            history.execute("UPDATE events SET received_at = received_at - 2 * 86400 * 1000000 WHERE id < (SELECT max(id) FROM events)")
        await gateway.start()
        (kept,) = await eventually(gateway.events, lambda found: len(found) == 1)
        assert '"2"' in kept["raw"]
        assert "rows=2" in await gateway.says("old history was deleted")


@pytest.mark.parametrize("timeout", [None, 1])
async def test_what_comes_while_sqlite_is_locked_is_stored_once_afterwards(tmp_path: Path, timeout: int | None) -> None:
    """With the default time limit the writer waits for the lock, with a short one it fails and tries again."""
    gateway = Gateway(tmp_path, logs=(FILE,), services=SERVICES, cluster__web=TIMES)
    database = gateway.state / "hamon.db"
    if timeout is not None:
        gateway.sections["store"] = {"url": f"sqlite:///{database}?timeout={timeout}"}
        gateway.configure()
        status, said = await run_command("db", "upgrade", "--config", str(gateway.file))
        assert status == 0, said
    async with gateway:
        gateway.write("n1", *filler(5), name=FILE)
        await gateway.has_read()
        with closing(sqlite3.connect(database, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            failover(gateway)

            async def ready() -> tuple[int, Any]:
                answer = await gateway.get("/readyz")
                return answer.status_code, answer.json()

            _, answer = await eventually(ready, lambda answer: answer[0] == 503)
            assert answer == {"status": "not ready", "reasons": ["the history cannot be written"]}
            assert (await gateway.get("/healthz")).status_code == 200
            overview = await gateway.page("/")
            assert "The history cannot be written: what is shown here is from before" in overview
            assert "All services run" not in overview
            (check,) = (await gateway.json("/api/v1/checks"))["checks"]
            assert (check["level"], check["findings"][0]["kind"]) == ("unknown", "stuck")
            gateway.write("n1", *filler(5), name=FILE)
            other.execute("ROLLBACK")
        await eventually(ready, lambda answer: answer[0] == 200)
        await the_failover(gateway)
        assert "cannot be written" not in await gateway.page("/")
        await each_line_is_stored_once(gateway, len(A) + 10)
        numbers = await gateway.metrics()
        assert (numbers["hamon_store_errors_total"] > 0) == (timeout is not None)
        assert numbers['hamon_lines_read_total{collector="n1"}'] + numbers['hamon_lines_read_total{collector="n2"}'] == len(A) + 10


async def test_a_failover_is_kept_in_postgresql_also_when_the_server_stops_in_the_middle(
    tmp_path: Path, postgresql_server: PostgresqlServer
) -> None:
    secret = tmp_path / "url"
    secret.write_text(postgresql_server.new_database())
    secret.chmod(0o600)
    gateway = Gateway(tmp_path, logs=(FILE,), services=SERVICES, cluster__web=TIMES, store={"url_file": secret})
    gateway.configure()
    status, said = await run_command("db", "upgrade", "--config", str(gateway.file))
    assert status == 0, said
    async with gateway:
        end = now()
        failover(gateway, lines=slice(0, 6), end=end)
        await gateway.has_read()
        await asyncio.to_thread(postgresql_server.stop)
        try:
            failover(gateway, lines=slice(6, None), end=end)

            async def not_ready() -> bool:
                return (await gateway.get("/readyz")).status_code == 503

            await eventually(not_ready)
            assert (await gateway.get("/api/v1/incidents")).status_code == 503
            assert (await gateway.get("/metrics")).status_code == 200
        finally:
            await asyncio.to_thread(postgresql_server.start)
        found = await the_failover(gateway)
        assert found["service_down_seconds"] == 3
        await each_line_is_stored_once(gateway, len(A))
        assert await gateway.stop() == 0
        await gateway.start()
        assert [one["key"] for one in await gateway.incidents() if one["kind"] == "failover"] == [found["key"]]
        assert "s3cret" not in gateway.said()
    assert not (gateway.state / "hamon.db").exists()


# -- the mail server is away


@pytest.mark.parametrize("restarted", [False, True])
async def test_mail_of_a_failover_comes_once_when_the_mail_server_is_back(tmp_path: Path, restarted: bool) -> None:
    port = free_port()
    async with Gateway(tmp_path, logs=(FILE,), services=SERVICES, smtp_port=port, cluster__web=TIMES) as gateway:
        failover(gateway)

        async def failed_attempts() -> float:
            return (await gateway.metrics())['hamon_deliveries_total{result="unreachable",target="ops"}']

        await eventually(failed_attempts)
        assert "notification not sent, will be tried again" in await gateway.says("reason=unreachable")
        if restarted:
            assert await gateway.stop() == 0
            await gateway.start()
        async with MailServer(port=port) as server:
            found = await the_failover(gateway)
            assert len(server.taken) == len(gateway.mails()) >= 1
            assert [str(taken.mail["Subject"]) for taken in server.taken] == [subject(mail) for mail in gateway.mails()]
            assert len({taken.mail["Message-ID"] for taken in server.taken}) == len(server.taken)
            assert [taken.mail["X-Hamon-Repeated"] for taken in server.taken] == [None] * len(server.taken)
            whole = await gateway.whole(found)
            assert {row["state"] for row in whole["deliveries"]} == {"sent"}


# -- hamon was away


def gzipped(path: Path) -> None:
    """What logrotate does with the older one."""
    path.with_name(path.name + ".gz").write_bytes(gzip.compress(path.read_bytes()))
    path.unlink()


@pytest.mark.parametrize("end", [Gateway.stop, Gateway.kill], ids=["stopped", "killed"])
async def test_a_failover_that_was_written_and_rotated_away_while_hamon_was_down_is_told_once(
    gateway: Gateway, end: Callable[[Gateway], Any]
) -> None:
    moment = now() - timedelta(minutes=10)
    for node in ("n1", "n2"):
        gateway.write(node, *filler(3, moment - timedelta(minutes=1)), name=FILE)
    await gateway.has_read()
    await end(gateway)

    # Ten minutes ago the failover began in a file that is compressed by now, went on in one that is renamed, and ended in the present one.
    written = failover(gateway, lines=slice(0, 4), end=moment)
    for node in ("n1", "n2"):
        gateway.path(node, FILE).rename(gateway.path(node, f"{FILE}.1"))
    written += failover(gateway, lines=slice(4, 9), end=moment)
    for node in ("n1", "n2"):
        gateway.path(node, f"{FILE}.1").rename(gateway.path(node, f"{FILE}.2"))
        gzipped(gateway.path(node, f"{FILE}.2"))
        gateway.path(node, FILE).rename(gateway.path(node, f"{FILE}.1"))
    written += failover(gateway, lines=slice(9, None), end=moment)
    gateway.path("n2", FILE).touch()

    await gateway.start()
    found = await the_failover(gateway)
    start = written[0][0]
    times = {name: datetime.fromisoformat(found[name]) for name in ("started_at", "service_restored_at")}
    assert times == {"started_at": start, "service_restored_at": start + timedelta(seconds=3)}
    assert found["service_down_seconds"] == 3
    await each_line_is_stored_once(gateway, len(A) + 6)
    told = [subject(mail) for mail in gateway.mails()]
    assert len(told) == len(set(told))
    assert any(re.search(r"shop failed over n1 -> n2 \(unplanned\), down 3 s", line) for line in told)
    assert not any("DOWN" in line for line in told)
    assert {mail["X-Hamon-Incident"] for mail in gateway.mails()} == {f"{CLUSTER}/{found['key']}"}

    # Once more from the start: nothing is told again.
    assert await gateway.stop() == 0
    await gateway.start()
    await gateway.quiet()
    assert [subject(mail) for mail in gateway.mails()] == told
    await each_line_is_stored_once(gateway, len(A) + 6)


async def test_an_unfinished_line_holds_up_nothing_at_start(tmp_path: Path) -> None:
    gateway = Gateway(tmp_path, nodes=("n1", "n2"), logs=(FILE,), services=SERVICES)
    gateway.write("n1", *filler(3), name=FILE)
    gateway.path("n2", FILE).write_bytes(b"Apr 24 06:1")  # the last word of a node that lost its power
    async with gateway:

        async def stored() -> int:
            return len(await gateway.events())

        await eventually(stored, lambda count: count == 3, seconds=START_SECONDS / 2)
