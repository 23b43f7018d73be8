"""The demonstration plays a recording as it was: its logs, and what crm_mon said meanwhile."""

import socket
import subprocess
from contextlib import ExitStack
from datetime import UTC, timedelta
from pathlib import Path

import pytest

from hamon import demo
from hamon.clock import SystemClock
from hamon.collect.crm_mon_config import CrmMonConfig
from hamon.collect.snmp_trap_config import SnmpTrapConfig
from hamon.errors import ConfigError
from hamon.parse import crm_mon
from hamon.parse.trap import decode
from hamon.parse.varbinds import date_and_time

RECORDINGS = Path(__file__).parent / "corpus" / "recordings"


async def test_the_stand_in_prints_what_crm_mon_said_with_times_of_now(tmp_path: Path) -> None:
    folder = RECORDINGS / "failover_resource"
    clock = SystemClock()
    began = clock.now()
    answers = demo.answers_of(folder)
    await demo.Player(demo.lines_of(folder), tmp_path, 100, clock, answers).run()
    ended = clock.now()
    for node in ("pm01", "pm02"):
        asked = subprocess.run([tmp_path / "answers" / demo.COMMAND, node], capture_output=True, check=True)
        status = crm_mon.parse(asked.stdout, at=ended)
        last = [answer for answer in answers if answer.node == node][-1]
        assert last.text is not None
        recorded = crm_mon.parse(last.text.encode(), at=ended)
        assert status.resources == recorded.resources
        assert [failure.operation_key for failure in status.failures] == [failure.operation_key for failure in recorded.failures]
        (failure,) = status.failures
        assert failure.last_change_at is not None
        assert began - timedelta(seconds=2) <= failure.last_change_at <= ended


def test_a_node_that_was_switched_off_does_not_answer() -> None:
    answers = demo.answers_of(RECORDINGS / "chronicle")
    off = [answer for answer in answers if answer.text is None]
    assert [answer.node for answer in off] == ["pm02", "pm01"]  # the standby fault, and the failover at the end
    back = next(answer for answer in answers if answer.node == "pm02" and answer.at > off[0].at)
    assert back.text is not None


def test_a_recording_without_polls_has_no_answers(tmp_path: Path) -> None:
    assert demo.answers_of(tmp_path) == []


async def test_the_traps_are_sent_as_they_were_with_dates_of_now(tmp_path: Path) -> None:
    folder = RECORDINGS / "failover_resource"
    clock = SystemClock()
    traps = demo.traps_of(folder)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver:
        receiver.bind(("127.0.0.1", 0))
        receiver.setblocking(False)
        began = clock.now()
        await demo.Player(demo.lines_of(folder), tmp_path, 100, clock, traps=traps, trap_port=receiver.getsockname()[1]).run()
        ended = clock.now()
        taken = [receiver.recvfrom(65536) for _ in traps]
    assert [address[0] for _, address in taken] == [trap.source for trap in traps]
    assert len({trap.source for trap in traps}) == 2
    for (datagram, _), trap in zip(taken, traps, strict=True):
        sent, recorded = decode(datagram), decode(trap.datagram)
        assert (sent.varbinds[:-1], sent.request_id, sent.uptime) == (recorded.varbinds[:-1], recorded.request_id, recorded.uptime)
        date = sent.varbinds[-1].value
        assert isinstance(date, bytes)
        assert began - timedelta(seconds=1) <= date_and_time(date, UTC) <= ended


def test_the_configuration_names_the_senders(tmp_path: Path) -> None:
    traps = demo.traps_of(RECORDINGS / "chronicle")
    loaded = demo.config_for(tmp_path, 4, None, ["pm01", "pm02"], (), traps, 9162)
    [receiver] = loaded.collect["snmp_trap"].values()
    assert isinstance(receiver, SnmpTrapConfig)
    assert [(source.node, source.addresses) for source in receiver.source.values()] == [
        ("pm01", ("127.0.0.101/32",)),
        ("pm02", ("127.0.0.102/32",)),
    ]
    assert "snmp_trap" not in demo.config_for(tmp_path, 4, None, ["pm01", "pm02"]).collect


@pytest.mark.parametrize("speed", [1, 4, 8])
def test_an_answer_is_at_most_two_seconds_of_the_recording_old_while_something_happens(tmp_path: Path, speed: float) -> None:
    loaded = demo.config_for(tmp_path, speed, None, ["pm01", "pm02"], ["pm01"])
    [polls] = loaded.collect["crm_mon"].values()
    assert isinstance(polls, CrmMonConfig)
    assert polls.interval_seconds * speed <= 2


def test_a_demonstration_too_many_is_refused_with_the_remedy(tmp_path: Path) -> None:
    with ExitStack() as running:
        folders = [running.enter_context(demo.prepared(tmp_path)) for _ in range(demo.MOST_AT_ONCE)]
        assert len(set(folders)) == demo.MOST_AT_ONCE
        with pytest.raises(ConfigError, match="STATE_DIRECTORY"):
            running.enter_context(demo.prepared(tmp_path))
    with demo.prepared(tmp_path) as folder:
        assert folder == tmp_path / "demo"
