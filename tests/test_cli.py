"""The commands, each as a process of its own, as an operator calls them."""

import asyncio
import json
import re
import socket
import subprocess
import sys
import tomllib
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from hamon.collect import COLLECTORS
from hamon.data import folder
from hamon.model.observation import Polled
from hamon.ports import Recording
from hamon.store import migrate
from hamon.store.store import SqlStore
from tests.gateway.harness import environment, free_port, run_command
from tests.notify.mail_server import MailServer
from tests.snapshots import snapshots

RECORDING = folder("tests") / "corpus" / "recordings" / "failover_resource"
COMMANDS = [
    (),
    ("run",),
    ("demo",),
    ("analyze",),
    ("logconv",),
    ("state",),
    ("config",),
    ("config", "check"),
    ("config", "sample"),
    ("rules",),
    ("rules", "check"),
    ("rules", "explain"),
    ("rules", "test"),
    ("db",),
    ("db", "upgrade"),
    ("notify",),
    ("notify", "test"),
    ("snmp",),
    ("snmp", "mib"),
    ("snmp", "identity"),
    ("snmp", "bump-boots"),
]
KEYS = {
    "": {"cluster", "inputs", "incidents", "events"},
    "inputs": {"path", "source", "form", "node", "records", "recognised", "unrecognised", "errors"},
    "incidents": {
        *("key", "kind", "planned", "outcome", "severity", "part_of", "nodes", "resources", "from_node", "to_node", "fenced"),
        *("started_at", "detected_at", "service_restored_at", "redundancy_restored_at", "resolved_at", "service_down_seconds"),
        *("cause", "sources", "timeline", "next_steps"),
        "evidence",  # more than the contract asks: the verdicts with the events that decided them
    },
    "cause": {"kind", "node", "resource", "at", "text"},
    "timeline": {"at", "node", "source", "event", "text", "raw"},
    "events": {"at", "kind", "node", "resource", "detail", "sources", "reported_by"},
}


GOOD_RULE = """
[[rule]]
id = "own-rule"
title = "Our own agent lost its licence"
daemon = "ourapp"
match = '^licence (?P<attribute>\\S+) lost$'
event = "attribute_changed"
[[rule.example]]
line = "licence db lost"
gives = { attribute = "db" }
[[rule.counter_example]]
line = "licence db fine"
"""


def hamon(*arguments: str | Path, **environ: str) -> subprocess.CompletedProcess[str]:
    """Run the command to its end."""
    command = [sys.executable, "-m", "hamon", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, env=environment(**environ), timeout=60, check=False)
    assert "Traceback" not in done.stderr
    return done


def written(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


# -- help


@pytest.mark.parametrize("command", COMMANDS, ids=[" ".join(command) or "hamon" for command in COMMANDS])
def test_every_command_explains_itself(command: tuple[str, ...]) -> None:
    done = hamon(*command, "--help", COLUMNS="100")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith(" ".join(["usage: hamon", *command]))
    assert max(map(len, done.stdout.splitlines())) <= 100
    known = {words[len(command)] for words in COMMANDS if len(words) > len(command) and words[: len(command)] == command}
    for name in known:
        assert re.search(rf"^ +{name}\s+\S", done.stdout, re.MULTILINE), f"{name} has no explanation"


@pytest.mark.parametrize("command", [(), ("config",), ("nonsense",), ("analyze",), ("notify", "test"), ("run", "--nonsense")])
def test_a_wrong_use_is_status_2_with_the_usage(command: tuple[str, ...]) -> None:
    done = hamon(*command)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("usage: hamon")


def test_the_version_is_told() -> None:
    assert re.fullmatch(r"hamon \d+\.\d+\.\d+\S*\n", hamon("--version").stdout)


# -- configuration


def uncommented(sample: str) -> str:
    """The sample with every option in force: a comment that is TOML, alone or with the lines above it, is taken in."""
    return "\n".join(re.sub(r"^#\s?(?=[a-z_0-9]+ = |\[)", "", line) for line in sample.splitlines())


def test_the_sample_is_a_good_configuration_as_it_is(tmp_path: Path) -> None:
    sample = hamon("config", "sample")
    assert sample.returncode == 0
    done = hamon("config", "check", "--config", written(tmp_path / "hamon.toml", sample.stdout))
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "the configuration is good"


def test_the_sample_names_every_table(tmp_path: Path) -> None:
    text = uncommented(hamon("config", "sample").stdout)
    found = tomllib.loads("\n".join(line for line in text.splitlines() if line.startswith("[") and line.endswith("]")))
    assert {"store", "web", "log", "rules", "cluster", "collect", "notify"} <= found.keys()
    assert found["notify"].keys() == {"smtp", "mailbox", "webhook", "apprise", "snmp_trap"}
    assert found["collect"].keys() == COLLECTORS.keys()


def test_all_problems_are_told_at_once_with_id_key_and_hint(tmp_path: Path) -> None:
    file = written(
        tmp_path / "hamon.toml",
        """
        [web]
        listen = "nowhere"
        [cluster.pg]
        settel_seconds = 3
        [collect.log_tail.pm01]
        cluster = "pgg"
        paths = ["relative.log"]
        [notify.smtp.ops]
        host = "mail.example.com"
        password = "hunter2"
        """,
    )
    done = hamon("config", "check", "--config", file)
    assert (done.returncode, done.stdout) == (2, "")
    ids = re.findall(r"^ +\[([a-z-]+)\] (\S+):", done.stderr, re.MULTILINE)
    keys = {key for _, key in ids}
    assert {
        "web.listen",
        "cluster.pg.settel_seconds",
        "collect.log_tail.pm01.cluster",
        "notify.smtp.ops.sender",
        "notify.smtp.ops.to",
    } <= keys
    assert any(key.startswith("collect.log_tail.pm01.paths") for key in keys)
    assert f"{len(ids)} problem(s)" in done.stderr
    assert "settle_seconds" in done.stderr
    assert "hunter2" not in done.stderr


def test_a_missing_file_is_told_with_the_way_to_a_first_one(tmp_path: Path) -> None:
    done = hamon("config", "check", "--config", tmp_path / "none.toml")
    assert done.returncode == 2
    assert "config-file-unreadable" in done.stderr
    assert "hamon config sample" in done.stderr


def test_the_environment_overrides_the_file(tmp_path: Path) -> None:
    file = written(tmp_path / "hamon.toml", "")
    assert hamon("config", "check", "--config", file).returncode == 0
    done = hamon("config", "check", "--config", file, HAMON_LOG__LEVEL='"loud"')
    assert done.returncode == 2
    assert "HAMON_LOG__LEVEL" in done.stderr


def test_wrong_rules_are_found_by_the_check_of_the_configuration(tmp_path: Path) -> None:
    file = written(tmp_path / "hamon.toml", f'[rules]\npaths = ["{tmp_path / "own"}"]\n')
    absent = hamon("config", "check", "--config", file)
    assert absent.returncode == 2
    assert "[missing-folder] rules.paths[0]" in absent.stderr
    (tmp_path / "own").mkdir()
    written(tmp_path / "own" / "own.toml", GOOD_RULE.replace("attribute_changed", "coffee_spilled"))
    wrong = hamon("config", "check", "--config", file)
    assert wrong.returncode == 1
    for word in (str(tmp_path / "own" / "own.toml"), "own-rule", "event"):
        assert word in wrong.stderr


# -- rules


def test_the_rules_that_come_with_hamon_are_as_they_say() -> None:
    done = hamon("rules", "check")
    assert (done.returncode, done.stderr) == (0, "")
    assert re.fullmatch(r"\d{3} rules, \d{3} examples: all as they say\n", done.stdout)


def test_good_rules_of_users_are_counted_with_the_others(tmp_path: Path) -> None:
    written(tmp_path / "own.toml", GOOD_RULE)
    counts = [int(hamon("rules", "check", *folders).stdout.split()[0]) for folders in ([], [tmp_path])]
    assert counts[1] == counts[0] + 1


@pytest.mark.parametrize(
    ("change", "status", "words"),
    [
        (("licence db lost", "licence db gone"), 1, ["own-rule", "licence db gone"]),
        (("licence db fine", "licence x lost"), 1, ["own-rule", "licence x lost"]),
        (('attribute = "db"', 'attribute = "web"'), 1, ["own-rule"]),
        (("(?P<attribute>", "(?P<attribute"), 1, ["own.toml", "own-rule", "match"]),
        (("attribute_changed", "coffee_spilled"), 1, ["own.toml", "own-rule", "event"]),
        (('id = "own-rule"', 'id = "own-rule'), 1, ["own.toml", "TOML"]),
    ],
)
def test_wrong_rules_are_refused_with_file_rule_and_reason(tmp_path: Path, change: tuple[str, str], status: int, words: list[str]) -> None:
    written(tmp_path / "own.toml", GOOD_RULE.replace(*change))
    done = hamon("rules", "check", tmp_path)
    assert done.returncode == status
    for word in words:
        assert word in done.stdout + done.stderr


# -- what cannot start says so in the form of its log


@pytest.mark.parametrize("by_variable", [False, True])
def test_a_refused_configuration_is_told_as_json_where_the_log_is_json(tmp_path: Path, by_variable: bool) -> None:
    form = "" if by_variable else 'form = "json"\n'
    file = written(tmp_path / "hamon.toml", f'[log]\n{form}levl = "info"\n[web]\nlisten = 3\n')
    done = hamon("run", "--config", file, **({"HAMON_LOG__FORM": "json"} if by_variable else {}))
    records = [json.loads(line) for line in done.stderr.splitlines()]
    assert (done.returncode, done.stdout) == (2, "")
    assert [(record["level"], record["problem"], record["key"]) for record in records] == [
        ("error", "unknown-key", "log.levl"),
        ("error", "wrong-type", "web.listen"),
    ]
    assert "did you mean log.level" in records[0]["hint"]
    assert "problem(s)" in hamon("config", "check", "--config", file).stderr, "people are told in words"


def test_what_cannot_be_opened_is_told_as_json_where_the_log_is_json(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        file = written(tmp_path / "hamon.toml", f'[log]\nform = "json"\n[web]\nlisten = "127.0.0.1:{port}"\n')
        done = hamon("run", "--config", file, STATE_DIRECTORY=str(tmp_path))
    assert done.returncode != 0
    records = [json.loads(line) for line in done.stderr.splitlines()]
    assert str(port) in records[-1]["reason"], records


# -- database


def test_the_database_is_made_and_made_again_without_harm(tmp_path: Path) -> None:
    for _ in range(2):
        done = hamon("db", "upgrade", STATE_DIRECTORY=str(tmp_path / "state"))
        assert (done.returncode, done.stdout) == (0, "the database is up to date\n"), done.stderr
    assert (tmp_path / "state" / "hamon.db").stat().st_size > 0


def test_a_database_that_does_not_answer_is_told_without_its_password(tmp_path: Path) -> None:
    done = hamon("db", "upgrade", HAMON_STORE__URL=f'"postgresql://hamon:hunter2@127.0.0.1:{free_port()}/hamon"')
    assert done.returncode == 1
    assert done.stderr.startswith("hamon: ")
    assert "hunter2" not in done.stderr


# -- analysis


def check_keys(answer: dict[str, Any]) -> None:
    assert answer.keys() == KEYS[""]
    for name in ("inputs", "incidents", "events"):
        assert answer[name], f"no {name}"
        for one in answer[name]:
            assert one.keys() == KEYS[name]
    for incident in answer["incidents"]:
        assert incident["cause"] is None or incident["cause"].keys() == KEYS["cause"]
        for entry in incident["timeline"]:
            assert entry.keys() == KEYS["timeline"]
        for name in (name for name in incident if name.endswith("_at")):
            assert incident[name] is None or datetime.fromisoformat(incident[name]).utcoffset() is not None


def test_an_analysis_as_json_has_exactly_the_keys_of_the_contract() -> None:
    done = hamon("analyze", RECORDING, "--format", "json", "--cluster", "web")
    assert (done.returncode, done.stderr) == (0, "")
    answer = json.loads(done.stdout)
    check_keys(answer)
    assert answer["cluster"] == "web"
    (failover,) = [one for one in answer["incidents"] if one["part_of"] is None and one["kind"] == "failover"]
    assert (failover["from_node"], failover["to_node"], failover["planned"], failover["outcome"]) == ("pm01", "pm02", False, "succeeded")
    assert {"log", "trap"} <= {one["source"] for one in answer["inputs"]}


def test_an_analysis_as_text_is_in_the_language_that_is_asked_for() -> None:
    english, japanese = (hamon("analyze", RECORDING, "--lang", language) for language in ("en", "ja"))
    assert (english.returncode, japanese.returncode) == (0, 0)
    assert "failed over pm01 -> pm02" in english.stdout
    assert "フェイルオーバ pm01 → pm02" in japanese.stdout
    assert not re.search(r"[\u3040-\u30ff\u4e00-\u9fff]", english.stdout)
    assert "\x1b[" not in english.stdout, "colour without a terminal"
    steps = json.loads(hamon("analyze", RECORDING, "--lang", "ja", "--format", "json").stdout)["incidents"][0]["next_steps"]
    assert re.search(r"[\u3040-\u30ff\u4e00-\u9fff]", "".join(steps))


def test_what_cannot_be_read_is_told_and_does_not_end_an_analysis(tmp_path: Path) -> None:
    written(tmp_path / "noise.bin", "\x00\x01 nothing of this is a log\n")
    done = hamon("analyze", RECORDING, tmp_path / "noise.bin", "--format", "json")
    assert done.returncode == 0
    (noise,) = [one for one in json.loads(done.stdout)["inputs"] if one["path"].endswith("noise.bin")]
    assert noise["errors"] or noise["unrecognised"] or noise["records"] == 0


@pytest.mark.parametrize("words", [("/nonexistent",), (str(RECORDING), "--sources", "tea"), (str(RECORDING), "--timezone", "Mars/Base")])
def test_an_analysis_that_is_asked_wrongly_or_has_nothing_to_read_is_status_2(words: tuple[str, ...]) -> None:
    done = hamon("analyze", *words)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr


# -- notification


def targets(folder: Path, port: int) -> Path:
    return written(
        folder / "hamon.toml",
        f"""
        [notify.smtp.ops]
        host = "127.0.0.1"
        port = {port}
        security = "none"
        sender = "hamon@example.com"
        to = ["ops@example.com"]
        local_name = "test.invalid"
        timeout_seconds = 5
        """,
    )


async def test_a_test_notification_reaches_a_mail_server_and_says_that_it_is_one(tmp_path: Path) -> None:
    async with MailServer() as server:
        status, said = await run_command("notify", "test", "ops", "--config", str(targets(tmp_path, server.port)))
    assert (status, said) == (0, "ops took both notifications\n")
    first, second = (taken.mail for taken in server.taken)
    assert first["Subject"] == "[TEST] hamon can reach this target"
    assert "Nothing happened to any cluster" in first.get_content()
    assert first["X-Hamon-Test"] == second["X-Hamon-Test"] == "yes"
    assert first["Message-ID"] != second["Message-ID"]
    assert first["References"] == second["References"]


async def test_a_test_notification_to_a_dead_server_is_status_1_with_the_reason(tmp_path: Path) -> None:
    port = free_port()
    status, said = await run_command("notify", "test", "ops", "--config", str(targets(tmp_path, port)))
    assert status == 1
    assert said.startswith("hamon: ops did not take the notification (unreachable): ")
    assert "Traceback" not in said


async def test_a_test_notification_to_nobody_names_those_that_there_are(tmp_path: Path) -> None:
    status, said = await run_command("notify", "test", "nobody", "--config", str(targets(tmp_path, 1)))
    assert status == 1
    assert "nobody" in said
    assert "ops" in said


async def test_the_state_of_a_cluster_at_a_past_time_is_shown_in_words_and_as_json(tmp_path: Path) -> None:
    first, *_, last = snapshots("failover_resource")
    database = tmp_path / "hamon.db"
    config = written(
        tmp_path / "hamon.toml",
        f'[store]\nurl = "sqlite:///{database}"\n[web]\ntimezone = "Asia/Tokyo"\n[cluster.pg]\ntitle = "Orders"\n[cluster.other]\n',
    )
    migrate.upgrade(f"sqlite:///{database}")
    store = SqlStore(f"sqlite:///{database}")
    polls = [Polled(cluster="pg", snapshot=replace(item, cluster="pg"), since=item.received_at) for item in (first, last)]
    await store.record(Recording(polls=polls))
    await store.close()
    local = first.received_at.astimezone(ZoneInfo("Asia/Tokyo")) + timedelta(seconds=1)
    command = ("state", "--config", config, "--cluster", "pg", "--at", f"{local:%Y-%m-%d %H:%M:%S}")
    shown = await asyncio.to_thread(hamon, *command)
    assert (shown.returncode, shown.stderr) == (0, "")
    assert shown.stdout.startswith("pg – Orders\n")
    assert "runs on pm01" in shown.stdout
    japanese = await asyncio.to_thread(hamon, *command, "--lang", "ja")
    assert "pm01 で稼働中" in japanese.stdout
    answer = await asyncio.to_thread(hamon, "state", "--config", config, "--at", last.received_at.isoformat(), "--format", "json")
    (one,) = json.loads(answer.stdout)
    assert (one["cluster"], one["known"], one["status"]["dc"]) == ("pg", True, last.status.dc)
    assert answer.returncode == 1  # of the other cluster nothing is known
    assert (await asyncio.to_thread(hamon, "state", "--config", config, "--at", "yesterday")).returncode == 2
    assert "there is no cluster none" in (await asyncio.to_thread(hamon, "state", "--config", config, "--cluster", "none")).stderr
