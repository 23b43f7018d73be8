"""hamon as a process between net-snmp's programs: snmptrap before it, snmptrapd behind it."""

import asyncio
import json
import os
from pathlib import Path

from tests.gateway.harness import CLUSTER, Gateway, eventually
from tests.peers import need
from tests.snmp.nms import AUTH, PRIV, Nms, free_port, running, users

P = ".1.3.6.1.4.1.32723"
NODE_LOST = (
    *(f"{P}.1.1", "s", "n2", f"{P}.1.2", "s", "n/a", f"{P}.1.3", "s", "n/a", f"{P}.1.4", "s", "lost"),
    *(f"{P}.1.5", "i", "2147483647", f"{P}.1.6", "i", "2147483647", f"{P}.1.7", "i", "2147483647"),
    *(f"{P}.1.8", "s", "n/a", f"{P}.1.9", "s", "日本"),
)
V2C = ("-v", "2c", "-c", "fromnodes")
SECRETS = {"auth_passphrase": AUTH, "priv_passphrase": PRIV}


async def net_snmp(home: Path, program: str, *arguments: str) -> int:
    (home / "cert_indexes").mkdir(parents=True, exist_ok=True)
    environ = {"MIBS": "", "SNMPCONFPATH": str(home), "SNMP_PERSISTENT_DIR": str(home), "PATH": os.environ.get("PATH", os.defpath)}
    process = await asyncio.create_subprocess_exec(need(program), *arguments, env=environ)
    async with asyncio.timeout(30):
        return await process.wait()


def gateway(tmp_path: Path, port: int, **targets: dict[str, object]) -> Gateway:
    more: dict[str, dict[str, object]] = {
        "snmp": {"engine_id": "80001f880568616d6f6e"},
        "collect__snmp_trap__main": {"listen": [f"127.0.0.1:{port}"], "cluster": CLUSTER},
        "collect__snmp_trap__main__community__all": {"community": "fromnodes", "sources": ["127.0.0.0/8"]},
        "collect__snmp_trap__main__user__pcmk": {**SECRETS, "sources": ["127.0.0.0/8"], "engine_ids": ["80001f8880feed0001"]},
    }
    for name, given in targets.items():
        quick: dict[str, object] = {"timeout_seconds": 1, "retries": 0, "heartbeat_seconds": 0, "max_per_second": 0}
        more[f"notify__snmp_trap__{name}"] = {**quick, **given}
    made = Gateway(tmp_path / "hamon", mailbox=False)
    made.sections |= {name.replace("__", "."): given for name, given in more.items()}
    return made


ENGINE = "0x80001f880568616d6f6e"


async def test_original_traps_are_passed_on_as_they_came_by_every_version(tmp_path: Path) -> None:
    port, home = free_port(), tmp_path / "sender"
    lines = [*users(ENGINE), "authCommunity log plain", "authCommunity log marked"]
    async with running(Nms(tmp_path / "nms", lines)) as nms:
        v2c: dict[str, object] = {"address": nms.address, "version": "2c", "mode": ["relay"]}
        hamon = gateway(
            tmp_path,
            port,
            plain={**v2c, "community": "plain", "kind": "trap", "annotate": False},
            marked={**v2c, "community": "marked"},
            secure={"address": nms.address, "mode": ["relay"], **SECRETS},
        )
        async with hamon:
            to = f"127.0.0.1:{port}"
            assert await net_snmp(home, "snmptrap", *V2C, to, "4711", f"{P}.2.1", *NODE_LOST) == 0
            await nms.has_relayed(3)
            assert (
                await net_snmp(home, "snmptrap", "-v", "1", "-c", "fromnodes", to, f"{P}.2", "192.0.2.7", "6", "1", "815", *NODE_LOST[:3])
                == 0
            )
            await nms.has_relayed(6)
            user = (
                "-v",
                "3",
                "-e",
                "0x80001f8880feed0001",
                "-u",
                "pcmk",
                "-l",
                "authPriv",
                "-a",
                "SHA-256",
                "-A",
                AUTH,
                "-x",
                "AES",
                "-X",
                PRIV,
            )
            assert await net_snmp(home, "snmptrap", *user, to, "42", f"{P}.2.1", *NODE_LOST) == 0
            arrived = await nms.has_relayed(7)
            # That of version 3 went to the target of version 3 alone.
            await eventually(lambda: hamon.metrics(), lambda found: found.get('hamon_relays_total{result="relayed",target="secure"}') == 3)
            await eventually(lambda: hamon.metrics(), lambda found: found.get('hamon_relays_total{result="relayed",target="marked"}') == 2)
            assert await hamon.stop() == 0
    assert len(arrived) == 7
    payload = [f"pacemakerNotification{name}" for name in ("Node", "Resource", "Operation", "Description", "Status", "ReturnCode")]
    payload += [f"pacemakerNotification{name}" for name in ("TargetReturnCode", "AttributeName", "AttributeValue")]
    added = ["snmpTrapAddress", "snmpTrapCommunity", "hamonNotifyForwarder"]
    shapes = sorted([list(one.order[2:]) for one in arrived], key=len)
    node = ["pacemakerNotificationNode"]
    converted = [*node, "snmpTrapAddress", "snmpTrapCommunity", "snmpTrapEnterprise", "hamonNotifyForwarder"]
    assert shapes == [node, converted, converted, payload, [*payload, added[0], added[2]], [*payload, *added], [*payload, *added]]
    for one in arrived:
        assert one.uptime_hundredths in (4711, 815, 42)
        assert one.values["pacemakerNotificationNode"] == "n2"
        assert one.values.get("snmpTrapCommunity", "") == ""
        expected = "192.0.2.7" if one.uptime_hundredths == 815 else "127.0.0.1"
        assert one.values.get("snmpTrapAddress", expected) == expected
        # Octets as they came: snmptrapd shows them in hex, since PACEMAKER-MIB does not call them UTF-8.
        assert one.values.get("pacemakerNotificationAttributeValue", "E6 97 A5 E6 9C AC ") == "E6 97 A5 E6 9C AC "


async def test_what_a_receiver_that_was_away_missed_is_passed_on_later_in_order_also_after_kill_9(tmp_path: Path) -> None:
    port, home = free_port(), tmp_path / "sender"
    nms = Nms(tmp_path / "nms", ["authCommunity log marked"])
    hamon = gateway(tmp_path, port, noc={"address": nms.address, "version": "2c", "community": "marked", "mode": ["relay"]})
    async with hamon:
        for number in range(20):
            # An INFORM is acknowledged once it is stored, so what was acknowledged must arrive.
            inform = (
                "-v",
                "2c",
                "-c",
                "fromnodes",
                "-r",
                "5",
                "-t",
                "3",
                f"127.0.0.1:{port}",
                str(number),
                f"{P}.2.1",
                f"{P}.1.1",
                "s",
                "n2",
            )
            assert await net_snmp(home, "snmpinform", *inform) == 0
        await hamon.kill()
        async with running(nms):
            await hamon.start()
            arrived = await nms.has_relayed(20)
            await eventually(lambda: hamon.metrics(), lambda found: found.get('hamon_relays_total{result="relayed",target="noc"}', 0) >= 20)
    assert [one.uptime_hundredths for one in arrived] == list(range(20))


async def test_a_trap_that_went_round_is_not_passed_on_again(tmp_path: Path) -> None:
    """The receiver of what hamon relays is hamon itself."""
    port, home = free_port(), tmp_path / "sender"
    itself: dict[str, object] = {
        "address": f"127.0.0.1:{port}",
        "version": "2c",
        "community": "fromnodes",
        "mode": ["relay"],
        "kind": "trap",
    }
    async with running(Nms(tmp_path / "nms", ["authCommunity log marked"])) as nms:
        noc: dict[str, object] = {"address": nms.address, "version": "2c", "community": "marked", "mode": ["relay"]}
        async with gateway(tmp_path, port, itself=itself, noc=noc) as hamon:
            to = f"127.0.0.1:{port}"
            for number in (1, 2):
                assert await net_snmp(home, "snmptrap", *V2C, to, str(number), f"{P}.2.1", *NODE_LOST) == 0
                await nms.has_relayed(number)
            samples = await eventually(
                lambda: hamon.metrics(), lambda found: found.get('hamon_relays_total{result="relayed",target="itself"}') == 2
            )
            # Each came twice, and went out once to each.
            assert samples['hamon_relays_total{result="relayed",target="noc"}'] == 2
        assert len(nms.everything()) == 2 + len([one for one in nms.everything() if one.name.startswith("hamon")])


async def test_an_incident_of_traps_is_raised_and_cleared_at_the_nms_and_a_backlog_at_the_other_one(tmp_path: Path) -> None:
    port, home = free_port(), tmp_path / "sender"
    async with running(Nms(tmp_path / "nms", users(ENGINE))) as nms:
        alarms: dict[str, object] = {"address": nms.address, **SECRETS, "min_severity": "warning"}
        refused: dict[str, object] = {**alarms, "user": "nobody"}
        hamon = gateway(tmp_path, port, noc=alarms, other=refused)
        hamon.sections[f"cluster.{CLUSTER}"] |= {"membership_seconds": 0.3}
        async with hamon:
            to = f"127.0.0.1:{port}"
            await nms.until(lambda: [one.name for one in nms.everything()] == ["hamonStarted"])
            assert await net_snmp(home, "snmptrap", *V2C, to, "1", f"{P}.2.1", *NODE_LOST) == 0
            raised = await nms.has(2)
            incidents = await hamon.incidents()
            assert await hamon.stop() == 0
        names = {one.name for one in raised}
        assert "hamonDeliveryBacklog" in names
        backlog = next(one for one in raised if one.name == "hamonDeliveryBacklog")
        assert (backlog["Target"], backlog["Cluster"], backlog["Severity"]) == ("other", "hamon", "major")
        lost = next(one for one in raised if one.name != "hamonDeliveryBacklog")
        assert lost["Node"] == "n2"
        assert lost["Key"] in {incident["key"] for incident in incidents}
        assert json.dumps(incidents).count("secret-") == 0
        assert nms.everything()[-1].name == "hamonStopped"
