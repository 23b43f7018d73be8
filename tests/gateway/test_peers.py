"""The running program and its readers: a real Prometheus, promtool, and a real browser on the demonstration."""

import asyncio
import json
import os
import re
import signal
import sys
from asyncio.subprocess import PIPE, STDOUT
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from playwright.async_api import expect

from hamon import data
from tests.gateway.harness import CLUSTER, Gateway, environment, eventually, free_port, now, run_command, traditional
from tests.gateway.sequences import FILE, A
from tests.peers import need
from tests.web.test_browser import chromium, opened


async def write_failover(gateway: Gateway) -> None:
    """Write sequence A, stamped around one moment; the next node speaks when the last was heard."""
    end, last = now(), A[0][1]
    for second, node, rest in A:
        if node != last:
            await gateway.has_read()
        gateway.write(node, traditional(end - timedelta(seconds=A[-1][0] - second), node, rest), name=FILE)
        last = node
    await gateway.quiet()


def _drop_in(clusters: Sequence[str], port: int) -> str:
    """The job of the README of /dashboards, for these clusters and this address."""
    readme = (data.folder("dashboards") / "README.md").read_text(encoding="utf-8")
    found = re.search(r" {4}scrape_configs:\n {6}- job_name: ha_cluster\n(?: {6}.*\n)+", readme)
    assert found is not None
    [job] = yaml.safe_load(found[0])["scrape_configs"]
    job["static_configs"] = [{"targets": list(clusters)}]
    job["relabel_configs"][-1]["replacement"] = f"127.0.0.1:{port}"
    return json.dumps(job)


@asynccontextmanager
async def prometheus(folder: Path, port: int, clusters: Sequence[str] = ()) -> AsyncIterator[httpx.AsyncClient]:
    """A Prometheus that scrapes 127.0.0.1:`port`, and of these clusters the metrics of ha_cluster_exporter, as the README says."""
    program, own = need("prometheus"), free_port()
    folder.mkdir()
    (folder / "prometheus.yml").write_text(
        "global: {scrape_interval: 500ms, scrape_timeout: 500ms}\n"
        f"scrape_configs: [{{job_name: hamon, static_configs: [{{targets: ['127.0.0.1:{port}']}}]}}"
        + (f", {_drop_in(clusters, port)}" if clusters else "")
        + "]\n"
    )
    with (folder / "log").open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            *(program, f"--config.file={folder / 'prometheus.yml'}", f"--storage.tsdb.path={folder / 'data'}"),
            f"--web.listen-address=127.0.0.1:{own}",
            stdout=log,
            stderr=log,
        )
    try:
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{own}/api/v1", timeout=10) as client:
            yield client
    finally:
        process.terminate()
        await process.wait()


async def test_prometheus_sees_the_failover_that_the_api_tells(tmp_path: Path) -> None:
    services = {"shop": ["prmEx", "prmPg"]}
    async with (
        Gateway(tmp_path, logs=(FILE,), services=services, cluster__web={"grace_seconds": 20.0}) as gateway,
        prometheus(tmp_path / "prometheus", gateway.port) as client,
    ):

        async def query(expression: str) -> dict[tuple[str, ...], float]:
            """Values by the labels, the scrape's own left out."""
            try:
                answer = await client.get("/query", params={"query": expression})
            except httpx.TransportError:
                return {}
            found = {}
            for sample in answer.json()["data"]["result"] if answer.status_code == 200 else []:
                labels = {name: value for name, value in sample["metric"].items() if name not in ("__name__", "instance", "job")}
                found[tuple(value for _, value in sorted(labels.items()))] = float(sample["value"][1])
            return found

        # A first increase is seen as one: the counter was there before.
        await eventually(
            lambda: query('hamon_failovers_total{planned="false",outcome="succeeded"}'),
            lambda found: found == {(CLUSTER, "succeeded", "false"): 0.0},
        )
        await write_failover(gateway)
        incidents = await gateway.incidents()
        (failover,) = [one for one in incidents if one["kind"] == "failover"]

        await eventually(lambda: query("hamon_failovers_total > 0"), lambda found: found == {(CLUSTER, failover["outcome"], "false"): 1.0})
        opened_kinds = Counter((one["cluster"], one["kind"]) for one in incidents)
        assert await query("sum by (cluster, kind) (hamon_incidents_opened_total)") == opened_kinds
        events = Counter((event["cluster"], event["kind"]) for event in await gateway.events())
        assert await query("sum by (cluster, kind) (hamon_events_total)") == events
        (cluster,) = (await gateway.json("/api/v1/clusters"))["clusters"]
        (shop,) = cluster["services"]
        assert shop["active_node"] == "n2"
        active = await query('hamon_service_active{service="shop"}')
        assert {labels[1] for labels, value in active.items() if value == 1} == {shop["active_node"]}
        assert await query("hamon_service_down_seconds_sum > 0") == {(CLUSTER, "false"): failover["service_down_seconds"]}
        main = [one for one in incidents if one["state"] == "open" and one["part_of"] is None]
        assert sum((await query("hamon_incident_open == 1")).values()) == len(main)
        assert await query('up{job="hamon"}') == {(): 1.0}


async def test_promtool_has_nothing_to_say_about_the_metrics(tmp_path: Path) -> None:
    promtool = need("promtool")
    async with Gateway(tmp_path, logs=(FILE,), services={"shop": ["prmEx", "prmPg"]}) as gateway:
        await write_failover(gateway)
        exposition = (await gateway.get("/metrics")).content
    process = await asyncio.create_subprocess_exec(promtool, "check", "metrics", stdin=PIPE, stdout=PIPE, stderr=STDOUT)
    said, _ = await process.communicate(exposition)
    assert (process.returncode, said.decode()) == (0, "")


@asynccontextmanager
async def demonstration(folder: Path, speed: int = 20, said: str = "demo.log") -> AsyncIterator[str]:
    """`hamon demo` so many times as fast; the address of its pages. What it says is in the file `said`."""
    port = free_port()
    with (folder / said).open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "hamon", "demo", "--speed", str(speed), "--listen", f"127.0.0.1:{port}"),
            stdout=log,
            stderr=log,
            env=environment(STATE_DIRECTORY=str(folder)),
        )
    try:
        async with httpx.AsyncClient() as client:

            async def ready() -> bool:
                assert process.returncode is None, (folder / said).read_text()
                try:
                    return (await client.get(f"http://127.0.0.1:{port}/readyz")).status_code == 200
                except httpx.TransportError:
                    return False

            await eventually(ready)
        yield f"http://127.0.0.1:{port}"
        assert process.returncode is None
        process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(5):
            assert await process.wait() == 0
        assert "Traceback" not in (folder / said).read_text()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def test_a_newcomer_sees_within_a_minute_that_a_service_failed_over_in_both_languages(tmp_path: Path) -> None:
    async with chromium() as browser, demonstration(tmp_path) as origin:
        async with opened(browser, locale="en-GB") as english, opened(browser, locale="ja-JP") as japanese:
            for watched in (english, japanese):
                await watched.page.goto(origin)
            # The page stays open and comes up to date by itself.
            in_english = english.page.get_by_role("link", name=re.compile(r"failed over pm0\d → pm0\d"))
            in_japanese = japanese.page.get_by_role("link", name=re.compile(r"フェイルオーバ pm0\d → pm0\d"))
            await expect(in_english.first).to_be_visible(timeout=60_000)
            await expect(in_japanese.first).to_be_visible(timeout=60_000)
            await in_english.first.click()
            await expect(english.page.get_by_role("heading", level=1)).to_contain_text("(unplanned)")
            await expect(english.page.get_by_role("heading", name="What to do next")).to_be_visible()
            await in_japanese.first.click()
            await expect(japanese.page.get_by_role("heading", name="次に行うこと")).to_be_visible()
            for watched in (english, japanese):
                assert watched.complaints == []
                assert [url for url in watched.requests if not url.startswith(origin + "/")] == []
        async with httpx.AsyncClient(base_url=origin) as client:

            async def failovers() -> list[dict[str, Any]]:
                found = (await client.get("/api/v1/incidents", params={"kind": "failover"})).json()["incidents"]
                return [one for one in found if one["outcome"] == "succeeded"]

            await eventually(failovers, lambda found: len(found) == 2)

            async def metrics() -> str:
                return (await client.get("/metrics")).text

            # They are counted a moment after they are in the history.
            await eventually(metrics, lambda text: 'hamon_failovers_total{cluster="demo",outcome="succeeded",planned="false"} 2\n' in text)
            assert 'hamon_traps_received_total{collector="demo_traps",version="2c"} 75\n' in await metrics()
    assert os.path.getsize(tmp_path / "demo" / "mail.mbox") > 0


async def test_the_demonstration_shows_the_state_of_its_cluster_as_crm_mon_printed_it(tmp_path: Path) -> None:
    async with (
        chromium() as browser,
        demonstration(tmp_path, speed=8) as origin,
        opened(browser, locale="en-GB") as english,
        opened(browser, locale="ja-JP") as japanese,
    ):
        await english.page.goto(f"{origin}/clusters/demo")
        await expect(english.page.get_by_text("Answered by pm0")).to_be_visible(timeout=60_000)
        await expect(english.page.get_by_role("row", name=re.compile(r"web_shop runs on pm0\d"))).to_be_visible(timeout=60_000)
        await japanese.page.goto(f"{origin}/clusters/demo")
        await expect(japanese.page.get_by_role("row", name=re.compile(r"web_shop pm0\d で稼働中"))).to_be_visible(timeout=60_000)
        for watched in (english, japanese):
            assert watched.complaints == []


async def test_the_demonstration_says_where_to_look(tmp_path: Path) -> None:
    async with demonstration(tmp_path) as origin:

        async def said() -> str:
            return (tmp_path / "demo.log").read_text()

        text = await eventually(said, lambda text: "Stop with Ctrl-C" in text)
    for word in (f"{origin}/", f"{origin}/metrics", str(tmp_path / "demo" / "mail.mbox"), str(tmp_path / "demo" / "logs")):
        assert word in text


async def test_two_demonstrations_at_once_have_a_folder_each(tmp_path: Path) -> None:
    async with demonstration(tmp_path) as one, demonstration(tmp_path, said="other.log") as other:
        async with httpx.AsyncClient() as client:

            async def failovers(origin: str) -> int:
                answer = await client.get(f"{origin}/api/v1/incidents", params={"kind": "failover"})
                return len(answer.json()["incidents"])

            for origin in (one, other):
                await eventually(partial(failovers, origin))
        assert str(tmp_path / "demo" / "mail.mbox") in (tmp_path / "demo.log").read_text()
        assert str(tmp_path / "demo_2" / "mail.mbox") in (tmp_path / "other.log").read_text()
    async with demonstration(tmp_path, said="third.log"):
        pass
    assert "demo_2" not in (tmp_path / "third.log").read_text()


@pytest.mark.parametrize("words", [("--speed", "0"), ("--speed", "fast"), ("--listen", "nowhere")])
async def test_the_demonstration_refuses_what_it_cannot_do(tmp_path: Path, words: tuple[str, str]) -> None:
    status, text = await run_command("demo", *words, STATE_DIRECTORY=str(tmp_path))
    assert status == 2
    assert "Traceback" not in text
    assert words[0].removeprefix("--") in text
