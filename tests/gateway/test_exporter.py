"""The running gateway in the place of ha_cluster_exporter: the same commands, a real Prometheus, and a cluster that is gone."""

from pathlib import Path
from typing import Any

import httpx

from tests.cib import SCENARIOS
from tests.gateway.harness import CLUSTER, Gateway, eventually
from tests.gateway.test_peers import prometheus
from tests.ha_cluster_exporter import TOOLS, Outputs, Series, differences, read, running, theirs

KEPT = Path(__file__).parents[1] / "corpus" / "crm_mon" / "pacemaker-2.1.5"
ALLOWED = {"ha_cluster_pacemaker_maintenance_mode_enabled", "ha_cluster_sbd_devices", "ha_cluster_sbd_timeouts"}
"""A later metric; SBD is not asked here."""


def outputs(name: str = "one_plus_one") -> Outputs:
    return Outputs(
        crm_mon=(KEPT / f"{name}.xml").read_bytes(),
        cib=str(SCENARIOS[name]()).encode(),
        cfgtool=(TOOLS / "made" / "corosync2-rings.txt").read_bytes().replace(b"\t", b"        "),
    )


def polling(folder: Path, **more: object) -> dict[str, object]:
    """A collector that asks the same commands as the exporter."""

    def tool(name: str) -> dict[str, object]:
        return {"enabled": True, "command": [str(folder / name)], "interval_seconds": 1}

    return {
        "cluster": CLUSTER,
        "commands": {"n1": [str(folder / "crm_mon")]},
        "interval_seconds": 1,
        "quiet_interval_seconds": 1,
        "cibadmin": tool("cib"),
        "quorum": tool("quorumtool"),
        "links": tool("cfgtool"),
        "drbd": tool("drbd"),
        "sbd": {"enabled": False},
        **more,
    }


async def shown(gateway: Gateway) -> Series:
    answer = await gateway.get("/metrics/ha_cluster", cluster=CLUSTER)
    return read(answer.text) if answer.status_code == 200 else {}


async def own(gateway: Gateway) -> Series:
    return read((await gateway.get("/metrics")).text)


def value(series: Series, name: str, **labels: str) -> float | None:
    return series.get((name, frozenset({"cluster": CLUSTER, **labels}.items())))


async def test_the_gateway_gives_what_the_exporter_gives_of_the_same_commands(tmp_path: Path) -> None:
    folder = tmp_path / "tools"
    folder.mkdir()
    with running(folder) as exporter:
        exporter.prepare(outputs())
        async with Gateway(tmp_path, (), collect__crm_mon__polls=polling(folder)) as gateway:

            async def different() -> list[Any]:
                found = differences(theirs(exporter.scrape().text), await shown(gateway))
                return [one for one in found if one.name not in ALLOWED and one.labels.get("collector") != "sbd"]

            await eventually(different, lambda found: found == [])
            exporter.prepare(outputs("failed_start"))
            await eventually(different, lambda found: found == [])
            failed = read(exporter.scrape().text)["ha_cluster_pacemaker_fail_count", frozenset({("node", "n2"), ("resource", "web")})]
            assert failed == float("inf"), "the second state is another one"


async def test_a_cluster_that_stops_to_answer_is_shown_as_unknown_and_comes_back(tmp_path: Path) -> None:
    folder = tmp_path / "tools"
    folder.mkdir()
    with running(folder) as exporter:
        exporter.prepare(outputs())
        async with Gateway(tmp_path, (), collect__crm_mon__polls=polling(folder), metrics={"ha_cluster": True}) as gateway:
            up = {"service": "grpWeb"}
            await eventually(lambda: own(gateway), lambda found: value(found, "hamon_service_up", **up) == 1)
            (folder / "crm_mon.out").unlink()
            gone = await eventually(lambda: own(gateway), lambda found: value(found, "hamon_cluster_known") == 0)
            assert value(gone, "hamon_service_up", **up) == value(gone, "hamon_service_up_known", **up) == 0
            assert value(gone, "hamon_node_state", node="n1", state="unknown") == 1
            assert value(gone, "ha_cluster_pacemaker_nodes", node="n1", type="member", status="online") == 0
            assert value(gone, "ha_cluster_scrape_success", collector="pacemaker") == 0
            exporter.prepare(outputs())
            back = await eventually(lambda: own(gateway), lambda found: value(found, "hamon_service_up", **up) == 1)
            assert value(back, "ha_cluster_pacemaker_nodes", node="n1", type="member", status="online") == 1


async def test_prometheus_scrapes_both_and_queries_answer(tmp_path: Path) -> None:
    folder = tmp_path / "tools"
    folder.mkdir()
    with running(folder) as exporter:
        exporter.prepare(outputs())
        async with (
            Gateway(tmp_path, (), collect__crm_mon__polls=polling(folder)) as gateway,
            prometheus(tmp_path / "prometheus", gateway.port, clusters=[CLUSTER]) as client,
        ):

            async def query(expression: str) -> list[tuple[dict[str, str], float]]:
                try:
                    answer = await client.get("/query", params={"query": expression})
                except httpx.TransportError:
                    return []
                found = answer.json()["data"]["result"] if answer.status_code == 200 else []
                return [(sample["metric"], float(sample["value"][1])) for sample in found]

            nodes = 'sum by (instance) (ha_cluster_pacemaker_nodes{status="online"})'
            await eventually(lambda: query(nodes), lambda found: found == [({"instance": CLUSTER}, 2.0)])
            assert await query('ha_cluster_pacemaker_resources{resource="web",status="active"} == 1')
            await eventually(lambda: query("sum(hamon_service_up) == 1"))
            assert await query('hamon_service_can_take_over{node="n2"} == 1')
            [(_, answered)] = await query("time() - hamon_poll_last_answer_timestamp_seconds")
            assert answered < 30
            targets = (await client.get("/targets")).json()["data"]["activeTargets"]
            assert {target["health"] for target in targets} == {"up"}, [target["lastError"] for target in targets]
