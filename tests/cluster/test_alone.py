"""hamon has one kind of evidence only: what it takes until people hear of a failover."""

from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from tests.cluster import happenings
from tests.cluster.beside import Incident, Watch, watched
from tests.cluster.cluster import Cluster
from tests.cluster.detection import MEASURED, Detection
from tests.cluster.happenings import HAPPENINGS, SETTLE_SECONDS, roles
from tests.cluster.judge import TOLD_SECONDS, delay, noticed
from tests.gateway.harness import eventually, now

ALONE: dict[str, dict[str, Any]] = {
    "logs": {"traps": False, "polls": False},
    "traps": {"logs": (), "polls": False},
    "polls": {"logs": (), "traps": False},
}


async def since_the_second_poll(watch: Watch, main: Incident) -> float:
    """Seconds from the answer of the poll that first shows it otherwise than the one before to the webhook being told."""
    opening = next(post for post in watch.told(main).posts if post.json["notice"] == "opening")
    seen = [datetime.fromisoformat(event["received_at"]) for event in await watch.hamon.events() if event["source"] == "poll"]
    return (opening.at - max(at for at in seen if at <= opening.at)).total_seconds()


@pytest.mark.full
@pytest.mark.parametrize("evidence", ALONE)
async def test_a_failover_is_told_soon_by_one_kind_of_evidence_alone(cluster: Cluster, tmp_path: Path, evidence: str) -> None:
    async with watched(tmp_path, cluster, **ALONE[evidence]) as watch:
        if not await watch.do(cluster.is_whole):
            await watch.do(cluster.repair)
        if evidence != "traps":  # traps tell only what changes
            await watch.is_calm()
        for happening in (happenings.resource_failure, happenings.active_power_loss):
            since, at = now(), await watch.do(roles, cluster)
            await watch.do(happening, cluster, at)

            async def failover(since: datetime = since) -> list[Incident]:
                found = [one for one in await watch.since(since) if one["kind"] == "failover" and one["part_of"] is None]
                return [one for one in found if watch.told(one).posts and one["outcome"] == "succeeded"]

            (main,) = await eventually(failover, seconds=60)
            assert (main["from_node"], main["to_node"], main["planned"]) == (at.active, at.standby, False)
            after = await since_the_second_poll(watch, main) if evidence == "polls" else delay(watch.told(main))
            assert after is not None
            assert after < TOLD_SECONDS + SETTLE_SECONDS
            MEASURED.append(Detection(HAPPENINGS[happening.__name__].name, noticed(main, since), after, evidence=f"{evidence} alone"))
            await watch.do(cluster.repair)
