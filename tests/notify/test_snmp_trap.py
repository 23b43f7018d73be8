"""Notifications of HAMON-MIB, as net-snmp's snmptrapd receives them."""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from pydantic import ValidationError

from hamon.errors import DeliveryError, DeliveryReason
from hamon.model.delivery import Notification
from hamon.model.incident import Cause, Incident, IncidentKind, IncidentState, Notice, Outcome, Severity
from hamon.notify.snmp_trap import SnmpTrapConfig, SnmpTrapNotifier, parse_address
from hamon.snmp import SnmpConfig, mib
from hamon.snmp.local import Local, begin
from hamon.snmp.stream import Stream
from tests.fakes import FakeClock
from tests.notify.stories import AT, INCIDENT, notification
from tests.snmp.nms import AUTH, PRIV, Nms, running, users

OPENING = notification()
CLOSED = replace(INCIDENT, state=IncidentState.RESOLVED, outcome=Outcome.SUCCEEDED, resolved_at=AT + timedelta(minutes=5))


def config(address: str, **given: object) -> SnmpTrapConfig:
    secrets: dict[str, object] = {"auth_passphrase": AUTH, "priv_passphrase": PRIV}
    if given.get("version") == "2c":
        secrets = {"community": given.pop("community", "fromhamon")}
    quick: dict[str, object] = {"timeout_seconds": 1.0, "retries": 1, "max_per_second": 0}
    return SnmpTrapConfig.model_validate({"address": address} | secrets | quick | given)


def local(tmp_path: Path) -> Local:
    return begin(SnmpConfig(), tmp_path / "state", AT)


@asynccontextmanager
async def speaking(entity: Local, settings: SnmpTrapConfig, name: str = "noc") -> AsyncIterator[SnmpTrapNotifier]:
    notifier = SnmpTrapNotifier(name, settings, FakeClock(AT))
    notifier.attach(entity)
    try:
        yield notifier
    finally:
        await notifier.close()


def step(number: int, incident: Incident = INCIDENT, notice: Notice = Notice.UPDATE, **given: object) -> Notification:
    return replace(notification(number, incident=incident, notice=notice), **given)  # type: ignore[arg-type]  # fields of the record


CASES = [
    pytest.param({"version": "2c", "kind": "trap"}, id="2c-trap"),
    pytest.param({"version": "2c", "kind": "inform"}, id="2c-inform"),
    *(
        pytest.param(
            {"kind": kind, "level": level, "auth": auth, "priv": priv, "allow_weak": True}, id=f"3-{kind}-{level}-{auth}-{priv}".lower()
        )
        for kind in ("trap", "inform")
        for level, auth, priv in (
            ("noAuthNoPriv", "SHA-256", "AES"),
            ("authNoPriv", "SHA-512", "AES"),
            ("authPriv", "SHA-256", "AES"),
            ("authPriv", "SHA-224", "AES-192"),
            ("authPriv", "SHA-384", "AES-256"),
            ("authPriv", "SHA", "AES-256-C"),
            ("authPriv", "MD5", "DES"),
        )
    ),
]


@pytest.mark.parametrize("given", CASES)
async def test_a_raise_and_its_clear_arrive_by_every_version_and_level(given: dict[str, object], tmp_path: Path) -> None:
    entity = local(tmp_path)
    levels = {"noAuthNoPriv": "noauth", "authNoPriv": "auth", "authPriv": "priv"}
    lines = ["authCommunity log fromhamon"]
    if "level" in given:
        known = (str(given["auth"]), str(given["priv"]), levels[str(given["level"])])
        lines = users(entity.identity.engine_id_text, "hamon", *known)
    async with running(Nms(tmp_path / "nms", lines)) as nms, speaking(entity, config(nms.address, **given)) as notifier:
        await notifier.send(OPENING)
        await notifier.send(step(2, CLOSED, Notice.CLOSING))
        raised, cleared = await nms.has(2)
    assert (raised.name, cleared.name) == ("hamonFailover", "hamonFailoverCleared")
    assert (raised["Severity"], cleared["Severity"]) == ("major", "cleared")
    assert raised["Key"] == cleared["Key"] == INCIDENT.key
    assert raised["IncidentId"] == cleared["IncidentId"]
    assert (raised["Sequence"], cleared["Sequence"]) == ("1", "2")
    assert (raised["Count"], cleared["Count"]) == ("1", "2")


async def test_what_a_notification_carries_has_names_types_and_order_of_the_mib(tmp_path: Path) -> None:
    async with (
        running(Nms(tmp_path / "nms", ["authCommunity log fromhamon"])) as nms,
        speaking(local(tmp_path), config(nms.address, version="2c")) as notifier,
    ):
        await notifier.send(OPENING)
        (raised,) = await nms.has(1)
    names = ["".join(word.capitalize() for word in var.name.split("_")) for var in (*mib.COMMON, *mib.OF_INCIDENTS, *mib.EXTRAS[101])]
    assert list(raised.order[2:]) == [f"hamonNotify{name}" for name in names]
    assert len(raised.order) <= 28
    assert raised["Time"] == "2026-1-1,12:0:0.0,+0:0"
    assert raised["Text"] == OPENING.subject
    assert (raised["Cluster"], raised["Node"], raised["FromNode"], raised["ToNode"]) == ("web", "node1", "node1", "node2")
    assert (raised["Service"], raised["Planned"], raised["Outcome"]) == ("grpPg", "unplanned", "none")
    assert (raised["EventType"], raised["ProbableCause"]) == ("processingErrorAlarm", "underlyingResourceUnavailable")
    assert "not running" in raised["Cause"] or "pgsql" in raised["Cause"]
    assert raised["DownSeconds"] == "-1"


async def test_a_reminder_raises_nothing_a_second_time(tmp_path: Path) -> None:
    changed = replace(INCIDENT, redundancy=False)
    async with (
        running(Nms(tmp_path / "nms", ["authCommunity log fromhamon"])) as nms,
        speaking(local(tmp_path), config(nms.address, version="2c")) as notifier,
    ):
        await notifier.send(OPENING)
        await notifier.send(step(2, changed, Notice.REMINDER))
        await notifier.send(step(3, replace(changed, kind=IncidentKind.MAINTENANCE, planned=True, key="work"), Notice.REMINDER))
        await notifier.send(step(4, CLOSED, Notice.CLOSING))
        raised, cleared = await nms.has(2)
    assert (raised.name, cleared.name) == ("hamonFailover", "hamonFailoverCleared")


@pytest.mark.parametrize("kind", [kind for kind in mib.RAISES if kind is not IncidentKind.SWITCHOVER])
async def test_every_kind_that_alarms_has_a_raise_and_a_clear_that_the_mib_knows(kind: IncidentKind, tmp_path: Path) -> None:
    incident = replace(INCIDENT, kind=kind)
    async with (
        running(Nms(tmp_path / "nms", ["authCommunity log fromhamon"])) as nms,
        speaking(local(tmp_path), config(nms.address, version="2c", kind="trap")) as notifier,
    ):
        await notifier.send(step(1, incident, Notice.OPENING))
        await notifier.send(step(2, replace(incident, state=IncidentState.RESOLVED), Notice.CLOSING))
        raised, cleared = await nms.has(2)
    assert re.fullmatch(r"hamon[A-Za-z]+", raised.name)
    assert cleared.name == f"{raised.name}Cleared"
    assert raised["Rule"] == kind.value
    assert all(name.startswith(("hamonNotify", "snmpTrap", "DISMAN", "sysUp")) for name in raised.order)


async def test_planned_work_is_not_told_and_a_switchover_once(tmp_path: Path) -> None:
    switchover = replace(INCIDENT, kind=IncidentKind.SWITCHOVER, severity=Severity.INFO, planned=True, outcome=Outcome.ONGOING)
    done = replace(switchover, outcome=Outcome.SUCCEEDED)
    planned = replace(INCIDENT, key="standby", kind=IncidentKind.STANDBY_FAULT, severity=Severity.INFO, planned=True)
    async with (
        running(Nms(tmp_path / "nms", ["authCommunity log fromhamon"])) as nms,
        speaking(local(tmp_path), config(nms.address, version="2c")) as notifier,
    ):
        await notifier.send(step(1, planned, Notice.OPENING))
        await notifier.send(step(1, switchover, Notice.OPENING))
        await notifier.send(step(2, done))
        await notifier.send(step(3, replace(done, state=IncidentState.RESOLVED), Notice.CLOSING))
        await notifier.send(step(2, replace(planned, state=IncidentState.RESOLVED), Notice.CLOSING))
        await notifier.send(step(1, replace(INCIDENT, key="next"), Notice.OPENING))
        arrived = await nms.has(2)
    assert [one.name for one in arrived] == ["hamonSwitchover", "hamonFailover"]
    assert (arrived[0]["Planned"], arrived[0]["Outcome"], arrived[0]["Sequence"]) == ("planned", "succeeded", "1")


async def test_a_failover_of_which_nobody_knows_whether_it_was_planned_is_a_warning_and_a_failed_one_is_critical(tmp_path: Path) -> None:
    unknown = replace(INCIDENT, planned=None)
    failed = replace(INCIDENT, planned=None, outcome=Outcome.FAILED, severity=Severity.CRITICAL)
    async with (
        running(Nms(tmp_path / "nms", ["authCommunity log fromhamon"])) as nms,
        speaking(local(tmp_path), config(nms.address, version="2c")) as notifier,
    ):
        await notifier.send(step(1, unknown, Notice.OPENING))
        await notifier.send(step(2, unknown))  # nothing new for a receiver
        await notifier.send(step(3, failed))
        first, update = await nms.has(2)
    assert (first["Severity"], first["Planned"]) == ("warning", "unknown")
    assert (update.name, update["Severity"], update["Count"]) == ("hamonFailover", "critical", "2")


async def test_an_incident_that_becomes_another_or_part_of_another_is_cleared_under_its_old_name(tmp_path: Path) -> None:
    down = replace(INCIDENT, kind=IncidentKind.SERVICE_DOWN, severity=Severity.CRITICAL)
    failure = replace(INCIDENT, key="failure", kind=IncidentKind.RESOURCE_FAILURE, severity=Severity.WARNING)
    async with (
        running(Nms(tmp_path / "nms", ["authCommunity log fromhamon"])) as nms,
        speaking(local(tmp_path), config(nms.address, version="2c")) as notifier,
    ):
        await notifier.send(step(1, down, Notice.OPENING))
        await notifier.send(step(2, INCIDENT))
        await notifier.send(step(1, failure, Notice.OPENING))
        await notifier.send(step(2, replace(failure, part_of=INCIDENT.key)))
        arrived = await nms.has(5)
    names = ["hamonServiceDown", "hamonServiceDownCleared", "hamonFailover", "hamonResourceFailure", "hamonResourceFailureCleared"]
    assert [one.name for one in arrived] == names


async def test_opened_and_over_in_one_step_is_a_raise_and_a_clear(tmp_path: Path) -> None:
    async with (
        running(Nms(tmp_path / "nms", ["authCommunity log fromhamon"])) as nms,
        speaking(local(tmp_path), config(nms.address, version="2c")) as notifier,
    ):
        await notifier.send(step(1, replace(CLOSED, kind=IncidentKind.LOCAL_RECOVERY), Notice.OPENING))
        arrived = await nms.has(2)
    assert [one.name for one in arrived] == ["hamonLocalRecovery", "hamonLocalRecoveryCleared"]


async def test_two_targets_with_one_address_and_user_name_get_one_copy_each_with_their_own_credentials(tmp_path: Path) -> None:
    entity = local(tmp_path)
    lines = [*users(entity.identity.engine_id_text), "authCommunity log fromhamon", "authCommunity log other"]
    async with running(Nms(tmp_path / "nms", lines)) as nms:
        targets = {
            "v3": config(nms.address),
            "wrong": config(nms.address, auth_passphrase="another passphrase"),
            "one": config(nms.address, version="2c"),
            "two": config(nms.address, version="2c", community="other"),
            "three": config(nms.address, version="2c", community="other", timeout_seconds=3.0, kind="trap"),
        }
        refused = []
        for name, settings in targets.items():
            async with speaking(entity, settings, name) as notifier:
                try:
                    await notifier.send(step(1, replace(INCIDENT, key=f"for-{name}"), Notice.OPENING))
                except DeliveryError as err:
                    refused.append((name, err.reason, err.permanent))
        arrived = await nms.has(4)
    assert refused == [("wrong", DeliveryReason.CREDENTIALS, False)]
    assert sorted(one["Key"] for one in arrived) == ["for-one", "for-three", "for-two", "for-v3"]


async def test_what_a_receiver_refuses_is_told_by_its_reason(tmp_path: Path) -> None:
    entity = local(tmp_path)
    async with running(Nms(tmp_path / "nms", users(entity.identity.engine_id_text))) as nms:
        for settings, reason, words in (
            (config(nms.address, user="nobody"), DeliveryReason.CREDENTIALS, "does not know the user"),
            (config(nms.address, auth_passphrase="not the right one"), DeliveryReason.CREDENTIALS, "digest"),
            (config(nms.address, priv_passphrase="not the right one", retries=0), DeliveryReason.TIMEOUT, "privacy passphrase"),
            (config("127.0.0.1:9", version="2c", retries=0), DeliveryReason.TIMEOUT, "no answer"),
            (config("no-such-host.invalid", version="2c"), DeliveryReason.UNREACHABLE, "name"),
        ):
            async with speaking(entity, settings) as notifier:
                with pytest.raises(DeliveryError, match=words) as raised:
                    await notifier.send(OPENING)
                assert raised.value.reason is reason
                # Nobody knows whether what got no answer arrived.
                assert raised.value.unsure is (reason is DeliveryReason.TIMEOUT)
        assert nms.arrived() == []


async def test_a_repeated_notification_has_its_old_number_and_says_so(tmp_path: Path) -> None:
    entity = local(tmp_path)
    async with running(Nms(tmp_path / "nms", ["authCommunity log fromhamon"])) as nms:
        async with speaking(entity, config("127.0.0.1:9", version="2c", timeout_seconds=0.1, retries=0)) as notifier:
            with pytest.raises(DeliveryError):
                await notifier.send(OPENING)
        async with speaking(entity, config(nms.address, version="2c")) as notifier:
            await notifier.send(step(1, replace(INCIDENT, key="other"), Notice.OPENING, id="other/1"))
            await notifier.send(replace(OPENING, repeated=True))
            await notifier.send(step(2, CLOSED, Notice.CLOSING, repeated=True))
            arrived = await nms.has(3)
    said = [(one["Key"], one["Sequence"], one["Restated"]) for one in arrived]
    assert said == [("other", "2", "false"), (INCIDENT.key, "1", "true"), (INCIDENT.key, "3", "false")]


async def test_long_text_is_cut_between_characters_and_a_message_stays_within_its_limit(tmp_path: Path) -> None:
    long = replace(
        INCIDENT,
        key="k" * 300,
        cluster="c" * 64,
        resources=("資源" * 100,),
        services=("s" * 300,),
        nodes=("n" * 300,),
        from_node="f" * 300,
        to_node="t" * 300,
        fenced=tuple(f"node{number}" for number in range(100)),
        cause=Cause(kind="operation_failed", node="node1", resource="pgsql", at=AT, text="原因" * 400),
    )
    entity = local(tmp_path)
    for limit in (1400, 1200):
        async with running(Nms(tmp_path / f"nms{limit}", users(entity.identity.engine_id_text))) as nms:
            peer = await _Tap.before(nms)
            settings = config(f"127.0.0.1:{peer.port}", kind="trap", max_message_octets=limit)
            async with speaking(entity, settings, f"noc{limit}") as notifier:
                await notifier.send(step(1, long, Notice.OPENING, subject="長い見出し" * 60))
                (raised,) = await nms.has(1)
            peer.close()
        assert max(peer.sizes) <= limit
        assert raised["Text"].endswith("...")
        assert len(raised["Text"].encode()) <= 255
        assert "\ufffd" not in raised["Text"]
        assert re.fullmatch(r"k{51}~[0-9a-f]{12}", raised["Key"])
        assert re.search(r"~[0-9a-f]{12}$", raised["Service"])


class _Tap(asyncio.DatagramProtocol):
    """Passes datagrams on to a receiver and keeps their sizes."""

    def __init__(self, nms: Nms) -> None:
        self.sizes: list[int] = []
        self._nms = nms

    @classmethod
    async def before(cls, nms: Nms) -> "_Tap":
        tap = cls(nms)
        await asyncio.get_running_loop().create_datagram_endpoint(lambda: tap, local_addr=("127.0.0.1", 0))
        return tap

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport: asyncio.DatagramTransport = transport  # type: ignore[assignment]  # that of a datagram endpoint
        self.port = transport.get_extra_info("sockname")[1]

    def datagram_received(self, data: bytes, addr: object) -> None:
        self.sizes.append(len(data))
        self._transport.sendto(data, (self._nms.host, self._nms.port))

    def close(self) -> None:
        self._transport.close()


async def test_heartbeats_carry_the_last_number_and_what_is_open(tmp_path: Path) -> None:
    async def counts() -> dict[Severity, int]:
        return {Severity.CRITICAL: 2, Severity.WARNING: 1, Severity.UNKNOWN: 1}

    async with (
        running(Nms(tmp_path / "nms", ["authCommunity log fromhamon"])) as nms,
        speaking(local(tmp_path), config(nms.address, version="2c", heartbeat_seconds=60)) as notifier,
    ):
        await notifier.send(OPENING)
        beating = asyncio.create_task(notifier.run(counts))
        await nms.until(lambda: len(nms.everything()) == 3)
        beating.cancel()
        await asyncio.gather(beating, return_exceptions=True)
        await nms.until(lambda: len(nms.everything()) == 4)
        _, started, beat, stopped = nms.everything()
    assert (started.name, beat.name, stopped.name) == ("hamonStarted", "hamonHeartbeat", "hamonStopped")
    assert (beat["Interval"], beat["LastSequence"], beat["Sequence"]) == ("60", "1", "0")
    assert [beat[f"Open{name}"] for name in ("Critical", "Major", "Minor", "Warning")] == ["2", "0", "0", "2"]


async def test_ipv6_and_an_address_to_send_from(tmp_path: Path) -> None:
    entity = local(tmp_path)
    async with running(Nms(tmp_path / "nms6", ["authCommunity log fromhamon"], host="::1")) as nms:
        async with speaking(entity, config(nms.address, version="2c")) as notifier:
            await notifier.send(OPENING)
        assert len(await nms.has(1)) == 1
    async with running(Nms(tmp_path / "nms", ["authCommunity log fromhamon"])) as nms:
        async with speaking(entity, config(nms.address, version="2c", bind="127.0.0.7"), "bound") as notifier:
            await notifier.send(OPENING)
        (arrived,) = await nms.has(1)
        assert "127.0.0.7" in arrived.sender


async def test_the_numbers_survive_and_two_programs_share_them(tmp_path: Path) -> None:
    one, two = Stream(tmp_path / "noc.jsonl"), Stream(tmp_path / "noc.jsonl")
    assert [one.number("a"), two.number("b"), one.number("c"), two.number("a")] == [(1, False), (2, False), (3, False), (1, True)]
    with (tmp_path / "noc.jsonl").open("ab") as file:
        file.write(b'{"n":9')  # a crash while writing
    assert two.number("d") == (4, False)
    assert Stream(tmp_path / "noc.jsonl").number("e") == (5, False)


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"version": "2c"}, "community"),
        ({"version": "2c", "community": "public"}, "everybody knows"),
        ({"version": "2c", "community": ""}, "empty"),
        ({"version": "1", "community": "x"}, "version"),
        ({}, "auth_passphrase"),
        ({"auth_passphrase": AUTH, "priv_passphrase": PRIV, "auth": "MD5"}, "allow_weak"),
        ({"version": "2c", "community": "x", "address": "[::1"}, "IPv6"),
        ({"version": "2c", "community": "x", "address": "host:99999"}, "port"),
    ],
)
def test_settings_that_cannot_work_are_told(given: dict[str, object], says: str) -> None:
    with pytest.raises(ValidationError, match=says):
        SnmpTrapConfig.model_validate({"address": "192.0.2.1"} | given)


def test_an_address_has_162_where_it_names_no_port() -> None:
    assert parse_address("2001:db8::1", 162) == ("2001:db8::1", 162)
    assert parse_address("[2001:db8::1]", 162) == ("2001:db8::1", 162)
