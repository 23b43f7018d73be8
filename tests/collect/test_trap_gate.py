"""SNMPv3 from a hostile network: forged, downgraded, replayed and late messages stay outside, and valid ones go on.

pysnmp 7.1.30 as it comes takes most of these; each was tried against it.
"""

import os
import random
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from hamon.collect.trap_gate import RESET_PAUSE
from hamon.collect.trap_memory import MOST_ENGINES, Learned, Memory, as_text, read, write
from hamon.model.observation import SourceBack
from hamon.parse.trap import decode_v3_header
from tests.collect.test_snmp_trap import PAYLOAD, user, v3
from tests.collect.trapping import LOCAL, READER, Reception, receiving
from tests.fakes import FakeClock
from tests.parse.test_trap import mutated
from tests.snmp.messages import V3, captured, net_snmp, octets, pacemaker, pdu, v2c, varbind

ENGINE = "80001f8880feed0001"
UP = 1_000_000
"""sysUpTime of a host that is up for hours."""


def trap(number: int = 1, uptime: int = UP) -> bytes:
    return pdu([*pacemaker(), varbind("1.3.6.1.4.1.1", octets(str(number)))], request=number, uptime=uptime)


def numbers(reception: Reception) -> list[int]:
    """Which traps were taken."""
    last = [trap.varbinds[-1].value for trap in reception.traps if trap.varbinds]
    return [int(value) for value in last if isinstance(value, bytes) and value.isdigit()]


def given(**more: Any) -> dict[str, Any]:
    return {"user": {"one": READER | more}}


async def test_who_forges_is_refused(tmp_path: Path) -> None:
    async with receiving(tmp_path, **given()) as reception:
        reception.send(
            V3(user="").message(trap(1)),
            V3(user="", flags=0).message(trap(2)),
            V3(user="stranger").message(trap(3)),
            V3(flags=0).message(trap(4)),  # the user is to be authenticated
            V3(passphrase="a-wrong-one").message(trap(5)),
            V3().message(trap(6)).replace(b"node1", b"node2"),
            V3(engine=b"").message(trap(7)),
            V3(engine=bytes(5)).message(trap(8)).replace(b"lost", b"lose"),
            V3(engine=bytes.fromhex("0000000000"), flags=0).message(trap(9)),  # pysnmp's wildcard
        )
        reception.send(V3().message(trap(10)))
        await reception.settle()
        assert numbers(reception) == [10]
        assert reception.refused == {"user": 3, "level": 2, "digest": 3, "engine": 1}
        assert not reception.has_answer()


async def test_less_protection_than_the_user_has_is_refused(tmp_path: Path) -> None:
    home = tmp_path
    async with receiving(tmp_path, user={"pcmk": user("authPriv")}) as reception:
        for level in ("noAuthNoPriv", "authNoPriv", "authPriv"):
            await net_snmp("snmptrap", "-e", f"0x{ENGINE}", *v3(level), reception.address, *PAYLOAD, home=home)
        await reception.settle()
        assert len(reception.traps) == 1
        assert reception.refused == {"level": 2}


async def test_a_message_that_comes_again_is_taken_once(tmp_path: Path) -> None:
    messages = [V3(time=1000 + 10 * number).message(trap(number)) for number in range(5)]
    async with receiving(tmp_path, **given()) as reception:
        reception.send(*messages, *messages, *reversed(messages))
        await reception.settle()
        assert numbers(reception) == [0, 1, 2, 3, 4]
        assert reception.refused == {"replay": 10}


async def test_an_old_message_is_refused_and_changes_nothing(tmp_path: Path) -> None:
    async with receiving(tmp_path, **given()) as reception:
        reception.send(
            V3(boots=2, time=5000).message(trap(1)),
            V3(boots=2, time=4850).message(trap(2)),  # within the window of 150 s
            V3(boots=2, time=4849).message(trap(3)),
            V3(boots=1, time=9999).message(trap(4)),
            V3(boots=2, time=9999, passphrase="a-wrong-one").message(trap(5)),  # must not move the clock
            V3(boots=9, time=1, flags=0).message(trap(6)),  # nor this
            V3(boots=2, time=4900).message(trap(7)),
            V3(boots=3, time=1).message(trap(8)),
            V3(boots=2, time=6000).message(trap(9)),
        )
        await reception.settle()
        assert numbers(reception) == [1, 2, 7, 8]
        assert reception.refused == {"time_window": 3, "digest": 1, "level": 1}


async def test_an_old_message_is_refused_also_after_a_restart(tmp_path: Path) -> None:
    async with receiving(tmp_path, **given()) as reception:
        reception.send(V3(time=5000).message(trap(1)))
        await reception.settle()
    async with receiving(tmp_path, **given()) as reception:
        reception.send(V3(time=4000).message(trap(2)), V3(time=5001).message(trap(3)))
        await reception.settle()
        assert numbers(reception) == [3]


async def test_a_host_that_was_started_anew_is_forgiven_its_clock_once(tmp_path: Path) -> None:
    """snmptrap says boots 1 always, and takes the uptime of its host, in hundredths of a second, for its time."""
    clock = FakeClock()
    async with receiving(tmp_path, clock=clock, **given()) as reception:
        reception.send(V3(time=UP).message(trap(1, UP)))
        reception.send(V3(time=4000).message(trap(2, UP)))  # sysUpTime does not say so
        reception.send(V3(time=70_000).message(trap(3, 70_000)))  # up for longer than ten minutes
        reception.send(V3(time=4000).message(trap(4, 9000)))  # the two clocks differ
        await reception.settle()
        assert numbers(reception) == [1]
        reception.send(V3(time=4000).message(trap(5, 4001)))
        reception.send(V3(time=4500).message(trap(6, 4500)))
        reception.send(V3(time=3000).message(trap(7, 3000)))  # an older one, captured after another start
        reception.send(V3(time=UP - 1).message(trap(8, UP - 1)))
        await reception.settle()
        assert numbers(reception) == [1, 5, 6, 8]
        assert reception.refused == {"time_window": 4}
        [back] = [seen for seen in reception.inbox.observations if isinstance(seen, SourceBack)]
        assert back.reason == "sender restarted"
        clock.advance(RESET_PAUSE.total_seconds() + 1)
        reception.send(V3(time=3100).message(trap(9, 3100)))
        await reception.settle()
        assert numbers(reception) == [1, 5, 6, 8, 9]


async def test_the_clock_of_a_standard_sender_is_not_forgiven(tmp_path: Path) -> None:
    async with receiving(tmp_path, **given(sender="standard")) as reception:
        reception.send(V3(time=UP).message(trap(1, UP)), V3(time=4000).message(trap(2, 4000)))
        await reception.settle()
        assert numbers(reception) == [1]


async def test_the_clock_of_net_snmp_is_the_uptime_of_its_host(tmp_path: Path) -> None:
    """What forgiving rests on."""
    arguments = [*v3("authNoPriv"), "ADDRESS", *PAYLOAD]
    async with receiving(tmp_path, user={"pcmk": user("authNoPriv")}) as reception:
        message = await captured(*arguments, home=tmp_path)
        header = decode_v3_header(message)
        reception.send(message)
        [taken] = await reception.until(1)
        assert header.boots == 1
        assert taken.uptime is not None
        assert abs(header.time - taken.uptime) < 100


async def test_engines_are_learned_after_their_digest_was_right_and_remembered(tmp_path: Path) -> None:
    async with receiving(tmp_path, **given()) as reception:
        reception.send(V3(passphrase="a-wrong-one", engine=bytes.fromhex("80001f88800000000001")).message(trap(1)))
        reception.send(V3().message(trap(2)), V3(engine=bytes.fromhex("80001f88800000000002")).message(trap(3)))
        await reception.settle()
        assert numbers(reception) == [2, 3]
        assert reception.collector.counted().engines == 2
    kept = read(tmp_path / "snmp-trap-main.json")
    assert [engine.hex() for engine, _ in kept.learned] == [ENGINE, "80001f88800000000002"]
    assert (tmp_path / "snmp-trap-main.json").stat().st_mode & 0o777 == 0o600
    async with receiving(tmp_path, **given()) as reception:
        assert reception.collector.counted().engines == 2


async def test_only_engines_that_are_named_are_taken(tmp_path: Path) -> None:
    async with receiving(tmp_path, **given(engine_ids=[ENGINE])) as reception:
        reception.send(V3().message(trap(1)), V3(engine=bytes.fromhex("80001f88800000000002")).message(trap(2)))
        await reception.settle()
        assert numbers(reception) == [1]
        assert reception.refused == {"engine": 1}


async def test_learning_ends_somewhere(tmp_path: Path) -> None:
    clock = FakeClock()
    full = Memory({(number.to_bytes(8, "big"), "one"): Learned("192.0.2.1", clock.now()) for number in range(MOST_ENGINES)})
    write(tmp_path / "snmp-trap-main.json", as_text(full))
    async with receiving(tmp_path, clock=clock, **given()) as reception:
        reception.send(V3().message(trap(1)), V3(engine=(7).to_bytes(8, "big")).message(trap(2)))
        await reception.settle()
        assert numbers(reception) == [2]
        assert reception.refused == {"engine": 1}


async def test_a_user_may_send_from_its_own_addresses_only(tmp_path: Path) -> None:
    async with receiving(tmp_path, **given(sources=["127.0.0.2"])) as reception:
        reception.send(V3().message(trap(1)))
        reception.send(V3().message(trap(2)), source="127.0.0.2")
        await reception.settle()
        await reception.until(1)
        assert numbers(reception) == [2]
        assert reception.refused == {"user": 1}


async def test_a_user_of_another_address_gets_no_answer_to_an_inform(tmp_path: Path) -> None:
    clock = FakeClock()
    async with receiving(tmp_path, clock=clock, **given(sources=["127.0.0.2"])) as reception:
        inform = V3(engine=reception.engine_id, boots=1, time=0).message(pdu(pacemaker(), tag=0xA6))
        reception.send(inform)
        await reception.settle()
        assert not reception.has_answer()
        assert reception.refused == {"user": 1}


async def test_a_trap_that_claims_our_engine_and_an_inform_that_claims_another_are_refused(tmp_path: Path) -> None:
    clock = FakeClock()
    async with receiving(tmp_path, clock=clock, **given()) as reception:
        reception.send(V3(engine=reception.engine_id, boots=1, time=0).message(trap(1)))
        reception.send(V3().message(pdu(pacemaker(), tag=0xA6)))
        await reception.settle()
        assert reception.traps == []
        assert reception.refused == {"engine": 2}
        assert not reception.has_answer()


async def test_an_inform_of_another_time_is_told_so_and_not_stored(tmp_path: Path) -> None:
    async with receiving(tmp_path, **given()) as reception:
        ours = V3(engine=reception.engine_id, boots=1, time=0, flags=5)
        body = pdu(pacemaker(), tag=0xA6)
        for wrong in (replace(ours, boots=0), replace(ours, boots=2), replace(ours, time=300)):
            reception.send(wrong.message(body))
            [report] = await reception.answers(1)
            assert decode_v3_header(report).boots == 1
            assert b"\x2b\x06\x01\x06\x03\x0f\x01\x01\x02" in report  # usmStatsNotInTimeWindows
        assert reception.traps == []
        assert reception.refused == {"time_window": 3}


async def test_a_report_is_never_an_acknowledgement(tmp_path: Path) -> None:
    """pysnmp would take this inform, and answer it; what was not stored must not be."""
    async with receiving(tmp_path, **given()) as reception:
        answerer = reception.collector._answerer
        assert answerer is not None
        inform = V3(engine=reception.engine_id, boots=1, time=0, flags=5).message(pdu(pacemaker(), tag=0xA6))
        assert len(answerer.answer(inform)) == 1
        assert answerer.report(inform) == ()
        assert len(answerer.report(V3(engine=reception.engine_id, boots=9, time=0, flags=5).message(pdu(pacemaker(), tag=0xA6)))) == 1


async def test_reports_are_few(tmp_path: Path) -> None:
    """Anyone can ask for the engine ID; hamon shall not be of use to one who asks in the name of another."""
    async with receiving(tmp_path, **given(), max_per_second=0, max_per_second_per_source=0) as reception:
        discovery = V3(engine=b"", user="", flags=4, boots=0, time=0).message(pdu(tag=0xA6, uptime=None, notification=None))
        reception.send(discovery)
        [report] = await reception.answers(1)
        assert decode_v3_header(report).engine_id == reception.engine_id
        assert len(report) < 2 * len(discovery)
        reception.send(*[discovery] * 2000)
        await reception.settle()
        count = 0
        while reception.has_answer():
            await reception.answers(1)
            count += 1
        assert 0 < count <= 10 * 20 + 20 * 5  # a burst of ten seconds' worth, and what a slow machine adds
        assert reception.traps == []


def resident_mib() -> float:
    """Memory of this process."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20


@pytest.mark.parametrize("count", [100_000, pytest.param(1_000_000, marks=pytest.mark.full)])
async def test_a_flood_of_mutated_messages_leaves_the_receiver_as_it_was(count: int, tmp_path: Path) -> None:
    """Through the socket, v1 to v3, with good traps between: none crashes it, none is taken for another, and all good ones arrive."""
    chance = random.Random(4711)
    home = tmp_path
    seeds = [v2c(pdu(pacemaker())), v2c(pdu(pacemaker(), tag=0xA6)), V3().message(trap(1)), V3(flags=0).message(trap(1))]
    seeds += [await captured(*v3("authPriv"), "ADDRESS", *PAYLOAD, home=home)]
    known = {"one": READER, "pcmk": user("authPriv")}
    limits: dict[str, Any] = {"max_per_second": 0, "max_per_second_per_source": 0, "receive_buffer_bytes": 1 << 26}
    async with receiving(tmp_path, user=known, **limits) as reception:
        seeds.append(V3(engine=reception.engine_id).message(pdu(pacemaker(), tag=0xA6)))
        good: list[int] = []
        before = 0.0
        for number in range(count // 2000):
            reception.send(*[mutated(chance, seeds) for _ in range(2000)])
            reception.send(V3(time=2_000_000 + number).message(trap(10_000_000 + number)))
            await reception.settle()
            good += [number for number in numbers(reception) if number >= 10_000_000]
            # Of v3, what was taken is whole: at most the octets behind the message were changed.
            assert all(trap.varbinds[0].value == b"node1" for trap in reception.traps if trap.version == "3")
            reception.inbox.observations.clear()
            if number == 9:
                before = resident_mib()
        assert good == list(range(10_000_000, 10_000_000 + count // 2000))
        assert resident_mib() - before < 48
        refused = reception.refused
        assert set(refused) <= {"malformed", "community", "user", "level", "digest", "engine", "replay", "time_window", "oversized"}
        assert refused["malformed"] > count * 0.2
        assert reception.collector.counted().engines <= 2


async def test_nothing_of_a_secret_is_in_the_memory_or_the_log(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async with receiving(tmp_path, **given()) as reception:
        reception.send(V3().message(trap(1)), v2c(pdu(), "someone-elses-secret"), V3(passphrase="a-wrong-one").message(trap(2)))
        await reception.settle()
    kept = (tmp_path / "snmp-trap-main.json").read_text()
    logged = "".join(str(record.__dict__) for record in caplog.records)
    for secret in ("secret-auth", "someone-elses-secret", "pcmk", "a-wrong-one"):
        assert secret not in kept
        assert secret not in logged
    assert LOCAL
