"""`hamon logconv` as a program: whole logs, a log that grows, a crash, and the converter's own configuration."""

import asyncio
import contextlib
import gzip
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from hamon.classify.logconv import Condition, LogconvSettings
from hamon.data import folder
from hamon.logconv import ConfigurationMissing, LogconvConfig, read_config
from tests.gateway.harness import environment, eventually, run_command
from tests.test_broken_lines import anywhere, between_words, broken

RECORDINGS = folder("tests") / "corpus" / "recordings"
LINES = [f"Apr 24 06:19:{second:02} pm01 pacemaker-controld[10]:  notice: Set DC to pm{second:02} (3.16.1)\n" for second in range(60)]
MESSAGES = [f"Apr 24 06:19:{second:02} pm01    info: Set DC node to pm{second:02}.\n" for second in range(60)]


async def recorded(recording: str, node: str) -> list[str]:
    """The messages of one node's recorded ha-log, without their dates, and without attributes and daemons."""
    log = next(path for path in sorted((RECORDINGS / recording / node).iterdir()) if path.name.startswith("ha-log"))
    status, said = await run_command("logconv", str(log), "--act-rsc", "prmEx, prmPg", "--timezone", "UTC")
    assert status == 0, said
    texts = [line.split(": ", 1)[1] for line in said.splitlines() if line[:3] == "Nov"]
    return [text for text in texts if not text.startswith(("Attribute", 'Start "', 'Stop "'))]


async def test_a_recorded_fail_over_reads_as_from_the_converter() -> None:
    active, dc = await recorded("failover_resource", "pm01"), await recorded("failover_resource", "pm02")
    assert active[0] == "Resource prmPg failed to monitor. (rc=1) error"
    assert active[1:3] == ["Resource prmPg tries to stop.", "Resource prmPg stopped. (rc=0) ok"]
    assert dc[0] == "Start to fail-over."
    assert dc[-3:] == ["Resource prmEx : Move pm01 -> pm02", "Resource prmPg : Move pm01 -> pm02", "fail-over succeeded."]
    assert "Resource prmPg started. (rc=0) ok" in dc


async def test_a_recorded_loss_of_the_active_node_reads_as_from_the_converter() -> None:
    survivor = await recorded("kill_corosync_active", "pm02")
    order = [
        "Node pm01 is lost",
        "Start to fail-over.",
        "Try to STONITH (reboot) pm01.",
        "Try to execute STONITH device on pm02 for reboot pm01.",
        "Succeeded to STONITH (reboot) pm01 by pm02.",
        "Resource prmPg tries to start.",
        "Resource prmPg started. (rc=0) ok",
        "fail-over succeeded.",
    ]
    assert [text for text in survivor if text in order] == order


async def test_a_recorded_switchover_has_only_stops_and_starts() -> None:
    for node in ("pm01", "pm02"):
        found = await recorded("switchover_standby", node)
        assert found
        assert all(text.startswith("Resource ") and " : " not in text for text in found)


async def test_a_recorded_loss_of_the_standby_is_no_fail_over() -> None:
    found = await recorded("standby_crash", "pm01")
    assert found[0] == "Node pm02 is lost"
    assert found[-1] == "Succeeded to STONITH (reboot) pm02 by pm01."
    assert not [text for text in found if "fail-over" in text]


class Following:
    """`hamon logconv --follow` in a folder of its own."""

    def __init__(self, home: Path) -> None:
        self.log, self.output, self.config = home / "ha-log", home / "pm_logconv.out", home / "pm_logconv.conf"
        self.status = home / "status"
        self.config.write_text(f"[Settings]\nha_log_path = {self.log}\noutput_path = {self.output}\nact_rsc = prmEx\n")
        self.process: asyncio.subprocess.Process | None = None

    @contextlib.asynccontextmanager
    async def running(self, *more: str) -> AsyncIterator[asyncio.subprocess.Process]:
        self.process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "hamon", "logconv", "--follow", "--config", str(self.config), "--status", str(self.status)),
            *("--timezone", "UTC", *more),
            env=environment(),
            stderr=asyncio.subprocess.DEVNULL,
        )
        try:
            yield self.process
        finally:
            if self.process.returncode is None:
                self.process.kill()
            await self.process.wait()

    async def has_written(self, lines: list[str]) -> None:
        async def same() -> bool:
            return self.output.exists() and self.output.read_text() == "".join(lines)

        await eventually(same)

    def append(self, lines: list[str]) -> None:
        with self.log.open("a") as stream:
            stream.writelines(lines)


async def test_a_log_is_followed_through_rotation_a_stop_and_a_start(tmp_path: Path) -> None:
    following = Following(tmp_path)
    following.append(LINES[:5])
    async with following.running("--from-beginning") as process:
        await following.has_written(MESSAGES[:5])
        following.append(LINES[5:10])
        following.log.rename(tmp_path / "ha-log.1")
        following.append(LINES[10:15])
        await following.has_written(MESSAGES[:15])
        process.send_signal(signal.SIGTERM)
        assert await process.wait() == 0
    following.append(LINES[15:20])
    async with following.running():
        await following.has_written(MESSAGES[:20])


async def test_a_log_that_was_never_followed_is_taken_up_at_its_end(tmp_path: Path) -> None:
    following = Following(tmp_path)
    following.append(LINES[:5])
    async with following.running():

        async def begun() -> bool:
            return following.status.exists()

        await eventually(begun)
        following.append(LINES[5:6])
        await following.has_written(MESSAGES[5:6])


async def test_what_a_crash_left_unrecorded_is_not_written_twice(tmp_path: Path) -> None:
    following = Following(tmp_path)
    following.append(LINES[:5])
    async with following.running("--from-beginning"):
        await following.has_written(MESSAGES[:5])

        async def recorded_place() -> bool:
            return following.status.exists()

        await eventually(recorded_place)
    status = following.status.read_bytes()
    following.append(LINES[5:10])
    async with following.running():
        await following.has_written(MESSAGES[:10])
    following.status.write_bytes(status)  # as if it had died between writing the messages and the place
    following.append(LINES[10:12])
    async with following.running():
        await following.has_written(MESSAGES[:12])


async def test_a_second_one_with_the_same_status_is_refused(tmp_path: Path) -> None:
    following = Following(tmp_path)
    following.append(LINES[:1])
    async with following.running("--from-beginning"):
        await following.has_written(MESSAGES[:1])
        status, said = await run_command(
            "logconv", "--follow", "--config", str(following.config), "--status", str(following.status), "--timezone", "UTC"
        )
        assert status == 1
        assert "another hamon logconv is at work" in said


async def test_what_is_followed_is_not_converted_once_more_into_the_same_file(tmp_path: Path) -> None:
    following = Following(tmp_path)
    following.append(LINES[:1])
    whole = ("logconv", "--config", str(following.config), "--status", str(following.status), "--timezone", "UTC")
    async with following.running("--from-beginning"):
        await following.has_written(MESSAGES[:1])
        status, said = await run_command(*whole)
        assert status == 1
        assert "would stand twice" in said
        assert following.output.read_text() == MESSAGES[0]
        status, said = await run_command(*whole, "--output", "-")
        assert status == 0
        assert "Set DC node to pm00." in said


async def test_the_configured_log_is_converted_once_to_the_configured_file(tmp_path: Path) -> None:
    following = Following(tmp_path)
    following.append(LINES[:3])
    os.utime(following.log, (1493012395, 1493012395))
    status, said = await run_command("logconv", "--config", str(following.config), "--timezone", "UTC")
    assert (status, following.output.read_text()) == (0, "".join(MESSAGES[:3])), said


@pytest.mark.parametrize(("how", "width"), [(anywhere, 80), (between_words, 78)])
async def test_a_log_that_was_broken_at_a_width_reads_as_the_whole_one(
    how: Callable[[str, int], list[str]], width: int, tmp_path: Path
) -> None:
    data = gzip.decompress((RECORDINGS / "failover_resource/pm01/ha-log.gz").read_bytes())
    (tmp_path / "whole").write_bytes(data)
    (tmp_path / "broken").write_bytes(broken(tmp_path / "whole", how, width))
    options = ("--timezone", "UTC", "--year", "2026", "--act-rsc", "prmEx,prmPg")
    whole, parts = [await run_command("logconv", str(tmp_path / name), *options) for name in ("whole", "broken")]
    assert whole[0] == parts[0] == 0
    assert parts[1].splitlines() == whole[1].splitlines()
    assert "Resource prmPg failed to monitor. (rc=1) error" in whole[1]


async def test_what_cannot_be_read_is_named(tmp_path: Path) -> None:
    assert await run_command("logconv", "--config", str(tmp_path / "none.conf")) == (
        6,
        f"hamon: {tmp_path / 'none.conf'} does not exist; name another one with --config\n",
    )
    status, said = await run_command("logconv", str(tmp_path / "no-log"))
    assert status == 1
    assert "no-log cannot be read: No such file or directory" in said


CONFIGURATION = """
[Settings]
ha_log_path = /var/log/other
output_path = none
output_logfacility = local3
output_async_write = True
syslogformat = False
act_rsc = prmEx, prmPg
attribute_ping = not_defined default_ping_set or default_ping_set lt 100
attribute_disk = diskcheck_status, eq, ERROR
"""


@pytest.mark.parametrize("begin", ["", "\ufeff"], ids=["as it is", "as an editor of another system wrote it"])
def test_the_converters_configuration_is_honoured(begin: str, tmp_path: Path) -> None:
    file = tmp_path / "pm_logconv.conf"
    file.write_text(begin + CONFIGURATION.lstrip())
    config = read_config(file)
    assert (config.log_path, config.output, config.facility, config.syncs, config.syslog_format) == (
        Path("/var/log/other"),
        None,
        "local3",
        False,
        False,
    )
    assert config.settings.service_resources == ("prmEx", "prmPg")
    assert len(config.settings.attribute_rules) == 2


def configured(tmp_path: Path, text: str) -> LogconvConfig:
    file = tmp_path / "pm_logconv.conf"
    file.write_text(text)
    return read_config(file)


@pytest.mark.parametrize(
    "setting",
    [
        {"output_logfacility": "local9"},
        {"syslogformat": "perhaps"},
        {"output_async_write": "2"},
        {"attribute_x": "default_ping_set"},
        {"act_rcs": "prmEx"},
    ],
)
def test_a_wrong_setting_is_named_and_left_out(tmp_path: Path, setting: Mapping[str, str]) -> None:
    found = configured(tmp_path, "[Settings]\nact_rsc = prmEx\n" + "".join(f"{key} = {value}\n" for key, value in setting.items()))
    assert [problem.key for problem in found.left_out] == list(setting)
    assert replace(found, left_out=()) == LogconvConfig(settings=LogconvSettings(service_resources=("prmEx",)))


def test_settings_without_a_value_and_of_older_converters_change_nothing(tmp_path: Path) -> None:
    silent = ("ha_log_path", "output_path", "output_logfacility", "output_async_write", "syslogformat", "act_rsc", "attribute_ping")
    text = (
        "[Settings]\n" + "".join(f"{key} =\n" for key in silent) + "reset_interval = 60\nlogconv_logfacility = x\nlogconv_logpriority = y\n"
    )
    assert configured(tmp_path, text) == LogconvConfig()


def test_a_configuration_without_its_section_is_told(tmp_path: Path) -> None:
    assert [problem.key for problem in configured(tmp_path, "[settings]\nact_rsc = prmEx\n").left_out] == ["[Settings]"]


def test_comments_and_spaces_are_no_part_of_a_value(tmp_path: Path) -> None:
    text = """
; the converter
[Settings]
# HA log
HA_LOG_PATH:/var/log/other
syslogformat=FALSE ; as others here
act_rsc =  prmEx ,prmPg,   # first and last
attribute1 = default_ping_set  LT   100\tOR not_defined default_ping_set
[Resource tries to operation]
pattern = crmd,info:,Performing
"""
    found = configured(tmp_path, text)
    assert (found.log_path, found.syslog_format, found.settings.service_resources) == (Path("/var/log/other"), False, ("prmEx", "prmPg"))
    assert found.settings.attribute_rules == (
        ((Condition("default_ping_set", "lt", "100"),), (Condition("default_ping_set", "not_defined", ""),)),
    )
    assert found.left_out == ()


async def test_what_is_left_out_of_the_configuration_is_told(tmp_path: Path) -> None:
    following = Following(tmp_path)
    following.append(LINES[:1])
    following.config.write_text(following.config.read_text() + "act_rcs = prmPg\n")
    status, said = await run_command("logconv", "-o", "-f", str(following.config), "--output", "-", "--timezone", "UTC")
    assert status == 0
    assert "[unknown] act_rcs" in said
    assert "Set DC node to pm00." in said


def test_a_missing_configuration_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationMissing):
        read_config(tmp_path / "none")
