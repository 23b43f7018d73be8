"""The agent of hamon as a process, asked by net-snmp's programs."""

import asyncio
import os
import re
import socket
from collections.abc import Mapping
from pathlib import Path
from random import Random

import pytest

from hamon.data import folder
from hamon.snmp import DEFAULT_ROOT
from tests.gateway.harness import Gateway, eventually
from tests.peers import need
from tests.snmp.nms import AUTH, BASE, PRIV, free_port

READER = ("-v", "3", "-u", "reader", "-l", "authPriv", "-a", "SHA-256", "-A", AUTH, "-x", "AES", "-X", PRIV)
AUTH_ONLY = ("-v", "3", "-u", "reader", "-l", "authNoPriv", "-a", "SHA-256", "-A", AUTH)
V2C = ("-v", "2c", "-c", "askme")
NARROW = ("-v", "2c", "-c", "narrow")


async def ask(home: Path, program: str, *arguments: str) -> tuple[int, str]:
    (home / "cert_indexes").mkdir(parents=True, exist_ok=True)
    environ = {
        "MIBDIRS": f"{BASE}:{folder('mibs')}",
        "MIBS": "SNMPv2-MIB:HAMON-MIB",
        "SNMPCONFPATH": str(home),
        "SNMP_PERSISTENT_DIR": str(home),
        "PATH": os.environ.get("PATH", os.defpath),
    }
    command = [need(program), "-r", "1", "-t", "3", "-Oq", *arguments]
    process = await asyncio.create_subprocess_exec(*command, env=environ, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT)
    async with asyncio.timeout(60):
        out, _ = await process.communicate()
    return process.returncode or 0, out.decode()


def values(walked: str) -> Mapping[str, str]:
    """By name and index, as `hamonNodeName.1.1`."""
    return {name: value.strip('"') for name, value in re.findall(r"(?m)^[\w-]+::([\w.]+) (.*)$", walked)}


def gateway(tmp_path: Path, port: int, host: str = "127.0.0.1") -> Gateway:
    made = Gateway(tmp_path / "hamon", services={"db": ["prmDb"]})
    listen = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    settings: dict[str, object] = {"enabled": True, "listen": [listen], "sources": ["127.0.0.1", "::1"], "refresh_seconds": 0.1}
    made.sections |= {
        "snmp.agent": settings,
        "snmp.agent.community.all": {"community": "askme"},
        "snmp.agent.community.some": {"community": "narrow", "view": ["system", "incident"]},
        "snmp.agent.user.reader": {"auth_passphrase": AUTH, "priv_passphrase": PRIV},
    }
    return made


def failing(hamon: Gateway) -> None:
    """A failed monitor of the service's resource on n1, as Pacemaker 2.1 logs it."""
    from tests.gateway.harness import now

    stamp = now().strftime("%b %d %H:%M:%S")
    daemon = "pacemaker-controld [1] (log_executor_event)"
    what = "Result of monitor operation for prmDb on n1: not running | rc=7 call=9 key=prmDb_monitor_10000"
    hamon.write("n1", f"{stamp} n1 {daemon} error: {what}")


async def test_tables_of_clusters_nodes_services_and_open_incidents_can_be_walked(tmp_path: Path) -> None:
    port, home = free_port(), tmp_path / "asker"
    async with gateway(tmp_path, port) as hamon:
        failing(hamon)
        await eventually(hamon.incidents)
        address = f"127.0.0.1:{port}"

        async def walked() -> Mapping[str, str]:
            return values((await ask(home, "snmpwalk", *V2C, address, "HAMON-MIB::hamonObjects"))[1])

        # Once it was told to the mailbox, nothing changes any more.
        found = await eventually(walked, lambda found: "hamonIncidentKey.1" in found and found.get("hamonTargetSent.1") == "1")
        incident = next(iter(await hamon.incidents()))
        assert found["hamonClusterName.1"] == "web"
        assert {value for name, value in found.items() if name.startswith("hamonNodeName.1.")} == {"n1"}
        assert found["hamonServiceName.1.1"] == "db"
        assert found["hamonIncidentKey.1"] == incident["key"]
        assert found["hamonIncidentCluster.1"] == "web"
        assert found["hamonIncidentType.1"].endswith("hamonResourceFailure")
        assert found["hamonTargetName.1"] == "box"
        assert found["hamonOpenWarning.0"] == "1"
        assert re.fullmatch(r"[0-9a-f]{32}", found["hamonIncidentId.1"])
        # All the ways to walk give the same, but for the time that passes.
        everything = "HAMON-MIB::hamonMIB"
        ways = [
            await ask(home, program, *options, address, everything)
            for program, options in (("snmpwalk", READER), ("snmpbulkwalk", V2C), ("snmpbulkwalk", ("-Cr20", *READER)))
        ]
        rows = [{name: value for name, value in values(out).items() if name != "hamonUpTime.0"} for _, out in ways]
        assert [status for status, _ in ways] == [0, 0, 0]
        assert rows[0] == rows[1] == rows[2]
        assert rows[0].items() >= {name: value for name, value in found.items() if name.startswith(("hamonNode", "hamonService"))}.items()
        status, out = await ask(home, "snmpget", *V2C, address, "sysObjectID.0", "sysName.0", "sysUpTime.0", "sysDescr.0")
        assert status == 0
        assert "hamonMIB" in out
        assert socket.gethostname() in out
        # The number of a row stays after a restart.
        assert await hamon.stop() == 0
        await hamon.start()
        again = await eventually(walked, lambda found: any(name.startswith("hamonIncidentKey") for name in found))
        assert again["hamonIncidentKey.1"] == found["hamonIncidentKey.1"]


async def test_nobody_sees_more_than_the_view_level_version_and_address_allow(tmp_path: Path) -> None:
    port, home = free_port(), tmp_path / "asker"
    async with gateway(tmp_path, port):
        address = f"127.0.0.1:{port}"

        async def sees(*options: str, oid: str = "1.3.6.1") -> tuple[int, str]:
            return await ask(home, "snmpwalk", *options, address, oid)

        async def answers() -> tuple[int, str]:
            return await sees(*V2C)

        _, everything = await eventually(answers, lambda answer: "hamonClusterName" in answer[1])
        assert {"hamonVersion", "hamonTargetName", "sysName"} <= {name.split(".")[0] for name in values(everything)}
        # pysnmp's own tables, keys among them, are not there, whatever one asks for.
        assert set(re.findall(r"(?m)^(\w[\w-]*)::", everything)) == {"SNMPv2-MIB", "HAMON-MIB"}
        for hidden in ("1.3.6.1.6.3.15", "1.3.6.1.4.1.20408", "1.3.6.1.6.3.16"):
            status, out = await sees(*V2C, oid=hidden)
            assert "No more variables" in out or "No Such Object" in out
        _, narrow = await sees(*NARROW)
        assert {name.split(".")[0] for name in values(narrow)} >= {"sysName", "hamonOpenCritical"}
        assert not {"hamonVersion", "hamonClusterName", "hamonTargetName"} & {name.split(".")[0] for name in values(narrow)}
        status, out = await ask(home, "snmpget", *NARROW, address, "HAMON-MIB::hamonVersion.0")
        assert "No Such Object" in out
        for options in (("-v", "2c", "-c", "wrong"), ("-v", "1", "-c", "askme"), (*READER[:8], "not the passphrase", *READER[9:])):
            status, out = await sees(*options)
            assert (status, values(out)) == (1, {}), options
        status, out = await sees(*AUTH_ONLY)
        assert values(out) == {}
        assert "security level" in out or "authorization" in out
        # From an address that is not in the list; and nothing can be written.
        status, out = await ask(home, "snmpget", *V2C, "--clientaddr=127.0.0.9", address, "sysName.0")
        assert (status, "Timeout" in out) == (1, True)
        status, out = await ask(home, "snmpset", *V2C, address, "sysName.0", "s", "mine")
        assert status != 0
        assert (await answers())[0] == 0


async def test_noise_on_the_port_stops_nothing(tmp_path: Path) -> None:
    port, home = free_port("::1"), tmp_path / "asker"
    async with gateway(tmp_path, port, host="::1") as hamon:
        with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as sock:
            made = (b"", b"0", b"\x30\x82", b"\x30\x03\x02\x01\x01", b"\x30\x84\xff\xff\xff\xff", b"\x30" * 60_000)
            random = Random(20)
            for datagram in (*made, *(b"\x30\x50\x02\x01" + random.choice((b"\x01", b"\x03")) + random.randbytes(n) for n in range(300))):
                sock.sendto(datagram, ("::1", port))

        async def answers() -> tuple[int, str]:
            return await ask(home, "snmpget", *V2C, f"udp6:[::1]:{port}", f".{DEFAULT_ROOT}.1.1.1.0")

        _, out = await eventually(answers, lambda answer: answer[0] == 0)
        assert "hamonVersion" in out
        assert "Traceback" not in hamon.said()


@pytest.mark.parametrize("agent", [{"sources": []}, {"listen": ["localhost:1161"]}, {"listen": ["127.0.0.1"]}])
async def test_an_agent_that_cannot_work_is_refused_with_the_reason(agent: dict[str, object], tmp_path: Path) -> None:
    hamon = gateway(tmp_path, free_port())
    hamon.sections["snmp.agent"] |= agent
    process = await hamon.launch()
    assert await hamon.ended() == 2
    assert process.returncode == 2
    assert "snmp.agent" in hamon.said()


async def test_an_address_that_is_taken_is_told(tmp_path: Path) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        hamon = gateway(tmp_path, sock.getsockname()[1])
        await hamon.launch()
        assert await hamon.ended() == 2
    assert "address-not-available" in hamon.said()
