"""Receiving traps: with net-snmp's own programs, with the datagrams of a real cluster, and with what nobody should send."""

import asyncio
import socket
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from hamon.clock import SystemClock
from hamon.collect.network import Listen
from hamon.collect.refusals import CALM
from hamon.collect.snmp_trap import MOST_READY, SnmpTrap
from hamon.collect.udp import inode, kernel_drops, open_socket
from hamon.errors import ConfigError
from hamon.model.observation import Refusal, SnmpVersion, SourceBack, SourceLost, Trap
from hamon.parse.trap import RESPONSE, decode
from tests.collect.trapping import COMMUNITY, LOCAL, receiving, settings
from tests.fakes import FakeClock, MemoryInbox
from tests.snmp.messages import (
    PACEMAKER,
    TRAP,
    all_recorded,
    integer,
    net_snmp,
    octets,
    pacemaker,
    pdu,
    recorded,
    sequence,
    v1,
    v2c,
    varbind,
)

GOOD = v2c(pdu(pacemaker()))
NODE = [f"{PACEMAKER}.1.1", "s", "node1"]
PAYLOAD = ["", TRAP, *NODE]
AUTH = ["MD5", "SHA", "SHA-224", "SHA-256", "SHA-384", "SHA-512"]
PRIV = ["DES", "AES", "AES-192", "AES-256", "AES-192-C", "AES-256-C"]


def user(level: str, auth: str = "SHA-256", priv: str = "AES", **more: Any) -> dict[str, Any]:
    secrets: dict[str, dict[str, str]] = {"noAuthNoPriv": {}, "authNoPriv": {"auth_passphrase": "secret-auth"}}
    given = secrets.get(level, {"auth_passphrase": "secret-auth", "priv_passphrase": "secret-priv"})
    return {"level": level, "auth": auth, "priv": priv, "allow_weak": True, "sources": LOCAL, **given, **more}


def v3(level: str, auth: str = "SHA-256", priv: str = "AES", name: str = "pcmk") -> list[str]:
    arguments = ["-v", "3", "-u", name, "-l", level]
    if level != "noAuthNoPriv":
        arguments += ["-a", auth, "-A", "secret-auth"]
    return [*arguments, "-x", priv, "-X", "secret-priv"] if level == "authPriv" else arguments


# With net-snmp's own programs


async def test_v1_and_v2c_traps_and_informs_of_net_snmp_are_taken(tmp_path: Path) -> None:
    async with receiving(tmp_path, listen=["127.0.0.1:0", "[::1]:0"]) as reception:
        targets = [reception.address, f"udp6:[::1]:{reception.addresses[1][1]}"]
        for target in targets:
            await net_snmp("snmptrap", "-v", "2c", "-c", "pcmk", target, *PAYLOAD, home=tmp_path)
            await net_snmp("snmptrap", "-v", "1", "-c", "pcmk", target, f"{PACEMAKER}.2", "192.0.2.7", "6", "1", "42", *NODE, home=tmp_path)
            said = await net_snmp("snmpinform", "-v", "2c", "-c", "pcmk", "-r", "3", "-t", "5", target, *PAYLOAD, home=tmp_path)
            assert said.status == 0, said.error
        traps = await reception.until(6)
        assert [(trap.version, trap.inform, trap.source) for trap in traps] == [
            (version, inform, source)
            for source in ("127.0.0.1", "::1")
            for version, inform in ((SnmpVersion.V2C, False), (SnmpVersion.V1, False), (SnmpVersion.V2C, True))
        ]
        assert {(trap.cluster, trap.collector, trap.credential) for trap in traps} == {("pg", "main", "pcmk")}
        assert {trap.notification for trap in traps} == {TRAP, f"{PACEMAKER}.2.0.1"}
        assert {trap.varbinds[0].value for trap in traps} == {b"node1"}
        assert reception.refused == {}
        assert reception.collector.counted().acknowledged == 2


@pytest.mark.parametrize("level", ["noAuthNoPriv", "authNoPriv", "authPriv"])
async def test_v3_traps_and_informs_of_net_snmp_are_taken_at_every_level(level: str, tmp_path: Path) -> None:
    given: dict[str, Any] = {"engine_ids": ["80001f8880feed0001"]} if level == "noAuthNoPriv" else {}
    async with receiving(tmp_path, user={"pcmk": user(level, **given)}) as reception:
        await net_snmp("snmptrap", "-e", "0x80001f8880feed0001", *v3(level), reception.address, *PAYLOAD, home=tmp_path)
        said = await net_snmp("snmpinform", "-r", "3", "-t", "5", *v3(level), reception.address, *PAYLOAD, home=tmp_path)
        assert said.status == 0, said.error
        trap, inform = await reception.until(2)
        assert (trap.version, trap.inform, trap.engine_id) == (SnmpVersion.V3, False, "80001f8880feed0001")
        assert (inform.version, inform.inform, inform.engine_id) == (SnmpVersion.V3, True, reception.engine_id.hex())
        assert trap.varbinds == inform.varbinds
        assert trap.credential == "pcmk"


@pytest.mark.parametrize("auth", AUTH)
async def test_every_protocol_of_net_snmp_is_understood(auth: str, tmp_path: Path) -> None:
    names = {f"{auth}{priv}".lower().replace("-", "_"): priv for priv in PRIV}
    users = {name: user("authPriv", auth, priv) for name, priv in names.items()}
    async with receiving(tmp_path, user=users) as reception:
        for name, priv in names.items():
            await net_snmp("snmptrap", *v3("authPriv", auth, priv, name), reception.address, *PAYLOAD, home=tmp_path)
            said = await net_snmp(
                "snmpinform", "-r", "3", "-t", "5", *v3("authPriv", auth, priv, name), reception.address, *PAYLOAD, home=tmp_path
            )
            assert said.status == 0, (name, said.error)
        traps = await reception.until(2 * len(PRIV))
        assert [trap.credential for trap in traps] == [name for name in names for _ in range(2)]
        assert {trap.varbinds[0].value for trap in traps} == {b"node1"}


async def test_a_sender_of_informs_learns_what_is_wrong(tmp_path: Path) -> None:
    async with receiving(tmp_path, user={"pcmk": user("authPriv")}) as reception:
        wrong = {
            "Unknown user name": v3("authPriv", name="nobody"),
            "Authentication failure": [argument.replace("secret-auth", "secret-wrong") for argument in v3("authPriv")],
            "Unsupported security level": v3("noAuthNoPriv"),
        }
        for says, arguments in wrong.items():
            said = await net_snmp("snmpinform", "-r", "0", "-t", "5", *arguments, reception.address, *PAYLOAD, home=tmp_path)
            assert said.status == 1
            assert says in said.error
        assert reception.traps == []
        assert reception.collector.counted().acknowledged == 0


# The datagrams of a real cluster


async def test_the_real_datagrams_of_a_cluster_come_out_as_they_went_in(tmp_path: Path) -> None:
    known = {"pcmk": COMMUNITY | {"community": "public", "allow_default_community": True}, "fence": COMMUNITY}
    datagrams = [one.datagram for one in all_recorded()]
    async with receiving(tmp_path, community=known, max_per_second=0, max_per_second_per_source=0) as reception:
        reception.send(*datagrams)
        traps = await reception.until(len(datagrams))
    assert [trap.varbinds for trap in traps] == [decode(datagram).varbinds for datagram in datagrams]
    assert [trap.pdu in datagram for trap, datagram in zip(traps, datagrams, strict=True)] == [True] * len(datagrams)


# What nobody should send


async def test_what_may_not_be_sent_is_counted_by_reason_and_valid_traps_go_on(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async with receiving(tmp_path, community={"pcmk": COMMUNITY | {"sources": ["127.0.0.0/30"]}}) as reception:
        reception.send(GOOD, source="127.0.0.9")
        reception.send(v2c(pdu(pacemaker()), "wrong"), v2c(pdu(pacemaker()), ""), v2c(pdu(pacemaker()), "pcmk2"))
        reception.send(v2c(pdu(pacemaker(), tag=0xA6), "wrong"))
        reception.send(bytes(60_000), v2c(pdu([varbind("1.3.6.1", octets(bytes(8200)))])))
        reception.send(b"", b"\x30", v1(generic=9), v2c(pdu([varbind("1.3.6.1", integer(1))] * 100)))
        reception.send(sequence(integer(3), b"junk"))
        reception.send(GOOD)
        await reception.settle()
        assert [trap.notification for trap in reception.traps] == [TRAP]
        assert reception.refused == {"source": 1, "community": 4, "oversized": 2, "malformed": 4, "user": 1}
        assert not reception.has_answer()
    told = [(record.reason, record.address) for record in caplog.records if record.message == "a datagram was not taken as a trap"]  # type: ignore[attr-defined]
    assert sorted(told) == [
        ("community", "127.0.0.1"),
        ("malformed", "127.0.0.1"),
        ("oversized", "127.0.0.1"),
        ("source", "127.0.0.9"),
        ("user", "127.0.0.1"),
    ]
    assert not any("wrong" in record.getMessage() or "wrong" in str(record.__dict__) for record in caplog.records)


async def test_a_reason_is_logged_again_after_a_minute_with_how_many_there_were(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    clock = FakeClock()
    async with receiving(tmp_path, clock=clock) as reception:
        reception.send(*[b"junk"] * 5)
        await reception.settle()
        clock.advance(61)
        reception.send(b"junk")
        await reception.settle()
    told = [record.of_this_reason_since for record in caplog.records if record.message == "a datagram was not taken as a trap"]  # type: ignore[attr-defined]
    assert told == [1, 5]


async def test_only_the_notifications_that_a_source_may_send_are_taken(tmp_path: Path) -> None:
    source = {"db": {"addresses": ["127.0.0.0/8"], "notifications": [f"{PACEMAKER}.2", "1.3.6.1.4.1.1.1"]}}
    async with receiving(tmp_path, source=source) as reception:
        reception.send(GOOD, v2c(pdu(notification="1.3.6.1.6.3.1.1.5.1")), v2c(pdu(notification=f"{PACEMAKER}.21")))
        await reception.settle()
        assert [trap.notification for trap in reception.traps] == [TRAP]
        assert reception.refused == {"notification": 2}


async def test_the_cluster_comes_from_community_or_source(tmp_path: Path) -> None:
    given: dict[str, Any] = {
        "cluster": None,
        "community": {
            "one": {"community": "one", "cluster": "first", "sources": ["127.0.0.1"]},
            "any": {"community": "pcmk", "sources": ["127.0.0.1", "127.0.0.2"]},
        },
        "source": {
            "a": {"addresses": ["127.0.0.1"], "cluster": "first"},
            "b": {"addresses": ["127.0.0.2"], "cluster": "second"},
        },
    }
    async with receiving(tmp_path, **given) as reception:
        reception.send(v2c(pdu(), "one"), GOOD)
        reception.send(GOOD, source="127.0.0.2")
        traps = await reception.until(3)
        assert sorted((trap.cluster, trap.credential) for trap in traps) == [("first", "any"), ("first", "one"), ("second", "any")]


async def test_a_relay_is_not_taken_for_the_sender(tmp_path: Path) -> None:
    named = [*pacemaker(), varbind("1.3.6.1.6.3.18.1.3.0", octets(bytes([192, 0, 2, 7]), 0x40))]
    source = {"relay": {"addresses": ["127.0.0.1"], "relay": True}}
    async with receiving(tmp_path, source=source) as reception:
        reception.send(v2c(pdu(named)), v1(agent=bytes([192, 0, 2, 8])), v1(), GOOD)
        traps = await reception.until(4)
        assert [trap.source for trap in traps] == ["192.0.2.7", "192.0.2.8", "127.0.0.1", "127.0.0.1"]
    async with receiving(tmp_path) as reception:
        reception.send(v2c(pdu(named)))
        assert [trap.source for trap in await reception.until(1)] == ["127.0.0.1"]


# Limits


async def test_the_storm_of_a_large_failover_is_taken_whole_with_the_settings_as_they_come(tmp_path: Path) -> None:
    async with receiving(tmp_path) as reception:
        reception.send(*[v2c(pdu(pacemaker(resource=f"prm{number}"), request=number)) for number in range(1900)])
        assert [trap.request_id for trap in await reception.until(1900)] == list(range(1900))
        assert reception.refused == {}


async def test_a_source_that_sends_too_much_does_not_silence_the_others(tmp_path: Path) -> None:
    clock = FakeClock()
    async with receiving(tmp_path, clock=clock, max_per_second_per_source=5) as reception:
        reception.send(*[GOOD] * 80, source="127.0.0.5")
        reception.send(*[GOOD] * 20, source="127.0.0.6")
        await reception.settle()
        noisy = [trap for trap in reception.traps if trap.source == "127.0.0.5"]
        assert 50 <= len(noisy) < 80  # a burst of ten seconds' worth, and what time gave meanwhile
        assert len([trap for trap in reception.traps if trap.source == "127.0.0.6"]) == 20
        assert reception.refused == {"rate": 80 - len(noisy)}
        reception.collector.look({})
        await reception.inbox.until(lambda: any(isinstance(seen, SourceLost) for seen in reception.inbox.observations))
        [lost] = [seen for seen in reception.inbox.observations if isinstance(seen, SourceLost)]
        assert (lost.cluster, lost.dropped, lost.path) == ("pg", 80 - len(noisy), "127.0.0.1:0")
        clock.advance((CALM + timedelta(seconds=1)).total_seconds())
        reception.collector.look({})
        await reception.inbox.until(lambda: any(isinstance(seen, SourceBack) for seen in reception.inbox.observations))
        [back] = [seen for seen in reception.inbox.observations if isinstance(seen, SourceBack)]
        assert (back.dropped, back.path) == (lost.dropped, lost.path)


async def test_a_history_that_is_away_bounds_what_waits_and_what_finds_no_room_is_counted(tmp_path: Path) -> None:
    inbox = MemoryInbox(room=0)
    given: dict[str, Any] = {"queue": 1000, "max_per_second": 0, "max_per_second_per_source": 0, "receive_buffer_bytes": 1 << 26}
    async with receiving(tmp_path, inbox=inbox, **given) as reception:
        sent = 3 * MOST_READY
        for _ in range(sent // 100):
            reception.send(*[GOOD] * 100)
            await asyncio.sleep(0)
        await asyncio.to_thread(lambda: None)
        waiting = reception.collector.counted()
        assert waiting.waiting <= 1000
        await inbox.let_in(None)
        await inbox.until(lambda: len(inbox.traps) + reception.refused.get("queue", 0) >= sent)
        assert set(reception.refused) == {"queue"}
        assert len(inbox.traps) + reception.refused["queue"] == sent
        assert len(inbox.traps) >= MOST_READY
        # And it goes on.
        reception.send(GOOD)
        await inbox.until(lambda: len(inbox.traps) + reception.refused["queue"] == sent + 1)


def test_the_drops_of_the_kernel_are_known_for_each_socket() -> None:
    with open_socket(Listen("127.0.0.1", 0), 4096, "listen") as small, open_socket(Listen("::1", 0), 1 << 20, "listen") as large:
        for sock, family in ((small, socket.AF_INET), (large, socket.AF_INET6)):
            with socket.socket(family, socket.SOCK_DGRAM) as sender:
                for _ in range(200):
                    sender.sendto(GOOD, sock.getsockname())
        drops = kernel_drops([inode(small), inode(large)])
        taken = 0
        while True:
            try:
                small.recv(65536)
            except BlockingIOError:
                break
            taken += 1
        assert drops == {inode(small): 200 - taken, inode(large): 0}
        assert drops[inode(small)] > 100


async def test_new_drops_of_the_kernel_are_counted_and_told(tmp_path: Path) -> None:
    async with receiving(tmp_path) as reception:
        inode_of_it = 4711
        reception.collector.look({inode_of_it: 7})
        reception.collector.look({inode_of_it: 9})
        assert reception.refused == {"kernel": 9}
        await reception.inbox.until(lambda: any(isinstance(seen, SourceLost) for seen in reception.inbox.observations))


# Informs


async def test_an_inform_is_answered_when_the_history_holds_it_and_not_before(tmp_path: Path) -> None:
    inbox = MemoryInbox()
    inbox.is_away = True
    async with receiving(tmp_path, inbox=inbox) as reception:
        inform = v2c(pdu(pacemaker(), tag=0xA6, request=77))
        reception.send(inform, inform, inform)
        await reception.until(1)
        await reception.settle()
        assert not reception.has_answer()
        assert reception.collector.counted().acknowledged == 0
        inbox.back()
        answers = await reception.answers(3)
        assert set(answers) == {inform.replace(pdu(pacemaker(), tag=0xA6, request=77), pdu(pacemaker(), tag=RESPONSE, request=77))}
        # It came three times, and is stored once; its sender is answered each time, as one answer may have been lost.
        assert len(reception.traps) == 1
        reception.send(inform)
        assert len(await reception.answers(1)) == 1
        assert len(reception.traps) == 1
        assert reception.collector.counted().repeated == 3


async def test_another_inform_is_not_taken_for_the_same(tmp_path: Path) -> None:
    async with receiving(tmp_path) as reception:
        first = pdu(pacemaker(), tag=0xA6, request=77)
        reception.send(v2c(first), v2c(pdu(pacemaker(), tag=0xA6, request=78)), v2c(pdu(pacemaker("node2"), tag=0xA6, request=77)))
        reception.send(v2c(first), source="127.0.0.2")
        assert len(await reception.until(4)) == 4


async def test_the_senders_of_net_snmp_wait_while_the_history_is_away(tmp_path: Path) -> None:
    inbox = MemoryInbox()
    inbox.is_away = True
    async with receiving(tmp_path, inbox=inbox, user={"pcmk": user("authPriv")}) as reception:
        for credential in (["-v", "2c", "-c", "pcmk"], v3("authPriv")):
            said = await net_snmp("snmpinform", *credential, "-r", "0", "-t", "0.3", reception.address, *PAYLOAD, home=tmp_path)
            assert said.status == 1
            assert "Timeout" in said.error
        await reception.until(2)
        assert reception.collector.counted().acknowledged == 0
        waiting = asyncio.create_task(
            net_snmp("snmpinform", *v3("authPriv"), "-r", "50", "-t", "0.2", reception.address, *PAYLOAD, home=tmp_path)
        )
        await reception.until(3)
        inbox.back()
        assert (await waiting).status == 0
        assert len(reception.traps) == 3


# Silence


def nodes(**more: Any) -> dict[str, Any]:
    source = {"a": {"addresses": ["127.0.0.1"], "node": "pm01"}, "b": {"addresses": ["127.0.0.2"], "node": "pm02"}}
    return {"source": source, **more}


async def test_a_node_that_never_sent_a_trap_is_shown(tmp_path: Path) -> None:
    async with receiving(tmp_path, **nodes()) as reception:
        reception.send(GOOD)
        await reception.until(1)
        views = {view.path: view for view in reception.collector.views()}
        assert {path: view.up for path, view in views.items()} == {"127.0.0.1:0": True, "pm01": True, "pm02": False}
        assert views["pm02"].reason == "no trap was ever received from it"
        assert (views["pm01"].lines_read, views["pm02"].lines_read) == (1, 0)
        assert views["pm01"].last_data_at is not None
    # And it is remembered.
    async with receiving(tmp_path, **nodes()) as reception:
        remembered = {view.path: view for view in reception.collector.views()}
        assert remembered["pm01"].last_data_at == views["pm01"].last_data_at
        assert remembered["pm02"].last_data_at is None


async def test_a_node_whose_traps_stopped_is_told_and_so_is_its_return(tmp_path: Path) -> None:
    clock = FakeClock()
    async with receiving(tmp_path, clock=clock, **nodes(silent_after_seconds=60)) as reception:
        reception.send(GOOD)
        await reception.until(1)
        clock.advance(59)
        reception.collector.look({})
        assert not any(isinstance(seen, SourceLost) for seen in reception.inbox.observations)
        clock.advance(2)
        reception.collector.look({})
        reception.collector.look({})
        await reception.inbox.until(lambda: len(reception.inbox.observations) >= 3)
        lost = [seen for seen in reception.inbox.observations if isinstance(seen, SourceLost)]
        assert [(seen.node, seen.reason) for seen in lost] == [
            ("pm01", "no trap for 60 s"),
            ("pm02", "no trap was ever received from it"),
        ]
        reception.send(GOOD)
        await reception.inbox.until(lambda: any(isinstance(seen, SourceBack) for seen in reception.inbox.observations))
        assert {view.path: view.up for view in reception.collector.views()} == {"127.0.0.1:0": True, "pm01": True, "pm02": False}


async def test_without_nodes_the_whole_cluster_is_told_to_be_silent(tmp_path: Path) -> None:
    clock = FakeClock()
    async with receiving(tmp_path, clock=clock, silent_after_seconds=60) as reception:
        clock.advance(61)
        reception.collector.look({})
        await reception.inbox.until(lambda: len(reception.inbox.observations) == 1)
        [lost] = reception.inbox.observations
        assert isinstance(lost, SourceLost)
        assert (lost.path, lost.node) == ("127.0.0.1:0", None)


# Starting


def test_an_address_that_another_has_is_told_with_the_key_and_a_remedy(tmp_path: Path) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", 0))
        collector = SnmpTrap("main", settings(listen=["127.0.0.1:0", f"127.0.0.1:{taken.getsockname()[1]}"]), SystemClock())
        with pytest.raises(ConfigError) as refused:
            collector.open(tmp_path)
    [problem] = refused.value.problems
    assert (problem.id, problem.key) == ("address-not-available", "collect.snmp_trap.main.listen[1]")
    assert "snmptrapd" in problem.hint
    assert collector.addresses == []


async def test_the_same_address_can_be_had_again_at_once(tmp_path: Path) -> None:
    port = None
    for _ in range(3):
        async with receiving(tmp_path, listen=[f"127.0.0.1:{port or 0}"]) as reception:
            port = reception.addresses[0][1]
            reception.send(GOOD)
            await reception.until(1)


def test_a_damaged_memory_is_left_behind_with_a_warning(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    for damaged in ("", "[]", '{"learned": [{}], "clocks": [], "seen": []}', "\xff"):
        (tmp_path / "snmp-trap-main.json").write_bytes(damaged.encode("latin-1"))
        collector = SnmpTrap("main", settings(), SystemClock())
        collector.open(tmp_path)
        collector.close()
    assert [record.message for record in caplog.records].count(
        "what this receiver remembered cannot be read; engines of SNMPv3 are learned anew"
    ) == 4


def test_the_traps_of_a_recording_name_their_nodes() -> None:
    """The corpus is what it should be: the other tests read it."""
    assert {decode(one.datagram).varbinds[0].value for one in recorded("chronicle")} == {b"pm01", b"pm02"}


def test_reasons_are_the_same_in_metrics_and_records() -> None:
    collector = SnmpTrap("main", settings(), SystemClock())
    assert set(collector.counted().refused) == set(Refusal)
    assert Trap.__slots__
