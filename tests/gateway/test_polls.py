"""The running program asks its cluster by real commands, remembers it, and says so when it cannot."""

import signal
from datetime import timedelta
from pathlib import Path
from typing import Any

from tests.collect.polling import QUIET, good, program, shows
from tests.collect.test_child import is_alive
from tests.gateway.harness import CLUSTER, Gateway, eventually, now, subject, traditional

SLOWLY = {"interval_seconds": 600, "quiet_interval_seconds": 600}
OFTEN = {"interval_seconds": 1, "quiet_interval_seconds": 1}
STATE = f"/api/v1/clusters/{CLUSTER}/state"


def gateway(folder: Path, command: str, **settings: Any) -> Gateway:
    polls = {"cluster": CLUSTER, "commands": {"pm01": [command]}, **QUIET, **settings}
    return Gateway(folder / "installation", ("n1",), collect__crm_mon__polls=polls)


def asked(folder: Path) -> int:
    path = folder / "asked"
    return len(path.read_text()) if path.exists() else 0


COUNT = "open(HERE + '/asked', 'a').write('x')"


async def known(running: Gateway) -> dict[str, Any]:
    async def look() -> dict[str, Any]:
        answer = await running.get(STATE)
        return dict(answer.json()) if answer.status_code == 200 else {}

    return await eventually(look, lambda answer: answer.get("known") is True)


async def test_a_log_line_makes_it_ask_at_once_and_some_more_times(tmp_path: Path) -> None:
    async with gateway(tmp_path, shows(tmp_path / "bin", good(), before=COUNT), **SLOWLY) as running:
        await known(running)
        before = asked(tmp_path / "bin")
        running.write("n1", traditional(now(), "n1", "warning: Node n2 is lost"))

        async def count() -> int:
            return asked(tmp_path / "bin") - before

        await eventually(count, lambda count: count >= 3)


async def test_a_cluster_that_cannot_be_asked_alarms_people_and_comes_back(tmp_path: Path) -> None:
    folder = tmp_path / "bin"
    async with gateway(tmp_path, shows(folder, good()), **OFTEN) as running:
        await known(running)
        program(folder, "sys.stderr.write('crm_mon: Insufficient privileges\\n'); sys.exit(4)")

        async def lost() -> dict[str, Any]:
            return dict(await running.json(STATE))

        answer = await eventually(lost, lambda answer: not answer["known"])
        assert answer["reason"].startswith(
            f"pm01: not permitted: `{folder}/crm_mon -1 --output-as=xml -r -m3` – crm_mon: Insufficient privileges; "
        )
        assert answer["status"]["nodes"]  # what was known last is still there, as the past

        async def told() -> list[str]:
            return [subject(mail) for mail in running.mails()]

        await eventually(told, lambda subjects: any("monitoring lost" in one for one in subjects))
        assert "State not known" in await running.page("/")
        assert "状態不明" in await running.page("/", "ja")
        assert (await running.metrics())[f'hamon_source_up{{cluster="{CLUSTER}",collector="polls",path="pm01"}}'] == 0
        shows(folder, good())
        await known(running)
        await eventually(told, lambda subjects: any("[resolved]" in one for one in subjects))


async def test_the_last_state_is_known_after_a_crash_and_is_the_past_until_the_cluster_answers(tmp_path: Path) -> None:
    folder = tmp_path / "bin"
    async with gateway(tmp_path, shows(folder, good()), **OFTEN) as running:
        before = await known(running)
        await running.kill()
        program(folder, "time.sleep(600)")
        await running.start()
        answer = await running.json(STATE)
        assert (answer["known"], answer["reason"]) == (False, "hamon did not run")
        assert answer["status"]["resources"] == before["status"]["resources"]
        at = (now() - timedelta(milliseconds=1)).isoformat()
        past = await running.json(STATE, at=before["since"])  # that it was seen again is noted once a minute, and may be lost
        assert past["known"]
        assert (await running.json(STATE, at=at))["known"] is False
        shows(folder, good())
        await known(running)


async def test_it_stops_in_time_and_leaves_no_child_when_one_hangs(tmp_path: Path) -> None:
    folder = tmp_path / "bin"
    body = "signal.signal(15, signal.SIG_IGN); open(HERE + '/pid', 'w').write(str(os.getpid())); time.sleep(600)"
    async with gateway(tmp_path, program(folder, body), timeout_seconds=300) as running:

        async def pid() -> int:
            path = folder / "pid"
            return int(path.read_text() or 0) if path.exists() else 0

        child = await eventually(pid)
        assert is_alive(child)
        running.signal(signal.SIGTERM)
        assert await running.ended(5.0) == 0
        assert not is_alive(child)
