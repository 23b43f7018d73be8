"""What a real Prometheus has scraped of hamon while something happened to the cluster, and whether that is the truth too."""

from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import httpx

from tests.cluster.happenings import Expected
from tests.gateway.harness import CLUSTER, eventually, now

Labels = tuple[str, ...]
STEP_SECONDS = 0.5
"""Between two scrapes, so between two looks at what was scraped."""
PATIENCE_SECONDS = 15.0
"""A scrape waits for its turn on a machine that is busy."""
OPEN = f'sum by (kind) (hamon_incident_open{{cluster="{CLUSTER}"}})'
DEBT = f'hamon_redundancy_debt_timestamp_seconds{{cluster="{CLUSTER}"}}'
MOVES = frozenset({"failover", "switchover"})
BEFORE = {"local_recovery": "resource_failure"}
"""What a kind is until it is known that it ends so."""
BEGINS_AS = {"service_down": "failover"}
"""What a kind may be for a moment, until it is known that nobody takes over."""
REDUNDANCY = "hamon_service_redundancy and on (cluster, service) hamon_service_redundancy_known == 1"


def leaves_a_debt(expected: Expected) -> bool:
    """Whether it leaves a service running that nobody could take over, until somebody repairs the other node."""
    return expected.kind in ("failover", "standby_fault") and expected.redundancy_lost and not expected.is_down


@dataclass(frozen=True, slots=True)
class Numbers:
    """The answers of one Prometheus. Values are by the values of the labels that the query keeps, those of the scrape itself left out."""

    client: httpx.AsyncClient

    async def query(self, expression: str) -> dict[Labels, float]:
        """What it has now; nothing while it starts."""
        try:
            answer = await self.client.get("/query", params={"query": expression})
        except httpx.TransportError:
            return {}
        if answer.status_code == 503:
            return {}
        return {labels: float(sample["value"][1]) for labels, sample in _samples(answer)}

    async def during(self, expression: str, since: datetime) -> dict[Labels, list[float]]:
        """Its values from then until now, oldest first."""
        span = {"start": since.timestamp(), "end": now().timestamp(), "step": STEP_SECONDS}
        answer = await self.client.get("/query_range", params={"query": expression, **span})
        return {labels: [float(value) for _, value in sample["values"]] for labels, sample in _samples(answer)}

    async def sees_debt(self) -> None:
        """Wait until it has scraped that redundancy is owed: a cluster may be repaired before it looks."""
        await eventually(lambda: self.query(DEBT), lambda found: bool(found), 60)

    async def is_scraping(self) -> None:
        await eventually(lambda: self.query('up{job="hamon"}'), lambda found: found == {(): 1.0})


def _planned(incident: Mapping[str, Any]) -> str:
    return {True: "true", False: "false", None: "unknown"}[incident["planned"]]


def _first_ends(
    incidents: Iterable[Mapping[str, Any]], heard: Callable[[Mapping[str, Any]], Sequence[Mapping[str, Any]]]
) -> Counter[Labels]:
    """How each move ended, and whether it was planned, as it was known first: what failed and was repaired later has failed."""
    ends = (
        next((said for said in (*heard(one), one) if said["kind"] in MOVES and said["outcome"] in ("succeeded", "failed")), None)
        for one in incidents
    )
    return Counter((str(said["outcome"]), _planned(said)) for said in ends if said is not None)


def _samples(answer: httpx.Response) -> list[tuple[Labels, Any]]:
    assert answer.status_code == 200, answer.text
    found = []
    for sample in answer.json()["data"]["result"]:
        labels = {name: value for name, value in sample["metric"].items() if name not in ("__name__", "instance", "job", "cluster")}
        found.append((tuple(value for _, value in sorted(labels.items())), sample))
    return found


async def misnumbered(
    numbers: Numbers,
    expected: Expected,
    since: datetime,
    *,
    service: str,
    services: Iterable[str],
    incidents: Callable[[], Awaitable[Sequence[Mapping[str, Any]]]],
    heard: Callable[[Mapping[str, Any]], Sequence[Mapping[str, Any]]],
    counts: bool,
) -> list[str]:
    """Where the numbers say something else than the happening since then and the incidents that hamon tells; empty: nowhere.

    `service` is what it happened to. `incidents` gives all incidents of this hamon, all of them over; `heard` one of them as people
    heard of it, message by message. `counts`: it was never restarted, so that its counters hold them all.
    """
    found: list[str] = []

    async def becomes(what: str, ask: Callable[[], Awaitable[object]], true: object) -> None:
        try:
            await eventually(ask, lambda said: said == true, PATIENCE_SECONDS)
        except AssertionError:
            found.append(f"Prometheus has {await ask()} {what}, not {true}")

    async def open_now() -> object:
        return {kind: value for kind, value in (await numbers.query(OPEN)).items() if value}

    async def redundancy_now() -> object:
        return {labels[0]: value > 0 for labels, value in (await numbers.query(REDUNDANCY)).items()}

    await becomes("open", open_now, {})
    await becomes("services protected", redundancy_now, dict.fromkeys(services, True))
    await becomes("owed", lambda: numbers.query(DEBT), {})
    if leaves_a_debt(expected) and not await numbers.during(DEBT, since):
        found.append("Prometheus never saw that redundancy was owed")
    raised = {kind[0]: max(values) for kind, values in (await numbers.during(OPEN, since)).items()}
    new = [one for one in await incidents() if datetime.fromisoformat(one["detected_at"]) >= since]
    for kind in sorted(BEFORE.get(kind, kind) for kind in map(str, {expected.kind, *expected.also} - {None})):
        # All of a kind are open at the same time; what became a part, or something worse, may have counted for a moment.
        known = [(one, {BEFORE.get(said["kind"], said["kind"]) for said in (one, *heard(one))}) for one in new]
        least = sum(kind in kinds for one, kinds in known if one["part_of"] is None)
        most = sum(kind in kinds or kind in map(BEGINS_AS.get, kinds) for _, kinds in known)
        if not least <= raised.get(kind, 0) <= most:
            found.append(f"Prometheus saw {raised.get(kind)} {kind} open at most, not {least} to {most}")
    protected = (await numbers.during(REDUNDANCY, since)).get((service,), [])
    if expected.redundancy_lost != (0 in protected):
        found.append(f"Prometheus saw the redundancy of {service} as {sorted(set(protected))}; lost is {expected.redundancy_lost}")
    if counts:
        # Absolute, since the start of hamon: what was missed once would show in every later happening too. A kind may become a better one.
        async def counted() -> object:
            opened = sum((await numbers.query(f'hamon_incidents_opened_total{{cluster="{CLUSTER}"}}')).values())
            resolved = await numbers.query(f'sum by (kind) (hamon_incidents_resolved_total{{cluster="{CLUSTER}"}})')
            moved = await numbers.query("sum by (outcome, planned) (hamon_failovers_total)")
            told = await incidents()
            kinds = Counter((one["kind"],) for one in told)
            ended = _first_ends(told, heard)
            return [
                (what, seen, true)
                for what, seen, true in (
                    ("opened", opened, len(told)),
                    ("resolved", resolved, dict(kinds)),
                    ("moves", {labels: value for labels, value in moved.items() if value}, dict(ended)),
                )
                if seen != true
            ]

        await becomes("of the incidents otherwise", counted, [])
    return found
