"""hamon beside a cluster, as an operator would run it, and all whom it tells: a mail server, a webhook, an SNMP manager, a Prometheus."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

from tests.cluster.cluster import Cluster
from tests.cluster.configuration import COMMUNITY, MONITOR, TRAP_PORT, address
from tests.cluster.happenings import GRACE_SECONDS, MEMBERSHIP_SECONDS, SETTLE_SECONDS, Expected
from tests.cluster.numbers import Numbers
from tests.gateway.harness import CLUSTER, Gateway, eventually, now
from tests.gateway.test_peers import prometheus
from tests.notify.http_server import HttpServer, Request, http_server
from tests.notify.mail_server import MailServer, Taken
from tests.snmp.nms import AUTH, PRIV, Arrived, Nms, running, users

P = ParamSpec("P")
T = TypeVar("T")
Incident = Mapping[str, Any]

ENGINE_ID = "80001f880568616d6f6e"
PACEMAKER_LOG, COROSYNC_LOG, HA_LOG = "log/pacemaker/pacemaker.log", "log/corosync/corosync.log", "log/ha-log"
NATIVE = (PACEMAKER_LOG, COROSYNC_LOG)


def configured(
    folder: Path, cluster: Cluster, *, logs: Sequence[str] = NATIVE, traps: bool = True, polls: bool = True, **more: Mapping[str, object]
) -> Gateway:
    """hamon as the README sets it up for this cluster, with the times that an operator has; daemons count as well sooner."""
    defaults: dict[str, object] = {
        "settle_seconds": SETTLE_SECONDS,
        "membership_seconds": MEMBERSHIP_SECONDS,
        "grace_seconds": GRACE_SECONDS,
        "stable_seconds": 15.0,
        "flapping_count": 0,  # what is broken here every half minute would count as flapping
    }
    sections: dict[str, Mapping[str, object]] = {"cluster__web": defaults, **more}
    if traps:
        sections["collect__snmp_trap__main"] = {"listen": [f"{MONITOR}:{TRAP_PORT}"], "cluster": CLUSTER}
        nodes = {node: f"{address(0, number)}" for number, node in enumerate(cluster.nodes)}
        sections["collect__snmp_trap__main__community__nodes"] = {"community": COMMUNITY, "sources": list(nodes.values())}
        for node, at in nodes.items():
            sections[f"collect__snmp_trap__main__source__{node}"] = {"addresses": [at], "node": node}
    if polls:
        sections["collect__crm_mon__state"] = {"cluster": CLUSTER}
        sections["collect__crm_mon__state__commands"] = {node: [*cluster.asking_way_to(node), "crm_mon"] for node in cluster.nodes}
    made = Gateway(
        folder,
        cluster.nodes if logs else (),
        logs=logs,
        logs_in=cluster.folder / "nodes",
        services=cluster.services,
        mailbox=False,
    )
    for name, values in sections.items():
        made.sections.setdefault(name.replace("__", "."), {}).update(values)
    return made


@dataclass(frozen=True, slots=True)
class Told:
    """What each target was told of one incident."""

    mails: Sequence[Taken]
    posts: Sequence[Request]
    alarms: Sequence[Arrived]

    @property
    def notices(self) -> list[str]:
        return [post.json["notice"] for post in self.posts]


class Watch:
    """One hamon and its targets. `hamon` may be stopped, killed and started again; the targets go on."""

    def __init__(self, cluster: Cluster, hamon: Gateway, server: MailServer, hook: HttpServer, nms: Nms, numbers: Numbers) -> None:
        self.cluster, self.hamon, self.server, self.hook, self.nms, self.numbers = cluster, hamon, server, hook, nms, numbers

    async def do(self, function: Callable[P, T], *arguments: P.args, **named: P.kwargs) -> T:
        """Do something to the cluster that takes a while; the targets listen meanwhile."""
        return await asyncio.to_thread(function, *arguments, **named)

    async def since(self, start: datetime) -> list[Incident]:
        """Incidents noticed since then, oldest first."""
        return [one for one in await self.hamon.incidents() if datetime.fromisoformat(one["detected_at"]) >= start]

    def told(self, incident: Incident) -> Told:
        name = f"{incident['cluster']}/{incident['key']}"
        return Told(
            [taken for taken in self.server.taken if taken.mail["X-Hamon-Incident"] == name],
            [post for post in self.hook.requests if post.json["incident"]["key"] == incident["key"]],
            [one for one in self.nms.arrived() if one.values.get("hamonNotifyKey") == incident["key"]],
        )

    async def over(self, start: datetime, expected: Expected, seconds: float = 90) -> list[Incident]:
        """Wait until everything that began since then is over, and told to everybody; all incidents, parts included."""
        wanted = expected.also | ({expected.kind} if expected.kind else set())

        async def closed() -> tuple[bool, list[Incident]]:
            found = await self.since(start)
            pending = sum(value for name, value in (await self.hamon.metrics()).items() if name.startswith("hamon_deliveries_pending"))
            kinds = {one["kind"] for one in found}
            return wanted <= kinds and all(one["state"] != "open" for one in found) and not pending, found

        _, found = await eventually(closed, lambda answer: answer[0], seconds)
        return found

    async def is_whole(self) -> datetime:
        """Also after a test that failed: the cluster is repaired, and hamon has nothing open."""
        if not await self.do(self.cluster.is_whole):
            await self.do(self.cluster.repair)
        await self.is_calm()
        await self.do(self.cluster.go_home)
        return await self.is_calm()

    async def is_calm(self, seconds: float = 90) -> datetime:
        """Wait until nothing is open and hamon knows where every service is; the moment from which on everything is new."""

        async def calm() -> tuple[list[Incident], list[Any]]:
            clusters = (await self.hamon.json("/api/v1/clusters"))["clusters"]
            unknown = [one["name"] for one in clusters if one["name"] == CLUSTER for one in one["services"] if one["active_node"] is None]
            known = any(one["name"] == CLUSTER for one in clusters)
            return [one for one in await self.hamon.incidents() if one["state"] == "open"], unknown if known else [CLUSTER]

        await eventually(calm, lambda found: not found[0] and not found[1], seconds)
        # Stamps of corosync.log and of the syslog are whole seconds: what happens in the rest of this one would seem to be of before.
        await asyncio.sleep(1 - now().microsecond / 1_000_000)
        return now().replace(microsecond=0)


@asynccontextmanager
async def watched(folder: Path, cluster: Cluster, **options: Any) -> AsyncIterator[Watch]:
    """hamon and its targets, on the monitor host of the cluster, in whose network this thread must be. Options as for `configured`."""
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(MailServer())
        hook = await stack.enter_async_context(http_server())
        nms = await stack.enter_async_context(running(Nms(folder / "nms", users(f"0x{ENGINE_ID}"))))
        hamon = configured(folder / "hamon", cluster, **options)
        hamon.sections["snmp"] = {"engine_id": ENGINE_ID}
        hamon.sections["notify.smtp.ops"] = {
            "host": "127.0.0.1",
            "port": server.port,
            "security": "none",
            "sender": "hamon@example.com",
            "to": ["ops@example.com"],
            "local_name": "test.invalid",
        }
        hamon.sections["notify.webhook.tickets"] = {"url": f"http://127.0.0.1:{hook.port}/"}
        hamon.sections["notify.snmp_trap.noc"] = {
            "address": nms.address,
            "auth_passphrase": AUTH,
            "priv_passphrase": PRIV,
            "min_severity": "info",
            "heartbeat_seconds": 0,
        }
        await stack.enter_async_context(hamon)
        numbers = Numbers(await stack.enter_async_context(prometheus(folder / "prometheus", hamon.port)))
        await numbers.is_scraping()
        yield Watch(cluster, hamon, server, hook, nms, numbers)
